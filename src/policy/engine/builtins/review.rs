//! Time and randomness of the review: the same for all its policies and for both runs of a mutation; and what a UUID says.

use regorus::Value;
use sha2::{Digest, Sha256};

use super::encoding::hex;
use super::{EVALUATION, original, text};

pub(super) fn now_ns(_: &[Value]) -> anyhow::Result<Value> {
    Ok(Value::from(EVALUATION.get().context.now_ns))
}

fn random(label: &str, key: &str) -> [u8; 32] {
    let seed = EVALUATION.get().context.seed.to_le_bytes();
    Sha256::new()
        .chain_update(seed)
        .chain_update(label)
        .chain_update([0])
        .chain_update(key)
        .finalize()
        .into()
}

pub(super) fn rand_intn(values: &[Value]) -> anyhow::Result<Value> {
    let key = text(values, 0, "rand.intn")?;
    let Some(Value::Number(limit)) = values.get(1) else {
        anyhow::bail!("rand.intn: operand 2 must be a number")
    };
    let Some(limit) = limit.as_i64() else {
        anyhow::bail!("rand.intn: operand 2 must be an integer")
    };
    let [a, b, c, d, e, f, g, h, ..] = random("rand.intn", &format!("{limit}\0{key}"));
    let drawn = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    Ok(Value::from(drawn.checked_rem(limit.unsigned_abs()).unwrap_or(0)))
}

pub(super) fn uuid(values: &[Value]) -> anyhow::Result<Value> {
    let mut bytes = random("uuid.rfc4122", text(values, 0, "uuid.rfc4122")?);
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
    *version = (*version & 0x0f) | 0x40;
    *variant = (*variant & 0x3f) | 0x80;
    let hex = hex(&bytes);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    let uuid = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-");
    Ok(Value::from(uuid))
}

/// What a UUID says of itself. As in OPA it may stand between any two characters, or behind `urn:uuid:`.
pub(super) fn uuid_parse(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "uuid.parse";
    const URN: &str = "urn:uuid:";
    let text = text(values, 0, NAME)?;
    let inner = match text.len() {
        32 | 36 => Some(text),
        38 => text.get(1..37),
        45 => text
            .get(..URN.len())
            .filter(|start| start.eq_ignore_ascii_case(URN))
            .and_then(|_| text.get(URN.len()..)),
        _ => None,
    };
    match inner.filter(|inner| inner.chars().all(|c| c.is_ascii_hexdigit() || c == '-')) {
        Some(inner) => original::call_as_told(NAME, &[Value::from(inner)]),
        None => Ok(Value::Undefined),
    }
}

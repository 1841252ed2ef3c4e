//! How long an answer holds for reviews to come: as the policy forces it, or as its headers say.

use regorus::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::NAME;
use super::request::{flag, member};
use crate::fetch::Response;

/// Statuses whose answers may be kept.
const KEPT: [u16; 11] = [200, 203, 204, 206, 300, 301, 404, 405, 410, 414, 501];

const SECOND: i64 = 1_000_000_000;

/// A policy wants answers kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caching {
    /// As their headers say.
    AsTold,
    /// For so many seconds.
    Forced(i32),
}

impl Caching {
    /// What a request says of it.
    pub(super) fn read(operand: &Value) -> anyhow::Result<Option<Self>> {
        match member(operand, "caching_mode") {
            None => {}
            Some(Value::String(mode)) if ["serialized", "deserialized"].contains(&&**mode) => {}
            Some(_) => anyhow::bail!("{NAME}: invalid value for \"caching_mode\""),
        }
        let told = flag(operand, "cache", false)?;
        if !flag(operand, "force_cache", false)? {
            return Ok(told.then_some(Caching::AsTold));
        }
        let Some(seconds) = member(operand, "force_cache_duration_seconds") else {
            anyhow::bail!(
                "{NAME}: 'force_cache' set but 'force_cache_duration_seconds' parameter is missing"
            );
        };
        let seconds = match seconds {
            Value::Number(seconds) => seconds.as_i64().and_then(|seconds| i32::try_from(seconds).ok()),
            _ => None,
        };
        match seconds {
            Some(seconds) => Ok(Some(Caching::Forced(seconds))),
            None => anyhow::bail!("{NAME}: invalid value for \"force_cache_duration_seconds\""),
        }
    }

    /// Until when an answer may be kept, if at all. As in OPA `Cache-Control` is nothing without `Date`.
    pub(super) fn until(self, response: &Response, now_ns: i64) -> Option<i64> {
        if !KEPT.contains(&response.status) {
            return None;
        }
        if let Caching::Forced(seconds @ 1..) = self {
            return now_ns.checked_add(i64::from(seconds) * SECOND);
        }
        let header = |name: &str| {
            let (_, value) = response.headers.iter().find(|(key, _)| key == name)?;
            std::str::from_utf8(value).ok()
        };
        let directives = header("cache-control").unwrap_or_default();
        let mut directives = directives.split(',').map(str::trim);
        if directives.clone().any(|directive| directive == "no-store") {
            return None;
        }
        let max_age = directives.find_map(|directive| directive.strip_prefix("max-age="));
        match max_age {
            Some(seconds) => {
                let seconds: u64 = seconds.trim().parse().ok()?;
                let seconds = i64::try_from(seconds).ok()?.min(i64::from(i32::MAX));
                instant(header("date")?)?.checked_add(seconds * SECOND)
            }
            None => instant(header("expires")?),
        }
    }
}

/// The time that a header names, in nanoseconds since 1970.
fn instant(text: &str) -> Option<i64> {
    let time = OffsetDateTime::parse(text, &Rfc2822).ok()?;
    i64::try_from(time.unix_timestamp_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    const THEN: i64 = 784_111_777 * SECOND;

    fn response(status: u16, headers: &[(&str, &str)]) -> Response {
        let headers = headers.iter();
        Response {
            status,
            reason: String::new(),
            headers: headers
                .map(|(name, value)| ((*name).into(), value.as_bytes().to_vec()))
                .collect(),
            body: bytes::Bytes::new(),
        }
    }

    #[test]
    fn an_answer_is_kept_as_long_as_its_headers_say() {
        let expires = ("expires", "Sun, 06 Nov 1994 08:50:37 GMT");
        for (headers, seconds) in [
            (&[DATE, ("cache-control", "max-age=30")][..], Some(30)),
            (
                &[DATE, ("cache-control", "public, max-age=30 , must-revalidate")],
                Some(30),
            ),
            (
                &[DATE, ("cache-control", "max-age=99999999999")],
                Some(i64::from(i32::MAX)),
            ),
            (&[DATE, ("cache-control", "max-age=30, no-store")], None),
            (&[DATE, ("cache-control", "max-age=x"), expires], None),
            (&[("cache-control", "max-age=30")], None),
            (&[DATE, ("cache-control", "max-age=30"), expires], Some(30)),
            (&[expires], Some(60)),
            (&[("expires", "0")], None),
            (&[("cache-control", "no-store"), expires], None),
            (&[DATE], None),
        ] {
            let until = Caching::AsTold.until(&response(200, headers), THEN);
            assert_eq!(
                until,
                seconds.map(|seconds| THEN + seconds * SECOND),
                "{headers:?}"
            );
        }
        let told = [DATE, ("cache-control", "max-age=30")];
        assert_eq!(
            Caching::AsTold.until(&response(404, &told), THEN),
            Some(THEN + 30 * SECOND)
        );
        assert_eq!(Caching::AsTold.until(&response(500, &told), THEN), None);
    }

    #[test]
    fn an_answer_is_kept_as_long_as_the_policy_forces() {
        let refuses = response(200, &[("cache-control", "no-store")]);
        assert_eq!(Caching::Forced(5).until(&refuses, 7), Some(7 + 5 * SECOND));
        assert_eq!(Caching::Forced(0).until(&refuses, 7), None);
        assert_eq!(Caching::Forced(5).until(&response(503, &[]), 7), None);
    }
}

//! Chains that hold or fail by one thing only: by names, circles, doubles, policies, and by how much is tried.

use anyhow::Result;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CidrSubnet, GeneralSubtree, IsCa, KeyIdMethod, KeyPair,
    NameConstraints, PKCS_ECDSA_P256_SHA256, SanType,
};

use super::{Issuer, authority, below, extension, leaf, params, pem, root, signed};

const UNBOUNDED: BasicConstraints = BasicConstraints::Unconstrained;

/// The same key once more.
fn again(key: &KeyPair) -> Result<KeyPair> {
    Ok(KeyPair::from_pem(&key.serialize_pem())?)
}

fn top() -> Result<Issuer> {
    root(authority("root", UNBOUNDED), &PKCS_ECDSA_P256_SHA256)
}

fn middle() -> CertificateParams {
    authority("between", UNBOUNDED)
}

pub(super) fn chains() -> Result<Vec<String>> {
    let mut chains = roots()?;
    chains.extend(doubles()?);
    chains.extend(circles()?);
    chains.extend(policies()?);
    chains.extend(constraints()?);
    Ok(chains)
}

/// Trusted ones that are no authorities, and issuers of another name.
fn roots() -> Result<Vec<String>> {
    let mut chains = Vec::new();
    let mut denied = params("root");
    denied.is_ca = IsCa::ExplicitNoCa;
    for top in [params("root"), denied] {
        let root = root(top, &PKCS_ECDSA_P256_SHA256)?;
        let between = below(middle(), &root)?;
        let (direct, whole) = (signed(&leaf(&[])?, &root)?, signed(&leaf(&[])?, &between)?);
        chains.push(pem(&[root.as_ref(), &direct]));
        chains.push(pem(&[root.as_ref(), between.as_ref(), &whole]));
    }
    let root = top()?;
    let between = below(middle(), &root)?;
    let whole = signed(&leaf(&[])?, &between)?;
    let renamed = Issuer::signed_by(authority("renamed", UNBOUNDED), again(between.key())?, &root)?;
    chains.push(pem(&[root.as_ref(), renamed.as_ref(), &whole]));
    chains.push(pem(&[root.as_ref(), renamed.as_ref(), between.as_ref(), &whole]));
    Ok(chains)
}

/// Many certificates of one name before the one that has signed: the same one many times, and many of them.
fn doubles() -> Result<Vec<String>> {
    let root = top()?;
    let between = below(middle(), &root)?;
    let whole = signed(&leaf(&[])?, &between)?;
    let duds = |count: usize| -> Result<Vec<Issuer>> { (0..count).map(|_| below(middle(), &root)).collect() };
    let chain = |duds: Vec<&Certificate>| {
        let all = [vec![root.as_ref()], duds, vec![between.as_ref(), &whole]];
        pem(&all.concat())
    };
    let mut chains = Vec::new();
    for count in [90, 110] {
        let duds = duds(count)?;
        chains.push(chain(duds.iter().map(AsRef::as_ref).collect()));
    }
    let dud = below(middle(), &root)?;
    chains.push(chain(vec![dud.as_ref(); 110]));
    Ok(chains)
}

/// Certificates that sign each other, and those of which several would do.
fn circles() -> Result<Vec<String>> {
    let root = top()?;
    let (one, other) = (
        below(middle(), &root)?,
        below(authority("other", UNBOUNDED), &root)?,
    );
    let crossed = Issuer::signed_by(middle(), again(one.key())?, &other)?;
    let back = Issuer::signed_by(authority("other", UNBOUNDED), again(other.key())?, &crossed)?;
    let whole = signed(&leaf(&[])?, &one)?;
    let mut chains = vec![
        pem(&[root.as_ref(), crossed.as_ref(), back.as_ref(), &whole]),
        pem(&[
            root.as_ref(),
            crossed.as_ref(),
            back.as_ref(),
            one.as_ref(),
            &whole,
        ]),
    ];
    // One names the key that the child asks for, one names none, one another.
    let with_key = |id: KeyIdMethod| {
        let mut params = middle();
        params.key_identifier_method = id;
        Issuer::signed_by(params, again(one.key())?, &root).map_err(anyhow::Error::from)
    };
    let named = with_key(KeyIdMethod::PreSpecified(vec![1, 2, 3]))?;
    let misnamed = with_key(KeyIdMethod::PreSpecified(vec![3, 2, 1]))?;
    let mut asking = leaf(&[])?;
    asking.use_authority_key_identifier_extension = true;
    let asking = signed(&asking, &named)?;
    for order in [
        [&misnamed, &named, &one],
        [&one, &misnamed, &named],
        [&named, &one, &misnamed],
    ] {
        let [a, b, c] = order.map(AsRef::as_ref);
        chains.push(pem(&[root.as_ref(), a, b, c, &asking]));
    }
    // The trusted one itself is nearer than one of its name that it has signed.
    let mut longer = authority("root", UNBOUNDED);
    longer.subject_alt_names = vec![SanType::DnsName("a.example.com".try_into()?)];
    let longer = Issuer::signed_by(longer, again(root.key())?, &root)?;
    let direct = signed(&leaf(&[])?, &root)?;
    chains.push(pem(&[root.as_ref(), longer.as_ref(), &direct]));
    Ok(chains)
}

/// Certificates that demand policies, or map one to another, at each place of a chain.
fn policies() -> Result<Vec<String>> {
    let demand = || extension(&[2, 5, 29, 36], &[0x30, 3, 0x80, 1, 0], true);
    let maps = || {
        let content = [0x30, 10, 0x30, 8, 6, 2, 0x2a, 3, 6, 2, 0x2a, 4];
        extension(&[2, 5, 29, 33], &content, true)
    };
    let mut chains = Vec::new();
    for extension in [demand(), maps()] {
        for place in 0..3 {
            let (mut all, mut at) = ([authority("root", UNBOUNDED), middle(), leaf(&[])?], 0);
            for params in &mut all {
                if at == place {
                    params.custom_extensions = vec![extension.clone()];
                }
                at += 1;
            }
            let [first, second, third] = all;
            let root = root(first, &PKCS_ECDSA_P256_SHA256)?;
            let between = below(second, &root)?;
            let leaf = signed(&third, &between)?;
            chains.push(pem(&[root.as_ref(), between.as_ref(), &leaf]));
        }
    }
    Ok(chains)
}

/// Constraints of one family of addresses over addresses of the other. What excludes is stricter here for addresses of
/// IPv4 in the form of IPv6, and not compared.
fn constraints() -> Result<Vec<String>> {
    let zeros = CidrSubnet::V6([0; 16], [0; 16]);
    let nothing = CidrSubnet::V4([0; 4], [0; 4]);
    let mut chains = Vec::new();
    for network in [zeros, nothing] {
        for address in ["10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1"] {
            for permits in [true, false] {
                if !permits && address.starts_with("::ffff") {
                    continue;
                }
                let subtrees = vec![GeneralSubtree::IpAddress(network)];
                let (permitted_subtrees, excluded_subtrees) = match permits {
                    true => (subtrees, Vec::new()),
                    false => (Vec::new(), subtrees),
                };
                let mut top = authority("root", UNBOUNDED);
                top.name_constraints = Some(NameConstraints {
                    permitted_subtrees,
                    excluded_subtrees,
                });
                let root = root(top, &PKCS_ECDSA_P256_SHA256)?;
                let mut end = leaf(&[])?;
                end.subject_alt_names = vec![SanType::IpAddress(address.parse()?)];
                chains.push(pem(&[root.as_ref(), &signed(&end, &root)?]));
            }
        }
    }
    Ok(chains)
}

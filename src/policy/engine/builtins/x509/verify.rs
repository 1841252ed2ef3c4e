//! The chain from a certificate to the one that is trusted, as Go builds and judges it.
//!
//! In two ways it is stricter: where a certificate demands policies, or maps them to any, a chain is never valid; and an
//! address of IPv4 that is written as one of IPv6 is excluded by whatever excludes an address.

use super::certificate::Certificate;
use super::constraints;
use super::extensions::ALTERNATIVE_NAMES;

/// What has to hold besides.
pub(super) struct Options {
    /// Nanoseconds since 1970.
    pub(super) time: i128,
    /// Empty for any.
    pub(super) host: String,
    /// Uses by their numbers, of which one has to be allowed; none of them for that of servers.
    pub(super) usages: Vec<usize>,
    /// Who asks.
    pub(super) function: &'static str,
}

const ANY_USAGE: usize = 0;
const SERVER_USAGE: usize = 1;

/// The identifier of any policy.
const ANY_POLICY: &[u8] = &[0x55, 0x1d, 0x20, 0];

/// How often signatures are verified at most for one chain.
const MAX_CHECKS: usize = 100;

type Chain<'c, 'a> = Vec<&'c Certificate<'a>>;

/// Where a certificate stands in a chain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Leaf,
    Between,
    Root,
}

/// The first chain from the last one of these certificates to the first one that holds, if any does.
pub(super) fn chain<'c, 'a>(
    certificates: &'c [Certificate<'a>],
    options: &Options,
) -> anyhow::Result<Option<Chain<'c, 'a>>> {
    let [root, between @ .., leaf] = certificates else {
        return Ok(None);
    };
    let mut search = Search {
        root,
        between: distinct(between),
        options,
        checks: 0,
        comparisons: 0,
    };
    let is_wanted = options.host.is_empty() || leaf.known.names.has(&options.host);
    if !search.is_valid(leaf, Place::Leaf, &[]) || !is_wanted {
        return Ok(None);
    }
    if leaf.raw == root.raw {
        return search.accepted(vec![leaf]);
    }
    search.above(vec![leaf])
}

fn distinct<'c, 'a>(certificates: &'c [Certificate<'a>]) -> Chain<'c, 'a> {
    let mut seen = std::collections::BTreeSet::new();
    let all = certificates.iter();
    all.filter(|certificate| seen.insert(certificate.raw)).collect()
}

struct Search<'o, 'c, 'a> {
    root: &'c Certificate<'a>,
    between: Chain<'c, 'a>,
    options: &'o Options,
    checks: usize,
    comparisons: usize,
}

impl<'c, 'a> Search<'_, 'c, 'a> {
    /// The first chain that holds of those that go on from this one.
    fn above(&mut self, chain: Chain<'c, 'a>) -> anyhow::Result<Option<Chain<'c, 'a>>> {
        let Some(child) = chain.last().copied() else {
            return Ok(None);
        };
        let issued = |issuer: &&'c Certificate<'a>| issuer.subject.raw == child.issuer.raw;
        let roots = Some(self.root).filter(issued).map(|root| (root, Place::Root));
        let mut between: Chain<'c, 'a> = self.between.iter().copied().filter(issued).collect();
        between.sort_by_key(|issuer| distance(issuer, child));
        let between = between.into_iter().map(|issuer| (issuer, Place::Between));
        for (issuer, place) in roots.into_iter().chain(between) {
            self.checks += 1;
            if self.checks > MAX_CHECKS {
                return Ok(None);
            }
            if !self.may_follow(issuer, place, child, &chain) {
                continue;
            }
            let mut longer = chain.clone();
            longer.push(issuer);
            let found = match place {
                Place::Root => self.accepted(longer)?,
                _ => self.above(longer)?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Whether a certificate has signed the last one of a chain, and may have.
    fn may_follow(
        &self,
        issuer: &Certificate<'_>,
        place: Place,
        child: &Certificate<'_>,
        chain: &[&Certificate<'_>],
    ) -> bool {
        let is_authority = match issuer.known.basic {
            Some((is_authority, _)) => is_authority,
            None => issuer.version != 3,
        };
        let signs = issuer.known.key_usage == 0 || issuer.known.key_usage & 1 << 5 != 0;
        is_authority
            && signs
            && !chain.iter().any(|other| is_same(issuer, other))
            && issuer
                .key
                .verifies(child.algorithm, child.signed, &child.signature)
            && self.is_valid(issuer, place, chain)
    }

    /// Whether a certificate may stand at this place on top of a chain.
    fn is_valid(&self, certificate: &Certificate<'_>, place: Place, chain: &[&Certificate<'_>]) -> bool {
        let known = &certificate.known;
        let now = self.options.time;
        let is_in_time =
            certificate.not_before.nanoseconds() <= now && now <= certificate.not_after.nanoseconds();
        let is_authority = matches!(known.basic, Some((true, _)));
        let below = i64::try_from(chain.len()).unwrap_or(i64::MAX) - 1;
        let is_short = match known.basic {
            Some((_, Some(most))) => below <= most,
            _ => true,
        };
        known.unhandled.is_empty() && is_in_time && is_short && (place != Place::Between || is_authority)
    }

    /// The chain if all of it together holds.
    fn accepted(&mut self, chain: Chain<'c, 'a>) -> anyhow::Result<Option<Chain<'c, 'a>>> {
        let holds = has_no_policies(&chain)
            && is_for(&chain, &self.options.usages)
            && constraints::hold(&chain, &mut self.comparisons, self.options.function)?;
        Ok(holds.then_some(chain))
    }
}

/// How far the keys that two certificates name are from being the same.
fn distance(issuer: &Certificate<'_>, child: &Certificate<'_>) -> u8 {
    let own = issuer.known.subject_key.unwrap_or_default();
    let named = child.known.authority_key.unwrap_or_default();
    match own == named {
        true => 0,
        false if own.is_empty() || named.is_empty() => 1,
        false => 2,
    }
}

/// Whether two certificates are of one subject with one key, so that a chain with both would go in a circle.
fn is_same(one: &Certificate<'_>, other: &Certificate<'_>) -> bool {
    one.subject.raw == other.subject.raw
        && one.key_info == other.key_info
        && one.extension(&ALTERNATIVE_NAMES) == other.extension(&ALTERNATIVE_NAMES)
}

/// Whether nothing in a chain, but for what is trusted, asks which policies hold for it.
fn has_no_policies(chain: &[&Certificate<'_>]) -> bool {
    let below_trusted = chain.iter().rev().skip(1);
    below_trusted.into_iter().all(|certificate| {
        let known = &certificate.known;
        let mut mappings = known.mappings.iter();
        known.require_policy.is_none()
            && !mappings.any(|(issuer, subject)| [*issuer, *subject].contains(&ANY_POLICY))
    })
}

/// Whether one of these uses is allowed by all of a chain.
fn is_for(chain: &[&Certificate<'_>], usages: &[usize]) -> bool {
    let wanted = match usages {
        [] => &[SERVER_USAGE],
        usages => usages,
    };
    let allows = |certificate: &Certificate<'_>, usage: usize| {
        let known = &certificate.known;
        let is_open = known.extended_usages.is_empty() && known.unknown_usages.is_empty();
        is_open || known.extended_usages.contains(&ANY_USAGE) || known.extended_usages.contains(&usage)
    };
    let is_allowed = |usage: &usize| chain.iter().all(|certificate| allows(certificate, *usage));
    wanted.contains(&ANY_USAGE) || wanted.iter().any(is_allowed)
}

//! The sets of keys that tokens are verified with, as a collector. Their names are the operator's: a bounded label.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// How a set of keys is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct KeySetState {
    /// Its name.
    pub name: String,
    /// When it was last had in a usable form, in Unix seconds.
    pub loaded: Option<f64>,
    /// How many keys it has.
    pub keys: usize,
    /// How often it was had in a usable form, and how often not.
    pub loads: [(&'static str, u64); 2],
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SetLabel {
    set: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoadLabels {
    set: String,
    result: &'static str,
}

pub(super) struct KeySets<F>(pub(super) F);

impl<F> fmt::Debug for KeySets<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySets")
    }
}

impl<F: Fn() -> Vec<KeySetState> + Send + Sync + 'static> Collector for KeySets<F> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let states = (self.0)();
        let label = |state: &KeySetState| SetLabel {
            set: state.name.clone(),
        };
        let help = "When a set of keys was last had in a usable form";
        let mut family = of(
            &mut encoder,
            "jwks_last_success_timestamp_seconds",
            help,
            MetricType::Gauge,
        )?;
        for state in &states {
            // Zero, and so very old, until there was one.
            let loaded = state.loaded.unwrap_or_default();
            family.encode_family(&label(state))?.encode_gauge(&loaded)?;
        }
        let mut family = of(&mut encoder, "jwks_keys", "Keys in a set", MetricType::Gauge)?;
        for state in &states {
            let keys = i64::try_from(state.keys).unwrap_or(i64::MAX);
            family.encode_family(&label(state))?.encode_gauge(&keys)?;
        }
        let help = "Sets of keys that were read or fetched, or could not be";
        let mut family = of(&mut encoder, "jwks_loads", help, MetricType::Counter)?;
        for state in &states {
            for (result, count) in state.loads {
                let labels = LoadLabels {
                    set: state.name.clone(),
                    result,
                };
                let mut metric = family.encode_family(&labels)?;
                metric.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
            }
        }
        Ok(())
    }
}

fn of<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: &'a str,
    help: &'a str,
    kind: MetricType,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, kind)
}

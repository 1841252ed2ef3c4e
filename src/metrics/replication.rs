//! What is known of the cluster, as a collector: asked at each scrape, so that whoever knows it need not tell.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::MetricType;

/// What is known of one kind of the cluster's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replication {
    /// Whether there has been a complete list.
    pub synced: bool,
    /// How many objects are known.
    pub objects: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResourceLabel {
    resource: &'static str,
}

pub(super) struct Replicated<F> {
    pub(super) resource: &'static str,
    pub(super) ask: F,
}

impl<F> fmt::Debug for Replicated<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Replicated").field(&self.resource).finish()
    }
}

impl<F: Fn() -> Replication + Send + Sync + 'static> Collector for Replicated<F> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Replication { synced, objects } = (self.ask)();
        let gauges = [
            (
                "replication_synced",
                "Whether all of the cluster's objects of a resource are known",
                i64::from(synced),
            ),
            (
                "replicated_objects",
                "The cluster's objects of a resource that are known",
                i64::try_from(objects).unwrap_or(i64::MAX),
            ),
        ];
        let label = ResourceLabel {
            resource: self.resource,
        };
        for (name, help, value) in gauges {
            encoder
                .encode_descriptor(name, help, None, MetricType::Gauge)?
                .encode_family(&label)?
                .encode_gauge(&value)?;
        }
        Ok(())
    }
}

//! The `process_*` metrics that every exporter has, read from `/proc` when they are scraped; none where there is none.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// What the kernel counts CPU time in, for every program on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads the process that it runs in.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        if let Some(seconds) = cpu_seconds() {
            let counter = ConstCounter::new(seconds);
            let help = "User and system CPU time spent";
            let metric =
                encoder.encode_descriptor("process_cpu_seconds", help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        let gauges = [
            (
                "process_resident_memory_bytes",
                "Resident memory",
                resident_bytes(),
            ),
            ("process_open_fds", "Open file descriptors", open_files()),
        ];
        for (name, help, value) in gauges {
            let Some(value) = value else { continue };
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the name in parentheses, and a name may have spaces and parentheses itself.
    let fields = stat.rsplit_once(')')?.1;
    let mut times = fields
        .split_whitespace()
        .skip(11)
        .map(|field| field.parse::<u32>().ok());
    let (user, system) = (times.next()??, times.next()??);
    Some((f64::from(user) + f64::from(system)) / TICKS_PER_SECOND)
}

fn resident_bytes() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    kibibytes
        .split_whitespace()
        .next()?
        .parse::<i64>()
        .ok()
        .map(|kibibytes| kibibytes * 1024)
}

fn open_files() -> Option<i64> {
    i64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_understood() {
        let before = cpu_seconds().unwrap();
        // Some work that takes more than a tick.
        let mut sum = 0_u64;
        while cpu_seconds().unwrap() < before + 0.02 {
            sum = sum.wrapping_mul(31).wrapping_add(1);
        }
        assert!(resident_bytes().unwrap() > 1 << 20, "{sum}");
        let files = open_files().unwrap();
        let _more = fs::File::open("/proc/self/stat").unwrap();
        assert!(open_files().unwrap() > 0 && files > 2);
    }
}

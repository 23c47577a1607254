//! What the whole machine is doing: its cores, and the kernel's memory.
//!
//! Owner: whoever compares two samples. Always: counts everybody on the machine, not only the two
//! sides of a load; what others did in between is told apart as far as the kernel lets us.

use std::fs;
use std::io;
use std::time::Duration;

use super::auxv::Auxv;
use super::process::kib;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MachineSample {
    /// CPU time that was not idle, all cores.
    pub(super) busy: Duration,
    /// Bytes of kernel objects: sockets, files, pending operations.
    pub(super) slab: u64,
    /// Bytes of TCP buffers.
    pub(super) tcp: u64,
    /// TCP sockets.
    pub(super) tcp_sockets: u64,
    /// Bytes the kernel thinks it could give to a new program.
    pub(super) available: u64,
}

impl MachineSample {
    pub(super) fn take(auxv: Auxv) -> io::Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let memory = fs::read_to_string("/proc/meminfo")?;
        // A machine without IPv4 has no such file, and no such sockets.
        let sockets = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
        Self::parse(&stat, &memory, &sockets, auxv)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc: not as documented"))
    }

    fn parse(stat: &str, memory: &str, sockets: &str, auxv: Auxv) -> Option<Self> {
        let tcp = |name| word_after(sockets, "TCP:", name).unwrap_or(0);
        Some(Self {
            busy: busy(stat, auxv.ticks_per_s)?,
            slab: kib(memory, "Slab:")?,
            tcp: tcp("mem").saturating_mul(auxv.page_len),
            tcp_sockets: tcp("alloc"),
            available: kib(memory, "MemAvailable:")?,
        })
    }
}

/// user, nice, system, idle, iowait, irq, softirq, steal: all but idle and iowait.
fn busy(stat: &str, ticks_per_s: u64) -> Option<Duration> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Vec<u64> = line
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    let ticks = |places: &[usize]| -> Option<u64> {
        places
            .iter()
            .try_fold(0_u64, |sum, place| sum.checked_add(*fields.get(*place)?))
    };
    let ms = ticks(&[0, 1, 2, 5, 6, 7])?.checked_mul(1000)?;
    Some(Duration::from_millis(ms / ticks_per_s))
}

fn word_after(text: &str, line: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|text| text.strip_prefix(line))?;
    let mut words = line.split_whitespace();
    words.find(|word| *word == name)?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUXV: Auxv = Auxv {
        page_len: 4096,
        ticks_per_s: 100,
    };
    const STAT: &str = "cpu  100 1 50 900 30 2 3 4 0 0\ncpu0 1 1 1 1\n";
    const MEMORY: &str = "MemTotal: 9 kB\nMemAvailable:  2000 kB\nSlab:  300 kB\n";

    #[test]
    fn given_the_kernel_s_texts_when_parsed_should_add_up() {
        let sockets = "sockets: used 14\nTCP: inuse 1 orphan 0 tw 36 alloc 5 mem 3\n";
        let sample = MachineSample::parse(STAT, MEMORY, sockets, AUXV).expect("reads");
        assert_eq!(sample.busy, Duration::from_millis(1600));
        assert_eq!((sample.slab, sample.tcp), (307_200, 12_288));
        assert_eq!((sample.tcp_sockets, sample.available), (5, 2_048_000));
        let bare = MachineSample::parse(STAT, MEMORY, "", AUXV).expect("reads");
        assert_eq!((bare.tcp, bare.tcp_sockets), (0, 0));
        assert_eq!(MachineSample::parse("", MEMORY, "", AUXV), None);
        assert_eq!(MachineSample::parse(STAT, "", "", AUXV), None);
    }

    #[test]
    fn given_this_machine_when_sampled_should_be_readable() {
        assert!(MachineSample::take(Auxv::read()).expect("readable").slab > 0);
    }
}

//! Two facts of this machine that `/proc` counts in: the page and the clock tick.
//!
//! Owner: the run, which reads them once. Always: taken from the kernel's own auxiliary vector;
//! where it cannot be read, the values of x86-64.

/// Types of entries in the auxiliary vector (`linux/auxvec.h`).
const AT_PAGESZ: usize = 6;
const AT_CLKTCK: usize = 17;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Auxv {
    /// Bytes of a page.
    pub(super) page_len: u64,
    /// Ticks per second of the times in `/proc/PID/stat`.
    pub(super) ticks_per_s: u64,
}

impl Auxv {
    pub(super) fn read() -> Self {
        Self::parse(&std::fs::read("/proc/self/auxv").unwrap_or_default())
    }

    fn parse(bytes: &[u8]) -> Self {
        let words: Vec<usize> = bytes
            .as_chunks()
            .0
            .iter()
            .map(|word| usize::from_ne_bytes(*word))
            .collect();
        let (entries, _) = words.as_chunks::<2>();
        let find = |wanted: usize| {
            let found = entries.iter().find(|[kind, _]| *kind == wanted);
            found.map(|[_, value]| *value as u64).filter(|v| *v > 0)
        };
        Self {
            page_len: find(AT_PAGESZ).unwrap_or(4096),
            ticks_per_s: find(AT_CLKTCK).unwrap_or(100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_vector_when_parsed_should_find_both_or_fall_back() {
        let words: Vec<u8> = [3, 9, AT_PAGESZ, 16_384, AT_CLKTCK, 250, 0, 0]
            .into_iter()
            .flat_map(usize::to_ne_bytes)
            .collect();
        let auxv = Auxv::parse(&words);
        assert_eq!((auxv.page_len, auxv.ticks_per_s), (16_384, 250));
        let auxv = Auxv::parse(&words[..7]);
        assert_eq!((auxv.page_len, auxv.ticks_per_s), (4096, 100));
    }
}

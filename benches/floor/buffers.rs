//! The buffers that the kernel reads into: a ring of them, shared by all connections.
//!
//! Owner: the loop over io_uring. Always: a buffer is the kernel's from [`Buffers::give_back`] until a completion names it.

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

/// The only group there is.
pub(super) const GROUP: u16 = 0;
/// A power of two.
const COUNT: u16 = 1024;
const BUFFER_LEN: usize = 4096;
const PAGE_LEN: usize = 4096;

pub(super) struct Buffers {
    entries: NonNull<BufRingEntry>,
    bytes: Vec<u8>,
    tail: u16,
}

impl Buffers {
    pub(super) fn register(ring: &IoUring) -> io::Result<Self> {
        let len = usize::from(COUNT) * size_of::<BufRingEntry>();
        let layout = Layout::from_size_align(len, PAGE_LEN).map_err(io::Error::other)?;
        // SAFETY: the layout has a size. It is never freed: the kernel has it as long as the process lives.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(entries) = NonNull::new(memory.cast::<BufRingEntry>()) else {
            handle_alloc_error(layout)
        };
        // SAFETY: the memory is a page at least, aligned to one, of this many entries, and stays.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(
                entries.as_ptr() as u64,
                COUNT,
                GROUP,
                0,
            )?;
        }
        let mut buffers = Buffers {
            entries,
            bytes: vec![0; usize::from(COUNT) * BUFFER_LEN],
            tail: 0,
        };
        for buffer in 0..COUNT {
            buffers.give_back(buffer);
        }
        Ok(buffers)
    }

    /// What a completion said was read into a buffer.
    pub(super) fn bytes(&mut self, buffer: u16, len: usize) -> &mut [u8] {
        let start = usize::from(buffer) * BUFFER_LEN;
        &mut self.bytes[start..start + len.min(BUFFER_LEN)]
    }

    /// The kernel may use it again.
    pub(super) fn give_back(&mut self, buffer: u16) {
        let at = usize::from(self.tail & (COUNT - 1));
        let start = usize::from(buffer) * BUFFER_LEN;
        // SAFETY: `at` lies in the ring; the kernel does not look at this entry before the tail says so.
        unsafe {
            let entry = &mut *self.entries.as_ptr().add(at);
            entry.set_addr(self.bytes[start..].as_mut_ptr() as u64);
            entry.set_len(BUFFER_LEN as u32);
            entry.set_bid(buffer);
        }
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies in the first entry, aligned, and the kernel only reads it.
        unsafe {
            let tail = BufRingEntry::tail(self.entries.as_ptr()).cast::<AtomicU16>();
            (*tail).store(self.tail, Ordering::Release);
        }
    }
}

//! A counting allocator: what this thread allocated, how much of it lives at once, and whether a
//! watched pattern is still in a block as it is freed.
#![allow(
    unsafe_code,
    reason = "a global allocator is unsafe to implement; it only counts"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Passes everything on to the system's allocator and counts by thread.
#[derive(Debug)]
pub struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
    /// The eight bytes that no freed block may hold; zero for none.
    static WATCHED: Cell<u64> = const { Cell::new(0) };
    static FOUND: Cell<u64> = const { Cell::new(0) };
}

fn grown(bytes: usize) {
    CALLS.set(CALLS.get() + 1);
    LIVE.set(LIVE.get() + bytes as i64);
    PEAK.set(PEAK.get().max(LIVE.get()));
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches only thread-local
// cells without destructors, which themselves allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - layout.size() as i64);
        if WATCHED.get() != 0 {
            // SAFETY: the block is live and as long as its layout says, until the line below.
            unsafe { look(block, layout.size()) };
        }
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if WATCHED.get() != 0 {
            // What moves leaves a copy behind: count it as freed.
            // SAFETY: the block is live and as long as its layout says.
            unsafe { look(block, layout.size()) };
        }
        LIVE.set(LIVE.get() - layout.size() as i64);
        grown(size);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// # Safety
/// `block` must be readable for `len` bytes.
unsafe fn look(block: *const u8, len: usize) {
    let watched = WATCHED.get().to_ne_bytes();
    for at in 0..(len + 1).saturating_sub(8) {
        let mut same = true;
        for (i, byte) in watched.iter().enumerate() {
            // SAFETY: at + i < len. Volatile, because the bytes may never have been written.
            same &= unsafe { block.add(at + i).read_volatile() } == *byte;
        }
        if same {
            FOUND.set(FOUND.get() + 1);
        }
    }
}

/// How often this thread allocated while `work` ran.
pub fn calls<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let before = CALLS.get();
    let out = work();
    (CALLS.get() - before, out)
}

/// How many bytes more than at its start this thread held at most while `work` ran.
pub fn peak<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = LIVE.get();
    PEAK.set(before);
    let out = work();
    ((PEAK.get() - before).max(0) as usize, out)
}

/// In how many blocks that this thread freed while `work` ran the eight bytes of `pattern` were
/// still to be found.
pub fn freed_with(pattern: u64, work: impl FnOnce()) -> u64 {
    FOUND.set(0);
    WATCHED.set(pattern);
    work();
    WATCHED.set(0);
    FOUND.get()
}

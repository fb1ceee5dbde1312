//! Counts the bytes that are taken from the system's allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static TAKEN: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn add(n_bytes: usize) {
    let taken = TAKEN.fetch_add(n_bytes, Relaxed) + n_bytes;
    MOST.fetch_max(taken, Relaxed);
}

// SAFETY: every call goes to the system's allocator as it came; counting has no part in it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps the promises that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        TAKEN.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What is taken now; the most is counted from here on.
pub fn begin() -> usize {
    let taken = TAKEN.load(Relaxed);
    MOST.store(taken, Relaxed);
    taken
}

/// The most that was taken at once since, above what was taken then.
pub fn most_since(begin: usize) -> usize {
    MOST.load(Relaxed).saturating_sub(begin)
}

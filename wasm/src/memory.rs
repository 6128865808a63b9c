//! Memory that forgets: whatever is freed is zeroed first, so that strings and records on their way
//! between JavaScript and Rust leave nothing behind, and neither does the stack.

/// The stack that a decision may have used: a test looks through all memory for what is left.
const STACK: usize = 16 * 1024;

/// Overwrites the stack below the caller's frame.
#[inline(never)]
pub fn wipe_stack() {
    let mut below = [0u8; STACK];
    std::hint::black_box(&mut below);
}

#[cfg(target_arch = "wasm32")]
mod allocator {
    use std::alloc::{GlobalAlloc, Layout, System};

    struct Zeroing;

    #[global_allocator]
    static ALLOCATOR: Zeroing = Zeroing;

    // SAFETY: all memory is the system allocator's, with the caller's layouts; what is freed is
    // written to before, while it is still the caller's. `realloc` is the trait's own: it allocates,
    // copies and frees through these functions.
    #[allow(unsafe_code, reason = "an allocator cannot be written without")]
    unsafe impl GlobalAlloc for Zeroing {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the caller's promise.
            unsafe { System.alloc(layout) }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the caller's promise.
            unsafe { System.alloc_zeroed(layout) }
        }

        unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
            // SAFETY: the caller's promise: `at` is a live block of this layout.
            unsafe {
                at.write_bytes(0, layout.size());
                // The stores are not for nothing, whatever the optimiser thinks of freed memory.
                std::hint::black_box(at);
                System.dealloc(at, layout);
            }
        }
    }
}

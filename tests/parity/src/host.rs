//! Hosts that set the thread's floating-point state to their liking, as audio code and some
//! runtimes do: what is decided must not depend on it.

/// Runs `work` with flush-to-zero and rounding towards zero set, where the processor has such a
/// state, and puts back what was.
///
/// # Panics
/// Where `work` leaves another state behind.
#[allow(unsafe_code)]
pub fn in_a_strange_host<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: only this thread's control bits change, to values that are sound; until they are back
    // nothing computes with floats but what is under test.
    let kept = unsafe { state::swap(state::STRANGE) };
    let done = work();
    // SAFETY: as above; `kept` is what was there.
    let after = unsafe { state::swap(kept) };
    assert!(
        state::control(after) == state::STRANGE,
        "the host's state was not put back"
    );
    done
}

#[cfg(target_arch = "x86_64")]
mod state {
    use std::arch::asm;

    /// FTZ, DAZ, RC = 11; every exception masked.
    pub const STRANGE: u32 = 0x1f80 | 0x8000 | 0x0040 | 0x6000;

    /// Without the sticky flags.
    pub fn control(state: u32) -> u32 {
        state & !0x3f
    }

    #[allow(unsafe_code)]
    pub unsafe fn swap(state: u32) -> u32 {
        let mut before = 0u32;
        // SAFETY: stores and loads 4 bytes at live addresses.
        unsafe {
            asm!("stmxcsr [{}]", in(reg) &mut before, options(nostack));
            asm!("ldmxcsr [{}]", in(reg) &state, options(nostack));
        }
        before
    }
}

#[cfg(target_arch = "aarch64")]
mod state {
    use std::arch::asm;

    /// FZ, RMode = 11.
    pub const STRANGE: u64 = 1 << 24 | 0b11 << 22;

    pub fn control(state: u64) -> u64 {
        state
    }

    #[allow(unsafe_code)]
    pub unsafe fn swap(state: u64) -> u64 {
        let before: u64;
        // SAFETY: FPCR is the thread's own.
        unsafe {
            asm!("mrs {}, fpcr", out(reg) before, options(nomem, nostack));
            asm!("msr fpcr, {}", in(reg) state, options(nomem, nostack));
        }
        before
    }
}

#[cfg(all(target_arch = "arm", any(target_abi = "eabihf", target_os = "android")))]
mod state {
    use std::arch::asm;

    /// FZ, RMode = 11.
    pub const STRANGE: u32 = 1 << 24 | 0b11 << 22;

    /// Without condition and sticky flags.
    pub fn control(state: u32) -> u32 {
        state & 0x07f7_9f00
    }

    #[allow(unsafe_code)]
    pub unsafe fn swap(state: u32) -> u32 {
        let before: u32;
        // SAFETY: FPSCR is the thread's own.
        unsafe {
            asm!("vmrs {}, fpscr", out(reg) before, options(nomem, nostack));
            asm!("vmsr fpscr, {}", in(reg) state, options(nomem, nostack));
        }
        before
    }
}

#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    all(target_arch = "arm", any(target_abi = "eabihf", target_os = "android"))
)))]
mod state {
    pub const STRANGE: () = ();

    pub fn control((): ()) {}

    #[allow(unsafe_code)]
    pub unsafe fn swap((): ()) {}
}

//! The floating-point control state: hosts set flush-to-zero, other rounding, or traps; while we
//! compute it is the IEEE default, and afterwards what it was.

/// Holds the IEEE default state (round to nearest, subnormals kept, no traps) until dropped.
///
/// Must not be held across foreign code: whoever runs while it lives sees the default state.
pub struct DefaultFpState {
    #[cfg_attr(
        not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "arm")),
        allow(dead_code)
    )]
    saved: imp::State,
}

impl DefaultFpState {
    /// Saves the thread's state and sets the default.
    #[inline]
    pub fn enter() -> Self {
        let saved = imp::read();
        if saved != imp::DEFAULT {
            imp::write(imp::DEFAULT);
        }
        Self { saved }
    }
}

impl Drop for DefaultFpState {
    #[inline]
    fn drop(&mut self) {
        if self.saved != imp::DEFAULT {
            imp::write(self.saved);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod imp {
    use std::arch::asm;

    pub type State = u32;
    /// All exceptions masked, round to nearest, no flush-to-zero, subnormals are not zeros. The
    /// sticky exception flags (bits 0 to 5) are not part of the state that we compare.
    pub const DEFAULT: State = 0x1f80;
    /// Flush-to-zero, subnormals are zeros, round towards zero.
    #[cfg(test)]
    pub const STRANGE: State = 0x1f80 | 0x8040 | 0x6000;

    #[inline]
    pub fn read() -> State {
        let mut state: u32 = 0;
        // SAFETY: stmxcsr stores 4 bytes at the address of a live u32.
        unsafe { asm!("stmxcsr [{}]", in(reg) &mut state, options(nostack, preserves_flags)) };
        state & !0x3f
    }

    #[inline]
    pub fn write(state: State) {
        // SAFETY: ldmxcsr loads 4 bytes from the address of a live u32 whose reserved bits are
        // zero: it is DEFAULT or what stmxcsr gave.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &state, options(nostack, preserves_flags)) };
    }
}

#[cfg(target_arch = "aarch64")]
mod imp {
    use std::arch::asm;

    pub type State = u64;
    pub const DEFAULT: State = 0;
    /// FZ, and RMode towards zero.
    #[cfg(test)]
    pub const STRANGE: State = 1 << 24 | 0b11 << 22;

    #[inline]
    pub fn read() -> State {
        let state: u64;
        // SAFETY: reading FPCR has no side effect.
        unsafe { asm!("mrs {}, fpcr", out(reg) state, options(nomem, nostack, preserves_flags)) };
        state
    }

    #[inline]
    pub fn write(state: State) {
        // SAFETY: FPCR is the thread's own; the value is DEFAULT or what was read from it.
        unsafe { asm!("msr fpcr, {}", in(reg) state, options(nomem, nostack, preserves_flags)) };
    }
}

/// Hard floats, which `target_feature` does not tell on stable Rust: the ABI does, and Android asks
/// for them with its own.
#[cfg(all(target_arch = "arm", any(target_abi = "eabihf", target_os = "android")))]
mod imp {
    use std::arch::asm;

    pub type State = u32;
    pub const DEFAULT: State = 0;
    /// FZ, and RMode towards zero.
    #[cfg(test)]
    pub const STRANGE: State = 1 << 24 | 0b11 << 22;
    /// Condition and sticky exception flags are not part of the state that we compare.
    const CONTROL: u32 = 0x07f7_9f00;

    #[inline]
    pub fn read() -> State {
        let state: u32;
        // SAFETY: reading FPSCR has no side effect.
        unsafe { asm!("vmrs {}, fpscr", out(reg) state, options(nomem, nostack, preserves_flags)) };
        state & CONTROL
    }

    #[inline]
    pub fn write(state: State) {
        // SAFETY: FPSCR is the thread's own; the value is DEFAULT or what was read from it.
        unsafe { asm!("vmsr fpscr, {}", in(reg) state, options(nomem, nostack)) };
    }
}

/// WebAssembly's arithmetic has no control state, and soft floats have none either.
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    all(target_arch = "arm", any(target_abi = "eabihf", target_os = "android"))
)))]
mod imp {
    pub type State = ();
    pub const DEFAULT: State = ();
    #[cfg(test)]
    pub const STRANGE: State = ();

    #[inline]
    pub fn read() -> State {}

    #[inline]
    pub fn write(_: State) {}
}

/// Runs `what` as a host does that has set flush-to-zero, and rounding towards zero where the
/// processor knows it; a processor without such a state just runs it.
#[cfg(test)]
pub(crate) fn in_a_strange_host<T>(what: impl FnOnce() -> T) -> T {
    let host = imp::read();
    imp::write(imp::STRANGE);
    let result = what();
    assert!(
        imp::read() == imp::STRANGE,
        "the host's own state afterwards"
    );
    imp::write(host);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_inside_and_the_callers_own_after() {
        in_a_strange_host(|| {
            let _guard = DefaultFpState::enter();
            assert!(imp::read() == imp::DEFAULT);
            let subnormal = std::hint::black_box(f32::MIN_POSITIVE) * std::hint::black_box(0.5);
            assert!(subnormal > 0.0);
        });
    }
}

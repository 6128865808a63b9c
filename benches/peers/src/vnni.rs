//! The most multiply-adds of bytes that this core's VNNI instructions can do: `vpdpbusd` on
//! registers alone, in as many independent chains as hide its latency.

/// One width of the instruction.
#[derive(Debug, Clone, Copy)]
pub struct Peak {
    /// The kernel path that uses it.
    pub name: &'static str,
    /// Multiply-adds of one [`Peak::run`].
    pub multiply_adds: u64,
    run: fn(),
}

impl Peak {
    /// Does the multiply-adds.
    pub fn run(&self) {
        (self.run)();
    }

    /// Those that this processor has, the widest last.
    pub fn available() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        return x86_64::available();
        #[cfg(not(target_arch = "x86_64"))]
        Vec::new()
    }
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::arch::x86_64::*;
    use std::hint::black_box;

    use super::Peak;

    /// Sums at once: more than the latency of five cycles times two units needs, fewer than there
    /// are registers beside the two factors. Of 16 registers (AVX), of 32 (AVX-512).
    const SUMS_256: usize = 12;
    const SUMS_512: usize = 16;
    /// Instructions on each sum in one run: milliseconds, since a core only comes to the clock that
    /// it keeps under 512-bit multiplies after a while.
    const STEPS: usize = 1_000_000;

    pub fn available() -> Vec<Peak> {
        let mut out = Vec::new();
        if is_x86_feature_detected!("avxvnni") {
            out.push(Peak {
                name: "avx-vnni",
                multiply_adds: (SUMS_256 * STEPS * 32) as u64,
                // SAFETY: the processor has AVX-VNNI, which implies AVX2.
                run: || unsafe { halves() },
            });
        }
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
            out.push(Peak {
                name: "avx512-vnni",
                multiply_adds: (SUMS_512 * STEPS * 64) as u64,
                // SAFETY: the processor has both.
                run: || unsafe { whole() },
            });
        }
        out
    }

    #[target_feature(enable = "avx2,avxvnni")]
    fn halves() {
        let (a, b) = black_box((_mm256_set1_epi8(3), _mm256_set1_epi8(-5)));
        let mut sums = [_mm256_setzero_si256(); SUMS_256];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = _mm256_dpbusd_avx_epi32(*sum, a, b);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    fn whole() {
        let (a, b) = black_box((_mm512_set1_epi8(3), _mm512_set1_epi8(-5)));
        let mut sums = [_mm512_setzero_si512(); SUMS_512];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, a, b);
            }
        }
        black_box(sums);
    }
}

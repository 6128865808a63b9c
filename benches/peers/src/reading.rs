//! What it takes only to read a net's weights once: no batch of one row can be faster, since each
//! weight is used once. Loads of the widest registers that the processor has, and additions.

use std::hint::black_box;

/// Reads `bytes`, all but a last few.
pub fn read(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has AVX-512.
        black_box(unsafe { x86_64::zmm(bytes) });
        return;
    }
    black_box(words(bytes));
}

/// Sums apart from each other, so that additions wait for nothing but their loads.
const SUMS: usize = 8;

/// Plain Rust, for the registers of the build's own target.
fn words(bytes: &[u8]) -> [u64; SUMS] {
    let (words, _) = bytes.as_chunks::<8>();
    let (blocks, _) = words.as_chunks::<SUMS>();
    let mut sums = [0u64; SUMS];
    for block in blocks {
        for (sum, word) in sums.iter_mut().zip(block) {
            *sum = sum.wrapping_add(u64::from_le_bytes(*word));
        }
    }
    sums
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::arch::x86_64::*;

    use super::SUMS;

    #[target_feature(enable = "avx512f")]
    pub fn zmm(bytes: &[u8]) -> __m512i {
        let (lines, _) = bytes.as_chunks::<64>();
        let (blocks, _) = lines.as_chunks::<SUMS>();
        let mut sums = [_mm512_setzero_si512(); SUMS];
        for block in blocks {
            for (sum, line) in sums.iter_mut().zip(block) {
                // SAFETY: a line has 64 bytes.
                let line = unsafe { _mm512_loadu_si512(line.as_ptr().cast()) };
                *sum = _mm512_add_epi32(*sum, line);
            }
        }
        let mut all = sums[0];
        for sum in &sums[1..] {
            all = _mm512_add_epi32(all, *sum);
        }
        all
    }
}

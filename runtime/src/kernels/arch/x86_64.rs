//! x86-64: AVX2 without VNNI, AVX-VNNI, AVX512-VNNI. Each constructor checks the processor, so that
//! the safe functions behind it can only be reached where their instructions exist.
//!
//! `vpmaddubsw` adds two products in a saturating i16: exact for inputs up to 127
//! (2 · 127 · 127 < 2^15). Inputs up to 255 are widened first. `vpdpbusd` does not saturate.

use std::arch::x86_64::*;

use crate::kernels::arch::scalar;
use crate::kernels::arch::tile::{Checked, dense};
use crate::kernels::{DEPTH, Kernels, LANES, Requantise, Shape};

/// AVX2, if the processor has it.
pub fn avx2() -> Option<Kernels> {
    is_x86_feature_detected!("avx2").then_some(Kernels {
        name: "avx2",
        dense_u8: avx2::dense_u8,
        dense_f32: avx2::dense_f32,
        quantise: avx2::quantise,
    })
}

/// AVX2 with 256-bit VNNI, if the processor has them.
pub fn avx_vnni() -> Option<Kernels> {
    let has = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni");
    has.then_some(Kernels {
        name: "avx-vnni",
        dense_u8: avx_vnni::dense_u8,
        dense_f32: avx_vnni::dense_f32,
        quantise: avx2::quantise,
    })
}

/// AVX-512 with 512-bit VNNI, if the processor has them.
pub fn avx512_vnni() -> Option<Kernels> {
    let has = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni");
    has.then_some(Kernels {
        name: "avx512-vnni",
        dense_u8: avx512_vnni::dense_u8,
        dense_f32: avx512_vnni::dense_f32,
        quantise: avx2::quantise,
    })
}

/// 16 accumulators in two 256-bit registers, and what is done with them: shared by AVX2 and
/// AVX-VNNI.
mod ymm {
    use super::*;

    pub type Acc = [__m256i; 2];

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn zero() -> Acc {
        [_mm256_setzero_si256(); 2]
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(bytes: &[u8], half: usize) -> __m256i {
        let bytes: &[u8] = &bytes[half * 32..half * 32 + 32];
        // SAFETY: the slice has 32 bytes.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    /// Accumulators with bias, as floats, times scale.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn scaled(acc: Acc, panel: &[u8]) -> [__m256; 2] {
        let scales = &panel[panel.len() - LANES * 4..];
        let half = |h: usize| {
            let sum = _mm256_add_epi32(acc[h], load(panel, h));
            _mm256_mul_ps(
                _mm256_cvtepi32_ps(sum),
                _mm256_castsi256_ps(load(scales, h)),
            )
        };
        [half(0), half(1)]
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn finish_u8(acc: Acc, panel: &[u8], to: Requantise, output: &mut [u8]) {
        let zero = i32::from(to.zero);
        let low = _mm256_set1_ps((i32::from(to.low) - zero) as f32);
        let high = _mm256_set1_ps((i32::from(to.high) - zero) as f32);
        let y = scaled(acc, panel).map(|y| {
            let q = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(y, low), high));
            _mm256_add_epi32(q, _mm256_set1_epi32(zero))
        });
        // Packing works within 128-bit halves; the permutation puts the quarters in order.
        let words = _mm256_permute4x64_epi64(_mm256_packs_epi32(y[0], y[1]), 0b11_01_10_00);
        let bytes = _mm_packus_epi16(
            _mm256_castsi256_si128(words),
            _mm256_extracti128_si256(words, 1),
        );
        let output = &mut output[..LANES];
        // SAFETY: the slice has 16 bytes.
        unsafe { _mm_storeu_si128(output.as_mut_ptr().cast(), bytes) };
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn finish_f32(acc: Acc, panel: &[u8], relu: bool, output: &mut [f32]) {
        let output = &mut output[..LANES];
        for (half, y) in scaled(acc, panel).into_iter().enumerate() {
            let y = if relu {
                _mm256_max_ps(y, _mm256_setzero_ps())
            } else {
                y
            };
            // SAFETY: the slice has 16 floats.
            unsafe { _mm256_storeu_ps(output.as_mut_ptr().add(half * 8), y) };
        }
    }
}

mod avx2 {
    use super::ymm::{Acc, finish_f32, finish_u8, zero};
    use super::*;

    /// Adds four inputs times 16 outputs' weights.
    ///
    /// # Safety
    /// `w` points at 64 readable bytes.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn step<const WIDE: bool>(acc: Acc, x: i32, w: *const u8) -> Acc {
        let x = _mm256_set1_epi32(x);
        let half = |h: usize| {
            // SAFETY: 64 bytes are readable.
            let w = unsafe { _mm256_loadu_si256(w.add(h * 32).cast()) };
            let sum = if WIDE {
                let x_even = _mm256_and_si256(x, _mm256_set1_epi16(0xff));
                let x_odd = _mm256_srli_epi16(x, 8);
                let w_even = _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8);
                let w_odd = _mm256_srai_epi16(w, 8);
                _mm256_add_epi32(
                    _mm256_madd_epi16(x_even, w_even),
                    _mm256_madd_epi16(x_odd, w_odd),
                )
            } else {
                _mm256_madd_epi16(_mm256_maddubs_epi16(x, w), _mm256_set1_epi16(1))
            };
            _mm256_add_epi32(acc[h], sum)
        };
        [half(0), half(1)]
    }

    dense!(#[target_feature(enable = "avx2")], true);

    /// Features to bytes; only reached through a constructor that checks the processor.
    pub fn quantise(input: &[f32], constants: &[u8], output: &mut [u8]) {
        // SAFETY: the constructor has checked that the processor has AVX2.
        unsafe { quantise_avx2(input, constants, output) }
    }

    #[target_feature(enable = "avx2")]
    fn quantise_avx2(input: &[f32], constants: &[u8], output: &mut [u8]) {
        let (factors, offsets) = constants.split_at(constants.len() / 2);
        let len = input.len().min(output.len()).min(factors.len() / 4);
        let whole = len / 8 * 8;
        for at in (0..whole).step_by(8) {
            let (x, factor, offset) = (
                &input[at..at + 8],
                &factors[at * 4..at * 4 + 32],
                &offsets[at * 4..at * 4 + 32],
            );
            // SAFETY: each slice has 32 bytes.
            let (x, factor, offset) = unsafe {
                (
                    _mm256_loadu_ps(x.as_ptr()),
                    _mm256_loadu_ps(factor.as_ptr().cast()),
                    _mm256_loadu_ps(offset.as_ptr().cast()),
                )
            };
            // Product and sum are rounded each: no fused multiply-add.
            let y = _mm256_add_ps(_mm256_mul_ps(x, factor), offset);
            // max and min give their second operand where the first is not a number.
            let y = _mm256_min_ps(_mm256_max_ps(y, _mm256_setzero_ps()), _mm256_set1_ps(127.0));
            let q = _mm256_cvtps_epi32(y);
            let words = _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
            let bytes = _mm_packus_epi16(words, words);
            let out = &mut output[at..at + 8];
            // SAFETY: the slice has 8 bytes.
            unsafe { _mm_storel_epi64(out.as_mut_ptr().cast(), bytes) };
        }
        scalar::quantise_each(
            &input[whole..len],
            &factors[whole * 4..len * 4],
            &offsets[whole * 4..len * 4],
            &mut output[whole..len],
        );
    }
}

mod avx_vnni {
    use super::ymm::{Acc, finish_f32, finish_u8, zero};
    use super::*;

    /// Adds four inputs times 16 outputs' weights.
    ///
    /// # Safety
    /// `w` points at 64 readable bytes.
    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn step<const WIDE: bool>(acc: Acc, x: i32, w: *const u8) -> Acc {
        let x = _mm256_set1_epi32(x);
        let half = |h: usize| {
            // SAFETY: 64 bytes are readable.
            let w = unsafe { _mm256_loadu_si256(w.add(h * 32).cast()) };
            _mm256_dpbusd_avx_epi32(acc[h], x, w)
        };
        [half(0), half(1)]
    }

    dense!(#[target_feature(enable = "avx2,avxvnni")], false);
}

mod avx512_vnni {
    use super::*;

    type Acc = __m512i;

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn zero() -> Acc {
        _mm512_setzero_si512()
    }

    /// Adds four inputs times 16 outputs' weights.
    ///
    /// # Safety
    /// `w` points at 64 readable bytes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512vnni")]
    unsafe fn step<const WIDE: bool>(acc: Acc, x: i32, w: *const u8) -> Acc {
        // SAFETY: 64 bytes are readable.
        let w = unsafe { _mm512_loadu_si512(w.cast()) };
        _mm512_dpbusd_epi32(acc, _mm512_set1_epi32(x), w)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn scaled(acc: Acc, panel: &[u8]) -> __m512 {
        let (bias, scales) = (&panel[..LANES * 4], &panel[panel.len() - LANES * 4..]);
        // SAFETY: both slices have 64 bytes.
        let (bias, scales) = unsafe {
            (
                _mm512_loadu_si512(bias.as_ptr().cast()),
                _mm512_loadu_ps(scales.as_ptr().cast()),
            )
        };
        _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_add_epi32(acc, bias)), scales)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn finish_u8(acc: Acc, panel: &[u8], to: Requantise, output: &mut [u8]) {
        let zero = i32::from(to.zero);
        let low = _mm512_set1_ps((i32::from(to.low) - zero) as f32);
        let high = _mm512_set1_ps((i32::from(to.high) - zero) as f32);
        let y = _mm512_min_ps(_mm512_max_ps(scaled(acc, panel), low), high);
        let q = _mm512_add_epi32(_mm512_cvtps_epi32(y), _mm512_set1_epi32(zero));
        let output = &mut output[..LANES];
        // SAFETY: the slice has 16 bytes.
        unsafe { _mm_storeu_si128(output.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(q)) };
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn finish_f32(acc: Acc, panel: &[u8], relu: bool, output: &mut [f32]) {
        let y = scaled(acc, panel);
        let y = if relu {
            _mm512_max_ps(y, _mm512_setzero_ps())
        } else {
            y
        };
        let output = &mut output[..LANES];
        // SAFETY: the slice has 16 floats.
        unsafe { _mm512_storeu_ps(output.as_mut_ptr(), y) };
    }

    dense!(#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")], false);
}

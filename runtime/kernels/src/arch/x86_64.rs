//! x86-64: AVX2 without VNNI, AVX-VNNI, AVX512-VNNI. Each constructor checks the processor, so that
//! the safe functions behind it can only be reached where their instructions exist.
//!
//! `vpmaddubsw` adds two products in a saturating i16: exact for inputs up to 127
//! (2 · 127 · 127 < 2^15). Inputs up to 255 are widened first. `vpdpbusd` does not saturate.

use std::arch::x86_64::*;

#[cfg(feature = "tensors")]
use crate::arch::gather::{Block, Gather, PANELS, PLACES, Results, gather};
use crate::arch::tile::{Checked, dense};
use crate::arch::{forest, scalar};
use crate::{DEPTH, Kernels, LANES, Requantise, Shape, panel_bytes, trees};

/// AVX2, if the processor has it.
pub fn avx2() -> Option<Kernels> {
    is_x86_feature_detected!("avx2").then_some(Kernels {
        name: "avx2",
        dense_u8: avx2::dense_u8,
        dense_f32: avx2::dense_f32,
        #[cfg(feature = "tensors")]
        gather: avx2::GATHER,
        sums: avx2::sums,
        requantise: avx2::requantise,
        dequantise: avx2::dequantise,
        quantise: avx2::quantise,
        rank: trees::rank,
        walk: trees::walk,
        #[cfg(feature = "vectors")]
        tensor: crate::arch::lanes::x86_64::avx2,
        #[cfg(all(feature = "tensors", not(feature = "vectors")))]
        tensor: crate::tensor::run,
    })
}

/// AVX2 with 256-bit VNNI, if the processor has them.
pub fn avx_vnni() -> Option<Kernels> {
    let has = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni");
    has.then_some(Kernels {
        name: "avx-vnni",
        dense_u8: avx_vnni::dense_u8,
        dense_f32: avx_vnni::dense_f32,
        #[cfg(feature = "tensors")]
        gather: avx_vnni::GATHER,
        sums: avx_vnni::sums,
        requantise: avx_vnni::requantise,
        dequantise: avx_vnni::dequantise,
        quantise: avx2::quantise,
        rank: trees::rank,
        walk: trees::walk,
        #[cfg(feature = "vectors")]
        tensor: crate::arch::lanes::x86_64::avx2,
        #[cfg(all(feature = "tensors", not(feature = "vectors")))]
        tensor: crate::tensor::run,
    })
}

/// AVX-512 with 512-bit VNNI, if the processor has them.
pub fn avx512_vnni() -> Option<Kernels> {
    let has = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("popcnt");
    has.then_some(Kernels {
        name: "avx512-vnni",
        dense_u8: avx512_vnni::dense_u8,
        dense_f32: avx512_vnni::dense_f32,
        #[cfg(feature = "tensors")]
        gather: avx512_vnni::GATHER,
        sums: avx512_vnni::sums,
        requantise: avx512_vnni::requantise,
        dequantise: avx512_vnni::dequantise,
        quantise: avx512_vnni::quantise,
        rank: forest::rank,
        walk: forest::walk,
        #[cfg(feature = "vectors")]
        tensor: crate::arch::lanes::x86_64::avx512,
        #[cfg(all(feature = "tensors", not(feature = "vectors")))]
        tensor: crate::tensor::run,
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
    pub fn add(a: Acc, b: Acc) -> Acc {
        [_mm256_add_epi32(a[0], b[0]), _mm256_add_epi32(a[1], b[1])]
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn load(sums: &[i32]) -> Acc {
        let bytes = bytemuck::cast_slice(sums);
        [bytes_at(bytes, 0), bytes_at(bytes, 1)]
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn store(acc: Acc, sums: &mut [i32]) {
        let sums = &mut sums[..LANES];
        for (half, acc) in acc.into_iter().enumerate() {
            // SAFETY: the slice has 16 integers.
            unsafe { _mm256_storeu_si256(sums.as_mut_ptr().add(half * 8).cast(), acc) };
        }
    }

    /// What is written, in every lane: least, greatest, zero point.
    pub type Range = (__m256, __m256, __m256i);

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn range(to: Requantise) -> Range {
        let zero = i32::from(to.zero);
        (
            _mm256_set1_ps((i32::from(to.low) - zero) as f32),
            _mm256_set1_ps((i32::from(to.high) - zero) as f32),
            _mm256_set1_epi32(zero),
        )
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn bytes_at(bytes: &[u8], half: usize) -> __m256i {
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
            let sum = _mm256_add_epi32(acc[h], bytes_at(panel, h));
            _mm256_mul_ps(
                _mm256_cvtepi32_ps(sum),
                _mm256_castsi256_ps(bytes_at(scales, h)),
            )
        };
        [half(0), half(1)]
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn finish_u8(acc: Acc, panel: &[u8], (low, high, zero): Range, output: &mut [u8]) {
        let y = scaled(acc, panel).map(|y| {
            let q = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(y, low), high));
            _mm256_add_epi32(q, zero)
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
    use super::ymm::{Acc, add, finish_f32, finish_u8, load, range, store, zero};
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

    dense!(#[target_feature(enable = "avx2")], #[inline], wide: true, block: 4 x 1, single: 4 x 1);
    #[cfg(feature = "tensors")]
    gather!(#[target_feature(enable = "avx2")], wide: true, block: 4 x 1, single: 2);

    /// Features to bytes; only reached through a constructor that checks the processor.
    pub fn quantise(shape: Shape, constants: &[u8], input: &[f32], output: &mut [u8]) {
        scalar::quantise_rows(
            shape,
            constants,
            input,
            output,
            |input, factors, offsets, output| {
                // SAFETY: the constructor has checked that the processor has AVX2.
                unsafe { quantise_row(input, factors, offsets, output) }
            },
        );
    }

    #[target_feature(enable = "avx2")]
    fn quantise_row(input: &[f32], factors: &[u8], offsets: &[u8], output: &mut [u8]) {
        let (inputs, last_input) = input.as_chunks::<8>();
        let (each_factor, last_factors) = factors.as_chunks::<32>();
        let (each_offset, last_offsets) = offsets.as_chunks::<32>();
        let (outputs, last_output) = output.as_chunks_mut::<8>();
        for (((x, factor), offset), out) in
            inputs.iter().zip(each_factor).zip(each_offset).zip(outputs)
        {
            // SAFETY: each array has 32 bytes.
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
            // SAFETY: the array has 8 bytes.
            unsafe { _mm_storel_epi64(out.as_mut_ptr().cast(), bytes) };
        }
        scalar::quantise_each(last_input, last_factors, last_offsets, last_output);
    }
}

mod avx_vnni {
    use super::ymm::{Acc, add, finish_f32, finish_u8, load, range, store, zero};
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

    dense!(#[target_feature(enable = "avx2,avxvnni")], #[inline], wide: false, block: 4 x 1, single: 4 x 1);
    #[cfg(feature = "tensors")]
    gather!(#[target_feature(enable = "avx2,avxvnni")], wide: false, block: 4 x 1, single: 2);
}

/// 16 accumulators in a 512-bit register, and what is done with them: shared by AVX512-VNNI and AMX.
pub(super) mod zmm {
    use super::*;

    pub type Acc = __m512i;

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn zero() -> Acc {
        _mm512_setzero_si512()
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn add(a: Acc, b: Acc) -> Acc {
        _mm512_add_epi32(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn load(sums: &[i32]) -> Acc {
        let sums = &sums[..LANES];
        // SAFETY: the slice has 16 integers.
        unsafe { _mm512_loadu_si512(sums.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn store(acc: Acc, sums: &mut [i32]) {
        let sums = &mut sums[..LANES];
        // SAFETY: the slice has 16 integers.
        unsafe { _mm512_storeu_si512(sums.as_mut_ptr().cast(), acc) };
    }

    /// What is written, in every lane: least, greatest, zero point.
    pub type Range = (__m512, __m512, __m512i);

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn range(to: Requantise) -> Range {
        let zero = i32::from(to.zero);
        (
            _mm512_set1_ps((i32::from(to.low) - zero) as f32),
            _mm512_set1_ps((i32::from(to.high) - zero) as f32),
            _mm512_set1_epi32(zero),
        )
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
    pub fn finish_u8(acc: Acc, panel: &[u8], (low, high, zero): Range, output: &mut [u8]) {
        let y = _mm512_min_ps(_mm512_max_ps(scaled(acc, panel), low), high);
        let q = _mm512_add_epi32(_mm512_cvtps_epi32(y), zero);
        let output = &mut output[..LANES];
        // SAFETY: the slice has 16 bytes.
        unsafe { _mm_storeu_si128(output.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(q)) };
    }

    /// As [`finish_u8`] for two panels side by side: packing both takes less than packing each.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub fn finish_two_u8(
        acc: [Acc; 2],
        panels: [&[u8]; 2],
        (low, high, zero): Range,
        output: &mut [u8],
    ) {
        let q = |acc, panel| {
            let y = _mm512_min_ps(_mm512_max_ps(scaled(acc, panel), low), high);
            _mm512_add_epi32(_mm512_cvtps_epi32(y), zero)
        };
        // Packing works within 128-bit quarters; the permutation puts their fours in order.
        let words = _mm512_packs_epi32(q(acc[0], panels[0]), q(acc[1], panels[1]));
        let bytes = _mm512_packus_epi16(words, words);
        let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 4, 8, 12, 1, 5, 9, 13);
        let bytes = _mm512_castsi512_si256(_mm512_permutexvar_epi32(order, bytes));
        let output = &mut output[..2 * LANES];
        // SAFETY: the slice has 32 bytes.
        unsafe { _mm256_storeu_si256(output.as_mut_ptr().cast(), bytes) };
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn finish_f32(acc: Acc, panel: &[u8], relu: bool, output: &mut [f32]) {
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
}

pub(super) mod avx512_vnni {
    use super::zmm::{Acc, add, finish_f32, finish_u8, load, range, store, zero};
    use super::*;

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

    dense!(#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")], #[inline], wide: false, block: 8 x 2, single: 4 x 2);
    #[cfg(feature = "tensors")]
    gather!(#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")], wide: false, block: 8 x 2, single: 4);

    /// Features to bytes; only reached through the constructor that checks the processor.
    pub fn quantise(shape: Shape, constants: &[u8], input: &[f32], output: &mut [u8]) {
        let last = shape.rows.saturating_sub(1);
        assert!(
            constants.len() >= shape.inputs * 8
                && input.len() >= last * shape.input_stride + shape.inputs
                && output.len() >= last * shape.output_stride + shape.inputs
        );
        // SAFETY: the constructor has checked that the processor has AVX-512, and the lengths are
        // what the shape says.
        unsafe { quantise_checked(shape, constants, input, output) }
    }

    /// # Safety
    /// The slices have the lengths that the shape asks for.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn quantise_checked(shape: Shape, constants: &[u8], input: &[f32], output: &mut [u8]) {
        let len = shape.inputs;
        for at in (0..len).step_by(LANES) {
            // The last few lanes are neither read nor written.
            let mask = u16::MAX >> LANES.saturating_sub(len - at);
            let factors = constants.as_ptr().wrapping_add(at * 4).cast();
            let offsets = constants.as_ptr().wrapping_add((len + at) * 4).cast();
            // SAFETY: the lanes of the mask lie below `len`, and there are as many of both.
            let (factor, offset) = unsafe {
                (
                    _mm512_maskz_loadu_ps(mask, factors),
                    _mm512_maskz_loadu_ps(mask, offsets),
                )
            };
            for row in 0..shape.rows {
                let from = input.as_ptr().wrapping_add(row * shape.input_stride + at);
                // SAFETY: the lanes of the mask lie below `len`, which every row has.
                let x = unsafe { _mm512_maskz_loadu_ps(mask, from) };
                // Product and sum are rounded each: no fused multiply-add.
                let y = _mm512_add_ps(_mm512_mul_ps(x, factor), offset);
                // max and min give their second operand where the first is not a number.
                let y = _mm512_max_ps(y, _mm512_setzero_ps());
                let q = _mm512_cvtps_epi32(_mm512_min_ps(y, _mm512_set1_ps(127.0)));
                let to = output
                    .as_mut_ptr()
                    .wrapping_add(row * shape.output_stride + at);
                // SAFETY: as above, for the output.
                unsafe { _mm_mask_storeu_epi8(to.cast(), mask, _mm512_cvtepi32_epi8(q)) };
            }
        }
    }
}

//! aarch64: NEON, which every such processor has, and its dot product.
//!
//! `smull` and `saddlp` chains and `sdot` take signed bytes: inputs up to 127 are both. Inputs up to
//! 255 are widened first. `sdot` is written as assembly: its intrinsic is not stable yet.

use std::arch::aarch64::*;

#[cfg(feature = "tensors")]
use crate::arch::gather::{Block, Gather, PANELS, PLACES, Results, gather};
use crate::arch::scalar;
use crate::arch::tile::{Checked, dense};
use crate::{DEPTH, Kernels, LANES, Requantise, Shape, panel_bytes, trees};

/// NEON without dot product.
pub fn neon() -> Kernels {
    Kernels {
        name: "neon",
        dense_u8: neon::dense_u8,
        dense_f32: neon::dense_f32,
        #[cfg(feature = "tensors")]
        gather: neon::GATHER,
        sums: neon::sums,
        requantise: neon::requantise,
        dequantise: neon::dequantise,
        quantise: vector::quantise,
        rank: trees::rank,
        walk: trees::walk,
        #[cfg(feature = "tensors")]
        tensor: crate::arch::lanes::aarch64::neon,
    }
}

/// NEON with dot product, if the processor has it.
pub fn dotprod() -> Option<Kernels> {
    std::arch::is_aarch64_feature_detected!("dotprod").then_some(Kernels {
        name: "neon-dotprod",
        dense_u8: dotprod::dense_u8,
        dense_f32: dotprod::dense_f32,
        #[cfg(feature = "tensors")]
        gather: dotprod::GATHER,
        sums: dotprod::sums,
        requantise: dotprod::requantise,
        dequantise: dotprod::dequantise,
        quantise: vector::quantise,
        rank: trees::rank,
        walk: trees::walk,
        #[cfg(feature = "tensors")]
        tensor: crate::arch::lanes::aarch64::neon,
    })
}

/// 16 accumulators in four registers, and what is done with them.
mod vector {
    use super::*;

    pub type Acc = [int32x4_t; 4];

    #[inline]
    #[target_feature(enable = "neon")]
    pub fn zero() -> Acc {
        [vdupq_n_s32(0); 4]
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub fn add(a: Acc, b: Acc) -> Acc {
        [
            vaddq_s32(a[0], b[0]),
            vaddq_s32(a[1], b[1]),
            vaddq_s32(a[2], b[2]),
            vaddq_s32(a[3], b[3]),
        ]
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub fn load(sums: &[i32]) -> Acc {
        let sums = &sums[..LANES];
        // SAFETY: the slice has 16 integers.
        let quarter = |q: usize| unsafe { vld1q_s32(sums.as_ptr().add(q * 4)) };
        [quarter(0), quarter(1), quarter(2), quarter(3)]
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub fn store(acc: Acc, sums: &mut [i32]) {
        let sums = &mut sums[..LANES];
        for (quarter, acc) in acc.into_iter().enumerate() {
            // SAFETY: the slice has 16 integers.
            unsafe { vst1q_s32(sums.as_mut_ptr().add(quarter * 4), acc) };
        }
    }

    /// What is written, in every lane: least, greatest, zero point.
    pub type Range = (float32x4_t, float32x4_t, int32x4_t);

    #[inline]
    #[target_feature(enable = "neon")]
    pub fn range(to: Requantise) -> Range {
        let zero = i32::from(to.zero);
        (
            vdupq_n_f32((i32::from(to.low) - zero) as f32),
            vdupq_n_f32((i32::from(to.high) - zero) as f32),
            vdupq_n_s32(zero),
        )
    }

    /// Accumulators with bias, as floats, times scale.
    #[inline]
    #[target_feature(enable = "neon")]
    fn scaled(acc: Acc, panel: &[u8]) -> [float32x4_t; 4] {
        let (bias, scales) = (&panel[..LANES * 4], &panel[panel.len() - LANES * 4..]);
        let quarter = |q: usize| {
            // SAFETY: both slices have 64 bytes; byte loads need no alignment.
            let (bias, scale) = unsafe {
                (
                    vld1q_u8(bias.as_ptr().add(q * 16)),
                    vld1q_u8(scales.as_ptr().add(q * 16)),
                )
            };
            let sum = vaddq_s32(acc[q], vreinterpretq_s32_u8(bias));
            vmulq_f32(vcvtq_f32_s32(sum), vreinterpretq_f32_u8(scale))
        };
        [quarter(0), quarter(1), quarter(2), quarter(3)]
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub fn finish_u8(acc: Acc, panel: &[u8], (low, high, zero): Range, output: &mut [u8]) {
        let q = scaled(acc, panel).map(|y| {
            // To nearest, ties to even.
            let q = vcvtnq_s32_f32(vminq_f32(vmaxq_f32(y, low), high));
            vqmovn_s32(vaddq_s32(q, zero))
        });
        let first = vqmovun_s16(vcombine_s16(q[0], q[1]));
        let second = vqmovun_s16(vcombine_s16(q[2], q[3]));
        let output = &mut output[..LANES];
        // SAFETY: the slice has 16 bytes.
        unsafe { vst1q_u8(output.as_mut_ptr(), vcombine_u8(first, second)) };
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub fn finish_f32(acc: Acc, panel: &[u8], relu: bool, output: &mut [f32]) {
        let output = &mut output[..LANES];
        for (quarter, y) in scaled(acc, panel).into_iter().enumerate() {
            let y = if relu {
                vmaxq_f32(y, vdupq_n_f32(0.0))
            } else {
                y
            };
            // SAFETY: the slice has 16 floats.
            unsafe { vst1q_f32(output.as_mut_ptr().add(quarter * 4), y) };
        }
    }

    /// Adds four inputs of up to 255 times 16 outputs' weights.
    ///
    /// # Safety
    /// `w` points at 64 readable bytes.
    #[inline]
    #[target_feature(enable = "neon")]
    pub unsafe fn step_wide(acc: Acc, x: i32, w: *const u8) -> Acc {
        let x = vreinterpretq_s16_u16(vmovl_u8(vreinterpret_u8_s32(vdup_n_s32(x))));
        let quarter = |q: usize| {
            // SAFETY: 64 bytes are readable.
            let w = unsafe { vld1q_s8(w.add(q * 16).cast()) };
            let (a, b) = (vmovl_s8(vget_low_s8(w)), vmovl_high_s8(w));
            let pairs = |w| {
                let low = vmull_s16(vget_low_s16(w), vget_low_s16(x));
                vpaddq_s32(low, vmull_high_s16(w, x))
            };
            vaddq_s32(acc[q], vpaddq_s32(pairs(a), pairs(b)))
        };
        [quarter(0), quarter(1), quarter(2), quarter(3)]
    }

    /// Features to bytes.
    pub fn quantise(shape: Shape, constants: &[u8], input: &[f32], output: &mut [u8]) {
        scalar::quantise_rows(
            shape,
            constants,
            input,
            output,
            |input, factors, offsets, output| {
                // SAFETY: every aarch64 processor that Rust's std targets has NEON.
                unsafe { quantise_row(input, factors, offsets, output) }
            },
        );
    }

    #[target_feature(enable = "neon")]
    fn quantise_row(input: &[f32], factors: &[u8], offsets: &[u8], output: &mut [u8]) {
        let (inputs, last_input) = input.as_chunks::<8>();
        let (each_factor, last_factors) = factors.as_chunks::<32>();
        let (each_offset, last_offsets) = offsets.as_chunks::<32>();
        let (outputs, last_output) = output.as_chunks_mut::<8>();
        for (((x, factor), offset), out) in
            inputs.iter().zip(each_factor).zip(each_offset).zip(outputs)
        {
            let half = |h: usize| {
                // SAFETY: each array has 32 bytes; byte loads need no alignment.
                let (x, factor, offset) = unsafe {
                    (
                        vld1q_f32(x.as_ptr().add(h * 4)),
                        vreinterpretq_f32_u8(vld1q_u8(factor.as_ptr().add(h * 16))),
                        vreinterpretq_f32_u8(vld1q_u8(offset.as_ptr().add(h * 16))),
                    )
                };
                // Product and sum are rounded each. What is not a number stays so, and converts to 0.
                let y = vaddq_f32(vmulq_f32(x, factor), offset);
                let y = vminq_f32(vmaxq_f32(y, vdupq_n_f32(0.0)), vdupq_n_f32(127.0));
                vqmovn_s32(vcvtnq_s32_f32(y))
            };
            let bytes = vqmovun_s16(vcombine_s16(half(0), half(1)));
            // SAFETY: the array has 8 bytes.
            unsafe { vst1_u8(out.as_mut_ptr(), bytes) };
        }
        scalar::quantise_each(last_input, last_factors, last_offsets, last_output);
    }
}

mod neon {
    use super::vector::{Acc, add, finish_f32, finish_u8, load, range, step_wide, store, zero};
    use super::*;

    /// Adds four inputs times 16 outputs' weights.
    ///
    /// # Safety
    /// `w` points at 64 readable bytes.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn step<const WIDE: bool>(acc: Acc, x: i32, w: *const u8) -> Acc {
        if WIDE {
            // SAFETY: as the caller promises.
            return unsafe { step_wide(acc, x, w) };
        }
        let x = vreinterpretq_s8_s32(vdupq_n_s32(x));
        let quarter = |q: usize| {
            // SAFETY: 64 bytes are readable.
            let w = unsafe { vld1q_s8(w.add(q * 16).cast()) };
            let low = vmull_s8(vget_low_s8(w), vget_low_s8(x));
            // Two products of at most 127 · 127 fit an i16.
            let pairs = vpaddq_s16(low, vmull_high_s8(w, x));
            vpadalq_s16(acc[q], pairs)
        };
        [quarter(0), quarter(1), quarter(2), quarter(3)]
    }

    dense!(#[target_feature(enable = "neon")], #[inline], wide: true, block: 4 x 1, single: 4 x 1);
    #[cfg(feature = "tensors")]
    gather!(#[target_feature(enable = "neon")], wide: true, block: 4 x 1, single: 2);
}

mod dotprod {
    use super::vector::{Acc, add, finish_f32, finish_u8, load, range, step_wide, store, zero};
    use super::*;

    /// Adds four inputs times 16 outputs' weights.
    ///
    /// # Safety
    /// `w` points at 64 readable bytes, and the processor has the dot product.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn step<const WIDE: bool>(acc: Acc, x: i32, w: *const u8) -> Acc {
        if WIDE {
            // SAFETY: as the caller promises.
            return unsafe { step_wide(acc, x, w) };
        }
        let x = vreinterpretq_s8_s32(vdupq_n_s32(x));
        let quarter = |q: usize| {
            let mut sum = acc[q];
            // SAFETY: 64 bytes are readable; the constructor has checked for the instruction,
            // which touches its operands only.
            unsafe {
                let w = vld1q_s8(w.add(q * 16).cast());
                std::arch::asm!(
                    ".arch_extension dotprod",
                    "sdot {sum:v}.4s, {w:v}.16b, {x:v}.16b",
                    sum = inout(vreg) sum,
                    w = in(vreg) w,
                    x = in(vreg) x,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
            sum
        };
        [quarter(0), quarter(1), quarter(2), quarter(3)]
    }

    dense!(#[target_feature(enable = "neon")], #[inline], wide: true, block: 4 x 1, single: 4 x 1);
    #[cfg(feature = "tensors")]
    gather!(#[target_feature(enable = "neon")], wide: true, block: 4 x 1, single: 2);
}

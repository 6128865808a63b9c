//! WebAssembly with simd128, in builds that have it on.
//!
//! Bytes are widened to i16 and multiplied with `i32x4.dot_i16x8_s`, exact for inputs up to 255.
//! Its results are sums of pairs, which are kept apart until the end.

// Where the feature is on for the whole build, its intrinsics are safe, and so are the macro's calls.
#![allow(unused_unsafe)]

use std::arch::wasm32::*;

#[cfg(feature = "tensors")]
use crate::arch::gather::{Block, Gather, PANELS, PLACES, Results, gather};
use crate::arch::scalar;
use crate::arch::tile::{Checked, dense};
use crate::{DEPTH, Kernels, LANES, Requantise, Shape, panel_bytes, trees};

/// simd128.
pub fn simd128() -> Kernels {
    Kernels {
        name: "simd128",
        dense_u8,
        dense_f32,
        #[cfg(feature = "tensors")]
        gather: GATHER,
        sums,
        requantise,
        dequantise,
        quantise,
        rank: trees::rank,
        walk: trees::walk,
        #[cfg(feature = "tensors")]
        tensor: crate::arch::lanes::wasm32::simd128,
    }
}

/// 32 sums of pairs.
type Acc = [v128; 8];

#[inline]
#[target_feature(enable = "simd128")]
fn zero() -> Acc {
    [i32x4_splat(0); 8]
}

#[inline]
#[target_feature(enable = "simd128")]
fn add(a: Acc, b: Acc) -> Acc {
    std::array::from_fn(|i| i32x4_add(a[i], b[i]))
}

/// Sums of pairs whose second halves are zero.
#[inline]
#[target_feature(enable = "simd128")]
fn load(sums: &[i32]) -> Acc {
    let sums = &sums[..LANES];
    let none = i32x4_splat(0);
    let mut acc = zero();
    for (q, acc) in acc.chunks_exact_mut(2).enumerate() {
        // SAFETY: the slice has 16 integers.
        let four = unsafe { v128_load(sums.as_ptr().add(q * 4).cast()) };
        acc[0] = i32x4_shuffle::<0, 4, 1, 5>(four, none);
        acc[1] = i32x4_shuffle::<2, 6, 3, 7>(four, none);
    }
    acc
}

#[inline]
#[target_feature(enable = "simd128")]
fn store(acc: Acc, sums: &mut [i32]) {
    let sums = &mut sums[..LANES];
    for quarter in 0..4 {
        let four = total(acc, quarter);
        // SAFETY: the slice has 16 integers.
        unsafe { v128_store(sums.as_mut_ptr().add(quarter * 4).cast(), four) };
    }
}

/// Four of the 16 sums, from their pairs.
#[inline]
#[target_feature(enable = "simd128")]
fn total(acc: Acc, quarter: usize) -> v128 {
    let (a, b) = (acc[quarter * 2], acc[quarter * 2 + 1]);
    i32x4_add(
        i32x4_shuffle::<0, 2, 4, 6>(a, b),
        i32x4_shuffle::<1, 3, 5, 7>(a, b),
    )
}

/// What is written, in every lane: least, greatest, zero point.
type Range = (v128, v128, v128);

#[inline]
#[target_feature(enable = "simd128")]
fn range(to: Requantise) -> Range {
    let zero = i32::from(to.zero);
    (
        f32x4_splat((i32::from(to.low) - zero) as f32),
        f32x4_splat((i32::from(to.high) - zero) as f32),
        i32x4_splat(zero),
    )
}

/// Adds four inputs times 16 outputs' weights.
///
/// # Safety
/// `w` points at 64 readable bytes.
#[inline]
#[target_feature(enable = "simd128")]
unsafe fn step<const WIDE: bool>(mut acc: Acc, x: i32, w: *const u8) -> Acc {
    let x = i16x8_extend_low_u8x16(i32x4_splat(x));
    for (q, acc) in acc.chunks_exact_mut(2).enumerate() {
        // SAFETY: 64 bytes are readable; loads need no alignment.
        let w = unsafe { v128_load(w.add(q * 16).cast()) };
        acc[0] = i32x4_add(acc[0], i32x4_dot_i16x8(i16x8_extend_low_i8x16(w), x));
        acc[1] = i32x4_add(acc[1], i32x4_dot_i16x8(i16x8_extend_high_i8x16(w), x));
    }
    acc
}

/// Accumulators with bias, as floats, times scale.
#[inline]
#[target_feature(enable = "simd128")]
fn scaled(acc: Acc, panel: &[u8]) -> [v128; 4] {
    let (bias, scales) = (&panel[..LANES * 4], &panel[panel.len() - LANES * 4..]);
    let quarter = |q: usize| {
        // SAFETY: both slices have 64 bytes.
        let (bias, scale) = unsafe {
            (
                v128_load(bias.as_ptr().add(q * 16).cast()),
                v128_load(scales.as_ptr().add(q * 16).cast()),
            )
        };
        f32x4_mul(f32x4_convert_i32x4(i32x4_add(total(acc, q), bias)), scale)
    };
    [quarter(0), quarter(1), quarter(2), quarter(3)]
}

/// `y` moved into `low..=high`, NaN to `low`, rounded to the nearest, ties to even.
#[inline]
#[target_feature(enable = "simd128")]
fn rounded(y: v128, low: v128, high: v128) -> v128 {
    i32x4_trunc_sat_f32x4(f32x4_nearest(f32x4_pmin(high, f32x4_pmax(low, y))))
}

#[inline]
#[target_feature(enable = "simd128")]
fn finish_u8(acc: Acc, panel: &[u8], (low, high, zero): Range, output: &mut [u8]) {
    let q = scaled(acc, panel).map(|y| i32x4_add(rounded(y, low, high), zero));
    let bytes = u8x16_narrow_i16x8(
        i16x8_narrow_i32x4(q[0], q[1]),
        i16x8_narrow_i32x4(q[2], q[3]),
    );
    let output = &mut output[..LANES];
    // SAFETY: the slice has 16 bytes.
    unsafe { v128_store(output.as_mut_ptr().cast(), bytes) };
}

#[inline]
#[target_feature(enable = "simd128")]
fn finish_f32(acc: Acc, panel: &[u8], relu: bool, output: &mut [f32]) {
    let output = &mut output[..LANES];
    for (quarter, y) in scaled(acc, panel).into_iter().enumerate() {
        let y = if relu {
            f32x4_pmax(f32x4_splat(0.0), y)
        } else {
            y
        };
        // SAFETY: the slice has 16 floats.
        unsafe { v128_store(output.as_mut_ptr().add(quarter * 4).cast(), y) };
    }
}

dense!(#[target_feature(enable = "simd128")], #[inline(never)], wide: false, block: 2 x 1, single: 2 x 1);
#[cfg(feature = "tensors")]
gather!(#[target_feature(enable = "simd128")], wide: false, block: 2 x 1, single: 1);

/// Features to bytes.
pub fn quantise(shape: Shape, constants: &[u8], input: &[f32], output: &mut [u8]) {
    scalar::quantise_rows(shape, constants, input, output, quantise_row);
}

#[inline]
fn quantise_row(input: &[f32], factors: &[u8], offsets: &[u8], output: &mut [u8]) {
    let (inputs, last_input) = input.as_chunks::<4>();
    let (each_factor, last_factors) = factors.as_chunks::<16>();
    let (each_offset, last_offsets) = offsets.as_chunks::<16>();
    let (outputs, last_output) = output.as_chunks_mut::<4>();
    for (((x, factor), offset), out) in inputs.iter().zip(each_factor).zip(each_offset).zip(outputs)
    {
        // SAFETY: each array has 16 bytes.
        let (x, factor, offset) = unsafe {
            (
                v128_load(x.as_ptr().cast()),
                v128_load(factor.as_ptr().cast()),
                v128_load(offset.as_ptr().cast()),
            )
        };
        let q = rounded(
            f32x4_add(f32x4_mul(x, factor), offset),
            f32x4_splat(0.0),
            f32x4_splat(127.0),
        );
        let words = i16x8_narrow_i32x4(q, q);
        *out = u32x4_extract_lane::<0>(u8x16_narrow_i16x8(words, words)).to_le_bytes();
    }
    scalar::quantise_each(last_input, last_factors, last_offsets, last_output);
}

//! WebAssembly with simd128, in builds that have it on.
//!
//! Bytes are widened to i16 and multiplied with `i32x4.dot_i16x8_s`, exact for inputs up to 255.
//! Its results are sums of pairs, which are kept apart until the end.

use std::arch::wasm32::*;

use crate::kernels::arch::scalar;
use crate::kernels::arch::tile::{Checked, dense};
use crate::kernels::{DEPTH, Kernels, LANES, Requantise, Shape};

/// simd128.
pub fn simd128() -> Kernels {
    Kernels {
        name: "simd128",
        dense_u8,
        dense_f32,
        quantise,
    }
}

/// 32 sums of pairs.
type Acc = [v128; 8];

#[inline]
#[target_feature(enable = "simd128")]
fn zero() -> Acc {
    [i32x4_splat(0); 8]
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
        let (a, b) = (acc[q * 2], acc[q * 2 + 1]);
        let pairs = i32x4_add(
            i32x4_shuffle::<0, 2, 4, 6>(a, b),
            i32x4_shuffle::<1, 3, 5, 7>(a, b),
        );
        // SAFETY: both slices have 64 bytes.
        let (bias, scale) = unsafe {
            (
                v128_load(bias.as_ptr().add(q * 16).cast()),
                v128_load(scales.as_ptr().add(q * 16).cast()),
            )
        };
        f32x4_mul(f32x4_convert_i32x4(i32x4_add(pairs, bias)), scale)
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
fn finish_u8(acc: Acc, panel: &[u8], to: Requantise, output: &mut [u8]) {
    let zero = i32::from(to.zero);
    let low = f32x4_splat((i32::from(to.low) - zero) as f32);
    let high = f32x4_splat((i32::from(to.high) - zero) as f32);
    let q = scaled(acc, panel).map(|y| i32x4_add(rounded(y, low, high), i32x4_splat(zero)));
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

dense!(#[target_feature(enable = "simd128")], false);

/// Features to bytes.
pub fn quantise(input: &[f32], constants: &[u8], output: &mut [u8]) {
    let (factors, offsets) = constants.split_at(constants.len() / 2);
    let len = input.len().min(output.len()).min(factors.len() / 4);
    let whole = len / 4 * 4;
    for at in (0..whole).step_by(4) {
        let (x, factor, offset) = (
            &input[at..at + 4],
            &factors[at * 4..at * 4 + 16],
            &offsets[at * 4..at * 4 + 16],
        );
        // SAFETY: each slice has 16 bytes.
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
        let four = u32x4_extract_lane::<0>(u8x16_narrow_i16x8(words, words));
        output[at..at + 4].copy_from_slice(&four.to_le_bytes());
    }
    scalar::quantise_each(
        &input[whole..len],
        &factors[whole * 4..len * 4],
        &offsets[whole * 4..len * 4],
        &mut output[whole..len],
    );
}

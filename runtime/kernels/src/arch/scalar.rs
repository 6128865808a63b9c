//! The definition of every kernel, in plain Rust that a compiler can vectorise.
#![forbid(unsafe_code)]

#[cfg(feature = "tensors")]
use crate::arch::gather::{Block, Gather, PLACES, Results};
use crate::{DEPTH, LANES, Requantise, Shape, panel_bytes};

/// Adding and subtracting this rounds an f32 of magnitude below 2^22 to the nearest integer, ties
/// to even, under the default rounding mode: the sum's last bit has weight one.
const ROUND: f32 = 12_582_912.0;

/// `x` rounded to the nearest integer, ties to even; |x| < 2^22.
#[inline(always)]
fn round(x: f32) -> i32 {
    ((x + ROUND).to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32)
}

/// `x` moved into `low..=high`; NaN becomes `low`.
#[inline(always)]
fn clamp(x: f32, low: f32, high: f32) -> f32 {
    let x = if x > low { x } else { low };
    if x < high { x } else { high }
}

/// The lanes of a panel's bias or scale.
#[inline(always)]
fn words(bytes: &[u8]) -> [u32; LANES] {
    let mut out = [0; LANES];
    for (word, bytes) in out.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    out
}

/// One row times one panel: the sums of its `outputs` outputs, in fours.
///
/// Four lanes at a time: as many sums and inputs as a small processor has registers for, and few
/// enough products that every compiler unrolls them. Addition of integers may be reordered freely;
/// validation has proved that no sum leaves an i32.
#[inline(always)]
fn accumulate(panel: &[u8], input: &[u8], padded: usize, outputs: usize) -> [i32; LANES] {
    const QUARTER: usize = LANES / 4;
    let weights = &panel[LANES * 4..LANES * 4 + padded * LANES];
    let (weights, _) = weights.as_chunks::<{ DEPTH * LANES }>();
    let (input, _) = input[..padded].as_chunks::<DEPTH>();
    let mut sums = [0i32; LANES];
    for (quarter, sums) in sums.chunks_exact_mut(QUARTER).enumerate() {
        if quarter * QUARTER >= outputs {
            break;
        }
        let mut own = [0i32; QUARTER];
        for (x, w) in input.iter().zip(weights) {
            let x = x.map(i32::from);
            let (lanes, _) = w[quarter * QUARTER * DEPTH..].as_chunks::<DEPTH>();
            for (sum, w) in own.iter_mut().zip(lanes) {
                for (x, w) in x.iter().zip(w) {
                    *sum = sum.wrapping_add(x * i32::from(*w as i8));
                }
            }
        }
        sums.copy_from_slice(&own);
    }
    sums
}

/// 16 sums with the panel's bias, as floats, times its scale.
#[inline(always)]
fn scaled(sums: [i32; LANES], panel: &[u8]) -> [f32; LANES] {
    let bias = words(&panel[..LANES * 4]);
    let scales = words(&panel[panel.len() - LANES * 4..]);
    let mut out = [0.0; LANES];
    for (((out, sum), bias), scale) in out.iter_mut().zip(sums).zip(bias).zip(scales) {
        *out = sum.wrapping_add(bias as i32) as f32 * f32::from_bits(scale);
    }
    out
}

#[inline(always)]
fn finish_u8(sums: [i32; LANES], panel: &[u8], to: Requantise, out: &mut [u8]) {
    let zero = i32::from(to.zero);
    let low = (i32::from(to.low) - zero) as f32;
    let high = (i32::from(to.high) - zero) as f32;
    for (out, value) in out.iter_mut().zip(scaled(sums, panel)) {
        *out = (round(clamp(value, low, high)) + zero) as u8;
    }
}

#[inline(always)]
fn finish_f32(sums: [i32; LANES], panel: &[u8], relu: bool, out: &mut [f32]) {
    for (out, value) in out.iter_mut().zip(scaled(sums, panel)) {
        *out = if relu && value < 0.0 { 0.0 } else { value };
    }
}

/// Walks panels and rows, and hands `finish` 16 sums, their panel, and where they go.
#[inline(always)]
fn walk<T>(
    shape: Shape,
    panels: &[u8],
    output: &mut [T],
    sums: impl Fn(&[u8], usize, usize) -> [i32; LANES],
    finish: impl Fn([i32; LANES], &[u8], &mut [T]),
) {
    for (p, panel) in panels
        .chunks_exact(panel_bytes(shape.inputs))
        .take(shape.outputs.div_ceil(LANES))
        .enumerate()
    {
        for row in 0..shape.rows {
            let at = row * shape.output_stride + p * LANES;
            finish(sums(panel, p, row), panel, &mut output[at..at + LANES]);
        }
    }
}

/// The sums of a row and a panel, from the row's bytes.
#[inline(always)]
fn products(shape: Shape, input: &[u8]) -> impl Fn(&[u8], usize, usize) -> [i32; LANES] {
    let padded = shape.inputs.next_multiple_of(DEPTH);
    move |panel, p, row| {
        let row = &input[row * shape.input_stride..];
        accumulate(panel, row, padded, shape.outputs - p * LANES)
    }
}

/// The sums of a row and a panel, as [`sums`] wrote them.
#[inline(always)]
fn stored(shape: Shape, sums: &[i32]) -> impl Fn(&[u8], usize, usize) -> [i32; LANES] {
    move |_, p, row| {
        let mut out = [0; LANES];
        out.copy_from_slice(&sums[row * shape.input_stride + p * LANES..][..LANES]);
        out
    }
}

/// int8 dense to bytes.
pub fn dense_u8(shape: Shape, panels: &[u8], input: &[u8], to: Requantise, output: &mut [u8]) {
    let finish = |sums, panel: &[u8], out: &mut [u8]| finish_u8(sums, panel, to, out);
    walk(shape, panels, output, products(shape, input), finish);
}

/// int8 dense to f32, negative results as 0 if `relu`.
pub fn dense_f32(shape: Shape, panels: &[u8], input: &[u8], relu: bool, output: &mut [f32]) {
    let finish = |sums, panel: &[u8], out: &mut [f32]| finish_f32(sums, panel, relu, out);
    walk(shape, panels, output, products(shape, input), finish);
}

/// Hands the 16 sums of each place and panel of a block to `finish`, with the panel and the result's index.
#[cfg(feature = "tensors")]
#[inline(always)]
fn gathers(b: &Block<'_>, mut finish: impl FnMut([i32; LANES], &[u8], usize)) {
    let run = b.taps.run;
    for (p, panel) in b.panels.chunks_exact(b.panel_bytes).enumerate() {
        for (r, place) in b.places.iter().enumerate() {
            let mut sums = [0i32; LANES];
            for (at, tap) in b.taps.offsets.iter().enumerate() {
                let input = &b.input[place + tap..];
                let more = accumulate(&panel[at * run * LANES..], input, run, LANES);
                for (sum, more) in sums.iter_mut().zip(more) {
                    *sum = sum.wrapping_add(more);
                }
            }
            finish(sums, panel, p * PLACES + r);
        }
    }
}

/// The definition of the kernels over a block.
#[cfg(feature = "tensors")]
pub const GATHER: Gather = Gather {
    to_u8: gather_to_u8,
    to_f32: gather_to_f32,
};

#[cfg(feature = "tensors")]
fn gather_to_u8(b: &Block<'_>, to: Requantise, results: &mut Results<u8>) {
    gathers(b, |sums, panel, at| {
        finish_u8(sums, panel, to, &mut results[at]);
    });
}

#[cfg(feature = "tensors")]
fn gather_to_f32(b: &Block<'_>, relu: bool, results: &mut Results<f32>) {
    gathers(b, |sums, panel, at| {
        finish_f32(sums, panel, relu, &mut results[at]);
    });
}

/// The products' sums, without bias.
pub fn sums(shape: Shape, panels: &[u8], input: &[u8], output: &mut [i32]) {
    let finish = |sums: [i32; LANES], _: &[u8], out: &mut [i32]| out.copy_from_slice(&sums);
    walk(shape, panels, output, products(shape, input), finish);
}

/// Sums to bytes: the second half of [`dense_u8`].
pub fn requantise(shape: Shape, panels: &[u8], sums: &[i32], to: Requantise, output: &mut [u8]) {
    let finish = |sums, panel: &[u8], out: &mut [u8]| finish_u8(sums, panel, to, out);
    walk(shape, panels, output, stored(shape, sums), finish);
}

/// Sums to f32: the second half of [`dense_f32`].
pub fn dequantise(shape: Shape, panels: &[u8], sums: &[i32], relu: bool, output: &mut [f32]) {
    let finish = |sums, panel: &[u8], out: &mut [f32]| finish_f32(sums, panel, relu, out);
    walk(shape, panels, output, stored(shape, sums), finish);
}

/// Features to bytes: `round(clamp(x · factor + offset, 0, 127))`.
pub fn quantise(shape: Shape, constants: &[u8], input: &[f32], output: &mut [u8]) {
    quantise_rows(shape, constants, input, output, quantise_each);
}

/// Calls `row` for each row: with its input, the factors, the offsets, its output.
#[inline(always)]
pub(super) fn quantise_rows(
    shape: Shape,
    constants: &[u8],
    input: &[f32],
    output: &mut [u8],
    row: impl Fn(&[f32], &[u8], &[u8], &mut [u8]),
) {
    let (factors, offsets) = constants.split_at(shape.inputs * 4);
    for index in 0..shape.rows {
        let input = &input[index * shape.input_stride..][..shape.inputs];
        let output = &mut output[index * shape.output_stride..][..shape.inputs];
        row(input, factors, offsets, output);
    }
}

/// One row: what vector paths use for its last few.
#[inline]
pub(super) fn quantise_each(input: &[f32], factors: &[u8], offsets: &[u8], output: &mut [u8]) {
    let word = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    for (((out, &x), factor), offset) in output
        .iter_mut()
        .zip(input)
        .zip(factors.chunks_exact(4))
        .zip(offsets.chunks_exact(4))
    {
        *out = round(clamp(x * word(factor) + word(offset), 0.0, 127.0)) as u8;
    }
}

/// `zero + round(clamp(x · factor + offset, low − zero, high − zero))`
#[cfg(feature = "tensors")]
#[inline(always)]
pub(crate) fn quantised(x: f32, factor: f32, offset: f32, to: Requantise) -> u8 {
    let zero = i32::from(to.zero);
    let (low, high) = (i32::from(to.low) - zero, i32::from(to.high) - zero);
    (round(clamp(x * factor + offset, low as f32, high as f32)) + zero) as u8
}

/// Dense in f32: for each output the products are added over the inputs in rising order, starting
/// from the bias. `half` says that weights are f16, which convert exactly.
pub fn dense_float(
    shape: Shape,
    panels: &[u8],
    input: &[f32],
    half: bool,
    relu: bool,
    output: &mut [f32],
) {
    let size = if half { 2 } else { 4 };
    let bytes = LANES * 4 + shape.inputs * LANES * size;
    for (p, panel) in panels
        .chunks_exact(bytes)
        .take(shape.outputs.div_ceil(LANES))
        .enumerate()
    {
        let (bias, weights) = panel.split_at(LANES * 4);
        for row in 0..shape.rows {
            let mut sums = words(bias).map(f32::from_bits);
            let input = &input[row * shape.input_stride..][..shape.inputs];
            for (&x, weights) in input.iter().zip(weights.chunks_exact(LANES * size)) {
                for (sum, w) in sums.iter_mut().zip(weights.chunks_exact(size)) {
                    *sum += x * weight(w);
                }
            }
            let at = row * shape.output_stride + p * LANES;
            for (out, sum) in output[at..at + LANES].iter_mut().zip(sums) {
                // A NaN stays one: a later check finds it.
                *out = if relu && sum < 0.0 { 0.0 } else { sum };
            }
        }
    }
}

#[inline(always)]
fn weight(bytes: &[u8]) -> f32 {
    match *bytes {
        [a, b, c, d] => f32::from_le_bytes([a, b, c, d]),
        [a, b] => half::f16::from_le_bytes([a, b]).to_f32_const(),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_even() {
        let cases = [
            (0.5, 0),
            (1.5, 2),
            (2.5, 2),
            (126.5, 126),
            (-0.5, 0),
            (-1.5, -2),
            (3.49, 3),
        ];
        for (x, expected) in cases {
            assert_eq!(round(x), expected, "{x}");
        }
    }

    #[test]
    fn nan_becomes_the_lower_bound() {
        let constants: Vec<u8> = [1.0f32, 0.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let shape = Shape {
            rows: 1,
            inputs: 1,
            outputs: 1,
            input_stride: 1,
            output_stride: 1,
            wide: false,
        };
        let mut out = [9];
        quantise(shape, &constants, &[f32::NAN], &mut out);
        assert_eq!(out, [0]);
        quantise(shape, &constants, &[f32::INFINITY], &mut out);
        assert_eq!(out, [127]);
    }
}

//! Tensor steps: what nets beyond chains of dense layers are made of, over buffers of f32 that are read
//! and written through strides. Plain Rust, and the definition: no processor's own path exists yet.
//!
//! Every operation walks a [`Nest`]: outer axes, then inner ones that it folds into one value (a sum, a
//! greatest value) or norms together (a softmax). Sums of products start with the bias (or 0) and run
//! over the inner axes in order; other sums use 16 lanes, i mod 16, then a fixed tree.
#![forbid(unsafe_code)]

pub mod bytes;
mod element;
mod math;
#[cfg(test)]
mod tests;

use crate::LANES;

/// The most axes that a nest has.
pub const AXES: usize = 6;

/// What a tensor step does. `a` and `b` are its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The value itself: transposes, slices, joins, repeats.
    Copy,
    /// `a·x + b`
    Affine,
    /// `x` moved into `a..=b`.
    Clip,
    /// `x`, and `a·x` below 0.
    Leaky,
    /// `x`, and `a·(eˣ − 1)` below 0.
    Elu,
    /// `x·Φ(x)`, Φ through erf.
    Gelu,
    /// `x·Φ(x)`, Φ through tanh (Hendrycks, Gimpel 2016).
    GeluTanh,
    /// `x·sigmoid(a·x)`
    Silu,
    /// The hyperbolic tangent.
    Tanh,
    /// `1 / (1 + e⁻ˣ)`
    Sigmoid,
    /// `x · clip(x/6 + 1/2, 0, 1)`
    HardSwish,
    /// `ln(1 + eˣ)`
    Softplus,
    /// `eˣ`
    Exp,
    /// The natural logarithm.
    Ln,
    /// The square root.
    Root,
    /// `1 / x`
    Reciprocal,
    /// `|x|`
    Absolute,
    /// The error function.
    Erf,
    /// `left + right`
    Add,
    /// `left − right`
    Subtract,
    /// `left · right`
    Multiply,
    /// `left / right`
    Divide,
    /// The lesser one.
    Least,
    /// The greater one.
    Greatest,
    /// `a` times the sum over the inner axes.
    Sum,
    /// `a` times the sum of squares over the inner axes.
    SumSquares,
    /// The greatest over the inner axes.
    Max,
    /// The least over the inner axes.
    Min,
    /// `eˣ / Σ eˣ` over the inner axes.
    Softmax,
    /// `(x − mean) / √(variance + a)` over the inner axes.
    Normalise,
    /// `Σ left · right` over the inner axes.
    Product,
    /// `bias + Σ left · weight` over the inner axes: panels of 16 of the last outer axis.
    Dense,
    /// Rows of a table; the last outer axis runs along a row.
    Gather,
    /// The right operand: constants, repeated as need be.
    Right,
    /// 1 where `left < right`, else 0.
    Less,
}

impl Operation {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 35] = [
        Self::Copy,
        Self::Affine,
        Self::Clip,
        Self::Leaky,
        Self::Elu,
        Self::Gelu,
        Self::GeluTanh,
        Self::Silu,
        Self::Tanh,
        Self::Sigmoid,
        Self::HardSwish,
        Self::Softplus,
        Self::Exp,
        Self::Ln,
        Self::Root,
        Self::Reciprocal,
        Self::Absolute,
        Self::Erf,
        Self::Add,
        Self::Subtract,
        Self::Multiply,
        Self::Divide,
        Self::Least,
        Self::Greatest,
        Self::Sum,
        Self::SumSquares,
        Self::Max,
        Self::Min,
        Self::Softmax,
        Self::Normalise,
        Self::Product,
        Self::Dense,
        Self::Gather,
        Self::Right,
        Self::Less,
    ];

    /// Whether it takes `a` and `b`.
    pub const fn has_parameters(self) -> bool {
        matches!(
            self,
            Self::Affine
                | Self::Clip
                | Self::Leaky
                | Self::Elu
                | Self::Silu
                | Self::Sum
                | Self::SumSquares
                | Self::Normalise
        )
    }

    /// Whether it reads two values.
    pub const fn is_binary(self) -> bool {
        matches!(
            self,
            Self::Add
                | Self::Subtract
                | Self::Multiply
                | Self::Divide
                | Self::Least
                | Self::Greatest
                | Self::Product
                | Self::Right
                | Self::Less
        )
    }

    /// Whether it makes one value of what lies along the inner axes.
    pub const fn folds(self) -> bool {
        matches!(
            self,
            Self::Sum | Self::SumSquares | Self::Max | Self::Min | Self::Product | Self::Dense
        )
    }

    /// Whether it has inner axes, and writes along them.
    pub const fn norms(self) -> bool {
        matches!(self, Self::Softmax | Self::Normalise)
    }
}

/// One axis: how often, and how far apart in each operand, in elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// At least 1.
    pub count: usize,
    /// In the left operand.
    pub left: isize,
    /// In the right operand.
    pub right: isize,
    /// In the output.
    pub output: isize,
}

impl Axis {
    /// An axis of one element.
    pub const ONE: Self = Self {
        count: 1,
        left: 0,
        right: 0,
        output: 0,
    };
}

/// A place in each operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// In the left operand.
    pub left: usize,
    /// In the right operand.
    pub right: usize,
    /// In the output.
    pub output: usize,
}

impl At {
    /// `i` steps along `axis`.
    #[inline(always)]
    const fn step(self, axis: &Axis, i: usize) -> Self {
        let i = i as isize;
        Self {
            left: self.left.wrapping_add_signed(axis.left * i),
            right: self.right.wrapping_add_signed(axis.right * i),
            output: self.output.wrapping_add_signed(axis.output * i),
        }
    }
}

/// What a step walks. The caller has seen to it that no place lies outside the operands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nest {
    /// Outer axes but the last.
    pub outer: Vec<Axis>,
    /// The last outer axis.
    pub last: Axis,
    /// Inner axes but the last.
    pub inner: Vec<Axis>,
    /// The last inner axis; of one element where there are none.
    pub run: Axis,
    /// Where the operands start.
    pub start: At,
}

impl Nest {
    /// From all axes, of which the last `inner` are inner ones. Axes of one element are left out.
    pub fn new(axes: &[Axis], inner: usize, start: At) -> Self {
        let split = axes.len() - inner.min(axes.len());
        let pick = |axes: &[Axis]| {
            let mut axes: Vec<Axis> = axes.iter().copied().filter(|a| a.count != 1).collect();
            let last = axes.pop().unwrap_or(Axis::ONE);
            (axes, last)
        };
        // The last outer axis has a meaning of its own: it stays even if it has one element.
        let (head, last) = axes[..split].split_at(split.saturating_sub(1));
        let outer = head.iter().copied().filter(|a| a.count != 1).collect();
        let (inner, run) = pick(&axes[split..]);
        Self {
            outer,
            last: last.first().copied().unwrap_or(Axis::ONE),
            inner,
            run,
            start,
        }
    }

    /// Elements along the inner axes.
    pub fn depth(&self) -> usize {
        self.inner.iter().fold(self.run.count, |n, a| n * a.count)
    }
}

/// What a step reads beside its left operand.
#[derive(Debug, Clone, Copy)]
pub struct Operands<'a> {
    /// The left operand.
    pub left: &'a [f32],
    /// The right operand; empty where there is none.
    pub right: &'a [f32],
    /// Panels of a dense step, or a table's rows: f32, little-endian.
    pub weights: &'a [u8],
    /// `a` and `b`.
    pub parameters: [f32; 2],
}

/// Calls `each` at every place of `axes`, the last of them fastest.
fn walk(axes: &[Axis], at: At, each: &mut dyn FnMut(At)) {
    match axes {
        [] => each(at),
        [axis, rest @ ..] => (0..axis.count).for_each(|i| walk(rest, at.step(axis, i), each)),
    }
}

/// Runs one step on one row.
pub fn run(operation: Operation, nest: &Nest, from: Operands<'_>, output: &mut [f32]) {
    match operation {
        Operation::Sum | Operation::SumSquares | Operation::Max | Operation::Min => {
            reduce(operation, nest, from, output);
        }
        Operation::Softmax | Operation::Normalise => norm(operation, nest, from, output),
        Operation::Product => product(nest, from, output),
        Operation::Dense => dense(nest, from, output),
        Operation::Gather => gather(nest, from, output),
        _ => walk(&nest.outer, nest.start, &mut |at| {
            element::run(operation, &nest.last, at, from, output);
        }),
    }
}

#[inline(always)]
fn float(bytes: &[u8]) -> f32 {
    match bytes.first_chunk() {
        Some(&bytes) => f32::from_le_bytes(bytes),
        None => 0.0,
    }
}

/// Rows of a table of f32, `nest.last` along a row. An index is cut to a whole number; below the first
/// row it counts from the end, as in ONNX; then it is moved to the nearest row there is. NaN is row 0.
fn gather(nest: &Nest, from: Operands<'_>, output: &mut [f32]) {
    let width = nest.last.count;
    let rows = from.weights.len() / (width * 4);
    walk(&nest.outer, nest.start, &mut |at| {
        let index = from.left[at.left] as i64;
        let index = if index < 0 {
            index.saturating_add_unsigned(rows as u64)
        } else {
            index
        };
        let row = index.clamp(0, rows as i64 - 1) as usize;
        let row = &from.weights[row * width * 4..][..width * 4];
        for (i, value) in row.chunks_exact(4).enumerate() {
            output[at.step(&nest.last, i).output] = float(value);
        }
    });
}

/// 16 sums in a fixed tree.
#[inline(always)]
fn tree(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// Folds what lies along the inner axes from `at` into 16 lanes, i mod 16.
#[inline(always)]
fn lanes(
    nest: &Nest,
    at: At,
    left: &[f32],
    first: f32,
    fold: impl Fn(f32, f32) -> f32,
) -> [f32; LANES] {
    let mut lanes = [first; LANES];
    let mut lane = 0;
    walk(&nest.inner, at, &mut |at| {
        for i in 0..nest.run.count {
            let x = left[at.step(&nest.run, i).left];
            lanes[lane % LANES] = fold(lanes[lane % LANES], x);
            lane += 1;
        }
    });
    lanes
}

#[inline(always)]
fn greater(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[inline(always)]
fn lesser(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

fn reduce(operation: Operation, nest: &Nest, from: Operands<'_>, output: &mut [f32]) {
    let [a, _] = from.parameters;
    walk(&nest.outer, nest.start, &mut |at| {
        for i in 0..nest.last.count {
            let at = at.step(&nest.last, i);
            let left = from.left;
            output[at.output] = match operation {
                Operation::Max => lanes(nest, at, left, f32::NEG_INFINITY, greater)
                    .into_iter()
                    .fold(f32::NEG_INFINITY, greater),
                Operation::Min => lanes(nest, at, left, f32::INFINITY, lesser)
                    .into_iter()
                    .fold(f32::INFINITY, lesser),
                Operation::SumSquares => a * tree(lanes(nest, at, left, 0.0, |s, x| s + x * x)),
                _ => a * tree(lanes(nest, at, left, 0.0, |s, x| s + x)),
            };
        }
    });
}

fn norm(operation: Operation, nest: &Nest, from: Operands<'_>, output: &mut [f32]) {
    let (left, [a, _]) = (from.left, from.parameters);
    let count = nest.depth() as f32;
    walk(&nest.outer, nest.start, &mut |at| {
        for i in 0..nest.last.count {
            let at = at.step(&nest.last, i);
            let (from, factor) = if operation == Operation::Softmax {
                let most = lanes(nest, at, left, f32::NEG_INFINITY, greater)
                    .into_iter()
                    .fold(f32::NEG_INFINITY, greater);
                let sum = tree(lanes(nest, at, left, 0.0, |s, x| s + math::exp(x - most)));
                (most, 1.0 / sum)
            } else {
                let mean = tree(lanes(nest, at, left, 0.0, |s, x| s + x)) / count;
                let square = |s, x: f32| s + (x - mean) * (x - mean);
                let variance = tree(lanes(nest, at, left, 0.0, square)) / count;
                (mean, 1.0 / (variance + a).sqrt())
            };
            walk(&nest.inner, at, &mut |at| {
                for i in 0..nest.run.count {
                    let at = at.step(&nest.run, i);
                    let x = left[at.left] - from;
                    output[at.output] = factor
                        * match operation {
                            Operation::Softmax => math::exp(x),
                            _ => x,
                        };
                }
            });
        }
    });
}

/// Writes up to 16 sums along the last outer axis.
#[inline(always)]
fn write(sums: &[f32], axis: &Axis, at: At, output: &mut [f32]) {
    for (i, sum) in sums.iter().enumerate() {
        output[at.step(axis, i).output] = *sum;
    }
}

fn product(nest: &Nest, from: Operands<'_>, output: &mut [f32]) {
    let Nest { last, run, .. } = nest;
    walk(&nest.outer, nest.start, &mut |at| {
        for first in (0..last.count).step_by(LANES) {
            let at = at.step(last, first);
            let wide = LANES.min(last.count - first);
            let mut sums = [0.0f32; LANES];
            walk(&nest.inner, at, &mut |at| {
                for k in 0..run.count {
                    let at = at.step(run, k);
                    if last.left == 0 && last.right == 1 {
                        let x = from.left[at.left];
                        let right = &from.right[at.right..][..wide];
                        for (sum, w) in sums.iter_mut().zip(right) {
                            *sum += x * w;
                        }
                    } else {
                        for (i, sum) in sums[..wide].iter_mut().enumerate() {
                            let at = at.step(last, i);
                            *sum += from.left[at.left] * from.right[at.right];
                        }
                    }
                }
            });
            write(&sums[..wide], last, at, output);
        }
    });
}

/// Panels as [`crate::pack_dense_float`] packs them, in f32.
fn dense(nest: &Nest, from: Operands<'_>, output: &mut [f32]) {
    let Nest { last, run, .. } = nest;
    let panel = LANES * 4 * (1 + nest.depth());
    for (p, panel) in from.weights.chunks_exact(panel).enumerate() {
        let (bias, weights) = panel.split_at(LANES * 4);
        let wide = LANES.min(last.count - p * LANES);
        let mut biases = [0.0; LANES];
        for (to, bias) in biases.iter_mut().zip(bias.chunks_exact(4)) {
            *to = float(bias);
        }
        walk(&nest.outer, nest.start, &mut |at| {
            let at = at.step(last, p * LANES);
            let mut sums = biases;
            let mut rows = weights.chunks_exact(LANES * 4);
            walk(&nest.inner, at, &mut |at| {
                for (k, row) in rows.by_ref().take(run.count).enumerate() {
                    let at = at.step(run, k);
                    let (row, _) = row.as_chunks::<4>();
                    if last.left == 0 {
                        let x = from.left[at.left];
                        for (sum, w) in sums.iter_mut().zip(row) {
                            *sum += x * f32::from_le_bytes(*w);
                        }
                    } else {
                        for (i, (sum, w)) in sums[..wide].iter_mut().zip(row).enumerate() {
                            *sum += from.left[at.step(last, i).left] * f32::from_le_bytes(*w);
                        }
                    }
                }
            });
            write(&sums[..wide], last, at, output);
        });
    }
}

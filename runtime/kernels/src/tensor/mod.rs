//! Tensor steps: what nets beyond chains of dense layers are made of, over buffers of f32 that are read
//! and written through strides. Everything is written once, over sixteen lanes; the instance over
//! arrays is the definition, and [`crate::arch`] has those of the instruction sets.
//!
//! Every operation walks a [`Nest`]: outer axes, then inner ones that it folds into one value (a sum, a
//! greatest value) or norms together (a softmax). Sums of products start with the bias (or 0) and run
//! over the inner axes in order; other sums use 16 lanes, i mod 16, then a fixed tree.
#![forbid(unsafe_code)]

pub mod bytes;
mod element;
mod fold;
pub(crate) mod lanes;
pub(crate) mod math;
mod recurrent;
mod sums;
#[cfg(test)]
mod tests;

use crate::LANES;
use lanes::Lanes;

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
    /// A gated recurrent unit over time.
    Gru,
    /// A long short-term memory over time.
    Lstm,
    /// The sine.
    Sine,
    /// The cosine.
    Cosine,
    /// 1 where `x` is not a number, else 0.
    Missing,
    /// `right` where `left` is other than 0, else 0: what is not taken may be any, or not a number.
    Keep,
}

impl Operation {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 41] = [
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
        Self::Gru,
        Self::Lstm,
        Self::Sine,
        Self::Cosine,
        Self::Missing,
        Self::Keep,
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
                | Self::Gru
                | Self::Lstm
                | Self::Keep
        )
    }

    /// Whether it makes one value of what lies along the inner axes.
    pub const fn folds(self) -> bool {
        matches!(
            self,
            Self::Sum | Self::SumSquares | Self::Max | Self::Min | Self::Product | Self::Dense
        )
    }

    /// How many gates a recurrent cell has, and how many states: its two inner axes, the other way round.
    pub const fn gates(self) -> Option<(usize, usize)> {
        match self {
            Self::Gru => Some((3, 1)),
            Self::Lstm => Some((4, 2)),
            _ => None,
        }
    }

    /// Whether it has inner axes, and writes along them.
    pub const fn norms(self) -> bool {
        matches!(
            self,
            Self::Softmax | Self::Normalise | Self::Gru | Self::Lstm
        )
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
            left: self.left.wrapping_add_signed(axis.left.wrapping_mul(i)),
            right: self.right.wrapping_add_signed(axis.right.wrapping_mul(i)),
            output: self.output.wrapping_add_signed(axis.output.wrapping_mul(i)),
        }
    }

    /// `i` steps back.
    #[inline(always)]
    const fn back(self, axis: &Axis, i: usize) -> Self {
        let i = i as isize;
        Self {
            left: self.left.wrapping_sub(axis.left.wrapping_mul(i) as usize),
            right: self.right.wrapping_sub(axis.right.wrapping_mul(i) as usize),
            output: self
                .output
                .wrapping_sub(axis.output.wrapping_mul(i) as usize),
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
    /// Inner axes.
    pub inner: Vec<Axis>,
    /// The last two of them; of one element where there are fewer.
    pub runs: [Axis; 2],
    /// Where the operands start.
    pub start: At,
}

impl Nest {
    /// From all axes, of which the last `inner` are inner ones. Axes of one element are left out.
    pub fn new(axes: &[Axis], inner: usize, start: At) -> Self {
        let split = axes.len() - inner.min(axes.len());
        let several = |axes: &[Axis]| -> Vec<Axis> {
            let axes = axes.iter().copied();
            axes.filter(|axis| axis.count != 1).collect()
        };
        // The last outer axis has a meaning of its own: it stays even if it has one element.
        let (head, last) = axes[..split].split_at(split.saturating_sub(1));
        let inner = several(&axes[split..]);
        let mut runs = [Axis::ONE; 2];
        for (run, axis) in runs.iter_mut().rev().zip(inner.iter().rev()) {
            *run = *axis;
        }
        let mut outer = several(head);
        // Positions that read the same on their right come last: products work on several at a time.
        let same = |axis: &Axis| axis.right == 0 && axis.left != 0;
        if let Some(at) = outer.iter().rposition(same) {
            let axis = outer.remove(at);
            outer.push(axis);
        }
        Self {
            outer,
            last: last.first().copied().unwrap_or(Axis::ONE),
            inner,
            runs,
            start,
        }
    }

    /// Elements along the inner axes.
    pub fn depth(&self) -> usize {
        self.inner.iter().fold(1, |depth, axis| depth * axis.count)
    }

    /// Inner axes but the last two.
    pub(crate) fn head(&self) -> &[Axis] {
        &self.inner[..self.inner.len().saturating_sub(2)]
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

/// The places of some axes, the last of them fastest.
#[derive(Debug, Clone)]
pub(crate) struct Places<'a> {
    axes: &'a [Axis],
    indices: [usize; AXES],
    next: Option<At>,
}

impl<'a> Places<'a> {
    pub(crate) const fn new(axes: &'a [Axis], start: At) -> Self {
        Self {
            axes,
            indices: [0; AXES],
            next: Some(start),
        }
    }
}

impl Iterator for Places<'_> {
    type Item = At;

    #[inline]
    fn next(&mut self) -> Option<At> {
        let at = self.next?;
        let mut next = at;
        for (axis, index) in self.axes.iter().zip(&mut self.indices).rev() {
            if *index + 1 < axis.count {
                *index += 1;
                self.next = Some(next.step(axis, 1));
                return Some(at);
            }
            next = next.back(axis, *index);
            *index = 0;
        }
        self.next = None;
        Some(at)
    }
}

/// Elements at `at`, `at + stride` and so on, side by side.
fn gather(from: &[f32], at: usize, stride: isize, to: &mut [f32]) {
    match stride {
        0 => to.fill(from[at]),
        1 => to.copy_from_slice(&from[at..][..to.len()]),
        _ => {
            let mut at = at;
            for to in to {
                *to = from[at];
                at = at.wrapping_add_signed(stride);
            }
        }
    }
}

/// The other way round.
fn scatter(from: &[f32], to: &mut [f32], at: usize, stride: isize) {
    if stride == 1 {
        return to[at..][..from.len()].copy_from_slice(from);
    }
    let mut at = at;
    for from in from {
        to[at] = *from;
        at = at.wrapping_add_signed(stride);
    }
}

/// A step on one row: what it does, what it walks, what it reads and what it writes.
pub type Run = fn(Operation, &Nest, Operands<'_>, &mut [f32]);

/// Runs one step on one row: the definition.
pub fn run(operation: Operation, nest: &Nest, from: Operands<'_>, output: &mut [f32]) {
    run_in::<[f32; LANES]>(operation, nest, from, output);
}

/// Runs one step on one row, sixteen numbers at a time. Compiled into a function that enables an
/// instruction set, all of it uses that.
#[inline(always)]
pub(crate) fn run_in<L: Lanes>(
    operation: Operation,
    nest: &Nest,
    from: Operands<'_>,
    output: &mut [f32],
) {
    match operation {
        Operation::Sum | Operation::SumSquares | Operation::Max | Operation::Min => {
            fold::reduce::<L>(operation, nest, from, output);
        }
        Operation::Softmax | Operation::Normalise => {
            fold::norm::<L>(operation, nest, from, output);
        }
        Operation::Product => sums::product::<L>(nest, from, output),
        Operation::Dense => sums::dense::<L>(nest, from, output),
        Operation::Gather => table(nest, from, output),
        Operation::Gru => recurrent::run::<L, 3, 6>(nest, from, output),
        Operation::Lstm => recurrent::run::<L, 4, 8>(nest, from, output),
        _ => element::run::<L>(operation, nest, from, output),
    }
}

/// Rows of a table of f32, `nest.last` along a row. An index is cut to a whole number; below the first
/// row it counts from the end, as in ONNX; then it is moved to the nearest row there is. NaN is row 0.
fn table(nest: &Nest, from: Operands<'_>, output: &mut [f32]) {
    let width = nest.last.count;
    let rows = from.weights.len() / (width * 4);
    for at in Places::new(&nest.outer, nest.start) {
        let index = from.left[at.left] as i64;
        let index = if index < 0 {
            index.saturating_add_unsigned(rows as u64)
        } else {
            index
        };
        let row = index.clamp(0, rows as i64 - 1) as usize;
        let row = &from.weights[row * width * 4..][..width * 4];
        for (i, value) in row.as_chunks().0.iter().enumerate() {
            output[at.step(&nest.last, i).output] = f32::from_le_bytes(*value);
        }
    }
}

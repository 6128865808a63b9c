//! One value of several, and norms.

use super::lanes::Lanes;
use super::sums::{some, write};
use super::{At, Nest, Operands, Operation, Places};
use crate::LANES;

/// From so many elements on, those that lie side by side are folded sixteen at a time.
const LONG: usize = 32;

/// The number that a fold starts with.
#[inline(always)]
const fn start(operation: Operation) -> f32 {
    match operation {
        Operation::Max => f32::NEG_INFINITY,
        Operation::Min => f32::INFINITY,
        _ => 0.0,
    }
}

/// Sixteen elements folded into sixteen lanes.
#[inline(always)]
fn into<L: Lanes>(operation: Operation, lanes: L, x: L) -> L {
    match operation {
        Operation::Max => lanes.greater(x),
        Operation::Min => lanes.lesser(x),
        Operation::SumSquares => lanes.add(x.mul(x)),
        _ => lanes.add(x),
    }
}

/// The greatest of sixteen, as a comparison with each in turn finds it.
#[inline(always)]
fn greatest<L: Lanes>(lanes: L) -> f32 {
    let mut most = f32::NEG_INFINITY;
    for x in lanes.array() {
        most = if most > x { most } else { x };
    }
    most
}

/// The elements of one place that lie anywhere, sixteen at a time.
struct Blocks<'n> {
    places: Places<'n>,
    at: [At; LANES],
    left: usize,
}

impl<'n> Blocks<'n> {
    fn new(nest: &'n Nest, at: At) -> Self {
        Self {
            places: Places::new(&nest.inner, at),
            at: [at; LANES],
            left: nest.depth(),
        }
    }

    /// How many elements the next block has, whose places are known then.
    fn next(&mut self) -> Option<usize> {
        let wide = self.left.min(LANES);
        self.left -= wide;
        for (to, at) in self.at[..wide].iter_mut().zip(&mut self.places) {
            *to = at;
        }
        (wide > 0).then_some(wide)
    }

    /// The elements, then zeros.
    #[inline(always)]
    fn load<L: Lanes>(&self, wide: usize, from: &[f32]) -> L {
        let mut lanes = [0.0; LANES];
        for (to, at) in lanes[..wide].iter_mut().zip(&self.at) {
            *to = from[at.left];
        }
        L::load(&lanes)
    }

    #[inline(always)]
    fn store<L: Lanes>(&self, x: L, wide: usize, output: &mut [f32]) {
        for (x, at) in x.array()[..wide].iter().zip(&self.at) {
            output[at.output] = *x;
        }
    }
}

/// Folds the elements of one place into sixteen lanes, place i into lane i mod 16.
#[inline(always)]
fn lanes<L: Lanes>(operation: Operation, nest: &Nest, at: At, from: &[f32], shift: L) -> L {
    let mut lanes = L::splat(start(operation));
    let mut blocks = Blocks::new(nest, at);
    while let Some(wide) = blocks.next() {
        let x = blocks.load::<L>(wide, from).sub(shift);
        lanes = into(operation, lanes, x).until(wide, lanes);
    }
    lanes
}

/// As [`lanes`], of elements that lie side by side.
#[inline(always)]
fn plain_lanes<L: Lanes>(operation: Operation, from: &[f32], shift: L) -> L {
    let (whole, rest) = from.as_chunks();
    let mut lanes = L::splat(start(operation));
    for x in whole {
        lanes = into(operation, lanes, L::load(x).sub(shift));
    }
    let last = into(operation, lanes, L::load_part(rest).sub(shift));
    last.until(rest.len(), lanes)
}

/// `a` times the sum, the greatest or the least of sixteen lanes.
#[inline(always)]
fn of_lanes<L: Lanes>(operation: Operation, lanes: L, a: f32) -> f32 {
    match operation {
        Operation::Max => greatest(lanes),
        Operation::Min => {
            let mut least = f32::INFINITY;
            for x in lanes.array() {
                least = if least < x { least } else { x };
            }
            least
        }
        _ => a * lanes.tree(),
    }
}

#[inline(always)]
pub(super) fn reduce<L: Lanes>(
    operation: Operation,
    nest: &Nest,
    from: Operands<'_>,
    output: &mut [f32],
) {
    let (last, [a, _]) = (&nest.last, from.parameters);
    let long = nest.inner.len() <= 1 && nest.runs[1].left == 1 && nest.depth() >= LONG;
    for at in Places::new(&nest.outer, nest.start) {
        if long {
            for i in 0..last.count {
                let at = at.step(last, i);
                let from = &from.left[at.left..][..nest.depth()];
                let lanes = plain_lanes::<L>(operation, from, L::splat(0.0));
                output[at.output] = of_lanes(operation, lanes, a);
            }
            continue;
        }
        // Sixteen results at a time: each has its sixteen lanes.
        for first in (0..last.count).step_by(LANES) {
            let wide = LANES.min(last.count - first);
            let at = at.step(last, first);
            let mut lanes = [L::splat(start(operation)); LANES];
            for (i, place) in Places::new(&nest.inner, at).enumerate() {
                let x = some::<L>(from.left, place.left, last.left, wide);
                lanes[i % LANES] = into(operation, lanes[i % LANES], x);
            }
            let all = match operation {
                Operation::Max | Operation::Min => {
                    let mut all = L::splat(start(operation));
                    for x in lanes {
                        all = into(operation, all, x);
                    }
                    all
                }
                _ => {
                    let mut half = LANES / 2;
                    while half > 0 {
                        for i in 0..half {
                            lanes[i] = lanes[i].add(lanes[i + half]);
                        }
                        half /= 2;
                    }
                    L::splat(a).mul(lanes[0])
                }
            };
            write(all, last.output, wide, at.output, output);
        }
    }
}

#[inline(always)]
pub(super) fn norm<L: Lanes>(
    operation: Operation,
    nest: &Nest,
    from: Operands<'_>,
    output: &mut [f32],
) {
    let (left, [a, _], run) = (from.left, from.parameters, &nest.runs[1]);
    let plain = nest.inner.len() <= 1 && run.left == 1 && run.output == 1;
    let count = nest.depth();
    for at in Places::new(&nest.outer, nest.start) {
        for i in 0..nest.last.count {
            let at = at.step(&nest.last, i);
            let x = &left[at.left..];
            if plain {
                plain_norm::<L>(operation, &x[..count], &mut output[at.output..][..count], a);
            } else {
                any_norm::<L>(operation, nest, at, left, output, a);
            }
        }
    }
}

/// What is taken off each element, and what the difference is divided by, less than that.
#[inline(always)]
fn moments<L: Lanes>(mean: f32, squares: impl FnOnce(L) -> L, count: usize, a: f32) -> (L, L) {
    let mean = L::splat(mean / count as f32);
    let variance = squares(mean).tree() / count as f32;
    (mean, L::splat(1.0 / (variance + a).sqrt()))
}

/// Elements that lie side by side.
#[inline(always)]
fn plain_norm<L: Lanes>(operation: Operation, from: &[f32], to: &mut [f32], a: f32) {
    let (zero, wide) = (L::splat(0.0), from.len() % LANES);
    let (whole, rest) = from.as_chunks();
    let (out, out_rest) = to.as_chunks_mut();
    if operation == Operation::Softmax {
        let most = L::splat(plain_lanes::<L>(Operation::Max, from, zero).most());
        let mut sums = zero;
        for (x, to) in whole.iter().zip(out.iter_mut()) {
            let x = L::load(x).sub(most).exp();
            x.store(to);
            sums = sums.add(x);
        }
        let last = L::load_part(rest).sub(most).exp();
        sums = sums.add(last).until(wide, sums);
        let factor = L::splat(1.0 / sums.tree());
        for to in out {
            factor.mul(L::load(to)).store(to);
        }
        factor.mul(last).store_part(out_rest);
    } else {
        let sum = plain_lanes::<L>(Operation::Sum, from, zero).tree();
        let squares = |mean| plain_lanes::<L>(Operation::SumSquares, from, mean);
        let (mean, factor) = moments(sum, squares, from.len(), a);
        for (x, to) in whole.iter().zip(out) {
            factor.mul(L::load(x).sub(mean)).store(to);
        }
        factor
            .mul(L::load_part(rest).sub(mean))
            .store_part(out_rest);
    }
}

/// Elements that lie anywhere.
#[inline(always)]
fn any_norm<L: Lanes>(
    operation: Operation,
    nest: &Nest,
    at: At,
    left: &[f32],
    output: &mut [f32],
    a: f32,
) {
    let zero = L::splat(0.0);
    let softmax = operation == Operation::Softmax;
    let (shift, factor) = if softmax {
        let most = L::splat(lanes::<L>(Operation::Max, nest, at, left, zero).most());
        let (mut sums, mut blocks) = (zero, Blocks::new(nest, at));
        while let Some(wide) = blocks.next() {
            let x = blocks.load::<L>(wide, left).sub(most).exp();
            sums = sums.add(x).until(wide, sums);
        }
        (most, L::splat(1.0 / sums.tree()))
    } else {
        let sum = lanes::<L>(Operation::Sum, nest, at, left, zero).tree();
        let squares = |mean| lanes::<L>(Operation::SumSquares, nest, at, left, mean);
        moments(sum, squares, nest.depth(), a)
    };
    let mut blocks = Blocks::new(nest, at);
    while let Some(wide) = blocks.next() {
        let x = blocks.load::<L>(wide, left).sub(shift);
        let x = if softmax { x.exp() } else { x };
        blocks.store(factor.mul(x), wide, output);
    }
}

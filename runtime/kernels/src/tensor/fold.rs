//! One value of several, and norms.

use super::lanes::Lanes;
use super::sums::some;
use super::{At, Axis, Nest, Operands, Operation, Places, scatter};
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

/// The elements of one place, sixteen at a time.
struct Blocks<'n> {
    places: Places<'n>,
    /// Where elements lie side by side, the next one.
    plain: Option<At>,
    run: Axis,
    at: [At; LANES],
    left: usize,
}

impl<'n> Blocks<'n> {
    #[inline(always)]
    fn new(nest: &'n Nest, at: At) -> Self {
        let run = nest.runs[1];
        let plain = nest.inner.len() <= 1 && run.left == 1 && matches!(run.output, 0 | 1);
        Self {
            places: Places::new(&nest.inner, at),
            plain: plain.then_some(at),
            run,
            at: [at; LANES],
            left: nest.depth(),
        }
    }

    /// How many elements the next block has, whose places are known then.
    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let wide = self.left.min(LANES);
        self.left -= wide;
        match &mut self.plain {
            Some(at) => {
                self.at[0] = *at;
                *at = at.step(&self.run, LANES);
            }
            None => self.fill(wide),
        }
        (wide > 0).then_some(wide)
    }

    #[inline(never)]
    fn fill(&mut self, wide: usize) {
        for (to, at) in self.at[..wide].iter_mut().zip(&mut self.places) {
            *to = at;
        }
    }

    /// The elements, then zeros.
    #[inline(always)]
    fn load<L: Lanes>(&self, wide: usize, from: &[f32]) -> L {
        if self.plain.is_some() {
            return some(from, self.at[0].left, 1, wide);
        }
        self.each(wide, from, |at| at.left)
    }

    /// What has been written to their places in the output, then zeros.
    #[inline(always)]
    fn again<L: Lanes>(&self, wide: usize, output: &[f32]) -> L {
        if self.plain.is_some() {
            return some(output, self.at[0].output, 1, wide);
        }
        self.each(wide, output, |at| at.output)
    }

    #[inline(always)]
    fn each<L: Lanes>(&self, wide: usize, from: &[f32], place: impl Fn(&At) -> usize) -> L {
        let mut lanes = [0.0; LANES];
        for (to, at) in lanes[..wide].iter_mut().zip(&self.at) {
            *to = from[place(at)];
        }
        L::load(&lanes)
    }

    #[inline(always)]
    fn store<L: Lanes>(&self, x: L, wide: usize, output: &mut [f32]) {
        let lanes = x.array();
        if self.plain.is_some() {
            return match output[self.at[0].output..].first_chunk_mut() {
                Some(to) if wide == LANES => x.store(to),
                _ => scatter(&lanes[..wide], output, self.at[0].output, 1),
            };
        }
        for (x, at) in lanes[..wide].iter().zip(&self.at) {
            output[at.output] = *x;
        }
    }
}

/// The first lanes of `new`, the others of `old`.
#[inline(always)]
fn part<L: Lanes>(old: L, new: L, wide: usize) -> L {
    if wide == LANES {
        return new;
    }
    let mut lanes = old.array();
    lanes[..wide].copy_from_slice(&new.array()[..wide]);
    L::load(&lanes)
}

/// Folds the elements of one place into sixteen lanes, place i into lane i mod 16.
#[inline(always)]
fn lanes<L: Lanes>(operation: Operation, nest: &Nest, at: At, from: &[f32], shift: L) -> L {
    let mut lanes = L::splat(start(operation));
    let mut blocks = Blocks::new(nest, at);
    while let Some(wide) = blocks.next() {
        let x = blocks.load::<L>(wide, from).sub(shift);
        lanes = part(lanes, into(operation, lanes, x), wide);
    }
    lanes
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
                let lanes = lanes::<L>(operation, nest, at, from.left, L::splat(0.0));
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
            scatter(&all.array()[..wide], output, at.output, last.output);
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
    let (left, [a, _]) = (from.left, from.parameters);
    let (count, zero) = (nest.depth() as f32, L::splat(0.0));
    for at in Places::new(&nest.outer, nest.start) {
        for i in 0..nest.last.count {
            let at = at.step(&nest.last, i);
            if operation == Operation::Softmax {
                let most = greatest(lanes::<L>(Operation::Max, nest, at, left, zero));
                let mut sums = zero;
                let mut blocks = Blocks::new(nest, at);
                while let Some(wide) = blocks.next() {
                    let x = blocks.load::<L>(wide, left).sub(L::splat(most)).exp();
                    blocks.store(x, wide, output);
                    sums = part(sums, sums.add(x), wide);
                }
                let factor = L::splat(1.0 / sums.tree());
                let mut blocks = Blocks::new(nest, at);
                while let Some(wide) = blocks.next() {
                    let x = blocks.again::<L>(wide, output);
                    blocks.store(factor.mul(x), wide, output);
                }
            } else {
                let mean = lanes::<L>(Operation::Sum, nest, at, left, zero).tree() / count;
                let mean = L::splat(mean);
                let squares = lanes::<L>(Operation::SumSquares, nest, at, left, mean);
                let factor = L::splat(1.0 / (squares.tree() / count + a).sqrt());
                let mut blocks = Blocks::new(nest, at);
                while let Some(wide) = blocks.next() {
                    let x = blocks.load::<L>(wide, left).sub(mean);
                    blocks.store(factor.mul(x), wide, output);
                }
            }
        }
    }
}

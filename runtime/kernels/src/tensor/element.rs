//! Element by element.

use super::lanes::Lanes;
use super::{Nest, Operands, Operation, Places, gather, math, scatter};
use crate::LANES;

type Row = [f32; LANES];

/// Rows of sixteen that are gathered at a time, where elements do not lie side by side.
const BLOCK: usize = 8;

/// Runs an element-wise operation.
#[inline(always)]
pub(super) fn run<L: Lanes>(
    operation: Operation,
    nest: &Nest,
    from: Operands<'_>,
    output: &mut [f32],
) {
    let axis = &nest.last;
    let two = operation.is_binary();
    let mut block = [[[0.0; LANES]; BLOCK]; 3];
    let [x, y, z] = &mut block;
    let plain = axis.left == 1 && axis.output == 1 && (!two || matches!(axis.right, 0 | 1));
    for at in Places::new(&nest.outer, nest.start) {
        let mut first = 0;
        while first < axis.count {
            let at = at.step(axis, first);
            let rows = (axis.count - first) / LANES;
            // Side by side, rows are read and written where they are.
            let plain = plain && rows > 0;
            let count = if plain {
                rows * LANES
            } else {
                (axis.count - first).min(BLOCK * LANES)
            };
            let whole = count.div_ceil(LANES);
            let mut right = &y[..0];
            if two && plain && axis.right == 1 {
                right = from.right[at.right..][..count].as_chunks().0;
            } else if two {
                let count = count.min(if plain { LANES } else { BLOCK * LANES });
                gather(
                    from.right,
                    at.right,
                    axis.right,
                    &mut y.as_flattened_mut()[..count],
                );
                right = &y[..count.div_ceil(LANES)];
            }
            let (left, to): (&[Row], &mut [Row]) = if plain {
                (
                    from.left[at.left..][..count].as_chunks().0,
                    output[at.output..][..count].as_chunks_mut().0,
                )
            } else {
                gather(
                    from.left,
                    at.left,
                    axis.left,
                    &mut x.as_flattened_mut()[..count],
                );
                (&x[..whole], &mut z[..whole])
            };
            apply::<L>(operation, from.parameters, left, right, to);
            if !plain {
                scatter(&z.as_flattened()[..count], output, at.output, axis.output);
            }
            first += count;
        }
    }
}

/// One operation on rows of `left` and of `right`, which may be one row for all.
#[inline(always)]
fn apply<L: Lanes>(
    operation: Operation,
    [a, b]: [f32; 2],
    left: &[Row],
    right: &[Row],
    to: &mut [Row],
) {
    let (a, b) = (L::splat(a), L::splat(b));
    let (zero, one) = (L::splat(0.0), L::splat(1.0));
    macro_rules! one {
        (|$x:ident| $of:expr) => {
            for (to, x) in to.iter_mut().zip(left) {
                let $x = L::load(x);
                $of.store(to);
            }
        };
    }
    let last = right.len().saturating_sub(1);
    macro_rules! two {
        (|$x:ident, $y:ident| $of:expr) => {
            for (i, (to, x)) in to.iter_mut().zip(left).enumerate() {
                let ($x, $y) = (L::load(x), L::load(&right[i.min(last)]));
                $of.store(to);
            }
        };
    }
    match operation {
        Operation::Affine => one!(|x| a.mul(x).add(b)),
        Operation::Clip => one!(|x| b.lesser(a.greater(x))),
        Operation::Leaky => one!(|x| x.below(zero, a.mul(x), x)),
        Operation::Elu => one!(|x| x.below(zero, a.mul(math::exp_less_one(x)), x)),
        Operation::Gelu => one!(|x| math::gelu(x)),
        Operation::GeluTanh => one!(|x| math::gelu_tanh(x)),
        Operation::Silu => one!(|x| x.mul(math::sigmoid(a.mul(x)))),
        Operation::Tanh => one!(|x| x.tanh()),
        Operation::Sigmoid => one!(|x| math::sigmoid(x)),
        Operation::HardSwish => {
            let (sixth, half) = (L::splat(1.0 / 6.0), L::splat(0.5));
            one!(|x| x.mul(one.lesser(zero.greater(x.mul(sixth).add(half)))))
        }
        Operation::Softplus => one!(|x| math::softplus(x)),
        Operation::Exp => one!(|x| x.exp()),
        Operation::Ln => one!(|x| math::map(x, libm::logf)),
        Operation::Root => one!(|x| x.sqrt()),
        Operation::Reciprocal => one!(|x| one.div(x)),
        Operation::Absolute => one!(|x| x.abs()),
        Operation::Erf => one!(|x| math::erf(x)),
        Operation::Add => two!(|x, y| x.add(y)),
        Operation::Subtract => two!(|x, y| x.sub(y)),
        Operation::Multiply => two!(|x, y| x.mul(y)),
        Operation::Divide => two!(|x, y| x.div(y)),
        Operation::Least => two!(|x, y| x.lesser(y)),
        Operation::Greatest => two!(|x, y| x.greater(y)),
        Operation::Right => two!(|_x, y| y),
        Operation::Less => two!(|x, y| x.below(y, one, zero)),
        Operation::Sine => one!(|x| math::map(x, math::sine)),
        Operation::Cosine => one!(|x| math::map(x, math::cosine)),
        // What is neither above 0 nor below 1 is no number.
        Operation::Missing => {
            one!(|x| zero.below(x.abs(), zero, x.abs().below(one, zero, one)))
        }
        Operation::Keep => two!(|x, y| zero.below(x.abs(), y, zero)),
        _ => to.copy_from_slice(left),
    }
}

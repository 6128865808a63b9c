//! Element by element.

use super::{At, Axis, Operands, Operation, greater, lesser, math};

/// Runs an element-wise operation along one axis.
pub(super) fn run(
    operation: Operation,
    axis: &Axis,
    at: At,
    from: Operands<'_>,
    output: &mut [f32],
) {
    let [a, b] = from.parameters;
    macro_rules! one {
        ($of:expr) => {
            one(axis, at, from.left, output, $of)
        };
    }
    macro_rules! two {
        ($of:expr) => {
            two(axis, at, from, output, $of)
        };
    }
    match operation {
        Operation::Affine => one!(|x| a * x + b),
        Operation::Clip => one!(|x| lesser_or(greater_or(x, a), b)),
        Operation::Leaky => one!(|x| if x < 0.0 { a * x } else { x }),
        Operation::Elu => one!(|x| if x < 0.0 {
            a * math::exp_less_one(x)
        } else {
            x
        }),
        Operation::Gelu => one!(math::gelu),
        Operation::GeluTanh => one!(math::gelu_tanh),
        Operation::Silu => one!(|x| x * math::sigmoid(a * x)),
        Operation::Tanh => one!(math::tanh),
        Operation::Sigmoid => one!(math::sigmoid),
        Operation::HardSwish => {
            one!(|x| x * lesser_or(greater_or(x * (1.0 / 6.0) + 0.5, 0.0), 1.0))
        }
        Operation::Softplus => one!(math::softplus),
        Operation::Exp => one!(math::exp),
        Operation::Ln => one!(libm::logf),
        Operation::Root => one!(f32::sqrt),
        Operation::Reciprocal => one!(|x| 1.0 / x),
        Operation::Absolute => one!(f32::abs),
        Operation::Erf => one!(math::erf),
        Operation::Add => two!(|x, y| x + y),
        Operation::Subtract => two!(|x, y| x - y),
        Operation::Multiply => two!(|x, y| x * y),
        Operation::Divide => two!(|x, y| x / y),
        Operation::Least => two!(lesser),
        Operation::Greatest => two!(greater),
        Operation::Right => two!(|_, y| y),
        Operation::Less => two!(|x, y| f32::from(u8::from(x < y))),
        _ => one!(|x| x),
    }
}

/// `x`, or `low` where that is greater; NaN stays.
#[inline(always)]
fn greater_or(x: f32, low: f32) -> f32 {
    if x < low { low } else { x }
}

/// `x`, or `high` where that is less; NaN stays.
#[inline(always)]
fn lesser_or(x: f32, high: f32) -> f32 {
    if x > high { high } else { x }
}

#[inline(always)]
fn one(axis: &Axis, at: At, left: &[f32], output: &mut [f32], of: impl Fn(f32) -> f32) {
    if axis.left == 1 && axis.output == 1 {
        let left = &left[at.left..][..axis.count];
        let output = &mut output[at.output..][..axis.count];
        for (output, x) in output.iter_mut().zip(left) {
            *output = of(*x);
        }
        return;
    }
    for i in 0..axis.count {
        let at = at.step(axis, i);
        output[at.output] = of(left[at.left]);
    }
}

#[inline(always)]
fn two(axis: &Axis, at: At, from: Operands<'_>, output: &mut [f32], of: impl Fn(f32, f32) -> f32) {
    if axis.left == 1 && axis.right == 1 && axis.output == 1 {
        let left = &from.left[at.left..][..axis.count];
        let right = &from.right[at.right..][..axis.count];
        let output = &mut output[at.output..][..axis.count];
        for ((output, x), y) in output.iter_mut().zip(left).zip(right) {
            *output = of(*x, *y);
        }
        return;
    }
    for i in 0..axis.count {
        let at = at.step(axis, i);
        output[at.output] = of(from.left[at.left], from.right[at.right]);
    }
}

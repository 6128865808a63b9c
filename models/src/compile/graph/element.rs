//! Element by element: activations, powers, sums, choices.

use std::sync::Arc;

use fieldscore_runtime::plan::TensorOperation;
use tract_onnx::prelude::Tensor;
use tract_onnx::tract_core::ops::array::OneHot;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::math::PowConst;
use tract_onnx::tract_core::ops::nn::LeakyRelu;

use super::view::{Fixed, Value, View};
use super::walk::{Lowered, Walk, fixed};

impl Walk<'_> {
    pub(super) fn element_wise(&mut self, op: &ElementWiseOp, x: &View) -> Lowered<View> {
        use TensorOperation as T;
        if let Some(leaky) = op.0.downcast_ref::<LeakyRelu>() {
            return self.map(T::Leaky, &[leaky.alpha, 0.0], x);
        }
        if let Some(power) = op.0.downcast_ref::<PowConst>() {
            return self.power(power.exponent, x);
        }
        match op.0.name().as_str() {
            "Sigmoid" => self.map(T::Sigmoid, &[], x),
            "Tanh" => self.map(T::Tanh, &[], x),
            "Erf" => self.map(T::Erf, &[], x),
            "Exp" => self.map(T::Exp, &[], x),
            "Ln" => self.map(T::Ln, &[], x),
            "Abs" => self.map(T::Absolute, &[], x),
            "Sin" => self.map(T::Sine, &[], x),
            "Cos" => self.map(T::Cosine, &[], x),
            "IsNan" => self.map(T::Missing, &[], x),
            "Neg" => self.map(T::Affine, &[-1.0, 0.0], x),
            "Not" => self.map(T::Affine, &[-1.0, 1.0], x),
            "Square" => self.power(2.0, x),
            "Sqrt" => self.power(0.5, x),
            "Rsqrt" => self.power(-0.5, x),
            "Recip" => self.power(-1.0, x),
            "HardSwish" => self.map(T::HardSwish, &[], x),
            "Silu" => self.map(T::Silu, &[1.0, 0.0], x),
            "GeluExact" => self.map(T::Gelu, &[], x),
            "GeluApproximate" => self.map(T::GeluTanh, &[], x),
            _ => Err("the plan has no step for it".to_owned()),
        }
    }

    pub(super) fn power(&mut self, exponent: f32, x: &View) -> Lowered<View> {
        use TensorOperation as T;
        let value = || Value::Held(x.clone());
        if exponent == 2.0 || exponent == 3.0 {
            let square = self.zip(T::Multiply, x, &value())?;
            return if exponent == 2.0 {
                Ok(square)
            } else {
                self.zip(T::Multiply, &square, &value())
            };
        }
        let root = if exponent.abs() == 0.5 {
            self.map(T::Root, &[], x)?
        } else {
            x.clone()
        };
        match exponent {
            0.5 => Ok(root),
            -0.5 | -1.0 => self.map(T::Reciprocal, &[], &root),
            _ => Err(format!("the power {exponent}")),
        }
    }

    /// `on` at the place along a new axis that an index says, `off` elsewhere; a negative index counts from
    /// the end, as in ONNX, and one outside is nowhere.
    pub(super) fn one_hot(&mut self, op: &OneHot, x: &View) -> Lowered<View> {
        use TensorOperation as T;
        let number = |tensor: &Arc<Tensor>| fixed(tensor).and_then(|fixed| fixed.single());
        let (Some(on), Some(off)) = (number(&op.on), number(&op.off)) else {
            return Err("other than two float32 values".to_owned());
        };
        // Nowhere, from the end on, from the start on, nowhere.
        let rows = 2 * op.dim + 2;
        let places = (0..rows).map(|row| match row {
            0 => None,
            row => (row <= 2 * op.dim).then(|| (row - 1) % op.dim),
        });
        let values = places
            .flat_map(|place| (0..op.dim).map(move |at| if place == Some(at) { on } else { off }));
        let table = Fixed {
            dims: vec![rows, op.dim],
            values: Arc::new(values.collect()),
        };
        let row = self.map(T::Affine, &[1.0, op.dim as f32 + 1.0], x)?;
        let mut row = self.map(T::Clip, &[0.0, rows as f32 - 1.0], &row)?;
        row.whole = true;
        let found = self.gather(0, &[Value::Fixed(table), Value::Held(row)])?;
        let last = found.dims.len() - 1;
        Ok(found.moved(last, op.axis))
    }

    pub(super) fn binary(&mut self, name: &str, inputs: &[Value]) -> Lowered<View> {
        let [a, b] = inputs else {
            return Err("other than two operands".to_owned());
        };
        let whole = inputs.iter().any(Value::is_whole);
        // Tables that lie one behind the other in one: exact in f32 below 2²⁴, and no table is longer.
        if whole && !matches!(name, "Add" | "Sub" | "Mul") {
            return Err("whole numbers serve as indices alone".to_owned());
        }
        Ok(View {
            whole,
            ..self.of_two(name, a, b)?
        })
    }

    fn of_two(&mut self, name: &str, a: &Value, b: &Value) -> Lowered<View> {
        use TensorOperation as T;
        // The computed operand first.
        let (x, y, turned) = match (a, b) {
            (Value::Held(x), _) => (x.clone(), b, false),
            (Value::Fixed(_), Value::Held(x)) => (x.clone(), a, true),
            (Value::Fixed(a), Value::Fixed(_)) => {
                let x = self.hold(&Value::Fixed(a.clone()))?;
                (x, b, false)
            }
        };
        // One number for all: a parameter, where the other operand has the result's shape.
        if let Value::Fixed(fixed) = y
            && let Some(c) = fixed.single()
            && fixed.dims.iter().all(|&dim| dim == 1)
        {
            match (name, turned) {
                ("Add", _) => return self.map(T::Affine, &[1.0, c], &x),
                ("Sub", false) => return self.map(T::Affine, &[1.0, -c], &x),
                ("Sub", true) => return self.map(T::Affine, &[-1.0, c], &x),
                ("Mul", _) => return self.map(T::Affine, &[c, 0.0], &x),
                ("Max", _) => return self.map(T::Clip, &[c.max(f32::MIN), f32::MAX], &x),
                ("Min", _) => return self.map(T::Clip, &[f32::MIN, c.min(f32::MAX)], &x),
                ("Pow", false) => return self.power(c, &x),
                _ => {}
            }
        }
        let operation = match name {
            "Add" => T::Add,
            "Sub" => T::Subtract,
            "Mul" => T::Multiply,
            "Div" => T::Divide,
            "Max" => T::Greatest,
            "Min" => T::Least,
            "LT" | "GT" => T::Less,
            _ => return Err("the plan has no step for it".to_owned()),
        };
        let commutes = !matches!(name, "Sub" | "Div" | "LT" | "GT");
        // `a > b` is `b < a`.
        if (turned && !commutes) != (name == "GT") {
            let y = self.hold(y)?;
            return self.zip(operation, &y, &Value::Held(x));
        }
        self.zip(operation, &x, y)
    }

    /// What a condition keeps of `a`, and what its opposite keeps of `b`: exact, one of them being 0, and
    /// whatever the other one was. What masks as an infinity does so as the greatest number.
    pub(super) fn select(&mut self, inputs: &[Value]) -> Lowered<View> {
        use TensorOperation as T;
        let [condition, a, b] = inputs else {
            return Err("other than three operands".to_owned());
        };
        let condition = self.hold(condition)?;
        let other = self.map(T::Affine, &[-1.0, 1.0], &condition)?;
        let a = self.zip(T::Keep, &condition, &finite(a))?;
        let b = self.zip(T::Keep, &other, &finite(b))?;
        self.zip(T::Add, &a, &Value::Held(b))
    }
}

/// Without infinities, which a plan's constants do not have.
fn finite(value: &Value) -> Value {
    match value {
        Value::Fixed(fixed) if fixed.values.iter().any(|x| x.is_infinite()) => {
            let values = fixed.values.iter().map(|x| x.clamp(f32::MIN, f32::MAX));
            Value::Fixed(Fixed {
                dims: fixed.dims.clone(),
                values: Arc::new(values.collect()),
            })
        }
        other => other.clone(),
    }
}

//! Along axes: sums, greatest values, norms.

use fieldscore_runtime::plan::TensorOperation;
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer, RmsNorm};

use super::emit::{Draft, Line, Right};
use super::view::{Value, View};
use super::walk::{AXES, Lowered, Walk, fixed};

impl Walk<'_> {
    pub(super) fn reduce(&mut self, op: &Reduce, x: &View) -> Lowered<View> {
        use TensorOperation as T;
        let count: usize = op.axes.iter().map(|&axis| x.dims[axis]).product();
        let (operation, factor) = match op.reducer {
            Reducer::Sum => (T::Sum, 1.0),
            Reducer::MeanOfSquares => (T::SumSquares, 1.0 / count as f32),
            Reducer::Max => (T::Max, 0.0),
            Reducer::Min => (T::Min, 0.0),
            _ => return Err("the plan has no step for it".to_owned()),
        };
        let mut dims = x.dims.clone();
        op.axes.iter().for_each(|&axis| dims[axis] = 1);
        let output = self.emitter.fresh(&dims);
        self.folded(operation, factor, &op.axes, x, &output)?;
        Ok(output)
    }

    /// Folds `axes` of `x` into `output`.
    pub(super) fn folded(
        &mut self,
        operation: TensorOperation,
        factor: f32,
        axes: &[usize],
        x: &View,
        output: &View,
    ) -> Lowered<()> {
        let line = |axis: usize| Line {
            count: x.dims[axis],
            left: x.stride(axis),
            right: 0,
            output: output.stride(axis),
        };
        let is_inner = |axis: &usize| axes.contains(axis);
        let (inner, outer): (Vec<usize>, Vec<usize>) = (0..x.dims.len()).partition(is_inner);
        let parameters = matches!(
            operation,
            TensorOperation::Sum | TensorOperation::SumSquares | TensorOperation::Normalise
        );
        let draft = Draft {
            operation,
            left: x,
            right: Right::None,
            output,
            outer: outer.into_iter().map(line).collect(),
            inner: inner.into_iter().map(line).collect(),
            weights: if parameters {
                [factor, 0.0].iter().flat_map(|x| x.to_le_bytes()).collect()
            } else {
                Vec::new()
            },
            rows: 0,
        };
        self.emitter.step(draft).ok_or_else(|| AXES.to_owned())
    }

    /// A softmax or a layer norm over `axes`.
    pub(super) fn norm(
        &mut self,
        operation: TensorOperation,
        axes: &[usize],
        parameter: f32,
        x: &View,
    ) -> Lowered<View> {
        let output = self.emitter.fresh(&x.dims);
        self.folded(operation, parameter, axes, x, &output)?;
        Ok(output)
    }

    /// `x / √(mean of squares + ε)`
    pub(super) fn rms_norm(&mut self, op: &RmsNorm, x: &View) -> Lowered<View> {
        use TensorOperation as T;
        let epsilon = fixed(&op.eps)
            .and_then(|fixed| fixed.single())
            .ok_or("no number for ε")?;
        let mut dims = x.dims.clone();
        let count = std::mem::replace(&mut dims[op.axis], 1);
        let squares = self.emitter.fresh(&dims);
        self.folded(T::SumSquares, 1.0 / count as f32, &[op.axis], x, &squares)?;
        let squares = self.map(T::Affine, &[1.0, epsilon], &squares)?;
        let root = self.map(T::Root, &[], &squares)?;
        self.zip(T::Divide, x, &Value::Held(root))
    }
}

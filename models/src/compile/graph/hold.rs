//! Softmaxes that tract must not simplify. Between DequantizeLinear and QuantizeLinear it takes whatever keeps
//! its axes for element-wise, and makes a table of 256 entries of it.

use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::nn::Softmax;

/// A softmax whose axes nobody sees through.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Held(Softmax);

impl Op for Held {
    fn name(&self) -> StaticName {
        self.0.name()
    }

    op_as_typed_op!();
}

impl EvalOp for Held {
    fn eval(&self, context: &EvalContext<'_>, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        self.0.eval(context, inputs)
    }

    fn eval_out_of_plan(&self, inputs: TVec<TValue>) -> TractResult<Option<TVec<TValue>>> {
        self.0.eval_out_of_plan(inputs)
    }
}

impl TypedOp for Held {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        self.0.output_facts(inputs)
    }

    as_op!();
}

/// Holds every softmax.
pub(super) fn softmaxes(model: &mut TypedModel) {
    for node in &mut model.nodes {
        if let Some(op) = node.op_as::<Softmax>() {
            node.op = Box::new(Held(op.clone()));
        }
    }
}

/// Lets them go again.
pub(super) fn release(model: &mut TypedModel) {
    for node in &mut model.nodes {
        if let Some(Held(op)) = node.op_as() {
            node.op = Box::new(op.clone());
        }
    }
}

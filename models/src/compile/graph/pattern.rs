//! Activations that tract writes out in several nodes, known again: one step instead of many, and no
//! exponential that overflows on its way.

use std::collections::{HashMap, HashSet};

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::logic::Iff;
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer, RmsNorm};
use tract_onnx::tract_hir::internal::DimLike;

use super::walk::fixed;

/// What a node is, with those before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pattern {
    /// `x`, and `a·(eˣ − 1)` below 0.
    Elu(OutletId, f32),
    /// `ln(1 + eˣ)`
    Softplus(OutletId),
    /// `(x − mean) / √(variance + ε)` over an axis.
    Normalise(OutletId, usize, f32),
}

/// The patterns of a model by the node that ends them, and the nodes inside of them.
pub(super) fn find(model: &TypedModel) -> (HashMap<usize, Pattern>, HashSet<usize>) {
    let (mut patterns, mut inside) = (HashMap::new(), HashSet::new());
    for node in &model.nodes {
        let mut nodes = HashSet::from([node.id]);
        let found = if node.op_is::<Iff>() {
            elu(model, node, &mut nodes)
        } else if let Some(op) = node.op_as::<RmsNorm>() {
            normalise(model, node, op, &mut nodes)
        } else {
            celu(model, node, &mut nodes).or_else(|| softplus(model, node, &mut nodes))
        };
        let Some(pattern) = found else { continue };
        // Nobody else may read what is inside.
        let alone = nodes.iter().filter(|id| **id != node.id).all(|&id| {
            let successors = model.nodes[id].outputs.iter().flat_map(|o| &o.successors);
            let own = model.outputs.iter().any(|outlet| outlet.node == id);
            !own && successors
                .into_iter()
                .all(|next| nodes.contains(&next.node))
        });
        if alone {
            patterns.insert(node.id, pattern);
            nodes.remove(&node.id);
            inside.extend(nodes);
        }
    }
    (patterns, inside)
}

/// The one number that an outlet always is.
fn number(model: &TypedModel, outlet: OutletId) -> Option<f32> {
    let konst = model.nodes[outlet.node].outputs[outlet.slot]
        .fact
        .konst
        .as_ref()?;
    fixed(konst)?.single()
}

fn is(model: &TypedModel, outlet: OutletId, name: &str) -> Option<OutletId> {
    let node = &model.nodes[outlet.node];
    let op = node.op_as::<ElementWiseOp>()?;
    (op.0.name() == name).then(|| node.inputs[0])
}

/// `outlet` as `factor · eˣ + offset`: x, factor, offset.
fn exponential(
    model: &TypedModel,
    mut outlet: OutletId,
    nodes: &mut HashSet<usize>,
) -> Option<(OutletId, f32, f32)> {
    let (mut factor, mut offset) = (1.0f32, 0.0f32);
    for _ in 0..4 {
        nodes.insert(outlet.node);
        if let Some(x) = is(model, outlet, "Exp") {
            return Some((x, factor, offset));
        }
        let node = &model.nodes[outlet.node];
        let op = node.op_as::<TypedBinOp>()?;
        let [a, b] = *node.inputs.as_slice() else {
            return None;
        };
        let (inner, c, turned) = match (number(model, a), number(model, b)) {
            (None, Some(c)) => (a, c, false),
            (Some(c), None) => (b, c, true),
            _ => return None,
        };
        // From the outside in: what is found later is multiplied by the factors so far.
        match (op.0.name(), turned) {
            ("Mul", _) => factor *= c,
            ("Add", _) => offset += factor * c,
            ("Sub", false) => offset -= factor * c,
            _ => return None,
        }
        outlet = inner;
    }
    None
}

fn elu(model: &TypedModel, node: &TypedNode, nodes: &mut HashSet<usize>) -> Option<Pattern> {
    let [test, x, below] = *node.inputs.as_slice() else {
        return None;
    };
    let condition = &model.nodes[test.node];
    let op = condition.op_as::<TypedBinOp>()?;
    let [a, b] = *condition.inputs.as_slice() else {
        return None;
    };
    let positive = match op.0.name() {
        "LT" => b == x && number(model, a) == Some(0.0),
        "GT" => a == x && number(model, b) == Some(0.0),
        _ => false,
    };
    nodes.insert(test.node);
    let (of, factor, offset) = exponential(model, below, nodes)?;
    (positive && of == x && factor == -offset).then_some(Pattern::Elu(x, factor))
}

/// `max(0, x) + min(0, a·(eˣ − 1))`, which for a positive `a` is the same.
fn celu(model: &TypedModel, node: &TypedNode, nodes: &mut HashSet<usize>) -> Option<Pattern> {
    // The computed operand of an operation with 0.
    let beside_zero = |outlet: OutletId, name: &str| {
        let node = &model.nodes[outlet.node];
        let op = node
            .op_as::<TypedBinOp>()
            .filter(|op| op.0.name() == name)?;
        let [a, b] = *node.inputs.as_slice() else {
            return None;
        };
        let zero = |outlet| op.1.is_none() && number(model, outlet) == Some(0.0);
        [(a, b), (b, a)]
            .into_iter()
            .find_map(|(x, other)| zero(other).then_some(x))
    };
    node.op_as::<TypedBinOp>()
        .filter(|op| op.0.name() == "Add")?;
    let [a, b] = *node.inputs.as_slice() else {
        return None;
    };
    [(a, b), (b, a)].into_iter().find_map(|(high, low)| {
        let x = beside_zero(high, "Max")?;
        let below = beside_zero(low, "Min")?;
        let mut own = HashSet::from([high.node, low.node]);
        let (of, factor, offset) = exponential(model, below, &mut own)?;
        nodes.extend(own);
        (of == x && factor == -offset && factor > 0.0).then_some(Pattern::Elu(x, factor))
    })
}

fn softplus(model: &TypedModel, node: &TypedNode, nodes: &mut HashSet<usize>) -> Option<Pattern> {
    let inner = is(model, OutletId::new(node.id, 0), "Ln")?;
    let (x, factor, offset) = exponential(model, inner, nodes)?;
    (factor == 1.0 && offset == 1.0).then_some(Pattern::Softplus(x))
}

/// A root mean square of what lies around the mean: a layer norm (Ba et al. 2016) without its scale.
fn normalise(
    model: &TypedModel,
    node: &TypedNode,
    op: &RmsNorm,
    nodes: &mut HashSet<usize>,
) -> Option<Pattern> {
    let operands = |outlet: OutletId, name: &str| {
        let node = &model.nodes[outlet.node];
        let named = node.op_as::<TypedBinOp>()?.0.name() == name;
        let [a, b] = *node.inputs.as_slice() else {
            return None;
        };
        named.then_some((a, b))
    };
    let around = *node.inputs.first()?;
    let (x, mean) = operands(around, "Sub")?;
    let fact = &model.nodes[x.node].outputs[x.slot].fact;
    let count = fact.shape.get(op.axis)?.to_usize().ok()? as f32;
    let share = |c: Option<f32>| c.is_some_and(|c| (c * count - 1.0).abs() <= f32::EPSILON);
    let product = operands(mean, "Mul").and_then(|(a, b)| {
        let pairs = [(a, b), (b, a)].into_iter();
        pairs
            .filter(|(_, c)| share(number(model, *c)))
            .map(|(sum, _)| sum)
            .next()
    });
    let quotient = || operands(mean, "Div").filter(|(_, c)| number(model, *c) == Some(count));
    let sum = product.or_else(|| quotient().map(|(sum, _)| sum))?;
    let reduce = &model.nodes[sum.node];
    let adds_up = reduce.op_as::<Reduce>().is_some_and(|reduce| {
        reduce.axes.as_slice() == [op.axis] && reduce.reducer == Reducer::Sum
    });
    nodes.extend([around.node, mean.node, sum.node]);
    let epsilon = fixed(&op.eps)?.single()?;
    (adds_up && reduce.inputs.as_slice() == [x]).then_some(Pattern::Normalise(x, op.axis, epsilon))
}

//! Calibrating: real rows through tract, every edge observed, and our own form of the net held
//! against it.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::plan::eval;
use tract_onnx::tract_hir::internal::DimLike;

use crate::compile::import::Imported;
use crate::compile::net::{Layer, Rows};
use crate::error::{Error, Result};

/// How far tract's answer and ours may lie apart, relative to max(1, Σ|w·x| + |b|): where large
/// terms cancel, the order of summation shows in what is left (Higham 2002, "Accuracy and
/// stability of numerical algorithms", section 3.1).
const TOLERANCE: f32 = 1e-5;

/// Runs `rows` through tract and returns what every layer of the net made of them.
///
/// # Errors
/// Where tract cannot run the model, or our own form of the net gives other values than tract's.
pub fn observe(imported: &Imported, rows: &Rows) -> Result<Vec<Rows>> {
    let fault = |e: TractError| Error::input("model", format!("a model that tract runs ({e})"));
    let plan = imported.typed.clone().into_runnable().map_err(fault)?;
    let mut seen: Vec<Option<Vec<f32>>> = vec![None; imported.edges.len()];
    // A model of one row at a time gets them one by one, each with a fresh state.
    let batch = match batch(imported) {
        Some(1) => 1,
        _ => rows.len(),
    };
    for values in rows.values.chunks((batch * rows.width).max(1)) {
        let rows = Rows::new(rows.width, values.to_vec());
        let shape = input_shape(imported, &rows)?;
        let input = Tensor::from_shape(&shape, &rows.values).map_err(fault)?;
        let mut state = plan.spawn().map_err(fault)?;
        state
            .run_plan_with_eval(
                tvec![input.into_tvalue()],
                |context, op_state, node, inputs| {
                    let outputs = eval(context, op_state, node, inputs)?;
                    for (edge, seen) in imported.edges.iter().zip(&mut seen) {
                        if edge.node == node.id {
                            let values = outputs[edge.slot].to_plain_array_view::<f32>()?;
                            seen.get_or_insert_default().extend(values.iter());
                        }
                    }
                    TractResult::Ok(outputs)
                },
            )
            .map_err(fault)?;
    }
    let mut observed = Vec::with_capacity(seen.len());
    let ours = imported.net.activations(rows);
    let mut input = rows.clone();
    for ((seen, layer), ours) in seen.into_iter().zip(&imported.net.layers).zip(ours) {
        let values = seen.ok_or_else(|| {
            Error::input(
                format!("node {}", layer.name),
                "an edge that tract computes",
            )
        })?;
        let terms = magnitudes(layer, &input);
        let apart = values
            .iter()
            .zip(&ours.values)
            .zip(&terms.values)
            .any(|((tract, ours), terms)| (tract - ours).abs() > TOLERANCE * terms.max(1.0));
        if apart || values.len() != ours.values.len() {
            return Err(Error::check(
                format!("node {}", layer.name),
                format!("the importer's values within {TOLERANCE} of tract's"),
            ));
        }
        observed.push(Rows::new(layer.outputs, values));
        input = ours;
    }
    Ok(observed)
}

/// Σ|w·x| + |b| of every output of every row.
fn magnitudes(layer: &Layer, rows: &Rows) -> Rows {
    let absolute = |values: &[f32]| values.iter().map(|x| x.abs()).collect();
    let positive = Layer {
        weights: absolute(&layer.weights),
        bias: absolute(&layer.bias),
        relu: false,
        ..layer.clone()
    };
    positive.forward(&Rows::new(rows.width, absolute(&rows.values)))
}

/// The batch that the model is fixed to, if it is.
fn batch(imported: &Imported) -> Option<usize> {
    let input = imported.typed.inputs[0];
    let fact = &imported.typed.nodes[input.node].outputs[input.slot].fact;
    fact.shape.first()?.to_usize().ok()
}

/// The model's input shape with `rows` for its batch axis.
fn input_shape(imported: &Imported, rows: &Rows) -> Result<Vec<usize>> {
    let input = imported.typed.inputs[0];
    let fact = &imported.typed.nodes[input.node].outputs[input.slot].fact;
    let features = fact.shape.iter().skip(1).map(|d| d.to_usize());
    let features: Vec<usize> = features
        .collect::<std::result::Result<_, _>>()
        .map_err(|e| Error::input("model input", format!("a fixed count of features ({e})")))?;
    if features.iter().product::<usize>() != rows.width {
        return Err(Error::input(
            "model.features",
            format!(
                "features that make the model's {} inputs, not {}",
                features.iter().product::<usize>(),
                rows.width
            ),
        ));
    }
    Ok([rows.len()].into_iter().chain(features).collect())
}

/// The model in tract, one row at a time: for timing it beside the plan.
///
/// # Errors
/// Where tract cannot run the model.
pub fn single_row(imported: &Imported) -> Result<impl FnMut(&[f32]) -> Result<f32> + use<>> {
    let fault = |e: TractError| Error::input("model", format!("a model that tract runs ({e})"));
    let width = imported.net.inputs();
    let shape = input_shape(imported, &Rows::new(width, vec![0.0; width]))?;
    let input = imported.typed.inputs[0];
    let batch = &imported.typed.nodes[input.node].outputs[input.slot]
        .fact
        .shape[0];
    let one = batch
        .symbols()
        .into_iter()
        .map(|symbol| (symbol, TDim::from(1)))
        .collect();
    let typed = imported.typed.set_symbols(&one).map_err(fault)?;
    let plan = typed
        .into_optimized()
        .and_then(|typed| typed.into_runnable())
        .map_err(fault)?;
    let mut state = plan.spawn().map_err(fault)?;
    Ok(move |row: &[f32]| {
        let input = Tensor::from_shape(&shape, row).map_err(fault)?;
        let outputs = state.run(tvec![input.into_tvalue()]).map_err(fault)?;
        let view = outputs[0].to_plain_array_view::<f32>().map_err(fault)?;
        Ok(view.iter().next().copied().unwrap_or(f32::NAN))
    })
}

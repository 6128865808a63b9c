//! tract, with the batch size fixed before it optimises.

use std::sync::Arc;

use tract_onnx::prelude::*;

use crate::engines::{Candidate, Engine};
use crate::failure::{Failure, Result};

/// The model in tract.
pub fn candidate(precision: &'static str, onnx: &Arc<Vec<u8>>) -> Candidate {
    let onnx = Arc::clone(onnx);
    Candidate::peer(
        "tract",
        precision,
        Box::new(move |rows| Ok(Box::new(Running::open(&onnx, rows)?))),
    )
}

struct Running {
    state: TypedSimpleState,
    rows: usize,
}

impl Running {
    fn open(onnx: &[u8], rows: usize) -> Result<Self> {
        let fault = |e: TractError| Failure::at("tract")(format!("{e:#}"));
        let model = tract_onnx::onnx()
            .model_for_read(&mut std::io::Cursor::new(onnx))
            .and_then(InferenceModelExt::into_typed)
            .and_then(TypedModel::into_decluttered)
            .map_err(fault)?;
        let input = model.inputs[0];
        let batch = &model.nodes[input.node].outputs[input.slot].fact.shape[0];
        let sized = batch
            .symbols()
            .into_iter()
            .map(|symbol| (symbol, TDim::from(rows as i64)))
            .collect();
        let state = model
            .set_symbols(&sized)
            .and_then(TypedModel::into_optimized)
            .and_then(TypedModel::into_runnable)
            .and_then(|plan| plan.spawn())
            .map_err(fault)?;
        Ok(Self { state, rows })
    }
}

impl Engine for Running {
    fn run(&mut self, features: &[f32], outputs: &mut [f32]) -> Result<()> {
        let fault = |e: TractError| Failure::at("tract")(format!("{e:#}"));
        let shape = [self.rows, features.len() / self.rows];
        let input = Tensor::from_shape(&shape, features).map_err(fault)?;
        let output = self.state.run(tvec![input.into_tvalue()]).map_err(fault)?;
        let view = output[0].to_plain_array_view::<f32>().map_err(fault)?;
        for (out, value) in outputs.iter_mut().zip(view.iter()) {
            *out = *value;
        }
        Ok(())
    }
}

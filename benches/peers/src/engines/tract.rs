//! tract, with the batch size fixed before it optimises.

use std::sync::Arc;

use tract_onnx::prelude::*;

use crate::engines::{Candidate, Engine};
use crate::failure::{Failure, Result};

/// The model in tract.
pub fn candidate(precision: &'static str, onnx: &Arc<Vec<u8>>, width: usize) -> Candidate {
    let onnx = Arc::clone(onnx);
    Candidate::peer(
        "tract",
        precision,
        Box::new(move |rows| Ok(Box::new(Running::open(&onnx, rows, width)?))),
    )
}

struct Running {
    state: TypedSimpleState,
    /// Whether it has memory from call to call, which the next row must not see.
    remembers: bool,
    rows: usize,
}

impl Running {
    fn open(onnx: &[u8], rows: usize, width: usize) -> Result<Self> {
        let state = read(onnx, rows, width)
            .and_then(InferenceModelExt::into_optimized)
            .and_then(TypedModel::into_runnable)
            .and_then(|plan| plan.spawn())
            .map_err(fault)?;
        Ok(Self {
            remembers: state.op_states.iter().any(Option::is_some),
            state,
            rows,
        })
    }
}

/// A model that reads `rows` rows of `width` features. The count of rows is said before anything is
/// derived from it: recurrent operators want a number.
///
/// # Errors
/// Where tract can't read it.
pub fn read(onnx: &[u8], rows: usize, width: usize) -> TractResult<InferenceModel> {
    tract_onnx::onnx()
        .with_ignore_output_shapes(true)
        .with_ignore_value_info(true)
        .model_for_read(&mut std::io::Cursor::new(onnx))?
        .with_input_fact(0, f32::fact([rows, width]).into())
}

/// tract's error, with all that it says of its causes.
pub fn fault(error: TractError) -> Failure {
    Failure::at("tract")(format!("{error:#}"))
}

impl Engine for Running {
    fn run(&mut self, features: &[f32], outputs: &mut [f32]) -> Result<()> {
        let shape = [self.rows, features.len() / self.rows];
        let input = Tensor::from_shape(&shape, features).map_err(fault)?;
        if self.remembers {
            self.state = self.state.plan().spawn().map_err(fault)?;
        }
        let output = self.state.run(tvec![input.into_tvalue()]).map_err(fault)?;
        let view = output[0].to_plain_array_view::<f32>().map_err(fault)?;
        for (out, value) in outputs.iter_mut().zip(view.iter()) {
            *out = *value;
        }
        Ok(())
    }
}

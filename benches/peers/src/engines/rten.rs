//! rten. Everything here is measured inside its pool of one thread, so that it hands nothing over
//! to another.

use std::sync::Arc;

use rten::{Model, RunOptions, ThreadPool};
use rten_tensor::NdTensorView;
use rten_tensor::prelude::*;

use crate::engines::{Candidate, Engine};
use crate::failure::{Failure, Result};

/// The model in rten.
pub fn candidate(
    precision: &'static str,
    onnx: &Arc<Vec<u8>>,
    pool: &Arc<ThreadPool>,
) -> Candidate {
    // Borrowed for ever, which saves it a copy at each opening.
    let onnx: &'static [u8] = onnx.as_ref().clone().leak();
    let pool = Arc::clone(pool);
    Candidate::peer(
        "rten",
        precision,
        Box::new(move |rows| {
            let mut options = rten::ModelOptions::with_all_ops();
            options.prepack_weights(true);
            let model = options
                .load_static_slice(onnx)
                .map_err(Failure::at("rten"))?;
            Ok(Box::new(Running {
                model,
                rows,
                pool: Arc::clone(&pool),
            }))
        }),
    )
}

struct Running {
    model: Model,
    rows: usize,
    pool: Arc<ThreadPool>,
}

impl Engine for Running {
    fn run(&mut self, features: &[f32], outputs: &mut [f32]) -> Result<()> {
        let shape = [self.rows, features.len() / self.rows];
        let input = NdTensorView::from_data(shape, features);
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&self.pool)));
        let output = self
            .model
            .run_one(input.into(), Some(options))
            .map_err(Failure::at("rten"))?;
        let output: rten_tensor::Tensor<f32> = output.try_into().map_err(Failure::at("rten"))?;
        for (out, value) in outputs.iter_mut().zip(output.iter()) {
            *out = *value;
        }
        Ok(())
    }
}

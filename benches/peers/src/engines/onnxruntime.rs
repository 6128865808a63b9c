//! ONNX Runtime, from its shared library, on one thread with every optimisation.

use std::path::Path;
use std::sync::Arc;

use ort::session::builder::GraphOptimizationLevel;
use ort::session::{IoBinding, Session};
use ort::value::Tensor;

use crate::engines::{Candidate, Engine};
use crate::failure::{Failure, Result};

/// Loads the library.
///
/// # Errors
/// Where it isn't there, or too old.
pub fn load(library: &Path) -> Result<()> {
    ort::init_from(library)
        .map_err(Failure::at("ONNX Runtime"))?
        .with_name("fieldscore-peers")
        .with_telemetry(false)
        .commit();
    Ok(())
}

/// The model in ONNX Runtime.
pub fn candidate(precision: &'static str, onnx: &Arc<Vec<u8>>, width: usize) -> Candidate {
    let onnx = Arc::clone(onnx);
    Candidate::peer(
        "onnxruntime",
        precision,
        Box::new(move |rows| {
            let running = Running::open(&onnx, rows, width);
            Ok(Box::new(running.map_err(Failure::at("ONNX Runtime"))?))
        }),
    )
}

/// A session whose input and output stay bound, which is the fastest way to call it.
struct Running {
    session: Session,
    input: Tensor<f32>,
    binding: IoBinding,
}

impl Running {
    fn open(onnx: &[u8], rows: usize, width: usize) -> ort::Result<Self> {
        let session = Session::builder()?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .commit_from_memory(onnx)?;
        let mut binding = session.create_binding()?;
        let input = Tensor::from_array(([rows, width], vec![0f32; rows * width]))?;
        let output = Tensor::from_array(([rows, 1], vec![0f32; rows]))?;
        binding.bind_input(session.inputs()[0].name(), &input)?;
        binding.bind_output(session.outputs()[0].name(), output)?;
        Ok(Self {
            session,
            input,
            binding,
        })
    }
}

impl Engine for Running {
    fn run(&mut self, features: &[f32], outputs: &mut [f32]) -> Result<()> {
        let fault = Failure::at("ONNX Runtime");
        self.input.extract_tensor_mut().1.copy_from_slice(features);
        let given = self.session.run_binding(&self.binding).map_err(&fault)?;
        let (_, values) = given[0].try_extract_tensor::<f32>().map_err(&fault)?;
        outputs.copy_from_slice(values);
        Ok(())
    }
}

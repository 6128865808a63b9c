//! Model files that ship as they are, for an engine other than the plan's.

use std::path::Path;
use std::sync::Arc;

use fieldscore_runtime::bundle::EngineKind;
use fieldscore_runtime::{ErrorKind, ModelFile};
use sha2::{Digest, Sha256};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid;
use tract_onnx::tract_hir::internal::{DimLike, TractErrorContext};

use crate::compile::Size;
use crate::compile::faults;
use crate::compile::import::short;
use crate::compile::net::Rows;
use crate::error::{Error, Result, io};

/// How far the runtime's answer and tract's own may lie apart, relative to max(1, |answer|): optimising
/// a model changes the order of sums.
const TOLERANCE: f32 = 1e-5;

/// A model file that ships as it is.
#[derive(Debug, Clone)]
pub struct File {
    place: String,
    bytes: Arc<Vec<u8>>,
    model: Arc<ModelFile>,
    sha256: [u8; 32],
}

impl File {
    /// Reads a file for an engine, as the runtime will.
    ///
    /// # Errors
    /// Where the engine does not take it, or is not built in.
    pub fn read(path: &Path, engine: EngineKind) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| io(path, &e))?;
        let place = path.display().to_string();
        if engine == EngineKind::Tract {
            let proto = onnx().proto_model_for_read(&mut std::io::Cursor::new(&bytes));
            // What is no ONNX file at all the engine says below.
            proto.map_or(Ok(()), |proto| faults::refuse(&proto, &place))?;
        }
        let model = ModelFile::open(engine, &bytes).map_err(|e| {
            Error::input(&place, e.expected().to_owned()).hint(match e.kind() {
                ErrorKind::Unsupported => format!(
                    "build the command with the engine: cargo build --release --features \
                     {engine} (cargo xtask engines says what that needs)"
                ),
                _ => format!(
                    "the {engine} engine takes one input [batch, features] and one output, the logit \
                     or the probability of the bad class"
                ),
            })
        })?;
        Ok(Self {
            place,
            model: Arc::new(model),
            sha256: Sha256::digest(&bytes).into(),
            bytes: Arc::new(bytes),
        })
    }

    /// The engine that executes it.
    pub fn engine(&self) -> EngineKind {
        self.model.engine()
    }

    /// The file's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the file.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// How many features it reads.
    pub fn inputs(&self) -> usize {
        self.model.inputs()
    }

    /// How large it is.
    pub fn size(&self) -> Size {
        Size {
            shape: "as it is".to_owned(),
            parameters: 0,
            bytes: self.bytes.len(),
            multiply_adds: usize::try_from(self.model.multiply_adds()).unwrap_or(usize::MAX),
        }
    }

    /// The output of every row, from the runtime itself.
    ///
    /// # Errors
    /// Where the engine fails on a row.
    pub fn run(&self, rows: &Rows) -> Result<Vec<f32>> {
        rows.iter().map(|row| Ok(self.model.run(row)?)).collect()
    }

    /// Holds what the runtime makes of real rows against tract's own answers: the runtime has had the
    /// model simplified and optimised. TensorFlow Lite runs the file as it is, and has only to show that
    /// no row leaves a trace in the next.
    ///
    /// # Errors
    /// Where the two differ, or something is not a finite number.
    pub fn check(&self, rows: &Rows) -> Result<()> {
        let ours = self.run(rows)?;
        if ours.iter().any(|y| !y.is_finite()) {
            return Err(Error::check(
                &self.place,
                "a finite output for every calibration row",
            ));
        }
        if self.engine() == EngineKind::Tflite {
            let backwards: Vec<&[f32]> = rows.iter().collect();
            for (row, output) in backwards.iter().zip(&ours).rev() {
                if self.model.run(row)?.to_bits() != output.to_bits() {
                    return Err(Error::check(
                        &self.place,
                        "the same output for a row whatever rows came before it",
                    ));
                }
            }
            return Ok(());
        }
        let theirs = answers(&self.bytes, rows).map_err(|e| {
            Error::input(
                &self.place,
                format!("a model that tract runs as it reads it ({})", short(&e)),
            )
        })?;
        // A NaN is near nothing.
        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= TOLERANCE * b.abs().max(1.0);
        if ours.len() != theirs.len() || !ours.iter().zip(&theirs).all(near) {
            return Err(Error::check(
                &self.place,
                format!("the runtime's outputs within {TOLERANCE} of tract's"),
            ));
        }
        Ok(())
    }
}

/// tract's own answers, from its graph as it reads it: nothing simplified, nothing optimised.
fn answers(bytes: &[u8], rows: &Rows) -> TractResult<Vec<f32>> {
    let onnx = onnx()
        .with_ignore_output_shapes(true)
        .with_ignore_value_info(true);
    let mut model = onnx.model_for_read(&mut std::io::Cursor::new(bytes))?;
    let dims = model.input_fact(0)?.shape.dims().skip(1);
    let rest: Option<Vec<usize>> = dims.map(|dim| dim.concretize()?.to_usize().ok()).collect();
    let shape = [vec![1], rest.context("a fixed shape behind the batch")?].concat();
    model.set_input_fact(0, f32::fact(&shape).into())?;
    let runnable = model.into_typed()?.into_runnable()?;
    rows.iter()
        .map(|row| {
            let input = Tensor::from_shape(&shape, row)?;
            let outputs = runnable.run(tvec![input.into_tvalue()])?;
            let view = outputs[0].to_plain_array_view::<f32>()?;
            view.iter().next().copied().context("an output")
        })
        .collect()
}

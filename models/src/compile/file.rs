//! Model files that ship as they are, for an engine other than the plan's.

use std::path::Path;
use std::sync::Arc;

use fieldscore_runtime::ModelFile;
use fieldscore_runtime::bundle::EngineKind;
use sha2::{Digest, Sha256};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::{DimLike, TractErrorContext};

use crate::compile::Size;
use crate::compile::net::Rows;
use crate::error::{Error, Result, io};

/// How far the runtime's answer and tract's own may lie apart, relative to max(1, |answer|): tract
/// prepares a model for rows one by one, which changes the order of sums.
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
    /// Reads an ONNX file for tract, as the runtime will.
    ///
    /// # Errors
    /// Where the engine does not take it.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| io(path, &e))?;
        let place = path.display().to_string();
        let model = ModelFile::open(EngineKind::Tract, &bytes).map_err(|e| {
            Error::input(&place, e.expected().to_owned()).hint(
                "the tract engine takes one input [batch, features] and one output, the logit or the \
                 probability of the bad class",
            )
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

    /// Holds what the runtime makes of real rows against tract's own answer for all of them at once:
    /// the runtime has prepared the model for one row.
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
        let theirs = answers(&self.bytes, rows).map_err(|e| {
            Error::input(
                &self.place,
                format!("a model that tract runs on {} rows ({e})", rows.len()),
            )
            .hint("export with a dynamic batch axis")
        })?;
        let apart = |(a, b): (&f32, &f32)| (a - b).abs() > TOLERANCE * b.abs().max(1.0);
        if ours.len() != theirs.len() || ours.iter().zip(&theirs).any(apart) {
            return Err(Error::check(
                &self.place,
                format!("the runtime's outputs within {TOLERANCE} of tract's"),
            ));
        }
        Ok(())
    }
}

/// tract's own answer, from its graph as it reads it: for all rows at once, or one by one where the model
/// is fixed to that.
fn answers(bytes: &[u8], rows: &Rows) -> TractResult<Vec<f32>> {
    let model = onnx().model_for_read(&mut std::io::Cursor::new(bytes))?;
    let model = model.into_typed()?;
    let fact = model.input_fact(0)?.clone();
    let mut dims = fact.shape.iter();
    let batch = match dims.next().map(DimLike::to_usize) {
        Some(Ok(fixed)) => fixed,
        _ => rows.len(),
    };
    let rest = dims.map(|dim| dim.to_usize().ok()).collect();
    let rest: Option<Vec<usize>> = rest;
    let shape = [vec![batch], rest.context("a fixed shape behind the batch")?].concat();
    let runnable = model.into_runnable()?;
    let mut all = Vec::with_capacity(rows.len());
    for rows in rows.values.chunks(batch.max(1) * rows.width.max(1)) {
        let input = Tensor::from_shape(&shape, rows)?;
        let outputs = runnable.run(tvec![input.into_tvalue()])?;
        all.extend(outputs[0].to_plain_array_view::<f32>()?.iter());
    }
    Ok(all)
}

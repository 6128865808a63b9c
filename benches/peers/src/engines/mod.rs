//! The engines: each opens a model from its bytes and turns rows of features into outputs, on the
//! calling thread.

pub mod compiled;
pub mod onnxruntime;
pub mod ours;
pub mod rten;
pub mod tflite;
pub mod tract;

use std::sync::Arc;

use fieldscore_models::compile::net::Rows;

use crate::failure::Result;

/// A model that is ready to run a fixed count of rows.
pub trait Engine {
    /// Reads `features` (row after row) and writes one output a row, as a caller would: copies
    /// into and out of the engine's own memory are part of it.
    ///
    /// # Errors
    /// What the engine says.
    fn run(&mut self, features: &[f32], outputs: &mut [f32]) -> Result<()>;
}

/// Opens a model for some rows at a time, from bytes in memory to ready to run.
pub type Open = Box<dyn Fn(usize) -> Result<Box<dyn Engine>>>;

/// An engine with a model, in one of its precisions.
pub struct Candidate {
    /// The engine, and which of its paths where it has several.
    pub engine: String,
    /// `f32` or `int8`.
    pub precision: &'static str,
    /// Whether it is Fieldscore's.
    pub ours: bool,
    /// Multiply-adds of a row, where they aren't the subject's: of a pruned plan.
    pub multiply_adds: Option<u64>,
    /// The same features in an order of its own.
    pub rows: Option<Arc<Rows>>,
    /// Opens it.
    pub open: Open,
}

impl Candidate {
    /// A peer's.
    pub fn peer(engine: &str, precision: &'static str, open: Open) -> Self {
        Self {
            engine: engine.to_owned(),
            precision,
            ours: false,
            multiply_adds: None,
            rows: None,
            open,
        }
    }
}

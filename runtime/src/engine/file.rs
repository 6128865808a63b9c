//! Model files as they are, executed by the libraries that own their formats. Native builds only; what
//! comes out may differ in the last bits from machine to machine.
#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::bundle::EngineKind;
use crate::error::{Error, Result};
use crate::plan::MAX_MULTIPLY_ADDS;

/// No bundle carries a larger model file, in bytes.
pub const MAX_MODEL_FILE_BYTES: usize = 16 << 20;

/// A model file, executed by the library of its engine.
///
/// It has one input of float32, `[batch, features]` (more axes than that are read as one), and one
/// output of one number a row; a `.tflite` file's may be whole numbers of 8 bits with a scale. Every row starts from nothing: no state of one row reaches another.
#[derive(Debug)]
pub struct ModelFile {
    engine: EngineKind,
    facts: Facts,
    library: Library,
}

/// What a library says of a model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    /// Features of a row.
    pub inputs: usize,
    /// Multiply-adds of a row, or an estimate of them.
    pub multiply_adds: u64,
}

#[derive(Debug)]
enum Library {
    #[cfg(feature = "tract")]
    Tract(super::tract::Model),
    #[cfg(feature = "tflite")]
    Tflite(super::tflite::Model),
}

impl ModelFile {
    /// Opens a model file, at most [`MAX_MODEL_FILE_BYTES`] long.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where that engine is not built in,
    /// [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) where it does not take the file.
    pub fn open(engine: EngineKind, bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_MODEL_FILE_BYTES {
            return Err(fault(format!("at most {MAX_MODEL_FILE_BYTES} bytes")));
        }
        let (facts, library) = guarded(|| match engine {
            #[cfg(feature = "tract")]
            EngineKind::Tract => super::tract::Model::open(bytes)
                .map(|(facts, model)| (facts, Library::Tract(model))),
            #[cfg(feature = "tflite")]
            EngineKind::Tflite => super::tflite::Model::open(bytes)
                .map(|(facts, model)| (facts, Library::Tflite(model))),
            _ => Err(super::not_built_in(engine)),
        })?;
        if facts.inputs == 0 {
            return Err(fault("a model that reads features"));
        }
        affordable(facts.multiply_adds)?;
        Ok(Self {
            engine,
            facts,
            library,
        })
    }

    /// The engine that executes it.
    pub fn engine(&self) -> EngineKind {
        self.engine
    }

    /// How many features a row has.
    pub fn inputs(&self) -> usize {
        self.facts.inputs
    }

    /// Multiply-adds of one row, as the library counts products and quotients, and one for each value.
    pub fn multiply_adds(&self) -> u64 {
        self.facts.multiply_adds
    }

    /// The output for one row of [`Self::inputs`] features.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) where the library fails.
    pub fn run(&self, features: &[f32]) -> Result<f32> {
        guarded(|| match &self.library {
            #[cfg(feature = "tract")]
            Library::Tract(model) => model.run(features),
            #[cfg(feature = "tflite")]
            Library::Tflite(model) => model.run(features),
        })
        .inspect_err(|_| log::error!("the {} engine failed on a row", self.engine))
    }
}

/// No panic of a library's crosses the seam. What it was working on is dropped with it.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(fault("a model that its engine takes")))
}

/// That a row takes no more multiply-adds than one of a plan may.
pub(super) fn affordable(multiply_adds: u64) -> Result<()> {
    match multiply_adds <= MAX_MULTIPLY_ADDS {
        true => Ok(()),
        false => Err(fault(format!(
            "at most {MAX_MULTIPLY_ADDS} multiply-adds a row"
        ))),
    }
}

/// The model file is not what its engine takes.
pub(super) fn fault(expected: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::malformed(super::MODEL, expected)
}

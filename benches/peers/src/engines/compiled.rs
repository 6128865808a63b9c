//! C code, compiled by the system's compiler and loaded as a shared library.

use std::process::Command;
use std::sync::Arc;

use libloading::Library;

use crate::engines::{Candidate, Engine};
use crate::failure::{Failure, Result};

/// The function `forest` of a compiled forest: a row of features to a sum.
pub struct Compiled {
    forest: unsafe extern "C" fn(*const f32) -> f32,
    width: usize,
    /// What the function lies in.
    _library: Library,
}

impl Compiled {
    /// Compiles C code whose function `forest` reads `width` features.
    ///
    /// # Errors
    /// Where there is no compiler, or it refuses the code.
    pub fn new(source: &str, width: usize) -> Result<Arc<Self>> {
        let fault = "compiled C";
        let folder = tempfile::tempdir().map_err(Failure::at(fault))?;
        let (code, file) = (folder.path().join("forest.c"), folder.path().join("forest"));
        std::fs::write(&code, source).map_err(Failure::at(fault))?;
        let done = Command::new("cc")
            .args(["-O3", "-shared", "-fPIC", "-o"])
            .args([&file, &code])
            .status()
            .map_err(Failure::at("cc (apt-get install build-essential)"))?;
        if !done.success() {
            return Err(Failure::new(format!("cc: {done}")));
        }
        // SAFETY: the library is the code above, which does nothing as it is loaded.
        let library = unsafe { Library::new(&file) }.map_err(Failure::at(fault))?;
        // SAFETY: that is its type; it is called no longer than the library is there.
        let forest = *unsafe { library.get(b"forest\0") }.map_err(Failure::at(fault))?;
        Ok(Arc::new(Self {
            forest,
            width,
            _library: library,
        }))
    }

    /// It as an engine.
    pub fn candidate(self: &Arc<Self>) -> Candidate {
        let compiled = Arc::clone(self);
        let open = move |_| Ok(Box::new(Running(Arc::clone(&compiled))) as Box<dyn Engine>);
        Candidate::peer("compiled-c", "f32", Box::new(open))
    }
}

struct Running(Arc<Compiled>);

impl Engine for Running {
    fn run(&mut self, features: &[f32], outputs: &mut [f32]) -> Result<()> {
        let rows = features.chunks_exact(self.0.width);
        for (row, output) in rows.zip(outputs) {
            // SAFETY: the row has as many features as the code reads.
            *output = unsafe { (self.0.forest)(row.as_ptr()) };
        }
        Ok(())
    }
}

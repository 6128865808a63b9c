//! Fieldscore's plan, on each kernel path that this processor has.

use std::sync::Arc;

use fieldscore_models::compile::lower::{Lowered, lower};
use fieldscore_models::compile::net::{Net, Rows};
use fieldscore_models::recipe::Precision;
use fieldscore_runtime::kernels::Kernels;
use fieldscore_runtime::plan::{Arena, Executable, MAX_ROWS};

use crate::engines::{Candidate, Engine};
use crate::failure::Result;

/// A plan with its weights, which lie at a multiple of 64 bytes as an opened bundle's do.
#[derive(Debug)]
pub struct Program {
    executable: Executable,
    memory: Vec<u8>,
    weights: std::ops::Range<usize>,
}

const LINE: usize = 64;

impl Program {
    /// Validates a plan.
    ///
    /// # Errors
    /// Where it isn't sound.
    pub fn new(plan: fieldscore_runtime::plan::Plan, weights: Vec<u8>) -> Result<Arc<Self>> {
        let executable = Executable::new(plan, &weights)?;
        let mut memory = vec![0; weights.len() + LINE];
        let start = memory.as_ptr().align_offset(LINE);
        let place = start..start + weights.len();
        memory[place.clone()].copy_from_slice(&weights);
        Ok(Arc::new(Self {
            executable,
            memory,
            weights: place,
        }))
    }
}

impl Program {
    /// Multiply-adds of a row.
    pub fn multiply_adds(&self) -> u64 {
        self.executable.multiply_adds(0)
    }

    /// The weights' bytes.
    pub fn weights(&self) -> &[u8] {
        &self.memory[self.weights.clone()]
    }
}

/// Compiles a net with every layer in `precision`.
///
/// # Errors
/// Where the compiler refuses it.
pub fn compile(net: &Net, rows: &Rows, precision: Precision) -> Result<Lowered> {
    Ok(lower(net, rows, &vec![precision; net.layers.len()])?)
}

/// The plan on the path that is chosen at open, and on every other path if `all`.
pub fn candidates(
    name: &str,
    precision: &'static str,
    program: &Arc<Program>,
    all: bool,
) -> Vec<Candidate> {
    let chosen = Kernels::detect();
    let mut out = vec![candidate(name.to_owned(), precision, program, chosen)];
    if all {
        for kernels in Kernels::available() {
            let name = format!("{name}/{}", kernels.name);
            out.push(candidate(name, precision, program, kernels));
        }
    }
    out
}

fn candidate(
    engine: String,
    precision: &'static str,
    program: &Arc<Program>,
    kernels: Kernels,
) -> Candidate {
    let program = Arc::clone(program);
    Candidate {
        engine,
        precision,
        ours: true,
        multiply_adds: Some(program.multiply_adds()),
        rows: None,
        open: Box::new(move |rows| {
            Ok(Box::new(Running {
                arena: program.executable.arena(rows),
                program: Arc::clone(&program),
                kernels,
            }))
        }),
    }
}

struct Running {
    program: Arc<Program>,
    kernels: Kernels,
    arena: Arena,
}

impl Engine for Running {
    fn run(&mut self, features: &[f32], outputs: &mut [f32]) -> Result<()> {
        let executable = &self.program.executable;
        let weights = self.program.weights();
        let model = executable.model(0)?;
        let buffer =
            |port: &fieldscore_runtime::plan::Port| &model.buffers[usize::from(port.buffer)];
        let (input, output) = (buffer(&model.inputs[0]), buffer(&model.outputs[0]));
        let width = input.len as usize;
        let chunks = features.chunks(MAX_ROWS * width);
        for (features, outputs) in chunks.zip(outputs.chunks_mut(MAX_ROWS)) {
            for (row, values) in features.chunks_exact(width).enumerate() {
                self.arena.input(input, row).copy_from_slice(values);
            }
            let rows = outputs.len();
            executable.run(0, &self.kernels, weights, rows, &mut self.arena)?;
            for (row, out) in outputs.iter_mut().enumerate() {
                *out = self.arena.output(output, row)[0];
            }
        }
        Ok(())
    }
}

//! The TensorFlow Lite engine: `.tflite` files. tflitec's types stay in here.

use tflitec::interpreter::{Interpreter, Options};
use tflitec::tensor::{DataType, Shape};

use super::file::{Facts, fault};
use crate::error::Result;

/// The identifier of the format, from the file's fifth byte on.
const IDENTIFIER: &[u8] = b"TFL3";

/// A `.tflite` model. The library reads weights where they lie, so that a model of the library's cannot
/// be kept beside the bundle's bytes: one is made for every row, which also gives every row a state of
/// its own.
#[derive(Debug)]
pub(super) struct Model {
    /// The input's shape, of one row.
    shape: Vec<usize>,
}

impl Model {
    pub fn open(bytes: &[u8]) -> Result<(Facts, Self)> {
        if bytes.get(4..8) != Some(IDENTIFIER) {
            return Err(fault("a TensorFlow Lite model"));
        }
        let model = tflitec::model::Model::from_bytes(bytes)
            .map_err(|_| fault("a TensorFlow Lite model"))?;
        let interpreter = Interpreter::new(&model, Some(options()))
            .map_err(|_| fault("operators that TensorFlow Lite has built in"))?;
        let (1, 1) = (
            interpreter.input_tensor_count(),
            interpreter.output_tensor_count(),
        ) else {
            return Err(fault("one input and one output"));
        };
        interpreter
            .allocate_tensors()
            .map_err(|_| fault("a model that TensorFlow Lite can prepare"))?;
        let shape = match interpreter.input(0) {
            Ok(input) if input.data_type() == DataType::Float32 => {
                input.shape().dimensions().clone()
            }
            _ => return Err(fault("an input of float32 [batch, features]")),
        };
        let shape = match shape.split_first() {
            Some((_, rest)) if !rest.is_empty() => [&[1], rest].concat(),
            _ => return Err(fault("an input of float32 [batch, features]")),
        };
        let facts = Facts {
            inputs: shape.iter().product(),
            multiply_adds: bytes.len() as u64,
        };
        let model = Self { shape };
        // Its output is known once it has run.
        model.run(bytes, &vec![0.0; facts.inputs])?;
        Ok((facts, model))
    }

    pub fn run(&self, bytes: &[u8], features: &[f32]) -> Result<f32> {
        let answer = || -> tflitec::Result<Option<f32>> {
            let model = tflitec::model::Model::from_bytes(bytes)?;
            let interpreter = Interpreter::new(&model, Some(options()))?;
            interpreter.resize_input(0, Shape::new(self.shape.clone()))?;
            interpreter.allocate_tensors()?;
            interpreter.copy(features, 0)?;
            interpreter.invoke()?;
            let output = interpreter.output(0)?;
            if output.data_type() != DataType::Float32 {
                return Ok(None);
            }
            match output.data::<f32>() {
                [value] => Ok(Some(*value)),
                _ => Ok(None),
            }
        };
        answer()
            .map_err(|_| fault("a model that TensorFlow Lite can run on a row"))?
            .ok_or_else(|| fault("an output of float32, one number a row"))
    }
}

/// One thread.
fn options() -> Options {
    Options {
        thread_count: 1,
        ..Options::default()
    }
}

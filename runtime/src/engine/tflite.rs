//! The TensorFlow Lite engine: `.tflite` files, through tflitec. Its types stay in here.

use tflitec::interpreter::{Interpreter, Options};
use tflitec::tensor::{DataType, QuantizationParameters, Tensor};
use tract_tflite::tflite::{self as schema, BuiltinOperator, TensorType};

use super::file::{Facts, affordable, fault};
use crate::error::Result;
use crate::plan::MAX_STEPS;

/// Operators that make a size of numbers: what the file says of their shapes bounds nothing.
const SIZING: [BuiltinOperator; 8] = [
    BuiltinOperator::TILE,
    BuiltinOperator::FILL,
    BuiltinOperator::BROADCAST_TO,
    BuiltinOperator::RANGE,
    BuiltinOperator::RESIZE_BILINEAR,
    BuiltinOperator::RESIZE_NEAREST_NEIGHBOR,
    BuiltinOperator::BROADCAST_ARGS,
    BuiltinOperator::DYNAMIC_UPDATE_SLICE,
];
/// Numbers of one tensor, at most.
const MAX_ELEMENTS: usize = 1 << 22;

/// A `.tflite` model. The library reads weights where they lie, and a model of its own cannot be kept
/// beside them: each row makes one, which also gives each row a state of its own.
#[derive(Debug)]
pub(super) struct Model {
    bytes: Vec<u8>,
}

impl Model {
    pub fn open(bytes: &[u8]) -> Result<(Facts, Self)> {
        // Before the library runs anything.
        let multiply_adds = check(bytes).unwrap_or_else(|| Err(unsound()))?;
        affordable(multiply_adds)?;
        let mut facts = Facts {
            inputs: 0,
            multiply_adds,
        };
        with(bytes, |interpreter| {
            let input = interpreter.input(0)?;
            facts.inputs = input.shape().dimensions().iter().product();
            Ok(kind(&input).is_some())
        })
        .ok_or_else(|| fault("operators that TensorFlow Lite has built in"))?
        .then_some(())
        .ok_or_else(|| fault("an input of float32, or of 8 bits with a scale"))?;
        let model = Self {
            bytes: bytes.to_vec(),
        };
        // What its output is shows once it has run.
        model.run(&vec![0.0; facts.inputs])?;
        Ok((facts, model))
    }

    /// Each row has a state of its own: recurrent operators keep theirs from call to call.
    pub fn run(&self, features: &[f32]) -> Result<f32> {
        with(&self.bytes, |interpreter| {
            write(interpreter, features)?;
            interpreter.invoke()?;
            read(&interpreter.output(0)?)
        })
        .ok_or_else(|| fault("a model that TensorFlow Lite can run on a row"))?
        .ok_or_else(|| fault("an output of float32, or of 8 bits with a scale, one number a row"))
    }
}

/// What the library says of a failure may show values.
fn with<T>(bytes: &[u8], work: impl FnOnce(&Interpreter<'_>) -> tflitec::Result<T>) -> Option<T> {
    let options = Options { thread_count: 1 };
    let model = tflitec::model::Model::from_bytes(bytes).ok()?;
    let interpreter = Interpreter::new(&model, Some(options)).ok()?;
    interpreter.allocate_tensors().ok()?;
    work(&interpreter).ok()
}

/// How a tensor stands for real numbers; none for types that are neither float32 nor of 8 bits.
enum Kind {
    Float,
    Signed(QuantizationParameters),
    Unsigned(QuantizationParameters),
}

fn kind(tensor: &Tensor<'_>) -> Option<Kind> {
    match (tensor.data_type(), tensor.quantization_parameters()) {
        (DataType::Float32, _) => Some(Kind::Float),
        (DataType::Int8, Some(scale)) => Some(Kind::Signed(scale)),
        (DataType::UInt8, Some(scale)) => Some(Kind::Unsigned(scale)),
        _ => None,
    }
}

/// Writes the input, rounded to the nearest whole number (ties to even) where it is quantised.
fn write(interpreter: &Interpreter<'_>, features: &[f32]) -> tflitec::Result<()> {
    let whole = |x: &f32, by: QuantizationParameters, low: f32, high: f32| {
        ((x / by.scale).round_ties_even() + by.zero_point as f32).clamp(low, high)
    };
    match kind(&interpreter.input(0)?) {
        Some(Kind::Signed(by)) => {
            let whole = features.iter().map(|x| whole(x, by, -128.0, 127.0) as i8);
            interpreter.copy(&whole.collect::<Vec<i8>>(), 0)
        }
        Some(Kind::Unsigned(by)) => {
            let whole = features.iter().map(|x| whole(x, by, 0.0, 255.0) as u8);
            interpreter.copy(&whole.collect::<Vec<u8>>(), 0)
        }
        _ => interpreter.copy(features, 0),
    }
}

/// The one number of an output, if it is one.
fn read(output: &Tensor<'_>) -> tflitec::Result<Option<f32>> {
    let real = |whole: i32, by: QuantizationParameters| {
        (i64::from(whole) - i64::from(by.zero_point)) as f32 * by.scale
    };
    Ok(match kind(output) {
        Some(Kind::Float) => match output.data::<f32>() {
            [value] => Some(*value),
            _ => None,
        },
        Some(Kind::Signed(by)) => match output.data::<i8>() {
            [value] => Some(real(i32::from(*value), by)),
            _ => None,
        },
        Some(Kind::Unsigned(by)) => match output.data::<u8>() {
            [value] => Some(real(i32::from(*value), by)),
            _ => None,
        },
        None => None,
    })
}

fn unsound() -> crate::error::Error {
    fault("a TensorFlow Lite model whose parts fit together")
}

/// Holds a file together before the library, which believes what it reads: one graph without loops, each
/// index inside its list, no tensor with more numbers than its bytes, shapes of one row. The answer is the
/// multiply-adds of a row as its shapes tell them, and none where a part is missing.
fn check(bytes: &[u8]) -> Option<Result<u64>> {
    let model = schema::root_as_model(bytes).ok()?;
    let (graphs, codes) = (model.subgraphs()?, model.operator_codes()?);
    if graphs.len() != 1 {
        return Some(Err(fault("one graph, without branches and loops")));
    }
    let graph = graphs.get(0);
    let (tensors, operators) = (graph.tensors()?, graph.operators()?);
    if operators.len() > MAX_STEPS || tensors.len() > 4 * MAX_STEPS {
        return Some(Err(fault(format!("at most {MAX_STEPS} operators"))));
    }
    if graph.inputs()?.len() != 1 || graph.outputs()?.len() != 1 {
        return Some(Err(fault("one input and one output")));
    }
    let buffers = model.buffers()?;
    let mut sizes = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let mut elements = 1usize;
        for dim in tensor.shape().iter().flatten() {
            elements = elements.checked_mul(usize::try_from(dim).ok()?)?;
        }
        let at = tensor.buffer() as usize;
        if elements > MAX_ELEMENTS || at >= buffers.len() {
            return Some(Err(fault(format!(
                "tensors of at most {MAX_ELEMENTS} numbers, each in a buffer of the file"
            ))));
        }
        let constant = buffers.get(at).data().map_or(0, |data| data.len());
        if constant > 0 && Some(constant) != width(tensor.type_()).map(|width| elements * width) {
            return None;
        }
        sizes.push((elements, constant > 0));
    }
    let inside = |at: i32| usize::try_from(at).ok().filter(|at| *at < sizes.len());
    for at in graph.inputs()?.iter().chain(graph.outputs()?.iter()) {
        inside(at)?;
    }
    let mut work = 0u64;
    for operator in operators {
        let at = operator.opcode_index() as usize;
        let code = (at < codes.len()).then(|| codes.get(at))?;
        let early = BuiltinOperator(i32::from(code.deprecated_builtin_code()));
        let looping = [BuiltinOperator::WHILE, BuiltinOperator::CALL_ONCE];
        if looping.contains(&early) || looping.contains(&code.builtin_code()) {
            return Some(Err(fault("one graph, without branches and loops")));
        }
        if SIZING.contains(&early) || SIZING.contains(&code.builtin_code()) {
            return Some(Err(fault("operators whose sizes their shapes tell")));
        }
        // Weights: the largest constant, each number of which meets each place of the output once for
        // its channel; of a product of two values all of either.
        let product = [
            BuiltinOperator::BATCH_MATMUL,
            BuiltinOperator::FULLY_CONNECTED,
        ];
        let product = product.contains(&early) || product.contains(&code.builtin_code());
        let mut weights = 0usize;
        for at in operator.inputs().iter().flatten().filter(|at| *at != -1) {
            let (elements, constant) = sizes[inside(at)?];
            weights = weights.max(if constant || product { elements } else { 0 });
        }
        for at in operator.outputs().iter().flatten() {
            let at = inside(at)?;
            let (elements, _) = sizes[at];
            let shape = tensors.get(at).shape();
            let channels = shape
                .and_then(|shape| shape.iter().next_back())
                .unwrap_or(1);
            let places = elements / usize::try_from(channels).ok()?.max(1);
            work = work.saturating_add((elements.max(places.saturating_mul(weights))) as u64);
        }
    }
    Some(Ok(work))
}

/// Bytes of one number; none for types whose numbers have no width of their own.
fn width(kind: TensorType) -> Option<usize> {
    Some(match kind {
        TensorType::FLOAT32 | TensorType::INT32 | TensorType::UINT32 => 4,
        TensorType::INT8 | TensorType::UINT8 | TensorType::BOOL => 1,
        TensorType::FLOAT16 | TensorType::INT16 | TensorType::UINT16 => 2,
        TensorType::INT64 | TensorType::UINT64 | TensorType::FLOAT64 => 8,
        _ => return None,
    })
}

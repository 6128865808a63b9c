//! Reading `.tflite` files: tract's reader, and the operators it lacks refused by name.

mod codes;

use tract_onnx::prelude::{Framework, TypedModel};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::math::mul;
use tract_onnx::tract_core::ops::quant::Scale;
use tract_tflite::tflite::{BuiltinOperator as Operator, root_as_model};

use codes::Floats;

use crate::compile::guard::guarded;
use crate::compile::import::{UNFIT, short};
use crate::error::{Error, Result};

/// What a `.tflite` file has from its fifth byte on.
const IDENTIFIER: &[u8] = b"TFL3";

/// The operators that tract-tflite 0.23 reads.
const READ: [Operator; 58] = [
    Operator::ABS,
    Operator::ADD,
    Operator::AVERAGE_POOL_2D,
    Operator::BATCH_MATMUL,
    Operator::BROADCAST_TO,
    Operator::CEIL,
    Operator::CONCATENATION,
    Operator::CONV_2D,
    Operator::COS,
    Operator::DEPTHWISE_CONV_2D,
    Operator::DIV,
    Operator::EQUAL,
    Operator::EXP,
    Operator::EXPAND_DIMS,
    Operator::FLOOR,
    Operator::FULLY_CONNECTED,
    Operator::GREATER,
    Operator::GREATER_EQUAL,
    Operator::HARD_SWISH,
    Operator::LEAKY_RELU,
    Operator::LESS,
    Operator::LESS_EQUAL,
    Operator::LOG,
    Operator::LOGICAL_AND,
    Operator::LOGICAL_NOT,
    Operator::LOGICAL_OR,
    Operator::LOGISTIC,
    Operator::MAXIMUM,
    Operator::MAX_POOL_2D,
    Operator::MEAN,
    Operator::MINIMUM,
    Operator::MUL,
    Operator::NOT_EQUAL,
    Operator::PAD,
    Operator::PADV2,
    Operator::REDUCE_MAX,
    Operator::REDUCE_MIN,
    Operator::REDUCE_PROD,
    Operator::RELU,
    Operator::RELU6,
    Operator::RESHAPE,
    Operator::RESIZE_BILINEAR,
    Operator::RESIZE_NEAREST_NEIGHBOR,
    Operator::RSQRT,
    Operator::SELECT,
    Operator::SELECT_V2,
    Operator::SHAPE,
    Operator::SIN,
    Operator::SLICE,
    Operator::SOFTMAX,
    Operator::SQRT,
    Operator::SQUARE,
    Operator::SQUEEZE,
    Operator::STRIDED_SLICE,
    Operator::SUB,
    Operator::SUM,
    Operator::TANH,
    Operator::TRANSPOSE,
];

/// Whether the bytes say that they are a `.tflite` file.
pub(super) fn is_tflite(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(IDENTIFIER)
}

/// Reads a file.
///
/// # Errors
/// Where it is not whole, or has an operator that tract does not read.
pub(super) fn typed(bytes: &[u8], place: &str) -> Result<TypedModel> {
    check(bytes, place)?;
    let floats = Floats::of(bytes, place)?;
    let bytes = floats.as_ref().map_or(bytes, |floats| &floats.bytes);
    // The reader believes that what the file says of itself fits together.
    let read = guarded(|| {
        tract_tflite::tflite()
            .model_for_read(&mut std::io::Cursor::new(bytes))
            .and_then(|model| match &floats {
                None => Ok(mended(model)),
                Some(floats) => floats.quantised(mended(model)),
            })
            .and_then(TypedModel::into_decluttered)
            .map_err(|e| short(&e))
    });
    read.unwrap_or_else(|| Err(UNFIT.to_owned())).map_err(|e| {
        Error::input(place, format!("a .tflite model that tract reads ({e})")).hint(WAY_OUT)
    })
}

/// A mean is written as a sum and a `Scale`, which tract rounds to whole numbers even of floats.
fn mended(mut model: TypedModel) -> TypedModel {
    for node in &mut model.nodes {
        let floats = node
            .outputs
            .iter()
            .all(|output| output.fact.datum_type.is_float());
        let scale = node
            .op_as::<TypedBinOp>()
            .is_some_and(|op| op.0.is::<Scale>());
        if floats && scale {
            node.op = Box::new(mul());
        }
    }
    model
}

const WAY_OUT: &str = "export the model as ONNX, in float32; on native builds with TensorFlow Lite the file runs as it is: \
                       [compile] engine = \"tflite\"";

/// Refuses the first operator that tract does not read.
fn check(bytes: &[u8], place: &str) -> Result<()> {
    let whole = || Error::input(place, "a whole .tflite model");
    let model = root_as_model(bytes).map_err(|_| whole())?;
    let graph = model.subgraphs().filter(|graphs| !graphs.is_empty());
    let graph = graph.ok_or_else(whole)?.get(0);
    let codes = model.operator_codes().ok_or_else(whole)?;
    for operator in graph.operators().ok_or_else(whole)? {
        let index = operator.opcode_index() as usize;
        if index >= codes.len() {
            return Err(whole());
        }
        let code = codes.get(index);
        // Codes beyond a byte came later, in a field of their own.
        let early = Operator(i32::from(code.deprecated_builtin_code()));
        let kind = match early {
            Operator::PLACEHOLDER_FOR_GREATER_OP_CODES => code.builtin_code(),
            early => early,
        };
        if READ.contains(&kind) {
            continue;
        }
        let output = operator.outputs().filter(|outputs| !outputs.is_empty());
        let output = output.and_then(|outputs| usize::try_from(outputs.get(0)).ok());
        let node = output
            .zip(graph.tensors())
            .filter(|(at, tensors)| *at < tensors.len())
            .and_then(|(at, tensors)| tensors.get(at).name())
            .unwrap_or("without a name");
        return Err(Error::input(
            format!("{place}, node {node}"),
            format!(
                "an operator that can be read from .tflite files, not {}",
                kind.variant_name().unwrap_or("one of a later version")
            ),
        )
        .hint(match kind {
            // What reshapes of a batch of any size become.
            Operator::PACK => {
                "fix the batch before converting (keras.Input(…, batch_size=1)), or export the model as ONNX"
            }
            Operator::QUANTIZE | Operator::DEQUANTIZE => {
                "convert with whole numbers at both ends (converter.inference_input_type = \
                 converter.inference_output_type = tf.int8), or export the model as ONNX, in float32"
            }
            _ => WAY_OUT,
        }));
    }
    Ok(())
}

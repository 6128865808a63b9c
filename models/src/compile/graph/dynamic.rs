//! Models whose values are quantised row by row as they run (`quantize_dynamic`): each DynamicQuantizeLinear
//! with its MatMulInteger or ConvInteger, Cast and Mul is read as the float operator that it stands for, its
//! weights the file's whole numbers times their scale. Ranges become static, as for any other net.

use std::collections::HashMap;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto};

use crate::error::{Error, Result};

/// The model without dynamic quantisation.
///
/// # Errors
/// Where whole numbers are multiplied in another way, with the node.
pub(super) fn in_float(mut model: ModelProto, place: &str) -> Result<ModelProto> {
    if let Some(graph) = &mut model.graph {
        let whole = |node: &&NodeProto| float_operator(&node.op_type).is_some();
        // By what they write: nodes need not have names.
        let ends = graph.node.iter().filter(whole);
        let ends: Vec<String> = ends.flat_map(|node| node.output.first().cloned()).collect();
        for end in ends {
            rewrite(graph, &end).ok_or_else(|| {
                Error::input(
                    format!("{place}, the node that writes {end}"),
                    "whole numbers of a DynamicQuantizeLinear times constant ones, cast and scaled",
                )
                .hint("quantise with quantize_dynamic as it is, or with quantize_static and QuantFormat.QDQ")
            })?;
        }
        if let Some(node) = graph
            .node
            .iter()
            .find(|node| node.op_type.starts_with("QLinear"))
        {
            let error = Error::input(
                format!("{place}, node {}", node.name),
                format!(
                    "QuantizeLinear and DequantizeLinear around float operators, not {}",
                    node.op_type
                ),
            );
            return Err(error.hint("quantise with quant_format = QuantFormat.QDQ"));
        }
    }
    Ok(model)
}

/// The float operator that one of whole numbers stands for.
fn float_operator(whole: &str) -> Option<&'static str> {
    match whole {
        "MatMulInteger" => Some("MatMul"),
        "ConvInteger" => Some("Conv"),
        _ => None,
    }
}

/// Writes the float operator for one of whole numbers; `None` where it is not of the usual form.
fn rewrite(graph: &mut GraphProto, end: &str) -> Option<()> {
    let find = |wanted: &str| {
        let has = |node: &&NodeProto| node.output.iter().any(|output| output == wanted);
        graph.node.iter().find(has)
    };
    let reader = |of: &str| {
        let mut readers = graph
            .node
            .iter()
            .filter(|node| node.input.iter().any(|input| input == of));
        let reader = readers.next()?;
        readers.next().is_none().then_some(reader)
    };
    let constants: HashMap<&str, &TensorProto> = graph
        .initializer
        .iter()
        .map(|tensor| (tensor.name.as_str(), tensor))
        .collect();
    let integer = find(end)?;
    let dynamic = find(integer.input.first()?).filter(|n| n.op_type == "DynamicQuantizeLinear")?;
    let zero_point = integer.input.get(2);
    let own_zero_point = zero_point.filter(|at| !at.is_empty()) == dynamic.output.get(2);
    let cast = reader(integer.output.first()?).filter(|node| node.op_type == "Cast")?;
    let scaled = reader(cast.output.first()?).filter(|node| node.op_type == "Mul")?;
    let factor = scaled
        .input
        .iter()
        .find(|input| **input != cast.output[0])?;
    let of_rows = |node: &&NodeProto| {
        dynamic
            .output
            .get(1)
            .is_some_and(|s| node.input.contains(s))
    };
    let factor = find(factor).filter(|node| node.op_type == "Mul" && own_zero_point);
    let factor = factor.filter(of_rows)?;
    let scale = factor
        .input
        .iter()
        .find(|input| Some(*input) != dynamic.output.get(1))?;
    let weights = constants.get(integer.input.get(1)?.as_str())?;
    let zero = match integer.input.get(3).filter(|input| !input.is_empty()) {
        Some(zero) => whole_numbers(constants.get(zero.as_str())?)?,
        None => vec![0.0],
    };
    let scale = floats(constants.get(scale.as_str())?)?;
    let whole = whole_numbers(weights)?;
    // Columns have scales of their own, outputs of a convolution one for all.
    let width = weights
        .dims
        .last()
        .copied()
        .and_then(|width| usize::try_from(width).ok())?;
    let columns = |len: usize| len == 1 || (len == width && integer.op_type == "MatMulInteger");
    if !columns(scale.len()) || !columns(zero.len()) {
        return None;
    }
    let at = |all: &[f32], i: usize| all[if all.len() == 1 { 0 } else { i % width }];
    let values = whole.iter().enumerate();
    let values = values.map(|(i, q)| (q - at(&zero, i)) * at(&scale, i));
    let table = TensorProto {
        name: format!("{end}.float"),
        dims: weights.dims.clone(),
        data_type: DataType::Float as i32,
        raw_data: values.flat_map(f32::to_le_bytes).collect(),
        ..TensorProto::default()
    };
    let node = NodeProto {
        op_type: float_operator(&integer.op_type)?.to_owned(),
        input: vec![dynamic.input.first()?.clone(), table.name.clone()],
        output: scaled.output.clone(),
        ..integer.clone()
    };
    let gone = [
        integer.output[0].clone(),
        cast.output[0].clone(),
        factor.output[0].clone(),
    ];
    let (last, spent) = (scaled.output[0].clone(), dynamic.output.clone());
    let place = graph.node.iter().position(|node| node.output[0] == last)?;
    graph.node[place] = node;
    graph.initializer.push(table);
    graph.node.retain(|node| !gone.contains(&node.output[0]));
    let read = |output: &String| graph.node.iter().any(|node| node.input.contains(output));
    if !spent.iter().any(read) {
        graph.node.retain(|node| node.output != spent);
    }
    Some(())
}

/// The bytes of a constant, signed or not.
fn whole_numbers(tensor: &TensorProto) -> Option<Vec<f32>> {
    let signed = match DataType::try_from(tensor.data_type).ok()? {
        DataType::Int8 => true,
        DataType::Uint8 => false,
        _ => return None,
    };
    if tensor.raw_data.is_empty() {
        return Some(tensor.int32_data.iter().map(|&q| q as f32).collect());
    }
    let number = |byte: &u8| match signed {
        true => f32::from(*byte as i8),
        false => f32::from(*byte),
    };
    Some(tensor.raw_data.iter().map(number).collect())
}

/// The f32 of a constant.
fn floats(tensor: &TensorProto) -> Option<Vec<f32>> {
    if DataType::try_from(tensor.data_type).ok()? != DataType::Float {
        return None;
    }
    if tensor.raw_data.is_empty() {
        return Some(tensor.float_data.clone());
    }
    let all = tensor.raw_data.as_chunks().0.iter();
    Some(all.map(|&x| f32::from_le_bytes(x)).collect())
}

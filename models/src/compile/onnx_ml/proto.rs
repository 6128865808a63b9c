//! What protobuf holds, as numbers and texts.

use tract_onnx::pb::{AttributeProto, NodeProto, TensorProto, ValueInfoProto};
use tract_onnx::pb::{tensor_shape_proto::dimension, type_proto};

/// ONNX's numbers of element types (TensorProto.DataType).
pub(super) mod element {
    pub const FLOAT: i32 = 1;
    pub const INT32: i32 = 6;
    pub const INT64: i32 = 7;
    pub const STRING: i32 = 8;
    pub const BOOL: i32 = 9;
    pub const DOUBLE: i32 = 11;
}

/// The attribute called `name`.
fn attribute<'n>(node: &'n NodeProto, name: &str) -> Option<&'n AttributeProto> {
    node.attribute
        .iter()
        .find(|attribute| attribute.name == name)
}

/// A list of floats; empty where there is none.
pub(super) fn floats<'n>(node: &'n NodeProto, name: &str) -> &'n [f32] {
    attribute(node, name).map_or(&[], |a| &a.floats)
}

/// A list of whole numbers; empty where there is none.
pub(super) fn ints<'n>(node: &'n NodeProto, name: &str) -> &'n [i64] {
    attribute(node, name).map_or(&[], |a| &a.ints)
}

/// A list of texts; empty where there is none.
pub(super) fn texts(node: &NodeProto, name: &str) -> Vec<String> {
    let all = attribute(node, name).map_or(&[][..], |a| &a.strings);
    all.iter()
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect()
}

/// A float.
pub(super) fn float(node: &NodeProto, name: &str) -> Option<f32> {
    attribute(node, name).map(|a| a.f)
}

/// A whole number.
pub(super) fn int(node: &NodeProto, name: &str) -> Option<i64> {
    attribute(node, name).map(|a| a.i)
}

/// A text, empty where there is none.
pub(super) fn text(node: &NodeProto, name: &str) -> String {
    attribute(node, name).map_or(String::new(), |a| {
        String::from_utf8_lossy(&a.s).into_owned()
    })
}

/// A tensor.
pub(super) fn tensor<'n>(node: &'n NodeProto, name: &str) -> Option<&'n TensorProto> {
    attribute(node, name).and_then(|a| a.t.as_ref())
}

/// The numbers of a tensor; `None` of one that holds others than the types of [`element`], texts
/// among them, or whose length is not that of its shape.
pub(super) fn numbers(tensor: &TensorProto) -> Option<Vec<f64>> {
    let raw = &tensor.raw_data[..];
    let numbers: Vec<f64> = match (tensor.data_type, raw.is_empty()) {
        (element::FLOAT, false) => of_raw(raw, |b| f64::from(f32::from_le_bytes(b)))?,
        (element::DOUBLE, false) => of_raw(raw, f64::from_le_bytes)?,
        (element::INT64, false) => of_raw(raw, |b| i64::from_le_bytes(b) as f64)?,
        (element::INT32, false) => of_raw(raw, |b| f64::from(i32::from_le_bytes(b)))?,
        (element::FLOAT, true) => tensor.float_data.iter().map(|&x| f64::from(x)).collect(),
        (element::DOUBLE, true) => tensor.double_data.clone(),
        (element::INT64, true) => tensor.int64_data.iter().map(|&x| x as f64).collect(),
        (element::INT32, true) => tensor.int32_data.iter().map(|&x| f64::from(x)).collect(),
        _ => return None,
    };
    let wanted = tensor.dims.iter().try_fold(1usize, |product, &dim| {
        product.checked_mul(usize::try_from(dim).ok()?)
    })?;
    (numbers.len() == wanted).then_some(numbers)
}

fn of_raw<const N: usize>(raw: &[u8], number: impl Fn([u8; N]) -> f64) -> Option<Vec<f64>> {
    let (all, rest) = raw.as_chunks();
    rest.is_empty()
        .then(|| all.iter().map(|&b| number(b)).collect())
}

/// The element type and the columns of a graph's input.
pub(super) fn input(info: &ValueInfoProto) -> Option<(i32, usize)> {
    let type_proto::Value::TensorType(tensor) = info.r#type.as_ref()?.value.as_ref()?;
    let dims = &tensor.shape.as_ref()?.dim;
    let columns = match dims.as_slice() {
        // One number a row.
        [_] => 1,
        [_, columns] => match columns.value.as_ref()? {
            dimension::Value::DimValue(columns) => usize::try_from(*columns).ok()?,
            dimension::Value::DimParam(_) => return None,
        },
        _ => return None,
    };
    (1..=65_536)
        .contains(&columns)
        .then_some((tensor.elem_type, columns))
}

//! QuantileTransformer and PowerTransformer, which skl2onnx writes as many nodes: recognised by the last of them.

use fieldscore_runtime::schema::transform::Operation;
use tract_onnx::pb::NodeProto;

use super::value::{Columns, Kind, Value, Walk};

/// What the last node of such a transform writes; `None` where a node is no such last one.
pub(super) fn of(walk: &Walk<'_>, node: &NodeProto) -> Option<Value> {
    let (columns, operations) = match node.op_type.as_str() {
        "Reshape" => quantile(walk, node)?,
        "Add" => power(walk, node)?,
        _ => return None,
    };
    let pairs = columns.columns.iter().zip(operations);
    let columns = pairs.map(|(column, operation)| column.then(operation));
    Some(Value::Columns(Columns {
        kind: Kind::Single,
        columns: columns.collect::<Option<_>>()?,
    }))
}

/// QuantileTransformer with a uniform output: a line through quantiles and references, forwards and
/// backwards. The tables hold the columns one behind the other.
fn quantile<'w>(walk: &'w Walk<'_>, node: &NodeProto) -> Option<(&'w Columns, Vec<Operation>)> {
    let back = [("Where", 2), ("Where", 2), ("Mul", 0), ("Sub", 0)];
    let forward = made(walk, input(node, 0)?, &back, "Where")?;
    let references = table(walk, made(walk, input(forward, 1)?, &[], "Gather")?)?;
    let greater = [("GreaterOrEqual", 1)];
    let quantiles = table(walk, made(walk, input(forward, 0)?, &greater, "Gather")?)?;
    let present = made(walk, input(node, 1)?, &[("Shape", 0)], "Where")?;
    let columns = columns(walk, input(present, 1)?)?;
    let count = columns.columns.len();
    let length = quantiles.len().checked_div(count)?;
    if length == 0 || length * count != quantiles.len() || quantiles.len() != references.len() {
        return None;
    }
    let tables = quantiles.chunks(length).zip(references.chunks(length));
    let operations = tables.map(|(xs, ys)| {
        let mut points: Vec<(f64, f64)> = xs.iter().copied().zip(ys.iter().copied()).collect();
        points.dedup();
        let (xs, ys) = points.into_iter().unzip();
        Operation::Interpolate { xs, ys }
    });
    Some((columns, operations.collect()))
}

/// PowerTransformer by Yeo and Johnson, without the scaler behind it.
fn power<'w>(walk: &'w Walk<'_>, node: &NodeProto) -> Option<(&'w Columns, Vec<Operation>)> {
    let back = [
        ("Mul", 0),
        ("Imputer", 0),
        ("Add", 0),
        ("Mul", 0),
        ("Imputer", 0),
    ];
    let divided = made(walk, input(node, 0)?, &back, "Div")?;
    let lambdas = constant(walk, input(divided, 1)?)?;
    let raised = made(walk, input(divided, 0)?, &[("Sub", 0), ("Pow", 0)], "Add")?;
    // The other side, below 0, has the same columns.
    let below = [("Mul", 1), ("Cast", 0)];
    let compared = made(walk, input(node, 1)?, &below, "Less")?;
    if input(compared, 0)? != input(raised, 0)? {
        return None;
    }
    let columns = columns(walk, input(raised, 0)?)?;
    let same = lambdas.len() == columns.columns.len();
    let operations = lambdas.iter().map(|&lambda| Operation::Power { lambda });
    same.then(|| (columns, operations.collect()))
}

/// The node that writes a value, once some makers are walked back through: each must be of its operator,
/// and is left by its input of that number.
fn made<'w>(
    walk: &Walk<'w>,
    name: &str,
    back: &[(&str, usize)],
    last: &str,
) -> Option<&'w NodeProto> {
    let mut at = *walk.makers.get(name)?;
    for &(operator, next) in back {
        if at.op_type != operator {
            return None;
        }
        at = walk.makers.get(input(at, next)?)?;
    }
    (at.op_type == last).then_some(at)
}

fn input(node: &NodeProto, at: usize) -> Option<&str> {
    node.input.get(at).map(String::as_str)
}

/// The columns, in f32, that a value is.
fn columns<'w>(walk: &'w Walk<'_>, name: &str) -> Option<&'w Columns> {
    match walk.values.get(name)? {
        Value::Columns(columns) if columns.kind == Kind::Single => Some(columns),
        _ => None,
    }
}

fn constant<'w>(walk: &'w Walk<'_>, name: &str) -> Option<&'w [f64]> {
    match walk.values.get(name)? {
        Value::Constant(constant) => Some(&constant.numbers),
        _ => None,
    }
}

/// The constant that a Gather reads.
fn table<'w>(walk: &'w Walk<'_>, gather: &NodeProto) -> Option<&'w [f64]> {
    constant(walk, input(gather, 0)?)
}

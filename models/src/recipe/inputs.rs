//! Which of a model's inputs a feature feeds, and the features of fields that have many numbers.

use fieldscore_runtime::schema::transform::{Block, Encoding, Operation, RowBlock};
use fieldscore_runtime::schema::{self, FieldKind};

use super::lower::{Reads, lower_feature};
use crate::error::{Error, Result};
use crate::recipe::{Encode, Feature, Layout, Padding, Recipe};

/// The model's features in the order of its inputs: as `model.features` has them, those of one input
/// together where features name theirs.
pub(super) fn in_order<'r>(recipe: &Recipe, of: &Reads<'r>) -> Result<Vec<&'r String>> {
    let inputs = &of.inputs;
    let mut names: Vec<&String> = of.features.iter().collect();
    let named = |name: &String| recipe.features.get(name)?.input.as_ref();
    if inputs.is_empty() || !names.iter().any(|name| named(name).is_some()) {
        return Ok(names);
    }
    let place = |name: &String| {
        let wanted = named(name);
        let at = inputs.iter().position(|(input, _)| Some(input) == wanted);
        at.ok_or_else(|| {
            let all: Vec<&str> = inputs.iter().map(|(input, _)| input.as_str()).collect();
            Error::input(
                format!("features.{name}.input"),
                format!("one of the model's inputs ({})", all.join(", ")),
            )
        })
    };
    let mut places = Vec::with_capacity(names.len());
    for name in names.drain(..) {
        places.push((place(name)?, name));
    }
    places.sort_by_key(|(place, _)| *place);
    Ok(places.into_iter().map(|(_, name)| name).collect())
}

/// That features fill each of several inputs exactly, one behind the other.
pub(super) fn check(recipe: &Recipe, of: &Reads<'_>, blocks: &[Block]) -> Result<()> {
    let mut blocks = blocks.iter().peekable();
    for (input, size) in &of.inputs {
        let (mut width, mut names) = (0, Vec::new());
        let named = |block: &Block| recipe.features.get(&block.name)?.input.as_ref();
        // Features that name no input fill them in their order.
        while let Some(block) = blocks.next_if(|block| match named(block) {
            Some(named) => named == input,
            None => width < *size,
        }) {
            width += block.width();
            names.push(block.name.as_str());
        }
        if width != *size {
            return Err(Error::input(
                format!("{}, input {input}", of.file.display()),
                format!(
                    "features of {size} numbers, not {width} ({})",
                    names.join(", ")
                ),
            )
            .hint("features.NAME.input says which input of the model a feature feeds"));
        }
    }
    Ok(())
}

/// A feature of a table, a tensor or a list of words.
pub(super) fn of_many(
    name: &str,
    feature: &Feature,
    source: u16,
    field: Option<&schema::Field>,
) -> Result<Block> {
    let key = |what: &str| format!("features.{name}.{what}");
    let kind = field.map(|field| &field.kind);
    let (columns, mask) = match (feature.encode, kind) {
        (Encode::Rows, Some(FieldKind::Table { .. })) => {
            (columns(name, feature, field)?, feature.mask)
        }
        (Encode::Elements, Some(FieldKind::Tensor { shape })) => {
            let channels = shape.last().map_or(1, |&len| len as usize);
            (elements(name, feature, channels)?, false)
        }
        (Encode::Ids, Some(FieldKind::Words { .. })) => {
            (vec![RowBlock(block("id", 0, Encoding::Plain))], false)
        }
        _ => {
            return Err(Error::input(
                key("encode"),
                "rows only from a table, elements only from a tensor, ids only from words",
            ));
        }
    };
    let alone = [
        ("impute", feature.impute.is_none()),
        ("missing_flag", !feature.missing_flag),
        ("clip", feature.clip.is_none()),
        ("log", !feature.log),
        ("mask", feature.encode == Encode::Rows || !feature.mask),
        (
            "rows",
            feature.encode == Encode::Rows || feature.rows.is_empty(),
        ),
    ];
    if let Some((what, _)) = alone.iter().find(|(_, absent)| !absent) {
        return Err(
            Error::input(key(what), "nothing, beside this encoding").hint(
                "a second feature from the same field gives how many rows, words or bytes it has",
            ),
        );
    }
    let cells = kind.map_or(0, FieldKind::cells);
    let stride = kind.map_or(1, |kind| kind.stride(columns.len()));
    let encode = Encoding::Rows {
        rows: (cells / stride.max(1)) as u32,
        columns,
        by_column: feature.layout == Layout::Columns,
        at_end: feature.padding == Padding::Start,
        mask,
    };
    Ok(block(name, source, encode))
}

fn block(name: &str, source: u16, encode: Encoding) -> Block {
    Block {
        name: name.to_owned(),
        source,
        impute: None,
        missing_flag: false,
        clip: None,
        log: false,
        encode,
    }
}

/// The features of a table's row, in the recipe's order.
fn columns(name: &str, feature: &Feature, field: Option<&schema::Field>) -> Result<Vec<RowBlock>> {
    let all = field.map_or(&[][..], |field| field.kind.columns());
    let mut columns = Vec::with_capacity(feature.rows.len());
    for (own, of) in &feature.rows {
        let path = format!("{name}.rows.{own}");
        let at = all.iter().position(|column| column.0.name == of.from);
        let Some(at) = at else {
            return Err(Error::input(
                format!("features.{path}.from"),
                format!("a column of the table; there is no {}", of.from),
            ));
        };
        if matches!(of.encode, Encode::Rows | Encode::Elements | Encode::Ids) || of.input.is_some()
        {
            return Err(Error::input(
                format!("features.{path}"),
                "an encoding of one value, and no input of its own",
            ));
        }
        if of.impute.is_some_and(|number| !number.is_finite()) {
            return Err(Error::input(format!("features.{path}.impute"), "a number"));
        }
        columns.push(RowBlock(lower_feature(
            &path,
            of,
            at as u16,
            Some(&all[at].0),
        )?));
    }
    match columns.is_empty() {
        true => Err(Error::input(
            format!("features.{name}.rows"),
            "the features of a row",
        )),
        false => Ok(columns),
    }
}

/// The features of a tensor's elements: one scale for all, or one for each channel.
fn elements(name: &str, feature: &Feature, channels: usize) -> Result<Vec<RowBlock>> {
    let (offset, scale) = (&feature.offset, &feature.scale);
    let fits = |list: &[f64]| list.len() <= 1 || list.len() == channels;
    let finite = offset.iter().chain(scale).all(|number| number.is_finite());
    if !fits(offset) || !fits(scale) || !finite {
        return Err(Error::input(
            format!("features.{name}"),
            format!("offset and scale of one number, or of {channels}, one for each channel"),
        ));
    }
    // Channel by channel, each is a column of its own.
    let planes = offset.len().max(scale.len()) > 1 || feature.layout == Layout::Columns;
    let count = if planes { channels } else { 1 };
    let of = |list: &[f64], at: usize, default: f64| {
        let own = list.get(at).or(list.first());
        own.copied().unwrap_or(default)
    };
    let column = |at: usize| {
        let operations = vec![
            Operation::Single,
            Operation::Affine {
                offset: of(offset, at, 0.0),
                factor: of(scale, at, 1.0),
            },
        ];
        RowBlock(block("element", at as u16, Encoding::Chain { operations }))
    };
    Ok((0..count).map(column).collect())
}

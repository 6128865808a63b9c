//! From a recipe to what the runtime reads: schema, transforms, policy, texts.

use std::path::Path;

use fieldscore_runtime::decide;
use fieldscore_runtime::schema::transform::{Block, Column, Encoding, TransformParts};
use fieldscore_runtime::schema::{self, FieldKind, SchemaParts, TextEntry};
use fieldscore_runtime::{Date, DecimalMark};

use crate::compile::pipeline::Pipeline;
use crate::error::{Error, Result};
use crate::recipe::{
    Answer, Encode, Feature, Field, FieldType, Keep, Recipe, Sensitivity, Text, change, inputs,
    policy,
};

/// What of a bundle comes from the recipe alone.
#[derive(Debug, Clone)]
pub struct Lowered {
    /// Fields and groups.
    pub schema: SchemaParts,
    /// From fields to features.
    pub transforms: TransformParts,
    /// Cut-offs and rules.
    pub policy: decide::Policy,
    /// Texts.
    pub texts: schema::Texts,
    /// First and last day.
    pub dates: (Option<Date>, Option<Date>),
}

/// Lowers everything of a recipe that does not need the model.
///
/// # Errors
/// Where a key names what does not exist, or a value does not fit its field.
pub fn lower(recipe: &Recipe) -> Result<Lowered> {
    lower_for(recipe, &[Reads::model(recipe, None)])
}

/// What one of a plan's inputs reads.
#[derive(Debug, Clone)]
pub struct Reads<'a> {
    /// The model's file, for errors.
    pub file: &'a Path,
    /// Names of features; with preprocessing names of fields or columns, if any.
    pub features: &'a [String],
    /// The preprocessing that the model brings.
    pub pipeline: Option<&'a Pipeline>,
    /// Names and sizes of the model's own inputs, where it has several.
    pub inputs: Vec<(String, usize)>,
}

impl<'a> Reads<'a> {
    /// What the recipe's one model reads.
    pub fn model(recipe: &'a Recipe, pipeline: Option<&'a Pipeline>) -> Self {
        Self {
            file: &recipe.model.file,
            features: &recipe.model.features,
            pipeline,
            inputs: Vec::new(),
        }
    }
}

/// As [`lower`], with the features of each of a plan's inputs, one behind the other.
///
/// # Errors
/// As [`lower`], and where inputs of a model that brings its preprocessing are not fields or columns
/// that fit.
pub fn lower_for(recipe: &Recipe, inputs: &[Reads<'_>]) -> Result<Lowered> {
    let schema = lower_schema(recipe)?;
    let transforms = lower_transforms(recipe, &schema, inputs)?;
    let policy = policy::lower(recipe, &schema)?;
    let date = |key: &str, date: &Option<toml::value::Datetime>| {
        date.as_ref().map(|date| to_date(date, key)).transpose()
    };
    let dates = (
        date("product.not_before", &recipe.product.not_before)?,
        date("product.not_after", &recipe.product.not_after)?,
    );
    Ok(Lowered {
        schema,
        transforms,
        policy,
        texts: lower_texts(recipe),
        dates,
    })
}

pub(crate) fn to_date(date: &toml::value::Datetime, key: &str) -> Result<Date> {
    Date::parse(&date.to_string()).ok_or_else(|| {
        Error::input(
            key,
            "a date without a time, as 2026-01-31, between 1800 and 2399",
        )
    })
}

fn lower_schema(recipe: &Recipe) -> Result<SchemaParts> {
    let mut fields = Vec::with_capacity(recipe.fields.len());
    for (name, field) in &recipe.fields {
        let group = recipe
            .groups
            .values()
            .position(|g| g.fields.contains(name))
            .unwrap_or(0);
        fields.push(lower_field(name, field, group as u16)?);
    }
    let groups = recipe.groups.iter();
    let groups = groups
        .map(|(name, group)| schema::Group {
            name: name.clone(),
            code: group.code.clone(),
        })
        .collect();
    Ok(SchemaParts { fields, groups })
}

fn lower_field(name: &str, field: &Field, group: u16) -> Result<schema::Field> {
    let key = |what: &str| format!("fields.{name}.{what}");
    let needs = |what: &str| Error::input(key(what), format!("{what} for a field of this type"));
    let plain = Plain {
        decimals: field.decimals,
        currency: field.currency.as_ref(),
        categories: field
            .categories
            .as_ref()
            .map(|all| all.keys().cloned().collect()),
        buckets: field.buckets,
    };
    let kind = match (field.kind, plain.kind(field.kind, needs)?) {
        (_, Some(kind)) => kind,
        (FieldType::Tensor, None) => FieldKind::Tensor {
            shape: field.shape.clone().ok_or_else(|| needs("shape"))?,
        },
        (FieldType::Words, None) => FieldKind::Words {
            buckets: field.buckets.ok_or_else(|| needs("buckets"))?,
            count: field.count.ok_or_else(|| needs("count"))?,
        },
        (_, None) => lower_table(name, field)?,
    };
    let range = lower_range(&kind, field.range.as_ref(), &key("range"))?;
    let unit = unit(&kind, &field.unit);
    let change = change::lower(&kind, range, field, &key("change"))?;
    Ok(schema::Field {
        name: name.to_owned(),
        kind,
        unit,
        range,
        missing: answer(field.missing),
        out_of_range: answer(field.out_of_range),
        unknown: answer(field.unknown),
        sensitivity: sensitivity(field.sensitivity),
        changeable: field.changeable,
        reason_code: field.reason.code.clone(),
        group,
        change,
    })
}

/// The particulars that fields and columns of tables share.
struct Plain<'a> {
    decimals: Option<u8>,
    currency: Option<&'a String>,
    categories: Option<Vec<String>>,
    buckets: Option<u32>,
}

impl Plain<'_> {
    /// The kind of one value; `None` of one that has many.
    fn kind(&self, kind: FieldType, needs: impl Fn(&str) -> Error) -> Result<Option<FieldKind>> {
        Ok(Some(match kind {
            FieldType::Integer => FieldKind::Integer,
            FieldType::Boolean => FieldKind::Boolean,
            FieldType::Date => FieldKind::Date,
            FieldType::Decimal => FieldKind::Decimal {
                decimals: self.decimals.ok_or_else(|| needs("decimals"))?,
            },
            FieldType::Money => FieldKind::Money {
                currency: self.currency.cloned().ok_or_else(|| needs("currency"))?,
                decimals: self.decimals.unwrap_or(2),
            },
            FieldType::Text => FieldKind::Text {
                buckets: self.buckets.ok_or_else(|| needs("buckets"))?,
            },
            FieldType::Category => FieldKind::Category {
                codes: self.categories.clone().ok_or_else(|| needs("categories"))?,
            },
            FieldType::Table | FieldType::Tensor | FieldType::Words => return Ok(None),
        }))
    }
}

fn lower_range(
    kind: &FieldKind,
    range: Option<&[toml::Value; 2]>,
    key: &str,
) -> Result<Option<(i64, i64)>> {
    let value = |value| parse_value(kind, value, key);
    range
        .map(|[low, high]| Ok((value(low)?, value(high)?)))
        .transpose()
}

/// The unit that is shown, which for money is its currency where nothing else is said.
fn unit(kind: &FieldKind, given: &str) -> String {
    match (kind, given) {
        (FieldKind::Money { currency, .. }, "") => currency.clone(),
        (_, unit) => unit.to_owned(),
    }
}

fn lower_table(name: &str, field: &Field) -> Result<FieldKind> {
    let key = |what: &str| format!("fields.{name}.{what}");
    let needs = |what: &str| Error::input(key(what), format!("{what} for a field of this type"));
    let mut columns = Vec::with_capacity(field.columns.len());
    for (own, column) in &field.columns {
        let key = |what: &str| key(&format!("columns.{own}.{what}"));
        let plain = Plain {
            decimals: column.decimals,
            currency: column.currency.as_ref(),
            categories: column.categories.clone(),
            buckets: column.buckets,
        };
        let needs =
            |what: &str| Error::input(key(what), format!("{what} for a column of this type"));
        let kind = plain.kind(column.kind, needs)?.ok_or_else(|| {
            Error::input(
                key("type"),
                "a type of one value: a table's cells hold no tables, tensors or words",
            )
        })?;
        columns.push(schema::TableColumn(schema::Field {
            name: own.clone(),
            unit: unit(&kind, &column.unit),
            range: lower_range(&kind, column.range.as_ref(), &key("range"))?,
            kind,
            missing: answer(column.missing),
            out_of_range: answer(column.out_of_range),
            unknown: answer(column.unknown),
            sensitivity: sensitivity(field.sensitivity),
            changeable: field.changeable,
            reason_code: String::new(),
            group: 0,
            change: None,
        }));
    }
    if columns.is_empty() {
        return Err(needs("columns"));
    }
    let order = field.order_by.as_ref().map(|wanted| {
        let at = columns.iter().position(|column| column.0.name == *wanted);
        at.filter(|&at| columns[at].0.kind.is_numeric())
            .map(|at| at as u16)
            .ok_or_else(|| {
                Error::input(
                    key("order_by"),
                    "a column of numbers or dates of this table",
                )
            })
    });
    Ok(FieldKind::Table {
        order: order.transpose()?,
        max_rows: field.max_rows.ok_or_else(|| needs("max_rows"))?,
        keep: match field.keep {
            Keep::First => schema::Keep::First,
            Keep::Last => schema::Keep::Last,
        },
        columns,
    })
}

fn sensitivity(of: Sensitivity) -> schema::Sensitivity {
    match of {
        Sensitivity::Ordinary => schema::Sensitivity::Ordinary,
        Sensitivity::Personal => schema::Sensitivity::Personal,
        Sensitivity::Special => schema::Sensitivity::Special,
    }
}

fn answer(answer: Answer) -> schema::Answer {
    match answer {
        Answer::Accept => schema::Answer::Accept,
        Answer::Missing => schema::Answer::AsMissing,
        Answer::Clip => schema::Answer::Clip,
        Answer::Refer => schema::Answer::Refer,
        Answer::Refuse => schema::Answer::Refuse,
    }
}

/// A recipe's value as the raw integer of its field: units of 10^-decimals, days, 0 or 1, or a
/// category's index.
///
/// # Errors
/// Where it is not a value of the field, naming `key`.
pub fn parse_value(kind: &FieldKind, value: &toml::Value, key: &str) -> Result<i64> {
    let wrong = || Error::input(key, format!("a value of type {}", kind.name()));
    match (kind, value) {
        (FieldKind::Boolean, toml::Value::Boolean(truth)) => Ok(i64::from(*truth)),
        (FieldKind::Category { codes }, toml::Value::String(code)) => codes
            .iter()
            .position(|c| c == code)
            .map(|at| at as i64)
            .ok_or_else(|| {
                Error::input(key, format!("one of the categories {}", codes.join(", ")))
            }),
        (FieldKind::Date, toml::Value::Datetime(date)) => Ok(to_date(date, key)?.days().into()),
        // What toml makes of a date where a table is read once more, as merged recipes are.
        (FieldKind::Date, toml::Value::String(text)) => {
            Ok(Date::parse(text).ok_or_else(wrong)?.days().into())
        }
        (kind, toml::Value::Integer(x)) if kind.is_numeric() => {
            number(&x.to_string(), kind).ok_or_else(wrong)
        }
        (kind, toml::Value::Float(x)) if kind.is_numeric() => {
            number(&x.to_string(), kind).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

fn number(text: &str, kind: &FieldKind) -> Option<i64> {
    schema::parse_number(text, kind.decimals(), DecimalMark::Point)
}

fn lower_transforms(
    recipe: &Recipe,
    schema: &SchemaParts,
    inputs: &[Reads<'_>],
) -> Result<TransformParts> {
    let fields = &schema.fields;
    let mut names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
    let mut columns = Vec::new();
    // A column that only renames a field (months_since: a date field is already months to as_of)
    // points at the field itself.
    let mut aliases: Vec<(&str, u16)> = Vec::new();
    for (name, column) in &recipe.columns {
        let key = format!("columns.{name}");
        let source = |operand: &str| find(&names, &aliases, operand, &key);
        if let Some(date) = &column.months_since {
            let at = source(date)?;
            let is_date = fields
                .get(usize::from(at))
                .is_some_and(|f| f.kind == FieldKind::Date);
            if !is_date {
                return Err(Error::input(
                    format!("{key}.months_since"),
                    "a field of type date",
                ));
            }
            aliases.push((name, at));
            continue;
        }
        columns.push(match (&column.ratio, &column.difference, &column.sum) {
            (Some([a, b]), _, _) => Column::Ratio(source(a)?, source(b)?),
            (_, Some([a, b]), _) => Column::Difference(source(a)?, source(b)?),
            (_, _, Some(all)) => Column::Sum(all.iter().map(|a| source(a)).collect::<Result<_>>()?),
            _ => return Err(Error::input(key, "ratio, difference, sum or months_since")),
        });
        names.push(name);
    }
    let mut parts = TransformParts {
        columns,
        blocks: Vec::new(),
    };
    for input in inputs {
        lower_input(recipe, input, fields, &mut parts, |name, key| {
            find(&names, &aliases, name, key)
        })?;
    }
    Ok(parts)
}

/// Appends the blocks of one input, and the columns that they join fields in; `find` says where a field
/// or column is, naming a key where there is none.
fn lower_input(
    recipe: &Recipe,
    input: &Reads<'_>,
    fields: &[schema::Field],
    parts: &mut TransformParts,
    find: impl Fn(&str, &str) -> Result<u16>,
) -> Result<()> {
    if let Some(pipeline) = input.pipeline {
        let inputs = input_names(recipe, input.features, pipeline)?;
        let place = input.file.display().to_string();
        let find = |name: &str| find(name, &format!("{place}, input {name}"));
        return pipeline.transforms(&inputs, fields, parts, find);
    }
    if input.features.is_empty() {
        return Err(Error::input(
            "model.features",
            "names of [features.*], because the model brings no preprocessing",
        ));
    }
    let first = parts.blocks.len();
    for name in inputs::in_order(recipe, input)? {
        let Some(feature) = recipe.features.get(name) else {
            return Err(Error::input(
                "model.features",
                format!("names of [features.*]; there is no features.{name}"),
            ));
        };
        let source = find(&feature.from, &format!("features.{name}.from"))?;
        parts.blocks.push(lower_feature(
            name,
            feature,
            source,
            fields.get(usize::from(source)),
        )?);
    }
    inputs::check(recipe, input, &parts.blocks[first..])
}

/// The field or column that each input of a model with preprocessing is.
fn input_names(recipe: &Recipe, given: &[String], pipeline: &Pipeline) -> Result<Vec<String>> {
    // Of a blend, other models may have them.
    if let Some(name) = recipe
        .features
        .keys()
        .next()
        .filter(|_| recipe.models.is_empty())
    {
        return Err(Error::input(
            format!("features.{name}"),
            "no [features.*], because the model brings its preprocessing",
        ));
    }
    let count = pipeline.inputs.len();
    match pipeline.names() {
        Some(names) if given.is_empty() => Ok(names),
        _ if given.len() == count => Ok(given.to_vec()),
        _ => Err(Error::input(
            "model.features",
            format!("the fields or columns that the model's {count} inputs are, in its order"),
        )),
    }
}

fn find(names: &[&str], aliases: &[(&str, u16)], wanted: &str, key: &str) -> Result<u16> {
    let alias = aliases
        .iter()
        .find(|(name, _)| *name == wanted)
        .map(|(_, at)| *at);
    let place = names
        .iter()
        .position(|name| *name == wanted)
        .map(|at| at as u16);
    alias.or(place).ok_or_else(|| {
        Error::input(
            key,
            format!("fields or earlier columns; there is no {wanted}"),
        )
    })
}

pub(super) fn lower_feature(
    name: &str,
    feature: &Feature,
    source: u16,
    field: Option<&schema::Field>,
) -> Result<Block> {
    let key = |what: &str| format!("features.{name}.{what}");
    let codes = match field.map(|f| &f.kind) {
        Some(FieldKind::Category { codes }) => Some(codes.clone()),
        Some(FieldKind::Boolean) => Some(vec!["false".to_owned(), "true".to_owned()]),
        _ => None,
    };
    let encode = match feature.encode {
        Encode::None => Encoding::Plain,
        Encode::Standardise => Encoding::Standardise {
            mean: feature.mean.unwrap_or(0.0),
            deviation: feature.std.unwrap_or(1.0),
        },
        Encode::Piecewise => Encoding::Piecewise {
            edges: feature.edges.clone().unwrap_or_default(),
        },
        Encode::OneHot => {
            let categories = match (field.map(|f| &f.kind), &codes) {
                (Some(FieldKind::Text { buckets }), _) => *buckets,
                (_, Some(codes)) => codes.len() as u32,
                _ => {
                    return Err(Error::input(
                        key("encode"),
                        "one_hot only from a category, boolean or text",
                    ));
                }
            };
            Encoding::OneHot { categories }
        }
        Encode::Ordinal => {
            let codes = codes.ok_or_else(|| {
                Error::input(key("encode"), "ordinal only from a category or boolean")
            })?;
            let values = feature.values.clone().unwrap_or_default();
            if let Some(code) = values.keys().find(|code| !codes.contains(code)) {
                return Err(Error::input(
                    key("values"),
                    format!("only categories of the field; {code} is none"),
                ));
            }
            let values = codes.iter().map(|code| {
                values.get(code).copied().ok_or_else(|| {
                    Error::input(key("values"), format!("a number for category {code}"))
                })
            });
            Encoding::Ordinal {
                values: values.collect::<Result<_>>()?,
            }
        }
        Encode::Rows | Encode::Elements | Encode::Ids => {
            return inputs::of_many(name, feature, source, field);
        }
    };
    let can_be_missing = field.is_none_or(|field| {
        field.missing != schema::Answer::Refuse
            || (field.range.is_some() && field.out_of_range == schema::Answer::AsMissing)
    });
    let is_category = matches!(feature.encode, Encode::OneHot);
    if can_be_missing && feature.impute.is_none() && !is_category && field.is_some() {
        return Err(Error::input(
            key("impute"),
            "a number (or nan, for trees), because the field may be missing",
        ));
    }
    Ok(Block {
        name: name.to_owned(),
        source,
        impute: feature.impute,
        missing_flag: feature.missing_flag,
        clip: feature.clip.map(|[low, high]| (low, high)),
        log: feature.log,
        encode,
    })
}

/// The runtime's own reasons in the languages that need no translator.
const SYSTEM: [(&str, &str, &str); 6] = [
    (
        "S1",
        "You asked for a person to decide",
        "您已要求由人工作出决定",
    ),
    (
        "S2",
        "This version of the score has expired; a person decides",
        "该评分版本已过期，将由人工作出决定",
    ),
    (
        "S3",
        "This version of the score is not valid yet; a person decides",
        "该评分版本尚未生效，将由人工作出决定",
    ),
    (
        "S4",
        "Information that a person must look at is missing",
        "缺少须由人工审核的信息",
    ),
    (
        "S5",
        "A value outside the usual range must be looked at by a person",
        "某项数值超出通常范围，须由人工审核",
    ),
    (
        "S6",
        "An answer that is not in the list must be looked at by a person",
        "某项回答不在列表中，须由人工审核",
    ),
];

fn lower_texts(recipe: &Recipe) -> schema::Texts {
    let languages = &recipe.texts.languages;
    let mut entries = Vec::new();
    let mut add = |key: String, text: &Text| {
        let texts = languages
            .iter()
            .map(|l| text.get(l).cloned().unwrap_or_default())
            .collect();
        entries.push(TextEntry { key, texts });
    };
    add("product.name".to_owned(), &recipe.product.name);
    add("product.purpose".to_owned(), &recipe.product.purpose);
    for rule in &recipe.policy.knock_out {
        add(format!("rule.{}", rule.code), &rule.text);
    }
    for rule in recipe.policy.tables.values().flat_map(|table| &table.rules) {
        if let Some(code) = &rule.code {
            add(format!("rule.{code}"), &rule.text);
        }
    }
    for (name, group) in &recipe.groups {
        add(format!("group.{name}.label"), &group.label);
    }
    for (name, field) in &recipe.fields {
        add(format!("field.{name}.label"), &field.label);
        add(format!("field.{name}.help"), &field.help);
        add(format!("field.{name}.reason"), &field.reason.text);
        for (code, text) in field.categories.iter().flatten() {
            add(format!("field.{name}.category.{code}"), text);
        }
    }
    for (key, text) in super::notice::entries(recipe) {
        add(key, &text);
    }
    for (code, en, zh) in SYSTEM {
        let built_in = [
            ("en".to_owned(), en.to_owned()),
            ("zh".to_owned(), zh.to_owned()),
        ];
        let mut text: Text = Text::new();
        for language in languages {
            let primary = language.split('-').next().unwrap_or_default();
            let served = built_in
                .iter()
                .find(|(l, _)| l == primary)
                .or(built_in.first());
            text.extend(served.map(|(_, text)| (language.clone(), text.clone())));
        }
        text.extend(recipe.texts.system.get(code).cloned().unwrap_or_default());
        add(format!("system.{code}"), &text);
    }
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    schema::Texts {
        languages: languages.clone(),
        entries,
    }
}

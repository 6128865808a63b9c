//! Drafting a recipe from a model and its data: types, ranges, gaps and categories as the data
//! shows them, TODO where only a person knows.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use fieldscore_runtime::schema::{MAX_GROUP_FIELDS, MAX_GROUPS};
use fieldscore_runtime::{Date, DecimalMark};

use crate::compile::Source;
use crate::compile::pipeline::Pipeline;
use crate::compile::trees::Described;
use crate::data::Table;
use crate::error::{Error, Result};
use crate::recipe::budget::{self, DEFAULT_BUDGET};
use crate::recipe::protected::is_protected_name;

/// A column with more distinct texts than this is text, not a category.
const MOST_CATEGORIES: usize = 30;

/// Names of label values that mean a bad loan.
const BAD_NAMES: [&str; 8] = [
    "bad",
    "1",
    "true",
    "yes",
    "default",
    "defaulted",
    "charged off",
    "y",
];

/// What a draft is made from.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// The model file.
    pub model: &'a Path,
    /// The labelled rows.
    pub data: &'a Path,
    /// The label column.
    pub label: &'a str,
    /// The label's bad value, if the caller knows.
    pub bad: Option<&'a str>,
    /// The folder that the recipe will stand in.
    pub folder: &'a Path,
}

/// A drafted recipe, and what the caller should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drafted {
    /// The text of recipe.toml.
    pub toml: String,
    /// Guesses that need a look.
    pub notes: Vec<String>,
}

/// Drafts a recipe.
///
/// # Errors
/// Where model or data cannot be read, or the label column does not have two values.
pub fn draft(from: Draft<'_>) -> Result<Drafted> {
    let table = Table::read(from.data)?;
    let source = Source::read(from.model)?;
    let label = table.column(from.label)?;
    let mut notes = Vec::new();
    let bad = bad_value(&table, label, from, &mut notes)?;
    let id = id_column(&table, label);
    let mut columns: Vec<Column> = (0..table.header().len())
        .filter(|&at| at != label && Some(at) != id)
        .map(|at| Column::of(&table, at))
        .collect();
    if let Some(pipeline) = source.pipeline() {
        columns = read_by(pipeline, columns, &mut notes);
    } else if source.takes_missing() {
        columns = as_trees_read(columns, source.described(), &table, &mut notes);
    }
    let features: usize = columns.iter().map(Column::features).sum();
    let wanted = source.inputs();
    if source.pipeline().is_none() && features != wanted {
        notes.push(format!(
            "the drafted features are {features}, the model reads {wanted}: edit [features.*] until they are \
             what it was trained on, in its order"
        ));
    }
    let inputs = source.named_inputs();
    if !inputs.is_empty() {
        let shown = inputs.iter().map(|(name, size)| format!("{name} ({size})"));
        notes.push(format!(
            "the model has several inputs: {}; say in each of [features.*] which one it feeds, and write fields \
             that are tables, tensors or words by hand (docs/recipe.md)",
            shown.collect::<Vec<_>>().join(", ")
        ));
    }
    let mut toml = String::new();
    head(
        &mut toml,
        from,
        &bad,
        id.map(|at| table.header()[at].as_str()),
        &columns,
        &source,
        cut_off(bad_share(&table, label, &bad)),
    );
    for column in columns.iter().filter(|_| source.pipeline().is_none()) {
        column.write_feature(&mut toml);
    }
    for (number, column) in columns.iter().enumerate() {
        column.write_field(&mut toml, number + 1);
    }
    Ok(Drafted { toml, notes })
}

/// The share of the rows that are bad.
fn bad_share(table: &Table, label: usize, bad: &str) -> f64 {
    let count = table.rows().iter().filter(|row| &row[label] == bad).count();
    count as f64 / table.rows().len().max(1) as f64
}

/// How many fields to put into a group, the columns in order, and what an explanation then costs: at most six
/// groups, where that keeps to the usual budget, else whatever costs least.
fn group_size(columns: usize) -> (usize, usize) {
    let cost = |size: usize| {
        let groups = columns.div_ceil(size).max(1);
        let sizes = (0..groups).map(|at| (columns - at * size).clamp(1, size));
        (groups <= MAX_GROUPS).then(|| (size, budget::cost(sizes)))
    };
    let six = columns.div_ceil(6).clamp(1, MAX_GROUP_FIELDS);
    let all = (1..=MAX_GROUP_FIELDS).filter_map(cost);
    cost(six)
        .filter(|(_, cost)| *cost <= DEFAULT_BUDGET)
        .or_else(|| all.min_by_key(|(_, cost)| *cost))
        .unwrap_or((MAX_GROUP_FIELDS, usize::MAX))
}

/// A score from which to approve, to begin with: 50 points below that of the data's own odds on the draft's
/// scale (600 at 19 to 1, 50 points to double the odds), in tens.
fn cut_off(bad_share: f64) -> i64 {
    let odds = (1.0 - bad_share) / bad_share;
    let score = 600.0 + 50.0 * (odds / 19.0).log2();
    // A label without good or without bad rows has no odds.
    (score / 10.0).round().clamp(40.0, 80.0) as i64 * 10 - 50
}

/// The columns that a model with preprocessing reads, with the categories that it knows.
fn read_by(pipeline: &Pipeline, mut columns: Vec<Column>, notes: &mut Vec<String>) -> Vec<Column> {
    let Some(names) = pipeline.names() else {
        if columns.len() != pipeline.inputs.len() {
            notes.push(format!(
                "the model reads {} numbers without names: list in model.features which fields they are, in its order",
                pipeline.inputs.len()
            ));
        }
        return columns;
    };
    let mut read = Vec::new();
    for (name, input) in names.iter().zip(&pipeline.inputs) {
        let Some(at) = columns.iter().position(|column| column.name == *name) else {
            notes.push(format!(
                "the model reads {name}, which the data does not have: derive it in [columns.{name}]"
            ));
            continue;
        };
        let mut column = columns.swap_remove(at);
        if input.text {
            let mut codes = input.categories.clone();
            // A blank cell is a value that is missing, and no category.
            codes.retain(|code| !code.is_empty());
            if let Kind::Category(found) = &column.kind {
                let more = found.iter().filter(|code| !input.categories.contains(code));
                codes.extend(more.cloned());
            }
            column.kind = Kind::Category(codes);
        }
        read.push(column);
    }
    read
}

/// The columns that a model of trees reads, in its order where it has names: as they are, gaps and
/// all, categories as its codes.
fn as_trees_read(
    columns: Vec<Column>,
    described: &[Described],
    table: &Table,
    notes: &mut Vec<String>,
) -> Vec<Column> {
    // LightGBM writes underscores for blanks.
    let is_of = |column: &Column, feature: &Described| {
        let name = feature.name.as_deref().unwrap_or_default();
        name == column.name || name == column.name.replace(char::is_whitespace, "_")
    };
    let is_named = described
        .iter()
        .any(|feature| columns.iter().any(|column| is_of(column, feature)));
    let mut found: Vec<Column> =
        if is_named {
            let named = |feature: &Described| columns.iter().find(|column| is_of(column, feature));
            let lacking = described.iter().filter(|feature| named(feature).is_none());
            for feature in lacking {
                notes.push(format!(
                "the model reads {}, which is no column of the data: derive it under [columns.*]",
                feature.name.as_deref().unwrap_or("a feature without a name")
            ));
            }
            for column in &columns {
                if !described.iter().any(|feature| is_of(column, feature)) {
                    notes.push(format!(
                        "{} is left out: the model does not read it",
                        column.name
                    ));
                }
            }
            described.iter().filter_map(named).cloned().collect()
        } else {
            columns
        };
    for (at, column) in found.iter_mut().enumerate() {
        let feature = if is_named {
            described.iter().find(|feature| is_of(column, feature))
        } else {
            described.get(at)
        };
        column.for_trees = true;
        let Some(feature) = feature else { continue };
        if let Some(categories) = &feature.categories {
            column.kind = Kind::Category(categories.clone());
        } else if feature.coded {
            let words = column.distinct(table);
            column.codes_itself = words.iter().all(|word| word.parse::<u32>().is_ok());
            column.kind = Kind::Category(words);
        }
        if column.codes_itself {
            notes.push(format!(
                "{}'s whole numbers are taken for the model's own codes",
                column.name
            ));
        } else if matches!(column.kind, Kind::Category(_)) && feature.categories.is_none() {
            notes.push(format!(
                "the codes of {} are guessed from the data: make features.{}.values what the model was trained with",
                column.name, column.name
            ));
        }
    }
    found
}

fn bad_value(
    table: &Table,
    label: usize,
    from: Draft<'_>,
    notes: &mut Vec<String>,
) -> Result<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in table.rows() {
        *counts.entry(&row[label]).or_default() += 1;
    }
    let place = format!("{}, column {}", table.name(), from.label);
    if let Some(bad) = from.bad {
        return if counts.contains_key(bad) {
            Ok(bad.to_owned())
        } else {
            Err(Error::input(
                place,
                format!("rows with the bad value {bad}"),
            ))
        };
    }
    if counts.len() != 2 {
        return Err(
            Error::input(place, format!("two values, not {}", counts.len()))
                .hint("name the bad one with --bad VALUE"),
        );
    }
    let named = counts
        .keys()
        .find(|value| BAD_NAMES.contains(&value.to_lowercase().as_str()));
    let rarer = counts
        .iter()
        .min_by_key(|(_, count)| **count)
        .map(|(value, _)| value);
    let bad = named
        .or(rarer)
        .map_or(String::new(), |value| (*value).to_owned());
    notes.push(format!(
        "{bad:?} is taken for the bad value of {}; --bad VALUE says otherwise",
        from.label
    ));
    Ok(bad)
}

/// The first column without gaps whose values are all different and which is named like an id.
fn id_column(table: &Table, label: usize) -> Option<usize> {
    (0..table.header().len())
        .filter(|&at| at != label)
        .find(|&at| {
            let name = table.header()[at].to_lowercase();
            let mut seen = std::collections::BTreeSet::new();
            (name == "id" || name.ends_with("_id") || name.ends_with(" id") || name == "row")
                && table
                    .rows()
                    .iter()
                    .all(|row| !row[at].is_empty() && seen.insert(&row[at]))
        })
}

fn is_gap(cell: &str) -> bool {
    cell.trim().is_empty() || cell == "NA"
}

/// What a column's values are.
#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Number {
        decimals: u8,
        low: String,
        high: String,
        median: f64,
        mean: f64,
        std: f64,
    },
    Boolean,
    Category(Vec<String>),
    Date {
        low: String,
        high: String,
    },
    Text,
}

#[derive(Debug, Clone, PartialEq)]
struct Column {
    name: String,
    kind: Kind,
    gaps: usize,
    /// Whether its feature is the value as it is.
    for_trees: bool,
    /// Whether its categories are whole numbers, and the model's codes for them.
    codes_itself: bool,
}

impl Column {
    /// Its values, whole numbers by size, texts by alphabet.
    fn distinct(&self, table: &Table) -> Vec<String> {
        let at = table.header().iter().position(|name| *name == self.name);
        let cells = table.rows().iter().filter_map(|row| row.get(at?));
        let mut words: Vec<String> = cells
            .filter(|cell| !is_gap(cell))
            .map(|cell| cell.trim().to_owned())
            .collect();
        words.sort_by_key(|word| (word.parse::<i64>().unwrap_or(i64::MAX), word.clone()));
        words.dedup();
        words
    }

    fn of(table: &Table, at: usize) -> Self {
        let cells: Vec<&str> = table
            .rows()
            .iter()
            .map(|row| &row[at])
            .filter(|c| !is_gap(c))
            .collect();
        let gaps = table.rows().len() - cells.len();
        let kind = numbers(&cells)
            .or_else(|| dates(&cells))
            .unwrap_or_else(|| words(&cells));
        Self {
            name: table.header()[at].clone(),
            kind,
            gaps,
            for_trees: false,
            codes_itself: false,
        }
    }

    fn features(&self) -> usize {
        if self.for_trees && !matches!(self.kind, Kind::Text) {
            return 1;
        }
        let own = match &self.kind {
            Kind::Number { .. } | Kind::Boolean | Kind::Date { .. } => 1,
            Kind::Category(codes) => codes.len(),
            Kind::Text => 64,
        };
        own + usize::from(self.has_flag())
    }

    fn has_flag(&self) -> bool {
        self.gaps > 0 && !self.for_trees && !matches!(self.kind, Kind::Category(_) | Kind::Text)
    }

    fn write_feature(&self, out: &mut String) {
        let name = key(&self.name);
        let mut line = |text: String| {
            let _ = writeln!(out, "{text}");
        };
        if let Kind::Date { .. } = self.kind {
            line(format!(
                "\n[columns.{}]\nmonths_since = {}",
                key(&format!("{}_months", self.name)),
                quoted(&self.name)
            ));
            line(format!(
                "\n[features.{name}]\nfrom = {}",
                quoted(&format!("{}_months", self.name))
            ));
        } else {
            line(format!(
                "\n[features.{name}]\nfrom = {}",
                quoted(&self.name)
            ));
        }
        match &self.kind {
            Kind::Category(codes) if self.for_trees => {
                let codes = codes.iter().enumerate();
                let values: Vec<String> = codes
                    .map(|(code, word)| match self.codes_itself {
                        true => format!("{} = {word}", key(word)),
                        false => format!("{} = {code}", key(word)),
                    })
                    .collect();
                line(format!(
                    "encode = \"ordinal\"\nvalues = {{ {} }}\nimpute = nan",
                    values.join(", ")
                ));
            }
            Kind::Number { .. } | Kind::Boolean | Kind::Date { .. } if self.for_trees => {
                if self.gaps > 0 {
                    line("impute = nan".to_owned());
                }
            }
            Kind::Number {
                median, mean, std, ..
            } => {
                if self.gaps > 0 {
                    line(format!("impute = {}", float(*median)));
                }
                line(format!(
                    "encode = \"standardise\"\nmean = {}\nstd = {}",
                    float(*mean),
                    float(*std)
                ));
            }
            Kind::Boolean => {
                if self.gaps > 0 {
                    line("impute = 0.0".to_owned());
                }
            }
            Kind::Date { .. } => {
                if self.gaps > 0 {
                    line("impute = 0.0".to_owned());
                }
            }
            Kind::Category(_) | Kind::Text => line("encode = \"one_hot\"".to_owned()),
        }
        if self.has_flag() {
            line("missing_flag = true".to_owned());
        }
    }

    fn write_field(&self, out: &mut String, number: usize) {
        let name = key(&self.name);
        let mut text = format!("\n[fields.{name}]\n");
        match &self.kind {
            Kind::Number {
                decimals: 0,
                low,
                high,
                ..
            } => {
                let _ = write!(
                    text,
                    "type = \"integer\"\nunit = \"TODO\"\nrange = [{low}, {high}]\nout_of_range = \"clip\"\n"
                );
            }
            Kind::Number {
                decimals,
                low,
                high,
                ..
            } => {
                let _ = write!(
                    text,
                    "type = \"decimal\"\ndecimals = {decimals}\nunit = \"TODO\"\nrange = [{low}, {high}]\nout_of_range = \"clip\"\n"
                );
            }
            Kind::Boolean => text.push_str("type = \"boolean\"\n"),
            Kind::Date { low, high } => {
                let _ = write!(
                    text,
                    "type = \"date\"\nrange = [{low}, {high}]\nout_of_range = \"clip\"\n"
                );
            }
            Kind::Text => text.push_str("type = \"text\"\nbuckets = 64\n"),
            Kind::Category(_) => text.push_str("type = \"category\"\nunknown = \"missing\"\n"),
        }
        let missing = if self.gaps > 0 { "accept" } else { "refuse" };
        let label = quoted(&format!("TODO {}", self.name));
        let reason = quoted(&format!(
            "TODO why {} speaks against the application",
            self.name
        ));
        let protected = match is_protected_name(&self.name) {
            true => {
                "protected = true                   # may the law forbid to decide by it? If not: false\njustification = { en = \"TODO why it may be used all the same, or train without it\" }\n"
            }
            false => "",
        };
        let _ = write!(
            text,
            "missing = \"{missing}\"                 # {} of the rows have no value\n\
             sensitivity = \"personal\"           # ordinary | personal | special\n\
             {protected}\
             changeable = false                  # can the applicant change it?\n\
             label = {{ en = {label} }}\n\
             help = {{ en = \"TODO what to fill in\" }}\n\
             reason = {{ code = \"R{number:02}\", text = {{ en = {reason} }} }}\n",
            self.gaps,
        );
        if let Kind::Category(codes) = &self.kind {
            let _ = write!(text, "\n[fields.{name}.categories]\n");
            for code in codes {
                let _ = writeln!(
                    text,
                    "{} = {{ en = {} }}",
                    key(code),
                    quoted(&format!("TODO {code}"))
                );
            }
        }
        out.push_str(&text);
    }
}

fn numbers(cells: &[&str]) -> Option<Kind> {
    use fieldscore_runtime::schema::parse_number;
    if cells.is_empty() {
        return None;
    }
    let decimals = cells
        .iter()
        .map(|c| c.trim().split_once('.').map_or(0, |(_, f)| f.len()))
        .max()?;
    let decimals = u8::try_from(decimals).ok().filter(|d| *d <= 9)?;
    let mut raw: Vec<i64> = cells
        .iter()
        .map(|cell| parse_number(cell, decimals, DecimalMark::Point))
        .collect::<Option<_>>()?;
    raw.sort_unstable();
    let unit = 10f64.powi(i32::from(decimals));
    let value = |raw: i64| raw as f64 / unit;
    let show = |raw: i64| format!("{:.*}", usize::from(decimals), value(raw));
    let count = raw.len() as f64;
    let mean = raw.iter().map(|&r| value(r)).sum::<f64>() / count;
    let variance = raw.iter().map(|&r| (value(r) - mean).powi(2)).sum::<f64>() / count;
    let std = if variance > 0.0 { variance.sqrt() } else { 1.0 };
    Some(Kind::Number {
        decimals,
        low: show(raw[0]),
        high: show(raw[raw.len() - 1]),
        median: value(raw[raw.len() / 2]),
        mean,
        std,
    })
}

fn dates(cells: &[&str]) -> Option<Kind> {
    let mut days: Vec<Date> = cells
        .iter()
        .map(|cell| Date::parse(cell.trim()))
        .collect::<Option<_>>()?;
    days.sort_unstable();
    Some(Kind::Date {
        low: days.first()?.to_string(),
        high: days.last()?.to_string(),
    })
}

fn words(cells: &[&str]) -> Kind {
    let mut distinct: Vec<String> = cells.iter().map(|c| c.trim().to_owned()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let truth = |word: &String| ["true", "false"].contains(&word.to_lowercase().as_str());
    if distinct.len() == 2 && distinct.iter().all(truth) {
        Kind::Boolean
    } else if (1..=MOST_CATEGORIES).contains(&distinct.len()) {
        Kind::Category(distinct)
    } else {
        Kind::Text
    }
}

fn head(
    out: &mut String,
    from: Draft<'_>,
    bad: &str,
    id: Option<&str>,
    columns: &[Column],
    source: &Source,
    approve_from: i64,
) {
    let list =
        |of: &dyn Fn(&Column) -> String| columns.iter().map(of).collect::<Vec<_>>().join(", ");
    let names = list(&|column| quoted(&column.name));
    let product: String = from
        .folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c))
        .collect();
    let product = if product.is_empty() {
        "model".to_owned()
    } else {
        product
    };
    let output = match (source.gives_points(), source.gives_probability()) {
        (true, _) => "points",
        (_, true) => "probability",
        _ => "logit",
    };
    let named = source
        .pipeline()
        .is_some_and(|pipeline| pipeline.names().is_some());
    let features = if named {
        String::new()
    } else {
        format!("features = [{names}]\n")
    };
    // Trees are neither pruned nor quantised.
    let compile = if source.takes_missing() {
        ""
    } else {
        "prune = 0.0                         # share of hidden units to remove\nprecision = \"auto\"\n"
    };
    let id = id
        .map(|id| format!("id = {}\n", quoted(id)))
        .unwrap_or_default();
    let (size, cost) = group_size(columns.len());
    let budget = match cost <= DEFAULT_BUDGET {
        true => String::new(),
        false => format!(
            "contribution_budget = {cost}         # evaluations of an explanation: join or drop fields for fewer\n"
        ),
    };
    let _ = write!(
        out,
        "# Drafted from the data. `fieldscore build` lists the TODO texts that are left;\n\
         # docs/recipe.md explains every key.\n\n\
         [product]\nid = {product}\nsequence = 1\nname = {{ en = \"TODO name\" }}\n\
         purpose = {{ en = \"TODO what it is for\" }}\n\n\
         [texts]\nlanguages = [\"en\"]\n\n\
         [model]\nfile = {model}\noutput = \"{output}\"                  # logit | probability, of the bad class; points\n\
         {features}\n\
         [data]\nfile = {data}\n{id}label = {{ column = {label}, bad = {bad} }}\n\
         # Columns that only evaluation reads, and that no model may: move them out of [fields], e.g.\n\
         # groups = {{ age = {{ bands = [25, 35, 45, 60] }} }}\n\n\
         [split]\nseed = 1\nvalidation = 0.2\ntest = 0.2\n\n\
         [compile]\ncalibration_rows = 1024\n{budget}{compile}\n\
         [probability]\ncalibration = \"platt\"\n\n\
         [score]\nbase_score = 600                    # at base_odds, good to bad\nbase_odds = 19.0\npoints_to_double_odds = 50\nfloor = 300\nceiling = 850\n\n\
         [policy]                            # the house's cut-offs: look at the report's table\napprove_from = {approve_from}\nrefer_from = {refer_from}\n",
        refer_from = approve_from - 50,
        product = quoted(&product),
        model = quoted(&relative(from.model, from.folder)),
        data = quoted(&relative(from.data, from.folder)),
        label = quoted(from.label),
        bad = quoted(bad),
    );
    let _ = write!(
        out,
        "\n# Reason groups: every field in exactly one. An explanation evaluates every set of groups, so\n\
         # join what belongs together.\n"
    );
    for (number, group) in columns.chunks(size).enumerate() {
        let fields = group
            .iter()
            .map(|column| quoted(&column.name))
            .collect::<Vec<_>>()
            .join(", ");
        let _ = write!(
            out,
            "\n[groups.group{n}]\ncode = \"G{n}\"\nfields = [{fields}]\nlabel = {{ en = \"TODO group {n}\" }}\n",
            n = number + 1
        );
    }
}

/// `path` as seen from `folder`, with `..` where needed.
fn relative(path: &Path, folder: &Path) -> String {
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (path, folder) = (whole(path), whole(folder));
    let common = path
        .components()
        .zip(folder.components())
        .take_while(|(a, b)| a == b)
        .count();
    let up = folder.components().count() - common;
    let mut parts = vec!["..".to_owned(); up];
    parts.extend(
        path.components()
            .skip(common)
            .map(|c| c.as_os_str().to_string_lossy().into_owned()),
    );
    parts.join("/")
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn key(name: &str) -> String {
    let bare = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { name.to_owned() } else { quoted(name) }
}

fn float(x: f64) -> String {
    // Six significant digits are plenty, and keep the draft readable.
    let rounded: f64 = format!("{x:.5e}").parse().unwrap_or(x);
    format!("{rounded:?}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn cut_offs_follow_the_odds_of_the_data() {
        // 5 % bad is 19 to 1, 600 points.
        assert_eq!(cut_off(0.05), 550);
        assert!(cut_off(0.47) < cut_off(0.28) && cut_off(0.28) < 550);
        assert_eq!((cut_off(0.0), cut_off(1.0)), (750, 350));
    }

    #[test]
    fn a_model_may_write_underscores_for_blanks() {
        let header = ["monthly income".to_owned(), "age".to_owned()];
        let column = |name: &String| Column {
            name: name.clone(),
            kind: Kind::Boolean,
            gaps: 0,
            for_trees: false,
            codes_itself: false,
        };
        let described = ["age", "monthly_income"].map(|name| Described {
            name: Some(name.to_owned()),
            ..Described::default()
        });
        let table = Table::parse("rows", b"monthly income,age\nno,yes\n").unwrap();
        let columns = header.iter().map(column).collect();
        let mut notes = Vec::new();
        let found = as_trees_read(columns, &described, &table, &mut notes);
        let names: Vec<&str> = found.iter().map(|column| column.name.as_str()).collect();
        assert_eq!((names, notes), (vec!["age", "monthly income"], Vec::new()));
    }

    #[test]
    fn groups_are_as_coarse_as_a_budget_asks() {
        assert_eq!(group_size(5), (1, 32));
        assert_eq!(group_size(12).0, 2);
        // 5 groups of 6: 2^5 sets, and 2^4 · (2^6 − 2) parts of each group.
        assert_eq!(group_size(30), (6, 32 + 5 * 16 * 62));
        assert!(group_size(400).1 > 1 << 16);
    }

    #[test]
    fn columns_get_the_type_that_their_cells_show() {
        assert!(matches!(
            numbers(&["1", "20", "3"]),
            Some(Kind::Number { decimals: 0, .. })
        ));
        assert!(matches!(
            numbers(&["1.5", "2.25"]),
            Some(Kind::Number { decimals: 2, .. })
        ));
        assert_eq!(numbers(&["1", "x"]), None);
        assert!(matches!(
            dates(&["2026-01-31", "2025-02-01"]),
            Some(Kind::Date { .. })
        ));
        assert_eq!(words(&["TRUE", "FALSE", "TRUE"]), Kind::Boolean);
        assert_eq!(
            words(&["b", "a", "b"]),
            Kind::Category(vec!["a".to_owned(), "b".to_owned()])
        );
    }

    #[test]
    fn names_that_are_no_bare_keys_are_quoted() {
        assert_eq!(
            (key("income"), key("net income")),
            ("income".to_owned(), "\"net income\"".to_owned())
        );
    }
}

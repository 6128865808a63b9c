//! The recipe: `recipe.toml` beside a trained model. `docs/recipe.md` is its reference.

pub(crate) mod budget;
mod change;
mod check;
mod draft;
mod file;
mod inputs;
mod lower;
mod notice;
pub(crate) mod policy;
pub(crate) mod protected;

use std::path::PathBuf;

use fieldscore_runtime::bundle::EngineKind;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::evaluate::what_if::Profit;
use crate::evaluate::{fairness, monotone};

pub use check::{check_bands, check_fairness, open_texts};
pub use draft::{Draft, Drafted, draft};
pub use file::{FILE, Loaded, load};
pub(crate) use lower::to_date;
pub use lower::{Lowered, Reads, lower, lower_for, parse_value};
pub use protected::ProtectedField;

/// A text in several languages, by BCP-47 tag.
pub type Text = IndexMap<String, String>;

/// A whole recipe, after its `extends` have been merged.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What the bundle is.
    pub product: Product,
    /// What the bundle's card says beyond figures.
    #[serde(default)]
    pub card: Card,
    /// Languages and the texts that no field owns.
    pub texts: Texts,
    /// The trained model; with [`models`](Self::models) its features are those of all of them.
    #[serde(default)]
    pub model: Model,
    /// The trained models of a blend; none where there is one model.
    #[serde(default)]
    pub models: Vec<Member>,
    /// How these make one.
    pub blend: Option<Blend>,
    /// Probabilities, where a model gives several.
    #[serde(default)]
    pub outputs: IndexMap<String, NamedOutput>,
    /// Labelled rows.
    pub data: Data,
    /// How the rows are parted.
    #[serde(default)]
    pub split: Split,
    /// What reports reckon with.
    #[serde(default)]
    pub evaluate: Evaluate,
    /// What the compiler may do.
    #[serde(default)]
    pub compile: Compile,
    /// What compression may cost.
    #[serde(default)]
    pub gates: Gates,
    /// From the model's output to a probability.
    #[serde(default)]
    pub probability: Probability,
    /// The score's scale.
    pub score: Score,
    /// What is decided.
    pub policy: Policy,
    /// A second bundle that is scored in shadow.
    pub challenger: Option<Challenger>,
    /// What applicants are told of a decision, on paper.
    #[serde(default)]
    pub notice: Notice,
    /// The reference applicant; without it the medoid of the good training loans.
    pub reference: Option<Reference>,
    /// Derived numbers.
    #[serde(default)]
    pub columns: IndexMap<String, Column>,
    /// Blocks of features; none of a model that brings its preprocessing.
    #[serde(default)]
    pub features: IndexMap<String, Feature>,
    /// Reason groups.
    pub groups: IndexMap<String, Group>,
    /// Fields of an application, in the order of forms.
    pub fields: IndexMap<String, Field>,
}

/// `[product]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// Stable name.
    pub id: String,
    /// Rises with every release.
    pub sequence: u64,
    /// Name for people.
    pub name: Text,
    /// What it is for.
    pub purpose: Text,
    /// First day.
    pub not_before: Option<toml::value::Datetime>,
    /// Last day.
    pub not_after: Option<toml::value::Datetime>,
    /// Whether staff may see the score while they fill in an application.
    #[serde(default)]
    pub score_as_typed: bool,
}

/// `[challenger]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenger {
    /// The bundle, signed with the same key.
    pub bundle: PathBuf,
    /// The share of applications that it scores, above 0 and at most 1.
    pub share: f64,
    /// The key of the hash of an application's id that chooses them.
    pub key: String,
}

/// `[card]`: each text may be left out, or given in some of the languages only.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Card {
    /// Whom and what the model is for.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub intended_use: Text,
    /// What it must not be used for.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub out_of_scope: Text,
    /// What is known to be wanting in data, model or policy.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub limits: Text,
    /// Whom to ask.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub contact: Text,
    /// Licence of model and data.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub licence: Text,
}

impl Card {
    /// The texts with their keys.
    pub fn texts(&self) -> [(&'static str, &Text); 5] {
        [
            ("intended_use", &self.intended_use),
            ("out_of_scope", &self.out_of_scope),
            ("limits", &self.limits),
            ("contact", &self.contact),
            ("licence", &self.licence),
        ]
    }
}

/// `[texts]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// BCP-47 tags, the default first.
    pub languages: Vec<String>,
    /// Texts of the runtime's own reasons (S1 to S6), where the built-in ones (en, zh) do not serve.
    #[serde(default)]
    pub system: IndexMap<String, Text>,
    /// Which edition of the texts this is, as notices name it.
    pub version: Option<String>,
}

/// `[notice]`: what stands on the notice of a decision, where the built-in words do not serve.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notice {
    /// The lender's name; without it the product's.
    pub lender: Text,
    /// How to have a person look at the decision: whom to ask, where, by when.
    pub review: Text,
    /// What is said to whom the loan may be granted.
    pub approve: Text,
    /// What is said where a person decides.
    pub refer: Text,
    /// What is said to whom the loan is not granted.
    pub decline: Text,
    /// Whether the score is on it.
    pub score: bool,
    /// Its titles and labels, by name.
    pub words: IndexMap<String, Text>,
}

/// What the model's first output is, of the bad class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// Log-odds.
    #[default]
    Logit,
    /// A probability.
    Probability,
    /// A scorecard's points.
    Points,
}

/// `[model]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The model file: ONNX, LightGBM's or XGBoost's, or a scorecard's points as CSV.
    pub file: PathBuf,
    /// Where `file` is an ONNX conversion: the LightGBM or XGBoost file that it was made from.
    pub native: Option<PathBuf>,
    /// What its output is.
    pub output: Output,
    /// Names of features, in the order of its inputs; of a model that brings its preprocessing the
    /// fields or columns that are its inputs, needed where it doesn't name them itself.
    #[serde(default)]
    pub features: Vec<String>,
}

/// `[[models]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its name, for errors and for `[outputs]`.
    pub name: String,
    /// As [`Model::file`].
    pub file: PathBuf,
    /// As [`Model::output`].
    pub output: Output,
    /// As [`Model::features`].
    #[serde(default)]
    pub features: Vec<String>,
    /// The name of the output that is blended, where it has several.
    pub from: Option<String>,
    /// Which number of that.
    #[serde(default)]
    pub element: u32,
    /// What it counts for in a weighted blend.
    pub weight: Option<f64>,
}

/// How models make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlendKind {
    /// Each counts alike.
    Average,
    /// Each counts for its weight.
    Weighted,
    /// A linear model of them.
    Stacking,
}

/// What a blend adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlendOf {
    /// Log-odds.
    #[default]
    LogOdds,
    /// Probabilities.
    Probability,
}

/// `[blend]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blend {
    /// How the models make one.
    pub kind: BlendKind,
    /// What is added up.
    #[serde(default)]
    pub of: BlendOf,
    /// With `stacking`: the linear model, as ONNX or as CSV; without it one is fitted.
    pub file: Option<PathBuf>,
    /// With `file`: what that gives.
    pub output: Option<Output>,
}

/// `[outputs.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedOutput {
    /// Which of a blend's models gives it.
    pub model: Option<String>,
    /// The name of the model's output, where it has several.
    pub from: Option<String>,
    /// Which number of that.
    #[serde(default)]
    pub element: u32,
    /// What the number is, where it is not what `model.output` says.
    pub kind: Option<Output>,
    /// Whether the score is made of it.
    #[serde(default)]
    pub score: bool,
    /// How its log-odds are calibrated; the score's as `[probability]` says.
    #[serde(default)]
    pub calibration: CalibrationMethod,
    /// What it predicts; the score's is the data's label.
    pub label: Option<Label>,
}

/// `[data]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Labelled rows as CSV.
    pub file: PathBuf,
    /// The column that identifies a row.
    pub id: Option<String>,
    /// The column with a row's date, which is its `as_of`.
    pub date: Option<String>,
    /// What is to be predicted.
    pub label: Label,
    /// Columns that only evaluation reads.
    #[serde(default)]
    pub groups: IndexMap<String, GroupColumn>,
    /// Cells that mean a missing value.
    #[serde(default = "default_missing")]
    pub missing: Vec<String>,
    /// The rows of fields that are tables, by the field's name: CSV whose column of the same name as
    /// `id` says whose they are.
    #[serde(default)]
    pub tables: IndexMap<String, PathBuf>,
    /// Rows without labels, on which flips are counted too where labelled rows are few.
    pub unlabelled: Option<PathBuf>,
    /// Whether the bundle carries the histogram of the training part, which devices count against.
    #[serde(default = "default_histogram")]
    pub histogram: bool,
}

fn default_histogram() -> bool {
    true
}

fn default_missing() -> Vec<String> {
    vec![String::new(), "NA".to_owned()]
}

/// `[data] label`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The column.
    pub column: String,
    /// Its value for a bad loan.
    pub bad: String,
}

/// `[data] groups`
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GroupColumn {
    /// Where a numeric column is cut into bands, in rising order; a band holds its lower end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bands: Vec<f64>,
    /// The group that the others are compared with; without it the one that is approved most often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// `[split]`: exactly one of file and column, seed, dates, or files. Without any, seed 1.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// A CSV with the data's id column and `column`.
    pub file: Option<PathBuf>,
    /// The column of `file` that says train, validation or test.
    pub column: Option<String>,
    /// Stratified by label, drawn with this seed.
    pub seed: Option<u64>,
    /// Share of the validation part, with `seed`.
    pub validation: Option<f64>,
    /// Share of the test part, with `seed`.
    pub test: Option<f64>,
    /// Rows from this date on are validation (and later test).
    pub validation_from: Option<toml::value::Datetime>,
    /// Rows from this date on are test.
    pub test_from: Option<toml::value::Datetime>,
    /// Files of their own for validation and test; `[data] file` is then the training part.
    pub files: Option<SplitFiles>,
}

/// `[split] files`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitFiles {
    /// The validation part.
    pub validation: PathBuf,
    /// The test part.
    pub test: PathBuf,
}

/// `[evaluate]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluate {
    /// What an approved loan brings.
    pub profit: Option<Profit>,
}

/// The arithmetic of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// int8 everywhere.
    Int8,
    /// int8, and f16 or f32 for the layers where the gate asks for it.
    Auto,
    /// f16 weights, f32 arithmetic.
    F16,
    /// f32.
    F32,
}

/// What is to execute the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// The plan engine: every device, the same bytes.
    #[default]
    Plan,
    /// tract, on native builds that have it: the ONNX file as it is.
    Tract,
    /// TensorFlow Lite, on native builds that have it: the `.tflite` file as it is.
    Tflite,
}

impl From<Engine> for EngineKind {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Plan => Self::Plan,
            Engine::Tract => Self::Tract,
            Engine::Tflite => Self::Tflite,
        }
    }
}

/// `[compile]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Compile {
    /// What is to execute the model.
    pub engine: Engine,
    /// Rows of the training part that ranges and corrections are measured on.
    pub calibration_rows: usize,
    /// Share of hidden units removed.
    pub prune: f64,
    /// The arithmetic of layers that `layers` does not name.
    pub precision: Precision,
    /// The arithmetic of single layers, by the name that the report shows.
    pub layers: IndexMap<String, Precision>,
    /// The most evaluations that an explanation may cost.
    pub contribution_budget: u32,
}

impl Default for Compile {
    fn default() -> Self {
        Self {
            engine: Engine::Plan,
            calibration_rows: 1024,
            prune: 0.0,
            precision: Precision::Int8,
            layers: IndexMap::new(),
            contribution_budget: budget::DEFAULT_BUDGET as u32,
        }
    }
}

/// Limits of one comparison.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// |ΔAUC|
    pub auc: f64,
    /// |ΔKS|
    pub ks: f64,
    /// Share of outcomes that differ.
    pub flips: f64,
}

/// `[gates]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gates {
    /// The pruned float model against the model handed in.
    pub pruned: Limits,
    /// int8 against the pruned float model.
    pub int8: Limits,
    /// The bundle's probabilities, where calibration is fitted.
    pub calibration: CalibrationLimits,
    /// How the bundle may treat groups, and how much worse than the model handed in.
    pub fairness: fairness::Limits,
}

/// Limits of the expected calibration error.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalibrationLimits {
    /// The share of perfectly calibrated models whose error on as many rows the bundle's must not
    /// be above.
    pub chance: f64,
    /// What int8 may add.
    pub int8: f64,
}

impl Default for CalibrationLimits {
    fn default() -> Self {
        Self {
            chance: 0.95,
            int8: 0.005,
        }
    }
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            pruned: Limits {
                auc: 0.003,
                ks: 0.015,
                flips: 0.05,
            },
            int8: Limits {
                auc: 0.002,
                ks: 0.01,
                flips: 0.01,
            },
            calibration: CalibrationLimits::default(),
            fairness: fairness::Limits::default(),
        }
    }
}

/// How log-odds are calibrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CalibrationMethod {
    /// Not at all.
    #[default]
    None,
    /// A line, fitted on the validation part (Platt 1999).
    Platt,
    /// A curve that rises, fitted on the validation part (Zadrozny and Elkan 2002).
    Isotonic,
}

/// `[probability]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probability {
    /// How log-odds are calibrated.
    #[serde(default)]
    pub calibration: CalibrationMethod,
}

/// `[score]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// The score at the base odds.
    pub base_score: f64,
    /// Good to bad.
    pub base_odds: f64,
    /// Points that every doubling of the odds adds; negative where a higher score means more risk.
    pub points_to_double_odds: f64,
    /// The least score.
    pub floor: i32,
    /// The greatest score.
    pub ceiling: i32,
}

/// `[policy]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The least score that is approved; not needed where a table gives the outcome.
    pub approve_from: Option<i32>,
    /// The least score that is referred.
    pub refer_from: Option<i32>,
    /// Rules that hold whatever the score.
    #[serde(default)]
    pub knock_out: Vec<KnockOut>,
    /// Named amounts.
    #[serde(default)]
    pub values: IndexMap<String, policy::Value>,
    /// Decision tables.
    #[serde(default)]
    pub tables: IndexMap<String, policy::Table>,
    /// Values and tables' columns that come out with a decision.
    #[serde(default)]
    pub terms: Vec<String>,
    /// Why staff may override a decision; none where they may not.
    #[serde(default)]
    pub override_reason: Vec<OverrideReason>,
}

/// `[[policy.override_reason]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideReason {
    /// Stable code.
    pub code: String,
    /// For people.
    pub text: Text,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleOutcome {
    /// A person decides.
    Refer,
    /// The loan is not granted.
    Decline,
}

/// `[[policy.knock_out]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnockOut {
    /// Stable code.
    pub code: String,
    /// What must hold, all of it.
    pub when: Vec<Condition>,
    /// What then comes out.
    pub outcome: RuleOutcome,
    /// What people are told.
    pub text: Text,
}

/// One condition: exactly one test of one field or value.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The field.
    pub field: Option<String>,
    /// Or what a table's inputs may be: a value, a table's column, `score`, `flag.NAME`.
    pub value: Option<String>,
    /// The value is greater.
    pub above: Option<toml::Value>,
    /// The value is less.
    pub below: Option<toml::Value>,
    /// The value is this.
    pub is: Option<toml::Value>,
    /// There is no value.
    pub missing: Option<bool>,
}

/// `[reference]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Its date, where fields are dates.
    pub as_of: Option<toml::value::Datetime>,
    /// Its values.
    pub values: IndexMap<String, toml::Value>,
}

/// `[columns.NAME]`: exactly one of these.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// First divided by second.
    pub ratio: Option<[String; 2]>,
    /// First minus second.
    pub difference: Option<[String; 2]>,
    /// All added.
    pub sum: Option<Vec<String>>,
    /// Whole months from a date field to `as_of`.
    pub months_since: Option<String>,
}

/// How a number becomes features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encode {
    /// One feature, the number.
    #[default]
    None,
    /// (x − mean) / std
    Standardise,
    /// Piecewise-linear encoding over bins.
    Piecewise,
    /// One feature a category.
    OneHot,
    /// One feature, a number for each category.
    Ordinal,
    /// The features of each row of a table.
    Rows,
    /// Each byte of a tensor.
    Elements,
    /// The id of each word.
    Ids,
}

/// Where rows that a table does not have are filled in, with zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// Behind those that it has.
    #[default]
    End,
    /// Before them.
    Start,
}

/// In which order the features of rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Row by row.
    #[default]
    Rows,
    /// Column by column, or channel by channel.
    Columns,
}

/// `[features.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// A field or a column.
    pub from: String,
    /// What stands for a missing value; NaN where the model takes missing values itself.
    pub impute: Option<f64>,
    /// Whether a last feature says that the value was missing.
    #[serde(default)]
    pub missing_flag: bool,
    /// Bounds.
    pub clip: Option<[f64; 2]>,
    /// ln(1 + x)
    #[serde(default)]
    pub log: bool,
    /// How it becomes features.
    #[serde(default)]
    pub encode: Encode,
    /// With `standardise`.
    pub mean: Option<f64>,
    /// With `standardise`.
    pub std: Option<f64>,
    /// With `piecewise`.
    pub edges: Option<Vec<f64>>,
    /// With `ordinal`.
    pub values: Option<IndexMap<String, f64>>,
    /// Which of the model's inputs it feeds, where that has several.
    pub input: Option<String>,
    /// With `rows`: the features of a row, each from a column.
    #[serde(default)]
    pub rows: IndexMap<String, Feature>,
    /// With `rows` and `ids`.
    #[serde(default)]
    pub padding: Padding,
    /// With `rows` and `elements`.
    #[serde(default)]
    pub layout: Layout,
    /// With `rows`: whether a row's last feature is 1, and 0 where it is filled in.
    #[serde(default)]
    pub mask: bool,
    /// With `elements`: what is taken off a byte, one number or one for each channel.
    #[serde(default)]
    pub offset: Vec<f64>,
    /// With `elements`: what the rest is multiplied with, one number or one for each channel.
    #[serde(default)]
    pub scale: Vec<f64>,
}

/// `[groups.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Stable code.
    pub code: String,
    /// Its fields.
    pub fields: Vec<String>,
    /// For people.
    pub label: Text,
}

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// A whole number.
    Integer,
    /// A number with `decimals`.
    Decimal,
    /// An amount in `currency` with `decimals`.
    Money,
    /// True or false.
    Boolean,
    /// One of `categories`.
    Category,
    /// A date.
    Date,
    /// Text, hashed into `buckets`.
    Text,
    /// Rows of `columns`.
    Table,
    /// Bytes of a `shape`.
    Tensor,
    /// Text, its first `count` words hashed into `buckets`.
    Words,
}

/// Which rows of a longer table are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// The first ones.
    First,
    /// The last ones.
    #[default]
    Last,
}

/// `[fields.NAME.columns.COLUMN]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableColumn {
    /// Its type: none of many numbers.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// Its unit.
    #[serde(default)]
    pub unit: String,
    /// With `decimal` and `money`.
    pub decimals: Option<u8>,
    /// With `money`.
    pub currency: Option<String>,
    /// With `category`: the codes.
    pub categories: Option<Vec<String>>,
    /// With `text`.
    pub buckets: Option<u32>,
    /// Least and greatest value.
    pub range: Option<[toml::Value; 2]>,
    /// What a missing cell means.
    #[serde(default = "accept")]
    pub missing: Answer,
    /// What a value outside the range means.
    #[serde(default = "clip")]
    pub out_of_range: Answer,
    /// What an unlisted category means.
    #[serde(default = "as_missing")]
    pub unknown: Answer,
}

/// What a missing, unlisted or out-of-range value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// It is taken.
    Accept,
    /// It is treated as missing.
    Missing,
    /// It is moved to the nearer end of the range.
    Clip,
    /// A person decides.
    Refer,
    /// Scoring fails.
    Refuse,
}

/// How sensitive a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sensitivity {
    /// About the loan.
    Ordinary,
    /// Personal data.
    Personal,
    /// A special category.
    Special,
}

/// `[fields.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// Shown beside the value.
    #[serde(default)]
    pub unit: String,
    /// With `decimal` and `money`.
    pub decimals: Option<u8>,
    /// With `money`.
    pub currency: Option<String>,
    /// With `category`.
    pub categories: Option<IndexMap<String, Text>>,
    /// With `text` and `words`.
    pub buckets: Option<u32>,
    /// With `words`: how many the model reads.
    pub count: Option<u16>,
    /// With `table`.
    #[serde(default)]
    pub columns: IndexMap<String, TableColumn>,
    /// With `table`: how many rows the model reads.
    pub max_rows: Option<u16>,
    /// With `table`: which rows it reads of a longer one.
    #[serde(default)]
    pub keep: Keep,
    /// With `table`: the column that puts rows in rising order; without it they stay as given.
    pub order_by: Option<String>,
    /// With `tensor`: the lengths of its axes, the last one running fastest.
    pub shape: Option<Vec<u32>>,
    /// Least and greatest value.
    pub range: Option<[toml::Value; 2]>,
    /// What a missing value means.
    #[serde(default = "accept")]
    pub missing: Answer,
    /// What a value outside the range means, or more rows or words than the model reads.
    #[serde(default = "clip")]
    pub out_of_range: Answer,
    /// What an unlisted category means.
    #[serde(default = "as_missing")]
    pub unknown: Answer,
    /// How sensitive it is.
    pub sensitivity: Sensitivity,
    /// Whether the law protects people against decisions by it; without a word on it a name that
    /// says so is warned of.
    pub protected: Option<bool>,
    /// Of a protected field that is used all the same: why it may be.
    #[serde(default)]
    pub justification: Text,
    /// Whether the applicant can change it.
    pub changeable: bool,
    /// How far it is changed where alternatives are looked for.
    pub change: Option<Change>,
    /// Which way the score must go as it rises.
    pub monotone: Option<monotone::Direction>,
    /// For people.
    pub label: Text,
    /// For people who fill it in.
    #[serde(default)]
    pub help: Text,
    /// What is said where it pulled the score down.
    pub reason: Reason,
}

fn accept() -> Answer {
    Answer::Accept
}

fn clip() -> Answer {
    Answer::Clip
}

fn as_missing() -> Answer {
    Answer::Missing
}

/// `[fields.NAME] change`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Which way; of numbers and booleans.
    #[serde(default)]
    pub direction: Direction,
    /// New numbers are multiples of it; the last digit's unit unless said.
    pub step: Option<toml::Value>,
    /// The least new number; the range's unless said.
    pub least: Option<toml::Value>,
    /// The greatest new number; the range's unless said.
    pub most: Option<toml::Value>,
    /// The new categories; all unless said.
    pub to: Option<Vec<String>>,
}

/// Which way a value may change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Either way.
    #[default]
    Any,
    /// To greater numbers, or to true.
    Up,
    /// To smaller numbers, or to false.
    Down,
}

/// `[fields.NAME] reason`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Stable code.
    pub code: String,
    /// For people.
    pub text: Text,
}

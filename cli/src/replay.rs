//! `fieldscore replay`: decisions on record, made again.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use fieldscore_runtime::decide::{Override, Record, RecordDecision};
use fieldscore_runtime::{ErrorKind, Outcome, Scorer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::applications::{Line, MAX_ROW_BYTES, Source};
use crate::error::{Error, Result};
use crate::records::{self, starts_as_record};
use crate::{BundleArgs, Exit, Progress, Sink, open, output, overrides, say, words};

/// Score recorded decisions again and compare them, byte for byte
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fieldscore score credit.fsb applications.csv --format jsonl -o decisions.jsonl
  fieldscore replay credit.fsb decisions.jsonl
  fieldscore replay credit.fsb decisions.jsonl --override 0001.override

RECORDS holds JSON lines that `score --format jsonl` wrote, or one record as it is stored.
Only what differs is listed, and who overrode what. The exit status is 1 when anything does.")]
pub struct ReplayArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    /// Records; `-` reads stdin
    records: PathBuf,
    /// A person's decision beside one of the records, which must hold; may be given several times
    #[arg(long = "override", value_name = "FILE")]
    overrides: Vec<PathBuf>,
    /// One JSON object for each record that is not the same, and one with the counts at the end
    #[arg(long)]
    json: bool,
}

/// What became of one record.
enum Found {
    /// The same, with its outcome and the challenger's, where that scored it.
    Same(Option<(Outcome, Outcome)>),
    /// An error row: nothing was decided.
    NoDecision,
    /// What differs.
    Differs(Vec<String>),
    /// It cannot be read.
    Unreadable(String),
}

/// Replays records.
///
/// # Errors
/// Where the bundle does not open or the file cannot be read; a record that differs is part of the
/// result.
pub fn run(args: ReplayArgs) -> Result<Exit> {
    let opened = args.bundle.open()?;
    let mut source = records::source(&args.records)?;
    let mut report = Report::new(&args)?;
    if starts_as_record(&mut source)? {
        let record = records::whole(&mut source)?;
        let found = replay(&opened.scorer, record);
        report.add("record", 1, found)?;
        report.overridden(&opened.scorer, ("record", 1), record, Vec::new())?;
    } else {
        lines(&opened.scorer, &mut source, &mut report)?;
    }
    report.end()
}

/// Overrides with their files, by the record that they are of.
type Overrides = HashMap<[u8; 32], Vec<(PathBuf, Vec<u8>)>>;

fn read_overrides(paths: &[PathBuf]) -> Result<Overrides> {
    let mut all = Overrides::new();
    for path in paths {
        let bytes = overrides::read(path)?;
        let found = Override::decode(&bytes).map_err(|e| Error::from(e).within(path.display()))?;
        all.entry(found.record)
            .or_default()
            .push((path.clone(), bytes));
    }
    Ok(all)
}

fn lines(scorer: &Scorer, source: &mut Source, report: &mut Report) -> Result<()> {
    loop {
        let line = source.line();
        let found = match source.line_ahead()? {
            Line::End => return Ok(()),
            Line::TooLong => Found::Unreadable(format!("a line of at most {MAX_ROW_BYTES} bytes")),
            Line::Whole(text, _) if source.data()[..text].trim_ascii().is_empty() => {
                source.skip_line()?;
                continue;
            }
            Line::Whole(text, _) => {
                let text = &source.data()[..text];
                if let Some(Ok(record)) = records::of_line(text) {
                    let beside = records::overrides_of_line(text);
                    report.overridden(scorer, ("line", line), &record, beside)?;
                }
                one_line(scorer, text)
            }
        };
        source.skip_line()?;
        report.add("line", line, found)?;
        if report.closed() {
            return Ok(());
        }
    }
}

fn one_line(scorer: &Scorer, line: &[u8]) -> Found {
    let unreadable = |expected: &str| Found::Unreadable(expected.to_owned());
    let Ok(Value::Object(line)) = serde_json::from_slice(line) else {
        return unreadable("one JSON object per line");
    };
    let text = |key: &str| line.get(key).and_then(Value::as_str);
    let record = match records::recorded(&line) {
        Some(Ok(record)) => record,
        Some(Err(expected)) => return unreadable(expected),
        None => {
            return match text("outcome") {
                Some("error") => Found::NoDecision,
                _ => unreadable("a key \"record\""),
            };
        }
    };
    let mut differs = Vec::new();
    if text("sha256").is_some_and(|stated| stated != open::hex(&Sha256::digest(&record))) {
        differs.push("sha256 is not the record's".to_owned());
    }
    if let Ok(decoded) = Record::decode(&record) {
        differs.extend(beside(&line, &decoded));
    }
    match replay(scorer, &record) {
        Found::Differs(more) => {
            differs.extend(more);
            Found::Differs(differs)
        }
        Found::Same(_) if !differs.is_empty() => Found::Differs(differs),
        other => other,
    }
}

/// What a line says beside its record, and the record does not.
fn beside(line: &serde_json::Map<String, Value>, record: &Record) -> Vec<String> {
    let decision = &record.decision;
    let probability = |ppm: u32| json!(f64::from(ppm) / 1e6);
    let others = decision.others.iter();
    let others: serde_json::Map<String, Value> = others
        .map(|(name, ppm)| (name.clone(), probability(*ppm)))
        .collect();
    let said = [
        ("id", json!(record.id)),
        ("as_of", json!(record.as_of.to_string())),
        ("score", json!(decision.score)),
        ("probability", probability(decision.probability_ppm)),
        ("probabilities", others.into()),
        ("outcome", json!(decision.outcome.name())),
        ("flags", decision.flags.names().collect::<Vec<_>>().into()),
    ];
    said.iter()
        .filter(|(key, own)| line.get(*key).is_some_and(|stated| stated != own))
        .map(|(key, _)| format!("{key} is not the record's"))
        .collect()
}

fn replay(scorer: &Scorer, record: &[u8]) -> Found {
    match scorer.replay(record) {
        Ok(replay) if replay.same => {
            let record = &replay.record;
            let challenger = record.additions.as_ref().and_then(|own| own.challenger);
            Found::Same(challenger.map(|own| (record.decision.outcome, own.shadow.outcome)))
        }
        Ok(replay) => Found::Differs(differences(&replay.record, &replay.again)),
        Err(error) if error.kind() == ErrorKind::BadRecord => {
            Found::Unreadable(error.expected().to_owned())
        }
        Err(error) if error.kind() == ErrorKind::WrongBundle => {
            Found::Differs(vec!["another bundle decided".to_owned()])
        }
        Err(error) => Found::Differs(vec![format!(
            "no decision comes out: {}: expected {} [{}]",
            error.place(),
            error.expected(),
            error.code()
        )]),
    }
}

/// What differs between a record and the one that came out.
fn differences(before: &Record<&str>, again: &[u8]) -> Vec<String> {
    let Ok(after) = Record::borrow(again) else {
        return vec!["the record's bytes".to_owned()];
    };
    let (was, is) = (&before.decision, &after.decision);
    let mut all = Vec::new();
    let mut compare = |what: &str, was: String, is: String| {
        if was != is {
            all.push(format!("{what} {was}, now {is}"));
        }
    };
    compare("score", was.score.to_string(), is.score.to_string());
    compare(
        "probability",
        words::percent(was.probability_ppm),
        words::percent(is.probability_ppm),
    );
    let others = |decision: &RecordDecision<&str>| {
        let all = decision.others.iter();
        let all = all.map(|(name, ppm)| format!("{name} {}", words::percent(*ppm)));
        all.collect::<Vec<_>>().join(", ")
    };
    compare("probabilities", others(was), others(is));
    compare("outcome", was.outcome.to_string(), is.outcome.to_string());
    compare(
        "flags",
        format!("{:?}", was.flags),
        format!("{:?}", is.flags),
    );
    compare("rules", was.rules.join(" "), is.rules.join(" "));
    if before.explanation != after.explanation {
        all.push("contributions or reasons".to_owned());
    }
    let (was, is) = (before.additions.as_ref(), after.additions.as_ref());
    if was.map(|own| (&own.terms, &own.trace)) != is.map(|own| (&own.terms, &own.trace)) {
        all.push("terms or rules tried".to_owned());
    }
    if was.map(|own| &own.alternatives) != is.map(|own| &own.alternatives) {
        all.push("alternatives".to_owned());
    }
    if was.map(|own| own.challenger) != is.map(|own| own.challenger) {
        all.push("what the challenger said".to_owned());
    }
    if all.is_empty() {
        all.push("the record's bytes, not what they say: they are not canonical".to_owned());
    }
    all
}

/// Counts and lists.
struct Report {
    sink: Sink,
    json: bool,
    progress: Progress,
    name: String,
    same: u64,
    differ: u64,
    unreadable: u64,
    undecided: u64,
    /// Overrides by the record that they are of, and how many have been held against theirs.
    overrides: Overrides,
    overridden: u64,
    /// How many have been scored in shadow, by their outcome and the challenger's.
    shadow: BTreeMap<(Outcome, Outcome), u64>,
}

impl Report {
    fn new(args: &ReplayArgs) -> Result<Self> {
        Ok(Self {
            overrides: read_overrides(&args.overrides)?,
            overridden: 0,
            sink: Sink::stdout(),
            json: args.json,
            progress: Progress::bytes(None),
            name: args.records.display().to_string(),
            same: 0,
            differ: 0,
            unreadable: 0,
            undecided: 0,
            shadow: BTreeMap::new(),
        })
    }

    /// Lists the overrides of a record, those that came beside it too, each held against it.
    fn overridden(
        &mut self,
        scorer: &Scorer,
        (unit, number): (&str, u64),
        record: &[u8],
        beside: Vec<std::result::Result<Vec<u8>, &'static str>>,
    ) -> Result<()> {
        let hash: [u8; 32] = Sha256::digest(record).into();
        let given = self.overrides.remove(&hash).unwrap_or_default();
        let given = given
            .into_iter()
            .map(|(path, bytes)| (path.display().to_string(), Ok(bytes)));
        let beside = beside
            .into_iter()
            .map(|bytes| ("an override beside it".to_owned(), bytes));
        for (place, bytes) in given.chain(beside) {
            let found = bytes.map_err(str::to_owned).and_then(|bytes| {
                let found = scorer.check_override(record, &bytes);
                found.map_err(|error| error.expected().to_owned())
            });
            let found = match found {
                Ok(found) => found,
                Err(expected) => {
                    let details = format!("{place}: expected {expected}");
                    self.add(unit, number, Found::Differs(vec![details]))?;
                    continue;
                }
            };
            self.overridden += 1;
            let text = match self.json {
                true => format!(
                    "{}\n",
                    json!({
                        unit: number, "state": "overridden", "by": found.by,
                        "outcome": found.outcome.name(), "reason": found.reason,
                        "as_of": found.as_of.to_string(),
                    })
                ),
                false => format!(
                    "{}, {unit} {number}: overridden: {}\n",
                    self.name,
                    overrides::in_words(scorer, &found, "")
                ),
            };
            self.write(&text)?;
        }
        Ok(())
    }

    fn closed(&self) -> bool {
        self.sink.is_closed()
    }

    fn add(&mut self, unit: &str, number: u64, found: Found) -> Result<()> {
        let (state, details) = match found {
            Found::Same(shadow) => {
                self.same += 1;
                if let Some(outcomes) = shadow {
                    *self.shadow.entry(outcomes).or_default() += 1;
                }
                if !output::stdout_is_terminal() {
                    let same = self.same;
                    self.progress.at(same, || format!("{same} records"));
                }
                return Ok(());
            }
            Found::NoDecision => {
                self.undecided += 1;
                return Ok(());
            }
            Found::Differs(details) => {
                self.differ += 1;
                ("differs", details)
            }
            Found::Unreadable(expected) => {
                self.unreadable += 1;
                ("unreadable", vec![format!("expected {expected}")])
            }
        };
        let text = match self.json {
            true => format!(
                "{}\n",
                json!({ unit: number, "state": state, "details": details })
            ),
            false => format!(
                "{}, {unit} {number}: {state}: {}\n",
                self.name,
                details.join("; ")
            ),
        };
        self.write(&text)
    }

    /// What a challenger said of the records that are the same.
    fn in_shadow(&self) -> String {
        if self.shadow.is_empty() {
            return String::new();
        }
        let all = self.shadow.values().sum();
        let other = self.shadow.iter().filter(|((own, said), _)| own != said);
        let other =
            other.map(|((own, said), count)| format!(", {count} {own} where it says {said}"));
        format!(
            "challenger: {} scored in shadow{}\n",
            words::count(all, "record", "records"),
            other.collect::<String>()
        )
    }

    fn write(&mut self, text: &str) -> Result<()> {
        use std::io::Write;
        let error = self.sink.error();
        self.sink.write_all(text.as_bytes()).map_err(error)
    }

    fn end(mut self) -> Result<Exit> {
        self.progress.finish();
        let mut stray: Vec<PathBuf> = std::mem::take(&mut self.overrides)
            .into_values()
            .flatten()
            .map(|(path, _)| path)
            .collect();
        stray.sort();
        for path in stray {
            self.unreadable += 1;
            say::warn(format!(
                "{}: an override of none of these records",
                path.display()
            ));
        }
        let all = self.same + self.differ + self.unreadable;
        let text = match self.json {
            true => {
                let counts = json!({
                    "records": all,
                    "same": self.same,
                    "differ": self.differ,
                    "unreadable": self.unreadable,
                    "error_rows": self.undecided,
                    "overridden": self.overridden,
                    "challenger": self.shadow.iter().map(|((own, challenger), count)| {
                        json!({ "outcome": own.name(), "challenger": challenger.name(), "records": count })
                    }).collect::<Vec<_>>(),
                });
                format!("{counts}\n")
            }
            false => format!(
                "{}: {} the same, {} differ, {} unreadable{}{}\n{}",
                words::count(all, "record", "records"),
                self.same,
                self.differ,
                self.unreadable,
                match self.undecided {
                    0 => String::new(),
                    rows => format!("; {} without a decision", words::count(rows, "row", "rows")),
                },
                match self.overridden {
                    0 => String::new(),
                    some => format!("; {some} overridden"),
                },
                self.in_shadow()
            ),
        };
        self.write(&text)?;
        let error = self.sink.error();
        std::io::Write::flush(&mut self.sink).map_err(error)?;
        if all == 0 {
            say::warn(format!("{} holds no records", self.name));
        }
        Ok(match (self.differ, self.unreadable) {
            (0, 0) => Exit::Done,
            (0, _) => Exit::BadInput,
            _ => Exit::Failed,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::applications::{Answer, Batch, JsonlResults, sample};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    fn lines_of(text: &str, explain: bool) -> Vec<Value> {
        let scorer = sample::scorer();
        let schema = std::sync::Arc::clone(scorer.schema());
        let source = Source::new("in.csv", std::io::Cursor::new(text.as_bytes().to_vec())).unwrap();
        let mut reader =
            crate::applications::Reader::new(source, None, schema, sample::options()).unwrap();
        let mut batch = Batch::default();
        reader.fill(&mut batch).unwrap();
        let mut out = Vec::new();
        let mut results = JsonlResults::new(&mut out, "en");
        for row in batch.rows() {
            let application = match &row.application {
                Ok(at) => &batch.applications()[*at],
                Err(error) => {
                    let answer = Answer::Error(error);
                    results
                        .write(&scorer, "in.csv", &batch, row, answer)
                        .unwrap();
                    continue;
                }
            };
            let decision = scorer.score(application).unwrap();
            let explanation = scorer.explain(application).unwrap();
            let answer = match explain {
                true => Answer::Explained(application, &explanation, None),
                false => Answer::Decided(application, &decision),
            };
            results
                .write(&scorer, "in.csv", &batch, row, answer)
                .unwrap();
        }
        let text = String::from_utf8(out).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    const ROWS: &str = "id,income,rate,home\nA,1500,9.5,rent\nB,x,1,rent\nC,9000,,boat\n";

    fn state(line: &Value) -> String {
        match one_line(&sample::scorer(), line.to_string().as_bytes()) {
            Found::Same(_) => "same".to_owned(),
            Found::NoDecision => "error row".to_owned(),
            Found::Differs(details) => details.join("; "),
            Found::Unreadable(expected) => format!("unreadable: {expected}"),
        }
    }

    #[test]
    fn what_score_wrote_comes_out_again() {
        for explain in [false, true] {
            let states: Vec<String> = lines_of(ROWS, explain).iter().map(state).collect();
            assert_eq!(states, ["same", "error row", "same"]);
        }
    }

    #[test]
    fn what_was_changed_is_named() {
        let line = lines_of(ROWS, false).swap_remove(0);
        let mut other = line.clone();
        other["score"] = json!(line["score"].as_i64().unwrap() + 1);
        other["sha256"] = json!("00");
        let found = state(&other);
        assert!(
            found.contains("score is not") && found.contains("sha256 is not"),
            "{found}"
        );
        let mut record = STANDARD.decode(line["record"].as_str().unwrap()).unwrap();
        let at = record.len() - 1;
        record[at] ^= 0x20;
        other["record"] = json!(STANDARD.encode(&record));
        assert!(state(&other).contains("unreadable"), "{}", state(&other));
        other["record"] = json!("&&");
        assert!(state(&other).contains("base64"));
        assert!(state(&json!([1])).contains("JSON object"));
        assert!(state(&json!({"id": "A"})).contains("record"));
    }

    #[test]
    fn overrides_beside_a_record_are_held_against_it() {
        let scorer = sample::scorer();
        let line = lines_of(ROWS, false).swap_remove(0);
        let record = STANDARD.decode(line["record"].as_str().unwrap()).unwrap();
        let made = Override {
            record: Sha256::digest(&record).into(),
            by: "T-17".to_owned(),
            outcome: Outcome::Refer,
            reason: "O1".to_owned(),
            as_of: sample::day(),
        };
        let mut with = line.clone();
        with["overrides"] = json!([STANDARD.encode(made.encode()), "&&", 7]);
        let beside = records::overrides_of_line(with.to_string().as_bytes());
        assert_eq!(
            beside,
            [
                Ok(made.encode()),
                Err("overrides in base64"),
                Err("overrides in base64")
            ]
        );
        assert!(records::overrides_of_line(line.to_string().as_bytes()).is_empty());
        // The sample bundle lists no reasons, so none of them holds.
        let args = ReplayArgs {
            bundle: BundleArgs {
                bundle: PathBuf::new(),
                keys: Vec::new(),
            },
            records: PathBuf::from("in"),
            overrides: Vec::new(),
            json: true,
        };
        let mut report = Report::new(&args).unwrap();
        report
            .overridden(&scorer, ("line", 1), &record, beside)
            .unwrap();
        assert_eq!((report.overridden, report.differ), (0, 3));
    }

    #[test]
    fn a_changed_value_changes_the_decision() {
        let line = lines_of(ROWS, false).swap_remove(0);
        let record = STANDARD.decode(line["record"].as_str().unwrap()).unwrap();
        // 1500 as CBOR is 19 05 dc; 500 is 19 01 f4.
        let at = record
            .windows(3)
            .position(|w| w == [0x19, 0x05, 0xdc])
            .unwrap();
        let mut changed = record.clone();
        changed[at + 1..at + 3].copy_from_slice(&[0x01, 0xf4]);
        match replay(&sample::scorer(), &changed) {
            Found::Differs(details) => assert!(details[0].starts_with("score "), "{details:?}"),
            _ => unreachable!("the same decision for another income"),
        }
    }
}

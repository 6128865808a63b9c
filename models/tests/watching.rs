//! Watching a bundle in the field, on the credit data: what devices count, how often a report alarms where nothing
//! has moved, and that it does where something has.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "tests: what goes wrong fails the test, and what was measured is shown"
)]

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;
use std::sync::OnceLock;

use common::{command, root, text};
use fieldscore_cli::drift::Thresholds;
use fieldscore_models::build::build;
use fieldscore_models::data::{Part, Reading, parts};
use fieldscore_models::keys::Signing;
use fieldscore_models::recipe::{self, Loaded};
use fieldscore_runtime::bundle::container::SectionKind;
use fieldscore_runtime::schema::FieldKind;
use fieldscore_runtime::watch::{Histogram, Summary, counted};
use fieldscore_runtime::{Application, Decision, Scorer};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The credit bundle, made once.
fn bundle() -> &'static [u8] {
    static BUNDLE: OnceLock<Vec<u8>> = OnceLock::new();
    BUNDLE.get_or_init(|| {
        let key = Signing::development();
        let built = build(&root().join("models/zoo/credit"), &key, &mut |_| {}).unwrap();
        built.bundle.unwrap()
    })
}

fn scorer() -> Scorer {
    Scorer::open(bundle(), &[Signing::development().public()]).unwrap()
}

/// The rows of these parts, decided.
fn decided(scorer: &Scorer, of: &[Part]) -> Vec<(Application, Decision)> {
    let Loaded { recipe, .. } = recipe::load(&root().join("models/zoo/credit")).unwrap();
    let (table, parts) = parts(&recipe).unwrap();
    let rows: Vec<usize> = (0..parts.len())
        .filter(|&at| of.contains(&parts[at]))
        .collect();
    let reading = Reading::of(&recipe).unwrap();
    let applications = reading
        .applications(&table.select(&rows), scorer.schema())
        .unwrap();
    let score = |application: Application| {
        let decision = scorer.score(&application).unwrap();
        (application, decision)
    };
    applications.into_iter().map(score).collect()
}

const TRAINING: &[Part] = &[Part::Train];
const HELD_OUT: &[Part] = &[Part::Validation, Part::Test];

/// Of 500 devices that each decide `size` applications drawn from these, the share whose report alarms, and what
/// the alarms were of.
fn alarms(
    scorer: &Scorer,
    from: &[(Application, Decision)],
    size: usize,
) -> (f64, BTreeSet<usize>) {
    let none = Summary::new(scorer).unwrap();
    let thresholds = Thresholds::new(none.histogram(), size as u64);
    let mut random = ChaCha8Rng::seed_from_u64(4711);
    let (mut count, mut of) = (0, BTreeSet::new());
    for _ in 0..500 {
        let mut summary = none.clone();
        for _ in 0..size {
            let (application, decision) = &from[random.next_u64() as usize % from.len()];
            summary.add(application, decision).unwrap();
        }
        assert_eq!(summary.decisions(), size as u64);
        let lists = thresholds.compare(&summary);
        let moved: Vec<usize> = (0..lists.len()).filter(|&at| lists[at].alarms()).collect();
        count += usize::from(!moved.is_empty());
        of.extend(moved);
    }
    (count as f64 / 500.0, of)
}

#[test]
fn the_histogram_is_the_training_parts_and_shows_nobody() {
    let scorer = scorer();
    let section = scorer.section(SectionKind::HISTOGRAM).unwrap();
    assert!(section.len() < 3072, "{} bytes", section.len());
    let histogram = Histogram::of(&scorer).unwrap();
    let rows = decided(&scorer, TRAINING);
    let mut naive: Vec<Vec<u32>> = histogram.counts.iter().map(|l| vec![0; l.len()]).collect();
    for (application, decision) in &rows {
        histogram.count(application, decision, &mut naive);
    }
    let (mut edges, mut hidden) = (0, 0);
    for (list, (counts, naive)) in histogram.counts.iter().zip(&naive).enumerate() {
        for (count, naive) in counts.iter().zip(naive) {
            // What fewer than twenty people have in common is not said more closely than that.
            match (1..20).contains(naive) {
                true => assert_eq!(*count, 10, "list {list}"),
                false => assert_eq!(count, naive, "list {list}"),
            }
            hidden += usize::from((1..20).contains(naive));
        }
    }
    assert!(hidden > 0);
    for (index, field) in scorer.schema().fields().iter().enumerate() {
        let (places, counts) = (&histogram.places[index], &histogram.counts[index]);
        if field.kind.is_numeric() {
            let bins = &counts[..counts.len() - 2];
            assert!(bins.iter().all(|&count| count >= 20), "{}", field.name);
            edges += places.len();
            for edge in places {
                let digits = edge.unsigned_abs().to_string();
                assert!(
                    digits[2.min(digits.len())..].chars().all(|c| c == '0'),
                    "{edge}"
                );
            }
        } else if let FieldKind::Category { codes } = &field.kind {
            assert_eq!(places.len(), codes.len());
        }
    }
    assert!(edges > 20, "{edges}");
}

#[test]
fn one_report_in_twenty_alarms_at_most_where_nothing_has_moved() {
    let scorer = scorer();
    let training = decided(&scorer, TRAINING);
    let held_out = decided(&scorer, HELD_OUT);
    for size in [50, 100, 400] {
        let (share, of) = alarms(&scorer, &training, size);
        println!(
            "training part, {size} decisions: {:.1} % {of:?}",
            share * 100.0
        );
        assert!(share <= 0.05, "{size}: {share} {of:?}");
    }
    // Rows that the histogram has not seen.
    let (share, of) = alarms(&scorer, &held_out, 100);
    println!("held out, 100 decisions: {:.1} % {of:?}", share * 100.0);
    assert!(share <= 0.05, "{share} {of:?}");
}

#[test]
fn a_population_that_has_moved_alarms() {
    let scorer = scorer();
    let income = scorer.schema().index_of("income").unwrap();
    let mut rows = decided(&scorer, HELD_OUT);
    let middle = median(&rows, income);
    rows.retain(|(application, _)| {
        counted(application, income).is_some_and(|value| value < middle)
    });
    let (share, of) = alarms(&scorer, &rows, 100);
    println!(
        "lower half of incomes, 100 decisions: {:.1} % {of:?}",
        share * 100.0
    );
    assert!(share > 0.95 && of.contains(&income), "{share} {of:?}");
}

/// The median of a field.
fn median(rows: &[(Application, Decision)], index: usize) -> i64 {
    let values = rows.iter();
    let values = values.filter_map(|(row, _)| counted(row, index));
    let mut values: Vec<i64> = values.collect();
    values.sort_unstable();
    values[values.len() / 2]
}

/// A folder with the golden bundle and the zoo's sample of applications, where the command runs.
fn desk() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in [
        ("tests/golden/families/watched/watched.fsb", "credit.fsb"),
        ("models/zoo/credit/applications.csv", "applications.csv"),
        ("models/zoo/credit/data.csv", "data.csv"),
        ("tests/golden/credit/credit.fsb", "before.fsb"),
    ] {
        std::fs::copy(root().join(from), folder.path().join(to)).unwrap();
    }
    folder
}

/// Runs a command line of `fieldscore` in a folder.
fn run(folder: &Path, line: &str) -> Output {
    let mut words = line.split(' ');
    assert_eq!(words.next(), Some("fieldscore"));
    let mut command = command(words);
    command.current_dir(folder).env("COLUMNS", "80");
    command.output().unwrap()
}

/// Runs it and gives its stdout; it must end with this status.
fn out(folder: &Path, status: i32, line: &str) -> String {
    let output = run(folder, line);
    assert_eq!(
        output.status.code(),
        Some(status),
        "{line}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

#[test]
fn the_page_has_what_the_command_prints() {
    const BEGIN: &str = "<!-- made by models/tests/watching.rs -->\n";
    let score =
        "fieldscore score credit.fsb applications.csv -o decisions.csv --summary branch-1.summary";
    let summary = "fieldscore summary credit.fsb branch-1.summary";
    let desk = desk();
    assert_eq!(out(desk.path(), 0, score), "");
    let report = out(desk.path(), 1, summary);
    let made = format!("```\n$ {score}\n$ {summary}\n{report}```\n");
    common::hold_part("watching.md", BEGIN, &made);
}

#[test]
fn summaries_of_many_devices_become_one_report() {
    let desk = desk();
    let at = desk.path();
    for branch in ["1", "2", "1"] {
        let line = format!(
            "fieldscore score credit.fsb data.csv --as-of 2026-09-01 -o d.csv --explain --summary {branch}.summary"
        );
        out(at, 0, &line);
    }
    let line = "fieldscore summary credit.fsb 1.summary 2.summary -o all/merged.summary --json";
    let report: serde_json::Value = serde_json::from_str(&out(at, 0, line)).unwrap();
    let rows = 4454;
    assert_eq!(report["decisions"], 3 * rows);
    assert_eq!(report["summaries"], 2);
    assert_eq!(report["alarm"], false);
    assert_eq!(report["fields"].as_array().unwrap().len(), 11);
    for list in report["fields"].as_array().unwrap() {
        let now = list["now"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_u64().unwrap());
        assert_eq!(now.sum::<u64>(), 3 * rows, "{}", list["name"]);
    }
    // What is merged merges on.
    let again = out(
        at,
        0,
        "fieldscore summary credit.fsb all/merged.summary --json",
    );
    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
    for part in ["decisions", "fields", "score", "outcome"] {
        assert_eq!(again[part], report[part]);
    }
    // 24 more on top.
    let line = "fieldscore score credit.fsb applications.csv -o d.csv --summary all/merged.summary";
    let output = run(at, line);
    assert!(text(&output.stderr).contains("summary all/merged.summary: 13386 decisions\n"));
}

#[test]
fn what_is_no_summary_of_the_bundle_is_named() {
    let desk = desk();
    let at = desk.path();
    std::fs::write(at.join("cut.summary"), b"\x87\x01").unwrap();
    let wrong = |line: &str, parts: &[&str]| {
        let output = run(at, line);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        for part in parts {
            assert!(said.contains(part), "{line}: {part} in {said}");
        }
        assert_eq!(text(&output.stdout), "");
    };
    wrong(
        "fieldscore summary credit.fsb cut.summary",
        &["cut.summary", "summary.malformed"],
    );
    wrong(
        "fieldscore summary credit.fsb none.summary",
        &["none.summary", "exists"],
    );
    let score = "fieldscore score before.fsb applications.csv -o d.csv --summary own.summary";
    wrong(score, &["section HIST", "histogram of its training part"]);
    assert!(!at.join("own.summary").exists());
    // The same recipe, built again with another sequence number.
    let zoo = root().join("models/zoo/credit");
    std::fs::write(
        at.join("recipe.toml"),
        format!(
            "extends = [{:?}]\n[product]\nsequence = 2\n",
            zoo.join("recipe.toml")
        ),
    )
    .unwrap();
    out(at, 0, "fieldscore build recipe.toml -o next.fsb");
    out(
        at,
        0,
        "fieldscore score next.fsb applications.csv -o d.csv --summary next.summary",
    );
    wrong(
        "fieldscore summary credit.fsb next.summary",
        &["next.summary", "application.bundle", "summaries of its own"],
    );
    // Built without one.
    std::fs::write(
        at.join("recipe.toml"),
        format!(
            "extends = [{:?}]\n[data]\nhistogram = false\n",
            zoo.join("recipe.toml")
        ),
    )
    .unwrap();
    out(at, 0, "fieldscore build recipe.toml -o before.fsb");
    wrong(score, &["section HIST"]);
    // Nineteen decisions are kept, and said to be for this device.
    let rows = std::fs::read_to_string(at.join("applications.csv")).unwrap();
    let few: Vec<&str> = rows.lines().take(20).collect();
    std::fs::write(at.join("few.csv"), few.join("\n")).unwrap();
    let output = run(
        at,
        "fieldscore score credit.fsb few.csv -o d.csv --summary few.summary",
    );
    assert!(text(&output.stderr).contains("19 decisions; keep it here until it has 20"));
}

//! A challenger on the credit data: built into a bundle, scored in shadow, shown in `docs/challenger.md`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests: what goes wrong fails the test"
)]

mod common;

use std::sync::OnceLock;

use common::{extending, fieldscore, folder, hold_part, root, text};

const APPLICATIONS: &str = "models/zoo/credit/applications.csv";

/// What a command that must succeed prints.
fn printed(line: &str) -> String {
    let output = fieldscore(line);
    assert!(output.status.success(), "{line}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// A file of the tests' own folder, as a recipe names it.
fn own(name: &str) -> String {
    format!("bundle = {:?}\n", folder().join(name).display().to_string())
}

/// Builds the zoo's trial with more lines in its `[challenger]`.
fn trial(name: &str, more: &str) -> std::process::Output {
    let base = root().join("models/zoo/credit/trial.toml");
    let recipe = extending(&base, name, &format!("[challenger]\n{more}"));
    fieldscore(&format!("build {recipe} -o {name}.fsb"))
}

/// Makes `challenger.fsb` and `trial.fsb`.
fn built() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        printed("build models/zoo/credit/challenger -o challenger.fsb");
        let output = trial("trial", &own("challenger.fsb"));
        assert!(output.status.success(), "{}", text(&output.stderr));
    });
}

#[test]
fn the_page_shows_what_the_commands_print() {
    built();
    let scored = printed(&format!("score trial.fsb {APPLICATIONS} --format csv"));
    let mut rows = csv::Reader::from_reader(scored.as_bytes());
    let names = rows.headers().unwrap().clone();
    let at = |name: &str| names.iter().position(|own| own == name).unwrap();
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    let assigned = |row: &&csv::StringRecord| !row[at("challenger_outcome")].is_empty();
    let count = rows.iter().filter(assigned).count();
    let share = count as f64 / rows.len() as f64;
    assert!((share - 0.2).abs() < 0.15, "{count} of {}", rows.len());
    let differs = |row: &csv::StringRecord| row[at("challenger_outcome")] != row[at("outcome")];
    let mut trial = rows.iter().enumerate();
    let (first, _) = trial
        .find(|(_, row)| assigned(row) && differs(row))
        .unwrap();
    let first = first + 1;

    let shown = [
        "id",
        "score",
        "challenger_score",
        "challenger_outcome",
        "outcome",
    ];
    let mut table = shown.join(",") + "\n";
    for row in rows.iter().take(8) {
        table += &(shown.map(|name| &row[at(name)]).join(",") + "\n");
    }
    let records = folder().join("records.jsonl").display().to_string();
    let all = "tests/golden/credit/applications.csv";
    printed(&format!(
        "score trial.fsb {all} --format jsonl -o {records}"
    ));
    let replayed = printed(&format!("replay trial.fsb {records}"));
    let replayed = replayed.trim_end();
    let explain = format!("explain trial.fsb {APPLICATIONS} --row {first}");
    let explained = printed(&explain);
    let head = explained.split("\nReasons").next().unwrap().trim_end();
    let inspected = printed("inspect trial.fsb");
    let challenger = inspected.lines().find(|line| line.contains("challenger "));
    let challenger = challenger.unwrap();
    // The id of a bundle follows its card, and that the version of its writer.
    let (before, id) = challenger.split_once('(').unwrap();
    let (_, after) = id.split_once(')').unwrap();
    let made = format!(
        "```console
$ fieldscore build models/zoo/credit/challenger -o models/zoo/credit/challenger.fsb
$ fieldscore build models/zoo/credit/trial.toml -o trial.fsb
$ fieldscore inspect trial.fsb | grep challenger
{before}(…){after}
```

Some columns of `fieldscore score trial.fsb {APPLICATIONS}`; of its {} rows {count} are in the trial:

```csv
{table}```

```console
$ fieldscore {explain}
{head}
```

`replay` counts what the records of a trial say, here of generated applications:

```console
$ fieldscore score trial.fsb {all} --format jsonl -o records.jsonl
$ fieldscore replay trial.fsb records.jsonl
{replayed}
```
",
        rows.len()
    );
    hold_part("challenger.md", "<!-- begin -->\n", &made);
}

#[test]
fn the_champion_decides_as_without_a_challenger() {
    built();
    printed("build models/zoo/credit -o alone.fsb");
    let decided = |bundle: &str| {
        let scored = printed(&format!("score {bundle} {APPLICATIONS} --format csv"));
        let mut rows = csv::Reader::from_reader(scored.as_bytes());
        let names = rows.headers().unwrap().clone();
        let champion = |at: &usize| !names[*at].starts_with("challenger_");
        let columns: Vec<usize> = (0..names.len()).filter(champion).collect();
        rows.records()
            .map(|row| {
                let row = row.unwrap();
                columns
                    .iter()
                    .map(|&at| row[at].to_owned())
                    .collect::<Vec<_>>()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(decided("trial.fsb"), decided("alone.fsb"));
    // And its model is the same, byte for byte.
    let compared = printed(&format!(
        "compare alone.fsb trial.fsb {APPLICATIONS} --json"
    ));
    let compared: serde_json::Value = serde_json::from_str(&compared).unwrap();
    let sections = compared["sections"].as_array().unwrap();
    for name in ["SCHM", "TRNS", "PLAN", "WGTS", "DCDE", "PLCY"] {
        let section = sections.iter().find(|own| own["name"] == name).unwrap();
        assert_eq!(section["same"], true, "{name}");
    }
    let card = printed("card trial.fsb");
    assert!(card.contains("Challenger") && card.contains("credit-challenger"));
    assert!(!printed("card alone.fsb").contains("Challenger"));
    let changes = compared["changes"].to_string();
    assert!(changes.contains("challenger"), "{changes}");
}

#[test]
fn what_cannot_be_a_challenger_is_refused_by_place() {
    built();
    let credit = root().join("models/zoo/credit/recipe.toml");
    let other = extending(&credit, "other", "[fields.income]\nunit = \"other\"\n");
    printed(&format!("build {other} -o other.fsb"));
    let data = root().join("models/zoo/credit/data.csv");
    let data = format!("bundle = {:?}\n", data.display().to_string());
    let sound = own("challenger.fsb");
    for (name, lines, place) in [
        (
            "none-of-them",
            format!("{sound}share = 0\n"),
            "challenger.share",
        ),
        (
            "too-many",
            format!("{sound}share = 1.5\n"),
            "challenger.share",
        ),
        ("no-key", format!("{sound}key = \"\"\n"), "challenger.key"),
        ("other-fields", own("other.fsb"), "challenger.bundle"),
        ("no-file", own("missing.fsb"), "missing.fsb"),
        ("no-bundle", data, "challenger.bundle"),
        ("nested", own("trial.fsb"), "challenger.bundle"),
    ] {
        let output = trial(name, &lines);
        let talk = text(&output.stderr);
        assert!(!output.status.success(), "{name}");
        assert!(talk.contains(place), "{name}: {talk}");
    }
}

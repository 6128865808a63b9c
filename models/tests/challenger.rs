//! A challenger on the credit data: built into a bundle, scored in shadow, shown in `docs/challenger.md`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests: what goes wrong fails the test"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn credit(name: &str) -> String {
    let path = root().join("models/zoo/credit").join(name);
    path.canonicalize().unwrap().display().to_string()
}

fn fieldscore(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fieldscore"))
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What a command that must succeed prints.
fn printed(folder: &Path, arguments: &[&str]) -> String {
    let output = fieldscore(folder, arguments);
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {talk}");
    String::from_utf8(output.stdout).unwrap()
}

/// Builds a recipe of these lines in the folder.
fn build(folder: &Path, name: &str, recipe: &str) -> Output {
    let path = folder.join(format!("{name}.toml"));
    std::fs::write(&path, recipe).unwrap();
    let bundle = format!("{name}.fsb");
    fieldscore(
        folder,
        &["build", &path.display().to_string(), "-o", &bundle],
    )
}

/// A recipe of the zoo, whose challenger is the one in the folder.
fn trial(folder: &Path) -> String {
    format!(
        "extends = [{:?}]\n[challenger]\nbundle = {:?}\n",
        credit("trial.toml"),
        folder.join("challenger.fsb").display().to_string()
    )
}

/// A folder with `challenger.fsb` and `trial.fsb`.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let challenger = credit("challenger");
        printed(
            folder.path(),
            &["build", &challenger, "-o", "challenger.fsb"],
        );
        let built = build(folder.path(), "trial", &trial(folder.path()));
        let talk = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{talk}");
        folder
    });
    made.path()
}

#[test]
fn the_page_shows_what_the_commands_print() {
    let applications = credit("applications.csv");
    let score = ["score", "trial.fsb", &applications, "--format", "csv"];
    let scored = printed(folder(), &score);
    let mut rows = csv::Reader::from_reader(scored.as_bytes());
    let names = rows.headers().unwrap().clone();
    let at = |name: &str| names.iter().position(|own| own == name).unwrap();
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    let column = at("challenger_outcome");
    let assigned = rows.iter().filter(|row| !row[column].is_empty());
    let count = assigned.clone().count();
    let share = count as f64 / rows.len() as f64;
    assert!((share - 0.2).abs() < 0.15, "{count} of {}", rows.len());
    let first = rows.iter().position(|row| !row[column].is_empty()).unwrap() + 1;

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
    let explained = printed(
        folder(),
        &[
            "explain",
            "trial.fsb",
            &applications,
            "--row",
            &first.to_string(),
        ],
    );
    let head: Vec<&str> = explained
        .lines()
        .take_while(|line| !line.starts_with("Reasons"))
        .collect();
    let inspected = printed(folder(), &["inspect", "trial.fsb"]);
    let challenger = inspected
        .lines()
        .find(|line| line.contains("challenger "))
        .unwrap();
    // The bundle's id follows the sections, and these their writer's version.
    let at_id = challenger.find('(').unwrap();
    let challenger = format!(
        "{}(…{}",
        &challenger[..at_id],
        &challenger[challenger.find(')').unwrap()..]
    );
    let written = [
        "```console\n$ fieldscore build models/zoo/credit/challenger -o models/zoo/credit/challenger.fsb".to_owned(),
        "$ fieldscore build models/zoo/credit/trial.toml -o trial.fsb".to_owned(),
        format!("$ fieldscore inspect trial.fsb | grep challenger\n{challenger}\n```\n"),
        format!(
            "Columns of `fieldscore score trial.fsb models/zoo/credit/applications.csv`, whose {} rows have {count} in the trial:\n",
            rows.len()
        ),
        format!("```csv\n{table}```\n"),
        format!(
            "```console\n$ fieldscore explain trial.fsb models/zoo/credit/applications.csv --row {first}\n{}\n```",
            head.join("\n").trim_end()
        ),
    ]
    .join("\n");
    let page = root().join("docs/challenger.md");
    let old = std::fs::read_to_string(&page).unwrap();
    let (head, rest) = old.split_once("<!-- begin -->").unwrap();
    let (_, tail) = rest.split_once("<!-- end -->").unwrap();
    let new = format!("{head}<!-- begin -->\n\n{written}\n\n<!-- end -->{tail}");
    if new != old {
        std::fs::write("/tmp/challenger.md", &new).unwrap();
        panic!("docs/challenger.md is not what the commands print: copy /tmp/challenger.md there");
    }
}

#[test]
fn the_champion_decides_as_without_a_challenger() {
    let applications = credit("applications.csv");
    let folder = folder();
    let built = build(
        folder,
        "alone",
        &format!("extends = [{:?}]\n", credit("recipe.toml")),
    );
    assert!(built.status.success());
    let decided = |bundle: &str| {
        let scored = printed(folder, &["score", bundle, &applications, "--format", "csv"]);
        let mut rows = csv::Reader::from_reader(scored.as_bytes());
        let names = rows.headers().unwrap().clone();
        let own: Vec<usize> = (0..names.len())
            .filter(|&at| !names[at].starts_with("challenger_"))
            .collect();
        rows.records()
            .map(|row| {
                let row = row.unwrap();
                own.iter().map(|&at| row[at].to_owned()).collect::<Vec<_>>()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(decided("trial.fsb"), decided("alone.fsb"));
    let inspect = |bundle: &str| printed(folder, &["inspect", bundle, "--json"]);
    let sections = |bundle: &str| {
        let all: serde_json::Value = serde_json::from_str(&inspect(bundle)).unwrap();
        let sections = all["sections"].as_array().unwrap().clone();
        let same = ["SCHM", "TRNS", "PLAN", "WGTS", "DCDE", "PLCY"];
        let of = |name: &&str| {
            let own = sections.iter().find(|own| own["kind"] == **name).unwrap();
            own["sha256"].clone()
        };
        same.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(sections("trial.fsb"), sections("alone.fsb"));
    let compared = printed(folder, &["compare", "alone.fsb", "trial.fsb"]);
    assert!(compared.contains("challenger"), "{compared}");
}

#[test]
fn what_cannot_be_a_challenger_is_refused_by_place() {
    let folder = folder();
    let own = trial(folder);
    let other = format!(
        "extends = [{:?}]\n[fields.income]\nunit = \"other\"\n",
        credit("recipe.toml")
    );
    assert!(build(folder, "other", &other).status.success());
    for (name, lines, place) in [
        ("share", "share = 0\n".to_owned(), "challenger.share"),
        ("more", "share = 1.5\n".to_owned(), "challenger.share"),
        ("key", "key = \"\"\n".to_owned(), "challenger.key"),
        (
            "fields",
            format!(
                "bundle = {:?}\n",
                folder.join("other.fsb").display().to_string()
            ),
            "challenger.bundle",
        ),
        (
            "none",
            format!(
                "bundle = {:?}\n",
                folder.join("none.fsb").display().to_string()
            ),
            "none.fsb",
        ),
        (
            "csv",
            format!("bundle = {:?}\n", credit("data.csv")),
            "challenger.bundle",
        ),
        (
            "nested",
            format!(
                "bundle = {:?}\n",
                folder.join("trial.fsb").display().to_string()
            ),
            "challenger.bundle",
        ),
    ] {
        let lines = match lines.starts_with("bundle") {
            true => format!(
                "extends = [{:?}]\n[challenger]\n{lines}",
                credit("trial.toml")
            ),
            false => format!("{own}{lines}"),
        };
        let output = build(folder, name, &lines);
        let talk = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{name}");
        assert!(talk.contains(place), "{name}: {talk}");
    }
}

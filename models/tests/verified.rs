//! `docs/models.md` says what is verified of which family: its table is made from `about.toml` beside the
//! fixtures of each family and beside each reference model, and every test that it names exists.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests: what goes wrong fails the test"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// What an `about.toml` says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    row: Vec<Row>,
}

/// A row of the table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// What people call the family.
    family: String,
    /// What wrote the models, with its version.
    source: String,
    /// The folders that hold them, of a family.
    #[serde(default)]
    cases: Vec<String>,
    /// What the tests hold, and how closely.
    verified: String,
    /// `file::name` of each test; none where what is verified is "nothing yet".
    tests: Vec<String>,
}

const BEGIN: &str = "<!-- what is verified: made by models/tests/verified.rs -->\n";
const END: &str = "<!-- end -->\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The names of the folders in a folder.
fn folders(path: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

/// The rows of all families and reference models.
fn rows() -> Vec<Row> {
    let mut all = Vec::new();
    for (parent, has_cases) in [("tests/families", true), ("models/zoo", false)] {
        let parent = root().join(parent);
        for name in folders(&parent) {
            let folder = parent.join(name);
            let path = folder.join("about.toml");
            let about: About =
                toml::from_str(&text(&path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            if has_cases {
                let named = about.row.iter().flat_map(|row| &row.cases);
                let mut named: Vec<String> = named.cloned().collect();
                named.sort();
                let found: Vec<String> = folders(&folder).into_iter().collect();
                assert_eq!(named, found, "the cases of {}", path.display());
            }
            all.extend(about.row);
        }
    }
    all.sort_by(|a, b| (&a.family, &a.source).cmp(&(&b.family, &b.source)));
    all
}

/// Whether a file has a test: a function, or a case of a macro that makes one.
fn has_test(file: &str, name: &str) -> bool {
    let function = format!("fn {name}()");
    let case = format!("{name}: ");
    file.lines()
        .map(str::trim_start)
        .any(|line| line.starts_with(&function) || line.starts_with(&case))
}

fn table(rows: &[Row]) -> String {
    let mut table = String::from(
        "| family | source | cases | what is verified | by |\n|---|---|--:|---|---|\n",
    );
    for row in rows {
        let tests: Vec<String> = row.tests.iter().map(|test| format!("`{test}`")).collect();
        let cases = match row.cases.len() {
            0 => String::new(),
            count => count.to_string(),
        };
        table += &format!(
            "| {} | {} | {cases} | {} | {} |\n",
            row.family,
            row.source,
            row.verified,
            tests.join("<br>")
        );
    }
    table
}

#[test]
fn every_test_that_is_named_exists() {
    let rows = rows();
    for row in &rows {
        let nothing = row.verified.starts_with("nothing yet");
        assert_eq!(row.tests.is_empty(), nothing, "{}", row.source);
    }
    for test in rows.iter().flat_map(|row| &row.tests) {
        let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{test}"));
        assert!(has_test(&text(&root().join(file)), name), "{test}");
    }
    assert!(!has_test("fn other() {}", "another"));
}

#[test]
fn the_page_has_the_table_of_what_is_verified() {
    let path = root().join("docs/models.md");
    let page = text(&path);
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    let made = table(&rows());
    if found != made {
        let own = std::env::temp_dir().join("models.md");
        std::fs::write(&own, format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
        panic!(
            "{} has another table: copy {} there",
            path.display(),
            own.display()
        );
    }
}

//! `docs/alternatives.md` shows what the command says about an applicant of the credit model.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests: what goes wrong fails the test"
)]

mod common;

use common::{fieldscore, hold_part, text};

const BEGIN: &str = "<!-- what the command says: made by models/tests/alternatives.rs -->\n";
const ROW: &str =
    "explain credit.fsb models/zoo/credit/applications.csv --row 14 --as-of 2026-09-01";

/// What the command says on stdout.
fn says(arguments: &str) -> String {
    let output = fieldscore(arguments);
    assert!(output.status.success(), "{arguments}");
    text(&output.stdout)
}

#[test]
fn the_page_shows_what_the_command_says() {
    says("build models/zoo/credit -o credit.fsb");
    let text = says(ROW);
    assert!(text.contains("What would change it"), "{text}");
    let json = says(&format!("{ROW} --format jsonl --alternatives"));
    let (_, rest) = json.split_once("\"alternatives\":[").unwrap();
    let (listed, _) = rest.split_once("],\"record\"").unwrap();
    let listed = listed.replace("},{\"changes\"", "},\n {\"changes\"");
    let made = format!(
        "```console\n$ fieldscore {ROW}\n{text}```\n\nAs JSON (`--format jsonl --alternatives`), the key `alternatives`:\n\n```json\n[{listed}]\n```\n"
    );
    hold_part("alternatives.md", BEGIN, &made);
}

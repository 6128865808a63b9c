//! `docs/alternatives.md` shows what the command says about an applicant of the credit golden bundle.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests: what goes wrong fails the test"
)]

use std::path::Path;
use std::process::Command;

const BEGIN: &str = "<!-- what the command says: made by models/tests/alternatives.rs -->\n";
const END: &str = "<!-- end -->\n";
const ROW: &str = "explain tests/golden/credit/credit.fsb models/zoo/credit/applications.csv --row 14 --as-of 2026-09-01";

/// What the command says on stdout, called in the repository's folder.
fn says(arguments: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_fieldscore"));
    command.args(arguments.split(' ')).current_dir(root);
    let output = command.env("NO_COLOR", "1").output().unwrap();
    assert!(output.status.success(), "{arguments}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_page_shows_what_the_command_says() {
    let text = says(ROW);
    assert!(text.contains("What would change it"), "{text}");
    let json = says(&format!("{ROW} --format jsonl --alternatives"));
    let (_, rest) = json.split_once("\"alternatives\":[").unwrap();
    let (listed, _) = rest.split_once("],\"record\"").unwrap();
    let listed = listed.replace("},{\"changes\"", "},\n {\"changes\"");
    let made = format!(
        "```console\n$ fieldscore {ROW}\n{text}```\n\nAs JSON (`--format jsonl --alternatives`), the key `alternatives`:\n\n```json\n[{listed}]\n```\n"
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/alternatives.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    if found != made {
        let own = std::env::temp_dir().join("alternatives.md");
        std::fs::write(&own, format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
        panic!(
            "{} shows something else: copy {} there",
            path.display(),
            own.display()
        );
    }
}

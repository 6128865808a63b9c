//! `docs/policy.md` shows what the commands say of the credit model under a policy of amounts and tables.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests: what goes wrong fails the test"
)]

mod common;

use common::{fieldscore, hold_commands, section, text};

const EXPLAIN: &str = "explain policy.fsb models/tests/policy/applications.csv --row";

#[test]
fn the_page_shows_what_the_commands_say() {
    let built = fieldscore("build models/tests/policy/tables -o policy.fsb");
    assert!(built.status.success(), "{}", text(&built.stderr));
    let explain = ["1", "2", "3", "4"].map(|row| format!("{EXPLAIN} {row}"));
    let [before, capped, person, declined] = explain.each_ref().map(String::as_str);
    let score = "score policy.fsb models/tests/policy/applications.csv";
    hold_commands(
        "policy.md",
        "policy",
        &[
            ("score", score, &[]),
            ("before", before, &["  Outcome"]),
            ("capped", capped, &["  Outcome", "Rules that fired"]),
            ("person", person, &["Rules that fired", "Rules tried"]),
            ("declined", declined, &[]),
            (
                "refused-gap",
                "build models/tests/policy/gap -o gap.fsb",
                &[],
            ),
            (
                "refused-overlap",
                "build models/tests/policy/overlap -o overlap.fsb",
                &[],
            ),
        ],
    );
    // Of each rule what it saw, and whether it held: of knock-out rules as of tables.
    let output = fieldscore(person);
    let tried = section(&text(&output.stdout), "Rules tried");
    for line in [
        "  knock_out K01: did not hold (amount 700)",
        "  knock_out K02: refer (records yes, income without a value)",
        "  tier 4: tier C, limit 700 (score ",
    ] {
        assert!(tried.contains(line), "{line} in {tried}");
    }
}

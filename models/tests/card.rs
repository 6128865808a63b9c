//! The card of a bundle, and what a rebuild of policy and texts leaves as it was.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests: what goes wrong fails the test"
)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;

use common::{command, root};

fn fieldscore(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// What a command that must succeed prints.
fn printed(arguments: &[&str]) -> String {
    let output = fieldscore(arguments);
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {talk}");
    String::from_utf8(output.stdout).unwrap()
}

/// Builds the credit recipe with `over` laid over it.
fn build(folder: &Path, name: &str, over: &str) -> String {
    let bundle = folder.join(format!("{name}.fsb")).display().to_string();
    printed(&["build", &common::recipe(name, over), "-o", &bundle]);
    bundle
}

/// What changes a policy and texts, and nothing else: other cut-offs, another limit in a rule, another
/// sequence number, other words.
const POLICY: &str = r#"
[product]
sequence = 2

[policy]
approve_from = 480
refer_from = 400

[[policy.knock_out]]
code = "K01"
when = [{ field = "amount", above = 2500 }]
outcome = "refer"
text = { en = "The loan needs a person's decision", zh = "贷款需人工审核" }

[fields.income.label]
en = "Monthly income after tax"
"#;

struct Bundles {
    _folder: tempfile::TempDir,
    old: String,
    new: String,
}

/// The credit bundle, and the same with another policy and other texts.
fn bundles() -> &'static Bundles {
    static BUNDLES: OnceLock<Bundles> = OnceLock::new();
    BUNDLES.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let old = build(folder.path(), "credit", "");
        let new = build(folder.path(), "credit-2", POLICY);
        Bundles {
            _folder: folder,
            old,
            new,
        }
    })
}

/// A text without what differs between processors that the compiler's floats are computed on: digests.
fn without_digests(text: &str) -> String {
    let mut out = String::new();
    let mut run = String::new();
    for character in text.chars().chain([' ']) {
        if character.is_ascii_hexdigit() {
            run.push(character);
            continue;
        }
        out.push_str(if run.len() >= 16 { "…" } else { &run });
        run.clear();
        out.push(character);
    }
    out
}

/// Holds a page of `docs/` against what a command printed.
fn hold(page: &str, made: &str) {
    common::hold_as(page, made, without_digests);
}

/// The digests of a bundle's sections, by name.
fn sections(bundle: &str) -> Vec<(String, String)> {
    let all: serde_json::Value =
        serde_json::from_str(&printed(&["inspect", bundle, "--json"])).unwrap();
    let all = all["sections"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    all.map(|section| (text(&section["name"]), text(&section["sha256"])))
        .collect()
}

/// Which sections differ between two bundles of the same ones.
fn changed(old: &str, new: &str) -> Vec<String> {
    let pairs = sections(old).into_iter().zip(sections(new));
    let pairs = pairs.inspect(|(old, new)| assert_eq!(old.0, new.0));
    let other = pairs.filter(|(old, new)| old.1 != new.1);
    other.map(|(old, _)| old.0).collect()
}

#[test]
fn another_policy_and_other_texts_leave_the_model_as_it_was() {
    let Bundles { old, new, .. } = bundles();
    assert_eq!(
        changed(old, new),
        ["META", "PLCY", "TEXT", "KATV", "CARD", "PROV", "HIST"]
    );
}

/// With `auto` the compiler looks for layers to keep in finer arithmetic: that must not depend on
/// where the house has its cut-offs. Of the open house no outcome flips, whatever the layers have.
#[test]
fn what_auto_chooses_does_not_depend_on_the_policy() {
    let folder = tempfile::tempdir().unwrap();
    let auto =
        "[compile]\nprecision = \"auto\"\n\n[gates.int8]\nauc = 0.002\nks = 0.02\nflips = 0.0023\n";
    let old = build(folder.path(), "auto", auto);
    for (name, approve, refer) in [("strict", 560, 500), ("open", 310, 305)] {
        let policy = format!("{auto}\n[policy]\napprove_from = {approve}\nrefer_from = {refer}\n");
        let new = build(folder.path(), name, &policy);
        let changed = changed(&old, &new);
        for section in ["SCHM", "TRNS", "PLAN", "WGTS", "DCDE"] {
            assert!(
                !changed.iter().any(|own| own == section),
                "{name}: {changed:?}"
            );
        }
        assert!(changed.iter().any(|own| own == "PLCY"));
    }
}

#[test]
fn the_credit_card_is_the_one_in_the_docs() {
    hold("card-credit.md", &printed(&["card", &bundles().old]));
}

#[test]
fn a_card_is_a_page_as_well_and_speaks_chinese() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.html").display().to_string();
    printed(&["card", &bundles().old, "-o", &path, "--language", "zh-CN"]);
    let page = std::fs::read_to_string(&path).unwrap();
    for part in [
        "<html lang=\"zh\">",
        "<caption><span>文件各段</span></caption>",
        "消费贷款参考模型",
        "不得用于对真实个人作出决定；不适用于",
        "由任何人都可使用的开发密钥签名",
        "贷款金额超过可自动决定的上限",
        "data.csv",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let text = printed(&["card", &bundles().old, "--language", "zh"]);
    let english = |line: &&str| line.starts_with("## ") && line.is_ascii();
    assert_eq!(text.lines().find(english), None);
}

#[test]
fn a_card_of_another_key_says_that_it_is_not_verified() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys").display().to_string();
    printed(&["key", "new", &keys]);
    let public = format!("{keys}/public.pem");
    let output = fieldscore(&["card", &bundles().old, "--key", &public]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("> **Warning:** NOT VERIFIED"), "{text}");
    let html = printed(&["card", &bundles().old, "--format", "html"]);
    assert!(html.contains("development key") && html.contains("<html lang=\"en\">"));
}

/// Released bundles have cards of before CARD had a version, or none of the keys that came since.
#[test]
fn every_golden_bundle_gives_a_card() {
    let golden = root().join("tests/golden");
    let families = std::fs::read_dir(golden.join("families")).unwrap();
    let mut folders: Vec<PathBuf> = families.map(|entry| entry.unwrap().path()).collect();
    folders.push(golden.join("credit"));
    for folder in folders {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let bundle = folder.join(format!("{name}.fsb")).display().to_string();
        let text = printed(&["card", &bundle]);
        for part in ["# ", "## Performance", "AUC", "Approve from", "WGTS"] {
            assert!(text.contains(part), "{name}: {part} in\n{text}");
        }
        assert!(printed(&["card", &bundle, "--format", "html"]).ends_with("</html>\n"));
    }
}

/// Nobody's values are on a card: the reference applicant may be a row of the data.
#[test]
fn the_reference_applicant_is_a_score() {
    let text = printed(&["card", &bundles().old]);
    let line = text
        .lines()
        .find(|line| line.contains("Score of the reference applicant"));
    assert!(line.is_some_and(|line| line.chars().any(|c| c.is_ascii_digit())));
    assert!(text.contains("its values are not shown"));
}

const GROUPS: [&str; 8] = [
    "--group",
    "age:25,35,45,60",
    "--group",
    "marital",
    "--label",
    "status",
    "--as-of",
    "2026-09-01",
];

/// Compares the two bundles on the credit data.
fn compare(more: &[&str]) -> Output {
    let data = root().join("models/zoo/credit/data.csv");
    let data = data.display().to_string();
    let Bundles { old, new, .. } = bundles();
    let mut arguments = vec!["compare", old, new, &data];
    arguments.extend(GROUPS);
    arguments.extend(more);
    fieldscore(&arguments)
}

#[test]
fn the_credit_comparison_is_the_one_in_the_docs() {
    let output = compare(&[]);
    assert_eq!(output.status.code(), Some(0));
    let made = String::from_utf8(output.stdout).unwrap();
    let found = common::page("compare.md");
    let before = found.split_once(BEGIN).map_or("", |(before, _)| before);
    hold("compare.md", &format!("{before}{BEGIN}{made}"));
}

/// Where the printed part of `docs/compare.md` begins.
const BEGIN: &str = "<!-- what follows is printed: models/tests/card.rs -->\n\n";

#[test]
fn a_comparison_counts_every_row_once() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().display().to_string();
    let output = compare(&["--json", "--report", &report, "--fail-above", "0.01"]);
    assert_eq!(output.status.code(), Some(1), "more than 1 % move");
    assert_eq!(compare(&["--fail-above", "0.9"]).status.code(), Some(0));
    let all: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let migration = &all["migration"];
    let count = |value: &serde_json::Value| value.as_u64().unwrap();
    let rows = count(&migration["rows"]);
    assert_eq!(rows, 4454);
    let cells = migration["matrix"].as_array().unwrap();
    let sum = |cells: &mut dyn Iterator<Item = &serde_json::Value>| -> u64 {
        cells.map(|cell| count(&cell["rows"])).sum()
    };
    assert_eq!(
        sum(&mut cells.iter()) + count(&migration["refused"]["both"]),
        rows
    );
    let moved = sum(&mut cells.iter().filter(|cell| cell["old"] != cell["new"]));
    assert_eq!(count(&migration["moved"]), moved);
    assert!(moved > 0 && cells.iter().all(|cell| cell["bad_rate"].is_object()));
    // No model changed: scores are the same. The cut-offs were raised, so whoever gains was held back by
    // the rule that is gone.
    assert_eq!(migration["scores"]["same"], migration["scores"]["rows"]);
    let gain = |cell: &&serde_json::Value| cell["new"] == "approve" && cell["old"] != "approve";
    assert!(cells.iter().filter(gain).all(|cell| cell["old"] == "refer"));
    for column in ["age", "marital"] {
        let groups = migration["groups"].as_array().unwrap().iter();
        let mut own = groups.filter(|group| group["column"] == column);
        assert_eq!(sum(&mut own), rows, "{column}");
    }
    let places = places(&all);
    for place in [
        "sequence",
        "approve_from",
        "refer_from",
        "knock_outs.K01.when.amount.above",
        "knock_outs.K02",
        "en.field.income.label",
        "en.rule.K01",
        "zh.rule.K02",
    ] {
        assert!(places.contains(&place), "{place} in {places:?}");
    }
    let page = std::fs::read_to_string(folder.path().join("compare.html")).unwrap();
    assert!(page.contains("<caption><span>From outcome to outcome</span></caption>"));
}

/// Where a comparison found changes.
fn places(all: &serde_json::Value) -> Vec<&str> {
    let changes = all["changes"].as_array().unwrap().iter();
    changes
        .map(|change| change["place"].as_str().unwrap())
        .collect()
}

/// Of everything that decides, is asked or is told, one thing each.
const EVERYWHERE: &str = r#"
[fields.income]
protected = true
justification = { en = "It says what can be paid back", zh = "说明还款能力" }
change = { step = 10 }

[[policy.override_reason]]
code = "O1"
text = { en = "Documents were seen", zh = "已核实材料" }

[notice]
decline = { en = "No loan.", zh = "不予贷款。" }

[policy]
terms = ["instalment"]

[policy.values]
rate = { number = 13.5 }
fee = { rounding = "up" }

[policy.tables.ceiling]
hit = "priority"

[policy.tables.tier]
outputs = { tier = ["A", "B", "C", "D"] }
"#;

#[test]
fn what_decides_is_asked_or_told_is_compared() {
    let folder = tempfile::tempdir().unwrap();
    let base = root().join("models/tests/policy/tables/recipe.toml");
    let built = |name: &str, more: &str| {
        let bundle = folder.path().join(format!("{name}.fsb"));
        let bundle = bundle.display().to_string();
        printed(&[
            "build",
            &common::extending(&base, name, more),
            "-o",
            &bundle,
        ]);
        bundle
    };
    let (old, new) = (built("tables", ""), built("everywhere", EVERYWHERE));
    let rows = root().join("models/tests/policy/applications.csv");
    let printed = printed(&["compare", &old, &new, &rows.display().to_string(), "--json"]);
    let all: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let places = places(&all);
    for place in [
        "income.change.step",
        "protected.income",
        "override_reasons.O2",
        "en.override.O1",
        "zh.notice.decline",
        "terms",
        "values.rate.source.constant",
        "values.fee.source.rounding",
        "tables.ceiling.hit",
        "tables.tier.outputs.tier.of",
    ] {
        assert!(places.contains(&place), "{place} in {places:?}");
    }
}

/// Each bundle reads a file by its own schema: the other's fields are passed through or missing.
#[test]
fn bundles_of_other_schemas_are_compared() {
    let golden = root().join("tests/golden");
    let other = golden.join("families/credit-scorecard/credit-scorecard.fsb");
    let rows = golden.join("credit/applications.csv").display().to_string();
    let (old, other) = (&bundles().old, other.display().to_string());
    let printed = printed(&["compare", old, &other, &rows, "--group", "home", "--json"]);
    let all: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(all["migration"]["rows"], 10_000);
    assert!(
        all["changes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["place"] == "weights")
    );
    let groups = all["migration"]["groups"].as_array().unwrap();
    assert!(groups.iter().any(|group| group["group"] == "rent"));
}

#[test]
fn a_column_that_is_not_there_is_named() {
    let data = root().join("models/zoo/credit/data.csv");
    let Bundles { old, new, .. } = bundles();
    let data = data.display().to_string();
    let output = fieldscore(&["compare", old, new, &data, "--group", "sex"]);
    assert_eq!(output.status.code(), Some(2));
    let talk = String::from_utf8(output.stderr).unwrap();
    assert!(talk.contains("expected a column sex"), "{talk}");
}

//! How decisions treat groups, on the command line: the mortgages of Boston, the credit model, and
//! `docs/fairness.md`, whose outputs are those of the commands that it shows.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests: what goes wrong fails the test"
)]

mod common;

use std::process::Output;
use std::sync::OnceLock;

use common::{command, folder, root};
use serde_json::Value;

/// Runs the command in the tests' folder; the repository's own files are named by where they are.
fn run(arguments: &[&str]) -> Output {
    let arguments = arguments
        .iter()
        .map(|argument| match argument.starts_with("models/") {
            true => root().join(argument).display().to_string(),
            false => (*argument).to_owned(),
        });
    command(arguments).current_dir(folder()).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", err(output)))
}

/// A file in the folder.
fn file(name: &str, content: &str) -> String {
    let path = folder().join(name);
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

/// The credit bundle and the model that it was made from, built once.
fn credit() -> &'static [String; 2] {
    static BUILT: OnceLock<[String; 2]> = OnceLock::new();
    BUILT.get_or_init(|| {
        let paths = ["whole.fsb", "whole-float.fsb"];
        let [bundle, float] = paths.map(|name| folder().join(name).display().to_string());
        let built = run(&[
            "build",
            "models/zoo/credit",
            "-o",
            &bundle,
            "--float",
            &float,
        ]);
        assert!(built.status.success(), "{}", err(&built));
        [bundle, float]
    })
}

const HMDA: [&str; 10] = [
    "fairness",
    "models/tests/fairness/hmda.csv",
    "--outcome",
    "deny",
    "--approve",
    "no",
    "--count",
    "rows",
    "--group",
    "afam",
];

fn close(value: &Value, expected: f64) {
    let value = value.as_f64().unwrap();
    assert!((value / expected - 1.0).abs() < 1e-9, "{value}, {expected}");
}

/// The intervals are those of statsmodels 0.15.0: `confint_proportions_2indep(…, compare="ratio",
/// method="log")`, `proportion_confint(…, method="wilson")` and `proportions_ztest`.
#[test]
fn the_mortgages_of_boston_are_flagged() {
    let output = run(&[&HMDA[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let said = "afam, yes: approved 0.790 (0.738–0.846) times as often as no, below 0.8; that they differ is more than chance (p < 0.0001)";
    assert!(err(&output).contains(said), "{}", err(&output));
    let column = &json(&output)["columns"][0];
    assert_eq!(column["reference"], "no");
    let [others, black] = [&column["groups"][0], &column["groups"][1]];
    assert_eq!(others["finding"], "reference");
    assert_eq!(others["now"]["ratio"]["value"], 1.0);
    assert_eq!(
        (&others["rows"], &others["now"]["approved"]),
        (&2041.into(), &1852.into())
    );
    assert_eq!(
        (&black["rows"], &black["now"]["approved"]),
        (&339.into(), &243.into())
    );
    assert_eq!(black["finding"], "below");
    let (selection, ratio) = (&black["now"]["selection"], &black["now"]["ratio"]);
    close(&selection["low"], 0.666_631_528_070_945_7);
    close(&selection["high"], 0.762_138_086_040_634_2);
    close(&ratio["value"], 0.789_966_360_213_306_8);
    close(&ratio["low"], 0.737_791_789_829_135_4);
    close(&ratio["high"], 0.845_830_570_184_553_5);
    close(&black["now"]["p_value"], 1.394_266_324_808e-23);
    let checked = run(&[&HMDA[..], &["--check"]].concat());
    assert_eq!(checked.status.code(), Some(1));
    let lower = run(&[&HMDA[..], &["--check", "--least-ratio", "0.75"]].concat());
    assert_eq!(lower.status.code(), Some(0), "{}", err(&lower));
}

#[test]
fn rows_give_what_their_counts_give_in_any_order() {
    let counts = std::fs::read_to_string(root().join(HMDA[1])).unwrap();
    let mut lines: Vec<String> = Vec::new();
    for line in counts.lines().skip(1) {
        let (row, count) = line.rsplit_once(',').unwrap();
        lines.extend(vec![row.to_owned(); count.parse().unwrap()]);
    }
    lines.sort_by_key(|line| line.bytes().rev().collect::<Vec<_>>());
    let rows = file(
        "rows.csv",
        &format!("afam,single,deny\n{}\n", lines.join("\n")),
    );
    let arguments = [
        "--outcome",
        "deny",
        "--approve",
        "no",
        "--group",
        "afam",
        "--json",
    ];
    let of_rows = run(&[&["fairness", &rows], &arguments[..]].concat());
    let of_counts = run(&[&HMDA[..], &["--json"]].concat());
    assert_eq!(out(&of_rows), out(&of_counts));
}

#[test]
fn decisions_before_and_labels_give_changes_and_gaps() {
    let mut rows = String::from("sex,old,new,status,rows\n");
    for (row, count) in [
        ("f,approve,approve,good", 60),
        ("f,approve,decline,good", 20),
        ("f,decline,refer,bad", 20),
        ("m,approve,approve,good", 70),
        ("m,approve,approve,bad", 10),
        ("m,decline,decline,bad", 20),
    ] {
        rows.push_str(&format!("{row},{count}\n"));
    }
    let path = file("decisions.csv", &rows);
    let arguments = [
        "fairness",
        &path,
        "--outcome",
        "new",
        "--before",
        "old",
        "--group",
        "sex",
        "--label",
        "status",
        "--bad",
        "bad",
        "--count",
        "rows",
        "--most-change",
        "0.02",
    ];
    let output = run(&[&arguments[..], &["--json"]].concat());
    let women = &json(&output)["columns"][0]["groups"][0];
    // 60 of 100 against 80 of 100, where it was 80 against 80.
    assert_eq!(women["now"]["ratio"]["value"], 0.75);
    assert_eq!(women["before"]["ratio"]["value"], 1.0);
    let change = &women["change"];
    assert_eq!(change["ratio"]["value"], -0.25);
    assert_eq!(
        (&change["flips"]["count"], &change["lost"]),
        (&40.into(), &20.into())
    );
    assert_eq!(change["finding"], "worse");
    assert_eq!(women["now"]["opportunity"]["gap"]["value"], -0.25);
    let text = run(&arguments);
    for part in [
        "sex, compared with m",
        "sex: before → now",
        "FAILS",
        "40: 40.0 % (30.9–49.8)",
    ] {
        assert!(out(&text).contains(part), "no {part} in {}", out(&text));
    }
    assert!(err(&text).contains("from before to now the ratio changed by −0.250"));
    assert_eq!(text.status.code(), Some(0));
    assert_eq!(
        run(&[&arguments[..], &["--check"]].concat()).status.code(),
        Some(1)
    );
}

#[test]
fn bad_usage_and_bad_columns_are_named_and_no_value_is() {
    let secret = "4711471147";
    let path = file(
        "faulty.csv",
        &format!("sex,age,outcome,rows\nf,{secret}x,approve,{secret}x\nm,30,decline,1\n"),
    );
    for (arguments, expected) in [
        (
            &["--outcome", "outcome"][..],
            "--group: expected at least one column",
        ),
        (
            &["--outcome", "none", "--group", "sex"],
            "expected a column none",
        ),
        (
            &["--outcome", "outcome", "--group", "no"],
            "expected a column no",
        ),
        (
            &["--outcome", "outcome", "--group", "age=25"],
            "row 1, column age: expected a number",
        ),
        (
            &["--outcome", "outcome", "--group", "sex=35,25"],
            "each above the one before",
        ),
        (
            &["--outcome", "outcome", "--group", "sex", "--count", "rows"],
            "row 1, column rows: expected a whole number",
        ),
        (
            &["--outcome", "outcome", "--group", "sex", "--approve", "yes"],
            "--approve VALUE",
        ),
        (
            &[
                "--outcome",
                "outcome",
                "--group",
                "sex",
                "--reference",
                "sex=x",
            ],
            "the reference group has no rows",
        ),
        (
            &[
                "--outcome",
                "outcome",
                "--group",
                "sex",
                "--reference",
                "age=x",
            ],
            "--reference: expected a column",
        ),
        (
            &[
                "--outcome",
                "outcome",
                "--group",
                "sex",
                "--least-ratio",
                "2",
            ],
            "from 0 to 1",
        ),
        (
            &["--outcome", "outcome", "--group", "sex=a"],
            "expected a column, or a column and numbers",
        ),
        (
            &[
                "--outcome",
                "outcome",
                "--group",
                "sex",
                "--label",
                "outcome",
            ],
            "--bad",
        ),
    ] {
        let output = run(&[&["fairness", &path], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            err(&output).contains(expected),
            "{arguments:?}: {}",
            err(&output)
        );
        assert!(!err(&output).contains(secret), "{}", err(&output));
    }
}

#[test]
fn evaluate_compares_with_the_model_handed_in() {
    let [bundle, float] = credit();
    let output = run(&[
        "evaluate",
        bundle,
        "models/zoo/credit/data.csv",
        "--float",
        float,
        "--json",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let all = json(&output);
    let fairness = &all["fairness"];
    // Columns, bands, reference and limits are the recipe's.
    assert_eq!(
        fairness["limits"],
        serde_json::json!({ "ratio": 0.8, "change": 0.02 })
    );
    assert_eq!(fairness["passed"], true);
    let [age, marital] = [&fairness["columns"][0], &fairness["columns"][1]];
    assert_eq!(
        (&age["column"], &marital["column"]),
        (&"age".into(), &"marital".into())
    );
    assert_eq!(age["reference"], "45 to below 60");
    let names: Vec<&str> = age["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| g["group"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "below 25",
            "25 to below 35",
            "35 to below 45",
            "45 to below 60",
            "60 and above"
        ]
    );
    // Flips add up alike by group and by score, and are few.
    let flips = all["float"]["flips"]["count"].as_u64().unwrap();
    let sum = |rows: &Value, of: &dyn Fn(&Value) -> Value| -> u64 {
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| of(row).as_u64().unwrap())
            .sum()
    };
    assert!(0 < flips && flips < 45, "{flips}");
    for column in [age, marital] {
        assert_eq!(
            sum(&column["groups"], &|g| g["change"]["flips"]["count"]
                .clone()),
            flips
        );
        assert_eq!(sum(&column["groups"], &|g| g["rows"].clone()), 4454);
    }
    for bands in fairness["bands"].as_array().unwrap() {
        assert_eq!(sum(&bands["bands"], &|band| band["count"].clone()), flips);
    }
    let (own, before) = (&all["figures"]["gini"], &all["float"]["figures"]["gini"]);
    let difference = &all["float"]["difference"]["gini"]["value"];
    let [own, before, difference] =
        [&own["value"], &before["value"], difference].map(|x| x.as_f64().unwrap());
    assert!((own - before - difference).abs() < 1e-12);
    assert_ne!(all["float"]["bundle"], all["bundle"]);
    // With itself there is nothing to tell.
    let same = json(&run(&[
        "evaluate",
        bundle,
        "models/zoo/credit/data.csv",
        "--float",
        bundle,
        "--json",
    ]));
    assert_eq!(same["float"]["flips"]["count"], 0);
    let none = serde_json::json!({ "value": 0.0, "low": 0.0, "high": 0.0 });
    assert_eq!(
        same["fairness"]["columns"][0]["groups"][0]["change"]["ratio"],
        none
    );
    // Without it there are ratios alone.
    let alone = json(&run(&[
        "evaluate",
        bundle,
        "models/zoo/credit/data.csv",
        "--json",
    ]));
    let group = &alone["fairness"]["columns"][0]["groups"][0];
    assert!(group["before"].is_null() && group["now"]["ratio"]["value"].as_f64() < Some(0.8));
    assert!(alone["float"].is_null());
    let report = folder().join("report").display().to_string();
    let checked = [
        "evaluate",
        bundle,
        "models/zoo/credit/data.csv",
        "--float",
        float,
        "--report",
        &report,
        "--check",
    ];
    assert_eq!(run(&checked).status.code(), Some(1));
    let page = std::fs::read_to_string(folder().join("report/evaluate.html")).unwrap();
    for part in [
        "age: handed in → bundle",
        "wholly below 0.8",
        "by band of the policy",
    ] {
        assert!(page.contains(part), "no {part}");
    }
}

/// Later rows may have no such column, or nobody of the group that the recipe names.
#[test]
fn rows_without_the_recipes_groups_are_evaluated_as_far_as_they_go() {
    let [bundle, _] = credit();
    let data = std::fs::read_to_string(root().join("models/zoo/credit/data.csv")).unwrap();
    let age = data
        .lines()
        .next()
        .unwrap()
        .split(',')
        .position(|name| name == "age")
        .unwrap();
    let of = |line: &str| {
        line.split(',')
            .nth(age)
            .unwrap()
            .parse::<u32>()
            .unwrap_or(0)
    };
    let young: Vec<&str> = data.lines().filter(|line| of(line) < 45).collect();
    let without = file("young.csv", &young.join("\n"));
    let output = run(&["evaluate", bundle, &without, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(err(&output).contains("age: the group to compare with has no rows"));
    assert_eq!(
        json(&output)["fairness"]["columns"][0]["reference"],
        "25 to below 35"
    );
    let renamed = file("renamed.csv", &data.replacen(",age,", ",years,", 1));
    let output = run(&["evaluate", bundle, &renamed, "--group", "home", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(
        err(&output).contains("there is no column age"),
        "{}",
        err(&output)
    );
    let columns = json(&output)["fairness"]["columns"].clone();
    let names: Vec<&str> = columns
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["column"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["marital", "home"]);
}

#[test]
fn the_model_handed_in_is_no_update_of_its_product() {
    let [bundle, float] = credit();
    let product = |path| json(&run(&["inspect", path, "--json"]))["product"].clone();
    assert_eq!(product(bundle), "credit");
    assert_eq!(product(float), "credit-float");
    let card = &json(&run(&["inspect", bundle, "--json"]))["card"];
    let group = &card["fairness"]["columns"][0]["groups"][0];
    assert_eq!(group["finding"], "wholly-below");
    assert_eq!(card["groups"][0]["approved_bundle"]["value"], 0.336);
}

/// Pruned to almost nothing, with every other gate open, the credit net declines the young and the single
/// more often than before.
#[test]
fn compression_that_treats_a_group_worse_fails_the_build() {
    let recipe = root().join("models/zoo/credit/recipe.toml");
    let open = "{ auc = 1.0, ks = 1.0, flips = 1.0 }";
    let altered = |fairness: &str| {
        let recipe = format!(
            "extends = [{recipe:?}]\n[compile]\nprune = 0.98\n[gates]\npruned = {open}\nint8 = {open}\nfairness = {fairness}\n"
        );
        let path = file("worse.toml", &recipe);
        let bundle = folder().join("worse.fsb");
        let built = run(&["build", &path, "-o", bundle.to_str().unwrap()]);
        (built, bundle)
    };
    let (built, bundle) = altered("{ change = 0.02 }");
    assert_eq!(built.status.code(), Some(1), "{}", err(&built));
    assert!(!bundle.exists());
    for part in [
        "gate fairness",
        "compile.prune",
        "marital, single: from handed in to bundle the ratio changed by",
    ] {
        assert!(err(&built).contains(part), "no {part} in {}", err(&built));
    }
    assert!(out(&built).contains("FAILS"));
    let (built, bundle) = altered("{ change = 0.5 }");
    assert_eq!(built.status.code(), Some(0), "{}", err(&built));
    assert!(bundle.exists());
    let (built, _) = altered("{ change = 2 }");
    assert_eq!(built.status.code(), Some(2));
    assert!(err(&built).contains("gates.fairness"), "{}", err(&built));
}

/// The commands of the page, each with the lines that it shows below.
fn examples(page: &str) -> Vec<(&str, &str)> {
    let blocks = page.split("```console\n$ ").skip(1);
    blocks
        .map(|block| block.split_once("```").unwrap().0.split_once('\n').unwrap())
        .collect()
}

/// Whether lines hold the expected ones, where `…` stands for any number of lines.
fn shows(lines: &[&str], expected: &[&str]) -> bool {
    match expected.split_first() {
        None => lines.is_empty(),
        Some((&"…", rest)) => (0..=lines.len()).any(|skipped| shows(&lines[skipped..], rest)),
        Some((line, rest)) => lines.first() == Some(line) && shows(&lines[1..], rest),
    }
}

#[test]
fn the_page_shows_what_the_commands_say() {
    let page = common::page("fairness.md");
    let examples = examples(&page);
    assert_eq!(examples.len(), 3);
    for (command, expected) in examples {
        let arguments: Vec<&str> = command.split(' ').skip(1).collect();
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(0), "{command}: {}", err(&output));
        let said = out(&output);
        let trimmed = |text: &'_ str| -> Vec<String> {
            text.trim_end()
                .lines()
                .map(|line| line.trim_end().to_owned())
                .collect()
        };
        let (lines, wanted) = (trimmed(&said), trimmed(expected));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        if !shows(&lines, &wanted) {
            let own = std::env::temp_dir().join("fairness.txt");
            std::fs::write(&own, &said).unwrap();
            panic!("`{command}` says otherwise: {}", own.display());
        }
    }
    assert!(shows(&["a", "b", "c"], &["a", "…"]) && !shows(&["a", "b"], &["a"]));
}

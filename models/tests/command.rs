//! The command as its users meet it: what goes to stdout, what to stderr, which exit status; one
//! test for each way that input can be bad.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// A value that no message may show.
const SECRET: &str = "4711471147";

fn zoo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("zoo/credit")
}

fn fieldscore(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fieldscore"));
    command
        .args(arguments)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    command
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A folder that is made once for all tests, with the credit bundle and a bundle of another key.
fn shared() -> &'static Path {
    static SHARED: OnceLock<tempfile::TempDir> = OnceLock::new();
    SHARED
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name).display().to_string();
            let zoo = zoo().display().to_string();
            let built = fieldscore(&[
                "build",
                &zoo,
                "-o",
                &at("credit.fsb"),
                "--report",
                &at("report"),
            ]);
            assert!(built.status.success(), "{}", err(&built));
            assert!(fieldscore(&["key", "new", &at("keys")]).status.success());
            let key = at("keys/signing.pem");
            let own = fieldscore(&["build", &zoo, "-o", &at("own.fsb"), "--key", &key, "--json"]);
            assert!(own.status.success(), "{}", err(&own));
            std::fs::write(at("own.json"), &own.stdout).unwrap();
            folder
        })
        .path()
}

fn at(name: &str) -> String {
    shared().join(name).display().to_string()
}

/// A file of this content in a folder of its own.
fn file(name: &str, content: impl AsRef<[u8]>) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, path.display().to_string())
}

const HEADER: &str =
    "id,as_of,seniority,home,time,records,job,expenses,income,assets,debt,amount,price";
const GOOD: &str = "A,2026-09-01,3,rent,36,no,fixed,50,150,3000,0,1000,1300";

/// Scores rows below the header and returns the output with the lines of stdout.
fn score(rows: &str, more: &[&str]) -> (Output, Vec<String>) {
    let (_folder, path) = file("rows.csv", format!("{HEADER}\n{rows}\n"));
    let bundle = at("credit.fsb");
    let mut arguments = vec!["score", &bundle, &path, "--format", "csv"];
    arguments.extend(more);
    let output = fieldscore(&arguments);
    let lines = out(&output).lines().map(str::to_owned).collect();
    (output, lines)
}

/// The second of two rows is bad: the first is scored, the second is an error row that names file,
/// row and field and shows no value, and the exit status is 2.
fn bad_row(row: &str, expected: &[&str]) {
    let (output, lines) = score(&format!("{GOOD}\n{row}"), &[]);
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[1].contains(",approve,"), "{}", lines[1]);
    for part in expected.iter().chain(&["error", "rows.csv"]) {
        assert!(lines[2].contains(part), "{part} in {}", lines[2]);
    }
    let message = lines[2]
        .rsplit_once("error")
        .map_or("", |(_, message)| message);
    assert!(
        !message.contains(SECRET) && !err(&output).contains(SECRET),
        "{message}"
    );
}

#[test]
fn data_on_stdout_and_talk_on_stderr() {
    let (output, lines) = score(GOOD, &[]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("id,"));
    assert!(err(&output).contains("development key"));
}

#[test]
fn json_lines_replay_to_the_same_bytes_and_altered_ones_do_not() {
    let (_folder, rows) = file("rows.csv", format!("{HEADER}\n{GOOD}\n"));
    let records = fieldscore(&[
        "score",
        &at("credit.fsb"),
        &rows,
        "--format",
        "jsonl",
        "--explain",
    ]);
    assert_eq!(records.status.code(), Some(0), "{}", err(&records));
    let (_folder, path) = file("records.jsonl", &records.stdout);
    let same = fieldscore(&["replay", &at("credit.fsb"), &path]);
    assert_eq!(same.status.code(), Some(0), "{}", err(&same));
    // The same record under another score: its bytes no longer come out.
    let score = out(&records)
        .split("\"score\":")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap()
        .to_owned();
    let altered = out(&records).replacen(&format!("\"score\":{score}"), "\"score\":999", 1);
    let (_folder, path) = file("altered.jsonl", altered);
    let other = fieldscore(&["replay", &at("credit.fsb"), &path]);
    assert_eq!(other.status.code(), Some(1), "{}", out(&other));
}

#[test]
fn explain_shows_contributions_and_reasons_in_the_asked_language() {
    let (_folder, rows) = file("rows.csv", format!("{HEADER}\n{GOOD}\n"));
    let english = fieldscore(&["explain", &at("credit.fsb"), &rows, "--row", "1"]);
    let chinese = fieldscore(&[
        "explain",
        &at("credit.fsb"),
        &rows,
        "--row",
        "1",
        "--language",
        "zh-Hans-CN",
    ]);
    assert!(out(&english).contains("Income") && out(&chinese).contains("收入"));
    let beyond = fieldscore(&["explain", &at("credit.fsb"), &rows, "--row", "2"]);
    assert_eq!(beyond.status.code(), Some(2));
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let rows = format!("{GOOD}\n").repeat(20_000);
    let (_folder, path) = file("rows.csv", format!("{HEADER}\n{rows}"));
    let mut child = command(&["score", &at("credit.fsb"), &path, "--format", "csv"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", err(&output));
    assert!(!err(&output).contains("error"), "{}", err(&output));
}

#[test]
fn standard_input_is_read() {
    let mut child = command(&["score", &at("credit.fsb"), "-", "--format", "csv"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    write!(child.stdin.take().unwrap(), "{HEADER}\n{GOOD}\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(out(&output).lines().count(), 2);
}

#[test]
fn other_columns_pass_through_and_strict_refuses_them() {
    let (_folder, path) = file("rows.csv", format!("branch,{HEADER}\nNorth,{GOOD}\n"));
    let passed = fieldscore(&["score", &at("credit.fsb"), &path, "--format", "csv"]);
    assert!(out(&passed).contains("North") && err(&passed).contains("branch"));
    let strict = fieldscore(&["score", &at("credit.fsb"), &path, "--strict"]);
    assert_eq!(strict.status.code(), Some(2));
    assert!(err(&strict).contains("branch"));
}

#[test]
fn the_log_shows_the_engine_on_demand() {
    let (_folder, path) = file("rows.csv", format!("{HEADER}\n{GOOD}\n"));
    let quiet = fieldscore(&["score", &at("credit.fsb"), &path]);
    let loud = fieldscore(&["-v", "score", &at("credit.fsb"), &path]);
    assert!(
        !err(&quiet).contains("kernels") && err(&loud).contains("kernels"),
        "{}",
        err(&loud)
    );
}

#[test]
fn evaluate_measures_and_reports() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report");
    let data = zoo().join("data.csv").display().to_string();
    let output = fieldscore(&[
        "evaluate",
        &at("credit.fsb"),
        &data,
        "--report",
        report.to_str().unwrap(),
        "--json",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(figures["figures"]["auc"]["value"].as_f64().unwrap() > 0.8);
    assert!(
        std::fs::read_to_string(report.join("evaluate.html"))
            .unwrap()
            .contains("<svg")
    );
}

#[test]
fn build_says_figures_and_writes_a_report() {
    let figures: serde_json::Value =
        serde_json::from_slice(&std::fs::read(shared().join("own.json")).unwrap()).unwrap();
    assert_eq!(figures["gates"][0]["passed"], true);
    let page = std::fs::read_to_string(shared().join("report/build.html")).unwrap();
    assert!(page.contains("<svg") && !page.contains("src=\"http"));
}

/// The loan bundle has a probability beside the score's.
#[test]
fn further_outputs_are_measured_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let loan = Path::new(env!("CARGO_MANIFEST_DIR")).join("zoo/loan");
    let [zoo, data] = [loan.clone(), loan.join("data.csv")].map(|path| path.display().to_string());
    let (bundle, report) = (at("loan.fsb"), at("report"));
    let page = |name: &str| std::fs::read_to_string(at("report") + "/" + name).unwrap();
    let built = fieldscore(&["build", &zoo, "-o", &bundle, "--report", &report, "--json"]);
    assert_eq!(built.status.code(), Some(0), "{}", err(&built));
    let figures: serde_json::Value = serde_json::from_slice(&built.stdout).unwrap();
    let output = &figures["outputs"][0];
    assert_eq!(output["name"], "delinquent");
    let auc = |figures: &serde_json::Value| figures["auc"]["value"].as_f64().unwrap();
    let (float, packed) = (auc(&output["float"]), auc(&output["bundle"]));
    assert!(
        float > 0.5 && (float - packed).abs() < 0.01,
        "{float}, {packed}"
    );
    let build = page("build.html");
    for part in ["Further outputs", "delinquent, 95 % intervals"] {
        assert!(build.contains(part), "no {part}");
    }
    assert!(build.contains(&format!("{float:.3}")) && build.contains(&format!("{packed:.3}")));
    let arguments = ["evaluate", &bundle, &data, "--report", &report];
    let json = fieldscore(&[&arguments[..], &["--json"]].concat());
    assert_eq!(json.status.code(), Some(0), "{}", err(&json));
    let figures: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let measured = &figures["outputs"]["delinquent"];
    let (rows, bad) = (&measured["rows"], &measured["bad"]);
    assert!(rows.as_u64() > bad.as_u64() && bad.as_u64() > Some(0));
    let text = out(&fieldscore(&arguments));
    let line = format!(
        "\ndelinquent: {bad} of {rows}\nAUC                 {:.4}",
        auc(measured)
    );
    assert!(text.contains(&line), "no {line:?} in {text}");
    let shown = page("evaluate.html");
    assert!(shown.contains("delinquent, 95 % intervals"));
    assert!(shown.contains(&format!("{:.3}", auc(measured))));
    // Labels that the rows do not have are said, and nothing is measured by them.
    let unlabelled = at("unlabelled.csv");
    let rows = std::fs::read_to_string(&data).unwrap();
    std::fs::write(&unlabelled, rows.replacen("delinquent", "other", 1)).unwrap();
    let without = fieldscore(&[
        "evaluate",
        &bundle,
        &unlabelled,
        "--report",
        &report,
        "--json",
    ]);
    assert_eq!(without.status.code(), Some(0), "{}", err(&without));
    assert!(err(&without).contains("delinquent"));
    let figures: serde_json::Value = serde_json::from_slice(&without.stdout).unwrap();
    assert!(figures["outputs"].is_null());
    assert!(page("evaluate.html").contains("delinquent: not measured"));
}

#[test]
fn inspect_and_verify_call_out_the_development_key() {
    let inspected = fieldscore(&["inspect", &at("credit.fsb"), "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(json["signature"], "development key");
    assert_eq!(json["score_as_typed"], true);
    let text = fieldscore(&["inspect", &at("credit.fsb")]).stdout;
    assert!(String::from_utf8_lossy(&text).contains("shown to staff as they type"));
    let verified = fieldscore(&["verify", &at("own.fsb"), "--key", &at("keys/public.pem")]);
    assert_eq!(verified.status.code(), Some(0), "{}", err(&verified));
    let wrong = fieldscore(&["verify", &at("credit.fsb"), "--key", &at("keys/public.pem")]);
    assert_eq!(wrong.status.code(), Some(1));
}

/// The credit model as it is, for tract: its recipe is one line more.
fn by_tract() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let zoo = zoo().canonicalize().unwrap();
    let recipe = format!(
        "extends = [{:?}]\n[compile]\nengine = \"tract\"\n",
        zoo.join("recipe.toml")
    );
    std::fs::write(folder.path().join("recipe.toml"), recipe).unwrap();
    let bundle = folder.path().join("tract.fsb").display().to_string();
    let own = folder.path().display().to_string();
    let built = fieldscore(&["build", &own, "-o", &bundle]);
    assert!(built.status.success(), "{}", err(&built));
    assert!(out(&built).contains("executed by tract"), "{}", out(&built));
    (folder, bundle)
}

#[test]
fn a_bundle_for_tract_is_inspected_verified_scored_and_replayed() {
    let (folder, bundle) = by_tract();
    let text = out(&fieldscore(&["inspect", &bundle]));
    for said in [
        "only plan promises the same bytes everywhere",
        "executed as it is by tract",
        "MODL",
    ] {
        assert!(text.contains(said), "{text}");
    }
    assert!(!text.contains("WGTS"), "{text}");
    let json = fieldscore(&["inspect", &bundle, "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["engine"], "tract");
    assert_eq!(json["same_bytes_everywhere"], false);
    assert_eq!(json["models"], serde_json::json!([]));
    assert!(json["model_file_bytes"].as_u64().unwrap() > 1000);
    assert!(json["multiply_adds"].as_u64().unwrap() > 1000);
    assert_eq!(json["card"]["engine"], "tract");
    let verified = fieldscore(&["verify", &bundle]);
    assert!(verified.status.success(), "{}", err(&verified));

    let rows = folder.path().join("rows.csv");
    std::fs::write(&rows, format!("{HEADER}\n{GOOD}\n")).unwrap();
    let rows = rows.display().to_string();
    let scored = fieldscore(&["score", &bundle, &rows, "--format", "csv", "--explain"]);
    assert!(scored.status.success(), "{}", err(&scored));
    assert!(out(&scored).contains(",approve,"), "{}", out(&scored));
    let explained = fieldscore(&["explain", &bundle, &rows, "--row", "1"]);
    assert!(explained.status.success(), "{}", err(&explained));
}

/// The commands of a page of `docs/`, with what they write to stdout.
fn documented(text: &str, folder: &Path) -> String {
    let mut made = String::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = line == "```console";
        }
        let command_line = line.strip_prefix("$ fieldscore ").filter(|_| in_block);
        // What a command has written follows its line, and is made anew.
        if in_block && command_line.is_none() && line != "```console" {
            continue;
        }
        made += &format!("{line}\n");
        if let Some(arguments) = command_line {
            let arguments: Vec<&str> = arguments.split(' ').collect();
            let output = command(&arguments).current_dir(folder).output().unwrap();
            assert!(output.status.success(), "{line}: {}", err(&output));
            made += &out(&output);
        }
    }
    made
}

#[test]
fn the_page_on_notices_shows_what_the_commands_say() {
    let folder = tempfile::tempdir().unwrap();
    let put = |from: &Path, name: &str| std::fs::copy(from, folder.path().join(name)).unwrap();
    put(&shared().join("credit.fsb"), "credit.fsb");
    put(&zoo().join("applications.csv"), "applications.csv");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/notice.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let made = documented(&text, folder.path());
    let path = folder.path().join("notice.md");
    std::fs::write(&path, &made).unwrap();
    assert_eq!(text, made, "{}", page.display());
    // The page to print says the same.
    let html = command(
        &"notice credit.fsb applications.csv --row 1 --format html"
            .split(' ')
            .collect::<Vec<_>>(),
    )
    .current_dir(folder.path())
    .output()
    .unwrap();
    assert!(html.status.success(), "{}", err(&html));
    assert!(out(&html).starts_with("<!DOCTYPE html>\n<html lang=\"en\" dir=\"ltr\">"));
    let first = made.lines().find(|line| line.starts_with("1. ")).unwrap();
    assert!(
        out(&html).contains(&format!("<li>{}</li>", &first[3..])),
        "{first}"
    );
}

#[test]
fn a_page_escapes_what_it_is_given() {
    let (_folder, rows) = file("rows.csv", format!("{HEADER}\n<b>{GOOD}\n"));
    let page = fieldscore(&["notice", &at("credit.fsb"), &rows, "--format", "html"]);
    assert!(page.status.success(), "{}", err(&page));
    let page = out(&page);
    assert!(page.contains("<bdi>&lt;b&gt;A</bdi>"), "{page}");
    assert!(!page.contains("<b>A"), "{page}");
}

#[test]
fn overrides_that_do_not_hold_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &str| {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        command(&arguments)
            .current_dir(folder.path())
            .output()
            .unwrap()
    };
    let put = |from: &Path, name: &str| std::fs::copy(from, folder.path().join(name)).unwrap();
    put(&shared().join("credit.fsb"), "credit.fsb");
    put(&zoo().join("applications.csv"), "applications.csv");
    let scored = run("score credit.fsb applications.csv --format jsonl -o all.jsonl");
    assert!(scored.status.success(), "{}", err(&scored));
    let made = "override credit.fsb all.jsonl --row 3 --by T-17 --date 2026-09-02 -o o";
    let refused = run(&format!("{made} --outcome refer --reason O9"));
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        err(&refused).contains("a reason that the bundle lists"),
        "{}",
        err(&refused)
    );
    assert!(
        err(&refused).contains("reasons are O1, O2, O3, O4"),
        "{}",
        err(&refused)
    );
    assert!(!folder.path().join("o").exists());
    let no_record = run(
        "override credit.fsb applications.csv --by T-17 --outcome refer --reason O1 --date 2026-09-02 -o o",
    );
    assert!(
        err(&no_record).contains("expected a record"),
        "{}",
        err(&no_record)
    );
    let done = run(&format!("{made} --outcome refer --reason O1"));
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    let replayed = run("replay credit.fsb all.jsonl --override o --json");
    assert_eq!(replayed.status.code(), Some(0), "{}", err(&replayed));
    let first: serde_json::Value =
        serde_json::from_str(out(&replayed).lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["state"], &first["line"], &first["by"]),
        (&"overridden".into(), &3.into(), &"T-17".into())
    );
    // Beside other records it is none.
    let lines = std::fs::read_to_string(folder.path().join("all.jsonl")).unwrap();
    let two: Vec<&str> = lines.lines().take(2).collect();
    std::fs::write(folder.path().join("two.jsonl"), two.join("\n")).unwrap();
    let replayed = run("replay credit.fsb two.jsonl --override o");
    assert_eq!(replayed.status.code(), Some(2));
    assert!(err(&replayed).contains("an override of none of these records"));
    // A record whose decision was changed gets no notice.
    let line: serde_json::Value = serde_json::from_str(two[0]).unwrap();
    let changed = line
        .to_string()
        .replace(line["record"].as_str().unwrap(), "gA==");
    std::fs::write(folder.path().join("changed.jsonl"), changed).unwrap();
    let refused = run("notice credit.fsb changed.jsonl");
    assert_eq!(refused.status.code(), Some(2), "{}", err(&refused));
    assert_eq!(out(&refused), "");
    let inspected = run("inspect credit.fsb");
    for said in [
        "texts      version 2026-09",
        "O2: A guarantor or collateral secures the loan",
    ] {
        assert!(
            out(&inspected).contains(said),
            "{said}: {}",
            out(&inspected)
        );
    }
}

#[test]
fn protected_names_are_drafted_and_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let model = zoo().join("splits/1/model.onnx").display().to_string();
    let data = zoo().join("data.csv").display().to_string();
    let own = folder.path().join("own").display().to_string();
    let arguments = [
        "init", &model, &data, "--label", "status", "--bad", "bad", "-o", &own,
    ];
    assert!(fieldscore(&arguments).status.success());
    let recipe = std::fs::read_to_string(folder.path().join("own/recipe.toml")).unwrap();
    assert_eq!(recipe.matches("protected = true").count(), 2, "{recipe}");
    assert!(
        recipe.contains("justification = { en = \"TODO why it may be used"),
        "{recipe}"
    );
}

#[test]
fn init_drafts_a_recipe_that_build_reads() {
    let folder = tempfile::tempdir().unwrap();
    let model = zoo().join("splits/1/model.onnx").display().to_string();
    let data = zoo().join("data.csv").display().to_string();
    let own = folder.path().join("own").display().to_string();
    let arguments = [
        "init", &model, &data, "--label", "status", "--bad", "bad", "-o", &own,
    ];
    let drafted = fieldscore(&arguments);
    assert_eq!(drafted.status.code(), Some(0), "{}", err(&drafted));
    assert!(
        err(&drafted).contains("the model reads 88"),
        "{}",
        err(&drafted)
    );
    let recipe = std::fs::read_to_string(folder.path().join("own/recipe.toml")).unwrap();
    assert!(recipe.contains("TODO") && recipe.contains("[fields.income]"));
    assert!(
        recipe.contains("missing = \"accept\"                 # 381 of the rows"),
        "{recipe}"
    );
    // The recipe is sound; only its features are not the model's.
    let built = fieldscore(&["build", &own]);
    assert_eq!(built.status.code(), Some(2));
    assert!(err(&built).contains("88 inputs"), "{}", err(&built));
    // Never over an existing recipe.
    assert_eq!(fieldscore(&arguments).status.code(), Some(2));
}

#[test]
fn init_takes_names_order_and_categories_from_a_model_that_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let model = zoo().join("../credit-lightgbm/model.txt");
    let data = zoo().join("data.csv").display().to_string();
    let own = folder.path().join("own").display().to_string();
    let arguments = [
        "init",
        model.to_str().unwrap(),
        &data,
        "--label",
        "status",
        "-o",
        &own,
    ];
    let drafted = fieldscore(&arguments);
    assert_eq!(drafted.status.code(), Some(0), "{}", err(&drafted));
    for note in [
        "the model reads spare, which is no column of the data",
        "age is left out",
    ] {
        assert!(err(&drafted).contains(note), "{note}: {}", err(&drafted));
    }
    let recipe = std::fs::read_to_string(folder.path().join("own/recipe.toml")).unwrap();
    for lines in [
        "output = \"probability\"",
        "features = [\"seniority\", \"home\", \"time\", \"records\", \"job\",",
        "values = { ignore = 0, other = 1, owner = 2, parents = 3, priv = 4, rent = 5 }\nimpute = nan",
        "[features.income]\nfrom = \"income\"\nimpute = nan\n",
        "[features.time]\nfrom = \"time\"\n\n",
    ] {
        assert!(recipe.contains(lines), "{lines}: {recipe}");
    }
    assert!(!recipe.contains("prune") && !recipe.contains("fields.age"));
}

#[test]
fn a_net_refuses_gaps_that_stay_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let base = zoo().join("recipe.toml").display().to_string();
    let recipe = format!("extends = [{base:?}]\n[features.income]\nimpute = nan\n");
    std::fs::write(folder.path().join("recipe.toml"), recipe).unwrap();
    let built = fieldscore(&["build", folder.path().to_str().unwrap()]);
    assert_eq!(built.status.code(), Some(2));
    let said =
        "features.income.impute: expected a number, because a net cannot read missing values";
    assert!(err(&built).contains(said), "{}", err(&built));
}

#[test]
fn rows_that_change_leaf_against_the_native_file_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let base = zoo().join("../credit-lightgbm/recipe.toml");
    let base = base.display().to_string();
    let recipe = format!(
        "extends = [{base:?}]\n[model]\nnative = {:?}\n",
        base.replace("recipe.toml", "model.txt")
    );
    std::fs::write(folder.path().join("recipe.toml"), recipe).unwrap();
    let bundle = folder.path().join("own.fsb").display().to_string();
    let built = fieldscore(&["build", folder.path().to_str().unwrap(), "-o", &bundle]);
    assert_eq!(built.status.code(), Some(0), "{}", err(&built));
    let said = String::from_utf8_lossy(&built.stdout).into_owned();
    assert!(
        said.contains("0 of 891 test rows end in another leaf"),
        "{said}"
    );
}

#[test]
fn a_failed_gate_ends_with_status_1_and_without_a_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let base = zoo().join("recipe.toml").display().to_string();
    let recipe = format!(
        "extends = [{:?}]\n[gates]\nint8 = {{ auc = 0.0, ks = 0.0, flips = 0.0 }}\n[product]\nid = \"strict\"\n",
        base
    );
    std::fs::write(folder.path().join("recipe.toml"), recipe).unwrap();
    let bundle = folder.path().join("strict.fsb");
    let path = folder.path().display().to_string();
    let output = fieldscore(&["build", &path, "-o", bundle.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(!bundle.exists());
    assert!(
        err(&output).contains("gate int8") && err(&output).contains("compile.layers"),
        "{}",
        err(&output)
    );
    assert!(out(&output).contains("int8 alone"), "the cost per layer");
}

#[test]
fn precision_auto_mends_what_int8_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let base = zoo().join("recipe.toml").display().to_string();
    let recipe = format!(
        "extends = [{base:?}]\n[compile]\nprecision = \"auto\"\n[gates]\nint8 = {{ auc = 0.0, ks = 0.0, flips = 0.0 }}\n"
    );
    std::fs::write(folder.path().join("recipe.toml"), recipe).unwrap();
    let bundle = folder.path().join("auto.fsb").display().to_string();
    let output = fieldscore(&[
        "build",
        &folder.path().display().to_string(),
        "-o",
        &bundle,
        "--json",
    ]);
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let precisions: Vec<&str> = figures["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["precision"].as_str().unwrap())
        .collect();
    assert!(precisions.iter().any(|p| *p != "int8"), "{precisions:?}");
}

// Bad input, one by one.

#[test]
fn a_missing_file() {
    let output = fieldscore(&["score", &at("credit.fsb"), "nowhere.csv"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("nowhere.csv") && err(&output).contains("exists"));
    let output = fieldscore(&["inspect", "nowhere.fsb"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("nowhere.fsb"));
}

#[test]
fn a_truncated_and_an_altered_bundle() {
    let bytes = std::fs::read(shared().join("credit.fsb")).unwrap();
    let (_folder, short) = file("short.fsb", &bytes[..bytes.len() / 2]);
    let output = fieldscore(&["score", &short, "-"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        err(&output).contains("short.fsb") && err(&output).contains("length its header states"),
        "{}",
        err(&output)
    );
    let mut altered = bytes;
    let last = altered.len() - 1;
    altered[last] ^= 1;
    let (_folder, altered) = file("altered.fsb", altered);
    let output = fieldscore(&["score", &altered, "-"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        err(&output).contains("section HIST") && err(&output).contains("hash"),
        "{}",
        err(&output)
    );
}

#[test]
fn a_wrong_key() {
    let output = fieldscore(&["score", &at("own.fsb"), "-"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("--key"), "{}", err(&output));
}

#[test]
fn a_value_of_the_wrong_type() {
    bad_row(
        &GOOD.replace(",150,", &format!(",x{SECRET},")),
        &["field income", "whole number"],
    );
}

#[test]
fn not_a_number() {
    bad_row(
        &GOOD.replace(",150,", ",NaN,"),
        &["field income", "whole number"],
    );
}

#[test]
fn a_value_out_of_range() {
    bad_row(
        &GOOD.replace(",1000,1300", &format!(",{SECRET},1300")),
        &["field amount", "50 to 10000"],
    );
}

#[test]
fn a_missing_value_that_is_needed() {
    bad_row(
        &GOOD.replace(",1000,1300", ",,1300"),
        &["field amount", "a value"],
    );
}

#[test]
fn an_unlisted_category_that_is_refused() {
    bad_row(
        &GOOD.replace(",no,", &format!(",{SECRET},")),
        &["field records", "categor"],
    );
}

#[test]
fn a_ragged_row() {
    bad_row(&format!("{GOOD},{SECRET}"), &["row 2"]);
}

#[test]
fn text_that_is_not_utf8() {
    let mut rows = format!("{HEADER}\n{GOOD}\n").into_bytes();
    rows.extend(b"B\xff");
    rows.extend(&GOOD.as_bytes()[1..]);
    rows.push(b'\n');
    let (_folder, path) = file("rows.csv", rows);
    let output = fieldscore(&["score", &at("credit.fsb"), &path, "--format", "csv"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        out(&output).lines().nth(2).unwrap().contains("UTF-8"),
        "{}",
        out(&output)
    );
}

#[test]
fn a_duplicate_column() {
    let (_folder, path) = file("rows.csv", format!("{HEADER},income\n{GOOD},1\n"));
    let output = fieldscore(&["score", &at("credit.fsb"), &path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        err(&output).contains("income") && err(&output).contains("once"),
        "{}",
        err(&output)
    );
}

#[test]
fn a_missing_column_of_a_field_that_is_needed() {
    let (_folder, path) = file("rows.csv", "id,as_of,income\nA,2026-09-01,100\n");
    let output = fieldscore(&["score", &at("credit.fsb"), &path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("seniority"), "{}", err(&output));
}

#[test]
fn a_recipe_with_an_unknown_key() {
    let folder = tempfile::tempdir().unwrap();
    let base = zoo().join("recipe.toml").display().to_string();
    let recipe = format!("extends = [{base:?}]\n[fields.income]\nrnge = [0, 1]\n");
    std::fs::write(folder.path().join("recipe.toml"), recipe).unwrap();
    let output = fieldscore(&["build", &folder.path().display().to_string()]);
    assert_eq!(output.status.code(), Some(2));
    let message = err(&output);
    assert!(
        message.contains("recipe.toml, key fields.income"),
        "{message}"
    );
    assert!(
        message.contains("rnge") && message.contains("range"),
        "{message}"
    );
}

#[test]
fn bad_usage() {
    assert_eq!(fieldscore(&["score"]).status.code(), Some(2));
    assert_eq!(fieldscore(&["no-such-verb"]).status.code(), Some(2));
}

// The recipe's other ways to part rows.

/// Builds the credit recipe with some of its text replaced, in a folder of its own, and returns the
/// figures; `data` is what its rows become.
fn build_altered(replace: &[(&str, String)], data: &[(&str, String)]) -> serde_json::Value {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in data {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let zoo = zoo().display().to_string();
    let mut recipe = std::fs::read_to_string(format!("{zoo}/recipe.toml")).unwrap();
    recipe = recipe.replace("\"splits/1/", &format!("\"{zoo}/splits/1/"));
    for (from, to) in replace {
        assert!(recipe.contains(from), "{from}");
        recipe = recipe.replace(from, to);
    }
    std::fs::write(folder.path().join("recipe.toml"), recipe).unwrap();
    let path = folder.path().display().to_string();
    let bundle = folder.path().join("out.fsb").display().to_string();
    let output = fieldscore(&["build", &path, "-o", &bundle, "--json"]);
    assert!(!output.stdout.is_empty(), "{}", err(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

const SPLIT: &str = "file = \"splits.csv\"\ncolumn = \"split_1\"";

fn data() -> String {
    std::fs::read_to_string(zoo().join("data.csv")).unwrap()
}

#[test]
fn rows_are_split_by_files() {
    let all = data();
    let (header, rows) = all.split_once('\n').unwrap();
    let rows: Vec<&str> = rows.lines().collect();
    let part = |rows: &[&str]| format!("{header}\n{}\n", rows.join("\n"));
    let files = "files = { validation = \"v.csv\", test = \"t.csv\" }".to_owned();
    let parts = [
        ("data.csv", part(&rows[..2454])),
        ("v.csv", part(&rows[2454..3454])),
        ("t.csv", part(&rows[3454..])),
    ];
    let figures = build_altered(&[(SPLIT, files)], &parts);
    assert_eq!(figures["rows"], serde_json::json!([2454, 1000, 1000]));
}

#[test]
fn rows_are_split_by_date() {
    let mut dated = String::new();
    for (number, line) in data().lines().enumerate() {
        let date = match number {
            0 => "day",
            1..=2454 => "2024-12-31",
            2455..=3454 => "2025-01-01",
            _ => "2025-07-01",
        };
        dated.push_str(&format!("{line},{date}\n"));
    }
    let dates = "validation_from = 2025-01-01\ntest_from = 2025-07-01".to_owned();
    let id = "id = \"id\"\nlabel".to_owned();
    let with_date = format!("date = \"day\"\n{id}");
    let figures = build_altered(&[(SPLIT, dates), (&id, with_date)], &[("data.csv", dated)]);
    assert_eq!(figures["rows"], serde_json::json!([2454, 1000, 1000]));
}

#[test]
fn rows_are_split_by_seed_alike_each_time() {
    let seed = |seed: u32| {
        let split = format!("seed = {seed}\nvalidation = 0.25\ntest = 0.25");
        build_altered(&[(SPLIT, split)], &[("data.csv", data())])
    };
    let first = seed(7);
    assert_eq!(first["rows"], serde_json::json!([2226, 1114, 1114]));
    assert_eq!(first, seed(7));
    assert_ne!(first["discrimination"], seed(8)["discrimination"]);
}

#[test]
fn flips_are_counted_on_unlabelled_rows_where_labelled_ones_are_too_few() {
    let zoo = zoo().display().to_string();
    let split = SPLIT.replace("splits.csv", &format!("{zoo}/splits.csv"));
    let missing = "missing = [\"\", \"NA\"]";
    let more = format!("{missing}\nunlabelled = \"more.csv\"");
    let int8 = "int8 = { auc = 0.002, ks = 0.01, flips = 0.01 }";
    let strict = int8.replace("flips = 0.01", "flips = 0.005");
    let files = [("data.csv", data()), ("more.csv", data())];
    let figures = build_altered(&[(SPLIT, split), (missing, more), (int8, strict)], &files);
    // 891 rows tolerate 44 flips at 5 %, but only 4 at 0.5 %.
    assert_eq!(figures["gates"][0]["flips"]["rows"], 891);
    assert_eq!(figures["gates"][1]["flips"]["rows"], 891 + 4454);
    assert_eq!(figures["gates"][1]["unlabelled"], true);
}

//! Every verb, with what it should read and what it should not.

use super::kiosk::{PROGRAM, golden, golden_bundle, record, resigned, run, text};
use fieldscore_cli::keys::Signing;
use std::process::{Command, Stdio};

fn path(name: &str) -> String {
    golden(name).display().to_string()
}

/// An application with all that is required.
const GOOD: &str = r#"{"id":"A","as_of":"2026-09-01","seniority":5,"time":24,"records":"no","expenses":40,"income":150,"amount":800,"price":1200}"#;

/// The digest that the golden suite records for so many decisions.
fn recorded(kind: &str, count: usize) -> String {
    let all = std::fs::read_to_string(golden("digests.txt")).unwrap();
    let start = format!("{kind} {count} ");
    let line = all.lines().find_map(|line| line.strip_prefix(&start));
    format!("{count} {}\n", line.unwrap())
}

#[test]
fn the_golden_suite_gives_its_digests() {
    let (bundle, rows) = (path("credit.fsb"), path("applications.csv"));
    let plain = run(&["score", &bundle, &rows, "--format", "digest"]);
    assert_eq!(plain.status.code(), Some(0));
    assert_eq!(text(&plain.stdout), recorded("plain", 10_000));
    let csv = std::fs::read_to_string(&rows).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("first.csv");
    let lines: Vec<&str> = csv.lines().take(1001).collect();
    std::fs::write(&first, lines.join("\n")).unwrap();
    let first = first.display().to_string();
    let explained = run(&["score", &bundle, &first, "--explain", "--format", "digest"]);
    assert_eq!(text(&explained.stdout), recorded("explained", 1000));
    let other = run(&["score", &bundle, &first, "--format", "digest"]);
    assert_ne!(other.stdout, explained.stdout);
}

#[test]
fn rows_are_scored_in_each_format_and_bad_ones_are_named_without_their_values() {
    let folder = tempfile::tempdir().unwrap();
    let rows = folder.path().join("rows.jsonl");
    let text_of = format!("{GOOD}\n{{\"id\":\"B\",\"income\":\"s3cret\"}}\n");
    std::fs::write(&rows, &text_of).unwrap();
    let rows = rows.display().to_string();
    for format in ["table", "csv", "jsonl"] {
        let out = run(&["score", &path("credit.fsb"), &rows, "--format", format]);
        assert_eq!(out.status.code(), Some(2), "{format}");
        let (stdout, stderr) = (text(&out.stdout), text(&out.stderr));
        let words = stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("field income"), "{stdout}");
        assert!(!(stdout + &stderr).contains("s3cret"));
        assert!(stderr.contains("development key"), "{stderr}");
    }
    let mut child = Command::new(PROGRAM)
        .args([
            "score",
            &path("credit.fsb"),
            "-",
            "--format",
            "jsonl",
            "--explain",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), text_of.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    let first: serde_json::Value =
        serde_json::from_str(text(&out.stdout).lines().next().unwrap()).unwrap();
    assert!(first["score"].is_i64() && first["reasons"][0]["text"].is_string());
}

#[test]
fn one_decision_is_explained() {
    let arguments = ["explain", &path("credit.fsb"), &path("applications.csv")];
    let out = run(&[&arguments[..], &["--row", "3"]].concat());
    assert_eq!(out.status.code(), Some(0));
    assert!(text(&out.stdout).contains("Application R-0000002, as of 2026-09-01"));
    let out = run(&[&arguments[..], &["--row", "99999"]].concat());
    assert_eq!((out.status.code(), out.stdout.len()), (Some(2), 0));
}

#[test]
fn a_bundle_is_inspected_verified_and_tested_on_every_path() {
    let bundle = path("credit.fsb");
    let out = run(&["inspect", &bundle, "--json"]);
    let object: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(object["product"], "credit");
    let out = run(&["verify", &bundle]);
    assert_eq!(out.status.code(), Some(0));
    assert!(text(&out.stdout).contains("self-test"));
    let out = run(&["self-test", &bundle, "--json"]);
    assert_eq!(out.status.code(), Some(0));
    let lines = text(&out.stdout);
    let found: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(found[0]["kernels"], "scalar");
    assert!(found.iter().all(|path| path["same"] == true));
    assert_eq!(found.iter().filter(|path| path["used"] == true).count(), 1);
}

#[test]
fn what_is_not_the_signers_is_refused_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(golden("credit.fsb")).unwrap();
    let altered = folder.path().join("altered.fsb");
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(&altered, changed).unwrap();
    let cut = folder.path().join("cut.fsb");
    std::fs::write(&cut, &bytes[..1000]).unwrap();
    for (file, code) in [(&altered, "bundle.altered"), (&cut, "bundle.not_a_bundle")] {
        let file = file.display().to_string();
        let out = run(&["verify", &file]);
        assert_eq!(out.status.code(), Some(1), "{}", text(&out.stderr));
        assert!(text(&out.stderr).contains(code), "{}", text(&out.stderr));
        let out = run(&["self-test", &file]);
        assert_eq!(out.status.code(), Some(2));
        assert!(text(&out.stderr).contains(&file));
    }
    let own = Signing::generate().unwrap();
    own.write(&folder.path().join("keys")).unwrap();
    let key = folder.path().join("keys/public.pem").display().to_string();
    let out = run(&[
        "score",
        &path("credit.fsb"),
        &path("applications.csv"),
        "--key",
        &key,
    ]);
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("bundle.untrusted_key"));
}

#[test]
fn bad_usage_and_files_that_are_not_there_end_with_two() {
    for arguments in [
        &["score"][..],
        &["unknown"],
        &["score", "no/such.fsb", "no/such.csv"],
        &["explain", "no/such.fsb", "x.csv", "--row", "1"],
        &["inspect", "no/such.fsb"],
        &["verify", "no/such.fsb"],
        &["serve", "--product", "credit", "--data", "x"],
        &[
            "serve",
            "--key",
            "no/such.pem",
            "--product",
            "credit",
            "--data",
            "x",
        ],
    ] {
        let out = run(arguments);
        assert_eq!(out.status.code(), Some(2), "{arguments:?}");
        assert!(out.stdout.is_empty() && !out.stderr.is_empty());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_no_silence() {
    let (bundle, rows) = (path("credit.fsb"), path("applications.csv"));
    let out = run(&[
        "score",
        &bundle,
        &rows,
        "--format",
        "jsonl",
        "-o",
        "/dev/full",
    ]);
    assert_eq!(out.status.code(), Some(2));
    assert!(
        text(&out.stderr).contains("/dev/full"),
        "{}",
        text(&out.stderr)
    );
}

#[test]
fn a_record_as_the_kiosk_stores_it_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.record");
    let record = record(&golden_bundle(), 0);
    std::fs::write(&file, &record).unwrap();
    let replay = |bundle: &str| run(&["replay", bundle, &file.display().to_string(), "--json"]);
    let same = replay(&path("credit.fsb"));
    assert_eq!(same.status.code(), Some(0), "{}", text(&same.stderr));
    let counts: serde_json::Value = serde_json::from_slice(&same.stdout).unwrap();
    assert_eq!(counts["same"], 1);
    let newer = folder.path().join("newer.fsb");
    std::fs::write(&newer, resigned(&Signing::development(), "credit", 9)).unwrap();
    let other = replay(&newer.display().to_string());
    assert_eq!(other.status.code(), Some(1));
    assert!(text(&other.stdout).contains("another bundle decided"));
    std::fs::write(&file, &record[..record.len() - 1]).unwrap();
    assert_ne!(replay(&path("credit.fsb")).status.code(), Some(0));
}

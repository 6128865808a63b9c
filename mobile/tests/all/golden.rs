//! The golden suite through the exported API: the recorded digests, byte for byte, from one thread and
//! from eight.

use std::path::{Path, PathBuf};

use crate::common::{Form, applications, applications_of, keys, scorer, text};
use fieldscore_mobile::{
    Application, Entry, FieldKind, FieldscoreError, Outcome, Scored, Scorer, Value,
};
use fieldscore_runtime::bundle::container::KNOWN_FEATURES;
use sha2::{Digest, Sha256};

/// The recorded digest of a mark, such as `plain 10000`.
fn recorded(mark: &str) -> String {
    let digests = text("digests.txt");
    let mut lines = digests.lines().map(|line| line.rsplit_once(' ').unwrap());
    lines
        .find(|(known, _)| *known == mark)
        .unwrap()
        .1
        .to_owned()
}

/// What a digest is of: records, and errors by their code.
fn digest(decided: impl Iterator<Item = Vec<u8>>) -> String {
    let mut hash = Sha256::new();
    decided.for_each(|bytes| hash.update(bytes));
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

fn record_or_code(decided: Result<Vec<u8>, FieldscoreError>) -> Vec<u8> {
    decided.unwrap_or_else(|error| error.parts().0.as_bytes().to_vec())
}

fn plain(scorer: &Scorer, applications: &[Application]) -> String {
    digest(applications.iter().map(|application| {
        record_or_code(scorer.score(application).map(|decision| decision.record))
    }))
}

#[test]
fn decisions_are_the_recorded_ones_in_either_form() {
    let scorer = scorer();
    for form in [Form::Written, Form::Typed] {
        let applications = applications(&scorer, form, 10_000);
        assert_eq!(applications.len(), 10_000);
        let digest = plain(&scorer, &applications);
        assert_eq!(digest, recorded("plain 10000"), "{form:?}");
    }
}

/// The folders of the families' golden bundles.
fn families() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/families");
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// The tables of a folder's applications: each CSV file besides theirs, by the name of its field.
fn tables(folder: &Path) -> Vec<(String, String)> {
    let files = std::fs::read_dir(folder).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|kind| kind == "csv"));
    let named = files.map(|path| {
        let field = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (field, std::fs::read_to_string(path).unwrap())
    });
    named.filter(|(field, _)| field != "applications").collect()
}

/// Gives each application the rows of a table that have its id, from a CSV file's text.
fn add_rows(applications: &mut [Application], scorer: &Scorer, table: &str, csv: &str) {
    let field = scorer.field(table).unwrap();
    let info = scorer.info().unwrap();
    let FieldKind::Table { columns, .. } = &info.fields[usize::from(field)].kind else {
        panic!("{table}: a table");
    };
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let at = |name: &str| header.iter().position(|own| *own == name).unwrap();
    let order: Vec<usize> = columns.iter().map(|column| at(&column.name)).collect();
    let lines: Vec<Vec<&str>> = lines.collect();
    for application in applications {
        let own = lines.iter().filter(|row| row[at("id")] == application.id);
        let rows: Vec<Vec<String>> = own
            .map(|row| order.iter().map(|&at| row[at].to_owned()).collect())
            .collect();
        if !rows.is_empty() {
            let value = Value::Rows { rows, comma: false };
            application.values.push(Entry { field, value });
        }
    }
}

#[test]
fn bundles_of_every_family_give_the_recorded_ones() {
    let (mut decided, mut refused) = (0, 0);
    for folder in families() {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let text = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
        let bundle = std::fs::read(folder.join(format!("{name}.fsb"))).unwrap();
        let required = u64::from_le_bytes(bundle[16..24].try_into().unwrap());
        let opened = Scorer::open(bundle, keys());
        if required & !KNOWN_FEATURES != 0 {
            let error = opened.err().unwrap();
            assert_eq!(error.parts().0, "bundle.unsupported", "{name}");
            refused += 1;
            continue;
        }
        let scorer = opened.unwrap();
        let tables = tables(&folder);
        if !tables.is_empty() && !cfg!(feature = "tables") {
            // Another crate of this build has asked the runtime for tables: this one hands none over.
            continue;
        }
        let (csv, digests) = (text("applications.csv"), text("digests.txt"));
        for line in digests.lines() {
            let [kind, count, recorded] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{name}: {line}");
            };
            let count: usize = count.parse().unwrap();
            let mut applications = applications_of(&csv, &scorer, Form::Written, count);
            assert_eq!(applications.len(), count, "{name}");
            for (field, rows) in &tables {
                add_rows(&mut applications, &scorer, field, rows);
            }
            let found = digest(applications.iter().map(|application| match kind {
                "plain" => record_or_code(scorer.score(application).map(|d| d.record)),
                _ => record_or_code(scorer.explain(application, "en").map(|e| e.decision.record)),
            }));
            assert_eq!(found, recorded, "{name}: {kind} {count}");
        }
        decided += 1;
    }
    assert!(
        decided > 5,
        "{decided} families are decided, {refused} refused"
    );
    if cfg!(feature = "tensors") {
        assert_eq!(decided, families().len());
    }
}

#[test]
fn many_at_once_are_the_recorded_ones() {
    let scorer = scorer();
    let scored = scorer
        .score_many(applications(&scorer, Form::Typed, 10_000))
        .unwrap();
    let digest = digest(scored.into_iter().map(|scored| match scored {
        Scored::Decided { decision } => decision.record,
        Scored::Refused { code, .. } => code.into_bytes(),
    }));
    assert_eq!(digest, recorded("plain 10000"));
}

#[test]
fn explanations_are_the_recorded_ones_in_either_form() {
    let scorer = scorer();
    for form in [Form::Written, Form::Typed] {
        for (count, language) in [(100, "en"), (1000, "zh")] {
            let explained = applications(&scorer, form, count)
                .into_iter()
                .map(|application| {
                    let explained = scorer.explain(&application, language);
                    record_or_code(explained.map(|explanation| explanation.decision.record))
                });
            let digest = digest(explained);
            assert_eq!(digest, recorded(&format!("explained {count}")), "{form:?}");
        }
    }
}

#[test]
fn alternatives_are_the_recorded_ones() {
    let scorer = scorer();
    let info = scorer.info().unwrap();
    let lines = applications(&scorer, Form::Typed, 100).into_iter();
    let lines = lines.map(|application| {
        let all = match scorer.alternatives(&application) {
            Ok(all) => all,
            Err(error) => return format!("{}\n", error.parts().0).into_bytes(),
        };
        let mut lines = format!("{}\n", application.id);
        for one in all {
            let change = |change: &fieldscore_mobile::Change| {
                let name = &info.fields[usize::from(change.field)].name;
                format!("{name}={}", change.value)
            };
            let changes: Vec<String> = one.changes.iter().map(change).collect();
            let outcome = match one.outcome {
                Outcome::Approve => "approve",
                Outcome::Refer => "refer",
                Outcome::Decline => "decline",
            };
            let (score, ppm) = (one.score, one.probability_ppm);
            lines += &format!("{} {outcome} {score} {ppm}\n", changes.join(","));
        }
        lines.into_bytes()
    });
    let recorded = text("alternatives.txt");
    assert!(recorded.contains(&format!("alternatives 100 {}\n", digest(lines))));
}

#[test]
fn an_explanation_adds_up_and_replays() {
    let scorer = scorer();
    let info = scorer.info().unwrap();
    for application in applications(&scorer, Form::Typed, 100) {
        let Ok(explanation) = scorer.explain(&application, "en") else {
            continue;
        };
        let decision = scorer.score(&application).unwrap();
        assert_eq!(decision.score, explanation.decision.score);
        assert_eq!(explanation.groups.len(), info.groups.len());
        assert_eq!(explanation.fields.len(), info.fields.len());
        for parts in [&explanation.groups, &explanation.fields] {
            let sum: i32 = parts.iter().sum();
            assert_eq!(sum, decision.score - explanation.reference_score);
        }
        assert!(explanation.reasons.iter().all(|r| !r.text.is_empty()));
        assert!(scorer.replay(decision.record).unwrap());
        assert!(scorer.replay(explanation.decision.record).unwrap());
    }
}

#[test]
fn eight_threads_at_once_decide_as_one() {
    let scorer = scorer();
    let applications = applications(&scorer, Form::Typed, 1000);
    let expected = plain(&scorer, &applications);
    let start = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        let work = || {
            start.wait();
            plain(&scorer, &applications)
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), expected);
        }
    });
}

#[test]
fn the_bundle_passes_its_self_test_and_says_what_it_is() {
    let scorer = scorer();
    assert_eq!(scorer.self_test().unwrap(), 16);
    let info = scorer.info().unwrap();
    assert_eq!((info.product.as_str(), info.sequence), ("credit", 1));
    assert_eq!(info.bundle_id.len(), 32);
    assert_eq!(info.not_after.as_deref(), Some("2036-12-31"));
    assert_eq!(info.languages, ["en", "zh"]);
    assert_eq!(info.fields.len(), 11);
    let label = |language| scorer.text("field.income.label", language).unwrap();
    assert_eq!(label("en").as_deref(), Some("Income"));
    assert_ne!(label("zh-Hans-CN"), label("en"));
    assert_eq!(scorer.text("no.such.text", "en").unwrap(), None);
}

#[test]
fn summaries_are_the_recorded_bytes() {
    let folder = families()
        .into_iter()
        .find(|path| path.ends_with("watched"))
        .unwrap();
    let text = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    let bundle = std::fs::read(folder.join("watched.fsb")).unwrap();
    let watched = Scorer::open(bundle, keys()).unwrap();
    let applications = applications_of(&text("applications.csv"), &watched, Form::Written, 1000);
    let decided = applications
        .iter()
        .map(|a| watched.score(a).unwrap().record);
    let records: Vec<Vec<u8>> = decided.collect();
    let few = watched.summarise(None, records[..19].to_vec()).unwrap();
    let error = watched.share_summary(few.clone()).unwrap_err();
    assert_eq!(error.parts().0, "summary.too_few");
    assert!(matches!(error, FieldscoreError::TooFew { .. }));
    let all = watched
        .summarise(Some(few), records[19..].to_vec())
        .unwrap();
    assert_eq!(watched.share_summary(all.clone()).unwrap(), all);
    let recorded = text("summary.txt");
    let recorded = recorded.trim().strip_prefix("summary 1000 ").unwrap();
    assert_eq!(digest([all].into_iter()), recorded);
    let code =
        |refused: Result<Vec<u8>, FieldscoreError>| refused.unwrap_err().parts().0.to_owned();
    assert_eq!(code(watched.share_summary(vec![0x87])), "summary.malformed");
    let plain = scorer();
    assert_eq!(code(plain.summarise(None, records)), "bundle.unsupported");
}

/// The notices of the first twelve applications that are decided, as `notices.en.txt` has them.
fn notices(scorer: &Scorer, language: &str) -> String {
    let applications = applications(scorer, Form::Written, 100);
    let records = applications
        .iter()
        .filter_map(|application| scorer.score(application).ok());
    let notices = records
        .take(12)
        .map(|decision| scorer.notice(decision.record, language).unwrap().text);
    notices.collect::<Vec<_>>().join("\n---\n\n")
}

#[test]
fn notices_are_the_recorded_ones() {
    let scorer = scorer();
    for language in ["en", "zh"] {
        let recorded = text(&format!("notices.{language}.txt"));
        assert_eq!(notices(&scorer, language), recorded, "{language}");
    }
}

#[test]
fn a_bundle_without_reasons_allows_no_override() {
    let scorer = scorer();
    assert!(scorer.override_reasons().unwrap().is_empty());
    let application = &applications(&scorer, Form::Written, 1)[0];
    let record = scorer.score(application).unwrap().record;
    let made = fieldscore_mobile::Override {
        by: "T-17".to_owned(),
        outcome: Outcome::Refer,
        reason: "O1".to_owned(),
        as_of: "2026-09-01".to_owned(),
    };
    let refused = scorer.override_decision(record, made.clone()).unwrap_err();
    assert_eq!(refused.parts().0, "record.malformed");
    let nonsense = scorer.check_override(vec![0x80], vec![0x80]).unwrap_err();
    assert_eq!(nonsense.parts().1, "override");
    let no_day = fieldscore_mobile::Override {
        as_of: "today".to_owned(),
        ..made
    };
    let refused = scorer.override_decision(Vec::new(), no_day).unwrap_err();
    assert_eq!(refused.parts().1, "asOf");
}

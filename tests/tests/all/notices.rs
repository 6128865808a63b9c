//! What an applicant and staff are told: reasons that do not depend on the order of fields, the notice
//! of a decision, and a person's decision beside it.

use std::path::Path;

use fieldscore_runtime::decide::{MAX_STAFF_ID_BYTES, built_in, notice_keys};
use fieldscore_runtime::schema::transform::Column;
use fieldscore_runtime::schema::{Answer, TextEntry};
use fieldscore_runtime::{Date, DecimalMark, ErrorKind, Outcome, Override, Scorer};
use fieldscore_tests::fixture::{Parts, draw, fill, key, today};
use fieldscore_tests::random::Random;
use proptest::prelude::*;

/// The same bundle with its fields in another order: the field at place `n` is what was at `order[n]`.
fn reordered(parts: &Parts, order: &[u16]) -> Parts {
    let mut parts = parts.clone();
    let fields = parts.schema.fields.clone();
    let place = |at: &mut u16| {
        if let Some(new) = order.iter().position(|old| old == at) {
            *at = new as u16;
        }
    };
    parts.schema.fields = order
        .iter()
        .map(|&at| fields[usize::from(at)].clone())
        .collect();
    for column in &mut parts.transforms.columns {
        match column {
            Column::Ratio(a, b) | Column::Difference(a, b) => [a, b].into_iter().for_each(place),
            other => panic!("a fixture with {other:?}"),
        }
    }
    for block in &mut parts.transforms.blocks {
        place(&mut block.source);
    }
    for rule in &mut parts.policy.knock_outs {
        rule.when.iter_mut().for_each(|when| place(&mut when.field));
    }
    parts
}

/// The codes and texts of the reasons for an application of a seed.
fn reasons(scorer: &Scorer, seed: u64, names: &[String]) -> Vec<(String, String)> {
    // Drawn by name, so that the same values come for every order of the fields.
    let drawn = draw(&Parts::small(1).scorer(), "A-1", &mut Random::new(seed));
    let mut record = Vec::new();
    let small = Parts::small(1).scorer();
    let decision = small.score(&drawn).unwrap();
    small.record(&drawn, &decision, &mut record);
    let record = fieldscore_runtime::Record::decode(&record).unwrap();
    let mut application = scorer.application("A-1", record.as_of);
    for name in names {
        use fieldscore_runtime::decide::RecordValue;
        let Some((_, value)) = record.values.iter().find(|(own, _)| own == name) else {
            continue;
        };
        let field = scorer.schema().index_of(name).unwrap();
        let kind = &scorer.schema().fields()[field].kind;
        match value {
            RecordValue::Number(raw) if kind.name() == "date" => {
                application
                    .set(name, Date::from_days(*raw).unwrap())
                    .unwrap();
            }
            RecordValue::Number(raw) => {
                let unit = 10f64.powi(i32::from(kind.decimals()));
                application.set(name, *raw as f64 / unit).unwrap();
            }
            RecordValue::Truth(truth) => application.set(name, *truth).unwrap(),
            RecordValue::Text(text) => application.set(name, text.as_str()).unwrap(),
            _ => panic!("a value of a kind that the fixture does not have"),
        }
    }
    let explanation = scorer.explain(&application).unwrap();
    let reasons = explanation.reasons.iter();
    reasons
        .map(|reason| {
            let code = scorer.reason_code(reason).to_owned();
            (code, scorer.reason_text(reason, "en"))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn reasons_stay_when_fields_are_reordered(
        seed in 0u64..1000,
        order in Just((0u16..7).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut parts = Parts::small(seed % 8);
        for field in &mut parts.schema.fields {
            field.missing = Answer::Refer;
            field.unknown = Answer::Refer;
            if field.range.is_some() {
                field.out_of_range = Answer::Refer;
            }
        }
        let names: Vec<String> = parts.schema.fields.iter().map(|f| f.name.clone()).collect();
        let expected = reasons(&parts.scorer(), seed, &names);
        let shuffled = reordered(&parts, &order);
        prop_assert_eq!(reasons(&shuffled.scorer(), seed, &names), expected);
    }
}

#[test]
fn fields_that_refer_are_named_by_their_codes_order() {
    let mut parts = Parts::small(1);
    for field in &mut parts.schema.fields {
        field.missing = Answer::Refer;
    }
    let reference = parts.ordinary("reference");
    parts.set_reference(&reference);
    let order = [6, 5, 4, 3, 2, 1, 0];
    let scorer = reordered(&parts, &order).scorer();
    let mut application = scorer.application("A-1", today());
    application.set("income", 1000).unwrap();
    let explanation = scorer.explain(&application).unwrap();
    let reasons = explanation.reasons.iter();
    let texts: Vec<String> = reasons.map(|r| scorer.reason_text(r, "en")).collect();
    let expected = ["expenses", "home", "employed", "since"];
    assert_eq!(
        texts,
        expected.map(|name| format!("person: S4: {name} label"))
    );
}

/// The small bundle with more texts.
fn with_texts(add: &[(&str, &str, &str)]) -> Scorer {
    let mut parts = Parts::small(1);
    let texts = &mut parts.texts.entries;
    texts.extend(add.iter().map(|(key, en, zh)| TextEntry {
        key: (*key).to_owned(),
        texts: vec![(*en).to_owned(), (*zh).to_owned()],
    }));
    texts.sort_by(|a, b| a.key.cmp(&b.key));
    parts.scorer()
}

/// A declined application's record, explained, and the record of the decision alone.
fn declined(scorer: &Scorer, id: &str) -> (Vec<u8>, Vec<u8>) {
    let mut application = scorer.application(id, today());
    fill(&mut application);
    // The rule K1 of the fixture.
    application.set("income", 9500).unwrap();
    let explanation = scorer.explain(&application).unwrap();
    assert_eq!(explanation.decision.outcome, Outcome::Decline);
    let (mut explained, mut plain) = (Vec::new(), Vec::new());
    scorer.record_explained(&application, &explanation, &mut explained);
    scorer.record(&application, &explanation.decision, &mut plain);
    assert_eq!(
        scorer.notice(&application, &explanation, "zh"),
        scorer.notice_of(&explained, "zh").unwrap()
    );
    (explained, plain)
}

#[test]
fn a_bundle_without_words_for_notices_has_the_built_in_ones() {
    let scorer = with_texts(&[]);
    let (record, plain) = declined(&scorer, "A-1");
    let notice = scorer.notice_of(&record, "en").unwrap();
    assert_eq!(notice, scorer.notice_of(&plain, "en-GB").unwrap());
    let text = notice.to_text();
    let head = "Decision on your loan application\n\n\
                Lender: fixture\nApplication: A-1\nDate: 2026-09-01\nBasis: fixture 1\n\n\
                Your application is declined.\n\nMain reasons\n1. too large\n";
    assert!(text.starts_with(head), "{text}");
    let tail = "\n\nReview by a person\n\
                You may ask the lender to have a person review this decision.\n";
    assert!(text.ends_with(tail), "{text}");
    let chinese = scorer.notice_of(&record, "zh-Hans-CN").unwrap();
    assert_eq!(
        (chinese.language.as_str(), chinese.right_to_left),
        ("zh-Hans", false)
    );
    assert!(
        chinese.to_text().contains("主要原因\n1. 过大\n"),
        "{}",
        chinese.to_text()
    );
}

#[test]
fn a_bundles_own_words_come_first() {
    let scorer = with_texts(&[
        ("notice.decline", "No loan.", "不予贷款。"),
        ("notice.lender", "The Bank", "银行"),
        ("notice.review", "Call 112.", "请致电 112。"),
        ("notice.score", "Points", "分数"),
        ("notice.word.title", "Letter", "通知"),
        ("texts.version", "2026-09", ""),
    ]);
    let (record, _) = declined(&scorer, "A-1");
    let text = scorer.notice_of(&record, "en").unwrap().to_text();
    for part in [
        "Letter\n\nLender: The Bank\n",
        "\nPoints: ",
        "\nBasis: fixture 1, 2026-09\n\nNo loan.\n",
        "\nCall 112.\n",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let text = scorer.notice_of(&record, "zh-Hans").unwrap().to_text();
    assert!(
        text.contains("贷款机构: 银行\n") && text.contains("fixture 1, 2026-09"),
        "{text}"
    );
}

#[test]
fn an_approval_has_no_reasons() {
    let mut parts = Parts::small(1);
    (parts.policy.approve_from, parts.policy.refer_from) = (0, 0);
    let scorer = parts.scorer();
    let mut application = scorer.application("A-1", today());
    fill(&mut application);
    let explanation = scorer.explain(&application).unwrap();
    let notice = scorer.notice(&application, &explanation, "en");
    assert_eq!(
        (notice.outcome, notice.reasons.len()),
        (Outcome::Approve, 0)
    );
    assert!(!notice.to_text().contains("Main reasons"));
}

#[test]
fn a_rule_that_refers_is_no_reason_to_decline() {
    let mut found = 0;
    for seed in 0..20 {
        let mut parts = Parts::small(seed);
        parts.policy.knock_outs[0].outcome = Outcome::Refer;
        (parts.policy.approve_from, parts.policy.refer_from) = (900, 899);
        let scorer = parts.scorer();
        let mut application = draw(&scorer, "A-1", &mut Random::new(seed));
        application.set("income", 9500).unwrap();
        let mut explanation = scorer.explain(&application).unwrap();
        let reasons = explanation.reasons.iter();
        let codes: Vec<&str> = reasons.map(|r| scorer.reason_code(r)).collect();
        let told = |explanation: &_| scorer.notice(&application, explanation, "en").reasons;
        assert_eq!(
            (codes[0], explanation.decision.outcome),
            ("K1", Outcome::Decline)
        );
        // Where the rule is all that there is, it stands.
        let left = codes.len() - 1;
        found += usize::from(left > 0);
        assert_eq!(told(&explanation).len(), left.max(1));
        assert_eq!(told(&explanation)[0] == "too large", left == 0);
        explanation.decision.outcome = Outcome::Refer;
        assert_eq!(told(&explanation)[0], "too large");
    }
    assert!(found > 0);
}

#[test]
fn an_id_stays_on_its_line() {
    let scorer = with_texts(&[]);
    let id = format!("A\nDecision: yours\u{202e}{}", "x".repeat(100));
    let (record, _) = declined(&scorer, &id);
    let text = scorer.notice_of(&record, "en").unwrap().to_text();
    let line = format!(
        "Application: A\\u{{a}}Decision: yours\\u{{202e}}{}\n",
        "x".repeat(100)
    );
    assert!(text.contains(&line), "{text}");
}

#[test]
fn nothing_that_was_given_is_on_a_notice() {
    let scorer = with_texts(&[("notice.score", "Points", "分数")]);
    let (record, _) = declined(&scorer, "A-1");
    let decoded = fieldscore_runtime::Record::decode(&record).unwrap();
    let text = scorer.notice_of(&record, "en").unwrap().to_text();
    for (name, value) in &decoded.values {
        if let fieldscore_runtime::decide::RecordValue::Text(given) = value {
            assert!(!text.contains(given.as_str()), "{name}");
        }
    }
    assert!(!text.contains("9500") && !text.contains("950000"));
}

#[test]
fn a_changed_record_gets_no_notice() {
    let scorer = with_texts(&[]);
    let (record, _) = declined(&scorer, "A-1");
    let mut noticed = 0;
    for at in 0..record.len() {
        let mut changed = record.clone();
        changed[at] ^= 1;
        // What is given may change the decision's record; what was decided may not.
        if let Ok(notice) = scorer.notice_of(&changed, "en") {
            noticed += 1;
            let mut replayed = scorer.replay(&changed).unwrap();
            assert!(replayed.same, "byte {at}");
            replayed.again.clear();
            assert_eq!(notice.outcome, replayed.record.decision.outcome);
        }
    }
    // A letter of the id, or a value that changes no record but by itself.
    assert!(noticed < 40, "{noticed}");
    let other = Parts::small(2).scorer();
    let error = other.notice_of(&record, "en").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongBundle);
}

/// The notices of the golden bundle's first twelve applications that are decided.
fn golden_notices(language: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/credit");
    let scorer = Scorer::open_path(folder.join("credit.fsb"), &[key().public()]).unwrap();
    let csv = std::fs::read_to_string(folder.join("applications.csv")).unwrap();
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().unwrap();
    let mut all = Vec::new();
    for cells in lines {
        let mut application = scorer.application(cells[0], Date::parse(cells[1]).unwrap());
        let mut set = names.iter().zip(&cells).skip(2);
        let set =
            set.try_for_each(|(name, cell)| application.set_text(name, cell, DecimalMark::Point));
        let Ok(explanation) = set.and_then(|()| scorer.explain(&application)) else {
            continue;
        };
        all.push(
            scorer
                .notice(&application, &explanation, language)
                .to_text(),
        );
        if all.len() == 12 {
            break;
        }
    }
    all.join("\n---\n\n")
}

#[test]
fn notices_of_the_golden_bundle_are_the_recorded_ones() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/credit");
    for language in ["en", "zh"] {
        let path = golden.join(format!("notices.{language}.txt"));
        let notices = golden_notices(language);
        for outcome in ["approve", "refer", "decline"] {
            assert!(notices.contains(built_in(outcome, language)), "{outcome}");
        }
        let recorded = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(notices, recorded, "{}", path.display());
    }
}

#[test]
fn every_word_is_built_in() {
    for key in notice_keys() {
        let (en, zh) = (built_in(key, "en"), built_in(key, "zh-Hant"));
        assert!(en.is_ascii() && !zh.is_ascii() && !en.is_empty(), "{key}");
        assert_eq!(built_in(key, "sw"), en);
    }
    assert_eq!(built_in("nothing", "en"), "");
}

const REASONS: [(&str, &str, &str); 2] = [
    ("override.O1", "Documents were seen", "已核实材料"),
    ("override.O2", "A guarantor stands in", "有担保人"),
];

#[test]
fn an_override_is_made_and_read_beside_its_record() {
    let scorer = with_texts(&REASONS);
    let codes: Vec<&str> = scorer.override_reasons().collect();
    assert_eq!(codes, ["O1", "O2"]);
    let (record, plain) = declined(&scorer, "A-1");
    let made = scorer.override_decision(&record, "T-17", Outcome::Refer, "O2", today());
    let made = made.unwrap();
    let read = scorer.check_override(&record, &made).unwrap();
    let parts = (
        read.by.as_str(),
        read.outcome,
        read.reason.as_str(),
        read.as_of,
    );
    assert_eq!(parts, ("T-17", Outcome::Refer, "O2", today()));
    assert!(scorer.replay(&record).unwrap().same);
    let error = scorer.check_override(&plain, &made).unwrap_err();
    assert!(error.expected().contains("SHA-256"), "{error}");
    let other = Parts::small(2).scorer();
    let error = other.check_override(&record, &made).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongBundle);
}

#[test]
fn an_override_that_does_not_hold_is_refused() {
    let scorer = with_texts(&REASONS);
    let (record, _) = declined(&scorer, "A-1");
    let long = "x".repeat(MAX_STAFF_ID_BYTES + 1);
    let day = |text| Date::parse(text).unwrap();
    let refused = |by: &str, outcome, reason: &str, as_of, expected: &str| {
        let error = scorer.override_decision(&record, by, outcome, reason, as_of);
        let error = error.unwrap_err();
        assert_eq!(
            (error.kind(), error.place()),
            (ErrorKind::BadRecord, "override")
        );
        assert!(error.expected().contains(expected), "{error}");
    };
    let refer = Outcome::Refer;
    refused("", refer, "O1", today(), "the id of who decided");
    refused(&long, refer, "O1", today(), "the id of who decided");
    refused("T\n17", refer, "O1", today(), "the id of who decided");
    refused("T-17", Outcome::Decline, "O1", today(), "another outcome");
    refused(
        "T-17",
        refer,
        "O3",
        today(),
        "a reason that the bundle lists",
    );
    refused("T-17", refer, "O1", day("2026-08-31"), "not before");
    let without = with_texts(&[]);
    let (record, _) = declined(&without, "A-1");
    let made = without.override_decision(&record, "T-17", refer, "O1", today());
    assert!(made.unwrap_err().expected().contains("the bundle lists"));
}

#[test]
fn harmed_overrides_are_refused_or_say_something_else() {
    let scorer = with_texts(&REASONS);
    let (record, _) = declined(&scorer, "A-1");
    let made = scorer.override_decision(&record, "T-17", Outcome::Refer, "O1", today());
    let made = made.unwrap();
    let whole = Override::decode(&made).unwrap();
    for at in 0..made.len() {
        assert_eq!(
            Override::decode(&made[..at]).unwrap_err().kind(),
            ErrorKind::BadRecord
        );
        for bit in 0..8 {
            let mut harmed = made.clone();
            harmed[at] ^= 1 << bit;
            if let Ok(read) = Override::decode(&harmed) {
                assert_ne!(read, whole, "byte {at}");
                assert_eq!(read.encode(), harmed, "byte {at}");
            }
        }
    }
    let mut longer = made;
    longer.push(0);
    assert!(Override::decode(&longer).is_err());
    // A version that is not written shortest.
    let long = [&[0x86, 0x18, 1][..], &longer[2..longer.len() - 1]].concat();
    assert!(Override::decode(&long).is_err());
}

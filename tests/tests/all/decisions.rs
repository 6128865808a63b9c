//! What a decision says: field policies, flags, knock-outs, dates and consent, reasons and their
//! texts, the record and its replay.

use fieldscore_runtime::bundle::container::SectionKind;
use fieldscore_runtime::decide::{Condition, KnockOut, RecordValue, Test};
use fieldscore_runtime::schema::Answer;
use fieldscore_runtime::{
    Application, Date, Decision, ErrorKind, Flags, Outcome, Reason, Record, Scorer,
};
use fieldscore_tests::fixture::{Parts, draw, fill, key, linear, today};
use fieldscore_tests::random::Random;
use fieldscore_tests::surgery;

const INCOME: usize = 0;
const HOME: usize = 2;

/// Opens the small bundle with `change` made, approving whatever has a score.
fn lenient(change: impl FnOnce(&mut Parts)) -> Scorer {
    let mut parts = Parts::small(1);
    parts.policy.approve_from = 300;
    parts.policy.refer_from = 300;
    change(&mut parts);
    parts.scorer()
}

fn ordinary(scorer: &Scorer) -> Application {
    let mut application = scorer.application("A-1", today());
    fill(&mut application);
    application
}

fn codes(scorer: &Scorer, application: &Application) -> Vec<String> {
    let explanation = scorer.explain(application).unwrap();
    let reasons = explanation.reasons.iter();
    reasons.map(|r| scorer.reason_code(r).to_owned()).collect()
}

#[test]
fn an_ordinary_application_has_no_flags() {
    let scorer = lenient(|_| ());
    let decision = scorer.score(&ordinary(&scorer)).unwrap();
    assert_eq!(decision.flags, Flags::default());
    assert_eq!(decision.outcome, Outcome::Approve);
    assert_eq!(&decision.bundle_id, scorer.bundle_id());
    assert!((300..=850).contains(&decision.score));
    assert!((100..=999_900).contains(&decision.probability_ppm));
}

/// The decision with `income` handled by `change`, or the error's kind.
fn with_income(
    missing: Answer,
    out_of_range: Answer,
    income: Option<f64>,
) -> Result<Decision, ErrorKind> {
    let scorer = lenient(|parts| {
        parts.schema.fields[INCOME].missing = missing;
        parts.schema.fields[INCOME].out_of_range = out_of_range;
        parts.policy.knock_outs.clear();
    });
    let mut application = ordinary(&scorer);
    let value = income.map_or(
        fieldscore_runtime::Value::Missing,
        fieldscore_runtime::Value::Number,
    );
    application.set("income", value).unwrap();
    scorer.score(&application).map_err(|e| {
        assert_eq!(e.place(), "field income");
        e.kind()
    })
}

#[test]
fn a_missing_value_is_accepted_referred_or_refused() {
    let accepted = with_income(Answer::Accept, Answer::Clip, None).unwrap();
    assert_eq!(accepted.flags, Flags::MISSING);
    assert!(accepted.missing.contains(INCOME) && accepted.referred.is_empty());
    assert_eq!(accepted.outcome, Outcome::Approve);

    let referred = with_income(Answer::Refer, Answer::Clip, None).unwrap();
    assert_eq!(referred.flags, Flags::MISSING);
    assert!(referred.referred.contains(INCOME));
    assert_eq!(
        (referred.outcome, referred.score),
        (Outcome::Refer, accepted.score)
    );

    let refused = with_income(Answer::Refuse, Answer::Clip, None);
    assert_eq!(refused, Err(ErrorKind::Missing));
}

#[test]
fn a_value_out_of_range_is_clipped_taken_as_missing_referred_or_refused() {
    let at = |answer, income| with_income(Answer::Accept, answer, Some(income));
    let most = at(Answer::Clip, 10_000.0).unwrap();
    assert_eq!(most.flags, Flags::default(), "the range's end is inside");

    let clipped = at(Answer::Clip, 10_000.01).unwrap();
    assert_eq!(
        (clipped.flags, clipped.score),
        (Flags::OUT_OF_RANGE, most.score)
    );
    assert!(clipped.out_of_range.contains(INCOME) && clipped.missing.is_empty());

    let missing = with_income(Answer::Accept, Answer::Clip, None).unwrap();
    let as_missing = at(Answer::AsMissing, -0.01).unwrap();
    assert_eq!(
        (as_missing.flags, as_missing.score),
        (Flags::OUT_OF_RANGE, missing.score)
    );

    let referred = at(Answer::Refer, 99_999.0).unwrap();
    assert_eq!(
        (referred.outcome, referred.score),
        (Outcome::Refer, most.score)
    );
    assert!(referred.referred.contains(INCOME));

    assert_eq!(at(Answer::Refuse, -0.01), Err(ErrorKind::OutOfRange));
}

#[test]
fn an_unlisted_category_is_taken_as_missing_referred_or_refused() {
    let with = |answer, home: &str| {
        let scorer = lenient(|parts| parts.schema.fields[HOME].unknown = answer);
        let mut application = ordinary(&scorer);
        application.set("home", home).unwrap();
        scorer.score(&application)
    };
    let missing = with(Answer::AsMissing, "").unwrap();
    assert_eq!(missing.flags, Flags::MISSING);

    let taken = with(Answer::AsMissing, "houseboat").unwrap();
    assert_eq!((taken.flags, taken.score), (Flags::UNLISTED, missing.score));
    assert!(taken.unlisted.contains(HOME) && taken.missing.is_empty());

    let referred = with(Answer::Refer, "houseboat").unwrap();
    assert_eq!(
        (referred.outcome, referred.flags),
        (Outcome::Refer, Flags::UNLISTED)
    );

    let refused = with(Answer::Refuse, "houseboat").unwrap_err();
    assert_eq!(
        (refused.kind(), refused.place()),
        (ErrorKind::UnknownCategory, "field home")
    );
}

#[test]
fn cut_offs_hold_their_own_score() {
    let score = {
        let scorer = lenient(|_| ());
        scorer.score(&ordinary(&scorer)).unwrap().score
    };
    for (approve, refer, expected) in [
        (score, score, Outcome::Approve),
        (score + 1, score, Outcome::Refer),
        (score + 2, score + 1, Outcome::Decline),
    ] {
        let scorer = lenient(|parts| {
            parts.policy.approve_from = approve;
            parts.policy.refer_from = refer;
        });
        let outcome = scorer.score(&ordinary(&scorer)).unwrap().outcome;
        assert_eq!(
            outcome, expected,
            "approve from {approve}, refer from {refer}, at {score}"
        );
    }
}

#[test]
fn out_of_its_dates_or_without_consent_a_person_decides() {
    let scorer = lenient(|parts| parts.policy.knock_outs[0].when[0].test = Test::Above(0));
    let date = |text: &str| Date::parse(text).unwrap();
    for (as_of, consent, flags) in [
        ("2025-12-31", true, Flags::NOT_YET_VALID),
        ("2027-01-01", true, Flags::EXPIRED),
        ("2026-06-01", false, Flags::AUTOMATION_REFUSED),
    ] {
        let mut application = scorer.application("A-1", date(as_of));
        fill(&mut application);
        application.set_automation_consent(consent);
        let decision = scorer.score(&application).unwrap();
        assert_eq!(decision.flags, flags, "{as_of}");
        // Even though a rule would decline.
        assert_eq!(
            (decision.fired, decision.outcome),
            (1, Outcome::Refer),
            "{as_of}"
        );
    }
    for edge in ["2026-01-01", "2026-12-31"] {
        let mut application = scorer.application("A-1", date(edge));
        fill(&mut application);
        assert_eq!(
            scorer.score(&application).unwrap().flags,
            Flags::default(),
            "{edge}"
        );
    }
}

#[test]
fn a_score_moved_to_the_scales_end_says_so() {
    let scorer = lenient(|parts| parts.decide.scale.floor = 849);
    let decision = scorer.score(&ordinary(&scorer)).unwrap();
    assert_eq!(
        (decision.score, decision.flags),
        (849, Flags::SCORE_CLAMPED)
    );
}

#[test]
fn the_gravest_of_band_and_rules_comes_out() {
    let rule = |code: &str, field, test, outcome| KnockOut {
        code: code.to_owned(),
        when: vec![Condition { field, test }],
        outcome,
    };
    let decide = |rules: Vec<KnockOut>| {
        let scorer = lenient(|parts| parts.policy.knock_outs = rules);
        let decision = scorer.score(&ordinary(&scorer)).unwrap();
        (decision.fired, decision.outcome)
    };
    let refer = rule("K1", 5, Test::Above(5), Outcome::Refer);
    let decline = rule("K2", 2, Test::Is(1), Outcome::Decline);
    let silent = rule("K3", 5, Test::Above(6), Outcome::Decline);
    assert_eq!(decide(vec![]), (0, Outcome::Approve));
    assert_eq!(decide(vec![silent.clone()]), (0, Outcome::Approve));
    assert_eq!(
        decide(vec![silent.clone(), refer.clone()]),
        (2, Outcome::Refer)
    );
    assert_eq!(decide(vec![refer, silent, decline]), (5, Outcome::Decline));
}

#[test]
fn conditions_ask_of_values_as_given() {
    let fires = |test, field: u16, set: fn(&mut Application)| {
        let scorer = lenient(|parts| {
            parts.policy.knock_outs[0].when = vec![Condition { field, test }];
        });
        let mut application = ordinary(&scorer);
        set(&mut application);
        scorer.score(&application).unwrap().fired == 1
    };
    let days = i64::from(Date::parse("2019-05-20").unwrap().days());
    assert!(fires(Test::Is(180_000), 0, |_| ()));
    assert!(fires(Test::Below(180_001), 0, |_| ()) && !fires(Test::Below(180_000), 0, |_| ()));
    assert!(fires(Test::Is(1), 3, |_| ()) && !fires(Test::Is(0), 3, |_| ()));
    assert!(fires(Test::Is(days), 4, |_| ()));
    assert!(!fires(Test::Missing, 0, |_| ()));
    // Missing satisfies nothing else; out of range is compared before it is clipped.
    assert!(fires(Test::Missing, 0, |a| a
        .set_at(0, fieldscore_runtime::Value::Missing)
        .unwrap()));
    assert!(!fires(Test::Below(1), 0, |a| a
        .set_at(0, fieldscore_runtime::Value::Missing)
        .unwrap()));
    assert!(fires(Test::Above(1_000_000), 0, |a| a
        .set("income", 20_000)
        .unwrap()));
    assert!(!fires(Test::Is(0), 2, |a| a
        .set("home", "houseboat")
        .unwrap()));
}

#[test]
fn all_conditions_of_a_rule_must_hold() {
    let scorer = lenient(|parts| {
        let more = Condition {
            field: 5,
            test: Test::Above(100),
        };
        parts.policy.knock_outs[0].when = vec![
            Condition {
                field: 5,
                test: Test::Above(1),
            },
            more,
        ];
    });
    assert_eq!(scorer.score(&ordinary(&scorer)).unwrap().fired, 0);
}

#[test]
fn reasons_come_system_first_then_rules_then_fields() {
    let scorer = lenient(|parts| {
        parts.policy.knock_outs[0].when[0].test = Test::Above(0);
        parts.schema.fields[5].missing = Answer::Refer;
    });
    let mut application = scorer.application("A-1", Date::parse("2027-02-01").unwrap());
    fill(&mut application);
    application.set_automation_consent(false);
    application
        .set("years", fieldscore_runtime::Value::Missing)
        .unwrap();
    assert_eq!(codes(&scorer, &application), ["S1", "S2", "K1", "S4"]);
}

#[test]
fn a_field_that_refers_names_itself() {
    let scorer = lenient(|parts| {
        parts.schema.fields[HOME].unknown = Answer::Refer;
        parts.schema.fields[5].out_of_range = Answer::Refer;
    });
    let mut application = ordinary(&scorer);
    application.set("home", "houseboat").unwrap();
    application.set("years", 80).unwrap();
    let explanation = scorer.explain(&application).unwrap();
    let texts: Vec<String> = explanation
        .reasons
        .iter()
        .take(2)
        .map(|r| scorer.reason_text(r, "en"))
        .collect();
    assert_eq!(texts, ["person: S6: home label", "person: S5: years label"]);
}

#[test]
fn fields_that_pulled_the_most_come_first_and_four_at_most() {
    let fields = [
        ("a", "R1", 0.02),
        ("b", "R2", 0.05),
        ("c", "R3", 0.0),
        ("d", "R4", -0.9),
        ("e", "R5", 0.3),
        ("f", "R6", 0.05),
        ("g", "R7", 0.1),
    ];
    let scorer = linear(&fields).scorer();
    let mut application = scorer.application("A-1", today());
    for (name, _, _) in fields {
        application.set(name, 1).unwrap();
    }
    assert_eq!(codes(&scorer, &application), ["R5", "R7", "R2", "R6"]);
    let explanation = scorer.explain(&application).unwrap();
    for reason in explanation.reasons.iter() {
        assert!(matches!(reason, Reason::Field(at, points)
            if points < 0 && explanation.fields[usize::from(at)] == points));
    }
}

#[test]
fn texts_fall_back_by_language_then_to_the_default_then_to_the_code() {
    let mut parts = linear(&[("a", "R1", 0.5)]);
    for entry in &mut parts.texts.entries {
        if entry.key == "system.S2" {
            entry.texts[1].clear();
        }
    }
    parts.texts.entries.retain(|entry| entry.key != "system.S3");
    let scorer = parts.scorer();
    let field = Reason::Field(0, -1);
    for (language, expected) in [
        ("en", "a is low"),
        ("EN-gb", "a is low"),
        ("zh-Hans", "较低"),
        ("zh-hans-CN", "较低"),
        ("zh", "a is low"),
        ("zh-Hant", "a is low"),
        ("fr", "a is low"),
        ("", "a is low"),
    ] {
        assert_eq!(scorer.reason_text(field, language), expected, "{language}");
    }
    use fieldscore_runtime::decide::SystemReason;
    let system = |reason| Reason::System(reason, None);
    let expired = scorer.reason_text(system(SystemReason::Expired), "zh-Hans");
    assert_eq!(expired, "person: S2", "empty where the default serves");
    let early = scorer.reason_text(system(SystemReason::NotYetValid), "en");
    assert_eq!(early, "S3", "a text that nobody wrote is its code");
}

#[test]
fn an_application_of_another_bundle_is_refused() {
    let (one, other) = (Parts::small(1).scorer(), Parts::small(2).scorer());
    let application = ordinary(&one);
    assert_eq!(
        other.score(&application).unwrap_err().kind(),
        ErrorKind::WrongBundle
    );
    assert_eq!(
        other.explain(&application).unwrap_err().kind(),
        ErrorKind::WrongBundle
    );
    assert_eq!(
        other.features(&application).unwrap_err().kind(),
        ErrorKind::WrongBundle
    );
    let mut out = Vec::new();
    other.score_many(&[application], &mut out);
    assert_eq!(out[0].as_ref().unwrap_err().kind(), ErrorKind::WrongBundle);
    // Opened twice, a bundle is one bundle.
    assert!(Parts::small(1).scorer().score(&ordinary(&one)).is_ok());
}

#[test]
fn many_at_once_are_the_same_as_one_by_one() {
    let scorer = lenient(|parts| parts.schema.fields[5].missing = Answer::Refuse);
    let mut random = Random::new(9);
    let applications: Vec<Application> = (0..101)
        .map(|n| draw(&scorer, &n.to_string(), &mut random))
        .collect();
    let mut many = Vec::new();
    scorer.score_many(&applications, &mut many);
    let alone: Vec<_> = applications.iter().map(|a| scorer.score(a)).collect();
    assert_eq!(many, alone);
    assert!(many.iter().any(Result::is_err) && many.iter().any(Result::is_ok));
}

#[test]
fn a_model_that_overflows_is_an_error_and_spoils_no_neighbour() {
    let mut parts = linear(&[("a", "R1", 1.0), ("b", "R2", 1.0)]);
    for at in [0, 1] {
        parts.weights[64 + at * 64..][..4].copy_from_slice(&3e38f32.to_le_bytes());
    }
    let scorer = parts.scorer();
    let with = |a: i64, b: i64| {
        let mut application = scorer.application("A", today());
        application.set("a", a).unwrap();
        application.set("b", b).unwrap();
        application
    };
    let applications = [with(0, 0), with(9, -9), with(0, 0)];
    let mut out = Vec::new();
    scorer.score_many(&applications, &mut out);
    assert_eq!(out[1].as_ref().unwrap_err().kind(), ErrorKind::NotFinite);
    assert_eq!(out[0], out[2]);
    assert!(out[0].is_ok());
}

/// The record of a decision with its explanation.
fn explained(scorer: &Scorer, application: &Application) -> Vec<u8> {
    let explanation = scorer.explain(application).unwrap();
    let mut record = Vec::new();
    scorer.record_explained(application, &explanation, &mut record);
    record
}

#[test]
fn a_record_holds_what_was_given_and_what_came_out() {
    let scorer = lenient(|parts| parts.policy.knock_outs[0].when[0].test = Test::Above(0));
    let application = ordinary(&scorer);
    let record = Record::decode(&explained(&scorer, &application)).unwrap();
    assert_eq!(
        (&record.id[..], record.as_of, record.automation),
        ("A-1", today(), true)
    );
    assert_eq!(&record.bundle_id, scorer.bundle_id());
    assert_eq!(record.values.len(), 7);
    let value = |name: &str| &record.values.iter().find(|(n, _)| n == name).unwrap().1;
    assert!(*value("income") == RecordValue::Number(180_000));
    assert!(*value("expenses") == RecordValue::Number(9125));
    assert!(*value("home") == RecordValue::Text("rent".to_owned()));
    assert!(*value("employed") == RecordValue::Truth(true));
    let decision = scorer.score(&application).unwrap();
    assert_eq!(record.decision.score, decision.score);
    assert_eq!(record.decision.probability_ppm, decision.probability_ppm);
    assert_eq!(record.decision.rules, ["K1"]);
    let explanation = record.explanation.unwrap();
    assert_eq!(explanation.groups.len(), 5);
    assert_eq!(explanation.reasons[0], "K1");
}

#[test]
fn records_replay_to_the_same_bytes() {
    let scorer = Parts::small(4).scorer();
    let mut random = Random::new(1);
    for n in 0..50 {
        let application = draw(&scorer, &format!("A-{n}"), &mut random);
        let mut plain = Vec::new();
        scorer.record(
            &application,
            &scorer.score(&application).unwrap(),
            &mut plain,
        );
        for record in [plain, explained(&scorer, &application)] {
            let replay = scorer.replay(&record).unwrap();
            assert!(replay.same);
            assert_eq!(replay.again, record);
        }
    }
}

/// The record with its score one point higher: the decision starts with an array of five and the
/// score in two bytes.
fn with_another_score(record: &[u8], score: i32) -> Vec<u8> {
    let [high, low] = (score as u16).to_be_bytes();
    let found = [0x85, 0x19, high, low];
    let mut places = record.windows(4).enumerate().filter(|(_, w)| *w == found);
    let (at, _) = places.next().expect("the score");
    assert!(places.next().is_none(), "the score, once");
    let mut changed = record.to_vec();
    changed[at + 2..at + 4].copy_from_slice(&(score as u16 + 1).to_be_bytes());
    changed
}

#[test]
fn a_record_with_another_decision_replays_as_different() {
    let scorer = Parts::small(4).scorer();
    let application = ordinary(&scorer);
    let score = scorer.score(&application).unwrap().score;
    let record = explained(&scorer, &application);
    let altered = with_another_score(&record, score);
    let replay = scorer.replay(&altered).unwrap();
    assert!(!replay.same);
    assert_eq!(replay.record.decision.score, score + 1);
    assert_eq!(replay.again, record);
}

#[test]
fn a_record_that_is_not_canonical_replays_as_different() {
    let scorer = Parts::small(4).scorer();
    let record = explained(&scorer, &ordinary(&scorer));
    // The version, 1, in two bytes instead of one.
    assert_eq!(record[..2], [0x88, 0x01]);
    let longer = [&[0x88, 0x18, 0x01], &record[2..]].concat();
    assert!(!scorer.replay(&longer).unwrap().same);
}

#[test]
fn another_bundles_record_is_refused() {
    let record = {
        let scorer = Parts::small(4).scorer();
        explained(&scorer, &ordinary(&scorer))
    };
    let error = Parts::small(5).scorer().replay(&record).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongBundle);
}

#[test]
fn records_cut_short_or_with_something_behind_are_refused() {
    let scorer = Parts::small(4).scorer();
    let record = explained(&scorer, &ordinary(&scorer));
    for len in 0..record.len() {
        let error = Record::decode(&record[..len]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadRecord, "{len} bytes");
    }
    let longer = [&record[..], &[0]].concat();
    assert_eq!(
        Record::decode(&longer).unwrap_err().kind(),
        ErrorKind::BadRecord
    );
}

#[test]
fn a_self_test_that_comes_out_differently_fails_with_its_number() {
    let mut parts = Parts::small(4).with_answers(3);
    assert_eq!(parts.scorer().self_test().unwrap(), 3);
    let record = Record::decode(&parts.answers.records[1]).unwrap();
    let changed = with_another_score(&parts.answers.records[1], record.decision.score);
    parts.answers.records[1] = changed.into();
    let error = parts.scorer().self_test().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SelfTest);
    assert_eq!(error.place(), "known-answer vector 1");
}

#[test]
fn a_self_test_of_another_models_answers_fails() {
    let answers = Parts::small(4).with_answers(3).sections();
    let body = &answers
        .iter()
        .find(|s| s.0 == SectionKind::KNOWN_ANSWERS)
        .unwrap()
        .2;
    let bundle = Parts::small(5).bundle();
    let bundle = surgery::with_section(&bundle, SectionKind::KNOWN_ANSWERS, body, &key());
    let scorer = Scorer::open(bundle, &[key().public()]).unwrap();
    assert_eq!(scorer.self_test().unwrap_err().kind(), ErrorKind::SelfTest);
}

#[test]
fn more_known_answers_than_a_device_has_time_for_are_refused() {
    let mut parts = Parts::small(4).with_answers(1);
    let one = parts.answers.records[0].clone();
    parts.answers.records = vec![one; 257];
    let error = parts.scorer().self_test().unwrap_err();
    assert_eq!(
        (error.kind(), error.place()),
        (ErrorKind::Malformed, "section KATV")
    );
}

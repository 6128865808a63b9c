//! No allocation once warm, nothing of an applicant left behind, the same from any thread.

use fieldscore_runtime::{Application, DecimalMark, Decision, Explanation, Scorer};
use fieldscore_tests::alloc;
use fieldscore_tests::fixture::{Arithmetic, Parts, draw, fill, today};
use fieldscore_tests::random::Random;

fn applications(scorer: &Scorer, count: usize) -> Vec<Application> {
    let mut random = Random::new(77);
    (0..count)
        .map(|n| draw(scorer, &format!("A-{n}"), &mut random))
        .collect()
}

/// Allocations of the third time that `work` runs.
fn warm(mut work: impl FnMut()) -> u64 {
    work();
    work();
    alloc::calls(work).0
}

#[test]
fn the_counter_counts() {
    assert_eq!(
        alloc::calls(|| drop(std::hint::black_box(Box::new(1u64)))).0,
        1
    );
    let (peak, _) = alloc::peak(|| std::hint::black_box(vec![0u8; 1 << 20]));
    assert_eq!(peak, 1 << 20);
}

#[test]
fn score_allocates_nothing() {
    let scorer = Parts::small(1).scorer();
    let all = applications(&scorer, 64);
    let calls = warm(|| {
        for application in &all {
            assert!(scorer.score(application).is_ok());
        }
    });
    assert_eq!(calls, 0);
}

#[test]
fn score_many_allocates_nothing() {
    let scorer = Parts::small(1).scorer();
    let all = applications(&scorer, 100);
    let mut out = Vec::new();
    let calls = warm(|| {
        out.clear();
        scorer.score_many(&all, &mut out);
    });
    assert_eq!((calls, out.len()), (0, 100));
}

#[test]
fn a_scorecard_allocates_nothing() {
    let scorer = Parts::scorecard(1).scorer();
    let all = applications(&scorer, 16);
    let mut explanation = Explanation::empty(*scorer.bundle_id());
    let calls = warm(|| {
        for application in &all {
            assert!(scorer.score(application).is_ok());
            scorer.explain_into(application, &mut explanation).unwrap();
        }
    });
    assert_eq!(calls, 0);
}

#[test]
fn a_linear_model_allocates_nothing() {
    let scorer = Parts::with_net(1, &[], Arithmetic::F32).scorer();
    let all = applications(&scorer, 16);
    let mut explanation = Explanation::empty(*scorer.bundle_id());
    let calls = warm(|| {
        for application in &all {
            scorer.explain_into(application, &mut explanation).unwrap();
        }
    });
    assert_eq!(calls, 0);
    // Shared sums: fewer additions than features for each evaluation.
    let plain = scorer.explanation_cost() as u64 * scorer.multiply_adds();
    let work = scorer.explanation_work();
    assert!(work < plain / 2, "{work} of {plain}");
}

#[test]
fn explain_and_its_record_allocate_nothing() {
    let scorer = Parts::small(1).scorer();
    let all = applications(&scorer, 16);
    let mut explanation = Explanation::empty(*scorer.bundle_id());
    let mut record = Vec::new();
    let calls = warm(|| {
        for application in &all {
            scorer.explain_into(application, &mut explanation).unwrap();
            scorer.record_explained(application, &explanation, &mut record);
            scorer.record(application, &explanation.decision, &mut record);
        }
    });
    assert_eq!(calls, 0);
}

#[test]
fn an_application_filled_again_allocates_nothing() {
    let scorer = Parts::small(1).scorer();
    let mut application = scorer.application("A-0001", today());
    let calls = warm(|| {
        for id in ["A-0001", "A-0002", "A-3"] {
            application.reset(id, today());
            fill(&mut application);
            let texts = [
                ("income", "1800.00"),
                ("since", "2019-05-20"),
                ("home", "houseboat"),
                ("note", "some words"),
            ];
            for (field, text) in texts {
                application
                    .set_text(field, text, DecimalMark::Point)
                    .unwrap();
            }
        }
    });
    assert_eq!(calls, 0);
}

#[test]
fn a_text_that_is_typed_letter_by_letter_is_taken() {
    let scorer = Parts::small(1).scorer();
    let mut application = scorer.application("A-0001", today());
    let text = "a long note ".repeat(80);
    let (peak, _) = alloc::peak(|| {
        for _ in 0..20 {
            for len in 1..text.len() {
                application.set("home", "some other place").unwrap();
                application.set("note", &text[..len]).unwrap();
            }
        }
    });
    assert!(peak < 64 << 10, "{peak} bytes");
    let mut record = Vec::new();
    let decision = scorer.score(&application).unwrap();
    scorer.record(&application, &decision, &mut record);
    let decoded = fieldscore_runtime::Record::decode(&record).unwrap();
    let note =
        fieldscore_runtime::decide::RecordValue::Text(text[..text.len() - 1].trim().to_owned());
    assert!(
        decoded
            .values
            .iter()
            .any(|(name, value)| name == "note" && *value == note)
    );
}

/// A money value whose raw integer and f64 are unlike anything else in memory.
const SECRET: i64 = 0x0002_3456_789a_bcde;

#[test]
fn the_watch_sees_what_is_freed() {
    let found = alloc::freed_with(SECRET as u64, || drop(vec![SECRET; 2]));
    assert_eq!(found, 2);
}

#[test]
fn a_dropped_application_leaves_no_number_behind() {
    let scorer = Parts::small(1).scorer();
    let found = alloc::freed_with(SECRET as u64, || {
        let mut application = scorer.application("A-1", today());
        application
            .set_at(0, fieldscore_runtime::Value::Minor(SECRET))
            .unwrap();
        drop(application);
    });
    assert_eq!(found, 0);
}

#[test]
fn a_dropped_application_leaves_no_text_behind() {
    let scorer = Parts::small(1).scorer();
    let word = u64::from_ne_bytes(*b"S3CR3T-4");
    let found = alloc::freed_with(word, || {
        let mut application = scorer.application("S3CR3T-4711", today());
        application.set("note", "S3CR3T-4711").unwrap();
        // Grows: the text moves, and what it leaves must be blank.
        application.set("home", &*"x".repeat(900)).unwrap();
        application.reset("S3CR3T-4712", today());
        application.set("note", "S3CR3T-4713").unwrap();
        drop(application);
    });
    assert_eq!(found, 0);
}

#[test]
fn a_dropped_scorer_leaves_no_number_of_an_applicant_behind() {
    // The field's number as transforms see it, and as the net does.
    let mut parts = Parts::small(1);
    parts.schema.fields[5].range = None;
    parts.transforms.blocks[6] = fieldscore_tests::fixture::block(
        "years",
        5,
        fieldscore_runtime::schema::transform::Encoding::Plain,
    );
    let years = 123_456_789_012i64;
    let number = (years as f64).to_bits();
    let found = alloc::freed_with(number, || {
        let scorer = parts.scorer();
        let mut application = scorer.application("A-1", today());
        fill(&mut application);
        application.set("years", years).unwrap();
        let _ = scorer.score(&application);
        let _ = scorer.explain(&application);
        let mut out = Vec::with_capacity(1);
        scorer.score_many(std::slice::from_ref(&application), &mut out);
    });
    assert_eq!(found, 0);
}

#[test]
fn eight_threads_decide_as_one() {
    let scorer = Parts::small(6).scorer();
    let all = applications(&scorer, 1000);
    let alone: Vec<Decision> = all.iter().map(|a| scorer.score(a).unwrap()).collect();
    let explained: Vec<Explanation> = all
        .iter()
        .step_by(20)
        .map(|a| scorer.explain(a).unwrap())
        .collect();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (scorer, all, alone, explained) = (scorer.clone(), &all, &alone, &explained);
            scope.spawn(move || {
                for offset in 0..all.len() {
                    let at = (offset + thread * 125) % all.len();
                    assert_eq!(scorer.score(&all[at]).unwrap(), alone[at]);
                    if at % 20 == 0 {
                        assert_eq!(scorer.explain(&all[at]).unwrap(), explained[at / 20]);
                    }
                }
                let mut many = Vec::new();
                scorer.score_many(all, &mut many);
                let many: Vec<Decision> = many.into_iter().map(Result::unwrap).collect();
                assert_eq!(&many, alone);
            });
        }
    });
}

#[test]
fn scorers_go_to_other_threads() {
    fn shared<T: Send + Sync + Clone>() {}
    shared::<Scorer>();
}

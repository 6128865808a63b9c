//! A challenger: scored in shadow for the applications that are assigned to it, kept in the record, no part of any
//! decision.

use fieldscore_runtime::bundle::container::{Container, SectionKind, Trust};
use fieldscore_runtime::bundle::encode;
use fieldscore_runtime::decide::{Assignment, ChallengerParts, ScoreScale, Shadow};
use fieldscore_runtime::{Application, ErrorKind, Record, Scorer};
use fieldscore_tests::fixture::{Parts, draw, key};
use fieldscore_tests::random::Random;
use fieldscore_tests::{alloc, surgery};

const TRIAL: Assignment<'_> = Assignment {
    share_ppm: 300_000,
    key: "autumn trial",
};

/// The challenger's parts: the same fields, another model, other cut-offs.
fn second() -> Parts {
    let mut parts = Parts::small(2);
    (parts.policy.approve_from, parts.policy.refer_from) = (300, 300);
    parts.decide.scale = ScoreScale::new(640.0, 15.0, 40.0, 300, 900);
    parts
}

/// A bundle with this section CHAL.
fn with_section(section: Vec<u8>) -> Vec<u8> {
    let mut sections = Parts::small(1).sections();
    sections.push((SectionKind::CHALLENGER, true, section));
    surgery::assemble(&sections, &key())
}

fn with(bundle: &[u8]) -> Vec<u8> {
    with_section(encode(&ChallengerParts {
        assignment: TRIAL,
        bundle,
    }))
}

fn open(bundle: Vec<u8>) -> fieldscore_runtime::Result<Scorer> {
    Scorer::open(bundle, &[key().public()])
}

fn applications(scorer: &Scorer, count: usize) -> Vec<Application> {
    let mut random = Random::new(5);
    (0..count)
        .map(|at| draw(scorer, &format!("A-{at}"), &mut random))
        .collect()
}

#[test]
fn the_challenger_says_what_its_own_bundle_says_and_changes_nothing() {
    let (champion, own) = (Parts::small(1).scorer(), second().scorer());
    let trial = open(with(&second().bundle())).unwrap();
    assert_eq!(trial.challenger().unwrap().bundle_id(), own.bundle_id());
    assert_eq!(trial.assignment(), Some(TRIAL));
    assert!(champion.challenger().is_none() && champion.assignment().is_none());
    let (mut assigned, mut otherwise) = (0, 0);
    let mut all = Vec::new();
    let together = applications(&trial, 600);
    trial.score_many(&together, &mut all);
    let rows = applications(&champion, 600)
        .into_iter()
        .zip(applications(&own, 600));
    for ((application, (plain, second)), many) in together.iter().zip(rows).zip(all) {
        let decision = trial.score(application).unwrap();
        assert_eq!(decision, many.unwrap());
        assert_eq!(decision, trial.explain(application).unwrap().decision);
        // But for the challenger and the id, the champion's own decision.
        let mut same = champion.score(&plain).unwrap();
        (same.bundle_id, same.challenger) = (decision.bundle_id, decision.challenger);
        assert_eq!(decision, same);
        let shadow = second_says(&own, &second);
        assert_eq!(
            decision.challenger,
            TRIAL.takes(application.id()).then_some(shadow)
        );
        assigned += usize::from(decision.challenger.is_some());
        otherwise += usize::from(shadow.outcome != decision.outcome);
    }
    assert!((140..=220).contains(&assigned), "{assigned}");
    assert!(otherwise > 20, "{otherwise}");
}

fn second_says(own: &Scorer, application: &Application) -> Shadow {
    let decision = own.score(application).unwrap();
    Shadow {
        score: decision.score,
        probability_ppm: decision.probability_ppm,
        outcome: decision.outcome,
    }
}

#[test]
fn records_keep_it_and_replay() {
    let trial = open(with(&second().bundle())).unwrap();
    let (mut record, mut kept) = (Vec::new(), 0);
    for application in applications(&trial, 60) {
        let decision = trial.score(&application).unwrap();
        trial.record(&application, &decision, &mut record);
        let decoded = Record::decode(&record).unwrap();
        let shadow = decoded.additions.and_then(|own| own.challenger);
        assert_eq!(shadow.map(|own| own.shadow), decision.challenger);
        if let Some(own) = shadow {
            assert_eq!(own.bundle_id, *trial.challenger().unwrap().bundle_id());
            kept += 1;
        }
        assert!(trial.replay(&record).unwrap().same);
        let (_, again) = trial.verify_record(&record).unwrap();
        assert_eq!(again, decision);

        // Another word of the challenger's is another record.
        if let Some(shadow) = decision.challenger {
            let mut altered = decision;
            altered.challenger = Some(Shadow {
                score: shadow.score + 1,
                ..shadow
            });
            trial.record(&application, &altered, &mut record);
            assert!(!trial.replay(&record).unwrap().same);
            let error = trial.verify_record(&record).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadRecord);
        }
    }
    assert!(kept > 10, "{kept}");
}

#[test]
fn alternatives_in_a_record_come_out_again() {
    let scorer = Parts::small(1).scorer();
    let (mut plain, mut record, mut with) = (Vec::new(), Vec::new(), 0);
    for application in applications(&scorer, 60) {
        let explanation = scorer.explain(&application).unwrap();
        let alternatives = scorer.alternatives(&application).unwrap();
        scorer.record_with_alternatives(&application, &explanation, &alternatives, &mut record);
        scorer.record_explained(&application, &explanation, &mut plain);
        assert_ne!(plain, record);
        let decoded = Record::decode(&record).unwrap();
        let kept = decoded.additions.unwrap().alternatives.unwrap();
        assert_eq!(kept.len(), alternatives.found.len());
        for (kept, found) in kept.iter().zip(&alternatives.found) {
            assert_eq!(kept.changes.len(), found.changes.len());
            assert_eq!(
                (kept.score, kept.outcome),
                (found.decision.score, found.decision.outcome)
            );
        }
        with += usize::from(!kept.is_empty());
        assert_eq!(scorer.record_alternatives(&plain).unwrap(), record);
        assert_eq!(scorer.record_alternatives(&record).unwrap(), record);
        for record in [&plain, &record] {
            assert!(scorer.replay(record).unwrap().same);
            scorer.verify_record(record).unwrap();
        }
        if let Some(first) = alternatives.found.first() {
            let mut altered = alternatives.clone();
            altered.found[0].decision.score = first.decision.score + 1;
            scorer.record_with_alternatives(&application, &explanation, &altered, &mut record);
            assert!(!scorer.replay(&record).unwrap().same);
        }
    }
    assert!(with > 10, "{with}");
}

#[test]
fn what_is_no_challenger_is_refused() {
    let sound = second().bundle();
    let mut other_fields = second();
    other_fields.schema.fields[0].unit = "other".to_owned();
    let mut harmed = sound.clone();
    harmed.truncate(sound.len() - 1);
    let nested = with(&sound);
    for (what, bundle) in [
        ("fields", other_fields.bundle()),
        ("a challenger of its own", nested),
        ("cut", harmed),
        ("nothing", Vec::new()),
    ] {
        let error = open(with(&bundle)).unwrap_err();
        let kind = error.kind();
        assert!(
            [ErrorKind::Malformed, ErrorKind::NotABundle].contains(&kind),
            "{what}: {error}"
        );
    }
    for (share_ppm, key) in [(0, "k"), (1_000_001, "k"), (1, "")] {
        let section = encode(&ChallengerParts {
            assignment: Assignment { share_ppm, key },
            bundle: &sound,
        });
        let error = open(with_section(section)).unwrap_err();
        assert_eq!(
            (error.kind(), error.place()),
            (ErrorKind::Malformed, "section CHAL")
        );
    }
    assert!(open(with_section(vec![0xa0])).is_err());
}

/// The challenger is as much the signer's word as anything else in the file.
#[test]
fn an_altered_challenger_is_refused() {
    let bundle = with(&second().bundle());
    let container = Container::read(&bundle, Trust::DangerouslyUnverified).unwrap();
    let section = container.find(SectionKind::CHALLENGER).unwrap();
    for at in (section.offset..section.offset + section.len).step_by(97) {
        let mut altered = bundle.clone();
        altered[at] ^= 1;
        assert_eq!(open(altered).unwrap_err().kind(), ErrorKind::Altered);
    }
}

#[test]
fn a_score_in_shadow_allocates_nothing() {
    let trial = open(with(&second().bundle())).unwrap();
    let all = applications(&trial, 40);
    let mut assigned = 0;
    for application in &all {
        assigned += usize::from(trial.score(application).unwrap().challenger.is_some());
    }
    assert!(assigned > 5);
    let (calls, ()) = alloc::calls(|| {
        for application in &all {
            trial.score(application).unwrap();
        }
    });
    assert_eq!(calls, 0);
}

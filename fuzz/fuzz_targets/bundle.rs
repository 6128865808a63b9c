//! Bundles: as they come, and behind signature and hashes. A mutation changes one section's body,
//! and what comes out is laid out and signed again, so that it reaches what lies behind.
#![no_main]

use fieldscore_fuzz::{pack, public, surround, unpack};
use fieldscore_runtime::schema::FieldKind;
use fieldscore_runtime::watch::Summary;
use fieldscore_runtime::{Application, Date, OpenOptions, Scorer, Value};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

/// Explanations that cost more multiply-adds are bounded, but not worth a fuzzer's time.
const WORTHWHILE: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let _ = Scorer::open(bytes, &[public()]);
    if let Ok(scorer) = OpenOptions::default()
        .dangerously_unverified()
        .open(bytes, &[])
    {
        exercise(&scorer);
    }
    if let Some(parts) = unpack(bytes)
        && let Ok(scorer) = Scorer::open(pack(&parts), &[public()])
    {
        exercise(&scorer);
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let Some(mut parts) = unpack(&data[..size]).filter(|parts| !parts.is_empty()) else {
        return fuzzer_mutate(data, size, max_size);
    };
    if seed.is_multiple_of(16) {
        // The container itself.
        return fuzzer_mutate(data, size, max_size);
    }
    let at = (seed / 16) as usize % parts.len();
    let body = &mut parts[at].2;
    let len = body.len();
    body.resize(len + 64, 0);
    let len = fuzzer_mutate(body, len, len + 64);
    body.truncate(len);
    let bundle = pack(&parts);
    if bundle.len() > max_size {
        return fuzzer_mutate(data, size, max_size);
    }
    data[..bundle.len()].copy_from_slice(&bundle);
    bundle.len()
});

fn exercise(scorer: &Scorer) {
    let Some(plan) = scorer.executable() else {
        return;
    };
    let work = plan.multiply_adds(0);
    if work > WORTHWHILE {
        return;
    }
    let explains = work.saturating_mul(scorer.explanation_cost() as u64) <= WORTHWHILE;
    let Some(as_of) = Date::from_ymd(2026, 9, 1) else {
        return;
    };
    let mut applications = vec![scorer.application("empty", as_of)];
    applications.push(filled(scorer, as_of));
    let (mut many, mut record) = (Vec::new(), Vec::new());
    scorer.score_many(&applications, &mut many);
    for (application, in_many) in applications.iter().zip(&many) {
        let decision = scorer.score(application);
        assert_eq!(&decision, in_many);
        let Ok(decision) = decision else { continue };
        scorer.record(application, &decision, &mut record);
        assert!(scorer.replay(&record).is_ok_and(|replay| replay.same));
        if !explains {
            continue;
        }
        let Ok(explanation) = scorer.explain(application) else {
            continue;
        };
        assert_eq!(explanation.decision, decision);
        let total = decision.score - explanation.reference_score;
        assert_eq!(explanation.groups.iter().sum::<i32>(), total);
        assert_eq!(explanation.fields.iter().sum::<i32>(), total);
        for reason in explanation.reasons.iter() {
            let _ = scorer.reason_text(reason, "zh-Hans-CN");
        }
    }
    // Alternatives score up to 4096 applications.
    if explains && work.saturating_mul(64) <= WORTHWHILE {
        applications.iter().for_each(|own| surround(scorer, own));
    }
    count(scorer, &applications);
    if explains {
        let _ = scorer.self_test();
        let _ = scorer.reference();
    }
}

/// Decisions are counted where the bundle has a histogram, and what was counted is read again.
fn count(scorer: &Scorer, applications: &[Application]) {
    let Ok(mut summary) = Summary::new(scorer) else {
        return;
    };
    for application in applications {
        if let Ok(decision) = scorer.score(application) {
            let _ = summary.add(application, &decision);
        }
    }
    let bytes = summary.encode();
    assert!(Summary::decode(scorer, &bytes).is_ok_and(|again| again.encode() == bytes));
}

/// A value of its type for every field, at the upper end of its range.
fn filled(scorer: &Scorer, as_of: Date) -> Application {
    let mut application = scorer.application("filled", as_of);
    for (index, field) in scorer.schema().fields().iter().enumerate() {
        let most = field.range.map_or(7, |(_, high)| high);
        let value = match &field.kind {
            FieldKind::Integer => Value::Integer(most),
            FieldKind::Decimal { .. } => Value::Number(1.5),
            FieldKind::Money { .. } => Value::Minor(most),
            FieldKind::Boolean => Value::Boolean(true),
            FieldKind::Date => Value::Date(as_of),
            FieldKind::Category { codes } => Value::Text(codes.last().map_or("", |c| c)),
            FieldKind::Text { .. } => Value::Text("text"),
            FieldKind::Words { .. } => Value::Text("some words"),
            FieldKind::Tensor { .. } => {
                let bytes = vec![200; field.kind.cells()];
                let _ = application.set_at(index, Value::Bytes(&bytes));
                continue;
            }
            FieldKind::Table { columns, .. } => {
                for _ in 0..3 {
                    let _ = application.add_row_at(index);
                    for column in 0..columns.len() {
                        let _ = application.set_cell_at(index, column, Value::Integer(3));
                    }
                }
                continue;
            }
        };
        let _ = application.set_at(index, value);
    }
    application
}

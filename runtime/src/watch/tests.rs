#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use minicbor::bytes::ByteVec;
use sha2::{Digest, Sha256};

use super::*;
use crate::OpenOptions;
use crate::bundle::container::{Container, Trust, write_container};
use crate::bundle::{EngineKind, encode};
use crate::schema::DecimalMark;

const GOLDEN: &[u8] = include_bytes!("../../../tests/golden/credit/credit.fsb");

fn open(bytes: Vec<u8>) -> Scorer {
    let options = OpenOptions::default().dangerously_unverified();
    options.open(bytes, &[]).unwrap()
}

/// The golden credit bundle, with this section HIST too, which is no critical one.
fn with(section: &[u8]) -> Scorer {
    let container = Container::read(GOLDEN, Trust::DangerouslyUnverified).unwrap();
    let of = |s: &crate::bundle::container::Section| &GOLDEN[s.offset..s.offset + s.len];
    let sections = container.sections.iter();
    let mut sections: Vec<_> = sections.map(|s| (s.kind, s.critical, of(s))).collect();
    sections.push((SectionKind::HISTOGRAM, false, section));
    let sign = |_: &[u8]| Ok::<_, std::convert::Infallible>([0; 64]);
    let (features, least, key) = (
        container.features,
        container.least_runtime,
        container.key_id,
    );
    open(write_container(&sections, features, least, key, sign).unwrap())
}

/// Three bins for every field that has numbers or categories.
fn bins(schema: &Schema) -> Histogram {
    let places = |kind: &FieldKind| match kind {
        FieldKind::Category { codes } => (0..codes.len() as i64).map(|at| at % 3).collect(),
        kind if kind.is_numeric() => vec![10, 1000],
        _ => Vec::new(),
    };
    let counts = |kind: &FieldKind| match kind {
        FieldKind::Category { .. } => vec![30, 20, 20, 10, 0],
        FieldKind::Boolean => vec![40, 20, 10, 10],
        kind if kind.is_numeric() => vec![30, 20, 20, 10, 0],
        _ => vec![60, 20, 0],
    };
    let kinds = || schema.fields().iter().map(|field| &field.kind);
    Histogram {
        places: kinds().map(places).chain([vec![500, 600]]).collect(),
        counts: kinds()
            .map(counts)
            .chain([vec![20, 30, 30], vec![50, 10, 20]])
            .collect(),
    }
}

fn watched() -> Scorer {
    with(&encode(&bins(open(GOLDEN.to_vec()).schema())))
}

/// Applications of the golden suite; `shift` and `step` say which.
fn applications(scorer: &Scorer, shift: usize, step: usize, count: usize) -> Vec<Application> {
    const CSV: &str = include_str!("../../../tests/golden/credit/applications.csv");
    let names: Vec<&str> = CSV.lines().next().unwrap().split(',').collect();
    let rows = CSV.lines().skip(1 + shift).step_by(step).take(count);
    rows.map(|row| {
        let cells: Vec<&str> = row.split(',').collect();
        let cell = |name| cells[names.iter().position(|n| *n == name).unwrap()];
        let as_of = Date::parse(cell("as_of")).unwrap();
        let mut application = scorer.application(cell("id"), as_of);
        for (name, cell) in names.iter().zip(&cells) {
            if !["id", "as_of"].contains(name) {
                application
                    .set_text(name, cell, DecimalMark::Point)
                    .unwrap();
            }
        }
        application
    })
    .collect()
}

fn summary(scorer: &Scorer, applications: &[Application]) -> Summary {
    let mut summary = Summary::new(scorer).unwrap();
    for application in applications {
        if let Ok(decision) = scorer.score(application) {
            summary.add(application, &decision).unwrap();
        }
    }
    summary
}

fn kind_of<T>(result: Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[test]
fn every_value_is_counted_where_it_lies() {
    let scorer = watched();
    let all = applications(&scorer, 0, 1, 500);
    let found = summary(&scorer, &all);
    let mut naive = vec![[0_u32; 5]; scorer.schema().fields().len()];
    let (mut scores, mut outcomes, mut decisions) = ([0; 3], [0; 3], 0);
    for application in &all {
        let Ok(decision) = scorer.score(application) else {
            continue;
        };
        decisions += 1;
        scores[usize::from(decision.score >= 500) + usize::from(decision.score >= 600)] += 1;
        outcomes[decision.outcome as usize] += 1;
        for (index, field) in scorer.schema().fields().iter().enumerate() {
            let len = found.counts()[index].len();
            let bin = match (application.given[index], &field.kind) {
                (Given::Missing, _) => len - 2,
                (Given::Unlisted { .. }, _) => len - 1,
                (Given::Number(raw), _)
                    if field
                        .range
                        .is_some_and(|(low, high)| raw < low || raw > high) =>
                {
                    len - 1
                }
                (Given::Number(days), FieldKind::Date) => {
                    let months = Date::from_days(days)
                        .unwrap()
                        .months_until(application.as_of);
                    usize::from(months >= 10) + usize::from(months >= 1000)
                }
                (Given::Number(raw), _) => usize::from(raw >= 10) + usize::from(raw >= 1000),
                (Given::Truth(truth), _) => usize::from(truth),
                (Given::Category(at), _) => at as usize % 3,
                _ => 0,
            };
            naive[index][bin] += 1;
        }
    }
    assert!(decisions > 400);
    assert_eq!(found.decisions(), decisions);
    for (counts, naive) in found.counts().iter().zip(&naive) {
        assert_eq!(counts[..], naive[..counts.len()]);
    }
    let [fields @ .., score, outcome] = found.counts() else {
        unreachable!("as many lists as fields, and two more");
    };
    assert_eq!(fields.len(), naive.len());
    assert_eq!((&score[..], &outcome[..]), (&scores[..], &outcomes[..]));
    // Something lies in each kind of place.
    let ends = |back: usize| {
        naive
            .iter()
            .zip(fields)
            .map(|(n, f)| n[f.len() - back])
            .sum::<u32>()
    };
    assert!(ends(1) > 0 && ends(2) > 0);
}

/// A schema of these kinds, each its own group's, with ranges from 0 to 100 where there are some.
fn schema_of(kinds: Vec<FieldKind>) -> std::sync::Arc<Schema> {
    use crate::schema::{Answer, Field, Group, SchemaParts, Sensitivity};
    let fields = kinds.into_iter().enumerate().map(|(at, kind)| Field {
        name: format!("field {at}"),
        range: Some((0, 100)).filter(|_| kind.is_numeric() && kind != FieldKind::Date),
        kind,
        unit: String::new(),
        missing: Answer::Accept,
        out_of_range: Answer::Clip,
        unknown: Answer::AsMissing,
        sensitivity: Sensitivity::Personal,
        changeable: true,
        reason_code: format!("R{at}"),
        change: None,
        group: 0,
    });
    let parts = SchemaParts {
        fields: fields.collect(),
        groups: vec![Group {
            name: "all".to_owned(),
            code: "G".to_owned(),
        }],
    };
    std::sync::Arc::new(Schema::new(parts, [0; 32]).unwrap())
}

#[test]
fn every_kind_of_field_has_its_bins() {
    let codes = ["a", "b", "c"].map(str::to_owned).to_vec();
    let schema = schema_of(vec![
        FieldKind::Decimal { decimals: 1 },
        FieldKind::Date,
        FieldKind::Category { codes },
        FieldKind::Boolean,
        FieldKind::Text { buckets: 4 },
        #[cfg(feature = "tables")]
        FieldKind::Tensor { shape: vec![2] },
    ]);
    let mut histogram = bins(&schema);
    histogram.places[0] = vec![15, 50];
    histogram.places[1] = vec![12, 36];
    assert!(histogram.is_sound(&schema));
    let as_of = Date::from_ymd(2026, 9, 15).unwrap();
    let born = |year, month, day| crate::Value::Date(Date::from_ymd(year, month, day).unwrap());
    type Given<'a> = (usize, crate::Value<'a>, usize);
    let cases: Vec<Given<'_>> = vec![
        (0, crate::Value::Number(1.4), 0),
        (0, crate::Value::Number(1.5), 1),
        (0, crate::Value::Number(10.0), 2),
        // Eleven months and some days; a year; three years.
        (1, born(2025, 9, 16), 0),
        (1, born(2025, 9, 15), 1),
        (1, born(2023, 9, 15), 2),
        // The places of `bins` are 0, 1, 2.
        (2, crate::Value::Text("a"), 0),
        (2, crate::Value::Text("c"), 2),
        (3, crate::Value::Boolean(false), 0),
        (3, crate::Value::Boolean(true), 1),
        (4, crate::Value::Text("any text"), 0),
        #[cfg(feature = "tables")]
        (5, crate::Value::Bytes(&[1, 2]), 0),
    ];
    let decision = crate::Explanation::empty([0; 32]).decision;
    let count = |application: &Application, decision: &Decision| {
        let zeros = |counts: &Vec<u32>| vec![0; counts.len()];
        let mut counts: Vec<Vec<u32>> = histogram.counts.iter().map(zeros).collect();
        histogram.count(application, decision, &mut counts);
        counts
    };
    for (case, (field, value, bin)) in cases.into_iter().enumerate() {
        let mut application = Application::new(std::sync::Arc::clone(&schema), "A", as_of);
        application.set_at(field, value).unwrap();
        for (index, counts) in count(&application, &decision).iter().enumerate() {
            assert_eq!(counts.iter().sum::<u32>(), 1, "case {case}, list {index}");
            if index < schema.fields().len() {
                // Every other field has no value.
                let expected = if index == field {
                    bin
                } else {
                    counts.len() - 2
                };
                assert_eq!(counts[expected], 1, "case {case}, field {index}");
            }
        }
        // Where the decision says so it lies outside, whatever its bin would be.
        let mut outside = decision;
        match field {
            2 => outside.unlisted.insert(field),
            _ => outside.out_of_range.insert(field),
        }
        let counts = &count(&application, &outside)[field];
        assert_eq!(counts.last(), Some(&1), "case {case}");
    }
    // Lists of another shape take what they have room for.
    let application = Application::new(schema, "A", as_of);
    let mut none = vec![Vec::new(); 3];
    histogram.count(&application, &decision, &mut none);
    assert!(none.iter().all(Vec::is_empty));
}

#[test]
fn records_count_as_their_applications_do() {
    let scorer = watched();
    let all = applications(&scorer, 7, 3, 60);
    let mut from_records = Summary::new(&scorer).unwrap();
    let mut record = Vec::new();
    for application in &all {
        let Ok(mut decision) = scorer.score(application) else {
            continue;
        };
        // What a record says was decided is nobody's proof.
        decision.score += 100;
        scorer.record(application, &decision, &mut record);
        from_records.add_record(&record).unwrap();
    }
    assert_eq!(from_records.encode(), summary(&scorer, &all).encode());
    assert_eq!(
        kind_of(from_records.add_record(&record[1..])),
        Some(ErrorKind::BadRecord)
    );
    let elsewhere = open(GOLDEN.to_vec());
    let other = &applications(&elsewhere, 0, 1, 1)[0];
    elsewhere.record(other, &elsewhere.score(other).unwrap(), &mut record);
    assert_eq!(
        kind_of(from_records.add_record(&record)),
        Some(ErrorKind::WrongBundle)
    );
}

#[test]
fn nothing_but_counts_is_kept_of_an_applicant() {
    let scorer = watched();
    let all = applications(&scorer, 0, 1, 200);
    let bytes = summary(&scorer, &all).encode();
    for application in &all {
        let id = application.id.as_bytes();
        assert!(
            !bytes.windows(id.len()).any(|at| at == id),
            "{}",
            application.id
        );
    }
    // The same applications under other ids, in another order.
    let again: Vec<Application> = all
        .iter()
        .rev()
        .map(|application| {
            let mut again = scorer.application("ÿ another id", application.as_of);
            again.given.clone_from(&application.given);
            again.text.clone_from(&application.text);
            again
        })
        .collect();
    assert_eq!(summary(&scorer, &again).encode(), bytes);
    // Of each list one count at most has grown by one more decision: nothing else of it is in there.
    let more = summary(&scorer, &applications(&scorer, 0, 1, 201));
    let grown = summary(&scorer, &all);
    for (counts, more) in grown.counts().iter().zip(more.counts()) {
        let apart: u32 = counts.iter().zip(more).map(|(a, b)| b - a).sum();
        assert!(apart <= 1);
    }
}

#[test]
fn few_decisions_stay_on_the_device() {
    let scorer = watched();
    let mut enough = applications(&scorer, 0, 1, 40);
    enough.retain(|application| scorer.score(application).is_ok());
    let few = summary(&scorer, &enough[..19]);
    assert_eq!(few.decisions(), 19);
    let error = few.encode_for_sharing().unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::TooFew, "summary.too_few")
    );
    let shared = summary(&scorer, &enough[..20]);
    assert_eq!(shared.encode_for_sharing().unwrap(), shared.encode());
}

#[test]
fn only_one_bundle_is_counted() {
    let scorer = watched();
    let mut own = Summary::new(&scorer).unwrap();
    assert_eq!(
        kind_of(Summary::new(&open(GOLDEN.to_vec()))),
        Some(ErrorKind::Unsupported)
    );
    let mut other = bins(scorer.schema());
    other.counts[0][0] += 1;
    let other = with(&encode(&other));
    let application = &applications(&other, 0, 1, 1)[0];
    let decision = other.score(application).unwrap();
    assert_eq!(
        kind_of(own.add(application, &decision)),
        Some(ErrorKind::WrongBundle)
    );
    let theirs = Summary::new(&other).unwrap();
    assert_eq!(kind_of(own.merge(&theirs)), Some(ErrorKind::WrongBundle));
    assert_eq!(
        kind_of(Summary::decode(&scorer, &theirs.encode())),
        Some(ErrorKind::WrongBundle)
    );
    assert_eq!(own.decisions(), 0);
}

#[test]
fn a_histogram_that_is_not_of_the_fields_is_refused() {
    let scorer = open(GOLDEN.to_vec());
    let sound = bins(scorer.schema());
    assert!(sound.is_sound(scorer.schema()));
    let fields = scorer.schema().fields();
    let at = |is: &dyn Fn(&FieldKind) -> bool| fields.iter().position(|f| is(&f.kind)).unwrap();
    let number = at(&FieldKind::is_numeric);
    let category = at(&|kind| matches!(kind, FieldKind::Category { .. }));
    let score = fields.len();
    type Change = Box<dyn Fn(&mut Histogram)>;
    let changes: Vec<Change> = vec![
        Box::new(|h| h.places.clear()),
        Box::new(|h| h.counts.clear()),
        Box::new(|h| h.counts.truncate(1)),
        Box::new(|h| drop(h.places.remove(0))),
        Box::new(|h| drop(h.counts.remove(0))),
        Box::new(move |h| h.places[number].swap(0, 1)),
        Box::new(move |h| h.places[number][1] = h.places[number][0]),
        Box::new(move |h| h.places[number].push(5000)),
        Box::new(move |h| h.counts[number].push(5000)),
        Box::new(move |h| h.counts[number].truncate(1)),
        Box::new(move |h| {
            h.places[number] = (0..16).collect();
            h.counts[number] = vec![20; 19];
        }),
        Box::new(move |h| h.places[category][0] = 3),
        Box::new(move |h| h.places[category][0] = -1),
        Box::new(move |h| h.places[category].push(0)),
        Box::new(move |h| h.counts[score].push(0)),
        Box::new(move |h| h.places[score].clear()),
        Box::new(move |h| h.counts[score + 1].push(0)),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut harmed = sound.clone();
        change(&mut harmed);
        let found = Histogram::of(&with(&encode(&harmed)));
        assert_eq!(
            kind_of(found),
            Some(ErrorKind::Malformed),
            "change {number}"
        );
    }
    assert_eq!(
        kind_of(Histogram::of(&with(b"\xa2"))),
        Some(ErrorKind::Malformed)
    );
    assert_eq!(Histogram::of(&with(&encode(&sound))).unwrap(), sound);
}

#[test]
fn harmed_summaries_are_refused_or_are_others() {
    let scorer = watched();
    let bytes = summary(&scorer, &applications(&scorer, 0, 2, 300)).encode();
    assert_eq!(Summary::decode(&scorer, &bytes).unwrap().encode(), bytes);
    let mut taken = 0;
    for at in 0..bytes.len() {
        for value in [
            0,
            0x17,
            0x18,
            0x19,
            0x1b,
            0x81,
            0x9f,
            0xff,
            bytes[at] ^ 1,
            bytes[at] ^ 0x20,
        ] {
            let mut harmed = bytes.clone();
            harmed[at] = value;
            // Only what it was before, and the version of the runtime, may pass: counts have to agree.
            if let Ok(summary) = Summary::decode(&scorer, &harmed) {
                assert_eq!(summary.encode(), harmed);
                taken += usize::from(harmed != bytes);
            }
        }
        assert!(Summary::decode(&scorer, &bytes[..at]).is_err(), "{at}");
    }
    assert!(taken < 40, "{taken}");
    let long = [bytes.as_slice(), &[0]].concat();
    assert_eq!(
        kind_of(Summary::decode(&scorer, &long)),
        Some(ErrorKind::BadSummary)
    );
    let endless = vec![0x9b; MAX_SUMMARY_BYTES + 1];
    assert_eq!(
        kind_of(Summary::decode(&scorer, &endless)),
        Some(ErrorKind::BadSummary)
    );
}

#[test]
fn the_golden_summary_is_the_recorded_one() {
    let bundle = include_bytes!("../../../tests/golden/families/watched/watched.fsb");
    let recorded = include_str!("../../../tests/golden/families/watched/summary.txt");
    let scorer = open(bundle.to_vec());
    let found = summary(&scorer, &applications(&scorer, 0, 1, 1000)).encode();
    let digits: String = Sha256::digest(&found)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(format!("summary 1000 {digits}"), recorded.trim());
    // Of another version, or none at all: no other bundle's.
    for at in [0, 1, 2, 40] {
        let mut harmed = found.clone();
        harmed[at] ^= 1;
        assert_eq!(
            kind_of(Summary::decode(&scorer, &harmed)),
            Some(ErrorKind::BadSummary)
        );
    }
    assert_eq!(
        kind_of(Summary::decode(&scorer, &found[..20])),
        Some(ErrorKind::BadSummary)
    );
    let mut other = found;
    other[20] ^= 1;
    assert_eq!(
        kind_of(Summary::decode(&scorer, &other)),
        Some(ErrorKind::WrongBundle)
    );
}

#[test]
fn what_is_read_is_what_minicbor_reads() {
    let scorer = watched();
    let bytes = summary(&scorer, &applications(&scorer, 0, 5, 100)).encode();
    type Stored = (
        u32,
        ByteVec,
        String,
        u64,
        EngineKind,
        [u16; 3],
        Vec<Vec<u32>>,
    );
    let theirs: Stored = minicbor::decode(&bytes).unwrap();
    assert_eq!(encode(&theirs), bytes);
    let (meta, ours) = (scorer.meta(), Summary::decode(&scorer, &bytes).unwrap());
    assert_eq!((theirs.0, &theirs.1[..]), (1, &scorer.bundle_id()[..]));
    assert_eq!(
        (&theirs.2, theirs.3, theirs.4),
        (&meta.product, meta.sequence, meta.engine)
    );
    assert_eq!(theirs.5, [0, 1, 0]);
    assert_eq!(theirs.6, ours.counts());
    let section = encode(&bins(scorer.schema()));
    let theirs: Histogram = minicbor::decode(&section).unwrap();
    assert_eq!(
        cbor::decode::<Histogram>(&section, "section HIST").unwrap(),
        theirs
    );
}

#[test]
fn counts_stop_at_the_greatest() {
    let scorer = watched();
    let mut full = summary(&scorer, &applications(&scorer, 0, 1, 50));
    for count in full.counts.iter_mut().flatten() {
        *count = count.saturating_mul(u32::MAX);
    }
    let mut twice = full.clone();
    twice.merge(&full).unwrap();
    assert_eq!(twice.counts(), full.counts());
    let decoded = Summary::decode(&scorer, &twice.encode()).unwrap();
    assert_eq!(decoded.counts(), full.counts());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_order_of_merging_makes_no_difference(
        picks in prop::collection::vec((0usize..900, 1usize..4, 0usize..60, 0u32..3), 3)
    ) {
        let scorer = watched();
        let of = |&(shift, step, count, patch): &(usize, usize, usize, u32)| {
            let mut found = summary(&scorer, &applications(&scorer, shift, step, count));
            found.runtime.patch = patch as u16;
            // Near the greatest count too.
            if patch == 2 {
                for count in found.counts.iter_mut().flatten() {
                    *count = count.saturating_mul(1 << 30);
                }
            }
            found
        };
        let [a, b, c] = [of(&picks[0]), of(&picks[1]), of(&picks[2])];
        let merged = |a: &Summary, b: &Summary| {
            let mut all = a.clone();
            all.merge(b).unwrap();
            all
        };
        prop_assert_eq!(merged(&a, &b).encode(), merged(&b, &a).encode());
        prop_assert_eq!(
            merged(&merged(&a, &b), &c).encode(),
            merged(&a, &merged(&b, &c)).encode()
        );
        let mut one = summary(&scorer, &applications(&scorer, picks[0].0, picks[0].1, picks[0].2));
        one.merge(&Summary::new(&scorer).unwrap()).unwrap();
        prop_assert_eq!(&one.counts, &summary(&scorer, &applications(&scorer, picks[0].0, picks[0].1, picks[0].2)).counts);
    }
}

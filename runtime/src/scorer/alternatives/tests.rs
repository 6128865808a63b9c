//! Over the credit golden bundle, whose changeable fields have ranges and nothing else.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::*;
use crate::kernels::Kernels;
use crate::schema::{DecimalMark, Leeway, SchemaParts};
use crate::{Date, OpenOptions};

const GOLDEN: &[u8] = include_bytes!("../../../../tests/golden/credit/credit.fsb");
/// 10 000 applicants drawn at random from the schema, gaps and unlisted categories among them.
const DRAWN: &str = include_str!("../../../../tests/golden/credit/applications.csv");
/// Applicants as they come.
const SAMPLE: &str = include_str!("../../../../models/zoo/credit/applications.csv");

fn scorer() -> Scorer {
    let options = OpenOptions::default().dangerously_unverified();
    options.open(GOLDEN, &[]).unwrap()
}

/// The applications of a CSV file.
fn applications<'s>(scorer: &'s Scorer, csv: &'s str) -> impl Iterator<Item = Application> + 's {
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    lines.map(move |line| {
        let mut application = scorer.application("", Date::from_ymd(2026, 9, 1).unwrap());
        for (name, cell) in header.iter().zip(line.split(',')) {
            if let Ok(at) = scorer.schema().index_of(name) {
                application
                    .set_text_at(at, cell, DecimalMark::Point)
                    .unwrap();
            }
        }
        application
    })
}

/// The application again, as somebody fills it in who takes the advice.
fn changed(scorer: &Scorer, application: &Application, changes: &[Change]) -> Application {
    let mut again = application.copy();
    for change in changes {
        let at = usize::from(change.field);
        let text = scorer.schema().text_of(at, change.value).unwrap();
        again.set_text_at(at, &text, DecimalMark::Point).unwrap();
    }
    again
}

/// Checks that what is shown of an application is true, and sound beside what else is shown.
fn check(scorer: &Scorer, application: &Application) -> usize {
    let Ok(now) = scorer.score(application) else {
        assert!(scorer.alternatives(application).is_err());
        return 0;
    };
    let all = scorer.alternatives(application).unwrap();
    assert!(all.scores <= MAX_ALTERNATIVE_SCORES && all.found.len() <= MAX_ALTERNATIVES);
    if now.outcome == Outcome::Approve {
        assert_eq!((all.found.len(), all.scores), (0, 1));
    }
    for (at, alternative) in all.found.iter().enumerate() {
        let changes = &alternative.changes;
        let decision = scorer
            .score(&changed(scorer, application, changes))
            .unwrap();
        assert_eq!(decision, alternative.decision);
        assert!(decision.outcome < now.outcome);
        assert!((1..=MAX_CHANGES).contains(&changes.len()));
        assert!(changes.is_sorted_by(|a, b| a.field < b.field));
        for change in changes {
            let field = &scorer.schema().fields()[usize::from(change.field)];
            let (low, high) = field.range.unwrap();
            assert!(field.changeable && (low..=high).contains(&change.value));
            let given = application.given[usize::from(change.field)];
            assert!(given != Given::Number(change.value));
        }
        for before in &all.found[..at] {
            assert!(before.changes.len() <= changes.len());
            let again = |own: &Change| changes.iter().any(|other| other.field == own.field);
            assert!(!before.changes.iter().all(again));
            if before.changes.len() == changes.len() {
                assert!(before.decision.outcome <= decision.outcome);
            }
        }
        if let ([change], Given::Number(raw)) = (
            &changes[..],
            application.given[usize::from(changes[0].field)],
        ) {
            // A step less does not do.
            let less = change.value + (raw - change.value).signum();
            let less = [Change {
                value: less,
                ..*change
            }];
            let less = scorer.score(&changed(scorer, application, &less));
            assert!(less.is_ok_and(|less| less.outcome > decision.outcome));
        }
    }
    all.found.len()
}

#[test]
fn every_alternative_reaches_its_outcome() {
    let scorer = scorer();
    let shown: usize = applications(&scorer, DRAWN)
        .map(|application| check(&scorer, &application))
        .sum();
    assert!(shown > 10_000, "{shown}");
    let shown: usize = applications(&scorer, SAMPLE)
        .map(|application| check(&scorer, &application))
        .sum();
    assert!(shown > 30, "{shown}");
}

#[test]
fn they_are_the_same_again_and_on_every_kernel_path() {
    let scorer = scorer();
    for path in Kernels::available() {
        let options = OpenOptions::default()
            .dangerously_unverified()
            .kernels(path);
        let other = options.open(GOLDEN, &[]).unwrap();
        let all = applications(&scorer, DRAWN).zip(applications(&other, DRAWN));
        for (a, b) in all.take(200) {
            let (a, b) = (scorer.alternatives(&a).ok(), other.alternatives(&b).ok());
            assert_eq!(a, b, "{}", path.name);
        }
    }
}

/// Whether any new value of a field reaches a better outcome, by scoring every `nth`.
fn any_does(scorer: &Scorer, application: &Application, at: usize, nth: usize) -> bool {
    let now = scorer.score(application).unwrap();
    let (low, high) = scorer.schema().fields()[at].range.unwrap();
    let mut again = application.copy();
    (low..=high).step_by(nth).any(|raw| {
        again.given[at] = Given::Number(raw);
        scorer.score(&again).is_ok_and(|d| d.outcome < now.outcome)
    })
}

#[test]
fn what_one_field_can_do_is_found() {
    let scorer = scorer();
    let (mut found, mut none) = (0, 0);
    let sample = applications(&scorer, SAMPLE).chain(applications(&scorer, DRAWN).take(150));
    for application in sample {
        let Ok(all) = scorer.alternatives(&application) else {
            continue;
        };
        let alone = all.found.iter().filter(|a| a.changes.len() == 1);
        let shown: Vec<usize> = alone.map(|a| usize::from(a.changes[0].field)).collect();
        if all.scores == 1 || shown.len() == MAX_ALTERNATIVES {
            continue;
        }
        for (at, field) in scorer.schema().fields().iter().enumerate() {
            if field.changeable {
                let (low, high) = field.range.unwrap();
                // All of them, or twenty thousand.
                let nth = ((high - low) / 20_000).max(1) as usize;
                let does = any_does(&scorer, &application, at, nth);
                assert_eq!(shown.contains(&at), does, "{}", field.name);
                *(if does { &mut found } else { &mut none }) += 1;
            }
        }
    }
    assert!(found > 50 && none > 100, "{found} {none}");
}

#[test]
fn few_scores_bound_the_search() {
    let scorer = scorer();
    for application in applications(&scorer, DRAWN).take(100) {
        let Ok(now) = scorer.score(&application) else {
            continue;
        };
        for scores in [0, 1, 10, 100] {
            let mut scratch = scorer.inner.scratch();
            let inner = &scorer.inner;
            let all = inner.alternatives(&application, &now, scores, &mut scratch);
            assert!(all.scores <= scores);
            for alternative in all.found {
                let again = changed(&scorer, &application, &alternative.changes);
                assert_eq!(scorer.score(&again).unwrap(), alternative.decision);
            }
        }
    }
}

#[test]
fn where_a_person_decides_there_are_none() {
    let scorer = scorer();
    let mut all = applications(&scorer, SAMPLE);
    let mut application = all
        .find(|a| !scorer.alternatives(a).unwrap().found.is_empty())
        .unwrap();
    application.set_automation_consent(false);
    assert_eq!(scorer.alternatives(&application).unwrap().found, []);
    application.set_automation_consent(true);
    for year in [2025, 2037] {
        application.as_of = Date::from_ymd(year, 1, 1).unwrap();
        assert_eq!(scorer.alternatives(&application).unwrap().found, []);
    }
    application.as_of = Date::from_ymd(2026, 9, 1).unwrap();
    assert!(!scorer.alternatives(&application).unwrap().found.is_empty());
}

/// The credit bundle with other fields.
fn with(change: impl Fn(&mut Field)) -> Scorer {
    let mut scorer = scorer();
    let id = *scorer.bundle_id();
    let mut fields = scorer.schema().fields().to_vec();
    let groups = scorer.schema().groups().to_vec();
    fields.iter_mut().for_each(change);
    let schema = Schema::new(SchemaParts { fields, groups }, id).unwrap();
    Arc::get_mut(&mut scorer.inner).unwrap().schema = Arc::new(schema);
    scorer
}

#[test]
fn only_what_the_recipe_allows_is_changed() {
    let leeway = |direction, step, range| {
        Some(Leeway {
            direction,
            step,
            range,
            codes: None,
        })
    };
    let scorer = with(|field| {
        field.change = match field.name.as_str() {
            "income" => leeway(Direction::Up, 50, Some((0, 5000))),
            "expenses" => leeway(Direction::Down, 5, None),
            "amount" => leeway(Direction::Down, 100, None),
            _ => None,
        };
        field.changeable = field.change.is_some() || field.name == "home";
        if field.name == "home" {
            field.change = leeway(Direction::Any, 1, None).map(|leeway| Leeway {
                codes: Some(vec![1, 2]),
                ..leeway
            });
        }
    });
    let mut seen = [0; 4];
    for application in applications(&scorer, DRAWN).take(2000) {
        let Ok(all) = scorer.alternatives(&application) else {
            continue;
        };
        for change in all.found.iter().flat_map(|a| &a.changes) {
            let at = usize::from(change.field);
            let now = match application.given[at] {
                Given::Number(raw) => Some(raw),
                _ => None,
            };
            let (value, up) = (change.value, now.is_none_or(|now| change.value > now));
            let (which, allowed) = match scorer.schema().fields()[at].name.as_str() {
                "income" => (0, up && value % 50 == 0 && value <= 5000),
                "expenses" => (1, value % 5 == 0 && now.is_some_and(|now| value < now)),
                "amount" => (2, value % 100 == 0 && now.is_some_and(|now| value < now)),
                "home" => (3, [1, 2].contains(&value)),
                _ => (0, false),
            };
            assert!(allowed, "{which}");
            seen[which] += 1;
        }
    }
    assert!(seen.iter().all(|&count| count > 10), "{seen:?}");
    let none = with(|field| field.changeable = false);
    for application in applications(&none, SAMPLE) {
        assert_eq!(none.alternatives(&application).unwrap().found, []);
    }
}

/// The values that a field may get, in the order of the search.
fn values(
    kind: FieldKind,
    range: Option<(i64, i64)>,
    change: Option<Leeway>,
    given: Given,
) -> Vec<Vec<i64>> {
    let mut field = scorer().schema().fields()[0].clone();
    (field.kind, field.range, field.change) = (kind, range, change);
    let mut all = Vec::new();
    moves(0, &field, given, &mut all);
    let each = |one: &Move<'_>| {
        (1..=one.len)
            .map(|at| Move { at, ..*one }.value())
            .collect()
    };
    all.iter().map(each).collect()
}

#[test]
fn new_values_go_outwards_from_the_present_one() {
    let leeway = |direction, step, range| {
        Some(Leeway {
            direction,
            step,
            range,
            codes: None,
        })
    };
    let integer = |change, given| values(FieldKind::Integer, Some((-3, 4)), change, given);
    assert_eq!(
        integer(None, Given::Number(2)),
        [vec![3, 4], vec![1, 0, -1, -2, -3]]
    );
    assert_eq!(
        integer(None, Given::Number(9)),
        [[4, 3, 2, 1, 0, -1, -2, -3]]
    );
    assert_eq!(
        integer(None, Given::Number(-9)),
        [[-3, -2, -1, 0, 1, 2, 3, 4]]
    );
    assert_eq!(integer(None, Given::Missing), [[-3, -2, -1, 0, 1, 2, 3, 4]]);
    let twos = |direction| leeway(direction, 2, Some((-2, 3)));
    assert_eq!(
        integer(twos(Direction::Any), Given::Number(1)),
        [vec![2], vec![0, -2]]
    );
    assert_eq!(integer(twos(Direction::Up), Given::Number(0)), [[2]]);
    assert_eq!(integer(twos(Direction::Down), Given::Number(0)), [[-2]]);
    assert_eq!(integer(twos(Direction::Down), Given::Missing), [[2, 0, -2]]);
    assert_eq!(integer(twos(Direction::Up), Given::Number(2)), [[0; 0]; 0]);
    // No multiple of the step lies in the range.
    assert_eq!(
        integer(leeway(Direction::Any, 10, Some((1, 4))), Given::Missing),
        [[0; 0]; 0]
    );
    // Without a range there is nothing to go by.
    assert_eq!(
        values(FieldKind::Integer, None, None, Given::Number(1)),
        [[0; 0]; 0]
    );
    let wide = Some((i64::MIN, i64::MAX));
    let mut field = scorer().schema().fields()[0].clone();
    field.range = wide;
    let mut all = Vec::new();
    moves(0, &field, Given::Number(MAX_MAGNITUDE - 1), &mut all);
    assert_eq!((all[0].len, all[1].len), (1, 2 * MAX_MAGNITUDE - 1));
    all[1].at = all[1].len;
    assert_eq!((all[1].value(), all[1].cost()), (-MAX_MAGNITUDE, WHOLE - 1));
    let truth = |change, given| values(FieldKind::Boolean, None, change, given);
    assert_eq!(truth(None, Given::Truth(true)), [[0]]);
    assert_eq!(truth(None, Given::Truth(false)), [[1]]);
    assert_eq!(truth(None, Given::Missing), [[0, 1]]);
    assert_eq!(
        truth(leeway(Direction::Up, 1, None), Given::Truth(true)),
        [[0; 0]; 0]
    );
    let codes = ["a", "b", "c"].map(str::to_owned).to_vec();
    let kind = FieldKind::Category { codes };
    assert_eq!(
        values(kind.clone(), None, None, Given::Missing),
        [[0, 1, 2]]
    );
    let two = leeway(Direction::Any, 1, None).map(|leeway| Leeway {
        codes: Some(vec![0, 2]),
        ..leeway
    });
    assert_eq!(values(kind, None, two, Given::Category(1)), [[0, 2]]);
    assert_eq!(
        values(FieldKind::Date, Some((0, 9)), None, Given::Number(1)),
        [[0; 0]; 0]
    );
}

#[test]
fn a_leeway_fits_its_field() {
    let number = Leeway {
        direction: Direction::Up,
        step: 5,
        range: Some((0, 40)),
        codes: None,
    };
    let codes = |codes: &[u16]| Leeway {
        direction: Direction::Any,
        step: 1,
        range: None,
        codes: Some(codes.to_vec()),
    };
    let code = |name: &str| name.to_owned();
    let home = FieldKind::Category {
        codes: ["a", "b", "c"].map(code).to_vec(),
    };
    let truth = Leeway {
        step: 1,
        range: None,
        ..number.clone()
    };
    let of = |kind: &FieldKind, changeable: bool, leeway: &Leeway| {
        let mut parts = SchemaParts {
            fields: scorer().schema().fields()[..1].to_vec(),
            groups: scorer().schema().groups()[..1].to_vec(),
        };
        let field = &mut parts.fields[0];
        field.range = kind.is_numeric().then_some((0, 60));
        (field.kind, field.changeable, field.change) =
            (kind.clone(), changeable, Some(leeway.clone()));
        let coded = crate::bundle::encode(&parts);
        Schema::decode(&coded, [0; 32]).map(|schema| assert_eq!(schema.fields(), parts.fields))
    };
    for (kind, leeway) in [
        (&FieldKind::Integer, &number),
        (
            &FieldKind::Integer,
            &Leeway {
                range: None,
                ..number.clone()
            },
        ),
        (&FieldKind::Boolean, &truth),
        (&home, &codes(&[0, 2])),
        (
            &home,
            &Leeway {
                codes: None,
                ..codes(&[])
            },
        ),
    ] {
        of(kind, true, leeway).unwrap();
        // Only what is changeable changes.
        assert!(of(kind, false, leeway).is_err());
    }
    for (kind, leeway) in [
        (
            &FieldKind::Integer,
            Leeway {
                range: Some((0, 61)),
                ..number.clone()
            },
        ),
        (
            &FieldKind::Integer,
            Leeway {
                range: Some((-1, 40)),
                ..number.clone()
            },
        ),
        (
            &FieldKind::Integer,
            Leeway {
                range: Some((40, 0)),
                ..number.clone()
            },
        ),
        (
            &FieldKind::Integer,
            Leeway {
                step: 0,
                ..number.clone()
            },
        ),
        (
            &FieldKind::Integer,
            Leeway {
                step: -5,
                ..number.clone()
            },
        ),
        (
            &FieldKind::Integer,
            Leeway {
                codes: Some(vec![0]),
                ..number.clone()
            },
        ),
        (
            &FieldKind::Boolean,
            Leeway {
                step: 2,
                ..truth.clone()
            },
        ),
        (
            &FieldKind::Boolean,
            Leeway {
                range: Some((0, 1)),
                ..truth.clone()
            },
        ),
        (&FieldKind::Date, truth.clone()),
        (&FieldKind::Date, number.clone()),
        (&FieldKind::Text { buckets: 3 }, truth.clone()),
        (&home, codes(&[])),
        (&home, codes(&[3])),
        (&home, codes(&[1, 1])),
        (&home, codes(&[1, 0])),
        (
            &home,
            Leeway {
                direction: Direction::Up,
                ..codes(&[0])
            },
        ),
    ] {
        let error = of(kind, true, &leeway).unwrap_err();
        assert!(
            error.expected().contains("a change of"),
            "{kind:?} {leeway:?}"
        );
    }
}

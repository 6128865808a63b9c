//! Contributions against their definition, by brute force: every order in which fields can join,
//! groups kept together, averaged in exact integers. Shares no code with the runtime's.

use std::path::Path;

use fieldscore_runtime::bundle::container::SectionKind;
use fieldscore_runtime::bundle::encode;
use fieldscore_runtime::decide::{LOG_ODDS_ONE, OutputKind, RecordValue, round_points};
use fieldscore_runtime::kernels::Kernels;
use fieldscore_runtime::plan::{ElementType, MAX_ARENA_BYTES};
use fieldscore_runtime::schema::{Field, FieldKind};
use fieldscore_runtime::{Application, Date, OpenOptions, Scorer, Value};
use fieldscore_tests::fixture::{Arithmetic, Parts, draw, key};
use fieldscore_tests::random::Random;
use fieldscore_tests::surgery::with_section;
use proptest::prelude::*;

/// All orders of `items`.
fn orders(items: &[usize]) -> Vec<Vec<usize>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, &first) in items.iter().enumerate() {
        let mut rest = items.to_vec();
        rest.remove(at);
        for mut order in orders(&rest) {
            order.insert(0, first);
            all.push(order);
        }
    }
    all
}

/// All orders of fields in which each group's fields come one after another.
fn joint_orders(groups: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let indices: Vec<usize> = (0..groups.len()).collect();
    let inner: Vec<Vec<Vec<usize>>> = groups.iter().map(|group| orders(group)).collect();
    let mut all = Vec::new();
    for outer in orders(&indices) {
        let mut partial = vec![Vec::new()];
        for group in outer {
            partial = partial
                .into_iter()
                .flat_map(|head: Vec<usize>| {
                    inner[group]
                        .iter()
                        .map(move |tail| [&head[..], tail].concat())
                })
                .collect();
        }
        all.extend(partial);
    }
    all
}

/// The score in 1/1024 points before rounding, from the model's own output.
fn exact(scorer: &Scorer, application: &Application) -> i64 {
    let features = scorer.features_f64(application).unwrap();
    let executable = scorer.executable().unwrap();
    let model = executable.model(0).unwrap();
    let mut arena = executable.arena(1);
    let port = |index: u16| model.buffers[usize::from(index)];
    let mut rest = &features[..];
    for input in &model.inputs {
        let buffer = port(input.buffer);
        let (own, next) = rest.split_at(buffer.len as usize);
        arena.write(&buffer, 0, 0, own);
        rest = next;
    }
    let weights = scorer.section(SectionKind::WEIGHTS);
    let kernels = Kernels::scalar();
    executable
        .run(0, &kernels, weights.unwrap(), 1, &mut arena)
        .unwrap();
    let decide = scorer.decide();
    let number = |output: u16, element: u32| {
        let buffer = port(model.outputs[usize::from(output)].buffer);
        arena.number(&buffer, 0, element as usize)
    };
    // A sum of members, in f64 from the bias on.
    let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
    let logit = |p: f64| (p / (1.0 - p)).ln();
    let mut output = number(0, 0);
    if let Some(blend) = &decide.blend {
        output = blend.members.iter().fold(blend.bias, |sum, member| {
            let x = number(member.output, member.element);
            let part = match (member.kind, blend.probabilities) {
                (OutputKind::Logit, true) => logistic(x),
                (OutputKind::Probability, false) => logit(x),
                _ => x,
            };
            sum + member.weight * part
        });
    }
    if decide.output == OutputKind::Probability {
        output = logit(output);
    }
    if decide.output == OutputKind::Points {
        let points = (output * 1024.0) as i64;
        let (floor, ceiling) = (decide.scale.floor, decide.scale.ceiling);
        return points.clamp(i64::from(floor) * 1024, i64::from(ceiling) * 1024);
    }
    let odds = (output.clamp(-1000.0, 1000.0) * f64::from(LOG_ODDS_ONE)).round_ties_even() as i32;
    decide.scale.exact(decide.calibration.apply(odds))
}

/// Shares of a whole number, given as numerators over one denominator: floors, then one more to
/// the largest fractions, ties to the lesser code.
fn apportion(numerators: &[i128], denominator: i128, total: i128, codes: &[&str]) -> Vec<i128> {
    let mut given: Vec<i128> = numerators
        .iter()
        .map(|x| x.div_euclid(denominator))
        .collect();
    let mut order: Vec<usize> = (0..numerators.len()).collect();
    order.sort_by(|&a, &b| {
        let rest = |i: usize| numerators[i].rem_euclid(denominator);
        rest(b).cmp(&rest(a)).then(codes[a].cmp(codes[b]))
    });
    let left = total - given.iter().sum::<i128>();
    assert!(
        (0..=order.len() as i128).contains(&left),
        "{left} left over"
    );
    for &at in &order[..left as usize] {
        given[at] += 1;
    }
    given
}

/// Stands for no value in these tests.
const MISSING: i64 = i64::MIN;

/// An application whose fields are `application`'s where the mask has their bit, else
/// `reference`'s.
fn mixed(
    scorer: &Scorer,
    application: &[RecordValue],
    masks: usize,
    reference: &[RecordValue],
    as_of: Date,
) -> Application {
    let mut out = scorer.application("mixed", as_of);
    let fields = scorer.schema().fields().to_vec();
    for (index, field) in fields.iter().enumerate() {
        let from = if masks >> index & 1 == 1 {
            application
        } else {
            reference
        };
        let RecordValue::Rows(rows) = &from[index] else {
            out.set_at(index, typed(field, &from[index])).unwrap();
            continue;
        };
        for row in rows {
            out.add_row_at(index).unwrap();
            for (at, (cell, column)) in row.iter().zip(field.kind.columns()).enumerate() {
                let value = cell
                    .as_ref()
                    .map_or(Value::Missing, |v| typed(&column.0, v));
                out.set_cell_at(index, at, value).unwrap();
            }
        }
    }
    out
}

/// A record's value as a caller has it.
pub(super) fn typed<'a>(field: &Field, value: &'a RecordValue) -> Value<'a> {
    match value {
        RecordValue::Text(text) => Value::Text(text),
        RecordValue::Truth(truth) => Value::Boolean(*truth),
        RecordValue::Bytes(bytes) => Value::Bytes(bytes),
        RecordValue::Number(MISSING) | RecordValue::Rows(_) => Value::Missing,
        RecordValue::Number(raw) => match &field.kind {
            FieldKind::Integer => Value::Integer(*raw),
            FieldKind::Money { .. } => Value::Minor(*raw),
            FieldKind::Date => Value::Date(Date::from_days(*raw).unwrap()),
            kind => Value::Number(*raw as f64 / 10f64.powi(kind.decimals().into())),
        },
    }
}

/// The values of an application in the schema's order, missing ones as the sentinel.
fn values(scorer: &Scorer, record: &[u8]) -> Vec<RecordValue> {
    let record = fieldscore_runtime::Record::decode(record).unwrap();
    scorer
        .schema()
        .fields()
        .iter()
        .map(|field| {
            let found = record.values.iter().find(|(name, _)| *name == field.name);
            found.map_or(RecordValue::Number(MISSING), |(_, value)| value.clone())
        })
        .collect()
}

/// That an explanation is what its definition says, by brute force.
pub fn check(scorer: &Scorer, application: &Application) {
    let explanation = scorer.explain(application).unwrap();
    let mut record = Vec::new();
    scorer.record(application, &explanation.decision, &mut record);
    let own = values(scorer, &record);
    let reference = values(scorer, &scorer.decide().reference);
    let fields = scorer.schema().fields();
    let v: Vec<i64> = (0..1usize << fields.len())
        .map(|mask| {
            let application = mixed(scorer, &own, mask, &reference, application.as_of());
            let v = exact(scorer, &application);
            let decision = scorer.score(&application).unwrap();
            assert_eq!(round_points(v), decision.score, "v is the score's own");
            v
        })
        .collect();
    let groups: Vec<Vec<usize>> = (0..scorer.schema().groups().len())
        .map(|group| {
            let of = |&at: &usize| usize::from(fields[at].group) == group;
            (0..fields.len()).filter(of).collect()
        })
        .collect();
    let orders = joint_orders(&groups);
    let mut gains = vec![0i128; fields.len()];
    for order in &orders {
        let mut mask = 0usize;
        for &field in order {
            let before = v[mask];
            mask |= 1 << field;
            gains[field] += i128::from(v[mask] - before);
        }
    }
    let denominator = orders.len() as i128 * 1024;
    let total = i128::from(round_points(v[v.len() - 1]) - round_points(v[0]));
    let of_groups: Vec<i128> = groups
        .iter()
        .map(|members| members.iter().map(|&field| gains[field]).sum())
        .collect();
    let codes: Vec<&str> = scorer
        .schema()
        .groups()
        .iter()
        .map(|g| &g.code[..])
        .collect();
    let expected = apportion(&of_groups, denominator, total, &codes);
    let found: Vec<i128> = explanation.groups.iter().map(|&x| x.into()).collect();
    assert_eq!(found, expected, "groups");
    for (members, total) in groups.iter().zip(expected) {
        let exact: Vec<i128> = members.iter().map(|&field| gains[field]).collect();
        let codes: Vec<&str> = members
            .iter()
            .map(|&field| &fields[field].reason_code[..])
            .collect();
        let expected = apportion(&exact, denominator, total, &codes);
        let found: Vec<i128> = members
            .iter()
            .map(|&field| explanation.fields[field].into())
            .collect();
        assert_eq!(found, expected, "fields of {members:?}");
    }
    let (_, reference) = scorer.reference().unwrap();
    assert_eq!(explanation.reference_score, reference.score);
    assert_eq!(
        explanation.groups.iter().sum::<i32>(),
        explanation.decision.score - reference.score
    );
    assert_eq!(explanation.decision, scorer.score(application).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn explanations_are_exact_owen_values(seed in any::<u64>(), float in any::<bool>()) {
        let random = &mut Random::new(seed);
        let hidden: Vec<usize> = (0..random.below(3)).map(|_| 1 + random.below(12)).collect();
        let arithmetic = if float { Arithmetic::F32 } else { Arithmetic::Int8 };
        let mut parts = Parts::with_net(seed, &hidden, arithmetic);
        // Codes whose order is not the fields' order.
        for (at, field) in parts.schema.fields.iter_mut().enumerate() {
            field.reason_code = format!("R{}", (at * 3 + 2) % 7);
        }
        for (at, group) in parts.schema.groups.iter_mut().enumerate() {
            group.code = format!("G{}", (at * 2 + 1) % 5);
        }
        let scorer = parts.scorer();
        check(&scorer, &draw(&scorer, "a", random));
    }

    #[test]
    fn explanations_of_points_are_exact_owen_values(seed in any::<u64>()) {
        let scorer = Parts::scorecard(seed).scorer();
        check(&scorer, &draw(&scorer, "a", &mut Random::new(seed)));
    }
}

#[test]
fn the_reference_applicant_owes_nothing_to_anything() {
    let scorer = Parts::small(3).scorer();
    let (reference, decision) = scorer.reference().unwrap();
    let explanation = scorer.explain(&reference).unwrap();
    assert_eq!(explanation.decision, decision);
    assert!(
        explanation
            .groups
            .iter()
            .chain(&explanation.fields)
            .all(|&x| x == 0)
    );
    assert_eq!(explanation.reasons.iter().count(), 0);
}

#[test]
fn the_stated_cost_is_the_number_of_evaluations() {
    // Groups of 2, 1, 2, 1 and 1 fields: 2^5 sets, and 2^4 · (2^2 − 2) parts for each pair.
    assert_eq!(Parts::small(1).scorer().explanation_cost(), 32 + 2 * 16 * 2);
}

#[test]
fn equal_contributions_are_reasons_in_the_order_of_their_codes() {
    let scorer = fieldscore_tests::fixture::linear(&[("a", "R9", 0.5), ("b", "R1", 0.5)]).scorer();
    let mut application = scorer.application("a", fieldscore_tests::fixture::today());
    application.set("a", 2).unwrap();
    application.set("b", 2).unwrap();
    let explanation = scorer.explain(&application).unwrap();
    assert_eq!(explanation.fields[0], explanation.fields[1]);
    let codes: Vec<&str> = explanation
        .reasons
        .iter()
        .map(|r| scorer.reason_code(r))
        .collect();
    assert_eq!(codes, ["R1", "R9"]);
}

#[test]
fn the_last_odd_point_goes_to_the_lesser_code() {
    // Each value is worth half a point: together one, and the tie goes to R1.
    let half = 0.5 / (50.0 / std::f32::consts::LN_2);
    let scorer =
        fieldscore_tests::fixture::linear(&[("a", "R9", half), ("b", "R1", half)]).scorer();
    let mut application = scorer.application("a", fieldscore_tests::fixture::today());
    application.set("a", 1).unwrap();
    application.set("b", 1).unwrap();
    let explanation = scorer.explain(&application).unwrap();
    assert_eq!(explanation.fields.iter().sum::<i32>(), -1);
    assert_eq!(
        explanation.fields,
        [-1, 0],
        "floors are −1 each; what is left goes to R1"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Leaves that remain, joined group by group, against every evaluation by itself.
    #[test]
    fn explanations_of_forests_are_exact_owen_values(
        seed in any::<u64>(),
        (trees, leaves) in (1usize..40, 1usize..100),
        wide in any::<bool>(),
    ) {
        let element = if wide { ElementType::F64 } else { ElementType::F32 };
        let scorer = Parts::with_forest(seed, trees, leaves, element).scorer();
        check(&scorer, &draw(&scorer, "a", &mut Random::new(seed)));
    }
}

#[test]
fn an_arena_that_few_rows_fit_into_changes_no_contribution() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/families");
    let mut explained = 0;
    for name in ["ft", "activations", "loan"] {
        let file = folder.join(name).join(format!("{name}.fsb"));
        let bundle = with_section(
            &std::fs::read(file).unwrap(),
            SectionKind::CARD,
            b"",
            &key(),
        );
        let open = |bundle| {
            let options = OpenOptions::default();
            options.open(bundle, &[key().public()]).unwrap()
        };
        let usual = open(bundle.clone());
        let mut plan = usual.executable().unwrap().plan().clone();
        plan.models[0].arena_bytes = MAX_ARENA_BYTES as u32;
        let wide = open(with_section(
            &bundle,
            SectionKind::PLAN,
            &encode(&plan),
            &key(),
        ));
        assert!(wide.executable().unwrap().rows() < 8 && usual.executable().unwrap().rows() == 64);
        let own = |scorer: &Scorer| -> Vec<_> {
            let mut random = Random::new(7);
            let drawn = (0..1000).map(|at| draw(scorer, &format!("A-{at}"), &mut random));
            // Some have a value that is refused.
            let taken = drawn.filter_map(|application| scorer.explain(&application).ok());
            let taken = taken.take(3);
            taken
                .map(|one| (one.decision.score, one.groups, one.fields))
                .collect()
        };
        let expected = own(&usual);
        assert_eq!(own(&wide), expected, "{name}");
        explained += expected.len();
    }
    assert_eq!(explained, 9);
}

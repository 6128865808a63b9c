//! Decision tables and amounts: the public cases of DMN's kit, and random policies against a naive
//! evaluation.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fieldscore_models::recipe;
use fieldscore_runtime::decide::{
    Cell, ColumnKind, HitPolicy, OutputColumn, OutputKind, Policy, PolicyValue, Rule, ScoreScale,
    Source, Table,
};
use fieldscore_runtime::{Application, DecimalMark, Outcome, Record, Scorer};
use fieldscore_tests::fixture::{self, Parts, PlanBuilder, today};
use fieldscore_tests::random::Random;
use serde::Deserialize;

/// A published test case.
#[derive(Deserialize)]
struct Case {
    id: String,
    inputs: BTreeMap<String, String>,
    results: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden/dmn")
        .join(name)
}

/// A bundle that decides by the policy of a recipe alone: its model sees one field, and its score is
/// that field's number.
fn scorer(recipe: &str, like: impl Fn(&mut Application)) -> Result<Scorer, String> {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("recipe.toml"), recipe).unwrap();
    let loaded = recipe::load(place.path()).map_err(|e| e.to_string())?;
    let lowered = recipe::lower(&loaded.recipe).map_err(|e| e.to_string())?;
    let mut parts = Parts::small(1);
    parts.schema = lowered.schema;
    parts.texts = lowered.texts;
    parts.policy = lowered.policy;
    parts.transforms = lowered.transforms;
    let mut builder = PlanBuilder::new(1);
    builder.dense_float(&[1.0], &[0.0], false, false);
    (parts.plan, parts.weights) = builder.finish();
    parts.decide.output = OutputKind::Points;
    parts.decide.scale = ScoreScale::new(600.0, 1.0, 50.0, 300, 900);
    let mut reference = parts.application("reference");
    like(&mut reference);
    parts.set_reference(&reference);
    Ok(parts.scorer())
}

fn fill(application: &mut Application, inputs: &BTreeMap<String, String>) {
    for (name, text) in inputs {
        application
            .set_text(name, text, DecimalMark::Point)
            .unwrap();
    }
}

/// Two numbers that are the same after rounding to the cent, or two words.
fn same(own: &str, published: &str) -> bool {
    match (own.parse::<f64>(), published.parse::<f64>()) {
        (Ok(own), Ok(published)) => (own * 100.0).round() == (published * 100.0).round(),
        _ => own == published,
    }
}

fn run(name: &str, recipe: &str) -> usize {
    let cases = std::fs::read_to_string(folder(name).join("cases.toml")).unwrap();
    let cases: Cases = toml::from_str(&cases).unwrap();
    let scorer = scorer(recipe, |a| fill(a, &cases.case[0].inputs)).unwrap();
    let mut compared = 0;
    for case in &cases.case {
        let mut application = scorer.application(&case.id, today());
        fill(&mut application, &case.inputs);
        let explanation = scorer.explain(&application).unwrap();
        let terms = scorer.terms(&application, &explanation.decision);
        for (result, published) in &case.results {
            let own = match result.as_str() {
                "routing" => match explanation.decision.outcome {
                    Outcome::Approve => "ACCEPT",
                    Outcome::Refer => "REFER",
                    Outcome::Decline => "DECLINE",
                },
                // A person decides it: the kit's model says so for them.
                "adjudication" => continue,
                result => {
                    let term = terms.iter().find(|term| term.name == result);
                    term.unwrap().text.as_deref().unwrap()
                }
            };
            assert!(same(own, published), "{name} {} {result}: {own}", case.id);
            compared += 1;
        }
        let mut record = Vec::new();
        scorer.record_explained(&application, &explanation, &mut record);
        assert!(scorer.replay(&record).unwrap().same);
        let additions = Record::decode(&record).unwrap().additions.unwrap();
        assert_eq!(additions.terms.len(), terms.len());
        assert!(additions.trace.is_some());
    }
    compared
}

#[test]
fn case_0087_of_the_kit() {
    let recipe = std::fs::read_to_string(folder("0087-chapter-11-example").join("recipe.toml"));
    assert_eq!(run("0087-chapter-11-example", &recipe.unwrap()), 9);
}

#[test]
fn case_0004_of_the_kit_has_a_gap_which_is_refused_and_closed() {
    let recipe = std::fs::read_to_string(folder("0004-lending").join("recipe.toml")).unwrap();
    let refused = scorer(&recipe, |_| ()).unwrap_err();
    assert_eq!(
        refused,
        "policy.tables.pre_bureau_risk_category: expected a rule for every case; none holds for \
         existing_customer = false, application_risk_score = 130"
    );
    let closed = recipe.replace("[120..130)", "[120..130]");
    assert_ne!(closed, recipe);
    assert_eq!(run("0004-lending", &closed), 10);
    let doubled = closed.replace("[\"false\", \">130\"]", "[\"false\", \">=130\"]");
    let refused = scorer(&doubled, |_| ()).unwrap_err();
    assert!(
        refused.contains(
            "rules 3 and 4 both hold for existing_customer = false, application_risk_score = 130"
        ),
        "{refused}"
    );
}

/// A random table over three numbers, whatever its gaps.
fn random_table(random: &mut Random, index: usize) -> Table {
    let hits = [
        HitPolicy::Unique,
        HitPolicy::First,
        HitPolicy::Priority,
        HitPolicy::Collect,
        HitPolicy::CollectSum,
    ];
    let hit = hits[index % hits.len()];
    let kind = match hit {
        HitPolicy::CollectSum => ColumnKind::Number,
        _ => ColumnKind::Outcome,
    };
    let rules = (0..random.whole(1, 9)).map(|number| {
        let when = (0..3).map(|_| {
            let low = random.whole(-3, 9);
            let ranges = vec![(low, low + random.whole(0, 6))];
            let missing = random.whole(0, 3) == 0;
            (random.whole(0, 2) > 0).then_some(Cell { ranges, missing })
        });
        let when = when.collect();
        let then = match hit {
            HitPolicy::CollectSum => random.whole(-50, 50),
            _ => random.whole(0, 2),
        };
        let told = hit != HitPolicy::CollectSum && then != 0;
        Rule {
            code: told.then(|| format!("R{number}")),
            when,
            then: vec![then],
        }
    });
    Table {
        name: "table".to_owned(),
        hit,
        inputs: vec![0, 1, 2],
        rules: rules.collect(),
        columns: vec![OutputColumn {
            name: "out".to_owned(),
            kind,
        }],
    }
}

/// What a table says, from the words of DMN alone: which rules hold, then what the hit policy makes of them.
fn naive(table: &Table, inputs: &[Option<i64>; 3]) -> (Vec<usize>, Option<i64>) {
    let mut holding = Vec::new();
    'rules: for (number, rule) in table.rules.iter().enumerate() {
        for (cell, input) in rule.when.iter().zip(inputs) {
            let passes = match (cell, input) {
                (None, _) => true,
                (Some(cell), None) => cell.missing,
                (Some(cell), Some(x)) => cell.ranges[0].0 <= *x && *x <= cell.ranges[0].1,
            };
            if !passes {
                continue 'rules;
            }
        }
        holding.push(number);
    }
    let says = |number: &usize| table.rules[*number].then[0];
    match table.hit {
        HitPolicy::Unique if holding.len() > 1 => holding.clear(),
        HitPolicy::First => holding.truncate(1),
        HitPolicy::Priority => {
            let gravest = holding.iter().map(says).max();
            holding.retain(|number| Some(says(number)) == gravest);
        }
        _ => {}
    }
    let said = match table.hit {
        HitPolicy::CollectSum if holding.is_empty() => None,
        HitPolicy::CollectSum => Some(holding.iter().map(says).sum()),
        HitPolicy::Collect => Some(holding.iter().map(says).max().unwrap_or(0)),
        // Where a table of outcomes says nothing, a person decides.
        _ => Some(holding.iter().map(says).max().unwrap_or(1)),
    };
    (holding, said)
}

#[test]
fn tables_decide_as_a_naive_evaluation_says() {
    let mut random = Random::new(7);
    let (mut said_nothing, mut fired) = (0, 0);
    for index in 0..250 {
        let mut parts = fixture::linear(&[("a", "R1", 0.0), ("b", "R2", 0.0), ("c", "R3", 0.0)]);
        let table = random_table(&mut random, index);
        let value = |name: &str, source: Source| PolicyValue {
            name: name.to_owned(),
            source,
            decimals: 0,
            unit: String::new(),
        };
        parts.policy = Policy::new(300, 300, Vec::new());
        parts.policy.values = (0..3)
            .map(|at| value(["a", "b", "c"][usize::from(at)], Source::Field(at)))
            .collect();
        if table.hit == HitPolicy::CollectSum {
            let output = Source::Output {
                table: 0,
                column: 0,
            };
            parts.policy.values.push(value("sum", output));
            parts.policy.terms = vec![3];
        }
        parts.policy.tables = vec![table.clone()];
        let scorer = parts.scorer();
        for _ in 0..40 {
            let inputs: [Option<i64>; 3] = std::array::from_fn(|_| {
                let x = random.whole(-5, 14);
                (random.whole(0, 5) > 0).then_some(x)
            });
            let mut application = scorer.application("A-1", today());
            for (name, x) in ["a", "b", "c"].into_iter().zip(inputs) {
                if let Some(x) = x {
                    application.set(name, x).unwrap();
                }
            }
            let decision = scorer.score(&application).unwrap();
            let (holding, said) = naive(&table, &inputs);
            if table.hit == HitPolicy::CollectSum {
                let term = &scorer.terms(&application, &decision)[0];
                assert_eq!(term.number, said, "{table:?} {inputs:?}");
                said_nothing += usize::from(said.is_none());
            } else {
                assert_eq!(Some(decision.outcome as i64), said, "{table:?} {inputs:?}");
                let codes = holding
                    .iter()
                    .filter_map(|&rule| table.rules[rule].code.as_deref());
                let codes: Vec<&str> = codes.collect();
                let own: Vec<&str> = scorer.policy().fired_codes(decision.fired).collect();
                assert_eq!(own, codes);
                fired += codes.len();
            }
            let trace = scorer.trace(&application, &decision);
            let held = trace
                .iter()
                .filter(|tried| tried.table == "table" && tried.held);
            assert_eq!(held.count(), holding.len());
            let mut record = Vec::new();
            scorer.record(&application, &decision, &mut record);
            assert!(scorer.replay(&record).unwrap().same);
        }
    }
    assert!(said_nothing > 100 && fired > 1000, "{said_nothing} {fired}");
}

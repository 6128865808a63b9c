//! Several models in one bundle, and several probabilities in one decision.

use fieldscore_models::Fault;
use fieldscore_models::build::Built;
use fieldscore_models::keys::Signing;
use fieldscore_runtime::bundle::container::features::OUTPUTS;
use fieldscore_runtime::decide::{Member, OutputKind, Record};
use fieldscore_runtime::{Application, DecimalMark, Explanation, Scorer};
use fieldscore_tests::alloc;
use fieldscore_tests::fixture::today;
use fieldscore_tests::onnx::Onnx;
use fieldscore_tests::project::Project;

/// Two trees over `a` and `b` as they are, as LightGBM writes them; a gap in `b` goes right.
const TREES: &str = "tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective=binary sigmoid:1
feature_names=plain_a plain_b
feature_infos=[0:100] [0:1]
tree_sizes=400 400

Tree=0
num_leaves=3
num_cat=0
split_feature=0 1
split_gain=9 4
threshold=40.5 0.505
decision_type=8 8
left_child=1 -1
right_child=-3 -2
leaf_value=1.3125 0.46875 -0.84375
leaf_weight=1 1 1
leaf_count=200 200 200
internal_value=0 0
internal_weight=2 1
internal_count=600 400
is_linear=0
shrinkage=1


Tree=1
num_leaves=2
num_cat=0
split_feature=1
split_gain=3
threshold=0.255
decision_type=8
left_child=-1
right_child=-2
leaf_value=0.3 -0.25
leaf_weight=1 1
leaf_count=200 400
internal_value=0
internal_weight=1
internal_count=600
is_linear=0
shrinkage=1


end of trees

feature_importances:
plain_a=1
plain_b=2

parameters:
end of parameters

pandas_categorical:null
";

/// A scorecard over the same fields.
const CARD: &str = "variable,bin,points
basepoints,,600
a,\"[-inf,30)\",-60.5
a,\"[30,70)\",0
a,\"[70,inf)\",55
b,\"[-inf,0.5)\",-20
b,\"[0.5,inf)\",21
b,missing,-5
home,own,12
home,rent,-11
";

const NET: &str = "[[models]]
name = \"net\"
file = \"model.onnx\"
output = \"logit\"
features = [\"a\", \"b\", \"home\"]
";
const FOREST: &str = "[[models]]
name = \"trees\"
file = \"model.txt\"
output = \"probability\"
features = [\"plain_a\", \"plain_b\"]
";
const POINTS: &str = "[[models]]
name = \"card\"
file = \"card.csv\"
output = \"points\"
";

/// The features that trees read.
const PLAIN: &str = "[features.plain_a]
from = \"a\"

[features.plain_b]
from = \"b\"
impute = nan

[features.a]";

/// The small project as a blend: these models, then `[blend]`, nets in f32.
fn blend(models: &[&str], how: &str) -> (tempfile::TempDir, Project) {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::new(folder.path());
    project.write("model.txt", TREES);
    project.write("card.csv", CARD);
    project.change(
        "[model]\nfile = \"model.onnx\"\noutput = \"logit\"\nfeatures = [\"a\", \"b\", \"home\"]\n",
        &format!("{}\n[blend]\n{how}\n", models.concat()),
    );
    project.change(
        "calibration_rows = 200",
        "calibration_rows = 200\nprecision = \"f32\"",
    );
    project.change(
        "type = \"category\"",
        "type = \"category\"\nmissing = \"refuse\"\nunknown = \"refuse\"",
    );
    project.change("[features.a]", PLAIN);
    (folder, project)
}

/// The small project with one of the models alone.
fn alone(model: &str) -> Scorer {
    let (_folder, project) = blend(&[], "");
    let table = model.replace("[[models]]", "[model]");
    let own: Vec<&str> = table
        .lines()
        .filter(|line| !line.starts_with("name"))
        .collect();
    project.change("\n[blend]\n\n", &own.join("\n"));
    let recipe = std::fs::read_to_string(project.folder().join("recipe.toml")).unwrap();
    let unused: &[&str] = match model {
        NET => &["plain_a", "plain_b"],
        FOREST => &["a", "b", "home"],
        _ => &["a", "b", "home", "plain_a", "plain_b"],
    };
    let mut parts: Vec<String> = recipe.split("\n[").map(str::to_owned).collect();
    parts.retain(|part| {
        let of = |name: &&str| part.starts_with(&format!("features.{name}]"));
        !unused.iter().any(of)
    });
    project.write("recipe.toml", parts.join("\n["));
    opened(&project.build().unwrap())
}

fn opened(built: &Built) -> Scorer {
    let bundle = built.bundle.clone().expect("gates hold");
    let scorer = Scorer::open(bundle, &[Signing::development().public()]).unwrap();
    assert_eq!(scorer.self_test().unwrap(), 16);
    scorer
}

/// Applicants of every kind, some without `b`.
fn applications(scorer: &Scorer) -> Vec<Application> {
    let mut all = Vec::new();
    for a in (0..=100).step_by(7) {
        for b in ["", "0.00", "0.25", "0.26", "0.5", "0.51", "0.97"] {
            for home in ["own", "rent"] {
                let id = format!("{a} {b} {home}");
                let mut application = scorer.application(&id, today());
                let mark = DecimalMark::Point;
                application.set_text("a", &a.to_string(), mark).unwrap();
                if !b.is_empty() {
                    application.set_text("b", b, mark).unwrap();
                }
                application.set_text("home", home, mark).unwrap();
                all.push(application);
            }
        }
    }
    all
}

fn probabilities(scorer: &Scorer) -> Vec<f64> {
    let ppm = |application: &Application| scorer.score(application).unwrap().probability_ppm;
    let all = applications(scorer);
    all.iter().map(|a| f64::from(ppm(a)) / 1e6).collect()
}

/// Holds a blend against its members' own bundles: `make` says what their probabilities make.
fn holds(models: &[&str], how: &str, make: impl Fn(&[f64]) -> f64) -> Scorer {
    let (_folder, project) = blend(models, how);
    let blended = opened(&project.build().unwrap());
    assert_eq!(blended.container().features & OUTPUTS, OUTPUTS);
    let members: Vec<Vec<f64>> = models.iter().map(|m| probabilities(&alone(m))).collect();
    let found = probabilities(&blended);
    let mut spread = 0;
    for (row, found) in found.iter().enumerate() {
        let own: Vec<f64> = members.iter().map(|member| member[row]).collect();
        let wanted = make(&own);
        // Each member's own probability is rounded to parts per million; so is the blend's.
        assert!(
            (found - wanted).abs() <= 3e-6,
            "row {row}: {found}, not {wanted} of {own:?}"
        );
        spread += usize::from((own[0] - own[own.len() - 1]).abs() > 0.01);
    }
    assert!(spread > 50, "the members say the same");
    blended
}

fn logit(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[test]
fn averages_of_log_odds_and_of_probabilities() {
    let all = [NET, FOREST, POINTS];
    let mean = |xs: &mut dyn Iterator<Item = f64>| xs.sum::<f64>() / 3.0;
    holds(&all, "kind = \"average\"", |p| {
        logistic(mean(&mut p.iter().map(|&p| logit(p))))
    });
    holds(&all, "kind = \"average\"\nof = \"probability\"", |p| {
        mean(&mut p.iter().copied())
    });
}

#[test]
fn weights_are_divided_by_their_sum() {
    let weigh = |model: &str, weight: &str| format!("{model}weight = {weight}\n");
    let (net, forest) = (weigh(NET, "3"), weigh(FOREST, "1.0"));
    let (_folder, project) = blend(&[&net, &forest], "kind = \"weighted\"");
    let blended = opened(&project.build().unwrap());
    let members = [NET, FOREST].map(|model| probabilities(&alone(model)));
    for (row, found) in probabilities(&blended).into_iter().enumerate() {
        let odds = 0.75 * logit(members[0][row]) + 0.25 * logit(members[1][row]);
        assert!((found - logistic(odds)).abs() <= 3e-6, "row {row}");
    }
}

#[test]
fn a_stack_comes_from_a_table_or_from_onnx() {
    let stack = |file: &str, more: &str| {
        let how = format!("kind = \"stacking\"\nfile = \"{file}\"\n{more}");
        let (folder, project) = blend(&[NET, FOREST], &how);
        project.write(
            "stack.csv",
            "model,weight\ntrees,0.5\nintercept,-0.25\nnet,0.75\n",
        );
        let line = Onnx::new(2).dense("line", &[0.75, 0.5], &[-0.25]);
        project.write("line.onnx", line.finish(&[1]));
        let logistic = line.node("sigmoid", "Sigmoid", &[]).finish(&[1]);
        project.write("logistic.onnx", logistic);
        let scorer = opened(&project.build().unwrap());
        drop(folder);
        scorer
    };
    let members = [NET, FOREST].map(|model| probabilities(&alone(model)));
    let table = probabilities(&stack("stack.csv", ""));
    for (row, found) in table.iter().enumerate() {
        let odds = 0.75 * logit(members[0][row]) + 0.5 * logit(members[1][row]) - 0.25;
        assert!((found - logistic(odds)).abs() <= 3e-6, "row {row}");
    }
    assert_eq!(table, probabilities(&stack("line.onnx", "")));
    assert_eq!(table, probabilities(&stack("logistic.onnx", "")));
    // The same line of probabilities, as a probability.
    let linear = stack(
        "stack.csv",
        "of = \"probability\"\noutput = \"probability\"",
    );
    for (row, found) in probabilities(&linear).into_iter().enumerate() {
        let sum = 0.75 * members[0][row] + 0.5 * members[1][row] - 0.25;
        let clipped = sum.clamp(0.0001, 0.9999);
        assert!((found - clipped).abs() <= 3e-6, "row {row}: {found} {sum}");
    }
}

#[test]
fn a_stack_without_a_file_is_fitted_on_the_validation_part() {
    let (_folder, project) = blend(&[NET, FOREST, POINTS], "kind = \"stacking\"");
    let built = project.build().unwrap();
    let scorer = opened(&built);
    let sum = scorer.decide().blend().unwrap();
    assert_eq!(
        (sum.members.len(), scorer.decide().output),
        (3, OutputKind::Logit)
    );
    assert!(sum.members.iter().all(|member| member.weight != 1.0 / 3.0));
    // What made the data is the net's, which the others only roughly say.
    let weight = |at: usize| sum.members[at].weight;
    assert!(weight(0) > weight(1) && weight(0) > weight(2), "{sum:?}");
    assert!(built.summary.discrimination.bundle.auc.value > 0.8);
}

#[test]
fn models_that_read_the_same_share_an_input() {
    let twin = NET.replace("\"net\"", "\"twin\"");
    let (_folder, project) = blend(&[NET, &twin, FOREST], "kind = \"average\"");
    let scorer = opened(&project.build().unwrap());
    let model = scorer.executable().unwrap().model(0).unwrap();
    assert_eq!((model.inputs.len(), model.outputs.len()), (2, 3));
    assert_eq!(scorer.transforms().width(), 4 + 2);
}

#[test]
fn contributions_of_a_blend_are_those_of_the_definition() {
    for how in [
        "kind = \"average\"",
        "kind = \"average\"\nof = \"probability\"",
    ] {
        let (_folder, project) = blend(&[NET, FOREST, POINTS], how);
        let scorer = opened(&project.build().unwrap());
        for application in applications(&scorer).iter().step_by(13) {
            crate::contributions::check(&scorer, application);
        }
    }
}

#[test]
fn nets_of_a_blend_are_quantised_under_the_gate() {
    let (_folder, project) = blend(&[NET, FOREST], "kind = \"average\"");
    project.change("precision = \"f32\"", "precision = \"int8\"");
    let built = project.build().unwrap();
    assert_eq!(built.summary.family, "blend");
    assert_eq!(built.summary.gates.len(), 1);
    let scorer = opened(&built);
    let steps = &scorer.executable().unwrap().model(0).unwrap().steps;
    let names: Vec<&str> = steps.iter().map(|step| step.name()).collect();
    let int8 = ["quantise", "dense int8", "dense int8", "rank", "trees"];
    assert_eq!(names, int8);
}

/// The small project with a net of two outputs, the second of which tells whether `b` is large.
fn two_tasks(named: &str) -> (tempfile::TempDir, Project) {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::new(folder.path());
    let net = Onnx::new(4)
        .dense(
            "hidden",
            // Four inputs, three units.
            &[
                1.0, -1.0, 0.0, 0.5, -0.5, 1.0, 0.25, 0.0, 0.0, 0.0, 0.25, 0.0,
            ],
            &[0.5, 0.5, 0.0],
        )
        .node("relu", "Relu", &[])
        .dense("heads", &[0.25, -2.0, 0.75, 2.0, 4.0, 0.5], &[-2.0, 0.125]);
    project.write("model.onnx", net.finish(&[2]));
    let data = std::fs::read_to_string(folder.path().join("data.csv")).unwrap();
    let with = data.lines().enumerate().map(|(at, line)| {
        let b: f64 = line.split(',').nth(4).unwrap().parse().unwrap_or(0.5);
        match at {
            0 => format!("{line},large\n"),
            _ => format!(
                "{line},{}\n",
                if b + (at % 5) as f64 / 20.0 > 0.6 {
                    "yes"
                } else {
                    "no"
                }
            ),
        }
    });
    project.write("data.csv", with.collect::<String>());
    project.change("[data]", &format!("{named}\n[data]"));
    (folder, project)
}

const TASKS: &str = "[outputs.large]
element = 0
calibration = \"platt\"
label = { column = \"large\", bad = \"yes\" }

[outputs.default]
element = 1
score = true
";

#[test]
fn a_decision_has_the_probabilities_beside_the_scores() {
    let (_folder, project) = two_tasks(TASKS);
    project.change(
        "calibration_rows = 200",
        "calibration_rows = 200\nprecision = \"f32\"",
    );
    let built = project.build().unwrap();
    let scorer = opened(&built);
    assert_eq!(scorer.container().features & OUTPUTS, OUTPUTS);
    let others = scorer.decide().others();
    assert_eq!(others.len(), 1);
    assert_eq!((&others[0].name[..], others[0].element), ("large", 0));
    assert_eq!(
        scorer.decide().blend().unwrap().members,
        [Member {
            output: 0,
            element: 1,
            kind: OutputKind::Logit,
            weight: 1.0
        }]
    );
    let measured = &built.summary.outputs[0];
    assert_eq!(measured.name, "large");
    assert!(measured.bundle.as_ref().unwrap().auc.value > 0.9);
    let all = applications(&scorer);
    let mut many = Vec::new();
    scorer.score_many(&all, &mut many);
    let mut seen = std::collections::BTreeSet::new();
    for (application, many) in all.iter().zip(many) {
        let decision = scorer.score(application).unwrap();
        assert_eq!(many.unwrap(), decision);
        assert!((100..=999_900).contains(&decision.others[0]));
        assert_eq!(decision.others[1..], [0; 6]);
        seen.insert(decision.others[0]);
        let explanation = scorer.explain(application).unwrap();
        assert_eq!(explanation.decision, decision);
        let mut record = Vec::new();
        scorer.record_explained(application, &explanation, &mut record);
        let decoded = Record::decode(&record).unwrap();
        let named = [("large".to_owned(), decision.others[0])];
        assert_eq!(decoded.decision.others, named);
        assert!(scorer.replay(&record).unwrap().same);
    }
    assert!(seen.len() > 50);
    for application in all.iter().step_by(29) {
        crate::contributions::check(&scorer, application);
    }
}

#[test]
fn a_net_of_two_outputs_is_quantised_like_any_other() {
    let (_folder, project) = two_tasks(TASKS);
    project.change(
        "calibration_rows = 200",
        "calibration_rows = 200\nprune = 0.0",
    );
    let built = project.build().unwrap();
    let scorer = opened(&built);
    let names: Vec<&str> = scorer
        .executable()
        .unwrap()
        .model(0)
        .unwrap()
        .steps
        .iter()
        .map(|s| s.name())
        .collect();
    assert_eq!(names, ["quantise", "dense int8", "dense int8"]);
}

#[test]
fn nothing_allocates_once_warm() {
    let (_folder, project) = blend(&[NET, FOREST], "kind = \"average\"");
    project.change("[data]", "[outputs.trees]\nmodel = \"trees\"\n\n[data]");
    let scorer = opened(&project.build().unwrap());
    let all = applications(&scorer);
    let (mut many, mut explanation) = (Vec::new(), Explanation::empty(*scorer.bundle_id()));
    let mut record = Vec::new();
    let mut work = || {
        many.clear();
        scorer.score_many(&all, &mut many);
        for application in &all[..8] {
            let decision = scorer.score(application).unwrap();
            scorer.explain_into(application, &mut explanation).unwrap();
            scorer.record(application, &decision, &mut record);
        }
    };
    work();
    work();
    assert_eq!(alloc::calls(work).0, 0);
}

#[test]
fn the_further_output_of_a_blend_is_a_members() {
    let (_folder, project) = blend(&[NET, FOREST], "kind = \"average\"");
    project.change("[data]", "[outputs.trees]\nmodel = \"trees\"\n\n[data]");
    let blended = opened(&project.build().unwrap());
    let trees = probabilities(&alone(FOREST));
    for (application, own) in applications(&blended).iter().zip(trees) {
        let found = blended.score(application).unwrap().others[0];
        assert_eq!(f64::from(found) / 1e6, own);
    }
}

/// Spoils a blend and demands an error that says all of `words`.
fn says(spoil: impl FnOnce(&Project), words: &[&str]) {
    let (_folder, project) = blend(&[NET, FOREST, POINTS], "kind = \"average\"");
    spoil(&project);
    refused(&project, words);
}

fn refused(project: &Project, words: &[&str]) {
    let error = project.error();
    assert_eq!(error.fault(), Fault::Input, "{error}");
    let all = format!("{error} hint: {}", error.hint_text().unwrap_or_default());
    for word in words {
        assert!(all.contains(word), "no {word:?} in: {all}");
    }
}

#[test]
fn blends_that_contradict_themselves_are_refused_by_key() {
    let cases: [(&str, &str, &[&str]); 12] = [
        ("[blend]\nkind = \"average\"", "", &["blend", "[[models]]"]),
        ("\"average\"", "\"weighted\"", &["models net", "weight"]),
        (
            "name = \"trees\"",
            "name = \"trees\"\nweight = 1.0",
            &["models trees", "weighted"],
        ),
        ("name = \"trees\"", "name = \"net\"", &["models net, name"]),
        (
            "\"average\"",
            "\"average\"\nfile = \"stack.csv\"",
            &["blend", "stacking"],
        ),
        (
            "\"average\"",
            "\"stacking\"\nfile = \"gone.csv\"",
            &["gone.csv"],
        ),
        (
            "\"average\"",
            "\"stacking\"\nfile = \"model.onnx\"",
            &["model.onnx", "3 numbers"],
        ),
        (
            "output = \"points\"",
            "output = \"logit\"",
            &["models card, output", "points"],
        ),
        ("\"card.csv\"", "\"gone.csv\"", &["gone.csv", "exists"]),
        (
            "[data]",
            "[outputs.more]\nmodel = \"none\"\n[data]",
            &["outputs.more.model", "[[models]]"],
        ),
        (
            "[data]",
            "[outputs.more]\nmodel = \"net\"\nelement = 1\n[data]",
            &["outputs.more", "below 1"],
        ),
        (
            "[data]",
            "[model]\nfile = \"model.onnx\"\noutput = \"logit\"\n[data]",
            &["models", "either"],
        ),
    ];
    for (from, to, words) in cases {
        says(|p| p.change(from, to), words);
    }
    // A gap may stay one for trees only.
    says(
        |p| p.change("from = \"b\"\nimpute = 0.5", "from = \"b\"\nimpute = nan"),
        &["features.b.impute", "a number"],
    );
}

#[test]
fn outputs_that_contradict_themselves_are_refused_by_key() {
    let cases: [(&str, &str, &[&str]); 8] = [
        ("score = true", "score = false", &["outputs", "exactly one"]),
        (
            "element = 0",
            "element = 0\nscore = true",
            &["outputs.large", "score"],
        ),
        (
            "element = 1",
            "element = 2",
            &["outputs.default", "below 2"],
        ),
        (
            "element = 0",
            "from = \"other\"",
            &["outputs.large", "from"],
        ),
        ("element = 0", "kind = \"points\"", &["outputs.large.kind"]),
        ("element = 0", "model = \"net\"", &["outputs.large.model"]),
        (
            "\"large\", bad",
            "\"b\", bad",
            &["outputs.large.label", "must not read"],
        ),
        ("\"large\", bad", "\"gone\", bad", &["column gone"]),
    ];
    for (from, to, words) in cases {
        let (_folder, project) = two_tasks(TASKS);
        project.change(from, to);
        refused(&project, words);
    }
    // Without names there is to be one number.
    let (_folder, project) = two_tasks("");
    refused(&project, &["one output per row", "[outputs]"]);
}

#[test]
fn a_bundle_says_that_it_blends_and_blends_what_there_is() {
    use fieldscore_runtime::decide::{Blend, Other};
    use fieldscore_tests::fixture::{Parts, draw, key};
    use fieldscore_tests::random::Random;
    use fieldscore_tests::surgery::assemble_requiring;
    let opens = |parts: &Parts, bits: u64| {
        let bundle = assemble_requiring(&parts.sections(), &key(), (0, 1, 0), bits);
        Scorer::open(bundle, &[key().public()])
    };
    let plain = Parts::small(1);
    let with = |member: Member| {
        let mut parts = Parts::small(1);
        parts.decide.blend = Some(Blend {
            members: vec![member],
            bias: 0.0,
            probabilities: false,
        });
        parts
    };
    let first = Member {
        output: 0,
        element: 0,
        kind: OutputKind::Logit,
        weight: 1.0,
    };
    let named = |names: &[&str]| {
        let mut parts = Parts::small(1);
        let other = |name: &&str| Other {
            name: (*name).to_owned(),
            output: 0,
            element: 0,
            kind: OutputKind::Logit,
            calibration: parts.decide.calibration.clone(),
        };
        parts.decide.others = names.iter().map(other).collect();
        parts
    };
    for parts in [with(first), named(&["again"])] {
        assert_eq!(opens(&parts, 0).unwrap_err().place(), "header");
        let (scorer, alone) = (opens(&parts, OUTPUTS).unwrap(), plain.scorer());
        let mut random = Random::new(3);
        let mut again = random.clone();
        for at in 0..50 {
            let id = format!("A-{at}");
            let application = draw(&alone, &id, &mut random);
            let wanted = alone.score(&application).unwrap();
            let application = draw(&scorer, &id, &mut again);
            let found = scorer.score(&application).unwrap();
            assert_eq!(
                (found.score, found.probability_ppm, found.outcome),
                (wanted.score, wanted.probability_ppm, wanted.outcome)
            );
            assert_eq!(found, scorer.explain(&application).unwrap().decision);
            if !scorer.decide().others().is_empty() {
                assert_eq!(found.others[0], found.probability_ppm);
            }
        }
    }
    // No output, no number of it, no name, a name twice, more than there is room for.
    let harmed = [
        with(Member { output: 1, ..first }),
        with(Member {
            element: 1,
            ..first
        }),
        with(Member {
            weight: f64::NAN,
            ..first
        }),
        named(&["two words"]),
        named(&["a", "b", "a"]),
        named(&["a", "b", "c", "d", "e", "f", "g", "h"]),
    ];
    for parts in harmed {
        let error = opens(&parts, OUTPUTS).unwrap_err();
        assert_eq!(error.place(), "section DCDE", "{error}");
    }
    assert!(opens(&named(&["a", "b", "c", "d", "e", "f", "g"]), OUTPUTS).is_ok());
}

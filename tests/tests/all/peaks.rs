//! What each family takes of memory at most, from opening to the last contribution, beyond its bundle's bytes
//! and the arenas that its plan states.

use std::path::Path;

use fieldscore_models::keys::Signing;
use fieldscore_runtime::plan::Plan;
use fieldscore_runtime::schema::FieldKind;
use fieldscore_runtime::schema::transform::{Encoding, RowBlock, TransformParts};
use fieldscore_runtime::{Application, Explanation, Scorer, Value};
use fieldscore_tests::alloc;
use fieldscore_tests::fixture::{self, block, draw, key, today};
use fieldscore_tests::random::Random;

use super::tensors::{case, int8_case};

/// No family takes more.
const MOST: usize = 1 << 20;

/// The bytes beyond bundle and arenas, of opening, scores, explanations and records.
fn beyond(bundle: Vec<u8>, applications: impl Fn(&Scorer) -> Vec<Application>) -> usize {
    let bytes = bundle.len();
    let (peak, arenas) = alloc::peak(|| {
        let scorer = Scorer::open(bundle, &[Signing::development().public()]).unwrap();
        let applications = applications(&scorer);
        let mut explanation = Explanation::empty(*scorer.bundle_id());
        let (mut many, mut record) = (Vec::new(), Vec::new());
        for application in &applications {
            let decision = scorer.score(application).unwrap();
            scorer.explain_into(application, &mut explanation).unwrap();
            scorer.record_explained(application, &explanation, &mut record);
            assert_eq!(explanation.decision.score, decision.score);
        }
        scorer.score_many(&applications, &mut many);
        assert!(many.len() == applications.len() && many.iter().all(Result::is_ok));
        let plan = scorer.executable().unwrap();
        // One row for a score, and a walk's for contributions and many scores.
        plan.plan().models[0].arena_bytes as usize * (1 + plan.rows())
    });
    // The bundle's own copy, aligned.
    peak.saturating_sub(bytes + arenas)
}

fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    std::fs::read(folder.join(name)).unwrap()
}

fn drawn(scorer: &Scorer) -> Vec<Application> {
    let mut random = Random::new(3);
    let all = (0..).map(|at| draw(scorer, &format!("A-{at}"), &mut random));
    // Some have a value that is refused.
    let taken = all.filter(|application| scorer.score(application).is_ok());
    taken.take(64).collect()
}

/// A net's bundle: all that it reads is one field of bytes.
fn net((plan, weights): (Plan, Vec<u8>)) -> Vec<u8> {
    let mut parts = fixture::linear(&[("image", "R1", 1.0)]);
    let len = plan.models[0].buffers[usize::from(plan.models[0].inputs[0].buffer)].len;
    (parts.plan, parts.weights) = (plan, weights);
    parts.schema.fields[0].kind = FieldKind::Tensor {
        shape: vec![len, 1],
    };
    let standardise = Encoding::Standardise {
        mean: 128.0,
        deviation: 64.0,
    };
    let mut image = block(
        "image",
        0,
        Encoding::Rows {
            rows: len,
            columns: vec![RowBlock(block("element", 0, standardise))],
            by_column: false,
            at_end: false,
            mask: false,
        },
    );
    image.impute = None;
    parts.transforms = TransformParts {
        columns: Vec::new(),
        blocks: vec![image],
    };
    let mut reference = parts.application("reference");
    reference
        .set("image", Value::Bytes(&vec![128; len as usize]))
        .unwrap();
    parts.set_reference(&reference);
    fieldscore_tests::surgery::assemble(&parts.sections(), &key())
}

fn images(scorer: &Scorer) -> Vec<Application> {
    let mut random = Random::new(5);
    let FieldKind::Tensor { shape } = &scorer.schema().fields()[0].kind else {
        panic!("a field of bytes");
    };
    let len = shape[0] as usize;
    let one = |at| {
        let bytes: Vec<u8> = (0..len).map(|_| random.bits() as u8).collect();
        let mut application = scorer.application(&format!("A-{at}"), today());
        application.set("image", Value::Bytes(&bytes)).unwrap();
        application
    };
    (0..8).map(one).collect()
}

fn tables(scorer: &Scorer) -> Vec<Application> {
    let one = |at: i64| {
        let mut application = scorer.application(&format!("A-{at}"), today());
        application.set("amount", 1000 + at).unwrap();
        application.set("months", 12).unwrap();
        application.set("note", "school fees and more").unwrap();
        for row in 0..30 {
            let cells = [("amount", Value::Integer(row)), ("kind", Value::Text("in"))];
            application.add_row("history", &cells).unwrap();
        }
        application
    };
    (0..64).map(one).collect()
}

#[test]
fn no_family_takes_a_megabyte_beyond_its_weights_and_arenas() {
    type Drawn = fn(&Scorer) -> Vec<Application>;
    let mut all: Vec<(String, Vec<u8>, Drawn)> = [
        (
            "chain of dense layers, int8",
            "credit/credit.fsb",
            drawn as Drawn,
        ),
        (
            "net of tensor steps",
            "families/credit-tanh/credit-tanh.fsb",
            drawn,
        ),
        (
            "LightGBM",
            "families/credit-lightgbm/credit-lightgbm.fsb",
            drawn,
        ),
        (
            "scorecard",
            "families/credit-scorecard/credit-scorecard.fsb",
            drawn,
        ),
        (
            "fields, a table (GRU) and words",
            "families/inputs/inputs.fsb",
            tables,
        ),
    ]
    .map(|(name, file, drawn)| (name.to_owned(), golden(file), drawn))
    .into();
    for (name, file) in [
        ("FT-Transformer", "ft_transformer_17"),
        ("TabTransformer", "tab_transformer"),
        ("TCN", "tcn"),
        ("GRU", "gru"),
        ("LSTM, two ways", "lstm_two_ways"),
        ("2-D CNN", "cnn_2d"),
    ] {
        all.push((format!("{name}, f32"), net(case(file)), images));
        all.push((format!("{name}, int8"), net(int8_case(file)), images));
    }
    for (name, file) in [
        ("MobileNetV3-small, reduced", "torch_mobilenet_script_13"),
        ("EfficientNet-B0, reduced", "torch_efficientnet_script_17"),
    ] {
        all.push((format!("{name}, f32"), net(case(file)), images));
    }
    for (name, bundle, drawn) in all {
        let (bytes, taken) = (bundle.len(), beyond(bundle, drawn));
        eprintln!("| {name} | {bytes} | {taken} |");
        assert!((1..=MOST).contains(&taken), "{name}: {taken} bytes");
    }
}

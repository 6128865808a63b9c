//! Models that ship as they are: the tract engine behind the same scorer, and `.tflite` files on their
//! way to a plan.

use fieldscore_models::Fault;
use fieldscore_models::compile::guard::guarded;
use fieldscore_models::keys::Signing;
use fieldscore_runtime::bundle::EngineKind;
use fieldscore_runtime::bundle::container::SectionKind;
use fieldscore_runtime::{
    Application, Date, ErrorKind, MAX_MODEL_FILE_BYTES, ModelFile, OpenOptions, Scorer,
};
use fieldscore_tests::alloc;
use fieldscore_tests::onnx::{Message, Onnx};
use fieldscore_tests::project::{Project, model};
use fieldscore_tests::random::Random;
use fieldscore_tests::surgery::{self, with_section};
use fieldscore_tests::tflite::Tflite;

/// The project built, with its recipe and its model changed.
fn built(change: impl FnOnce(&Project)) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::new(folder.path());
    change(&project);
    project.build().unwrap().bundle.expect("gates hold")
}

fn open(bundle: &[u8]) -> Scorer {
    Scorer::open(bundle, &[Signing::development().public()]).unwrap()
}

fn by_tract(project: &Project) {
    project.change("[compile]", "[compile]\nengine = \"tract\"");
}

/// As [`model`], with an operator that no plan has a step for.
fn beyond_the_plan() -> Vec<u8> {
    let mut random = Random::new(8);
    let mut weights =
        |count: usize| -> Vec<f32> { (0..count).map(|_| random.float(-0.4, 0.4)).collect() };
    let (first, second) = (weights(4 * 8), weights(8));
    Onnx::new(4)
        .dense("hidden", &first, &[0.1; 8])
        .node("odd", "Sinh", &[])
        .dense("output", &second, &[-0.4])
        .finish(&[1])
}

fn applications(scorer: &Scorer, count: usize) -> Vec<Application> {
    let mut random = Random::new(9);
    let as_of = Date::from_ymd(2026, 9, 1).unwrap();
    (0..count)
        .map(|at| {
            let mut application = scorer.application(&format!("A{at}"), as_of);
            application.set("a", random.whole(0, 100)).unwrap();
            let b = random.whole(0, 100) as f64 / 100.0;
            application.set("b", b).unwrap();
            let home = ["own", "rent"][random.below(2)];
            application.set("home", home).unwrap();
            application
        })
        .collect()
}

#[test]
fn tract_decides_as_the_plan_of_the_same_model_does() {
    let plan = open(&built(|p| {
        p.change("[compile]", "[compile]\nprecision = \"f32\"");
    }));
    let bundle = built(by_tract);
    let tract = open(&bundle);
    assert_eq!(tract.meta().engine, EngineKind::Tract);
    assert!(tract.executable().is_none() && plan.executable().is_some());
    let kinds: Vec<SectionKind> = surgery::sections(&bundle).iter().map(|s| s.0).collect();
    assert!(kinds.contains(&SectionKind::MODEL));
    assert!(!kinds.contains(&SectionKind::PLAN) && !kinds.contains(&SectionKind::WEIGHTS));
    assert_eq!(
        tract.section(SectionKind::MODEL).unwrap(),
        model().finish(&[1])
    );
    assert_eq!(tract.self_test().unwrap(), 16);
    for (ours, theirs) in applications(&plan, 100)
        .iter()
        .zip(applications(&tract, 100))
    {
        let (ours, theirs) = (plan.score(ours).unwrap(), tract.score(&theirs).unwrap());
        assert!(ours.score.abs_diff(theirs.score) <= 1);
        assert!(ours.probability_ppm.abs_diff(theirs.probability_ppm) <= 30);
    }
}

#[test]
fn a_model_beyond_the_plan_scores_explains_and_replays() {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::new(folder.path());
    project.write("model.onnx", beyond_the_plan());
    let error = project.error();
    assert_eq!(error.fault(), Fault::Input);
    assert!(error.to_string().contains("node odd"), "{error}");
    let hint = error.hint_text().unwrap();
    assert!(hint.contains("[compile] engine = \"tract\""), "{hint}");

    by_tract(&project);
    // The reference need not be approved by a model of random weights.
    project.change("approve_from = 580", "approve_from = 301");
    project.change("refer_from = 520", "refer_from = 300");
    let built = project.build().unwrap();
    assert_eq!(built.summary.engine, "tract");
    let scorer = open(&built.bundle.unwrap());
    assert_eq!(scorer.self_test().unwrap(), 16);
    let mut scores = Vec::new();
    for application in applications(&scorer, 60) {
        let explanation = scorer.explain(&application).unwrap();
        let decision = &explanation.decision;
        assert_eq!(*decision, scorer.score(&application).unwrap());
        let total = decision.score - explanation.reference_score;
        assert_eq!(explanation.groups.iter().sum::<i32>(), total);
        for (at, points) in explanation.groups.iter().enumerate() {
            let fields = scorer.schema().fields().iter().zip(&explanation.fields);
            let of_group = fields.filter(|(field, _)| usize::from(field.group) == at);
            assert_eq!(of_group.map(|(_, points)| points).sum::<i32>(), *points);
        }
        let mut record = Vec::new();
        scorer.record_explained(&application, &explanation, &mut record);
        assert!(scorer.replay(&record).unwrap().same);
        scores.push(decision.score);
    }
    scores.sort_unstable();
    scores.dedup();
    assert!(scores.len() > 10, "{scores:?}");
}

#[test]
fn eight_threads_and_batches_decide_alike() {
    let scorer = open(&built(by_tract));
    let applications = applications(&scorer, 80);
    let alone: Vec<_> = applications.iter().map(|a| scorer.score(a)).collect();
    let mut many = Vec::new();
    scorer.score_many(&applications, &mut many);
    assert_eq!(many, alone);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let own: Vec<_> = applications.iter().map(|a| scorer.score(a)).collect();
                assert_eq!(own, alone);
            });
        }
    });
}

/// Why a model file does not open.
fn refused(bytes: &[u8]) -> String {
    let error = ModelFile::open(EngineKind::Tract, bytes).unwrap_err();
    assert_eq!(
        (error.kind(), error.place()),
        (ErrorKind::Malformed, "section MODL")
    );
    error.expected().to_owned()
}

#[test]
fn a_model_file_is_refused_for_what_it_has() {
    let sound = Onnx::new(4).dense("d", &[0.5; 4], &[0.0]);
    assert!(ModelFile::open(EngineKind::Tract, &sound.finish(&[1])).is_ok());
    let two = Onnx::new(4).dense("d", &[0.5; 8], &[0.0; 2]).finish(&[2]);
    assert!(refused(&two).contains("one number a row"));
    let unknown = sound.clone().node("x", "NoSuchOperator", &[]).finish(&[1]);
    refused(&unknown);
    let loops = sound.clone().node("x", "Loop", &[]).finish(&[1]);
    assert!(refused(&loops).contains("no loops"));
    let short = Onnx::new(4)
        .constant("d_w", &[1 << 20, 1 << 12], &[0.5; 4])
        .finish(&[1]);
    assert!(refused(&short).contains("as large as their bytes"));
    refused(b"");
    assert!(refused(&vec![0; MAX_MODEL_FILE_BYTES + 1]).contains("at most"));
    // A tensor in a file of its own: external_data, and data_location EXTERNAL.
    let entry = Message::default()
        .text(1, "location")
        .text(2, "/etc/hostname");
    let tensor = Message::default()
        .number(1, 4)
        .number(2, 1)
        .text(8, "w")
        .message(13, &entry)
        .number(14, 1);
    let graph = Message::default().message(5, &tensor);
    let outside = Message::default().message(7, &graph).0;
    assert!(refused(&outside).contains("inside the model file"));
    let too_wide = Onnx::of_shape(&[1 << 30, 1 << 30]).finish(&[1]);
    refused(&too_wide);
}

#[test]
fn hostile_model_files_neither_panic_nor_take_memory() {
    hostile(&built(by_tract), &model().finish(&[1]));
}

/// Spoils a sound model file of a bundle in 400 ways.
fn hostile(bundle: &[u8], sound: &[u8]) {
    let key = Signing::development();
    let mut random = Random::new(10);
    let (mut opened, mut closed) = (0, 0);
    for _ in 0..400 {
        let mut bytes = sound.to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes[at] = 0xff,
                2 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, random.below(256) as u8),
            }
        }
        let hostile = with_section(bundle, SectionKind::MODEL, &bytes, &key);
        let open = || OpenOptions::default().open(hostile, &[key.public()]);
        // The engine's own panics end in the runtime; a backtrace of one would count as memory.
        let (peak, scorer) = guarded(|| alloc::peak(open)).unwrap();
        assert!(peak < 64 << 20, "{peak} bytes");
        let Ok(scorer) = scorer else {
            closed += 1;
            continue;
        };
        opened += 1;
        for application in applications(&scorer, 2) {
            match scorer.explain(&application) {
                Ok(explanation) => assert!((300..=900).contains(&explanation.decision.score)),
                Err(error) => assert!(
                    [ErrorKind::NotFinite, ErrorKind::Malformed].contains(&error.kind()),
                    "{error}"
                ),
            }
        }
    }
    assert!(opened > 20 && closed > 20, "{opened} {closed}");
}

/// [`model`] as a `.tflite` file, whose weights lie the other way round.
fn tflite(hidden: usize) -> Tflite<'static> {
    let mut random = Random::new(11);
    let truth = [-2.0, -3.3, -0.5, 0.5];
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for n in 0..hidden {
        let sign = if n % 2 == 0 { 1.0 } else { -1.0 };
        first.extend(truth.map(|t| sign * t / 4.0 + random.float(-0.02, 0.02)));
        second.push(sign * 8.0 / hidden as f32);
    }
    let bias: Vec<f32> = (0..hidden)
        .map(|n| if n % 2 == 0 { 0.42 } else { -0.4 })
        .collect();
    Tflite::new(4)
        .dense("hidden", &first, &bias, true)
        .dense("output", &second, &[0.0], false)
}

fn with_tflite(bytes: Vec<u8>) -> impl FnOnce(&Project) {
    move |project: &Project| {
        project.change("model.onnx", "model.tflite");
        project.write("model.tflite", bytes);
    }
}

#[test]
fn a_tflite_file_becomes_a_plan() {
    const LOGISTIC: i32 = 14;
    // Nothing is lost in f32: no gate has to hold.
    let in_f32 = |p: &Project| p.change("[compile]", "[compile]\nprecision = \"f32\"");
    let logit = built(|project| {
        in_f32(project);
        with_tflite(tflite(12).finish())(project);
    });
    let probability = built(|project| {
        in_f32(project);
        project.change("output = \"logit\"", "output = \"probability\"");
        with_tflite(tflite(12).node("p", LOGISTIC).finish())(project);
    });
    let (logit, probability) = (open(&logit), open(&probability));
    assert_eq!(logit.meta().engine, EngineKind::Plan);
    // The logistic function is taken off: the same plan.
    for kind in [SectionKind::PLAN, SectionKind::WEIGHTS] {
        assert!(logit.section(kind).is_some());
        assert_eq!(logit.section(kind), probability.section(kind));
    }
    let mut scores: Vec<i32> = applications(&logit, 40)
        .iter()
        .map(|application| logit.score(application).unwrap().score)
        .collect();
    scores.sort_unstable();
    scores.dedup();
    assert!(scores.len() > 10, "{scores:?}");
}

#[test]
fn what_cannot_be_read_of_tflite_files_is_named() {
    let codes = [
        ("DEQUANTIZE", 6),
        ("LSTM", 16),
        ("GATHER", 36),
        ("SPLIT", 49),
        ("PRELU", 54),
        ("PACK", 83),
        ("ELU", 111),
        ("QUANTIZE", 114),
        ("WHILE", 119),
        ("GELU", 150),
    ];
    for (name, code) in codes {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::new(folder.path());
        with_tflite(tflite(4).node("odd", code).finish())(&project);
        let error = project.error();
        assert_eq!(error.fault(), Fault::Input);
        let text = error.to_string();
        assert!(text.contains("model.tflite, node odd"), "{text}");
        assert!(text.ends_with(&format!("not {name}")), "{text}");
        let hint = error.hint_text().unwrap();
        assert!(hint.contains("ONNX"), "{hint}");
    }
}

#[test]
fn a_spoiled_tflite_file_is_an_error_of_input() {
    let sound = tflite(4).finish();
    let folder = tempfile::tempdir().unwrap();
    let project = Project::new(folder.path());
    with_tflite(sound.clone())(&project);
    let mut random = Random::new(12);
    let (mut built, mut refused) = (0, 0);
    for _ in 0..100 {
        let mut bytes = sound.clone();
        let at = random.below(bytes.len());
        match random.below(3) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = 0xff,
            _ => bytes.truncate(at),
        }
        project.write("model.tflite", &bytes);
        match fieldscore_models::compile::Source::read(&project.folder().join("model.tflite")) {
            Ok(_) => built += 1,
            Err(error) => {
                assert_eq!(error.fault(), Fault::Input, "{error}");
                refused += 1;
            }
        }
    }
    assert!(built > 5 && refused > 5, "{built} {refused}");
}

#[cfg(feature = "tflite")]
mod by_tflite {
    use fieldscore_tests::tflite::Scale;

    use super::*;

    const ELU: i32 = 111;
    const WHILE: i32 = 119;

    fn by_tflite(bytes: Vec<u8>) -> impl FnOnce(&Project) {
        move |project| {
            project.change("[compile]", "[compile]\nengine = \"tflite\"");
            with_tflite(bytes)(project);
        }
    }

    /// [`tflite`] in int8: numbers of the fields lie in 0 to 1.
    fn in_int8() -> Vec<u8> {
        let scale = |step, zero| Scale { step, zero };
        let first: Vec<i8> = [-60, -100, -15, 15, 60, 100, 15, -15].to_vec();
        Tflite::of_int8(4, scale(1.0 / 255.0, -128))
            .dense_int8(
                "hidden",
                (&first, 0.01),
                &[12_000, -10_000],
                scale(0.02, -128),
                true,
            )
            .dense_int8("output", (&[100, -100], 0.02), &[0], scale(0.05, 0), false)
            .finish()
    }

    fn scores(scorer: &Scorer) -> Vec<i32> {
        let scores = applications(scorer, 60);
        scores
            .iter()
            .map(|a| scorer.score(a).unwrap().score)
            .collect()
    }

    #[test]
    fn it_decides_as_the_plan_of_the_same_file_does() {
        let plan = open(&built(|p| {
            p.change("[compile]", "[compile]\nprecision = \"f32\"");
            with_tflite(tflite(12).finish())(p);
        }));
        let bundle = built(by_tflite(tflite(12).finish()));
        let scorer = open(&bundle);
        assert_eq!(scorer.meta().engine, EngineKind::Tflite);
        assert_eq!(
            scorer.section(SectionKind::MODEL).unwrap(),
            tflite(12).finish()
        );
        assert_eq!(scorer.self_test().unwrap(), 16);
        for (ours, theirs) in scores(&plan).iter().zip(scores(&scorer)) {
            assert!(ours.abs_diff(theirs) <= 1, "{ours} {theirs}");
        }
    }

    #[test]
    fn what_no_plan_can_be_made_of_scores_and_explains() {
        // tract reads neither ELU nor int8 of .tflite files.
        let elu = tflite(12).node("elu", ELU).finish();
        for file in [elu, in_int8()] {
            let scorer = open(&built(by_tflite(file)));
            let mut scores = scores(&scorer);
            for application in applications(&scorer, 10) {
                let explanation = scorer.explain(&application).unwrap();
                let total = explanation.decision.score - explanation.reference_score;
                assert_eq!(explanation.groups.iter().sum::<i32>(), total);
                let mut record = Vec::new();
                scorer.record_explained(&application, &explanation, &mut record);
                assert!(scorer.replay(&record).unwrap().same);
            }
            scores.sort_unstable();
            scores.dedup();
            assert!(scores.len() > 10, "{scores:?}");
        }
    }

    #[test]
    fn eight_threads_decide_alike() {
        let scorer = open(&built(by_tflite(tflite(12).finish())));
        let alone = scores(&scorer);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(scores(&scorer), alone));
            }
        });
    }

    #[test]
    fn a_file_is_refused_for_what_it_has() {
        let refused = |bytes: &[u8]| {
            let error = ModelFile::open(EngineKind::Tflite, bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed);
            error.expected().to_owned()
        };
        let two = Tflite::new(4).dense("d", &[0.5; 8], &[0.0; 2], false);
        assert!(refused(&two.finish()).contains("one number a row"));
        assert!(refused(&tflite(4).node("x", WHILE).finish()).contains("without branches"));
        let unknown = tflite(4).node("x", 9999).finish();
        assert!(refused(&unknown).contains("operators that TensorFlow Lite has"));
        assert!(refused(b"not a model").contains("fit together"));
    }

    #[test]
    fn spoiled_files_neither_panic_nor_take_memory() {
        let sound = tflite(12).finish();
        hostile(&built(by_tflite(sound.clone())), &sound);
    }
}

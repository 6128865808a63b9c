//! Nets beyond chains of dense layers: built, scored without allocating, explained; and plans of their
//! steps that are not sound, refused before anything runs.

use std::path::Path;

use fieldscore_models::compile::graph::Graph;
use fieldscore_models::compile::net::Rows;
use fieldscore_models::keys::Signing;
use fieldscore_models::recipe::Precision;
use fieldscore_runtime::bundle::container::features::TENSORS;
use fieldscore_runtime::kernels::Kernels;
use fieldscore_runtime::plan::{
    Axis, Buffer, CONSTANT, ElementType, Executable, Model, Nest, PLAN_VERSION, Plan, Port, Step,
    TensorOperation,
};
use fieldscore_runtime::{Application, Explanation, Scorer, Value};
use fieldscore_tests::alloc;
use fieldscore_tests::fixture::today;
use fieldscore_tests::onnx::Onnx;
use fieldscore_tests::project::Project;
use fieldscore_tests::random::Random;

/// What [`fieldscore_tests::project::data`] came about from, through activations of several kinds.
fn model() -> Onnx {
    let hidden: Vec<f32> = (0..4 * 6).map(|i| [-0.5, -0.8, -0.1, 0.1][i / 6]).collect();
    let mut square: Vec<f32> = vec![0.0; 36];
    (0..6).for_each(|i| square[i * 7] = 1.5);
    Onnx::new(4)
        .dense("hidden", &hidden, &[0.1, 0.0, 0.2, -0.1, 0.0, 0.1])
        .node("bent", "Tanh", &[])
        .dense("again", &square, &[0.0; 6])
        .node("grown", "Softplus", &[])
        .dense("output", &[0.9; 6], &[-3.5])
        .node("probability", "Sigmoid", &[])
}

fn scorer() -> Scorer {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::new(folder.path());
    project.write("model.onnx", model().finish(&[1]));
    project.change("output = \"logit\"", "output = \"probability\"");
    let built = project.build().unwrap();
    let [gate] = &built.summary.gates[..] else {
        panic!("int8 against f32: {:?}", built.summary.gates);
    };
    assert!(gate.name == "int8" && gate.passed, "{gate:?}");
    let bundle = built.bundle.expect("no gate to fail");
    assert_eq!(
        u64::from_le_bytes(bundle[16..24].try_into().unwrap()),
        TENSORS
    );
    Scorer::open(bundle, &[Signing::development().public()]).unwrap()
}

fn application(scorer: &Scorer, a: i64) -> Application {
    let mut application = scorer.application("A", today());
    for (name, value) in [
        ("a", Value::Integer(a)),
        ("b", Value::Number(0.5)),
        ("home", Value::Text("rent")),
    ] {
        application.set(name, value).unwrap();
    }
    application
}

#[test]
fn a_net_with_other_activations_builds_scores_and_explains() {
    let scorer = scorer();
    assert_eq!(scorer.self_test().unwrap(), 16);
    let [low, high] = [5, 95].map(|a| scorer.score(&application(&scorer, a)).unwrap().score);
    assert!(low < high, "{low} and {high}");
    let mut explanation = Explanation::empty(*scorer.bundle_id());
    let one = application(&scorer, 95);
    scorer.explain_into(&one, &mut explanation).unwrap();
    let calls = alloc::calls(|| {
        assert!(scorer.score(&one).is_ok());
        assert!(scorer.explain_into(&one, &mut explanation).is_ok());
    });
    assert_eq!(calls.0, 0);
}

#[test]
fn a_recipe_says_which_layers_of_a_graph_go_to_int8() {
    let built = |compile: &str| {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::new(folder.path());
        project.write("model.onnx", model().finish(&[1]));
        project.change("output = \"logit\"", "output = \"probability\"");
        project.change("[compile]\n", &format!("[compile]\n{compile}\n"));
        project.build().map(|built| built.summary)
    };
    let all = built("").unwrap();
    let precisions: Vec<&str> = all.layers.iter().map(|layer| layer.precision).collect();
    assert_eq!(precisions, ["int8"; 3], "{:?}", all.layers);
    let one = &all.layers[1].name;
    let kept = built(&format!("layers = {{ \"{one}\" = \"f32\" }}")).unwrap();
    let precisions: Vec<&str> = kept.layers.iter().map(|layer| layer.precision).collect();
    assert_eq!(precisions, ["int8", "f32", "int8"]);
    let float = built("precision = \"f32\"").unwrap();
    assert!(float.layers.is_empty() && float.gates.is_empty());
    let error = built("precision = \"f16\"").unwrap_err();
    assert!(error.to_string().contains("int8, f32 or auto"), "{error}");
}

/// `[2, 3]` through a softmax along its rows, times a constant row, summed up.
pub(crate) fn sound() -> (Plan, Vec<u8>) {
    let buffer = |len, offset| Buffer {
        element: ElementType::F32,
        len,
        offset,
    };
    let axis = |count, left, right, output| Axis {
        count,
        left,
        right,
        output,
    };
    let one = axis(1, 0, 0, 0);
    let step = |operation, [left, right, output]: [u16; 3], size, inner, axes| Step::Tensor {
        operation,
        left,
        right,
        output,
        weights: 0,
        size,
        nest: Nest {
            inner,
            start: [0; 3],
            axes,
        },
    };
    let (rows, along) = (axis(2, 3, 0, 3), axis(3, 1, 0, 1));
    let steps = vec![
        step(
            TensorOperation::Softmax,
            [0, 0, 1],
            0,
            1,
            [one, one, one, one, rows, along],
        ),
        step(
            TensorOperation::Multiply,
            [1, CONSTANT, 2],
            3,
            0,
            [one, one, one, one, rows, axis(3, 1, 1, 1)],
        ),
        step(
            TensorOperation::Sum,
            [2, 2, 3],
            0,
            2,
            [one, one, one, one, axis(2, 3, 0, 0), axis(3, 1, 0, 0)],
        ),
    ];
    let port = |name: &str, buffer| Port {
        name: name.to_owned(),
        buffer,
    };
    let model = Model {
        name: "model".to_owned(),
        inputs: vec![port("features", 0)],
        outputs: vec![port("output", 3)],
        buffers: vec![buffer(6, 0), buffer(6, 64), buffer(6, 128), buffer(1, 0)],
        arena_bytes: 192,
        steps,
    };
    let plan = Plan {
        version: PLAN_VERSION,
        models: vec![model],
    };
    let weights = [1.0f32, 2.0, 3.0].iter().flat_map(|x| x.to_le_bytes());
    (plan, weights.collect())
}

/// A fixture's plan in int8.
pub(crate) fn int8_case(name: &str) -> (Plan, Vec<u8>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("families/nets");
    let graph = Graph::import(&folder.join(name).join("model.onnx")).unwrap();
    let rows = Rows::new(graph.inputs(), vec![0.5; graph.inputs() * 2]);
    let quantiser = graph.quantiser(&rows).unwrap();
    let layers = vec![Precision::Int8; quantiser.layers.len()];
    let lowered = quantiser.lower(&layers).unwrap();
    (lowered.plan, lowered.weights)
}

/// The plan of a fixture.
pub(crate) fn case(name: &str) -> (Plan, Vec<u8>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("families/nets");
    let graph = Graph::import(&folder.join(name).join("model.onnx")).unwrap();
    let lowered = graph.lowered();
    (lowered.plan.clone(), lowered.weights.clone())
}

fn run(plan: &Executable, weights: &[u8], features: &[f32]) -> Vec<f32> {
    let model = plan.model(0).unwrap();
    let buffer = |ports: &[Port]| model.buffers[usize::from(ports[0].buffer)];
    let mut arena = plan.arena(1);
    let input = arena.input(&buffer(&model.inputs), 0);
    let count = input.len().min(features.len());
    input[..count].copy_from_slice(&features[..count]);
    plan.run(0, &Kernels::detect(), weights, 1, &mut arena)
        .unwrap();
    arena.output(&buffer(&model.outputs), 0).to_vec()
}

#[test]
fn the_sound_plan_runs() {
    let (plan, weights) = sound();
    let plan = Executable::new(plan, &weights).unwrap();
    // Equal shares, and the parameter of the sum is the first weight.
    let output = run(&plan, &weights, &[5.0; 6]);
    assert!((output[0] - 4.0).abs() < 1e-5, "{output:?}");
    assert_eq!(plan.multiply_adds(0), 18);
}

fn nest(plan: &mut Plan, step: usize) -> &mut Nest {
    match &mut plan.models[0].steps[step] {
        Step::Tensor { nest, .. } => nest,
        _ => panic!("a tensor step"),
    }
}

type Spoil = fn(&mut Plan, &mut Vec<u8>);

#[test]
fn steps_that_are_not_sound_are_refused() {
    let ways: &[(&str, Spoil)] = &[
        ("an operand that ends too early", |p, _| {
            nest(p, 0).start[0] = 1;
        }),
        ("an operand that starts too early", |p, _| {
            nest(p, 0).axes[4].left = -1;
        }),
        ("an output that ends too early", |p, _| {
            nest(p, 0).axes[4].output = 4;
        }),
        ("a constant that ends too early", |p, _| {
            nest(p, 1).axes[5].right = 2;
        }),
        ("an axis of no element", |p, _| nest(p, 0).axes[0].count = 0),
        ("axes that overflow", |p, _| {
            nest(p, 0).axes = [Axis {
                count: u32::MAX,
                left: 0,
                right: 0,
                output: 0,
            }; 6];
        }),
        ("strides that overflow", |p, _| {
            nest(p, 0).axes[4].left = i32::MAX;
        }),
        ("no inner axis to fold", |p, _| nest(p, 2).inner = 0),
        ("an inner axis to map", |p, _| nest(p, 1).inner = 1),
        ("no outer axis", |p, _| nest(p, 2).inner = 6),
        ("far too many inner axes", |p, _| nest(p, 2).inner = 255),
        ("a result for each inner place", |p, _| {
            nest(p, 2).axes[4].output = 1;
        }),
        ("part of an output that holds nothing", |p, _| {
            nest(p, 1).axes[4].count = 1;
        }),
        ("an output written twice and in part", |p, _| {
            nest(p, 0).axes[4].output = 0;
        }),
        ("weights outside their section", |_, w| w.truncate(11)),
        ("weights that are not finite", |_, w| {
            w[8..].copy_from_slice(&f32::NAN.to_le_bytes());
        }),
        ("an operand that no step wrote", |p, _| {
            p.models[0].steps.remove(0);
        }),
        ("an operand that was spoiled", |p, _| {
            p.models[0].buffers[1].offset = 0;
        }),
        ("an output that lies over a right operand", |p, _| {
            if let Step::Tensor { right, size, .. } = &mut p.models[0].steps[1] {
                (*right, *size) = (2, 0);
            }
        }),
        ("a right operand where there is none", |p, _| {
            if let Step::Tensor { right, .. } = &mut p.models[0].steps[0] {
                *right = CONSTANT;
            }
        }),
        ("a size where there is none", |p, _| {
            if let Step::Tensor { size, .. } = &mut p.models[0].steps[0] {
                *size = 1;
            }
        }),
        ("buffers that do not exist", |p, _| {
            if let Step::Tensor { left, right, .. } = &mut p.models[0].steps[0] {
                (*left, *right) = (9, 9);
            }
        }),
        ("bytes for floats", |p, _| {
            p.models[0].buffers[1].element = ElementType::U8;
        }),
        ("a table without rows", |p, _| {
            if let Step::Tensor {
                operation, nest, ..
            } = &mut p.models[0].steps[0]
            {
                (*operation, nest.inner) = (TensorOperation::Gather, 0);
            }
        }),
        ("more places than are allowed", |p, _| {
            let step = p.models[0].steps[0];
            nest(p, 0).axes[0].count = 1 << 24;
            p.models[0].steps.push(step);
        }),
    ];
    for (what, spoil) in ways {
        let (mut plan, mut weights) = sound();
        spoil(&mut plan, &mut weights);
        let error = Executable::new(plan, &weights).expect_err(what);
        assert!(error.place().starts_with("section PLAN"), "{what}: {error}");
    }
}

#[test]
fn opening_many_large_constants_is_refused() {
    let (mut plan, mut weights) = sound();
    weights.resize(4 << 16, 0);
    let model = &mut plan.models[0];
    if let Step::Tensor { size, .. } = &mut model.steps[1] {
        *size = 1 << 16;
    }
    let step = model.steps[1];
    model.steps.splice(1..1, [step; 3]);
    assert!(Executable::new(plan.clone(), &weights).is_ok());
    plan.models[0].steps.insert(1, step);
    let error = Executable::new(plan, &weights).unwrap_err();
    assert!(error.expected().contains("constants"), "{error}");
}

/// Plans of real nets, harmed in a random place: refused, or harmless to run.
#[test]
fn harmed_plans_are_refused_or_run() {
    let mut random = Random::new(16);
    let (mut refused, mut ran) = (0, 0);
    let float = ["tcn", "ft_transformer_17", "gru", "cnn_2d", "embeddings_18"].map(case);
    let int8 = ["tcn", "ft_transformer_17", "qdq_cnn"].map(int8_case);
    for (sound, floats) in float.into_iter().chain(int8) {
        let features = vec![0.5; sound.models[0].buffers[0].len as usize];
        for _ in 0..400 {
            let (mut plan, mut weights) = (sound.clone(), floats.clone());
            harm(&mut plan.models[0], &mut weights, &mut random);
            match Executable::new(plan, &weights) {
                Ok(plan) => {
                    run(&plan, &weights, &features);
                    ran += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 300 && ran > 300, "{refused} refused, {ran} ran");
}

/// As [`harm`], of a step in int8.
fn harm_int8(model: &mut Model, weights: &mut [u8], at: usize, random: &mut Random) {
    let small = random.whole(-3, 40);
    let to = random.below(model.buffers.len() + 1) as u16;
    let byte = random.bits() as u8;
    let (input, output, offset, nest) = match &mut model.steps[at] {
        Step::TensorQuantise {
            input,
            output,
            weights,
            nest,
            ..
        }
        | Step::TensorDense {
            input,
            output,
            weights,
            nest,
            ..
        }
        | Step::TensorDequantise {
            input,
            output,
            weights,
            nest,
            ..
        } => (input, output, weights, nest),
        other => panic!("a tensor step, not {other:?}"),
    };
    let axis = &mut nest.axes[random.below(6)];
    match random.below(10) {
        0 => axis.count = small.unsigned_abs() as u32,
        1 => axis.left = small as i32,
        2 => axis.output = small as i32,
        3 => nest.start[random.below(3)] = small.unsigned_abs() as u32,
        4 => nest.inner = random.below(8) as u8,
        5 => *input = to,
        6 => *output = to,
        7 => *offset = offset.wrapping_add_signed(small * 4),
        8 => match &mut model.steps[at] {
            Step::TensorQuantise { zero, high, .. } => *[zero, high][random.below(2)] = byte,
            Step::TensorDense {
                input_high,
                zero,
                low,
                high,
                ..
            } => *[input_high, zero, low, high][random.below(4)] = byte,
            Step::TensorDequantise { zero, .. } => *zero = byte,
            other => panic!("a step in int8, not {other:?}"),
        },
        _ => weights[random.below(weights.len())] = byte,
    }
}

fn harm(model: &mut Model, weights: &mut [u8], random: &mut Random) {
    let at = random.below(model.steps.len());
    let buffers = model.buffers.len();
    let small = random.whole(-3, 40);
    let Step::Tensor {
        operation,
        left,
        right,
        output,
        weights: offset,
        size,
        nest,
    } = &mut model.steps[at]
    else {
        return harm_int8(model, weights, at, random);
    };
    let axis = &mut nest.axes[random.below(6)];
    match random.below(14) {
        0 => axis.count = small.unsigned_abs() as u32,
        1 => axis.left = small as i32,
        2 => axis.right = small as i32,
        3 => axis.output = small as i32,
        4 => nest.start[random.below(3)] = small.unsigned_abs() as u32,
        5 => nest.inner = random.below(8) as u8,
        6 => *left = random.below(buffers + 1) as u16,
        7 => *right = random.below(buffers + 1) as u16,
        8 => *output = random.below(buffers + 1) as u16,
        9 => *offset = offset.wrapping_add_signed(small * 4),
        10 => *size = small.unsigned_abs() as u32,
        11 => {
            *operation = [
                TensorOperation::Copy,
                TensorOperation::Add,
                TensorOperation::Softmax,
                TensorOperation::Product,
                TensorOperation::Dense,
                TensorOperation::Gather,
            ][random.below(6)];
        }
        12 => {
            let step = model.steps[at];
            model.steps.insert(random.below(at + 1), step);
        }
        _ => {
            let at = random.below(weights.len());
            weights[at] = random.bits() as u8;
        }
    }
}

/// A bundle of one field, whose gaps reach a net that does this with it.
fn gaps(operation: TensorOperation) -> fieldscore_runtime::Result<Scorer> {
    let mut parts = fieldscore_tests::fixture::linear(&[("a", "R1", 1.0)]);
    parts.transforms.blocks[0].impute = Some(f64::NAN);
    let model = &mut parts.plan.models[0];
    model.steps = vec![Step::Tensor {
        operation,
        left: 0,
        right: 0,
        output: 1,
        weights: 0,
        size: 0,
        nest: Nest {
            inner: 0,
            start: [0; 3],
            axes: [Axis {
                count: 1,
                ..Axis::default()
            }; 6],
        },
    }];
    let key = fieldscore_tests::fixture::key();
    let bundle = fieldscore_tests::surgery::assemble(&parts.sections(), &key);
    Scorer::open(bundle, &[key.public()])
}

#[test]
fn gaps_reach_nets_that_ask_for_them() {
    let scorer = gaps(TensorOperation::Missing).unwrap();
    let mut application = scorer.application("A", today());
    let without = scorer.explain(&application).unwrap();
    application.set("a", 7).unwrap();
    let with = scorer.explain(&application).unwrap();
    // One log-odds of bad is 72 points.
    assert_eq!((with.decision.score, without.decision.score), (550, 478));
    assert_eq!(
        (&with.groups[..], &without.groups[..]),
        (&[0][..], &[-72][..])
    );
    let error = gaps(TensorOperation::Absolute).map(drop).unwrap_err();
    assert_eq!(error.place(), "section TRNS", "{error}");
}

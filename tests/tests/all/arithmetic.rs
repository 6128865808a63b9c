//! The plan engine against a naive evaluation of the same arithmetic, bit for bit; and what
//! validation promises of every plan that it lets through.

use fieldscore_parity::host;
use fieldscore_runtime::kernels::Kernels;
use fieldscore_runtime::plan::{ElementType, Executable, MAX_ROWS, Plan, Step};
use fieldscore_tests::fixture::PlanBuilder;
use fieldscore_tests::naive::{self, Values};
use fieldscore_tests::random::Random;
use proptest::prelude::*;

/// A net's shape: inputs, and for each layer its width and a seed of its kind.
#[derive(Debug, Clone)]
struct Shape {
    seed: u64,
    inputs: usize,
    layers: Vec<(usize, u8)>,
    rows: usize,
}

fn shapes() -> impl Strategy<Value = Shape> {
    let layers = proptest::collection::vec((1usize..40, any::<u8>()), 1..5);
    (any::<u64>(), 1usize..75, layers, 1..=MAX_ROWS).prop_map(|(seed, inputs, layers, rows)| {
        Shape {
            seed,
            inputs,
            layers,
            rows,
        }
    })
}

fn some_float(random: &mut Random) -> f32 {
    match random.below(24) {
        0 => 0.0,
        1 => -0.0,
        2 => 1e-40,
        3 => -3e-42,
        4 => f32::MIN_POSITIVE,
        5 => 1e30,
        6 => -1e30,
        7 => f32::INFINITY,
        8 => f32::NAN,
        9 => random.float(-1e4, 1e4),
        // Halves, so that ties come up.
        10 => random.whole(-300, 300) as f32 / 2.0,
        _ => random.float(-3.0, 3.0),
    }
}

/// A weight that an f16 can hold, now and then a subnormal one.
fn some_weight(random: &mut Random) -> f32 {
    match random.below(12) {
        0 => 2e-41,
        1 => -1e-39,
        2 => 0.0,
        3 => random.float(-6e4, 6e4),
        _ => random.float(-1.0, 1.0),
    }
}

fn many<T>(count: usize, mut one: impl FnMut() -> T) -> Vec<T> {
    (0..count).map(|_| one()).collect()
}

/// A random plan of a shape: each layer of whatever kind fits what is there, f32 at the end.
fn plan(shape: &Shape) -> (Plan, Vec<u8>) {
    let random = &mut Random::new(shape.seed);
    let mut builder = PlanBuilder::new(shape.inputs);
    // The greatest byte of the last buffer, where it is of bytes.
    let mut bytes: Option<u8> = None;
    let scales = |random: &mut Random, width: usize, inputs: usize| {
        many(width, || match random.below(8) {
            0 => 1.0 / 64.0,
            1 => f32::MIN_POSITIVE,
            2 => 0.5,
            _ => random.float(0.1, 2.0) / (127.0 * inputs as f32),
        })
    };
    for (at, &(width, kind)) in shape.layers.iter().enumerate() {
        let inputs = builder.width();
        let last = at + 1 == shape.layers.len();
        match bytes {
            None if kind % 3 == 0 && !last => {
                let factors = many(inputs, || match random.below(6) {
                    0 => 1e38,
                    1 => 0.0,
                    _ => random.float(-60.0, 60.0),
                });
                let offsets = many(inputs, || random.whole(-20, 300) as f32 / 2.0);
                builder.quantise(&factors, &offsets);
                bytes = Some(127);
            }
            None => {
                let weights = many(inputs * width, || some_weight(random));
                let bias = many(width, || some_weight(random));
                builder.dense_float(&weights, &bias, kind & 1 == 1, kind & 2 == 2);
            }
            Some(high) => {
                let weights = many(inputs * width, || random.whole(-127, 127) as i8);
                let bias = many(width, || random.whole(-1_000_000, 1_000_000) as i32);
                let scale = scales(random, width, inputs);
                let input_high = if high > 127 || kind & 4 == 4 {
                    255
                } else {
                    127
                };
                if kind & 1 == 1 && !last {
                    let low = random.below(100) as u8;
                    let high = random.whole(i64::from(low), 255) as u8;
                    let zero = random.whole(i64::from(low), i64::from(high)) as u8;
                    builder.dense_u8(&weights, &bias, &scale, input_high, [zero, low, high]);
                    bytes = Some(high);
                } else {
                    builder.dense_f32(&weights, &bias, &scale, input_high, kind & 2 == 2);
                    bytes = None;
                }
            }
        }
    }
    if bytes.is_some() {
        let inputs = builder.width();
        let weights = many(inputs * 3, || random.whole(-127, 127) as i8);
        builder.dense_f32(&weights, &[7, -9, 0], &[1.0, 0.25, 0.01], 255, false);
    }
    builder.finish()
}

fn inputs(shape: &Shape, round: u64) -> Vec<Vec<f32>> {
    let random = &mut Random::new(shape.seed ^ (round + 1));
    many(shape.rows, || many(shape.inputs, || some_float(random)))
}

/// The output bits of every row; all NaN are one.
type Bits = Vec<Vec<u32>>;

fn bits(values: &[f32]) -> Vec<u32> {
    let one = |x: &f32| if x.is_nan() { 0x7fc0_0000 } else { x.to_bits() };
    values.iter().map(one).collect()
}

fn by_hand(plan: &Plan, weights: &[u8], rows: &[Vec<f32>]) -> Bits {
    let model = &plan.models[0];
    let output = usize::from(model.outputs[0].buffer);
    rows.iter()
        .map(|row| match &naive::run(model, weights, row)[output] {
            Some(Values::Floats(values)) => bits(values),
            other => panic!("no output: {other:?}"),
        })
        .collect()
}

fn by_engine(
    executable: &Executable,
    kernels: &Kernels,
    weights: &[u8],
    rows: &[Vec<f32>],
    arena: &mut fieldscore_runtime::plan::Arena,
    around: impl FnOnce(&mut dyn FnMut()),
) -> Bits {
    let model = executable.model(0).unwrap().clone();
    let input = &model.buffers[usize::from(model.inputs[0].buffer)];
    let output = &model.buffers[usize::from(model.outputs[0].buffer)];
    for (at, row) in rows.iter().enumerate() {
        arena.input(input, at).copy_from_slice(row);
    }
    around(&mut || {
        executable
            .run(0, kernels, weights, rows.len(), arena)
            .unwrap();
    });
    (0..rows.len())
        .map(|row| bits(arena.output(output, row)))
        .collect()
}

fn in_a_strange_host(work: &mut dyn FnMut()) {
    host::in_a_strange_host(work);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_engine_equals_the_naive_evaluation(shape in shapes()) {
        let (plan, weights) = plan(&shape);
        let executable = Executable::new(plan.clone(), &weights).unwrap();
        for kernels in Kernels::available() {
            let mut arena = executable.arena(shape.rows);
            for round in 0..2 {
                let rows = inputs(&shape, round);
                let expected = by_hand(&plan, &weights, &rows);
                let found =
                    by_engine(&executable, &kernels, &weights, &rows, &mut arena, |run| run());
                prop_assert_eq!(found, expected, "{}", kernels.name);
            }
        }
    }

    #[test]
    fn a_hosts_floating_point_state_changes_nothing(shape in shapes()) {
        let (plan, weights) = plan(&shape);
        let executable = Executable::new(plan.clone(), &weights).unwrap();
        let rows = inputs(&shape, 0);
        let expected = by_hand(&plan, &weights, &rows);
        let mut arena = executable.arena(shape.rows);
        let kernels = Kernels::detect();
        let found =
            by_engine(&executable, &kernels, &weights, &rows, &mut arena, in_a_strange_host);
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn one_row_in_many_is_the_row_alone(shape in shapes()) {
        let (plan, weights) = plan(&shape);
        let executable = Executable::new(plan, &weights).unwrap();
        let rows = inputs(&shape, 0);
        let kernels = Kernels::detect();
        let mut arena = executable.arena(MAX_ROWS);
        let all = by_engine(&executable, &kernels, &weights, &rows, &mut arena, |run| run());
        let mut one = executable.arena(1);
        for (row, expected) in rows.iter().zip(all) {
            let row = std::slice::from_ref(row);
            let found = by_engine(&executable, &kernels, &weights, row, &mut one, |run| run());
            prop_assert_eq!(&found[0], &expected);
        }
    }

    #[test]
    fn whatever_validation_lets_through_runs_and_forgets(shape in shapes(), harm in any::<u64>()) {
        let (mut plan, mut weights) = plan(&shape);
        damage(&mut plan, &mut weights, &mut Random::new(harm));
        let Ok(executable) = Executable::new(plan, &weights) else {
            return Ok(());
        };
        let model = executable.model(0).unwrap();
        let width = model.buffers[usize::from(model.inputs[0].buffer)].len as usize;
        let random = &mut Random::new(harm ^ 5);
        let mut rows = || many(3, || many(width, || some_float(random)));
        let (first, second) = (rows(), rows());
        let kernels = Kernels::detect();
        let mut used = executable.arena(3);
        by_engine(&executable, &kernels, &weights, &second, &mut used, |run| run());
        let after = by_engine(&executable, &kernels, &weights, &first, &mut used, |run| run());
        let mut fresh = executable.arena(3);
        let alone = by_engine(&executable, &kernels, &weights, &first, &mut fresh, |run| run());
        prop_assert_eq!(after, alone);
    }
}

/// Changes a few numbers of a plan.
fn damage(plan: &mut Plan, weights: &mut [u8], random: &mut Random) {
    let model = &mut plan.models[0];
    for _ in 0..=random.below(3) {
        let buffers = model.buffers.len();
        match random.below(6) {
            0 => {
                let at = random.below(buffers);
                model.buffers[at].offset = random.below(8) as u32 * 64;
            }
            1 => {
                let at = random.below(buffers);
                let len = model.buffers[at].len;
                model.buffers[at].len = len.saturating_add(random.below(5) as u32) - 2.min(len);
            }
            2 => {
                let at = random.below(buffers);
                model.buffers[at].element = if random.once_in(2) {
                    ElementType::U8
                } else {
                    ElementType::F32
                };
            }
            3 => {
                let at = random.below(model.steps.len());
                let to = random.below(buffers + 1) as u16;
                match &mut model.steps[at] {
                    Step::Quantise { input, output, .. }
                    | Step::DenseU8 { input, output, .. }
                    | Step::DenseF32 { input, output, .. }
                    | Step::DenseFloat { input, output, .. }
                    | Step::Rank { input, output, .. }
                    | Step::Trees { input, output, .. }
                    | Step::TensorQuantise { input, output, .. }
                    | Step::TensorDense { input, output, .. }
                    | Step::TensorDequantise { input, output, .. }
                    | Step::Tensor {
                        left: input,
                        output,
                        ..
                    } => {
                        if random.once_in(2) {
                            *input = to;
                        } else {
                            *output = to;
                        }
                    }
                }
            }
            4 => {
                let at = random.below(model.steps.len());
                let step = model.steps[at];
                let to = random.below(model.steps.len() + 1);
                model.steps.insert(to, step);
            }
            _ => {
                let at = random.below(weights.len());
                weights[at] = random.bits() as u8;
            }
        }
    }
}

#[test]
fn sums_at_the_edge_of_32_bits_are_exact() {
    // Σ|w|·255 + |bias| = 2^31 − 1: the most that validation allows.
    let inputs = 1000;
    let weights = vec![127i8; inputs];
    let bias = i32::MAX - 127 * 255 * inputs as i32;
    let (factors, offsets) = (vec![1.0; inputs], vec![0.0; inputs]);
    for (bias, sound) in [(bias, true), (bias + 1, false)] {
        let mut builder = PlanBuilder::new(inputs);
        builder.quantise(&factors, &offsets);
        builder.dense_f32(&weights, &[bias], &[1.0], 255, false);
        let (plan, bytes) = builder.finish();
        let built = Executable::new(plan.clone(), &bytes);
        assert_eq!(built.is_ok(), sound, "bias {bias}");
        let Ok(executable) = built else { continue };
        let rows = [vec![1e9; inputs]];
        let expected = by_hand(&plan, &bytes, &rows);
        let mut arena = executable.arena(1);
        let kernels = Kernels::detect();
        let found = by_engine(&executable, &kernels, &bytes, &rows, &mut arena, |run| {
            run()
        });
        assert_eq!(found, expected);
    }
}

#[test]
fn naive_rounding_is_to_the_nearest_ties_to_even() {
    for (x, expected) in [
        (0.5, 0),
        (1.5, 2),
        (2.5, 2),
        (-0.5, 0),
        (-1.5, -2),
        (126.5, 126),
    ] {
        assert_eq!(naive::nearest_even(x), expected, "{x}");
    }
}

#[test]
fn a_typed_number_is_the_same_in_a_strange_host() {
    let mut parts = fieldscore_tests::fixture::Parts::small(1);
    parts.transforms.blocks.truncate(1);
    let application = std::cell::RefCell::new(parts.application("A"));
    let numbers = [0.1, 0.7, 912.5, 5e-324, 1e-310, -0.3, 4503599627370.5];
    let take = |x: f64| {
        let taken = application.borrow_mut().set("expenses", x).is_ok();
        let record = fieldscore_runtime::decide::reference_record(&application.borrow());
        (taken, record)
    };
    let expected: Vec<_> = numbers.iter().map(|&x| take(x)).collect();
    let mut found = Vec::new();
    in_a_strange_host(&mut || found = numbers.iter().map(|&x| take(x)).collect());
    assert_eq!(found, expected);
    assert!(
        expected[0].0 && !expected[3].0,
        "0.1 is a number of one decimal, 5e-324 is none"
    );
}

//! What a plan of int8 tensor steps gives, and each way in which one can be wrong.
#![allow(clippy::unwrap_used)]

use crate::bundle::cbor;
use crate::kernels::pack_dense_i8;
use crate::plan::program::{PLAN_VERSION, Plan, Port};
use crate::plan::{Executable, TensorOperation};

use super::*;

fn nest(inner: u8, axes: &[(u32, i32, i32)]) -> Nest {
    let mut all = [Axis {
        count: 1,
        ..Axis::default()
    }; 6];
    for (to, &(count, left, output)) in all[6 - axes.len()..].iter_mut().zip(axes) {
        *to = Axis {
            count,
            left,
            right: 0,
            output,
        };
    }
    Nest {
        inner,
        start: [0; 3],
        axes: all,
    }
}

/// Three positions of six values become bytes, then three of two, from windows of two positions and
/// of one, then f32 again.
fn sound() -> (Plan, Vec<u8>) {
    let mut weights = Vec::new();
    let mut store = |bytes: &[u8]| {
        let at = weights.len() as u64;
        weights.extend_from_slice(bytes);
        at
    };
    let floats =
        |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|x| x.to_le_bytes()).collect() };
    // Runs of six bytes, padded to eight.
    let row = |a: i8| [a, 1, -1, 2, 0, 3, 0, 0];
    let two: Vec<i8> = [row(1), row(2), row(-3), row(4)].concat();
    let constants = store(&floats(&[[10.0f32; 6], [5.0; 6]].concat()));
    let windows = store(&pack_dense_i8(16, &two, &[100, 200], &[0.05, 0.02]));
    let last = store(&pack_dense_i8(4, &[5, -7, 0, 0], &[-3], &[0.25]));
    let factors = store(&floats(&[0.5, 0.25]));
    let buffer = |element, len, offset| Buffer {
        element,
        len,
        offset,
    };
    let steps = vec![
        Step::TensorQuantise {
            input: 0,
            output: 1,
            weights: constants,
            zero: 0,
            high: 127,
            nest: nest(0, &[(3, 6, 6), (6, 1, 1)]),
        },
        Step::TensorDense {
            input: 1,
            output: 2,
            weights: windows,
            input_high: 127,
            relu: false,
            zero: 10,
            low: 0,
            high: 127,
            nest: nest(2, &[(2, 6, 2), (2, 0, 1), (2, 6, 0), (6, 1, 0)]),
        },
        Step::TensorDense {
            input: 2,
            output: 3,
            weights: last,
            input_high: 127,
            relu: true,
            zero: 0,
            low: 0,
            high: 0,
            nest: nest(1, &[(2, 2, 1), (1, 0, 1), (2, 1, 0)]),
        },
        Step::TensorDequantise {
            input: 2,
            output: 4,
            weights: factors,
            zero: 10,
            nest: nest(0, &[(2, 2, 2), (2, 1, 1)]),
        },
    ];
    let port = |name: &str, buffer| Port {
        name: name.to_owned(),
        buffer,
    };
    let model = Model {
        name: "model".to_owned(),
        inputs: vec![port("features", 0)],
        outputs: vec![port("sums", 3), port("values", 4)],
        buffers: vec![
            buffer(ElementType::F32, 18, 0),
            buffer(ElementType::Bytes, 18, 128),
            buffer(ElementType::Bytes, 4, 192),
            buffer(ElementType::F32, 2, 256),
            buffer(ElementType::F32, 4, 320),
        ],
        arena_bytes: 384,
        steps,
    };
    let plan = Plan {
        version: PLAN_VERSION,
        models: vec![model],
    };
    (plan, weights)
}

#[test]
fn a_sound_plan_gives_what_its_definition_says() {
    let (plan, weights) = sound();
    let bytes = minicbor::to_vec(&plan).unwrap();
    assert_eq!(cbor::decode::<Plan>(&bytes, "section PLAN").unwrap(), plan);
    let executable = Executable::new(plan, &weights).unwrap();
    let features: Vec<f32> = (0..18).map(|i| i as f32 * 0.31 - 0.7).collect();
    let q: Vec<i32> = features
        .iter()
        .map(|x| (x * 10.0 + 5.0).clamp(0.0, 127.0).round_ties_even() as i32)
        .collect();
    let weight = |a: i32| [a, 1, -1, 2, 0, 3];
    let (mut hidden, mut sums) = (Vec::new(), Vec::new());
    for place in 0..2 {
        for (rows, bias, scale) in [([1, 2], 100, 0.05f32), ([-3, 4], 200, 0.02)] {
            let mut sum = bias;
            for (tap, a) in rows.into_iter().enumerate() {
                let from = &q[(place + tap) * 6..];
                sum += weight(a).iter().zip(from).map(|(w, x)| w * x).sum::<i32>();
            }
            let y = (sum as f32 * scale).clamp(-10.0, 117.0);
            hidden.push(y.round_ties_even() as i32 + 10);
        }
        let [a, b] = hidden[place * 2..] else {
            unreachable!("two hidden values a place")
        };
        sums.push(((5 * a - 7 * b - 3) as f32 * 0.25).max(0.0));
    }
    let values: Vec<f32> = hidden
        .iter()
        .zip([0.5f32, 0.25].iter().cycle())
        .map(|(q, factor)| (q - 10) as f32 * factor)
        .collect();
    let model = executable.model(0).unwrap();
    for kernels in Kernels::available() {
        let mut arena = executable.arena(2);
        for row in 0..2 {
            arena
                .input(&model.buffers[0], row)
                .copy_from_slice(&features);
        }
        executable
            .run(0, &kernels, &weights, 2, &mut arena)
            .unwrap();
        for row in 0..2 {
            assert_eq!(
                arena.output(&model.buffers[3], row),
                sums,
                "{}",
                kernels.name
            );
            assert_eq!(
                arena.output(&model.buffers[4], row),
                values,
                "{}",
                kernels.name
            );
        }
    }
}

/// Refuses what `harm` makes of the sound plan, for the reason that `expected` is a part of.
fn refused(expected: &str, harm: impl Fn(&mut Model, &mut Vec<u8>)) {
    let (mut plan, mut weights) = sound();
    harm(&mut plan.models[0], &mut weights);
    let error = Executable::new(plan, &weights).unwrap_err();
    assert!(error.to_string().contains(expected), "{expected}: {error}");
}

fn nest_of(model: &mut Model, step: usize) -> &mut Nest {
    match &mut model.steps[step] {
        Step::TensorQuantise { nest, .. }
        | Step::TensorDense { nest, .. }
        | Step::TensorDequantise { nest, .. } => nest,
        other => unreachable!("an int8 step, not {other:?}"),
    }
}

#[test]
fn operands_that_are_too_short_are_refused() {
    for step in 0..4 {
        for (operand, far) in [(0, 13), (2, 3)] {
            refused("hold every place", |model, _| {
                nest_of(model, step).start[operand] = far + 4 * 5
            });
        }
    }
    refused("hold every place", |model, _| {
        nest_of(model, 1).axes[2].left = -6
    });
    refused("at most 2^30 places", |model, _| {
        nest_of(model, 0).axes[4].count = 0
    });
    refused("at most 2^30 places", |model, _| {
        nest_of(model, 1).axes[0].count = 1 << 30
    });
}

#[test]
fn axes_without_their_meaning_are_refused() {
    refused("no inner axes", |model, _| nest_of(model, 0).inner = 1);
    refused("no inner axes", |model, _| nest_of(model, 3).inner = 1);
    for inner in [0, 6, 7, 255] {
        refused("inner axes and an outer one", |model, _| {
            nest_of(model, 1).inner = inner
        });
    }
    refused("one result for all", |model, _| {
        let nest = nest_of(model, 1);
        (nest.axes[2].output, nest.axes[4].output) = (0, 1);
    });
    refused("neighbouring bytes", |model, _| {
        let nest = nest_of(model, 1);
        (nest.axes[2].left, nest.axes[5].left) = (0, 2);
    });
    refused("neighbouring bytes", |model, _| {
        let nest = nest_of(model, 1);
        (nest.axes[2].left, nest.axes[3].left) = (0, 1);
    });
    refused("neighbouring bytes", |model, _| {
        let nest = nest_of(model, 1);
        nest.start[0] = 6;
        nest.axes[4].left = -6;
        nest.axes[2].left = 0;
    });
}

#[test]
fn ranges_that_do_not_fit_are_refused() {
    let quantise = |of: fn(&mut u8, &mut u8)| {
        move |model: &mut Model, _: &mut Vec<u8>| {
            if let Step::TensorQuantise { zero, high, .. } = &mut model.steps[0] {
                of(zero, high);
            }
        }
    };
    refused("127 or 255", quantise(|_, high| *high = 128));
    refused("zero point", quantise(|zero, _| *zero = 128));
    refused(
        "what the steps before write",
        quantise(|_, high| *high = 255),
    );
    let dense = |step: usize, of: fn(&mut Step)| {
        move |model: &mut Model, _: &mut Vec<u8>| of(&mut model.steps[step])
    };
    let change = |of: fn(&mut bool, [&mut u8; 4])| {
        move |step: usize| {
            move |model: &mut Model, _: &mut Vec<u8>| {
                if let Step::TensorDense {
                    input_high,
                    relu,
                    zero,
                    low,
                    high,
                    ..
                } = &mut model.steps[step]
                {
                    of(relu, [input_high, zero, low, high]);
                }
            }
        }
    };
    refused(
        "input range of 127 or 255",
        change(|_, [input, ..]| *input = 130)(1),
    );
    refused("zero point", change(|relu, _| *relu = true)(1));
    refused("zero point", change(|_, [_, zero, ..]| *zero = 128)(1));
    refused("zero point", change(|_, [_, _, low, _]| *low = 11)(1));
    refused("zero point", change(|_, [.., high]| *high = 9)(1));
    refused("zero point", change(|_, [.., high]| *high = 1)(2));
    refused(
        "an earlier step wrote",
        dense(1, |step| {
            if let Step::TensorDense { input, .. } = step {
                *input = 2;
            }
        }),
    );
}

#[test]
fn weights_that_are_not_sound_are_refused() {
    let at = |model: &Model, step: usize| match model.steps[step] {
        Step::TensorQuantise { weights, .. }
        | Step::TensorDense { weights, .. }
        | Step::TensorDequantise { weights, .. } => weights as usize,
        _ => 0,
    };
    for (step, what) in [(0, "factors and offsets"), (3, "finite factors")] {
        refused(what, |model, weights| {
            let at = at(model, step);
            weights[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        });
    }
    refused("finite factors", |_, weights| {
        weights.truncate(weights.len() - 1)
    });
    refused("inside section WGTS", |model, _| {
        if let Step::TensorDense { weights, .. } = &mut model.steps[1] {
            *weights = u64::MAX - 3;
        }
    });
    refused("weights in -127", |model, weights| {
        weights[at(model, 1) + 64] = 0x80
    });
    // The last two of eight bytes of the first output's first run.
    refused("zero weights in the padding", |model, weights| {
        weights[at(model, 1) + 64 + 66] = 1
    });
    refused("sums that stay below", |model, weights| {
        let at = at(model, 1);
        weights[at..at + 4].copy_from_slice(&i32::MAX.to_le_bytes());
    });
    refused("scales that are normal", |model, weights| {
        let at = at(model, 1) + panel_bytes(16) - 64;
        weights[at..at + 4].copy_from_slice(&0f32.to_le_bytes());
    });
}

#[test]
fn buffers_of_another_kind_or_place_are_refused() {
    refused("of its type", |model, _| {
        model.buffers[1].element = ElementType::U8
    });
    refused("of its type", |model, _| {
        model.buffers[4].element = ElementType::F64
    });
    refused("zero point", |model, _| {
        model.buffers[3].element = ElementType::Bytes
    });
    // The tail belongs to a buffer.
    refused("inside the arena", |model, _| {
        model.buffers[2].len = 62;
        model.arena_bytes = 256;
    });
    refused("do not overlap", |model, _| model.buffers[2].offset = 128);
    // What only a part is written of, nothing wrote before.
    refused("an earlier step wrote", |model, _| model.buffers[2].len = 5);
    refused("a buffer of U8", |model, _| {
        let step = Step::DenseU8 {
            input: 2,
            output: 1,
            weights: 0,
            input_high: 127,
            zero: 0,
            low: 0,
            high: 127,
        };
        model.steps.push(step);
    });
    let copied = |model: &mut Model, _: &mut Vec<u8>| {
        model.steps.push(Step::Tensor {
            operation: TensorOperation::Copy,
            left: 2,
            right: 2,
            output: 3,
            weights: 0,
            size: 0,
            nest: nest(0, &[(2, 1, 1)]),
        });
    };
    refused("a buffer of F32", copied);
}

#[test]
fn more_work_than_a_plan_may_have_is_refused() {
    refused("multiply-adds", |model, _| {
        let step = model.steps[1];
        model.steps = vec![model.steps[0], step];
        nest_of(model, 1).axes[0] = Axis {
            count: 1 << 24,
            ..Axis::default()
        };
    });
}

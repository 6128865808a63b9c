//! Random models in parts against the same models run whole, for every set of groups: the same bits.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::kernels::{Kernels, pack_dense_float, pack_dense_i8};
use crate::memory::LINE;
use crate::plan::program::{Axis, ElementType, Nest, PLAN_VERSION, Plan, Port};
use crate::plan::{Executable, JoinedRows, MAX_ROWS, Masks, PartialRows, Partials};

/// Numbers that follow from a seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % limit
    }

    fn float(&mut self) -> f32 {
        self.below(4001) as f32 / 1000.0 - 2.0
    }

    fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.float()).collect()
    }

    /// A slice of a buffer: where it starts, and so many.
    fn slice(&mut self, len: usize, count: usize) -> u32 {
        self.below(len - count + 1) as u32
    }
}

/// A model as it is made: buffers, steps, weights.
struct Made {
    model: Model,
    weights: Vec<u8>,
}

impl Made {
    fn buffer(&mut self, element: ElementType, len: usize) -> u16 {
        self.model.buffers.push(Buffer {
            element,
            len: len as u32,
            offset: 0,
        });
        (self.model.buffers.len() - 1) as u16
    }

    fn len(&self, buffer: u16) -> usize {
        self.model.buffers[usize::from(buffer)].len as usize
    }

    fn store(&mut self, bytes: &[u8]) -> u64 {
        let at = self.weights.len() as u64;
        self.weights.extend_from_slice(bytes);
        at
    }

    fn floats(&mut self, floats: &[f32]) -> u64 {
        let bytes: Vec<u8> = floats.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.store(&bytes)
    }

    /// `count` neighbours of each operand, from these on.
    fn tensor(
        &mut self,
        operation: TensorOperation,
        [left, right, output]: [u16; 3],
        start: [u32; 3],
        count: usize,
    ) {
        let folds = operation == TensorOperation::Sum;
        let weights = self.floats(&[0.5, 0.25]);
        let constant: Vec<f32> = (0..count).map(|at| at as f32 * 0.5).collect();
        let (weights, size) = match right {
            CONSTANT => (self.floats(&constant), count as u32),
            _ => (weights, 0),
        };
        let mut axes = [Axis {
            count: 1,
            ..Axis::default()
        }; 6];
        axes[5] = Axis {
            count: count as u32,
            left: 1,
            right: 1,
            output: i32::from(!folds),
        };
        self.model.steps.push(Step::Tensor {
            operation,
            left,
            right,
            output,
            weights,
            size,
            nest: Nest {
                inner: folds.into(),
                start,
                axes,
            },
        });
    }

    /// Gives buffers their places: the first that is free from the first write to the last read.
    fn place(&mut self) {
        let uses = |at: usize, model: &Model| {
            let buffer = at as u16;
            let input = model.inputs.iter().any(|port| port.buffer == buffer);
            let output = model.outputs.iter().any(|port| port.buffer == buffer);
            let of = |step: &Step| step.output() == buffer || step.inputs().contains(&buffer);
            let first = model.steps.iter().position(of).unwrap_or(0);
            let last = model.steps.iter().rposition(of).unwrap_or(0);
            let from = if input { 0 } else { first };
            from..=if output { usize::MAX } else { last }
        };
        let model = &mut self.model;
        for at in 0..model.buffers.len() {
            let own = uses(at, model);
            let bytes = model.buffers[at].row_bytes();
            let mut offset = 0;
            while let Some(taken) = model.buffers[..at]
                .iter()
                .enumerate()
                .find(|(other, taken)| {
                    let theirs = uses(*other, model);
                    let place = taken.offset as usize..taken.offset as usize + taken.row_bytes();
                    theirs.start() <= own.end()
                        && own.start() <= theirs.end()
                        && place.start < offset + bytes
                        && offset < place.end
                })
            {
                offset = taken.1.offset as usize + taken.1.row_bytes();
            }
            model.buffers[at].offset = offset as u32;
            model.arena_bytes = model.arena_bytes.max((offset + bytes) as u32);
        }
    }
}

/// A random model over inputs of these lengths.
fn made(draw: &mut Draw, inputs: &[usize]) -> Made {
    let mut made = Made {
        model: Model {
            name: "model".to_owned(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            buffers: Vec::new(),
            arena_bytes: 0,
            steps: Vec::new(),
        },
        weights: Vec::new(),
    };
    let port = |buffer| Port {
        name: format!("p{buffer}"),
        buffer,
    };
    let mut values = Vec::new();
    for &len in inputs {
        let input = made.buffer(ElementType::F32, len);
        made.model.inputs.push(port(input));
        values.push(input);
    }
    for _ in 0..3 + draw.below(14) {
        // Rather of what came last, so that there is some depth.
        let some = |draw: &mut Draw, values: &[u16]| {
            let back = draw.below(values.len()).min(draw.below(values.len()));
            values[values.len() - 1 - back]
        };
        let from = some(draw, &values);
        let len = made.len(from);
        let count = 1 + draw.below(len);
        let start = draw.slice(len, count);
        match draw.below(7) {
            0 => {
                let to = made.buffer(ElementType::F32, count);
                made.tensor(
                    TensorOperation::Copy,
                    [from, from, to],
                    [start, start, 0],
                    count,
                );
                values.push(to);
            }
            1 => {
                let to = made.buffer(ElementType::F32, count);
                made.tensor(
                    TensorOperation::Tanh,
                    [from, from, to],
                    [start, start, 0],
                    count,
                );
                values.push(to);
            }
            2 => {
                let other = some(draw, &values);
                let count = count.min(made.len(other));
                let (left, right) = (draw.slice(len, count), draw.slice(made.len(other), count));
                let to = made.buffer(ElementType::F32, count);
                let operands = [from, other, to];
                made.tensor(TensorOperation::Multiply, operands, [left, right, 0], count);
                values.push(to);
            }
            3 => {
                let to = made.buffer(ElementType::F32, 1);
                made.tensor(
                    TensorOperation::Sum,
                    [from, from, to],
                    [start, start, 0],
                    count,
                );
                values.push(to);
            }
            4 => {
                // Constants, then other values over them, now and then read in between.
                let other = some(draw, &values);
                let to = made.buffer(ElementType::F32, count + made.len(other));
                let all = made.len(to);
                made.tensor(
                    TensorOperation::Right,
                    [from, CONSTANT, to],
                    [0; 3],
                    all.min(len),
                );
                if all > len {
                    // The whole of it has to be written: one place of the left for all.
                    let Some(Step::Tensor {
                        nest,
                        size,
                        weights,
                        ..
                    }) = made.model.steps.last_mut()
                    else {
                        unreachable!("it was pushed")
                    };
                    nest.axes[5].count = all as u32;
                    nest.axes[5].left = 0;
                    *size = all as u32;
                    *weights = made.weights.len() as u64;
                    made.floats(&vec![0.5; all]);
                }
                made.tensor(
                    TensorOperation::Copy,
                    [from, from, to],
                    [start, start, 0],
                    count,
                );
                if draw.below(2) == 0 {
                    let copy = made.buffer(ElementType::F32, all);
                    made.tensor(TensorOperation::Tanh, [to, to, copy], [0; 3], all);
                    values.push(copy);
                }
                let count = 1 + draw.below(made.len(other));
                let at = draw.slice(all, count);
                made.tensor(TensorOperation::Copy, [other, other, to], [0, 0, at], count);
                values.push(to);
            }
            5 => {
                let outputs = 1 + draw.below(20);
                let to = made.buffer(ElementType::F32, outputs);
                let (w, b) = (draw.floats(len * outputs), draw.floats(outputs));
                let weights = made.store(&pack_dense_float(len, &w, &b, false));
                made.model.steps.push(Step::DenseFloat {
                    input: from,
                    output: to,
                    weights,
                    half: false,
                    relu: draw.below(2) == 0,
                });
                values.push(to);
            }
            _ => {
                // A first layer in int8, as a rule.
                let from = if draw.below(3) == 0 {
                    from
                } else {
                    values[draw.below(inputs.len())]
                };
                let len = made.len(from);
                let (bytes, outputs) = (made.buffer(ElementType::U8, len), 1 + draw.below(20));
                let to = made.buffer(ElementType::F32, outputs);
                let constants = [vec![20.0; len], vec![63.0; len]].concat();
                let constants = made.floats(&constants);
                let w: Vec<i8> = (0..len * outputs).map(|_| draw.below(255) as i8).collect();
                let w: Vec<i8> = w.into_iter().map(|w| w.max(-127)).collect();
                let bias = vec![draw.below(100) as i32; outputs];
                let weights = made.store(&pack_dense_i8(len, &w, &bias, &vec![0.01; outputs]));
                made.model.steps.push(Step::Quantise {
                    input: from,
                    output: bytes,
                    weights: constants,
                });
                made.model.steps.push(Step::DenseF32 {
                    input: bytes,
                    output: to,
                    weights,
                    input_high: 127,
                    relu: draw.below(2) == 0,
                });
                values.push(to);
            }
        }
    }
    for _ in 0..1 + draw.below(3) {
        let last = values[values.len() - 1 - draw.below(values.len().min(4))];
        made.model.outputs.push(port(last));
    }
    made.place();
    made
}

/// Features by group, field mask and feature; whose they are; how many fields each group has.
struct Given {
    owners: Vec<u16>,
    fields: Vec<usize>,
    values: Vec<Vec<f64>>,
}

impl Given {
    fn new(draw: &mut Draw, features: usize) -> Self {
        let groups = 1 + draw.below(4);
        let mut owners = Vec::new();
        while owners.len() < features {
            let owner = draw.below(groups) as u16;
            owners.extend((0..1 + draw.below(4)).map(|_| owner));
        }
        owners.truncate(features);
        let fields: Vec<usize> = (0..groups).map(|_| 1 + draw.below(2)).collect();
        let each = owners.iter().map(|&owner| {
            let masks = masks(fields[usize::from(owner)]);
            (0..masks).map(|_| f64::from(draw.float())).collect()
        });
        let values = each.collect();
        Self {
            owners,
            fields,
            values,
        }
    }

    /// All that the groups' masks can be together.
    fn sets(&self) -> Vec<Masks> {
        let mut all = vec![Masks::default()];
        for (group, &fields) in self.fields.iter().enumerate() {
            let with = |set: &Masks| {
                let mut set = *set;
                (0..masks(fields)).map(move |mask| {
                    set[group] = mask as u16;
                    set
                })
            };
            all = all.iter().flat_map(with).collect();
        }
        all
    }

    /// Writes the features that are wanted of a row.
    fn write(
        &self,
        model: &Model,
        set: &Masks,
        wanted: impl Fn(usize) -> bool,
        row: usize,
        arena: &mut Arena,
    ) {
        let mut feature = 0;
        for port in &model.inputs {
            let buffer = &model.buffers[usize::from(port.buffer)];
            for at in 0..buffer.len as usize {
                if wanted(feature) {
                    let mask = usize::from(set[usize::from(self.owners[feature])]);
                    arena.write(buffer, row, at, &[self.values[feature][mask]]);
                }
                feature += 1;
            }
        }
    }
}

/// The bits of the outputs that are wanted.
fn bits(model: &Model, wanted: &[u16], row: usize, arena: &Arena) -> Vec<u64> {
    let buffers = wanted.iter().map(|&output| {
        let port = &model.outputs[usize::from(output)];
        &model.buffers[usize::from(port.buffer)]
    });
    buffers
        .flat_map(|buffer| (0..buffer.len as usize).map(move |at| (buffer, at)))
        .map(|(buffer, at)| arena.number(buffer, row, at).to_bits())
        .collect()
}

/// Joined words of each set.
fn joined(
    executable: &Executable,
    (weights, partials): (&[u8], &Partials),
    given: &Given,
    arena: &mut Arena,
) -> Vec<Vec<i32>> {
    let model = executable.model(0).unwrap();
    let mut rows = vec![(u16::MAX, Masks::default())];
    for (group, &fields) in given.fields.iter().enumerate() {
        for mask in 0..masks(fields) {
            let mut set = Masks::default();
            set[group] = mask as u16;
            rows.push((group as u16, set));
        }
    }
    let groups: Vec<u16> = rows.iter().map(|row| row.0).collect();
    for (row, (_, set)) in rows.iter().enumerate() {
        given.write(model, set, |_| true, row, arena);
    }
    let of = PartialRows {
        groups: &groups,
        owners: &given.owners,
    };
    let mut parts = vec![0; partials.len * rows.len()];
    let kernels = Kernels::detect();
    if partials.len > 0 {
        executable
            .run_partials(&kernels, weights, partials, of, arena, &mut parts)
            .unwrap();
        partials.changes(&mut parts);
    }
    let len = partials.len;
    let join = |set: &Masks| {
        let mut all = parts[..len].to_vec();
        let mut at = 1;
        for (group, &fields) in given.fields.iter().enumerate() {
            let from = (at + usize::from(set[group])) * len;
            let before = all.clone();
            partials.join(&before, &parts[from..from + len], &mut all);
            at += masks(fields);
        }
        all
    };
    given.sets().iter().map(join).collect()
}

/// Holds a model in parts against the whole; says what share of the multiply-adds is left.
fn check(seed: u64) -> (bool, bool, f64) {
    let mut draw = Draw(seed);
    let inputs: Vec<usize> = (0..1 + draw.below(3)).map(|_| 1 + draw.below(12)).collect();
    let Made { model, weights } = made(&mut draw, &inputs);
    let given = Given::new(&mut draw, inputs.iter().sum());
    let outputs = model.outputs.len() as u16;
    let wanted: Vec<u16> = (0..outputs)
        .filter(|&at| at == 0 || seed.is_multiple_of(3))
        .collect();
    let plan = Plan {
        version: PLAN_VERSION,
        models: vec![model],
    };
    let executable = Executable::new(plan, &weights).unwrap();
    let model = executable.model(0).unwrap();
    let (owners, fields) = (&given.owners, &given.fields);
    let partials = executable
        .partials(0, &weights, owners, fields, &wanted, 1 << 16)
        .unwrap();
    let kernels = Kernels::detect();
    let mut arena = executable.arena(MAX_ROWS);
    let words = joined(&executable, (&weights, &partials), &given, &mut arena);
    let mut kept = vec![Line([0; LINE]); partials.lines()];
    for (group, &fields) in given.fields.iter().enumerate() {
        // Nothing of other groups may count: their places hold what is not finite.
        arena = executable.arena(MAX_ROWS);
        for row in 0..MAX_ROWS {
            for port in &model.inputs {
                let buffer = &model.buffers[usize::from(port.buffer)];
                arena.input(buffer, row).fill(f32::NAN);
            }
        }
        for mask in 0..masks(fields) {
            let mut set = Masks::default();
            set[group] = mask as u16;
            let own = |feature: usize| usize::from(given.owners[feature]) == group;
            given.write(model, &set, own, mask, &mut arena);
        }
        let rows = (0, masks(fields));
        executable
            .keep(
                &kernels,
                &weights,
                (&partials, group),
                rows,
                &mut arena,
                &mut kept,
            )
            .unwrap();
    }
    let sets = given.sets();
    for (sets, words) in sets.chunks(MAX_ROWS).zip(words.chunks(MAX_ROWS)) {
        for (row, set) in sets.iter().enumerate() {
            given.write(model, set, |_| true, row, &mut arena);
        }
        executable
            .run(0, &kernels, &weights, sets.len(), &mut arena)
            .unwrap();
        let plain: Vec<Vec<u64>> = (0..sets.len())
            .map(|row| bits(model, &wanted, row, &arena))
            .collect();
        arena = executable.arena(MAX_ROWS);
        for (row, set) in sets.iter().enumerate() {
            given.write(model, set, |at| partials.reads(at), row, &mut arena);
        }
        let rows = JoinedRows {
            masks: sets,
            words: &words.concat(),
            kept: &kept,
        };
        executable
            .run_joined(&kernels, &weights, &partials, rows, &mut arena)
            .unwrap();
        for (row, plain) in plain.iter().enumerate() {
            assert_eq!(&bits(model, &wanted, row, &arena), plain, "seed {seed}");
        }
    }
    let evaluations = given.sets().len();
    let share = partials.work(evaluations) as f64
        / (executable.multiply_adds(0) * evaluations as u64) as f64;
    (partials.len > 0, partials.lines() > 0, share)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn models_in_parts_give_the_same_bits(seed in any::<u64>()) {
        check(seed);
    }
}

#[test]
fn random_models_have_parts_of_each_kind() {
    let all: Vec<(bool, bool, f64)> = (0..200).map(check).collect();
    let count = |of: fn(&(bool, bool, f64)) -> bool| all.iter().filter(|one| of(one)).count();
    assert!(
        count(|one| one.0) > 20,
        "first layers: {}",
        count(|one| one.0)
    );
    assert!(
        count(|one| one.1) > 20,
        "values kept: {}",
        count(|one| one.1)
    );
    assert!(count(|one| one.0 && one.1) > 5);
    assert!(
        count(|one| one.2 < 0.5) > 10,
        "less work: {}",
        count(|one| one.2 < 0.5)
    );
}

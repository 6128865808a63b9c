//! What an int8 dense step does on the side: a ReLU behind it, and the bytes that the next one reads.

use fieldscore_runtime::plan::{Axis, ElementType, Nest, Step, TensorOperation};

use super::quantise::{Draft, ToBytes};

/// Whether a step is a ReLU.
pub(super) fn relu(step: &Step, weights: &[u8]) -> bool {
    match step {
        Step::Tensor {
            operation: TensorOperation::Clip,
            weights: at,
            ..
        } => weights.get(*at as usize..).is_some_and(clips_below_zero),
        _ => false,
    }
}

/// Whether a clip's parameters are a ReLU's.
fn clips_below_zero(parameters: &[u8]) -> bool {
    let [low, high, ..] = parameters.as_chunks().0 else {
        return false;
    };
    (f32::from_le_bytes(*low), f32::from_le_bytes(*high)) == (0.0, f32::MAX)
}

/// The axes of a nest that have more than one element.
fn long(nest: &Nest) -> impl Iterator<Item = &Axis> {
    nest.axes.iter().filter(|axis| axis.count > 1)
}

/// Whether a nest without inner axes reads and writes as many elements in the same places, all of `len`.
pub(super) fn straight(nest: &Nest, len: u32) -> bool {
    let same = long(nest).all(|axis| axis.left == axis.output);
    let all = long(nest)
        .map(|axis| u64::from(axis.count))
        .product::<u64>();
    same && nest.start[0] == 0 && nest.start[2] == 0 && all == u64::from(len)
}

/// How often each buffer is written, and read.
pub(super) struct Uses {
    written: Vec<usize>,
    read: Vec<usize>,
}

impl Uses {
    pub(super) fn of(drafts: &[Draft], buffers: usize, outputs: &[u16]) -> Self {
        let mut uses = Self {
            written: vec![0; buffers],
            read: vec![0; buffers],
        };
        // The input, and what leaves the model.
        uses.written[0] += 1;
        outputs
            .iter()
            .for_each(|&at| uses.read[usize::from(at)] += 1);
        for draft in drafts {
            let (inputs, output) = (draft.inputs(), draft.output());
            uses.written[usize::from(output)] += 1;
            uses.read[usize::from(inputs[0])] += 1;
            if inputs[0] != inputs[1] {
                uses.read[usize::from(inputs[1])] += 1;
            }
        }
        uses
    }

    /// Whether a buffer has one step that writes it and one that reads it.
    pub(super) fn private(&self, at: u16) -> bool {
        let at = usize::from(at);
        self.written[at] == 1 && self.read[at] == 1
    }

    /// How many steps read a buffer; the model's outputs are read as well.
    pub(super) fn read(&self, at: u16) -> usize {
        self.read[usize::from(at)]
    }

    pub(super) fn written_once(&self, at: u16) -> bool {
        self.written[usize::from(at)] == 1
    }
}

/// Joins dense steps with the ReLU, and with the conversion to bytes, that alone read what they write.
pub(super) fn join(drafts: &mut Vec<Draft>, buffers: &[(ElementType, u32)], outputs: &[u16]) {
    let uses = Uses::of(drafts, buffers.len(), outputs);
    let mut gone = vec![false; drafts.len()];
    for at in 0..drafts.len() {
        let (head, tail) = drafts.split_at_mut(at + 1);
        let Some(Draft::Dense {
            output,
            nest,
            relu,
            bytes,
            ..
        }) = head.last_mut()
        else {
            continue;
        };
        if !uses.private(*output) {
            continue;
        }
        let len = |at: u16| buffers[usize::from(at)].1;
        for (next, draft) in tail.iter().enumerate() {
            match draft {
                Draft::Float(
                    step @ Step::Tensor {
                        left,
                        output: to,
                        nest: own,
                        ..
                    },
                    weights,
                ) if left == output => {
                    let is_relu = matches!(
                        step,
                        Step::Tensor {
                            operation: TensorOperation::Clip,
                            ..
                        }
                    ) && clips_below_zero(weights);
                    let fits = len(*to) == len(*output) && straight(own, len(*to));
                    if *relu || !is_relu || !fits || !uses.written_once(*to) {
                        break;
                    }
                    (*output, *relu) = (*to, true);
                    gone[at + 1 + next] = true;
                    if !uses.private(*output) {
                        break;
                    }
                }
                Draft::Quantise {
                    input,
                    output: to,
                    nest: own,
                    codes,
                } if input == output => {
                    let split = nest.axes.len() - usize::from(nest.inner);
                    let outer = &nest.axes[..split];
                    let Some((last, positions)) = outer.split_last() else {
                        break;
                    };
                    let width = codes.constants.len();
                    let evenly = |axis: &Axis| {
                        axis.count == 1
                            || (axis.output.unsigned_abs() as usize).is_multiple_of(width)
                    };
                    let all = outer
                        .iter()
                        .map(|axis| u64::from(axis.count))
                        .product::<u64>();
                    let single = codes.constants.iter().all(|c| *c == codes.constants[0]);
                    // Codes of each unit need the width's units one behind the other.
                    let each = last.count as usize == width
                        && last.output == 1
                        && nest.start[2] == 0
                        && positions.iter().all(evenly);
                    let fits = (single || each)
                        && all == u64::from(len(*output))
                        && len(*to) == len(*output)
                        && straight(own, len(*to))
                        && codes.constants.iter().all(|(_, offset)| *offset == 0.0);
                    if fits {
                        let each = codes.constants.iter().map(|c| c.0).cycle();
                        *bytes = Some(ToBytes {
                            factors: each.take(last.count as usize).collect(),
                            zero: codes.zero,
                            low: if *relu { codes.zero } else { 0 },
                            high: codes.high,
                        });
                        (*output, *relu) = (*to, false);
                        gone[at + 1 + next] = true;
                    }
                    break;
                }
                _ => {}
            }
        }
    }
    let mut gone = gone.into_iter();
    drafts.retain(|_| !gone.next().unwrap_or(false));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::graph::quantise::ByteCodes;

    fn nest(axes: &[(u32, i32, i32)]) -> Nest {
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
            inner: 0,
            start: [0; 3],
            axes: all,
        }
    }

    fn drafts(offset: f32) -> Vec<Draft> {
        let clip = Step::Tensor {
            operation: TensorOperation::Clip,
            left: 1,
            right: 1,
            output: 2,
            weights: 0,
            size: 0,
            nest: nest(&[(12, 1, 1)]),
        };
        let parameters = [0.0, f32::MAX].iter().flat_map(|x| x.to_le_bytes());
        let mut dense = nest(&[(3, 8, 4), (4, 0, 1), (8, 1, 0)]);
        dense.inner = 1;
        vec![
            Draft::Dense {
                input: 3,
                output: 1,
                nest: dense,
                layer: 0,
                order: Vec::new(),
                relu: false,
                bytes: None,
            },
            Draft::Float(clip, parameters.collect()),
            Draft::Quantise {
                input: 2,
                output: 4,
                nest: nest(&[(3, 4, 4), (4, 1, 1)]),
                codes: ByteCodes {
                    constants: vec![(2.0, offset); 4],
                    zero: 3,
                    high: 127,
                },
            },
        ]
    }

    const BUFFERS: [(ElementType, u32); 5] = [
        (ElementType::F32, 24),
        (ElementType::F32, 12),
        (ElementType::F32, 12),
        (ElementType::Bytes, 24),
        (ElementType::Bytes, 12),
    ];

    /// The first step: where it writes to, its bytes, and whether it has a ReLU.
    fn dense(all: &[Draft]) -> (u16, &Option<ToBytes>, bool) {
        let Draft::Dense {
            output,
            bytes,
            relu,
            ..
        } = &all[0]
        else {
            unreachable!("a dense step: {all:?}");
        };
        (*output, bytes, *relu)
    }

    #[test]
    fn a_relu_and_the_next_bytes_are_part_of_the_step() {
        let mut all = drafts(0.0);
        join(&mut all, &BUFFERS, &[0]);
        assert_eq!(all.len(), 1);
        let expected = ToBytes {
            factors: vec![2.0; 4],
            zero: 3,
            low: 3,
            high: 127,
        };
        assert_eq!(dense(&all), (4, &Some(expected), false));
    }

    #[test]
    fn bytes_with_another_zero_stay_a_step() {
        let mut all = drafts(1.0);
        join(&mut all, &BUFFERS, &[0]);
        assert!(matches!(all[1..], [Draft::Quantise { .. }]), "{all:?}");
        assert_eq!(dense(&all), (2, &None, true));
    }

    #[test]
    fn what_others_read_stays_as_it_is() {
        let mut all = drafts(0.0);
        join(&mut all, &BUFFERS, &[1]);
        assert_eq!(all.len(), 3);
    }
}

//! The first layer of a model, group of features by group: what contributions join instead of running
//! whole rows. Of a dense layer these are integer sums, which are added; of a forest the leaves that
//! remain, which are joined by AND. Both are exact and may be joined in any order.

use crate::error::Result;
use crate::kernels::arch::fp_state::DefaultFpState;
use crate::kernels::{Kernels, LANES, Shape, add, and};
use crate::plan::program::{Model, Step};
use crate::plan::trees::{Cuts, Table};
use crate::plan::{Arena, Call, Executable, Operation, run_calls};

/// How the first layer of a model is taken apart.
#[derive(Debug)]
pub(super) enum Partial {
    /// It is not.
    None,
    /// Sums of the second step, which is linear in what the first one writes.
    Sums,
    /// Leaves of a forest over ranks.
    Leaves(Cuts),
}

/// What there is to join.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Partials {
    /// Words of one row.
    pub len: usize,
    /// Whether they are bits and not sums: then a group joins whatever its features are, and sums only
    /// where these differ from the reference.
    pub bits: bool,
}

impl Partials {
    /// Joins two.
    pub fn join(self, a: &[i32], b: &[i32], joined: &mut [i32]) {
        if self.bits {
            and(a, b, joined);
        } else {
            add(a, b, joined);
        }
    }
}

/// Rows whose partial results are asked for.
#[derive(Clone, Copy)]
pub(crate) struct PartialRows<'a> {
    /// The group of each row: of bits, its features are the ones that count.
    pub groups: &'a [u16],
    /// The group of each feature.
    pub owners: &'a [u16],
}

impl Partial {
    pub fn new(model: &Model, calls: &[Call], weights: &[u8]) -> Self {
        let [first, second, rest @ ..] = model.steps.as_slice() else {
            return Self::None;
        };
        let spent = [first.input(), first.output()];
        let alone = model.inputs.len() == 1
            && first.input() == model.inputs[0].buffer
            && second.input() == first.output()
            && rest
                .iter()
                .flat_map(Step::inputs)
                .all(|at| !spent.contains(&at))
            && model
                .outputs
                .iter()
                .all(|port| !spent.contains(&port.buffer));
        if !alone {
            return Self::None;
        }
        match (&calls[0].operation, &calls[1].operation) {
            (Operation::Quantise, _) if !matches!(second, Step::DenseFloat { .. }) => Self::Sums,
            (
                Operation::Table(Table::Ranks(slots), _),
                Operation::Table(Table::Trees(trees), _),
            ) if cfg!(feature = "trees") => {
                Cuts::new(slots, trees, &weights[calls[1].weights.clone()])
                    .map_or(Self::None, Self::Leaves)
            }
            _ => Self::None,
        }
    }
}

impl Executable {
    /// How the first layer of model `index` comes in parts, where it does: then parts can be joined,
    /// exactly, and [`Self::run_joined`] goes on from there.
    pub(crate) fn partials(&self, index: usize) -> Option<Partials> {
        let model = self.models.get(index)?;
        let (len, bits) = match &model.partial {
            Partial::None => return None,
            Partial::Sums => (model.calls[1].shape.outputs.next_multiple_of(LANES), false),
            Partial::Leaves(cuts) => (cuts.len, true),
        };
        Some(Partials { len, bits })
    }

    /// Writes the parts of the first rows of `arena`, whose inputs the caller has written: as many rows
    /// as have a group.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) where there is no such model.
    pub(crate) fn run_partials(
        &self,
        index: usize,
        kernels: &Kernels,
        weights: &[u8],
        rows: PartialRows<'_>,
        arena: &mut Arena,
        out: &mut [i32],
    ) -> Result<()> {
        let _state = DefaultFpState::enter();
        let model = self.prepared(index)?;
        let (first, second) = (&model.calls[..1], &model.calls[1]);
        let count = rows.groups.len();
        run_calls(first, kernels, weights, count, arena);
        let (input, _) = arena.two(&second.input, &second.output);
        match &model.partial {
            Partial::Sums => {
                let shape = Shape {
                    output_stride: second.shape.outputs.next_multiple_of(LANES),
                    ..second.shape.of(count)
                };
                (kernels.sums)(shape, &weights[second.weights.clone()], input, out);
            }
            Partial::Leaves(cuts) if cfg!(feature = "trees") => {
                let ranks: &[u16] = bytemuck::cast_slice(input);
                let ranks = ranks.chunks(second.shape.input_stride);
                for ((words, ranks), group) in out.chunks_mut(cuts.len).zip(ranks).zip(rows.groups)
                {
                    cuts.remaining(ranks, |feature| rows.owners[feature] == *group, words);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Runs model `index` from joined parts on, row behind row.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) where there is no such model.
    pub(crate) fn run_joined(
        &self,
        index: usize,
        kernels: &Kernels,
        weights: &[u8],
        rows: usize,
        joined: &[i32],
        arena: &mut Arena,
    ) -> Result<()> {
        let _state = DefaultFpState::enter();
        let Some(partials) = self.partials(index) else {
            return Ok(());
        };
        let calls = &self.prepared(index)?.calls;
        let first = &calls[1];
        let own = &weights[first.weights.clone()];
        let (_, output) = arena.two(&first.input, &first.output);
        let shape = Shape {
            input_stride: partials.len,
            ..first.shape.of(rows)
        };
        match &first.operation {
            Operation::DenseU8(to) => (kernels.requantise)(shape, own, joined, *to, output),
            Operation::DenseF32 { relu } => {
                let output = bytemuck::cast_slice_mut(output);
                (kernels.dequantise)(shape, own, joined, *relu, output);
            }
            Operation::Table(Table::Trees(trees), _) if cfg!(feature = "trees") => {
                trees.sum_remaining(shape, own, joined, output);
            }
            // These have no parts.
            _ => {}
        }
        run_calls(&calls[2..], kernels, weights, rows, arena);
        Ok(())
    }
}

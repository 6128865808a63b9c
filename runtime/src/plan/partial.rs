//! A model as explanations evaluate it, for many sets of groups of features. Two things need not be done
//! again for each set. A first layer comes in parts, group of features by group: of a dense layer these
//! are integer sums, which are added; of a forest the leaves that remain, which are joined by AND. Both
//! are exact and may be joined in any order. And what depends on one group alone is computed once for
//! each part of that group: [`stages`](super::stages) finds it.

use std::ops::Range;

use crate::error::Result;
use crate::kernels::arch::fp_state::DefaultFpState;
use crate::kernels::{Kernels, LANES, Shape, add, and};
use crate::memory::Line;
use crate::plan::program::{Model, Step};
use crate::plan::stages::{STAGED, Stage, Stages, masks};
use crate::plan::trees::{Cuts, Table};
use crate::plan::{Arena, Call, Executable, Operation, Port, run_calls};
use crate::schema::MAX_GROUPS;

/// A model in parts.
#[derive(Debug)]
pub(crate) struct Partials {
    /// Which of the plan's models it is.
    model: usize,
    /// First layers that come in parts: one, or one for each member of a blend.
    seams: Vec<Seam>,
    /// What is run for each evaluation, and what once for each part of a group.
    stages: Stages,
    /// Words of one row's parts.
    pub len: usize,
    /// Whether some of them are bits and not sums: then a group joins whatever its features are, and
    /// sums only where these differ from the reference.
    pub bits: bool,
    /// Multiply-adds of all that is done for one group's masks or for the parts, and those of one
    /// evaluation.
    work: [u64; 2],
}

/// A first layer: a step that reads features, and one that alone reads what the first one writes.
#[derive(Debug)]
pub(super) struct Seam {
    pub first: usize,
    pub second: usize,
    /// Its words among a row's.
    words: Range<usize>,
    /// Of a forest over ranks, its cuts; else its words are sums of the second step, which is linear in
    /// what the first one writes.
    leaves: Option<Cuts>,
}

/// Rows whose partial results are asked for.
#[derive(Clone, Copy)]
pub(crate) struct PartialRows<'a> {
    /// The group of each row: of bits, its features are the ones that count.
    pub groups: &'a [u16],
    /// The group of each feature.
    pub owners: &'a [u16],
}

/// For each group, which of its fields come from the application.
pub(crate) type Masks = [u16; MAX_GROUPS];

/// What rows of evaluations go on from.
#[derive(Clone, Copy)]
pub(crate) struct JoinedRows<'a> {
    /// Which fields each row has from the application.
    pub masks: &'a [Masks],
    /// Joined parts, row behind row.
    pub words: &'a [i32],
    /// What [`Executable::keep`] has kept.
    pub kept: &'a [Line],
}

impl Seam {
    /// Those of a model, in its order.
    fn all(model: &Model, calls: &[Call], weights: &[u8]) -> Vec<Self> {
        let steps = 1..model.steps.len();
        let seams = steps.filter_map(|second| Self::at(second, model, calls, weights));
        seams.collect()
    }

    /// The one whose second step this is.
    fn at(second: usize, model: &Model, calls: &[Call], weights: &[u8]) -> Option<Self> {
        let between = model.steps[second].input();
        let writes = |buffer| move |step: &Step| step.output() == buffer;
        let first = model.steps[..second].iter().rposition(writes(between))?;
        let source = model.steps[first].input();
        let port = |ports: &[Port], buffer| ports.iter().any(|port| port.buffer == buffer);
        let count = |of: &dyn Fn(&Step) -> bool| model.steps.iter().filter(|step| of(step)).count();
        // The first step reads features as given; what it writes is all of a buffer's history.
        let alone = port(&model.inputs, source)
            && !model.steps[..first].iter().any(writes(source))
            && !port(&model.inputs, between)
            && !port(&model.outputs, between)
            && count(&writes(between)) == 1
            && count(&|step| step.inputs().contains(&between)) == 1;
        if !alone {
            return None;
        }
        let sums = calls[second].shape.outputs.next_multiple_of(LANES);
        let (leaves, len) = match (&calls[first].operation, &calls[second].operation) {
            (Operation::Quantise, Operation::DenseU8(_) | Operation::DenseF32 { .. }) => {
                (None, sums)
            }
            (
                Operation::Table(Table::Ranks(slots), _),
                Operation::Table(Table::Trees(trees), _),
            ) if cfg!(feature = "trees") => {
                let weights = &weights[calls[second].weights.clone()];
                let cuts = Cuts::new(slots, trees, weights)?;
                let len = cuts.len;
                (Some(cuts), len)
            }
            _ => return None,
        };
        Some(Self {
            first,
            second,
            words: 0..len,
            leaves,
        })
    }
}

impl Partials {
    /// Joins the parts of two.
    pub fn join(&self, a: &[i32], b: &[i32], joined: &mut [i32]) {
        for seam in &self.seams {
            let words = seam.words.clone();
            let join = if seam.leaves.is_some() { and } else { add };
            join(&a[words.clone()], &b[words.clone()], &mut joined[words]);
        }
    }

    /// Makes of sums what they change in those of the first row, which is of no group.
    pub fn changes(&self, parts: &mut [i32]) {
        let (reference, parts) = parts.split_at_mut(self.len);
        for seam in self.seams.iter().filter(|seam| seam.leaves.is_none()) {
            let reference = &reference[seam.words.clone()];
            for part in parts.chunks_exact_mut(self.len) {
                for (change, reference) in part[seam.words.clone()].iter_mut().zip(reference) {
                    *change = change.wrapping_sub(*reference);
                }
            }
        }
    }

    /// Whether evaluations read this feature beyond the parts.
    pub fn reads(&self, feature: usize) -> bool {
        STAGED && self.stages.reads.get(feature).is_some_and(|reads| *reads)
    }

    /// Lines of 64 bytes that values take which depend on one group alone.
    pub fn lines(&self) -> usize {
        self.stages.lines
    }

    /// Whether there is anything to keep of a group.
    pub fn keeps(&self, group: usize) -> bool {
        STAGED
            && self
                .stages
                .passes
                .get(group)
                .is_some_and(|pass| !pass.is_empty())
    }

    /// Multiply-adds of an explanation of so many evaluations.
    pub fn work(&self, evaluations: usize) -> u64 {
        self.work[0].saturating_add(self.work[1].saturating_mul(evaluations as u64))
    }
}

impl Executable {
    /// Model `index` in parts. `owners` has the group of each feature, `fields` how many fields each
    /// group has, `wanted` the outputs that the score is made of; a row has at most `limit` words of
    /// parts. None where a runtime of chains finds no first layer.
    pub(crate) fn partials(
        &self,
        index: usize,
        weights: &[u8],
        owners: &[u16],
        fields: &[usize],
        wanted: &[u16],
        limit: usize,
    ) -> Option<Partials> {
        let (model, calls) = (self.plan.models.get(index)?, &self.models.get(index)?.calls);
        let mut seams = Seam::all(model, calls, weights);
        let mut room = limit;
        seams.retain(|seam| {
            let left = room.checked_sub(seam.words.len());
            room = left.unwrap_or(room);
            left.is_some()
        });
        let stages = if STAGED {
            Stages::new(model, &mut seams, owners, fields, wanted)?
        } else {
            seams.truncate(1);
            let [
                Seam {
                    first: 0,
                    second: 1,
                    ..
                },
            ] = seams[..]
            else {
                return None;
            };
            Stages::chain(model)?
        };
        let mut len = 0;
        for seam in &mut seams {
            seam.words = len..len + seam.words.len();
            len = seam.words.end;
        }
        let mut partials = Partials {
            model: index,
            len,
            bits: seams.iter().any(|seam| seam.leaves.is_some()),
            seams,
            stages,
            work: [0; 2],
        };
        let cost = |stage: &Stage| match *stage {
            Stage::Run(at) => calls[usize::from(at)].cost,
            Stage::Join(at) => {
                // Joined by two operations a word on average, then finished.
                partials.seams[usize::from(at)].words.len() as u64 * 3
            }
            Stage::Kept(_) => 0,
        };
        let rows: usize = fields.iter().map(|&fields| masks(fields)).sum();
        let parts = partials.seams.iter();
        let parts: u64 = parts
            .map(|seam| calls[seam.first].cost + calls[seam.second].cost)
            .sum();
        let passes = partials.stages.passes.iter().zip(fields);
        let kept = passes.fold(0, |all: u64, (pass, &fields)| {
            let pass: u64 = pass.iter().map(cost).sum();
            all.saturating_add(pass.saturating_mul(masks(fields) as u64))
        });
        let once = parts.saturating_mul(rows as u64 + 1).saturating_add(kept);
        let each = partials.stages.walk.iter().map(cost).sum();
        partials.work = [once, each];
        Some(partials)
    }

    /// Runs what depends on one group alone on the first `rows` rows of `arena`, whose features of that
    /// group the caller has written, and keeps what evaluations read of it: `first` is the mask of the
    /// first row, and the others are those that follow.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) where there is no such model.
    pub(crate) fn keep(
        &self,
        kernels: &Kernels,
        weights: &[u8],
        (partials, group): (&Partials, usize),
        (first, rows): (usize, usize),
        arena: &mut Arena,
        kept: &mut [Line],
    ) -> Result<()> {
        let _state = DefaultFpState::enter();
        let calls = &self.prepared(partials.model)?.calls;
        let stages = &partials.stages;
        for stage in stages.passes.get(group).into_iter().flatten() {
            match *stage {
                Stage::Kept(value) => {
                    stages.kept[usize::from(value)].keep(first, rows, arena, kept);
                }
                Stage::Run(at) | Stage::Join(at) => {
                    let call = &calls[usize::from(at)..][..1];
                    run_calls(call, kernels, weights, rows, arena);
                }
            }
        }
        Ok(())
    }

    /// Writes the parts of the first rows of `arena`, whose inputs the caller has written: as many rows
    /// as have a group.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) where there is no such model.
    pub(crate) fn run_partials(
        &self,
        kernels: &Kernels,
        weights: &[u8],
        partials: &Partials,
        rows: PartialRows<'_>,
        arena: &mut Arena,
        out: &mut [i32],
    ) -> Result<()> {
        let _state = DefaultFpState::enter();
        let model = self.prepared(partials.model)?;
        let count = rows.groups.len();
        for seam in &partials.seams {
            let second = &model.calls[seam.second];
            run_calls(
                &model.calls[seam.first..=seam.first],
                kernels,
                weights,
                count,
                arena,
            );
            let (input, _) = arena.two(&second.input, &second.output);
            match &seam.leaves {
                None => {
                    let shape = Shape {
                        output_stride: partials.len,
                        ..second.shape.of(count)
                    };
                    let out = &mut out[seam.words.start..];
                    (kernels.sums)(shape, &weights[second.weights.clone()], input, out);
                }
                Some(cuts) if cfg!(feature = "trees") => {
                    let ranks: &[u16] = bytemuck::cast_slice(input);
                    let ranks = ranks.chunks(second.shape.input_stride);
                    let out = out.chunks_mut(partials.len);
                    for ((words, ranks), group) in out.zip(ranks).zip(rows.groups) {
                        let words = &mut words[seam.words.clone()];
                        cuts.remaining(ranks, |feature| rows.owners[feature] == *group, words);
                    }
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Runs what is left of a model for some evaluations: as many rows as have masks, whose
    /// features that [`Partials::reads`] the caller has written.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) where there is no such model.
    pub(crate) fn run_joined(
        &self,
        kernels: &Kernels,
        weights: &[u8],
        partials: &Partials,
        rows: JoinedRows<'_>,
        arena: &mut Arena,
    ) -> Result<()> {
        let _state = DefaultFpState::enter();
        let calls = &self.prepared(partials.model)?.calls;
        let count = rows.masks.len();
        for stage in &partials.stages.walk {
            let seam = match *stage {
                Stage::Run(at) => {
                    let call = &calls[usize::from(at)..][..1];
                    run_calls(call, kernels, weights, count, arena);
                    continue;
                }
                Stage::Kept(value) if STAGED => {
                    let value = &partials.stages.kept[usize::from(value)];
                    for (row, masks) in rows.masks.iter().enumerate() {
                        value.bring(masks[value.group].into(), row, arena, rows.kept);
                    }
                    continue;
                }
                Stage::Kept(_) => continue,
                Stage::Join(at) => &partials.seams[usize::from(at)],
            };
            let second = &calls[seam.second];
            let own = &weights[second.weights.clone()];
            let (_, output) = arena.two(&second.input, &second.output);
            let shape = Shape {
                input_stride: partials.len,
                ..second.shape.of(count)
            };
            let joined = &rows.words[seam.words.start..];
            match &second.operation {
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
        }
        Ok(())
    }
}

//! Which of a model's steps depend on which groups of features. What depends on one group alone, as an
//! encoder of a table of rows does, is computed once for each part of that group and kept; for each
//! of an explanation's many sets of groups only the rest is run. What the score is not made of is left out.

#[cfg(all(test, feature = "tensors"))]
mod tests;

use std::ops::Range;

use crate::memory::{LINE, Line};
use crate::plan::arena::{Arena, Place};
use crate::plan::operation::TensorOperation;
use crate::plan::partial::Seam;
use crate::plan::program::{Buffer, CONSTANT, Model, Step};

/// Whether this runtime looks for what depends on one group alone: chains of dense layers and single
/// forests have nothing of the kind.
pub(crate) const STAGED: bool = cfg!(any(feature = "outputs", feature = "tensors"));

/// What is done at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is run.
    Run(u16),
    /// The seam that ends there writes what its joined parts are.
    Join(u16),
    /// What was kept of the value that is complete there comes back; or, once for each part of a group,
    /// is kept.
    Kept(u16),
}

/// A value that depends on at most one group, and that is read for every evaluation.
#[derive(Debug)]
pub(super) struct Kept {
    pub place: Place,
    pub group: usize,
    /// Where the values of the group's masks start, in lines of 64 bytes.
    pub start: usize,
}

/// How a model is evaluated for many sets of groups.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    /// For each evaluation.
    pub(super) walk: Vec<Stage>,
    /// For each group, once for each mask of its fields.
    pub(super) passes: Vec<Vec<Stage>>,
    pub(super) kept: Vec<Kept>,
    /// Lines of 64 bytes that all kept values take.
    pub lines: usize,
    /// For each feature, whether the walk reads it.
    pub reads: Vec<bool>,
}

/// A value from its first write to its last: of a buffer until a step writes all of it again.
#[derive(Debug, Clone, Copy)]
struct Life {
    buffer: u16,
    /// The last step that writes to it; none where it is an input as given.
    last: Option<usize>,
    /// The groups that it depends on, as bits.
    groups: u16,
    /// Whether it is written for each evaluation.
    active: bool,
    /// Whether anything reads it that counts.
    wanted: bool,
}

/// What a step reads of a life: its elements.
type Reading = (usize, Range<usize>);

/// What is known of a step.
#[derive(Debug)]
struct Known {
    reads: [Option<Reading>; 2],
    writes: usize,
    groups: u16,
    /// Whether the score needs it.
    live: bool,
}

/// What a group of so many fields, each there or not, can be.
pub(crate) const fn masks(fields: usize) -> usize {
    1 << fields
}

impl Stages {
    /// Of a model of one first layer in parts and a chain behind it; none where that needs features.
    pub fn chain(model: &Model) -> Option<Self> {
        let input = model.inputs.first()?.buffer;
        let rest = model.steps.get(2..)?;
        if rest.iter().any(|step| step.input() == input) {
            return None;
        }
        let rest = (2..model.steps.len()).map(|step| Stage::Run(step as u16));
        Some(Self {
            walk: [Stage::Join(0)].into_iter().chain(rest).collect(),
            ..Self::default()
        })
    }

    /// Of any model. `owners` has the group of each feature, `fields` how many fields each group has,
    /// `wanted` the outputs that the score is made of; seams that are of no use here are taken out.
    pub fn new(
        model: &Model,
        seams: &mut Vec<Seam>,
        owners: &[u16],
        fields: &[usize],
        wanted: &[u16],
    ) -> Option<Self> {
        let mut graph = Graph::new(model, owners)?;
        graph.want(model, wanted)?;
        graph.activate();
        seams.retain(|seam| {
            let known = &graph.steps[seam.second];
            known.live && graph.lives[known.writes].active
        });
        graph.stages(model, seams, fields)
    }
}

/// The steps of a model and the values between them.
struct Graph {
    steps: Vec<Known>,
    /// The inputs' first.
    lives: Vec<Life>,
    /// For each buffer the value that it has at the end.
    current: Vec<Option<usize>>,
    /// The values that the score is made of.
    results: Vec<usize>,
}

/// The words of four bytes of a row's arena that elements of a buffer lie in.
fn words(buffer: &Buffer, elements: &Range<usize>) -> Range<usize> {
    let (at, size) = (buffer.offset as usize, buffer.element.size());
    (at + elements.start * size) / 4..(at + elements.end * size).div_ceil(4)
}

/// The elements between the first and the last that one operand of a step reaches.
fn reached(step: &Step, operand: usize, buffer: &Buffer) -> Range<usize> {
    let Some(nest) = step.nest() else {
        return 0..buffer.len as usize;
    };
    // Validation holds them inside the buffer.
    let (low, high) = nest.reach(operand);
    low as usize..high as usize + 1
}

/// How many elements of its output a step writes.
fn written(step: &Step, output: &Buffer) -> usize {
    let Some(nest) = step.nest() else {
        return output.len as usize;
    };
    let axes = nest.axes.iter().filter(|axis| axis.output != 0);
    axes.map(|axis| axis.count as usize).product()
}

/// Whether it makes more than one.
const fn several(groups: u16) -> bool {
    groups.count_ones() > 1
}

impl Graph {
    /// Follows the groups through all steps. An operand is taken to be all that lies between the first
    /// and the last element that it reaches.
    fn new(model: &Model, owners: &[u16]) -> Option<Self> {
        let mut lives = Vec::with_capacity(model.inputs.len() + model.steps.len());
        let mut current = vec![None; model.buffers.len()];
        let mut groups = vec![0u16; model.arena_bytes as usize / 4 + 1];
        let mut owners = owners.iter();
        for port in &model.inputs {
            let buffer = model.buffers.get(usize::from(port.buffer))?;
            current[usize::from(port.buffer)] = Some(lives.len());
            for (at, owner) in (0..buffer.len as usize).zip(&mut owners) {
                let own = 1u16.checked_shl((*owner).into()).unwrap_or(u16::MAX);
                for word in &mut groups[words(buffer, &(at..at + 1))] {
                    *word |= own;
                }
            }
            lives.push(Life {
                buffer: port.buffer,
                last: None,
                groups: 0,
                active: true,
                wanted: false,
            });
        }
        let mut steps = Vec::with_capacity(model.steps.len());
        for (at, step) in model.steps.iter().enumerate() {
            let mut known = Known {
                reads: [None, None],
                writes: 0,
                groups: 0,
                live: false,
            };
            // Of two operands, the right one may be a constant, and the left one of no account.
            let ignored = matches!(
                step,
                Step::Tensor {
                    operation: TensorOperation::Right,
                    ..
                }
            );
            let [left, right] = step.inputs();
            let two = !matches!(step, Step::Tensor { right, .. } if *right == CONSTANT);
            for (operand, index, counts) in [(0, left, !ignored), (1, right, two)] {
                let index = usize::from(index);
                let buffer = model.buffers.get(index)?;
                if !counts || (operand == 1 && step.nest().is_none()) {
                    continue;
                }
                let own = reached(step, operand, buffer);
                let all = groups[words(buffer, &own)].iter();
                known.groups |= all.fold(0, |all, word| all | word);
                known.reads[operand] = Some((current[index]?, own));
            }
            let index = usize::from(step.output());
            let buffer = model.buffers.get(index)?;
            let own = reached(step, 2, buffer);
            let count = written(step, buffer);
            let all = count == buffer.len as usize;
            if all {
                current[index] = Some(lives.len());
                lives.push(Life {
                    buffer: step.output(),
                    last: None,
                    groups: 0,
                    active: false,
                    wanted: false,
                });
            }
            // What lies between the places written, and in the same word, keeps what it depended on.
            let whole = all || count == own.len() && buffer.element.size() >= 4;
            let keep = if whole { 0 } else { u16::MAX };
            for word in &mut groups[words(buffer, &own)] {
                *word = *word & keep | known.groups;
            }
            known.writes = current[index]?;
            let life = &mut lives[known.writes];
            life.last = Some(at);
            life.groups |= known.groups;
            steps.push(known);
        }
        Some(Self {
            steps,
            lives,
            current,
            results: Vec::new(),
        })
    }

    /// Finds the steps that the outputs need.
    fn want(&mut self, model: &Model, wanted: &[u16]) -> Option<()> {
        for &output in wanted {
            let port = model.outputs.get(usize::from(output))?;
            let life = self.current[usize::from(port.buffer)]?;
            self.lives[life].wanted = true;
            self.results.push(life);
        }
        for step in self.steps.iter_mut().rev() {
            step.live = self.lives[step.writes].wanted;
            for (life, _) in step.reads.iter().flatten().filter(|_| step.live) {
                self.lives[*life].wanted = true;
            }
        }
        Some(())
    }

    /// Finds the values that have to be written for each evaluation: those of several groups, and those
    /// that a step which is run for each reads before they are complete.
    fn activate(&mut self) {
        for life in &mut self.lives {
            life.active |= several(life.groups);
        }
        loop {
            let mut again = false;
            for (at, step) in self.steps.iter().enumerate().rev() {
                if !step.live || !self.lives[step.writes].active {
                    continue;
                }
                for (life, _) in step.reads.iter().flatten() {
                    let life = &mut self.lives[*life];
                    if !life.active && life.last.is_some_and(|last| last >= at) {
                        life.active = true;
                        again = true;
                    }
                }
            }
            if !again {
                return;
            }
        }
    }

    /// What is run when.
    fn stages(&self, model: &Model, seams: &[Seam], fields: &[usize]) -> Option<Stages> {
        let mut stages = Stages {
            passes: vec![Vec::new(); fields.len()],
            ..Stages::default()
        };
        let inputs = &self.lives[..model.inputs.len()];
        // For each value, whether the walk reads it.
        let mut read = vec![false; self.lives.len()];
        let mut reads = vec![Vec::new(); inputs.len()];
        for (port, life) in inputs.iter().enumerate() {
            let len = model.buffers[usize::from(life.buffer)].len as usize;
            // A result, or written to in part: all of it.
            let whole = life.last.is_some() || self.results.contains(&port);
            reads[port] = vec![whole; len];
        }
        let first = |at: usize| seams.iter().any(|seam| seam.first == at);
        let second = |at: usize| seams.iter().position(|seam| seam.second == at);
        let active = |at: usize| self.steps[at].live && self.lives[self.steps[at].writes].active;
        for at in (0..self.steps.len()).filter(|&at| active(at)) {
            if first(at) || second(at).is_some() {
                continue;
            }
            for (life, elements) in self.steps[at].reads.iter().flatten() {
                read[*life] = true;
                if let Some(port) = reads.get_mut(*life) {
                    port[elements.clone()].fill(true);
                }
            }
        }
        stages.reads = reads.concat();
        for &life in &self.results {
            read[life] = true;
        }
        let mut wanted = vec![vec![]; fields.len()];
        for at in 0..self.steps.len() {
            let life = self.steps[at].writes;
            let Life { last, groups, .. } = self.lives[life];
            if active(at) {
                match second(at) {
                    Some(seam) => stages.walk.push(Stage::Join(seam as u16)),
                    None if first(at) => {}
                    None => stages.walk.push(Stage::Run(at as u16)),
                }
            } else if read[life] && last == Some(at) && !self.lives[life].active {
                // Of no group: as good as of the first.
                let group = groups.trailing_zeros() as usize % 16;
                let place = Place::of(&model.buffers[usize::from(self.lives[life].buffer)]);
                wanted.get_mut(group)?.push(life);
                stages.walk.push(Stage::Kept(stages.kept.len() as u16));
                let lines = place.lines() * masks(*fields.get(group)?);
                stages.kept.push(Kept {
                    place,
                    group,
                    start: stages.lines,
                });
                stages.lines = stages.lines.checked_add(lines)?;
            }
        }
        for (group, wanted) in wanted.iter().enumerate() {
            stages.passes[group] = self.pass(group, wanted, &stages);
        }
        Some(stages)
    }

    /// The steps that values of one group need, and where these are to be kept.
    fn pass(&self, group: usize, wanted: &[usize], stages: &Stages) -> Vec<Stage> {
        let mut needed = vec![false; self.lives.len()];
        wanted.iter().for_each(|&life| needed[life] = true);
        let mut pass = Vec::new();
        for (at, step) in self.steps.iter().enumerate().rev() {
            let life = step.writes;
            let complete = self.lives[life].last == Some(at);
            if let Some(of) = wanted.iter().position(|&of| of == life && complete) {
                let own = stages.kept.iter().enumerate();
                let mut own = own.filter(|(_, kept)| kept.group == group);
                pass.extend(own.nth(of).map(|(kept, _)| Stage::Kept(kept as u16)));
            }
            if needed[life] && step.groups & !(1 << group) == 0 {
                pass.push(Stage::Run(at as u16));
                for (life, _) in step.reads.iter().flatten() {
                    needed[*life] = true;
                }
            }
        }
        pass.reverse();
        pass
    }
}

impl Kept {
    /// Where one of the group's masks has its value.
    fn lines(&self, mask: usize) -> Range<usize> {
        let lines = self.place.lines();
        let start = self.start + mask * lines;
        start..start + lines
    }

    /// Keeps the values of rows of the arena, whose masks are `first` and those that follow.
    pub fn keep(&self, first: usize, rows: usize, arena: &mut Arena, kept: &mut [Line]) {
        for row in 0..rows {
            kept[self.lines(first + row)].copy_from_slice(arena.row(&self.place, row));
        }
    }

    /// Brings the value of a mask back to a row.
    pub fn bring(&self, mask: usize, row: usize, arena: &mut Arena, kept: &[Line]) {
        arena
            .row(&self.place, row)
            .copy_from_slice(&kept[self.lines(mask)]);
    }
}

/// How many lines of 64 bytes there may be of kept values.
pub(crate) const MAX_LINES: usize = (1 << 22) / LINE;

//! The many evaluations that contributions need: which features each one reads, and what comes
//! out.
#![forbid(unsafe_code)]

use std::ops::Range;
use std::sync::Arc;

use crate::decide::contribution::{FieldMasks, Layout, attribute};
use crate::decide::{
    DecideParts, Decision, Flags, Outcome, Reasons, Record, restore, round_points,
};
use crate::engine::{Engine, Memory};
use crate::error::{Error, Result};
use crate::kernels::add;
use crate::memory::wipe;
use crate::plan::MAX_ROWS;
use crate::schema::transform::Transforms;
use crate::schema::{FieldSet, Schema, in_order, resolve};

/// A decision with contributions and reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The decision, the same as [`Scorer::score`](crate::Scorer::score) gives.
    pub decision: Decision,
    /// The reference applicant's score.
    pub reference_score: i32,
    /// Points for each group, in the schema's order: they sum to score minus reference score.
    pub groups: Vec<i32>,
    /// Points for each field, in the schema's order: a group's fields sum to the group.
    pub fields: Vec<i32>,
    /// The reasons, most important first.
    pub reasons: Reasons,
}

impl Explanation {
    /// An explanation of nothing, to be filled in by
    /// [`Scorer::explain_into`](crate::Scorer::explain_into).
    pub fn empty(bundle_id: [u8; 32]) -> Self {
        Self {
            decision: Decision {
                score: 0,
                probability_ppm: 0,
                outcome: Outcome::Refer,
                flags: Flags::default(),
                missing: FieldSet::default(),
                out_of_range: FieldSet::default(),
                unlisted: FieldSet::default(),
                referred: FieldSet::default(),
                fired: 0,
                bundle_id,
            },
            reference_score: 0,
            groups: Vec::new(),
            fields: Vec::new(),
            reasons: Reasons::default(),
        }
    }

    pub(crate) fn for_record(&self) -> crate::decide::Explained<'_> {
        crate::decide::Explained {
            reference_score: self.reference_score,
            groups: &self.groups,
            fields: &self.fields,
            reasons: &self.reasons,
        }
    }
}

/// What explanations of one bundle have in common.
pub(crate) struct Explainer {
    layout: Layout,
    /// The reference applicant's fields as numbers.
    reference: Vec<f64>,
    /// For each group: where its features lie in a row.
    ranges: Vec<Vec<Range<usize>>>,
    /// For each group: where its features start in [`Scratch::parts`], and how many they are.
    parts: Vec<(usize, usize)>,
    parts_len: usize,
    features: usize,
    sources: usize,
    /// How many sums the model's first layer has, where evaluations go by them.
    sums_len: Option<usize>,
    /// The bias of a model that adds its features up, exactly.
    adds_up: Option<f32>,
    group_ranks: Vec<u16>,
    field_ranks: Vec<u16>,
}

/// The memory of one explanation at a time.
pub(crate) struct Scratch {
    numbers: Vec<f64>,
    features: Vec<f32>,
    /// For each group and each mask of its fields: the group's features.
    parts: Vec<f32>,
    /// The score of every evaluation, in 1/1024 points.
    pub v: Vec<i64>,
    sums: Sums,
}

/// Sums of the model's first layer, which is linear in the features: for a set of fields they are
/// the reference applicant's and, for each group, what the group's fields change in them. Integers:
/// exact, and added in any order.
#[derive(Default)]
struct Sums {
    /// The reference applicant's; then for each group and each mask of its fields but the empty
    /// one what reading those from the application changes.
    changes: Vec<i32>,
    /// For each group the sums of the set that is being evaluated, without the groups before it;
    /// last, the reference applicant's.
    levels: Vec<i32>,
    /// The rows of one walk over the plan.
    rows: Vec<i32>,
}

impl Scratch {
    pub fn wipe(&mut self) {
        wipe(&mut self.numbers, 0.0);
        wipe(&mut self.features, 0.0);
        wipe(&mut self.parts, 0.0);
        wipe(&mut self.v, 0);
        wipe(&mut self.sums.changes, 0);
        wipe(&mut self.sums.levels, 0);
        wipe(&mut self.sums.rows, 0);
    }
}

/// No bundle may ask for more evaluations per explanation.
const MAX_BUDGET: usize = 1 << 16;
/// Nor for more multiply-adds per explanation: some seconds on a slow phone.
const MAX_WORK: u64 = 1 << 34;
/// Nor for more features over all groups and masks, or sums of the first layer.
const MAX_PARTS: usize = 1 << 20;

impl Explainer {
    pub fn new(
        schema: &Arc<Schema>,
        transforms: &Transforms,
        decide: &DecideParts,
        engine: &Engine,
        weights: &[u8],
    ) -> Result<Self> {
        let groups = schema.groups().len();
        let mut members = vec![Vec::new(); groups];
        for (index, field) in schema.fields().iter().enumerate() {
            members[usize::from(field.group)].push(index as u16);
        }
        let layout = Layout::new(members);
        let budget = MAX_BUDGET.min(decide.budget as usize);
        if layout.evaluations > budget {
            return Err(Error::malformed(
                "section DCDE",
                format!(
                    "a budget of at least {} evaluations, at most {MAX_BUDGET}",
                    layout.evaluations
                ),
            ));
        }
        let work = engine.multiply_adds();
        if work.saturating_mul(layout.evaluations as u64) > MAX_WORK {
            return Err(Error::malformed(
                "section DCDE",
                format!("explanations of at most {MAX_WORK} multiply-adds"),
            ));
        }
        let ranges: Vec<Vec<Range<usize>>> =
            (0..groups).map(|g| transforms.group_ranges(g)).collect();
        let mut parts = Vec::with_capacity(groups);
        let mut parts_len = 0;
        for (ranges, members) in ranges.iter().zip(&layout.members) {
            let width: usize = ranges.iter().map(Range::len).sum();
            parts.push((parts_len, width));
            parts_len += width << members.len();
        }
        if parts_len > MAX_PARTS {
            return Err(Error::malformed(
                "section SCHM",
                format!("groups whose features over all masks are at most {MAX_PARTS}"),
            ));
        }
        let changes = changes(&layout.members);
        let sums_len = engine
            .sums_len()
            .filter(|len| changes.saturating_mul(*len) <= MAX_PARTS);
        let adds_up = engine
            .adds_up(weights)
            .filter(|&bias| transforms.add_up_exactly(bias));
        let mut reference = vec![0.0; schema.fields().len()];
        Record::borrow(&decide.reference)
            .and_then(|record| resolve(&restore(&record, schema)?, &mut reference))
            .map_err(|e| {
                let what = format!(
                    "a reference applicant that this schema takes ({})",
                    e.code()
                );
                Error::malformed("section DCDE", what)
            })?;
        let codes: Vec<&str> = schema.groups().iter().map(|g| g.code.as_str()).collect();
        let reasons: Vec<&str> = schema
            .fields()
            .iter()
            .map(|f| f.reason_code.as_str())
            .collect();
        Ok(Self {
            layout,
            reference,
            ranges,
            parts,
            parts_len,
            features: transforms.width(),
            sources: transforms.sources(),
            sums_len,
            adds_up,
            group_ranks: ranks(&codes),
            field_ranks: ranks(&reasons),
        })
    }

    pub fn evaluations(&self) -> usize {
        self.layout.evaluations
    }

    /// The evaluation that reads every field from the application.
    pub fn whole(&self) -> usize {
        (1 << self.layout.members.len()) - 1
    }

    pub fn field_ranks(&self) -> &[u16] {
        &self.field_ranks
    }

    pub fn scratch(&self) -> Scratch {
        Scratch {
            numbers: vec![0.0; self.sources],
            features: vec![0.0; self.features],
            parts: vec![0.0; self.parts_len],
            v: vec![0; self.evaluations()],
            sums: self.sums_len.map_or_else(Sums::default, |len| Sums {
                changes: vec![0; len * changes(&self.layout.members)],
                levels: vec![0; len * (self.layout.members.len() + 1)],
                rows: vec![0; len * MAX_ROWS],
            }),
        }
    }

    /// Computes the features of each group for each mask of its fields.
    pub fn prepare(&self, transforms: &Transforms, application: &[f64], scratch: &mut Scratch) {
        for (group, members) in self.layout.members.iter().enumerate() {
            let (start, width) = self.parts[group];
            for mask in 0..1usize << members.len() {
                for (bit, &field) in members.iter().enumerate() {
                    let field = usize::from(field);
                    let from = if mask >> bit & 1 == 1 {
                        application
                    } else {
                        &self.reference[..]
                    };
                    scratch.numbers[field] = from[field];
                }
                transforms.run_group(group, &mut scratch.numbers, &mut scratch.features);
                let mut to = start + mask * width;
                for range in &self.ranges[group] {
                    scratch.parts[to..to + range.len()]
                        .copy_from_slice(&scratch.features[range.clone()]);
                    to += range.len();
                }
            }
        }
    }

    /// Runs every evaluation and hands its number and the model's output to `each`.
    pub fn evaluate(
        &self,
        engine: &Engine,
        weights: &[u8],
        memory: &mut Memory,
        scratch: &mut Scratch,
        each: impl FnMut(&mut [i64], usize, f32) -> Result<()>,
    ) -> Result<()> {
        let Scratch { parts, v, sums, .. } = scratch;
        if let Some(bias) = self.adds_up {
            return self.evaluate_points(bias, parts, v, each);
        }
        let mut walk = Walk {
            engine,
            weights,
            memory,
            v,
            each,
            first: 0,
            rows: 0,
        };
        match self.sums_len {
            Some(len) => self.evaluate_sums(len, parts, sums, &mut walk),
            None => self.evaluate_rows(parts, &mut walk),
        }
    }

    /// Every evaluation as the sum of its groups' points: whole numbers that are exact in f32, so
    /// that their order is of no account and the model need not run.
    fn evaluate_points(
        &self,
        bias: f32,
        parts: &[f32],
        v: &mut [i64],
        mut each: impl FnMut(&mut [i64], usize, f32) -> Result<()>,
    ) -> Result<()> {
        for index in 0..self.evaluations() {
            let masks = self.layout.masks(index);
            let groups = self.parts.iter().zip(&masks);
            let sum = groups.fold(bias, |sum, (&(start, width), &mask)| {
                let from = start + usize::from(mask) * width;
                let points = parts[from..from + width].iter();
                points.fold(sum, |sum, points| sum + points)
            });
            each(v, index, sum)?;
        }
        Ok(())
    }

    /// Every evaluation's features through the whole model.
    fn evaluate_rows<E: Each>(&self, parts: &[f32], walk: &mut Walk<'_, E>) -> Result<()> {
        for index in 0..self.evaluations() {
            let masks = self.layout.masks(index);
            self.assemble(&masks, parts, walk.input()?);
            walk.next(|walk, rows| walk.engine.run(walk.weights, rows, walk.memory))?;
        }
        walk.flush(|walk, rows| walk.engine.run(walk.weights, rows, walk.memory))
    }

    /// The first layer once for the reference applicant and each part of a group; what follows it
    /// for every evaluation.
    fn evaluate_sums<E: Each>(
        &self,
        len: usize,
        parts: &[f32],
        sums: &mut Sums,
        walk: &mut Walk<'_, E>,
    ) -> Result<()> {
        self.changes(len, parts, sums, walk)?;
        let Sums {
            changes,
            levels,
            rows,
        } = sums;
        let groups = self.layout.members.len();
        let mut starts = [0; crate::schema::MAX_GROUPS];
        let mut start = 1;
        for (from, members) in starts.iter_mut().zip(&self.layout.members) {
            *from = start;
            start += (1 << members.len()) - 1;
        }
        let change = |group: usize, mask: usize| -> &[i32] {
            &changes[(starts[group] + mask - 1) * len..][..len]
        };
        let full = |group: usize| (1usize << self.layout.members[group].len()) - 1;
        let run = |walk: &mut Walk<'_, E>, rows: &[i32], count: usize| {
            let Walk {
                engine,
                weights,
                memory,
                ..
            } = walk;
            engine.run_from_sums(weights, count, rows, memory)
        };
        levels[groups * len..].copy_from_slice(&changes[..len]);
        for set in 0..1usize << groups {
            let level = raise(levels, len, groups, set, |bit| change(bit, full(bit)));
            rows[walk.rows * len..][..len].copy_from_slice(&levels[level * len..][..len]);
            walk.next(|walk, count| run(walk, rows, count))?;
        }
        for group in (0..groups).filter(|&group| full(group) > 1) {
            for others in 0..1usize << (groups - 1) {
                let level = raise(levels, len, groups, others, |bit| {
                    let other = bit + usize::from(bit >= group);
                    change(other, full(other))
                });
                for part in 1..full(group) {
                    let base = &levels[level * len..][..len];
                    add(
                        base,
                        change(group, part),
                        &mut rows[walk.rows * len..][..len],
                    );
                    walk.next(|walk, count| run(walk, rows, count))?;
                }
            }
        }
        walk.flush(|walk, count| run(walk, rows, count))
    }

    /// Fills in [`Sums::changes`].
    fn changes<E: Each>(
        &self,
        len: usize,
        parts: &[f32],
        sums: &mut Sums,
        walk: &mut Walk<'_, E>,
    ) -> Result<()> {
        let mut masks = FieldMasks::default();
        let mut done = 0;
        let mut flush = |walk: &mut Walk<'_, E>| {
            let rows = std::mem::take(&mut walk.rows);
            let to = &mut sums.changes[done * len..(done + rows) * len];
            done += rows;
            walk.engine.sums(walk.weights, rows, walk.memory, to)
        };
        self.assemble(&masks, parts, walk.input()?);
        walk.rows = 1;
        for (group, members) in self.layout.members.iter().enumerate() {
            for mask in 1..1u32 << members.len() {
                if walk.rows == MAX_ROWS {
                    flush(walk)?;
                }
                masks[group] = mask as u16;
                self.assemble(&masks, parts, walk.input()?);
                walk.rows += 1;
            }
            masks[group] = 0;
        }
        flush(walk)?;
        let (reference, changes) = sums.changes.split_at_mut(len);
        for change in changes.chunks_exact_mut(len) {
            for (change, reference) in change.iter_mut().zip(&*reference) {
                *change = change.wrapping_sub(*reference);
            }
        }
        Ok(())
    }

    /// Writes the features of an applicant who has the fields of `masks` from the application and
    /// the others from the reference.
    fn assemble(&self, masks: &FieldMasks, parts: &[f32], features: &mut [f32]) {
        for (group, ranges) in self.ranges.iter().enumerate() {
            let (start, width) = self.parts[group];
            let mut from = start + usize::from(masks[group]) * width;
            for range in ranges {
                features[range.clone()].copy_from_slice(&parts[from..from + range.len()]);
                from += range.len();
            }
        }
    }

    /// Contributions of groups and fields from the scores of all evaluations.
    pub fn attribute(&self, v: &[i64], out: &mut Explanation) {
        out.groups.clear();
        out.groups.resize(self.layout.members.len(), 0);
        out.fields.clear();
        out.fields.resize(self.field_ranks.len(), 0);
        let total = round_points(v[self.whole()]) - round_points(v[0]);
        attribute(
            &self.layout,
            v,
            total,
            &self.group_ranks,
            &self.field_ranks,
            &mut out.groups,
            &mut out.fields,
        );
    }
}

/// What is done with an evaluation's number and the model's output.
trait Each: FnMut(&mut [i64], usize, f32) -> Result<()> {}

impl<F: FnMut(&mut [i64], usize, f32) -> Result<()>> Each for F {}

/// Evaluations in their order, some rows at a time.
struct Walk<'a, E> {
    engine: &'a Engine,
    weights: &'a [u8],
    memory: &'a mut Memory,
    v: &'a mut [i64],
    each: E,
    /// The evaluation of the first row that waits.
    first: usize,
    /// How many rows wait.
    rows: usize,
}

impl<E: Each> Walk<'_, E> {
    /// The features of the next row.
    fn input(&mut self) -> Result<&mut [f32]> {
        self.engine.input(self.memory, self.rows)
    }

    /// The next row is complete; runs those that wait when they are enough.
    fn next(&mut self, run: impl FnOnce(&mut Self, usize) -> Result<()>) -> Result<()> {
        self.rows += 1;
        if self.rows < MAX_ROWS {
            return Ok(());
        }
        self.flush(run)
    }

    /// Runs the rows that wait.
    fn flush(&mut self, run: impl FnOnce(&mut Self, usize) -> Result<()>) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        run(self, rows)?;
        for row in 0..rows {
            let output = self.engine.output(self.memory, row)?;
            (self.each)(self.v, self.first + row, output)?;
        }
        self.first += rows;
        Ok(())
    }
}

/// How many rows [`Sums::changes`] has: one, and one for each part of a group but the empty one.
fn changes(members: &[Vec<u16>]) -> usize {
    members
        .iter()
        .fold(1, |sum, members| sum + (1 << members.len()) - 1)
}

/// The sums of `set`, from those of the set without its lowest bit: sets come in rising order, so
/// that those are there. Says at which level they lie.
fn raise<'c>(
    levels: &mut [i32],
    len: usize,
    groups: usize,
    set: usize,
    change: impl Fn(usize) -> &'c [i32],
) -> usize {
    let level = |set: usize| match set {
        0 => groups,
        _ => set.trailing_zeros() as usize,
    };
    let (to, from) = (level(set), level(set & set.wrapping_sub(1)));
    if set != 0 {
        // A level reads only levels behind its own.
        let (head, tail) = levels.split_at_mut((to + 1) * len);
        let from = &tail[(from - to - 1) * len..][..len];
        add(from, change(to), &mut head[to * len..]);
    }
    to
}

/// The place of each code in the sorted list of codes, which differ.
fn ranks(codes: &[&str]) -> Vec<u16> {
    let mut ranks = vec![0; codes.len()];
    for (rank, at) in in_order(codes).into_iter().enumerate() {
        ranks[usize::from(at)] = rank as u16;
    }
    ranks
}

//! The many evaluations that contributions need: which features each one reads, and what comes
//! out.
#![forbid(unsafe_code)]

mod line;

use std::ops::Range;
use std::sync::Arc;

use crate::decide::contribution::{Layout, attribute};
use crate::decide::{
    DecideParts, Decision, Flags, MAX_OTHERS, Outcome, Reasons, Record, restore, round_points,
};
use crate::engine::{Engine, Memory};
use crate::error::{Error, Result};
use crate::memory::{LINE, Line, wipe};
use crate::plan::{
    JoinedRows, MAX_LINES, MAX_ROWS, Masks, PartialRows, Partials, STAGED, masks as masks_of,
};
use crate::schema::transform::Transforms;
use crate::schema::{FieldSet, MAX_GROUPS, Schema, in_order, resolve};

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
                others: [0; MAX_OTHERS],
                outcome: Outcome::Refer,
                flags: Flags::default(),
                missing: FieldSet::default(),
                out_of_range: FieldSet::default(),
                unlisted: FieldSet::default(),
                referred: FieldSet::default(),
                fired: 0,
                #[cfg(feature = "casework")]
                challenger: None,
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
    /// The reference applicant's fields as numbers, then their cells.
    reference: Vec<f64>,
    /// For each group: where its features lie in a row.
    ranges: Vec<Vec<Range<usize>>>,
    /// For each group, those of its features that every evaluation reads beside the first layer's
    /// parts: where they lie among its own, and in a row.
    reads: Vec<Vec<(usize, Range<usize>)>>,
    /// Whether there are any, or values that come back for every evaluation.
    beside: bool,
    /// For each group: where its features start in [`Scratch::parts`], and how many they are.
    parts: Vec<(usize, usize)>,
    parts_len: usize,
    features: usize,
    sources: usize,
    /// How the model's first layer comes in parts, where evaluations go by them.
    partials: Option<Partials>,
    /// The group of each feature.
    owners: Vec<u16>,
    /// The bias of a model that adds its features up, exactly.
    adds_up: Option<f32>,
    /// A linear model in f32.
    linear: Option<line::Linear>,
    /// Multiply-adds of an explanation.
    work: u64,
    group_ranks: Vec<u16>,
    field_ranks: Vec<u16>,
}

/// The memory of one explanation at a time.
pub(crate) struct Scratch {
    numbers: Vec<f64>,
    features: Vec<f64>,
    /// For each group and each mask of its fields: the group's features.
    parts: Vec<f64>,
    /// The score of every evaluation, in 1/1024 points.
    pub v: Vec<i64>,
    joined: Joined,
    /// Values that depend on one group alone, for each mask of its fields.
    kept: Vec<Line>,
    /// A linear model's sums of all sets of groups.
    sums: Vec<f32>,
}

/// The model's first layer in parts: for a set of fields, what the groups' parts join to. Sums are the
/// reference applicant's and, for each group, what the group's fields change in them; leaves that
/// remain are those that remain given each of the groups.
#[derive(Default)]
struct Joined {
    /// Of no group; then for each group and each mask of its fields.
    parts: Vec<i32>,
    /// For each group what it joins to with those behind it; last, the part of no group.
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
        wipe(&mut self.joined.parts, 0);
        wipe(&mut self.joined.levels, 0);
        wipe(&mut self.joined.rows, 0);
        wipe(&mut self.kept, Line([0; LINE]));
        wipe(&mut self.sums, 0.0);
    }
}

/// No bundle may ask for more evaluations per explanation.
const MAX_BUDGET: usize = 1 << 16;
/// Nor for more multiply-adds per explanation: some seconds on a slow phone.
const MAX_WORK: u64 = 1 << 34;
/// Nor for more features over all groups and masks, or words of the first layer's parts.
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
        let mut owners = vec![NO_GROUP; transforms.width()];
        for (group, ranges) in ranges.iter().enumerate() {
            for range in ranges {
                owners[range.clone()].fill(group as u16);
            }
        }
        let rows = parts_of(&layout.members).max(MAX_ROWS);
        let fields: Vec<usize> = layout.members.iter().map(Vec::len).collect();
        let partials = engine
            .partials(weights, &owners, &fields, MAX_PARTS / rows)
            .filter(|partials| partials.lines() <= MAX_LINES);
        // Nothing is read of a group but for whole blocks of its features.
        let read = |range: &Range<usize>| match &partials {
            Some(partials) if STAGED => range.clone().any(|at| partials.reads(at)),
            _ => false,
        };
        let reads = ranges.iter().map(|ranges| {
            let mut from = 0;
            let placed = ranges.iter().map(|range| {
                from += range.len();
                (from - range.len(), range.clone())
            });
            placed.filter(|(_, range)| read(range)).collect()
        });
        let reads: Vec<Vec<_>> = reads.collect();
        let adds_up = engine
            .adds_up(weights)
            .filter(|&bias| transforms.add_up_exactly(bias));
        let linear = match adds_up {
            None if STAGED => engine.linear(weights),
            _ => None,
        };
        let linear = linear.and_then(|linear| line::Linear::new(linear, &owners));
        let evaluations = layout.evaluations as u64;
        let work = match (&adds_up, &linear, &partials) {
            (Some(_), ..) => evaluations.saturating_mul(transforms.width() as u64),
            (None, Some(linear), _) => linear.work(&layout),
            (None, None, Some(partials)) => partials.work(layout.evaluations),
            (None, None, None) => evaluations.saturating_mul(engine.multiply_adds()),
        };
        // An evaluation of a net that does nothing still takes its features.
        let features = evaluations.saturating_mul(transforms.width() as u64);
        if work.saturating_add(features) > MAX_WORK {
            return Err(Error::malformed(
                "section DCDE",
                format!("explanations of at most {MAX_WORK} multiply-adds and features"),
            ));
        }
        let mut reference = vec![0.0; transforms.inputs()];
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
            beside: reads.iter().any(|reads| !reads.is_empty())
                || partials
                    .as_ref()
                    .is_some_and(|partials| partials.lines() > 0),
            reads,
            partials,
            owners,
            adds_up,
            linear,
            work,
            group_ranks: ranks(&codes),
            field_ranks: ranks(&reasons),
        })
    }

    pub fn evaluations(&self) -> usize {
        self.layout.evaluations
    }

    /// Multiply-adds of all of them.
    pub fn work(&self) -> u64 {
        self.work
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
            sums: match &self.linear {
                Some(_) => vec![0.0; self.whole() + 1],
                None => Vec::new(),
            },
            kept: self
                .partials
                .as_ref()
                .map_or_else(Vec::new, |partials| vec![Line([0; LINE]); partials.lines()]),
            joined: self
                .partials
                .as_ref()
                .map_or_else(Joined::default, |p| Joined {
                    parts: vec![0; p.len * parts_of(&self.layout.members)],
                    levels: vec![0; p.len * (self.layout.members.len() + 1)],
                    rows: vec![0; p.len * MAX_ROWS],
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
                    #[cfg(feature = "tables")]
                    {
                        let cells = transforms.cells(field);
                        scratch.numbers[cells.clone()].copy_from_slice(&from[cells]);
                    }
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
        each: impl FnMut(&mut [i64], usize, f64) -> Result<()>,
    ) -> Result<()> {
        let Scratch {
            parts,
            v,
            joined,
            kept,
            sums,
            ..
        } = scratch;
        if let Some(bias) = self.adds_up {
            return self.evaluate_points(bias.into(), parts, v, each);
        }
        if let (true, Some(linear)) = (STAGED, &self.linear) {
            let (parts, mut each) = ((&self.parts[..], &parts[..]), each);
            return linear.evaluate(&self.layout, parts, sums, |index, sum| each(v, index, sum));
        }
        let mut walk = Walk {
            engine,
            weights,
            memory,
            v,
            each,
            first: 0,
            rows: 0,
            most: engine.rows(),
        };
        match &self.partials {
            Some(partials) => {
                self.keep(partials, parts, kept, &mut walk)?;
                self.evaluate_joined(partials, parts, (joined, kept), &mut walk)
            }
            None => self.evaluate_rows(parts, &mut walk),
        }
    }

    /// Every evaluation as the sum of its groups' points: whole numbers that are exact in f32, so
    /// that their order is of no account and the model need not run.
    fn evaluate_points(
        &self,
        bias: f64,
        parts: &[f64],
        v: &mut [i64],
        mut each: impl FnMut(&mut [i64], usize, f64) -> Result<()>,
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
    fn evaluate_rows<E: Each>(&self, parts: &[f64], walk: &mut Walk<'_, E>) -> Result<()> {
        for index in 0..self.evaluations() {
            let masks = self.layout.masks(index);
            self.assemble(&masks, parts, walk)?;
            walk.next(|walk, rows| walk.engine.run(walk.weights, rows, walk.memory))?;
        }
        walk.flush(|walk, rows| walk.engine.run(walk.weights, rows, walk.memory))
    }

    /// Everything that depends on one group alone, once for each of its masks.
    fn keep<E: Each>(
        &self,
        partials: &Partials,
        parts: &[f64],
        kept: &mut [Line],
        walk: &mut Walk<'_, E>,
    ) -> Result<()> {
        for (group, members) in self.layout.members.iter().enumerate() {
            let all = masks_of(members.len());
            if !partials.keeps(group) {
                continue;
            }
            // As many as the walk's memory has.
            for first in (0..all).step_by(walk.most) {
                let rows = (all - first).min(walk.most);
                for row in 0..rows {
                    self.assemble_group(group, first + row, row, parts, walk)?;
                }
                let of = (partials, group);
                walk.engine
                    .keep(walk.weights, of, (first, rows), walk.memory, kept)?;
            }
        }
        Ok(())
    }

    /// The first layer once for each part of a group; what follows it for every evaluation.
    fn evaluate_joined<E: Each>(
        &self,
        partials: &Partials,
        parts: &[f64],
        (joined, kept): (&mut Joined, &[Line]),
        walk: &mut Walk<'_, E>,
    ) -> Result<()> {
        let len = partials.len;
        if len > 0 {
            self.first_layer(partials, parts, &mut joined.parts, walk)?;
        }
        let features = parts;
        let Joined {
            parts,
            levels,
            rows,
        } = joined;
        let groups = self.layout.members.len();
        let mut starts = [0; MAX_GROUPS];
        let mut start = 1;
        for (from, members) in starts.iter_mut().zip(&self.layout.members) {
            *from = start;
            start += 1 << members.len();
        }
        let part =
            |group: usize, mask: usize| -> &[i32] { &parts[(starts[group] + mask) * len..][..len] };
        let full = |group: usize| (1usize << self.layout.members[group].len()) - 1;
        // A group that is in a set is there with all its fields.
        let whole = |group: usize, set: usize, bit: usize| match set >> bit & 1 {
            // A sum without changes is the one that is there already.
            0 => partials.bits.then(|| part(group, 0)),
            _ => Some(part(group, full(group))),
        };
        let mut masks = [Masks::default(); MAX_ROWS];
        // What a row has beside its words.
        let beside = |walk: &mut Walk<'_, E>, masks: &mut [Masks; MAX_ROWS]| {
            if !STAGED || !self.beside {
                return Ok(());
            }
            let own = &mut masks[walk.rows];
            *own = self.layout.masks(walk.first + walk.rows);
            for (group, reads) in self.reads.iter().enumerate() {
                let (start, width) = self.parts[group];
                let start = start + usize::from(own[group]) * width;
                for (from, range) in reads {
                    let features = &features[start + from..][..range.len()];
                    walk.engine
                        .write(walk.memory, walk.rows, range.start, features)?;
                }
            }
            Ok::<_, Error>(())
        };
        let run = |walk: &mut Walk<'_, E>, words: &[i32], masks: &[Masks]| {
            let rows = JoinedRows { masks, words, kept };
            walk.engine
                .run_joined(walk.weights, partials, rows, walk.memory)
        };
        levels[groups * len..].copy_from_slice(&parts[..len]);
        let mut levels = Levels {
            words: levels,
            found: [groups; MAX_GROUPS + 1],
            partials,
        };
        for set in 0..1usize << groups {
            for group in (0..changed(set, groups)).rev() {
                levels.raise(group, whole(group, set, group));
            }
            rows[walk.rows * len..][..len].copy_from_slice(levels.at(0));
            beside(walk, &mut masks)?;
            walk.next(|walk, count| run(walk, rows, &masks[..count]))?;
        }
        for group in (0..groups).filter(|&group| full(group) > 1) {
            // The group comes first, and only its parts go through its own level.
            for others in 0..1usize << (groups - 1) {
                for at in (0..changed(others, groups - 1)).rev() {
                    let other = at + usize::from(at >= group);
                    levels.raise(at + 1, whole(other, others, at));
                }
                for mask in 1..full(group) {
                    let row = &mut rows[walk.rows * len..][..len];
                    partials.join(levels.at(1), part(group, mask), row);
                    beside(walk, &mut masks)?;
                    walk.next(|walk, count| run(walk, rows, &masks[..count]))?;
                }
            }
        }
        walk.flush(|walk, count| run(walk, rows, &masks[..count]))
    }

    /// Fills in [`Joined::parts`].
    fn first_layer<E: Each>(
        &self,
        partials: &Partials,
        parts: &[f64],
        out: &mut [i32],
        walk: &mut Walk<'_, E>,
    ) -> Result<()> {
        let len = partials.len;
        let mut masks = Masks::default();
        let mut groups = [NO_GROUP; MAX_ROWS];
        let mut done = 0;
        let mut flush = |walk: &mut Walk<'_, E>, groups: &[u16]| {
            let rows = std::mem::take(&mut walk.rows);
            let to = &mut out[done * len..(done + rows) * len];
            done += rows;
            let rows = PartialRows {
                groups: &groups[..rows],
                owners: &self.owners,
            };
            walk.engine
                .run_partials(walk.weights, partials, rows, walk.memory, to)
        };
        self.assemble(&masks, parts, walk)?;
        walk.rows = 1;
        for (group, members) in self.layout.members.iter().enumerate() {
            for mask in 0..1u32 << members.len() {
                if walk.rows == walk.most {
                    flush(walk, &groups)?;
                }
                masks[group] = mask as u16;
                groups[walk.rows] = group as u16;
                self.assemble(&masks, parts, walk)?;
                walk.rows += 1;
            }
            masks[group] = 0;
        }
        flush(walk, &groups)?;
        partials.changes(out);
        Ok(())
    }

    /// Writes the features of an applicant who has the fields of `masks` from the application and
    /// the others from the reference into the next row.
    fn assemble<E: Each>(
        &self,
        masks: &Masks,
        parts: &[f64],
        walk: &mut Walk<'_, E>,
    ) -> Result<()> {
        for (group, &mask) in masks.iter().enumerate().take(self.ranges.len()) {
            self.assemble_group(group, mask.into(), walk.rows, parts, walk)?;
        }
        Ok(())
    }

    /// Writes a group's features for one mask of its fields into a row.
    fn assemble_group<E: Each>(
        &self,
        group: usize,
        mask: usize,
        row: usize,
        parts: &[f64],
        walk: &mut Walk<'_, E>,
    ) -> Result<()> {
        let (start, width) = self.parts[group];
        let mut from = start + mask * width;
        for range in &self.ranges[group] {
            let features = &parts[from..from + range.len()];
            walk.engine.write(walk.memory, row, range.start, features)?;
            from += range.len();
        }
        Ok(())
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
trait Each: FnMut(&mut [i64], usize, f64) -> Result<()> {}

impl<F: FnMut(&mut [i64], usize, f64) -> Result<()>> Each for F {}

/// Evaluations in their order, some rows at a time.
struct Walk<'a, E> {
    engine: &'a Engine,
    weights: &'a [u8],
    memory: &'a mut Memory,
    v: &'a mut [i64],
    each: E,
    /// The evaluation of the first row that waits.
    first: usize,
    /// How many rows wait, and how many may.
    rows: usize,
    most: usize,
}

impl<E: Each> Walk<'_, E> {
    /// The next row is complete; runs those that wait when they are enough.
    fn next(&mut self, run: impl FnOnce(&mut Self, usize) -> Result<()>) -> Result<()> {
        self.rows += 1;
        if self.rows < self.most {
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

/// Stands for no group.
const NO_GROUP: u16 = u16::MAX;

/// How many parts there are: that of no group, and one for each mask of a group's fields.
fn parts_of(members: &[Vec<u16>]) -> usize {
    let masks = |members: &Vec<u16>| 1usize << members.len();
    members.iter().map(masks).sum::<usize>() + 1
}

/// How many of the lowest bits of a set may differ from the one before it; of the first set, all.
fn changed(set: usize, count: usize) -> usize {
    match set {
        0 => count,
        _ => set.trailing_zeros() as usize + 1,
    }
}

/// Joined parts of groups, each with those behind it: sets come in rising order, so that most of them
/// stay from one set to the next.
struct Levels<'a> {
    words: &'a mut [i32],
    /// For each group the level that has what it joins to: its own, or one behind.
    found: [usize; MAX_GROUPS + 1],
    partials: &'a Partials,
}

impl Levels<'_> {
    fn at(&self, level: usize) -> &[i32] {
        let len = self.partials.len;
        &self.words[self.found[level] * len..][..len]
    }

    /// Joins a part, if there is one, with what lies behind.
    fn raise(&mut self, level: usize, part: Option<&[i32]>) {
        let (len, behind) = (self.partials.len, self.found[level + 1]);
        self.found[level] = behind;
        if let Some(part) = part {
            let (head, tail) = self.words.split_at_mut((level + 1) * len);
            let from = &tail[(behind - level - 1) * len..][..len];
            self.partials.join(from, part, &mut head[level * len..]);
            self.found[level] = level;
        }
    }
}

/// The place of each code in the sorted list of codes, which differ.
fn ranks(codes: &[&str]) -> Vec<u16> {
    let mut ranks = vec![0; codes.len()];
    for (rank, at) in in_order(codes).into_iter().enumerate() {
        ranks[usize::from(at)] = rank as u16;
    }
    ranks
}

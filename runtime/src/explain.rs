//! The many evaluations that contributions need: which features each one reads, and what comes
//! out.
#![forbid(unsafe_code)]

use std::ops::Range;
use std::sync::Arc;

use crate::decide::contribution::{Layout, attribute};
use crate::decide::{
    DecideParts, Decision, Flags, Outcome, Reasons, Record, restore, round_points,
};
use crate::error::{Error, Result};
use crate::plan::wipe;
use crate::schema::transform::Transforms;
use crate::schema::{FieldSet, Schema, resolve};

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
}

impl Scratch {
    pub fn wipe(&mut self) {
        wipe(&mut self.numbers, 0.0);
        wipe(&mut self.features, 0.0);
        wipe(&mut self.parts, 0.0);
        wipe(&mut self.v, 0);
    }
}

/// No bundle may ask for more evaluations per explanation.
const MAX_BUDGET: usize = 1 << 16;
/// Nor for more multiply-adds per explanation: some seconds on a slow phone.
const MAX_WORK: u64 = 1 << 34;
/// Nor for more features over all groups and masks.
const MAX_PARTS: usize = 1 << 20;

impl Explainer {
    pub fn new(
        schema: &Arc<Schema>,
        transforms: &Transforms,
        decide: &DecideParts,
        multiply_adds: u64,
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
        if multiply_adds.saturating_mul(layout.evaluations as u64) > MAX_WORK {
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
        let mut reference = vec![0.0; schema.fields().len()];
        Record::decode(&decide.reference)
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

    /// Writes the features of evaluation `index`.
    pub fn assemble(&self, index: usize, scratch: &Scratch, features: &mut [f32]) {
        let masks = self.layout.masks(index);
        for (group, ranges) in self.ranges.iter().enumerate() {
            let (start, width) = self.parts[group];
            let mut from = start + usize::from(masks[group]) * width;
            for range in ranges {
                features[range.clone()].copy_from_slice(&scratch.parts[from..from + range.len()]);
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

/// The place of each code in the sorted list of codes.
fn ranks(codes: &[&str]) -> Vec<u16> {
    codes
        .iter()
        .map(|code| codes.iter().filter(|other| *other < code).count() as u16)
        .collect()
}

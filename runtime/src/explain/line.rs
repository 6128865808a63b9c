//! Linear models in f32, for every set of groups. Their additions have an order, and so there is no sum of
//! a group by itself; but sets that agree in the first groups share the sums so far. All sums there
//! are double wherever a group comes in, and each feature is added to all of them at once: half of the
//! additions are those of the group that comes last, a quarter those of the one before.

use std::ops::Range;

use crate::error::Result;
use crate::schema::MAX_GROUPS;

use super::NO_GROUP;
use crate::decide::contribution::Layout;

/// A linear model over groups of features.
#[derive(Debug)]
pub(super) struct Linear {
    bias: f32,
    weights: Vec<f32>,
    /// Neighbouring features of one group, in their order.
    runs: Vec<Run>,
}

#[derive(Debug)]
struct Run {
    group: usize,
    /// Where its features lie in a row.
    features: Range<usize>,
    /// Where they lie among the group's own.
    from: usize,
}

/// Sums while features are added: which groups have come in, in their order.
#[derive(Default)]
struct Sums {
    order: [u8; MAX_GROUPS],
    seen: usize,
}

impl Sums {
    /// Which of the groups it was.
    fn place(&self, group: usize) -> Option<usize> {
        let mut seen = self.order[..self.seen].iter();
        seen.position(|&own| usize::from(own) == group)
    }

    fn count(&self) -> usize {
        1 << self.seen
    }

    /// A group comes in: every sum is there twice.
    fn double(&mut self, group: usize, sums: &mut [f32]) {
        let (old, new) = sums.split_at_mut(self.count());
        new[..old.len()].copy_from_slice(old);
        self.come(group);
    }

    fn come(&mut self, group: usize) {
        self.order[self.seen] = group as u8;
        self.seen += 1;
    }
}

impl Linear {
    /// Of features that all have a group.
    pub fn new((bias, weights): (f32, Vec<f32>), owners: &[u16]) -> Option<Self> {
        if weights.len() != owners.len() || owners.contains(&NO_GROUP) {
            return None;
        }
        let mut used = [0; MAX_GROUPS];
        let mut start = 0;
        let runs = owners.chunk_by(|a, b| a == b).map(|run| {
            let group = usize::from(run[0]);
            let features = start..start + run.len();
            start = features.end;
            let from = used[group];
            used[group] += run.len();
            Run {
                group,
                features,
                from,
            }
        });
        let runs = runs.collect();
        Some(Self {
            bias,
            weights,
            runs,
        })
    }

    /// Additions of an explanation.
    pub fn work(&self, layout: &Layout) -> u64 {
        let parts = layout.members.iter().enumerate().map(|(group, own)| {
            let parts = (1u64 << own.len()) - 2;
            parts.saturating_mul(self.additions(Some(group)))
        });
        parts.fold(self.additions(None), u64::saturating_add)
    }

    /// Additions of all sets, of one group perhaps with a mask of its own.
    fn additions(&self, fixed: Option<usize>) -> u64 {
        let mut groups = Sums::default();
        let each = self.runs.iter().map(|run| {
            if Some(run.group) != fixed && groups.place(run.group).is_none() {
                groups.come(run.group);
            }
            (groups.count() * run.features.len()) as u64
        });
        each.sum()
    }

    /// Hands the index of every evaluation and its sum to `each`. `parts` has the features of each group
    /// and mask, `starts` says where and how many; `sums` has room for every set of groups.
    pub fn evaluate(
        &self,
        layout: &Layout,
        (starts, parts): (&[(usize, usize)], &[f64]),
        sums: &mut [f32],
        mut each: impl FnMut(usize, f64) -> Result<()>,
    ) -> Result<()> {
        let groups = layout.members.len();
        let of = |group: usize, mask: u16| {
            let (start, width) = starts[group];
            &parts[start + usize::from(mask) * width..][..width]
        };
        self.sums(layout, None, of, sums, &mut each)?;
        for group in 0..groups {
            for mask in 1..layout.full(group) {
                let fixed = Some((group, mask));
                self.sums(layout, fixed, of, sums, |set, sum| {
                    let low = set & ((1 << group) - 1);
                    let others = set >> (group + 1) << group | low;
                    each(layout.at(group, others, mask), sum)
                })?;
            }
        }
        Ok(())
    }

    /// All sums, one group perhaps with a mask of its own: `each` gets the sets of the others as bits.
    fn sums<'p>(
        &self,
        layout: &Layout,
        fixed: Option<(usize, u16)>,
        parts: impl Fn(usize, u16) -> &'p [f64],
        sums: &mut [f32],
        mut each: impl FnMut(usize, f64) -> Result<()>,
    ) -> Result<()> {
        let mut groups = Sums::default();
        sums[0] = self.bias;
        for run in &self.runs {
            let group = run.group;
            let weights = &self.weights[run.features.clone()];
            let own = |mask: u16| &parts(group, mask)[run.from..][..weights.len()];
            if let Some((_, mask)) = fixed.filter(|fixed| fixed.0 == group) {
                for (x, weight) in own(mask).iter().zip(weights) {
                    let term = *x as f32 * weight;
                    sums[..groups.count()]
                        .iter_mut()
                        .for_each(|sum| *sum += term);
                }
                continue;
            }
            let place = groups.place(group).unwrap_or_else(|| {
                groups.double(group, sums);
                groups.seen - 1
            });
            let (without, with) = (own(0), own(layout.full(group)));
            let half = 1 << place;
            for ((x, y), weight) in without.iter().zip(with).zip(weights) {
                let terms = [*x as f32 * weight, *y as f32 * weight];
                for sums in sums[..groups.count()].chunks_exact_mut(2 * half) {
                    let (without, with) = sums.split_at_mut(half);
                    without.iter_mut().for_each(|sum| *sum += terms[0]);
                    with.iter_mut().for_each(|sum| *sum += terms[1]);
                }
            }
        }
        // Groups that the model reads nothing of.
        let fixed = fixed.map(|fixed| fixed.0);
        for group in 0..layout.members.len() {
            if Some(group) != fixed && groups.place(group).is_none() {
                groups.double(group, sums);
            }
        }
        for (index, sum) in sums[..groups.count()].iter().enumerate() {
            let order = groups.order[..groups.seen].iter().enumerate();
            let set = order.fold(0, |set, (place, group)| set | (index >> place & 1) << group);
            each(set, (*sum).into())?;
        }
        Ok(())
    }
}

//! Contributions: exact Shapley values of the score over groups of fields, and Owen values of the
//! fields inside a group. DESIGN.md, "Contributions", is the definition; the sources are Shapley
//! (1953), "A value for n-person games", and Owen (1977), "Values of games with a priori unions".
//!
//! For a group of m fields among n groups the Owen value of field f is
//!
//! ```text
//!   Σ over S ⊆ other groups, T ⊆ group without f of
//!     s!(n−1−s)!/n! · t!(m−1−t)!/m! · (v(S, T ∪ f) − v(S, T))
//! ```
//!
//! All values are integers over the common denominator n!·m!; nothing is rounded before the end.

use crate::decide::scale::{POINT, divide};
use crate::plan::Masks;

/// Where each evaluation's score lies in the table of `v`: first every set of whole groups, then
/// for each group of several fields every set of the others with every proper part of its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The fields of each group, rising.
    pub members: Vec<Vec<u16>>,
    /// Where the group's proper parts start in the table.
    parts_from: Vec<usize>,
    /// Length of the table: how many evaluations an explanation costs.
    pub evaluations: usize,
}

impl Layout {
    pub(crate) fn new(members: Vec<Vec<u16>>) -> Self {
        let others = (1usize << members.len()) / 2;
        let mut evaluations = 1usize << members.len();
        let mut parts_from = Vec::with_capacity(members.len());
        for group in &members {
            parts_from.push(evaluations);
            evaluations = evaluations.saturating_add(others.saturating_mul((1 << group.len()) - 2));
        }
        Self {
            members,
            parts_from,
            evaluations,
        }
    }

    /// The mask of all of a group's fields.
    pub(crate) fn full(&self, group: usize) -> u16 {
        ((1u32 << self.members[group].len()) - 1) as u16
    }

    /// The masks of evaluation `index`.
    pub(crate) fn masks(&self, index: usize) -> Masks {
        let mut masks = Masks::default();
        if index < 1 << self.members.len() {
            for (group, mask) in masks.iter_mut().enumerate().take(self.members.len()) {
                *mask = if index >> group & 1 == 1 {
                    self.full(group)
                } else {
                    0
                };
            }
            return masks;
        }
        let group = self
            .parts_from
            .partition_point(|&from| from <= index)
            .saturating_sub(1);
        // Groups of one field have no proper parts: the last with this start is the one.
        let parts = usize::from(self.full(group)) - 1;
        let (others, part) = (
            (index - self.parts_from[group]) / parts,
            (index - self.parts_from[group]) % parts,
        );
        for (g, mask) in masks.iter_mut().enumerate().take(self.members.len()) {
            let bit = if g < group {
                others >> g
            } else {
                others >> (g.saturating_sub(1))
            };
            *mask = if g == group {
                part as u16 + 1
            } else if bit & 1 == 1 {
                self.full(g)
            } else {
                0
            };
        }
        masks
    }

    /// Where v of the set `others` (bits of the groups without `group`, closed up) and the part
    /// `mask` of the group's fields lies.
    pub(crate) fn at(&self, group: usize, others: usize, mask: u16) -> usize {
        let full = self.full(group);
        if mask == 0 || mask == full {
            let low = others & ((1 << group) - 1);
            let high = others >> group << (group + 1);
            return high | low | usize::from(mask == full) << group;
        }
        self.parts_from[group] + others * (usize::from(full) - 1) + usize::from(mask) - 1
    }

    /// n!·m! points in units of v.
    fn denominator(&self, group: usize) -> i128 {
        i128::from(factorial(self.members.len()))
            * i128::from(factorial(self.members[group].len()))
            * i128::from(POINT)
    }

    /// The exact Owen values of a group's fields over the denominator n!·m!.
    ///
    /// A score is added for every field of its part and subtracted for every field that could join
    /// it, weighed by how many orders the part's fields can come in. What sets of other groups of
    /// one size weigh is the same: they are summed first. These sums fit 64 bits: |v| < 2^30, the
    /// weights of a group's parts sum to 2·m!, and 2^(n−1) sets times 2^m parts are within the
    /// budget of 2^16 evaluations, so that 2^(n−1)·m! < 2^28.
    fn owen(&self, group: usize, v: &[i64], out: &mut [i128]) {
        let (n, m) = (self.members.len(), self.members[group].len());
        let full = usize::from(self.full(group));
        let orders = |t: usize| factorial(t) * factorial(m - 1 - t);
        let mut weights = [0i64; crate::schema::MAX_GROUP_FIELDS];
        for (t, weight) in weights.iter_mut().enumerate().take(m) {
            *weight = orders(t);
        }
        let mut sums = [[0i64; crate::schema::MAX_GROUPS]; crate::schema::MAX_GROUP_FIELDS];
        for others in 0..1usize << (n - 1) {
            let s = others.count_ones() as usize;
            let (none, all) = (
                self.at(group, others, 0),
                self.at(group, others, full as u16),
            );
            let parts = self.parts_from[group] + others * (full - 1);
            for part in 0..=full {
                let v = match part {
                    0 => v[none],
                    part if part == full => v[all],
                    part => v[parts + part - 1],
                };
                let t = part.count_ones() as usize;
                let joined = if t > 0 { weights[t - 1] * v } else { 0 };
                let could_join = if t < m { weights[t] * v } else { 0 };
                for (f, sums) in sums.iter_mut().enumerate().take(m) {
                    sums[s] += if part >> f & 1 == 1 {
                        joined
                    } else {
                        -could_join
                    };
                }
            }
        }
        for (out, sums) in out.iter_mut().zip(&sums).take(m) {
            *out = (0..n)
                .map(|s| i128::from(factorial(s) * factorial(n - 1 - s)) * i128::from(sums[s]))
                .sum();
        }
    }
}

/// The most fields in any schema's groups together, and room for their shares.
type Shares = [Share; crate::schema::MAX_FIELDS];

#[derive(Debug, Clone, Copy, Default)]
struct Share {
    whole: i64,
    /// What the whole leaves, over the common denominator.
    rest: i128,
    given: i32,
}

/// Integer contributions of groups and fields that sum to `total`.
///
/// `group_rank` and `field_rank` order ties by reason code: a lower rank is served first.
/// `groups` gets one number for each group, `fields` one for each field.
pub(crate) fn attribute(
    layout: &Layout,
    v: &[i64],
    total: i32,
    group_rank: &[u16],
    field_rank: &[u16],
    groups: &mut [i32],
    fields: &mut [i32],
) {
    let n = layout.members.len();
    let mut exact = [0i128; crate::schema::MAX_FIELDS];
    let mut shares: Shares = [Share::default(); crate::schema::MAX_FIELDS];
    for (group, members) in layout.members.iter().enumerate() {
        let mut own = [0i128; crate::schema::MAX_GROUP_FIELDS];
        layout.owen(group, v, &mut own);
        let denominator = layout.denominator(group);
        // A group's Shapley value is the sum of its fields' Owen values. Brought to the common
        // denominator n!·MAX!, remainders of groups of different sizes compare.
        let sum: i128 = own[..members.len()].iter().sum();
        let common = factorial(crate::schema::MAX_GROUP_FIELDS) / factorial(members.len());
        let common = i128::from(common);
        let (whole, rest) = floor(sum, denominator);
        shares[group] = Share {
            whole,
            rest: rest * common,
            given: 0,
        };
        for (&member, own) in members.iter().zip(own) {
            exact[usize::from(member)] = own;
        }
    }
    apportion(&mut shares[..n], i64::from(total), group_rank);
    for (out, share) in groups.iter_mut().zip(&shares[..n]) {
        *out = share.given;
    }
    for (group, members) in layout.members.iter().enumerate() {
        let denominator = layout.denominator(group);
        let mut ranks = [0u16; crate::schema::MAX_GROUP_FIELDS];
        for ((share, rank), &member) in shares.iter_mut().zip(&mut ranks).zip(members) {
            let exact = exact[usize::from(member)];
            let (whole, rest) = floor(exact, denominator);
            *share = Share {
                whole,
                rest,
                given: 0,
            };
            *rank = field_rank[usize::from(member)];
        }
        let shares = &mut shares[..members.len()];
        apportion(shares, i64::from(groups[group]), &ranks[..members.len()]);
        for (&member, share) in members.iter().zip(shares) {
            fields[usize::from(member)] = share.given;
        }
    }
}

/// The whole points of what fields are given together, rounded down, and the rest. No v is 2^20 points
/// or more, and so no two of them are further apart than 2^21; a denominator is below 2^99.
fn floor(exact: i128, denominator: i128) -> (i64, i128) {
    const MOST: u32 = 21;
    let (whole, rest) = divide(exact + (denominator << MOST), denominator, MOST + 1);
    (whole - (1 << MOST), rest)
}

/// Largest remainders: each gets its floor, and the units that are left go to the largest
/// fractions, ties by rank.
fn apportion(shares: &mut [Share], total: i64, ranks: &[u16]) {
    let floors: i64 = shares.iter().map(|s| s.whole).sum();
    let mut left = total - floors;
    for share in shares.iter_mut() {
        share.given = share.whole as i32;
    }
    // `left` lies in 0..=count: the fractions sum to less than count, and rounding the total moves
    // it by less than one.
    while left > 0 {
        let best = (0..shares.len())
            .filter(|&i| i64::from(shares[i].given) == shares[i].whole)
            .max_by(|&a, &b| {
                shares[a]
                    .rest
                    .cmp(&shares[b].rest)
                    .then(ranks[b].cmp(&ranks[a]))
            });
        let Some(best) = best else { break };
        shares[best].given += 1;
        left -= 1;
    }
    debug_assert_eq!(left, 0);
}

/// n!, for n up to 16.
fn factorial(n: usize) -> i64 {
    const TABLE: [i64; 17] = {
        let mut table = [1; 17];
        let mut n = 1;
        while n < 17 {
            table[n] = table[n - 1] * n as i64;
            n += 1;
        }
        table
    };
    TABLE[n]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::decide::scale::round_points;
    use proptest::prelude::*;

    fn shares_of(sizes: &[usize], v_of: impl Fn(&[u16]) -> i64) -> (Vec<i32>, Vec<i32>, i32) {
        let mut next = 0u16;
        let members: Vec<Vec<u16>> = sizes
            .iter()
            .map(|&size| {
                let group = (next..next + size as u16).collect();
                next += size as u16;
                group
            })
            .collect();
        let layout = Layout::new(members);
        let v: Vec<i64> = (0..layout.evaluations)
            .map(|i| v_of(&layout.masks(i)))
            .collect();
        let count = 1usize << sizes.len();
        let total = round_points(v[count - 1]) - round_points(v[0]);
        let ranks: Vec<u16> = (0..next).collect();
        let (mut groups, mut fields) = (vec![0; sizes.len()], vec![0; usize::from(next)]);
        attribute(&layout, &v, total, &ranks, &ranks, &mut groups, &mut fields);
        (groups, fields, total)
    }

    #[test]
    fn every_evaluation_has_its_own_place() {
        let layout = Layout::new(vec![vec![0, 1], vec![2], vec![3, 4, 5], vec![6]]);
        let all: Vec<Masks> = (0..layout.evaluations).map(|i| layout.masks(i)).collect();
        for (i, masks) in all.iter().enumerate() {
            assert_eq!(all.iter().position(|m| m == masks), Some(i));
        }
        for group in 0..4 {
            for others in 0..8usize {
                for mask in 0..=layout.full(group) {
                    let masks = all[layout.at(group, others, mask)];
                    assert_eq!(masks[group], mask);
                    for g in (0..4).filter(|&g| g != group) {
                        let bit = if g < group {
                            others >> g
                        } else {
                            others >> (g - 1)
                        } & 1;
                        assert_eq!(masks[g], if bit == 1 { layout.full(g) } else { 0 });
                    }
                }
            }
        }
    }

    #[test]
    fn an_additive_score_is_shared_as_it_adds_up() {
        let points = [[3i64, 5, 0], [-7, 0, 0], [10, -4, 2]];
        let v = |masks: &[u16]| -> i64 {
            let each = |g: usize| {
                (0..3)
                    .filter(|&f| masks[g] >> f & 1 == 1)
                    .map(|f| points[g][f])
                    .sum::<i64>()
            };
            (0..3).map(each).sum::<i64>() * POINT
        };
        let (groups, fields, total) = shares_of(&[2, 1, 3], v);
        assert_eq!((groups, total), (vec![8, -7, 8], 9));
        assert_eq!(fields, [3, 5, -7, 10, -4, 2]);
    }

    #[test]
    fn a_shared_surplus_is_split_and_ties_go_by_rank() {
        // One point that only both groups together earn: halves, the tie to the first code.
        let (groups, _, _) = shares_of(&[1, 1], |m| i64::from(m[0] & m[1] & 1) * POINT);
        assert_eq!(groups, [1, 0]);
    }

    proptest! {
        #[test]
        fn whole_points_are_rounded_down(
            (denominator, exact) in (1_i128..1 << 99).prop_flat_map(|denominator| {
                let most = denominator << 21;
                (Just(denominator), -most..most)
            }),
            whole in -(1_i64 << 21)..1 << 21,
        ) {
            for exact in [exact, i128::from(whole) * denominator] {
                let expected = (exact.div_euclid(denominator) as i64, exact.rem_euclid(denominator));
                prop_assert_eq!(floor(exact, denominator), expected);
            }
        }

        #[test]
        fn contributions_sum_exactly(
            sizes in proptest::collection::vec(1usize..4, 1..5),
            seed in any::<u64>(),
        ) {
            let v = |masks: &[u16]| {
                let mut hash = seed;
                for &mask in masks {
                    hash = (hash ^ u64::from(mask)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(17);
                }
                (hash % 800_000) as i64
            };
            let (groups, fields, total) = shares_of(&sizes, v);
            prop_assert_eq!(groups.iter().sum::<i32>(), total);
            let mut next = 0;
            for (size, group) in sizes.iter().zip(groups) {
                prop_assert_eq!(fields[next..next + size].iter().sum::<i32>(), group);
                next += size;
            }
        }
    }
}

//! How decisions treat the groups of a column, and what compression changed about it.
//!
//! A decision is favourable where it approves. Of each group are measured
//!
//! - the selection rate: the share approved, and its ratio to the reference group's. Below four fifths a
//!   ratio counts as evidence of adverse impact (Uniform Guidelines on Employee Selection Procedures, 29
//!   CFR 1607.4(D); courts and supervisors have carried the rule over to lending). The reference is the
//!   group with the highest rate among those with [`SMALL`] rows or more, unless one is named;
//! - the equal-opportunity gap: the share approved of the good, minus the reference group's (M. Hardt, E.
//!   Price and N. Srebro, "Equality of opportunity in supervised learning", NIPS 2016);
//! - the false-positive gap: the same of the bad. Positive means approved here, as in that paper, so a
//!   false positive is a bad loan that is approved: [`Treatment::false_approval`].
//!
//! Where decisions are compared with earlier ones of the same rows, those of the model handed in, every
//! figure is measured of both against the same reference group, and the change (now minus before) has a
//! paired interval: rows are drawn with replacement among the good and among the bad of their group, each
//! with both of its decisions. Groups with fewer than [`SMALL`] rows are shown and not judged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::bands::Bands;
use super::bootstrap::{Strata, percentiles, resamples_for};
use super::curves::Flips;
use super::intervals::Interval;
use super::metrics::{MetricsError, check_lengths};
use super::shares::Share;

/// A group of fewer rows is not judged.
pub const SMALL: usize = 30;

/// The most groups that a column may have: more would be an identifier, or numbers without bands.
pub const MAX_GROUPS: usize = 100;

/// What rows without a value are called; they are never the reference unless they are named.
pub const MISSING: &str = "(missing)";

/// What fairness is held against.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The least ratio of selection rates that is not flagged.
    pub ratio: f64,
    /// The most by which compression may lower a ratio; without it nothing is held against it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<f64>,
}

impl Default for Limits {
    /// Four fifths, and no limit on the change.
    fn default() -> Self {
        Self {
            ratio: 0.8,
            change: None,
        }
    }
}

/// Decisions with the groups of one column, a value of each per row.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a, T> {
    /// The group.
    pub group: &'a [String],
    /// The decision.
    pub now: &'a [T],
    /// The decision that it is compared with.
    pub before: Option<&'a [T]>,
    /// The decision that is favourable.
    pub approve: &'a T,
    /// Whether the loan turned out bad.
    pub bad: Option<&'a [bool]>,
}

/// Why a column cannot be measured.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FairnessError {
    /// The rows themselves are at fault.
    #[error(transparent)]
    Rows(#[from] MetricsError),
    /// More than [`MAX_GROUPS`] groups.
    #[error("{found} groups are too many to compare: at most {MAX_GROUPS}; cut numbers into bands")]
    TooManyGroups {
        /// Groups found.
        found: usize,
    },
    /// The group that is to be the reference has no rows.
    #[error("the reference group has no rows")]
    NoReference,
}

/// How the groups of one column are treated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Column {
    /// The column.
    pub column: String,
    /// The group that others are compared with; none where no group is large enough or approved at all.
    pub reference: Option<String>,
    /// Resamples behind the intervals of changes; 0 where nothing is compared.
    pub resamples: usize,
    /// The groups.
    pub groups: Vec<Group>,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// Its name.
    pub group: String,
    /// Its rows.
    pub rows: usize,
    /// Share of bad loans, where there are labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bad_rate: Option<Interval>,
    /// What the decisions are.
    pub now: Treatment,
    /// What they were before, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Treatment>,
    /// What that changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// What the ratio says.
    pub finding: Finding,
}

/// What the decisions of one model are for a group.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Treatment {
    /// Rows approved.
    pub approved: usize,
    /// Share approved, with Wilson's interval.
    pub selection: Interval,
    /// That share divided by the reference group's, with its interval: [`Share::ratio_to`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Interval>,
    /// How likely such a ratio is by chance: [`Share::p_value`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// Approvals of the good: equal opportunity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opportunity: Option<Gap>,
    /// Approvals of the bad: false positives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub false_approval: Option<Gap>,
}

/// A share of one class, and how far it is from the reference group's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Gap {
    /// Rows of the class in the group.
    pub rows: usize,
    /// Share approved of them, with Wilson's interval.
    pub share: Interval,
    /// That share minus the reference group's: [`Share::gap_to`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap: Option<Interval>,
}

/// What is now minus what was before, with paired intervals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Change {
    /// Rows whose decision differs, in whatever way.
    pub flips: Flips,
    /// Rows that are approved now and were not.
    pub gained: usize,
    /// Rows that were approved and are not now.
    pub lost: usize,
    /// Of the share approved.
    pub selection: Interval,
    /// Of the ratio to the reference group's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Interval>,
    /// Of the equal-opportunity gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opportunity: Option<Interval>,
    /// Of the false-positive gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub false_approval: Option<Interval>,
    /// What the change of the ratio says.
    pub finding: Drift,
}

/// What a ratio says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// This is the group that others are compared with.
    Reference,
    /// There is nothing to compare it with.
    Unmeasured,
    /// Too few rows to judge, here or in the reference group.
    Small,
    /// Not below the limit.
    Holds,
    /// Below the limit, but its interval reaches it: few rows may be why.
    Below,
    /// Below the limit with its whole interval.
    WhollyBelow,
}

/// What the change of a ratio says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drift {
    /// The group is not judged, or there is no limit.
    Unjudged,
    /// It fell by no more than the limit.
    Holds,
    /// It fell by more, but by so few rows that it may be chance: its interval reaches 0.
    Doubtful,
    /// It fell by more, with its whole interval below 0: compression treats the group worse.
    Worse,
}

/// How decisions treat people: by group, and where the score lies.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fairness {
    /// What ratios are held against.
    pub limits: Limits,
    /// The columns whose groups are compared.
    pub columns: Vec<Column>,
    /// Decisions that differ, by score; none where nothing is compared or there is no score.
    pub bands: Vec<Bands>,
    /// Whether compression treats no group worse: no [`Drift::Worse`].
    pub passed: bool,
}

impl Fairness {
    /// The figures together.
    pub fn new(limits: Limits, columns: Vec<Column>, bands: Vec<Bands>) -> Self {
        let mut groups = columns.iter().flat_map(|column| &column.groups);
        let passed = groups.all(|group| {
            let change = group.change.as_ref();
            change.is_none_or(|change| change.finding != Drift::Worse)
        });
        Self {
            limits,
            columns,
            bands,
            passed,
        }
    }

    /// Each group with its column.
    pub fn groups(&self) -> impl Iterator<Item = (&Column, &Group)> {
        let columns = self.columns.iter();
        columns.flat_map(|column| column.groups.iter().map(move |group| (column, group)))
    }
}

/// Rows of a group by class (bad), earlier decision and decision (approved), the last running fastest.
/// Without labels all are of the first class.
type Cells = [usize; 8];

/// One group's rows, counted.
struct Tally {
    name: String,
    cells: Cells,
    flips: usize,
}

/// Which decision of a row.
#[derive(Clone, Copy)]
enum Side {
    Now,
    Before,
}

impl Column {
    /// Measures the groups of the column `name`; they come in the order of `order`, then by name.
    ///
    /// # Errors
    /// [`FairnessError`] for no rows, columns that differ in length, too many groups, or a `reference` that
    /// no row is of.
    pub fn measure<T: PartialEq>(
        name: &str,
        rows: &Rows<'_, T>,
        (order, reference): (&[String], Option<&str>),
        limits: Limits,
    ) -> Result<Self, FairnessError> {
        let tallies = tally(rows, order)?;
        let reference = choose(&tallies, reference)?;
        let labelled = rows.bad.is_some();
        let resamples = rows.before.map_or(0, |_| resamples_for(rows.now.len()));
        let mut changes = changes(&tallies, reference, resamples).into_iter();
        let size = |at: usize| tallies[at].cells.iter().sum::<usize>();
        let groups = tallies.iter().enumerate().map(|(at, tally)| {
            let compared = Compared {
                cells: reference.map(|at| &tallies[at].cells),
                is_reference: reference == Some(at),
                small: size(at) < SMALL || reference.is_some_and(|at| size(at) < SMALL),
                labelled,
                limits,
            };
            let now = compared.treatment(&tally.cells, Side::Now)?;
            let bad = Share {
                part: tally.cells[4..].iter().sum(),
                whole: size(at),
            };
            Some(Group {
                group: tally.name.clone(),
                rows: size(at),
                bad_rate: rows.bad.and(bad.interval()),
                before: rows
                    .before
                    .and(compared.treatment(&tally.cells, Side::Before)),
                change: changes
                    .next()
                    .and_then(|intervals| compared.change(tally, intervals)),
                finding: compared.finding(now.ratio),
                now,
            })
        });
        Ok(Self {
            column: name.to_owned(),
            reference: reference.map(|at| tallies[at].name.clone()),
            resamples,
            groups: groups.collect::<Option<_>>().ok_or(MetricsError::NoRows)?,
        })
    }
}

/// What a group is compared with.
struct Compared<'a> {
    /// The reference group's rows.
    cells: Option<&'a Cells>,
    is_reference: bool,
    small: bool,
    labelled: bool,
    limits: Limits,
}

impl Compared<'_> {
    fn treatment(&self, cells: &Cells, side: Side) -> Option<Treatment> {
        let own = share(cells, None, side);
        let other = self.cells.map(|cells| share(cells, None, side));
        let gap = |bad| {
            let own = share(cells, Some(bad), side);
            let other = self.cells.map(|cells| share(cells, Some(bad), side));
            Some(Gap {
                rows: own.whole,
                share: own.interval()?,
                gap: other.and_then(|other| match self.is_reference {
                    true => Some(Interval::exactly(0.0)),
                    false => own.gap_to(other),
                }),
            })
        };
        let [opportunity, false_approval] =
            [false, true].map(|bad| self.labelled.then(|| gap(bad)).flatten());
        Some(Treatment {
            approved: own.part,
            selection: own.interval()?,
            ratio: other.and_then(|other| match self.is_reference && own.part > 0 {
                true => Some(Interval::exactly(1.0)),
                false => own.ratio_to(other),
            }),
            p_value: other.and_then(|other| own.p_value(other)),
            opportunity,
            false_approval,
        })
    }

    fn finding(&self, ratio: Option<Interval>) -> Finding {
        match ratio {
            _ if self.is_reference => Finding::Reference,
            None => Finding::Unmeasured,
            Some(_) if self.small => Finding::Small,
            Some(ratio) if ratio.value >= self.limits.ratio => Finding::Holds,
            Some(ratio) if ratio.high >= self.limits.ratio => Finding::Below,
            Some(_) => Finding::WhollyBelow,
        }
    }

    fn drift(&self, ratio: Option<Interval>) -> Drift {
        let (Some(ratio), Some(limit)) = (ratio, self.limits.change) else {
            return Drift::Unjudged;
        };
        // A difference of two quotients may miss by a rounding what they were meant to say.
        let fell = -ratio.value > limit + 1e-12;
        match (self.is_reference || self.small, fell, ratio.high < 0.0) {
            (true, ..) => Drift::Unjudged,
            (_, false, _) => Drift::Holds,
            (_, _, false) => Drift::Doubtful,
            (_, _, true) => Drift::Worse,
        }
    }

    fn change(&self, tally: &Tally, intervals: [Option<Interval>; 4]) -> Option<Change> {
        let [selection, ratio, opportunity, false_approval] = intervals;
        let cells = &tally.cells;
        let flips = Share {
            part: tally.flips,
            whole: cells.iter().sum(),
        };
        Some(Change {
            flips: Flips {
                rows: flips.whole,
                count: flips.part,
                share: flips.interval()?,
            },
            gained: cells[1] + cells[5],
            lost: cells[2] + cells[6],
            selection: selection?,
            ratio,
            opportunity: opportunity.filter(|_| self.labelled),
            false_approval: false_approval.filter(|_| self.labelled),
            finding: self.drift(ratio),
        })
    }
}

/// The share approved of a group, or of one class of it.
fn share(cells: &Cells, bad: Option<bool>, side: Side) -> Share {
    let bit = match side {
        Side::Now => 1,
        Side::Before => 2,
    };
    let mut share = Share::default();
    for (at, &rows) in cells.iter().enumerate() {
        if bad.is_none_or(|bad| (at & 4 != 0) == bad) {
            share.whole += rows;
            share.part += if at & bit != 0 { rows } else { 0 };
        }
    }
    share
}

fn tally<T: PartialEq>(rows: &Rows<'_, T>, order: &[String]) -> Result<Vec<Tally>, FairnessError> {
    check_lengths(rows.group.len(), rows.now.len())?;
    for length in [rows.before.map(<[T]>::len), rows.bad.map(<[bool]>::len)] {
        check_lengths(rows.group.len(), length.unwrap_or(rows.group.len()))?;
    }
    let before = rows.before.unwrap_or(rows.now);
    let mut all: BTreeMap<(usize, &String), (Cells, usize)> = BTreeMap::new();
    for (row, group) in rows.group.iter().enumerate() {
        let place = order.iter().position(|name| name == group);
        let (cells, flips) = all
            .entry((place.unwrap_or(order.len()), group))
            .or_default();
        let bad = rows.bad.is_some_and(|bad| bad[row]);
        let bits = [
            bad,
            before[row] == *rows.approve,
            rows.now[row] == *rows.approve,
        ];
        let cell = bits.iter().fold(0, |at, &bit| 2 * at + usize::from(bit));
        cells[cell] += 1;
        *flips += usize::from(before[row] != rows.now[row]);
    }
    if all.len() > MAX_GROUPS {
        return Err(FairnessError::TooManyGroups { found: all.len() });
    }
    let tallies = all.into_iter().map(|((_, name), (cells, flips))| Tally {
        name: name.clone(),
        cells,
        flips,
    });
    Ok(tallies.collect())
}

/// The reference group: the one that is named, or the one with the highest selection rate.
fn choose(tallies: &[Tally], named: Option<&str>) -> Result<Option<usize>, FairnessError> {
    if let Some(named) = named {
        let at = tallies.iter().position(|tally| tally.name == named);
        return at.map(Some).ok_or(FairnessError::NoReference);
    }
    let rate = |at: &usize| share(&tallies[*at].cells, None, Side::Now);
    let candidates = (0..tallies.len()).filter(|at| {
        let rate = rate(at);
        rate.whole >= SMALL && rate.part > 0 && tallies[*at].name != MISSING
    });
    // Compared by cross products; of equal rates the larger group, then the first.
    Ok(candidates.rev().max_by(|a, b| {
        let (a, b) = (rate(a), rate(b));
        let product = |a: usize, b: usize| a as u64 * b as u64;
        let by_rate = product(a.part, b.whole).cmp(&product(b.part, a.whole));
        by_rate.then(a.whole.cmp(&b.whole))
    }))
}

/// For each group how much the share approved, its ratio and both gaps are now above what they were, with
/// paired intervals. None of any group where nothing is resampled.
fn changes(
    tallies: &[Tally],
    reference: Option<usize>,
    resamples: usize,
) -> Vec<[Option<Interval>; 4]> {
    if resamples == 0 {
        return Vec::new();
    }
    let cells: Vec<Cells> = tallies.iter().map(|tally| tally.cells).collect();
    // Rows that are alike stand side by side, so that no interval depends on their order.
    let rows = cells.iter().enumerate().flat_map(|(group, cells)| {
        let of_cell = move |(at, &rows)| std::iter::repeat_n(2 * group + (at >> 2), rows);
        cells.iter().enumerate().flat_map(of_cell)
    });
    let drawn = Strata::new(rows).resamples(resamples, |counts| {
        let mut rest = counts;
        let mut take = |rows| {
            let (own, others) = rest.split_at(rows);
            rest = others;
            own.iter().map(|&copies| copies as usize).sum()
        };
        let resampled: Vec<Cells> = cells.iter().map(|cells| cells.map(&mut take)).collect();
        differences(&resampled, reference)
    });
    let estimates = differences(&cells, reference);
    let interval = |group: usize, figure: usize| {
        let of = |all: &[[Option<f64>; 4]]| all[group][figure];
        let mut values: Vec<f64> = drawn.iter().filter_map(|all| of(all)).collect();
        let estimate = of(&estimates)?;
        (!values.is_empty()).then(|| percentiles(estimate, &mut values))
    };
    let figures = [0, 1, 2, 3];
    (0..tallies.len())
        .map(|group| figures.map(|figure| interval(group, figure)))
        .collect()
}

/// For each group: share approved, ratio, gap among the good and gap among the bad, now minus before.
fn differences(cells: &[Cells], reference: Option<usize>) -> Vec<[Option<f64>; 4]> {
    let rate = |cells: &Cells, bad, side| {
        let Share { part, whole } = share(cells, bad, side);
        (whole > 0).then(|| part as f64 / whole as f64)
    };
    let difference = |of: &dyn Fn(Side) -> Option<f64>| Some(of(Side::Now)? - of(Side::Before)?);
    let figures = |own: &Cells| {
        let other = reference.map(|at| &cells[at]);
        let ratio = |side| share(own, None, side).quotient(share(other?, None, side));
        let gap = |bad, side| Some(rate(own, Some(bad), side)? - rate(other?, Some(bad), side)?);
        [
            difference(&|side| rate(own, None, side)),
            difference(&ratio),
            difference(&|side| gap(false, side)),
            difference(&|side| gap(true, side)),
        ]
    };
    cells.iter().map(figures).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    /// So many rows of a group that were and are decided so, and turned out so.
    type Block<'a> = (&'a str, usize, [bool; 3]);

    struct Table {
        group: Vec<String>,
        now: Vec<bool>,
        before: Vec<bool>,
        bad: Vec<bool>,
    }

    impl Table {
        /// Blocks of (group, rows, [before, now, bad]).
        fn new(blocks: &[Block<'_>]) -> Self {
            let rows = || blocks.iter().flat_map(|block| vec![block; block.1]);
            Self {
                group: rows().map(|block| block.0.to_owned()).collect(),
                before: rows().map(|block| block.2[0]).collect(),
                now: rows().map(|block| block.2[1]).collect(),
                bad: rows().map(|block| block.2[2]).collect(),
            }
        }

        fn rows(&self) -> Rows<'_, bool> {
            Rows {
                group: &self.group,
                now: &self.now,
                before: Some(&self.before),
                approve: &true,
                bad: Some(&self.bad),
            }
        }

        fn measure(&self, change: f64) -> Column {
            let limits = Limits {
                change: Some(change),
                ..Limits::default()
            };
            Column::measure("group", &self.rows(), (&[], None), limits).unwrap()
        }
    }

    const YES: [bool; 3] = [true, true, false];
    const NO: [bool; 3] = [false, false, false];
    const YES_BAD: [bool; 3] = [true, true, true];
    const NO_BAD: [bool; 3] = [false, false, true];
    const LOST: [bool; 3] = [true, false, false];

    /// Two groups of a hundred, by hand.
    fn by_hand() -> Column {
        Table::new(&[
            ("a", 60, YES),
            ("a", 20, NO),
            ("a", 10, YES_BAD),
            ("a", 10, NO_BAD),
            ("b", 40, YES),
            ("b", 5, LOST),
            ("b", 15, NO),
            ("b", 10, YES_BAD),
            ("b", 30, NO_BAD),
            ("c", 3, YES),
        ])
        .measure(0.02)
    }

    #[test]
    fn figures_are_those_of_the_table_by_hand() {
        let column = by_hand();
        let [a, b, c]: &[Group; 3] = column.groups[..].try_into().unwrap();
        // c has three rows: all approved, and yet no reference.
        assert_eq!(column.reference.as_deref(), Some("a"));
        assert_eq!((a.rows, a.now.approved), (100, 70));
        assert_eq!(a.now.ratio, Some(Interval::exactly(1.0)));
        assert_eq!(a.finding, Finding::Reference);
        assert_eq!(b.bad_rate.unwrap().value, 0.4);
        assert_eq!(b.now.selection.value, 0.5);
        assert_eq!(b.now.ratio.unwrap().value, 50.0 / 70.0);
        assert_eq!(b.before.unwrap().ratio.unwrap().value, 55.0 / 70.0);
        // Of the good 40 of 60 against 60 of 80; of the bad 10 of 40 against 10 of 20.
        let opportunity = b.now.opportunity.unwrap();
        assert_eq!(
            (opportunity.rows, opportunity.share.value),
            (60, 40.0 / 60.0)
        );
        assert_eq!(opportunity.gap.unwrap().value, 40.0 / 60.0 - 0.75);
        let false_approval = b.now.false_approval.unwrap();
        assert_eq!(false_approval.gap.unwrap().value, -0.25);
        let change = b.change.unwrap();
        assert_eq!((change.flips.count, change.gained, change.lost), (5, 0, 5));
        assert!((change.selection.value + 0.05).abs() < 1e-12);
        assert!((change.ratio.unwrap().value + 5.0 / 70.0).abs() < 1e-12);
        assert!((change.opportunity.unwrap().value + 5.0 / 60.0).abs() < 1e-12);
        assert_eq!(change.false_approval, Some(Interval::exactly(0.0)));
        assert_eq!(c.finding, Finding::Small);
        assert_eq!(c.change.unwrap().finding, Drift::Unjudged);
    }

    /// The share approved falls by Binomial(60, 5/60) out of the group's 100 rows, of which the 2.5 % and
    /// 97.5 % quantiles are 1 and 10.
    #[test]
    fn the_interval_of_a_change_is_the_binomial_one() {
        let selection = by_hand().groups[1].change.unwrap().selection;
        assert!((selection.high + 0.01).abs() < 1e-12, "{selection:?}");
        assert!((selection.low + 0.10).abs() < 0.011, "{selection:?}");
    }

    /// Of tables drawn from known chances, the interval of the change of the ratio holds the true change in
    /// most, and that of the ratio the true ratio: 95 % of them, less what chance takes off 200.
    #[test]
    fn intervals_hold_the_truth_as_often_as_they_should() {
        use rand::{Rng, SeedableRng};
        let mut generator = rand_chacha::ChaCha8Rng::from_seed([3; 32]);
        let mut chance = |percent: u32| generator.next_u32() % 100 < percent;
        // Group a: 70 % approved, all as before. Group b: 55 % before, of whom a tenth lose it.
        let (truth, change) = (0.55 * 0.9 / 0.7, -0.055 / 0.7);
        let mut held = [0, 0];
        for _ in 0..200 {
            let rows: Vec<Block<'_>> = (0..600)
                .map(|row| {
                    let is_a = row % 2 == 0;
                    let before = chance(if is_a { 70 } else { 55 });
                    let now = before && (is_a || !chance(10));
                    (if is_a { "a" } else { "b" }, 1, [before, now, chance(30)])
                })
                .collect();
            let table = Table::new(&rows);
            let named: (&[String], _) = (&[], Some("a"));
            let column = Column::measure("group", &table.rows(), named, Limits::default());
            let b = column.unwrap().groups[1].clone();
            let holds = |it: Interval, truth: f64| usize::from(it.low <= truth && truth <= it.high);
            held[0] += holds(b.now.ratio.unwrap(), truth);
            held[1] += holds(b.change.unwrap().ratio.unwrap(), change);
        }
        assert!(
            held.iter().all(|held| (180..=199).contains(held)),
            "{held:?}"
        );
    }

    #[test]
    fn below_four_fifths_is_told_from_wholly_below() {
        let finding = |approved: usize, rows: usize| {
            let table = Table::new(&[
                ("a", 90, YES),
                ("a", 10, NO),
                ("b", approved, YES),
                ("b", rows - approved, NO),
            ]);
            table.measure(0.02).groups[1].finding
        };
        // 72 of 100 is four fifths of 90 of 100 to the dot, which is not below.
        assert_eq!(finding(72, 100), Finding::Holds);
        assert_eq!(finding(71, 100), Finding::Below);
        assert_eq!(finding(50, 100), Finding::WhollyBelow);
        assert_eq!(finding(15, 30), Finding::WhollyBelow);
        assert_eq!(finding(14, 29), Finding::Small);
    }

    #[test]
    fn a_ratio_that_falls_is_worse_where_more_than_chance_says_so() {
        let drift = |lost: usize, limit: f64| {
            let table = Table::new(&[
                ("a", 100, YES),
                ("b", 50, YES),
                ("b", lost, LOST),
                ("b", 50 - lost, NO),
            ]);
            table.measure(limit).groups[1].change.unwrap().finding
        };
        assert_eq!(drift(0, 0.02), Drift::Holds);
        assert_eq!(drift(2, 0.02), Drift::Holds);
        assert_eq!(drift(3, 0.02), Drift::Doubtful);
        assert_eq!(drift(8, 0.02), Drift::Worse);
        assert_eq!(drift(8, 0.08), Drift::Holds);
        let fairness = |lost| {
            let blocks = [("a", 100, YES), ("b", 50, YES), ("b", lost, LOST)];
            let column = Table::new(&blocks).measure(0.02);
            Fairness::new(Limits::default(), vec![column], Vec::new()).passed
        };
        assert!(fairness(1) && !fairness(20));
    }

    #[test]
    fn a_reference_may_be_named_and_must_exist() {
        let table = Table::new(&[("a", 60, YES), ("b", 30, YES), ("b", 30, NO)]);
        let measure = |named| {
            let named: (&[String], _) = (&[], Some(named));
            Column::measure("group", &table.rows(), named, Limits::default())
        };
        let column = measure("b").unwrap();
        assert_eq!(column.groups[0].now.ratio.unwrap().value, 2.0);
        assert_eq!(measure("c"), Err(FairnessError::NoReference));
    }

    #[test]
    fn what_is_missing_is_no_reference_and_no_approvals_are_no_ratio() {
        let column = Table::new(&[(MISSING, 60, YES), ("b", 60, NO)]).measure(0.02);
        assert_eq!(column.reference, None);
        assert_eq!(column.groups[1].finding, Finding::Unmeasured);
        assert_eq!(column.groups[1].now.ratio, None);
    }

    #[test]
    fn without_labels_and_earlier_decisions_there_are_rates_alone() {
        let table = Table::new(&[("a", 60, YES), ("b", 30, YES), ("b", 30, NO)]);
        let rows = Rows {
            before: None,
            bad: None,
            ..table.rows()
        };
        let column = Column::measure("group", &rows, (&[], None), Limits::default()).unwrap();
        let b = &column.groups[1];
        assert_eq!(b.now.ratio.unwrap().value, 0.5);
        assert_eq!((b.bad_rate, b.before, b.change), (None, None, None));
        assert_eq!((b.now.opportunity, b.now.false_approval), (None, None));
        let rows = Rows {
            bad: None,
            ..table.rows()
        };
        let column = Column::measure("group", &rows, (&[], None), Limits::default()).unwrap();
        let change = column.groups[1].change.unwrap();
        assert_eq!((change.opportunity, change.false_approval), (None, None));
    }

    #[test]
    fn each_error_has_its_variant() {
        let table = Table::new(&[("a", 2, YES)]);
        let measure = |rows: &Rows<'_, bool>| {
            Column::measure("group", rows, (&[], None), Limits::default()).unwrap_err()
        };
        let short = Rows {
            group: &table.group[1..],
            ..table.rows()
        };
        let differ = MetricsError::LengthsDiffer { left: 1, right: 2 };
        assert_eq!(measure(&short), FairnessError::Rows(differ));
        let names: Vec<String> = (0..=MAX_GROUPS).map(|name| name.to_string()).collect();
        let now = vec![true; names.len()];
        let rows = Rows {
            group: &names,
            now: &now,
            before: None,
            approve: &true,
            bad: None,
        };
        assert_eq!(measure(&rows), FairnessError::TooManyGroups { found: 101 });
    }

    #[test]
    fn groups_come_in_the_order_that_is_given() {
        let table = Table::new(&[("x", 1, YES), ("a", 1, YES), ("m", 1, YES)]);
        let order = ["m".to_owned(), "none".to_owned()];
        let column = Column::measure("group", &table.rows(), (&order, None), Limits::default());
        let names: Vec<String> = column
            .unwrap()
            .groups
            .into_iter()
            .map(|g| g.group)
            .collect();
        assert_eq!(names, ["m", "a", "x"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_order_of_rows_changes_nothing(
            rows in prop::collection::vec((0..3_usize, any::<[bool; 3]>()), 40..160),
            seed in any::<u64>(),
        ) {
            let names = ["a", "b", "c"];
            let of = |rows: &[(usize, [bool; 3])]| {
                let blocks: Vec<Block<'_>> = rows.iter().map(|row| (names[row.0], 1, row.1)).collect();
                Table::new(&blocks).measure(0.02)
            };
            let column = of(&rows);
            let mut shuffled = rows.clone();
            shuffled.sort_by_key(|row| (row.1[(seed % 3) as usize], row.0 as u64 ^ seed));
            prop_assert_eq!(of(&shuffled), column.clone());
            if let Some(reference) = &column.reference {
                let group = column.groups.iter().find(|group| group.group == *reference).unwrap();
                prop_assert_eq!(group.now.ratio, Some(Interval::exactly(1.0)));
                let largest = column.groups.iter().filter(|group| group.rows >= SMALL);
                for other in largest {
                    prop_assert!(other.now.selection.value <= group.now.selection.value);
                }
            }
            for change in column.groups.iter().filter_map(|group| group.change) {
                let all = [Some(change.selection), change.ratio, change.opportunity, change.false_approval];
                for it in all.into_iter().flatten() {
                    prop_assert!(it.low <= it.high);
                }
            }
        }

        #[test]
        fn the_same_decisions_change_nothing(
            rows in prop::collection::vec((0..3_usize, any::<bool>(), any::<bool>()), 40..160),
        ) {
            let names = ["a", "b", "c"];
            let blocks: Vec<Block<'_>> = rows.iter().map(|row| (names[row.0], 1, [row.1, row.1, row.2])).collect();
            for group in Table::new(&blocks).measure(0.0).groups {
                let change = group.change.unwrap();
                prop_assert_eq!(change.selection, Interval::exactly(0.0));
                prop_assert_eq!(change.flips.count, 0);
                prop_assert_eq!(Some(group.now), group.before);
                prop_assert!(change.finding != Drift::Worse && change.finding != Drift::Doubtful);
            }
        }
    }
}

//! How outcomes migrate from one bundle to the next.

use std::collections::BTreeMap;

use fieldscore_runtime::Outcome;
use serde::Serialize;

use crate::evaluate::intervals::{Interval, quantile, wilson};

/// What a bundle says of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decided {
    /// The loan may be granted.
    Approve,
    /// A person decides.
    Refer,
    /// The loan is not granted.
    Decline,
    /// It does not score such a row.
    Refused,
}

impl Decided {
    /// Its name, the same everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approve => Outcome::Approve.name(),
            Self::Refer => Outcome::Refer.name(),
            Self::Decline => Outcome::Decline.name(),
            Self::Refused => "refused",
        }
    }

    fn of(decided: Option<(Outcome, i32)>) -> Self {
        match decided {
            Some((Outcome::Approve, _)) => Self::Approve,
            Some((Outcome::Refer, _)) => Self::Refer,
            Some((Outcome::Decline, _)) => Self::Decline,
            None => Self::Refused,
        }
    }
}

/// One application under both bundles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Outcome and score under the old bundle; `None` where it refuses the row.
    pub old: Option<(Outcome, i32)>,
    /// The same under the new bundle.
    pub new: Option<(Outcome, i32)>,
    /// Whether the loan went bad, where that is known.
    pub bad: Option<bool>,
    /// Its group in each of the columns asked for.
    pub groups: Vec<String>,
}

impl Row {
    fn decided(&self) -> (Decided, Decided) {
        (Decided::of(self.old), Decided::of(self.new))
    }

    /// Whether at least one of the bundles scores it.
    fn counts(&self) -> bool {
        self.old.is_some() || self.new.is_some()
    }

    fn moved(&self) -> bool {
        let (old, new) = self.decided();
        old != new
    }
}

/// How the outcomes of a file migrate. Shares are of the rows that at least one bundle scores; a row
/// that only one of them scores has moved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Migration {
    /// Rows of the file.
    pub rows: usize,
    /// Rows that are not scored.
    pub refused: Refused,
    /// How many have another outcome.
    pub moved: usize,
    /// Their share with Wilson's 95 % interval.
    pub moved_share: Option<Interval>,
    /// From which outcome to which; without empty cells.
    pub matrix: Vec<Cell>,
    /// New score minus old score, of the rows that both score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scores: Option<Differences>,
    /// The same by group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupMoves>,
}

/// Rows that are not scored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// By the old bundle alone.
    pub old: usize,
    /// By the new bundle alone.
    pub new: usize,
    /// By both.
    pub both: usize,
}

/// Rows that go from one outcome to another, or stay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cell {
    /// Under the old bundle.
    pub old: Decided,
    /// Under the new bundle.
    pub new: Decided,
    /// How many.
    pub rows: usize,
    /// Their share with Wilson's 95 % interval.
    pub share: Option<Interval>,
    /// The share of bad loans among those whose label is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bad_rate: Option<Interval>,
}

/// How scores differ, in points.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Differences {
    /// Rows that both bundles score.
    pub rows: usize,
    /// Rows with the same score.
    pub same: usize,
    /// The mean.
    pub mean: f64,
    /// The least.
    pub least: f64,
    /// The 5 % quantile.
    pub p05: f64,
    /// The 25 % quantile.
    pub p25: f64,
    /// The median.
    pub median: f64,
    /// The 75 % quantile.
    pub p75: f64,
    /// The 95 % quantile.
    pub p95: f64,
    /// The greatest.
    pub greatest: f64,
}

/// How outcomes migrate in a group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupMoves {
    /// The column.
    pub column: String,
    /// The group.
    pub group: String,
    /// Its rows that at least one bundle scores.
    pub rows: usize,
    /// Those that have another outcome.
    pub moved: usize,
    /// Their share with Wilson's 95 % interval.
    pub moved_share: Option<Interval>,
    /// Share approved by the old bundle.
    pub approved_old: Option<Interval>,
    /// Share approved by the new bundle.
    pub approved_new: Option<Interval>,
}

impl Migration {
    /// Of these rows, whose groups are those in `columns`.
    pub fn of(rows: &[Row], columns: &[String]) -> Self {
        let counted = rows.iter().filter(|row| row.counts());
        let counted: Vec<&Row> = counted.collect();
        let moved = counted.iter().filter(|row| row.moved()).count();
        let alone = |one: fn(&Row) -> bool| counted.iter().filter(|row| one(row)).count();
        Self {
            rows: rows.len(),
            refused: Refused {
                old: alone(|row| row.old.is_none()),
                new: alone(|row| row.new.is_none()),
                both: rows.len() - counted.len(),
            },
            moved,
            moved_share: wilson(moved, counted.len()),
            matrix: matrix(&counted),
            scores: Differences::of(&counted),
            groups: columns
                .iter()
                .enumerate()
                .flat_map(|(at, column)| groups(&counted, at, column))
                .collect(),
        }
    }
}

fn matrix(rows: &[&Row]) -> Vec<Cell> {
    let mut cells: BTreeMap<(Decided, Decided), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        cells.entry(row.decided()).or_default().push(row);
    }
    let cells = cells.into_iter().map(|((old, new), own)| {
        let known = own.iter().filter_map(|row| row.bad);
        let bad = known.clone().filter(|bad| *bad).count();
        Cell {
            old,
            new,
            rows: own.len(),
            share: wilson(own.len(), rows.len()),
            bad_rate: wilson(bad, known.count()),
        }
    });
    cells.collect()
}

impl Differences {
    fn of(rows: &[&Row]) -> Option<Self> {
        let both = rows
            .iter()
            .filter_map(|row| Some(f64::from(row.new?.1) - f64::from(row.old?.1)));
        let mut all: Vec<f64> = both.collect();
        all.sort_by(f64::total_cmp);
        if all.is_empty() {
            return None;
        }
        let at = |share| quantile(&all, share);
        Some(Self {
            rows: all.len(),
            same: all.iter().filter(|x| **x == 0.0).count(),
            mean: all.iter().sum::<f64>() / all.len() as f64,
            least: at(0.0),
            p05: at(0.05),
            p25: at(0.25),
            median: at(0.5),
            p75: at(0.75),
            p95: at(0.95),
            greatest: at(1.0),
        })
    }
}

fn groups(rows: &[&Row], at: usize, column: &str) -> Vec<GroupMoves> {
    let mut groups: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        if let Some(group) = row.groups.get(at) {
            groups.entry(group).or_default().push(row);
        }
    }
    let groups = groups.into_iter().map(|(group, own)| {
        let count = |which: fn(&Row) -> bool| own.iter().filter(|row| which(row)).count();
        let moved = count(Row::moved);
        let share = |count| wilson(count, own.len());
        GroupMoves {
            column: column.to_owned(),
            group: group.to_owned(),
            rows: own.len(),
            moved,
            moved_share: share(moved),
            approved_old: share(count(|row| row.decided().0 == Decided::Approve)),
            approved_new: share(count(|row| row.decided().1 == Decided::Approve)),
        }
    });
    groups.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn row(old: Option<(Outcome, i32)>, new: Option<(Outcome, i32)>, bad: bool) -> Row {
        Row {
            old,
            new,
            bad: Some(bad),
            groups: vec![if bad { "x" } else { "y" }.to_owned()],
        }
    }

    #[test]
    fn a_migration_by_hand() {
        use Outcome::{Approve, Decline, Refer};
        let rows = [
            row(Some((Approve, 600)), Some((Approve, 610)), false),
            row(Some((Approve, 500)), Some((Refer, 480)), true),
            row(Some((Approve, 500)), Some((Refer, 500)), false),
            row(Some((Decline, 300)), None, true),
            row(None, None, true),
        ];
        let found = Migration::of(&rows, &["kind".to_owned()]);
        assert_eq!((found.rows, found.moved), (5, 3));
        assert_eq!(
            found.refused,
            Refused {
                old: 0,
                new: 1,
                both: 1
            }
        );
        let cells: Vec<_> = found
            .matrix
            .iter()
            .map(|own| (own.old, own.new, own.rows))
            .collect();
        let expected = [
            (Decided::Approve, Decided::Approve, 1),
            (Decided::Approve, Decided::Refer, 2),
            (Decided::Decline, Decided::Refused, 1),
        ];
        assert_eq!(cells, expected);
        assert_eq!(found.matrix[1].bad_rate.unwrap().value, 0.5);
        assert_eq!(found.matrix[1].share.unwrap().value, 0.5);
        let scores = found.scores.unwrap();
        assert_eq!((scores.rows, scores.same), (3, 1));
        assert_eq!(
            (scores.least, scores.median, scores.greatest),
            (-20.0, 0.0, 10.0)
        );
        let x = &found.groups[0];
        assert_eq!((x.group.as_str(), x.rows, x.moved), ("x", 2, 2));
        assert_eq!(x.approved_old.unwrap().value, 0.5);
        assert_eq!(x.approved_new.unwrap().value, 0.0);
    }

    #[test]
    fn nothing_scored_is_no_share() {
        let found = Migration::of(&[row(None, None, true)], &[]);
        assert!(found.moved_share.is_none() && found.scores.is_none() && found.matrix.is_empty());
    }
}

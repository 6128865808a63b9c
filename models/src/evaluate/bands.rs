//! Where the score lies of rows whose decision compression changed.

use serde::Serialize;

use super::curves::{Flips, flips};
use super::metrics::{MetricsError, Tenths, check_lengths};

/// Decisions of two models, or of one before and after, on the same rows.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a, T> {
    /// What they were.
    pub before: &'a [T],
    /// What they are.
    pub now: &'a [T],
    /// The decision that is favourable.
    pub approve: &'a T,
}

/// Decisions that differ, by bands of the score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bands {
    /// What the bands are.
    pub by: &'static str,
    /// The bands that hold any row, from the least score up.
    pub bands: Vec<Band>,
}

/// One band.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Band {
    /// The scores in it.
    pub band: String,
    /// Rows whose decision differs, in whatever way, with Wilson's interval of their share.
    #[serde(flatten)]
    pub flips: Flips,
    /// Rows that are approved now and were not.
    pub gained: usize,
    /// Rows that were approved and are not now.
    pub lost: usize,
}

/// Flips by the bands that two cut-offs cut the scores into: below `cut_offs[0]`, up to below
/// `cut_offs[1]`, and from there on.
///
/// # Errors
/// [`MetricsError`] for no rows, or lengths that differ.
pub fn by_policy<T: PartialEq>(
    score: &[i32],
    cut_offs: [i32; 2],
    pair: Pair<'_, T>,
) -> Result<Bands, MetricsError> {
    let [refer, approve] = cut_offs;
    let names = [
        format!("below {refer}"),
        format!("{refer} to below {approve}"),
        format!("{approve} and above"),
    ];
    let band = |score: i32| usize::from(score >= refer) + usize::from(score >= approve);
    bands("band of the policy", score, &names, band, pair)
}

/// Flips by tenths of the rows in order of their score; rows of equal score are never parted, so there may
/// be fewer than ten.
///
/// # Errors
/// [`MetricsError`] for no rows, or lengths that differ.
pub fn by_decile<T: PartialEq>(score: &[i32], pair: Pair<'_, T>) -> Result<Bands, MetricsError> {
    let mut sorted = score.to_vec();
    sorted.sort_unstable();
    let total = sorted.len() as u64;
    let mut tenths = Tenths::default();
    let mut ends = Vec::new();
    let mut names = Vec::new();
    let mut first = None;
    for (at, &score) in sorted.iter().enumerate() {
        let low = *first.get_or_insert(score);
        if sorted.get(at + 1) != Some(&score) && tenths.end_at(at as u64 + 1, total) {
            ends.push(score);
            names.push(format!("{low} to {score}"));
            first = None;
        }
    }
    let band = |score: i32| ends.partition_point(|&end| end < score);
    bands("tenth of the scores", score, &names, band, pair)
}

fn bands<T: PartialEq>(
    by: &'static str,
    score: &[i32],
    names: &[String],
    band: impl Fn(i32) -> usize,
    pair: Pair<'_, T>,
) -> Result<Bands, MetricsError> {
    check_lengths(score.len(), pair.before.len())?;
    check_lengths(score.len(), pair.now.len())?;
    let approves = |decision: &T| decision == pair.approve;
    let mut members = vec![(Vec::new(), Vec::new()); names.len()];
    for ((&score, before), now) in score.iter().zip(pair.before).zip(pair.now) {
        if let Some((befores, nows)) = members.get_mut(band(score)) {
            befores.push(before);
            nows.push(now);
        }
    }
    let mut bands = Vec::new();
    for (name, (before, now)) in names.iter().zip(&members) {
        if before.is_empty() {
            continue;
        }
        let count = |was, is| {
            let rows = before.iter().zip(now);
            rows.filter(|(before, now)| approves(before) == was && approves(now) == is)
                .count()
        };
        bands.push(Band {
            band: name.clone(),
            flips: flips(before, now)?,
            gained: count(false, true),
            lost: count(true, false),
        });
    }
    Ok(Bands { by, bands })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const SCORE: [i32; 6] = [300, 399, 400, 499, 500, 700];
    const PAIR: Pair<'_, char> = Pair {
        before: &['d', 'd', 'r', 'r', 'a', 'a'],
        now: &['d', 'r', 'r', 'a', 'r', 'a'],
        approve: &'a',
    };

    #[test]
    fn flips_lie_in_the_bands_of_the_policy() {
        let bands = by_policy(&SCORE, [400, 500], PAIR).unwrap().bands;
        let seen: Vec<(&str, usize, usize, [usize; 2])> = bands
            .iter()
            .map(|b| (&b.band[..], b.flips.rows, b.flips.count, [b.gained, b.lost]))
            .collect();
        // From decline to refer is a flip, and no approval gained.
        assert_eq!(
            seen,
            [
                ("below 400", 2, 1, [0, 0]),
                ("400 to below 500", 2, 1, [1, 0]),
                ("500 and above", 2, 1, [0, 1]),
            ]
        );
        let none = by_policy(&SCORE, [0, 100], PAIR).unwrap().bands;
        assert_eq!(none.len(), 1, "bands without rows are left out");
    }

    #[test]
    fn ties_are_never_parted_by_tenths() {
        let score: Vec<i32> = (0..100).map(|row| 500 + (row / 25) * 10).collect();
        let same = vec![true; 100];
        let pair = Pair {
            before: &same,
            now: &same,
            approve: &true,
        };
        let bands = by_decile(&score, pair).unwrap().bands;
        let names: Vec<&str> = bands.iter().map(|band| &band.band[..]).collect();
        assert_eq!(
            names,
            ["500 to 500", "510 to 510", "520 to 520", "530 to 530"]
        );
        assert!(bands.iter().all(|band| band.flips.rows == 25));
    }

    #[test]
    fn no_rows_and_rows_of_other_lengths_are_refused() {
        let error = by_decile(&SCORE[1..], PAIR).unwrap_err();
        assert_eq!(error, MetricsError::LengthsDiffer { left: 5, right: 6 });
        let none = Pair {
            before: &[],
            now: &[],
            approve: &'a',
        };
        assert_eq!(
            by_policy(&[], [1, 2], none).unwrap_err(),
            MetricsError::NoRows
        );
    }

    proptest! {
        #[test]
        fn every_row_is_in_one_band(rows in prop::collection::vec((300..850_i32, any::<[bool; 2]>()), 1..300)) {
            let score: Vec<i32> = rows.iter().map(|row| row.0).collect();
            let [before, now] = [0, 1].map(|at| rows.iter().map(|row| row.1[at]).collect::<Vec<_>>());
            let pair = Pair { before: &before, now: &now, approve: &true };
            let flipped = flips(&before, &now).unwrap();
            for bands in [by_policy(&score, [450, 600], pair).unwrap(), by_decile(&score, pair).unwrap()] {
                let sum = |of: fn(&Band) -> usize| bands.bands.iter().map(of).sum::<usize>();
                prop_assert_eq!(sum(|band| band.flips.rows), rows.len());
                prop_assert_eq!(sum(|band| band.flips.count), flipped.count);
                prop_assert_eq!(sum(|band| band.gained + band.lost), flipped.count);
            }
        }
    }
}

//! Discrimination and calibration of predicted probabilities of default.
//!
//! Each function takes one label and one probability per row, sorts them once, and answers for the
//! whole set; [`super::bootstrap`] adds the intervals. Rows with the same probability are always
//! treated together, so no answer depends on the order of the rows.

use thiserror::Error;

/// Bins of equal mass behind [`ece`] and [`super::curves::calibration_bins`].
pub const CALIBRATION_BINS: usize = 10;

/// Why a figure can't be computed. Rows are counted from 0; no value is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// There is nothing to measure.
    #[error("there are no rows to measure")]
    NoRows,
    /// All rows are good, or all are bad: nothing to tell apart.
    #[error("every row is {}: telling good from bad needs both", if *.bad { "bad" } else { "good" })]
    OneClass {
        /// Whether it is the bad class that is present.
        bad: bool,
    },
    /// The two columns aren't of the same rows.
    #[error("the columns differ in length: {left} rows against {right}")]
    LengthsDiffer {
        /// Rows in the first column.
        left: usize,
        /// Rows in the second column.
        right: usize,
    },
    /// A probability is NaN.
    #[error("the probability of row {row} is not a number")]
    NotANumber {
        /// The first such row.
        row: usize,
    },
    /// A probability is below 0 or above 1.
    #[error("the probability of row {row} is outside 0..=1")]
    OutOfRange {
        /// The first such row.
        row: usize,
    },
}

/// The area under the ROC curve: the chance that a bad row has the higher probability than a good
/// one, ties counting half.
///
/// Source: T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27 (2006),
/// 861–874, section 7; equal to the Mann–Whitney U statistic over the number of pairs. Computed in
/// integers, hence exact up to the last division.
///
/// # Errors
///
/// [`MetricsError`] for no rows, one class, lengths that differ, or NaN. Any other number will do:
/// only the order matters.
///
/// ```
/// use fieldscore_models::evaluate::metrics::{auc, gini};
///
/// let bad = [false, true, false, true];
/// let probability = [0.1, 0.4, 0.4, 0.8];
/// assert_eq!(auc(&bad, &probability), Ok(0.875));
/// assert_eq!(gini(&bad, &probability), Ok(0.75));
/// ```
pub fn auc(bad: &[bool], probability: &[f64]) -> Result<f64, MetricsError> {
    Ok(Ranked::of_both(bad, probability)?.statistics(|_| 1).auc)
}

/// The Gini coefficient, or accuracy ratio: `2 · AUC − 1`.
///
/// # Errors
///
/// As [`auc`].
pub fn gini(bad: &[bool], probability: &[f64]) -> Result<f64, MetricsError> {
    auc(bad, probability).map(|auc| 2.0 * auc - 1.0)
}

/// The two-sample Kolmogorov–Smirnov statistic: the largest distance between the distributions of
/// the bad and of the good, in either direction.
///
/// Source: N. V. Smirnov, "Table for estimating the goodness of fit of empirical distributions",
/// Annals of Mathematical Statistics 19 (1948), 279–281.
///
/// # Errors
///
/// As [`auc`].
pub fn ks(bad: &[bool], probability: &[f64]) -> Result<f64, MetricsError> {
    Ok(Ranked::of_both(bad, probability)?.statistics(|_| 1).ks)
}

/// The mean squared distance between probability and outcome; lower is better.
///
/// Source: G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly
/// Weather Review 78 (1950), 1–3, in its form for two outcomes.
///
/// # Errors
///
/// [`MetricsError`] for no rows, lengths that differ, NaN, or a probability outside 0..=1.
pub fn brier(bad: &[bool], probability: &[f64]) -> Result<f64, MetricsError> {
    Ok(Ranked::of_shares(bad, probability)?.statistics(|_| 1).brier)
}

/// The expected calibration error: over [`CALIBRATION_BINS`] bins of equal mass, the distance
/// between mean prediction and observed rate, weighted by the rows in the bin.
///
/// Source: M. P. Naeini, G. F. Cooper and M. Hauskrecht, "Obtaining well calibrated probabilities
/// using Bayesian binning", AAAI 2015 (predictions sorted, then partitioned into 10 bins). A bin
/// ends where its tenth of the rows is reached, but never between equal probabilities: few distinct
/// values make fewer bins. Chance alone gives a well calibrated model an error above 0; see
/// [`super::bootstrap::ece_if_calibrated`].
///
/// # Errors
///
/// As [`brier`].
pub fn ece(bad: &[bool], probability: &[f64]) -> Result<f64, MetricsError> {
    Ok(Ranked::of_shares(bad, probability)?.statistics(|_| 1).ece)
}

/// The mean negative log likelihood, in nats; lower is better.
///
/// A probability is clipped to `ε ..= 1 − ε` with ε = 2^−52, so that one certain and wrong
/// prediction costs 36 and not infinity.
///
/// # Errors
///
/// As [`brier`].
pub fn log_loss(bad: &[bool], probability: &[f64]) -> Result<f64, MetricsError> {
    Ok(Ranked::of_shares(bad, probability)?
        .statistics(|_| 1)
        .log_loss)
}

/// Refuses columns that are empty or of different lengths.
pub(super) fn check_lengths(left: usize, right: usize) -> Result<(), MetricsError> {
    match (left, right) {
        (left, right) if left != right => Err(MetricsError::LengthsDiffer { left, right }),
        (0, _) => Err(MetricsError::NoRows),
        _ => Ok(()),
    }
}

/// One row of a ranking.
pub(super) struct RankedRow {
    pub(super) probability: f64,
    pub(super) bad: bool,
    /// Whether the next row has another probability (or there is none).
    pub(super) last_of_tie: bool,
    /// Its place in the input.
    pub(super) origin: usize,
    log_loss: f64,
}

/// Rows in ascending order of probability.
pub(super) struct Ranked {
    pub(super) rows: Vec<RankedRow>,
    pub(super) bads: usize,
    pub(super) goods: usize,
}

/// All figures of one (re)sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Statistics {
    pub(super) auc: f64,
    pub(super) ks: f64,
    pub(super) brier: f64,
    pub(super) ece: f64,
    pub(super) log_loss: f64,
}

impl Ranked {
    fn new(bad: &[bool], probability: &[f64]) -> Result<Self, MetricsError> {
        check_lengths(bad.len(), probability.len())?;
        if let Some(row) = probability.iter().position(|p| p.is_nan()) {
            return Err(MetricsError::NotANumber { row });
        }
        let mut rows: Vec<RankedRow> = bad
            .iter()
            .zip(probability)
            .enumerate()
            .map(|(origin, (&bad, &probability))| {
                let likelihood = if bad { probability } else { 1.0 - probability };
                RankedRow {
                    // Adding zero turns −0 into +0, which `total_cmp` would tell apart.
                    probability: probability + 0.0,
                    bad,
                    last_of_tie: true,
                    origin,
                    log_loss: -likelihood.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln(),
                }
            })
            .collect();
        // Ties are ordered by class so that sums of floats don't depend on the order of the input.
        rows.sort_by(|a, b| {
            let by_probability = a.probability.total_cmp(&b.probability);
            by_probability.then(a.bad.cmp(&b.bad))
        });
        for k in 1..rows.len() {
            rows[k - 1].last_of_tie = rows[k - 1].probability != rows[k].probability;
        }
        let bads = bad.iter().filter(|&&bad| bad).count();
        Ok(Self {
            goods: rows.len() - bads,
            rows,
            bads,
        })
    }

    /// Ranks rows that must hold both classes; only the order of probabilities matters, so values
    /// outside 0..=1 pass.
    pub(super) fn of_both(bad: &[bool], probability: &[f64]) -> Result<Self, MetricsError> {
        Self::new(bad, probability)?.with_both_classes()
    }

    /// Refuses a single class.
    pub(super) fn with_both_classes(self) -> Result<Self, MetricsError> {
        match (self.bads, self.goods) {
            (0, _) => Err(MetricsError::OneClass { bad: false }),
            (_, 0) => Err(MetricsError::OneClass { bad: true }),
            _ => Ok(self),
        }
    }

    /// Ranks rows whose probabilities must lie in 0..=1; one class will do.
    pub(super) fn of_shares(bad: &[bool], probability: &[f64]) -> Result<Self, MetricsError> {
        let ranked = Self::new(bad, probability)?;
        let outside = |p: &f64| !(0.0..=1.0).contains(p);
        match probability.iter().position(outside) {
            Some(row) => Err(MetricsError::OutOfRange { row }),
            None => Ok(ranked),
        }
    }

    /// All figures in one pass, with `count(k)` copies of the row at rank `k`.
    ///
    /// Each class keeps its number of rows, as it does in a stratified resample. AUC and KS are
    /// meaningless when a class is empty.
    pub(super) fn statistics(&self, count: impl Fn(usize) -> u32) -> Statistics {
        let (bads, goods) = (self.bads as u64, self.goods as u64);
        let total = bads + goods;
        let (mut bads_below, mut goods_below) = (0, 0);
        let (mut tied_bads, mut tied_goods) = (0, 0);
        let mut wins_twice = 0_u64;
        let mut gap = 0_u64;
        let (mut brier, mut log_loss, mut ece) = (0.0, 0.0, 0.0);
        let mut tenths = Tenths::default();
        let (mut bin_bad, mut bin_predicted) = (0.0, 0.0);
        for (k, row) in self.rows.iter().enumerate() {
            let copies = u64::from(count(k));
            let weight = copies as f64;
            let miss = if row.bad {
                tied_bads += copies;
                bin_bad += weight;
                1.0 - row.probability
            } else {
                tied_goods += copies;
                row.probability
            };
            brier += weight * miss * miss;
            log_loss += weight * row.log_loss;
            bin_predicted += weight * row.probability;
            if !row.last_of_tie {
                continue;
            }
            wins_twice += tied_bads * (2 * goods_below + tied_goods);
            bads_below += tied_bads;
            goods_below += tied_goods;
            (tied_bads, tied_goods) = (0, 0);
            gap = gap.max((bads_below * goods).abs_diff(goods_below * bads));
            if tenths.end_at(bads_below + goods_below, total) {
                ece += f64::abs(bin_bad - bin_predicted);
                (bin_bad, bin_predicted) = (0.0, 0.0);
            }
        }
        let pairs = (bads * goods) as f64;
        let rows = total as f64;
        Statistics {
            auc: wins_twice as f64 / (2.0 * pairs),
            ks: gap as f64 / pairs,
            brier: brier / rows,
            ece: ece / rows,
            log_loss: log_loss / rows,
        }
    }
}

/// Where bins of equal mass end.
#[derive(Default)]
pub(super) struct Tenths {
    /// Tenths of the rows in closed bins.
    closed: u64,
}

impl Tenths {
    /// Whether a bin ends after the first `seen` of `total` rows; if so, the next one begins.
    pub(super) fn end_at(&mut self, seen: u64, total: u64) -> bool {
        let reached = seen * CALIBRATION_BINS as u64 / total;
        let ends = reached > self.closed;
        self.closed = reached;
        ends
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const BAD: [bool; 6] = [false, false, true, false, true, true];
    const PROBABILITY: [f64; 6] = [0.1, 0.2, 0.2, 0.4, 0.6, 0.9];

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-12
    }

    #[test]
    fn auc_by_hand() {
        // Pairs (bad, good): 0.2 wins 1, ties 1, loses 1; 0.6 and 0.9 win 3 each: 7.5 of 9.
        assert_eq!(auc(&BAD, &PROBABILITY).unwrap(), 7.5 / 9.0);
        assert!(close(gini(&BAD, &PROBABILITY).unwrap(), 6.0 / 9.0));
    }

    #[test]
    fn auc_of_a_constant_is_a_half() {
        assert_eq!(auc(&BAD, &[0.3; 6]).unwrap(), 0.5);
        assert_eq!(ks(&BAD, &[0.3; 6]).unwrap(), 0.0);
    }

    #[test]
    fn minus_zero_ties_with_zero() {
        assert_eq!(auc(&[true, false], &[0.0, -0.0]).unwrap(), 0.5);
    }

    #[test]
    fn ks_by_hand() {
        // At 0.4 all three good and one of three bad are behind.
        assert!(close(ks(&BAD, &PROBABILITY).unwrap(), 2.0 / 3.0));
        let reversed = PROBABILITY.map(|p| 1.0 - p);
        assert!(close(ks(&BAD, &reversed).unwrap(), 2.0 / 3.0));
    }

    #[test]
    fn brier_and_log_loss_by_hand() {
        // 0.01 + 0.04 + 0.64 + 0.16 + 0.16 + 0.01 over 6.
        assert!(close(brier(&BAD, &PROBABILITY).unwrap(), 1.02 / 6.0));
        let likelihood: f64 = 0.9 * 0.8 * 0.2 * 0.6 * 0.6 * 0.9;
        let expected = -likelihood.ln() / 6.0;
        assert!(close(log_loss(&BAD, &PROBABILITY).unwrap(), expected));
    }

    #[test]
    fn log_loss_of_certain_and_wrong_is_finite() {
        let loss = log_loss(&[true], &[0.0]).unwrap();
        assert!((36.0..36.1).contains(&loss), "{loss}");
    }

    #[test]
    fn ece_by_hand() {
        // Twenty rows in pairs, one pair per bin: predictions 0.0, 0.1, …, 0.9; all good.
        let probability: Vec<f64> = (0..20).map(|i| f64::from(i / 2) / 10.0).collect();
        assert!(close(ece(&[false; 20], &probability).unwrap(), 0.45));
        // Two distinct values make two bins: |0.25 − 1/4| · 4/8 + |0.5 − 3/4| · 4/8.
        let probability = [0.25, 0.25, 0.25, 0.25, 0.5, 0.5, 0.5, 0.5];
        let bad = [true, false, false, false, true, true, true, false];
        assert!(close(ece(&bad, &probability).unwrap(), 0.125));
    }

    #[test]
    fn each_error_has_its_variant() {
        let half = [0.5, 0.5];
        assert_eq!(auc(&[], &[]), Err(MetricsError::NoRows));
        assert_eq!(
            auc(&[true], &half),
            Err(MetricsError::LengthsDiffer { left: 1, right: 2 })
        );
        assert_eq!(
            ks(&[true, true], &half),
            Err(MetricsError::OneClass { bad: true })
        );
        assert_eq!(
            gini(&[false, false], &half),
            Err(MetricsError::OneClass { bad: false })
        );
        assert_eq!(
            brier(&[true, false], &[0.5, f64::NAN]),
            Err(MetricsError::NotANumber { row: 1 })
        );
        assert_eq!(
            ece(&[true, false], &[1.5, 0.5]),
            Err(MetricsError::OutOfRange { row: 0 })
        );
        assert_eq!(
            log_loss(&[true, false], &[0.5, f64::INFINITY]),
            Err(MetricsError::OutOfRange { row: 1 })
        );
    }

    /// Rows of both classes, with many ties.
    fn rows() -> impl Strategy<Value = (Vec<bool>, Vec<f64>)> {
        prop::collection::vec((any::<bool>(), 0_u32..=30), 2..60)
            .prop_filter("both classes", |rows| {
                rows.iter().any(|row| row.0) && rows.iter().any(|row| !row.0)
            })
            .prop_map(|rows| {
                let probability = |&(_, p): &(bool, u32)| f64::from(p) / 30.0;
                (
                    rows.iter().map(|row| row.0).collect(),
                    rows.iter().map(probability).collect(),
                )
            })
    }

    proptest! {
        #[test]
        fn auc_is_the_share_of_pairs_won((bad, probability) in rows()) {
            let of = |class: bool| {
                let rows = bad.iter().zip(&probability);
                rows.filter(move |row| *row.0 == class).map(|row| *row.1)
            };
            let mut won = 0.0;
            for b in of(true) {
                for g in of(false) {
                    won += if b > g { 1.0 } else if b == g { 0.5 } else { 0.0 };
                }
            }
            let pairs = (of(true).count() * of(false).count()) as f64;
            prop_assert_eq!(auc(&bad, &probability).unwrap(), won / pairs);
        }

        #[test]
        fn rank_metrics_survive_an_increasing_map((bad, probability) in rows()) {
            let mapped: Vec<f64> = probability.iter().map(|p| (3.0 * p).exp() - 7.0).collect();
            prop_assert_eq!(auc(&bad, &probability), auc(&bad, &mapped));
            prop_assert_eq!(ks(&bad, &probability), ks(&bad, &mapped));
        }

        #[test]
        fn auc_mirrors_under_a_decreasing_map((bad, probability) in rows()) {
            let mapped: Vec<f64> = probability.iter().map(|p| -p).collect();
            let sum = auc(&bad, &probability).unwrap() + auc(&bad, &mapped).unwrap();
            prop_assert!(close(sum, 1.0));
        }

        #[test]
        fn ks_bounds_the_auc((bad, probability) in rows()) {
            // The ROC curve stays between the diagonal shifted up and down by KS, inside the unit
            // square, which holds its area between these ends.
            let ks = ks(&bad, &probability).unwrap();
            let auc = auc(&bad, &probability).unwrap();
            prop_assert!((0.0..=1.0).contains(&ks));
            prop_assert!((auc - 0.5).abs() <= ks - ks * ks / 2.0 + 1e-12);
        }

        #[test]
        fn the_order_of_rows_does_not_matter((bad, probability) in rows()) {
            let forward = Ranked::of_both(&bad, &probability).unwrap();
            let bad: Vec<bool> = bad.into_iter().rev().collect();
            let probability: Vec<f64> = probability.into_iter().rev().collect();
            let backward = Ranked::of_both(&bad, &probability).unwrap();
            prop_assert_eq!(forward.statistics(|_| 1), backward.statistics(|_| 1));
        }

        #[test]
        fn losses_are_bounded((bad, probability) in rows()) {
            prop_assert!((0.0..=1.0).contains(&brier(&bad, &probability).unwrap()));
            prop_assert!((0.0..=1.0).contains(&ece(&bad, &probability).unwrap()));
            prop_assert!(log_loss(&bad, &probability).unwrap() >= 0.0);
        }
    }
}

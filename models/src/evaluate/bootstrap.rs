//! The figures of [`super::metrics`] with 95 % intervals, for one model and for two on the same rows.
//!
//! The intervals are percentiles of a stratified bootstrap: the bad and the good are drawn with
//! replacement among themselves, so every resample has as many of each as the sample, and the
//! figures are conditional on that share. Source: B. Efron and R. J. Tibshirani, *An Introduction to
//! the Bootstrap* (1993), section 13.3; J. Carpenter and J. Bithell, "Bootstrap confidence
//! intervals", Statistics in Medicine 19 (2000), 1141–1164.
//!
//! KS is a maximum and ECE a sum of distances, so noise only pushes them up: the resamples of both
//! centre above the estimate. Their percentiles are shifted back by that bias (mean of the resamples
//! minus estimate) and then cut to 0..=1. That leaves the estimate's own upward bias on few rows
//! where it is: hold ECE against [`ece_if_calibrated`], and read the lower end of KS with care.
//!
//! The generator is ChaCha8 with a fixed seed: the same rows give the same intervals, always. Rows
//! are sorted once; a resample is a count per row, and one pass over the sorted rows gives all its
//! figures. 1 000 resamples up to 20 000 rows, then 20 000 000 / rows, and no fewer than 200, where
//! the intervals are narrow: see [`resamples_for`].

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::intervals::{Interval, quantile};
use super::metrics::{MetricsError, Ranked, Statistics, Tenths};

/// Part of what a figure is: another seed gives slightly other intervals.
const SEED: [u8; 32] = *b"fieldscore evaluate bootstrap v1";

/// How well probabilities tell good from bad, and how well they are calibrated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Discrimination {
    /// Rows measured.
    pub rows: usize,
    /// Bad rows among them.
    pub bad: usize,
    /// Resamples behind the intervals.
    pub resamples: usize,
    /// Area under the ROC curve, 0..=1; 0.5 is chance.
    pub auc: Interval,
    /// `2 · AUC − 1`.
    pub gini: Interval,
    /// Kolmogorov–Smirnov statistic, 0..=1.
    pub ks: Interval,
    /// Brier score, 0..=1; lower is better.
    pub brier: Interval,
    /// Expected calibration error, 0..=1; lower is better.
    pub ece: Interval,
    /// The [`ece_if_calibrated`] of these probabilities: what `ece` is to be read against.
    pub ece_if_calibrated: Interval,
    /// Log loss in nats; lower is better.
    pub log_loss: Interval,
}

impl Discrimination {
    /// Measures probabilities of default against outcomes, one of each per row.
    ///
    /// # Errors
    ///
    /// [`MetricsError`] for no rows, one class only, lengths that differ, or a probability that is
    /// NaN or outside 0..=1.
    ///
    /// ```
    /// use fieldscore_models::evaluate::bootstrap::Discrimination;
    ///
    /// let bad: Vec<bool> = (0..200).map(|i| i % 4 == 0).collect();
    /// let probability: Vec<f64> = (0..200).map(|i| f64::from(i * 37 % 100) / 100.0).collect();
    /// let measured = Discrimination::measure(&bad, &probability)?;
    /// assert_eq!((measured.rows, measured.bad), (200, 50));
    /// assert!(measured.auc.low <= measured.auc.value && measured.auc.value <= measured.auc.high);
    /// # Ok::<(), fieldscore_models::evaluate::metrics::MetricsError>(())
    /// ```
    pub fn measure(bad: &[bool], probability: &[f64]) -> Result<Self, MetricsError> {
        let ranked = ranked(bad, probability)?;
        let rows = ranked.rows.len();
        let resamples = resamples_for(rows);
        let drawn = Strata::new(ranked.rows.iter().map(|row| usize::from(row.bad)))
            .resamples(resamples, |counts| ranked.statistics(|k| counts[k]));
        let estimate = ranked.statistics(|_| 1);
        let of = |pick: fn(&Statistics) -> f64, shape| interval(&estimate, &drawn, pick, shape);
        let auc = of(|s| s.auc, Shape::Plain);
        Ok(Self {
            rows,
            bad: ranked.bads,
            resamples,
            auc,
            gini: auc.map(|auc| 2.0 * auc - 1.0),
            ks: of(|s| s.ks, Shape::Recentred(0.0..=1.0)),
            brier: of(|s| s.brier, Shape::Plain),
            ece: of(|s| s.ece, Shape::Recentred(0.0..=1.0)),
            ece_if_calibrated: simulate_calibrated(&ranked, resamples),
            log_loss: of(|s| s.log_loss, Shape::Plain),
        })
    }
}

/// What a candidate's figures are above a reference's, on the same rows.
///
/// Both are measured on the same resamples, so the intervals are of the paired differences: far
/// narrower than two separate intervals suggest, and the ones to hold a gate against.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// Rows measured.
    pub rows: usize,
    /// Resamples behind the intervals.
    pub resamples: usize,
    /// AUC of the candidate minus AUC of the reference.
    pub auc: Interval,
    /// Likewise for Gini.
    pub gini: Interval,
    /// Likewise for KS.
    pub ks: Interval,
    /// Likewise for the Brier score; above 0 the candidate is worse.
    pub brier: Interval,
    /// Likewise for the expected calibration error; above 0 the candidate is worse.
    pub ece: Interval,
    /// Likewise for log loss; above 0 the candidate is worse.
    pub log_loss: Interval,
}

impl Difference {
    /// Measures `candidate − reference`, for instance the int8 plan against the float model.
    ///
    /// # Errors
    ///
    /// As [`Discrimination::measure`], for either column of probabilities.
    pub fn measure(
        bad: &[bool],
        reference: &[f64],
        candidate: &[f64],
    ) -> Result<Self, MetricsError> {
        let reference = ranked(bad, reference)?;
        let candidate = ranked(bad, candidate)?;
        let resamples = resamples_for(bad.len());
        let of =
            |ranked: &Ranked, counts: &[u32]| ranked.statistics(|k| counts[ranked.rows[k].origin]);
        let drawn = Strata::new(bad.iter().map(|&bad| usize::from(bad)))
            .resamples(resamples, |counts| {
                difference(&of(&candidate, counts), &of(&reference, counts))
            });
        let estimate = difference(&candidate.statistics(|_| 1), &reference.statistics(|_| 1));
        let of = |pick: fn(&Statistics) -> f64, shape| interval(&estimate, &drawn, pick, shape);
        let auc = of(|s| s.auc, Shape::Plain);
        Ok(Self {
            rows: bad.len(),
            resamples,
            auc,
            gini: auc.map(|auc| 2.0 * auc),
            ks: of(|s| s.ks, Shape::Recentred(-1.0..=1.0)),
            brier: of(|s| s.brier, Shape::Plain),
            ece: of(|s| s.ece, Shape::Recentred(-1.0..=1.0)),
            log_loss: of(|s| s.log_loss, Shape::Plain),
        })
    }
}

/// The expected calibration error that probabilities would show if each were exactly right.
///
/// On so many rows, outcomes drawn from the probabilities themselves still miss them in every bin.
/// The value is the mean of that error over the simulations, and the ends hold 95 % of them: an
/// observed error inside the interval is no evidence of miscalibration. This is the consistency
/// resampling of J. Bröcker and L. A. Smith, "Increasing the reliability of reliability diagrams",
/// Weather and Forecasting 22 (2007), 651–661, applied to the summary.
///
/// # Errors
///
/// [`MetricsError`] for no rows, or a probability that is NaN or outside 0..=1.
pub fn ece_if_calibrated(probability: &[f64]) -> Result<Interval, MetricsError> {
    let ranked = Ranked::of_shares(&vec![false; probability.len()], probability)?;
    Ok(simulate_calibrated(
        &ranked,
        resamples_for(ranked.rows.len()),
    ))
}

/// What the expected calibration error stays below in this share of the simulations of
/// [`ece_if_calibrated`]: with 0.95 the error that one perfectly calibrated model in twenty exceeds.
///
/// # Errors
///
/// As [`ece_if_calibrated`].
pub fn ece_by_chance(probability: &[f64], share: f64) -> Result<f64, MetricsError> {
    let ranked = Ranked::of_shares(&vec![false; probability.len()], probability)?;
    let errors = calibrated_errors(&ranked, resamples_for(ranked.rows.len()));
    Ok(quantile(&errors, share))
}

/// Resamples drawn for so many rows.
///
/// ```
/// use fieldscore_models::evaluate::bootstrap::resamples_for;
///
/// assert_eq!(resamples_for(900), 1000);
/// assert_eq!(resamples_for(50_000), 400);
/// assert_eq!(resamples_for(1_000_000), 200);
/// ```
pub fn resamples_for(rows: usize) -> usize {
    (20_000_000 / rows.max(1)).clamp(200, 1000)
}

fn ranked(bad: &[bool], probability: &[f64]) -> Result<Ranked, MetricsError> {
    Ranked::of_shares(bad, probability)?.with_both_classes()
}

/// The rows of each class, by position.
pub(super) struct Strata {
    classes: Vec<Vec<usize>>,
}

impl Strata {
    /// Rows by the number of their class, in order.
    pub(super) fn new(class: impl Iterator<Item = usize>) -> Self {
        let mut classes = Vec::new();
        for (position, class) in class.enumerate() {
            if classes.len() <= class {
                classes.resize_with(class + 1, Vec::new);
            }
            classes[class].push(position);
        }
        Self { classes }
    }

    /// What `measure` makes of each resample's count per position.
    pub(super) fn resamples<T>(&self, number: usize, measure: impl Fn(&[u32]) -> T) -> Vec<T> {
        let mut generator = ChaCha8Rng::from_seed(SEED);
        let mut counts = vec![0; self.classes.iter().map(Vec::len).sum()];
        let mut resample = || {
            counts.fill(0);
            for class in &self.classes {
                for _ in class {
                    // The high word of a product: uniform but for a bias below rows / 2^32, and,
                    // unlike a library's range, the same in every version of it.
                    let product = u64::from(generator.next_u32()) * class.len() as u64;
                    counts[class[(product >> 32) as usize]] += 1;
                }
            }
            measure(&counts)
        };
        (0..number).map(|_| resample()).collect()
    }
}

/// The errors of simulations of a perfectly calibrated model, rising.
fn calibrated_errors(ranked: &Ranked, number: usize) -> Vec<f64> {
    let mut generator = ChaCha8Rng::from_seed(SEED);
    let total = ranked.rows.len() as u64;
    let mut simulate = || {
        let mut tenths = Tenths::default();
        let (mut error, mut excess) = (0.0, 0.0);
        for (seen, row) in (1..).zip(&ranked.rows) {
            let chance = f64::from(generator.next_u32()) / 2_f64.powi(32);
            excess += f64::from(u8::from(chance < row.probability)) - row.probability;
            if row.last_of_tie && tenths.end_at(seen, total) {
                error += f64::abs(excess);
                excess = 0.0;
            }
        }
        error / total as f64
    };
    let mut errors: Vec<f64> = (0..number).map(|_| simulate()).collect();
    errors.sort_by(f64::total_cmp);
    errors
}

fn simulate_calibrated(ranked: &Ranked, number: usize) -> Interval {
    let errors = calibrated_errors(ranked, number);
    Interval {
        value: errors.iter().sum::<f64>() / number as f64,
        low: quantile(&errors, 0.025),
        high: quantile(&errors, 0.975),
    }
}

fn difference(left: &Statistics, right: &Statistics) -> Statistics {
    Statistics {
        auc: left.auc - right.auc,
        ks: left.ks - right.ks,
        brier: left.brier - right.brier,
        ece: left.ece - right.ece,
        log_loss: left.log_loss - right.log_loss,
    }
}

/// How percentiles become an interval.
enum Shape {
    /// As they are.
    Plain,
    /// Shifted by the bias of the resamples, then cut to what is possible.
    Recentred(std::ops::RangeInclusive<f64>),
}

fn interval(
    estimate: &Statistics,
    drawn: &[Statistics],
    pick: fn(&Statistics) -> f64,
    shape: Shape,
) -> Interval {
    let mut values: Vec<f64> = drawn.iter().map(pick).collect();
    let plain = percentiles(pick(estimate), &mut values);
    match shape {
        Shape::Plain => plain,
        Shape::Recentred(range) => {
            let Interval { value, low, high } = plain;
            let bias = values.iter().sum::<f64>() / values.len() as f64 - value;
            Interval {
                value,
                low: (low - bias).clamp(*range.start(), *range.end()),
                high: (high - bias).clamp(*range.start(), *range.end()),
            }
        }
    }
}

/// An estimate with the ends that hold 95 % of the resamples' values: one at least, sorted by this.
pub(super) fn percentiles(value: f64, values: &mut [f64]) -> Interval {
    values.sort_by(f64::total_cmp);
    Interval {
        value,
        low: quantile(values, 0.025),
        high: quantile(values, 0.975),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::super::metrics;
    use super::*;

    /// Rows whose outcome follows their probability.
    fn calibrated(rows: usize) -> (Vec<bool>, Vec<f64>) {
        let mut generator = ChaCha8Rng::from_seed([7; 32]);
        let mut uniform = || f64::from(generator.next_u32()) / 2_f64.powi(32);
        let draw = |_| {
            let probability = uniform().powi(2);
            (uniform() < probability, probability)
        };
        (0..rows).map(draw).unzip()
    }

    fn encloses(interval: &Interval) -> bool {
        interval.low <= interval.value && interval.value <= interval.high
    }

    #[test]
    fn the_same_rows_give_the_same_intervals() {
        let (bad, probability) = calibrated(300);
        let one = Discrimination::measure(&bad, &probability).unwrap();
        assert_eq!(Discrimination::measure(&bad, &probability).unwrap(), one);
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter() {
        let (mut bad, mut probability) = calibrated(300);
        let one = Discrimination::measure(&bad, &probability).unwrap();
        bad.reverse();
        probability.reverse();
        assert_eq!(Discrimination::measure(&bad, &probability).unwrap(), one);
    }

    #[test]
    fn the_values_are_those_of_the_metrics() {
        let (bad, probability) = calibrated(300);
        let measured = Discrimination::measure(&bad, &probability).unwrap();
        let of = |metric: fn(&[bool], &[f64]) -> Result<f64, MetricsError>| {
            metric(&bad, &probability).unwrap()
        };
        assert_eq!(measured.auc.value, of(metrics::auc));
        assert_eq!(measured.gini.value, of(metrics::gini));
        assert_eq!(measured.ks.value, of(metrics::ks));
        assert_eq!(measured.brier.value, of(metrics::brier));
        assert_eq!(measured.ece.value, of(metrics::ece));
        assert_eq!(measured.log_loss.value, of(metrics::log_loss));
    }

    #[test]
    fn the_auc_interval_is_as_wide_as_theory_has_it() {
        let (bad, probability) = calibrated(900);
        let measured = Discrimination::measure(&bad, &probability).unwrap();
        // Hanley and McNeil 1982 (Radiology 143, 29–36), formula 2.
        let auc = measured.auc.value;
        let (bads, goods) = (measured.bad as f64, (measured.rows - measured.bad) as f64);
        let (q1, q2) = (auc / (2.0 - auc), 2.0 * auc * auc / (1.0 + auc));
        let spread = (bads - 1.0) * (q1 - auc * auc) + (goods - 1.0) * (q2 - auc * auc);
        let variance = (auc * (1.0 - auc) + spread) / (bads * goods);
        let width = 2.0 * 1.96 * variance.sqrt();
        let ratio = (measured.auc.high - measured.auc.low) / width;
        assert!((0.8..1.25).contains(&ratio), "{ratio}");
    }

    #[test]
    fn the_error_of_a_calibrated_model_is_within_its_noise() {
        let (bad, probability) = calibrated(2000);
        let measured = Discrimination::measure(&bad, &probability).unwrap();
        let noise = measured.ece_if_calibrated;
        assert!(measured.ece.value < noise.high, "{measured:?}");
        assert_eq!(ece_if_calibrated(&probability).unwrap(), noise);
        let halved: Vec<f64> = probability.iter().map(|p| p / 2.0).collect();
        let off = Discrimination::measure(&bad, &halved).unwrap();
        assert!(off.ece.low > off.ece_if_calibrated.high, "{off:?}");
    }

    #[test]
    fn a_model_does_not_differ_from_itself() {
        let (bad, probability) = calibrated(200);
        let difference = Difference::measure(&bad, &probability, &probability).unwrap();
        let none = Interval {
            value: 0.0,
            low: 0.0,
            high: 0.0,
        };
        assert_eq!(difference.auc, none);
        assert_eq!(difference.ks, none);
        assert_eq!(difference.ece, none);
    }

    #[test]
    fn a_paired_difference_is_narrower_than_either_interval() {
        let (bad, probability) = calibrated(900);
        let coarse: Vec<f64> = probability
            .iter()
            .map(|p| (p * 64.0).round() / 64.0)
            .collect();
        let whole = Discrimination::measure(&bad, &probability).unwrap().auc;
        let paired = Difference::measure(&bad, &probability, &coarse)
            .unwrap()
            .auc;
        assert!(paired.high - paired.low < (whole.high - whole.low) / 10.0);
        assert!(encloses(&paired), "{paired:?}");
    }

    #[test]
    fn each_error_has_its_variant() {
        let of = Discrimination::measure;
        assert_eq!(of(&[], &[]), Err(MetricsError::NoRows));
        let one = Err(MetricsError::OneClass { bad: true });
        assert_eq!(of(&[true], &[0.5]), one);
        let differ = Err(MetricsError::LengthsDiffer { left: 2, right: 1 });
        assert_eq!(of(&[true, false], &[0.5]), differ);
        let nan = Err(MetricsError::NotANumber { row: 1 });
        assert_eq!(of(&[true, false], &[0.5, f64::NAN]), nan);
        let outside = Err(MetricsError::OutOfRange { row: 0 });
        assert_eq!(of(&[true, false], &[-0.5, 0.5]), outside);
        let differ = Difference::measure(&[true, false], &[0.5, 0.5], &[0.5]);
        assert!(matches!(differ, Err(MetricsError::LengthsDiffer { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn intervals_are_ordered_and_possible(
            rows in prop::collection::vec((any::<bool>(), 0.0..=1.0_f64), 2..40)
        ) {
            let (bad, probability): (Vec<bool>, Vec<f64>) = rows.into_iter().unzip();
            prop_assume!(bad.contains(&true) && bad.contains(&false));
            let it = Discrimination::measure(&bad, &probability).unwrap();
            for share in [it.auc, it.ks, it.brier, it.ece, it.ece_if_calibrated] {
                prop_assert!(0.0 <= share.low && share.low <= share.high && share.high <= 1.0);
            }
            prop_assert!(-1.0 <= it.gini.low && it.log_loss.low >= 0.0);
        }
    }
}

//! What is drawn and tabulated: ROC, calibration, score distribution, cut-offs, flips.

use serde::Serialize;

use super::intervals::{Interval, wilson};
use super::metrics::{MetricsError, Ranked, Tenths, check_lengths};

/// A point of the ROC curve: what is caught when every probability from a threshold up is flagged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RocPoint {
    /// The lowest probability flagged; `None` at the first point, where nothing is.
    pub threshold: Option<f64>,
    /// Share of the good that are flagged.
    pub false_positive_rate: f64,
    /// Share of the bad that are flagged.
    pub true_positive_rate: f64,
}

/// The ROC curve from (0, 0) to (1, 1).
///
/// Rows of equal probability make one sloped segment, so the area under the points, by trapezoids,
/// is the AUC. Points inside a straight segment are left out.
///
/// Source: Fawcett 2006, algorithm 1.
///
/// # Errors
///
/// [`MetricsError`] for no rows, one class only, lengths that differ, or NaN.
pub fn roc_curve(bad: &[bool], probability: &[f64]) -> Result<Vec<RocPoint>, MetricsError> {
    let ranked = Ranked::of_both(bad, probability)?;
    let mut corners: Vec<(Option<f64>, i128, i128)> = vec![(None, 0, 0)];
    let (mut goods, mut bads) = (0, 0);
    for (k, row) in ranked.rows.iter().enumerate().rev() {
        if row.bad {
            bads += 1;
        } else {
            goods += 1;
        }
        let first_of_tie = k == 0 || ranked.rows[k - 1].last_of_tie;
        if !first_of_tie {
            continue;
        }
        if let [.., (_, x0, y0), (_, x1, y1)] = corners[..]
            && (x1 - x0) * (bads - y1) == (goods - x1) * (y1 - y0)
        {
            corners.pop();
        }
        corners.push((Some(row.probability), goods, bads));
    }
    let point = |&(threshold, goods, bads): &(Option<f64>, i128, i128)| RocPoint {
        threshold,
        false_positive_rate: goods as f64 / ranked.goods as f64,
        true_positive_rate: bads as f64 / ranked.bads as f64,
    };
    Ok(corners.iter().map(point).collect())
}

/// Rows of neighbouring probabilities: what was predicted, and what happened.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CalibrationBin {
    /// Rows in the bin.
    pub count: usize,
    /// Bad rows among them.
    pub bad: usize,
    /// Mean probability.
    pub predicted: f64,
    /// Share of bad rows, with Wilson's interval.
    pub observed: Interval,
}

/// The bins of equal mass behind [`super::metrics::ece`], in ascending order: 10 where
/// probabilities are distinct, fewer where ties straddle an end.
///
/// # Errors
///
/// [`MetricsError`] for no rows, lengths that differ, or a probability that is NaN or outside 0..=1.
pub fn calibration_bins(
    bad: &[bool],
    probability: &[f64],
) -> Result<Vec<CalibrationBin>, MetricsError> {
    let ranked = Ranked::of_shares(bad, probability)?;
    let total = ranked.rows.len() as u64;
    let mut tenths = Tenths::default();
    let mut bins = Vec::new();
    let (mut count, mut bads, mut sum) = (0, 0, 0.0);
    for (seen, row) in (1..).zip(&ranked.rows) {
        count += 1;
        bads += usize::from(row.bad);
        sum += row.probability;
        if row.last_of_tie && tenths.end_at(seen, total) {
            bins.extend(wilson(bads, count).map(|observed| CalibrationBin {
                count,
                bad: bads,
                predicted: sum / count as f64,
                observed,
            }));
            (count, bads, sum) = (0, 0, 0.0);
        }
    }
    Ok(bins)
}

/// Rows by score, for each class. Bin `i` holds scores from `start + i·width` up to, but not with,
/// `start + (i + 1)·width`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScoreHistogram {
    /// The lowest score of the first bin.
    pub start: i64,
    /// Scores in a bin: 1, 2 or 5 times a power of ten.
    pub width: i64,
    /// Good rows in each bin.
    pub good: Vec<usize>,
    /// Bad rows in each bin.
    pub bad: Vec<usize>,
}

/// Counts scores by class in some 15 to 40 bins with round ends, or fewer where scores are few.
///
/// # Errors
///
/// [`MetricsError`] for no rows, or lengths that differ. One class will do.
pub fn score_histogram(bad: &[bool], score: &[i32]) -> Result<ScoreHistogram, MetricsError> {
    check_lengths(bad.len(), score.len())?;
    let low = i64::from(score.iter().copied().min().unwrap_or_default());
    let high = i64::from(score.iter().copied().max().unwrap_or_default());
    let widths = (0..10).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_i64.pow(power)));
    let fits = |width: &i64| (high - low) / width < 38;
    // 5·10^9 spans every pair of scores.
    let width = widths.into_iter().find(fits).unwrap_or(5_000_000_000);
    let start = low.div_euclid(width) * width;
    let bins = ((high - start) / width + 1) as usize;
    let mut histogram = ScoreHistogram {
        start,
        width,
        good: vec![0; bins],
        bad: vec![0; bins],
    };
    for (&bad, &score) in bad.iter().zip(score) {
        let bin = ((i64::from(score) - start) / width) as usize;
        if bad {
            histogram.bad[bin] += 1;
        } else {
            histogram.good[bin] += 1;
        }
    }
    Ok(histogram)
}

/// What a cut-off would have approved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CutOff {
    /// The lowest score approved.
    pub cut_off: i32,
    /// Rows approved.
    pub approved: usize,
    /// Bad rows among them.
    pub approved_bad: usize,
    /// Share of all rows approved, with Wilson's interval.
    pub approval_rate: Interval,
    /// Share of the approved that are bad, with Wilson's interval; `None` where none is approved.
    pub bad_rate: Option<Interval>,
}

/// For each cut-off, in the order given: how many rows score at least that much, and how many of
/// them are bad.
///
/// # Errors
///
/// [`MetricsError`] for no rows, or lengths that differ. One class will do.
///
/// ```
/// use fieldscore_models::evaluate::curves::cut_off_table;
///
/// let bad = [true, false, true, false];
/// let table = cut_off_table(&bad, &[480, 520, 610, 700], &[600])?;
/// assert_eq!((table[0].approved, table[0].approved_bad), (2, 1));
/// assert_eq!(table[0].approval_rate.value, 0.5);
/// # Ok::<(), fieldscore_models::evaluate::metrics::MetricsError>(())
/// ```
pub fn cut_off_table(
    bad: &[bool],
    score: &[i32],
    cut_offs: &[i32],
) -> Result<Vec<CutOff>, MetricsError> {
    check_lengths(bad.len(), score.len())?;
    let ascending = |class: bool| {
        let rows = bad.iter().zip(score).filter(|row| *row.0 == class);
        let mut scores: Vec<i32> = rows.map(|row| *row.1).collect();
        scores.sort_unstable();
        scores
    };
    let (good_scores, bad_scores) = (ascending(false), ascending(true));
    let from = |scores: &[i32], cut_off| scores.len() - scores.partition_point(|&s| s < cut_off);
    let line = |&cut_off: &i32| {
        let approved_bad = from(&bad_scores, cut_off);
        let approved = from(&good_scores, cut_off) + approved_bad;
        let approval_rate = wilson(approved, bad.len()).ok_or(MetricsError::NoRows)?;
        Ok(CutOff {
            cut_off,
            approved,
            approved_bad,
            approval_rate,
            bad_rate: wilson(approved_bad, approved),
        })
    };
    cut_offs.iter().map(line).collect()
}

/// How often two columns disagree.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Flips {
    /// Rows compared.
    pub rows: usize,
    /// Rows that differ.
    pub count: usize,
    /// Their share, with Wilson's interval.
    pub share: Interval,
}

/// Counts the rows where two columns differ: outcomes of the float and of the int8 model, say.
///
/// # Errors
///
/// [`MetricsError`] for no rows, or lengths that differ.
///
/// ```
/// use fieldscore_models::evaluate::curves::flips;
///
/// let flipped = flips(&["approve", "refer"], &["approve", "decline"])?;
/// assert_eq!((flipped.count, flipped.share.value), (1, 0.5));
/// # Ok::<(), fieldscore_models::evaluate::metrics::MetricsError>(())
/// ```
pub fn flips<T: PartialEq>(a: &[T], b: &[T]) -> Result<Flips, MetricsError> {
    check_lengths(a.len(), b.len())?;
    let count = a.iter().zip(b).filter(|(a, b)| a != b).count();
    Ok(Flips {
        rows: a.len(),
        count,
        share: wilson(count, a.len()).ok_or(MetricsError::NoRows)?,
    })
}

/// The most rows that any one cut-off on the score decides otherwise of two models: over all
/// cut-offs, the greatest count of rows that one of them puts below it and the other not.
///
/// It says what another model may do to outcomes without knowing the house's cut-offs; two
/// cut-offs flip twice as many rows at most.
///
/// # Errors
///
/// [`MetricsError`] for no rows, or lengths that differ.
///
/// ```
/// use fieldscore_models::evaluate::curves::greatest_flips;
///
/// // A cut-off from 501 to 510 divides the first row's scores, one of 506 to 510 the second's too.
/// assert_eq!(greatest_flips(&[500, 505, 700], &[510, 520, 700])?, 2);
/// # Ok::<(), fieldscore_models::evaluate::metrics::MetricsError>(())
/// ```
pub fn greatest_flips(a: &[i32], b: &[i32]) -> Result<usize, MetricsError> {
    check_lengths(a.len(), b.len())?;
    // A row's cut-offs begin above its lower score and end with its upper one.
    let mut ends: Vec<(i32, bool)> = Vec::with_capacity(2 * a.len());
    for (a, b) in a.iter().zip(b).filter(|(a, b)| a != b) {
        ends.extend([(*a.min(b), true), (*a.max(b), false)]);
    }
    // At one score, those that end come before those that begin: no cut-off divides both.
    ends.sort_unstable();
    let (mut open, mut greatest) = (0usize, 0);
    for (_, begins) in ends {
        open = if begins { open + 1 } else { open - 1 };
        greatest = greatest.max(open);
    }
    Ok(greatest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::super::metrics::{auc, ece, ks};
    use super::*;

    fn corners(curve: &[RocPoint]) -> Vec<(f64, f64)> {
        let corner = |p: &RocPoint| (p.false_positive_rate, p.true_positive_rate);
        curve.iter().map(corner).collect()
    }

    #[test]
    fn roc_by_hand() {
        let bad = [true, true, false, false, false, true, false];
        let probability = [0.9, 0.8, 0.7, 0.6, 0.5, 0.5, 0.1];
        let curve = roc_curve(&bad, &probability).unwrap();
        // Two bad straight up, two good across, a tie of one and one, a good one.
        let (third, half) = (2.0 / 3.0, 0.5);
        let expected = [
            (0.0, 0.0),
            (0.0, third),
            (half, third),
            (0.75, 1.0),
            (1.0, 1.0),
        ];
        assert_eq!(corners(&curve), expected);
        let thresholds: Vec<Option<f64>> = curve.iter().map(|point| point.threshold).collect();
        assert_eq!(
            thresholds,
            [None, Some(0.8), Some(0.6), Some(0.5), Some(0.1)]
        );
    }

    #[test]
    fn calibration_by_hand() {
        let probability = [0.25, 0.25, 0.25, 0.25, 0.5, 0.5, 0.5, 0.5];
        let bad = [true, false, false, false, true, true, true, false];
        let bins = calibration_bins(&bad, &probability).unwrap();
        assert_eq!(bins.len(), 2);
        assert_eq!((bins[0].count, bins[0].bad), (4, 1));
        assert_eq!((bins[1].predicted, bins[1].observed.value), (0.5, 0.75));
    }

    #[test]
    fn distinct_probabilities_make_ten_even_bins() {
        let probability: Vec<f64> = (0..1005).map(|i| f64::from(i) / 1005.0).collect();
        let bins = calibration_bins(&[false; 1005], &probability).unwrap();
        assert_eq!(bins.len(), 10);
        assert!(bins.iter().all(|bin| bin.count == 100 || bin.count == 101));
    }

    #[test]
    fn histogram_by_hand() {
        let score = [300, 319, 320, 850, 599, 600];
        let bad = [true, true, false, false, false, true];
        let histogram = score_histogram(&bad, &score).unwrap();
        assert_eq!((histogram.start, histogram.width), (300, 20));
        assert_eq!(histogram.bad[..2], [2, 0]);
        assert_eq!(histogram.good[..2], [0, 1]);
        assert_eq!((histogram.good[14], histogram.bad[15]), (1, 1));
        assert_eq!(histogram.good.len(), 28);
    }

    #[test]
    fn histogram_of_extremes() {
        let histogram = score_histogram(&[true, false], &[i32::MIN, i32::MAX]).unwrap();
        assert_eq!(histogram.bad.iter().sum::<usize>(), 1);
        assert_eq!(histogram.good.last(), Some(&1));
        let histogram = score_histogram(&[false], &[-7]).unwrap();
        assert_eq!((histogram.start, histogram.width), (-7, 1));
        assert_eq!(histogram.good, [1]);
    }

    #[test]
    fn cut_offs_by_hand() {
        let bad = [true, false, true, false];
        let table = cut_off_table(&bad, &[480, 520, 610, 700], &[0, 520, 701]).unwrap();
        let counts: Vec<_> = table.iter().map(|l| (l.approved, l.approved_bad)).collect();
        assert_eq!(counts, [(4, 2), (3, 1), (0, 0)]);
        assert_eq!(table[1].bad_rate.unwrap().value, 1.0 / 3.0);
        assert_eq!(table[2].bad_rate, None);
        assert_eq!(table[2].approval_rate.low, 0.0);
    }

    #[test]
    fn each_error_has_its_variant() {
        let differ = MetricsError::LengthsDiffer { left: 1, right: 2 };
        assert_eq!(flips(&[1], &[1, 2]), Err(differ));
        assert_eq!(flips::<u8>(&[], &[]), Err(MetricsError::NoRows));
        assert_eq!(greatest_flips(&[1], &[1, 2]), Err(differ));
        assert_eq!(greatest_flips(&[], &[]), Err(MetricsError::NoRows));
        assert_eq!(score_histogram(&[true], &[1, 2]), Err(differ));
        assert_eq!(cut_off_table(&[], &[], &[1]), Err(MetricsError::NoRows));
        assert_eq!(calibration_bins(&[], &[]), Err(MetricsError::NoRows));
        let one = MetricsError::OneClass { bad: false };
        assert_eq!(roc_curve(&[false], &[0.1]), Err(one));
    }

    /// Rows of both classes, with many ties.
    fn rows() -> impl Strategy<Value = (Vec<bool>, Vec<f64>)> {
        prop::collection::vec((any::<bool>(), 0_u32..=30), 2..60)
            .prop_filter("both classes", |rows| {
                rows.iter().any(|row| row.0) && rows.iter().any(|row| !row.0)
            })
            .prop_map(|rows| {
                let row = |(bad, p)| (bad, f64::from(p) / 30.0);
                rows.into_iter().map(row).unzip()
            })
    }

    proptest! {
        #[test]
        fn the_greatest_flips_are_those_of_the_worst_cut_off(
            rows in prop::collection::vec((0_i32..30, 0_i32..30), 1..40)
        ) {
            let (a, b): (Vec<i32>, Vec<i32>) = rows.into_iter().unzip();
            let at = |cut: i32| a.iter().zip(&b).filter(|(a, b)| (**a < cut) != (**b < cut)).count();
            let worst = (-1..=31).map(at).max().unwrap();
            prop_assert_eq!(greatest_flips(&a, &b).unwrap(), worst);
        }

        #[test]
        fn the_roc_curve_has_the_area_and_the_gap((bad, probability) in rows()) {
            let corners = corners(&roc_curve(&bad, &probability).unwrap());
            prop_assert_eq!(corners[0], (0.0, 0.0));
            prop_assert_eq!(corners[corners.len() - 1], (1.0, 1.0));
            let trapezoid = |w: &[(f64, f64)]| (w[1].0 - w[0].0) * (w[1].1 + w[0].1) / 2.0;
            let area: f64 = corners.windows(2).map(trapezoid).sum();
            prop_assert!((area - auc(&bad, &probability).unwrap()).abs() < 1e-12);
            let gap = corners.iter().map(|(x, y)| (y - x).abs()).fold(0.0, f64::max);
            prop_assert!((gap - ks(&bad, &probability).unwrap()).abs() < 1e-12);
        }

        #[test]
        fn the_bins_are_those_of_the_error((bad, probability) in rows()) {
            let bins = calibration_bins(&bad, &probability).unwrap();
            let rows: usize = bins.iter().map(|bin| bin.count).sum();
            prop_assert_eq!(rows, bad.len());
            let miss = |bin: &CalibrationBin| {
                bin.count as f64 * (bin.observed.value - bin.predicted).abs()
            };
            let error = bins.iter().map(miss).sum::<f64>() / rows as f64;
            prop_assert!((error - ece(&bad, &probability).unwrap()).abs() < 1e-12);
        }

        #[test]
        fn the_histogram_counts_every_row(
            rows in prop::collection::vec((any::<bool>(), any::<i32>()), 1..60)
        ) {
            let (bad, score): (Vec<bool>, Vec<i32>) = rows.into_iter().unzip();
            let histogram = score_histogram(&bad, &score).unwrap();
            let bads = bad.iter().filter(|&&bad| bad).count();
            prop_assert_eq!(histogram.bad.iter().sum::<usize>(), bads);
            prop_assert_eq!(histogram.good.iter().sum::<usize>(), bad.len() - bads);
            prop_assert!(histogram.good.len() <= 40);
        }
    }
}

//! HIST: the histogram of the training part, in bins that show nobody.
//!
//! Edges are deciles on a coarse grid (two significant digits), every bin has at least [`CROWD`] rows, and a
//! count below that which is no bin of its own (missing, outside, an outcome) is written as half of it.

use fieldscore_runtime::schema::FieldKind;
use fieldscore_runtime::watch::{Histogram, counted};
use fieldscore_runtime::{Application, Decision, Scorer};

use super::Workshop;
use crate::error::Result;

/// No bin of training rows is smaller.
const CROWD: usize = 20;
/// Bins that numbers and categories are parted into, at most.
const BINS: usize = 10;
/// Rows that are counted, at most; and what their scores may cost, in multiply-adds.
const ROWS: usize = 20_000;
const WORK: u64 = 1 << 36;

/// The histogram of the training part as `scorer`, the bundle's own, decides it. A row that it refuses is not
/// counted, as it would not be on a device.
///
/// # Errors
/// Where a cell is not of its field's type.
pub(super) fn histogram(workshop: &Workshop<'_>, scorer: &Scorer) -> Result<Histogram> {
    let most = WORK / scorer.multiply_adds().max(1);
    let most = ROWS.min(usize::try_from(most).unwrap_or(ROWS)).max(1);
    let step = workshop.train.len().div_ceil(most).max(1);
    let rows: Vec<usize> = workshop.train.iter().copied().step_by(step).collect();
    let applications = workshop.applications(&workshop.table.select(&rows), scorer)?;
    let mut decisions = Vec::new();
    scorer.score_many(&applications, &mut decisions);
    let decided: Vec<(&Application, Decision)> = applications
        .iter()
        .zip(decisions)
        .filter_map(|(application, decision)| Some((application, decision.ok()?)))
        .collect();
    Ok(of(scorer, &decided))
}

fn of(scorer: &Scorer, decided: &[(&Application, Decision)]) -> Histogram {
    let (mut places, mut counts) = (Vec::new(), Vec::new());
    for (index, field) in scorer.schema().fields().iter().enumerate() {
        let inside = decided.iter().filter(|(_, decision)| {
            !decision.out_of_range.contains(index) && !decision.unlisted.contains(index)
        });
        let values: Vec<i64> = inside
            .filter_map(|(application, _)| counted(application, index))
            .collect();
        let (own, bins) = match &field.kind {
            FieldKind::Category { codes } => categories(codes.len(), &values),
            FieldKind::Boolean => (Vec::new(), 2),
            kind if kind.is_numeric() => edges(values),
            _ => (Vec::new(), 1),
        };
        places.push(own);
        counts.push(vec![0; bins + 2]);
    }
    let scores = decided.iter().map(|(_, decision)| decision.score.into());
    let (own, bins) = edges(scores.collect());
    places.push(own);
    counts.extend([vec![0; bins], vec![0; 3]]);
    let mut histogram = Histogram {
        places,
        counts: Vec::new(),
    };
    for (application, decision) in decided {
        histogram.count(application, decision, &mut counts);
    }
    for count in counts.iter_mut().flatten() {
        if (1..CROWD as u32).contains(count) {
            *count = CROWD as u32 / 2;
        }
    }
    histogram.counts = counts;
    histogram
}

/// The edges between bins of numbers, and how many bins these make.
fn edges(mut values: Vec<i64>) -> (Vec<i64>, usize) {
    values.sort_unstable();
    let (mut edges, mut below) = (Vec::new(), 0);
    for decile in 1..BINS {
        let Some(&value) = values.get(values.len() * decile / BINS) else {
            break;
        };
        let edge = coarse(value);
        let at = values.partition_point(|&value| value < edge);
        if at >= below + CROWD && values.len() >= at + CROWD {
            edges.push(edge);
            below = at;
        }
    }
    let bins = edges.len() + 1;
    (edges, bins)
}

/// A number to two significant digits.
fn coarse(value: i64) -> i64 {
    let digits = value.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
    let unit = 10_i64.pow(digits.saturating_sub(2));
    let half = unit / 2 * value.signum();
    (value.saturating_add(half)) / unit * unit
}

/// The bin of each of `codes` categories, and how many bins there are: the commonest have their own, the
/// others share the last.
fn categories(codes: usize, values: &[i64]) -> (Vec<i64>, usize) {
    let mut rows = vec![0_usize; codes];
    for &value in values {
        if let Some(rows) = usize::try_from(value).ok().and_then(|at| rows.get_mut(at)) {
            *rows += 1;
        }
    }
    let mut order: Vec<usize> = (0..codes).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(rows[at]));
    // As many as have a crowd, and leave one to those that share a bin, or nobody in it.
    let mut own = order.iter().filter(|&&at| rows[at] >= CROWD).count();
    if own > BINS || own < codes {
        own = own.min(BINS - 1);
    }
    let sharing = |own: usize| order[own..].iter().map(|&at| rows[at]).sum::<usize>();
    while own > 0 && (1..CROWD).contains(&sharing(own)) {
        own -= 1;
    }
    let mut bins = vec![own as i64; codes];
    let mut named = order[..own].to_vec();
    named.sort_unstable();
    for (bin, at) in named.into_iter().enumerate() {
        bins[at] = bin as i64;
    }
    (bins, own + usize::from(own < codes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_coarse_deciles_of_crowds() {
        let (found, bins) = edges((0..1000).map(|x| x * 123).collect());
        let deciles = vec![
            12_000, 25_000, 37_000, 49_000, 62_000, 74_000, 86_000, 98_000, 110_000,
        ];
        assert_eq!((found, bins), (deciles, 10));
        assert_eq!(edges(vec![7; 5000]), (vec![], 1));
        assert_eq!(edges((0..39).collect()), (vec![], 1));
        assert_eq!(edges(Vec::new()), (vec![], 1));
        // One edge of forty rows, twenty on each side.
        assert_eq!(edges((0..40).collect()), (vec![20], 2));
        // A heavy value: what lies below it is too few for a bin.
        let heavy = [vec![1; 10], vec![2; 500], vec![3; 490]].concat();
        assert_eq!(edges(heavy), (vec![3], 2));
    }

    #[test]
    fn numbers_are_rounded_to_two_digits() {
        for (value, expected) in [
            (0, 0),
            (99, 99),
            (104, 100),
            (105, 110),
            (-12_345, -12_000),
            (-12_500, -13_000),
            (996, 1000),
            (i64::MAX, 9_200_000_000_000_000_000),
        ] {
            assert_eq!(coarse(value), expected, "{value}");
        }
    }

    fn rows(counts: &[usize]) -> Vec<i64> {
        let each = counts.iter().enumerate();
        each.flat_map(|(at, &count)| vec![at as i64; count])
            .collect()
    }

    #[test]
    fn rare_categories_share_a_bin() {
        for (counts, bins) in [
            (vec![50, 30], vec![0, 1]),
            (vec![50, 30, 0], vec![0, 1, 2]),
            // Five would be too few alone: the rarest of the others goes with them.
            (vec![30, 5, 50], vec![1, 1, 0]),
            (vec![10, 12, 50], vec![1, 1, 0]),
            (vec![3, 2], vec![0, 0]),
        ] {
            let found = categories(counts.len(), &rows(&counts));
            let count = bins.iter().max().map_or(0, |&last| last as usize + 1);
            assert_eq!(found, (bins, count), "{counts:?}");
        }
        let many = vec![25; 40];
        let (bins, count) = categories(40, &rows(&many));
        assert_eq!(count, BINS);
        assert_eq!(bins.iter().filter(|&&bin| bin == 9).count(), 31);
        assert_eq!(categories(10, &rows(&[25; 10])).1, 10);
    }
}

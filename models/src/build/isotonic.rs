//! Isotonic calibration: a curve that only rises, through the shares of bad loans in blocks of
//! neighbouring rows.
//!
//! Pool adjacent violators (Zadrozny and Elkan 2002, "Transforming classifier scores into accurate
//! multiclass probability estimates") gives the steps. Steps would tie all rows of a block, so the
//! curve goes straight, in log-odds, from the middle of one block to that of the next (Oron and
//! Flournoy 2017, "Centered isotonic regression"), and beyond the outermost ones as Platt's line
//! does: rows keep their order, and the AUC is the model's own but for what rounds to the same.

use fieldscore_runtime::decide::{Calibration, LOG_ODDS_ONE, MAX_LOG_ODDS};

/// A block has at least this share of the rows, so that there are few knots and no share is one of a
/// handful.
const LEAST_SHARE: f64 = 1.0 / 40.0;

/// And at least so many of them.
const LEAST_ROWS: f64 = 10.0;

/// Neighbouring rows.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Block {
    /// How many.
    rows: f64,
    /// How many of them are bad.
    bad: f64,
    /// Their log-odds, added up.
    sum: f64,
}

impl Block {
    fn join(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            bad: self.bad + other.bad,
            sum: self.sum + other.sum,
        }
    }

    /// The share of bad rows.
    fn share(&self) -> f64 {
        self.bad / self.rows
    }

    /// The log-odds of the share after Laplace's rule of succession, finite in any block.
    fn log_odds(&self) -> f64 {
        ((self.bad + 1.0) / (self.rows - self.bad + 1.0)).ln()
    }

    fn middle(&self) -> f64 {
        self.sum / self.rows
    }
}

/// The table of the curve for log-odds observed on labelled rows; `slope` is that of Platt's line,
/// above 0. Rows of equal log-odds are in one block.
pub(super) fn fit(bad: &[bool], log_odds: &[f64], slope: f64) -> Calibration {
    let shares = pool(&tied(bad, log_odds), Block::share);
    let wide = widen(shares, (bad.len() as f64 * LEAST_SHARE).max(LEAST_ROWS));
    // The rule of succession draws small blocks further in than large ones.
    let blocks = pool(&wide, Block::log_odds);
    let one = f64::from(LOG_ODDS_ONE);
    let limit = f64::from(MAX_LOG_ODDS) / one;
    let middle = |block: &Block| (block.middle(), block.log_odds().clamp(-limit, limit));
    let mut points: Vec<(f64, f64)> = blocks.iter().map(middle).collect();
    if let (Some(&(x, y)), Some(&(end, top))) = (points.first(), points.last()) {
        points.insert(0, (x - (y + limit) / slope, -limit));
        points.push((end + (limit - top) / slope, limit));
    }
    let mut knots: Vec<(i32, i32)> = Vec::with_capacity(points.len());
    for (x, y) in points {
        let knot = |number: f64| (number * one).round().clamp(-2e9, 2e9) as i32;
        let (x, y) = (knot(x), knot(y).clamp(-MAX_LOG_ODDS, MAX_LOG_ODDS));
        // Middles that round to the same are one knot.
        if knots.last().is_none_or(|last| last.0 < x) {
            knots.push((x, y));
        }
    }
    Calibration { knots }
}

/// One block for each of the log-odds, in rising order.
fn tied(bad: &[bool], log_odds: &[f64]) -> Vec<Block> {
    let mut rows: Vec<(f64, bool)> = log_odds.iter().copied().zip(bad.iter().copied()).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let groups = rows.chunk_by(|a, b| a.0 == b.0);
    let block = |group: &[(f64, bool)]| Block {
        rows: group.len() as f64,
        bad: group.iter().filter(|row| row.1).count() as f64,
        sum: group.iter().map(|row| row.0).sum(),
    };
    groups.map(block).collect()
}

/// Joins neighbours until `value` rises from each block to the next.
fn pool(blocks: &[Block], value: impl Fn(&Block) -> f64) -> Vec<Block> {
    let mut pooled: Vec<Block> = Vec::with_capacity(blocks.len());
    for &next in blocks {
        let mut next = next;
        while let Some(last) = pooled.pop_if(|last| value(last) >= value(&next)) {
            next = last.join(next);
        }
        pooled.push(next);
    }
    pooled
}

/// Joins each block of fewer than `least` rows, the smallest first, with the neighbour whose share is
/// nearer. A joined share lies between the two, so shares still rise.
fn widen(mut blocks: Vec<Block>, least: f64) -> Vec<Block> {
    while blocks.len() > 1 {
        let sizes = blocks.iter().enumerate();
        let Some((at, small)) = sizes.min_by(|a, b| a.1.rows.total_cmp(&b.1.rows)) else {
            break;
        };
        if small.rows >= least {
            break;
        }
        let distance = |other: Option<&Block>| {
            other.map_or(f64::INFINITY, |other| (other.share() - small.share()).abs())
        };
        let before = at.checked_sub(1).and_then(|before| blocks.get(before));
        let left = match distance(before) <= distance(blocks.get(at + 1)) {
            true => at - 1,
            false => at,
        };
        blocks[left] = blocks[left].join(blocks[left + 1]);
        blocks.remove(left + 1);
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Isotonic regression by its definition: the greatest, over where a stretch begins, of the
    /// least mean of a stretch from there to beyond the row (Robertson, Wright and Dykstra 1988,
    /// "Order Restricted Statistical Inference", theorem 1.4.4).
    fn naive(blocks: &[Block]) -> Vec<f64> {
        let mean = |from: usize, to: usize| {
            let whole = blocks[from + 1..=to]
                .iter()
                .fold(blocks[from], |all, block| all.join(*block));
            whole.share()
        };
        let fitted = |at: usize| {
            let from = |from: usize| {
                (at..blocks.len())
                    .map(|to| mean(from, to))
                    .fold(f64::INFINITY, f64::min)
            };
            (0..=at).map(from).fold(f64::NEG_INFINITY, f64::max)
        };
        (0..blocks.len()).map(fitted).collect()
    }

    fn rows() -> impl Strategy<Value = (Vec<bool>, Vec<f64>)> {
        let row = (any::<bool>(), -60i32..60, any::<bool>());
        // Now and then log-odds that nothing ties with.
        let row = row.prop_map(|(bad, x, tie)| {
            let x = f64::from(x) / 20.0;
            (bad, if tie { x } else { x + x.sin() / 100.0 })
        });
        prop::collection::vec(row, 1..120).prop_map(|rows| rows.into_iter().unzip())
    }

    proptest! {
        #[test]
        fn pooling_is_isotonic_regression((bad, log_odds) in rows()) {
            let tied = tied(&bad, &log_odds);
            let pooled = pool(&tied, Block::share);
            let mut found = Vec::new();
            let mut blocks = pooled.iter();
            let (mut rest, mut share) = (0.0, 0.0);
            for block in &tied {
                if rest == 0.0 {
                    let next = blocks.next().copied().unwrap_or(*block);
                    (rest, share) = (next.rows, next.share());
                }
                rest -= block.rows;
                found.push(share);
            }
            for (found, expected) in found.iter().zip(naive(&tied)) {
                prop_assert!((found - expected).abs() < 1e-12, "{} {}", found, expected);
            }
        }

        #[test]
        fn the_curve_rises_between_the_clips((bad, log_odds) in rows(), slope in 0.05..20.0f64) {
            let table = fit(&bad, &log_odds, slope);
            prop_assert!(table.knots.windows(2).all(|k| k[0].0 < k[1].0 && k[0].1 <= k[1].1));
            prop_assert!((2..=44).contains(&table.knots.len()), "{}", table.knots.len());
            let out: Vec<i32> = (-400..=400).map(|x| table.apply(x << 16)).collect();
            prop_assert!(out.windows(2).all(|pair| pair[0] <= pair[1]));
            prop_assert!(out.iter().all(|y| (-MAX_LOG_ODDS..=MAX_LOG_ODDS).contains(y)));
        }

        #[test]
        fn rows_that_differ_keep_their_order(bad in prop::collection::vec(any::<bool>(), 40..200)) {
            let log_odds: Vec<f64> = (0..bad.len()).map(|at| at as f64 / 50.0 - 2.0).collect();
            let table = fit(&bad, &log_odds, 1.0);
            let one = f64::from(LOG_ODDS_ONE);
            let out: Vec<i32> = log_odds.iter().map(|x| table.apply((x * one) as i32)).collect();
            prop_assert!(out.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}

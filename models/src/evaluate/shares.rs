//! Shares of rows, and how two of them compare: ratio, gap and significance.

use super::intervals::{Interval, Z, wilson};

/// So many of so many rows.
///
/// ```
/// use fieldscore_models::evaluate::shares::Share;
///
/// let (own, reference) = (Share { part: 24, whole: 50 }, Share { part: 30, whole: 50 });
/// assert_eq!(own.ratio_to(reference).map(|ratio| ratio.value), Some(0.8));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Rows that have it.
    pub part: usize,
    /// Rows that might.
    pub whole: usize,
}

impl Share {
    /// The share itself, with Wilson's interval; none of no rows.
    pub fn interval(self) -> Option<Interval> {
        wilson(self.part, self.whole)
    }

    /// This share divided by that of other rows; none where that is zero or of no rows.
    ///
    /// The interval is symmetric in the ratio's logarithm. Source: D. Katz, J. Baptista, S. P. Azen and
    /// M. C. Pike, "Obtaining confidence intervals for the risk ratio in cohort studies", Biometrics 34
    /// (1978), 469–474, method C. That has no answer where this share is zero, and no width where both are
    /// one: there the interval is made of Wilson's two (A. Donner and G. Y. Zou, "Closed-form confidence
    /// intervals for functions of the normal mean and standard deviation", Statistical Methods in Medical
    /// Research 21 (2012), 347–359).
    pub fn ratio_to(self, reference: Self) -> Option<Interval> {
        let (own, other) = (self.interval()?, reference.interval()?);
        let value = self.quotient(reference)?;
        let (low, high) = if self.part == 0 {
            let below = other.low * (2.0 * other.value - other.low);
            (0.0, own.high / below.sqrt())
        } else if self.part == self.whole && reference.part == reference.whole {
            (own.low, 1.0 / other.low)
        } else {
            let term = |share: Self| 1.0 / share.part as f64 - 1.0 / share.whole as f64;
            let factor = libm::exp(Z * (term(self) + term(reference)).sqrt());
            (value / factor, value * factor)
        };
        Some(Interval { value, low, high })
    }

    /// The ratio alone, in whole numbers up to the one division: four fifths is four fifths exactly.
    pub(super) fn quotient(self, reference: Self) -> Option<f64> {
        let product = |a: usize, b: usize| a as u64 * b as u64;
        let above = product(self.part, reference.whole);
        let below = product(self.whole, reference.part);
        (below > 0).then(|| above as f64 / below as f64)
    }

    /// This share minus that of other rows; none where either has no rows.
    ///
    /// The interval is made of Wilson's two. Source: R. G. Newcombe, "Interval estimation for the
    /// difference between independent proportions", Statistics in Medicine 17 (1998), 873–890, method 10.
    pub fn gap_to(self, reference: Self) -> Option<Interval> {
        let (own, other) = (self.interval()?, reference.interval()?);
        let value = own.value - other.value;
        let down = (own.value - own.low).hypot(other.high - other.value);
        let up = (own.high - own.value).hypot(other.value - other.low);
        Some(Interval {
            value,
            low: value - down,
            high: value + up,
        })
    }

    /// How likely a gap of this size or more is where both shares are really the same: the two-sided
    /// z-test with the pooled share, which is Pearson's chi-squared test of the fourfold table. None where
    /// either has no rows.
    pub fn p_value(self, reference: Self) -> Option<f64> {
        let gap = self.gap_to(reference)?.value;
        let [own, other] = [self.whole, reference.whole].map(|rows| rows as f64);
        let pooled = (self.part + reference.part) as f64 / (own + other);
        let variance = pooled * (1.0 - pooled) * (1.0 / own + 1.0 / other);
        Some(if gap == 0.0 || variance <= 0.0 {
            1.0
        } else {
            libm::erfc(gap.abs() / (2.0 * variance).sqrt())
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn share(part: usize, whole: usize) -> Share {
        Share { part, whole }
    }

    /// Heart attacks under placebo and aspirin in the Physicians' Health Study: A. Agresti, *An
    /// Introduction to Categorical Data Analysis* (2007), sections 2.2 and 2.3: relative risk 1.82, 95 %
    /// interval 1.43 to 2.30.
    #[test]
    fn the_ratio_is_as_published() {
        let (placebo, aspirin) = (share(189, 11_034), share(104, 11_037));
        let ratio = placebo.ratio_to(aspirin).unwrap();
        assert!((ratio.value - 1.8178).abs() < 5e-5, "{ratio:?}");
        assert!((ratio.low - 1.433).abs() < 5e-4, "{ratio:?}");
        assert!((ratio.high - 2.306).abs() < 5e-4, "{ratio:?}");
        // Its chi-squared statistic is 25.01 on one degree of freedom.
        let p = placebo.p_value(aspirin).unwrap();
        assert!((p - 5.69e-7).abs() < 1e-8, "{p}");
    }

    /// Newcombe 1998, table II, method 10.
    #[test]
    fn the_gap_is_as_published() {
        for (own, reference, low, high) in [
            ((56, 70), (48, 80), 0.0524, 0.3339),
            ((9, 10), (3, 10), 0.1705, 0.8090),
            ((6, 7), (2, 7), 0.0582, 0.8062),
            ((5, 56), (0, 29), -0.0381, 0.1926),
            ((0, 10), (0, 20), -0.1611, 0.2775),
            ((0, 10), (0, 10), -0.2775, 0.2775),
            ((10, 10), (0, 20), 0.6791, 1.0),
            ((10, 10), (0, 10), 0.6075, 1.0),
        ] {
            let gap = share(own.0, own.1).gap_to(share(reference.0, reference.1));
            let gap = gap.unwrap();
            assert!((gap.low - low).abs() < 5.1e-5, "{own:?} {gap:?}");
            assert!((gap.high - high).abs() < 5.1e-5, "{own:?} {gap:?}");
        }
    }

    #[test]
    fn where_katz_has_no_answer_wilsons_intervals_give_one() {
        let none = share(0, 20).ratio_to(share(15, 20)).unwrap();
        assert_eq!((none.value, none.low), (0.0, 0.0));
        assert!(0.1 < none.high && none.high < 0.5, "{none:?}");
        let all = share(20, 20).ratio_to(share(40, 40)).unwrap();
        assert!(
            all.value == 1.0 && all.low < 0.9 && all.high > 1.05,
            "{all:?}"
        );
        assert_eq!(share(1, 2).ratio_to(share(0, 2)), None);
        assert_eq!(share(0, 0).ratio_to(share(1, 2)), None);
        assert_eq!(share(1, 2).gap_to(share(0, 0)), None);
        assert_eq!(share(2, 2).p_value(share(3, 3)), Some(1.0));
    }

    proptest! {
        #[test]
        fn the_ratio_of_exchanged_shares_is_the_inverse(
            a in 1_usize..50, more_a in 0_usize..50, b in 1_usize..50, more_b in 0_usize..50
        ) {
            let (own, other) = (share(a, a + more_a), share(b, b + more_b));
            let one = own.ratio_to(other).unwrap();
            let back = other.ratio_to(own).unwrap();
            prop_assert!((one.low * back.high - 1.0).abs() < 1e-9);
            prop_assert!((one.value * back.value - 1.0).abs() < 1e-9);
            prop_assert!(0.0 < one.low && one.low <= one.value && one.value <= one.high);
        }

        #[test]
        fn the_gap_stays_possible(a in 0_usize..30, more_a in 1_usize..30, b in 0_usize..30, more_b in 1_usize..30) {
            let gap = share(a, a + more_a).gap_to(share(b, b + more_b)).unwrap();
            prop_assert!(-1.0 - 1e-12 <= gap.low && gap.low <= gap.value);
            prop_assert!(gap.value <= gap.high && gap.high <= 1.0 + 1e-12);
        }
    }
}

//! Instalments and annual percentage rates in integers: fixed point with [`FRACTION`] bits behind the
//! point, the same on every device.
//!
//! A loan of `n` equal monthly instalments `P` at a monthly rate `i` is worth `P·a` at its start, where
//! `a = v + v² + … + vⁿ` and `v = 1 / (1 + i)`: the annuity factor of any textbook of interest.

use minicbor::Encode;

use crate::bundle::cbor::variants;

/// Bits behind the point: an instalment of 10^12 minor units is exact to a hundredth of one.
const FRACTION: u32 = 56;
const ONE: u128 = 1 << FRACTION;

/// No loan has more instalments.
pub const MAX_TERM: i64 = 1200;

/// How a quotient becomes a whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(index_only)]
pub enum Rounding {
    /// To the nearest; a half goes away from zero.
    #[n(0)]
    HalfUp,
    /// To the nearest; a half goes to the even one.
    #[n(1)]
    HalfEven,
    /// Away from zero.
    #[n(2)]
    Up,
    /// Towards zero.
    #[n(3)]
    Down,
}

variants!(Rounding {
    0: HalfUp,
    1: HalfEven,
    2: Up,
    3: Down
});

impl Rounding {
    /// The name, as in a recipe.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HalfUp => "half_up",
            Self::HalfEven => "half_even",
            Self::Up => "up",
            Self::Down => "down",
        }
    }

    /// `number / by`, rounded; `None` by zero, or where it is beyond 64 bits.
    pub(crate) fn divide(self, number: i128, by: i128) -> Option<i64> {
        let quotient = number.checked_div(by)?;
        let rest = (number % by).unsigned_abs();
        let other = by.unsigned_abs() - rest;
        let away = rest != 0
            && match self {
                Self::HalfUp => rest >= other,
                Self::HalfEven => rest > other || rest == other && quotient % 2 != 0,
                Self::Up => true,
                Self::Down => false,
            };
        let sign = if (number < 0) == (by < 0) { 1 } else { -1 };
        i64::try_from(quotient + i128::from(away) * sign).ok()
    }
}

/// What an annual rate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(index_only)]
pub enum AnnualRate {
    /// Twelve times the monthly rate (Regulation Z, 12 CFR 1026, appendix J).
    #[n(0)]
    Nominal,
    /// Twelve months' interest with interest on it (Directive 2008/48/EC, annex I).
    #[n(1)]
    Effective,
}

variants!(AnnualRate {
    0: Nominal,
    1: Effective
});

impl AnnualRate {
    /// Its name, as a recipe has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nominal => "nominal",
            Self::Effective => "effective",
        }
    }
}

fn times(a: u128, b: u128) -> u128 {
    (a * b) >> FRACTION
}

/// The annuity factor of `months` at the discount factor `v`, at most 1.
fn factor(v: u128, months: u32) -> u128 {
    // After each bit of the count: the sum of so many powers, and the last of them.
    let (mut sum, mut power) = (0_u128, ONE);
    for bit in (0..32 - months.leading_zeros()).rev() {
        sum += times(sum, power);
        power = times(power, power);
        if months >> bit & 1 == 1 {
            sum = times(sum + ONE, v);
            power = times(power, v);
        }
    }
    sum
}

fn months(term: i64) -> Option<u32> {
    (1..=MAX_TERM).contains(&term).then_some(term as u32)
}

/// The monthly instalment that pays `amount` back in `term` months, in its units; `rate` is a year's,
/// in units of which `whole` are 100 %. `None` for an amount or rate below zero, and a term outside 1
/// to [`MAX_TERM`].
pub(crate) fn instalment(
    amount: i64,
    rate: i64,
    term: i64,
    whole: i64,
    rounding: Rounding,
) -> Option<i64> {
    let (amount, rate) = (u128::try_from(amount).ok()?, u128::try_from(rate).ok()?);
    let whole = u128::try_from(whole).ok()?.checked_mul(12)?;
    // At most 2^67: a factor of 56 bits fits beside it.
    let v = (whole.checked_mul(ONE)? + (whole + rate) / 2).checked_div(whole + rate)?;
    let a = factor(v, months(term)?);
    rounding.divide((amount << FRACTION) as i128, a as i128)
}

/// The annual percentage rate of an `amount` that is paid back in `term` months by `instalment`, in
/// parts per million. `None` where they do not pay it back, or where it is beyond 64 bits.
pub(crate) fn annual_rate(
    amount: i64,
    instalment: i64,
    term: i64,
    kind: AnnualRate,
) -> Option<i64> {
    let months = months(term)?;
    let worth = (u128::try_from(amount).ok().filter(|&a| a > 0)?) << FRACTION;
    let instalment = u128::try_from(instalment).ok()?;
    let pays = |v| instalment.saturating_mul(factor(v, months)) >= worth;
    if !pays(ONE) {
        return None;
    }
    // The least discount factor that still pays it back, bit by bit.
    let mut v = 0;
    for bit in (0..FRACTION).rev() {
        let more = v | 1 << bit;
        if !pays(more) {
            v = more;
        }
    }
    v += 1;
    let (over, parts) = match kind {
        AnnualRate::Nominal => (v, 12_000_000),
        AnnualRate::Effective => {
            let squared = times(v, v);
            let cubed = times(squared, v);
            let sixth = times(cubed, cubed);
            (times(sixth, sixth), 1_000_000)
        }
    };
    Rounding::HalfUp.divide(((ONE - over.min(ONE)) * parts) as i128, over as i128)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn quotients_are_rounded_as_their_names_say() {
        let all = [
            Rounding::HalfUp,
            Rounding::HalfEven,
            Rounding::Up,
            Rounding::Down,
        ];
        let cases = [
            ((7, 2), [4, 4, 4, 3]),
            ((5, 2), [3, 2, 3, 2]),
            ((-5, 2), [-3, -2, -3, -2]),
            ((5, -2), [-3, -2, -3, -2]),
            ((-7, -2), [4, 4, 4, 3]),
            ((1, 3), [0, 0, 1, 0]),
            ((-2, 3), [-1, -1, -1, 0]),
            ((6, 3), [2, 2, 2, 2]),
        ];
        for ((number, by), expected) in cases {
            for (rounding, expected) in all.into_iter().zip(expected) {
                assert_eq!(rounding.divide(number, by), Some(expected), "{number}/{by}");
            }
        }
        assert_eq!(Rounding::HalfUp.divide(1, 0), None);
        assert_eq!(Rounding::Up.divide(i128::from(i64::MAX) + 1, 1), None);
        assert_eq!(Rounding::Down.divide(i128::MIN, -1), None);
    }

    /// What the double-precision formula gives.
    fn naive(amount: f64, rate: f64, term: i32) -> f64 {
        let monthly = rate / 12.0;
        match monthly == 0.0 {
            true => amount / f64::from(term),
            false => amount * monthly / (1.0 - (1.0 + monthly).powi(-term)),
        }
    }

    #[test]
    fn instalments_are_those_of_the_formula() {
        // Case 0004 of the DMN Technology Compatibility Kit, without its fee of 20.
        assert_eq!(
            instalment(35_000_000, 395, 360, 10_000, Rounding::HalfUp),
            Some(166_088)
        );
        assert_eq!(instalment(1200, 0, 12, 1, Rounding::HalfUp), Some(100));
        for amount in [1, 99, 123_456, 98_765_432_100] {
            for rate in [0, 1, 250, 1999, 9900, 100_000] {
                for term in [1, 2, 7, 36, 359, 1200] {
                    let own = instalment(amount, rate, term, 10_000, Rounding::HalfUp).unwrap();
                    let float = naive(amount as f64, rate as f64 / 1e4, term as i32);
                    // Half a unit, and what the doubles themselves lose.
                    let off = (own as f64 - float).abs();
                    assert!(
                        off <= 0.5 + float * 1e-9,
                        "{amount} {rate} {term}: {own} {float}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_no_loan_has_no_instalment() {
        for (amount, rate, term, whole) in [
            (-1, 100, 12, 10_000),
            (100, -1, 12, 10_000),
            (100, 100, 0, 10_000),
            (100, 100, 1201, 10_000),
            (100, 0, 12, 0),
        ] {
            assert_eq!(
                instalment(amount, rate, term, whole, Rounding::HalfUp),
                None
            );
        }
        let extreme = [i64::MIN, -1, 0, 1, i64::MAX];
        for amount in extreme {
            for rate in extreme {
                for whole in extreme {
                    let _ = instalment(amount, rate, 1200, whole, Rounding::Up);
                    for kind in [AnnualRate::Nominal, AnnualRate::Effective] {
                        let _ = annual_rate(amount, rate, 1200, kind);
                        let _ = annual_rate(amount, rate, 1, kind);
                    }
                }
            }
        }
    }

    #[test]
    fn annual_rates_are_those_that_the_instalments_were_made_with() {
        for rate in [1, 395, 1200, 3600, 25_000] {
            for term in [1, 6, 12, 60, 360] {
                let paid = instalment(1_000_000_000_000, rate, term, 10_000, Rounding::HalfUp);
                let found =
                    annual_rate(1_000_000_000_000, paid.unwrap(), term, AnnualRate::Nominal);
                assert_eq!(found, Some(rate * 100), "{term}");
                let monthly = rate as f64 / 120_000.0;
                let effective = ((1.0 + monthly).powi(12) - 1.0) * 1e6;
                let found = annual_rate(
                    1_000_000_000_000,
                    paid.unwrap(),
                    term,
                    AnnualRate::Effective,
                );
                assert!(
                    (found.unwrap() as f64 - effective).abs() < 0.51,
                    "{rate} {term}"
                );
            }
        }
        // Directive 2008/48/EC's own kind of example: 1200 paid back after a year for 1000.
        assert_eq!(annual_rate(1200, 100, 12, AnnualRate::Effective), Some(0));
        assert_eq!(annual_rate(1201, 100, 12, AnnualRate::Nominal), None);
        assert_eq!(annual_rate(0, 100, 12, AnnualRate::Nominal), None);
    }
}

//! The one written grammar of numbers.
//!
//! ```text
//! number   = [sign] digits [point digits]
//! sign     = "+" | "-" | U+2212 (minus sign)
//! digits   = digit+            digit = "0".."9" | U+FF10..U+FF19 (full-width)
//! point    = "."  | ","        "," only where the caller says that comma is the decimal mark
//! ```
//!
//! Blanks around it are dropped. Grouping ("1,234", "1 234") is refused: read by one locale it is
//! a thousand times what another reads.

/// Numbers have fifteen digits at most: each is exact in an f64, and no two decimal numbers of
/// fifteen digits share one (Goldberg 1991, "What every computer scientist should know about
/// floating-point arithmetic", on decimal to binary and back).
pub(crate) const MAX_MAGNITUDE: i64 = 999_999_999_999_999;

/// The decimal mark that a caller's text uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DecimalMark {
    /// `1234.5`
    #[default]
    Point,
    /// `1234,5`
    Comma,
}

/// Reads `text` as a whole number of 10^-`decimals`: "12.5" with two decimals is 1250. More
/// decimals than that are taken only where they are zeros.
pub fn parse(text: &str, decimals: u8, mark: DecimalMark) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let point = match mark {
        DecimalMark::Point => '.',
        DecimalMark::Comma => ',',
    };
    let (whole, fraction) = match digits.split_once(point) {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
        None => (digits, ""),
    };
    if whole.is_empty() {
        return None;
    }
    let mut sum = 0i64;
    for c in whole.chars() {
        sum = push(sum, c)?;
    }
    let mut fraction = fraction.chars();
    for _ in 0..decimals {
        sum = push(sum, fraction.next().unwrap_or('0'))?;
    }
    if fraction.any(|c| digit(c) != Some(0)) {
        return None;
    }
    Some(if negative { -sum } else { sum })
}

fn push(sum: i64, c: char) -> Option<i64> {
    let sum = sum.checked_mul(10)?.checked_add(digit(c)?)?;
    (sum <= MAX_MAGNITUDE).then_some(sum)
}

/// The value of a digit, ASCII or full-width.
pub(super) fn digit(c: char) -> Option<i64> {
    let zero = match c {
        '0'..='9' => '0',
        '\u{FF10}'..='\u{FF19}' => '\u{FF10}',
        _ => return None,
    };
    Some(i64::from(u32::from(c) - u32::from(zero)))
}

/// Reads a typed number as a whole number of 10^-`decimals`. Takes exactly those numbers whose
/// shortest decimal form has no more decimals: `x` is the f64 nearest to r/10^decimals, and that
/// division is correctly rounded because both sides are exact.
pub(crate) fn from_f64(x: f64, decimals: u8) -> Option<i64> {
    let unit = POWERS_OF_TEN.get(usize::from(decimals))?;
    let raw = libm::rint(x * *unit as f64);
    // NaN fails the first comparison.
    let fits = libm::fabs(raw) <= MAX_MAGNITUDE as f64;
    (fits && raw / *unit as f64 == x).then_some(raw as i64)
}

/// 10^0 to 10^9.
pub(crate) const POWERS_OF_TEN: [i64; 10] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn grammar() {
        let point = |t, d| parse(t, d, DecimalMark::Point);
        assert_eq!(point("12", 0), Some(12));
        assert_eq!(point(" -12.50 ", 1), Some(-125));
        assert_eq!(point("\u{2212}3", 0), Some(-3));
        assert_eq!(point("１２３", 0), Some(123));
        assert_eq!(point("0.10", 2), Some(10));
        assert_eq!(parse("1,5", 1, DecimalMark::Comma), Some(15));
        for refused in [
            "", "-", ".5", "5.", "1,234", "1 234", "1e3", "0x1", "12.5", "NaN", "inf", "--1", "٣",
        ] {
            assert_eq!(point(refused, 0), None, "{refused}");
        }
        assert_eq!(parse("1.5", 1, DecimalMark::Comma), None);
        assert_eq!(point("1000000000000000", 0), None);
    }

    #[test]
    fn typed_numbers() {
        assert_eq!(from_f64(0.1, 1), Some(1));
        assert_eq!(from_f64(0.145, 2), None);
        assert_eq!(from_f64(-0.0, 0), Some(0));
        for refused in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 0.5] {
            assert_eq!(from_f64(refused, 0), None);
        }
    }

    proptest! {
        // Typed and text forms of a value are one value.
        #[test]
        fn typed_as_text(raw in -1_000_000_000_000i64..1_000_000_000_000, decimals in 0u8..=6) {
            let x = raw as f64 / POWERS_OF_TEN[usize::from(decimals)] as f64;
            prop_assert_eq!(from_f64(x, decimals), Some(raw));
            prop_assert_eq!(parse(&format!("{x}"), decimals, DecimalMark::Point), Some(raw));
        }

        #[test]
        fn typed_and_text_refuse_alike(x in proptest::num::f64::ANY, decimals in 0u8..=4) {
            prop_assert_eq!(from_f64(x, decimals), parse(&format!("{x}"), decimals, DecimalMark::Point));
        }

        #[test]
        fn any_text_is_harmless(text in "\\PC*", decimals in 0u8..=9) {
            let _ = parse(&text, decimals, DecimalMark::Point);
        }
    }
}

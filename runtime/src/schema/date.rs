//! Calendar dates as days since 1970-01-01, proleptic Gregorian. No clock, no time zone.

use std::fmt;

use minicbor::Encode;

use crate::bundle::cbor::{Read, Reader};
use crate::schema::number::digit;

/// A calendar date between 1800-01-01 and 2399-12-31.
///
/// ```
/// use fieldscore_runtime::Date;
/// let date = Date::parse("2026-09-01").ok_or("no date")?;
/// assert_eq!((date.year(), date.to_string()), (2026, "2026-09-01".to_owned()));
/// assert_eq!(Date::parse("2026-02-29"), None);
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(transparent)]
pub struct Date(#[n(0)] i32);

impl Read<'_> for Date {
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Self::from_days(i64::read(from)?)
    }
}

impl Date {
    const FIRST: i32 = days_from_civil(1800, 1, 1);
    const LAST: i32 = days_from_civil(2399, 12, 31);

    /// The date of year, month (1 to 12) and day, if there is one in the supported range.
    pub fn from_ymd(year: i32, month: u32, day: u32) -> Option<Self> {
        if !(1800..=2399).contains(&year) || !(1..=12).contains(&month) || day == 0 {
            return None;
        }
        let date = Self(days_from_civil(year, month, day));
        (date.ymd() == (year, month, day)).then_some(date)
    }

    /// The date that lies `days` after 1970-01-01, if in the supported range.
    pub fn from_days(days: i64) -> Option<Self> {
        let days = i32::try_from(days).ok()?;
        (Self::FIRST..=Self::LAST)
            .contains(&days)
            .then_some(Self(days))
    }

    /// Days since 1970-01-01.
    pub fn days(self) -> i32 {
        self.0
    }

    /// Reads `YYYY-MM-DD`, the only text form of a date; full-width digits are taken.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut number = |digits: usize| {
            let part = parts.next().filter(|part| part.chars().count() == digits)?;
            part.chars()
                .try_fold(0, |sum, c| Some(sum * 10 + digit(c)?))
        };
        let (year, month, day) = (number(4)?, number(2)?, number(2)?);
        if parts.next().is_some() {
            return None;
        }
        Self::from_ymd(year as i32, month as u32, day as u32)
    }

    /// The year.
    pub fn year(self) -> i32 {
        self.ymd().0
    }

    /// Whole months from `self` to `later`, negative where `later` is earlier. A month is whole
    /// when the day of the month has been reached.
    pub fn months_until(self, later: Self) -> i64 {
        let (y0, m0, d0) = self.ymd();
        let (y1, m1, d1) = later.ymd();
        let months = i64::from(y1 - y0) * 12 + i64::from(m1) - i64::from(m0);
        if later >= self && d1 < d0 {
            months - 1
        } else if later < self && d1 > d0 {
            months + 1
        } else {
            months
        }
    }

    /// Year, month, day: H. Hinnant, "chrono-compatible low-level date algorithms",
    /// `civil_from_days`.
    fn ymd(self) -> (i32, u32, u32) {
        let z = self.0.saturating_add(719_468);
        let era = z.div_euclid(146_097);
        let day_of_era = z.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        let year = year_of_era + era * 400 + i32::from(month <= 2);
        (year, month as u32, day)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.ymd();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// Days since 1970-01-01 (Hinnant, as above, `days_from_civil`).
const fn days_from_civil(year: i32, month: u32, day: u32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month as i32 + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day as i32 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn epoch_and_leap_days() {
        assert_eq!(Date::from_ymd(1970, 1, 1).unwrap().days(), 0);
        assert_eq!(Date::from_ymd(2000, 3, 1).unwrap().days(), 11_017);
        assert!(Date::from_ymd(2024, 2, 29).is_some());
        assert!(Date::from_ymd(2100, 2, 29).is_none());
        for bad in [
            "2026-9-01",
            "2026/09/01",
            "2026-13-01",
            "2026-00-10",
            "1700-01-01",
            "2026-01-01-",
            "2026-99999999999999999999-01",
            "２０２６",
        ] {
            assert_eq!(Date::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn full_width_digits_are_digits() {
        assert_eq!(
            Date::parse("２０２６-０１-３１"),
            Date::from_ymd(2026, 1, 31)
        );
    }

    #[test]
    fn whole_months_only() {
        let d = |t| Date::parse(t).unwrap();
        assert_eq!(d("2026-01-31").months_until(d("2026-02-28")), 0);
        assert_eq!(d("2026-01-15").months_until(d("2026-02-15")), 1);
        assert_eq!(d("2026-02-15").months_until(d("2026-01-15")), -1);
        assert_eq!(d("2026-02-15").months_until(d("2026-01-16")), 0);
    }

    proptest! {
        #[test]
        fn text_form_returns(days in Date::FIRST..=Date::LAST) {
            let date = Date::from_days(i64::from(days)).unwrap();
            prop_assert_eq!(Date::parse(&date.to_string()), Some(date));
        }
    }
}

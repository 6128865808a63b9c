//! The tests that stand in a table's cells: FEEL's unary tests (DMN 1.5, 10.3.2.3) of numbers, dates,
//! words and truths.
//!
//! ```text
//! cell    = "-" | "not(" tests ")" | tests
//! tests   = test { "," test }
//! test    = "missing" | ("<" | "<=" | ">" | ">=") value | interval | value
//! interval = ("[" | "(" | "]") value ".." value ("]" | ")" | "[")
//! ```
//! A value is written as its field's or value's are; words may stand in quotes.

use fieldscore_runtime::decide::Cell;

/// The whole numbers that a test holds for, from, to and with.
type Range = (i64, i64);

const ALL: Range = (i64::MIN, i64::MAX);

/// Reads a cell; `value` reads a single value. `None` in `Ok` holds for everything.
///
/// # Errors
/// What was expected.
pub fn parse(
    text: &str,
    ordered: bool,
    value: impl Fn(&str) -> Option<i64>,
) -> Result<Option<Cell>, String> {
    let text = text.trim();
    if text == "-" {
        return Ok(None);
    }
    let inner = text.strip_prefix("not(").and_then(|t| t.strip_suffix(')'));
    let (mut ranges, mut missing) = (Vec::new(), false);
    for test in split(inner.unwrap_or(text)) {
        match test.trim() {
            "missing" => missing = true,
            test => ranges.extend(range(test, ordered, &value)?),
        }
    }
    let mut ranges = united(ranges);
    if inner.is_some() {
        // A missing value is not another one: it passes no test but `missing`.
        (ranges, missing) = (complement(&ranges), false);
    }
    match ranges.as_slice() {
        [ALL] if missing => Ok(None),
        [] if !missing => Err("a test that something passes".to_owned()),
        _ => Ok(Some(Cell { ranges, missing })),
    }
}

/// The tests between commas, but for those in quotes.
fn split(text: &str) -> Vec<&str> {
    let mut quoted = false;
    let comma = |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    };
    text.split(comma).collect()
}

fn range(
    test: &str,
    ordered: bool,
    value: &impl Fn(&str) -> Option<i64>,
) -> Result<Option<Range>, String> {
    let single = |text: &str| {
        let text = text.trim();
        let word = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
        value(word.unwrap_or(text)).ok_or_else(|| format!("a value of its input, not `{text}`"))
    };
    let bounds = |from: i64, to: i64| (from <= to).then_some((from, to));
    let no_order = || Err("single values: its input has no order".to_owned());
    for sign in ["<=", ">=", "<", ">"] {
        let Some(limit) = test.strip_prefix(sign) else {
            continue;
        };
        if !ordered {
            return no_order();
        }
        let limit = single(limit)?;
        return Ok(match sign {
            "<=" => Some((i64::MIN, limit)),
            ">=" => Some((limit, i64::MAX)),
            "<" => limit.checked_sub(1).map(|to| (i64::MIN, to)),
            _ => limit.checked_add(1).map(|from| (from, i64::MAX)),
        });
    }
    let Some((from, to)) = test.split_once("..") else {
        return single(test).map(|value| Some((value, value)));
    };
    if !ordered {
        return no_order();
    }
    let open = from.chars().next().filter(|c| "[(]".contains(*c));
    let close = to.chars().last().filter(|c| "])[".contains(*c));
    let (Some(open), Some(close)) = (open, close) else {
        return Err(format!("an interval as [1..5] or (1..5), not `{test}`"));
    };
    let from = single(&from[1..])?.saturating_add((open != '[').into());
    let to = single(&to[..to.len() - 1])?.saturating_sub((close != ']').into());
    match bounds(from, to) {
        None => Err(format!("an interval that holds something, not `{test}`")),
        some => Ok(some),
    }
}

/// The same numbers, rising and apart.
fn united(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut all: Vec<Range> = Vec::new();
    for (from, to) in ranges {
        match all.last_mut() {
            Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
            _ => all.push((from, to)),
        }
    }
    all
}

/// All other numbers.
fn complement(ranges: &[Range]) -> Vec<Range> {
    let mut from = Some(i64::MIN);
    let mut all = Vec::new();
    for &(start, end) in ranges {
        if let Some(from) = from.filter(|&from| from < start) {
            all.push((from, start - 1));
        }
        from = end.checked_add(1);
    }
    all.extend(from.map(|from| (from, i64::MAX)));
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<Option<Cell>, String> {
        parse(text, true, |value| value.parse().ok())
    }

    fn ranges(text: &str) -> Vec<Range> {
        let cell = read(text).unwrap().unwrap();
        assert!(!cell.missing, "{text}");
        cell.ranges
    }

    #[test]
    fn tests_are_intervals_of_whole_numbers() {
        const LEAST: i64 = i64::MIN;
        const MOST: i64 = i64::MAX;
        for (text, expected) in [
            ("5", vec![(5, 5)]),
            ("< 5", vec![(LEAST, 4)]),
            ("<=5", vec![(LEAST, 5)]),
            ("> -5", vec![(-4, MOST)]),
            (">= 5", vec![(5, MOST)]),
            ("[1..5]", vec![(1, 5)]),
            ("(1..5)", vec![(2, 4)]),
            ("]1..5[", vec![(2, 4)]),
            ("[1..5), 5, 9", vec![(1, 5), (9, 9)]),
            ("9, [1..5]", vec![(1, 5), (9, 9)]),
            ("not(5)", vec![(LEAST, 4), (6, MOST)]),
            ("not([1..5], > 7)", vec![(LEAST, 0), (6, 7)]),
            ("not(missing)", vec![ALL]),
        ] {
            assert_eq!(ranges(text), expected, "{text}");
        }
        assert_eq!(read(" - "), Ok(None));
        assert_eq!(
            read("missing, 3").unwrap().unwrap(),
            Cell {
                ranges: vec![(3, 3)],
                missing: true
            }
        );
    }

    #[test]
    fn words_may_hold_commas_in_quotes() {
        let words = ["A", "VERY, LOW"];
        let value = |text: &str| words.iter().position(|w| *w == text).map(|at| at as i64);
        let cell = parse("\"VERY, LOW\", A", false, value).unwrap().unwrap();
        assert_eq!(cell.ranges, [(0, 1)]);
        assert!(parse("< A", false, value).unwrap_err().contains("no order"));
        assert!(parse("[A..A]", false, value).is_err());
    }

    #[test]
    fn what_is_no_test_is_refused() {
        for text in [
            "", "x", "<", "[1..", "1..5", "[5..1]", "(1..2)", "not()", "1,,2", "[1..5",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}

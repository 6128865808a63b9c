//! One JSON object per line. Where its keys and values lie is found here, so that a number keeps
//! its own digits; what they say is read by serde_json.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::IgnoredAny;

use super::batch::RowError;
use super::value::Cell;

/// No object has more keys.
const MAX_KEYS: usize = 1024;

/// A key and its value, as places in the line.
pub(super) type Pair = (Range<usize>, Range<usize>);

/// Finds the pairs of the object that `line` holds.
///
/// # Errors
/// `row.json`, with the column (in bytes, from 1) at which something else was expected.
pub(super) fn pairs(line: &str, out: &mut Vec<Pair>) -> Result<(), RowError> {
    out.clear();
    let mut scan = Scan {
        bytes: line.as_bytes(),
        at: 0,
    };
    let done = scan.object(line, out);
    done.map_err(|expected| {
        RowError::row(
            "row.json",
            format!(
                "one JSON object per line: {expected} at column {}",
                scan.at + 1
            ),
        )
    })
}

/// What a raw value of a pair says.
pub(super) fn cell(raw: &str) -> Cell<'_> {
    match raw.as_bytes().first() {
        Some(b'"') => Cell::Text(text(raw)),
        Some(b't') => Cell::Truth(true),
        Some(b'f') => Cell::Truth(false),
        Some(b'n') => Cell::Null,
        Some(b'{' | b'[') => Cell::Nested(raw),
        _ => Cell::Number(raw),
    }
}

/// The text of a raw JSON string that has been found valid.
pub(super) fn text(raw: &str) -> Cow<'_, str> {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    if inner.contains('\\') {
        Cow::Owned(serde_json::from_str(raw).unwrap_or_default())
    } else {
        Cow::Borrowed(inner)
    }
}

/// The items of a raw JSON array that has been found valid; `None` where it is an object.
pub(super) fn items(raw: &str) -> Option<Vec<&str>> {
    let mut scan = Scan {
        bytes: raw.as_bytes(),
        at: 0,
    };
    scan.expect(b'[', "\"[\"").ok()?;
    let mut items = Vec::new();
    loop {
        scan.blank();
        match scan.peek()? {
            b']' => return Some(items),
            b',' => scan.at += 1,
            _ => items.push(&raw[scan.value(raw).ok()?]),
        }
    }
}

/// The bytes that a raw JSON array of whole numbers from 0 to 255 has, nested or not.
pub(super) fn bytes(raw: &str) -> Option<Vec<u8>> {
    let item = |text: &str| text.trim().parse().ok();
    let flat = raw
        .split(['[', ']', ','])
        .filter(|text| !text.trim().is_empty());
    flat.map(item).collect()
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

type Scanned<T> = Result<T, &'static str>;

impl Scan<'_> {
    fn object(&mut self, line: &str, out: &mut Vec<Pair>) -> Scanned<()> {
        self.expect(b'{', "\"{\"")?;
        self.blank();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return self.end();
        }
        loop {
            self.blank();
            if self.peek() != Some(b'"') {
                return Err("a key in quotes");
            }
            let key = self.value(line)?;
            self.expect(b':', "\":\"")?;
            self.blank();
            let value = self.value(line)?;
            if out.len() == MAX_KEYS {
                return Err("at most 1024 keys");
            }
            out.push((key, value));
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return self.end();
                }
                _ => return Err("\",\" or \"}\""),
            }
        }
    }

    fn end(&mut self) -> Scanned<()> {
        self.blank();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err("nothing behind it"),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blank(&mut self) {
        while self.peek().is_some_and(|b| b" \t\r\n".contains(&b)) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Scanned<()> {
        self.blank();
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(what)
        }
    }

    /// The value that starts here, found valid.
    fn value(&mut self, line: &str) -> Scanned<Range<usize>> {
        let start = self.at;
        let end = match self.peek() {
            Some(b'"') => self.string_end(),
            Some(b'{' | b'[') => self.nested_end(),
            _ => {
                let rest = self.bytes[start..].iter();
                Some(start + rest.take_while(|b| !b" \t\r\n,:{}[]\"".contains(b)).count())
            }
        };
        let raw = end
            .and_then(|end| line.get(start..end))
            .ok_or("the end of a value that starts")?;
        let valid = match self.peek() {
            Some(b'"') if !raw.bytes().any(|b| b == b'\\' || b < 0x20) => true,
            // Ignoring a string would let half a surrogate pair pass.
            Some(b'"') => serde_json::from_str::<String>(raw).is_ok(),
            _ => serde_json::from_str::<IgnoredAny>(raw).is_ok(),
        };
        if !valid {
            return Err("a JSON value");
        }
        // Ignoring checks a number's form only, not that it has a finite value.
        if raw.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
            && !raw.parse::<f64>().is_ok_and(f64::is_finite)
        {
            return Err("a number within the range of numbers");
        }
        self.at = start + raw.len();
        Ok(start..self.at)
    }

    fn string_end(&self) -> Option<usize> {
        let mut at = self.at + 1;
        loop {
            match self.bytes.get(at)? {
                b'"' => return Some(at + 1),
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
    }

    fn nested_end(&self) -> Option<usize> {
        let mut inner = Scan {
            bytes: self.bytes,
            at: self.at,
        };
        let mut depth = 0usize;
        loop {
            match inner.peek()? {
                b'"' => {
                    inner.at = inner.string_end()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            inner.at += 1;
            if depth == 0 {
                return Some(inner.at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn read(line: &str) -> Result<Vec<(String, String)>, RowError> {
        let mut found = Vec::new();
        pairs(line, &mut found)?;
        let each = found.into_iter();
        Ok(each
            .map(|(key, value)| (text(&line[key]).into_owned(), line[value].to_owned()))
            .collect())
    }

    #[test]
    fn keys_and_raw_values() {
        let line = r#" { "a" : 0.10 , "b\"\u00e9":"x\\" ,"c":[1,{"d":"]"}], "e":null,"f":true } "#;
        let found = read(line).unwrap();
        let expected = [
            ("a", "0.10"),
            ("b\"é", r#""x\\""#),
            ("c", r#"[1,{"d":"]"}]"#),
            ("e", "null"),
            ("f", "true"),
        ];
        assert_eq!(found, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert_eq!(read("{}").unwrap(), []);
    }

    #[test]
    fn what_is_no_object_is_a_bad_row_that_shows_nothing() {
        for line in [
            "secret",
            "[\"secret\"]",
            "{\"secret\"}",
            "{\"secret\":}",
            "{\"a\":\"secret}",
            "{\"a\":secret}",
            "{\"a\":NaN,\"b\":\"secret\"}",
            "{\"a\":01}",
            "{\"a\":1e999}",
            "{\"a\":1} secret",
            "{\"a\":1,}",
            "{\"a\":[1,}",
            "{\"a\":\"tab\there\"}",
            "{'a':1}",
            "{\"a\":[}",
            "{\"a\":\"\\ud800 secret\"}",
        ] {
            let error = read(line).unwrap_err();
            assert_eq!(error.code, "row.json", "{line}");
            assert!(!error.expected.contains("secret"), "{error:?}");
            assert!(error.expected.contains("column"), "{error:?}");
        }
    }

    #[test]
    fn deep_nesting_is_harmless() {
        let depth = 100_000;
        let line = format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&line).is_ok_and(|pairs| pairs.len() == 1));
    }

    proptest! {
        // This scanner takes exactly the lines that serde_json takes as an object of finite numbers.
        #[test]
        fn takes_what_serde_json_takes(line in r#"[ ]?\{[{}\[\]",:a0-9.eE+\\tn \-]{0,14}\}?"#) {
            let other: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_str(&line);
            let own = read(&line);
            prop_assert_eq!(own.is_ok(), other.is_ok(), "{}", line);
            if let (Ok(own), Ok(other)) = (own, other) {
                for (key, raw) in &own {
                    let value: serde_json::Value = serde_json::from_str(raw).unwrap();
                    prop_assert!(own.iter().filter(|(k, _)| k == key).count() > 1 || other[key] == value);
                }
            }
        }

        #[test]
        fn any_line_is_harmless(line in "\\PC*") {
            let _ = read(&line);
        }
    }
}

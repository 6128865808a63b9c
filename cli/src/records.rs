//! Records in files: one as it is stored, or JSON lines that `score --format jsonl` wrote.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::applications::{Line, MAX_ROW_BYTES, Source};
use crate::error::{Error, Result, io};

/// Starts reading a file; `-` is stdin.
///
/// # Errors
/// Where it cannot be read.
pub(crate) fn source(path: &Path) -> Result<Source> {
    if path == Path::new("-") {
        return Source::new("standard input", std::io::stdin().lock());
    }
    let file = std::fs::File::open(path).map_err(|e| io(path, &e))?;
    Source::new(path.display().to_string(), file)
}

/// A canonical record is a CBOR array of eight items, or of nine: no JSON text starts like that.
pub(crate) fn starts_as_record(source: &mut Source) -> Result<bool> {
    Ok(matches!(source.first_byte()?, Some(0x88 | 0x89)))
}

/// The record that a source starts with, all of it.
pub(crate) fn whole(source: &mut Source) -> Result<&[u8]> {
    while source.data().len() <= MAX_ROW_BYTES && source.fill()? {}
    Ok(source.data())
}

/// The record of a JSON line, if it has one; what was expected where it is none.
pub(crate) fn recorded(
    line: &Map<String, Value>,
) -> Option<std::result::Result<Vec<u8>, &'static str>> {
    let base64 = line.get("record")?.as_str()?;
    Some(STANDARD.decode(base64).map_err(|_| "a record in base64"))
}

/// As [`recorded`], of a line's bytes.
pub(crate) fn of_line(line: &[u8]) -> Option<std::result::Result<Vec<u8>, &'static str>> {
    recorded(serde_json::from_slice::<Value>(line).ok()?.as_object()?)
}

/// The overrides that a JSON line of the form has beside its record.
pub(crate) fn overrides_of_line(line: &[u8]) -> Vec<std::result::Result<Vec<u8>, &'static str>> {
    let line = serde_json::from_slice::<Value>(line).unwrap_or_default();
    let all = line.get("overrides").and_then(Value::as_array);
    let each = all.into_iter().flatten().map(|one| {
        let bytes = one.as_str().and_then(|base64| STANDARD.decode(base64).ok());
        bytes.ok_or("overrides in base64")
    });
    each.collect()
}

/// The record in a file: the one that it is, or that of its line number `row`, from 1. `None` where
/// the file, or that line, holds none.
///
/// # Errors
/// Where the file cannot be read or has no such line.
pub(crate) fn read(path: &Path, row: u64) -> Result<Option<Vec<u8>>> {
    let mut source = source(path)?;
    if starts_as_record(&mut source)? {
        return Ok(Some(whole(&mut source)?.to_vec()));
    }
    if source.first_byte()? != Some(b'{') {
        return Ok(None);
    }
    let mut lines = 0;
    loop {
        let line = match source.line_ahead()? {
            Line::End | Line::TooLong => {
                return Err(Error::input(
                    source.name(),
                    format!("a line {row} of at most {MAX_ROW_BYTES} bytes"),
                ));
            }
            Line::Whole(text, _) => &source.data()[..text],
        };
        lines += u64::from(!line.trim_ascii().is_empty());
        if lines < row {
            source.skip_line()?;
            continue;
        }
        let place = format!("{}, line {row}", path.display());
        return of_line(line)
            .transpose()
            .map_err(|expected| Error::input(place, expected));
    }
}

//! Writes random applications for a bundle's schema as CSV: `applications BUNDLE ROWS OUT.csv`.
//!
//! The same bundle and count give the same file. Only applications that the bundle scores are
//! written: one that a field refuses is drawn again.

use std::path::Path;
use std::process::ExitCode;

use csv::Writer;
use fieldscore_benches::{DEVELOPMENT_KEY, Failure, date};
use fieldscore_models::build::draw;
use fieldscore_runtime::decide::RecordValue;
use fieldscore_runtime::schema::{Field, FieldKind};
use fieldscore_runtime::{Date, Record, Scorer};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// A value's text form, as `docs/recipe.md` has it.
fn text(field: &Field, value: &RecordValue) -> String {
    match (value, &field.kind) {
        (RecordValue::Text(text), _) => text.clone(),
        (RecordValue::Truth(truth), _) => truth.to_string(),
        (RecordValue::Number(days), FieldKind::Date) => {
            Date::from_days(*days).map_or_else(String::new, |date| date.to_string())
        }
        (RecordValue::Number(raw), kind) => decimal(*raw, kind.decimals()),
        // They have no cell of their own in CSV.
        (RecordValue::Bytes(_) | RecordValue::Rows(_), _) => String::new(),
    }
}

/// `raw` units of 10^-`decimals`.
fn decimal(raw: i64, decimals: u8) -> String {
    if decimals == 0 {
        return raw.to_string();
    }
    let sign = if raw < 0 { "-" } else { "" };
    let unit = 10u64.pow(decimals.into());
    let (whole, part) = (raw.unsigned_abs() / unit, raw.unsigned_abs() % unit);
    format!("{sign}{whole}.{part:0width$}", width = decimals.into())
}

fn write(bundle: &Path, rows: u64, out: &Path) -> Result<(), Failure> {
    let scorer = Scorer::open_path(bundle, &[DEVELOPMENT_KEY])?;
    let fields = scorer.schema().fields();
    let as_of = date(2026, 9, 1)?;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut writer = Writer::from_path(out).map_err(Failure::csv(out))?;
    let names = fields.iter().map(|field| field.name.as_str());
    writer
        .write_record(["id", "as_of"].into_iter().chain(names))
        .map_err(Failure::csv(out))?;
    let mut record = Vec::new();
    let mut cells = vec![String::new(); fields.len()];
    let mut written = 0;
    while written < rows {
        let id = format!("R-{written:07}");
        let application = draw(scorer.schema(), &id, as_of, &mut random)?;
        let Ok(decision) = scorer.score(&application) else {
            continue;
        };
        scorer.record(&application, &decision, &mut record);
        cells.iter_mut().for_each(String::clear);
        for (name, value) in Record::decode(&record)?.values {
            let at = scorer.schema().index_of(&name)?;
            cells[at] = text(&fields[at], &value);
        }
        let envelope = [id, as_of.to_string()];
        writer
            .write_record(envelope.iter().chain(&cells))
            .map_err(Failure::csv(out))?;
        written += 1;
    }
    writer.flush().map_err(Failure::io(out))
}

#[allow(clippy::print_stderr, reason = "errors go to stderr")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bundle, rows, out] = arguments.as_slice() else {
        eprintln!("usage: applications BUNDLE ROWS OUT.csv");
        return ExitCode::from(2);
    };
    let Ok(rows) = rows.parse() else {
        eprintln!("error: {rows}: expected a number of rows");
        return ExitCode::from(2);
    };
    match write(Path::new(bundle), rows, Path::new(out)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn decimals_keep_their_sign_and_zeros() {
        assert_eq!(decimal(1205, 2), "12.05");
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(7, 0), "7");
    }
}

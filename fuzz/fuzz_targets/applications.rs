//! Files of applications, CSV and JSON lines. The reader is compiled in from its sources: the rest
//! of that crate is the commands, which need a terminal.
//!
//! An input is a byte of options, then the file.
#![no_main]
#![allow(dead_code, unused_imports, unreachable_pub, missing_docs)]

#[path = "../../cli/src/applications/mod.rs"]
mod applications;
#[path = "../../cli/src/error.rs"]
mod error;

pub use error::{Error, Result};

use std::io::Cursor;
use std::sync::LazyLock;

use applications::{Batch, InputFormat, ReadOptions, Reader, Source};
use fieldscore_fuzz::{SMALL, pack, public, unpack};
use fieldscore_runtime::{Date, DecimalMark, Scorer};
use libfuzzer_sys::fuzz_target;

static SCORER: LazyLock<Scorer> = LazyLock::new(|| {
    let parts = unpack(SMALL).unwrap_or_default();
    Scorer::open(pack(&parts), &[public()]).expect("the seed bundle opens")
});

fuzz_target!(|bytes: &[u8]| {
    let Some((&options, file)) = bytes.split_first() else {
        return;
    };
    let Some(as_of) = Date::from_ymd(2026, 9, 1) else {
        return;
    };
    let format = match options & 3 {
        0 => None,
        1 => Some(InputFormat::Jsonl),
        _ => Some(InputFormat::Csv),
    };
    let pick = |bit: u8| options & bit != 0;
    let options = ReadOptions {
        mark: if pick(4) {
            DecimalMark::Comma
        } else {
            DecimalMark::Point
        },
        separator: if pick(8) { b';' } else { b',' },
        as_of,
        strict: pick(16),
    };
    let Ok(source) = Source::new("fuzzed", Cursor::new(file.to_vec())) else {
        return;
    };
    let Ok(mut reader) = Reader::new(source, format, SCORER.schema().clone(), options) else {
        return;
    };
    let mut batch = Batch::default();
    let (mut decisions, mut last) = (Vec::new(), 0);
    while let Ok(true) = reader.fill_up_to(&mut batch, 64) {
        for row in batch.rows() {
            assert!(row.number > last, "rows are numbered upwards");
            last = row.number;
            let _ = batch.id(row).len();
            assert!(
                batch
                    .extras(row)
                    .all(|extra| extra.value.len() <= file.len() * 2)
            );
        }
        decisions.clear();
        SCORER.score_many(batch.applications(), &mut decisions);
        assert_eq!(decisions.len(), batch.applications().len());
        assert!(last <= file.len() as u64 + 1, "no more rows than bytes");
    }
});

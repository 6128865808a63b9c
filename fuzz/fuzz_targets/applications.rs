//! Files of applications, CSV and JSON lines. The reader is compiled in from its sources: the rest
//! of that crate is the commands, which need a terminal.
//!
//! An input is a byte of options, then the file. Of its first row, what surrounds a decision is made too.
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
use fieldscore_fuzz::{POLICY, SMALL, open, surround};
use fieldscore_runtime::{Date, DecimalMark, Scorer};
use libfuzzer_sys::fuzz_target;

static SCORERS: LazyLock<[Scorer; 2]> = LazyLock::new(|| [SMALL, POLICY].map(open));

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
    let scorer = &SCORERS[usize::from(pick(32))];
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
    let Ok(mut reader) = Reader::new(source, format, scorer.schema().clone(), options) else {
        return;
    };
    let mut batch = Batch::default();
    let (mut decisions, mut last) = (Vec::new(), 0);
    let mut surrounded = false;
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
        scorer.score_many(batch.applications(), &mut decisions);
        assert_eq!(decisions.len(), batch.applications().len());
        // Of one row: alternatives take thousands of scores.
        if let Some(first) = batch.applications().first().filter(|_| !surrounded) {
            surround(scorer, first);
            surrounded = true;
        }
        assert!(last <= file.len() as u64 + 1, "no more rows than bytes");
    }
});

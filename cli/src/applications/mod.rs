//! Applications in files, CSV with a header or JSON lines, read in constant memory; and the results
//! written beside them.
//!
//! A bad row is an answer of its own ([`RowError`]) and the reading goes on; only what spoils the
//! whole file (its header, an unreadable disk) is an [`Error`](crate::Error). Neither ever holds an
//! applicant's value.

mod batch;
mod csv_rows;
mod header;
mod json_rows;
mod reader;
#[cfg(test)]
pub(crate) mod sample;
mod source;
mod tables;
mod value;
mod write;

pub use batch::{Batch, Extra, Row, RowError, shown};
pub use header::Names;
pub use reader::{InputFormat, ReadOptions, Reader};
pub use source::{Line, MAX_ROW_BYTES, Source};
pub use tables::{TableFile, TableRows, Tables};
pub use write::{Answer, CsvResults, Extras, JsonlResults};

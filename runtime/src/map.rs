//! The one opt-in that maps a file.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// A read-only mapping of a whole file.
pub(crate) struct Mapping(memmap2::Mmap);

impl Mapping {
    /// Maps the file at `path`.
    ///
    /// # Safety
    /// Nobody may change or truncate the file while the mapping lives.
    pub unsafe fn new(path: &Path) -> Result<Self> {
        let io = |what: std::io::Error| {
            Error::new(
                ErrorKind::Io,
                path.display().to_string(),
                format!("a mappable file ({})", what.kind()),
            )
        };
        let file = std::fs::File::open(path).map_err(io)?;
        // SAFETY: the caller promises that the file does not change.
        Ok(Self(unsafe { memmap2::Mmap::map(&file) }.map_err(io)?))
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

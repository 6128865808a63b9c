//! Files of summaries: what a device's decisions come to.

use std::path::Path;

use fieldscore_runtime::watch::{MAX_SUMMARY_BYTES, MIN_SHARED, Summary};
use fieldscore_runtime::{ErrorKind, Scorer};

use crate::error::{Error, Result, io};
use crate::{say, words, write_whole};

/// Reads a summary that `scorer`'s bundle has made.
///
/// # Errors
/// Where the file cannot be read, or is no summary of this bundle.
pub fn read(scorer: &Scorer, path: &Path) -> Result<Summary> {
    use std::io::Read;
    let file = std::fs::File::open(path).map_err(|e| io(path, &e))?;
    let mut bytes = Vec::new();
    file.take(MAX_SUMMARY_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| io(path, &e))?;
    Summary::decode(scorer, &bytes).map_err(|error| {
        let foreign = error.kind() == ErrorKind::WrongBundle;
        let error = Error::from(error).within(path.display());
        match foreign {
            true => error.hint("each bundle, and each release of one, has summaries of its own"),
            false => error,
        }
    })
}

/// The summary in a file; an empty one where there is none yet.
///
/// # Errors
/// As [`read`], or where the bundle has no histogram.
pub(crate) fn read_or_new(scorer: &Scorer, path: &Path) -> Result<Summary> {
    match path.exists() {
        true => read(scorer, path),
        false => Ok(Summary::new(scorer)?),
    }
}

/// Writes a summary, and says from when on it may leave the device.
pub(crate) fn keep(summary: &Summary, path: &Path) -> Result<()> {
    write_whole(path, &summary.encode())?;
    let count = words::count(summary.decisions(), "decision", "decisions");
    let few = match summary.decisions() < MIN_SHARED {
        true => format!("; keep it here until it has {MIN_SHARED}"),
        false => String::new(),
    };
    say::note(format!("summary {}: {count}{few}", path.display()));
    Ok(())
}

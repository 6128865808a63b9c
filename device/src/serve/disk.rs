//! Files that are there or not, whatever is interrupted; and what a disk says when it refuses.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// Why a disk does not take a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No room is left, or no more is allowed.
    Full,
    /// It cannot be written to at all.
    ReadOnly,
    /// The folder is not there, or something else failed.
    Broken,
}

impl Fault {
    /// What an error of the operating system comes to.
    pub fn of(error: &std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::Full
            }
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => Self::ReadOnly,
            _ => Self::Broken,
        }
    }

    /// Its stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Full => "disk.full",
            Self::ReadOnly => "disk.read_only",
            Self::Broken => "disk.broken",
        }
    }

    /// What to do.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Full => {
                "the kiosk's disk is full: take the records that wait away, or make room; nothing \
                 that was kept is lost"
            }
            Self::ReadOnly => {
                "the kiosk's disk cannot be written to: call whoever looks after it; nothing that \
                 was kept is lost"
            }
            Self::Broken => {
                "the kiosk's disk refused a file: call whoever looks after it; nothing that was \
                 kept is lost"
            }
        }
    }
}

/// What interrupted writing leaves behind ends so.
pub const PART: &str = ".part";

/// Puts `bytes` into `folder` under `name`: once this returns they are on the disk; whatever
/// interrupts it, there is a whole file or none under that name.
pub fn put(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let part = folder.join(format!("{name}{PART}"));
    let write = || {
        let mut file = File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&part, folder.join(name))?;
        sync(folder)
    };
    write().inspect_err(|_| {
        // What is left of a failed write only takes room; the error itself is what counts.
        let _ = std::fs::remove_file(&part);
    })
}

/// Makes the names in a folder durable. Some systems of files for sticks know no such thing.
pub fn sync(folder: &Path) -> std::io::Result<()> {
    match File::open(folder)?.sync_all() {
        Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "a", b"one").unwrap();
        put(folder.path(), "a", b"two").unwrap();
        assert_eq!(std::fs::read(folder.path().join("a")).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_refused_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        // A folder under the final name: the rename is what fails, after everything was written.
        std::fs::create_dir(folder.path().join("a")).unwrap();
        let error = put(folder.path(), "a", b"one").unwrap_err();
        assert_eq!(Fault::of(&error), Fault::Broken);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_device_is_called_full() {
        let mut full = File::options().write(true).open("/dev/full").unwrap();
        let error = full.write_all(b"x").unwrap_err();
        assert_eq!(Fault::of(&error), Fault::Full);
        let read_only = std::io::Error::from_raw_os_error(30);
        assert_eq!(Fault::of(&read_only), Fault::ReadOnly);
    }
}

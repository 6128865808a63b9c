//! Finished records: kept durably before anybody is told so, exported as files, and deleted some
//! days after that.
//!
//! A record's name is the hash of its bytes: handing it over twice, or exporting it again after an
//! interruption, changes nothing. `records/` holds what waits, `exported/` what has left; closed summaries
//! go the same way.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fieldscore_cli::open::hex;
use fieldscore_cli::{Error, Result, error};
use sha2::{Digest, Sha256};

use super::disk::{self, Fault, PART};
use super::events::Events;
use super::summaries;

/// A record's file ends so.
pub const EXTENSION: &str = ".record";

/// Where records are kept.
pub struct Records {
    waiting: PathBuf,
    exported: PathBuf,
    keep: Duration,
    /// What the disk last said; one thread at a time changes files.
    state: Mutex<Option<Fault>>,
    /// Held while this process lives.
    _lock: Option<File>,
}

/// What became of a record that was handed over.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    /// The hash of its bytes.
    pub sha256: String,
    /// Whether it is new here.
    pub new: bool,
}

impl Records {
    /// Opens the data folder, which is made if it isn't there.
    ///
    /// # Errors
    /// Where it cannot be made or read, or another process uses it.
    pub fn open(data: &Path, keep_days: u32) -> Result<Self> {
        let at = |path: &Path, e: &std::io::Error| {
            error::io(path, e).hint("--data names a folder that this program may write to")
        };
        let folder = |name: &str| {
            let path = data.join(name);
            private_folder(&path).map_err(|e| at(&path, &e))?;
            Ok::<_, Error>(path)
        };
        let (waiting, exported) = (folder("records")?, folder("exported")?);
        let path = data.join("lock");
        let lock = match File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
        {
            Ok(file) => match file.try_lock() {
                Ok(()) => Some(file),
                Err(std::fs::TryLockError::WouldBlock) => {
                    let place = data.display().to_string();
                    return Err(
                        Error::input(place, "no other process that uses this folder")
                            .hint("another fieldscore-device serves from it"),
                    );
                }
                Err(std::fs::TryLockError::Error(e)) => return Err(at(&path, &e)),
            },
            // What cannot be written to cannot be spoilt by two either.
            Err(e) if Fault::of(&e) != Fault::Broken => None,
            Err(e) => return Err(at(&path, &e)),
        };
        let records = Self {
            waiting,
            exported,
            keep: Duration::from_secs(u64::from(keep_days) * 86_400),
            state: Mutex::new(None),
            _lock: lock,
        };
        for name in names(&records.waiting).map_err(|e| at(&records.waiting, &e))? {
            if name.ends_with(PART) {
                // Interrupted: nobody was told that it is kept.
                let _ = std::fs::remove_file(records.waiting.join(name));
            }
        }
        Ok(records)
    }

    fn state(&self) -> MutexGuard<'_, Option<Fault>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a record: once this returns it is on the disk.
    ///
    /// # Errors
    /// Where the disk refuses it; nothing is kept then, and nothing that was kept is lost.
    pub fn keep(&self, record: &[u8]) -> std::result::Result<Kept, Fault> {
        let sha256 = hex(&Sha256::digest(record));
        let name = format!("{sha256}{EXTENSION}");
        let mut state = self.state();
        let done = self.keep_as(&name, record);
        *state = done.as_ref().err().map(Fault::of);
        match (done, *state) {
            (Ok(new), _) => Ok(Kept { sha256, new }),
            (Err(_), fault) => Err(fault.unwrap_or(Fault::Broken)),
        }
    }

    fn keep_as(&self, name: &str, record: &[u8]) -> std::io::Result<bool> {
        for folder in [&self.waiting, &self.exported] {
            let path = folder.join(name);
            if std::fs::read(&path).is_ok_and(|found| found == record) {
                // It may be there by a write that ended before it was durable.
                File::open(&path)?.sync_all()?;
                disk::sync(folder)?;
                return Ok(false);
            }
        }
        disk::put(&self.waiting, name, record)?;
        Ok(true)
    }

    /// Takes over a file of this content, to be exported as one that ends with `extension`.
    pub fn adopt(&self, file: &Path, bytes: &[u8], extension: &str) -> std::io::Result<()> {
        let _state = self.state();
        let name = format!("{}{extension}", hex(&Sha256::digest(bytes)));
        std::fs::rename(file, self.waiting.join(name))?;
        disk::sync(&self.waiting)
    }

    /// Whether the disk takes files now.
    ///
    /// # Errors
    /// Where it does not.
    pub fn probe(&self) -> std::result::Result<(), Fault> {
        let mut state = self.state();
        let path = self.waiting.join(format!("probe{PART}"));
        let done = disk::put(&self.waiting, &format!("probe{PART}"), &[0; 4096]);
        *state = done.as_ref().err().map(Fault::of);
        if done.is_ok() {
            let _ = std::fs::remove_file(path);
        }
        state.map_or(Ok(()), Err)
    }

    /// What the disk last said.
    pub fn fault(&self) -> Option<Fault> {
        *self.state()
    }

    /// How many records wait, and how many have left and are still here.
    pub fn counts(&self) -> (usize, usize) {
        let count = |folder: &Path| {
            let names = names(folder).unwrap_or_default();
            names.iter().filter(|name| is(name, EXTENSION)).count()
        };
        (count(&self.waiting), count(&self.exported))
    }

    /// Copies the records that wait to `stick`, and moves each once its copy is there.
    pub fn export(&self, stick: &Path, events: &Events) {
        self.export_all(stick, EXTENSION, ["record", "records"], events);
    }

    /// The same with closed summaries.
    pub fn export_summaries(&self, stick: &Path, events: &Events) {
        self.export_all(
            stick,
            summaries::EXTENSION,
            ["summary", "summaries"],
            events,
        );
    }

    fn export_all(&self, stick: &Path, extension: &str, nouns: [&str; 2], events: &Events) {
        let Ok(names) = names(&self.waiting) else {
            return;
        };
        let mut count = 0u64;
        for name in names.iter().filter(|name| is(name, extension)) {
            let Ok(record) = std::fs::read(self.waiting.join(name)) else {
                continue;
            };
            if format!("{}{extension}", hex(&Sha256::digest(&record))) != *name {
                let text = format!(
                    "a {}'s file is damaged: it stays where it is, and is not exported",
                    nouns[0]
                );
                events.add(format!("{} {name}", nouns[0]), "record.damaged", text);
                continue;
            }
            if let Err(e) = copy(stick, name, &record) {
                let fault = Fault::of(&e);
                let text = match fault {
                    Fault::Full => "the stick is full: bring another one; the records wait",
                    Fault::ReadOnly => "the stick cannot be written to; the records wait",
                    Fault::Broken => {
                        "the stick refused a record, or was pulled out; the records wait"
                    }
                };
                events.add("stick", fault.code(), text);
                return;
            }
            let state = self.state();
            let moved = self.moved(name);
            drop(state);
            if let Err(e) = moved {
                let fault = Fault::of(&e);
                events.add("data", fault.code(), fault.advice());
                return;
            }
            count += 1;
        }
        if count > 0 {
            let noun = nouns[usize::from(count > 1)];
            events.add("stick", "ok", format!("{count} {noun} exported"));
        }
    }

    fn moved(&self, name: &str) -> std::io::Result<()> {
        let (from, to) = (self.waiting.join(name), self.exported.join(name));
        // Its days count from now.
        File::options()
            .append(true)
            .open(&from)?
            .set_modified(SystemTime::now())?;
        std::fs::rename(&from, &to)?;
        disk::sync(&self.exported)?;
        disk::sync(&self.waiting)
    }

    /// Deletes what was exported long enough ago.
    pub fn prune(&self) {
        for name in names(&self.exported).unwrap_or_default() {
            let path = self.exported.join(&name);
            let modified = std::fs::metadata(&path).and_then(|meta| meta.modified());
            // A clock that went back makes nothing old.
            let old = modified.is_ok_and(|then| then.elapsed().is_ok_and(|age| age >= self.keep));
            let own = [EXTENSION, summaries::EXTENSION];
            if own.iter().any(|extension| is(&name, extension)) && old {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// Copies a record to a stick, where it may lie already.
fn copy(stick: &Path, name: &str, record: &[u8]) -> std::io::Result<()> {
    let same = || std::fs::read(stick.join(name)).is_ok_and(|found| found == record);
    if !same() {
        disk::put(stick, name, record)?;
    } else {
        File::open(stick.join(name))?.sync_all()?;
        disk::sync(stick)?;
    }
    match same() {
        true => Ok(()),
        false => Err(ErrorKind::InvalidData.into()),
    }
}

/// Whether a file is one of this kind, under the hash of its bytes.
fn is(name: &str, extension: &str) -> bool {
    name.strip_suffix(extension)
        .is_some_and(|hash| hash.len() == 64)
}

fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Makes a folder that only its owner may look into.
pub(super) fn private_folder(path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn count(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_record_is_kept_once_exported_once_and_deleted_after_its_days() {
        let (data, stick) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let records = Records::open(data.path(), 1).unwrap();
        assert!(records.keep(b"one").unwrap().new);
        assert!(!records.keep(b"one").unwrap().new);
        assert!(records.keep(b"two").unwrap().new);
        assert_eq!(records.counts(), (2, 0));
        let events = Events::default();
        records.export(stick.path(), &events);
        assert_eq!((records.counts(), count(stick.path())), ((0, 2), 2));
        // What has left is not taken in again.
        assert!(!records.keep(b"two").unwrap().new);
        records.prune();
        assert_eq!(records.counts(), (0, 2));
        let name = format!("{}{EXTENSION}", hex(&Sha256::digest(b"one")));
        let file = File::options()
            .append(true)
            .open(data.path().join("exported").join(&name))
            .unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(90_000))
            .unwrap();
        records.prune();
        assert_eq!(records.counts(), (0, 1));
        // The stick keeps its own.
        assert_eq!(std::fs::read(stick.path().join(name)).unwrap(), b"one");
    }

    #[test]
    fn an_interrupted_export_is_done_again_and_leaves_whole_files() {
        let (data, stick) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let records = Records::open(data.path(), 1).unwrap();
        let name = |record: &[u8]| format!("{}{EXTENSION}", hex(&Sha256::digest(record)));
        records.keep(b"whole on the stick already").unwrap();
        records.keep(b"cut on the stick").unwrap();
        for record in [&b"whole on the stick already"[..], b"cut on the stick"] {
            let cut = if record.starts_with(b"cut") {
                3
            } else {
                record.len()
            };
            std::fs::write(stick.path().join(name(record)), &record[..cut]).unwrap();
        }
        records.export(stick.path(), &Events::default());
        assert_eq!(records.counts(), (0, 2));
        for record in [&b"whole on the stick already"[..], b"cut on the stick"] {
            assert_eq!(
                std::fs::read(stick.path().join(name(record))).unwrap(),
                record
            );
        }
    }

    #[test]
    fn a_stick_that_goes_away_costs_nothing() {
        let data = tempfile::tempdir().unwrap();
        let records = Records::open(data.path(), 1).unwrap();
        records.keep(b"one").unwrap();
        let events = Events::default();
        records.export(Path::new("no/such/stick"), &events);
        assert_eq!(records.counts(), (1, 0));
        assert_eq!(events.json()[0]["code"], "disk.broken");
    }

    #[test]
    fn a_damaged_file_is_named_and_never_exported() {
        let (data, stick) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let records = Records::open(data.path(), 1).unwrap();
        let kept = records.keep(b"one").unwrap();
        let path = data.path().join("records").join(kept.sha256 + EXTENSION);
        std::fs::write(path, b"").unwrap();
        let events = Events::default();
        records.export(stick.path(), &events);
        assert_eq!((records.counts(), count(stick.path())), ((1, 0), 0));
        assert_eq!(events.json()[0]["code"], "record.damaged");
        // Handing it over again mends it.
        assert!(records.keep(b"one").unwrap().new);
        records.export(stick.path(), &events);
        assert_eq!(records.counts(), (0, 1));
    }

    #[test]
    fn what_an_interruption_left_is_cleared_and_two_processes_are_refused() {
        let data = tempfile::tempdir().unwrap();
        drop(Records::open(data.path(), 1).unwrap());
        let part = data.path().join("records").join("x.record.part");
        std::fs::write(&part, b"half").unwrap();
        let records = Records::open(data.path(), 1).unwrap();
        assert!(!part.exists());
        let second = Records::open(data.path(), 1).err().unwrap();
        assert!(second.to_string().contains("no other process"), "{second}");
        drop(records);
    }
}

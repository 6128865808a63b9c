//! The watched folder, looked at every few seconds: bundles come in, records go out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use fieldscore_runtime::bundle::container::MAX_FILE_BYTES;

use super::Kiosk;
use super::disk::Fault;

/// The folder on a stick that takes records. Whoever prepares the stick makes it: an empty mount
/// point, or any other stick, gets no applicant's data.
pub const RECORDS: &str = "fieldscore-records";
/// The folder that takes summaries, which hold no applicant's data.
pub const SUMMARIES: &str = "fieldscore-summaries";
/// A stick has some bundles, not thousands.
const MAX_FILES: usize = 64;

/// A folder, and which files in it were looked into already.
pub struct Watch {
    folder: PathBuf,
    seen: Mutex<BTreeMap<PathBuf, (u64, SystemTime)>>,
}

impl Watch {
    /// Nothing was looked into yet.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            seen: Mutex::default(),
        }
    }

    /// Whether the folder is there, and whether it takes records.
    pub fn state(&self) -> (bool, bool) {
        (self.folder.is_dir(), self.stick(RECORDS).is_some())
    }

    fn stick(&self, name: &str) -> Option<PathBuf> {
        let folder = self.folder.join(name);
        let meta = std::fs::symlink_metadata(&folder).ok()?;
        meta.is_dir().then_some(folder)
    }

    /// Bundle files that are new or have changed since the last look.
    fn fresh(&self) -> Vec<PathBuf> {
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten() {
            let Ok(entry) = entry else { continue };
            let path = entry.path();
            let named = path.extension().is_some_and(|extension| extension == "fsb");
            // Neither links nor pipes, which could lead anywhere or never end.
            let Ok(meta) = std::fs::symlink_metadata(&path) else {
                continue;
            };
            if named && meta.is_file() && found.len() < MAX_FILES {
                let modified = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                found.insert(path, (meta.len(), modified));
            }
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = found
            .iter()
            .filter(|(path, state)| seen.get(*path) != Some(*state))
            .map(|(path, _)| path.clone())
            .collect();
        *seen = found;
        fresh
    }
}

/// Looks once.
pub fn look(kiosk: &Kiosk) {
    if kiosk.records.fault().is_some() && kiosk.records.probe().is_ok() {
        kiosk.events.add("data", "ok", "the disk takes files again");
    }
    if let Some(watch) = &kiosk.watch {
        for path in watch.fresh() {
            take(kiosk, &path);
        }
        if let Some(stick) = watch.stick(RECORDS) {
            kiosk.records.export(&stick, &kiosk.events);
        }
        if let Some(stick) = watch.stick(SUMMARIES) {
            if let Err(e) = kiosk.summaries.close(&kiosk.records) {
                let fault = Fault::of(&e);
                kiosk.events.add("data", fault.code(), fault.advice());
            }
            kiosk.records.export_summaries(&stick, &kiosk.events);
        }
    }
    kiosk.records.prune();
}

fn take(kiosk: &Kiosk, path: &Path) {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let shown = fieldscore_cli::applications::shown(&name);
    let long = std::fs::metadata(path).is_ok_and(|meta| meta.len() > MAX_FILE_BYTES as u64);
    if long {
        let text = format!("refused: expected a bundle of at most {MAX_FILE_BYTES} bytes");
        kiosk
            .events
            .add(format!("bundle {shown}"), "bundle.not_a_bundle", text);
        return;
    }
    if let Err(error) = kiosk.bundles.take_file(path, &kiosk.events) {
        kiosk
            .events
            .add(format!("bundle {shown}"), "io", error.to_string());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_looked_into_once_until_it_changes_or_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let watch = Watch::new(folder.path().to_owned());
        assert_eq!(watch.state(), (true, false));
        let path = folder.path().join("a.fsb");
        std::fs::write(&path, "half").unwrap();
        std::fs::write(folder.path().join("b.txt"), "").unwrap();
        std::fs::create_dir(folder.path().join("c.fsb")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(&path, folder.path().join("d.fsb")).unwrap();
        assert_eq!(watch.fresh(), std::slice::from_ref(&path));
        assert!(watch.fresh().is_empty());
        std::fs::write(&path, "whole").unwrap();
        assert_eq!(watch.fresh(), std::slice::from_ref(&path));
        std::fs::remove_file(&path).unwrap();
        assert!(watch.fresh().is_empty());
        std::fs::write(&path, "whole").unwrap();
        assert_eq!(watch.fresh(), [path]);
        std::fs::create_dir(folder.path().join(RECORDS)).unwrap();
        assert_eq!(watch.state(), (true, true));
    }

    #[test]
    fn a_folder_that_is_not_there_is_no_error() {
        let watch = Watch::new("no/such/folder".into());
        assert_eq!(watch.state(), (false, false));
        assert!(watch.fresh().is_empty());
    }
}

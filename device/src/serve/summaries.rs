//! What this kiosk's decisions come to, counted: a summary for each bundle, which names nobody.
//!
//! One that counts enough to leave is closed when a stick takes it; what is decided then goes into a new one,
//! so that no two files count the same application.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use fieldscore_cli::open::hex;
use fieldscore_cli::watch::read;
use fieldscore_cli::{Result, error};
use fieldscore_runtime::{Scorer, Summary};

use super::bundles::Bundles;
use super::disk;
use super::records::{Records, private_folder};

/// A summary's file ends so.
pub const EXTENSION: &str = ".summary";

/// The open summaries, by bundle id.
pub struct Summaries {
    folder: PathBuf,
    open: Mutex<BTreeMap<[u8; 32], Summary>>,
}

impl Summaries {
    /// Opens those in the data folder whose bundles are here.
    ///
    /// # Errors
    /// Where the folder cannot be made.
    pub fn open(data: &Path, bundles: &Bundles) -> Result<Self> {
        let folder = data.join("summaries");
        private_folder(&folder).map_err(|e| error::io(&folder, &e))?;
        let mut open = BTreeMap::new();
        for scorer in bundles.all() {
            let id = *scorer.bundle_id();
            if let Ok(summary) = read(&scorer, &folder.join(name(&id))) {
                open.insert(id, summary);
            }
        }
        Ok(Self {
            folder,
            open: Mutex::new(open),
        })
    }

    /// Counts a record that was kept. A bundle without a histogram is not counted.
    ///
    /// # Errors
    /// Where the disk refuses it: the record counts only until the process ends.
    pub fn count(&self, scorer: &Scorer, record: &[u8]) -> std::io::Result<()> {
        let id = *scorer.bundle_id();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let summary = match open.entry(id) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => match Summary::new(scorer) {
                Ok(summary) => entry.insert(summary),
                Err(_) => return Ok(()),
            },
        };
        match summary.add_record(record) {
            Ok(()) => disk::put(&self.folder, &name(&id), &summary.encode()),
            // It was decided by this very bundle.
            Err(_) => Err(std::io::ErrorKind::InvalidData.into()),
        }
    }

    /// Closes each that counts enough to leave, and hands it over to be exported.
    ///
    /// # Errors
    /// Where the disk refuses it; it stays open then.
    pub fn close(&self, records: &Records) -> std::io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let ids: Vec<[u8; 32]> = open.keys().copied().collect();
        for id in ids {
            let shared = open.get(&id).map(Summary::encode_for_sharing);
            let Some(Ok(bytes)) = shared else { continue };
            // What the disk last refused may not be in the file yet.
            disk::put(&self.folder, &name(&id), &bytes)?;
            records.adopt(&self.folder.join(name(&id)), &bytes, EXTENSION)?;
            open.remove(&id);
        }
        Ok(())
    }

    /// How many decisions the open ones count.
    pub fn decisions(&self) -> u64 {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.values().map(Summary::decisions).sum()
    }
}

fn name(id: &[u8; 32]) -> String {
    format!("{}{EXTENSION}", hex(id))
}

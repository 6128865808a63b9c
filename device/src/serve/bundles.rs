//! The bundles of this kiosk: what is installed, and what made the records that still come in.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use fieldscore_cli::open::hex;
use fieldscore_cli::{Error, Result};
use fieldscore_runtime::bundle::Meta;
use fieldscore_runtime::{BundleStore, ErrorKind, FileStorage, Scorer, Storage};

use super::events::Events;

/// How many bundles records may come from: a form keeps the one that it opened.
const OPENED: usize = 8;

/// Installed bundles.
pub struct Bundles {
    product: String,
    keys: Vec<[u8; 32]>,
    inner: Mutex<Inner>,
}

struct Inner {
    store: BundleStore<FileStorage>,
    current: Option<Current>,
    /// Every bundle of the store and of this run, the newest last.
    opened: Vec<Scorer>,
}

/// The current bundle.
#[derive(Clone)]
struct Current {
    bytes: Arc<[u8]>,
    scorer: Scorer,
}

impl Bundles {
    /// Opens the store in `folder`.
    ///
    /// # Errors
    /// Where it cannot be made or read.
    pub fn open(folder: &Path, product: &str, keys: Vec<[u8; 32]>) -> Result<Self> {
        let storage = FileStorage::new(folder)?;
        let mut opened = Vec::new();
        for name in storage.names()?.iter().filter(|n| n.ends_with(".fsb")) {
            let bytes = storage.read(name)?.unwrap_or_default();
            opened.extend(Scorer::open(bytes, &keys));
        }
        opened.retain(|scorer| scorer.meta().product == product);
        opened.sort_by_key(|scorer| scorer.meta().sequence);
        let store = BundleStore::new(storage, product, keys.clone());
        let current = match store.open() {
            Ok(scorer) => {
                let name = format!("{}.fsb", hex(scorer.bundle_id()));
                let bytes = store.storage().read(&name)?.unwrap_or_default();
                Some(Current {
                    bytes: bytes.into(),
                    scorer,
                })
            }
            Err(error) if error.kind() == ErrorKind::Empty => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            product: product.to_owned(),
            keys,
            inner: Mutex::new(Inner {
                store,
                current,
                opened,
            }),
        })
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Nothing in it is left half changed: each field is set in one step.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The product, and the keys that its bundles are signed with.
    pub fn pinned(&self) -> (&str, &[[u8; 32]]) {
        (&self.product, &self.keys)
    }

    /// The current bundle's bytes.
    pub fn current(&self) -> Option<Arc<[u8]>> {
        let inner = self.inner();
        inner
            .current
            .as_ref()
            .map(|current| Arc::clone(&current.bytes))
    }

    /// What the current bundle says of itself, and its id.
    pub fn meta(&self) -> Option<(Meta, [u8; 32])> {
        let inner = self.inner();
        let scorer = &inner.current.as_ref()?.scorer;
        Some((scorer.meta().clone(), *scorer.bundle_id()))
    }

    /// The bundle with this id.
    pub fn by_id(&self, id: &[u8; 32]) -> Option<Scorer> {
        let inner = self.inner();
        let mut opened = inner.opened.iter();
        opened.find(|scorer| scorer.bundle_id() == id).cloned()
    }

    /// Every bundle that records may come from.
    pub fn all(&self) -> Vec<Scorer> {
        self.inner().opened.clone()
    }

    /// Installs what is in a file, if it is newer.
    ///
    /// # Errors
    /// Where the file cannot be read; a bundle that is refused is an event.
    pub fn take_file(&self, path: &Path, events: &Events) -> Result<()> {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let bytes = fieldscore_cli::open::read(path)?;
        self.take(&name.to_string_lossy(), &bytes, events);
        Ok(())
    }

    /// Installs a bundle, or says why not.
    pub fn take(&self, name: &str, bytes: &[u8], events: &Events) {
        let about = format!("bundle {}", fieldscore_cli::applications::shown(name));
        let mut inner = self.inner();
        let before = inner.current.as_ref().map(|c| *c.scorer.bundle_id());
        match inner.store.install(bytes) {
            Ok(scorer) if before == Some(*scorer.bundle_id()) => {
                let sequence = scorer.meta().sequence;
                events.add(about, "ok", format!("sequence {sequence} is installed"));
            }
            Ok(scorer) => {
                let sequence = scorer.meta().sequence;
                inner.opened.push(scorer.clone());
                if inner.opened.len() > OPENED {
                    inner.opened.remove(0);
                }
                inner.current = Some(Current {
                    bytes: bytes.into(),
                    scorer,
                });
                events.add(about, "ok", format!("sequence {sequence} installed"));
            }
            Err(error) => {
                let code = error.code();
                events.add(about, code, format!("refused: {}", Error::from(error)));
            }
        }
    }
}

//! The bundle store, in a folder.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fieldscore_runtime::FileStorage;

use crate::error::FieldscoreError;
use crate::scorer::{Scorer, pinned};

/// Keeps one product's bundle up to date in a folder of the app's own: installs only bundles that a
/// pinned key signed, of that product, with a higher sequence number, in one step that no interruption
/// can halve; keeps the one before.
#[derive(Debug, uniffi::Object)]
pub struct BundleStore {
    store: Mutex<fieldscore_runtime::BundleStore<FileStorage>>,
}

impl BundleStore {
    fn store(&self) -> MutexGuard<'_, fieldscore_runtime::BundleStore<FileStorage>> {
        // Its state is on the disk: whoever panicked holding it left nothing behind.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[uniffi::export]
impl BundleStore {
    /// A store of `product`'s bundles in `folder`, which is made where there is none. `keys` are the
    /// Ed25519 public keys that may sign, 32 bytes each.
    ///
    /// # Errors
    /// [`FieldscoreError::Io`], or [`FieldscoreError::WrongType`] for a key of another length.
    #[uniffi::constructor]
    pub fn new(
        folder: &str,
        product: &str,
        keys: Vec<Vec<u8>>,
    ) -> Result<Arc<Self>, FieldscoreError> {
        let keys = pinned(&keys)?;
        let store = fieldscore_runtime::BundleStore::new(FileStorage::new(folder)?, product, keys);
        Ok(Arc::new(Self {
            store: Mutex::new(store),
        }))
    }

    /// Installs an update and opens it. The self-test runs first: a bundle that decides otherwise on
    /// this device is not installed.
    ///
    /// # Errors
    /// As opening; [`FieldscoreError::Refused`] for another product or a sequence number that is not
    /// higher; [`FieldscoreError::Io`] where it cannot be written. What was installed stays.
    pub fn install(&self, bundle: Vec<u8>) -> Result<Arc<Scorer>, FieldscoreError> {
        Ok(Scorer::of(self.store().install(&bundle)?))
    }

    /// Opens the current bundle, or the last one before it that opens.
    ///
    /// # Errors
    /// [`FieldscoreError::Empty`] where there is none.
    pub fn open(&self) -> Result<Arc<Scorer>, FieldscoreError> {
        Ok(Scorer::of(self.store().open()?))
    }
}

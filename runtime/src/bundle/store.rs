//! Installing updates: one product, rising sequence numbers, the last good bundle kept.
//!
//! A store holds three kinds of names: `state`, which says what is current, and bundle files named
//! by their id. Only `state` is ever replaced, in one atomic step; whatever is interrupted, opening
//! finds the old bundle or the new one.

use std::io::Write;
use std::path::{Path, PathBuf};

use minicbor::Encode;

use crate::bundle::cbor::{self, structure};
use crate::error::{Error, ErrorKind, Result};
use crate::scorer::Scorer;

/// Where a store keeps its bytes: a folder, a database, a browser's storage.
pub trait Storage {
    /// The bytes under `name`, or `None` where there are none.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>>;

    /// Puts `bytes` under `name`, durably and in one step: whoever reads later, after whatever
    /// interruption, finds what was there before or all of `bytes`.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    fn replace(&mut self, name: &str, bytes: &[u8]) -> Result<()>;

    /// Removes `name`, if it is there.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    fn remove(&mut self, name: &str) -> Result<()>;

    /// All names.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    fn names(&self) -> Result<Vec<String>>;
}

/// What is current, and what was before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
struct State {
    #[n(0)]
    current: Option<String>,
    #[n(1)]
    previous: Option<String>,
    /// The highest sequence number ever installed: a damaged bundle opens no way back behind it.
    #[n(2)]
    highest: Option<u64>,
}

structure!(State {
    0: current,
    1: previous,
    2: highest
});

/// Keeps one product's bundle up to date.
///
/// ```no_run
/// use fieldscore_runtime::{BundleStore, FileStorage};
/// # fn main() -> fieldscore_runtime::Result<()> {
/// # let (key, update) = ([0u8; 32], vec![]);
/// let mut store = BundleStore::new(FileStorage::new("bundles")?, "credit", vec![key]);
/// store.install(&update)?;
/// let scorer = store.open()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct BundleStore<S> {
    storage: S,
    product: String,
    keys: Vec<[u8; 32]>,
}

const STATE: &str = "state";

impl<S: Storage> BundleStore<S> {
    /// A store for `product`'s bundles, signed with one of the pinned `keys`.
    pub fn new(storage: S, product: impl Into<String>, keys: Vec<[u8; 32]>) -> Self {
        Self {
            storage,
            product: product.into(),
            keys,
        }
    }

    /// Installs an update: verifies it, runs its self-test, and makes it current if it is of this
    /// product and its sequence number is higher than the current one's. The bundle before it is
    /// kept. Installing what is current already changes nothing.
    ///
    /// # Errors
    /// As [`Scorer::open`]; [`ErrorKind::SelfTest`]; [`ErrorKind::Refused`] for another product or
    /// a sequence number that is not higher; [`ErrorKind::Io`]. After any error the store opens
    /// what it opened before.
    pub fn install(&mut self, bytes: &[u8]) -> Result<Scorer> {
        let scorer = Scorer::open(bytes, &self.keys)?;
        self.check_product(&scorer)?;
        scorer.self_test()?;
        let name = file_name(&scorer);
        let state = self.state()?;
        let current = self.open_current(state.as_ref())?;
        if current
            .as_ref()
            .is_some_and(|(current, _)| *current == name)
        {
            return Ok(scorer);
        }
        let state = state.unwrap_or_default();
        let highest = current
            .as_ref()
            .map(|(_, current)| current.meta().sequence)
            .max(state.highest);
        // The current bundle itself may be brought again where it was damaged.
        let again = state.current.as_ref() == Some(&name);
        if let Some(highest) =
            highest.filter(|&highest| scorer.meta().sequence <= highest && !again)
        {
            return Err(Error::new(
                ErrorKind::Refused,
                "section META",
                format!("a sequence number above {highest}"),
            ));
        }
        self.storage.replace(&name, bytes)?;
        let next = State {
            current: Some(name),
            previous: current.map(|(name, _)| name),
            highest: highest.max(Some(scorer.meta().sequence)),
        };
        self.storage.replace(STATE, &cbor::encode(&next))?;
        self.clean(&next);
        log::info!("bundle installed: sequence {}", scorer.meta().sequence);
        Ok(scorer)
    }

    /// Opens the current bundle, or the last good one where the current one does not open.
    ///
    /// # Errors
    /// [`ErrorKind::Empty`] where none opens, [`ErrorKind::Io`].
    pub fn open(&self) -> Result<Scorer> {
        let state = self.state()?;
        self.open_current(state.as_ref())?
            .map(|(_, scorer)| scorer)
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Empty,
                    "store",
                    "a bundle that opens: install one",
                )
            })
    }

    /// The storage, for inspection.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    fn check_product(&self, scorer: &Scorer) -> Result<()> {
        if scorer.meta().product == self.product {
            Ok(())
        } else {
            Err(Error::new(
                ErrorKind::Refused,
                "section META",
                format!("a bundle of product {}", self.product),
            ))
        }
    }

    /// What is current; `None` before the first installation. A damaged state names nothing: the
    /// bundles themselves then say what there is.
    fn state(&self) -> Result<Option<State>> {
        let bytes = self.storage.read(STATE)?;
        Ok(bytes.map(|bytes| cbor::decode(&bytes, "store state").unwrap_or_default()))
    }

    /// The first bundle that opens: current, previous, then any other by falling sequence number.
    fn open_current(&self, state: Option<&State>) -> Result<Option<(String, Scorer)>> {
        let Some(state) = state else {
            return Ok(None);
        };
        for name in [&state.current, &state.previous].into_iter().flatten() {
            if let Some(scorer) = self.try_open(name)? {
                return Ok(Some((name.clone(), scorer)));
            }
            log::warn!("a stored bundle does not open; trying the one before it");
        }
        let mut others = Vec::new();
        for name in self
            .storage
            .names()?
            .into_iter()
            .filter(|n| n.ends_with(".fsb"))
        {
            if let Some(scorer) = self.try_open(&name)? {
                others.push((name, scorer));
            }
        }
        let rank = |(_, scorer): &(_, Scorer)| std::cmp::Reverse(scorer.meta().sequence);
        Ok(others.into_iter().min_by_key(rank))
    }

    fn try_open(&self, name: &str) -> Result<Option<Scorer>> {
        let Some(bytes) = self.storage.read(name)? else {
            return Ok(None);
        };
        Ok(Scorer::open(bytes, &self.keys)
            .ok()
            .filter(|scorer| self.check_product(scorer).is_ok()))
    }

    /// Removes what the state no longer names, and what interrupted writing left behind. Failing
    /// to is no failure of the installation.
    fn clean(&mut self, state: &State) {
        let keep = |name: &str| {
            let mut kept = [&state.current, &state.previous].into_iter().flatten();
            kept.any(|kept| kept == name)
        };
        for name in self.storage.names().unwrap_or_default() {
            if (name.ends_with(".fsb") || name.ends_with(".part"))
                && !keep(&name)
                && self.storage.remove(&name).is_err()
            {
                log::warn!("an old bundle could not be removed");
            }
        }
    }
}

fn file_name(scorer: &Scorer) -> String {
    let id: String = scorer
        .bundle_id()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    format!("{id}.fsb")
}

/// A store's bytes as files of one folder.
#[derive(Debug)]
pub struct FileStorage {
    folder: PathBuf,
}

impl FileStorage {
    /// Uses `folder`, which is made where it does not exist.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub fn new(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        std::fs::create_dir_all(&folder).map_err(|e| io(&folder, &e))?;
        Ok(Self { folder })
    }

    fn sync_folder(&self) -> std::io::Result<()> {
        // Makes the rename durable; other systems have no handle on folders and need none.
        #[cfg(unix)]
        std::fs::File::open(&self.folder)?.sync_all()?;
        Ok(())
    }
}

fn io(path: &Path, what: &std::io::Error) -> Error {
    Error::new(
        ErrorKind::Io,
        path.display().to_string(),
        format!("readable and writable storage ({})", what.kind()),
    )
}

impl Storage for FileStorage {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.folder.join(name);
        match crate::scorer::read_bundle(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(_) if !path.exists() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.folder.join(name);
        let part = self.folder.join(format!("{name}.part"));
        let write = || -> std::io::Result<()> {
            let mut file = std::fs::File::create(&part)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&part, &path)?;
            self.sync_folder()
        };
        write().map_err(|e| io(&path, &e))
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        let path = self.folder.join(name);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io(&path, &e)),
            _ => self.sync_folder().map_err(|e| io(&path, &e)),
        }
    }

    fn names(&self) -> Result<Vec<String>> {
        let entries = std::fs::read_dir(&self.folder).map_err(|e| io(&self.folder, &e))?;
        Ok(entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect())
    }
}

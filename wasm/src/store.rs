//! The bundle store over a storage that JavaScript keeps. The package reads all that is stored into
//! memory, lets the store work there, and carries its writes out in the same order.

use std::cell::RefCell;
use std::rc::Rc;

use fieldscore_runtime::{BundleStore, Result, Storage};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::error::Thrown;
use crate::session::{Session, keys};

/// What is stored, and what was changed: a name with its bytes, or with none where it was removed.
#[derive(Debug, Default)]
struct Memory {
    files: Vec<(String, Vec<u8>)>,
    changes: Vec<(String, Option<Vec<u8>>)>,
}

impl Memory {
    fn remove(&mut self, name: &str) {
        self.files.retain(|(known, _)| known != name);
    }

    fn put(&mut self, name: &str, bytes: &[u8]) {
        self.remove(name);
        self.files.push((name.to_owned(), bytes.to_vec()));
    }
}

#[derive(Debug, Clone, Default)]
struct Shared(Rc<RefCell<Memory>>);

impl Storage for Shared {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let memory = self.0.borrow();
        let mut named = memory.files.iter().filter(|(known, _)| known == name);
        Ok(named.next().map(|(_, bytes)| bytes.clone()))
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut memory = self.0.borrow_mut();
        memory.put(name, bytes);
        memory.changes.push((name.to_owned(), Some(bytes.to_vec())));
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        let mut memory = self.0.borrow_mut();
        memory.remove(name);
        memory.changes.push((name.to_owned(), None));
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>> {
        let memory = self.0.borrow();
        Ok(memory.files.iter().map(|(name, _)| name.clone()).collect())
    }
}

/// One product's store.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Store {
    memory: Shared,
    store: BundleStore<Shared>,
}

#[wasm_bindgen]
impl Store {
    /// A store of a product's bundles, signed with one of the pinned keys of 32 bytes each.
    ///
    /// # Errors
    /// Where there is no key, or one of another length.
    #[wasm_bindgen(constructor)]
    pub fn new(product: String, pinned: &[u8]) -> std::result::Result<Store, Thrown> {
        let memory = Shared::default();
        Ok(Self {
            store: BundleStore::new(memory.clone(), product, keys(pinned)?),
            memory,
        })
    }

    /// Says what is stored under a name.
    pub fn load(&mut self, name: &str, bytes: &[u8]) {
        self.memory.0.borrow_mut().put(name, bytes);
    }

    /// Installs an update; [`Store::changes`] then has what is to be written.
    ///
    /// # Errors
    /// As [`BundleStore::install`].
    pub fn install(&mut self, bytes: &[u8]) -> std::result::Result<Session, Thrown> {
        Session::of(self.store.install(bytes)?)
    }

    /// Opens the current bundle.
    ///
    /// # Errors
    /// As [`BundleStore::open`].
    pub fn open(&self) -> std::result::Result<Session, Thrown> {
        Session::of(self.store.open()?)
    }

    /// What was changed since the last call, in order: name, bytes (or null), name, …
    pub fn changes(&mut self) -> Array {
        let out = Array::new();
        for (name, bytes) in self.memory.0.borrow_mut().changes.drain(..) {
            out.push(&name.into());
            let bytes = bytes.map(|bytes| Uint8Array::from(bytes.as_slice()).into());
            out.push(&bytes.unwrap_or(JsValue::NULL));
        }
        out
    }
}

//! A storage in memory that fails at a chosen operation, with or without having done its work.

use std::cell::Cell;
use std::collections::BTreeMap;

use fieldscore_runtime::{Error, ErrorKind, Result, Storage};

/// What a failing operation has done before it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// Half of it, although [`Storage`] promises otherwise: the first half of the bytes.
    Torn,
    /// All of it: the report of success is what got lost.
    Whole,
}

/// A storage in memory.
#[derive(Debug, Clone, Default)]
pub struct Failing {
    /// The bytes by name.
    pub names: BTreeMap<String, Vec<u8>>,
    fails: Option<(usize, Effect)>,
    done: Cell<usize>,
    dead: Cell<bool>,
}

impl Failing {
    /// The same bytes in a storage whose operation number `at` fails, and all after it: the
    /// process has died.
    #[must_use]
    pub fn failing_at(&self, at: usize, effect: Effect) -> Self {
        Self {
            names: self.names.clone(),
            fails: Some((at, effect)),
            done: Cell::new(0),
            dead: Cell::new(false),
        }
    }

    /// The same bytes in a storage that works: the process has been started again.
    #[must_use]
    pub fn revived(&self) -> Self {
        Self {
            names: self.names.clone(),
            ..Self::default()
        }
    }

    /// Whether the failure has come.
    pub fn has_failed(&self) -> bool {
        self.dead.get()
    }

    /// What this operation does, and whether it succeeds.
    fn step(&self) -> (Effect, bool) {
        if self.dead.get() {
            return (Effect::None, false);
        }
        let number = self.done.replace(self.done.get() + 1);
        match self.fails {
            Some((at, effect)) if number == at => {
                self.dead.set(true);
                (effect, false)
            }
            _ => (Effect::Whole, true),
        }
    }
}

fn failure() -> Error {
    Error::new(ErrorKind::Io, "storage", "a storage that works")
}

impl Storage for Failing {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match self.step() {
            (_, true) => Ok(self.names.get(name).cloned()),
            _ => Err(failure()),
        }
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let (effect, success) = self.step();
        let written = match effect {
            Effect::None => None,
            Effect::Torn => bytes.get(..bytes.len() / 2),
            Effect::Whole => Some(bytes),
        };
        if let Some(bytes) = written {
            self.names.insert(name.to_owned(), bytes.to_vec());
        }
        if success { Ok(()) } else { Err(failure()) }
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        let (effect, success) = self.step();
        if effect != Effect::None {
            self.names.remove(name);
        }
        if success { Ok(()) } else { Err(failure()) }
    }

    fn names(&self) -> Result<Vec<String>> {
        match self.step() {
            (_, true) => Ok(self.names.keys().cloned().collect()),
            _ => Err(failure()),
        }
    }
}

//! Memory that both sides know: a call through uniffi's buffers costs JNA eight structures, each of them
//! registered and cleaned up, which takes longer than forty decisions. Through a tray it costs two.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use uniffi::{Lift, Lower};

use crate::UniFfiTag;
use crate::error::{FieldscoreError, argument};
use crate::scorer::Scorer;
use crate::types::{Application, Decision};

/// Memory in which an application is handed in and its decision comes back, in uniffi's own form. One
/// thread at a time: what two write at once is an error or a wrong application's decision, never more.
#[derive(Debug, uniffi::Object)]
pub struct Tray {
    scorer: Arc<Scorer>,
    /// Atomic, since it is written from outside: no reference to plain bytes may be around then.
    bytes: Box<[AtomicU8]>,
}

#[uniffi::export]
impl Tray {
    /// A tray of so many bytes for a scorer.
    ///
    /// # Errors
    /// [`FieldscoreError::WrongType`] for more than 1 MiB.
    #[uniffi::constructor]
    pub fn new(scorer: Arc<Scorer>, size: u32) -> Result<Arc<Self>, FieldscoreError> {
        if size > 1 << 20 {
            return Err(argument("size", "at most 1 MiB"));
        }
        let bytes = (0..size).map(|_| AtomicU8::new(0)).collect();
        Ok(Arc::new(Self { scorer, bytes }))
    }

    /// Where its memory starts; it stays there as long as the tray is held.
    ///
    /// # Errors
    /// None today.
    pub fn address(&self) -> Result<u64, FieldscoreError> {
        Ok(self.bytes.as_ptr().expose_provenance() as u64)
    }

    /// Scores the application that lies in the first `length` bytes, and takes it away. The decision
    /// lies in as many bytes as it says, from the start; where it says 0, the tray is too small for it.
    ///
    /// # Errors
    /// As `Scorer.score`; [`FieldscoreError::WrongType`] for what is no application.
    pub fn score(&self, length: u32) -> Result<u32, FieldscoreError> {
        let wrong = || argument("tray", "an application in its first bytes");
        let given = self.bytes.get(..length as usize).ok_or_else(wrong)?;
        let taken: Vec<u8> = given
            .iter()
            .map(|byte| byte.swap(0, Ordering::Relaxed))
            .collect();
        let mut rest = taken.as_slice();
        let application = <Application as Lift<UniFfiTag>>::try_read(&mut rest);
        let application = application.map_err(|_| wrong())?;
        if !rest.is_empty() {
            return Err(wrong());
        }
        let mut answer = Vec::new();
        <Decision as Lower<UniFfiTag>>::write(self.scorer.score(&application)?, &mut answer);
        if answer.len() > self.bytes.len() {
            return Ok(0);
        }
        for (into, byte) in self.bytes.iter().zip(&answer) {
            into.store(*byte, Ordering::Relaxed);
        }
        Ok(u32::try_from(answer.len()).unwrap_or(0))
    }
}

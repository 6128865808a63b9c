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
impl Scorer {
    /// A tray of so many bytes. It keeps the scorer.
    ///
    /// # Errors
    /// [`FieldscoreError::WrongType`] for more than 1 MiB.
    pub fn tray(self: Arc<Self>, size: u32) -> Result<Arc<Tray>, FieldscoreError> {
        if size > 1 << 20 {
            return Err(argument("size", "at most 1 MiB"));
        }
        let bytes = (0..size).map(|_| AtomicU8::new(0)).collect();
        let scorer = self;
        Ok(Arc::new(Tray { scorer, bytes }))
    }
}

#[uniffi::export]
impl Tray {
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    #[test]
    fn a_tray_is_bounded() {
        let bundle = include_bytes!("../../tests/golden/credit/credit.fsb").to_vec();
        let key = include_str!("../../tests/golden/credit/key.txt");
        let key = (0..32).map(|at| u8::from_str_radix(&key[2 * at..2 * at + 2], 16).unwrap());
        let scorer = Scorer::open(bundle, vec![key.collect()]).unwrap();
        assert!(scorer.clone().tray(1 << 21).is_err());
        let tray = scorer.tray(64).unwrap();
        assert_ne!(tray.address(), Ok(0));
        for length in [0, 1, 64, 65, u32::MAX] {
            let error = tray.score(length).unwrap_err();
            assert_eq!(error.parts().0, "field.type", "{length}");
        }
    }

    #[test]
    fn an_application_is_taken_away_and_its_decision_laid_there() {
        let bundle = include_bytes!("../../tests/golden/credit/credit.fsb").to_vec();
        let key = include_str!("../../tests/golden/credit/key.txt");
        let key = (0..32).map(|at| u8::from_str_radix(&key[2 * at..2 * at + 2], 16).unwrap());
        let scorer = Scorer::open(bundle, vec![key.collect()]).unwrap();
        let texts = "12,owner,36,no,fixed,60,214,10000,0,900,1400".split(',');
        let entry = |(field, text): (usize, &str)| crate::types::Entry {
            field: field as u16,
            value: crate::types::Value::Written {
                value: text.to_owned(),
                comma: false,
            },
        };
        let application = Application {
            id: "A-1".to_owned(),
            as_of: "2026-09-01".to_owned(),
            automation: true,
            values: texts.enumerate().map(entry).collect(),
        };
        let expected = scorer.score(&application).unwrap();
        let mut given = Vec::new();
        <Application as Lower<UniFfiTag>>::write(application, &mut given);
        for (size, fits) in [(1024, true), (given.len() as u32, false)] {
            let tray = scorer.clone().tray(size).unwrap();
            for (into, byte) in tray.bytes.iter().zip(&given) {
                into.store(*byte, Ordering::Relaxed);
            }
            let length = tray.score(given.len() as u32).unwrap() as usize;
            let lying: Vec<u8> = tray
                .bytes
                .iter()
                .map(|byte| byte.load(Ordering::Relaxed))
                .collect();
            assert!(lying[length..].iter().all(|byte| *byte == 0));
            assert_eq!(length != 0, fits);
            if fits {
                let decision = <Decision as Lift<UniFfiTag>>::try_read(&mut &lying[..length]);
                assert_eq!(decision.unwrap(), expected);
            }
        }
    }
}

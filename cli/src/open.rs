//! Opening bundles, with whose keys.

use std::path::{Path, PathBuf};

use fieldscore_runtime::bundle::container::{Container, KeyId, MAGIC, MAX_FILE_BYTES, Trust};
use fieldscore_runtime::{ErrorKind, OpenOptions, Scorer};

use crate::error::{Error, Result, io};
use crate::keys::{Signing, is_development, read_public};
use crate::say;

/// Which bundle, and whose signature counts.
#[derive(Debug, Clone, clap::Args)]
pub struct BundleArgs {
    /// The bundle (.fsb)
    pub bundle: PathBuf,
    /// Public key of whoever may have signed it; may be given several times. Without it only a
    /// bundle of the development key opens, with a warning
    #[arg(long = "key", value_name = "PUBLIC.pem")]
    pub keys: Vec<PathBuf>,
}

/// What is known of a bundle's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// It verifies under a key that the caller gave.
    Verified,
    /// It verifies under the development key, whose secret is public.
    Development,
    /// Nothing was checked.
    NotVerified,
}

impl Signature {
    /// Its name for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Development => "development key",
            Self::NotVerified => "not verified",
        }
    }
}

/// An opened bundle.
#[derive(Debug)]
pub struct Opened {
    /// It.
    pub scorer: Scorer,
    /// Whose signature it has.
    pub signature: Signature,
    /// Its length in bytes.
    pub bytes: usize,
}

impl BundleArgs {
    /// Opens the bundle and warns of the development key.
    ///
    /// # Errors
    /// Where it cannot be read, was signed by another key, or does not hold what a bundle must.
    pub fn open(&self) -> Result<Opened> {
        let opened = open(&self.bundle, &self.keys)?;
        if opened.signature == Signature::Development {
            self.warn_of_development();
        }
        Ok(opened)
    }

    /// Opens the bundle to look at, also one of a key that nobody gave, and says on stderr what is
    /// not proven. Never score with it.
    ///
    /// # Errors
    /// Where it cannot be read, or does not hold what a bundle must.
    pub fn look(&self) -> Result<Opened> {
        let path = &self.bundle;
        let keys = self.keys.iter().map(|key| read_public(key));
        let keys = keys.collect::<Result<Vec<_>>>()?;
        let bytes = read(path)?;
        let opened = match open_bytes(bytes.clone(), &keys) {
            Err(refused) if refused.error.kind() == ErrorKind::UntrustedKey => {
                open_unverified(bytes).map_err(Error::from)
            }
            other => other.map_err(|refused| refused.explain(keys.is_empty())),
        };
        let opened = opened.map_err(|error| error.within(path.display()))?;
        match opened.signature {
            Signature::NotVerified => {
                say::warn(format!(
                    "{}: NOT VERIFIED: neither signature nor hashes were checked",
                    path.display()
                ));
                say::hint("pass --key PUBLIC.pem with the public key of whoever made it");
            }
            Signature::Development => self.warn_of_development(),
            Signature::Verified => {}
        }
        Ok(opened)
    }

    fn warn_of_development(&self) {
        say::warn(format!(
            "{} is signed by the development key, which anybody can use: for trying out only",
            self.bundle.display()
        ));
    }

    /// The keys whose signature counts.
    ///
    /// # Errors
    /// Where a key's file cannot be read.
    pub fn pinned(&self) -> Result<Vec<[u8; 32]>> {
        match self.keys.is_empty() {
            true => Ok(vec![Signing::development().public()]),
            false => self.keys.iter().map(|key| read_public(key)).collect(),
        }
    }
}

/// Opens the bundle at `path` under these keys; without any, under the development key.
pub(crate) fn open(path: &Path, keys: &[PathBuf]) -> Result<Opened> {
    let pinned = keys
        .iter()
        .map(|key| read_public(key))
        .collect::<Result<Vec<_>>>()?;
    let bytes = read(path)?;
    open_bytes(bytes, &pinned)
        .map_err(|refused| refused.explain(keys.is_empty()).within(path.display()))
}

/// Why a bundle does not open, and what its bytes say of themselves.
#[derive(Debug)]
pub(crate) struct Refused {
    /// What the runtime says.
    pub error: fieldscore_runtime::Error,
    /// The key that the bundle names, unchecked.
    signer: Option<KeyId>,
    /// Whether it starts as a bundle does.
    begins: bool,
}

/// Opens these bytes under `pinned` keys or, without any, the development key.
pub(crate) fn open_bytes(
    bytes: Vec<u8>,
    pinned: &[[u8; 32]],
) -> std::result::Result<Opened, Refused> {
    let development = [Signing::development().public()];
    let keys = if pinned.is_empty() {
        &development
    } else {
        pinned
    };
    let (len, begins, signer) = (bytes.len(), bytes.starts_with(&MAGIC), stated_key(&bytes));
    let scorer = Scorer::open(bytes, keys).map_err(|error| Refused {
        error,
        signer,
        begins,
    })?;
    let signature = match is_development(&scorer.container().key_id) {
        true => Signature::Development,
        false => Signature::Verified,
    };
    Ok(Opened {
        scorer,
        signature,
        bytes: len,
    })
}

/// Opens these bytes without checking who signed them: to look at, never to score with.
pub(crate) fn open_unverified(bytes: Vec<u8>) -> fieldscore_runtime::Result<Opened> {
    let len = bytes.len();
    let scorer = OpenOptions::default()
        .dangerously_unverified()
        .open(bytes, &[])?;
    Ok(Opened {
        scorer,
        signature: Signature::NotVerified,
        bytes: len,
    })
}

/// The bytes of the file, never more than a bundle has.
///
/// # Errors
/// Where it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    let file = std::fs::File::open(path).map_err(|e| io(path, &e))?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| io(path, &e))?;
    Ok(bytes)
}

/// The key that a bundle says it is signed by: nobody has checked that.
pub(crate) fn stated_key(bytes: &[u8]) -> Option<KeyId> {
    let container = Container::read(bytes, Trust::DangerouslyUnverified).ok()?;
    Some(container.key_id)
}

impl Refused {
    /// The error, with what to do about it.
    pub fn explain(self, without_keys: bool) -> Error {
        let hint = match (self.error.kind(), self.signer) {
            (ErrorKind::UntrustedKey, Some(id)) if is_development(&id) => {
                "the development key signed it, which anybody can use: leave --key out to try it"
                    .to_owned()
            }
            (ErrorKind::UntrustedKey, Some(id)) if without_keys => format!(
                "key {} signed it: pass --key PUBLIC.pem with the public key of whoever made it",
                hex(&id)
            ),
            (ErrorKind::UntrustedKey, Some(id)) => {
                format!("key {} signed it, not one that --key gave", hex(&id))
            }
            (ErrorKind::NotABundle, _) if !self.begins => {
                "`fieldscore build` makes bundles".to_owned()
            }
            (ErrorKind::NotABundle | ErrorKind::Altered | ErrorKind::BadSignature, _) => {
                "fetch the file again: it was cut or changed after it was signed".to_owned()
            }
            (ErrorKind::Unsupported, _) if self.error.place() == "section META" => {
                "a program with that engine opens it: README, \"A model that the plan can't express\"".to_owned()
            }
            (ErrorKind::Unsupported, _) => "update fieldscore".to_owned(),
            _ => return Error::from(self.error),
        };
        Error::from(self.error).hint(hint)
    }
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::applications::sample;

    #[test]
    fn the_development_key_opens_only_while_no_key_is_pinned() {
        let own = Signing::generate().unwrap();
        let demo = sample::bundle(&Signing::development());
        let signed = sample::bundle(&own);
        let opened = open_bytes(demo.clone(), &[]).unwrap();
        assert_eq!(opened.signature, Signature::Development);
        let opened = open_bytes(signed.clone(), &[own.public()]).unwrap();
        assert_eq!(opened.signature, Signature::Verified);
        for (bytes, keys, hint) in [
            (demo, vec![own.public()], "leave --key out"),
            (signed, vec![], "--key PUBLIC.pem"),
        ] {
            let refused = open_bytes(bytes, &keys).unwrap_err();
            assert_eq!(refused.error.kind(), ErrorKind::UntrustedKey);
            let error = refused.explain(keys.is_empty());
            assert!(error.hint_text().unwrap().contains(hint), "{error:?}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = open(Path::new("no/such.fsb"), &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no/such.fsb: expected a file that exists"
        );
    }
}

//! Signing keys: Ed25519 in the usual PEM files (PKCS#8 private, SubjectPublicKeyInfo public), and
//! the development key that signs demos.

use std::path::Path;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use fieldscore_runtime::bundle::container::{KeyId, key_id};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result, io};

/// The file of the private key in a key folder.
pub const PRIVATE_FILE: &str = "signing.pem";
/// The file of the public key in a key folder.
pub const PUBLIC_FILE: &str = "public.pem";

/// A key that signs bundles.
pub struct Signing(SigningKey);

impl std::fmt::Debug for Signing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signing(secret not shown)")
    }
}

impl Signing {
    /// The development key: its secret is in this source, so it proves nothing. `verify` and
    /// `inspect` say so of every bundle that it signed.
    pub fn development() -> Self {
        let seed =
            Sha256::digest(b"fieldscore development key, not secret: never trust it in production");
        Self(SigningKey::from_bytes(&seed.into()))
    }

    /// Makes a new key from the operating system's randomness.
    ///
    /// # Errors
    /// Where the operating system has none.
    pub fn generate() -> Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|e| Error::input("operating system", format!("randomness ({e})")))?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Reads a private key from a PKCS#8 PEM file.
    ///
    /// # Errors
    /// Where the file cannot be read or holds no Ed25519 private key.
    pub fn read(path: &Path) -> Result<Self> {
        let pem = std::fs::read_to_string(path).map_err(|e| io(path, &e))?;
        SigningKey::from_pkcs8_pem(&pem).map(Self).map_err(|_| {
            Error::input(
                path.display().to_string(),
                "an Ed25519 private key (PKCS#8, PEM)",
            )
            .hint("`fieldscore key new DIR` makes one")
        })
    }

    /// Writes both halves into `folder`, which must not hold a key yet; the private half is
    /// readable by its owner only.
    ///
    /// # Errors
    /// Where the folder cannot be written or already holds a key.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(|e| io(folder, &e))?;
        let fault = |what| {
            Error::input(
                folder.display().to_string(),
                format!("a key that encodes ({what})"),
            )
        };
        let private = self
            .0
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|e| fault(e.to_string()))?;
        let public = self
            .0
            .verifying_key()
            .to_public_key_pem(LineEnding::LF)
            .map_err(|e| fault(e.to_string()))?;
        write_new(&folder.join(PRIVATE_FILE), private.as_bytes())?;
        write_new(&folder.join(PUBLIC_FILE), public.as_bytes())
    }

    /// The public half.
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The public half's identity.
    pub fn id(&self) -> KeyId {
        key_id(&self.public())
    }

    /// Signs `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => Error::input(
            path.display().to_string(),
            "no key there yet: a key is never overwritten",
        ),
        _ => io(path, &e),
    })?;
    file.write_all(bytes).map_err(|e| io(path, &e))
}

/// Reads a public key from a SubjectPublicKeyInfo PEM file.
///
/// # Errors
/// Where the file cannot be read or holds no Ed25519 public key.
pub fn read_public(path: &Path) -> Result<[u8; 32]> {
    let pem = std::fs::read_to_string(path).map_err(|e| io(path, &e))?;
    VerifyingKey::from_public_key_pem(&pem)
        .map(|key| key.to_bytes())
        .map_err(|_| {
            Error::input(path.display().to_string(), "an Ed25519 public key (PEM)").hint(format!(
                "`fieldscore key new DIR` writes one as {PUBLIC_FILE}"
            ))
        })
}

/// Whether `id` is the development key's.
pub fn is_development(id: &KeyId) -> bool {
    *id == Signing::development().id()
}

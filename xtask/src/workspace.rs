//! Where things are.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run::{Failure, Result, cargo, output};

/// The workspace's folders. Commands run in its root, and paths are relative to it where they can
/// be.
#[derive(Debug)]
pub struct Workspace {
    /// Build results, and whatever else a task writes.
    pub target: PathBuf,
}

impl Workspace {
    /// Goes to the workspace's root.
    pub fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let root = root.canonicalize().map_err(Failure::at(root.display()))?;
        std::env::set_current_dir(&root).map_err(Failure::at(root.display()))?;
        let metadata = metadata(Path::new("Cargo.toml"))?;
        let target = metadata["target_directory"]
            .as_str()
            .ok_or_else(|| Failure::new("cargo metadata: no target_directory"))?;
        let target = Path::new(target);
        Ok(Self {
            target: target.strip_prefix(&root).unwrap_or(target).to_path_buf(),
        })
    }

    /// A folder under `target/`, made if it isn't there.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.target.join(name);
        std::fs::create_dir_all(&folder).map_err(Failure::at(folder.display()))?;
        Ok(folder)
    }

    /// A program of a profile, once it is built.
    pub fn program(&self, profile: &str, name: &str) -> PathBuf {
        self.target
            .join(profile)
            .join(name)
            .with_extension(std::env::consts::EXE_EXTENSION)
    }
}

/// What cargo says of a manifest, without its dependencies.
pub fn metadata(manifest: &Path) -> Result<Value> {
    let text = output(
        cargo()
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .arg("--manifest-path")
            .arg(manifest),
    )?;
    serde_json::from_str(&text).map_err(Failure::at("cargo metadata"))
}

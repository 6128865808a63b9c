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
        // As of now, not as of the build: a target folder may serve several checkouts.
        let package = std::env::var_os("CARGO_MANIFEST_DIR")
            .ok_or_else(|| Failure::new("CARGO_MANIFEST_DIR: expected cargo to set it"))
            .map_err(|failure| failure.with_hint("start tasks with: cargo xtask TASK"))?;
        let root = Path::new(&package).join("..");
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

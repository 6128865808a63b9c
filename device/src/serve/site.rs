//! The form's files: built in, or of a folder; read once, so that nothing but them is ever served.
//!
//! At a kiosk there is one page, `kiosk.html`, under whatever page's name it is asked for: the
//! others are for staff, and for people at a device of their own.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use fieldscore_cli::{Error, Result, error};
use flate2::bufread::DeflateDecoder;
use hyper::body::Bytes;
use serde_json::{Map, Value};

/// The files that were built in: path below the form's folder, and bytes, deflated.
static BUILT_IN: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/form.rs"));

/// The form is small; what is larger is some other folder.
const MAX_BYTES: u64 = 64 << 20;
/// Nor has it folders in folders in folders.
const MAX_DEPTH: usize = 8;
/// The page.
const PAGE: &str = "/kiosk.html";
/// The page's settings: the form's attributes. What the kiosk knows itself goes over them.
pub const SETTINGS: &str = "/config.json";

/// Files by the path that a browser asks for.
pub struct Site {
    files: BTreeMap<String, Bytes>,
    settings: Map<String, Value>,
}

impl Site {
    /// Reads `folder`, or takes what was built in.
    ///
    /// # Errors
    /// Where the folder cannot be read or holds no `kiosk.html`, its `config.json` is no object, or
    /// nothing was built in.
    pub fn load(folder: Option<&Path>) -> Result<Self> {
        let mut files = BTreeMap::new();
        match folder {
            Some(folder) => read(folder, "/", 0, &mut files)?,
            None => {
                for (path, packed) in BUILT_IN {
                    let mut bytes = Vec::new();
                    DeflateDecoder::new(*packed)
                        .read_to_end(&mut bytes)
                        .map_err(|_| Error::input(*path, "a file as it was built in"))?;
                    files.insert(format!("/{path}"), bytes.into());
                }
            }
        }
        if !files.contains_key(PAGE) {
            return Err(match folder {
                Some(folder) => {
                    Error::input(folder.display().to_string(), "a folder with kiosk.html")
                        .hint("`cargo xtask form --build` writes it to wasm/form/dist/app")
                }
                None => Error::input("form", "the form's files: none were built in")
                    .hint("--form DIR names their folder; FIELDSCORE_FORM=DIR builds them in"),
            });
        }
        let settings = match files.remove(SETTINGS) {
            None => Map::new(),
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| {
                Error::input(
                    "the form's config.json",
                    "an object with the form's attributes",
                )
            })?,
        };
        Ok(Self { files, settings })
    }

    /// What the form's own `config.json` says.
    pub fn settings(&self) -> &Map<String, Value> {
        &self.settings
    }

    /// The file at `path`, and its type.
    pub fn file(&self, path: &str) -> Option<(&Bytes, &'static str)> {
        let is_page = path == "/" || (path.ends_with(".html") && self.files.contains_key(path));
        let path = if is_page || path == "/index.html" {
            PAGE
        } else {
            path
        };
        let bytes = self.files.get(path)?;
        Some((bytes, kind(path)))
    }
}

fn read(
    folder: &Path,
    prefix: &str,
    depth: usize,
    files: &mut BTreeMap<String, Bytes>,
) -> Result<()> {
    let at = |e: std::io::Error| error::io(folder, &e);
    for entry in std::fs::read_dir(folder).map_err(at)? {
        let entry = entry.map_err(at)?;
        let kind = entry.file_type().map_err(at)?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = format!("{prefix}{name}");
        if kind.is_dir() && depth < MAX_DEPTH {
            read(&entry.path(), &format!("{path}/"), depth + 1, files)?;
        } else if kind.is_file() {
            let len = entry.metadata().map_err(at)?.len();
            let so_far: u64 = files.values().map(|bytes| bytes.len() as u64).sum();
            if so_far.saturating_add(len) > MAX_BYTES {
                let expected = format!("the form's files, at most {MAX_BYTES} bytes of them");
                return Err(Error::input(folder.display().to_string(), expected));
            }
            let bytes = std::fs::read(entry.path()).map_err(at)?;
            files.insert(path, Bytes::from(bytes));
        }
    }
    Ok(())
}

/// The media type that a file's extension names. With `nosniff` a browser takes no other.
fn kind(path: &str) -> &'static str {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_files_of_the_folder_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let secret = tempfile::NamedTempFile::new().unwrap();
        let root = folder.path();
        assert!(Site::load(Some(root)).is_err());
        std::fs::create_dir(root.join("assets")).unwrap();
        std::fs::write(root.join("index.html"), "staff").unwrap();
        assert!(Site::load(Some(root)).is_err());
        std::fs::write(root.join("kiosk.html"), "<p>").unwrap();
        std::fs::write(root.join("config.json"), "[]").unwrap();
        assert!(Site::load(Some(root)).is_err());
        std::fs::write(root.join("config.json"), r#"{"idle-seconds":60}"#).unwrap();
        std::fs::write(root.join("assets/a.wasm"), "\0asm").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(secret.path(), root.join("link.txt")).unwrap();
        let site = Site::load(Some(root)).unwrap();
        for page in ["/", "/index.html", "/kiosk.html"] {
            assert_eq!(site.file(page).unwrap().0, "<p>");
        }
        assert_eq!(site.settings()["idle-seconds"], 60);
        assert_eq!(site.file("/assets/a.wasm").unwrap().1, "application/wasm");
        for path in [
            "",
            "/assets",
            "/assets/",
            "/link.txt",
            "/../x",
            "//index.html",
            "/%2e",
        ] {
            assert!(site.file(path).is_none(), "{path}");
        }
    }
}

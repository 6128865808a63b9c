//! The form's files: built in, or of a folder; read once, so that nothing but them is ever served.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use fieldscore_cli::{Error, Result, error};

/// The files that were built in: path below the form's folder, and bytes.
static BUILT_IN: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/form.rs"));

/// The form is small; what is larger is some other folder.
const MAX_BYTES: u64 = 64 << 20;
/// Nor has it folders in folders in folders.
const MAX_DEPTH: usize = 8;

/// Files by the path that a browser asks for.
pub struct Site {
    files: BTreeMap<String, Cow<'static, [u8]>>,
}

impl Site {
    /// Reads `folder`, or takes what was built in.
    ///
    /// # Errors
    /// Where the folder cannot be read or holds no `index.html`, or nothing was built in.
    pub fn load(folder: Option<&Path>) -> Result<Self> {
        let mut files = BTreeMap::new();
        match folder {
            Some(folder) => read(folder, "/", 0, &mut files)?,
            None => {
                for (path, bytes) in BUILT_IN {
                    files.insert(format!("/{path}"), Cow::Borrowed(*bytes));
                }
            }
        }
        if files.contains_key("/index.html") {
            return Ok(Self { files });
        }
        Err(match folder {
            Some(folder) => Error::input(folder.display().to_string(), "a folder with index.html")
                .hint("`npm run build` in wasm/form writes the form's files to wasm/form/dist"),
            None => Error::input("form", "the form's files: none were built in")
                .hint("--form DIR names their folder; FIELDSCORE_FORM=DIR builds them in"),
        })
    }

    /// The file at `path`, and its type.
    pub fn file(&self, path: &str) -> Option<(&[u8], &'static str)> {
        let index;
        let path = match path.strip_suffix('/') {
            Some(folder) => {
                index = format!("{folder}/index.html");
                index.as_str()
            }
            None => path,
        };
        let bytes = self.files.get(path)?;
        Some((bytes, kind(path)))
    }
}

fn read(
    folder: &Path,
    prefix: &str,
    depth: usize,
    files: &mut BTreeMap<String, Cow<'static, [u8]>>,
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
            files.insert(path, Cow::Owned(bytes));
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
        std::fs::write(root.join("index.html"), "<p>").unwrap();
        std::fs::write(root.join("assets/a.wasm"), "\0asm").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(secret.path(), root.join("link.txt")).unwrap();
        let site = Site::load(Some(root)).unwrap();
        assert_eq!(site.file("/").unwrap().0, b"<p>");
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

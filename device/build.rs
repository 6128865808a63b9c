//! Puts the form's files into the binary, deflated, where `FIELDSCORE_FORM` names their folder.

use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::DeflateEncoder;

fn main() -> Result<(), String> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=FIELDSCORE_FORM");
    let out = std::env::var_os("OUT_DIR").ok_or("OUT_DIR: expected cargo to set it")?;
    let out = Path::new(&out);
    let mut table = String::from("&[\n");
    if let Some(folder) = std::env::var_os("FIELDSCORE_FORM").filter(|name| !name.is_empty()) {
        let root = PathBuf::from(&folder);
        if root.is_relative() {
            return Err(format!(
                "FIELDSCORE_FORM={}: expected an absolute path",
                root.display()
            ));
        }
        println!("cargo::rerun-if-changed={}", root.display());
        let mut files = Vec::new();
        list(&root, &mut files)?;
        files.sort();
        for (index, file) in files.iter().enumerate() {
            let name = file
                .strip_prefix(&root)
                .ok()
                .and_then(Path::to_str)
                .ok_or_else(|| format!("{}: expected a name in UTF-8", file.display()))?;
            let place = |e: std::io::Error| format!("{}: {e}", file.display());
            let packed = out.join(format!("{index}.deflate"));
            let whole = std::fs::File::open(file).map_err(place)?;
            let mut bytes = Vec::new();
            let mut deflate = DeflateEncoder::new(whole, Compression::best());
            deflate.read_to_end(&mut bytes).map_err(place)?;
            std::fs::write(&packed, bytes).map_err(place)?;
            writeln!(table, "    ({name:?}, include_bytes!({packed:?})),")
                .map_err(|e| e.to_string())?;
        }
    }
    table.push_str("]\n");
    std::fs::write(out.join("form.rs"), table).map_err(|e| e.to_string())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let place = |e: std::io::Error| format!("FIELDSCORE_FORM, {}: {e}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(place)? {
        let entry = entry.map_err(place)?;
        let kind = entry.file_type().map_err(place)?;
        if kind.is_dir() {
            list(&entry.path(), files)?;
        } else if kind.is_file() && !is_spare(&entry.file_name().to_string_lossy()) {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Modules that hold WebAssembly as text are for hosts where files cannot be had; here they can.
fn is_spare(name: &str) -> bool {
    name.starts_with("inline-") || name.ends_with(".map")
}

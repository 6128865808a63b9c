//! Puts the form's files into the binary, where `FIELDSCORE_FORM` names their folder.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() -> Result<(), String> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=FIELDSCORE_FORM");
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
        for file in files {
            let name = file
                .strip_prefix(&root)
                .ok()
                .and_then(Path::to_str)
                .ok_or_else(|| format!("{}: expected a name in UTF-8", file.display()))?;
            writeln!(table, "    ({:?}, include_bytes!({:?})),", name, file)
                .map_err(|e| e.to_string())?;
        }
    }
    table.push_str("]\n");
    let out = std::env::var_os("OUT_DIR").ok_or("OUT_DIR: expected cargo to set it")?;
    std::fs::write(Path::new(&out).join("form.rs"), table).map_err(|e| e.to_string())
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

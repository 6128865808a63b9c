//! Reading a recipe: `extends` merged, paths resolved, the place of every fault named.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result, io};
use crate::recipe::Recipe;

/// A recipe with where it came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The recipe.
    pub recipe: Recipe,
    /// Its folder.
    pub folder: PathBuf,
    /// SHA-256 over the merged recipe, paths as written.
    pub sha256: [u8; 32],
}

/// The file of a recipe in its folder.
pub const FILE: &str = "recipe.toml";

/// How many files a recipe may extend, all told.
const MAX_FILES: usize = 32;

/// Keys whose values are paths, relative to the file that they stand in.
const PATHS: [&[&str]; 9] = [
    &["blend", "file"],
    &["challenger", "bundle"],
    &["model", "file"],
    &["model", "native"],
    &["data", "file"],
    &["data", "unlabelled"],
    &["split", "file"],
    &["split", "files", "validation"],
    &["split", "files", "test"],
];

/// Loads the recipe of `folder` (or the recipe file itself).
///
/// # Errors
/// Where a file cannot be read, is no TOML, or has a key or value that a recipe does not know:
/// with the file and the key.
pub fn load(folder: &Path) -> Result<Loaded> {
    let path = if folder.is_dir() {
        folder.join(FILE)
    } else {
        folder.to_owned()
    };
    let mut sources = Vec::new();
    collect(&path, &mut sources, 0)?;
    let mut written = toml::Table::new();
    let mut resolved = toml::Table::new();
    for (path, table) in &sources {
        merge(&mut written, table.clone());
        let mut table = table.clone();
        resolve_paths(&mut table, path.parent().unwrap_or(Path::new("")));
        merge(&mut resolved, table);
    }
    let mut recipe: Recipe = serde_path_to_error::deserialize(toml::Value::Table(resolved))
        .map_err(|e| {
            let key = e.path().to_string();
            let file = source_of(&sources, &key).unwrap_or(&path);
            let place = if key == "." {
                String::new()
            } else {
                format!(", key {key}")
            };
            let what = e.inner().to_string();
            Error::input(
                format!("{}{place}", file.display()),
                format!("a valid recipe: {}", what.trim()),
            )
            .hint("docs/recipe.md lists every key")
        })?;
    for name in recipe.models.iter().flat_map(|model| &model.features) {
        if !recipe.model.features.contains(name) {
            recipe.model.features.push(name.clone());
        }
    }
    let text = toml::to_string(&written).unwrap_or_default();
    super::check::check(&recipe).map_err(|e| e.within(path.display()))?;
    Ok(Loaded {
        recipe,
        folder: path.parent().unwrap_or(Path::new("")).to_owned(),
        sha256: Sha256::digest(text.as_bytes()).into(),
    })
}

/// Reads `path` and, before it, what it extends.
fn collect(path: &Path, sources: &mut Vec<(PathBuf, toml::Table)>, depth: usize) -> Result<()> {
    if depth > 8 || sources.len() >= MAX_FILES {
        return Err(Error::input(
            path.display().to_string(),
            format!("at most {MAX_FILES} files, none extending itself"),
        ));
    }
    let text = std::fs::read_to_string(path).map_err(|e| {
        let error = io(path, &e);
        if depth == 0 {
            error.hint("`fieldscore init MODEL DATA.csv --label COLUMN` drafts a recipe")
        } else {
            error
        }
    })?;
    let mut table: toml::Table = text.parse().map_err(|e: toml::de::Error| {
        let before = |span: std::ops::Range<usize>| &text.as_bytes()[..span.start.min(text.len())];
        let line = e.span().map_or(1, |span| {
            1 + before(span).iter().filter(|&&b| b == b'\n').count()
        });
        Error::input(
            format!("{}:{line}", path.display()),
            format!("valid TOML: {}", e.message()),
        )
    })?;
    let extends = match table.remove("extends") {
        None => Vec::new(),
        Some(toml::Value::Array(files)) => files,
        Some(_) => {
            return Err(Error::input(
                format!("{}, key extends", path.display()),
                "a list of files",
            ));
        }
    };
    for file in extends {
        let Some(file) = file.as_str() else {
            return Err(Error::input(
                format!("{}, key extends", path.display()),
                "a list of files",
            ));
        };
        collect(
            &path.parent().unwrap_or(Path::new("")).join(file),
            sources,
            depth + 1,
        )?;
    }
    sources.push((path.to_owned(), table));
    Ok(())
}

/// Tables are merged key by key; any other value of `above` replaces the one below, and `false`
/// takes a table away.
fn merge(below: &mut toml::Table, above: toml::Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => merge(below, above),
            (Some(toml::Value::Table(_)), toml::Value::Boolean(false)) => {
                below.remove(&key);
            }
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

fn resolve_paths(table: &mut toml::Table, folder: &Path) {
    if let Some(toml::Value::Array(models)) = table.get_mut("models") {
        for model in models.iter_mut().filter_map(toml::Value::as_table_mut) {
            if let Some(toml::Value::String(path)) = model.get_mut("file") {
                *path = folder.join(&*path).display().to_string();
            }
        }
    }
    for keys in PATHS {
        let Some((last, tables)) = keys.split_last() else {
            continue;
        };
        let inner = tables.iter().try_fold(&mut *table, |table, key| {
            table.get_mut(*key).and_then(toml::Value::as_table_mut)
        });
        if let Some(toml::Value::String(path)) = inner.and_then(|table| table.get_mut(*last)) {
            *path = folder.join(&*path).display().to_string();
        }
    }
    let data = table.get_mut("data").and_then(toml::Value::as_table_mut);
    let tables = data.and_then(|data| data.get_mut("tables"));
    for (_, path) in tables
        .and_then(toml::Value::as_table_mut)
        .into_iter()
        .flatten()
    {
        if let toml::Value::String(path) = path {
            *path = folder.join(&*path).display().to_string();
        }
    }
}

/// The last file in which the key path stands, as far as it stands anywhere.
fn source_of<'a>(sources: &'a [(PathBuf, toml::Table)], key: &str) -> Option<&'a PathBuf> {
    let names: Vec<&str> = key.split(['.', '[']).collect();
    let depth = |table: &toml::Table| {
        let mut inner = Some(table);
        names
            .iter()
            .take_while(|name| match inner.and_then(|table| table.get(**name)) {
                Some(value) => {
                    inner = value.as_table();
                    true
                }
                None => false,
            })
            .count()
    };
    sources
        .iter()
        .rev()
        .max_by_key(|(_, table)| depth(table))
        .map(|(path, _)| path)
}

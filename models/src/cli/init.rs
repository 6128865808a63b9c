//! `fieldscore init`: a first recipe from a model and its data.

use std::path::{Path, PathBuf};

use crate::cli::build::write_whole;
use crate::cli::{Exit, say};
use crate::error::{Error, Result};
use crate::recipe::{self, Draft, draft};

/// Draft a recipe from a model and its data: types, ranges, gaps, categories
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  fieldscore init model.onnx loans.csv --label defaulted --bad 1 -o my-model
  fieldscore init model.txt loans.csv --label defaulted --bad 1 -o my-trees")]
pub struct InitArgs {
    /// The model (ONNX, LightGBM's or XGBoost's own file)
    model: PathBuf,
    /// Labelled rows (CSV)
    data: PathBuf,
    /// The column to be predicted
    #[arg(long, value_name = "COLUMN")]
    label: String,
    /// Its value for a bad loan [default: guessed, and said]
    #[arg(long, value_name = "VALUE")]
    bad: Option<String>,
    /// The folder for recipe.toml [default: the model's]
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Drafts a recipe.
///
/// # Errors
/// Where model or data cannot be read, or there is a recipe already.
pub fn run(args: InitArgs) -> Result<Exit> {
    let folder = args.output.unwrap_or_else(|| {
        let parent = args.model.parent().unwrap_or(Path::new(""));
        if parent.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            parent.to_owned()
        }
    });
    let path = folder.join(recipe::FILE);
    if path.exists() {
        return Err(Error::input(
            path.display().to_string(),
            "no recipe there yet: it is never overwritten",
        ));
    }
    let drafted = draft(Draft {
        model: &args.model,
        data: &args.data,
        label: &args.label,
        bad: args.bad.as_deref(),
        folder: &folder,
    })?;
    write_whole(&path, drafted.toml.as_bytes())?;
    for note in &drafted.notes {
        say::warn(note);
    }
    say::note(format!(
        "drafted {}; edit it, then `fieldscore build {}`",
        path.display(),
        folder.display()
    ));
    Ok(Exit::Done)
}

//! `cargo xtask sizes`: what reaches a device, in bytes, against what it was.

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::run::{self, Failure, Result, cargo};
use crate::workspace::Workspace;
use crate::{bundle, device, form, phones, wasm};

/// The sizes that were committed.
const HISTORY: &str = "benches/sizes.json";
/// Growth that is worth a warning, and growth that fails.
const WARN: f64 = 0.05;
const FAIL: f64 = 0.20;

/// Measure what ships and compare it with benches/sizes.json
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Warns of an artifact that has grown by 5 %, fails at 20 % or above its limit."
)]
pub struct SizesArgs {
    /// One JSON object per artifact on stdout
    #[arg(long)]
    json: bool,
    /// Write the sizes to benches/sizes.json instead of comparing
    #[arg(long)]
    update: bool,
    /// Only artifacts whose names start so
    #[arg(long, value_name = "START", default_value = "")]
    only: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Size {
    artifact: String,
    raw: u64,
    gzip: u64,
    /// The most that `gzip` may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    /// The most that `raw` may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit_raw: Option<u64>,
}

/// Measures everything and compares it.
pub fn check(workspace: &Workspace) -> Result<()> {
    run(
        workspace,
        &SizesArgs {
            json: false,
            update: false,
            only: String::new(),
        },
    )
}

/// The task.
pub fn run(workspace: &Workspace, args: &SizesArgs) -> Result<()> {
    let committed = committed()?;
    let was = |name: &str| committed.iter().find(|size| size.artifact == name);
    let mut sizes = Vec::new();
    for mut size in measured(workspace, &args.only)? {
        if let Some(was) = was(&size.artifact) {
            (size.limit, size.limit_raw) = (was.limit, was.limit_raw);
        }
        sizes.push(size);
    }
    if args.update {
        let mut all = committed.clone();
        for size in sizes {
            match all.iter_mut().find(|was| was.artifact == size.artifact) {
                Some(was) => *was = size,
                None => all.push(size),
            }
        }
        return write(&all);
    }
    let mut failed = Vec::new();
    for size in &sizes {
        let growth = was(&size.artifact).map(|was| size.growth(was));
        size.print(growth, args.json)?;
        if let Some(what) = size.verdict(growth) {
            failed.push(what);
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(failed.join("; "))
            .with_hint("where the growth is worth it: cargo xtask sizes --update, and say why")),
    }
}

/// Builds and measures what has a name that starts with `only`.
fn measured(workspace: &Workspace, only: &str) -> Result<Vec<Size>> {
    let mut all = Vec::new();
    if BUNDLE.starts_with(only) {
        all.push(Size::measure(BUNDLE, &[bundle::credit(workspace)?])?);
    }
    if MINIMAL.starts_with(only) {
        run::run(cargo().args(["build", "--profile", "min", "-p", MINIMAL]))?;
        let program = workspace.program("min", MINIMAL);
        all.push(Size::measure(MINIMAL, &[program])?);
    }
    if DEVICE.starts_with(only) {
        // As it ships: with the form inside.
        form::build(workspace)?;
        let program = device::native(workspace, Some(&device::built_form()?))?;
        all.push(Size::measure(DEVICE, &[program])?);
    }
    let builds = wasm::BUILDS.map(|build| (format!("npm {}", build.name), build));
    if builds.iter().any(|(name, _)| name.starts_with(only)) {
        let package = wasm::package(workspace)?;
        for (name, build) in builds {
            if name.starts_with(only) {
                all.push(Size::measure(&name, &package.loaded(build)?)?);
            }
        }
    }
    if PHONES.starts_with(only) {
        all.push(Size::measure(PHONES, &[phones::stand_in(workspace)?])?);
    }
    if FORM.starts_with(only) {
        let text = form::first_visit(workspace, &bundle::credit(workspace)?)?;
        all.push(serde_json::from_str(&text).map_err(Failure::at("form"))?);
    }
    match all.is_empty() {
        true => Err(Failure::new(format!(
            "{only}: no artifact's name starts so"
        ))),
        false => Ok(all),
    }
}

const BUNDLE: &str = "credit.fsb";
const MINIMAL: &str = "fieldscore-minimal";
const DEVICE: &str = "fieldscore-device";
/// What an Android phone loads, but for the system that it is linked for.
const PHONES: &str = "libfieldscore_mobile.so, aarch64-linux-gnu as a proxy for Android";
/// The form's first visit, with the credit bundle.
const FORM: &str = "form";

impl Size {
    /// The sum of the files, each zipped by itself, as a server sends them.
    fn measure(artifact: &str, files: &[PathBuf]) -> Result<Self> {
        let mut size = Self {
            artifact: artifact.to_owned(),
            raw: 0,
            gzip: 0,
            limit: None,
            limit_raw: None,
        };
        for path in files {
            let (raw, gzip) = measure(path)?;
            size.raw += raw;
            size.gzip += gzip;
        }
        Ok(size)
    }

    /// By what share it has grown, raw or zipped, whichever is more.
    fn growth(&self, was: &Self) -> f64 {
        let share = |now: u64, was: u64| now as f64 / was.max(1) as f64 - 1.0;
        share(self.raw, was.raw).max(share(self.gzip, was.gzip))
    }

    /// What is wrong with it, if anything fails.
    fn verdict(&self, growth: Option<f64>) -> Option<String> {
        let name = &self.artifact;
        if let Some(limit) = self.limit.filter(|&limit| self.gzip > limit) {
            let gzip = self.gzip;
            return Some(format!(
                "{name}: {gzip} bytes zipped, at most {limit} allowed"
            ));
        }
        if let Some(limit) = self.limit_raw.filter(|&limit| self.raw > limit) {
            let raw = self.raw;
            return Some(format!("{name}: {raw} bytes, at most {limit} allowed"));
        }
        match growth {
            Some(growth) if growth >= FAIL => {
                Some(format!("{name}: grown by {:.1} %", growth * 100.0))
            }
            Some(growth) if growth >= WARN => {
                eprintln!("warning: {name}: grown by {:.1} %", growth * 100.0);
                None
            }
            Some(_) => None,
            None => Some(format!("{name}: not in {HISTORY}")),
        }
    }

    fn print(&self, growth: Option<f64>, json: bool) -> Result<()> {
        if json {
            let mut line = self.clone();
            (line.limit, line.limit_raw) = (None, None);
            println!(
                "{}",
                serde_json::to_string(&line).map_err(Failure::at("json"))?
            );
            return Ok(());
        }
        let growth = growth.map_or("new".to_owned(), |growth| {
            format!("{:+.1} %", growth * 100.0)
        });
        println!(
            "{:<20} {:>9} bytes  {:>9} zipped  {growth:>8}",
            self.artifact, self.raw, self.gzip
        );
        Ok(())
    }
}

/// A file's length, and zipped.
fn measure(path: &Path) -> Result<(u64, u64)> {
    let place = Failure::at(path.display());
    let bytes = std::fs::read(path).map_err(&place)?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&bytes).map_err(&place)?;
    let zipped = gzip.finish().map_err(&place)?;
    Ok((bytes.len() as u64, zipped.len() as u64))
}

fn committed() -> Result<Vec<Size>> {
    match std::fs::read_to_string(HISTORY) {
        Ok(text) => serde_json::from_str(&text).map_err(Failure::at(HISTORY)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Failure::at(HISTORY)(error)),
    }
}

fn write(sizes: &[Size]) -> Result<()> {
    let mut text = serde_json::to_string_pretty(sizes).map_err(Failure::at(HISTORY))?;
    text.push('\n');
    std::fs::write(HISTORY, text).map_err(Failure::at(HISTORY))?;
    eprintln!("written: {HISTORY}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(raw: u64, gzip: u64, limit: Option<u64>) -> Size {
        Size {
            artifact: "a".to_owned(),
            raw,
            gzip,
            limit,
            limit_raw: None,
        }
    }

    #[test]
    fn the_greater_growth_counts() {
        let growth = size(100, 60, None).growth(&size(100, 50, None));
        assert!((growth - 0.2).abs() < 1e-12);
    }

    #[test]
    fn growth_above_a_fifth_or_a_limit_fails() {
        assert_eq!(size(1, 1, Some(1)).verdict(Some(0.06)), None);
        assert!(size(1, 1, None).verdict(Some(0.2)).is_some());
        assert!(size(1, 2, Some(1)).verdict(Some(0.0)).is_some());
        let raw = Size {
            limit_raw: Some(8),
            ..size(9, 1, None)
        };
        assert!(raw.verdict(Some(0.0)).is_some());
    }

    #[test]
    fn what_was_never_measured_fails() {
        assert!(size(1, 1, None).verdict(None).is_some());
    }
}

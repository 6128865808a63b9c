//! `cargo xtask phones`: the mobile crate for every phone's processor and system.
//!
//! Without an NDK no library can be linked that an Android phone loads. A shared library for
//! aarch64-unknown-linux-gnu stands in for it, of the same profile and with the same link flags
//! (`mobile/build.rs`): its size, its pages and its symbols are checked.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cross::{Toolchain, debian};
use crate::run::{self, Failure, Result, cargo};
use crate::workspace::Workspace;

/// Compile the mobile crate for every phone, and check what stands in for Android's library
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Targets: Android on arm64, armv7 and x86_64, iOS on devices and in simulators, the first of \
                        each as a static library; the golden suite through the crate on arm64 (qemu-user). Prints the path \
                        of the stripped library that stands in for Android's."
)]
pub struct PhonesArgs {
    /// Only the shared library that stands in for Android's
    #[arg(long)]
    proxy: bool,
}

/// The crate.
pub const PACKAGE: &str = "fieldscore-mobile";
/// The profile that a phone's library has.
pub const PROFILE: &str = "mobile";
/// What stands in for an Android phone.
const STAND_IN: &str = "aarch64-unknown-linux-gnu";
/// iPhones and iPads.
pub const APPLE_DEVICES: [&str; 1] = ["aarch64-apple-ios"];
/// Their simulators, on Macs of either kind: Xcode builds for both unless told not to.
pub const APPLE_SIMULATORS: [&str; 2] = ["aarch64-apple-ios-sim", "x86_64-apple-ios"];
const ANDROID: [&str; 3] = [
    "aarch64-linux-android",
    "armv7-linux-androideabi",
    "x86_64-linux-android",
];
/// What the profile is without what takes its time: whether it compiles is the question.
const QUICK: [&str; 6] = [
    "--config",
    "profile.mobile.lto=false",
    "--config",
    "profile.mobile.opt-level=1",
    "--config",
    "profile.mobile.codegen-units=16",
];
/// What phones of Android 15 and later ask of every segment.
const PAGE: u64 = 16_384;

/// The task.
pub fn run(workspace: &Workspace, args: &PhonesArgs) -> Result<()> {
    if !args.proxy {
        let apple = [APPLE_DEVICES.as_slice(), &APPLE_SIMULATORS].concat();
        for targets in [&ANDROID[..], &apple] {
            let (first, others) = targets.split_at(1);
            for target in first {
                static_library(workspace, target, &QUICK, "phones")?;
            }
            for target in others {
                type_check(workspace, target)?;
            }
        }
        golden(workspace)?;
    }
    println!("{}", stand_in(workspace)?.display());
    Ok(())
}

/// Everything, as `cargo xtask test` wants it.
pub fn check(workspace: &Workspace) -> Result<()> {
    run(workspace, &PhonesArgs { proxy: false })
}

/// Generates the bindings for a language from this machine's library, which is left in `target/release`.
pub fn bindings(workspace: &Workspace, language: &str, out: &Path) -> Result<()> {
    std::fs::create_dir_all(out).map_err(Failure::at(out.display()))?;
    run::run(cargo().args(["build", "--release", "-p", PACKAGE]))?;
    let library = format!(
        "{}fieldscore_mobile{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    );
    run::run(
        cargo()
            .args(["run", "--release", "-p", "fieldscore-bindgen", "--"])
            .args(["generate", "--language", language, "--no-format"])
            .args(["--config", "mobile/bindgen/crates.toml", "--library"])
            .arg(workspace.target.join("release").join(library))
            .arg("--out-dir")
            .arg(out),
    )
}

/// Builds the static library for one target.
pub fn static_library(
    workspace: &Workspace,
    target: &str,
    options: &[&str],
    folder: &str,
) -> Result<PathBuf> {
    let folder = workspace.folder(folder)?;
    let toolchain = Toolchain::of(target)?;
    let mut build = toolchain.cargo();
    build.args(["rustc", "-p", PACKAGE, "--lib", "--profile", PROFILE]);
    build.args(["--crate-type", "staticlib", "--target", target]);
    build.args(toolchain.arguments()).args(options);
    run::run(build.arg("--target-dir").arg(&folder))?;
    Ok(folder
        .join(target)
        .join(PROFILE)
        .join("libfieldscore_mobile.a"))
}

/// Checks that the crate compiles for one target, short of machine code: that of its processor is made, and
/// run, for another system.
fn type_check(workspace: &Workspace, target: &str) -> Result<()> {
    let toolchain = Toolchain::of(target)?;
    let mut check = toolchain.cargo();
    check.args(["check", "-p", PACKAGE, "--lib", "--profile", PROFILE]);
    check.args(["--target", target]).args(toolchain.arguments());
    run::run(check.arg("--target-dir").arg(workspace.folder("phones")?))
}

/// Runs the crate's own tests, the golden suite among them, on an emulated phone's processor.
fn golden(workspace: &Workspace) -> Result<()> {
    debian("qemu-aarch64", &["qemu-user"])?;
    let toolchain = Toolchain::of(STAND_IN)?;
    let mut test = toolchain.cargo();
    test.args(["test", "-p", PACKAGE, "--tests", "--profile", PROFILE])
        .args(["--target", STAND_IN])
        .args(toolchain.arguments())
        .args(QUICK)
        .arg("--target-dir")
        .arg(workspace.folder("phones")?)
        .env(
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
            "qemu-aarch64 -L /usr/aarch64-linux-gnu",
        );
    run::run(&mut test)
}

/// Builds the shared library that stands in for Android's, checks it, and strips it.
pub fn stand_in(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.folder("phones")?;
    // With std of the same profile, and so of the same size, wherever it is built.
    let toolchain = Toolchain::rebuilding(STAND_IN)?;
    let mut build = toolchain.cargo();
    // Alone: beside a Rust library it would not be optimised as a whole.
    build.args(["rustc", "-p", PACKAGE, "--lib", "--profile", PROFILE]);
    build.args(["--crate-type", "cdylib", "--target", STAND_IN]);
    build.args(toolchain.arguments());
    run::run(build.arg("--target-dir").arg(&folder))?;
    let built = folder
        .join(STAND_IN)
        .join(PROFILE)
        .join("libfieldscore_mobile.so");
    let stripped = folder.join("libfieldscore_mobile.so");
    run::run(
        Command::new("aarch64-linux-gnu-strip")
            .arg(&built)
            .arg("-o")
            .arg(&stripped),
    )?;
    check_pages(&stripped)?;
    check_symbols(&stripped)?;
    Ok(stripped)
}

fn check_pages(library: &Path) -> Result<()> {
    let mut read = Command::new("aarch64-linux-gnu-readelf");
    let text = run::output(read.args(["-lW"]).arg(library))?;
    let alignments = alignments(&text);
    match !alignments.is_empty() && alignments.iter().all(|&alignment| alignment >= PAGE) {
        true => Ok(()),
        false => Err(Failure::new(format!(
            "{}: segments aligned to {alignments:?}, expected {PAGE} bytes or more",
            library.display()
        ))),
    }
}

/// What each loaded segment is aligned to, from what `readelf -lW` prints.
fn alignments(text: &str) -> Vec<u64> {
    let loaded = text.lines().map(str::trim).filter_map(|line| {
        let last = line.strip_prefix("LOAD")?.rsplit(' ').next()?;
        u64::from_str_radix(last.strip_prefix("0x")?, 16).ok()
    });
    loaded.collect()
}

fn check_symbols(library: &Path) -> Result<()> {
    let mut read = Command::new("aarch64-linux-gnu-nm");
    let text = run::output(read.args(["-D", "--defined-only"]).arg(library))?;
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.rsplit(' ').next())
        .collect();
    let foreign: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| !is_ours(name))
        .collect();
    let calls = names.iter().filter(|name| !name.starts_with(METADATA));
    match foreign.is_empty() && calls.count() > 50 {
        true => Ok(()),
        false => Err(Failure::new(format!(
            "{}: exports {} names, among them {foreign:?}; expected uniffi's alone",
            library.display(),
            names.len()
        ))),
    }
}

/// Data from which the bindings are generated.
const METADATA: &str = "UNIFFI_META_";

/// Whether a library of ours is to export the name: JNA looks up nothing else.
fn is_ours(name: &str) -> bool {
    let ours = [
        "uniffi_fieldscore_mobile_",
        "ffi_fieldscore_mobile_",
        METADATA,
    ];
    ours.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alignments_are_those_of_loaded_segments() {
        let text = "  Type  Offset Align\n  PHDR 0x000040 R 0x8\n  LOAD 0x0 0x0 R E 0x4000\n  LOAD 0xc4 RW  0x1000\n";
        assert_eq!(alignments(text), [0x4000, 0x1000]);
    }

    #[test]
    fn names_of_others_are_told() {
        assert!(is_ours("uniffi_fieldscore_mobile_fn_method_scorer_score"));
        assert!(is_ours("ffi_fieldscore_mobile_rustbuffer_alloc"));
        assert!(!is_ours("rust_eh_personality"));
    }
}

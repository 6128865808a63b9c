//! `cargo xtask ios`: the Swift package: its bindings, and its XCFramework where Xcode is.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cross::python;
use crate::phones::{self, APPLE_DEVICES, APPLE_SIMULATORS, PACKAGE, static_library};
use crate::run::{self, Failure, Result, cargo};
use crate::workspace::Workspace;

/// Build the Swift package: bindings everywhere, the XCFramework where Xcode is
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Writes mobile/ios/Sources/FieldscoreGenerated and, with Xcode, \
                        mobile/ios/FieldscoreFFI.xcframework; without, says what is missing."
)]
pub struct IosArgs {
    /// Test the package too, on this machine, where there is a Swift compiler
    #[arg(long)]
    test: bool,
}

/// The Swift package.
const FOLDER: &str = "mobile/ios";
const GENERATED: &str = "FieldscoreGenerated.swift";
const HEADER: &str = "FieldscoreFFI.h";
const MODULE_MAP: &str = "FieldscoreFFI.modulemap";

/// The task.
pub fn run(workspace: &Workspace, args: &IosArgs) -> Result<()> {
    let bindings = bindings(workspace)?;
    check(workspace, &bindings)?;
    place(&bindings)?;
    if has("xcodebuild") {
        println!("{}", framework(workspace, &bindings)?.display());
    } else {
        eprintln!(
            "not built: {FOLDER}/FieldscoreFFI.xcframework. Missing: xcodebuild (Xcode 16 or later, on a Mac), and \
             with it a compiler for SwiftUI: {FOLDER}/Sample.swiftpm is not compiled here"
        );
    }
    if args.test {
        test(workspace)?;
    }
    Ok(())
}

/// Everything that this machine can do, as `cargo xtask test` wants it.
pub fn measure(workspace: &Workspace) -> Result<()> {
    run(workspace, &IosArgs { test: true })
}

/// Generates the bindings from this machine's library, into a folder of their own.
fn bindings(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.folder("ios")?.join("bindings");
    phones::bindings(workspace, "swift", &folder)?;
    Ok(folder)
}

/// Checks what can be checked without Xcode.
fn check(workspace: &Workspace, bindings: &Path) -> Result<()> {
    let python = python(workspace, "tree_sitter_swift", &["tree-sitter"])?;
    run::run(
        Command::new(python)
            .arg(format!("{FOLDER}/scripts/check.py"))
            .arg(bindings.join(GENERATED))
            .arg(bindings.join(MODULE_MAP)),
    )
}

/// Puts the bindings where the package has them; on Linux with a module map that links this machine's
/// library.
fn place(bindings: &Path) -> Result<()> {
    let sources = Path::new(FOLDER).join("Sources");
    copy(
        &bindings.join(GENERATED),
        &sources.join("FieldscoreGenerated").join(GENERATED),
    )?;
    if cfg!(target_os = "linux") {
        let module = sources.join("FieldscoreFFI");
        copy(&bindings.join(HEADER), &module.join(HEADER))?;
        let map = module.join("module.modulemap");
        std::fs::write(&map, LINUX_MODULE_MAP).map_err(Failure::at(map.display()))?;
    }
    Ok(())
}

const LINUX_MODULE_MAP: &str = "module FieldscoreFFI {\n    header \"FieldscoreFFI.h\"\n    export *\n    \
                                link \"fieldscore_mobile\"\n}\n";

/// Assembles the XCFramework from a slice for devices and one for simulators.
fn framework(workspace: &Workspace, bindings: &Path) -> Result<PathBuf> {
    let headers = workspace.folder("ios")?.join("headers");
    // A folder of their own: Xcode lays the headers of all frameworks beside each other.
    let own = headers.join("FieldscoreFFI");
    copy(&bindings.join(HEADER), &own.join(HEADER))?;
    copy(&bindings.join(MODULE_MAP), &own.join("module.modulemap"))?;
    let framework = Path::new(FOLDER).join("FieldscoreFFI.xcframework");
    if framework.exists() {
        std::fs::remove_dir_all(&framework).map_err(Failure::at(framework.display()))?;
    }
    let mut create = Command::new("xcodebuild");
    create.arg("-create-xcframework");
    for targets in [APPLE_DEVICES.as_slice(), &APPLE_SIMULATORS] {
        create.arg("-library").arg(slice(workspace, targets)?);
        create.arg("-headers").arg(&headers);
    }
    run::run(create.arg("-output").arg(&framework))?;
    Ok(framework)
}

/// One slice's static library, for the processors of all its targets.
fn slice(workspace: &Workspace, targets: &[&str]) -> Result<PathBuf> {
    let built = targets
        .iter()
        .map(|target| static_library(workspace, target, &[], "ios"));
    let built = built.collect::<Result<Vec<PathBuf>>>()?;
    if let [only] = built.as_slice() {
        return Ok(only.clone());
    }
    let folder = workspace.folder("ios")?.join("simulators");
    std::fs::create_dir_all(&folder).map_err(Failure::at(folder.display()))?;
    let whole = folder.join("libfieldscore_mobile.a");
    let mut join = Command::new("lipo");
    join.arg("-create").args(&built).arg("-output").arg(&whole);
    run::run(&mut join)?;
    Ok(whole)
}

/// Compiles and tests the package on this machine.
fn test(workspace: &Workspace) -> Result<()> {
    if cfg!(target_os = "macos") {
        return test_in_simulator(workspace);
    }
    if !has("swiftc") {
        eprintln!(
            "not run: {FOLDER}/Tests. Missing: swiftc 6.0 or later on the PATH, from swift.org or Xcode; then: \
             cargo xtask ios --test"
        );
        return Ok(());
    }
    swift_test(&workspace.target.join("release"), &[])?;
    // The golden suite again, with a library that decides with every family of models.
    let folder = workspace.folder("tensors")?;
    let mut build = cargo();
    build.args(["build", "--release", "-p", PACKAGE, "--lib"]);
    build.args(["--features", "tensors"]);
    run::run(build.arg("--target-dir").arg(&folder))?;
    swift_test(&folder.join("release"), &["--filter", "GoldenTests"])
}

/// Tests the package with the library in a folder; with a filter the one of every family.
fn swift_test(folder: &Path, filter: &[&str]) -> Result<()> {
    let folder = std::path::absolute(folder).map_err(Failure::at(folder.display()))?;
    let mut test = Command::new("swift");
    test.args(["test", "--package-path", FOLDER]).args(filter);
    test.arg("-Xlinker").arg("-L").arg("-Xlinker").arg(&folder);
    test.env("LD_LIBRARY_PATH", &folder)
        .env("FIELDSCORE_TENSORS", (!filter.is_empty()).to_string());
    run::run(&mut test)
}

/// Compiles and tests the package in a simulator: the XCFramework has nothing for Macs, for which
/// `swift test` would build.
fn test_in_simulator(workspace: &Workspace) -> Result<()> {
    if !has("xcodebuild") {
        eprintln!(
            "not run: {FOLDER}/Tests. Missing: xcodebuild (Xcode 16 or later; the command-line tools alone don't do); \
             then: cargo xtask ios --test"
        );
        return Ok(());
    }
    let mut list = Command::new("xcrun");
    list.args(["simctl", "list", "devices", "available", "--json"]);
    let id = simulator(&run::output(&mut list)?).ok_or_else(|| {
        Failure::new("no simulator of an iPhone")
            .with_hint("install one with: xcodebuild -downloadPlatform iOS")
    })?;
    let data = workspace.folder("ios")?.join("xcode");
    let data = std::path::absolute(&data).map_err(Failure::at(data.display()))?;
    let mut test = Command::new("xcodebuild");
    test.current_dir(FOLDER)
        .args(["test", "-scheme", "Fieldscore"]);
    test.arg("-destination").arg(format!("id={id}"));
    run::run(test.arg("-derivedDataPath").arg(data))
}

/// An iPhone of what `simctl list devices --json` says, of the last of its systems.
fn simulator(list: &str) -> Option<String> {
    let list: serde_json::Value = serde_json::from_str(list).ok()?;
    let systems = list.get("devices")?.as_object()?;
    let devices = systems
        .iter()
        .filter(|(system, _)| system.contains(".iOS-"))
        .filter_map(|(_, devices)| devices.as_array())
        .flatten();
    let mut phones = devices.filter(|device| {
        let name = device.get("name").and_then(serde_json::Value::as_str);
        name.is_some_and(|name| name.starts_with("iPhone"))
    });
    Some(phones.next_back()?.get("udid")?.as_str()?.to_owned())
}

fn has(program: &str) -> bool {
    let mut version = Command::new(program);
    version.arg("-version").stdout(Stdio::null());
    version
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).map_err(Failure::at(folder.display()))?;
    }
    std::fs::copy(from, to).map_err(Failure::at(from.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulator_is_an_iphone_of_an_ios() {
        let list = r#"{"devices": {
            "com.apple.CoreSimulator.SimRuntime.iOS-18-0": [
                {"udid": "A", "name": "iPhone 16"}, {"udid": "B", "name": "iPad Air"}
            ],
            "com.apple.CoreSimulator.SimRuntime.watchOS-11-0": [{"udid": "C", "name": "Apple Watch"}]
        }}"#;
        assert_eq!(simulator(list).as_deref(), Some("A"));
        assert_eq!(simulator(r#"{"devices": {}}"#), None);
    }
}

//! `cargo xtask engines`: the TensorFlow Lite engine, built against its library and tested.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cross::install;
use crate::libraries::TFLITE;
use crate::run::{self, Failure, Result, cargo};
use crate::workspace::Workspace;

/// Build and test the TensorFlow Lite engine: bundles that carry a .tflite file as it is
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The library comes with pip, libclang and OpenSSL's headers (for the build of the crate \
                  tflitec) with apt-get. --env prints what a build of one's own needs, e.g.\n\
                  env $(cargo xtask engines --env) cargo build --release -p fieldscore-models --features tflite"
)]
pub struct EnginesArgs {
    /// Only print the environment that a build with the feature tflite needs
    #[arg(long)]
    env: bool,
}

/// The headers that the build of tflitec copies. Ours is the first; the others need not say a thing.
const HEADERS: [&str; 7] = [
    "tensorflow/lite/c/c_api.h",
    "tensorflow/lite/core/c/c_api.h",
    "tensorflow/lite/core/c/c_api_types.h",
    "tensorflow/lite/core/c/operator.h",
    "tensorflow/lite/core/async/c/types.h",
    "tensorflow/lite/builtin_ops.h",
    "tensorflow/compiler/mlir/lite/core/c/tflite_types.h",
];
const DECLARATIONS: &str = include_str!("../tflite/c_api.h");

/// The task.
pub fn run(workspace: &Workspace, args: &EnginesArgs) -> Result<()> {
    if args.env {
        for (name, value) in environment(workspace)? {
            println!("{name}={}", value.display());
        }
        return Ok(());
    }
    test(workspace)
}

/// Runs the engine's tests.
fn test(workspace: &Workspace) -> Result<()> {
    let mut test = cargo();
    test.args([
        "test",
        "--workspace",
        "--features",
        "fieldscore-tests/tflite",
    ]);
    test.args(["--test", "all", "engines"]);
    run::run(test.envs(environment(workspace)?))
}

/// What the build of tflitec is told: where the library and its declarations are.
///
/// # Errors
/// Where something that the build needs is missing.
pub fn environment(workspace: &Workspace) -> Result<[(&'static str, PathBuf); 2]> {
    packages()?;
    let library = TFLITE.file(workspace)?;
    let headers = workspace.folder("xtask-tools")?.join("tflite-headers");
    for header in HEADERS {
        let own = header == HEADERS[0];
        write(&headers.join(header), if own { DECLARATIONS } else { "" })?;
    }
    let whole = |path: &Path| std::path::absolute(path).map_err(Failure::at(path.display()));
    Ok([
        ("TFLITEC_PREBUILT_PATH", whole(&library)?),
        ("TFLITEC_HEADER_DIR", whole(&headers)?),
    ])
}

/// A file that changes only where its text does: a newer one would be built again.
fn write(path: &Path, text: &str) -> Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|found| found == text) {
        return Ok(());
    }
    let place = Failure::at(path.display());
    path.parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(path, text))
        .map_err(place)
}

/// What the build of tflitec links and reads: OpenSSL for its downloads, which are not made here, and
/// libclang for the declarations.
fn packages() -> Result<()> {
    let openssl = Command::new("pkg-config")
        .args(["--exists", "openssl"])
        .status()
        .is_ok_and(|status| status.success());
    if !openssl {
        install(&["pkg-config", "libssl-dev"])?;
    }
    if std::env::var_os("LIBCLANG_PATH").is_none() && !libclang() {
        install(&["libclang-dev"])?;
    }
    Ok(())
}

/// Whether Debian's libclang is there, of any version.
fn libclang() -> bool {
    let Ok(folders) = std::fs::read_dir("/usr/lib") else {
        return false;
    };
    folders.flatten().any(|folder| {
        let llvm = folder.file_name().to_string_lossy().starts_with("llvm-");
        llvm && folder.path().join("lib/libclang.so").exists()
    })
}

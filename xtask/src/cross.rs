//! Toolchains for other targets: rustup's where it can fetch them, else Debian's compiler with its
//! source, which builds std for any target.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run::{self, Failure, Result, cargo};
use crate::workspace::Workspace;

/// A way to build for one target.
#[derive(Debug)]
pub struct Toolchain {
    /// std has to be built, by Debian's cargo.
    builds_std: bool,
    target: &'static Target,
}

#[derive(Debug)]
struct Target {
    name: &'static str,
    /// The linker's variable and program, and the packages that hold it.
    linker: Option<(&'static str, &'static str, &'static [&'static str])>,
    std: &'static str,
}

const TARGETS: [Target; 10] = [
    Target {
        name: "aarch64-unknown-linux-gnu",
        linker: Some((
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
            "aarch64-linux-gnu-gcc",
            &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
        )),
        std: "-Zbuild-std=std,panic_unwind,panic_abort",
    },
    Target {
        name: "armv7-unknown-linux-gnueabihf",
        linker: Some((
            "CARGO_TARGET_ARMV7_UNKNOWN_LINUX_GNUEABIHF_LINKER",
            "arm-linux-gnueabihf-gcc",
            &["gcc-arm-linux-gnueabihf", "libc6-dev-armhf-cross"],
        )),
        std: "-Zbuild-std=std,panic_unwind,panic_abort",
    },
    Target {
        name: "thumbv7neon-unknown-linux-gnueabihf",
        linker: Some((
            "CARGO_TARGET_THUMBV7NEON_UNKNOWN_LINUX_GNUEABIHF_LINKER",
            "arm-linux-gnueabihf-gcc",
            &["gcc-arm-linux-gnueabihf", "libc6-dev-armhf-cross"],
        )),
        std: "-Zbuild-std=std,panic_unwind,panic_abort",
    },
    Target {
        name: "wasm32-unknown-unknown",
        linker: None,
        std: "-Zbuild-std=std,panic_abort",
    },
    Target::phone("aarch64-linux-android"),
    Target::phone("armv7-linux-androideabi"),
    Target::phone("x86_64-linux-android"),
    Target::phone("aarch64-apple-ios"),
    Target::phone("aarch64-apple-ios-sim"),
    Target::phone("x86_64-apple-ios"),
];

impl Target {
    /// The target called `name`, its linker installed if need be.
    fn of(name: &str) -> Result<&'static Self> {
        let target = TARGETS
            .iter()
            .find(|target| target.name == name)
            .ok_or_else(|| Failure::new(format!("{name}: no toolchain is known for it")))?;
        if let Some((_, program, packages)) = target.linker {
            debian(program, packages)?;
        }
        Ok(target)
    }

    /// A phone: for it static libraries are made, which need no linker.
    const fn phone(name: &'static str) -> Self {
        Self {
            name,
            linker: None,
            std: "-Zbuild-std=std,panic_unwind",
        }
    }
}

/// Where Debian's compiler and its source are.
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std";

impl Toolchain {
    /// A toolchain for `name`, installed if need be.
    pub fn of(name: &str) -> Result<Self> {
        let target = Target::of(name)?;
        if has_std(name) || (rustup_adds(name) && has_std(name)) {
            return Ok(Self {
                builds_std: false,
                target,
            });
        }
        Self::debian(target)
    }

    /// A toolchain that builds std too, for `name` as flags want it.
    pub fn rebuilding(name: &str) -> Result<Self> {
        Self::debian(Target::of(name)?)
    }

    fn debian(target: &'static Target) -> Result<Self> {
        if !cfg!(target_os = "linux") {
            let name = target.name;
            return Err(
                Failure::new(format!("{name}: Rust's std for it is missing"))
                    .with_hint(format!("install it with: rustup target add {name}")),
            );
        }
        if !Path::new(DEBIAN_SOURCE).is_dir() || !Path::new(DEBIAN_CARGO).is_file() {
            install(&["rustc-web", "cargo-web", "rust-web-src"])?;
        }
        if target.linker.is_none() {
            // The linker that the compiler calls by itself.
            debian("/usr/bin/rust-lld", &["rust-web-llvm", "lld-22"])?;
        }
        Ok(Self {
            builds_std: true,
            target,
        })
    }

    /// Its cargo.
    pub fn cargo(&self) -> Command {
        let mut command = if self.builds_std {
            Command::new(DEBIAN_CARGO)
        } else {
            cargo()
        };
        if self.builds_std {
            // Ahead of rustup's shims, and without what the running cargo has set for its own.
            let path = std::env::var("PATH").unwrap_or_default();
            command
                .env("PATH", format!("/usr/bin:{path}"))
                .env("RUSTC_BOOTSTRAP", "1");
            for name in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "RUSTDOC"] {
                command.env_remove(name);
            }
        }
        if let Some((variable, program, _)) = self.target.linker {
            command.env(variable, program);
        }
        command
    }

    /// What a build needs besides its target.
    pub fn arguments(&self) -> &[&str] {
        if self.builds_std {
            std::slice::from_ref(&self.target.std)
        } else {
            &[]
        }
    }
}

/// Whether the compiler in use has the target's std.
fn has_std(target: &str) -> bool {
    let rustc = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .output();
    rustc.is_ok_and(|output| {
        let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success()
            && std::fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some())
    })
}

fn rustup_adds(target: &str) -> bool {
    let mut command = Command::new("rustup");
    command
        .args(["target", "add", target])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Installs Debian packages where `program` is not on the PATH.
pub fn debian(program: &str, packages: &[&str]) -> Result<()> {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if found.is_ok() {
        Ok(())
    } else {
        install(packages)
    }
}

/// Installs Debian packages, with apt-get.
pub fn install(packages: &[&str]) -> Result<()> {
    let hint = format!("install it with: apt-get install {}", packages.join(" "));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        run::run(command.stdout(Stdio::null())).map_err(|failure| failure.with_hint(hint.clone()))
    };
    apt(&["update", "-q"])?;
    let mut arguments = vec!["install", "-y", "-q", "--no-install-recommends"];
    arguments.extend(packages);
    apt(&arguments)
}

/// The folder of a package's dependencies, installed as its lock file says, and node.
pub fn npm(package: &Path) -> Result<PathBuf> {
    debian("node", &["nodejs"])?;
    debian("npm", &["npm"])?;
    let modules = package.join("node_modules");
    // npm itself writes down what is installed: newer than the lock file, it is what that says.
    let changed = |path: PathBuf| path.metadata().and_then(|about| about.modified()).ok();
    let lock = changed(package.join("package-lock.json"));
    if lock.is_none() || changed(modules.join(".package-lock.json")) < lock {
        let mut command = Command::new("npm");
        command
            .args([
                "ci",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
                "--prefix",
            ])
            .arg(package)
            .stdout(Stdio::null());
        run::run(&mut command)?;
    }
    Ok(modules)
}

/// A Python that has `package`, and `more` that it needs, in an environment under `target/`.
pub fn python(workspace: &Workspace, package: &str, more: &[&str]) -> Result<PathBuf> {
    let folder = workspace
        .folder("xtask-tools")?
        .join(format!("python-{package}"));
    let program =
        std::path::absolute(folder.join("bin/python")).map_err(Failure::at(folder.display()))?;
    let imports = |program: &Path| {
        let mut command = Command::new(program);
        command
            .args(["-c", &format!("import {package}")])
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if imports(&program) {
        return Ok(program);
    }
    let hint = format!(
        "install it with: python3 -m venv {0} && {0}/bin/pip install {package}",
        folder.display()
    );
    let hinted = |failure: Failure| failure.with_hint(hint.clone());
    run::run(Command::new("python3").args(["-m", "venv"]).arg(&folder)).map_err(hinted)?;
    let mut install = Command::new(&program);
    install.args(["-m", "pip", "install", "-q", package]);
    run::run(install.args(more)).map_err(hinted)?;
    if imports(&program) {
        Ok(program)
    } else {
        Err(hinted(Failure::new(format!("{package}: not importable"))))
    }
}

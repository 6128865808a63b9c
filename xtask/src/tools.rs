//! Tools that tasks need: taken from PATH where they are new enough, else built from their
//! published source into `target/xtask-tools`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Result, cargo, run};
use crate::workspace::Workspace;

/// A tool that is installed with `cargo install`.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    name: &'static str,
    /// The package that has it.
    package: &'static str,
    version: [u32; 3],
    /// Whether a newer one is another one.
    exact: bool,
}

/// Licences, sources, duplicates, advisories.
pub const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    package: "cargo-deny",
    exact: false,
    version: [0, 20, 2],
};

/// The driver of libFuzzer.
pub const CARGO_FUZZ: Tool = Tool {
    name: "cargo-fuzz",
    package: "cargo-fuzz",
    exact: false,
    version: [0, 13, 2],
};

/// Makes the glue; of the very version of the crate `wasm-bindgen` in Cargo.toml.
pub const WASM_BINDGEN: Tool = Tool {
    name: "wasm-bindgen",
    package: "wasm-bindgen-cli",
    exact: true,
    version: [0, 2, 130],
};

impl Tool {
    /// The tool's program, installed first if need be.
    pub fn program(self, workspace: &Workspace) -> Result<PathBuf> {
        let root = workspace.folder("xtask-tools")?;
        let own = std::path::absolute(root.join("bin").join(self.name)).unwrap_or_default();
        for program in [own.as_path(), Path::new(self.name)] {
            if self.serves(program) {
                return Ok(program.to_path_buf());
            }
        }
        let [major, minor, patch] = self.version;
        let which = format!("{}@{major}.{minor}.{patch}", self.package);
        // It runs for seconds: without optimisation it is there in a third of the time.
        let install = |options: &[&str]| {
            let mut command = cargo();
            command
                .args(["install", "--debug", "--force"])
                .args(options)
                .args(["--config", "profile.dev.debug=false", "--root"])
                .arg(&root)
                .arg("--target-dir")
                .arg(root.join("build"))
                .arg(&which);
            run(&mut command)
        };
        // Its own lock file may name a release that has been withdrawn since.
        install(&["--locked"])
            .or_else(|_| install(&[]))
            .map_err(|failure| {
                failure.with_hint(format!("install it with: cargo install --locked {which}"))
            })?;
        Ok(own)
    }

    /// Whether `program` is this tool, as new as it must be.
    fn serves(self, program: &Path) -> bool {
        let output = Command::new(program).arg("--version").output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        text.is_ok_and(|text| version(&text).is_some_and(|found| self.is(found)))
    }
}

impl Tool {
    fn is(self, found: [u32; 3]) -> bool {
        found == self.version || !self.exact && found > self.version
    }
}

/// The version in `name 1.2.3`.
fn version(text: &str) -> Option<[u32; 3]> {
    let mut numbers = text
        .split_whitespace()
        .nth(1)?
        .splitn(3, '.')
        .map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some([next()?, next()?, next()?])
}

#[cfg(test)]
mod tests {
    use super::{CARGO_DENY, WASM_BINDGEN, version};

    #[test]
    fn versions_are_read_and_compared_as_numbers() {
        assert_eq!(version("cargo-deny 0.20.2\n"), Some([0, 20, 2]));
        assert!(version("x 0.9.0") < version("x 0.20.0"));
        assert_eq!(version("x"), None);
    }

    #[test]
    fn newer_serves_where_it_may() {
        assert!(CARGO_DENY.is([99, 0, 0]) && !CARGO_DENY.is([0, 0, 1]));
        assert!(WASM_BINDGEN.is(WASM_BINDGEN.version) && !WASM_BINDGEN.is([99, 0, 0]));
    }
}

//! The instructions that a decision takes on ARM, counted under qemu's user mode: the same number
//! on every machine, where time under an emulator says nothing about a phone.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cross::debian;
use crate::parity;
use crate::run::{self, Failure, Result, cargo};
use crate::workspace::Workspace;

/// The plugin that counts, a package of its own workspace: only qemu can load it.
const MANIFEST: &str = "benches/counter/Cargo.toml";
/// What an explanation may take on armv7.
const EXPLAIN_ARMV7: u64 = 5_000_000;
/// The parity program's applications, which it decides on in turn: whole passes are counted.
const SAMPLE: u64 = 32;

/// Where a decision is counted.
struct Machine {
    target: &'static str,
    qemu: &'static str,
    /// Where the target's C library is.
    root: &'static str,
    processor: &'static str,
}

const AARCH64: Machine = Machine {
    target: "aarch64-unknown-linux-gnu",
    qemu: "qemu-aarch64",
    root: "/usr/aarch64-linux-gnu",
    processor: "max",
};
const ARMV7: Machine = Machine {
    target: "armv7-unknown-linux-gnueabihf",
    qemu: "qemu-arm",
    root: "/usr/arm-linux-gnueabihf",
    processor: "cortex-a7",
};
const MACHINES: [Machine; 4] = [
    AARCH64,
    Machine {
        // Without dot product.
        processor: "cortex-a53",
        ..AARCH64
    },
    ARMV7,
    Machine {
        // The same processor, compiled for Thumb and NEON, as Android's builds are.
        target: "thumbv7neon-unknown-linux-gnueabihf",
        ..ARMV7
    },
];

/// One count.
#[derive(Debug, serde::Serialize)]
struct Count {
    /// The model.
    instructions: &'static str,
    target: &'static str,
    processor: &'static str,
    kernels: String,
    decision: &'static str,
    per_decision: u64,
}

/// Counts on every machine and prints.
pub fn measure(workspace: &Workspace, json: bool) -> Result<()> {
    debian("qemu-arm", &["qemu-user"])?;
    let plugin = plugin(workspace)?;
    if !json {
        println!("\ninstructions of a decision on the credit model, counted under qemu");
    }
    for machine in &MACHINES {
        let program = parity::program(workspace, machine.target)?;
        // An explanation is hundreds of scores: fewer of them say as much.
        for (decision, passes) in [("score", 8), ("explain", 1)] {
            let run = |passes: u64| machine.run(&plugin, &program, decision, passes * SAMPLE);
            // What comes before the first decision, and what the first ones set up, is in both.
            let ((few, kernels), (many, _)) = (run(1)?, run(1 + passes)?);
            let count = Count {
                instructions: "credit",
                target: machine.target,
                processor: machine.processor,
                kernels,
                decision,
                per_decision: many.saturating_sub(few) / (passes * SAMPLE),
            };
            count.print(json)?;
        }
    }
    Ok(())
}

/// Builds the plugin for the interface that the installed qemu has.
fn plugin(workspace: &Workspace) -> Result<PathBuf> {
    let place = "qemu-arm --version";
    let text = run::output(Command::new("qemu-arm").arg("--version"))?;
    let version =
        major(&text).ok_or_else(|| Failure::new(format!("{place}: expected `version MAJOR.`")))?;
    let help = run::output(Command::new("qemu-arm").arg("-help"))?;
    if !help.contains("-plugin") {
        return Err(
            Failure::new("qemu-arm: expected one that loads plugins (-plugin)").with_hint(
                "Debian's does: apt-get install qemu-user; a build of one's own: configure \
                 --enable-plugins",
            ),
        );
    }
    let folder = workspace.folder("counter")?;
    let mut command = cargo();
    command.args(["build", "--release", "--locked", "--manifest-path"]);
    command.arg(MANIFEST).arg("--target-dir").arg(&folder);
    if version >= 9 {
        command.args(["--features", "qemu-9"]);
    }
    run::run(&mut command)?;
    let library = folder.join("release/libfieldscore_counter.so");
    std::path::absolute(&library).map_err(Failure::at(library.display()))
}

/// The major version in `qemu-arm version 7.2.22 (…)`.
fn major(text: &str) -> Option<u32> {
    text.split_once("version ")?
        .1
        .split('.')
        .next()?
        .parse()
        .ok()
}

impl Machine {
    /// The instructions of a whole run with `count` decisions, and the kernels that it used.
    fn run(
        &self,
        plugin: &Path,
        program: &Path,
        decision: &str,
        count: u64,
    ) -> Result<(u64, String)> {
        let log = plugin.with_extension("log");
        // What a run before this one said must not pass for this one's.
        if log.exists() {
            std::fs::remove_file(&log).map_err(Failure::at(log.display()))?;
        }
        let mut command = Command::new(self.qemu);
        command.args(["-cpu", self.processor, "-L", self.root]);
        command.arg("-plugin").arg(plugin).args(["-d", "plugin"]);
        command.arg("-D").arg(&log).arg(program).arg("--decide");
        command.args(parity::arguments(&[decision, &count.to_string()])?);
        let output = run::output(&mut command)?;
        let text = std::fs::read_to_string(&log).map_err(Failure::at(log.display()))?;
        let executed = text
            .lines()
            .find_map(|line| line.strip_prefix("instructions ")?.parse().ok())
            .ok_or_else(|| Failure::new(format!("{}: expected `instructions N`", log.display())))?;
        let kernels = output.trim().strip_prefix("kernels ").unwrap_or_default();
        Ok((executed, kernels.to_owned()))
    }
}

impl Count {
    fn print(&self, json: bool) -> Result<()> {
        if json {
            let line = serde_json::to_string(self).map_err(Failure::at("json"))?;
            println!("{line}");
            return Ok(());
        }
        let limit = (self.target == ARMV7.target && self.decision == "explain").then(|| {
            let met = self.per_decision <= EXPLAIN_ARMV7;
            let met = if met { "met" } else { "not met" };
            format!("  at most {EXPLAIN_ARMV7}: {met}")
        });
        println!(
            "  {:<36} {:<11} {:<12} {:<8} {:>10}{}",
            self.target,
            self.processor,
            self.kernels,
            self.decision,
            self.per_decision,
            limit.unwrap_or_default()
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn qemu_says_its_version() {
        let text = "qemu-arm version 7.2.22 (Debian 1:7.2)\nCopyright (c) 2003\n";
        assert_eq!(major(text), Some(7));
        assert_eq!(major("qemu-arm version 10.0.2\n"), Some(10));
        assert_eq!(major("qemu-arm\n"), None);
    }
}

//! `cargo xtask wasm`: the npm package, from the crate `wasm` and the sources in `wasm/npm`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cross::{Toolchain, npm};
use crate::run::{self, Failure, Result};
use crate::tools::WASM_BINDGEN;
use crate::workspace::Workspace;

/// Build the npm package `fieldscore`, with both wasm builds in it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Prints the package's path: target/wasm/fieldscore-VERSION.tgz, from npm pack."
)]
pub struct WasmArgs {}

/// Where the package's sources are.
pub const SOURCES: &str = "wasm/npm";
const TARGET: &str = "wasm32-unknown-unknown";

/// The two builds of one source.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Its name in the package.
    pub name: &'static str,
    /// What the compiler is told besides [`SMALL`].
    flags: &'static str,
    /// What wasm-opt takes for granted, and refuses everything beyond.
    features: &'static [&'static str],
}

/// Every browser that the package is for.
pub const BUILDS: [Build; 2] = [
    Build {
        name: "simd128",
        flags: "-Ctarget-feature=+simd128",
        features: &[
            "--enable-simd",
            "--enable-sign-ext",
            "--enable-mutable-globals",
            "--enable-nontrapping-float-to-int",
            "--enable-bulk-memory",
            "--enable-reference-types",
            "--enable-multivalue",
        ],
    },
    Build {
        name: "scalar",
        flags: "-Ctarget-cpu=mvp",
        features: &[],
    },
];

/// A panic ends the call at once: its words could only be shown by code of their own, which is a
/// fifth of all there is.
const SMALL: &str =
    "-Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none -Zfmt-debug=none";

/// The task.
pub fn run(workspace: &Workspace, _: &WasmArgs) -> Result<()> {
    println!("{}", package(workspace)?.packed.display());
    Ok(())
}

/// The built package.
#[derive(Debug)]
pub struct Package {
    /// Its files, as they are packed.
    pub folder: PathBuf,
    /// What `npm pack` made of them.
    pub packed: PathBuf,
}

/// Builds and packs it.
pub fn package(workspace: &Workspace) -> Result<Package> {
    let modules = npm(Path::new(SOURCES))?;
    let folder = workspace.folder("wasm")?.join("package");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(Failure::at(folder.display()))?;
    }
    let dist = folder.join("dist");
    std::fs::create_dir_all(&dist).map_err(Failure::at(dist.display()))?;
    run::run(
        Command::new("node")
            .arg(modules.join("typescript/bin/tsc"))
            .args(["-p", SOURCES, "--outDir"])
            .arg(&dist),
    )?;
    for build in BUILDS {
        build.into_package(workspace, &modules, &dist)?;
    }
    for (from, to) in [
        ("wasm/npm/package.json", "package.json"),
        ("wasm/npm/README.md", "README.md"),
        ("LICENSE-MIT", "LICENSE-MIT"),
        ("LICENSE-APACHE", "LICENSE-APACHE"),
    ] {
        std::fs::copy(from, folder.join(to)).map_err(Failure::at(from))?;
    }
    let mut pack = Command::new("npm");
    pack.args(["pack", "--silent", "--pack-destination"])
        .arg(workspace.folder("wasm")?)
        .arg(std::path::absolute(&folder).map_err(Failure::at(folder.display()))?);
    let name = run::output(&mut pack)?;
    Ok(Package {
        packed: workspace.folder("wasm")?.join(name.trim()),
        folder,
    })
}

impl Build {
    /// Builds the module, and puts it into `dist`: as a file, as JavaScript, and its glue.
    fn into_package(self, workspace: &Workspace, modules: &Path, dist: &Path) -> Result<()> {
        let name = self.name;
        let folder = workspace.folder(&format!("wasm-{name}"))?;
        let toolchain = Toolchain::rebuilding(TARGET)?;
        let mut build = toolchain.cargo();
        build
            .args(["build", "-p", "fieldscore-wasm", "--profile", "wasm"])
            .args(["--target", TARGET])
            .args(toolchain.arguments())
            .arg("-Zbuild-std-features=optimize_for_size")
            .arg("--target-dir")
            .arg(&folder)
            .env("RUSTFLAGS", format!("{} {SMALL}", self.flags));
        run::run(&mut build)?;
        let module = folder.join(TARGET).join("wasm/fieldscore_wasm.wasm");
        let glue = folder.join("glue");
        run::run(
            Command::new(WASM_BINDGEN.program(workspace)?)
                .args(["--target", "bundler", "--no-typescript", "--out-name", name])
                .args([
                    "--remove-name-section",
                    "--remove-producers-section",
                    "--out-dir",
                ])
                .arg(&glue)
                .arg(&module),
        )?;
        let small = dist.join(format!("{name}.wasm"));
        // It checks what it reads and what it writes: a later feature than those named is an error.
        run::run(
            Command::new("node")
                .arg(modules.join("binaryen/bin/wasm-opt"))
                .args(["-Oz", "--mvp-features"])
                .args(self.features)
                .args([
                    "--strip-debug",
                    "--strip-producers",
                    "--strip-target-features",
                ])
                .arg(glue.join(format!("{name}_bg.wasm")))
                .arg("-o")
                .arg(&small),
        )?;
        let read = |path: &Path| std::fs::read(path).map_err(Failure::at(path.display()));
        let write = |file: String, text: String| {
            let path = dist.join(file);
            std::fs::write(&path, text).map_err(Failure::at(path.display()))
        };
        let text =
            String::from_utf8_lossy(&read(&glue.join(format!("{name}_bg.js")))?).into_owned();
        write(format!("glue-{name}.js"), per_instance(&text)?)?;
        let inline = format!("export default \"{}\";\n", base64(&read(&small)?));
        write(format!("inline-{name}.js"), inline)
    }
}

/// wasm-bindgen's glue keeps one instance in its module's variables; made a function, it gives each
/// instance variables of its own, so that one that has trapped leaves nothing behind.
fn per_instance(glue: &str) -> Result<String> {
    let mut names = Vec::new();
    let mut out = String::from("export function glue() {\n");
    let mut comment = false;
    for line in glue.lines() {
        if line.trim_start().starts_with("import ") {
            return Err(Failure::new(format!(
                "glue: expected no import, not: {line}"
            )));
        }
        comment |= line.trim_start().starts_with("/**");
        let skipped = comment;
        comment &= !line.contains("*/");
        if skipped {
            continue;
        }
        let Some(exported) = line.strip_prefix("export ") else {
            let _ = writeln!(out, "{line}");
            continue;
        };
        let name = exported
            .strip_prefix("function ")
            .or_else(|| exported.strip_prefix("class "))
            .and_then(|rest| rest.split(['(', ' ', '{']).next())
            .ok_or_else(|| Failure::new(format!("glue: a function or a class, not: {line}")))?;
        names.push(name);
        let _ = writeln!(out, "{exported}");
    }
    let _ = writeln!(out, "return {{ {} }};\n}}", names.join(", "));
    Ok(out)
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |index: usize| chunk.get(index).copied().map_or(0, u32::from);
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            out.push(if digit <= chunk.len() {
                char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize])
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_the_rfc_has_it() {
        let pairs = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ];
        for (bytes, text) in pairs {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn glue_becomes_a_function_of_its_exports() {
        let glue = "/**\n * Words.\n */\nexport class A {\n  a() {}\n}\nexport function b(c) {\n}\nlet wasm;\n";
        let expected = "export function glue() {\nclass A {\n  a() {}\n}\nfunction b(c) {\n}\nlet wasm;\n\
                        return { A, b };\n}\n";
        assert_eq!(per_instance(glue).ok().as_deref(), Some(expected));
        assert!(per_instance("import * as wasm from \"x\";\n").is_err());
        assert!(per_instance("export const a = 1;\n").is_err());
    }
}

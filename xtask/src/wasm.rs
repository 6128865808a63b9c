//! `cargo xtask wasm`: the npm package, from the crate `wasm` and the sources in `wasm/npm`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::cross::{Toolchain, debian, npm};
use crate::order;
use crate::run::{self, Failure, Result};
use crate::tools::WASM_BINDGEN;
use crate::workspace::Workspace;

/// Build the npm package `fieldscore`, with both wasm builds in it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Prints the package's path: target/wasm/fieldscore-VERSION.tgz, from npm pack."
)]
pub struct WasmArgs {
    /// Test the packed package too: in node, in Chromium, in Vite
    #[arg(long)]
    test: bool,
}

/// Where the package's sources are.
pub const SOURCES: &str = "wasm/npm";
const TARGET: &str = "wasm32-unknown-unknown";

/// The two builds of one source.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Its name in the package.
    pub name: &'static str,
    /// The package's module that loads it.
    entry: &'static str,
    /// The crate's cargo features: none for the default entry.
    parts: &'static str,
    /// What cargo is told of how fast the kernels are to be, where that is not as fast as they get.
    kernels: &'static [&'static str],
    /// What the compiler is told besides [`SMALL`].
    flags: &'static str,
    /// What wasm-opt takes for granted, and refuses everything beyond.
    features: &'static [&'static str],
}

/// With vectors and without.
const KINDS: [&str; 2] = ["simd128", "scalar"];

const SIMD: Build = Build {
    name: "simd128",
    entry: "index.js",
    parts: "",
    kernels: &[],
    flags: "-Ctarget-feature=+simd128",
    features: &[
        "--enable-simd",
        "--enable-sign-ext",
        "--enable-mutable-globals",
        "--enable-nontrapping-float-to-int",
        "--enable-bulk-memory",
    ],
};
const SCALAR: Build = Build {
    name: "scalar",
    entry: "index.js",
    parts: "",
    kernels: &[],
    flags: "-Ctarget-cpu=mvp",
    features: &[],
};

/// Every family of models, and all that surrounds a decision.
const FULL: &str = "--features=casework,outputs,tables,tensors,trees";

/// Every browser that the package is for, for the default entry, for the agents' and for the full one.
pub const BUILDS: [Build; 6] = [
    SIMD,
    SCALAR,
    Build {
        name: "agent-simd128",
        entry: "agent.js",
        parts: "--features=casework",
        ..SIMD
    },
    Build {
        name: "agent-scalar",
        entry: "agent.js",
        parts: "--features=casework",
        ..SCALAR
    },
    Build {
        name: "full-simd128",
        entry: "full.js",
        parts: FULL,
        ..SIMD
    },
    Build {
        name: "full-scalar",
        entry: "full.js",
        parts: FULL,
        // Tensor steps work on sixteen numbers at a time: unrolled without vectors, they would be twice
        // the size.
        kernels: &[
            "--config",
            "profile.wasm.package.fieldscore-kernels.opt-level=\"s\"",
        ],
        ..SCALAR
    },
];

/// A panic ends the call at once: its words could only be shown by code of their own, which is a
/// fifth of all there is. SHA-2 without unrolled rounds takes a bundle's opening from one
/// millisecond to two, and is a tenth.
const SMALL: &str = "-Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none -Zfmt-debug=none \
     --cfg sha2_backend=\"soft\" --cfg sha2_backend_soft=\"compact\"";

/// The task.
pub fn run(workspace: &Workspace, args: &WasmArgs) -> Result<()> {
    let package = package(workspace)?;
    if args.test {
        test(workspace, &package)?;
    }
    println!("{}", package.packed.display());
    Ok(())
}

/// Tests the package as it is packed, installed into a folder of its own.
pub fn test(workspace: &Workspace, package: &Package) -> Result<()> {
    debian("chromium", &["chromium"])?;
    let app = workspace.folder("wasm")?.join("app");
    if app.exists() {
        std::fs::remove_dir_all(&app).map_err(Failure::at(app.display()))?;
    }
    std::fs::create_dir_all(&app).map_err(Failure::at(app.display()))?;
    let absolute = |path: &Path| std::path::absolute(path).map_err(Failure::at(path.display()));
    let about = app.join("package.json");
    std::fs::write(&about, "{ \"private\": true, \"type\": \"module\" }\n")
        .map_err(Failure::at(about.display()))?;
    let mut install = Command::new("npm");
    install
        .args(["install", "--no-audit", "--no-fund", "--offline"])
        .args(["--loglevel=error", "--prefix"])
        .arg(absolute(&app)?)
        .arg(absolute(&package.packed)?);
    run::run(install.stdout(Stdio::null()))?;
    let chromium = run::output(Command::new("which").arg("chromium"))?;
    let tests = ["node", "browser"].map(|name| format!("{SOURCES}/test/{name}.test.mjs"));
    run::run(
        Command::new("node")
            .args(["--test", "--test-reporter=spec"])
            .args(tests)
            .env("FIELDSCORE_APP", absolute(&app)?)
            .env(
                "FIELDSCORE_GOLDEN",
                absolute(Path::new("tests/golden/credit"))?,
            )
            .env("FIELDSCORE_CHROMIUM", chromium.trim()),
    )
}

/// The built package.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its files, as they are packed.
    pub folder: PathBuf,
    /// What `npm pack` made of them.
    pub packed: PathBuf,
}

impl Package {
    /// What a browser loads of it that takes this build: the entry and all it imports, the build's
    /// glue, and the module.
    pub fn loaded(&self, build: Build) -> Result<Vec<PathBuf>> {
        let dist = self.folder.join("dist");
        let mut files = vec![dist.join(format!("{}.wasm", build.name))];
        let mut wanted = vec![build.entry.to_owned(), format!("glue-{}.js", build.name)];
        while let Some(name) = wanted.pop() {
            let path = dist.join(&name);
            if files.contains(&path) {
                continue;
            }
            let text = std::fs::read_to_string(&path).map_err(Failure::at(path.display()))?;
            wanted.extend(imports(&text).map(str::to_owned));
            files.push(path);
        }
        Ok(files)
    }
}

/// The files of the same folder that a packed module imports at once.
fn imports(text: &str) -> impl Iterator<Item = &str> {
    let behind = text.split("from\"./").skip(1);
    behind.filter_map(|rest| rest.split('"').next())
}

/// Builds and packs it, once: six modules take minutes, and several steps of one task want them.
pub fn package(workspace: &Workspace) -> Result<Package> {
    static MADE: OnceLock<Package> = OnceLock::new();
    if let Some(package) = MADE.get() {
        return Ok(package.clone());
    }
    let package = pack(workspace)?;
    Ok(MADE.get_or_init(|| package).clone())
}

fn pack(workspace: &Workspace) -> Result<Package> {
    let modules = npm(Path::new(SOURCES))?;
    let folder = workspace.folder("wasm")?.join("package");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(Failure::at(folder.display()))?;
    }
    let dist = folder.join("dist");
    std::fs::create_dir_all(&dist).map_err(Failure::at(dist.display()))?;
    let parts = workspace.folder("wasm")?.join("parts");
    // Comments are for whoever reads the types.
    for (options, out) in [
        (["--declaration", "false"], &parts),
        (["--declaration", "--emitDeclarationOnly"], &dist),
    ] {
        run::run(
            Command::new("node")
                .arg(modules.join("typescript/bin/tsc"))
                .args(["-p", SOURCES])
                .args(options)
                .arg("--outDir")
                .arg(out),
        )?;
    }
    let tools = Tools {
        toolchain: Toolchain::rebuilding(TARGET)?,
        bindgen: WASM_BINDGEN.program(workspace)?,
        modules,
    };
    // The last steps of a build keep one core busy. Those of a kind share a folder, the kinds do not.
    KINDS.into_par_iter().try_for_each(|kind| {
        let mut builds = BUILDS.iter().filter(|build| build.kind() == kind);
        builds.try_for_each(|build| build.into_package(workspace, &tools, &parts, &dist))
    })?;
    run::run(
        Command::new("node")
            .arg(Path::new(SOURCES).join("scripts/bundle.mjs"))
            .args([&parts, &dist]),
    )?;
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

/// What makes a module, once it is there.
struct Tools {
    toolchain: Toolchain,
    bindgen: PathBuf,
    /// npm's: where wasm-opt is.
    modules: PathBuf,
}

impl Build {
    /// Which of [`KINDS`] it is.
    fn kind(self) -> &'static str {
        self.name.rsplit('-').next().unwrap_or(self.name)
    }

    /// Builds the module into `dist`; it as JavaScript, and its glue, go to the other `parts`.
    fn into_package(
        self,
        workspace: &Workspace,
        tools: &Tools,
        parts: &Path,
        dist: &Path,
    ) -> Result<()> {
        let name = self.name;
        // One folder for all entries: the same std.
        let folder = workspace.folder(&format!("wasm-{}", self.kind()))?;
        let mut build = tools.toolchain.cargo();
        build
            .args(["build", "-p", "fieldscore-wasm", "--profile", "wasm"])
            .args(self.kernels)
            .args(Some(self.parts).filter(|parts| !parts.is_empty()))
            .args(["--target", TARGET])
            .args(tools.toolchain.arguments())
            .arg("-Zbuild-std-features=optimize_for_size")
            .arg("--target-dir")
            .arg(&folder)
            .env("RUSTFLAGS", format!("{} {SMALL}", self.flags));
        run::run(&mut build)?;
        let module = folder.join(TARGET).join("wasm/fieldscore_wasm.wasm");
        let glue = folder.join("glue");
        run::run(
            Command::new(&tools.bindgen)
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
                .arg(tools.modules.join("binaryen/bin/wasm-opt"))
                // Functions that are called once stay functions, and what repeats stays repeated:
                // zipped, that is less. Rust puts nothing into the first KiB but the stack's end.
                .args([
                    "--gufa",
                    "-Os",
                    "--converge",
                    "--one-caller-inline-max-function-size=20",
                    "--always-inline-max-function-size=3",
                    "--skip-pass=local-cse",
                    "--low-memory-unused",
                ])
                // Of large modules it takes minutes, and gives next to nothing.
                .args((self.parts != FULL).then_some("--monomorphize"))
                .arg("--mvp-features")
                .args(self.features)
                .args(["--strip-debug", "--strip-producers"])
                .arg(glue.join(format!("{name}_bg.wasm")))
                .arg("-o")
                .arg(&small),
        )?;
        let read = |path: &Path| std::fs::read(path).map_err(Failure::at(path.display()));
        // Some 2 % zipped.
        let named = glue.join(format!("{name}_named.wasm"));
        std::fs::write(&named, order::named(&read(&small)?)?)
            .map_err(Failure::at(named.display()))?;
        run::run(
            Command::new("node")
                .arg(tools.modules.join("binaryen/bin/wasm-opt"))
                .arg("--mvp-features")
                .args(self.features)
                .args([
                    "--reorder-functions-by-name",
                    "--strip-debug",
                    "--strip-target-features",
                ])
                .arg(&named)
                .arg("-o")
                .arg(&small),
        )?;
        let write = |file: String, text: String| {
            let path = parts.join(file);
            std::fs::write(&path, text).map_err(Failure::at(path.display()))
        };
        let text =
            String::from_utf8_lossy(&read(&glue.join(format!("{name}_bg.js")))?).into_owned();
        write(format!("glue-{name}.js"), per_instance(&text)?)?;
        let inline = format!("export default \"{}\";\n", STANDARD.encode(read(&small)?));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_followed_but_those_that_wait() {
        let text = "import{a}from\"./a.js\";export{b}from\"./b.js\";import\"node:fs\";await import(\"./c.js\");";
        assert_eq!(imports(text).collect::<Vec<_>>(), ["a.js", "b.js"]);
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

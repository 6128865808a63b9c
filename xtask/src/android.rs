//! `cargo xtask android`: the Kotlin bindings and their façade, compiled and tested on a JVM; the AAR where there is an NDK.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cross::debian;
use crate::phones::{self, PACKAGE, PROFILE};
use crate::run::{self, Failure, Result, cargo};
use crate::workspace::Workspace;

/// Build the Kotlin library for Android, and the AAR where there is an NDK
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The AAR, its sources and its POM go to target/android/aar. Without an NDK the task says what is \
                  missing, and ends well: whatever else it does is done."
)]
pub struct AndroidArgs {
    /// Test it on a JVM too, as it is and shrunk as in an app's release build
    #[arg(long)]
    test: bool,
    /// Time decisions through the binding instead
    #[arg(long, conflicts_with = "test")]
    bench: bool,
    /// With --bench: one JSON object per figure on stdout
    #[arg(long, requires = "bench")]
    json: bool,
}

const SOURCES: &str = "mobile/android";
const LIBRARY: &str = "libfieldscore_mobile.so";
const JNA: &str = "5.19.1";
const KOTLIN: &str = "2.3.21";
/// The oldest Android that is served: 6.
const LEAST: u32 = 23;

/// Android's names of processors, and Rust's.
const ABIS: [(&str, &str); 3] = [
    ("arm64-v8a", "aarch64-linux-android"),
    ("armeabi-v7a", "armv7-linux-androideabi"),
    ("x86_64", "x86_64-linux-android"),
];

/// The task.
pub fn run(workspace: &Workspace, args: &AndroidArgs) -> Result<()> {
    if args.bench {
        return bench(workspace, args.json);
    }
    build(workspace, args.test)
}

/// Generates, compiles, tests if so asked, and packs what can be packed.
pub fn build(workspace: &Workspace, test: bool) -> Result<()> {
    maven(workspace, test)?;
    if test {
        every_family(workspace)?;
        shrunk(workspace)?;
        layout(workspace)?;
    }
    let missing = missing();
    if missing.is_empty() {
        let libraries = libraries(workspace)?;
        println!("{}", pack(workspace, &libraries, "aar")?.display());
    } else {
        eprintln!("not built: the AAR, which needs Android's own linker. What is missing:");
        for (what, how) in missing {
            eprintln!("  {what}: {how}");
        }
    }
    Ok(())
}

/// Everything that Maven does: `mobile/android/pom.xml`.
fn maven(workspace: &Workspace, test: bool) -> Result<()> {
    debian("javac", &["openjdk-17-jdk-headless"])?;
    debian("mvn", &["maven"])?;
    let generated = android(workspace)?.join("kotlin");
    clear(&generated)?;
    phones::bindings(workspace, "kotlin", &generated)?;
    // The Kotlin plugin leaves the classes of sources that are gone.
    clear(&android(workspace)?.join("maven"))?;
    let mut command = mvn(workspace, &workspace.target.join("release"))?;
    if !test {
        command.arg("-DskipTests");
    }
    // A task's stdout is for its own lines.
    run::run(command.arg("verify").stdout(std::io::stderr())).map_err(|failure| {
        failure.with_hint("Maven fetches its plugins and the libraries from Maven Central, once")
    })
}

/// Maven over what is generated, with the library in a folder.
fn mvn(workspace: &Workspace, library: &Path) -> Result<Command> {
    let root = std::path::absolute(".").map_err(Failure::at("."))?;
    let library = std::path::absolute(library).map_err(Failure::at(library.display()))?;
    let target = android(workspace)?;
    let mut command = Command::new("mvn");
    command
        .args([
            "--batch-mode",
            "--no-transfer-progress",
            "-Dstyle.color=never",
        ])
        .args(["--file", &format!("{SOURCES}/pom.xml")])
        .arg(format!("-Dfieldscore.root={}", root.display()))
        .arg(format!("-Dfieldscore.target={}", target.display()))
        .arg(format!("-Dfieldscore.library={}", library.display()));
    Ok(command)
}

/// The golden suite again, with a library that decides with every family of models: what phones load has not
/// all of them.
fn every_family(workspace: &Workspace) -> Result<()> {
    let folder = workspace.folder("tensors")?;
    let mut build = cargo();
    build.args(["build", "--release", "-p", PACKAGE, "--lib"]);
    build
        .args(["--features", "tensors", "--target-dir"])
        .arg(&folder);
    run::run(&mut build)?;
    let mut command = mvn(workspace, &folder.join("release"))?;
    command
        .args(["--projects", "scoring", "--also-make"])
        .args([
            "-Dtest=GoldenTest",
            "-Dsurefire.failIfNoSpecifiedTests=false",
        ])
        .args(["-Dfieldscore.tensors=true", "test"]);
    run::run(command.stdout(std::io::stderr()))
}

/// That the shrunk tests were shrunk: façade renamed, generated code as it was.
fn shrunk(workspace: &Workspace) -> Result<()> {
    let path = android(workspace)?.join("maven/shrunk/mapping.txt");
    let mapping = std::fs::read_to_string(&path).map_err(Failure::at(path.display()))?;
    let renamed = renamed(&mapping, "org.fieldscore.FieldScorer");
    let kept = renamed_below(&mapping, "org.fieldscore.ffi.");
    match (renamed, kept) {
        (true, None) => Ok(()),
        (false, _) => Err(Failure::new("shrunk: expected the façade to be renamed")),
        (_, Some(class)) => Err(Failure::new(format!(
            "shrunk: expected {class} to keep its name"
        ))),
    }
}

/// Whether ProGuard's mapping gives a class another name.
fn renamed(mapping: &str, class: &str) -> bool {
    mapping.lines().any(|line| {
        line.strip_suffix(':')
            .and_then(|line| line.split_once(" -> "))
            .is_some_and(|(from, to)| from == class && from != to)
    })
}

/// The first class of a package that has another name.
fn renamed_below<'a>(mapping: &'a str, package: &str) -> Option<&'a str> {
    mapping
        .lines()
        .filter_map(|line| line.strip_suffix(':')?.split_once(" -> "))
        .find(|(from, to)| from.starts_with(package) && from != to)
        .map(|(from, _)| from)
}

/// What an NDK build needs and this machine lacks, with what to do.
fn missing() -> Vec<(&'static str, String)> {
    let mut missing = Vec::new();
    if ndk().is_none() {
        let how =
            "install it with Android Studio's SDK manager, and set ANDROID_NDK_HOME to its folder";
        missing.push(("the Android NDK", how.to_owned()));
    }
    if !succeeds(Command::new("cargo").args(["ndk", "--version"])) {
        missing.push(("cargo-ndk", "cargo install cargo-ndk".to_owned()));
    }
    for (_, target) in ABIS {
        let libdir = Command::new("rustc")
            .args(["--print", "target-libdir", "--target", target])
            .output();
        let there = libdir
            .is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir());
        if !there {
            missing.push((
                "Rust's standard library",
                format!("rustup target add {target}"),
            ));
        }
    }
    missing
}

/// The NDK's folder, where one is named or lies in the SDK.
fn ndk() -> Option<PathBuf> {
    let named = ["ANDROID_NDK_HOME", "ANDROID_NDK_ROOT"];
    let named = named.iter().filter_map(std::env::var_os).map(PathBuf::from);
    let inside = ["ANDROID_HOME", "ANDROID_SDK_ROOT"];
    let inside = inside.iter().filter_map(std::env::var_os);
    let inside = inside.filter_map(|sdk| {
        let folders = std::fs::read_dir(Path::new(&sdk).join("ndk")).ok()?;
        folders.filter_map(|folder| Some(folder.ok()?.path())).max()
    });
    named.chain(inside).find(|folder| folder.is_dir())
}

fn succeeds(command: &mut Command) -> bool {
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The shared libraries, built with cargo-ndk; each ABI with its file.
fn libraries(workspace: &Workspace) -> Result<Vec<(&'static str, PathBuf)>> {
    let out = android(workspace)?.join("jniLibs");
    clear(&out)?;
    let mut command = cargo();
    command.arg("ndk");
    for (abi, _) in ABIS {
        command.args(["--target", abi]);
    }
    command
        .args(["--platform", &LEAST.to_string(), "--output-dir"])
        .arg(&out)
        // What `cargo xtask phones` measures: alone, in the phones' profile, with the flags of mobile/build.rs.
        .args(["rustc", "-p", PACKAGE, "--lib", "--profile", PROFILE])
        .args(["--crate-type", "cdylib"])
        // Bindings come from the library with its symbols; what ships needs none.
        .env("CARGO_PROFILE_MOBILE_STRIP", "symbols");
    if let Some(ndk) = ndk() {
        command.env("ANDROID_NDK_HOME", ndk);
    }
    run::run(&mut command)?;
    let library = |abi| (abi, out.join(abi).join(LIBRARY));
    Ok(ABIS.iter().map(|(abi, _)| library(*abi)).collect())
}

/// Packs an AAR, its sources and its POM into a folder of `target/android`; gives the AAR.
fn pack(workspace: &Workspace, libraries: &[(&str, PathBuf)], folder: &str) -> Result<PathBuf> {
    let target = android(workspace)?;
    let out = target.join(folder);
    clear(&out)?;
    let name = format!("fieldscore-{}", env!("CARGO_PKG_VERSION"));
    let parts = target.join(format!("{folder}-parts"));
    clear(&parts)?;
    let classes = target.join("classes.jar");
    let modules = ["bindings", "scoring", "platform"];
    let folders = modules.map(|module| target.join("maven").join(module).join("classes"));
    jar(&classes, &folders)?;
    lay_out(&parts, &classes, libraries)?;
    let aar = out.join(format!("{name}.aar"));
    jar(&aar, &[parts])?;
    let sources = ["scoring", "fieldscore"]
        .map(|module| PathBuf::from(format!("{SOURCES}/{module}/src/main/kotlin")));
    jar(
        &out.join(format!("{name}-sources.jar")),
        &[&sources[..], &[target.join("kotlin")]].concat(),
    )?;
    write(&out.join(format!("{name}.pom")), pom().as_bytes())?;
    Ok(aar)
}

/// Puts an AAR's files where Gradle expects them.
fn lay_out(parts: &Path, classes: &Path, libraries: &[(&str, PathBuf)]) -> Result<()> {
    copy(classes, &parts.join("classes.jar"))?;
    for (abi, library) in libraries {
        copy(library, &parts.join("jni").join(abi).join(LIBRARY))?;
    }
    let rules = Path::new(SOURCES).join("fieldscore/consumer-rules.pro");
    copy(&rules, &parts.join("proguard.txt"))?;
    // As Gradle writes it: with the package, which its own build script has in the source's place.
    let manifest = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <manifest xmlns:android=\"http://schemas.android.com/apk/res/android\"\n    \
         package=\"org.fieldscore\">\n\n    \
         <uses-sdk android:minSdkVersion=\"{LEAST}\" />\n\n\
         </manifest>\n"
    );
    write(&parts.join("AndroidManifest.xml"), manifest.as_bytes())?;
    // It has no resources; the file must be there.
    write(&parts.join("R.txt"), b"")
}

/// Packs an AAR with this machine's library in the place of each ABI's, and compares its table with what Gradle expects.
fn layout(workspace: &Workspace) -> Result<()> {
    let library = workspace.target.join("release").join(LIBRARY);
    let libraries = ABIS.map(|(abi, _)| (abi, library.clone()));
    let aar = pack(workspace, &libraries, "layout")?;
    let table = |file: &Path| {
        let text = run::output(Command::new("jar").arg("--list").arg("--file").arg(file))?;
        let mut names: Vec<_> = text
            .lines()
            .filter(|name| !name.ends_with('/'))
            .map(str::to_owned)
            .collect();
        names.sort();
        Ok(names)
    };
    let found = table(&aar)?;
    if found != EXPECTED {
        return Err(Failure::new(format!(
            "{}: expected {EXPECTED:?}, not {found:?}",
            aar.display()
        )));
    }
    let classes = table(&android(workspace)?.join("classes.jar"))?;
    for class in [
        "org/fieldscore/FieldScorer.class",
        "org/fieldscore/android/Vault.class",
        "org/fieldscore/ffi/Scorer.class",
    ] {
        if !classes.iter().any(|name| name == class) {
            return Err(Failure::new(format!("classes.jar: expected {class}")));
        }
    }
    eprintln!(
        "the AAR's layout is what Gradle expects: {}",
        found.join(", ")
    );
    clear(&android(workspace)?.join("layout"))?;
    clear(&android(workspace)?.join("layout-parts"))
}

/// What an AAR with these ABIs has, by name.
const EXPECTED: [&str; 7] = [
    "AndroidManifest.xml",
    "R.txt",
    "classes.jar",
    "jni/arm64-v8a/libfieldscore_mobile.so",
    "jni/armeabi-v7a/libfieldscore_mobile.so",
    "jni/x86_64/libfieldscore_mobile.so",
    "proguard.txt",
];

/// What an app's build needs besides.
fn pom() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>org.fieldscore</groupId>
  <artifactId>fieldscore</artifactId>
  <version>{version}</version>
  <packaging>aar</packaging>
  <name>Fieldscore</name>
  <description>Scores loan applications on the phone, offline, from one signed bundle.</description>
  <licenses>
    <license>
      <name>MIT OR Apache-2.0</name>
    </license>
  </licenses>
  <dependencies>
    <dependency>
      <groupId>net.java.dev.jna</groupId>
      <artifactId>jna</artifactId>
      <version>{JNA}</version>
      <type>aar</type>
    </dependency>
    <dependency>
      <groupId>org.jetbrains.kotlin</groupId>
      <artifactId>kotlin-stdlib</artifactId>
      <version>{KOTLIN}</version>
    </dependency>
  </dependencies>
</project>
"#
    )
}

/// Times decisions through the binding on a JVM.
pub fn bench(workspace: &Workspace, json: bool) -> Result<()> {
    maven(workspace, false)?;
    let jars = android(workspace)?.join("maven/shrunk/jars");
    let golden = std::path::absolute("tests/golden/credit").map_err(Failure::at("tests/golden"))?;
    let library = workspace.target.join("release");
    let library = std::path::absolute(&library).map_err(Failure::at(library.display()))?;
    let mut command = Command::new("java");
    command
        .arg(format!("-Djna.library.path={}", library.display()))
        .arg(format!("-Dfieldscore.golden={}", golden.display()))
        .arg("--class-path")
        .arg(jars.join("*"))
        .arg("org.fieldscore.BenchmarkKt");
    let lines = run::output(&mut command)?;
    if json {
        print!("{lines}");
        return Ok(());
    }
    for line in lines.lines() {
        let figure: serde_json::Value =
            serde_json::from_str(line).map_err(Failure::at("figure"))?;
        let nanoseconds = figure["median_ns"].as_f64().unwrap_or_default();
        println!(
            "{:<18} {:>8.2} µs",
            figure["decision"].as_str().unwrap_or_default(),
            nanoseconds / 1e3
        );
    }
    Ok(())
}

/// Where all of it goes.
fn android(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.folder("android")?;
    std::path::absolute(&folder).map_err(Failure::at(folder.display()))
}

/// An archive of what is in some folders.
fn jar(file: &Path, folders: &[PathBuf]) -> Result<()> {
    let mut command = Command::new("jar");
    command
        .args(["--create", "--no-manifest", "--file"])
        .arg(file);
    for folder in folders {
        command.arg("-C").arg(folder).arg(".");
    }
    run::output(&mut command).map(|_| ())
}

/// An empty folder, whatever was there.
fn clear(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(Failure::at(folder.display()))?;
    }
    std::fs::create_dir_all(folder).map_err(Failure::at(folder.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).map_err(Failure::at(folder.display()))?;
    }
    std::fs::copy(from, to).map_err(Failure::at(from.display()))?;
    Ok(())
}

fn write(to: &Path, content: &[u8]) -> Result<()> {
    std::fs::write(to, content).map_err(Failure::at(to.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_says_what_was_renamed() {
        let mapping = "a.B -> a.b:\n    int c -> d\na.ffi.E -> a.ffi.E:\n";
        assert!(renamed(mapping, "a.B") && !renamed(mapping, "a.ffi.E"));
        assert_eq!(renamed_below(mapping, "a.ffi."), None);
        assert_eq!(renamed_below("a.ffi.E -> x:\n", "a.ffi."), Some("a.ffi.E"));
    }

    /// The versions here are those that the build scripts name.
    #[test]
    fn versions_agree() {
        let read = |name: &str| std::fs::read_to_string(Path::new("../mobile/android").join(name));
        let pom = read("pom.xml").unwrap();
        assert!(pom.contains(&format!("<jna.version>{JNA}<")));
        assert!(pom.contains(&format!("<kotlin.version>{KOTLIN}<")));
        assert!(pom.contains(&format!("<version>{}<", env!("CARGO_PKG_VERSION"))));
        let library = read("fieldscore/build.gradle.kts").unwrap();
        assert!(library.contains(&format!("net.java.dev.jna:jna:{JNA}@aar")));
        assert!(library.contains(&format!("minSdk = {LEAST}")));
        assert!(library.contains(&format!("version = \"{}\"", env!("CARGO_PKG_VERSION"))));
        let sample = read("sample/build.gradle.kts").unwrap();
        let readme = read("README.md").unwrap();
        let abis = ABIS.map(|(abi, _)| format!("\"{abi}\"")).join(", ");
        for text in [&library, &sample, &readme] {
            assert!(text.contains(&format!("abiFilters += listOf({abis})")));
        }
        let top = read("build.gradle.kts").unwrap();
        assert!(top.contains(&format!(
            "\"org.jetbrains.kotlin.android\") version \"{KOTLIN}\""
        )));
    }
}

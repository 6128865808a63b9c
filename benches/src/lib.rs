//! What the benchmarks and the measuring programs share: the credit bundle and its sample
//! applications.

use std::path::{Path, PathBuf};

use fieldscore_runtime::{Application, Date, DecimalMark, Error, Scorer};

/// The public half of the development key, whose secret is in the source of `fieldscore-models`.
pub const DEVELOPMENT_KEY: [u8; 32] = [
    0xf6, 0xb7, 0xea, 0x91, 0x27, 0x70, 0x35, 0xbb, 0xea, 0x7a, 0x69, 0x32, 0xc3, 0xc7, 0xbf, 0x20,
    0xd3, 0x19, 0x63, 0x39, 0x97, 0xa4, 0x6b, 0x9d, 0x3b, 0xe6, 0x5e, 0xe7, 0xae, 0xf7, 0x39, 0x7b,
];

/// Why something couldn't be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A CSV file isn't one, or can't be written.
    #[error("{}: {source}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: csv::Error,
    },
    /// The runtime refused something.
    #[error(transparent)]
    Runtime(#[from] Error),
    /// The compiler refused something.
    #[cfg(feature = "compiler")]
    #[error(transparent)]
    Compiler(#[from] fieldscore_models::Error),
    /// Input that isn't as expected.
    #[error("{place}: expected {expected}")]
    Input {
        /// Where.
        place: String,
        /// What should be there.
        expected: String,
    },
}

impl Failure {
    /// Input at `place` that isn't what was expected.
    pub fn input(place: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Input {
            place: place.into(),
            expected: expected.into(),
        }
    }

    /// Makes a failure of an I/O error on `path`.
    pub fn io(path: &Path) -> impl Fn(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            path: path.clone(),
            source,
        }
    }

    /// Makes a failure of a CSV error on `path`.
    pub fn csv(path: &Path) -> impl Fn(csv::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Csv {
            path: path.clone(),
            source,
        }
    }
}

/// The folder of the workspace.
pub fn root() -> PathBuf {
    // As of now, not as of the build: a target folder may serve several checkouts.
    let package = std::env::var_os("CARGO_MANIFEST_DIR");
    let package = package.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let package = Path::new(&package);
    package.parent().unwrap_or(package).to_path_buf()
}

/// The folder of the credit model.
pub fn credit() -> PathBuf {
    root().join("models/zoo/credit")
}

/// The bytes of the golden credit bundle.
///
/// # Errors
/// Where it can't be read.
pub fn bundle() -> Result<Vec<u8>, Failure> {
    let path = root().join("tests/golden/credit/credit.fsb");
    std::fs::read(&path).map_err(Failure::io(&path))
}

/// The credit model's sample applications, made for `scorer`.
///
/// # Errors
/// Where the file can't be read or doesn't fit the bundle.
pub fn applications(scorer: &Scorer) -> Result<Vec<Application>, Failure> {
    let path = credit().join("applications.csv");
    let mut reader = csv::Reader::from_path(&path).map_err(Failure::csv(&path))?;
    let header = reader.headers().map_err(Failure::csv(&path))?.clone();
    let mut applications = Vec::new();
    for row in reader.records() {
        let row = row.map_err(Failure::csv(&path))?;
        let mut application = scorer.application("", date(2026, 9, 1)?);
        for (name, cell) in header.iter().zip(&row) {
            match name {
                "id" => application.reset(cell, date(2026, 9, 1)?),
                "as_of" => {}
                field => application.set_text(field, cell, DecimalMark::Point)?,
            }
        }
        applications.push(application);
    }
    Ok(applications)
}

/// A date that the calendar has.
///
/// # Errors
/// Where it hasn't.
pub fn date(year: i32, month: u32, day: u32) -> Result<Date, Failure> {
    Date::from_ymd(year, month, day).ok_or_else(|| {
        Failure::input(
            format!("{year}-{month}-{day}"),
            "a date that the calendar has",
        )
    })
}

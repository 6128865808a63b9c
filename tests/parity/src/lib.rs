//! Digests of a bundle's decisions at marks. The same program runs natively with each kernel path,
//! under emulators, and as WebAssembly; the digests must be the same everywhere.
//!
//! The applications are data (`applications.csv` beside the bundle). Beyond their count, pass `p`
//! takes each row's field `f` from the row `p · (f + 1)` further on: new applications without new
//! data.

pub mod arithmetic;
pub mod forests;
pub mod host;

use fieldscore_runtime::kernels::Kernels;
use fieldscore_runtime::{
    Application, Date, DecimalMark, Explanation, OpenOptions, Result, Scorer,
};
use sha2::{Digest, Sha256};

/// The lower-case hexadecimal digest of a number of decisions.
pub type Mark = (usize, String);

/// Decides over the applications of `csv`.
pub struct Parity<'a> {
    scorer: Scorer,
    path: Kernels,
    header: Vec<&'a str>,
    rows: Vec<Vec<&'a str>>,
}

impl<'a> Parity<'a> {
    /// Opens the bundle with the kernel path called `kernels`, or the fastest one.
    ///
    /// # Errors
    /// Where the bundle does not open or this processor has no such path.
    pub fn open(bundle: &[u8], key: [u8; 32], csv: &'a str, kernels: Option<&str>) -> Result<Self> {
        let path = match kernels {
            None => Some(Kernels::detect()),
            Some(name) => Kernels::available()
                .into_iter()
                .find(|path| path.name == name),
        };
        let path = path.ok_or_else(|| {
            fieldscore_runtime::Error::new(
                fieldscore_runtime::ErrorKind::Unsupported,
                kernels.unwrap_or_default().to_owned(),
                "a kernel path of this processor",
            )
        })?;
        let mut lines = csv.lines();
        Ok(Self {
            scorer: OpenOptions::default().kernels(path).open(bundle, &[key])?,
            path,
            header: lines.next().unwrap_or_default().split(',').collect(),
            rows: lines.map(|line| line.split(',').collect()).collect(),
        })
    }

    /// The kernel path in use.
    pub fn kernels(&self) -> &'static str {
        self.scorer.kernels()
    }

    /// Application number `index`.
    ///
    /// # Errors
    /// Where a cell is not of its field's type.
    pub fn application(&self, index: usize, application: &mut Application) -> Result<()> {
        let (row, pass) = (index % self.rows.len(), index / self.rows.len());
        let id_at = self.header.iter().position(|name| *name == "id");
        let day_at = self.header.iter().position(|name| *name == "as_of");
        let as_of = day_at.and_then(|at| Date::parse(self.rows[row][at]));
        application.reset(
            id_at.map_or("", |at| self.rows[row][at]),
            as_of
                .or(Date::from_days(20_000))
                .unwrap_or(application.as_of()),
        );
        for (at, name) in self.header.iter().enumerate() {
            if let Ok(field) = self.scorer.schema().index_of(name) {
                let from = (row + pass * (field + 1)) % self.rows.len();
                application.set_text_at(field, self.rows[from][at], DecimalMark::Point)?;
            }
        }
        Ok(())
    }

    /// The digest over the records of the applications up to each of `marks`, rising; errors are
    /// digested by their code.
    ///
    /// # Errors
    /// Where a cell is not of its field's type.
    pub fn digests(&self, explain: bool, marks: &[usize]) -> Result<Vec<Mark>> {
        let mut application = self
            .scorer
            .application("", self.scorer.reference()?.0.as_of());
        let mut explanation = Explanation::empty([0; 32]);
        let mut record = Vec::new();
        let mut hash = Sha256::new();
        let mut done = 0;
        let mut out = Vec::new();
        for &mark in marks {
            for index in done..mark {
                self.application(index, &mut application)?;
                let decided = if explain {
                    self.scorer
                        .explain_into(&application, &mut explanation)
                        .map(|()| {
                            self.scorer
                                .record_explained(&application, &explanation, &mut record);
                        })
                } else {
                    self.scorer
                        .score(&application)
                        .map(|decision| self.scorer.record(&application, &decision, &mut record))
                };
                match decided {
                    Ok(()) => hash.update(&record),
                    Err(error) => hash.update(error.code()),
                }
            }
            done = mark;
            out.push((mark, hex(&hash.clone().finalize().into())));
        }
        Ok(out)
    }
}

/// How many applications [`Parity::decide`] decides on in turn.
pub const SAMPLE: usize = 32;

impl Parity<'_> {
    /// Decides `count` times, on the first [`SAMPLE`] applications in turn, which are read
    /// beforehand: for counting what a decision alone costs.
    ///
    /// # Errors
    /// Where an application is refused.
    pub fn decide(&self, explain: bool, count: usize) -> Result<()> {
        let day = self.scorer.reference()?.0.as_of();
        let mut sample = Vec::new();
        for index in 0..SAMPLE {
            let mut application = self.scorer.application("", day);
            self.application(index, &mut application)?;
            sample.push(application);
        }
        let mut explanation = Explanation::empty([0; 32]);
        for application in sample.iter().cycle().take(count) {
            if explain {
                self.scorer.explain_into(application, &mut explanation)?;
            } else {
                std::hint::black_box(self.scorer.score(application)?);
            }
        }
        Ok(())
    }
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

/// Where digests are taken: how many decisions without contributions, how many with them, and how
/// many generated layers by the kernels alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// Decisions, rising.
    pub plain: Vec<usize>,
    /// Decisions with contributions, rising.
    pub explained: Vec<usize>,
    /// Layers, and forests.
    pub kernels: Vec<usize>,
}

/// What a run prints: a line for each mark, `plain 10000 <digest>`, `explained 100 <digest>`,
/// `kernels 200 <digest>` or, as many, `forests 200 <digest>`.
///
/// # Errors
/// As [`Parity::digests`].
pub fn report(parity: &Parity<'_>, marks: &Marks) -> Result<String> {
    let mut out = String::new();
    let decisions = [
        ("plain", false, &marks.plain),
        ("explained", true, &marks.explained),
    ];
    for (name, explain, marks) in decisions {
        for (mark, digest) in parity.digests(explain, marks)? {
            out.push_str(&format!("{name} {mark} {digest}\n"));
        }
    }
    for &mark in &marks.kernels {
        let digest = hex(&arithmetic::digest(&parity.path, mark));
        out.push_str(&format!("kernels {mark} {digest}\n"));
        let digest = hex(&forests::digest(&parity.path, mark)?);
        out.push_str(&format!("forests {mark} {digest}\n"));
    }
    Ok(out)
}

/// For WebAssembly hosts without an operating system: plain functions over one block of memory.
#[cfg(target_arch = "wasm32")]
mod wasm {
    use super::*;

    /// Gives the host `len` bytes to write its input into; they are never given back.
    #[unsafe(no_mangle)]
    pub extern "C" fn parity_alloc(len: usize) -> *mut u8 {
        Box::leak(vec![0u8; len].into_boxed_slice()).as_mut_ptr()
    }

    /// Prints into a block whose address and length lie at the returned address, as two u32. The
    /// key is 32 bytes; `marks` are five u32: two plain, two explained, one of layers.
    ///
    /// # Safety
    /// Each address and length is of a block of [`parity_alloc`].
    #[unsafe(no_mangle)]
    pub unsafe extern "C" fn parity_run(
        bundle: *const u8,
        bundle_len: usize,
        csv: *const u8,
        csv_len: usize,
        key: *const u8,
        marks: *const u32,
    ) -> *const u32 {
        // SAFETY: the caller's promise.
        let (bundle, csv, key, marks) = unsafe {
            (
                std::slice::from_raw_parts(bundle, bundle_len),
                std::slice::from_raw_parts(csv, csv_len),
                *key.cast::<[u8; 32]>(),
                *marks.cast::<[u32; 5]>(),
            )
        };
        let [a, b, c, d, e] = marks.map(|mark| mark as usize);
        let marks = Marks {
            plain: vec![a, b],
            explained: vec![c, d],
            kernels: vec![e],
        };
        let text = std::str::from_utf8(csv).unwrap_or_default();
        let out = Parity::open(bundle, key, text, None)
            .and_then(|parity| {
                Ok(format!(
                    "kernels {}\n{}",
                    parity.kernels(),
                    report(&parity, &marks)?
                ))
            })
            .unwrap_or_else(|error| format!("error {error}\n"));
        let out = Box::leak(out.into_bytes().into_boxed_slice());
        Box::leak(Box::new([out.as_ptr() as u32, out.len() as u32])).as_ptr()
    }
}

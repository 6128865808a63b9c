//! Digests of a bundle's decisions at marks. The same program runs natively with each kernel path,
//! under emulators, and as WebAssembly; the digests must be the same everywhere.
//!
//! The applications are data (`applications.csv` beside the bundle; a table's rows, by application id,
//! in `FIELD.csv`). Beyond their count, pass `p` takes each row's field `f` from the row `p · (f + 1)`
//! further on: new applications without new data.

pub mod arithmetic;
pub mod forests;
pub mod host;
pub mod tensors;

use std::collections::HashMap;

use fieldscore_runtime::kernels::Kernels;
use fieldscore_runtime::schema::Schema;
use fieldscore_runtime::{
    Application, Date, DecimalMark, Error, ErrorKind, Explanation, OpenOptions, Result, Scorer,
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
    tables: Vec<TableRows<'a>>,
}

/// The rows of a table.
struct TableRows<'a> {
    /// Which field it is, and which of its columns each of the file's is; none for the id.
    field: usize,
    columns: Vec<Option<usize>>,
    /// By the application's id, in the file's order.
    of: HashMap<&'a str, Vec<Vec<&'a str>>>,
}

/// Applications, and each table's rows under the name of its field: one text, as [`Parity::open`] reads it.
pub fn joined(applications: &str, tables: &[(String, String)]) -> String {
    let tables = tables
        .iter()
        .map(|(field, rows)| format!("\n{field}\n{rows}"));
    tables.fold(applications.to_owned(), |all, table| all + &table)
}

/// The cells of each line.
fn cells(csv: &str) -> impl Iterator<Item = Vec<&str>> {
    csv.lines().map(|line| line.split(',').collect())
}

impl<'a> TableRows<'a> {
    /// Of `FIELD`, a line end, and a file whose column `id` says whose rows they are.
    fn read(text: &'a str, schema: &Schema) -> Result<Self> {
        let (name, csv) = text.split_once('\n').unwrap_or((text, ""));
        let field = schema.index_of(name)?;
        let own = schema.field_at(field)?.kind.columns();
        let mut lines = cells(csv);
        let header = lines.next().unwrap_or_default();
        let place = |name: &&str| own.iter().position(|column| column.0.name == *name);
        let columns: Vec<Option<usize>> = header.iter().map(place).collect();
        let id = header.iter().position(|name| *name == "id");
        if columns.iter().flatten().count() < own.len() || id.is_none() {
            let expected = "the id and every column of the table";
            return Err(Error::new(ErrorKind::Malformed, name.to_owned(), expected));
        }
        let mut of: HashMap<&str, Vec<Vec<&str>>> = HashMap::new();
        for row in lines {
            let id = id.and_then(|at| row.get(at)).copied().unwrap_or_default();
            of.entry(id).or_default().push(row);
        }
        Ok(Self { field, columns, of })
    }

    /// Gives an application the rows of the one called `id`; without any it has no table.
    fn fill(&self, id: &str, application: &mut Application) -> Result<()> {
        for row in self.of.get(id).into_iter().flatten() {
            application.add_row_at(self.field)?;
            for (column, cell) in self.columns.iter().zip(row) {
                if let Some(column) = *column {
                    application.set_cell_text_at(self.field, column, cell, DecimalMark::Point)?;
                }
            }
        }
        Ok(())
    }
}

impl<'a> Parity<'a> {
    /// Opens the bundle with the kernel path called `kernels`, or the fastest one, for the applications of a
    /// CSV file's text, or of what [`joined`] makes of several.
    ///
    /// # Errors
    /// Where the bundle does not open, this processor has no such path, or a table is no field's.
    pub fn open(bundle: &[u8], key: [u8; 32], csv: &'a str, kernels: Option<&str>) -> Result<Self> {
        let path = match kernels {
            None => Some(Kernels::detect()),
            Some(name) => Kernels::available()
                .into_iter()
                .find(|path| path.name == name),
        };
        let path = path.ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                kernels.unwrap_or_default().to_owned(),
                "a kernel path of this processor",
            )
        })?;
        let scorer = OpenOptions::default().kernels(path).open(bundle, &[key])?;
        let mut parts = csv.split("\n\n");
        let mut lines = cells(parts.next().unwrap_or_default());
        Ok(Self {
            header: lines.next().unwrap_or_default(),
            rows: lines.collect(),
            tables: parts
                .map(|table| TableRows::read(table, scorer.schema()))
                .collect::<Result<_>>()?,
            scorer,
            path,
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
        for table in &self.tables {
            let from = (row + pass * (table.field + 1)) % self.rows.len();
            let id = id_at.map_or("", |at| self.rows[from][at]);
            table.fill(id, application)?;
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

impl Parity<'_> {
    /// The digest over the alternatives to the first `count` decisions: for each application its id, a line
    /// end, and for each alternative its changes (`income=120`, with a comma between two), outcome, score and
    /// probability in parts per million, with blanks between them and a line end; errors by their code and a
    /// line end.
    ///
    /// # Errors
    /// Where a cell is not of its field's type.
    pub fn alternatives(&self, count: usize) -> Result<String> {
        let day = self.scorer.reference()?.0.as_of();
        let mut application = self.scorer.application("", day);
        let schema = self.scorer.schema();
        let mut hash = Sha256::new();
        for index in 0..count {
            self.application(index, &mut application)?;
            let all = match self.scorer.alternatives(&application) {
                Ok(all) => all.found,
                Err(error) => {
                    hash.update(format!("{}\n", error.code()));
                    continue;
                }
            };
            hash.update(format!("{}\n", application.id()));
            for alternative in all {
                for (at, change) in alternative.changes.iter().enumerate() {
                    let field = usize::from(change.field);
                    let text = schema.text_of(field, change.value)?;
                    let comma = if at > 0 { "," } else { "" };
                    hash.update(format!("{comma}{}={text}", schema.field_at(field)?.name));
                }
                let decision = alternative.decision;
                let (outcome, score) = (decision.outcome, decision.score);
                hash.update(format!(" {outcome} {score} {}\n", decision.probability_ppm));
            }
        }
        Ok(hex(&hash.finalize().into()))
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
    /// Layers, forests, and tensor steps of each kind; and applications with what would change their decisions.
    pub kernels: Vec<usize>,
}

/// What a run prints: a line for each mark, `plain 10000 <digest>`, `explained 100 <digest>`,
/// `kernels 200 <digest>` or, as many, `forests 200 <digest>`, `tensors 200 <digest>` and
/// `alternatives 200 <digest>`.
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
        let digest = hex(&tensors::digest(&parity.path, mark));
        out.push_str(&format!("tensors {mark} {digest}\n"));
        let digest = parity.alternatives(mark)?;
        out.push_str(&format!("alternatives {mark} {digest}\n"));
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
    /// key is 32 bytes; `marks` are u32: how many are plain, explained and of layers, then all of them.
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
            let counts = (*marks.cast::<[u32; 3]>()).map(|count| count as usize);
            let all = std::slice::from_raw_parts(marks.add(3), counts.iter().sum());
            let (plain, rest) = all.split_at(counts[0]);
            let (explained, kernels) = rest.split_at(counts[1]);
            let list = |marks: &[u32]| marks.iter().map(|&mark| mark as usize).collect();
            (
                std::slice::from_raw_parts(bundle, bundle_len),
                std::slice::from_raw_parts(csv, csv_len),
                *key.cast::<[u8; 32]>(),
                Marks {
                    plain: list(plain),
                    explained: list(explained),
                    kernels: list(kernels),
                },
            )
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

//! Where data goes: stdout or a file. A reader that goes away (`| head`) ends the work quietly.

use std::cell::Cell;
use std::io::{BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::error::{Error, Result, io};

/// A place for data. Once its reader has gone it takes everything and says so in
/// [`Sink::is_closed`].
pub struct Sink {
    inner: BufWriter<Box<dyn Write>>,
    name: PathBuf,
    closed: Rc<Cell<bool>>,
}

impl Sink {
    /// Stdout.
    pub fn stdout() -> Self {
        Self::new(Box::new(std::io::stdout().lock()), "standard output")
    }

    /// A file, made anew; stdout where there is none.
    ///
    /// # Errors
    /// Where the file cannot be written, or is `input`, which would be lost.
    pub fn create(path: Option<&Path>, input: Option<&Path>) -> Result<Self> {
        let Some(path) = path else {
            return Ok(Self::stdout());
        };
        let same = |input: &Path| match (path.canonicalize(), input.canonicalize()) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        };
        if input.is_some_and(same) {
            let place = path.display().to_string();
            return Err(Error::input(
                place,
                "another file than the one that is read",
            ));
        }
        let file = std::fs::File::create(path).map_err(|e| io(path, &e))?;
        Ok(Self::new(Box::new(file), path))
    }

    fn new(inner: Box<dyn Write>, name: impl Into<PathBuf>) -> Self {
        Self {
            inner: BufWriter::with_capacity(64 << 10, inner),
            name: name.into(),
            closed: Rc::default(),
        }
    }

    /// Whether the reader has gone.
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Tells whether the reader has gone, also when the sink itself has been given away.
    pub fn watch(&self) -> impl Fn() -> bool + use<> {
        let closed = Rc::clone(&self.closed);
        move || closed.get()
    }

    /// Turns an error of writing into one of ours.
    pub fn error(&self) -> impl Fn(std::io::Error) -> Error + use<> {
        let name = self.name.clone();
        move |e| io(&name, &e)
    }

    /// Writes a whole text and flushes.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn print(mut self, text: &str) -> Result<()> {
        let error = self.error();
        self.write_all(text.as_bytes())
            .and_then(|()| self.flush())
            .map_err(error)
    }

    fn quiet<T>(&self, done: std::io::Result<T>, else_: T) -> std::io::Result<T> {
        match done {
            Err(e) if e.kind() == ErrorKind::BrokenPipe => {
                self.closed.set(true);
                Ok(else_)
            }
            other => other,
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.is_closed() {
            return Ok(bytes.len());
        }
        let done = self.inner.write(bytes);
        self.quiet(done, bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.is_closed() {
            return Ok(());
        }
        let done = self.inner.flush();
        self.quiet(done, ())
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sink({})", self.name.display())
    }
}

/// Writes a file in one step, in a folder that is made if it isn't there: a reader never sees half of it.
///
/// # Errors
/// Where it cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder).map_err(|e| io(folder, &e))?;
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    std::fs::write(&part, bytes).map_err(|e| io(&part, &e))?;
    std::fs::rename(&part, path).map_err(|e| io(path, &e))
}

/// Whether people read stdout as it is written.
pub(crate) fn stdout_is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        let mut sink = Sink::new(Box::new(Gone), "pipe");
        let closed = sink.watch();
        sink.write_all(b"data").unwrap();
        sink.flush().unwrap();
        assert!(closed() && sink.is_closed());
        sink.write_all(&[0; 1 << 20]).unwrap();
    }

    #[test]
    fn the_input_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "data").unwrap();
        assert!(Sink::create(Some(&path), Some(&path)).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");
    }
}

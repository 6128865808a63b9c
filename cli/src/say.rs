//! What the command says to people, on stderr. Readable without colour.

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;

use crate::error::Error;

/// When messages are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

static COLOURED: OnceLock<bool> = OnceLock::new();

impl Colour {
    /// Decides it for the whole run.
    pub fn set(self) {
        COLOURED.get_or_init(|| match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => automatic(),
        });
    }
}

fn automatic() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    std::io::stderr().is_terminal() && !set("NO_COLOR") && !dumb
}

/// Whether messages are coloured.
pub fn coloured() -> bool {
    *COLOURED.get_or_init(automatic)
}

fn line(colour: &str, word: &str, text: impl std::fmt::Display) {
    let mut err = std::io::stderr().lock();
    // Where stderr is gone there is nobody to tell.
    let _ = if coloured() {
        writeln!(err, "\x1b[1;{colour}m{word}:\x1b[0m {text}")
    } else {
        writeln!(err, "{word}: {text}")
    };
}

/// An error, with its hint.
pub fn error(error: &Error) {
    line("31", "error", error);
    if let Some(text) = error.hint_text() {
        hint(text);
    }
}

/// An error that has no place of its own.
pub fn error_text(text: impl std::fmt::Display) {
    line("31", "error", text);
}

/// What to do about what was just said.
pub fn hint(text: impl std::fmt::Display) {
    line("36", "hint", text);
}

/// Something that the caller should know before trusting the result.
pub fn warn(text: impl std::fmt::Display) {
    line("33", "warning", text);
}

/// Something that the caller may want to know.
pub fn note(text: impl std::fmt::Display) {
    line("34", "note", text);
}

/// A plain line, such as a summary.
pub fn plain(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

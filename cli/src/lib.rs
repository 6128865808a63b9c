//! What Fieldscore's commands share: files of applications, keys, and the verbs that need a bundle
//! and no compiler. The command `fieldscore` has them all, a kiosk's `fieldscore-device` most.
//!
//! Data goes to stdout, all else to stderr; what is read by programs has `--json` or
//! `--format jsonl`; the exit status is 0 done, 1 a gate or a check failed, 2 bad usage or bad input.

pub mod applications;
mod chart;
pub mod drift;
pub mod error;
pub mod explain;
mod input;
pub mod inspect;
mod inspect_json;
pub mod keys;
pub mod notice;
pub mod open;
mod output;
pub mod overrides;
mod progress;
mod records;
pub mod replay;
pub mod say;
pub mod score;
pub mod summary;
mod table;
pub mod tight;
pub mod verify;
pub mod watch;
mod words;

use std::process::ExitCode;

pub use error::{Error, Fault, Result};
pub use input::InputArgs;
pub use open::{BundleArgs, Opened, Signature};
pub use output::{Sink, write_whole};
pub use progress::Progress;
pub use say::Colour;
pub use words::raw as raw_text;

/// How a verb ended, where it did not end with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done: exit status 0.
    Done,
    /// A gate or a check failed, and was reported: exit status 1.
    Failed,
    /// Some of the input was bad, and was reported: exit status 2.
    BadInput,
}

impl Exit {
    /// The exit status.
    pub const fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::BadInput => 2,
        }
    }
}

impl From<Fault> for Exit {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Check => Self::Failed,
            Fault::Input => Self::BadInput,
        }
    }
}

/// What every command takes besides its verb.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Talk {
    /// Show the log on stderr: -v what happened, -vv in detail, -vvv of every library
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// When to colour messages; auto also minds NO_COLOR
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Colour,
}

impl Talk {
    /// Sets colours and starts the log, for the whole run.
    pub fn start(self) {
        self.color.set();
        let mut log = env_logger::Builder::new();
        match self.verbose {
            0 => log.filter_level(log::LevelFilter::Off),
            1 => log.filter_module("fieldscore", log::LevelFilter::Info),
            2 => log.filter_module("fieldscore", log::LevelFilter::Debug),
            _ => log.filter_level(log::LevelFilter::Debug),
        };
        let style = match say::coloured() {
            true => env_logger::WriteStyle::Always,
            false => env_logger::WriteStyle::Never,
        };
        log.write_style(style).init();
    }
}

/// Ends a command: reports its error, if it ended with one, and gives the exit status.
pub fn end(done: Result<Exit>) -> ExitCode {
    let exit = done.unwrap_or_else(|error| {
        say::error(&error);
        error.fault().into()
    });
    ExitCode::from(exit.status())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_become_exit_statuses() {
        assert_eq!(Exit::Done.status(), 0);
        assert_eq!(Exit::from(Fault::Check).status(), 1);
        assert_eq!(Exit::from(Fault::Input).status(), 2);
    }
}

//! The command `fieldscore`.
//!
//! Data goes to stdout, all else to stderr; what is read by programs has `--json` or
//! `--format jsonl`; the exit status is 0 done, 1 a gate or a check failed, 2 bad usage or bad input.

mod build;
mod chart;
mod demo;
mod evaluate;
mod explain;
mod init;
mod input;
mod inspect;
mod inspect_json;
mod key;
mod open;
mod output;
mod progress;
mod replay;
mod say;
mod score;
mod table;
mod verify;
mod words;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{Fault, Result};

pub use open::{BundleArgs, Opened, Signature};
pub use output::Sink;
pub use progress::Progress;
pub use say::{Colour, note, warn};

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

/// Scores loan applications offline with a signed bundle, and makes such bundles.
#[derive(Debug, Parser)]
#[command(
    name = "fieldscore",
    version,
    after_help = "Exit status: 0 done, 1 a gate or a check failed, 2 bad usage or bad input.\n\
                  Results go to stdout, everything else to stderr."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Show the log on stderr: -v what happened, -vv in detail, -vvv of every library
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// When to colour messages; auto also minds NO_COLOR
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Colour,
}

#[derive(Debug, Subcommand)]
enum Command {
    // From a model to a bundle.
    Demo(demo::DemoArgs),
    Init(init::InitArgs),
    Build(build::BuildArgs),
    Evaluate(evaluate::EvaluateArgs),

    // With a bundle.
    Score(score::ScoreArgs),
    Explain(explain::ExplainArgs),
    Inspect(inspect::InspectArgs),
    Verify(verify::VerifyArgs),
    Replay(replay::ReplayArgs),
    Key(key::KeyArgs),
}

impl Command {
    fn run(self) -> Result<Exit> {
        match self {
            Self::Demo(args) => demo::run(args),
            Self::Init(args) => init::run(args),
            Self::Build(args) => build::run(args),
            Self::Evaluate(args) => evaluate::run(args),
            Self::Score(args) => score::run(args),
            Self::Explain(args) => explain::run(args),
            Self::Inspect(args) => inspect::run(args),
            Self::Verify(args) => verify::run(args),
            Self::Replay(args) => replay::run(args),
            Self::Key(args) => key::run(args),
        }
    }
}

/// Reads the command line, does what it says, reports errors.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.color.set();
    start_log(cli.verbose);
    let exit = cli.command.run().unwrap_or_else(|error| {
        say::error(&error);
        error.fault().into()
    });
    ExitCode::from(exit.status())
}

fn start_log(verbose: u8) {
    let mut log = env_logger::Builder::new();
    match verbose {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn faults_become_exit_statuses() {
        assert_eq!(Exit::Done.status(), 0);
        assert_eq!(Exit::from(Fault::Check).status(), 1);
        assert_eq!(Exit::from(Fault::Input).status(), 2);
    }
}

//! The command `fieldscore`.
//!
//! Data goes to stdout, all else to stderr; what is read by programs has `--json` or
//! `--format jsonl`; the exit status is 0 done, 1 a gate or a check failed, 2 bad usage or bad input.

mod build;
mod card;
mod compare;
mod demo;
mod evaluate;
mod fairness;
mod init;
mod key;
mod soundness;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Result;

pub(crate) use fieldscore_cli::{
    BundleArgs, Exit, Sink, Talk, explain, inspect, notice, open, overrides, replay, say, score,
    summary, verify,
};

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
    #[command(flatten)]
    talk: Talk,
}

#[derive(Debug, Subcommand)]
enum Command {
    // From a model to a bundle.
    Demo(demo::DemoArgs),
    Init(init::InitArgs),
    Build(build::BuildArgs),
    Evaluate(evaluate::EvaluateArgs),
    Card(card::CardArgs),
    Compare(compare::CompareArgs),
    Fairness(fairness::FairnessArgs),

    // With a bundle.
    Score(score::ScoreArgs),
    Explain(explain::ExplainArgs),
    Notice(notice::NoticeArgs),
    Override(overrides::OverrideArgs),
    Inspect(inspect::InspectArgs),
    Verify(verify::VerifyArgs),
    Replay(replay::ReplayArgs),
    Summary(summary::SummaryArgs),
    Key(key::KeyArgs),
}

impl Command {
    fn run(self) -> Result<Exit> {
        match self {
            Self::Demo(args) => demo::run(args),
            Self::Init(args) => init::run(args),
            Self::Build(args) => build::run(args),
            Self::Evaluate(args) => evaluate::run(args),
            Self::Card(args) => card::run(args),
            Self::Compare(args) => compare::run(args),
            Self::Fairness(args) => fairness::run(args),
            Self::Score(args) => score::run(args),
            Self::Explain(args) => explain::run(args),
            Self::Notice(args) => notice::run(args),
            Self::Override(args) => overrides::run(args),
            Self::Inspect(args) => inspect::run(args),
            Self::Verify(args) => verify::run(args),
            Self::Replay(args) => replay::run(args),
            Self::Summary(args) => summary::run(args),
            Self::Key(args) => key::run(args),
        }
    }
}

/// Reads the command line, does what it says, reports errors.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.talk.start();
    fieldscore_cli::end(cli.command.run())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}

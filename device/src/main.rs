//! The kiosk's binary, `fieldscore-device`: what needs a bundle and no compiler, and `serve`, which
//! puts the form on this machine only, takes bundles from files and gives records as files.
#![forbid(unsafe_code)]

mod self_test;
mod serve;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use fieldscore_cli::{
    Exit, Result, Talk, explain, inspect, notice, overrides, replay, score, verify,
};

/// Scores loan applications offline with a signed bundle, and serves the form at a kiosk.
#[derive(Debug, Parser)]
#[command(
    name = "fieldscore-device",
    version,
    after_help = "Exit status: 0 done, 1 a check failed, 2 bad usage or bad input.\n\
                  Results go to stdout, everything else to stderr."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    talk: Talk,
}

#[derive(Debug, Subcommand)]
enum Command {
    Score(score::ScoreArgs),
    Explain(explain::ExplainArgs),
    Notice(notice::NoticeArgs),
    Override(overrides::OverrideArgs),
    Replay(replay::ReplayArgs),
    Inspect(inspect::InspectArgs),
    Verify(verify::VerifyArgs),
    SelfTest(self_test::SelfTestArgs),
    Serve(serve::ServeArgs),
}

impl Command {
    fn run(self) -> Result<Exit> {
        match self {
            Self::Score(args) => score::run(args),
            Self::Explain(args) => explain::run(args),
            Self::Notice(args) => notice::run(args),
            Self::Override(args) => overrides::run(args),
            Self::Replay(args) => replay::run(args),
            Self::Inspect(args) => inspect::run(args),
            Self::Verify(args) => verify::run(args),
            Self::SelfTest(args) => self_test::run(args),
            Self::Serve(args) => serve::run(args),
        }
    }
}

/// The command line; examples name this program, also those of verbs that the compiler's command
/// has too.
fn command() -> clap::Command {
    let mut command = Cli::command();
    let verbs: Vec<String> = command
        .get_subcommands()
        .map(|verb| verb.get_name().to_owned())
        .collect();
    for verb in verbs {
        command = command.mut_subcommand(verb, |verb| match verb.get_after_help() {
            Some(text) => {
                let text = text.to_string();
                let text = text.replace("  fieldscore ", "  fieldscore-device ");
                verb.after_help(text.replace("| fieldscore ", "| fieldscore-device "))
            }
            None => verb,
        });
    }
    command
}

fn main() -> ExitCode {
    let matches = command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    cli.talk.start();
    fieldscore_cli::end(cli.command.run())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn examples_name_this_program() {
        let mut command = command();
        let mut help = String::new();
        for verb in command.get_subcommands_mut() {
            help += &verb.render_long_help().to_string();
        }
        assert!(help.contains("fieldscore-device score credit.fsb"));
        assert!(help.contains("fieldscore-device replay credit.fsb"));
        assert!(!help.contains(" fieldscore score"), "{help}");
    }
}

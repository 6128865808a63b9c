//! `fieldscore key`: signing keys.

use std::path::PathBuf;

use crate::cli::{Exit, Sink, open, say};
use crate::error::Result;
use crate::keys::{PRIVATE_FILE, PUBLIC_FILE, Signing};

/// Make a key that signs bundles
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  fieldscore key new keys/credit

Keep signing.pem where bundles are built and nowhere else; public.pem goes into the apps that
open the bundles, and to --key.")]
pub struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, clap::Subcommand)]
enum KeyCommand {
    /// Write a new key pair into a folder; never overwrites one
    New {
        /// The folder
        folder: PathBuf,
    },
}

/// Makes a key.
///
/// # Errors
/// Where the folder cannot be written or holds a key already.
pub fn run(args: KeyArgs) -> Result<Exit> {
    let KeyCommand::New { folder } = args.command;
    let key = Signing::generate()?;
    key.write(&folder)?;
    say::note(format!(
        "{} signs bundles: keep it secret",
        folder.join(PRIVATE_FILE).display()
    ));
    say::note(format!(
        "{} opens them: give it to --key and to the apps",
        folder.join(PUBLIC_FILE).display()
    ));
    Sink::stdout().print(&format!("{}\n", open::hex(&key.id())))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let args = || KeyArgs {
            command: KeyCommand::New {
                folder: folder.path().join("k"),
            },
        };
        assert_eq!(run(args()).unwrap(), Exit::Done);
        let before = std::fs::read(folder.path().join("k").join(PRIVATE_FILE)).unwrap();
        let error = run(args()).unwrap_err();
        assert!(error.to_string().contains("never overwritten"), "{error}");
        let after = std::fs::read(folder.path().join("k").join(PRIVATE_FILE)).unwrap();
        assert_eq!(before, after);
    }
}

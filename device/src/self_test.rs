//! `fieldscore-device self-test`: whether this machine computes what the signer computed.

use fieldscore_cli::{BundleArgs, Exit, Result, Sink, say};
use fieldscore_runtime::kernels::Kernels;
use fieldscore_runtime::{ErrorKind, OpenOptions};
use serde_json::json;

/// Run a bundle's known answers on this machine, on every kernel path it has
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  fieldscore-device self-test credit.fsb --key lender.pem

The exit status is 1 when an answer comes out differently.")]
pub struct SelfTestArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    /// One JSON object for each kernel path instead of text
    #[arg(long)]
    json: bool,
}

/// Runs the known answers.
///
/// # Errors
/// Where the bundle does not open; an answer that differs is part of the result.
pub fn run(args: SelfTestArgs) -> Result<Exit> {
    // Under its signature first; then again for each path, with the key that it was signed by.
    let opened = args.bundle.open()?;
    let bytes = fieldscore_cli::open::read(&args.bundle.bundle)?;
    let used = opened.scorer.kernels();
    let mut out = String::new();
    let mut exit = Exit::Done;
    for path in Kernels::available() {
        let scorer = OpenOptions::default()
            .kernels(path)
            .open(bytes.as_slice(), &args.bundle.pinned()?)?;
        let (count, failed) = match scorer.self_test() {
            Ok(count) => (count, None),
            Err(error) if error.kind() == ErrorKind::SelfTest => (0, Some(error)),
            Err(error) => return Err(error.into()),
        };
        let same = failed.is_none();
        if args.json {
            let value = json!({
                "kernels": path.name, "used": path.name == used, "answers": count, "same": same,
            });
            out += &format!("{value}\n");
        } else {
            let verdict = match same {
                true => format!("{count} known answers, the same bytes"),
                false => "DIFFERS".to_owned(),
            };
            let mark = if path.name == used { "  (in use)" } else { "" };
            out += &format!("{:<16} {verdict}{mark}\n", path.name);
        }
        if let Some(error) = failed {
            say::error(&fieldscore_cli::Error::from(error).within(path.name));
            exit = Exit::Failed;
        }
    }
    Sink::stdout().print(&out)?;
    Ok(exit)
}

//! `fieldscore card`: the model card of a bundle.

use std::path::{Path, PathBuf};

use fieldscore_cli::inspect::{language, object};

use crate::cli::build::write_whole;
use crate::cli::{BundleArgs, Exit, Sink, say};
use crate::error::{Error, Result};
use crate::pages::card;

/// Write a bundle's model card: purpose, data, figures, groups, limits, policy, provenance
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fieldscore card credit.fsb
  fieldscore card credit.fsb -o card.html --key keys/credit/public.pem --language zh

Everything on the card is inside the signed file. The card of a bundle of a key that --key does
not give is written all the same, and says that it is NOT VERIFIED.")]
pub struct CardArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    /// Write to this file [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How to write it [default: by the output's extension, else markdown]
    #[arg(long)]
    format: Option<CardFormat>,
    /// Language of texts, a BCP-47 tag [default: the bundle's first]
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
}

/// How a card is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CardFormat {
    /// One page that needs nothing else, also for printing.
    Html,
    /// CommonMark with GitHub's tables.
    Markdown,
}

impl CardFormat {
    fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        matches!(extension.as_str(), "html" | "htm").then_some(Self::Html)
    }
}

/// Writes a card.
///
/// # Errors
/// Where the bundle cannot be read or does not hold what it must, or the card cannot be written.
pub fn run(args: CardArgs) -> Result<Exit> {
    let opened = args.bundle.look()?;
    // The bundle's own language that serves the one that is asked for.
    let texts = opened.scorer.texts();
    let asked = language(args.language.as_deref(), &opened.scorer);
    let language = texts.languages.get(texts.language(asked));
    let language = language.map_or("en", String::as_str);
    let report = card(&object(&opened, language), language);
    let by_name = || args.output.as_deref().and_then(CardFormat::of);
    let text = match args.format.or_else(by_name) {
        Some(CardFormat::Html) => report.to_html(),
        _ => report.to_markdown(),
    };
    let text =
        text.map_err(|e| Error::check("card", format!("a card that can be written ({e})")))?;
    match &args.output {
        Some(path) => {
            write_whole(path, text.as_bytes())?;
            say::note(format!("card: {}", path.display()));
        }
        None => Sink::stdout().print(&text)?,
    }
    Ok(Exit::Done)
}

//! `fieldscore verify`: whether a bundle is what its signer made, and works here.

use std::path::PathBuf;

use fieldscore_runtime::bundle::container::key_id;
use fieldscore_runtime::{ErrorKind, Scorer};
use serde_json::json;

use crate::error::{Error, Result};
use crate::keys::{is_development, read_public};
use crate::{Exit, Sink, open, say, words};

/// Check a bundle: signature, hashes, contents, self-test
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  fieldscore verify credit.fsb --key keys/credit/public.pem

The exit status is 1 when a check fails.")]
pub struct VerifyArgs {
    /// The bundle (.fsb)
    bundle: PathBuf,
    /// Public key that must have signed it; may be given several times. Without it the
    /// development key counts, which proves nothing
    #[arg(long = "key", value_name = "PUBLIC.pem")]
    keys: Vec<PathBuf>,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

const CHECKS: [&str; 5] = ["file", "signature", "hashes", "contents", "self-test"];

/// What came of the checks, in their order.
struct Found {
    passed: Vec<String>,
    failed: Option<Error>,
    /// Whether the development key signed it, which proves nothing.
    development: bool,
}

/// Checks a bundle.
///
/// # Errors
/// Where a file cannot be read; a check that fails is part of the result.
pub fn run(args: VerifyArgs) -> Result<Exit> {
    let mut keys = Vec::new();
    for path in &args.keys {
        keys.push((read_public(path)?, path.display().to_string()));
    }
    let bytes = open::read(&args.bundle)?;
    let found = check(bytes, &keys);
    let sink = Sink::stdout();
    if args.json {
        sink.print(&format!("{}\n", as_json(&found)))?;
    } else {
        sink.print(&as_text(&found))?;
    }
    Ok(match found.failed {
        None => Exit::Done,
        Some(error) => {
            say::error(&error.within(args.bundle.display()));
            Exit::Failed
        }
    })
}

fn check(bytes: Vec<u8>, keys: &[([u8; 32], String)]) -> Found {
    let pinned: Vec<[u8; 32]> = keys.iter().map(|(key, _)| *key).collect();
    let size = words::count(bytes.len() as u64, "byte", "bytes");
    match open::open_bytes(bytes, &pinned) {
        Ok(opened) => contents(&opened.scorer, keys, size),
        Err(refused) => {
            let done = match refused.error.kind() {
                ErrorKind::NotABundle => 0,
                ErrorKind::UntrustedKey | ErrorKind::BadSignature => 1,
                ErrorKind::Altered => 2,
                _ => 3,
            };
            Found {
                passed: vec![String::new(); done],
                failed: Some(refused.explain(keys.is_empty())),
                development: false,
            }
        }
    }
}

fn contents(scorer: &Scorer, keys: &[([u8; 32], String)], size: String) -> Found {
    let id = scorer.container().key_id;
    let signer = match keys.iter().find(|(key, _)| key_id(key) == id) {
        _ if is_development(&id) => {
            "the development key, which anybody can use: this proves nothing"
        }
        Some((_, path)) => path.as_str(),
        None => "",
    };
    let meta = scorer.meta();
    let mut passed = vec![
        size,
        format!("key {} {signer}", open::hex(&id)),
        words::count(
            scorer.container().sections.len() as u64,
            "section matches",
            "sections match",
        ),
        format!(
            "product {}, sequence {}, all valid",
            meta.product, meta.sequence
        ),
    ];
    let failed = match scorer.self_test() {
        Ok(count) => {
            passed.push(format!(
                "{}, the same bytes",
                words::count(count as u64, "known answer", "known answers")
            ));
            None
        }
        Err(error) => Some(Error::from(error)),
    };
    Found {
        passed,
        failed,
        development: is_development(&id),
    }
}

/// `ok`, `FAILED` or `not reached`, for each check.
fn states(found: &Found) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
    CHECKS.iter().enumerate().map(|(index, check)| {
        match (found.passed.get(index), index == found.passed.len()) {
            (Some(text), _) => (*check, "ok", text.as_str()),
            (None, true) => (*check, "FAILED", ""),
            (None, false) => (*check, "not reached", ""),
        }
    })
}

fn as_text(found: &Found) -> String {
    let mut out = String::new();
    for (check, state, text) in states(found) {
        let line = format!("{check:<10} {state:<12}{text}");
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn as_json(found: &Found) -> serde_json::Value {
    let mut all = serde_json::Map::new();
    for (check, state, text) in states(found) {
        all.insert(check.to_owned(), json!({ "state": state, "detail": text }));
    }
    all.insert("ok".to_owned(), json!(found.failed.is_none()));
    all.insert("development_key".to_owned(), json!(found.development));
    if let Some(error) = &found.failed {
        all.insert("error".to_owned(), json!(error.to_string()));
    }
    serde_json::Value::Object(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::applications::sample;
    use crate::keys::Signing;

    #[test]
    fn a_good_bundle_passes_every_check() {
        let key = Signing::generate().unwrap();
        let found = check(
            sample::bundle(&key),
            &[(key.public(), "own.pem".to_owned())],
        );
        assert!(found.failed.is_none());
        let text = as_text(&found);
        assert!(
            text.contains("own.pem") && text.contains(&open::hex(&key.id())),
            "{text}"
        );
        assert!(!text.contains("FAILED"), "{text}");
        assert_eq!(as_json(&found)["development_key"], false);
    }

    #[test]
    fn the_development_key_is_called_out() {
        let found = check(sample::bundle(&Signing::development()), &[]);
        assert!(as_text(&found).contains("proves nothing"));
        assert_eq!(as_json(&found)["development_key"], true);
    }

    #[test]
    fn the_check_that_fails_is_named() {
        let key = Signing::generate().unwrap();
        let keys = [(key.public(), "own.pem".to_owned())];
        let whole = sample::bundle(&key);
        let state = |bytes: Vec<u8>| {
            let found = check(bytes, &keys);
            let failed = states(&found).find(|(_, state, _)| *state == "FAILED");
            failed.map(|(check, _, _)| check)
        };
        let mut altered = whole.clone();
        *altered.last_mut().unwrap() ^= 1;
        assert_eq!(state(altered), Some("hashes"));
        let mut header = whole.clone();
        header[60] ^= 1;
        assert_eq!(state(header), Some("signature"));
        assert_eq!(state(whole[..whole.len() - 1].to_vec()), Some("file"));
        assert_eq!(state(b"no bundle".to_vec()), Some("file"));
        assert_eq!(
            state(sample::bundle(&Signing::development())),
            Some("signature")
        );
        assert_eq!(state(whole), None);
    }
}

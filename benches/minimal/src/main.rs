//! The smallest program that scores: a bundle on stdin, the public key in hexadecimal, the date and
//! the fields as arguments.
//!
//! ```text
//! fieldscore-minimal KEY 2026-09-01 income=1200 home=owner < credit.fsb
//! ```
//!
//! What `cargo xtask sizes` measures: the runtime with nothing around it.

use std::io::{Read, Write};
use std::process::ExitCode;

use fieldscore_runtime::{Date, DecimalMark, Error, ErrorKind, Scorer};

fn key(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(key)
}

fn decide(bundle: Vec<u8>, mut arguments: impl Iterator<Item = String>) -> Result<String, Error> {
    let wrong = |what, expected| Error::new(ErrorKind::WrongType, what, expected);
    let key = arguments.next().as_deref().and_then(key);
    let key = key.ok_or_else(|| wrong("key", "64 hexadecimal digits"))?;
    let as_of = arguments.next().as_deref().and_then(Date::parse);
    let as_of = as_of.ok_or_else(|| wrong("as_of", "a date such as 2026-09-01"))?;
    let scorer = Scorer::open(bundle, &[key])?;
    let mut application = scorer.application("", as_of);
    for argument in arguments {
        let (field, value) = argument
            .split_once('=')
            .ok_or_else(|| wrong("argument", "name=value"))?;
        application.set_text(field, value, DecimalMark::Point)?;
    }
    let decision = scorer.score(&application)?;
    Ok(format!("{} {}\n", decision.score, decision.outcome))
}

fn main() -> ExitCode {
    let mut bundle = Vec::new();
    let said = match std::io::stdin().read_to_end(&mut bundle) {
        Ok(_) => decide(bundle, std::env::args().skip(1)).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let written = match &said {
        Ok(text) => std::io::stdout().write_all(text.as_bytes()),
        Err(text) => writeln!(std::io::stderr(), "error: {text}"),
    };
    if said.is_ok() && written.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

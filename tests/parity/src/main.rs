//! Prints the digests of a bundle's decisions at marks.
//!
//! ```text
//! parity BUNDLE KEY_HEX APPLICATIONS.csv [--kernels NAME] [--list] MARK,MARK MARK,MARK
//! ```
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that prints digests"
)]

use std::process::ExitCode;

use fieldscore_parity::{Parity, report};
use fieldscore_runtime::kernels::Kernels;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("error: {text}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<String, String> {
    if arguments == ["--list"] {
        return Ok(Kernels::available()
            .iter()
            .map(|path| format!("{}\n", path.name))
            .collect());
    }
    let (kernels, rest) = match arguments {
        [flag, name, rest @ ..] if flag == "--kernels" => (Some(name.as_str()), rest),
        rest => (None, rest),
    };
    let [bundle, key, csv, plain, explained] = rest else {
        return Err(
            "usage: parity [--kernels NAME] BUNDLE KEY_HEX APPLICATIONS.csv MARKS MARKS".to_owned(),
        );
    };
    let read = |path: &String| std::fs::read(path).map_err(|e| format!("{path}: {e}"));
    let csv = String::from_utf8(read(csv)?).map_err(|_| format!("{csv}: expected UTF-8"))?;
    let parity =
        Parity::open(&read(bundle)?, key_of(key)?, &csv, kernels).map_err(|e| e.to_string())?;
    let digests = report(&parity, &marks(plain)?, &marks(explained)?).map_err(|e| e.to_string())?;
    Ok(format!("kernels {}\n{digests}", parity.kernels()))
}

fn key_of(hex: &str) -> Result<[u8; 32], String> {
    let bytes: Option<Vec<u8>> = (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(hex.get(at * 2..at * 2 + 2)?, 16).ok())
        .collect();
    bytes
        .and_then(|b| b.try_into().ok())
        .ok_or_else(|| "key: expected 64 hexadecimal digits".to_owned())
}

fn marks(list: &str) -> Result<Vec<usize>, String> {
    let numbers = list.split(',').filter(|mark| !mark.is_empty());
    numbers
        .map(|mark| {
            mark.parse()
                .map_err(|_| format!("{list}: expected rising marks"))
        })
        .collect()
}

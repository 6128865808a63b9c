//! Prints the digests of a bundle's decisions at marks; or only decides, for counting.
//!
//! ```text
//! parity [--kernels NAME] [--strange-host] BUNDLE KEY_HEX APPLICATIONS.csv MARKS MARKS MARKS
//! parity [--kernels NAME] --decide BUNDLE KEY_HEX APPLICATIONS.csv score|explain COUNT
//! parity --list
//! ```
//!
//! `APPLICATIONS.csv` may be followed by `,FIELD=ROWS.csv` for each table.
//!
//! Marks are rising counts with commas: of decisions, of decisions with contributions, of layers
//! for the kernels alone. A strange host has set flush-to-zero and another rounding.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that prints digests"
)]

use std::process::ExitCode;

use fieldscore_parity::host::in_a_strange_host;
use fieldscore_parity::{Marks, Parity, joined, report};
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
    let (mode, rest) = match rest {
        [mode, rest @ ..] if ["--strange-host", "--decide"].contains(&mode.as_str()) => {
            (mode.as_str(), rest)
        }
        rest => ("", rest),
    };
    let [bundle, key, csv, counts @ ..] = rest else {
        return Err(
            "expected BUNDLE KEY_HEX APPLICATIONS.csv and counts; see the source's first lines"
                .to_owned(),
        );
    };
    let read = |path: &String| std::fs::read(path).map_err(|e| format!("{path}: {e}"));
    let text = |path: &String| {
        String::from_utf8(read(path)?).map_err(|_| format!("{path}: expected UTF-8"))
    };
    let mut files = csv.split(',');
    let csv = text(&files.next().unwrap_or_default().to_owned())?;
    let tables = files.map(|file| match file.split_once('=') {
        Some((field, path)) => Ok((field.to_owned(), text(&path.to_owned())?)),
        None => Err(format!("{file}: expected FIELD=ROWS.csv")),
    });
    let csv = joined(&csv, &tables.collect::<Result<Vec<_>, String>>()?);
    let (bundle, key) = (read(bundle)?, key_of(key)?);
    let digests = |marks: Marks| {
        let parity = Parity::open(&bundle, key, &csv, kernels)?;
        let digests = report(&parity, &marks)?;
        Ok(format!("kernels {}\n{digests}", parity.kernels()))
    };
    let done = match (mode, counts) {
        ("--decide", [what, count]) => {
            let explain = match what.as_str() {
                "score" => false,
                "explain" => true,
                other => return Err(format!("{other}: expected score or explain")),
            };
            let count = count
                .parse()
                .map_err(|_| format!("{count}: expected a count"))?;
            Parity::open(&bundle, key, &csv, kernels).and_then(|parity| {
                parity.decide(explain, count)?;
                Ok(format!("kernels {}\n", parity.kernels()))
            })
        }
        (_, [plain, explained, layers]) => {
            let marks = Marks {
                plain: marks(plain)?,
                explained: marks(explained)?,
                kernels: marks(layers)?,
            };
            if mode == "--strange-host" {
                in_a_strange_host(|| digests(marks))
            } else {
                digests(marks)
            }
        }
        _ => {
            return Err("expected two counts after --decide, else three lists of marks".to_owned());
        }
    };
    done.map_err(|e: fieldscore_runtime::Error| e.to_string())
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

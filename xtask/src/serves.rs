//! The kiosk's server of a program: started, and asked for its page and its bundle.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::bundle::GOLDEN;
use crate::run::{self, Failure, Result};

/// The public key of the golden bundle, `tests/golden/credit/key.txt`, as `--key` reads it.
const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
                   MCowBQYDK2VwAyEA9rfqkSdwNbvqemkyw8e/INMZYzmXpGudO+Ze5673OXs=\n\
                   -----END PUBLIC KEY-----\n";
/// What stands in for a form that is not built in.
const PAGE: &str = "<!doctype html><title>kiosk</title>";
/// An emulator takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ended when it is dropped, whatever came of it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `serve` in `folder`, which is emptied, and asks it for the page and the golden bundle.
///
/// # Errors
/// Where it does not start, or answers otherwise.
pub fn check(program: &mut Command, folder: &Path, with_form: bool) -> Result<()> {
    let place = Failure::at(folder.display());
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(&place)?;
    }
    std::fs::create_dir_all(folder.join("form")).map_err(&place)?;
    std::fs::write(folder.join("key.pem"), KEY).map_err(&place)?;
    std::fs::write(folder.join("form/kiosk.html"), PAGE).map_err(&place)?;
    program.args(["serve", "--product", "credit", "--port", "0"]);
    program.arg("--key").arg(folder.join("key.pem"));
    program.arg("--data").arg(folder.join("data"));
    program.args(["--bundle", GOLDEN]);
    if !with_form {
        program.arg("--form").arg(folder.join("form"));
    }
    let mut running = Running(run::spawn(program.stdout(Stdio::piped()))?);
    let mut line = String::new();
    if let Some(stdout) = running.0.stdout.take() {
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(Failure::at("serve"))?;
    }
    let address = line
        .trim()
        .strip_prefix("http://")
        .and_then(|rest| rest.strip_suffix('/'))
        .ok_or_else(|| Failure::new("serve: expected its address on stdout"))?;
    let bundle = std::fs::read(GOLDEN).map_err(Failure::at(GOLDEN))?;
    let page = b"<!doctype html>";
    for (path, expected) in [("/", &page[..]), ("/kiosk/bundle.fsb", &bundle)] {
        let answer = ask(address, path).map_err(Failure::at(format!("serve: {path}")))?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let body = end.and_then(|end| answer.get(end + 4..));
        let right = body.is_some_and(|body| body.starts_with(expected));
        if !answer.starts_with(b"HTTP/1.1 200 ") || !right {
            return Err(Failure::new(format!("serve: {path}: another answer")));
        }
    }
    Ok(())
}

fn ask(address: &str, path: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

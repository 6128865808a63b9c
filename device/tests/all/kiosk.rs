//! A kiosk to test: its folders, its process, and a browser's requests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use fieldscore_cli::keys::Signing;
use fieldscore_runtime::bundle::container::{SectionKind, write_container};
use fieldscore_runtime::bundle::{Meta, encode};
use fieldscore_runtime::{Date, DecimalMark, Scorer};
use tempfile::TempDir;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_fieldscore-device");
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/credit");

/// A file of the golden suite.
pub fn golden(name: &str) -> PathBuf {
    Path::new(GOLDEN).join(name)
}

pub fn golden_bundle() -> Vec<u8> {
    std::fs::read(golden("credit.fsb")).unwrap()
}

/// The golden bundle under another sequence number and product, signed by `key`.
pub fn resigned(key: &Signing, product: &str, sequence: u64) -> Vec<u8> {
    let public = Signing::development().public();
    let scorer = Scorer::open(golden_bundle(), &[public]).unwrap();
    let meta = Meta {
        product: product.to_owned(),
        sequence,
        ..scorer.meta().clone()
    };
    let meta = encode(&meta);
    let container = scorer.container();
    let sections: Vec<(SectionKind, bool, &[u8])> = container
        .sections
        .iter()
        .map(|section| {
            let body = match section.kind {
                SectionKind::META => meta.as_slice(),
                kind => scorer.section(kind).unwrap(),
            };
            (section.kind, section.critical, body)
        })
        .collect();
    let sign = |message: &[u8]| Ok::<_, std::convert::Infallible>(key.sign(message));
    write_container(
        &sections,
        container.features,
        container.least_runtime,
        key.id(),
        sign,
    )
    .unwrap()
}

/// The records of decisions on the first `count` golden applications, with reasons.
pub fn records(bundle: &[u8], count: usize) -> Vec<Vec<u8>> {
    let scorer = Scorer::open(bundle, &[Signing::development().public()]).unwrap();
    let csv = std::fs::read_to_string(golden("applications.csv")).unwrap();
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let each = lines.take(count).map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        let day = Date::parse(cells[1]).unwrap();
        let mut application = scorer.application(cells[0], day);
        for (name, cell) in header.iter().zip(&cells).skip(2) {
            let field = scorer.schema().index_of(name).unwrap();
            application
                .set_text_at(field, cell, DecimalMark::Point)
                .unwrap();
        }
        let explanation = scorer.explain(&application).unwrap();
        let mut out = Vec::new();
        scorer.record_explained(&application, &explanation, &mut out);
        out
    });
    each.collect()
}

/// The record of the decision on row `index` of them.
pub fn record(bundle: &[u8], index: usize) -> Vec<u8> {
    records(bundle, index + 1).swap_remove(index)
}

pub fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    fieldscore_cli::open::hex(&sha2::Sha256::digest(bytes))
}

/// Runs the program to its end.
pub fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The folders of a kiosk.
pub struct Place {
    pub root: TempDir,
}

impl Place {
    /// A form, a key, an empty data folder's name, a stick that takes records.
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let at = root.path();
        std::fs::create_dir_all(at.join("form/assets")).unwrap();
        std::fs::write(at.join("form/kiosk.html"), "<!doctype html>the form").unwrap();
        std::fs::write(at.join("form/index.html"), "for staff").unwrap();
        let settings = r#"{"idle-seconds":60,"bundle":"other.fsb"}"#;
        std::fs::write(at.join("form/config.json"), settings).unwrap();
        std::fs::write(at.join("form/assets/score.wasm"), b"\0asm\x01\0\0\0").unwrap();
        std::fs::write(at.join("form/sw.js"), "self").unwrap();
        std::fs::write(at.join("form/app.webmanifest"), "{}").unwrap();
        std::fs::write(at.join("secret.txt"), "not the form's").unwrap();
        std::fs::create_dir_all(at.join("stick/fieldscore-records")).unwrap();
        Signing::development().write(&at.join("keys")).unwrap();
        Self { root }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The arguments of `serve`.
    pub fn arguments(&self) -> Vec<String> {
        let path = |name: &str| self.path(name).display().to_string();
        let pairs = [
            ("--key", path("keys/public.pem")),
            ("--product", "credit".to_owned()),
            ("--data", path("data")),
            ("--watch", path("stick")),
            ("--form", path("form")),
            ("--port", "0".to_owned()),
            ("--every", "0.05".to_owned()),
        ];
        let mut arguments = vec!["serve".to_owned()];
        for (name, value) in pairs {
            arguments.extend([name.to_owned(), value]);
        }
        arguments
    }

    /// Starts the kiosk.
    pub fn start(&self) -> Kiosk {
        let mut command = Command::new(PROGRAM);
        command.args(self.arguments());
        Kiosk::start(&mut command)
    }

    /// Starts it with the golden bundle installed.
    pub fn start_with_bundle(&self) -> Kiosk {
        self.start_with(&golden("credit.fsb"))
    }

    /// Starts it with this bundle installed.
    pub fn start_with(&self, bundle: &Path) -> Kiosk {
        let mut command = Command::new(PROGRAM);
        command.args(self.arguments()).arg("--bundle").arg(bundle);
        Kiosk::start(&mut command)
    }

    /// The records under a folder, by the hash in their name; each must be whole.
    pub fn records(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path(folder)) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if let Some(hash) = name.strip_suffix(".record") {
                assert_eq!(sha256(&std::fs::read(&path).unwrap()), hash, "{name}");
                found.push(hash.to_owned());
            }
        }
        found
    }
}

/// A running kiosk; ended when dropped.
pub struct Kiosk {
    child: Child,
    pub address: String,
}

impl Kiosk {
    pub fn start(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = loop {
            match command.spawn() {
                // A copy of the program is still open in a process that another test just started.
                Err(e) if e.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                started => break started.unwrap(),
            }
        };
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim()
            .strip_prefix("http://")
            .and_then(|rest| rest.strip_suffix('/'));
        let Some(address) = address.map(str::to_owned) else {
            let output = child.wait_with_output().unwrap();
            panic!("it did not start: {}", text(&output.stderr));
        };
        Self { child, address }
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it and gives what it said.
    pub fn end(mut self) -> String {
        self.kill();
        let mut said = String::new();
        let stderr = self.child.stderr.as_mut().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        said
    }

    /// A request with these header lines, whose Host is right unless one is among them.
    pub fn ask(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|line| line.starts_with("Host")) {
            head += &format!("Host: {}\r\n", self.address);
        }
        for line in headers {
            head += &format!("{line}\r\n");
        }
        if method == "POST"
            && !headers
                .iter()
                .any(|line| line.starts_with("Content-Length"))
        {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        self.raw(&[head.as_bytes(), b"\r\n", body].concat())
            .unwrap()
    }

    /// These bytes as they are.
    pub fn raw(&self, bytes: &[u8]) -> std::io::Result<Answer> {
        send(&self.address, bytes)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    pub fn status(&self) -> serde_json::Value {
        self.get("/kiosk/status").json()
    }

    pub fn post(&self, record: &[u8]) -> Answer {
        self.ask("POST", "/kiosk/records", &[TYPE], record)
    }

    /// Waits until the status is as it should be.
    pub fn until(&self, what: &str, is: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let started = Instant::now();
        loop {
            let status = self.status();
            if is(&status) {
                return status;
            }
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "{what}: {status:#}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for an event with this code about something.
    pub fn event(&self, about: &str, code: &str) -> String {
        let found = |status: &serde_json::Value| {
            let events = status["events"].as_array().unwrap().iter();
            let mut own = events.filter(|event| event["about"] == about && event["code"] == code);
            own.next()
                .map(|event| event["text"].as_str().unwrap().to_owned())
        };
        let status = self.until(&format!("{about}: {code}"), |status| {
            found(status).is_some()
        });
        found(&status).unwrap()
    }
}

fn send(address: &str, bytes: &[u8]) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(bytes)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Answer::parse(&answer).ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}

/// Hands a record over to a kiosk that may end at any time.
pub fn post_to(address: &str, record: &[u8]) -> std::io::Result<Answer> {
    let head = format!(
        "POST /kiosk/records HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{TYPE}\r\n\
         Content-Length: {}\r\n\r\n",
        record.len()
    );
    send(address, &[head.as_bytes(), record].concat())
}

/// The content type of a record.
pub const TYPE: &str = "Content-Type: application/octet-stream";

impl Drop for Kiosk {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came back.
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let body = bytes[end + 4..].to_vec();
        Some(Self { status, head, body })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The stable code of a refusal.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

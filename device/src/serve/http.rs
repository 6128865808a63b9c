//! What is answered to whom. The address is this machine's own; the checks here keep out the pages
//! that its browser may have opened elsewhere.
//!
//! A request's head says what is asked ([`asked`]), or why it is refused; only then is a body read.
//! [`answer`] is what goes back. Neither knows of connections.

use fieldscore_cli::open::hex;
use fieldscore_runtime::decide::Record;
use fieldscore_runtime::{ErrorKind, Scorer};
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, ORIGIN, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use serde_json::{Value, json};

use super::Kiosk;
use super::disk::Fault;
use super::site::SETTINGS;

/// Scripts, styles, images, connections: only from here. WebAssembly may be compiled; nothing may be
/// evaluated, embedded, or sent elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
                      img-src 'self' data:; font-src 'self'; connect-src 'self'; \
                      worker-src 'self'; manifest-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// On every answer.
pub const HEADERS: [(&str, &str); 7] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    (
        "permissions-policy",
        "camera=(), microphone=(), geolocation=()",
    ),
];

/// What a browser says of where a request comes from.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

pub use fieldscore_runtime::decide::MAX_RECORD_BYTES;

const BUNDLE: &str = "/kiosk/bundle.fsb";
const RECORDS: &str = "/kiosk/records";
const STATUS: &str = "/kiosk/status";

/// Who is let in.
pub struct Door {
    hosts: [String; 2],
    origins: [String; 2],
}

impl Door {
    /// Only who asked for this machine, at this port.
    pub fn new(port: u16) -> Self {
        let hosts = ["127.0.0.1", "localhost"].map(|name| format!("{name}:{port}"));
        let origins = hosts.clone().map(|host| format!("http://{host}"));
        Self { hosts, origins }
    }

    /// Refuses names that some other machine's DNS made point here, and pages of other origins.
    fn check(&self, head: &Parts) -> Result<(), Answer> {
        let mut hosts = headers(head, &HOST);
        let host = hosts.next();
        let known = |host: &str| {
            let own = &self.hosts;
            // Port 80 is left out of what a browser sends.
            own.iter().any(|own| {
                own.eq_ignore_ascii_case(host)
                    || own
                        .strip_suffix(":80")
                        .is_some_and(|own| own.eq_ignore_ascii_case(host))
            })
        };
        if !host.is_some_and(known) || hosts.next().is_some() {
            let text = format!("the form is at http://{}/", self.hosts[0]);
            return Err(Answer::error(421, "http.host", &text));
        }
        let foreign = |origin: &str| {
            !self
                .origins
                .iter()
                .any(|own| own == origin || own.strip_suffix(":80") == Some(origin))
        };
        let site = headers(head, &SITE).next();
        let cross = site.is_some_and(|site| !["same-origin", "none"].contains(&site));
        if headers(head, &ORIGIN).any(foreign) || (cross && head.method == Method::POST) {
            return Err(Answer::error(
                403,
                "http.origin",
                "only the kiosk's own page may ask",
            ));
        }
        Ok(())
    }
}

/// A header's values. One that is not plain text is empty, which is nothing that is let in.
fn headers<'a>(head: &'a Parts, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = head.headers.get_all(name).into_iter();
    values.map(|value| value.to_str().unwrap_or_default())
}

/// What goes back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The media type of `body`.
    pub kind: &'static str,
    /// What is sent.
    pub body: Bytes,
    /// Methods that would have been right.
    pub allow: Option<&'static str>,
}

impl Answer {
    fn ok(kind: &'static str, body: Bytes) -> Self {
        Self {
            status: 200,
            kind,
            body,
            allow: None,
        }
    }

    fn json(status: u16, value: &Value) -> Self {
        Self {
            status,
            ..Self::ok("application/json", format!("{value}\n").into())
        }
    }

    /// A refusal: its stable code, and what was expected, never an applicant's value.
    pub fn error(status: u16, code: &str, text: &str) -> Self {
        Self::json(status, &json!({ "code": code, "message": text }))
    }

    /// A record that is longer than any.
    pub fn too_long() -> Self {
        let text = format!("expected a record of at most {MAX_RECORD_BYTES} bytes");
        Self::error(413, "record.malformed", &text)
    }

    /// A record that is shorter than was said.
    pub fn cut() -> Self {
        let text = "the record ended before its stated length";
        Self::error(400, "record.malformed", text)
    }

    fn method(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::error(405, "http.method", &format!("expected {allow}"))
        }
    }
}

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// A file of the form, by its path.
    File(String),
    /// The form's settings.
    Settings,
    /// The installed bundle.
    Bundle,
    /// How the kiosk is.
    Status,
    /// That the record in the body be kept.
    Keep,
}

impl Asked {
    /// Whether its answer may wait for the disk.
    pub const fn may_wait(&self) -> bool {
        match self {
            Self::File(_) | Self::Settings => false,
            // An update that is being installed holds the bundle.
            Self::Bundle | Self::Status | Self::Keep => true,
        }
    }
}

/// What a head asks for.
///
/// # Errors
/// The refusal, where it is not to be answered otherwise.
pub fn asked(door: &Door, head: &Parts) -> Result<Asked, Answer> {
    door.check(head)?;
    // With an authority in it, it is meant for a proxy; and no file is called so.
    let path = match head.uri.authority() {
        None => head.uri.path(),
        Some(_) => "",
    };
    if path == RECORDS {
        return match head.method {
            Method::POST => may_send(head).map(|()| Asked::Keep),
            _ => Err(Answer::method("POST")),
        };
    }
    if ![Method::GET, Method::HEAD].contains(&head.method) {
        return Err(Answer::method("GET, HEAD"));
    }
    Ok(match path {
        SETTINGS => Asked::Settings,
        STATUS => Asked::Status,
        BUNDLE => Asked::Bundle,
        path => Asked::File(path.to_owned()),
    })
}

/// Whether a record may come with this head.
fn may_send(head: &Parts) -> Result<(), Answer> {
    let kind = headers(head, &CONTENT_TYPE).next().unwrap_or_default();
    if !["application/octet-stream", "application/cbor"].contains(&kind) {
        // A page elsewhere can send other types without asking first.
        let text = "expected a record, application/octet-stream or application/cbor";
        return Err(Answer::error(415, "http.type", text));
    }
    let len = headers(head, &CONTENT_LENGTH)
        .next()
        .and_then(|len| len.parse::<u64>().ok());
    match len {
        Some(len) if !head.headers.contains_key(TRANSFER_ENCODING) => {
            match len > MAX_RECORD_BYTES as u64 {
                true => Err(Answer::too_long()),
                false => Ok(()),
            }
        }
        _ => Err(Answer::error(
            411,
            "http.length",
            "expected a Content-Length",
        )),
    }
}

/// Answers what was asked, with `body` where it is a record.
pub fn answer(kiosk: &Kiosk, asked: &Asked, body: &[u8]) -> Answer {
    match asked {
        Asked::File(path) => match kiosk.site.file(path) {
            Some((bytes, kind)) => Answer::ok(kind, bytes.clone()),
            None => Answer::error(404, "http.path", "there is no such page"),
        },
        Asked::Settings => settings(kiosk),
        Asked::Status => Answer::json(200, &status(kiosk)),
        Asked::Bundle => match kiosk.bundles.current() {
            Some(bytes) => Answer::ok("application/octet-stream", Bytes::from_owner(bytes)),
            None => Answer::error(
                503,
                "store.empty",
                "no bundle is installed yet: bring one on a stick",
            ),
        },
        Asked::Keep => keep(kiosk, body).unwrap_or_else(|refused| refused),
    }
}

/// What the form is told: its attributes, those that this kiosk knows over those of its files.
fn settings(kiosk: &Kiosk) -> Answer {
    let (product, keys) = kiosk.bundles.pinned();
    let keys: Vec<String> = keys.iter().map(|key| hex(key)).collect();
    let mut settings = kiosk.site.settings().clone();
    for (name, value) in [
        ("bundle", BUNDLE),
        ("keys", &keys.join(",")),
        ("product", product),
        ("sink", RECORDS),
    ] {
        settings.insert(name.to_owned(), value.into());
    }
    Answer::json(200, &settings.into())
}

fn status(kiosk: &Kiosk) -> Value {
    let bundle = kiosk.bundles.meta().map(|(meta, id)| {
        json!({
            "product": meta.product,
            "sequence": meta.sequence,
            "bundle_id": hex(&id),
            "not_before": meta.not_before.map(|date| date.to_string()),
            "not_after": meta.not_after.map(|date| date.to_string()),
        })
    });
    let (waiting, exported) = kiosk.records.counts();
    let fault = kiosk.records.fault();
    let watch = kiosk.watch.as_ref().map(|watch| {
        let (there, takes_records) = watch.state();
        json!({ "there": there, "takes_records": takes_records })
    });
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "bundle": bundle,
        "records": { "waiting": waiting, "exported": exported },
        "summary": { "decisions": kiosk.summaries.decisions() },
        "disk": {
            "code": fault.map_or("ok", |fault| fault.code()),
            "message": fault.map(|fault| fault.advice()),
        },
        "watch": watch,
        "events": kiosk.events.json(),
    })
}

/// Takes a finished record: only one that an installed bundle makes of its application again, byte
/// for byte.
fn keep(kiosk: &Kiosk, record: &[u8]) -> Result<Answer, Answer> {
    let scorer = verify(kiosk, record)?;
    match kiosk.records.keep(record) {
        Ok(kept) => {
            if kept.new
                && let Err(e) = kiosk.summaries.count(&scorer, record)
            {
                let fault = Fault::of(&e);
                kiosk.events.add("data", fault.code(), fault.advice());
            }
            Ok(Answer::json(
                if kept.new { 201 } else { 200 },
                &json!({ "sha256": kept.sha256, "new": kept.new }),
            ))
        }
        Err(fault) => {
            kiosk.events.add("data", fault.code(), fault.advice());
            let status = if fault == Fault::Full { 507 } else { 503 };
            Err(Answer::error(status, fault.code(), fault.advice()))
        }
    }
}

/// The bundle that makes the same bytes of a record's application again.
fn verify(kiosk: &Kiosk, record: &[u8]) -> Result<Scorer, Answer> {
    let refused = |error: fieldscore_runtime::Error| {
        let status = match error.kind() {
            ErrorKind::WrongBundle => 409,
            ErrorKind::BadRecord => 400,
            _ => 422,
        };
        let text = format!("{}: expected {}", error.place(), error.expected());
        Answer::error(status, error.code(), &text)
    };
    let bundle_id = Record::borrow(record).map_err(refused)?.bundle_id;
    let scorer: Scorer = kiosk.bundles.by_id(&bundle_id).ok_or_else(|| {
        let text = "a bundle that is not installed here made this record: reload the page";
        Answer::error(409, ErrorKind::WrongBundle.code(), text)
    })?;
    let replay = scorer.replay(record).map_err(refused)?;
    match replay.same {
        true => Ok(scorer),
        false => Err(Answer::error(
            422,
            "record.differs",
            "the bundle decides otherwise on this application: the record was altered",
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hyper::Request;

    fn ask(port: u16, method: &str, uri: &str, headers: &[(&str, &[u8])]) -> Result<Asked, u16> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        asked(&Door::new(port), &head).map_err(|refused| refused.status)
    }

    #[test]
    fn a_head_says_what_is_asked() {
        let host: (&str, &[u8]) = ("host", b"LOCALHOST:8321");
        for (uri, expected) in [
            ("/", Asked::File("/".into())),
            ("/a.js?v=1", Asked::File("/a.js".into())),
            ("//etc/passwd", Asked::File("//etc/passwd".into())),
            ("/kiosk/../x", Asked::File("/kiosk/../x".into())),
            ("/config.json", Asked::Settings),
            ("/kiosk/bundle.fsb", Asked::Bundle),
            ("/kiosk/status?", Asked::Status),
            // As one would ask a proxy.
            ("http://localhost:8321/kiosk/status", Asked::File("".into())),
        ] {
            assert_eq!(ask(8321, "GET", uri, &[host]), Ok(expected), "{uri}");
            assert_eq!(ask(8321, "DELETE", uri, &[host]), Err(405), "{uri}");
        }
        assert_eq!(ask(8321, "OPTIONS", "*", &[host]), Err(405));
    }

    #[test]
    fn only_this_machines_names_are_let_in() {
        for (port, host, known) in [
            (8321, &b"127.0.0.1:8321"[..], true),
            (8321, b"127.0.0.1:80", false),
            (8321, b"127.0.0.1", false),
            (8321, b"", false),
            (8321, b"\xff", false),
            (80, b"127.0.0.1", true),
            (80, b"localhost:80", true),
        ] {
            let expected = if known { Ok(Asked::Status) } else { Err(421) };
            assert_eq!(ask(port, "GET", STATUS, &[("host", host)]), expected);
        }
        assert_eq!(ask(8321, "GET", STATUS, &[]), Err(421));
    }

    #[test]
    fn a_record_is_announced_with_its_type_and_length() {
        let host: (&str, &[u8]) = ("host", b"localhost:8321");
        let kind: (&str, &[u8]) = ("content-type", b"application/cbor");
        let len: (&str, &[u8]) = ("content-length", b"2097152");
        for (headers, expected) in [
            (vec![host, kind, len], Ok(Asked::Keep)),
            (vec![host, len], Err(415)),
            (vec![host, kind], Err(411)),
            (vec![host, kind, ("content-length", b"2097153")], Err(413)),
            (
                vec![host, kind, len, ("transfer-encoding", b"chunked")],
                Err(411),
            ),
            (vec![host, kind, len, ("origin", b"\xff")], Err(403)),
        ] {
            assert_eq!(ask(8321, "POST", RECORDS, &headers), expected);
        }
    }
}

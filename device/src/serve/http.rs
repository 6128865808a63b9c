//! What is answered to whom. The address is this machine's own; the checks here keep out the pages
//! that its browser may have opened elsewhere.

use std::io::{Cursor, Read};

use fieldscore_cli::open::hex;
use fieldscore_runtime::decide::Record;
use fieldscore_runtime::{ErrorKind, Scorer};
use serde_json::{Value, json};
use tiny_http::{Header, Method, Request, Response};

use super::Kiosk;
use super::site::SETTINGS;

/// Scripts, styles, images, connections: only from here. WebAssembly may be compiled; nothing may be
/// evaluated, embedded, or sent elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
                      img-src 'self' data:; font-src 'self'; connect-src 'self'; \
                      worker-src 'self'; manifest-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// On every answer.
const HEADERS: [(&str, &str); 7] = [
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Embedder-Policy", "require-corp"),
    (
        "Permissions-Policy",
        "camera=(), microphone=(), geolocation=()",
    ),
];

/// No record is longer.
const MAX_RECORD_BYTES: usize = 1 << 20;

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
    fn check(&self, request: &Request) -> Result<(), Answer> {
        let mut hosts = headers(request, "Host");
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
        let site = headers(request, "Sec-Fetch-Site").next();
        let cross = site.is_some_and(|site| !["same-origin", "none"].contains(&site));
        if headers(request, "Origin").any(foreign) || (cross && *request.method() == Method::Post) {
            return Err(Answer::error(
                403,
                "http.origin",
                "only the kiosk's own page may ask",
            ));
        }
        Ok(())
    }
}

fn headers<'a>(request: &'a Request, name: &'static str) -> impl Iterator<Item = &'a str> {
    request
        .headers()
        .iter()
        .filter(move |header| header.field.equiv(name))
        .map(|header| header.value.as_str())
}

/// What goes back.
struct Answer {
    status: u16,
    kind: &'static str,
    body: Vec<u8>,
    /// Methods that would have been right.
    allow: Option<&'static str>,
}

impl Answer {
    fn json(status: u16, value: &Value) -> Self {
        Self {
            status,
            kind: "application/json",
            body: format!("{value}\n").into_bytes(),
            allow: None,
        }
    }

    fn error(status: u16, code: &str, text: &str) -> Self {
        Self::json(status, &json!({ "code": code, "message": text }))
    }

    fn method(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::error(405, "http.method", &format!("expected {allow}"))
        }
    }
}

/// Answers one request.
pub fn answer(kiosk: &Kiosk, mut request: Request) {
    let answer = kiosk
        .door
        .check(&request)
        .and_then(|()| route(kiosk, &mut request))
        .unwrap_or_else(|refused| refused);
    let len = answer.body.len();
    let mut response = Response::new(
        answer.status.into(),
        Vec::new(),
        Cursor::new(answer.body),
        Some(len),
        None,
    )
    // The length is known: a bundle comes whole, not in chunks.
    .with_chunked_threshold(usize::MAX);
    let more = [
        ("Content-Type", answer.kind),
        ("Cache-Control", "no-cache"),
        ("Allow", answer.allow.unwrap_or_default()),
    ];
    for (name, value) in HEADERS.into_iter().chain(more) {
        if let Ok(header) = Header::from_bytes(name, value)
            && !value.is_empty()
        {
            response.add_header(header);
        }
    }
    // Whoever asked may have gone: then there is nobody to tell.
    let _ = request.respond(response);
}

type Answered = Result<Answer, Answer>;

fn route(kiosk: &Kiosk, request: &mut Request) -> Answered {
    let path = request.url().split(['?', '#']).next().unwrap_or_default();
    let path = path.to_owned();
    if path == RECORDS {
        return match request.method() {
            Method::Post => keep(kiosk, request),
            _ => Err(Answer::method("POST")),
        };
    }
    if !matches!(request.method(), Method::Get | Method::Head) {
        return Err(Answer::method("GET, HEAD"));
    }
    match path.as_str() {
        SETTINGS => settings(kiosk),
        STATUS => Ok(Answer::json(200, &status(kiosk))),
        BUNDLE => match kiosk.bundles.current() {
            Some(bytes) => Ok(Answer {
                status: 200,
                kind: "application/octet-stream",
                body: bytes.to_vec(),
                allow: None,
            }),
            None => Err(Answer::error(
                503,
                "store.empty",
                "no bundle is installed yet: bring one on a stick",
            )),
        },
        path => match kiosk.site.file(path) {
            Some((bytes, kind)) => Ok(Answer {
                status: 200,
                kind,
                body: bytes.to_vec(),
                allow: None,
            }),
            None => Err(Answer::error(404, "http.path", "there is no such page")),
        },
    }
}

/// What the form is told: its attributes, those that this kiosk knows over those of its files.
fn settings(kiosk: &Kiosk) -> Answered {
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
    Ok(Answer::json(200, &settings.into()))
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
fn keep(kiosk: &Kiosk, request: &mut Request) -> Answered {
    let kind = headers(request, "Content-Type").next().unwrap_or_default();
    if !["application/octet-stream", "application/cbor"].contains(&kind) {
        // A page elsewhere can send other types without asking first.
        let text = "expected a record, application/octet-stream or application/cbor";
        return Err(Answer::error(415, "http.type", text));
    }
    let Some(len) = request.body_length() else {
        return Err(Answer::error(
            411,
            "http.length",
            "expected a Content-Length",
        ));
    };
    if len > MAX_RECORD_BYTES {
        let text = format!("expected a record of at most {MAX_RECORD_BYTES} bytes");
        return Err(Answer::error(413, "record.malformed", &text));
    }
    let mut record = Vec::with_capacity(len);
    let read = request
        .as_reader()
        .take(len as u64)
        .read_to_end(&mut record);
    if read.is_err() || record.len() != len {
        let text = "the record ended before its stated length";
        return Err(Answer::error(400, "record.malformed", text));
    }
    verify(kiosk, &record)?;
    match kiosk.records.keep(&record) {
        Ok(kept) => Ok(Answer::json(
            if kept.new { 201 } else { 200 },
            &json!({ "sha256": kept.sha256, "new": kept.new }),
        )),
        Err(fault) => {
            kiosk.events.add("data", fault.code(), fault.advice());
            let status = if fault == super::disk::Fault::Full {
                507
            } else {
                503
            };
            Err(Answer::error(status, fault.code(), fault.advice()))
        }
    }
}

fn verify(kiosk: &Kiosk, record: &[u8]) -> Result<(), Answer> {
    let refused = |error: fieldscore_runtime::Error| {
        let status = match error.kind() {
            ErrorKind::WrongBundle => 409,
            ErrorKind::BadRecord => 400,
            _ => 422,
        };
        let text = format!("{}: expected {}", error.place(), error.expected());
        Answer::error(status, error.code(), &text)
    };
    let bundle_id = Record::decode(record).map_err(refused)?.bundle_id;
    let scorer: Scorer = kiosk.bundles.by_id(&bundle_id).ok_or_else(|| {
        let text = "a bundle that is not installed here made this record: reload the page";
        Answer::error(409, ErrorKind::WrongBundle.code(), text)
    })?;
    let replay = scorer.replay(record).map_err(refused)?;
    match replay.same {
        true => Ok(()),
        false => Err(Answer::error(
            422,
            "record.differs",
            "the bundle decides otherwise on this application: the record was altered",
        )),
    }
}

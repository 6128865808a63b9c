//! The server: what it gives, to whom, and what it takes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use fieldscore_cli::keys::Signing;
use fieldscore_runtime::{Scorer, Summary};

use super::kiosk::{
    Kiosk, Place, TYPE, golden, golden_bundle, record, records, resigned, run, sha256, text,
};

fn about(name: &str) -> String {
    format!("bundle {name}")
}

#[test]
fn the_form_comes_with_its_types_and_a_strict_policy() {
    let place = Place::new();
    let kiosk = place.start_with_bundle();
    assert!(kiosk.address.starts_with("127.0.0.1:"));
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/index.html?x=1", "text/html; charset=utf-8"),
        ("/assets/score.wasm", "application/wasm"),
        ("/sw.js", "text/javascript; charset=utf-8"),
        ("/app.webmanifest", "application/manifest+json"),
        ("/kiosk/status", "application/json"),
        ("/kiosk/bundle.fsb", "application/octet-stream"),
    ] {
        let answer = kiosk.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("Content-Type"), Some(kind), "{path}");
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
        let policy = answer.header("Content-Security-Policy").unwrap();
        assert!(policy.contains("default-src 'none'"));
        assert!(policy.contains("script-src 'self' 'wasm-unsafe-eval';"));
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"));
        assert_eq!(answer.header("Access-Control-Allow-Origin"), None);
    }
    assert_eq!(kiosk.get("/").body, b"<!doctype html>the form");
    assert!(kiosk.get("/kiosk/bundle.fsb").body == golden_bundle());
    let head = kiosk.ask("HEAD", "/", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("Content-Length"), Some("23"));
    // Not the page for staff, whatever it is asked for as.
    assert_eq!(kiosk.get("/index.html").body, kiosk.get("/").body);
    let key = std::fs::read_to_string(golden("key.txt")).unwrap();
    let expected = serde_json::json!({
        "bundle": "/kiosk/bundle.fsb", "keys": key.trim(), "product": "credit",
        "sink": "/kiosk/records", "idle-seconds": 60,
    });
    assert_eq!(kiosk.get("/config.json").json(), expected);
}

#[test]
fn nothing_but_the_form_is_there() {
    let place = Place::new();
    let kiosk = place.start();
    for path in [
        "/secret.txt",
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "//etc/passwd",
        "/assets",
        "/assets/",
        "/.git",
    ] {
        let answer = kiosk.get(path);
        assert_eq!(
            (answer.status, answer.code()),
            (404, "http.path".into()),
            "{path}"
        );
        assert!(answer.header("Content-Security-Policy").is_some());
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = kiosk.ask(method, "/", &[], b"");
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("Allow"), Some("GET, HEAD"));
    }
    let answer = kiosk.get("/kiosk/records");
    assert_eq!((answer.status, answer.header("Allow")), (405, Some("POST")));
}

#[test]
fn other_names_and_other_pages_are_kept_out() {
    let place = Place::new();
    let kiosk = place.start_with_bundle();
    let port = kiosk.address.rsplit_once(':').unwrap().1.to_owned();
    for host in [
        "Host: evil.example".to_owned(),
        format!("Host: evil.example:{port}"),
        format!("Host: 127.0.0.1.evil.example:{port}"),
        "Host: 127.0.0.1".to_owned(),
        "Host: ".to_owned(),
        format!("Host: localhost:{port}\r\nHost: evil.example"),
    ] {
        for path in ["/", "/kiosk/status"] {
            let answer = kiosk.ask("GET", path, &[&host], b"");
            assert_eq!(
                (answer.status, answer.code()),
                (421, "http.host".into()),
                "{host}"
            );
        }
    }
    let bare = kiosk.raw(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(bare.status, 421);
    let own = kiosk.ask("GET", "/", &[&format!("Host: localhost:{port}")], b"");
    assert_eq!(own.status, 200);
    let record = record(&golden_bundle(), 0);
    for line in [
        "Origin: http://evil.example".to_owned(),
        "Origin: null".to_owned(),
        format!("Origin: https://127.0.0.1:{port}"),
        "Sec-Fetch-Site: cross-site".to_owned(),
        "Sec-Fetch-Site: same-site".to_owned(),
    ] {
        let answer = kiosk.ask("POST", "/kiosk/records", &[TYPE, &line], &record);
        assert_eq!(
            (answer.status, answer.code()),
            (403, "http.origin".into()),
            "{line}"
        );
    }
    assert_eq!(kiosk.status()["records"]["waiting"], 0);
    let origin = format!("Origin: http://127.0.0.1:{port}");
    let lines = [TYPE, &origin, "Sec-Fetch-Site: same-origin"];
    let answer = kiosk.ask("POST", "/kiosk/records", &lines, &record);
    assert_eq!(answer.status, 201);
}

#[test]
fn a_record_is_kept_if_its_bundle_makes_it_again() {
    let place = Place::new();
    std::fs::remove_dir(place.path("stick/fieldscore-records")).unwrap();
    let kiosk = place.start_with_bundle();
    let good = record(&golden_bundle(), 0);
    let kept = kiosk.post(&good);
    assert_eq!(kept.status, 201);
    assert_eq!(kept.json()["sha256"], sha256(&good));
    assert_eq!(kiosk.post(&good).status, 200);
    assert_eq!(place.records("data/records"), [sha256(&good)]);
    // One digit of the score: still a record, but not what the bundle decides.
    let scorer = Scorer::open(golden_bundle(), &[Signing::development().public()]);
    let score = scorer.unwrap().replay(&good).unwrap().record.decision.score;
    let [high, low] = u16::try_from(score).unwrap().to_be_bytes();
    let at = good
        .windows(3)
        .position(|three| three == [0x19, high, low])
        .unwrap();
    let mut altered = good.clone();
    altered[at + 2] ^= 1;
    let foreign = record(&resigned(&Signing::development(), "credit", 99), 0);
    for (what, bytes, status, code) in [
        ("altered", altered, 422, "record.differs"),
        (
            "of a bundle that is not here",
            foreign,
            409,
            "application.bundle",
        ),
        (
            "cut",
            good[..good.len() - 1].to_vec(),
            400,
            "record.malformed",
        ),
        (
            "more behind it",
            [&good[..], b"\0"].concat(),
            400,
            "record.malformed",
        ),
        ("nothing", Vec::new(), 400, "record.malformed"),
        ("text", b"income=s3cret".to_vec(), 400, "record.malformed"),
    ] {
        let answer = kiosk.post(&bytes);
        assert_eq!(
            (answer.status, answer.code()),
            (status, code.into()),
            "{what}"
        );
        assert!(!text(&answer.body).contains("s3cret"));
    }
    let answer = kiosk.ask(
        "POST",
        "/kiosk/records",
        &["Content-Type: text/plain"],
        &good,
    );
    assert_eq!((answer.status, answer.code()), (415, "http.type".into()));
    let long = ["Content-Length: 2097153", TYPE];
    let answer = kiosk.ask("POST", "/kiosk/records", &long, &vec![0; 1_048_577]);
    assert_eq!(answer.status, 413);
    let status = kiosk.status();
    assert_eq!(status["records"]["waiting"], 1);
    assert_eq!(status["disk"]["code"], "ok");
    assert_eq!(status["watch"]["takes_records"], false);
    assert!(!kiosk.end().contains("s3cret"));
}

#[test]
fn decisions_are_counted_and_counts_leave_through_a_stick_that_takes_them() {
    let place = Place::new();
    let bundle = golden("../families/watched/watched.fsb");
    let key = Signing::development().public();
    let scorer = Scorer::open_path(&bundle, &[key]).unwrap();
    let records = records(&std::fs::read(&bundle).unwrap(), 45);
    let folder = place.path("stick/fieldscore-summaries");
    std::fs::create_dir(&folder).unwrap();
    let shared = || -> Vec<Summary> {
        let entries = std::fs::read_dir(&folder).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let whole = paths.filter(|path| path.extension().is_some_and(|kind| kind == "summary"));
        whole
            .map(|path| {
                let bytes = std::fs::read(&path).unwrap();
                assert_eq!(
                    path.file_stem().unwrap().to_str(),
                    Some(sha256(&bytes).as_str())
                );
                Summary::decode(&scorer, &bytes).unwrap()
            })
            .collect()
    };
    let counted = |kiosk: &Kiosk| kiosk.status()["summary"]["decisions"].as_u64();
    {
        let kiosk = place.start_with(&bundle);
        for record in &records[..19] {
            assert_eq!(kiosk.post(record).status, 201);
            // Handed over twice it counts once.
            assert_eq!(kiosk.post(record).status, 200);
        }
        assert_eq!(counted(&kiosk), Some(19));
        std::thread::sleep(Duration::from_millis(300));
        assert!(shared().is_empty());
    }
    // What was counted is there again after a restart; with one more it may leave.
    let kiosk = place.start_with(&bundle);
    assert_eq!(counted(&kiosk), Some(19));
    assert_eq!(kiosk.post(&records[19]).status, 201);
    kiosk.until("the first summary has left", |_| shared().len() == 1);
    kiosk.until("a new one is open", |status| {
        status["summary"]["decisions"] == 0
    });
    for record in &records[20..] {
        assert_eq!(kiosk.post(record).status, 201);
    }
    kiosk.until("the second has left", |_| shared().len() == 2);
    let mut all = Summary::new(&scorer).unwrap();
    for summary in shared() {
        assert!(summary.decisions() >= 20);
        all.merge(&summary).unwrap();
    }
    let left = counted(&kiosk).unwrap();
    assert_eq!(all.decisions() + left, 45);
    // No record went where counts go.
    let names = std::fs::read_dir(&folder).unwrap();
    assert_eq!(names.count(), 2);
}

#[test]
fn records_leave_only_through_a_stick_that_takes_them() {
    let place = Place::new();
    std::fs::remove_dir(place.path("stick/fieldscore-records")).unwrap();
    let kiosk = place.start_with_bundle();
    let record = record(&golden_bundle(), 1);
    assert_eq!(kiosk.post(&record).status, 201);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(kiosk.status()["records"]["waiting"], 1);
    assert_eq!(std::fs::read_dir(place.path("stick")).unwrap().count(), 0);
    std::fs::create_dir(place.path("stick/fieldscore-records")).unwrap();
    kiosk.event("stick", "ok");
    assert_eq!(place.records("stick/fieldscore-records"), [sha256(&record)]);
    assert_eq!(
        kiosk.status()["records"],
        serde_json::json!({ "waiting": 0, "exported": 1 })
    );
    // The record as it is stored is what `replay` of the lender's command reads.
    let name = format!("stick/fieldscore-records/{}.record", sha256(&record));
    assert_eq!(std::fs::read(place.path(&name)).unwrap(), record);
}

#[test]
fn bundles_arrive_in_the_folder_and_only_newer_ones_of_the_signer_count() {
    let place = Place::new();
    let kiosk = place.start();
    let empty = kiosk.get("/kiosk/bundle.fsb");
    assert_eq!((empty.status, empty.code()), (503, "store.empty".into()));
    assert!(kiosk.status()["bundle"].is_null());
    let own = Signing::development();
    let bring = |name: &str, bytes: &[u8]| {
        // As a copy arrives: in parts, the first of which is no bundle yet.
        let path = place.path("stick").join(name);
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        std::thread::sleep(Duration::from_millis(120));
        std::fs::write(&path, bytes).unwrap();
    };
    let sequence = |kiosk: &Kiosk| kiosk.status()["bundle"]["sequence"].clone();
    let old = resigned(&own, "credit", 50);
    bring("old.fsb", &old);
    kiosk.event(&about("old.fsb"), "ok");
    assert_eq!(sequence(&kiosk), 50);
    let of_old = record(&old, 2);
    let new = resigned(&own, "credit", 60);
    bring("new.fsb", &new);
    kiosk.event(&about("new.fsb"), "ok");
    assert_eq!(sequence(&kiosk), 60);
    assert!(kiosk.get("/kiosk/bundle.fsb").body == new);
    // A form that is open still has the bundle before it.
    assert_eq!(kiosk.post(&of_old).status, 201);
    let stranger = Signing::generate().unwrap();
    for (name, bytes, code) in [
        ("older.fsb", resigned(&own, "credit", 59), "store.refused"),
        ("product.fsb", resigned(&own, "other", 70), "store.refused"),
        (
            "stranger.fsb",
            resigned(&stranger, "credit", 70),
            "bundle.untrusted_key",
        ),
        ("junk.fsb", b"not a bundle".to_vec(), "bundle.not_a_bundle"),
    ] {
        bring(name, &bytes);
        let said = kiosk.event(&about(name), code);
        assert!(said.starts_with("refused: "), "{said}");
        assert_eq!(sequence(&kiosk), 60, "{name}");
    }
    let said = kiosk.end();
    assert!(
        said.contains("warning: bundle older.fsb: refused"),
        "{said}"
    );
    // Another start opens what was installed last, and knows the bundle before it.
    let kiosk = place.start();
    assert_eq!(sequence(&kiosk), 60);
    assert_eq!(kiosk.post(&record(&old, 3)).status, 201);
}

#[test]
fn what_serve_needs_is_named_where_it_is_missing() {
    let place = Place::new();
    let kiosk = place.start();
    let arguments = place.arguments();
    let changed = |name: &str, value: &str| {
        let mut arguments = arguments.clone();
        let at = arguments
            .iter()
            .position(|argument| argument == name)
            .unwrap();
        arguments[at + 1] = value.to_owned();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let out = run(&arguments);
        assert_eq!((out.status.code(), out.stdout.len()), (Some(2), 0));
        text(&out.stderr)
    };
    let other = place.path("other").display().to_string();
    assert!(changed("--form", &other).contains("a file that exists"));
    assert!(changed("--form", &place.path("keys").display().to_string()).contains("kiosk.html"));
    assert!(
        changed("--key", &place.path("secret.txt").display().to_string()).contains("public key")
    );
    assert!(changed("--every", "0").contains("seconds from"));
    assert!(changed("--port", "0").contains("no other process"));
    std::fs::write(&other, "a file").unwrap();
    assert!(changed("--data", &other).contains(&other));
    std::fs::remove_file(&other).unwrap();
    let port = kiosk.address.rsplit_once(':').unwrap().1;
    let at = arguments
        .iter()
        .position(|argument| argument == "--port")
        .unwrap();
    let mut taken: Vec<&str> = arguments.iter().map(String::as_str).collect();
    taken[at + 1] = port;
    let data = taken
        .iter()
        .position(|argument| *argument == "--data")
        .unwrap();
    taken[data + 1] = &other;
    let out = run(&taken);
    assert_eq!(out.status.code(), Some(2));
    assert!(
        text(&out.stderr).contains("a free port"),
        "{}",
        text(&out.stderr)
    );
}

#[test]
fn requests_that_are_no_requests_do_not_end_it() {
    let place = Place::new();
    let kiosk = place.start_with_bundle();
    for bytes in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"POST /kiosk/records HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ] {
        // Refused or hung up on: either way the next one is answered.
        let _ = kiosk.raw(bytes);
    }
    assert_eq!(kiosk.get("/").status, 200);
}

#[test]
fn connections_that_only_stand_open_keep_nobody_out() {
    let place = Place::new();
    let kiosk = place.start_with_bundle();
    // More than may be connected at once; some have begun to ask, and stopped.
    let mut idle = Vec::new();
    for index in 0..200 {
        let mut stream = TcpStream::connect(&kiosk.address).unwrap();
        if index % 2 == 1 {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: ").unwrap();
        }
        idle.push(stream);
    }
    let asked = Instant::now();
    assert_eq!(kiosk.get("/").status, 200);
    assert_eq!(kiosk.post(&record(&golden_bundle(), 0)).status, 201);
    // Not by a time-out: those take ten seconds.
    assert!(asked.elapsed() < Duration::from_secs(5), "{asked:?}");
}

#[test]
fn records_that_are_not_sent_to_the_end_are_given_up() {
    let place = Place::new();
    let kiosk = place.start_with_bundle();
    let record = record(&golden_bundle(), 0);
    let half = |stream: &mut TcpStream| {
        let head = format!(
            "POST /kiosk/records HTTP/1.1\r\nHost: {}\r\n{TYPE}\r\nContent-Length: {}\r\n\r\n",
            kiosk.address,
            record.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&record[..record.len() / 2]).unwrap();
    };
    // As many as may be connected: until they are given up, nobody else is let in.
    let mut halves: Vec<TcpStream> = (0..64)
        .map(|_| TcpStream::connect(&kiosk.address).unwrap())
        .collect();
    halves.iter_mut().for_each(half);
    assert_eq!(kiosk.get("/").status, 200);
    for stream in &mut halves {
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).unwrap();
        assert!(said.starts_with(b"HTTP/1.1 408 "), "{}", text(&said));
    }
    // Nor is one kept whose sender goes away.
    let mut gone = TcpStream::connect(&kiosk.address).unwrap();
    half(&mut gone);
    gone.shutdown(std::net::Shutdown::Write).unwrap();
    let mut said = Vec::new();
    gone.read_to_end(&mut said).unwrap();
    assert!(said.starts_with(b"HTTP/1.1 400 "), "{}", text(&said));
    assert_eq!(kiosk.status()["records"]["waiting"], 0);
    let left = std::fs::read_dir(place.path("data/records")).unwrap();
    assert_eq!(left.count(), 0);
    assert_eq!(kiosk.post(&record).status, 201);
}

#[test]
fn answers_that_nobody_takes_are_given_up() {
    let place = Place::new();
    std::fs::write(place.path("form/large.bin"), vec![0; 32 << 20]).unwrap();
    let kiosk = place.start();
    let ask = format!("GET /large.bin HTTP/1.1\r\nHost: {}\r\n\r\n", kiosk.address);
    let mut stream = TcpStream::connect(&kiosk.address).unwrap();
    stream.write_all(ask.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_secs(12));
    let mut taken = Vec::new();
    // Either way of closing: the rest never comes.
    let _ = stream.read_to_end(&mut taken);
    assert!(taken.starts_with(b"HTTP/1.1 200 ") && taken.len() < 32 << 20);
}

#[test]
fn a_browser_may_ask_again_on_the_connection_that_it_has() {
    let place = Place::new();
    let kiosk = place.start_with_bundle();
    let mut stream = TcpStream::connect(&kiosk.address).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    for path in ["/", "/kiosk/status", "/none"] {
        let ask = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", kiosk.address);
        stream.write_all(ask.as_bytes()).unwrap();
        let mut len = None;
        loop {
            let mut line = String::new();
            answers.read_line(&mut line).unwrap();
            if line == "\r\n" {
                break;
            }
            len = len.or_else(|| line.strip_prefix("Content-Length: ")?.trim().parse().ok());
        }
        answers.read_exact(&mut vec![0; len.unwrap()]).unwrap();
    }
    // It is not kept for ever.
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    assert_eq!(answers.read(&mut [0]).unwrap(), 0);
}

#[test]
fn how_a_record_is_sent_is_looked_at_before_it_is_read() {
    let place = Place::new();
    let kiosk = place.start_with_bundle();
    let head = format!(
        "POST /kiosk/records HTTP/1.1\r\nHost: {}\r\n{TYPE}\r\n",
        kiosk.address
    );
    for (lines, body, status, code) in [
        ("", "", 411, "http.length"),
        (
            "Transfer-Encoding: chunked\r\n",
            "1\r\nx\r\n0\r\n\r\n",
            411,
            "http.length",
        ),
        ("Content-Length: 2097153\r\n", "", 413, "record.malformed"),
        (
            "Content-Length: 99999999999999\r\n",
            "",
            413,
            "record.malformed",
        ),
    ] {
        // Whoever waits for a word before the body gets this one, and need not send it.
        let bytes = format!("{head}{lines}Expect: 100-continue\r\nConnection: close\r\n\r\n{body}");
        let answer = kiosk.raw(bytes.as_bytes()).unwrap();
        assert_eq!(
            (answer.status, answer.code()),
            (status, code.into()),
            "{lines}"
        );
        assert!(answer.header("Content-Security-Policy").is_some());
    }
}

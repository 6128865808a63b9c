//! A disk that is full or cannot be written to: a clear answer, and nothing lost.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::kiosk::{Kiosk, PROGRAM, Place, golden_bundle, record, sha256};

/// The kiosk in a process that may write no file beyond `blocks` of 512 bytes: what a full disk or
/// a quota comes to.
fn limited(place: &Place, blocks: u32) -> Kiosk {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", PROGRAM]);
    command.args(place.arguments());
    Kiosk::start(&mut command)
}

#[test]
fn a_full_disk_refuses_a_record_and_keeps_the_others() {
    let place = Place::new();
    std::fs::remove_dir(place.path("stick/fieldscore-records")).unwrap();
    let (first, second) = (record(&golden_bundle(), 0), record(&golden_bundle(), 1));
    let mut kiosk = place.start_with_bundle();
    assert_eq!(kiosk.post(&first).status, 201);
    kiosk.kill();
    let kiosk = limited(&place, 0);
    kiosk.event("data", "disk.full");
    let answer = kiosk.post(&second);
    assert_eq!((answer.status, answer.code()), (507, "disk.full".into()));
    let said = answer.json()["message"].as_str().unwrap().to_owned();
    assert!(said.contains("make room"), "{said}");
    let status = kiosk.status();
    assert_eq!(status["disk"]["code"], "disk.full");
    assert_eq!(status["records"]["waiting"], 1);
    assert_eq!(place.records("data/records"), [sha256(&first)]);
    // What is here already needs no room.
    assert_eq!(kiosk.post(&first).status, 200);
    assert!(kiosk.end().contains("disk.full"));
    // No half of it is left, and with room again it is taken.
    assert_eq!(
        std::fs::read_dir(place.path("data/records"))
            .unwrap()
            .count(),
        1
    );
    let kiosk = place.start();
    assert_eq!(kiosk.post(&second).status, 201);
    assert_eq!(kiosk.status()["disk"]["code"], "ok");
}

#[test]
fn a_bundle_that_finds_no_room_leaves_the_one_before_it() {
    let place = Place::new();
    let mut kiosk = place.start_with_bundle();
    let before = kiosk.get("/kiosk/bundle.fsb").body;
    kiosk.kill();
    let kiosk = limited(&place, 8);
    let key = fieldscore_cli::keys::Signing::development();
    let update = super::kiosk::resigned(&key, "credit", 500);
    std::fs::write(place.path("stick/update.fsb"), update).unwrap();
    let said = kiosk.event("bundle update.fsb", "io");
    assert!(said.contains("storage"), "{said}");
    assert!(kiosk.get("/kiosk/bundle.fsb").body == before);
    drop(kiosk);
    // It is tried again at the next start.
    let kiosk = place.start();
    kiosk.until("update", |status| status["bundle"]["sequence"] == 500);
}

#[test]
fn a_full_stick_makes_records_wait() {
    let place = Place::new();
    let mut kiosk = place.start_with_bundle();
    kiosk.kill();
    let record = record(&golden_bundle(), 0);
    // A folder where the record's file would go: this stick takes nothing under that name.
    let name = format!("stick/fieldscore-records/{}.record", sha256(&record));
    std::fs::create_dir(place.path(&name)).unwrap();
    let kiosk = place.start();
    assert_eq!(kiosk.post(&record).status, 201);
    let said = kiosk.event("stick", "disk.broken");
    assert!(said.contains("wait"), "{said}");
    assert_eq!(kiosk.status()["records"]["waiting"], 1);
    std::fs::remove_dir(place.path(&name)).unwrap();
    kiosk.event("stick", "ok");
    assert_eq!(place.records("stick/fieldscore-records"), [sha256(&record)]);
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn all_readable(folder: &Path) {
    mode(folder, 0o755);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all_readable(&path),
            false => mode(&path, 0o644),
        }
    }
}

#[test]
fn a_disk_that_cannot_be_written_to_still_gives_the_form_and_says_so() {
    let place = Place::new();
    std::fs::remove_dir(place.path("stick/fieldscore-records")).unwrap();
    let (first, second) = (record(&golden_bundle(), 0), record(&golden_bundle(), 1));
    let mut kiosk = place.start_with_bundle();
    assert_eq!(kiosk.post(&first).status, 201);
    kiosk.kill();
    let program = place.path("fieldscore-device");
    std::fs::copy(PROGRAM, &program).unwrap();
    all_readable(place.root.path());
    mode(&program, 0o755);
    for folder in ["data", "data/records", "data/exported", "data/bundles"] {
        mode(&place.path(folder), 0o555);
    }
    mode(&place.path("data/lock"), 0o444);
    let mut command = Command::new(&program);
    command.args(place.arguments());
    if std::fs::metadata(place.root.path()).unwrap().uid() == 0 {
        // Modes do not bind root: the kiosk's own user is somebody else there too.
        command.uid(65_534).gid(65_534);
    }
    let kiosk = Kiosk::start(&mut command);
    assert_eq!(kiosk.get("/").status, 200);
    let answer = kiosk.post(&second);
    assert_eq!(
        (answer.status, answer.code()),
        (503, "disk.read_only".into())
    );
    assert_eq!(kiosk.status()["disk"]["code"], "disk.read_only");
    assert_eq!(place.records("data/records"), [sha256(&first)]);
    // Writable again, it says so by itself.
    for folder in ["data", "data/records", "data/exported", "data/bundles"] {
        mode(&place.path(folder), 0o777);
    }
    kiosk.until("disk", |status| status["disk"]["code"] == "ok");
    assert_eq!(kiosk.post(&second).status, 201);
}

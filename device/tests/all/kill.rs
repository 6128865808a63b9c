//! Killed at any point, the kiosk loses no record that it said it has.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fieldscore_cli::keys::Signing;

use super::kiosk::{Place, post_to, records, resigned, sha256};

/// How often it is killed; each time a little later after so many records were kept.
const ROUNDS: u32 = 48;
const STEP: Duration = Duration::from_micros(130);

#[test]
fn whatever_is_interrupted_finished_records_stay() {
    let place = Place::new();
    let own = Signing::development();
    let mut acknowledged: Vec<String> = Vec::new();
    let mut unanswered = 0;
    let mut installed = 0u64;
    for round in 0..ROUNDS {
        let mut kiosk = if round == 0 {
            place.start_with_bundle()
        } else {
            place.start()
        };
        // What is installed rises only, whatever was interrupted.
        let sequence = kiosk.status()["bundle"]["sequence"].as_u64().unwrap();
        assert!(sequence >= installed, "round {round}");
        installed = sequence;
        // What the form that is open now makes.
        let records = records(&kiosk.get("/kiosk/bundle.fsb").body, 200);
        // Exporting and installing are interrupted too.
        if round % 8 == 7 {
            let update = resigned(&own, "credit", 100 + u64::from(round));
            std::fs::write(place.path("stick/update.fsb"), update).unwrap();
        }
        let killed = AtomicBool::new(false);
        let done = Mutex::new(Vec::new());
        let lost = Mutex::new(0);
        let wanted = (round % 6) as usize;
        let address = kiosk.address.clone();
        std::thread::scope(|scope| {
            for client in 0..3usize {
                let (killed, done, lost) = (&killed, &done, &lost);
                let (address, records) = (&address, &records);
                scope.spawn(move || {
                    for index in 0.. {
                        if killed.load(Ordering::Relaxed) {
                            return;
                        }
                        let at = (round as usize * 31 + client * 67 + index) % records.len();
                        match post_to(address, &records[at]) {
                            Ok(answer) if [200, 201].contains(&answer.status) => {
                                done.lock().unwrap().push(sha256(&records[at]));
                            }
                            Ok(answer) => panic!("{}: {}", answer.status, answer.code()),
                            Err(_) => *lost.lock().unwrap() += 1,
                        }
                    }
                });
            }
            let started = Instant::now();
            while done.lock().unwrap().len() < wanted && started.elapsed().as_secs() < 20 {
                std::thread::sleep(STEP);
            }
            std::thread::sleep(STEP * round);
            kiosk.kill();
            killed.store(true, Ordering::Relaxed);
        });
        acknowledged.extend(done.into_inner().unwrap());
        unanswered += lost.into_inner().unwrap();
        // Each record lies somewhere, whole; whatever has a record's name is one.
        let mut found = place.records("data/records");
        found.extend(place.records("data/exported"));
        let on_stick = place.records("stick/fieldscore-records");
        for hash in &acknowledged {
            assert!(found.contains(hash), "round {round}: {hash} is lost");
        }
        // What has left lies on the stick.
        for hash in place.records("data/exported") {
            assert!(on_stick.contains(&hash), "round {round}: {hash}");
        }
    }
    assert!(acknowledged.len() >= 120, "{} kept", acknowledged.len());
    assert!(unanswered > 0 && installed > 100);
    // At last all of them leave, and nothing is left over.
    let kiosk = place.start();
    kiosk.until("export", |status| status["records"]["waiting"] == 0);
    let on_stick = place.records("stick/fieldscore-records");
    assert!(acknowledged.iter().all(|hash| on_stick.contains(hash)));
    let parts = std::fs::read_dir(place.path("data/records")).unwrap();
    assert_eq!(parts.count(), 0);
}

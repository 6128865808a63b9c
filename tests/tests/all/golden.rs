//! The committed golden bundle opens with the key that app developers have, and passes its own
//! test on this device. What it decides is held by `fieldscore-parity`.

use std::path::{Path, PathBuf};

use fieldscore_models::build::hex;
use fieldscore_models::data::{Reading, Table};
use fieldscore_models::keys::{Signing, is_development};
use fieldscore_runtime::{ErrorKind, Scorer, Summary};
use fieldscore_tests::alloc;
use sha2::{Digest, Sha256};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden/credit")
        .join(name)
}

#[test]
fn the_golden_bundle_opens_with_the_recorded_key_and_passes_its_self_test() {
    let key = Signing::development().public();
    let recorded = std::fs::read_to_string(golden("key.txt")).unwrap();
    assert_eq!(recorded.trim(), hex(&key));
    let scorer = Scorer::open_path(golden("credit.fsb"), &[key]).unwrap();
    assert!(is_development(&scorer.container().key_id));
    assert_eq!(scorer.self_test().unwrap(), 16);
    assert_eq!(scorer.meta().product, "credit");
}

/// The golden bundle with a histogram, its applications, and the recorded digest of their summary.
fn watched() -> (Scorer, Table, String) {
    let folder = golden("../families/watched");
    let key = Signing::development().public();
    let scorer = Scorer::open_path(folder.join("watched.fsb"), &[key]).unwrap();
    let table = Table::read(&folder.join("applications.csv")).unwrap();
    let recorded = std::fs::read_to_string(folder.join("summary.txt")).unwrap();
    let recorded = recorded.trim().strip_prefix("summary 1000 ").unwrap();
    (scorer, table, recorded.to_owned())
}

#[test]
fn what_is_counted_of_the_golden_applications_is_the_recorded_bytes() {
    let (scorer, table, recorded) = watched();
    let reading = Reading {
        id: Some("id".to_owned()),
        date: Some("as_of".to_owned()),
        ..Reading::default()
    };
    let applications = reading.applications(&table, scorer.schema()).unwrap();
    assert_eq!(applications.len(), 1000);
    let decisions: Vec<_> = applications
        .iter()
        .map(|a| scorer.score(a).unwrap())
        .collect();
    let mut summary = Summary::new(&scorer).unwrap();
    let (calls, ()) = alloc::calls(|| {
        for (application, decision) in applications.iter().zip(&decisions) {
            assert!(summary.add(application, decision).is_ok());
        }
    });
    assert_eq!(calls, 0, "allocations");
    assert_eq!(hex(&Sha256::digest(summary.encode())), recorded);
    assert_eq!(summary.encode_for_sharing().unwrap(), summary.encode());
    // The golden bundles before it have no histogram.
    let key = Signing::development().public();
    let before = Scorer::open_path(golden("credit.fsb"), &[key]).unwrap();
    assert_eq!(
        Summary::new(&before).unwrap_err().kind(),
        ErrorKind::Unsupported
    );
}

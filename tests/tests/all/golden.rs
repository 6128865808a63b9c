//! The committed golden bundle opens with the key that app developers have, and passes its own
//! test on this device. What it decides is held by `fieldscore-parity`.

use std::path::{Path, PathBuf};

use fieldscore_models::build::hex;
use fieldscore_models::keys::{Signing, is_development};
use fieldscore_runtime::Scorer;

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

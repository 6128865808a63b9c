//! Records: what decodes is replayed, and what a replay writes is a record of the same bytes.
#![no_main]

use std::sync::LazyLock;

use fieldscore_fuzz::{SMALL, pack, public, unpack};
use fieldscore_runtime::{Record, Scorer};
use libfuzzer_sys::fuzz_target;

static SCORER: LazyLock<Scorer> = LazyLock::new(|| {
    let parts = unpack(SMALL).unwrap_or_default();
    Scorer::open(pack(&parts), &[public()]).expect("the seed bundle opens")
});

/// Where a canonical record has its bundle id: behind the array, the version and the head of 32
/// bytes.
const BUNDLE_ID: std::ops::Range<usize> = 4..36;

fuzz_target!(|bytes: &[u8]| {
    if Record::decode(bytes).is_err() {
        return;
    }
    let mut record = bytes.to_vec();
    if record.get(..4) == Some(&[0x88, 0x01, 0x58, 0x20])
        && let Some(id) = record.get_mut(BUNDLE_ID)
    {
        id.copy_from_slice(SCORER.bundle_id());
    }
    let Ok(replay) = SCORER.replay(&record) else {
        return;
    };
    assert_eq!(replay.same, replay.again == record);
    let again = SCORER.replay(&replay.again).expect("our own record");
    assert!(again.same);
});

//! Records: what decodes is replayed, and what a replay writes is a record of the same bytes.
#![no_main]

use std::sync::LazyLock;

use fieldscore_fuzz::{POLICY, SMALL, open, surround};
use fieldscore_runtime::{Record, Scorer};
use libfuzzer_sys::fuzz_target;

static SCORERS: LazyLock<[Scorer; 2]> = LazyLock::new(|| [SMALL, POLICY].map(open));

/// Where a canonical record has its bundle id: behind the array, the version and the head of 32
/// bytes.
const BUNDLE_ID: std::ops::Range<usize> = 4..36;

fuzz_target!(|bytes: &[u8]| {
    if Record::decode(bytes).is_err() {
        return;
    }
    for scorer in &*SCORERS {
        replay(scorer, bytes.to_vec());
    }
});

/// Replays a record as if it were of this bundle, and makes what surrounds its decision.
fn replay(scorer: &Scorer, mut record: Vec<u8>) {
    if matches!(record.get(..4), Some([0x88 | 0x89, 1..=3, 0x58, 0x20]))
        && let Some(id) = record.get_mut(BUNDLE_ID)
    {
        id.copy_from_slice(scorer.bundle_id());
    }
    let Ok(replay) = scorer.replay(&record) else {
        return;
    };
    assert_eq!(replay.same, replay.again == record);
    let again = scorer.replay(&replay.again).expect("our own record");
    assert!(again.same);
    assert_eq!(scorer.verify_record(&record).is_ok(), replay.same);
    let (application, _) = scorer.verify_record(&replay.again).expect("our own record");
    surround(scorer, &application);
}

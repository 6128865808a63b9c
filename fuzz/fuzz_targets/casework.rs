//! What is kept beside decisions: overrides, and the summaries that devices send. What decodes is written
//! as it was read; a summary merges with itself.
#![no_main]

use std::sync::LazyLock;

use fieldscore_fuzz::{POLICY, open};
use fieldscore_runtime::watch::Summary;
use fieldscore_runtime::{Override, Scorer};
use libfuzzer_sys::fuzz_target;

/// The bundle, and the record of its reference applicant.
static BUNDLE: LazyLock<(Scorer, Vec<u8>)> = LazyLock::new(|| {
    let scorer = open(POLICY);
    let (application, decision) = scorer.reference().expect("a reference applicant");
    let mut record = Vec::new();
    scorer.record(&application, &decision, &mut record);
    (scorer, record)
});

fuzz_target!(|bytes: &[u8]| {
    let (scorer, record) = &*BUNDLE;
    if let Ok(decided) = Override::decode(bytes) {
        assert_eq!(decided.encode(), bytes);
        if let Ok(checked) = scorer.check_override(record, bytes) {
            assert_eq!(checked, decided);
        }
    }
    if let Ok(mut summary) = Summary::decode(scorer, bytes) {
        assert_eq!(summary.encode(), bytes);
        let (before, same) = (summary.decisions(), summary.clone());
        if summary.merge(&same).is_ok() {
            assert_eq!(summary.decisions(), before * 2);
        }
        let _ = summary.encode_for_sharing();
    }
});

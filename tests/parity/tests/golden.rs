//! The golden bundle gives the decisions that it gave when it was released.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use fieldscore_parity::host::in_a_strange_host;
use fieldscore_parity::{Marks, Parity, report};
use fieldscore_runtime::kernels::Kernels;

fn golden(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../golden/credit/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

fn text(name: &str) -> String {
    String::from_utf8(golden(name)).unwrap()
}

#[test]
fn every_kernel_path_gives_the_recorded_digests() {
    let key = text("key.txt");
    let bytes: Vec<u8> = (0..32)
        .map(|at| u8::from_str_radix(&key[at * 2..at * 2 + 2], 16).unwrap())
        .collect();
    let (csv, recorded) = (text("applications.csv"), text("digests.txt"));
    let marks = Marks {
        plain: vec![10_000],
        explained: vec![100],
        kernels: vec![100],
    };
    for path in Kernels::available() {
        let decide = || {
            let key = bytes.clone().try_into().unwrap();
            let parity = Parity::open(&golden("credit.fsb"), key, &csv, Some(path.name)).unwrap();
            report(&parity, &marks).unwrap()
        };
        for lines in [decide(), in_a_strange_host(decide)] {
            for line in lines.lines() {
                assert!(
                    recorded.lines().any(|known| known == line),
                    "{}: {line}",
                    path.name
                );
            }
        }
    }
}

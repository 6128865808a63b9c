//! Golden bundles give the decisions that they gave when they were released.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::path::{Path, PathBuf};

use fieldscore_parity::host::in_a_strange_host;
use fieldscore_parity::{Marks, Parity, joined, report};
use fieldscore_runtime::bundle::container::KNOWN_FEATURES;
use fieldscore_runtime::kernels::Kernels;

/// The golden bundles' folders: the credit bundle's, and one for each family.
fn suites() -> Vec<PathBuf> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden");
    let families = std::fs::read_dir(golden.join("families")).unwrap();
    let families = families.map(|entry| entry.unwrap().path());
    [golden.join("credit")]
        .into_iter()
        .chain(families)
        .collect()
}

/// A folder's applications with the rows of their tables: each other CSV file is a field's.
fn applications(folder: &Path) -> String {
    let mut tables = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let field = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_some_and(|kind| kind == "csv") && field != "applications" {
            tables.push((field, text(&path)));
        }
    }
    joined(&text(&folder.join("applications.csv")), &tables)
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The recorded marks of a kind that take a test no more than a moment.
fn marks(recorded: &str, kind: &str, most: usize) -> Vec<usize> {
    let lines = recorded.lines().filter_map(|line| line.strip_prefix(kind));
    let marks = lines.map(|line| line.split_whitespace().next().unwrap().parse().unwrap());
    marks.filter(|&mark| mark <= most).collect()
}

#[test]
fn every_kernel_path_gives_the_recorded_digests() {
    let mut required = 0;
    for folder in suites() {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let bundle = std::fs::read(folder.join(format!("{name}.fsb"))).unwrap();
        required |= u64::from_le_bytes(bundle[16..24].try_into().unwrap());
        let key = text(&folder.join("key.txt"));
        let byte = |at: usize| u8::from_str_radix(&key[at * 2..at * 2 + 2], 16).unwrap();
        let key: [u8; 32] = std::array::from_fn(byte);
        let csv = applications(&folder);
        let mut recorded = text(&folder.join("digests.txt"));
        if name == "credit" {
            recorded += &text(&folder.join("alternatives.txt"));
        }
        let marks = Marks {
            plain: marks(&recorded, "plain", 10_000),
            explained: marks(&recorded, "explained", 100),
            kernels: marks(&recorded, "kernels", 100),
        };
        assert!(
            !marks.plain.is_empty() && !marks.explained.is_empty(),
            "{name}"
        );
        for path in Kernels::available() {
            let decide = || {
                let parity = Parity::open(&bundle, key, &csv, Some(path.name)).unwrap();
                report(&parity, &marks).unwrap()
            };
            for lines in [decide(), in_a_strange_host(decide)] {
                for line in lines.lines() {
                    assert!(
                        recorded.lines().any(|known| known == line),
                        "{name}, {}: {line}",
                        path.name
                    );
                }
            }
        }
    }
    assert_eq!(
        required, KNOWN_FEATURES,
        "a feature that no golden bundle has"
    );
}

//! What every exported function has in common, read in the sources: it returns a result. What uniffi
//! itself makes of them is checked in the generated bindings by `cargo xtask ios`.

use std::fmt::Write;

/// The signatures of the functions in the items that uniffi exports.
fn exported(source: &str) -> Vec<String> {
    let mut signatures = Vec::new();
    for item in source.split("\n#[uniffi::export").skip(1) {
        // An item ends where a brace closes in the first column.
        let item = item.split_once("]\n").unwrap().1;
        let item = item.split("\n}").next().unwrap();
        let mut signature = String::new();
        for line in item.lines().map(str::trim) {
            let starts = line.starts_with("pub fn ") || line.starts_with("fn ");
            if starts || !signature.is_empty() {
                write!(signature, "{line} ").unwrap();
            }
            if !signature.is_empty() && (line.ends_with('{') || line.ends_with(';')) {
                signatures.push(std::mem::take(&mut signature));
            }
        }
    }
    signatures
}

#[test]
fn every_exported_function_returns_a_result() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let mut all = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        all.extend(exported(
            &std::fs::read_to_string(file.unwrap().path()).unwrap(),
        ));
    }
    assert!(all.len() >= 15, "found: {all:#?}");
    for signature in all {
        assert!(signature.contains("-> Result<"), "{signature}");
    }
}

#[test]
fn a_signature_without_a_result_is_found() {
    let source = "\n#[uniffi::export]\npub fn a(\n    b: u8,\n) -> u8 {\n    b\n}\nfn own() {\n}\n";
    assert_eq!(exported(source), ["pub fn a( b: u8, ) -> u8 { "]);
}

//! Tree ensembles from their libraries' own files, held against what the libraries made of the same
//! rows: `tests/families`, written by the scripts in `models/train/fixtures`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests: what goes wrong fails the test"
)]

use std::path::{Path, PathBuf};

use fieldscore_models::compile::net::Rows;
use fieldscore_models::compile::trees::{self, Forest, Grown, Library, Link, Native};
use fieldscore_models::data::Table;

fn families() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/families")
}

fn table(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let table = Table::read(path).unwrap_or_else(|e| panic!("{e}"));
    let cells = |row: &csv::StringRecord| row.iter().map(str::to_owned).collect();
    let rows = table.rows().iter().map(cells).collect();
    (
        table.header().iter().map(ToString::to_string).collect(),
        rows,
    )
}

/// The rows of a case; an empty cell is a gap.
fn rows(folder: &Path) -> Rows<f64> {
    let (_, table) = table(&folder.join("rows.csv"));
    let cell = |cell: &String| {
        if cell.is_empty() {
            f64::NAN
        } else {
            cell.parse().unwrap()
        }
    };
    Rows::new(table[0].len(), table.iter().flatten().map(cell).collect())
}

/// What a library made of a row.
struct Expected {
    leaves: Vec<u32>,
    margin: Option<f64>,
    probability: f64,
}

fn expected(folder: &Path) -> Vec<Expected> {
    let path = folder.join("expected.csv");
    let (header, table) = table(&path);
    let at = |name: &str| header.iter().position(|column| column == name);
    let (leaves, margin) = (at("leaves"), at("margin"));
    let probability = at("probability").unwrap();
    let row = |row: &Vec<String>| Expected {
        leaves: leaves.map_or(Vec::new(), |at| {
            row[at]
                .split(' ')
                .map(|leaf| leaf.parse().unwrap())
                .collect()
        }),
        margin: margin.map(|at| row[at].parse().unwrap()),
        probability: row[probability].parse().unwrap(),
    };
    table.iter().map(row).collect()
}

/// The cases of a family: folders with rows.
fn cases(family: &str) -> Vec<PathBuf> {
    let folder = families().join(family);
    let mut cases: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("rows.csv").exists())
        .collect();
    cases.sort();
    cases
}

fn native(path: &Path) -> Forest {
    let read = trees::read(path).unwrap_or_else(|e| panic!("{e}"));
    let Grown { forest, .. } = read.unwrap_or_else(|| panic!("{}: no model", path.display()));
    forest
}

fn onnx(path: &Path) -> Forest {
    let bytes = std::fs::read(path).unwrap();
    let read =
        trees::of_model(&bytes, &path.display().to_string()).unwrap_or_else(|e| panic!("{e}"));
    read.unwrap_or_else(|| panic!("{}: no ensemble alone", path.display()))
        .forest
}

/// Leaf for leaf and bit for bit, in the oracle and in the runtime.
fn hold(forest: &Forest, folder: &Path, what: &str) {
    let (rows, expected) = (rows(folder), expected(folder));
    assert_eq!(rows.len(), expected.len());
    let ours = trees::lower(forest).unwrap().run(&rows).unwrap();
    let same = |a: f64, b: f64| a.to_bits() == b.to_bits() || a == b;
    for (number, (row, expected)) in rows.iter().zip(&expected).enumerate() {
        let place = format!("{what}, row {}", number + 2);
        if !expected.leaves.is_empty() {
            assert_eq!(forest.leaves(row), expected.leaves, "{place}: leaves");
        }
        let margin = forest.margin(row);
        assert!(
            same(ours[number], margin),
            "{place}: {} {margin}",
            ours[number]
        );
        if let Some(raw) = expected.margin {
            // LightGBM's raw score is not divided by the number of trees yet; ONNX Runtime answers in
            // f32 whatever it adds up in.
            let (found, wanted) = match forest.library {
                Library::OnnxRuntime => (f64::from(margin as f32), raw),
                _ => (margin, raw / forest.divisor * forest.factor),
            };
            assert!(
                same(found, wanted),
                "{place}: margin {found:?}, not {wanted:?}"
            );
        }
        let probability = match forest.link {
            Link::Logistic => 1.0 / (1.0 + (-margin).exp()),
            Link::Identity => margin,
        };
        let apart = (probability - expected.probability).abs();
        assert!(
            apart <= 1e-6 * expected.probability.abs().max(1.0),
            "{place}: {probability}, not {}",
            expected.probability
        );
    }
}

#[test]
fn lightgbm_leaf_for_leaf_and_bit_for_bit() {
    let cases = cases("lightgbm");
    assert_eq!(cases.len(), 10, "{cases:?}");
    for folder in cases {
        let text = native(&folder.join("model.txt"));
        hold(
            &text,
            &folder,
            &folder.join("model.txt").display().to_string(),
        );
    }
}

#[test]
fn lightgbms_dump_is_the_same_model() {
    let mut seen = 0;
    for folder in cases("lightgbm") {
        let dump = folder.join("model.json");
        if dump.exists() {
            let forest = native(&dump);
            hold(&forest, &folder, &dump.display().to_string());
            let text = native(&folder.join("model.txt"));
            assert_eq!(forest.features, text.features);
            seen += 1;
        }
    }
    assert_eq!(seen, 2);
}

#[test]
fn xgboost_leaf_for_leaf_and_bit_for_bit_from_json_and_ubjson() {
    let cases = cases("xgboost");
    assert_eq!(cases.len(), 12, "{cases:?}");
    for folder in cases {
        let json = native(&folder.join("model.json"));
        hold(
            &json,
            &folder,
            &folder.join("model.json").display().to_string(),
        );
        assert_eq!(
            json,
            native(&folder.join("model.ubj")),
            "{}",
            folder.display()
        );
    }
}

#[test]
fn onnx_equals_onnx_runtime() {
    let cases = cases("onnx-trees");
    assert_eq!(cases.len(), 14, "{cases:?}");
    for folder in cases {
        let file = folder.join("model.onnx");
        hold(&onnx(&file), &folder, &file.display().to_string());
    }
}

#[test]
fn rows_that_a_converter_sends_to_another_leaf_are_counted() {
    let folder = families().join("onnx-trees");
    for (case, file) in [
        ("lightgbm-converted", "native.txt"),
        ("xgboost-converted", "native.json"),
    ] {
        let folder = folder.join(case);
        let (converted, rows) = (onnx(&folder.join("model.onnx")), rows(&folder));
        let found = Native::compare(&folder.join(file), &converted, &rows).unwrap();
        assert_eq!(found.rows, rows.len());
        // XGBoost's thresholds are f32 already. LightGBM's are not: rows that hold one of them in f32
        // may end elsewhere.
        assert_eq!(
            found.rows_that_change_leaf > 0,
            case == "lightgbm-converted",
            "{case}: {found:?}"
        );
    }
    let converted = onnx(&folder.join("lightgbm-converted/model.onnx"));
    let rows = rows(&folder.join("lightgbm-converted"));
    let other = families().join("lightgbm/stumps/model.txt");
    let error = Native::compare(&other, &converted, &rows).unwrap_err();
    assert!(error.to_string().contains("12 trees"), "{error}");
}

#[test]
fn names_and_categories_are_read() {
    let forest = native(&families().join("lightgbm/pandas/model.txt"));
    let names: Vec<&str> = forest
        .features
        .iter()
        .filter_map(|of| of.name.as_deref())
        .collect();
    let expected = [
        "income", "age", "share", "count", "balance", "purpose", "region", "flag",
    ];
    assert_eq!(names, expected);
    let purpose = forest.features[5].categories.as_ref().unwrap();
    assert_eq!((purpose.len(), purpose[11].as_str()), (12, "purpose 11"));
    assert_eq!(
        forest.features[6].categories.as_ref().unwrap(),
        &["0", "1", "2", "3"]
    );
    assert!(!forest.features[0].coded && forest.features[5].coded);
    let forest = native(&families().join("xgboost/categorical-sets/model.ubj"));
    assert_eq!(forest.features[1].name.as_deref(), Some("age"));
    assert!(!forest.features[1].coded && forest.features[5].coded);
}

#[test]
fn what_the_plan_cannot_express_is_refused_by_name() {
    for (file, words) in [
        (
            "lightgbm/refused/several-classes.txt",
            "one output, not of 3 classes",
        ),
        ("lightgbm/refused/linear-trees.txt", "not linear models"),
        ("lightgbm/refused/poisson.txt", "not poisson"),
        ("xgboost/refused/several-classes.json", "one output"),
        ("xgboost/refused/linear.json", "not gblinear"),
        ("xgboost/refused/poisson.json", "not count:poisson"),
        (
            "xgboost/refused/stopped-early.json",
            "as many rounds as the best one",
        ),
    ] {
        let error = trees::read(&families().join(file)).unwrap_err();
        assert!(error.to_string().contains(words), "{file}: {error}");
        assert!(error.hint_text().is_some(), "{file}: {error}");
    }
    for (file, words) in [
        ("min", "not MIN"),
        ("max", "not MAX"),
        ("three-classes", "not 3"),
    ] {
        let file = families().join(format!("onnx-trees/refused/{file}.onnx"));
        let bytes = std::fs::read(&file).unwrap();
        let error = trees::of_model(&bytes, "model").unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.hint_text().is_some(), "{error}");
    }
}

#[test]
fn a_file_cut_short_or_changed_is_an_error_and_no_panic() {
    let folder = families();
    for file in [
        "lightgbm/categorical/model.txt",
        "lightgbm/categorical/model.json",
        "xgboost/categorical-sets/model.json",
        "xgboost/1.7-categorical-sets/model.ubj",
    ] {
        let bytes = std::fs::read(folder.join(file)).unwrap();
        // What follows the trees of LightGBM's text is not read.
        let trees = bytes.windows(12).position(|words| words == b"end of trees");
        let end = trees.unwrap_or(bytes.len());
        for len in (0..end).step_by(end / 60) {
            assert!(
                !matches!(trees::of_bytes(&bytes[..len], "cut"), Ok(Some(_))),
                "{file} cut to {len} bytes"
            );
        }
        // A changed digit or byte gives another model or an error: no panic, no endless walk.
        let row = [1.0; 8];
        for at in (0..bytes.len()).step_by(bytes.len() / 150) {
            for with in [b'9', b'-', 0xff] {
                let mut changed = bytes.clone();
                changed[at] = with;
                if let Ok(Some(forest)) = trees::of_bytes(&changed, "changed") {
                    assert_eq!(
                        forest.leaves(&row[..forest.features.len().min(8)]).len(),
                        forest.trees.len()
                    );
                }
            }
        }
    }
}

#[test]
fn a_changed_onnx_file_is_a_model_or_an_error_and_no_panic() {
    let row = [1.0; 8];
    for case in ["lightgbm-converted", "five", "modes-double"] {
        let file = families().join("onnx-trees").join(case).join("model.onnx");
        let bytes = std::fs::read(file).unwrap();
        let mut sound = 0;
        for at in (0..bytes.len()).step_by((bytes.len() / 700).max(1)) {
            for with in [0, 0x7f, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = with;
                if let Ok(Some(grown)) = trees::of_model(&changed, "changed") {
                    let forest = grown.forest;
                    assert_eq!(forest.leaves(&row).len(), forest.trees.len());
                    sound += 1;
                }
            }
        }
        assert!(sound > 0, "{case}: every change was an error");
    }
}

#[test]
fn a_hostile_text_is_refused_before_it_costs_anything() {
    for (text, words) in [
        ("tree\n", "end of trees"),
        (
            "tree\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=99999999999\nend of trees\n",
            "features",
        ),
        (
            "tree\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=1\n\nTree=0\nnum_leaves=4000000000\nend of trees\n",
            "leaves",
        ),
        (
            "tree\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=1\n\nTree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\n\
             threshold=1\ndecision_type=2\nleft_child=0\nright_child=-1\nleaf_value=1 2\nend of trees\n",
            "children of its own at node 0",
        ),
        ("{\"learner\": {}}", "the key"),
        ("{\"other\": 1}", "the key learner"),
        ("binf", "not its old binary form"),
    ] {
        let error = trees::of_bytes(text.as_bytes(), "hostile").unwrap_err();
        assert!(error.to_string().contains(words), "{text}: {error}");
    }
    let deep = format!("{{\"tree_info\": {}", "[".repeat(100_000));
    assert!(trees::of_bytes(deep.as_bytes(), "deep").is_err());
    assert!(trees::of_bytes(b"\x08\x07\x12", "other").unwrap().is_none());
}

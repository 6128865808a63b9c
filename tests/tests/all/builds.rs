//! Building: what is wrong with a recipe, its data or its model is named with its place.

use fieldscore_models::keys::Signing;
use fieldscore_models::{Fault, recipe};
use fieldscore_runtime::decide::Test;
use fieldscore_runtime::{Date, Scorer};
use fieldscore_tests::onnx::Onnx;
use fieldscore_tests::project::{Project, RECIPE, data, model};

fn project() -> (tempfile::TempDir, Project) {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::new(folder.path());
    (folder, project)
}

/// Spoils a project and demands an error of bad input that says all of `words`.
fn says(spoil: impl FnOnce(&Project), words: &[&str]) -> String {
    let (_folder, project) = project();
    spoil(&project);
    let error = project.error();
    assert_eq!(error.fault(), Fault::Input, "{error}");
    let all = format!("{error} hint: {}", error.hint_text().unwrap_or_default());
    for word in words {
        assert!(all.contains(word), "no {word:?} in: {all}");
    }
    all
}

#[test]
fn the_sound_project_builds_a_bundle_that_passes_its_self_test() {
    let (_folder, project) = project();
    let built = project.build().unwrap();
    let bundle = built.bundle.expect("gates hold");
    let scorer = Scorer::open(bundle, &[Signing::development().public()]).unwrap();
    assert_eq!(scorer.self_test().unwrap(), 16);
    assert_eq!(
        (&scorer.meta().product[..], scorer.meta().sequence),
        ("small", 3)
    );
}

#[test]
fn an_unknown_key_is_named_with_its_file() {
    let spoil = |p: &Project| p.change("calibration_rows", "calibration_row");
    says(
        spoil,
        &["recipe.toml", "compile.calibration_row", "unknown field"],
    );
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_key() {
    let spoil = |p: &Project| p.change("sequence = 3", "sequence = \"three\"");
    says(spoil, &["recipe.toml", "product.sequence"]);
}

#[test]
fn the_bundle_says_whether_staff_may_see_the_score_as_they_type() {
    for (said, meant) in [("", false), ("= false", false), ("= true", true)] {
        let (_folder, project) = project();
        if !said.is_empty() {
            project.change(
                "sequence = 3",
                &format!("sequence = 3\nscore_as_typed {said}"),
            );
        }
        let bundle = project.build().unwrap().bundle.expect("gates hold");
        let scorer = Scorer::open(bundle, &[Signing::development().public()]).unwrap();
        assert_eq!(scorer.meta().score_as_typed, meant, "{said}");
    }
    let spoil = |p: &Project| p.change("sequence = 3", "sequence = 3\nscore_as_typed = \"yes\"");
    says(spoil, &["recipe.toml", "product.score_as_typed"]);
}

#[test]
fn dates_stand_in_ranges_and_rules_as_toml_writes_them() {
    let (_folder, project) = project();
    project.change("fields = [\"home\"]", "fields = [\"home\", \"born\"]");
    project.change(
        "[features.a]",
        "[[policy.knock_out]]\ncode = \"K1\"\nwhen = [{ field = \"born\", above = 2005-02-03 }]\n\
         outcome = \"refer\"\ntext = { en = \"Young\" }\n\n[features.a]",
    );
    project.change(
        "[fields.home]",
        "[fields.born]\ntype = \"date\"\nrange = [1930-01-01, 2008-12-31]\nsensitivity = \"personal\"\n\
         changeable = false\nlabel = { en = \"Born\" }\n\
         reason = { code = \"R4\", text = { en = \"Age\" } }\n\n[fields.home]",
    );
    project.write(
        "data.csv",
        data(600)
            .lines()
            .enumerate()
            .map(|(at, line)| match at {
                0 => format!("{line},born\n"),
                _ => format!("{line},19{}-05-06\n", 40 + at % 50),
            })
            .collect::<String>(),
    );
    let bundle = project.build().unwrap().bundle.expect("gates hold");
    let scorer = Scorer::open(bundle, &[Signing::development().public()]).unwrap();
    let born = &scorer.schema().fields()[scorer.schema().index_of("born").unwrap()];
    let day = |year, month, day| i64::from(Date::from_ymd(year, month, day).unwrap().days());
    assert_eq!(born.range, Some((day(1930, 1, 1), day(2008, 12, 31))));
    let rule = &scorer.policy().knock_outs[0].when[0];
    assert_eq!(rule.test, Test::Above(day(2005, 2, 3)));
}

#[test]
fn a_missing_key_is_named() {
    says(
        |p| p.change("floor = 300\n", ""),
        &["recipe.toml", "score", "floor"],
    );
}

#[test]
fn bad_toml_is_named_with_its_line() {
    says(
        |p| p.change("[texts]", "[texts"),
        &["recipe.toml:9", "TOML"],
    );
    says(|p| p.change("[texts]", "= 5"), &["recipe.toml:9", "TOML"]);
}

#[test]
fn missing_files_are_named() {
    let remove = |name: &'static str| {
        move |p: &Project| std::fs::remove_file(p.folder().join(name)).unwrap()
    };
    says(
        remove("recipe.toml"),
        &["recipe.toml", "exists", "fieldscore init"],
    );
    says(remove("data.csv"), &["data.csv", "exists"]);
    says(remove("model.onnx"), &["model.onnx", "exists"]);
    says(
        |p| {
            p.write(
                "recipe.toml",
                format!("extends = [\"gone.toml\"]\n{RECIPE}"),
            )
        },
        &["gone.toml"],
    );
}

#[test]
fn a_recipe_that_extends_itself_is_refused() {
    let spoil = |p: &Project| {
        p.write(
            "recipe.toml",
            format!("extends = [\"recipe.toml\"]\n{RECIPE}"),
        )
    };
    says(spoil, &["recipe.toml", "none extending itself"]);
    let circle = |p: &Project| {
        p.write("recipe.toml", format!("extends = [\"one.toml\"]\n{RECIPE}"));
        p.write("one.toml", "extends = [\"two.toml\"]");
        p.write("two.toml", "extends = [\"one.toml\"]");
    };
    says(circle, &["none extending itself"]);
}

#[test]
fn what_extends_is_merged_key_by_key_and_the_fault_is_found_in_its_file() {
    let (_folder, project) = project();
    project.write("base.toml", RECIPE);
    project.write(
        "recipe.toml",
        "extends = [\"base.toml\"]\n[product]\nsequence = 9\n",
    );
    let loaded = recipe::load(project.folder()).unwrap();
    assert_eq!(
        (
            loaded.recipe.product.sequence,
            &loaded.recipe.product.id[..]
        ),
        (9, "small")
    );
    project.write(
        "base.toml",
        RECIPE.replace("ceiling = 900", "ceiling = \"high\""),
    );
    let error = recipe::load(project.folder()).unwrap_err().to_string();
    assert!(
        error.contains("base.toml") && error.contains("score.ceiling"),
        "{error}"
    );
}

#[test]
fn a_recipe_that_is_not_utf_8_is_refused() {
    says(
        |p| p.write("recipe.toml", b"id = \"\xff\""),
        &["recipe.toml", "UTF-8"],
    );
}

#[test]
fn a_label_or_group_as_a_field_is_refused() {
    let field = |name: &str| {
        RECIPE.replace(
            "fields = [\"a\", \"b\"]",
            &format!("fields = [\"a\", \"b\", \"{name}\"]"),
        ) + &format!(
            "\n[fields.{name}]\ntype = \"text\"\nbuckets = 4\nsensitivity = \"special\"\nchangeable = false\nlabel = {{ en = \"x\" }}\nreason = {{ code = \"R9\", text = {{ en = \"x\" }} }}\n"
        )
    };
    for name in ["status", "region"] {
        says(
            |p| p.write("recipe.toml", field(name)),
            &[name, "must not read"],
        );
    }
}

#[test]
fn recipes_that_contradict_themselves_are_refused_by_key() {
    let cases: [(&str, &str, &[&str]); 15] = [
        (
            "features = [\"a\", \"b\", \"home\"]",
            "features = [\"a\", \"b\", \"house\"]",
            &["model.features", "features.house"],
        ),
        (
            "features = [\"a\", \"b\", \"home\"]",
            "features = [\"a\", \"b\"]",
            &["features.home"],
        ),
        ("from = \"a\"", "from = \"z\"", &["features.a.from", "no z"]),
        ("std = 30.0", "std = 0.0", &["features.a.std"]),
        (
            "impute = 0.5",
            "missing_flag = true",
            &["features.b.impute", "may be missing"],
        ),
        (
            "fields = [\"a\", \"b\"]",
            "fields = [\"a\"]",
            &["fields.b", "groups"],
        ),
        (
            "fields = [\"a\", \"b\"]",
            "fields = [\"a\", \"b\", \"c\"]",
            &["groups.money.fields", "c is none"],
        ),
        (
            "refer_from = 520",
            "refer_from = 620",
            &["policy.refer_from"],
        ),
        (
            "floor = 300",
            "floor = 950",
            &["score", "floor below ceiling"],
        ),
        (
            "languages = [\"en\"]",
            "languages = [\"en\", \"fr\"]",
            &["product.name.fr", "a text"],
        ),
        (
            "label = { en = \"Money\" }",
            "label = { en = \"Money\", fr = \"Argent\" }",
            &["groups.money.label.fr", "languages"],
        ),
        ("decimals = 2", "unit = \"\"", &["fields.b.decimals"]),
        ("range = [0, 1]", "range = [0, 0.125]", &["fields.b.range"]),
        ("calibration_rows = 200", "prune = 1.0", &["compile.prune"]),
        (
            "[split]\nseed = 1",
            "[split]\nseed = 1\ncolumn = \"x\"",
            &["split"],
        ),
    ];
    for (from, to, words) in cases {
        says(|p| p.change(from, to), words);
    }
}

#[test]
fn missing_and_duplicate_columns_are_named() {
    let with = |from: &'static str, to: &'static str| {
        move |p: &Project| p.write("data.csv", data(600).replacen(from, to, 1))
    };
    says(
        with("region,a,b", "region,a,c"),
        &["data.csv, header", "column b"],
    );
    says(
        with("id,status", "id,state"),
        &["data.csv, header", "column status"],
    );
    says(
        with("region,a,b", "region,a,a"),
        &["data.csv, header", "column a only once"],
    );
}

/// The data with line `row` (from 1, below the header) replaced.
fn with_row(row: usize, line: &[u8]) -> Vec<u8> {
    let text = data(600);
    let mut lines: Vec<&[u8]> = text.as_bytes().split(|&b| b == b'\n').collect();
    lines[row] = line;
    lines.join(&b'\n')
}

#[test]
fn bad_rows_are_named_by_their_number_in_the_file() {
    let cases: [(&[u8], &[&str]); 6] = [
        (
            b"417,good,north,50,0.5",
            &["data.csv, row 417", "6 cells", "not 5"],
        ),
        (
            b"417,good,north,50,0.5,own,more",
            &["data.csv, row 417", "not 7"],
        ),
        (
            b"417,good,north,50,0.5,o\xffn",
            &["data.csv, row 417", "UTF-8"],
        ),
        (
            b"417,good,north,many,0.5,own",
            &["data.csv, row 417", "field a", "whole number"],
        ),
        (
            b"417,good,north,50,0.555,own",
            &["data.csv, row 417", "field b", "2 decimals"],
        ),
        (
            b"417,good,north,101,0.50,own",
            &["data.csv, row 417", "field a", "from 0 to 100"],
        ),
    ];
    for (line, words) in cases {
        says(|p| p.write("data.csv", with_row(417, line)), words);
    }
}

#[test]
fn rows_of_one_class_only_are_refused() {
    for label in ["badd", "BAD"] {
        let spoil = |p: &Project| p.change("bad = \"bad\"", &format!("bad = \"{label}\""));
        says(
            spoil,
            &["data.csv", "column status", label, "data.label.bad"],
        );
    }
}

#[test]
fn data_without_rows_is_refused() {
    let header = "id,status,region,a,b,home\n";
    says(
        |p| p.write("data.csv", header),
        &["data.csv", "at least one row"],
    );
    says(|p| p.write("data.csv", ""), &["data.csv"]);
}

#[test]
fn split_files_without_a_rows_part_are_refused() {
    let spoil = |split: &'static str| {
        move |p: &Project| {
            p.change("seed = 1", "file = \"split.csv\"\ncolumn = \"part\"");
            p.write("split.csv", split);
        }
    };
    says(
        spoil("id,part\n1,train\n2,validation\n3,test\n"),
        &["data.csv, row 4", "split.csv"],
    );
    says(
        spoil("id,part\n1,training\n"),
        &["split.csv, row 1, column part", "train, validation or test"],
    );
}

#[test]
fn a_file_that_is_no_model_is_refused() {
    for bytes in [&b"not a model"[..], b""] {
        says(|p| p.write("model.onnx", bytes), &["model.onnx"]);
    }
    let half = |p: &Project| {
        let bytes = model().finish(&[1]);
        p.write("model.onnx", &bytes[..bytes.len() / 2]);
    };
    says(half, &["model.onnx"]);
}

#[test]
fn an_unsupported_operator_is_refused_with_node_operator_shapes_and_a_hint() {
    let tangent = Onnx::new(4)
        .dense("hidden", &[0.1; 16], &[0.0; 4])
        .node("squash", "Tan", &[])
        .dense("output", &[0.1; 4], &[0.0]);
    let spoil = |p: &Project| p.write("model.onnx", tangent.finish(&[1]));
    says(
        spoil,
        &[
            "model.onnx, node squash",
            "Tan",
            "F32",
            "4",
            "hint: the plan takes",
        ],
    );
}

#[test]
fn operators_that_look_alike_are_refused_as_well() {
    let rounded = Onnx::new(4)
        .dense("hidden", &[0.1; 16], &[0.0; 4])
        .node("whole", "Floor", &[])
        .dense("output", &[0.1; 4], &[0.0]);
    says(
        |p| p.write("model.onnx", rounded.finish(&[1])),
        &["model.onnx, node whole", "Floor"],
    );
    let same = Onnx::new(4)
        .constant("zeros", &[4, 1], &[0.0; 4])
        .node("none", "MatMul", &["zeros"])
        .node("size", "Shape", &[]);
    says(
        |p| p.write("model.onnx", same.finish(&[1])),
        &["model.onnx"],
    );
}

#[test]
fn a_model_with_two_outputs_a_row_is_refused() {
    let two = Onnx::new(4).dense("output", &[0.1; 8], &[0.0; 2]);
    says(
        |p| p.write("model.onnx", two.finish(&[2])),
        &["one output per row", "not 2"],
    );
}

#[test]
fn a_model_that_is_not_as_wide_as_the_features_is_refused() {
    let narrow = Onnx::new(3)
        .dense("hidden", &[0.1; 12], &[0.0; 4])
        .node("relu", "Relu", &[])
        .dense("output", &[0.1; 4], &[0.0]);
    says(
        |p| p.write("model.onnx", narrow.finish(&[1])),
        &["model", "3", "4"],
    );
}

#[test]
fn a_sigmoid_under_the_name_of_a_logit_is_refused() {
    let ends = model().node("squash", "Sigmoid", &[]);
    says(
        |p| p.write("model.onnx", ends.finish(&[1])),
        &["model.output", "probability"],
    );
}

#[test]
fn a_final_sigmoid_is_taken_off_and_changes_no_decision() {
    let (_folder, project) = project();
    let logit = project.build().unwrap();
    project.write(
        "model.onnx",
        model().node("squash", "Sigmoid", &[]).finish(&[1]),
    );
    project.change("output = \"logit\"", "output = \"probability\"");
    let sigmoid = project.build().unwrap();
    assert_eq!(
        sigmoid.test.scored.bundle.score,
        logit.test.scored.bundle.score
    );
}

#[test]
fn a_reference_applicant_who_is_not_approved_is_refused() {
    let (_folder, project) = project();
    project.change(
        "[features.a]",
        "[reference]\nvalues = { a = 0, b = 0, home = \"rent\" }\n\n[features.a]",
    );
    let error = project.error();
    assert_eq!(error.fault(), Fault::Check, "{error}");
    let text = error.to_string();
    assert!(
        text.contains("reference") && text.contains("approved"),
        "{text}"
    );
}

#[test]
fn a_given_reference_applicant_is_the_bundles() {
    let (_folder, project) = project();
    project.change(
        "[features.a]",
        "[reference]\nvalues = { a = 99, b = 0.75, home = \"own\" }\n\n[features.a]",
    );
    let bundle = project.build().unwrap().bundle.unwrap();
    let scorer = Scorer::open(bundle, &[Signing::development().public()]).unwrap();
    let record = fieldscore_runtime::Record::decode(&scorer.decide().reference).unwrap();
    assert!(record.values[0].1 == fieldscore_runtime::decide::RecordValue::Number(99));
    assert!(record.values[1].1 == fieldscore_runtime::decide::RecordValue::Number(75));
}

#[test]
fn a_reference_value_of_the_wrong_type_is_named_by_key() {
    let spoil = |p: &Project| {
        p.change(
            "[features.a]",
            "[reference]\nvalues = { a = \"many\" }\n\n[features.a]",
        );
    };
    says(spoil, &["reference.values.a"]);
}

#[test]
fn a_budget_too_small_for_the_groups_is_refused_with_a_proposal() {
    let spoil = |p: &Project| p.change("calibration_rows = 200", "contribution_budget = 5");
    says(
        spoil,
        &[
            "compile.contribution_budget",
            "at least",
            "leave fields out",
        ],
    );
}

#[test]
fn a_failed_gate_gives_figures_and_no_bundle() {
    let (_folder, project) = project();
    project.change(
        "[score]",
        "[gates]\nint8 = { auc = 0.0, ks = 0.0, flips = 0.0 }\npruned = { auc = 0.0, ks = 0.0, flips = 0.0 }\n\n[score]",
    );
    project.change(
        "calibration_rows = 200",
        "calibration_rows = 200\nprune = 0.9",
    );
    let built = project.build().unwrap();
    assert!(built.bundle.is_none());
    assert!(built.summary.gates.iter().any(|gate| !gate.passed));
    assert_eq!(built.summary.layers.len(), 2, "the cost of each layer");
}

#[test]
fn a_layer_that_the_model_does_not_have_is_named() {
    let spoil = |p: &Project| p.change("calibration_rows = 200", "layers = { none = \"f16\" }");
    says(spoil, &["compile.layers.none", "hidden"]);
}

#[test]
fn f16_and_f32_layers_are_lowered_as_asked() {
    for precision in ["f16", "f32"] {
        let (_folder, project) = project();
        project.change(
            "calibration_rows = 200",
            &format!("precision = \"{precision}\""),
        );
        let built = project.build().unwrap();
        assert!(built.bundle.is_some(), "{precision}");
        assert!(
            built
                .summary
                .layers
                .iter()
                .all(|layer| layer.precision == precision)
        );
    }
}

#[test]
fn auto_precision_keeps_a_layer_in_floats_where_int8_breaks_the_gate() {
    let (_folder, project) = project();
    let limits = "[gates]\nint8 = { auc = 0.002, ks = 0.01, flips = 0.0 }\n\n[score]";
    project.change("[score]", limits);
    project.change("calibration_rows = 200", "precision = \"auto\"");
    let built = project.build().unwrap();
    assert!(
        built
            .summary
            .layers
            .iter()
            .any(|layer| layer.precision != "int8")
    );
}

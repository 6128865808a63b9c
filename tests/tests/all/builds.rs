//! Building: what is wrong with a recipe, its data or its model is named with its place.

use fieldscore_models::keys::Signing;
use fieldscore_models::{Fault, recipe};
use fieldscore_runtime::decide::Test;
use fieldscore_runtime::schema::{Direction, Leeway};
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
fn how_far_a_field_changes_is_in_the_bundle() {
    let (_folder, project) = project();
    project.change(
        "range = [0, 100]\n",
        "range = [0, 100]\nchange = { direction = \"up\", step = 5, most = 50 }\n",
    );
    project.change(
        "range = [0, 1]\n",
        "range = [0, 1]\nchange = { step = 0.1 }\n",
    );
    project.change(
        "changeable = false\nlabel = { en = \"Home\" }",
        "changeable = true\nchange = { to = [\"rent\"] }\nlabel = { en = \"Home\" }",
    );
    let bundle = project.build().unwrap().bundle.expect("gates hold");
    let scorer = Scorer::open(bundle, &[Signing::development().public()]).unwrap();
    let change = |name: &str| {
        let at = scorer.schema().index_of(name).unwrap();
        scorer.schema().fields()[at].change.clone().unwrap()
    };
    let any = Leeway {
        direction: Direction::Any,
        step: 1,
        range: None,
        codes: None,
    };
    let up = Leeway {
        direction: Direction::Up,
        step: 5,
        range: Some((0, 50)),
        ..any.clone()
    };
    assert_eq!(change("a"), up);
    assert_eq!(
        change("b"),
        Leeway {
            step: 10,
            ..any.clone()
        }
    );
    let codes = Some(vec![1]);
    assert_eq!(change("home"), Leeway { codes, ..any });
    let wrong = |range: &'static str, change: &'static str, key: &str| {
        let change = format!("{range}\nchange = {{ {change} }}\n");
        says(|p| p.change(&format!("{range}\n"), &change), &[key]);
    };
    for (change, key) in [
        ("step = 0", "fields.a.change.step"),
        ("step = -2", "fields.a.change.step"),
        ("least = -1", "fields.a.change"),
        ("most = 101", "fields.a.change"),
        ("least = 9, most = 8", "fields.a.change"),
        ("to = [\"own\"]", "fields.a.change.to"),
        ("direction = \"left\"", "fields.a.change.direction"),
        ("steps = 2", "fields.a.change"),
    ] {
        wrong("range = [0, 100]", change, key);
    }
    let home = |change: &'static str, key: &str| {
        let text =
            format!("changeable = true\nchange = {{ {change} }}\nlabel = {{ en = \"Home\" }}");
        says(
            |p| p.change("changeable = false\nlabel = { en = \"Home\" }", &text),
            &[key],
        );
    };
    for (change, key) in [
        ("to = []", "fields.home.change.to"),
        ("to = [\"boat\"]", "fields.home.change.to"),
        ("direction = \"up\"", "fields.home.change.direction"),
        ("step = 1", "fields.home.change"),
    ] {
        home(change, key);
    }
    says(
        |p| {
            p.change(
                "changeable = true\nlabel = { en = \"A\" }",
                "changeable = false\nchange = { step = 2 }\nlabel = { en = \"A\" }",
            )
        },
        &["fields.a.change", "changeable = true"],
    );
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
fn reasons_that_say_nothing_are_refused() {
    for (text, expected) in [
        ("b.", "more than the field's label"),
        ("Score too low!", "more than that the score is low"),
        (
            "A COUNTS",
            "a reason of its own, not that of fields.a.reason.text",
        ),
    ] {
        let spoil = |p: &Project| p.change("\"B counts\"", &format!("{text:?}"));
        says(
            spoil,
            &["fields.b.reason.text.en", expected, "hint: a reason tells"],
        );
    }
    let spoil = |p: &Project| p.change("\"B counts\"", "\"\"");
    says(
        spoil,
        &["fields.b.reason.text.en", "a text in every language"],
    );
    let rule = |code: &str, text: &str| {
        format!(
            "[[policy.knock_out]]\ncode = \"{code}\"\nwhen = [{{ field = \"a\", above = 90 }}]\n\
             outcome = \"refer\"\ntext = {{ en = \"{text}\" }}\n\n"
        )
    };
    let two = rule("K1", "A is large") + &rule("K2", "a is large.") + "[features.a]";
    let spoil = |p: &Project| p.change("[features.a]", &two);
    says(
        spoil,
        &[
            "policy.knock_out K2, text.en",
            "not that of policy.knock_out K1",
        ],
    );
}

#[test]
fn words_for_notices_are_checked() {
    let add =
        |text: &'static str| move |p: &Project| p.change("[split]", &format!("{text}\n[split]"));
    says(
        add("[notice]\nreview = { zh = \"x\" }"),
        &["notice.review.zh", "a language of texts.languages"],
    );
    says(
        add("[notice.words]\nheading = { en = \"x\" }"),
        &["notice.words.heading", "one of application, basis, date"],
    );
    says(add("[notice]\nlender = \"x\""), &["notice.lender"]);
    let version = |p: &Project| {
        p.change(
            "languages = [\"en\"]",
            "languages = [\"en\"]\nversion = \"\"",
        )
    };
    says(version, &["texts.version", "1 to 64 bytes"]);
    let one = "[[policy.override_reason]]\ncode = \"O1\"\ntext = { en = \"x\" }\n";
    let twice = |p: &Project| p.change("[features.a]", &format!("{one}{one}\n[features.a]"));
    says(
        twice,
        &["policy.override_reason O1, code", "each code once"],
    );
}

#[test]
fn words_for_notices_reach_the_bundle() {
    let (_folder, project) = project();
    project.change(
        "languages = [\"en\"]",
        "languages = [\"en\", \"sw\"]\nversion = \"7\"",
    );
    let recipe = std::fs::read_to_string(project.folder().join("recipe.toml")).unwrap();
    // Every text in both languages.
    let text = recipe
        .lines()
        .map(|line| match line.split_once("{ en = \"") {
            Some((head, tail)) => {
                let (words, rest) = tail.split_once('"').unwrap();
                format!("{head}{{ en = \"{words}\", sw = \"{words}\"{rest}\n")
            }
            None => format!("{line}\n"),
        })
        .collect::<String>();
    project.write("recipe.toml", text);
    project.change(
        "[split]",
        "[notice]\nscore = true\nlender = { en = \"Bank\", sw = \"Benki\" }\n\
         words = { date = { en = \"Day\", sw = \"Siku\" } }\n\n[split]",
    );
    project.change(
        "[features.a]",
        "[[policy.override_reason]]\ncode = \"O1\"\ntext = { en = \"Seen\", sw = \"Imeonekana\" }\n\n[features.a]",
    );
    let bundle = project.build().unwrap().bundle.expect("gates hold");
    let scorer = Scorer::open(bundle, &[Signing::development().public()]).unwrap();
    assert_eq!(scorer.override_reasons().collect::<Vec<_>>(), ["O1"]);
    let text = |key: &str| scorer.texts().text(key, "sw").map(str::to_owned);
    for (key, expected) in [
        ("notice.lender", "Benki"),
        ("notice.word.date", "Siku"),
        ("notice.score", "Score"),
        ("texts.version", "7"),
        ("override.O1", "Imeonekana"),
    ] {
        assert_eq!(text(key).as_deref(), Some(expected), "{key}");
    }
    assert_eq!(text("notice.review"), None);
}

#[test]
fn protected_fields_are_no_features_without_a_justification() {
    let protect = |p: &Project| p.change("[fields.b]", "[fields.b]\nprotected = true");
    says(
        protect,
        &[
            "fields.b.protected",
            "but feature b reads it",
            "justification = { en =",
        ],
    );
    // Through a column, and by a rule.
    let through = |p: &Project| {
        p.change(
            "[features.b]\nfrom = \"b\"",
            "[columns.both]\nsum = [\"a\", \"b\"]\n[features.b]\nfrom = \"both\"",
        );
        p.change("[fields.a]", "[fields.a]\nprotected = true");
        p.change(
            "[features.a]",
            "[[policy.knock_out]]\ncode = \"K1\"\nwhen = [{ field = \"a\", above = 90 }]\n\
             outcome = \"refer\"\ntext = { en = \"A is large\" }\n\n[features.a]",
        );
    };
    says(
        through,
        &[
            "fields.a.protected",
            "but features a, b read and rule K1 tests it",
        ],
    );
    let todo = |p: &Project| {
        let words = "[fields.b]\nprotected = true\njustification = { en = \"TODO why\" }";
        p.change("[fields.b]", words);
    };
    says(todo, &["fields.b.protected"]);
    let stray = |p: &Project| {
        p.change(
            "[fields.b]",
            "[fields.b]\njustification = { en = \"Because\" }",
        );
    };
    says(
        stray,
        &["fields.b.justification", "protected = true beside it"],
    );
}

#[test]
fn justifications_reach_the_card() {
    let (_folder, project) = project();
    let words =
        "[fields.b]\nprotected = true\njustification = { en = \"The law of 1999 asks for it\" }";
    project.change("[fields.b]", words);
    let built = project.build().unwrap();
    assert!(built.summary.protection_unstated.is_empty());
    let bundle = built.bundle.expect("gates hold");
    let scorer = Scorer::open(bundle, &[Signing::development().public()]).unwrap();
    let card = scorer.section(fieldscore_runtime::bundle::container::SectionKind::CARD);
    let card: serde_json::Value = serde_json::from_slice(card.unwrap()).unwrap();
    let expected = serde_json::json!([{
        "field": "b", "features": ["b"], "rules": [],
        "justification": { "en": "The law of 1999 asks for it" },
    }]);
    assert_eq!(card["protected"], expected);
}

#[test]
fn a_protected_field_that_nothing_reads_needs_no_justification() {
    let (_folder, project) = project();
    project.change(
        "fields = [\"home\"]",
        "fields = [\"home\", \"sex\", \"age\"]",
    );
    let field = |name: &str, code: &str, protected: &str| {
        format!(
            "[fields.{name}]\ntype = \"category\"\nsensitivity = \"special\"\n{protected}changeable = false\n\
             label = {{ en = \"{name}\" }}\nreason = {{ code = \"{code}\", text = {{ en = \"not used, {name}\" }} }}\n\
             [fields.{name}.categories]\nx = {{ en = \"x\" }}\n\n"
        )
    };
    let fields =
        field("sex", "R8", "protected = true\n") + &field("age", "R9", "") + "[fields.home]";
    project.change("[fields.home]", &fields);
    let data = data(600);
    let lines = data.lines().enumerate();
    let lines =
        lines.map(|(at, line)| format!("{line},{}\n", if at == 0 { "sex,age" } else { "x,x" }));
    project.write("data.csv", lines.collect::<String>());
    let built = project.build().unwrap();
    assert_eq!(built.summary.protected[0].field, "sex");
    assert_eq!(built.summary.protection_unstated, ["age"]);
    assert!(built.bundle.is_some());
}

#[test]
fn a_label_or_group_as_a_field_is_refused() {
    let field = |name: &str| {
        RECIPE.replace(
            "fields = [\"a\", \"b\"]",
            &format!("fields = [\"a\", \"b\", \"{name}\"]"),
        ) + &format!(
            "\n[fields.{name}]\ntype = \"text\"\nbuckets = 4\nsensitivity = \"special\"\nchangeable = false\nlabel = {{ en = \"x\" }}\nreason = {{ code = \"R9\", text = {{ en = \"x counts\" }} }}\n"
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

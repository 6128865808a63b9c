//! What a recipe must say beyond the form of its keys.

use fieldscore_runtime::schema::{MAX_GROUP_FIELDS, MAX_GROUPS};

use crate::error::{Error, Result};
use crate::evaluate::fairness::Limits;
use crate::recipe::{
    Blend, BlendKind, CalibrationMethod, Encode, Engine, FieldType, Output, Recipe, Text,
};

/// Every text of a recipe with its key, in order.
fn texts(recipe: &Recipe) -> Vec<(String, &Text)> {
    let mut all = vec![
        ("product.name".to_owned(), &recipe.product.name),
        ("product.purpose".to_owned(), &recipe.product.purpose),
    ];
    for (name, text) in recipe.card.texts() {
        all.push((format!("card.{name}"), text));
    }
    for rule in &recipe.policy.knock_out {
        all.push((format!("policy.knock_out {}, text", rule.code), &rule.text));
    }
    for (name, table) in &recipe.policy.tables {
        for rule in table.rules.iter().filter(|rule| rule.code.is_some()) {
            let code = rule.code.as_deref().unwrap_or_default();
            all.push((
                format!("policy.tables.{name}, rule {code}, text"),
                &rule.text,
            ));
        }
    }
    for (name, group) in &recipe.groups {
        all.push((format!("groups.{name}.label"), &group.label));
    }
    for (name, field) in &recipe.fields {
        all.push((format!("fields.{name}.label"), &field.label));
        all.push((format!("fields.{name}.help"), &field.help));
        all.push((format!("fields.{name}.reason.text"), &field.reason.text));
        for (code, text) in field.categories.iter().flatten() {
            all.push((format!("fields.{name}.categories.{code}"), text));
        }
    }
    for (code, text) in &recipe.texts.system {
        all.push((format!("texts.system.{code}"), text));
    }
    all.extend(super::notice::given(recipe));
    all.extend(super::protected::justifications(recipe));
    all
}

/// Texts that still begin with TODO, as `init` drafts them, with key and language.
pub fn open_texts(recipe: &Recipe) -> Vec<String> {
    let open = |text: &Text| -> Vec<String> {
        let todo = text
            .iter()
            .filter(|(_, text)| text.trim_start().starts_with("TODO"));
        todo.map(|(language, _)| language.clone()).collect()
    };
    let all = texts(recipe).into_iter();
    all.flat_map(|(key, text)| {
        open(text)
            .into_iter()
            .map(move |language| format!("{key}.{language}"))
    })
    .collect()
}

pub(super) fn check(recipe: &Recipe) -> Result<()> {
    let Some(default) = recipe.texts.languages.first() else {
        return Err(Error::input(
            "texts.languages",
            "at least one BCP-47 language",
        ));
    };
    for (key, text) in texts(recipe) {
        for language in text.keys() {
            if !recipe.texts.languages.contains(language) {
                return Err(Error::input(
                    format!("{key}.{language}"),
                    format!(
                        "a language of texts.languages ({})",
                        recipe.texts.languages.join(", ")
                    ),
                ));
            }
        }
        let needed = !key.ends_with(".help") && !key.starts_with("card.");
        let missing = recipe.texts.languages.iter().find(|language| {
            needed
                && text
                    .get(*language)
                    .is_none_or(|text| text.trim().is_empty())
        });
        if let Some(language) = missing {
            return Err(Error::input(
                format!("{key}.{language}"),
                format!("a text in every language ({default} is the default)"),
            ));
        }
    }
    super::notice::check(recipe)?;
    super::protected::check_justifications(recipe)?;
    check_models(recipe)?;
    check_features(recipe)?;
    check_groups(recipe)?;
    check_numbers(recipe)
}

/// That there is one model, or a blend of several, and that outputs are named soundly.
fn check_models(recipe: &Recipe) -> Result<()> {
    let fault = |place: &str, what: &str| Err(Error::input(place, what));
    let one = !recipe.model.file.as_os_str().is_empty();
    match (one, recipe.models.len(), &recipe.blend) {
        (true, 0, None) => {}
        (false, 2.., Some(blend)) => check_blend(recipe, blend)?,
        (true, 1.., _) => return fault("models", "either [model] or [[models]]"),
        (_, _, Some(_)) => return fault("models", "two models or more for [blend]"),
        (false, 0, None) => return fault("model", "[model], or [[models]] and [blend]"),
        (_, _, None) => return fault("blend", "[blend], because there are [[models]]"),
    }
    let mut scores = 0;
    for (name, output) in &recipe.outputs {
        let key = |what: &str| format!("outputs.{name}.{what}");
        scores += usize::from(output.score);
        if output.score && (output.label.is_some() || output.calibration != CalibrationMethod::None)
        {
            return fault(
                &key("score"),
                "no label and no calibration of its own: the score's are data.label and [probability]",
            );
        }
        if output.kind == Some(Output::Points) {
            return fault(&key("kind"), "\"logit\" or \"probability\"");
        }
        if output.calibration != CalibrationMethod::None && output.label.is_none() {
            return fault(&key("label"), "a label to calibrate on");
        }
        if let Some(label) = output.label.as_ref()
            && recipe.fields.contains_key(&label.column)
        {
            return fault(
                &key("label"),
                "a column that is no field: a model must not read what it predicts",
            );
        }
        let member = output.model.as_ref();
        let known = member.is_none_or(|name| recipe.models.iter().any(|m| m.name == *name));
        if !known || (member.is_none() != recipe.models.is_empty()) {
            return fault(&key("model"), "the name of one of [[models]], of a blend");
        }
    }
    let needed = usize::from(one && !recipe.outputs.is_empty());
    if scores != needed {
        return fault(
            "outputs",
            match one {
                true => "exactly one with score = true, which the score is made of",
                false => "none with score = true, because the score is made of the blend",
            },
        );
    }
    Ok(())
}

fn check_blend(recipe: &Recipe, blend: &Blend) -> Result<()> {
    if recipe.compile.engine != Engine::Plan {
        return Err(Error::input("compile.engine", "plan, for a blend"));
    }
    for (at, member) in recipe.models.iter().enumerate() {
        let key = |what: &str| format!("models {}, {what}", member.name);
        if recipe.models[..at].iter().any(|m| m.name == member.name) {
            return Err(Error::input(key("name"), "a name that no other model has"));
        }
        let weighted = blend.kind == BlendKind::Weighted;
        let sound = member.weight.is_some_and(|w| w.is_finite() && w > 0.0);
        if (weighted && !sound) || (!weighted && member.weight.is_some()) {
            return Err(Error::input(
                key("weight"),
                "a number above 0 with blend.kind \"weighted\", and else none",
            ));
        }
    }
    let stacking = blend.kind == BlendKind::Stacking;
    if (blend.file.is_some() && !stacking) || (blend.output.is_some() && blend.file.is_none()) {
        return Err(Error::input(
            "blend",
            "file with kind \"stacking\" alone, and output with file",
        ));
    }
    if blend.output == Some(Output::Points) {
        return Err(Error::input("blend.output", "\"logit\" or \"probability\""));
    }
    Ok(())
}

fn check_features(recipe: &Recipe) -> Result<()> {
    let named = recipe.model.features.iter();
    // Without any block of features, these may be the inputs of a model that has its own.
    for name in named.filter(|_| !recipe.features.is_empty()) {
        let key = format!("features.{name}");
        let Some(feature) = recipe.features.get(name) else {
            if !recipe.models.is_empty() {
                // It may be the input of one that has its own.
                continue;
            }
            return Err(Error::input(
                "model.features",
                format!("names of [features.*]; there is no {key}"),
            ));
        };
        let needs = |given: bool, what: &str| {
            if given {
                Ok(())
            } else {
                Err(Error::input(
                    format!("{key}.{what}"),
                    format!("{what} for this encoding"),
                ))
            }
        };
        if feature.impute.is_some_and(f64::is_infinite) {
            return Err(Error::input(format!("{key}.impute"), "a number, or nan"));
        }
        match feature.encode {
            Encode::Standardise => {
                needs(feature.mean.is_some(), "mean")?;
                needs(feature.std.is_some_and(|std| std > 0.0), "std")?;
            }
            Encode::Piecewise => {
                let rising =
                    |edges: &Vec<f64>| edges.len() >= 2 && edges.windows(2).all(|e| e[0] < e[1]);
                if !feature.edges.as_ref().is_some_and(rising) {
                    return Err(Error::input(
                        format!("{key}.edges"),
                        "two or more strictly rising numbers",
                    ));
                }
            }
            Encode::Ordinal => needs(feature.values.is_some(), "values")?,
            Encode::None | Encode::OneHot | Encode::Rows | Encode::Elements | Encode::Ids => {}
        }
    }
    if let Some(name) = recipe
        .features
        .keys()
        .find(|name| !recipe.model.features.contains(name))
    {
        return Err(Error::input(
            format!("features.{name}"),
            "a name that model.features lists, or none",
        ));
    }
    for (name, column) in &recipe.columns {
        let given = [
            column.ratio.is_some(),
            column.difference.is_some(),
            column.sum.is_some(),
            column.months_since.is_some(),
        ];
        if given.iter().filter(|&&given| given).count() != 1 {
            return Err(Error::input(
                format!("columns.{name}"),
                "exactly one of ratio, difference, sum, months_since",
            ));
        }
        if recipe.fields.contains_key(name) {
            return Err(Error::input(
                format!("columns.{name}"),
                "a name that no field has",
            ));
        }
    }
    Ok(())
}

fn check_groups(recipe: &Recipe) -> Result<()> {
    if recipe.groups.len() > MAX_GROUPS {
        return Err(Error::input(
            "groups",
            format!("at most {MAX_GROUPS} groups, not {}", recipe.groups.len()),
        )
        .hint("an explanation evaluates every set of groups: join what belongs together"));
    }
    for name in recipe.fields.keys() {
        let holders = recipe
            .groups
            .values()
            .filter(|group| group.fields.contains(name))
            .count();
        if holders != 1 {
            return Err(Error::input(
                format!("fields.{name}"),
                "exactly one of [groups.*] that lists it",
            ));
        }
    }
    for (group, fields) in recipe
        .groups
        .iter()
        .map(|(name, group)| (name, &group.fields))
    {
        if let Some(field) = fields
            .iter()
            .find(|field| !recipe.fields.contains_key(*field))
        {
            return Err(Error::input(
                format!("groups.{group}.fields"),
                format!("fields of the recipe; {field} is none"),
            ));
        }
        if !(1..=MAX_GROUP_FIELDS).contains(&fields.len()) {
            return Err(Error::input(
                format!("groups.{group}.fields"),
                format!("1 to {MAX_GROUP_FIELDS} fields, not {}", fields.len()),
            )
            .hint("fields of one group share its points exactly, which doubles in cost with each: divide it"));
        }
    }
    for name in recipe.data.groups.keys().chain([&recipe.data.label.column]) {
        if recipe.fields.contains_key(name) {
            return Err(Error::input(
                format!("fields.{name}"),
                "no field of this name: [data] has it as label or group, which a model must not read",
            ));
        }
    }
    Ok(())
}

fn check_numbers(recipe: &Recipe) -> Result<()> {
    let compile = &recipe.compile;
    if !(0.0..1.0).contains(&compile.prune) {
        return Err(Error::input("compile.prune", "a share from 0 to below 1"));
    }
    if compile.calibration_rows < 16 {
        return Err(Error::input("compile.calibration_rows", "at least 16"));
    }
    for (name, column) in &recipe.data.groups {
        check_bands(&column.bands, &format!("data.groups.{name}.bands"))?;
    }
    check_fairness(recipe.gates.fairness, "gates.fairness")?;
    let limits = recipe.gates.calibration;
    if !(limits.chance > 0.0 && limits.chance <= 1.0 && limits.int8 >= 0.0) {
        return Err(Error::input(
            "gates.calibration",
            "chance above 0 and at most 1, int8 not below 0",
        ));
    }
    let profit = recipe.evaluate.profit;
    if profit.is_some_and(|profit| !(profit.good.is_finite() && profit.bad.is_finite())) {
        return Err(Error::input("evaluate.profit", "numbers for good and bad"));
    }
    let mut fields = recipe.fields.iter();
    if let Some((name, _)) = fields.find(|(_, field)| {
        let number = matches!(
            field.kind,
            FieldType::Integer | FieldType::Decimal | FieldType::Money
        );
        field.monotone.is_some() && !(number && field.range.is_some())
    }) {
        return Err(Error::input(
            format!("fields.{name}.monotone"),
            "a field of type integer, decimal or money, with a range",
        ));
    }
    let score = &recipe.score;
    let odds = score.base_odds > 0.0;
    if !odds || score.points_to_double_odds == 0.0 || score.floor >= score.ceiling {
        return Err(Error::input(
            "score",
            "base_odds above 0, points_to_double_odds other than 0, floor below ceiling",
        ));
    }
    let policy = &recipe.policy;
    let bands = policy.refer_from.zip(policy.approve_from);
    if bands.is_some() && score.points_to_double_odds < 0.0 {
        return Err(Error::input(
            "policy.approve_from",
            "a table over the score: where a higher score means more risk, no score is approved from",
        )
        .hint("[policy.tables.NAME] with inputs = [\"score\"] and a column of outcomes"));
    }
    if bands.is_some_and(|(refer, approve)| refer > approve) {
        return Err(Error::input(
            "policy.refer_from",
            "a cut-off that is not above policy.approve_from",
        ));
    }
    Ok(())
}

/// That the edges of bands rise; `place` is what an error calls them.
///
/// # Errors
/// Where they do not, or one is no finite number.
pub fn check_bands(edges: &[f64], place: &str) -> Result<()> {
    let sound =
        edges.iter().all(|edge| edge.is_finite()) && edges.windows(2).all(|pair| pair[0] < pair[1]);
    if sound {
        Ok(())
    } else {
        Err(Error::input(place, "numbers, each above the one before"))
    }
}

/// That limits on fairness are shares; `place` is what an error calls them.
///
/// # Errors
/// Where they are not.
pub fn check_fairness(limits: Limits, place: &str) -> Result<()> {
    let share = |limit: f64| (0.0..=1.0).contains(&limit);
    if share(limits.ratio) && limits.change.is_none_or(share) {
        Ok(())
    } else {
        Err(Error::input(place, "ratio and change from 0 to 1"))
    }
}

//! LightGBM's JSON, as `dump_model` gives it (`Tree::NodeToJSON` in src/io/tree.cpp).

use serde_json::Value;

use super::lightgbm::{Facts, linear};
use super::{Forest, Missing, Node, Test, Tree, json};
use crate::error::{Error, Result};

/// Reads the dump.
pub(super) fn parse(dump: &Value, place: &str) -> Result<Forest> {
    let names = json::list(dump, "feature_names", place)?;
    let names: Vec<String> = names
        .iter()
        .map(|name| name.as_str().unwrap_or_default().to_owned())
        .collect();
    // Numbers have a least and a greatest value, categories a list.
    let coded = |name: &String| {
        let info = dump.get("feature_infos").and_then(|infos| infos.get(name));
        let values = info.and_then(|info| info.get("values"));
        values
            .and_then(Value::as_array)
            .is_some_and(|values| !values.is_empty())
    };
    let whole = |key: &str| {
        let found = json::field(dump, key, place)?.as_u64();
        let found = found.and_then(|number| usize::try_from(number).ok());
        found.ok_or_else(|| Error::input(place, format!("a whole number under {key}")))
    };
    let average = dump.get("average_output").and_then(Value::as_bool);
    let facts = Facts {
        classes: whole("num_class")?,
        trees_a_round: whole("num_tree_per_iteration")?,
        objective: dump.get("objective").and_then(Value::as_str),
        average: average.unwrap_or(false),
        last_feature: whole("max_feature_idx")?,
        coded: names.iter().map(coded).collect(),
        listed: None,
        names,
        pandas: dump
            .get("pandas_categorical")
            .and_then(|lists| serde_json::from_value(lists.clone()).ok()),
    };
    let mut trees = Vec::new();
    for (number, info) in json::list(dump, "tree_info", place)?.iter().enumerate() {
        let place = format!("{place}, tree {number}");
        trees.push(tree(json::field(info, "tree_structure", &place)?, &place)?);
    }
    facts.forest(trees, place)
}

fn tree(root: &Value, place: &str) -> Result<Tree> {
    let mut nodes = Vec::new();
    // What is still to be written, and where its number belongs: a parent, and whether left.
    let mut open = vec![(root, None)];
    while let Some((value, parent)) = open.pop() {
        let at = nodes.len();
        if let Some((parent, is_left)) = parent
            && let Some(Node::Split { left, right, .. }) = nodes.get_mut::<usize>(parent)
        {
            *(if is_left { left } else { right }) = at as u32;
        }
        if value.get("leaf_value").is_some() {
            nodes.push(leaf(value, place)?);
        } else {
            nodes.push(split(value, place)?);
            open.push((json::field(value, "right_child", place)?, Some((at, false))));
            open.push((json::field(value, "left_child", place)?, Some((at, true))));
        }
    }
    Ok(Tree { nodes })
}

fn leaf(value: &Value, place: &str) -> Result<Node> {
    if value.get("leaf_const").is_some() {
        return Err(linear(place));
    }
    let number = value.get("leaf_value").and_then(Value::as_f64);
    Ok(Node::Leaf {
        value: number.ok_or_else(|| Error::input(place, "a number under leaf_value"))?,
        // A tree of one leaf has no number.
        index: value
            .get("leaf_index")
            .and_then(Value::as_u64)
            .map_or(0, |index| index as u32),
    })
}

fn split(value: &Value, place: &str) -> Result<Node> {
    let feature = json::field(value, "split_feature", place)?.as_u64();
    let feature = feature.and_then(|at| u32::try_from(at).ok());
    let feature = feature.ok_or_else(|| Error::input(place, "a number under split_feature"))?;
    let threshold = json::field(value, "threshold", place)?;
    let default_left = value.get("default_left").and_then(Value::as_bool);
    let default_left = default_left.unwrap_or(false);
    let (test, missing) = match json::text(value, "decision_type", place)? {
        "==" => (Test::Code(codes(threshold, place)?), Missing::Right),
        "<=" => {
            let threshold = threshold.as_f64();
            let threshold =
                threshold.ok_or_else(|| Error::input(place, "a number under threshold"))?;
            let missing = match json::text(value, "missing_type", place)? {
                "None" => Missing::AsZero,
                "Zero" if default_left => Missing::LeftWithZero,
                "Zero" => Missing::RightWithZero,
                "NaN" => Missing::side(default_left),
                _ => return Err(Error::input(place, "None, Zero or NaN under missing_type")),
            };
            (Test::AtMost(threshold), missing)
        }
        _ => return Err(Error::input(place, "<= or == under decision_type")),
    };
    Ok(Node::Split {
        feature,
        test,
        missing,
        left: 0,
        right: 0,
    })
}

/// `1||4||7`, or one number.
fn codes(threshold: &Value, place: &str) -> Result<Vec<u32>> {
    let text = threshold
        .as_str()
        .map_or_else(|| threshold.to_string(), str::to_owned);
    let codes: Option<Vec<u32>> = text.split("||").map(|code| code.parse().ok()).collect();
    let mut codes = codes.ok_or_else(|| Error::input(place, "categories as 1||4||7"))?;
    codes.sort_unstable();
    codes.dedup();
    Ok(codes)
}

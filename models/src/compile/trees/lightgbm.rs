//! LightGBM's model file, as `save_model` writes it (src/boosting/gbdt_model_text.cpp and
//! src/io/tree.cpp of LightGBM, versions v3 and v4 of the text).

use std::collections::BTreeMap;

use super::{Described, Forest, Initial, Library, Link, Missing, Node, Number, Test, Tree};
use crate::error::{Error, Result};

/// Reads the text.
pub(super) fn parse(text: &str, place: &str) -> Result<Forest> {
    let mut header = Block::default();
    let mut trees: Vec<Block<'_>> = Vec::new();
    let mut pandas = None;
    let mut listed = None;
    let mut in_trees = true;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if let Some(list) = line.strip_prefix("pandas_categorical:") {
            pandas = serde_json::from_str(list).ok();
        }
        if let Some(list) = line.strip_prefix("[categorical_feature: ") {
            listed = indices(list);
        }
        if line == "end of trees" {
            in_trees = false;
        }
        if !in_trees || line.is_empty() {
            continue;
        }
        if line.starts_with("Tree=") {
            trees.push(Block {
                line: number + 1,
                ..Block::default()
            });
            continue;
        }
        let block = trees.last_mut().unwrap_or(&mut header);
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        block.values.insert(key, value);
    }
    if in_trees {
        return Err(Error::input(
            place,
            "a whole LightGBM model: the line \"end of trees\" is missing",
        ));
    }
    let facts = Facts {
        classes: header.number("num_class", place)?,
        trees_a_round: header.number("num_tree_per_iteration", place)?,
        objective: header.values.get("objective").copied(),
        average: header.values.contains_key("average_output"),
        last_feature: header.number("max_feature_idx", place)?,
        names: header
            .values
            .get("feature_names")
            .map(|names| names.split(' ').map(str::to_owned).collect())
            .unwrap_or_default(),
        coded: header
            .values
            .get("feature_infos")
            .map(|infos| infos.split(' ').map(is_coded).collect())
            .unwrap_or_default(),
        listed,
        pandas,
    };
    let trees = trees
        .iter()
        .map(|block| block.tree(&format!("{place}, line {}", block.line)))
        .collect::<Result<_>>()?;
    facts.forest(trees, place)
}

/// Whether `feature_infos` describes categories: `-1:0:7`, where numbers have `[0:7]`.
fn is_coded(info: &str) -> bool {
    info.contains(':') && !info.starts_with('[')
}

/// The features that training was told are categories: `1,2,4]`.
fn indices(list: &str) -> Option<Vec<usize>> {
    let list = list.strip_suffix(']')?.split(',');
    list.map(|at| at.parse().ok()).collect()
}

/// What stands before the trees, in text and dump alike.
pub(super) struct Facts<'t> {
    pub classes: usize,
    pub trees_a_round: usize,
    pub objective: Option<&'t str>,
    pub average: bool,
    pub last_feature: usize,
    pub names: Vec<String>,
    /// Of each feature whether its description has categories; that of a constant one says nothing.
    pub coded: Vec<bool>,
    /// The features that training was told are categories, where the file says so.
    pub listed: Option<Vec<usize>>,
    /// Of each category column of the data frame, in order, its categories.
    pub pandas: Option<Vec<Vec<serde_json::Value>>>,
}

impl Facts<'_> {
    pub fn forest(self, trees: Vec<Tree>, place: &str) -> Result<Forest> {
        if self.classes != 1 || self.trees_a_round != 1 {
            return Err(Error::input(
                format!("{place}, num_class"),
                format!("a model of one output, not of {} classes", self.classes),
            )
            .hint("train good against bad with objective=binary"));
        }
        let (link, factor) = objective(self.objective, place)?;
        let rounds = trees.len();
        let divisor = if self.average { rounds as f64 } else { 1.0 };
        Ok(Forest {
            library: Library::LightGbm,
            features: self.features(place)?,
            trees,
            initial: 0.0,
            when: Initial::First,
            number: Number::F64,
            divisor,
            factor,
            link,
        })
    }

    fn features(&self, place: &str) -> Result<Vec<Described>> {
        if self.last_feature >= super::MAX_FEATURES {
            return Err(Error::input(
                place,
                format!("at most {} features", super::MAX_FEATURES),
            ));
        }
        let is_coded = |at: usize| {
            let listed = self.listed.iter().flatten().any(|&one| one == at);
            listed || self.coded.get(at).copied().unwrap_or(false)
        };
        // Without that list a constant column's categories can't be told from the next one's.
        let count = (0..=self.last_feature).filter(|&at| is_coded(at)).count();
        let pandas = self.pandas.as_ref().filter(|lists| lists.len() == count);
        let mut pandas = pandas.into_iter().flatten();
        let mut features = Vec::new();
        for at in 0..=self.last_feature {
            let coded = is_coded(at);
            let words = if coded { pandas.next() } else { None };
            features.push(Described {
                name: self.names.get(at).cloned(),
                categories: words.map(|words| words.iter().map(word).collect()),
                coded,
            });
        }
        Ok(features)
    }
}

/// A category as the data's text has it.
fn word(value: &serde_json::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// What an objective makes of the margin: `binary sigmoid:1`, `cross_entropy`, `regression`, …
fn objective(text: Option<&str>, place: &str) -> Result<(Link, f64)> {
    let mut words = text.unwrap_or("custom").split(' ');
    let name = words.next().unwrap_or_default();
    let more: Vec<&str> = words.collect();
    let refused = |what: &str| {
        Error::input(
            format!("{place}, objective"),
            format!("binary, cross_entropy or a plain regression, not {what}"),
        )
        .hint("train good against bad with objective=binary")
    };
    match name {
        "binary" => {
            let sigmoid = more.iter().find_map(|word| word.strip_prefix("sigmoid:"));
            let sigmoid = sigmoid.map_or(Some(1.0), |value| value.parse().ok());
            sigmoid
                .map(|factor| (Link::Logistic, factor))
                .ok_or_else(|| refused("a sigmoid parameter that is no number"))
        }
        "cross_entropy" | "xentropy" => Ok((Link::Logistic, 1.0)),
        "regression" if more.contains(&"sqrt") => Err(refused("regression with reg_sqrt")),
        "regression" | "regression_l1" | "huber" | "fair" | "quantile" | "mape" | "custom" => {
            Ok((Link::Identity, 1.0))
        }
        other => Err(refused(other)),
    }
}

/// Lines `key=value`.
#[derive(Default)]
struct Block<'t> {
    line: usize,
    values: BTreeMap<&'t str, &'t str>,
}

impl Block<'_> {
    fn number(&self, key: &str, place: &str) -> Result<usize> {
        let found = self.values.get(key).and_then(|text| text.parse().ok());
        found.ok_or_else(|| Error::input(place, format!("a line {key}= with a whole number")))
    }

    fn list<T: std::str::FromStr>(&self, key: &str, count: usize, place: &str) -> Result<Vec<T>> {
        let text = self.values.get(key).copied().unwrap_or_default();
        let items: Option<Vec<T>> = text
            .split_ascii_whitespace()
            .map(|item| item.parse().ok())
            .collect();
        items
            .filter(|items| items.len() == count)
            .ok_or_else(|| Error::input(place, format!("a line {key}= with {count} numbers")))
    }

    fn tree(&self, place: &str) -> Result<Tree> {
        let leaves = self.number("num_leaves", place)?;
        if leaves == 0 || leaves > super::MAX_NODES {
            return Err(Error::input(
                place,
                format!("1 to {} leaves", super::MAX_NODES),
            ));
        }
        if self
            .values
            .get("is_linear")
            .is_some_and(|text| *text != "0")
        {
            return Err(linear(place));
        }
        let values: Vec<f64> = self.list("leaf_value", leaves, place)?;
        let splits = leaves - 1;
        let nodes = if splits == 0 {
            Vec::new()
        } else {
            self.splits(splits, place)?
        };
        let leaf = |(index, &value): (usize, &f64)| Node::Leaf {
            value,
            index: index as u32,
        };
        let leaves = values.iter().enumerate().map(leaf);
        Ok(Tree {
            nodes: nodes.into_iter().chain(leaves).collect(),
        })
    }

    fn splits(&self, count: usize, place: &str) -> Result<Vec<Node>> {
        let features: Vec<u32> = self.list("split_feature", count, place)?;
        let thresholds: Vec<f64> = self.list("threshold", count, place)?;
        let kinds: Vec<u8> = self.list("decision_type", count, place)?;
        let left: Vec<i64> = self.list("left_child", count, place)?;
        let right: Vec<i64> = self.list("right_child", count, place)?;
        let sets = self.sets(place)?;
        // Children below zero are leaves, ~child; here they stand behind the splits.
        let child = |child: i64| {
            let at = if child < 0 {
                count as i64 + !child
            } else {
                child
            };
            u32::try_from(at).unwrap_or(u32::MAX)
        };
        let mut nodes = Vec::with_capacity(count);
        for at in 0..count {
            let (test, missing) = if kinds[at] & 1 == 1 {
                let set = sets.get(thresholds[at].max(0.0) as usize);
                let set = set.ok_or_else(|| {
                    Error::input(place, format!("a set of categories for node {at}"))
                })?;
                (Test::Code(set.clone()), Missing::Right)
            } else {
                let default_left = kinds[at] & 2 != 0;
                let missing = match (kinds[at] >> 2) & 3 {
                    0 => Missing::AsZero,
                    1 if default_left => Missing::LeftWithZero,
                    1 => Missing::RightWithZero,
                    _ => Missing::side(default_left),
                };
                // Known values against gaps: every number is at most the greatest there is.
                let threshold = match thresholds[at] {
                    f64::INFINITY => f64::MAX,
                    threshold => threshold,
                };
                (Test::AtMost(threshold), missing)
            };
            nodes.push(Node::Split {
                feature: features[at],
                test,
                missing,
                left: child(left[at]),
                right: child(right[at]),
            });
        }
        Ok(nodes)
    }

    /// The sets of categories: bits of `cat_threshold`, cut at `cat_boundaries`.
    fn sets(&self, place: &str) -> Result<Vec<Vec<u32>>> {
        let count = self.number("num_cat", place)?;
        if count == 0 {
            return Ok(Vec::new());
        }
        let edges: Vec<usize> = self.list("cat_boundaries", count.saturating_add(1), place)?;
        let words: Vec<u32> =
            self.list("cat_threshold", edges.last().copied().unwrap_or(0), place)?;
        let set = |pair: &[usize]| {
            let words = words.get(pair[0]..pair[1])?;
            let bits = (0..words.len() * 32).filter(|bit| words[bit / 32] >> (bit % 32) & 1 == 1);
            Some(bits.map(|bit| bit as u32).collect())
        };
        let sets: Option<Vec<Vec<u32>>> = edges.windows(2).map(set).collect();
        sets.ok_or_else(|| Error::input(place, "rising cat_boundaries"))
    }
}

/// A tree whose leaves are lines.
pub(super) fn linear(place: &str) -> Error {
    Error::input(place, "leaves that are numbers, not linear models")
        .hint("train with linear_tree=false")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A number and three columns of categories, of which training saw one value of the first.
    fn categories(listed: Option<Vec<usize>>) -> Vec<Option<Vec<String>>> {
        let lists = serde_json::json!([["x"], ["u", "v"], ["m", 3]]);
        let facts = Facts {
            classes: 1,
            trees_a_round: 1,
            objective: Some("binary"),
            average: false,
            last_feature: 3,
            names: ["a", "c0", "c1", "c2"].map(str::to_owned).into(),
            coded: vec![false, false, true, true],
            listed,
            pandas: serde_json::from_value(lists).unwrap(),
        };
        let features = facts.features("file").unwrap();
        features.into_iter().map(|one| one.categories).collect()
    }

    #[test]
    fn categories_are_those_of_their_own_column() {
        assert_eq!(indices("1,2,3]"), Some(vec![1, 2, 3]));
        let words = |all: &[&str]| Some(all.iter().map(|&word| word.to_owned()).collect());
        let own = [None, words(&["x"]), words(&["u", "v"]), words(&["m", "3"])];
        assert_eq!(categories(Some(vec![1, 2, 3])), own);
        // Three lists for two columns: no telling whose they are.
        assert_eq!(categories(None), [None, None, None, None]);
    }
}

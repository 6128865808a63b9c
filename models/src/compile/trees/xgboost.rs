//! XGBoost's model file as JSON or UBJSON (doc/model.schema and src/tree/tree_model.cc of XGBoost
//! 1.7 to 3.2).

use serde_json::Value;

use super::{Described, Forest, Initial, Library, Link, Missing, Node, Number, Test, Tree, json};
use crate::error::{Error, Result};

/// Reads a model.
pub(super) fn parse(model: &Value, place: &str) -> Result<Forest> {
    let learner = json::field(model, "learner", place)?;
    let at = |what: &str| format!("{place}, {what}");
    let facts = json::field(learner, "learner_model_param", place)?;
    let whole = |key: &str| facts.get(key).and_then(whole);
    if whole("num_class").unwrap_or(0) > 1 || whole("num_target").unwrap_or(1) > 1 {
        return Err(
            Error::input(at("num_class"), "a model of one output, not of several")
                .hint("train good against bad with objective=binary:logistic"),
        );
    }
    let features = whole("num_feature")
        .filter(|&count| count <= super::MAX_FEATURES)
        .ok_or_else(|| Error::input(at("num_feature"), "a count of features"))?;
    let objective = json::text(json::field(learner, "objective", place)?, "name", place)?;
    let (link, logit_base) = link(objective, &at("objective"))?;
    let base = base_score(facts.get("base_score"), &at("base_score"))?;
    let booster = Booster::of(json::field(learner, "gradient_booster", place)?, place)?;
    booster.stopped(learner, place)?;
    Ok(Forest {
        library: Library::Xgboost,
        features: described(learner, booster.model, features),
        trees: booster.trees(place)?,
        // `LogisticRegression::ProbToMargin` of src/objective/regression_loss.h, in f32.
        initial: if logit_base {
            let inverse = 1.0 / base - 1.0;
            f64::from(-(libm::log(f64::from(inverse)) as f32))
        } else {
            f64::from(base)
        },
        when: Initial::First,
        number: Number::F32,
        divisor: 1.0,
        factor: 1.0,
        link,
    })
}

fn whole(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => text.parse().ok(),
        value => usize::try_from(value.as_u64()?).ok(),
    }
}

/// What an objective makes of the margin, and whether base_score is a probability.
fn link(name: &str, place: &str) -> Result<(Link, bool)> {
    match name {
        "binary:logistic" | "reg:logistic" => Ok((Link::Logistic, true)),
        // Its base_score is a margin already.
        "binary:logitraw"
        | "reg:squarederror"
        | "reg:linear"
        | "reg:squaredlogerror"
        | "reg:pseudohubererror"
        | "reg:absoluteerror"
        | "reg:quantileerror" => Ok((Link::Identity, false)),
        other => Err(Error::input(
            place,
            format!(
                "binary:logistic, binary:logitraw, reg:logistic or a plain regression, not {other}"
            ),
        )
        .hint("train good against bad with objective=binary:logistic")),
    }
}

/// `5E-1`, or since 3.1 `[5E-1]`.
fn base_score(value: Option<&Value>, place: &str) -> Result<f32> {
    let found = match value {
        Some(Value::String(text)) => {
            let text = text.trim_start_matches('[').trim_end_matches(']');
            text.parse().ok()
        }
        Some(value) => value.as_f64().map(|x| x as f32),
        None => None,
    };
    found.ok_or_else(|| Error::input(place, "one number"))
}

fn described(learner: &Value, model: &Value, count: usize) -> Vec<Described> {
    let texts = |key: &str| learner.get(key).and_then(Value::as_array);
    let (names, types) = (texts("feature_names"), texts("feature_types"));
    let encodings = model
        .get("cats")
        .and_then(|cats| cats.get("enc"))
        .and_then(Value::as_array);
    let text = |list: Option<&Vec<Value>>, at: usize| {
        let found = list.and_then(|list| list.get(at)).and_then(Value::as_str);
        found.map(str::to_owned)
    };
    let of = |at: usize| {
        let coded = text(types, at).as_deref() == Some("c");
        // Columns of numbers have an empty one.
        let encoding = encodings.and_then(|all| all.get(at)).filter(|_| coded);
        Described {
            name: text(names, at),
            categories: encoding.and_then(words),
            coded,
        }
    };
    (0..count).map(of).collect()
}

/// A data frame's categories as 3.1 stores them: the bytes of all, and where each ends.
fn words(encoding: &Value) -> Option<Vec<String>> {
    let offsets = encoding.get("offsets")?.as_array()?;
    let bytes = encoding.get("values")?.as_array()?;
    let byte = |value: &Value| Some((value.as_i64()? & 0xff) as u8);
    let bytes: Vec<u8> = bytes.iter().map(byte).collect::<Option<_>>()?;
    let edges: Vec<usize> = offsets.iter().map(whole).collect::<Option<_>>()?;
    let word = |pair: &[usize]| String::from_utf8(bytes.get(pair[0]..pair[1])?.to_vec()).ok();
    edges.windows(2).map(word).collect()
}

/// The trees of gbtree or dart.
struct Booster<'v> {
    model: &'v Value,
    /// dart's factor for each tree.
    weights: Option<Vec<f64>>,
}

impl<'v> Booster<'v> {
    fn of(booster: &'v Value, place: &str) -> Result<Self> {
        match booster.get("name").and_then(Value::as_str) {
            Some("gbtree") => Ok(Self {
                model: json::field(booster, "model", place)?,
                weights: None,
            }),
            Some("dart") => Ok(Self {
                model: json::field(json::field(booster, "gbtree", place)?, "model", place)?,
                weights: Some(json::numbers(booster, "weight_drop", place)?),
            }),
            Some("gblinear") => Err(Error::input(
                format!("{place}, gradient_booster"),
                "trees (gbtree or dart), not gblinear",
            )
            .hint("a linear model ships through ONNX: fit it with scikit-learn and skl2onnx")),
            _ => Err(Error::input(
                format!("{place}, gradient_booster"),
                "gbtree or dart",
            )),
        }
    }

    /// The wrappers for scikit-learn stop at the best round, the booster itself does not: a file
    /// that has more rounds than that does not say which is meant.
    fn stopped(&self, learner: &Value, place: &str) -> Result<()> {
        let best = learner
            .get("attributes")
            .and_then(|attributes| attributes.get("best_iteration"))
            .and_then(whole);
        let facts = self.model.get("gbtree_model_param");
        let parallel = facts.and_then(|facts| whole(facts.get("num_parallel_tree")?));
        let rounds = json::list(self.model, "trees", place)?.len() / parallel.unwrap_or(1).max(1);
        match best {
            Some(best) if best.saturating_add(1) < rounds => Err(Error::input(
                format!("{place}, best_iteration"),
                format!(
                    "as many rounds as the best one ({}), not {rounds}",
                    best + 1
                ),
            )
            .hint(
                "save booster[: booster.best_iteration + 1], or take all rounds with \
                 booster.set_attr(best_iteration=None)",
            )),
            _ => Ok(()),
        }
    }

    fn trees(&self, place: &str) -> Result<Vec<Tree>> {
        let trees = json::list(self.model, "trees", place)?;
        if self
            .weights
            .as_ref()
            .is_some_and(|weights| weights.len() != trees.len())
        {
            return Err(Error::input(
                format!("{place}, weight_drop"),
                "one number a tree",
            ));
        }
        let one = |(number, tree): (usize, &Value)| {
            let weight = self.weights.as_ref().map(|weights| weights[number] as f32);
            grow(tree, weight, &format!("{place}, tree {number}"))
        };
        trees.iter().enumerate().map(one).collect()
    }
}

fn grow(tree: &Value, weight: Option<f32>, place: &str) -> Result<Tree> {
    let left = json::integers(tree, "left_children", place)?;
    let right = json::integers(tree, "right_children", place)?;
    let features = json::integers(tree, "split_indices", place)?;
    let thresholds = json::numbers(tree, "split_conditions", place)?;
    let default_left = json::integers(tree, "default_left", place)?;
    let kinds = if tree.get("split_type").is_some() {
        json::integers(tree, "split_type", place)?
    } else {
        vec![0; left.len()]
    };
    let same = [
        right.len(),
        features.len(),
        thresholds.len(),
        default_left.len(),
        kinds.len(),
    ];
    if same.iter().any(|&len| len != left.len()) {
        return Err(Error::input(place, "lists of one length"));
    }
    let sets = Sets::of(tree, place)?;
    let index = |at: i64| u32::try_from(at).unwrap_or(u32::MAX);
    let mut nodes = Vec::with_capacity(left.len());
    for at in 0..left.len() {
        // In f32, as XGBoost reads it.
        let number = thresholds[at] as f32;
        if left[at] == -1 {
            nodes.push(Node::Leaf {
                // dart adds each leaf times its tree's weight, in f32 (src/gbm/gbtree.cc).
                value: f64::from(weight.map_or(number, |weight| number * weight)),
                index: at as u32,
            });
            continue;
        }
        let missing_left = default_left[at] != 0;
        let feature = index(features[at]);
        nodes.push(if kinds[at] == 0 {
            Node::Split {
                feature,
                test: Test::Below(number.into()),
                missing: Missing::side(missing_left),
                left: index(left[at]),
                right: index(right[at]),
            }
        } else {
            // Members go right, all else left (src/common/categorical.h, `Decision`): the
            // children change sides.
            Node::Split {
                feature,
                test: Test::Code(sets.take(at, place)?),
                missing: Missing::side(!missing_left),
                left: index(right[at]),
                right: index(left[at]),
            }
        });
    }
    // What pruning has left over hangs on nothing.
    Ok(Tree {
        nodes: reachable(&nodes),
    })
}

/// The nodes that the root leads to, in their order, numbered anew.
fn reachable(nodes: &[Node]) -> Vec<Node> {
    let mut reached = vec![false; nodes.len()];
    let mut open = vec![0_u32];
    while let Some(at) = open.pop() {
        match (reached.get_mut(at as usize), nodes.get(at as usize)) {
            (Some(seen), Some(node)) if !*seen => {
                *seen = true;
                if let Node::Split { left, right, .. } = node {
                    open.extend([*left, *right]);
                }
            }
            _ => {}
        }
    }
    let mut numbers = Vec::with_capacity(nodes.len());
    let mut next = 0;
    for &seen in &reached {
        numbers.push(if seen { next } else { u32::MAX });
        next += u32::from(seen);
    }
    let number = |at: u32| numbers.get(at as usize).copied().unwrap_or(u32::MAX);
    let kept = nodes.iter().zip(&reached).filter(|(_, seen)| **seen);
    kept.map(|(node, _)| {
        let mut node = node.clone();
        if let Node::Split { left, right, .. } = &mut node {
            (*left, *right) = (number(*left), number(*right));
        }
        node
    })
    .collect()
}

/// The categories of a tree's nodes.
struct Sets {
    nodes: Vec<i64>,
    segments: Vec<i64>,
    sizes: Vec<i64>,
    categories: Vec<i64>,
}

impl Sets {
    fn of(tree: &Value, place: &str) -> Result<Self> {
        let list = |key: &str| {
            if tree.get(key).is_some() {
                json::integers(tree, key, place)
            } else {
                Ok(Vec::new())
            }
        };
        Ok(Self {
            nodes: list("categories_nodes")?,
            segments: list("categories_segments")?,
            sizes: list("categories_sizes")?,
            categories: list("categories")?,
        })
    }

    /// The categories of a node; each node has its own.
    fn take(&self, node: usize, place: &str) -> Result<Vec<u32>> {
        let found = || {
            let at = self.nodes.iter().position(|&of| of == node as i64)?;
            let from = usize::try_from(*self.segments.get(at)?).ok()?;
            let size = usize::try_from(*self.sizes.get(at)?).ok()?;
            let codes = self.categories.get(from..from.checked_add(size)?)?;
            let codes = codes.iter().map(|&code| u32::try_from(code).ok());
            codes.collect::<Option<Vec<u32>>>()
        };
        let mut codes =
            found().ok_or_else(|| Error::input(place, format!("categories for node {node}")))?;
        codes.sort_unstable();
        codes.dedup();
        Ok(codes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_columns_of_categories_have_some() {
        let learner = serde_json::json!({
            "feature_names": ["income", "home"],
            "feature_types": ["float", "c"],
        });
        // Since 3.1 columns of numbers have an empty list of their own.
        let empty = serde_json::json!({ "offsets": [0], "values": [] });
        let home = serde_json::json!({ "offsets": [0, 3, 7], "values": [111, 119, 110, 114, 101, 110, 116] });
        let model = serde_json::json!({ "cats": { "enc": [empty, home] } });
        let found = described(&learner, &model, 2);
        assert_eq!(found[0].categories, None);
        let words = ["own", "rent"].map(str::to_owned).to_vec();
        assert_eq!(found[1].categories, Some(words));
        assert!(found[1].coded && !found[0].coded);
    }
}

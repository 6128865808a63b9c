//! A proof that a model is monotone in a field, for every applicant there can be: by the way that
//! each feature goes with the field, and by the signs of weights or the order of leaves.
//!
//! It holds for the arithmetic that the bundle executes, not only for real numbers: rounding never
//! turns an order round, so sums and products with one sign that only rise still only rise once
//! rounded. Nets in int8 are not proved: quantising refits their weights.

use std::collections::BTreeMap;
use std::sync::Arc;

use fieldscore_runtime::decide::OutputKind;
use fieldscore_runtime::schema::transform::{
    Block, Column, Encoding, Operation, TransformParts, Transforms,
};
use fieldscore_runtime::schema::{Field, FieldKind, Schema};
use fieldscore_runtime::{Application, Date, Value};

use crate::compile::Source;
use crate::compile::net::Net;
use crate::compile::trees::{Forest, Missing, Node, Test, Tree};
use crate::evaluate::given::typed;
use crate::evaluate::monotone::Direction;

/// Which way a number goes as a field rises; `None` where that is not known.
type Way = Option<Sign>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Falls,
    Stays,
    Rises,
}

use Sign::{Falls, Rises, Stays};

/// A field of more values is not gone through one by one.
const MOST_VALUES: i64 = 50_000;

/// What goes that way from there on.
fn times(way: Way, sign: f64) -> Way {
    match (way?, sign) {
        (Stays, _) => Some(Stays),
        (_, 0.0) => Some(Stays),
        (way, sign) if sign > 0.0 => Some(way),
        (Rises, sign) if sign < 0.0 => Some(Falls),
        (Falls, sign) if sign < 0.0 => Some(Rises),
        _ => None,
    }
}

/// The way of a sum.
fn sum(ways: impl IntoIterator<Item = Way>) -> Way {
    ways.into_iter()
        .try_fold(Stays, |all, way| match (all, way?) {
            (Stays, way) | (way, Stays) => Some(way),
            (all, way) if all == way => Some(all),
            _ => None,
        })
}

/// The way of numbers in a row.
fn along(numbers: impl IntoIterator<Item = f64>) -> Way {
    let mut numbers = numbers.into_iter();
    let mut last = numbers.next();
    sum(numbers.map(|next| {
        let before = last.replace(next)?;
        match before.partial_cmp(&next)? {
            std::cmp::Ordering::Less => Some(Rises),
            std::cmp::Ordering::Equal => Some(Stays),
            std::cmp::Ordering::Greater => Some(Falls),
        }
    }))
}

/// What a proof is about.
pub(super) struct Proof<'p> {
    pub parts: &'p TransformParts,
    pub transforms: &'p Transforms,
    pub schema: &'p Arc<Schema>,
    pub source: &'p Source,
    /// What the bundle executes, where that is a chain of dense layers in float.
    pub net: Option<&'p Net>,
    pub output: OutputKind,
    /// Whether more points mean less risk.
    pub safer: bool,
}

impl Proof<'_> {
    /// Whether the score is proved to go that way with the field at `index`.
    pub fn holds(&self, index: usize, direction: Direction) -> bool {
        let Some(features) = self.features(index) else {
            return false;
        };
        let output = match (self.source, self.net) {
            (Source::Trees(grown), _) => forest(&grown.forest, &features),
            (_, Some(net)) => chain(net, &features),
            _ => None,
        };
        let score = match self.output {
            OutputKind::Points => output,
            OutputKind::Logit => times(output, if self.safer { -1.0 } else { 1.0 }),
            // The logarithm of a share need not keep the order of the last bit.
            OutputKind::Probability => None,
        };
        match direction {
            Direction::Rising => matches!(score, Some(Rises | Stays)),
            Direction::Falling => matches!(score, Some(Falls | Stays)),
        }
    }

    /// The way of every feature.
    fn features(&self, index: usize) -> Option<Vec<Way>> {
        let fields = self.schema.fields();
        let mut sources: Vec<Way> = vec![Some(Stays); fields.len()];
        *sources.get_mut(index)? = Some(Rises);
        for column in &self.parts.columns {
            sources.push(column_way(column, &sources, fields));
        }
        let mut all = Vec::new();
        for block in &self.parts.blocks {
            let way = sources.get(usize::from(block.source)).copied().flatten();
            let width = block.width();
            let start = all.len();
            all.extend(match way {
                Some(Stays) => vec![Some(Stays); width],
                _ => {
                    let mut own = vec![encoded(block, way); width];
                    if let (true, Some(last)) = (block.missing_flag, own.last_mut()) {
                        *last = Some(Stays);
                    }
                    own
                }
            });
            // Where the operations don't say it, all values of the field do.
            let own = start..all.len();
            if usize::from(block.source) == index && all[own.clone()].contains(&None) {
                let gone = self.gone_through(index, own.clone())?;
                all.splice(own, gone);
            }
        }
        Some(all)
    }

    /// The way of some features over every value of a field, where they are features of it alone.
    fn gone_through(&self, index: usize, own: std::ops::Range<usize>) -> Option<Vec<Way>> {
        let field = self.schema.fields().get(index)?;
        let (low, high) = field.range?;
        if high.checked_sub(low)? > MOST_VALUES {
            return None;
        }
        let day = Date::from_ymd(2026, 1, 1)?;
        let mut applicant = Application::new(Arc::clone(self.schema), "", day);
        for (at, other) in self.schema.fields().iter().enumerate() {
            // Nobody's values: what is refused where it is missing gets one that is not.
            set_any(&mut applicant, at, other)?;
        }
        let mut rows: Vec<Vec<f64>> = Vec::new();
        for value in low..=high {
            applicant.set_at(index, typed(field, value)).ok()?;
            let features = self.transforms.features_f64(&applicant).ok()?;
            rows.push(features.get(own.clone())?.to_vec());
        }
        let columns = 0..own.len();
        Some(
            columns
                .map(|at| along(rows.iter().map(|row| row[at])))
                .collect(),
        )
    }
}

/// Gives a field some value of its own.
fn set_any(applicant: &mut Application, at: usize, field: &Field) -> Option<()> {
    let value = match &field.kind {
        FieldKind::Boolean => Value::Boolean(false),
        FieldKind::Category { codes } => Value::Text(codes.first()?),
        kind if kind.is_numeric() => typed(field, field.range.map_or(0, |(low, _)| low)),
        FieldKind::Text { .. } => Value::Text("text"),
        _ => return None,
    };
    applicant.set_at(at, value).ok()
}

/// The way of a column; its operands are fields and earlier columns.
fn column_way(column: &Column, sources: &[Way], fields: &[Field]) -> Way {
    let way = |at: u16| sources.get(usize::from(at)).copied().flatten();
    // The least value of a field; values beyond its range are moved into it or missing.
    let least = |at: u16| Some(fields.get(usize::from(at))?.range?.0);
    match column {
        Column::Difference(a, b) => sum([way(*a), times(way(*b), -1.0)]),
        Column::Sum(all) => sum(all.iter().map(|&at| way(at))),
        Column::Ratio(a, b) => match (way(*a)?, way(*b)?) {
            (Stays, Stays) => Some(Stays),
            // Divided by 0 it is missing whatever is divided.
            (a, Stays) if least(*b)? >= 0 => Some(a),
            (Stays, divisor) if least(*b)? > 0 && least(*a)? >= 0 => times(Some(divisor), -1.0),
            _ => None,
        },
        Column::Made(at, operations) => operations
            .iter()
            .fold(way(*at), |way, operation| operated(operation, way)),
        Column::Norm(_, all) => sum(all.iter().map(|&at| way(at))).filter(|way| *way == Stays),
        Column::Share(a, b, _) => sum([way(*a), way(*b)]).filter(|way| *way == Stays),
    }
}

/// The way of a number after an operation; what is missing stays so.
fn operated(operation: &Operation, way: Way) -> Way {
    match operation {
        Operation::Single | Operation::Impute { .. } | Operation::Clip { .. } => way,
        Operation::Affine { factor, .. } => times(way, *factor),
        Operation::Bins { values, .. } => match along(values.iter().copied())? {
            Stays => Some(Stays),
            Rises => way,
            Falls => times(way, -1.0),
        },
        _ => way.filter(|way| *way == Stays),
    }
}

/// The way of a block's features, but for its missing flag.
fn encoded(block: &Block, way: Way) -> Way {
    match &block.encode {
        Encoding::Chain { operations } => operations
            .iter()
            .fold(way, |way, operation| operated(operation, way)),
        Encoding::Plain | Encoding::Standardise { .. } | Encoding::Piecewise { .. }
            if !block.log =>
        {
            way
        }
        _ => None,
    }
}

/// The way of a net's output: a sum of products whose weights keep the order.
fn chain(net: &Net, features: &[Way]) -> Way {
    let mut ways = features.to_vec();
    for layer in &net.layers {
        if ways.len() != layer.inputs {
            return None;
        }
        let rows = layer.weights.chunks_exact(layer.inputs);
        ways = rows
            .map(|weights| {
                let products = ways.iter().zip(weights);
                sum(products.map(|(&way, &weight)| match weight == 0.0 {
                    true => Some(Stays),
                    false => times(way, weight.into()),
                }))
            })
            .collect();
    }
    ways.first().copied().flatten()
}

/// The way of a forest's margin: every tree's.
fn forest(forest: &Forest, features: &[Way]) -> Way {
    if features.len() != forest.features.len() || forest.factor <= 0.0 {
        return None;
    }
    sum(forest.trees.iter().map(|one| tree(one, features)))
}

/// What leads to a leaf: nodes by index, and whether it goes left there.
struct Leaf {
    path: Vec<(u32, bool)>,
    value: f64,
}

/// The way of one tree: of any two leaves that an applicant can move between as the field rises, the
/// order of their values.
fn tree(tree: &Tree, features: &[Way]) -> Way {
    let mut leaves = Vec::new();
    let mut open = vec![(0u32, Vec::new())];
    let mut varies = false;
    while let Some((at, path)) = open.pop() {
        match tree.nodes.get(at as usize)? {
            Node::Leaf { value, .. } => leaves.push(Leaf {
                path,
                value: *value,
            }),
            Node::Split {
                feature,
                left,
                right,
                ..
            } => {
                varies |= *features.get(*feature as usize)? != Some(Stays);
                for (child, goes_left) in [(*left, true), (*right, false)] {
                    let mut path = path.clone();
                    path.push((at, goes_left));
                    open.push((child, path));
                }
            }
        }
    }
    if !varies {
        return Some(Stays);
    }
    let mut way = Some(Stays);
    for (at, a) in leaves.iter().enumerate() {
        for b in &leaves[at + 1..] {
            way = sum([way, step(tree, features, a, b)]);
            way?;
        }
    }
    way
}

/// The way from one leaf to another as the field rises; `Stays` where nobody can move between them.
fn step(tree: &Tree, features: &[Way], a: &Leaf, b: &Leaf) -> Way {
    let shared = a.path.iter().zip(&b.path);
    let parting = shared.take_while(|(a, b)| a == b).count();
    let &(node, a_is_left) = a.path.get(parting)?;
    let Node::Split {
        feature,
        test,
        missing,
        ..
    } = tree.nodes.get(node as usize)?
    else {
        return None;
    };
    let low_is_left = match features.get(*feature as usize)? {
        // The same applicant goes the same way here.
        Some(Stays) => return Some(Stays),
        Some(Rises) => true,
        Some(Falls) => false,
        None => return None,
    };
    let ordered = matches!(test, Test::AtMost(_) | Test::Below(_));
    let zero = matches!(missing, Missing::LeftWithZero | Missing::RightWithZero);
    if !ordered || zero {
        return None;
    }
    if !together(tree, features, a, b) {
        return Some(Stays);
    }
    let (low, high) = match a_is_left == low_is_left {
        true => (a.value, b.value),
        false => (b.value, a.value),
    };
    along([low, high])
}

/// What the way to two leaves asks of one feature.
struct Asked {
    low: f64,
    high: f64,
    /// Whether it is asked for "at most", and for "below": then one number may be both bounds.
    kinds: [bool; 2],
    /// Whether a missing value goes that way all along.
    missing: bool,
}

/// Whether one applicant's features that stay can lead to both leaves. Where it cannot be said, they
/// can.
fn together(tree: &Tree, features: &[Way], a: &Leaf, b: &Leaf) -> bool {
    let mut asked: BTreeMap<u32, Asked> = BTreeMap::new();
    for &(node, goes_left) in a.path.iter().chain(&b.path) {
        let Some(Node::Split {
            feature,
            test,
            missing,
            ..
        }) = tree.nodes.get(node as usize)
        else {
            return true;
        };
        if features.get(*feature as usize) != Some(&Some(Stays)) {
            continue;
        }
        let own = asked.entry(*feature).or_insert(Asked {
            low: f64::NEG_INFINITY,
            high: f64::INFINITY,
            kinds: [false; 2],
            missing: true,
        });
        let threshold = match test {
            Test::AtMost(threshold) | Test::Below(threshold) => Some(*threshold),
            Test::Equal(_) | Test::Code(_) => None,
        };
        own.kinds[usize::from(matches!(test, Test::Below(_)))] = true;
        let gap_goes_left = match missing {
            Missing::Left | Missing::LeftWithZero => Some(true),
            Missing::Right | Missing::RightWithZero => Some(false),
            Missing::AsZero => threshold
                .filter(|threshold| *threshold != 0.0)
                .map(|threshold| 0.0 < threshold),
        };
        own.missing &= gap_goes_left.is_none_or(|left| left == goes_left);
        // Where what is near zero counts as missing, a bound says nothing sure of it.
        let bounds = matches!(missing, Missing::Left | Missing::Right | Missing::AsZero);
        match (threshold.filter(|_| bounds), goes_left) {
            (Some(threshold), true) => own.high = own.high.min(threshold),
            (Some(threshold), false) => own.low = own.low.max(threshold),
            (None, _) => {}
        }
    }
    asked.values().all(|own| {
        let at_one = own.low == own.high && own.kinds == [true; 2];
        own.low < own.high || at_one || own.missing
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::compile::net::{Layer, Rows};
    use crate::compile::trees::{Described, Initial, Library, Link, Number};

    fn split(feature: u32, threshold: f64, left: u32, right: u32) -> Node {
        Node::Split {
            feature,
            test: Test::AtMost(threshold),
            missing: Missing::Left,
            left,
            right,
        }
    }

    fn leaf(value: f64) -> Node {
        Node::Leaf { value, index: 0 }
    }

    fn grown(nodes: Vec<Node>) -> Forest {
        Forest {
            library: Library::LightGbm,
            features: vec![Described::default(); 2],
            trees: vec![Tree { nodes }],
            initial: 0.0,
            when: Initial::First,
            number: Number::F64,
            divisor: 1.0,
            factor: 1.0,
            link: Link::Logistic,
        }
    }

    const FIRST: [Way; 2] = [Some(Rises), Some(Stays)];

    #[test]
    fn trees_go_the_way_of_their_leaves() {
        let up = grown(vec![split(0, 5.0, 1, 2), leaf(-1.0), leaf(1.0)]);
        assert_eq!(forest(&up, &FIRST), Some(Rises));
        assert_eq!(forest(&up, &[Some(Falls), Some(Stays)]), Some(Falls));
        assert_eq!(forest(&up, &[Some(Stays), Some(Rises)]), Some(Stays));
        assert_eq!(forest(&up, &[None, Some(Stays)]), None);
        let bent = grown(vec![
            split(0, 5.0, 1, 2),
            leaf(0.0),
            split(0, 9.0, 3, 4),
            leaf(1.0),
            leaf(0.5),
        ]);
        assert_eq!(forest(&bent, &FIRST), None);
    }

    #[test]
    fn leaves_that_no_applicant_moves_between_do_not_count() {
        // Whoever has more than a threshold of the second feature has a level of their own.
        let levels = |second: f64, missing: Missing| {
            let mut forest = grown(vec![
                split(0, 1.0, 1, 2),
                split(1, 5.0, 3, 4),
                split(1, second, 5, 6),
                leaf(0.0),
                leaf(10.0),
                leaf(1.0),
                leaf(11.0),
            ]);
            if let Node::Split { missing: own, .. } = &mut forest.trees[0].nodes[2] {
                *own = missing;
            }
            super::forest(&forest, &FIRST)
        };
        assert_eq!(levels(5.0, Missing::Left), Some(Rises));
        // From 3 to 5 an applicant goes from the lower level to the upper.
        assert_eq!(levels(3.0, Missing::Left), Some(Rises));
        // From 5 to 7 from the upper to the lower.
        assert_eq!(levels(7.0, Missing::Left), None);
        // A gap goes from the lower level to the upper, which rises; what is near zero counts as one
        // for both, so that the two levels are no longer apart.
        assert_eq!(levels(5.0, Missing::Right), Some(Rises));
        assert_eq!(levels(5.0, Missing::RightWithZero), None);
    }

    /// A whole tree of three levels whose questions, gaps and leaves these numbers choose.
    fn any_tree(choices: &[(u8, u8, u8)], values: &[i8]) -> Vec<Node> {
        let questions = (0u32..7).zip(choices).map(|(at, &(feature, asked, gap))| {
            let threshold = f64::from(asked % 4);
            Node::Split {
                feature: u32::from(feature % 2),
                test: match asked < 8 {
                    true => Test::AtMost(threshold),
                    false => Test::Below(threshold),
                },
                missing: [
                    Missing::Left,
                    Missing::Right,
                    Missing::AsZero,
                    Missing::LeftWithZero,
                    Missing::RightWithZero,
                ][usize::from(gap % 5)],
                left: 2 * at + 1,
                right: 2 * at + 2,
            }
        });
        let leaves = values.iter().map(|&value| leaf(value.into()));
        questions.chain(leaves).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// Nothing is proved that the library's own arithmetic denies.
        #[test]
        fn a_proof_holds_for_every_row(
            choices in prop::collection::vec((any::<u8>(), 0u8..16, any::<u8>()), 7),
            mut values in prop::collection::vec(-3i8..4, 8),
            sorted in any::<bool>(),
        ) {
            // Sorted leaves make trees of which more can be proved.
            if sorted {
                values.sort_unstable();
            }
            let grown = grown(any_tree(&choices, &values));
            let way = forest(&grown, &FIRST);
            let numbers = [-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0];
            for other in numbers.into_iter().chain([f64::NAN]) {
                let rows = numbers.iter().flat_map(|&x| [x, other]).collect();
                let found = along(grown.margins(&Rows::new(2, rows)));
                match way {
                    Some(Stays) => prop_assert_eq!(found, Some(Stays)),
                    Some(way) => prop_assert!(matches!(found, Some(found) if found == way || found == Stays)),
                    None => {}
                }
            }
        }
    }

    #[test]
    fn nets_go_the_way_of_their_signs() {
        let net = |last: [f32; 2]| Net {
            layers: vec![
                Layer {
                    name: "a".to_owned(),
                    inputs: 2,
                    outputs: 2,
                    weights: vec![1.0, -3.0, -0.5, 2.0],
                    bias: vec![0.0; 2],
                    relu: true,
                },
                Layer {
                    name: "b".to_owned(),
                    inputs: 2,
                    outputs: 1,
                    weights: last.to_vec(),
                    bias: vec![0.0],
                    relu: false,
                },
            ],
        };
        assert_eq!(chain(&net([1.0, -1.0]), &FIRST), Some(Rises));
        assert_eq!(chain(&net([-1.0, 0.0]), &FIRST), Some(Falls));
        assert_eq!(chain(&net([1.0, 1.0]), &FIRST), None);
    }

    #[test]
    fn operations_keep_or_turn_the_way() {
        let bins = |values: &[f64]| Operation::Bins {
            edges: vec![1.0; values.len() - 1],
            values: values.to_vec(),
        };
        let way = Some(Rises);
        assert_eq!(operated(&bins(&[1.0, 2.0, 2.0]), way), Some(Rises));
        assert_eq!(operated(&bins(&[3.0, 2.0]), way), Some(Falls));
        assert_eq!(operated(&bins(&[3.0, 2.0, 4.0]), way), None);
        let turned = Operation::Affine {
            offset: 1.0,
            factor: -2.0,
        };
        assert_eq!(operated(&turned, way), Some(Falls));
        assert_eq!(operated(&Operation::Power { lambda: 0.5 }, way), None);
    }
}

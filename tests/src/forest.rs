//! Random ensembles of trees, and rows that lie on and beside their thresholds.

use fieldscore_runtime::kernels::trees::Missing;
use fieldscore_runtime::plan::ensemble::{Ensemble, Node, Side, Slot, Split, Tree};
use fieldscore_runtime::plan::{ElementType, Plan};

use crate::random::Random;

/// What a random ensemble is like.
#[derive(Debug, Clone, Copy)]
pub struct Likeness {
    /// Features of a row.
    pub features: usize,
    /// Trees.
    pub trees: usize,
    /// The most leaves of a tree.
    pub leaves: usize,
    /// Outputs.
    pub outputs: usize,
    /// The type of features.
    pub input: ElementType,
    /// The type of sums.
    pub sum: ElementType,
}

/// Numbers that comparisons are wrong about first.
const CORNERS: [f64; 12] = [
    0.0,
    1e-35,
    -1e-35,
    1.1e-35,
    1e-40,
    -1e-40,
    f32::MIN_POSITIVE as f64,
    1.0,
    2.0,
    3e38,
    -3e38,
    0.1,
];

/// A number as `element` holds it.
pub fn held(x: f64, element: ElementType) -> f64 {
    match element {
        ElementType::F32 => f64::from(x as f32),
        _ => x,
    }
}

fn number(random: &mut Random, element: ElementType) -> f64 {
    let x = match random.below(4) {
        0 => CORNERS[random.below(CORNERS.len())],
        1 => random.whole(-20, 20) as f64,
        _ => f64::from(random.float(-20.0, 20.0)) + f64::from(random.float(0.0, 1e-7)),
    };
    held(x, element)
}

fn slot(random: &mut Random, likeness: &Likeness) -> Slot {
    let split = if random.once_in(4) {
        let limit = [1, 71][random.below(2)];
        let members = (0..random.below(20))
            .map(|_| random.below(limit) as u32)
            .collect();
        let outside = [Side::Left, Side::Right][random.below(2)];
        let exact = random.below(2) == 0;
        Split::Set {
            members,
            outside,
            exact,
        }
    } else {
        let mut values: Vec<f64> = (0..random.below(40))
            .map(|_| number(random, likeness.input))
            .collect();
        values.sort_by(f64::total_cmp);
        // 0.0 and -0.0 are one threshold.
        values.dedup_by(|a, b| a == b);
        Split::Thresholds {
            values,
            strict: random.once_in(2),
        }
    };
    let missing = [Missing::Left, Missing::Right, Missing::Zero][random.below(3)];
    Slot {
        feature: random.below(likeness.features) as u32,
        missing,
        zero_is_missing: missing != Missing::Zero && random.once_in(3),
        split,
    }
}

/// How many ranks a split of a slot may have.
fn ranks(slot: &Slot) -> usize {
    match &slot.split {
        Split::Thresholds { values, .. } => values.len(),
        Split::Set { .. } => 1,
    }
}

fn tree(random: &mut Random, likeness: &Likeness, slots: &[Slot]) -> Tree {
    let leaf = |random: &mut Random, index: usize| Node::Leaf {
        value: held(f64::from(random.float(-1.0, 1.0)) / 3.0, likeness.sum),
        index: index as u32,
    };
    let mut nodes = vec![leaf(random, 0)];
    let mut leaves = vec![0];
    let wanted = 1 + random.below(likeness.leaves);
    for count in 1..wanted {
        let usable: Vec<usize> = (0..slots.len()).filter(|&s| ranks(&slots[s]) > 0).collect();
        if usable.is_empty() {
            break;
        }
        let slot = usable[random.below(usable.len())];
        // The newest leaf often: trees that are deep.
        let which = match random.below(3) {
            0 => leaves.len() - 1,
            _ => random.below(leaves.len()),
        };
        let at = leaves.swap_remove(which);
        let (left, right) = (nodes.len(), nodes.len() + 1);
        nodes.push(nodes[at]);
        nodes.push(leaf(random, count));
        let children = if random.once_in(2) {
            (left, right)
        } else {
            (right, left)
        };
        nodes[at] = Node::Split {
            slot: slot as u16,
            rank: random.below(ranks(&slots[slot])) as u16,
            left: children.0 as u32,
            right: children.1 as u32,
        };
        leaves.extend([left, right]);
    }
    Tree {
        output: random.below(likeness.outputs) as u16,
        nodes,
    }
}

/// A random ensemble.
pub fn ensemble(random: &mut Random, likeness: &Likeness) -> Ensemble {
    let count = 1 + random.below(3 * likeness.features);
    let slots: Vec<Slot> = (0..count).map(|_| slot(random, likeness)).collect();
    let trees = (0..likeness.trees)
        .map(|_| tree(random, likeness, &slots))
        .collect();
    let plain = random.once_in(2);
    let held = |x: f64| held(x, likeness.sum);
    Ensemble {
        input: likeness.input,
        sum: likeness.sum,
        slots,
        trees,
        initial: (0..likeness.outputs)
            .map(|_| held(f64::from(random.float(-0.3, 0.3))))
            .collect(),
        last: random.once_in(2),
        divisor: if plain { 1.0 } else { likeness.trees as f64 },
        factor: if plain { 1.0 } else { held(1.7) },
    }
}

/// A row of features: on thresholds, right beside them, missing, zero of either sign, subnormal.
pub fn row(random: &mut Random, ensemble: &Ensemble, features: usize) -> Vec<f64> {
    let mut row: Vec<f64> = (0..features)
        .map(|_| match random.below(6) {
            0 => f64::NAN,
            1 => -0.0,
            2 => random.whole(-2, 80) as f64 + 0.5 * random.below(2) as f64,
            _ => number(random, ensemble.input),
        })
        .collect();
    for slot in &ensemble.slots {
        let Split::Thresholds { values, .. } = &slot.split else {
            continue;
        };
        if values.is_empty() || random.once_in(2) {
            continue;
        }
        let own = values[random.below(values.len())];
        row[slot.feature as usize] = match (random.below(3), ensemble.input) {
            (0, _) => own,
            (1, ElementType::F32) => f64::from((own as f32).next_up()),
            (2, ElementType::F32) => f64::from((own as f32).next_down()),
            (1, _) => own.next_up(),
            _ => own.next_down(),
        };
    }
    row
}

/// The plan that is this ensemble alone, and its weights.
///
/// # Panics
/// Where the ensemble is not sound.
pub fn plan(ensemble: &Ensemble, features: usize) -> (Plan, Vec<u8>) {
    let packed = fieldscore_runtime::plan::ensemble::pack(ensemble).expect("a sound ensemble");
    let (model, weights) = packed.model("forest", features as u32);
    let plan = Plan {
        version: fieldscore_runtime::plan::PLAN_VERSION,
        models: vec![model],
    };
    (plan, weights)
}

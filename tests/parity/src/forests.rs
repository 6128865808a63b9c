//! Forests: the answers of random ensembles of trees to random rows, digested. The definition is one
//! for all paths; the digest must be the same on every target.

use fieldscore_runtime::kernels::Kernels;
use fieldscore_runtime::kernels::arch::fp_state::DefaultFpState;
use fieldscore_runtime::kernels::trees::Missing;
use fieldscore_runtime::plan::ensemble::{Ensemble, Node, Side, Slot, Split, Tree, pack};
use fieldscore_runtime::plan::{ElementType, Executable, MAX_ROWS, PLAN_VERSION, Plan};
use fieldscore_runtime::{Error, ErrorKind, Result};
use sha2::{Digest, Sha256};

use crate::arithmetic::Random;

const FEATURES: usize = 9;

/// The digest of the answers of `cases` forests, of f32 and f64 in turn.
///
/// # Errors
/// Where the runtime refuses a forest.
pub fn digest(path: &Kernels, cases: usize) -> Result<[u8; 32]> {
    let mut random = Random::new(0x9e37_79b9_7f4a_7c15);
    let mut hash = Sha256::new();
    for case in 0..cases {
        forest(path, case, &mut random, &mut hash)?;
    }
    Ok(hash.finalize().into())
}

/// A number: small and whole, subnormal, zero of either sign, or of any size.
fn number(random: &mut Random, element: ElementType) -> f64 {
    let x = match random.below(5) {
        0 => random.below(9) as f64 - 4.0,
        1 => f64::from(f32::MIN_POSITIVE) / (1 + random.below(99)) as f64,
        2 => -0.0,
        _ => (random.below(1 << 20) as f64 / 131_072.0) - 4.0,
    };
    match element {
        ElementType::F32 => f64::from(x as f32),
        _ => x,
    }
}

fn slot(random: &mut Random, input: ElementType) -> Slot {
    let split = if random.below(4) == 0 {
        Split::Set {
            members: (0..random.below(9))
                .map(|_| random.below(40) as u32)
                .collect(),
            outside: [Side::Left, Side::Right][random.below(2)],
            exact: random.below(2) == 0,
        }
    } else {
        let count = 1 + random.below(60);
        let mut values: Vec<f64> = (0..count).map(|_| number(random, input)).collect();
        values.sort_by(f64::total_cmp);
        values.dedup_by(|a, b| a == b);
        let strict = random.below(2) == 0;
        Split::Thresholds { values, strict }
    };
    let missing = [Missing::Left, Missing::Right, Missing::Zero][random.below(3)];
    Slot {
        feature: random.below(FEATURES) as u32,
        missing,
        zero_is_missing: missing != Missing::Zero && random.below(3) == 0,
        split,
    }
}

fn tree(random: &mut Random, slots: &[Slot], sum: ElementType) -> Tree {
    let leaf = |random: &mut Random| Node::Leaf {
        value: match sum {
            ElementType::F32 => f64::from(random.below(1 << 20) as f32 / 3e6),
            _ => random.below(1 << 20) as f64 / 3e6,
        },
        index: 0,
    };
    let mut nodes = vec![leaf(random)];
    for _ in 0..random.below(40) {
        let at = random.below(nodes.len());
        if matches!(nodes[at], Node::Split { .. }) {
            continue;
        }
        let slot = random.below(slots.len());
        let ranks = match &slots[slot].split {
            Split::Thresholds { values, .. } => values.len(),
            Split::Set { .. } => 1,
        };
        let left = nodes.len() as u32;
        nodes.extend([nodes[at], leaf(random)]);
        nodes[at] = Node::Split {
            slot: slot as u16,
            rank: random.below(ranks) as u16,
            left,
            right: left + 1,
        };
    }
    Tree { output: 0, nodes }
}

fn forest(path: &Kernels, case: usize, random: &mut Random, hash: &mut Sha256) -> Result<()> {
    // What is drawn and expected must not depend on what the host has set; what runs sets it itself.
    let state = DefaultFpState::enter();
    let float = |wide: bool| {
        if wide {
            ElementType::F64
        } else {
            ElementType::F32
        }
    };
    let (input, sum) = (float(case % 2 == 1), float(case % 4 > 1));
    let slots: Vec<Slot> = (0..1 + random.below(20))
        .map(|_| slot(random, input))
        .collect();
    let trees = (0..1 + random.below(50))
        .map(|_| tree(random, &slots, sum))
        .collect();
    let ensemble = Ensemble {
        input,
        sum,
        slots,
        trees,
        initial: vec![0.25],
        last: case.is_multiple_of(3),
        divisor: 7.0,
        factor: 1.5,
    };
    let (model, weights) = pack(&ensemble)?.model("forest", FEATURES as u32);
    let (from, to) = (model.buffers[0], model.buffers[2]);
    let plan = Plan {
        version: PLAN_VERSION,
        models: vec![model],
    };
    let executable = Executable::new(plan, &weights)?;
    let rows = 1 + random.below(MAX_ROWS);
    let mut arena = executable.arena(rows);
    let mut all = Vec::with_capacity(rows);
    for index in 0..rows {
        let row: Vec<f64> = (0..FEATURES)
            .map(|_| match random.below(6) {
                0 => f64::NAN,
                _ => number(random, input),
            })
            .collect();
        arena.write(&from, index, 0, &row);
        all.push(row);
    }
    drop(state);
    executable.run(0, path, &weights, rows, &mut arena)?;
    let _state = DefaultFpState::enter();
    for (index, row) in all.iter().enumerate() {
        let found = arena.number(&to, index, 0).to_bits();
        let expected = ensemble.outputs(row).map(|all| all[0].to_bits());
        if expected != Some(found) {
            let what = "the sum of a plain walk";
            return Err(Error::new(
                ErrorKind::SelfTest,
                format!("forest {case}"),
                what,
            ));
        }
        hash.update(found.to_le_bytes());
    }
    Ok(())
}

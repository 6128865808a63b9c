//! Ensembles of trees: against a plain walk over their description, bit for bit; what validation
//! refuses; decisions, contributions and memory of bundles with a forest.

use fieldscore_runtime::kernels::Kernels;
use fieldscore_runtime::kernels::trees::Missing;
use fieldscore_runtime::plan::ensemble::{Ensemble, Node, Side, Slot, Split, Tree, pack};
use fieldscore_runtime::plan::{ElementType, Executable, MAX_SPLITS, Plan, Step};
use fieldscore_runtime::{ErrorKind, Explanation, Scorer};
use fieldscore_tests::fixture::{Parts, draw, key};
use fieldscore_tests::forest::{self, Likeness};
use fieldscore_tests::random::Random;
use fieldscore_tests::{alloc, surgery};
use proptest::prelude::*;

/// What makes something unsound.
type Change<T> = fn(&mut T);

/// The outputs of rows, from the runtime.
fn run(plan: &Plan, weights: &[u8], rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let executable = Executable::new(plan.clone(), weights).unwrap();
    let model = executable.model(0).unwrap();
    let input = model.buffers[usize::from(model.inputs[0].buffer)];
    let output = model.buffers[usize::from(model.outputs[0].buffer)];
    let mut arena = executable.arena(rows.len());
    for (at, row) in rows.iter().enumerate() {
        arena.write(&input, at, 0, row);
    }
    executable
        .run(0, &Kernels::detect(), weights, rows.len(), &mut arena)
        .unwrap();
    (0..rows.len())
        .map(|row| {
            let number = |index| arena.number(&output, row, index as usize);
            (0..output.len).map(number).collect()
        })
        .collect()
}

fn element(wide: bool) -> ElementType {
    if wide {
        ElementType::F64
    } else {
        ElementType::F32
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn outputs_are_those_of_a_plain_walk(
        seed in any::<u64>(),
        (features, trees, leaves, outputs) in (1usize..12, 1usize..40, 1usize..80, 1usize..4),
        (wide, double) in (any::<bool>(), any::<bool>()),
        rows in 1usize..10,
    ) {
        let mut random = Random::new(seed);
        let (input, sum) = (element(wide), element(double));
        let likeness = Likeness { features, trees, leaves, outputs, input, sum };
        let ensemble = forest::ensemble(&mut random, &likeness);
        let rows: Vec<_> = (0..rows).map(|_| forest::row(&mut random, &ensemble, features)).collect();
        let (plan, weights) = forest::plan(&ensemble, features);
        for (row, found) in rows.iter().zip(run(&plan, &weights, &rows)) {
            let expected = ensemble.outputs(row).unwrap();
            let bits = |all: &[f64]| all.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&found), bits(&expected), "{:?}", row);
        }
    }
}

/// A tree of one split over slot 0.
fn stump(left: f64, right: f64) -> Tree {
    Tree {
        output: 0,
        nodes: vec![
            Node::Split {
                slot: 0,
                rank: 0,
                left: 1,
                right: 2,
            },
            Node::Leaf {
                value: left,
                index: 0,
            },
            Node::Leaf {
                value: right,
                index: 1,
            },
        ],
    }
}

fn stumps(split: Split, missing: Missing, zero_is_missing: bool) -> Ensemble {
    Ensemble {
        input: ElementType::F64,
        sum: ElementType::F64,
        slots: vec![Slot {
            feature: 0,
            missing,
            zero_is_missing,
            split,
        }],
        trees: vec![stump(-1.0, 1.0)],
        initial: vec![0.0],
        last: false,
        divisor: 1.0,
        factor: 1.0,
    }
}

/// The sides on which numbers go: −1 is left.
fn sides(ensemble: &Ensemble, numbers: &[f64]) -> Vec<f64> {
    let rows: Vec<Vec<f64>> = numbers.iter().map(|&x| vec![x]).collect();
    let (plan, weights) = forest::plan(ensemble, 1);
    let found = run(&plan, &weights, &rows).concat();
    let expected: Vec<f64> = rows
        .iter()
        .map(|row| ensemble.outputs(row).unwrap()[0])
        .collect();
    assert_eq!(found, expected);
    found
}

#[test]
fn equality_missing_values_and_zeros_go_where_the_slot_says() {
    let (left, right) = (-1.0, 1.0);
    let numbers = [1.5, 1.5f64.next_up(), f64::NAN, 0.0, -0.0, 1e-35, 2e-35];
    let at = |strict| Split::Thresholds {
        values: vec![1.5],
        strict,
    };
    assert_eq!(
        sides(&stumps(at(false), Missing::Right, false), &numbers),
        [left, right, right, left, left, left, left]
    );
    assert_eq!(
        sides(&stumps(at(true), Missing::Left, false), &numbers),
        [right, right, left, left, left, left, left]
    );
    assert_eq!(
        sides(&stumps(at(false), Missing::Zero, false), &numbers),
        [left, right, left, left, left, left, left]
    );
    // 1e-35 as an f32 is a little more than as an f64.
    assert_eq!(
        sides(&stumps(at(false), Missing::Right, true), &numbers),
        [left, right, right, right, right, right, left]
    );
}

#[test]
fn members_go_left_and_the_rest_where_the_set_says() {
    let (left, right) = (-1.0, 1.0);
    let numbers = [0.0, 1.0, 1.9, 2.0, 3.0, 40.0, -1.0, -0.5, 1e300, f64::NAN];
    for (outside, far) in [(Side::Right, right), (Side::Left, left)] {
        let set = Split::Set {
            members: vec![1, 3],
            outside,
            exact: false,
        };
        assert_eq!(
            sides(&stumps(set, Missing::Right, false), &numbers),
            [right, left, left, right, left, far, far, right, far, right]
        );
        let exact = Split::Set {
            members: vec![1, 3],
            outside,
            exact: true,
        };
        assert_eq!(
            sides(&stumps(exact, Missing::Right, false), &numbers),
            [right, left, far, right, left, far, far, far, far, right]
        );
    }
}

#[test]
fn what_is_beyond_a_limit_is_not_packed() {
    let sound = stumps(
        Split::Thresholds {
            values: vec![0.0, 1.0],
            strict: false,
        },
        Missing::Left,
        false,
    );
    assert!(pack(&sound).is_ok());
    let long = |count: usize| Split::Thresholds {
        values: (0..count).map(|x| x as f64).collect(),
        strict: false,
    };
    let cases: [(&str, &str, Change<Ensemble>); 16] = [
        ("no trees", "ensemble", |e| e.trees.clear()),
        ("no outputs", "ensemble", |e| e.initial.clear()),
        ("bytes as features", "ensemble", |e| {
            e.input = ElementType::U8
        }),
        ("ranks as sums", "ensemble", |e| e.sum = ElementType::U16),
        ("a divisor of 0", "ensemble", |e| e.divisor = 0.0),
        ("a factor that f32 does not hold", "ensemble", |e| {
            e.sum = ElementType::F32;
            e.factor = 0.1;
        }),
        ("a leaf that is not finite", "tree 0", |e| {
            e.trees[0] = stump(f64::INFINITY, 0.0);
        }),
        ("an output that is not there", "tree 0", |e| {
            e.trees[0].output = 1
        }),
        ("a slot that is not there", "tree 0", |e| e.slots.clear()),
        ("no nodes", "tree 0", |e| e.trees[0].nodes.clear()),
        ("a node that nothing leads to", "tree 0", |e| {
            let leaf = e.trees[0].nodes[1];
            e.trees[0].nodes.push(leaf);
        }),
        ("a circle", "tree 0", |e| {
            let root = e.trees[0].nodes[0];
            e.trees[0].nodes[1] = root;
        }),
        ("a child that is not there", "tree 0", |e| {
            e.trees[0].nodes.pop();
        }),
        ("thresholds that fall", "slot 0", |e| {
            e.slots[0].split = Split::Thresholds {
                values: vec![1.0, 0.0],
                strict: false,
            };
        }),
        ("a category beyond the limit", "slot 0", |e| {
            e.slots[0].split = Split::Set {
                members: vec![65_536],
                outside: Side::Left,
                exact: false,
            };
        }),
        (
            "zeros that are missing, and missing that is zero",
            "slot 0",
            |e| {
                e.slots[0].missing = Missing::Zero;
                e.slots[0].zero_is_missing = true;
            },
        ),
    ];
    for (what, place, change) in cases {
        let mut ensemble = sound.clone();
        change(&mut ensemble);
        let found = pack(&ensemble).expect_err(what);
        assert_eq!(found.kind(), ErrorKind::Malformed, "{what}");
        assert_eq!(found.place(), place, "{what}");
    }
    let mut ensemble = sound.clone();
    ensemble.slots[0].split = long(65_534);
    assert!(pack(&ensemble).is_ok());
    ensemble.slots[0].split = long(65_535);
    assert!(pack(&ensemble).is_err());
}

/// A tree that goes down on one side only.
fn chain(splits: usize) -> Tree {
    let leaf = |index: usize| Node::Leaf {
        value: index as f64,
        index: index as u32,
    };
    let mut nodes = vec![leaf(0)];
    for index in 0..splits {
        let at = nodes.len() - 1;
        nodes[at] = Node::Split {
            slot: 0,
            rank: 0,
            left: at as u32 + 1,
            right: at as u32 + 2,
        };
        nodes.extend([leaf(index), leaf(index + 1)]);
    }
    Tree { output: 0, nodes }
}

#[test]
fn the_deepest_tree_runs_and_a_deeper_one_is_refused() {
    let split = Split::Thresholds {
        values: vec![0.5],
        strict: false,
    };
    let mut ensemble = stumps(split, Missing::Left, false);
    ensemble.trees = vec![chain(MAX_SPLITS), stump(0.25, 0.5), chain(3)];
    assert_eq!(
        sides(&ensemble, &[0.0, 1.0]),
        [0.25, 0.5 + MAX_SPLITS as f64 + 3.0]
    );
    ensemble.trees = vec![chain(MAX_SPLITS + 1)];
    assert!(pack(&ensemble).is_err());
}

/// A forest of one slot of thresholds, one set, a stump and a tree of three leaves, and where things
/// lie in its weights: `slots` at 0, two thresholds at 24, one word at 40, then trees.
fn small() -> (Plan, Vec<u8>, usize) {
    let mut ensemble = stumps(
        Split::Thresholds {
            values: vec![0.5, 0.75],
            strict: false,
        },
        Missing::Left,
        false,
    );
    ensemble.slots.push(Slot {
        feature: 1,
        missing: Missing::Right,
        zero_is_missing: false,
        split: Split::Set {
            members: vec![1],
            outside: Side::Right,
            exact: false,
        },
    });
    ensemble.trees.push(chain(2));
    let (plan, weights) = forest::plan(&ensemble, 2);
    (plan, weights, 64)
}

fn refused(what: &str, plan: Plan, weights: &[u8], expected: &str) {
    let found = Executable::new(plan, weights).expect_err(what);
    assert_eq!(found.kind(), ErrorKind::Malformed, "{what}");
    assert!(found.to_string().contains(expected), "{what}: {found}");
}

#[test]
fn weights_that_lie_are_refused() {
    let (plan, weights, trees) = small();
    assert!(Executable::new(plan.clone(), &weights).is_ok());
    // Two trees, nodes of the stump (3) and of the other (5), then numbers.
    let node = |index: usize| trees + 8 + index * 8;
    let numbers = node(8);
    let nan = f64::NAN.to_le_bytes();
    let infinite = f64::INFINITY.to_le_bytes();
    let cases: Vec<(&str, usize, &[u8], &str)> = vec![
        ("a feature outside the input", 0, &[2], "step 0 (rank)"),
        ("a feature far outside", 0, &[0xff; 4], "step 0 (rank)"),
        (
            "more thresholds than bytes",
            4,
            &[0xff, 0xff, 0, 0],
            "step 0 (rank)",
        ),
        ("thresholds without end", 4, &[0xff; 4], "step 0 (rank)"),
        (
            "categories without end",
            12 + 4,
            &[1, 8, 0, 0],
            "step 0 (rank)",
        ),
        ("an unknown comparison", 8, &[4], "a known comparison"),
        (
            "an unknown way with missing values",
            9,
            &[3],
            "missing values",
        ),
        ("a flag of 2", 10, &[2], "sound flags"),
        (
            "zero as missing and missing as zero",
            9,
            &[2, 1],
            "sound flags",
        ),
        ("an outside for thresholds", 11, &[1], "sound flags"),
        ("an outside of 2", 12 + 11, &[2], "sound flags"),
        (
            "a threshold that is no number",
            24,
            &nan,
            "finite thresholds",
        ),
        ("an infinite threshold", 32, &infinite, "finite thresholds"),
        (
            "thresholds that do not rise",
            32,
            &weights[24..32],
            "that rise",
        ),
        ("too many splits", trees, &[0, 0x80], "32767 splits"),
        (
            "an output that is not there",
            trees + 2,
            &[1],
            "an output that exists",
        ),
        (
            "a tree that reaches into the next",
            trees,
            &[2],
            "breadth first",
        ),
        ("a slot that is not there", node(0), &[2], "breadth first"),
        (
            "a leaf's slot that is not there",
            node(1),
            &[2],
            "breadth first",
        ),
        (
            "a child that is its parent",
            node(0) + 4,
            &[0],
            "breadth first",
        ),
        ("children out of order", node(3) + 4, &[3], "breadth first"),
        ("a leaf with a step", node(1) + 4, &[1], "breadth first"),
        (
            "a leaf that is a split",
            node(1) + 2,
            &[0, 0],
            "breadth first",
        ),
        (
            "a split that is a leaf",
            node(0) + 2,
            &[0xff, 0xff],
            "breadth first",
        ),
        (
            "a leaf with another's number",
            node(1) + 6,
            &[1],
            "breadth first",
        ),
        (
            "a split with another leaf to its right",
            node(0) + 6,
            &[0],
            "breadth first",
        ),
        (
            "an initial number that is none",
            numbers,
            &nan,
            "finite constants",
        ),
        (
            "a divisor of 0",
            numbers + 8,
            &[0; 8],
            "a divisor other than 0",
        ),
        (
            "an infinite factor",
            numbers + 16,
            &infinite,
            "finite constants",
        ),
        (
            "a leaf that is no number",
            numbers + 24,
            &nan,
            "finite constants",
        ),
    ];
    for (what, at, bytes, expected) in cases {
        let mut changed = weights.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        refused(what, plan.clone(), &changed, expected);
    }
    for len in 0..weights.len() {
        let found = Executable::new(plan.clone(), &weights[..len]);
        assert!(found.is_err(), "{len} bytes of weights");
    }
}

#[test]
fn plans_of_forests_that_lie_are_refused() {
    let cases: [(&str, Change<Plan>, &str); 9] = [
        (
            "ranks as bytes",
            |p| p.models[0].buffers[1].element = ElementType::U8,
            "step 0",
        ),
        (
            "features as ranks",
            |p| p.models[0].buffers[0].element = ElementType::U16,
            "f32 or f64",
        ),
        (
            "sums as ranks",
            |p| p.models[0].buffers[2].element = ElementType::U16,
            "step 1",
        ),
        (
            "more slots than there are",
            |p| p.models[0].buffers[1].len = 3,
            "step 0",
        ),
        (
            "fewer slots than trees read",
            |p| p.models[0].buffers[1].len = 1,
            "step",
        ),
        (
            "more outputs than numbers",
            |p| p.models[0].buffers[2].len = 8,
            "step 1",
        ),
        ("trees without end", |p| trees(p, u32::MAX), "65536 trees"),
        ("no trees", |p| trees(p, 0), "65536 trees"),
        (
            "trees over features",
            |p| {
                p.models[0].steps.remove(0);
            },
            "an earlier step wrote",
        ),
    ];
    fn trees(plan: &mut Plan, count: u32) {
        if let Step::Trees { trees, .. } = &mut plan.models[0].steps[1] {
            *trees = count;
        }
    }
    for (what, change, expected) in cases {
        let (mut plan, weights, _) = small();
        change(&mut plan);
        refused(what, plan, &weights, expected);
    }
    let (mut plan, weights, _) = small();
    if let Step::Rank { weights, .. } = &mut plan.models[0].steps[0] {
        *weights = u64::MAX;
    }
    refused("weights outside", plan, &weights, "section WGTS");
}

#[test]
fn many_steps_over_the_same_large_forest_are_refused_before_they_are_read() {
    let split = Split::Thresholds {
        values: vec![0.5],
        strict: false,
    };
    let mut ensemble = stumps(split, Missing::Left, false);
    ensemble.trees = vec![chain(MAX_SPLITS); 2];
    let (mut plan, weights) = forest::plan(&ensemble, 1);
    let again = plan.models[0].steps[1];
    plan.models[0].steps.extend(vec![again; 4000]);
    refused(
        "4000 times the same trees",
        plan,
        &weights,
        "weights and nodes",
    );
}

#[test]
fn any_byte_of_a_forest_changed_opens_and_runs_or_is_refused() {
    let (plan, weights, _) = small();
    let rows = [vec![0.6, 1.0], vec![f64::NAN, f64::NAN]];
    let mut opened = 0;
    for at in 0..weights.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut changed = weights.clone();
            changed[at] = value;
            if Executable::new(plan.clone(), &changed).is_ok() {
                opened += 1;
                assert_eq!(run(&plan, &changed, &rows).len(), 2);
            }
        }
    }
    assert!(opened > 100, "{opened}");
}

fn forest_parts(seed: u64) -> Parts {
    Parts::with_forest(seed, 30, 20, ElementType::F64)
}

#[test]
fn a_bundle_of_a_forest_states_the_feature_and_passes_its_self_test() {
    let parts = forest_parts(5).with_answers(3);
    let scorer = parts.scorer();
    assert_eq!(scorer.self_test().unwrap(), 3);
    assert_ne!(scorer.executable().unwrap().plan().features(), 0);
    // Without the bit an older runtime would not know what it lacks.
    let mut bundle = parts.bundle();
    bundle[16..24].fill(0);
    surgery::sign(&mut bundle, &key());
    let found = Scorer::open(bundle, &[key().public()]).unwrap_err();
    assert_eq!(
        (found.kind(), found.place()),
        (ErrorKind::Malformed, "header")
    );
}

#[test]
fn one_by_one_and_many_decide_the_same_and_allocate_nothing() {
    let scorer = forest_parts(7).scorer();
    let mut random = Random::new(8);
    let all: Vec<_> = (0..100)
        .map(|n| draw(&scorer, &format!("A-{n}"), &mut random))
        .collect();
    let mut many = Vec::new();
    scorer.score_many(&all, &mut many);
    let mut explanation = Explanation::empty(*scorer.bundle_id());
    for (application, many) in all.iter().zip(&many) {
        let one = scorer.score(application).unwrap();
        assert_eq!(Ok(&one), many.as_ref());
        scorer.explain_into(application, &mut explanation).unwrap();
        assert_eq!(explanation.decision, one);
    }
    let mut scores: Vec<i32> = many.iter().flatten().map(|one| one.score).collect();
    scores.sort_unstable();
    scores.dedup();
    assert!(scores.len() > 20, "{scores:?}");
    for explain in [false, true] {
        let mut work = || {
            for application in &all[..20] {
                if explain {
                    scorer.explain_into(application, &mut explanation).unwrap();
                } else {
                    assert!(scorer.score(application).is_ok());
                }
            }
            many.clear();
            scorer.score_many(&all, &mut many);
        };
        work();
        work();
        assert_eq!(alloc::calls(work).0, 0);
    }
}

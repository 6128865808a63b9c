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

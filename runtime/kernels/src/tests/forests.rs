//! Ranks and walks of every path against their definition.

use proptest::prelude::*;

use crate::Kernels;
use crate::trees::{
    self, BLOCK, Comparison, Features, LEAF, Missing, NODE_BYTES, Nodes, Slot, Tree, WINDOW,
};

/// xorshift64 (Marsaglia 2003)
struct Random(u64);

impl Random {
    fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % below
    }
}

/// Appends a tree of `splits` splits, breadth first; gives its depth.
fn tree(
    random: &mut Random,
    splits: usize,
    (slots, numbers): (usize, usize),
    nodes: &mut Vec<[u8; NODE_BYTES]>,
) -> u16 {
    let (mut depths, mut left) = (vec![0_u16], splits);
    for place in 0..2 * splits + 1 {
        let must = place + 1 == depths.len();
        let number = random.below(numbers);
        let fields = if left > 0 && (must || random.below(3) > 0) {
            left -= 1;
            let step = depths.len() - place;
            depths.extend([depths[place] + 1; 2]);
            [random.below(slots), random.below(9), step, number]
        } else {
            [0, usize::from(LEAF), 0, number]
        };
        let mut node = [0; NODE_BYTES];
        for (bytes, field) in node.as_chunks_mut().0.iter_mut().zip(fields) {
            *bytes = (field as u16).to_le_bytes();
        }
        nodes.push(node);
    }
    depths.into_iter().max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn walks_end_at_the_same_leaves(
        seed in 1_u64..,
        count in 1..=WINDOW,
        most in 1_usize..70,
        lines in 1_usize..5,
        fits: bool,
    ) {
        let mut random = Random(seed);
        let slots = lines * 32 - random.below(32);
        let numbers = if fits { 256 } else { 1 << 16 };
        let mut nodes = Vec::new();
        let mut walks: Vec<Tree> = (0..count)
            .map(|place| {
                let (root, splits) = (nodes.len() as u32, random.below(most));
                let depth = tree(&mut random, splits, (slots, numbers), &mut nodes);
                let (leaf, word) = (random.below(1 << 20) as u32, 0);
                Tree { root, leaf, word, depth, output: 0, place: place as u8 }
            })
            .collect();
        walks.sort_by_key(|tree| tree.depth);
        let ranks: Vec<u16> = (0..lines * 32)
            .map(|_| if random.below(9) == 0 { LEAF } else { random.below(10) as u16 })
            .collect();
        let small: Option<Vec<u32>> = nodes.iter().map(|&node| trees::small(node)).collect();
        prop_assert!(small.is_some() || !fits);
        let small = small.unwrap_or_default();
        let nodes = Nodes { whole: &nodes, small: &small };
        let mut expected = [7; WINDOW];
        trees::walk(nodes, &walks, &ranks, &mut expected);
        for kernels in Kernels::available() {
            let mut leaves = [7; WINDOW];
            (kernels.walk)(nodes, &walks, &ranks, &mut leaves);
            prop_assert_eq!(leaves, expected, "{:?}", kernels);
        }
    }

    #[test]
    fn numbers_have_the_same_ranks(
        seed in 1_u64..,
        count in prop_oneof![0_usize..40, 230_usize..300],
        comparison in prop_oneof![
            Just(Comparison::AtMost),
            Just(Comparison::Below),
            Just(Comparison::Set { outside: true, exact: false }),
            Just(Comparison::Set { outside: false, exact: true }),
        ],
        missing in prop_oneof![Just(Missing::Left), Just(Missing::Right), Just(Missing::Zero)],
        wide: bool,
    ) {
        let mut random = Random(seed);
        let mut values: Vec<f32> = (0..count)
            .map(|_| random.below(1000) as f32 / 7.0 - 70.0)
            .collect();
        values.sort_by(f32::total_cmp);
        values.dedup();
        let table: Vec<u8> = match (wide, comparison) {
            (true, Comparison::AtMost | Comparison::Below) => {
                values.iter().flat_map(|&x| f64::from(x).to_le_bytes()).collect()
            }
            _ => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        };
        let slots: Vec<Slot> = (0..24)
            .map(|feature| Slot {
                feature,
                missing,
                zero_is_missing: missing != Missing::Zero && seed % 2 == 0,
                comparison,
                values: 0..table.len(),
                pivots: values
                    .chunks_exact(BLOCK)
                    .map(|block| block[BLOCK - 1].into())
                    .collect(),
            })
            .collect();
        let corners = [f32::NAN, 0.0, -0.0, 1e-40, f32::INFINITY, f32::NEG_INFINITY, -500.0, 500.0];
        let features: Vec<f32> = (0..24)
            .map(|feature| match corners.get(feature) {
                Some(corner) => *corner,
                None if count == 0 || feature % 3 == 0 => random.below(1000) as f32 / 7.0 - 70.0,
                None => values[random.below(values.len())],
            })
            .collect();
        let doubles: Vec<f64> = features.iter().copied().map(f64::from).collect();
        let features = if wide { Features::F64(&doubles) } else { Features::F32(&features) };
        let mut expected = [7; 24];
        trees::rank(&slots, &table, features, &mut expected);
        for kernels in Kernels::available() {
            let mut ranks = [7; 24];
            (kernels.rank)(&slots, &table, features, &mut ranks);
            prop_assert_eq!(ranks, expected, "{:?}", kernels);
        }
    }
}

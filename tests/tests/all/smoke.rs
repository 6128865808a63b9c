use fieldscore_tests::fixture::{Arithmetic, Parts, draw};
use fieldscore_tests::random::Random;

#[test]
fn fixture_scores_spread() {
    for arithmetic in [Arithmetic::Int8, Arithmetic::F32] {
        for seed in 0..6 {
            let parts = Parts::with_net(seed, &[8, 4], arithmetic).with_answers(3);
            let scorer = parts.scorer();
            assert_eq!(scorer.self_test().unwrap(), 3);
            let mut random = Random::new(seed);
            let scores: Vec<i32> = (0..12)
                .map(|i| {
                    scorer
                        .score(&draw(&scorer, &i.to_string(), &mut random))
                        .unwrap()
                        .score
                })
                .collect();
            eprintln!("{arithmetic:?} {seed} {scores:?} {}", parts.bundle().len());
        }
    }
}

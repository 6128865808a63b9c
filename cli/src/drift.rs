//! How far counts in the field have moved from the training part's, and how far they move by chance.
//!
//! The measure is the population stability index. What it comes to where nothing has moved depends on both
//! sample sizes: about (1/N + 1/M)·χ² with a degree of freedom less than there are bins (Yurdakul,
//! *Statistical Properties of Population Stability Index*, 2018). With a hundred decisions and sparse bins χ² is
//! too far off, so that the threshold is drawn: from the training part's own shares, with a fixed seed.

use fieldscore_runtime::Summary;
use fieldscore_runtime::watch::Histogram;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How often a whole report alarms where nothing has moved. At most one in twenty may; the rest is for what parts
/// of one population differ by: a training part is one draw of it, and so is who comes to a branch.
const ALPHA: f64 = 0.02;
/// Below this a move is of no consequence, however sure it is (Siddiqi, *Credit Risk Scorecards*, 2006).
const FLOOR: f64 = 0.1;
/// Samples that a threshold is drawn from.
const TRIALS: usize = 9_999;
/// Added to every count, so that an empty bin has a logarithm.
const HALF: f64 = 0.5;

/// One list of counts, in the field and in training.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved<'a> {
    /// The training part's counts.
    pub training: &'a [u32],
    /// Those in the field.
    pub found: &'a [u32],
    /// The population stability index between them.
    pub index: f64,
    /// Above this it is an alarm.
    pub threshold: f64,
}

impl Moved<'_> {
    /// Whether it has moved further than chance would and consequence allows.
    pub fn alarms(&self) -> bool {
        self.index > self.threshold
    }
}

/// From where on each list of a bundle's histogram alarms, for so many decisions: together on one in fifty of
/// the reports in which nothing has moved.
#[derive(Debug, Clone)]
pub struct Thresholds(Vec<f64>);

impl Thresholds {
    /// Draws the thresholds for this many decisions.
    pub fn new(histogram: &Histogram, decisions: u64) -> Self {
        let lists = &histogram.counts;
        let draw = |(seed, training): (u64, &Vec<u32>)| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            threshold(training, decisions, lists.len(), &mut random)
        };
        Self((0..).zip(lists).map(draw).collect())
    }

    /// Compares a summary's lists with the training part's: the fields', the score's, the outcomes'.
    pub fn compare<'a>(&self, summary: &'a Summary) -> Vec<Moved<'a>> {
        let lists = summary.histogram().counts.iter().zip(summary.counts());
        lists
            .zip(&self.0)
            .map(|((training, found), &threshold)| Moved {
                training,
                found,
                index: index(&numbers(training), &numbers(found)),
                threshold,
            })
            .collect()
    }
}

fn numbers(counts: &[u32]) -> Vec<f64> {
    counts.iter().map(|&count| count.into()).collect()
}

/// Shares of smoothed counts.
fn shares(counts: &[f64]) -> impl Iterator<Item = f64> + '_ {
    let all = counts.iter().map(|count| count + HALF).sum::<f64>();
    counts.iter().map(move |count| (count + HALF) / all)
}

/// The population stability index: Σ (q − p)·ln(q / p) over the bins' shares.
fn index(training: &[f64], found: &[f64]) -> f64 {
    let both = shares(training).zip(shares(found));
    both.map(|(p, q)| (q - p) * (q / p).ln()).sum()
}

/// The index that chance alone exceeds in one of `tests` lists with probability [`ALPHA`] (Bonferroni), both
/// samples drawn from the training part's shares; at least [`FLOOR`].
fn threshold(training: &[u32], decisions: u64, tests: usize, random: &mut ChaCha8Rng) -> f64 {
    let all = training.iter().map(|&count| u64::from(count)).sum();
    let shares: Vec<f64> = shares(&numbers(training)).collect();
    let mut found: Vec<f64> = (0..TRIALS)
        .map(|_| {
            let training = draw(&shares, all, random);
            index(&training, &draw(&shares, decisions, random))
        })
        .collect();
    found.sort_by(f64::total_cmp);
    // The rank that makes a test with drawn samples exact (Davison & Hinkley 1997, section 4.2.2).
    let rank = ((TRIALS + 1) as f64 * (1.0 - ALPHA / tests as f64)).ceil() as usize;
    found[rank.clamp(1, TRIALS) - 1].max(FLOOR)
}

/// Counts of `size` draws from these shares.
fn draw(shares: &[f64], size: u64, random: &mut ChaCha8Rng) -> Vec<f64> {
    let (mut left, mut rest) = (size, 1.0);
    let mut counts = Vec::with_capacity(shares.len());
    for (at, &share) in shares.iter().enumerate() {
        let count = match at + 1 == shares.len() {
            true => left,
            false => binomial(left, (share / rest).clamp(0.0, 1.0), random),
        };
        counts.push(count as f64);
        left -= count;
        rest -= share;
    }
    counts
}

/// A number from 0 to below 1.
fn uniform(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// How many of `size` draws hit with probability `share`: by inversion, or, where so many are expected that
/// there is no difference, from the normal distribution (Box and Muller 1958).
fn binomial(size: u64, share: f64, random: &mut ChaCha8Rng) -> u64 {
    if share > 0.5 {
        return size - binomial(size, 1.0 - share, random);
    }
    let mean = size as f64 * share;
    if mean > 300.0 {
        let (a, b) = (1.0 - uniform(random), uniform(random));
        let normal = (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos();
        let count = mean + (mean * (1.0 - share)).sqrt() * normal;
        return (count.round().max(0.0) as u64).min(size);
    }
    let odds = share / (1.0 - share);
    let mut probability = (1.0 - share).powf(size as f64);
    let mut left = uniform(random);
    let mut count = 0;
    while left > probability && count < size {
        left -= probability;
        count += 1;
        probability *= odds * (size - count + 1) as f64 / count as f64;
    }
    count
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_index_is_what_a_hand_makes_of_it() {
        // (0.3 − 0.5)·ln 0.6 + (0.7 − 0.5)·ln 1.4, of 100 000 each, where halves make no difference.
        let found = index(&[50_000.0, 50_000.0], &[30_000.0, 70_000.0]);
        assert!((found - 0.169_460).abs() < 1e-4, "{found}");
        assert_eq!(index(&[7.0, 9.0, 0.0], &[7.0, 9.0, 0.0]), 0.0);
        assert!(index(&[100.0, 0.0], &[0.0, 100.0]).is_finite());
    }

    #[test]
    fn draws_have_the_mean_and_variance_of_binomials() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        for (size, share) in [
            (100, 0.02),
            (100, 0.4),
            (100, 0.9),
            (2000, 0.1),
            (90_000, 0.3),
        ] {
            let draws: Vec<f64> = (0..20_000)
                .map(|_| binomial(size, share, &mut random) as f64)
                .collect();
            let mean = draws.iter().sum::<f64>() / 20_000.0;
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0;
            let (own, spread) = (size as f64 * share, size as f64 * share * (1.0 - share));
            assert!(
                (mean - own).abs() < 4.0 * (spread / 20_000.0).sqrt(),
                "{size} {share}: {mean}"
            );
            assert!(
                (variance / spread - 1.0).abs() < 0.05,
                "{size} {share}: {variance}"
            );
        }
        assert_eq!(binomial(10, 0.0, &mut random), 0);
        assert_eq!(binomial(10, 1.0, &mut random), 10);
        assert_eq!(
            draw(&[0.2, 0.3, 0.5], 1000, &mut random)
                .iter()
                .sum::<f64>(),
            1000.0
        );
    }

    /// Lists as different as fields are: deciles, skewed ones, rare missing values, categories that nobody had.
    fn lists() -> Vec<Vec<u32>> {
        vec![
            [vec![60; 10], vec![0, 0]].concat(),
            vec![300, 100, 80, 60, 30, 20, 10, 0],
            vec![540, 30, 0, 0],
            vec![200, 200, 190, 0, 10, 0],
            vec![600, 0, 0],
            vec![20, 25, 400, 80, 55, 20, 0, 0],
            vec![60; 10],
            vec![380, 120, 100],
        ]
    }

    fn alarms(lists: &[Vec<u32>], found: &[Vec<f64>], thresholds: &[f64]) -> bool {
        let all = lists.iter().zip(found).zip(thresholds);
        all.into_iter()
            .any(|((training, found), &threshold)| index(&numbers(training), found) > threshold)
    }

    /// Of a hundred devices for each of so many bundles, the share whose report alarms: a bundle's training part
    /// is drawn from the true shares once, a device's decisions from the same, tilted towards the last bins.
    fn share_of_alarms(bundles: u32, decisions: u64, tilt: f64) -> f64 {
        let truth = lists();
        let mut random = ChaCha8Rng::seed_from_u64(4711);
        let mut count = 0;
        for _ in 0..bundles {
            let drawn = |counts: &Vec<u32>, random: &mut ChaCha8Rng| -> Vec<u32> {
                let shares: Vec<f64> = shares(&numbers(counts)).collect();
                let drawn = draw(&shares, 600, random);
                drawn.into_iter().map(|count| count as u32).collect()
            };
            let training: Vec<Vec<u32>> = truth.iter().map(|l| drawn(l, &mut random)).collect();
            let histogram = Histogram {
                places: Vec::new(),
                counts: training.clone(),
            };
            let thresholds = Thresholds::new(&histogram, decisions).0;
            for _ in 0..100 {
                let found: Vec<Vec<f64>> = truth
                    .iter()
                    .map(|counts| {
                        let tilted: Vec<f64> = shares(&numbers(counts))
                            .enumerate()
                            .map(|(at, share)| share * (1.0 + tilt * at as f64))
                            .collect();
                        let all: f64 = tilted.iter().sum();
                        let shares: Vec<f64> = tilted.iter().map(|share| share / all).collect();
                        draw(&shares, decisions, &mut random)
                    })
                    .collect();
                count += u32::from(alarms(&training, &found, &thresholds));
            }
        }
        f64::from(count) / f64::from(100 * bundles)
    }

    #[test]
    fn at_most_one_report_in_twenty_alarms_where_nothing_has_moved() {
        for decisions in [20, 100, 1000] {
            let share = share_of_alarms(10, decisions, 0.0);
            assert!(share <= 0.05, "{decisions} decisions: {share}");
        }
        // A threshold that knows nothing of the sample's size would alarm nearly always.
        let lists = lists();
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let naive = vec![FLOOR; lists.len()];
        let drawn = |counts: &Vec<u32>, random: &mut ChaCha8Rng| {
            draw(&shares(&numbers(counts)).collect::<Vec<f64>>(), 100, random)
        };
        let mut count = 0;
        for _ in 0..200 {
            let found: Vec<Vec<f64>> = lists.iter().map(|l| drawn(l, &mut random)).collect();
            count += usize::from(alarms(&lists, &found, &naive));
        }
        assert!(count > 100, "{count}");
    }

    #[test]
    fn a_population_that_has_moved_is_seen() {
        assert!(share_of_alarms(2, 100, 0.5) > 0.9);
        assert!(share_of_alarms(2, 1000, 0.4) > 0.9);
    }

    #[test]
    fn moves_of_no_consequence_are_no_alarm() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let training = vec![50_000, 50_000];
        assert_eq!(threshold(&training, 1_000_000, 9, &mut random), FLOOR);
        assert!(threshold(&training, 50, 9, &mut random) > 0.15);
    }
}

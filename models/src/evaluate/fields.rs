//! What each field tells by itself, and how far its values have moved: information value and
//! population stability index.
//!
//! Both sum `(p − q) · ln(p / q)` over a field's bins: of the bad against the good the information
//! value, of one part of the rows against another the stability index (N. Siddiqi, *Credit Risk
//! Scorecards* (2006), chapters 6 and 9). Neither is 0 by chance: of two samples of the same
//! applicants, N and M of them in B bins, the sum times N·M / (N + M) follows about the chi-squared
//! distribution with B − 1 degrees of freedom (B. Yurdakul and J. Naranjo, "Statistical properties of
//! the population stability index", Journal of Risk Model Validation 14 (2020)), whose 95th
//! percentile is what a figure is to be read against.

use fieldscore_cli::raw_text;
use fieldscore_runtime::decide::RecordValue;
use fieldscore_runtime::schema::{Field, FieldKind};
use serde::{Deserialize, Serialize};

use super::given::Given;

/// A number's values are parted into at most so many bins, of equal mass on the training part.
const BINS: usize = 10;

/// How a field's values are parted, and how the training part's fall: what a bundle's card keeps, so
/// that rows of later years can be held against it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldBins {
    /// The field.
    pub field: String,
    /// Of a number or date, in raw units: a bin holds its lower end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<i64>,
    /// Rows of the training part in each bin, good and bad; the last one is of missing values, and
    /// before it, of a category, stands that of unlisted codes.
    pub train: Vec<[usize; 2]>,
}

/// Rows in one bin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BinRows {
    /// What it holds, in words.
    pub values: String,
    /// Good and bad rows of the training part.
    pub train: [usize; 2],
    /// Good and bad rows of the rows measured.
    pub here: [usize; 2],
}

/// A sum over bins, and what chance makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Distance {
    /// The sum.
    pub value: f64,
    /// What it stays below in 95 of 100 samples where there is nothing but chance.
    pub by_chance: f64,
}

impl Distance {
    /// Whether it is more than chance explains.
    pub fn is_more(&self) -> bool {
        self.value > self.by_chance
    }
}

/// A field by itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldFigures {
    /// The field.
    pub field: String,
    /// Bins that hold a row.
    pub bins: Vec<BinRows>,
    /// Its information value on the training part.
    pub iv_train: Distance,
    /// Its information value on the rows measured.
    pub iv: Distance,
    /// The stability index from the training part to the rows measured.
    pub psi: Distance,
}

impl FieldBins {
    /// The bins of a field, made of the training part; `at` is its place in the schema. None of a
    /// field that is a text, words, a table or a tensor.
    pub fn new(at: usize, field: &Field, rows: &[Given], bad: &[bool]) -> Option<Self> {
        let mut bins = Self {
            field: field.name.clone(),
            edges: Vec::new(),
            train: Vec::new(),
        };
        if field.kind.is_numeric() {
            let numbers = rows.iter().filter_map(|row| match row.get(at)? {
                Some(RecordValue::Number(number)) => Some(*number),
                _ => None,
            });
            let mut numbers: Vec<i64> = numbers.collect();
            numbers.sort_unstable();
            let cuts = (1..BINS).filter_map(|cut| numbers.get(cut * numbers.len() / BINS));
            bins.edges = cuts.copied().collect();
            bins.edges.dedup();
            // Nothing lies below the least.
            bins.edges.retain(|&edge| Some(&edge) != numbers.first());
        }
        bins.train = bins.count(at, field, rows, bad)?;
        Some(bins)
    }

    /// Which bin a value is in.
    fn bin(&self, field: &Field, value: Option<&RecordValue>) -> usize {
        let missing = self.width(field).unwrap_or(1) - 1;
        match (value, &field.kind) {
            (Some(RecordValue::Number(number)), _) => {
                self.edges.partition_point(|edge| edge <= number)
            }
            (Some(RecordValue::Truth(truth)), _) => usize::from(*truth),
            (Some(RecordValue::Text(code)), FieldKind::Category { codes }) => {
                let listed = codes.iter().position(|listed| listed == code);
                listed.unwrap_or(codes.len())
            }
            _ => missing,
        }
    }

    /// How many bins there are, that of missing values with them.
    fn width(&self, field: &Field) -> Option<usize> {
        match &field.kind {
            FieldKind::Boolean => Some(3),
            FieldKind::Category { codes } => Some(codes.len() + 2),
            kind if kind.is_numeric() => Some(self.edges.len() + 2),
            _ => None,
        }
    }

    /// Good and bad rows in each bin.
    fn count(
        &self,
        at: usize,
        field: &Field,
        rows: &[Given],
        bad: &[bool],
    ) -> Option<Vec<[usize; 2]>> {
        let mut counts = vec![[0; 2]; self.width(field)?];
        for (row, &bad) in rows.iter().zip(bad) {
            let value = row.get(at).and_then(Option::as_ref);
            counts[self.bin(field, value)][usize::from(bad)] += 1;
        }
        Some(counts)
    }

    /// What a bin holds, in words.
    fn name(&self, field: &Field, bin: usize) -> String {
        let edge = |at: usize| self.edges.get(at).map(|&edge| raw_text(field, edge));
        if bin + 1 == self.train.len() {
            return "(missing)".to_owned();
        }
        match &field.kind {
            FieldKind::Boolean => (bin == 1).to_string(),
            FieldKind::Category { codes } => codes
                .get(bin)
                .map_or_else(|| "(unlisted)".to_owned(), String::clone),
            _ => match (bin.checked_sub(1).and_then(edge), edge(bin)) {
                (None, Some(high)) => format!("below {high}"),
                (Some(low), Some(high)) => format!("{low} to below {high}"),
                (Some(low), None) => format!("{low} and above"),
                (None, None) => "any".to_owned(),
            },
        }
    }

    /// The field's figures on other rows; none where the bins are not of this field.
    pub fn measure(
        &self,
        at: usize,
        field: &Field,
        rows: &[Given],
        bad: &[bool],
    ) -> Option<FieldFigures> {
        let here = self.count(at, field, rows, bad)?;
        if here.len() != self.train.len() {
            return None;
        }
        let total = |counts: &[[usize; 2]]| counts.iter().map(|bin| bin[0] + bin[1]).collect();
        let class = |counts: &[[usize; 2]], at: usize| counts.iter().map(|bin| bin[at]).collect();
        let (train, now): (Vec<usize>, Vec<usize>) = (total(&self.train), total(&here));
        let iv = |counts: &[[usize; 2]]| {
            let (good, bad): (Vec<usize>, Vec<usize>) = (class(counts, 0), class(counts, 1));
            distance(&good, &bad)
        };
        let bins = (0..here.len()).filter(|&bin| train[bin] + now[bin] > 0);
        Some(FieldFigures {
            field: self.field.clone(),
            bins: bins
                .map(|bin| BinRows {
                    values: self.name(field, bin),
                    train: self.train[bin],
                    here: here[bin],
                })
                .collect(),
            iv_train: iv(&self.train),
            iv: iv(&here),
            psi: distance(&train, &now),
        })
    }
}

/// Σ (p − q) · ln(p / q) over the bins that hold a row of either side, half a row added to each bin
/// of both so that an empty one has a logarithm.
pub fn distance(a: &[usize], b: &[usize]) -> Distance {
    let held: Vec<(f64, f64)> = a
        .iter()
        .zip(b)
        .filter(|(a, b)| **a + **b > 0)
        .map(|(&a, &b)| (a as f64 + 0.5, b as f64 + 0.5))
        .collect();
    let sum = |side: fn(&(f64, f64)) -> f64| held.iter().map(side).sum::<f64>();
    let (all_a, all_b) = (sum(|pair| pair.0), sum(|pair| pair.1));
    let part = |(a, b): &(f64, f64)| {
        let (p, q) = (a / all_a, b / all_b);
        (p - q) * (p / q).ln()
    };
    Distance {
        value: held.iter().map(part).sum(),
        by_chance: match held.len() {
            0 | 1 => 0.0,
            bins => chi_squared(bins - 1) * (1.0 / all_a + 1.0 / all_b),
        },
    }
}

/// The 95th percentile of the chi-squared distribution, within 1 % from two degrees of freedom on
/// (E. B. Wilson and M. M. Hilferty, "The distribution of chi-square", PNAS 17 (1931), 684–688).
fn chi_squared(freedom: usize) -> f64 {
    const NORMAL: f64 = 1.644_853_626_951_472_7;
    let k = freedom as f64;
    let spread = 2.0 / (9.0 * k);
    k * (1.0 - spread + NORMAL * spread.sqrt()).powi(3)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use fieldscore_runtime::schema::{Answer, Sensitivity};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn field(kind: FieldKind) -> Field {
        Field {
            name: "field".to_owned(),
            kind,
            unit: String::new(),
            range: None,
            missing: Answer::Accept,
            out_of_range: Answer::Clip,
            unknown: Answer::AsMissing,
            sensitivity: Sensitivity::Ordinary,
            changeable: false,
            change: None,
            reason_code: String::new(),
            group: 0,
        }
    }

    #[test]
    fn the_distance_by_hand() {
        // Shares of 30.5/101 and 70.5/101 against 60.5/101 and 40.5/101.
        let found = distance(&[30, 70], &[60, 40]);
        let (p, q) = (30.5f64 / 101.0, 60.5f64 / 101.0);
        let wanted = (p - q) * (p / q).ln() + (q - p) * ((1.0 - p) / (1.0 - q)).ln();
        assert!((found.value - wanted).abs() < 1e-12);
        assert!(found.is_more());
        assert_eq!(distance(&[5, 0], &[9, 0]).value, 0.0);
    }

    #[test]
    fn percentiles_of_chi_squared() {
        // R 4: qchisq(.95, c(1, 2, 9, 30)).
        for (freedom, wanted) in [(1, 3.841), (2, 5.991), (9, 16.919), (30, 43.773)] {
            let found = chi_squared(freedom);
            assert!((found / wanted - 1.0).abs() < 0.026, "{freedom}: {found}");
        }
    }

    /// Five times in a hundred, samples of the same rows are called moved.
    #[test]
    fn chance_is_called_chance() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut sample = |rows: usize| {
            let mut counts = [0; 10];
            (0..rows).for_each(|_| counts[(random.next_u32() % 10) as usize] += 1);
            counts
        };
        let moved = (0..2000).filter(|_| distance(&sample(900), &sample(300)).is_more());
        let moved = moved.count();
        assert!((60..140).contains(&moved), "{moved} of 2000");
    }

    #[test]
    fn bins_of_a_number_hold_a_tenth_each_and_the_missing_their_own() {
        let number = field(FieldKind::Integer);
        let mut rows: Vec<Given> = (0..100)
            .map(|at| vec![Some(RecordValue::Number(at))])
            .collect();
        rows.push(vec![None]);
        let bad: Vec<bool> = (0..101).map(|at| at < 30).collect();
        let bins = FieldBins::new(0, &number, &rows, &bad).unwrap();
        assert_eq!(bins.edges, [10, 20, 30, 40, 50, 60, 70, 80, 90]);
        assert_eq!(bins.train[2], [0, 10]);
        assert_eq!(bins.train[10], [1, 0]);
        let same = bins.measure(0, &number, &rows, &bad).unwrap();
        assert_eq!(same.psi.value, 0.0);
        assert!(same.iv.is_more() && same.iv == same.iv_train);
        assert_eq!(same.bins[1].values, "10 to below 20");
        assert_eq!(same.bins[10].values, "(missing)");
        // As much of each bin, but nobody below 50.
        let late: Vec<Given> = rows[50..].to_vec();
        let moved = bins.measure(0, &number, &late, &bad[50..]).unwrap();
        assert!(moved.psi.is_more());
        let json = serde_json::to_string(&bins).unwrap();
        assert_eq!(serde_json::from_str::<FieldBins>(&json).unwrap(), bins);
    }

    #[test]
    fn categories_are_bins_as_they_are() {
        let codes = vec!["a".to_owned(), "b".to_owned()];
        let category = field(FieldKind::Category { codes });
        let word = |word: &str| vec![Some(RecordValue::Text(word.to_owned()))];
        let rows = [word("b"), word("z"), vec![None]];
        let bins = FieldBins::new(0, &category, &rows, &[true, false, false]).unwrap();
        assert_eq!(bins.train, [[0, 0], [0, 1], [1, 0], [1, 0]]);
        let named: Vec<String> = (0..4).map(|bin| bins.name(&category, bin)).collect();
        assert_eq!(named, ["a", "b", "(unlisted)", "(missing)"]);
        let text = field(FieldKind::Text { buckets: 8 });
        assert!(FieldBins::new(0, &text, &rows, &[true, false, false]).is_none());
    }
}

//! TRNS: from fields to the features that a model reads. All arithmetic in f64, in the order
//! written here; the result is rounded once where the model reads f32.

use minicbor::Encode;

use crate::bundle::cbor;
use crate::bundle::cbor::{structure, variants};
use crate::error::{Error, Result};
use crate::kernels::arch::fp_state::DefaultFpState;
use crate::schema::{Application, Field, FieldKind, MAX_FIELDS, resolve};

/// TRNS as it is stored.
///
/// A *source* is an index: below the count of fields it is that field, above it a column.
#[derive(Debug, Clone, PartialEq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
pub struct TransformParts {
    /// Numbers derived from fields or earlier columns.
    #[n(0)]
    pub columns: Vec<Column>,
    /// Blocks of features, in the order of the model's inputs.
    #[n(1)]
    pub blocks: Vec<Block>,
}

/// A number derived from others; missing where an operand is, or a divisor is zero.
#[derive(Debug, Clone, PartialEq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
pub enum Column {
    /// First divided by second.
    #[n(0)]
    Ratio(#[n(0)] u16, #[n(1)] u16),
    /// First minus second.
    #[n(1)]
    Difference(#[n(0)] u16, #[n(1)] u16),
    /// All added, from left to right.
    #[n(2)]
    Sum(#[n(0)] Vec<u16>),
}

/// One block: source → impute → clip → log → encode, then the missing flag.
#[derive(Debug, Clone, PartialEq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
pub struct Block {
    /// Its name in the recipe.
    #[n(0)]
    pub name: String,
    /// What it reads.
    #[n(1)]
    pub source: u16,
    /// What stands for a missing value, in the source's unit. Without it every feature of a
    /// missing value is 0; with NaN every feature is NaN, for models that take missing values.
    #[n(2)]
    pub impute: Option<f64>,
    /// Whether a last feature is 1 where the value was missing, else 0.
    #[n(3)]
    pub missing_flag: bool,
    /// Bounds that the value is moved into.
    #[n(4)]
    pub clip: Option<(f64, f64)>,
    /// Whether ln(1 + x) is taken, of x or 0, whichever is greater.
    #[n(5)]
    pub log: bool,
    /// How the value becomes features.
    #[n(6)]
    pub encode: Encoding,
}

/// How a number becomes features.
#[derive(Debug, Clone, PartialEq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
pub enum Encoding {
    /// One feature, the number.
    #[n(0)]
    Plain,
    /// One feature, (x − mean) / deviation.
    #[n(1)]
    Standardise {
        /// The mean.
        #[n(0)]
        mean: f64,
        /// The standard deviation, above 0.
        #[n(1)]
        deviation: f64,
    },
    /// Piecewise-linear encoding (Gorishniy, Rubachev, Babenko 2022, "On embeddings for numerical
    /// features in tabular deep learning", section 3.2), clamped: feature t is
    /// clamp((x − e\[t\]) / (e\[t+1\] − e\[t\]), 0, 1).
    #[n(2)]
    Piecewise {
        /// n + 1 strictly rising edges of n bins.
        #[n(0)]
        edges: Vec<f64>,
    },
    /// One feature for each category, 1 for the value's own; all 0 where it is missing.
    #[n(3)]
    OneHot {
        /// How many categories.
        #[n(0)]
        categories: u32,
    },
    /// One feature, the category's number.
    #[n(4)]
    Ordinal {
        /// A number for each category.
        #[n(0)]
        values: Vec<f64>,
    },
}

structure!(TransformParts {
    0: columns,
    1: blocks
});
variants!(Column [0: Ratio { 0, 1 }, 1: Difference { 0, 1 }, 2: Sum { 0 }]);
structure!(Block {
    0: name,
    1: source,
    2: impute,
    3: missing_flag,
    4: clip,
    5: log,
    6: encode,
});
variants!(Encoding [
    0: Plain {}, 1: Standardise { mean, deviation }, 2: Piecewise { edges },
    3: OneHot { categories }, 4: Ordinal { values },
]);

impl Encoding {
    fn width(&self) -> usize {
        match self {
            Self::Plain | Self::Standardise { .. } | Self::Ordinal { .. } => 1,
            Self::Piecewise { edges } => edges.len().saturating_sub(1),
            Self::OneHot { categories } => *categories as usize,
        }
    }
}

impl Block {
    /// How many features it makes.
    pub fn width(&self) -> usize {
        self.encode.width() + usize::from(self.missing_flag)
    }
}

/// No model reads more features.
pub const MAX_FEATURES: usize = 1 << 16;

/// Validated transforms.
#[derive(Debug)]
pub struct Transforms {
    parts: TransformParts,
    /// The group of each column.
    column_groups: Vec<u16>,
    /// For each block: its group and the index of its first feature.
    placed: Vec<(u16, usize)>,
    fields: usize,
    features: usize,
}

impl Transforms {
    pub(crate) fn decode(bytes: &[u8], fields: &[Field]) -> Result<Self> {
        Self::new(cbor::decode(bytes, "section TRNS")?, fields)
    }

    /// Checks `parts` against the schema's `fields`.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) with the block at fault.
    pub fn new(parts: TransformParts, fields: &[Field]) -> Result<Self> {
        let fault = |what: String| Err(Error::malformed("section TRNS", what));
        if parts.columns.len() > MAX_FIELDS || parts.blocks.is_empty() {
            return fault(format!(
                "at most {MAX_FIELDS} columns and at least one feature"
            ));
        }
        let mut groups: Vec<u16> = fields.iter().map(|f| f.group).collect();
        for (index, column) in parts.columns.iter().enumerate() {
            let operands: &[u16] = match column {
                Column::Ratio(a, b) | Column::Difference(a, b) => &[*a, *b],
                Column::Sum(all) => all,
            };
            let mut of: Vec<Option<u16>> = operands
                .iter()
                .map(|&at| groups.get(usize::from(at)).copied())
                .collect();
            of.dedup();
            let [Some(group)] = of[..] else {
                return fault(format!(
                    "column {index} over earlier columns and fields of one group"
                ));
            };
            groups.push(group);
        }
        let mut placed = Vec::with_capacity(parts.blocks.len());
        let mut features = 0usize;
        for block in &parts.blocks {
            let Some(&group) = groups.get(usize::from(block.source)) else {
                return fault(format!("a source for feature {}", block.name));
            };
            if !block.is_sound(fields.get(usize::from(block.source))) {
                return fault(format!(
                    "sound numbers and a fitting source in feature {}",
                    block.name
                ));
            }
            placed.push((group, features));
            features += block.width();
            if features > MAX_FEATURES {
                return fault(format!("at most {MAX_FEATURES} features"));
            }
        }
        let column_groups = groups.split_off(fields.len());
        Ok(Self {
            parts,
            column_groups,
            placed,
            fields: fields.len(),
            features,
        })
    }

    /// How many features a model gets.
    pub fn width(&self) -> usize {
        self.features
    }

    /// Whether features may be NaN: whether a block leaves missing values to the model.
    pub fn keep_missing(&self) -> bool {
        let mut blocks = self.parts.blocks.iter();
        blocks.any(|block| block.impute.is_some_and(f64::is_nan))
    }

    /// The blocks, in the order of features.
    pub fn blocks(&self) -> &[Block] {
        &self.parts.blocks
    }

    /// The features of an application.
    ///
    /// # Errors
    /// What a field refuses: [`ErrorKind::Missing`](crate::ErrorKind::Missing),
    /// [`ErrorKind::OutOfRange`](crate::ErrorKind::OutOfRange),
    /// [`ErrorKind::UnknownCategory`](crate::ErrorKind::UnknownCategory).
    pub fn features(&self, application: &Application) -> Result<Vec<f32>> {
        let features = self.features_f64(application)?;
        Ok(features.into_iter().map(|x| x as f32).collect())
    }

    /// As [`Transforms::features`], for models that read f64.
    ///
    /// # Errors
    /// As [`Transforms::features`].
    pub fn features_f64(&self, application: &Application) -> Result<Vec<f64>> {
        let _state = DefaultFpState::enter();
        let mut numbers = vec![0.0; self.sources()];
        resolve(application, &mut numbers[..self.fields])?;
        let mut features = vec![0.0; self.features];
        self.run(&mut numbers, &mut features);
        Ok(features)
    }

    /// How many features come from fields of this group.
    pub fn group_features(&self, group: usize) -> usize {
        self.group_ranges(group)
            .iter()
            .map(std::ops::Range::len)
            .sum()
    }

    /// How many numbers [`Transforms::run`] works over: fields, then columns.
    pub(crate) fn sources(&self) -> usize {
        self.fields + self.parts.columns.len()
    }

    /// Computes columns behind the fields in `numbers` and writes the features.
    pub(crate) fn run(&self, numbers: &mut [f64], features: &mut [f64]) {
        self.run_where(numbers, features, |_| true);
    }

    /// As [`Transforms::run`], for the columns and blocks of one group only.
    pub(crate) fn run_group(&self, group: usize, numbers: &mut [f64], features: &mut [f64]) {
        self.run_where(numbers, features, |g| usize::from(g) == group);
    }

    fn run_where(&self, numbers: &mut [f64], features: &mut [f64], wanted: impl Fn(u16) -> bool) {
        for (index, column) in self.parts.columns.iter().enumerate() {
            if wanted(self.column_groups[index]) {
                numbers[self.fields + index] = column.value(numbers);
            }
        }
        for (block, &(group, start)) in self.parts.blocks.iter().zip(&self.placed) {
            if wanted(group) {
                block.write(
                    numbers[usize::from(block.source)],
                    &mut features[start..start + block.width()],
                );
            }
        }
    }

    /// Where the features of one group lie: ranges that rise and do not touch.
    pub(crate) fn group_ranges(&self, group: usize) -> Vec<std::ops::Range<usize>> {
        let mut ranges: Vec<std::ops::Range<usize>> = Vec::new();
        for (block, &(of, start)) in self.parts.blocks.iter().zip(&self.placed) {
            if usize::from(of) != group {
                continue;
            }
            let end = start + block.width();
            match ranges.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => ranges.push(start..end),
            }
        }
        ranges
    }
}

impl Column {
    fn value(&self, numbers: &[f64]) -> f64 {
        let at = |source: u16| numbers[usize::from(source)];
        match self {
            Self::Ratio(_, b) if at(*b) == 0.0 => f64::NAN,
            Self::Ratio(a, b) => at(*a) / at(*b),
            Self::Difference(a, b) => at(*a) - at(*b),
            Self::Sum(all) => all.iter().fold(0.0, |sum, &source| sum + at(source)),
        }
    }
}

impl Block {
    fn is_sound(&self, field: Option<&Field>) -> bool {
        let categories = field.and_then(|f| match &f.kind {
            FieldKind::Category { codes } => Some(codes.len()),
            FieldKind::Text { buckets } => Some(*buckets as usize),
            FieldKind::Boolean => Some(2),
            _ => None,
        });
        let encoding = match &self.encode {
            Encoding::Plain => true,
            Encoding::Standardise { mean, deviation } => {
                mean.is_finite() && deviation.is_finite() && *deviation > 0.0
            }
            Encoding::Piecewise { edges } => {
                edges.len() >= 2
                    && edges.len() <= 4096
                    && edges.iter().all(|e| e.is_finite())
                    && edges.windows(2).all(|pair| pair[0] < pair[1])
            }
            Encoding::OneHot { categories: n } => categories == Some(*n as usize),
            Encoding::Ordinal { values } => {
                categories == Some(values.len()) && values.iter().all(|v| v.is_finite())
            }
        };
        let clip = self
            .clip
            .is_none_or(|(low, high)| low.is_finite() && high.is_finite() && low <= high);
        encoding && clip && self.impute.is_none_or(|x| !x.is_infinite())
    }

    fn write(&self, number: f64, out: &mut [f64]) {
        let missing = number.is_nan();
        let (values, flag) = out.split_at_mut(self.encode.width());
        if let [flag] = flag {
            *flag = f64::from(u8::from(missing));
        }
        let number = if missing {
            self.impute.unwrap_or(f64::NAN)
        } else {
            number
        };
        if number.is_nan() {
            // Missing, or said to stay so.
            values.fill(if self.impute.is_some() { number } else { 0.0 });
            return;
        }
        match (&self.encode, values) {
            (Encoding::OneHot { .. }, values) => {
                values.fill(0.0);
                if let Some(own) = values.get_mut(number as usize) {
                    *own = 1.0;
                }
            }
            (Encoding::Ordinal { values: table }, [value]) => {
                // An imputed number is a number already; only a category is looked up.
                let own = table.get(number as usize).copied().unwrap_or(0.0);
                *value = if missing { number } else { own };
            }
            (Encoding::Piecewise { edges }, values) => {
                let x = self.shape(number);
                for (value, edge) in values.iter_mut().zip(edges.windows(2)) {
                    *value = if x >= edge[1] {
                        1.0
                    } else if x <= edge[0] {
                        0.0
                    } else {
                        (x - edge[0]) / (edge[1] - edge[0])
                    };
                }
            }
            (Encoding::Standardise { mean, deviation }, [value]) => {
                *value = (self.shape(number) - mean) / deviation;
            }
            (_, values) => values.fill(self.shape(number)),
        }
    }

    /// Clip, then log.
    fn shape(&self, number: f64) -> f64 {
        let x = match self.clip {
            // Not f64::clamp: -0.0 against 0.0 must not depend on how a device compares them.
            Some((low, _)) if number < low => low,
            Some((_, high)) if number > high => high,
            _ => number,
        };
        match (self.log, x > 0.0) {
            (true, true) => libm::log1p(x),
            (true, false) => 0.0,
            (false, _) => x,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(encode: Encoding) -> Block {
        Block {
            name: "b".to_owned(),
            source: 0,
            impute: None,
            missing_flag: true,
            clip: None,
            log: false,
            encode,
        }
    }

    fn features(block: &Block, number: f64) -> Vec<f64> {
        let mut out = vec![9.0; block.width()];
        block.write(number, &mut out);
        out
    }

    #[test]
    fn piecewise_fills_bins_from_the_left() {
        let mut b = block(Encoding::Piecewise {
            edges: vec![0.0, 10.0, 20.0, 40.0],
        });
        assert_eq!(features(&b, 25.0), [1.0, 1.0, 0.25, 0.0]);
        assert_eq!(features(&b, -5.0), [0.0, 0.0, 0.0, 0.0]);
        assert_eq!(features(&b, 99.0), [1.0, 1.0, 1.0, 0.0]);
        assert_eq!(features(&b, f64::NAN), [0.0, 0.0, 0.0, 1.0]);
        b.impute = Some(15.0);
        assert_eq!(features(&b, f64::NAN), [1.0, 0.5, 0.0, 1.0]);
        b.impute = Some(f64::NAN);
        assert!(b.is_sound(None));
        let missing = features(&b, f64::NAN);
        assert!(missing[..3].iter().all(|x| x.is_nan()) && missing[3] == 1.0);
        assert_eq!(features(&b, 25.0), [1.0, 1.0, 0.25, 0.0]);
    }

    #[test]
    fn the_other_encodings() {
        assert_eq!(
            features(&block(Encoding::OneHot { categories: 3 }), 1.0),
            [0.0, 1.0, 0.0, 0.0]
        );
        assert_eq!(
            features(&block(Encoding::OneHot { categories: 2 }), f64::NAN),
            [0.0, 0.0, 1.0]
        );
        assert_eq!(
            features(
                &block(Encoding::Ordinal {
                    values: vec![5.0, 7.0]
                }),
                1.0
            ),
            [7.0, 0.0]
        );
        let standardise = Encoding::Standardise {
            mean: 10.0,
            deviation: 4.0,
        };
        assert_eq!(features(&block(standardise), 12.0), [0.5, 0.0]);
        let mut plain = block(Encoding::Plain);
        plain.log = true;
        plain.clip = Some((0.0, 100.0));
        assert_eq!(features(&plain, -3.0), [0.0, 0.0]);
        assert_eq!(features(&plain, 1e9), [libm::log1p(100.0), 0.0]);
    }

    #[test]
    fn columns_are_missing_where_an_operand_is() {
        assert!(Column::Ratio(0, 1).value(&[1.0, 0.0]).is_nan());
        assert!(Column::Sum(vec![0, 1]).value(&[1.0, f64::NAN]).is_nan());
        assert_eq!(Column::Difference(0, 1).value(&[5.0, 2.0]), 3.0);
        assert_eq!(Column::Ratio(0, 1).value(&[5.0, 2.0]), 2.5);
    }
}

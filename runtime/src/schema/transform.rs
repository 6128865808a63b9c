//! TRNS: from fields to the features that a model reads. All arithmetic in f64, in the order
//! written here; the result is rounded once where the model reads f32.

use minicbor::Encode;

use crate::bundle::cbor;
#[cfg(feature = "tables")]
use crate::bundle::cbor::{Read, Reader, UpTo};
use crate::bundle::cbor::{structure, variants};
use crate::bundle::container::features;
use crate::decide::POINT;
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
    /// What operations, none of them [`Operation::OneHot`], make of an earlier one. Like the next two
    /// it needs the cargo feature `trees`.
    #[n(3)]
    Made(#[n(0)] u16, #[n(1)] Vec<Operation>),
    /// A norm of others, single, 1 where it is 0: all magnitudes added from left to right (0), all
    /// squares (1), or the greatest number (2); as ONNX Runtime reckons its Normalizer.
    #[n(4)]
    Norm(#[n(0)] u32, #[n(1)] Vec<u16>),
    /// First divided by second, single; or, of squares, the root of the first's square divided by
    /// the second, with the first's sign.
    #[n(5)]
    Share(#[n(0)] u16, #[n(1)] u16, #[n(2)] bool),
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
    /// What a chain of operations makes of the number; 0 where a missing value reaches its end.
    /// The block's own `clip` and `log` are left out beside it, and `impute` unless it is NaN.
    #[n(5)]
    Chain {
        /// What is done, in order.
        #[n(0)]
        operations: Vec<Operation>,
    },
    /// The features of each row of a table, a tensor or a list of words, the source being that field. A
    /// row that is not there is 0 all through. The block's own `impute`, `clip`, `log` and
    /// `missing_flag` are left out beside it.
    #[cfg(feature = "tables")]
    #[n(6)]
    Rows {
        /// The features of a row: of a source in it, from 0. A tensor's row has one source for each of
        /// these, words have one.
        #[n(0)]
        columns: Vec<RowBlock>,
        /// How many rows.
        #[n(1)]
        rows: u32,
        /// Whether the features of one column over all rows come before those of the next one.
        #[n(2)]
        by_column: bool,
        /// Whether rows that are not there come before those that are.
        #[n(3)]
        at_end: bool,
        /// Whether a row has a last feature, 1 where it is there, else 0.
        #[n(4)]
        mask: bool,
    },
}

/// A block of a row's features; its encoding is none of rows again, its `impute` a number.
#[cfg(feature = "tables")]
#[derive(Debug, Clone, PartialEq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(transparent)]
pub struct RowBlock(#[n(0)] pub Block);

#[cfg(feature = "tables")]
impl<'b> Read<'b> for RowBlock {
    fn read(from: &mut Reader<'b>) -> Option<Self> {
        let mut ahead = *from;
        let mut entries = ahead.map()?;
        ahead.entry::<UpTo<5>>(&mut entries, 6)?;
        Block::read(from).map(Self)
    }
}

/// One operation of an [`Encoding::Chain`]. A missing value passes through all of them but
/// [`Operation::Impute`]. Numbers in f64; where an operation says *single*, each of its results is
/// rounded to f32, which is f32 arithmetic where what it reads is f32 (Figueroa 1995, "When is
/// double rounding innocuous?").
#[derive(Debug, Clone, PartialEq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
pub enum Operation {
    /// Rounds to f32.
    #[n(0)]
    Single,
    /// What stands for a missing value.
    #[n(1)]
    Impute {
        /// The number.
        #[n(0)]
        value: f64,
    },
    /// (x − offset) · factor, single.
    #[n(2)]
    Affine {
        /// What is taken off.
        #[n(0)]
        offset: f64,
        /// What the rest is multiplied with.
        #[n(1)]
        factor: f64,
    },
    /// Moves the number between two bounds.
    #[n(3)]
    Clip {
        /// The least.
        #[n(0)]
        low: f64,
        /// The greatest.
        #[n(1)]
        high: f64,
    },
    /// Of a table the value at the number, which is a category's index.
    #[n(4)]
    Lookup {
        /// A number for each category.
        #[n(0)]
        values: Vec<f64>,
    },
    /// Of one value more than there are edges, the one whose number is the count of edges that are
    /// not above x: bins that hold their lower end.
    #[n(5)]
    Bins {
        /// Strictly rising.
        #[n(0)]
        edges: Vec<f64>,
        /// One for each bin.
        #[n(1)]
        values: Vec<f64>,
    },
    /// The last only: a feature for each value, 1 where the number is that value, else 0.
    #[n(6)]
    OneHot {
        /// The values.
        #[n(0)]
        values: Vec<f64>,
    },
    /// The power transform of Yeo and Johnson ("A new family of power transformations to improve
    /// normality or symmetry", 2000, equation 2.1), single, by the crate `libm`. Like the next one it
    /// needs the cargo feature `trees`.
    #[n(7)]
    Power {
        /// λ.
        #[n(0)]
        lambda: f64,
    },
    /// A line through points, single: the first and the last hold on for what lies beyond, and a
    /// number that several points in between have gets half the sum of the first and the last.
    #[n(8)]
    Interpolate {
        /// Numbers that do not fall.
        #[n(0)]
        xs: Vec<f64>,
        /// What each becomes.
        #[n(1)]
        ys: Vec<f64>,
    },
}

structure!(TransformParts {
    0: columns,
    1: blocks
});
variants!(Column [
    0: Ratio { 0, 1 }, 1: Difference { 0, 1 }, 2: Sum { 0 },
    #[cfg(feature = "trees")] 3: Made { 0, 1 },
    #[cfg(feature = "trees")] 4: Norm { 0, 1 },
    #[cfg(feature = "trees")] 5: Share { 0, 1, 2 },
]);
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
    3: OneHot { categories }, 4: Ordinal { values }, 5: Chain { operations },
    #[cfg(feature = "tables")] 6: Rows { columns, rows, by_column, at_end, mask },
]);
variants!(Operation [
    0: Single {}, 1: Impute { value }, 2: Affine { offset, factor }, 3: Clip { low, high },
    4: Lookup { values }, 5: Bins { edges, values }, 6: OneHot { values },
    #[cfg(feature = "trees")] 7: Power { lambda },
    #[cfg(feature = "trees")] 8: Interpolate { xs, ys },
]);

/// No chain has more operations, and no table of one more numbers.
const MAX_OPERATIONS: usize = 16;
const MAX_TABLE: usize = 4096;

impl TransformParts {
    /// The feature bits that a bundle of them must require ([`features`]).
    pub fn features(&self) -> u64 {
        let blocks = self.blocks.iter();
        let blocks = blocks.fold(0, |all, block| all | block.encode.features());
        match self.columns.iter().any(Column::is_joined) {
            true => blocks | features::TREES,
            false => blocks,
        }
    }
}

impl Operation {
    /// Whether it is neither constant nor a line between steps: a power, or a line through points.
    pub fn bends(&self) -> bool {
        matches!(self, Self::Power { .. } | Self::Interpolate { .. })
    }

    /// Whether it is sound at its place of a chain over a field of so many categories.
    fn is_sound(&self, first: bool, last: bool, categories: Option<usize>) -> bool {
        let (numbers, rising): (&[&[f64]], &[f64]) = match self {
            Self::Single => (&[], &[]),
            Self::Impute { value } => (&[&[*value]], &[]),
            Self::Affine { offset, factor } => (&[&[*offset, *factor]], &[]),
            Self::Clip { low, high } if low > high => return false,
            Self::Clip { low, high } => (&[&[*low, *high]], &[]),
            Self::Lookup { values } if !first || categories != Some(values.len()) => return false,
            Self::Lookup { values } => (&[values], &[]),
            Self::Bins { edges, values } if values.len() != edges.len() + 1 => return false,
            Self::Bins { edges, values } => (&[edges, values], edges),
            Self::OneHot { values } if !last || values.is_empty() => return false,
            Self::OneHot { values } => (&[values], &[]),
            _ if !cfg!(feature = "trees") => return false,
            Self::Power { lambda } => (&[&[*lambda]], &[]),
            Self::Interpolate { xs, ys } if xs.len() != ys.len() || !xs.is_sorted() => {
                return false;
            }
            Self::Interpolate { xs, ys } => (&[xs, ys], &[]),
        };
        let finite = |of: &&[f64]| of.len() <= MAX_TABLE && of.iter().all(|x| x.is_finite());
        numbers.iter().all(finite) && rising.windows(2).all(|pair| pair[0] < pair[1])
    }

    /// What it makes of a number.
    fn apply(&self, number: f64) -> f64 {
        if let (Self::Impute { value }, true) = (self, number.is_nan()) {
            return *value;
        }
        if number.is_nan() {
            return number;
        }
        match self {
            Self::Impute { .. } | Self::OneHot { .. } => number,
            Self::Single => single(number),
            Self::Affine { offset, factor } => single(single(number - offset) * factor),
            Self::Clip { low, high } => clip(number, *low, *high),
            Self::Lookup { values } => values.get(number as usize).copied().unwrap_or(f64::NAN),
            Self::Bins { edges, values } => values[edges.partition_point(|&edge| edge <= number)],
            _ if !cfg!(feature = "trees") => number,
            Self::Power { lambda } => single(power(number, *lambda)),
            Self::Interpolate { xs, ys } => single(interpolate(number, xs, ys)),
        }
    }
}

/// Of Yeo and Johnson.
fn power(x: f64, lambda: f64) -> f64 {
    // Below 0 it is the same of −x and 2 − λ, turned round.
    let (sign, x, lambda) = match x < 0.0 {
        true => (-1.0, -x, 2.0 - lambda),
        false => (1.0, x, lambda),
    };
    match lambda == 0.0 {
        true => sign * libm::log1p(x),
        false => sign * ((libm::pow(x + 1.0, lambda) - 1.0) / lambda),
    }
}

/// On a line through points.
fn interpolate(x: f64, xs: &[f64], ys: &[f64]) -> f64 {
    let (below, up_to) = (
        xs.partition_point(|&point| point < x),
        xs.partition_point(|&point| point <= x),
    );
    let (Some(&first), Some(&last)) = (ys.first(), ys.last()) else {
        return x;
    };
    match (below, up_to) {
        (_, all) if all == xs.len() => last,
        (0, _) => first,
        (after, same) if after == same => {
            let (x0, x1) = (xs[after - 1], xs[after]);
            let (y0, y1) = (ys[after - 1], ys[after]);
            y0 + (y1 - y0) / (x1 - x0) * (x - x0)
        }
        (one, after) => 0.5 * (ys[one] + ys[after - 1]),
    }
}

/// Not `f64::clamp`: -0.0 against 0.0 must not depend on how a device compares them.
fn clip(number: f64, low: f64, high: f64) -> f64 {
    match number {
        x if x < low => low,
        x if x > high => high,
        x => x,
    }
}

impl Encoding {
    fn features(&self) -> u64 {
        match self {
            Self::Chain { operations } if operations.iter().any(Operation::bends) => {
                features::LINES | features::TREES
            }
            Self::Chain { .. } => features::LINES,
            #[cfg(feature = "tables")]
            Self::Rows { columns, .. } => {
                let columns = columns.iter();
                columns.fold(features::TABLES, |all, block| {
                    all | block.0.encode.features()
                })
            }
            _ => 0,
        }
    }

    fn width(&self) -> usize {
        match self {
            Self::Plain | Self::Standardise { .. } | Self::Ordinal { .. } => 1,
            Self::Piecewise { edges } => edges.len().saturating_sub(1),
            Self::OneHot { categories } => *categories as usize,
            Self::Chain { operations } => match operations.last() {
                Some(Operation::OneHot { values }) => values.len(),
                _ => 1,
            },
            #[cfg(feature = "tables")]
            Self::Rows {
                columns,
                rows,
                mask,
                ..
            } => row_width(columns, *mask).saturating_mul(*rows as usize),
        }
    }
}

/// How many features a row has.
#[cfg(feature = "tables")]
fn row_width(columns: &[RowBlock], mask: bool) -> usize {
    let columns = columns.iter();
    columns.fold(mask.into(), |all: usize, block| {
        all.saturating_add(block.0.width())
    })
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
    /// For each field, where its cells start in the numbers; last, where they all end.
    #[cfg(feature = "tables")]
    cells: Vec<usize>,
    /// Features of the widest row.
    #[cfg(feature = "tables")]
    spare: usize,
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
            let mut of: Vec<Option<u16>> = column
                .operands()
                .into_iter()
                .map(|at| groups.get(usize::from(at)).copied())
                .collect();
            of.dedup();
            let [Some(group)] = of[..] else {
                return fault(format!(
                    "column {index} over earlier columns and fields of one group"
                ));
            };
            if column.is_joined() && !column.is_sound(fields) {
                return fault(format!(
                    "sound operations and a known norm in column {index}"
                ));
            }
            groups.push(group);
        }
        let mut placed = Vec::with_capacity(parts.blocks.len());
        let mut features = 0usize;
        #[cfg(feature = "tables")]
        let mut spare = 0;
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
            features = features.saturating_add(block.width());
            #[cfg(feature = "tables")]
            if let Encoding::Rows { columns, mask, .. } = &block.encode {
                spare = spare.max(row_width(columns, *mask));
            }
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
            #[cfg(feature = "tables")]
            cells: {
                let mut cells = vec![fields.len()];
                cells.extend(fields.iter().scan(fields.len(), |at, field| {
                    *at += field.kind.cells();
                    Some(*at)
                }));
                cells
            },
            #[cfg(feature = "tables")]
            spare,
        })
    }

    /// How many features a model gets.
    pub fn width(&self) -> usize {
        self.features
    }

    /// What they were made from.
    pub(crate) fn parts(&self) -> &TransformParts {
        &self.parts
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
        resolve(application, &mut numbers[..self.inputs()])?;
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

    /// How many numbers [`resolve`] gives: fields, then their cells.
    pub(crate) fn inputs(&self) -> usize {
        #[cfg(feature = "tables")]
        return self.cells[self.fields];
        #[cfg(not(feature = "tables"))]
        self.fields
    }

    /// Where the cells of a field lie among the numbers.
    #[cfg(feature = "tables")]
    pub(crate) fn cells(&self, field: usize) -> std::ops::Range<usize> {
        self.cells[field]..self.cells[field + 1]
    }

    /// How many numbers [`Transforms::run`] works over: fields, their cells, columns, and room for a
    /// row's features.
    pub(crate) fn sources(&self) -> usize {
        let sources = self.inputs() + self.parts.columns.len();
        #[cfg(feature = "tables")]
        let sources = sources + self.spare;
        sources
    }

    /// Where a source lies among the numbers.
    fn place(&self, source: u16) -> usize {
        let source = usize::from(source);
        match source < self.fields {
            true => source,
            false => source - self.fields + self.inputs(),
        }
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
                let at = |source| numbers[self.place(source)];
                numbers[self.inputs() + index] = column.value(at);
            }
        }
        for (block, &(group, start)) in self.parts.blocks.iter().zip(&self.placed) {
            if wanted(group) {
                let out = &mut features[start..start + block.width()];
                #[cfg(feature = "tables")]
                if let Encoding::Rows { .. } = block.encode {
                    self.write_rows(block, numbers, out);
                    continue;
                }
                block.write(numbers[self.place(block.source)], out);
            }
        }
    }

    /// The features of a block of rows.
    #[cfg(feature = "tables")]
    fn write_rows(&self, block: &Block, numbers: &mut [f64], out: &mut [f64]) {
        let Encoding::Rows {
            columns,
            rows,
            by_column,
            at_end,
            mask,
        } = &block.encode
        else {
            return;
        };
        let (rows, field) = (*rows as usize, usize::from(block.source));
        let (numbers, spare) = numbers.split_at_mut(numbers.len() - self.spare);
        let cells = &numbers[self.cells(field)];
        // NaN, of a field without a value, is none.
        let there = rows.min(numbers[field] as usize);
        let first = if *at_end { rows - there } else { 0 };
        let (stride, width) = (cells.len() / rows, row_width(columns, *mask));
        out.fill(0.0);
        for (row, cells) in cells.chunks_exact(stride).take(there).enumerate() {
            let mut to = 0;
            for RowBlock(block) in columns {
                let end = to + block.width();
                block.write(cells[usize::from(block.source)], &mut spare[to..end]);
                to = end;
            }
            if *mask {
                spare[to] = 1.0;
            }
            let row = first + row;
            for (at, &feature) in spare[..width].iter().enumerate() {
                let to = if *by_column {
                    at * rows + row
                } else {
                    row * width + at
                };
                out[to] = feature;
            }
        }
    }

    /// Whether every feature is a whole number of 1/1024 points, and so few of them that their
    /// sum with `bias` is exact in f32, in any order: below 2^24 of that unit.
    pub(crate) fn add_up_exactly(&self, bias: f32) -> bool {
        let size = |x: f64| match x * POINT as f64 {
            whole if whole as i64 as f64 == whole => whole.abs(),
            _ => f64::INFINITY,
        };
        let most = |block: &Block| {
            let Encoding::Chain { operations } = &block.encode else {
                return f64::INFINITY;
            };
            let table = |operation: &Operation| match operation {
                Operation::Lookup { values } | Operation::Bins { values, .. } => {
                    values.iter().map(|&x| size(x)).fold(0.0, f64::max)
                }
                Operation::Impute { value } => size(*value),
                _ => f64::INFINITY,
            };
            let chosen = matches!(
                operations.first(),
                Some(Operation::Lookup { .. } | Operation::Bins { .. })
            );
            match chosen && !block.missing_flag {
                true => operations.iter().map(table).fold(0.0, f64::max),
                false => f64::INFINITY,
            }
        };
        let all = self.parts.blocks.iter().map(most);
        all.fold(size(bias.into()), |sum, most| sum + most) < f64::from(1 << 24)
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
    /// What it reads: fields, or behind them earlier columns.
    pub fn operands(&self) -> Vec<u16> {
        match self {
            Self::Ratio(a, b) | Self::Difference(a, b) | Self::Share(a, b, _) => vec![*a, *b],
            Self::Sum(all) | Self::Norm(_, all) => all.clone(),
            Self::Made(source, _) => vec![*source],
        }
    }

    fn value(&self, at: impl Fn(u16) -> f64) -> f64 {
        match self {
            Self::Ratio(_, b) if at(*b) == 0.0 => f64::NAN,
            Self::Ratio(a, b) => at(*a) / at(*b),
            Self::Difference(a, b) => at(*a) - at(*b),
            Self::Sum(all) => all.iter().fold(0.0, |sum, &source| sum + at(source)),
            _ if !cfg!(feature = "trees") => f64::NAN,
            Self::Made(source, operations) => made(at(*source), operations),
            Self::Norm(kind, all) => {
                let start = match kind {
                    2 => f64::from(f32::MIN),
                    _ => 0.0,
                };
                let norm = all
                    .iter()
                    .fold(start, |norm, &source| match (kind, at(source)) {
                        (_, x) if x.is_nan() || norm.is_nan() => f64::NAN,
                        (0, x) => single(norm + x.abs()),
                        (1, x) => single(norm + single(x * x)),
                        (_, x) if x > norm => x,
                        _ => norm,
                    });
                if norm == 0.0 { 1.0 } else { norm }
            }
            Self::Share(a, b, squares) => {
                let (x, norm) = (at(*a), at(*b));
                match squares {
                    false => single(x / norm),
                    true => {
                        let root = single(single(single(x * x) / norm).sqrt());
                        if x < 0.0 { -root } else { root }
                    }
                }
            }
        }
    }

    /// Whether it is one of those that join what a model normalises.
    fn is_joined(&self) -> bool {
        matches!(self, Self::Made(..) | Self::Norm(..) | Self::Share(..))
    }

    /// Whether its operations and norm are sound.
    fn is_sound(&self, fields: &[Field]) -> bool {
        match self {
            Self::Made(source, operations) => {
                let hot = |operation: &Operation| matches!(operation, Operation::OneHot { .. });
                let field = fields.get(usize::from(*source));
                !operations.iter().any(hot) && is_chain(operations, categories(field))
            }
            Self::Norm(kind, all) => *kind <= 2 && !all.is_empty(),
            _ => true,
        }
    }
}

/// How many categories a field has.
fn categories(field: Option<&Field>) -> Option<usize> {
    field.and_then(|f| match &f.kind {
        FieldKind::Category { codes } => Some(codes.len()),
        FieldKind::Text { buckets } => Some(*buckets as usize),
        FieldKind::Boolean => Some(2),
        _ => None,
    })
}

/// Whether a chain over a field of so many categories is sound.
fn is_chain(operations: &[Operation], categories: Option<usize>) -> bool {
    let last = operations.len().wrapping_sub(1);
    let all = operations.iter().enumerate();
    operations.len() <= MAX_OPERATIONS
        && all.fold(true, |all, (at, one)| {
            all && one.is_sound(at == 0, at == last, categories)
        })
}

/// What a chain makes of a number.
fn made(number: f64, operations: &[Operation]) -> f64 {
    let all = operations.iter();
    all.fold(number, |number, operation| operation.apply(number))
}

/// Rounded to f32.
fn single(x: f64) -> f64 {
    f64::from(x as f32)
}

/// Whether these are a row's features, of a field that has so many rows.
#[cfg(feature = "tables")]
fn are_sound(columns: &[RowBlock], rows: usize, kind: &FieldKind) -> bool {
    let stride = kind.stride(columns.len());
    let sound = |RowBlock(block): &RowBlock| {
        let source = usize::from(block.source);
        let column = kind.columns().get(source).map(|column| &column.0);
        source < stride && block.impute.is_none_or(f64::is_finite) && block.is_sound(column)
    };
    (1..=MAX_TABLE).contains(&columns.len())
        && rows > 0
        && rows.checked_mul(stride) == Some(kind.cells())
        && columns.iter().all(sound)
}

impl Block {
    fn is_sound(&self, field: Option<&Field>) -> bool {
        let categories = categories(field);
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
            Encoding::Chain { operations } => {
                (self.clip, self.log) == (None, false)
                    && self.impute.is_none_or(f64::is_nan)
                    && is_chain(operations, categories)
            }
            #[cfg(feature = "tables")]
            Encoding::Rows { columns, rows, .. } => {
                let plain = (self.impute, self.clip, self.log, self.missing_flag);
                plain == (None, None, false, false)
                    && field.is_some_and(|field| are_sound(columns, *rows as usize, &field.kind))
            }
        };
        let clip = self
            .clip
            .is_none_or(|(low, high)| low.is_finite() && high.is_finite() && low <= high);
        encoding && clip && self.impute.is_none_or(|x| !x.is_infinite())
    }

    fn write(&self, number: f64, out: &mut [f64]) {
        let missing = number.is_nan();
        let number = match &self.encode {
            Encoding::Chain { operations } => made(number, operations),
            _ => number,
        };
        let (values, flag) = out.split_at_mut(self.encode.width());
        if let [flag] = flag {
            *flag = f64::from(u8::from(missing));
        }
        let number = match self.impute {
            Some(impute) if missing => impute,
            _ => number,
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
            (Encoding::Chain { operations }, values) => match operations.last() {
                Some(Operation::OneHot { values: table }) => {
                    for (value, own) in values.iter_mut().zip(table) {
                        *value = f64::from(u8::from(number == *own));
                    }
                }
                _ => values.fill(number),
            },
            (Encoding::Standardise { mean, deviation }, [value]) => {
                *value = (self.shape(number) - mean) / deviation;
            }
            (_, values) => values.fill(self.shape(number)),
        }
    }

    /// Clip, then log.
    fn shape(&self, number: f64) -> f64 {
        let x = match self.clip {
            Some((low, high)) => clip(number, low, high),
            None => number,
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

    fn chain(operations: Vec<Operation>) -> Block {
        Block {
            missing_flag: false,
            ..block(Encoding::Chain { operations })
        }
    }

    fn bins(edges: &[f64], values: &[f64]) -> Operation {
        Operation::Bins {
            edges: edges.to_vec(),
            values: values.to_vec(),
        }
    }

    #[test]
    fn chains_do_one_operation_after_another() {
        let impute = Operation::Impute { value: 7.0 };
        let points = chain(vec![
            bins(&[10.0, 20.0], &[-5.0, 0.25, 30.0]),
            impute.clone(),
        ]);
        let one = |number: f64| features(&points, number)[0];
        assert_eq!(
            [9.99, 10.0, 19.0, 20.0, 1e300, -1e300, f64::NAN].map(one),
            [-5.0, 0.25, 0.25, 30.0, 30.0, -5.0, 7.0]
        );
        // In f32 from the first operation on, as ONNX Runtime reckons.
        let affine = Operation::Affine {
            offset: f64::from(0.1f32),
            factor: f64::from(3.3f32),
        };
        let scaled = chain(vec![Operation::Single, affine]);
        for number in [0.7, 123_456.789, -0.3, 1e-30] {
            let own = (number as f32 - 0.1) * 3.3;
            assert_eq!(features(&scaled, number), [f64::from(own)]);
        }
        let clip = Operation::Clip {
            low: -1.0,
            high: 1.0,
        };
        assert_eq!(features(&chain(vec![clip]), 4.0), [1.0]);
        let lookup = Operation::Lookup {
            values: vec![2.0, 5.0],
        };
        let hot = Operation::OneHot {
            values: vec![5.0, 7.0, 2.0],
        };
        let words = chain(vec![lookup.clone(), hot.clone()]);
        assert_eq!(features(&words, 0.0), [0.0, 0.0, 1.0]);
        assert_eq!(features(&words, 1.0), [1.0, 0.0, 0.0]);
        assert_eq!(features(&words, f64::NAN), [0.0; 3]);
        // An index that no category has is as good as missing.
        assert_eq!(features(&chain(vec![lookup, impute]), 9.0), [7.0]);
        assert_eq!(features(&chain(Vec::new()), f64::NAN), [0.0]);
    }

    #[test]
    fn chains_that_are_not_sound_are_refused() {
        let word = Field {
            name: "f".to_owned(),
            kind: FieldKind::Category {
                codes: vec!["a".to_owned(), "b".to_owned()],
            },
            unit: String::new(),
            range: None,
            missing: crate::schema::Answer::Accept,
            out_of_range: crate::schema::Answer::Accept,
            unknown: crate::schema::Answer::Accept,
            sensitivity: crate::schema::Sensitivity::Ordinary,
            changeable: false,
            reason_code: "R".to_owned(),
            group: 0,
            change: None,
        };
        let sound = |operations: Vec<Operation>| chain(operations).is_sound(Some(&word));
        let lookup = |count: usize| Operation::Lookup {
            values: vec![1.0; count],
        };
        let hot = |values: Vec<f64>| Operation::OneHot { values };
        assert!(sound(vec![
            lookup(2),
            bins(&[1.0], &[0.0, 1.0]),
            hot(vec![0.0])
        ]));
        assert!(sound(vec![bins(&[], &[3.0])]) && sound(vec![Operation::Single; 16]));
        let clip = |low, high| Operation::Clip { low, high };
        for operations in [
            vec![Operation::Single; 17],
            vec![lookup(3)],
            vec![Operation::Single, lookup(2)],
            vec![hot(vec![1.0]), Operation::Single],
            vec![hot(Vec::new())],
            vec![hot(vec![1.0; MAX_TABLE + 1])],
            vec![hot(vec![f64::NAN])],
            vec![bins(&[1.0], &[0.0])],
            vec![bins(&[1.0, 1.0], &[0.0; 3])],
            vec![bins(&[2.0, 1.0], &[0.0; 3])],
            vec![bins(&[f64::INFINITY], &[0.0; 2])],
            vec![bins(&[0.0], &[0.0, f64::NAN])],
            vec![clip(1.0, 0.0)],
            vec![clip(f64::NAN, 0.0)],
            vec![Operation::Impute { value: f64::NAN }],
            vec![Operation::Affine {
                offset: 0.0,
                factor: f64::INFINITY,
            }],
        ] {
            assert!(!sound(operations.clone()), "{operations:?}");
        }
        for spoil in [
            (|b: &mut Block| b.impute = Some(0.0)) as fn(&mut Block),
            |b| b.clip = Some((0.0, 1.0)),
            |b| b.log = true,
        ] {
            let mut block = chain(Vec::new());
            assert!(block.is_sound(Some(&word)));
            spoil(&mut block);
            assert!(!block.is_sound(Some(&word)));
        }
        assert!(!chain(vec![lookup(2)]).is_sound(None));
    }

    #[test]
    fn a_missing_value_passes_a_chain_where_it_is_to_stay_missing() {
        let affine = Operation::Affine {
            offset: 1.0,
            factor: 2.0,
        };
        let mut kept = chain(vec![Operation::Single, affine]);
        assert_eq!(features(&kept, f64::NAN), [0.0]);
        kept.impute = Some(f64::NAN);
        assert!(kept.is_sound(None));
        assert!(features(&kept, f64::NAN)[0].is_nan());
        assert_eq!(features(&kept, 3.0), [4.0]);
    }

    fn of<const N: usize>(column: &Column, numbers: [f64; N]) -> f64 {
        column.value(|at| numbers[usize::from(at)])
    }

    #[test]
    fn columns_are_missing_where_an_operand_is() {
        assert!(of(&Column::Ratio(0, 1), [1.0, 0.0]).is_nan());
        assert!(of(&Column::Sum(vec![0, 1]), [1.0, f64::NAN]).is_nan());
        assert_eq!(of(&Column::Difference(0, 1), [5.0, 2.0]), 3.0);
        assert_eq!(of(&Column::Ratio(0, 1), [5.0, 2.0]), 2.5);
    }

    #[cfg(feature = "trees")]
    #[test]
    fn powers_and_lines_through_points() {
        let power = |lambda: f64, x: f64| Operation::Power { lambda }.apply(x);
        let single = |x: f64| f64::from(x as f32);
        assert_eq!(power(2.0, 3.0), 7.5);
        assert_eq!(power(0.0, 3.0), single(4.0f64.ln()));
        assert_eq!(power(2.0, -3.0), -single(4.0f64.ln()));
        assert_eq!(power(0.0, -3.0), -7.5);
        assert_eq!(power(1.0, 0.0), 0.0);
        let line = Operation::Interpolate {
            xs: vec![0.0, 0.0, 2.0, 4.0, 4.0, 8.0],
            ys: vec![0.0, 0.1, 0.25, 0.5, 0.75, 1.0],
        };
        let numbers = [-1.0, 0.0, 3.0, 4.0, 6.0, 8.0, 9.0].map(|x| line.apply(x));
        assert_eq!(numbers, [0.0, 0.0, 0.375, 0.625, 0.875, 1.0, 1.0]);
        assert!(line.apply(f64::NAN).is_nan() && line.is_sound(true, true, None));
        let points = |xs: &[f64], ys: &[f64]| Operation::Interpolate {
            xs: xs.to_vec(),
            ys: ys.to_vec(),
        };
        for operation in [
            points(&[1.0, 0.0], &[0.0, 1.0]),
            points(&[1.0], &[0.0, 1.0]),
            points(&[f64::NAN], &[0.0]),
            points(&[0.0], &[f64::INFINITY]),
            Operation::Power { lambda: f64::NAN },
        ] {
            assert!(!operation.is_sound(true, true, None), "{operation:?}");
        }
        let parts = TransformParts {
            columns: Vec::new(),
            blocks: vec![chain(vec![line])],
        };
        assert_eq!(parts.features(), features::LINES | features::TREES);
    }

    #[cfg(feature = "trees")]
    #[test]
    fn norms_are_those_of_onnx_runtime() {
        let all = vec![0, 1, 2];
        let norm = |kind: u32, numbers: [f64; 3]| of(&Column::Norm(kind, all.clone()), numbers);
        assert_eq!(norm(0, [3.0, -4.0, 5.0]), 12.0);
        assert_eq!(norm(1, [3.0, -4.0, 5.0]), 50.0);
        // The greatest number, not the greatest magnitude.
        assert_eq!(norm(2, [3.0, -4.0, 2.0]), 3.0);
        assert_eq!([0, 1, 2].map(|kind| norm(kind, [0.0; 3])), [1.0; 3]);
        assert!((0..3).all(|kind| norm(kind, [1.0, f64::NAN, 2.0]).is_nan()));
        assert_eq!(of(&Column::Share(0, 1, false), [-3.0, 12.0]), -0.25);
        let root = f64::from((9.0f32 / 50.0).sqrt());
        assert_eq!(of(&Column::Share(0, 1, true), [-3.0, 50.0]), -root);
        let made = Column::Made(0, vec![Operation::Impute { value: 7.0 }]);
        assert_eq!(of(&made, [f64::NAN]), 7.0);
        let sound = |column: Column| column.is_sound(&[]);
        assert!(sound(made) && sound(Column::Norm(2, vec![0])));
        assert!(!sound(Column::Norm(3, vec![0])) && !sound(Column::Norm(0, Vec::new())));
        let hot = Operation::OneHot { values: vec![1.0] };
        assert!(!sound(Column::Made(0, vec![hot])));
        assert!(!sound(Column::Made(
            0,
            vec![Operation::Lookup { values: vec![1.0] }]
        )));
    }

    #[cfg(feature = "trees")]
    #[test]
    fn norms_ask_for_the_feature_bit() {
        let parts = |columns: Vec<Column>| TransformParts {
            columns,
            blocks: vec![block(Encoding::Plain)],
        };
        assert_eq!(parts(vec![Column::Sum(vec![0])]).features(), 0);
        let norm = parts(vec![Column::Norm(0, vec![0])]);
        assert_eq!(norm.features(), features::TREES);
    }
}

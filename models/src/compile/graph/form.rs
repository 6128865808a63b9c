//! How the bytes lie that an int8 dense step of a graph reads: values one behind the other, so that the
//! innermost sum runs over neighbours.

use fieldscore_runtime::kernels::DEPTH;
use fieldscore_runtime::plan::{Axis, Nest};

use super::emit::REPEATED;

/// Axes that a step has.
const AXES: usize = 6;

/// One step's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    /// How f32 become bytes: rows of `channels`, or of values that share a code.
    pub quantise: Nest,
    /// How many bytes.
    pub len: usize,
    /// Values that have codes of their own.
    pub channels: usize,
    /// The channel of each element of a sum, in the order of the float panels.
    pub channel: Vec<usize>,
    /// The sums over bytes.
    pub dense: Nest,
    /// For each element of a sum in the bytes' order, padding included, its place in the float panels'.
    pub order: Vec<Option<usize>>,
}

/// An axis in the places that an operand has.
const fn axis(count: usize, left: i64, output: i64) -> Option<Axis> {
    // Everything lies in buffers of at most 2^20 bytes.
    if count > i32::MAX as usize || left > i32::MAX as i64 || output > i32::MAX as i64 {
        return None;
    }
    Some(Axis {
        count: count as u32,
        left: left as i32,
        right: 0,
        output: output as i32,
    })
}

/// The nest of axes, ones before them.
fn nest(axes: &[Axis], inner: usize, start: [u32; 3]) -> Option<Nest> {
    let mut all = [axis(1, 0, 0)?; AXES];
    all.get_mut(AXES.checked_sub(axes.len())?..)?
        .copy_from_slice(axes);
    Some(Nest {
        inner: inner as u8,
        start,
        axes: all,
    })
}

const fn divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { divisor(b, a % b) }
}

/// What a step's left operand is made of: the axis that sums run over innermost, and all others.
struct Operand<'n> {
    nest: &'n Nest,
    /// Which axis.
    run: usize,
    /// The least element that is read.
    low: i64,
    /// From that to the greatest, with the run left out.
    reach: i64,
}

impl<'n> Operand<'n> {
    fn new(nest: &'n Nest, run: usize) -> Option<Self> {
        let start = i64::from(nest.start[0]);
        let (mut low, mut high) = (start, start);
        for (at, axis) in nest.axes.iter().enumerate().filter(|(at, _)| *at != run) {
            let far = i64::from(axis.left) * (i64::from(axis.count) - 1);
            // Sums run upwards: bytes have no other order.
            if far < 0 && at >= AXES - usize::from(nest.inner) {
                return None;
            }
            (low, high) = (low + far.min(0), high + far.max(0));
        }
        Some(Self {
            nest,
            run,
            low,
            reach: high - low,
        })
    }

    fn count(&self) -> usize {
        self.nest.axes[self.run].count as usize
    }

    /// Rows of the run's values, neighbours already: each `apart` from the one before.
    fn rows(&self, apart: u64) -> Option<Form> {
        let (run, apart) = (self.count() as i64, apart as i64);
        let rows = (self.reach / apart + 1) as usize;
        let axes = [axis(rows, apart, run)?, axis(run as usize, 1, 1)?];
        self.form(&axes, rows * run as usize, run as usize, |left| {
            left / apart * run
        })
    }

    /// As they lie, overlapping: all have one code.
    fn overlapping(&self) -> Option<Form> {
        let len = self.reach as usize + self.count();
        let width = (1..=len.min(REPEATED))
            .rev()
            .find(|width| len.is_multiple_of(*width))?;
        let axes = [
            axis(len / width, width as i64, width as i64)?,
            axis(width, 1, 1)?,
        ];
        self.form(&axes, len, 1, |left| left)
    }

    /// The run's values brought together: they lie further apart than all others reach.
    fn turned(&self) -> Option<Form> {
        let (apart, run) = (
            i64::from(self.nest.axes[self.run].left),
            self.count() as i64,
        );
        let rows = self.reach as usize + 1;
        let axes = [axis(rows, 1, run)?, axis(run as usize, apart, 1)?];
        self.form(&axes, rows * run as usize, run as usize, |left| left * run)
    }

    fn form(
        &self,
        quantise: &[Axis],
        len: usize,
        channels: usize,
        place: impl Fn(i64) -> i64,
    ) -> Option<Form> {
        let low = u32::try_from(self.low).ok()?;
        let split = AXES - usize::from(self.nest.inner);
        let (outer, inner) = self.nest.axes.split_at(split);
        let moved = |axis: &Axis| {
            Some(Axis {
                left: i32::try_from(place(i64::from(axis.left))).ok()?,
                ..*axis
            })
        };
        let outer: Option<Vec<Axis>> = outer.iter().map(moved).collect();
        let (mut outer, run) = (outer?, self.run - split);
        let others: Vec<usize> = (0..inner.len()).filter(|at| *at != run).collect();
        for at in &others {
            outer.push(moved(&inner[*at])?);
        }
        outer.push(Axis {
            left: 1,
            ..inner[run]
        });
        // Places in the float panels of what lies along each inner axis.
        let mut strides = vec![1; inner.len()];
        for at in (1..inner.len()).rev() {
            strides[at - 1] = strides[at] * inner[at].count as usize;
        }
        let mut starts = vec![0];
        for at in others {
            let (count, stride) = (inner[at].count as usize, strides[at]);
            let next = |base: usize| (0..count).map(move |i| base + i * stride);
            starts = starts.into_iter().flat_map(next).collect();
        }
        let depth = starts.len() * self.count();
        let mut channel = vec![0; depth];
        let mut order = Vec::new();
        for start in starts {
            for i in 0..self.count().next_multiple_of(DEPTH) {
                let at = (i < self.count()).then_some(start + i * strides[run]);
                if let Some(at) = at.filter(|_| channels > 1) {
                    channel[at] = i;
                }
                order.push(at);
            }
        }
        let start = place(i64::from(self.nest.start[0]) - self.low);
        let start = [u32::try_from(start).ok()?, 0, self.nest.start[2]];
        let dense = Nest {
            inner: self.nest.inner,
            start,
            axes: outer.try_into().ok()?,
        };
        Some(Form {
            quantise: nest(quantise, 0, [low, 0, 0])?,
            len,
            channels,
            channel,
            dense,
            order,
        })
    }
}

impl Form {
    /// Of a dense step in f32; `None` where its sums run over nothing that could be neighbours.
    pub fn new(nest: &Nest) -> Option<Self> {
        let split = AXES - usize::from(nest.inner);
        // Each output reads the same values: not so where channels go by themselves.
        let last = nest.axes.get(split.checked_sub(1)?)?;
        if last.left != 0 && last.count > 1 {
            return None;
        }
        let runs = (split..AXES).filter(|&run| nest.axes[run].count > 1);
        let forms = runs.filter_map(|run| Self::over(nest, run));
        forms.min_by_key(|form| form.order.len())
    }

    /// With sums that run along one of the axes innermost.
    fn over(nest: &Nest, run: usize) -> Option<Self> {
        let operand = Operand::new(nest, run)?;
        let axis = nest.axes[run];
        let others = nest.axes.iter().enumerate().filter(|(at, _)| *at != run);
        let apart = others.fold(0, |apart, (_, axis)| {
            let left = if axis.count > 1 { axis.left } else { 0 };
            divisor(apart, u64::from(left.unsigned_abs()))
        });
        let apart = if apart == 0 {
            u64::from(axis.count)
        } else {
            apart
        };
        match axis.left {
            1 if apart >= u64::from(axis.count) => operand.rows(apart),
            1 => operand.overlapping(),
            left if i64::from(left) > operand.reach => operand.turned(),
            _ => None,
        }
    }

    /// Elements of a sum, and outputs.
    pub fn shape(&self) -> [usize; 2] {
        let outputs = self.dense.axes[AXES - usize::from(self.dense.inner) - 1].count;
        [self.channel.len(), outputs as usize]
    }
}

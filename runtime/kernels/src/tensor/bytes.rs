//! int8 in nets of any shape: values that become bytes, and sums of products over bytes, through strides.

#[cfg(test)]
mod tests;

use super::{At, Axis, Nest, Places};
use crate::arch::gather::{Block, Gather, PANELS, PLACES, Results, Taps};
use crate::arch::scalar::quantised;
use crate::{Kernels, LANES, Requantise, Shape, panel_bytes};

/// `zero + round(clamp(x · factor + offset, low − zero, high − zero))`, with a factor and an offset for each element of the last
/// outer axis: `constants` are the factors, then the offsets.
pub fn quantise(
    kernels: &Kernels,
    nest: &Nest,
    constants: &[u8],
    to: Requantise,
    input: &[f32],
    output: &mut [u8],
) {
    let last = &nest.last;
    let width = last.count;
    let own = Requantise {
        zero: 0,
        low: 0,
        high: 127,
    };
    if to == own && last.left == 1 && last.output == 1 {
        let mut rows = |axes, rows: &Axis, start| {
            for at in Places::new(axes, start) {
                let shape = Shape {
                    rows: rows.count,
                    inputs: width,
                    outputs: width,
                    input_stride: rows.left as usize,
                    output_stride: rows.output as usize,
                    wide: false,
                };
                (kernels.quantise)(
                    shape,
                    constants,
                    &input[at.left..],
                    &mut output[at.output..],
                );
            }
        };
        return match nest.outer.split_last() {
            Some((axis, axes)) if axis.left >= 0 && axis.output >= 0 => {
                rows(axes, axis, nest.start);
            }
            _ => rows(&nest.outer, &Axis::ONE, nest.start),
        };
    }
    let (factors, offsets) = constants.split_at(width * 4);
    // One number for all: rows are the same, and one is made.
    let one = last.left == 0 && last.output == 1 && nest.outer.iter().all(|axis| axis.left == 0);
    for at in Places::new(&nest.outer, nest.start) {
        if one && at != nest.start {
            let first = nest.start.output;
            output.copy_within(first..first + width, at.output);
            continue;
        }
        for (i, (factor, offset)) in floats(factors).zip(floats(offsets)).enumerate() {
            let at = at.step(last, i);
            output[at.output] = quantised(input[at.left], factor, offset, to);
        }
    }
}

/// `(q − zero) · factor`, with a factor for each element of the last outer axis.
pub fn dequantise(nest: &Nest, factors: &[u8], zero: u8, input: &[u8], output: &mut [f32]) {
    for at in Places::new(&nest.outer, nest.start) {
        for (i, factor) in floats(factors).enumerate() {
            let at = at.step(&nest.last, i);
            let q = i32::from(input[at.left]) - i32::from(zero);
            output[at.output] = q as f32 * factor;
        }
    }
}

/// Little-endian f32.
fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    let all = bytes.as_chunks().0.iter();
    all.map(|&float| f32::from_le_bytes(float))
}

/// A dense step over bytes: its nest, the places of a sum's bytes, and panels as
/// [`crate::pack_dense_i8`] packs them, each run padded.
#[derive(Debug, Clone, Copy)]
pub struct Dense<'a> {
    /// Outer axes: positions, then outputs.
    pub nest: &'a Nest,
    /// Of the inner axes.
    pub taps: &'a Taps,
    /// A panel for 16 outputs.
    pub panels: &'a [u8],
    /// Whether input bytes may exceed 127.
    pub wide: bool,
}

impl Dense<'_> {
    /// To bytes.
    pub fn to_u8(self, kernels: &Kernels, to: Requantise, input: &[u8], output: &mut [u8]) {
        let Gather { to_u8, .. } = kernels.gather;
        self.run(input, output, |block, results| to_u8(block, to, results));
    }

    /// To f32; negative results become 0 where `relu` says so.
    pub fn to_f32(self, kernels: &Kernels, relu: bool, input: &[u8], output: &mut [f32]) {
        let Gather { to_f32, .. } = kernels.gather;
        self.run(input, output, |block, results| to_f32(block, relu, results));
    }

    fn run<T: Copy + Default>(
        self,
        input: &[u8],
        output: &mut [T],
        mut kernel: impl FnMut(&Block<'_>, &mut Results<T>),
    ) {
        let mut results = [[T::default(); LANES]; PANELS * PLACES];
        let mut places = [0; PLACES];
        let mut outputs = [0; PLACES];
        let mut count = 0;
        let mut flush = |places: &[usize], outputs: &[usize]| {
            let group = PANELS * panel_bytes(self.taps.depth());
            for (g, panels) in self.panels.chunks(group).enumerate() {
                let block = Block::new(self.taps, input, places, panels, self.wide);
                kernel(&block, &mut results);
                let first = g * PANELS * LANES;
                let wide = (PANELS * LANES).min(self.nest.last.count - first);
                for (r, &at) in outputs.iter().enumerate() {
                    for p in 0..wide.div_ceil(LANES) {
                        let values = &results[p * PLACES + r][..LANES.min(wide - p * LANES)];
                        self.write(values, at, first + p * LANES, output);
                    }
                }
            }
        };
        for at in Places::new(&self.nest.outer, self.nest.start) {
            (places[count], outputs[count]) = (at.left, at.output);
            count += 1;
            if count == PLACES {
                flush(&places, &outputs);
                count = 0;
            }
        }
        if count > 0 {
            flush(&places[..count], &outputs[..count]);
        }
    }

    /// Writes values along the last outer axis, from its element `first` on.
    #[inline(always)]
    fn write<T: Copy>(&self, values: &[T], at: usize, first: usize, output: &mut [T]) {
        let axis = &self.nest.last;
        let start = At {
            left: 0,
            right: 0,
            output: at,
        };
        let at = start.step(axis, first);
        if axis.output == 1 {
            output[at.output..][..values.len()].copy_from_slice(values);
            return;
        }
        for (i, value) in values.iter().enumerate() {
            output[at.step(axis, i).output] = *value;
        }
    }
}

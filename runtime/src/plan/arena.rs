//! The one piece of memory that a plan works in: for every buffer its rows lie one after another.

use std::ops::Range;

use crate::memory::{LINE, Line, wipe};
use crate::plan::program::{Buffer, ElementType};

/// Where a buffer lies in one row's arena, in units of 64 bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    start: usize,
    end: usize,
}

impl Place {
    pub(crate) const fn of(buffer: &Buffer) -> Self {
        let start = buffer.offset as usize / LINE;
        Self {
            start,
            end: start + buffer.row_bytes() / LINE,
        }
    }

    /// Lines that one row of it takes.
    pub(super) const fn lines(&self) -> usize {
        self.end - self.start
    }
}

/// Memory for some rows of a model's buffers.
pub struct Arena {
    lines: Vec<Line>,
    rows: usize,
}

impl Arena {
    pub(crate) fn new(bytes_per_row: usize, rows: usize) -> Self {
        let lines = bytes_per_row.div_ceil(LINE) * rows;
        Self {
            lines: vec![Line([0; LINE]); lines],
            rows,
        }
    }

    /// How many rows fit.
    pub fn rows(&self) -> usize {
        self.rows
    }

    fn range(&self, place: &Place) -> Range<usize> {
        place.start * self.rows..place.end * self.rows
    }

    /// One row of a buffer.
    pub(super) fn row(&mut self, place: &Place, row: usize) -> &mut [Line] {
        let start = place.start * self.rows + row * place.lines();
        &mut self.lines[start..start + place.lines()]
    }

    /// The bytes of two buffers that validation has found not to overlap.
    pub(crate) fn two(&mut self, input: &Place, output: &Place) -> (&[u8], &mut [u8]) {
        let ranges = [self.range(input), self.range(output)];
        match self.lines.get_disjoint_mut(ranges) {
            Ok([input, output]) => (
                bytemuck::cast_slice(input),
                bytemuck::cast_slice_mut(output),
            ),
            // Validation excludes this; empty slices make a broken promise visible, not unsafe.
            Err(_) => (&[], &mut []),
        }
    }

    /// As [`Self::two`], with two inputs; the second may be the first.
    #[cfg(feature = "tensors")]
    pub(crate) fn three(
        &mut self,
        left: &Place,
        right: &Place,
        output: &Place,
    ) -> (&[f32], &[f32], &mut [f32]) {
        if left.start == right.start {
            let (left, output) = self.two(left, output);
            let left = bytemuck::cast_slice(left);
            return (left, left, bytemuck::cast_slice_mut(output));
        }
        let ranges = [self.range(left), self.range(right), self.range(output)];
        match self.lines.get_disjoint_mut(ranges) {
            Ok([left, right, output]) => (
                bytemuck::cast_slice(left),
                bytemuck::cast_slice(right),
                bytemuck::cast_slice_mut(output),
            ),
            // As in `two`.
            Err(_) => (&[], &[], &mut []),
        }
    }

    /// Row `row` of an f32 buffer, to be filled in by the caller.
    #[inline]
    pub fn input(&mut self, buffer: &Buffer, row: usize) -> &mut [f32] {
        let range = self.range(&Place::of(buffer));
        let all: &mut [f32] = bytemuck::cast_slice_mut(&mut self.lines[range]);
        &mut all[row * buffer.stride()..][..buffer.len as usize]
    }

    /// Row `row` of an f32 buffer.
    #[inline]
    pub fn output(&self, buffer: &Buffer, row: usize) -> &[f32] {
        let all: &[f32] = bytemuck::cast_slice(&self.lines[self.range(&Place::of(buffer))]);
        &all[row * buffer.stride()..][..buffer.len as usize]
    }

    /// Writes numbers into row `row` of a buffer of floats, from element `start` on; an f32 buffer
    /// gets them rounded. What the buffer has no room for is left out.
    #[inline]
    pub fn write(&mut self, buffer: &Buffer, row: usize, start: usize, values: &[f64]) {
        let range = self.range(&Place::of(buffer));
        let lines = &mut self.lines[range];
        let at = row * buffer.stride() + start;
        if buffer.element == ElementType::F64 {
            let all: &mut [f64] = bytemuck::cast_slice_mut(lines);
            for (to, from) in all[at..].iter_mut().zip(values) {
                *to = *from;
            }
        } else {
            let all: &mut [f32] = bytemuck::cast_slice_mut(lines);
            for (to, from) in all[at..].iter_mut().zip(values) {
                *to = *from as f32;
            }
        }
    }

    /// Element `index` of row `row` of a buffer of floats.
    #[inline]
    pub fn number(&self, buffer: &Buffer, row: usize, index: usize) -> f64 {
        let lines = &self.lines[self.range(&Place::of(buffer))];
        let at = row * buffer.stride() + index;
        match buffer.element {
            ElementType::F64 => bytemuck::cast_slice(lines)[at],
            _ => f64::from(bytemuck::cast_slice::<Line, f32>(lines)[at]),
        }
    }

    /// Zeroes every byte.
    pub fn zeroize(&mut self) {
        wipe(&mut self.lines, Line([0; LINE]));
    }
}

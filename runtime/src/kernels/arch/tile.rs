//! What the vector paths share: checked lengths, the walk over tiles, the two dense kernels.

use crate::kernels::{DEPTH, LANES, Shape, panel_bytes};

/// What a kernel call works on, with every length checked: pointers from here on stay inside.
pub struct Checked<'a> {
    /// The call's shape.
    pub shape: Shape,
    /// Panels of weights.
    pub panels: &'a [u8],
    /// Rows of input bytes.
    pub input: &'a [u8],
    /// Inputs rounded up to [`DEPTH`].
    pub padded: usize,
    /// Bytes of one panel.
    pub panel_bytes: usize,
    count: usize,
}

impl<'a> Checked<'a> {
    /// Panics, as slicing would, where the slices are shorter than the shape says: validation has
    /// excluded it.
    pub fn new(shape: Shape, panels: &'a [u8], input: &'a [u8], output: usize) -> Self {
        let padded = shape.inputs.next_multiple_of(DEPTH);
        let count = shape.outputs.div_ceil(LANES);
        let last = shape.rows.saturating_sub(1);
        assert!(
            shape.rows > 0
                && padded <= shape.input_stride
                && count * LANES <= shape.output_stride
                && panels.len() >= count * panel_bytes(shape.inputs)
                && input.len() >= last * shape.input_stride + padded
                && output >= last * shape.output_stride + count * LANES
        );
        Self {
            shape,
            panels,
            input,
            padded,
            panel_bytes: panel_bytes(shape.inputs),
            count,
        }
    }

    /// Calls `tile(first panel, panels, first row, rows)` over all panels and rows. One row is
    /// served with several panels at a time and several rows with one, so that there are enough
    /// independent sums to hide the multiply's latency.
    pub fn tiles(&self, mut tile: impl FnMut(usize, usize, usize, usize)) {
        let rows = self.shape.rows;
        let mut row = 0;
        while rows - row >= 4 {
            (0..self.count).for_each(|panel| tile(panel, 1, row, 4));
            row += 4;
        }
        while row < rows {
            let mut panel = 0;
            while self.count - panel >= 4 {
                tile(panel, 4, row, 1);
                panel += 4;
            }
            if self.count - panel >= 2 {
                tile(panel, 2, row, 1);
                panel += 2;
            }
            if panel < self.count {
                tile(panel, 1, row, 1);
            }
            row += 1;
        }
    }
}

/// Stamps out the two dense kernels of one instruction set. The vector module that it is used in
/// supplies `Acc` (16 i32), `zero`, `step` (adds one group of four inputs), `finish_u8` and
/// `finish_f32`.
macro_rules! dense {
    (#[$enable:meta], $wide:expr) => {
        #[$enable]
        fn sums<const P: usize, const R: usize, const WIDE: bool>(
            c: &Checked<'_>,
            panel: usize,
            row: usize,
        ) -> [[Acc; R]; P] {
            let mut acc = [[zero(); R]; P];
            for k in (0..c.padded).step_by(DEPTH) {
                let mut x = [0i32; R];
                for (r, x) in x.iter_mut().enumerate() {
                    // SAFETY: row + r is one of the rows, and k + 4 is at most the padded inputs:
                    // Checked has proved that these bytes exist.
                    *x = unsafe {
                        let at = (row + r) * c.shape.input_stride + k;
                        c.input.as_ptr().add(at).cast::<i32>().read_unaligned()
                    };
                }
                for (p, acc) in acc.iter_mut().enumerate() {
                    // SAFETY: panel + p is one of the panels, and the group's 64 bytes of weights
                    // lie behind its 64 bytes of bias.
                    let w = unsafe {
                        c.panels
                            .as_ptr()
                            .add((panel + p) * c.panel_bytes + LANES * 4 + k * LANES)
                    };
                    for (acc, &x) in acc.iter_mut().zip(&x) {
                        // SAFETY: `w` points at 64 readable bytes.
                        *acc = unsafe { step::<WIDE>(*acc, x, w) };
                    }
                }
            }
            acc
        }

        #[$enable]
        fn tile_u8<const P: usize, const R: usize, const WIDE: bool>(
            c: &Checked<'_>,
            panel: usize,
            row: usize,
            to: Requantise,
            output: &mut [u8],
        ) {
            let acc = sums::<P, R, WIDE>(c, panel, row);
            for (p, acc) in acc.into_iter().enumerate() {
                for (r, acc) in acc.into_iter().enumerate() {
                    let at = (row + r) * c.shape.output_stride + (panel + p) * LANES;
                    let bytes = &c.panels[(panel + p) * c.panel_bytes..][..c.panel_bytes];
                    finish_u8(acc, bytes, to, &mut output[at..at + LANES]);
                }
            }
        }

        #[$enable]
        fn tile_f32<const P: usize, const R: usize, const WIDE: bool>(
            c: &Checked<'_>,
            panel: usize,
            row: usize,
            relu: bool,
            output: &mut [f32],
        ) {
            let acc = sums::<P, R, WIDE>(c, panel, row);
            for (p, acc) in acc.into_iter().enumerate() {
                for (r, acc) in acc.into_iter().enumerate() {
                    let at = (row + r) * c.shape.output_stride + (panel + p) * LANES;
                    let bytes = &c.panels[(panel + p) * c.panel_bytes..][..c.panel_bytes];
                    finish_f32(acc, bytes, relu, &mut output[at..at + LANES]);
                }
            }
        }

        /// int8 dense to bytes; only reached through the constructor that checks the processor.
        pub fn dense_u8(
            shape: Shape,
            panels: &[u8],
            input: &[u8],
            to: Requantise,
            output: &mut [u8],
        ) {
            let c = Checked::new(shape, panels, input, output.len());
            c.tiles(|panel, count, row, rows| {
                // SAFETY: the constructor has checked that the processor has these features.
                unsafe {
                    match (count, rows, shape.wide && $wide) {
                        (4, _, false) => tile_u8::<4, 1, false>(&c, panel, row, to, output),
                        (2, _, false) => tile_u8::<2, 1, false>(&c, panel, row, to, output),
                        (_, 4, false) => tile_u8::<1, 4, false>(&c, panel, row, to, output),
                        (_, _, false) => tile_u8::<1, 1, false>(&c, panel, row, to, output),
                        (4, _, true) => tile_u8::<4, 1, true>(&c, panel, row, to, output),
                        (2, _, true) => tile_u8::<2, 1, true>(&c, panel, row, to, output),
                        (_, 4, true) => tile_u8::<1, 4, true>(&c, panel, row, to, output),
                        (_, _, true) => tile_u8::<1, 1, true>(&c, panel, row, to, output),
                    }
                }
            });
        }

        /// int8 dense to f32; only reached through the constructor that checks the processor.
        pub fn dense_f32(
            shape: Shape,
            panels: &[u8],
            input: &[u8],
            relu: bool,
            output: &mut [f32],
        ) {
            let c = Checked::new(shape, panels, input, output.len());
            c.tiles(|panel, count, row, rows| {
                // SAFETY: the constructor has checked that the processor has these features.
                unsafe {
                    match (count, rows, shape.wide && $wide) {
                        (4, _, false) => tile_f32::<4, 1, false>(&c, panel, row, relu, output),
                        (2, _, false) => tile_f32::<2, 1, false>(&c, panel, row, relu, output),
                        (_, 4, false) => tile_f32::<1, 4, false>(&c, panel, row, relu, output),
                        (_, _, false) => tile_f32::<1, 1, false>(&c, panel, row, relu, output),
                        (4, _, true) => tile_f32::<4, 1, true>(&c, panel, row, relu, output),
                        (2, _, true) => tile_f32::<2, 1, true>(&c, panel, row, relu, output),
                        (_, 4, true) => tile_f32::<1, 4, true>(&c, panel, row, relu, output),
                        (_, _, true) => tile_f32::<1, 1, true>(&c, panel, row, relu, output),
                    }
                }
            });
        }
    };
}

pub(super) use dense;

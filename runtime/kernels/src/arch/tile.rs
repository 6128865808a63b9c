//! What the vector paths share: checked lengths, the walk over tiles, the two dense kernels.

use crate::{DEPTH, LANES, Shape, panel_bytes};

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
    /// How many panels.
    pub count: usize,
}

impl<'a> Checked<'a> {
    /// Panics, as slicing would, where the slices are shorter than the shape says: validation has
    /// excluded it.
    #[inline]
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
}

/// Stamps out the two dense kernels of one instruction set. The vector module that it is used in
/// supplies `Acc` (16 i32), `zero`, `add`, `load`, `store`, `step` (adds one group of four inputs),
/// `finish_u8` and `finish_f32`.
///
/// `block` is how many rows and panels several rows are served with: their sums fit the registers.
/// `single` is how many panels one row is served with, and how many sums each of them has, which the
/// inputs are dealt to; fewer panels have more. So there are always enough independent sums to hide
/// the multiply's latency: integers add up to the same in any order. The first attribute enables the
/// instruction set, the second says whether a tile's products are compiled into each kernel.
macro_rules! dense {
    (#[$enable:meta], #[$inline:meta], wide: $wide:expr, block: $rows:literal x $panels:literal, single: $ahead:literal x $chains:literal) => {
        /// One tile: `P` panels times `R` rows, with `S` sums for each that become one.
        #[$enable]
        #[$inline]
        fn products<const P: usize, const R: usize, const S: usize, const WIDE: bool>(
            c: &Checked<'_>,
            panel: usize,
            row: usize,
            out: &mut [[Acc; R]; P],
        ) {
            let mut acc = [[[zero(); S]; R]; P];
            let group = |acc: &mut [[[Acc; S]; R]; P], k: usize, s: usize| {
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
                        acc[s] = unsafe { step::<WIDE>(acc[s], x, w) };
                    }
                }
            };
            let whole = c.padded / (DEPTH * S) * (DEPTH * S);
            for k in (0..whole).step_by(DEPTH * S) {
                for s in 0..S {
                    group(&mut acc, k + s * DEPTH, s);
                }
            }
            for s in 0..S {
                let k = whole + s * DEPTH;
                if k < c.padded {
                    group(&mut acc, k, s);
                }
            }
            for (acc, out) in acc.into_iter().zip(out) {
                for (mut acc, out) in acc.into_iter().zip(out) {
                    let mut chains = S;
                    while chains > 1 {
                        chains /= 2;
                        for s in 0..chains {
                            acc[s] = add(acc[s], acc[s + chains]);
                        }
                    }
                    *out = acc[0];
                }
            }
        }

        /// One tile, its sums handed to `finish`.
        #[$enable]
        #[inline]
        fn tile<const P: usize, const R: usize, const S: usize, const WIDE: bool>(
            c: &Checked<'_>,
            panel: usize,
            row: usize,
            finish: &mut impl FnMut(Acc, &[u8], usize),
        ) {
            let mut acc = [[zero(); R]; P];
            products::<P, R, S, WIDE>(c, panel, row, &mut acc);
            for (p, acc) in acc.into_iter().enumerate() {
                let bytes = &c.panels[(panel + p) * c.panel_bytes..][..c.panel_bytes];
                for (r, acc) in acc.into_iter().enumerate() {
                    let at = (row + r) * c.shape.output_stride + (panel + p) * LANES;
                    finish(acc, bytes, at);
                }
            }
        }

        /// Hands the 16 sums of every row and panel to `finish`, with the panel's bytes and where
        /// in the output they go.
        #[$enable]
        #[inline]
        fn tiles<const WIDE: bool>(c: &Checked<'_>, mut finish: impl FnMut(Acc, &[u8], usize)) {
            let finish = &mut finish;
            let mut row = 0;
            while c.shape.rows - row >= $rows {
                let mut panel = 0;
                while c.count - panel >= $panels {
                    tile::<$panels, $rows, 1, WIDE>(c, panel, row, finish);
                    panel += $panels;
                }
                while panel < c.count {
                    tile::<1, $rows, 1, WIDE>(c, panel, row, finish);
                    panel += 1;
                }
                row += $rows;
            }
            while row < c.shape.rows {
                let mut panel = 0;
                while c.count - panel >= $ahead {
                    tile::<$ahead, 1, $chains, WIDE>(c, panel, row, finish);
                    panel += $ahead;
                }
                while c.count - panel >= 2 {
                    tile::<2, 1, { $chains * 2 }, WIDE>(c, panel, row, finish);
                    panel += 2;
                }
                while panel < c.count {
                    tile::<1, 1, { $chains * 4 }, WIDE>(c, panel, row, finish);
                    panel += 1;
                }
                row += 1;
            }
        }

        /// As `tiles`, with sums that are stored.
        #[$enable]
        #[inline]
        fn stored(
            shape: Shape,
            panels: &[u8],
            sums: &[i32],
            mut finish: impl FnMut(Acc, &[u8], usize),
        ) {
            for (p, panel) in panels
                .chunks_exact(panel_bytes(shape.inputs))
                .take(shape.outputs.div_ceil(LANES))
                .enumerate()
            {
                for row in 0..shape.rows {
                    let at = row * shape.input_stride + p * LANES;
                    let acc = load(&sums[at..at + LANES]);
                    finish(acc, panel, row * shape.output_stride + p * LANES);
                }
            }
        }

        #[$enable]
        fn to_u8<const WIDE: bool>(c: &Checked<'_>, to: Requantise, output: &mut [u8]) {
            let range = range(to);
            tiles::<WIDE>(c, |acc, panel, at| {
                finish_u8(acc, panel, range, &mut output[at..at + LANES]);
            });
        }

        #[$enable]
        fn to_f32<const WIDE: bool>(c: &Checked<'_>, relu: bool, output: &mut [f32]) {
            tiles::<WIDE>(c, |acc, panel, at| {
                finish_f32(acc, panel, relu, &mut output[at..at + LANES]);
            });
        }

        #[$enable]
        fn to_sums<const WIDE: bool>(c: &Checked<'_>, output: &mut [i32]) {
            tiles::<WIDE>(c, |acc, _, at| store(acc, &mut output[at..at + LANES]));
        }

        #[$enable]
        fn stored_to_u8(
            shape: Shape,
            panels: &[u8],
            sums: &[i32],
            to: Requantise,
            output: &mut [u8],
        ) {
            let range = range(to);
            stored(shape, panels, sums, |acc, panel, at| {
                finish_u8(acc, panel, range, &mut output[at..at + LANES]);
            });
        }

        #[$enable]
        fn stored_to_f32(
            shape: Shape,
            panels: &[u8],
            sums: &[i32],
            relu: bool,
            output: &mut [f32],
        ) {
            stored(shape, panels, sums, |acc, panel, at| {
                finish_f32(acc, panel, relu, &mut output[at..at + LANES]);
            });
        }

        /// The products' sums; only reached through the constructor that checks the processor.
        pub fn sums(shape: Shape, panels: &[u8], input: &[u8], output: &mut [i32]) {
            let c = Checked::new(shape, panels, input, output.len());
            // SAFETY: the constructor has checked that the processor has these features.
            unsafe {
                if $wide && shape.wide {
                    to_sums::<true>(&c, output);
                } else {
                    to_sums::<false>(&c, output);
                }
            }
        }

        /// Sums to bytes; only reached through the constructor that checks the processor.
        pub fn requantise(
            shape: Shape,
            panels: &[u8],
            sums: &[i32],
            to: Requantise,
            output: &mut [u8],
        ) {
            // SAFETY: the constructor has checked that the processor has these features.
            unsafe { stored_to_u8(shape, panels, sums, to, output) }
        }

        /// Sums to f32; only reached through the constructor that checks the processor.
        pub fn dequantise(
            shape: Shape,
            panels: &[u8],
            sums: &[i32],
            relu: bool,
            output: &mut [f32],
        ) {
            // SAFETY: the constructor has checked that the processor has these features.
            unsafe { stored_to_f32(shape, panels, sums, relu, output) }
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
            // SAFETY: the constructor has checked that the processor has these features.
            unsafe {
                if $wide && shape.wide {
                    to_u8::<true>(&c, to, output);
                } else {
                    to_u8::<false>(&c, to, output);
                }
            }
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
            // SAFETY: the constructor has checked that the processor has these features.
            unsafe {
                if $wide && shape.wide {
                    to_f32::<true>(&c, relu, output);
                } else {
                    to_f32::<false>(&c, relu, output);
                }
            }
        }
    };
}

pub(super) use dense;

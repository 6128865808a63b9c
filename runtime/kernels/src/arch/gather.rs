//! Sums of products over bytes that lie apart: what an int8 convolution reads without copying its patches,
//! and a dense layer over positions, several of them with each load of weights.

#![cfg_attr(
    not(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        all(target_arch = "wasm32", target_feature = "simd128")
    )),
    allow(
        dead_code,
        unused_imports,
        unused_macros,
        reason = "the scalar path has its own, plainer ones"
    )
)]

use crate::tensor::Axis;
use crate::{DEPTH, LANES, Requantise, panel_bytes};

/// Places of a [`Block`] at most.
pub const PLACES: usize = 8;
/// Panels of a [`Block`] at most.
pub const PANELS: usize = 2;

/// Where a sum's bytes lie, from its place on: runs of as many bytes, in the order of the weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taps {
    /// Where each run starts.
    pub(super) offsets: Vec<usize>,
    /// Bytes of a run, a multiple of [`DEPTH`].
    pub(super) run: usize,
    /// Bytes from the place to the end of the last run.
    far: usize,
}

impl Taps {
    /// Of inner axes, the last of which runs over neighbouring bytes; a negative stride counts as 0,
    /// which validation has excluded. What it has to be rounded up by is read, and multiplied by zero.
    pub fn new(axes: &[Axis]) -> Self {
        let (run, axes) = axes.split_last().unwrap_or((&Axis::ONE, &[]));
        let mut offsets = vec![0];
        for axis in axes {
            let step = axis.left.max(0) as usize;
            let next = |base: usize| {
                (0..axis.count).map(move |i| base.saturating_add(i.saturating_mul(step)))
            };
            offsets = offsets.into_iter().flat_map(next).collect();
        }
        let run = run.count.next_multiple_of(DEPTH);
        let last = offsets.iter().max().copied().unwrap_or(0);
        Self {
            offsets,
            run,
            far: last.saturating_add(run),
        }
    }

    /// Bytes of a sum, those that runs are rounded up by included.
    pub fn depth(&self) -> usize {
        self.offsets.len() * self.run
    }
}

/// Some places and panels, with every length checked: pointers from here on stay inside.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    pub(super) taps: &'a Taps,
    pub(super) input: &'a [u8],
    /// Where the sums' bytes start.
    pub(super) places: &'a [usize],
    pub(super) panels: &'a [u8],
    /// Bytes of one panel.
    pub(super) panel_bytes: usize,
    /// How many panels.
    pub(super) count: usize,
    /// Whether input bytes may exceed 127.
    pub(super) wide: bool,
}

impl<'a> Block<'a> {
    /// Panics, as slicing would, where a place's bytes lie outside the input, or there are more places
    /// or panels than a block has: validation has excluded it.
    #[inline]
    pub fn new(
        taps: &'a Taps,
        input: &'a [u8],
        places: &'a [usize],
        panels: &'a [u8],
        wide: bool,
    ) -> Self {
        let panel_bytes = panel_bytes(taps.depth());
        let count = panels.len() / panel_bytes;
        let inside = |place: &usize| {
            place
                .checked_add(taps.far)
                .is_some_and(|end| end <= input.len())
        };
        assert!(places.len() <= PLACES && count <= PANELS && places.iter().all(inside));
        Self {
            taps,
            input,
            places,
            panels,
            panel_bytes,
            count,
            wide,
        }
    }
}

/// 16 results for each place of each panel: those of panel `p` and place `r` at `p · PLACES + r`.
pub type Results<T> = [[T; LANES]; PANELS * PLACES];

/// The kernels of one path over a [`Block`].
#[derive(Clone, Copy)]
pub struct Gather {
    /// To bytes.
    pub to_u8: fn(&Block<'_>, Requantise, &mut Results<u8>),
    /// To f32; negative results become 0 where the flag says so.
    pub to_f32: fn(&Block<'_>, bool, &mut Results<f32>),
}

/// Stamps out the kernels over a [`Block`] of one instruction set, from what [`super::tile::dense`] is
/// given as well. `block` is how many places and panels share their loads, `single` how many sums a
/// place alone has for each of two panels: integers add up to the same in any order.
macro_rules! gather {
    (#[$enable:meta], wide: $wide:expr, block: $rows:literal x $panels:literal, single: $chains:literal) => {
        /// One tile: `P` panels times `R` places, with `S` sums for each that become one.
        #[$enable]
        #[inline]
        fn gathered<const P: usize, const R: usize, const S: usize, const WIDE: bool>(
            b: &Block<'_>,
            panel: usize,
            row: usize,
            finish: &mut impl FnMut(Acc, &[u8], usize),
        ) {
            let mut acc = [[[zero(); S]; R]; P];
            let places: &[usize; R] = match b.places[row..].first_chunk() {
                Some(places) => places,
                None => return,
            };
            let panels: [&[u8]; P] =
                std::array::from_fn(|p| &b.panels[(panel + p) * b.panel_bytes..][..b.panel_bytes]);
            let mut at = LANES * 4;
            for &tap in &b.taps.offsets {
                let mut k = 0;
                while k < b.taps.run {
                    for s in 0..S {
                        if k >= b.taps.run {
                            break;
                        }
                        let mut x = [0i32; R];
                        for (x, place) in x.iter_mut().zip(places) {
                            // SAFETY: `Block::new` has proved that all bytes of all taps of this
                            // place are in the input, and k + 4 is at most a run.
                            *x = unsafe {
                                let at = place + tap + k;
                                b.input.as_ptr().add(at).cast::<i32>().read_unaligned()
                            };
                        }
                        for (acc, panel) in acc.iter_mut().zip(&panels) {
                            for (acc, &x) in acc.iter_mut().zip(&x) {
                                // SAFETY: a panel has 64 bytes of weights for every four bytes of
                                // its taps, behind 64 bytes of bias.
                                acc[s] = unsafe { step::<WIDE>(acc[s], x, panel.as_ptr().add(at)) };
                            }
                        }
                        k += DEPTH;
                        at += DEPTH * LANES;
                    }
                }
            }
            for (p, acc) in acc.into_iter().enumerate() {
                for (r, acc) in acc.into_iter().enumerate() {
                    let sum = acc.into_iter().reduce(|a, b| add(a, b)).unwrap_or(zero());
                    finish(sum, panels[p], (panel + p) * PLACES + row + r);
                }
            }
        }

        #[$enable]
        #[inline]
        fn gathers<const WIDE: bool>(b: &Block<'_>, mut finish: impl FnMut(Acc, &[u8], usize)) {
            let finish = &mut finish;
            let mut row = 0;
            while b.places.len() - row >= $rows {
                let mut panel = 0;
                while b.count - panel >= $panels {
                    gathered::<$panels, $rows, 1, WIDE>(b, panel, row, finish);
                    panel += $panels;
                }
                while panel < b.count {
                    gathered::<1, $rows, 1, WIDE>(b, panel, row, finish);
                    panel += 1;
                }
                row += $rows;
            }
            while row < b.places.len() {
                if b.count == PANELS {
                    gathered::<PANELS, 1, $chains, WIDE>(b, 0, row, finish);
                } else if b.count == 1 {
                    gathered::<1, 1, { $chains * 2 }, WIDE>(b, 0, row, finish);
                }
                row += 1;
            }
        }

        #[$enable]
        fn gathers_to_u8<const WIDE: bool>(
            b: &Block<'_>,
            to: Requantise,
            results: &mut Results<u8>,
        ) {
            let range = range(to);
            gathers::<WIDE>(b, |acc, panel, at| {
                finish_u8(acc, panel, range, &mut results[at]);
            });
        }

        #[$enable]
        fn gathers_to_f32<const WIDE: bool>(b: &Block<'_>, relu: bool, results: &mut Results<f32>) {
            gathers::<WIDE>(b, |acc, panel, at| {
                finish_f32(acc, panel, relu, &mut results[at]);
            });
        }

        /// To bytes; only reached through the constructor that checks the processor.
        fn gather_to_u8(b: &Block<'_>, to: Requantise, results: &mut Results<u8>) {
            // SAFETY: the constructor has checked that the processor has these features.
            unsafe {
                if $wide && b.wide {
                    gathers_to_u8::<true>(b, to, results);
                } else {
                    gathers_to_u8::<false>(b, to, results);
                }
            }
        }

        /// To f32; only reached through the constructor that checks the processor.
        fn gather_to_f32(b: &Block<'_>, relu: bool, results: &mut Results<f32>) {
            // SAFETY: the constructor has checked that the processor has these features.
            unsafe {
                if $wide && b.wide {
                    gathers_to_f32::<true>(b, relu, results);
                } else {
                    gathers_to_f32::<false>(b, relu, results);
                }
            }
        }

        /// This path's kernels; only reached through the constructor that checks the processor.
        pub const GATHER: Gather = Gather {
            to_u8: gather_to_u8,
            to_f32: gather_to_f32,
        };
    };
}

pub(super) use gather;

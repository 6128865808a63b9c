//! Sums of products: tiles of several positions by sixteen sums or more, each in its own order.

use super::lanes::Lanes;
use super::{At, Axis, Nest, Operands, Places, gather, scatter};
use crate::LANES;

/// Sixteen little-endian f32.
type Row = [u8; LANES * 4];

/// Rows of a right operand that are brought into the order of a panel at a time.
const BLOCK: usize = 64;

/// Adds `rows` of `P` panels times as many numbers of each of `R` positions.
#[inline(always)]
pub(super) fn run_of<L: Lanes, const R: usize, const P: usize>(
    sums: &mut [[L; P]; R],
    left: &[f32],
    mut at: [usize; R],
    stride: isize,
    panels: &[&[Row]; P],
    rows: std::ops::Range<usize>,
) {
    let count = rows.len();
    let mut own = [&[][..]; P];
    for (own, panel) in own.iter_mut().zip(panels) {
        *own = &panel[rows.clone()];
    }
    for k in 0..count {
        let mut weights = [L::splat(0.0); P];
        for (w, own) in weights.iter_mut().zip(&own) {
            *w = L::read(&own[k]);
        }
        for (sums, at) in sums.iter_mut().zip(&mut at) {
            let x = L::splat(left[*at]);
            for (sum, w) in sums.iter_mut().zip(&weights) {
                *sum = sum.add(x.mul(*w));
            }
            *at = at.wrapping_add_signed(stride);
        }
    }
}

/// As many panels from one behind the other.
#[inline(always)]
pub(super) fn panels<const P: usize>(all: &[Row], first: usize, rows: usize) -> [&[Row]; P] {
    let mut panels = [&[][..]; P];
    for (p, panel) in panels.iter_mut().enumerate() {
        *panel = &all[(first + p) * rows..][..rows];
    }
    panels
}

/// Sixteen sums, as many of them as there are, along an axis from `at` on.
#[inline(always)]
pub(super) fn write<L: Lanes>(sums: L, stride: isize, wide: usize, at: usize, output: &mut [f32]) {
    if stride == 1 {
        sums.store_part(&mut output[at..][..wide]);
    } else {
        scatter(&sums.array()[..wide], output, at, stride);
    }
}

/// Panels as [`crate::pack_dense_float`] packs them, in f32.
#[inline(always)]
pub(super) fn dense<L: Lanes>(nest: &Nest, from: Operands<'_>, output: &mut [f32]) {
    let rows = 1 + nest.depth();
    let all = from.weights.as_chunks().0;
    if nest.last.left != 0 {
        return depthwise::<L>(nest, from.left, all, rows, output);
    }
    let (axis, outer) = positions(nest);
    let tiles = Tiles { nest, axis, from };
    let (count, mut panel) = (all.len() / rows, 0);
    macro_rules! tiles {
        ($panels:literal) => {{
            let panels = panels::<$panels>(all, panel, rows);
            for at in Places::new(outer, nest.start) {
                tiles.along::<L, $panels>(
                    at.step(&nest.last, panel * LANES),
                    panel,
                    &panels,
                    output,
                );
            }
            panel += $panels;
        }};
    }
    while panel < count {
        let (left, single) = (count - panel, axis.count == 1);
        // What an instance never takes is not compiled for it.
        if const { L::PANELS[1] >= 8 } && left >= 8 && single {
            tiles!(8);
        } else if const { L::PANELS[1] >= 4 }
            && left >= 4
            && (single || const { L::PANELS[0] >= 4 })
        {
            tiles!(4);
        } else if const { L::PANELS[1] >= 2 }
            && left >= 2
            && (single || const { L::PANELS[0] >= 2 })
        {
            tiles!(2);
        } else {
            tiles!(1);
        }
    }
}

/// The axis along which lie the positions of a tile, whose right operands are the same, and the others.
#[inline(always)]
fn positions(nest: &Nest) -> (Axis, &[Axis]) {
    match nest.outer.split_last() {
        Some((axis, outer)) if axis.right == 0 => (*axis, outer),
        _ => (Axis::ONE, &nest.outer),
    }
}

/// Tiles of a dense step.
struct Tiles<'a> {
    nest: &'a Nest,
    /// Along which lie a tile's positions.
    axis: Axis,
    from: Operands<'a>,
}

impl Tiles<'_> {
    /// All positions of the axis, by `P` panels of which `panel` is the first.
    #[inline(always)]
    fn along<L: Lanes, const P: usize>(
        &self,
        at: At,
        panel: usize,
        panels: &[&[Row]; P],
        output: &mut [f32],
    ) {
        let mut first = 0;
        // More panels are for a position alone.
        if const { P <= L::PANELS[0] } {
            while first + L::ROWS <= self.axis.count {
                let at = at.step(&self.axis, first);
                if const { L::ROWS == 4 } {
                    self.tile::<L, 4, P>(at, panel, panels, output);
                } else {
                    self.tile::<L, 2, P>(at, panel, panels, output);
                }
                first += L::ROWS;
            }
        }
        while first < self.axis.count {
            let at = at.step(&self.axis, first);
            self.tile::<L, 1, P>(at, panel, panels, output);
            first += 1;
        }
    }

    /// `R` positions by `P` panels.
    #[inline(always)]
    fn tile<L: Lanes, const R: usize, const P: usize>(
        &self,
        at: At,
        panel: usize,
        panels: &[&[Row]; P],
        output: &mut [f32],
    ) {
        let [middle, run] = &self.nest.runs;
        let mut sums = [[L::splat(0.0); P]; R];
        for sums in &mut sums {
            for (sum, panel) in sums.iter_mut().zip(panels) {
                *sum = L::read(&panel[0]);
            }
        }
        let mut row = 1;
        for inner in Places::new(self.nest.head(), at) {
            for i in 0..middle.count {
                let place = inner.step(middle, i);
                let mut places = [0; R];
                for (r, to) in places.iter_mut().enumerate() {
                    *to = place.step(&self.axis, r).left;
                }
                let rows = row..row + run.count;
                run_of::<L, R, P>(&mut sums, self.from.left, places, run.left, panels, rows);
                row += run.count;
            }
        }
        let last = &self.nest.last;
        for (r, sums) in sums.iter().enumerate() {
            for (p, sum) in sums.iter().enumerate() {
                let at = at.step(&self.axis, r).step(last, p * LANES);
                let wide = LANES.min(last.count - (panel + p) * LANES);
                write::<L>(*sum, last.output, wide, at.output, output);
            }
        }
    }
}

/// Each output has an operand of its own: as many channels as there are.
#[inline(always)]
fn depthwise<L: Lanes>(nest: &Nest, left: &[f32], all: &[Row], rows: usize, output: &mut [f32]) {
    let last = &nest.last;
    for (p, panel) in all.chunks_exact(rows).enumerate() {
        let wide = LANES.min(last.count - p * LANES);
        for at in Places::new(&nest.outer, nest.start.step(last, p * LANES)) {
            let mut sum = L::read(&panel[0]);
            for (row, place) in panel[1..].iter().zip(Places::new(&nest.inner, at)) {
                let x = some::<L>(left, place.left, last.left, wide);
                sum = sum.add(x.mul(L::read(row)));
            }
            write::<L>(sum, last.output, wide, at.output, output);
        }
    }
}

/// Up to sixteen numbers, then zeros.
#[inline(always)]
pub(super) fn some<L: Lanes>(from: &[f32], at: usize, stride: isize, wide: usize) -> L {
    if stride == 1 {
        return L::load_part(&from[at..][..wide]);
    }
    let mut lanes = [0.0; LANES];
    gather(from, at, stride, &mut lanes[..wide]);
    L::load(&lanes)
}

/// Products of two computed values. Where sixteen results in a row read the same number on their left,
/// what they read on their right is brought into a panel's order, for all positions that read it.
#[inline(always)]
pub(super) fn product<L: Lanes>(nest: &Nest, from: Operands<'_>, output: &mut [f32]) {
    let last = &nest.last;
    let (axis, outer) = positions(nest);
    let mut panel = [[0; LANES * 4]; BLOCK];
    for first in (0..last.count).step_by(LANES) {
        let wide = LANES.min(last.count - first);
        for at in Places::new(outer, nest.start.step(last, first)) {
            if last.left != 0 {
                for i in 0..axis.count {
                    pairs::<L>(nest, at.step(&axis, i), wide, from, output);
                }
                continue;
            }
            let run = &nest.runs[1];
            let mut begun = false;
            for inner in Places::new(nest.head(), at) {
                for i in 0..nest.runs[0].count {
                    let place = inner.step(&nest.runs[0], i);
                    for k in (0..run.count).step_by(BLOCK) {
                        let rows = BLOCK.min(run.count - k);
                        let place = place.step(run, k);
                        for (k, row) in panel[..rows].iter_mut().enumerate() {
                            let right = place.step(run, k).right;
                            brought(from.right, right, last.right, wide, row);
                        }
                        let block = Block {
                            nest,
                            axis,
                            panel: &panel[..rows],
                            wide,
                            begun,
                        };
                        block.along::<L>(place.left, at.output, from.left, output);
                        begun = true;
                    }
                }
            }
        }
    }
}

/// Up to sixteen numbers as a row of a panel, then zeros: not through a register, which would wait until
/// all of them have been written.
#[inline(always)]
fn brought(from: &[f32], mut at: usize, stride: isize, wide: usize, row: &mut Row) {
    let (own, rest) = row.as_chunks_mut().0.split_at_mut(wide);
    for to in own {
        *to = from[at].to_le_bytes();
        at = at.wrapping_add_signed(stride);
    }
    rest.fill([0; 4]);
}

/// Rows of a right operand, for all positions that read them.
struct Block<'a> {
    nest: &'a Nest,
    axis: Axis,
    panel: &'a [Row],
    wide: usize,
    /// Whether there are sums so far, which the output holds.
    begun: bool,
}

impl Block<'_> {
    #[inline(always)]
    fn along<L: Lanes>(&self, left: usize, to: usize, from: &[f32], output: &mut [f32]) {
        let mut at = At {
            left,
            right: 0,
            output: to,
        };
        let mut count = self.axis.count;
        while count >= L::ROWS {
            if const { L::ROWS == 4 } {
                self.tile::<L, 4>(at, from, output);
            } else {
                self.tile::<L, 2>(at, from, output);
            }
            at = at.step(&self.axis, L::ROWS);
            count -= L::ROWS;
        }
        while count > 0 {
            self.tile::<L, 1>(at, from, output);
            at = at.step(&self.axis, 1);
            count -= 1;
        }
    }

    #[inline(always)]
    fn tile<L: Lanes, const R: usize>(&self, at: At, from: &[f32], output: &mut [f32]) {
        let last = &self.nest.last;
        let mut sums = [[L::splat(0.0)]; R];
        let mut left = [0; R];
        for (r, (left, sums)) in left.iter_mut().zip(&mut sums).enumerate() {
            let at = at.step(&self.axis, r);
            *left = at.left;
            if self.begun {
                *sums = [some(output, at.output, last.output, self.wide)];
            }
        }
        let (run, rows) = (&self.nest.runs[1], 0..self.panel.len());
        run_of::<L, R, 1>(&mut sums, from, left, run.left, &[self.panel], rows);
        for (r, [sum]) in sums.iter().enumerate() {
            let at = at.step(&self.axis, r);
            write::<L>(*sum, last.output, self.wide, at.output, output);
        }
    }
}

/// Sixteen results that read different numbers on both sides.
#[inline(always)]
fn pairs<L: Lanes>(nest: &Nest, at: At, wide: usize, from: Operands<'_>, output: &mut [f32]) {
    let last = &nest.last;
    let mut sum = L::splat(0.0);
    for at in Places::new(&nest.inner, at) {
        let x = some::<L>(from.left, at.left, last.left, wide);
        let y = some::<L>(from.right, at.right, last.right, wide);
        sum = sum.add(x.mul(y));
    }
    write::<L>(sum, last.output, wide, at.output, output);
}

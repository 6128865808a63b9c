//! Recurrent cells, over all of a sequence: the gates' inputs are summed before, their states here.

use super::lanes::Lanes;
use super::sums::{run_of, some, write};
use super::{At, Axis, Nest, Operands, math};
use crate::LANES;

/// Sixteen little-endian f32.
type Row = [u8; LANES * 4];

/// `G` gates: a GRU has three (z, r, h), an LSTM four (i, o, f, c). The last outer axes are time and the
/// units of the state; the inner ones are the states (an LSTM has the cell's beside the hidden one) and
/// the gates. The left operand has the gates' inputs, the right one the first state, the output
/// every state; weights are panels of each gate, one behind the other. `D` is twice `G`.
#[inline(always)]
pub(super) fn run<L: Lanes, const G: usize, const D: usize>(
    nest: &Nest,
    from: Operands<'_>,
    output: &mut [f32],
) {
    let time = nest.outer.last().copied().unwrap_or(Axis::ONE);
    let sequence = Sequence {
        nest,
        from,
        panels: from.weights.as_chunks().0,
        blocks: nest.last.count.div_ceil(LANES),
    };
    for step in 0..time.count {
        let at = nest.start.step(&time, step);
        let before = (step > 0).then(|| nest.start.step(&time, step - 1));
        let mut block = 0;
        // Two blocks of units at a time: while one waits for a sum, the other goes on.
        if const { L::ROWS > 2 } {
            while block + 2 <= sequence.blocks {
                sequence.units::<L, G, 2, D>(block, at, before, output);
                block += 2;
            }
        }
        while block < sequence.blocks {
            sequence.units::<L, G, 1, G>(block, at, before, output);
            block += 1;
        }
    }
}

struct Sequence<'a> {
    nest: &'a Nest,
    from: Operands<'a>,
    panels: &'a [Row],
    /// Of sixteen units.
    blocks: usize,
}

impl Sequence<'_> {
    /// A step in time of `B` blocks of units: `P` is `B` times `G`.
    #[inline(always)]
    fn units<L: Lanes, const G: usize, const B: usize, const P: usize>(
        &self,
        first: usize,
        at: At,
        before: Option<At>,
        output: &mut [f32],
    ) {
        let (units, [states, gates]) = (&self.nest.last, &self.nest.runs);
        // Where the state before lies, and how far apart units and states are there.
        let (state, begin, stride, beside) = match before {
            Some(at) => (&*output, at.output, units.output, states.output),
            None => (self.from.right, at.right, units.right, states.right),
        };
        let rows = 1 + units.count;
        let mut panels = [&[][..]; P];
        let mut sums = [[L::splat(0.0); P]; 1];
        for b in 0..B {
            for g in 0..G {
                let panel = g * self.blocks + first + b;
                panels[b * G + g] = &self.panels[panel * rows..][..rows];
                sums[0][b * G + g] = L::read(&panels[b * G + g][0]);
            }
        }
        run_of::<L, 1, P>(&mut sums, state, [begin], stride, &panels, 1..rows);
        let mut new = [[L::splat(0.0); 2]; B];
        for (b, new) in new.iter_mut().enumerate() {
            let unit = (first + b) * LANES;
            let wide = LANES.min(units.count - unit);
            let sums = &sums[0][b * G..][..G];
            let mut x = [L::splat(0.0); G];
            let mut from = at.step(units, unit).left;
            for x in &mut x {
                *x = some(self.from.left, from, units.left, wide);
                from = from.wrapping_add_signed(gates.left);
            }
            let from = begin.wrapping_add_signed(stride * unit as isize);
            if G == 3 {
                let old: L = some(state, from, stride, wide);
                *new = [gru(&x, sums, old); 2];
            } else {
                let from = from.wrapping_add_signed(beside);
                *new = lstm(&x, sums, some(state, from, stride, wide));
            }
        }
        for (b, new) in new.iter().enumerate() {
            let unit = (first + b) * LANES;
            let wide = LANES.min(units.count - unit);
            let at = at.step(units, unit);
            for (s, new) in new.iter().enumerate().take(states.count) {
                let at = at.step(states, s).output;
                write(*new, units.output, wide, at, output);
            }
        }
    }
}

/// Cho et al. 2014, with the reset gate behind the product (ONNX's `linear_before_reset`).
#[inline(always)]
fn gru<L: Lanes>(x: &[L], sums: &[L], old: L) -> L {
    let z = math::sigmoid(x[0].add(sums[0]));
    let r = math::sigmoid(x[1].add(sums[1]));
    let new = x[2].add(r.mul(sums[2])).tanh();
    new.add(z.mul(old.sub(new)))
}

/// Hochreiter, Schmidhuber 1997, with a forget gate (Gers et al. 2000): hidden and cell state.
#[inline(always)]
fn lstm<L: Lanes>(x: &[L], sums: &[L], old: L) -> [L; 2] {
    let gate = |g: usize| math::sigmoid(x[g].add(sums[g]));
    let kept = gate(2).mul(old);
    let cell = kept.add(gate(0).mul(x[3].add(sums[3]).tanh()));
    [gate(1).mul(cell.tanh()), cell]
}

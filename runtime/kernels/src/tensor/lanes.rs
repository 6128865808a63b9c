//! Sixteen f32 side by side: what every kernel of a tensor step computes with.

use super::math;
use crate::LANES;

/// Sixteen f32. An instruction set's own kind lies in [`crate::arch`]; the array is the definition.
/// Every operation rounds as IEEE 754 says: the same bits from each kind, but for a NaN's.
pub trait Lanes: Copy {
    /// Positions that a tile of sums has.
    const ROWS: usize;
    /// Panels that a tile of as many positions has, and one of a single position.
    const PANELS: [usize; 2];

    /// The same number sixteen times.
    fn splat(x: f32) -> Self;
    /// From memory.
    fn load(from: &[f32; LANES]) -> Self;
    /// From little-endian bytes.
    fn read(from: &[u8; LANES * 4]) -> Self;
    /// To memory.
    fn store(self, to: &mut [f32; LANES]);
    /// `self + other`
    fn add(self, other: Self) -> Self;
    /// `self − other`
    fn sub(self, other: Self) -> Self;
    /// `self · other`
    fn mul(self, other: Self) -> Self;
    /// `self / other`
    fn div(self, other: Self) -> Self;
    /// The square root.
    fn sqrt(self) -> Self;
    /// Without its sign.
    fn abs(self) -> Self;
    /// `then` where `self < other`, else `or`.
    fn below(self, other: Self, then: Self, or: Self) -> Self;
    /// 2 to the power of a whole number in −126..=127; anything for a NaN.
    fn power(self) -> Self;

    /// The greater one; `other` where one is not a number.
    #[inline(always)]
    fn greater(self, other: Self) -> Self {
        other.below(self, self, other)
    }

    /// The lesser one; `other` where one is not a number.
    #[inline(always)]
    fn lesser(self, other: Self) -> Self {
        self.below(other, self, other)
    }

    /// Up to sixteen numbers, then zeros.
    #[inline(always)]
    fn load_part(from: &[f32]) -> Self {
        let mut lanes = [0.0; LANES];
        for (to, from) in lanes.iter_mut().zip(from) {
            *to = *from;
        }
        Self::load(&lanes)
    }

    /// The first ones, as many as there is room for.
    #[inline(always)]
    fn store_part(self, to: &mut [f32]) {
        for (to, from) in to.iter_mut().zip(self.array()) {
            *to = from;
        }
    }

    /// The first `count` lanes, and the others of `or`.
    #[inline(always)]
    fn until(self, count: usize, or: Self) -> Self {
        const NUMBERS: [f32; LANES] = [
            0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0,
        ];
        Self::load(&NUMBERS).below(Self::splat(count as f32), self, or)
    }

    /// The greatest; which zero, and what beside a NaN, is left open.
    #[inline(always)]
    fn most(self) -> f32 {
        let greater = |most: f32, x| if x > most { x } else { most };
        self.array().into_iter().fold(f32::NEG_INFINITY, greater)
    }

    /// [`math::exp`]; a call where code is to be small.
    #[inline(always)]
    fn exp(self) -> Self {
        math::exp(self)
    }

    /// [`math::tanh`], as [`Self::exp`].
    #[inline(always)]
    fn tanh(self) -> Self {
        math::tanh(self)
    }

    /// As an array.
    #[inline(always)]
    fn array(self) -> [f32; LANES] {
        let mut to = [0.0; LANES];
        self.store(&mut to);
        to
    }

    /// The sum: lanes i and i + 8, i + 4, i + 2, i + 1 are added.
    #[inline(always)]
    fn tree(self) -> f32 {
        let mut lanes = self.array();
        let mut half = LANES / 2;
        while half > 0 {
            for i in 0..half {
                lanes[i] += lanes[i + half];
            }
            half /= 2;
        }
        lanes[0]
    }
}

/// Lane by lane.
#[inline(always)]
fn each(mut x: [f32; LANES], y: [f32; LANES], of: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    for (x, y) in x.iter_mut().zip(y) {
        *x = of(*x, y);
    }
    x
}

impl Lanes for [f32; LANES] {
    const ROWS: usize = 2;
    const PANELS: [usize; 2] = [1, 2];

    #[inline(always)]
    fn splat(x: f32) -> Self {
        [x; LANES]
    }

    #[inline(always)]
    fn load(from: &[f32; LANES]) -> Self {
        *from
    }

    #[inline(always)]
    fn read(from: &[u8; LANES * 4]) -> Self {
        let mut to = [0.0; LANES];
        for (to, &from) in to.iter_mut().zip(from.as_chunks().0) {
            *to = f32::from_le_bytes(from);
        }
        to
    }

    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        *to = self;
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        each(self, other, |x, y| x + y)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        each(self, other, |x, y| x - y)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        each(self, other, |x, y| x * y)
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        each(self, other, |x, y| x / y)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        each(self, self, |x, _| x.sqrt())
    }

    #[inline(always)]
    fn abs(self) -> Self {
        each(self, self, |x, _| x.abs())
    }

    #[inline(always)]
    fn below(self, other: Self, then: Self, mut or: Self) -> Self {
        for (i, or) in or.iter_mut().enumerate() {
            if self[i] < other[i] {
                *or = then[i];
            }
        }
        or
    }

    #[inline(always)]
    fn power(self) -> Self {
        let bits = |n: f32| f32::from_bits(((n as i32 + 127) as u32) << 23);
        each(self, self, |n, _| bits(n))
    }

    #[inline(never)]
    fn exp(self) -> Self {
        math::exp(self)
    }

    #[inline(never)]
    fn tanh(self) -> Self {
        math::tanh(self)
    }
}

//! Functions of sixteen f32, from additions, multiplications, divisions and comparisons alone: the same
//! bits on every target. Errors are of a few units in the last place of max(1, |result|).

use super::lanes::Lanes;
use crate::LANES;

/// Adding and subtracting this rounds to the nearest integer: the sum's last bit has weight one.
const ROUND: f32 = 12_582_912.0;

/// A polynomial, the highest power first: `(…(p₀·x + p₁)·x + …)·x + pₙ`.
#[inline(always)]
fn polynomial<L: Lanes, const N: usize>(of: [f32; N], x: L) -> L {
    let mut sum = L::splat(of[0]);
    for c in &of[1..] {
        sum = sum.mul(x).add(L::splat(*c));
    }
    sum
}

/// `−x`
#[inline(always)]
fn minus<L: Lanes>(x: L) -> L {
    x.mul(L::splat(-1.0))
}

/// `eˣ`: Cephes `expf` (Moshier 1989), x = n·ln 2 + r, |r| ≤ ln 2 / 2. Below e⁻⁸⁷ it is 0, above e⁸⁸ it
/// is e⁸⁸.
#[inline(always)]
#[allow(clippy::excessive_precision, reason = "the source's own digits")]
pub fn exp<L: Lanes>(x: L) -> L {
    let (high, low, round) = (L::splat(88.0), L::splat(-87.0), L::splat(ROUND));
    // A NaN stays one.
    let y = low.greater(high.lesser(x));
    let n = y.mul(L::splat(std::f32::consts::LOG2_E)).add(round);
    let n = n.sub(round);
    // ln 2 in two parts, the first with zeros at its end: n times it is exact.
    let r = y.sub(n.mul(L::splat(0.693_359_375)));
    let r = r.add(n.mul(L::splat(2.121_944_4e-4)));
    let p = polynomial(
        [
            1.987_569_150_0e-4,
            1.398_199_950_7e-3,
            8.333_451_907_3e-3,
            4.166_579_589_4e-2,
            1.666_666_545_9e-1,
            5.000_000_120_1e-1,
        ],
        r,
    );
    let p = p.mul(r.mul(r)).add(r).add(L::splat(1.0));
    x.below(low, L::splat(0.0), p.mul(n.power()))
}

/// `eˣ − 1`
#[inline(always)]
pub fn exp_less_one<L: Lanes>(x: L) -> L {
    // Near 0 the first four terms of the series are nearer than a difference.
    let near = polynomial([1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0], x).mul(x);
    let far = x.exp().sub(L::splat(1.0));
    x.abs().below(L::splat(0.04), near, far)
}

/// `1 / (1 + e⁻ˣ)`
#[inline(always)]
pub fn sigmoid<L: Lanes>(x: L) -> L {
    let one = L::splat(1.0);
    one.div(one.add(minus(x).exp()))
}

/// The hyperbolic tangent: Cephes `tanhf`.
#[inline(always)]
#[allow(clippy::excessive_precision, reason = "the source's own digits")]
pub fn tanh<L: Lanes>(x: L) -> L {
    let (one, two) = (L::splat(1.0), L::splat(2.0));
    let s = x.mul(x);
    let p = polynomial(
        [
            -5.704_988_724_22e-3,
            2.063_908_879_54e-2,
            -5.373_971_555_31e-2,
            1.333_144_220_36e-1,
            -3.333_328_228_86e-1,
        ],
        s,
    );
    let near = p.mul(s).mul(x).add(x);
    let far = one.sub(two.div(two.mul(x).exp().add(one)));
    x.abs().below(L::splat(0.625), near, far)
}

/// The error function: Abramowitz, Stegun 1964, 7.1.26; |error| ≤ 1.5e-7.
#[inline(always)]
#[allow(clippy::excessive_precision, reason = "the source's own digits")]
pub fn erf<L: Lanes>(x: L) -> L {
    let one = L::splat(1.0);
    let z = x.abs();
    let t = one.div(one.add(L::splat(0.327_591_1).mul(z)));
    let p = polynomial(
        [
            1.061_405_429,
            -1.453_152_027,
            1.421_413_741,
            -0.284_496_736,
            0.254_829_592,
        ],
        t,
    );
    let y = one.sub(p.mul(t).mul(minus(z.mul(z)).exp()));
    x.below(L::splat(0.0), minus(y), y)
}

/// `x·Φ(x)`, Φ the normal distribution function.
#[inline(always)]
pub fn gelu<L: Lanes>(x: L) -> L {
    let wide = erf(x.mul(L::splat(std::f32::consts::FRAC_1_SQRT_2)));
    L::splat(0.5).mul(x).mul(L::splat(1.0).add(wide))
}

/// GELU's approximation with tanh: Hendrycks, Gimpel 2016, section 2.
#[inline(always)]
pub fn gelu_tanh<L: Lanes>(x: L) -> L {
    const ROOT: f32 = 0.797_884_6; // √(2/π)
    let cube = L::splat(0.044_715).mul(x).mul(x).mul(x);
    let wide = L::splat(ROOT).mul(x.add(cube)).tanh();
    L::splat(0.5).mul(x).mul(L::splat(1.0).add(wide))
}

/// `ln(1 + eˣ)`
#[inline(always)]
pub fn softplus<L: Lanes>(x: L) -> L {
    let zero = L::splat(0.0);
    let most = zero.below(x, x, zero);
    // A NaN must not be lost with the sign.
    most.add(map(minus(x.abs()).exp(), libm::log1pf))
}

/// From here on neighbouring f32 are 32 apart: an angle that says nothing any more.
const FAR: f32 = 268_435_456.0;

/// `sin x` of f32, rounded from f64: x = n·π/2 + r, |r| ≤ π/4, π/2 in two parts, the first of 25 bits,
/// so that n times it is exact; polynomials of FreeBSD's `k_sinf.c` and `k_cosf.c` (Sun 1993). Beyond ±2²⁸
/// it is that of 0.
pub fn sine(x: f32) -> f32 {
    turned(x, 0)
}

/// `cos x`, as [`sine`].
pub fn cosine(x: f32) -> f32 {
    turned(x, 1)
}

/// The sine of an angle and so many right angles.
#[allow(clippy::excessive_precision, reason = "the source's own digits")]
fn turned(x: f32, quarters: i64) -> f32 {
    // Adding and subtracting this rounds to the nearest integer, as [`ROUND`] does.
    const WHOLE: f64 = 6_755_399_441_055_744.0;
    let x = if x.abs() >= FAR { 0.0 } else { f64::from(x) };
    let n = x * std::f64::consts::FRAC_2_PI + WHOLE - WHOLE;
    let r = x - n * 1.570_796_310_901_641_845_70 - n * 1.589_325_477_352_819_669_16e-8;
    let z = r * r;
    let w = z * z;
    let quarters = (n as i64).wrapping_add(quarters);
    let of = if quarters & 1 == 0 {
        let p = -0.000_198_393_348_360_966_317_347 + z * 0.000_002_718_311_493_989_821_906_4;
        let q = -0.166_666_666_416_265_235_595 + z * 0.008_333_329_385_889_463_175_6;
        let s = z * r;
        (r + s * q) + s * w * p
    } else {
        let p = -0.001_388_676_377_460_992_946_92 + z * 0.000_024_390_448_796_277_409_065_4;
        let q = 1.0 + z * -0.499_999_997_251_031_003_12;
        (q + w * 0.041_666_623_323_739_063_189_4) + w * z * p
    };
    (if quarters & 2 == 0 { of } else { -of }) as f32
}

/// A function of one number, lane by lane.
#[inline(always)]
pub fn map<L: Lanes>(x: L, of: fn(f32) -> f32) -> L {
    let mut lanes: [f32; LANES] = x.array();
    for x in &mut lanes {
        *x = of(*x);
    }
    L::load(&lanes)
}

//! Functions of one f32, from additions, multiplications and divisions alone: the same bits on every
//! target. Errors are of a few units in the last place of max(1, |result|).

/// Adding and subtracting this rounds to the nearest integer: the sum's last bit has weight one.
const ROUND: f32 = 12_582_912.0;

/// `eˣ`: Cephes `expf` (Moshier 1989), x = n·ln 2 + r, |r| ≤ ln 2 / 2. Below e⁻⁸⁷ it is 0, above e⁸⁸ it
/// is e⁸⁸.
#[inline(always)]
#[allow(clippy::excessive_precision, reason = "the source's own digits")]
pub fn exp(x: f32) -> f32 {
    const HIGH: f32 = 88.0;
    const LOW: f32 = -87.0;
    let y = if x > HIGH { HIGH } else { x };
    let y = if y < LOW { LOW } else { y };
    let n = (y * std::f32::consts::LOG2_E + ROUND) - ROUND;
    // ln 2 in two parts, the first with zeros at its end: n times it is exact.
    let r = (y - n * 0.693_359_375) + n * 2.121_944_4e-4;
    let p = 1.987_569_150_0e-4f32;
    let p = p * r + 1.398_199_950_7e-3;
    let p = p * r + 8.333_451_907_3e-3;
    let p = p * r + 4.166_579_589_4e-2;
    let p = p * r + 1.666_666_545_9e-1;
    let p = p * r + 5.000_000_120_1e-1;
    let p = p * (r * r) + r + 1.0;
    // 2^n; NaN goes through p.
    let power = f32::from_bits(((n as i32 + 127) as u32) << 23);
    if x < LOW { 0.0 } else { p * power }
}

/// `eˣ − 1`
#[inline(always)]
pub fn exp_less_one(x: f32) -> f32 {
    // Near 0 the first four terms of the series are nearer than a difference.
    if x.abs() < 0.04 {
        x * (1.0 + x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0))))
    } else {
        exp(x) - 1.0
    }
}

/// `1 / (1 + e⁻ˣ)`
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The hyperbolic tangent: Cephes `tanhf`.
#[inline(always)]
#[allow(clippy::excessive_precision, reason = "the source's own digits")]
pub fn tanh(x: f32) -> f32 {
    let s = x * x;
    let p = -5.704_988_724_22e-3f32;
    let p = p * s + 2.063_908_879_54e-2;
    let p = p * s - 5.373_971_555_31e-2;
    let p = p * s + 1.333_144_220_36e-1;
    let p = p * s - 3.333_328_228_86e-1;
    let near = p * s * x + x;
    let far = 1.0 - 2.0 / (exp(2.0 * x) + 1.0);
    if x.abs() < 0.625 { near } else { far }
}

/// The error function: Abramowitz, Stegun 1964, 7.1.26; |error| ≤ 1.5e-7.
#[inline(always)]
#[allow(clippy::excessive_precision, reason = "the source's own digits")]
pub fn erf(x: f32) -> f32 {
    let z = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let p = 1.061_405_429f32;
    let p = p * t - 1.453_152_027;
    let p = p * t + 1.421_413_741;
    let p = p * t - 0.284_496_736;
    let p = p * t + 0.254_829_592;
    let y = 1.0 - p * t * exp(-(z * z));
    if x < 0.0 { -y } else { y }
}

/// `x·Φ(x)`, Φ the normal distribution function.
#[inline(always)]
pub fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// GELU's approximation with tanh: Hendrycks, Gimpel 2016, section 2.
#[inline(always)]
pub fn gelu_tanh(x: f32) -> f32 {
    const ROOT: f32 = 0.797_884_6; // √(2/π)
    0.5 * x * (1.0 + tanh(ROOT * (x + 0.044_715 * x * x * x)))
}

/// `ln(1 + eˣ)`
#[inline(always)]
pub fn softplus(x: f32) -> f32 {
    let most = if x > 0.0 { x } else { 0.0 };
    // A NaN must not be lost with the sign.
    most + libm::log1pf(exp(-x.abs()))
}

//! The arithmetic. The scalar functions in [`arch::scalar`] are the definition; every other path
//! gives the same bytes. [`Kernels`] is chosen once, when a bundle is opened.
//!
//! # Weight layout
//! Dense int8, outputs padded to 16 and inputs to 4 with zeros; one panel for 16 outputs:
//!
//! ```text
//! panel = bias: i32 × 16 | weights: i8 [K/4][16][4] | scale: f32 × 16
//! ```
//!
//! The bias has the input's zero point folded in. Dense float, one panel for 16 outputs:
//!
//! ```text
//! panel = bias: f32 × 16 | weights: f32 or f16 [K][16]
//! ```
//!
//! # Requantisation
//! For an output with accumulator `a` (bias included), scale `s`, zero point `z` and range
//! `low..=high`: `q = z + round(clamp(f32(a) · s, low − z, high − z))`, where `f32(a)` and the
//! product are rounded to nearest, ties to even, and so is `round`. `docs/adr/0002` has the reasons.

pub mod arch;
#[cfg(feature = "tensors")]
pub mod tensor;
#[cfg(test)]
mod tests;
pub mod trees;

/// Outputs per panel.
pub const LANES: usize = 16;
/// Inputs that lie side by side in a panel.
pub const DEPTH: usize = 4;

/// What a dense int8 step writes: unsigned bytes of a range, with a zero point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requantise {
    /// The byte that stands for 0.0.
    pub zero: u8,
    /// The least byte that is written; `zero` for a ReLU.
    pub low: u8,
    /// The greatest byte that is written: 127 for our own activations, 255 for imported ones.
    pub high: u8,
}

/// Rows of bytes: `rows` of `width` used bytes, each at `stride` from the one before.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// How many rows.
    pub rows: usize,
    /// Inputs of the layer.
    pub inputs: usize,
    /// Outputs of the layer.
    pub outputs: usize,
    /// Elements from one input row to the next, at least `inputs` rounded up to [`DEPTH`].
    pub input_stride: usize,
    /// Elements from one output row to the next, at least `outputs` rounded up to [`LANES`].
    pub output_stride: usize,
    /// Whether input bytes may exceed 127.
    pub wide: bool,
}

impl Shape {
    /// The same for `rows` rows.
    #[must_use]
    pub const fn of(self, rows: usize) -> Self {
        Self { rows, ..self }
    }
}

type DenseU8 = fn(Shape, &[u8], &[u8], Requantise, &mut [u8]);
type DenseF32 = fn(Shape, &[u8], &[u8], bool, &mut [f32]);
type Sums = fn(Shape, &[u8], &[u8], &mut [i32]);
type FromSumsU8 = fn(Shape, &[u8], &[i32], Requantise, &mut [u8]);
type FromSumsF32 = fn(Shape, &[u8], &[i32], bool, &mut [f32]);
type Quantise = fn(Shape, &[u8], &[f32], &mut [u8]);

/// The kernels of one path. All paths give the same bytes.
#[derive(Clone, Copy)]
pub struct Kernels {
    /// The path's name, for the log and `inspect`.
    pub name: &'static str,
    /// int8 dense to bytes: shape, panels, input, what to write, output.
    pub dense_u8: DenseU8,
    /// int8 dense to f32: accumulator times scale; negative results become 0 where the flag says so.
    pub dense_f32: DenseF32,
    /// Both over bytes that lie apart.
    #[cfg(feature = "tensors")]
    pub gather: arch::gather::Gather,
    /// The first half of both: the products' sums, without bias. Rows and panels may be added.
    pub sums: Sums,
    /// The second half of `dense_u8`: bias, scale, range. The shape's input stride is the sums'.
    pub requantise: FromSumsU8,
    /// The second half of `dense_f32`.
    pub dequantise: FromSumsF32,
    /// Features to bytes: shape, per-feature factor and offset (f32 each, `[factor × n][offset ×
    /// n]`), input, output in 0..=127.
    pub quantise: Quantise,
    /// Features to the ranks that trees compare.
    pub rank: trees::Rank,
    /// Ranks to leaves.
    pub walk: trees::Walk,
    /// A tensor step on one row.
    #[cfg(feature = "tensors")]
    pub tensor: tensor::Run,
}

impl Kernels {
    /// The fastest path that this processor has. Decided once, at open.
    pub fn detect() -> Self {
        // A build with simd128 runs nowhere without it: nothing to look for, no other path to load.
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        return arch::wasm32::simd128();
        #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
        Self::available()
            .into_iter()
            .next_back()
            .unwrap_or(Self::scalar())
    }

    /// Every path that this processor has, the slowest first: the definition.
    pub fn available() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        let more = [
            arch::x86_64::avx2(),
            arch::x86_64::avx_vnni(),
            arch::x86_64::avx512_vnni(),
            #[cfg(target_os = "linux")]
            arch::amx::amx(),
        ];
        #[cfg(target_arch = "aarch64")]
        let more = [Some(arch::aarch64::neon()), arch::aarch64::dotprod()];
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        let more = [Some(arch::wasm32::simd128())];
        #[cfg(not(any(
            target_arch = "x86_64",
            target_arch = "aarch64",
            all(target_arch = "wasm32", target_feature = "simd128")
        )))]
        let more: [Option<Self>; 0] = [];
        [Some(Self::scalar())]
            .into_iter()
            .chain(more)
            .flatten()
            .collect()
    }

    /// The definition.
    pub const fn scalar() -> Self {
        Self {
            name: "scalar",
            dense_u8: arch::scalar::dense_u8,
            dense_f32: arch::scalar::dense_f32,
            #[cfg(feature = "tensors")]
            gather: arch::scalar::GATHER,
            sums: arch::scalar::sums,
            requantise: arch::scalar::requantise,
            dequantise: arch::scalar::dequantise,
            quantise: arch::scalar::quantise,
            rank: trees::rank,
            walk: trees::walk,
            #[cfg(feature = "tensors")]
            tensor: tensor::run,
        }
    }
}

impl std::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kernels({})", self.name)
    }
}

/// Adds two lists of sums, wrapping, as far as the shorter goes.
pub fn add(a: &[i32], b: &[i32], sum: &mut [i32]) {
    for ((sum, a), b) in sum.iter_mut().zip(a).zip(b) {
        *sum = a.wrapping_add(*b);
    }
}

/// What two lists of bits have in common, as far as the shorter goes.
pub fn and(a: &[i32], b: &[i32], both: &mut [i32]) {
    for ((both, a), b) in both.iter_mut().zip(a).zip(b) {
        *both = a & b;
    }
}

/// Bytes of one int8 panel for `inputs` inputs.
pub const fn panel_bytes(inputs: usize) -> usize {
    LANES * 4 + inputs.next_multiple_of(DEPTH) * LANES + LANES * 4
}

/// Packs a dense int8 layer: `weights[n * inputs + k]`, a bias and a scale for each output.
pub fn pack_dense_i8(inputs: usize, weights: &[i8], bias: &[i32], scale: &[f32]) -> Vec<u8> {
    let outputs = bias.len();
    let mut out = Vec::with_capacity(outputs.div_ceil(LANES) * panel_bytes(inputs));
    for first in (0..outputs).step_by(LANES) {
        let lane = |n: usize| (first + n < outputs).then_some(first + n);
        for n in 0..LANES {
            out.extend(lane(n).map_or(0, |n| bias[n]).to_le_bytes());
        }
        for k in (0..inputs).step_by(DEPTH) {
            for n in 0..LANES {
                for k in k..k + DEPTH {
                    let weight = lane(n)
                        .filter(|_| k < inputs)
                        .map_or(0, |n| weights[n * inputs + k]);
                    out.push(weight as u8);
                }
            }
        }
        for n in 0..LANES {
            // A padded lane's scale must be a sound number as well.
            out.extend(lane(n).map_or(1.0, |n| scale[n]).to_le_bytes());
        }
    }
    out
}

/// Packs a dense float layer: `weights[n * inputs + k]` and a bias for each output, as f32.
pub fn pack_dense_float(inputs: usize, weights: &[f32], bias: &[f32], half: bool) -> Vec<u8> {
    let outputs = bias.len();
    let mut out = Vec::new();
    for first in (0..outputs).step_by(LANES) {
        let lane = |n: usize| (first + n < outputs).then_some(first + n);
        for n in 0..LANES {
            out.extend(lane(n).map_or(0.0, |n| bias[n]).to_le_bytes());
        }
        for k in 0..inputs {
            for n in 0..LANES {
                let weight = lane(n).map_or(0.0, |n| weights[n * inputs + k]);
                if half {
                    out.extend(half::f16::from_f32(weight).to_le_bytes());
                } else {
                    out.extend(weight.to_le_bytes());
                }
            }
        }
    }
    out
}

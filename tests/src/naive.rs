//! Plans evaluated naively, from the words of `fieldscore_runtime::kernels`: panels read back one
//! weight at a time, sums in 64-bit integers, every rounding done here. Shares no code with the
//! kernels.

use fieldscore_runtime::plan::{Model, Step};

/// The values of one buffer.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Bytes.
    Bytes(Vec<u8>),
    /// Floats.
    Floats(Vec<f32>),
}

/// The product of two f32, rounded once: it is exact in an f64, whose conversion rounds to
/// nearest, ties to even.
fn product(a: f32, b: f32) -> f32 {
    (f64::from(a) * f64::from(b)) as f32
}

/// The sum of two f32, rounded once: rounding it to 53 bits first does no harm (Figueroa 1995,
/// "When is double rounding innocuous?").
fn sum(a: f32, b: f32) -> f32 {
    (f64::from(a) + f64::from(b)) as f32
}

/// To the nearest whole number, ties to even.
pub fn nearest_even(x: f32) -> i64 {
    let x = f64::from(x);
    let below = x.floor();
    let part = x - below;
    let below = below as i64;
    match part.partial_cmp(&0.5) {
        Some(std::cmp::Ordering::Less) => below,
        Some(std::cmp::Ordering::Greater) => below + 1,
        _ => below + below.rem_euclid(2),
    }
}

fn f32_at(bytes: &[u8], at: usize) -> f32 {
    f32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn f16_at(bytes: &[u8], at: usize) -> f32 {
    half::f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

fn bounded(x: f32, low: f32, high: f32) -> f32 {
    if x.is_nan() || x <= low {
        low
    } else if x >= high {
        high
    } else {
        x
    }
}

/// `panel = bias: i32 × 16 | weights: i8 [K/4][16][4] | scale: f32 × 16`
struct Int8<'w> {
    bytes: &'w [u8],
    inputs: usize,
}

impl Int8<'_> {
    fn panel(&self, output: usize) -> (usize, usize) {
        let size = 64 + self.inputs.div_ceil(4) * 64 + 64;
        (output / 16 * size, output % 16)
    }

    fn accumulator(&self, output: usize, input: &[u8]) -> i64 {
        let (panel, lane) = self.panel(output);
        let at = panel + lane * 4;
        let bias = i32::from_le_bytes(self.bytes[at..at + 4].try_into().expect("four bytes"));
        (0..self.inputs).fold(i64::from(bias), |sum, k| {
            let at = panel + 64 + k / 4 * 64 + lane * 4 + k % 4;
            sum + i64::from(input[k]) * i64::from(self.bytes[at] as i8)
        })
    }

    /// f32(a) · s
    fn value(&self, output: usize, input: &[u8]) -> f32 {
        let (panel, lane) = self.panel(output);
        let scale = f32_at(
            self.bytes,
            panel + 64 + self.inputs.div_ceil(4) * 64 + lane * 4,
        );
        product(self.accumulator(output, input) as f32, scale)
    }
}

/// All buffers of one row after all steps, for the model's one input.
pub fn run(model: &Model, weights: &[u8], features: &[f32]) -> Vec<Option<Values>> {
    let mut values: Vec<Option<Values>> = vec![None; model.buffers.len()];
    values[usize::from(model.inputs[0].buffer)] = Some(Values::Floats(features.to_vec()));
    for step in &model.steps {
        let input = values[usize::from(step.input())].clone().expect("written");
        let outputs = model.buffers[usize::from(step.output())].len as usize;
        let out = match (*step, input) {
            (Step::Quantise { weights: at, .. }, Values::Floats(x)) => {
                let constants = &weights[at as usize..];
                let byte = |k: usize| {
                    let factor = f32_at(constants, k * 4);
                    let offset = f32_at(constants, (x.len() + k) * 4);
                    let shifted = sum(product(x[k], factor), offset);
                    nearest_even(bounded(shifted, 0.0, 127.0)) as u8
                };
                Values::Bytes((0..outputs).map(byte).collect())
            }
            (
                Step::DenseU8 {
                    weights: at,
                    zero,
                    low,
                    high,
                    ..
                },
                Values::Bytes(x),
            ) => {
                let layer = Int8 {
                    bytes: &weights[at as usize..],
                    inputs: x.len(),
                };
                let zero = i64::from(zero);
                let byte = |n: usize| {
                    let (low, high) = (i64::from(low) - zero, i64::from(high) - zero);
                    let moved = bounded(layer.value(n, &x), low as f32, high as f32);
                    u8::try_from(zero + nearest_even(moved)).expect("a byte")
                };
                Values::Bytes((0..outputs).map(byte).collect())
            }
            (
                Step::DenseF32 {
                    weights: at, relu, ..
                },
                Values::Bytes(x),
            ) => {
                let layer = Int8 {
                    bytes: &weights[at as usize..],
                    inputs: x.len(),
                };
                let value = |n: usize| rectified(layer.value(n, &x), relu);
                Values::Floats((0..outputs).map(value).collect())
            }
            (
                Step::DenseFloat {
                    weights: at,
                    half,
                    relu,
                    ..
                },
                Values::Floats(x),
            ) => Values::Floats(dense_float(
                &weights[at as usize..],
                &x,
                outputs,
                half,
                relu,
            )),
            (step, _) => panic!("{} reads the wrong type", step.name()),
        };
        values[usize::from(step.output())] = Some(out);
    }
    values
}

/// `panel = bias: f32 × 16 | weights: f32 or f16 [K][16]`, products added over rising inputs from
/// the bias on.
fn dense_float(bytes: &[u8], x: &[f32], outputs: usize, half: bool, relu: bool) -> Vec<f32> {
    let size = if half { 2 } else { 4 };
    (0..outputs)
        .map(|n| {
            let panel = n / 16 * (64 + x.len() * 16 * size);
            let start = f32_at(bytes, panel + n % 16 * 4);
            let total = x.iter().enumerate().fold(start, |total, (k, &x)| {
                let at = panel + 64 + (k * 16 + n % 16) * size;
                let weight = if half {
                    f16_at(bytes, at)
                } else {
                    f32_at(bytes, at)
                };
                sum(total, product(x, weight))
            });
            rectified(total, relu)
        })
        .collect()
}

fn rectified(x: f32, relu: bool) -> f32 {
    if relu && x < 0.0 { 0.0 } else { x }
}

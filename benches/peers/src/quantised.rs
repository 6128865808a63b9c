//! A dense net in the static int8 of the peers: activations as unsigned bytes with one scale and
//! zero point a layer, weights as signed bytes with a scale for each output.

use fieldscore_models::compile::net::{Layer, Net, Rows};

/// Bytes for values: `x ≈ scale · (byte − zero)`.
#[derive(Debug, Clone, Copy)]
pub struct Codes {
    /// Of one step.
    pub scale: f32,
    /// The byte that stands for 0.0.
    pub zero: u8,
}

/// One layer.
#[derive(Debug)]
pub struct QuantisedLayer {
    /// How many inputs.
    pub inputs: usize,
    /// `weights[n * inputs + k]`
    pub weights: Vec<i8>,
    /// Of the weights, for each output.
    pub scale: Vec<f32>,
    /// In steps of `bias_scale`.
    pub bias: Vec<i32>,
    /// The input's scale times the weights'.
    pub bias_scale: Vec<f32>,
    /// Of what it gives; for a ReLU, byte 0 is 0.0.
    pub output: Codes,
}

/// The net.
#[derive(Debug)]
pub struct Quantised {
    /// Of the features.
    pub input: Codes,
    /// At least one.
    pub layers: Vec<QuantisedLayer>,
}

impl Codes {
    /// For the range of some values, 0.0 included.
    pub fn fit(values: &[f32]) -> Self {
        let low = values.iter().copied().fold(0.0, f32::min);
        let high = values.iter().copied().fold(0.0, f32::max);
        let scale = ((high - low) / 255.0).max(f32::MIN_POSITIVE);
        Self {
            scale,
            zero: (-low / scale).round() as u8,
        }
    }
}

impl Quantised {
    /// Quantises `net` for the ranges that `rows` have in it.
    pub fn of(net: &Net, rows: &Rows) -> Self {
        let input = Codes::fit(&rows.values);
        let mut last = input;
        let layers = net.layers.iter().zip(net.activations(rows));
        let layers = layers
            .map(|(layer, values)| {
                let quantised = QuantisedLayer::of(layer, last, Codes::fit(&values.values));
                last = quantised.output;
                quantised
            })
            .collect();
        Self { input, layers }
    }

    /// How many features it reads.
    pub fn inputs(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.inputs)
    }
}

impl QuantisedLayer {
    /// Quantises `layer`, which reads and gives such bytes.
    pub fn of(layer: &Layer, input: Codes, output: Codes) -> Self {
        let rows = || layer.weights.chunks_exact(layer.inputs);
        let scale: Vec<f32> = rows()
            .map(|row| {
                row.iter()
                    .fold(f32::MIN_POSITIVE, |most, w| most.max(w.abs()))
                    / 127.0
            })
            .collect();
        let weights = rows()
            .zip(&scale)
            .flat_map(|(row, scale)| row.iter().map(move |w| (w / scale).round() as i8))
            .collect();
        let bias_scale: Vec<f32> = scale.iter().map(|scale| scale * input.scale).collect();
        let bias = layer.bias.iter().zip(&bias_scale);
        Self {
            inputs: layer.inputs,
            weights,
            bias: bias.map(|(b, scale)| (b / scale).round() as i32).collect(),
            scale,
            bias_scale,
            output,
        }
    }
}

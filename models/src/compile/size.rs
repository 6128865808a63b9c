//! How large a model is.

use serde::Serialize;

use crate::compile::net::Net;

/// How large a model is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Its shape in a few words: a net's widths from features to output.
    pub shape: String,
    /// Weights and biases; for trees, thresholds and leaves.
    pub parameters: usize,
    /// Bytes of plan, weights, biases and scales (as handed in: of the parameters alone).
    pub bytes: usize,
    /// Multiply-adds of one score; for trees, comparisons.
    pub multiply_adds: usize,
}

impl Size {
    /// The size of a net whose plan or initialisers take `bytes`.
    pub fn of_net(net: &Net, bytes: usize) -> Self {
        let widths: Vec<String> = net.widths().iter().map(usize::to_string).collect();
        Self {
            shape: widths.join("-"),
            parameters: net.parameters(),
            bytes,
            multiply_adds: net.multiply_adds(),
        }
    }
}

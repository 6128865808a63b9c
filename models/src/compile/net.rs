//! The compiler's own form of a net: a chain of dense layers, in f32 as it was trained.

/// One dense layer: `y[n] = activation(Σ_k weights[n][k] · x[k] + bias[n])`.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// The model's own name for it.
    pub name: String,
    /// How many inputs.
    pub inputs: usize,
    /// How many outputs.
    pub outputs: usize,
    /// `weights[n * inputs + k]`
    pub weights: Vec<f32>,
    /// One for each output.
    pub bias: Vec<f32>,
    /// Whether negative sums become 0.
    pub relu: bool,
}

/// A chain of layers from features to one output.
#[derive(Debug, Clone, PartialEq)]
pub struct Net {
    /// At least one.
    pub layers: Vec<Layer>,
}

/// Values of many rows, one row after another: in f32 as nets read them, in f64 as fields give them.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows<T = f32> {
    /// Values in a row.
    pub width: usize,
    /// All of them.
    pub values: Vec<T>,
}

impl<T: Copy> Rows<T> {
    /// Rows of `width` values.
    pub fn new(width: usize, values: Vec<T>) -> Self {
        debug_assert_eq!(values.len() % width.max(1), 0);
        Self { width, values }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Each row.
    pub fn iter(&self) -> impl Iterator<Item = &[T]> {
        self.values.chunks_exact(self.width.max(1))
    }

    /// One value of every row.
    pub fn column(&self, at: usize) -> impl Iterator<Item = T> + '_ {
        self.iter().map(move |row| row[at])
    }
}

impl Rows<f64> {
    /// Each value rounded once to f32.
    pub fn narrow(&self) -> Rows {
        let values = self.values.iter().map(|&x| x as f32).collect();
        Rows::new(self.width, values)
    }
}

impl Layer {
    /// What it makes of some rows. Sums run over the inputs in rising order from the bias, as the
    /// float plan's do.
    pub fn forward(&self, rows: &Rows) -> Rows {
        let mut values = Vec::with_capacity(rows.len() * self.outputs);
        for row in rows.iter() {
            for (weights, &bias) in self.weights.chunks_exact(self.inputs).zip(&self.bias) {
                let sum = row
                    .iter()
                    .zip(weights)
                    .fold(bias, |sum, (x, w)| sum + x * w);
                values.push(if self.relu && sum < 0.0 { 0.0 } else { sum });
            }
        }
        Rows::new(self.outputs, values)
    }

    /// Multiply-adds of one row.
    pub fn multiply_adds(&self) -> usize {
        self.inputs * self.outputs
    }
}

impl Net {
    /// The net's outputs for rows of features.
    pub fn forward(&self, rows: &Rows) -> Rows {
        self.layers
            .iter()
            .fold(rows.clone(), |rows, layer| layer.forward(&rows))
    }

    /// What each layer makes of some rows, in order.
    pub fn activations(&self, rows: &Rows) -> Vec<Rows> {
        let mut all: Vec<Rows> = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let next = layer.forward(all.last().unwrap_or(rows));
            all.push(next);
        }
        all
    }

    /// How many features it reads.
    pub fn inputs(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.inputs)
    }

    /// Weights and biases.
    pub fn parameters(&self) -> usize {
        self.layers
            .iter()
            .map(|layer| layer.weights.len() + layer.bias.len())
            .sum()
    }

    /// Multiply-adds of one row.
    pub fn multiply_adds(&self) -> usize {
        self.layers.iter().map(Layer::multiply_adds).sum()
    }

    /// Widths from features to output.
    pub fn widths(&self) -> Vec<usize> {
        [self.inputs()]
            .into_iter()
            .chain(self.layers.iter().map(|layer| layer.outputs))
            .collect()
    }
}

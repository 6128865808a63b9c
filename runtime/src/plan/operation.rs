//! What tensor steps do.

use minicbor::Encode;

use crate::bundle::cbor::variants;

/// What a tensor step does: `docs/bundle-format.md` has the arithmetic. `a` and `b` are its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(index_only)]
pub enum TensorOperation {
    /// The value itself: transposes, slices, joins, repeats.
    #[n(0)]
    Copy,
    /// `a·x + b`
    #[n(1)]
    Affine,
    /// `x` moved into `a..=b`.
    #[n(2)]
    Clip,
    /// `x`, and `a·x` below 0.
    #[n(3)]
    Leaky,
    /// `x`, and `a·(eˣ − 1)` below 0.
    #[n(4)]
    Elu,
    /// `x·Φ(x)`, Φ through erf.
    #[n(5)]
    Gelu,
    /// `x·Φ(x)`, Φ through tanh (Hendrycks, Gimpel 2016).
    #[n(6)]
    GeluTanh,
    /// `x·sigmoid(a·x)`
    #[n(7)]
    Silu,
    /// The hyperbolic tangent.
    #[n(8)]
    Tanh,
    /// `1 / (1 + e⁻ˣ)`
    #[n(9)]
    Sigmoid,
    /// `x · clip(x/6 + 1/2, 0, 1)`
    #[n(10)]
    HardSwish,
    /// `ln(1 + eˣ)`
    #[n(11)]
    Softplus,
    /// `eˣ`
    #[n(12)]
    Exp,
    /// The natural logarithm.
    #[n(13)]
    Ln,
    /// The square root.
    #[n(14)]
    Root,
    /// `1 / x`
    #[n(15)]
    Reciprocal,
    /// `|x|`
    #[n(16)]
    Absolute,
    /// The error function.
    #[n(17)]
    Erf,
    /// `left + right`
    #[n(18)]
    Add,
    /// `left − right`
    #[n(19)]
    Subtract,
    /// `left · right`
    #[n(20)]
    Multiply,
    /// `left / right`
    #[n(21)]
    Divide,
    /// The lesser one.
    #[n(22)]
    Least,
    /// The greater one.
    #[n(23)]
    Greatest,
    /// `a` times the sum over the inner axes.
    #[n(24)]
    Sum,
    /// `a` times the sum of squares over the inner axes.
    #[n(25)]
    SumSquares,
    /// The greatest over the inner axes.
    #[n(26)]
    Max,
    /// The least over the inner axes.
    #[n(27)]
    Min,
    /// `eˣ / Σ eˣ` over the inner axes.
    #[n(28)]
    Softmax,
    /// `(x − mean) / √(variance + a)` over the inner axes.
    #[n(29)]
    Normalise,
    /// `Σ left · right` over the inner axes.
    #[n(30)]
    Product,
    /// `bias + Σ left · weight` over the inner axes: panels of 16 of the last outer axis.
    #[n(31)]
    Dense,
    /// Rows of a table; the last outer axis runs along a row.
    #[n(32)]
    Gather,
    /// The right operand: constants, repeated as need be.
    #[n(33)]
    Right,
    /// 1 where `left < right`, else 0.
    #[n(34)]
    Less,
    /// A gated recurrent unit over time: panels of the gates z, r, h.
    #[n(35)]
    Gru,
    /// A long short-term memory over time: panels of the gates i, o, f, c.
    #[n(36)]
    Lstm,
    /// The sine.
    #[n(45)]
    Sine,
    /// The cosine.
    #[n(46)]
    Cosine,
    /// 1 where `x` is not a number, else 0.
    #[n(47)]
    Missing,
    /// `right` where `left` is other than 0, else 0: what is not taken may be any, or not a number.
    #[n(48)]
    Keep,
}

variants!(TensorOperation {
    0: Copy,
    1: Affine,
    2: Clip,
    3: Leaky,
    4: Elu,
    5: Gelu,
    6: GeluTanh,
    7: Silu,
    8: Tanh,
    9: Sigmoid,
    10: HardSwish,
    11: Softplus,
    12: Exp,
    13: Ln,
    14: Root,
    15: Reciprocal,
    16: Absolute,
    17: Erf,
    18: Add,
    19: Subtract,
    20: Multiply,
    21: Divide,
    22: Least,
    23: Greatest,
    24: Sum,
    25: SumSquares,
    26: Max,
    27: Min,
    28: Softmax,
    29: Normalise,
    30: Product,
    31: Dense,
    32: Gather,
    33: Right,
    34: Less,
    35: Gru,
    36: Lstm,
    45: Sine,
    46: Cosine,
    47: Missing,
    48: Keep,
});

impl TensorOperation {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Affine => "affine",
            Self::Clip => "clip",
            Self::Leaky => "leaky",
            Self::Elu => "elu",
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu (tanh)",
            Self::Silu => "silu",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
            Self::HardSwish => "hard swish",
            Self::Softplus => "softplus",
            Self::Exp => "exp",
            Self::Ln => "ln",
            Self::Root => "root",
            Self::Reciprocal => "reciprocal",
            Self::Absolute => "absolute",
            Self::Erf => "erf",
            Self::Add => "add",
            Self::Subtract => "subtract",
            Self::Multiply => "multiply",
            Self::Divide => "divide",
            Self::Least => "least",
            Self::Greatest => "greatest",
            Self::Sum => "sum",
            Self::SumSquares => "sum of squares",
            Self::Max => "max",
            Self::Min => "min",
            Self::Softmax => "softmax",
            Self::Normalise => "normalise",
            Self::Product => "product",
            Self::Dense => "dense",
            Self::Gather => "gather",
            Self::Right => "constant",
            Self::Less => "less",
            Self::Gru => "gru",
            Self::Lstm => "lstm",
            Self::Sine => "sine",
            Self::Cosine => "cosine",
            Self::Missing => "missing",
            Self::Keep => "keep",
        }
    }
}

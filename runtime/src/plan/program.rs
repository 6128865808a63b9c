//! PLAN as it is stored: models as flat lists of typed steps over a planned arena.

use minicbor::Encode;

use crate::bundle::cbor::{structure, variants};
use crate::bundle::container::features;
use crate::plan::operation::TensorOperation;

/// The models of a bundle.
#[derive(Debug, Clone, PartialEq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
pub struct Plan {
    /// The plan language's version; steps keep their arithmetic within a version for ever.
    #[n(0)]
    pub version: u16,
    /// The models.
    #[n(1)]
    pub models: Vec<Model>,
}

/// The plan version that this runtime executes.
pub const PLAN_VERSION: u16 = 1;

/// One model.
#[derive(Debug, Clone, PartialEq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
pub struct Model {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// Its inputs.
    #[n(1)]
    pub inputs: Vec<Port>,
    /// Its outputs.
    #[n(2)]
    pub outputs: Vec<Port>,
    /// Its values.
    #[n(3)]
    pub buffers: Vec<Buffer>,
    /// Bytes of arena for one row.
    #[n(4)]
    pub arena_bytes: u32,
    /// What it does, in order.
    #[n(5)]
    pub steps: Vec<Step>,
}

/// A named value at a model's edge.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
pub struct Port {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// Its buffer.
    #[n(1)]
    pub buffer: u16,
}

/// The type of a buffer's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(index_only)]
pub enum ElementType {
    /// Unsigned bytes.
    #[n(0)]
    U8,
    /// 32-bit floats.
    #[n(1)]
    F32,
    /// 16-bit ranks.
    #[n(2)]
    U16,
    /// 64-bit floats.
    #[n(3)]
    F64,
    /// Unsigned bytes with three behind the last that tensor steps may read, whatever they are.
    #[cfg(feature = "tensors")]
    #[n(4)]
    Bytes,
}

impl ElementType {
    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            #[cfg(feature = "tensors")]
            Self::Bytes => 1,
            Self::U8 => 1,
            Self::U16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Bytes behind the last element that belong to a buffer.
    pub const fn tail(self) -> usize {
        match self {
            #[cfg(feature = "tensors")]
            Self::Bytes => 3,
            _ => 0,
        }
    }
}

/// Where a value lies in a row's arena. It occupies `len` elements, rounded up to 64 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
pub struct Buffer {
    /// The type of its elements.
    #[n(0)]
    pub element: ElementType,
    /// Elements of one row.
    #[n(1)]
    pub len: u32,
    /// Where it starts in the row's arena, in bytes; a multiple of 64.
    #[n(2)]
    pub offset: u32,
}

impl Buffer {
    /// Bytes that one row of it occupies.
    pub const fn row_bytes(&self) -> usize {
        (self.len as usize * self.element.size() + self.element.tail()).next_multiple_of(64)
    }

    /// Elements from one row to the next.
    pub const fn stride(&self) -> usize {
        self.row_bytes() / self.element.size()
    }
}

/// One step. Buffers are indices into [`Model::buffers`]; `weights` are byte offsets into WGTS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
pub enum Step {
    /// f32 to bytes in 0..=127, with a factor and an offset for each element.
    #[n(0)]
    Quantise {
        /// f32.
        #[n(0)]
        input: u16,
        /// Bytes, as many.
        #[n(1)]
        output: u16,
        /// Factors, then offsets, f32 each.
        #[n(2)]
        weights: u64,
    },
    /// int8 dense to bytes.
    #[n(1)]
    DenseU8 {
        /// Bytes.
        #[n(0)]
        input: u16,
        /// Bytes.
        #[n(1)]
        output: u16,
        /// Panels of [`crate::kernels`].
        #[n(2)]
        weights: u64,
        /// The greatest byte that the input holds: 127 or 255.
        #[n(3)]
        input_high: u8,
        /// The byte that stands for 0.0 in the output.
        #[n(4)]
        zero: u8,
        /// The least byte written.
        #[n(5)]
        low: u8,
        /// The greatest byte written.
        #[n(6)]
        high: u8,
    },
    /// int8 dense to f32.
    #[n(2)]
    DenseF32 {
        /// Bytes.
        #[n(0)]
        input: u16,
        /// f32.
        #[n(1)]
        output: u16,
        /// Panels of [`crate::kernels`].
        #[n(2)]
        weights: u64,
        /// The greatest byte that the input holds: 127 or 255.
        #[n(3)]
        input_high: u8,
        /// Whether negative results become 0.
        #[n(4)]
        relu: bool,
    },
    /// Dense in f32 arithmetic.
    #[n(3)]
    DenseFloat {
        /// f32.
        #[n(0)]
        input: u16,
        /// f32.
        #[n(1)]
        output: u16,
        /// Panels of [`crate::kernels`].
        #[n(2)]
        weights: u64,
        /// Whether weights are stored as f16.
        #[n(3)]
        half: bool,
        /// Whether negative sums become 0.
        #[n(4)]
        relu: bool,
    },
    /// Features to ranks among the thresholds of an ensemble of trees.
    #[n(4)]
    Rank {
        /// f32 or f64: the type that the trees were trained in.
        #[n(0)]
        input: u16,
        /// Ranks, one for each slot.
        #[n(1)]
        output: u16,
        /// Slots, thresholds, sets: [`crate::plan::ensemble`].
        #[n(2)]
        weights: u64,
    },
    /// An ensemble of trees over ranks.
    #[n(5)]
    Trees {
        /// Ranks.
        #[n(0)]
        input: u16,
        /// f32 or f64: what its leaves are added up in.
        #[n(1)]
        output: u16,
        /// Trees, nodes, constants, leaves: [`crate::plan::ensemble`].
        #[n(2)]
        weights: u64,
        /// How many trees.
        #[n(3)]
        trees: u32,
        /// Whether the outputs' own numbers are added at the end, not at the beginning.
        #[n(4)]
        last: bool,
    },
    /// A tensor operation over f32 buffers through strides.
    #[n(16)]
    Tensor {
        /// What it does.
        #[n(0)]
        operation: TensorOperation,
        /// f32.
        #[n(1)]
        left: u16,
        /// f32; [`CONSTANT`] where the right operand lies in WGTS. As `left` where there is none.
        #[n(2)]
        right: u16,
        /// f32. Where the step writes only part of it, an earlier one has written it all.
        #[n(3)]
        output: u16,
        /// Panels, a table, a constant right operand, or the operation's two parameters: f32.
        #[n(4)]
        weights: u64,
        /// Elements of a constant right operand, rows of a table; else 0.
        #[n(5)]
        size: u32,
        /// What it walks.
        #[n(6)]
        nest: Nest,
    },
    /// f32 to bytes in 0..=`high` through strides, with a factor and an offset for each element of the
    /// last axis.
    #[cfg(feature = "tensors")]
    #[n(17)]
    TensorQuantise {
        /// f32.
        #[n(0)]
        input: u16,
        /// Bytes. Where the step writes only part of them, an earlier one has written them all.
        #[n(1)]
        output: u16,
        /// Factors, then offsets, f32 each.
        #[n(2)]
        weights: u64,
        /// The byte that is added after rounding.
        #[n(3)]
        zero: u8,
        /// The greatest byte written: 127 or 255.
        #[n(4)]
        high: u8,
        /// What it walks; no inner axes.
        #[n(5)]
        nest: Nest,
    },
    /// int8 sums of products over the inner axes, the last of which runs over neighbouring bytes: dense
    /// layers over positions, convolutions.
    #[cfg(feature = "tensors")]
    #[n(18)]
    TensorDense {
        /// Bytes.
        #[n(0)]
        input: u16,
        /// f32 or bytes. As for [`Self::TensorQuantise`].
        #[n(1)]
        output: u16,
        /// Panels of [`crate::kernels`] for 16 of the last outer axis; each run of the last inner axis
        /// padded to four bytes, with zeros.
        #[n(2)]
        weights: u64,
        /// The greatest byte that the input holds: 127 or 255.
        #[n(3)]
        input_high: u8,
        /// Whether negative results become 0, of f32.
        #[n(4)]
        relu: bool,
        /// The byte that stands for 0.0 in an output of bytes.
        #[n(5)]
        zero: u8,
        /// The least byte written.
        #[n(6)]
        low: u8,
        /// The greatest byte written.
        #[n(7)]
        high: u8,
        /// What it walks.
        #[n(8)]
        nest: Nest,
    },
    /// Bytes to f32 through strides, with a factor for each element of the last axis.
    #[cfg(feature = "tensors")]
    #[n(19)]
    TensorDequantise {
        /// Bytes.
        #[n(0)]
        input: u16,
        /// f32. As for [`Self::TensorQuantise`].
        #[n(1)]
        output: u16,
        /// Factors, f32 each.
        #[n(2)]
        weights: u64,
        /// The byte that stands for 0.0.
        #[n(3)]
        zero: u8,
        /// What it walks; no inner axes.
        #[n(4)]
        nest: Nest,
    },
}

/// Stands for a right operand that lies in WGTS.
pub const CONSTANT: u16 = u16::MAX;

/// The axes that a tensor step walks: `6 − inner` outer ones, then inner ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
pub struct Nest {
    /// How many of the axes, the last ones, are folded or normed over.
    #[n(0)]
    pub inner: u8,
    /// The first element of the left operand, of the right one, of the output.
    #[n(1)]
    pub start: [u32; 3],
    /// Axes, the last one fastest.
    #[n(2)]
    pub axes: [Axis; 6],
}

/// One axis: how often, and how far apart in each operand, in elements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
pub struct Axis {
    /// At least 1.
    #[n(0)]
    pub count: u32,
    /// In the left operand.
    #[n(1)]
    pub left: i32,
    /// In the right operand.
    #[n(2)]
    pub right: i32,
    /// In the output.
    #[n(3)]
    pub output: i32,
}

structure!(Plan {
    0: version,
    1: models
});
structure!(Model {
    0: name,
    1: inputs,
    2: outputs,
    3: buffers,
    4: arena_bytes,
    5: steps,
});
structure!(Port [name, buffer]);
variants!(ElementType {
    0: U8,
    1: F32,
    2: U16,
    3: F64,
    #[cfg(feature = "tensors")]
    4: Bytes,
});
structure!(Buffer [element, len, offset]);
variants!(Step [
    0: Quantise { input, output, weights },
    1: DenseU8 { input, output, weights, input_high, zero, low, high },
    2: DenseF32 { input, output, weights, input_high, relu },
    3: DenseFloat { input, output, weights, half, relu },
    4: Rank { input, output, weights },
    5: Trees { input, output, weights, trees, last },
    16: Tensor { operation, left, right, output, weights, size, nest },
    #[cfg(feature = "tensors")]
    17: TensorQuantise { input, output, weights, zero, high, nest },
    #[cfg(feature = "tensors")]
    18: TensorDense { input, output, weights, input_high, relu, zero, low, high, nest },
    #[cfg(feature = "tensors")]
    19: TensorDequantise { input, output, weights, zero, nest },
]);
structure!(Nest [inner, start, axes]);
structure!(Axis [count, left, right, output]);

impl Nest {
    /// The least and the greatest element that one operand reaches: left, right or output.
    pub(super) fn reach(&self, operand: usize) -> (i64, i64) {
        let start = i64::from(self.start[operand]);
        self.axes.iter().fold((start, start), |(low, high), axis| {
            let stride = [axis.left, axis.right, axis.output][operand];
            let far = i64::from(stride) * (i64::from(axis.count) - 1);
            (low + far.min(0), high + far.max(0))
        })
    }
}

impl Plan {
    /// The feature bits that a bundle of it must require
    /// ([`features`](crate::bundle::container::features)).
    pub fn features(&self) -> u64 {
        let several = |model: &Model| model.inputs.len() > 1 || model.outputs.len() > 1;
        let mut bits = 0;
        for model in &self.models {
            if cfg!(feature = "outputs") && several(model) {
                bits |= features::OUTPUTS;
            }
            let steps = model.steps.iter();
            bits = steps.fold(bits, |bits, step| bits | step.feature());
        }
        bits
    }

    /// Whether it knows what to make of values that are missing: trees do, and nets that ask.
    pub fn takes_missing(&self) -> bool {
        let asks = |step: &Step| match step {
            Step::Tensor { operation, .. } => *operation == TensorOperation::Missing,
            _ => step.feature() == features::TREES,
        };
        self.models.iter().any(|model| model.steps.iter().any(asks))
    }
}

impl Step {
    /// The feature bit of its family; dense steps need none.
    pub const fn feature(&self) -> u64 {
        match self {
            Self::Quantise { .. }
            | Self::DenseU8 { .. }
            | Self::DenseF32 { .. }
            | Self::DenseFloat { .. } => 0,
            Self::Rank { .. } | Self::Trees { .. } => features::TREES,
            Self::Tensor { .. } => features::TENSORS,
            #[cfg(feature = "tensors")]
            Self::TensorQuantise { .. }
            | Self::TensorDense { .. }
            | Self::TensorDequantise { .. } => features::TENSORS,
        }
    }

    /// The buffers it reads; twice the same where it reads one.
    pub const fn inputs(&self) -> [u16; 2] {
        match *self {
            Self::Tensor { left, right, .. } if right != CONSTANT => [left, right],
            _ => [self.input(); 2],
        }
    }

    /// The buffer it reads, the left one of two.
    pub const fn input(&self) -> u16 {
        match *self {
            Self::Quantise { input, .. }
            | Self::DenseU8 { input, .. }
            | Self::DenseF32 { input, .. }
            | Self::DenseFloat { input, .. }
            | Self::Rank { input, .. }
            | Self::Trees { input, .. } => input,
            #[cfg(feature = "tensors")]
            Self::TensorQuantise { input, .. }
            | Self::TensorDense { input, .. }
            | Self::TensorDequantise { input, .. } => input,
            Self::Tensor { left, .. } => left,
        }
    }

    /// The buffer it writes.
    pub const fn output(&self) -> u16 {
        match *self {
            Self::Quantise { output, .. }
            | Self::DenseU8 { output, .. }
            | Self::DenseF32 { output, .. }
            | Self::DenseFloat { output, .. }
            | Self::Rank { output, .. }
            | Self::Trees { output, .. }
            | Self::Tensor { output, .. } => output,
            #[cfg(feature = "tensors")]
            Self::TensorQuantise { output, .. }
            | Self::TensorDense { output, .. }
            | Self::TensorDequantise { output, .. } => output,
        }
    }

    /// What a tensor step walks.
    pub(super) const fn nest(&self) -> Option<&Nest> {
        match self {
            Self::Tensor { nest, .. } => Some(nest),
            #[cfg(feature = "tensors")]
            Self::TensorQuantise { nest, .. }
            | Self::TensorDense { nest, .. }
            | Self::TensorDequantise { nest, .. } => Some(nest),
            _ => None,
        }
    }

    /// The step's name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Quantise { .. } => "quantise",
            Self::DenseU8 { .. } | Self::DenseF32 { .. } => "dense int8",
            Self::DenseFloat { half: true, .. } => "dense f16",
            Self::DenseFloat { half: false, .. } => "dense f32",
            Self::Rank { .. } => "rank",
            Self::Trees { .. } => "trees",
            Self::Tensor { operation, .. } => operation.name(),
            #[cfg(feature = "tensors")]
            Self::TensorQuantise { .. } => "quantise",
            #[cfg(feature = "tensors")]
            Self::TensorDense { .. } => "dense int8",
            #[cfg(feature = "tensors")]
            Self::TensorDequantise { .. } => "dequantise",
        }
    }
}

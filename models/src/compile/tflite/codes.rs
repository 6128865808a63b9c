//! Full-integer `.tflite` files. tract reads their float operators alone: constants become the real
//! numbers that they stand for, and each computed tensor is quantised and brought back at the edge where the
//! file has codes, as a QDQ model of ONNX does.

use std::collections::HashMap;

use tract_onnx::prelude::{OutletId, TractResult, TypedModel, tvec};
use tract_onnx::tract_core::model::InletId;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::quant::{DequantizeLinearF32, QuantizeLinearI8};
use tract_onnx::tract_hir::internal::{SpecialOps, TractErrorContext};
use tract_tflite::tflite::{Buffer, Model, SubGraph, Tensor, TensorType, root_as_model};

use crate::error::{Error, Result};

/// The codes of a computed tensor: `(q − zero) · step`.
#[derive(Debug, Clone, PartialEq)]
struct Codes {
    name: String,
    step: f32,
    zero: i8,
}

/// A full-integer file as a float one, and what it had for codes.
#[derive(Debug)]
pub(super) struct Floats {
    /// The file, its constants as real numbers.
    pub bytes: Vec<u8>,
    codes: Vec<Codes>,
    /// The names of all tensors.
    names: Vec<String>,
}

/// An entry of a file that has not what the entry must have.
struct Odd<'f> {
    tensor: &'f str,
    expected: &'static str,
}

impl Floats {
    /// Of a file whose first graph has int8 tensors; none of another.
    ///
    /// # Errors
    /// Where a tensor has codes that no plan has: with its name.
    pub fn of(bytes: &[u8], place: &str) -> Result<Option<Self>> {
        let whole = || Error::input(place, "a whole .tflite model");
        let model = root_as_model(bytes).map_err(|_| whole())?;
        let graphs = model.subgraphs().filter(|graphs| !graphs.is_empty());
        let graph = graphs.ok_or_else(whole)?.get(0);
        let tensors = graph.tensors().ok_or_else(whole)?;
        let mut kinds = tensors.iter().map(|tensor| tensor.type_());
        if !kinds.any(|kind| kind == TensorType::INT8) {
            return Ok(None);
        }
        Self::read(bytes, &model, &graph)
            .ok_or_else(whole)?
            .map(Some)
            .map_err(|odd| {
                Error::input(format!("{place}, tensor {}", odd.tensor), odd.expected)
                    .hint(super::WAY_OUT)
            })
    }

    fn read<'f>(
        bytes: &[u8],
        model: &Model<'f>,
        graph: &SubGraph<'f>,
    ) -> Option<std::result::Result<Self, Odd<'f>>> {
        let mut patch = Patch::new(bytes);
        let (mut codes, mut names) = (Vec::new(), Vec::new());
        // Where a buffer's numbers went, and what one of them stands for.
        let mut done: HashMap<u32, (TensorType, Vec<f32>)> = HashMap::new();
        let buffers = model.buffers()?;
        for tensor in graph.tensors()? {
            let name = tensor.name()?;
            let odd = |expected| {
                Some(Err(Odd {
                    tensor: name,
                    expected,
                }))
            };
            names.push(name.to_owned());
            let Some(scale) = Scale::of(&tensor) else {
                match tensor.type_() {
                    TensorType::INT8 => return odd("a scale for its codes"),
                    _ => continue,
                }
            };
            if !matches!(tensor.type_(), TensorType::INT8 | TensorType::INT32) {
                return odd("codes of int8, and of int32 for biases");
            }
            let at = tensor.buffer();
            let buffer = ((at as usize) < buffers.len()).then(|| buffers.get(at as usize))?;
            match buffer.data().filter(|data| !data.is_empty()) {
                None => match (scale.steps.as_slice(), i8::try_from(scale.zero)) {
                    (&[step], Ok(zero)) => codes.push(Codes {
                        name: name.to_owned(),
                        step,
                        zero,
                    }),
                    _ => return odd("one scale for all of a computed tensor's codes"),
                },
                Some(data) => match done.get(&at) {
                    Some(same) if *same == (tensor.type_(), scale.steps.clone()) => {}
                    Some(_) => {
                        return odd("a constant of its own, not another one's with another scale");
                    }
                    None => {
                        let Some(floats) = scale.floats(&tensor, data.bytes()) else {
                            return odd(
                                "as many codes as its shape says, a scale for each channel",
                            );
                        };
                        patch.numbers(&buffer, &floats)?;
                        done.insert(at, (tensor.type_(), scale.steps));
                    }
                },
            }
            patch.float(&tensor)?;
        }
        Some(Ok(Self {
            bytes: patch.bytes,
            codes,
            names,
        }))
    }

    /// Quantises each computed tensor of the float model, and brings it back.
    pub fn quantised(&self, mut model: TypedModel) -> TractResult<TypedModel> {
        for codes in &self.codes {
            let own = |name: &str| {
                let rest = name.strip_prefix(codes.name.as_str());
                rest == Some("")
                    || rest.is_some_and(|rest| rest.starts_with('.')) && !self.named(name)
            };
            // What an operator is made of is added in order, the last one gives its output.
            let node = model.nodes.iter().rfind(|node| own(&node.name));
            let outlet: OutletId = node
                .with_context(|| format!("no node for tensor {}", codes.name))?
                .id
                .into();
            if model.outlet_fact(outlet)?.konst.is_some() {
                continue;
            }
            let readers: Vec<InletId> = model.nodes[outlet.node].outputs[outlet.slot]
                .successors
                .to_vec();
            let op = QuantizeLinearI8 {
                scale: codes.step.recip(),
                zero_point: codes.zero,
            };
            let op = ElementWiseOp(Box::new(op), None);
            let name = format!("{}_quantised", codes.name);
            let quantised = model.wire_node(name, op, &[outlet])?[0];
            let op = DequantizeLinearF32::new(codes.step, codes.zero.into());
            let back = model.wire_node(format!("{}_codes", codes.name), op, &tvec![quantised])?[0];
            for reader in readers {
                model.add_edge(back, reader)?;
            }
            for output in &mut model.outputs {
                if *output == outlet {
                    *output = back;
                }
            }
        }
        Ok(model)
    }

    fn named(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }
}

/// How a tensor stands for real numbers.
struct Scale {
    /// One, or one for each channel.
    steps: Vec<f32>,
    /// Which code stands for 0.
    zero: i64,
    /// The axis of the channels.
    axis: usize,
}

impl Scale {
    fn of(tensor: &Tensor<'_>) -> Option<Self> {
        let codes = tensor.quantization()?;
        let steps: Vec<f32> = codes.scale()?.iter().collect();
        let zeros = codes.zero_point().map(|zeros| zeros.iter().collect());
        let zeros: Vec<i64> = zeros.unwrap_or_default();
        let zero = zeros.first().copied().unwrap_or(0);
        let sound = steps.iter().all(|step| step.is_normal() && *step > 0.0)
            && zeros.iter().all(|other| *other == zero);
        (sound && !steps.is_empty()).then_some(Self {
            steps,
            zero,
            axis: usize::try_from(codes.quantized_dimension()).ok()?,
        })
    }

    /// The numbers that a constant stands for.
    fn floats(&self, tensor: &Tensor<'_>, bytes: &[u8]) -> Option<Vec<f32>> {
        let shape: Vec<usize> = tensor
            .shape()
            .iter()
            .flatten()
            .map(|dim| usize::try_from(dim).ok())
            .collect::<Option<_>>()?;
        let codes: Vec<i64> = match tensor.type_() {
            TensorType::INT8 => bytes.iter().map(|b| i64::from(*b as i8)).collect(),
            _ => {
                let (codes, []) = bytes.as_chunks() else {
                    return None;
                };
                codes
                    .iter()
                    .map(|b| i32::from_le_bytes(*b).into())
                    .collect()
            }
        };
        let behind: usize = shape.iter().skip(self.axis + 1).product();
        let channels = match self.steps.len() {
            1 => 1,
            count => (shape.get(self.axis) == Some(&count)).then_some(count)?,
        };
        (codes.len() == shape.iter().product::<usize>()).then(|| {
            let step = |at: usize| self.steps[at / behind.max(1) % channels];
            let real =
                |(at, code): (usize, i64)| ((code - self.zero) as f64 * f64::from(step(at))) as f32;
            codes.into_iter().enumerate().map(real).collect()
        })
    }
}

/// A file whose entries are changed where they are; what needs room goes to its end.
struct Patch {
    bytes: Vec<u8>,
    /// Where codes that are none lie.
    none: usize,
}

impl Patch {
    /// The file, with empty `QuantizationParameters` behind it: its vtable's size, its own, and how far
    /// before it the vtable lies.
    fn new(bytes: &[u8]) -> Self {
        let mut bytes = bytes.to_vec();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend([4, 0, 4, 0]);
        let none = bytes.len();
        bytes.extend(4i32.to_le_bytes());
        Self { bytes, none }
    }

    /// Points the entry at `place`, if the table has it, to what lies at `target`, further on.
    fn point(&mut self, place: usize, target: usize) -> Option<()> {
        let far = u32::try_from(target.checked_sub(place)?).ok()?;
        self.bytes
            .get_mut(place..place + 4)?
            .copy_from_slice(&far.to_le_bytes());
        Some(())
    }

    /// Gives a buffer other bytes.
    fn numbers(&mut self, buffer: &Buffer<'_>, floats: &[f32]) -> Option<()> {
        let table = buffer._tab;
        let entry = usize::from(table.vtable().get(Buffer::VT_DATA));
        let target = self.bytes.len();
        self.bytes
            .extend(u32::try_from(floats.len() * 4).ok()?.to_le_bytes());
        self.bytes
            .extend(floats.iter().flat_map(|x| x.to_le_bytes()));
        self.point(table.loc() + entry, target)
    }

    /// Makes a tensor one of float32, without codes.
    fn float(&mut self, tensor: &Tensor<'_>) -> Option<()> {
        let table = tensor._tab;
        let entry = |field| usize::from(table.vtable().get(field));
        // int8 is no default: its entry is there. So are codes.
        let kind = table.loc() + entry(Tensor::VT_TYPE_);
        *self.bytes.get_mut(kind)? = TensorType::FLOAT32.0 as u8;
        self.point(table.loc() + entry(Tensor::VT_QUANTIZATION), self.none)
    }
}

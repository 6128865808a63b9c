//! int8 in graphs: dense steps whose values become bytes with static ranges, as `compile::quantise` does
//! for chains. Steps that share their weights (a layer over positions, a gate at each step in time) are
//! one layer: one set of ranges, one rounding.

use std::collections::HashMap;

use fieldscore_runtime::kernels::{LANES, pack_dense_i8};
use fieldscore_runtime::plan::{
    Buffer, ElementType, Executable, Model, Nest, Port, Step, TensorOperation,
};

use super::Graph;
use super::emit::{self, Store};
use super::form::Form;
use super::{direct, fuse, own};
use crate::compile::lower::Lowered;
use crate::compile::net::{Layer, Rows};
use crate::compile::quantise::{Codes, HIGH, Int8Layer, quantise_layer};
use crate::error::{Error, Result};
use crate::recipe::Precision;

/// Sums that a layer is fitted on at most, drawn from all rows and positions.
const SUMS: u64 = 2048;
/// Shorter sums gain nothing from int8: four products are one instruction.
const SHORT: usize = 4;
/// Longer sums are not fitted: it takes the cube of their length.
const LONG: usize = 4096;

/// A layer of a graph that int8 can express.
#[derive(Debug, Clone)]
pub struct DenseLayer {
    /// The layer in f32, with the name of its node.
    pub layer: Layer,
    pub(super) int8: Int8Layer,
    /// Of its channels, of which several elements of a sum may share one.
    pub(super) codes: ByteCodes,
    /// Whether they are the file's.
    pub(super) own: bool,
}

/// How values become bytes: `zero + round(clamp(x · factor + offset, −zero, high − zero))`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ByteCodes {
    /// Factor and offset of each channel.
    pub constants: Vec<(f32, f32)>,
    /// The byte that is added after rounding.
    pub zero: u8,
    /// The greatest byte.
    pub high: u8,
}

/// A graph with its int8 layers fitted: each may be taken or left.
#[derive(Debug)]
pub struct Quantiser<'g> {
    float: &'g Lowered,
    /// The layers, in the order of their first steps.
    pub layers: Vec<DenseLayer>,
    /// The steps that are a layer's: which, and how its bytes lie.
    forms: HashMap<usize, (usize, Form)>,
    /// Bytes of weights that each step of the float plan reads.
    sizes: Vec<usize>,
}

/// Bytes that a value has become.
struct Known {
    input: u16,
    nest: Nest,
    codes: ByteCodes,
    bytes: u16,
}

/// A step of a new plan, its weights still open.
#[derive(Debug)]
pub(super) enum Draft {
    Float(Step, Vec<u8>),
    Quantise {
        input: u16,
        output: u16,
        nest: Nest,
        /// A constant for each of the last axis.
        codes: ByteCodes,
    },
    Dense {
        input: u16,
        output: u16,
        nest: Nest,
        layer: usize,
        /// Of the bytes' order.
        order: Vec<Option<usize>>,
        relu: bool,
        /// With a factor for each output, where bytes are written.
        bytes: Option<ToBytes>,
    },
}

impl Draft {
    /// The buffers it reads; twice the same where it reads one.
    pub(super) const fn inputs(&self) -> [u16; 2] {
        match self {
            Self::Float(step, _) => step.inputs(),
            Self::Quantise { input, .. } | Self::Dense { input, .. } => [*input; 2],
        }
    }

    /// The buffer it writes.
    pub(super) const fn output(&self) -> u16 {
        match self {
            Self::Float(step, _) => step.output(),
            Self::Quantise { output, .. } | Self::Dense { output, .. } => *output,
        }
    }
}

/// What a step writes that writes bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ToBytes {
    /// For each output, bytes to a unit.
    pub factors: Vec<f32>,
    /// The byte that stands for 0.0.
    pub zero: u8,
    /// The least byte.
    pub low: u8,
    /// The greatest byte.
    pub high: u8,
}

impl Graph {
    /// Fits int8 layers on calibration rows. Layers whose values on these rows are too degenerate to
    /// fit, or need more arena to be seen than a plan has, stay in f32.
    ///
    /// # Errors
    /// Where the runtime would refuse the float plan.
    pub fn quantiser(&self, rows: &Rows) -> Result<Quantiser<'_>> {
        let float = &self.lowered;
        let executable = Executable::new(float.plan.clone(), &float.weights)?;
        let sizes: Vec<usize> = executable.costs(0).map(|(bytes, _)| bytes).collect();
        let steps = &float.plan.models[0].steps;
        let mut found: Vec<(u64, Vec<(usize, Form)>)> = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            let Some((weights, nest)) = dense(step) else {
                continue;
            };
            let form = Form::new(nest).filter(|form| (SHORT..=LONG).contains(&form.shape()[0]));
            let Some(form) = form else {
                continue;
            };
            match found.iter_mut().find(|(other, _)| *other == weights) {
                Some((_, forms)) => forms.push((at, form)),
                None => found.push((weights, vec![(at, form)])),
            }
        }
        let mut quantiser = Quantiser {
            float,
            layers: Vec::new(),
            forms: HashMap::new(),
            sizes,
        };
        let mut named: HashMap<&str, usize> = HashMap::new();
        for (weights, forms) in found {
            let node = self.names.get(&weights).map_or("", String::as_str);
            let times = named.entry(node).or_default();
            *times += 1;
            let name = match times {
                1 => node.to_owned(),
                n => format!("{node}#{n}"),
            };
            let [first, ..] = &forms[..] else { continue };
            let alike =
                |form: &Form| form.order == first.1.order && form.channels == first.1.channels;
            if !forms.iter().all(|(_, form)| alike(form)) {
                continue;
            }
            let [inputs, outputs] = first.1.shape();
            let layer = unpacked(name, &float.weights[weights as usize..], inputs, outputs);
            let input = steps[first.0].input();
            let above = steps[..first.0].iter().rfind(|step| step.output() == input);
            let relu = above.is_some_and(|step| fuse::relu(step, &float.weights));
            // A model that comes quantised keeps its own numbers.
            let own = own::codes(float, &forms).and_then(|codes| own::layer(&layer, codes));
            let fitted = || fitted(float, layer, (&forms, relu), rows);
            if let Some(layer) = own.or_else(fitted) {
                for (at, form) in forms {
                    quantiser.forms.insert(at, (quantiser.layers.len(), form));
                }
                quantiser.layers.push(layer);
            }
        }
        Ok(quantiser)
    }
}

/// Where a dense step's weights lie, and what it walks.
const fn dense(step: &Step) -> Option<(u64, &Nest)> {
    match step {
        Step::Tensor {
            operation: TensorOperation::Dense,
            weights,
            nest,
            ..
        } => Some((*weights, nest)),
        _ => None,
    }
}

/// A layer from its float panels.
fn unpacked(name: String, panels: &[u8], inputs: usize, outputs: usize) -> Layer {
    let floats: Vec<f32> = panels
        .as_chunks()
        .0
        .iter()
        .map(|&x| f32::from_le_bytes(x))
        .collect();
    let panel = LANES * (1 + inputs);
    let at = |n: usize| (n / LANES) * panel + n % LANES;
    let row = |n: usize| (0..inputs).map(move |k| at(n) + (1 + k) * LANES);
    Layer {
        name,
        inputs,
        outputs,
        weights: (0..outputs).flat_map(row).map(|at| floats[at]).collect(),
        bias: (0..outputs).map(|n| floats[at(n)]).collect(),
        relu: false,
    }
}

/// A layer in int8, from what it reads on some rows, of a ReLU or not; `None` where that cannot be
/// fitted.
fn fitted(
    float: &Lowered,
    layer: Layer,
    (forms, relu): (&[(usize, Form)], bool),
    rows: &Rows,
) -> Option<DenseLayer> {
    let read = gathered(float, forms, rows, layer.inputs).ok()?;
    let form = &forms.first()?.1;
    let mut columns = vec![Vec::new(); form.channels];
    for row in read.iter() {
        for (x, channel) in row.iter().zip(&form.channel) {
            columns[*channel].push(*x);
        }
    }
    let count = columns.iter().map(Vec::len).min().filter(|n| *n > 0)?;
    let values = (0..count).flat_map(|row| columns.iter().map(move |column| column[row]));
    let mut codes = Codes::fit(&Rows::new(form.channels, values.collect()));
    if relu {
        // Its zero is byte 0: so it can be part of the requantisation before.
        for (low, step) in codes.low.iter_mut().zip(&mut codes.step) {
            *step += std::mem::take(low) / HIGH;
        }
    }
    let each = Codes {
        low: form.channel.iter().map(|&c| codes.low[c]).collect(),
        step: form.channel.iter().map(|&c| codes.step[c]).collect(),
    };
    let target = layer.forward(&read);
    let int8 = quantise_layer(&layer, &each, &each.bytes(&read), &target).ok()?;
    let sound = |x: &f32| (f32::MIN_POSITIVE..1e20).contains(x);
    int8.scale.iter().all(sound).then_some(DenseLayer {
        layer,
        int8,
        codes: ByteCodes {
            constants: (0..form.channels).map(|c| codes.constants(c)).collect(),
            zero: 0,
            high: 127,
        },
        own: false,
    })
}

/// What sums of a layer read on some rows, in the order of the float panels.
fn gathered(float: &Lowered, forms: &[(usize, Form)], rows: &Rows, depth: usize) -> Result<Rows> {
    let model = &float.plan.models[0];
    let last = forms.iter().map(|(at, _)| *at).max().unwrap_or(0);
    let mut inputs: Vec<u16> = forms
        .iter()
        .map(|(at, _)| model.steps[*at].input())
        .collect();
    inputs.sort_unstable();
    inputs.dedup();
    let seen = seen(model, &inputs, last, float)?;
    // For each step, the value that it reads and where each of its sums starts.
    let mut reads = Vec::new();
    for (at, _) in forms {
        let step = &model.steps[*at];
        let value = inputs.iter().position(|&input| input == step.input());
        let (Some(value), Some((_, nest))) = (value, dense(step)) else {
            continue;
        };
        let split = nest.axes.len() - usize::from(nest.inner);
        let starts = places(
            i64::from(nest.start[0]),
            &nest.axes[..split.saturating_sub(1)],
        );
        reads.push((value, starts, places(0, &nest.axes[split..])));
    }
    let sums: usize = reads.iter().map(|(_, starts, _)| starts.len()).sum();
    let all = (sums * rows.len()) as u64;
    let mut number = 0u64;
    let mut values = Vec::new();
    seen.observe(rows, |_, buffers| {
        for (value, starts, taps) in &reads {
            for start in starts {
                // Spread over rows and positions alike (Knuth, multiplicative hashing).
                let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
                number += 1;
                if random * all < SUMS << 32 {
                    values.extend(
                        taps.iter()
                            .map(|tap| buffers[*value][(start + tap) as usize]),
                    );
                }
            }
        }
        Ok(())
    })?;
    Ok(Rows::new(depth, values))
}

/// All places of some axes in the left operand, the last axis fastest.
fn places(start: i64, axes: &[fieldscore_runtime::plan::Axis]) -> Vec<i64> {
    axes.iter().fold(vec![start], |all, axis| {
        let next = |base: i64| {
            let step = i64::from(axis.left);
            (0..i64::from(axis.count)).map(move |i| base + i * step)
        };
        all.into_iter().flat_map(next).collect()
    })
}

/// The float plan up to step `last`, its outputs the buffers `shown`.
fn seen(model: &Model, shown: &[u16], last: usize, float: &Lowered) -> Result<Lowered> {
    let outputs = shown.iter().map(|&buffer| Port {
        name: buffer.to_string(),
        buffer,
    });
    let store = Store::holding(float.weights.clone());
    let steps = model.steps[..last].to_vec();
    emit::finish(lens(&model.buffers), steps, store, outputs.collect())
        .ok_or_else(|| Error::check("quantising", "a plan whose values can be seen"))
}

fn lens(buffers: &[Buffer]) -> Vec<(ElementType, u32)> {
    buffers.iter().map(|b| (b.element, b.len)).collect()
}

impl Quantiser<'_> {
    /// The plan with the layers that `precisions` has in int8; all others stay in f32.
    ///
    /// # Errors
    /// Where that needs more buffers than a plan may have.
    pub fn lower(&self, precisions: &[Precision]) -> Result<Lowered> {
        let model = &self.float.plan.models[0];
        let mut buffers = lens(&model.buffers);
        let mut drafts = Vec::new();
        // The bytes that a value has become already.
        let mut known: Vec<Known> = Vec::new();
        for (at, step) in model.steps.iter().enumerate() {
            let form = self.forms.get(&at);
            match form.filter(|(layer, _)| precisions.get(*layer) == Some(&Precision::Int8)) {
                Some((layer, form)) => {
                    let own = &self.layers[*layer];
                    let codes = own.codes(form);
                    let input = step.input();
                    let same = |known: &&Known| {
                        known.input == input && known.nest == form.quantise && known.codes == codes
                    };
                    let there = own::bytes(model, input, form).filter(|_| own.own);
                    let there = there.or_else(|| known.iter().find(same).map(|known| known.bytes));
                    let bytes = there.unwrap_or_else(|| {
                        buffers.push((ElementType::Bytes, form.len as u32));
                        let bytes = (buffers.len() - 1) as u16;
                        known.push(Known {
                            input,
                            nest: form.quantise,
                            codes: codes.clone(),
                            bytes,
                        });
                        drafts.push(Draft::Quantise {
                            input,
                            output: bytes,
                            nest: form.quantise,
                            codes,
                        });
                        bytes
                    });
                    drafts.push(Draft::Dense {
                        input: bytes,
                        output: step.output(),
                        nest: form.dense,
                        layer: *layer,
                        order: form.order.clone(),
                        relu: false,
                        bytes: None,
                    });
                }
                None => drafts.push(self.as_it_is(at, step)),
            }
            known.retain(|known| known.input != step.output());
        }
        let outputs: Vec<u16> = model.outputs.iter().map(|port| port.buffer).collect();
        fuse::join(&mut drafts, &buffers, &outputs);
        direct::scales(&mut drafts, &buffers, &outputs);
        direct::pads(&mut drafts, &buffers, &outputs);
        direct::channels_last(&mut drafts, &buffers, &outputs);
        self.finish(buffers, drafts, precisions)
    }

    /// A step of the float plan, with the bytes of WGTS that it reads.
    fn as_it_is(&self, at: usize, step: &Step) -> Draft {
        let own = |weights: u64| &self.float.weights[weights as usize..][..self.sizes[at]];
        match *step {
            Step::TensorQuantise {
                input,
                output,
                weights,
                zero,
                high,
                nest,
            } => {
                let floats = own::floats(own(weights));
                let (factors, offsets) = floats.split_at(floats.len() / 2);
                let constants = factors.iter().copied().zip(offsets.iter().copied());
                Draft::Quantise {
                    input,
                    output,
                    nest,
                    codes: ByteCodes {
                        constants: constants.collect(),
                        zero,
                        high,
                    },
                }
            }
            Step::Tensor { weights, .. } | Step::TensorDequantise { weights, .. } => {
                Draft::Float(*step, own(weights).to_vec())
            }
            _ => Draft::Float(*step, Vec::new()),
        }
    }

    fn finish(
        &self,
        buffers: Vec<(ElementType, u32)>,
        drafts: Vec<Draft>,
        precisions: &[Precision],
    ) -> Result<Lowered> {
        let mut store = Store::default();
        let mut place = |bytes: Vec<u8>| match bytes.is_empty() {
            true => 0,
            false => store.store(bytes),
        };
        let mut steps = Vec::with_capacity(drafts.len());
        for draft in drafts {
            steps.push(match draft {
                Draft::Float(mut step, bytes) => {
                    if let Step::Tensor { weights, .. } | Step::TensorDequantise { weights, .. } =
                        &mut step
                    {
                        *weights = place(bytes);
                    }
                    step
                }
                Draft::Quantise {
                    input,
                    output,
                    nest,
                    codes,
                } => {
                    let factors = codes.constants.iter().map(|c| c.0);
                    let all = factors.chain(codes.constants.iter().map(|c| c.1));
                    Step::TensorQuantise {
                        input,
                        output,
                        weights: place(all.flat_map(f32::to_le_bytes).collect()),
                        zero: codes.zero,
                        high: codes.high,
                        nest,
                    }
                }
                Draft::Dense {
                    input,
                    output,
                    nest,
                    layer,
                    order,
                    relu,
                    bytes,
                } => {
                    let factors = bytes.as_ref().map(|to| &to.factors[..]);
                    let range = bytes.as_ref().map(|to| (to.zero, to.low, to.high));
                    let (zero, low, high) = range.unwrap_or((0, 0, 0));
                    Step::TensorDense {
                        input,
                        output,
                        weights: place(self.layers[layer].panels(&order, factors)),
                        input_high: self.layers[layer].codes.high,
                        relu,
                        zero,
                        low,
                        high,
                        nest,
                    }
                }
            });
        }
        let outputs = self.float.plan.models[0].outputs.clone();
        let lowered = emit::finish(buffers, steps, store, outputs).ok_or_else(|| {
            Error::check("quantising", "a plan of at most 4096 steps and buffers")
        })?;
        Ok(Lowered {
            precisions: precisions.to_vec(),
            ..lowered
        })
    }
}

impl DenseLayer {
    /// With a constant for each element of the last axis that its values are quantised along.
    fn codes(&self, form: &Form) -> ByteCodes {
        let last = form.quantise.axes.last();
        let width = last.map_or(1, |axis| axis.count as usize);
        // A file's own codes are the same for all channels, as are those of overlapping values.
        let count = self.codes.constants.len();
        let constants = (0..width).map(|i| self.codes.constants[i % count]);
        ByteCodes {
            constants: constants.collect(),
            ..self.codes
        }
    }

    /// Its panels, sums in the order of the bytes.
    fn panels(&self, order: &[Option<usize>], factors: Option<&[f32]>) -> Vec<u8> {
        let int8 = &self.int8;
        let row = |n: usize| {
            let own = &int8.weights[n * int8.inputs..][..int8.inputs];
            order.iter().map(move |k| k.map_or(0, |k| own[k]))
        };
        let weights: Vec<i8> = (0..int8.outputs).flat_map(row).collect();
        let scale: Vec<f32> = match factors {
            Some(factors) => int8.scale.iter().zip(factors).map(|(s, f)| s * f).collect(),
            None => int8.scale.clone(),
        };
        pack_dense_i8(order.len(), &weights, &int8.bias, &scale)
    }
}

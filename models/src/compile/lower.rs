//! Lowering: layers of chosen precision become steps, weights and a planned arena.

use fieldscore_runtime::ErrorKind;
use fieldscore_runtime::kernels::{Kernels, pack_dense_float, pack_dense_i8};
use fieldscore_runtime::plan::{
    Buffer, ElementType, Executable, Model, PLAN_VERSION, Plan, Port, Step,
};

use crate::compile::net::{Net, Rows};
use crate::compile::quantise::{Codes, HIGH, forward, quantise_layer, sums};
use crate::error::Result;
use crate::recipe::Precision;

/// A plan with its weights, and what each layer became.
#[derive(Debug, Clone)]
pub struct Lowered {
    /// The plan.
    pub plan: Plan,
    /// The bytes of WGTS.
    pub weights: Vec<u8>,
    /// The arithmetic of each layer; none for what has no layers.
    pub precisions: Vec<Precision>,
}

impl Lowered {
    /// Bytes of plan and weights.
    pub fn bytes(&self) -> usize {
        fieldscore_runtime::bundle::encode(&self.plan).len() + self.weights.len()
    }

    /// The first number of the first output of every row, from the runtime itself.
    ///
    /// # Errors
    /// Where the runtime would refuse the plan.
    pub fn run(&self, rows: &Rows<f64>) -> Result<Vec<f64>> {
        self.run_each(rows, |number| number(0, 0))
    }

    /// What `each` makes of the numbers of every row, by output and element, from the runtime itself;
    /// inputs lie in a row one behind the other.
    ///
    /// # Errors
    /// Where the runtime would refuse the plan, or `each` asks for a number that there isn't.
    pub fn run_each<T>(
        &self,
        rows: &Rows<f64>,
        each: impl Fn(
            &dyn Fn(u16, u32) -> fieldscore_runtime::Result<f64>,
        ) -> fieldscore_runtime::Result<T>,
    ) -> Result<Vec<T>> {
        let plan = Executable::new(self.plan.clone(), &self.weights)?;
        let model = plan.model(0)?;
        let buffer = |port: &Port| model.buffers[usize::from(port.buffer)];
        let (kernels, mut arena) = (Kernels::detect(), plan.arena(1));
        rows.iter()
            .map(|row| {
                let mut rest = row;
                for input in model.inputs.iter().map(buffer) {
                    let (own, next) = rest.split_at(rest.len().min(input.len as usize));
                    arena.write(&input, 0, 0, own);
                    rest = next;
                }
                plan.run(0, &kernels, &self.weights, 1, &mut arena)?;
                let number = |output: u16, element: u32| {
                    let port = model.outputs.get(usize::from(output)).map(buffer);
                    let port = port.filter(|buffer| element < buffer.len);
                    port.map(|buffer| arena.number(&buffer, 0, element as usize))
                        .ok_or_else(|| {
                            let what = format!("a number {element} of an output {output}");
                            fieldscore_runtime::Error::new(ErrorKind::Malformed, "model", what)
                        })
                };
                Ok(each(&number)?)
            })
            .collect()
    }

    /// Hands all outputs of each row to `each`, with the row's number, from the runtime itself: of
    /// plans in f32.
    ///
    /// # Errors
    /// Where the runtime would refuse the plan, or the first that `each` gives.
    pub fn observe(
        &self,
        rows: &Rows,
        mut each: impl FnMut(usize, &[&[f32]]) -> Result<()>,
    ) -> Result<()> {
        let plan = Executable::new(self.plan.clone(), &self.weights)?;
        let model = plan.model(0)?;
        let buffer = |port: &Port| model.buffers[usize::from(port.buffer)];
        let inputs: Vec<Buffer> = model.inputs.iter().map(buffer).collect();
        let outputs: Vec<Buffer> = model.outputs.iter().map(buffer).collect();
        let (kernels, mut arena) = (Kernels::detect(), plan.arena(1));
        for (at, row) in rows.iter().enumerate() {
            arena.input(&inputs[0], 0).copy_from_slice(row);
            plan.run(0, &kernels, &self.weights, 1, &mut arena)?;
            let views: Vec<&[f32]> = outputs.iter().map(|b| arena.output(b, 0)).collect();
            each(at, &views)?;
        }
        Ok(())
    }
}

/// Lowers a net. `precisions` has one entry for each layer (int8, f16 or f32); ranges and roundings
/// of int8 layers are fitted on `rows`.
///
/// # Errors
/// Where the rows are too degenerate to fit int8 layers.
pub fn lower(net: &Net, rows: &Rows, precisions: &[Precision]) -> Result<Lowered> {
    let mut builder = Builder::new(net.inputs());
    let activations = net.activations(rows);
    let is_int8 = |at: usize| precisions.get(at) == Some(&Precision::Int8);
    // What the layers so far really make of the rows.
    let mut values = rows.clone();
    let mut bytes: Option<Vec<u8>> = None;
    let mut codes: Option<Codes> = None;
    for (at, layer) in net.layers.iter().enumerate() {
        if !is_int8(at) {
            let half = precisions.get(at) == Some(&Precision::F16);
            builder.dense_float(layer.inputs, &layer.weights, &layer.bias, half, layer.relu);
            values = layer.forward(&values);
            continue;
        }
        let read = match codes.take() {
            Some(codes) => codes,
            None => {
                let codes = Codes::fit(&values);
                builder.quantise(&codes);
                codes
            }
        };
        let input = bytes.take().unwrap_or_else(|| read.bytes(&values));
        let target = sums(net, &activations, rows, at);
        let quantised = quantise_layer(layer, &read, &input, &target)?;
        values = forward(&quantised, &input, layer.relu);
        if layer.relu && is_int8(at + 1) {
            // The unit's scale goes into the requantisation; the next layer reads from it.
            let next = Codes {
                low: vec![0.0; layer.outputs],
                step: Codes::fit(&values).step,
            };
            let scale: Vec<f32> = quantised
                .scale
                .iter()
                .zip(&next.step)
                .map(|(s, step)| s / step)
                .collect();
            builder.dense_u8(layer.inputs, &quantised.weights, &quantised.bias, &scale);
            bytes = Some(requantise(&quantised, &input, &scale));
            codes = Some(next);
        } else {
            builder.dense_f32(
                layer.inputs,
                &quantised.weights,
                &quantised.bias,
                &quantised.scale,
                layer.relu,
            );
        }
    }
    Ok(builder.finish(precisions))
}

/// The bytes that the runtime's fused step writes, by its definition.
fn requantise(layer: &crate::compile::quantise::Int8Layer, input: &[u8], scale: &[f32]) -> Vec<u8> {
    let scaled = crate::compile::quantise::Int8Layer {
        scale: scale.to_vec(),
        ..layer.clone()
    };
    let values = forward(&scaled, input, false).values;
    values
        .iter()
        .map(|y| y.clamp(0.0, HIGH).round_ties_even() as u8)
        .collect()
}

/// Appends steps, buffers and weights.
struct Builder {
    steps: Vec<Step>,
    buffers: Vec<(ElementType, u32)>,
    weights: Vec<u8>,
    last: u16,
}

impl Builder {
    fn new(inputs: usize) -> Self {
        Self {
            steps: Vec::new(),
            buffers: vec![(ElementType::F32, inputs as u32)],
            weights: Vec::new(),
            last: 0,
        }
    }

    fn buffer(&mut self, element: ElementType, len: usize) -> (u16, u16) {
        self.buffers.push((element, len as u32));
        let input = std::mem::replace(&mut self.last, (self.buffers.len() - 1) as u16);
        (input, self.last)
    }

    fn store(&mut self, bytes: Vec<u8>) -> u64 {
        self.weights
            .resize(self.weights.len().next_multiple_of(64), 0);
        let at = self.weights.len() as u64;
        self.weights.extend(bytes);
        at
    }

    fn quantise(&mut self, codes: &Codes) {
        let constants: Vec<(f32, f32)> = (0..codes.low.len()).map(|k| codes.constants(k)).collect();
        let bytes = constants
            .iter()
            .map(|c| c.0)
            .chain(constants.iter().map(|c| c.1))
            .flat_map(f32::to_le_bytes)
            .collect();
        let weights = self.store(bytes);
        let (input, output) = self.buffer(ElementType::U8, codes.low.len());
        self.steps.push(Step::Quantise {
            input,
            output,
            weights,
        });
    }

    fn dense_u8(&mut self, inputs: usize, weights: &[i8], bias: &[i32], scale: &[f32]) {
        let weights = self.store(pack_dense_i8(inputs, weights, bias, scale));
        let (input, output) = self.buffer(ElementType::U8, bias.len());
        let step = Step::DenseU8 {
            input,
            output,
            weights,
            input_high: 127,
            zero: 0,
            low: 0,
            high: 127,
        };
        self.steps.push(step);
    }

    fn dense_f32(
        &mut self,
        inputs: usize,
        weights: &[i8],
        bias: &[i32],
        scale: &[f32],
        relu: bool,
    ) {
        let weights = self.store(pack_dense_i8(inputs, weights, bias, scale));
        let (input, output) = self.buffer(ElementType::F32, bias.len());
        self.steps.push(Step::DenseF32 {
            input,
            output,
            weights,
            input_high: 127,
            relu,
        });
    }

    fn dense_float(
        &mut self,
        inputs: usize,
        weights: &[f32],
        bias: &[f32],
        half: bool,
        relu: bool,
    ) {
        let weights = self.store(pack_dense_float(inputs, weights, bias, half));
        let (input, output) = self.buffer(ElementType::F32, bias.len());
        self.steps.push(Step::DenseFloat {
            input,
            output,
            weights,
            half,
            relu,
        });
    }

    fn finish(self, precisions: &[Precision]) -> Lowered {
        let (buffers, arena_bytes) = plan_arena(&self.buffers, &self.steps, &[self.last]);
        let port = |name: &str, buffer| Port {
            name: name.to_owned(),
            buffer,
        };
        let model = Model {
            name: "model".to_owned(),
            inputs: vec![port("features", 0)],
            outputs: vec![port("output", self.last)],
            buffers,
            arena_bytes,
            steps: self.steps,
        };
        Lowered {
            plan: Plan {
                version: PLAN_VERSION,
                models: vec![model],
            },
            weights: self.weights,
            precisions: precisions.to_vec(),
        }
    }
}

/// As [`plan_inputs`], where buffer 0 is the one input.
pub(super) fn plan_arena(
    buffers: &[(ElementType, u32)],
    steps: &[Step],
    kept: &[u16],
) -> (Vec<Buffer>, u32) {
    plan_inputs(buffers, 1, steps, kept)
}

/// Greedy by size: the largest buffer first, each at the lowest place where no buffer that lives
/// at the same time lies (Pisarchyk, Lee 2020, "Efficient memory management for deep neural net
/// inference", section 5.2). The first `inputs` buffers are the inputs; `kept` are the outputs.
pub(super) fn plan_inputs(
    buffers: &[(ElementType, u32)],
    inputs: usize,
    steps: &[Step],
    kept: &[u16],
) -> (Vec<Buffer>, u32) {
    // A buffer lives from the first step that writes it to the last that reads or writes it; the
    // input from the start, the outputs to the end.
    let mut lives = vec![(usize::MAX, 0); buffers.len()];
    for (at, step) in steps.iter().enumerate() {
        let (first, last) = &mut lives[usize::from(step.output())];
        (*first, *last) = ((*first).min(at + 1), at + 1);
        for input in step.inputs() {
            lives[usize::from(input)].1 = at + 1;
        }
    }
    for input in lives.iter_mut().take(inputs) {
        input.0 = 0;
    }
    for &output in kept {
        lives[usize::from(output)].1 = steps.len() + 1;
    }
    let mut placed: Vec<Buffer> = buffers
        .iter()
        .map(|&(element, len)| Buffer {
            element,
            len,
            offset: 0,
        })
        .collect();
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    order.sort_by_key(|&at| (std::cmp::Reverse(placed[at].row_bytes()), at));
    let mut done: Vec<usize> = Vec::new();
    let mut end = 0;
    for at in order {
        let (first, last) = lives[at];
        let mut others: Vec<(usize, usize)> = done
            .iter()
            .filter(|&&other| {
                let (f, l) = lives[other];
                f <= last && first <= l
            })
            .map(|&other| {
                let start = placed[other].offset as usize;
                (start, start + placed[other].row_bytes())
            })
            .collect();
        others.sort_unstable();
        let mut offset = 0;
        for (start, stop) in others {
            if offset + placed[at].row_bytes() <= start {
                break;
            }
            offset = offset.max(stop);
        }
        placed[at].offset = u32::try_from(offset).unwrap_or(u32::MAX);
        end = end.max(offset + placed[at].row_bytes());
        done.push(at);
    }
    (placed, u32::try_from(end).unwrap_or(u32::MAX))
}

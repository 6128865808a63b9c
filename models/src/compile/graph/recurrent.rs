//! Recurrence, unrolled: what a step in time does is written once for each of them, and shares its
//! weights.

use std::sync::Arc;

use fieldscore_runtime::kernels::pack_dense_float;
use fieldscore_runtime::plan::TensorOperation;
use tract_onnx::tract_core::ops::gru_seq::GruSeq;
use tract_onnx::tract_core::ops::scan::{InputMapping, Scan};

use super::emit::{Draft, Line, Right, number};
use super::view::{Value, View};
use super::walk::{AXES, Lowered, Walk};

/// No sequence is unrolled to more steps in time.
const MOST: usize = 1024;

impl Walk<'_> {
    /// A graph for each step in time, its states handed on.
    pub(super) fn scan(&mut self, op: &Scan, inputs: &[Value]) -> Lowered<Vec<Value>> {
        let mut count = None;
        for (mapping, value) in op.input_mapping.iter().zip(inputs) {
            if let InputMapping::Scan(info) = mapping {
                if info.chunk.abs() != 1 {
                    return Err("several places of a sequence at a time".to_owned());
                }
                count = Some(value.dims()[info.axis]);
            }
        }
        let count = count.filter(|count| op.skip == 0 && *count <= MOST);
        let count = count.ok_or_else(|| format!("a sequence of no fixed length up to {MOST}"))?;
        let states = op.input_mapping.iter().zip(inputs);
        let states = states.filter(|(mapping, _)| mapping.is_state());
        let mut states: Vec<Value> = states.map(|(_, value)| value.clone()).collect();
        let slots = op.output_mapping.iter();
        let slots = slots.flat_map(|m| {
            m.scan
                .map(|(slot, _)| slot)
                .into_iter()
                .chain(m.last_value_slot)
        });
        let mut outputs: Vec<Option<View>> = vec![None; slots.max().map_or(0, |slot| slot + 1)];
        for step in 0..count {
            let place = |chunk: isize| if chunk < 0 { count - 1 - step } else { step };
            let mut state = states.iter();
            let mut own = Vec::new();
            for (mapping, value) in op.input_mapping.iter().zip(inputs) {
                own.push(match mapping {
                    InputMapping::Full => value.clone(),
                    InputMapping::State => {
                        state.next().cloned().ok_or("a state without a value")?
                    }
                    InputMapping::Scan(info) => {
                        let at = place(info.chunk);
                        Value::Held(self.hold(value)?.slice(info.axis, at, at + 1))
                    }
                });
            }
            let values = self.model(&op.body, own).map_err(|e| e.to_string())?;
            let mut next = Vec::new();
            for (outlet, mapping) in op.body.outputs.iter().zip(&op.output_mapping) {
                let value = values
                    .get(outlet)
                    .ok_or("an output without a value")?
                    .clone();
                if let Some((slot, info)) = &mapping.scan {
                    let x = self.hold(&value)?;
                    let output = match &outputs[*slot] {
                        Some(output) => output.clone(),
                        None => {
                            let mut dims = x.dims.clone();
                            dims[info.axis] = count;
                            let output = self.emitter.fresh(&dims);
                            let any = self.input.clone();
                            self.emitter.fill(&number(0.0), &any, &output).ok_or(AXES)?;
                            outputs[*slot].insert(output).clone()
                        }
                    };
                    let at = place(info.chunk);
                    let part = output.slice(info.axis, at, at + 1);
                    let copied =
                        self.emitter
                            .write(TensorOperation::Copy, &x, Right::None, &[], &part);
                    copied.ok_or(AXES)?;
                }
                if let Some(slot) = mapping.last_value_slot {
                    outputs[slot] = Some(self.hold(&value)?);
                }
                if mapping.state {
                    next.push(value);
                }
            }
            states = next;
        }
        let all: Option<Vec<Value>> = outputs.into_iter().map(|v| v.map(Value::Held)).collect();
        all.ok_or_else(|| "an output without a value".to_owned())
    }

    /// `(x · wᵀ + b)` along the last axis, `w` of `[outputs, inputs]`.
    fn layer(&mut self, x: &View, weights: &[f32], bias: &[f32]) -> Lowered<View> {
        let (outputs, last) = (bias.len(), x.dims.len() - 1);
        let inputs = x.dims[last];
        let mut dims = x.dims.clone();
        dims[last] = outputs;
        let output = self.emitter.fresh(&dims);
        let outer = (0..=last).map(|axis| Line {
            count: dims[axis],
            left: if axis == last { 0 } else { x.stride(axis) },
            right: 0,
            output: output.strides[axis],
        });
        let draft = Draft {
            operation: TensorOperation::Dense,
            left: x,
            right: Right::None,
            output: &output,
            outer: outer.collect(),
            inner: vec![Line {
                count: inputs,
                left: x.strides[last],
                right: 0,
                output: 0,
            }],
            weights: pack_dense_float(inputs, weights, bias, false),
            rows: 0,
        };
        self.emitter.step(draft).ok_or(AXES)?;
        Ok(output)
    }

    /// tract's whole GRU: input, weights, recurrent weights, biases, first state; `Y` and `Y_h`.
    pub(super) fn gru_sequence(&mut self, op: &GruSeq, inputs: &[Value]) -> Lowered<Vec<Value>> {
        let hidden = op.hidden;
        let mut inputs = inputs.iter();
        let mut next = || {
            inputs
                .next()
                .ok_or_else(|| "fewer operands than a GRU has".to_owned())
        };
        let weights = |value: &Value| match value {
            Value::Fixed(fixed) => Ok(Arc::clone(&fixed.values)),
            Value::Held(_) => Err("computed weights".to_owned()),
        };
        let x = self.hold(next()?)?;
        let input = if op.projected {
            None
        } else {
            Some(weights(next()?)?)
        };
        let recurrent = weights(next()?)?;
        let bias = if op.has_bias {
            weights(next()?)?
        } else {
            Arc::new(vec![0.0; 6 * hidden])
        };
        let first = self.hold(next()?)?;
        let (own, back) = bias.split_at(3 * hidden);
        let x = match input {
            Some(input) => self.layer(&x, &input, own)?,
            None => x,
        };
        let count = x.dims[1];
        if count > MOST {
            return Err(format!("a sequence of more than {MOST}"));
        }
        let mut state = self.reshape(&first, &[1, hidden])?;
        let output = self.emitter.fresh(&[1, count, hidden]);
        let any = self.input.clone();
        self.emitter.fill(&number(0.0), &any, &output).ok_or(AXES)?;
        for step in 0..count {
            let at = if op.chunk < 0 { count - 1 - step } else { step };
            let gates = x.clone().slice(1, at, at + 1).without(1);
            let again = self.layer(&state, &recurrent, back)?;
            state = self.gru_cell(hidden, &gates, &again, &state)?;
            let part = output.clone().slice(1, at, at + 1).without(1);
            self.emitter
                .write(TensorOperation::Copy, &state, Right::None, &[], &part)
                .ok_or(AXES)?;
        }
        Ok(vec![Value::Held(output), Value::Held(state.with(1))])
    }

    /// tract's GRU cell: gates z, r, h of the input and of the state.
    pub(super) fn gru_cell(
        &mut self,
        hidden: usize,
        x: &View,
        again: &View,
        state: &View,
    ) -> Lowered<View> {
        use TensorOperation as T;
        let axis = x.dims.len() - 1;
        let part = |view: &View, from: usize, to: usize| {
            view.clone().slice(axis, from * hidden, to * hidden)
        };
        let held = |view: View| Value::Held(view);
        let sums = self.zip(T::Add, &part(x, 0, 2), &held(part(again, 0, 2)))?;
        let gates = self.emitter.map(T::Sigmoid, &[], &sums).ok_or(AXES)?;
        let (z, r) = (part(&gates, 0, 1), part(&gates, 1, 2));
        let reset = self.zip(T::Multiply, &r, &held(part(again, 2, 3)))?;
        let sum = self.zip(T::Add, &part(x, 2, 3), &held(reset))?;
        let new = self.emitter.map(T::Tanh, &[], &sum).ok_or(AXES)?;
        let change = self.zip(T::Subtract, state, &held(new.clone()))?;
        let kept = self.zip(T::Multiply, &z, &held(change))?;
        self.zip(T::Add, &new, &held(kept))
    }

    /// tract's LSTM cell: gates i, o, f, c; hidden and cell state.
    pub(super) fn lstm_cell(
        &mut self,
        hidden: usize,
        x: &View,
        cell: &View,
    ) -> Lowered<(View, View)> {
        use TensorOperation as T;
        let axis = x.dims.len() - 1;
        let part = |view: &View, from: usize, to: usize| {
            view.clone().slice(axis, from * hidden, to * hidden)
        };
        let held = |view: View| Value::Held(view);
        let gates = self
            .emitter
            .map(T::Sigmoid, &[], &part(x, 0, 3))
            .ok_or(AXES)?;
        let new = self.emitter.map(T::Tanh, &[], &part(x, 3, 4)).ok_or(AXES)?;
        let kept = self.zip(T::Multiply, &part(&gates, 2, 3), &held(cell.clone()))?;
        let added = self.zip(T::Multiply, &part(&gates, 0, 1), &held(new))?;
        let cell = self.zip(T::Add, &kept, &held(added))?;
        let bent = self.emitter.map(T::Tanh, &[], &cell).ok_or(AXES)?;
        let hidden = self.zip(T::Multiply, &part(&gates, 1, 2), &held(bent))?;
        Ok((hidden, cell))
    }
}

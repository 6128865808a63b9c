//! Recurrence: a GRU or an LSTM is one step over all of a sequence; what else there is, is unrolled, and
//! the steps in time share their weights.

use std::sync::Arc;

use fieldscore_runtime::kernels::pack_dense_float;
use fieldscore_runtime::plan::TensorOperation;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::gru_seq::GruSeq;
use tract_onnx::tract_core::ops::lstm_cell::LstmEpilogue;
use tract_onnx::tract_core::ops::scan::{InputMapping, Scan};
use tract_onnx::tract_hir::internal::DimLike;

use super::emit::{Draft, Line, Right, number};
use super::view::{Fixed, Value, View};
use super::walk::{AXES, Lowered, Walk, fixed};

/// No sequence is unrolled to more steps in time.
const MOST: usize = 1024;

/// A recurrent cell that the plan has a step for.
struct Cell {
    operation: TensorOperation,
    gates: usize,
    states: usize,
    /// Whether it starts at the sequence's end.
    backwards: bool,
}

/// What a scan's body is that computes an LSTM, and where its operands are.
struct Lstm {
    units: usize,
    /// The scan's inputs that are the first hidden and the first cell state.
    states: [usize; 2],
    /// The scan's input that is the inputs' part of the gates, and its axis of time.
    x: usize,
    axis: usize,
    backwards: bool,
    /// `[4 · units, units]`
    weights: Arc<Vec<f32>>,
    bias: Vec<f32>,
    /// Which state each of the body's outputs is: 0 the hidden one, 1 the cell's.
    outputs: Vec<usize>,
}

impl Lstm {
    /// Of a scan over `[1, time, 4 · units]` or `[time, 1, 4 · units]`, where it is one.
    fn of(op: &Scan) -> Option<Self> {
        let body = &op.body;
        // Axes of one element come and go.
        let origin = |mut outlet: OutletId| {
            while body.nodes[outlet.node].op_is::<AxisOp>() {
                outlet = body.nodes[outlet.node].inputs[0];
            }
            outlet
        };
        let cell = body.nodes.iter().find(|n| n.op_is::<LstmEpilogue>())?;
        let units = cell.op_as::<LstmEpilogue>()?.hidden;
        let input = |outlet: OutletId| body.inputs.iter().position(|at| *at == outlet);
        // The gates: a sum of the inputs' part, the state's product and perhaps a bias.
        let (mut x, mut product, mut bias) = (None, None, vec![0.0; 4 * units]);
        let mut terms = vec![*cell.inputs.first()?];
        while let Some(term) = terms.pop() {
            let node = &body.nodes[term.node];
            if let Some(konst) = &node.outputs[term.slot].fact.konst {
                let values = fixed(konst)?.values;
                (values.len() == bias.len()).then_some(())?;
                bias.iter_mut()
                    .zip(values.iter())
                    .for_each(|(b, v)| *b += v);
            } else if node
                .op_as::<TypedBinOp>()
                .is_some_and(|op| op.0.name() == "Add")
            {
                terms.extend(&node.inputs);
            } else if node.op_is::<EinSum>() {
                product.replace(node).is_none().then_some(())?;
            } else {
                x.replace(input(origin(term))?).is_none().then_some(())?;
            }
        }
        let (x, product) = (x?, product?);
        let axes = &product.op_as::<EinSum>()?.axes;
        let weights = product.inputs.get(1)?;
        let weights = body.nodes[weights.node].outputs[weights.slot]
            .fact
            .konst
            .as_ref();
        let weights = fixed(weights?)?;
        // The state's last axis by the weights' last one: rows are outputs.
        let rows = axes.iter_all_axes().any(|axis| {
            axis.inputs[1].first() == Some(&0)
                && axis.outputs[0].len() == 1
                && axis.inputs[0].is_empty()
        });
        (rows && weights.dims == [4 * units, units]).then_some(())?;
        let states = [product.inputs[0], *cell.inputs.get(1)?];
        let states = states.map(|at| input(origin(at)));
        let states = [states[0]?, states[1]?];
        let outputs = body.outputs.iter().map(|at| {
            let at = origin(*at);
            (at.node == cell.id).then_some(at.slot)
        });
        let outputs: Vec<usize> = outputs.collect::<Option<_>>()?;
        // Each state goes on as itself.
        let held = |at: &usize| matches!(op.input_mapping.get(*at), Some(InputMapping::State));
        let mut of_states = op.input_mapping.iter().enumerate();
        let order = of_states.by_ref().filter(|(_, mapping)| mapping.is_state());
        let order: Vec<usize> = order.map(|(at, _)| at).collect();
        let next = op
            .output_mapping
            .iter()
            .zip(&outputs)
            .filter(|(m, _)| m.state);
        let next: Vec<usize> = next.map(|(_, &state)| states[state]).collect();
        (states.iter().all(held) && order == next).then_some(())?;
        let InputMapping::Scan(info) = op.input_mapping.get(x)? else {
            return None;
        };
        let fact = body.outlet_fact(body.inputs[x]).ok()?;
        let shape: Option<Vec<usize>> = fact.shape.iter().map(|d| d.to_usize().ok()).collect();
        (shape? == [1, 1, 4 * units] && info.axis < 2).then_some(Self {
            units,
            states,
            x,
            axis: info.axis,
            backwards: info.chunk < 0,
            weights: weights.values,
            bias,
            outputs,
        })
    }
}

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
        if let Some(lstm) = Lstm::of(op) {
            return self.lstm_sequence(op, &lstm, inputs);
        }
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
        let first = self.reshape(&first, &[1, 1, hidden])?;
        let cell = Cell {
            operation: TensorOperation::Gru,
            gates: 3,
            states: 1,
            backwards: op.chunk < 0,
        };
        let states = self.cell(&cell, &x, &first, &recurrent, back)?;
        let states = states.without(2);
        let last = if op.chunk < 0 { 0 } else { count - 1 };
        let end = states.clone().slice(1, last, last + 1);
        Ok(vec![Value::Held(states), Value::Held(end)])
    }

    /// A recurrent cell over all of a sequence: gates' inputs of `[1, time, gates · units]`, a first state of
    /// `[1, states, units]`, weights of `[gates · units, units]`; gives `[1, time, states, units]`.
    fn cell(
        &mut self,
        cell: &Cell,
        gates: &View,
        first: &View,
        weights: &[f32],
        bias: &[f32],
    ) -> Lowered<View> {
        let (count, units) = (gates.dims[1], bias.len() / cell.gates);
        let output = self.emitter.fresh(&[1, count, cell.states, units]);
        let (left, to) = if cell.backwards {
            (gates.clone().turned(1), output.clone().turned(1))
        } else {
            (gates.clone(), output.clone())
        };
        let line = |count, left, right, output| Line {
            count,
            left,
            right,
            output,
        };
        // Each gate's units have panels of their own.
        let of_gate = weights.chunks_exact(units * units);
        let panels = of_gate.zip(bias.chunks_exact(units));
        let panels = panels.flat_map(|(w, bias)| pack_dense_float(units, w, bias, false));
        let draft = Draft {
            operation: cell.operation,
            left: &left,
            right: Right::View(first),
            output: &to,
            outer: vec![
                line(count, left.strides[1], 0, to.strides[1]),
                line(units, left.strides[2], first.strides[2], 1),
            ],
            inner: vec![
                line(cell.states, 0, first.stride(1), to.stride(2)),
                line(cell.gates, left.strides[2] * units as isize, 0, 0),
            ],
            weights: panels.collect(),
            rows: 0,
        };
        self.emitter.step(draft).ok_or(AXES)?;
        Ok(output)
    }

    /// A scan that is an LSTM and nothing else, whose inputs' part of the gates is summed before.
    fn lstm_sequence(&mut self, op: &Scan, lstm: &Lstm, inputs: &[Value]) -> Lowered<Vec<Value>> {
        let missing = || "fewer operands than an LSTM has".to_owned();
        let value = |at: usize| inputs.get(at).ok_or_else(missing);
        let units = lstm.units;
        let (hidden, cell) = (value(lstm.states[0])?, value(lstm.states[1])?);
        let first = if let (Value::Fixed(hidden), Value::Fixed(cell)) = (hidden, cell) {
            let values = hidden.values.iter().chain(cell.values.iter());
            self.hold(&Value::Fixed(Fixed {
                dims: vec![1, 2, units],
                values: Arc::new(values.copied().collect()),
            }))?
        } else {
            let mut parts = Vec::new();
            for state in [hidden, cell] {
                let state = self.hold(state)?;
                parts.push(Value::Held(self.reshape(&state, &[1, 1, units])?));
            }
            self.concat(1, &parts)?
        };
        let x = self.hold(value(lstm.x)?)?.moved(lstm.axis, 1);
        let count = x.dims[1];
        let cell = Cell {
            operation: TensorOperation::Lstm,
            gates: 4,
            states: 2,
            backwards: lstm.backwards,
        };
        let states = self.cell(&cell, &x, &first, &lstm.weights, &lstm.bias)?;
        let last = if lstm.backwards { 0 } else { count - 1 };
        let slots = op.output_mapping.iter();
        let slots = slots.flat_map(|m| [m.scan.map(|(slot, _)| slot), m.last_value_slot]);
        let mut outputs = vec![None; slots.flatten().max().map_or(0, |slot| slot + 1)];
        let own = op.output_mapping.iter().zip(&op.body.outputs);
        for ((mapping, outlet), &state) in own.zip(&lstm.outputs) {
            // One axis of all units, the others of one element, in an order of the body's.
            let fact = op.body.outlet_fact(*outlet).map_err(|e| e.to_string())?;
            let dims: Option<Vec<usize>> = fact.shape.iter().map(|d| d.to_usize().ok()).collect();
            let mut dims = dims.ok_or("a state that is not fixed")?;
            let all = states
                .clone()
                .slice(2, state, state + 1)
                .without(2)
                .without(0);
            if let Some(slot) = mapping.last_value_slot {
                let end = all.clone().slice(0, last, last + 1);
                outputs[slot] = Some(self.reshape(&end, &dims)?);
            }
            if let Some((slot, info)) = &mapping.scan {
                let behind = dims.iter().skip(info.axis + 1).product::<usize>();
                let all = if behind == units {
                    all
                } else {
                    all.moved(1, 0)
                };
                dims[info.axis] = count;
                outputs[*slot] = Some(self.reshape(&all, &dims)?);
            }
        }
        let all: Option<Vec<Value>> = outputs.into_iter().map(|v| v.map(Value::Held)).collect();
        all.ok_or_else(|| "an output without a value".to_owned())
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

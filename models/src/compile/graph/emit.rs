//! Writing steps: axes brought into their fewest, weights stored once, dead steps left out.

use std::collections::HashMap;

use fieldscore_runtime::plan::{
    Axis, CONSTANT, ElementType, MAX_STEPS, Model, Nest, PLAN_VERSION, Plan, Port, Step,
    TensorOperation,
};

use super::narrow::narrow;
use super::view::{Fixed, Value, View, dense_strides};
use crate::compile::lower::{Lowered, plan_arena};

/// Axes that a step has.
const AXES: usize = 6;
/// No more constants are repeated for values that share one.
pub(super) const REPEATED: usize = 1024;

/// Strides of one axis in left operand, right operand and output, and its count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub count: usize,
    pub left: isize,
    pub right: isize,
    pub output: isize,
}

impl Line {
    const ONE: Self = Self {
        count: 1,
        left: 0,
        right: 0,
        output: 0,
    };

    /// Whether this axis goes on where `inner` ends.
    fn follows(&self, inner: &Self) -> bool {
        let count = inner.count as isize;
        self.left == inner.left * count
            && self.right == inner.right * count
            && self.output == inner.output * count
    }
}

/// What a step reads on its right.
#[derive(Debug, Clone)]
pub(super) enum Right<'v> {
    None,
    View(&'v View),
    Fixed(&'v Fixed),
}

/// A step to be written.
#[derive(Debug, Clone)]
pub(super) struct Draft<'v> {
    pub operation: TensorOperation,
    pub left: &'v View,
    pub right: Right<'v>,
    pub output: &'v View,
    /// Outer axes.
    pub outer: Vec<Line>,
    /// Inner axes.
    pub inner: Vec<Line>,
    /// Parameters, panels or a table.
    pub weights: Vec<u8>,
    /// Rows of a table.
    pub rows: usize,
}

/// Adjacent axes that are one, joined; those of one element left out. `last` keeps the last apart.
fn joined(lines: &[Line], last: bool) -> Vec<Line> {
    let (body, tail) = lines.split_at(lines.len() - usize::from(last && !lines.is_empty()));
    let mut out: Vec<Line> = Vec::new();
    for line in body.iter().filter(|line| line.count != 1) {
        match out.last_mut() {
            Some(outer) if outer.follows(line) => {
                *outer = Line {
                    count: outer.count * line.count,
                    ..*line
                };
            }
            _ => out.push(*line),
        }
    }
    out.extend(tail);
    out
}

/// The axes of a step.
fn axes(lines: &[Line]) -> Option<[Axis; AXES]> {
    let mut axes = [Axis::default(); AXES];
    for (axis, line) in axes.iter_mut().zip(lines) {
        *axis = Axis {
            count: u32::try_from(line.count).ok()?,
            left: i32::try_from(line.left).ok()?,
            right: i32::try_from(line.right).ok()?,
            output: i32::try_from(line.output).ok()?,
        };
    }
    Some(axes)
}

/// The nest of an element-wise step, and the count of its last axis, at most [`REPEATED`].
fn element_wise(x: &View, output: &View) -> Option<(Nest, usize)> {
    let all = (0..output.dims.len()).map(|axis| Line {
        count: output.dims[axis],
        left: x.stride(axis),
        right: 0,
        output: output.stride(axis),
    });
    let mut lines = joined(&all.collect::<Vec<_>>(), false);
    let last = lines.pop().unwrap_or(Line::ONE);
    let fits = |width: &usize| last.count.is_multiple_of(*width);
    let width = (1..=last.count.min(REPEATED)).rev().find(fits)?;
    if width < last.count {
        lines.push(Line {
            count: last.count / width,
            left: last.left * width as isize,
            right: 0,
            output: last.output * width as isize,
        });
    }
    lines.push(Line {
        count: width,
        ..last
    });
    let mut whole = vec![Line::ONE; AXES.checked_sub(lines.len())?];
    whole.extend(lines);
    let nest = Nest {
        inner: 0,
        start: [
            u32::try_from(x.start).ok()?,
            0,
            u32::try_from(output.start).ok()?,
        ],
        axes: axes(&whole)?,
    };
    Some((nest, width))
}

/// Steps, buffers and weights so far.
#[derive(Debug, Default)]
pub(super) struct Emitter {
    pub steps: Vec<Step>,
    buffers: Vec<(ElementType, u32)>,
    store: Store,
    /// The node that is lowered.
    pub node: String,
    /// The node that each dense step's weights came from.
    pub names: HashMap<u64, String>,
}

/// The bytes of WGTS, each piece stored once.
#[derive(Debug, Default)]
pub(super) struct Store {
    weights: Vec<u8>,
    stored: HashMap<Vec<u8>, u64>,
}

impl Store {
    /// Of bytes that lie there already.
    pub fn holding(weights: Vec<u8>) -> Self {
        Self {
            weights,
            stored: HashMap::new(),
        }
    }

    /// Where in WGTS they lie.
    pub fn store(&mut self, bytes: Vec<u8>) -> u64 {
        if let Some(&at) = self.stored.get(&bytes) {
            return at;
        }
        self.weights
            .resize(self.weights.len().next_multiple_of(64), 0);
        let at = self.weights.len() as u64;
        self.weights.extend(&bytes);
        self.stored.insert(bytes, at);
        at
    }
}

impl Emitter {
    /// A new value of this shape.
    pub fn fresh(&mut self, dims: &[usize]) -> View {
        self.fresh_of(ElementType::F32, dims)
    }

    fn fresh_of(&mut self, element: ElementType, dims: &[usize]) -> View {
        let len: usize = dims.iter().product();
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        self.buffers.push((element, len));
        View::whole((self.buffers.len() - 1) as u16, dims)
    }

    /// Whether a value is bytes.
    pub fn is_bytes(&self, view: &View) -> bool {
        self.buffers[usize::from(view.buffer)].0 == ElementType::Bytes
    }

    /// `zero + round(x · factor)` as bytes.
    pub fn quantise(&mut self, x: &View, factor: f32, zero: u8) -> Option<View> {
        let output = self.fresh_of(ElementType::Bytes, &x.dims);
        let (nest, width) = element_wise(x, &output)?;
        let constants = [vec![factor; width], vec![0.0; width]].concat();
        let bytes = constants.into_iter().flat_map(f32::to_le_bytes).collect();
        let weights = self.store.store(bytes);
        self.steps.push(Step::TensorQuantise {
            input: x.buffer,
            output: output.buffer,
            weights,
            zero,
            high: u8::MAX,
            nest,
        });
        Some(output)
    }

    /// `(q − zero) · factor` of bytes.
    pub fn dequantise(&mut self, x: &View, factor: f32, zero: u8) -> Option<View> {
        let output = self.fresh(&x.dims);
        let (nest, width) = element_wise(x, &output)?;
        let bytes = vec![factor; width].into_iter().flat_map(f32::to_le_bytes);
        let weights = self.store.store(bytes.collect());
        self.steps.push(Step::TensorDequantise {
            input: x.buffer,
            output: output.buffer,
            weights,
            zero,
            nest,
        });
        Some(output)
    }

    /// Whether a view is a whole buffer, in order.
    pub fn is_all(&self, view: &View) -> bool {
        let len = self.buffers[usize::from(view.buffer)].1 as usize;
        view.is_dense() && view.dims.iter().product::<usize>() == len
    }

    /// Writes a step; `None` where it has more axes than a step can have.
    pub fn step(&mut self, draft: Draft<'_>) -> Option<()> {
        let cell = matches!(
            draft.operation,
            TensorOperation::Gru | TensorOperation::Lstm
        );
        let apart = matches!(
            draft.operation,
            TensorOperation::Dense | TensorOperation::Gather | TensorOperation::Product
        );
        let outer = joined(&draft.outer, apart || cell);
        // The axes of a cell have a meaning each.
        let inner = if cell {
            draft.inner.clone()
        } else {
            joined(&draft.inner, false)
        };
        // An operation that folds has an inner axis, be it of one element.
        let depth = if draft.inner.is_empty() {
            0
        } else {
            inner.len().max(1)
        };
        if outer.len() + depth > AXES {
            return None;
        }
        let mut lines = vec![Line::ONE; AXES - depth - outer.len()];
        lines.extend(outer);
        lines.extend(&inner);
        lines.resize(AXES, Line::ONE);
        let axes = axes(&lines)?;
        let (right, right_start, size, bytes) = match draft.right {
            Right::None => (draft.left.buffer, 0, draft.rows, draft.weights),
            Right::View(view) => (view.buffer, view.start, 0, draft.weights),
            Right::Fixed(fixed) => {
                // A mask's infinities are as good as the greatest finite numbers.
                let finite = |x: &f32| x.clamp(f32::MIN, f32::MAX).to_le_bytes();
                let bytes = fixed.values.iter().flat_map(finite).collect();
                (CONSTANT, 0, fixed.values.len(), bytes)
            }
        };
        let weights = if bytes.is_empty() {
            0
        } else {
            self.store.store(bytes)
        };
        if draft.operation == TensorOperation::Dense {
            let name = || self.node.clone();
            self.names.entry(weights).or_insert_with(name);
        }
        self.steps.push(Step::Tensor {
            operation: draft.operation,
            left: draft.left.buffer,
            right,
            output: draft.output.buffer,
            weights,
            size: u32::try_from(size).ok()?,
            nest: Nest {
                inner: depth as u8,
                start: [
                    u32::try_from(draft.left.start).ok()?,
                    u32::try_from(right_start).ok()?,
                    u32::try_from(draft.output.start).ok()?,
                ],
                axes,
            },
        });
        Some(())
    }

    /// An element-wise operation into `output`, whose shape all operands are broadcast to.
    pub fn write(
        &mut self,
        operation: TensorOperation,
        left: &View,
        right: Right<'_>,
        parameters: &[f32],
        output: &View,
    ) -> Option<()> {
        let outer = (0..output.dims.len())
            .map(|axis| Line {
                count: output.dims[axis],
                left: left.stride(axis),
                right: match right {
                    Right::None => 0,
                    Right::View(view) => view.stride(axis),
                    Right::Fixed(fixed) => fixed.stride(axis),
                },
                output: output.stride(axis),
            })
            .collect();
        self.step(Draft {
            operation,
            left,
            right,
            output,
            outer,
            inner: Vec::new(),
            weights: parameters.iter().flat_map(|x| x.to_le_bytes()).collect(),
            rows: 0,
        })
    }

    /// An element-wise operation of one value.
    pub fn map(
        &mut self,
        operation: TensorOperation,
        parameters: &[f32],
        left: &View,
    ) -> Option<View> {
        let output = self.fresh(&left.dims);
        self.write(operation, left, Right::None, parameters, &output)?;
        Some(output)
    }

    /// An element-wise operation of two values of as many axes.
    pub fn zip(&mut self, operation: TensorOperation, left: &View, right: &Value) -> Option<View> {
        let pairs = left.dims.iter().zip(right.dims());
        let dims: Vec<usize> = pairs.map(|(&a, &b)| if a == 1 { b } else { a }).collect();
        let output = self.fresh(&dims);
        let right = match right {
            Value::Held(view) => Right::View(view),
            Value::Fixed(fixed) => Right::Fixed(fixed),
        };
        self.write(operation, left, right, &[], &output)?;
        Some(output)
    }

    /// The same elements one behind the other in a buffer of their own.
    pub fn dense(&mut self, view: &View) -> Option<View> {
        if view.is_dense() {
            return Some(view.clone());
        }
        let mut output = self.map(TensorOperation::Copy, &[], view)?;
        output.whole = view.whole;
        Some(output)
    }

    /// A constant in a buffer. `any` is a value that is held already.
    pub fn held(&mut self, fixed: &Fixed, any: &View) -> Option<View> {
        let output = self.fresh(&fixed.dims);
        self.fill(fixed, any, &output)?;
        Some(output)
    }

    /// Writes a constant of its shape, or a single number, to all of `output`.
    pub fn fill(&mut self, fixed: &Fixed, any: &View, output: &View) -> Option<()> {
        let point = View {
            dims: vec![1; output.dims.len()],
            strides: vec![0; output.dims.len()],
            ..any.clone()
        };
        let single = Fixed {
            dims: vec![1; output.dims.len()],
            values: fixed.values.clone(),
        };
        let fixed = if fixed.values.len() == 1 {
            &single
        } else {
            fixed
        };
        self.write(
            TensorOperation::Right,
            &point,
            Right::Fixed(fixed),
            &[],
            output,
        )
    }

    /// The plan, without the steps that no output needs, and its weights; `None` where it has more
    /// steps or values than a plan may have.
    pub fn finish(self, outputs: &[(String, &View)]) -> Option<Lowered> {
        let outputs = outputs.iter();
        finish(
            self.buffers,
            self.steps,
            self.store,
            outputs
                .map(|(name, view)| Port {
                    name: name.clone(),
                    buffer: view.buffer,
                })
                .collect(),
        )
    }
}

/// A plan of these steps, without those that no output needs; `None` where it has more steps or values
/// than a plan may have.
pub(super) fn finish(
    mut buffers: Vec<(ElementType, u32)>,
    all: Vec<Step>,
    store: Store,
    mut outputs: Vec<Port>,
) -> Option<Lowered> {
    if buffers.len() > usize::from(u16::MAX) {
        return None;
    }
    let mut needed = vec![false; buffers.len()];
    for port in &outputs {
        needed[usize::from(port.buffer)] = true;
    }
    let mut steps: Vec<Step> = Vec::new();
    for step in all.into_iter().rev() {
        if needed[usize::from(step.output())] {
            for input in step.inputs() {
                needed[usize::from(input)] = true;
            }
            steps.push(step);
        }
    }
    steps.reverse();
    narrow(&mut steps, &mut buffers, &outputs);
    // Buffers are numbered anew: the input, then those that a step is left for.
    needed[0] = true;
    let mut number = 0;
    let numbers: Vec<u16> = needed
        .iter()
        .map(|&needed| {
            number += u16::from(needed);
            number.wrapping_sub(1)
        })
        .collect();
    let renumber = |at: &mut u16| {
        if *at != CONSTANT {
            *at = numbers[usize::from(*at)];
        }
    };
    for step in &mut steps {
        match step {
            Step::Tensor {
                left,
                right,
                output,
                ..
            } => [left, right, output].into_iter().for_each(renumber),
            Step::TensorQuantise { input, output, .. }
            | Step::TensorDequantise { input, output, .. }
            | Step::TensorDense { input, output, .. } => {
                [input, output].into_iter().for_each(renumber);
            }
            // A graph has none of the others.
            _ => return None,
        }
    }
    outputs
        .iter_mut()
        .for_each(|port| renumber(&mut port.buffer));
    let buffers: Vec<(ElementType, u32)> = buffers
        .into_iter()
        .zip(&needed)
        .filter_map(|(buffer, needed)| needed.then_some(buffer))
        .collect();
    if steps.len() > MAX_STEPS || buffers.len() > MAX_STEPS {
        return None;
    }
    let kept: Vec<u16> = outputs.iter().map(|port| port.buffer).collect();
    let (buffers, arena_bytes) = plan_arena(&buffers, &steps, &kept);
    let model = Model {
        name: "model".to_owned(),
        inputs: vec![Port {
            name: "features".to_owned(),
            buffer: 0,
        }],
        outputs,
        buffers,
        arena_bytes,
        steps,
    };
    Some(Lowered {
        plan: Plan {
            version: PLAN_VERSION,
            models: vec![model],
        },
        weights: store.weights,
        precisions: Vec::new(),
    })
}

/// The single number `x`.
pub(super) fn number(x: f32) -> Fixed {
    Fixed {
        dims: Vec::new(),
        values: std::sync::Arc::new(vec![x]),
    }
}

/// The lines of an output whose elements lie one behind the other, with no operands yet.
pub(super) fn lines(dims: &[usize]) -> Vec<Line> {
    let strides = dense_strides(dims);
    let axes = dims.iter().zip(strides);
    axes.map(|(&count, output)| Line {
        count,
        left: 0,
        right: 0,
        output,
    })
    .collect()
}

//! Sums of products: dense layers over positions, convolutions, products of computed values; pooling.

use std::sync::Arc;

use fieldscore_runtime::kernels::pack_dense_float;
use fieldscore_runtime::plan::TensorOperation;
use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat, MaxPool, PoolSpec, SumPool};
use tract_onnx::tract_core::ops::einsum::EinSum;

use super::emit::{Draft, Line, Right, number};
use super::view::{Fixed, Value, View, dense_strides};
use super::walk::{AXES, Lowered, Walk};

/// One axis of a sum of products: how many, and its place in each operand and in the result.
struct Index {
    count: usize,
    at: [Option<usize>; 2],
    output: Option<usize>,
}

/// The lines of an axis along which lie outputs; `None` where they are not evenly apart.
fn along(lines: &[Line]) -> Option<isize> {
    let mut next: Option<(isize, usize)> = None;
    for line in lines.iter().rev().filter(|line| line.count != 1) {
        if next.is_some_and(|(stride, count)| line.output != stride * count as isize) {
            return None;
        }
        let (stride, count) = next.unwrap_or((line.output, 1));
        next = Some((stride, count * line.count));
    }
    Some(next.map_or(1, |(stride, _)| stride))
}

impl Walk<'_> {
    pub(super) fn einsum(
        &mut self,
        op: &EinSum,
        inputs: &[Value],
        bias: Option<Fixed>,
    ) -> Lowered<View> {
        let ([a, b], None) = (inputs, &op.q_params) else {
            return Err("a product of other than two float values".to_owned());
        };
        let mut indices = Vec::new();
        let mut dims = Vec::new();
        for axis in op.axes.iter_all_axes() {
            let at = [
                axis.inputs[0].first().copied(),
                axis.inputs[1].first().copied(),
            ];
            if axis.inputs.iter().any(|places| places.len() > 1) {
                return Err("a diagonal".to_owned());
            }
            let count = |side: usize, value: &Value| at[side].map_or(1, |at| value.dims()[at]);
            let count = count(0, a).max(count(1, b));
            let output = axis.outputs[0].first().copied();
            if let Some(output) = output {
                dims.resize(dims.len().max(output + 1), 1);
                dims[output] = count;
            }
            indices.push(Index { count, at, output });
        }
        let output = self.emitter.fresh(&dims);
        let fitted = match (a, b) {
            (Value::Held(x), Value::Fixed(w)) => {
                self.weighted(&indices, 0, x, w, bias.as_ref(), &output)?
            }
            (Value::Fixed(w), Value::Held(x)) => {
                self.weighted(&indices, 1, x, w, bias.as_ref(), &output)?
            }
            _ => false,
        };
        if !fitted {
            let (a, b) = (self.hold(a)?, self.hold(b)?);
            self.product(&indices, &a, &b, &output)?;
            if let Some(bias) = bias {
                return self.zip(TensorOperation::Add, &output, &Value::Fixed(bias));
            }
        }
        Ok(output)
    }

    /// A product with constant weights, as panels; whether it is one that panels can express.
    fn weighted(
        &mut self,
        indices: &[Index],
        side: usize,
        x: &View,
        weights: &Fixed,
        bias: Option<&Fixed>,
        output: &View,
    ) -> Lowered<bool> {
        let (mut positions, mut outputs, mut inner) = (Vec::new(), Vec::new(), Vec::new());
        // Strides in the weights, and in the bias, of each index of an output or an inner axis.
        let (mut rows, mut columns) = (Vec::new(), Vec::new());
        let mut sorted: Vec<&Index> = indices.iter().collect();
        sorted.sort_by_key(|index| index.output);
        for index in sorted {
            let left = index.at[side].map_or(0, |at| x.stride(at));
            let weight = index.at[1 - side].map_or(0, |at| weights.stride(at));
            let line = Line {
                count: index.count,
                left,
                right: 0,
                output: index.output.map_or(0, |at| output.stride(at)),
            };
            match index.output {
                None => {
                    inner.push(line);
                    columns.push((index.count, weight));
                }
                Some(at) if left == 0 && weight != 0 => {
                    outputs.push(line);
                    rows.push((index.count, weight, bias.map_or(0, |bias| bias.stride(at))));
                }
                Some(at) if weight == 0 && bias.is_none_or(|bias| bias.stride(at) == 0) => {
                    positions.push(line);
                }
                Some(_) => return Ok(false),
            }
        }
        let Some(stride) = along(&outputs) else {
            return Ok(false);
        };
        let count: usize = outputs.iter().map(|line| line.count).product();
        let depth: usize = inner.iter().map(|line| line.count).product();
        let places = |axes: &[(usize, isize)]| {
            axes.iter().fold(vec![0isize], |all, &(count, stride)| {
                let each = |base: isize| (0..count as isize).map(move |i| base + i * stride);
                all.into_iter().flat_map(each).collect()
            })
        };
        let of_rows = places(&rows.iter().map(|r| (r.0, r.1)).collect::<Vec<_>>());
        let of_bias = places(&rows.iter().map(|r| (r.0, r.2)).collect::<Vec<_>>());
        let of_columns = places(&columns);
        let mut matrix = Vec::with_capacity(count * depth);
        for row in &of_rows {
            matrix.extend(
                of_columns
                    .iter()
                    .map(|k| weights.values[(row + k) as usize]),
            );
        }
        let bias: Vec<f32> = match bias {
            Some(bias) => of_bias.iter().map(|&n| bias.values[n as usize]).collect(),
            None => vec![0.0; count],
        };
        positions.push(Line {
            count,
            left: 0,
            right: 0,
            output: stride,
        });
        at_least_one(&mut inner);
        let draft = Draft {
            operation: TensorOperation::Dense,
            left: x,
            right: Right::None,
            output,
            outer: positions,
            inner,
            weights: pack_dense_float(depth, &matrix, &bias, false),
            rows: 0,
        };
        self.emitter.step(draft).ok_or(AXES)?;
        Ok(true)
    }

    /// A product of two computed values.
    fn product(&mut self, indices: &[Index], a: &View, b: &View, output: &View) -> Lowered<()> {
        let line = |index: &Index| Line {
            count: index.count,
            left: index.at[0].map_or(0, |at| a.stride(at)),
            right: index.at[1].map_or(0, |at| b.stride(at)),
            output: index.output.map_or(0, |at| output.stride(at)),
        };
        let (outer, inner): (Vec<&Index>, Vec<&Index>) =
            indices.iter().partition(|index| index.output.is_some());
        let mut outer: Vec<Line> = outer.into_iter().map(line).collect();
        let mut inner: Vec<Line> = inner.into_iter().map(line).collect();
        // The last one is worked on sixteen at a time: not one of one element.
        outer.retain(|line| line.count > 1);
        at_least_one(&mut outer);
        at_least_one(&mut inner);
        // Sixteen results at a time, along an axis that the right operand alone has: of stride 1 if
        // there is one, or of the left operand, turned round.
        let turn = |line: &mut Line| std::mem::swap(&mut line.left, &mut line.right);
        let fits = |line: &Line| line.count > 1 && line.left == 0 && line.right == 1;
        let other = |line: &Line| line.count > 1 && line.right == 0 && line.left == 1;
        let turned = !outer.iter().any(fits) && outer.iter().any(other);
        if turned {
            outer.iter_mut().chain(&mut inner).for_each(turn);
        }
        let (left, right) = if turned { (b, a) } else { (a, b) };
        outer.sort_by_key(|line| std::cmp::Reverse(line.output));
        let last = outer
            .iter()
            .position(fits)
            .unwrap_or(outer.len().saturating_sub(1));
        if !outer.is_empty() {
            let last = outer.remove(last);
            outer.push(last);
        }
        let draft = Draft {
            operation: TensorOperation::Product,
            left,
            right: Right::View(right),
            output,
            outer,
            inner,
            weights: Vec::new(),
            rows: 0,
        };
        self.emitter.step(draft).ok_or_else(|| AXES.to_owned())
    }

    pub(super) fn convolution(&mut self, op: &Conv, inputs: &[Value]) -> Lowered<View> {
        let [x, Value::Fixed(kernel), Value::Fixed(bias)] = inputs else {
            return Err("a convolution with computed weights".to_owned());
        };
        if op.q_params.is_some() {
            return Err("a convolution of whole numbers".to_owned());
        }
        let x = self.hold(x)?;
        let pool = Pool::new(&op.pool_spec, &x)?;
        let x = self.pad(&x, &pool.pads, 0.0)?;
        let (groups, spatial) = (op.group, pool.axes.len());
        let (channels, outputs) = (op.pool_spec.input_channels, op.pool_spec.output_channels);
        let (depth, each) = (channels / groups, outputs / groups);
        // The kernel's axes as strides: output, input, spatial ones.
        let strides = dense_strides(&kernel.dims);
        let (o, i, s) = match op.kernel_fmt {
            KernelFormat::OIHW => (0, 1, 2),
            KernelFormat::OHWI => (0, spatial + 1, 1),
            KernelFormat::HWIO => (spatial + 1, spatial, 0),
        };
        // OIHW counts outputs over all groups, the others inputs.
        let of_group = |group: usize| match op.kernel_fmt {
            KernelFormat::OIHW => (group * each) as isize * strides[o],
            KernelFormat::OHWI | KernelFormat::HWIO => (group * depth) as isize * strides[i],
        };
        let mut taps = vec![0isize];
        for (axis, &size) in op.pool_spec.kernel_shape.iter().enumerate() {
            let stride = strides[s + axis];
            let next = |base: isize| (0..size as isize).map(move |i| base + i * stride);
            taps = taps.into_iter().flat_map(next).collect();
        }
        let mut dims = x.dims.clone();
        dims[pool.channel] = outputs;
        for (&axis, &len) in pool.axes.iter().zip(&pool.outputs) {
            dims[axis] = len;
        }
        let output = self.emitter.fresh(&dims);
        let bias_at = |n: usize| bias.values[if bias.values.len() == 1 { 0 } else { n }];
        let weight = |at: isize| kernel.values[at as usize];
        // Each channel by itself: one step for all of them.
        let depthwise = depth == 1 && each == 1 && groups > 1;
        let calls = if depthwise { 1 } else { groups };
        if calls > 1 {
            let any = self.input.clone();
            self.emitter.fill(&number(0.0), &any, &output).ok_or(AXES)?;
        }
        let channel = x.strides[pool.channel];
        for call in 0..calls {
            let (mut left, mut part) = (x.clone(), output.clone());
            left = left.slice(pool.channel, call * depth, (call + 1) * depth);
            part = part.slice(pool.channel, call * each, (call + 1) * each);
            let count = if depthwise { outputs } else { each };
            let mut matrix = Vec::new();
            for n in 0..count {
                let base = if depthwise {
                    of_group(n)
                } else {
                    of_group(call) + n as isize * strides[o]
                };
                // Channels go fastest: the longer of the two, which a kernel runs along.
                for tap in &taps {
                    matrix.extend((0..depth as isize).map(|k| weight(base + k * strides[i] + tap)));
                }
            }
            let biases: Vec<f32> = (0..count).map(|n| bias_at(call * each + n)).collect();
            let mut outer = pool.positions(&left, &part);
            outer.push(Line {
                count,
                left: if depthwise { channel } else { 0 },
                right: 0,
                output: part.strides[pool.channel],
            });
            let mut inner = pool.window(&left);
            inner.push(Line {
                count: depth,
                left: channel,
                right: 0,
                output: 0,
            });
            let draft = Draft {
                operation: TensorOperation::Dense,
                left: &left,
                right: Right::None,
                output: &part,
                outer,
                inner,
                weights: pack_dense_float(depth * taps.len(), &matrix, &biases, false),
                rows: 0,
            };
            self.emitter.step(draft).ok_or(AXES)?;
        }
        Ok(output)
    }

    pub(super) fn greatest_pool(&mut self, op: &MaxPool, x: &View) -> Lowered<View> {
        if op.with_index_outputs.is_some() {
            return Err("the places of the greatest values".to_owned());
        }
        let pool = Pool::new(&op.pool_spec, x)?;
        let x = self.pad(x, &pool.pads, f32::MIN)?;
        self.pooled(TensorOperation::Max, Vec::new(), &pool, &x)
    }

    pub(super) fn sum_pool(&mut self, op: &SumPool, x: &View) -> Lowered<View> {
        let pool = Pool::new(&op.pool_spec, x)?;
        let size: usize = op.pool_spec.kernel_shape.iter().product();
        let padded = self.pad(x, &pool.pads, 0.0)?;
        // A window may reach past the padding that was asked for: that counts never.
        let asked = |at: usize, &axis: &usize| {
            pool.ends[at] == pool.pads[axis].0 + x.dims[axis] + pool.pads[axis].1
        };
        let mut axes = pool.axes.iter().enumerate();
        let even = (op.count_include_pad && axes.all(|(at, axis)| asked(at, axis)))
            || pool.pads.iter().all(|pads| *pads == (0, 0));
        let factor = if op.normalize && even {
            1.0 / size as f32
        } else {
            1.0
        };
        let parameters = [factor, 0.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let sums = self.pooled(TensorOperation::Sum, parameters, &pool, &padded)?;
        if !op.normalize || even {
            return Ok(sums);
        }
        // How much of each window counts.
        let mut shares = Fixed {
            dims: vec![1; x.dims.len()],
            values: Arc::new(vec![1.0]),
        };
        for (at, &axis) in pool.axes.iter().enumerate() {
            let before = pool.pads[axis].0;
            let counted = if op.count_include_pad {
                0..pool.ends[at]
            } else {
                before..before + x.dims[axis]
            };
            let inside = |i: usize| {
                (0..op.pool_spec.kernel_shape[at])
                    .map(|k| i * pool.strides[at] + k * pool.dilations[at])
                    .filter(|place| counted.contains(place))
                    .count()
            };
            let own: Vec<f32> = (0..pool.outputs[at])
                .map(|i| 1.0 / inside(i).max(1) as f32)
                .collect();
            let old = shares.values.iter();
            shares.values = Arc::new(old.flat_map(|a| own.iter().map(move |b| a * b)).collect());
            shares.dims[axis] = own.len();
        }
        self.zip(TensorOperation::Multiply, &sums, &Value::Fixed(shares))
    }

    fn pooled(
        &mut self,
        operation: TensorOperation,
        weights: Vec<u8>,
        pool: &Pool,
        x: &View,
    ) -> Lowered<View> {
        let mut dims = x.dims.clone();
        for (&axis, &len) in pool.axes.iter().zip(&pool.outputs) {
            dims[axis] = len;
        }
        let output = self.emitter.fresh(&dims);
        let mut outer = vec![Line {
            count: x.dims[pool.channel],
            left: x.stride(pool.channel),
            right: 0,
            output: output.stride(pool.channel),
        }];
        outer.extend(pool.positions(x, &output));
        let draft = Draft {
            operation,
            left: x,
            right: Right::None,
            output: &output,
            outer,
            inner: pool.window(x),
            weights,
            rows: 0,
        };
        self.emitter.step(draft).ok_or(AXES)?;
        Ok(output)
    }
}

/// Windows that slide over spatial axes.
struct Pool {
    channel: usize,
    /// The spatial axes.
    axes: Vec<usize>,
    /// What each axis of the input is padded with, so that every window has its values.
    pads: Vec<(usize, usize)>,
    /// For each spatial axis, where the padding that was asked for ends.
    ends: Vec<usize>,
    /// Windows along each spatial axis.
    outputs: Vec<usize>,
    kernel: Vec<usize>,
    strides: Vec<usize>,
    dilations: Vec<usize>,
}

impl Pool {
    fn new(spec: &PoolSpec, x: &View) -> Lowered<Self> {
        let shape = spec
            .data_format
            .shape(x.dims.clone())
            .map_err(|_| "a shape that is not its format's".to_owned())?;
        let axes: Vec<usize> = shape.hw_axes().collect();
        let mut pads = vec![(0, 0); x.dims.len()];
        let (mut ends, mut outputs) = (Vec::new(), Vec::new());
        let padding = spec.computed_padding(shape.hw_dims());
        for (at, (&axis, padded)) in axes.iter().zip(padding).enumerate() {
            let end = padded.pad_before + x.dims[axis] + padded.pad_after;
            let field = (spec.kernel_shape[at] - 1) * spec.dilation(at) + 1;
            // Rounded up, the last window may lie past the end.
            let reach = padded.convoluted.saturating_sub(1) * spec.stride(at) + field;
            let more = reach.saturating_sub(end);
            pads[axis] = (padded.pad_before, padded.pad_after + more);
            ends.push(end);
            outputs.push(padded.convoluted);
        }
        Ok(Self {
            channel: shape.c_axis(),
            axes,
            pads,
            ends,
            outputs,
            kernel: spec.kernel_shape.to_vec(),
            strides: spec.strides().to_vec(),
            dilations: spec.dilations().to_vec(),
        })
    }

    /// The windows' places.
    fn positions(&self, x: &View, output: &View) -> Vec<Line> {
        let axes = self.axes.iter().enumerate();
        axes.map(|(at, &axis)| Line {
            count: self.outputs[at],
            left: x.strides[axis] * self.strides[at] as isize,
            right: 0,
            output: output.strides[axis],
        })
        .collect()
    }

    /// The places in a window.
    fn window(&self, x: &View) -> Vec<Line> {
        let axes = self.axes.iter().enumerate();
        axes.map(|(at, &axis)| Line {
            count: self.kernel[at],
            left: x.strides[axis] * self.dilations[at] as isize,
            right: 0,
            output: 0,
        })
        .collect()
    }
}

/// Inner axes are never none: where nothing is summed over, one of one element is.
fn at_least_one(inner: &mut Vec<Line>) {
    if inner.is_empty() {
        inner.push(Line {
            count: 1,
            left: 0,
            right: 0,
            output: 0,
        });
    }
}

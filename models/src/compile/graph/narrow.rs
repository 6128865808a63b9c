//! What no output comes to depend on is not computed: where only the answer's own token is read of a
//! Transformer's last layer, its steps work on that token alone.

use fieldscore_runtime::kernels::tensor::Operation;
use fieldscore_runtime::plan::{Axis, CONSTANT, ElementType, Nest, Port, Step, TensorOperation};

/// Places that are looked at one by one; what a step with more of them reads is needed as a whole.
const MANY: usize = 1 << 22;
/// A place that is gone.
pub(super) const GONE: u32 = u32::MAX;

/// The operands of a nest.
pub(super) const LEFT: usize = 0;
pub(super) const RIGHT: usize = 1;
pub(super) const OUTPUT: usize = 2;

/// Its stride in an operand.
fn stride(axis: &mut Axis, operand: usize) -> &mut i32 {
    match operand {
        LEFT => &mut axis.left,
        RIGHT => &mut axis.right,
        _ => &mut axis.output,
    }
}

/// The elements that an operand reaches, the last axis fastest; `None` where they are too many.
pub(super) fn places(nest: &Nest, operand: usize) -> Option<Vec<u32>> {
    along(nest, operand, |step| step != 0)
}

/// The element of an operand at each point of a nest, the last axis fastest; `None` where they are too many.
pub(super) fn points(nest: &Nest, operand: usize) -> Option<Vec<u32>> {
    along(nest, operand, |_| true)
}

/// Those along the axes whose stride is of that kind.
fn along(nest: &Nest, operand: usize, of: impl Fn(i32) -> bool) -> Option<Vec<u32>> {
    let mut all = vec![nest.start[operand]];
    for mut axis in nest.axes {
        let step = *stride(&mut axis, operand);
        if axis.count > 1 && of(step) {
            if all.len() * axis.count as usize > MANY {
                return None;
            }
            let moved = |at: u32| {
                let by = (0..axis.count as i32).map(move |i| i * step);
                by.map(move |by| at.wrapping_add_signed(by))
            };
            all = all.into_iter().flat_map(moved).collect();
        }
    }
    Some(all)
}

/// The operands that a step reads from buffers.
fn reads(step: &Step) -> Vec<(usize, u16)> {
    match *step {
        Step::Tensor {
            operation,
            left,
            right,
            ..
        } if right != CONSTANT && Operation::ALL[operation as usize].is_binary() => {
            vec![(LEFT, left), (RIGHT, right)]
        }
        _ => vec![(LEFT, step.input())],
    }
}

/// What a step walks, where it is one that may walk less.
fn nest(step: &mut Step) -> Option<&mut Nest> {
    match step {
        Step::Tensor {
            operation, nest, ..
        } if Operation::ALL[*operation as usize].gates().is_none() => Some(nest),
        _ => None,
    }
}

/// Lets steps of a graph leave out what neither `outputs` nor later steps read, along whole axes, and buffers
/// hold no more than that.
pub(super) fn narrow(steps: &mut [Step], buffers: &mut [(ElementType, u32)], outputs: &[Port]) {
    let mut written = vec![0; buffers.len()];
    for step in steps.iter() {
        written[usize::from(step.output())] += 1;
    }
    let mut needed: Vec<Vec<bool>> = vec![Vec::new(); buffers.len()];
    let all = |needed: &mut Vec<bool>, len: u32| {
        needed.clear();
        needed.resize(len as usize, true);
    };
    for port in outputs {
        let at = usize::from(port.buffer);
        written[at] += 1;
        all(&mut needed[at], buffers[at].1);
    }
    for at in (0..steps.len()).rev() {
        let output = usize::from(steps[at].output());
        if !needed[output].contains(&true) {
            continue;
        }
        if written[output] == 1 {
            let (head, readers) = steps.split_at_mut(at + 1);
            if let Some(step) = head.last_mut()
                && let Some(len) = shrink(step, readers, &needed[output])
            {
                buffers[output].1 = len;
            }
        }
        let mut step = steps[at];
        for (operand, buffer) in reads(&step) {
            let buffer = usize::from(buffer);
            let (needed, len) = (&mut needed[buffer], buffers[buffer].1);
            match nest(&mut step).and_then(|nest| places(nest, operand)) {
                Some(places) => {
                    needed.resize(len as usize, false);
                    places.iter().for_each(|&at| needed[at as usize] = true);
                }
                None => all(needed, len),
            }
        }
    }
}

/// Takes from the only step that writes a buffer what is not needed, moves what is left together, and lets
/// `readers` find it; the buffer's new length.
fn shrink(step: &mut Step, readers: &mut [Step], needed: &[bool]) -> Option<u32> {
    use TensorOperation as T;
    // The weights, or the table, of these lie along their last axis.
    let panels = matches!(
        step,
        Step::Tensor {
            operation: T::Dense | T::Gather,
            ..
        }
    );
    let output = step.output();
    let old = *nest(step)?;
    let outer = old.axes.len() - usize::from(old.inner) - usize::from(panels);
    let old = split(&old, outer, needed)?;
    let mut new = old;
    for at in 0..outer {
        let axis = old.axes[at];
        if axis.output <= 0 || axis.count == 1 {
            continue;
        }
        let used: Vec<bool> = slices(&old, at, needed)?;
        let (first, last) = range(&used)?;
        new.axes[at].count = (last - first + 1) as u32;
        for operand in [LEFT, RIGHT, OUTPUT] {
            let by = first as i32 * *stride(&mut new.axes[at], operand);
            new.start[operand] = new.start[operand].wrapping_add_signed(by);
        }
    }
    let places_of = |nest: &Nest| {
        nest.axes
            .iter()
            .map(|axis| u64::from(axis.count))
            .product::<u64>()
    };
    if places_of(&new) == places_of(&old) {
        return None;
    }
    // One behind the other, in the order in which they lay.
    let mut order: Vec<usize> = (0..new.axes.len())
        .filter(|&at| new.axes[at].count > 1)
        .collect();
    order.retain(|&at| new.axes[at].output != 0);
    order.sort_by_key(|&at| new.axes[at].output);
    let mut together = new;
    together.start[OUTPUT] = 0;
    let mut len = 1;
    for at in order {
        let axis = &mut together.axes[at];
        if axis.output < 0 {
            return None;
        }
        axis.output = i32::try_from(len).ok()?;
        len *= axis.count;
    }
    let mut moved = vec![GONE; needed.len()];
    for (from, to) in places(&new, OUTPUT)?
        .into_iter()
        .zip(places(&together, OUTPUT)?)
    {
        *moved.get_mut(from as usize)? = to;
    }
    let mut changed: Vec<(usize, Step)> = Vec::new();
    for (at, reader) in readers.iter().enumerate() {
        let mut reader = *reader;
        let own: Vec<(usize, u16)> = reads(&reader);
        let own = own.into_iter().filter(|(_, buffer)| *buffer == output);
        for (operand, _) in own {
            let nest = nest(&mut reader)?;
            *nest = elsewhere(nest, operand, &moved)?;
        }
        changed.push((at, reader));
    }
    *nest(step)? = together;
    for (at, reader) in changed {
        readers[at] = reader;
    }
    Some(len)
}

/// From the first to the last one that is used.
fn range(used: &[bool]) -> Option<(usize, usize)> {
    let first = used.iter().position(|used| *used)?;
    Some((first, used.iter().rposition(|used| *used)?))
}

/// Axes that had become one (heads and their positions) apart again, where that leaves less that is needed.
fn split(nest: &Nest, outer: usize, needed: &[bool]) -> Option<Nest> {
    let mut new = *nest;
    for at in 0..outer {
        let axis = new.axes[at];
        let Some(free) = new.axes[..at].iter().position(|axis| axis.count == 1) else {
            continue;
        };
        if axis.output <= 0 || axis.count == 1 {
            continue;
        }
        let used = slices(&new, at, needed)?;
        let kept = |period: usize| {
            let mut within = vec![false; period];
            for (at, used) in used.iter().enumerate() {
                within[at % period] |= used;
            }
            range(&within).map(|(first, last)| (last - first + 1) * (used.len() / period))
        };
        let periods = (1..=used.len())
            .rev()
            .filter(|p| used.len().is_multiple_of(*p));
        // Of periods that leave as much, the longest: that is the axis as it is, if nothing leaves less.
        let Some(period) = periods.min_by_key(|&period| kept(period)) else {
            continue;
        };
        if period == used.len() {
            continue;
        }
        let mut whole = axis;
        whole.count /= period as u32;
        for operand in [LEFT, RIGHT, OUTPUT] {
            *stride(&mut whole, operand) *= period as i32;
        }
        new.axes[at].count = period as u32;
        new.axes.copy_within(free + 1..at, free);
        new.axes[at - 1] = whole;
    }
    Some(new)
}

/// Which elements of an axis write something that is needed.
fn slices(nest: &Nest, axis: usize, needed: &[bool]) -> Option<Vec<bool>> {
    let mut one = *nest;
    one.axes[axis].count = 1;
    let places = places(&one, OUTPUT)?;
    let step = nest.axes[axis].output;
    let used = |i: i32| {
        let place = |at: &u32| at.wrapping_add_signed(i * step) as usize;
        places.iter().any(|at| needed.get(place(at)) == Some(&true))
    };
    Some((0..nest.axes[axis].count as i32).map(used).collect())
}

/// A nest whose operand's elements have moved, where it can still be said by strides.
pub(super) fn elsewhere(nest: &Nest, operand: usize, moved: &[u32]) -> Option<Nest> {
    let to = |at: u32| moved.get(at as usize).copied().filter(|to| *to != GONE);
    let start = nest.start[operand];
    let mut new = *nest;
    new.start[operand] = to(start)?;
    for axis in &mut new.axes {
        let count = axis.count;
        let step = stride(axis, operand);
        if count == 1 {
            *step = 0;
        } else if *step != 0 {
            let next = i64::from(to(start.wrapping_add_signed(*step))?);
            *step = i32::try_from(next - i64::from(to(start)?)).ok()?;
            if *step == 0 {
                return None;
            }
        }
    }
    let mut pairs = places(nest, operand)?
        .into_iter()
        .zip(places(&new, operand)?);
    pairs.all(|(old, new)| to(old) == Some(new)).then_some(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(count: u32, left: i32, right: i32, output: i32) -> Axis {
        Axis {
            count,
            left,
            right,
            output,
        }
    }

    fn step(
        operation: TensorOperation,
        [left, right, output]: [u16; 3],
        inner: usize,
        own: &[Axis],
    ) -> Step {
        let mut axes = [axis(1, 0, 0, 0); 6];
        axes[6 - own.len()..].copy_from_slice(own);
        Step::Tensor {
            operation,
            left,
            right,
            output,
            weights: 0,
            size: 0,
            nest: Nest {
                inner: inner as u8,
                start: [0; 3],
                axes,
            },
        }
    }

    fn port(buffer: u16) -> Port {
        Port {
            name: String::new(),
            buffer,
        }
    }

    #[test]
    fn steps_before_a_slice_walk_what_it_reads() {
        use TensorOperation as T;
        // Two heads by three positions, normed, of which the last position alone is read.
        let mut last = step(
            T::Copy,
            [2, 2, 3],
            0,
            &[axis(2, 12, 0, 4), axis(4, 1, 0, 1)],
        );
        if let Step::Tensor { nest, .. } = &mut last {
            nest.start[0] = 8;
        }
        let mut steps = [
            step(T::Exp, [0, 0, 1], 0, &[axis(24, 1, 0, 1)]),
            step(
                T::Softmax,
                [1, 1, 2],
                1,
                &[axis(6, 4, 0, 4), axis(4, 1, 0, 1)],
            ),
            last,
        ];
        let mut buffers = [(ElementType::F32, 24); 4];
        buffers[3].1 = 8;
        narrow(&mut steps, &mut buffers, &[port(3)]);
        assert_eq!(buffers.map(|(_, len)| len), [24, 8, 8, 8]);
        let nests = steps.map(|mut step| match nest(&mut step) {
            Some(nest) => *nest,
            None => unreachable!("a step that may walk less"),
        });
        assert_eq!(nests[0].start, [8, 0, 0]);
        assert_eq!(nests[1].start, [0, 0, 0]);
        let counts = |nest: &Nest| nest.axes.map(|axis| axis.count);
        assert_eq!(counts(&nests[0])[4..], [2, 4]);
        assert_eq!(nests[0].axes[4], axis(2, 12, 0, 4));
        assert_eq!(counts(&nests[1]), [1, 1, 1, 2, 1, 4]);
        assert_eq!((nests[2].start[0], nests[2].axes[4].left), (0, 4));
    }

    #[test]
    fn what_several_steps_write_and_what_leaves_the_model_stays_whole() {
        use TensorOperation as T;
        let read = step(T::Copy, [1, 1, 2], 0, &[axis(3, 1, 0, 1)]);
        let write = step(T::Exp, [0, 0, 1], 0, &[axis(24, 1, 0, 1)]);
        let buffers = [
            (ElementType::F32, 24),
            (ElementType::F32, 24),
            (ElementType::F32, 3),
        ];
        for (all, ports) in [
            (vec![write, write, read], vec![port(2)]),
            (vec![write, read], vec![port(1), port(2)]),
        ] {
            let (mut steps, mut after) = (all.clone(), buffers);
            narrow(&mut steps, &mut after, &ports);
            assert_eq!((steps, after), (all, buffers));
        }
    }
}

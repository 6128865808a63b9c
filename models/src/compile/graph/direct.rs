//! Steps of a quantised graph that write where the next one reads: bytes into the middle of their padding, sums
//! with their channels side by side.

use fieldscore_runtime::plan::{Axis, CONSTANT, ElementType, Nest, Step, TensorOperation};

use super::fuse::{Uses, straight};
use super::narrow::{GONE, LEFT, OUTPUT, RIGHT, elsewhere, places, points};
use super::own::floats;
use super::quantise::{ByteCodes, Draft, ToBytes};

/// The most bytes that a fill repeats.
const WIDE: u32 = 64;
/// Fewer channels are no faster side by side.
const FEW: u32 = 16;

/// The drafts that write a buffer.
fn writers(drafts: &[Draft], buffer: u16) -> Vec<usize> {
    let own = |at: &usize| drafts[*at].output() == buffer;
    (0..drafts.len()).filter(own).collect()
}

/// Where bytes lie that were f32 in a padded buffer, and which code each has.
struct Bytes {
    /// For each place in the padded buffer.
    moved: Vec<u32>,
    /// For each place of the bytes.
    code: Vec<(f32, f32)>,
}

impl Bytes {
    fn of(nest: &Nest, codes: &ByteCodes, padded: u32, bytes: u32) -> Option<Self> {
        let (from, to) = (places(nest, LEFT)?, places(nest, OUTPUT)?);
        let width = nest.axes.last()?.count as usize;
        if from.len() != bytes as usize || to.len() != from.len() || width != codes.constants.len()
        {
            return None;
        }
        let mut own = Self {
            moved: vec![GONE; padded as usize],
            code: vec![(0.0, 0.0); bytes as usize],
        };
        for (i, (from, to)) in from.into_iter().zip(to).enumerate() {
            own.moved[from as usize] = to;
            own.code[to as usize] = codes.constants[i % width];
        }
        Some(own)
    }

    /// The codes along the last outer axis of what `outer` axes of a nest write, where they depend on it alone.
    fn along(&self, nest: &Nest, outer: usize) -> Option<Vec<(f32, f32)>> {
        let last = nest.axes.get(outer.checked_sub(1)?)?;
        let all = places(nest, OUTPUT)?;
        let width = if last.output == 0 {
            1
        } else {
            last.count as usize
        };
        let code = |at: &u32| self.code[*at as usize];
        let first: Vec<(f32, f32)> = all[..width].iter().map(code).collect();
        let same = |row: &[u32]| row.iter().map(code).eq(first.iter().copied());
        all.chunks(width).all(same).then_some(first)
    }
}

/// A step that makes all of some bytes those of 0.0; `None` where rows of them differ.
fn fill(output: u16, own: &Bytes, codes: &ByteCodes) -> Option<Draft> {
    let (len, each) = (own.code.len() as u32, codes.constants.len() as u32);
    let fits = |width: &u32| len.is_multiple_of(*width) && width.is_multiple_of(each);
    let width = (1..=len.min(WIDE.max(each))).rev().find(fits)?;
    let (first, _) = own.code.split_at(width as usize);
    let constants: Vec<(f32, f32)> = first.iter().map(|code| (0.0, code.1)).collect();
    if own.code.chunks(width as usize).any(|row| row != first) {
        return None;
    }
    let axis = |count, output| Axis {
        count,
        output,
        ..Axis::default()
    };
    let one = axis(1, 0);
    let (rows, row) = (axis(len / width, width as i32), axis(width, 1));
    Some(Draft::Quantise {
        input: 0,
        output,
        nest: Nest {
            inner: 0,
            start: [0; 3],
            axes: [one, one, one, one, rows, row],
        },
        codes: ByteCodes {
            constants,
            ..*codes
        },
    })
}

/// The steps that pad a value before it becomes bytes.
struct Padding {
    fill: usize,
    copy: usize,
    quantise: usize,
}

impl Padding {
    /// Of the values that a draft quantises.
    fn before(drafts: &[Draft], uses: &Uses, quantise: usize) -> Option<Self> {
        let Draft::Quantise {
            input,
            output,
            codes,
            ..
        } = &drafts[quantise]
        else {
            return None;
        };
        let [fill, copy] = writers(drafts, *input)[..] else {
            return None;
        };
        let Draft::Float(
            Step::Tensor {
                operation: TensorOperation::Right,
                right: CONSTANT,
                ..
            },
            zeros,
        ) = &drafts[fill]
        else {
            return None;
        };
        let Draft::Float(
            Step::Tensor {
                operation: TensorOperation::Copy,
                ..
            },
            _,
        ) = &drafts[copy]
        else {
            return None;
        };
        let own = uses.read(*input) == 1 && uses.written_once(*output);
        let zero = codes.zero == 0 && zeros.iter().all(|byte| *byte == 0);
        (own && zero && copy < quantise).then_some(Self {
            fill,
            copy,
            quantise,
        })
    }
}

/// Padded values become bytes where they are made, around them the bytes of zero.
pub(super) fn pads(drafts: &mut Vec<Draft>, buffers: &[(ElementType, u32)], outputs: &[u16]) {
    let uses = Uses::of(drafts, buffers.len(), outputs);
    let mut new: Vec<Vec<Draft>> = Vec::new();
    new.resize_with(drafts.len(), Vec::new);
    let mut gone = vec![false; drafts.len()];
    for at in 0..drafts.len() {
        let Some(padding) = Padding::before(drafts, &uses, at) else {
            continue;
        };
        if let Some((place, direct)) = joined(drafts, buffers, &uses, &padding) {
            let replaced = [padding.fill, padding.copy, padding.quantise, place];
            replaced.into_iter().for_each(|at| gone[at] = true);
            new[place] = direct;
        }
    }
    let all = std::mem::take(drafts).into_iter().zip(new).zip(gone);
    drafts.extend(all.flat_map(|((old, new), gone)| {
        let old = (!gone).then_some(old);
        new.into_iter().chain(old)
    }));
}

/// Where the steps go that stand for a padding's, and they.
fn joined(
    drafts: &[Draft],
    buffers: &[(ElementType, u32)],
    uses: &Uses,
    padding: &Padding,
) -> Option<(usize, Vec<Draft>)> {
    let Draft::Quantise {
        input: padded,
        output: bytes,
        nest,
        codes,
    } = &drafts[padding.quantise]
    else {
        return None;
    };
    let Draft::Float(
        Step::Tensor {
            left, nest: copy, ..
        },
        _,
    ) = &drafts[padding.copy]
    else {
        return None;
    };
    let len = |at: u16| buffers[usize::from(at)].1;
    let own = Bytes::of(nest, codes, len(*padded), len(*bytes))?;
    let fill = fill(*bytes, &own, codes)?;
    if uses.private(*left)
        && codes.constants.iter().all(|(_, offset)| *offset == 0.0)
        && let [place] = writers(drafts, *left)[..]
        && let Draft::Dense {
            input,
            nest,
            layer,
            order,
            relu,
            bytes: None,
            ..
        } = &drafts[place]
    {
        // From where the sums lie now to where the copy's bytes do.
        let mut moved = vec![GONE; len(*left) as usize];
        for (from, to) in places(copy, LEFT)?.into_iter().zip(places(copy, OUTPUT)?) {
            moved[from as usize] = own.moved[to as usize];
        }
        let nest = elsewhere(nest, OUTPUT, &moved)?;
        let outer = nest.axes.len() - usize::from(nest.inner);
        let codes_along = own.along(&nest, outer)?;
        let factors: Vec<f32> = codes_along.iter().map(|code| code.0).collect();
        let dense = Draft::Dense {
            input: *input,
            output: *bytes,
            nest,
            layer: *layer,
            order: order.clone(),
            relu: false,
            bytes: Some(ToBytes {
                factors: factors
                    .into_iter()
                    .cycle()
                    .take(nest.axes[outer - 1].count as usize)
                    .collect(),
                zero: codes.zero,
                low: if *relu { codes.zero } else { 0 },
                high: codes.high,
            }),
        };
        return Some((place, vec![fill, dense]));
    }
    let nest = elsewhere(copy, OUTPUT, &own.moved)?;
    // The axis last along which the codes differ.
    let turned = (0..nest.axes.len()).rev().map(|at| {
        let mut turned = nest;
        turned.axes[at..].rotate_left(1);
        turned
    });
    let (nest, constants) = turned
        .filter_map(|nest| Some((nest, own.along(&nest, nest.axes.len())?)))
        .find(|(nest, constants)| {
            nest.axes
                .last()
                .is_some_and(|axis| axis.count as usize == constants.len())
        })?;
    let direct = Draft::Quantise {
        input: *left,
        output: *bytes,
        nest,
        codes: ByteCodes {
            constants,
            ..*codes
        },
    };
    Some((padding.copy, vec![fill, direct]))
}

/// Sums that later ones fold over positions, sixteen channels at a time: the channels side by side.
pub(super) fn channels_last(drafts: &mut [Draft], buffers: &[(ElementType, u32)], outputs: &[u16]) {
    use TensorOperation as T;
    let uses = Uses::of(drafts, buffers.len(), outputs);
    for at in 0..drafts.len() {
        let Draft::Dense {
            output,
            nest,
            bytes: None,
            ..
        } = &drafts[at]
        else {
            continue;
        };
        if !uses.private(*output) {
            continue;
        }
        let (output, len) = (*output, buffers[usize::from(*output)].1);
        let Some(own) = beside(nest) else { continue };
        let mut moved = vec![GONE; len as usize];
        let (Some(from), Some(to)) = (places(nest, OUTPUT), places(&own, OUTPUT)) else {
            continue;
        };
        for (from, to) in from.into_iter().zip(to) {
            moved[from as usize] = to;
        }
        let folds = |draft: &Draft| match draft {
            Draft::Float(
                Step::Tensor {
                    operation: T::Sum | T::SumSquares | T::Max | T::Min,
                    left,
                    nest,
                    ..
                },
                _,
            ) if *left == output => elsewhere(nest, LEFT, &moved),
            _ => None,
        };
        let reader = (at..drafts.len()).find_map(|at| Some((at, folds(&drafts[at])?)));
        let Some((reader, new)) = reader else {
            continue;
        };
        if let Draft::Float(Step::Tensor { nest, .. }, _) = &mut drafts[reader] {
            *nest = new;
        }
        if let Draft::Dense { nest, .. } = &mut drafts[at] {
            *nest = own;
        }
    }
}

/// A dense step that writes its outputs side by side, where it does not yet.
fn beside(nest: &Nest) -> Option<Nest> {
    let mut own = *nest;
    let outer = own.axes.len() - usize::from(own.inner);
    let last = own.axes[..outer].last()?;
    if last.output == 1 || last.count < FEW {
        return None;
    }
    own.start[OUTPUT] = 0;
    let mut step = 1;
    for axis in own.axes[..outer]
        .iter_mut()
        .rev()
        .filter(|axis| axis.count > 1)
    {
        if axis.output <= 0 {
            return None;
        }
        axis.output = step;
        step = step.checked_mul(i32::try_from(axis.count).ok()?)?;
    }
    Some(own)
}

/// A factor and an offset of each channel become part of the conversion to bytes behind them: those of a norm.
/// Steps that nobody reads any more are left out later.
pub(super) fn scales(drafts: &mut [Draft], buffers: &[(ElementType, u32)], outputs: &[u16]) {
    let uses = Uses::of(drafts, buffers.len(), outputs);
    for at in 0..drafts.len() {
        while let Some((left, constants)) = scaled(drafts, buffers, &uses, at) {
            if let Draft::Quantise { input, codes, .. } = &mut drafts[at] {
                (*input, codes.constants) = (left, constants);
            }
        }
    }
}

/// What the step before a conversion reads, where that can be part of it, and the constants with it.
fn scaled(
    drafts: &[Draft],
    buffers: &[(ElementType, u32)],
    uses: &Uses,
    at: usize,
) -> Option<(u16, Vec<(f32, f32)>)> {
    use TensorOperation as T;
    let Draft::Quantise {
        input, nest, codes, ..
    } = &drafts[at]
    else {
        return None;
    };
    let [before] = writers(drafts, *input)[..] else {
        return None;
    };
    let Draft::Float(
        Step::Tensor {
            operation: operation @ (T::Multiply | T::Add),
            left,
            right: CONSTANT,
            nest: own,
            ..
        },
        bytes,
    ) = &drafts[before]
    else {
        return None;
    };
    let len = buffers[usize::from(*input)].1;
    let same = straight(own, len) && straight(nest, len) && buffers[usize::from(*left)].1 == len;
    // A file's own codes stay as they are.
    if codes.high != 127 || !uses.written_once(*left) || !same {
        return None;
    }
    let floats = floats(bytes);
    let mut each = vec![0.0; len as usize];
    for (to, constant) in points(own, OUTPUT)?.into_iter().zip(points(own, RIGHT)?) {
        each[to as usize] = *floats.get(constant as usize)?;
    }
    let read = places(nest, LEFT)?;
    let width = codes.constants.len();
    let first: Vec<f32> = read[..width].iter().map(|at| each[*at as usize]).collect();
    let alike = |row: &[u32]| {
        row.iter()
            .map(|at| each[*at as usize])
            .eq(first.iter().copied())
    };
    if !read.chunks(width).all(alike) {
        return None;
    }
    let constants = codes.constants.iter().zip(&first);
    let constants: Vec<(f32, f32)> = constants
        .map(|(&(factor, offset), c)| match operation {
            T::Multiply => (factor * c, offset),
            _ => (factor, offset + factor * c),
        })
        .collect();
    let finite = |(factor, offset): &(f32, f32)| factor.is_finite() && offset.is_finite();
    constants.iter().all(finite).then_some((*left, constants))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nest(start: [u32; 3], axes: &[[i32; 3]]) -> Nest {
        let mut all = [Axis {
            count: 1,
            ..Axis::default()
        }; 6];
        for (to, &[count, left, output]) in all[6 - axes.len()..].iter_mut().zip(axes) {
            *to = Axis {
                count: count as u32,
                left,
                right: 0,
                output,
            };
        }
        Nest {
            inner: 0,
            start,
            axes: all,
        }
    }

    fn float(operation: TensorOperation, [left, right, output]: [u16; 3], nest: Nest) -> Step {
        Step::Tensor {
            operation,
            left,
            right,
            output,
            weights: 0,
            size: 0,
            nest,
        }
    }

    fn codes(constants: &[(f32, f32)]) -> ByteCodes {
        ByteCodes {
            constants: constants.to_vec(),
            zero: 0,
            high: 127,
        }
    }

    /// Two channels of three places, one of zeros around them, to bytes with the channels side by side.
    fn padded(before: Option<Draft>, offset: f32) -> Vec<Draft> {
        use TensorOperation as T;
        let zeros = float(T::Right, [0, CONSTANT, 2], nest([0; 3], &[[10, 0, 1]]));
        let copy = float(T::Copy, [1, 1, 2], nest([0, 0, 1], &[[2, 3, 5], [3, 1, 1]]));
        let quantise = Draft::Quantise {
            input: 2,
            output: 3,
            nest: nest([0; 3], &[[5, 1, 2], [2, 5, 1]]),
            codes: codes(&[(2.0, offset), (3.0, 0.0)]),
        };
        let rest = [
            Draft::Float(zeros, vec![0; 4]),
            Draft::Float(copy, Vec::new()),
            quantise,
        ];
        before.into_iter().chain(rest).collect()
    }

    const BUFFERS: [(ElementType, u32); 4] = [
        (ElementType::F32, 9),
        (ElementType::F32, 6),
        (ElementType::F32, 10),
        (ElementType::Bytes, 10),
    ];

    #[test]
    fn a_layer_writes_into_the_padding_of_the_next() {
        let mut own = nest([0; 3], &[[3, 2, 1], [2, 0, 3], [4, 1, 0]]);
        own.inner = 1;
        let mut all = padded(
            Some(Draft::Dense {
                input: 0,
                output: 1,
                nest: own,
                layer: 0,
                order: Vec::new(),
                relu: true,
                bytes: None,
            }),
            0.0,
        );
        pads(&mut all, &BUFFERS, &[]);
        let [
            Draft::Quantise {
                output: 3,
                codes: zeros,
                ..
            },
            Draft::Dense {
                output: 3,
                nest,
                relu: false,
                bytes: Some(to),
                ..
            },
        ] = &all[..]
        else {
            unreachable!("a fill and a layer: {all:?}");
        };
        assert!(zeros.constants.iter().all(|code| *code == (0.0, 0.0)));
        assert_eq!(
            (&to.factors[..], to.low, to.high),
            (&[2.0, 3.0][..], 0, 127)
        );
        assert_eq!(nest.start, [0, 0, 2]);
        assert_eq!(nest.axes.map(|axis| axis.output)[3..], [2, 1, 0]);
    }

    #[test]
    fn values_become_bytes_inside_their_padding() {
        let mut all = padded(None, 7.0);
        pads(&mut all, &BUFFERS, &[]);
        let [
            Draft::Quantise { codes: zeros, .. },
            Draft::Quantise {
                input: 1,
                output: 3,
                nest: own,
                codes,
            },
        ] = &all[..]
        else {
            unreachable!("a fill and a conversion: {all:?}");
        };
        assert_eq!(codes.constants, [(2.0, 7.0), (3.0, 0.0)]);
        assert_eq!(zeros.constants, [(0.0, 7.0), (0.0, 0.0)].repeat(5));
        assert_eq!(*own, nest([0, 0, 2], &[[3, 1, 2], [2, 3, 1]]));
        // What else reads the padded values needs them as they are.
        let mut read = padded(None, 0.0);
        let sum = float(TensorOperation::Exp, [2, 2, 0], nest([0; 3], &[[9, 1, 1]]));
        read.push(Draft::Float(sum, Vec::new()));
        pads(&mut read, &BUFFERS, &[]);
        assert_eq!(read.len(), 4);
    }

    #[test]
    fn a_norms_scale_is_part_of_the_conversion() {
        use TensorOperation as T;
        let constants = |values: [f32; 2]| values.into_iter().flat_map(f32::to_le_bytes).collect();
        let along = || {
            let mut along = nest([0; 3], &[[3, 2, 2], [2, 1, 1]]);
            along.axes[5].right = 1;
            along
        };
        let multiply = float(T::Multiply, [0, CONSTANT, 1], along());
        let add = float(T::Add, [1, CONSTANT, 2], along());
        let mut all = [
            Draft::Float(multiply, constants([2.0, 4.0])),
            Draft::Float(add, constants([0.5, 1.0])),
            Draft::Quantise {
                input: 2,
                output: 3,
                nest: along(),
                codes: codes(&[(3.0, 1.0), (10.0, 0.0)]),
            },
        ];
        let buffers = [(ElementType::F32, 6); 4];
        scales(&mut all, &buffers, &[]);
        let [
            ..,
            Draft::Quantise {
                input: 0, codes, ..
            },
        ] = &all[..]
        else {
            unreachable!("a conversion of what is not scaled: {all:?}");
        };
        assert_eq!(codes.constants, [(6.0, 2.5), (40.0, 10.0)]);
    }
}

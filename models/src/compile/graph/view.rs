//! Values of a graph while it is lowered: buffers seen through strides, and constants.

use std::sync::Arc;

/// A computed value: where its elements lie in a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    /// The buffer.
    pub buffer: u16,
    /// Its first element.
    pub start: usize,
    /// Its shape; the batch axis is there, of one element.
    pub dims: Vec<usize>,
    /// For each axis, elements from one to the next.
    pub strides: Vec<isize>,
    /// Whether it stands for whole numbers, which only an index may use, and what it is the sum of.
    pub whole: bool,
}

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fixed {
    /// Its shape.
    pub dims: Vec<usize>,
    /// Its elements, the last axis fastest.
    pub values: Arc<Vec<f32>>,
}

/// What an outlet of the graph gives.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Computed for every row.
    Held(View),
    /// The same for every row.
    Fixed(Fixed),
}

impl Value {
    /// Its shape.
    pub fn dims(&self) -> &[usize] {
        match self {
            Self::Held(view) => &view.dims,
            Self::Fixed(fixed) => &fixed.dims,
        }
    }

    /// Whether it is computed and stands for whole numbers.
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Held(view) if view.whole)
    }
}

/// The strides of a shape whose elements lie one behind the other.
pub(super) fn dense_strides(dims: &[usize]) -> Vec<isize> {
    let mut strides = vec![1; dims.len()];
    for at in (1..dims.len()).rev() {
        strides[at - 1] = strides[at] * dims[at] as isize;
    }
    strides
}

impl View {
    /// All of a buffer, in order.
    pub fn whole(buffer: u16, dims: &[usize]) -> Self {
        Self {
            buffer,
            start: 0,
            strides: dense_strides(dims),
            dims: dims.to_vec(),
            whole: false,
        }
    }

    /// Whether its elements lie one behind the other from the buffer's first; more may follow.
    pub fn is_dense(&self) -> bool {
        let dense = dense_strides(&self.dims);
        let axes = self.dims.iter().zip(&self.strides).zip(&dense);
        self.start == 0 && axes.into_iter().all(|((&dim, a), b)| dim == 1 || a == b)
    }

    /// The stride of an axis, 0 where it has one element: as broadcasting has it.
    pub fn stride(&self, axis: usize) -> isize {
        if self.dims[axis] == 1 {
            0
        } else {
            self.strides[axis]
        }
    }

    /// From `start` to before `end` along an axis.
    pub fn slice(mut self, axis: usize, start: usize, end: usize) -> Self {
        self.start = self
            .start
            .wrapping_add_signed(self.strides[axis] * start as isize);
        self.dims[axis] = end - start;
        self
    }

    /// Without an axis of one element.
    pub fn without(mut self, axis: usize) -> Self {
        self.dims.remove(axis);
        self.strides.remove(axis);
        self
    }

    /// With an axis of one element.
    pub fn with(mut self, axis: usize) -> Self {
        self.dims.insert(axis, 1);
        self.strides.insert(axis, 0);
        self
    }

    /// With an axis at another place.
    pub fn moved(mut self, from: usize, to: usize) -> Self {
        let (dim, stride) = (self.dims.remove(from), self.strides.remove(from));
        self.dims.insert(to, dim);
        self.strides.insert(to, stride);
        self
    }

    /// From an axis' end to its beginning.
    pub fn turned(mut self, axis: usize) -> Self {
        let far = self.strides[axis] * (self.dims[axis] as isize - 1);
        self.start = self.start.wrapping_add_signed(far);
        self.strides[axis] = -self.strides[axis];
        self
    }

    /// In another shape of as many elements, where strides can say so.
    pub fn reshaped(&self, dims: &[usize]) -> Option<Self> {
        let mut old: Vec<(usize, isize)> = Vec::new();
        for (&dim, &stride) in self.dims.iter().zip(&self.strides) {
            match old.last_mut() {
                _ if dim == 1 => {}
                Some((count, last)) if *last == stride * dim as isize => {
                    *count *= dim;
                    *last = stride;
                }
                _ => old.push((dim, stride)),
            }
        }
        let mut old = old.into_iter();
        let mut strides = Vec::with_capacity(dims.len());
        let (mut left, mut inner) = (1, 0);
        for &dim in dims {
            if dim == 1 {
                strides.push(0);
                continue;
            }
            if left == 1 {
                (left, inner) = old.next()?;
            }
            if left % dim != 0 {
                return None;
            }
            left /= dim;
            strides.push(inner * left as isize);
        }
        (left == 1 && old.next().is_none()).then(|| Self {
            dims: dims.to_vec(),
            strides,
            ..self.clone()
        })
    }

    /// Repeated to a larger shape; axes that it lacks are the first.
    pub fn broadcast(&self, dims: &[usize]) -> Self {
        let lacking = dims.len().saturating_sub(self.dims.len());
        let strides = (0..self.dims.len()).map(|axis| self.stride(axis));
        Self {
            strides: std::iter::repeat_n(0, lacking).chain(strides).collect(),
            dims: dims.to_vec(),
            ..self.clone()
        }
    }
}

impl Fixed {
    /// The stride of an axis, 0 where it has one element.
    pub fn stride(&self, axis: usize) -> isize {
        if self.dims[axis] == 1 {
            0
        } else {
            dense_strides(&self.dims)[axis]
        }
    }

    /// Its only number, repeated or not.
    pub fn single(&self) -> Option<f32> {
        let first = *self.values.first()?;
        let same = self.values.iter().all(|x| x.to_bits() == first.to_bits());
        same.then_some(first)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn shapes_change_where_strides_allow_it() {
        let view = View::whole(0, &[1, 6, 4]);
        let heads = view.reshaped(&[1, 6, 2, 2]).unwrap();
        assert_eq!(heads.strides, [0, 4, 2, 1]);
        let turned = heads.moved(2, 1);
        assert_eq!(
            (&turned.dims[..], &turned.strides[..]),
            (&[1, 2, 6, 2][..], &[0, 2, 4, 1][..])
        );
        assert!(turned.reshaped(&[1, 24]).is_none());
        assert!(turned.reshaped(&[2, 6, 2]).is_some());
        assert!(!turned.is_dense() && view.is_dense());
        let part = view.slice(1, 2, 5);
        assert_eq!((part.start, &part.dims[..]), (8, &[1, 3, 4][..]));
        assert_eq!(part.reshaped(&[12]).unwrap().strides, [1]);
        let repeated = View::whole(0, &[3, 1]).broadcast(&[2, 3, 4]);
        assert_eq!(
            (&repeated.dims[..], &repeated.strides[..]),
            (&[2, 3, 4][..], &[0, 1, 0][..])
        );
    }
}

//! Memory at multiples of 64 bytes, a cache line's: vector loads from anywhere else take two
//! lines, which costs up to half of the speed.
#![forbid(unsafe_code)]

/// 64 aligned bytes.
#[derive(Clone, Copy, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(C, align(64))]
pub(crate) struct Line(pub [u8; LINE]);

/// Bytes of a line.
pub(crate) const LINE: usize = 64;

/// Bytes that start at a multiple of 64.
pub(crate) struct Aligned {
    lines: Vec<Line>,
    len: usize,
}

impl Aligned {
    /// A copy of `bytes`.
    pub fn copy_of(bytes: &[u8]) -> Self {
        let (whole, rest) = bytes.as_chunks::<LINE>();
        let mut lines = Vec::with_capacity(whole.len() + 1);
        lines.extend(whole.iter().map(|line| Line(*line)));
        if !rest.is_empty() {
            let mut last = [0; LINE];
            last[..rest.len()].copy_from_slice(rest);
            lines.push(Line(last));
        }
        Self {
            lines,
            len: bytes.len(),
        }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

/// Whether `bytes` start at a multiple of 64.
pub(crate) fn is_aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(LINE)
}

/// Overwrites `memory` so that the compiler may not leave it out, as whole-slice stores: byte-wise
/// volatile writes would cost more than the score.
pub(crate) fn wipe<T: Copy>(memory: &mut [T], blank: T) {
    memory.fill(blank);
    std::hint::black_box(memory);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_whole_and_aligned() {
        let bytes: Vec<u8> = (0..=255).collect();
        for len in [0, 1, 63, 64, 65, 200] {
            let copy = Aligned::copy_of(&bytes[..len]);
            assert_eq!(copy.as_slice(), &bytes[..len]);
            assert!(is_aligned(copy.as_slice()) || len == 0);
        }
    }
}

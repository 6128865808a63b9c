//! AVX-512 for ensembles of trees: the nodes of 16 trees are gathered at once, and a number is
//! compared with 16 thresholds at once.
//!
//! The safe functions are reached through [`avx512_vnni`](crate::arch::x86_64::avx512_vnni) alone,
//! which has checked the processor.

use std::arch::x86_64::*;
use std::mem::{offset_of, size_of};

use crate::trees::{self, BLOCK, Comparison, Features, Nodes, Slot, Tree, WINDOW};

/// Trees in a register.
const LANES: usize = 16;
/// Registers whose walks go on side by side: while one waits for its nodes, others go on.
const REGISTERS: usize = WINDOW / LANES;
/// Ranks in a register.
const RANKS: usize = 32;

/// A [`trees::Walk`].
pub fn walk(nodes: Nodes<'_>, walks: &[Tree], ranks: &[u16], leaves: &mut [u32; WINDOW]) {
    // What gathers count in 31 bits; and ranks that are not in pairs, which no arena has.
    let count = nodes.whole.len();
    let small = nodes.small.len() == count;
    let sound = (1..1 << 30).contains(&count) && ranks.len() >= RANKS;
    if !sound || !ranks.len().is_multiple_of(2) {
        return trees::walk(nodes, walks, ranks, leaves);
    }
    for trees in walks.chunks(WINDOW) {
        // SAFETY: the processor has the instructions; nodes and ranks are as many as asked for.
        unsafe {
            let group = match (small, ranks.len(), trees.len() > LANES) {
                (true, RANKS, true) => group::<REGISTERS, true, true>,
                (true, RANKS, false) => group::<1, true, true>,
                (true, _, true) => group::<REGISTERS, true, false>,
                (true, _, false) => group::<1, true, false>,
                (false, _, true) => group::<REGISTERS, false, false>,
                (false, _, false) => group::<1, false, false>,
            };
            group(nodes, trees, ranks, leaves);
        }
    }
}

/// Walks down as many trees as `N` registers have lanes; over small nodes if `SMALL`, with all ranks
/// in one register if `FEW`.
///
/// # Safety
/// There are 1 to 2^30 nodes, as many small ones if `SMALL`, and at least 32 ranks, an even number.
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn group<const N: usize, const SMALL: bool, const FEW: bool>(
    nodes: Nodes<'_>,
    trees: &[Tree],
    ranks: &[u16],
    leaves: &mut [u32; WINDOW],
) {
    let last = _mm512_set1_epi32((nodes.whole.len() - 1) as i32);
    // SAFETY: there are at least 32 ranks.
    let few = unsafe { _mm512_loadu_si512(ranks.as_ptr().cast()) };
    let last_pair = _mm512_set1_epi32((ranks.len() / 2 - 1) as i32);
    let low = _mm512_set1_epi32(0xffff);
    let one = _mm512_set1_epi32(1);
    // Of each node's two words the first, and the second.
    let first = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    let second = _mm512_add_epi32(first, one);
    let byte = _mm512_set1_epi32(0xff);
    // The nodes' indices, if in range; words with a rank above and a slot below; steps; leaves.
    let words = |at: __m512i| {
        let at = _mm512_min_epu32(at, last);
        if SMALL {
            // SAFETY: no index is beyond the last node's; a small node has 4 bytes.
            let word = unsafe { _mm512_i32gather_epi32::<4>(at, nodes.small.as_ptr().cast()) };
            let step = _mm512_and_si512(_mm512_srli_epi32::<8>(word), byte);
            return (at, word, step, _mm512_and_si512(word, byte));
        }
        let base = nodes.whole.as_ptr();
        let halves = (
            _mm512_castsi512_si256(at),
            _mm512_extracti64x4_epi64::<1>(at),
        );
        // SAFETY: no index is beyond the last node's; a node has 8 bytes.
        let (a, b) = unsafe {
            (
                _mm512_i32gather_epi64::<8>(halves.0, base.cast()),
                _mm512_i32gather_epi64::<8>(halves.1, base.cast()),
            )
        };
        let word = |which| _mm512_permutex2var_epi32(a, which, b);
        let second = word(second);
        (
            at,
            word(first),
            _mm512_and_si512(second, low),
            _mm512_srli_epi32::<16>(second),
        )
    };
    // The ranks of the slots in the lower halves, as upper halves.
    let rank = |word: __m512i| {
        if FEW {
            // Indices are taken modulo 32.
            return _mm512_slli_epi32::<16>(_mm512_permutexvar_epi16(word, few));
        }
        let slot = _mm512_and_si512(word, if SMALL { byte } else { low });
        let pair = _mm512_min_epu32(_mm512_srli_epi32::<1>(slot), last_pair);
        // SAFETY: no index is beyond the last pair's.
        let pairs = unsafe { _mm512_i32gather_epi32::<4>(pair, ranks.as_ptr().cast()) };
        // Of an even slot the lower half.
        let even = _mm512_testn_epi32_mask(slot, one);
        _mm512_andnot_si512(low, _mm512_mask_slli_epi32::<16>(pairs, even, pairs))
    };
    let mut at = [_mm512_setzero_si512(); N];
    let mut depths = [0; N];
    for ((at, depth), trees) in at.iter_mut().zip(&mut depths).zip(trees.chunks(LANES)) {
        *at = field(trees, offset_of!(Tree, root));
        *depth = trees.last().map_or(0, |tree| tree.depth);
    }
    // The registers' depths rise: the first ones stop first.
    let mut done = 0;
    for first in 0..N {
        for _ in done..depths[first] {
            for at in &mut at[first..] {
                let (here, word, step, _) = words(*at);
                // Upper halves decide: where they are alike, the lower one is not above a slot.
                let right = _mm512_cmpgt_epu32_mask(rank(word), word);
                let next = _mm512_add_epi32(here, step);
                *at = _mm512_mask_add_epi32(next, right, next, one);
            }
        }
        done = done.max(depths[first]);
    }
    for (at, trees) in at.into_iter().zip(trees.chunks(LANES)) {
        let (_, _, _, leaf) = words(at);
        let leaf = _mm512_add_epi32(field(trees, offset_of!(Tree, leaf)), leaf);
        let mut found = [0_u32; LANES];
        // SAFETY: there are 16 integers.
        unsafe { _mm512_storeu_si512(found.as_mut_ptr().cast(), leaf) };
        for (tree, leaf) in trees.iter().zip(found) {
            leaves[usize::from(tree.place) % WINDOW] = leaf;
        }
    }
}

/// The u32 at `offset` in each of at most 16 trees; 0 beyond.
#[inline]
#[target_feature(enable = "avx512f")]
fn field(trees: &[Tree], offset: usize) -> __m512i {
    const SIZE: i32 = size_of::<Tree>() as i32;
    let lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let at = _mm512_mullo_epi32(lane, _mm512_set1_epi32(SIZE));
    let at = _mm512_add_epi32(
        at,
        _mm512_set1_epi32(offset.min(size_of::<Tree>() - 4) as i32),
    );
    let zero = _mm512_setzero_si512();
    // SAFETY: the four bytes lie in a tree, and no tree is read that isn't there.
    unsafe { _mm512_mask_i32gather_epi32::<1>(zero, mask(trees.len()), at, trees.as_ptr().cast()) }
}

/// The first `count` of 16 lanes.
#[inline(always)]
fn mask(count: usize) -> u16 {
    ((1_u32 << count.min(LANES)) - 1) as u16
}

/// A [`trees::Rank`].
pub fn rank(slots: &[Slot], table: &[u8], features: Features<'_>, ranks: &mut [u16]) {
    match features {
        // SAFETY: the processor has the instructions.
        Features::F32(values) => unsafe { rank_f32(slots, table, values, ranks) },
        Features::F64(_) => trees::rank(slots, table, features, ranks),
    }
}

#[target_feature(enable = "avx512f,popcnt")]
fn rank_f32(slots: &[Slot], table: &[u8], features: &[f32], ranks: &mut [u16]) {
    for (slot, rank) in slots.iter().zip(ranks) {
        let x = features[slot.feature];
        let values = &table[slot.values.clone()];
        let strict = slot.comparison == Comparison::Below;
        let set = matches!(slot.comparison, Comparison::Set { .. });
        *rank = if set || slot.pivots.len() > BLOCK {
            slot.rank(x.into(), values, Features::F32(features))
        } else {
            match slot.given(x.into()) {
                Ok(x) => before(x, strict, &slot.pivots, values.as_chunks().0),
                Err(rank) => rank,
            }
        };
    }
}

/// How many of the rising thresholds lie before a number, `strict`ly or not; of the last ones of
/// their blocks there are at most 16.
#[inline]
#[target_feature(enable = "avx512f,popcnt")]
fn before(x: f64, strict: bool, pivots: &[f64], values: &[[u8; 4]]) -> u16 {
    let wide = _mm512_set1_pd(x);
    let here = mask(pivots.len());
    let halves = [here as u8, (here >> 8) as u8];
    let mut blocks = 0;
    for (half, here) in halves.into_iter().enumerate() {
        let from = pivots.as_ptr().wrapping_add(half * 8);
        // SAFETY: only lanes of pivots that are there are read.
        let pivots = unsafe { _mm512_maskz_loadu_pd(here, from) };
        let less = match strict {
            true => _mm512_mask_cmp_pd_mask::<_CMP_LE_OQ>(here, pivots, wide),
            false => _mm512_mask_cmp_pd_mask::<_CMP_LT_OQ>(here, pivots, wide),
        };
        blocks += less.count_ones() as usize;
    }
    let start = (blocks * BLOCK).min(values.len().saturating_sub(BLOCK));
    let here = mask(values.len() - start);
    let x = _mm512_set1_ps(x as f32);
    // SAFETY: only lanes of thresholds that are there are read, from `start` on.
    let values = unsafe { _mm512_maskz_loadu_ps(here, values[start..].as_ptr().cast()) };
    let less = match strict {
        true => _mm512_mask_cmp_ps_mask::<_CMP_LE_OQ>(here, values, x),
        false => _mm512_mask_cmp_ps_mask::<_CMP_LT_OQ>(here, values, x),
    };
    (start + less.count_ones() as usize) as u16
}

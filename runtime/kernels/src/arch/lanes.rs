//! Sixteen f32 in the registers of each instruction set, and the tensor steps compiled for it.
//!
//! The types' operations are safe functions over instructions that not every processor has: they are
//! reached through `tensor::run_in` alone, from functions that only a checking constructor hands out.

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::*;
#[cfg(target_arch = "wasm32")]
use std::arch::wasm32::*;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use crate::LANES;
use crate::tensor::lanes::Lanes;
use crate::tensor::math;
use crate::tensor::{Nest, Operands, Operation, run_in};

/// A kind of sixteen lanes, `$count` registers of `$width` lanes.
macro_rules! lanes {
    (
        $name:ident, $register:ty, $count:literal x $width:literal, rows: $rows:literal, panels: $panels:expr,
        inline: $inline:meta,
        load: $load:expr, store: $store:expr, splat: $splat:expr,
        add: $add:expr, sub: $sub:expr, mul: $mul:expr, div: $div:expr, sqrt: $sqrt:expr, abs: $abs:expr,
        greater: $greater:expr, lesser: $lesser:expr, below: $below:expr, power: $power:expr,
        tree: $tree:expr
        $(, part: $load_part:expr, $store_part:expr, most: $most:expr)?
    ) => {
        #[derive(Clone, Copy)]
        struct $name([$register; $count]);

        impl $name {
            #[inline(always)]
            fn zip(mut self, other: Self, of: impl Fn($register, $register) -> $register) -> Self {
                for (x, y) in self.0.iter_mut().zip(other.0) {
                    *x = of(*x, y);
                }
                self
            }
        }

        // SAFETY of every block: the processor has the instructions (see the module), and loads and stores
        // stay inside the arrays of sixteen, whatever their alignment.
        #[allow(clippy::undocumented_unsafe_blocks, unused_unsafe)]
        impl Lanes for $name {
            const ROWS: usize = $rows;
            const PANELS: [usize; 2] = $panels;

            #[inline(always)]
            fn splat(x: f32) -> Self {
                Self([unsafe { $splat(x) }; $count])
            }
            #[inline(always)]
            fn load(from: &[f32; LANES]) -> Self {
                Self::read(bytemuck::cast_ref(from))
            }
            #[inline(always)]
            fn read(from: &[u8; LANES * 4]) -> Self {
                let mut to = Self::splat(0.0);
                for (i, to) in to.0.iter_mut().enumerate() {
                    *to = unsafe { $load(from.as_ptr().add(i * 4 * $width).cast()) };
                }
                to
            }
            #[inline(always)]
            fn store(self, to: &mut [f32; LANES]) {
                for (i, from) in self.0.into_iter().enumerate() {
                    unsafe { $store(to.as_mut_ptr().add(i * $width).cast(), from) };
                }
            }
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self.zip(other, |x, y| unsafe { $add(x, y) })
            }
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                self.zip(other, |x, y| unsafe { $sub(x, y) })
            }
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                self.zip(other, |x, y| unsafe { $mul(x, y) })
            }
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                self.zip(other, |x, y| unsafe { $div(x, y) })
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                self.zip(self, |x, _| unsafe { $sqrt(x) })
            }
            #[inline(always)]
            fn abs(self) -> Self {
                self.zip(self, |x, _| unsafe { $abs(x) })
            }
            #[inline(always)]
            fn below(self, other: Self, then: Self, mut or: Self) -> Self {
                for (i, or) in or.0.iter_mut().enumerate() {
                    *or = unsafe { $below(self.0[i], other.0[i], then.0[i], *or) };
                }
                or
            }
            #[inline(always)]
            fn greater(self, other: Self) -> Self {
                self.zip(other, |x, y| unsafe { $greater(x, y) })
            }
            #[inline(always)]
            fn lesser(self, other: Self) -> Self {
                self.zip(other, |x, y| unsafe { $lesser(x, y) })
            }
            #[inline(always)]
            fn power(self) -> Self {
                self.zip(self, |x, _| unsafe { $power(x) })
            }
            #[$inline]
            fn exp(self) -> Self {
                math::exp(self)
            }
            #[$inline]
            fn tanh(self) -> Self {
                math::tanh(self)
            }
            #[inline(always)]
            fn tree(self) -> f32 {
                unsafe { $tree(self) }
            }
            $(
                #[inline(always)]
                fn load_part(from: &[f32]) -> Self {
                    unsafe { $load_part(from) }
                }
                #[inline(always)]
                fn store_part(self, to: &mut [f32]) {
                    unsafe { $store_part(self, to) }
                }
                #[inline(always)]
                fn most(self) -> f32 {
                    unsafe { $most(self) }
                }
            )?
        }
    };
}

/// AVX2 and AVX-512.
#[cfg(target_arch = "x86_64")]
pub mod x86_64 {
    use super::*;

    /// Eight lanes' sum: i and i + 4, i + 2, i + 1 are added.
    #[inline]
    #[target_feature(enable = "avx")]
    fn eight(x: __m256) -> f32 {
        let four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    }

    lanes! {
        Ymm, __m256, 2 x 8, rows: 4, panels: [1, 4], inline: inline(always),
        load: _mm256_loadu_ps, store: _mm256_storeu_ps, splat: _mm256_set1_ps,
        add: _mm256_add_ps, sub: _mm256_sub_ps, mul: _mm256_mul_ps, div: _mm256_div_ps, sqrt: _mm256_sqrt_ps,
        abs: |x| _mm256_andnot_ps(_mm256_set1_ps(-0.0), x),
        greater: _mm256_max_ps, lesser: _mm256_min_ps,
        below: |x, y, then, or| _mm256_blendv_ps(or, then, _mm256_cmp_ps::<_CMP_LT_OQ>(x, y)),
        power: |x| {
            let n = _mm256_add_epi32(_mm256_cvttps_epi32(x), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(n))
        },
        tree: |x: Ymm| eight(_mm256_add_ps(x.0[0], x.0[1]))
    }

    lanes! {
        Zmm, __m512, 1 x 16, rows: 4, panels: [4, 8], inline: inline(always),
        load: _mm512_loadu_ps, store: _mm512_storeu_ps, splat: _mm512_set1_ps,
        add: _mm512_add_ps, sub: _mm512_sub_ps, mul: _mm512_mul_ps, div: _mm512_div_ps, sqrt: _mm512_sqrt_ps,
        abs: _mm512_abs_ps,
        greater: _mm512_max_ps, lesser: _mm512_min_ps,
        below: |x, y, then, or| _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, y), or, then),
        power: |x| {
            let n = _mm512_add_epi32(_mm512_cvttps_epi32(x), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(n))
        },
        tree: |x: Zmm| {
            let high = _mm512_shuffle_f32x4::<0b11_10_11_10>(x.0[0], x.0[0]);
            let (low, high) = (_mm512_castps512_ps256(x.0[0]), _mm512_castps512_ps256(high));
            eight(_mm256_add_ps(low, high))
        },
        part: |from: &[f32]| Self([_mm512_maskz_loadu_ps(first(from.len()), from.as_ptr())]),
        |x: Zmm, to: &mut [f32]| _mm512_mask_storeu_ps(to.as_mut_ptr(), first(to.len()), x.0[0]),
        most: |x: Zmm| _mm512_reduce_max_ps(x.0[0])
    }

    /// The first lanes.
    #[inline(always)]
    const fn first(count: usize) -> u16 {
        if count < LANES {
            !(u16::MAX << count)
        } else {
            u16::MAX
        }
    }

    /// A tensor step with AVX2.
    pub fn avx2(operation: Operation, nest: &Nest, from: Operands<'_>, output: &mut [f32]) {
        #[target_feature(enable = "avx2")]
        fn run(operation: Operation, nest: &Nest, from: Operands<'_>, output: &mut [f32]) {
            run_in::<Ymm>(operation, nest, from, output);
        }
        // SAFETY: the constructor has checked that the processor has AVX2.
        unsafe { run(operation, nest, from, output) }
    }

    /// A tensor step with AVX-512.
    pub fn avx512(operation: Operation, nest: &Nest, from: Operands<'_>, output: &mut [f32]) {
        #[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl")]
        fn run(operation: Operation, nest: &Nest, from: Operands<'_>, output: &mut [f32]) {
            run_in::<Zmm>(operation, nest, from, output);
        }
        // SAFETY: the constructor has checked that the processor has AVX-512.
        unsafe { run(operation, nest, from, output) }
    }
}

/// NEON.
#[cfg(target_arch = "aarch64")]
pub mod aarch64 {
    use super::*;

    lanes! {
        Neon, float32x4_t, 4 x 4, rows: 4, panels: [1, 4], inline: inline(never),
        load: vld1q_f32, store: vst1q_f32, splat: vdupq_n_f32,
        add: vaddq_f32, sub: vsubq_f32, mul: vmulq_f32, div: vdivq_f32, sqrt: vsqrtq_f32, abs: vabsq_f32,
        greater: |x, y| vbslq_f32(vcgtq_f32(x, y), x, y),
        lesser: |x, y| vbslq_f32(vcltq_f32(x, y), x, y),
        below: |x, y, then, or| vbslq_f32(vcltq_f32(x, y), then, or),
        power: |x| {
            let n = vaddq_s32(vcvtq_s32_f32(x), vdupq_n_s32(127));
            vreinterpretq_f32_s32(vshlq_n_s32::<23>(n))
        },
        tree: |x: Neon| {
            let [a, b, c, d] = x.0;
            let four = vaddq_f32(vaddq_f32(a, c), vaddq_f32(b, d));
            let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
            vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
        }
    }

    /// A tensor step with NEON, which every such processor has.
    pub fn neon(operation: Operation, nest: &Nest, from: Operands<'_>, output: &mut [f32]) {
        run_in::<Neon>(operation, nest, from, output);
    }
}

/// simd128.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub mod wasm32 {
    use super::*;

    lanes! {
        Simd, v128, 4 x 4, rows: 2, panels: [1, 2], inline: inline(never),
        load: v128_load, store: v128_store, splat: f32x4_splat,
        add: f32x4_add, sub: f32x4_sub, mul: f32x4_mul, div: f32x4_div, sqrt: f32x4_sqrt, abs: f32x4_abs,
        // `pmax(a, b)` is b where a < b, else a.
        greater: |x, y| f32x4_pmax(y, x), lesser: |x, y| f32x4_pmin(y, x),
        below: |x, y, then, or| v128_bitselect(then, or, f32x4_lt(x, y)),
        power: |x| i32x4_shl(i32x4_add(i32x4_trunc_sat_f32x4(x), i32x4_splat(127)), 23),
        tree: |x: Simd| {
            let [a, b, c, d] = x.0;
            let four = f32x4_add(f32x4_add(a, c), f32x4_add(b, d));
            let two = f32x4_add(four, i32x4_shuffle::<2, 3, 0, 1>(four, four));
            f32x4_extract_lane::<0>(two) + f32x4_extract_lane::<1>(two)
        }
    }

    /// A tensor step with simd128.
    pub fn simd128(operation: Operation, nest: &Nest, from: Operands<'_>, output: &mut [f32]) {
        run_in::<Simd>(operation, nest, from, output);
    }
}

//! A register of f32 numbers, so that a vector loop is written once: AVX-512, AVX2 and one number at a time.
//!
//! A loop is an `#[inline(always)]` function over `L: Lanes`; a caller with `#[target_feature]` makes it vector code.

#![allow(unsafe_op_in_unsafe_fn, reason = "every function here is one instruction or two")]

use crate::device::Simd;

/// 1.5·2²³: added to a number it leaves the nearest whole one in the last bits.
const MARK: f32 = 12_582_912.0;

/// `N` numbers, added, multiplied and so on number by number.
///
/// # Safety
/// Every function needs the instructions of its level, and pointers to as many numbers as it says.
pub(crate) trait Lanes: Copy {
    /// How many.
    const N: usize;
    /// `x`, N times.
    unsafe fn splat(x: f32) -> Self;
    /// 0, 1, 2 …
    unsafe fn count() -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// self · factor + term, rounded once.
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self;
    /// term − self · factor, rounded once.
    unsafe fn neg_mul_add(self, factor: Self, term: Self) -> Self;
    unsafe fn min(self, other: Self) -> Self;
    unsafe fn max(self, other: Self) -> Self;
    unsafe fn abs(self) -> Self;
    unsafe fn floor(self) -> Self;
    /// 1 / self to 1 in 10⁷.
    unsafe fn inverse(self) -> Self;
    /// self with the sign of `sign`; self must not be negative.
    unsafe fn with_sign(self, sign: Self) -> Self;
    /// `numbers[index]`, for whole `index` within 0..2N; reads all these 2N numbers.
    unsafe fn pick(numbers: *const f32, index: Self) -> Self;
    /// The nearest whole number, of one within ±2²¹, so that its last bits are the register's: see [`Self::unmarked`].
    #[inline(always)]
    unsafe fn marked(self) -> Self {
        self.add(Self::splat(MARK))
    }
    /// The whole number that was marked.
    #[inline(always)]
    unsafe fn unmarked(self) -> Self {
        self.sub(Self::splat(MARK))
    }
    /// `numbers[index]`, for marked whole `index` within 0..N; reads all these N numbers.
    unsafe fn pick_one(numbers: *const f32, index: Self) -> Self;
    /// The same within 0..2N.
    unsafe fn pick_two(numbers: *const f32, index: Self) -> Self;
    /// The same for lanes of the first and the second half whose indices are within 0..2N from `halves` on.
    #[inline(always)]
    unsafe fn pick_halves(numbers: *const f32, index: Self, halves: [i32; 2]) -> Self {
        let [first, second] = halves;
        let first = Self::pick_two(numbers.offset(first as isize), index.sub(Self::splat(first as f32)));
        let second = Self::pick_two(numbers.offset(second as isize), index.sub(Self::splat(second as f32)));
        first.with_second_half(second)
    }
    /// The second half of the lanes from `other`.
    unsafe fn with_second_half(self, other: Self) -> Self;
    /// `numbers[index]`, for any whole `index`.
    unsafe fn pick_far(numbers: *const f32, index: Self) -> Self;
    /// A bit for each lane that is below `bound`, the first lane's last.
    unsafe fn below(self, bound: f32) -> u32;
    /// Reads N numbers.
    unsafe fn load(numbers: *const f32) -> Self;
    /// Writes N numbers.
    unsafe fn store(self, numbers: *mut f32);
    /// Lane l is number `start + l` of the list in which each of `numbers` stands twice; `start` is a multiple of N.
    unsafe fn twice(numbers: *const f32, start: usize) -> Self;
    /// Lane l is number `start + l` of the list that repeats the two `numbers`; `start` is a multiple of N.
    unsafe fn repeated(numbers: *const f32, start: usize) -> Self;
    /// The sums of the even and the odd lanes of the list in which self begins at a multiple of N, `start`.
    unsafe fn sums_by_two(self, start: usize) -> [f32; 2];
    /// Reads N rows of N numbers and writes them as columns; a row begins `step` numbers behind the one before.
    unsafe fn transpose(from: *const f32, from_step: usize, into: *mut f32, into_step: usize);
}

impl Lanes for f32 {
    const N: usize = 1;
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        x
    }
    #[inline(always)]
    unsafe fn count() -> Self {
        0.0
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self + other
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self - other
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self * other
    }
    // Without the instruction a fused multiply–add is a call of the C library.
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        self * factor + term
    }
    #[inline(always)]
    unsafe fn neg_mul_add(self, factor: Self, term: Self) -> Self {
        term - self * factor
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        f32::min(self, other)
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        f32::max(self, other)
    }
    #[inline(always)]
    unsafe fn abs(self) -> Self {
        f32::abs(self)
    }
    #[inline(always)]
    unsafe fn floor(self) -> Self {
        f32::floor(self)
    }
    #[inline(always)]
    unsafe fn inverse(self) -> Self {
        1.0 / self
    }
    #[inline(always)]
    unsafe fn with_sign(self, sign: Self) -> Self {
        self.copysign(sign)
    }
    #[inline(always)]
    unsafe fn pick(numbers: *const f32, index: Self) -> Self {
        *numbers.offset(index as isize)
    }
    #[inline(always)]
    unsafe fn pick_one(numbers: *const f32, index: Self) -> Self {
        *numbers.offset(index.unmarked() as isize)
    }
    #[inline(always)]
    unsafe fn pick_two(numbers: *const f32, index: Self) -> Self {
        *numbers.offset(index.unmarked() as isize)
    }
    // A lane alone is the first half.
    #[inline(always)]
    unsafe fn with_second_half(self, _other: Self) -> Self {
        self
    }
    #[inline(always)]
    unsafe fn pick_halves(numbers: *const f32, index: Self, _halves: [i32; 2]) -> Self {
        Self::pick_two(numbers, index)
    }
    #[inline(always)]
    unsafe fn pick_far(numbers: *const f32, index: Self) -> Self {
        *numbers.offset(index as isize)
    }
    #[inline(always)]
    unsafe fn below(self, bound: f32) -> u32 {
        u32::from(self < bound)
    }
    #[inline(always)]
    unsafe fn load(numbers: *const f32) -> Self {
        *numbers
    }
    #[inline(always)]
    unsafe fn store(self, numbers: *mut f32) {
        *numbers = self;
    }
    #[inline(always)]
    unsafe fn twice(numbers: *const f32, start: usize) -> Self {
        *numbers.add(start / 2)
    }
    #[inline(always)]
    unsafe fn repeated(numbers: *const f32, start: usize) -> Self {
        *numbers.add(start % 2)
    }
    #[inline(always)]
    unsafe fn sums_by_two(self, start: usize) -> [f32; 2] {
        if start.is_multiple_of(2) { [self, 0.0] } else { [0.0, self] }
    }
    #[inline(always)]
    unsafe fn transpose(from: *const f32, _: usize, into: *mut f32, _: usize) {
        *into = *from;
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Lanes;

    impl Lanes for __m512 {
        const N: usize = 16;
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            _mm512_set1_ps(x)
        }
        #[inline(always)]
        unsafe fn count() -> Self {
            _mm512_setr_ps(0., 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12., 13., 14., 15.)
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            _mm512_add_ps(self, other)
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            _mm512_sub_ps(self, other)
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            _mm512_mul_ps(self, other)
        }
        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
            _mm512_fmadd_ps(self, factor, term)
        }
        #[inline(always)]
        unsafe fn neg_mul_add(self, factor: Self, term: Self) -> Self {
            _mm512_fnmadd_ps(self, factor, term)
        }
        #[inline(always)]
        unsafe fn min(self, other: Self) -> Self {
            _mm512_min_ps(self, other)
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            _mm512_max_ps(self, other)
        }
        #[inline(always)]
        unsafe fn abs(self) -> Self {
            _mm512_abs_ps(self)
        }
        #[inline(always)]
        unsafe fn floor(self) -> Self {
            _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(self)
        }
        #[inline(always)]
        unsafe fn inverse(self) -> Self {
            // 14 bits, doubled by Newton.
            let rough = _mm512_rcp14_ps(self);
            _mm512_mul_ps(rough, _mm512_fnmadd_ps(self, rough, _mm512_set1_ps(2.0)))
        }
        #[inline(always)]
        unsafe fn with_sign(self, sign: Self) -> Self {
            let bit = _mm512_and_ps(sign, _mm512_set1_ps(-0.0));
            _mm512_or_ps(self, bit)
        }
        #[inline(always)]
        unsafe fn pick(numbers: *const f32, index: Self) -> Self {
            let (low, high) = (_mm512_loadu_ps(numbers), _mm512_loadu_ps(numbers.add(16)));
            _mm512_permutex2var_ps(low, _mm512_cvttps_epi32(index), high)
        }
        #[inline(always)]
        unsafe fn pick_one(numbers: *const f32, index: Self) -> Self {
            _mm512_permutexvar_ps(_mm512_castps_si512(index), _mm512_loadu_ps(numbers))
        }
        #[inline(always)]
        unsafe fn pick_two(numbers: *const f32, index: Self) -> Self {
            let (low, high) = (_mm512_loadu_ps(numbers), _mm512_loadu_ps(numbers.add(16)));
            _mm512_permutex2var_ps(low, _mm512_castps_si512(index), high)
        }
        #[inline(always)]
        unsafe fn with_second_half(self, other: Self) -> Self {
            _mm512_mask_blend_ps(0xff00, self, other)
        }
        #[inline(always)]
        unsafe fn pick_far(numbers: *const f32, index: Self) -> Self {
            _mm512_i32gather_ps::<4>(_mm512_cvttps_epi32(index), numbers)
        }
        #[inline(always)]
        unsafe fn below(self, bound: f32) -> u32 {
            u32::from(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(self, _mm512_set1_ps(bound)))
        }
        #[inline(always)]
        unsafe fn load(numbers: *const f32) -> Self {
            _mm512_loadu_ps(numbers)
        }
        #[inline(always)]
        unsafe fn store(self, numbers: *mut f32) {
            _mm512_storeu_ps(numbers, self);
        }
        #[inline(always)]
        unsafe fn twice(numbers: *const f32, start: usize) -> Self {
            let twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
            let eight = _mm512_castps256_ps512(_mm256_loadu_ps(numbers.add(start / 2)));
            _mm512_permutexvar_ps(twice, eight)
        }
        #[inline(always)]
        unsafe fn repeated(numbers: *const f32, _start: usize) -> Self {
            _mm512_castpd_ps(_mm512_set1_pd(numbers.cast::<f64>().read_unaligned()))
        }
        #[inline(always)]
        unsafe fn sums_by_two(self, start: usize) -> [f32; 2] {
            let high = _mm512_castps512_ps256(_mm512_shuffle_f32x4::<0b11_10_11_10>(self, self));
            _mm256_add_ps(_mm512_castps512_ps256(self), high).sums_by_two(start)
        }
        #[inline(always)]
        unsafe fn transpose(from: *const f32, from_step: usize, into: *mut f32, into_step: usize) {
            let mut rows = [_mm512_setzero_ps(); 16];
            for (row, numbers) in rows.iter_mut().enumerate() {
                *numbers = _mm512_loadu_ps(from.add(row * from_step));
            }
            let mut fours = [_mm512_setzero_ps(); 16];
            // Fours of rows: column 4·quarter + c stands in register c of the four. (Closures would lack the instructions.)
            for four in [0, 4, 8, 12] {
                let (low, other_low) = (
                    _mm512_unpacklo_ps(rows[four], rows[four + 1]),
                    _mm512_unpacklo_ps(rows[four + 2], rows[four + 3]),
                );
                let (high, other_high) = (
                    _mm512_unpackhi_ps(rows[four], rows[four + 1]),
                    _mm512_unpackhi_ps(rows[four + 2], rows[four + 3]),
                );
                fours[four] = _mm512_shuffle_ps::<0x44>(low, other_low);
                fours[four + 1] = _mm512_shuffle_ps::<0xee>(low, other_low);
                fours[four + 2] = _mm512_shuffle_ps::<0x44>(high, other_high);
                fours[four + 3] = _mm512_shuffle_ps::<0xee>(high, other_high);
            }
            // Quarters of the same column, from the four fours.
            for c in 0..4 {
                let (first, second) = ((fours[c], fours[4 + c]), (fours[8 + c], fours[12 + c]));
                let even = _mm512_shuffle_f32x4::<0x88>(first.0, first.1);
                let odd = _mm512_shuffle_f32x4::<0xdd>(first.0, first.1);
                let other_even = _mm512_shuffle_f32x4::<0x88>(second.0, second.1);
                let other_odd = _mm512_shuffle_f32x4::<0xdd>(second.0, second.1);
                _mm512_storeu_ps(into.add(c * into_step), _mm512_shuffle_f32x4::<0x88>(even, other_even));
                _mm512_storeu_ps(into.add((4 + c) * into_step), _mm512_shuffle_f32x4::<0x88>(odd, other_odd));
                _mm512_storeu_ps(into.add((8 + c) * into_step), _mm512_shuffle_f32x4::<0xdd>(even, other_even));
                _mm512_storeu_ps(into.add((12 + c) * into_step), _mm512_shuffle_f32x4::<0xdd>(odd, other_odd));
            }
        }
    }

    impl Lanes for __m256 {
        const N: usize = 8;
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            _mm256_set1_ps(x)
        }
        #[inline(always)]
        unsafe fn count() -> Self {
            _mm256_setr_ps(0., 1., 2., 3., 4., 5., 6., 7.)
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            _mm256_add_ps(self, other)
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            _mm256_sub_ps(self, other)
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            _mm256_mul_ps(self, other)
        }
        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
            _mm256_fmadd_ps(self, factor, term)
        }
        #[inline(always)]
        unsafe fn neg_mul_add(self, factor: Self, term: Self) -> Self {
            _mm256_fnmadd_ps(self, factor, term)
        }
        #[inline(always)]
        unsafe fn min(self, other: Self) -> Self {
            _mm256_min_ps(self, other)
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            _mm256_max_ps(self, other)
        }
        #[inline(always)]
        unsafe fn abs(self) -> Self {
            _mm256_andnot_ps(_mm256_set1_ps(-0.0), self)
        }
        #[inline(always)]
        unsafe fn floor(self) -> Self {
            _mm256_floor_ps(self)
        }
        #[inline(always)]
        unsafe fn inverse(self) -> Self {
            // Its 12 bits are too few for one step of Newton.
            _mm256_div_ps(_mm256_set1_ps(1.0), self)
        }
        #[inline(always)]
        unsafe fn with_sign(self, sign: Self) -> Self {
            _mm256_or_ps(self, _mm256_and_ps(sign, _mm256_set1_ps(-0.0)))
        }
        #[inline(always)]
        unsafe fn pick(numbers: *const f32, index: Self) -> Self {
            let index = _mm256_cvttps_epi32(index);
            let low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(numbers), index);
            let high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(numbers.add(8)), index);
            // Bit 3 of the index, brought to the sign, says which.
            _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32::<28>(index)))
        }
        #[inline(always)]
        unsafe fn pick_one(numbers: *const f32, index: Self) -> Self {
            _mm256_permutevar8x32_ps(_mm256_loadu_ps(numbers), _mm256_castps_si256(index))
        }
        #[inline(always)]
        unsafe fn pick_two(numbers: *const f32, index: Self) -> Self {
            let index = _mm256_castps_si256(index);
            let low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(numbers), index);
            let high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(numbers.add(8)), index);
            // Bit 3 of the index, brought to the sign, says which.
            _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32::<28>(index)))
        }
        #[inline(always)]
        unsafe fn with_second_half(self, other: Self) -> Self {
            _mm256_blend_ps::<0xf0>(self, other)
        }
        #[inline(always)]
        unsafe fn pick_far(numbers: *const f32, index: Self) -> Self {
            _mm256_i32gather_ps::<4>(numbers, _mm256_cvttps_epi32(index))
        }
        #[inline(always)]
        unsafe fn below(self, bound: f32) -> u32 {
            _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(self, _mm256_set1_ps(bound))) as u32
        }
        #[inline(always)]
        unsafe fn load(numbers: *const f32) -> Self {
            _mm256_loadu_ps(numbers)
        }
        #[inline(always)]
        unsafe fn store(self, numbers: *mut f32) {
            _mm256_storeu_ps(numbers, self);
        }
        #[inline(always)]
        unsafe fn twice(numbers: *const f32, start: usize) -> Self {
            let four = _mm256_castps128_ps256(_mm_loadu_ps(numbers.add(start / 2)));
            _mm256_permutevar8x32_ps(four, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3))
        }
        #[inline(always)]
        unsafe fn repeated(numbers: *const f32, _start: usize) -> Self {
            _mm256_castpd_ps(_mm256_set1_pd(numbers.cast::<f64>().read_unaligned()))
        }
        #[inline(always)]
        unsafe fn sums_by_two(self, _start: usize) -> [f32; 2] {
            let four = _mm_add_ps(_mm256_castps256_ps128(self), _mm256_extractf128_ps::<1>(self));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            [_mm_cvtss_f32(two), _mm_cvtss_f32(_mm_movehdup_ps(two))]
        }
        #[inline(always)]
        unsafe fn transpose(from: *const f32, from_step: usize, into: *mut f32, into_step: usize) {
            let mut rows = [_mm256_setzero_ps(); 8];
            for (row, numbers) in rows.iter_mut().enumerate() {
                *numbers = _mm256_loadu_ps(from.add(row * from_step));
            }
            let mut fours = [_mm256_setzero_ps(); 8];
            // Fours of rows: column 4·half + c stands in register c of the four.
            for four in [0, 4] {
                let (low, other_low) = (
                    _mm256_unpacklo_ps(rows[four], rows[four + 1]),
                    _mm256_unpacklo_ps(rows[four + 2], rows[four + 3]),
                );
                let (high, other_high) = (
                    _mm256_unpackhi_ps(rows[four], rows[four + 1]),
                    _mm256_unpackhi_ps(rows[four + 2], rows[four + 3]),
                );
                fours[four] = _mm256_shuffle_ps::<0x44>(low, other_low);
                fours[four + 1] = _mm256_shuffle_ps::<0xee>(low, other_low);
                fours[four + 2] = _mm256_shuffle_ps::<0x44>(high, other_high);
                fours[four + 3] = _mm256_shuffle_ps::<0xee>(high, other_high);
            }
            for c in 0..4 {
                let (low, high) = (fours[c], fours[4 + c]);
                _mm256_storeu_ps(into.add(c * into_step), _mm256_permute2f128_ps::<0x20>(low, high));
                _mm256_storeu_ps(into.add((4 + c) * into_step), _mm256_permute2f128_ps::<0x31>(low, high));
            }
        }
    }
}

/// A loop written over lanes.
pub(crate) trait Loop {
    type Output;
    /// # Safety
    /// The caller has the instructions of `L`.
    unsafe fn run<L: Lanes>(self) -> Self::Output;
}

/// Runs a loop with the instructions of `simd`.
///
/// # Panics
/// If this machine lacks them.
#[track_caller]
pub(crate) fn run<T: Loop>(simd: Simd, task: T) -> T::Output {
    // More would be undefined behaviour.
    assert!(simd <= Simd::best() || simd == Simd::Scalar, "this machine has no {simd}");
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{__m256, __m512};
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
        unsafe fn wide<T: Loop>(task: T) -> T::Output {
            task.run::<__m512>()
        }
        #[target_feature(enable = "avx2,fma")]
        unsafe fn half<T: Loop>(task: T) -> T::Output {
            task.run::<__m256>()
        }
        // SAFETY: asserted above.
        match simd {
            Simd::Avx512 => return unsafe { wide(task) },
            Simd::Avx2 => return unsafe { half(task) },
            _ => {}
        }
    }
    // SAFETY: plain numbers need nothing.
    unsafe { task.run::<f32>() }
}

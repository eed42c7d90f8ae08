//! Daubechies' filters of least phase (Ten Lectures on Wavelets, 1992, table 6.1), √2 in sum.

use crate::kernels::periodic_filter::ROW;

/// A wavelet: N vanishing moments, 2N taps, so that polynomials below degree N leave no details.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// One moment, 2 taps: steps.
    Haar,
    /// Two moments, 4 taps.
    #[default]
    Db2,
    /// Three moments, 6 taps.
    Db3,
    /// Four moments, 8 taps.
    Db4,
}

const HAAR: [f64; 2] = [std::f64::consts::FRAC_1_SQRT_2; 2];
const DB2: [f64; 4] = [0.482962913144534143, 0.836516303737807906, 0.224143868042013381, -0.129409522551260381];
const DB3: [f64; 6] = [
    0.332670552950082616,
    0.806891509311092576,
    0.459877502118491570,
    -0.135011020010254589,
    -0.0854412738820266617,
    0.0352262918857095366,
];
const DB4: [f64; 8] = [
    0.230377813308896501,
    0.714846570552915647,
    0.630880767929858908,
    -0.0279837694168598542,
    -0.187034811719093084,
    0.0308413818355607636,
    0.0328830116668851997,
    -0.0105974017850690321,
];

/// Rows of the table of filters that a transform needs.
pub(super) mod row {
    pub const LOW: u32 = 0;
    pub const HIGH: u32 = 1;
    /// Even, then odd taps.
    pub const LOW_PHASES: [u32; 2] = [2, 3];
    pub const HIGH_PHASES: [u32; 2] = [4, 5];
    /// One tap of 1.
    pub const ONE: u32 = 6;
    pub const COUNT: usize = 7;
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Haar, Self::Db2, Self::Db3, Self::Db4];

    /// The low-pass filter h, orthonormal: Σₖ hₖ hₖ₊₂ⱼ is 1 for j = 0, else 0.
    pub fn low(self) -> &'static [f64] {
        match self {
            Self::Haar => &HAAR,
            Self::Db2 => &DB2,
            Self::Db3 => &DB3,
            Self::Db4 => &DB4,
        }
    }

    /// The high-pass filter, gₖ = (−1)ᵏ h₂ₙ₋₁₋ₖ.
    pub fn high(self) -> Vec<f64> {
        let flipped = self.low().iter().rev().enumerate();
        flipped.map(|(k, tap)| if k % 2 == 0 { *tap } else { -tap }).collect()
    }

    /// The table of filters, row by row as in [`row`].
    pub(super) fn table(self) -> Vec<f32> {
        let (low, high) = (self.low(), self.high());
        let phase = |filter: &[f64], phase: usize| filter.iter().skip(phase).step_by(2).copied().collect::<Vec<_>>();
        let rows =
            [low.to_vec(), high.clone(), phase(low, 0), phase(low, 1), phase(&high, 0), phase(&high, 1), vec![1.0]];
        let padded = |row: &Vec<f64>| (0..ROW).map(|k| row.get(k).map_or(0.0, |tap| *tap as f32)).collect::<Vec<_>>();
        rows.iter().flat_map(padded).collect()
    }
}

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
const DB2: [f64; 4] = [0.48296291314453416, 0.8365163037378079, 0.2241438680420134, -0.12940952255126037];
const DB3: [f64; 6] = [
    0.33267055295008263,
    0.8068915093110925,
    0.45987750211849154,
    -0.13501102001025458,
    -0.08544127388202666,
    0.03522629188570953,
];
const DB4: [f64; 8] = [
    0.2303778133088965,
    0.7148465705529157,
    0.6308807679298589,
    -0.027983769416859854,
    -0.18703481171909309,
    0.030841381835560764,
    0.0328830116668852,
    -0.010597401785069032,
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

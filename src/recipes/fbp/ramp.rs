//! The band-limited ramp filter and its windows.
//!
//! The ramp is sampled in space, where it is exactly band-limited, and transformed (Kak & Slaney 1988, §3.3, eq. 61):
//! sampling |f| in frequency instead loses the mean value.

use std::f64::consts::PI;

use rustfft::{FftPlannerScalar, num_complex::Complex};

/// Window on the ramp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// No window (Ramachandran & Lakshminarayanan 1971).
    #[default]
    RamLak,
    /// sinc(f/2) (Shepp & Logan 1974).
    SheppLogan,
    /// cos(πf/2).
    Cosine,
    /// 0.54 + 0.46 cos(πf).
    Hamming,
    /// 0.5 + 0.5 cos(πf).
    Hann,
}

impl Filter {
    /// Every filter with its name on the command line.
    pub const ALL: [(&'static str, Self); 5] = [
        ("ram-lak", Self::RamLak),
        ("shepp-logan", Self::SheppLogan),
        ("cosine", Self::Cosine),
        ("hamming", Self::Hamming),
        ("hann", Self::Hann),
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, filter)| *filter == self).map_or("", |(name, _)| name)
    }

    /// Value at `f`, where 1 is the cut-off; 0 beyond it.
    pub fn window(self, f: f64) -> f64 {
        if f > 1.0 {
            return 0.0;
        }
        match self {
            Self::RamLak => 1.0,
            Self::SheppLogan if f == 0.0 => 1.0,
            Self::SheppLogan => (PI * f / 2.0).sin() / (PI * f / 2.0),
            Self::Cosine => (PI * f / 2.0).cos(),
            Self::Hamming => 0.54 + 0.46 * (PI * f).cos(),
            Self::Hann => 0.5 + 0.5 * (PI * f).cos(),
        }
    }
}

/// A length of a Fourier transform, at least `least`, that is quick: few factors but 2.
pub fn length(least: usize) -> usize {
    let quick = |odd: usize| odd << least.div_ceil(odd).next_power_of_two().trailing_zeros().max(1);
    [1, 3, 5, 9].map(quick).into_iter().min().unwrap_or(least)
}

/// The windowed ramp in frequency, for a DFT of `length` cells, in units of 1/cell: filtering a line gives
/// Σ p\[k\] g\[i−k\] with g\[0\] = 1/4, g\[odd n\] = −1/(π² n²), g\[even n\] = 0.
///
/// With `cell_angle` the cells lie `cell_angle` radians apart on a curved detector: g\[n\] is multiplied by
/// (nγ / sin nγ)² (Kak & Slaney 1988, eq. 3.4.106). `cutoff` is a fraction of the Nyquist frequency.
pub fn response(length: usize, filter: Filter, cutoff: f64, cell_angle: Option<f64>) -> Vec<f32> {
    let kernel = |lag: f64| match cell_angle {
        // Lags at which the sine folds back lie beyond any fan.
        Some(angle) if lag * angle > 0.9 * PI => 0.0,
        Some(angle) => -(angle / (PI * (lag * angle).sin())).powi(2),
        None => -1.0 / (PI * lag).powi(2),
    };
    let mut line: Vec<Complex<f64>> = (0..length)
        .map(|i| {
            let lag = i.min(length - i);
            let value = match lag {
                0 => 0.25,
                odd if odd % 2 == 1 => kernel(odd as f64),
                _ => 0.0,
            };
            Complex::new(value, 0.0)
        })
        .collect();
    FftPlannerScalar::new().plan_fft_forward(length).process(&mut line);
    line.iter()
        .enumerate()
        .map(|(i, value)| {
            let frequency = i.min(length - i) as f64 / (length as f64 / 2.0);
            (value.re * filter.window(frequency / cutoff)) as f32
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_is_the_ramp_up_to_nyquist() {
        let response = response(4096, Filter::RamLak, 1.0, None);
        for k in [16_usize, 100, 1000, 2048] {
            let ramp = k as f64 / 4096.0;
            assert!((f64::from(response[k]) - ramp).abs() < 2e-4 * ramp.max(0.05), "{k}: {} {ramp}", response[k]);
        }
        // The mean of a band-limited ramp of finite length is small but not nought.
        assert!(response[0] > 0.0 && response[0] < 2e-4);
    }

    #[test]
    fn windows_fall_to_their_textbook_values_at_the_cut_off() {
        let at_end = [1.0, 2.0 / PI, 0.0, 0.08, 0.0];
        for ((name, filter), expected) in Filter::ALL.into_iter().zip(at_end) {
            assert!((filter.window(1.0) - expected).abs() < 1e-12, "{name}");
            assert_eq!((filter.window(0.0), filter.window(1.1)), (1.0, 0.0), "{name}");
        }
        let half = response(1024, Filter::RamLak, 0.5, None);
        assert!(half[256] > 0.24 && half[257] == 0.0 && half[512] == 0.0);
    }

    #[test]
    fn a_curved_detector_of_a_narrow_fan_is_as_good_as_flat() {
        let flat = response(1024, Filter::Hann, 1.0, None);
        let curved = response(1024, Filter::Hann, 1.0, Some(1e-6));
        for (a, b) in flat.iter().zip(&curved) {
            assert!((a - b).abs() < 1e-6);
        }
    }
}

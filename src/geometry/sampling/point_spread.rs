//! The point-spread function of a Cartesian sampling, the inverse Fourier transform of its mask: how incoherent its
//! aliases are (M. Lustig, D. Donoho, J. M. Pauly, Magn. Reson. Med. 58, 1182, 2007, section "Incoherence").

use rustfft::{FftPlanner, num_complex::Complex32};

use crate::geometry::Mask;

/// The greatest |PSF| beside the peak, over the peak: 1 where an alias is as bright as the object, 0 at full sampling.
pub fn peak_side_lobe(mask: &Mask) -> f64 {
    let mut values: Vec<Complex32> =
        mask.sampled.iter().map(|&s| Complex32::new(f32::from(u8::from(s)), 0.0)).collect();
    let mut planner = FftPlanner::new();
    let mut stride = 1;
    for extent in mask.shape.into_iter().rev() {
        let plan = planner.plan_fft_inverse(extent);
        let mut line = vec![Complex32::ZERO; extent];
        for start in (0..values.len()).filter(|i| i / stride % extent == 0) {
            line.iter_mut().enumerate().for_each(|(i, value)| *value = values[start + i * stride]);
            plan.process(&mut line);
            line.iter().enumerate().for_each(|(i, value)| values[start + i * stride] = *value);
        }
        stride *= extent;
    }
    let peak = values.first().map_or(1.0, |value| value.norm());
    let side = values.iter().skip(1).fold(0.0_f32, |most, value| most.max(value.norm()));
    f64::from(side / peak.max(f32::MIN_POSITIVE))
}

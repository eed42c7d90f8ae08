//! Signal-to-noise ratio and field strength: SNR ∝ B₀² / √(coil noise ∝ B₀^½ + sample noise ∝ B₀²) (D. I. Hoult, P. C. Lauterbur,
//! J. Magn. Reson. 34, 425, 1979).
//!
//! So SNR ∝ B₀^{7/4} where the coil's own resistance is what is heard, ∝ B₀ where the body is. Assumed: the same pulse
//! sequence, band width and coil size at either field; T1, T2 and susceptibility do not change; the preamplifier adds nothing.

use crate::error::{Error, Result};

/// Field at which SNR is told, in tesla.
pub const REFERENCE_FIELD: f64 = 3.0;

/// Field at which a head coil of copper at room temperature hears itself as loud as the head, in tesla: an assumption, near
/// the 5–10 MHz that Hoult and Lauterbur find for a head.
pub const EQUAL_NOISE_FIELD: f64 = 0.2;

/// SNR at `field` over that at [`REFERENCE_FIELD`], all else being the same.
///
/// # Errors
/// [`Error::Option`] for fields that are not above 0 and at most 20 T.
pub fn relative_snr(field: f64) -> Result<f64> {
    if !(field > 0.0 && field <= 20.0) {
        return Err(Error::Option(format!("a field of {field} T: it must be above 0 and at most 20 T")));
    }
    let snr = |field: f64| {
        let x = field / EQUAL_NOISE_FIELD;
        x * x / (x.sqrt() + x * x).sqrt()
    };
    Ok(snr(field) / snr(REFERENCE_FIELD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snr_follows_its_two_power_laws() {
        let exponent =
            |field: f64| (relative_snr(field * 1.001).unwrap() / relative_snr(field).unwrap()).ln() / 1.001_f64.ln();
        assert!((exponent(1e-4) - 1.75).abs() < 1e-3, "{}", exponent(1e-4));
        assert!((exponent(15.0) - 1.0).abs() < 2e-3, "{}", exponent(15.0));
        assert!((relative_snr(3.0).unwrap() - 1.0).abs() < 1e-12);
        // At the field of equal noise: x²/√2 = 1/√2 over 15²/√(√15 + 15²) = 14.8725.
        assert!((relative_snr(0.2).unwrap() - 0.047_54).abs() < 2e-5, "{}", relative_snr(0.2).unwrap());
    }

    #[test]
    fn impossible_fields_are_refused() {
        assert!([0.0, -1.0, f64::NAN, 30.0].iter().all(|field| relative_snr(*field).is_err()));
    }
}

//! Poisson and Gaussian noise together, z = αp + n with p Poisson-distributed and n of deviation σ, made to have deviation 1:
//! the generalised Anscombe transform 2/α·√(αz + ⅜α² + σ²) (Starck, Murtagh & Bijaoui 1998), and an inverse without bias:
//! the closed form
//! of the exact one (Mäkitalo & Foi 2013, IEEE Trans. Image Process. 22, 91).

/// The transform for noise of one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anscombe {
    /// α, the value of one count.
    pub gain: f64,
    /// σ, deviation of the Gaussian part.
    pub sigma: f64,
}

impl Anscombe {
    /// The value with noise of deviation 1; what lies below the least value that the transform knows becomes 0.
    pub fn forward(&self, value: f64) -> f64 {
        let Self { gain, sigma } = *self;
        2.0 / gain * (gain * value + 0.375 * gain * gain + sigma * sigma).max(0.0).sqrt()
    }

    /// The mean αE(p) whose values have the mean `stable` after [`Self::forward`]; 0 where there is none.
    pub fn inverse(&self, stable: f64) -> f64 {
        let Self { gain, sigma } = *self;
        let root = 1.5_f64.sqrt();
        // Below this no mean would be positive, and the series runs away.
        let stable = stable.max(2.0 * (0.375 + (sigma / gain).powi(2)).sqrt());
        let counts = 0.25 * stable * stable + 0.25 * root / stable - 1.375 / (stable * stable)
            + 0.625 * root / stable.powi(3)
            - 0.125
            - (sigma / gain).powi(2);
        gain * counts.max(0.0)
    }
}

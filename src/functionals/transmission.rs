//! Transmission counts with electronic noise: the shifted-Poisson likelihood (Yavuz & Fessler 1998),
//! h(l) = Σ (I·e^(−l) + s) − (n + s)·ln(I·e^(−l) + s), with n photons of I in the open beam and s the variance of the
//! electronic noise. Its parabolas have the precomputed curvature n² / (n + s) (Erdoğan & Fessler 1999, with s in the
//! place of the background): that at the minimum, so solvers want a start near it, such as FBP, not an empty image.

use super::DataTerm;
use crate::{
    device::{Array, Device},
    error::{Error, Result},
    kernels,
};

/// What a detector counted.
#[derive(Debug)]
pub struct Transmission {
    device: Device,
    counts: Array,
    open: Array,
    curvature: Array,
    shift: f32,
}

impl Transmission {
    /// Counts of `shape` and the open beam of each ray, in photons; `electronic` is the noise's standard deviation, photons.
    /// Counts may be negative, as electronic noise makes them; what falls below 0 after the shift counts as 0.
    ///
    /// # Errors
    /// [`Error::Scan`] for an open beam that is not above 0, or counts that are not finite; [`Error::OutOfMemory`].
    pub fn new(device: &Device, shape: &[usize], counts: Vec<f32>, open: Vec<f32>, electronic: f32) -> Result<Self> {
        if !(electronic >= 0.0 && electronic.is_finite()) {
            return Err(Error::Option(format!("electronic noise of {electronic} photons: give 0 or more")));
        }
        if let Some(index) = open.iter().position(|open| !(*open > 0.0 && open.is_finite())) {
            return Err(Error::Scan(format!("ray {index} has an open beam of {} photons: not above 0", open[index])));
        }
        if let Some(index) = counts.iter().position(|count| !count.is_finite()) {
            return Err(Error::Scan(format!("ray {index} counted {} photons", counts[index])));
        }
        // Never quite 0, or a ray that nothing passes would have no slope.
        let shift = (electronic * electronic).max(1e-12);
        let counts: Vec<f32> = counts.into_iter().map(|count| count.max(-shift)).collect();
        // A ray that counted nothing still resists growing brighter: half a photon's worth.
        let curvature = counts.iter().map(|count| count.max(0.5)).map(|count| count * count / (count + shift));
        let curvature = device.upload(shape, curvature.collect::<Vec<f32>>())?;
        Ok(Self {
            device: device.clone(),
            counts: device.upload(shape, counts)?,
            open: device.upload(shape, open)?,
            curvature,
            shift,
        })
    }
}

impl DataTerm for Transmission {
    fn shape(&self) -> &[usize] {
        self.counts.shape()
    }

    fn slope(&self, lines: &mut Array) {
        let length = lines.line_len();
        for ((lines, counts), open) in lines.slabs_mut().iter_mut().zip(self.counts.slabs()).zip(self.open.slabs()) {
            let count = (lines.lines().len() * length) as u32;
            self.device.run(&kernels::Transmission { count, shift: self.shift }, &[counts, open], &mut [lines]);
        }
    }

    fn curvature(&self) -> &Array {
        &self.curvature
    }

    fn value(&self, lines: &Array) -> Result<f64> {
        let [l, n, open] = [lines, &self.counts, &self.open].map(|array| self.device.download::<f32>(array));
        let (l, n, open) = (l?, n?, open?);
        let shift = f64::from(self.shift);
        let ray = |l: f32, n: f32, open: f32| {
            let mean = f64::from(open) * f64::from(-l).exp() + shift;
            mean - (f64::from(n) + shift) * mean.ln()
        };
        Ok(l.iter().zip(&n).zip(&open).map(|((l, n), open)| ray(*l, *n, *open)).sum())
    }
}

//! A smooth penalty on the differences between neighbouring pixels: β·R(x), formulas in `kernels/neighbours.rs`.

use rayon::prelude::*;

use crate::{
    device::{Array, Device},
    error::{Error, Result},
    kernels::Neighbours,
};

/// How a difference is penalised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Potential {
    /// Quadratic when small, |Δ|^q when large (q-GGMRF with p = 2; Thibault et al. 2007).
    QGgmrf {
        /// Power of large differences, 1 ≤ q < 2.
        q: f32,
    },
    /// Quadratic when small, linear when large (Huber 1964).
    Huber,
}

/// The penalty of images `[nz·ny, nx]`, within slices.
#[derive(Clone, Debug)]
pub struct Neighbourhood {
    device: Device,
    ny: usize,
    potential: Potential,
    strength: f32,
    edge: f32,
}

impl Neighbourhood {
    /// For slices of `ny` lines: `strength` is β, `edge` the difference c at which edges begin, in the image's unit.
    ///
    /// # Errors
    /// [`Error::Option`] for a strength or an edge that is not above 0, or a power outside 1..2.
    pub fn new(device: &Device, ny: usize, potential: Potential, strength: f32, edge: f32) -> Result<Self> {
        for (what, value) in [("strength", strength), ("edge", edge)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::Option(format!("a {what} of {value}: give a number above 0")));
            }
        }
        if let Potential::QGgmrf { q } = potential
            && !(1.0..2.0).contains(&q)
        {
            return Err(Error::Option(format!("a power q of {q}: give one from 1 up to, but not, 2")));
        }
        Ok(Self { device: device.clone(), ny, potential, strength, edge })
    }

    /// An upper bound of its separable surrogate's curvature, everywhere the same: 2β, since no pair's exceeds β and a pixel's
    /// weights add up to one.
    pub fn curvature(&self) -> f32 {
        2.0 * self.strength
    }

    /// g ← keep·g + β·∇R(x).
    pub fn add_gradient(&self, x: &Array, keep: f32, g: &mut Array) {
        let nx = x.line_len();
        let (huber, q) = match self.potential {
            Potential::QGgmrf { q } => (0, q),
            Potential::Huber => (1, 1.0),
        };
        let slabs = x.slabs();
        for (index, (own, g)) in slabs.iter().zip(g.slabs_mut()).enumerate() {
            let before = &slabs[index.saturating_sub(1)];
            let after = slabs.get(index + 1).unwrap_or(own);
            let kernel = Neighbours {
                nx: nx as u32,
                ny: self.ny as u32,
                first: own.lines().start as u32,
                lines: own.lines().len() as u32,
                before: before.lines().len() as u32,
                huber,
                keep,
                strength: self.strength,
                edge: self.edge,
                q,
            };
            self.device.run(&kernel, &[own, before, after], &mut [g]);
        }
    }

    /// β·R(x), in f64 on the host.
    ///
    /// # Errors
    /// What has gone wrong on the device.
    pub fn value(&self, x: &Array) -> Result<f64> {
        let (nx, ny) = (x.line_len(), self.ny);
        let pixels = self.device.download::<f32>(x)?;
        let corner = 1.0 / (4.0 * 2.0_f64.sqrt() + 4.0);
        let beside = corner * 2.0_f64.sqrt();
        // Each pair once: to the right, and to the three below.
        let pairs = [(0, 1, beside), (1, -1, corner), (1, 0, beside), (1, 1, corner)];
        let line = |index: usize| -> f64 {
            let (slice, y) = (&pixels[index / ny * nx * ny..][..nx * ny], index % ny);
            let there = pairs.iter().filter(|(dy, ..)| y + dy < ny);
            let one = |(dy, dx, weight): &(usize, isize, f64)| {
                let (first, end) = (0_usize.saturating_sub_signed(*dx), nx - (*dx).max(0) as usize);
                let other = |x: usize| slice[(y + dy) * nx + x.wrapping_add_signed(*dx)];
                let sum = (first..end).map(|x| self.penalty(f64::from(slice[y * nx + x]) - f64::from(other(x))));
                weight * sum.sum::<f64>()
            };
            there.map(one).sum()
        };
        let lines: Vec<f64> = (0..pixels.len() / nx).into_par_iter().map(line).collect();
        let sum: f64 = lines.iter().sum();
        Ok(f64::from(self.strength) * sum)
    }

    /// ρ(Δ).
    fn penalty(&self, difference: f64) -> f64 {
        let (size, edge) = (difference.abs(), f64::from(self.edge));
        match self.potential {
            Potential::QGgmrf { q } => 0.5 * size * size / (1.0 + (size / edge).powf(2.0 - f64::from(q))),
            Potential::Huber if size < edge => 0.5 * size * size,
            Potential::Huber => edge * (size - 0.5 * edge),
        }
    }
}

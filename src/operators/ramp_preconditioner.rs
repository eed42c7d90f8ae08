//! An approximate inverse of AAᵀ + ρ on a scan's lines, A line integrals, weighed or not: S F S with S = (ρ + diag AAᵀ)^(−½), and F a
//! filter along the lines.
//!
//! Where lines of many views are backprojected and projected again, coarse structures come back as often as there are views that
//! see them, and fine ones once: by the slice theorem the views' spokes in frequency space, each as wide as an object of n
//! pixels makes it, overlap up to views/(πn). F takes that back: a ramp up to there, and 1 beyond.

use std::sync::{Mutex, MutexGuard};

use super::{
    Beyond, LineFilter, LineFilterPlan, LinearOperator,
    arithmetic::{add_columns, fill},
};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    kernels::{GUARD, Multiply},
    monitor::Monitor,
};

/// S F S, its own adjoint, and positive.
pub struct RampPreconditioner {
    device: Device,
    shape: [usize; 2],
    filter: LineFilter,
    squares: Vec<f32>,
    work: Mutex<Work>,
}

struct Work {
    scale: Array,
    scaled: Array,
    filtered: Array,
}

impl RampPreconditioner {
    /// For lines of a scan of `[views, rows, columns]` and slices that are `pixels` wide, in cells; `squares` is the diagonal of AAᵀ,
    /// or about that. ρ is 1 until [`Self::damp`] says another.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// # Panics
    /// If there are not as many squares as cells.
    #[track_caller]
    pub fn new(device: &Device, [views, rows, columns]: [usize; 3], pixels: f64, squares: Vec<f32>) -> Result<Self> {
        assert_eq!(squares.len(), views * rows * columns, "a square for each cell");
        let response = ramp([views, columns], pixels).into_iter().map(|value| value as f32).collect::<Vec<_>>();
        let (length, weights, scales) = (response.len(), vec![1.0; columns], vec![1.0; views]);
        let plan = LineFilterPlan {
            views,
            rows,
            columns,
            length,
            beyond: Beyond::default(),
            tails: [0; 2],
            response,
            weights,
            scales,
        };
        let filter = LineFilter::new(device, plan)?;
        let shape = [views * rows, columns];
        let zeros = |shape: &[usize]| device.zeros(shape, Element::F32);
        let work = Work { scale: zeros(&shape)?, scaled: zeros(&shape)?, filtered: zeros(&filter.filtered_shape())? };
        let made = Self { device: device.clone(), shape, filter, squares, work: Mutex::new(work) };
        made.damp(1.0)?;
        Ok(made)
    }

    /// Sets ρ, above 0.
    ///
    /// # Errors
    /// What goes wrong on the device.
    pub fn damp(&self, damping: f32) -> Result<()> {
        let scale: Vec<f32> = self.squares.iter().map(|square| 1.0 / (square + damping).sqrt()).collect();
        self.work().scale = self.device.upload(&self.shape, scale)?;
        Ok(())
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// y ← s x.
    fn multiply(&self, s: &Array, x: &Array, y: &mut Array) {
        let line = x.line_len();
        for ((x, s), y) in x.slabs().iter().zip(s.slabs()).zip(y.slabs_mut()) {
            let kernel = Multiply { count: (x.lines().len() * line) as u32, factor: 1.0 };
            self.device.run(&kernel, &[s, x], &mut [y]);
        }
    }
}

/// A ramp along `[views, columns]`, in FFT order, cut where so few views no longer sample what is `pixels` wide.
pub fn ramp([views, columns]: [usize; 2], pixels: f64) -> Vec<f64> {
    let (views, length) = (views as f64, (2 * columns).next_power_of_two());
    let frequency = |index: usize| index.min(length - index) as f64 / length as f64;
    let height = |index| (std::f64::consts::PI * frequency(index) * pixels / views).clamp(1.0 / views, 1.0);
    (0..length).map(height).collect()
}

impl LinearOperator for RampPreconditioner {
    fn domain(&self) -> &[usize] {
        &self.shape
    }

    fn range(&self) -> &[usize] {
        &self.shape
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        let Work { scale, scaled, filtered } = &mut *self.work();
        self.multiply(scale, x, scaled);
        self.filter.apply(scaled, filtered, &Monitor::silent())?;
        fill(&self.device, 0.0, scaled);
        add_columns(&self.device, 1.0, (filtered, scaled), self.shape[1], [GUARD, 0]);
        self.multiply(scale, scaled, y);
        Ok(())
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        self.forward(y, x)
    }
}

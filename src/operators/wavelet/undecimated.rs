//! The undecimated (stationary, à trous) transform: the coefficients of all shifts of the orthogonal one (Coifman & Donoho
//! 1995), as a tight frame.

use std::{
    f32::consts::FRAC_1_SQRT_2,
    sync::{Mutex, MutexGuard},
};

use super::{
    family::{Family, row},
    pass::{Axis, Pass, Passes},
};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    operators::{
        LinearOperator, Pixels,
        arithmetic::{add, fill},
    },
};

/// W, with WᵀW = 1: images of any size, real or complex, `[nz·ny, (2,) nx]`, become bands `[bands·nz·ny, 1 or 2, nx]`: per
/// level, the finest first, the details that are high along y, along x, along both; last of all the coarse image. Or D W,
/// without the coarse image, so that ‖D W x‖₁ is the mean over all shifts of the orthogonal transform's.
#[derive(Debug)]
pub struct UndecimatedWavelets {
    passes: Passes,
    levels: usize,
    mean: bool,
    domain: Vec<usize>,
    range: [usize; 3],
    scratch: Mutex<[Array; 3]>,
}

impl UndecimatedWavelets {
    /// For `slices` of such pixels.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// # Panics
    /// If there is no level, or an extent is 0 or more than a u32 counts.
    #[track_caller]
    pub fn new(device: &Device, slices: [usize; 3], pixels: Pixels, family: Family, levels: usize) -> Result<Self> {
        assert!((1..16).contains(&levels), "{levels} levels");
        let passes = Passes::new(device, slices, pixels, family)?;
        let [nz, ny, nx] = slices;
        let (domain, range) = (pixels.shape(slices), [(3 * levels + 1) * nz * ny, pixels.parts(), nx]);
        let array = || device.zeros(&domain, Element::F32);
        let scratch = Mutex::new([array()?, array()?, array()?]);
        Ok(Self { passes, levels, mean: false, domain, range, scratch })
    }

    /// D W: level j's details, times 2⁻ʲ. A number of the orthogonal transform there is 2ʲ times one of this frame, and one
    /// in 4ʲ of these belongs to a shift.
    pub fn mean_over_shifts(self) -> Self {
        let [_, parts, nx] = self.range;
        Self { mean: true, range: [3 * self.levels * self.passes.lines(), parts, nx], ..self }
    }

    /// An upper bound of its norm: 1, or ½.
    pub fn norm(&self) -> f64 {
        if self.mean { 0.5 } else { 1.0 }
    }

    /// A pass of level `level`, from 0 on, forwards or, adjoint, backwards.
    fn pass(&self, axis: Axis, high: bool, level: usize, backwards: bool) -> Pass {
        let [_, ny, nx] = self.passes.slices;
        let (extent, across) = match axis {
            Axis::X => (nx, ny),
            Axis::Y => (ny, nx),
        };
        let step = 1 << level;
        Pass {
            dilation: if backwards { -step } else { step },
            row: if high { row::HIGH } else { row::LOW },
            taps: self.passes.taps(),
            scale: FRAC_1_SQRT_2,
            ..Pass::copy(axis, across, 0, extent)
        }
    }

    /// D.
    fn weight(&self, level: usize) -> f32 {
        if self.mean { 0.5_f32.powi(level as i32 + 1) } else { 1.0 }
    }

    fn scratch(&self) -> MutexGuard<'_, [Array; 3]> {
        self.scratch.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The details of a level: high along y and x, and the band.
    fn details(&self, level: usize) -> [([bool; 2], usize); 3] {
        [([true, false], 3 * level), ([false, true], 3 * level + 1), ([true, true], 3 * level + 2)]
    }
}

impl LinearOperator for UndecimatedWavelets {
    fn domain(&self) -> &[usize] {
        &self.domain
    }

    fn range(&self) -> &[usize] {
        &self.range
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        let [coarse, next, filtered] = &mut *self.scratch();
        fill(&self.passes.device, 0.0, coarse);
        add(&self.passes.device, 1.0, x, coarse);
        for level in 0..self.levels {
            for high_y in [false, true] {
                self.passes.run(&self.pass(Axis::Y, high_y, level, false), (coarse, 0), (filtered, 0));
                for (_, band) in self.details(level).iter().filter(|(high, _)| high[0] == high_y) {
                    let high_x = band % 3 > 0;
                    let pass = self.pass(Axis::X, high_x, level, false);
                    let pass = Pass { scale: pass.scale * self.weight(level), ..pass };
                    self.passes.run(&pass, (filtered, 0), (y, *band));
                }
                if !high_y {
                    self.passes.run(&self.pass(Axis::X, false, level, false), (filtered, 0), (next, 0));
                }
            }
            std::mem::swap(coarse, next);
        }
        if !self.mean {
            let [_, ny, nx] = self.passes.slices;
            self.passes.run(&Pass::copy(Axis::X, ny, 0, nx), (coarse, 0), (y, 3 * self.levels));
        }
        Ok(())
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        let [coarse, next, filtered] = &mut *self.scratch();
        match self.mean {
            true => fill(&self.passes.device, 0.0, coarse),
            false => {
                let [_, ny, nx] = self.passes.slices;
                self.passes.run(&Pass::copy(Axis::X, ny, 0, nx), (y, 3 * self.levels), (coarse, 0));
            }
        }
        for level in (0..self.levels).rev() {
            for high_y in [false, true] {
                let low = self.pass(Axis::X, false, level, true);
                if !high_y {
                    self.passes.run(&low, (coarse, 0), (filtered, 0));
                }
                for (_, band) in self.details(level).iter().filter(|(high, _)| high[0] == high_y) {
                    let high_x = band % 3 > 0;
                    let pass = self.pass(Axis::X, high_x, level, true);
                    // The first of the two bands of this sum begins it.
                    let keep = !high_y || *band % 3 == 2;
                    let pass = Pass { scale: pass.scale * self.weight(level), keep, ..pass };
                    self.passes.run(&pass, (y, *band), (filtered, 0));
                }
                let pass = Pass { keep: high_y, ..self.pass(Axis::Y, high_y, level, true) };
                self.passes.run(&pass, (filtered, 0), (next, 0));
            }
            std::mem::swap(coarse, next);
        }
        fill(&self.passes.device, 0.0, x);
        add(&self.passes.device, 1.0, coarse, x);
        Ok(())
    }
}

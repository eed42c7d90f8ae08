//! The orthonormal discrete Fourier transform of complex lines, `y[k] = n^(−½) Σⱼ x[j] e^(−2πi jk/n)`; its adjoint is
//! its inverse.

use std::sync::{Arc, Mutex, MutexGuard};

use rayon::prelude::*;
use rustfft::{Fft, FftPlanner, num_complex::Complex32};

use super::LinearOperator;
use crate::{
    device::{Array, Device, Element, Slab},
    error::{Error, Result},
    kernels::{FftPass, fft_pass::twiddles},
};

/// Which way a transform goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// e^(−2πi jk/n).
    Forward,
    /// e^(+2πi jk/n).
    Adjoint,
}

/// Transforms along the last axis of f32 arrays `[lines, n, 2]`.
pub struct Fourier {
    shape: [usize; 3],
    means: Means,
}

enum Means {
    Cpu(Planned),
    Gpu(Box<Passes>),
}

/// rustfft's plans, forward and inverse.
#[derive(Clone)]
pub(super) struct Planned {
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
}

struct Passes {
    device: Device,
    twiddles: Array,
    /// The other half of the passes' ping-pong.
    scratch: Mutex<Array>,
}

impl Planned {
    pub(super) fn new(length: usize) -> Self {
        let mut planner = FftPlanner::new();
        Self { forward: planner.plan_fft_forward(length), inverse: planner.plan_fft_inverse(length) }
    }

    pub(super) fn scratch(&self) -> Vec<Complex32> {
        let len = self.forward.get_inplace_scratch_len().max(self.inverse.get_inplace_scratch_len());
        vec![Complex32::ZERO; len]
    }

    /// In place, without a scale.
    pub(super) fn transform(&self, direction: Direction, line: &mut [Complex32], scratch: &mut [Complex32]) {
        match direction {
            Direction::Forward => self.forward.process_with_scratch(line, scratch),
            Direction::Adjoint => self.inverse.process_with_scratch(line, scratch),
        }
    }
}

impl Fourier {
    /// Plans transforms of `lines` lines of `length` complex numbers.
    ///
    /// # Errors
    /// [`Error::Device`] if `length` is not a power of two on a GPU; [`Error::OutOfMemory`].
    ///
    /// # Panics
    /// If `lines` or `length` is zero.
    #[track_caller]
    pub fn new(device: &Device, lines: usize, length: usize) -> Result<Self> {
        assert!(lines > 0 && length > 0, "{lines} lines of {length} numbers");
        let shape = [lines, length, 2];
        let means = match device {
            Device::Cpu(_) => Means::Cpu(Planned::new(length)),
            Device::Gpu(_) => Means::Gpu(Box::new(Passes::new(device, shape)?)),
        };
        Ok(Self { shape, means })
    }

    fn apply(&self, direction: Direction, x: &Array, y: &mut Array) {
        for slab in y.slabs_mut() {
            let lines = slab.lines();
            self.transform(direction, x.slab_of(lines.start), slab, lines.len());
        }
    }

    /// Transforms the first `lines` lines of a slab.
    pub(super) fn transform(&self, direction: Direction, x: &Slab, y: &mut Slab, lines: usize) {
        match &self.means {
            Means::Cpu(planned) => planned.transform_slab(direction, (x, y), lines, self.shape[1]),
            Means::Gpu(passes) => passes.transform_slab(direction, (x, y), lines, self.shape[1]),
        }
    }
}

impl Planned {
    fn transform_slab(&self, direction: Direction, (x, y): (&Slab, &mut Slab), lines: usize, length: usize) {
        let scale = (1.0 / (length as f64).sqrt()) as f32;
        let mut y = y.host_mut();
        let y: &mut [Complex32] = bytemuck::cast_slice_mut(y.numbers::<f32>());
        let x: &[Complex32] = bytemuck::cast_slice(x.host().numbers::<f32>());
        let pairs = y.par_chunks_exact_mut(length).zip(x.par_chunks_exact(length)).take(lines);
        pairs.for_each_init(
            || self.scratch(),
            |scratch, (y, x)| {
                y.copy_from_slice(x);
                self.transform(direction, y, scratch);
                y.iter_mut().for_each(|number| *number *= scale);
            },
        );
    }
}

impl Passes {
    fn new(device: &Device, shape: [usize; 3]) -> Result<Self> {
        let [lines, length, _] = shape;
        if !length.is_power_of_two() || length < 2 {
            let message = format!("the GPU transforms lines of a power of two, not of {length}; use --device cpu");
            return Err(Error::Device(message));
        }
        let twiddles = device.upload(&[1, length, 2], twiddles(length))?;
        // One slab at a time passes through.
        let slab = (device.binding_limit() / (8 * length as u64)).clamp(1, lines as u64) as usize;
        let scratch = Mutex::new(device.zeros(&[slab, length, 2], Element::F32)?);
        Ok(Self { device: device.clone(), twiddles, scratch })
    }

    fn transform_slab(&self, direction: Direction, (x, y): (&Slab, &mut Slab), lines: usize, length: usize) {
        let sign = if direction == Direction::Forward { 1.0 } else { -1.0 };
        let scale = (1.0 / (length as f64).sqrt()) as f32;
        let passes = FftPass::passes(lines, length, sign, scale);
        let mut scratch = self.scratch();
        let scratch = scratch.slab_of_mut(0);
        let twiddles = self.twiddles.slab_of(0);
        for (index, pass) in passes.iter().enumerate() {
            // Results go to y and scratch in turn, the last to y.
            let into_y = (passes.len() - index) % 2 == 1;
            match (index, into_y) {
                (0, true) => self.device.run(pass, &[twiddles, x], &mut [y]),
                (0, false) => self.device.run(pass, &[twiddles, x], &mut [scratch]),
                (_, true) => self.device.run(pass, &[twiddles, scratch], &mut [y]),
                (_, false) => self.device.run(pass, &[twiddles, y], &mut [scratch]),
            }
        }
    }

    fn scratch(&self) -> MutexGuard<'_, Array> {
        self.scratch.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl LinearOperator for Fourier {
    fn domain(&self) -> &[usize] {
        &self.shape
    }

    fn range(&self) -> &[usize] {
        &self.shape
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        self.apply(Direction::Forward, x, y);
        Ok(())
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        self.apply(Direction::Adjoint, y, x);
        Ok(())
    }
}

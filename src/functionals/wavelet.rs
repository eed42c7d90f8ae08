//! Sparse wavelet details of images, ‖W x‖₁, with random shifts: what iterative shrinkage wants (Daubechies, Defrise & De
//! Mol 2004; with a shift drawn anew in each iteration, Figueiredo & Nowak 2003).

use std::sync::{Mutex, PoisonError};

use super::Proximal;
use crate::{
    device::{Array, Device, Element},
    error::Result,
    kernels::ShrinkDual,
    operators::{
        LinearOperator, Wavelets,
        arithmetic::{add, fill},
        wavelet::on_cpu::Shrinkage,
    },
    random::Draws,
};

/// weight·Σ |details of W x|, a complex number being one detail. W is orthogonal, so the proximal map is
/// x − Wᵀ P(W x), with P the projection of each detail onto the ball of radius step·weight, and of all else onto 0.
pub struct SparseWavelets {
    device: Device,
    wavelets: Wavelets,
    weight: f32,
    /// Draws the shifts; none for none.
    seed: Option<u64>,
    /// Where details are.
    factors: Array,
    work: Mutex<Work>,
}

struct Work {
    /// Proximal maps so far.
    rounds: usize,
    shrinkage: Shrinkage,
    arrays: Option<[Array; 2]>,
}

impl SparseWavelets {
    /// With a `seed`, every proximal map is that of the image moved by another shift, up to 2ᴸ − 1 lines and columns for L
    /// levels, so that no grid of wavelets leaves its blocks in the image; the function then is a new one each time.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn new(device: &Device, wavelets: Wavelets, weight: f32, seed: Option<u64>) -> Result<Self> {
        let [nz, ny, nx] = wavelets.slices();
        let factors = device.upload(&[nz * ny, nx], wavelets.details())?;
        let work = Mutex::new(Work { rounds: 0, shrinkage: Shrinkage::new(&wavelets), arrays: None });
        Ok(Self { device: device.clone(), wavelets, weight, seed, factors, work })
    }

    /// The shift of a round, along y and x.
    fn shift(&self, round: usize) -> [usize; 2] {
        let (Some(seed), [_, ny, nx]) = (self.seed, self.wavelets.slices()) else { return [0, 0] };
        let mut draws = Draws::new(seed, [round, 0, 0]);
        let most = (1_usize << self.wavelets.levels()) as f64;
        [ny, nx].map(|extent| (draws.uniform() * most) as usize % extent)
    }

    /// On any device, by passes over whole arrays.
    fn prox_by_passes(&self, threshold: f32, shift: [usize; 2], [a, b]: &mut [Array; 2], x: &mut Array) -> Result<()> {
        let [_, ny, nx] = self.wavelets.slices();
        self.wavelets.roll(shift, x, a);
        self.wavelets.forward(a, b)?;
        fill(&self.device, 0.0, a);
        self.project(threshold, b, a);
        self.wavelets.adjoint(a, b)?;
        self.wavelets.roll([(ny - shift[0]) % ny, (nx - shift[1]) % nx], b, a);
        add(&self.device, -1.0, a, x);
        Ok(())
    }

    /// p ← P(g), where p was 0.
    fn project(&self, threshold: f32, g: &Array, p: &mut Array) {
        let (nx, width) = (self.wavelets.slices()[2], self.wavelets.pixels().parts());
        for (p, g) in p.slabs_mut().iter_mut().zip(g.slabs()) {
            let (mut line, end) = (p.lines().start, p.lines().end);
            while line < end {
                let factors = self.factors.slab_of(line);
                let to = factors.lines().end.min(end);
                let kernel = ShrinkDual {
                    lines: (to - line) as u32,
                    first: (line - p.lines().start) as u32,
                    factors_first: (line - factors.lines().start) as u32,
                    width: width as u32,
                    nx: nx as u32,
                    weighted: 1,
                    step: 1.0,
                    strength: threshold,
                    shrink: 1.0,
                    relaxation: 1.0,
                };
                self.device.run(&kernel, &[g, factors], &mut [p]);
                line = to;
            }
        }
    }
}

impl Proximal for SparseWavelets {
    fn prox(&self, step: f32, x: &mut Array) -> Result<()> {
        let work = &mut *self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let (threshold, shift) = (step * self.weight, self.shift(work.rounds));
        work.rounds += 1;
        if threshold <= 0.0 {
            return Ok(());
        }
        if let (Device::Cpu(_), [slab]) = (&self.device, x.slabs_mut()) {
            let [_, ny, nx] = self.wavelets.slices();
            let mut slices = slab.host_mut();
            let slice = ny * nx * self.wavelets.pixels().parts();
            slices.numbers().chunks_exact_mut(slice).for_each(|slice| work.shrinkage.apply(threshold, shift, slice));
            return Ok(());
        }
        let array = || self.device.zeros(self.wavelets.domain(), Element::F32);
        let arrays = match &mut work.arrays {
            Some(arrays) => arrays,
            none => none.insert([array()?, array()?]),
        };
        self.prox_by_passes(threshold, shift, arrays, x)
    }
}

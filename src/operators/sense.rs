//! What a Cartesian parallel scan measures of an image, A = M F S: coils' sensitivities, centred Fourier transform, and a
//! weight for every point of k-space, 1 where it is sampled and 0 elsewhere (Pruessmann et al. 1999); and AᴴA in one pass, which
//! on the CPU keeps each coil's image in cache from map to map.

use std::sync::{Mutex, MutexGuard};

use ndarray::{ArrayView4, ArrayView5};
use num_complex::Complex32;
use rayon::prelude::*;

use super::{
    Axis, Coils, Direction, Fourier, LinearOperator,
    coils::{planar, weigh},
};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    geometry::Mask,
    kernels::{coil_combine::combine_line, coil_expand::expand_line, sample_lines::weigh_line},
};

/// The operator A. Along axes that are sampled whole, such as that of the read-outs, k-space is transformed once, when it is
/// brought to the device, and A has no transform to do: the same least squares, since that transform is unitary.
pub struct Sense {
    device: Device,
    coils: Coils,
    fourier: Fourier,
    /// The transform of data along the axes that A leaves out.
    read_out: Option<Fourier>,
    /// `[nz·ny, nx]`.
    weights: Array,
}

impl Sense {
    /// For maps `[set, coil, z, y, x]` and a sampling.
    ///
    /// # Errors
    /// Those of [`Coils::new`] and [`Fourier::centred`].
    ///
    /// # Panics
    /// If mask and maps have other extents.
    #[track_caller]
    pub fn new(device: &Device, maps: ArrayView5<Complex32>, mask: &Mask) -> Result<Self> {
        let coils = Coils::new(device, maps)?;
        let [nz, ny, nx] = mask.shape;
        assert_eq!(maps.shape()[2..], mask.shape, "extents of the maps and of the mask");
        let transform = |axes: &[Axis]| Fourier::centred(device, coils.count(), mask.shape, axes);
        let axes = [Axis::Z, Axis::Y, Axis::X].into_iter().filter(|axis| mask.shape[*axis as usize] > 1);
        let (whole, parted): (Vec<_>, Vec<_>) = axes.partition(|axis| mask.reads_out(*axis as usize));
        let fourier = transform(&parted)?;
        let read_out = if whole.is_empty() { None } else { Some(transform(&whole)?) };
        let weights = mask.sampled.iter().map(|sampled| f32::from(*sampled)).collect::<Vec<f32>>();
        let weights = device.upload(&[nz * ny, nx], weights)?;
        Ok(Self { device: device.clone(), coils, fourier, read_out, weights })
    }

    /// Brings samples `[coil, z, y, x]` to the device, as A would give them; what was not sampled counts as 0.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// # Panics
    /// If they have other extents.
    #[track_caller]
    pub fn data(&self, samples: ArrayView4<Complex32>) -> Result<Array> {
        let mut data = self.device.upload(self.range(), planar(samples.rows().into_iter()))?;
        self.sample(&mut data);
        if let Some(read_out) = &self.read_out {
            read_out.transform(Direction::Adjoint, &mut data);
        }
        Ok(data)
    }

    /// y ← M y.
    fn sample(&self, y: &mut Array) {
        weigh(&self.device, &self.weights, y);
    }

    /// AᴴA.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn normal(self) -> Result<SenseNormal> {
        let work = self.device.zeros(self.range(), Element::F32)?;
        Ok(SenseNormal { sense: self, work: Mutex::new(work) })
    }
}

impl LinearOperator for Sense {
    fn domain(&self) -> &[usize] {
        self.coils.domain()
    }

    fn range(&self) -> &[usize] {
        self.coils.range()
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        self.coils.forward(x, y)?;
        self.fourier.transform(Direction::Forward, y);
        self.sample(y);
        Ok(())
    }

    /// Leaves `y` as it is, and so works on a copy.
    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        let mut images = self.device.zeros(self.range(), Element::F32)?;
        super::arithmetic::add(&self.device, 1.0, y, &mut images);
        self.sample(&mut images);
        self.fourier.transform(Direction::Adjoint, &mut images);
        self.coils.adjoint(&images, x)
    }
}

/// AᴴA of a [`Sense`] operator, which is its own adjoint.
pub struct SenseNormal {
    sense: Sense,
    /// The coils' images.
    work: Mutex<Array>,
}

impl SenseNormal {
    /// The operator A.
    pub fn operator(&self) -> &Sense {
        &self.sense
    }

    fn work(&self) -> MutexGuard<'_, Array> {
        self.work.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// One coil after the other on each thread, then the sum: each coil's image stays in cache.
    fn on_host(&self, x: &Array, y: &mut Array) -> bool {
        let Sense { coils, fourier, weights, .. } = &self.sense;
        let mut work = self.work();
        let (Some(fourier), [maps], [work]) = (fourier.on_host(), coils.maps(), work.slabs_mut()) else { return false };
        let (&[map], &[x], &[weights]) = (
            &maps.slabs().iter().collect::<Vec<_>>()[..],
            &x.slabs().iter().collect::<Vec<_>>()[..],
            &weights.slabs().iter().collect::<Vec<_>>()[..],
        ) else {
            return false;
        };
        if coils.count() < rayon::current_num_threads() {
            return false;
        }
        let (length, nx) = (x.host().numbers::<f32>().len(), self.sense.weights.shape()[1]);
        let (map, x, weights) =
            (map.host().numbers::<f32>(), x.host().numbers::<f32>(), weights.host().numbers::<f32>());
        let mut work = work.host_mut();
        let work = work.numbers::<f32>();
        work.par_chunks_exact_mut(length).zip(map.par_chunks_exact(length)).for_each_init(
            || fourier.scratch(),
            |scratch, (coil, map)| {
                let lines = coil.chunks_exact_mut(2 * nx).zip(map.chunks_exact(2 * nx)).zip(x.chunks_exact(2 * nx));
                lines.for_each(|((coil, map), x)| expand_line(x, map, 0.0, coil));
                fourier.transform(Direction::Forward, coil, scratch);
                coil.chunks_exact_mut(2 * nx).zip(weights.chunks_exact(nx)).for_each(|(coil, w)| weigh_line(w, coil));
                fourier.transform(Direction::Adjoint, coil, scratch);
            },
        );
        let y = y.slab_of_mut(0);
        let mut y = y.host_mut();
        y.numbers::<f32>().par_chunks_exact_mut(2 * nx).with_min_len(8).enumerate().for_each(|(line, y)| {
            y.fill(0.0);
            let at = 2 * nx * line..2 * nx * (line + 1);
            for (coil, map) in work.chunks_exact(length).zip(map.chunks_exact(length)) {
                combine_line(&coil[at.clone()], &map[at.clone()], y);
            }
        });
        true
    }
}

impl LinearOperator for SenseNormal {
    fn domain(&self) -> &[usize] {
        self.sense.domain()
    }

    fn range(&self) -> &[usize] {
        self.sense.domain()
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        if self.on_host(x, y) {
            return Ok(());
        }
        let work = &mut *self.work();
        self.sense.forward(x, work)?;
        // M² = M.
        self.sense.fourier.transform(Direction::Adjoint, work);
        self.sense.coils.adjoint(work, y)
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        self.forward(y, x)
    }
}

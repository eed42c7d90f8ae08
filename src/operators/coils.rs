//! Sensitivity encoding: an image as each coil sees it, x ↦ (S_1 x, …, S_C x), and its adjoint, y ↦ Σ conj(S_j) y_j, which with
//! maps of unit root sum of squares is also the best combination (Pruessmann, Weiger, Scheidegger & Boesiger 1999). With several
//! sets of maps the image has one part a set, and a coil sees their sum (Uecker et al. 2014).

use ndarray::{ArrayView5, Axis};
use num_complex::Complex32;

use super::LinearOperator;
use crate::{
    device::{Array, Device},
    error::{Error, Result},
    kernels::{CoilCombine, CoilExpand, SampleLines},
};

/// Multiplies images `[nz·ny, 2·sets, nx]`, complex, with maps to coil images `[coils·nz·ny, 2, nx]`.
pub struct Coils {
    device: Device,
    domain: [usize; 3],
    range: [usize; 3],
    /// One a set, each `[coils·nz·ny, 2, nx]`.
    maps: Vec<Array>,
}

/// Complex numbers `[…, y, x]` as a device holds them: a line of real parts, then a line of imaginary ones.
pub fn planar<'a>(rows: impl Iterator<Item = ndarray::ArrayView1<'a, Complex32>>) -> Vec<f32> {
    let mut numbers = Vec::new();
    for row in rows {
        numbers.extend(row.iter().map(|value| value.re));
        numbers.extend(row.iter().map(|value| value.im));
    }
    numbers
}

/// The complex numbers of planar lines of `nx`.
pub fn interleaved(numbers: &[f32], nx: usize) -> Vec<Complex32> {
    let line = |line: &[f32]| -> Vec<Complex32> {
        let (re, im) = line.split_at(nx);
        re.iter().zip(im).map(|(re, im)| Complex32::new(*re, *im)).collect()
    };
    numbers.chunks_exact(2 * nx).flat_map(line).collect()
}

impl Coils {
    /// Brings maps `[set, coil, z, y, x]` to the device.
    ///
    /// # Errors
    /// [`Error::Device`] if one image is more than a binding of the device holds; [`Error::OutOfMemory`].
    ///
    /// # Panics
    /// If there are no maps.
    #[track_caller]
    pub fn new(device: &Device, maps: ArrayView5<Complex32>) -> Result<Self> {
        let (sets, coils, nz, ny, nx) = maps.dim();
        assert!(!maps.is_empty(), "maps of shape {:?}", maps.shape());
        let (domain, range) = ([nz * ny, 2 * sets, nx], [coils * nz * ny, 2, nx]);
        check(device, [nz, ny, nx], sets)?;
        let one = |set: ndarray::ArrayView4<Complex32>| device.upload(&range, planar(set.rows().into_iter()));
        let maps = maps.axis_iter(Axis(0)).map(one).collect::<Result<_>>()?;
        Ok(Self { device: device.clone(), domain, range, maps })
    }

    /// Coils.
    pub fn count(&self) -> usize {
        self.range[0] / self.domain[0]
    }

    /// The maps of every set, `[coils·nz·ny, 2, nx]`.
    pub(super) fn maps(&self) -> &[Array] {
        &self.maps
    }
}

impl LinearOperator for Coils {
    fn domain(&self) -> &[usize] {
        &self.domain
    }

    fn range(&self) -> &[usize] {
        &self.range
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        for (set, maps) in self.maps.iter().enumerate() {
            expand(&self.device, (x, set), maps, if set == 0 { 0.0 } else { 1.0 }, y);
        }
        Ok(())
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        self.maps.iter().enumerate().for_each(|(set, maps)| combine(&self.device, y, maps, (&mut *x, set)));
        Ok(())
    }
}

/// Refuses images that one binding does not hold.
///
/// # Errors
/// [`Error::Device`].
pub fn check(device: &Device, [nz, ny, nx]: [usize; 3], sets: usize) -> Result<()> {
    let (bytes, limit) = (8 * (sets * nz * ny * nx) as u64, device.binding_limit());
    if bytes > limit {
        return Err(Error::Device(format!(
            "a complex image of {nz} × {ny} × {nx} takes {bytes} bytes, and a binding of this GPU {limit}; use --device cpu"
        )));
    }
    Ok(())
}

/// y_j ← keep·y_j + S_j x, with x part `set` of the image.
pub fn expand(device: &Device, (x, set): (&Array, usize), maps: &Array, keep: f32, y: &mut Array) {
    let [image_lines, channels, nx] = [0, 1, 2].map(|axis| x.shape()[axis] as u32);
    for (y, map) in y.slabs_mut().iter_mut().zip(maps.slabs()) {
        let (first, lines) = (y.lines().start as u32, y.lines().len() as u32);
        let kernel = CoilExpand { nx, image_lines, first, lines, channels, channel: 2 * set as u32, keep };
        device.run(&kernel, &[x.slab_of(0), map], &mut [y]);
    }
}

/// Part `set` of the image, x ← Σ conj(S_j) y_j.
pub fn combine(device: &Device, y: &Array, maps: &Array, (x, set): (&mut Array, usize)) {
    let [image_lines, channels, nx] = [0, 1, 2].map(|axis| x.shape()[axis] as u32);
    for (y, map) in y.slabs().iter().zip(maps.slabs()) {
        let (first, lines) = (y.lines().start as u32, y.lines().len() as u32);
        let keep = if first == 0 { 0.0 } else { 1.0 };
        let kernel = CoilCombine { nx, image_lines, first, lines, channels, channel: 2 * set as u32, keep };
        device.run(&kernel, &[y, map], &mut [x.slab_of_mut(0)]);
    }
}

/// y_j ← w·y_j, with one weight `[nz·ny, nx]` a point of every coil's image.
pub fn weigh(device: &Device, weights: &Array, y: &mut Array) {
    let [image_lines, nx] = [0, 1].map(|axis| weights.shape()[axis] as u32);
    for y in y.slabs_mut() {
        let kernel = SampleLines { nx, image_lines, first: y.lines().start as u32, lines: y.lines().len() as u32 };
        device.run(&kernel, &[weights.slab_of(0)], &mut [y]);
    }
}

//! Finite differences within slices: the gradient by forward differences, zero across the last line and column
//! (Chambolle 2004), whose adjoint is minus a divergence by backward differences.

use super::{LinearOperator, Pixels};
use crate::{
    device::{Array, Device, Slab},
    error::Result,
    kernels::{Gradient, GradientAdjoint, SymmetrisedGradient, SymmetrisedGradientAdjoint, gradient::Field},
};

/// ∇u for images, or ∇u − v for images with a vector field. Real ones: u `[nz·ny, nx]`, with its field `[nz·ny, 3, nx]`,
/// result `[nz·ny, 2, nx]` (along y, along x). Complex ones: u `[nz·ny, 2, nx]`, with its field `[nz·ny, 6, nx]`, result
/// `[nz·ny, 4, nx]`, in the place of each number its real and its imaginary part.
#[derive(Debug)]
pub struct FiniteDifferences {
    device: Device,
    ny: usize,
    parts: usize,
    domain: Vec<usize>,
    range: [usize; 3],
}

impl FiniteDifferences {
    /// For `slices` of `ny` × `nx`, real.
    ///
    /// # Panics
    /// If an extent is 0 or more than a u32 counts.
    #[track_caller]
    pub fn new(device: &Device, slices: [usize; 3]) -> Self {
        Self::of(device, slices, Pixels::Real)
    }

    /// For `slices` of `ny` × `nx` such pixels.
    ///
    /// # Panics
    /// As [`FiniteDifferences::new`].
    #[track_caller]
    pub fn of(device: &Device, [nz, ny, nx]: [usize; 3], pixels: Pixels) -> Self {
        let Self { device, ny, parts, range, .. } = Self::of_parts(device, [nz, ny, nx], pixels.parts());
        Self { device, ny, parts, domain: pixels.shape([nz, ny, nx]), range }
    }

    /// For `slices` whose pixels are so many real numbers, `[nz·ny, parts, nx]`: complex images in sets have two a set.
    ///
    /// # Panics
    /// As [`FiniteDifferences::new`].
    #[track_caller]
    pub fn of_parts(device: &Device, [nz, ny, nx]: [usize; 3], parts: usize) -> Self {
        let lines = nz * ny;
        assert!(lines > 0 && nx > 0 && u32::try_from(6 * parts * lines * nx).is_ok(), "slices of {nz} × {ny} × {nx}");
        Self { device: device.clone(), ny, parts, domain: vec![lines, parts, nx], range: [lines, 2 * parts, nx] }
    }

    /// The same for u and v: ∇u − v.
    pub fn less_field(self) -> Self {
        let [lines, _, nx] = self.range;
        Self { domain: vec![lines, 3 * self.parts, nx], ..self }
    }

    /// An upper bound of its norm: 2√2, √8 and 1 together for a field.
    pub fn norm(&self) -> f64 {
        if self.has_field() { 3.0 } else { 8.0_f64.sqrt() }
    }

    fn has_field(&self) -> bool {
        self.domain.len() == 3 && self.domain[1] > self.parts
    }

    fn field(&self) -> Field {
        let ([_, _, nx], parts) = (self.range, self.parts as u32);
        let channels = if self.has_field() { 3 * parts } else { parts };
        Field { nx: nx as u32, ny: self.ny as u32, parts, channels, ..Field::default() }
    }
}

impl LinearOperator for FiniteDifferences {
    fn domain(&self) -> &[usize] {
        &self.domain
    }

    fn range(&self) -> &[usize] {
        &self.range
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        walk(self.field(), Neighbour::After, x, y, |field, inputs, output| {
            self.device.run(&Gradient { field }, &inputs, &mut [output]);
        });
        Ok(())
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        walk(self.field(), Neighbour::Before, y, x, |field, inputs, output| {
            self.device.run(&GradientAdjoint { field }, &inputs, &mut [output]);
        });
        Ok(())
    }
}

/// E v, the symmetrised gradient of the vector field of images `[nz·ny, 3, nx]` by backward differences, so that E∇ has no
/// shift (Bredies, Kunisch & Pock 2010); result `[nz·ny, 3, nx]`. Complex: `[nz·ny, 6, nx]`, both.
#[derive(Debug)]
pub struct SymmetrisedDifferences {
    device: Device,
    ny: usize,
    parts: usize,
    shape: [usize; 3],
}

impl SymmetrisedDifferences {
    /// An upper bound of its norm: √8.
    pub const NORM: f64 = 2.0 * std::f64::consts::SQRT_2;

    /// For `slices` of `ny` × `nx`, real.
    ///
    /// # Panics
    /// As [`FiniteDifferences::new`].
    #[track_caller]
    pub fn new(device: &Device, slices: [usize; 3]) -> Self {
        Self::of(device, slices, Pixels::Real)
    }

    /// For `slices` of `ny` × `nx` such pixels.
    ///
    /// # Panics
    /// As [`FiniteDifferences::new`].
    #[track_caller]
    pub fn of(device: &Device, slices: [usize; 3], pixels: Pixels) -> Self {
        let FiniteDifferences { device, ny, range: [lines, _, nx], .. } = FiniteDifferences::of(device, slices, pixels);
        Self { device, ny, parts: pixels.parts(), shape: [lines, 3 * pixels.parts(), nx] }
    }

    fn field(&self) -> Field {
        let [_, channels, nx] = self.shape.map(|extent| extent as u32);
        Field { nx, ny: self.ny as u32, parts: self.parts as u32, channels, ..Field::default() }
    }
}

impl LinearOperator for SymmetrisedDifferences {
    fn domain(&self) -> &[usize] {
        &self.shape
    }

    fn range(&self) -> &[usize] {
        &self.shape
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        walk(self.field(), Neighbour::Before, x, y, |field, inputs, output| {
            self.device.run(&SymmetrisedGradient { field }, &inputs, &mut [output]);
        });
        Ok(())
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        walk(self.field(), Neighbour::After, y, x, |field, inputs, output| {
            self.device.run(&SymmetrisedGradientAdjoint { field }, &inputs, &mut [output]);
        });
        Ok(())
    }
}

/// Which line a line looks at besides itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Neighbour {
    Before,
    After,
}

/// Calls `run` for every run of lines that lies in one slab of each array, with the input's slab and its neighbour's.
pub(super) fn walk(
    field: Field,
    neighbour: Neighbour,
    from: &Array,
    into: &mut Array,
    run: impl Fn(Field, [&Slab; 2], &mut Slab),
) {
    let last = from.shape()[0] - 1;
    for output in into.slabs_mut() {
        let mut line = output.lines().start;
        while line < output.lines().end {
            let input = from.slab_of(line);
            let held = input.lines();
            let other = match neighbour {
                Neighbour::After => from.slab_of(held.end.min(last)),
                Neighbour::Before => from.slab_of(held.start.saturating_sub(1)),
            };
            let end = held.end.min(output.lines().end);
            let field = Field {
                first: line as u32,
                lines: (end - line) as u32,
                input: held.start as u32,
                input_lines: held.len() as u32,
                other: other.lines().start as u32,
                output: output.lines().start as u32,
                ..field
            };
            run(field, [input, other], output);
            line = end;
        }
    }
}

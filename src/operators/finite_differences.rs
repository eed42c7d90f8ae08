//! Finite differences within slices: the gradient by forward differences, zero across the last line and column
//! (Chambolle 2004), whose adjoint is minus a divergence by backward differences.

use super::LinearOperator;
use crate::{
    device::{Array, Device, Slab},
    error::Result,
    kernels::{Gradient, GradientAdjoint, SymmetrisedGradient, SymmetrisedGradientAdjoint, gradient::Field},
};

/// ∇u for images `[nz·ny, nx]`, or ∇u − v for images with a vector field, `[nz·ny, 3, nx]`; result `[nz·ny, 2, nx]`.
#[derive(Debug)]
pub struct FiniteDifferences {
    device: Device,
    ny: usize,
    domain: Vec<usize>,
    range: [usize; 3],
}

impl FiniteDifferences {
    /// For `slices` of `ny` × `nx`.
    ///
    /// # Panics
    /// If an extent is 0 or more than a u32 counts.
    #[track_caller]
    pub fn new(device: &Device, [nz, ny, nx]: [usize; 3]) -> Self {
        assert!(nz * ny > 0 && nx > 0 && u32::try_from(6 * nz * ny * nx).is_ok(), "slices of {nz} × {ny} × {nx}");
        Self { device: device.clone(), ny, domain: vec![nz * ny, nx], range: [nz * ny, 2, nx] }
    }

    /// The same for u and v: ∇u − v.
    pub fn less_field(self) -> Self {
        let [lines, _, nx] = self.range;
        Self { domain: vec![lines, 3, nx], ..self }
    }

    /// An upper bound of its norm: 2√2, √8 and 1 together for a field.
    pub fn norm(&self) -> f64 {
        if self.domain.len() == 3 { 3.0 } else { 8.0_f64.sqrt() }
    }

    fn field(&self) -> Field {
        let [_, _, nx] = self.range;
        let channels = if self.domain.len() == 3 { 3 } else { 1 };
        Field { nx: nx as u32, ny: self.ny as u32, channels, ..Field::default() }
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
/// shift (Bredies, Kunisch & Pock 2010); result `[nz·ny, 3, nx]`.
#[derive(Debug)]
pub struct SymmetrisedDifferences {
    device: Device,
    ny: usize,
    shape: [usize; 3],
}

impl SymmetrisedDifferences {
    /// An upper bound of its norm: √8.
    pub const NORM: f64 = 2.0 * std::f64::consts::SQRT_2;

    /// For `slices` of `ny` × `nx`.
    ///
    /// # Panics
    /// As [`FiniteDifferences::new`].
    #[track_caller]
    pub fn new(device: &Device, slices: [usize; 3]) -> Self {
        let FiniteDifferences { device, ny, range: [lines, _, nx], .. } = FiniteDifferences::new(device, slices);
        Self { device, ny, shape: [lines, 3, nx] }
    }

    fn field(&self) -> Field {
        Field { nx: self.shape[2] as u32, ny: self.ny as u32, channels: 3, ..Field::default() }
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

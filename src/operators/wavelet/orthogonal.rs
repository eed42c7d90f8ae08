//! The orthogonal transform: images of any size, as many coefficients as pixels, laid out as by Mallat (1989).

use std::sync::{Mutex, MutexGuard};

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

/// W, with WᵀW = WWᵀ = 1, of real or complex images, slice by slice.
///
/// At every level the block of coarse numbers, at first the whole slice, becomes coarse numbers in its upper left quarter and
/// details in the other three: low- and high-pass along each axis, every second number, with periodic boundaries. Where an
/// extent of the block is odd, its last line or column is left as it is and out of further levels, so that W stays orthogonal
/// and flat images have no details; over several shifts of the image no line is left out for good.
#[derive(Debug)]
pub struct Wavelets {
    passes: Passes,
    /// Blocks `[y, x]`, the largest first.
    blocks: Vec<[usize; 2]>,
    shape: Vec<usize>,
    scratch: Mutex<Array>,
}

impl Wavelets {
    /// For `slices` of such pixels; levels end early where a block is down to one line or column.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// # Panics
    /// If an extent is 0 or more than a u32 counts.
    #[track_caller]
    pub fn new(device: &Device, slices: [usize; 3], pixels: Pixels, family: Family, levels: usize) -> Result<Self> {
        let passes = Passes::new(device, slices, pixels, family)?;
        let [_, ny, nx] = slices;
        let half = |&[y, x]: &[usize; 2]| Some([y / 2, x / 2]);
        let blocks = std::iter::successors(Some([ny, nx]), half).take(levels).take_while(|[y, x]| *y > 1 && *x > 1);
        let (blocks, shape) = (blocks.collect(), pixels.shape(slices));
        let scratch = Mutex::new(device.zeros(&shape, Element::F32)?);
        Ok(Self { passes, blocks, shape, scratch })
    }

    /// Levels that there are.
    pub fn levels(&self) -> usize {
        self.blocks.len()
    }

    /// z, y, x.
    pub fn slices(&self) -> [usize; 3] {
        self.passes.slices
    }

    /// What pixels are.
    pub fn pixels(&self) -> Pixels {
        self.passes.pixels
    }

    /// The wavelet.
    pub fn family(&self) -> Family {
        self.passes.family
    }

    /// Blocks `[y, x]` level by level, the largest first.
    pub(crate) fn blocks(&self) -> &[[usize; 2]] {
        &self.blocks
    }

    /// Where details are, `[nz·ny, nx]`: 1 where a high-pass has been, else 0.
    pub fn details(&self) -> Vec<f32> {
        let [nz, ny, nx] = self.passes.slices;
        let mut slice = vec![0.0; ny * nx];
        for &[height, width] in &self.blocks {
            let high = |place: usize, extent: usize| (extent / 2..extent / 2 * 2).contains(&place);
            for y in 0..height {
                for x in 0..width {
                    slice[y * nx + x] = f32::from(u8::from(high(y, height) || high(x, width)));
                }
            }
        }
        slice.repeat(nz)
    }

    /// y ← x, its lines and columns moved up and left by `shift`, those that leave coming back on the other side.
    pub(crate) fn roll(&self, shift: [usize; 2], x: &Array, y: &mut Array) {
        let [_, ny, nx] = self.passes.slices;
        let scratch = &mut *self.scratch();
        let along_y = Pass { offset: shift[0], ..Pass::copy(Axis::Y, nx, 0, ny) };
        let along_x = Pass { offset: shift[1], ..Pass::copy(Axis::X, ny, 0, nx) };
        self.passes.run(&along_y, (x, 0), (scratch, 0));
        self.passes.run(&along_x, (scratch, 0), (y, 0));
    }

    fn scratch(&self) -> MutexGuard<'_, Array> {
        self.scratch.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Passes along an axis of a block that has `extent` numbers along it and `across` beside: what analyses it.
    fn analyse(&self, axis: Axis, extent: usize, across: usize) -> Vec<Pass> {
        let (half, even) = (extent / 2, extent / 2 * 2);
        let one = |row, first| Pass {
            out: [1, first],
            stride: 2,
            dilation: 1,
            period: even,
            first: 0,
            row,
            taps: self.passes.taps(),
            ..Pass::copy(axis, across, 0, half)
        };
        let mut passes = vec![one(row::LOW, 0), one(row::HIGH, half)];
        passes.extend((even < extent).then(|| Pass::copy(axis, across, even, 1)));
        passes
    }

    /// What puts it together again.
    fn synthesise(&self, axis: Axis, extent: usize, across: usize) -> Vec<Pass> {
        let (half, even) = (extent / 2, extent / 2 * 2);
        let one = |row, phase, first, keep| Pass {
            out: [2, phase],
            dilation: -1,
            period: half,
            first,
            row,
            taps: self.passes.taps() / 2,
            keep,
            ..Pass::copy(axis, across, 0, half)
        };
        let phases = [0, 1].map(|phase| {
            [one(row::LOW_PHASES[phase], phase, 0, false), one(row::HIGH_PHASES[phase], phase, half, true)]
        });
        let mut passes = phases.concat();
        passes.extend((even < extent).then(|| Pass::copy(axis, across, even, 1)));
        passes
    }
}

impl LinearOperator for Wavelets {
    fn domain(&self) -> &[usize] {
        &self.shape
    }

    fn range(&self) -> &[usize] {
        &self.shape
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        fill(&self.passes.device, 0.0, y);
        add(&self.passes.device, 1.0, x, y);
        let scratch = &mut *self.scratch();
        for &[height, width] in &self.blocks {
            let along_y = self.analyse(Axis::Y, height, width);
            along_y.iter().for_each(|pass| self.passes.run(pass, (y, 0), (scratch, 0)));
            let along_x = self.analyse(Axis::X, width, height);
            along_x.iter().for_each(|pass| self.passes.run(pass, (scratch, 0), (y, 0)));
        }
        Ok(())
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        fill(&self.passes.device, 0.0, x);
        add(&self.passes.device, 1.0, y, x);
        let scratch = &mut *self.scratch();
        for &[height, width] in self.blocks.iter().rev() {
            let along_x = self.synthesise(Axis::X, width, height);
            along_x.iter().for_each(|pass| self.passes.run(pass, (x, 0), (scratch, 0)));
            let along_y = self.synthesise(Axis::Y, height, width);
            along_y.iter().for_each(|pass| self.passes.run(pass, (scratch, 0), (x, 0)));
        }
        Ok(())
    }
}

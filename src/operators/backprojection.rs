//! Weighted backprojection of filtered lines, as FBP needs it: image += Σ over the views of the line at each pixel's
//! column. Not the adjoint of a projector: see the kernels for the weights.

use std::ops::Range;

use crate::{
    device::{Array, Device, Slab},
    error::Result,
    kernels::{BackprojectFan, BackprojectParallel, GUARD, Part},
    monitor::Monitor,
};

/// How the rays of a view run, and so what its matrix means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beam {
    /// Parallel: column = m0 + m1·x + m2·y.
    Parallel,
    /// From a point to a flat detector: column = (m0 + m1·x + m2·y) / den, weight 1/den², den = m3 + m4·x + m5·y.
    FanFlat,
    /// From a point to a detector on a circle about it: column = m6 + m7·atan(s/v), weight 1/(s² + v²),
    /// s = m0 + m1·x + m2·y, v = m3 + m4·x + m5·y > 0.
    FanCurved,
}

/// What a [`Backprojection`] does.
#[derive(Clone, Debug)]
pub struct BackprojectionPlan {
    /// Views of the scan.
    pub views: usize,
    /// Detector rows; slice z of the image is seen by row z.
    pub rows: usize,
    /// Cells in a row.
    pub columns: usize,
    /// Voxels of the image along z, y, x.
    pub grid: [usize; 3],
    /// Where voxel (x, y) of a slice falls on the detector, one entry a view; column 0 is the centre of the first cell.
    pub matrices: Vec<[f32; 8]>,
    /// What the matrices mean.
    pub beam: Beam,
}

/// A backprojection, planned for one device.
#[derive(Debug)]
pub struct Backprojection {
    plan: BackprojectionPlan,
    device: Device,
    matrices: Array,
}

/// Pixel·view updates between two looks at the monitor, by a thread of the CPU (a fifth of a second at most) or by a
/// GPU (a submission stays short even on slow ones).
const UPDATES: usize = 1 << 27;

impl Backprojection {
    /// Brings the matrices to the device.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// # Panics
    /// If there are not as many matrices as views, an extent is 0, or there are more slices than rows.
    #[track_caller]
    pub fn new(device: &Device, plan: BackprojectionPlan) -> Result<Self> {
        let BackprojectionPlan { views, rows, columns, grid: [nz, ny, nx], .. } = plan;
        assert_eq!(plan.matrices.len(), views, "matrices");
        assert!([views, rows, columns, nz, ny, nx].iter().all(|extent| *extent > 0), "an extent of 0: {plan:?}");
        assert!(nz <= rows, "{nz} slices of {rows} rows");
        let counted = [views * rows, nz * ny, nx].iter().all(|count| u32::try_from(*count).is_ok());
        assert!(counted && columns < 1 << 22, "more lines than a u32 counts, or more than 2²² columns");
        let matrices = device.upload(&[views, 8], plan.matrices.as_flattened())?;
        Ok(Self { plan, device: device.clone(), matrices })
    }

    /// Shape of the filtered lines: `[views · rows, columns + 2 GUARD]`, with [`GUARD`] zero cells on each side.
    pub fn filtered_shape(&self) -> [usize; 2] {
        [self.plan.views * self.plan.rows, self.plan.columns + 2 * GUARD]
    }

    /// Shape of the image: `[nz · ny, nx]`.
    pub fn image_shape(&self) -> [usize; 2] {
        let [nz, ny, nx] = self.plan.grid;
        [nz * ny, nx]
    }

    /// Parts that [`Self::apply`] advances the monitor's step to: lines of the image times filtered lines.
    pub fn total(&self) -> u64 {
        self.image_shape()[0] as u64 * self.filtered_shape()[0] as u64
    }

    /// image ← image + the backprojection of `filtered`. Advances the monitor's step to [`Self::total`].
    ///
    /// # Errors
    /// [`crate::Error::Interrupted`].
    ///
    /// # Panics
    /// If an array has another shape than the plan says.
    #[track_caller]
    pub fn apply(&self, filtered: &Array, image: &mut Array, monitor: &Monitor) -> Result<()> {
        assert_eq!(filtered.shape(), self.filtered_shape(), "filtered lines");
        assert_eq!(image.shape(), self.image_shape(), "image");
        let (rows, mut done) = (self.plan.rows, 0);
        for slab in image.slabs_mut() {
            for lines in filtered.slabs() {
                for views in self.runs(lines, slab.lines().len() * self.plan.grid[2]) {
                    self.add(views.clone(), lines, slab);
                    let lines =
                        (views.start * rows).max(lines.lines().start)..(views.end * rows).min(lines.lines().end);
                    done += slab.lines().len() as u64 * lines.len() as u64;
                    monitor.advance(done)?;
                }
            }
        }
        Ok(())
    }

    fn add(&self, views: Range<usize>, filtered: &Slab, image: &mut Slab) {
        let plan = &self.plan;
        let matrices = self.matrices.slab_of(views.start);
        let part = Part {
            nx: plan.grid[2] as u32,
            ny: plan.grid[1] as u32,
            image_first: image.lines().start as u32,
            image_lines: image.lines().len() as u32,
            filtered_first: filtered.lines().start as u32,
            filtered_lines: filtered.lines().len() as u32,
            rows: plan.rows as u32,
            columns: plan.columns as u32,
            first_view: views.start as u32,
            views: views.len() as u32,
            matrices_first: matrices.lines().start as u32,
        };
        let inputs = [filtered, matrices];
        match plan.beam {
            Beam::Parallel => self.device.run(&BackprojectParallel { part, spare: 0 }, &inputs, &mut [image]),
            Beam::FanFlat => self.device.run(&BackprojectFan { part, curved: 0 }, &inputs, &mut [image]),
            Beam::FanCurved => self.device.run(&BackprojectFan { part, curved: 1 }, &inputs, &mut [image]),
        }
    }

    /// Runs of views of which `lines` holds some, each within one slab of matrices and one dispatch.
    fn runs(&self, lines: &Slab, pixels: usize) -> Vec<Range<usize>> {
        let threads = match &self.device {
            Device::Cpu(cpu) => cpu.threads(),
            Device::Gpu(_) => 1,
        };
        let most = (UPDATES * threads / pixels).max(1);
        let (first, end) = (lines.lines().start / self.plan.rows, lines.lines().end.div_ceil(self.plan.rows));
        let mut runs = Vec::new();
        for slab in self.matrices.slabs() {
            let views = first.max(slab.lines().start)..end.min(slab.lines().end);
            runs.extend(views.clone().step_by(most).map(|view| view..views.end.min(view + most)));
        }
        runs
    }
}

//! Weighted backprojection of filtered lines over all views: the second half of FBP. Not the adjoint of a projector.

use std::ops::Range;

use crate::{
    device::{Array, Device, Slab},
    error::Result,
    kernels::{BackprojectFan, BackprojectParallel, GUARD, part::Part},
    monitor::Monitor,
};

/// How a view's matrix m maps the voxel indices x and y to a column (0 = centre of the first cell), and what weight
/// the voxel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beam {
    /// column = m0 + m1·x + m2·y; weight 1.
    Parallel,
    /// d = m3 + m4·x + m5·y; column = (m0 + m1·x + m2·y)/d; weight 1/d².
    FanFlat,
    /// v = m3 + m4·x + m5·y, s = m0 + m1·x + m2·y; column = m6 + m7·atan(s/v); weight 1/(v² + s²).
    FanCurved,
}

/// What a [`Backprojection`] does. Filtered line = view·rows + row, image line = z·ny + y, with row = z.
#[derive(Clone, Debug)]
pub struct BackprojectionPlan {
    /// Views of the scan.
    pub views: usize,
    /// Detector rows, as many as slices.
    pub rows: usize,
    /// Cells in a row.
    pub columns: usize,
    /// Voxels along z, y, x.
    pub shape: [usize; 3],
    /// One a view.
    pub matrices: Vec<[f32; 8]>,
    /// What the matrices mean.
    pub beam: Beam,
}

/// A backprojection, planned for one device.
pub struct Backprojection {
    plan: BackprojectionPlan,
    device: Device,
    matrices: Array,
}

/// Updates (pixels × views) of one dispatch: well under a second on a slow GPU, so that no watchdog fires.
const GPU_UPDATES: usize = 1 << 27;
/// The same on a CPU: often enough to be interrupted, seldom enough to cost nothing.
const CPU_UPDATES: usize = 1 << 29;

impl Backprojection {
    /// Brings the matrices to the device.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// # Panics
    /// If the plan's numbers do not fit each other.
    #[track_caller]
    pub fn new(device: &Device, plan: BackprojectionPlan) -> Result<Self> {
        assert_eq!(plan.matrices.len(), plan.views, "one matrix a view");
        assert_eq!(plan.shape[0], plan.rows, "one slice a row");
        let matrices = device.upload(&[plan.views, 8], plan.matrices.as_flattened())?;
        Ok(Self { plan, device: device.clone(), matrices })
    }

    /// image ← image + Σ views, from filtered lines f32 `[views · rows, columns + 2 GUARD]` to f32 `[nz · ny, nx]`.
    /// Advances the monitor's step to views · rows.
    ///
    /// # Errors
    /// [`crate::Error::Interrupted`].
    ///
    /// # Panics
    /// If an array has another shape than the plan says.
    #[track_caller]
    pub fn apply(&self, filtered: &Array, image: &mut Array, monitor: &Monitor) -> Result<()> {
        let BackprojectionPlan { views, rows, columns, shape: [nz, ny, nx], .. } = self.plan;
        assert_eq!(filtered.shape(), [views * rows, columns + 2 * GUARD], "filtered lines");
        assert_eq!(image.shape(), [nz * ny, nx], "image");
        let slabs = image.slabs().len();
        for (index, into) in image.slabs_mut().iter_mut().enumerate() {
            let mut view = 0;
            while view < views {
                let end = self.end_of_run(view, into);
                for from in filtered.slabs().iter().filter(|from| reaches(from, view * rows..end * rows)) {
                    self.run(view..end, from, into);
                }
                view = end;
                monitor.advance(((index * views + view) * rows / slabs) as u64)?;
            }
        }
        Ok(())
    }

    /// How far from `view` one dispatch goes: within a slab of the matrices, and no longer than it may.
    fn end_of_run(&self, view: usize, into: &Slab) -> usize {
        let budget = match self.device {
            Device::Cpu(_) => CPU_UPDATES,
            Device::Gpu(_) => GPU_UPDATES,
        };
        let updates = into.lines().len() * self.plan.shape[2];
        let most = (budget / updates.max(1)).max(1);
        self.matrices.slab_of(view).lines().end.min(view + most)
    }

    fn run(&self, views: Range<usize>, from: &Slab, into: &mut Slab) {
        let matrices = self.matrices.slab_of(views.start);
        let [_, ny, nx] = self.plan.shape;
        let part = Part {
            nx: nx as u32,
            ny: ny as u32,
            image_first: into.lines().start as u32,
            image_lines: into.lines().len() as u32,
            filtered_first: from.lines().start as u32,
            filtered_lines: from.lines().len() as u32,
            rows: self.plan.rows as u32,
            columns: self.plan.columns as u32,
            first_view: views.start as u32,
            views: views.len() as u32,
            matrices_first: matrices.lines().start as u32,
        };
        let inputs = [from, matrices];
        match self.plan.beam {
            Beam::Parallel => self.device.run(&BackprojectParallel { part, spare: 0 }, &inputs, &mut [into]),
            beam => {
                let curved = u32::from(beam == Beam::FanCurved);
                self.device.run(&BackprojectFan { part, curved }, &inputs, &mut [into]);
            }
        }
    }
}

fn reaches(slab: &Slab, lines: Range<usize>) -> bool {
    slab.lines().start < lines.end && lines.start < slab.lines().end
}

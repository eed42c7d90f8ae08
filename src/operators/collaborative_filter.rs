//! Both halves of BM3D on a slice and its neighbours: groups of like patches found, shrunk together, and put back where they
//! came from (Dabov, Foi, Katkovnik & Egiazarian 2007). Every pixel is to be the mean of all shrunk patches that cover it, weighed
//! by how little noise they are left with, and less at a patch's rim.

use super::{
    arithmetic::fill,
    group_filter::{self, Chunk, Levels},
};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    kernels::{
        GatherPatches, MatchPatches, ShrinkGroups,
        match_patches::PATCH,
        shrink_groups::{TABLES, Tables},
    },
};

const HIGHEST_LEVEL: f32 = 511.0;

/// How a slice is taken apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grouping {
    /// Pixels between references.
    pub step: usize,
    /// Pixels that a match may be away, along each axis.
    pub radius: usize,
    /// Patches of a group at most: 16 or 32.
    pub group: usize,
    /// Lines of references whose groups are shrunk at a time, as far as their patches fit one binding. Patches are added up in
    /// the order of their places among those.
    pub rows: usize,
    /// Patches whose pixels differ from the reference's by more than this, in the root mean square and in units of the
    /// noise, are not like it.
    pub farthest: f32,
}

/// The standard deviation of a slice's noise.
#[derive(Clone, Copy, Debug)]
pub struct Deviations<'a> {
    /// Of the slice as a whole, by which patches are taken for alike.
    pub typical: f32,
    /// Of its pixels, or one for all of them.
    pub each: &'a [f32],
}

/// Slices whose patches are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// How many.
    pub slices: usize,
    /// The one that references are in.
    pub middle: usize,
    /// Lines and columns of a slice.
    pub extents: [usize; 2],
}

/// The filter for stacks `[slices·ny, nx]`.
#[derive(Debug)]
pub struct CollaborativeFilter {
    device: Device,
    stack: Stack,
    grouping: Grouping,
    tables: Array,
    window: Array,
    sums: Array,
    totals: Array,
    groups: Vec<(Chunk, Array)>,
}

impl CollaborativeFilter {
    /// For such stacks, with a transform and a `window` on patches, `[8, 8]`.
    ///
    /// # Errors
    /// [`Error::Option`](crate::error::Error::Option) for slices smaller than 16 × 16;
    /// [`Error::OutOfMemory`](crate::error::Error::OutOfMemory), also where a stack or its groups do not fit one binding.
    pub fn new(device: &Device, stack: Stack, grouping: Grouping, (tables, window): (&Tables, &[f32])) -> Result<Self> {
        let Stack { slices, extents: [ny, nx], .. } = stack;
        group_filter::check(device, [slices, ny, nx], grouping.step, grouping.group)?;
        let zeros = || device.zeros(&[slices * ny, nx], Element::F32);
        Ok(Self {
            tables: device.upload(&[TABLES], tables.numbers())?,
            window: device.upload(&[PATCH * PATCH], window)?,
            sums: zeros()?,
            totals: zeros()?,
            groups: vec![],
            device: device.clone(),
            stack,
            grouping,
        })
    }

    /// Finds the groups in a stack; the noise is that of its middle slice.
    ///
    /// # Errors
    /// What goes wrong on the device.
    pub fn find(&mut self, stack: &Array, levels: Levels, noise: &Deviations) -> Result<()> {
        let Stack { slices, middle, extents: [ny, nx] } = self.stack;
        let Grouping { group, farthest, .. } = self.grouping;
        let Deviations { typical, each: sigmas } = *noise;
        let scale = HIGHEST_LEVEL / (levels.highest - levels.lowest).max(f32::MIN_POSITIVE);
        let kernel = MatchPatches {
            nx: nx as u32,
            ny: ny as u32,
            step: self.grouping.step as u32,
            radius: self.grouping.radius.max(PATCH / 2) as u32,
            lowest: levels.lowest,
            levels: scale.min(f32::MAX),
            flat: levels.flat * scale,
            group: group as u32,
            farthest: (farthest * typical * scale).powi(2).max(1.0) * (PATCH * PATCH) as f32,
            slices: slices as u32,
            middle: middle as u32,
        };
        let [rows, columns] = kernel.references();
        let mut found = self.device.zeros(&[rows * columns * group], Element::U32)?;
        self.device.run(&kernel, &[&stack.slabs()[0]], &mut [&mut found.slabs_mut()[0]]);
        let members: Vec<u32> = self.device.download(&found)?;
        let most = (self.grouping.rows * columns)
            .min(self.device.binding_limit() as usize / (4 * group * PATCH * PATCH))
            .max(1);
        self.groups = members
            .chunks(most * group)
            .map(|members| {
                let centre = |own: u32| (own as usize - middle * ny * nx + PATCH / 2 * (nx + 1)) % sigmas.len();
                let sigmas: Vec<f32> = members.chunks(group).map(|members| sigmas[centre(members[0])]).collect();
                Ok((Chunk::new(&self.device, members, group, nx)?, self.device.upload(&[sigmas.len()], sigmas)?))
            })
            .collect::<Result<_>>()?;
        Ok(())
    }

    /// Shrinks a stack's patches, with the groups found last: by a threshold, in units of the noise, or by the pilot. What they
    /// add up to in every pixel, and their weights.
    ///
    /// # Errors
    /// What goes wrong on the device.
    pub fn apply(&mut self, noisy: &Array, by: Shrinkage) -> Result<[&Array; 2]> {
        let (nx, group) = (self.stack.extents[1], self.grouping.group);
        let most = self.groups.iter().map(|(chunk, _)| chunk.count).max().unwrap_or(0).max(1);
        let mut patches = self.device.zeros(&[most * group * PATCH * PATCH], Element::F32)?;
        let mut weights = self.device.zeros(&[most], Element::F32)?;
        fill(&self.device, 0.0, &mut self.sums);
        fill(&self.device, 0.0, &mut self.totals);
        let (pilot, wiener, threshold) = match by {
            Shrinkage::Threshold(threshold) => (noisy, 0, threshold),
            Shrinkage::Pilot(pilot) => (pilot, 1, 0.0),
        };
        for (Chunk { count, members, rows, starts, list }, sigmas) in &self.groups {
            let kernel = ShrinkGroups { groups: *count as u32, nx: nx as u32, wiener, threshold, group: group as u32 };
            let inputs = [noisy, pilot, members, sigmas, &self.tables].map(|array| &array.slabs()[0]);
            self.device.run(&kernel, &inputs, &mut [&mut patches.slabs_mut()[0], &mut weights.slabs_mut()[0]]);
            let kernel =
                GatherPatches { nx: nx as u32, first: rows.start as u32, rows: rows.len() as u32, group: group as u32 };
            let inputs = [&patches, &weights, starts, list, &self.window].map(|array| &array.slabs()[0]);
            let (sums, totals) = (&mut self.sums.slabs_mut()[0], &mut self.totals.slabs_mut()[0]);
            self.device.run(&kernel, &inputs, &mut [sums, totals]);
        }
        Ok([&self.sums, &self.totals])
    }
}

/// How coefficients are shrunk.
#[derive(Clone, Copy, Debug)]
pub enum Shrinkage<'a> {
    /// Those of less than so many deviations of their noise become 0.
    Threshold(f32),
    /// As Wiener's filter would, if this were the image.
    Pilot(&'a Array),
}

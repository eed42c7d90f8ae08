//! Both halves of BM3D on a slice and its neighbours: groups of like patches found, shrunk together, and put back where they
//! came from (Dabov, Foi, Katkovnik & Egiazarian 2007). Every pixel is to be the mean of all shrunk patches that cover it, weighed
//! by how little noise they are left with, and less at a patch's rim.

use super::groups::{self, Chunk, Gathered, Levels};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    kernels::{
        MatchPatches, ShrinkGroups,
        match_patches::{GROUP, PATCH},
        shrink_groups::{TABLES, Tables},
    },
};

/// How a slice is taken apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grouping {
    /// Pixels between references.
    pub step: usize,
    /// Pixels that a match may be away, along each axis.
    pub radius: usize,
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
    gathered: Gathered,
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
        groups::check(device, [slices, ny, nx], grouping.step)?;
        Ok(Self {
            tables: device.upload(&[TABLES], tables.numbers())?,
            gathered: Gathered::new(device, [slices * ny, nx], window)?,
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
        let Deviations { typical, each: sigmas } = *noise;
        let scale = levels.scale();
        let kernel = MatchPatches {
            nx: nx as u32,
            ny: ny as u32,
            step: self.grouping.step as u32,
            radius: self.grouping.radius.max(PATCH / 2) as u32,
            lowest: levels.lowest,
            levels: scale,
            flat: levels.flat * scale,
            farthest: (self.grouping.farthest * typical * scale).powi(2).max(1.0) * (PATCH * PATCH) as f32,
            slices: slices as u32,
            middle: middle as u32,
        };
        let [rows, columns] = kernel.references();
        let mut found = self.device.zeros(&[rows * columns * GROUP], Element::U32)?;
        self.device.run(&kernel, &[&stack.slabs()[0]], &mut [&mut found.slabs_mut()[0]]);
        let members: Vec<u32> = self.device.download(&found)?;
        let most = (self.grouping.rows * columns)
            .min(self.device.binding_limit() as usize / (4 * GROUP * PATCH * PATCH))
            .max(1);
        self.groups = members
            .chunks(most * GROUP)
            .map(|members| {
                let centre = |own: u32| (own as usize - middle * ny * nx + PATCH / 2 * (nx + 1)) % sigmas.len();
                let sigmas: Vec<f32> = members.chunks(GROUP).map(|members| sigmas[centre(members[0])]).collect();
                Ok((Chunk::new(&self.device, members, nx)?, self.device.upload(&[sigmas.len()], sigmas)?))
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
        let nx = self.stack.extents[1] as u32;
        self.gathered.make_room(self.groups.iter().map(|(chunk, _)| chunk))?;
        self.gathered.clear();
        let (pilot, wiener, threshold) = match by {
            Shrinkage::Threshold(threshold) => (noisy, 0, threshold),
            Shrinkage::Pilot(pilot) => (pilot, 1, 0.0),
        };
        for (chunk, sigmas) in &self.groups {
            let kernel = ShrinkGroups { groups: chunk.count as u32, nx, wiener, threshold };
            self.gathered.add(chunk, &kernel, &[noisy, pilot, &chunk.members, sigmas, &self.tables]);
        }
        Ok(self.gathered.sums())
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

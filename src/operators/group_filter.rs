//! The filter of groups of like patches: block matching, 3-D cosine transform, hard threshold, and the weighted mean of all
//! filtered patches that cover a pixel: the first half of BM3D (Dabov, Foi, Katkovnik & Egiazarian 2007, IEEE Trans. Image
//! Process. 16, 2080), with a cosine transform across the group too.

use std::ops::Range;

use super::arithmetic::{add_lines, fill};
use crate::{
    device::{Array, Device, Element, Kernel},
    error::{Error, Result},
    kernels::{
        FilterGroups, GatherPatches, MatchPatches, Quotient,
        filter_groups::basis,
        match_patches::{GROUP, HIGHEST_LEVEL, NONE, PATCH},
    },
};

/// Pixels between references.
const STEP: usize = 3;
/// Groups that are filtered at a time: 16 MiB of patches.
const CHUNK: usize = 4096;

/// How pixels are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Levels {
    /// Least value that is told from lower ones.
    pub lowest: f32,
    /// Largest value that is told from higher ones.
    pub highest: f32,
    /// Patches whose values differ by less are left alone.
    pub flat: f32,
}

impl Levels {
    /// Levels per unit.
    pub(super) fn scale(&self) -> f32 {
        (HIGHEST_LEVEL / (self.highest - self.lowest).max(f32::MIN_POSITIVE)).min(f32::MAX)
    }
}

/// The filter for images `[nz·ny, nx]`, slice by slice. A slice, and the list of its groups, must fit one binding of
/// the device.
#[derive(Debug)]
pub struct GroupFilter {
    device: Device,
    shape: [usize; 3],
    radius: usize,
    basis: Array,
    slice: Array,
    /// What the slice's patches add up to.
    gathered: Gathered,
    /// Of each slice.
    groups: Vec<Vec<Chunk>>,
}

/// Some groups of a slice.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) count: usize,
    pub(super) members: Array,
    /// Lines on which their patches begin.
    rows: Range<usize>,
    starts: Array,
    list: Array,
}

impl GroupFilter {
    /// For `slices` of `ny` × `nx`, with matches up to `radius` pixels away along each axis.
    ///
    /// # Errors
    /// [`Error::Option`] for slices smaller than 16 × 16; [`Error::OutOfMemory`], also where a slice or the list of
    /// its groups does not fit one binding.
    pub fn new(device: &Device, slices: [usize; 3], radius: usize) -> Result<Self> {
        let [nz, ny, nx] = slices;
        check(device, [1, ny, nx], STEP)?;
        Ok(Self {
            device: device.clone(),
            shape: slices,
            radius: radius.max(PATCH / 2),
            basis: device.upload(&[PATCH * PATCH + GROUP * GROUP], basis())?,
            slice: device.zeros(&[ny, nx], Element::F32)?,
            // All pixels of a patch count alike.
            gathered: Gathered::new(device, [ny, nx], &[1.0; PATCH * PATCH])?,
            groups: (0..nz).map(|_| vec![]).collect(),
        })
    }

    /// Finds the groups in `image`.
    ///
    /// # Errors
    /// What goes wrong on the device.
    pub fn find(&mut self, image: &Array, levels: Levels) -> Result<()> {
        let [nz, ny, nx] = self.shape;
        let scale = levels.scale();
        let kernel = MatchPatches {
            nx: nx as u32,
            ny: ny as u32,
            step: STEP as u32,
            radius: self.radius as u32,
            lowest: levels.lowest,
            levels: scale,
            flat: (levels.flat * scale).ceil().max(1.0),
            farthest: f32::MAX,
            slices: 1,
            middle: 0,
        };
        let [rows, columns] = kernel.references();
        let mut found = self.device.zeros(&[rows * columns * GROUP], Element::U32)?;
        for z in 0..nz {
            self.take(image, z);
            self.device.run(&kernel, &[&self.slice.slabs()[0]], &mut [&mut found.slabs_mut()[0]]);
            let mut members: Vec<u32> = self.device.download(&found)?;
            let mut kept = 0;
            for group in 0..rows * columns {
                if members[group * GROUP] != NONE {
                    members.copy_within(group * GROUP..(group + 1) * GROUP, kept * GROUP);
                    kept += 1;
                }
            }
            members.truncate(kept * GROUP);
            let most = CHUNK.min(self.device.binding_limit() as usize / (4 * GROUP * PATCH * PATCH));
            let chunks = members.chunks(most * GROUP).map(|members| Chunk::new(&self.device, members, nx));
            self.groups[z] = chunks.collect::<Result<_>>()?;
        }
        Ok(())
    }

    /// Filters `image` into `into`, with the groups found last; where a pixel has no group it stays as it is. Coefficients
    /// below `threshold`, in the image's unit, are taken for noise: for white noise 2.7 σ is usual.
    ///
    /// # Errors
    /// What goes wrong on the device.
    pub fn apply(&mut self, image: &Array, threshold: f32, into: &mut Array) -> Result<()> {
        let [nz, ny, nx] = self.shape;
        self.gathered.make_room(self.groups.iter().flatten())?;
        fill(&self.device, 0.0, into);
        for z in 0..nz {
            self.take(image, z);
            self.gathered.clear();
            for chunk in &self.groups[z] {
                let kernel = FilterGroups { groups: chunk.count as u32, nx: nx as u32, threshold };
                self.gathered.add(chunk, &kernel, &[&self.slice, &chunk.members, &self.basis]);
            }
            let inputs = self.gathered.sums().map(|array| &array.slabs()[0]);
            self.device.run(&Quotient { count: (ny * nx) as u32 }, &inputs, &mut [&mut self.slice.slabs_mut()[0]]);
            add_lines(&self.device, (&self.slice, into), [0, z * ny], ny);
        }
        Ok(())
    }

    /// Copies slice `z`.
    fn take(&mut self, image: &Array, z: usize) {
        let ny = self.shape[1];
        fill(&self.device, 0.0, &mut self.slice);
        add_lines(&self.device, (image, &mut self.slice), [z * ny, 0], ny);
    }
}

/// Refuses slices too small for patches, and stacks too large for the device: stack and list of groups fit one binding each.
pub(super) fn check(device: &Device, [slices, ny, nx]: [usize; 3], step: usize) -> Result<()> {
    if ny < 2 * PATCH || nx < 2 * PATCH {
        return Err(Error::Option(format!(
            "groups of patches need slices of at least 16 × 16 pixels, not {ny} × {nx}"
        )));
    }
    let references = |extent: usize| (extent - PATCH).div_ceil(step) + 1;
    let bytes = 4 * (slices * ny * nx).max(references(ny) * references(nx) * GROUP).max(GROUP * PATCH * PATCH) as u64;
    if bytes > device.binding_limit() {
        let limit = format!(
            "a slice and the list of its groups must fit one binding of {} bytes each, as patches are compared across it",
            device.binding_limit()
        );
        return Err(Error::OutOfMemory { device: device.name(), bytes, limit });
    }
    Ok(())
}

impl Chunk {
    /// Sorts the patches by place: the list each pixel gathers from. Members that are none are left out.
    pub(super) fn new(device: &Device, members: &[u32], nx: usize) -> Result<Self> {
        let patches = || members.iter().enumerate().filter(|(_, first)| **first != NONE);
        let lines = || patches().map(|(_, first)| *first as usize / nx);
        let rows = lines().min().unwrap_or(0)..lines().max().unwrap_or(0) + 1;
        let places = nx - PATCH + 1;
        let place = |first: &u32| (*first as usize / nx - rows.start) * places + *first as usize % nx;
        let mut starts = vec![0_u32; rows.len() * places + 1];
        patches().for_each(|(_, first)| starts[place(first) + 1] += 1);
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let (mut next, mut list) = (starts.clone(), vec![0; members.len()]);
        for (patch, first) in patches() {
            let at = &mut next[place(first)];
            list[*at as usize] = patch as u32;
            *at += 1;
        }
        Ok(Self {
            count: members.len() / GROUP,
            members: device.upload(&[members.len()], members)?,
            rows,
            starts: device.upload(&[starts.len()], starts)?,
            list: device.upload(&[list.len()], list)?,
        })
    }
}

/// What filtered patches add up to in every pixel of `[ny, nx]`: their sum and that of their weights.
#[derive(Debug)]
pub(super) struct Gathered {
    device: Device,
    nx: usize,
    /// By which a patch's pixels are weighed.
    window: Array,
    sums: Array,
    totals: Array,
    /// Of a chunk: patches, and a weight for each group.
    patches: [Array; 2],
}

impl Gathered {
    pub(super) fn new(device: &Device, shape @ [_, nx]: [usize; 2], window: &[f32]) -> Result<Self> {
        let zeros = |shape: &[usize]| device.zeros(shape, Element::F32);
        Ok(Self {
            device: device.clone(),
            nx,
            window: device.upload(&[PATCH * PATCH], window)?,
            sums: zeros(&shape)?,
            totals: zeros(&shape)?,
            patches: [zeros(&[GROUP * PATCH * PATCH])?, zeros(&[1])?],
        })
    }

    /// For the largest of those chunks.
    pub(super) fn make_room<'a>(&mut self, chunks: impl Iterator<Item = &'a Chunk>) -> Result<()> {
        let most = chunks.map(|chunk| chunk.count).max().unwrap_or(0);
        if most > self.patches[1].shape()[0] {
            let zeros = |count: usize| self.device.zeros(&[count], Element::F32);
            self.patches = [zeros(most * GROUP * PATCH * PATCH)?, zeros(most)?];
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        fill(&self.device, 0.0, &mut self.sums);
        fill(&self.device, 0.0, &mut self.totals);
    }

    /// Adds a chunk's patches, as `filter` makes them of `inputs`.
    pub(super) fn add(&mut self, chunk: &Chunk, filter: &impl Kernel, inputs: &[&Array]) {
        let Self { device, nx, window, sums, totals, patches } = self;
        let inputs: Vec<_> = inputs.iter().map(|array| &array.slabs()[0]).collect();
        device.run(filter, &inputs, &mut patches.each_mut().map(|array| &mut array.slabs_mut()[0]));
        let (first, rows) = (chunk.rows.start as u32, chunk.rows.len() as u32);
        let [patches, weights] = &*patches;
        let inputs = [patches, weights, &chunk.starts, &chunk.list, window].map(|array| &array.slabs()[0]);
        let outputs = &mut [&mut sums.slabs_mut()[0], &mut totals.slabs_mut()[0]];
        device.run(&GatherPatches { nx: *nx as u32, first, rows }, &inputs, outputs);
    }

    pub(super) fn sums(&self) -> [&Array; 2] {
        [&self.sums, &self.totals]
    }
}

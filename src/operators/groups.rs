//! Groups of like patches of 8 × 8 pixels: how a slice's pixels are compared, which chunks of groups are filtered at a time, and what
//! the filtered patches add up to in every pixel (Dabov, Foi, Katkovnik & Egiazarian 2007, IEEE Trans. Image Process. 16, 2080).

use std::ops::Range;

use super::arithmetic::fill;
use crate::{
    device::{Array, Device, Element, Kernel},
    error::{Error, Result},
    kernels::{
        GatherPatches,
        match_patches::{GROUP, HIGHEST_LEVEL, NONE, PATCH},
    },
};

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

//! Adds up overlapping patches: every pixel gathers from all patches that cover it, times their weights and a window, in the
//! order of their places and then of their list, so that nothing is scattered and the sums are the same on any number of threads.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::match_patches::{GROUP, PATCH};
use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 256;
const PIXELS: usize = PATCH * PATCH;

/// Inputs: patches `[groups, 16, 8, 8]`; weights `[groups]`; `starts`, u32 `[rows · (nx − 7) + 1]`, where the list of the
/// patches that begin at a place begins; `list`, u32, the patches (by their place among all) sorted by place; the window, by
/// which pixels of any patch are weighed `[8, 8]`. Outputs, in place, `[ny, nx]`: the sums of weighted patches, and of weights.
/// Place = (line − first)·(nx − 7) + column.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct GatherPatches {
    /// Columns of the slice.
    pub nx: u32,
    /// First line on which a patch begins.
    pub first: u32,
    /// Lines on which patches begin; those that patches cover are 7 more.
    pub rows: u32,
}

impl GatherPatches {
    fn lines(&self) -> usize {
        self.rows as usize + PATCH - 1
    }
}

impl Kernel for GatherPatches {
    const NAME: &'static str = "gather_patches";
    const WGSL: &'static str = include_str!("../../shaders/gather_patches.wgsl");
    const TOLERANCE: f32 = 1e-5;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.lines() * self.nx as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let (patches, weights) = (inputs[0].numbers::<f32>(), inputs[1].numbers::<f32>());
        let (starts, list) = (inputs[2].numbers::<u32>(), inputs[3].numbers::<u32>());
        let window = &inputs[4].numbers::<f32>()[..PIXELS];
        let (nx, first, rows) = (self.nx as usize, self.first as usize, self.rows as usize);
        let places = nx - PATCH + 1;
        let part = first * nx..(first + self.lines()) * nx;
        let [sums, totals] = outputs else { panic!("two outputs") };
        let (sums, totals) = (&mut sums.numbers::<f32>()[part.clone()], &mut totals.numbers::<f32>()[part]);
        sums.par_chunks_exact_mut(nx).zip(totals.par_chunks_exact_mut(nx)).enumerate().for_each(
            |(line, (sums, totals))| {
                for row in line.saturating_sub(PATCH - 1)..(line + 1).min(rows) {
                    let window: &[f32; PATCH] = window[(line - row) * PATCH..][..PATCH].try_into().expect("8 × 8");
                    for column in 0..places {
                        let place = row * places + column;
                        let here = &list[starts[place] as usize..starts[place + 1] as usize];
                        if here.is_empty() {
                            continue;
                        }
                        // Numbers of their own, which the compiler keeps in registers.
                        let (sums, totals) = (&mut sums[column..][..PATCH], &mut totals[column..][..PATCH]);
                        let [mut sum, mut total] = [[0.0_f32; PATCH]; 2];
                        sum.copy_from_slice(sums);
                        total.copy_from_slice(totals);
                        for patch in here {
                            let weight = weights[*patch as usize / GROUP];
                            let values = &patches[*patch as usize * PIXELS + (line - row) * PATCH..][..PATCH];
                            let values: &[f32; PATCH] = values.try_into().expect("a line of a patch");
                            for at in 0..PATCH {
                                let share = weight * window[at];
                                sum[at] += share * values[at];
                                total[at] += share;
                            }
                        }
                        sums.copy_from_slice(&sum);
                        totals.copy_from_slice(&total);
                    }
                }
            },
        );
    }

    fn example(seed: u64) -> Example<Self> {
        const GROUPS: usize = 3;
        let kernel = Self { nx: 21, first: 2, rows: 5 };
        let (places, patches) = (5 * 14, GROUPS * GROUP);
        // Patch i begins at place (11 i + seed) mod places: some places have none, some one.
        let mut list: Vec<(usize, u32)> =
            (0..patches).map(|i| ((i / 2 * 11 + seed as usize) % places, i as u32)).collect();
        list.sort_unstable();
        let starts: Vec<u32> = (0..=places).map(|place| list.partition_point(|(at, _)| *at < place) as u32).collect();
        let list: Vec<u32> = list.into_iter().map(|(_, patch)| patch).collect();
        let inputs = vec![
            HostArray::noise(&[GROUPS, GROUP, PATCH, PATCH], seed),
            HostArray::noise(&[GROUPS], seed + 1),
            HostArray::new(&[starts.len()], &starts),
            HostArray::new(&[list.len()], &list),
            HostArray::noise(&[PATCH, PATCH], seed + 4),
        ];
        Example {
            kernel,
            inputs,
            outputs: vec![HostArray::noise(&[16, 21], seed + 2), HostArray::noise(&[16, 21], seed + 3)],
        }
    }
}

//! GRAPPA: missing samples of every coil from sampled neighbours (Griswold et al. 2002), then the coils combined. The sampling
//! may be regular or not: each pattern of sampled neighbours gets its own kernel.
//!
//! A kernel has the least expected error for the signal's energy at the missing point's distance from the centre of k-space
//! ([`Grappa::weights`]). What the calibration data cannot say, such as how the coils see edges that lie across the read-out, shows where
//! estimates have more energy than their kernel expects: there they are scaled down to it, the more so the less of them is true.

use std::{collections::BTreeSet, ops::Range};

use ndarray::{Array4, ArrayView4, Axis};
use num_complex::Complex32;
use rayon::prelude::*;

use super::{MrOptions, MrRecipe, MrReconstruction, coil_images};
use crate::{
    calibration::{
        Grappa, calibration_data, fully_sampled_region,
        grappa::{Pattern, Weights},
    },
    device::Device,
    error::Result,
    geometry::Mask,
    monitor::Monitor,
    scan::KSpace,
};

/// λ over that of the least expected error; by trial on phantoms of 20 to 60 dB, R = 2 to 8.
const STRENGTH: f64 = 0.3;
/// Samples of a ring outside the calibration region that tell its energy; with fewer those inside help.
const ENOUGH: usize = 30;
/// Signal far below the noise is not told from it: the least energy over the noise's.
const LEAST: f64 = 0.01;
/// Points on either side of a patch's centre: to begin with, along the read-out of a volume, and at most.
const REACH: usize = 2;
const REACH_OF_VOLUMES: usize = 1;
const MOST: usize = 6;
/// Sampled neighbours, in planes across the read-out, that three in four missing points should have, and how many are used.
const NEIGHBOURS: usize = 3;
const NEAREST: usize = 6;
/// Rings of k-space in which the signal is measured.
const RINGS: usize = 32;
/// Side of the calibration region at most, in a plane and in a volume.
const CALIBRATION: [usize; 2] = [256, 32];

/// Calibration lines below which something is said.
const FEW_LINES: usize = 12;

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct GrappaRecipe(pub MrOptions);

impl MrRecipe for GrappaRecipe {
    fn reconstruct(&self, scan: KSpace, device: &Device, monitor: &Monitor) -> Result<MrReconstruction> {
        coil_images::each_frame(("grappa", &self.0), scan, monitor, true, |scan, frame| {
            let mask = coil_images::mask(scan, frame, "grappa")?;
            let filled = fill(scan.samples.index_axis(Axis(0), frame), mask, &self.0)?;
            Ok((coil_images::of_kspace(device, filled.samples.view())?, vec![filled.note]))
        })
    }
}

/// k-space with its gaps filled.
pub struct Filled {
    /// `[coil, z, y, x]`.
    pub samples: Array4<Complex32>,
    /// What was done.
    pub note: String,
}

/// Fills the gaps within the box that holds every sample.
pub fn fill(samples: ArrayView4<Complex32>, mask: &Mask, options: &MrOptions) -> Result<Filled> {
    let samples: Array4<Complex32> = samples.as_standard_layout().into_owned();
    let missing = missing(mask);
    if missing.is_empty() {
        return Ok(Filled { samples, note: "every point within the sampled box of k-space was measured".into() });
    }
    let most = CALIBRATION[usize::from(mask.shape[0] > 1)];
    let region = fully_sampled_region(mask, options.calibration.unwrap_or(most))?;
    let reach = reach(mask, &missing, &region.clone().map(|range| range.len()));
    let calibration = calibration_data(samples.view(), &region);
    let grappa = Grappa::new(calibration.view(), reach.map(|reach| 2 * reach + 1))?;
    let energies = energies(&samples, mask, &region, grappa.noise);
    let order = order(mask, reach);
    // A kernel is told by its pattern and by the energy's power of 2.
    let key = |point: &[usize; 3]| {
        let energy = energies[ring(mask.shape, *point)];
        (nearest(pattern(mask, reach, *point), &order), energy.max(f64::MIN_POSITIVE).log2().round() as i32)
    };
    let keys: Vec<(Pattern, i32)> = missing.par_iter().map(key).collect();
    let different: Vec<(Pattern, i32)> = keys.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let strength = options.strength.of(STRENGTH);
    let kernels: Vec<Weights> =
        different.par_iter().map(|(pattern, power)| grappa.weights(*pattern, 2_f64.powi(*power), strength)).collect();
    let kernel_of = |key: &(Pattern, i32)| &kernels[different.binary_search(key).expect("one of them")];
    let mut found: Vec<Vec<Complex32>> =
        missing.par_iter().zip(&keys).map(|(point, key)| estimate(&samples, reach, *point, kernel_of(key))).collect();
    // Of each ring: what its estimates' energy is, and what it should be.
    let mut sums = [(0.0, 0.0); RINGS];
    for ((point, key), values) in missing.iter().zip(&keys).zip(&found) {
        let ring = ring(mask.shape, *point);
        sums[ring].0 += values.iter().map(|value| f64::from(value.norm_sqr())).sum::<f64>();
        sums[ring].1 += kernel_of(key).explained * energies[ring] * values.len() as f64;
    }
    for ((point, key), values) in missing.iter().zip(&keys).zip(&mut found) {
        let (energy, expected) = sums[ring(mask.shape, *point)];
        let factor = trust(kernel_of(key).explained, if energy > expected { expected / energy } else { 1.0 });
        values.iter_mut().for_each(|value| *value *= factor as f32);
    }
    let mut filled = samples;
    for ([z, y, x], values) in missing.iter().zip(&found) {
        for (coil, value) in values.iter().enumerate() {
            filled[[coil, *z, *y, *x]] = *value;
        }
    }
    let [pz, py, px] = grappa.extents;
    let patch = if pz > 1 { format!("{px} × {py} × {pz}") } else { format!("{px} × {py}") };
    let few = (0..3).any(|axis| mask.shape[axis] > 1 && !mask.reads_out(axis) && region[axis].len() < FEW_LINES);
    let few = if few {
        format!("; so few make kernels uncertain, {FEW_LINES} lines and more are usual")
    } else {
        String::new()
    };
    let note = format!(
        "{} points of k-space filled by {} kernels of {patch} points from {} × {} × {} calibration points{few}",
        missing.len(),
        different.len(),
        region[2].len(),
        region[1].len(),
        region[0].len()
    );
    Ok(Filled { samples: filled, note })
}

/// What an estimate is multiplied by, of a kernel that explains such a part of the signal where it was calibrated, if only `as_expected`
/// of the estimates' energy is as it should be. A kernel that explains all holds for any object, and is right wherever it is applied; one
/// that does not has learnt what the object's middle looks like, and edges are other. Powers by trial.
fn trust(explained: f64, as_expected: f64) -> f64 {
    explained.max(0.0).powi(2) * as_expected.powf(2.0 * (1.0 - explained))
}

/// The box that holds every sample, along z, y, x.
pub fn sampled_box(mask: &Mask) -> [Range<usize>; 3] {
    let [_, ny, nx] = mask.shape;
    let mut found = mask.shape.map(|extent| extent..0);
    for index in (0..mask.sampled.len()).filter(|index| mask.sampled[*index]) {
        for (range, at) in found.iter_mut().zip([index / nx / ny, index / nx % ny, index % nx]) {
            *range = range.start.min(at)..range.end.max(at + 1);
        }
    }
    found
}

/// Points within the sampled box that are not sampled.
fn missing(mask: &Mask) -> Vec<[usize; 3]> {
    let [_, ny, nx] = mask.shape;
    let [z, y, x] = sampled_box(mask);
    let points = z.flat_map(|z| y.clone().map(move |y| (z, y)));
    let points = points.flat_map(|(z, y)| x.clone().map(move |x| [z, y, x]));
    points.filter(|[z, y, x]| !mask.sampled[(z * ny + y) * nx + x]).collect()
}

/// The sampled points of the patch around a point.
fn pattern(mask: &Mask, reach: [usize; 3], point: [usize; 3]) -> Pattern {
    let [_, ny, nx] = mask.shape;
    let mut pattern = 0;
    neighbours(mask.shape, reach, point, |bit, [z, y, x]| {
        if mask.sampled[(z * ny + y) * nx + x] {
            pattern |= 1 << bit;
        }
    });
    pattern
}

/// Walks the points of the patch around a point that lie within k-space.
fn neighbours(shape: [usize; 3], reach: [usize; 3], point: [usize; 3], mut visit: impl FnMut(usize, [usize; 3])) {
    let extents = reach.map(|reach| 2 * reach + 1);
    let inside = |axis: usize| {
        let first = reach[axis].saturating_sub(point[axis]);
        first..extents[axis].min(shape[axis] + reach[axis] - point[axis])
    };
    for dz in inside(0) {
        for dy in inside(1) {
            for dx in inside(2) {
                let at = [point[0] + dz - reach[0], point[1] + dy - reach[1], point[2] + dx - reach[2]];
                visit((dz * extents[1] + dy) * extents[2] + dx, at);
            }
        }
    }
}

/// How far patches reach along z, y, x: further where samples are few, as far as the calibration region allows.
fn reach(mask: &Mask, missing: &[[usize; 3]], region: &[usize; 3]) -> [usize; 3] {
    let read_out: [bool; 3] = [0, 1, 2].map(|axis| mask.reads_out(axis));
    let first = if mask.shape[0] > 1 { REACH_OF_VOLUMES } else { REACH };
    let largest = |axis: usize| (region[axis].saturating_sub(1) / 3).min(MOST);
    let mut reach = [0, 1, 2].map(|axis| match (mask.shape[axis], read_out[axis]) {
        (1, _) => 0,
        (_, true) => first.min(largest(axis)),
        _ => REACH.min(largest(axis)),
    });
    let along: usize = (0..3).filter(|axis| read_out[*axis]).map(|axis| 2 * reach[axis] + 1).product();
    let across = read_out.iter().zip(mask.shape).filter(|(read_out, extent)| !**read_out && *extent > 1).count();
    // Along one axis a point has neighbours on two sides, in a plane around it.
    let wanted = if across == 1 { 2 * along } else { NEIGHBOURS * along };
    let step = (missing.len() / 2000).max(1);
    loop {
        let looked: Vec<_> = missing.iter().step_by(step).collect();
        let poor = |point: &&&[usize; 3]| (pattern(mask, reach, ***point).count_ones() as usize) < wanted;
        if looked.iter().filter(poor).count() * 4 <= looked.len() {
            return reach;
        }
        let wider = [0, 1, 2].map(|axis| match read_out[axis] || mask.shape[axis] == 1 {
            true => reach[axis],
            // Wide patches have few positions in the calibration region, and learn these by heart.
            false => (reach[axis] + 1).min((region[axis].saturating_sub(1) / 4).min(MOST).max(reach[axis])),
        });
        let points: usize = wider.iter().map(|reach| 2 * reach + 1).product();
        if wider == reach || points > Pattern::BITS as usize {
            return reach;
        }
        reach = wider;
    }
}

/// Points of a patch, the nearest to its centre first; none where every sampled neighbour is used, as along one axis.
fn order(mask: &Mask, reach: [usize; 3]) -> Vec<usize> {
    let along_one = (0..3).filter(|axis| mask.shape[*axis] > 1 && !mask.reads_out(*axis)).count() < 2;
    if along_one {
        return Vec::new();
    }
    let [ez, ey, ex] = reach.map(|reach| 2 * reach + 1);
    let distance = |point: &usize| {
        let place = [point / ex / ey, point / ex % ey, point % ex];
        place.iter().zip(reach).map(|(at, reach)| at.abs_diff(reach).pow(2)).sum::<usize>()
    };
    let mut order: Vec<usize> = (0..ez * ey * ex).collect();
    order.sort_by_key(|point| (distance(point), *point));
    order
}

/// The pattern without its farther points, where there are enough near ones.
fn nearest(pattern: Pattern, order: &[usize]) -> Pattern {
    if order.is_empty() {
        return pattern;
    }
    let sampled = order.iter().filter(|point| pattern >> **point & 1 == 1);
    sampled.take(NEAREST).fold(0, |kept, point| kept | 1 << point)
}

/// The ring that a point of k-space lies in, by its distance from the centre.
fn ring(shape: [usize; 3], point: [usize; 3]) -> usize {
    let part = |axis: usize| (point[axis] as f64 - (shape[axis] / 2) as f64) / shape[axis] as f64;
    let distance = (0..3).map(|axis| part(axis).powi(2)).sum::<f64>().sqrt();
    ((2.0 * distance * RINGS as f64) as usize).min(RINGS - 1)
}

/// The signal's energy a sample in each ring, by what was sampled outside the calibration region if that is enough; `noise` is
/// that of a sample.
fn energies(samples: &Array4<Complex32>, mask: &Mask, region: &[Range<usize>; 3], noise: f64) -> Vec<f64> {
    let [_, ny, nx] = mask.shape;
    // Energy and numbers, outside and inside.
    let mut rings = [[(0.0, 0_usize); 2]; RINGS];
    for ((_, z, y, x), value) in samples.indexed_iter().filter(|((_, z, y, x), _)| mask.sampled[(z * ny + y) * nx + x])
    {
        let inside = [z, y, x].iter().zip(region).all(|(at, range)| range.contains(at));
        let sum = &mut rings[ring(mask.shape, [z, y, x])][usize::from(inside)];
        *sum = (sum.0 + f64::from(value.norm_sqr()), sum.1 + 1);
    }
    let of_ring = |[outside, inside]: [(f64, usize); 2]| {
        let (energy, count) = match outside.1 >= ENOUGH * samples.dim().0 {
            true => outside,
            false => (outside.0 + inside.0, outside.1 + inside.1),
        };
        (energy / count.max(1) as f64 - noise).max(LEAST * noise)
    };
    rings.into_iter().map(of_ring).collect()
}

/// A missing point's value in every coil.
fn estimate(samples: &Array4<Complex32>, reach: [usize; 3], point: [usize; 3], kernel: &Weights) -> Vec<Complex32> {
    let (coils, nz, ny, nx) = samples.dim();
    let values = samples.as_slice().expect("C order");
    let mut places = vec![0; kernel.points.len()];
    let mut next = kernel.points.iter().zip(&mut places).peekable();
    neighbours([nz, ny, nx], reach, point, |bit, [z, y, x]| {
        if let Some((_, place)) = next.next_if(|(point, _)| **point == bit) {
            *place = (z * ny + y) * nx + x;
        }
    });
    let volume = nz * ny * nx;
    let sources: Vec<Complex32> =
        values.chunks_exact(volume).flat_map(|coil| places.iter().map(|place| coil[*place])).collect();
    let target = |coil: usize| -> Complex32 {
        kernel.values[coil * sources.len()..][..sources.len()].iter().zip(&sources).map(|(w, x)| w * x).sum()
    };
    (0..coils).map(target).collect()
}

/// As asked for.
pub fn recipe(options: &MrOptions) -> Box<dyn MrRecipe> {
    Box::new(GrappaRecipe(options.clone()))
}

//! Coil maps of a scan, slice by slice, from the fully sampled centre of its k-space or, along a trajectory, from the image at low
//! resolution that its samples agree with.

use std::sync::Arc;

use ndarray::{Array4, Array5, ArrayView4, Axis, s};
use num_complex::Complex32;

use super::{MrOptions, encoding::TOLERANCE};
use crate::{
    calibration::{
        Espirit, calibration_data,
        density::{self, density_compensation},
        fully_sampled_region,
    },
    device::{Device, Element},
    error::{Error, Result},
    geometry::Trajectory,
    operators::{Axis as FourierAxis, Fourier, LinearOperator, Nufft, Toeplitz, coils::interleaved},
    scan::{Encoding, KSpace},
    solvers::{LinearSystem, Solver},
};

/// Side of the calibration region where nothing is said: more is rarely of use (Uecker et al. 2014).
const CALIBRATION: usize = 24;
/// Frames along trajectories that are gridded for a slice's maps, at most.
const GRIDDED: usize = 8;

/// Maps `[set, coil, z, y, x]` of each slice; `slices` names that of each frame. Where nobody says how many sets there are, it is 1
/// unless `several` are of use.
pub fn maps(
    scan: &KSpace,
    slices: &[usize],
    (options, several): (&MrOptions, bool),
    notes: &mut Vec<String>,
) -> Result<Vec<Array5<Complex32>>> {
    let count = slices.iter().max().map_or(1, |most| most + 1);
    if scan.coils() == 1 {
        // Whatever a single coil sees is the image.
        notes.push("one coil: its map is 1".into());
        let [nz, ny, nx] = scan.matrix();
        return Ok(vec![Array5::from_elem((1, 1, nz, ny, nx), Complex32::ONE); count]);
    }
    let (mut maps, mut folded, mut first) = (Vec::with_capacity(count), 0, true);
    for slice in 0..count {
        let frames: Vec<usize> = (0..scan.frames()).filter(|frame| slices[*frame] == slice).collect();
        if frames.iter().all(|frame| scan.lacks(*frame)) {
            let [nz, ny, nx] = scan.matrix();
            maps.push(Array5::zeros((1, scan.coils(), nz, ny, nx)));
            continue;
        }
        let (data, what) = calibration(scan, &frames, options)?;
        if std::mem::take(&mut first) {
            notes.push(what);
        }
        let views: Vec<ArrayView4<Complex32>> = data.iter().map(|data| data.view()).collect();
        let sets = options.espirit.sets.or(if several { None } else { Some(1) });
        let found = Espirit { sets, ..options.espirit }.maps(&views, scan.matrix())?;
        folded += usize::from(found.folded);
        maps.push(found.maps);
    }
    let of = if count > 1 { format!(" in {folded} of {count} slices") } else { String::new() };
    match (folded, options.espirit.sets) {
        (1.., None) if several => notes.push(format!(
            "two sets of coil maps{of}: the object fills the field of view or is larger, so that parts of it fold onto others"
        )),
        (1.., None | Some(1)) => notes.push(format!(
            "the object fills the field of view or is larger{of}, and one set of coil maps cannot say what folds onto what: sense \
             takes two"
        )),
        _ => {}
    }
    Ok(maps)
}

/// The calibration data `[coil, z, y, x]` of frames that have the most of them, of frames some of which do not lack; and what was taken.
fn calibration(scan: &KSpace, frames: &[usize], options: &MrOptions) -> Result<(Vec<Array4<Complex32>>, String)> {
    let limit = options.calibration.unwrap_or(CALIBRATION);
    let samples = |frame: usize| scan.samples.slice(s![frame, .., .., .., ..]);
    let some: Vec<usize> = frames.iter().copied().filter(|frame| !scan.lacks(*frame)).collect();
    let masks = match &scan.encoding {
        Encoding::Cartesian(masks) => masks,
        Encoding::Trajectory(list) => {
            let step = some.len().div_ceil(GRIDDED);
            let one = |frame: &usize| gridded(samples(*frame), &list[if list.len() > 1 { *frame } else { 0 }], limit);
            let data = some.iter().step_by(step).map(one).collect::<Result<Vec<_>>>()?;
            let extent = data[0].dim().3;
            let what = format!("coil maps by ESPIRiT from the central {extent} cycles per field of view, gridded");
            return Ok((data, what));
        }
    };
    let mask = |frame: usize| &masks[if masks.len() > 1 { frame } else { 0 }];
    let mut regions = Vec::with_capacity(some.len());
    for frame in &some {
        // Alike for all where there is one mask.
        let region = match regions.first() {
            Some(first) if masks.len() == 1 => Ok(Clone::clone(first)),
            _ => fully_sampled_region(mask(*frame), limit),
        };
        match region {
            Ok(region) => regions.push(region),
            Err(error) if some.len() == 1 => return Err(error),
            Err(_) => regions.push([0..0, 0..0, 0..0]),
        }
    }
    let points = |region: &[std::ops::Range<usize>; 3]| region.iter().map(|range| range.len()).product::<usize>();
    let best = regions.iter().max_by_key(|region| points(region)).expect("at least one frame").clone();
    if points(&best) == 0 {
        fully_sampled_region(mask(some[0]), limit)?;
    }
    let chosen = some.iter().zip(&regions).filter(|(_, region)| **region == best);
    let data = chosen.map(|(frame, region)| calibration_data(samples(*frame), region)).collect();
    let [z, y, x] = best.map(|range| range.len());
    let what = if z > 1 { format!("{x} × {y} × {z}") } else { format!("{x} × {y}") };
    Ok((data, format!("coil maps by ESPIRiT from the central {what} points of k-space")))
}

/// The central k-space of samples along a trajectory, `[coil, z, y, x]`: the image at low resolution that they agree with best,
/// by conjugate gradients, and its transform.
fn gridded(samples: ArrayView4<Complex32>, trajectory: &Trajectory, limit: usize) -> Result<Array4<Complex32>> {
    const ROUNDS: usize = 12;
    // A margin, since the outermost points have neighbours on one side only.
    let [nz, ny, nx] = trajectory.matrix.map(|extent| extent.min(limit + limit / 3));
    let inside = |point: &[f32; 3]| point.iter().zip([nx, ny, nz]).all(|(k, n)| n == 1 || k.abs() <= 0.5 * n as f32);
    let kept: Vec<usize> = (0..trajectory.points.len()).filter(|index| inside(&trajectory.points[*index])).collect();
    let centre =
        Trajectory { matrix: [nz, ny, nx], points: kept.iter().map(|index| trajectory.points[*index]).collect() };
    if kept.is_empty() {
        return Err(Error::Scan(
            "no sample lies near the centre of k-space: there is no calibration region; give --maps".into(),
        ));
    }
    let (device, coils) = (Device::cpu(), samples.dim().0);
    let weights = density_compensation(&centre, density::ROUNDS)?;
    let nufft = Nufft::new(&device, &centre, coils, TOLERANCE)?;
    let mut lines = Vec::with_capacity(2 * coils * kept.len());
    for coil in samples.axis_iter(Axis(0)) {
        let value = |index: usize| coil[[0, 0, kept[index]]] * weights[index];
        lines.extend((0..kept.len()).map(|index| value(index).re));
        lines.extend((0..kept.len()).map(|index| value(index).im));
    }
    let mut right = device.zeros(nufft.domain(), Element::F32)?;
    nufft.adjoint(&device.upload(nufft.range(), lines)?, &mut right)?;
    let normal = Arc::new(Toeplitz::new(&device, &centre, &weights, (coils, TOLERANCE))?);
    let start = device.zeros(nufft.domain(), Element::F32)?;
    let mut solver = LinearSystem::new(&device, normal, right, start, 0.0)?;
    for _ in 0..ROUNDS {
        solver.next().expect("solvers never end")?;
    }
    let axes: Vec<FourierAxis> = [(FourierAxis::Z, nz), (FourierAxis::Y, ny), (FourierAxis::X, nx)]
        .into_iter()
        .filter_map(|(axis, extent)| (extent > 1).then_some(axis))
        .collect();
    let mut spectrum = device.zeros(nufft.domain(), Element::F32)?;
    Fourier::centred(&device, coils, [nz, ny, nx], &axes)?.forward(solver.solution(), &mut spectrum)?;
    let values = interleaved(&device.download::<f32>(&spectrum)?, nx);
    let all = Array4::from_shape_vec([coils, nz, ny, nx], values).expect("a low-resolution image a coil");
    let middle = |extent: usize| {
        let kept = extent.min(limit);
        extent / 2 - kept / 2..extent / 2 - kept / 2 + kept
    };
    Ok(calibration_data(all.view(), &[middle(nz), middle(ny), middle(nx)]))
}

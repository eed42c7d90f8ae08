//! From a scan as it was measured to samples and coil maps: noise whitened, coils compressed, sensitivities calibrated.

use std::sync::Arc;

use ndarray::{Array4, Array5, ArrayView4, ArrayView5, Axis, s};
use num_complex::Complex32;

use super::{MrOptions, encoding::TOLERANCE};
use crate::{
    calibration::{
        Compression, Keep, Whitening, calibration_data,
        density::{self, density_compensation},
        fully_sampled_region,
    },
    device::{Device, Element},
    error::{Error, Result},
    geometry::Trajectory,
    monitor::Monitor,
    operators::{Axis as FourierAxis, Fourier, LinearOperator, Nufft, Toeplitz, coils::interleaved},
    scan::{Encoding, FrameAxis, KSpace},
    solvers::{LinearSystem, Solver},
};

/// Side of the calibration region where nothing is said: more is rarely of use (Uecker et al. 2014).
const CALIBRATION: usize = 24;
/// Share of the energy that virtual coils keep, and the number of coils from which on that is tried.
const ENERGY: f64 = 0.9995;
const MANY: usize = 13;

/// A scan that is ready to be reconstructed.
pub struct Prepared {
    /// Whitened and compressed.
    pub scan: KSpace,
    /// `[set, coil, z, y, x]`, one entry a slice; none if nobody asked.
    maps: Vec<Array5<Complex32>>,
    /// Slice of each frame.
    slices: Vec<usize>,
    /// What was done.
    pub notes: Vec<String>,
}

impl Prepared {
    /// The maps of a frame, `[set, coil, z, y, x]`.
    ///
    /// # Panics
    /// If it was prepared without maps.
    #[track_caller]
    pub fn maps(&self, frame: usize) -> ArrayView5<'_, Complex32> {
        self.some_maps(frame).expect("maps were asked for")
    }

    /// The same, if there are maps.
    pub fn some_maps(&self, frame: usize) -> Option<ArrayView5<'_, Complex32>> {
        self.maps.get(self.slices[frame]).map(|maps| maps.view())
    }

    /// Frames by the slice that they show.
    pub fn frames_by_slice(&self) -> Vec<Vec<usize>> {
        let count = self.slices.iter().max().map_or(1, |most| most + 1);
        let of = |slice: usize| (0..self.slices.len()).filter(|frame| self.slices[*frame] == slice).collect();
        (0..count).map(of).collect()
    }
}

/// Whitens and compresses; maps there are only where they were given.
pub fn uncalibrated(scan: KSpace, options: &MrOptions, monitor: &Monitor) -> Result<Prepared> {
    scan.check()?;
    let mut notes = Vec::new();
    let scan = monitor
        .step("coils", 1, || whiten(scan, options, &mut notes).and_then(|scan| compress(scan, options, &mut notes)))?;
    let slices = slices(&scan);
    let maps = match &options.maps {
        Some(maps) => vec![given(maps, &scan)?; slices.iter().max().map_or(1, |most| most + 1)],
        None => Vec::new(),
    };
    Ok(Prepared { scan, maps, slices, notes })
}

/// Whitens, compresses and calibrates.
pub fn prepare(scan: KSpace, options: &MrOptions, monitor: &Monitor) -> Result<Prepared> {
    let mut prepared = uncalibrated(scan, options, monitor)?;
    if options.maps.is_none() {
        let Prepared { scan, slices, notes, .. } = &mut prepared;
        prepared.maps = monitor.step("calibrate", 1, || calibrate(scan, slices, options, notes))?;
    }
    Ok(prepared)
}

fn whiten(mut scan: KSpace, options: &MrOptions, notes: &mut Vec<String>) -> Result<KSpace> {
    // Maps that were given are those of the coils as they are.
    if let (Some(noise), None) = (&scan.noise, &options.maps) {
        let whitening = Whitening::from_noise(noise.view())?;
        whitening.apply(&mut scan.samples);
        // As large as it was, so that the same scan without its noise scan gives the same image.
        let square = noise.iter().map(|value| f64::from(value.norm_sqr())).sum::<f64>() / noise.len() as f64;
        scan.samples.mapv_inplace(|value| value * square.sqrt() as f32);
        notes.push(format!("noise whitened by {} samples of noise", noise.ncols()));
    }
    scan.noise = None;
    Ok(scan)
}

fn compress(mut scan: KSpace, options: &MrOptions, notes: &mut Vec<String>) -> Result<KSpace> {
    let coils = scan.coils();
    let keep = match options.virtual_coils {
        Some(count) => Keep::Coils(count),
        None if options.maps.is_some() || coils < MANY => return Ok(scan),
        None => Keep::Energy(ENERGY),
    };
    if options.maps.is_some() {
        return Err(Error::Option(
            "maps are of the coils as they are: give either them or a number of virtual coils".into(),
        ));
    }
    let compression = Compression::new(scan.samples.index_axis(Axis(0), 0), keep)?;
    if compression.coils() < coils {
        scan.samples = compression.apply(&scan.samples);
        notes.push(format!("{coils} coils compressed to {}", compression.coils()));
    }
    Ok(scan)
}

/// The slice that each frame shows: frames of one slice share their maps.
fn slices(scan: &KSpace) -> Vec<usize> {
    let of = |frame: usize| {
        let mut rest = frame;
        let mut slice = 0;
        for (axis, count) in scan.axes.iter().rev() {
            if *axis == FrameAxis::Slice {
                slice = rest % count;
            }
            rest /= count;
        }
        slice
    };
    (0..scan.frames()).map(of).collect()
}

fn given(maps: &Array4<Complex32>, scan: &KSpace) -> Result<Array5<Complex32>> {
    let (coils, nz, ny, nx) = maps.dim();
    if coils != scan.coils() || [nz, ny, nx] != scan.matrix() {
        return Err(Error::Scan(format!(
            "the maps have {coils} coils of {:?} (z, y, x), the scan {} of {:?}: they must be alike",
            [nz, ny, nx],
            scan.coils(),
            scan.matrix()
        )));
    }
    Ok(maps.clone().insert_axis(Axis(0)))
}

fn calibrate(
    scan: &KSpace,
    slices: &[usize],
    options: &MrOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<Array5<Complex32>>> {
    let count = slices.iter().max().map_or(1, |most| most + 1);
    let mut maps = Vec::with_capacity(count);
    for slice in 0..count {
        let frames: Vec<usize> = (0..scan.frames()).filter(|frame| slices[*frame] == slice).collect();
        let (data, what) = calibration(scan, &frames, options)?;
        if slice == 0 {
            notes.push(what);
        }
        maps.push(options.espirit.maps(data.view(), scan.matrix())?.maps);
    }
    Ok(maps)
}

/// The calibration data of some frames, `[coil, z, y, x]`, in the mean over the frames; and what was taken.
fn calibration(scan: &KSpace, frames: &[usize], options: &MrOptions) -> Result<(Array4<Complex32>, String)> {
    let limit = options.calibration.unwrap_or(CALIBRATION);
    let masks = match &scan.encoding {
        Encoding::Cartesian(masks) => masks,
        Encoding::Trajectory(list) => {
            let trajectory = &list[if list.len() > 1 { frames[0] } else { 0 }];
            return gridded(scan.samples.index_axis(Axis(0), frames[0]), trajectory, limit);
        }
    };
    let mask = &masks[if masks.len() > 1 { frames[0] } else { 0 }];
    let region = fully_sampled_region(mask, limit)?;
    let [z, y, x] = region.clone().map(|range| range.len());
    let mut sum = calibration_data(scan.samples.slice(s![frames[0], .., .., .., ..]), &region);
    for frame in &frames[1..] {
        sum += &calibration_data(scan.samples.slice(s![*frame, .., .., .., ..]), &region);
    }
    let what = if mask.shape[0] > 1 { format!("{x} × {y} × {z}") } else { format!("{x} × {y}") };
    Ok((sum, format!("coil maps by ESPIRiT from the central {what} points of k-space")))
}

/// The central k-space of samples along a trajectory, `[coil, z, y, x]`: the image at low resolution that they agree with best,
/// by conjugate gradients, and its transform.
fn gridded(
    samples: ArrayView4<Complex32>,
    trajectory: &Trajectory,
    limit: usize,
) -> Result<(Array4<Complex32>, String)> {
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
    let data = calibration_data(all.view(), &[middle(nz), middle(ny), middle(nx)]);
    let what = format!("coil maps by ESPIRiT from the central {} cycles per field of view, gridded", data.dim().3);
    Ok((data, what))
}

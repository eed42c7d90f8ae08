//! Frame by frame: what every recipe does around its own part.

use ndarray::{Array3, Array4, Axis};
use num_complex::Complex32;

use super::{
    MrOptions, MrReconstruction,
    encoding::Encoded,
    prepare::{Prepared, prepare_sets},
};
use crate::{
    device::Device,
    error::{Error, Result},
    image::ComplexImage,
    monitor::Monitor,
    recipes::iteration::Iteration,
    scan::{FrameAxis, KSpace},
};

/// Prepares a scan and hands each frame to `one`, which makes its image `[z, y, x]` and says how.
pub fn each_frame(
    (name, options): (&str, &MrOptions),
    scan: KSpace,
    (device, monitor): (&Device, &Monitor),
    mut one: impl FnMut(&Encoded) -> Result<(Array3<Complex32>, Vec<String>)>,
) -> Result<MrReconstruction> {
    check(options)?;
    each(name, (options, false), scan, (device, monitor), |encoded, prepared, frame| {
        let (image, said) = one(encoded)?;
        Ok((prepared.scaled(frame, image), said))
    })
}

/// The same where `one` takes any number of sets of maps and makes their images, planar.
pub fn each_frame_of_sets(
    (name, options): (&str, &MrOptions),
    scan: KSpace,
    (device, monitor): (&Device, &Monitor),
    mut one: impl FnMut(&Encoded) -> Result<(Array3<Complex32>, Vec<String>)>,
) -> Result<MrReconstruction> {
    check_all_but_sets(options)?;
    each(name, (options, true), scan, (device, monitor), |encoded, _, _| one(encoded))
}

fn each(
    name: &str,
    options: (&MrOptions, bool),
    scan: KSpace,
    (device, monitor): (&Device, &Monitor),
    mut one: impl FnMut(&Encoded, &Prepared, usize) -> Result<(Array3<Complex32>, Vec<String>)>,
) -> Result<MrReconstruction> {
    let mut prepared = prepare_sets(scan, options, monitor)?;
    let mut notes = std::mem::take(&mut prepared.notes);
    let mut frames = Vec::new();
    let mut first = true;
    for frame in 0..prepared.scan.frames() {
        if prepared.scan.lacks(frame) {
            frames.push(Array3::zeros(prepared.scan.matrix()));
            continue;
        }
        let encoded = monitor.step("plan", 1, || Encoded::new(device, &prepared, frame))?;
        let (image, said) = one(&encoded, &prepared, frame)?;
        if std::mem::take(&mut first) {
            notes.extend(said);
        }
        frames.push(image);
    }
    Ok(MrReconstruction { image: assembled(name, &prepared.scan, &frames), notes })
}

/// Refuses what no MR recipe can be asked, and more than one set of maps.
pub fn check(options: &MrOptions) -> Result<()> {
    if let Some(sets @ 2..) = options.espirit.sets {
        return Err(Error::Option(format!("{sets} sets of coil maps are for --method sense")));
    }
    check_all_but_sets(options)
}

fn check_all_but_sets(options: &MrOptions) -> Result<()> {
    options.strength.check()?;
    if options.iteration.count == Some(0) {
        return Err(Error::Option("--iterations 0 makes no image; give 1 or more, or auto".into()));
    }
    if options.iteration.start.is_some() {
        return Err(Error::Option("--start is not for MR: its solvers begin with what the coils say together".into()));
    }
    match options.calibration {
        Some(0) => Err(Error::Option("a calibration region of 0: give its side, such as --calibration 24".into())),
        _ => Ok(()),
    }
}

/// What is to be said of frames of which nothing was measured.
pub fn lacking(scan: &KSpace) -> Option<String> {
    const NAMED: usize = 4;
    let lacking: Vec<usize> = (0..scan.frames()).filter(|frame| scan.lacks(*frame)).collect();
    if lacking.is_empty() {
        return None;
    }
    let named: Vec<String> = lacking.iter().take(NAMED).map(|frame| scan.name_of(*frame)).collect();
    let more = if lacking.len() > NAMED { format!(" and {} more", lacking.len() - NAMED) } else { String::new() };
    Some(format!("nothing was measured of {}{more}: the image there is 0", named.join("; ")))
}

/// Frames put together, and what is to be shown cut out; slices of one voxel along z that were excited one by one lie along z.
pub fn assembled(name: &str, scan: &KSpace, frames: &[Array3<Complex32>]) -> ComplexImage {
    let views: Vec<_> = frames.iter().map(|frame| frame.view()).collect();
    let values = ndarray::stack(Axis(0), &views).expect("frames of one shape");
    let mut grid = scan.grid;
    let slices = scan.axes.iter().position(|(axis, _)| *axis == FrameAxis::Slice);
    let values = match slices {
        Some(at) if grid.shape[0] == 1 => {
            let (counts, (ny, nx)) = (scan.axes.iter().map(|(_, count)| *count), (grid.shape[1], grid.shape[2]));
            let mut shape: Vec<usize> = counts.collect();
            grid.shape[0] = shape[at];
            shape.extend([ny, nx]);
            let mut order: Vec<usize> = (0..shape.len()).filter(|axis| *axis != at).collect();
            order.insert(order.len() - 2, at);
            let rest = frames.len() / grid.shape[0];
            let values = values.into_shape_with_order(shape).expect("one frame a slice and so on").permuted_axes(order);
            let values: Vec<Complex32> = values.iter().copied().collect();
            Array4::from_shape_vec([rest, grid.shape[0], ny, nx], values).expect("the same numbers")
        }
        _ => values,
    };
    let image =
        ComplexImage { values, grid, unit: scan.unit, frame_step: None, provenance: crate::recipes::provenance(name) };
    match scan.seen {
        // Slices side by side are more than the one voxel that each has.
        Some([z, y, x]) => image.middle([if scan.grid.shape[0] == 1 { grid.shape[0] } else { z }, y, x]),
        None => image,
    }
}

/// The iteration's options for complex images, whose observer is shown magnitudes.
pub fn iteration(options: &MrOptions, [nz, ny, nx]: [usize; 3]) -> Iteration {
    use crate::recipes::iteration::{Observer, Snapshot};
    let observer = options.iteration.observer.clone().map(|observer| -> Observer {
        std::sync::Arc::new(move |snapshot: &Snapshot| {
            let size = |line: usize, x: usize| {
                let part = |channel: usize| snapshot.image[[line / ny, line % ny, channel * nx + x]];
                part(0).hypot(part(1))
            };
            let image = Array3::from_shape_fn([nz, ny, nx], |(z, y, x)| size(z * ny + y, x));
            observer(&Snapshot { image: &image, ..*snapshot })
        })
    });
    Iteration { observer, ..options.iteration.clone() }
}

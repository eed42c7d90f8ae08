//! What recipes share that make an image of each coil: transforms of single coils, and the way from coil images to one image.

use ndarray::{Array3, Array4, ArrayView4, Axis};
use num_complex::Complex32;

use super::{
    Combine, MrOptions, MrReconstruction, combine,
    frames::{assembled, check},
    prepare::{Prepared, prepare, uncalibrated},
};
use crate::{
    device::Device,
    error::Result,
    geometry::Mask,
    monitor::Monitor,
    operators::{
        Axis as FourierAxis, Direction, Fourier,
        coils::{interleaved, planar},
    },
    scan::{Encoding, KSpace},
};

/// Prepares a scan, lets `one` make the coil images `[coil, z, y, x]` of each frame, and combines them: with maps if there are
/// some, and `calibrated` says whether they are worth making.
pub fn each_frame(
    (name, options): (&str, &MrOptions),
    scan: KSpace,
    monitor: &Monitor,
    calibrated: bool,
    mut one: impl FnMut(&KSpace, usize) -> Result<(Array4<Complex32>, Vec<String>)>,
) -> Result<MrReconstruction> {
    check(options)?;
    let calibrated = calibrated && options.combine.is_none();
    let mut prepared = (if calibrated { prepare } else { uncalibrated })(scan, options, monitor)?;
    let mut notes = std::mem::take(&mut prepared.notes);
    let (mut frames, mut first) = (Vec::new(), true);
    for frame in 0..prepared.scan.frames() {
        if prepared.scan.lacks(frame) {
            frames.push(Array3::zeros(prepared.scan.matrix()));
            continue;
        }
        let (images, said) = monitor.step("coil images", 1, || one(&prepared.scan, frame))?;
        if std::mem::take(&mut first) {
            notes.extend(said);
            notes.push(how(options, &prepared));
        }
        let image = monitor.step("combine", 1, || {
            let mixture = prepared.mixture(frame);
            Ok(match (options.combine, prepared.some_maps(frame)) {
                (Some(Combine::RootSumOfSquares), _) => combine::root_sum_of_squares(images.view(), mixture),
                (None, Some(maps)) => {
                    prepared.scaled(frame, combine::with_maps(images.view(), maps.index_axis(Axis(0), 0)))
                }
                _ => combine::adaptive(images.view(), mixture),
            })
        })?;
        frames.push(image);
    }
    Ok(MrReconstruction { image: assembled(name, &prepared.scan, &frames), notes })
}

fn how(options: &MrOptions, prepared: &Prepared) -> String {
    match (options.combine, prepared.some_maps(0)) {
        (Some(Combine::RootSumOfSquares), _) => "coils combined by root sum of squares: the phase is lost".into(),
        (None, Some(_)) => "coils combined with their maps".into(),
        _ => "coils combined adaptively (Walsh 2000)".into(),
    }
}

/// The Fourier axes of a matrix.
pub fn axes(matrix: [usize; 3]) -> Vec<FourierAxis> {
    let all = [(FourierAxis::Z, matrix[0]), (FourierAxis::Y, matrix[1]), (FourierAxis::X, matrix[2])];
    all.into_iter().filter_map(|(axis, extent)| (extent > 1).then_some(axis)).collect()
}

/// The image of each coil from its Cartesian k-space, both `[coil, z, y, x]`.
pub fn of_kspace(device: &Device, samples: ArrayView4<Complex32>) -> Result<Array4<Complex32>> {
    let (coils, nz, ny, nx) = samples.dim();
    let matrix = [nz, ny, nx];
    let fourier = Fourier::centred(device, coils, matrix, &axes(matrix))?;
    let mut images = device.upload(&[coils * nz * ny, 2, nx], planar(samples.rows().into_iter()))?;
    fourier.transform(Direction::Adjoint, &mut images);
    let values = interleaved(&device.download(&images)?, nx);
    Ok(Array4::from_shape_vec([coils, nz, ny, nx], values).expect("as many as there were"))
}

/// The mask of a frame on a Cartesian grid.
pub fn mask<'a>(scan: &'a KSpace, frame: usize, name: &str) -> Result<&'a Mask> {
    match &scan.encoding {
        Encoding::Cartesian(masks) => Ok(&masks[if masks.len() > 1 { frame } else { 0 }]),
        Encoding::Trajectory(_) => Err(crate::Error::Scan(format!(
            "{name} is for samples on a Cartesian grid, and these lie along a trajectory; sense, l1-wavelet, tv, tgv, low-rank and \
             zero-filled take them"
        ))),
    }
}

//! ISMRMRD's samples that bring their points of k-space with them.

use ndarray::{Array5, s};

use super::{ismrmrd_acquisitions::Acquisition, ismrmrd_frames::Frames, ismrmrd_header::Header, place::Place};
use crate::{
    error::Result,
    geometry::{Grid, Trajectory},
    scan::{Encoding, KSpace},
};

/// Samples in the order of their acquisition, along the points that these bring with them.
///
/// Points within ±½ are cycles per voxel, the usual way; else they are cycles per field of view.
pub(super) fn along_trajectory(
    place: &Place,
    header: &Header,
    used: &[&Acquisition],
    frames: &Frames,
) -> Result<KSpace> {
    if let Some(bare) = used.iter().position(|acquisition| acquisition.trajectory_dimensions < 2) {
        return Err(place.error(format!(
            "its header says that the trajectory is {}, and image acquisition {bare} holds no points of k-space: add them (traj), or give samples and --trajectory",
            known(&header.trajectory)
        )));
    }
    let [nx, ny, nz] = header.encoded.matrix;
    let (coils, count) = (used[0].coils, frames.count());
    let mut by_frame = vec![Vec::new(); count.min(used.len())];
    for acquisition in used {
        let frame = by_frame.get_mut(frames.index(acquisition));
        frame.ok_or_else(|| place.error("frames without an acquisition"))?.push(*acquisition);
    }
    let samples_of = |list: &[&Acquisition]| list.iter().map(|acquisition| acquisition.kept().len()).sum::<usize>();
    // A frame that lacks takes the points of another, and its samples stay 0.
    let there = by_frame.iter().position(|list| !list.is_empty()).unwrap_or(0);
    let points = by_frame.get(there).map_or(0, |list| samples_of(list));
    if by_frame.len() != count || by_frame.iter().any(|list| !list.is_empty() && samples_of(list) != points) {
        return Err(
            place.error("frames with different numbers of samples along their trajectories, which cannot be read")
        );
    }
    let mut samples = Array5::zeros((count, coils, 1, 1, points));
    let mut trajectories = Vec::new();
    for (frame, list) in by_frame.iter().enumerate() {
        let mut at = 0;
        let mut path = Vec::with_capacity(points);
        for acquisition in list {
            let (kept, width) = (acquisition.kept(), acquisition.trajectory_dimensions);
            for (coil, row) in acquisition.data.chunks_exact(acquisition.samples.max(1)).enumerate() {
                let mut target = samples.slice_mut(s![frame, coil, 0, 0, at..at + kept.len()]);
                target.iter_mut().zip(&row[kept.clone()]).for_each(|(target, value)| *target = *value);
            }
            let point = |i: usize, axis: usize| acquisition.trajectory.get(i * width + axis).filter(|_| axis < width);
            // In two dimensions, a third number is a weight.
            let depth = |i: usize| if nz > 1 { point(i, 2) } else { None };
            let of = |k: Option<&f32>| k.copied().unwrap_or(0.0);
            path.extend(kept.clone().map(|i| [of(point(i, 0)), of(point(i, 1)), of(depth(i))]));
            at += kept.len();
        }
        trajectories.push(Trajectory { matrix: [nz, ny, nx], points: path });
    }
    if let Some(known) = trajectories.get(there).cloned() {
        trajectories.iter_mut().filter(|path| path.points.is_empty()).for_each(|path| *path = known.clone());
    }
    let far =
        trajectories.iter().flat_map(|path| path.points.iter().flatten()).fold(0.0_f32, |far, k| far.max(k.abs()));
    if far <= 0.5005 {
        let scale = [nx, ny, nz].map(|extent| extent as f32);
        for point in trajectories.iter_mut().flat_map(|path| path.points.iter_mut()) {
            point.iter_mut().zip(scale).for_each(|(k, extent)| *k *= extent);
        }
    }
    if let Some(furthest) = trajectories.iter().max_by(|a, b| a.reach().total_cmp(&b.reach())) {
        let other = |error| place.error(format!("{error}; ISMRMRD has cycles per voxel, ±½, or per field of view"));
        furthest.check_unit().map_err(other)?;
    }
    if trajectories.iter().all(|path| *path == trajectories[0]) {
        trajectories.truncate(1);
    }
    Ok(KSpace {
        samples,
        encoding: Encoding::Trajectory(trajectories),
        grid: Grid::centered([nz, ny, nx], [1.0; 3], [0.0; 3]),
        unit: header.unit,
        axes: frames.axes(),
        noise: None,
        seen: None,
    })
}

/// The header's word, if it is one of the schema's: others are not repeated.
fn known(trajectory: &str) -> &str {
    match trajectory {
        "radial" | "goldenangle" | "spiral" => trajectory,
        _ => "not Cartesian",
    }
}

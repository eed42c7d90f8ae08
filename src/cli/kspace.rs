//! What `rushlight show` says of k-space: matrix, coils, frames, where the samples lie, and what calibration will find.

use std::path::Path;

use rushlight::{
    Result,
    calibration::fully_sampled_region,
    geometry::{LengthUnit, Mask, Trajectory},
    io::{self, KSpaceLayout},
    scan::{Encoding, FrameAxis, KSpace, misread},
};

use super::show::Lines;

/// Reads a scan as `recon` would, and tells what it is.
pub fn understood(file: &Path, axes: Option<&KSpaceLayout>) -> Result<Lines> {
    let header = io::has_mr_header(file)?;
    let scan = io::read_kspace(file, axes)?;
    let mut lines = vec![(
        "holds",
        match header {
            true => "k-space, by its header".to_string(),
            false => "complex numbers: k-space, if this is no image; zeros were not sampled".to_string(),
        },
    )];
    let [nz, ny, nx] = scan.matrix();
    let [dz, dy, dx] = scan.grid.voxel();
    lines.push(("matrix", format!("{nx} × {ny} × {nz} (x, y, z)")));
    lines.push((
        "voxel",
        match scan.unit {
            LengthUnit::Millimetre => format!("{dx:.4} × {dy:.4} × {dz:.4} mm (x, y, z)"),
            LengthUnit::Cell => "not known".into(),
        },
    ));
    if let Some([z, y, x]) = scan.seen {
        lines.push(("shown", format!("the middle {x} × {y} × {z} (x, y, z): what is around it is phase oversampling")));
    }
    lines.push(("coils", scan.coils().to_string()));
    lines.push(("frames", frames(&scan)));
    match &scan.encoding {
        Encoding::Cartesian(masks) => lines.extend(cartesian(masks)),
        Encoding::Trajectory(list) => lines.extend(along(list)),
    }
    lines.push((
        "noise scan",
        match &scan.noise {
            Some(noise) => format!("{} samples a coil", noise.ncols()),
            None => "none: coils count as equally noisy".into(),
        },
    ));
    lines.extend(misread::remarks(&scan, io::kspace_axes(file, axes)?).into_iter().map(|remark| ("remark", remark)));
    let most = scan.samples.iter().fold(0.0_f32, |most, value| most.max(value.norm()));
    let square: f64 = scan.samples.iter().map(|value| f64::from(value.norm_sqr())).sum();
    lines.push(("signal", format!("up to {most:.4e}, energy {square:.4e} (Σ|sample|²)")));
    Ok(lines)
}

fn frames(scan: &KSpace) -> String {
    if scan.axes.is_empty() {
        return "1".into();
    }
    let axis = |(axis, count): &(FrameAxis, usize)| {
        let of = match axis {
            FrameAxis::Slice => "slices",
            FrameAxis::Contrast => "echoes",
            FrameAxis::Average => "averages",
            FrameAxis::Phase => "phases of the heart",
            FrameAxis::Repetition => "points in time",
            FrameAxis::Set => "sets",
        };
        format!("{count} {of}")
    };
    let list: Vec<_> = scan.axes.iter().map(axis).collect();
    let lacking = (0..scan.frames()).filter(|frame| scan.lacks(*frame)).count();
    let lacking = if lacking > 0 { format!("; {lacking} of which nothing was measured") } else { String::new() };
    format!("{}: {}{lacking}", scan.frames(), list.join(" × "))
}

fn cartesian(masks: &[Mask]) -> Lines {
    // Of some frames nothing may have been measured.
    let first = masks.iter().find(|mask| mask.count() > 0).unwrap_or(&masks[0]);
    let names = ["z", "y", "x"];
    let whole: Vec<_> =
        (0..3).rev().filter(|axis| first.shape[*axis] > 1 && first.reads_out(*axis)).map(|axis| names[axis]).collect();
    let whole = match whole[..] {
        [] => String::new(),
        _ => format!(", whole along {}", whole.join(" and ")),
    };
    let differ = if masks.len() > 1 { "; frames differ, this is the first" } else { "" };
    let region = match fully_sampled_region(first, usize::MAX) {
        Ok(region) => {
            let [z, y, x] = region.map(|range| range.len());
            format!("{x} × {y} × {z} (x, y, z), sampled without a gap around the centre")
        }
        Err(_) => "none: the centre of k-space was not sampled, so coil maps must be given".into(),
    };
    vec![
        (
            "samples",
            format!(
                "Cartesian, {} of {} points, R = {:.3}{whole}{differ}",
                first.count(),
                first.sampled.len(),
                first.acceleration()
            ),
        ),
        ("calibration region", region),
    ]
}

fn along(list: &[Trajectory]) -> Lines {
    let first = &list[0];
    let reach = |axis: usize| first.points.iter().fold(0.0_f32, |most, point| most.max(point[axis].abs()));
    let differ = if list.len() > 1 { "; frames differ, this is the first" } else { "" };
    let [x, y, z] = [0, 1, 2].map(reach);
    vec![
        ("samples", format!("{} points of a trajectory{differ}", first.points.len())),
        ("reach", format!("{x:.2}, {y:.2}, {z:.2} cycles per field of view (x, y, z)")),
    ]
}

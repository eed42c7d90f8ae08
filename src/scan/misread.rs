//! Signs that k-space was taken for what it is not: other axes, another order, an image.
//!
//! The energy Σ|sample|² of k-space lies about its middle, along every axis that was Fourier encoded and along no other.
//! With E the energies of an axis' planes less their median (noise), the axis is encoded if
//!
//! ```text
//! Σ E over the middle quarter ≥ ½ Σ E
//! ```

use num_complex::Complex32;

use super::{Encoding, KSpace};

/// Who says what the axes of k-space are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axes {
    /// A header beside the numbers.
    Header,
    /// The user, or a format that fixes them.
    Named,
    /// Nobody: they were assumed by their number.
    Assumed,
}

/// A grid so many times longer than it is high is rather coils times samples along a trajectory.
const LONG: usize = 8;
/// (ΣP)² / (n ΣP²), the share of `n` points that hold the energy P: k-space has less than the first, noise more; an image
/// has more than the second.
const GATHERED: f64 = 0.2;
const SPREAD: f64 = 0.1;
/// From so many planes on an axis has a peak if one plane has so many times the energy of the median.
const MANY: usize = 8;
const PEAK: f64 = 20.0;
/// Neighbours in an image correlate more than those in the k-space of anything that is larger than a few voxels.
const SMOOTH: f64 = 0.8;
/// A part of an image is air: energies below so much of the greatest.
const AIR: f64 = 0.01;

/// What looks wrong, in words, and what would mend it; nothing where all is as it should be.
pub fn remarks(scan: &KSpace, axes: Axes) -> Vec<String> {
    if axes == Axes::Header {
        return Vec::new();
    }
    let found = match &scan.encoding {
        Encoding::Trajectory(list) => out_of_step(scan, list[0].matrix, &list[0].points),
        Encoding::Cartesian(_) => on_grid(scan, axes),
    };
    found.into_iter().collect()
}

fn on_grid(scan: &KSpace, axes: Axes) -> Option<String> {
    let (_, coils, nz, ny, nx) = scan.samples.dim();
    let (short, long) = (ny.min(nx), ny.max(nx));
    if nz == 1 && long >= LONG * short && (coils == 1 || short == 1) {
        return Some(format!(
            "{ny} × {nx} samples (y, x) were taken for a grid; coils times samples along a trajectory need --trajectory"
        ));
    }
    let energy = energy(scan);
    let share = gathered_in(&energy);
    if share > SPREAD && is_image(scan, &energy) {
        return Some(
            "these look like an image's numbers, not k-space: they are spread over all, and smooth; \
             give k-space, which is the image's Fourier transform"
                .into(),
        );
    }
    if share > GATHERED {
        return None;
    }
    let along: Vec<_> =
        [nz, ny, nx].into_iter().enumerate().map(|(axis, n)| profile(&energy, [nz, ny, nx], axis, n)).collect();
    let those = |test: &dyn Fn(&[f64]) -> bool| -> Vec<usize> {
        (0..3).filter(|axis| along[*axis].len() > 2 && test(&along[*axis])).collect()
    };
    let list = |axes: &[usize]| axes.iter().map(|axis| ["z", "y", "x"][*axis]).collect::<Vec<_>>().join(" and ");
    let corner =
        those(&|energies| !middle_holds(energies, 0) && middle_holds(energies, energies.len() / 2) && peaks(energies));
    if !corner.is_empty() {
        return Some(format!(
            "the energy of k-space lies at the ends of {}, where an FFT without a shift has its centre; it belongs in the middle: \
             numpy.fft.fftshift(k, axes=…) puts it there",
            list(&corner)
        ));
    }
    let flat = those(&|energies| !middle_holds(energies, 0));
    if axes != Axes::Assumed || flat.is_empty() {
        return None;
    }
    let taken = if nz > 1 {
        format!("[coil, z, y, x] = [{coils}, {nz}, {ny}, {nx}]")
    } else {
        format!("[coil, y, x] = [{coils}, {ny}, {nx}]")
    };
    let mend = match (nz > 1, &flat[..]) {
        (true, [0]) => {
            "slices and coils are no Fourier axes: --axes slice,coil,y,x or coil,slice,y,x, if that is what they are"
        }
        (true, [2]) => "if coils come last: --axes z,y,x,coil",
        (true, _) => "say what the axes are, such as --axes y,x,slice,coil",
        (false, [2]) => "if coils come last: --axes y,x,coil",
        (false, _) => "if coils come second: --axes y,coil,x; spokes of a trajectory need --trajectory",
    };
    Some(format!(
        "the axes were taken for {taken}, and energy does not lie about the middle of {}, as it does along an axis of Fourier encoding; {mend}",
        list(&flat)
    ))
}

/// Σ|sample|² over frames and coils, `[z, y, x]` in C order.
fn energy(scan: &KSpace) -> Vec<f64> {
    let (_, _, nz, ny, nx) = scan.samples.dim();
    let mut energy = vec![0.0; nz * ny * nx];
    for line in scan.samples.outer_iter().flat_map(|frame| frame.into_outer_iter()) {
        energy.iter_mut().zip(line).for_each(|(sum, value)| *sum += f64::from(value.norm_sqr()));
    }
    energy
}

/// The share of the sampled points that hold the energy.
fn gathered_in(energy: &[f64]) -> f64 {
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0_usize);
    for value in energy.iter().filter(|value| **value > 0.0) {
        (sum, squares, count) = (sum + value, squares + value * value, count + 1);
    }
    sum * sum / (squares * count.max(1) as f64).max(f64::MIN_POSITIVE)
}

/// The energy of each plane across `axis`.
fn profile(energy: &[f64], [_, ny, nx]: [usize; 3], axis: usize, count: usize) -> Vec<f64> {
    let mut sums = vec![0.0; count];
    for (index, value) in energy.iter().enumerate() {
        sums[[index / (ny * nx), index / nx % ny, index % nx][axis]] += value;
    }
    sums
}

/// Whether half the energy above the noise lies in the quarter about the middle, after a turn of the indices by `turn`.
fn middle_holds(energies: &[f64], turn: usize) -> bool {
    let count = energies.len();
    let mut sorted = energies.to_vec();
    sorted.sort_by(f64::total_cmp);
    let noise = sorted[(count - 1) / 2];
    let above = |index: usize| (energies[(index + turn) % count] - noise).max(0.0);
    let (middle, reach) = (count / 2, count / 8);
    let inner: f64 = (middle - reach..=middle + reach).map(above).sum();
    let all: f64 = (0..count).map(above).sum();
    // A few planes about the middle are not by themselves half of all.
    let few = (2 * reach + 1) as f64 / count as f64;
    inner >= all * (2.0 * few).clamp(0.5, 0.75)
}

/// Whether one plane of many has far more energy than most that were sampled: coils and slices differ by less.
fn peaks(energies: &[f64]) -> bool {
    let mut sampled: Vec<_> = energies.iter().copied().filter(|energy| *energy > 0.0).collect();
    sampled.sort_by(f64::total_cmp);
    let (Some(most), Some(usual)) = (sampled.last(), sampled.get(sampled.len().saturating_sub(1) / 2)) else {
        return false;
    };
    sampled.len() >= MANY && *most > PEAK * usual
}

/// Whether neighbours are alike along y and x, and a part of the points is air.
fn is_image(scan: &KSpace, energy: &[f64]) -> bool {
    let most = energy.iter().fold(0.0_f64, |most, value| most.max(*value));
    let air = energy.iter().filter(|value| **value < AIR * most).count();
    air * 20 > energy.len() && [3, 4].into_iter().all(|axis| neighbours_correlate(scan, axis) > SMOOTH)
}

/// |Σ a b*| / Σ|a||b| over neighbours along an axis of the samples, of each coil, and their mean by energy.
fn neighbours_correlate(scan: &KSpace, axis: usize) -> f64 {
    let (mut alike, mut all) = (0.0, 0.0);
    for coil in scan.samples.outer_iter().flat_map(|frame| frame.into_outer_iter()) {
        let (mut sum, mut sizes) = (num_complex::Complex64::default(), 0.0);
        for line in coil.lanes(ndarray::Axis(axis - 2)) {
            for (a, b) in line.iter().zip(line.iter().skip(1)) {
                let product: Complex32 = a * b.conj();
                sum += num_complex::Complex64::new(product.re.into(), product.im.into());
                sizes += f64::from(product.norm());
            }
        }
        (alike, all) = (alike + sum.norm(), all + sizes);
    }
    if all > 0.0 { alike / all } else { 0.0 }
}

/// Whether samples are loud where the trajectory is not near the centre: samples and points are then in another order.
fn out_of_step(scan: &KSpace, [nz, ny, nx]: [usize; 3], points: &[[f32; 3]]) -> Option<String> {
    let energy = energy(scan);
    if gathered_in(&energy) > GATHERED {
        return None;
    }
    let edges = [nx, ny, nz].map(|extent| 0.5 * extent as f32);
    let distance = |point: &[f32; 3]| {
        let along = point.iter().zip(edges).filter(|(_, edge)| *edge > 0.5);
        along.map(|(k, edge)| (k / edge).powi(2)).sum::<f32>().sqrt()
    };
    let reach = points.iter().map(distance).fold(0.0, f32::max);
    let mut parts = [(0.0, 0_usize); 2];
    for (point, value) in points.iter().zip(&energy) {
        let part = &mut parts[usize::from(distance(point) > 0.25 * reach)];
        *part = (part.0 + value, part.1 + 1);
    }
    let [(inner, near), (outer, far)] = parts;
    let out = near >= 8 && far >= 8 && inner / near as f64 <= 2.0 * outer / far as f64;
    out.then(|| {
        "the samples are no louder where the trajectory is near the centre of k-space: samples and points are not in the same \
         order; both run along the read-out first, then from spoke to spoke (or give another trajectory)"
            .into()
    })
}

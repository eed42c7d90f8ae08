//! ISMRMRD's Cartesian lines, put onto the grid of k-space: regridded where they sample ramps, freed of their ghost and of
//! their oversampling.

use std::{collections::BTreeMap, ops::Range};

use ndarray::{Array5, s};
use num_complex::Complex32;
use rustfft::FftPlanner;

use super::{
    ismrmrd::Selected,
    ismrmrd_acquisitions::{Acquisition, REVERSE},
    ismrmrd_epi::Regridding,
    ismrmrd_frames::Frames,
    ismrmrd_ghost::Ghosts,
    ismrmrd_header::Header,
    mr::cartesian,
    place::Place,
};
use crate::{error::Result, scan::KSpace};

type Failure<T> = std::result::Result<T, String>;

/// Lines sorted onto the grid.
pub(super) fn on_grid(place: &Place, header: &Header, selected: &Selected, frames: &Frames) -> Result<KSpace> {
    let [nx, ny, nz] = header.encoded.matrix;
    let (count, coils) = (selected.image.len(), selected.first().coils);
    let lines = frames.count().saturating_mul(ny * nz);
    // The matrix is a claim: an acceleration of thousands is none.
    if frames.count() > count || lines > count.saturating_mul(4096) || nx > 1 << 16 {
        return Err(place.error(format!(
            "{count} acquisitions for {} frames of {nx} × {ny} × {nz} samples: truncated, or not what its header says",
            frames.count()
        )));
    }
    let [oversampling, ..] = header.oversampling();
    let width = if oversampling > 1.001 { ((nx as f64 / oversampling).round() as usize).clamp(1, nx) } else { nx };
    let mut crop = Crop::new(nx, width);
    let rows = Rows::new(header, selected.first()).map_err(|what| place.error(what))?;
    let ghosts = Ghosts::of(selected.all, selected.space, |navigator| {
        Ok(rows.of(navigator)?.0.into_iter().map(|line| crop.image(line)).collect())
    });
    let ghosts = ghosts.map_err(|what| place.error(format!("phase correction: {what}")))?;
    let mut samples = Array5::<Complex32>::zeros((frames.count(), coils, nz, ny, width));
    let mut times = BTreeMap::<(usize, usize, usize), u16>::new();
    for (number, (index, acquisition)) in selected.image.iter().enumerate() {
        let failed = |what| place.error(format!("image acquisition {number}: {what}"));
        let [z, y] = steps_of(header, acquisition).map_err(failed)?;
        let (lines, measured) = rows.of(acquisition).map_err(failed)?;
        let frame = frames.index(acquisition);
        let seen = times.entry((frame, z, y)).or_default();
        *seen = seen.saturating_add(1);
        let factors = ghosts.factors(*index, acquisition);
        for (coil, line) in lines.into_iter().enumerate() {
            let line = match factors {
                Some(factors) => crop.corrected(line, &measured, factors),
                None => crop.line(line, measured.start, measured.len()),
            };
            let mut target = samples.slice_mut(s![frame, coil, z, y, ..]);
            target.iter_mut().zip(line).for_each(|(sum, value)| *sum += value);
        }
    }
    for ((frame, z, y), times) in times.into_iter().filter(|(_, times)| *times > 1) {
        samples.slice_mut(s![frame, .., z, y, ..]).mapv_inplace(|sum| sum / f32::from(times));
    }
    cartesian(samples, frames.axes()).map_err(|error| place.error(error))
}

/// Indices z, y of a line; or what lies outside.
fn steps_of(header: &Header, acquisition: &Acquisition) -> Failure<[usize; 2]> {
    let [_, ny, nz] = header.encoded.matrix;
    let step = |axis: usize, extent: usize| {
        let center = header.center[axis].unwrap_or(extent / 2);
        let line = (acquisition.steps[axis] + extent / 2).checked_sub(center).filter(|line| *line < extent);
        line.ok_or_else(|| {
            let step = acquisition.steps[axis];
            format!("phase encoding {step} of step {}, outside the k-space of the header", axis + 1)
        })
    };
    Ok([step(1, nz)?, step(0, ny)?])
}

/// Puts read-outs onto the grid along x.
struct Rows {
    extent: usize,
    regridding: Option<Regridding>,
}

impl Rows {
    /// `first` stands for all, where the samples are not on the grid.
    fn new(header: &Header, first: &Acquisition) -> Failure<Self> {
        let [extent, ..] = header.encoded.matrix;
        let [oversampling, ..] = header.oversampling();
        let read_out = header.read_out.as_ref().filter(|_| header.trajectory == "epi");
        let regridding = read_out.map(|read_out| Regridding::new(read_out, first, extent, 1.0 / oversampling));
        Ok(Self { extent, regridding: regridding.transpose()? })
    }

    /// The line of each coil, and which of its points were measured.
    fn of(&self, acquisition: &Acquisition) -> Failure<(Vec<Vec<Complex32>>, Range<usize>)> {
        let backwards = acquisition.has(REVERSE);
        let coils = acquisition.data.chunks_exact(acquisition.samples.max(1));
        if let Some(regridding) = &self.regridding {
            let lines = coils.map(|row| regridding.line(acquisition, row, backwards)).collect::<Failure<_>>()?;
            return Ok((lines, regridding.measured(backwards)));
        }
        let (extent, kept) = (self.extent, acquisition.kept());
        // Some writers leave the centre at 0.
        let middle = if acquisition.center == 0 { acquisition.samples / 2 } else { acquisition.center };
        let first = (kept.start + extent / 2).checked_sub(middle).filter(|first| first + kept.len() <= extent);
        let first = first.ok_or_else(|| {
            let samples = acquisition.samples;
            format!("{samples} samples with their centre at {middle}, outside the k-space of the header")
        })?;
        let line = |row: &[Complex32]| {
            let mut line = vec![Complex32::ZERO; extent];
            line[first..first + kept.len()].copy_from_slice(&row[kept.clone()]);
            if backwards {
                // Sample i of the line lies at −k, so that zero frequency stays where it is.
                line.reverse();
                line.rotate_right(usize::from(extent.is_multiple_of(2)));
            }
            line
        };
        let measured = first..first + kept.len();
        // Point i of an even grid goes to N − i, that of an odd one to N − 1 − i.
        let turned = extent + usize::from(extent.is_multiple_of(2));
        let range = match backwards && measured.len() < extent {
            true => turned - measured.end..(turned - measured.start).min(extent),
            false => measured,
        };
        Ok((coils.map(line).collect(), range))
    }
}

/// Takes read-out oversampling away: to image space, crop, and back; orthonormal both ways.
pub(super) struct Crop {
    from: usize,
    to: usize,
    planner: FftPlanner<f32>,
}

impl Crop {
    pub(super) fn new(from: usize, to: usize) -> Self {
        Self { from, to, planner: FftPlanner::new() }
    }

    /// The image of a line, orthonormal, centred.
    pub(super) fn image(&mut self, mut line: Vec<Complex32>) -> Vec<Complex32> {
        let from = self.from;
        // The centre N/2 to index 0 and back.
        line.rotate_left(from / 2);
        self.planner.plan_fft_inverse(from).process(&mut line);
        line.rotate_right(from / 2);
        let scale = 1.0 / (from as f32).sqrt();
        line.iter_mut().for_each(|value| *value *= scale);
        line
    }

    /// The cropped line; points of k-space whose neighbourhood was not measured (`count` samples from `first` were) stay 0.
    pub(super) fn line(&mut self, line: Vec<Complex32>, first: usize, count: usize) -> Vec<Complex32> {
        if self.from == self.to {
            return line;
        }
        let image = self.image(line);
        self.of_image(&image, first, count)
    }

    /// The same, the line's image multiplied by `factors`.
    fn corrected(&mut self, line: Vec<Complex32>, measured: &Range<usize>, factors: &[Complex32]) -> Vec<Complex32> {
        let mut image = self.image(line);
        image.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
        self.of_image(&image, measured.start, measured.len())
    }

    fn of_image(&mut self, image: &[Complex32], first: usize, count: usize) -> Vec<Complex32> {
        let (from, to) = (self.from, self.to);
        let start = from / 2 - to / 2;
        let mut cropped = image[start..start + to].to_vec();
        cropped.rotate_left(to / 2);
        self.planner.plan_fft_forward(to).process(&mut cropped);
        cropped.rotate_right(to / 2);
        let scale = 1.0 / (to as f32).sqrt();
        let measured = first as f64 - 0.5..(first + count) as f64 - 0.5;
        for (index, value) in cropped.iter_mut().enumerate() {
            let at = (index as f64 - (to / 2) as f64) * from as f64 / to as f64 + (from / 2) as f64;
            *value = if measured.contains(&at) { *value * scale } else { Complex32::ZERO };
        }
        cropped
    }
}

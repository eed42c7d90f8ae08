//! Echo-planar read-outs that sample while the gradient ramps: where their samples lie, and the way from there onto the grid.
//!
//! The gradient is a trapezoid (trajectoryDescription `ConventionalEPI`; times in µs), so k is its integral. Zero frequency is
//! at half its area, and what is read spans the encoded matrix. The grid's points are the signal of least energy that an
//! object of the field of view can give and that agrees with the samples (Yen, IRE Trans. Circuit Theory 3, 251, 1956):
//! with C(a, b) = w sinc w(a − b) for an object of w fields of view, C(grid, samples) (C(samples, samples) + λ)⁻¹ times them;
//! λ is the share of noise that is allowed for, so that it is the best linear unbiased estimate as λ falls.

use num_complex::Complex32;

use super::ismrmrd_acquisitions::Acquisition;

/// Noise's variance in a sample over the signal's that is allowed for. At 10⁻³ what is on the grid is right to 10⁻³ of the
/// whole, and noise does not grow (its rms gain is 0.8 where the samples are a third closer than they need to be, 1.0 where they
/// are just close enough).
const NOISE: f64 = 1e-3;
/// No read-out has more samples, and the solution takes their number to the third power.
const MOST: usize = 2048;

/// A trapezoid of gradient and the samples in it, µs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ReadOut {
    identifier: String,
    ramp_up: f64,
    flat_top: f64,
    ramp_down: f64,
    /// From the beginning of the ramp to that of the first sample; in the middle if it is not said.
    delay: Option<f64>,
    samples: Option<usize>,
    dwell: Option<f64>,
}

impl ReadOut {
    /// From the parameters of a trajectory description, if these tell of ramps.
    pub(super) fn of(identifier: &str, parameter: impl Fn(&str) -> Option<f64>) -> Option<Self> {
        let time = |name: &str| parameter(name).unwrap_or(0.0);
        let (ramp_up, ramp_down) = (time("rampUpTime"), time("rampDownTime"));
        (ramp_up > 0.0 || ramp_down > 0.0).then(|| Self {
            identifier: identifier.into(),
            ramp_up,
            flat_top: time("flatTopTime"),
            ramp_down,
            delay: parameter("acqDelayTime"),
            samples: parameter("numSamples").map(|count| count as usize),
            dwell: parameter("dwellTime"),
        })
    }

    /// The area of the gradient, of height 1, from its beginning to time `t`.
    fn area(&self, t: f64) -> f64 {
        let Self { ramp_up, flat_top, ramp_down, .. } = *self;
        let part = |ramp: f64, time: f64| if ramp > 0.0 { time * time / (2.0 * ramp) } else { 0.0 };
        let rising = part(ramp_up, t.clamp(0.0, ramp_up));
        let flat = (t - ramp_up).clamp(0.0, flat_top);
        let left = (ramp_up + flat_top + ramp_down - t).clamp(0.0, ramp_down);
        rising + flat + part(ramp_down, ramp_down) - part(ramp_down, left)
    }

    /// Where the samples of `acquisition` lie, in points of a grid of `extent`; a sample stands for the middle of its time.
    fn points(&self, acquisition: &Acquisition, extent: usize) -> Result<Vec<f64>, String> {
        let wrong = |what: String| Err(format!("its trajectoryDescription of EPI with ramps {what}"));
        let count = acquisition.samples;
        if !self.identifier.is_empty() && !self.identifier.eq_ignore_ascii_case("ConventionalEPI") {
            return wrong(format!("is a '{}', and only ConventionalEPI is known; regrid it first", self.identifier));
        }
        if let Some(samples) = self.samples
            && samples != count
        {
            return wrong(format!("has {samples} samples (numSamples) for acquisitions of {count}"));
        }
        if !(2..=MOST).contains(&count) || extent > MOST {
            return wrong(format!("is of {count} samples for {extent} points; from 2 to {MOST} can be regridded"));
        }
        let dwell = self.dwell.unwrap_or(acquisition.dwell);
        let total = self.ramp_up + self.flat_top + self.ramp_down;
        let delay = self.delay.unwrap_or((total - dwell * count as f64) / 2.0);
        let times = [self.ramp_up, self.flat_top, self.ramp_down, dwell];
        // The area is of times that can be: a negative one has none.
        let sound = times.iter().all(|time| (0.0..1e9).contains(time)) && delay.is_finite();
        let read = if sound { self.area(delay + dwell * count as f64) - self.area(delay) } else { 0.0 };
        if read <= 0.0 {
            return wrong(format!(
                "reads nothing: ramps of {} and {} µs, a flat top of {}, samples of {dwell} µs from {delay} µs on",
                self.ramp_up, self.ramp_down, self.flat_top
            ));
        }
        let middle = self.area(total) / 2.0;
        let time = |sample: usize| delay + (sample as f64 + 0.5) * dwell;
        Ok((0..count).map(|sample| (self.area(time(sample)) - middle) * extent as f64 / read).collect())
    }
}

/// The way of a read-out's samples onto the grid, linear and the same for all of its kind.
pub(super) struct Regridding {
    /// Points of the grid.
    extent: usize,
    /// Samples of an acquisition, and which of them are used.
    samples: usize,
    kept: std::ops::Range<usize>,
    /// Weights of each kept sample in the points −N/2…N/2, one more than an even grid has: backwards is this turned round.
    weights: Vec<f32>,
    /// Which of these points were measured.
    measured: std::ops::Range<usize>,
}

impl Regridding {
    /// For acquisitions like `acquisition`, onto `extent` points; `least` is the part of the field of view that is wanted.
    ///
    /// The object may fill all of the field of view, unless the samples are too far apart for that: then what they allow,
    /// and `least` in any case.
    pub(super) fn new(
        read_out: &ReadOut,
        acquisition: &Acquisition,
        extent: usize,
        least: f64,
    ) -> Result<Self, String> {
        let kept = acquisition.kept();
        let points = &read_out.points(acquisition, extent)?[kept.clone()];
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return Err("all samples of its read-outs are to be discarded".into());
        };
        let furthest = points.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::MIN_POSITIVE, f64::max);
        let width = (1.0 / furthest).clamp(least.min(1.0), 1.0);
        let sinc =
            |x: f64| if x.abs() < 1e-9 { 1.0 } else { (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x) };
        let covariance = |a: f64, b: f64| width * sinc(width * (a - b));
        let half = extent / 2;
        let (count, lines) = (points.len(), 2 * half + 1);
        let line = |index: usize| index as f64 - half as f64;
        let measured: Vec<usize> =
            (0..lines).filter(|index| (first - 0.5..=last + 0.5).contains(&line(*index))).collect();
        let measured = match measured[..] {
            [] => return Err("its read-outs lie between two points of the grid".into()),
            [from, ..] => from..from + measured.len(),
        };
        let mut system = Vec::with_capacity(count * (count + lines));
        for (row, a) in points.iter().enumerate() {
            system.extend(
                points
                    .iter()
                    .enumerate()
                    .map(|(column, b)| covariance(*a, *b) + if row == column { NOISE * width } else { 0.0 }),
            );
            system.extend((0..lines).map(|index| covariance(*a, line(index))));
        }
        solve(&mut system, count, count + lines);
        let weights =
            system.chunks_exact(count + lines).flat_map(|row| row[count..].iter().map(|w| *w as f32)).collect();
        Ok(Self { extent, samples: acquisition.samples, kept, weights, measured })
    }

    /// Which points of the grid a line measures.
    pub(super) fn measured(&self, backwards: bool) -> std::ops::Range<usize> {
        let turned = |index: usize| 2 * (self.extent / 2) + 1 - index;
        let range = match backwards {
            true => turned(self.measured.end)..turned(self.measured.start),
            false => self.measured.clone(),
        };
        range.start..range.end.min(self.extent)
    }

    /// The samples of one coil on the grid, 0 where nothing was measured.
    ///
    /// # Errors
    /// If the acquisition is of another length than the first.
    pub(super) fn line(
        &self,
        acquisition: &Acquisition,
        row: &[Complex32],
        backwards: bool,
    ) -> Result<Vec<Complex32>, String> {
        if acquisition.samples != self.samples || acquisition.kept() != self.kept {
            return Err(format!(
                "{} samples, of which {:?} are used, and those of the first are {}, {:?}: EPI's must be alike",
                acquisition.samples,
                acquisition.kept(),
                self.samples,
                self.kept
            ));
        }
        let lines = 2 * (self.extent / 2) + 1;
        let (mut re, mut im) = (vec![0.0_f32; lines], vec![0.0_f32; lines]);
        for (value, weights) in row[self.kept.clone()].iter().zip(self.weights.chunks_exact(lines)) {
            re.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight * value.re);
            im.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight * value.im);
        }
        let measured = self.measured(backwards);
        let value = |point: usize| {
            let from = if backwards { lines - 1 - point } else { point };
            if measured.contains(&point) { Complex32::new(re[from], im[from]) } else { Complex32::ZERO }
        };
        Ok((0..self.extent).map(value).collect())
    }
}

/// B ← A⁻¹ B for rows (A | B), A positive definite of `n` rows, by Cholesky's decomposition; below A's diagonal all is spoilt.
fn solve(system: &mut [f64], n: usize, columns: usize) {
    let subtract = |factor: f64, row: &[f64], into: &mut [f64]| {
        into.iter_mut().zip(row).for_each(|(into, value)| *into -= factor * value);
    };
    for k in 0..n {
        let (pivot, below) = system[k * columns..].split_at_mut(columns);
        let scale = 1.0 / pivot[k].max(f64::MIN_POSITIVE).sqrt();
        pivot[k..].iter_mut().for_each(|value| *value *= scale);
        for (row, into) in (k + 1..n).zip(below.chunks_exact_mut(columns)) {
            subtract(pivot[row], &pivot[row..], &mut into[row..]);
        }
    }
    for k in (0..n).rev() {
        let (above, below) = system.split_at_mut((k + 1) * columns);
        let (factors, solved) = above[k * columns..].split_at_mut(n);
        for (factor, row) in factors[k + 1..].iter().zip(below.chunks_exact(columns)) {
            subtract(*factor, &row[n..], solved);
        }
        solved.iter_mut().for_each(|value| *value /= factors[k]);
    }
}

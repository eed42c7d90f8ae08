//! Noise that neighbouring pixels share, as filtered backprojection and windows of k-space leave it: its autocorrelation, from a
//! noise power spectrum (Wiener & Khinchin) or from the quiet places of an image itself.

use ndarray::{Array2, ArrayView2, ArrayView3, Axis, s};
use rayon::prelude::*;

use super::level::{detail_taps, deviation};
use crate::error::{Error, Result, check_finite};

/// Displacements that are told, along either axis and in either direction.
const REACH: isize = 15;
const SIDE: usize = 2 * REACH as usize + 1;
/// Pixels a side of the blocks whose noise is looked at, and between them.
const BLOCK: usize = 32;
const PITCH: usize = 16;
/// Of the quietest blocks those that are even are taken: as many as this part of all, and so many at least.
const QUIET: f64 = 0.15;
const FEWEST: usize = 4;
/// And how much more variance than the last of these may have.
const ALIKE: f64 = 1.4;
/// Blocks that are looked at for them, at least: else the quieter half.
const LOOKED_AT: usize = 64;
/// And at most: by then every correlation is known to about 2 in 1000.
const MOST: usize = 1024;
/// An edge is large in a few places and nothing elsewhere, noise alike in all: differences of neighbouring means of so many
/// pixels a side, whose rms over the deviation that their median tells is not above this where there is noise only. Of noise,
/// white or shared, one block in a hundred is.
const EVEN: [(usize, f64); 2] = [(2, 1.25), (4, 1.6)];

/// The autocorrelation of stationary noise in a slice, 1 at no displacement and even.
#[derive(Clone, Debug, PartialEq)]
pub struct Correlation(Vec<f64>);

impl Default for Correlation {
    fn default() -> Self {
        Self::white()
    }
}

impl Correlation {
    /// Noise that no two pixels share.
    pub fn white() -> Self {
        Self::new(|displacement| f64::from(u8::from(displacement == [0, 0])))
    }

    /// That of a power spectrum `[y, x]` in any unit, frequency 0 at the middle (`count/2`), as
    /// [`crate::noise`] and tools for noise power spectra have it. Displacements of half its extent and more are not known from it
    /// and taken for 0.
    ///
    /// # Errors
    /// [`Error::Option`] for less than 8 × 8 frequencies, for powers below 0 or none above it.
    pub fn of_spectrum(spectrum: ArrayView2<f32>) -> Result<Self> {
        let (rows, columns) = spectrum.dim();
        if rows < 8 || columns < 8 {
            return Err(Error::Option(format!(
                "a noise power spectrum of {rows} × {columns} frequencies: at least 8 × 8 are needed"
            )));
        }
        let values: Vec<f32> = spectrum.iter().copied().collect();
        check_finite("the noise power spectrum", &[rows, columns], &values)?;
        let (total, least) =
            values.iter().fold((0.0, 0.0_f32), |(sum, least), power| (sum + f64::from(*power), least.min(*power)));
        if total <= 0.0 || f64::from(least) < -1e-6 * total {
            return Err(Error::Option(format!(
                "a noise power spectrum holds powers, 0 or above, not all of them 0; this one goes down to {least}"
            )));
        }
        // Along y first: cosine and sine sums of every column, then along x.
        let wave = |index: usize, count: usize, shift: isize| {
            let turns = (index as f64 - (count / 2) as f64) / count as f64 * shift as f64;
            (std::f64::consts::TAU * turns).sin_cos()
        };
        let known = |shift: isize, count: usize| 2 * shift.unsigned_abs() < count;
        let along_y: Vec<Vec<[f64; 2]>> = (0..=REACH)
            .map(|dy| {
                let mut sums = vec![[0.0; 2]; columns];
                for (y, line) in spectrum.axis_iter(Axis(0)).enumerate() {
                    let (sin, cos) = wave(y, rows, dy);
                    for (sum, power) in sums.iter_mut().zip(line) {
                        sum[0] += cos * f64::from(*power);
                        sum[1] += sin * f64::from(*power);
                    }
                }
                sums
            })
            .collect();
        Ok(Self::new(|[dy, dx]| {
            if !known(dy, rows) || !known(dx, columns) {
                return 0.0;
            }
            let sums = along_y[dy.unsigned_abs()].iter().enumerate();
            let part = |(x, [cos_y, sin_y]): (usize, &[f64; 2])| {
                let (sin, cos) = wave(x, columns, dx);
                cos * cos_y - sin * sin_y * dy.signum() as f64
            };
            sums.map(part).sum::<f64>() / total
        }))
    }

    /// That of the noise in the quietest blocks of `image` `[z, y, x]` that hold no edges, a plane taken off each; none where
    /// there are too few. Texture that is alike all over them is taken for noise.
    pub fn of_image(image: &ArrayView3<f32>) -> Option<Self> {
        let slices: Vec<ArrayView2<f32>> = image.axis_iter(Axis(0)).collect();
        let mut places: Vec<(f64, [usize; 3])> =
            (0..slices.len()).into_par_iter().flat_map_iter(|z| variances(&slices[z], z)).collect();
        places.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let wanted = FEWEST.max((QUIET * places.len() as f64) as usize).min(MOST);
        let looked_at = LOOKED_AT.max(places.len() / 2);
        let blocks: Vec<(f64, Array2<f64>)> = places
            .iter()
            .take(looked_at)
            .map(|(variance, [z, y, x])| (*variance, without_plane(block(&slices[*z], [*y, *x]))))
            .filter(|(_, block)| is_even(block))
            .take(wanted)
            .collect();
        // As quiet as the quietest, but for chance: what is not may hold what is not even seen as an edge.
        let most = ALIKE * blocks.get(FEWEST - 1)?.0;
        let blocks: Vec<_> = blocks.into_iter().take_while(|(variance, _)| *variance <= most).collect();
        // Over all pairs, divided by the same number whatever the displacement: so no power comes out below 0.
        let sum = |[dy, dx]: [isize; 2]| -> f64 {
            let (left, right) = (dx.max(0) as usize, (-dx).max(0) as usize);
            let (n, dy) = (BLOCK, dy as usize);
            let products = |(variance, block): &(f64, Array2<f64>)| {
                let first = block.slice(s![dy.., left..n - right]);
                let second = block.slice(s![..n - dy, right..n - left]);
                first.iter().zip(&second).map(|(a, b)| a * b).sum::<f64>() / *variance
            };
            blocks.iter().map(products).sum()
        };
        // Of two opposite displacements one is enough.
        let half = SIDE * SIDE / 2;
        let sums: Vec<f64> = (half..SIDE * SIDE).into_par_iter().map(|index| sum(place(index))).collect();
        let at = |index: usize| sums[index.abs_diff(half)] / sums[0];
        Some(Self((0..SIDE * SIDE).map(at).collect()))
    }

    fn new(at: impl Fn([isize; 2]) -> f64) -> Self {
        Self((0..SIDE * SIDE).map(|index| at(place(index))).collect())
    }

    /// At a displacement (dy, dx) in pixels; 0 beyond 15.
    pub fn at(&self, [dy, dx]: [isize; 2]) -> f64 {
        let known = dy.abs() <= REACH && dx.abs() <= REACH;
        if known { self.0[(dy + REACH) as usize * SIDE + (dx + REACH) as usize] } else { 0.0 }
    }

    /// The deviation of the details by which [`super::level()`] tells the level of the noise, over that of the noise: 1 where it
    /// is white.
    pub fn in_details(&self) -> f64 {
        let taps = detail_taps();
        let shared = |apart: isize| -> f64 {
            let pair = |at: isize| {
                usize::try_from(at + apart)
                    .ok()
                    .and_then(|other| taps.get(other))
                    .map_or(0.0, |b| b * taps[at as usize])
            };
            (0..taps.len() as isize).map(pair).sum()
        };
        let reach = taps.len() as isize - 1;
        let variance: f64 = (-reach..=reach)
            .flat_map(|dy| (-reach..=reach).map(move |dx| [dy, dx]))
            .map(|[dy, dx]| shared(dy) * shared(dx) * self.at([dy, dx]))
            .sum();
        variance.max(0.0).sqrt()
    }
}

/// The displacement that is told at `index`; opposite ones lie opposite the middle.
fn place(index: usize) -> [isize; 2] {
    [(index / SIDE) as isize - REACH, (index % SIDE) as isize - REACH]
}

fn block<'a>(slice: &'a ArrayView2<f32>, [y, x]: [usize; 2]) -> ArrayView2<'a, f32> {
    slice.slice(s![y..y + BLOCK, x..x + BLOCK])
}

/// Variances of a slice's blocks without their planes, and where they begin; what is set to one value is left out.
fn variances(slice: &ArrayView2<f32>, z: usize) -> Vec<(f64, [usize; 3])> {
    let corners = |extent: usize| (0..(extent + 1).saturating_sub(BLOCK)).step_by(PITCH);
    let (ny, nx) = slice.dim();
    let variance = |y: usize, x: usize| {
        let block = block(slice, [y, x]);
        let equal =
            block.rows().into_iter().map(|row| row.iter().zip(row.iter().skip(1)).filter(|(a, b)| a == b).count());
        if equal.sum::<usize>() > BLOCK * BLOCK / 8 {
            return None;
        }
        let square = without_plane(block).iter().map(|value| value * value).sum::<f64>();
        (square > 0.0).then_some((square / (BLOCK * BLOCK) as f64, [z, y, x]))
    };
    corners(ny).flat_map(|y| corners(nx).filter_map(move |x| variance(y, x))).collect()
}

/// Whether a block without its plane is noise, as far as it is alike everywhere.
fn is_even(block: &Array2<f64>) -> bool {
    EVEN.iter().all(|(side, most)| {
        let means = Array2::from_shape_fn([BLOCK / side; 2], |(y, x)| {
            block.slice(s![y * side..(y + 1) * side, x * side..(x + 1) * side]).sum()
        });
        [Axis(0), Axis(1)].into_iter().all(|axis| {
            let (before, after) = (means.slice_axis(axis, (..-1).into()), means.slice_axis(axis, (1..).into()));
            let sizes: Vec<f32> = after.iter().zip(&before).map(|(a, b)| (a - b).abs() as f32).collect();
            let square = sizes.iter().map(|size| f64::from(*size).powi(2)).sum::<f64>() / sizes.len() as f64;
            square.sqrt() <= most * deviation(sizes)
        })
    })
}

/// The block less the plane that fits it best.
fn without_plane(block: ArrayView2<f32>) -> Array2<f64> {
    let middle = (BLOCK as f64 - 1.0) / 2.0;
    let square = (0..BLOCK).map(|at| (at as f64 - middle).powi(2)).sum::<f64>() * BLOCK as f64;
    let (mut mean, mut slope) = (0.0, [0.0; 2]);
    for ((y, x), value) in block.indexed_iter() {
        let value = f64::from(*value);
        mean += value / (BLOCK * BLOCK) as f64;
        slope[0] += value * (y as f64 - middle) / square;
        slope[1] += value * (x as f64 - middle) / square;
    }
    Array2::from_shape_fn(block.dim(), |(y, x)| {
        f64::from(block[[y, x]]) - mean - slope[0] * (y as f64 - middle) - slope[1] * (x as f64 - middle)
    })
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::random::Draws;

    /// White noise n seen as n(y, x) + ½·n(y, x − 1): correlated by 0.5/1.25 with what is one pixel to the right.
    fn smeared(size: usize) -> Array3<f32> {
        let mut lines = Vec::new();
        for y in 0..size {
            let mut draws = Draws::new(11, [0, 0, y]);
            let white: Vec<f64> = (0..=size).map(|_| draws.normal()).collect();
            lines.extend(white.windows(2).map(|pair| (pair[1] + 0.5 * pair[0]) as f32));
        }
        Array3::from_shape_vec((1, size, size), lines).unwrap()
    }

    /// |1 + ½e^(−iω)|² = 1.25 + cos ω along x.
    fn its_spectrum(rows: usize, columns: usize) -> Array2<f32> {
        Array2::from_shape_fn((rows, columns), |(_, x)| {
            let turns = (x as f64 - (columns / 2) as f64) / columns as f64;
            (1.25 + (std::f64::consts::TAU * turns).cos()) as f32
        })
    }

    #[test]
    fn a_spectrum_gives_its_autocorrelation() {
        for (rows, columns) in [(16, 16), (9, 33)] {
            let found = Correlation::of_spectrum(its_spectrum(rows, columns).view()).unwrap();
            for (displacement, expected) in
                [([0, 0], 1.0), ([0, 1], 0.4), ([0, -1], 0.4), ([1, 0], 0.0), ([1, 1], 0.0), ([0, 2], 0.0)]
            {
                assert!(
                    (found.at(displacement) - expected).abs() < 1e-6,
                    "{displacement:?}: {}",
                    found.at(displacement)
                );
            }
        }
        let flat = Correlation::of_spectrum(Array2::from_elem((16, 16), 3.0).view()).unwrap();
        assert!((flat.in_details() - 1.0).abs() < 1e-6);
    }

    /// Waves along a diagonal: cos 2π(dy/4 + dx/8), which tells (1, 1) from (1, -1).
    #[test]
    fn directions_are_told_apart() {
        let mut spectrum = Array2::zeros((16, 16));
        spectrum[[8 + 4, 8 + 2]] = 1.0;
        spectrum[[8 - 4, 8 - 2]] = 1.0;
        let found = Correlation::of_spectrum(spectrum.view()).unwrap();
        for [dy, dx] in [[1, 1], [1, -1], [-1, 1], [2, 3], [-3, 5]] {
            let expected = (std::f64::consts::TAU * (dy as f64 / 4.0 + dx as f64 / 8.0)).cos();
            assert!((found.at([dy, dx]) - expected).abs() < 1e-12, "{dy} {dx}");
        }
    }

    #[test]
    fn an_image_tells_the_same_of_its_noise() {
        let mut image = smeared(256);
        // A ramp, and an edge in part of it.
        image
            .indexed_iter_mut()
            .for_each(|((_, y, x), value)| *value += 0.05 * y as f32 + if x > 200 { 40.0 } else { 0.0 });
        let found = Correlation::of_image(&image.view()).unwrap();
        for (displacement, expected) in [([0, 1], 0.4), ([1, 0], 0.0), ([0, 2], 0.0), ([1, 1], 0.0)] {
            assert!((found.at(displacement) - expected).abs() < 0.04, "{displacement:?}: {}", found.at(displacement));
        }
        let known = Correlation::of_spectrum(its_spectrum(16, 16).view()).unwrap();
        let level = super::super::level(&smeared(256).view()) / known.in_details();
        assert!((level - 1.25_f64.sqrt()).abs() < 0.03, "{level}");
    }

    #[test]
    fn what_is_no_spectrum_is_refused() {
        let refused = |spectrum: Array2<f32>| Correlation::of_spectrum(spectrum.view()).unwrap_err().to_string();
        assert!(refused(Array2::ones((4, 16))).contains("at least 8"));
        assert!(refused(Array2::zeros((16, 16))).contains("not all of them 0"));
        assert!(refused(Array2::from_elem((16, 16), -1.0)).contains("down to -1"));
        assert!(refused(Array2::from_elem((16, 16), f32::NAN)).contains("not finite"));
        assert!(Correlation::of_image(&Array3::zeros((1, 256, 256)).view()).is_none());
        assert!(Correlation::of_image(&smeared(40).view()).is_none());
    }
}

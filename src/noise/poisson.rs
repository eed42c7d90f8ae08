//! How noise grows with the signal, from the image alone: the variance of counts z = αp + n is αE(z) + σ², a straight line.
//!
//! Foi, Trimeche, Katkovnik & Egiazarian 2008 (IEEE Trans. Image Process. 17, 1737) fit that line by maximum likelihood to the
//! deviations of wavelet details within level sets. This is a simpler, robust version: blocks of 8 × 8 pixels, of each the mean and
//! the variance about the best parabola; a line through the lower quarter of variances, where no edges are; and rounds of
//! weighted least squares (Tukey's weights) that leave out blocks whose variance is more than chance above the line. Variances
//! are means of squares, not medians of sizes, so that the skewed noise of few counts does no harm.

use ndarray::{ArrayView2, ArrayView3, Axis, s};
use rayon::prelude::*;

use super::Anscombe;

/// Pixels along a block's side, and from one block to the next: they overlap.
const SIDE: usize = 8;
const PITCH: usize = 4;
/// Blocks that an image must have.
const ENOUGH: usize = 48;
/// Parameters of a parabola.
const PARAMETERS: usize = 6;
/// Bins of equal numbers of blocks for the first line, at most; and blocks in one, at least.
const BINS: usize = 24;
const OF_BIN: usize = 12;
/// A quarter of variances with 58 degrees of freedom lies below this part of the true one (χ²).
const LOWER_QUARTER: f64 = 0.869;
/// Relative deviation of such a variance, Gaussian noise: √(2/58).
const SPREAD: f64 = 0.186;
/// Tukey's limit, in deviations.
const LIMIT: f64 = 4.0;
const ROUNDS: usize = 30;
/// The slope's size over its standard error, below which the image tells of no Poisson noise.
const CERTAIN: f64 = 4.0;

/// A block's mean and its variance about the parabola.
#[derive(Clone, Copy, Debug)]
struct Block {
    mean: f64,
    variance: f64,
}

/// variance = slope · mean + offset.
#[derive(Clone, Copy, Debug)]
struct Line {
    slope: f64,
    offset: f64,
}

impl Line {
    fn at(&self, mean: f64) -> f64 {
        self.slope * mean + self.offset
    }
}

/// α and σ of Poisson and Gaussian noise together in `image`, `[z, y, x]`; what is known already, `gain` or `sigma`, is kept.
///
/// None where the image has fewer than 48 blocks that vary, or where the variance doesn't clearly rise with the mean. Where the
/// line would begin below a variance of 0, σ is 0 and the line goes through the origin: values then are taken to have no pedestal.
pub fn poisson(image: &ArrayView3<f32>, gain: Option<f64>, sigma: Option<f64>) -> Option<Anscombe> {
    let blocks = blocks(image);
    if blocks.len() < ENOUGH {
        return None;
    }
    let known = [gain, sigma.map(|sigma| sigma * sigma)];
    let (line, error) = fit(&blocks, known)?;
    let (line, error) = if line.offset < 0.0 { fit(&blocks, [gain, Some(0.0)])? } else { (line, error) };
    let certain = gain.is_some() || line.slope > CERTAIN * error;
    (certain && line.slope > 0.0).then(|| Anscombe { gain: line.slope, sigma: line.offset.max(0.0).sqrt() })
}

/// The blocks of all slices that are not of one value.
fn blocks(image: &ArrayView3<f32>) -> Vec<Block> {
    let (_, ny, nx) = image.dim();
    if ny < SIDE || nx < SIDE {
        return vec![];
    }
    let slices: Vec<ArrayView2<f32>> = image.axis_iter(Axis(0)).collect();
    let rows: Vec<(usize, usize)> =
        (0..slices.len()).flat_map(|slice| (0..=ny - SIDE).step_by(PITCH).map(move |y| (slice, y))).collect();
    let of_row = |(slice, y): (usize, usize)| {
        let slice = slices[slice];
        (0..=nx - SIDE).step_by(PITCH).filter_map(move |x| block(slice.slice(s![y..y + SIDE, x..x + SIDE])))
    };
    rows.into_par_iter().flat_map_iter(of_row).collect()
}

fn block(pixels: ArrayView2<f32>) -> Option<Block> {
    let count = (SIDE * SIDE) as f64;
    let first = pixels[[0, 0]];
    if pixels.iter().all(|value| *value == first) {
        return None;
    }
    // Discrete Legendre polynomials of degree 0 to 2 on eight points, of unit norm.
    let at = |index: usize| index as f64 - (SIDE as f64 - 1.0) / 2.0;
    let polynomials: [[f64; SIDE]; 3] = [
        [1.0; SIDE],
        std::array::from_fn(at),
        std::array::from_fn(|index| at(index).powi(2) - ((SIDE * SIDE) as f64 - 1.0) / 12.0),
    ]
    .map(|values| {
        let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
        values.map(|value| value / norm)
    });
    let mean = pixels.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
    let mut left = pixels.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>();
    for (v, u) in [(0, 1), (1, 0), (0, 2), (1, 1), (2, 0)] {
        let part: f64 = pixels
            .indexed_iter()
            .map(|((y, x), value)| (f64::from(*value) - mean) * polynomials[v][y] * polynomials[u][x])
            .sum();
        left -= part * part;
    }
    Some(Block { mean, variance: left.max(0.0) / (count - PARAMETERS as f64) })
}

/// The line, and the standard error of its slope; `known` are slope and offset where they are given.
fn fit(blocks: &[Block], known: [Option<f64>; 2]) -> Option<(Line, f64)> {
    let start = lower_line(blocks, known)?;
    let (mut line, mut error) = (start, f64::INFINITY);
    // Variances near 0 (dark places without Gaussian noise) must not have all the weight.
    let typical = blocks.iter().map(|block| start.at(block.mean).max(0.0)).sum::<f64>() / blocks.len() as f64;
    if typical.is_nan() || typical <= 0.0 {
        return None;
    }
    for _ in 0..ROUNDS {
        let weighted = blocks.iter().map(|block| {
            let expected = line.at(block.mean).max(0.02 * typical);
            let off = (block.variance - expected) / (SPREAD * expected) / LIMIT;
            let tukey = if off.abs() < 1.0 { (1.0 - off * off).powi(2) } else { 0.0 };
            (*block, tukey / expected.powi(2))
        });
        let (next, found) = least_squares(weighted, known)?;
        let change = ((next.slope - line.slope).abs() / next.slope.abs().max(f64::MIN_POSITIVE))
            .max((next.offset - line.offset).abs() / typical);
        (line, error) = (next, found);
        if change < 1e-5 {
            break;
        }
    }
    Some((line, error))
}

/// Through the lower quarters of the variances in bins of like means.
fn lower_line(blocks: &[Block], known: [Option<f64>; 2]) -> Option<Line> {
    let mut blocks = blocks.to_vec();
    blocks.sort_by(|a, b| a.mean.total_cmp(&b.mean));
    let of_bin = blocks.len().div_ceil(BINS).max(OF_BIN);
    let bins = blocks.chunks(of_bin).filter(|bin| bin.len() >= OF_BIN).map(|bin| {
        let mut variances: Vec<f64> = bin.iter().map(|block| block.variance).collect();
        let quarter = variances.len() / 4;
        let variance = *variances.select_nth_unstable_by(quarter, f64::total_cmp).1 / LOWER_QUARTER;
        Block { mean: bin.iter().map(|block| block.mean).sum::<f64>() / bin.len() as f64, variance }
    });
    let bins: Vec<Block> = bins.filter(|bin| bin.variance > 0.0).collect();
    // Each at its own size first; a bin that is all edges stands far above the line and loses its weight in the rounds.
    let mut line = least_squares(bins.iter().map(|bin| (*bin, bin.variance.powi(-2))), known)?.0;
    for _ in 0..ROUNDS {
        let weighted = bins.iter().map(|bin| {
            let expected = line.at(bin.mean).max(0.1 * bin.variance);
            let off = (bin.variance / expected - 1.0).abs().max(SPREAD);
            (*bin, 1.0 / (off * expected * expected))
        });
        line = least_squares(weighted, known)?.0;
    }
    Some(line)
}

/// Weighted least squares; the slope's standard error is that of overlapping blocks, of which a quarter are independent.
fn least_squares(blocks: impl Iterator<Item = (Block, f64)>, known: [Option<f64>; 2]) -> Option<(Line, f64)> {
    let [mut w, mut x, mut y, mut xx, mut xy, mut yy] = [0.0; 6];
    let mut count = 0.0_f64;
    for (Block { mean, variance }, weight) in blocks {
        w += weight;
        x += weight * mean;
        y += weight * variance;
        xx += weight * mean * mean;
        xy += weight * mean * variance;
        yy += weight * variance * variance;
        count += f64::from(u8::from(weight > 0.0));
    }
    let (slope, offset, curvature) = match known {
        [Some(slope), Some(offset)] => (slope, offset, xx),
        [Some(slope), None] => (slope, (y - slope * x) / w, xx),
        [None, Some(offset)] => ((xy - offset * x) / xx, offset, xx),
        [None, None] => {
            let curvature = xx - x * x / w;
            let slope = (xy - x * y / w) / curvature;
            (slope, (y - slope * x) / w, curvature)
        }
    };
    let left =
        yy + slope * slope * xx + offset * offset * w - 2.0 * slope * xy - 2.0 * offset * y + 2.0 * slope * offset * x;
    let overlap = (SIDE / PITCH).pow(2) as f64;
    let error = (left.max(0.0) / curvature / (count / overlap).max(1.0)).sqrt();
    (slope.is_finite() && offset.is_finite()).then_some((Line { slope, offset }, error))
}

//! How detector lines that end in matter go on beyond the detector: as the chord of a disc about the axis with the line's
//! value and slope at its end (after Hsieh et al. 2004, Med. Phys. 31, 2385, whose disc is of water).
//!
//! A disc's p² = 4μ²(R² − s²) is linear in s². A straight line through p² over s² of the end's cells gives, at the end, v² and the
//! R at which it falls to 0; what lies beyond is v·√((R² − s²)/(R² − s₀²)). Where v is no more than the noise about that line, the
//! line ends in air and nothing is added; where the chord ends at once, next to nothing.

use rayon::prelude::*;

use crate::operators::Beyond;

/// v² in standard errors up to which an end is air, and from which on it is matter.
const CERTAIN: [f64; 2] = [4.0, 8.0];
/// The same for v as a share of the line's largest value: less shows nowhere in the image.
const LARGE: [f64; 2] = [0.001, 0.004];

/// From 0 to 1 between two numbers, with no slope at either; 0 for no number.
fn rise(x: f64, [from, to]: [f64; 2]) -> f64 {
    let x = ((x - from) / (to - from)).clamp(0.0, 1.0);
    if x.is_nan() { 0.0 } else { x * x * (3.0 - 2.0 * x) }
}

/// One end of a line: the straight line through p² over s² as sums over the end's cells, from the last one inwards.
struct End {
    /// Distance of the last cell from the axis, in columns.
    distance: f64,
    /// s² − s₀² of the cells, less than 0 but for the last, and its mean and sum of squares about it.
    squares: Vec<f64>,
    mean: f64,
    spread: f64,
}

impl End {
    fn new(distance: f64, cells: usize) -> Self {
        let squares: Vec<f64> = (0..cells).map(|cell| cell as f64 * (cell as f64 - 2.0 * distance)).collect();
        let mean = squares.iter().sum::<f64>() / cells as f64;
        let spread = squares.iter().map(|square| (square - mean).powi(2)).sum();
        Self { distance, squares, mean, spread }
    }

    /// v, 1/D and q of the line whose cells these are, from the last one inwards, and whose largest value that is.
    fn of<'a>(&self, cells: impl Iterator<Item = &'a f32> + Clone, largest: f32) -> [f32; 3] {
        let powers = cells.map(|p| f64::from(*p) * f64::from(p.abs()));
        let pairs = self.squares.iter().zip(powers);
        let count = self.squares.len() as f64;
        let mean = pairs.clone().map(|(_, y)| y).sum::<f64>() / count;
        let slope = pairs.clone().map(|(x, y)| (x - self.mean) * (y - mean)).sum::<f64>() / self.spread;
        let height = mean - slope * self.mean;
        let residue = pairs.map(|(x, y)| (y - height - slope * x).powi(2)).sum::<f64>() / (count - 2.0);
        let error = (residue * (1.0 / count + self.mean * self.mean / self.spread)).sqrt();
        let value = height.abs().sqrt();
        let matter = rise(height.abs() / error, CERTAIN) * rise(value / f64::from(largest), LARGE);
        if matter == 0.0 {
            return [0.0; 3];
        }
        let value = height.signum() * value * matter;
        let falls = -slope / height;
        if falls <= 0.0 {
            return [value as f32, 0.0, 0.0];
        }
        let reach = (self.distance * self.distance + 1.0 / falls).sqrt() - self.distance;
        [value as f32, (1.0 / reach) as f32, (reach / (reach + 2.0 * self.distance)) as f32]
    }
}

/// What to add to `projections`, lines of `columns` cells, `rows` of them to a view, the axis at column `center`, where their rays
/// count as `rays` says (one line of columns or one a view): a detector's short side fades out where the other side sees what lies
/// beyond.
pub fn beyond(projections: &[f32], [columns, rows]: [usize; 2], center: f64, rays: &[f64]) -> Beyond {
    let cells = (columns / 20).clamp(6, 24);
    let counted = rays.iter().fold(0.0, |most: f64, ray| most.max(*ray)) / 4.0;
    let of_view = |line: &[f64]| [line[0] >= counted, line[columns - 1] >= counted];
    let sides: Vec<[bool; 2]> = rays.chunks_exact(columns).map(of_view).collect();
    if columns < 4 * cells || sides.iter().all(|sides| *sides == [false; 2]) {
        return Beyond::default();
    }
    let end = |last: f64| End::new((last - center).abs().max(columns as f64 / 4.0), cells);
    let [left, right] = [end(0.0), end(columns as f64 - 1.0)];
    let both = |(index, line): (usize, &[f32])| {
        let sides = sides[(index / rows) % sides.len()];
        let largest = line.iter().fold(0.0, |most: f32, p| most.max(p.abs()));
        let [a, b, c] = if sides[0] { left.of(line.iter().take(cells), largest) } else { [0.0; 3] };
        let [d, e, f] = if sides[1] { right.of(line.iter().rev().take(cells), largest) } else { [0.0; 3] };
        [a, b, c, d, e, f]
    };
    let ends: Vec<[f32; 6]> = projections.par_chunks_exact(columns).enumerate().with_min_len(64).map(both).collect();
    let reach = |[value, inverse, _]: [f32; 3]| match value {
        0.0 => 0.0,
        _ => (1.0 / inverse).min(columns as f32),
    };
    let longest = |[a, b, c, d, e, f]: &[f32; 6]| reach([*a, *b, *c]).max(reach([*d, *e, *f]));
    // A chord that ends within the next cell adds nothing.
    let extend = ends.iter().map(longest).fold(0.0, f32::max).ceil() as usize;
    match extend {
        0 | 1 => Beyond::default(),
        _ => Beyond { extend: extend.min(columns), window: columns as f32 + 1.0, ends },
    }
}

/// Columns that see more than air: whose mean over lines of `columns` cells is more than shows nowhere.
pub fn in_matter(projections: &[f32], columns: usize) -> Vec<bool> {
    let sum = |mut sums: Vec<f64>, line: &[f32]| {
        sums.iter_mut().zip(line).for_each(|(sum, p)| *sum += f64::from(*p));
        sums
    };
    // Parts of so many lines, whatever the threads, so that sums round alike.
    let parts = projections.par_chunks(columns * 64);
    let sums = parts.map(|lines| lines.chunks_exact(columns).fold(vec![0.0; columns], sum));
    let sums = sums.collect::<Vec<_>>().into_iter().reduce(|mut all, part| {
        all.iter_mut().zip(&part).for_each(|(all, part)| *all += part);
        all
    });
    let sums = sums.unwrap_or_default();
    let largest = sums.iter().fold(0.0, |most: f64, sum| most.max(sum.abs()));
    sums.iter().map(|sum| sum.abs() > LARGE[1] * largest).collect()
}

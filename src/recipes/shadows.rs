//! Where matter can be: within the convex hull that the shadows' edges cut out, and, where the detector cuts shadows off, up to
//! where these would end.
//!
//! A ray outside all that attenuates reads nothing. Of every view the outermost rays that read something bound the object by two
//! half-planes; their intersection holds it. Beyond the detector's edge a shadow goes on: the square of a disc's (and an
//! ellipse's) line integrals is a parabola in the column, and its root is taken for the end.

use ndarray::{Array3, ArrayView1};

use crate::{
    geometry::{Geometry, add, cross, dot},
    scan::Scan,
};

/// Line integrals below this part of the largest are taken for nothing,
const NOTHING: f32 = 0.01;
/// and a shadow that reaches the detector's edge with more than this goes on beyond it.
const CUT_OFF: f32 = 0.05;
/// How far the object may go on, in fields of view.
const FARTHEST: f64 = 2.0;
/// A direction is bounded by half-planes that face it within this angle's cosine (30°): where no view looks along an edge,
/// the hull says nothing of it.
const FACING: f64 = 0.866;

/// What the shadows say.
#[derive(Clone, Debug)]
pub(super) struct Shadows {
    /// Corners of the hull, (x, y).
    hull: Vec<[f64; 2]>,
    /// Outward normals of the half-planes.
    normals: Vec<[f64; 2]>,
    /// Those of edges that the detector cuts off.
    cut_off: Vec<[f64; 2]>,
    /// The farthest ray's distance from the axis.
    pub field: f64,
}

impl Shadows {
    /// How far the object reaches along a unit vector, if the views tell.
    pub fn reach(&self, direction: [f64; 2]) -> Option<f64> {
        let faces = |normal: &[f64; 2]| normal[0] * direction[0] + normal[1] * direction[1] >= FACING;
        let along = |corner: &[f64; 2]| corner[0] * direction[0] + corner[1] * direction[1];
        self.normals.iter().any(faces).then(|| self.hull.iter().map(along).fold(f64::NEG_INFINITY, f64::max))
    }

    /// Whether there must be something outside a convex region, bounded by half-planes n·q ≤ s: were all within, the shadows of what
    /// is in the hull and in the region, too, would reach as far as those measured, but for `slack`.
    pub fn reach_beyond(&self, region: &[([f64; 2], f64)], slack: f64) -> bool {
        let bounds = region.iter().map(|(normal, distance)| Bound { normal: *normal, distance: *distance });
        let within = bounds.fold(self.hull.clone(), |hull, bound| clip(hull, &bound));
        let reach = |polygon: &[[f64; 2]], normal: &[f64; 2]| {
            polygon.iter().map(|q| q[0] * normal[0] + q[1] * normal[1]).fold(f64::NEG_INFINITY, f64::max)
        };
        self.normals.iter().any(|normal| reach(&self.hull, normal) - reach(&within, normal) > slack)
    }

    /// Whether the object goes on beyond the field of view along a unit vector.
    pub fn is_cut_off(&self, direction: [f64; 2]) -> bool {
        self.cut_off.iter().any(|normal| normal[0] * direction[0] + normal[1] * direction[1] >= FACING)
    }
}

/// A half-plane n·q ≤ s, with where its edge is on the detector.
#[derive(Clone, Copy)]
struct Bound {
    normal: [f64; 2],
    distance: f64,
}

/// The shadows of a scan in a plane; none where there is no object, or its shadows contradict each other.
pub(super) fn of(scan: &Scan) -> Option<Shadows> {
    let Scan { projections, geometry } = scan;
    let largest = typical_largest(projections)?;
    let air = NOTHING * largest + 2.0 * air_noise(projections, largest);
    // Beside a detector that misses the axis lies all and nothing.
    if (0..2).any(|side| edges(geometry, side).any(|bound| bound.distance < 0.0)) {
        return None;
    }
    let field = |side: usize| edges(geometry, side).map(|bound| bound.distance.abs()).fold(0.0, f64::max);
    let fields = [field(0), field(1)];
    let widest = fields[0].max(fields[1]);
    // The side of an offset detector that sees less bounds nothing: the other one, half a turn later, does.
    let sees = fields.map(|field| field > 0.98 * widest);
    let spans: Vec<Option<Span>> =
        projections.outer_iter().map(|view| Span::of(view.row(0), air, CUT_OFF * largest)).collect();
    let (mut normals, mut cut_off, mut bounds) = (Vec::new(), Vec::new(), Vec::new());
    for side in (0..2).filter(|side| sees[*side]) {
        let ends: Vec<Option<f64>> =
            spans.iter().map(|span| span.as_ref().and_then(|span| span.goes_on[side])).collect();
        for (index, span) in spans.iter().enumerate() {
            let Some(span) = span else { continue };
            let beyond = typical_end(&ends, index);
            let bound = bound(geometry, index, side, beyond.unwrap_or(span.ends[side]), span.middle());
            normals.push(bound.normal);
            if beyond.is_some() {
                cut_off.push(bound.normal);
            }
            bounds.push(bound);
        }
    }
    let half = if cut_off.is_empty() { widest } else { FARTHEST * widest };
    let square = vec![[-half, -half], [half, -half], [half, half], [-half, half]];
    let hull = bounds.iter().fold(square, clip);
    (!hull.is_empty()).then_some(Shadows { hull, normals, cut_off, field: widest })
}

/// Where a view's shadow begins and ends.
struct Span {
    /// Columns of the first and last edge.
    ends: [f64; 2],
    /// Where it would end beyond the detector.
    goes_on: [Option<f64>; 2],
}

impl Span {
    fn of(line: ArrayView1<f32>, air: f32, much: f32) -> Option<Self> {
        let smooth = smoothed(line);
        // The mean alone would let a shadow end a cell too far out, the number alone at any cell of noise.
        let reads = |(mean, own): (&f32, &f32)| *mean > air && own.abs() > air;
        let shadow: Vec<bool> = smooth.iter().zip(line).map(reads).collect();
        let first = shadow.iter().position(|reads| *reads)?;
        let last = shadow.iter().rposition(|reads| *reads)?;
        let inwards = |cell: usize| f64::from(line[(first + cell).min(last)].abs());
        let back = |cell: usize| f64::from(line[last.saturating_sub(cell).max(first)].abs());
        let ends = [
            first as f64 + 0.5 - covered([inwards(0), inwards(1), inwards(2)]),
            last as f64 - 0.5 + covered([back(0), back(1), back(2)]),
        ];
        let reaches = [first == 0, last + 1 == shadow.len()];
        let goes_on = [0, 1].map(|side| {
            let from_edge: Vec<f64> = match side {
                0 => smooth.iter().map(|value| f64::from(*value)).collect(),
                _ => smooth.iter().rev().map(|value| f64::from(*value)).collect(),
            };
            let width = edge_width(from_edge.len());
            let edge = from_edge[..width].iter().sum::<f64>() / width as f64;
            if !reaches[side] || edge <= f64::from(much) {
                return None;
            }
            let beyond = continuation(&from_edge);
            Some(if side == 0 { -0.5 - beyond } else { from_edge.len() as f64 - 0.5 + beyond })
        });
        Some(Self { ends, goes_on })
    }

    fn middle(&self) -> f64 {
        0.5 * (self.ends[0] + self.ends[1])
    }
}

/// The part of a shadow's last cell that it covers, from this and the two cells before it: up to where p² would come to 0 along
/// its tangent; where it ends steeply, as that of a box, by the last cell's share of what its neighbour reads.
fn covered([last, next, third]: [f64; 3]) -> f64 {
    let fall = third * third - next * next;
    let round = if fall > 0.0 { next * next / fall - 0.5 } else { f64::INFINITY };
    let steep = if next > 0.0 { last / next } else { 1.0 };
    (if round <= 1.5 { round } else { steep }).clamp(0.0, 1.0)
}

fn edge_width(columns: usize) -> usize {
    (columns / 32).clamp(1, columns)
}

/// Sizes of the means of three cells.
fn smoothed(line: ArrayView1<f32>) -> Vec<f32> {
    let last = line.len() - 1;
    let mean = |i: usize| ((line[i.saturating_sub(1)] + line[i] + line[(i + 1).min(last)]) / 3.0).abs();
    (0..line.len()).map(mean).collect()
}

/// Cells beyond the edge until p² comes to 0: along its tangent where that is near, else along its parabola over half the line.
fn continuation(from_edge: &[f64]) -> f64 {
    let columns = from_edge.len();
    let most = (FARTHEST - 1.0) * columns as f64 / 2.0;
    let (near, half) = ((columns / 16).max(3).min(columns), (columns / 2).max(3).min(columns));
    let root = |count: usize, degree: usize| {
        let squares: Vec<f64> = from_edge[..count].iter().map(|value| value * value).collect();
        root_before(&squares, degree).unwrap_or(most)
    };
    let tangent = root(near, 1);
    let beyond = if tangent < 0.05 * columns as f64 { tangent } else { root(half, 2) };
    beyond.clamp(0.0, most)
}

/// Where the polynomial of this degree that fits the cells best comes to 0 before the first of them: its distance from their
/// edge.
fn root_before(values: &[f64], degree: usize) -> Option<f64> {
    if values.len() <= degree {
        return None;
    }
    // Least squares on x = −½ … −(n − ½), scaled to the unit interval.
    let scale = values.len() as f64;
    let mut normal = [[0.0; 4]; 3];
    for (index, value) in values.iter().enumerate() {
        let x = -(index as f64 + 0.5) / scale;
        let powers = [1.0, x, x * x];
        for row in 0..=degree {
            for column in 0..=degree {
                normal[row][column] += powers[row] * powers[column];
            }
            normal[row][3] += powers[row] * value;
        }
    }
    let [a, b, c] = solved(normal, degree + 1)?;
    let x = if c.abs() < 1e-9 * (a.abs() + b.abs()) {
        -a / b
    } else {
        let root = (b * b - 4.0 * a * c).sqrt();
        // The first root on the side of growing x.
        let roots = [(-b + root) / (2.0 * c), (-b - root) / (2.0 * c)];
        roots.into_iter().filter(|x| *x >= 0.0).fold(f64::NAN, f64::min)
    };
    (x.is_finite() && x >= 0.0).then_some(x * scale)
}

/// Gaussian elimination of so many rows; the rest is 0.
fn solved(mut m: [[f64; 4]; 3], count: usize) -> Option<[f64; 3]> {
    for pivot in 0..count {
        let best = (pivot..count).max_by(|a, b| m[*a][pivot].abs().total_cmp(&m[*b][pivot].abs()))?;
        m.swap(pivot, best);
        if m[pivot][pivot] == 0.0 {
            return None;
        }
        for row in (0..count).filter(|row| *row != pivot) {
            let factor = m[row][pivot] / m[pivot][pivot];
            let line = m[pivot];
            m[row].iter_mut().zip(line).for_each(|(value, of_pivot)| *value -= factor * of_pivot);
        }
    }
    Some([0, 1, 2].map(|row| if row < count { m[row][3] / m[row][row] } else { 0.0 }))
}

/// The end beyond the detector that neighbouring views agree on: their median; none where this view's shadow ends on it.
fn typical_end(ends: &[Option<f64>], index: usize) -> Option<f64> {
    ends[index]?;
    let reach = (ends.len() / 24).max(2);
    let range = index.saturating_sub(reach)..(index + reach + 1).min(ends.len());
    let mut near: Vec<f64> = ends[range].iter().copied().flatten().collect();
    near.sort_unstable_by(f64::total_cmp);
    Some(near[near.len() / 2])
}

/// The median over the views of their largest numbers, whatever their sign.
fn typical_largest(projections: &Array3<f32>) -> Option<f32> {
    let largest = |line: ArrayView1<f32>| smoothed(line).into_iter().fold(0.0, f32::max);
    let mut all: Vec<f32> = projections.outer_iter().map(|view| largest(view.row(0))).collect();
    all.sort_unstable_by(f32::total_cmp);
    all.get(all.len() / 2).copied().filter(|largest| *largest > 0.0)
}

/// σ of the mean of three cells where there is little but air, from second differences (their median, as edges stand out).
fn air_noise(projections: &Array3<f32>, largest: f32) -> f32 {
    const MEDIAN_SIZE: f32 = 0.674_49;
    let mut sizes: Vec<f32> = Vec::new();
    for view in projections.outer_iter() {
        let line = view.row(0);
        let runs = line.windows(3).into_iter().filter(|run| run.iter().all(|value| value.abs() < 0.1 * largest));
        sizes.extend(runs.map(|run| (run[0] - 2.0 * run[1] + run[2]).abs()));
    }
    if sizes.is_empty() {
        return 0.0;
    }
    let middle = sizes.len() / 2;
    let (_, median, _) = sizes.select_nth_unstable_by(middle, f32::total_cmp);
    *median / MEDIAN_SIZE / 6.0_f32.sqrt() / 3.0_f32.sqrt()
}

/// The outermost edge of the detector on one side, in every view.
fn edges(geometry: &Geometry, side: usize) -> impl Iterator<Item = Bound> {
    let columns = geometry.columns as f64;
    let column = if side == 0 { -0.5 } else { columns - 0.5 };
    (0..geometry.views.len()).map(move |view| bound(geometry, view, side, column, (columns - 1.0) / 2.0))
}

/// The half-plane on this side of the ray at `column`, `inside` being the column of a ray within.
fn bound(geometry: &Geometry, view: usize, side: usize, column: f64, inside: f64) -> Bound {
    let view = &geometry.views[view];
    let ray = view.ray(0.0, column);
    let normal = cross(ray.direction, [0.0, 0.0, 1.0]);
    // A step inwards: for a shadow of one cell, too.
    let inwards = if side == 0 { (inside - column).max(0.5) } else { (inside - column).min(-0.5) };
    let step = add(view.cell(0.0, column + inwards), -1.0, ray.origin);
    let sign = -dot(normal, step).signum();
    Bound { normal: [sign * normal[0], sign * normal[1]], distance: sign * dot(normal, ray.origin) }
}

/// What of a convex polygon lies in a half-plane (Sutherland & Hodgman 1974).
fn clip(polygon: Vec<[f64; 2]>, bound: &Bound) -> Vec<[f64; 2]> {
    let above = |q: &[f64; 2]| q[0] * bound.normal[0] + q[1] * bound.normal[1] - bound.distance;
    let mut kept = Vec::with_capacity(polygon.len() + 1);
    for (index, from) in polygon.iter().enumerate() {
        let to = &polygon[(index + 1) % polygon.len()];
        let [a, b] = [above(from), above(to)];
        if a <= 0.0 {
            kept.push(*from);
        }
        if (a < 0.0 && b > 0.0) || (a > 0.0 && b < 0.0) {
            let share = a / (a - b);
            kept.push([from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1])]);
        }
    }
    kept
}

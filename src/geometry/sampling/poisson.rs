//! Variable-density Poisson disc: random points, none nearer to another than a radius that grows with |k| (M. Lustig,
//! J. M. Pauly, SPIRiT, Magn. Reson. Med. 64, 457, 2010; discs: R. L. Cook, ACM Trans. Graph. 5, 51, 1986).
//!
//! Points are offered in a random order and taken where no point taken before is nearer than its radius 1 + s·ρ, in cells of
//! k-space; ρ is 0 at the calibration region's edge and 1 at that of k-space. Each point's radius is dithered by up to 0.3 cells, for
//! on a lattice the density would change in steps, with a checkerboard between 1 and √2 cells. The slope s is the greatest that
//! leaves enough points; those that are too many, which came last, are dropped, so that R is met to one point.

use super::{Design, Options, Sampling};
use crate::{
    error::{Error, Result},
    random::Draws,
};

pub(super) const DESIGN: Design = Design {
    name: "poisson",
    about: "variable-density Poisson disc in (y, x), in 3-D in (z, y), and the calibration region",
    usual_acceleration: 4.0,
    make: sample,
};

/// Width of the radius's dither, in cells: about the distance from 1 to √2 to 2 to √5.
const DITHER: f64 = 0.6;

/// Halvings of the interval in which the slope lies.
const BISECTIONS: usize = 24;

fn sample(options: &Options) -> Result<Sampling> {
    let [rows, columns] = options.plane();
    let calibration = options.calibrated_plane()?;
    let fixed = calibration.iter().filter(|point| **point).count();
    let budget = options.budget(rows * columns, fixed)?;
    let plane = Plane::new(options, calibration);
    let mut steepest = [0.0, 2.0 * rows.max(columns) as f64];
    let mut best = plane.discs(0.0);
    if fixed + best.len() < budget {
        return Err(Error::Option(format!(
            "an acceleration of {} is out of reach: the ellipse within k-space has points for no less than {:.3}; sample the corners, too (--corners)",
            options.acceleration,
            (rows * columns) as f64 / (fixed + best.len()) as f64
        )));
    }
    for _ in 0..BISECTIONS {
        let slope = f64::midpoint(steepest[0], steepest[1]);
        let found = plane.discs(slope);
        if fixed + found.len() < budget {
            steepest[1] = slope;
            continue;
        }
        steepest[0] = slope;
        best = found;
        if fixed + best.len() == budget {
            break;
        }
    }
    let mut sampled = plane.calibration;
    best.iter().take(budget - fixed).for_each(|point| sampled[*point] = true);
    Ok(options.mask_of_plane(&sampled))
}

/// The plane that is sampled.
struct Plane {
    columns: usize,
    calibration: Vec<bool>,
    /// ρ of each point.
    radius: Vec<f64>,
    /// What is added to each point's radius, in cells.
    dither: Vec<f64>,
    /// The points in the order in which they are offered.
    order: Vec<usize>,
}

impl Plane {
    fn new(options: &Options, calibration: Vec<bool>) -> Self {
        let [rows, columns] = options.plane();
        let half = options.calibration as f64 / 2.0;
        let outside = |index: usize, extent: usize| {
            let most = (extent as f64 / 2.0 - half).max(1.0);
            ((index as f64 - (extent / 2) as f64).abs() - half).max(0.0) / most
        };
        let radius: Vec<f64> =
            (0..rows * columns).map(|i| outside(i / columns, rows).hypot(outside(i % columns, columns))).collect();
        let offered = |i: &usize| !calibration[*i] && (options.corners || radius[*i] <= 1.0);
        let mut keys: Vec<(f64, usize)> = (0..rows * columns)
            .filter(offered)
            .map(|i| (Draws::new(options.seed, [0, i / columns, i % columns]).uniform(), i))
            .collect();
        keys.sort_by(|a, b| a.0.total_cmp(&b.0));
        let dither = |i: usize| DITHER * (Draws::new(options.seed, [1, i / columns, i % columns]).uniform() - 0.5);
        let dither = (0..rows * columns).map(dither).collect();
        Self { columns, calibration, radius, dither, order: keys.into_iter().map(|(_, i)| i).collect() }
    }

    /// The points taken, in that order, where the radius is 1 + slope·ρ. The calibration region keeps no distance.
    fn discs(&self, slope: f64) -> Vec<usize> {
        let mut free = vec![true; self.radius.len()];
        let mut taken = Vec::new();
        for &point in &self.order {
            if free[point] {
                taken.push(point);
                let radius = 1.0 + slope * self.radius[point];
                // Without a slope there is no distance to keep, so that every point can be had.
                let radius = if slope > 0.0 { (radius + self.dither[point]).max(1.0) } else { radius };
                self.cover(point, radius, &mut free);
            }
        }
        taken
    }

    /// Takes the points nearer than `radius` away.
    fn cover(&self, point: usize, radius: f64, free: &mut [bool]) {
        let (rows, columns) = (free.len() / self.columns, self.columns);
        let (row, column) = (point / columns, point % columns);
        // The greatest whole distance below the radius.
        let reach = (radius.ceil() as usize - 1).min(rows.max(columns));
        for other in row.saturating_sub(reach)..=(row + reach).min(rows - 1) {
            let down = row.abs_diff(other) as f64;
            let square = radius * radius - down * down;
            if square <= 0.0 {
                continue;
            }
            let across = square.sqrt().ceil() as usize - 1;
            let (first, last) = (column.saturating_sub(across), (column + across).min(columns - 1));
            free[other * columns + first..=other * columns + last].fill(false);
        }
    }
}

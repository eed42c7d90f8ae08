//! A tabulated cross-section: natural cubic splines of ln(value) over ln(energy), broken at absorption edges.
//!
//! Splines of the logarithms are how the tables' authors interpolate (M. J. Berger, J. H. Hubbell, XCOM, NBSIR 87-3597,
//! 1987); straight lines between the tables' coarse steps would be 4 % high in water at 25 keV.

/// A function of the photon energy.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    /// Between edges, in order of energy; each begins where the last one ends.
    pieces: Vec<Spline>,
}

/// A natural cubic spline: knots, values and second derivatives there.
#[derive(Clone, Debug, PartialEq)]
struct Spline {
    x: Vec<f64>,
    y: Vec<f64>,
    curvature: Vec<f64>,
}

impl Table {
    /// From points (energy, value), both above 0, in order of energy; an energy that stands twice is an edge.
    pub fn new(points: &[[f64; 2]]) -> Result<Self, String> {
        if let Some([energy, value]) = points.iter().find(|point| !point.iter().all(|x| *x > 0.0 && x.is_finite())) {
            return Err(format!("the point [{energy}, {value}]: both must be above 0"));
        }
        if let Some(pair) = points.windows(2).find(|pair| pair[0][0] > pair[1][0]) {
            return Err(format!("{} keV stands after {} keV", pair[1][0], pair[0][0]));
        }
        let pieces: Vec<Spline> = points.chunk_by(|a, b| a[0] < b[0]).map(Spline::through).collect();
        if pieces.is_empty() || pieces.iter().any(|piece| piece.x.len() < 2) {
            return Err("there must be two energies at least on each side of an edge".into());
        }
        Ok(Self { pieces })
    }

    /// Least and greatest energy.
    pub fn range(&self) -> [f64; 2] {
        let [first, last] = [&self.pieces[0], &self.pieces[self.pieces.len() - 1]];
        [first.x[0].exp(), last.x[last.x.len() - 1].exp()]
    }

    /// The value at `energy`; on an edge the one above it; beyond the table its end continues.
    pub fn at(&self, energy: f64) -> f64 {
        let x = energy.ln();
        let above = self.pieces.iter().rposition(|piece| piece.x[0] <= x).unwrap_or(0);
        self.pieces[above].at(x).exp()
    }
}

impl Spline {
    fn through(points: &[[f64; 2]]) -> Self {
        let [x, y] = [0, 1].map(|axis| points.iter().map(|point| point[axis].ln()).collect::<Vec<_>>());
        let curvature = curvature(&x, &y);
        Self { x, y, curvature }
    }

    fn at(&self, x: f64) -> f64 {
        let last = self.x.len() - 2;
        let i = self.x.partition_point(|knot| *knot <= x).saturating_sub(1).min(last);
        let width = self.x[i + 1] - self.x[i];
        let b = ((x - self.x[i]) / width).clamp(0.0, 1.0);
        let a = 1.0 - b;
        let bend = (a * a * a - a) * self.curvature[i] + (b * b * b - b) * self.curvature[i + 1];
        a * self.y[i] + b * self.y[i + 1] + bend * width * width / 6.0
    }
}

/// Second derivatives at the knots, 0 at the ends: the tridiagonal system solved by elimination.
fn curvature(x: &[f64], y: &[f64]) -> Vec<f64> {
    let n = x.len();
    let (mut upper, mut right) = (vec![0.0; n], vec![0.0; n]);
    for i in 1..n.saturating_sub(1) {
        let [before, after] = [x[i] - x[i - 1], x[i + 1] - x[i]];
        let pivot = 2.0 * (before + after) - before * upper[i - 1];
        let bend = 6.0 * ((y[i + 1] - y[i]) / after - (y[i] - y[i - 1]) / before);
        upper[i] = after / pivot;
        right[i] = (bend - before * right[i - 1]) / pivot;
    }
    for i in (1..n.saturating_sub(1)).rev() {
        right[i] -= upper[i] * right[i + 1];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splines_pass_through_their_points_and_jump_at_edges() {
        let points = [[10.0, 8.0], [20.0, 2.0], [30.0, 1.0], [30.0, 6.0], [40.0, 3.0], [60.0, 1.0]];
        let table = Table::new(&points).unwrap();
        for [energy, value] in points.iter().filter(|point| point[1] != 1.0 || point[0] == 60.0) {
            assert!((table.at(*energy) - value).abs() < 1e-12, "{energy}");
        }
        assert!((table.at(29.999_999) - 1.0).abs() < 1e-6);
        let [low, high] = table.range();
        assert!((low - 10.0).abs() < 1e-9 && (high - 60.0).abs() < 1e-9);
        assert_eq!(table.at(5.0), table.at(10.0));
    }

    #[test]
    fn a_power_law_is_met_exactly() {
        // A straight line in the logarithms is its own natural spline.
        let points: Vec<_> = [10.0_f64, 15.0, 33.0, 80.0].map(|e| [e, 5e4 * e.powf(-2.8)]).into();
        let table = Table::new(&points).unwrap();
        for energy in [11.0_f64, 20.0, 50.0, 79.0] {
            assert!((table.at(energy) / (5e4 * energy.powf(-2.8)) - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn impossible_tables_are_refused() {
        for (points, said) in [
            (&[[10.0, 1.0], [20.0, 0.0]][..], "above 0"),
            (&[[20.0, 1.0], [10.0, 1.0]], "stands after"),
            (&[[10.0, 1.0], [20.0, 1.0], [20.0, 2.0]], "two energies"),
            (&[], "two energies"),
        ] {
            assert!(Table::new(points).unwrap_err().contains(said), "{points:?}");
        }
    }
}

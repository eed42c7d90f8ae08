//! A k-space trajectory: a list of points, plain data, no code path per pattern.

use crate::error::{Error, Result};

/// Points (kx, ky, kz) in cycles per field of view, within −N/2…N/2 of each axis; kz is 0 in two dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Trajectory {
    /// Extents of the image's matrix along z, y, x; nz = 1 in two dimensions.
    pub matrix: [usize; 3],
    /// One entry a sample.
    pub points: Vec<[f32; 3]>,
}

/// Ways to count that are not ours, by how far a trajectory reaches in them, and their names. Points within ±½ cycles per
/// field of view would all be one point of k-space.
const OTHER_UNITS: [(std::ops::Range<f32>, &str); 2] =
    [(0.0..0.505, "cycles per voxel, ±½"), (2.8..3.18, "radians per voxel, ±π")];

impl Trajectory {
    /// How far the points reach, as a part of the matrix's k-space, along the axis where they reach furthest.
    pub fn reach(&self) -> f32 {
        let [nz, ny, nx] = self.matrix;
        let part = |point: &[f32; 3]| {
            let along = point.iter().zip([nx, ny, nz]).filter(|(_, extent)| *extent > 1);
            along.map(|(k, extent)| 2.0 * k.abs() / extent as f32).fold(0.0, f32::max)
        };
        self.points.iter().map(part).fold(0.0, f32::max)
    }

    /// Refuses points that end where another unit has the edge of k-space, far inside the matrix's: they were not converted.
    pub fn check_unit(&self) -> Result<()> {
        let furthest = self.points.iter().flatten().fold(0.0_f32, |far, k| far.max(k.abs()));
        // Half the k-space and more is well sampled, whatever its edge is called.
        let found = OTHER_UNITS.iter().find(|(range, _)| range.contains(&furthest));
        match found.filter(|_| self.reach() < 0.5) {
            Some((_, unit)) => Err(Error::Scan(format!(
                "the trajectory reaches to ±{furthest} cycles per field of view, {:.1} % of the k-space of a matrix of {:?} \
                 (z, y, x): these are rather {unit}",
                100.0 * self.reach(),
                self.matrix
            ))),
            None => Ok(()),
        }
    }

    /// Refuses trajectories without points, or with points that are no numbers, all at the centre, or outside the k-space of
    /// the matrix.
    pub fn check(&self) -> Result<()> {
        let [nz, ny, nx] = self.matrix;
        if self.points.is_empty() || nz * ny * nx == 0 {
            return Err(Error::Scan(format!(
                "a trajectory of {} points for a matrix of {:?} (z, y, x): none of these may be 0",
                self.points.len(),
                self.matrix
            )));
        }
        if let Some(index) = self.points.iter().position(|point| !point.iter().all(|k| k.is_finite())) {
            return Err(Error::Scan(format!("point {index} of the trajectory is not a finite number")));
        }
        if self.points.len() > 1 && nz * ny * nx > 1 && self.points.iter().flatten().all(|k| *k == 0.0) {
            return Err(Error::Scan(
                "every point of the trajectory is 0: it does not say where the samples lie".into(),
            ));
        }
        let edges = [nx, ny, nz].map(|extent| if extent == 1 { 0.0 } else { 0.5 * extent as f32 });
        let inside = |point: &[f32; 3]| point.iter().zip(edges).all(|(k, edge)| k.abs() <= edge * 1.0001 + 1e-6);
        match self.points.iter().position(|point| !inside(point)) {
            Some(index) => Err(Error::Scan(format!(
                "sample {index} lies at {:?} cycles per field of view (x, y, z), outside the k-space of the matrix, ±{:?}; \
                 check --matrix and the trajectory's unit",
                self.points[index], edges
            ))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_that_say_nothing_are_refused_as_what_they_are() {
        let said = |points: Vec<[f32; 3]>| Trajectory { matrix: [1, 48, 48], points }.check().unwrap_err().to_string();
        assert!(said(vec![[0.0; 3]; 9]).contains("every point of the trajectory is 0"));
        for odd in [f32::NAN, f32::INFINITY] {
            assert!(said(vec![[1.0, 2.0, 0.0], [0.0, odd, 0.0]]).contains("point 1 of the trajectory is not a finite"));
        }
        assert!(said(vec![[1.0, 25.0, 0.0]]).contains("outside the k-space"));
        assert!(Trajectory { matrix: [1, 48, 48], points: vec![[0.0; 3]] }.check().is_ok());
    }

    #[test]
    fn numbers_in_another_unit_are_seen_by_how_far_they_reach() {
        // A spoke to the edge of a matrix of 48, scaled.
        let spoke = |edge: f32| {
            let points = (0..48).map(|i| [(i as f32 - 24.0) / 24.0 * edge, 0.0, 0.0]).collect();
            Trajectory { matrix: [1, 48, 48], points }
        };
        assert_eq!(spoke(24.0).reach(), 1.0);
        for good in [24.0, 12.0, 8.0, 2.0] {
            assert!(spoke(good).check_unit().is_ok(), "{good}");
        }
        for (edge, unit) in [(0.5, "cycles per voxel"), (std::f32::consts::PI, "radians per voxel")] {
            let said = spoke(edge).check_unit().unwrap_err().to_string();
            assert!(said.contains(unit), "{said}");
            // Of a small matrix it is the edge.
            let small = Trajectory { matrix: [1, 2, 2], ..spoke(edge.min(1.0)) };
            assert!(small.check_unit().is_ok());
        }
    }
}

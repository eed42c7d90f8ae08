//! A region of interest in voxel indices: where figures are taken.

use std::{ops::Range, str::FromStr};

use crate::error::{Error, Result};

/// A region, in voxel indices (0 = centre of the first voxel).
#[derive(Clone, Debug, PartialEq)]
pub enum Roi {
    /// A circle in every slice.
    Circle {
        /// Column of its centre.
        x: f64,
        /// Row of its centre.
        y: f64,
        /// Radius, in voxels.
        radius: f64,
    },
    /// A box; its ends are left out.
    Box {
        /// Columns.
        x: Range<usize>,
        /// Rows.
        y: Range<usize>,
        /// Slices; all if `None`.
        z: Option<Range<usize>>,
    },
}

impl Roi {
    /// Whether the centre of voxel (`z`, `y`, `x`) lies inside.
    pub fn contains(&self, z: usize, y: usize, x: usize) -> bool {
        self.contains_in_plane(y, x) && self.contains_slice(z)
    }

    /// The same for pixel (`y`, `x`) of the slices that are meant.
    pub fn contains_in_plane(&self, y: usize, x: usize) -> bool {
        match self {
            Self::Circle { x: column, y: row, radius } => (x as f64 - column).hypot(y as f64 - row) <= *radius,
            Self::Box { x: columns, y: rows, .. } => columns.contains(&x) && rows.contains(&y),
        }
    }

    /// Whether slice `z` is meant.
    pub fn contains_slice(&self, z: usize) -> bool {
        !matches!(self, Self::Box { z: Some(slices), .. } if !slices.contains(&z))
    }
}

/// Reads `circle:X,Y,RADIUS` or `box:X0..X1,Y0..Y1[,Z0..Z1]`.
impl FromStr for Roi {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::Quantity {
            text: text.to_string(),
            expected: "a region in voxel indices, such as circle:255.5,255.5,200 or box:100..200,120..220 (x, y, and z if wanted)",
        };
        let range = |part: &str| {
            let (start, end) = part.split_once("..")?;
            let range = start.trim().parse().ok()?..end.trim().parse().ok()?;
            (range.start < range.end).then_some(range)
        };
        let (kind, parts) = text.trim().split_once(':').ok_or_else(wrong)?;
        let parts: Vec<&str> = parts.split(',').collect();
        let region = match (kind.trim(), parts.as_slice()) {
            ("circle", [x, y, radius]) => {
                let number = |part: &str| part.trim().parse().ok().filter(|number: &f64| number.is_finite());
                let circle = number(x).zip(number(y)).zip(number(radius).filter(|&radius| radius > 0.0));
                circle.map(|((x, y), radius)| Self::Circle { x, y, radius })
            }
            ("box", [x, y]) => range(x).zip(range(y)).map(|(x, y)| Self::Box { x, y, z: None }),
            ("box", [x, y, z]) => {
                range(x).zip(range(y)).zip(range(z)).map(|((x, y), z)| Self::Box { x, y, z: Some(z) })
            }
            _ => None,
        };
        region.ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_read_from_text() {
        assert_eq!("circle:5,6.5,2".parse::<Roi>().unwrap(), Roi::Circle { x: 5.0, y: 6.5, radius: 2.0 });
        assert_eq!("box:1..3, 2..5".parse::<Roi>().unwrap(), Roi::Box { x: 1..3, y: 2..5, z: None });
        assert_eq!("box:1..3,2..5,0..1".parse::<Roi>().unwrap(), Roi::Box { x: 1..3, y: 2..5, z: Some(0..1) });
        for wrong in
            ["", "circle", "circle:1,2", "circle:1,2,-3", "circle:1,2,nan", "box:3..1,0..2", "box:1,2", "disc:1,2,3"]
        {
            assert!(wrong.parse::<Roi>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_voxel_is_inside_by_its_centre() {
        let circle = Roi::Circle { x: 5.0, y: 5.0, radius: 2.0 };
        assert!(circle.contains(9, 5, 7) && !circle.contains(9, 6, 7));
        let cube = Roi::Box { x: 1..3, y: 2..5, z: Some(0..1) };
        assert!(cube.contains(0, 4, 2) && !cube.contains(0, 5, 2) && !cube.contains(1, 4, 2));
    }
}

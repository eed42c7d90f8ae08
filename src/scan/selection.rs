//! Parts of a scan: every n-th view, some rows, some columns, cells binned; numbers and geometry alike.

use std::ops::Range;

use ndarray::{Array3, Axis, Slice};

use crate::{
    error::{Error, Result},
    geometry::Geometry,
};

/// Which part of a scan to use. The default takes all of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Every n-th view, from the first.
    pub every: Option<usize>,
    /// Detector rows.
    pub rows: Option<Range<usize>>,
    /// Detector columns.
    pub columns: Option<Range<usize>>,
    /// Average this many neighbouring columns (and rows, where there are as many); what is left over is dropped.
    pub bin: Option<usize>,
}

impl Selection {
    /// Refuses parts that a scan of `shape` `[view, row, column]` does not have.
    pub fn check(&self, shape: [usize; 3]) -> Result<()> {
        let inside = |what: &str, range: &Option<Range<usize>>, extent: usize| match range {
            Some(range) if range.is_empty() || range.end > extent => Err(Error::Option(format!(
                "--{what} {}..{}: the scan has {extent}, so give a..b with 0 <= a < b <= {extent}",
                range.start, range.end
            ))),
            _ => Ok(()),
        };
        inside("rows", &self.rows, shape[1])?;
        inside("columns", &self.columns, shape[2])?;
        let columns = self.columns.as_ref().map_or(shape[2], ExactSizeIterator::len);
        match (self.every, self.bin) {
            (Some(0), _) => Err(Error::Option("--every 0: give 1 for all views, 2 for every second".into())),
            (_, Some(bin)) if bin == 0 || bin > columns => {
                Err(Error::Option(format!("--bin {bin}: give a number of cells from 1 to {columns}")))
            }
            _ => Ok(()),
        }
    }

    /// Rows binned together: as many as columns, or none where there are fewer.
    fn bin_rows(&self, rows: usize) -> usize {
        self.bin.filter(|bin| rows >= *bin).unwrap_or(1)
    }

    /// The selected part of projections `[view, row, column]`, of a scan whose views are the first axis only if `views`
    /// (flat and dark fields have frames there).
    pub fn of(&self, projections: Array3<f32>, views: bool) -> Array3<f32> {
        if *self == Self::default() {
            return projections;
        }
        let mut part = projections;
        if views && let Some(every) = self.every {
            part.slice_axis_inplace(Axis(0), Slice::from(..).step_by(every as isize));
        }
        if let Some(rows) = &self.rows {
            part.slice_axis_inplace(Axis(1), Slice::from(rows.clone()));
        }
        if let Some(columns) = &self.columns {
            part.slice_axis_inplace(Axis(2), Slice::from(columns.clone()));
        }
        let bins = [self.bin_rows(part.shape()[1]), self.bin.unwrap_or(1)];
        if bins == [1, 1] {
            return part.as_standard_layout().into_owned();
        }
        let shape = [part.shape()[0], part.shape()[1] / bins[0], part.shape()[2] / bins[1]];
        let share = 1.0 / (bins[0] * bins[1]) as f32;
        Array3::from_shape_fn(shape, |(view, row, column)| {
            let cells = (0..bins[0]).flat_map(|r| (0..bins[1]).map(move |c| (r, c)));
            cells.map(|(r, c)| part[[view, row * bins[0] + r, column * bins[1] + c]]).sum::<f32>() * share
        })
    }

    /// The geometry of the selected part.
    pub fn of_geometry(&self, geometry: &mut Geometry) {
        if let Some(every) = self.every {
            geometry.views = geometry.views.iter().copied().step_by(every).collect();
        }
        let rows = self.rows.clone().unwrap_or(0..geometry.rows);
        let columns = self.columns.clone().unwrap_or(0..geometry.columns);
        let bins = [self.bin_rows(rows.len()), self.bin.unwrap_or(1)];
        // Centre of the first cell of the part, in cells of the whole.
        let first = [(rows.start, bins[0]), (columns.start, bins[1])]
            .map(|(start, bin)| start as f64 + (bin as f64 - 1.0) / 2.0);
        geometry.rows = rows.len() / bins[0];
        geometry.columns = columns.len() / bins[1];
        for view in &mut geometry.views {
            *view = view.from_cell(first[0], first[1], [bins[0] as f64, bins[1] as f64]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Fan, LengthUnit};

    fn geometry(curved: bool) -> Geometry {
        Fan {
            angles: (0..10).map(|i| i as f64 * 0.3).collect(),
            columns: 40,
            rows: 6,
            cell: 1.5,
            cell_height: 2.0,
            source_origin: 200.0,
            source_detector: 320.0,
            center: Some(18.0),
            axis_offset: 0.0,
            curved,
            unit: LengthUnit::Millimetre,
        }
        .geometry()
    }

    #[test]
    fn cells_of_a_part_are_where_they_were_in_the_whole() {
        let part = Selection { every: Some(3), rows: Some(2..6), columns: Some(5..36), bin: Some(2) };
        for curved in [false, true] {
            let whole = geometry(curved);
            let mut selected = whole.clone();
            part.of_geometry(&mut selected);
            assert_eq!(selected.shape(), [4, 2, 15]);
            for (row, column) in [(0.0, 0.0), (1.0, 14.0)] {
                let a = selected.views[2].cell(row, column);
                let b = whole.views[6].cell(2.5 + 2.0 * row, 5.5 + 2.0 * column);
                assert!((0..3).all(|i| (a[i] - b[i]).abs() < 1e-9), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn numbers_follow_the_geometry() {
        let whole = Array3::from_shape_fn((10, 6, 40), |(v, r, c)| (100 * v + 10 * r + c) as f32);
        let part = Selection { every: Some(3), rows: Some(2..6), columns: Some(5..36), bin: Some(2) };
        let selected = part.of(whole.clone(), true);
        assert_eq!(selected.shape(), [4, 2, 15]);
        assert_eq!(selected[[2, 1, 3]], 600.0 + 45.0 + 11.5);
        assert_eq!(part.of(whole, false).shape(), [10, 2, 15]);
    }

    #[test]
    fn parts_that_are_not_there_are_refused() {
        let shape = [10, 6, 40];
        for wrong in [
            Selection { rows: Some(3..7), ..Selection::default() },
            Selection { columns: Some(4..4), ..Selection::default() },
            Selection { every: Some(0), ..Selection::default() },
            Selection { bin: Some(41), ..Selection::default() },
        ] {
            assert!(wrong.check(shape).is_err(), "{wrong:?}");
        }
    }
}

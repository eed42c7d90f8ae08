//! One view: a source in homogeneous coordinates, the first detector cell, and the steps to the next column and row.

use super::{add, cross, dot, norm};

/// A straight line: every point is `origin + s·direction`; `direction` has length 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ray {
    /// A point on the line.
    pub origin: [f64; 3],
    /// Direction of travel.
    pub direction: [f64; 3],
}

/// One view. Nothing says parallel or fan: w = 0 puts the source at infinity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Source (x, y, z, w): at (x, y, z)/w, or, with w = 0, at infinity in that direction.
    pub source: [f64; 4],
    /// Centre of cell (row 0, column 0).
    pub first_cell: [f64; 3],
    /// Step to the next column. On a curved detector: the tangent at the first cell, as long as a cell's arc.
    pub column_step: [f64; 3],
    /// Step to the next row.
    pub row_step: [f64; 3],
    /// The cells of a row lie on a circle about the source (a cylinder whose axis is `row_step`), not on a line.
    pub curved: bool,
}

impl View {
    /// The source's position, unless it is at infinity.
    pub fn source_position(&self) -> Option<[f64; 3]> {
        let [x, y, z, w] = self.source;
        (w != 0.0).then(|| [x / w, y / w, z / w])
    }

    /// Centre of the cell at (`row`, `column`); fractions reach between and beyond the cells.
    pub fn cell(&self, row: f64, column: f64) -> [f64; 3] {
        let along_row = match (self.curved, self.source_position()) {
            (true, Some(source)) => {
                let radius = add(self.first_cell, -1.0, source);
                let axis = unit(self.row_step);
                let across = add(radius, -dot(radius, axis), axis);
                let angle = column * norm(self.column_step) / norm(across);
                let (sin, cos) = angle.sin_cos();
                let tangent = unit(self.column_step);
                let turned = add(add([0.0; 3], cos, across), sin * norm(across), tangent);
                add(add(source, 1.0, turned), dot(radius, axis), axis)
            }
            _ => add(self.first_cell, column, self.column_step),
        };
        add(along_row, row, self.row_step)
    }

    /// The ray from the source to the cell at (`row`, `column`).
    pub fn ray(&self, row: f64, column: f64) -> Ray {
        let cell = self.cell(row, column);
        let direction = match self.source_position() {
            Some(source) => add(cell, -1.0, source),
            None => [-self.source[0], -self.source[1], -self.source[2]],
        };
        Ray { origin: cell, direction: unit(direction) }
    }

    /// The same view of a detector whose first cell is centred at (`row`, `column`) of this one, with cells `size` (rows,
    /// columns) times as large.
    pub fn from_cell(&self, row: f64, column: f64, size: [f64; 2]) -> Self {
        let before = self.cell(row, column - 0.5);
        let chord = add(self.cell(row, column + 0.5), -1.0, before);
        let width = norm(self.column_step) * size[1] / norm(chord);
        Self {
            first_cell: self.cell(row, column),
            column_step: add([0.0; 3], width, chord),
            row_step: add([0.0; 3], size[0], self.row_step),
            ..*self
        }
    }

    /// What makes this view impossible, if anything does.
    pub(super) fn check(&self) -> Result<(), String> {
        let numbers = self.source.iter().chain(&self.first_cell).chain(&self.column_step).chain(&self.row_step);
        if !numbers.copied().all(f64::is_finite) {
            return Err("a coordinate is not a finite number".into());
        }
        if norm(self.column_step) == 0.0 || norm(self.row_step) == 0.0 {
            return Err("the detector cell has no width or no height".into());
        }
        if norm(cross(self.column_step, self.row_step)) < 1e-9 * norm(self.column_step) * norm(self.row_step) {
            return Err("columns and rows of the detector run the same way".into());
        }
        if self.source == [0.0; 4] {
            return Err("the source is nowhere: (0, 0, 0, 0)".into());
        }
        if self.curved && self.source_position().is_none() {
            return Err("a curved detector needs a source at a finite distance".into());
        }
        Ok(())
    }
}

fn unit(a: [f64; 3]) -> [f64; 3] {
    let length = norm(a);
    [a[0] / length, a[1] / length, a[2] / length]
}

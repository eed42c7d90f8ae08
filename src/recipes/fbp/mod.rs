//! Filtered backprojection of parallel and fan scans on a circle.
//!
//! f(x) = Σ_views gap · Σ_cells share · J · p · g, where J is the Jacobian from (view, cell) to (angle, distance) and g the
//! band-limited ramp; for fans the sum is weighted with 1/(distance from the source)². Written per ray from the list
//! of views, so that offsets of detector and axis need no case of their own (Kak & Slaney 1988, ch. 3; Gullberg et
//! al. 1986 for the displaced axis).

mod matrices;
pub(super) mod ramp;
mod truncation;

pub use ramp::Filter;

use super::{Options, Recipe, Reconstruction, volume};
use crate::{
    device::{Device, Element},
    error::{Error, Result},
    geometry::{Circular, Geometry, Grid, Redundancy, Shape, redundancy},
    image::{Image, Quantity},
    monitor::Monitor,
    operators::{
        backprojection::{Backprojection, BackprojectionPlan},
        line_filter::{Beyond, LineFilter, LineFilterPlan},
    },
    scan::Scan,
};

/// Filtered backprojection.
#[derive(Clone, Debug, PartialEq)]
pub struct Fbp {
    /// Window on the ramp.
    pub filter: Filter,
    /// Cut-off as a fraction of the Nyquist frequency.
    pub cutoff: f64,
    /// Continue projections that end in matter beyond the detector, so that a truncated object shows no bright rim.
    pub extrapolate: bool,
}

impl Default for Fbp {
    fn default() -> Self {
        Self { filter: Filter::RamLak, cutoff: 1.0, extrapolate: true }
    }
}

/// As asked for.
pub fn recipe(options: &Options) -> Box<dyn Recipe> {
    Box::new(options.fbp.clone())
}

impl Recipe for Fbp {
    fn reconstruct(&self, scan: Scan, grid: &Grid, device: &Device, monitor: &Monitor) -> Result<Reconstruction> {
        grid.check()?;
        if !(self.cutoff > 0.0 && self.cutoff <= 1.0) {
            return Err(Error::Option(format!(
                "a cut-off of {} is no fraction of the Nyquist frequency; give one above 0 and up to 1",
                self.cutoff
            )));
        }
        let Scan { projections, geometry } = scan;
        let [views, rows, columns] = geometry.shape();
        let projections = projections.into_raw_vec_and_offset().0;
        let (filter, backprojection, notes) =
            monitor.step("plan", 1, || self.plan(&projections, &geometry, grid, device))?;
        let lines = views * rows;
        let projections = monitor.step("upload", 1, || device.upload(&[lines, columns], projections))?;
        let filtered = monitor.step("filter", lines as u64, || {
            let mut filtered = device.zeros(&filter.filtered_shape(), Element::F32)?;
            filter.apply(&projections, &mut filtered, monitor)?;
            device.synchronize()?;
            Ok(filtered)
        })?;
        drop(projections);
        let image = monitor.step("backproject", backprojection.total(), || {
            let mut image = device.zeros(&backprojection.image_shape(), Element::F32)?;
            backprojection.apply(&filtered, &mut image, monitor)?;
            device.synchronize()?;
            Ok(image)
        })?;
        drop(filtered);
        let values = monitor.step("download", 1, || device.download(&image))?;
        let image = Image {
            values: volume(grid.shape, values),
            grid: *grid,
            unit: geometry.unit,
            quantity: Quantity::Attenuation(geometry.unit),
            provenance: format!("Rushlight {} fbp {}", env!("CARGO_PKG_VERSION"), self.filter.name()),
        };
        Ok(Reconstruction { image, notes })
    }
}

impl Fbp {
    /// Everything that is decided beforehand, in words too: from geometry and grid, and from how the lines end.
    fn plan(
        &self,
        projections: &[f32],
        geometry: &Geometry,
        grid: &Grid,
        device: &Device,
    ) -> Result<(LineFilter, Backprojection, Vec<String>)> {
        let circular = Circular::of(geometry)?;
        check(geometry, &circular, grid)?;
        let redundancy = redundancy(geometry, &circular);
        let [views, rows, columns] = geometry.shape();
        let found = truncation::beyond(projections, [columns, rows], circular.center, &redundancy.rays);
        let notes = self.notes(&redundancy, &found, &truncation::in_matter(projections, columns));
        let beyond = if self.extrapolate { found } else { Beyond::default() };
        let map = matrices::map(geometry, &circular, grid);
        let tails = map.tails(grid, columns);
        let matrices = map.shifted(tails[0]);
        let filter = self.line_filter(geometry, &circular, redundancy, (beyond, tails), device)?;
        let columns = tails[0] + columns + tails[1];
        let plan = BackprojectionPlan { views, rows, columns, grid: grid.shape, matrices, beam: map.beam };
        Ok((filter, Backprojection::new(device, plan)?, notes))
    }

    /// `beyond` is how lines end, `in_matter` which columns see more than air.
    fn notes(&self, redundancy: &Redundancy, beyond: &Beyond, in_matter: &[bool]) -> Vec<String> {
        let mut notes =
            vec![format!("{} filter, cut-off {} of Nyquist", self.filter.name(), self.cutoff), redundancy.describe()];
        let missing = redundancy.missing.iter().zip(in_matter).filter(|(_, matter)| **matter);
        let degrees = missing.fold(0.0, |most: f64, (missing, _)| most.max(*missing)).to_degrees();
        if degrees > 0.05 {
            notes.push(format!(
                "up to {degrees:.1}° of the half turn were not measured and went to the views beside them: edges along them are missing"
            ));
        }
        if beyond.extend > 0 {
            let in_matter = |[left, _, _, right, ..]: &&[f32; 6]| *left != 0.0 || *right != 0.0;
            let ends = beyond.ends.iter().filter(in_matter).count();
            notes.push(format!(
                "{ends} of {} lines end in matter that no other view measured and were {}",
                beyond.ends.len(),
                if self.extrapolate { "continued beyond the detector" } else { "not continued beyond the detector" }
            ));
        }
        notes
    }

    fn line_filter(
        &self,
        geometry: &Geometry,
        circular: &Circular,
        redundancy: Redundancy,
        (beyond, tails): (Beyond, [usize; 2]),
        device: &Device,
    ) -> Result<LineFilter> {
        let [views, rows, columns] = geometry.shape();
        // Room for every lag between a cell that is kept and one that is not 0, so that the circular convolution is a linear one.
        let length = ramp::length(2 * (columns + beyond.extend + tails[0].max(tails[1])));
        // Units of 1/cell become 1/length; the fan's distances are in units of the source–axis distance.
        let (scale, cell_angle) = match circular.shape {
            Shape::Parallel => (1.0 / circular.pitch, None),
            Shape::FanFlat => (circular.source_detector / (circular.pitch * circular.source_origin.powi(2)), None),
            Shape::FanCurved => {
                let angle = circular.pitch / circular.source_detector;
                (1.0 / (angle * circular.source_origin.powi(2)), Some(angle))
            }
        };
        let jacobians = jacobians(geometry);
        let weight = |(share, jacobian): (&f64, &f64)| (share * jacobian) as f32;
        let plan = LineFilterPlan {
            views,
            rows,
            columns,
            length,
            beyond,
            tails,
            response: ramp::response(length, self.filter, self.cutoff, cell_angle),
            weights: redundancy.rays.iter().zip(jacobians.iter().cycle()).map(weight).collect(),
            scales: redundancy.views.iter().map(|angle| (angle * scale) as f32).collect(),
        };
        LineFilter::new(device, plan)
    }
}

/// |source · direction| of the columns' rays, the Jacobian from (view, cell) to (angle, distance); 1 for parallel rays.
fn jacobians(geometry: &Geometry) -> Vec<f64> {
    let view = &geometry.views[0];
    let jacobian = |source: [f64; 3], column: usize| {
        let [dx, dy, _] = view.ray(0.0, column as f64).direction;
        (source[0] * dx + source[1] * dy).abs()
    };
    (0..geometry.columns).map(|column| view.source_position().map_or(1.0, |source| jacobian(source, column))).collect()
}

/// Refuses scans and grids that FBP in a plane cannot serve.
fn check(geometry: &Geometry, circular: &Circular, grid: &Grid) -> Result<()> {
    let refuse = |what: String| Err(Error::Geometry(what));
    let rows = geometry.rows;
    if circular.shape != Shape::Parallel && rows > 1 {
        return refuse(format!(
            "{rows} detector rows of a fan make a cone, which fbp does not take; choose one with --rows, such as --rows {}..{}",
            rows / 2,
            rows / 2 + 1
        ));
    }
    if grid.shape[0] != rows {
        return refuse(format!("{rows} detector rows give {rows} slices, not {}", grid.shape[0]));
    }
    let [first, last] = [-0.5, geometry.columns as f64 - 0.5].map(|column| {
        let ray = geometry.views[0].ray(0.0, column);
        ray.origin[0] * ray.direction[1] - ray.origin[1] * ray.direction[0]
    });
    if first * last > 0.0 {
        return refuse(format!(
            "the rotation axis falls beside the detector (column {:.1} of 0..{}); check --center and the offsets",
            circular.center, geometry.columns
        ));
    }
    if circular.shape != Shape::Parallel {
        let farthest = |corner: &[f64; 2]| {
            let [x, y, _] = grid.position([0.0, corner[1], corner[0]]);
            x.hypot(y)
        };
        let [_, ny, nx] = grid.shape.map(|extent| extent as f64 - 0.5);
        let corners = [[-0.5, -0.5], [nx, -0.5], [-0.5, ny], [nx, ny]];
        let reach = corners.iter().map(farthest).fold(0.0, f64::max);
        let source = circular.source_origin.hypot(circular.axis_offset);
        if reach >= source {
            return refuse(format!(
                "the grid reaches {reach:.6} {unit} from the axis and the source runs at {source:.6} {unit}, inside it; use a smaller --size or --voxel, or check --source-origin",
                unit = geometry.unit.name()
            ));
        }
    }
    Ok(())
}

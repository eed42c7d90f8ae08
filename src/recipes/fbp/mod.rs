//! Filtered backprojection of parallel and fan scans on a circle.
//!
//! f(x) = Σ_views gap · Σ_cells share · J · p · g, where J is the Jacobian from (view, cell) to (angle, distance) and g the
//! band-limited ramp; for fans the sum is weighted with 1/(distance from the source)². Written per ray from the list
//! of views, so that offsets of detector and axis need no case of their own (Kak & Slaney 1988, ch. 3; Gullberg et
//! al. 1986 for the displaced axis).

mod matrices;
mod ramp;
mod weights;

pub use ramp::Filter;
pub use weights::{Redundancy, angular_gaps};

use super::{Options, Recipe, Reconstruction, volume};
use crate::{
    device::{Device, Element},
    error::{Error, Result},
    geometry::{Circular, Geometry, Grid, Shape},
    image::{Image, Quantity},
    monitor::Monitor,
    operators::{
        backprojection::{Backprojection, BackprojectionPlan},
        line_filter::{LineFilter, LineFilterPlan},
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
    /// Extrapolate projections smoothly beyond the detector, so that a truncated object shows no bright rim.
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
        let (filter, backprojection, notes) = monitor.step("plan", 1, || self.plan(&geometry, grid, device))?;
        let lines = views * rows;
        let projections =
            monitor.step("upload", 1, || device.upload(&[lines, columns], projections.into_raw_vec_and_offset().0))?;
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
    /// Everything that depends on geometry and grid alone, and what was decided.
    fn plan(
        &self,
        geometry: &Geometry,
        grid: &Grid,
        device: &Device,
    ) -> Result<(LineFilter, Backprojection, Vec<String>)> {
        let circular = Circular::of(geometry)?;
        check(geometry, &circular, grid)?;
        let weights = weights::weights(geometry, &circular);
        let mut notes = vec![
            format!("{} filter, cut-off {} of Nyquist", self.filter.name(), self.cutoff),
            weights.redundancy.describe().to_string(),
        ];
        if weights.missing > 0.0 {
            let degrees = weights.missing.to_degrees();
            notes.push(format!("{degrees:.1}° of the half turn were not measured: edges along them will be missing"));
        }
        let filter = self.line_filter(geometry, &circular, weights, device)?;
        let [views, rows, columns] = geometry.shape();
        let (beam, matrices) = matrices::matrices(geometry, &circular, grid);
        let plan = BackprojectionPlan { views, rows, columns, grid: grid.shape, matrices, beam };
        Ok((filter, Backprojection::new(device, plan)?, notes))
    }

    fn line_filter(
        &self,
        geometry: &Geometry,
        circular: &Circular,
        weights: weights::Weights,
        device: &Device,
    ) -> Result<LineFilter> {
        let [views, rows, columns] = geometry.shape();
        // Room for every lag between a cell and an extrapolated one, so that the circular convolution is a linear one.
        let length = (2 * (columns + columns / 8)).next_power_of_two();
        let extend = if self.extrapolate { (length / 2 - columns).min(columns / 2) } else { 0 };
        // Units of 1/cell become 1/length; the fan's distances are in units of the source–axis distance.
        let (scale, cell_angle) = match circular.shape {
            Shape::Parallel => (1.0 / circular.pitch, None),
            Shape::FanFlat => (circular.source_detector / (circular.pitch * circular.source_origin.powi(2)), None),
            Shape::FanCurved => {
                let angle = circular.pitch / circular.source_detector;
                (1.0 / (angle * circular.source_origin.powi(2)), Some(angle))
            }
        };
        let plan = LineFilterPlan {
            views,
            rows,
            columns,
            length,
            extend,
            response: ramp::response(length, self.filter, self.cutoff, cell_angle),
            weights: weights.rays,
            scales: weights.gaps.iter().map(|gap| (gap * scale) as f32).collect(),
        };
        LineFilter::new(device, plan)
    }
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

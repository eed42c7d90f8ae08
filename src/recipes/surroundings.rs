//! Matter beyond the grid: rays through the part that was asked for meet it, too, and an iterative recipe would heap it on the
//! outermost pixels. Where the shadows (`shadows.rs`) tell of any, the recipe iterates on a grid that holds what the rays saw,
//! with the same pixels, and the part is cut out of it.

use std::sync::Arc;

use ndarray::{Array3, s};

use super::{
    Iterative, Options, Recipe, Reconstruction,
    fbp::{Fbp, Filter},
    iteration::{Observer, Snapshot},
    shadows::{self, Shadows},
    slices,
};
use crate::{
    device::Device,
    error::{Error, Result},
    geometry::{Circular, Geometry, Grid},
    image::Image,
    monitor::Monitor,
    problem::Bounds,
    scan::Scan,
};

/// Matter so near to the grid is in its outermost pixels: a part of a pixel.
const NEAR: f64 = 0.3;

/// Reconstructs one slice, with what is around it.
pub(super) fn reconstruct<T: Iterative>(
    recipe: &T,
    scan: Scan,
    grid: &Grid,
    (device, monitor): (&Device, &Monitor),
) -> Result<Reconstruction> {
    let around = match Surroundings::of(&scan, grid) {
        None => return recipe.iterate(scan, grid, device, monitor),
        Some(around) => around,
    };
    if let Err(why) = around.check(&scan.geometry) {
        let mut made = recipe.iterate(scan, grid, device, monitor)?;
        made.notes.push(format!(
            "there is matter beyond the grid that could not be taken into account, so that the outermost pixels are wrong: {why}"
        ));
        return Ok(made);
    }
    let options = around.options(recipe.options(), &scan, (device, monitor))?;
    let mut made = T::told(options).iterate(scan, &around.whole, device, monitor)?;
    let values = around.part_of(&made.image.values);
    made.image = Image { values, grid: *grid, ..made.image };
    made.notes.push(around.note());
    Ok(made)
}

/// A grid, and how much wider it must be.
pub(super) struct Surroundings {
    part: Grid,
    whole: Grid,
    /// Pixels before the part's first, along y and x.
    before: [usize; 2],
    cut_off: bool,
}

impl Surroundings {
    /// What is around the grid, if anything is.
    fn of(scan: &Scan, grid: &Grid) -> Option<Self> {
        let axes = [Axis::of(grid, 1)?, Axis::of(grid, 2)?];
        if scan.geometry.rows != 1 || grid.shape[0] != 1 || grid.check().is_err() {
            return None;
        }
        let shadows = shadows::of(scan)?;
        let region: Vec<_> = axes.iter().flat_map(Axis::bounds).collect();
        if !shadows.reach_beyond(&region, NEAR * axes[0].size.min(axes[1].size)) {
            return None;
        }
        let sides = [0, 1].map(|axis: usize| axes[axis].sides(&shadows));
        let cut_off = sides.iter().flatten().any(|side| side.cut_off);
        let up_to =
            |field: Option<f64>| Self::padded(grid, [0, 1].map(|axis| axes[axis].pads(sides[axis], field)), cut_off);
        let field = field(&scan.geometry, &shadows);
        // Where the whole field's corners come too near to a source, what the shadows say must do.
        let around = Some(up_to(Some(field))).filter(|around| around.check(&scan.geometry).is_ok());
        around.or_else(|| Some(up_to(None))).filter(|around| around.whole.shape != grid.shape)
    }

    /// What is around any slice of a stack, where a source leaves room for a grid that holds it.
    pub(super) fn of_stack(scan: &Scan, grid: &Grid) -> Option<Self> {
        let rows = scan.geometry.rows;
        let alone = |row| Self::of(&slices::slice(scan, row), &slices::slice_of(grid, row));
        let larger = |a: [[usize; 2]; 2], b: [[usize; 2]; 2]| [0, 1].map(|i| [0, 1].map(|j| a[i][j].max(b[i][j])));
        let slices = if grid.shape[0] == rows { 0..rows } else { 0..0 };
        let pads = slices.filter_map(alone).map(|around| around.pads()).reduce(larger)?;
        Some(Self::padded(grid, pads, false)).filter(|around| around.check(&scan.geometry).is_ok())
    }

    /// An image of the part with what FBP makes of the matter around it.
    pub(super) fn complete(&self, image: Image, scan: &Scan, devices: (&Device, &Monitor)) -> Result<Image> {
        let values = self.put(&image.values, fbp(scan, &self.whole, Bounds::NON_NEGATIVE, devices)?);
        Ok(Image { values, grid: self.whole, ..image })
    }

    fn padded(grid: &Grid, [[above, below], [left, right]]: [[usize; 2]; 2], cut_off: bool) -> Self {
        let mut whole = *grid;
        whole.shape = [grid.shape[0], above + grid.shape[1] + below, left + grid.shape[2] + right];
        whole.first = grid.position([0.0, -(above as f64), -(left as f64)]);
        Self { part: *grid, whole, before: [above, left], cut_off }
    }

    /// Pixels added before and after, along y and x.
    fn pads(&self) -> [[usize; 2]; 2] {
        [0, 1].map(|axis| {
            let before = self.before[axis];
            [before, self.whole.shape[axis + 1] - self.part.shape[axis + 1] - before]
        })
    }

    /// Refuses a grid that reaches a source.
    fn check(&self, geometry: &Geometry) -> Result<()> {
        self.whole.check()?;
        let [_, ny, nx] = self.whole.shape.map(|extent| extent as f64 - 0.5);
        let corners = [[-0.5, -0.5], [-0.5, nx], [ny, -0.5], [ny, nx]].map(|[y, x]| self.whole.position([0.0, y, x]));
        let farthest = corners.iter().map(|corner| corner[0].hypot(corner[1])).fold(0.0, f64::max);
        let sources = geometry.views.iter().filter_map(|view| view.source_position());
        match sources.map(|source| source[0].hypot(source[1])).fold(f64::INFINITY, f64::min) {
            nearest if nearest <= farthest => {
                Err(Error::Geometry("a grid that holds it would reach the source".into()))
            }
            _ => Ok(()),
        }
    }

    fn part_of(&self, values: &Array3<f32>) -> Array3<f32> {
        let ([y, x], [_, ny, nx]) = (self.before, self.part.shape);
        values.slice(s![.., y..y + ny, x..x + nx]).to_owned()
    }

    /// Images of the part in the middle of one of the whole.
    fn put(&self, part: &Array3<f32>, mut whole: Array3<f32>) -> Array3<f32> {
        let ([y, x], [_, ny, nx]) = (self.before, self.part.shape);
        whole.slice_mut(s![.., y..y + ny, x..x + nx]).assign(part);
        whole
    }

    /// What was said of the part, said of the whole: around images that were given stands what FBP makes of the scan.
    fn options(&self, options: &Options, scan: &Scan, (device, monitor): (&Device, &Monitor)) -> Result<Options> {
        let mut options = options.clone();
        let given = [&mut options.iteration.start, &mut options.prior];
        if given.iter().any(|image| image.is_some()) {
            let around = fbp(scan, &self.whole, options.bounds, (device, monitor))?;
            for image in given.into_iter().flatten() {
                *image = self.put(image, around.clone());
            }
        }
        let (part, before) = (self.part, self.before);
        options.iteration.observer = options.iteration.observer.map(|observer| -> Observer {
            Arc::new(move |snapshot: &Snapshot| {
                let ([y, x], [_, ny, nx]) = (before, part.shape);
                let image = snapshot.image.slice(s![.., y..y + ny, x..x + nx]).to_owned();
                observer(&Snapshot { image: &image, ..*snapshot })
            })
        });
        Ok(options)
    }

    fn note(&self) -> String {
        let ([_, ny, nx], [_, height, width]) = (self.part.shape, self.whole.shape);
        let why = if self.cut_off {
            "the detector cuts the object off, and where that ends is a guess: values near the field's edge are uncertain, \
             and the level of all a little"
        } else {
            "rays met matter beyond the grid"
        };
        format!("iterated on {width} × {height} pixels, of which the {nx} × {ny} asked for were cut out: {why}")
    }
}

/// An image by FBP (Hann) within the bounds; an empty one where FBP cannot serve the scan.
fn fbp(scan: &Scan, grid: &Grid, bounds: Bounds, (device, monitor): (&Device, &Monitor)) -> Result<Array3<f32>> {
    let fbp = Fbp { filter: Filter::Hann, ..Fbp::default() };
    match fbp.reconstruct(scan.clone(), grid, device, monitor) {
        Ok(made) => Ok(made.image.values.mapv_into(|value| value.clamp(bounds.lower, bounds.upper))),
        Err(Error::Geometry(_)) => Ok(Array3::zeros(grid.shape)),
        Err(error) => Err(error),
    }
}

/// Half the width of what the rays see, at least that of as many pixels as columns, as large as the sampling at the axis: the
/// grid that is usual.
fn field(geometry: &Geometry, shadows: &Shadows) -> f64 {
    let usual = Circular::of(geometry).map_or(0.0, |circular| {
        let columns = geometry.columns as f64;
        let parallel = circular.center;
        circular.sampling() * (parallel + 0.5).max(columns - 0.5 - parallel)
    });
    shadows.field.max(usual)
}

/// An axis of the grid in the plane, in pixels from the rotation axis.
struct Axis {
    direction: [f64; 2],
    size: f64,
    /// The grid's edges.
    low: f64,
    high: f64,
}

#[derive(Clone, Copy)]
struct Side {
    /// How far the object reaches, in pixels from the rotation axis.
    reach: Option<f64>,
    cut_off: bool,
}

impl Axis {
    /// None of a grid that is not upright in the plane of the scan.
    fn of(grid: &Grid, axis: usize) -> Option<Self> {
        let (step, other) = (grid.steps[axis], grid.steps[3 - axis]);
        let size = step[0].hypot(step[1]);
        let upright = step[2] == 0.0 && (step[0] * other[0] + step[1] * other[1]).abs() < 1e-9 * size * size;
        let direction = [step[0] / size, step[1] / size];
        let first = (grid.first[0] * direction[0] + grid.first[1] * direction[1]) / size;
        upright.then_some(Self { direction, size, low: first - 0.5, high: first + grid.shape[axis] as f64 - 0.5 })
    }

    /// The half-planes that hold the grid.
    fn bounds(&self) -> [([f64; 2], f64); 2] {
        let [x, y] = self.direction;
        [([-x, -y], -self.low * self.size), ([x, y], self.high * self.size)]
    }

    fn sides(&self, shadows: &Shadows) -> [Side; 2] {
        let [x, y] = self.direction;
        [[-x, -y], [x, y]].map(|direction| Side {
            reach: shadows.reach(direction).map(|reach| reach / self.size),
            cut_off: shadows.is_cut_off(direction),
        })
    }

    /// Pixels to add before and after: up to the field's edge, or where the object ends if it is cut off or no field is given.
    fn pads(&self, [low, high]: [Side; 2], field: Option<f64>) -> [usize; 2] {
        let edge = |side: Side| match (field, side.reach) {
            (Some(field), reach) if reach.is_none() || !side.cut_off => field / self.size,
            (_, reach) => reach.unwrap_or(0.0),
        };
        let pixels = |missing: f64| (missing - 1e-6).ceil().max(0.0) as usize;
        [pixels(self.low + edge(low)), pixels(edge(high) - self.high)]
    }
}

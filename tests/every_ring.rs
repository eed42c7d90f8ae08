//! FBP over the whole picture, rim and air included: detectors to one side, arcs of any length, lines that end in matter.
//! The truth is discs, whose chords are written here.

use std::f64::consts::PI;

use ndarray::Array3;
use rushlight::{
    device::{Choice, Device},
    geometry::{Fan, Geometry, Grid, LengthUnit, Parallel},
    image::Image,
    monitor::Monitor,
    recipes::{Recipe, Reconstruction, fbp::Fbp},
    scan::Scan,
};

/// Attenuation of the large disc; what 1 % of it is, the tests call 10 HU.
const WATER: f64 = 0.02;

/// x, y, radius, attenuation; discs add up.
type Disc = [f64; 4];

/// Chord by chord.
fn scan(geometry: &Geometry, discs: &[Disc]) -> Scan {
    let integral = |(view, row, column): (usize, usize, usize)| {
        let ray = geometry.views[view].ray(row as f64, column as f64);
        let ([ox, oy, _], [dx, dy, _]) = (ray.origin, ray.direction);
        let chord = |[x, y, radius, attenuation]: &Disc| {
            let distance = (ox - x) * dy - (oy - y) * dx;
            2.0 * attenuation * (radius * radius - distance * distance).max(0.0).sqrt()
        };
        discs.iter().map(chord).sum::<f64>() as f32
    };
    Scan::new(Array3::from_shape_fn(geometry.shape(), integral), geometry.clone()).unwrap()
}

fn fbp(scan: Scan, size: usize, pixel: f64, extrapolate: bool) -> Image {
    reconstruct(scan, size, pixel, extrapolate).image
}

fn reconstruct(scan: Scan, size: usize, pixel: f64, extrapolate: bool) -> Reconstruction {
    let rows = scan.geometry.rows;
    let grid = Grid::centered([rows, size, size], [pixel; 3], [0.0; 3]);
    let recipe = Fbp { extrapolate, ..Fbp::default() };
    recipe.reconstruct(scan, &grid, &Device::cpu(), &Monitor::silent()).unwrap()
}

fn made(geometry: &Geometry, discs: &[Disc], size: usize) -> Image {
    fbp(scan(geometry, discs), size, 1.0, true)
}

/// Mean error in HU over each ring of `width` about the axis, pixels within 2 of any disc's edge and rings of a few pixels in the
/// grid's corners left out.
fn rings(image: &Image, discs: &[Disc], width: f64) -> Vec<f64> {
    let mut sums: Vec<(f64, f64)> = Vec::new();
    for ((_, row, column), value) in image.values.indexed_iter() {
        let [x, y, _] = image.grid.position([0.0, row as f64, column as f64]);
        let from = |[cx, cy, radius, _]: &Disc| (x - cx).hypot(y - cy) - radius;
        if discs.iter().any(|disc| from(disc).abs() < 2.0) {
            continue;
        }
        let truth: f64 = discs.iter().filter(|disc| from(disc) < 0.0).map(|disc| disc[3]).sum();
        let ring = (x.hypot(y) / width) as usize;
        sums.resize(sums.len().max(ring + 1), (0.0, 0.0));
        sums[ring] = (sums[ring].0 + f64::from(*value) - truth, sums[ring].1 + 1.0);
    }
    sums.into_iter().filter(|(_, count)| *count > 60.0).map(|(sum, count)| 1000.0 * sum / count / WATER).collect()
}

fn worst(errors: &[f64]) -> f64 {
    errors.iter().fold(0.0, |worst: f64, error| worst.max(error.abs()))
}

/// Root mean square error in HU within `radius` of the axis.
fn rms(image: &Image, discs: &[Disc], radius: f64) -> f64 {
    let mut sum = (0.0, 0.0);
    for ((_, row, column), value) in image.values.indexed_iter() {
        let [x, y, _] = image.grid.position([0.0, row as f64, column as f64]);
        if x.hypot(y) < radius {
            let inside = discs.iter().filter(|[cx, cy, r, _]| (x - cx).hypot(y - cy) < *r);
            let truth: f64 = inside.map(|disc| disc[3]).sum();
            sum = (sum.0 + (1000.0 * (f64::from(*value) - truth) / WATER).powi(2), sum.1 + 1.0);
        }
    }
    (sum.0 / sum.1).sqrt()
}

fn arc(degrees: f64, step: f64) -> Vec<f64> {
    (0..(degrees / step).round() as usize).map(|view| (20.0 + step * view as f64).to_radians()).collect()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Beam {
    Parallel,
    Flat,
    Curved,
}

const BEAMS: [Beam; 3] = [Beam::Parallel, Beam::Flat, Beam::Curved];

/// A scan whose detector reaches `long` mm to one side of the axis, as it appears there, and `short` to the other; the fan's
/// source runs at 300 mm.
fn geometry(beam: Beam, angles: Vec<f64>, short: f64, long: f64) -> Geometry {
    let edge = |distance: f64| match beam {
        Beam::Parallel => distance,
        // Where the tangent to the circle of that radius meets the detector.
        Beam::Flat => 450.0 * (distance / 300.0_f64).asin().tan() / 1.5,
        Beam::Curved => 450.0 * (distance / 300.0_f64).asin() / 1.5,
    };
    let columns = (edge(short) + edge(long)).round() as usize;
    detector(beam, angles, columns, edge(short) - 0.5)
}

/// Cells of 1 mm at the axis.
fn detector(beam: Beam, angles: Vec<f64>, columns: usize, center: f64) -> Geometry {
    let (unit, center) = (LengthUnit::Millimetre, Some(center));
    if beam == Beam::Parallel {
        return Parallel { angles, columns, rows: 1, cell: 1.0, cell_height: 1.0, center, unit }.geometry();
    }
    Fan {
        angles,
        columns,
        rows: 1,
        cell: 1.5,
        cell_height: 1.0,
        source_origin: 300.0,
        source_detector: 450.0,
        center,
        axis_offset: 0.0,
        curved: beam == Beam::Curved,
        unit,
    }
    .geometry()
}

#[test]
fn half_acquisition_is_right_in_every_ring() {
    let discs = [[0.0, 0.0, 57.0, WATER], [20.0, -12.0, 10.0, 0.01], [-38.0, 20.0, 6.0, -0.01]];
    for beam in BEAMS {
        for overlap in [0.05, 0.1, 0.25, 0.5, 0.8, 0.97, 1.0] {
            let geometry = geometry(beam, arc(360.0, 1.0), 60.0 * overlap, 60.0);
            let errors = rings(&made(&geometry, &discs, 130), &discs, 4.0);
            println!("{beam:?}, {overlap}: {errors:.1?}");
            assert!(
                errors.len() > 20 && worst(&errors) < 10.0,
                "{beam:?}, {overlap} of the detector's reach: {errors:.1?}"
            );
        }
    }
}

#[test]
fn the_air_about_an_object_is_air_to_the_corners_of_the_grid() {
    let discs = [[0.0, 0.0, 45.0, WATER]];
    for (beam, turn) in [
        (Beam::Parallel, 180.0),
        (Beam::Parallel, 360.0),
        (Beam::Flat, 360.0),
        (Beam::Flat, 230.0),
        (Beam::Curved, 230.0),
    ] {
        let image = made(&geometry(beam, arc(turn, 1.0), 50.0, 50.0), &discs, 100);
        let errors = rings(&image, &discs, 3.0);
        println!("{beam:?}, {turn}°: {errors:.1?}");
        assert!(worst(&errors) < 6.0, "{beam:?}, {turn}°: {errors:.1?}");
    }
}

#[test]
fn what_fits_the_detector_is_not_extrapolated() {
    for radius in [40.0, 58.0, 63.3, 63.9] {
        let discs = [[0.0, 0.0, radius, WATER]];
        let scan = scan(&geometry(Beam::Parallel, arc(180.0, 1.0), 64.0, 64.0), &discs);
        let [with, without] =
            [true, false].map(|extrapolate| rings(&fbp(scan.clone(), 128, 1.0, extrapolate), &discs, 4.0));
        println!("{radius}: {with:.1?}");
        assert!(
            worst(&with) < worst(&without) + 1.0 && worst(&with) < 10.0,
            "{radius}: {with:.1?}, without {without:.1?}"
        );
    }
}

#[test]
fn a_truncated_object_is_never_worse_than_without_extrapolation() {
    let body =
        vec![[0.0, 0.0, 90.0, WATER], [-48.0, 5.0, 28.0, -0.014], [48.0, 5.0, 28.0, -0.014], [0.0, 60.0, 10.0, 0.02]];
    let objects = [
        vec![[0.0, 0.0, 67.0, WATER]],
        vec![[0.0, 0.0, 96.0, WATER]],
        vec![[0.0, 0.0, 190.0, WATER]],
        vec![[25.0, 10.0, 60.0, WATER]],
        vec![[0.0, 0.0, 45.0, WATER], [64.0, 0.0, 9.0, 0.03]],
        body,
    ];
    for discs in objects {
        let found = |columns: f64, extrapolate| {
            let scan = scan(&geometry(Beam::Parallel, arc(180.0, 1.0), columns / 2.0, columns / 2.0), &discs);
            let image = fbp(scan, columns as usize, 1.0, extrapolate);
            (rms(&image, &discs, columns / 2.0 - 2.0), rings(&image, &discs, 8.0))
        };
        let ((with, _), (without, _)) = (found(120.0, true), found(120.0, false));
        println!("{discs:?}: {with:.0} with, {without:.0} without");
        assert!(with < 1.01 * without, "{discs:?}: {with} HU with, {without} without");
        // The width is no matter of powers of two.
        let ((_, narrow), (_, wide)) = (found(114.0, true), found(115.0, true));
        let jump = narrow.iter().zip(&wide).take(6).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(jump < 12.0, "{discs:?}: {narrow:.0?} with 114 columns, {wide:.0?} with 115");
    }
}

/// Columns that the axis lies off the middle of a detector of 120.
const BESIDE: [f64; 5] = [0.03, 0.5, 2.0, 6.5, 12.0];

fn arcs(beam: Beam) -> [f64; 4] {
    if beam == Beam::Parallel { [180.0, 200.0, 230.0, 270.0] } else { [220.0, 230.0, 260.0, 300.0] }
}

/// `scan` with so many columns of air before the first and beyond the last.
fn padded(beam: Beam, angles: Vec<f64>, scan: &Scan, center: f64, [before, after]: [usize; 2]) -> Scan {
    let columns = scan.geometry.columns;
    let geometry = detector(beam, angles, before + columns + after, center + before as f64);
    let value = |(view, row, column): (usize, usize, usize)| match column.checked_sub(before) {
        Some(column) if column < columns => scan.projections[[view, row, column]],
        _ => 0.0,
    };
    Scan::new(Array3::from_shape_fn(geometry.shape(), value), geometry).unwrap()
}

#[test]
fn an_object_on_the_detector_does_not_mind_an_axis_beside_its_middle() {
    let discs = [[2.0, -1.0, 45.0, WATER], [20.0, -12.0, 9.0, 0.01], [-28.0, 20.0, 6.0, -0.01]];
    for (beam, beside) in BEAMS.into_iter().flat_map(|beam| BESIDE.map(|beside| (beam, beside))) {
        for (degrees, side) in arcs(beam).into_iter().zip([1.0, -1.0, -1.0, 1.0]) {
            let (angles, center) = (arc(degrees, 1.0), 59.5 + side * beside);
            let scan = scan(&detector(beam, angles.clone(), 120, center), &discs);
            // As many columns on either side of the axis, to the nearest.
            let air = (2.0 * beside).round() as usize;
            let centred = padded(beam, angles, &scan, center, if side > 0.0 { [0, air] } else { [air, 0] });
            let made = reconstruct(scan, 110, 1.0, true);
            let expected = rms(&fbp(centred, 110, 1.0, true), &discs, 80.0);
            let (found, errors) = (rms(&made.image, &discs, 80.0), rings(&made.image, &discs, 4.0));
            let notes = made.notes.join("; ");
            println!("{beam:?}, {degrees}°, {beside} beside: {found:.1}, {expected:.1} HU, {errors:.1?}, {notes}");
            let what = format!("{beam:?}, {degrees}°, {beside} columns beside the middle");
            assert!(found < 1.02 * expected, "{what}: {found:.1} HU, {expected:.1} with air to a centred detector");
            assert!(errors.len() > 15 && worst(&errors) < 10.0, "{what}: {errors:.1?}");
            assert!(!notes.contains("measured") && !notes.contains("in matter"), "{what}: {notes}");
        }
    }
}

/// What each ray counts where half a turn counts every ray 1: 1 alone, ½ with an equal from the other side, and Parker's sin² between
/// the ends of a fan's arc (1982, Med. Phys. 9, 254).
fn simple_weight(beam: Beam, beta: f64, gamma: f64, range: f64) -> f64 {
    let excess = (range - PI) / 2.0;
    if beam == Beam::Parallel {
        return if beta < 2.0 * excess - 1e-9 || beta > PI - 1e-9 { 0.5 } else { 1.0 };
    }
    let part = |beta: f64, excess: f64| (beta / excess).min(2.0) * PI / 4.0;
    part(beta, excess + gamma).sin().powi(2) * part(range - beta, excess - gamma).sin().powi(2)
}

/// The simple weighting as data of a full turn, half of whose views are 0, on a detector about the axis.
fn simply_weighted(beam: Beam, degrees: f64, scan: &Scan, center: f64, air: [usize; 2]) -> Scan {
    let mut full = padded(beam, arc(360.0, 1.0), &padded_views(beam, scan, center), center, air);
    let geometry = full.geometry.clone();
    for ((view, _, column), value) in full.projections.indexed_iter_mut() {
        let ray = geometry.views[view].ray(0.0, column as f64);
        let distance = ray.origin[0] * ray.direction[1] - ray.origin[1] * ray.direction[0];
        let beta = (view as f64 + 0.5).to_radians();
        let weight = simple_weight(beam, beta, (distance / 300.0).asin(), degrees.to_radians());
        *value *= 2.0 * weight as f32;
    }
    full
}

/// A scan of 1° steps with views of air to a full turn.
fn padded_views(beam: Beam, scan: &Scan, center: f64) -> Scan {
    let geometry = detector(beam, arc(360.0, 1.0), scan.geometry.columns, center);
    let value =
        |(view, row, column): (usize, usize, usize)| scan.projections.get([view, row, column]).copied().unwrap_or(0.0);
    Scan::new(Array3::from_shape_fn(geometry.shape(), value), geometry).unwrap()
}

#[test]
fn a_truncated_object_with_the_axis_beside_the_middle_is_no_worse_than_simply_weighted() {
    let objects = [
        vec![[3.0, 0.0, 57.0, WATER], [20.0, -12.0, 10.0, 0.01], [-38.0, 20.0, 6.0, -0.01]],
        vec![[0.0, 0.0, 40.0, WATER], [50.0, 5.0, 8.0, 0.03]],
        vec![[-10.0, 8.0, 62.0, WATER], [-25.0, 5.0, 15.0, -0.014]],
    ];
    for (beam, beside) in BEAMS.into_iter().flat_map(|beam| [2.0, 12.0, 30.0].map(|beside| (beam, beside))) {
        for (discs, degrees) in objects.iter().flat_map(|discs| [0, 3].map(|arc| (discs, arcs(beam)[arc]))) {
            let center = 59.5 - beside;
            let scan = scan(&detector(beam, arc(degrees, 1.0), 120, center), discs);
            let simple = simply_weighted(beam, degrees, &scan, center, [(2.0 * beside) as usize, 0]);
            let simple = fbp(simple, 120, 1.0, false);
            let what = format!("{beam:?}, {degrees}°, {beside} columns beside the middle, {:?}", discs[0]);
            for extrapolate in [false, true] {
                let made = reconstruct(scan.clone(), 120, 1.0, extrapolate);
                for radius in [58.0 - beside, 58.0] {
                    let [found, simple] = [&made.image, &simple].map(|image| rms(image, discs, radius));
                    println!("{what}, within {radius}: {found:.0}, {simple:.0} HU simply, {}", made.notes.join("; "));
                    assert!(
                        found < 1.02 * simple,
                        "{what}, within {radius}: {found:.1} HU, {simple:.1} simply weighted"
                    );
                }
                let in_words = made.notes.iter().any(|note| note.contains("end in matter"));
                let reach = discs.iter().map(|[x, y, radius, _]| x.hypot(*y) + radius).fold(0.0, f64::max);
                assert!(in_words || degrees > 220.0 || reach < 63.0 - beside, "{what}: {:?}", made.notes);
            }
        }
    }
}

/// Values keep their scale whatever the arc, and a few degrees more or less change them little.
#[test]
fn no_arc_and_no_offset_is_a_cliff() {
    let discs = [[0.0, 0.0, 50.0, WATER], [15.0, 10.0, 8.0, 0.01]];
    for beam in BEAMS {
        for offset in [0.0, 0.15, 0.3, 0.45] {
            let short = 60.0 * (1.0 - 2.0 * offset);
            let mut before: Option<Vec<f64>> = None;
            for degrees in [
                180.0, 190.0, 200.0, 220.0, 240.0, 270.0, 300.0, 320.0, 340.0, 345.0, 350.0, 355.0, 358.0, 360.0,
                370.0, 400.0,
            ] {
                let image = made(&geometry(beam, arc(degrees, 1.0), short, 60.0), &discs, 110);
                let errors = rings(&image, &discs, 6.0);
                println!("{beam:?}, offset {offset}, {degrees}°: {errors:.0?}");
                let whole = degrees >= 360.0
                    || (offset == 0.0 && degrees >= if beam == Beam::Parallel { 180.0 } else { 230.0 });
                // Matter beyond the short side that no view measured is guessed.
                let most = if whole { 10.0 } else { [130.0, 50.0, 180.0, 260.0][(offset / 0.15_f64).round() as usize] };
                assert!(worst(&errors) < most, "{beam:?}, offset {offset}, {degrees}°: {errors:.0?}");
                let all = rms(&image, &discs, 54.0);
                assert!(all < 300.0, "{beam:?}, offset {offset}, {degrees}°: {all:.0} HU in all");
                if let Some(before) = before.replace(errors.clone()) {
                    let jump = errors.iter().zip(&before).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                    assert!(jump < 150.0, "{beam:?}, offset {offset}, up to {degrees}°: a jump of {jump:.0} HU");
                }
            }
        }
    }
}

/// The gap of a limited angle goes to the views at its edges.
#[test]
fn a_limited_angle_keeps_the_scale() {
    let discs = [[0.0, 0.0, 42.0, WATER]];
    let mut before = None;
    for degrees in (140..=180).rev().step_by(2) {
        let image = made(&geometry(Beam::Parallel, arc(f64::from(degrees), 1.0), 60.0, 60.0), &discs, 90);
        let middle = rings(&image, &discs, 30.0)[0];
        println!("{degrees}°: {middle:+.1} HU");
        assert!(middle.abs() < 6.0, "{degrees}°: {middle:+.1} HU in the middle");
        let change = (middle - before.unwrap_or(middle)).abs();
        assert!(change < 2.0, "{degrees}°: two degrees change the middle by {change:.1} HU");
        before = Some(middle);
    }
}

/// Every slice is its own scan: not a bit of it comes from a slice beside it.
#[test]
fn a_slice_beside_one_a_million_times_brighter_is_its_own() {
    let rows = 3;
    let discs = [[0.0, 0.0, 40.0, WATER], [10.0, 5.0, 12.0, 0.02]];
    let angles = arc(180.0, 4.0);
    let parallel = |rows| Parallel {
        angles: angles.clone(),
        columns: 100,
        rows,
        cell: 1.0,
        cell_height: 1.0,
        center: None,
        unit: LengthUnit::Millimetre,
    };
    let mut stack = scan(&parallel(rows).geometry(), &discs);
    let alone = scan(&parallel(1).geometry(), &discs);
    for row in [0, 2] {
        stack.projections.index_axis_mut(ndarray::Axis(1), row).mapv_inplace(|p| 1e6 * p);
    }
    let mut devices = vec![Device::cpu(), Device::cpu().with_binding_limit(1 << 16)];
    match Choice::Gpu.open() {
        Ok((gpu, _)) => devices.push(gpu),
        Err(error) => assert!(std::env::var_os("RUSHLIGHT_REQUIRE_GPU").is_none(), "{error}"),
    }
    for (index, device) in devices.iter().enumerate() {
        let made = |scan: &Scan| {
            let grid = Grid::centered([scan.geometry.rows, 96, 96], [1.0; 3], [0.0; 3]);
            Fbp::default().reconstruct(scan.clone(), &grid, device, &Monitor::silent()).unwrap().image.values
        };
        let (stack, alone) = (made(&stack), made(&alone));
        let of_stack = stack.index_axis(ndarray::Axis(0), 1);
        let apart = of_stack.iter().zip(&alone).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
        // Slabs may cut between partners, which rounds otherwise.
        let most = if index == 1 { 1e-5 * WATER } else { 0.0 };
        assert!(apart <= most, "device {index}: {apart:e}");
    }
}

//! Measured data, in `$RUSHLIGHT_DATA` or `../shared/data`; without it these tests say so and pass.

use std::path::PathBuf;

use ndarray::{Array3, Axis, s};
use rushlight::{
    device::Device,
    geometry::{Fan, Grid, LengthUnit, Parallel},
    image::Quantity,
    io,
    monitor::Monitor,
    physics::{Spectrum, Tube},
    recipes::{
        self, Iteration, Options, Recipe,
        bone::BoneCorrection,
        fbp::{Fbp, Filter},
    },
    scan::{Counts, Preparation, Scan, axis, hardening::TubeBeam},
    scanner::{Scanner, object},
};

/// The file at `path` below the data folder, if it is there.
fn data(path: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("RUSHLIGHT_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let file = folder.join(path);
    if !file.is_file() {
        println!("skipped: no data at {}", file.display());
    }
    file.is_file().then_some(file)
}

fn cube(file: &hdf5_pure::File, path: &str) -> Array3<f32> {
    let dataset = file.dataset(path).unwrap();
    let shape: Vec<usize> = dataset.shape().unwrap().iter().map(|&extent| extent as usize).collect();
    Array3::from_shape_vec((shape[0], shape[1], shape[2]), dataset.read_f32().unwrap()).unwrap()
}

/// A tooth in a synchrotron beam: 181 views of raw counts over half a turn, with flat and dark frames.
#[test]
fn the_axis_of_the_tooth_is_near_column_296() {
    let Some(path) = data("ct-sinogram/tooth.h5") else { return };
    let file = hdf5_pure::File::open(path).unwrap();
    let counts = Counts {
        data: cube(&file, "exchange/data"),
        flat: Some(cube(&file, "exchange/data_white")),
        dark: Some(cube(&file, "exchange/data_dark")),
    };
    let degrees = file.dataset("exchange/theta").unwrap().read_f64().unwrap();
    let angles: Vec<f64> = degrees.into_iter().map(f64::to_radians).collect();
    for options in [Preparation::default(), Preparation { repair: None, stripes: None, ..Preparation::default() }] {
        let (projections, prepared) = counts.prepare(&options).unwrap();
        println!("{prepared}");
        // Beside the tooth is air: its line integrals are 0 within the noise of 10 flat frames.
        for air in [projections.slice(ndarray::s![.., .., ..40]), projections.slice(ndarray::s![.., .., 600..])] {
            assert!(air.mean().unwrap().abs() < 0.01);
        }
        let found = axis::find(projections.view(), &angles, &axis::Search::default()).unwrap();
        println!("{found:?}");
        assert!((found.column - 296.0).abs() < 0.5, "{found:?}");
        for row in 0..2 {
            let row = projections.index_axis(Axis(1), row).insert_axis(Axis(1));
            let alone = axis::find(row, &angles, &axis::Search::default()).unwrap();
            assert!((alone.column - 296.0).abs() < 0.5, "{alone:?}");
        }
    }
}

/// The tooth from every sixth view: against its own FBP from all 181 views, inside the tooth, total variation is 6 dB and
/// more nearer than FBP from the same 31 (24.0 dB and 16.9 dB of the range were seen).
#[test]
fn a_sixth_of_the_tooths_views_suffice_for_total_variation() {
    let Some(path) = data("ct-sinogram/tooth.h5") else { return };
    let file = hdf5_pure::File::open(path).unwrap();
    let row = |path| cube(&file, path).slice(s![.., ..1, ..]).to_owned();
    let (data, flat, dark) = (row("exchange/data"), row("exchange/data_white"), row("exchange/data_dark"));
    let counts = Counts { data, flat: Some(flat), dark: Some(dark) };
    let degrees = file.dataset("exchange/theta").unwrap().read_f64().unwrap();
    let (all, _) = counts.prepare(&Preparation::default()).unwrap();
    let scan = |every: usize| {
        let projections = all.slice(s![..;every, .., ..]).to_owned();
        let angles = degrees.iter().step_by(every).map(|angle| angle.to_radians()).collect();
        let (columns, unit) = (all.dim().2, LengthUnit::Cell);
        let lines = Parallel { angles, columns, rows: 1, cell: 1.0, cell_height: 1.0, center: Some(295.9), unit };
        Scan::new(projections, lines.geometry()).unwrap()
    };
    let grid = Grid::centered([1, 400, 400], [1.0; 3], [0.0; 3]);
    let device = Device::cpu();
    let made = |recipe: &dyn Recipe, every| {
        recipe.reconstruct(scan(every), &grid, &device, &Monitor::silent()).unwrap().image.values
    };
    let fbp = Fbp { filter: Filter::Hann, ..Fbp::default() };
    let reference = made(&fbp, 1);
    let psnr = |image: Array3<f32>| {
        let range = f64::from(reference.iter().copied().fold(0.0, f32::max));
        let inside = reference.iter().zip(&image).filter(|(reference, _)| **reference > 0.003);
        let squares: Vec<f64> = inside.map(|(a, b)| f64::from(a - b).powi(2)).collect();
        assert!(squares.len() > 20_000, "{} pixels of tooth", squares.len());
        10.0 * (range * range * squares.len() as f64 / squares.iter().sum::<f64>()).log10()
    };
    let iteration = Iteration { count: Some(100), ..Iteration::default() };
    let tv = recipes::named("tv", &Options { iteration, ..Options::default() }).unwrap();
    let (fbp, tv) = (psnr(made(&fbp, 6)), psnr(made(&*tv, 6)));
    println!("tooth, 31 views: FBP {fbp:.1} dB, tv {tv:.1} dB of its FBP from 181");
    assert!(tv > fbp + 6.0, "tv {tv:.1} dB, FBP {fbp:.1} dB");
}

/// A plastic disk 70 mm wide (Helsinki Tomography Challenge 2022), seen over 90° only: its edge is sharp where rays
/// touched it, and there it must be as far apart as the disk is wide.
#[test]
fn the_edge_of_the_htc_disk_is_where_the_geometry_says() {
    let Some(path) = data("ct-sinogram/htc2022_tb_subsample_90.mat") else { return };
    let recording = io::read_recording(format!("{}:/CtDataLimited/sinogram", path.display())).unwrap();
    let (views, _, columns) = recording.data.dim();
    let geometry = Fan {
        angles: (0..views).map(|view| (0.5 * view as f64).to_radians()).collect(),
        columns,
        rows: 1,
        cell: 0.2,
        cell_height: 0.2,
        source_origin: 410.66,
        source_detector: 553.74,
        center: None,
        axis_offset: 0.0,
        curved: false,
        unit: LengthUnit::Millimetre,
    }
    .geometry();
    let scan = Scan::new(recording.data, geometry).unwrap();
    let voxel = 0.1;
    let grid = Grid::centered([1, 840, 840], [voxel; 3], [0.0; 3]);
    let fbp = Fbp { filter: Filter::Hann, ..Fbp::default() };
    let image = fbp.reconstruct(scan, &grid, &Device::cpu(), &Monitor::silent()).unwrap().image;
    // A ray at view θ runs along (−sin θ, cos θ): the edge it touches has its normal along ±(cos θ, sin θ).
    for degrees in [25.0_f64, 45.0, 65.0] {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let at = |distance: f64| {
            let index = |along: f64| ((along * distance / voxel) + 419.5).round() as usize;
            // A mean across the profile, so that noise does not look like an edge.
            let near = (-2..=2_isize).flat_map(|row| (-2..=2_isize).map(move |column| (row, column)));
            let value = |(row, column): (isize, isize)| {
                image.values[[0, index(sin).saturating_add_signed(row), index(cos).saturating_add_signed(column)]]
            };
            near.map(value).sum::<f32>() / 25.0
        };
        let steepest = |side: f64| {
            let slope = |step: usize| at(side * (31.0 + 0.1 * step as f64)) - at(side * (32.0 + 0.1 * step as f64));
            let best = (0..80).max_by(|&a, &b| slope(a).total_cmp(&slope(b))).unwrap();
            31.5 + 0.1 * best as f64
        };
        let width = steepest(1.0) + steepest(-1.0);
        println!("{degrees}°: {width:.1} mm across");
        assert!((width - 70.0).abs() < 1.0, "{degrees}°: {width:.2} mm");
    }
}

/// A chest slice (LIDC-IDRI) in a 120 kV beam: its soft tissue has its CT numbers back after the correction for water and
/// bone, and not before.
#[test]
fn a_chest_in_a_tubes_beam_has_its_ct_numbers_after_hardening_is_corrected() {
    let Some(path) = data("ct-slices/lidc_0314_chest_hu.npz") else { return };
    let mut stack = io::read_image(format!("{}:/pixels", path.display())).unwrap();
    stack.quantity = Quantity::Hounsfield { mu_water: None };
    stack.unit = LengthUnit::Millimetre;
    stack.grid = Grid::centered(stack.grid.shape, [1.0, 0.781, 0.781], [0.0; 3]);
    let scanner = Scanner { spectrum: Some(Spectrum::of(&Tube::usual(120.0).unwrap())), ..Scanner::default() };
    let slice = object::centered(&object::slice(&stack, 30).unwrap());
    let slice = object::attenuation(&slice, scanner.water()).unwrap();
    let geometry = Fan {
        angles: (0..360).map(|view| f64::from(view).to_radians()).collect(),
        columns: 720,
        rows: 1,
        cell: 1.8,
        cell_height: 1.0,
        source_origin: 570.0,
        source_detector: 1040.0,
        center: None,
        axis_offset: 0.0,
        curved: true,
        unit: LengthUnit::Millimetre,
    }
    .geometry();
    let device = Device::cpu();
    let scan = scanner.scan(&slice, &geometry, &device, &Monitor::silent()).unwrap().scan;
    let fbp = Fbp { filter: Filter::Hann, ..Fbp::default() };
    let tube = TubeBeam::new(scanner.spectrum.clone().unwrap());
    let bone = BoneCorrection::new(Box::new(fbp.clone()), tube);
    // Signed mean, and mean size, of the error over 10 × 10 pixels of soft tissue.
    let errors = |recipe: &dyn Recipe| {
        let made = recipe.reconstruct(scan.clone(), &slice.grid, &device, &Monitor::silent()).unwrap();
        let [found, truth] = [made.image, slice.clone()].map(|image| image.to_hounsfield(scanner.water()).values);
        let blocks = truth.exact_chunks([1, 10, 10]).into_iter().zip(found.exact_chunks([1, 10, 10]));
        let soft = blocks.filter(|(truth, _)| truth.iter().all(|hu| (-100.0..150.0).contains(hu)));
        let off: Vec<f32> = soft.map(|(truth, found)| found.mean().unwrap() - truth.mean().unwrap()).collect();
        assert!(off.len() > 50, "{} blocks of soft tissue", off.len());
        let n = off.len() as f32;
        (off.iter().sum::<f32>() / n, off.iter().map(|error| error.abs()).sum::<f32>() / n)
    };
    let ((raw, raw_size), (corrected, size)) = (errors(&fbp), errors(&bone));
    println!("soft tissue off by {raw:.1} HU (size {raw_size:.1}), corrected {corrected:.1} HU (size {size:.1})");
    assert!(raw_size > 10.0 && corrected.abs() < 2.0 && size < 3.0, "{raw_size} → {corrected}, {size}");
}

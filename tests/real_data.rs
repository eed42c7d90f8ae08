//! Measured data, in `$RUSHLIGHT_DATA` or `../shared/data`; without it these tests say so and pass.

use std::path::PathBuf;

use ndarray::{Array3, Axis};
use rushlight::scan::{Counts, Preparation, axis};

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

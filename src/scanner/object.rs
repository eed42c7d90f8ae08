//! The object: attenuation in mm⁻¹ from an image's values, its materials, its place, and finer pixels.

use ndarray::{Array3, Axis};

use crate::{
    error::{Error, Result},
    geometry::{Grid, LengthUnit},
    image::{Image, Quantity},
};

/// The image in mm⁻¹. CT numbers are relative to `water` mm⁻¹, and below −1000 HU (as scanners fill their corners) there
/// is nothing.
///
/// # Errors
/// Values of unknown meaning, pixels of unknown size, values that are not finite.
pub fn attenuation(image: &Image, water: f64) -> Result<Image> {
    let refuse = |what: &str| Err(Error::Option(format!("the image to scan: {what}")));
    if image.unit != LengthUnit::Millimetre {
        return refuse("the size of its pixels is not known; give it, such as --voxel 0.8mm");
    }
    crate::error::check_finite(
        "the image",
        image.values.shape(),
        image.values.as_standard_layout().as_slice().unwrap_or_default(),
    )?;
    let mut image = Image { values: image.values.as_standard_layout().into_owned(), ..image.clone() };
    match image.quantity {
        Quantity::Attenuation(LengthUnit::Millimetre) => {}
        Quantity::Hounsfield { .. } => {
            image.values.mapv_inplace(|hu| (water * (1.0 + f64::from(hu) / 1000.0)).max(0.0) as f32);
        }
        _ => return refuse("what its values are is not known; say it, such as --unit hu or --unit /mm"),
    }
    image.quantity = Quantity::Attenuation(LengthUnit::Millimetre);
    Ok(image)
}

/// One slice of a stack.
pub fn slice(image: &Image, index: usize) -> Result<Image> {
    let slices = image.grid.shape[0];
    if index >= slices {
        return Err(Error::Option(format!("slice {index} of {slices}: the last is {}", slices - 1)));
    }
    let mut grid = Grid { first: image.grid.position([index as f64, 0.0, 0.0]), ..image.grid };
    grid.shape[0] = 1;
    let values = image.values.index_axis(Axis(0), index).to_owned().insert_axis(Axis(0));
    Ok(Image { values, grid, ..image.clone() })
}

/// The image with its middle on the rotation axis, its columns along x and its rows along y.
pub fn centered(image: &Image) -> Image {
    Image { grid: Grid::centered(image.grid.shape, image.grid.voxel(), [0.0; 3]), ..image.clone() }
}

/// The image on `[rows, columns]` pixels over the same area, bilinear between the middles of its pixels and constant
/// beyond the outermost of them. Finer pixels than those of a reconstruction keep a simulation from the inverse crime.
pub fn resampled(image: &Image, [rows, columns]: [usize; 2]) -> Image {
    let [slices, old_rows, old_columns] = image.grid.shape;
    let across = neighbours(old_columns, columns);
    let down = neighbours(old_rows, rows);
    let values = Array3::from_shape_fn([slices, rows, columns], |(z, row, column)| {
        let (y, fy) = down[row];
        let (x, fx) = across[column];
        let line = |y: usize| {
            let [a, b] = [x, (x + 1).min(old_columns - 1)].map(|x| f64::from(image.values[[z, y, x]]));
            a + fx * (b - a)
        };
        let [a, b] = [line(y), line((y + 1).min(old_rows - 1))];
        (a + fy * (b - a)) as f32
    });
    let [ratio_y, ratio_x] = [old_rows as f64 / rows as f64, old_columns as f64 / columns as f64];
    let [z, y, x] = image.grid.steps;
    let grid = Grid {
        shape: [slices, rows, columns],
        first: image.grid.position([0.0, (ratio_y - 1.0) / 2.0, (ratio_x - 1.0) / 2.0]),
        steps: [z, y.map(|step| step * ratio_y), x.map(|step| step * ratio_x)],
    };
    Image { values, grid, ..image.clone() }
}

/// For each of `new` pixels, the old one before its middle, and how far it lies towards the next.
fn neighbours(old: usize, new: usize) -> Vec<(usize, f64)> {
    let place = |pixel: usize| {
        let at = ((pixel as f64 + 0.5) * old as f64 / new as f64 - 0.5).clamp(0.0, old as f64 - 1.0);
        (at.floor() as usize, at.fract())
    };
    (0..new).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(values: Array3<f32>, quantity: Quantity) -> Image {
        let (z, y, x) = values.dim();
        let grid = Grid::centered([z, y, x], [1.0, 0.5, 0.8], [3.0, -2.0, 0.0]);
        Image { values, grid, unit: LengthUnit::Millimetre, quantity, provenance: String::new() }
    }

    #[test]
    fn ct_numbers_become_attenuation() {
        let hu = Array3::from_shape_vec([1, 1, 4], vec![-3024.0, -1000.0, 0.0, 1000.0]).unwrap();
        let found = attenuation(&image(hu.clone(), Quantity::Hounsfield { mu_water: None }), 0.02).unwrap();
        assert_eq!(found.values.into_raw_vec_and_offset().0, [0.0, 0.0, 0.02, 0.04]);
        assert!(attenuation(&image(hu, Quantity::Unknown), 0.02).unwrap_err().to_string().contains("--unit"));
    }

    #[test]
    fn a_plane_stays_a_plane_in_finer_pixels() {
        let value = |[x, y, _]: [f64; 3]| 2.0 + 0.3 * x - 0.7 * y;
        let mut old = image(Array3::zeros([2, 8, 6]), Quantity::Unknown);
        for ((z, y, x), v) in old.values.indexed_iter_mut() {
            *v = value(old.grid.position([z as f64, y as f64, x as f64])) as f32;
        }
        let new = resampled(&old, [24, 15]);
        assert_eq!(new.grid.shape, [2, 24, 15]);
        // Inside the outermost middles; beyond them the image is constant.
        for ((z, y, x), found) in
            new.values.indexed_iter().filter(|((_, y, x), _)| (1..23).contains(y) && (1..14).contains(x))
        {
            let expected = value(new.grid.position([z as f64, y as f64, x as f64]));
            assert!((f64::from(*found) - expected).abs() < 1e-5, "{y} {x}: {found} {expected}");
        }
        assert_eq!(new.values[[0, 0, 0]], old.values[[0, 0, 0]]);
        let area = |grid: &Grid| grid.voxel()[1] * grid.voxel()[2] * (grid.shape[1] * grid.shape[2]) as f64;
        assert!((area(&new.grid) - area(&old.grid)).abs() < 1e-12);
    }

    #[test]
    fn slices_keep_their_place() {
        let stack = image(Array3::from_shape_fn([3, 2, 2], |(z, _, _)| z as f32), Quantity::Unknown);
        let second = slice(&stack, 1).unwrap();
        assert_eq!(second.values, Array3::<f32>::from_elem([1, 2, 2], 1.0));
        assert_eq!(second.grid.first[2], 0.0);
        assert!(slice(&stack, 3).unwrap_err().to_string().contains("the last is 2"));
        assert_eq!(centered(&second).grid.position([0.0, 0.5, 0.5]), [0.0; 3]);
    }
}

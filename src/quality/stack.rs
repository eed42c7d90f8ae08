//! Stacks of regions `[n, y, x]` cut from images of one size: what noise spectra and observers are measured on.

use ndarray::{Array3, ArrayView3, Axis, Zip, s};

use super::Roi;
use crate::error::{Error, Result, check_finite};

/// Refuses stacks without pixels, and values that are not finite.
pub fn check(what: &str, stack: ArrayView3<f32>) -> Result<()> {
    if stack.is_empty() {
        return Err(Error::Option(format!("{what}: {:?} [n, y, x] holds no pixels", stack.shape())));
    }
    check_finite(what, stack.shape(), stack.as_standard_layout().as_slice().unwrap_or_default())
}

/// The noise of `stack`, `[realisation, y, x]`: each less their mean, times √(n/(n − 1)), so that its mean square is
/// the variance without bias (Siewerdsen, Cunningham, Jaffray, Med. Phys. 29 (2002) 2655).
///
/// # Errors
/// Fewer than two realisations, values that are not finite.
pub fn noise(stack: ArrayView3<f32>) -> Result<Array3<f32>> {
    check("the stack", stack)?;
    let count = stack.len_of(Axis(0));
    if count < 2 {
        return Err(Error::Option(
            "one image alone has no mean of repeats to subtract: give at least two images of the same object".into(),
        ));
    }
    let mean = stack.map_axis(Axis(0), |values| values.iter().map(|&v| f64::from(v)).sum::<f64>() / count as f64);
    let scale = (count as f64 / (count - 1) as f64).sqrt();
    let mut noise = stack.to_owned();
    for mut image in noise.axis_iter_mut(Axis(0)) {
        Zip::from(&mut image).and(&mean).for_each(|value, mean| *value = ((f64::from(*value) - mean) * scale) as f32);
    }
    Ok(noise)
}

/// First rows and columns of the squares of `size` pixels that lie in the image of `[rows, columns]` and wholly in
/// `within`; neighbours overlap by half.
///
/// # Errors
/// No square fits.
pub fn squares(image: [usize; 2], within: Option<&Roi>, size: usize) -> Result<Vec<[usize; 2]>> {
    let [rows, columns] = image;
    let inside = |row: usize, column: usize| {
        // The regions are convex: a square lies in one if its corners do.
        let (last_row, last_column) = (row + size - 1, column + size - 1);
        let corners = [(row, column), (row, last_column), (last_row, column), (last_row, last_column)];
        within.is_none_or(|roi| corners.iter().all(|&(y, x)| roi.contains_in_plane(y, x)))
    };
    let mut found = Vec::new();
    if size > 0 && size <= rows.min(columns) {
        let corners = (0..=rows - size).flat_map(|row| (0..=columns - size).map(move |column| [row, column]));
        found.extend(corners.filter(|&[row, column]| inside(row, column)));
    }
    // One in two half-squares: from the first corner where the region is a box, else from the middle of what fits.
    if let Some(&middle) = found.get(found.len() / 2) {
        let first = found.iter().fold(middle, |[y, x], [row, column]| [y.min(*row), x.min(*column)]);
        let [y, x] = if found.contains(&first) { first } else { middle };
        let step = (size / 2).max(1);
        found.retain(|[row, column]| row.abs_diff(y).is_multiple_of(step) && column.abs_diff(x).is_multiple_of(step));
    }
    if found.is_empty() {
        let place = if within.is_some() { "in the region of interest" } else { "in the image" };
        return Err(Error::Option(format!(
            "no square of {size} × {size} pixels fits {place} (the image has {rows} × {columns})"
        )));
    }
    Ok(found)
}

/// Cuts `size` = `[rows, columns]` pixels out of every image of `stack` at every one of `corners`.
///
/// # Errors
/// A part that leaves the images.
pub fn cut(stack: ArrayView3<f32>, corners: &[[usize; 2]], size: [usize; 2]) -> Result<Array3<f32>> {
    let (count, rows, columns) = stack.dim();
    let [height, width] = size;
    let mut parts = Array3::zeros((count * corners.len(), height, width));
    for (part, mut out) in parts.outer_iter_mut().enumerate() {
        let [y, x] = corners[part % corners.len()];
        if y + height > rows || x + width > columns {
            return Err(Error::Option(format!(
                "a part of {height} × {width} pixels at row {y}, column {x} leaves the image of {rows} × {columns}"
            )));
        }
        out.assign(&stack.slice(s![part / corners.len(), y..y + height, x..x + width]));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_the_variance_of_the_repeats() {
        // Two repeats a, b: ±(a − b)/2·√2, mean square (a − b)²/2, which is their sample variance.
        let stack = Array3::from_shape_vec((2, 1, 2), vec![1.0, 5.0, 4.0, 5.0]).unwrap();
        let noise = noise(stack.view()).unwrap();
        assert!((noise[[0, 0, 0]] + 1.5 * 2.0_f32.sqrt()).abs() < 1e-6 && noise[[1, 0, 1]] == 0.0);
        assert!(super::noise(stack.slice(s![..1, .., ..])).unwrap_err().to_string().contains("two"));
    }

    #[test]
    fn squares_lie_in_their_region() {
        assert_eq!(squares([8, 8], None, 8).unwrap(), [[0, 0]]);
        assert_eq!(squares([6, 4], None, 4).unwrap(), [[0, 0], [2, 0]]);
        let corner = "box:3..7,2..6".parse().unwrap();
        assert_eq!(squares([9, 9], Some(&corner), 4).unwrap(), [[2, 3]]);
        let circle: Roi = "circle:20,20,10".parse().unwrap();
        for [y, x] in squares([41, 41], Some(&circle), 6).unwrap() {
            assert!([(y, x), (y + 5, x + 5), (y, x + 5), (y + 5, x)].iter().all(|&(y, x)| circle.contains(0, y, x)));
        }
        assert!(squares([9, 9], Some(&corner), 5).unwrap_err().to_string().contains("region"));
        assert!(squares([9, 9], None, 10).is_err());
    }

    #[test]
    fn parts_are_cut_from_every_image() {
        let stack = Array3::from_shape_fn((2, 4, 5), |(n, y, x)| (100 * n + 10 * y + x) as f32);
        let parts = cut(stack.view(), &[[0, 1], [2, 3]], [2, 2]).unwrap();
        assert_eq!(parts.dim(), (4, 2, 2));
        assert_eq!((parts[[1, 0, 0]], parts[[2, 1, 1]]), (23.0, 112.0));
        assert!(cut(stack.view(), &[[3, 0]], [2, 2]).is_err());
    }
}

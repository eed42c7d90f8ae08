//! Frames of the open beam, or without it: which of them to believe, and their mean.
//!
//! A frame that was taken while the shutter moved, and a cell that a cosmic ray hit in one frame, would spoil a mean. So a
//! cell's value is the mean over the frames without those that lie far from their median (Hampel's identifier, as in
//! [`super::defects`]), which has the noise of a mean and the robustness of a median.

use ndarray::{Array2, Array3, ArrayD, ArrayView3, Ix3, Zip, s};

use super::median::median;
use crate::error::{Error, Result};

/// A value is left out if it lies this many standard deviations from the median over the frames: more than the beam drifts.
const FAR: f32 = 8.0;
/// Median absolute deviation to standard deviation, for normal noise.
const MAD_TO_SIGMA: f32 = 1.4826;
/// An open-beam frame of less than this part of the usual level, or more than its inverse, is none.
const UNUSUAL: f32 = 0.5;

/// An array of one to three dimensions as frames `[frame, row, column]` of a detector of `[rows, columns]`: two dimensions
/// are one frame, or frames of a detector of one row; one dimension is a frame of such.
///
/// # Errors
/// An array that is neither; `name` says in the message what it is.
pub fn frames(array: ArrayD<f32>, [rows, columns]: [usize; 2], name: &str) -> Result<Array3<f32>> {
    let shape = array.shape().to_vec();
    let wanted = match shape[..] {
        // A single row's frames, whichever way readers of two dimensions complete them.
        [frames, 1, width] if width == columns && frames == rows && rows > 1 => [1, rows, columns],
        [frames, height, width] if [height, width] == [rows, columns] => [frames, rows, columns],
        [1, frames, width] if width == columns && rows == 1 => [frames, 1, columns],
        [height, width] if [height, width] == [rows, columns] => [1, rows, columns],
        [frames, width] if width == columns && rows == 1 => [frames, 1, columns],
        [width] if width == columns && rows == 1 => [1, 1, columns],
        _ => {
            return Err(Error::Scan(format!(
                "the {name} frames are an array of {shape:?}, and the scan has {rows} rows and {columns} columns: \
                 [frame, row, column] or, for a single frame, [row, column] is needed, with the same rows and columns"
            )));
        }
    };
    let wrong = |error| Error::Scan(format!("the {name} frames: {error}"));
    let array = array.as_standard_layout().into_owned().into_shape_with_order(wanted).map_err(wrong)?;
    array.into_dimensionality::<Ix3>().map_err(wrong)
}

/// Which of the open-beam `frames` saw about as much as most of them do; `dark` is what they read without a beam.
pub(super) fn lit(frames: ArrayView3<f32>, dark: &Array2<f32>) -> Vec<usize> {
    let level = |frame: ndarray::ArrayView2<f32>| {
        let above = Zip::from(&frame).and(dark).map_collect(|value, dark| value - dark);
        median(&mut above.into_iter().filter(|value| value.is_finite()).collect::<Vec<_>>())
    };
    let levels: Vec<f32> = frames.outer_iter().map(level).collect();
    let usual = median(&mut levels.clone());
    let found: Vec<usize> = (0..levels.len())
        .filter(|&index| levels[index] >= UNUSUAL * usual && levels[index] * UNUSUAL <= usual)
        .collect();
    // Levels without a meaning (all below the dark) are for others to refuse.
    if found.is_empty() || usual <= 0.0 { (0..levels.len()).collect() } else { found }
}

/// The mean over the frames `chosen`, in f64, for every cell without what is far from the median; NaN for a cell without a
/// finite reading.
pub(super) fn mean(frames: ArrayView3<f32>, chosen: &[usize]) -> Array2<f32> {
    let (_, rows, columns) = frames.dim();
    let readings = |row: usize, column: usize| -> Vec<f32> {
        let cell = frames.slice(s![.., row, column]);
        chosen.iter().map(|&frame| cell[frame]).filter(|value| value.is_finite()).collect()
    };
    // Of few readings the spread is known badly, so no cell has less than half of all have.
    let mut spreads = Array2::zeros((rows, columns));
    let mut middles = Array2::zeros((rows, columns));
    Zip::indexed(&mut spreads).and(&mut middles).par_for_each(|(row, column), spread, middle| {
        let mut values = readings(row, column);
        *middle = median(&mut values);
        values.iter_mut().for_each(|value| *value = (*value - *middle).abs());
        *spread = median(&mut values);
    });
    let common = median(&mut spreads.iter().copied().filter(|spread| spread.is_finite()).collect::<Vec<_>>());
    Zip::indexed(&mut middles).and(&spreads).par_for_each(|(row, column), middle, spread| {
        // Two readings cannot tell which of them is wrong.
        let reach = if chosen.len() < 3 { f32::INFINITY } else { FAR * MAD_TO_SIGMA * spread.max(0.5 * common) };
        let near = readings(row, column).into_iter().filter(|value| (value - *middle).abs() <= reach);
        let (sum, count) = near.fold((0.0, 0.0), |(sum, count), value| (sum + f64::from(value), count + 1.0));
        *middle = (sum / count) as f32;
    });
    middles
}

#[cfg(test)]
mod tests {
    use ndarray::Axis;

    use super::*;
    use crate::random::Draws;

    /// Frames of a detector of uneven gain with photon noise, and the gain.
    fn measured(count: usize) -> (Array3<f32>, Array2<f32>) {
        let gain = Array2::from_shape_fn((4, 60), |(row, column)| 9000.0 + 400.0 * ((3 * row + column) % 7) as f32);
        let frames = Array3::from_shape_fn((count, 4, 60), |(frame, row, column)| {
            let mean = f64::from(gain[[row, column]]);
            (mean + mean.sqrt() * Draws::new(3, [frame, row, column]).normal()) as f32
        });
        (frames, gain)
    }

    /// Root mean square of the relative error.
    fn error(found: &Array2<f32>, gain: &Array2<f32>) -> f64 {
        let squares = found.iter().zip(gain).map(|(found, gain)| f64::from(found / gain - 1.0).powi(2));
        (squares.sum::<f64>() / gain.len() as f64).sqrt()
    }

    #[test]
    fn good_frames_have_the_noise_of_their_mean() {
        for count in [1, 2, 3, 5, 20] {
            let (frames, gain) = measured(count);
            let all: Vec<usize> = (0..count).collect();
            assert_eq!(lit(frames.view(), &Array2::zeros((4, 60))), all);
            // 1/√(N·frames), N about 10,200.
            let expected = (1.0 / 10_200.0 / count as f64).sqrt();
            let found = error(&mean(frames.view(), &all), &gain);
            assert!((found / expected - 1.0).abs() < 0.15, "{count} frames: {found:.2e}, {expected:.2e}");
        }
    }

    #[test]
    fn a_frame_without_beam_and_a_cosmic_ray_are_left_out() {
        let (mut frames, gain) = measured(5);
        let dark = Array2::from_elem((4, 60), 50.0);
        frames.slice_mut(s![2, .., ..]).assign(&dark);
        frames[[1, 3, 7]] = 60_000.0;
        frames[[4, 0, 9]] = f32::NAN;
        let chosen = lit(frames.view(), &dark);
        assert_eq!(chosen, [0, 1, 3, 4]);
        assert!(error(&mean(frames.view(), &chosen), &gain) < 0.006);
        // Of two frames, the one that saw the beam.
        let two = frames.select(Axis(0), &[2, 3]);
        assert_eq!(lit(two.view(), &dark), [1]);
        // A beam that lives on is as it was: nothing is left out.
        let (mut decaying, _) = measured(6);
        decaying.outer_iter_mut().enumerate().for_each(|(i, mut frame)| frame *= 1.0 - 0.05 * i as f32);
        assert_eq!(lit(decaying.view(), &dark).len(), 6);
    }

    #[test]
    fn a_single_frame_has_no_frame_axis() {
        let of = |shape: &[usize], detector| {
            frames(ArrayD::zeros(shape), detector, "flat")
                .map(|frames| frames.shape().to_vec())
                .map_err(|e| e.to_string())
        };
        assert_eq!(of(&[3, 32], [3, 32]).unwrap(), [1, 3, 32]);
        assert_eq!(of(&[3, 1, 32], [3, 32]).unwrap(), [1, 3, 32]);
        assert_eq!(of(&[5, 3, 32], [3, 32]).unwrap(), [5, 3, 32]);
        assert_eq!(of(&[5, 32], [1, 32]).unwrap(), [5, 1, 32]);
        assert_eq!(of(&[1, 5, 32], [1, 32]).unwrap(), [5, 1, 32]);
        assert_eq!(of(&[32], [1, 32]).unwrap(), [1, 1, 32]);
        for (shape, detector) in
            [(&[3, 31][..], [3, 32]), (&[32], [3, 32]), (&[32, 3], [3, 32]), (&[1, 1, 3, 32], [3, 32])]
        {
            assert!(of(shape, detector).unwrap_err().contains("3 rows and 32 columns"));
        }
    }
}

//! What became of the beam: views that it did not reach, and readings that stand at the most that the detector counts.
//!
//! A view without beam (a closed shutter, a beam that was lost) has next to none of the light of the last view with one. An object that
//! turns its long side to the beam dims it from view to view. A saturated detector has many readings at one number and hardly
//! any just below it, though the numbers have noise or the number is the last of so many bits.

use std::fmt;

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis, Zip};
use rayon::prelude::*;

use super::{counts::BRIGHTER, photon};

/// A view of less than this part of the light of the view before is one without beam.
const DARK: f32 = 0.01;
/// At either end of a view's readings, this part is left out of its mean: cells that answer wrongly.
const TRIMMED: usize = 20;
/// Readings of a view that are looked at, about.
const ENOUGH: usize = 1 << 16;

/// The views of `data` `[view, row, column]` without beam; `response` and `dark` are `[row, column]`.
pub(super) fn dark_views(data: ArrayView3<f32>, response: &Array2<f32>, dark: &Array2<f32>) -> Vec<usize> {
    let lights: Vec<f32> = data.axis_iter(Axis(0)).into_par_iter().map(|view| light(view, response, dark)).collect();
    let Some(brightest) = (0..lights.len()).max_by(|&a, &b| lights[a].total_cmp(&lights[b])) else { return Vec::new() };
    if !(lights[brightest] > 0.0 && lights[brightest].is_finite()) {
        return Vec::new();
    }
    let walk = |views: &mut dyn Iterator<Item = usize>| {
        let mut last = lights[brightest];
        let is_dark = |view: &usize| {
            let dark = lights[*view] < DARK * last;
            last = if dark || lights[*view].is_nan() { last } else { lights[*view] };
            dark
        };
        views.filter(is_dark).collect::<Vec<_>>()
    };
    let mut found = walk(&mut (0..brightest).rev());
    found.reverse();
    found.extend(walk(&mut (brightest + 1..lights.len())));
    found
}

/// The mean transmission of a view's cells, without those at either end; NaN if no cell has a response.
fn light(view: ArrayView2<f32>, response: &Array2<f32>, dark: &Array2<f32>) -> f32 {
    let cells = view.iter().zip(response).zip(dark).step_by(view.len().div_ceil(ENOUGH).max(1));
    let transmissions =
        cells.filter(|((_, response), _)| **response > 0.0).map(|((value, open), dark)| (value - dark) / open);
    let mut finite: Vec<f32> = transmissions.filter(|value| value.is_finite()).collect();
    finite.sort_unstable_by(f32::total_cmp);
    let few = finite.len() / TRIMMED;
    let middle = &finite[few..finite.len() - few];
    (middle.iter().map(|value| f64::from(*value)).sum::<f64>() / middle.len() as f64) as f32
}

/// The number at which readings stand.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Ceiling {
    /// The number.
    pub counts: f32,
    /// Which part of all readings is there.
    pub share: f64,
}

/// Readings of a saturated detector.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Saturation {
    /// With the object.
    pub data: Option<Ceiling>,
    /// In the flat frames.
    pub flat: Option<Ceiling>,
}

impl Saturation {
    /// None was seen.
    pub fn is_none(&self) -> bool {
        self.data.is_none() && self.flat.is_none()
    }
}

impl fmt::Display for Saturation {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let part = |of: &Option<Ceiling>, name: &str| {
            of.map(|Ceiling { counts, share }| format!("{:.1} % of the {name} stand at {counts}", 100.0 * share))
        };
        let parts = [part(&self.flat, "flat field's readings"), part(&self.data, "data's readings")];
        let wrong = if self.flat.is_some() { "small, and values too low" } else { "large, and values too high" };
        write!(
            f,
            "warning: a saturated detector: {}, the most it counts; there line integrals come out too {wrong}, by how much cannot be known: \
             measure again with fewer counts",
            parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
        )
    }
}

/// Fewest readings, and least part of all, that may be called many.
const FEWEST: usize = 16;
const LEAST_SHARE: f64 = 1e-3;
/// How many times as many there must be as at the next lower number.
const PILED: usize = 3;
/// The least noise, in counts a photon, that numbers straight from a detector have.
const NOISE: f64 = 0.05;

/// What of `data` and `flat` frames stands at the detector's ceiling. `projections` are the data's −ln of the transmission, `dead` the
/// cells (`[row, column]`) that do not count, `open` the open beam's typical counts.
pub(super) fn saturation(
    data: ArrayView3<f32>,
    flat: Option<ArrayView3<f32>>,
    projections: &Array3<f32>,
    dead: ArrayView2<bool>,
    open: f64,
) -> Saturation {
    // Zingers, brighter than the beam, are as bright as it gets.
    let explained = projections.mapv(|value| value > -BRIGHTER.ln());
    let piled = pile(data, dead, Some(explained.view()));
    let noisy = |ceiling: &Ceiling| {
        let mut below = projections.clone();
        Zip::from(&mut below).and(&data).for_each(|value, reading| {
            if *reading == ceiling.counts {
                *value = f32::NAN;
            }
        });
        open * photon::noise(below.view()) > NOISE
    };
    let data = piled.filter(|ceiling| is_full(ceiling.counts) || noisy(ceiling));
    let flat = flat.and_then(|flat| {
        let agrees = |counts: f32| data.is_some_and(|data| data.counts == counts);
        pile(flat, dead, None).filter(|at| is_full(at.counts) || agrees(at.counts) || comes_and_goes(flat, at.counts))
    });
    Saturation { data, flat }
}

/// The greatest of the readings that are `counted`, in cells that are not `dead`, if many have it and few are next to it.
fn pile(readings: ArrayView3<f32>, dead: ArrayView2<bool>, counted: Option<ArrayView3<bool>>) -> Option<Ceiling> {
    // Greatest, how many, next, how many.
    type Top = [(f32, usize); 2];
    let add = |mut top: Top, (value, count): (f32, usize)| {
        for place in 0..2 {
            if value == top[place].0 {
                top[place].1 += count;
                return top;
            }
            if value > top[place].0 {
                if place == 0 {
                    top[1] = top[0];
                }
                top[place] = (value, count);
                return top;
            }
        }
        top
    };
    let none: Top = [(f32::NEG_INFINITY, 0); 2];
    let of_frame = |frame: usize| {
        let values = readings.index_axis(Axis(0), frame);
        let counted = counted.as_ref().map(|counted| counted.index_axis(Axis(0), frame));
        let is_counted = |at: (usize, usize)| !dead[at] && counted.as_ref().is_none_or(|counted| counted[at]);
        values.indexed_iter().filter(|(at, _)| is_counted(*at)).fold(none, |top, (_, value)| add(top, (*value, 1)))
    };
    let [(counts, most), (_, next)] = (0..readings.len_of(Axis(0)))
        .into_par_iter()
        .map(of_frame)
        .reduce(|| none, |a, b| b.into_iter().filter(|place| place.1 > 0).fold(a, add));
    let share = most as f64 / readings.len() as f64;
    (most >= FEWEST && share >= LEAST_SHARE && most >= PILED * next).then_some(Ceiling { counts, share })
}

/// Whether a number is the last of 8 bits or more, or such a one moved up, as 12 bits are in 16.
fn is_full(counts: f32) -> bool {
    if !(255.0..4_294_967_296.0).contains(&counts) || counts.fract() != 0.0 {
        return false;
    }
    let bits = counts as u64;
    let unmoved = bits >> bits.trailing_zeros();
    unmoved >= 255 && (unmoved + 1).is_power_of_two()
}

/// Whether of the cells that stand at `counts` in one frame, many do not in another: the number cuts off noise.
fn comes_and_goes(frames: ArrayView3<f32>, counts: f32) -> bool {
    let at = frames.map_axis(Axis(0), |cell| cell.iter().filter(|value| **value == counts).count());
    let count = frames.len_of(Axis(0));
    let (any, always) =
        at.iter().fold((0, 0), |(any, always), at| (any + usize::from(*at > 0), always + usize::from(*at == count)));
    4 * (any - always) > any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_without_beam_are_told_from_those_that_an_object_dims() {
        const NONE: [usize; 0] = [];
        let (response, dark) = (Array2::from_elem((2, 40), 1000.0), Array2::from_elem((2, 40), 100.0));
        let views =
            |lights: &[f32]| Array3::from_shape_fn((lights.len(), 2, 40), |(view, _, _)| 100.0 + 1000.0 * lights[view]);
        let found = |lights: &[f32]| -> Vec<usize> {
            let mut data = views(lights);
            // A cell that is stuck bright sees no beam.
            data.slice_mut(ndarray::s![.., 0, 7]).fill(60_000.0);
            dark_views(data.view(), &response, &dark)
        };
        assert_eq!(found(&[1.0, 0.9, 1.1, 0.5]), NONE);
        assert_eq!(found(&[0.0, 0.001, 0.9, 0.0, 0.8, -0.001]), [0, 1, 3, 5]);
        // A slab that turns edge-on.
        assert_eq!(found(&[0.5, 0.2, 0.04, 1e-3, 2e-5, 1e-3, 0.04, 0.2]), NONE);
        assert_eq!(found(&[0.0; 5]), NONE);
    }

    #[test]
    fn the_last_of_so_many_bits() {
        for full in [255.0, 1023.0, 4095.0, 16_383.0, 65_535.0, 65_520.0, 16_777_215.0] {
            assert!(is_full(full), "{full}");
        }
        for other in [0.0, 1.0, 127.0, 254.0, 20_000.0, 30_000.0, 65_536.0, 65_533.0, 255.5, f32::INFINITY] {
            assert!(!is_full(other), "{other}");
        }
    }
}

//! From raw counts to line integrals: −ln((data − dark)/(flat − dark)), then the steps that mend what detectors do.
//!
//! The steps, in order, each of which can be switched off: dead cells and zingers ([`defects`]), stripes
//! ([`stripes`]). The rotation axis is found afterwards, from the line integrals ([`super::axis`]).

use std::fmt;

use ndarray::{Array2, Array3, ArrayView3, Axis, Zip};

use super::{
    defects::{self, Repair, Repaired},
    stripes::{self, Stripes, Suppressed},
};
use crate::error::{Error, Result, check_finite};

/// Raw counts of a detector.
#[derive(Clone, Debug, PartialEq)]
pub struct Counts {
    /// With the object, `[view, row, column]`.
    pub data: Array3<f32>,
    /// With the beam but no object, `[frame, row, column]`.
    pub flat: Option<Array3<f32>>,
    /// Without the beam, `[frame, row, column]`; 0 if there are none.
    pub dark: Option<Array3<f32>>,
}

/// How counts become line integrals.
#[derive(Clone, Debug, PartialEq)]
pub struct Preparation {
    /// Counts of the open beam, the same for every cell, if there are no flat frames.
    pub open_beam: Option<f64>,
    /// Transmissions below this are set to it, 0 and negative ones too. The default, 10⁻⁵, lies below one count of 16 bits.
    pub floor: f32,
    /// Repair of dead cells and zingers; `None` leaves it out.
    pub repair: Option<Repair>,
    /// Suppression of stripes; `None` leaves it out.
    pub stripes: Option<Stripes>,
}

impl Default for Preparation {
    fn default() -> Self {
        Self { open_beam: None, floor: 1e-5, repair: Some(Repair::default()), stripes: Some(Stripes::default()) }
    }
}

/// Transmissions above this are remarked upon. Photon noise, drift and the bright side of refraction's fringes lie below.
pub const BRIGHTER: f32 = 1.2;

/// What was done to the counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Prepared {
    /// Readings whose transmission was below the floor and was set to it.
    pub floored: usize,
    /// Readings more than [`BRIGHTER`] times the flat field, which no absorber explains; they are left as they are.
    pub brighter: usize,
    /// What was repaired, if that was asked for.
    pub repaired: Option<Repaired>,
    /// What stripes were suppressed, if that was asked for.
    pub stripes: Option<Suppressed>,
}

/// One line a step, for a terminal.
impl fmt::Display for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "line integrals: {} readings below the least transmission", self.floored)?;
        if self.brighter > 0 {
            write!(f, ", {} brighter than {BRIGHTER} times the flat field", self.brighter)?;
        }
        if let Some(Repaired { dead_cells, missing, zingers }) = self.repaired {
            write!(f, "\nrepair: {dead_cells} dead cells, {missing} missing readings, {zingers} zingers")?;
        }
        if let Some(Suppressed { strength }) = self.stripes {
            write!(f, "\nstripes: {strength:.2e} (rms of the line integrals) taken out")?;
        }
        Ok(())
    }
}

impl Counts {
    /// All steps: line integrals `[view, row, column]`, finite, and what was done.
    ///
    /// # Errors
    /// Frames that do not fit the data, no flat frames nor open beam, counts that are mostly above the flat field or nowhere
    /// above the dark one, and what the steps refuse. With repair switched off, any cell that measured nothing.
    pub fn prepare(&self, options: &Preparation) -> Result<(Array3<f32>, Prepared)> {
        let dark = self.mean_dark()?;
        let response = self.response(&dark, options.open_beam)?;
        let (mut projections, floored) = self.line_integrals(&response, &dark, options.floor)?;
        let brighter = projections.iter().filter(|value| **value < -BRIGHTER.ln()).count();
        check_light([floored, brighter], projections.len())?;
        let mut prepared = Prepared { floored, brighter, ..Prepared::default() };
        if let Some(repair) = &options.repair {
            let mut dead = defects::dead_cells(response.view(), repair);
            dead.zip_mut_with(&silent_cells(&projections, options.floor, repair), |dead, silent| *dead |= silent);
            prepared.repaired = Some(defects::repair(&mut projections, &dead, repair)?);
        }
        check_finite(
            "the scan (NaN: a cell without response, or a count that is none; dead-cell repair bridges both)",
            projections.shape(),
            projections.as_slice().unwrap_or_default(),
        )?;
        if let Some(stripes) = &options.stripes {
            prepared.stripes = Some(stripes::suppress(&mut projections, stripes)?);
        }
        Ok((projections, prepared))
    }

    /// Mean of the flat frames (or the open beam) minus the dark field, `[row, column]`. When the flat frames were
    /// taken cannot be known, so they are averaged, not interpolated.
    fn response(&self, dark: &Array2<f32>, open_beam: Option<f64>) -> Result<Array2<f32>> {
        let response = match (&self.flat, open_beam) {
            (Some(flat), None) => self.mean(flat.view(), "flat")? - dark,
            (None, Some(counts)) if counts > 0.0 && counts.is_finite() => dark.mapv(|dark| counts as f32 - dark),
            (None, Some(counts)) => {
                return Err(Error::Option(format!("an open beam of {counts} counts: it must be above 0")));
            }
            (None, None) => {
                return Err(Error::Scan(
                    "raw counts need flat frames, or the counts of the open beam; give one of them, or line integrals"
                        .into(),
                ));
            }
            (Some(_), Some(_)) => {
                return Err(Error::Scan("there are flat frames and a value for the open beam: leave one out".into()));
            }
        };
        if !response.iter().any(|&value| value > 0.0 && value.is_finite()) {
            return Err(Error::Scan(
                "the flat field is nowhere above the dark field; were flat and dark frames exchanged?".into(),
            ));
        }
        Ok(response)
    }

    fn mean_dark(&self) -> Result<Array2<f32>> {
        let (_, rows, columns) = self.data.dim();
        self.dark.as_ref().map_or_else(|| Ok(Array2::zeros((rows, columns))), |dark| self.mean(dark.view(), "dark"))
    }

    /// Mean over the frames, in f64.
    fn mean(&self, frames: ArrayView3<f32>, name: &str) -> Result<Array2<f32>> {
        if frames.shape()[1..] != self.data.shape()[1..] || frames.is_empty() {
            return Err(Error::Scan(format!(
                "the {name} frames are {:?} [frame, row, column], the data {:?} [view, row, column]: rows and columns must agree, and one frame be there",
                frames.shape(),
                self.data.shape()
            )));
        }
        Ok(frames
            .map_axis(Axis(0), |cell| (cell.iter().copied().map(f64::from).sum::<f64>() / cell.len() as f64) as f32))
    }

    /// −ln of the transmission, and how many readings were below `floor` and set to it; NaN where a cell has no
    /// response, or the count is NaN.
    fn line_integrals(&self, response: &Array2<f32>, dark: &Array2<f32>, floor: f32) -> Result<(Array3<f32>, usize)> {
        if !(floor > 0.0 && floor < 1.0) {
            return Err(Error::Option(format!("a least transmission of {floor}: it must be above 0 and below 1")));
        }
        let mut projections = self.data.as_standard_layout().into_owned();
        let floored = Zip::from(projections.outer_iter_mut()).par_map_collect(|mut view| {
            let mut floored = 0;
            Zip::from(&mut view).and(response).and(dark).for_each(|value, &response, &dark| {
                let transmission = (*value - dark) / response;
                floored += usize::from(response > 0.0 && transmission < floor);
                // f32::max would hide a NaN.
                let bounded = if transmission < floor { floor } else { transmission };
                *value = if response > 0.0 { -bounded.ln() } else { f32::NAN };
            });
            floored
        });
        Ok((projections, floored.sum()))
    }
}

/// Refuses counts that cannot belong to their flat and dark fields.
fn check_light([floored, brighter]: [usize; 2], readings: usize) -> Result<()> {
    if floored == readings {
        return Err(Error::Scan(
            "no reading is above the dark field: the beam was off, or data and dark frames were exchanged".into(),
        ));
    }
    if brighter > readings / 2 {
        return Err(Error::Scan(format!(
            "{brighter} of {readings} counts are above the flat field, by a fifth and more: was it taken with another exposure, or are data and flat frames exchanged?"
        )));
    }
    Ok(())
}

/// Cells that saw no more than the least transmission in any view while their neighbours did: dead, whatever the flat
/// field says, or in the absence of one.
fn silent_cells(projections: &Array3<f32>, floor: f32, options: &Repair) -> Array2<bool> {
    let most = projections.map_axis(Axis(0), |readings| {
        // f32::max leaves NaN out.
        readings.iter().fold(0.0, |most: f32, value| most.max((-value).exp()))
    });
    let mut silent = defects::dead_cells(most.view(), options);
    silent.zip_mut_with(&most, |silent, &most| *silent &= most <= 1.01 * floor);
    silent
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line integrals over 60 views, and their counts by cells of uneven gain and dark current, with 3 frames of each field.
    fn measured() -> (Array3<f32>, Counts) {
        let truth = Array3::from_shape_fn((60, 2, 48), |(view, row, column)| {
            let t = (column as f32 - 23.5 - (view as f32 * 0.05).cos() * 5.0) / 15.0;
            (1.0 + row as f32) * (1.0 - t * t).max(0.0)
        });
        let gain = |row: usize, column: usize| 20_000.0 + 300.0 * ((7 * column + 3 * row) % 11) as f32;
        let dark = |row: usize, column: usize| 100.0 + ((5 * column + row) % 7) as f32;
        // The frames straddle their mean evenly.
        let frame = |frame: usize| frame as f32 - 1.0;
        let counts = Counts {
            data: Array3::from_shape_fn(truth.dim(), |(v, r, c)| dark(r, c) + gain(r, c) * (-truth[[v, r, c]]).exp()),
            flat: Some(Array3::from_shape_fn((3, 2, 48), |(f, r, c)| gain(r, c) + dark(r, c) + 50.0 * frame(f))),
            dark: Some(Array3::from_shape_fn((3, 2, 48), |(f, r, c)| dark(r, c) + 2.0 * frame(f))),
        };
        (truth, counts)
    }

    fn bare() -> Preparation {
        Preparation { repair: None, stripes: None, ..Preparation::default() }
    }

    fn worst(a: &Array3<f32>, b: &Array3<f32>) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn uneven_gain_and_dark_current_cancel() {
        let (truth, mut counts) = measured();
        let (projections, prepared) = counts.prepare(&bare()).unwrap();
        assert!(worst(&projections, &truth) < 2e-6);
        assert_eq!(prepared, Prepared::default());
        // A known open beam and even cells come to the same.
        counts.data = truth.mapv(|p| 5e4 * (-p).exp());
        (counts.flat, counts.dark) = (None, None);
        let (projections, _) = counts.prepare(&Preparation { open_beam: Some(5e4), ..bare() }).unwrap();
        assert!(worst(&projections, &truth) < 2e-6);
    }

    #[test]
    fn readings_below_the_floor_are_counted_and_bounded() {
        let (_, mut counts) = measured();
        counts.data[[3, 0, 5]] = 0.0;
        counts.data[[9, 1, 7]] = -40.0;
        let (projections, prepared) = counts.prepare(&bare()).unwrap();
        assert_eq!(prepared.floored, 2);
        assert!(
            (projections[[3, 0, 5]] - 1e5_f32.ln()).abs() < 1e-4 && projections[[9, 1, 7]] == projections[[3, 0, 5]]
        );
    }

    #[test]
    fn readings_above_the_flat_field_are_counted_and_left() {
        let (truth, mut counts) = measured();
        counts.data.slice_mut(ndarray::s![4..7, 0, 2]).mapv_inplace(|count| 2.0 * count);
        let (projections, prepared) = counts.prepare(&bare()).unwrap();
        assert_eq!(prepared.brighter, 3);
        assert!(prepared.to_string().contains("3 brighter than 1.2 times the flat field"), "{prepared}");
        assert!((projections[[5, 0, 2]] - truth[[5, 0, 2]] + 2.0_f32.ln()).abs() < 0.01);
    }

    #[test]
    fn dead_cells_are_bridged_whether_the_flat_field_shows_them_or_not() {
        let (truth, mut counts) = measured();
        let dark = counts.dark.clone().unwrap();
        counts.data.slice_mut(ndarray::s![.., 0, 20]).fill(60_000.0);
        if let Some(flat) = &mut counts.flat {
            flat.slice_mut(ndarray::s![.., 0, 20]).assign(&dark.slice(ndarray::s![.., 0, 20]));
        }
        counts.data.slice_mut(ndarray::s![.., 1, 30]).fill(dark[[1, 1, 30]]);
        let said = counts.prepare(&bare()).unwrap_err().to_string();
        assert!(said.contains("repair") && said.contains("60"), "{said}");
        let (projections, prepared) = counts.prepare(&Preparation { stripes: None, ..Preparation::default() }).unwrap();
        assert_eq!(prepared.repaired, Some(Repaired { dead_cells: 2, missing: 0, zingers: 0 }));
        // Linear interpolation errs by p″/2 = 2/15² at most in row 1, and half that in row 0.
        assert!(worst(&projections, &truth) < 0.01);
    }

    #[test]
    fn what_is_missing_or_does_not_fit_is_said() {
        let (_, counts) = measured();
        let said = |counts: &Counts, options: &Preparation| counts.prepare(options).unwrap_err().to_string();
        let without = Counts { flat: None, ..counts.clone() };
        assert!(said(&without, &bare()).contains("flat frames"));
        let other = Counts { dark: Some(Array3::zeros((3, 2, 47))), ..counts.clone() };
        assert!(said(&other, &bare()).contains("[3, 2, 47]"));
        let empty = Counts { flat: Some(Array3::zeros((0, 2, 48))), ..counts.clone() };
        assert!(said(&empty, &bare()).contains("flat frames are [0, 2, 48]"));
        let bright = Counts { data: counts.data.mapv(|count| 9.0 * count), ..counts.clone() };
        assert!(said(&bright, &bare()).contains("of 5760 counts are above the flat field"));
        let dim = Counts { data: counts.data.mapv(|_| 100.0), ..counts.clone() };
        assert!(said(&dim, &bare()).contains("no reading is above the dark field"));
        let zero = Counts { flat: Some(Array3::zeros((3, 2, 48))), ..counts.clone() };
        assert!(said(&zero, &bare()).contains("nowhere above the dark"));
        assert!(said(&counts, &Preparation { open_beam: Some(1e5), ..bare() }).contains("leave one out"));
        assert!(said(&without, &Preparation { open_beam: Some(0.0), ..bare() }).contains("above 0"));
        assert!(said(&counts, &Preparation { floor: 0.0, ..bare() }).contains("least transmission"));
        let mut lost = counts.clone();
        lost.data[[5, 1, 6]] = f32::NAN;
        assert!(said(&lost, &bare()).contains("[5, 1, 6]"));
        assert_eq!(lost.prepare(&Preparation::default()).unwrap().1.repaired.unwrap().missing, 1);
    }
}

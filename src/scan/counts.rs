//! From raw counts to line integrals: −ln((data − dark)/(flat − dark)), then the steps that mend what detectors do.
//!
//! The steps, in order, each of which can be switched off: dead cells and zingers ([`defects`]), stripes
//! ([`stripes`]). The rotation axis is found afterwards, from the line integrals ([`super::axis`]).

use std::fmt;

use ndarray::{Array2, Array3, ArrayView3, Axis, Zip};

use super::{
    beam::{self, Saturation},
    defects::{self, Repair, Repaired},
    frames,
    median::median,
    noise::FLOOR,
    photon,
    stripes::{self, Stripes, Suppressed},
    stuck,
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
    /// The zero-count rule: readings of fewer counts above the dark field, 0 and negative ones too, are set to so many,
    /// for 0 has no logarithm. By default half a photon: half a count, or what the noise says that a photon makes; where
    /// neither tells, 10⁻⁶ of the open beam.
    pub zero_counts: Option<f64>,
    /// Repair of dead cells and zingers; `None` leaves it out.
    pub repair: Option<Repair>,
    /// Suppression of stripes; `None` leaves it out.
    pub stripes: Option<Stripes>,
}

impl Default for Preparation {
    fn default() -> Self {
        Self { open_beam: None, zero_counts: None, repair: Some(Repair::default()), stripes: Some(Stripes::default()) }
    }
}

/// Transmissions above this are remarked upon. Photon noise, drift and the bright side of refraction's fringes lie below.
pub const BRIGHTER: f32 = 1.2;

/// The part of the open beam that readings of 0 are taken for, where numbers that are not whole tell of no photons.
const LEAST: f64 = 1e-6;

/// What was done to the counts.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Prepared {
    /// The least number of counts above the dark field that a reading was taken for.
    pub least: f64,
    /// Readings below it that were set to it.
    pub floored: usize,
    /// Open-beam frames that were left out because they saw far less of the beam, or more, than most do.
    pub unlit: usize,
    /// Views without beam, which are left out; the others are numbered anew.
    pub dark_views: Vec<usize>,
    /// Readings at the most that the detector counts; they are left as they are.
    pub saturation: Saturation,
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
        if self.unlit > 0 {
            writeln!(f, "flat field: {} frames of another brightness than most left out", self.unlit)?;
        }
        if !self.dark_views.is_empty() {
            let (count, which) = (self.dark_views.len(), runs(&self.dark_views));
            writeln!(f, "warning: no beam in {count} views, which are left out with their angles: {which}")?;
        }
        if !self.saturation.is_none() {
            writeln!(f, "{}", self.saturation)?;
        }
        let least = if self.least < 0.01 { format!("{:.2e}", self.least) } else { format!("{:.3}", self.least) };
        write!(f, "line integrals: {} readings of less than {least} counts set to it", self.floored)?;
        if self.brighter > 0 {
            write!(f, ", {} brighter than {BRIGHTER} times the flat field", self.brighter)?;
        }
        if let Some(Repaired { dead_cells, missing, empty, zingers }) = self.repaired {
            write!(f, "\nrepair: {dead_cells} dead or stuck cells, {missing} missing readings, ")?;
            write!(f, "{empty} without light among bright ones, {zingers} zingers")?;
        }
        if let Some(suppressed) = self.stripes {
            write!(f, "\n{suppressed}")?;
        }
        Ok(())
    }
}

/// Numbers in order, runs of them by their ends: 3, 50–52.
fn runs(numbers: &[usize]) -> String {
    let runs = numbers.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
        [first, .., last] => format!("{first}–{last}"),
        _ => run[0].to_string(),
    });
    runs.collect::<Vec<_>>().join(", ")
}

impl Counts {
    /// All steps: line integrals `[view, row, column]`, finite, without the views that had no beam ([`Prepared::dark_views`]), and what
    /// was done.
    ///
    /// # Errors
    /// Frames that do not fit the data, no flat frames nor open beam, counts that are mostly above the flat field or nowhere
    /// above the dark one, and what the steps refuse. With repair switched off, any cell that measured nothing.
    pub fn prepare(&self, options: &Preparation) -> Result<(Array3<f32>, Prepared)> {
        let dark = self.mean_dark()?;
        let (response, unlit) = self.response(&dark, options.open_beam)?;
        let dark_views = beam::dark_views(self.data.view(), &response, &dark);
        let (projections, prepared) = if dark_views.is_empty() {
            self.prepare_lit(&response, &dark, options)?
        } else {
            let is_lit = |view: &usize| dark_views.binary_search(view).is_err();
            let lit: Vec<usize> = (0..self.data.len_of(Axis(0))).filter(is_lit).collect();
            let lit = Self { data: self.data.select(Axis(0), &lit), flat: self.flat.clone(), dark: None };
            lit.prepare_lit(&response, &dark, options)?
        };
        Ok((projections, Prepared { unlit, dark_views, ..prepared }))
    }

    /// All steps for views that had a beam, with the `response` of each cell and its `dark` field, `[row, column]`.
    fn prepare_lit(
        &self,
        response: &Array2<f32>,
        dark: &Array2<f32>,
        options: &Preparation,
    ) -> Result<(Array3<f32>, Prepared)> {
        let mut projections = self.line_integrals(response, dark);
        let least = self.least(&projections, response, options.zero_counts)?;
        // The line integral of a cell that counts no more than that; cells that do not answer have none.
        let mut floor = response.mapv(|open| if open > 0.0 { -(least as f32 / open).ln() } else { f32::INFINITY });
        let mut floored = bound(&mut projections, &floor);
        let brighter = projections.iter().filter(|value| **value < -BRIGHTER.ln()).count();
        check_light([floored, brighter], projections.len())?;
        let mut dead = Array2::from_elem(response.dim(), false);
        if let Some(repair) = &options.repair {
            dead = defects::dead_cells(response.view(), repair);
            let silent = self.silent_cells(&projections, response, &floor, repair);
            let stuck = stuck::stuck_cells(projections.view(), floor.view(), repair);
            Zip::from(&mut dead).and(&silent).and(&stuck).for_each(|dead, silent, stuck| *dead |= silent | stuck);
        }
        let flat = self.flat.as_ref().map(|flat| flat.view());
        let saturation = beam::saturation(self.data.view(), flat, &projections, dead.view(), typical(response));
        let mut repaired = None;
        if let Some(repair) = &options.repair {
            floor.zip_mut_with(&dead, |floor, dead| *floor = if *dead { f32::INFINITY } else { *floor });
            repaired = Some(defects::repair(&mut projections, &dead, Some(floor.view()), repair)?);
            // Those that were not bridged.
            floored = bound(&mut projections, &floor);
        }
        check_finite(
            "the scan (NaN: a cell without response, or a count that is none; dead-cell repair bridges both)",
            projections.shape(),
            projections.as_slice().unwrap_or_default(),
        )?;
        let mut prepared = Prepared { least, floored, saturation, brighter, repaired, ..Prepared::default() };
        if let Some(stripes) = &options.stripes {
            prepared.stripes = Some(stripes::suppress(&mut projections, stripes)?);
        }
        Ok((projections, prepared))
    }

    /// Mean of the flat frames (or the open beam) minus the dark field, `[row, column]`, and how many frames were left out.
    /// When the flat frames were taken cannot be known, so they are averaged, not interpolated.
    fn response(&self, dark: &Array2<f32>, open_beam: Option<f64>) -> Result<(Array2<f32>, usize)> {
        let mut unlit = 0;
        let response = match (&self.flat, open_beam) {
            (Some(flat), None) => {
                self.check_frames(flat.view(), "flat")?;
                let lit = frames::lit(flat.view(), dark);
                unlit = flat.len_of(Axis(0)) - lit.len();
                frames::mean(flat.view(), &lit) - dark
            }
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
        Ok((response, unlit))
    }

    fn mean_dark(&self) -> Result<Array2<f32>> {
        let (_, rows, columns) = self.data.dim();
        let Some(dark) = &self.dark else { return Ok(Array2::zeros((rows, columns))) };
        self.check_frames(dark.view(), "dark")?;
        Ok(frames::mean(dark.view(), &Vec::from_iter(0..dark.len_of(Axis(0)))))
    }

    fn check_frames(&self, frames: ArrayView3<f32>, name: &str) -> Result<()> {
        if frames.shape()[1..] != self.data.shape()[1..] || frames.is_empty() {
            return Err(Error::Scan(format!(
                "the {name} frames are {:?} [frame, row, column], the data {:?} [view, row, column]: rows and columns must agree, and one frame be there",
                frames.shape(),
                self.data.shape()
            )));
        }
        Ok(())
    }

    /// −ln of the transmission; infinite where there was none, NaN where a cell has no response, or the count is NaN.
    fn line_integrals(&self, response: &Array2<f32>, dark: &Array2<f32>) -> Array3<f32> {
        let mut projections = self.data.as_standard_layout().into_owned();
        Zip::from(projections.outer_iter_mut()).par_for_each(|mut view| {
            Zip::from(&mut view).and(response).and(dark).for_each(|value, &response, &dark| {
                let transmission = (*value - dark) / response;
                // f32::max would hide a NaN.
                let bounded = if transmission < 0.0 { 0.0 } else { transmission };
                *value = if response > 0.0 { -bounded.ln() } else { f32::NAN };
            });
        });
        projections
    }

    /// The least number of counts that a reading is taken for.
    fn least(&self, projections: &Array3<f32>, response: &Array2<f32>, given: Option<f64>) -> Result<f64> {
        let open = typical(response);
        match given {
            Some(counts) if counts > 0.0 && counts < open => return Ok(counts),
            Some(counts) => {
                return Err(Error::Option(format!(
                    "zero counts that are taken for {counts}: give more than 0, and less than the open beam's {open}"
                )));
            }
            None => {}
        }
        let whole = self.data.iter().all(|count| count.fract() == 0.0 || !count.is_finite());
        // An open beam of a photon or two is none: such numbers are in another unit.
        let whole = whole && open > 2.0;
        let photon = photon::counts(projections.view(), open, whole);
        let least = FLOOR * photon.unwrap_or(0.0);
        Ok(if whole { least } else { least.max(LEAST * open) }.min(0.5 * open))
    }

    /// Cells that counted nothing in any view while their neighbours did: dead, whatever the flat field says, or in the
    /// absence of one.
    fn silent_cells(
        &self,
        projections: &Array3<f32>,
        response: &Array2<f32>,
        floor: &Array2<f32>,
        options: &Repair,
    ) -> Array2<bool> {
        // f32::min leaves NaN out.
        let least = projections.map_axis(Axis(0), |readings| readings.iter().copied().fold(f32::INFINITY, f32::min));
        let most = Zip::from(&least).and(response).map_collect(|least, response| response * (-least).exp());
        let mut silent = defects::dead_cells(most.view(), options);
        Zip::from(&mut silent).and(&least).and(floor).for_each(|silent, least, floor| *silent &= least >= floor);
        silent
    }
}

/// What the cells that answer count of the open beam, by their median.
fn typical(response: &Array2<f32>) -> f64 {
    f64::from(median(&mut response.iter().copied().filter(|value| *value > 0.0).collect::<Vec<_>>()))
}

/// Bounds line integrals to those of the least count, cell by cell; returns how many have it.
fn bound(projections: &mut Array3<f32>, floor: &Array2<f32>) -> usize {
    let bounded = Zip::from(projections.outer_iter_mut()).par_map_collect(|mut view| {
        let mut bounded = 0;
        Zip::from(&mut view).and(floor).for_each(|value, &floor| {
            if *value >= floor {
                *value = floor;
                bounded += 1;
            }
        });
        bounded
    });
    bounded.sum()
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
        assert_eq!(prepared, Prepared { least: prepared.least, ..Prepared::default() });
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
        // Half a count, which may be said otherwise, of the cell's own open beam: see `measured`.
        counts.data.mapv_inplace(f32::round);
        for (given, least) in [(None, 0.5), (Some(3.0), 3.0)] {
            let (projections, prepared) = counts.prepare(&Preparation { zero_counts: given, ..bare() }).unwrap();
            assert_eq!((prepared.floored, prepared.least), (2, least));
            for (at, open) in [([3, 0, 5], 20_600.0), ([9, 1, 7], 22_400.0)] {
                let expected = (open / least).ln() as f32;
                assert!((projections[at] - expected).abs() < 1e-3, "{at:?}: {} {expected}", projections[at]);
            }
        }
    }

    #[test]
    fn a_reading_of_nothing_among_bright_ones_is_bridged() {
        let (truth, mut counts) = measured();
        counts.data.mapv_inplace(f32::round);
        // Away from each other, at the borders too, and a wire's shadow, which is the object's.
        let lone = [[3, 0, 5], [9, 1, 7], [0, 0, 30], [59, 1, 40], [20, 0, 0], [31, 1, 47]];
        for (at, below) in lone.into_iter().zip([0.0, -40.0, 100.0, 5.0, 0.0, 99.0]) {
            counts.data[at] = below;
        }
        let wire: Vec<_> = (0..60).map(|view| [view, 0, 10 + view / 2]).collect();
        wire.iter().for_each(|at| counts.data[*at] = 20.0);
        let (projections, prepared) = counts.prepare(&Preparation { stripes: None, ..Preparation::default() }).unwrap();
        let repaired = prepared.repaired.unwrap();
        assert_eq!((repaired.empty, prepared.floored), (lone.len(), wire.len()), "{prepared}");
        let said = prepared.to_string();
        assert!(said.contains("60 readings of less than 0.500 counts") && said.contains("6 without light"), "{said}");
        for (at, found) in projections.indexed_iter() {
            let at = [at.0, at.1, at.2];
            if !wire.contains(&at) {
                assert!((found - truth[at]).abs() < 0.02, "{at:?}: {found} {}", truth[at]);
            }
        }
        assert!(wire.iter().all(|at| projections[*at] > 10.0));
    }

    #[test]
    fn a_cell_that_is_stuck_is_bridged() {
        let (truth, mut counts) = measured();
        // Bright in flat field and data, saturated in the data alone, and stuck in between.
        let flat = counts.flat.as_mut().unwrap();
        flat.slice_mut(ndarray::s![.., 0, 20]).fill(65_535.0);
        counts.data.slice_mut(ndarray::s![.., 0, 20]).fill(65_535.0);
        counts.data.slice_mut(ndarray::s![.., 1, 30]).fill(65_535.0);
        counts.data.slice_mut(ndarray::s![.., 1, 17]).fill(12_000.0);
        let (projections, prepared) = counts.prepare(&Preparation { stripes: None, ..Preparation::default() }).unwrap();
        assert_eq!(prepared.repaired.unwrap().dead_cells, 3, "{prepared}");
        assert!(worst(&projections, &truth) < 0.02);
    }

    #[test]
    fn a_flat_frame_without_beam_is_left_out() {
        let (truth, mut counts) = measured();
        let dark = counts.dark.clone().unwrap();
        counts.flat.as_mut().unwrap().index_axis_mut(Axis(0), 0).assign(&dark.index_axis(Axis(0), 0));
        let (projections, prepared) = counts.prepare(&bare()).unwrap();
        assert_eq!(prepared.unlit, 1);
        // The frames left are 25 counts above their mean: 25/20000.
        assert!(worst(&projections, &truth) < 0.0013);
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
        assert_eq!(prepared.repaired, Some(Repaired { dead_cells: 2, ..Repaired::default() }));
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
        assert!(said(&counts, &Preparation { zero_counts: Some(0.0), ..bare() }).contains("zero counts"));
        let mut lost = counts.clone();
        lost.data[[5, 1, 6]] = f32::NAN;
        assert!(said(&lost, &bare()).contains("[5, 1, 6]"));
        assert_eq!(lost.prepare(&Preparation::default()).unwrap().1.repaired.unwrap().missing, 1);
    }
}

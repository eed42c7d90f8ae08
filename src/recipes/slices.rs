//! A stack of parallel slices, one after the other: each row of the detector sees one slice and no other, so what a recipe
//! decides by the data (the noise, where edges begin, when to stop) it decides for every slice by that slice's own.

use std::sync::Arc;

use ndarray::{Array3, Axis, s};

use super::{
    Iterative, Options, Reconstruction,
    iteration::{Observer, Snapshot},
    iterative,
};
use crate::{
    device::Device,
    error::{Error, Result},
    geometry::{Geometry, Grid, add},
    image::Image,
    monitor::Monitor,
    scan::Scan,
};

/// Whether rows and slices belong together one by one: of parallel rays, with everything that was given of the grid's shape.
pub(super) fn are_separate(options: &Options, geometry: &Geometry, grid: &Grid) -> bool {
    let parallel = geometry.views.iter().all(|view| view.source_position().is_none());
    let fits = |image: &Option<Array3<f32>>| image.as_ref().is_none_or(|image| image.shape() == grid.shape);
    geometry.rows > 1 && grid.shape[0] == geometry.rows && parallel && fits(&options.prior)
}

/// Every slice as if it were alone. One in which there is nothing stays empty, unless that is so for all.
pub(super) fn each<T: Iterative>(
    recipe: &T,
    scan: &Scan,
    grid: &Grid,
    (device, monitor): (&Device, &Monitor),
) -> Result<Reconstruction> {
    let count = scan.geometry.rows;
    let mut values = recipe.options().iteration.start.clone().unwrap_or_else(|| Array3::zeros(grid.shape));
    let mut notes = Notes::default();
    let (mut about, mut refused) = (None, None);
    for index in 0..count {
        let recipe = T::told(options_of(recipe.options(), index, count));
        let made = iterative::signed(&recipe, slice(scan, index), &slice_of(grid, index), (device, monitor));
        match made {
            Ok(made) => {
                values.slice_axis_mut(Axis(0), (index..=index).into()).assign(&made.image.values);
                made.notes.into_iter().for_each(|note| notes.add(index, note));
                about.get_or_insert(Image { values: Array3::zeros([0; 3]), grid: *grid, ..made.image });
            }
            Err(Error::Scan(what)) => {
                values.slice_axis_mut(Axis(0), (index..=index).into()).fill(0.0);
                notes.add(index, format!("left empty: {what}"));
                refused.get_or_insert(Error::Scan(what));
            }
            Err(error) => return Err(error),
        }
        if monitor.is_finishing() && index + 1 < count {
            let rest = if recipe.options().iteration.start.is_some() { "as they were given" } else { "empty" };
            notes.add(index, format!("interrupted: {} slices after it are {rest}", count - index - 1));
            break;
        }
    }
    match (about, refused) {
        (Some(about), _) => Ok(Reconstruction { image: Image { values, ..about }, notes: notes.summary(count) }),
        (None, Some(error)) => Err(error),
        (None, None) => unreachable!("a scan has rows"),
    }
}

/// One row of a scan.
pub(super) fn slice(scan: &Scan, row: usize) -> Scan {
    let mut geometry = Geometry { rows: 1, ..scan.geometry.clone() };
    geometry.views.iter_mut().for_each(|view| view.first_cell = add(view.first_cell, row as f64, view.row_step));
    Scan { projections: scan.projections.slice(s![.., row..=row, ..]).to_owned(), geometry }
}

/// One slice of a grid.
pub(super) fn slice_of(grid: &Grid, index: usize) -> Grid {
    Grid { shape: [1, grid.shape[1], grid.shape[2]], first: grid.position([index as f64, 0.0, 0.0]), ..*grid }
}

/// What was said of the stack, said of one slice.
fn options_of(options: &Options, index: usize, count: usize) -> Options {
    let of = |image: &Option<Array3<f32>>| {
        image.as_ref().map(|image| image.slice_axis(Axis(0), (index..=index).into()).to_owned())
    };
    let (start, prior) = (of(&options.iteration.start), of(&options.prior));
    let observer = options.iteration.observer.clone().map(|observer| -> Observer {
        Arc::new(move |snapshot: &Snapshot| observer(&Snapshot { slice: [index, count], ..*snapshot }))
    });
    let mut iteration = super::Iteration { start: None, observer: None, ..options.iteration };
    (iteration.start, iteration.observer) = (start, observer);
    let fbp = options.fbp.clone();
    Options { iteration, prior, fbp, denoiser: options.denoiser.clone(), ..*options }
}

/// The notes of many slices: those that differ in numbers only stand for each other.
#[derive(Default)]
struct Notes(Vec<Alike>);

struct Alike {
    template: String,
    /// Of the first slice that has it.
    text: String,
    first: usize,
    /// Slices that have it,
    slices: usize,
    /// and with the same numbers.
    same: usize,
}

impl Notes {
    fn add(&mut self, slice: usize, text: String) {
        let without_number =
            |word| if str::contains(word, |letter: char| letter.is_ascii_digit()) { "#" } else { word };
        let template = text.split(' ').map(without_number).collect::<Vec<_>>().join(" ");
        match self.0.iter_mut().find(|alike| alike.template == template) {
            Some(alike) => {
                alike.slices += 1;
                alike.same += usize::from(alike.text == text);
            }
            None => self.0.push(Alike { template, text, first: slice, slices: 1, same: 1 }),
        }
    }

    fn summary(self, count: usize) -> Vec<String> {
        let line = |Alike { text, first, slices, same, .. }: Alike| match (slices, same) {
            (slices, same) if slices == count && same == count => text,
            (1, _) => format!("slice {first}: {text}"),
            (slices, same) if slices == same => format!("{slices} slices from slice {first} on: {text}"),
            (slices, _) => format!("slice {first}: {text} ({} other slices with numbers of their own)", slices - 1),
        };
        let each = format!("{count} slices, each by its own data");
        std::iter::once(each).chain(self.0.into_iter().map(line)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_that_differ_in_numbers_are_one() {
        let mut notes = Notes::default();
        for slice in 0..3 {
            notes.add(slice, "1 subsets of 90 views".into());
            notes.add(slice, format!("{} iterations, as asked", 10 + slice));
            if slice == 1 {
                notes.add(slice, "left empty: nothing".into());
            }
        }
        let lines = notes.summary(3);
        assert_eq!(lines[0], "3 slices, each by its own data");
        assert_eq!(lines[1], "1 subsets of 90 views");
        assert_eq!(lines[2], "slice 0: 10 iterations, as asked (2 other slices with numbers of their own)");
        assert_eq!(lines[3], "slice 1: left empty: nothing");
    }
}

//! Flags of the iterative methods, and what watches them.

use std::{
    fmt::Write as _,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use clap::{Args, ValueEnum};
use ndarray::Array3;
use rushlight::{
    Error, Result,
    geometry::{Grid, LengthUnit},
    image::{Image, Quantity},
    io::{self, WriteOptions},
    problem::Bounds,
    recipes::{
        Iteration, Options, Strength,
        iteration::{Observer, Snapshot},
    },
};

/// What becomes of the image when the user interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnInterrupt {
    /// Nothing is written
    Discard,
    /// The image so far is written
    Save,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Iterative methods")]
pub struct IterativeFlags {
    /// Of the regulariser: auto (from the noise in the data), 2x (twice that), or a number in the method's own unit
    #[arg(long, default_value = "auto", value_parser = strength, allow_hyphen_values = true)]
    strength: Strength,
    /// How many, or auto: until the image no longer changes
    #[arg(long, default_value = "auto", value_name = "N", value_parser = count, allow_hyphen_values = true)]
    iterations: Count,
    /// The first image, on the grid of the reconstruction, in mm⁻¹ (or HU with --mu-water)
    #[arg(long, value_name = "IMAGE")]
    start: Option<PathBuf>,
    /// What is known beforehand: for pnp a denoiser (bm3d, nlm, …; bm3d by default), for piccs an image, likewise
    #[arg(long, value_name = "DENOISER|IMAGE")]
    prior: Option<PathBuf>,
    /// Photons per ray in the open beam, from which the rays' weights and the noise follow
    #[arg(long, value_name = "COUNT", allow_hyphen_values = true)]
    photons: Option<f64>,
    /// Ordered subsets, of the methods that have them
    #[arg(long, value_name = "N")]
    subsets: Option<usize>,
    /// Values that pixels may take, in mm⁻¹: LEAST,MOST, or any; 0 and more by default
    #[arg(long, value_name = "RANGE", value_parser = bounds, allow_hyphen_values = true)]
    bounds: Option<Bounds>,
    /// Write a table of iteration, seconds and relative change to this file
    #[arg(long, value_name = "FILE.csv")]
    trace: Option<PathBuf>,
    /// Write the image every ten iterations as iteration-0010.png, … into this folder
    #[arg(long, value_name = "FOLDER")]
    callback_png: Option<PathBuf>,
    /// What becomes of the image on Ctrl-C
    #[arg(long, value_enum, default_value_t = OnInterrupt::Discard)]
    on_interrupt: OnInterrupt,
}

/// A number of iterations, or none in particular.
#[derive(Clone, Copy, Debug)]
struct Count(Option<usize>);

fn count(text: &str) -> Result<Count> {
    match (text, text.parse()) {
        ("auto", _) => Ok(Count(None)),
        (_, Ok(number)) => Ok(Count(Some(number))),
        _ => Err(Error::Quantity { text: text.into(), expected: "a number of iterations such as 100, or auto" }),
    }
}

fn strength(text: &str) -> Result<Strength> {
    let wrong = || Error::Quantity { text: text.into(), expected: "a strength: auto, 2x (twice auto), or a number" };
    let number = |text: &str| text.parse::<f64>().map_err(|_| wrong());
    Ok(match (text, text.strip_suffix('x')) {
        ("auto", _) => Strength::Auto,
        (_, Some(factor)) => Strength::Times(number(factor)?),
        _ => Strength::Fixed(number(text)?),
    })
}

fn bounds(text: &str) -> Result<Bounds> {
    let wrong = || Error::Quantity { text: text.into(), expected: "bounds such as 0,0.05, or any" };
    if text == "any" {
        return Ok(Bounds::NONE);
    }
    let (lower, upper) = text.split_once(',').ok_or_else(wrong)?;
    let [lower, upper] = [lower, upper].map(|number| number.trim().parse::<f32>().map_err(|_| wrong()));
    match (lower?, upper?) {
        (lower, upper) if lower < upper => Ok(Bounds { lower, upper }),
        _ => Err(wrong()),
    }
}

/// The rows of a trace, written when the work is done.
#[derive(Clone, Default)]
pub struct Trace(Arc<Mutex<String>>);

impl IterativeFlags {
    /// Refuses outputs that cannot be written, before long work is done for them.
    pub fn check(&self, force: bool) -> Result<()> {
        if let Some(trace) = &self.trace {
            io::check_output(trace, force)?;
        }
        match &self.callback_png {
            Some(folder) if !folder.is_dir() => Err(Error::File {
                path: folder.clone(),
                what: "is no folder, which --callback-png needs; make it first".into(),
            }),
            _ => Ok(()),
        }
    }

    /// The options, and the trace that fills while the method runs.
    pub fn options(
        &self,
        method: &str,
        (grid, unit): (&Grid, LengthUnit),
        mu_water: Option<f64>,
        notes: &mut Vec<String>,
    ) -> Result<(Options, Trace)> {
        // Methods without a regulariser would not look at it.
        self.strength.check()?;
        let mut read = |path: &Option<PathBuf>| path.as_ref().map(|path| image(path, mu_water, notes)).transpose();
        if let Some(photons) = self.photons.filter(|photons| !(*photons > 0.0 && photons.is_finite())) {
            return Err(Error::Option(format!("--photons {photons}: give the count of the open beam, above 0")));
        }
        let prior = if method == "piccs" { read(&self.prior)? } else { None };
        let denoiser =
            if method == "piccs" { None } else { self.denoiser(method, "piccs (an image) or pnp (a denoiser)")? };
        let trace = Trace::default();
        let iteration = Iteration {
            count: self.iterations.0,
            start: read(&self.start)?,
            keep: self.on_interrupt == OnInterrupt::Save,
            observer: self.observer(*grid, unit, trace.clone()),
        };
        let options = Options {
            strength: self.strength,
            iteration,
            bounds: self.bounds.unwrap_or(Bounds::NON_NEGATIVE),
            photons: self.photons,
            subsets: self.subsets,
            prior,
            denoiser,
            ..Options::default()
        };
        Ok((options, trace))
    }

    /// The denoiser that `--prior` names; the methods that have a prior are `users`.
    pub fn denoiser(&self, method: &str, users: &str) -> Result<Option<String>> {
        match (&self.prior, method) {
            (Some(name), "pnp") => Ok(Some(name.display().to_string())),
            (None, _) => Ok(None),
            (Some(_), _) => Err(Error::Option(format!("--prior is for {users}; {method} has none: leave it out"))),
        }
    }

    /// What of it MR has: iterations and strength, and the trace that fills while the method runs.
    pub fn for_mr(&self, grid: Grid, unit: LengthUnit) -> Result<(Iteration, Strength, Trace)> {
        let only_ct = [
            ("--start", self.start.is_some()),
            ("--photons", self.photons.is_some()),
            ("--subsets", self.subsets.is_some()),
            ("--bounds", self.bounds.is_some()),
        ];
        if let Some((flag, _)) = only_ct.into_iter().find(|(_, given)| *given) {
            return Err(Error::Option(format!("{flag} is for CT, and this is an MR scan; leave it out")));
        }
        let trace = Trace::default();
        let iteration = Iteration {
            count: self.iterations.0,
            start: None,
            keep: self.on_interrupt == OnInterrupt::Save,
            observer: self.observer(grid, unit, trace.clone()),
        };
        Ok((iteration, self.strength, trace))
    }

    fn observer(&self, grid: Grid, unit: LengthUnit, trace: Trace) -> Option<Observer> {
        let folder = self.callback_png.clone();
        (folder.is_some() || self.trace.is_some()).then(|| -> Observer {
            Arc::new(move |snapshot: &Snapshot| {
                let Snapshot { iteration, seconds, change, slice: [slice, slices], image } = *snapshot;
                let mut rows = trace.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                let which = if slices > 1 { format!("{slice},") } else { String::new() };
                writeln!(rows, "{which}{iteration},{seconds:.4},{change:.4e}").expect("a string takes all");
                if let Some(folder) = &folder {
                    let quantity = Quantity::Attenuation(unit);
                    let grid = Grid { first: grid.position([slice as f64, 0.0, 0.0]), ..grid };
                    let image = Image { values: image.clone(), grid, unit, quantity, provenance: String::new() };
                    let options = WriteOptions { force: true, format: Some("png".into()), window: None };
                    let which = if slices > 1 { format!("-{:04}", slice + 1) } else { String::new() };
                    io::write_image(folder.join(format!("iteration-{iteration:04}{which}.png")), &image, &options)?;
                }
                Ok(())
            })
        })
    }

    /// Writes the trace, if one was asked for; its name.
    pub fn write_trace(&self, trace: &Trace, force: bool) -> Result<Option<String>> {
        let Some(path) = &self.trace else { return Ok(None) };
        let rows = trace.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // A number more in each line where slices were made one after the other.
        let which = if rows.lines().next().is_some_and(|row| row.split(',').count() > 3) { "slice," } else { "" };
        io::write_text(path, &format!("{which}iteration,seconds,relative_change\n{rows}"), force)?;
        Ok(Some(path.display().to_string()))
    }
}

/// An image in mm⁻¹, whatever it is in; where a file does not say, in HU if the attenuation of water was given.
fn image(path: &PathBuf, mu_water: Option<f64>, notes: &mut Vec<String>) -> Result<Array3<f32>> {
    let image = io::read_image(path)?;
    let wrong = |what: String| Err(Error::File { path: path.clone(), what });
    let water = match (image.quantity, mu_water) {
        (Quantity::Attenuation(_), _) | (Quantity::Unknown, None) => return Ok(image.values),
        // A file that knows what its CT numbers are relative to is right about them.
        (Quantity::Hounsfield { mu_water: own }, given) => match own.or(given) {
            Some(water) => water,
            None => return wrong("is in HU; give --mu-water to say what water is".into()),
        },
        (Quantity::Unknown, Some(water)) => {
            let range = |(least, most): (f32, f32), value: &f32| (least.min(*value), most.max(*value));
            let (least, most) = image.values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), range);
            notes.push(format!(
                "{}: its values, {least} to {most}, are taken for HU, since --mu-water was given",
                path.display()
            ));
            water
        }
        (Quantity::Signal | Quantity::Phase, _) => return wrong("is an MR image, which attenuates nothing".into()),
    };
    Ok(image.values.mapv(|hu| ((f64::from(hu) / 1000.0 + 1.0) * water) as f32))
}

//! `rushlight measure cho`: how well an observer sees a signal.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ndarray::Array3;
use rushlight::{
    Error, Result,
    monitor::Monitor,
    quality::{
        observer::{self, Channels, Detectability, Options, Validation},
        stack,
    },
};
use serde_json::json;

use super::{Common, Extent, Figures, Place, Stack, extent, place};

pub const EXAMPLES: &str = "Examples:
  rushlight measure cho --present with.npy --absent without.npy
  rushlight measure cho --present with.npy --absent without.npy --channels lg --radius 5 --at 170,88.5 --size 64
  rushlight measure cho --present with/*.dcm --absent without/*.dcm --channels gabor --json";

#[derive(Args, Debug)]
pub struct Flags {
    /// Images with the signal: stacks [n, y, x], or several files
    #[arg(long, value_name = "IMAGE", required = true, num_args = 1..)]
    present: Vec<PathBuf>,
    /// Images without it
    #[arg(long, value_name = "IMAGE", required = true, num_args = 1..)]
    absent: Vec<PathBuf>,
    /// What the observer sees of an image
    #[arg(long, default_value = "dog", value_name = "NAME", value_parser = Channels::names().map(|(name, _)| name).collect::<Vec<_>>(), long_help = channels_help())]
    channels: String,
    /// Radius of the signal, in pixels or with a unit: the width of the channels lg
    #[arg(long, value_name = "LENGTH", value_parser = extent)]
    radius: Option<Extent>,
    /// Where the signal is: pixels such as 170,88.5, or lengths such as 10mm,-5mm; the middle by default
    #[arg(long, value_name = "X,Y", value_parser = place, allow_hyphen_values = true)]
    at: Option<Place>,
    /// Look at N × N pixels about the signal; at the whole image by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(4..))]
    size: Option<u16>,
    /// Which images train the observer and which judge it
    #[arg(long, value_enum, default_value = "leave-one-out")]
    validation: Choice,
    /// Seed of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    pub common: Common,
}

fn channels_help() -> String {
    let lines: Vec<_> = Channels::names().map(|(name, about)| format!("{name}: {about}")).collect();
    format!("What the observer sees of an image:\n{}", lines.join("\n"))
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Choice {
    /// Each is judged by an observer trained on the others
    LeaveOneOut,
    /// The first half trains, the second judges
    HoldOut,
    /// All do both: optimistic
    Resubstitution,
}

pub fn run(flags: &Flags, monitor: &Monitor) -> Result<Figures> {
    flags.common.check_output()?;
    let present = flags.common.read(&flags.present, None, monitor)?;
    let absent = flags.common.read(&flags.absent, None, monitor)?;
    let radius = match (flags.radius, flags.channels.as_str()) {
        (Some(radius), _) => present.extent(radius)?,
        (None, "lg") => {
            return Err(Error::Option("the channels lg are as wide as the signal: give its --radius".into()));
        }
        (None, _) => f64::NAN,
    };
    let channels = Channels::named(&flags.channels, radius)?;
    let ([with, without], center) = regions(flags, &present, &absent)?;
    let validation = match flags.validation {
        Choice::LeaveOneOut => Validation::LeaveOneOut,
        Choice::HoldOut => Validation::HoldOut { training: 0.5 },
        Choice::Resubstitution => Validation::Resubstitution,
    };
    let options = Options { center, validation, seed: flags.seed, ..Options::default() };
    let (found, roc) = monitor.step("measure", 1, || {
        let scores = observer::scores(with.view(), without.view(), &channels, &options)?;
        Ok((scores.judge(&options)?, scores.roc()))
    })?;
    flags.common.write_curve(["false_positive_fraction", "true_positive_fraction"], roc.into_iter())?;
    Ok(figures(&found, flags, &present))
}

/// What the observer looks at: with and without the signal, and where that is.
type Regions = ([Array3<f32>; 2], Option<[f64; 2]>);

fn regions(flags: &Flags, present: &Stack, absent: &Stack) -> Result<Regions> {
    let at = flags.at.map(|at| present.place(at)).transpose()?;
    let stacks = [&present.values, &absent.values];
    let (_, rows, columns) = present.values.dim();
    let Some(size) = flags.size.map(usize::from) else {
        return Ok((stacks.map(Array3::clone), at));
    };
    let [x, y] = at.unwrap_or([(columns as f64 - 1.0) / 2.0, (rows as f64 - 1.0) / 2.0]);
    let half = (size as f64 - 1.0) / 2.0;
    let (top, left) = ((y - half).round(), (x - half).round());
    if top < 0.0 || left < 0.0 || top + size as f64 > rows as f64 || left + size as f64 > columns as f64 {
        return Err(Error::Option(format!(
            "{size} × {size} pixels about {x},{y} leave the image of {columns} × {rows} pixels: a smaller --size, or another --at"
        )));
    }
    let corner = [[top as usize, left as usize]];
    let [with, without] = stacks.map(|stack| stack::cut(stack.view(), &corner, [size; 2]));
    Ok(([with?, without?], Some([x - left, y - top])))
}

fn figures(found: &Detectability, flags: &Flags, stack: &Stack) -> Figures {
    let interval = |[low, high]: [f64; 2]| format!("{low:.4} to {high:.4} (95 %)");
    let lines = vec![
        ("AUC", format!("{:.4}, {}", found.auc, interval(found.auc_interval))),
        ("d′", format!("{:.4}, {}", found.dprime, interval(found.dprime_interval))),
        ("channels", format!("{} ({})", found.channels, flags.channels)),
        ("judged by", format!("{} images with the signal, {} without", found.images[0], found.images[1])),
    ];
    let mut facts = vec![
        ("auc", json!(found.auc)),
        ("auc_interval", json!(found.auc_interval)),
        ("dprime", json!(found.dprime)),
        ("dprime_interval", json!(found.dprime_interval)),
        ("channels", json!(flags.channels)),
        ("channel_count", json!(found.channels)),
        ("judged", json!(found.images)),
    ];
    facts.extend(stack.facts().into_iter().filter(|(name, _)| *name != "images"));
    let few = found.images[0] + found.images[1] < 10 * found.channels;
    let notes =
        few.then(|| format!("few images for {} channels: the observer is worse than it could be", found.channels));
    Figures { verb: "measure cho", lines, facts, notes: notes.into_iter().collect() }
}

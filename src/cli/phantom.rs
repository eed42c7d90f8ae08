//! `rushlight phantom`: an area-sampled picture of a phantom.

use clap::Args;
use rushlight::{Error, Result, monitor::Monitor, phantom::Phantom, units};

use super::{Global, grid::GridFlags, output::OutputFlags, report::Report};

pub const EXAMPLES: &str = "Examples:
  rushlight phantom shepp-logan-toft --size 512 --voxel 0.5mm -o truth.npy
  rushlight phantom cct189 --size 512 -o cct189.png --window 0.0192,0.001
  rushlight phantom my-phantom.toml --size 1024 -o truth.tif";

#[derive(Args, Debug)]
pub struct Flags {
    #[command(flatten)]
    pub phantom: PhantomFlags,
    #[command(flatten)]
    grid: GridFlags,
    #[command(flatten)]
    output: OutputFlags,
    /// Print device, timings and files as one line of JSON
    #[arg(long)]
    json: bool,
}

/// Which phantom, and what its values mean.
#[derive(Args, Clone, Debug)]
pub struct PhantomFlags {
    /// The phantom's name, or a TOML file of your own
    #[arg(value_name = "PHANTOM", help = format!("The phantom: {}, or a TOML file of your own", known()))]
    pub name: String,
    /// What a value of 1 means, such as 0.04/mm
    #[arg(long, value_name = "ATTENUATION", value_parser = units::positive_attenuation)]
    pub scale: Option<f64>,
}

pub fn known() -> String {
    rushlight::phantom::names().collect::<Vec<_>>().join(", ")
}

impl PhantomFlags {
    /// Reads the phantom.
    pub fn open(&self) -> Result<Phantom> {
        let phantom = Phantom::named(&self.name)?;
        Ok(match self.scale {
            Some(scale) if scale > 0.0 => phantom.with_scale(scale),
            Some(scale) => return Err(Error::Option(format!("--scale {scale}/mm: it must be above 0"))),
            None => phantom,
        })
    }
}

pub fn run(flags: Flags, global: &Global) -> Result<()> {
    flags.output.check_image()?;
    let phantom = flags.phantom.open()?;
    let grid = flags.grid.for_slice(512, phantom.frame)?;
    let monitor: Monitor = global.monitor();
    let image = monitor.step("draw", 1, || phantom.raster(&grid))?;
    let mut notes = vec![format!("{}; values in mm⁻¹", phantom.title)];
    let outputs = flags.output.write_image(&image, &monitor, &mut notes)?;
    let facts = vec![("shape", serde_json::json!(grid.shape))];
    Report { verb: "phantom", device: None, monitor: &monitor, notes: &notes, outputs, facts }.print(flags.json, global)
}

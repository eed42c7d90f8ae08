//! The command line: verbs first, each in its own file. Results go to standard output, what is said on the way to
//! standard error; exit code 0, 1 for what the world did wrong, 2 for wrong usage, 130 when interrupted.

mod geometry;
mod grid;
mod hardening;
mod iterative;
mod kspace;
mod mr;
mod mr_scan;
mod object;
mod output;
mod report;
mod scanner;
mod sketch;

use std::{process::ExitCode, sync::atomic::AtomicBool};

use clap::{Args, CommandFactory, Parser, Subcommand};
use rushlight::{
    Error, Result,
    device::{Choice, Device},
};

/// Set by Ctrl-C: long work stops at its next check.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The one list: declares the verbs' modules and builds the subcommands.
macro_rules! verbs {
    ($($(#[$meta:meta])* $verb:ident :: $variant:ident),* $(,)?) => {
        $(mod $verb;)*

        #[derive(Debug, Subcommand)]
        enum Verb {
            $($(#[$meta])* #[command(after_long_help = $verb::EXAMPLES)] $variant(Box<$verb::Flags>),)*
        }

        impl Verb {
            fn run(self, global: &Global) -> Result<()> {
                match self {
                    $(Self::$variant(flags) => $verb::run(*flags, global),)*
                }
            }
        }
    };
}

verbs! {
    /// Reconstruct an image from a CT or MR scan
    recon::Recon,
    /// Scan a phantom or an image: what a CT or MR scanner measures of it
    scan::Scan,
    /// Design which points of k-space an MR scan measures: a mask or a trajectory
    sampling::Sampling,
    /// Draw a phantom, area-sampled
    phantom::Phantom,
    /// Compare an image with the truth: RMSE, NRMSE, PSNR, SSIM
    compare::Compare,
    /// Take noise off an image, a volume or a series
    denoise::Denoise,
    /// Measure noise (nps), sharpness (ttf) or the detectability of a signal (cho)
    measure::Measure,
    /// Compare methods over doses or view counts, with a report
    bench::Bench,
    /// Show what a file holds, and its geometry in numbers
    show::Show,
    /// Write an image or a scan in another format
    convert::Convert,
    /// List the devices, and say which one would be used
    devices::Devices,
    /// Scan a phantom, reconstruct it, and write pictures and figures; needs no input
    demo::Demo,
    /// Print a shell's completion script
    completions::Completions,
}

/// The command line as a whole; what it is about stands in the package's description.
#[derive(Debug, Parser)]
#[command(name = "rushlight", version, about, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Flags of every verb.
#[derive(Args, Debug)]
struct Global {
    /// Where to compute: auto (a hardware GPU, else the CPU), cpu, gpu, part of an adapter's name, or its index
    #[arg(long, global = true, default_value = "auto", value_name = "DEVICE")]
    device: Choice,
    /// Threads on the CPU; all cores by default
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Say nothing but results and errors
    #[arg(long, short, global = true)]
    quiet: bool,
}

impl Global {
    /// Opens the device that was asked for; a remark on the choice goes to standard error.
    fn open(&self) -> Result<Device> {
        let (device, why) = self.device.open()?;
        if why.starts_with("warning") && !self.quiet {
            eprintln!("rushlight: {why}");
        }
        Ok(device)
    }
}

/// Runs the command line; the process's exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // Mesa's layer that chooses among GPUs for window systems complains on standard error without that folder.
        // SAFETY: no other thread runs yet.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
    if let Some(threads) = cli.global.threads {
        // Fails only if the pool runs already, and nothing has run yet.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global();
    }
    if let Err(error) = ctrlc::set_handler(interrupt) {
        eprintln!("rushlight: warning: Ctrl-C cannot be caught: {error}");
    }
    match cli.verb.run(&cli.global) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Interrupted) => {
            eprintln!("rushlight: {}", Error::Interrupted);
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("rushlight: error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The first Ctrl-C asks; a second one does not wait.
fn interrupt() {
    if INTERRUPTED.swap(true, std::sync::atomic::Ordering::Relaxed) {
        std::process::exit(130);
    }
}

/// The command as clap knows it, for completions.
fn command() -> clap::Command {
    Cli::command()
}

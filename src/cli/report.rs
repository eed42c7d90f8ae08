//! What a verb says on the way and at the end: progress on a terminal, a summary, or one line of JSON.

use std::{io::Write, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use rushlight::{
    Error, Result,
    device::Device,
    monitor::{Listener, Monitor},
};
use serde_json::{Map, Value, json};

use super::{Global, INTERRUPTED};

/// A progress bar on standard error; indicatif hides it where that is no terminal.
struct Bar(ProgressBar);

impl Listener for Bar {
    fn begin(&self, step: &str, total: u64) {
        self.0.set_length(total);
        self.0.set_position(0);
        self.0.set_message(step.to_string());
        self.0.enable_steady_tick(Duration::from_millis(200));
    }

    fn advance(&self, done: u64) {
        self.0.set_position(done);
    }

    fn end(&self) {
        self.0.disable_steady_tick();
        self.0.set_message("");
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl Global {
    /// A monitor that shows progress unless told to be quiet, and that Ctrl-C interrupts.
    pub fn monitor(&self) -> Monitor {
        let style = ProgressStyle::with_template("{msg:12} {wide_bar} {percent:>3}% {eta}").ok();
        let listener = (!self.quiet).then(|| {
            let bar = ProgressBar::new(1);
            Box::new(Bar(style.into_iter().fold(bar, |bar, style| bar.with_style(style)))) as Box<dyn Listener>
        });
        Monitor::new(listener, &INTERRUPTED)
    }
}

/// The end of a long verb: what was done, where, how long each step took.
pub struct Report<'a> {
    pub verb: &'static str,
    pub device: Option<&'a Device>,
    pub monitor: &'a Monitor,
    /// What was decided on the way, a sentence each.
    pub notes: &'a [String],
    /// The files written.
    pub outputs: Vec<String>,
    /// What only this verb has to tell, for JSON.
    pub facts: Vec<(&'static str, Value)>,
}

impl Report<'_> {
    /// JSON to standard output, or a summary to standard error.
    pub fn print(&self, as_json: bool, global: &Global) -> Result<()> {
        if as_json {
            return print_line(&self.json().to_string());
        }
        if global.quiet {
            return Ok(());
        }
        for note in self.notes {
            eprintln!("  {note}");
        }
        let timings = self.monitor.timings();
        let total: f64 = timings.iter().map(|timing| timing.seconds).sum();
        let steps: Vec<_> = timings.iter().map(|timing| format!("{} {:.3} s", timing.step, timing.seconds)).collect();
        let place = self.device.map(|device| format!(" on {}", describe(device))).unwrap_or_default();
        eprintln!("{}{place}: {total:.3} s ({})", self.verb, steps.join(", "));
        for output in &self.outputs {
            eprintln!("wrote {output}");
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let mut seconds = Map::new();
        let timings = self.monitor.timings();
        for timing in &timings {
            seconds.insert(timing.step.clone(), json!(timing.seconds));
        }
        let mut line = Map::new();
        line.insert("verb".into(), json!(self.verb));
        line.insert("version".into(), json!(env!("CARGO_PKG_VERSION")));
        if let Some(device) = self.device {
            line.insert("device".into(), json!(describe(device)));
        }
        line.insert("seconds".into(), Value::Object(seconds));
        line.insert("total_seconds".into(), json!(timings.iter().map(|timing| timing.seconds).sum::<f64>()));
        line.extend(self.facts.iter().map(|(name, value)| (name.to_string(), value.clone())));
        line.insert("notes".into(), json!(self.notes));
        line.insert("outputs".into(), json!(self.outputs));
        Value::Object(line)
    }
}

/// A device in words.
pub fn describe(device: &Device) -> String {
    match device {
        Device::Cpu(cpu) => {
            format!("CPU {} ({}, {} threads)", cpu.name(), rushlight::device::Simd::detected(), cpu.threads())
        }
        Device::Gpu(_) => format!("GPU {}", device.name()),
    }
}

/// Prints to standard output; a closed pipe is no error, a full disk is.
pub fn print_line(line: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::file("standard output", error)),
        _ => Ok(()),
    }
}

/// Prints a table of names and values.
pub fn print_table(lines: &[(impl AsRef<str>, String)]) -> Result<()> {
    let width = lines.iter().map(|(name, _)| name.as_ref().chars().count()).max().unwrap_or(0);
    lines.iter().try_for_each(|(name, value)| print_line(&format!("{:width$}  {value}", name.as_ref())))
}

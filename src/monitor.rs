//! What long work tells the outside: its steps, how far each has come, how long it took; and where it is told to stop.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use crate::error::{Error, Result};

/// Hears of progress: a progress bar, or nothing.
pub trait Listener: Send + Sync {
    /// A step of `total` parts begins.
    fn begin(&self, step: &str, total: u64);
    /// `done` parts of the current step are done.
    fn advance(&self, done: u64);
    /// The current step has ended.
    fn end(&self);
}

/// One finished step.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// What was done, such as `filter`.
    pub step: String,
    /// Wall time, in seconds.
    pub seconds: f64,
}

/// Passed to long work: collects timings, forwards progress, and carries the user's wish to stop.
#[derive(Default)]
pub struct Monitor {
    listener: Option<Box<dyn Listener>>,
    interrupted: Option<&'static AtomicBool>,
    finishing: AtomicBool,
    timings: Mutex<Vec<Timing>>,
}

impl Monitor {
    /// Listens to nobody and is never interrupted.
    pub fn silent() -> Self {
        Self::default()
    }

    /// Forwards progress to `listener`, and stops work once `interrupted` is set.
    pub fn new(listener: Option<Box<dyn Listener>>, interrupted: &'static AtomicBool) -> Self {
        Self { listener, interrupted: Some(interrupted), ..Self::default() }
    }

    /// A monitor that tells nobody of its steps and is interrupted with this one: for work that runs in parallel.
    pub fn unheard(&self) -> Self {
        Self { interrupted: self.interrupted, ..Self::default() }
    }

    /// `Err(Interrupted)` once the user asked to stop: call it between parts of long work.
    pub fn check(&self) -> Result<()> {
        match self.interrupted {
            Some(flag) if flag.load(Ordering::Relaxed) && !self.finishing.load(Ordering::Relaxed) => {
                Err(Error::Interrupted)
            }
            _ => Ok(()),
        }
    }

    /// Takes the user's wish to stop as granted: what is there is finished and written without further checks.
    pub fn finish(&self) {
        self.finishing.store(true, Ordering::Relaxed);
    }

    /// Whether what is there is only to be finished and written.
    pub fn is_finishing(&self) -> bool {
        self.finishing.load(Ordering::Relaxed)
    }

    /// Reports that `done` parts of the current step are done; `Err(Interrupted)` if it is to stop.
    pub fn advance(&self, done: u64) -> Result<()> {
        if let Some(listener) = &self.listener {
            listener.advance(done);
        }
        self.check()
    }

    /// Runs one step of `total` parts and notes how long it took. A step of the same name adds to the former.
    pub fn step<T>(&self, step: &str, total: u64, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.check()?;
        if let Some(listener) = &self.listener {
            listener.begin(step, total);
        }
        let start = Instant::now();
        let outcome = work();
        let seconds = start.elapsed().as_secs_f64();
        if let Some(listener) = &self.listener {
            listener.end();
        }
        let mut timings = self.timings.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match timings.iter_mut().find(|timing| timing.step == step) {
            Some(timing) => timing.seconds += seconds,
            None => timings.push(Timing { step: step.to_string(), seconds }),
        }
        outcome
    }

    /// The steps so far, in order.
    pub fn timings(&self) -> Vec<Timing> {
        self.timings.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_monitor_stops_the_next_step() {
        static STOP: AtomicBool = AtomicBool::new(false);
        let monitor = Monitor::new(None, &STOP);
        assert_eq!(monitor.step("filter", 1, || Ok(3)).unwrap(), 3);
        STOP.store(true, Ordering::Relaxed);
        assert!(matches!(monitor.step("backproject", 1, || Ok(())), Err(Error::Interrupted)));
        assert_eq!(monitor.timings().len(), 1);
    }
}

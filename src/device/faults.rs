//! What went wrong on a GPU between two calls that can say so: the first fault is kept, a lost device for good.

use std::sync::{Mutex, OnceLock};

#[derive(Default)]
pub(super) struct Faults {
    first: Mutex<Option<String>>,
    lost: OnceLock<String>,
}

impl Faults {
    /// Keeps `message` unless an earlier one waits: later faults mostly follow from the first.
    pub(super) fn keep(&self, message: &str) {
        self.first().get_or_insert_with(|| one_line(message));
    }

    /// Every later check fails: nothing runs any more.
    pub(super) fn lose(&self, message: &str) {
        self.lost.get_or_init(|| format!("the device was lost ({}); start again", one_line(message)));
    }

    /// Tells what waits, once.
    pub(super) fn check(&self) -> Result<(), String> {
        let first = self.first().take();
        match first.or_else(|| self.lost.get().cloned()) {
            Some(message) => Err(message),
            None => Ok(()),
        }
    }

    fn first(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.first.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// wgpu explains itself over many indented lines.
fn one_line(message: &str) -> String {
    message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fault_is_told_once_and_a_loss_for_ever() {
        let faults = Faults::default();
        assert!(faults.check().is_ok());
        faults.keep("Validation Error\n\n  no such buffer");
        faults.keep("a later one");
        assert_eq!(faults.check(), Err("Validation Error; no such buffer".into()));
        assert!(faults.check().is_ok());
        faults.lose("unplugged");
        assert!(faults.check().is_err() && faults.check().is_err());
    }
}

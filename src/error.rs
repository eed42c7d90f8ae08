//! What can go wrong in the world outside the code: each message says what, where, and what would mend it.

use std::path::{Path, PathBuf};

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that files, tables, flags and devices can do wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A quantity that does not parse, such as `0.5` where `0.5mm` is meant.
    #[error("'{text}' is not {expected}")]
    Quantity {
        /// What was given.
        text: String,
        /// What it should be, with an example.
        expected: &'static str,
    },
    /// A geometry that cannot be, or that the method asked for cannot use.
    #[error("geometry: {0}")]
    Geometry(String),
    /// A scan whose numbers and description do not fit each other, or the method.
    #[error("scan: {0}")]
    Scan(String),
    /// NaN or infinite values where measurements should be.
    #[error(
        "{what} has {count} values that are not finite (NaN or infinite), the first at index {first:?}; mend or mask them first"
    )]
    NonFinite {
        /// The data set.
        what: String,
        /// How many.
        count: usize,
        /// Index of the first, in array order.
        first: Vec<usize>,
    },
    /// A file that cannot be read or written.
    #[error("{}: {what}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong and what would mend it.
        what: String,
    },
    /// An output that is there already.
    #[error("{}: exists already; give --force to replace it", path.display())]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// A phantom description that cannot be used.
    #[error("phantom {name}: {what}")]
    Phantom {
        /// Name or path.
        name: String,
        /// What is wrong and what would mend it.
        what: String,
    },
    /// An option whose value cannot be used.
    #[error("{0}")]
    Option(String),
    /// No such device, or it failed.
    #[error("device: {0}")]
    Device(String),
    /// An allocation that the device cannot hold.
    #[error("device {device}: no room for {bytes} bytes ({limit}); use --device cpu, or a smaller grid")]
    OutOfMemory {
        /// Device name.
        device: String,
        /// Bytes asked for.
        bytes: u64,
        /// The limit that was met, in words.
        limit: String,
    },
    /// An iteration that runs away instead of settling.
    #[error(
        "diverged at iteration {iteration}: {what}; a smaller step or a larger strength helps, or the scan's geometry is wrong"
    )]
    Diverged {
        /// When it was seen.
        iteration: usize,
        /// What was seen.
        what: String,
    },
    /// The user interrupted the work.
    #[error("interrupted; the output was not written")]
    Interrupted,
}

impl Error {
    /// A [`Error::File`] for `path`.
    pub fn file(path: impl AsRef<Path>, what: impl ToString) -> Self {
        Self::File { path: path.as_ref().to_path_buf(), what: what.to_string() }
    }
}

/// Refuses NaN and infinities in `values`, an array of `shape` in C order.
pub fn check_finite(what: &str, shape: &[usize], values: &[f32]) -> Result<()> {
    // A sum of zeros times each value is NaN if any is not finite, and runs at memory speed.
    let probe: f32 = values.iter().map(|v| v * 0.0).sum();
    if probe == 0.0 {
        return Ok(());
    }
    let count = values.iter().filter(|v| !v.is_finite()).count();
    let mut flat = values.iter().position(|v| !v.is_finite()).unwrap_or(0);
    let mut first = vec![0; shape.len()];
    for (index, &extent) in first.iter_mut().zip(shape).rev() {
        *index = flat % extent.max(1);
        flat /= extent.max(1);
    }
    Err(Error::NonFinite { what: what.to_string(), count, first })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn non_finite_values_are_counted_and_located() {
        let mut values = vec![1.0; 24];
        assert!(check_finite("scan", &[2, 3, 4], &values).is_ok());
        values[17] = f32::NAN;
        values[23] = f32::INFINITY;
        match check_finite("scan", &[2, 3, 4], &values) {
            Err(Error::NonFinite { count: 2, first, .. }) => assert_eq!(first, [1, 1, 1]),
            other => panic!("{other:?}"),
        }
    }
}

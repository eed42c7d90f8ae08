//! Which numbers the network runs with: those that Rushlight ships, or a user's own. `training/README.md` tells what they were
//! trained on, and where they must not be trusted.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use super::Parameters;
use crate::error::Result;

static CT: LazyLock<Arc<Parameters>> = LazyLock::new(|| shipped(include_bytes!("../../../weights/ct.safetensors")));
static MR: LazyLock<Arc<Parameters>> = LazyLock::new(|| shipped(include_bytes!("../../../weights/mr.safetensors")));

fn shipped(bytes: &[u8]) -> Arc<Parameters> {
    Arc::new(Parameters::from_bytes(bytes).expect("weights that tests have read"))
}

/// What the network has learnt.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Weights {
    /// Trained on slices of CT and the noise of filtered backprojection.
    #[default]
    Ct,
    /// Trained on slices of MR and white noise, also through windows of k-space.
    Mr,
    /// Anyone's.
    Own(Arc<Parameters>),
}

impl fmt::Display for Weights {
    /// As [`Self::named`] takes them; anyone's are `own`.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Ct => "ct",
            Self::Mr => "mr",
            Self::Own(_) => "own",
        })
    }
}

impl Weights {
    /// Those of a name, `ct` or `mr`, or of a file in the safetensors format.
    ///
    /// # Errors
    /// As [`Parameters::read`].
    pub fn named(text: &str) -> Result<Self> {
        match text {
            "ct" => Ok(Self::Ct),
            "mr" => Ok(Self::Mr),
            path => Ok(Self::Own(Arc::new(Parameters::read(path)?))),
        }
    }

    /// The numbers.
    pub fn parameters(&self) -> Arc<Parameters> {
        match self {
            Self::Ct => Arc::clone(&CT),
            Self::Mr => Arc::clone(&MR),
            Self::Own(own) => Arc::clone(own),
        }
    }
}

//! AᴴWA of a parallel scan along a trajectory: each coil's map, the Toeplitz form of the non-uniform transform, and the map's
//! conjugate (Fessler et al. 2005; Pruessmann, Weiger, Börnert & Boesiger 2001).

use std::sync::Mutex;

use super::{Coils, LinearOperator, Toeplitz};
use crate::{
    device::{Array, Device, Element},
    error::Result,
};

/// Its own adjoint.
pub struct SenseToeplitz {
    coils: Coils,
    toeplitz: Toeplitz,
    /// The coils' images, before and after.
    work: Mutex<[Array; 2]>,
}

impl SenseToeplitz {
    /// Puts maps and transform together.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// # Panics
    /// If they are for other coils or matrices.
    #[track_caller]
    pub fn new(device: &Device, coils: Coils, toeplitz: Toeplitz) -> Result<Self> {
        assert_eq!(coils.range(), toeplitz.domain(), "coil images of the maps and of the transform");
        let zeros = || device.zeros(coils.range(), Element::F32);
        let work = Mutex::new([zeros()?, zeros()?]);
        Ok(Self { coils, toeplitz, work })
    }
}

impl LinearOperator for SenseToeplitz {
    fn domain(&self) -> &[usize] {
        self.coils.domain()
    }

    fn range(&self) -> &[usize] {
        self.coils.domain()
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        let [seen, blurred] = &mut *self.work.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.coils.forward(x, seen)?;
        self.toeplitz.forward(seen, blurred)?;
        self.coils.adjoint(blurred, y)
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        self.forward(y, x)
    }
}

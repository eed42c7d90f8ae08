//! A virtual CT scanner: an image becomes the line integrals that a scanner would have measured of it.
//!
//! Image → attenuation, or thicknesses of water and one dense material ([`object`]) → line integrals averaged over each
//! cell ([`crate::operators::XRay`]), for every point of the focal spot → signal behind bow-tie and object
//! ([`Beam`]) → quanta, cross-talk, electronic noise, −ln ([`Detector`]).
//!
//! Not modelled: scatter, motion, afterglow, heel effect, beam hardening by air.

pub mod detector;
pub mod lodopab;
pub mod low_dose;
pub mod object;
mod source;

pub use detector::Detector;
pub use low_dose::LowDose;

use ndarray::{Array3, Zip};

use crate::{
    device::Device,
    error::{Error, Result},
    geometry::{Geometry, LengthUnit},
    image::Image,
    monitor::Monitor,
    physics::{self, Beam, Dense, Material, REFERENCE_ENERGY, Spectrum, Split},
    scan::{Bowtie, Scan},
};

/// A scanner: tube, bow-tie and detector. The default sees every photon at 70 keV, from a point, and no noise.
#[derive(Clone, Debug, PartialEq)]
pub struct Scanner {
    /// The tube's spectrum; without one, all photons have [`Self::energy`].
    pub spectrum: Option<Spectrum>,
    /// Photon energy, keV, at which the image's attenuation is told; CT numbers become attenuation with water's there.
    pub energy: f64,
    /// What is denser than soft tissue, for a tube's spectrum.
    pub dense: Dense,
    /// What a photon adds to the signal, for a tube's spectrum.
    pub weighting: physics::Detector,
    /// Shapes the beam across the fan.
    pub bowtie: Option<Bowtie>,
    /// Width of the focal spot along the detector's columns, mm; 0 is a point.
    pub focal_spot: f64,
    /// Photons and noise.
    pub detector: Detector,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            spectrum: None,
            energy: REFERENCE_ENERGY,
            dense: Dense::default(),
            weighting: physics::Detector::default(),
            bowtie: None,
            focal_spot: 0.0,
            detector: Detector::default(),
        }
    }
}

/// A scan that was made.
#[derive(Clone, Debug)]
pub struct Scanned {
    /// The line integrals.
    pub scan: Scan,
    /// Readings that met the zero-count rule.
    pub floored: usize,
}

/// The signal of every cell, `[view, row, column]`, where the open beam's is 1; both as [`physics::beam::Signal`] has them.
struct Signals {
    mean: Array3<f64>,
    variance: Array3<f64>,
}

/// What the beam meets on its way to a cell, and what of it arrives.
enum Matter {
    /// One energy: attenuation in mm⁻¹, and water's.
    Plain { water: f64 },
    /// A spectrum: mm of water and of the dense material.
    Mixed(Box<Beam>),
}

impl Matter {
    /// Mean and variance behind `bowtie` mm of water and the object's line integrals.
    fn signal(&self, lengths: &[f32], bowtie: f64) -> [f64; 2] {
        match self {
            Self::Plain { water } => [(-(f64::from(lengths[0]) + water * bowtie)).exp(); 2],
            Self::Mixed(beam) => {
                let signal = beam.signal(&[f64::from(lengths[0]) + bowtie, f64::from(lengths[1])]);
                [signal.mean, signal.variance]
            }
        }
    }
}

impl Scanner {
    /// Scans `image`, whose slice z is seen by detector row z. The image's own position counts: see
    /// [`object::centered`].
    ///
    /// # Errors
    /// Values of unknown meaning, geometries in cells, options out of range, what [`crate::operators::XRay`] refuses.
    pub fn scan(&self, image: &Image, geometry: &Geometry, device: &Device, monitor: &Monitor) -> Result<Scanned> {
        self.check(geometry)?;
        let image = object::attenuation(image, self.water())?;
        let (matter, layers) = match &self.spectrum {
            None => (Matter::Plain { water: self.water() }, vec![image.values]),
            Some(spectrum) => {
                let split = Split::new(self.dense, self.energy)?;
                let [water, dense] = &split.materials;
                let beam = Beam::new(spectrum, self.weighting, &[water, dense]);
                (Matter::Mixed(Box::new(beam)), split.layers(&image.values).into())
            }
        };
        let trace = |geometry: &Geometry| source::project(&layers, &image.grid, geometry, device, monitor);
        self.measure(geometry, &matter, &trace, monitor)
    }

    /// Makes a scan from line integrals (dimensionless, at one energy) that are computed elsewhere, such as those of a
    /// phantom: `trace` gives them for a geometry.
    ///
    /// # Errors
    /// As [`Self::scan`]; a spectrum, which needs to know materials.
    pub fn scan_traced(
        &self,
        geometry: &Geometry,
        trace: &dyn Fn(&Geometry) -> Result<Array3<f32>>,
        monitor: &Monitor,
    ) -> Result<Scanned> {
        self.check(geometry)?;
        if self.spectrum.is_some() {
            return Err(Error::Option("a tube's spectrum needs an image, from whose values materials are told".into()));
        }
        let matter = Matter::Plain { water: self.water() };
        self.measure(geometry, &matter, &|geometry| Ok(vec![trace(geometry)?]), monitor)
    }

    /// Attenuation of water at the image's energy, mm⁻¹.
    pub fn water(&self) -> f64 {
        Material::water().attenuation(self.energy)
    }

    fn measure(
        &self,
        geometry: &Geometry,
        matter: &Matter,
        trace: &dyn Fn(&Geometry) -> Result<Vec<Array3<f32>>>,
        monitor: &Monitor,
    ) -> Result<Scanned> {
        let none = || Array3::zeros(geometry.shape());
        let bowtie = self.bowtie.map_or_else(none, |bowtie| bowtie.thicknesses(geometry));
        let spots = source::spots(self.focal_spot);
        let mut signals = Signals { mean: none(), variance: none() };
        for (across, weight) in spots {
            let lengths = trace(&source::shifted(geometry, across))?;
            monitor.step("detect", 1, || {
                signals.add(weight, &lengths, &bowtie, matter);
                Ok(())
            })?;
        }
        let no_object = vec![0.0; matches!(matter, Matter::Mixed(_)) as usize + 1];
        let open = bowtie.mapv(|thickness| matter.signal(&no_object, thickness)[0]);
        let (projections, floored) = monitor.step("detect", 1, || self.detector.read(&signals, &open))?;
        Ok(Scanned { scan: Scan::new(projections, geometry.clone())?, floored })
    }

    fn check(&self, geometry: &Geometry) -> Result<()> {
        geometry.check()?;
        if geometry.unit != LengthUnit::Millimetre {
            return Err(Error::Geometry("a scanner is measured in mm: give the cell size".into()));
        }
        Split::new(self.dense, self.energy)?;
        if let Some(bowtie) = &self.bowtie {
            bowtie.check()?;
        }
        source::check(self.focal_spot, geometry)?;
        self.detector.check()
    }
}

impl Signals {
    /// Adds what one point of the focal spot sends through the object.
    fn add(&mut self, weight: f64, lengths: &[Array3<f32>], bowtie: &Array3<f64>, matter: &Matter) {
        let flat: Vec<&[f32]> = lengths.iter().map(|array| array.as_slice().expect("C order")).collect();
        let columns = bowtie.dim().2;
        let rows = |array: Array3<f64>| {
            let shape = array.dim();
            array.into_shape_with_order((shape.0 * shape.1, shape.2)).expect("C order")
        };
        let shape = self.mean.raw_dim();
        let [mut mean, mut variance] = [&mut self.mean, &mut self.variance].map(|array| rows(std::mem::take(array)));
        let bowtie = bowtie.as_slice().expect("C order");
        Zip::indexed(mean.rows_mut()).and(variance.rows_mut()).par_for_each(|row, mut mean, mut variance| {
            for column in 0..columns {
                let cell = row * columns + column;
                let mut here = [0.0; 2];
                flat.iter().zip(&mut here).for_each(|(layer, here)| *here = layer[cell]);
                let [m, v] = matter.signal(&here[..flat.len()], bowtie[cell]);
                mean[column] += weight * m;
                variance[column] += weight * v;
            }
        });
        self.mean = mean.into_shape_with_order(shape).expect("C order");
        self.variance = variance.into_shape_with_order(shape).expect("C order");
    }
}

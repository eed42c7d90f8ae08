//! An image: its numbers, where they are, what they mean, and how they came about.

use ndarray::{Array3, Array4, Axis};
use num_complex::Complex32;

use crate::geometry::{Grid, LengthUnit, add};

/// What an image's values are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// Linear attenuation, per length unit (mm⁻¹, or per cell).
    Attenuation(LengthUnit),
    /// CT numbers, in Hounsfield units, relative to a water attenuation in mm⁻¹.
    Hounsfield {
        /// Attenuation of water, mm⁻¹, if it is known.
        mu_water: Option<f64>,
    },
    /// Signal of magnetic resonance, in the scanner's arbitrary unit.
    Signal,
    /// Phase, in radians.
    Phase,
    /// Numbers of unknown meaning, as a bare array file holds.
    Unknown,
}

impl Quantity {
    /// The unit's name, such as `mm⁻¹` or `HU`.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Attenuation(LengthUnit::Millimetre) => "mm⁻¹",
            Self::Attenuation(LengthUnit::Cell) => "cell⁻¹",
            Self::Hounsfield { .. } => "HU",
            Self::Phase => "rad",
            Self::Signal | Self::Unknown => "arbitrary",
        }
    }
}

/// Values `[z, y, x]` on a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// The values, `[z, y, x]`.
    pub values: Array3<f32>,
    /// Where the voxels are.
    pub grid: Grid,
    /// What lengths of the grid are measured in.
    pub unit: LengthUnit,
    /// What the values are.
    pub quantity: Quantity,
    /// What made the image, one line, for file headers: method, filter, version. Never anything about a patient.
    pub provenance: String,
}

impl Image {
    /// Attenuation in mm⁻¹ turned into Hounsfield units: 1000·(μ − μ_water)/μ_water.
    pub fn to_hounsfield(mut self, mu_water: f64) -> Self {
        self.values.mapv_inplace(|mu| (1000.0 * (f64::from(mu) / mu_water - 1.0)) as f32);
        self.quantity = Quantity::Hounsfield { mu_water: Some(mu_water) };
        self
    }
}

/// What of a complex image is shown or written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// |x|.
    Magnitude,
    /// arg x, radians.
    Phase,
    /// Re x, of numbers that are real: with their sign.
    Real,
    /// x itself.
    #[default]
    Complex,
}

/// Complex values `[frame, z, y, x]` on a grid, as MR makes them.
#[derive(Clone, Debug, PartialEq)]
pub struct ComplexImage {
    /// The values; frames are echoes, averages, points in time and the like.
    pub values: Array4<Complex32>,
    /// Where the voxels of a frame are.
    pub grid: Grid,
    /// What lengths of the grid are measured in.
    pub unit: LengthUnit,
    /// Time from frame to frame in seconds, where frames are points in time and it is known.
    pub frame_step: Option<f64>,
    /// As [`Image::provenance`].
    pub provenance: String,
}

impl ComplexImage {
    /// One real image a frame: the magnitude, the phase, or the real part.
    pub fn frames(&self, part: Part) -> Vec<Image> {
        let real = |value: &Complex32| match part {
            Part::Phase => value.arg(),
            Part::Real => value.re,
            Part::Magnitude | Part::Complex => value.norm(),
        };
        let quantity = if part == Part::Phase { Quantity::Phase } else { Quantity::Signal };
        let frame = |values: ndarray::ArrayView3<Complex32>| Image {
            values: values.map(real),
            grid: self.grid,
            unit: self.unit,
            quantity,
            provenance: self.provenance.clone(),
        };
        self.values.axis_iter(Axis(0)).map(frame).collect()
    }

    /// The middle `shape` (z, y, x) of every frame, where it was: index N/2 becomes index M/2. Extents beyond the image's own
    /// leave that axis as it is.
    pub fn middle(mut self, shape: [usize; 3]) -> Self {
        for (axis, wanted) in shape.into_iter().enumerate() {
            let extent = self.grid.shape[axis];
            if wanted < extent {
                let start = extent / 2 - wanted / 2;
                self.values = self.values.slice_axis(Axis(axis + 1), (start..start + wanted).into()).to_owned();
                self.grid.first = add(self.grid.first, start as f64, self.grid.steps[axis]);
                self.grid.shape[axis] = wanted;
            }
        }
        self
    }
}

//! An MR scan: samples of k-space, how they encode the image, and what each frame is.

use ndarray::{Array2, Array5, Axis};
use num_complex::Complex32;

use crate::{
    error::{Error, Result},
    geometry::{Grid, LengthUnit, Mask, Trajectory},
};

/// Where the samples lie: one entry for all frames, or one a frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Encoding {
    /// On the grid of the discrete Fourier transform.
    Cartesian(Vec<Mask>),
    /// Anywhere.
    Trajectory(Vec<Trajectory>),
}

/// What tells the frames of a scan apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameAxis {
    /// Slices that were excited one by one.
    Slice,
    /// Echoes or contrasts.
    Contrast,
    /// Repetitions of the same, to be averaged.
    Average,
    /// Phases of the heart.
    Phase,
    /// Points in time.
    Repetition,
    /// Anything else.
    Set,
}

impl FrameAxis {
    /// The word for one of its frames.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slice => "slice",
            Self::Contrast => "echo",
            Self::Average => "average",
            Self::Phase => "phase of the heart",
            Self::Repetition => "repetition",
            Self::Set => "set",
        }
    }
}

/// Samples of k-space. Transform e^(−2πi k·r), orthonormal, zero frequency at index N/2.
#[derive(Clone, Debug, PartialEq)]
pub struct KSpace {
    /// `[frame, coil, z, y, x]`, 0 where nothing was sampled; along a trajectory `[frame, coil, 1, 1, sample]`. An axis z of
    /// more than one is a Fourier axis; slices excited one by one are frames.
    pub samples: Array5<Complex32>,
    /// Where the samples lie.
    pub encoding: Encoding,
    /// The image's grid: matrix, voxels, orientation.
    pub grid: Grid,
    /// What lengths of the grid are measured in; [`LengthUnit::Cell`] where the field of view is not known.
    pub unit: LengthUnit,
    /// What the frames are, slowest first; the product of the counts is the number of frames. Empty for a single one.
    pub axes: Vec<(FrameAxis, usize)>,
    /// Samples without signal, `[coil, sample]`, for whitening.
    pub noise: Option<Array2<Complex32>>,
    /// Voxels along z, y, x in the middle of the grid that are to be shown; what lies around them was encoded so that nothing
    /// folds into them (phase oversampling). None: all of the grid.
    pub seen: Option<[usize; 3]>,
}

impl KSpace {
    /// A Cartesian scan of one frame from `[frame, coil, z, y, x]` whose zeros were not sampled: a point counts as sampled if any
    /// coil of any frame has a number there. Voxels of 1 cell.
    ///
    /// # Errors
    /// [`Error::Scan`] as [`Self::check`].
    pub fn cartesian(samples: Array5<Complex32>) -> Result<Self> {
        let (frames, _, nz, ny, nx) = samples.dim();
        let mut sampled = vec![false; nz * ny * nx];
        for coil in samples.axis_iter(Axis(0)).flat_map(|frame| frame.into_outer_iter()) {
            sampled.iter_mut().zip(coil).for_each(|(sampled, value)| *sampled |= *value != Complex32::ZERO);
        }
        let scan = Self {
            samples,
            encoding: Encoding::Cartesian(vec![Mask { shape: [nz, ny, nx], sampled }]),
            grid: Grid::centered([nz, ny, nx], [1.0; 3], [0.0; 3]),
            unit: LengthUnit::Cell,
            axes: if frames > 1 { vec![(FrameAxis::Set, frames)] } else { vec![] },
            noise: None,
            seen: None,
        };
        scan.check()?;
        Ok(scan)
    }

    /// Frames.
    pub fn frames(&self) -> usize {
        self.samples.dim().0
    }

    /// Whether nothing was measured of a frame: a repetition or a slice that lacks.
    pub fn lacks(&self, frame: usize) -> bool {
        self.samples.index_axis(Axis(0), frame).iter().all(|value| *value == Complex32::ZERO)
    }

    /// A frame by what tells it from others, counted from 1, such as "repetition 2, slice 3".
    pub fn name_of(&self, frame: usize) -> String {
        let mut rest = frame;
        let part = |(axis, count): &(FrameAxis, usize)| {
            let index = rest % count;
            rest /= count;
            format!("{} {}", axis.name(), index + 1)
        };
        let mut parts: Vec<String> = self.axes.iter().rev().map(part).collect();
        parts.reverse();
        if parts.is_empty() { format!("frame {}", frame + 1) } else { parts.join(", ") }
    }

    /// Coils.
    pub fn coils(&self) -> usize {
        self.samples.dim().1
    }

    /// The image's extents along z, y, x.
    pub fn matrix(&self) -> [usize; 3] {
        self.grid.shape
    }

    /// Refuses parts that do not fit each other, samples that are not finite, and scans of nothing. Of some frames nothing may have been
    /// measured, if each frame has its own mask ([`Self::lacks`]).
    pub fn check(&self) -> Result<()> {
        let (frames, coils, nz, ny, nx) = self.samples.dim();
        let wrong = |what: String| Err(Error::Scan(what));
        if self.samples.is_empty() {
            return wrong(format!("k-space of {:?} [frame, coil, z, y, x] holds nothing", self.samples.shape()));
        }
        if let Some(index) = self.samples.iter().position(|value| !(value.re.is_finite() && value.im.is_finite())) {
            return wrong(format!("k-space sample {index} (C order) is not a finite number"));
        }
        if self.samples.iter().all(|value| *value == Complex32::ZERO) {
            return wrong("every k-space sample is 0: nothing was measured".into());
        }
        self.grid.check()?;
        let entries = match &self.encoding {
            Encoding::Cartesian(masks) => {
                for mask in masks {
                    // A frame that lacks is told by its mask; of one mask for all something must be sampled.
                    let lacks = masks.len() > 1 && mask.count() == 0;
                    if !lacks || mask.sampled.len() != nz * ny * nx {
                        mask.check()?;
                    }
                    if mask.shape != [nz, ny, nx] || mask.shape != self.grid.shape {
                        return wrong(format!(
                            "a mask of {:?}, samples of {:?} and an image of {:?} (z, y, x): they must be alike",
                            mask.shape,
                            [nz, ny, nx],
                            self.grid.shape
                        ));
                    }
                }
                masks.len()
            }
            Encoding::Trajectory(list) => {
                for trajectory in list {
                    trajectory.check()?;
                    if [nz, ny, nx] != [1, 1, trajectory.points.len()] || trajectory.matrix != self.grid.shape {
                        return wrong(format!(
                            "{} samples a coil, {} points of a trajectory for a matrix of {:?}, an image of {:?}: they must agree",
                            nz * ny * nx,
                            trajectory.points.len(),
                            trajectory.matrix,
                            self.grid.shape
                        ));
                    }
                }
                list.len()
            }
        };
        if entries != 1 && entries != frames {
            return wrong(format!("{entries} samplings for {frames} frames; give one, or one a frame"));
        }
        let counted: usize = self.axes.iter().map(|(_, count)| count).product();
        if counted != frames {
            return wrong(format!("axes {:?} for {frames} frames", self.axes));
        }
        if let Some(seen) = self.seen
            && seen.iter().zip(self.grid.shape).any(|(seen, extent)| !(1..=extent).contains(seen))
        {
            return wrong(format!("{seen:?} voxels are to be shown of {:?} (z, y, x)", self.grid.shape));
        }
        match &self.noise {
            Some(noise) if noise.nrows() != coils => {
                wrong(format!("the noise scan has {} coils, k-space {coils}", noise.nrows()))
            }
            Some(noise) => {
                match noise.indexed_iter().find(|(_, value)| !(value.re.is_finite() && value.im.is_finite())) {
                    Some(((coil, sample), _)) => {
                        wrong(format!("sample {sample} of coil {coil} of the noise scan is not a finite number"))
                    }
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

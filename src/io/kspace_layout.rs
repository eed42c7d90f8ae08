//! What the axes of a bare array of k-space mean.

use std::str::FromStr;

use ndarray::{Array5, ArrayD, Axis, IxDyn};
use num_complex::Complex32;

use crate::{
    error::{Error, Result},
    scan::FrameAxis,
};

/// The meaning of one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutAxis {
    /// Receiver coils: `coil`.
    Coil,
    /// The second phase encoding, a Fourier axis: `z`.
    Z,
    /// Phase encoding, down the image: `y`.
    Y,
    /// Read-out, along the image's rows: `x`.
    X,
    /// Samples along a trajectory: `sample`. Several such axes (read-out and spoke) count as one, in C order.
    Sample,
    /// What tells frames apart: `slice`, `echo` (or `contrast`), `average`, `phase`, `time` (or `repetition`), `set`.
    Frame(FrameAxis),
}

const NAMES: [(&str, LayoutAxis); 14] = [
    ("coil", LayoutAxis::Coil),
    ("z", LayoutAxis::Z),
    ("y", LayoutAxis::Y),
    ("x", LayoutAxis::X),
    ("sample", LayoutAxis::Sample),
    ("slice", LayoutAxis::Frame(FrameAxis::Slice)),
    ("echo", LayoutAxis::Frame(FrameAxis::Contrast)),
    ("average", LayoutAxis::Frame(FrameAxis::Average)),
    ("phase", LayoutAxis::Frame(FrameAxis::Phase)),
    ("time", LayoutAxis::Frame(FrameAxis::Repetition)),
    ("set", LayoutAxis::Frame(FrameAxis::Set)),
    ("contrast", LayoutAxis::Frame(FrameAxis::Contrast)),
    ("repetition", LayoutAxis::Frame(FrameAxis::Repetition)),
    ("coils", LayoutAxis::Coil),
];

/// The name of `axis` in a layout's text.
pub(super) fn name(axis: LayoutAxis) -> &'static str {
    NAMES.iter().find(|(_, of)| *of == axis).map_or("set", |(name, _)| name)
}

/// What the axes of an array are, in the array's order: a text such as `coil,z,y,x` or `y,x,slice,average`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KSpaceLayout {
    /// One entry an axis.
    pub axes: Vec<LayoutAxis>,
}

impl FromStr for KSpaceLayout {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |what: String| {
            let known: Vec<_> = NAMES[..11].iter().map(|(name, _)| *name).collect();
            Error::Option(format!("axes '{text}': {what}; known are {}, as in y,x,slice", known.join(", ")))
        };
        let mut axes = Vec::new();
        for word in text.split(',').map(str::trim) {
            let found = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
            let axis = found.ok_or_else(|| wrong(format!("'{word}' is not an axis")))?.1;
            if axes.contains(&axis) && axis != LayoutAxis::Sample {
                return Err(wrong(format!("'{word}' is there twice")));
            }
            axes.push(axis);
        }
        let has = |axis| axes.contains(&axis);
        let grid = has(LayoutAxis::X) && has(LayoutAxis::Y);
        let samples = has(LayoutAxis::Sample);
        let mixed = samples && [LayoutAxis::X, LayoutAxis::Y, LayoutAxis::Z].into_iter().any(has);
        if mixed || !(grid || samples) {
            return Err(wrong("y and x are needed, or sample without them".into()));
        }
        Ok(Self { axes })
    }
}

/// Samples `[frame, coil, z, y, x]`, and what the frames are.
pub(super) type Arranged = (Array5<Complex32>, Vec<(FrameAxis, usize)>);

impl KSpaceLayout {
    /// Puts `array` into the order `[frame, coil, z, y, x]`. Extents of 1 that the layout does not count are dropped.
    pub(super) fn arrange(&self, array: ArrayD<Complex32>) -> Result<Arranged> {
        let shape = array.shape().to_vec();
        let mut array = array;
        while array.ndim() > self.axes.len()
            && let Some(single) = array.shape().iter().position(|extent| *extent == 1)
        {
            array = array.index_axis_move(Axis(single), 0);
        }
        if array.ndim() != self.axes.len() {
            let names: Vec<_> = self.axes.iter().map(|axis| name(*axis)).collect();
            return Err(Error::Option(format!("an array of shape {shape:?} has not the axes {}", names.join(","))));
        }
        // Frames keep their order and come first; then coil, z, y, x or samples.
        let rank = |axis: &LayoutAxis| match axis {
            LayoutAxis::Frame(_) => 0,
            LayoutAxis::Coil => 1,
            LayoutAxis::Z => 2,
            LayoutAxis::Y => 3,
            LayoutAxis::X | LayoutAxis::Sample => 4,
        };
        let mut order: Vec<usize> = (0..self.axes.len()).collect();
        order.sort_by_key(|i| rank(&self.axes[*i]));
        let mut extents = [1_usize; 5];
        let mut frames = Vec::new();
        for i in &order {
            let extent = array.shape()[*i];
            extents[rank(&self.axes[*i])] *= extent;
            if let LayoutAxis::Frame(axis) = self.axes[*i]
                && extent > 1
            {
                frames.push((axis, extent));
            }
        }
        let array = array.permuted_axes(order).as_standard_layout().into_owned();
        let odd = |error: ndarray::ShapeError| Error::Option(format!("an array of shape {shape:?}: {error}"));
        let array = array.into_shape_with_order(IxDyn(&extents)).map_err(odd)?;
        Ok((array.into_dimensionality().map_err(odd)?, frames))
    }
}

//! What is minimised: ½‖Ax − b‖²_W + Σ λ‖Kx − c‖ over the images within bounds.

use crate::{
    device::Array,
    operators::{LineFilter, LinearOperator},
};

/// How well the image explains the data: ½‖Ax − b‖²_W, with a positive W that the metric implies.
pub struct Fidelity {
    /// A; for weights of single rays see [`crate::operators::Weighted`].
    pub operator: Box<dyn LinearOperator>,
    /// b, with the shape of A's range.
    pub data: Array,
    /// How the data's dual variable y moves.
    pub metric: Metric,
}

/// A step of the dual variable y of ½‖Ax − b‖²_W: y ← y + G (Ax − b) − H y, which rests where y = H⁻¹G (Ax − b), so that
/// W = H⁻¹G. With a positive S, the size of the step, G = S/(1 + S/W) and H = (S/W)/(1 + S/W): the proximal map.
pub enum Metric {
    /// W = 1 and S this number.
    Scalar(f32),
    /// Convolutions of the detector's lines: G and H.
    Lines {
        /// G.
        gain: Box<LineFilter>,
        /// H.
        decay: Box<LineFilter>,
    },
    /// No y: the operator is AᴴA and the data are Aᴴb, and the primal step takes their difference, the data's gradient, as it is
    /// (Condat 2013; Vũ 2013).
    Gradient,
}

/// λ Σ ‖(Kx − c)_group‖₂ over groups of all numbers in one line and column, as a sum of convex terms has many of.
pub struct Term {
    /// K; its range is `[lines, width, nx]`.
    pub operator: Box<dyn LinearOperator>,
    /// An upper bound of ‖K‖.
    pub norm: f64,
    /// λ.
    pub strength: f32,
    /// Huber's δ: below it the norm is a parabola. 0 for none.
    pub smoothing: f32,
    /// Factors on λ, one a group `[lines, nx]`.
    pub factors: Option<Array>,
    /// c, with the shape of K's range.
    pub shift: Option<Array>,
}

impl Term {
    /// λ Σ ‖(Kx)_group‖₂, plain: λ is `strength`, and `norm` an upper bound of ‖K‖.
    pub fn new(operator: impl LinearOperator + 'static, norm: f64, strength: f32) -> Self {
        Self { operator: Box::new(operator), norm, strength, smoothing: 0.0, factors: None, shift: None }
    }
}

/// Values that the image's pixels may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Least value.
    pub lower: f32,
    /// Largest value.
    pub upper: f32,
}

impl Bounds {
    /// x ≥ 0.
    pub const NON_NEGATIVE: Self = Self { lower: 0.0, upper: f32::MAX };
    /// Any x.
    pub const NONE: Self = Self { lower: f32::MIN, upper: f32::MAX };
}

/// A sum of convex terms.
pub struct Problem {
    /// The data's term.
    pub fidelity: Fidelity,
    /// What else is known of the image.
    pub terms: Vec<Term>,
    /// Where the image's values lie. Where lines have several channels, `[lines, channels, nx]`, bounds hold for the first:
    /// complex images want [`Bounds::NONE`].
    pub bounds: Bounds,
}

impl Problem {
    /// Checks that all shapes fit each other.
    ///
    /// # Panics
    /// If they do not.
    #[track_caller]
    pub fn check(&self) {
        let Fidelity { operator, data, .. } = &self.fidelity;
        assert_eq!(operator.range(), data.shape(), "the range of A and the data");
        for (index, Term { operator: term, shift, factors, norm, .. }) in self.terms.iter().enumerate() {
            assert_eq!(term.domain(), operator.domain(), "the domain of term {index} and that of A");
            let &[lines, _, nx] = term.range() else { panic!("term {index}: groups {:?}", term.range()) };
            assert!(*norm > 0.0, "term {index}: a norm of {norm}");
            if let Some(shift) = shift {
                assert_eq!(shift.shape(), term.range(), "term {index}: shift");
            }
            if let Some(factors) = factors {
                assert_eq!(factors.shape(), [lines, nx], "term {index}: factors");
            }
        }
    }
}

//! The kernels: each one computation, as `NAME.rs` here and `NAME.wgsl` in `shaders/`.

pub mod axis_layout;
pub mod channel_blocks;
mod combination;
mod convolution;
pub(crate) mod fft_lanes;
pub(crate) mod fft_plan;
pub(crate) mod fine_grid;
mod footprint;
pub(crate) mod gridding;
pub(crate) mod lanes;
pub mod part;
pub mod way;

pub use axis_layout::AxisLayout;
pub use channel_blocks::ChannelBlocks;
pub(crate) use combination::{combine, soften};
pub use footprint::MATRIX;
pub use part::Part;
pub use way::Way;

use crate::device::Kernel;

/// Zero cells on each side of a filtered line, so that an interpolation past either end reads zero.
pub const GUARD: usize = 32;

/// Is shown every kernel in turn: the way that tests and benches reach all of them.
pub trait Visitor {
    /// Called once a kernel.
    fn visit<K: Kernel>(&mut self);
}

/// The one list: declares the modules and `for_each`.
macro_rules! kernels {
    ($($module:ident :: $kernel:ident),* $(,)?) => {
        $(pub mod $module; pub use $module::$kernel;)*
        /// Shows `visitor` every kernel.
        pub fn for_each(visitor: &mut impl Visitor) {
            $(visitor.visit::<$kernel>();)*
        }
    };
}

kernels! {
    add_lines::AddLines,
    average_alike::AverageAlike,
    backproject_fan::BackprojectFan,
    backproject_parallel::BackprojectParallel,
    bilateral::Bilateral,
    blend::Blend,
    coil_combine::CoilCombine,
    coil_expand::CoilExpand,
    chirp::Chirp,
    convolve3x3::Convolve3x3,
    convolve_down::ConvolveDown,
    convolve_up::ConvolveUp,
    crop_images::CropImages,
    crop_lines::CropLines,
    dot::Dot,
    extrapolate::Extrapolate,
    fft_pass::FftPass,
    fill::Fill,
    footprint_backproject::FootprintBackproject,
    footprint_project::FootprintProject,
    gather_patches::GatherPatches,
    gradient::Gradient,
    gradient_adjoint::GradientAdjoint,
    match_patches::MatchPatches,
    multiply::Multiply,
    momentum::Momentum,
    multiply_lines::MultiplyLines,
    neighbours::Neighbours,
    nufft_interpolate::NufftInterpolate,
    nufft_spread::NufftSpread,
    pad_images::PadImages,
    pad_lines::PadLines,
    periodic_filter::PeriodicFilter,
    primal_step::PrimalStep,
    quotient::Quotient,
    sample_lines::SampleLines,
    shuffle::Shuffle,
    shrink_dual::ShrinkDual,
    shrink_groups::ShrinkGroups,
    soft_threshold::SoftThreshold,
    sum::Sum,
    symmetrised_gradient::SymmetrisedGradient,
    symmetrised_gradient_adjoint::SymmetrisedGradientAdjoint,
    transmission::Transmission,
    unshuffle::Unshuffle,
    update::Update,
    weigh::Weigh,
}

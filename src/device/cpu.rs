//! The CPU as a device: its SIMD level, its threads, and kernels run at once.

use std::{fmt, sync::OnceLock};

/// What vector instructions the hot loops use; chosen at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Simd {
    /// None that the loops are written for.
    Scalar,
    /// 128-bit, Arm.
    Neon,
    /// 256-bit with fused multiply–add, x86-64.
    Avx2,
    /// 512-bit (F, BW, DQ, VL), x86-64.
    Avx512,
}

impl Simd {
    /// The best this machine has, or a lesser one named by `RUSHLIGHT_SIMD` (`scalar`, `avx2`).
    pub fn detected() -> Self {
        static LEVEL: OnceLock<Simd> = OnceLock::new();
        *LEVEL.get_or_init(|| {
            let best = Self::best();
            match std::env::var("RUSHLIGHT_SIMD").as_deref() {
                Ok("scalar") => Self::Scalar,
                Ok("avx2") => best.min(Self::Avx2),
                _ => best,
            }
        })
    }

    /// Every level this machine can run, the plainest first; for tests.
    pub fn available() -> Vec<Self> {
        let best = Self::best();
        let levels = if cfg!(target_arch = "aarch64") {
            vec![Self::Scalar, Self::Neon]
        } else {
            vec![Self::Scalar, Self::Avx2, Self::Avx512]
        };
        levels.into_iter().filter(|level| *level <= best).collect()
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) fn best() -> Self {
        let wide = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        let fused = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        match (fused, wide) {
            (true, true) => Self::Avx512,
            (true, false) => Self::Avx2,
            _ => Self::Scalar,
        }
    }

    #[cfg(target_arch = "aarch64")]
    pub(crate) fn best() -> Self {
        Self::Neon
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub(crate) fn best() -> Self {
        Self::Scalar
    }
}

impl fmt::Display for Simd {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Scalar => "scalar",
            Self::Neon => "NEON",
            Self::Avx2 => "AVX2",
            Self::Avx512 => "AVX-512",
        })
    }
}

/// The CPU. Its threads are rayon's global pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Cpu {
    /// Largest slab, in bytes: without limit, except in tests.
    pub(super) binding_limit: u64,
}

impl Default for Cpu {
    fn default() -> Self {
        Self { binding_limit: isize::MAX as u64 }
    }
}

impl Cpu {
    /// The processor's name, as the system tells it.
    pub fn name(&self) -> String {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(':').nth(1));
        model.map_or_else(|| std::env::consts::ARCH.to_string(), |name| name.trim().to_string())
    }

    /// Threads that kernels use.
    pub fn threads(&self) -> usize {
        rayon::current_num_threads()
    }
}

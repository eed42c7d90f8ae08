//! The figures of a study: what each is called, its unit, which way is better, and where it is defined.

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The more.
    More,
    /// The less.
    Less,
    /// The nearer to 0.
    NearZero,
}

/// A figure of merit.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// In files.
    pub name: &'static str,
    /// In text.
    pub title: &'static str,
    /// Its unit; empty for a pure number.
    pub unit: &'static str,
    /// Which way is better.
    pub better: Better,
    /// What it is and who defined it, one sentence.
    pub source: &'static str,
    /// How its interval was made.
    pub interval: &'static str,
}

const STUDENT: &str = "Student's t over the realisations";

/// Every figure, in the order of the report.
pub const ALL: &[Metric] = &[
    Metric {
        name: "rmse",
        title: "RMSE",
        unit: "HU",
        better: Better::Less,
        source: "Root mean square error inside the inscribed circle, against the truth.",
        interval: STUDENT,
    },
    Metric {
        name: "psnr",
        title: "PSNR",
        unit: "dB",
        better: Better::More,
        source: "20·log₁₀(data range/RMSE), in the inscribed circle; the data range is stated with each subject.",
        interval: STUDENT,
    },
    Metric {
        name: "ssim",
        title: "SSIM",
        unit: "",
        better: Better::More,
        source: "Structural similarity: Wang, Bovik, Sheikh, Simoncelli, IEEE Trans. Image Process. 13 (2004) 600; Gaussian window of 11 × 11 pixels, σ = 1.5, in the inscribed circle.",
        interval: STUDENT,
    },
    Metric {
        name: "bias",
        title: "CT-number bias",
        unit: "HU",
        better: Better::NearZero,
        source: "Mean over a uniform part less its true CT number (AAPM TG-233, 2019).",
        interval: STUDENT,
    },
    Metric {
        name: "noise",
        title: "Noise",
        unit: "HU",
        better: Better::Less,
        source: "Standard deviation of a pixel over the realisations, rms over the middle of the water body (AAPM TG-233, 2019).",
        interval: "Student's t over the realisations' variances",
    },
];

impl Metric {
    /// The figure called `name`.
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|metric| metric.name == name)
    }
}

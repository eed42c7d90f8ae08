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
    /// Neither: it describes.
    Neither,
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
    Metric {
        name: "nps_frequency",
        title: "Mean frequency of the noise",
        unit: "1/mm",
        better: Better::Neither,
        source: "∫f·NPS(f)df/∫NPS(f)df of the radial noise power spectrum up to Nyquist (AAPM TG-233, 2019; Siewerdsen, Cunningham, Jaffray, Med. Phys. 29 (2002) 2655), in the middle of the water body, the ensemble's mean taken away: lower is coarser grain, neither better nor worse.",
        interval: STUDENT,
    },
    Metric {
        name: "ttf50",
        title: "TTF at 50 %",
        unit: "1/mm",
        better: Better::More,
        source: "Frequency at which the task transfer function of a disc's edge falls to a half, on the mean of the realisations: Richard et al., Med. Phys. 39 (2012) 4115; AAPM TG-233 (2019). Not given where the total contrast-to-noise ratio is under 15.",
        interval: "percentile bootstrap over the realisations, 200 resamplings",
    },
    Metric {
        name: "dprime",
        title: "d′",
        unit: "",
        better: Better::More,
        source: "Detectability of a disc by a channelised Hotelling observer, each image judged by an observer trained on the others: Barrett et al., PNAS 90 (1993) 9758; channels: see the protocol.",
        interval: "percentile bootstrap over the images judged",
    },
    Metric {
        name: "auc",
        title: "AUC",
        unit: "",
        better: Better::More,
        source: "Area under that observer's ROC curve.",
        interval: "DeLong's variance",
    },
];

impl Metric {
    /// What it is called within a sentence.
    pub fn words(&self) -> String {
        let capital = self.title.chars().take_while(|c| c.is_uppercase()).count();
        match capital {
            1 => self.title[..1].to_lowercase() + &self.title[1..],
            _ => self.title.to_string(),
        }
    }

    /// The figure called `name`.
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|metric| metric.name == name)
    }
}

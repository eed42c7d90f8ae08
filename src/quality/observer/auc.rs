//! Area under the ROC curve without a model: the Mann–Whitney statistic, with the variance of DeLong, DeLong and
//! Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating characteristic curves",
//! Biometrics 44 (1988) 837.

/// The normal distribution's 97.5 % quantile.
const Z: f64 = 1.959963984540054;

/// AUC of `present` over `absent`, ties counting half, and its variance; NaN where a list has less than two scores.
pub fn delong(present: &[f64], absent: &[f64]) -> (f64, f64) {
    let against = |scores: &[f64], others: &[f64]| -> Vec<f64> {
        let mut others = others.to_vec();
        others.sort_by(f64::total_cmp);
        let below = |score: f64| others.partition_point(|other| *other < score);
        let up_to = |score: f64| others.partition_point(|other| *other <= score);
        scores.iter().map(|&score| (below(score) + up_to(score)) as f64 / 2.0 / others.len() as f64).collect()
    };
    let moments = |placements: &[f64]| {
        let mean = placements.iter().sum::<f64>() / placements.len() as f64;
        let squares: f64 = placements.iter().map(|placement| (placement - mean).powi(2)).sum();
        (mean, squares / (placements.len() as f64 - 1.0) / placements.len() as f64)
    };
    let (auc, of_present) = moments(&against(present, absent));
    let (_, of_absent) = moments(&against(absent, present));
    (auc, of_present + of_absent)
}

/// The interval that holds `auc` with 95 %: normal on the logit scale, so that it stays between 0 and 1 (Pepe, "The
/// statistical evaluation of medical tests", 2003, 5.2). At 0 or 1, where the variance says nothing, that of Clopper
/// and Pearson for as many trials as the smaller list has `images`.
pub fn interval(auc: f64, variance: f64, images: usize) -> [f64; 2] {
    let bound = 0.025_f64.powf(1.0 / images as f64);
    if auc >= 1.0 {
        return [bound, 1.0];
    }
    if auc <= 0.0 {
        return [0.0, 1.0 - bound];
    }
    let (logit, reach) = ((auc / (1.0 - auc)).ln(), Z * variance.sqrt() / (auc * (1.0 - auc)));
    [logit - reach, logit + reach].map(|logit| 1.0 / (1.0 + (-logit).exp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_case_by_hand() {
        // Pairs won by {3, 4, 2} over {1, 3}: 1 + ½, 2, 1 of 6. Placements ¾, 1, ½ (variance 1/16) and of the absent
        // 0, ½ (of three: 0 wins; 1 win and a tie, 1½/3; variance 1/8).
        let (auc, variance) = delong(&[3.0, 4.0, 2.0], &[1.0, 3.0]);
        assert!((auc - 0.75).abs() < 1e-15);
        assert!((variance - (1.0 / 16.0 / 3.0 + 1.0 / 8.0 / 2.0)).abs() < 1e-15, "{variance}");
    }

    #[test]
    fn intervals_stay_between_0_and_1() {
        let [low, high] = interval(0.98, 0.0004, 50);
        assert!(low > 0.8 && low < 0.94 && high > 0.98 && high < 1.0, "{low} {high}");
        // 0.025^(1/200) = 0.98173.
        let [low, high] = interval(1.0, 0.0, 200);
        assert!((low - 0.981725).abs() < 1e-5 && high == 1.0, "{low}");
        assert_eq!(interval(0.0, 0.0, 200)[0], 0.0);
    }
}

//! The Hotelling template w = K⁻¹(v̄₁ − v̄₀) from examples, and the scores of images it was not trained on.

use ndarray::{ArrayView1, ArrayView2};

use super::{Scores, Validation};
use crate::error::{Error, Result};

/// Count, sum and sum of products of some channel outputs: an image can be added or taken out.
#[derive(Clone)]
struct Moments {
    count: f64,
    sum: Vec<f64>,
    products: Vec<f64>,
}

impl Moments {
    fn new(outputs: &[Vec<f64>], channels: usize) -> Self {
        let mut moments = Self { count: 0.0, sum: vec![0.0; channels], products: vec![0.0; channels * channels] };
        outputs.iter().for_each(|output| moments.add(output, 1.0));
        moments
    }

    fn add(&mut self, output: &[f64], weight: f64) {
        self.count += weight;
        for (i, a) in output.iter().enumerate() {
            self.sum[i] += weight * a;
            let row = &mut self.products[i * output.len()..][..output.len()];
            row.iter_mut().zip(output).for_each(|(product, b)| *product += weight * a * b);
        }
    }

    fn without(&self, output: &[f64]) -> Self {
        let mut moments = self.clone();
        moments.add(output, -1.0);
        moments
    }

    fn mean(&self, channel: usize) -> f64 {
        self.sum[channel] / self.count
    }

    fn covariance(&self, i: usize, j: usize) -> f64 {
        (self.products[i * self.sum.len() + j] - self.sum[i] * self.sum[j] / self.count) / (self.count - 1.0)
    }
}

/// A trained observer: its score is wᵀ(v − middle).
struct Template {
    weights: Vec<f64>,
    middle: Vec<f64>,
}

impl Template {
    fn train(present: &Moments, absent: &Moments) -> Result<Self> {
        let channels = present.sum.len();
        let mean = |i: usize, j: usize| (present.covariance(i, j) + absent.covariance(i, j)) / 2.0;
        // Every channel in units of its own spread: channels differ by orders of magnitude.
        let spread: Vec<f64> = (0..channels).map(|i| mean(i, i).max(0.0).sqrt()).collect();
        if let Some(quiet) = spread.iter().position(|spread| *spread == 0.0) {
            return Err(Error::Option(format!(
                "channel {quiet} has the same output for all images: there is no noise to see the signal in"
            )));
        }
        let covariance = (0..channels * channels).map(|k| {
            let (i, j) = (k / channels, k % channels);
            mean(i, j) / (spread[i] * spread[j])
        });
        let difference = (0..channels).map(|i| (present.mean(i) - absent.mean(i)) / spread[i]).collect();
        let solution = solve(covariance.collect(), difference).ok_or_else(|| {
            Error::Option(format!(
                "the {channels} channels are not independent on these images: take fewer channels, larger regions or more images"
            ))
        })?;
        let weights = solution.iter().zip(&spread).map(|(weight, spread)| weight / spread).collect();
        let middle = (0..channels).map(|i| (present.mean(i) + absent.mean(i)) / 2.0).collect();
        Ok(Self { weights, middle })
    }

    /// Scores are taken from the middle of the training means: those of observers trained on slightly other images
    /// are then on one scale, whatever level the images have.
    fn score(&self, output: &[f64]) -> f64 {
        self.weights.iter().zip(output.iter().zip(&self.middle)).map(|(w, (v, middle))| w * (v - middle)).sum()
    }
}

/// Solves Ax = b for a positive definite A in C order, by Cholesky; `None` where it is not, or nearly not.
fn solve(mut a: Vec<f64>, mut b: Vec<f64>) -> Option<Vec<f64>> {
    let n = b.len();
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
            let rest = a[i * n + j] - dot;
            a[i * n + j] = match i == j {
                // The diagonal is 1: what is left of it says how much of the channel the others do not know.
                true if rest < 1e-10 || !rest.is_finite() => return None,
                true => rest.sqrt(),
                false => rest / a[j * n + j],
            };
        }
    }
    for i in 0..n {
        let dot: f64 = (0..i).map(|k| a[i * n + k] * b[k]).sum();
        b[i] = (b[i] - dot) / a[i * n + i];
    }
    for i in (0..n).rev() {
        let dot: f64 = (i + 1..n).map(|k| a[k * n + i] * b[k]).sum();
        b[i] = (b[i] - dot) / a[i * n + i];
    }
    Some(b)
}

/// Trains and scores as `validation` says; outputs are `[n, channel]`.
pub(super) fn scores(present: ArrayView2<f64>, absent: ArrayView2<f64>, validation: Validation) -> Result<Scores> {
    let channels = present.ncols();
    // From a common origin: sums of squares about 0 would lose the noise beside the level.
    let origin: Vec<f64> = absent.row(0).to_vec();
    let centered = |outputs: ArrayView2<f64>| -> Vec<Vec<f64>> {
        let from_origin = |row: ArrayView1<f64>| row.iter().zip(&origin).map(|(v, o)| v - o).collect();
        outputs.outer_iter().map(from_origin).collect()
    };
    let (present, absent) = (centered(present), centered(absent));
    let all = |images: usize| (images, images);
    let counts = |images: usize| match validation {
        Validation::Resubstitution => all(images),
        Validation::HoldOut { training } => {
            let trains = (training * images as f64).round() as usize;
            (trains, images.saturating_sub(trains))
        }
        Validation::LeaveOneOut => (images.saturating_sub(1), images),
    };
    if let Validation::HoldOut { training } = validation
        && !(training > 0.0 && training < 1.0)
    {
        return Err(Error::Option(format!("{training} of the images to train with: it must be between 0 and 1")));
    }
    let parts = [counts(present.len()), counts(absent.len())];
    enough(parts, channels)?;
    let moments = |outputs: &[Vec<f64>]| Moments::new(outputs, channels);
    if validation == Validation::LeaveOneOut {
        return leave_one_out(&present, &absent, &moments(&present), &moments(&absent));
    }
    let template = Template::train(&moments(&present[..parts[0].0]), &moments(&absent[..parts[1].0]))?;
    let judged = |outputs: &[Vec<f64>], (_, judged): (usize, usize)| {
        outputs[outputs.len() - judged..].iter().map(|output| template.score(output)).collect()
    };
    Ok(Scores { present: judged(&present, parts[0]), absent: judged(&absent, parts[1]), channels })
}

/// Refuses too few images: (training, judged) with and without the signal.
fn enough([present, absent]: [(usize, usize); 2], channels: usize) -> Result<()> {
    let trains = present.0 + absent.0;
    // The covariance's degrees of freedom, with as many to spare: below, its inverse is mostly noise.
    let needed = 2 * channels + 2;
    if present.0.min(absent.0) < 2 || trains < needed || present.1.min(absent.1) < 2 {
        return Err(Error::Option(format!(
            "too few realisations for {channels} channels: {} with and {} without the signal to train on, {} and {} to \
             judge by; at least {needed} to train on and two of each kind to judge by are needed",
            present.0, absent.0, present.1, absent.1
        )));
    }
    Ok(())
}

fn leave_one_out(present: &[Vec<f64>], absent: &[Vec<f64>], with: &Moments, without: &Moments) -> Result<Scores> {
    let score = |(template, output): (Result<Template>, &Vec<f64>)| template.map(|template| template.score(output));
    let trained = present.iter().map(|output| (Template::train(&with.without(output), without), output)).map(score);
    let scores_present = trained.collect::<Result<_>>()?;
    let trained = absent.iter().map(|output| (Template::train(with, &without.without(output)), output)).map(score);
    Ok(Scores { present: scores_present, absent: trained.collect::<Result<_>>()?, channels: with.sum.len() })
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn a_system_is_solved() {
        let a = vec![4.0, 2.0, 1.0, 2.0, 5.0, 3.0, 1.0, 3.0, 6.0];
        let x = solve(a.clone(), vec![11.0, 21.0, 25.0]).unwrap();
        for (row, b) in a.chunks(3).zip([11.0, 21.0, 25.0]) {
            assert!((row.iter().zip(&x).map(|(a, x)| a * x).sum::<f64>() - b).abs() < 1e-12);
        }
        assert!(solve(vec![1.0, 1.0, 1.0, 1.0], vec![1.0, 2.0]).is_none());
    }

    #[test]
    fn leaving_one_out_is_training_on_the_others() {
        let outputs = |shift: f64| {
            Array2::from_shape_fn((7, 2), |(n, c)| {
                500.0 + shift + ((n * n * 7 + c * 3 + n) % 11) as f64 * (c + 1) as f64
            })
        };
        let (present, absent) = (outputs(3.0), outputs(0.0));
        let found = scores(present.view(), absent.view(), Validation::LeaveOneOut).unwrap();
        let others: Vec<usize> = (0..7).filter(|n| *n != 2).collect();
        let rows = |outputs: &Array2<f64>| outputs.outer_iter().map(|row| row.to_vec()).collect::<Vec<_>>();
        let train = Moments::new(&rows(&present.select(ndarray::Axis(0), &others)), 2);
        let template = Template::train(&train, &Moments::new(&rows(&absent), 2)).unwrap();
        assert!((found.present[2] - template.score(&present.row(2).to_vec())).abs() < 1e-8);
    }

    #[test]
    fn too_few_images_are_refused() {
        let outputs = Array2::from_shape_fn((4, 6), |(n, c)| ((n * 5 + c * c * 3) % 7) as f64);
        for validation in [Validation::LeaveOneOut, Validation::Resubstitution, Validation::HoldOut { training: 0.5 }] {
            let said = scores(outputs.view(), outputs.view(), validation).unwrap_err().to_string();
            assert!(said.contains("too few realisations for 6 channels"), "{said}");
        }
        let wrong = scores(outputs.view(), outputs.view(), Validation::HoldOut { training: 1.5 });
        assert!(wrong.unwrap_err().to_string().contains("between 0 and 1"));
    }
}

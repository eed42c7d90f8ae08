//! Nyquist's ghost of echo-planar imaging: lines read backwards differ from those read forwards by a delay of the gradient and
//! a phase, which in the image along x are a linear phase. Navigators without phase encoding tell it (Bruder et al., Magn.
//! Reson. Med. 23, 311, 1992; Heid, ISMRM 1997, 2014, for three lines, whose drift from line to line falls out).

use num_complex::{Complex32, Complex64};

use super::ismrmrd_acquisitions::{Acquisition, PHASE_CORRECTION, REVERSE};

/// By how much the phase of lines read backwards leads that of the others: at the image's middle, and per pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Lead {
    middle: f64,
    slope: f64,
}

/// The image along x of one navigator, coil by coil, and whether it was read backwards.
type Navigator = (bool, Vec<Vec<Complex32>>);

impl Lead {
    /// From navigators in their order; none where these do not go both ways.
    fn of(navigators: &[Navigator]) -> Option<Self> {
        // A line between two of the other kind is at their middle in time too; where there are only two, that is lost.
        let both = |lines: &[Navigator]| lines.windows(2).all(|pair| pair[0].0 != pair[1].0);
        let triples: Vec<_> = navigators.windows(3).filter(|lines| both(lines)).collect();
        let sets =
            if triples.is_empty() { navigators.windows(2).filter(|lines| both(lines)).collect() } else { triples };
        let extent = navigators.first()?.1.first()?.len();
        let mut product = vec![Complex64::ZERO; extent];
        let wide = |value: Complex32| Complex64::new(value.re.into(), value.im.into());
        for lines in sets {
            let (backwards, middle) = &lines[1];
            for other in lines.iter().step_by(2) {
                for (middle, other) in middle.iter().zip(&other.1) {
                    for (sum, (middle, other)) in product.iter_mut().zip(middle.iter().zip(other)) {
                        let lead = wide(*middle) * wide(*other).conj();
                        *sum += if *backwards { lead } else { lead.conj() };
                    }
                }
            }
        }
        Self::fit(&product)
    }

    /// The line through the phase of `product`, weighted by its magnitude.
    fn fit(product: &[Complex64]) -> Option<Self> {
        let middle = (product.len() / 2) as f64;
        let weight: f64 = product.iter().map(|value| value.norm()).sum();
        if !(weight > 0.0 && weight.is_finite()) {
            return None;
        }
        // Neighbours' difference is a start that no wrap of the phase disturbs; least squares of what is left are the end.
        let slope = product.windows(2).map(|pair| pair[1] * pair[0].conj()).sum::<Complex64>().arg();
        let mut lead = Self { middle: 0.0, slope };
        let rest = |lead: Self| {
            let turned = move |(x, value): (usize, &Complex64)| {
                value * Complex64::cis(-(lead.middle + lead.slope * (x as f64 - middle)))
            };
            product.iter().enumerate().map(turned)
        };
        lead.middle = rest(lead).sum::<Complex64>().arg();
        for _ in 0..3 {
            let [mut one, mut x1, mut x2, mut phase, mut phase_x] = [0.0; 5];
            for (x, value) in rest(lead).enumerate() {
                let (x, weight, arg) = (x as f64 - middle, value.norm(), value.arg());
                one += weight;
                x1 += weight * x;
                x2 += weight * x * x;
                phase += weight * arg;
                phase_x += weight * arg * x;
            }
            let determinant = one * x2 - x1 * x1;
            if determinant > 1e-9 * one * x2 {
                lead.middle += (phase * x2 - phase_x * x1) / determinant;
                lead.slope += (one * phase_x - x1 * phase) / determinant;
            }
        }
        (lead.middle.is_finite() && lead.slope.is_finite()).then_some(lead)
    }

    /// What a line's image is to be multiplied by: half to each kind, so that a delay leaves the object where it is.
    fn factors(self, extent: usize, backwards: bool) -> Vec<Complex32> {
        let half = if backwards { -0.5 } else { 0.5 };
        let phase = |x: usize| half * (self.middle + self.slope * (x as f64 - (extent / 2) as f64));
        (0..extent).map(|x| Complex64::cis(phase(x))).map(|f| Complex32::new(f.re as f32, f.im as f32)).collect()
    }
}

/// The corrections of a measurement: one a run of navigators.
pub(super) struct Ghosts(Vec<Correction>);

struct Correction {
    /// Number of the last navigator among all acquisitions.
    at: usize,
    slice: usize,
    /// Factors of lines read forwards and backwards.
    factors: [Vec<Complex32>; 2],
}

impl Ghosts {
    /// From the navigators of one encoding among `acquisitions`; `image` makes their images along x, `slice` says whose they are.
    pub(super) fn of(
        acquisitions: &[Acquisition],
        space: usize,
        mut image: impl FnMut(&Acquisition) -> Result<Vec<Vec<Complex32>>, String>,
    ) -> Result<Self, String> {
        let mut list = Vec::new();
        let mut run: Vec<Navigator> = Vec::new();
        let mut last = None;
        let mut end = |run: &mut Vec<Navigator>, last: Option<(usize, usize)>| {
            if let (Some((at, slice)), Some(lead)) = (last, Lead::of(run)) {
                let extent = run[0].1[0].len();
                let factors = [false, true].map(|backwards| lead.factors(extent, backwards));
                list.push(Correction { at, slice, factors });
            }
            run.clear();
        };
        for (number, acquisition) in acquisitions.iter().enumerate().filter(|(_, a)| a.space == space) {
            let navigator = acquisition.has(PHASE_CORRECTION);
            if !navigator && !acquisition.of_image() {
                continue;
            }
            if !navigator || last.is_some_and(|(_, slice)| slice != acquisition.slice()) {
                end(&mut run, last);
            }
            if navigator && acquisition.samples > 0 && acquisition.coils > 0 {
                run.push((acquisition.has(REVERSE), image(acquisition)?));
                last = Some((number, acquisition.slice()));
            }
        }
        end(&mut run, last);
        Ok(Self(list))
    }

    /// The factors for the image of acquisition `number`: by the last navigators of its slice before it, else the first after.
    pub(super) fn factors(&self, number: usize, acquisition: &Acquisition) -> Option<&[Complex32]> {
        let of_slice = |c: &&Correction| c.slice == acquisition.slice();
        let before = self.0.iter().rev().filter(of_slice).find(|correction| correction.at < number);
        let found = before.or_else(|| self.0.iter().find(of_slice))?;
        Some(&found.factors[usize::from(acquisition.has(REVERSE))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An object of two edges, seen by two coils; backwards it leads by 0.4 + 0.05 x, and every line is 0.3 ahead of the last.
    fn navigators(count: usize) -> Vec<Navigator> {
        let line = |number: usize| {
            let backwards = number % 2 == 1;
            let coil = |coil: usize| {
                let value = |x: usize| {
                    let size = if (20..50).contains(&x) { 1.0 + (coil * x) as f64 / 64.0 } else { 0.0 };
                    let own = 0.2 * x as f64 + 2.0 * coil as f64 + 0.3 * number as f64;
                    let lead = if backwards { 0.4 + 0.05 * (x as f64 - 32.0) } else { 0.0 };
                    let value = size * Complex64::cis(own + lead);
                    Complex32::new(value.re as f32, value.im as f32)
                };
                (0..64).map(value).collect()
            };
            (backwards, (0..2).map(coil).collect())
        };
        (0..count).map(line).collect()
    }

    #[test]
    fn three_lines_tell_delay_and_phase_apart_from_drift() {
        let lead = Lead::of(&navigators(3)).unwrap();
        assert!((lead.middle - 0.4).abs() < 1e-5 && (lead.slope - 0.05).abs() < 1e-6, "{lead:?}");
        // Two lines cannot: the drift is in the phase.
        let lead = Lead::of(&navigators(2)).unwrap();
        assert!((lead.middle - 0.7).abs() < 1e-5 && (lead.slope - 0.05).abs() < 1e-6, "{lead:?}");
    }

    #[test]
    fn lines_of_one_kind_tell_nothing() {
        let one_way: Vec<_> = navigators(5).into_iter().step_by(2).collect();
        assert_eq!(Lead::of(&one_way), None);
        assert_eq!(Lead::of(&[]), None);
    }
}

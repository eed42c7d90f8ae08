//! What each ray counts in filtered backprojection: the angle its view stands for, and its share where the line it
//! measured was measured twice.

use std::f64::consts::PI;

use crate::geometry::{Circular, Geometry, Shape};

/// How doubly measured lines are shared, and what the scan covers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Redundancy {
    /// Parallel rays: views half a turn apart measure the same lines; their angular gaps share them.
    HalfTurn,
    /// A full turn: every line is measured twice, each counts half.
    FullTurn,
    /// A full turn with the detector to one side: a smooth change-over across the part measured twice (Wang 2002,
    /// Med. Phys. 29, 1634).
    OffsetDetector,
    /// A fan over half a turn and its opening, or more: Parker 1982 (Med. Phys. 9, 254), with the fan angle that the
    /// range allows for in place of the fan's own (Silver 2000, Med. Phys. 27, 773).
    ShortScan,
    /// Less than a short scan: rays with a measured counterpart share (Noo et al. 2002, Phys. Med. Biol. 47, 2525);
    /// what was not measured is missing from the image.
    Limited,
}

impl Redundancy {
    /// In words, for reports.
    pub fn describe(self) -> &'static str {
        match self {
            Self::HalfTurn => "angular gaps over a half turn",
            Self::FullTurn => "full turn, each ray half",
            Self::OffsetDetector => "full turn, offset-detector weights (Wang 2002)",
            Self::ShortScan => "short scan, Parker weights (Parker 1982, Silver 2000)",
            Self::Limited => "limited angle, shared rays weighted after Noo 2002",
        }
    }
}

/// The widest gap was not measured if it is wider than this, and this many times the second widest. No other gap
/// is ever left out: an uneven list of angles is a list of angles.
const WIDE: f64 = 15.0 * PI / 180.0;
const TIMES: f64 = 3.0;

/// The angles of a scan, sorted on a circle.
struct Circle {
    /// Indices of the views by angle.
    order: Vec<usize>,
    /// Gap from each of `order` to the next.
    gaps: Vec<f64>,
    /// The gap that was not measured, as an index into `order`.
    opening: Option<usize>,
    /// The median of the measured gaps.
    median: f64,
}

impl Circle {
    fn new(angles: &[f64], period: f64) -> Self {
        let folded: Vec<f64> = angles.iter().map(|angle| angle.rem_euclid(period)).collect();
        let mut order: Vec<usize> = (0..angles.len()).collect();
        order.sort_by(|&a, &b| folded[a].total_cmp(&folded[b]));
        let gap = |i: usize| match order.get(i + 1) {
            Some(&next) => folded[next] - folded[order[i]],
            None => folded[order[0]] + period - folded[order[i]],
        };
        let gaps: Vec<f64> = (0..order.len()).map(gap).collect();
        // Views that coincide (up to rounding) say nothing of the step.
        let mut steps: Vec<f64> = gaps.iter().copied().filter(|gap| *gap > 1e-6).collect();
        steps.sort_by(f64::total_cmp);
        let widest = steps.pop().unwrap_or(period);
        let open = steps.last().is_some_and(|second| widest > WIDE.max(TIMES * second));
        let opening = gaps.iter().position(|gap| open && *gap == widest);
        let median = steps.get(steps.len() / 2).copied().unwrap_or(widest);
        Self { order, gaps, opening, median }
    }
}

/// The angle each view stands for: half the gap to either neighbour on a circle of `period`. A wide gap that was not
/// measured (a limited-angle scan) counts as the median one.
pub fn angular_gaps(angles: &[f64], period: f64) -> Vec<f64> {
    let circle = Circle::new(angles, period);
    let measured = |i: usize| if circle.opening == Some(i) { circle.median } else { circle.gaps[i] };
    let mut weights = vec![0.0; angles.len()];
    for (i, &view) in circle.order.iter().enumerate() {
        let before = (i + circle.gaps.len() - 1) % circle.gaps.len();
        weights[view] = (measured(before) + measured(i)) / 2.0;
    }
    weights
}

/// What of a half turn (parallel rays) the angles leave out, in radians.
fn unmeasured(circle: &Circle) -> f64 {
    circle.opening.map_or(0.0, |opening| circle.gaps[opening] - circle.median)
}

/// Weights for filtered backprojection.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// What was found.
    pub redundancy: Redundancy,
    /// Angle of each view, radians.
    pub gaps: Vec<f64>,
    /// Factor of each ray: one line of columns for all views, or one a view.
    pub rays: Vec<f32>,
    /// Angle that a parallel scan leaves out of the half turn, radians.
    pub missing: f64,
}

/// One ray of the circular scan, as seen from the axis.
struct Ray {
    /// Angle from the view's central ray, along the columns' direction u.
    gamma: f64,
    /// Signed distance from the axis.
    distance: f64,
    /// |source · direction|, the Jacobian from (view, cell) to (angle, distance); 1 for parallel rays.
    jacobian: f64,
}

fn rays(geometry: &Geometry, circular: &Circular) -> Vec<Ray> {
    let view = &geometry.views[0];
    let (sin, cos) = circular.angles[0].sin_cos();
    (0..geometry.columns)
        .map(|column| {
            let ray = view.ray(0.0, column as f64);
            let [dx, dy, _] = ray.direction;
            let distance = |p: [f64; 3]| p[0] * dy - p[1] * dx;
            match view.source_position() {
                None => Ray { gamma: 0.0, distance: distance(ray.origin), jacobian: 1.0 },
                Some(source) => Ray {
                    gamma: (dx * cos + dy * sin).atan2(dy * cos - dx * sin),
                    distance: distance(source),
                    jacobian: (source[0] * dx + source[1] * dy).abs(),
                },
            }
        })
        .collect()
}

/// Finds the weights of a circular scan from its angles and its detector.
pub fn weights(geometry: &Geometry, circular: &Circular) -> Weights {
    let rays = rays(geometry, circular);
    let turn = Circle::new(&circular.angles, 2.0 * PI);
    let parallel = circular.shape == Shape::Parallel;
    let nearest = |side: f64| rays.iter().map(|ray| ray.distance * side).fold(f64::NEG_INFINITY, f64::max);
    let (left, right) = (nearest(-1.0), nearest(1.0));
    let overlap = left.min(right);
    let lopsided = (left - right).abs() > 0.02 * left.max(right) && overlap > 0.0;
    let mean = |f: &dyn Fn(&Ray) -> f64| rays.iter().map(|ray| f(ray) as f32).collect::<Vec<f32>>();
    let full_turn = turn.opening.is_none() && turn.order.len() > 2;
    if full_turn && lopsided {
        let sign = if right > left { 1.0 } else { -1.0 };
        let width = left.max(right);
        return Weights {
            redundancy: Redundancy::OffsetDetector,
            gaps: angular_gaps(&circular.angles, 2.0 * PI),
            rays: mean(&|ray| ray.jacobian * offset_detector(sign * ray.distance, overlap, width)),
            missing: 0.0,
        };
    }
    if parallel {
        let gaps = angular_gaps(&circular.angles, PI);
        let missing = unmeasured(&Circle::new(&circular.angles, PI));
        return Weights { redundancy: Redundancy::HalfTurn, gaps, rays: vec![1.0; geometry.columns], missing };
    }
    let gaps = angular_gaps(&circular.angles, 2.0 * PI);
    let Some(opening) = turn.opening else {
        let rays = mean(&|ray| ray.jacobian / 2.0);
        return Weights { redundancy: Redundancy::FullTurn, gaps, rays, missing: 0.0 };
    };
    let start = circular.angles[turn.order[(opening + 1) % turn.order.len()]] - turn.median / 2.0;
    let range = 2.0 * PI - turn.gaps[opening] + turn.median;
    let fan = rays.iter().map(|ray| ray.gamma.abs()).fold(0.0, f64::max);
    let short_scan = range + 1e-6 >= PI + 2.0 * fan;
    let share = |angle: f64, gamma: f64| {
        let beta = (angle - start).rem_euclid(2.0 * PI);
        if short_scan { parker(beta, gamma, (range - PI) / 2.0) } else { shared(beta, gamma, range) }
    };
    let table = circular.angles.iter().flat_map(|&angle| {
        let share = &share;
        rays.iter().map(move |ray| (ray.jacobian * share(angle, ray.gamma)) as f32)
    });
    let redundancy = if short_scan { Redundancy::ShortScan } else { Redundancy::Limited };
    Weights { redundancy, gaps, rays: table.collect(), missing: 0.0 }
}

/// Share of a ray `distance` from the axis towards the longer side: 0 at −overlap, 1 at overlap and beyond, a half
/// between, changing over smoothly; shares of ±distance add to 1.
fn offset_detector(distance: f64, overlap: f64, width: f64) -> f64 {
    let step = overlap.min(0.25 * width);
    let smooth = |x: f64| (PI / 2.0 * x.clamp(0.0, 1.0)).sin().powi(2);
    0.5 * smooth((distance + overlap) / step) + 0.5 * smooth((distance - overlap + step) / step)
}

/// Parker's weight at `beta` from the start of the scan. The counterpart of (β, γ) is (β + π − 2γ, −γ).
fn parker(beta: f64, gamma: f64, half_surplus: f64) -> f64 {
    let rise = half_surplus + gamma;
    let fall = half_surplus - gamma;
    let quarter = |x: f64| (PI / 4.0 * x).sin().powi(2);
    if beta < 2.0 * rise {
        quarter(beta / rise)
    } else if beta < PI + 2.0 * gamma {
        1.0
    } else if beta < PI + 2.0 * half_surplus {
        quarter((PI + 2.0 * half_surplus - beta) / fall)
    } else {
        0.0
    }
}

/// Noo's weight: c(β)/(c(β) + c(β′)) with c falling smoothly to the ends of the scan, over 10°.
fn shared(beta: f64, gamma: f64, range: f64) -> f64 {
    let taper = 10_f64.to_radians().min(range / 2.0);
    let c = |beta: f64| {
        let inside = beta.min(range - beta);
        if inside <= 0.0 { 0.0 } else { (PI / 2.0 * (inside / taper).min(1.0)).sin().powi(2) }
    };
    let counterparts = c((beta + PI - 2.0 * gamma).rem_euclid(2.0 * PI));
    if counterparts == 0.0 { 1.0 } else { c(beta) / (c(beta) + counterparts) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Fan, LengthUnit, Parallel};

    fn spaced(start: f64, end: f64, views: usize) -> Vec<f64> {
        (0..views).map(|i| (start + (end - start) * i as f64 / views as f64).to_radians()).collect()
    }

    #[test]
    fn gaps_fill_the_half_turn_whatever_the_order() {
        for mut angles in [spaced(0.0, 180.0, 7), spaced(360.0, 0.0, 8), spaced(0.0, 360.0, 9), spaced(-90.0, 90.0, 5)]
        {
            let total: f64 = angular_gaps(&angles, PI).iter().sum();
            assert!((total - PI).abs() < 1e-9, "{total}");
            let before = angular_gaps(&angles, PI);
            angles.swap(0, 3);
            assert!((angular_gaps(&angles, PI)[3] - before[0]).abs() < 1e-12);
        }
    }

    #[test]
    fn repeated_and_uneven_views_share_their_angle() {
        let angles = [0.0, 60.0, 90.0, 180.0].map(f64::to_radians);
        let degrees: Vec<f64> = angular_gaps(&angles, PI).iter().map(|w| w.to_degrees()).collect();
        // 0° and 180° measure the same lines: together they stand for 75°, in whatever shares.
        for (found, expected) in [(degrees[0] + degrees[3], 75.0), (degrees[1], 45.0), (degrees[2], 60.0)] {
            assert!((found - expected).abs() < 1e-9, "{degrees:?}");
        }
    }

    #[test]
    fn a_missing_wedge_is_not_given_to_its_edges() {
        let gaps = angular_gaps(&spaced(0.0, 90.0, 90), PI);
        assert!(gaps.iter().all(|gap| (gap.to_degrees() - 1.0).abs() < 1e-9));
    }

    #[test]
    fn uneven_lists_keep_every_gap() {
        let mut two_densities = spaced(0.0, 90.0, 180);
        two_densities.extend(spaced(90.0, 180.0, 30));
        let random: Vec<f64> =
            (1..=360_u64).map(|i| (i * i * 7919 % 180_000) as f64 / 1000.0).map(f64::to_radians).collect();
        for angles in [two_densities, random, vec![0.3; 4], vec![1.0]] {
            let total: f64 = angular_gaps(&angles, PI).iter().sum();
            assert!((total - PI).abs() < 1e-9, "{} angles: {total}", angles.len());
        }
        let wedge = Circle::new(&spaced(0.0, 150.0, 50), PI);
        assert!((unmeasured(&wedge).to_degrees() - 30.0).abs() < 1e-6);
    }

    fn fan(range: f64, views: usize, center: Option<f64>) -> Weights {
        let geometry = Fan {
            angles: spaced(20.0, 20.0 + range, views),
            columns: 101,
            rows: 1,
            cell: 3.0,
            cell_height: 1.0,
            source_origin: 500.0,
            source_detector: 900.0,
            center,
            axis_offset: 0.0,
            curved: false,
            unit: LengthUnit::Millimetre,
        }
        .geometry();
        weights(&geometry, &Circular::of(&geometry).unwrap())
    }

    #[test]
    fn counterparts_share_one_line_between_them() {
        for (range, gamma, beta) in [(222.0_f64, 0.15, 0.1), (222.0, -0.2, 0.3), (260.0, 0.1, 0.4), (205.0, 0.0, 0.2)] {
            let range = range.to_radians();
            let half_surplus = (range - PI) / 2.0;
            let partner = beta + PI - 2.0 * gamma;
            let sum = parker(beta, gamma, half_surplus) + parker(partner, -gamma, half_surplus);
            assert!((sum - 1.0).abs() < 1e-12, "range {range}, γ {gamma}: {sum}");
        }
        for distance in [0.0, 10.0, 35.0, 39.9] {
            let sum = offset_detector(distance, 40.0, 100.0) + offset_detector(-distance, 40.0, 100.0);
            assert!((sum - 1.0).abs() < 1e-12);
        }
        assert_eq!((offset_detector(70.0, 40.0, 100.0), offset_detector(-40.0, 40.0, 100.0)), (1.0, 0.0));
        let sum = shared(0.05, 0.01, 3.3) + shared(0.05 + PI - 0.02, -0.01, 3.3);
        assert!((sum - 1.0).abs() < 1e-12 && shared(1.5, 0.1, 3.0) == 1.0);
    }

    #[test]
    fn the_scan_says_which_weights_it_needs() {
        assert_eq!(fan(360.0, 90, None).redundancy, Redundancy::FullTurn);
        assert_eq!(fan(360.0, 90, Some(20.0)).redundancy, Redundancy::OffsetDetector);
        assert_eq!(fan(205.0, 90, None).redundancy, Redundancy::ShortScan);
        assert_eq!(fan(90.0, 90, None).redundancy, Redundancy::Limited);
        let parallel = Parallel {
            angles: spaced(0.0, 360.0, 50),
            columns: 64,
            rows: 1,
            cell: 1.0,
            cell_height: 1.0,
            center: None,
            unit: LengthUnit::Cell,
        };
        let geometry = parallel.geometry();
        assert_eq!(weights(&geometry, &Circular::of(&geometry).unwrap()).redundancy, Redundancy::HalfTurn);
        let geometry = Parallel { center: Some(12.0), ..parallel }.geometry();
        assert_eq!(weights(&geometry, &Circular::of(&geometry).unwrap()).redundancy, Redundancy::OffsetDetector);
    }
}

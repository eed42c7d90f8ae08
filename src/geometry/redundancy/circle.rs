//! The angles of a scan's views on a circle: steps, holes, and what each view stands for.

use std::f64::consts::{PI, TAU};

/// A gap is a hole, no step, if it is so many times the widest of the steps; and few gaps are.
const TIMES: f64 = 3.0;
/// Angle over which a view counts less towards the end of its arc, where a counterpart can stand in.
const TAPER: f64 = 20.0 * PI / 180.0;

/// From 0 to 1, with no slope at either.
pub(super) fn smooth(x: f64) -> f64 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

/// An arc of a circle: where it begins, and its length.
pub(super) type Arc = (f64, f64);

/// `angle`, at most a few periods off, on the circle.
pub(super) fn wrap(mut angle: f64, period: f64) -> f64 {
    while angle < 0.0 {
        angle += period;
    }
    while angle >= period {
        angle -= period;
    }
    angle
}

/// The angles of the views on a circle.
pub(super) struct Circle {
    period: f64,
    /// The views' angles on the circle, in their own order.
    pub(super) folded: Vec<f64>,
    /// What each view stands for: half the gap to either neighbour, or half a step towards a hole.
    pub(super) cells: Vec<f64>,
    /// What was not measured: from half a step beyond a view to half a step before the next.
    pub(super) holes: Vec<Arc>,
    /// Views that do not coincide.
    pub(super) directions: usize,
}

/// A function of the angle as a table, fine beside any step between views: it is asked for every ray.
pub(super) struct Table(Vec<f64>);

impl Table {
    pub(super) fn of(function: impl Fn(f64) -> f64) -> Self {
        const SAMPLES: usize = 1 << 14;
        let at = |i: usize| function(wrap(i as f64 / SAMPLES as f64 * TAU, TAU));
        Self((0..=SAMPLES).map(at).collect())
    }

    /// At an angle of −1 turn or more.
    pub(super) fn at(&self, angle: f64) -> f64 {
        let samples = self.0.len() - 1;
        let place = (angle / TAU + 1.0) * samples as f64;
        let index = place as usize;
        let (part, index) = (place - index as f64, index % samples);
        self.0[index] + part * (self.0[index + 1] - self.0[index])
    }
}

impl Circle {
    pub(super) fn new(angles: &[f64], period: f64) -> Self {
        let folded: Vec<f64> = angles.iter().map(|angle| wrap(angle.rem_euclid(period), period)).collect();
        let mut order: Vec<usize> = (0..angles.len()).collect();
        order.sort_by(|&a, &b| folded[a].total_cmp(&folded[b]));
        let count = order.len();
        let gap = |i: usize| match order.get(i + 1) {
            Some(&next) => folded[next] - folded[order[i]],
            None => folded[order[0]] + period - folded[order[i]],
        };
        let gaps: Vec<f64> = (0..count).map(gap).collect();
        // Views that coincide (up to rounding) say nothing of the step.
        let mut steps: Vec<f64> = gaps.iter().copied().filter(|gap| *gap > 1e-6).collect();
        steps.sort_by(|a, b| b.total_cmp(a));
        let most = (steps.len() / 20).max(1).min(steps.len().saturating_sub(1));
        // Half a turn without a view is no step either.
        let wide = usize::from(steps.first().is_some_and(|gap| *gap > PI + 1e-6));
        let open = (1..=most).rev().find(|&k| steps[k - 1] > TIMES * steps[k]).unwrap_or(wide);
        // A lone view stands for half a period.
        let step = steps.get(open + (steps.len() - open) / 2).copied().unwrap_or(period / 2.0);
        let narrowest = if open > 0 { steps[open - 1] } else { f64::INFINITY };
        let is_hole = |i: usize| gaps[i] >= narrowest;
        let holes = (0..count).filter(|&i| is_hole(i));
        let holes = holes.map(|i| (wrap(folded[order[i]] + step / 2.0, period), gaps[i] - step)).collect();
        let mut cells = vec![0.0; count];
        for (i, &view) in order.iter().enumerate() {
            let side = |i: usize| if is_hole(i) { step } else { gaps[i] };
            cells[view] = (side((i + count - 1) % count) + side(i)) / 2.0;
        }
        Self { period, folded, cells, holes, directions: steps.len() }
    }

    /// What each view stands for, the holes among them: the period in all.
    pub(super) fn measure(&self) -> Vec<f64> {
        let filled = |(angle, cell): (&f64, &f64)| cell * fill(*angle, &self.holes, self.period);
        let measure: Vec<f64> = self.folded.iter().zip(&self.cells).map(filled).collect();
        let scale = self.period / measure.iter().sum::<f64>();
        measure.into_iter().map(|angle| angle * scale).collect()
    }

    /// c of the views' arcs at `angle`: 0 in a hole, 1 far from any.
    pub(super) fn confidence(&self, angle: f64) -> f64 {
        self.depth(angle, |_| TAPER)
    }

    /// The same, but 1 from as far on as the hole is wide: a narrow hole concerns few views.
    pub(super) fn presence(&self, angle: f64) -> f64 {
        self.depth(angle, |length| TAPER.min(length))
    }

    /// How far `angle` is from the holes, each with a taper of its own, from 0 to 1.
    fn depth(&self, angle: f64, taper: impl Fn(f64) -> f64) -> f64 {
        let depth = |&(start, length): &Arc| {
            let before = wrap(start - angle, self.period);
            let after = wrap(angle - start, self.period) - length;
            before.min(after.max(0.0)) / taper(length)
        };
        smooth(self.holes.iter().map(depth).fold(1.0, f64::min))
    }

    /// Angles that were not measured in all.
    pub(super) fn missing(&self) -> f64 {
        missing_of(&self.holes)
    }
}

pub(super) fn missing_of(holes: &[Arc]) -> f64 {
    holes.iter().map(|(_, length)| length).sum()
}

/// How many times its own a ray at `angle` counts: 2 at a hole's edge, falling to 1 as far from it as the hole is wide.
pub(super) fn fill(angle: f64, holes: &[Arc], period: f64) -> f64 {
    let beside = |&(start, length): &Arc| {
        let share = |distance: f64| if distance < length { 0.5 + 0.5 * (PI * distance / length).cos() } else { 0.0 };
        share(wrap(start - angle, period)) + share(wrap(angle - start - length, period))
    };
    1.0 + holes.iter().map(beside).sum::<f64>()
}

/// Where holes of both lists meet, each list turned by an angle.
pub(super) fn common(holes: &[Arc], turn: f64, other_turn: f64) -> Vec<Arc> {
    let mut common = Vec::new();
    for (a, long) in holes {
        for (b, other) in holes {
            let (a, b) = (wrap(a + turn, TAU), wrap(b + other_turn, TAU));
            let (ahead, behind) = (wrap(b - a, TAU), wrap(a - b, TAU));
            if ahead < *long {
                common.push((b, other.min(long - ahead)));
            } else if behind < *other {
                common.push((a, long.min(other - behind)));
            }
            // Two arcs whose ends both overlap meet twice.
            if ahead < *long && behind > 0.0 && behind < *other {
                common.push((a, long.min(other - behind)));
            }
        }
    }
    common.retain(|(_, length)| *length > 1e-9);
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spaced(start: f64, end: f64, views: usize) -> Vec<f64> {
        (0..views).map(|i| (start + (end - start) * i as f64 / views as f64).to_radians()).collect()
    }

    fn measure(angles: &[f64], period: f64) -> Vec<f64> {
        Circle::new(angles, period).measure()
    }

    #[test]
    fn gaps_fill_the_half_turn_whatever_the_order() {
        for mut angles in [spaced(0.0, 180.0, 7), spaced(360.0, 0.0, 8), spaced(0.0, 360.0, 9), spaced(-90.0, 90.0, 5)]
        {
            let before = measure(&angles, PI);
            assert!((before.iter().sum::<f64>() - PI).abs() < 1e-9);
            angles.swap(0, 3);
            assert!((measure(&angles, PI)[3] - before[0]).abs() < 1e-12);
        }
    }

    #[test]
    fn repeated_and_uneven_views_share_their_angle() {
        let angles = [0.0, 60.0, 90.0, 180.0].map(f64::to_radians);
        let degrees: Vec<f64> = measure(&angles, PI).iter().map(|w| w.to_degrees()).collect();
        // 0° and 180° measure the same lines: together they stand for 75°, in whatever shares.
        for (found, expected) in [(degrees[0] + degrees[3], 75.0), (degrees[1], 45.0), (degrees[2], 60.0)] {
            assert!((found - expected).abs() < 1e-9, "{degrees:?}");
        }
    }

    #[test]
    fn a_missing_wedge_goes_to_the_views_beside_it() {
        let degrees: Vec<f64> = measure(&spaced(0.0, 160.0, 160), PI).iter().map(|gap| gap.to_degrees()).collect();
        assert!((degrees.iter().sum::<f64>() - 180.0).abs() < 1e-9);
        // 20° are missing: at the edges a view counts twice, 20° from them once.
        assert!((degrees[0] - 2.0).abs() < 0.03 && (degrees[159] - 2.0).abs() < 0.03, "{degrees:?}");
        assert!(degrees[..20].is_sorted_by(|a, b| a >= b));
        assert!(degrees[21..139].iter().all(|gap| (gap - 1.0).abs() < 0.01), "{degrees:?}");
        assert!((Circle::new(&spaced(0.0, 160.0, 160), PI).missing().to_degrees() - 20.0).abs() < 1e-6);
    }

    #[test]
    fn uneven_lists_keep_every_gap() {
        let mut two_densities = spaced(0.0, 90.0, 180);
        two_densities.extend(spaced(90.0, 180.0, 30));
        let random: Vec<f64> =
            (1..=360_u64).map(|i| (i * i * 7919 % 180_000) as f64 / 1000.0).map(f64::to_radians).collect();
        for angles in [two_densities, random, vec![0.3; 4], vec![1.0]] {
            let circle = Circle::new(&angles, PI);
            assert!(circle.holes.is_empty());
            assert!((circle.measure().iter().sum::<f64>() - PI).abs() < 1e-9, "{} angles", angles.len());
        }
    }
}

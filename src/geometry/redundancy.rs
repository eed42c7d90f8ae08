//! What each ray of a circular scan stands for, so that every line counts once however often it was measured.
//!
//! A line at distance s from the axis is seen from either side: as (φ, s) and as (φ + π, −s). Each direction φ of a full turn
//! owes the lines at |s| its angle, and the two rays that measured one share it:
//!
//! measure(view, s) = (1 − p·m) · both(view, s) + p·m · one(view), the last term on the detector's longer side only.
//!
//! - `both` shares between the rays from either side. Parallel views half a turn apart measure the same lines, so that their
//!   angles fall on one circle of π. A fan's ray (β, γ) has its counterpart at (β + π − 2γ, −γ); the two share by c(β) : c(β′),
//!   where c falls smoothly to the ends of an arc, half a step beyond its first and last view (Parker 1982, Med. Phys. 9, 254;
//!   Noo et al. 2002, Phys. Med. Biol. 47, 2525). A ray without a counterpart counts whole.
//! - `one` is what a view stands for on a full turn: half the gap to either neighbour.
//! - p rises smoothly from 0, where both s and −s lie on the detector, to 1 where only one of them does (a detector to one
//!   side: Cho et al. 1996, Med. Phys. 23, 857; Wang 2002, Med. Phys. 29, 1634).
//! - m is 0 where only one of the two views was measured, and rises to 1 away from the ends of the arcs: the shorter side then has
//!   nobody to stand in for it, and what lies beyond it is air, or what the recipe takes it to be. A full turn has m = 1, a half
//!   turn 0.
//!
//! What no view measured goes to the rays beside it, over as many degrees as are missing and most to the nearest, so that the
//! whole always counts 2π: values keep their scale, and an arc a degree longer changes the image a little.

use std::f64::consts::{PI, TAU};

use rayon::prelude::*;

use super::{Circular, Geometry, Shape};

mod circle;

use circle::{Circle, Table, common, fill, missing_of, smooth, wrap};

/// What the rays of a scan stand for.
#[derive(Clone, Debug, PartialEq)]
pub struct Redundancy {
    /// Angle of each view, radians.
    pub views: Vec<f64>,
    /// Factor of each ray: one line of columns for all views, or one a view.
    pub rays: Vec<f64>,
    /// Angle that the views cover, of a turn, radians.
    pub arc: f64,
    /// Directions of the views that differ; parallel views half a turn apart do not.
    pub directions: usize,
    /// Share of the detector's reach to its farther edge from the axis that it has to the other side too.
    pub overlap: f64,
    /// Angle of the half turn over which no view of the scan's arc measures the lines at a column's distance from the axis,
    /// radians, for each column.
    pub missing: Vec<f64>,
}

/// The columns as the axis sees them.
struct Columns {
    /// Angle of each ray from the one through the axis, along the columns' direction u; 0 for parallel rays.
    gammas: Vec<f64>,
    /// p of each, and whether it lies on the detector's longer side.
    single: Vec<(f64, bool)>,
    overlap: f64,
}

impl Columns {
    fn new(geometry: &Geometry) -> Self {
        let view = &geometry.views[0];
        let radius = view.source_position().map(|source| source[0].hypot(source[1]));
        let distance = |column: f64| {
            let ray = view.ray(0.0, column);
            let [x, y, _] = view.source_position().unwrap_or(ray.origin);
            x * ray.direction[1] - y * ray.direction[0]
        };
        let distances: Vec<f64> = (0..geometry.columns).map(|column| distance(column as f64)).collect();
        let ends = [distance(-0.5), distance(geometry.columns as f64 - 0.5)];
        let (left, right) = (-ends[0].min(ends[1]), ends[0].max(ends[1]));
        let (overlap, width) = (left.min(right).max(0.0), left.max(right));
        // Nearly as long on either side: only the outermost cells change over.
        let change = overlap.min(0.25 * width).min(8.0 * (width - overlap));
        let single = |distance: &f64| {
            let beyond = distance.abs() - overlap;
            let p = if beyond >= 0.0 { 1.0 } else { smooth((beyond + change) / change.max(f64::MIN_POSITIVE)) };
            (p, (*distance > 0.0) == (right > left))
        };
        let gamma = |distance: &f64| radius.map_or(0.0, |radius| (distance / radius).clamp(-1.0, 1.0).asin());
        Self {
            single: distances.iter().map(single).collect(),
            gammas: distances.iter().map(gamma).collect(),
            overlap: overlap / width,
        }
    }
}

/// What each ray of a circular scan stands for.
pub fn redundancy(geometry: &Geometry, circular: &Circular) -> Redundancy {
    let turn = Circle::new(&circular.angles, TAU);
    let half_turn = (circular.shape == Shape::Parallel).then(|| Circle::new(&circular.angles, PI));
    let columns = Columns::new(geometry);
    let missing = |gamma: &f64| match &half_turn {
        Some(half_turn) => half_turn.missing(),
        None => missing_of(&common(&turn.holes, -gamma.abs(), gamma.abs() + PI)) / 2.0,
    };
    let made = |views: Vec<f64>, rays: Vec<f64>| Redundancy {
        views,
        rays,
        arc: TAU - turn.missing(),
        directions: half_turn.as_ref().unwrap_or(&turn).directions,
        overlap: columns.overlap,
        missing: columns.gammas.iter().map(missing).collect(),
    };
    let one = &turn.cells;
    let count = geometry.columns;
    if half_turn.is_none() && !turn.holes.is_empty() {
        let confidence = Table::of(|angle| turn.confidence(angle));
        let mut rays = shared_by_fans(&turn, &confidence, &columns.gammas);
        if columns.single.iter().any(|(p, _)| *p > 0.0) {
            let presence = Table::of(|angle| turn.presence(angle));
            rays.par_chunks_exact_mut(count).enumerate().for_each(|(view, line)| {
                let (beta, one) = (turn.folded[view], one[view]);
                let own = presence.at(beta);
                for ((share, gamma), single) in line.iter_mut().zip(&columns.gammas).zip(&columns.single) {
                    *share = mix(*single, own * presence.at(beta + PI - 2.0 * gamma), *share, one);
                }
            });
        }
        return made(vec![1.0; one.len()], rays);
    }
    let both = half_turn.as_ref().map_or_else(|| one.iter().map(|one| one / 2.0).collect(), Circle::measure);
    let mutual = |angle: &f64| turn.presence(*angle) * turn.presence(wrap(angle + PI, TAU));
    let mutual: Vec<f64> = turn.folded.iter().map(mutual).collect();
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    if most(&mut columns.single.iter().map(|single| single.0)) * most(&mut mutual.iter().copied()) == 0.0 {
        return made(both, vec![1.0; count]);
    }
    let ratio = both[0] / one[0];
    let even = |(both, one): (&f64, &f64)| (both - ratio * one).abs() <= 1e-9 * one;
    if turn.holes.is_empty() && both.iter().zip(one).all(even) {
        let rays = columns.single.iter().map(|single| mix(*single, 1.0, ratio, 1.0)).collect();
        return made(one.clone(), rays);
    }
    let line = |((both, one), mutual): ((&f64, &f64), &f64)| {
        let (both, one, mutual) = (*both, *one, *mutual);
        columns.single.iter().map(move |single| mix(*single, mutual, both, one))
    };
    let rays = both.iter().zip(one).zip(&mutual).flat_map(line).collect();
    made(vec![1.0; one.len()], rays)
}

/// The measure of a ray: p and whether it lies on the longer side, m, `both` and `one`.
fn mix((p, long): (f64, bool), m: f64, both: f64, one: f64) -> f64 {
    (1.0 - p * m) * both + if long { p * m * one } else { 0.0 }
}

/// `both` of every (view, column) of a fan whose views leave holes in the turn.
fn shared_by_fans(turn: &Circle, confidence: &Table, gammas: &[f64]) -> Vec<f64> {
    let columns = gammas.len();
    let mut shares = shares(turn, confidence, gammas);
    let sums = column_sums(&shares, columns);
    // What the same lines got from the other side; on a detector about the middle, the mirrored column's.
    let mirrored = gammas.iter().zip(gammas.iter().rev()).all(|(a, b)| (a + b).abs() < 1e-9);
    let others = if mirrored {
        sums.iter().rev().copied().collect()
    } else {
        let opposite: Vec<f64> = gammas.iter().map(|gamma| -gamma).collect();
        column_sums(&self::shares(turn, confidence, &opposite), columns)
    };
    let scales: Vec<f64> = sums.iter().zip(&others).map(|(sum, other)| TAU / (sum + other)).collect();
    let line = |line: &mut [f64]| line.iter_mut().zip(&scales).for_each(|(share, scale)| *share *= scale);
    shares.par_chunks_exact_mut(columns).for_each(line);
    shares
}

fn column_sums(shares: &[f64], columns: usize) -> Vec<f64> {
    shares.chunks_exact(columns).fold(vec![0.0; columns], |mut sums, line| {
        sums.iter_mut().zip(line).for_each(|(sum, share)| *sum += share);
        sums
    })
}

/// The same before it is made to count a turn exactly, which sums over views do not.
fn shares(turn: &Circle, confidence: &Table, gammas: &[f64]) -> Vec<f64> {
    // Lines at |s|: seen from s at φ = β − |γ|, from −s at φ = β + |γ| + π.
    let holes: Vec<_> = gammas.iter().map(|gamma| common(&turn.holes, -gamma.abs(), gamma.abs() + PI)).collect();
    let whole = holes.iter().all(Vec::is_empty);
    let mut shares = vec![0.0; turn.folded.len() * gammas.len()];
    shares.par_chunks_exact_mut(gammas.len()).enumerate().for_each(|(view, line)| {
        let (beta, cell) = (turn.folded[view], turn.cells[view]);
        let own = confidence.at(beta).max(f64::MIN_POSITIVE);
        for (share, gamma) in line.iter_mut().zip(gammas) {
            *share = cell * own / (own + confidence.at(beta + PI - 2.0 * gamma));
        }
        if !whole {
            for ((share, gamma), holes) in line.iter_mut().zip(gammas).zip(&holes) {
                let from_the_other_side = if *gamma < 0.0 { PI } else { 0.0 };
                *share *= fill(wrap(beta - gamma + from_the_other_side, TAU), holes, TAU);
            }
        }
    });
    shares
}

impl Redundancy {
    /// In words, for reports.
    pub fn describe(&self) -> String {
        let arc = self.arc.to_degrees();
        let views = match self.directions {
            1 => "views from one direction, which stand for all".to_string(),
            2 => "views from two directions, which stand for all".to_string(),
            _ if arc > 359.99 => "views all round".to_string(),
            _ => format!("views over {arc:.1}° of a turn"),
        };
        let percent = 100.0 * self.overlap;
        let sides = match percent {
            99.5.. => String::new(),
            _ => format!(", the detector to one side ({percent:.0} % of its reach to the other)"),
        };
        let counted = if self.directions > 2 { ", every line counted once" } else { "" };
        format!("{views}{sides}{counted}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Fan, LengthUnit, Parallel};

    fn spaced(start: f64, end: f64, views: usize) -> Vec<f64> {
        (0..views).map(|i| (start + (end - start) * i as f64 / views as f64).to_radians()).collect()
    }

    fn fan(range: f64, views: usize, center: f64) -> Redundancy {
        let geometry = Fan {
            angles: spaced(20.0, 20.0 + range, views),
            columns: 101,
            rows: 1,
            cell: 3.0,
            cell_height: 1.0,
            source_origin: 500.0,
            source_detector: 900.0,
            center: Some(center),
            axis_offset: 0.0,
            curved: true,
            unit: LengthUnit::Millimetre,
        }
        .geometry();
        redundancy(&geometry, &Circular::of(&geometry).unwrap())
    }

    /// A ray and its counterpart, half a turn less twice its angle away, count as one, with steps of 1° and 1/300 rad, and a ray
    /// whose counterpart was not measured counts as one alone: wherever the axis falls.
    #[test]
    fn counterparts_share_one_line_between_them() {
        let ranges = [215.0_f64, 222.0, 260.0, 300.0, 345.0, 352.0];
        for (range, center) in ranges.into_iter().flat_map(|range| [50_i64, 49, 35].map(|center| (range, center))) {
            let made = fan(range, range as usize, center as f64);
            assert!(made.missing.iter().all(|missing| *missing < 1e-9), "{range}°");
            assert_eq!(made.rays.len(), 101 * range as usize, "{range}°");
            let at = |view: usize, column: i64| made.rays[view * 101 + column as usize].to_degrees();
            let (mut pairs, mut alone) = (0, 0);
            for (view, column) in (0..range as usize).flat_map(|view| (0..101).map(move |column| (view, column))) {
                let what = format!("{range}°, axis at {center}, view {view}, column {column}");
                let gamma = (column - center) as f64 / 300.0;
                let next = (view as f64 + 180.0 - 2.0 * gamma.to_degrees()).rem_euclid(360.0);
                let opposite = 2 * center - column;
                let low = next.floor();
                if low + 1.0 > range - 1.0 {
                    // No view, but perhaps within half a step of one.
                    if next > range + 1.0 && next < 358.0 {
                        assert!((at(view, column) - 1.0).abs() < 0.01, "{what}: {}", at(view, column));
                        alone += 1;
                    }
                } else if (0..101).contains(&opposite) {
                    let other = |view: f64| at(view as usize, opposite);
                    let sum = at(view, column) + other(low) + (next - low) * (other(low + 1.0) - other(low));
                    // Between views a degree apart weights bend by this much, near a corner where both arcs end.
                    assert!((sum - 1.0).abs() < 0.12, "{what}: {sum}");
                    pairs += 1;
                }
            }
            assert!(pairs > 1000 && (alone > 100 || range > 330.0), "{range}: {pairs} {alone}");
        }
    }

    /// Over all views a pair of columns at ±s counts a turn, and so does a column beyond the detector's shorter side if there
    /// is always a view to stand in for the other.
    #[test]
    fn every_distance_counts_a_turn() {
        for range in [90.0, 180.0, 205.0, 215.0, 240.0, 340.0, 355.0, 360.0] {
            for center in [50.0, 30.0, 10.0] {
                let made = fan(range, range as usize, center);
                let column = |column: usize| {
                    let rays = made.rays.iter().skip(column).step_by(101);
                    rays.cycle().zip(&made.views).map(|(share, view)| share * view).sum::<f64>()
                };
                for apart in [0, 7, 25, 50] {
                    let (right, left) = (center as usize + apart, center as usize as isize - apart as isize);
                    let both = column(right) + if left >= 0 { column(left as usize) } else { 0.0 };
                    let what = format!("{range}°, center {center}, ±{apart} columns: {both}");
                    let exact = range == 360.0 || center == 50.0 || apart == 0;
                    if exact || left >= 0 {
                        assert!((both - TAU).abs() < if exact { 1e-6 } else { 2e-3 }, "{what}");
                    } else {
                        assert!(both > range.to_radians().min(PI) * 0.98 && both < TAU, "{what}");
                    }
                }
            }
        }
    }

    /// Half a turn measures every line once: nothing stands in for a ray, wherever the axis falls, and however few views there are.
    #[test]
    fn every_ray_of_half_a_turn_counts_alike() {
        for (views, center) in [1, 2, 3, 4, 90].into_iter().flat_map(|views| [31.47, 33.5, 20.0].map(|at| (views, at)))
        {
            let geometry = Parallel {
                angles: spaced(7.0, 187.0, views),
                columns: 64,
                rows: 1,
                cell: 1.0,
                cell_height: 1.0,
                center: Some(center),
                unit: LengthUnit::Cell,
            }
            .geometry();
            let made = redundancy(&geometry, &Circular::of(&geometry).unwrap());
            let views = PI / views as f64;
            for (index, ray) in made.rays.iter().enumerate() {
                let angle = ray * made.views[index / 64];
                assert!((angle - views).abs() < 1e-9, "axis at {center}, ray {index}: {angle}, not {views}");
            }
        }
    }

    #[test]
    fn the_scan_says_what_it_covers() {
        assert!(fan(360.0, 90, 50.0).describe().starts_with("views all round, every"));
        assert!(fan(360.0, 90, 20.0).describe().contains("to one side"));
        assert!(fan(205.0, 205, 50.0).describe().contains("205.0° of a turn"));
        assert!((fan(150.0, 150, 50.0).missing[50].to_degrees() - 30.0).abs() < 0.1);
        assert!(fan(360.0, 1, 50.0).describe().starts_with("views from one direction,"));
        assert_eq!(fan(180.0, 2, 50.0).describe(), "views from two directions, which stand for all");
    }

    #[test]
    fn a_parallel_detector_to_one_side_shares_what_both_sides_see() {
        let parallel = Parallel {
            angles: spaced(0.0, 360.0, 90),
            columns: 64,
            rows: 1,
            cell: 1.0,
            cell_height: 1.0,
            center: Some(20.0),
            unit: LengthUnit::Cell,
        };
        let geometry = parallel.geometry();
        let made = redundancy(&geometry, &Circular::of(&geometry).unwrap());
        for column in 0..64_usize {
            let opposite = 40_usize.checked_sub(column).map_or(0.0, |column| made.rays[column]);
            assert!((made.rays[column] + opposite - 1.0).abs() < 1e-9, "{column}");
        }
        assert!(made.rays[0] < 0.01 && (made.rays[20] - 0.5).abs() < 1e-9 && made.rays[60] == 1.0);
    }
}

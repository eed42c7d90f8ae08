//! Receive coils as current loops around the head, their field by the law of Biot and Savart.
//!
//! A loop C with unit current has B(r) ∝ ∮_C dl × (r − r')/|r − r'|³, here a sum over the midpoints of straight pieces. What
//! it receives at r is, by reciprocity, the field's component that turns with the spins, Bx − i·By (D. I. Hoult, Concepts
//! Magn. Reson. 12, 173, 2000). Quasi-static: no wave effects, as at 3 T and below in a head.

use std::f64::consts::TAU;

use num_complex::Complex64;

/// Straight pieces of a loop; with 64 its field a radius away is right to 1e-3 of its own scale, smooth in any case.
const PIECES: usize = 64;

/// A circular loop, in mm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loop {
    /// Its centre (x, y, z).
    pub center: [f64; 3],
    /// Unit vector along its axis.
    pub normal: [f64; 3],
    /// Its radius.
    pub radius: f64,
}

/// Loops on a cylinder about the z axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Helmet {
    /// Number of loops.
    pub coils: usize,
    /// Radius of the cylinder, mm.
    pub radius: f64,
    /// Rings of loops, one above the other, as alike as the number allows; each is turned by half a loop.
    pub rings: usize,
    /// From ring to ring, mm.
    pub ring_distance: f64,
}

impl Helmet {
    /// The loops, facing the axis. Neighbours on a ring overlap a little, as those do that are decoupled by overlap.
    pub fn loops(&self) -> Vec<Loop> {
        let rings = self.rings.clamp(1, self.coils.max(1));
        let mut loops = Vec::new();
        for ring in 0..rings {
            let count = self.coils / rings + usize::from(ring < self.coils % rings);
            let z = (ring as f64 - (rings as f64 - 1.0) / 2.0) * self.ring_distance;
            let half = TAU * self.radius / count as f64 / 2.0;
            let radius = (1.1 * half).min(0.6 * self.radius);
            loops.extend((0..count).map(|index| {
                let (sin, cos) = (TAU * (index as f64 + 0.5 * (ring % 2) as f64) / count as f64).sin_cos();
                Loop { center: [self.radius * cos, self.radius * sin, z], normal: [-cos, -sin, 0.0], radius }
            }));
        }
        loops
    }
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

impl Loop {
    /// Magnetic field at `at` (x, y, z in mm) for a unit current, in units of μ₀/4π per mm.
    pub fn field(&self, at: [f64; 3]) -> [f64; 3] {
        // Two unit vectors across the axis: loops that face the z axis have one of them along z.
        let aside = if self.normal[2].abs() < 0.9 { [0.0, 0.0, 1.0] } else { [1.0, 0.0, 0.0] };
        let u = cross(aside, self.normal);
        let length = u.iter().map(|c| c * c).sum::<f64>().sqrt();
        let u = u.map(|c| c / length);
        let v = cross(self.normal, u);
        let mut field = [0.0; 3];
        for piece in 0..PIECES {
            let (sin, cos) = (TAU * piece as f64 / PIECES as f64).sin_cos();
            let length = self.radius * TAU / PIECES as f64;
            let along = [0, 1, 2].map(|i| (v[i] * cos - u[i] * sin) * length);
            let apart = [0, 1, 2].map(|i| at[i] - self.center[i] - self.radius * (u[i] * cos + v[i] * sin));
            let cube = apart.iter().map(|c| c * c).sum::<f64>().powf(1.5);
            let turned = cross(along, apart);
            (0..3).for_each(|i| field[i] += turned[i] / cube);
        }
        field
    }

    /// What the loop receives from `at`: Bx − i·By.
    pub fn sensitivity(&self, at: [f64; 3]) -> Complex64 {
        let [x, y, _] = self.field(at);
        Complex64::new(x, -y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_its_axis_a_loop_has_its_closed_form() {
        // B = 2π a²/(a² + h²)^{3/2} in units of μ₀I/4π (J. D. Jackson, Classical Electrodynamics, section 5.5).
        let one = Loop { center: [10.0, -5.0, 3.0], normal: [0.6, 0.8, 0.0], radius: 40.0 };
        for height in [0.0, 25.0, 130.0] {
            let at = [0, 1, 2].map(|i| one.center[i] + height * one.normal[i]);
            let along: f64 = one.field(at).iter().zip(one.normal).map(|(b, n)| b * n).sum();
            let exact = TAU * 1600.0 / (1600.0 + height * height).powf(1.5);
            assert!((along / exact - 1.0).abs() < 1e-12, "{height}: {along}, not {exact}");
        }
    }

    #[test]
    fn a_loop_far_away_is_a_dipole() {
        // B = (3(m·r̂)r̂ − m)/r³ with m = πa²·n.
        let one = Loop { center: [0.0; 3], normal: [1.0, 0.0, 0.0], radius: 1.0 };
        let at = [300.0, 400.0, 0.0];
        let moment = TAU / 2.0;
        let exact = [3.0 * 0.6 * 0.6 - 1.0, 3.0 * 0.6 * 0.8, 0.0].map(|c| moment * c / 500_f64.powi(3));
        for (found, exact) in one.field(at).iter().zip(exact) {
            assert!((found - exact).abs() < 1e-4 * moment / 500_f64.powi(3), "{found}, not {exact}");
        }
    }

    #[test]
    fn a_helmet_has_its_loops_on_its_rings() {
        let loops = Helmet { coils: 9, radius: 150.0, rings: 2, ring_distance: 80.0 }.loops();
        assert_eq!(loops.len(), 9);
        assert_eq!(loops.iter().filter(|l| l.center[2] == -40.0).count(), 5);
        assert!(loops.iter().all(|l| (l.center[0].hypot(l.center[1]) - 150.0).abs() < 1e-9));
    }
}

//! A convex region of the plane, in mm: an ellipse, an ellipse cut by half-planes, or a rectangle (four half-planes).
//!
//! A line `origin + t·direction` is inside for one interval of t, in closed form: the roots of a quadratic for the
//! ellipse, cut by one linear bound for each half-plane.

/// A point or a direction in the plane (x, y).
pub type Planar = [f64; 2];

fn dot(a: Planar, b: Planar) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

/// The z component of the cross product.
pub fn cross(a: Planar, b: Planar) -> f64 {
    a[0] * b[1] - a[1] * b[0]
}

/// `a − b`.
pub fn sub(a: Planar, b: Planar) -> Planar {
    [a[0] - b[0], a[1] - b[1]]
}

/// `a + s·b`.
pub fn add(a: Planar, s: f64, b: Planar) -> Planar {
    [a[0] + s * b[0], a[1] + s * b[1]]
}

/// The points x with normal·(x − centre) ≤ offset; `normal` has length 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HalfPlane {
    normal: Planar,
    offset: f64,
}

impl HalfPlane {
    /// The half-plane whose outward normal stands at `angle` (radians, from x towards y), `offset` mm from the centre.
    pub fn new(angle: f64, offset: f64) -> Self {
        let (sin, cos) = angle.sin_cos();
        Self { normal: [cos, sin], offset }
    }
}

/// The linear map that makes an ellipse the unit circle: one row an axis, each divided by its semi-axis.
#[derive(Clone, Copy, Debug, PartialEq)]
struct ToCircle([Planar; 2]);

impl ToCircle {
    fn apply(&self, a: Planar) -> Planar {
        [dot(self.0[0], a), dot(self.0[1], a)]
    }

    fn invert(&self, a: Planar) -> Planar {
        let [p, q] = self.0;
        let det = cross(p, q);
        [(a[0] * q[1] - a[1] * p[1]) / det, (a[1] * p[0] - a[0] * q[0]) / det]
    }
}

/// A straight piece of an outline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edge {
    /// Its ends, from the shape's centre.
    pub ends: [Planar; 2],
    /// Unit vector out of the shape.
    pub normal: Planar,
}

/// An outline whose Fourier transform has a closed form.
#[derive(Clone, Debug, PartialEq)]
pub enum Outline {
    /// A whole ellipse: where the linear map that makes it of the unit circle takes the two axes.
    Ellipse([Planar; 2]),
    /// A polygon.
    Polygon(Vec<Edge>),
}

/// A convex region and the value it adds to what is beneath.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// What it adds, in the phantom's value.
    pub value: f64,
    center: Planar,
    ellipse: Option<ToCircle>,
    half_planes: Vec<HalfPlane>,
    corners: Vec<Planar>,
}

impl Shape {
    /// An ellipse whose first axis is turned by `rotation` (radians, from x towards y), cut by `clip`.
    pub fn ellipse(center: Planar, semi_axes: Planar, rotation: f64, clip: Vec<HalfPlane>) -> Self {
        let (sin, cos) = rotation.sin_cos();
        let [a, b] = semi_axes;
        let to_circle = ToCircle([[cos / a, sin / a], [-sin / b, cos / b]]);
        Self { value: 1.0, center, ellipse: Some(to_circle), half_planes: clip, corners: Vec::new() }.with_corners()
    }

    /// A rectangle of `size` (along its own two axes), turned by `rotation`, cut by `clip`.
    pub fn rectangle(center: Planar, size: Planar, rotation: f64, clip: Vec<HalfPlane>) -> Self {
        let side = |quarter: usize| {
            HalfPlane::new(rotation + quarter as f64 * std::f64::consts::FRAC_PI_2, size[quarter % 2] / 2.0)
        };
        let half_planes = (0..4).map(side).chain(clip).collect();
        Self { value: 1.0, center, ellipse: None, half_planes, corners: Vec::new() }.with_corners()
    }

    /// The same shape adding `value`.
    pub fn with_value(mut self, value: f64) -> Self {
        self.value = value;
        self
    }

    /// The same shape moved by `offset`.
    pub fn moved(mut self, offset: Planar) -> Self {
        self.center = add(self.center, 1.0, offset);
        self.corners.iter_mut().for_each(|corner| *corner = add(*corner, 1.0, offset));
        self
    }

    /// Whether it is an ellipse without cuts.
    pub fn is_whole_ellipse(&self) -> bool {
        self.ellipse.is_some() && self.half_planes.is_empty()
    }

    /// Where it stands, in mm.
    pub fn center(&self) -> Planar {
        self.center
    }

    /// Its outline about its centre; none for an ellipse that is cut.
    pub fn outline(&self) -> Option<Outline> {
        match &self.ellipse {
            Some(to_circle) => {
                let axes = [to_circle.invert([1.0, 0.0]), to_circle.invert([0.0, 1.0])];
                self.half_planes.is_empty().then_some(Outline::Ellipse(axes))
            }
            None => {
                let edge = |half: &HalfPlane, ends| Edge { ends, normal: half.normal };
                let edges = self.half_planes.iter().zip(self.edges());
                Some(Outline::Polygon(edges.filter_map(|(half, ends)| Some(edge(half, ends?))).collect()))
            }
        }
    }

    /// The ends, from the centre, of the piece of each half-plane's border that belongs to the outline.
    fn edges(&self) -> Vec<Option<[Planar; 2]>> {
        let edge = |(index, half): (usize, &HalfPlane)| {
            let foot = add(self.center, half.offset, half.normal);
            let along = [-half.normal[1], half.normal[0]];
            let mut whole = self.clone();
            whole.half_planes.remove(index);
            let (from, to) = whole.interval(foot, along)?;
            Some([from, to].map(|t| sub(add(foot, t, along), self.center)))
        };
        self.half_planes.iter().enumerate().map(edge).collect()
    }

    /// Its radius in mm, if it is a whole circle.
    pub fn radius(&self) -> Option<f64> {
        let ToCircle([first, second]) = self.ellipse.filter(|_| self.half_planes.is_empty())?;
        let [a, b] = [first, second].map(|axis| 1.0 / dot(axis, axis).sqrt());
        ((a - b).abs() <= 1e-9 * a).then_some(a)
    }

    /// Whether `point` is inside or on the border.
    pub fn contains(&self, point: Planar) -> bool {
        self.contains_within(point, 0.0)
    }

    /// As `contains`, for the shape grown by the fraction `slack`: rounding must not lose a point of the border.
    fn contains_within(&self, point: Planar, slack: f64) -> bool {
        let at = sub(point, self.center);
        let round = |to_circle: &ToCircle| {
            let at = to_circle.apply(at);
            dot(at, at) <= 1.0 + slack
        };
        self.ellipse.as_ref().is_none_or(round)
            && self.half_planes.iter().all(|half| dot(half.normal, at) <= half.offset + slack * half.offset.abs())
    }

    /// Where the line `origin + t·direction` is inside: from the first t to the second.
    pub fn interval(&self, origin: Planar, direction: Planar) -> Option<(f64, f64)> {
        let at = sub(origin, self.center);
        let (mut from, mut to) = match &self.ellipse {
            Some(to_circle) => {
                let (at, along) = (to_circle.apply(at), to_circle.apply(direction));
                let square = dot(along, along);
                let beside = cross(along, at);
                let discriminant = square - beside * beside;
                if discriminant <= 0.0 {
                    return None;
                }
                let (middle, half) = (-dot(at, along) / square, discriminant.sqrt() / square);
                (middle - half, middle + half)
            }
            None => (f64::NEG_INFINITY, f64::INFINITY),
        };
        for half in &self.half_planes {
            let slope = dot(half.normal, direction);
            let room = half.offset - dot(half.normal, at);
            if slope > 0.0 {
                to = to.min(room / slope);
            } else if slope < 0.0 {
                from = from.max(room / slope);
            } else if room < 0.0 {
                return None;
            }
        }
        (from < to).then_some((from, to))
    }

    /// The points of the border that bound the shape as seen from `source` (x, y, w; w = 0: from infinity in that
    /// direction) or where its outline has a corner: between the rays through these, the chord is a smooth function.
    pub fn critical_points(&self, source: [f64; 3]) -> Vec<Planar> {
        let mut points = self.corners.clone();
        if let Some(to_circle) = &self.ellipse {
            let [x, y, w] = source;
            // In the frame of the unit circle, the points of tangency p obey p·s = w (the polar of s).
            let s = to_circle.apply([x - w * self.center[0], y - w * self.center[1]]);
            let square = dot(s, s);
            if square > w * w {
                let beside = (square - w * w).sqrt();
                let tangent = |sign: f64| {
                    let on_circle =
                        [(w * s[0] - sign * beside * s[1]) / square, (w * s[1] + sign * beside * s[0]) / square];
                    add(self.center, 1.0, to_circle.invert(on_circle))
                };
                points.extend([tangent(1.0), tangent(-1.0)].into_iter().filter(|p| self.contains_within(*p, 1e-9)));
            }
        }
        points
    }

    /// Finds the corners: where two borders of the outline meet.
    fn with_corners(mut self) -> Self {
        let ends = self.edges().into_iter().flatten().flatten().map(|end| add(self.center, 1.0, end));
        self.corners = ends.filter(|p| p[0].is_finite()).collect();
        self
    }
}

// What both kernels of the matched pair compute: see src/kernels/footprint.rs, whose names these are. Each adds its
// bindings, of which `matrices` is used here.

struct Params {
    nx: u32,
    ny: u32,
    image_first: u32,
    image_lines: u32,
    filtered_first: u32,
    filtered_lines: u32,
    rows: u32,
    columns: u32,
    first_view: u32,
    views: u32,
    matrices_first: u32,
    curved: u32,
}

struct Table {
    n: vec3f,
    d: vec3f,
    scale: f32,
    along: f32,
    across: f32,
    transposed: bool,
}

const NARROWEST = 1e-4;

@group(0) @binding(0) var<uniform> params: Params;

fn table(view: u32) -> Table {
    let at = 12u * (view - params.matrices_first);
    return Table(
        vec3f(matrices[at], matrices[at + 1u], matrices[at + 2u]),
        vec3f(matrices[at + 3u], matrices[at + 4u], matrices[at + 5u]),
        matrices[at + 6u], matrices[at + 7u], matrices[at + 8u], matrices[at + 9u] != 0.0,
    );
}

// atan: a shader's own has too few digits. Beyond 1 by the inverse, then from tan(π/8) on, then a series.
fn arc(ratio: f32) -> f32 {
    let size = abs(ratio);
    let small = select(size, 1.0 / size, size > 1.0);
    let rest = (small - 0.41421356) / fma(small, 0.41421356, 1.0);
    let square = rest * rest;
    var series = 1.0 / 17.0;
    series = fma(series, square, -1.0 / 15.0);
    series = fma(series, square, 1.0 / 13.0);
    series = fma(series, square, -1.0 / 11.0);
    series = fma(series, square, 1.0 / 9.0);
    series = fma(series, square, -1.0 / 7.0);
    series = fma(series, square, 1.0 / 5.0);
    series = fma(series, square, -1.0 / 3.0);
    series = fma(series, square, 1.0);
    let angle = fma(rest, series, 0.39269908);
    return sign(ratio) * select(angle, 1.57079633 - angle, size > 1.0);
}

// sin/cos by their series: the rays of a fan lean by less than 0.8.
fn slope(angle: f32) -> f32 {
    let s = angle * angle;
    let sine = angle * fma(s, fma(s, fma(s, fma(s, 1.0 / 362880.0, -1.0 / 5040.0), 1.0 / 120.0), -1.0 / 6.0), 1.0);
    let cosine = fma(s, fma(s, fma(s, fma(s, 1.0 / 40320.0, -1.0 / 720.0), 1.0 / 24.0), -0.5), 1.0);
    return sine / cosine;
}

// The ray to a column as a = p + q·r.
fn ray(m: Table, column: f32) -> vec2f {
    var ratio = column;
    if params.curved == 1u {
        ratio = slope(column / m.scale);
    }
    let c = m.n - ratio * m.d;
    return vec2f(-c.x / c.y, -c.z / c.y);
}

// Length of a ray of slope q in a line of the slice.
fn length_of(m: Table, q: f32) -> f32 {
    return sqrt(m.along * m.along + m.across * m.across * q * q);
}

// Column of the point (a, r) and half of |its change along r|.
fn column_of(m: Table, a: f32, r: f32) -> vec2f {
    let n = fma(m.n.y, a, fma(m.n.z, r, m.n.x));
    let d = fma(m.d.y, a, fma(m.d.z, r, m.d.x));
    let ratio = n / d;
    let change = fma(-m.d.z, ratio, m.n.z) / d;
    if params.curved == 1u {
        return vec2f(m.scale * arc(ratio), 0.5 * abs(change) * m.scale / fma(ratio, ratio, 1.0));
    }
    return vec2f(ratio, 0.5 * abs(change));
}

fn share(t: f32, b: f32) -> f32 {
    let wide = max(b, 0.5);
    let narrow = max(min(b, 0.5), NARROWEST);
    let v = min(abs(t), wide + narrow);
    let over = max(v - (wide - narrow), 0.0);
    let half = fma(-over, over, 4.0 * narrow * v) / (8.0 * narrow * wide);
    return select(half, -half, t < 0.0);
}

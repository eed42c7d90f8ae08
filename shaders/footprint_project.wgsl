// Projects an image, one invocation a cell; see src/kernels/footprint.rs for what a cell sees of a pixel.

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
@group(0) @binding(1) var<storage, read> image: array<f32>;
@group(0) @binding(2) var<storage, read> matrices: array<f32>;
@group(0) @binding(3) var<storage, read_write> lines: array<f32>;

const SLACK = 0.02;

fn table(view: u32) -> Table {
    let at = 12u * (view - params.matrices_first);
    return Table(
        vec3f(matrices[at], matrices[at + 1u], matrices[at + 2u]),
        vec3f(matrices[at + 3u], matrices[at + 4u], matrices[at + 5u]),
        matrices[at + 6u], matrices[at + 7u], matrices[at + 8u], matrices[at + 9u] != 0.0,
    );
}

// atan: a shader's own has too few digits. The half angle's tangent is at most 1, then at most tan(π/8).
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

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) local: u32,
) {
    let blocks = (params.columns + 63u) / 64u;
    let index = group.y * groups.x + group.x;
    let line = index / blocks;
    let cell = (index % blocks) * 64u + local;
    let view = (params.filtered_first + line) / params.rows;
    let z = (params.filtered_first + line) % params.rows;
    if line >= params.filtered_lines || cell >= params.columns
        || view < params.first_view || view >= params.first_view + params.views {
        return;
    }
    // The lines of slice z that the slab holds.
    let held_from = max(params.image_first, z * params.ny);
    let held_to = min(params.image_first + params.image_lines, (z + 1u) * params.ny);
    if held_from >= held_to {
        return;
    }
    let first_y = held_from - z * params.ny;
    let end_y = held_to - z * params.ny;
    let start = (held_from - params.image_first) * params.nx;

    let m = table(view);
    let column = f32(cell) - (f32(params.columns) - 1.0) / 2.0;
    let left = ray(m, column - 0.5);
    let right = ray(m, column + 0.5);
    let lean = 0.5 * max(abs(left.y), abs(right.y)) + 0.5 + SLACK;
    let middle = (vec2f(f32(params.nx), f32(params.ny)) - 1.0) / 2.0;
    // Index ranges along and across, and where a number lies.
    var lines_from = first_y;
    var lines_to = end_y;
    var across_from = 0;
    var across_to = i32(params.nx) - 1;
    var half_across = middle.x;
    var half_along = middle.y;
    if m.transposed {
        lines_from = 0u;
        lines_to = params.nx;
        across_from = i32(first_y);
        across_to = i32(end_y) - 1;
        half_across = middle.y;
        half_along = middle.x;
    }
    var sum = 0.0;
    for (var i = lines_from; i < lines_to; i++) {
        let r = f32(i) - half_along;
        let one = fma(left.y, r, left.x);
        let other = fma(right.y, r, right.x);
        let low = clamp(min(one, other) - lean + half_across, -1e6, 1e6);
        let high = clamp(max(one, other) + lean + half_across, -1e6, 1e6);
        let first = max(i32(floor(low)) + 1, across_from);
        let last = min(i32(floor(high)), across_to);
        if first > last {
            continue;
        }
        var at = column_of(m, f32(first) - 0.5 - half_across, r);
        var before = share(at.x - column, at.y);
        for (var a = first; a <= last; a++) {
            at = column_of(m, f32(a) + 0.5 - half_across, r);
            let after = share(at.x - column, at.y);
            let pixel = select(
                start + (i - lines_from) * params.nx + u32(a),
                start + (u32(a) - first_y) * params.nx + i,
                m.transposed,
            );
            sum += abs(after - before) * image[pixel];
            before = after;
        }
    }
    lines[line * params.columns + cell] += sum * length_of(m, ray(m, column).y);
}

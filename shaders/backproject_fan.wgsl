// Adds views of fan-beam rays to an image, one invocation a pixel; see src/kernels/backproject_fan.rs.
// A workgroup first brings each view, one an invocation, to a form about its own middle: column = cell + shift +
// scale · ρ (flat) or + scale · atan ρ (curved), ρ = u/w, with u and w linear in x and y; so the digits of f32 are
// spent on a few cells and not on the whole detector.

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

const GUARD: u32 = 32u;
const FAR: f32 = 4194304.0;
const FINE: f32 = 0.0009765625; // 2⁻¹⁰

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> filtered: array<f32>;
@group(0) @binding(2) var<storage, read> matrices: array<f32>;
@group(0) @binding(3) var<storage, read_write> image: array<f32>;

// Of each view: u (at the workgroup's first pixel, step along x, step along y) and shift; w and scale; the cell.
var<workgroup> across: array<vec4f, 256>;
var<workgroup> along: array<vec4f, 256>;
var<workgroup> cells: array<i32, 256>;

// The Chebyshev series 2 Σ (−1)ᵏ qᵏ' T_k'(ρ)/k', k' = 2k + 1, q = √2 − 1, to k = 8, as a polynomial: within 9e-8 rad of
// atan for |ρ| ≤ 1. WGSL promises little of its own atan.
fn arctangent(ratio: f32) -> f32 {
    let steep = abs(ratio) > 1.0;
    let r = select(ratio, 1.0 / ratio, steep);
    let z = r * r;
    var sum = 0.0023981391;
    sum = sum * z - 0.014152348;
    sum = sum * z + 0.039345413;
    sum = sum * z - 0.07194384;
    sum = sum * z + 0.10477539;
    sum = sum * z - 0.14154807;
    sum = sum * z + 0.19984885;
    sum = sum * z - 0.33332524;
    sum = sum * z + 0.9999999;
    return select(sum * r, sign(ratio) * 1.5707964 - sum * r, steep);
}

fn linear(m: vec3f, x: f32, y: f32) -> f32 {
    return m.x + m.y * x + m.z * y;
}

// A number as a multiple of `step` and a remainder: sums and short products of such multiples are exact in f32, so
// that only remainders round. (Compilers may undo sums of rounding errors, but no floor.)
fn parts(value: f32, step: f32) -> vec2f {
    let coarse = floor(value / step) * step;
    return vec2f(coarse, value - coarse);
}

// The same of `factor` · `count`: the upper 12 bits of `factor` times a count below 4096 are exact.
fn split_product(factor: f32, count: f32, step: f32) -> vec2f {
    let upper = bitcast<f32>(bitcast<u32>(factor) & 0xfffff000u);
    let product = parts(upper * count, step);
    return vec2f(product.x, product.y + (factor - upper) * count);
}

fn linear_parts(m: vec3f, x: f32, y: f32, step: f32) -> vec2f {
    return parts(m.x, step) + split_product(m.y, x, step) + split_product(m.z, y, step);
}

// a · b − c · d of numbers in parts, whose coarse products are exact.
fn difference(a: vec2f, b: vec2f, c: vec2f, d: vec2f) -> f32 {
    let fine = (a.x * b.y + a.y * (b.x + b.y)) - (c.x * d.y + c.y * (d.x + d.y));
    return (a.x * b.x - c.x * d.x) + fine;
}

// The form about the workgroup's middle, for pixels counted from its first one, (x, y).
fn prepare(index: u32, view: u32, x: f32, y: f32) {
    let at = 8u * (view - params.matrices_first);
    let s = vec3f(matrices[at], matrices[at + 1u], matrices[at + 2u]);
    let v = vec3f(matrices[at + 3u], matrices[at + 4u], matrices[at + 5u]);
    let middle = linear(s, x + 7.5, y + 7.5) / linear(v, x + 7.5, y + 7.5);
    let v_parts = linear_parts(v, x, y, FINE);
    if params.curved == 0u {
        let column = round(clamp(middle, -FAR, FAR));
        let one = vec2f(1.0, 0.0);
        let u = difference(one, linear_parts(s, x, y, 1.0), vec2f(column, 0.0), v_parts);
        across[index] = vec4f(u, s.yz - column * v.yz, 0.0);
        along[index] = vec4f(v_parts.x + v_parts.y, v.yz, 1.0);
        cells[index] = i32(column) + i32(GUARD);
        return;
    }
    // (s, v) turned by a short number near the middle's angle, whose column, sine and cosine are known in parts.
    let angle = parts(arctangent(middle), FINE).x;
    let z = angle * angle;
    let sine_rest = angle * z * (-0.16666667 + z * (0.008333334 + z * (-0.0001984127 + z * 2.7557319e-6)));
    let cosine_rest = z * (-0.5 + z * (0.041666668 + z * (-0.0013888889 + z * 2.4801587e-5)));
    let sine_coarse = parts(angle + sine_rest, FINE).x;
    let sine = vec2f(sine_coarse, (angle - sine_coarse) + sine_rest);
    let cosine_coarse = parts(1.0 + cosine_rest, FINE).x;
    let cosine = vec2f(cosine_coarse, (1.0 - cosine_coarse) + cosine_rest);
    let s_parts = linear_parts(s, x, y, FINE);
    let scale = matrices[at + 7u];
    let column = parts(matrices[at + 6u], 1.0) + split_product(scale, angle, 1.0);
    let u = difference(cosine, s_parts, sine, v_parts);
    let w = difference(cosine, v_parts, -sine, s_parts);
    across[index] = vec4f(u, cosine.x * s.yz - sine.x * v.yz + (cosine.y * s.yz - sine.y * v.yz), column.y);
    along[index] = vec4f(w, sine.x * s.yz + cosine.x * v.yz + (sine.y * s.yz + cosine.y * v.yz), scale);
    cells[index] = i32(clamp(column.x, -FAR, FAR)) + i32(GUARD);
}

@compute @workgroup_size(16, 16)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(local_invocation_id) local: vec3u,
    @builtin(local_invocation_index) index: u32,
) {
    let z = params.image_first / params.ny + group.z;
    let x = group.x * 16u + local.x;
    let y = group.y * 16u + local.y;
    let line = z * params.ny + y;
    let inside = x < params.nx && y < params.ny && line >= params.image_first
        && line - params.image_first < params.image_lines;

    // The views whose line for row z lies in the filtered slab.
    let slab_end = params.filtered_first + params.filtered_lines;
    let from_slab = (max(params.filtered_first, z) - z + params.rows - 1u) / params.rows;
    let to_slab = (max(slab_end, z) - z + params.rows - 1u) / params.rows;
    let first = max(params.first_view, from_slab);
    let end = min(params.first_view + params.views, to_slab);

    let stride = params.columns + 2u * GUARD;
    let last = i32(stride - 2u);
    let dx = f32(local.x);
    let dy = f32(local.y);
    var sum = 0.0;
    for (var chunk = first; chunk < end; chunk += 256u) {
        workgroupBarrier();
        if chunk + index < end {
            prepare(index, chunk + index, f32(group.x * 16u), f32(group.y * 16u));
        }
        workgroupBarrier();
        if inside {
            let count = min(256u, end - chunk);
            var start = (chunk * params.rows + z - params.filtered_first) * stride;
            for (var view = 0u; view < count; view++) {
                let u = across[view];
                let w = along[view];
                let inverse = 1.0 / linear(w.xyz, dx, dy);
                let ratio = linear(u.xyz, dx, dy) * inverse;
                var column = u.w + ratio;
                var weight = inverse * inverse;
                if params.curved == 1u {
                    column = u.w + w.w * arctangent(ratio);
                    weight /= 1.0 + ratio * ratio;
                }
                let whole = floor(column);
                let cell = u32(clamp(cells[view] + i32(clamp(whole, -FAR, FAR)), 0, last));
                let left = filtered[start + cell];
                sum += weight * (left + (column - whole) * (filtered[start + cell + 1u] - left));
                start += params.rows * stride;
            }
        }
    }
    if inside {
        image[(line - params.image_first) * params.nx + x] += sum;
    }
}

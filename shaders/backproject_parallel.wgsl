// Adds views of parallel rays to an image, one invocation a pixel; see src/kernels/backproject_parallel.rs.
// A workgroup first finds, one view an invocation, where its first pixel falls: the whole cell and the fraction apart,
// since f32 has too few digits for columns in the thousands. Its pixels then add a few cells to that.

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
    spare: u32,
}

const GUARD: u32 = 32u;
const FAR: f32 = 4194304.0;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> filtered: array<f32>;
@group(0) @binding(2) var<storage, read> matrices: array<f32>;
@group(0) @binding(3) var<storage, read_write> image: array<f32>;

// Of each view: fraction, step along x, step along y; and the whole cell.
var<workgroup> steps: array<vec3f, 256>;
var<workgroup> cells: array<i32, 256>;

// `factor` · `count` as whole and fraction: the upper 12 bits of `factor` times a count below 4096 are exact.
fn split_product(factor: f32, count: u32) -> vec2f {
    let upper = bitcast<f32>(bitcast<u32>(factor) & 0xfffff000u);
    let coarse = upper * f32(count);
    let whole = floor(coarse);
    return vec2f(whole, (coarse - whole) + (factor - upper) * f32(count));
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
    var sum = 0.0;
    for (var chunk = first; chunk < end; chunk += 256u) {
        workgroupBarrier();
        let mine = chunk + index;
        if mine < end {
            let at = 8u * (mine - params.matrices_first);
            let m0 = matrices[at];
            let mx = matrices[at + 1u];
            let my = matrices[at + 2u];
            let along_x = split_product(mx, group.x * 16u);
            let along_y = split_product(my, group.y * 16u);
            let whole = floor(m0);
            let fraction = (m0 - whole) + along_x.y + along_y.y;
            steps[index] = vec3f(fraction, mx, my);
            cells[index] = i32(clamp(whole + along_x.x + along_y.x, -FAR, FAR)) + i32(GUARD);
        }
        workgroupBarrier();
        if inside {
            let count = min(256u, end - chunk);
            var start = (chunk * params.rows + z - params.filtered_first) * stride;
            for (var view = 0u; view < count; view++) {
                let step = steps[view];
                let column = step.x + f32(local.x) * step.y + f32(local.y) * step.z;
                let whole = floor(column);
                let cell = u32(clamp(cells[view] + i32(clamp(whole, -FAR, FAR)), 0, last));
                let left = filtered[start + cell];
                sum += left + (column - whole) * (filtered[start + cell + 1u] - left);
                start += params.rows * stride;
            }
        }
    }
    if inside {
        image[(line - params.image_first) * params.nx + x] += sum;
    }
}

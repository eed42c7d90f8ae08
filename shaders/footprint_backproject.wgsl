// The adjoint of footprint_project, one invocation a pixel; see src/kernels/footprint.rs for what a cell sees of a pixel.
// Follows shaders/lib/footprint.wgsl.

@group(0) @binding(1) var<storage, read> lines: array<f32>;
@group(0) @binding(2) var<storage, read> matrices: array<f32>;
@group(0) @binding(3) var<storage, read_write> image: array<f32>;

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
    let z = params.image_first / params.ny + group.z;
    let x = group.x * 16u + local.x;
    let y = group.y * 16u + local.y;
    let line = z * params.ny + y;
    if x >= params.nx || y >= params.ny || line < params.image_first
        || line - params.image_first >= params.image_lines {
        return;
    }
    // The views whose line for row z lies in the slab.
    let slab_end = params.filtered_first + params.filtered_lines;
    let from_slab = (max(params.filtered_first, z) - z + params.rows - 1u) / params.rows;
    let to_slab = (max(slab_end, z) - z + params.rows - 1u) / params.rows;
    let first_view = max(params.first_view, from_slab);
    let end_view = min(params.first_view + params.views, to_slab);

    let point = vec2f(f32(x), f32(y)) - (vec2f(f32(params.nx), f32(params.ny)) - 1.0) / 2.0;
    let middle = (f32(params.columns) - 1.0) / 2.0;
    var sum = 0.0;
    for (var view = first_view; view < end_view; view++) {
        let m = table(view);
        let a = select(point.x, point.y, m.transposed);
        let r = select(point.y, point.x, m.transposed);
        let left = column_of(m, a - 0.5, r);
        let right = column_of(m, a + 0.5, r);
        let low = clamp(min(left.x - left.y, right.x - right.y) - 0.5 + middle, -1e6, 1e6);
        let high = clamp(max(left.x + left.y, right.x + right.y) + 0.5 + middle, -1e6, 1e6);
        let first = max(i32(floor(low)), 0);
        let last = min(i32(floor(high)), i32(params.columns) - 1);
        let start = (view * params.rows + z - params.filtered_first) * params.columns;
        for (var cell = first; cell <= last; cell++) {
            let column = f32(cell) - middle;
            let weight = abs(share(right.x - column, right.y) - share(left.x - column, left.y));
            sum += weight * length_of(m, ray(m, column).y) * lines[start + u32(cell)];
        }
    }
    image[(line - params.image_first) * params.nx + x] += sum;
}

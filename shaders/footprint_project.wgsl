// Projects an image, one invocation a cell; see src/kernels/footprint.rs for what a cell sees of a pixel.
// Follows shaders/lib/footprint.wgsl.

@group(0) @binding(1) var<storage, read> image: array<f32>;
@group(0) @binding(2) var<storage, read> matrices: array<f32>;
@group(0) @binding(3) var<storage, read_write> lines: array<f32>;

const SLACK = 0.02;

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

// Multiplies every complex line by one real line. The names are those of src/kernels/multiply_lines.rs.

struct Params {
    lines: u32,
    length: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> response: array<f32>;
@group(0) @binding(2) var<storage, read_write> work: array<vec2f>;

const SIZE = 256u;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    if index >= params.lines * params.length {
        return;
    }
    work[index] *= response[index % params.length];
}

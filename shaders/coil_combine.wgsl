// What the coils say together: image <- keep * image + sum of conj(map) * coil. The names are those of
// src/kernels/coil_combine.rs.

struct Params {
    nx: u32,
    image_lines: u32,
    first: u32,
    lines: u32,
    channels: u32,
    channel: u32,
    keep: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> coils: array<f32>;
@group(0) @binding(2) var<storage, read> maps: array<f32>;
@group(0) @binding(3) var<storage, read_write> image: array<f32>;

const SIZE = 256u;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    if index >= params.image_lines * params.nx {
        return;
    }
    let nx = params.nx;
    let line = index / nx;
    let column = index % nx;
    // The first line of the slab that shows this line of the image.
    let ahead = (line + params.image_lines - params.first % params.image_lines) % params.image_lines;
    var sum = vec2f(0.0);
    for (var l = ahead; l < params.lines; l += params.image_lines) {
        let at = 2u * l * nx + column;
        let s = vec2f(maps[at], maps[at + nx]);
        let y = vec2f(coils[at], coils[at + nx]);
        sum += vec2f(s.x * y.x + s.y * y.y, s.x * y.y - s.y * y.x);
    }
    let pixel = (line * params.channels + params.channel) * nx + column;
    if params.keep != 0.0 {
        sum += params.keep * vec2f(image[pixel], image[pixel + nx]);
    }
    image[pixel] = sum.x;
    image[pixel + nx] = sum.y;
}

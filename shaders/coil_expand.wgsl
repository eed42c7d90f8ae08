// What each coil sees: coil lines <- keep * coil lines + map * image. The names are those of src/kernels/coil_expand.rs.

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
@group(0) @binding(1) var<storage, read> image: array<f32>;
@group(0) @binding(2) var<storage, read> maps: array<f32>;
@group(0) @binding(3) var<storage, read_write> coils: array<f32>;

const SIZE = 256u;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    if index >= params.lines * params.nx {
        return;
    }
    let nx = params.nx;
    let line = index / nx;
    let column = index % nx;
    let at = 2u * line * nx + column;
    let pixel = ((params.first + line) % params.image_lines * params.channels + params.channel) * nx + column;
    let s = vec2f(maps[at], maps[at + nx]);
    let x = vec2f(image[pixel], image[pixel + nx]);
    var kept = vec2f(0.0);
    if params.keep != 0.0 {
        kept = params.keep * vec2f(coils[at], coils[at + nx]);
    }
    coils[at] = kept.x + (s.x * x.x - s.y * x.y);
    coils[at + nx] = kept.y + (s.x * x.y + s.y * x.x);
}

// 3 × 3 convolution of feature maps: a workgroup makes 32 × 8 pixels of 16 channels, an invocation four pixels side by side;
// eight input channels at a time wait in workgroup memory. The names are those of src/kernels/convolve3x3.rs; before this
// comes lib/channel_blocks.wgsl.

const SIZE = 64u;
const CHUNK = 8u;
// A tile of inputs: columns, lines, and numbers from one line to the next: odd, so that lines begin in other banks.
const COLUMNS = 34u;
const LINES = 10u;
const STRIDE = 35u;

var<workgroup> tile: array<f32, 2800>;
var<workgroup> taps: array<vec4f, 288>;

// 16 output channels' weights of one input channel.
fn tap(at: u32) -> mat4x4f {
    let first = 4u * at;
    return mat4x4f(taps[first], taps[first + 1u], taps[first + 2u], taps[first + 3u]);
}

// Input channels, beginning with `first`, and their weights. Beyond the maps' frame the tile has zeros.
fn fetch(group: vec3u, local: u32, first: u32) {
    let layer = params.layer;
    let height = layer.height + 2u;
    let width = layer.width + 2u;
    let block = first / 16u;
    let within = first % 16u;
    for (var at = local; at < 2u * COLUMNS * LINES; at += SIZE) {
        let pixel = at / 2u;
        let line = pixel / COLUMNS;
        let column = pixel % COLUMNS;
        let y = 8u * group.y + line;
        let x = 32u * group.x + column;
        var four = vec4f(0.0);
        if y < height && x < width {
            four = maps[4u * ((block * height + y) * width + x) + within / 4u + at % 2u];
        }
        let place = (4u * (at % 2u) * LINES + line) * STRIDE + column;
        tile[place] = four.x;
        tile[place + LINES * STRIDE] = four.y;
        tile[place + 2u * LINES * STRIDE] = four.z;
        tile[place + 3u * LINES * STRIDE] = four.w;
    }
    let channels = min(16u, layer.inputs - 16u * block);
    let start = 9u * ((layer.first_weights + group.z) * layer.all_inputs + layer.first_input + 16u * block) + within;
    for (var at = local; at < 4u * 9u * CHUNK; at += SIZE) {
        let row = at / 4u;
        taps[at] = weights[4u * (start + row / CHUNK * channels + row % CHUNK) + at % 4u];
    }
}

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
    let y = local / 8u;
    let x = 4u * (local % 8u);
    var a = mat4x4f();
    var b = mat4x4f();
    var c = mat4x4f();
    var d = mat4x4f();
    for (var first = 0u; first < params.layer.inputs; first += CHUNK) {
        fetch(group, local, first);
        workgroupBarrier();
        for (var channel = 0u; channel < CHUNK; channel += 1u) {
            for (var line = 0u; line < 3u; line += 1u) {
                let source = (channel * LINES + y + line) * STRIDE + x;
                let p = tile[source];
                let q = tile[source + 1u];
                let r = tile[source + 2u];
                let s = tile[source + 3u];
                let t = tile[source + 4u];
                let u = tile[source + 5u];
                let left = tap(3u * line * CHUNK + channel);
                a += left * p;
                b += left * q;
                c += left * r;
                d += left * s;
                let middle = tap((3u * line + 1u) * CHUNK + channel);
                a += middle * q;
                b += middle * r;
                c += middle * s;
                d += middle * t;
                let right = tap((3u * line + 2u) * CHUNK + channel);
                a += right * r;
                b += right * s;
                c += right * t;
                d += right * u;
            }
        }
        workgroupBarrier();
    }
    let top = 8u * group.y + y;
    let start = 32u * group.x + x;
    finish(group.z, top, start, a);
    finish(group.z, top, start + 1u, b);
    finish(group.z, top, start + 2u, c);
    finish(group.z, top, start + 3u, d);
}

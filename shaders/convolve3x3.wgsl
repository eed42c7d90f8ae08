// 3 × 3 convolution of feature maps: a workgroup makes 32 × 8 pixels of 16 channels, an invocation four pixels side by side of
// four channels; eight input channels at a time wait in workgroup memory. The names are those of src/kernels/convolve3x3.rs;
// before this comes lib/channel_blocks.wgsl.

const SIZE = 256u;
const CHUNK = 8u;
// A tile of inputs: columns, lines, and numbers from one line to the next: odd, so that lines begin in other banks.
const COLUMNS = 34u;
const LINES = 10u;
const STRIDE = 35u;

var<workgroup> tile: array<f32, 2800>;
// [tap, input channel, four output channels].
var<workgroup> taps: array<vec4f, 288>;

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

// One channel of four pixels side by side, times weights for four output channels.
fn product(tap: vec4f, p: f32, q: f32, r: f32, s: f32) -> mat4x4f {
    return mat4x4f(tap * p, tap * q, tap * r, tap * s);
}

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
    // Channels change fastest, so that neighbours write side by side.
    let four = local % 4u;
    let x = 4u * (local / 4u % 8u);
    let y = local / 32u;
    // A column for a pixel.
    var sums = mat4x4f();
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
                let tap = 4u * (3u * line * CHUNK + channel) + four;
                sums += product(taps[tap], p, q, r, s);
                sums += product(taps[tap + 4u * CHUNK], q, r, s, t);
                sums += product(taps[tap + 8u * CHUNK], r, s, t, u);
            }
        }
        workgroupBarrier();
    }
    let top = 8u * group.y + y;
    let start = 32u * group.x + x;
    finish_four(group.z, four, top, start, sums[0]);
    finish_four(group.z, four, top, start + 1u, sums[1]);
    finish_four(group.z, four, top, start + 2u, sums[2]);
    finish_four(group.z, four, top, start + 3u, sums[3]);
}

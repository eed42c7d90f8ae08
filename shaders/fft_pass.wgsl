// One pass of a Stockham autosort FFT of complex lines: RADIX parts of `span` become one of RADIX * span.
// The names are those of src/kernels/fft_pass.rs.

struct Params {
    lines: u32,
    length: u32,
    // product of the radices of the passes before
    span: u32,
    radix: u32,
    // +1 forward, -1 adjoint: the sign of the imaginary part of every root of unity below
    sign: f32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// e^(-2 pi i m / length), m = 0..length
@group(0) @binding(1) var<storage, read> twiddles: array<vec2f>;
@group(0) @binding(2) var<storage, read> x: array<vec2f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec2f>;

// Replaced by params.radix: a constant, so that a butterfly stays in registers.
const RADIX = 8u;
const SIZE = 64u;

fn multiply(a: vec2f, b: vec2f) -> vec2f {
    return vec2f(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

// Sums and differences of values `half` apart; the differences turn by e^(-2 pi i m / (2 half)), m = 0..half.
fn halve(values: ptr<function, array<vec2f, RADIX>>, half: u32) {
    const r = 0.70710678118654752;
    // e^(-2 pi i m / 8)
    let roots = array(vec2f(1.0, 0.0), vec2f(r, -r), vec2f(0.0, -1.0), vec2f(-r, -r));
    for (var i = 0u; i < RADIX / 2u; i++) {
        let low = i / half * 2u * half + i % half;
        let high = low + half;
        let root = roots[i % half * (4u / half)];
        let difference = (*values)[low] - (*values)[high];
        (*values)[low] += (*values)[high];
        (*values)[high] = multiply(difference, vec2f(root.x, params.sign * root.y));
    }
}

// The DFT of RADIX = 2, 4 or 8 values, decimated in frequency: the result stands in bit-reversed order.
// Calls instead of a loop over the stages: compilers unroll what counts by one.
fn butterfly(values: ptr<function, array<vec2f, RADIX>>) {
    if RADIX == 8u {
        halve(values, 4u);
    }
    if RADIX >= 4u {
        halve(values, 2u);
    }
    halve(values, 1u);
}

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    let butterflies = params.length / RADIX;
    let line = index / butterflies;
    if line >= params.lines {
        return;
    }
    let i = index % butterflies;
    let part = i % params.span;
    let first = line * params.length;
    // The twiddle of input r is e^(-2 pi i r part / (RADIX span)).
    let step = part * (butterflies / params.span);
    var values: array<vec2f, RADIX>;
    values[0] = x[first + i];
    for (var r = 1u; r < RADIX; r++) {
        let twiddle = twiddles[r * step];
        values[r] = multiply(x[first + i + r * butterflies], vec2f(twiddle.x, params.sign * twiddle.y));
    }
    butterfly(&values);
    let target_first = first + (i - part) * RADIX + part;
    for (var r = 0u; r < RADIX; r++) {
        let place = reverseBits(r) >> (countLeadingZeros(RADIX) + 1u);
        y[target_first + place * params.span] = params.scale * values[r];
    }
}

// One pass of a Stockham autosort FFT along an axis: RADIX parts of `span` become one of RADIX * span.
// The names are those of src/kernels/fft_pass.rs. Follows shaders/lib/axis_layout.wgsl.

struct Params {
    x: AxisLayout,
    y: AxisLayout,
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
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// Replaced by params.radix: a constant, so that a butterfly stays in registers.
const RADIX = 8u;
const HALF = RADIX / 2u;
const SIZE = 64u;

fn multiply(a: vec2f, b: vec2f) -> vec2f {
    return vec2f(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

// Sums and differences of values `half` apart; the differences turn by e^(-2 pi i m / (2 half)), m = 0..half.
fn halve(values: ptr<function, array<vec2f, RADIX>>, half: u32) {
    const r = 0.70710678118654752;
    // e^(-2 pi i m / 8)
    let roots = array(vec2f(1.0, 0.0), vec2f(r, -r), vec2f(0.0, -1.0), vec2f(-r, -r));
    for (var i = 0u; i < HALF; i++) {
        let low = i / half * 2u * half + i % half;
        let high = low + half;
        let root = roots[i % half * (4u / half)];
        let difference = (*values)[low] - (*values)[high];
        (*values)[low] += (*values)[high];
        (*values)[high] = multiply(difference, vec2f(root.x, params.sign * root.y));
    }
}

// y[q], y[R-q] = x[0] + sum over r of cos (x[r] + x[R-r]) -+ i sin (x[r] - x[R-r]), for an odd RADIX; in order.
fn odd(values: ptr<function, array<vec2f, RADIX>>) {
    let x = *values;
    for (var r = 1u; r <= HALF; r++) {
        (*values)[0] += x[r] + x[RADIX - r];
    }
    let turn = params.x.length / RADIX;
    for (var q = 1u; q <= HALF; q++) {
        var even = x[0];
        var odd = vec2f();
        for (var r = 1u; r <= HALF; r++) {
            let root = twiddles[q * r % RADIX * turn];
            even += root.x * (x[r] + x[RADIX - r]);
            odd += root.y * (x[r] - x[RADIX - r]);
        }
        odd = params.sign * vec2f(-odd.y, odd.x);
        (*values)[q] = even + odd;
        (*values)[RADIX - q] = even - odd;
    }
}

// The DFT of RADIX values. Even ones are decimated in frequency: the result stands in bit-reversed order.
// Calls instead of a loop over the stages: compilers unroll what counts by one.
fn butterfly(values: ptr<function, array<vec2f, RADIX>>) {
    if RADIX % 2u == 1u {
        odd(values);
        return;
    }
    if RADIX >= 8u {
        halve(values, 4u);
    }
    if RADIX >= 4u {
        halve(values, 2u);
    }
    halve(values, 1u);
}

// Where the butterfly left its r-th value's frequency.
fn frequency(r: u32) -> u32 {
    const shift = (countLeadingZeros(RADIX) + 1u) % 32u;
    return select(reverseBits(r) >> shift, r, RADIX % 2u == 1u);
}

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let butterflies = params.x.length / RADIX;
    let task = task_of(params.x, butterflies, (group.y * groups.x + group.x) * SIZE + local);
    if task.image >= params.x.images {
        return;
    }
    let part = task.index % params.span;
    // The twiddle of input r is e^(-2 pi i r part / (RADIX span)).
    let step = part * (butterflies / params.span);
    let source = base_of(params.x, task);
    var values: array<vec2f, RADIX>;
    for (var r = 0u; r < RADIX; r++) {
        let place = source + offset_of(params.x, task.index + r * butterflies);
        let twiddle = twiddles[r * step];
        values[r] = multiply(vec2f(x[place], x[place + params.x.imaginary]), vec2f(twiddle.x, params.sign * twiddle.y));
    }
    butterfly(&values);
    let into = base_of(params.y, task);
    let first = (task.index - part) * RADIX + part;
    for (var r = 0u; r < RADIX; r++) {
        let place = into + offset_of(params.y, first + frequency(r) * params.span);
        y[place] = params.scale * values[r].x;
        y[place + params.y.imaginary] = params.scale * values[r].y;
    }
}

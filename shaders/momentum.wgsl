// Nesterov's momentum, restarted where it runs uphill. The names are those of src/kernels/momentum.rs.

struct Params {
    turn: u32,
    t: u32,
    beta: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> scalars: array<f32>;

@compute @workgroup_size(1)
fn main() {
    let before = scalars[params.t];
    let next = (1.0 + sqrt(1.0 + 4.0 * before * before)) / 2.0;
    let restart = scalars[params.turn] > 0.0;
    scalars[params.t] = select(next, 1.0, restart);
    scalars[params.beta] = select((before - 1.0) / next, 0.0, restart);
}

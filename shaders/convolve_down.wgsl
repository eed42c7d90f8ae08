// 2 × 2 convolution of feature maps onto ones half as large; one invocation makes four channels of a pixel. The names are those
// of src/kernels/convolve_down.rs; before this comes lib/channel_blocks.wgsl.

@compute @workgroup_size(8, 8, 4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(global_invocation_id) place: vec3u) {
    let four = place.z % 4u;
    let layer = params.layer;
    let height = 2u * layer.height + 2u;
    let width = 2u * layer.width + 2u;
    if place.x >= layer.width || place.y >= layer.height {
        return;
    }
    var row = 4u * ((layer.first_weights + group.z) * layer.all_inputs + layer.first_input);
    var sums = vec4f();
    for (var first = 0u; first < layer.inputs; first += 16u) {
        let channels = min(16u, layer.inputs - first);
        for (var tap = 0u; tap < 4u; tap += 1u) {
            let y = 2u * place.y + 1u + tap / 2u;
            let x = 2u * place.x + 1u + tap % 2u;
            let source = 4u * ((first / 16u * height + y) * width + x);
            for (var channel = 0u; channel < channels; channel += 4u) {
                let values = maps[source + channel / 4u];
                sums += weights_at(row, four) * values.x;
                sums += weights_at(row + 1u, four) * values.y;
                sums += weights_at(row + 2u, four) * values.z;
                sums += weights_at(row + 3u, four) * values.w;
                row += 4u;
            }
        }
    }
    finish_four(group.z, four, place.y, place.x, sums);
}

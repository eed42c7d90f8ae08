// Transposed 2 × 2 convolution of feature maps onto ones twice as large; one invocation makes four channels of the four
// pixels that lie over one input pixel. The names are those of src/kernels/convolve_up.rs; before this comes lib/channel_blocks.wgsl.

@compute @workgroup_size(8, 8, 4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(global_invocation_id) place: vec3u) {
    let four = place.z % 4u;
    let layer = params.layer;
    let height = layer.height / 2u + 2u;
    let width = layer.width / 2u + 2u;
    if 2u * place.x >= layer.width || 2u * place.y >= layer.height {
        return;
    }
    let all = layer.all_inputs;
    var row = 4u * (layer.first_weights + group.z) * all + layer.first_input;
    var a = vec4f();
    var b = vec4f();
    var c = vec4f();
    var d = vec4f();
    for (var channel = 0u; channel < layer.inputs; channel += 4u) {
        let source = (channel / 16u * height + place.y + 1u) * width + place.x + 1u;
        let values = maps[4u * source + channel % 16u / 4u];
        for (var next = 0u; next < 4u; next += 1u) {
            a += weights_at(row, four) * values[next];
            b += weights_at(row + all, four) * values[next];
            c += weights_at(row + 2u * all, four) * values[next];
            d += weights_at(row + 3u * all, four) * values[next];
            row += 1u;
        }
    }
    finish_four(group.z, four, 2u * place.y, 2u * place.x, a);
    finish_four(group.z, four, 2u * place.y, 2u * place.x + 1u, b);
    finish_four(group.z, four, 2u * place.y + 1u, 2u * place.x, c);
    finish_four(group.z, four, 2u * place.y + 1u, 2u * place.x + 1u, d);
}

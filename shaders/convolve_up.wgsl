// Transposed 2 × 2 convolution of feature maps onto ones twice as large; one invocation makes 16 channels of the four pixels
// that lie over one input pixel. The names are those of src/kernels/convolve_up.rs; before this comes lib/channel_blocks.wgsl.

@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(global_invocation_id) place: vec3u) {
    let layer = params.layer;
    let height = layer.height / 2u + 2u;
    let width = layer.width / 2u + 2u;
    if 2u * place.x >= layer.width || 2u * place.y >= layer.height {
        return;
    }
    let all = layer.all_inputs;
    var row = 4u * (layer.first_weights + group.z) * all + layer.first_input;
    var a = mat4x4f();
    var b = mat4x4f();
    var c = mat4x4f();
    var d = mat4x4f();
    for (var channel = 0u; channel < layer.inputs; channel += 1u) {
        let source = (channel / 16u * height + place.y + 1u) * width + place.x + 1u;
        let value = maps[4u * source + channel % 16u / 4u][channel % 4u];
        a += weights_at(row) * value;
        b += weights_at(row + all) * value;
        c += weights_at(row + 2u * all) * value;
        d += weights_at(row + 3u * all) * value;
        row += 1u;
    }
    finish(group.z, 2u * place.y, 2u * place.x, a);
    finish(group.z, 2u * place.y, 2u * place.x + 1u, b);
    finish(group.z, 2u * place.y + 1u, 2u * place.x, c);
    finish(group.z, 2u * place.y + 1u, 2u * place.x + 1u, d);
}

// How feature maps stand in arrays; the names are those of src/kernels/channel_blocks.rs.

struct ChannelBlocks {
    width: u32,
    height: u32,
    inputs: u32,
    first_input: u32,
    all_inputs: u32,
    blocks: u32,
    first_weights: u32,
    first_output: u32,
    accumulate: u32,
    rectify: u32,
    tile: u32,
    step: u32,
}

struct Params {
    layer: ChannelBlocks,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> maps: array<vec4f>;
@group(0) @binding(2) var<storage, read> weights: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> into: array<vec4f>;

// Writes four channels of an output pixel, of the four fours of a block.
fn finish_four(block: u32, four: u32, y: u32, x: u32, sums: vec4f) {
    let layer = params.layer;
    if x >= layer.width || y >= layer.height || y % layer.step >= layer.tile {
        return;
    }
    let place = 4u * (((layer.first_output + block) * (layer.height + 2u) + y + 1u) * (layer.width + 2u) + x + 1u) + four;
    var all = sums;
    if layer.accumulate != 0u {
        all += into[place];
    }
    into[place] = max(all, vec4f(select(-0x1p+127f, 0.0, layer.rectify != 0u)));
}

// Four output channels' weights of one input channel.
fn weights_at(place: u32, four: u32) -> vec4f {
    return weights[4u * place + four];
}

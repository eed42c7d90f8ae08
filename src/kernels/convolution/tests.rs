//! Every SIMD level against the plain formula.

use super::{
    super::{Convolve3x3, ConvolveDown, ConvolveUp, channel_blocks},
    *,
};
use crate::device::Kernel;

/// Maps by pixel and channel.
struct Maps<'a> {
    numbers: &'a [f32],
    height: usize,
    width: usize,
}

impl Maps<'_> {
    /// y and x count from the frame's first line and column.
    fn at(&self, channel: usize, y: usize, x: usize) -> f64 {
        let [line, map] = sizes(self.height, self.width);
        f64::from(self.numbers[channel / BLOCK * map + y * line + x * BLOCK + channel % BLOCK])
    }
}

fn formula(
    layer: &ChannelBlocks,
    taps: Taps,
    maps: &Maps,
    w: impl Fn(usize, usize, usize) -> f64,
    at: [usize; 3],
) -> f64 {
    let [o, y, x] = at;
    (0..layer.inputs as usize)
        .map(|i| match taps {
            Taps::Around => (0..9).map(|t| w(o, i, t) * maps.at(i, y + t / 3, x + t % 3)).sum::<f64>(),
            Taps::Down => (0..4).map(|t| w(o, i, t) * maps.at(i, 2 * y + 1 + t / 2, 2 * x + 1 + t % 2)).sum(),
            Taps::Up => w(o, i, y % 2 * 2 + x % 2) * maps.at(i, y / 2 + 1, x / 2 + 1),
        })
        .sum()
}

fn check<K: Kernel>(taps: Taps, layer_of: fn(&K) -> ChannelBlocks) {
    for seed in 0..3 {
        let Example { kernel, inputs, mut outputs } = K::example(seed);
        let layer = layer_of(&kernel);
        let (height, width) = (layer.height as usize, layer.width as usize);
        let (all, channels) = (layer.all_inputs as usize, BLOCK * layer.blocks as usize);
        // PyTorch's order, packed as the library packs it.
        let count = taps.count();
        let outputs_all = channels + BLOCK * layer.first_weights as usize;
        let weights = HostArray::noise(&[outputs_all * all * count], seed + 7);
        let weights = weights.numbers::<f32>();
        let packed = match taps {
            Taps::Up => channel_blocks::transposed_weights(weights, [all, outputs_all, count]),
            _ => channel_blocks::convolution_weights(weights, [outputs_all, all, count]),
        };
        let w = |o: usize, i: usize, t: usize| {
            let (o, i) = (o + BLOCK * layer.first_weights as usize, i + layer.first_input as usize);
            f64::from(if taps == Taps::Up {
                weights[(i * outputs_all + o) * count + t]
            } else {
                weights[(o * all + i) * count + t]
            })
        };
        let [in_height, in_width] = taps.input(height, width);
        let maps = Maps { numbers: inputs[0].numbers(), height: in_height, width: in_width };
        let before = outputs.remove(0);
        for simd in Simd::available() {
            let mut found = before.numbers::<f32>().to_vec();
            run(simd, taps, &layer, [maps.numbers, &packed], &mut found);
            let [found, before] = [&found[..], before.numbers()].map(|numbers| Maps { numbers, height, width });
            let skip = BLOCK * layer.first_output as usize;
            for at in (0..channels * height * width).step_by(7) {
                let (o, y, x) = (at / height / width, at / width % height, at % width);
                let mut expected = formula(&layer, taps, &maps, w, [o, y, x]);
                if layer.accumulate == 1 {
                    expected += before.at(skip + o, y + 1, x + 1);
                }
                if layer.rectify == 1 {
                    expected = expected.max(0.0);
                }
                let found = found.at(skip + o, y + 1, x + 1);
                // Between tiles all is as it was.
                if y % layer.step as usize >= layer.tile as usize {
                    assert_eq!(found, before.at(skip + o, y + 1, x + 1), "{simd}, seed {seed}, {o} {y} {x}");
                    continue;
                }
                assert!((found - expected).abs() < 2e-5, "{simd}, seed {seed}, {o} {y} {x}: {found}, not {expected}");
            }
            // The frame is nobody's.
            for x in 0..width + 2 {
                assert_eq!(found.at(skip, 0, x), before.at(skip, 0, x), "{simd}");
                assert_eq!(found.at(skip, height + 1, x), before.at(skip, height + 1, x), "{simd}");
            }
        }
    }
}

#[test]
fn convolutions_are_their_formula() {
    check::<Convolve3x3>(Taps::Around, |kernel| kernel.layer);
    check::<ConvolveDown>(Taps::Down, |kernel| kernel.layer);
    check::<ConvolveUp>(Taps::Up, |kernel| kernel.layer);
}

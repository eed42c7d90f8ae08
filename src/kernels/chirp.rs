//! Multiplies the complex numbers along an axis by a complex table, and fills up with zeros: what Bluestein's algorithm does
//! between its transforms, y\[j\] = scale · x\[j\] · table\[j\] for j < `given`, 0 behind.

use bytemuck::{Pod, Zeroable};

use super::axis_layout::AxisLayout;
use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 64;

/// Inputs: table f32 `[1, ≥ given, 2]`, x f32, where its layout says. Output: y, where its says.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Chirp {
    /// How x stands; at least `given` numbers long.
    pub x: AxisLayout,
    /// How y stands; as many transforms.
    pub y: AxisLayout,
    /// Products to form.
    pub given: u32,
    /// −1 for the table's conjugate, else +1.
    pub sign: f32,
    /// Multiplies the result.
    pub scale: f32,
    /// Uniforms hold whole 16 bytes.
    pub spare: u32,
}

impl Kernel for Chirp {
    const NAME: &'static str = "chirp";
    const WGSL: &'static str =
        concat!(include_str!("../../shaders/lib/axis_layout.wgsl"), include_str!("../../shaders/chirp.wgsl"));
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.y.transforms() * self.y.length as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let table: &[[f32; 2]] = bytemuck::cast_slice(inputs[0].numbers::<f32>());
        let (x, y) = (inputs[1].numbers::<f32>(), outputs[0].numbers::<f32>());
        for transform in self.y.all() {
            for j in 0..self.y.length as usize {
                let mut product = [0.0; 2];
                if let Some([cos, sin]) = table[..self.given as usize].get(j) {
                    let [re, im] = self.x.place(transform, j).map(|place| x[place]);
                    let sin = self.sign * sin;
                    product = [re * cos - im * sin, re * sin + im * cos].map(|part| part * self.scale);
                }
                let places = self.y.place(transform, j);
                [y[places[0]], y[places[1]]] = product;
            }
        }
    }

    fn example(seed: u64) -> Example<Self> {
        let axis = seed as usize % 3;
        let (mut short, mut long) = ([4, 5, 7], [4, 5, 7]);
        (short[axis], long[axis]) = (17, 36);
        let shape = |[nz, ny, nx]: [usize; 3]| [2 * nz * ny, 2, nx];
        let x = AxisLayout { turn: 8, ..AxisLayout::planar(2, short, axis) };
        let y = AxisLayout { first: 4, ..AxisLayout::planar(2, long, axis) };
        let kernel = Self { x, y, given: 17, sign: 1.0 - 2.0 * (seed % 2) as f32, scale: 0.5, spare: 0 };
        let inputs = vec![HostArray::noise(&[1, 17, 2], seed), HostArray::noise(&shape(short), seed + 1)];
        let outputs = vec![HostArray::noise(&[4 + shape(long).iter().product::<usize>()], seed + 2)];
        Example { kernel, inputs, outputs }
    }
}

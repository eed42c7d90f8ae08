//! Arithmetic on whole arrays, number by number, with scalars that stay on the device: nothing is read back in a loop.

use crate::{
    device::{Array, Device, Element},
    error::Result,
    kernels::{Blend, Dot, Extrapolate, Momentum, Sum, Update, Weigh, dot::BLOCK},
};

fn numbers(array: &Array, lines: usize) -> u32 {
    (lines * array.line_len()) as u32
}

#[track_caller]
fn check(a: &Array, b: &Array) {
    assert_eq!(a.shape(), b.shape(), "arrays that are combined number by number");
}

/// s ← clamp(x + factor·c·s) within `[lower, upper]`.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn update(device: &Device, (factor, x, c): (f32, &Array, &Array), [lower, upper]: [f32; 2], s: &mut Array) {
    check(x, s);
    check(c, s);
    let length = s.line_len();
    for ((s, x), c) in s.slabs_mut().iter_mut().zip(x.slabs()).zip(c.slabs()) {
        let count = (s.lines().len() * length) as u32;
        device.run(&Update { count, factor, lower, upper }, &[x, c], &mut [s]);
    }
}

/// y ← factor·w·(b − y).
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn weigh(device: &Device, factor: f32, b: &Array, w: &Array, y: &mut Array) {
    check(b, y);
    check(w, y);
    let length = y.line_len();
    for ((y, b), w) in y.slabs_mut().iter_mut().zip(b.slabs()).zip(w.slabs()) {
        device.run(&Weigh { count: (y.lines().len() * length) as u32, factor }, &[b, w], &mut [y]);
    }
}

/// A factor: a constant times one scalar over another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factor {
    constant: f32,
    over: usize,
    under: usize,
}

impl Factor {
    /// A number known on the host.
    pub const fn constant(constant: f32) -> Self {
        Self { constant, over: 0, under: 0 }
    }

    /// The ratio of two scalars by their indices; 0 where the second is 0.
    pub const fn ratio(over: usize, under: usize) -> Self {
        Self { constant: 1.0, over, under }
    }

    /// Its negative.
    pub const fn negative(self) -> Self {
        self.times(-1.0)
    }

    /// So many times it.
    pub const fn times(self, number: f32) -> Self {
        Self { constant: number * self.constant, ..self }
    }
}

/// A few scalars on a device, and what computes with them. Number 0 is always 1.
#[derive(Debug)]
pub struct Scalars {
    device: Device,
    values: Array,
    sums: Array,
}

impl Scalars {
    /// Scalars with these values after the 1, for dot products of arrays like those given.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn new(device: &Device, values: &[f32], like: &[&Array]) -> Result<Self> {
        let blocks = |array: &&Array| -> usize {
            array.slabs().iter().map(|slab| (slab.lines().len() * array.line_len()).div_ceil(BLOCK)).sum()
        };
        let most = like.iter().map(blocks).max().unwrap_or(0).max(1);
        let values: Vec<f32> = std::iter::once(1.0).chain(values.iter().copied()).collect();
        let sums = device.zeros(&[1, most], Element::F32)?;
        Ok(Self { device: device.clone(), values: device.upload(&[1, values.len()], values)?, sums })
    }

    /// Reads them back; waits for the device.
    ///
    /// # Errors
    /// What has gone wrong on the device.
    pub fn read(&self) -> Result<Vec<f32>> {
        self.device.download(&self.values)
    }

    /// scalar ← ⟨x, y⟩.
    pub fn dot(&mut self, into: usize, x: &Array, y: &Array) {
        self.products([x, y, y], false, (into, 1.0, 0.0), 0);
    }

    /// scalar ← ⟨x, y⟩ where that is above the scalar at `above`, and 0 where it is not.
    pub fn dot_above(&mut self, into: usize, above: usize, x: &Array, y: &Array) {
        self.products([x, y, y], false, (into, 1.0, 0.0), above);
    }

    /// scalar ← scalar + factor·⟨x, y⟩.
    pub fn add_dot(&mut self, into: usize, factor: f32, x: &Array, y: &Array) {
        self.products([x, y, y], false, (into, factor, 1.0), 0);
    }

    /// scalar ← ⟨x − y, y − z⟩.
    pub fn dot_of_differences(&mut self, into: usize, x: &Array, y: &Array, z: &Array) {
        self.products([x, y, z], true, (into, 1.0, 0.0), 0);
    }

    #[track_caller]
    fn products(
        &mut self,
        [x, y, z]: [&Array; 3],
        differences: bool,
        (into, factor, keep): (usize, f32, f32),
        above: usize,
    ) {
        check(x, y);
        check(y, z);
        let mut first = 0;
        let sums = self.sums.slab_of_mut(0);
        for ((slab, y), z) in x.slabs().iter().zip(y.slabs()).zip(z.slabs()) {
            let count = numbers(x, slab.lines().len());
            let kernel = Dot { count, first, differences: differences.into() };
            self.device.run(&kernel, &[slab, y, z], &mut [sums]);
            first += count.div_ceil(BLOCK as u32);
        }
        let kernel = Sum { count: first, into: into as u32, factor, keep, above: above as u32 };
        self.device.run(&kernel, &[sums], &mut [self.values.slab_of_mut(0)]);
    }

    /// out ← a·x + b·out.
    ///
    /// # Panics
    /// If the shapes differ.
    #[track_caller]
    pub fn blend(&self, a: Factor, x: &Array, b: Factor, out: &mut Array) {
        check(x, out);
        let length = out.line_len();
        let scalars = self.values.slab_of(0);
        for (out, x) in out.slabs_mut().iter_mut().zip(x.slabs()) {
            let kernel = Blend {
                count: (out.lines().len() * length) as u32,
                x_factor: a.constant,
                x_over: a.over as u32,
                x_under: a.under as u32,
                out_factor: b.constant,
                out_over: b.over as u32,
                out_under: b.under as u32,
            };
            self.device.run(&kernel, &[x, scalars], &mut [out]);
        }
    }

    /// Steps on t and β from the turn, see [`Momentum`]; all three are indices.
    pub fn momentum(&mut self, turn: usize, t: usize, beta: usize) {
        let kernel = Momentum { turn: turn as u32, t: t as u32, beta: beta as u32 };
        self.device.run(&kernel, &[], &mut [self.values.slab_of_mut(0)]);
    }

    /// z ← z + β·(z − x), x ← z as it was; β is `factor` times the scalar at `beta`.
    ///
    /// # Panics
    /// If the shapes differ.
    #[track_caller]
    pub fn extrapolate(&self, factor: f32, beta: usize, z: &mut Array, x: &mut Array) {
        check(z, x);
        let length = z.line_len();
        for (z, x) in z.slabs_mut().iter_mut().zip(x.slabs_mut()) {
            let kernel = Extrapolate { count: (z.lines().len() * length) as u32, factor, beta: beta as u32 };
            self.device.run(&kernel, &[self.values.slab_of(0)], &mut [z, x]);
        }
    }
}

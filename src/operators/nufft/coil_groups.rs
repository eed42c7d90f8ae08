//! Coils on the CPU: eight go side by side, what is left of them one by one; and arrays of images that lie in slabs.

use std::ops::Range;

use crate::{
    device::{Array, Simd},
    kernels::{fine_grid::FineGrid, gridding::COILS},
};

/// Fewer coils than this go one by one rather than beside zeros.
const FEW: usize = 3;

/// The plans that a number of coils needs.
pub(super) struct CoilGroups {
    coils: usize,
    eight: Option<FineGrid>,
    one: Option<FineGrid>,
}

/// Coils that go together.
pub(super) struct Group<'a> {
    pub coils: Range<usize>,
    /// Places in the grid, 8 or 1; those beyond the coils hold zeros.
    pub count: usize,
    pub fine: &'a FineGrid,
}

impl CoilGroups {
    /// Plans for images and grids of these extents z, y, x, with factors of the images.
    pub fn new(coils: usize, (image, fine): ([usize; 3], [usize; 3]), factors: [Vec<f32>; 3]) -> Self {
        let (full, rest) = (coils / COILS, coils % COILS);
        let plan = |count| FineGrid::new(Simd::detected(), image, fine, factors.clone(), count);
        let eight = (full > 0 || rest >= FEW).then(|| plan(COILS));
        let one = (rest > 0 && rest < FEW).then(|| plan(1));
        Self { coils, eight, one }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Group<'_>> {
        let mut first = 0;
        std::iter::from_fn(move || {
            let left = self.coils - first;
            let (count, fine) = if left >= FEW { (COILS, &self.eight) } else { (1, &self.one) };
            let coils = first..first + count.min(left);
            first = coils.end;
            (left > 0).then(|| Group { coils, count, fine: fine.as_ref().expect("planned for these coils") })
        })
    }
}

impl Group<'_> {
    /// grid ← F D of the group's images.
    pub fn forward(&self, images: &[&[f32]], grid: &mut Vec<f32>) {
        grid.resize(self.fine.len(), 0.0);
        let mut own = images[self.coils.clone()].to_vec();
        let nothing = vec![0.0; if own.len() < self.count { own[0].len() } else { 0 }];
        own.resize(self.count, &nothing);
        self.fine.forward(&own, grid);
    }

    /// The group's images ← D Fᴴ grid.
    pub fn adjoint(&self, grid: &mut [f32], images: &mut [&mut [f32]]) {
        let len = images[0].len();
        let mut unasked = vec![vec![0.0; len]; self.count - self.coils.len()];
        let own = images[self.coils.clone()].iter_mut().map(|image| &mut **image);
        let mut own: Vec<&mut [f32]> = own.chain(unasked.iter_mut().map(|image| &mut image[..])).collect();
        self.fine.adjoint(grid, &mut own);
    }
}

/// Shows `look` the images of an array, one a coil; they are copied if they lie in slabs.
pub(super) fn read(x: &Array, coils: usize, look: impl FnOnce(&[&[f32]])) {
    let joined: Vec<f32>;
    let numbers = match x.slabs() {
        [slab] => slab.host().numbers(),
        slabs => {
            joined = slabs.iter().flat_map(|slab| slab.host().numbers::<f32>()).copied().collect();
            &joined[..]
        }
    };
    look(&numbers.chunks_exact(numbers.len() / coils).collect::<Vec<_>>());
}

/// Lets `fill` write all images of an array.
pub(super) fn write(x: &mut Array, coils: usize, fill: impl FnOnce(&mut [&mut [f32]])) {
    let len = x.shape().iter().product::<usize>() / coils;
    if x.slabs().len() == 1 {
        return fill(&mut lines(x, len));
    }
    let mut apart = vec![0.0; coils * len];
    fill(&mut apart.chunks_exact_mut(len).collect::<Vec<_>>());
    let mut rest = &apart[..];
    for slab in x.slabs_mut() {
        let numbers = slab.host_mut().into_numbers::<f32>();
        let (own, after) = rest.split_at(numbers.len());
        numbers.copy_from_slice(own);
        rest = after;
    }
}

/// The array's numbers in pieces of `len`, none of which lies in two slabs.
pub(super) fn lines(array: &mut Array, len: usize) -> Vec<&mut [f32]> {
    array.slabs_mut().iter_mut().flat_map(|slab| slab.host_mut().into_numbers::<f32>().chunks_exact_mut(len)).collect()
}

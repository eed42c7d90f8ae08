//! The eigenproblem at every pixel of an image, lines of pixels side by side on the threads.

use ndarray::{Array4, Array5};
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;

use super::{
    eigenmaps::{GROUP, Line, LineState},
    series::{Series, Waves},
};
use crate::{device::Simd, kernels::lanes};

/// Lines that one task solves one after the other: fixed, so that the maps do not depend on the number of threads.
const LINES: usize = 16;

/// What it takes.
pub struct Pixels<'a> {
    pub series: &'a Series,
    pub waves: Waves,
    pub matrix: [usize; 3],
    pub coils: usize,
    /// Principal mixtures of the coils: what the iteration begins with, the first also the reference of phase.
    pub begin: Vec<Vec<Complex64>>,
}

/// Maps `[set, coil, line, x]` and eigenvalues `[set, line, x]` of some lines.
struct Part {
    maps: Vec<Complex32>,
    values: Vec<f32>,
}

impl Pixels<'_> {
    /// Unit vectors `[set, coil, z, y, x]` and eigenvalues `[set, z, y, x]`.
    pub fn solve(&self) -> (Array5<Complex32>, Array4<f32>) {
        let [nz, ny, nx] = self.matrix;
        let (sets, coils) = (self.begin.len(), self.coils);
        let starts: Vec<(usize, usize)> = (0..nz).flat_map(|z| (0..ny).step_by(LINES).map(move |y| (z, y))).collect();
        let parts: Vec<Part> = starts.par_iter().map(|(z, y)| self.lines(*z, *y..(*y + LINES).min(ny))).collect();
        let mut maps = Array5::zeros((sets, coils, nz, ny, nx));
        let mut values = Array4::zeros((sets, nz, ny, nx));
        let blocks = ny.div_ceil(LINES);
        // One plane z of one coil after the other takes its lines from the parts.
        let planes = maps.as_slice_mut().expect("made above").par_chunks_mut(ny * nx).enumerate();
        planes.for_each(|(index, plane)| {
            let (row, z) = (index / nz, index % nz);
            for (lines, part) in plane.chunks_mut(LINES * nx).zip(&parts[z * blocks..]) {
                lines.copy_from_slice(&part.maps[row * lines.len()..][..lines.len()]);
            }
        });
        let planes = values.as_slice_mut().expect("made above").chunks_mut(ny * nx).enumerate();
        planes.for_each(|(index, plane)| {
            let (set, z) = (index / nz, index % nz);
            for (lines, part) in plane.chunks_mut(LINES * nx).zip(&parts[z * blocks..]) {
                lines.copy_from_slice(&part.values[set * lines.len()..][..lines.len()]);
            }
        });
        (maps, values)
    }

    fn lines(&self, z: usize, rows: std::ops::Range<usize>) -> Part {
        let nx = self.matrix[2];
        let (sets, coils) = (self.begin.len(), self.coils);
        let begin: Vec<Vec<(f32, f32)>> =
            self.begin.iter().map(|set| set.iter().map(|x| (x.re as f32, x.im as f32)).collect()).collect();
        let mut state = LineState::new(self.series, nx, coils, &begin);
        let count = rows.len();
        let mut part =
            Part { maps: vec![Complex32::ZERO; sets * coils * count * nx], values: vec![0.0; sets * count * nx] };
        for (row, y) in rows.enumerate() {
            let (series, waves, matrix) = (self.series, &self.waves, self.matrix);
            lanes::run(Simd::detected(), Line { series, waves, matrix, at: [z, y], coils, sets, state: &mut state });
            self.keep(&state, &begin[0], row, count, &mut part);
        }
        part
    }

    /// Turns a line's vectors to the reference's phase, and lays them down as line `row` of `count`.
    fn keep(&self, state: &LineState, reference: &[(f32, f32)], row: usize, count: usize, part: &mut Part) {
        let nx = self.matrix[2];
        let (sets, coils) = (self.begin.len(), self.coils);
        for group in 0..nx.div_ceil(GROUP) {
            let width = GROUP.min(nx - group * GROUP);
            for set in 0..sets {
                let values = &state.values[(group * sets + set) * GROUP..][..GROUP];
                let vectors = &state.vectors[(group * sets + set) * coils * 2 * GROUP..][..coils * 2 * GROUP];
                let at = (set * count + row) * nx + group * GROUP;
                part.values[at..at + width].copy_from_slice(&values[..width]);
                let turns = turns(vectors, reference);
                for (coil, both) in vectors.chunks_exact(2 * GROUP).enumerate() {
                    let at = ((set * coils + coil) * count + row) * nx + group * GROUP;
                    for (lane, into) in part.maps[at..at + width].iter_mut().enumerate() {
                        *into = Complex32::new(both[lane], both[lane + GROUP]) * turns[lane];
                    }
                }
            }
        }
    }
}

/// conj(p)/|p| of p = referenceᴴ v, pixel by pixel.
fn turns(vectors: &[f32], reference: &[(f32, f32)]) -> [Complex32; GROUP] {
    let (mut re, mut im) = ([0.0_f32; GROUP], [0.0_f32; GROUP]);
    for (both, (a, b)) in vectors.chunks_exact(2 * GROUP).zip(reference) {
        for lane in 0..GROUP {
            re[lane] += a * both[lane] + b * both[lane + GROUP];
            im[lane] += a * both[lane + GROUP] - b * both[lane];
        }
    }
    std::array::from_fn(|lane| {
        let size = (re[lane] * re[lane] + im[lane] * im[lane]).sqrt();
        if size > 0.0 { Complex32::new(re[lane], -im[lane]) / size } else { Complex32::ONE }
    })
}

//! How the complex numbers along one axis stand in a slab of f32 numbers: what transforms along any axis, of planar and of
//! interleaved arrays, have in common with each other.

use bytemuck::{Pod, Zeroable};

/// Number j of the transform (image, row, column) has its real part at `first` + image·`image_stride` + row·`row_stride` +
/// column + `stride`·((j + `turn`) mod `length`), and its imaginary part `imaginary` behind that.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct AxisLayout {
    /// Numbers along the axis.
    pub length: u32,
    /// f32 numbers from one to the next.
    pub stride: u32,
    /// f32 numbers from a real part to its imaginary part.
    pub imaginary: u32,
    /// Transforms side by side.
    pub columns: u32,
    /// Rows of them in an image.
    pub rows: u32,
    /// f32 numbers from one row to the next.
    pub row_stride: u32,
    /// Images.
    pub images: u32,
    /// f32 numbers from one image to the next.
    pub image_stride: u32,
    /// Where the first image begins.
    pub first: u32,
    /// Index of the number that counts as the 0th, less than `length`.
    pub turn: u32,
    /// Uniforms hold structs of whole 16 bytes.
    pub spare: u32,
    /// As `spare`.
    pub more_spare: u32,
}

impl AxisLayout {
    /// The lines of an array `[lines, length, 2]`.
    pub fn interleaved(lines: usize, length: usize) -> Self {
        let [images, length] = [lines, length].map(|count| count as u32);
        let layout = Self { length, stride: 2, imaginary: 1, images, image_stride: 2 * length, ..Self::default() };
        Self { columns: 1, rows: 1, ..layout }
    }

    /// Axis `axis` (0, 1, 2 for z, y, x) of `images` images `[nz·ny, 2, nx]`.
    pub fn planar(images: usize, extents: [usize; 3], axis: usize) -> Self {
        let [nz, ny, nx] = extents.map(|extent| extent as u32);
        let (line, images) = (2 * nx, images as u32);
        let layout = Self { length: [nz, ny, nx][axis], imaginary: nx, columns: nx, rows: 1, ..Self::default() };
        match axis {
            0 => Self { stride: ny * line, rows: ny, row_stride: line, images, image_stride: nz * ny * line, ..layout },
            1 => Self { stride: line, images: images * nz, image_stride: ny * line, ..layout },
            _ => Self { stride: 1, columns: 1, images: images * nz * ny, image_stride: line, ..layout },
        }
    }

    /// Transforms.
    pub fn transforms(&self) -> usize {
        self.columns as usize * self.rows as usize * self.images as usize
    }

    /// Where number `j` of transform (image, row, column) stands.
    pub fn place(&self, [image, row, column]: [usize; 3], j: usize) -> [usize; 2] {
        let [length, stride, turn] = [self.length, self.stride, self.turn].map(|count| count as usize);
        let real = self.first as usize
            + image * self.image_stride as usize
            + row * self.row_stride as usize
            + column
            + stride * ((j + turn) % length);
        [real, real + self.imaginary as usize]
    }

    /// Image, row and column of every transform.
    pub fn all(&self) -> impl Iterator<Item = [usize; 3]> {
        let [images, rows, columns] = [self.images, self.rows, self.columns].map(|count| count as usize);
        (0..images)
            .flat_map(move |image| (0..rows).flat_map(move |row| (0..columns).map(move |column| [image, row, column])))
    }
}

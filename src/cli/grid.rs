//! The image grid as flags.

use clap::Args;
use rushlight::{
    Error, Result,
    geometry::{Circular, Geometry, Grid, LengthUnit},
    units,
};

/// Size, voxel size and centre of an image.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Image grid")]
pub struct GridFlags {
    /// Pixels of a slice: 512, or WIDTHxHEIGHT
    #[arg(long, value_name = "N|WxH", value_parser = size)]
    pub size: Option<[usize; 2]>,
    /// Width of a pixel, such as 0.5mm
    #[arg(long, value_name = "LENGTH", value_parser = units::positive_length)]
    voxel: Option<f64>,
    /// Where the image's middle is, from the rotation axis, such as 10mm,-5mm
    #[arg(long, value_name = "X,Y", value_parser = position, allow_hyphen_values = true)]
    grid_center: Option<[f64; 2]>,
}

impl GridFlags {
    /// The first flag that was given.
    pub fn given(&self) -> Option<&'static str> {
        let given = [
            ("--size", self.size.is_some()),
            ("--voxel", self.voxel.is_some()),
            ("--grid-center", self.grid_center.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
    }

    /// The grid of a scan: by default as many pixels as columns, as large as the sampling at the axis, a slice a row.
    pub fn for_scan(&self, geometry: &Geometry) -> Result<Grid> {
        let circular = Circular::of(geometry)?;
        if geometry.unit == LengthUnit::Cell && (self.voxel.is_some() || self.grid_center.is_some()) {
            return Err(Error::Option(
                "--voxel and --grid-center are lengths, but this scan gives no cell size; give it with --cell".into(),
            ));
        }
        let rows = geometry.rows;
        let middle = geometry.views[0].cell((rows as f64 - 1.0) / 2.0, 0.0)[2];
        let height = circular.row_pitch / circular.magnification();
        self.grid([rows, geometry.columns, geometry.columns], [height, circular.sampling()], middle)
    }

    /// The grid of one slice, `size` pixels wide and high over `frame` unless told otherwise.
    pub fn for_slice(&self, size: usize, frame: f64) -> Result<Grid> {
        let size = self.size.unwrap_or([size, size]);
        let voxel = frame / size[0].max(size[1]) as f64;
        self.grid([1, size[1], size[0]], [self.voxel.unwrap_or(voxel), voxel], 0.0)
    }

    fn grid(&self, shape: [usize; 3], [height, width]: [f64; 2], z: f64) -> Result<Grid> {
        let [nx, ny] = self.size.unwrap_or([shape[2], shape[1]]);
        let voxel = self.voxel.unwrap_or(width);
        let [x, y] = self.grid_center.unwrap_or_default();
        let grid = Grid::centered([shape[0], ny, nx], [height, voxel, voxel], [x, y, z]);
        grid.check()?;
        Ok(grid)
    }
}

fn size(text: &str) -> Result<[usize; 2]> {
    let extents: Option<Vec<usize>> = text.split('x').map(|part| part.parse().ok()).collect();
    match extents.as_deref() {
        Some(&[n]) if n > 0 => Ok([n, n]),
        Some(&[width, height]) if width > 0 && height > 0 => Ok([width, height]),
        _ => Err(Error::Quantity { text: text.into(), expected: "a size in pixels, such as 512 or 640x480" }),
    }
}

fn position(text: &str) -> Result<[f64; 2]> {
    let expected = "a position with its units, such as 10mm,-5mm";
    let (x, y) = text.split_once(',').ok_or(Error::Quantity { text: text.into(), expected })?;
    Ok([units::length(x)?, units::length(y)?])
}

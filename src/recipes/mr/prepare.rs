//! From a scan as it was measured to samples and coil maps: noise whitened, coils compressed, sensitivities calibrated.
//!
//! Maps of ours have unit root sum of squares in the coils as they were measured, so that neither whitening nor compression
//! changes what an image's numbers are: solvers see maps of unit length after both, and their image is multiplied by the length
//! that these have before.

use ndarray::{Array2, Array3, Array4, Array5, ArrayView4, ArrayView5, Axis, Zip};
use num_complex::{Complex32, Complex64};

use super::{MrOptions, calibrate, frames::lacking};
use crate::{
    calibration::{Compression, Keep, Whitening},
    error::{Error, Result},
    monitor::Monitor,
    scan::{FrameAxis, KSpace},
};

/// Share of the energy that virtual coils keep, and the number of coils from which on that is tried.
const ENERGY: f64 = 0.9995;
const MANY: usize = 13;

/// A scan that is ready to be reconstructed.
pub struct Prepared {
    /// Whitened and compressed.
    pub scan: KSpace,
    /// `[set, coil, z, y, x]`, one entry a slice; none if nobody asked.
    maps: Vec<Array5<Complex32>>,
    /// The length of maps of ours in the coils as they were measured, `[set, z, y, x]`, one entry a slice; of maps that were given 1
    /// where they are not 0.
    lengths: Vec<Array4<f32>>,
    /// The coils as they were measured from those of `scan`, `[measured, here]`, one entry a slice; none if that changes no length.
    mixtures: Vec<Array2<Complex32>>,
    /// Slice of each frame.
    slices: Vec<usize>,
    /// What was done.
    pub notes: Vec<String>,
}

impl Prepared {
    /// The maps of a frame, `[set, coil, z, y, x]`.
    ///
    /// # Panics
    /// If it was prepared without maps.
    #[track_caller]
    pub fn maps(&self, frame: usize) -> ArrayView5<'_, Complex32> {
        self.some_maps(frame).expect("maps were asked for")
    }

    /// The same, if there are maps.
    pub fn some_maps(&self, frame: usize) -> Option<ArrayView5<'_, Complex32>> {
        self.maps.get(self.slices[frame]).map(|maps| maps.view())
    }

    /// What a set's image is multiplied by, `[set, z, y, x]`, to be the image of the coils as they were measured, or that which given
    /// maps speak of: 0 where no coil sees anything, whatever a prior puts there. None if there are no maps.
    pub fn lengths(&self, frame: usize) -> Option<&Array4<f32>> {
        self.lengths.get(self.slices[frame])
    }

    /// An image made with the first set of maps, at the scale of the coils as they were measured.
    pub fn scaled(&self, frame: usize, mut image: Array3<Complex32>) -> Array3<Complex32> {
        if let Some(lengths) = self.lengths(frame) {
            Zip::from(&mut image).and(lengths.index_axis(Axis(0), 0)).for_each(|value, length| *value *= *length);
        }
        image
    }

    /// How the coils as they were measured follow from those of `scan`, `[measured, here]`, where that changes lengths.
    pub fn mixture(&self, frame: usize) -> Option<&Array2<Complex32>> {
        self.mixtures.get(self.slices[frame])
    }

    /// Frames by the slice that they show.
    pub fn frames_by_slice(&self) -> Vec<Vec<usize>> {
        by_slice(&self.slices)
    }
}

fn by_slice(slices: &[usize]) -> Vec<Vec<usize>> {
    let count = slices.iter().max().map_or(1, |most| most + 1);
    (0..count).map(|slice| (0..slices.len()).filter(|frame| slices[*frame] == slice).collect()).collect()
}

/// Whitens and compresses; maps there are only where they were given.
pub fn uncalibrated(scan: KSpace, options: &MrOptions, monitor: &Monitor) -> Result<Prepared> {
    scan.check()?;
    let slices = slices(&scan);
    let mut made =
        Prepared { scan, maps: Vec::new(), lengths: Vec::new(), mixtures: Vec::new(), slices, notes: Vec::new() };
    made.notes.extend(lacking(&made.scan));
    monitor.step("coils", 1, || {
        let whitening = whiten(&mut made)?;
        if let Some(maps) = &options.maps {
            let count = made.frames_by_slice().len();
            // Combined in another way, the samples stay as they are.
            let scaled = options.combine.is_none();
            made.maps = vec![given((maps, scaled), whitening.as_ref(), &mut made.scan)?; count];
            let seen = lengths(made.maps[0].view(), None).mapv_into(|length| f32::from(u8::from(length > 0.0)));
            made.lengths = vec![seen; count];
        }
        compress(&mut made, options, whitening)
    })?;
    Ok(made)
}

/// Whitens, compresses and calibrates one set of maps.
pub fn prepare(scan: KSpace, options: &MrOptions, monitor: &Monitor) -> Result<Prepared> {
    prepare_sets(scan, (options, false), monitor)
}

/// The same, with as many sets of maps as are asked for or, if `several` may be, of use.
pub fn prepare_sets(scan: KSpace, (options, several): (&MrOptions, bool), monitor: &Monitor) -> Result<Prepared> {
    let mut prepared = uncalibrated(scan, options, monitor)?;
    if options.maps.is_none() {
        let Prepared { scan, slices, notes, mixtures, .. } = &mut prepared;
        let maps = monitor.step("calibrate", 1, || calibrate::maps(scan, slices, (options, several), notes))?;
        prepared.lengths =
            maps.iter().enumerate().map(|(slice, maps)| lengths(maps.view(), mixtures.get(slice))).collect();
        prepared.maps = maps;
    }
    Ok(prepared)
}

/// The length √Σ|s|² of each map, in the coils as they were measured.
pub fn lengths(maps: ArrayView5<Complex32>, mixture: Option<&Array2<Complex32>>) -> Array4<f32> {
    let square = |coils: ndarray::ArrayView1<Complex32>| match mixture {
        None => coils.iter().map(|s| s.norm_sqr()).sum::<f32>(),
        Some(mixture) => mixture
            .outer_iter()
            .map(|row| row.iter().zip(&coils).map(|(m, s)| m * s).sum::<Complex32>().norm_sqr())
            .sum(),
    };
    maps.map_axis(Axis(1), |coils| square(coils).sqrt())
}

/// Makes the noise of all coils alike and independent, of the size that it has on average: what did it.
fn whiten(made: &mut Prepared) -> Result<Option<Whitening>> {
    let Some(noise) = made.scan.noise.take() else { return Ok(None) };
    let mut whitening = Whitening::from_noise(noise.view())?;
    let square = noise.iter().map(|value| f64::from(value.norm_sqr())).sum::<f64>() / noise.len() as f64;
    whitening.matrix.mapv_inplace(|value| value * square.sqrt());
    whitening.apply(&mut made.scan.samples);
    made.notes.push(format!("noise whitened by {} samples of noise", noise.ncols()));
    Ok(Some(whitening))
}

fn compress(made: &mut Prepared, options: &MrOptions, whitening: Option<Whitening>) -> Result<()> {
    let coils = made.scan.coils();
    let by_slice = made.frames_by_slice();
    let unwhitened = whitening.map(|whitening| whitening.inverse());
    let narrow = |matrix: Array2<Complex64>| matrix.mapv(|x| Complex32::new(x.re as f32, x.im as f32));
    let keep = match options.virtual_coils {
        Some(_) if options.maps.is_some() => {
            return Err(Error::Option(
                "maps are of the coils as they are: give either them or a number of virtual coils".into(),
            ));
        }
        Some(count) => Keep::Coils(count),
        None if options.maps.is_some() || coils < MANY => {
            made.mixtures = unwhitened.map_or(Vec::new(), |matrix| vec![narrow(matrix); by_slice.len()]);
            return Ok(());
        }
        None => Keep::Energy(ENERGY),
    };
    let samples = &made.scan.samples;
    let of_slice = |frames: &Vec<usize>| {
        let views: Vec<ArrayView4<Complex32>> =
            frames.iter().map(|frame| samples.index_axis(Axis(0), *frame)).collect();
        Compression::new(&views, keep)
    };
    // A slice without signal has nothing to compress; it takes what another one's mixtures are.
    let found: Vec<Result<Compression>> = by_slice.iter().map(of_slice).collect();
    let most = found.iter().flatten().map(|one| one.coils()).max();
    let Some(most) = most else { return found.into_iter().next().expect("a slice").map(|_| ()) };
    let whole = |one: &Result<Compression>| one.as_ref().ok().map(|one| one.widened(most));
    let any = found.iter().find_map(whole).expect("one was found");
    let all: Vec<Compression> = found.iter().map(|one| whole(one).unwrap_or_else(|| any.clone())).collect();
    if most < coils {
        let (frames, _, nz, ny, nx) = samples.dim();
        let mut compressed = Array5::zeros((frames, most, nz, ny, nx));
        for (frame, into) in compressed.outer_iter_mut().enumerate() {
            all[made.slices[frame]].apply(samples.index_axis(Axis(0), frame), into);
        }
        made.scan.samples = compressed;
        made.notes.push(match by_slice.len() {
            1 => format!("{coils} coils compressed to {most}"),
            slices => format!("{coils} coils compressed to {most}, in each of {slices} slices by its own mixtures"),
        });
    }
    if let Some(matrix) = unwhitened {
        let back = |one: &Compression| match most < coils {
            true => narrow(matrix.dot(&one.matrix.t().mapv(|x| x.conj()))),
            false => narrow(matrix.clone()),
        };
        made.mixtures = all.iter().map(back).collect();
    }
    Ok(())
}

/// The slice that each frame shows: frames of one slice share their maps.
fn slices(scan: &KSpace) -> Vec<usize> {
    let of = |frame: usize| {
        let mut rest = frame;
        let mut slice = 0;
        for (axis, count) in scan.axes.iter().rev() {
            if *axis == FrameAxis::Slice {
                slice = rest % count;
            }
            rest /= count;
        }
        slice
    };
    (0..scan.frames()).map(of).collect()
}

/// Maps that were given, whitened as the samples are, and of unit mean square where coils see anything: the samples are divided by
/// as much, so that the image is the one whose product with the maps are the coils' images.
fn given(
    (maps, scaled): (&Array4<Complex32>, bool),
    whitening: Option<&Whitening>,
    scan: &mut KSpace,
) -> Result<Array5<Complex32>> {
    let (coils, nz, ny, nx) = maps.dim();
    if coils != scan.coils() || [nz, ny, nx] != scan.matrix() {
        return Err(Error::Scan(format!(
            "the maps have {coils} coils of {:?} (z, y, x), the scan {} of {:?}: they must be alike",
            [nz, ny, nx],
            scan.coils(),
            scan.matrix()
        )));
    }
    let mut maps = maps.clone().insert_axis(Axis(0));
    if let Some(whitening) = whitening {
        whitening.apply(&mut maps);
    }
    let squares = lengths(maps.view(), None).mapv_into(|length| length * length);
    let seen: Vec<f64> = squares.iter().filter(|square| **square > 0.0).map(|square| f64::from(*square)).collect();
    let size = (seen.iter().sum::<f64>() / seen.len() as f64).sqrt();
    if !(size.is_normal() && size.is_finite()) {
        return Err(Error::Scan("the coil maps are all 0, or too small or large for f32".into()));
    }
    let scale = if scaled { (1.0 / size) as f32 } else { 1.0 };
    maps.mapv_inplace(|value| value * scale);
    scan.samples.par_mapv_inplace(|value| value * scale);
    Ok(maps)
}

//! ESPIRiT on a Cartesian k-space in BART's .cfl format: `espirit KSPACE MAPS [--size 24] [--crop 0.8] [--sets 1] [--threshold PART]
//! [--runs 1]` (names without .cfl). Prints the seconds of each run. `benches/espirit.py` compares it with `bart ecalib`.

use std::{error::Error, fs, time::Instant};

use ndarray::Array4;
use num_complex::Complex32;
use rushlight::{
    calibration::{Espirit, calibration_data, espirit::Threshold, fully_sampled_region},
    geometry::Mask,
};

/// `[coil, z, y, x]` of a file whose dimensions are x, y, z, coil, the first fastest.
fn read(name: &str) -> Result<Array4<Complex32>, Box<dyn Error>> {
    let header = fs::read_to_string(format!("{name}.hdr"))?;
    let line = header.lines().find(|line| !line.starts_with('#')).ok_or("the header is empty")?;
    let mut extents: Vec<usize> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    extents.resize(extents.len().max(4), 1);
    let bytes = fs::read(format!("{name}.cfl"))?;
    let reals: Vec<f32> =
        bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().expect("four"))).collect();
    let numbers = reals.chunks_exact(2).map(|pair| Complex32::new(pair[0], pair[1])).collect();
    Ok(Array4::from_shape_vec((extents[3], extents[2], extents[1], extents[0]), numbers)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kspace, maps, options @ ..] = &arguments[..] else { return Err("espirit KSPACE MAPS [options]".into()) };
    let (mut espirit, mut size, mut runs) = (Espirit::default(), 24, 1);
    for pair in options.chunks(2) {
        let [name, value] = pair else { return Err(format!("{} has no value", pair[0]).into()) };
        match name.as_str() {
            "--size" => size = value.parse()?,
            "--crop" => espirit.crop = value.parse()?,
            "--sets" => espirit.sets = Some(value.parse()?),
            "--threshold" => espirit.threshold = Threshold::Relative(value.parse()?),
            "--runs" => runs = value.parse()?,
            _ => return Err(format!("there is no option {name}").into()),
        }
    }
    let samples = read(kspace)?;
    let (coils, nz, ny, nx) = samples.dim();
    let sampled = (0..nz * ny * nx)
        .map(|i| (0..coils).any(|coil| samples[[coil, i / (ny * nx), i / nx % ny, i % nx]] != Complex32::ZERO))
        .collect();
    for _ in 0..runs {
        let start = Instant::now();
        let region = fully_sampled_region(&Mask { shape: [nz, ny, nx], sampled: Vec::clone(&sampled) }, size)?;
        let found = espirit.maps(&[calibration_data(samples.view(), &region).view()], [nz, ny, nx])?;
        println!("{:.4} s, threshold {:.1e}, region {region:?}", start.elapsed().as_secs_f64(), found.threshold);
        let bytes: Vec<u8> = found.maps.iter().flat_map(|x| [x.re, x.im]).flat_map(f32::to_le_bytes).collect();
        fs::write(format!("{maps}.cfl"), bytes)?;
        fs::write(format!("{maps}.hdr"), format!("# Dimensions\n{nx} {ny} {nz} {coils} {}\n", found.maps.dim().0))?;
    }
    Ok(())
}

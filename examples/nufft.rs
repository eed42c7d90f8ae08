//! Times the non-uniform Fourier transform for `benches/nufft.py`, which writes what it reads and reads what it writes:
//! `nufft FOLDER NZ NY NX COILS TOLERANCE REPEATS`, with raw f32 files `points` `[samples, 3]`, `images` and `samples` in
//! the folder. Prints seconds as JSON.

use std::{fs, path::Path, time::Instant};

use rushlight::{
    device::{Array, Device, Element},
    geometry::Trajectory,
    operators::{LinearOperator, Nufft, Toeplitz},
};

fn numbers(folder: &Path, name: &str) -> Result<Vec<f32>, Box<dyn std::error::Error>> {
    Ok(fs::read(folder.join(name))?
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
        .collect())
}

fn seconds(repeats: usize, mut once: impl FnMut() -> rushlight::Result<()>) -> rushlight::Result<Vec<f64>> {
    once()?;
    (0..repeats)
        .map(|_| {
            let start = Instant::now();
            once()?;
            Ok(start.elapsed().as_secs_f64())
        })
        .collect()
}

fn write(folder: &Path, name: &str, device: &Device, array: &Array) -> Result<(), Box<dyn std::error::Error>> {
    let bytes: Vec<u8> = device.download::<f32>(array)?.iter().flat_map(|number| number.to_le_bytes()).collect();
    Ok(fs::write(folder.join(name), bytes)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, nz, ny, nx, coils, tolerance, repeats] = &args[..] else {
        return Err("nufft FOLDER NZ NY NX COILS TOLERANCE REPEATS".into());
    };
    let folder = Path::new(folder);
    let matrix = [nz.parse()?, ny.parse()?, nx.parse()?];
    let (coils, tolerance, repeats) = (coils.parse()?, tolerance.parse()?, repeats.parse()?);
    let points = numbers(folder, "points")?.chunks_exact(3).map(|point| [point[0], point[1], point[2]]).collect();
    let trajectory = Trajectory { matrix, points };

    let device = Device::cpu();
    let start = Instant::now();
    let nufft = Nufft::new(&device, &trajectory, coils, tolerance)?;
    let plan = start.elapsed().as_secs_f64();
    let (images, samples) = (numbers(folder, "images")?, numbers(folder, "samples")?);
    let (x, y) = (device.upload(nufft.domain(), images)?, device.upload(nufft.range(), samples)?);
    let mut ax = device.zeros(nufft.range(), Element::F32)?;
    let mut ahy = device.zeros(nufft.domain(), Element::F32)?;
    let forward = seconds(repeats, || nufft.forward(&x, &mut ax))?;
    let adjoint = seconds(repeats, || nufft.adjoint(&y, &mut ahy))?;
    write(folder, "forward", &device, &ax)?;
    write(folder, "adjoint", &device, &ahy)?;
    let weights = vec![1.0; trajectory.points.len()];
    let toeplitz = Toeplitz::new(&device, &trajectory, &weights, (coils, tolerance))?;
    let normal = seconds(repeats, || toeplitz.forward(&x, &mut ahy))?;
    let (grid, width) = nufft.grid();
    let report = serde_json::json!({ "plan": plan, "forward": forward, "adjoint": adjoint, "toeplitz": normal,
        "grid": grid, "width": width, "expected_error": nufft.expected_error() });
    println!("{report}");
    Ok(())
}

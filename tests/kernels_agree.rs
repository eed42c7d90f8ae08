//! Every kernel is two programs, a shader and a function: they have the same `Params` and give the same numbers.

use rushlight::{
    device::{Caps, Device, Element, Example, Host, HostArray, HostMut, Kernel},
    kernels::{self, Visitor},
};
use wgpu::naga;

mod devices;

use devices::gpu;

/// One 32-bit number of `Params`: its name, its offset in bytes, and whether it is a float.
type Leaf = (String, u32, bool);

fn shader_leaves(module: &naga::Module, ty: naga::Handle<naga::Type>, name: &str, offset: u32) -> Vec<Leaf> {
    let step = |count: u32, stride: u32, base| {
        (0..count).flat_map(move |index| shader_leaves(module, base, name, offset + index * stride)).collect()
    };
    let floats = |count: u32| (0..count).map(|index| (name.to_string(), offset + 4 * index, true)).collect();
    match module.types[ty].inner {
        naga::TypeInner::Struct { ref members, .. } => members
            .iter()
            .flat_map(|member| {
                let name = member.name.as_deref().unwrap_or_default();
                shader_leaves(module, member.ty, name, offset + member.offset)
            })
            .collect(),
        naga::TypeInner::Array { base, size: naga::ArraySize::Constant(count), stride } => {
            step(count.get(), stride, base)
        }
        naga::TypeInner::Vector { size, scalar: naga::Scalar::F32 } => floats(size as u32),
        naga::TypeInner::Scalar(scalar) => vec![(name.to_string(), offset, scalar == naga::Scalar::F32)],
        ref other => panic!("{name}: {other:?} in Params"),
    }
}

/// The numbers of a `Params` as its `Debug` prints them, one a line: fields are four bytes each, without gaps.
fn rust_leaves<K: Kernel>(kernel: &K) -> Vec<Leaf> {
    let mut names: Vec<String> = Vec::new();
    let mut leaves: Vec<Leaf> = Vec::new();
    for line in format!("{kernel:#?}").lines() {
        let line = line.trim().trim_end_matches(',');
        let (name, value) = line.split_once(": ").unwrap_or((names.last().map_or("", String::as_str), line));
        match value {
            _ if value.ends_with(['{', '[', '(']) => names.push(name.to_string()),
            "}" | "]" | ")" => drop(names.pop()),
            _ => {
                assert!(value.parse::<f64>().is_ok(), "{}: '{line}' in Params", K::NAME);
                let float = value.contains(['.', 'e', 'N', 'i']);
                leaves.push((name.to_string(), 4 * leaves.len() as u32, float));
            }
        }
    }
    leaves
}

fn check_params<K: Kernel>(kernel: &K, text: &str) -> Result<(), String> {
    let module = naga::front::wgsl::parse_str(text).map_err(|error| error.emit_to_string(text))?;
    naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty())
        .validate(&module)
        .map_err(|error| error.emit_to_string(text))?;
    let uniform = naga::ResourceBinding { group: 0, binding: 0 };
    let (_, params) = module
        .global_variables
        .iter()
        .find(|(_, global)| global.binding == Some(uniform) && global.space == naga::AddressSpace::Uniform)
        .ok_or("no uniform at binding 0")?;
    let naga::TypeInner::Struct { span, .. } = module.types[params.ty].inner else {
        return Err("Params is no struct".into());
    };
    if span as usize != size_of::<K>() {
        return Err(format!("Params has {span} bytes in the shader, {} in Rust", size_of::<K>()));
    }
    let (shader, rust) = (shader_leaves(&module, params.ty, "", 0), rust_leaves(kernel));
    match shader.iter().zip(&rust).find(|(shader, rust)| shader != rust) {
        Some((shader, rust)) => Err(format!("Params: {shader:?} in the shader, {rust:?} in Rust")),
        None if shader.len() != rust.len() => Err(format!("{} and {} fields", shader.len(), rust.len())),
        None => Ok(()),
    }
}

/// Numbers of either kind.
fn numbers(array: &HostArray) -> Vec<f32> {
    match array.element {
        Element::F32 => array.numbers::<f32>().to_vec(),
        Element::U32 => array.numbers::<u32>().iter().map(|number| *number as f32).collect(),
    }
}

/// CPU against GPU, on one example.
fn compare<K: Kernel>(example: &Example<K>, gpu: &Device) -> Result<f32, String> {
    let told = |error: rushlight::Error| error.to_string();
    let expected = example.run_on(&Device::cpu()).map_err(told)?;
    let found = example.run_on(gpu).map_err(told)?;
    let mut worst = 0.0_f32;
    for (expected, found) in expected.iter().zip(&found) {
        let untouched = example.outputs.contains(expected);
        if untouched {
            return Err("the example leaves an output as it was".into());
        }
        let (expected, found) = (numbers(expected), numbers(found));
        let largest = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        let pairs = expected.iter().zip(found);
        let difference =
            pairs.fold(0.0, |most: f32, (a, b)| if (a - b).is_nan() { f32::INFINITY } else { most.max((a - b).abs()) });
        worst = worst.max(difference / largest);
    }
    if worst <= K::TOLERANCE {
        Ok(worst)
    } else {
        Err(format!("CPU and GPU differ by {worst:e} of the largest value, more than {:e}", K::TOLERANCE))
    }
}

#[test]
fn every_shader_is_valid_and_has_the_params_of_its_twin() {
    struct Params(usize);
    impl Visitor for Params {
        fn visit<K: Kernel>(&mut self) {
            self.0 += 1;
            let caps = Caps { workgroup_bytes: 16_384, invocations: 256 };
            for seed in 0..3 {
                let kernel = K::example(seed).kernel;
                check_params(&kernel, &kernel.wgsl(&caps)).unwrap_or_else(|error| panic!("{}: {error}", K::NAME));
            }
        }
    }
    let mut seen = Params(0);
    kernels::for_each(&mut seen);
    assert!(seen.0 >= 4, "only {} kernels", seen.0);
}

#[test]
fn cpu_and_gpu_agree_on_every_kernel() {
    struct Agree(Device);
    impl Visitor for Agree {
        fn visit<K: Kernel>(&mut self) {
            for seed in 0..3 {
                match compare(&K::example(seed), &self.0) {
                    Ok(worst) => println!("{:24} seed {seed}: {worst:.1e} of {:.0e}", K::NAME, K::TOLERANCE),
                    Err(error) => panic!("{}, seed {seed}: {error}", K::NAME),
                }
            }
        }
    }
    if let Some(gpu) = gpu() {
        kernels::for_each(&mut Agree(gpu));
    }
}

/// `multiply_lines`, wrong in several ways: what the comparisons must catch.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Wrong<const WAY: usize> {
    lines: u32,
    length: u32,
}

// SAFETY: two u32, for which zeros and any other bits are fine, and no padding.
unsafe impl<const WAY: usize> bytemuck::Zeroable for Wrong<WAY> {}
// SAFETY: as above.
unsafe impl<const WAY: usize> bytemuck::Pod for Wrong<WAY> {}

impl<const WAY: usize> Kernel for Wrong<WAY> {
    const NAME: &'static str = "wrong";
    const WGSL: &'static str = kernels::MultiplyLines::WGSL;
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        if WAY == 2 { [1 << 20, 1, 1] } else { [4, 1, 1] }
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let response = inputs[0].numbers::<f32>();
        let error = if WAY == 1 { 1.0 + 1e-5 } else { 1.0 };
        for (index, number) in outputs[0].numbers::<f32>().iter_mut().enumerate() {
            *number *= error * response[index / 2 % self.length as usize];
        }
    }

    fn example(seed: u64) -> Example<Self> {
        let (inputs, outputs) = (vec![HostArray::noise(&[1, 64], seed)], vec![HostArray::noise(&[8, 64, 2], seed + 9)]);
        Example { kernel: Self { lines: 8, length: 64 }, inputs, outputs }
    }
}

#[test]
fn a_wrong_twin_is_caught() {
    let Some(gpu) = gpu() else { return };
    compare(&Wrong::<0>::example(1), &gpu).expect("this one is right");
    let error = compare(&Wrong::<1>::example(1), &gpu).expect_err("a twin 1e-5 too large passed");
    assert!(error.contains("differ"), "{error}");
}

#[test]
fn wrong_params_are_caught() {
    let kernel = Wrong::<0> { lines: 1, length: 1 };
    let text = kernels::MultiplyLines::WGSL;
    check_params(&kernel, text).expect("these are right");
    for (was, is) in [
        ("lines: u32,\n    length: u32,", "length: u32,\n    lines: u32,"),
        ("length: u32,\n}", "length: f32,\n}"),
        ("length: u32,\n}", "length: u32,\n    more: u32,\n}"),
    ] {
        let wrong = text.replace(was, is).replace("params.lines * params.length", "u32(params.lines)");
        let wrong = wrong.replace("% params.length", "% u32(params.length)");
        assert_ne!(wrong, text);
        let error = check_params(&kernel, &wrong).expect_err(is);
        assert!(error.starts_with("Params"), "{error}");
    }
}

#[test]
fn a_kernels_error_reaches_the_next_download() {
    let Some(gpu) = gpu() else { return };
    let error = Wrong::<2>::example(1).run_on(&gpu).expect_err("2²⁰ workgroups along one axis passed").to_string();
    assert!(error.contains("wrong") && error.contains("65535"), "{error}");
    // Told once, the device works on.
    compare(&Wrong::<0>::example(1), &gpu).expect("after an error");
}

#[test]
fn a_shader_that_is_none_reaches_the_next_download_as_one_line() {
    #[repr(C)]
    #[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
    struct NoShader(u32);
    impl Kernel for NoShader {
        const NAME: &'static str = "no_shader";
        const WGSL: &'static str = "fn main( {";
        const TOLERANCE: f32 = 0.0;
        fn workgroups(&self) -> [u32; 3] {
            [self.0, 1, 1]
        }
        fn on_cpu(&self, _inputs: &[Host], _outputs: &mut [HostMut]) {}
        fn example(seed: u64) -> Example<Self> {
            Example { kernel: Self(seed as u32), inputs: vec![], outputs: vec![HostArray::zeros(&[4])] }
        }
    }
    let Some(gpu) = gpu() else { return };
    let error = NoShader::example(1).run_on(&gpu).expect_err("nonsense ran").to_string();
    assert!(error.contains("no_shader") && !error.contains('\n'), "{error}");
    // No workgroups, no dispatch: nothing is compiled, let alone run.
    NoShader::example(0).run_on(&gpu).expect("no workgroups");
}

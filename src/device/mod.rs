//! Where computations run: the CPU or a GPU, by value, with four verbs: upload, zeros, run, download.

mod array;
mod choose;
mod cpu;
mod faults;
mod gpu;
mod kernel;
mod recorder;

pub use array::{Array, Element, Number, Slab};
pub use choose::{AdapterSummary, Choice, adapters};
pub use cpu::{Cpu, Simd};
pub use gpu::Gpu;
pub use kernel::{Caps, Example, Host, HostArray, HostMut, Kernel, fold};

use std::borrow::Cow;

use array::{Storage, cut};

use crate::error::{Error, Result};

/// A place where kernels run. Cheap to clone: clones are the same device, and equal.
#[derive(Clone, Debug, PartialEq)]
pub enum Device {
    /// This machine's processor.
    Cpu(Cpu),
    /// A graphics processor (or software that stands in for one).
    Gpu(Gpu),
}

impl Device {
    /// The CPU.
    pub fn cpu() -> Self {
        Self::Cpu(Cpu::default())
    }

    /// The same device with slabs of at most `bytes` bytes: a small limit in the tests keeps slabs honest.
    pub fn with_binding_limit(mut self, bytes: u64) -> Self {
        match &mut self {
            Self::Cpu(cpu) => cpu.binding_limit = bytes,
            Self::Gpu(gpu) => gpu.set_binding_limit(bytes),
        }
        self
    }

    /// Largest slab, in bytes.
    pub fn binding_limit(&self) -> u64 {
        match self {
            Self::Cpu(cpu) => cpu.binding_limit,
            Self::Gpu(gpu) => gpu.binding_limit(),
        }
    }

    /// The device's name.
    pub fn name(&self) -> String {
        match self {
            Self::Cpu(cpu) => cpu.name(),
            Self::Gpu(gpu) => gpu.name().to_string(),
        }
    }

    /// Brings `numbers` to the device as an array of `shape`. Numbers given as a `Vec` are not copied on the CPU.
    ///
    /// # Panics
    /// If `shape` does not hold as many numbers.
    #[track_caller]
    pub fn upload<'a, N: Number>(&self, shape: &[usize], numbers: impl Into<Cow<'a, [N]>>) -> Result<Array> {
        let numbers = numbers.into();
        assert_eq!(shape.iter().product::<usize>(), numbers.len(), "numbers for an array of shape {shape:?}");
        let line = numbers.len() / shape[0].max(1);
        let slabs = cut(shape, self.binding_limit(), &self.name())?;
        if let (Self::Cpu(_), [lines], Cow::Owned(_)) = (self, &slabs[..], &numbers) {
            let storage = Storage::Host(bytemuck::cast_vec(numbers.into_owned()));
            let slab = Slab { first: 0, lines: lines.len(), storage };
            return Ok(Array { shape: shape.to_vec(), element: N::ELEMENT, slabs: vec![slab] });
        }
        let words: &[u32] = bytemuck::cast_slice(&numbers);
        self.allocate(shape, N::ELEMENT, |lines| {
            let words = &words[lines.start * line..lines.end * line];
            Ok(match self {
                Self::Cpu(_) => Storage::Host(words.to_vec()),
                Self::Gpu(gpu) => Storage::Gpu(gpu.upload(words)?),
            })
        })
    }

    /// An array of zeros.
    pub fn zeros(&self, shape: &[usize], element: Element) -> Result<Array> {
        let line: usize = shape.iter().skip(1).product();
        self.allocate(shape, element, |lines| {
            let words = lines.len() * line;
            Ok(match self {
                Self::Cpu(_) => Storage::Host(vec![0; words]),
                Self::Gpu(gpu) => Storage::Gpu(gpu.zeros(words)?),
            })
        })
    }

    /// Runs a kernel on slabs. On a GPU this only records; what goes wrong is told by the next upload, zeros or
    /// download.
    ///
    /// # Panics
    /// If a slab lives on another kind of device.
    #[track_caller]
    pub fn run<K: Kernel>(&self, kernel: &K, inputs: &[&Slab], outputs: &mut [&mut Slab]) {
        match self {
            Self::Gpu(gpu) => gpu.run(kernel, inputs, outputs),
            Self::Cpu(_) => {
                let inputs: Vec<Host> = inputs.iter().map(|slab| slab.host()).collect();
                let mut outputs: Vec<HostMut> = outputs.iter_mut().map(|slab| slab.host_mut()).collect();
                kernel.on_cpu(&inputs, &mut outputs);
            }
        }
    }

    /// Copies an array back, and tells whatever has gone wrong on the device since the last call.
    ///
    /// # Panics
    /// If the array holds another kind of number.
    #[track_caller]
    pub fn download<N: Number>(&self, array: &Array) -> Result<Vec<N>> {
        assert_eq!(array.element, N::ELEMENT, "an array of {:?}", array.element);
        let mut numbers: Vec<N> = Vec::new();
        let len = array.shape.iter().product();
        numbers.try_reserve_exact(len).map_err(|_| host_full(len))?;
        numbers.resize(len, N::zeroed());
        let mut rest: &mut [u32] = bytemuck::cast_slice_mut(&mut numbers);
        for slab in &array.slabs {
            let (words, tail) = rest.split_at_mut(slab.lines * array.line_len());
            match (self, &slab.storage) {
                (Self::Gpu(gpu), Storage::Gpu(buffer)) => gpu.download(buffer, words)?,
                (_, _) => words.copy_from_slice(slab.host().0),
            }
            rest = tail;
        }
        Ok(numbers)
    }

    /// Waits until all that was run is done, and tells what has gone wrong: for timings, and before work ends.
    pub fn synchronize(&self) -> Result<()> {
        match self {
            Self::Cpu(_) => Ok(()),
            Self::Gpu(gpu) => gpu.synchronize(),
        }
    }

    /// Refuses at once what can never fit: a failed allocation is an answer, not an abort, nor a slow death by slabs.
    fn check_room(&self, words: usize) -> Result<()> {
        match self {
            Self::Cpu(_) => Vec::<u32>::new().try_reserve_exact(words).map_err(|_| host_full(words)),
            Self::Gpu(gpu) => gpu.check_room((words as u64).saturating_mul(4)),
        }
    }

    fn allocate(
        &self,
        shape: &[usize],
        element: Element,
        storage: impl Fn(std::ops::Range<usize>) -> Result<Storage>,
    ) -> Result<Array> {
        self.check_room(shape.iter().fold(1, |words: usize, extent| words.saturating_mul(*extent)))?;
        let slabs = cut(shape, self.binding_limit(), &self.name())?
            .into_iter()
            .map(|lines| Ok(Slab { first: lines.start, lines: lines.len(), storage: storage(lines)? }));
        Ok(Array { shape: shape.to_vec(), element, slabs: slabs.collect::<Result<_>>()? })
    }
}

fn host_full(words: usize) -> Error {
    Error::OutOfMemory {
        device: "CPU".into(),
        bytes: (words as u64).saturating_mul(4),
        limit: "the system gives no more memory".into(),
    }
}

impl Slab {
    /// The slab's numbers on the CPU, for operators that go their own way there.
    ///
    /// # Panics
    /// If it lives on a GPU.
    #[track_caller]
    pub fn host(&self) -> Host<'_> {
        match &self.storage {
            Storage::Host(words) => Host(words),
            Storage::Gpu(_) => panic!("a slab on the GPU was given to the CPU"),
        }
    }

    /// The slab's numbers on the CPU, to be written.
    ///
    /// # Panics
    /// If it lives on a GPU.
    #[track_caller]
    pub fn host_mut(&mut self) -> HostMut<'_> {
        match &mut self.storage {
            Storage::Host(words) => HostMut(words),
            Storage::Gpu(_) => panic!("a slab on the GPU was given to the CPU"),
        }
    }
}

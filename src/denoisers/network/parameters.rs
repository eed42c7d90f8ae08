//! The numbers that training found, from a file in the safetensors format: every tensor by its name, in PyTorch's order of
//! axes, f32.

use std::{collections::BTreeMap, path::Path};

use safetensors::{Dtype, SafeTensorError, SafeTensors};

use crate::error::{Error, Result};

/// Stages, in the order in which the image passes them.
pub const STAGES: [&str; 5] = ["enc1", "enc2", "mid", "dec2", "dec1"];
/// Channels of the input: four neighbouring pixels of the image, and σ of them.
pub const INPUTS: usize = 8;
/// Channels of the output.
pub const OUTPUTS: usize = 4;
/// More than any network of this kind has: hostile files end here.
const MOST: usize = 1024;
/// Bytes of a file that are read.
const LARGEST: u64 = 1 << 30;

/// What a file of weights holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// Channels at half, a quarter and an eighth of the resolution.
    pub widths: [usize; 3],
    /// Blocks of each of [`STAGES`].
    pub blocks: [usize; 5],
    /// What the file says of itself: `trained_on`, `noise` and so on.
    pub said: BTreeMap<String, String>,
    tensors: BTreeMap<String, Vec<f32>>,
}

impl Parameters {
    /// Reads the file.
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be read or does not hold such a network: it says which tensor is wrong.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let size = std::fs::metadata(path).map_err(|error| Error::file(path, error))?.len();
        if size > LARGEST {
            return Err(Error::file(path, format!("has {size} bytes; files of weights have less than {LARGEST}")));
        }
        let bytes = std::fs::read(path).map_err(|error| Error::file(path, error))?;
        Self::from_bytes(&bytes).map_err(|what| Error::file(path, what))
    }

    /// From a file's bytes.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn from_bytes(bytes: &[u8]) -> std::result::Result<Self, String> {
        let file = SafeTensors::deserialize(bytes).map_err(|error| unreadable(bytes, &error))?;
        let widths = ["head.weight", "down1.weight", "down2.weight"];
        let widths = [width(&file, widths[0])?, width(&file, widths[1])?, width(&file, widths[2])?];
        let blocks =
            STAGES.map(|stage| (0..).take_while(|k| file.tensor(&format!("{stage}.{k}.a.weight")).is_ok()).count());
        let mut tensors = BTreeMap::new();
        for (name, shape) in expected(widths, blocks) {
            tensors.insert(name.clone(), numbers(&file, &name, shape)?);
        }
        let surplus: Vec<&str> = file.names().into_iter().filter(|name| !tensors.contains_key(*name)).collect();
        if let Some(name) = surplus.iter().min() {
            return Err(format!(
                "holds tensor '{name}', which this network has not (it has {} more); give weights of the network that \
                 Rushlight's documentation describes",
                surplus.len() - 1
            ));
        }
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| unreadable(bytes, &error))?;
        let said = header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
        Ok(Self { widths, blocks, said, tensors })
    }

    /// The tensor of that name.
    ///
    /// # Panics
    /// If the network has none.
    #[track_caller]
    pub fn tensor(&self, name: &str) -> &[f32] {
        self.tensors.get(name).unwrap_or_else(|| panic!("the network has no {name}"))
    }
}

/// Every tensor's name and shape.
fn expected(widths: [usize; 3], blocks: [usize; 5]) -> Vec<(String, [usize; 4])> {
    let [c1, c2, c3] = widths;
    let mut list = vec![
        ("head.weight".to_string(), [c1, INPUTS, 3, 3]),
        ("down1.weight".to_string(), [c2, c1, 2, 2]),
        ("down2.weight".to_string(), [c3, c2, 2, 2]),
        ("up2.weight".to_string(), [c3, c2, 2, 2]),
        ("up1.weight".to_string(), [c2, c1, 2, 2]),
        ("tail.weight".to_string(), [OUTPUTS, c1, 3, 3]),
    ];
    for ((stage, width), blocks) in STAGES.into_iter().zip([c1, c2, c3, c2, c1]).zip(blocks) {
        // One at the least, so that a file without says what it lacks.
        for (k, half) in (0..blocks.max(1)).flat_map(|k| [(k, 'a'), (k, 'b')]) {
            list.push((format!("{stage}.{k}.{half}.weight"), [width, width, 3, 3]));
        }
    }
    list
}

/// Output channels of a layer.
fn width(file: &SafeTensors, name: &str) -> std::result::Result<usize, String> {
    let tensor = file.tensor(name).map_err(|_| missing(name))?;
    match tensor.shape() {
        [width, _, _, _] if *width > 0 && *width <= MOST && width.is_multiple_of(16) => Ok(*width),
        shape => Err(format!(
            "tensor '{name}' has shape {shape:?}; the first of four extents must be a multiple of 16 up to {MOST}"
        )),
    }
}

fn missing(name: &str) -> String {
    format!("tensor '{name}' is missing; give weights of the network that Rushlight's documentation describes")
}

fn numbers(file: &SafeTensors, name: &str, shape: [usize; 4]) -> std::result::Result<Vec<f32>, String> {
    let tensor = file.tensor(name).map_err(|_| missing(name))?;
    if tensor.dtype() != Dtype::F32 {
        return Err(format!(
            "tensor '{name}' is {:?}; weights must be F32: convert them before saving",
            tensor.dtype()
        ));
    }
    if tensor.shape() != shape {
        return Err(format!(
            "tensor '{name}' has shape {:?}; with the others of the file it must be {shape:?}",
            tensor.shape()
        ));
    }
    let numbers: Vec<f32> = tensor
        .data()
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        .collect();
    match numbers.iter().position(|number| !number.is_finite()) {
        Some(at) => {
            Err(format!("tensor '{name}' holds {} at number {at}; the training diverged: train again", numbers[at]))
        }
        None => Ok(numbers),
    }
}

fn unreadable(bytes: &[u8], error: &SafeTensorError) -> String {
    match error {
        SafeTensorError::MetadataIncompleteBuffer
        | SafeTensorError::InvalidHeaderLength
        | SafeTensorError::HeaderTooSmall => {
            format!("is truncated, or no safetensors file ({} bytes); copy it again", bytes.len())
        }
        error => format!("is no safetensors file ({error}); --weights takes one with a network's weights"),
    }
}

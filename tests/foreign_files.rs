//! TIFF, NIfTI and DICOM as other programs write them, made byte by byte: what our own writers never do.

mod fuzz;

use std::{collections::BTreeMap, fs, io::Write as _, path::PathBuf, sync::LazyLock};

use flate2::{Compression, write::GzEncoder};
use ndarray::{Array3, Array4, ArrayD, IxDyn};
use num_complex::Complex32;
use proptest::prelude::*;
use rushlight::{
    geometry::{Grid, LengthUnit},
    image::{ComplexImage, Image, Part, Quantity},
    io::{self, WriteOptions},
};
use tempfile::{TempDir, tempdir};

fn put(dir: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn message(result: rushlight::Result<impl std::fmt::Debug>) -> String {
    let message = result.expect_err("this should be refused").to_string();
    assert!(!message.contains('\n'), "more than one line: {message}");
    message
}

fn array(shape: &[usize], values: impl IntoIterator<Item = f64>) -> ArrayD<f32> {
    let values: Vec<_> = values.into_iter().map(|value| value as f32).collect();
    ArrayD::from_shape_vec(IxDyn(shape), values).unwrap()
}

// ---- TIFF ----------------------------------------------------------------------------------------------------------

/// A page of 3 columns and 2 rows; bytes of both orders.
struct Tiff<'a> {
    big: bool,
    photometric: u16,
    bits: u16,
    /// 1 unsigned, 2 signed, 3 floating-point.
    format: u16,
    description: &'a str,
    /// Pages that have a directory.
    pages: usize,
}

impl Tiff<'_> {
    /// Pixels first, one page after the other, then a directory a page.
    fn bytes(&self, pixels: &[u8]) -> Vec<u8> {
        let short = |value: u16| if self.big { value.to_be_bytes() } else { value.to_le_bytes() };
        let long = |value: u32| if self.big { value.to_be_bytes() } else { value.to_le_bytes() };
        let text = [self.description.as_bytes(), b"\0"].concat();
        let strip = 6 * u32::from(self.bits) / 8;
        let mut file = [if self.big { *b"MM" } else { *b"II" }, short(42)].concat();
        let text_at = 8 + pixels.len();
        let mut at = (text_at + text.len()).next_multiple_of(2);
        file.extend(long(at as u32));
        file.extend(pixels);
        file.extend(&text);
        file.resize(at, 0);
        for page in 0..self.pages {
            let shorts = |value: u16| [short(value), [0; 2]].concat();
            let entries: [(u16, u16, u32, Vec<u8>); 10] = [
                (256, 3, 1, shorts(3)),
                (257, 3, 1, shorts(2)),
                (258, 3, 1, shorts(self.bits)),
                (259, 3, 1, shorts(1)),
                (262, 3, 1, shorts(self.photometric)),
                (270, 2, text.len() as u32, long(text_at as u32).to_vec()),
                (273, 4, 1, long(8 + page as u32 * strip).to_vec()),
                (278, 3, 1, shorts(2)),
                (279, 4, 1, long(strip).to_vec()),
                (339, 3, 1, shorts(self.format)),
            ];
            file.extend(short(entries.len() as u16));
            for (tag, kind, count, value) in entries {
                file.extend([&short(tag)[..], &short(kind), &long(count), &value].concat());
            }
            at = file.len() + 4;
            file.extend(long(if page + 1 < self.pages { at as u32 } else { 0 }));
        }
        file
    }
}

const PLAIN: Tiff =
    Tiff { big: false, photometric: 1, bits: 16, format: 1, description: "a text of some length", pages: 1 };

#[test]
fn tiff_pixels_are_the_stored_numbers_whatever_is_white() {
    let dir = tempdir().unwrap();
    for big in [false, true] {
        for photometric in [0, 1] {
            let floats = [3.0_f32, -2.0, 0.1, 1e-20, 7e8, 0.5];
            let order = |value: f32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
            let file = Tiff { big, photometric, bits: 32, format: 3, pages: 2, ..PLAIN };
            // The second page is the first one with its sign turned.
            let pixels: Vec<u8> = floats.into_iter().chain(floats.map(|value| -value)).flat_map(order).collect();
            let path = put(&dir, "a.tif", file.bytes(&pixels));
            let expected = floats.map(f64::from).into_iter().chain(floats.map(|value| f64::from(-value)));
            assert_eq!(io::read_array(&path).unwrap(), array(&[2, 2, 3], expected));
            let words = [0_u16, 1, 300, 40000, 65535, 32768];
            let pixels: Vec<u8> =
                words.iter().flat_map(|v| if big { v.to_be_bytes() } else { v.to_le_bytes() }).collect();
            for format in [1, 2] {
                let path = put(&dir, "a.tif", Tiff { big, photometric, format, ..PLAIN }.bytes(&pixels));
                let expected = words.map(|v| if format == 1 { f64::from(v) } else { f64::from(v as i16) });
                assert_eq!(io::read_array(&path).unwrap(), array(&[2, 3], expected), "{big} {photometric} {format}");
            }
            let path = put(&dir, "a.tif", Tiff { big, photometric, bits: 8, ..PLAIN }.bytes(&[0, 1, 2, 3, 254, 255]));
            assert_eq!(io::read_array(&path).unwrap(), array(&[2, 3], [0.0, 1.0, 2.0, 3.0, 254.0, 255.0]));
        }
    }
}

#[test]
fn imagejs_stacks_are_read_to_their_end_or_refused() {
    let dir = tempdir().unwrap();
    let words: Vec<u16> = (0..24).map(|i| i * 2500).collect();
    for big in [false, true] {
        let pixels: Vec<u8> = words.iter().flat_map(|v| if big { v.to_be_bytes() } else { v.to_le_bytes() }).collect();
        let description = "ImageJ=1.53t\nimages=4\nslices=4\nloop=false\n";
        for pages in [1, 4] {
            let path = put(&dir, "a.tif", Tiff { big, description, pages, ..PLAIN }.bytes(&pixels));
            let expected = array(&[4, 2, 3], words.iter().map(|v| f64::from(*v)));
            assert_eq!(io::read_array(&path).unwrap(), expected, "{pages} directories");
        }
        // Half the images have directories; or the file ends before the last.
        let path = put(&dir, "a.tif", Tiff { big, description, pages: 2, ..PLAIN }.bytes(&pixels));
        assert!(message(io::read_array(&path)).contains("4 images"));
        let far = "ImageJ=1.53t\nimages=4000\n";
        let path = put(&dir, "a.tif", Tiff { big, description: far, pages: 1, ..PLAIN }.bytes(&pixels));
        assert!(message(io::read_array(&path)).contains("4000 images"));
    }
    // Signed 16 bits as ImageJ keeps them: on a line; other functions are refused.
    let pixels: Vec<u8> = [32768_u16, 32767, 0, 65535, 32868, 2768].iter().flat_map(|v| v.to_le_bytes()).collect();
    let line = "ImageJ=1.53t\ncf=0\nc0=-32768.0\nc1=1.0\nvunit=Gray Value\n";
    let path = put(&dir, "a.tif", Tiff { description: line, ..PLAIN }.bytes(&pixels));
    assert_eq!(io::read_array(&path).unwrap(), array(&[2, 3], [0.0, -1.0, -32768.0, 32767.0, 100.0, -30000.0]));
    let path = put(&dir, "a.tif", Tiff { description: &line.replace("cf=0", "cf=3"), ..PLAIN }.bytes(&pixels));
    assert!(message(io::read_array(&path)).contains("straight line"));
}

// ---- NIfTI ---------------------------------------------------------------------------------------------------------

fn nifti() -> (Image, Vec<u8>) {
    let values = Array3::from_shape_fn((3, 20, 16), |(z, y, x)| (z * 331 + y * 17 + x) as f32);
    let image = Image {
        values,
        grid: Grid {
            shape: [3, 20, 16],
            first: [7.0, -8.0, 9.0],
            steps: [[0.0, 0.0, 4.0], [0.0, 3.0, 0.0], [2.0, 0.0, 0.0]],
        },
        unit: LengthUnit::Millimetre,
        quantity: Quantity::Unknown,
        provenance: "test".into(),
    };
    let dir = tempdir().unwrap();
    let path = dir.path().join("a.nii");
    io::write_image(&path, &image, &WriteOptions::default()).unwrap();
    (image, fs::read(path).unwrap())
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

#[test]
fn dicom_slices_say_how_far_apart_they_are() {
    let dir = tempdir().unwrap();
    let (image, _) = nifti();
    io::write_image(dir.path().join("a.dcm"), &image, &WriteOptions::default()).unwrap();
    for slice in ["a-0001.dcm", "a-0003.dcm"] {
        let bytes = fs::read(dir.path().join(slice)).unwrap();
        // Spacing Between Slices, (0018,0088), a decimal string of one digit and a blank: the 4 mm from slice to slice.
        let element = b"\x18\0\x88\0DS\x02\0" as &[u8];
        assert!(bytes.windows(10).any(|window| window.starts_with(element) && window.ends_with(b"4 ")), "{slice}");
    }
}

#[test]
fn nifti_2_is_named() {
    // nifti2.h: its length, 540, the mark, and room for the rest.
    for mark in [*b"n+2\0\r\n\x1a\n", *b"ni2\0\r\n\x1a\n"] {
        for length in [540_i32.to_le_bytes(), 540_i32.to_be_bytes()] {
            let bytes = [&length[..], &mark, &[0; 2000]].concat();
            let dir = tempdir().unwrap();
            for path in [put(&dir, "a.nii", &bytes), put(&dir, "a.nii.gz", packed(&bytes))] {
                for refused in
                    [message(io::read_image(&path)), message(io::read_array(&path)), message(io::is_complex(&path))]
                {
                    assert!(refused.contains("NIfTI-2") && refused.contains("Nifti1Image"), "{refused}");
                }
            }
        }
    }
}

#[test]
fn the_time_from_volume_to_volume_is_kept() {
    let dir = tempdir().unwrap();
    let series = |values: Array4<Complex32>, frame_step| {
        let grid = Grid::centered([3, 4, 5], [1.0, 2.0, 3.0], [0.0; 3]);
        ComplexImage { values, grid, unit: LengthUnit::Millimetre, frame_step, provenance: String::new() }
    };
    let numbers =
        Array4::from_shape_fn((6, 3, 4, 5), |(t, z, y, x)| Complex32::new((t * 60 + z * 20 + y * 5 + x) as f32, 0.0));
    let path = dir.path().join("series.nii");
    let written = |image: &ComplexImage| {
        io::write_complex(&path, image, Part::Real, &WriteOptions { force: true, ..WriteOptions::default() }).unwrap();
        fs::read(&path).unwrap()
    };
    let bytes = written(&series(numbers.clone(), Some(2.5)));
    // nifti1.h: pixdim[4], and xyzt_units: 2 for mm, 8 for s.
    assert_eq!((&bytes[92..96], bytes[123]), (&2.5_f32.to_le_bytes()[..], 10));
    assert_eq!(io::read_complex_image(&path).unwrap().frame_step, Some(2.5));
    for (code, number, seconds) in [
        (2, 2.5, Some(2.5)),
        (18, 2500.0, Some(2.5)),
        (26, 2.5e6, Some(2.5)),
        (34, 2.5, None),
        (10, 0.0, None),
        (10, f32::NAN, None),
    ] {
        let mut other = bytes.clone();
        other[92..96].copy_from_slice(&f32::to_le_bytes(number));
        other[123] = code;
        let read = io::read_complex_image(put(&dir, "other.nii", other)).unwrap();
        assert_eq!((read.frame_step, &read.values), (seconds, &numbers), "{code}");
    }
    let bytes = written(&series(numbers, None));
    assert_eq!((&bytes[92..96], bytes[123]), (&1_f32.to_le_bytes()[..], 2));
}

#[test]
fn bytes_behind_an_array_of_numpy_are_refused() {
    let dir = tempdir().unwrap();
    let line = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";
    let array = [&b"\x93NUMPY\x01\x00"[..], &(line.len() as u16).to_le_bytes(), line.as_bytes(), &[0; 24]].concat();
    let whole = put(&dir, "a.npy", &array);
    assert_eq!(io::read_array(&whole).unwrap().shape(), [2, 3]);
    // One byte, and a second array, as numpy.save to an open file twice has it.
    for more in [&b"\0"[..], &array] {
        let refused = message(io::read_array(put(&dir, "b.npy", [&array, more].concat())));
        assert!(refused.contains("more bytes follow"), "{refused}");
    }
}

#[test]
fn a_gzip_of_several_members_is_whole() {
    let (image, bytes) = nifti();
    let dir = tempdir().unwrap();
    // Members that end within the header too, and bgzip's last one that is empty.
    for length in [100, 352, 1000, 100_000] {
        let mut file: Vec<u8> = bytes.chunks(length).flat_map(packed).collect();
        file.extend(packed(&[]));
        let path = put(&dir, "a.nii.gz", &file);
        assert_eq!(io::read_image(&path).unwrap().values, image.values, "members of {length}");
        let path = put(&dir, "a.nii.gz", &file[..file.len() * 3 / 4]);
        assert!(message(io::read_image(&path)).contains("truncated"));
    }
}

#[test]
fn an_sform_of_zeros_is_none_and_quaternions_may_be_a_rounding_off() {
    let (image, bytes) = nifti();
    let dir = tempdir().unwrap();
    let near = |read: &Grid, steps: [[f64; 3]; 3]| {
        let pairs = read.steps.iter().flatten().zip(steps.iter().flatten());
        assert!(pairs.clone().all(|(a, b)| (a - b).abs() < 1e-6), "{:?} is not {steps:?}", read.steps);
    };
    // The sform's code says that there is one; all of its matrix is 0.
    let mut zero = bytes.clone();
    zero[280..328].fill(0);
    let read = io::read_image(put(&dir, "a.nii", &zero)).unwrap();
    assert_eq!((read.grid.first, read.unit), (image.grid.first, LengthUnit::Millimetre));
    near(&read.grid, image.grid.steps);
    // A sform of two directions spans no space either.
    let mut flat = bytes.clone();
    flat[312..328].fill(0);
    near(&io::read_image(put(&dir, "a.nii", &flat)).unwrap().grid, image.grid.steps);
    // Neither form: sizes alone.
    zero[252..256].fill(0);
    assert_eq!(io::read_image(put(&dir, "a.nii", &zero)).unwrap().grid.voxel(), [4.0, 3.0, 2.0]);
    // Half a turn about the bisector of x and y, its quaternion longer than 1 by a rounding: x and y change places, z turns.
    let mut turned = bytes.clone();
    turned[254..256].fill(0);
    for (at, value) in [(256, 0.7072_f32), (260, 0.7072), (264, 0.0), (76, 1.0)] {
        turned[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    let read = io::read_image(put(&dir, "a.nii", &turned)).unwrap();
    assert!((0..3).all(|axis| (read.grid.voxel()[axis] - [4.0, 3.0, 2.0][axis]).abs() < 1e-12));
    // In RAS i runs along +y, j along +x, k along −z; x and y change their sign for LPS.
    near(&read.grid, [[0.0, 0.0, -4.0], [-3.0, 0.0, 0.0], [0.0, -2.0, 0.0]]);
}

// ---- DICOM ---------------------------------------------------------------------------------------------------------

type Elements = BTreeMap<(u16, u16), (&'static str, Vec<u8>)>;

/// A slice of 2 rows and 3 columns of 16 bits; tag, VR, value.
fn slice(pixels: &[u8]) -> Elements {
    let word = |value: u16| value.to_le_bytes().to_vec();
    BTreeMap::from([
        ((8, 0x16), ("UI", b"1.2.840.10008.5.1.4.1.1.2".to_vec())),
        ((8, 0x60), ("CS", b"CT".to_vec())),
        ((0x10, 0x10), ("PN", b"Nobody^At^All".to_vec())),
        ((0x20, 0x0e), ("UI", b"1.2.3".to_vec())),
        ((0x20, 0x32), ("DS", b"1\\2\\3".to_vec())),
        ((0x28, 0x02), ("US", word(1))),
        ((0x28, 0x04), ("CS", b"MONOCHROME2".to_vec())),
        ((0x28, 0x10), ("US", word(2))),
        ((0x28, 0x11), ("US", word(3))),
        ((0x28, 0x30), ("DS", b"0.5\\0.25".to_vec())),
        ((0x28, 0x100), ("US", word(16))),
        ((0x28, 0x101), ("US", word(16))),
        ((0x28, 0x102), ("US", word(15))),
        ((0x28, 0x103), ("US", word(0))),
        ((0x7fe0, 0x10), ("OW", pixels.to_vec())),
    ])
}

fn encoded(elements: &Elements, explicit: bool) -> Vec<u8> {
    let mut file = Vec::new();
    for ((group, tag), (kind, value)) in elements {
        let mut value = value.clone();
        if value.len() % 2 == 1 {
            value.push(if *kind == "UI" { 0 } else { b' ' });
        }
        file.extend([group.to_le_bytes(), tag.to_le_bytes()].concat());
        match (explicit, *kind) {
            (true, "OW" | "SQ") => {
                file.extend([kind.as_bytes(), &[0; 2], &(value.len() as u32).to_le_bytes()].concat());
            }
            (true, _) => file.extend([kind.as_bytes(), &(value.len() as u16).to_le_bytes()].concat()),
            (false, _) => file.extend((value.len() as u32).to_le_bytes()),
        }
        file.extend(value);
    }
    file
}

/// Preamble, mark and meta information before a data set, explicit or not.
fn dicom(elements: &Elements, explicit: bool) -> Vec<u8> {
    let syntax = if explicit { "1.2.840.10008.1.2.1" } else { "1.2.840.10008.1.2" };
    let meta = Elements::from([((2, 0x10), ("UI", syntax.as_bytes().to_vec()))]);
    [vec![0; 128], b"DICM".to_vec(), encoded(&meta, true), encoded(elements, explicit)].concat()
}

fn words(values: [u16; 6]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn with_table(explicit: bool, first: u16, table: &[u16]) -> Elements {
    let mut elements = slice(&words([0, 4, 5, 6, 9, 60000]));
    let descriptor = [table.len() as u16, first, 16].iter().flat_map(|v| v.to_le_bytes()).collect();
    let data = table.iter().flat_map(|v| v.to_le_bytes()).collect();
    let item = Elements::from([
        ((0x28, 0x3002), ("US", descriptor)),
        ((0x28, 0x3004), ("LO", b"US".to_vec())),
        ((0x28, 0x3006), ("OW", data)),
    ]);
    let item = encoded(&item, explicit);
    let start = [[0xfe, 0xff, 0x00, 0xe0], (item.len() as u32).to_le_bytes()].concat();
    elements.insert((0x28, 0x3000), ("SQ", [start, item].concat()));
    elements
}

#[test]
fn dicoms_modality_table_takes_the_place_of_slope_and_intercept() {
    let dir = tempdir().unwrap();
    let table = [7, 107, 207, 1000, 65535];
    for explicit in [true, false] {
        let path = put(&dir, "a.dcm", dicom(&with_table(explicit, 5, &table), explicit));
        let read = io::read_image(&path).unwrap();
        let expected = array(&[1, 2, 3], [7.0, 7.0, 7.0, 107.0, 65535.0, 65535.0]);
        assert_eq!((read.values.into_dyn(), read.quantity), (expected, Quantity::Unknown), "{explicit}");
    }
    // A table that is not as long as it says.
    let mut broken = dicom(&with_table(true, 5, &table), true);
    let at = broken.windows(6).position(|bytes| bytes == [0x28, 0, 0x02, 0x30, b'U', b'S']).unwrap();
    broken[at + 8] = 9;
    assert!(message(io::read_image(put(&dir, "a.dcm", &broken))).contains("Modality LUT"));
}

#[test]
fn dicoms_numbers_that_are_none_are_refused_by_name() {
    let dir = tempdir().unwrap();
    let with = |tag, value: &str| {
        let mut elements = slice(&words([0, 1, 2, 3, 4, 65535]));
        elements.insert(tag, ("DS", value.as_bytes().to_vec()));
        io::read_image(put(&dir, "a.dcm", dicom(&elements, true)))
    };
    let fine = with((0x28, 0x1052), " -1024 ").unwrap();
    assert_eq!(fine.values.into_dyn(), array(&[1, 2, 3], [-1024.0, -1023.0, -1022.0, -1021.0, -1020.0, 64511.0]));
    assert_eq!(fine.grid.voxel(), [1.0, 0.5, 0.25]);
    for (tag, value, name) in [
        ((0x28, 0x1052), "-1024,0", "RescaleIntercept"),
        ((0x28, 0x1053), "1,5", "RescaleSlope"),
        ((0x28, 0x1053), "0", "RescaleSlope"),
        ((0x28, 0x30), "0,5\\0,25", "PixelSpacing"),
        ((0x28, 0x30), "0.5", "PixelSpacing"),
        ((0x20, 0x32), "1\\2\\x", "ImagePositionPatient"),
        ((0x18, 0x50), "5mm", "SliceThickness"),
    ] {
        let refused = message(with(tag, value));
        assert!(refused.contains(name) && !refused.contains(value) || value == "0", "{refused}");
    }
}

#[test]
fn dicom_is_known_without_preamble_and_without_its_first_group() {
    let dir = tempdir().unwrap();
    let pixels = [0, 1, 2, 300, 40000, 65535];
    let expected = array(&[2, 3], pixels.map(f64::from));
    for explicit in [true, false] {
        let whole = dicom(&slice(&words(pixels)), explicit);
        for start in [0, 132, 132 + 8 + 20 - usize::from(!explicit) * 2] {
            let path = put(&dir, "IM1", &whole[start..]);
            let read = io::read_array(&path).unwrap();
            assert_eq!(read.index_axis_move(ndarray::Axis(0), 0), expected, "{explicit}, from {start}");
            assert!(!format!("{:?}", io::read_image(&path).unwrap()).contains("Nobody"));
        }
    }
    let folder = dir.path().join("series");
    fs::create_dir(&folder).unwrap();
    for z in 0..3_u16 {
        let mut elements = slice(&words([z; 6]));
        elements.insert((0x20, 0x32), ("DS", format!("1\\2\\{}", 10 - z).into_bytes()));
        fs::write(folder.join(format!("IM{z}")), encoded(&elements, false)).unwrap();
    }
    let read = io::read_image(&folder).unwrap();
    assert_eq!((read.grid.shape, read.grid.first), ([3, 2, 3], [1.0, 2.0, 8.0]));
    assert!(read.values.outer_iter().enumerate().all(|(z, plane)| plane.iter().all(|value| *value == 2.0 - z as f32)));
}

#[test]
fn dicoms_bits_are_those_that_are_stored() {
    let dir = tempdir().unwrap();
    let with = |allocated: u16, stored: u16, signed: u16, pixels: Vec<u8>| {
        let mut elements = slice(&pixels);
        for (tag, value) in [(0x100, allocated), (0x101, stored), (0x102, stored - 1), (0x103, signed)] {
            elements.insert((0x28, tag), ("US", value.to_le_bytes().to_vec()));
        }
        let path = put(&dir, "a.dcm", dicom(&elements, true));
        io::read_array(path).unwrap().index_axis_move(ndarray::Axis(0), 0)
    };
    let long = |values: [u32; 6]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let wide = [0, 1, 70_000, 1 << 24, u32::MAX, 1 << 31];
    assert_eq!(with(32, 32, 0, long(wide)), array(&[2, 3], wide.map(f64::from)));
    assert_eq!(with(32, 32, 1, long(wide)), array(&[2, 3], wide.map(|value| f64::from(value as i32))));
    // 12 bits, with an overlay's in the four above.
    let twelve = words([0xf000, 0x07ff, 0x8800, 0x0fff, 0x5001, 0x1abc]);
    assert_eq!(with(16, 12, 0, twelve.clone()), array(&[2, 3], [0.0, 2047.0, 2048.0, 4095.0, 1.0, 2748.0]));
    assert_eq!(with(16, 12, 1, twelve), array(&[2, 3], [0.0, 2047.0, -2048.0, -1.0, 1.0, -1348.0]));
    assert_eq!(with(8, 8, 1, vec![0, 1, 127, 128, 255, 3]), array(&[2, 3], [0.0, 1.0, 127.0, -128.0, -1.0, 3.0]));
}

#[test]
fn frames_as_dicom_are_one_study_in_one_frame_of_reference() {
    let dir = tempdir().unwrap();
    let image = ComplexImage {
        values: Array4::from_shape_fn((6, 2, 4, 5), |(t, z, y, x)| {
            Complex32::new((t * 7 + z * 40 + y * 5 + x) as f32, 1.0)
        }),
        grid: Grid::centered([2, 4, 5], [2.0, 1.0, 1.0], [0.0; 3]),
        unit: LengthUnit::Millimetre,
        frame_step: None,
        provenance: "test".into(),
    };
    let path = dir.path().join("f.dcm");
    let written = io::write_complex(&path, &image, Part::Magnitude, &WriteOptions::default()).unwrap();
    assert_eq!(written.paths.len(), 12);
    let distinct = |group: u16, element: u16| {
        let of = |path: &PathBuf| {
            let object = dicom_object::open_file(path).unwrap();
            object.element(dicom_core::Tag(group, element)).unwrap().to_str().unwrap().into_owned()
        };
        written.paths.iter().map(of).collect::<std::collections::BTreeSet<_>>().len()
    };
    // Study, frame of reference; series and their numbers; slices.
    assert_eq!([distinct(0x20, 0x0d), distinct(0x20, 0x52)], [1, 1]);
    assert_eq!([distinct(0x20, 0x0e), distinct(0x20, 0x11), distinct(8, 0x18)], [6, 6, 12]);
}

// ---- broken files --------------------------------------------------------------------------------------------------

static SPECIMENS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let pixels: Vec<u8> = (0..48).collect();
    let stack = Tiff { photometric: 0, description: "ImageJ=1\nimages=4\ncf=0\nc0=1\nc1=2\n", ..PLAIN };
    let slice = slice(&words([1; 6]));
    vec![
        Tiff { photometric: 0, pages: 4, ..PLAIN }.bytes(&pixels),
        stack.bytes(&pixels),
        nifti().1.chunks(300).flat_map(packed).collect(),
        dicom(&with_table(true, 5, &[1, 2, 3]), true),
        encoded(&with_table(false, 5, &[1, 2, 3]), false),
        encoded(&slice, true),
    ]
});

fn read_every_way(bytes: &[u8]) {
    let dir = tempdir().unwrap();
    let path = put(&dir, "a", bytes);
    let refusals = [io::read_array(&path).err(), io::read_image(&path).err(), io::read_recording(&path).err()];
    for refusal in refusals.into_iter().flatten() {
        let refusal = refusal.to_string();
        assert!(!refusal.contains('\n') && !refusal.contains("Nobody"), "{refusal}");
    }
}

#[test]
fn every_truncation_is_survived() {
    for bytes in SPECIMENS.iter() {
        (0..bytes.len()).step_by((bytes.len() / 100).max(1)).for_each(|end| read_every_way(&bytes[..end]));
    }
}

proptest! {
    #![proptest_config(fuzz::config(100))]

    #[test]
    fn flipped_bytes_never_panic(kind in 0..6_usize, flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = SPECIMENS[kind].clone();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        read_every_way(&bytes);
    }
}

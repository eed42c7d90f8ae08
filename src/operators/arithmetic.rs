//! Sums of whole arrays.

use crate::{
    device::{Array, Device},
    kernels::{AddLines, Fill},
};

/// y ← y + factor · x, for arrays of one shape.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn add(device: &Device, factor: f32, x: &Array, y: &mut Array) {
    assert_eq!(x.shape(), y.shape(), "arrays to add");
    let columns = x.line_len();
    add_columns(device, factor, (x, y), columns, [0, 0]);
}

/// Columns `skip[0]..` of the lines of x, added times `factor` to columns `skip[1]..` of those of y; `columns` of them.
///
/// # Panics
/// If the numbers of lines differ.
#[track_caller]
pub fn add_columns(device: &Device, factor: f32, (x, y): (&Array, &mut Array), columns: usize, skip: [usize; 2]) {
    assert_eq!(x.shape()[0], y.shape()[0], "lines to add");
    let (stride, into_stride) = (x.line_len() as u32, y.line_len() as u32);
    for into in y.slabs_mut() {
        let mut line = into.lines().start;
        // Slabs of arrays with lines of different length end at different lines; the kernel starts at a slab's first.
        while line < into.lines().end {
            let from = x.slab_of(line);
            let end = from.lines().end.min(into.lines().end);
            let kernel = AddLines {
                lines: (end - line) as u32,
                columns: columns as u32,
                stride,
                skip: skip[0] as u32,
                first: (line - from.lines().start) as u32,
                into_first: (line - into.lines().start) as u32,
                into_stride,
                into_skip: skip[1] as u32,
                factor,
            };
            device.run(&kernel, &[from], &mut [into]);
            line = end;
        }
    }
}

/// Adds `lines` lines of x, from line `first[0]` on, to those of y from line `first[1]` on.
///
/// # Panics
/// If lines of x and y differ in length, or there are not as many.
#[track_caller]
pub fn add_lines(device: &Device, (x, y): (&Array, &mut Array), first: [usize; 2], lines: usize) {
    assert_eq!(x.line_len(), y.line_len(), "lines to add");
    let columns = x.line_len() as u32;
    let mut done = 0;
    while done < lines {
        let (line, into_line) = (first[0] + done, first[1] + done);
        let (from, into) = (x.slab_of(line), y.slab_of_mut(into_line));
        let count = (from.lines().end - line).min(into.lines().end - into_line).min(lines - done);
        let kernel = AddLines {
            lines: count as u32,
            columns,
            stride: columns,
            skip: 0,
            first: (line - from.lines().start) as u32,
            into_first: (into_line - into.lines().start) as u32,
            into_stride: columns,
            into_skip: 0,
            factor: 1.0,
        };
        device.run(&kernel, &[from], &mut [into]);
        done += count;
    }
}

/// y ← value, everywhere.
pub fn fill(device: &Device, value: f32, y: &mut Array) {
    let line = y.line_len();
    for slab in y.slabs_mut() {
        device.run(&Fill { count: (slab.lines().len() * line) as u32, value }, &[], &mut [slab]);
    }
}

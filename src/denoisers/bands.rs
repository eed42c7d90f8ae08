//! A slice in overlapping bands of lines, where it does not fit one binding of the device: what is kept of a band depends on
//! lines of the band alone.

use std::ops::Range;

use crate::{
    device::Device,
    error::{Error, Result},
};

/// Some lines of a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// What is read.
    pub read: Range<usize>,
    /// What is right of what is made of it.
    pub kept: Range<usize>,
}

impl Band {
    /// What is kept, counted from the first line read.
    pub fn first_kept(&self) -> usize {
        self.kept.start - self.read.start
    }
}

/// How far a pixel sees, and where bands may begin.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// Lines on either side that it depends on.
    pub halo: usize,
    /// Bands begin at multiples of this.
    pub step: usize,
}

/// The bands of a slice of `lines` lines, of which each takes `bytes` bytes of a binding.
///
/// # Errors
/// [`Error::OutOfMemory`] where not even one line and its halo fit.
pub fn plan(device: &Device, lines: usize, reach: Reach, bytes: usize) -> Result<Vec<Band>> {
    let most = (device.binding_limit() / bytes.max(1) as u64) as usize;
    if lines <= most {
        return Ok(vec![Band { read: 0..lines, kept: 0..lines }]);
    }
    let around = 2 * reach.halo + reach.step - 1;
    if most <= around {
        let limit = format!("{} lines must fit one binding of {} bytes", around + 1, device.binding_limit());
        return Err(Error::OutOfMemory { device: device.name(), bytes: ((around + 1) * bytes) as u64, limit });
    }
    let each = lines.div_ceil(lines.div_ceil(most - around));
    let band = |first: usize| {
        let kept = first..(first + each).min(lines);
        let begin = kept.start.saturating_sub(reach.halo) / reach.step * reach.step;
        Band { read: begin..(kept.end + reach.halo).min(lines), kept }
    };
    Ok((0..lines).step_by(each).map(band).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_every_line_once_with_its_halo() {
        for (lines, halo, step, most) in [(100, 8, 1, 100), (100, 8, 1, 99), (1000, 54, 3, 200), (517, 54, 3, 111)] {
            let device = Device::cpu().with_binding_limit(40 * most as u64);
            let bands = plan(&device, lines, Reach { halo, step }, 40).unwrap();
            let mut next = 0;
            for Band { read, kept } in &bands {
                assert!(kept.start == next && kept.end > next && read.len() <= most, "{read:?} {kept:?}");
                assert!(read.start.is_multiple_of(step));
                assert!(read.start == 0 || read.start + halo <= kept.start, "{read:?} {kept:?}");
                assert!(read.end == lines || kept.end + halo <= read.end, "{read:?} {kept:?}");
                next = kept.end;
            }
            assert!(next == lines && (bands.len() == 1) == (lines <= most));
        }
        let device = Device::cpu().with_binding_limit(640);
        let error = plan(&device, 100, Reach { halo: 8, step: 1 }, 40).unwrap_err().to_string();
        assert!(error.contains("17 lines must fit one binding of 640 bytes"), "{error}");
    }
}

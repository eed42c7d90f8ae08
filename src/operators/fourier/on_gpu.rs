//! The transform on a GPU: passes along each axis in turn, over as many images at once as working memory holds.

use std::{ops::Range, sync::Mutex};

use super::{Axis, Direction};
use crate::{
    device::{Array, Device, Element, Kernel, Slab},
    error::{Error, Result},
    kernels::{
        AxisLayout, Chirp, FftPass,
        fft_plan::{Bluestein, radices, twiddles},
    },
};

/// Bytes of each working array: enough to fill a GPU, little beside the images. One transform may need more.
const WORK: u64 = 64 << 20;

/// Images, cut in units that one transform stays within: lines for x, slices for y, volumes for z.
pub(super) struct Images {
    device: Device,
    /// Of a unit.
    extents: [usize; 3],
    units: usize,
    steps: Vec<Step>,
    /// Table of a copy.
    one: Array,
    work: Mutex<[Array; 2]>,
    /// Units that the working arrays hold.
    batch: usize,
    /// A unit that lies in two slabs is transformed here.
    gathered: Option<Mutex<Array>>,
}

/// The transform along one axis.
struct Step {
    axis: usize,
    turn: u32,
    scale: f32,
    passes: Passes,
    chirped: Option<Chirped>,
}

struct Chirped {
    length: usize,
    chirp: Array,
    response: Array,
}

/// Stockham passes along an axis.
struct Passes {
    radices: Vec<u32>,
    twiddles: Array,
}

/// Where numbers stand on their way through the passes: `None` is what must stay as it is.
type Slot = Option<usize>;
const TARGET: usize = 0;
const WORKS: [usize; 2] = [1, 2];

/// What the slots stand for.
struct Slots<'a> {
    device: &'a Device,
    source: Option<&'a Slab>,
    buffers: [&'a mut Slab; 3],
}

impl Slots<'_> {
    /// Where the numbers to transform stand.
    fn beginning(&self) -> Slot {
        if self.source.is_some() { None } else { Some(TARGET) }
    }

    fn run<K: Kernel>(&mut self, kernel: &K, table: &Array, from: Slot, into: usize) {
        let table = table.slab_of(0);
        match (from, self.source) {
            (None, Some(source)) => self.device.run(kernel, &[table, source], &mut [self.buffers[into]]),
            (from, _) => {
                let pair = self.buffers.get_disjoint_mut([from.unwrap_or(TARGET), into]);
                let [from, into] = pair.expect("a pass goes from one buffer to another");
                self.device.run(kernel, &[table, from], &mut [into]);
            }
        }
    }
}

impl Passes {
    fn new(device: &Device, length: usize) -> Result<Self> {
        let radices = radices(length).expect("a length of small factors").iter().map(|radix| *radix as u32).collect();
        Ok(Self { radices, twiddles: device.upload(&[1, length, 2], twiddles(length))? })
    }

    /// From one end to the other by way of the working arrays, where numbers stand as in `between`; a single pass in place
    /// takes a copy more, since no pass reads what it writes.
    fn run(
        &self,
        slots: &mut Slots,
        from: (Slot, AxisLayout),
        into: AxisLayout,
        between: AxisLayout,
        factors: [f32; 2],
    ) {
        let [sign, scale] = factors;
        let hops = self.radices.len().max(if from.0 == Some(TARGET) { 2 } else { 1 });
        let (mut from, mut span) = (from, 1);
        for hop in 0..hops {
            let last = hop + 1 == hops;
            let next = if last { (TARGET, into) } else { (WORKS[hop % 2], between) };
            let radix = self.radices.get(hop).copied().unwrap_or(1);
            let pass = FftPass { x: from.1, y: next.1, span, radix, sign, scale: if last { scale } else { 1.0 } };
            slots.run(&pass, &self.twiddles, from.0, next.0);
            span *= radix;
            from = (Some(next.0), next.1);
        }
    }

    /// From the first working array to and fro; where the result is.
    fn run_within(&self, slots: &mut Slots, first: usize, layout: AxisLayout, sign: f32) -> usize {
        let mut span = 1;
        for (hop, radix) in self.radices.iter().enumerate() {
            let pass = FftPass { x: layout, y: layout, span, radix: *radix, sign, scale: 1.0 };
            slots.run(&pass, &self.twiddles, Some(WORKS[(first + hop) % 2]), WORKS[(first + hop + 1) % 2]);
            span *= radix;
        }
        (first + self.radices.len()) % 2
    }
}

impl Step {
    fn new(device: &Device, axis: Axis, length: usize, centred: bool) -> Result<Self> {
        let chirped = match radices(length) {
            Some(_) => None,
            None => Some(Bluestein::new(length)),
        };
        let passes = Passes::new(device, chirped.as_ref().map_or(length, |chirped| chirped.length))?;
        let upload = |Bluestein { length: longer, chirp, response }| {
            let chirp = device.upload(&[1, length, 2], chirp)?;
            Ok::<_, Error>(Chirped { length: longer, chirp, response: device.upload(&[1, longer, 2], response)? })
        };
        let turn = if centred { length as u32 / 2 } else { 0 };
        let scale = (1.0 / (length as f64).sqrt()) as f32;
        Ok(Self { axis: axis as usize, turn, scale, passes, chirped: chirped.map(upload).transpose()? })
    }

    /// Extents of a unit of `extents` on its way.
    fn widened(&self, mut extents: [usize; 3]) -> [usize; 3] {
        if let Some(chirped) = &self.chirped {
            extents[self.axis] = chirped.length;
        }
        extents
    }

    /// Transforms `units` of `extents`, the first of them where `firsts` say for source and target.
    fn run(&self, slots: &mut Slots, direction: Direction, (units, extents): (usize, [usize; 3]), firsts: [u32; 2]) {
        let sign = if direction == Direction::Forward { 1.0 } else { -1.0 };
        let plain = AxisLayout::planar(units, extents, self.axis);
        let [source, target] = firsts.map(|first| AxisLayout { first, turn: self.turn, ..plain });
        let from = (slots.beginning(), source);
        let Some(Chirped { chirp, response, .. }) = &self.chirped else {
            return self.passes.run(slots, from, target, plain, [sign, self.scale]);
        };
        let long = AxisLayout::planar(units, self.widened(extents), self.axis);
        let multiply = |x: AxisLayout, y: AxisLayout, given, scale| Chirp { x, y, given, sign, scale, spare: 0 };
        slots.run(&multiply(source, long, plain.length, 1.0), chirp, from.0, WORKS[0]);
        let at = self.passes.run_within(slots, 0, long, sign);
        slots.run(&multiply(long, long, long.length, 1.0), response, Some(WORKS[at]), WORKS[1 - at]);
        let at = self.passes.run_within(slots, 1 - at, long, -sign);
        slots.run(&multiply(long, target, plain.length, self.scale), chirp, Some(WORKS[at]), TARGET);
    }
}

impl Images {
    pub(super) fn new(
        device: &Device,
        batch: usize,
        [nz, ny, nx]: [usize; 3],
        (axes, centred): (&[Axis], bool),
    ) -> Result<Self> {
        let extents = match () {
            () if axes.contains(&Axis::Z) => [nz, ny, nx],
            () if axes.contains(&Axis::Y) => [1, ny, nx],
            () => [1, 1, nx],
        };
        let units = batch * nz * ny / (extents[0] * extents[1]);
        let all = [Axis::X, Axis::Y, Axis::Z].into_iter().filter(|axis| axes.contains(axis));
        let steps = all.filter(|axis| extents[*axis as usize] > 1);
        let steps = steps.map(|axis| Step::new(device, axis, extents[axis as usize], centred));
        let steps = steps.collect::<Result<Vec<_>>>()?;
        let floats = |extents: [usize; 3]| 2 * extents.iter().product::<usize>();
        let widest = steps.iter().map(|step| floats(step.widened(extents))).max().unwrap_or(1);
        let (bytes, limit) = (4 * widest as u64, device.binding_limit());
        if bytes > limit {
            let limit = format!("what one transform goes through must fit a binding of {limit} bytes");
            return Err(Error::OutOfMemory { device: device.name(), bytes, limit });
        }
        let room = limit.min(WORK.max(bytes)) / bytes;
        let batch = room.clamp(1, units as u64) as usize;
        let work = || device.zeros(&[1, batch * widest], Element::F32);
        // Slabs of as many lines as a binding holds may end within a unit.
        let [lines_of_slab, lines] = [limit as usize / (8 * nx), extents[0] * extents[1]];
        let torn = units * lines > lines_of_slab && !lines_of_slab.is_multiple_of(lines);
        let gathered = torn.then(|| device.zeros(&[1, floats(extents)], Element::F32)).transpose()?;
        Ok(Self {
            device: device.clone(),
            extents,
            units,
            steps,
            one: device.upload(&[1, 1, 2], &[1.0_f32, 0.0][..])?,
            work: Mutex::new([work()?, work()?]),
            batch,
            gathered: gathered.map(Mutex::new),
        })
    }

    /// y ← the transform of x, or of itself.
    pub(super) fn apply(&self, direction: Direction, x: Option<&Array>, y: &mut Array) {
        let lines = self.extents[0] * self.extents[1];
        let mut unit = 0;
        while unit < self.units {
            let first = unit * lines;
            let end = x.into_iter().chain([&*y]).map(|array| array.slab_of(first).lines().end).min();
            let whole = (end.expect("y") - first) / lines;
            let units = whole.clamp(1, self.batch);
            if whole > 0 {
                let source = x.map(|x| (x.slab_of(first), self.place(x, first)));
                let place = self.place(y, first);
                self.transform(direction, source, (y.slab_of_mut(first), place), units);
            } else {
                self.transform_torn(direction, x, y, first..first + lines);
            }
            unit += units;
        }
    }

    /// Where `line` begins in its slab, in f32 numbers.
    fn place(&self, array: &Array, line: usize) -> u32 {
        ((line - array.slab_of(line).lines().start) * array.line_len()) as u32
    }

    /// Transforms `units` that lie in one slab of source and target each, in place without a source.
    fn transform(
        &self,
        direction: Direction,
        source: Option<(&Slab, u32)>,
        (target, place): (&mut Slab, u32),
        units: usize,
    ) {
        let mut work = self.work.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let [a, b] = work.each_mut().map(|work| work.slab_of_mut(0));
        let first = source.map_or(place, |(_, first)| first);
        let mut slots = Slots { device: &self.device, source: source.map(|(slab, _)| slab), buffers: [target, a, b] };
        if self.steps.is_empty() && slots.source.is_some() {
            let layout = AxisLayout::planar(units, self.extents, 2);
            slots.run(&copy(layout, [first, place]), &self.one, None, TARGET);
        }
        for (index, step) in self.steps.iter().enumerate() {
            let first = if index == 0 { first } else { place };
            step.run(&mut slots, direction, (units, self.extents), [first, place]);
            slots.source = None;
        }
    }

    /// Transforms a unit whose `lines` lie in several slabs.
    fn transform_torn(&self, direction: Direction, x: Option<&Array>, y: &mut Array, lines: Range<usize>) {
        let gathered = self.gathered.as_ref().expect("arrays are cut as this device cuts them");
        let mut gathered = gathered.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let unit = gathered.slab_of_mut(0);
        let line_len = y.line_len();
        let run_of = |lines: Range<usize>, first: usize, places: [u32; 2]| {
            let layout = AxisLayout::planar(lines.len(), [1, 1, line_len / 2], 2);
            (copy(layout, places), ((lines.start - first) * line_len) as u32)
        };
        let mut line = lines.start;
        while line < lines.end {
            let from = x.unwrap_or(y);
            let end = from.slab_of(line).lines().end.min(lines.end);
            let (mut kernel, into) = run_of(line..end, lines.start, [self.place(from, line), 0]);
            kernel.y.first = into;
            self.device.run(&kernel, &[self.one.slab_of(0), from.slab_of(line)], &mut [unit]);
            line = end;
        }
        self.transform(direction, None, (unit, 0), 1);
        let mut line = lines.start;
        while line < lines.end {
            let end = y.slab_of(line).lines().end.min(lines.end);
            let (mut kernel, from) = run_of(line..end, lines.start, [0, self.place(y, line)]);
            kernel.x.first = from;
            self.device.run(&kernel, &[self.one.slab_of(0), unit], &mut [y.slab_of_mut(line)]);
            line = end;
        }
    }
}

/// A pass that copies the lines of `layout` from one place to the other.
fn copy(layout: AxisLayout, places: [u32; 2]) -> FftPass {
    let [x, y] = places.map(|first| AxisLayout { first, ..layout });
    FftPass { x, y, span: layout.length, radix: 1, sign: 1.0, scale: 1.0 }
}

/// Transforms of interleaved lines, `[lines, length, 2]`, as the line filter has them.
pub(in crate::operators) struct Lines {
    device: Device,
    passes: Passes,
    length: usize,
    /// Between the passes.
    work: Mutex<[Array; 2]>,
}

impl Lines {
    /// For up to `lines` lines that fit a binding.
    pub(in crate::operators) fn new(device: &Device, lines: usize, length: usize) -> Result<Self> {
        if radices(length).is_none() || length < 2 {
            let message = format!("the GPU filters lines of lengths of no prime factor above 13, not of {length}");
            return Err(Error::Device(message + "; use --device cpu"));
        }
        let work = || device.zeros(&[lines, length, 2], Element::F32);
        let work = Mutex::new([work()?, work()?]);
        Ok(Self { device: device.clone(), passes: Passes::new(device, length)?, length, work })
    }

    /// Transforms the first `lines` lines of a slab, orthonormal.
    pub(in crate::operators) fn transform(&self, direction: Direction, x: &Slab, y: &mut Slab, lines: usize) {
        let mut work = self.work.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let [a, b] = work.each_mut().map(|work| work.slab_of_mut(0));
        let layout = AxisLayout::interleaved(lines, self.length);
        let sign = if direction == Direction::Forward { 1.0 } else { -1.0 };
        let scale = (1.0 / (self.length as f64).sqrt()) as f32;
        let mut slots = Slots { device: &self.device, source: Some(x), buffers: [y, a, b] };
        self.passes.run(&mut slots, (None, layout), layout, layout, [sign, scale]);
    }
}

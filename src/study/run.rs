//! Running a study: the folder it lives in, the cells that are still to do, and the workers that do them.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use serde_json::Value;

use super::{
    cell::{Cell, Ground},
    protocol::{BLOCK, Protocol},
};
use crate::{
    device::Device,
    error::{Error, Result},
    io,
    monitor::Monitor,
};

const PROTOCOL: &str = "protocol.json";
const CELLS: &str = "cells";

/// A study in its folder.
#[derive(Debug)]
pub struct Study {
    /// All that its figures depend on.
    pub protocol: Protocol,
    folder: PathBuf,
}

/// How much was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cells that were there already.
    pub found: usize,
    /// Cells computed now.
    pub computed: usize,
}

impl Study {
    /// Opens `folder` for a study: a new one, or one of the same protocol that is to be continued. With `force`, what a
    /// former study left there is deleted.
    ///
    /// # Errors
    /// The folder holds something else, or a study of another protocol; it cannot be made or written.
    pub fn open(protocol: Protocol, folder: &Path, force: bool) -> Result<Self> {
        let trouble = |error: std::io::Error| Error::file(folder, error);
        if folder.exists() && !folder.is_dir() {
            return Err(Error::file(folder, "is no folder; name a new one"));
        }
        let study = Self { protocol, folder: folder.to_path_buf() };
        match fs::read_to_string(folder.join(PROTOCOL)) {
            Ok(_) if force => study.clear().map_err(trouble)?,
            Ok(text) => return study.check_same(&text).map(|()| study),
            Err(_) => {
                if folder.is_dir() && fs::read_dir(folder).map_err(trouble)?.next().is_some() {
                    return Err(Error::file(folder, "holds other things than a study; name a new folder"));
                }
            }
        }
        fs::create_dir_all(study.cells_folder()).map_err(trouble)?;
        let text = serde_json::to_string_pretty(&study.protocol.json()).map_err(|error| Error::file(folder, error))?;
        io::write_text(folder.join(PROTOCOL), &format!("{text}\n"), true)?;
        Ok(study)
    }

    /// Refuses to go on with a study whose stored protocol is another.
    fn check_same(&self, text: &str) -> Result<()> {
        // Reading rounds numbers anew: both have to be read.
        let [own, stored]: [Value; 2] =
            [&self.protocol.json().to_string(), text].map(|text| serde_json::from_str(text).unwrap_or_default());
        if stored == own {
            return fs::create_dir_all(self.cells_folder()).map_err(|error| Error::file(&self.folder, error));
        }
        let differ: Vec<&str> = own
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, value)| stored.get(key) != Some(value))
            .map(|(key, _)| key.as_str())
            .collect();
        Err(Error::file(
            &self.folder,
            format!(
                "holds a study of another protocol (other: {}); give its flags to continue it, --force to start it anew, or a new folder",
                differ.join(", ")
            ),
        ))
    }

    /// Deletes what a study writes, and nothing else.
    fn clear(&self) -> std::io::Result<()> {
        for name in [PROTOCOL].iter().chain(super::OUTPUTS) {
            match fs::remove_file(self.folder.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        for entry in fs::read_dir(self.cells_folder()).into_iter().flatten() {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json" || extension == "npy") {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Where results go.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn cells_folder(&self) -> PathBuf {
        self.folder.join(CELLS)
    }

    /// The whole design: first the first block of everything, so that an interrupted study has a bit of all.
    fn cells(&self) -> Vec<Cell<'_>> {
        let protocol = &self.protocol;
        let most = protocol.subjects.iter().map(|subject| subject.realisations.div_ceil(BLOCK)).max().unwrap_or(0);
        let mut cells = Vec::new();
        for block in 0..most {
            for subject in protocol.subjects.iter().filter(|subject| block * BLOCK < subject.realisations) {
                for &level in &protocol.levels {
                    cells.extend(protocol.methods.iter().map(|method| Cell {
                        protocol,
                        subject,
                        method,
                        level,
                        block,
                    }));
                }
            }
        }
        cells
    }

    /// The blocks of one point of a curve, in order.
    pub fn outcome(&self, subject: usize, method: usize, level: f64) -> Result<super::cell::Outcome> {
        let (subject, method) = (&self.protocol.subjects[subject], &self.protocol.methods[method]);
        let mut all = super::cell::Outcome::default();
        for block in 0..subject.realisations.div_ceil(BLOCK) {
            let cell = Cell { protocol: &self.protocol, subject, method, level, block };
            let path = cell.path(&self.cells_folder());
            all.append(
                cell.read(&self.cells_folder()).ok_or_else(|| Error::file(path, "is gone; run the study again"))?,
            )?;
        }
        Ok(all)
    }

    /// Computes the cells that are not there yet, in parallel, and stores each as soon as it is finished.
    ///
    /// # Errors
    /// Whatever a recipe refuses (the message says for which method and subject); interruption. Finished cells stay.
    pub fn run(&self, device: &Device, monitor: &Monitor) -> Result<Tally> {
        let folder = self.cells_folder();
        let cells = self.cells();
        let missing: Vec<_> = cells.iter().filter(|cell| cell.read(&folder).is_none()).collect();
        let grounds = self.grounds(&missing, device, monitor)?;
        let work: usize = missing.iter().map(|cell| cell.realisations().len()).sum();
        let (next, done, stop) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicBool::new(false));
        let trouble = Mutex::new(None);
        let serve = |cell: &Cell| -> Result<()> {
            let ground = &grounds[&key(cell)];
            let outcome = cell.compute(ground, device, &monitor.unheard()).map_err(|error| named(error, cell))?;
            cell.write(&outcome, &folder)?;
            let count = cell.realisations().len() as u64;
            monitor.advance(done.fetch_add(count, Ordering::Relaxed) + count)
        };
        let work_off = || {
            while let Some(cell) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                if let Err(error) = serve(cell) {
                    stop.store(true, Ordering::Relaxed);
                    trouble.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(error);
                    return;
                }
            }
        };
        monitor.step("realise", work.max(1) as u64, || {
            std::thread::scope(|scope| (0..workers(device)).for_each(|_| drop(scope.spawn(work_off))));
            trouble.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take().map_or(Ok(()), Err)
        })?;
        Ok(Tally { found: cells.len() - missing.len(), computed: missing.len() })
    }

    /// Truth and noise-free scans of whatever `cells` need.
    fn grounds(&self, cells: &[&Cell], device: &Device, monitor: &Monitor) -> Result<HashMap<(String, usize), Ground>> {
        let mut grounds = HashMap::new();
        for cell in cells {
            let (_, views) = key(cell);
            if let Entry::Vacant(place) = grounds.entry(key(cell)) {
                let scans = cell.subject.scans(views, device, monitor)?;
                let truth = monitor.step("draw", 1, || cell.subject.truth())?;
                place.insert(Ground { truth, scans });
            }
        }
        Ok(grounds)
    }
}

fn key(cell: &Cell) -> (String, usize) {
    (cell.subject.name.clone(), cell.protocol.views(cell.subject, cell.level))
}

/// Cells at a time: on a CPU one a thread, for then the parts of a recipe that run on one thread run side by side.
fn workers(device: &Device) -> usize {
    match device {
        Device::Cpu(_) => rayon::current_num_threads(),
        Device::Gpu(_) => 1,
    }
}

/// Says which cell an error is about.
fn named(error: Error, cell: &Cell) -> Error {
    match error {
        Error::Interrupted => error,
        other => Error::Option(format!(
            "{} of {} at {}: {other}",
            cell.method.name(),
            cell.subject.name,
            cell.protocol.sweep.describe(cell.level)
        )),
    }
}

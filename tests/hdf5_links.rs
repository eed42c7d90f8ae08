//! HDF5 as beamlines write it, by h5py: links of every kind, layouts of every version, short floats; and what is refused by name.

use std::{fs, path::Path, process::Command};

use ndarray::{Array5, ArrayD, IxDyn};
use num_complex::Complex32;
use rushlight::{
    io::{self, Content, Reading},
    scan::KSpace,
};
use tempfile::tempdir;

/// Runs a Python program in `folder`; false, and says so, where Python or h5py is missing.
fn python(folder: &Path, program: &str) -> bool {
    let run = Command::new("python3").arg("-c").arg(program).current_dir(folder).output();
    let missing = match &run {
        Ok(output) => String::from_utf8_lossy(&output.stderr).contains("ModuleNotFoundError"),
        Err(_) => true,
    };
    if missing {
        eprintln!("skipped: python3 with numpy and h5py is not here");
        return false;
    }
    let output = run.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    true
}

fn message(result: rushlight::Result<impl std::fmt::Debug>) -> String {
    let message = result.expect_err("this should be refused").to_string();
    assert!(!message.contains('\n'), "more than one line: {message}");
    message
}

/// 0, 1, 2 … of a shape.
fn counting(shape: &[usize]) -> ArrayD<f32> {
    ArrayD::from_shape_vec(IxDyn(shape), (0..shape.iter().product::<usize>()).map(|i| i as f32).collect()).unwrap()
}

const START: &str = "
import h5py, numpy as np
a = np.arange(24, dtype='f4').reshape(2, 3, 4)
versions = ['earliest', 'latest']
";

#[test]
fn links_are_followed_or_named() {
    let dir = tempdir().unwrap();
    let program = format!(
        "{START}
for v in versions:
    with h5py.File(v + '-other.h5', 'w', libver=v) as f: f['deep/data'] = a + 100
    with h5py.File(v + '.h5', 'w', libver=v) as f:
        f['entry/detector/data'] = a
        f['abs'] = h5py.SoftLink('/entry/detector/data')
        f['entry/rel'] = h5py.SoftLink('detector/data')
        f['group'] = h5py.SoftLink('/entry/detector'); f['chain'] = h5py.SoftLink('/group/data')
        f['dangling'] = h5py.SoftLink('/entry/none'); f['circle'] = h5py.SoftLink('/circle')
        f['out'] = h5py.ExternalLink(v + '-other.h5', '/deep/data')
        f['outgroup'] = h5py.ExternalLink(v + '-other.h5', '/deep'); f['via'] = h5py.SoftLink('/outgroup/data')
        f['gone'] = h5py.ExternalLink('none.h5', '/deep/data'); f['nowhere'] = h5py.ExternalLink(v + '-other.h5', '/x')
        # Groups whose links lie in a heap and a tree, also of several levels.
        for count in (9, 300, 6000):
            g = f.create_group(f'many{{count}}')
            for i in range(count): g[f'a link with a longer name, number {{i}}'] = h5py.SoftLink('/entry/detector/data' if i == count - 2 else f'/none{{i}}')
"
    );
    if !python(dir.path(), &program) {
        return;
    }
    for version in ["earliest", "latest"] {
        let at = |inner: &str| dir.path().join(format!("{version}.h5:/{inner}"));
        let there = counting(&[2, 3, 4]);
        for inner in ["entry/detector/data", "abs", "entry/rel", "group/data", "chain"] {
            assert_eq!(io::read_array(at(inner)).unwrap(), there, "{version} {inner}");
        }
        for count in [9, 300, 6000] {
            let inner = format!("many{count}/a link with a longer name, number {}", count - 2);
            assert_eq!(io::read_array(at(&inner)).unwrap(), there, "{version} {count}");
            let refused = message(io::read_array(at(&format!("many{count}/a link with a longer name, number 1"))));
            assert!(refused.contains("a link to /none1, where nothing is"), "{version} {count}: {refused}");
        }
        for inner in ["out", "outgroup/data", "via"] {
            assert_eq!(io::read_array(at(inner)).unwrap(), there.mapv(|value| value + 100.0), "{version} {inner}");
        }
        for (inner, why) in [
            ("dangling", "a link to /entry/none, where nothing is"),
            ("circle", "circle"),
            ("gone", "the file none.h5, which is not there"),
            ("nowhere", "where no dataset is"),
            ("absent", "no such dataset"),
        ] {
            let refused = message(io::read_array(at(inner)));
            assert!(refused.contains(why), "{version} {inner}: {refused}");
        }
        // Two arrays, one of them in another file.
        assert!(message(io::read_array(dir.path().join(format!("{version}.h5")))).contains("/out"));
    }
}

#[test]
fn whatever_a_link_leads_to_is_read_as_what_it_is() {
    let dir = tempdir().unwrap();
    let program = format!(
        "{START}
k = (a + 1j * a[::-1]).astype('c8') + 1
for v in versions:
    with h5py.File(v + '-other.h5', 'w', libver=v) as f: f['deep/arr'] = a; f['k'] = k
    with h5py.File(v + '.h5', 'w', libver=v) as f:
        f['a/vol'] = a; f['a/rel'] = h5py.SoftLink('vol'); f['soft'] = h5py.SoftLink('/a/vol'); f['group'] = h5py.SoftLink('/a')
        f['outgroup'] = h5py.ExternalLink(v + '-other.h5', '/deep'); f['out'] = h5py.ExternalLink(v + '-other.h5', '/deep/arr')
        f['far'] = h5py.SoftLink('/outgroup/arr')
        f['ksp'] = k; f['softk'] = h5py.SoftLink('/ksp'); f['outk'] = h5py.ExternalLink(v + '-other.h5', '/k')
        f['circle'] = h5py.SoftLink('/circle'); f['lost'] = h5py.SoftLink('/none'); f['gone'] = h5py.ExternalLink('none.h5', '/x')
        f['nowhere'] = h5py.ExternalLink(v + '-other.h5', '/x')
    # One array, and links that lead nowhere beside it; and such links alone.
    with h5py.File(v + '-one.h5', 'w', libver=v) as f: f['x/y'] = a; f['aaa'] = h5py.ExternalLink('none.h5', '/x'); f['lost'] = h5py.SoftLink('/none')
    with h5py.File(v + '-gone.h5', 'w', libver=v) as f: f['dataset'] = h5py.ExternalLink('none.h5', '/dataset')
    with h5py.File(v + '-lost.h5', 'w', libver=v) as f: f['entry/data'] = h5py.SoftLink('/none')
"
    );
    if !python(dir.path(), &program) {
        return;
    }
    for version in ["earliest", "latest"] {
        let at = |inner: &str| dir.path().join(format!("{version}.h5:/{inner}"));
        for inner in ["a/vol", "a/rel", "soft", "group/vol", "group/rel", "outgroup/arr", "out", "far"] {
            let (content, header) = (io::content(at(inner)).unwrap(), io::has_mr_header(at(inner)).unwrap());
            assert_eq!((content, header), (Content::Numbers, false), "{version} {inner}");
            assert_eq!(io::read_image(at(inner)).unwrap().values.into_dyn(), counting(&[2, 3, 4]), "{version} {inner}");
            assert_eq!(io::read_recording(at(inner)).unwrap().data.into_dyn(), counting(&[2, 3, 4]));
        }
        for inner in ["ksp", "softk", "outk"] {
            assert_eq!(io::content(at(inner)).unwrap(), Content::KSpace, "{version} {inner}");
            assert!(!io::has_mr_header(at(inner)).unwrap());
            let samples = io::read_kspace(at(inner), None).unwrap().samples;
            assert_eq!((samples.dim(), samples[[0, 1, 0, 2, 3]].re), ((1, 2, 1, 3, 4), 24.0), "{version} {inner}");
        }
        for (inner, why) in [
            ("circle", "links that lead in a circle"),
            ("lost", "a link to /none, where nothing is"),
            ("gone", "the file none.h5, which is not there"),
            ("nowhere", "where no dataset is"),
            ("soft/xml", "no such dataset"),
            ("out/xml", "no such dataset"),
        ] {
            let refusals = [
                message(io::read_image(at(inner))),
                message(io::read_recording(at(inner))),
                message(io::read_kspace(at(inner), None)),
            ];
            for refused in refusals {
                assert!(refused.contains(why) && !refused.contains("not a text"), "{version} {inner}: {refused}");
            }
        }
        let whole = |name: &str| dir.path().join(format!("{version}-{name}.h5"));
        assert_eq!(io::read_array(whole("one")).unwrap(), counting(&[2, 3, 4]), "{version}");
        assert!(message(io::read_recording(whole("gone"))).contains("the file none.h5, which is not there"));
        assert!(message(io::read_image(whole("lost"))).contains("a link to /none, where nothing is"));
    }
}

/// ISMRMRD's header and acquisitions lie in one file, with their heap; another file has links to it.
#[test]
fn an_ismrmrd_group_in_another_file_is_read_with_its_heap() {
    let dir = tempdir().unwrap();
    let samples = Array5::from_shape_fn((1, 3, 1, 6, 8), |(_, c, _, y, x)| {
        Complex32::new(1.0 + (c * 100 + y * 10 + x) as f32, 0.5 * (x as f32 - y as f32))
    });
    let scan = KSpace::cartesian(samples).unwrap();
    io::write_kspace(dir.path().join("there.h5"), &scan, &io::WriteOptions::default()).unwrap();
    let program = "
import h5py
# A heap of its own, so that an address of the other file's leads into something else.
text = lambda f: f.create_dataset('text', data='words ' * 2000, dtype=h5py.string_dtype())
with h5py.File('named.h5', 'w') as f: text(f); f['dataset'] = h5py.ExternalLink('there.h5', '/dataset'); f['l'] = h5py.SoftLink('/dataset')
with h5py.File('parts.h5', 'w') as f:
    text(f)
    for name in ('xml', 'data'): f['other/' + name] = h5py.ExternalLink('there.h5', '/dataset/' + name)
with h5py.File('halved.h5', 'w') as f: f['dataset/xml'] = h5py.ExternalLink('there.h5', '/dataset/xml'); f['dataset/data'] = h5py.ExternalLink('none.h5', '/data')
";
    if !python(dir.path(), program) {
        return;
    }
    for spec in ["there.h5", "named.h5", "named.h5:/l", "named.h5:/dataset", "parts.h5", "parts.h5:/other"] {
        assert!(io::has_mr_header(dir.path().join(spec)).unwrap(), "{spec}");
        assert_eq!(io::read_kspace(dir.path().join(spec), None).unwrap().samples, scan.samples, "{spec}");
    }
    let refused = message(io::read_kspace(dir.path().join("halved.h5"), None));
    assert!(refused.contains("the file none.h5, which is not there"), "{refused}");
}

#[test]
fn layouts_and_short_floats_of_every_version_are_read() {
    let dir = tempdir().unwrap();
    let program = format!(
        "{START}
b = np.arange(20 * 30, dtype='u2').reshape(20, 30)
for v in versions:
    with h5py.File(v + '.h5', 'w', libver=v) as f:
        f['plain'] = b
        c = lambda n, **k: f.create_dataset(n, data=b, **k)
        c('chunks', chunks=(7, 8)); c('packed', chunks=(7, 8), compression='gzip', shuffle=True); c('sum', chunks=(7, 8), fletcher32=True)
        c('one', chunks=(20, 30), compression='gzip'); c('grows', chunks=(7, 8), maxshape=(None, 30), compression='gzip')
        c('grows2', chunks=(3, 5), maxshape=(None, None), compression='gzip'); c('long', chunks=(1, 1), compression='gzip')
        f['half'] = b.astype('f2'); f['half_big'] = b.astype('>f2'); f['scaled'] = (b / 3).astype('f2'); f['double'] = (b / 3).astype('f2').astype('f8')
        t = h5py.h5t.IEEE_F16LE.copy(); t.set_fields(15, 7, 8, 0, 7); t.set_ebias(127)
        d = h5py.Dataset(h5py.h5d.create(f.id, b'brain', t, h5py.h5s.create_simple((2, 2))))
        d.id.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([[1, -2], [.5, 96]], 'f4'))
        layout = h5py.VirtualLayout(shape=(20, 30), dtype='u2'); layout[:10] = h5py.VirtualSource(v + '.h5', 'plain', shape=(20, 30))[:10]
        f.create_virtual_dataset('virtual', layout)
"
    );
    if !python(dir.path(), &program) {
        return;
    }
    for version in ["earliest", "latest"] {
        let read = |inner: &str| io::read_array(dir.path().join(format!("{version}.h5:/{inner}")));
        let there = counting(&[20, 30]);
        for inner in ["plain", "chunks", "packed", "sum", "one", "grows", "long", "half", "half_big"] {
            assert_eq!(read(inner).unwrap(), there, "{version} {inner}");
        }
        // Chunks that grow along two axes lie in a tree that is read in its older version only.
        match (version, read("grows2")) {
            ("earliest", array) => assert_eq!(array.unwrap(), there),
            (_, refused) => assert!(message(refused).contains("B-tree")),
        }
        assert_eq!(read("scaled").unwrap(), read("double").unwrap());
        assert_eq!(read("brain").unwrap().into_raw_vec_and_offset().0, [1.0, -2.0, 0.5, 96.0]);
        let refused = message(read("virtual"));
        assert!(refused.contains("virtual dataset") && !refused.contains("truncated"), "{refused}");
    }
}

#[test]
fn scans_of_links_are_counts_with_their_flats() {
    let dir = tempdir().unwrap();
    let program = format!(
        "{START}
for v in versions:
    with h5py.File(v + '.h5', 'w', libver=v) as f:
        d = f.create_group('entry/instrument/detector'); d['data'] = a + 50; d['flat'] = 0 * a + 90; d['dark'] = 0 * a + 3
        d['theta'] = np.array([0., 90.]); d['theta'].attrs['units'] = 'deg'
        for name, to in dict(data='data', data_white='flat', data_dark='dark', theta='theta').items():
            f['exchange/' + name] = h5py.SoftLink('/entry/instrument/detector/' + to)
    with h5py.File(v + '-lost.h5', 'w', libver=v) as f:
        f['exchange/data'] = a + 50; f['exchange/data_white'] = h5py.SoftLink('/entry/flat')
    with h5py.File(v + '-words.h5', 'w', libver=v) as f: f['exchange/data'] = (a + 50).astype('u2')
    with h5py.File(v + '-line.h5', 'w', libver=v) as f: f['exchange/data'] = a
"
    );
    if !python(dir.path(), &program) {
        return;
    }
    for version in ["earliest", "latest"] {
        let read = |name: &str| io::read_recording(dir.path().join(format!("{version}{name}.h5")));
        let scan = read("").unwrap();
        assert_eq!(io::content(dir.path().join(format!("{version}.h5"))).unwrap(), Content::Scan);
        assert_eq!((scan.reading, scan.data.into_dyn()), (Reading::Counts, counting(&[2, 3, 4]).mapv(|v| v + 50.0)));
        assert!(scan.flat.unwrap().iter().all(|value| *value == 90.0));
        assert!(scan.dark.unwrap().iter().all(|value| *value == 3.0));
        assert_eq!(scan.angles.unwrap(), [0.0, 90_f64.to_radians()]);
        // Flats that are meant and cannot be found are no line integrals; nor are whole numbers without flats.
        assert!(message(read("-lost")).contains("exchange/data_white: a link to /entry/flat, where nothing is"));
        assert_eq!(read("-words").unwrap().reading, Reading::Counts);
        assert_eq!(read("-line").unwrap().reading, Reading::LineIntegrals);
    }
}

#[test]
fn files_of_links_are_survived_when_broken() {
    let dir = tempdir().unwrap();
    let program = format!(
        "{START}
for v in versions:
    with h5py.File(v + '.h5', 'w', libver=v) as f:
        f['entry/data'] = a; f['exchange/data'] = h5py.SoftLink('/entry/data'); f['out'] = h5py.ExternalLink('none.h5', '/x')
        for i in range(20): f[f'many/{{i}}'] = h5py.SoftLink('/entry/data')
"
    );
    if !python(dir.path(), &program) {
        return;
    }
    let path = dir.path().join("broken.h5");
    for version in ["earliest", "latest"] {
        let whole = fs::read(dir.path().join(format!("{version}.h5"))).unwrap();
        let mut state = 12345_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for round in 0..300 {
            let mut bytes = whole.clone();
            for _ in 0..1 + round % 4 {
                // Structures are where the file is not empty.
                let at = random(bytes.len());
                let at = (at..bytes.len()).find(|at| bytes[*at] != 0).unwrap_or(at);
                bytes[at] = random(256) as u8;
            }
            if round % 5 == 0 {
                bytes.truncate(random(whole.len()));
            }
            fs::write(&path, &bytes).unwrap();
            for inner in ["", ":/many/13", ":/out"] {
                let at = format!("{}{inner}", path.display());
                if let Err(refused) = io::read_recording(&at) {
                    assert!(!refused.to_string().contains('\n'), "{refused}");
                }
                let _ = io::content(&at);
            }
        }
    }
}

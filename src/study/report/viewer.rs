//! The pictures of a subject side by side, and the numbers behind their controls.

use serde_json::{Value, json};

use super::tables::with_error;
use crate::{
    error::Result,
    study::{
        Findings,
        metrics::{Better, Metric},
        picture::data_uri,
        run::Study,
        subject::Scene,
    },
};

/// The frame that `report.js` fills.
pub const FRAME: &str = r#"<div class="viewer"><div class="controls">
<label>LEVEL <input class="level" type="range" step="1" aria-label="LEVEL"><output class="level-text"></output></label>
<label>Centre <input class="centre" type="range" aria-label="window centre"><output class="centre-text"></output></label>
<label>Width <input class="width" type="range" aria-label="window width"><output class="width-text"></output></label>
<span class="switch"><button type="button">Image</button><button type="button">Difference to truth</button></span>
<button type="button" class="plain reset">reset</button></div><div class="pictures"></div></div>"#;

/// Pictures and captions of every subject.
pub fn data(study: &Study, findings: &Findings) -> Result<Value> {
    (0..study.protocol.subjects.len()).map(|subject| of_subject(study, findings, subject)).collect()
}

fn of_subject(study: &Study, findings: &Findings, index: usize) -> Result<Value> {
    let protocol = &study.protocol;
    let subject = &protocol.subjects[index];
    let truth = subject.truth()?;
    let mut images = Vec::new();
    let mut captions = Vec::new();
    for &level in &protocol.levels {
        let of_method =
            |method: usize| findings.shown.iter().find(|s| (s.subject, s.method, s.level) == (index, method, level));
        let shown: Vec<_> = (0..protocol.methods.len()).filter_map(of_method).collect();
        images.push(shown.iter().map(|shown| data_uri(shown.picture.view())).collect::<Result<Vec<_>>>()?);
        captions.push(
            (0..protocol.methods.len()).map(|method| caption(findings, index, method, level)).collect::<Vec<_>>(),
        );
    }
    let start = protocol.levels.iter().position(|level| *level == protocol.full_level()).unwrap_or(0);
    let about = match subject.scene {
        Scene::Phantom(_) => "area-sampled",
        Scene::Slice(_) => "the given slice",
    };
    Ok(json!({
        "name": subject.name,
        "size": subject.size,
        "window": subject.window.map(f64::round),
        "start": start,
        "levels": protocol.levels.iter().map(|level| protocol.sweep.short(*level)).collect::<Vec<_>>(),
        "methods": protocol.methods.iter().map(|method| method.label()).collect::<Vec<_>>(),
        "about": about,
        "truth": data_uri(truth.values.index_axis(ndarray::Axis(0), 0))?,
        "images": images,
        "captions": captions,
    }))
}

/// The figures of the whole image, in short.
fn caption(findings: &Findings, subject: usize, method: usize, level: f64) -> String {
    let own = findings.points.iter().filter(|point| {
        (point.subject, point.method, point.level) == (subject, method, level) && point.part.is_empty()
    });
    let words = own.filter_map(|point| {
        let metric = Metric::named(point.metric).filter(|metric| metric.better != Better::Neither)?;
        Some(format!("{} {} {}", metric.title, with_error(point.estimate), metric.unit).trim_end().to_string())
    });
    words.collect::<Vec<_>>().join(" · ")
}

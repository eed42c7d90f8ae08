//! The charts of a report: every figure against dose or views, and spectra at two levels.

use crate::{
    error::Result,
    study::{
        Findings,
        plot::{Chart, Series},
        protocol::Sweep,
        run::Study,
    },
};

/// A chart, drawn.
pub struct Drawn {
    /// For its file.
    pub name: String,
    /// Index of the subject.
    pub subject: usize,
    /// What it shows.
    pub title: String,
    /// A remark beside the title.
    pub remark: String,
    /// The document.
    pub svg: String,
}

/// All charts, in the order of the report.
pub fn charts(study: &Study, findings: &Findings) -> Result<Vec<Drawn>> {
    let mut drawn = curves(study, findings)?;
    drawn.extend(spectra(study, findings)?);
    Ok(drawn)
}

/// `10 mm, +3 HU` as part of a file's name.
fn slug(text: &str) -> String {
    let plain = text.replace('+', "plus").replace('-', "minus");
    let words = plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

fn file_name(parts: &[&str]) -> String {
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("_")
}

fn curves(study: &Study, findings: &Findings) -> Result<Vec<Drawn>> {
    let protocol = &study.protocol;
    let x_title = match protocol.sweep {
        Sweep::Dose => "dose, of the full one".to_string(),
        Sweep::Views => "views".to_string(),
    };
    let ticks: Vec<_> = protocol.levels.iter().map(|&level| (level, protocol.sweep.short(level))).collect();
    let mut drawn = Vec::new();
    for (subject, metric, part) in findings.figures() {
        let line = |(method, named): (usize, &crate::study::Method)| Series {
            label: named.label(),
            colour: method,
            points: findings
                .curve(subject, metric.name, &part, method)
                .iter()
                .map(|(level, found)| [*level, found.value, found.low, found.high])
                .collect(),
        };
        let series = protocol.methods.iter().enumerate().map(line).filter(|line| !line.points.is_empty()).collect();
        let unit = if metric.unit.is_empty() { String::new() } else { format!(", {}", metric.unit) };
        let (x_title, ticks) = (x_title.clone(), ticks.clone());
        let chart = Chart { x_title, y_title: format!("{}{unit}", metric.title), ticks, floor: Some(0.0), series };
        drawn.push(Drawn {
            name: file_name(&[&protocol.subjects[subject].name, metric.name, &slug(&part)]),
            subject,
            title: metric.title.to_string(),
            remark: part.clone(),
            svg: chart.svg()?,
        });
    }
    Ok(drawn)
}

fn spectra(study: &Study, findings: &Findings) -> Result<Vec<Drawn>> {
    let protocol = &study.protocol;
    let full = protocol.full_level();
    // The full level, and the one nearest to a fifth of it.
    let distance = |level: f64| (level / full * 5.0).ln().abs();
    let low = protocol.levels.iter().copied().min_by(|a, b| distance(*a).total_cmp(&distance(*b))).unwrap_or(full);
    let mut seen: Vec<(usize, &str, &str)> = Vec::new();
    for spectrum in &findings.spectra {
        let key = (spectrum.subject, spectrum.kind, spectrum.part.as_str());
        if !seen.contains(&key) {
            seen.push(key);
        }
    }
    let mut drawn = Vec::new();
    for (subject, kind, part) in seen {
        let levels = if low == full { vec![full] } else { vec![full, low] };
        for level in levels {
            let own = findings.spectra.iter().filter(|spectrum| {
                (spectrum.subject, spectrum.kind, spectrum.part.as_str(), spectrum.level)
                    == (subject, kind, part, level)
            });
            let series = own.map(|spectrum| Series {
                label: protocol.methods[spectrum.method].label(),
                colour: spectrum.method,
                points: spectrum
                    .samples
                    .iter()
                    .map(|[f, y, error]| [*f, *y, y - 1.96 * error, y + 1.96 * error])
                    .collect(),
            });
            let (title, y_title) = match kind {
                "nps" => ("Noise power spectrum", "NPS, HU²mm²"),
                _ => ("Task transfer function", "TTF"),
            };
            let chart = Chart {
                x_title: "frequency, 1/mm".into(),
                y_title: y_title.into(),
                ticks: Vec::new(),
                floor: Some(0.0),
                series: series.collect(),
            };
            let at = protocol.sweep.full(level);
            let remark = if part.is_empty() { at } else { format!("{part}, {at}") };
            let name =
                file_name(&[&protocol.subjects[subject].name, kind, &slug(part), &slug(&protocol.sweep.short(level))]);
            drawn.push(Drawn { name, subject, title: title.into(), remark, svg: chart.svg()? });
        }
    }
    Ok(drawn)
}

//! The tables and sentences of a report, as HTML.

use super::escape;
use crate::study::{
    Findings,
    analysis::Verdict,
    equivalence::Reached,
    metrics::{self, Better, Metric},
    plot::COLOURS,
    protocol::rounded,
    run::Study,
    statistics::Estimate,
};

/// A dot in a method's colour.
pub fn chip(method: usize) -> String {
    format!("<span class=\"chip\" style=\"background:{}\"></span>", COLOURS[method % COLOURS.len()])
}

/// To as many digits as its interval bears: two of the half-width.
pub fn with_error(found: Estimate) -> String {
    let half = (found.high - found.low) / 2.0;
    if !(half > 0.0 && half.is_finite()) {
        return rounded(found.value);
    }
    format!("{:.1$}", found.value, digits(found.value, half))
}

/// The interval to the same digits: `12.1 to 12.9`.
pub fn ends(found: Estimate) -> String {
    let half = (found.high - found.low) / 2.0;
    format!("{:.2$} to {:.2$}", found.low, found.high, digits(found.value, half))
}

/// Digits behind the point: two of the half-width, but no more than four of the value.
fn digits(value: f64, half: f64) -> usize {
    let behind = |number: f64, significant: i32| significant - 1 - number.abs().max(1e-6).log10().floor() as i32;
    let wanted = if half > 0.0 { behind(half, 2) } else { 3 };
    wanted.min(behind(value.abs().max(half), 4)).clamp(0, 6) as usize
}

/// A figure's name and the disc it is of.
fn figure_name(metric: &Metric, part: &str) -> String {
    match part {
        "" => escape(metric.title),
        part => format!("{}<small>{}</small>", escape(metric.title), escape(part)),
    }
}

/// Who needs how much of the reference's dose: a row a figure, a column a method.
pub fn summary(study: &Study, findings: &Findings) -> String {
    let protocol = &study.protocol;
    if protocol.methods.len() < 2 {
        return String::new();
    }
    let full = protocol.full_level();
    let head: String = protocol
        .methods
        .iter()
        .enumerate()
        .skip(1)
        .map(|(index, method)| format!("<th>{}{}</th>", chip(index), escape(&method.label())))
        .collect();
    let mut rows = String::new();
    let mut above = None;
    let judged = findings.figures().into_iter().filter(|(_, metric, _)| metric.better != Better::Neither);
    for (subject, metric, part) in judged {
        if above.replace(subject) != Some(subject) {
            let title = escape(&protocol.subjects[subject].title);
            rows += &format!("<tr><th class=\"group\" colspan=\"{}\">{title}</th></tr>", protocol.methods.len());
        }
        let own = |method: usize| {
            findings
                .verdicts
                .iter()
                .find(|v| (v.subject, v.metric, &v.part, v.method) == (subject, metric.name, &part, method))
        };
        let cells: String = (1..protocol.methods.len())
            .map(|method| own(method).map_or("<td>–</td>".into(), |verdict| share(study, verdict, full)))
            .collect();
        rows += &format!("<tr><td>{}</td>{cells}</tr>", figure_name(metric, &part));
    }
    format!("<div class=\"scroll\"><table class=\"summary\"><tr><th></th>{head}</tr>{rows}</table></div>")
}

/// One cell of the summary.
fn share(study: &Study, verdict: &Verdict, full: f64) -> String {
    let sweep = study.protocol.sweep;
    let percent = |level: f64| match sweep {
        crate::study::Sweep::Dose => format!("{} %", rounded(100.0 * level / full)),
        crate::study::Sweep::Views => sweep.describe(level),
    };
    let spread = match verdict.answer.interval {
        // Wholly beyond what was measured: the figure itself says so.
        [_, 0.0] | [f64::INFINITY, _] => String::new(),
        [low, high] => {
            let low = if low > 0.0 { percent(low) } else { "less".into() };
            let high = if high.is_finite() { percent(high) } else { "more".into() };
            format!("<small>{low} to {high}</small>")
        }
    };
    let (class, text) = match verdict.answer.reached {
        Reached::At(level) => (if level < full { "better" } else { "worse" }, percent(level)),
        Reached::Everywhere(level) => ("better", format!("≤ {}", percent(level))),
        Reached::Nowhere(level) => ("worse", format!("&gt; {}", percent(level))),
    };
    let title = escape(&verdict.sentence);
    format!("<td title=\"{title}\"><span class=\"{class}\">{text}</span>{spread}</td>")
}

/// Every figure of a subject: a row a level, a column a method.
pub fn figures(study: &Study, findings: &Findings, subject: usize) -> String {
    let protocol = &study.protocol;
    let head: String = protocol
        .methods
        .iter()
        .enumerate()
        .map(|(i, method)| format!("<th>{}{}</th>", chip(i), escape(&method.label())))
        .collect();
    let mut tables = String::new();
    for (_, metric, part) in findings.figures().into_iter().filter(|(own, ..)| *own == subject) {
        let curves: Vec<_> =
            (0..protocol.methods.len()).map(|m| findings.curve(subject, metric.name, &part, m)).collect();
        let mut rows = String::new();
        for &level in &protocol.levels {
            let cell = |curve: &Vec<(f64, Estimate)>| match curve.iter().find(|(at, _)| *at == level) {
                Some((_, found)) => {
                    format!("<td>{}<span class=\"interval\">{}</span></td>", with_error(*found), ends(*found))
                }
                None => "<td>–</td>".into(),
            };
            let cells: String = curves.iter().map(cell).collect();
            rows += &format!("<tr><td>{}</td>{cells}</tr>", protocol.sweep.short(level));
        }
        let unit = if metric.unit.is_empty() { String::new() } else { format!(", {}", metric.unit) };
        let part = if part.is_empty() { String::new() } else { format!(" · {}", escape(&part)) };
        tables +=
            &format!("<h3>{}{unit}{part}</h3><table><tr><th></th>{head}</tr>{rows}</table>", escape(metric.title));
    }
    tables
}

/// The sentences, by subject.
pub fn sentences(study: &Study, findings: &Findings) -> String {
    let mut html = String::new();
    for (index, subject) in study.protocol.subjects.iter().enumerate() {
        let own = findings.verdicts.iter().filter(|verdict| verdict.subject == index);
        let items: String =
            own.map(|verdict| format!("<li>{}{}</li>", chip(verdict.method), escape(&verdict.sentence))).collect();
        if !items.is_empty() {
            html += &format!("<h3>{}</h3><ul class=\"verdicts\">{items}</ul>", escape(&subject.title));
        }
    }
    html
}

/// What each figure is, and where it is defined.
pub fn definitions(findings: &Findings) -> String {
    let used = |metric: &&Metric| findings.points.iter().any(|point| point.metric == metric.name);
    let row = |metric: &Metric| {
        format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(metric.title),
            escape(metric.source),
            escape(metric.interval)
        )
    };
    let rows: String = metrics::ALL.iter().filter(used).map(row).collect();
    format!(
        "<div class=\"scroll\"><table class=\"text\"><tr><th>Figure</th><th>Definition</th><th>Interval (95 %)</th></tr>{rows}</table></div>"
    )
}

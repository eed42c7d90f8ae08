//! The page itself: what was found first, then subject by subject, then how it was done.

use super::{charts::Drawn, escape, tables, viewer};
use crate::{
    error::Result,
    study::{
        Findings, Subject,
        protocol::{Sweep, photons_in_words, rounded},
        run::Study,
        subject::Task,
    },
};

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// The report as one HTML document.
pub fn page(study: &Study, findings: &Findings, charts: &[Drawn]) -> Result<String> {
    let protocol = &study.protocol;
    let title = match protocol.sweep {
        Sweep::Dose => "Dose and image quality",
        Sweep::Views => "Views and image quality",
    };
    let sections: String = protocol
        .subjects
        .iter()
        .enumerate()
        .map(|(index, subject)| section(study, findings, charts, index, subject))
        .collect();
    // `</` would end the script early.
    let pictures = viewer::data(study, findings)?.to_string().replace("</", "<\\/");
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} · Rushlight</title>\n<style>\n{STYLE}</style></head>\n<body>\n{}\n{sections}\n{}\n{}\n\
         <footer>Rushlight {} · {}</footer>\n\
         <script type=\"application/json\" id=\"pictures\">{pictures}</script>\n<script>\n{SCRIPT}</script>\n</body></html>\n",
        opening(study, findings, title),
        closing(study, findings),
        method_section(study, findings),
        escape(protocol.version),
        escape(&protocol.device),
    ))
}

fn opening(study: &Study, findings: &Findings, title: &str) -> String {
    let protocol = &study.protocol;
    let [first, last] =
        [protocol.levels[0], protocol.levels[protocol.levels.len() - 1]].map(|l| protocol.sweep.short(l));
    let names: Vec<_> = protocol.methods.iter().map(|method| escape(&method.label())).collect();
    let photons = photons_in_words(protocol.photons);
    let varied = match protocol.sweep {
        Sweep::Dose => format!("from {first} down to {last} of {photons} photons per ray"),
        Sweep::Views => format!("from {first} down to {last} views of {photons} photons per ray"),
    };
    let quick = if protocol.quick {
        "<p class=\"warn\">A quick run: smaller images, fewer views and fewer realisations than a full one (see the protocol). \
         Its intervals are wide, and its figures are those of a coarser scanner.</p>"
    } else {
        ""
    };
    let links: String = protocol
        .subjects
        .iter()
        .map(|subject| format!("<a href=\"#{0}\">{1}</a>", escape(&subject.name), escape(&subject.title)))
        .collect();
    format!(
        "<header><div class=\"brand\">Rushlight bench</div><h1>{title}</h1>\n\
         <p class=\"lede\">{}, {varied}, on {}.</p>{quick}\n\
         <nav>{links}<a href=\"#sentences\">In sentences</a><a href=\"#protocol\">Protocol</a></nav></header>\n{}",
        names.join(", "),
        count(protocol.subjects.len(), "subject"),
        worth(study, findings),
    )
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// The summary table with its heading.
fn worth(study: &Study, findings: &Findings) -> String {
    let protocol = &study.protocol;
    let table = tables::summary(study, findings);
    if table.is_empty() {
        return String::new();
    }
    let what = match protocol.sweep {
        Sweep::Dose => "dose",
        Sweep::Views => "views",
    };
    format!(
        "<h2>How much is needed</h2>\n<p>The {what} with which each method has the figure that {} has at {}, and the interval \
         of 95 % confidence. More than that, or “not reached”, is said as it is.</p>{table}",
        escape(&protocol.methods[0].label()),
        protocol.sweep.full(protocol.full_level()),
    )
}

fn section(study: &Study, findings: &Findings, charts: &[Drawn], index: usize, subject: &Subject) -> String {
    let level = match study.protocol.sweep {
        Sweep::Dose => "Dose",
        Sweep::Views => "Views",
    };
    let figures: String = charts
        .iter()
        .filter(|chart| chart.subject == index)
        .map(|chart| {
            let remark = if chart.remark.is_empty() {
                String::new()
            } else {
                format!(" <small>{}</small>", escape(&chart.remark))
            };
            // Within HTML an SVG needs no namespace.
            let svg = chart.svg.replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1);
            format!("<figure><figcaption>{}{remark}</figcaption>{svg}</figure>\n", escape(&chart.title))
        })
        .collect();
    format!(
        "<h2 id=\"{}\">{}</h2>\n<p class=\"note\">{}</p>\n{}\n<noscript><p class=\"warn\">The pictures need JavaScript.</p></noscript>\n\
         <p class=\"note\">The first realisation of each. Move over a picture to read CT numbers, click to enlarge a part.</p>\n\
         <div class=\"charts\">{figures}</div>\n<details><summary>The figures</summary>{}</details>\n",
        escape(&subject.name),
        escape(&subject.title),
        escape(&subject.source),
        viewer::FRAME.replace("LEVEL", level),
        tables::figures(study, findings, index),
    )
}

fn closing(study: &Study, findings: &Findings) -> String {
    let sentences = tables::sentences(study, findings);
    let remarks: String = findings.remarks.iter().map(|remark| format!("<li>{}</li>", escape(remark))).collect();
    let remarks = match remarks.is_empty() {
        true => String::new(),
        false => format!("<h3>What could not be measured</h3><ul class=\"note\">{remarks}</ul>"),
    };
    let sentences =
        if sentences.is_empty() { "<p>One method alone has nothing to be held against.</p>".into() } else { sentences };
    format!("<h2 id=\"sentences\">In sentences</h2>\n{sentences}{remarks}")
}

fn method_section(study: &Study, findings: &Findings) -> String {
    let protocol = &study.protocol;
    let row = |name: &str, value: String| format!("<tr><td>{name}</td><td>{value}</td></tr>");
    let levels: Vec<_> = protocol.levels.iter().map(|level| protocol.sweep.short(*level)).collect();
    let names: Vec<_> = protocol.methods.iter().map(|method| method.name().to_string()).collect();
    let electronics = match protocol.electronic_noise {
        0.0 => "none".to_string(),
        sigma => format!("σ = {sigma} photons"),
    };
    let mut rows = row("Varied", format!("{}: {}", protocol.sweep.name(), levels.join(", ")));
    rows += &row(
        "Photons",
        format!(
            "{} per ray and view in the open beam at full dose, times the factor of the subject",
            photons_in_words(protocol.photons)
        ),
    );
    rows += &row("Electronic noise", electronics);
    rows += &row(
        "Noise",
        format!(
            "Poisson, seed {}; each subject, level and realisation has its own, all methods the same",
            protocol.seed
        ),
    );
    rows += &row("Observer", format!("channelised Hotelling, channels {}", escape(&protocol.channels)));
    rows += &row("Methods", escape(&format!("{}; each with its usual options", names.join(", "))));
    for subject in &protocol.subjects {
        rows += &row(&escape(&subject.name), about(study, subject));
    }
    rows += &row("Rushlight", format!("{} on {}", escape(protocol.version), escape(&protocol.device)));
    format!(
        "<h2 id=\"protocol\">Protocol</h2>\n<div class=\"scroll\"><table class=\"text\">{rows}</table></div>\n{}\n\
         <h3>What the figures are</h3>{}\n<p class=\"note\">Doses of equal quality are read off straight lines between the \
         measured levels, in the logarithm of the dose, from the largest down; their intervals are those of 2000 repeats in \
         which every figure is moved by its standard error as if independent.</p>",
        choices(study, findings),
        tables::definitions(findings),
    )
}

/// Grid, scanner and realisations of one subject.
fn about(study: &Study, subject: &Subject) -> String {
    let views = match study.protocol.sweep {
        Sweep::Dose => format!("{} views", subject.views),
        Sweep::Views => "the views named above".into(),
    };
    let task = match subject.task {
        Task::Fidelity => "compared with the truth",
        Task::Edges => "compared with the truth; CT numbers and edges of its discs",
        Task::Detection => "scanned with and without its discs, as often each",
    };
    format!(
        "{0} × {0} pixels of {1:.4} mm; {2}; photons × {7}; {3} realisations, {task}; data range {4} HU{5}; water {6:.6}/mm",
        subject.size,
        subject.pixel(),
        subject.gantry.describe(&views),
        subject.realisations,
        rounded(subject.data_range),
        subject.clip.map(|[low, high]| format!(", clipped to {low} to {high} HU")).unwrap_or_default(),
        subject.mu_water,
        rounded(subject.photon_factor),
    )
}

/// What the recipes decided by themselves, and how long they took.
fn choices(study: &Study, findings: &Findings) -> String {
    let protocol = &study.protocol;
    let full = protocol.full_level();
    let row = |shown: &crate::study::analysis::Shown| {
        format!(
            "<tr><td>{}{}</td><td>{}</td><td>{:.3} s</td><td>{}</td></tr>",
            tables::chip(shown.method),
            escape(&protocol.methods[shown.method].label()),
            escape(&protocol.subjects[shown.subject].name),
            shown.seconds,
            escape(&shown.notes.join("; ")),
        )
    };
    let rows: String = findings.shown.iter().filter(|shown| shown.level == full).map(row).collect();
    format!(
        "<h3>What the methods chose, at {}</h3><div class=\"scroll\"><table class=\"text\"><tr><th>Method</th><th>Subject</th>\
         <th>Time an image</th><th>Notes</th></tr>{rows}</table></div>\
         <p class=\"note\">Times are means of wall time, with other reconstructions running beside: for an order of magnitude, \
         not for a comparison of speed.</p>",
        protocol.sweep.full(full)
    )
}

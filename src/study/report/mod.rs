//! What a study writes: figures as CSV and JSON, charts as SVG, and one page that needs no network.

mod charts;
mod page;
mod tables;
mod viewer;

use std::{fs, path::PathBuf};

use super::{Findings, PLOTS, run::Study};
use crate::{
    error::{Error, Result},
    io,
};

/// Text as HTML shows it.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Study {
    /// Writes `results.csv`, `results.json`, `plots/*.svg` and `report.html` into the study's folder, over those of an
    /// earlier run; their names.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn publish(&self, findings: &Findings) -> Result<Vec<PathBuf>> {
        let folder = self.folder();
        let plots = folder.join(PLOTS);
        fs::create_dir_all(&plots).map_err(|error| Error::file(&plots, error))?;
        let charts = charts::charts(self, findings)?;
        for chart in &charts {
            io::write_text(plots.join(format!("{}.svg", chart.name)), &chart.svg, true)?;
        }
        let json = serde_json::to_string_pretty(&findings.json(self)).map_err(|error| Error::file(folder, error))?;
        let files = [
            ("results.csv", findings.csv(self)),
            ("results.json", format!("{json}\n")),
            ("report.html", page::page(self, findings, &charts)?),
        ];
        files.into_iter().try_for_each(|(name, text)| io::write_text(folder.join(name), &text, true))?;
        Ok(super::OUTPUTS.iter().map(|name| folder.join(name)).chain([plots]).collect())
    }
}

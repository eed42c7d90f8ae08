//! Charts as SVG: curves with their intervals, in the report's colours.

use plotters::{
    coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged},
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::protocol::rounded;
use crate::error::{Error, Result};

/// Colours that people with any colour vision tell apart, the first for the reference (Okabe & Ito 2008, darkened).
pub const COLOURS: [&str; 10] =
    ["#3d3d3a", "#0067a5", "#c8500a", "#00856a", "#a8457f", "#b98300", "#4a9ccc", "#7a5195", "#6b7a1e", "#9b3a3a"];

/// The library draws in whole units: ten of them are one pixel of the page, so that curves stay smooth.
const PIXEL: i32 = 10;
const SIZE: (u32, u32) = (560 * PIXEL as u32, 340 * PIXEL as u32);
const LEGEND: i32 = 22 * PIXEL;
const FONT: (&str, i32) = ("sans-serif", 12 * PIXEL);
const LINE: u32 = 2 * PIXEL as u32;
const INK: RGBColor = RGBColor(74, 72, 68);
const GRID: RGBColor = RGBColor(232, 229, 222);

/// One line of a chart.
pub struct Series {
    /// Its name.
    pub label: String,
    /// Index of its colour.
    pub colour: usize,
    /// x, y, and the ends of y's interval.
    pub points: Vec<[f64; 4]>,
}

/// A linear axis with labels where they are wanted.
struct Ticked {
    ends: [f64; 2],
    ticks: Vec<f64>,
}

impl Ranged for Ticked {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (first, last): (i32, i32)) -> i32 {
        let [low, high] = self.ends;
        first + (f64::from(last - first) * (value - low) / (high - low)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.ends[0]..self.ends[1]
    }
}

/// A chart.
pub struct Chart {
    /// Under the x axis.
    pub x_title: String,
    /// Beside the y axis.
    pub y_title: String,
    /// Values with a label on the x axis, which is then logarithmic; a linear one finds its own.
    pub ticks: Vec<(f64, String)>,
    /// A value that the y axis begins with, if all are above it.
    pub floor: Option<f64>,
    /// The lines.
    pub series: Vec<Series>,
}

impl Chart {
    /// The chart as an SVG document.
    pub fn svg(&self) -> Result<String> {
        let mut text = String::new();
        self.draw(&mut text).map_err(|error| Error::Option(format!("a plot of the report: {error}")))?;
        // Colours and fonts are attributes, so that a page's style sheet can have its own; the size follows the page.
        Ok(text.replacen(&format!("width=\"{}\" height=\"{}\"", SIZE.0, SIZE.1), "class=\"chart\"", 1))
    }

    fn along(&self, x: f64) -> f64 {
        if self.ticks.is_empty() { x } else { x.ln() }
    }

    /// Ends of the axes.
    fn ranges(&self) -> [[f64; 2]; 2] {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let bounds = |values: &mut dyn Iterator<Item = f64>| {
            values.filter(|v| v.is_finite()).fold([f64::MAX, f64::MIN], |[low, high], v| [low.min(v), high.max(v)])
        };
        let [left, right] = bounds(&mut points().map(|point| self.along(point[0])));
        let [low, high] = bounds(&mut points().flat_map(|point| [point[1], point[2], point[3]]));
        let [wide, tall] = [((right - left) * 0.04).max(1e-9), ((high - low) * 0.06).max(1e-9)];
        let bottom = match self.floor {
            Some(floor) if low >= floor && low - floor < high - low => floor,
            _ => low - tall,
        };
        let side = if self.ticks.is_empty() { 0.0 } else { wide };
        [[left - side, right + side], [bottom, high + tall]]
    }

    fn draw(&self, text: &mut String) -> std::result::Result<(), DrawingAreaErrorKind<std::io::Error>> {
        let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
        let [[left, right], [bottom, top]] = self.ranges();
        let ticks: Vec<f64> = match self.ticks.is_empty() {
            true => even(left, right),
            false => self.ticks.iter().map(|(at, _)| self.along(*at)).collect(),
        };
        let mut chart = ChartBuilder::on(&root)
            .margin_top(LEGEND + 8 * PIXEL)
            .margin_right(14 * PIXEL)
            .x_label_area_size(44 * PIXEL)
            .y_label_area_size(58 * PIXEL)
            .build_cartesian_2d(Ticked { ends: [left, right], ticks }, bottom..top)?;
        let label = |at: &f64| match self.ticks.iter().find(|(tick, _)| (self.along(*tick) - at).abs() < 1e-9) {
            Some((_, label)) => label.clone(),
            None => rounded(*at),
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .y_labels(6)
            .bold_line_style(GRID.stroke_width(LINE / 2))
            .light_line_style(TRANSPARENT)
            .axis_style(INK.mix(0.5).stroke_width(LINE / 2))
            .set_all_tick_mark_size(4 * PIXEL)
            .label_style((FONT.0, FONT.1, &INK))
            .axis_desc_style((FONT.0, FONT.1, &INK))
            .x_desc(self.x_title.clone())
            .y_desc(self.y_title.clone())
            .x_label_formatter(&label)
            .y_label_formatter(&|at| rounded((at * 1e9).round() / 1e9))
            .draw()?;
        for series in &self.series {
            let colour = colour(series.colour);
            let at = |point: &[f64; 4], y: usize| (self.along(point[0]), point[y]);
            let band: Vec<_> = series.points.iter().map(|point| at(point, 3)).collect();
            let below = series.points.iter().rev().map(|point| at(point, 2));
            if series.points.iter().any(|point| point[3] > point[2]) {
                chart
                    .draw_series([Polygon::new(band.into_iter().chain(below).collect::<Vec<_>>(), colour.mix(0.13))])?;
            }
            chart.draw_series(LineSeries::new(
                series.points.iter().map(|point| at(point, 1)),
                colour.stroke_width(LINE),
            ))?;
            if !self.ticks.is_empty() {
                let dots = series.points.iter().map(|point| Circle::new(at(point, 1), 3 * PIXEL, colour.filled()));
                chart.draw_series(dots)?;
            }
        }
        self.legend(&root)?;
        root.present()
    }

    /// The lines' names in a row above the chart.
    fn legend(
        &self,
        root: &DrawingArea<SVGBackend, plotters::coord::Shift>,
    ) -> std::result::Result<(), DrawingAreaErrorKind<std::io::Error>> {
        let mut x = 60 * PIXEL;
        for series in &self.series {
            let colour = colour(series.colour);
            root.draw(&PathElement::new([(x, LEGEND / 2), (x + 16 * PIXEL, LEGEND / 2)], colour.stroke_width(LINE)))?;
            let style = (FONT.0, FONT.1, &INK).into_text_style(root).pos(Pos::new(HPos::Left, VPos::Center));
            root.draw(&Text::new(series.label.clone(), (x + 21 * PIXEL, LEGEND / 2), style))?;
            x += 36 * PIXEL + 7 * PIXEL * series.label.chars().count() as i32;
        }
        Ok(())
    }
}

/// `#rrggbb` of [`COLOURS`].
fn colour(index: usize) -> RGBColor {
    let text = COLOURS[index % COLOURS.len()];
    let part = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap_or(0);
    RGBColor(part(1), part(3), part(5))
}

/// Round values between the ends of an axis: 1, 2 or 5 times a power of ten apart, four to eight of them.
fn even(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 6.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| *step >= rough).unwrap_or(rough);
    let first = (low / step - 1e-9).ceil() as i64;
    (first..).map(|i| i as f64 * step).take_while(|at| *at <= high + 1e-9 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_names_its_lines_and_axes() {
        let points = vec![[0.1, 3.0, 2.0, 4.0], [1.0, 1.0, 0.5, 1.5]];
        let series = vec![Series { label: "TV".into(), colour: 1, points }];
        let ticks = vec![(0.1, "10 %".to_string()), (1.0, "100 %".into())];
        let chart = Chart { x_title: "dose".into(), y_title: "RMSE, HU".into(), ticks, floor: Some(0.0), series };
        let svg = chart.svg().unwrap();
        for words in ["<svg", "TV", "10 %", "100 %", "dose", "RMSE, HU", "<polygon", "<polyline", "#0067A5"] {
            assert!(svg.contains(words), "{words}: {svg}");
        }
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(even(0.0, 0.5), [0.0, 0.1, 0.2, 0.30000000000000004, 0.4, 0.5]);
        assert_eq!(even(-3.0, 27.0), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0]);
    }
}

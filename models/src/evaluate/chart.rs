//! The drawing that [`super::plots`] share: canvas, axes, legend, line styles and markers.
//!
//! Units are those of the view box, finer than a CSS pixel on any screen, because the backend only
//! knows whole units. It can't measure text either, so whatever needs a width reserves a generous
//! one.

use std::fmt;

use plotters::chart::ChartContext;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use thiserror::Error;

/// A chart drawn by [`super::plots`]: the only markup that passes into a report as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Svg(String);

impl Svg {
    /// The `<svg>` element.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Puts our own opening tag, which scales and has a name, in place of the backend's.
    fn from_backend(
        drawn: &str,
        (width, height): (u32, u32),
        title: &str,
    ) -> Result<Self, PlotError> {
        let (_, body) = drawn.split_once('>').ok_or_else(|| PlotError::Draw {
            reason: "the backend wrote no element".to_owned(),
        })?;
        let title = escape(title);
        Ok(Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"100%\" role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>{body}"
        )))
    }
}

impl fmt::Display for Svg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a chart can't be drawn.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlotError {
    /// There is no series, or one without points.
    #[error("there is nothing to draw: {}", .series.as_deref().map_or_else(
        || "no series".to_owned(),
        |name| format!("the series {name:?} has no points"),
    ))]
    Empty {
        /// The series without points, if there is a series at all.
        series: Option<String>,
    },
    /// The drawing library refused.
    #[error("the chart couldn't be drawn: {reason}")]
    Draw {
        /// What it said.
        reason: String,
    },
}

impl PlotError {
    fn draw<E: std::error::Error + Send + Sync>(error: DrawingAreaErrorKind<E>) -> Self {
        Self::Draw {
            reason: error.to_string(),
        }
    }
}

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Chart<'a> =
    ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Pixel = (i32, i32);

const WIDTH: u32 = 840;
const PLOT_HEIGHT: u32 = 680;
/// Characters that fit beside a key where two names share a line.
const SHORT_NAME: usize = 17;
const LEGEND_LINE: u32 = 48;
const LEGEND_TOP: u32 = 12;
const FONT: &str = "system-ui, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif";
/// The backend writes a font size of `TEXT / 1.24`: 31 units, which are 13 CSS pixels on a phone.
const TEXT: f64 = 38.44;
const INK: RGBColor = RGBColor(0x24, 0x29, 0x2f);
const AXIS: RGBColor = RGBColor(0x8a, 0x93, 0x9e);
const GRID: RGBColor = RGBColor(0xe3, 0xe6, 0xea);
/// For what guides the eye and isn't data: the diagonals.
pub(super) const GUIDE: RGBColor = RGBColor(0x6b, 0x73, 0x7c);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
}

/// How a series is told apart, with colour and without.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) colour: RGBColor,
    pub(super) width: u32,
    /// Dash and gap; `None` is a solid line.
    pub(super) dash: Option<(u32, u32)>,
    pub(super) marker: Marker,
}

/// Colours of M. Okabe and K. Ito, "Color universal design" (2008), the light ones left out. The
/// first line is the widest, so that what lies exactly on it still shows.
const LOOKS: [Look; 4] = [
    look((0x00, 0x72, 0xb2), 7, None, Marker::Circle),
    look((0xd5, 0x5e, 0x00), 5, Some((22, 14)), Marker::Square),
    look((0x00, 0x7d, 0x5c), 5, Some((5, 11)), Marker::Triangle),
    look((0x8a, 0x3b, 0x7d), 4, Some((44, 10)), Marker::Diamond),
];

const fn look(rgb: (u8, u8, u8), width: u32, dash: Option<(u32, u32)>, marker: Marker) -> Look {
    Look {
        colour: RGBColor(rgb.0, rgb.1, rgb.2),
        width,
        dash,
        marker,
    }
}

/// The look of the series at an index; after four they repeat.
pub(super) fn look_of(index: usize) -> Look {
    LOOKS[index % LOOKS.len()]
}

/// What the legend shows before a name.
#[derive(Clone, Copy)]
pub(super) enum Key {
    /// A piece of line, with its marker if so wanted.
    Line(Look, bool),
    /// A filled box with the line on its upper edge.
    Box(Look),
}

/// One axis: its title, range, and how a tick reads.
pub(super) struct Axis<'a> {
    pub(super) title: &'a str,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) ticks: usize,
    pub(super) label: &'a dyn Fn(&f64) -> String,
}

/// Draws a chart: legend on top, axes, then what `draw` adds in pixels of the whole canvas.
pub(super) fn draw_chart(
    title: &str,
    legend: &[(Key, String)],
    x: &Axis<'_>,
    y: &Axis<'_>,
    draw: impl Fn(&Area<'_>, &dyn Fn(f64, f64) -> Pixel) -> Result<(), PlotError>,
) -> Result<Svg, PlotError> {
    let columns = if legend
        .iter()
        .all(|(_, name)| name.chars().count() <= SHORT_NAME)
    {
        2
    } else {
        1
    };
    let lines = legend.len().div_ceil(columns) as u32;
    let top = LEGEND_TOP + lines * LEGEND_LINE;
    let size = (WIDTH, PLOT_HEIGHT + top);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE).map_err(PlotError::draw)?;
        for (i, (key, name)) in legend.iter().enumerate() {
            let left = 40 + (i % columns) as i32 * (WIDTH as i32 - 60) / columns as i32;
            let middle = LEGEND_TOP as i32 + (i / columns) as i32 * LEGEND_LINE as i32 + 28;
            draw_key(&root, *key, (left, middle))?;
            let text = shorten(name, if columns == 2 { SHORT_NAME } else { 40 });
            let style = text_style().pos(Pos::new(HPos::Left, VPos::Center));
            let text = Text::new(text, (left + 98, middle), style);
            root.draw(&text).map_err(PlotError::draw)?;
        }
        let chart = draw_axes(&root, top, x, y)?;
        draw(&root, &|x, y| chart.backend_coord(&(x, y)))?;
        root.present().map_err(PlotError::draw)?;
    }
    Svg::from_backend(&svg, size, title)
}

fn draw_axes<'a>(
    root: &Area<'a>,
    top: u32,
    x: &Axis<'_>,
    y: &Axis<'_>,
) -> Result<Chart<'a>, PlotError> {
    let mut chart = ChartBuilder::on(root)
        .margin_top(top + 24)
        .margin_right(60)
        .margin_bottom(8)
        .margin_left(14)
        .x_label_area_size(100)
        .y_label_area_size(136)
        .build_cartesian_2d(x.from..x.to, y.from..y.to)
        .map_err(PlotError::draw)?;
    chart
        .configure_mesh()
        .x_labels(x.ticks)
        .y_labels(y.ticks)
        .max_light_lines(0)
        .bold_line_style(GRID.stroke_width(2))
        .axis_style(AXIS.stroke_width(2))
        .label_style(text_style())
        .axis_desc_style(text_style())
        .x_desc(x.title)
        .y_desc(y.title)
        .x_label_formatter(x.label)
        .y_label_formatter(y.label)
        .draw()
        .map_err(PlotError::draw)?;
    Ok(chart)
}

fn text_style() -> TextStyle<'static> {
    (FONT, TEXT).into_font().color(&INK)
}

/// The name, cut to so many characters.
fn shorten(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    let kept: String = name.chars().take(most - 1).collect();
    format!("{}…", kept.trim_end())
}

fn draw_key(root: &Area<'_>, key: Key, (left, middle): Pixel) -> Result<(), PlotError> {
    match key {
        Key::Line(look, marked) => {
            line(root, &[(left, middle), (left + 80, middle)], &look)?;
            if marked {
                marker(root, (left + 40, middle), &look)?;
            }
            Ok(())
        }
        Key::Box(look) => {
            let (right, top, bottom) = (left + 80, middle - 14, middle + 16);
            fill(
                root,
                &[(left, bottom), (left, top), (right, top), (right, bottom)],
                &look,
                0.28,
            )?;
            line(root, &[(left, top), (right, top)], &look)
        }
    }
}

/// A line through pixels, in the dash of its look.
pub(super) fn line(root: &Area<'_>, path: &[Pixel], look: &Look) -> Result<(), PlotError> {
    let style = look.colour.stroke_width(look.width);
    match look.dash {
        None => root.draw(&PathElement::new(path, style)),
        Some((dash, gap)) => {
            let points = path.iter().copied();
            root.draw(&DashedPathElement::new(points, dash, gap, style))
        }
    }
    .map_err(PlotError::draw)
}

/// A translucent area.
pub(super) fn fill(
    root: &Area<'_>,
    outline: &[Pixel],
    look: &Look,
    opacity: f64,
) -> Result<(), PlotError> {
    root.draw(&Polygon::new(outline, look.colour.mix(opacity)))
        .map_err(PlotError::draw)
}

/// The marker of a look, on a white rim that lifts it off the lines beneath.
pub(super) fn marker(root: &Area<'_>, (x, y): Pixel, look: &Look) -> Result<(), PlotError> {
    for (radius, colour) in [(14, WHITE), (10, look.colour)] {
        let style = colour.filled();
        match look.marker {
            Marker::Circle => root.draw(&Circle::new((x, y), radius, style)),
            Marker::Square => {
                let corners = [(x - radius, y - radius), (x + radius, y + radius)];
                root.draw(&Rectangle::new(corners, style))
            }
            Marker::Triangle => {
                let (up, side) = (radius * 5 / 4, radius * 6 / 5);
                let corners = [(x, y - up), (x + side, y + radius), (x - side, y + radius)];
                root.draw(&Polygon::new(corners, style))
            }
            Marker::Diamond => {
                let r = radius * 5 / 4;
                let corners = [(x, y - r), (x + r, y), (x, y + r), (x - r, y)];
                root.draw(&Polygon::new(corners, style))
            }
        }
        .map_err(PlotError::draw)?;
    }
    Ok(())
}

/// A vertical bar with feet.
pub(super) fn whisker(
    root: &Area<'_>,
    low: Pixel,
    high: Pixel,
    look: &Look,
) -> Result<(), PlotError> {
    let style = look.colour.stroke_width(4);
    let foot = |(x, y): Pixel| vec![(x - 8, y), (x + 8, y)];
    for path in [vec![low, high], foot(low), foot(high)] {
        root.draw(&PathElement::new(path, style))
            .map_err(PlotError::draw)?;
    }
    Ok(())
}

/// A thin dashed guide.
pub(super) fn guide(root: &Area<'_>, from: Pixel, to: Pixel) -> Result<(), PlotError> {
    let look = look_of_guide();
    line(root, &[from, to], &look)
}

/// The look of a guide, for the legend.
pub(super) fn look_of_guide() -> Look {
    look(
        (GUIDE.0, GUIDE.1, GUIDE.2),
        3,
        Some((10, 10)),
        Marker::Circle,
    )
}

/// A share as a tick: `40 %`; with a decimal where ticks are that close.
pub(super) fn percent(share: &f64) -> String {
    let tenths = (share * 1000.0).round();
    if (tenths % 10.0).abs() < 0.5 {
        format!("{:.0} %", tenths / 10.0)
    } else {
        format!("{:.1} %", tenths / 10.0)
    }
}

/// The smallest of 1, 2, 3, 4, 5, 6, 8, 10 percent and their tenfolds that is no less; at most 1.
pub(super) fn round_up(share: f64) -> f64 {
    let steps = [1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100];
    let reached = steps
        .into_iter()
        .find(|&step| f64::from(step) / 100.0 >= share);
    f64::from(reached.unwrap_or(100)) / 100.0
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}

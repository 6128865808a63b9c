//! The curves of [`super::curves`] as inline SVG.
//!
//! Each chart scales with its container (a view box, no fixed size), reads on a phone and on paper,
//! and tells its series apart by line style and marker as well as by colour. What it shows is named
//! in a `<title>`. At most four series look different; after that the looks repeat.

pub use super::chart::{PlotError, Svg};

use super::chart::{
    Axis, Key, Look, draw_chart, fill, guide, line, look_of, look_of_guide, marker, percent,
    round_up, whisker,
};
use super::curves::{CalibrationBin, CutOff, RocPoint, ScoreHistogram};

/// A named line of a chart: `Series { name: "int8", points: &curve }`.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a, T> {
    /// What the legend calls it; 17 characters or fewer let two stand in a line.
    pub name: &'a str,
    /// Its points, in order.
    pub points: &'a [T],
}

/// ROC curves, with the diagonal of a model that knows nothing.
///
/// # Errors
///
/// [`PlotError`] when there is no series, one has no points, or drawing fails.
///
/// ```
/// use fieldscore_models::evaluate::curves::roc_curve;
/// use fieldscore_models::evaluate::plots::{Series, roc};
///
/// let curve = roc_curve(&[false, true, false, true], &[0.1, 0.4, 0.4, 0.8])?;
/// let svg = roc(&[Series { name: "float", points: &curve }])?;
/// assert!(svg.as_str().starts_with("<svg "));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn roc(series: &[Series<'_, RocPoint>]) -> Result<Svg, PlotError> {
    check(series)?;
    let mut legend = keys(series, false);
    legend.push((Key::Line(look_of_guide(), false), "Chance".to_owned()));
    draw_chart(
        &title("ROC curve", series),
        &legend,
        &share_axis("Good flagged (false positive rate)", 1.0),
        &share_axis("Bad flagged (true positive rate)", 1.0),
        |root, at| {
            guide(root, at(0.0, 0.0), at(1.0, 1.0))?;
            each(series, |look, _, points| {
                let corner = |p: &RocPoint| at(p.false_positive_rate, p.true_positive_rate);
                line(root, &thin(points.iter().map(corner)), look)
            })
        },
    )
}

/// The share of each class in every bin of scores, good and bad over each other.
///
/// Shares are within the class, so that few bad rows still show.
///
/// # Errors
///
/// [`PlotError`] when there are no rows, or drawing fails. An empty class is drawn flat.
pub fn score_distribution(histogram: &ScoreHistogram) -> Result<Svg, PlotError> {
    let classes = [
        ("Good", look_of(0), shares(&histogram.good)),
        ("Bad", look_of(1), shares(&histogram.bad)),
    ];
    let highest = classes.iter().flat_map(|class| &class.2).copied();
    let highest = highest.fold(0.0, f64::max);
    if highest == 0.0 {
        return Err(PlotError::Empty { series: None });
    }
    let edge = |bin: usize| (histogram.start + bin as i64 * histogram.width) as f64;
    let legend = classes.each_ref().map(|(name, look, _)| {
        let look = Look { width: 5, ..*look };
        (Key::Box(look), (*name).to_owned())
    });
    draw_chart(
        "Score distribution of good and bad",
        &legend,
        &Axis {
            title: "Score (higher is safer)",
            from: edge(0),
            to: edge(histogram.good.len()),
            ticks: 8,
            label: &|score| format!("{score:.0}"),
        },
        &share_axis("Share of the class", round_up(highest * 1.05)),
        |root, at| {
            for (_, look, shares) in &classes {
                let mut steps = vec![at(edge(0), 0.0)];
                for (bin, &share) in shares.iter().enumerate() {
                    steps.extend([at(edge(bin), share), at(edge(bin + 1), share)]);
                }
                steps.push(at(edge(shares.len()), 0.0));
                fill(root, &steps, look, 0.28)?;
                line(root, &steps, &Look { width: 5, ..*look })?;
            }
            Ok(())
        },
    )
}

/// Observed against predicted rates of default, with 95 % bars and the diagonal of a perfectly
/// calibrated model.
///
/// The series of one bin are set a little apart sideways, so that their bars don't hide each other.
///
/// # Errors
///
/// As [`roc`].
pub fn calibration(series: &[Series<'_, CalibrationBin>]) -> Result<Svg, PlotError> {
    check(series)?;
    let bins = series.iter().flat_map(|series| series.points);
    let highest = bins.fold(0.0, |top: f64, bin| {
        top.max(bin.predicted).max(bin.observed.high)
    });
    let to = round_up(highest);
    let mut legend = keys(series, true);
    legend.push((Key::Line(look_of_guide(), false), "Perfect".to_owned()));
    draw_chart(
        &title("Calibration", series),
        &legend,
        &share_axis("Predicted default rate", to),
        &share_axis("Observed default rate", to),
        |root, at| {
            guide(root, at(0.0, 0.0), at(to, to))?;
            each(series, |look, index, bins| {
                let aside = 12 * index as i32 - 6 * (series.len() as i32 - 1);
                let place = |predicted, observed| {
                    let (x, y) = at(predicted, observed);
                    (x + aside, y)
                };
                let points = |bin: &CalibrationBin| place(bin.predicted, bin.observed.value);
                let points: Vec<_> = bins.iter().map(points).collect();
                line(root, &points, &Look { width: 4, ..*look })?;
                for (bin, &point) in bins.iter().zip(&points) {
                    let low = place(bin.predicted, bin.observed.low);
                    let high = place(bin.predicted, bin.observed.high);
                    whisker(root, low, high, look)?;
                    marker(root, point, look)?;
                }
                Ok(())
            })
        },
    )
}

/// The bad rate among the approved against the approval rate, over cut-offs, with a 95 % band.
///
/// Cut-offs that approve nobody have no bad rate and are left out.
///
/// # Errors
///
/// As [`roc`]; a series whose cut-offs approve nobody has no points.
pub fn approval(series: &[Series<'_, CutOff>]) -> Result<Svg, PlotError> {
    let lines: Vec<Vec<Trade>> = series.iter().map(|line| trade_off(line.points)).collect();
    let lines: Vec<Series<'_, Trade>> = series
        .iter()
        .zip(&lines)
        .map(|(series, points)| Series {
            name: series.name,
            points,
        })
        .collect();
    check(&lines)?;
    let highest = |of: fn(&Trade) -> f64| {
        let points = lines.iter().flat_map(|line| line.points);
        points.map(of).fold(0.0, f64::max)
    };
    // The band of a handful of approvals is wide: it may leave the chart, the line may not.
    let top = highest(|t| t.high).min(1.5 * highest(|t| t.bad_rate) + 0.01);
    let to = round_up(top);
    draw_chart(
        &title("Bad rate against approval rate", &lines),
        &keys(&lines, lines.iter().all(|line| line.points.len() <= 14)),
        &share_axis("Approval rate", 1.0),
        &share_axis("Bad rate among the approved", to),
        |root, at| {
            each(&lines, |look, _, points| {
                let low = points.iter().map(|t| at(t.approval, t.low.min(to)));
                let high = points.iter().map(|t| at(t.approval, t.high.min(to)));
                let band: Vec<_> = low.chain(high.rev()).collect();
                fill(root, &band, look, 0.12)
            })?;
            each(&lines, |look, _, points| {
                let path: Vec<_> = points.iter().map(|t| at(t.approval, t.bad_rate)).collect();
                line(root, &thin(path.iter().copied()), look)?;
                if points.len() <= 14 {
                    path.iter()
                        .try_for_each(|&point| marker(root, point, look))?;
                }
                Ok(())
            })
        },
    )
}

/// A point of the approval chart.
struct Trade {
    approval: f64,
    bad_rate: f64,
    low: f64,
    high: f64,
}

/// Cut-offs as points, by rising approval.
fn trade_off(cut_offs: &[CutOff]) -> Vec<Trade> {
    let trade = |line: &CutOff| {
        line.bad_rate.map(|bad_rate| Trade {
            approval: line.approval_rate.value,
            bad_rate: bad_rate.value,
            low: bad_rate.low,
            high: bad_rate.high,
        })
    };
    let mut points: Vec<Trade> = cut_offs.iter().filter_map(trade).collect();
    points.sort_by(|a, b| a.approval.total_cmp(&b.approval));
    points
}

fn check<T>(series: &[Series<'_, T>]) -> Result<(), PlotError> {
    if series.is_empty() {
        return Err(PlotError::Empty { series: None });
    }
    match series.iter().find(|series| series.points.is_empty()) {
        Some(series) => Err(PlotError::Empty {
            series: Some(series.name.to_owned()),
        }),
        None => Ok(()),
    }
}

fn keys<T>(series: &[Series<'_, T>], marked: bool) -> Vec<(Key, String)> {
    let key = |(i, series): (usize, &Series<'_, T>)| {
        (Key::Line(look_of(i), marked), series.name.to_owned())
    };
    series.iter().enumerate().map(key).collect()
}

fn title<T>(chart: &str, series: &[Series<'_, T>]) -> String {
    let names: Vec<&str> = series.iter().map(|series| series.name).collect();
    format!("{chart}: {}", names.join(", "))
}

fn each<T>(
    series: &[Series<'_, T>],
    draw: impl Fn(&Look, usize, &[T]) -> Result<(), PlotError>,
) -> Result<(), PlotError> {
    let mut series = series.iter().enumerate();
    series.try_for_each(|(i, series)| draw(&look_of(i), i, series.points))
}

fn share_axis(title: &str, to: f64) -> Axis<'_> {
    Axis {
        title,
        from: 0.0,
        to,
        ticks: 6,
        label: &percent,
    }
}

fn shares(counts: &[usize]) -> Vec<f64> {
    let total = counts.iter().sum::<usize>().max(1) as f64;
    counts.iter().map(|&count| count as f64 / total).collect()
}

/// The points without those that move less than the eye can tell; both ends stay.
fn thin(points: impl Iterator<Item = (i32, i32)>) -> Vec<(i32, i32)> {
    let mut kept: Vec<(i32, i32)> = Vec::new();
    let mut last = None;
    for point in points {
        last = Some(point);
        let near = |&(x, y): &(i32, i32)| (x - point.0).abs() + (y - point.1).abs() < 3;
        if !kept.last().is_some_and(near) {
            kept.push(point);
        }
    }
    match last {
        Some(point) if kept.last() != Some(&point) => kept.push(point),
        _ => {}
    }
    kept
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::curves::{calibration_bins, cut_off_table, roc_curve, score_histogram};
    use super::*;

    const BAD: [bool; 8] = [false, false, true, false, true, true, false, true];
    const PROBABILITY: [f64; 8] = [0.1, 0.2, 0.2, 0.4, 0.6, 0.9, 0.3, 0.5];
    const SCORE: [i32; 8] = [700, 650, 640, 600, 540, 500, 620, 560];

    /// Every chart, with a name that must not become markup.
    fn charts() -> [Svg; 4] {
        let name = "a<b & \"c\"";
        let curve = roc_curve(&BAD, &PROBABILITY).unwrap();
        let bins = calibration_bins(&BAD, &PROBABILITY).unwrap();
        let cut_offs = cut_off_table(&BAD, &SCORE, &[500, 600, 700, 800]).unwrap();
        [
            roc(&[Series {
                name,
                points: &curve,
            }])
            .unwrap(),
            score_distribution(&score_histogram(&BAD, &SCORE).unwrap()).unwrap(),
            calibration(&[Series {
                name,
                points: &bins,
            }])
            .unwrap(),
            approval(&[Series {
                name,
                points: &cut_offs,
            }])
            .unwrap(),
        ]
    }

    #[test]
    fn a_chart_scales_and_has_a_name() {
        for svg in charts() {
            let (opening, body) = svg.as_str().split_once(">\n").unwrap();
            assert!(opening.starts_with("<svg xmlns="), "{opening}");
            assert!(opening.contains("viewBox=\"0 0 840 "), "{opening}");
            assert!(opening.contains("width=\"100%\""), "{opening}");
            assert!(!opening.contains("height="), "{opening}");
            assert!(opening.contains("role=\"img\" aria-label=\""), "{opening}");
            assert!(body.starts_with("<title>"), "{body}");
            assert!(body.trim_end().ends_with("</svg>"), "{body}");
        }
    }

    #[test]
    fn names_are_escaped() {
        for svg in charts() {
            assert!(!svg.as_str().contains("a<b"));
        }
        assert!(charts()[0].as_str().contains("a&lt;b &amp; &quot;c&quot;"));
    }

    #[test]
    fn the_same_points_make_the_same_bytes() {
        assert_eq!(charts(), charts());
    }

    #[test]
    fn series_differ_in_dash_and_marker() {
        for first in 0..4 {
            for second in 0..first {
                let (a, b) = (look_of(first), look_of(second));
                assert_ne!(a.dash, b.dash);
                assert_ne!(a.marker, b.marker);
                assert_ne!(a.colour, b.colour);
            }
        }
    }

    #[test]
    fn a_long_curve_stays_small() {
        let bad: Vec<bool> = (0..50_000).map(|i| i * 7919 % 50_021 % 3 == 0).collect();
        let probability: Vec<f64> = (0..50_000).map(|i| f64::from(i) / 50_000.0).collect();
        let points = roc_curve(&bad, &probability).unwrap();
        assert!(points.len() > 10_000);
        let name = "float";
        let svg = roc(&[Series {
            name,
            points: &points,
        }])
        .unwrap();
        assert!(svg.as_str().len() < 40_000, "{}", svg.as_str().len());
    }

    #[test]
    fn nothing_to_draw_is_an_error() {
        assert_eq!(roc(&[]), Err(PlotError::Empty { series: None }));
        let name = "float";
        let empty = Err(PlotError::Empty {
            series: Some(name.to_owned()),
        });
        assert_eq!(calibration(&[Series { name, points: &[] }]), empty);
        // A cut-off that approves nobody has no point.
        let points = cut_off_table(&BAD, &SCORE, &[999]).unwrap();
        assert_eq!(
            approval(&[Series {
                name,
                points: &points
            }]),
            empty
        );
    }

    #[test]
    fn a_perfect_model_draws() {
        let points = roc_curve(&[true, false], &[1.0, 0.0]).unwrap();
        assert!(
            roc(&[Series {
                name: "oracle",
                points: &points
            }])
            .is_ok()
        );
        let points = cut_off_table(&[false, false], &[1, 2], &[0]).unwrap();
        assert!(
            approval(&[Series {
                name: "all good",
                points: &points
            }])
            .is_ok()
        );
        assert!(score_distribution(&score_histogram(&[false], &[600]).unwrap()).is_ok());
    }
}

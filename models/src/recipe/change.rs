//! From `[fields.NAME] change` to the leeway that a bundle stores.

use fieldscore_runtime::schema::{self, FieldKind, Leeway};

use crate::error::{Error, Result};
use crate::recipe::lower::parse_value;
use crate::recipe::{Direction, Field};

/// How far a field's value is changed where alternatives are looked for, from `[fields.NAME] change`.
///
/// # Errors
/// Where it does not fit the field, naming what under `key` does not.
pub(super) fn lower(
    kind: &FieldKind,
    range: Option<(i64, i64)>,
    field: &Field,
    key: &str,
) -> Result<Option<Leeway>> {
    let Some(change) = &field.change else {
        return Ok(None);
    };
    let fault = |what: &str, expected: &str| {
        let key = match what {
            "" => key.to_owned(),
            what => format!("{key}.{what}"),
        };
        Err(Error::input(key, expected))
    };
    let value = |value: &Option<toml::Value>, what: &str| {
        let value = value.as_ref();
        value
            .map(|value| parse_value(kind, value, &format!("{key}.{what}")))
            .transpose()
    };
    if !field.changeable {
        return fault("", "changeable = true beside it");
    }
    let mut leeway = Leeway {
        direction: match change.direction {
            Direction::Any => schema::Direction::Any,
            Direction::Up => schema::Direction::Up,
            Direction::Down => schema::Direction::Down,
        },
        step: 1,
        range: None,
        codes: None,
    };
    let number = matches!(
        kind,
        FieldKind::Integer | FieldKind::Decimal { .. } | FieldKind::Money { .. }
    );
    if !number && (change.step.is_some() || change.least.is_some() || change.most.is_some()) {
        return fault("", "step, least and most of a number alone");
    }
    match kind {
        _ if number => {
            leeway.step = value(&change.step, "step")?.unwrap_or(1);
            if leeway.step < 1 {
                return fault("step", "a number above 0");
            }
            let least = value(&change.least, "least")?.or(range.map(|(low, _)| low));
            let most = value(&change.most, "most")?.or(range.map(|(_, high)| high));
            let (Some(least), Some(most)) = (least, most) else {
                return fault("", "least and most, because the field has no range");
            };
            let inside = range.is_none_or(|(low, high)| low <= least && most <= high);
            if least > most || !inside {
                return fault("", "least and most inside the field's range, in this order");
            }
            leeway.range = Some((least, most)).filter(|own| range != Some(*own));
        }
        FieldKind::Boolean => {}
        FieldKind::Category { codes } => {
            if change.direction != Direction::Any {
                return fault("direction", "none: categories have no order");
            }
            if let Some(to) = &change.to {
                let place = |code: &String| {
                    parse_value(kind, &code.as_str().into(), &format!("{key}.to"))
                        .map(|at| at as u16)
                };
                let mut own = to.iter().map(place).collect::<Result<Vec<_>>>()?;
                own.sort_unstable();
                own.dedup();
                if own.is_empty() {
                    return fault("to", &format!("some of {}", codes.join(", ")));
                }
                leeway.codes = Some(own);
            }
        }
        _ => return fault("", "none for a field of this type"),
    }
    if change.to.is_some() && leeway.codes.is_none() {
        return fault("to", "none: it is for categories");
    }
    Ok(Some(leeway))
}

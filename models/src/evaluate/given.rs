//! The values of applications as they were given, and applications made of such values.

use std::sync::Arc;

use fieldscore_cli::raw_text;
use fieldscore_runtime::decide::{Record, RecordValue, reference_record};
use fieldscore_runtime::schema::{Field, FieldKind, Schema};
use fieldscore_runtime::{Application, Date, Value};

use crate::error::Result;

/// One applicant's values, in the order of the schema's fields; none where one is missing.
pub type Given = Vec<Option<RecordValue>>;

/// The values of an application.
///
/// # Errors
/// Never for an application of a schema.
pub fn given(application: &Application) -> Result<Given> {
    let mut values = Record::decode(&reference_record(application))?
        .values
        .into_iter()
        .peekable();
    let fields = application.schema().fields().iter();
    Ok(fields
        .map(|field| {
            let own = values.next_if(|(name, _)| *name == field.name);
            own.map(|(_, value)| value)
        })
        .collect())
}

/// A number of the field's own units as a typed value.
pub fn typed<'v>(field: &Field, number: i64) -> Value<'v> {
    match &field.kind {
        FieldKind::Date => Date::from_days(number).map_or(Value::Missing, Value::Date),
        FieldKind::Money { .. } => Value::Minor(number),
        kind => match kind.decimals() {
            0 => Value::Integer(number),
            decimals => Value::Number(number as f64 / 10f64.powi(decimals.into())),
        },
    }
}

/// An application of these values; a table or a tensor stays missing.
///
/// # Errors
/// Where a value is not of its field.
pub fn application(
    schema: &Arc<Schema>,
    as_of: Date,
    values: &[Option<RecordValue>],
) -> Result<Application> {
    let mut application = Application::new(Arc::clone(schema), "", as_of);
    for ((index, field), value) in schema.fields().iter().enumerate().zip(values) {
        match value {
            Some(RecordValue::Number(number)) => {
                application.set_at(index, typed(field, *number))?;
            }
            Some(RecordValue::Truth(truth)) => {
                application.set_at(index, Value::Boolean(*truth))?;
            }
            Some(RecordValue::Text(text)) => application.set_at(index, Value::Text(text))?,
            _ => {}
        }
    }
    Ok(application)
}

/// A value as people write it.
pub fn shown(field: &Field, value: Option<&RecordValue>) -> String {
    match value {
        Some(RecordValue::Number(number)) => raw_text(field, *number),
        Some(RecordValue::Truth(truth)) => truth.to_string(),
        Some(RecordValue::Text(text)) => text.clone(),
        Some(_) => "(given)".to_owned(),
        None => "(missing)".to_owned(),
    }
}

//! The form of a line.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatFields, JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::journal::priority;

/// What comes first in a line, so that a person finds it there; all else follows in the order in which it was given.
const FIRST: [&str; 7] = ["event", "message", "secret", "policy", "version", "generation", "step"];

/// An event as one JSON object, all of its fields and those of the spans around it side by side: a query needs no path,
/// and no name stands there twice. What the event itself says holds before what a span says.
pub(super) struct JsonLine;

impl<S> FormatEvent<S, JsonFields> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut fields = fields.0;
        add_spans(&mut fields, context);
        let metadata = event.metadata();
        let mut line = Map::new();
        let mut now = String::new();
        SystemTime.format_time(&mut Writer::new(&mut now))?;
        line.insert("timestamp".to_owned(), now.into());
        line.insert("level".to_owned(), metadata.level().as_str().into());
        line.insert("target".to_owned(), metadata.target().into());
        for name in FIRST {
            if let Some(value) = fields.shift_remove(name) {
                line.insert(name.to_owned(), value);
            }
        }
        for (name, value) in fields {
            line.entry(name).or_insert(value);
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// Adds what the spans around an event say and it does not. rekeyd's own hold before those of libraries, and the inner
/// before the outer.
fn add_spans<S>(fields: &mut Map<String, Value>, context: &FmtContext<'_, S, JsonFields>)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let mut of_libraries = Vec::new();
    for span in context.event_scope().into_iter().flatten() {
        let extensions = span.extensions();
        let Some(formatted) = extensions.get::<FormattedFields<JsonFields>>() else {
            continue;
        };
        let Ok(Value::Object(of_span)) = serde_json::from_str(formatted.as_str()) else {
            continue;
        };
        match span.metadata().target().starts_with("rekeyd") {
            true => add(fields, of_span),
            false => of_libraries.push(of_span),
        }
    }
    of_libraries.into_iter().for_each(|of_span| add(fields, of_span));
}

fn add(fields: &mut Map<String, Value>, more: Map<String, Value>) {
    for (name, value) in more {
        fields.entry(name).or_insert(value);
    }
}

/// The fields of an event.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        let name = field.name();
        // A keyword of Rust as a field's name.
        self.0.insert(name.strip_prefix("r#").unwrap_or(name).to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

/// Lines of any form, with their priority before them if the journal reads them.
pub(super) struct Prioritised<F> {
    pub(super) line: F,
    pub(super) journal: bool,
}

impl<S, N, F> FormatEvent<S, N> for Prioritised<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if self.journal {
            writer.write_str(priority(*event.metadata().level()))?;
        }
        self.line.format_event(context, writer, event)
    }
}

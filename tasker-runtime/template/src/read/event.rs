//! The events that a step publishes.

use crate::report::Code;
use crate::step::{EventCondition, PublishedEvent, event_name_problem};

use super::Reader;
use super::fields::{Field, Key, key};

/// How many events a step may publish.
pub(crate) const MAX_EVENTS: usize = 20;

const EVENT_KEYS: &[Key] =
    &[key("name"), key("description"), key("condition"), key("delivery_mode"), key("schema")];

impl Reader<'_> {
    /// The list `publishes_events`.
    pub(crate) fn events(&mut self, field: Field) -> Vec<PublishedEvent> {
        let mut events: Vec<PublishedEvent> = Vec::new();
        let items = self.list(field).unwrap_or_default();
        if items.len() > MAX_EVENTS {
            let message = format!("a step publishes at most {MAX_EVENTS} events, found {}", items.len());
            self.mistake(field.key, Code::TooManyEvents, message, None);
        }
        for at in items {
            let Some(fields) = self.fields(at, "an event", EVENT_KEYS) else { continue };
            let Some(name) = fields.get("name") else {
                self.missing(at, "an event", "name");
                continue;
            };
            let condition: EventCondition =
                fields.get("condition").and_then(|field| self.word(field)).unwrap_or_default();
            let event = PublishedEvent {
                name: self.event_name(name).unwrap_or_default(),
                description: fields.get("description").and_then(|field| self.text(field)),
                condition,
                delivery_mode: fields
                    .get("delivery_mode")
                    .and_then(|field| self.word(field))
                    .unwrap_or_default(),
                schema: fields.get("schema").and_then(|field| self.schema(field)),
            };
            let again = |other: &PublishedEvent| other.name == event.name && other.condition == condition;
            if !event.name.is_empty() && events.iter().any(again) {
                let message = format!("the event `{}` is published on `{condition}` twice", event.name);
                self.mistake(name.value, Code::DuplicateEvent, message, Some("remove one".to_owned()));
            }
            events.push(event);
        }
        events
    }

    fn event_name(&mut self, field: Field) -> Option<String> {
        let name = self.text(field)?;
        let Some(problem) = event_name_problem(&name) else { return Some(name) };
        let (code, help) = match problem.reserved {
            true => (Code::ReservedName, "begin it with another word"),
            false if name.trim().is_empty() => (Code::EmptyName, "write for instance `order.paid`"),
            false => (Code::BadName, "write 1 to 8 words of letters, digits, `_` and `-` joined by dots"),
        };
        self.mistake(field.value, code, problem.message, Some(help.to_owned()));
        None
    }
}

//! Whether a template and a handler say the same of the events that both say.

use tasker_template::Template;

use crate::handler::Registration;

/// A step publishes at most so many events, those of its handler included.
const MAX_EVENTS: usize = 20;

/// Why step `number` and its handler do not fit, with the way out.
pub(super) fn mismatch(template: &Template, number: u32, handler: &Registration) -> Option<String> {
    let (written, own) = (&template.step(number)?.publishes_events, &handler.spec().publishes);
    let same = |event: &&tasker_template::PublishedEvent| {
        written.iter().find(|other| other.name == event.name && other.condition == event.condition)
    };
    for event in own {
        if let Some(other) = same(&event).filter(|other| other.delivery_mode != event.delivery_mode) {
            let (name, on) = (&event.name, event.condition);
            let (here, there) = (event.delivery_mode, other.delivery_mode);
            return Some(format!(
                "publishes `{name}` on {on} as {here}, and the template says {there}\n  say the same in both, or say it in one of them"
            ));
        }
    }
    let count = written.len() + own.iter().filter(|event| same(event).is_none()).count();
    (count > MAX_EVENTS).then(|| {
        format!(
            "publishes {count} events together with the template\n  a step publishes at most {MAX_EVENTS}"
        )
    })
}

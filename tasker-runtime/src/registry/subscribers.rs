//! The subscribers of a program held against the events that its templates publish.

use std::{
    any::TypeId,
    collections::{BTreeMap, BTreeSet},
};

use tasker_template::{DeliveryMode, PublishedEvent};

use super::{Catalog, Registry};
use crate::{
    handler::{Need, States, Subscriber},
    model::EventPattern,
    template,
};

/// What a check of the subscribers found, each in words of its own.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// What must be put right before the program can start.
    pub problems: Vec<String>,
    /// What is probably not meant.
    pub warnings: Vec<String>,
}

/// Holds subscribers against each other, against the state of the program and against what is published.
pub(crate) fn check(
    subscribers: &[Subscriber],
    registry: &Registry,
    catalog: &Catalog,
    states: &States,
) -> Found {
    let mut found = Found::default();
    for (index, subscriber) in subscribers.iter().enumerate() {
        let same = subscribers[..index].iter().find(|other| other.name() == subscriber.name());
        if let Some(first) = same {
            let (name, first, second) = (subscriber.name(), first.place(), subscriber.place());
            found.problems.push(format!(
                "two subscribers are called `{name}`: {first} and {second}; rename one with `name = \"…\"`"
            ));
        }
        missing_state(subscriber, states, &mut found);
    }
    if subscribers.is_empty() || catalog.iter().next().is_none() {
        // A program without templates hears what others publish.
        return found;
    }
    let published = published(registry, catalog);
    for subscriber in subscribers {
        for pattern in subscriber.patterns() {
            found.warnings.extend(unheard(subscriber, pattern, &published));
        }
    }
    found
}

fn missing_state(subscriber: &Subscriber, states: &States, found: &mut Found) {
    let mut asked: BTreeSet<TypeId> = BTreeSet::new();
    for need in subscriber.spec().needs.iter().copied().flatten() {
        if let Need::State(state) = need
            && !states.has(state.id())
            && asked.insert(state.id())
        {
            let (name, place, state) = (subscriber.name(), subscriber.place(), state.name());
            found.problems.push(format!(
                "subscriber `{name}` at {place} takes `State<{state}>`: give it with `.state(value)` where the program starts"
            ));
        }
    }
}

/// Every event that the templates publish, with the ways it goes.
fn published(registry: &Registry, catalog: &Catalog) -> BTreeMap<String, Vec<DeliveryMode>> {
    let mut published: BTreeMap<String, Vec<DeliveryMode>> = BTreeMap::new();
    let mut note = |event: &PublishedEvent| {
        published.entry(event.name.clone()).or_default().push(event.delivery_mode);
    };
    for template in catalog.iter() {
        for step in template.steps() {
            step.publishes_events.iter().for_each(&mut note);
            let Ok(handler) = registry.find(template.namespace(), &step.handler.callable) else { continue };
            handler.spec().publishes.iter().for_each(&mut note);
            let compensation = registry.compensation_of(handler);
            compensation.into_iter().flat_map(|undo| &undo.spec().publishes).for_each(&mut note);
        }
    }
    published
}

/// Why a subscriber hears nothing by one of its patterns.
fn unheard(
    subscriber: &Subscriber,
    pattern: &str,
    published: &BTreeMap<String, Vec<DeliveryMode>>,
) -> Option<String> {
    let parsed: EventPattern = pattern.parse().ok()?;
    let (name, place) = (subscriber.name(), subscriber.place());
    let mut modes = published.iter().filter(|(event, _)| parsed.matches(event)).flat_map(|(_, modes)| modes);
    let Some(first) = modes.next() else {
        let near = template::nearest(pattern, published.keys().map(String::as_str));
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Some(format!(
            "subscriber `{name}` at {place} hears `{pattern}`, and no template of this program publishes such an event{near}"
        ));
    };
    let never = if subscriber.is_fast() { DeliveryMode::Durable } else { DeliveryMode::Fast };
    if *first != never || modes.any(|mode| *mode != never) {
        return None;
    }
    let (is, own) = if subscriber.is_fast() { ("durable", "fast") } else { ("fast", "durable") };
    Some(format!(
        "subscriber `{name}` at {place} is {own}, and `{pattern}` is published as {is} alone: it hears none of them; publish `broadcast`, or say `delivery = \"{is}\"` in one of both"
    ))
}

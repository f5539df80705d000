//! When tasks start by themselves.

use serde_json::{Map, Value};

use crate::duration::{DURATION_FORM, duration_ms};
use crate::report::Code;
use crate::schedule::{PLACEHOLDERS, Schedule, Ticks, When};
use crate::tree::{Content, NodeId, shown};

use super::Reader;
use super::fields::{Field, Fields, Key, alias, key};

/// What one has that stands alone.
const LONE_KEYS: &[Key] = &[
    key("template"),
    key("name"),
    key("cron"),
    key("every"),
    key("timezone"),
    alias("time_zone", "timezone"),
    key("jitter"),
    key("start"),
    key("end"),
    key("overlap"),
    key("catch_up"),
    key("input"),
    key("paused"),
];

/// What one has that stands in a template: all but that.
const SCHEDULE_KEYS: &[Key] = LONE_KEYS.split_at(1).1;

/// The longest name of a schedule, which stands in idempotency keys with the time of a tick.
const LONGEST_NAME: usize = 200;

impl Reader<'_> {
    /// `schedule` of a template: one, or a list of some with names.
    pub(super) fn schedules(&mut self, field: Field) -> Vec<Schedule> {
        let tree = self.tree;
        let Content::List(items) = &tree.node(field.value).content else {
            return self.schedule(field.value).into_iter().collect();
        };
        let mut schedules: Vec<Schedule> = Vec::new();
        for &item in items {
            let before = self.found.mistakes.len();
            let Some(schedule) = self.schedule(item) else { continue };
            // A name that is none was told.
            let unnamed = schedule.name.is_none() && self.found.mistakes.len() > before;
            if !unnamed && schedules.iter().any(|other| other.name == schedule.name) {
                let message = match &schedule.name {
                    Some(name) => format!("a schedule above is called `{name}` as well"),
                    None => "a schedule above has no name either".to_owned(),
                };
                let help = Some("give each a `name` of its own".to_owned());
                self.mistake(item, Code::BadSchedule, message, help);
            }
            schedules.push(schedule);
        }
        schedules
    }

    /// A schedule that stands alone, and the template that it starts tasks of.
    pub(super) fn lone_schedule(&mut self) -> Option<(Option<String>, Schedule)> {
        let root = self.tree.root;
        let before = self.found.mistakes.len();
        let fields = self.fields(root, "a schedule", LONE_KEYS)?;
        let template = fields.get("template").and_then(|field| self.text(field));
        Some((template, self.schedule_of(root, &fields, before)?))
    }

    /// One schedule; `None` where it says nothing that ticks.
    fn schedule(&mut self, at: NodeId) -> Option<Schedule> {
        let before = self.found.mistakes.len();
        let fields = self.fields(at, "a schedule", SCHEDULE_KEYS)?;
        self.schedule_of(at, &fields, before)
    }

    /// `before`: how many mistakes there were when its keys were looked at.
    fn schedule_of(&mut self, at: NodeId, fields: &Fields, before: usize) -> Option<Schedule> {
        let mistakes = self.found.mistakes.len();
        let when = self.when(at, fields, before)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
        let mut text = |key: &str| fields.get(key).and_then(|field| self.text(field));
        let (timezone, start, end) = (text("timezone"), text("start"), text("end"));
        let schedule = Schedule {
            name: fields
                .get("name")
                .and_then(|field| self.name(field, allowed, "letters, digits, `_`, `.`, `-` and `/`")),
            when,
            timezone,
            jitter: fields.get("jitter").and_then(|field| self.wait(field)),
            start,
            end,
            overlap: fields.get("overlap").and_then(|field| self.word(field)).unwrap_or_default(),
            catch_up: fields.get("catch_up").and_then(|field| self.word(field)).unwrap_or_default(),
            input: fields
                .value("input")
                .map_or_else(|| Value::Object(Map::new()), |input| self.tree.to_json(input)),
            paused: fields.get("paused").and_then(|field| self.bool(field)).unwrap_or_default(),
        };
        if let (Some(name), Some(field)) = (&schedule.name, fields.get("name"))
            && name.len() > LONGEST_NAME
        {
            let message = format!("`name` has more than {LONGEST_NAME} characters");
            self.mistake(field.value, Code::BadName, message, None);
        }
        if let (Some(unknown), Some(input)) = (schedule.unknown_placeholder(), fields.value("input")) {
            let help = match self.nearest(unknown.trim(), PLACEHOLDERS) {
                Some(near) => format!("did you mean `{{{{{near}}}}}`?"),
                None => "an input has `{{scheduled_at}}` and `{{schedule}}`".to_owned(),
            };
            let message = format!("`{{{{{}}}}}` stands for nothing", shown(&unknown));
            self.mistake(input, Code::BadSchedule, message, Some(help));
        }
        if self.found.mistakes.len() == mistakes
            && let Err(bad) = Ticks::of(&schedule)
        {
            let at = fields.value(bad.key).unwrap_or(at);
            self.mistake(at, Code::BadSchedule, format!("`{}` {}", bad.key, bad.problem), bad.help);
        }
        Some(schedule)
    }

    fn when(&mut self, at: NodeId, fields: &Fields, before: usize) -> Option<When> {
        match (fields.get("cron"), fields.get("every")) {
            (Some(cron), None) => self.text(cron).map(When::Cron),
            (None, Some(every)) => self.every(every).map(When::Every),
            (Some(_), Some(every)) => {
                let message = "a schedule has a `cron` or an `every`, not both".to_owned();
                let help = Some("keep one of the two".to_owned());
                self.mistake(every.key, Code::ConflictingKeys, message, help);
                None
            }
            // A key that is not known was told, and may be the one.
            (None, None) if self.found.mistakes.len() > before => None,
            (None, None) => {
                let help = Some("add `cron: \"0 6 * * mon\"` or `every: 90s`".to_owned());
                self.mistake(at, Code::MissingKey, "a schedule needs `cron` or `every`".to_owned(), help);
                None
            }
        }
    }

    /// The pause of `every`, where an expression is an easy mistake.
    fn every(&mut self, field: Field) -> Option<std::time::Duration> {
        let Content::Text(text) = &self.tree.node(field.value).content else { return self.wait(field) };
        if duration_ms(text).is_none() && (text.starts_with('@') || text.split_whitespace().count() >= 5) {
            let message = format!("`every` must be a duration, found the expression `{}`", shown(text));
            let help = format!("write it as `cron`, or a duration: {DURATION_FORM}");
            self.mistake(field.value, Code::WrongType, message, Some(help));
            return None;
        }
        self.wait(field)
    }
}

//! Steps that wait: `timer`, `signal`, and the delay of others.

use std::time::Duration;

use crate::duration::{DURATION_FORM, duration_ms};
use crate::report::Code;
use crate::step::StepKind;
use crate::tree::{Content, NodeId, shown};
use crate::wait::{LONGEST_WAIT_MS, OnTimeout, SignalConfig, Source, TimerConfig};

use super::Reader;
use super::fields::{Field, Fields, Key, key};
use super::step::NAME_CHARACTERS;

const TIMER_KEYS: &[Key] = &[key("delay"), key("until")];

const SIGNAL_KEYS: &[Key] = &[key("name"), key("schema"), key("timeout"), key("on_timeout")];

const ON_TIMEOUT_KEYS: &[Key] = &[key("default")];

/// What only steps that call a handler have.
const OF_HANDLERS: &[&str] = &[
    "handler",
    "timeout_seconds",
    "retry",
    "queue",
    "priority",
    "result_schema",
    "delay",
    "max_rounds",
    "older_config",
    "older_retryable",
    "older_retries",
];

impl Reader<'_> {
    /// Reports what has no place on a step of this kind.
    pub(super) fn misplaced(&mut self, fields: &Fields, kind: StepKind) {
        let none: &[&str] = &[];
        let of_handlers = if kind.has_handler() { none } else { OF_HANDLERS };
        for field in of_handlers.iter().filter_map(|key| fields.get(key)) {
            let message =
                format!("`{}` has no place on a step of type `{kind}`: it calls nothing", field.written);
            let help = match field.written {
                "timeout_seconds" if kind == StepKind::Signal => "write `timeout` in `signal`",
                "result_schema" if kind == StepKind::Signal => "write `schema` in `signal`",
                "delay" if kind == StepKind::Timer => "write it in `timer`",
                _ => "remove it",
            };
            self.mistake(field.key, Code::MisplacedKey, message, Some(help.to_owned()));
        }
        let own =
            [("timer", StepKind::Timer), ("signal", StepKind::Signal), ("workflow", StepKind::Workflow)];
        for (key, own) in own {
            if let Some(field) = fields.get(key).filter(|_| kind != own) {
                let message = format!("`{key}` has no place on a step of type `{kind}`");
                let help = Some(format!("write `type: {key}`, or remove it"));
                self.mistake(field.key, Code::MisplacedKey, message, help);
            }
        }
    }

    /// A duration with its units, `15m`: how long something is waited for.
    pub(super) fn wait(&mut self, field: Field) -> Option<Duration> {
        let Content::Text(text) = &self.tree.node(field.value).content else {
            let help = match &self.tree.node(field.value).content {
                Content::Number(number) => format!("write `{number}s` for seconds, or another unit"),
                _ => DURATION_FORM.to_owned(),
            };
            self.wrong_type(field.value, &format!("`{}` must be a duration", field.written), Some(help));
            return None;
        };
        match duration_ms(text) {
            Some(millis @ 1..=LONGEST_WAIT_MS) => Some(Duration::from_millis(millis)),
            Some(_) => {
                let message =
                    format!("`{}` must be from 1ms to ten years, found `{}`", field.written, shown(text));
                self.mistake(field.value, Code::OutOfRange, message, None);
                None
            }
            None => {
                let message =
                    format!("`{}` must be a duration, found the text `{}`", field.written, shown(text));
                self.mistake(field.value, Code::WrongType, message, Some(DURATION_FORM.to_owned()));
                None
            }
        }
    }

    /// `timer` of a step of that type.
    pub(super) fn timer(
        &mut self,
        at: NodeId,
        fields: &Fields,
        kind: StepKind,
        dependencies: &[(String, NodeId)],
    ) -> Option<TimerConfig> {
        if kind != StepKind::Timer {
            return None;
        }
        let Some(timer) = fields.value("timer") else {
            self.missing(at, "a step of type `timer`", "timer");
            return None;
        };
        let fields = self.fields(timer, "`timer`", TIMER_KEYS)?;
        match (fields.get("delay"), fields.get("until")) {
            (Some(delay), None) => self.wait(delay).map(TimerConfig::Delay),
            (None, Some(until)) => self.source(until, dependencies).map(TimerConfig::Until),
            (Some(_), Some(until)) => {
                let message = "a timer has a `delay` or a point in time, not both".to_owned();
                self.mistake(
                    until.key,
                    Code::ConflictingKeys,
                    message,
                    Some("keep one of the two".to_owned()),
                );
                None
            }
            (None, None) => {
                let help = Some("add `delay: …` or `until: …`".to_owned());
                self.mistake(timer, Code::MissingKey, "`timer` says not when it is over".to_owned(), help);
                None
            }
        }
    }

    /// A place in the context or in the result of a step that this one depends on.
    pub(super) fn source(&mut self, field: Field, dependencies: &[(String, NodeId)]) -> Option<Source> {
        let text = self.text(field)?;
        let names = || dependencies.iter().map(|(name, _)| name.as_str());
        let source = Source::parse(&text, names());
        if source.is_none() {
            let message = format!(
                "`{}` must name a field of the context (`{}`) or of the result of a step that this one depends on, found `{}`",
                field.written,
                if field.written == "until" { "$.remind_at" } else { "$.order" },
                shown(&text)
            );
            let step = text.split('.').next().unwrap_or_default();
            let help = match self.nearest(step, names()) {
                Some(near) if near != step => Some(format!("did you mean `{near}`?")),
                Some(_) => Some(format!("write `{step}.field`")),
                None if text.starts_with('$') => {
                    Some(format!("write `$.{}`", text.trim_start_matches(['$', '.'])))
                }
                None => Some(format!(
                    "write `$.{text}` for a field of the context, or add `{step}` to `depends_on`"
                )),
            };
            self.mistake(field.value, Code::UnknownDependency, message, help);
        }
        source
    }

    /// `signal` of a step of that type, which may be absent.
    pub(super) fn signal(&mut self, fields: &Fields, kind: StepKind) -> Option<SignalConfig> {
        if kind != StepKind::Signal {
            return None;
        }
        let Some(at) = fields.value("signal") else { return Some(SignalConfig::default()) };
        let fields = self.fields(at, "`signal`", SIGNAL_KEYS)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let timeout = fields.get("timeout").and_then(|field| self.wait(field));
        if let Some(field) = fields.get("on_timeout").filter(|_| fields.get("timeout").is_none()) {
            let message = "`on_timeout` without a `timeout`: the signal is waited for for ever".to_owned();
            self.mistake(field.key, Code::MisplacedKey, message, Some("add `timeout: …`".to_owned()));
        }
        Some(SignalConfig {
            name: fields.get("name").and_then(|field| self.name(field, allowed, NAME_CHARACTERS)),
            schema: fields.get("schema").and_then(|field| self.schema(field)),
            timeout,
            on_timeout: fields.get("on_timeout").and_then(|field| self.on_timeout(field)).unwrap_or_default(),
        })
    }

    fn on_timeout(&mut self, field: Field) -> Option<OnTimeout> {
        match &self.tree.node(field.value).content {
            Content::Text(text) if text == "fail" => Some(OnTimeout::Fail),
            Content::Text(text) if text == "skip" => Some(OnTimeout::Skip),
            Content::Text(text) => {
                let message =
                    format!("`on_timeout` must be `fail`, `skip` or `default: …`, found `{}`", shown(text));
                let help = self.did_you_mean(text, ["fail", "skip"]);
                self.mistake(field.value, Code::UnknownWord, message, help);
                None
            }
            _ => {
                let fields = self.fields(field.value, "`on_timeout`", ON_TIMEOUT_KEYS)?;
                let Some(default) = fields.value("default") else {
                    self.missing(field.value, "`on_timeout`", "default");
                    return None;
                };
                Some(OnTimeout::Default(self.tree.to_json(default)))
            }
        }
    }
}

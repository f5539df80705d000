//! The domain events that a step publishes, and which of them follow from what an attempt came to.
//!
//! They go with the outcome they tell of: whoever records the one records the other, and of an outcome that is
//! refused nobody hears.

use std::{fmt, sync::Arc};

use serde::Serialize;
use serde_json::Value;
use tasker_template::{DeliveryMode, EventCondition};
use uuid::Uuid;

use super::{Json, StepError, StepIndex, Timestamp};

/// A payload has at most so many bytes.
pub const MAX_EVENT_BYTES: usize = 256 << 10;
/// An attempt publishes at most so many events.
pub const MAX_ATTEMPT_EVENTS: usize = 100;

/// Says everything that is wrong with a payload.
type Check = dyn Fn(&Json) -> Vec<String> + Send + Sync;

/// What is wrong with a payload, by the schema of its publication.
#[derive(Clone)]
pub struct PayloadCheck(Arc<Check>);

impl PayloadCheck {
    /// A check that says everything that is wrong, and nothing where nothing is.
    pub fn new(check: impl Fn(&Json) -> Vec<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(check))
    }
}

impl fmt::Debug for PayloadCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayloadCheck")
    }
}

/// An event that a step publishes.
#[derive(Clone, Debug)]
pub struct Publication {
    /// What subscribers know it by.
    pub name: Arc<str>,
    /// After which outcome it is published.
    pub condition: EventCondition,
    /// How it leaves.
    pub mode: DeliveryMode,
    /// What its payload must look like, where somebody says so.
    pub check: Option<PayloadCheck>,
}

/// What an attempt came to, as events tell it. The numbers are what the store keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOutcome {
    /// It gave the result of the step.
    Success = 0,
    /// It failed, and another one follows.
    RetryableFailure = 1,
    /// It failed, and the step with it.
    PermanentFailure = 2,
    /// An operator gave the result of the step.
    Resolved = 3,
}

impl EventOutcome {
    /// The word in the envelope.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::RetryableFailure => "retryable_failure",
            Self::PermanentFailure => "permanent_failure",
            Self::Resolved => "resolved",
        }
    }

    /// The outcome with this number; `None`: there is none.
    #[must_use]
    pub const fn from_code(code: i64) -> Option<Self> {
        match code {
            0 => Some(Self::Success),
            1 => Some(Self::RetryableFailure),
            2 => Some(Self::PermanentFailure),
            3 => Some(Self::Resolved),
            _ => None,
        }
    }

    /// Whether an event with this condition is published.
    #[must_use]
    pub const fn meets(self, condition: EventCondition) -> bool {
        match condition {
            EventCondition::Always => true,
            EventCondition::Success => matches!(self, Self::Success | Self::Resolved),
            EventCondition::Failure => matches!(self, Self::RetryableFailure | Self::PermanentFailure),
            EventCondition::RetryableFailure => matches!(self, Self::RetryableFailure),
            EventCondition::PermanentFailure => matches!(self, Self::PermanentFailure),
        }
    }
}

/// Why an event could not be published. The step stays what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLetter {
    /// A stable word: `payload_too_large`, `too_many`, `schema_mismatch`.
    pub reason: &'static str,
    /// What exactly, for people.
    pub detail: String,
}

/// An event that goes with an outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct DomainEvent {
    /// Which of the publications of the step it comes from, from 0.
    pub publication: u32,
    /// Which of the events of that publication it is, from 0.
    pub emission: u32,
    /// Its name.
    pub name: Arc<str>,
    /// How it leaves.
    pub mode: DeliveryMode,
    /// What it tells of.
    pub outcome: EventOutcome,
    /// What it says.
    pub payload: Json,
    /// Why it cannot be published, if so.
    pub letter: Option<EventLetter>,
}

impl DomainEvent {
    /// Its place among the events of its attempt, the same each time the attempt is told of.
    #[must_use]
    pub fn place(&self) -> u32 {
        self.publication * 1_000 + self.emission
    }

    /// Whether it goes into the log.
    #[must_use]
    pub fn is_logged(&self) -> bool {
        self.letter.is_none() && self.mode != DeliveryMode::Fast
    }

    /// Whether something of it is kept: the event itself, or why it could not be published.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.letter.is_some() || self.is_logged()
    }

    /// The number that the store keeps for how it leaves.
    #[must_use]
    pub const fn mode_code(&self) -> i64 {
        match self.mode {
            DeliveryMode::Durable => 0,
            DeliveryMode::Broadcast => 1,
            DeliveryMode::Fast => 2,
        }
    }

    fn refuse(&mut self, reason: &'static str, detail: String) {
        self.letter = Some(EventLetter { reason, detail });
    }
}

/// The identity of an event: the same event always has the same.
#[must_use]
pub fn event_id(task: Uuid, step: StepIndex, attempt: u32, place: u32) -> Uuid {
    Uuid::new_v5(&task, format!("{}:{attempt}:{place}", step.code()).as_bytes())
}

/// What a handler said about its events while it ran. It counts only for events that the outcome publishes.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The name of the events it is about.
    pub name: Arc<str>,
    /// What it said.
    pub word: Word,
}

/// What can be said about the events of one name.
#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    /// This is the payload, in place of the default.
    Payload(Json),
    /// One event more, with this payload, in place of the default.
    Emit(Json),
    /// None is published.
    Skip,
}

/// The payloads of the events of `name`; `None`: nothing was said, and the default is published.
fn payloads(name: &str, said: &[Said]) -> Option<Vec<Json>> {
    let words = || said.iter().filter(|said| *said.name == *name).map(|said| &said.word);
    if words().any(|word| *word == Word::Skip) {
        return Some(Vec::new());
    }
    // What was said last in place of the default, then what was added.
    let mut replaced = words().filter_map(|word| match word {
        Word::Payload(payload) => Some(payload),
        _ => None,
    });
    let added = words().filter_map(|word| match word {
        Word::Emit(payload) => Some(payload),
        _ => None,
    });
    let payloads: Vec<Json> = replaced.next_back().into_iter().chain(added).cloned().collect();
    (!payloads.is_empty()).then_some(payloads)
}

/// The events of one outcome, and what else the step could have said.
#[derive(Clone, Debug)]
pub struct Published {
    /// What the step publishes.
    pub publications: Arc<[Publication]>,
    /// What it publishes now.
    pub events: Vec<DomainEvent>,
}

/// An attempt that failed, as its events tell it.
#[derive(Clone, Copy, Debug)]
pub struct FailedAttempt<'a> {
    /// The attempt, from 1.
    pub number: u32,
    /// How many attempts the step has at most.
    pub max_attempts: u32,
    /// When the next one may start; `None`: there is none.
    pub retry_at: Option<Timestamp>,
    /// Why it failed.
    pub error: &'a StepError,
}

/// What failure events say where nobody says anything else.
#[derive(Serialize)]
struct FailurePayload<'a> {
    code: &'a str,
    message: &'a str,
    kind: &'static str,
    attempt: u32,
    max_attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a Value>,
}

impl FailedAttempt<'_> {
    fn payload(&self) -> Json {
        let Self { number: attempt, max_attempts, retry_at, error } = *self;
        let kind = match error.code() {
            "TIMEOUT" => "timeout",
            "PANIC" => "panic",
            _ if error.is_retryable() => "retryable",
            _ => "permanent",
        };
        let (code, message, context) = (error.code(), error.message(), error.context());
        let payload = FailurePayload { code, message, kind, attempt, max_attempts, retry_at, context };
        Json::of(&payload).unwrap_or_else(|_| Json::null())
    }

    fn outcome(&self) -> EventOutcome {
        match self.retry_at {
            Some(_) => EventOutcome::RetryableFailure,
            None => EventOutcome::PermanentFailure,
        }
    }
}

impl Published {
    /// What a step with these publications publishes after it has this result; `None` where it publishes nothing
    /// after whatever outcome.
    #[must_use]
    pub fn after_result(
        publications: &Arc<[Publication]>,
        outcome: EventOutcome,
        result: &Json,
        said: &[Said],
    ) -> Option<Box<Self>> {
        Self::after(publications, outcome, said, || result.clone())
    }

    /// What a step with these publications publishes after a failed attempt.
    #[must_use]
    pub fn after_failure(
        publications: &Arc<[Publication]>,
        failed: FailedAttempt<'_>,
        said: &[Said],
    ) -> Option<Box<Self>> {
        Self::after(publications, failed.outcome(), said, || failed.payload())
    }

    fn after(
        publications: &Arc<[Publication]>,
        outcome: EventOutcome,
        said: &[Said],
        default: impl Fn() -> Json,
    ) -> Option<Box<Self>> {
        if publications.is_empty() {
            return None;
        }
        let mut published = Self { publications: publications.clone(), events: Vec::new() };
        let met = (0..).zip(&**publications).filter(|(_, publication)| outcome.meets(publication.condition));
        for (place, publication) in met {
            let Publication { name, mode, .. } = publication;
            let payloads = payloads(name, said).unwrap_or_else(|| vec![default()]);
            // What is too much is not counted one by one.
            let payloads = payloads.into_iter().take(MAX_ATTEMPT_EVENTS + 1);
            published.events.extend((0..).zip(payloads).map(|(emission, payload)| DomainEvent {
                publication: place,
                emission,
                name: name.clone(),
                mode: *mode,
                outcome,
                payload,
                letter: None,
            }));
        }
        published.limit();
        Some(Box::new(published))
    }

    /// Whether something of it is kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.events.iter().any(DomainEvent::is_kept)
    }

    /// The same with payloads that every store can hold.
    #[must_use]
    pub fn escaped(mut self) -> Self {
        self.events.iter_mut().for_each(|event| event.payload = event.payload.escaped());
        self
    }

    /// Makes dead letters of what is too large, of what breaks its schema, and of what is too much.
    fn limit(&mut self) {
        for event in &mut self.events {
            let bytes = event.payload.as_str().len();
            let check = self.publications.get(event.publication as usize);
            if let Some(PayloadCheck(check)) = check.and_then(|publication| publication.check.as_ref())
                && bytes <= MAX_EVENT_BYTES
            {
                let problems = check(&event.payload);
                if !problems.is_empty() {
                    event.refuse("schema_mismatch", problems.join("; "));
                }
            }
            if bytes > MAX_EVENT_BYTES {
                let detail = format!("a payload has at most {MAX_EVENT_BYTES} bytes, found {bytes}");
                event.refuse("payload_too_large", detail);
                event.payload = Json::null();
            }
        }
        if self.events.len() > MAX_ATTEMPT_EVENTS {
            // One letter says it for all that are left out.
            self.events.truncate(MAX_ATTEMPT_EVENTS + 1);
            if let Some(event) = self.events.last_mut() {
                let detail =
                    format!("an attempt publishes at most {MAX_ATTEMPT_EVENTS} events; the rest is left out");
                event.refuse("too_many", detail);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const CONDITIONS: [EventCondition; 5] = [
        EventCondition::Success,
        EventCondition::Failure,
        EventCondition::RetryableFailure,
        EventCondition::PermanentFailure,
        EventCondition::Always,
    ];

    fn publications() -> Arc<[Publication]> {
        let of = |condition: &EventCondition| Publication {
            name: format!("on.{condition}").into(),
            condition: *condition,
            mode: DeliveryMode::Durable,
            check: None,
        };
        CONDITIONS.iter().map(of).collect()
    }

    fn names(published: Option<Box<Published>>) -> Vec<String> {
        published.unwrap().events.iter().map(|event| event.name.to_string()).collect()
    }

    #[test]
    fn outcomes_meet_their_conditions_and_no_others() {
        let all = publications();
        let result = Json::stored("1");
        for outcome in [EventOutcome::Success, EventOutcome::Resolved] {
            let published = Published::after_result(&all, outcome, &result, &[]);
            assert_eq!(names(published), ["on.success", "on.always"]);
        }
        let error = StepError::retryable("DOWN", "no answer");
        let failed = |retry_at| FailedAttempt { number: 2, max_attempts: 3, retry_at, error: &error };
        let again = Published::after_failure(&all, failed(Some(Timestamp::from_micros(7))), &[]);
        assert_eq!(names(again), ["on.failure", "on.retryable_failure", "on.always"]);
        let for_good = Published::after_failure(&all, failed(None), &[]);
        assert_eq!(names(for_good), ["on.failure", "on.permanent_failure", "on.always"]);
    }

    #[test]
    fn step_that_publishes_nothing_has_no_events() {
        let none = Published::after_result(&Arc::default(), EventOutcome::Success, &Json::null(), &[]);
        assert!(none.is_none());
    }

    #[test]
    fn failures_say_what_failed_and_what_follows() {
        let payload = |error: &StepError, retry_at| {
            let failed = FailedAttempt { number: 1, max_attempts: 3, retry_at, error };
            Published::after_failure(&publications(), failed, &[]).unwrap().events[0].payload.to_value()
        };
        let timeout = payload(&StepError::retryable("TIMEOUT", "slow"), Some(Timestamp::from_micros(0)));
        assert_eq!((&timeout["kind"], &timeout["attempt"]), (&"timeout".into(), &1.into()));
        assert_eq!(timeout["retry_at"], "1970-01-01T00:00:00Z");
        let declined = StepError::permanent("DECLINED", "no").with_context(serde_json::json!({"bank": 7}));
        let declined = payload(&declined, None);
        let expected = serde_json::json!({"code": "DECLINED", "message": "no", "kind": "permanent",
            "attempt": 1, "max_attempts": 3, "context": {"bank": 7}});
        assert_eq!(declined, expected);
        assert_eq!(payload(&StepError::retryable("PANIC", "oh"), None)["kind"], "panic");
        assert_eq!(payload(&StepError::retryable("DOWN", "oh"), None)["kind"], "retryable");
    }

    #[test]
    fn payload_that_is_too_large_is_a_dead_letter() {
        let large = Json::stored(&format!("\"{}\"", "x".repeat(MAX_EVENT_BYTES)));
        let published = Published::after_result(&publications(), EventOutcome::Success, &large, &[]).unwrap();
        let reasons: Vec<_> = published.events.iter().map(|e| e.letter.as_ref().unwrap().reason).collect();
        assert_eq!(reasons, ["payload_too_large", "payload_too_large"]);
        assert!(published.events.iter().all(|event| !event.is_logged() && event.payload == Json::null()));
        let fits = Json::stored(&format!("\"{}\"", "x".repeat(MAX_EVENT_BYTES - 2)));
        let published = Published::after_result(&publications(), EventOutcome::Success, &fits, &[]).unwrap();
        assert!(published.events.iter().all(DomainEvent::is_logged));
    }

    #[test]
    fn payload_that_breaks_its_schema_is_a_dead_letter() {
        let mut checked = publications().to_vec();
        checked[0].check = Some(PayloadCheck::new(|payload| match payload.as_str() {
            "1" => vec!["payload: 1 is odd".to_owned(), "payload: 1 is small".to_owned()],
            _ => Vec::new(),
        }));
        let checked = checked.into();
        let letters = |result: &str| {
            let published =
                Published::after_result(&checked, EventOutcome::Success, &Json::stored(result), &[]);
            let letter = |event: &DomainEvent| event.letter.clone();
            published.unwrap().events.iter().filter_map(letter).collect::<Vec<_>>()
        };
        assert_eq!(letters("2"), []);
        let detail = "payload: 1 is odd; payload: 1 is small".to_owned();
        assert_eq!(letters("1"), [EventLetter { reason: "schema_mismatch", detail }]);
    }

    fn said(name: &str, word: Word) -> Said {
        Said { name: name.into(), word }
    }

    #[test]
    fn what_a_handler_says_counts_where_the_outcome_publishes() {
        let json = |number: u32| Json::stored(&number.to_string());
        let result = Json::stored("\"result\"");
        let published = |said: &[Said]| {
            let published = Published::after_result(&publications(), EventOutcome::Success, &result, said);
            let events = published.unwrap().events;
            let text = |e: &DomainEvent| format!("{} {} {}", e.name, e.emission, e.payload.as_str());
            events.iter().map(text).collect::<Vec<_>>()
        };
        let words = [said("on.success", Word::Payload(json(1))), said("on.failure", Word::Emit(json(2)))];
        assert_eq!(published(&words), ["on.success 0 1", "on.always 0 \"result\""]);
        let words = [said("on.always", Word::Emit(json(3))), said("on.always", Word::Emit(json(4)))];
        assert_eq!(published(&words), ["on.success 0 \"result\"", "on.always 0 3", "on.always 1 4"]);
        let words = [said("on.always", Word::Skip), said("on.always", Word::Emit(json(4)))];
        assert_eq!(published(&words), ["on.success 0 \"result\""]);
    }

    #[test]
    fn first_hundred_events_of_an_attempt_go_out() {
        let words = vec![said("on.success", Word::Emit(Json::null())); 250];
        let published =
            Published::after_result(&publications(), EventOutcome::Success, &Json::null(), &words);
        let events = published.unwrap().events;
        assert_eq!(events.iter().filter(|event| event.is_logged()).count(), MAX_ATTEMPT_EVENTS);
        let letters: Vec<_> = events.iter().filter_map(|event| Some(event.letter.as_ref()?.reason)).collect();
        assert_eq!(letters, ["too_many"]);
    }

    #[test]
    fn same_event_has_the_same_identity_and_no_other_has_it() {
        let task = Uuid::from_u128(7);
        let id = event_id(task, StepIndex::of(1), 2, 3);
        assert_eq!(id, event_id(task, StepIndex::of(1), 2, 3));
        for other in [
            event_id(Uuid::from_u128(8), StepIndex::of(1), 2, 3),
            event_id(task, StepIndex::of(2), 2, 3),
            event_id(task, StepIndex::of(1), 1, 3),
            event_id(task, StepIndex::of(1), 2, 4),
            event_id(task, StepIndex::instance(1, 0), 2, 3),
            event_id(task, StepIndex::of(1).compensation(), 2, 3),
        ] {
            assert_ne!(id, other);
        }
    }
}

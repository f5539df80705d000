//! Delivers the events of the log to one subscription: which of them may be delivered now, what becomes of one that
//! fails, and how far the cursor may move.
//!
//! Pure: events, outcomes and the time come in, and what is to be called and written comes out. What is written, the
//! cursor and the parked events, is written together, so that a crash at any moment repeats deliveries and loses none.

mod lanes;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use self::lanes::Lanes;
use crate::{Retry, StepError, TaskNo, Timestamp, jittered};

/// So many events are known at most and not settled: what one that takes over may deliver again.
pub const MAX_OPEN: usize = 500;

/// More parked events than these stop a subscription.
pub const MAX_PARKED: usize = 10_000;

/// How a subscription is served.
#[derive(Clone, Copy, Debug)]
pub struct SubscriptionRules {
    /// How many events are delivered at once, at least 1.
    pub concurrency: usize,
    /// When one that fails is delivered again. An error may ask for a longer delay.
    pub retry: Retry,
    /// Whether the events of a task wait for those before them.
    pub ordered: bool,
}

/// An event that could not be delivered yet, or waits behind one of its task that could not.
#[derive(Clone, Debug, PartialEq)]
pub struct ParkedEvent {
    /// Its position in the log.
    pub position: i64,
    /// Its task.
    pub task: TaskNo,
    /// How often it was delivered, in vain.
    pub attempts: u32,
    /// From when on it may be delivered again; `None`: never, it is a dead letter.
    pub next_at: Option<Timestamp>,
    /// Why the last delivery failed; `None` for one that only waits.
    pub error: Option<StepError>,
    /// Whether an operator asked that it is delivered once more.
    pub redelivered: bool,
}

/// An event that is to be delivered now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its position in the log.
    pub position: i64,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Whether it was parked: what it says is to be read from the log again.
    pub parked: bool,
    /// Whether an operator asked for it.
    pub redelivered: bool,
}

/// What is to be written, all of it together or nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubscriptionChanges {
    /// Everything up to this position is settled: delivered, parked or not meant.
    pub cursor: i64,
    /// Events that are parked, or have become dead letters.
    pub parked: Vec<ParkedEvent>,
    /// Positions of events that were parked and are delivered.
    pub delivered: Vec<i64>,
    /// The subscription stops: too much is parked.
    pub blocked: bool,
}

/// What one subscription delivers, kept by its owner.
#[derive(Debug)]
pub struct Subscription {
    rules: SubscriptionRules,
    lanes: Lanes,
    /// Everything up to here was handed in.
    read: i64,
    /// Positions that were handed in and are not settled: they hold the cursor back.
    open: BTreeSet<i64>,
    parked: BTreeMap<i64, ParkedEvent>,
    running: HashMap<i64, Delivery>,
    /// Positions after the cursor that were parked before, or are dead letters: they arrive once more.
    known: BTreeSet<i64>,
    /// As far as the database knows.
    cursor: i64,
    /// Parked events that the database does not know so yet; `None`: it is delivered.
    unwritten: BTreeMap<i64, Option<ParkedEvent>>,
    blocked: bool,
    blocked_written: bool,
}

impl Subscription {
    /// Goes on from what is written: the cursor, and what is parked. Of dead letters those after the cursor are needed.
    #[must_use]
    pub fn new(
        rules: SubscriptionRules,
        cursor: i64,
        parked: impl IntoIterator<Item = ParkedEvent>,
        blocked: bool,
    ) -> Self {
        let mut subscription = Self {
            rules,
            lanes: Lanes::default(),
            read: cursor,
            open: BTreeSet::new(),
            parked: BTreeMap::new(),
            running: HashMap::new(),
            known: BTreeSet::new(),
            cursor,
            unwritten: BTreeMap::new(),
            blocked,
            blocked_written: blocked,
        };
        for event in parked {
            if event.position > cursor {
                subscription.known.insert(event.position);
            }
            if let Some(at) = event.next_at {
                let lane = subscription.lane_of(event.position, event.task);
                subscription.lanes.park(lane, (event.position, event.task), at);
                subscription.parked.insert(event.position, event);
            }
        }
        subscription
    }

    /// After which position the next events are to be read.
    #[must_use]
    pub const fn read(&self) -> i64 {
        self.read
    }

    /// How many events may be handed in now; none of a subscription that is blocked.
    #[must_use]
    pub fn room(&self) -> usize {
        if self.blocked { 0 } else { MAX_OPEN.saturating_sub(self.open.len()) }
    }

    /// Whether so much is parked that it has stopped.
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Whether nothing is being delivered.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// How many events are parked, dead letters left out.
    #[must_use]
    pub fn parked(&self) -> usize {
        self.parked.len()
    }

    /// Takes events that are meant, in the order of their positions, and that everything up to `read` was looked at.
    pub fn arrived(&mut self, events: impl IntoIterator<Item = (i64, TaskNo)>, read: i64, now: Timestamp) {
        for (position, task) in events {
            let lane = self.lane_of(position, task);
            if self.known.remove(&position) {
                continue;
            }
            if self.lanes.has_parked(lane) {
                self.park(behind(position, task, now));
            } else {
                self.open.insert(position);
                self.lanes.arrived(lane, position, task);
            }
        }
        self.read = self.read.max(read);
    }

    /// The next event to deliver at this time; it is being delivered from here on.
    pub fn next(&mut self, now: Timestamp) -> Option<Delivery> {
        if !self.has_width() {
            return None;
        }
        let position = self.lanes.next(now)?;
        let parked = self.parked.get(&position);
        let delivery = Delivery {
            position,
            attempt: parked.map_or(0, |event| event.attempts) + 1,
            parked: parked.is_some(),
            redelivered: parked.is_some_and(|event| event.redelivered),
        };
        self.running.insert(position, delivery);
        Some(delivery)
    }

    /// When the next parked event is to be delivered, where none is before.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        self.lanes.due()
    }

    /// Takes what came of a delivery.
    pub fn ended(&mut self, position: i64, outcome: Result<(), StepError>, now: Timestamp) {
        let Some(delivery) = self.running.remove(&position) else { return };
        let Some((lane, task)) = self.lanes.ended(position) else { return };
        let Err(error) = outcome else {
            self.settled(position);
            return self.lanes.go_on(lane);
        };
        let event = ParkedEvent {
            position,
            task,
            attempts: delivery.attempt,
            next_at: self.again_at(delivery, &error, now),
            error: Some(error),
            redelivered: delivery.redelivered,
        };
        match event.next_at {
            None => {
                self.settled(position);
                self.unwritten.insert(position, Some(event));
            }
            Some(_) => {
                // Those that have arrived wait behind it from now on, where nothing is lost with this process.
                let waiting = self.lanes.take_waiting(lane);
                self.park(event);
                waiting.into_iter().for_each(|(position, task)| self.park(behind(position, task, now)));
            }
        }
        self.lanes.go_on(lane);
    }

    /// When an event is delivered again whose delivery failed; `None`: never.
    fn again_at(&self, delivery: Delivery, error: &StepError, now: Timestamp) -> Option<Timestamp> {
        let own = self.rules.retry.delay_after(delivery.attempt).filter(|_| error.is_retryable())?;
        let seed = delivery.position.unsigned_abs() ^ (u64::from(delivery.attempt) << 48);
        let asked = error.delay_within(self.rules.retry.max_suggested);
        Some(now + asked.unwrap_or_else(|| jittered(own, seed)))
    }

    /// It need not be delivered any more.
    fn settled(&mut self, position: i64) {
        self.open.remove(&position);
        if self.parked.remove(&position).is_some() {
            self.unwritten.insert(position, None);
        }
    }

    fn park(&mut self, event: ParkedEvent) {
        let position = event.position;
        let lane = self.lane_of(position, event.task);
        self.open.remove(&position);
        self.lanes.park(lane, (position, event.task), event.next_at.unwrap_or(Timestamp::NEVER));
        self.unwritten.insert(position, Some(event.clone()));
        self.parked.insert(position, event);
        self.blocked |= self.parked.len() > MAX_PARKED && self.own_parked() > MAX_PARKED;
    }

    /// How many are parked that no operator asked for.
    fn own_parked(&self) -> usize {
        self.parked.values().filter(|event| !event.redelivered).count()
    }

    fn lane_of(&self, position: i64, task: TaskNo) -> i64 {
        // Where order does not matter, each has a lane of its own.
        if self.rules.ordered { task.0 } else { position }
    }

    /// Up to where everything is settled.
    #[must_use]
    pub fn settled_to(&self) -> i64 {
        self.open.first().map_or(self.read, |first| first - 1)
    }

    /// Whether anything happened that the database does not know, besides that events were passed over.
    #[must_use]
    pub fn has_news(&self) -> bool {
        !self.unwritten.is_empty() || self.blocked != self.blocked_written
    }

    /// Whether anything is to be written.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.settled_to() != self.cursor || self.has_news()
    }

    /// Whether an event is known, and neither settled nor parked.
    #[must_use]
    pub fn is_open(&self, position: i64) -> bool {
        self.open.contains(&position)
    }

    /// Whether one more may be delivered at once.
    #[must_use]
    pub fn has_width(&self) -> bool {
        self.running.len() < self.rules.concurrency.max(1)
    }

    /// What is to be written now; `None`: nothing. [`written`](Self::written) or [`not_written`](Self::not_written)
    /// says what came of it.
    pub fn changes(&mut self) -> Option<SubscriptionChanges> {
        if !self.is_changed() {
            return None;
        }
        let cursor = self.settled_to();
        let (mut parked, mut delivered) = (Vec::new(), Vec::new());
        for (position, event) in std::mem::take(&mut self.unwritten) {
            match event {
                Some(event) => parked.push(event),
                None => delivered.push(position),
            }
        }
        Some(SubscriptionChanges { cursor, parked, delivered, blocked: self.blocked })
    }

    /// What is to be written is.
    pub fn written(&mut self, changes: &SubscriptionChanges) {
        self.cursor = changes.cursor;
        self.blocked_written = changes.blocked;
    }

    /// It could not be written, and is to be written with the next changes.
    pub fn not_written(&mut self, changes: SubscriptionChanges) {
        for event in changes.parked {
            self.unwritten.entry(event.position).or_insert(Some(event));
        }
        for position in changes.delivered {
            self.unwritten.entry(position).or_insert(None);
        }
    }
}

/// An event that waits behind one of its task.
fn behind(position: i64, task: TaskNo, now: Timestamp) -> ParkedEvent {
    ParkedEvent { position, task, attempts: 0, next_at: Some(now), error: None, redelivered: false }
}

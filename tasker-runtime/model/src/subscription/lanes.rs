//! The order of deliveries: one lane for each task, one event of a lane at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::{TaskNo, Timestamp};

/// The lanes that have events.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<i64, Lane>,
    /// Lanes whose first event has just arrived, the oldest first.
    ready: VecDeque<i64>,
    /// Lanes whose first event is parked, by the time from which on it may be delivered.
    due: BTreeSet<(Timestamp, i64)>,
    /// The events that are being delivered, with their lanes and tasks.
    running: HashMap<i64, (i64, TaskNo)>,
    /// Whether what is parked comes first this time: neither keeps the other from getting on.
    parked_first: bool,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<(i64, TaskNo)>,
    /// By position, from when on each may be delivered.
    parked: BTreeMap<i64, (Timestamp, TaskNo)>,
    /// An event of it is being delivered.
    busy: bool,
}

impl Lanes {
    /// Whether events of this lane are parked: what arrives has to wait behind them.
    pub(super) fn has_parked(&self, lane: i64) -> bool {
        self.lanes.get(&lane).is_some_and(|lane| !lane.parked.is_empty())
    }

    pub(super) fn arrived(&mut self, key: i64, position: i64, task: TaskNo) {
        let lane = self.lanes.entry(key).or_default();
        lane.waiting.push_back((position, task));
        if lane.waiting.len() == 1 && !lane.busy {
            self.ready.push_back(key);
        }
    }

    /// Parks an event until then.
    pub(super) fn park(&mut self, key: i64, (position, task): (i64, TaskNo), at: Timestamp) {
        let lane = self.lanes.entry(key).or_default();
        let first = lane.parked.first_key_value().map(|(first, (at, _))| (*first, *at));
        lane.parked.insert(position, (at, task));
        if lane.busy || first.is_some_and(|(first, _)| first < position) {
            return;
        }
        if let Some((_, at)) = first {
            self.due.remove(&(at, key));
        }
        self.due.insert((at, key));
    }

    /// The next event that may be delivered.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<i64> {
        self.parked_first = !self.parked_first;
        if self.parked_first {
            self.next_parked(now).or_else(|| self.next_arrived())
        } else {
            self.next_arrived().or_else(|| self.next_parked(now))
        }
    }

    fn next_arrived(&mut self) -> Option<i64> {
        while let Some(key) = self.ready.pop_front() {
            let lane = self.lanes.get_mut(&key).filter(|lane| !lane.busy && lane.parked.is_empty());
            let Some(lane) = lane else { continue };
            if let Some((position, task)) = lane.waiting.pop_front() {
                lane.busy = true;
                self.running.insert(position, (key, task));
                return Some(position);
            }
        }
        None
    }

    fn next_parked(&mut self, now: Timestamp) -> Option<i64> {
        let (at, key) = self.due.first().copied().filter(|(at, _)| *at <= now)?;
        self.due.remove(&(at, key));
        let lane = self.lanes.get_mut(&key)?;
        let (position, (_, task)) = lane.parked.first_key_value()?;
        lane.busy = true;
        self.running.insert(*position, (key, *task));
        Some(*position)
    }

    pub(super) fn due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// An event is delivered no longer: its lane and its task.
    pub(super) fn ended(&mut self, position: i64) -> Option<(i64, TaskNo)> {
        let (key, task) = self.running.remove(&position)?;
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.parked.remove(&position);
        }
        Some((key, task))
    }

    /// What has arrived in a lane, which is to be parked.
    pub(super) fn take_waiting(&mut self, key: i64) -> VecDeque<(i64, TaskNo)> {
        self.lanes.get_mut(&key).map(|lane| std::mem::take(&mut lane.waiting)).unwrap_or_default()
    }

    /// Goes on with a lane whose event was delivered or parked.
    pub(super) fn go_on(&mut self, key: i64) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        lane.busy = false;
        match lane.parked.first_key_value() {
            Some((_, (at, _))) => {
                self.due.insert((*at, key));
            }
            None if lane.waiting.is_empty() => {
                self.lanes.remove(&key);
            }
            None => self.ready.push_back(key),
        }
    }
}

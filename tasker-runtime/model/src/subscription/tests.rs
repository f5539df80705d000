use std::time::Duration;

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_micros(0);

fn rules() -> SubscriptionRules {
    let retry = Retry { max_attempts: 3, base: Duration::from_secs(1), ..Retry::default() };
    SubscriptionRules { concurrency: 2, retry, ordered: true }
}

fn fresh() -> Subscription {
    Subscription::new(rules(), 0, [], false)
}

fn down() -> Result<(), StepError> {
    Err(StepError::retryable("DOWN", "no answer"))
}

fn positions(subscription: &mut Subscription, now: Timestamp) -> Vec<i64> {
    std::iter::from_fn(|| subscription.next(now)).map(|delivery| delivery.position).collect()
}

#[test]
fn events_of_a_task_wait_for_each_other_and_those_of_others_do_not() {
    let mut subscription = fresh();
    subscription.arrived([(1, TaskNo(7)), (2, TaskNo(7)), (4, TaskNo(8)), (5, TaskNo(9))], 6, NOW);
    // Two at once, and 2 waits for 1.
    assert_eq!(positions(&mut subscription, NOW), [1, 4]);
    assert_eq!(subscription.settled_to(), 0);
    subscription.ended(4, Ok(()), NOW);
    assert_eq!(positions(&mut subscription, NOW), [5]);
    subscription.ended(1, Ok(()), NOW);
    assert_eq!(subscription.settled_to(), 1);
    assert_eq!(positions(&mut subscription, NOW), [2]);
    subscription.ended(5, Ok(()), NOW);
    subscription.ended(2, Ok(()), NOW);
    // What lay between them was not meant.
    assert_eq!(subscription.settled_to(), 6);
    let changes = subscription.changes().unwrap();
    assert_eq!(changes, SubscriptionChanges { cursor: 6, ..SubscriptionChanges::default() });
    subscription.written(&changes);
    assert_eq!(subscription.changes(), None);
}

#[test]
fn what_fails_is_parked_with_what_follows_of_its_task_and_the_cursor_goes_on() {
    let mut subscription = fresh();
    subscription.arrived([(1, TaskNo(7)), (2, TaskNo(7)), (3, TaskNo(8))], 3, NOW);
    assert_eq!(positions(&mut subscription, NOW), [1, 3]);
    subscription.ended(1, down(), NOW);
    subscription.ended(3, Ok(()), NOW);
    subscription.arrived([(4, TaskNo(7))], 4, NOW);
    assert_eq!(positions(&mut subscription, NOW), [0_i64; 0]);
    let changes = subscription.changes().unwrap();
    let parked: Vec<_> = changes.parked.iter().map(|event| (event.position, event.attempts)).collect();
    assert_eq!((changes.cursor, parked), (4, vec![(1, 1), (2, 0), (4, 0)]));
    let due = subscription.due().unwrap();
    assert_eq!(changes.parked[0].next_at, Some(due));
    assert!(due >= NOW + Duration::from_millis(850), "{due}");
    // It goes first, then those that wait behind it, and each is written as delivered.
    for (position, attempt) in [(1, 2), (2, 1), (4, 1)] {
        let delivery = subscription.next(due).unwrap();
        assert_eq!((delivery.position, delivery.attempt, delivery.parked), (position, attempt, true));
        assert_eq!(subscription.next(due), None);
        subscription.ended(position, Ok(()), due);
    }
    assert_eq!(subscription.changes().unwrap().delivered, [1, 2, 4]);
    subscription.arrived([(5, TaskNo(7))], 5, due);
    assert!(!subscription.next(due).unwrap().parked);
}

#[test]
fn event_whose_attempts_are_spent_is_a_dead_letter_and_those_behind_it_go_on() {
    for permanent in [false, true] {
        let mut subscription = fresh();
        subscription.arrived([(1, TaskNo(7)), (2, TaskNo(7))], 2, NOW);
        let mut now = NOW;
        let attempts = if permanent { 1 } else { 3 };
        for attempt in 1..=attempts {
            let delivery = subscription.next(now).unwrap();
            assert_eq!((delivery.position, delivery.attempt), (1, attempt));
            let error = StepError::permanent("NEVER", "no");
            subscription.ended(1, if permanent { Err(error) } else { down() }, now);
            now = now + Duration::from_secs(60);
        }
        let dead = subscription.changes().unwrap().parked.remove(0);
        assert_eq!((dead.position, dead.next_at, dead.attempts), (1, None, attempts));
        assert_eq!(subscription.next(now).unwrap().position, 2);
    }
}

#[test]
fn what_was_parked_ahead_of_the_cursor_stays_as_it_is_when_it_arrives_once_more() {
    let mut subscription = fresh();
    subscription.arrived([(1, TaskNo(7)), (2, TaskNo(8)), (3, TaskNo(8))], 3, NOW);
    positions(&mut subscription, NOW);
    subscription.ended(2, down(), NOW);
    let changes = subscription.changes().unwrap();
    assert_eq!(changes.cursor, 0);
    let dead = ParkedEvent { next_at: None, attempts: 3, ..behind(4, TaskNo(9), NOW) };
    let parked = changes.parked.into_iter().chain([dead]);
    let mut successor = Subscription::new(rules(), 0, parked, false);
    let log = [(1, TaskNo(7)), (2, TaskNo(8)), (3, TaskNo(8)), (4, TaskNo(9))];
    successor.arrived(log, 4, NOW);
    assert_eq!(positions(&mut successor, NOW), [1]);
    let due = successor.due().unwrap();
    assert_eq!(successor.next(due).map(|delivery| (delivery.position, delivery.attempt)), Some((2, 2)));
    successor.ended(1, Ok(()), due);
    assert_eq!(successor.settled_to(), 4);
}

#[test]
fn without_order_nothing_waits_for_what_failed() {
    let rules = SubscriptionRules { ordered: false, ..rules() };
    let mut subscription = Subscription::new(rules, 0, [], false);
    subscription.arrived([(1, TaskNo(7)), (2, TaskNo(7)), (3, TaskNo(7))], 3, NOW);
    assert_eq!(positions(&mut subscription, NOW), [1, 2]);
    subscription.ended(1, down(), NOW);
    assert_eq!(positions(&mut subscription, NOW), [3]);
    let parked = subscription.changes().unwrap().parked.remove(0);
    assert_eq!((parked.position, parked.task), (1, TaskNo(7)));
    // Read back, it is as it was.
    let due = parked.next_at.unwrap();
    let mut successor = Subscription::new(rules, 1, [parked], false);
    assert_eq!(successor.next(due).map(|delivery| delivery.attempt), Some(2));
    successor.ended(1, down(), due);
    assert_eq!(successor.changes().unwrap().parked[0].task, TaskNo(7));
}

#[test]
fn ten_thousand_and_one_parked_events_stop_it() {
    let mut subscription = fresh();
    let most = i64::try_from(MAX_PARKED).unwrap();
    subscription.arrived([(1, TaskNo(7))], 1, NOW);
    subscription.next(NOW).unwrap();
    subscription.ended(1, down(), NOW);
    subscription.arrived((2..=most).map(|position| (position, TaskNo(7))), most, NOW);
    assert!(!subscription.is_blocked());
    assert_eq!(subscription.room(), MAX_OPEN);
    subscription.arrived([(most + 1, TaskNo(7))], most + 1, NOW);
    assert_eq!((subscription.is_blocked(), subscription.room()), (true, 0));
    let changes = subscription.changes().unwrap();
    assert!(changes.blocked);
    // Resumed, it takes more once it was read back.
    let resumed = Subscription::new(rules(), changes.cursor, changes.parked, false);
    assert_eq!((resumed.room(), resumed.parked()), (MAX_OPEN, MAX_PARKED + 1));
}

#[test]
fn what_could_not_be_written_is_written_with_what_follows() {
    let mut subscription = fresh();
    subscription.arrived([(1, TaskNo(7)), (2, TaskNo(8))], 2, NOW);
    positions(&mut subscription, NOW);
    subscription.ended(1, down(), NOW);
    let refused = subscription.changes().unwrap();
    subscription.ended(2, down(), NOW);
    subscription.not_written(refused);
    let parked: Vec<i64> =
        subscription.changes().unwrap().parked.iter().map(|event| event.position).collect();
    assert_eq!(parked, [1, 2]);
}

/// What happens to a subscription and its owner.
#[derive(Clone, Debug)]
enum Happens {
    Read(usize),
    Start,
    /// One of those that run ends: 0, 1 well, 2 to be tried again, 3 for good.
    End(usize, u8),
    Later,
    Write(bool),
    Crash,
}

fn happenings() -> impl Strategy<Value = Vec<Happens>> {
    let one = prop_oneof![
        3 => (1..5usize).prop_map(Happens::Read),
        6 => Just(Happens::Start),
        5 => (0..8usize, 0..4u8).prop_map(|(which, how)| Happens::End(which, how)),
        2 => Just(Happens::Later),
        2 => any::<bool>().prop_map(Happens::Write),
        1 => Just(Happens::Crash),
    ];
    prop::collection::vec(one, 1..150)
}

/// The database, and what was seen by the handler.
struct World {
    log: Vec<(i64, TaskNo)>,
    cursor: i64,
    parked: BTreeMap<i64, ParkedEvent>,
    seen: Vec<i64>,
    delivered: BTreeSet<i64>,
    running: Vec<i64>,
    now: Timestamp,
    owner: Subscription,
}

impl World {
    fn read(&mut self, count: usize) {
        let after = self.owner.read();
        let next: Vec<_> = self.log.iter().copied().filter(|(at, _)| *at > after).take(count).collect();
        let read = next.last().map_or(after, |(at, _)| *at);
        self.owner.arrived(next, read, self.now);
    }

    fn start(&mut self) -> bool {
        let Some(delivery) = self.owner.next(self.now) else { return false };
        let before = self.parked.get(&delivery.position);
        assert!(before.is_none_or(|event| event.next_at.is_some() && event.attempts < delivery.attempt));
        self.seen.push(delivery.position);
        self.running.push(delivery.position);
        true
    }

    fn end(&mut self, which: usize, how: u8) {
        if self.running.is_empty() {
            return;
        }
        let position = self.running.remove(which % self.running.len());
        let outcome = match how {
            0 | 1 => Ok(()),
            2 => down(),
            _ => Err(StepError::permanent("NEVER", "no")),
        };
        if outcome.is_ok() {
            self.delivered.insert(position);
        }
        self.owner.ended(position, outcome, self.now);
    }

    fn write(&mut self, done: bool) {
        let Some(changes) = self.owner.changes() else { return };
        if !done {
            return self.owner.not_written(changes);
        }
        self.cursor = changes.cursor;
        changes.parked.iter().for_each(|event| drop(self.parked.insert(event.position, event.clone())));
        changes.delivered.iter().for_each(|position| drop(self.parked.remove(position)));
        self.owner.written(&changes);
    }

    fn crash(&mut self, rules: SubscriptionRules) {
        self.running.clear();
        self.owner = Subscription::new(rules, self.cursor, self.parked.values().cloned(), false);
    }

    fn task(&self, position: i64) -> TaskNo {
        self.log.iter().find(|(at, _)| *at == position).unwrap().1
    }
}

proptest! {
    /// Whatever fails and whenever a process ends: nothing is lost, and of each task the first sightings are in order.
    #[test]
    fn each_event_is_delivered_or_a_dead_letter_and_first_sightings_are_in_order(
        tasks in prop::collection::vec(0..4i64, 1..40),
        happenings in happenings(),
        ordered in any::<bool>(),
    ) {
        let rules = SubscriptionRules { ordered, concurrency: 3, ..rules() };
        // Positions have gaps.
        let log: Vec<_> = (1..).zip(tasks).map(|(at, task)| (at * 3, TaskNo(task))).collect();
        let mut world = World {
            log, cursor: 0, parked: BTreeMap::new(), seen: Vec::new(), delivered: BTreeSet::new(),
            running: Vec::new(), now: NOW, owner: Subscription::new(rules, 0, [], false),
        };
        for happens in happenings {
            match happens {
                Happens::Read(count) => world.read(count),
                Happens::Start => drop(world.start()),
                Happens::End(which, how) => world.end(which, how),
                Happens::Later => world.now = world.now + Duration::from_secs(3),
                Happens::Write(done) => world.write(done),
                Happens::Crash => world.crash(rules),
            }
            let of_task = |position: &i64| world.task(*position);
            let busy: BTreeSet<TaskNo> = world.running.iter().map(of_task).collect();
            prop_assert!(!ordered || busy.len() == world.running.len(), "two of one task at once");
            let behind = world.log.iter().filter(|(at, _)| *at <= world.cursor);
            for (at, _) in behind {
                let known = world.delivered.contains(at) || world.parked.contains_key(at);
                prop_assert!(known, "{at} is lost behind the cursor {}", world.cursor);
            }
        }
        // With nothing in the way any more, all of it comes to its end.
        for _ in 0..world.log.len() * 2 + 10 {
            world.read(10);
            while world.start() {}
            while !world.running.is_empty() {
                world.end(0, 0);
            }
            world.write(true);
            world.now = world.now + Duration::from_secs(60);
        }
        for (at, _) in &world.log {
            let is_dead = world.parked.get(at).is_some_and(|event| event.next_at.is_none());
            prop_assert!(world.delivered.contains(at) || is_dead, "{at}");
        }
        prop_assert!(world.parked.values().all(|event| event.next_at.is_none()));
        prop_assert_eq!(world.cursor, world.log.last().unwrap().0);
        if ordered {
            for task in 0..4 {
                let mut first = Vec::new();
                for position in world.seen.iter().filter(|position| world.task(**position) == TaskNo(task)) {
                    if !first.contains(position) {
                        first.push(*position);
                    }
                }
                prop_assert!(first.is_sorted(), "{first:?}");
            }
        }
    }
}

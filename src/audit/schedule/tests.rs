//! The rules one by one, and a model: whatever happens, every event is delivered once and in order.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn schedule() -> Schedule {
    Schedule::new(&AuditConfig::default())
}

fn cargo(step: Step) -> Cargo {
    match step {
        Step::Send(cargo) => cargo,
        step => panic!("{step:?}"),
    }
}

fn names(cargo: &Cargo) -> Vec<&str> {
    cargo.lanes.iter().map(AsRef::as_ref).collect()
}

fn report(cargo: &Cargo, removed: u64, end: End) -> Report {
    let removed = cargo.lanes.iter().map(|lane| (Arc::clone(lane), removed)).collect();
    let reached = end == End::Clear;
    Report { removed, reached, pause: cargo.pause, end }
}

fn outage() -> End {
    End::Outage(Outage { class: OutageClass::Unreachable, retry_after: None })
}

fn server_error(cargo: &Cargo, events: usize) -> End {
    End::ServerError { lanes: cargo.lanes.clone(), events }
}

fn with_events(counts: &[(&str, i64)], now: Instant) -> Schedule {
    let mut schedule = schedule();
    let mut seq = 0;
    for (correlation, count) in counts {
        for _ in 0..*count {
            seq += 1;
            assert!(schedule.arrived(correlation, seq, None, now));
        }
    }
    schedule
}

#[test]
fn an_event_waits_for_company_unless_the_request_is_full_or_somebody_is_in_a_hurry() {
    let now = Instant::now();
    let linger = Duration::from_millis(200);
    let mut lone = with_events(&[("a", 1)], now);
    assert_eq!(lone.next(now), Step::Wait(Some(now + linger)));
    assert_eq!(names(&cargo(lone.next(now + linger))), ["a"]);
    let mut full = with_events(&[("a", 99), ("b", 1)], now);
    assert_eq!(names(&cargo(full.next(now))), ["a", "b"]);
    let mut hurried = with_events(&[("a", 1)], now);
    hurried.hurry();
    assert_eq!(names(&cargo(hurried.next(now))), ["a"]);
    let mut draining = with_events(&[("a", 1)], now);
    draining.drain();
    assert_eq!(names(&cargo(draining.next(now))), ["a"]);
}

#[test]
fn another_pace_counts_from_the_next_step_on() {
    let now = Instant::now();
    let mut schedule = schedule();
    schedule.set_pace(&AuditConfig { linger: Duration::from_secs(5), ..AuditConfig::default() });
    assert!(schedule.arrived("rr-1", 1, None, now) && schedule.arrived("rr-2", 2, None, now));
    assert_eq!(schedule.next(now), Step::Wait(Some(now + Duration::from_secs(5))));
    schedule.set_pace(&AuditConfig { linger: Duration::from_millis(50), batch_size: 1, ..AuditConfig::default() });
    assert_eq!(names(&cargo(schedule.next(now + Duration::from_millis(60)))), ["rr-1"], "no company needed any more");
}

#[test]
fn one_request_at_a_time_for_each_correlation_and_two_in_all() {
    let now = Instant::now();
    let mut schedule = with_events(&[("a", 150), ("b", 150), ("c", 150)], now);
    let first = cargo(schedule.next(now));
    let second = cargo(schedule.next(now));
    assert_eq!((names(&first), names(&second)), (vec!["a"], vec!["b"]));
    assert_eq!(schedule.next(now), Step::Wait(None), "both senders are busy");
    schedule.returned(&report(&first, 100, End::Clear), now, 0.5);
    assert_eq!(names(&cargo(schedule.next(now))), ["a", "c"], "it still has the oldest events");
}

#[test]
fn a_request_has_a_bounded_number_of_correlations() {
    let now = Instant::now();
    let mut schedule = schedule();
    for number in 0..40 {
        assert!(schedule.arrived(&format!("rr-{number}"), number, None, now));
    }
    schedule.hurry();
    assert_eq!(cargo(schedule.next(now)).lanes.len(), REQUEST_LANES_MAX);
}

#[test]
fn lanes_are_bounded_and_come_in_when_there_is_room() {
    let now = Instant::now();
    let mut schedule = schedule();
    for number in 0..4_096 {
        assert!(schedule.arrived(&format!("rr-{number}"), number, None, now));
    }
    assert!(!schedule.arrived("late", 5_000, None, now));
    assert!(schedule.arrived("rr-7", 5_001, None, now), "known correlations may grow");
    let first = cargo(schedule.next(now));
    schedule.returned(&report(&first, 1, End::Clear), now, 0.5);
    assert!(schedule.arrived("late", 5_000, None, now));
}

#[test]
fn an_outage_stops_everybody_and_one_event_finds_out_whether_it_is_over() {
    let mut now = Instant::now();
    let mut schedule = with_events(&[("a", 150), ("b", 150)], now);
    let both = [cargo(schedule.next(now)), cargo(schedule.next(now))];
    for cargo in &both {
        schedule.returned(&report(cargo, 0, outage()), now, 1.0);
    }
    for _ in 0..2 {
        let Step::Wait(Some(until)) = schedule.next(now) else { panic!("no pause") };
        now = until;
        let probe = cargo(schedule.next(now));
        assert_eq!(schedule.next(now), Step::Wait(None), "one at a time");
        schedule.returned(&report(&probe, 0, outage()), now, 1.0);
    }
    assert_eq!(schedule.circuit_state(now), State::Open);
    let Step::Wait(Some(until)) = schedule.next(now) else { panic!("no pause") };
    let probe = cargo(schedule.next(until));
    assert_eq!((probe.lanes.len(), probe.events_max), (1, 1), "the smallest request");
    schedule.returned(&report(&probe, 1, End::Clear), until, 1.0);
    assert_eq!(schedule.circuit_state(until), State::Closed);
    assert_eq!(cargo(schedule.next(until)).events_max, 100);
}

#[test]
fn doubt_stops_its_correlation_until_the_question_is_answered() {
    let now = Instant::now();
    let mut schedule = with_events(&[("a", 100), ("b", 100)], now);
    let first = cargo(schedule.next(now));
    assert_eq!(names(&first), ["a"]);
    let ask_at = now + 35 * SECOND;
    let doubt = End::Doubt { lanes: first.lanes.clone(), ask_at, answer_lost: false };
    schedule.returned(&report(&first, 0, doubt), now, 0.5);
    let second = cargo(schedule.next(now));
    assert_eq!(names(&second), ["b"], "others go on");
    schedule.returned(&report(&second, 100, End::Clear), now, 0.5);
    assert_eq!(schedule.next(now), Step::Wait(Some(ask_at)));
    let Step::Ask(lane) = schedule.next(ask_at) else { panic!("no question") };
    let again = ask_at + 120 * SECOND;
    schedule.answered(&lane, schedule.pause(), Answer::AskAgain { stored: 1, at: again }, ask_at, 0.5);
    assert_eq!(schedule.next(ask_at), Step::Wait(Some(again)));
    assert_eq!(schedule.next(again), Step::Ask(Arc::clone(&lane)));
    schedule.answered(&lane, schedule.pause(), Answer::Settled { stored: 60 }, again, 0.5);
    schedule.hurry();
    let rest = cargo(schedule.next(again));
    schedule.returned(&report(&rest, 39, End::Clear), again, 0.5);
    assert!(schedule.is_idle());
}

#[test]
fn answers_that_are_lost_one_after_the_other_are_an_outage() {
    let mut now = Instant::now();
    let mut schedule = with_events(&[("a", 100), ("b", 100), ("c", 100), ("d", 100)], now);
    for _ in 0..3 {
        let cargo = loop {
            match schedule.next(now) {
                Step::Send(cargo) => break cargo,
                Step::Wait(until) => now = until.unwrap(),
                step => panic!("{step:?}"),
            }
        };
        let ask_at = now + 3_600 * SECOND;
        let lost = End::Doubt { lanes: cargo.lanes.clone(), ask_at, answer_lost: true };
        schedule.returned(&report(&cargo, 0, lost), now, 1.0);
    }
    assert_eq!(schedule.circuit_state(now), State::Open);
}

#[test]
fn where_only_questions_are_refused_events_are_sent_again() {
    let mut now = Instant::now();
    let mut schedule = with_events(&[("a", 100), ("b", 100)], now);
    let first = cargo(schedule.next(now));
    let doubt = End::Doubt { lanes: first.lanes.clone(), ask_at: now, answer_lost: false };
    schedule.returned(&report(&first, 0, doubt), now, 0.5);
    let forbidden = Answer::Failed(Outage { class: OutageClass::Forbidden, retry_after: None });
    let mut sent = Vec::new();
    for _ in 0..100 {
        match schedule.next(now) {
            Step::Ask(lane) => schedule.answered(&lane, schedule.pause(), forbidden, now, 0.5),
            Step::Send(cargo) => {
                sent.extend(names(&cargo).into_iter().map(str::to_owned));
                schedule.returned(&report(&cargo, 100, End::Clear), now, 0.5);
            }
            Step::Wait(until) => now = until.unwrap_or(now + SECOND),
            Step::Park(lane) => panic!("{lane}"),
        }
    }
    assert_eq!(sent, ["b", "a"]);
}

#[test]
fn what_an_earlier_process_left_in_doubt_is_asked_for_first() {
    let now = Instant::now();
    let mut schedule = schedule();
    let ask_at = now + SECOND;
    assert!(schedule.arrived("a", 1, Some(ask_at), now));
    assert!(schedule.arrived("a", 2, None, now));
    schedule.hurry();
    assert_eq!(schedule.next(now), Step::Wait(Some(ask_at)));
    assert_eq!(schedule.next(ask_at), Step::Ask("a".into()));
}

#[test]
fn a_lane_whose_events_the_database_refuses_is_sent_alone_in_ever_smaller_parts_and_then_parked() {
    let mut now = Instant::now();
    let mut schedule = with_events(&[("bad", 8)], now);
    let (mut sizes, mut seq) = (Vec::new(), 100);
    let parked = loop {
        // Somebody else's event is taken in between: the fault is not the server's.
        now += Duration::from_millis(100);
        seq += 1;
        assert!(schedule.arrived("good", seq, None, now));
        schedule.hurry();
        match schedule.next(now) {
            Step::Send(cargo) if names(&cargo).contains(&"bad") => {
                sizes.push(cargo.events_max.min(8));
                schedule.returned(&report(&cargo, 0, server_error(&cargo, cargo.events_max.min(8))), now, 0.0);
            }
            Step::Send(cargo) => schedule.returned(&report(&cargo, 1, End::Clear), now, 0.0),
            Step::Park(lane) => break lane,
            Step::Wait(until) => now = until.unwrap_or(now + SECOND),
            Step::Ask(lane) => panic!("nothing is in doubt: {lane}"),
        }
        assert!(sizes.len() < 100, "{sizes:?}");
    };
    assert_eq!(&*parked, "bad");
    sizes.dedup();
    assert!(sizes.ends_with(&[8, 4, 2, 1]), "{sizes:?}");
}

#[test]
fn nobody_is_suspected_while_the_server_takes_nothing_at_all() {
    let mut now = Instant::now();
    let mut schedule = with_events(&[("a", 8)], now);
    for _ in 0..200 {
        schedule.hurry();
        match schedule.next(now) {
            Step::Send(cargo) => schedule.returned(&report(&cargo, 0, server_error(&cargo, 8)), now, 1.0),
            Step::Wait(until) => now = until.unwrap_or(now + SECOND),
            step => panic!("{step:?}"),
        }
    }
    assert_ne!(schedule.circuit_state(now), State::Closed);
}

#[test]
fn a_suspect_takes_its_turn_only_when_nothing_else_of_its_correlation_is_under_way() {
    let now = Instant::now();
    let mut schedule = with_events(&[("a", 100)], now);
    let first = cargo(schedule.next(now));
    assert_eq!(schedule.take("a", now), None);
    let (other, pause) = schedule.take("b", now).unwrap();
    assert_eq!(schedule.take("c", now), None, "both senders are busy");
    let done = Report { removed: vec![(other, 0)], reached: true, pause, end: End::Clear };
    schedule.returned(&done, now, 0.5);
    schedule.returned(&report(&first, 100, End::Clear), now, 0.5);
    assert!(schedule.is_idle());
}

/// What may happen next in the model.
#[derive(Debug, Clone)]
enum Move {
    Record(u8),
    /// The oldest or the newest request comes back.
    Return {
        newest: bool,
        outcome: u8,
        part: u8,
    },
    Pass(u16),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        3 => (0..5_u8).prop_map(Move::Record),
        4 => (any::<bool>(), 0..7_u8, any::<u8>()).prop_map(|(newest, outcome, part)| Move::Return { newest, outcome, part }),
        2 => (1..40_000_u16).prop_map(Move::Pass),
    ];
    prop::collection::vec(one, 1..120)
}

/// Requests as a server and a sender would treat them.
struct World {
    schedule: Schedule,
    now: Instant,
    seq: i64,
    /// Events not acknowledged yet, and whether the server has them.
    waiting: BTreeMap<String, VecDeque<(i64, bool)>>,
    /// What the server has, in its order.
    stored: BTreeMap<String, Vec<i64>>,
    requests: VecDeque<Step>,
}

impl World {
    fn new() -> Self {
        let mut schedule = schedule();
        schedule.drain();
        Self {
            schedule,
            now: Instant::now(),
            seq: 0,
            waiting: BTreeMap::new(),
            stored: BTreeMap::new(),
            requests: VecDeque::new(),
        }
    }

    fn record(&mut self, correlation: u8) {
        self.seq += 1;
        let name = format!("rr-{correlation}");
        assert!(self.schedule.arrived(&name, self.seq, None, self.now));
        self.waiting.entry(name).or_default().push_back((self.seq, false));
    }

    /// Starts what may start.
    fn start(&mut self) -> Option<Instant> {
        loop {
            match self.schedule.next(self.now) {
                Step::Wait(until) => return until,
                step => self.requests.push_back(step),
            }
            let mut under_way: Vec<&str> = self.requests.iter().flat_map(lanes_of).collect();
            assert!(self.requests.len() <= 2, "{:?}", self.requests);
            under_way.sort_unstable();
            assert!(under_way.windows(2).all(|pair| pair[0] != pair[1]), "{under_way:?}");
        }
    }

    /// The server stores the first `count` events of a lane that it does not have.
    fn store(&mut self, lane: &str, count: usize) {
        let waiting = self.waiting.get_mut(lane).unwrap();
        let stored = self.stored.entry(lane.to_owned()).or_default();
        for (seq, has) in waiting.iter_mut().take(count) {
            assert!(!*has, "{lane}: {seq} is sent although the server has it");
            *has = true;
            stored.push(*seq);
        }
    }

    fn acknowledge(&mut self, lane: &str) -> u64 {
        let waiting = self.waiting.get_mut(lane).unwrap();
        let before = waiting.len();
        waiting.retain(|(_, has)| !has);
        (before - waiting.len()) as u64
    }

    fn finish(&mut self, request: Step, outcome: u8, part: u8) {
        let now = self.now;
        match request {
            Step::Send(cargo) => {
                let events = usize::from(part) % cargo.events_max + 1;
                let end = match outcome {
                    0..=2 => End::Clear,
                    3 => outage(),
                    4 => server_error(&cargo, events),
                    _ => {
                        End::Doubt { lanes: cargo.lanes.clone(), ask_at: now + 35 * SECOND, answer_lost: outcome == 6 }
                    }
                };
                let mut removed = Vec::new();
                for lane in &cargo.lanes {
                    if outcome <= 2 || outcome == 5 {
                        self.store(lane, events);
                    }
                    let gone = if outcome <= 2 { self.acknowledge(lane) } else { 0 };
                    removed.push((Arc::clone(lane), gone));
                }
                let reached = end == End::Clear;
                self.schedule.returned(&Report { removed, reached, pause: cargo.pause, end }, now, 0.5);
            }
            Step::Ask(lane) => {
                let answer = match outcome {
                    0..=3 => Answer::Settled { stored: self.acknowledge(&lane) },
                    4 => Answer::AskAgain { stored: self.acknowledge(&lane), at: now + 30 * SECOND },
                    5 => Answer::StoreFailed,
                    _ => Answer::Failed(Outage { class: OutageClass::Unavailable, retry_after: None }),
                };
                let pause = self.schedule.pause();
                self.schedule.answered(&lane, pause, answer, now, 0.5);
            }
            Step::Park(lane) => {
                let removed = vec![(lane, 0)];
                let pause = self.schedule.pause();
                self.schedule.returned(&Report { removed, reached: false, pause, end: End::Clear }, now, 0.5);
            }
            Step::Wait(_) => {}
        }
    }
}

fn lanes_of(step: &Step) -> Vec<&str> {
    match step {
        Step::Send(cargo) => names(cargo),
        Step::Ask(lane) | Step::Park(lane) => vec![lane],
        Step::Wait(_) => Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_event_is_delivered_once_and_in_order(moves in moves()) {
        let mut world = World::new();
        for step in moves {
            match step {
                Move::Record(correlation) => world.record(correlation),
                Move::Pass(millis) => world.now += Duration::from_millis(millis.into()),
                Move::Return { newest, outcome, part } => {
                    let request = if newest { world.requests.pop_back() } else { world.requests.pop_front() };
                    if let Some(request) = request {
                        world.finish(request, outcome, part);
                    }
                }
            }
            world.start();
        }
        // From now on everything goes well, and it ends.
        let mut rounds = 0;
        while !world.schedule.is_idle() {
            rounds += 1;
            prop_assert!(rounds < 2_000, "it never ends: {:?}", world.schedule);
            if let Some(until) = world.start() {
                world.now = world.now.max(until);
            }
            while let Some(request) = world.requests.pop_front() {
                world.finish(request, 0, 99);
            }
        }
        let everything: usize = world.stored.values().map(Vec::len).sum();
        prop_assert_eq!(everything, usize::try_from(world.seq).unwrap());
        for (lane, stored) in &world.stored {
            prop_assert!(stored.is_sorted_by(|a, b| a < b), "{}: {:?}", lane, stored);
        }
    }
}

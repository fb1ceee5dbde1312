//! Properties of each kind of window over random requests, with clocks that jump and alarms that come
//! when they like. One instance, no crashes: what it decides is compared with a naive model that keeps
//! every permit and counts all of them anew for each request.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use limits::{Book, Charge, Policy, Quota, Retry, UnixMillis, Window};
use proptest::prelude::*;

mod world;
use world::World;

const START: u64 = 1_800_000_000_000;
const HOLDERS: [&str; 4] = ["a", "b", "c", "d"];

/// One step of a schedule.
#[derive(Debug, Clone)]
struct Step {
    /// How far the clock moves before it; backwards by less than `KEEP_MS` in all.
    clock_ms: i64,
    cost: u32,
    /// Picks the holder.
    holder: usize,
    /// Whether the holder releases what it holds first.
    releases: bool,
    /// Whether a waking that is due happens first.
    wakes: bool,
    /// Whether the quota is the second of the two.
    other_quota: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let clock = prop_oneof![4 => 0i64..300, 3 => -900i64..3_000, 1 => 0i64..30_000];
    let step = (clock, 0u32..6, 0usize..4, prop::bool::weighted(0.2), any::<bool>(), any::<bool>());
    let step = step.prop_map(|(clock_ms, cost, holder, releases, wakes, other_quota)| Step {
        clock_ms,
        cost,
        holder,
        releases,
        wakes,
        other_quota,
    });
    prop::collection::vec(step, 1..50)
}

fn quotas() -> impl Strategy<Value = [u32; 2]> {
    prop_oneof![2 => [1u32..40, 1u32..40], 1 => [1u32..200, 1u32..200]]
}

fn policy(name: &str, quota: u32, window: Window) -> Policy {
    Policy::new(name, Quota::units(quota).unwrap(), window).unwrap()
}

/// A permit that the model remembers.
#[derive(Debug, Clone)]
struct Taken {
    at: u64,
    units: u32,
    holder: usize,
    /// When its units come back, and whether they were released before.
    until: u64,
    released: bool,
}

/// The permits whose units are in use, the latest first, told from the list of all permits alone.
fn alive(taken: &[Taken], now: u64) -> impl Iterator<Item = &Taken> {
    // What a later permit saw as expired stays so, even if the clock then goes back.
    let seen = taken.iter().rev().scan(now, |seen, one| {
        let before = *seen;
        *seen = before.max(one.at);
        Some((before, one))
    });
    seen.filter(|(seen, one)| !one.released && *seen < one.until).map(|(_, one)| one)
}

fn count(taken: &[Taken], now: u64) -> u32 {
    alive(taken, now).map(|one| one.units).sum()
}

/// When a permit's units come back.
fn until(taken: &[Taken], window: Window, now: u64) -> u64 {
    let last = alive(taken, now).next().map(|one| one.until);
    match window {
        Window::Fixed { ms } => last.unwrap_or(now + ms),
        Window::Calendar { ms } => {
            last.unwrap_or(now.next_multiple_of(ms) + if now.is_multiple_of(ms) { ms } else { 0 })
        }
        Window::Sliding { ms } | Window::Concurrency { lease_ms: ms } => last.unwrap_or(0).max(now + ms),
        Window::Bucket { .. } => unreachable!("has a model of its own"),
    }
}

/// The promises of every denial: nothing changed, and `retry_at` is exact, whatever the clock did.
fn check_denial(book: &Book, world: &World, policy: &Policy, cost: u32, retry: Retry, now: u64) {
    let admitted =
        |now: u64| world.clone().take(&mut book.clone(), policy, cost, UnixMillis(now)).is_admitted();
    match retry {
        Retry::Now => panic!("denied with room"),
        Retry::Never => assert!(cost > policy.quota().limit().unwrap()),
        Retry::At(at) => {
            assert!(at.0 > now);
            assert!(!admitted(at.0 - 1), "had room before {at:?}");
            assert!(admitted(at.0), "has no room at {at:?}");
        }
    }
    for back in [1, 700, 100_000] {
        assert!(!admitted(now - back), "a clock that went back by {back} ms made room");
    }
}

fn check_window(window: Window, quotas: [u32; 2], steps: &[Step]) {
    let policies = quotas.map(|quota| policy("test", quota, window));
    let (mut book, mut world) = (Book::default(), World::default());
    let mut taken: Vec<Taken> = Vec::new();
    let mut now = START;
    for step in steps {
        now = now.saturating_add_signed(step.clock_ms);
        let instant = UnixMillis(now);
        let policy = &policies[usize::from(step.other_quota)];
        let limit = policy.quota().limit().unwrap();
        let holder = HOLDERS[step.holder];
        if step.wakes {
            world.wake_if_due(&mut book, instant);
        }
        if step.releases && matches!(window, Window::Concurrency { .. }) {
            let Ok(effects) = book.release(policy, holder, instant, |name| world.read(name));
            world.apply_all(effects);
            let held = count(&taken, now);
            let alive = |one: &&mut Taken| one.holder == step.holder && now < one.until;
            taken.iter_mut().filter(alive).for_each(|one| one.released = true);
            if count(&taken, now) < held {
                // Writing the ledger drops what has expired, as a permit does.
                taken.push(Taken { at: now, units: 0, holder: step.holder, until: now, released: true });
            }
        }

        let used = count(&taken, now);
        let before = world.clone();
        let charge = Charge::new(policy, step.cost).held_by(holder).unwrap();
        let decision = world.decide(&mut book, &[charge], instant);
        let standing = decision.standings[0];
        assert_eq!(
            decision.is_admitted(),
            step.cost == 0 || used + step.cost <= limit,
            "{used} of {limit} used"
        );
        if !decision.is_admitted() || step.cost == 0 {
            assert_eq!((&world.stored, world.wake_at), (&before.stored, before.wake_at));
            assert_eq!(standing.used, used);
        }
        assert_eq!(standing.remaining().unwrap(), limit.saturating_sub(standing.used));
        if !decision.is_admitted() {
            check_denial(&book, &world, policy, step.cost, standing.retry, now);
        } else if step.cost > 0 {
            let until = until(&taken, window, now);
            taken.push(Taken { at: now, units: step.cost, holder: step.holder, until, released: false });
            assert_eq!((standing.used, standing.reset_at.0), (used + step.cost, until));
            assert!(count(&taken, now) <= limit);
        }
    }
    assert_cleans_up(book, world, now);
}

/// However a schedule ends, nothing is left once all is over.
fn assert_cleans_up(mut book: Book, mut world: World, now: u64) {
    let mut now = now;
    for _ in 0..20 {
        let Some(at) = world.wake_at else { break };
        now = now.max(at.0);
        world.wake_if_due(&mut book, UnixMillis(now));
    }
    assert_eq!((world.stored.len(), world.wake_at), (0, None));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(10_000) })]

    #[test]
    fn fixed_window(ms in 1u64..5_000, quotas in quotas(), steps in steps()) {
        check_window(Window::Fixed { ms }, quotas, &steps);
    }

    #[test]
    fn calendar_window(ms in 1u64..5_000, quotas in quotas(), steps in steps()) {
        check_window(Window::Calendar { ms }, quotas, &steps);
    }

    #[test]
    fn sliding_window(ms in 1u64..5_000, quotas in quotas(), steps in steps()) {
        check_window(Window::Sliding { ms }, quotas, &steps);
    }

    #[test]
    fn concurrency(lease_ms in 1u64..5_000, quotas in quotas(), steps in steps()) {
        check_window(Window::Concurrency { lease_ms }, quotas, &steps);
    }

    /// The model is the theoretical arrival time, in fractions of 1/quota ms. A clock that goes back finds
    /// the bucket as it was when it was last written, of which the model knows nothing, so they agree
    /// only while it does not. The bound holds anyway: in readings from a to b at most the quota and what
    /// flows in during b - a and the time that the clock went back.
    #[test]
    fn bucket(ms in 1u64..5_000, quotas in quotas(), goes_back: bool, steps in steps()) {
        let (quota, length) = (u128::from(quotas[0]), u128::from(ms));
        let policy = policy("test", quotas[0], Window::Bucket { ms });
        let (mut book, mut world) = (Book::default(), World::default());
        let (mut now, mut furthest, mut back_ms, mut arrival) = (START, 0, 0, 0u128);
        let mut taken: Vec<(u64, u32)> = Vec::new();
        for step in &steps {
            let clock_ms = if goes_back { step.clock_ms } else { step.clock_ms.abs() };
            now = now.saturating_add_signed(clock_ms);
            furthest = furthest.max(now);
            back_ms = back_ms.max(furthest - now);
            let instant = UnixMillis(now);
            if step.wakes {
                world.wake_if_due(&mut book, instant);
            }
            let before = world.clone();
            let decision = world.take(&mut book, &policy, step.cost, instant);
            let standing = decision.standings[0];
            let (start, cost) = (u128::from(now) * quota, u128::from(step.cost) * length);
            let next = arrival.max(start) + cost;
            let fits = step.cost == 0 || next <= start + quota * length;
            if !goes_back {
                prop_assert_eq!(decision.is_admitted(), fits);
            }
            if !decision.is_admitted() || step.cost == 0 {
                prop_assert_eq!((&world.stored, world.wake_at), (&before.stored, before.wake_at));
            }
            if decision.is_admitted() {
                arrival = next;
                taken.push((now, step.cost));
            } else {
                check_denial(&book, &world, &policy, step.cost, standing.retry, now);
            }
            if !goes_back {
                let used = arrival.saturating_sub(start);
                prop_assert_eq!(u128::from(standing.used), used.div_ceil(length));
                prop_assert_eq!(u128::from(standing.reset_at.0 - now), used.div_ceil(quota));
            }
        }
        taken.sort_unstable();
        for (from, &(a, _)) in taken.iter().enumerate() {
            let mut units = 0;
            for &(b, cost) in &taken[from..] {
                units += u128::from(cost);
                prop_assert!(units * length <= quota * (length + u128::from(b - a + back_ms)));
            }
        }
        assert_cleans_up(book, world, furthest);
    }

    /// Several policies at once: all are charged or none is, and the denial knows when all have room.
    #[test]
    fn several_policies(
        quotas in prop::collection::vec(1u32..30, 5),
        lengths in prop::collection::vec(1u64..5_000, 5),
        steps in prop::collection::vec((0u64..1_500, prop::collection::vec(0u32..5, 5), 1usize..32), 1..20),
    ) {
        let ms = |i: usize| lengths[i];
        let policies = [
            policy("fixed", quotas[0], Window::Fixed { ms: ms(0) }),
            policy("calendar", quotas[1], Window::Calendar { ms: ms(1) }),
            policy("sliding", quotas[2], Window::Sliding { ms: ms(2) }),
            policy("bucket", quotas[3], Window::Bucket { ms: ms(3) }),
            policy("concurrency", quotas[4], Window::Concurrency { lease_ms: ms(4) }).in_shadow(),
        ];
        let (mut book, mut world) = (Book::default(), World::default());
        let mut now = START;
        for (clock_ms, costs, chosen) in &steps {
            now += clock_ms;
            world.wake_if_due(&mut book, UnixMillis(now));
            let charges = |peek: bool| -> Vec<_> {
                (0..5)
                    .filter(|i| chosen >> i & 1 == 1)
                    .map(|i| Charge::new(&policies[i], if peek { 0 } else { costs[i] }))
                    .collect()
            };
            let costs: Vec<_> = (0..5).filter(|i| chosen >> i & 1 == 1).map(|i| costs[i]).collect();
            let admitted = |now: u64| {
                world.clone().decide(&mut book.clone(), &charges(false), UnixMillis(now)).is_admitted()
            };
            let before = world.clone().decide(&mut book.clone(), &charges(true), UnixMillis(now));
            prop_assert!(before.is_admitted());
            let fits = before.standings.iter().zip(&costs).all(|(standing, &cost)| {
                standing.policy.is_shadow() || cost == 0 || cost <= standing.remaining().unwrap()
            });
            prop_assert_eq!(admitted(now), fits);
            let mut after = world.clone();
            let mut later = book.clone();
            let decision = after.decide(&mut later, &charges(false), UnixMillis(now));
            for ((old, new), &cost) in before.standings.iter().zip(&decision.standings).zip(&costs) {
                let taken = if decision.is_admitted() && !new.would_refuse() { cost } else { 0 };
                // Whole units of a bucket may hide that a fraction more is in use.
                prop_assert!(new.used == old.used + taken);
                prop_assert_eq!(new.would_refuse(), new.policy.is_shadow() && cost > 0 && cost > old.remaining().unwrap());
            }
            match decision.denial.map(|denial| denial.retry) {
                None => {}
                Some(Retry::Now) => prop_assert!(false, "denied with room"),
                Some(Retry::Never) => prop_assert!(!admitted(now + 10_000_000)),
                Some(Retry::At(at)) => prop_assert!(!admitted(at.0 - 1) && admitted(at.0)),
            }
            if !decision.is_admitted() {
                prop_assert_eq!((&after.stored, after.wake_at), (&world.stored, world.wake_at));
            }
            (world, book) = (after, later);
        }
    }
}

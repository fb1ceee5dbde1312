//! Leases, one rule at a time: what they cost, what survives, and what a second instance may do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::convert::Infallible;

use limits::{
    Book, Charge, Effect, Held, IDLE_MS, KEEP_MS, Ledger, Policy, Quota, Retry, UnixMillis, Window,
};

mod world;
use world::World;

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

fn policy(units: u32, window: Window) -> Policy {
    Policy::new("compile", Quota::units(units).unwrap(), window).unwrap()
}

fn minute(units: u32) -> Policy {
    policy(units, Window::Fixed { ms: 60_000 })
}

fn used(world: &mut World, book: &mut Book, policy: &Policy, now: UnixMillis) -> u32 {
    world.take(book, policy, 0, now).standings[0].used
}

/// Takes one unit at a time; how many were permitted.
fn take_many(world: &mut World, book: &mut Book, policy: &Policy, n: u32, now: UnixMillis) -> u32 {
    (0..n).filter(|_| world.take(book, policy, 1, now).is_admitted()).count() as u32
}

#[test]
fn writes_and_reads_are_rare() {
    for window in [Window::Fixed { ms: 60_000 }, Window::Bucket { ms: 60_000 }] {
        let (mut world, mut book, policy) = (World::default(), Book::default(), policy(300, window));
        assert_eq!(take_many(&mut world, &mut book, &policy, 1_000, NOW), 300);
        assert!(world.n_saves <= 13 && world.n_reads <= 13, "{world:?}");
        // The last refill stops at the limit.
        let mark = match &world.stored["compile"] {
            Ledger::Count { mark, .. } => u64::from(*mark),
            Ledger::Bucket { level, ms, .. } => level / ms,
            other => unreachable!("{other:?}"),
        };
        assert_eq!(mark, 300);
    }
    let (mut world, mut book) = (World::default(), Book::default());
    assert_eq!(take_many(&mut world, &mut book, &minute(10), 100, NOW), 10);
    assert_eq!((world.n_saves, world.n_reads), (10, 10));
}

#[test]
fn a_new_instance_reads_a_full_window_once() {
    let (mut world, policy) = (World::default(), minute(10));
    take_many(&mut world, &mut Book::default(), &policy, 10, NOW);
    world.n_reads = 0;
    assert_eq!(take_many(&mut world, &mut Book::default(), &policy, 100, NOW), 0);
    assert_eq!(world.n_reads, 1);
}

#[test]
fn ledgers_are_pinned() {
    let saved = |window| {
        let mut book = Book::default();
        let policy = policy(16, window);
        let charge = Charge::new(&policy, 2).held_by("me").unwrap();
        book.decide(&[charge], NOW, |_| Ok::<_, Infallible>(None)).unwrap().effects
    };
    let held = |until, holder: &str| vec![Held { until, units: 2, holder: holder.to_owned() }];
    let expected = [
        (Window::Fixed { ms: 7 }, Ledger::Count { ends_at: NOW.plus(7), mark: 2, resets: 0 }),
        (Window::Calendar { ms: 7 }, Ledger::Count { ends_at: NOW.plus(1), mark: 2, resets: 0 }),
        (
            Window::Bucket { ms: 7 },
            Ledger::Bucket { at: NOW, level: 14, quota: 16, ms: 7, refunded: 0, resets: 0 },
        ),
        (Window::Sliding { ms: 7 }, Ledger::Sliding(held(NOW.plus(7), "me"))),
        (Window::Concurrency { lease_ms: 7 }, Ledger::Concurrency(held(NOW.plus(7), "me"))),
    ];
    for (window, ledger) in expected {
        let wake = Effect::WakeAt(ledger.ends_at().plus(KEEP_MS));
        assert_eq!(saved(window), [wake, Effect::Save { policy: "compile".to_owned(), ledger }]);
    }
}

#[test]
fn a_crash_resumes_at_the_mark() {
    let (mut world, policy) = (World::default(), minute(300));
    take_many(&mut world, &mut Book::default(), &policy, 64, NOW);
    let mut book = Book::default();
    assert_eq!(used(&mut world, &mut book, &policy, NOW), 95); // 1 + 4 + 16 + 37 + 37
    assert_eq!(take_many(&mut world, &mut book, &policy, 300, NOW), 205);
}

#[test]
fn an_idle_instance_gives_back_what_it_did_not_need() {
    let (mut world, mut book, policy) = (World::default(), Book::default(), minute(300));
    take_many(&mut world, &mut book, &policy, 64, NOW);
    assert_eq!(world.wake_at, Some(NOW.plus(IDLE_MS)));
    take_many(&mut world, &mut book, &policy, 1, NOW.plus(1));
    world.wake_if_due(&mut book, NOW.plus(IDLE_MS));
    assert_eq!(world.wake_at, Some(NOW.plus(IDLE_MS + 1)), "not idle yet");
    world.wake_if_due(&mut book, NOW.plus(IDLE_MS + 1));
    assert_eq!(world.wake_at, Some(NOW.plus(60_000 + KEEP_MS)));
    assert_eq!(used(&mut world, &mut Book::default(), &policy, NOW.plus(IDLE_MS + 1)), 65);

    let effects = book.wake(world.all(), NOW.plus(60_000 + KEEP_MS));
    assert_eq!(effects, [Effect::Delete("compile".to_owned()), Effect::Forget]);
}

#[test]
fn what_another_instance_went_beyond_is_forfeited() {
    let (mut world, policy) = (World::default(), minute(300));
    let (mut a, mut b) = (Book::default(), Book::default());
    take_many(&mut world, &mut a, &policy, 8, NOW); // reserves 21
    take_many(&mut world, &mut b, &policy, 1, NOW); // and 1 after that
    let stored = world.all();
    assert!(
        matches!(a.wake(stored, NOW.plus(IDLE_MS)).as_slice(), [Effect::WakeAt(_)]),
        "gives nothing back"
    );
    let rest =
        take_many(&mut world, &mut a, &policy, 300, NOW) + take_many(&mut world, &mut b, &policy, 300, NOW);
    assert_eq!(rest, 300 - 22);
}

/// The mark alone would not tell: after the reset it stands where it stood before.
#[test]
fn a_lease_from_before_a_reset_is_not_given_back_after_it() {
    let (mut world, policy) = (World::default(), policy(300, Window::Calendar { ms: 60_000 }));
    let (mut a, mut b) = (Book::default(), Book::default());
    take_many(&mut world, &mut a, &policy, 8, NOW); // reserves 21, of which 13 are left
    let stored = world.all();
    world.apply_all(b.reset(stored, NOW));
    assert_eq!(take_many(&mut world, &mut b, &policy, 21, NOW), 21);
    let stored = world.all();
    world.apply_all(a.wake(stored, NOW.plus(IDLE_MS)));
    assert_eq!(take_many(&mut world, &mut Book::default(), &policy, 300, NOW), 279);
}

#[test]
fn a_reset_returns_everything() {
    for window in [Window::Fixed { ms: 900 }, Window::Sliding { ms: 900 }, Window::Bucket { ms: 900 }] {
        let (mut world, mut book, policy) = (World::default(), Book::default(), policy(20, window));
        take_many(&mut world, &mut book, &policy, 20, NOW);
        let stored = world.all();
        world.apply_all(book.reset(stored, NOW));
        assert_eq!(used(&mut world, &mut book, &policy, NOW), 0);
        assert_eq!(take_many(&mut world, &mut book, &policy, 40, NOW), 20);
    }
}

#[test]
fn a_refund_is_for_its_own_window_and_never_below_zero() {
    for window in [Window::Fixed { ms: 800 }, Window::Sliding { ms: 800 }] {
        let (mut world, mut book, policy) = (World::default(), Book::default(), policy(4, window));
        let reset_at = world.take(&mut book, &policy, 3, NOW).standings[0].reset_at;
        let refund = |world: &mut World, book: &mut Book, units, now| {
            let Ok(effects) = book.refund(&policy, units, reset_at, now, |name| world.read(name));
            world.apply_all(effects);
            used(world, book, &policy, now)
        };
        assert_eq!(refund(&mut world, &mut book, 1, NOW), 2);
        assert_eq!(refund(&mut world, &mut book, 9, NOW), 0);
        assert_eq!(take_many(&mut world, &mut book, &policy, 9, NOW.plus(800)), 4);
        assert_eq!(refund(&mut world, &mut book, 3, NOW.plus(800)), 4, "{window:?}");
    }
}

/// What is reserved and not taken is no use that a refund could return.
#[test]
fn a_refund_leaves_the_lease_alone() {
    let (mut world, mut book, policy) = (World::default(), Book::default(), minute(300));
    take_many(&mut world, &mut book, &policy, 8, NOW); // reserves 15
    let Ok(effects) = book.refund(&policy, 100, NOW.plus(60_000), NOW, |name| world.read(name));
    world.apply_all(effects);
    assert_eq!(take_many(&mut world, &mut book, &policy, 400, NOW), 300);
}

#[test]
fn a_bucket_refunds_what_has_not_drained() {
    let (mut world, mut book, policy) =
        (World::default(), Book::default(), policy(4, Window::Bucket { ms: 400 }));
    let reset_at = world.take(&mut book, &policy, 4, NOW).standings[0].reset_at;
    let now = NOW.plus(300);
    assert_eq!(used(&mut world, &mut book, &policy, now), 1);
    for _ in 0..2 {
        let Ok(effects) = book.refund(&policy, 4, reset_at, now, |name| world.read(name));
        world.apply_all(effects);
        // All but the drain of a millisecond, which is 4 of 400 grains and shows as a unit in use.
        let standing = world.take(&mut book, &policy, 0, now).standings[0];
        assert_eq!((standing.used, standing.reset_at), (1, now.plus(1)));
    }
}

#[test]
fn a_release_frees_its_holder_alone_and_a_lost_one_expires() {
    let (mut world, mut book) = (World::default(), Book::default());
    let policy = policy(2, Window::Concurrency { lease_ms: 1_000 });
    let by = |holder| Charge::new(&policy, 1).held_by(holder).unwrap();
    for holder in ["a", "b"] {
        assert!(world.decide(&mut book, &[by(holder)], NOW).is_admitted());
    }
    for _ in 0..2 {
        let Ok(effects) = book.release(&policy, "a", NOW, |name| world.read(name));
        world.apply_all(effects);
    }
    assert!(world.decide(&mut book, &[by("c")], NOW.plus(1)).is_admitted());
    let denial = world.decide(&mut book, &[by("d")], NOW.plus(1)).denial.unwrap();
    assert_eq!(denial.retry, Retry::At(NOW.plus(1_000)));
    assert!(world.decide(&mut book, &[by("d")], NOW.plus(1_000)).is_admitted());
    assert!(Charge::new(&policy, 1).held_by("").is_none());
    assert!(Charge::new(&policy, 1).held_by(&"x".repeat(65)).is_none());
}

#[test]
fn limits_may_change_in_the_middle_of_a_window() {
    for window in [Window::Fixed { ms: 900 }, Window::Sliding { ms: 900 }, Window::Bucket { ms: 900 }] {
        let (mut world, mut book) = (World::default(), Book::default());
        assert_eq!(take_many(&mut world, &mut book, &policy(100, window), 200, NOW), 100);
        let lower = policy(10, window);
        let standing = world.take(&mut book, &lower, 0, NOW).standings[0];
        assert_eq!((standing.used, standing.remaining()), (100, Some(0)));
        assert_eq!(take_many(&mut world, &mut book, &policy(130, window), 200, NOW), 30, "{window:?}");
    }
}

#[test]
fn the_unlimited_are_counted_and_never_denied() {
    let windows = [
        Window::Fixed { ms: 900 },
        Window::Calendar { ms: 900_000 },
        Window::Sliding { ms: 900 },
        Window::Bucket { ms: 900 },
        Window::Concurrency { lease_ms: 900 },
    ];
    for window in windows {
        let (mut world, mut book) = (World::default(), Book::default());
        let policy = Policy::new("compile", Quota::Unlimited, window).unwrap();
        assert_eq!(take_many(&mut world, &mut book, &policy, 700, NOW), 700);
        assert_eq!(used(&mut world, &mut book, &policy, NOW), 700);
        for _ in 0..3 {
            assert!(world.take(&mut book, &policy, u32::MAX, NOW).is_admitted());
        }
        assert_eq!(used(&mut world, &mut book, &policy, NOW), u32::MAX);
    }
}

#[test]
fn a_policy_named_twice_is_charged_once_with_the_sum() {
    let (mut world, mut book, policy) = (World::default(), Book::default(), minute(5));
    let twice = [Charge::new(&policy, 3), Charge::new(&policy, 3)];
    assert_eq!(world.decide(&mut book, &twice, NOW).denial.unwrap().retry, Retry::Never);
    let twice = [Charge::new(&policy, 3), Charge::new(&policy, 2)];
    assert!(world.decide(&mut book, &twice, NOW).is_admitted());
    assert_eq!(used(&mut world, &mut book, &policy, NOW), 5);
}

#[test]
fn another_kind_of_ledger_counts_as_none() {
    let (mut world, mut book) = (World::default(), Book::default());
    take_many(&mut world, &mut book, &minute(5), 5, NOW);
    let now = policy(5, Window::Sliding { ms: 60_000 });
    assert_eq!(take_many(&mut world, &mut book, &now, 9, NOW), 5);
}

/// A second instance replaced the waking; the first asks again once its own is long overdue.
#[test]
fn a_lost_waking_is_asked_for_again() {
    let (mut world, mut book, policy) = (World::default(), Book::default(), minute(5));
    take_many(&mut world, &mut book, &policy, 1, NOW);
    let due = world.wake_at.take().unwrap();
    take_many(&mut world, &mut book, &policy, 1, due.plus(IDLE_MS - 1));
    assert_eq!(world.wake_at, None);
    take_many(&mut world, &mut book, &policy, 1, due.plus(IDLE_MS));
    assert!(world.wake_at.is_some());
}

#[test]
fn an_error_of_the_read_changes_nothing() {
    let (mut world, mut book, policy) = (World::default(), Book::default(), minute(5));
    assert_eq!(book.decide(&[Charge::new(&policy, 1)], NOW, |_| Err("lost")).unwrap_err(), "lost");
    assert_eq!(take_many(&mut world, &mut book, &policy, 9, NOW), 5);
}

/// Whatever a clock, a quota or a stored row says, nothing overflows or divides by zero.
#[test]
fn extremes_do_not_panic() {
    let rows = [
        Ledger::Count { ends_at: UnixMillis(u64::MAX), mark: u32::MAX, resets: u32::MAX },
        Ledger::Bucket { at: UnixMillis(0), level: u64::MAX, quota: 0, ms: 0, refunded: 0, resets: 0 },
        Ledger::Bucket {
            at: NOW,
            level: u64::MAX,
            quota: u32::MAX,
            ms: u64::MAX,
            refunded: u64::MAX,
            resets: 0,
        },
        Ledger::Sliding(vec![
            Held { until: UnixMillis(u64::MAX), units: u32::MAX, holder: String::new() };
            600
        ]),
        Ledger::Concurrency(vec![Held { until: NOW, units: 0, holder: String::new() }]),
    ];
    let day = 86_400_000;
    let windows = [
        Window::Fixed { ms: day },
        Window::Calendar { ms: day },
        Window::Sliding { ms: day },
        Window::Bucket { ms: day },
        Window::Concurrency { lease_ms: day },
    ];
    for (row, window) in rows.iter().flat_map(|row| windows.map(|window| (row, window))) {
        for now in [UnixMillis(0), NOW, UnixMillis(u64::MAX)] {
            for quota in [Quota::Unlimited, Quota::at_least_one(1), Quota::at_least_one(window.most_units())]
            {
                let policy = Policy::new("compile", quota, window).unwrap();
                let (mut world, mut book) = (World::default(), Book::default());
                world.stored.insert("compile".to_owned(), row.clone());
                for cost in [0, 1, u32::MAX] {
                    world.take(&mut book, &policy, cost, now);
                }
                let Ok(effects) = book.refund(&policy, 7, UnixMillis(u64::MAX), now, |name| world.read(name));
                world.apply_all(effects);
                let stored = world.all();
                world.apply_all(book.wake(stored, now));
            }
        }
    }
}

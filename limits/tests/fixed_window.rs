//! Properties of the fixed window over random schedules, clocks that jump included.
#![allow(clippy::unwrap_used)]

use limits::{Decision, Ledger, Policy, Quota, UnixMillis, decide};
use proptest::prelude::*;

const START: u64 = 1_800_000_000_000;

/// A request: how far the clock moves before it (backwards too), and what it costs.
fn requests() -> impl Strategy<Value = Vec<(i64, u32)>> {
    prop::collection::vec((-5_000i64..20_000, 0u32..5), 1..200)
}

fn policies() -> impl Strategy<Value = Policy> {
    (1u32..40, 1u64..30_000)
        .prop_map(|(units, window_ms)| Policy::fixed("test", Quota::units(units).unwrap(), window_ms))
}

fn run(
    policy: &Policy,
    requests: &[(i64, u32)],
    mut each: impl FnMut(Option<Ledger>, UnixMillis, u32, Decision, Option<Ledger>),
) {
    let mut ledger = None;
    let mut now = UnixMillis(START);
    for &(step, cost) in requests {
        now = UnixMillis(now.0.saturating_add_signed(step));
        let (decision, next) = decide(ledger, policy, cost, now);
        each(ledger, now, cost, decision, next);
        ledger = next;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Sums what was permitted per window, where windows are told apart by their end alone.
    #[test]
    fn no_window_is_ever_overspent(policy in policies(), requests in requests()) {
        let mut spent = std::collections::HashMap::new();
        run(&policy, &requests, |_, _, cost, decision, _| {
            if let Decision::Permit(permit) = decision {
                *spent.entry(permit.reset_at.0).or_insert(0u32) += cost;
            }
        });
        for (window, units) in spent {
            prop_assert!(units <= policy.quota.limit().unwrap(), "{units} in the window that ends at {window}");
        }
    }

    #[test]
    fn retry_at_is_exact(policy in policies(), requests in requests()) {
        run(&policy, &requests, |_, _, cost, decision, next| {
            let Decision::Denial(denial) = decision else { return };
            match denial.retry_at {
                None => assert!(cost > policy.quota.limit().unwrap()),
                Some(at) => {
                    let early = UnixMillis(at.0 - 1);
                    assert!(matches!(decide(next, &policy, cost, early).0, Decision::Denial(_)));
                    assert!(matches!(decide(next, &policy, cost, at).0, Decision::Permit(_)));
                }
            }
        });
    }

    #[test]
    fn a_denial_and_a_peek_change_nothing(policy in policies(), requests in requests()) {
        run(&policy, &requests, |before, _, cost, decision, after| {
            if cost == 0 || matches!(decision, Decision::Denial(_)) {
                assert_eq!(before, after);
            }
        });
    }

    #[test]
    fn a_clock_going_backwards_grants_nothing(policy in policies(), requests in requests(), back in 1u64..1_000_000) {
        run(&policy, &requests, |_, now, cost, decision, after| {
            if matches!(decision, Decision::Denial(_)) {
                let earlier = UnixMillis(now.0 - back);
                assert!(matches!(decide(after, &policy, cost, earlier).0, Decision::Denial(_)));
            }
        });
    }

    /// The oracle keeps every admitted request and counts them anew each time.
    #[test]
    fn it_agrees_with_a_naive_model(policy in policies(), requests in requests()) {
        let limit = policy.quota.limit().unwrap();
        let mut end = 0u64;
        let mut admitted: Vec<u32> = Vec::new();
        run(&policy, &requests, |_, now, cost, decision, _| {
            let open = now.0 < end;
            let used: u32 = if open { admitted.iter().sum() } else { 0 };
            let fits = cost == 0 || used + cost <= limit;
            assert_eq!(matches!(decision, Decision::Permit(_)), fits);
            if fits && cost > 0 {
                if !open {
                    admitted.clear();
                    end = now.0 + policy.window_ms;
                }
                admitted.push(cost);
            }
        });
    }
}

//! A panic ends one request and nothing else. The routes that panic exist in the test build alone.

use std::time::{Duration, Instant};

use journeys::Client;

use crate::{assert_served, faulty, plain};

#[tokio::test]
async fn a_panic_in_the_front_is_answered_and_counted() {
    let (client, neighbour) = (Client::new(faulty()), Client::new(faulty()));
    assert_served(&neighbour).await;
    for n in 1..=3 {
        let started_at = Instant::now();
        let answer = client.post("/api/faults/front", "").await;
        assert!(started_at.elapsed() < Duration::from_secs(1));
        answer.assert_problem(500, "internal_error");
        assert_eq!(answer.header("x-ratelimit-remaining"), (10 - n).to_string());
    }
    assert_eq!(client.post("/api/compile", "{}").await.header("x-ratelimit-remaining"), "6");
    assert_served(&client).await;
    assert_eq!(neighbour.post("/api/compile", "{}").await.header("x-ratelimit-remaining"), "8");
}

/// The object takes one unit for the request and one more before it panics.
#[tokio::test]
async fn a_panic_in_the_object_is_answered_and_its_count_kept() {
    let (client, neighbour) = (Client::new(faulty()), Client::new(faulty()));
    assert_served(&neighbour).await;
    for _ in 0..2 {
        let started_at = Instant::now();
        let answer = client.post("/api/faults/object", "").await;
        assert!(started_at.elapsed() < Duration::from_secs(1));
        answer.assert_problem(500, "internal_error");
    }
    assert_eq!(client.post("/api/compile", "{}").await.header("x-ratelimit-remaining"), "5");
    assert_served(&client).await;
    assert_eq!(neighbour.post("/api/compile", "{}").await.header("x-ratelimit-remaining"), "8");
}

#[tokio::test]
async fn the_released_worker_has_no_such_routes() {
    let client = Client::new(plain());
    client.post("/api/faults/front", "").await.assert_problem(404, "not_found");
    client.post("/api/faults/object", "").await.assert_problem(404, "not_found");
}

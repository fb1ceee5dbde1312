//! The anonymous quota: 10 per 60 seconds and network, to the request.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use journeys::{Answer, Client, fresh_address};
use reqwest::Method;

use crate::plain;

async fn try_compile(client: &Client) -> Answer {
    client.post("/api/compile", "{}").await
}

/// How many of the answers were admitted; all others must be refusals.
fn admitted(answers: &[Answer]) -> usize {
    assert!(answers.iter().all(|answer| matches!(answer.status, 400 | 429)), "{answers:?}");
    answers.iter().filter(|answer| answer.status == 400).count()
}

/// The quota counts requests that fail later, and a refusal tells to the second when to come back.
#[tokio::test]
async fn ten_then_a_refusal_that_ends_when_it_says() {
    let client = Client::new(plain());
    let mut answers = Vec::new();
    for _ in 0..15 {
        answers.push(try_compile(&client).await);
    }
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [[400; 10].as_slice(), [429; 5].as_slice()].concat());

    for (n, answer) in answers.iter().enumerate() {
        let remaining = 9usize.saturating_sub(n);
        assert_eq!(answer.header("x-ratelimit-limit"), "10");
        assert_eq!(answer.header("x-ratelimit-remaining"), remaining.to_string());
        assert_eq!(answer.header("ratelimit-policy"), "\"requests\";q=10;w=60");
        assert!(
            answer.header("ratelimit").starts_with(&format!("\"requests\";r={remaining};t=")),
            "{answer:?}"
        );
        assert_eq!(answer.header("x-ratelimit-reset"), answers[0].header("x-ratelimit-reset"));
    }

    let refusal = try_compile(&client).await;
    refusal.assert_problem(429, "rate_limited");
    let retry_after: u64 = refusal.header("retry-after").parse().unwrap();
    assert_eq!(refusal.json()["retryAfter"], retry_after);
    assert_eq!(refusal.json()["detail"], "Rate limit exceeded. Maximum 10 requests per 60 seconds.");
    let reset_at = Duration::from_millis(refusal.header("x-ratelimit-reset").parse().unwrap());
    let until_reset = |at: SystemTime| reset_at.saturating_sub(at.duration_since(UNIX_EPOCH).unwrap());
    let left = until_reset(SystemTime::now());
    let rounding = Duration::from_secs(retry_after).saturating_sub(left);
    // Rounded up by less than a second; the journey to here took some of the rest.
    assert!(
        rounding < Duration::from_millis(1_500) && left <= Duration::from_secs(retry_after),
        "{left:?} {refusal:?}"
    );

    tokio::time::sleep(left.saturating_sub(Duration::from_millis(400))).await;
    assert_eq!(try_compile(&client).await.status, 429);
    tokio::time::sleep(until_reset(SystemTime::now()) + Duration::from_millis(20)).await;
    // While a timer of the object is overdue, the runtime tells it the time at which that one was due. On a busy
    // machine such a moment can be long, but never as long as the second for which a refusal would send one away.
    let mut answer = try_compile(&client).await;
    while answer.status == 429 {
        assert!(SystemTime::now() < UNIX_EPOCH + reset_at + Duration::from_secs(1), "{answer:?}");
        assert_eq!(answer.header("retry-after"), "1");
        tokio::time::sleep(Duration::from_millis(50)).await;
        answer = try_compile(&client).await;
    }
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn of_200_parallel_requests_exactly_10_are_admitted() {
    let client = Client::new(plain());
    let answers = join_all((0..200).map(|_| try_compile(&client))).await;
    assert_eq!(admitted(&answers), 10);
    let mut left: Vec<u32> = answers
        .iter()
        .filter(|answer| answer.status == 400)
        .map(|answer| answer.header("x-ratelimit-remaining").parse().unwrap())
        .collect();
    left.sort_unstable();
    assert_eq!(left, (0..10).collect::<Vec<u32>>());
}

#[tokio::test]
async fn from_50_addresses_exactly_500_are_admitted() {
    let clients: Vec<Client> = (0..50).map(|_| Client::new(plain())).collect();
    let per_address = clients.iter().map(|client| join_all((0..20).map(|_| try_compile(client))));
    for answers in join_all(per_address).await {
        assert_eq!(admitted(&answers), 10);
    }
}

#[tokio::test]
async fn an_ipv6_network_is_one_client() {
    let url = plain();
    for n in 0..10 {
        assert_eq!(try_compile(&Client::at(url, &format!("2001:db8:77:1:{n}::{n}"))).await.status, 400);
    }
    assert_eq!(try_compile(&Client::at(url, "2001:db8:77:1:ffff::")).await.status, 429);
    assert_eq!(try_compile(&Client::at(url, "2001:db8:77:2::1")).await.status, 400);
}

#[tokio::test]
async fn a_mapped_address_is_the_ipv4_address_it_carries() {
    let address = fresh_address();
    let (v4, mapped) = (Client::at(plain(), &address), Client::at(plain(), &format!("::ffff:{address}")));
    for client in [&v4, &mapped].into_iter().cycle().take(10) {
        assert_eq!(try_compile(client).await.status, 400);
    }
    assert_eq!(try_compile(&v4).await.status, 429);
    assert_eq!(try_compile(&mapped).await.status, 429);
}

#[tokio::test]
async fn without_a_usable_address_there_is_no_service() {
    for address in ["unknown", "", "1.2.3", "1.2.3.4, 5.6.7.8", "1.2.3.4:80"] {
        let client = Client::at(plain(), address);
        // An empty header is replaced by the local runtime with the address that connected.
        if !address.is_empty() {
            try_compile(&client).await.assert_problem(400, "address_unusable");
            client.get("/api/version").await.assert_problem(400, "address_unusable");
        }
    }
}

/// Only the platform's own header tells the address.
#[tokio::test]
async fn a_client_cannot_choose_its_address() {
    let client = Client::new(plain());
    for n in 0..11 {
        let request = client.request(Method::POST, "/api/compile").header("X-Forwarded-For", fresh_address());
        let answer = Answer::to(request.header("X-Real-IP", fresh_address()).body("{}")).await;
        assert_eq!(answer.status, if n < 10 { 400 } else { 429 });
    }
}

#[tokio::test]
async fn both_paths_of_a_route_share_the_quota() {
    let client = Client::new(plain());
    for path in ["/compile", "/api/compile"].into_iter().cycle().take(10) {
        assert_eq!(client.post(path, "{}").await.status, 400);
    }
    assert_eq!(client.post("/compile", "{}").await.status, 429);
    assert_eq!(client.post("/api/compile", "{}").await.status, 429);
}

/// Loading a page must not eat the budget for work, nor the other way round.
#[tokio::test]
async fn small_reads_have_a_budget_of_their_own() {
    let client = Client::new(plain());
    for _ in 0..11 {
        let answer = client.get("/api/turnstile-config").await;
        assert_eq!((answer.status, answer.header("x-ratelimit-limit")), (200, "600"));
    }
    let answers = join_all((0..20).map(|_| try_compile(&client))).await;
    assert_eq!(admitted(&answers), 10);
    assert_eq!(client.get("/api/version").await.status, 200);
}

//! Where a job is, and what comes next. Pure: time is an argument, and nobody is asked or told.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::part_id;
use super::wire::{
    Charged, Create, Job, KEEP_JOB_MS, MAX_ATTEMPTS, Message, PartEnd, PartState, Reply, Status, Work,
};

/// How old a job gets that does not end, in milliseconds: a day.
const MAX_AGE_MS: u64 = 24 * 60 * 60_000;
/// Time until the message is sent again, in milliseconds. It doubles with each time, up to the second.
const FIRST_WAIT_MS: u64 = 30_000;
const LAST_WAIT_MS: u64 = 10 * 60_000;
/// Bytes of an error at most: those of a batch's 100 parts fit into one row, whose bound is 2 MB.
const MAX_ERROR_BYTES: usize = 2_000;

/// Everything that is kept of a job but its request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What its owner sees.
    pub job: Job,
    /// What was charged for it.
    pub charged: Vec<Charged>,
    /// The batch that it is a part of: its id, and which part.
    pub part_of: Option<(String, usize)>,
    /// Whether the service failed, so that what was charged is given back.
    pub is_refunded: bool,
    /// Whether everybody knows of the end who must.
    pub is_recorded: bool,
    /// How often the alarm came since the job was accepted, or ended.
    pub n_wakings: u32,
    /// No notice with a higher number was told.
    pub seq: u64,
}

/// How a job ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Completed {
        /// Where the list is; none of a batch.
        result: Option<(String, u64)>,
        rule_count: u64,
    },
    Failed {
        error: String,
        /// Whether it is the service's fault.
        by_service: bool,
    },
    Cancelled,
}

/// What the watchers of a batch are told of a part.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartEvent<'a> {
    n: usize,
    id: &'a str,
    name: &'a str,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_count: Option<u64>,
}

impl Kept {
    /// A job that is accepted.
    pub fn new(create: &Create) -> Self {
        let (name, parts) = match &create.work {
            Work::List(recipe) => {
                let name = recipe.configuration.get("name").and_then(Value::as_str).unwrap_or_default();
                (name.to_owned(), Vec::new())
            }
            Work::Batch(parts) => {
                let states = parts.iter().enumerate().map(|(n, part)| PartState {
                    name: part.name.clone(),
                    id: part_id(&create.id, n),
                    status: Status::Queued,
                    error: None,
                    rule_count: None,
                });
                let name =
                    if parts.len() == 1 { "1 list".to_owned() } else { format!("{} lists", parts.len()) };
                (name, states.collect())
            }
        };
        let job = Job {
            id: create.id.clone(),
            owner: create.owner.clone(),
            name,
            high_priority: create.high_priority,
            status: Status::Queued,
            created_at: create.created_at,
            started_at: None,
            ended_at: None,
            n_attempts: 0,
            error: None,
            result: None,
            rule_count: None,
            parts,
        };
        Self {
            job,
            charged: create.charged.clone(),
            part_of: create.part_of.clone(),
            is_refunded: false,
            is_recorded: false,
            n_wakings: 0,
            seq: 0,
        }
    }

    /// The message that has somebody look at the job.
    pub fn message(&self) -> Message {
        let request_id = self.job.id.clone();
        if self.is_batch() { Message::BatchCompile { request_id } } else { Message::Compile { request_id } }
    }

    pub fn is_batch(&self) -> bool {
        !self.job.parts.is_empty()
    }

    /// Whether nothing comes after where it is.
    pub fn has_ended(&self) -> bool {
        self.job.status.is_end()
    }

    /// Whether it was begun as often as it may be.
    pub fn is_worn_out(&self) -> bool {
        self.job.n_attempts >= MAX_ATTEMPTS
    }

    /// Takes note that it is begun, perhaps once more.
    pub fn count_attempt(&mut self, now: u64) {
        self.job.n_attempts = self.job.n_attempts.saturating_add(1);
        self.job.started_at.get_or_insert(now);
    }

    /// Goes from queued to running. Whether that was a step.
    pub fn start(&mut self) -> bool {
        let is_step = self.job.status == Status::Queued;
        if is_step {
            self.job.status = Status::Running;
        }
        is_step
    }

    /// Takes the last step, unless it was taken.
    pub fn end(&mut self, end: End, now: u64) {
        if self.has_ended() {
            return;
        }
        match end {
            End::Completed { result, rule_count } => {
                self.job.status = Status::Completed;
                self.job.result = result;
                self.job.rule_count = Some(rule_count);
            }
            End::Failed { mut error, by_service } => {
                error.truncate(error.floor_char_boundary(MAX_ERROR_BYTES));
                self.job.status = Status::Failed;
                self.job.error = Some(error);
                self.is_refunded = by_service;
            }
            End::Cancelled => self.job.status = Status::Cancelled,
        }
        self.job.ended_at = Some(now);
        self.n_wakings = 0;
    }

    /// What whoever wants to have the job done is told, if there is nothing to be done now.
    pub fn reply(&self) -> Reply {
        if !self.has_ended() || self.is_recorded {
            return Reply::Nothing;
        }
        Reply::Ended {
            job: Box::new(self.job.clone()),
            refund: if self.is_refunded { self.charged.clone() } else { Vec::new() },
            part_of: self.part_of.clone(),
        }
    }

    /// Takes note of how a part ended. False if that is known already, or there is no such part.
    pub fn note_part(&mut self, end: &PartEnd) -> bool {
        let part = self.job.parts.get_mut(end.n).filter(|part| !part.status.is_end());
        let Some(part) = part.filter(|_| end.status.is_end()) else { return false };
        part.status = end.status;
        part.error.clone_from(&end.error);
        part.rule_count = end.rule_count;
        true
    }

    /// What is told of a part.
    pub fn part_event(&self, n: usize) -> Option<PartEvent<'_>> {
        let PartState { name, id, status, error, rule_count } = self.job.parts.get(n)?;
        let (status, rule_count) = (*status, *rule_count);
        Some(PartEvent { n, id, name, status, error: error.as_deref(), rule_count })
    }

    /// The parts that have not ended, as far as is known: their places and ids.
    pub fn open_parts(&self) -> Vec<(usize, String)> {
        let parts = self.job.parts.iter().enumerate();
        parts.filter(|(_, part)| !part.status.is_end()).map(|(n, part)| (n, part.id.clone())).collect()
    }

    /// How a batch ends; none before all of its parts have ended.
    pub fn batch_end(&self) -> Option<End> {
        let parts = &self.job.parts;
        if parts.is_empty() || parts.iter().any(|part| !part.status.is_end()) {
            return None;
        }
        let any = |status| parts.iter().any(|part| part.status == status);
        Some(if any(Status::Completed) {
            let rule_count = parts.iter().filter_map(|part| part.rule_count).sum();
            End::Completed { result: None, rule_count }
        } else if any(Status::Failed) {
            let error = format!("none of the {} lists could be compiled", parts.len());
            End::Failed { error, by_service: false }
        } else {
            End::Cancelled
        })
    }

    /// Whether it has not ended in all that time.
    pub fn is_overdue(&self, now: u64) -> bool {
        !self.has_ended() && now.saturating_sub(self.job.created_at) >= MAX_AGE_MS
    }

    /// Whether it is to be forgotten.
    pub fn is_over(&self, now: u64) -> bool {
        now.saturating_sub(self.job.created_at) >= KEEP_JOB_MS
    }

    /// Whether nobody has to do anything any more: the end is known to all, and no part goes on.
    pub fn is_settled(&self) -> bool {
        self.is_recorded && self.job.parts.iter().all(|part| part.status.is_end())
    }

    /// When the alarm is to come.
    pub fn wake_at(&self, now: u64) -> u64 {
        if self.is_settled() {
            return self.job.created_at.saturating_add(KEEP_JOB_MS);
        }
        let wait_ms = match (self.job.status, self.n_wakings) {
            // Whoever cancels a job does not record it, and nobody else may know yet.
            (Status::Cancelled, 0) => 0,
            (_, n) => (FIRST_WAIT_MS << n.min(8)).min(LAST_WAIT_MS),
        };
        now.saturating_add(wait_ms)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_700_000_000_000;
    const ID: &str = "compile-1700000000000-0123456789abcdef";

    fn create(work: serde_json::Value) -> Create {
        serde_json::from_value(json!({
            "id": ID,
            "owner": "user:1",
            "created_at": NOW,
            "high_priority": false,
            "work": work,
            "charged": [{
                "charge": { "policy": "requests", "limit": 10, "window": "fixed", "ms": 60_000, "cost": 1 },
                "reset_at": NOW + 60_000,
            }],
        }))
        .unwrap()
    }

    fn list() -> Kept {
        Kept::new(&create(json!({ "list": { "configuration": { "name": "L" } } })))
    }

    fn batch(n: usize) -> Kept {
        let parts: Vec<_> =
            (0..n).map(|n| json!({ "name": format!("p{n}"), "recipe": { "configuration": {} } })).collect();
        Kept::new(&create(json!({ "batch": parts })))
    }

    fn completed() -> End {
        End::Completed { result: Some(("a".to_owned(), 7)), rule_count: 3 }
    }

    fn failed(by_service: bool) -> End {
        End::Failed { error: "why".to_owned(), by_service }
    }

    fn part(n: usize, status: Status) -> PartEnd {
        PartEnd { n, status, error: None, rule_count: (status == Status::Completed).then_some(5) }
    }

    /// A change here loses every job that is under way when it is deployed.
    #[test]
    fn what_is_stored_is_pinned() {
        let list = concat!(
            r#"{"job":{"id":"compile-1700000000000-0123456789abcdef","owner":"user:1","name":"L","#,
            r#""high_priority":false,"status":"queued","created_at":1700000000000,"started_at":null,"#,
            r#""ended_at":null,"n_attempts":0,"error":null,"result":null,"rule_count":null},"charged":[{"charge":"#,
            r#"{"policy":"requests","limit":10,"window":"fixed","ms":60000,"cost":1},"reset_at":1700000060000}],"#,
            r#""part_of":null,"is_refunded":false,"is_recorded":false,"n_wakings":0,"seq":0}"#
        );
        assert_eq!(serde_json::to_string(&self::list()).unwrap(), list);
        assert_eq!(serde_json::from_str::<Kept>(list).unwrap(), self::list());

        let batch = Kept { part_of: Some(("b".to_owned(), 1)), ..self::batch(1) };
        let text = serde_json::to_string(&batch).unwrap();
        assert!(text.contains(r#""name":"1 list""#), "{text}");
        let parts =
            r#""parts":[{"name":"p0","id":"compile-1700000000000-0123456789abcdef-0","status":"queued"}]"#;
        assert!(text.contains(parts) && text.contains(r#""part_of":["b",1]"#), "{text}");
        assert_eq!(serde_json::from_str::<Kept>(&text).unwrap(), batch);
    }

    /// A change here loses every message that lies in a queue when it is deployed.
    #[test]
    fn messages_are_pinned() {
        let text = |kept: &Kept| serde_json::to_string(&kept.message()).unwrap();
        assert_eq!(text(&list()), format!(r#"{{"type":"compile","requestId":"{ID}"}}"#));
        assert_eq!(text(&batch(2)), format!(r#"{{"type":"batch-compile","requestId":"{ID}"}}"#));
    }

    #[test]
    fn a_job_goes_its_way() {
        let mut kept = list();
        assert_eq!(kept.reply(), Reply::Nothing);
        kept.count_attempt(NOW + 1);
        assert!(kept.start());
        kept.count_attempt(NOW + 2);
        assert!(!kept.start(), "it runs already");
        assert_eq!((kept.job.started_at, kept.job.n_attempts), (Some(NOW + 1), 2));
        assert_eq!(kept.reply(), Reply::Nothing);

        kept.end(completed(), NOW + 3);
        assert_eq!((kept.job.status, kept.job.ended_at), (Status::Completed, Some(NOW + 3)));
        assert_eq!((&kept.job.result, kept.job.rule_count), (&Some(("a".to_owned(), 7)), Some(3)));
        let ended = Reply::Ended { job: Box::new(kept.job.clone()), refund: Vec::new(), part_of: None };
        assert_eq!(kept.reply(), ended);
        kept.is_recorded = true;
        assert_eq!(kept.reply(), Reply::Nothing);
    }

    #[test]
    fn an_end_is_the_last_step() {
        for first in [completed(), failed(true), End::Cancelled] {
            let mut kept = list();
            kept.end(first, NOW + 1);
            let ended = kept.clone();
            for second in [completed(), failed(true), failed(false), End::Cancelled] {
                kept.end(second, NOW + 2);
                assert_eq!(kept, ended);
            }
            assert!(!kept.start());
            assert_eq!(kept, ended);
        }
    }

    #[test]
    fn units_go_back_if_the_service_failed() {
        let refund = |end| {
            let mut kept = list();
            kept.end(end, NOW);
            match kept.reply() {
                Reply::Ended { refund, .. } => refund.len(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!([failed(true), failed(false), completed(), End::Cancelled].map(refund), [1, 0, 0, 0]);
    }

    #[test]
    fn long_errors_are_cut_between_characters() {
        let mut kept = list();
        kept.end(End::Failed { error: format!("x{}", "é".repeat(2_000)), by_service: false }, NOW);
        assert_eq!(kept.job.error.as_ref().map(String::len), Some(1_999));
    }

    #[test]
    fn attempts_wear_a_job_out() {
        let mut kept = list();
        for _ in 0..MAX_ATTEMPTS {
            assert!(!kept.is_worn_out());
            kept.count_attempt(NOW);
        }
        assert!(kept.is_worn_out());
    }

    #[test]
    fn a_part_ends_once() {
        let mut kept = batch(2);
        assert!(!kept.note_part(&part(0, Status::Running)), "that is no end");
        assert!(kept.note_part(&part(0, Status::Completed)));
        assert!(!kept.note_part(&part(0, Status::Completed)), "that is known");
        assert!(!kept.note_part(&part(0, Status::Failed)), "an end stays");
        assert!(!kept.note_part(&part(2, Status::Completed)), "there is no such part");
        assert_eq!(kept.job.parts[0].status, Status::Completed);
        assert_eq!(kept.open_parts(), [(1, format!("{ID}-1"))]);
        assert_eq!(kept.batch_end(), None);
        assert_eq!(
            serde_json::to_value(kept.part_event(0)).unwrap(),
            json!({ "n": 0, "id": format!("{ID}-0"), "name": "p0", "status": "completed", "ruleCount": 5 })
        );
    }

    #[test]
    fn a_batch_ends_with_its_parts() {
        use Status::{Cancelled, Completed, Failed};
        let end = |statuses: &[Status]| {
            let mut kept = batch(statuses.len());
            for (n, status) in statuses.iter().enumerate() {
                assert!(kept.note_part(&part(n, *status)));
            }
            kept.batch_end().unwrap()
        };
        let completed = |rule_count| End::Completed { result: None, rule_count };
        assert_eq!(end(&[Completed, Completed]), completed(10));
        assert_eq!(end(&[Failed, Completed, Cancelled]), completed(5));
        let error = "none of the 2 lists could be compiled".to_owned();
        assert_eq!(end(&[Failed, Cancelled]), End::Failed { error, by_service: false });
        assert_eq!(end(&[Cancelled, Cancelled]), End::Cancelled);
        assert_eq!(list().batch_end(), None, "a list is no batch");
    }

    #[test]
    fn the_message_comes_again_until_the_end_is_recorded() {
        let mut kept = list();
        let waits = (0..8).map(|n| Kept { n_wakings: n, ..kept.clone() }.wake_at(NOW) - NOW);
        assert_eq!(
            waits.collect::<Vec<_>>(),
            [30_000, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000, 600_000]
        );
        assert_eq!(Kept { n_wakings: u32::MAX, ..kept.clone() }.wake_at(NOW), NOW + 600_000);
        kept.n_wakings = 5;
        kept.end(completed(), NOW);
        assert_eq!(kept.wake_at(NOW), NOW + 30_000, "it begins anew");
        kept.is_recorded = true;
        assert_eq!(kept.wake_at(NOW + 9), NOW + KEEP_JOB_MS);
    }

    #[test]
    fn who_cancels_need_not_wait_for_the_record() {
        let mut kept = list();
        kept.end(End::Cancelled, NOW);
        assert_eq!(kept.wake_at(NOW), NOW);
        kept.n_wakings = 1;
        assert_eq!(kept.wake_at(NOW), NOW + 60_000);
    }

    #[test]
    fn a_batch_is_not_settled_while_a_part_goes_on() {
        let mut kept = batch(2);
        kept.note_part(&part(0, Status::Completed));
        kept.end(End::Cancelled, NOW);
        kept.is_recorded = true;
        assert!(!kept.is_settled());
        assert!(kept.note_part(&part(1, Status::Cancelled)), "noted after the end of the batch, too");
        assert!(kept.is_settled());
        assert_eq!(kept.job.status, Status::Cancelled);
    }

    #[test]
    fn a_job_ends_within_a_day_and_is_forgotten_after_a_week() {
        let mut kept = list();
        let day = 24 * 60 * 60_000;
        assert!(!kept.is_overdue(NOW + day - 1) && kept.is_overdue(NOW + day));
        assert!(!kept.is_overdue(NOW - 1), "a clock that goes back makes no job old");
        kept.end(completed(), NOW + 1);
        assert!(!kept.is_overdue(NOW + day));
        assert!(!kept.is_over(NOW + 7 * day - 1) && kept.is_over(NOW + 7 * day));
    }
}

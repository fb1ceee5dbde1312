//! The compiles of one socket: which run, and which have ended a moment ago. Pure: time is an argument.

use std::collections::BTreeMap;
use std::mem;

use futures::future::AbortHandle;
use limits::UnixMillis;

use super::message::Refusal;

/// Compiles of one socket that run at a time.
pub const MAX_RUNNING: usize = 3;
/// How long a session that has ended is remembered, in milliseconds: its id stands for nothing else meanwhile.
const REMEMBER_MS: u64 = 60_000;
/// The same for one that was cancelled, which is likely to be tried once more.
const REMEMBER_CANCELLED_MS: u64 = 5_000;
/// Ended sessions that are remembered at most. Whoever compiles so much has the oldest forgotten early.
const MAX_REMEMBERED: usize = 1_000;

/// Sessions by their id.
#[derive(Debug, Default)]
pub struct Sessions {
    running: BTreeMap<String, AbortHandle>,
    /// Those that have ended, and when they are forgotten.
    ended: BTreeMap<String, UnixMillis>,
}

impl Sessions {
    /// Whether nothing runs.
    pub fn is_quiet(&self) -> bool {
        self.running.is_empty()
    }

    /// Begins a session.
    ///
    /// # Errors
    /// If there is or was one of this id, or as many run as may.
    pub fn start(&mut self, id: &str, handle: AbortHandle, now: UnixMillis) -> Result<(), Refusal> {
        self.forget_old(now);
        if self.running.contains_key(id) || self.ended.contains_key(id) {
            return Err(Refusal::of_session(
                id,
                "DUPLICATE_SESSION",
                "There is a session of this id already",
            ));
        }
        if self.running.len() >= MAX_RUNNING {
            let error = format!("At most {MAX_RUNNING} compiles run at a time");
            return Err(Refusal::of_session(id, "TOO_MANY_COMPILATIONS", error));
        }
        self.running.insert(id.to_owned(), handle);
        Ok(())
    }

    /// Ends a session whose compile is over.
    pub fn end(&mut self, id: &str, now: UnixMillis) {
        if self.running.remove(id).is_some() {
            self.remember(id, now.plus(REMEMBER_MS), now);
        }
    }

    /// Ends a session whose compile did not even begin, as if it had not been.
    pub fn undo(&mut self, id: &str) {
        self.running.remove(id);
    }

    /// Ends a session whose compile is not wanted any more.
    ///
    /// # Errors
    /// If it has ended already, or there is none.
    pub fn cancel(&mut self, id: &str, now: UnixMillis) -> Result<(), Refusal> {
        self.forget_old(now);
        match self.running.remove(id) {
            Some(handle) => {
                handle.abort();
                self.remember(id, now.plus(REMEMBER_CANCELLED_MS), now);
                Ok(())
            }
            None if self.ended.contains_key(id) => {
                Err(Refusal::of_session(id, "INVALID_SESSION_STATE", "This session has ended"))
            }
            None => Err(Refusal::of_session(id, "SESSION_NOT_FOUND", "There is no session of this id")),
        }
    }

    /// Ends everything.
    pub fn abort_all(&mut self) {
        for handle in mem::take(&mut self.running).into_values() {
            handle.abort();
        }
    }

    fn remember(&mut self, id: &str, until: UnixMillis, now: UnixMillis) {
        self.forget_old(now);
        if self.ended.len() >= MAX_REMEMBERED {
            let first = self.ended.iter().min_by_key(|(_, forgotten_at)| **forgotten_at);
            if let Some(first) = first.map(|(id, _)| id.clone()) {
                self.ended.remove(&first);
            }
        }
        self.ended.insert(id.to_owned(), until);
    }

    fn forget_old(&mut self, now: UnixMillis) {
        self.ended.retain(|_, forgotten_at| *forgotten_at > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn start(sessions: &mut Sessions, id: &str, now: UnixMillis) -> Result<AbortHandle, String> {
        let (handle, _) = AbortHandle::new_pair();
        let started = sessions.start(id, handle.clone(), now);
        started.map(|()| handle).map_err(|refusal| refusal.code().to_owned())
    }

    fn cancel(sessions: &mut Sessions, id: &str, now: UnixMillis) -> Result<(), String> {
        sessions.cancel(id, now).map_err(|refusal| refusal.code().to_owned())
    }

    #[test]
    fn three_run_at_a_time() {
        let mut sessions = Sessions::default();
        for id in ["a", "b", "c"] {
            start(&mut sessions, id, NOW).unwrap();
        }
        assert_eq!(start(&mut sessions, "d", NOW).unwrap_err(), "TOO_MANY_COMPILATIONS");
        // The nearer reason is told first.
        assert_eq!(start(&mut sessions, "a", NOW).unwrap_err(), "DUPLICATE_SESSION");
        sessions.end("b", NOW);
        start(&mut sessions, "d", NOW).unwrap();
        assert!(!sessions.is_quiet());
    }

    #[test]
    fn an_ended_session_is_remembered_for_a_minute() {
        let mut sessions = Sessions::default();
        start(&mut sessions, "a", NOW).unwrap();
        sessions.end("a", NOW.plus(10));
        assert!(sessions.is_quiet());
        let last = NOW.plus(10 + 59_999);
        assert_eq!(start(&mut sessions, "a", last).unwrap_err(), "DUPLICATE_SESSION");
        assert_eq!(cancel(&mut sessions, "a", last).unwrap_err(), "INVALID_SESSION_STATE");
        assert_eq!(cancel(&mut sessions, "a", last.plus(1)).unwrap_err(), "SESSION_NOT_FOUND");
        start(&mut sessions, "a", last.plus(1)).unwrap();
    }

    #[test]
    fn a_cancelled_session_is_aborted_and_remembered_for_a_moment() {
        let mut sessions = Sessions::default();
        let handle = start(&mut sessions, "a", NOW).unwrap();
        cancel(&mut sessions, "a", NOW).unwrap();
        assert!(handle.is_aborted() && sessions.is_quiet());
        assert_eq!(cancel(&mut sessions, "a", NOW).unwrap_err(), "INVALID_SESSION_STATE");
        assert_eq!(start(&mut sessions, "a", NOW.plus(4_999)).unwrap_err(), "DUPLICATE_SESSION");
        // What ends after it was cancelled is not remembered longer.
        sessions.end("a", NOW.plus(4_999));
        start(&mut sessions, "a", NOW.plus(5_000)).unwrap();
    }

    #[test]
    fn what_never_began_leaves_nothing() {
        let mut sessions = Sessions::default();
        start(&mut sessions, "a", NOW).unwrap();
        sessions.undo("a");
        assert_eq!(cancel(&mut sessions, "a", NOW).unwrap_err(), "SESSION_NOT_FOUND");
        start(&mut sessions, "a", NOW).unwrap();
    }

    #[test]
    fn the_oldest_are_forgotten_when_there_are_too_many() {
        let mut sessions = Sessions::default();
        for n in 0..=MAX_REMEMBERED as u64 {
            let id = n.to_string();
            start(&mut sessions, &id, NOW.plus(n)).unwrap();
            sessions.end(&id, NOW.plus(n));
        }
        let later = NOW.plus(2_000);
        assert_eq!(cancel(&mut sessions, "0", later).unwrap_err(), "SESSION_NOT_FOUND");
        assert_eq!(cancel(&mut sessions, "1", later).unwrap_err(), "INVALID_SESSION_STATE");
        assert_eq!(cancel(&mut sessions, "1000", later).unwrap_err(), "INVALID_SESSION_STATE");
    }

    #[test]
    fn all_can_be_ended_at_once() {
        let mut sessions = Sessions::default();
        let handles = ["a", "b"].map(|id| start(&mut sessions, id, NOW).unwrap());
        sessions.abort_all();
        assert!(sessions.is_quiet() && handles.iter().all(AbortHandle::is_aborted));
    }
}

//! `/queue/*`: what came of jobs. Everybody sees their own; another's is like none.

use durable::artifact::wire::Line;
use durable::call::CallError;
use durable::compile_job::is_id;
use durable::compile_job::wire::{Job, KEEP_JOB_MS, Notice, Reply as JobReply, Status};
use futures::channel::mpsc::{UnboundedSender, unbounded};
use futures::{StreamExt, TryStreamExt};
use limits::{UnixMillis, UserId};
use serde_json::{Map, Value, json};
use wasm_bindgen_futures::spawn_local;
use worker::{WebSocket, WebsocketEvent, console_error};

use super::compile::frame;
use super::compile::work::{frame_stream, of_compiler};
use crate::admission::Admitted;
use crate::app::{App, iso_time, now};
use crate::error::{ApiError, ApiResult};
use crate::reply::{Body, Chunked, Reply};
use crate::store::jobs::{self, Count, Row};

/// Jobs of the history, and instants of the history of depths.
const MAX_HISTORY: usize = 50;
const MAX_DEPTHS: usize = 100;
const HOUR_MS: u64 = 60 * 60_000;

/// `GET /queue/stats`: how many of the caller's jobs are where, and how fast they go.
pub async fn show_stats(app: App, admitted: Admitted) -> ApiResult {
    let (rows, counts) = load(&app, &admitted).await?;
    uncached(&stats(&rows, &counts, app.now.0))
}

/// `GET /queue/history`: the caller's last jobs.
pub async fn show_history(app: App, admitted: Admitted) -> ApiResult {
    let (rows, _) = load(&app, &admitted).await?;
    uncached(&json!({ "success": true, "history": history(&rows), "depthHistory": depths(&rows) }))
}

/// `GET /queue/results/{id}`: always 200; `status` tells, and of a list that is there the rules come along.
pub async fn show_results(app: App, admitted: Admitted) -> ApiResult {
    let Some(job) = find(&app, &admitted).await? else {
        return uncached(&json!({
            "success": true, "status": "not_found", "requestId": admitted.item, "error": "Job not found in history",
        }));
    };
    let info = info_of(&job, now().0);
    let status = match job.status {
        Status::Queued => "pending",
        Status::Running => "processing",
        end => end.name(),
    };
    if job.status != Status::Completed {
        let error = job.error.clone().unwrap_or_else(|| format!("Job status is '{status}'"));
        return uncached(&json!({
            "success": true, "status": status, "requestId": job.id, "error": error, "jobInfo": info,
        }));
    }
    let Some((artifact, version)) = job.result.clone() else {
        let items: Vec<Value> = job
            .parts
            .iter()
            .map(|part| {
                let mut item = Map::new();
                item.insert("id".to_owned(), part.name.clone().into());
                item.insert("requestId".to_owned(), part.id.clone().into());
                item.insert("status".to_owned(), part.status.name().into());
                item.extend(part.rule_count.map(|n| ("ruleCount".to_owned(), n.into())));
                item.extend(part.error.clone().map(|error| ("error".to_owned(), error.into())));
                item.into()
            })
            .collect();
        return uncached(&json!({
            "success": true, "status": status, "requestId": job.id, "items": items,
            "ruleCount": job.rule_count, "jobInfo": info,
        }));
    };
    let mut feed = app.artifacts()?.read(&artifact, version).await.map_err(of_compiler)?;
    let made = match feed.line::<Line>().await.map_err(of_compiler)? {
        Line::Made(made) => made,
        Line::Gone => {
            return uncached(&json!({
                "success": true, "status": "cache_miss", "requestId": job.id, "jobInfo": info,
                "error": "The result is no longer kept; compile it again",
            }));
        }
        other => return Err(ApiError::Internal { cause: format!("an unexpected line: {other:?}") }),
    };
    let id = Value::from(job.id.as_str());
    let before = format!(r#"{{"success":true,"status":"completed","requestId":{id},"rules":["#);
    let compiled_at = Value::from(iso_time(UnixMillis(made.compiled_at)));
    let after = format!(r#"],"ruleCount":{},"compiledAt":{compiled_at},"jobInfo":{info}}}"#, made.rule_count);
    let chunks = frame_stream(before, feed, made.n_bytes, after);
    let body = Body::Chunked { media_type: "application/json", chunks };
    Ok(Reply { body, ..Reply::empty(200) }.with_header("Cache-Control", "no-cache"))
}

/// `DELETE /queue/cancel/{id}`: cancels a job that has not ended. Whoever names none of theirs is told the same as if
/// they had cancelled it.
///
/// Fails: 400 what can't be an id.
pub async fn cancel_job(app: App, admitted: Admitted) -> ApiResult {
    let id = &admitted.item;
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
        let detail = "requestId: Invalid requestId format".to_owned();
        return Err(ApiError::Unusable { code: "request_id_invalid", detail });
    }
    let cancelled = json!({ "success": true, "cancelled": true, "requestId": id });
    if !is_id(id) {
        return Reply::json(&cancelled);
    }
    match app.jobs()?.cancel(id, &admitted.caller.identity.object_name()).await.map_err(of_job)? {
        JobReply::Job(job) if job.status != Status::Cancelled => Reply::json(&json!({
            "success": true, "cancelled": false, "requestId": id, "status": job.status.name(),
        })),
        _ => Reply::json(&cancelled),
    }
}

/// `GET /queue/events/{id}`: what happens to a job, over a WebSocket if that is asked for, else as server-sent events.
///
/// Fails: 404 none of the caller's jobs.
pub async fn watch_job(app: App, admitted: Admitted) -> ApiResult {
    let missing = || ApiError::Missing { detail: "Job not found" };
    if !is_id(&admitted.item) {
        return Err(missing());
    }
    let owner = admitted.caller.identity.object_name();
    let response = match app.jobs()?.watch(&admitted.item, &owner).await {
        Ok(response) => response,
        Err(CallError::Refused { status: 404, .. }) => return Err(missing()),
        Err(error) => return Err(of_job(error)),
    };
    let upgrade = admitted.request.header("Upgrade")?.unwrap_or_default();
    if upgrade.eq_ignore_ascii_case("websocket") {
        return Ok(Reply { body: Body::Socket(response), ..Reply::empty(101) });
    }
    let socket = response.websocket();
    let socket = socket.ok_or_else(|| ApiError::Internal { cause: "a watch without a socket".to_owned() })?;
    socket.accept()?;
    let (sender, receiver) = unbounded();
    spawn_local(async move {
        if let Err(error) = translate(&socket, &sender).await {
            console_error!(
                "{}",
                json!({ "level": "error", "what": "queue/events", "cause": error.to_string() })
            );
            // The stream breaks off, so that nobody takes this for the end of the job.
            drop(sender.unbounded_send(Err(error)));
        }
    });
    let body = Body::Chunked { media_type: "text/event-stream", chunks: Chunked(receiver.boxed_local()) };
    Ok(Reply { body, ..Reply::empty(200) }.with_header("Cache-Control", "no-cache"))
}

/// Passes on what the job's object tells, until the job has ended or the client has left.
async fn translate(
    socket: &WebSocket,
    sender: &UnboundedSender<worker::Result<Vec<u8>>>,
) -> worker::Result<()> {
    let mut events = socket.events()?;
    while let Some(event) = events.try_next().await? {
        let WebsocketEvent::Message(message) = event else { return Ok(()) };
        let Some(text) = message.text() else { continue };
        let (frames, is_last) = frames_of(&serde_json::from_str(&text)?);
        if sender.unbounded_send(Ok(frames)).is_err() || is_last {
            socket.close(Some(1000), Some("goodbye"))?;
            return Ok(());
        }
    }
    Ok(())
}

/// A notice as frames, and whether it is the last.
fn frames_of(notice: &Notice) -> (Vec<u8>, bool) {
    match notice {
        Notice::Snapshot { seq, status, last } => {
            let mut data = json!({ "seq": seq, "status": status });
            if let (Some(last), Some(members)) = (last, data.as_object_mut()) {
                members.insert("last".to_owned(), last.clone());
            }
            (frame("snapshot", &data.to_string()), false)
        }
        Notice::Event { seq, event_type, data } => {
            let mut data = data.clone();
            if let Some(members) = data.as_object_mut() {
                members.insert("seq".to_owned(), (*seq).into());
            }
            (frame(event_type, &data.to_string()), false)
        }
        Notice::Status { seq, status, error, rule_count } => {
            let mut data = Map::new();
            data.insert("seq".to_owned(), (*seq).into());
            data.insert("status".to_owned(), status.name().into());
            data.extend(rule_count.map(|n| ("ruleCount".to_owned(), n.into())));
            data.extend(error.clone().map(|error| ("error".to_owned(), error.into())));
            let data = Value::from(data).to_string();
            let mut frames = frame("status", &data);
            match status {
                Status::Failed => frames.extend(frame("error", &data)),
                end if end.is_end() => frames.extend(frame("done", &data)),
                _ => {}
            }
            (frames, status.is_end())
        }
    }
}

/// Deletes the record of jobs whose objects have forgotten them. The schedule calls it.
///
/// # Errors
/// If D1 can't be asked.
pub async fn forget_old(app: &App) -> Result<(), ApiError> {
    let before = app.now.0.saturating_sub(KEEP_JOB_MS);
    jobs::forget_before(&app.d1()?, before).await.map_err(of_record)
}

async fn find(app: &App, admitted: &Admitted) -> Result<Option<Box<Job>>, ApiError> {
    if !is_id(&admitted.item) {
        return Ok(None);
    }
    let owner = admitted.caller.identity.object_name();
    match app.jobs()?.show(&admitted.item, &owner).await.map_err(of_job)? {
        JobReply::Job(job) => Ok(Some(job)),
        _ => Ok(None),
    }
}

async fn load(app: &App, admitted: &Admitted) -> Result<(Vec<Row>, Vec<Count>), ApiError> {
    let user: UserId = admitted.caller.user().ok_or(ApiError::Unauthorized)?;
    let database = app.d1()?;
    let rows = jobs::load_newest(&database, user, MAX_DEPTHS as u64).await.map_err(of_record)?;
    let counts = jobs::count_by_status(&database, user).await.map_err(of_record)?;
    Ok((rows, counts))
}

fn of_job(error: CallError) -> ApiError {
    ApiError::unavailable("The job", error)
}

fn of_record(error: worker::Error) -> ApiError {
    ApiError::unavailable("The record of jobs", error)
}

fn uncached(value: &Value) -> ApiResult {
    Ok(Reply::json(value)?.with_header("Cache-Control", "no-cache"))
}

fn info_of(job: &Job, now: u64) -> Value {
    let end = job.ended_at.unwrap_or(now);
    let duration = end.saturating_sub(job.started_at.unwrap_or(end));
    let mut info = json!({
        "configName": job.name, "duration": duration, "timestamp": job.ended_at.unwrap_or(job.created_at),
    });
    if let (Some(error), Some(members)) = (&job.error, info.as_object_mut()) {
        members.insert("error".to_owned(), error.clone().into());
    }
    info
}

fn duration(row: &Row) -> u64 {
    row.ended_at.map_or(0, |ended_at| ended_at.saturating_sub(row.started_at.unwrap_or(ended_at)))
}

/// The last jobs that ended, the newest first.
fn history(rows: &[Row]) -> Vec<Value> {
    let mut ended: Vec<(&Row, u64)> = rows.iter().filter_map(|row| Some((row, row.ended_at?))).collect();
    ended.sort_by_key(|(_, ended_at)| std::cmp::Reverse(*ended_at));
    let entries = ended.into_iter().take(MAX_HISTORY).map(|(row, ended_at)| {
        let mut entry = Map::new();
        entry.insert("requestId".to_owned(), row.request_id.clone().into());
        entry.insert("configName".to_owned(), row.config_name.clone().into());
        entry.insert("status".to_owned(), row.status.clone().into());
        entry.insert("duration".to_owned(), duration(row).into());
        entry.insert("timestamp".to_owned(), ended_at.into());
        entry.extend(row.error.clone().map(|error| ("error".to_owned(), error.into())));
        entry.extend(row.rule_count.map(|n| ("ruleCount".to_owned(), n.into())));
        entry.into()
    });
    entries.collect()
}

/// How many jobs had not ended at each instant at which one came or ended, as far as these rows tell.
fn depths(rows: &[Row]) -> Vec<Value> {
    let came = rows.iter().map(|row| (row.created_at, 1_i64));
    let ended = rows.iter().filter_map(|row| Some((row.ended_at?, -1)));
    let mut changes: Vec<(u64, i64)> = came.chain(ended).collect();
    changes.sort_unstable();
    let mut depth = 0;
    let points: Vec<Value> = changes
        .into_iter()
        .map(|(at, change)| {
            depth = (depth + change).max(0);
            json!({ "timestamp": at, "pending": depth, "depth": depth })
        })
        .collect();
    points.get(points.len().saturating_sub(MAX_DEPTHS)..).unwrap_or_default().to_vec()
}

fn stats(rows: &[Row], counts: &[Count], now: u64) -> Value {
    let count =
        |status: &str| counts.iter().filter(|count| count.status == status).map(|count| count.n).sum();
    let (completed, failed, cancelled): (u64, u64, u64) =
        (count(Status::Completed.name()), count(Status::Failed.name()), count(Status::Cancelled.name()));
    let all: u64 = counts.iter().map(|count| count.n).sum();
    let pending = all - completed - failed - cancelled;
    let total_ms: u64 = counts.iter().map(|count| count.total_ms).sum();
    let recent = rows.iter().filter(|row| row.ended_at.is_some_and(|at| at.saturating_add(HOUR_MS) > now));
    let lags: Vec<u64> =
        rows.iter().filter_map(|row| Some(row.started_at?.saturating_sub(row.created_at))).collect();
    let lag = lags.iter().sum::<u64>().checked_div(lags.len() as u64).unwrap_or(0);
    json!({
        "success": true,
        "pending": pending,
        "completed": completed,
        "failed": failed,
        "cancelled": cancelled,
        "totalProcessingTime": total_ms,
        "averageProcessingTime": total_ms.checked_div(completed + failed).unwrap_or(0),
        "processingRate": recent.count() as f64 / 60.0,
        "queueLag": lag,
        "lag": lag,
        "currentDepth": pending,
        "lastUpdate": iso_time(UnixMillis(now)),
        "history": history(rows),
        "depthHistory": depths(rows),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, created_at: u64, ended_at: Option<u64>) -> Row {
        Row {
            request_id: id.to_owned(),
            config_name: "N".to_owned(),
            status: if ended_at.is_some() { "completed" } else { "queued" }.to_owned(),
            created_at,
            started_at: ended_at.map(|at| at - 5),
            ended_at,
            rule_count: None,
            error: None,
        }
    }

    #[test]
    fn depth_goes_up_and_down() {
        let rows = [row("c", 30, None), row("b", 10, Some(40)), row("a", 0, Some(20))];
        let depths: Vec<u64> = depths(&rows).iter().map(|point| point["depth"].as_u64().unwrap()).collect();
        assert_eq!(depths, [1, 2, 1, 2, 1]);
    }

    #[test]
    fn history_is_of_what_ended() {
        let rows = [row("c", 30, None), row("b", 10, Some(40)), row("a", 0, Some(20))];
        let shown: Vec<Value> = history(&rows);
        assert_eq!(shown.len(), 2);
        assert_eq!((&shown[0]["requestId"], &shown[0]["duration"]), (&"b".into(), &5.into()));
        assert!(shown[0].get("error").is_none());
    }

    #[test]
    fn the_last_frame_says_how_it_ended() {
        let status = |status, error| Notice::Status { seq: 7, status, error, rule_count: None };
        let (frames, is_last) = frames_of(&status(Status::Completed, None));
        let text = String::from_utf8(frames).unwrap();
        assert!(
            is_last && text.ends_with("event: done\ndata: {\"seq\":7,\"status\":\"completed\"}\n\n"),
            "{text}"
        );
        let (frames, _) = frames_of(&status(Status::Failed, Some("why".to_owned())));
        assert!(String::from_utf8(frames).unwrap().contains("event: error\ndata: {\"error\":\"why\""));
        assert!(!frames_of(&status(Status::Running, None)).1);
    }
}

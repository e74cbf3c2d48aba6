use anyhow::{Result, bail};
use perfdeck_bridge::Source;
use perfdeck_bridge::protocol::{
    Answer, FindingId, FindingStatus, Hello, Intent, LedgerId, LedgerStatus, Question, RedisRow,
    State, Status, Timestamp, Topic,
};
use perfdeck_bridge::socket::Found;
use serde::Serialize;
use serde_json::{Value, json};

use super::args::{CacheVerb, Consent, Global, Verb};
use super::{Outcome, connect, database, diff, doctor, exemplar, history, record, text, wait};
use crate::runtime::now;

/// Runs a command that answers.
pub(super) async fn run(verb: &Verb, global: &Global) -> Result<Outcome> {
    let target = global.target();
    if matches!(verb, Verb::Ls) {
        if target.via.is_some() {
            bail!("ls lists the services of this machine: run it where --via leads");
        }
        return ls(&target.candidates());
    }
    if matches!(verb, Verb::Doctor)
        && target.recording.is_none()
        && let Some(outcome) = doctor::way(&target)
    {
        return outcome;
    }
    if let Verb::Record {
        output,
        size,
        seconds,
    } = verb
    {
        return record::run(&target, output, *size, *seconds, global.json).await;
    }
    if let Verb::Diff { before, after } = verb {
        return diff::run(before, after);
    }
    if let Some(replay) = target.replay() {
        return ask(verb, &replay?, global.json).await;
    }
    let attached = connect::attach(&target).await?;
    ask(verb, &attached.client, global.json).await
}

/// Runs a command against a host.
pub(super) async fn ask(verb: &Verb, source: &dyn Source, quiet: bool) -> Result<Outcome> {
    match verb {
        Verb::Status => {
            let (State::Status(status), taken) = state(source, Topic::Status).await? else {
                bail!(CONFUSED)
            };
            let hello = source.hello().await?;
            let outcome = told(
                &FullStatus::of(&hello, &status),
                text::status(&hello, &status, now()),
            )?;
            Ok(outcome.lacking(taken.left_out))
        }
        Verb::Doctor => {
            let (State::Status(status), taken) = state(source, Topic::Status).await? else {
                bail!(CONFUSED)
            };
            Ok(doctor::host(&source.hello().await?, &status)?.lacking(taken.left_out))
        }
        Verb::Requests => {
            let (State::Requests(requests), taken) = state(source, Topic::Requests).await? else {
                bail!(CONFUSED)
            };
            Ok(told(&requests, text::requests(&requests))?.lacking(taken.left_out))
        }
        Verb::Exemplars { route } => {
            let kept = exemplar::of_route(source, route).await?;
            let newest = kept.exemplars.iter().map(|row| row.at).max();
            told(
                &kept,
                exemplar::list(&kept, newest.unwrap_or_default().max(now())),
            )
        }
        Verb::Exemplar { id, of, percentile } => {
            let one = exemplar::one(source, *id, of, *percentile).await?;
            told(&one, exemplar::waterfall(&one))
        }
        Verb::Queries => {
            let (State::Queries(queries), taken) = state(source, Topic::Queries).await? else {
                bail!(CONFUSED)
            };
            Ok(told(&queries, text::queries(&queries))?.lacking(taken.left_out))
        }
        Verb::History(options) if options.list => {
            let names = history::numbers(source).await?;
            told(&names, text::names(&names))
        }
        Verb::History(options) => {
            let history = history::ask(source, options).await?;
            told(&history, history::tell(&history))
        }
        Verb::Alerts { clear: true, apply } => {
            let consent = Consent { apply: *apply };
            act(source, Intent::ClearAlerts, consent, quiet).await
        }
        Verb::Alerts { .. } => {
            let (State::Alerts(alerts), taken) = state(source, Topic::Alerts).await? else {
                bail!(CONFUSED)
            };
            Ok(told(&alerts, text::alerts(&alerts, taken.at))?.lacking(taken.left_out))
        }
        Verb::Recommendations { all } => {
            let (State::Advice(mut advice), taken) = state(source, Topic::Advice).await? else {
                bail!(CONFUSED)
            };
            let open = |status| matches!(status, FindingStatus::Ready | FindingStatus::Code);
            advice
                .findings
                .retain(|finding| *all || open(finding.status));
            let outcome = told(&advice.findings, text::recommendations(&advice))?;
            Ok(outcome.lacking(taken.left_out))
        }
        Verb::Cache(CacheVerb::Stats) => {
            let (State::Caches(caches), taken) = state(source, Topic::Caches).await? else {
                bail!(CONFUSED)
            };
            Ok(told(&caches.namespaces, text::caches(&caches))?.lacking(taken.left_out))
        }
        Verb::Ledger => {
            let (State::Ledger(ledger), taken) = state(source, Topic::Ledger).await? else {
                bail!(CONFUSED)
            };
            Ok(told(&ledger.rows, text::ledger(&ledger, taken.at))?.lacking(taken.left_out))
        }
        Verb::Host => {
            let (State::Host(host), taken) = state(source, Topic::Host).await? else {
                bail!(CONFUSED)
            };
            Ok(told(&host, text::host(&host))?.lacking(taken.left_out))
        }
        Verb::Redis => {
            let (State::Host(host), taken) = state(source, Topic::Host).await? else {
                bail!(CONFUSED)
            };
            let redis = Redis {
                redis: &host.redis,
                more_redis: host.more_redis,
            };
            Ok(told(&redis, text::redis(&host))?.lacking(taken.left_out))
        }
        Verb::Pools => {
            let (State::Database(database), taken) = state(source, Topic::Database).await? else {
                bail!(CONFUSED)
            };
            let text = database::pools(&database, taken.at);
            Ok(told(&database, text)?.lacking(taken.left_out))
        }
        Verb::Indexes => {
            let (State::Database(database), taken) = state(source, Topic::Database).await? else {
                bail!(CONFUSED)
            };
            let indexes = database::indexes(&database);
            Ok(told(&indexes, indexes.text())?.lacking(taken.left_out))
        }
        Verb::Cache(CacheVerb::Clear { namespace, consent }) => {
            let intent = Intent::ClearCache {
                namespace: namespace.clone(),
            };
            act(source, intent, *consent, quiet).await
        }
        Verb::Cache(CacheVerb::Warm { namespace, consent }) => {
            let intent = Intent::WarmCache {
                namespace: namespace.clone(),
            };
            act(source, intent, *consent, quiet).await
        }
        Verb::Cache(CacheVerb::Optimize { consent }) => {
            act(source, Intent::OptimizeCaches, *consent, quiet).await
        }
        Verb::Cache(CacheVerb::Resize {
            namespace,
            capacity,
            consent,
        }) => {
            let intent = Intent::ResizeCache {
                namespace: namespace.clone(),
                capacity: capacity.wanted(),
            };
            act(source, intent, *consent, quiet).await
        }
        Verb::Cache(CacheVerb::Ttl {
            namespace,
            ttl_seconds,
            consent,
        }) => {
            let intent = Intent::SetCacheTtl {
                namespace: namespace.clone(),
                ttl_seconds: *ttl_seconds,
            };
            act(source, intent, *consent, quiet).await
        }
        Verb::Apply { finding, consent } => {
            act(
                source,
                Intent::Apply(FindingId(finding.clone())),
                *consent,
                quiet,
            )
            .await
        }
        Verb::Undo { row, consent } => {
            act(source, Intent::Undo(LedgerId(*row)), *consent, quiet).await
        }
        Verb::Attach
        | Verb::Ls
        | Verb::Record { .. }
        | Verb::Diff { .. }
        | Verb::Replay { .. }
        | Verb::Relay
        | Verb::Completions { .. } => {
            bail!("this command asks no host")
        }
    }
}

pub(super) const CONFUSED: &str = "the host answered a question with something else";

/// Previews, and applies on the same connection if that was asked for.
async fn act(
    source: &dyn Source,
    intent: Intent,
    consent: Consent,
    quiet: bool,
) -> Result<Outcome> {
    let preview = wait::preview(source, intent).await?;
    if !consent.apply {
        let text = text::preview(&preview);
        return Ok(Outcome {
            json: json!({ "applied": false, "preview": value(&preview)? }),
            text,
            failed: false,
            left_out: 0,
        });
    }
    let row = wait::apply(source, preview.plan_id, quiet).await?;
    let failed = !matches!(row.status, LedgerStatus::Done | LedgerStatus::Undone);
    let text = text::applied(&row);
    Ok(Outcome {
        json: json!({ "applied": true, "row": value(&row)? }),
        text,
        failed,
        left_out: 0,
    })
}

/// When a state was taken, and how much of it there was no room for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    pub(super) at: Timestamp,
    left_out: u64,
}

/// Asks for a topic's present state.
pub(super) async fn state(source: &dyn Source, topic: Topic) -> Result<(State, Taken)> {
    match source.ask(Question::Now(topic)).await? {
        Answer::Now(update) => {
            let taken = Taken {
                at: update.at,
                left_out: update.left_out,
            };
            Ok((update.state.clone(), taken))
        }
        _ => bail!(CONFUSED),
    }
}

fn ls(found: &[Found]) -> Result<Outcome> {
    let hosts: Vec<Value> = found
        .iter()
        .map(|found| {
            json!({
                "service": found.service,
                "pid": found.pid,
                "uid": found.uid,
                "socket": found.path,
            })
        })
        .collect();
    Ok(Outcome {
        json: Value::Array(hosts),
        text: text::ls(found),
        failed: false,
        left_out: 0,
    })
}

/// A status with what the host says of itself, as one object.
#[derive(Debug, Serialize)]
struct FullStatus<'a> {
    service: &'a str,
    version: Option<&'a str>,
    pid: u32,
    started_at: Timestamp,
    #[serde(flatten)]
    status: &'a Status,
}

impl<'a> FullStatus<'a> {
    fn of(hello: &'a Hello, status: &'a Status) -> Self {
        Self {
            service: &hello.service,
            version: hello.version.as_deref(),
            pid: hello.pid,
            started_at: hello.started_at,
            status,
        }
    }
}

/// The part of a host's state that is about Redis.
#[derive(Debug, Serialize)]
struct Redis<'a> {
    redis: &'a [RedisRow],
    more_redis: u64,
}

fn told(value_: &impl Serialize, text: String) -> Result<Outcome> {
    Ok(Outcome {
        json: value(value_)?,
        text,
        failed: false,
        left_out: 0,
    })
}

/// Turns a value into JSON; what is no number becomes null.
fn value(value: &impl Serialize) -> Result<Value> {
    Ok(serde_json::to_value(value)?)
}

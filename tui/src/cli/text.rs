//! What each command prints for a person. Everything from the host passes the table's cells or [`printable`].

use perfdeck_bridge::protocol::{
    Advice, AlertRule, AlertSide, AlertState, Alerts, CacheRow, Caches, Confidence, Finding,
    FindingStatus, Hello, Host, Ledger, LedgerRow, LedgerStatus, PoolRow, Preview, Queries,
    Requests, Severity, Status, Timestamp, Verdict,
};
use perfdeck_bridge::socket::Found;

use super::table::render;
use crate::format::{self, TimeUnit, printable};
use crate::screen;
use crate::screen::host::Amount;

pub(super) fn ls(found: &[Found]) -> String {
    if found.is_empty() {
        return "No service with perfdeck runs here that you may attach to.\n".to_owned();
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|found| {
            let path = found.path.display().to_string();
            vec![
                found.service.clone(),
                found.pid.to_string(),
                found.uid.to_string(),
                path,
            ]
        })
        .collect();
    render(&["service", " pid", " uid", "socket"], &rows)
}

/// One name a line.
pub(super) fn names(names: &[String]) -> String {
    names
        .iter()
        .map(|name| format!("{}\n", printable(name, 200)))
        .collect()
}

pub(super) fn status(hello: &Hello, status: &Status, now: Timestamp) -> String {
    let now_ = &status.current_metrics;
    let summary = &status.optimization_summary;
    let deck = &status.deck;
    let percent = |value: f64| format::share(value / 100.0);
    let version = hello.version.as_deref().unwrap_or_default();
    let up = format::age(now.since(hello.started_at));
    let lines = [
        (
            "service",
            format!("{} {version}", hello.service).trim().to_owned(),
        ),
        ("process", format!("{}, up {up}", hello.pid)),
        ("score", format!("{:.0} of 100", summary.performance_score)),
        (
            "advice",
            format!(
                "{}, {} critical",
                format::plural(
                    summary.total_recommendations as usize,
                    "finding",
                    "findings"
                ),
                summary.high_priority_issues
            ),
        ),
        ("alerts", format!("{} firing", status.alerts_firing)),
        ("requests", format::rate(now_.requests_per_second)),
        (
            "p95",
            format::maybe(now_.response_time_p95, format::seconds),
        ),
        ("errors", format::share(now_.error_rate)),
        ("cpu", format::maybe(now_.cpu_percent, percent)),
        ("memory", format::maybe(now_.memory_percent, percent)),
        (
            "deck",
            format!(
                "{} of a core, {}, {}, level: {}",
                percent(deck.cpu_percent),
                format::bytes(deck.memory_bytes as f64),
                format::plural(deck.viewers as usize, "viewer", "viewers"),
                deck.level,
            ),
        ),
        (
            "dropped",
            format!(
                "{} recordings, {} filed under <other>, {} updates",
                format::count(deck.dropped.recordings),
                format::count(deck.dropped.overflowed),
                format::count(deck.dropped.updates)
            ),
        ),
    ];
    let recording = status.recording.as_ref().map(|recording| {
        let written = format!(
            "{} to {}, at most {}",
            format::plural(recording.blocks as usize, "tick", "ticks"),
            recording.path,
            format::bytes(recording.limit_bytes as f64)
        );
        ("recording", written)
    });
    let mut text = String::new();
    for (label, value) in lines.into_iter().chain(recording) {
        text.push_str(&format!("{label:<10}{}\n", printable(&value, 200)));
    }
    for spot in &status.blind_spots {
        let what = printable(&spot.what, 200);
        let why = printable(&spot.why, 200);
        text.push_str(&format!(
            "not seen  {what}: {why}\n          {}\n",
            printable(&spot.fix, 200)
        ));
    }
    text
}

pub(super) fn requests(requests: &Requests) -> String {
    if requests.routes.is_empty() {
        return "No requests yet.\n".to_owned();
    }
    let unit = TimeUnit::of(requests.routes.iter().map(|row| row.p99_seconds));
    let rows: Vec<Vec<String>> = requests
        .routes
        .iter()
        .map(|row| {
            vec![
                format::share(row.wait_share),
                format::rate(row.requests_per_second),
                unit.tell(row.p50_seconds),
                unit.tell(row.p95_seconds),
                unit.tell(row.p99_seconds),
                format::share(row.error_ratio),
                format::quantity(row.queries_per_request.p50),
                format::count(row.requests),
                row.route.clone(),
            ]
        })
        .collect();
    let table = render(
        &[
            " wait",
            " rate",
            " p50",
            " p95",
            " p99",
            " errors",
            " queries",
            " requests",
            "route",
        ],
        &rows,
    );
    let background = &requests.background;
    if background.queries == 0 {
        return table;
    }
    let rate = format::rate(background.queries_per_second);
    let share = format::share(background.query_share);
    format!("{table}background  {rate} statements, {share} of the time in statements\n")
}

pub(super) fn queries(queries: &Queries) -> String {
    if queries.queries.is_empty() {
        return "No statements yet; `perfdeck status` says what can't be seen.\n".to_owned();
    }
    let unit = TimeUnit::of(queries.queries.iter().map(|row| row.p99_seconds));
    let rows: Vec<Vec<String>> = queries
        .queries
        .iter()
        .map(|row| {
            vec![
                row.id.0.clone(),
                format::share(row.time_share),
                format::rate(row.calls_per_second),
                unit.tell(row.p50_seconds),
                unit.tell(row.p95_seconds),
                format::quantity(row.rows_per_call),
                format::count(row.calls),
                row.route.clone().unwrap_or_else(|| "background".to_owned()),
                row.text.to_string(),
            ]
        })
        .collect();
    let titles = [
        "id",
        " time",
        " rate",
        " p50",
        " p95",
        " rows",
        " calls",
        "from",
        "statement",
    ];
    let slow = "Only slow statements are seen: there are no counts and rates.\n";
    let table = render(&titles, &rows);
    if queries.slow_only {
        format!("{table}{slow}")
    } else {
        table
    }
}

pub(super) fn alerts(alerts: &Alerts, now: Timestamp) -> String {
    let told = if alerts.alerts.is_empty() {
        format!("No alert fires; {} rules are watched.\n", alerts.rules)
    } else {
        raised(alerts, now)
    };
    // A host from before limits could be set tells none.
    if alerts.limits.is_empty() {
        return told;
    }
    format!("{told}\n{}", limits(&alerts.limits))
}

fn raised(alerts: &Alerts, now: Timestamp) -> String {
    let rows: Vec<Vec<String>> = alerts
        .alerts
        .iter()
        .map(|alert| {
            let state = match alert.state {
                AlertState::Pending => "pending",
                AlertState::Firing => "firing",
                AlertState::Resolved => "resolved",
            };
            vec![
                state.to_owned(),
                severity(alert.severity).to_owned(),
                format::age(now.since(alert.since)),
                alert.rule.clone(),
                alert.message.clone(),
            ]
        })
        .collect();
    render(&["state", "severity", " since", "rule", "what"], &rows)
}

fn limits(limits: &[AlertRule]) -> String {
    let rows: Vec<Vec<String>> = limits
        .iter()
        .map(|rule| {
            let side = match rule.side {
                AlertSide::Over => "over",
                AlertSide::Under => "under",
            };
            vec![
                rule.rule.clone(),
                side.to_owned(),
                format::limit(rule.limit, &rule.unit),
                format::limit(rule.default_limit, &rule.unit),
                format::hold(rule.hold_seconds),
                rule.route.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let titles = ["rule", "", " limit", " default", "fires", "route"];
    render(&titles, &rows)
}

pub(super) fn recommendations(advice: &Advice) -> String {
    if advice.findings.is_empty() {
        return "Nothing to do: no finding is open.\n".to_owned();
    }
    let rows: Vec<Vec<String>> = advice
        .findings
        .iter()
        .map(|finding| {
            vec![
                format::share(finding.impact.wait_share),
                sure(finding).to_owned(),
                format!("{:+.0}", finding.score_points),
                word(finding.status).to_owned(),
                finding.id.0.clone(),
                finding.title.clone(),
            ]
        })
        .collect();
    let table = render(
        &[" wait saved", "sure", " score", "status", "id", "finding"],
        &rows,
    );
    let ready = advice
        .findings
        .iter()
        .find(|finding| finding.status == FindingStatus::Ready);
    let hint = ready.map(|finding| format!("\nperfdeck apply {}\n", printable(&finding.id.0, 100)));
    format!("{table}{}", hint.unwrap_or_default())
}

pub(super) fn caches(caches: &Caches) -> String {
    if caches.namespaces.is_empty() {
        return "No caches yet.\n".to_owned();
    }
    let rows: Vec<Vec<String>> = caches
        .namespaces
        .iter()
        .map(|row| {
            vec![
                format::maybe(row.hit_ratio, format::share),
                format::rate(row.lookups_per_second),
                format!("{}/s", format::seconds(row.saved_seconds_per_second)),
                format::count(row.entries),
                format::capacity(row),
                format::count(row.hits),
                format::count(row.misses),
                format::count(row.loads),
                format::count(row.evictions),
                format::count(row.evicted.expired),
                format::count(row.evicted.invalidated),
                format::count(row.evicted.replaced),
                format::ttl(row),
                format::tier(row).to_owned(),
                row.namespace.clone(),
            ]
        })
        .collect();
    let titles = [
        " hits",
        " look-ups",
        " saved",
        " entries",
        " of",
        " hits",
        " misses",
        " loads",
        " pushed out",
        " over",
        " invalidated",
        " replaced",
        " TTL",
        "in",
        "namespace",
    ];
    let bypassed: String = caches
        .bypassed_queries
        .iter()
        .map(|why| {
            format!(
                "\nnot cached, {}: {}",
                printable(format::bypass(&why.why), 40),
                format::count(why.queries)
            )
        })
        .collect();
    let bypassed = if bypassed.is_empty() {
        bypassed
    } else {
        format!("{bypassed}\n")
    };
    let forecasts: String = caches.namespaces.iter().map(forecast).collect();
    let told = caches.shared.as_ref().map(|shared| {
        let state = if shared.attached {
            ""
        } else {
            "Redis doesn't answer; "
        };
        format!(
            "\n{state}stale for at most {}, {} followed, {} to be told, {} gaps\n",
            format::seconds(shared.staleness_bound_seconds),
            format::count(shared.received),
            format::count(shared.deferred),
            format::count(shared.gaps + shared.rollbacks),
        )
    });
    format!(
        "{}{bypassed}{forecasts}{}",
        render(&titles, &rows),
        told.unwrap_or_default()
    )
}

/// What other policies would bring to a namespace, a line for each.
fn forecast(row: &CacheRow) -> String {
    let Some(said) = &row.forecast else {
        return String::new();
    };
    let name = printable(&row.namespace, 60);
    let mut text = String::new();
    if let Some(words) = screen::caches::silence(said) {
        text.push_str(&format!("\n{name}: forecast {words}\n"));
    }
    let lists = [&said.capacities, &said.evictions, &said.ttls];
    if lists.iter().any(|list| !list.is_empty()) {
        text.push_str(&format!("\n{name} with\n"));
    }
    for other in lists.into_iter().flatten() {
        let capacity = if row.capacity_in_bytes {
            format::bytes(other.capacity as f64)
        } else {
            format::count(other.capacity)
        };
        text.push_str(&format!(
            "  {capacity}, {}, {}: {}\n",
            printable(&other.eviction, 20),
            screen::caches::duration(other.ttl_seconds),
            screen::caches::forecast(other),
        ));
    }
    text
}

pub(super) fn ledger(ledger: &Ledger, now: Timestamp) -> String {
    if ledger.rows.is_empty() {
        return "Nothing was done yet.\n".to_owned();
    }
    let rows: Vec<Vec<String>> = ledger
        .rows
        .iter()
        .map(|row| {
            let gain = row.realised.as_ref().map(|gain| {
                format!(
                    "{} p95 {} -> {}",
                    gain.subject,
                    format::seconds(gain.p95_seconds_before),
                    format::seconds(gain.p95_seconds_after)
                )
            });
            vec![
                row.id.to_string(),
                format::age(now.since(row.at)),
                row.actor.clone(),
                outcome(row).to_owned(),
                format!("{} {}", row.action, row.target),
                gain.unwrap_or_else(|| row.message.clone()),
            ]
        })
        .collect();
    render(
        &[" row", " ago", "who", "outcome", "what", "brought"],
        &rows,
    )
}

pub(super) fn host(host: &Host) -> String {
    format!("{}\n{}", pools(&host.pools), metrics(host))
}

pub(super) fn pools(pools: &[PoolRow]) -> String {
    let rows: Vec<Vec<String>> = pools
        .iter()
        .map(|pool| {
            vec![
                pool.in_use.to_string(),
                pool.open.to_string(),
                pool.max.to_string(),
                format::maybe(pool.wait_p95_seconds, format::seconds),
                format::count(pool.acquires),
                format::count(pool.timeouts),
                pool.database.clone(),
                pool.name.clone(),
            ]
        })
        .collect();
    let titles = [
        " in use",
        " open",
        " of",
        " wait p95",
        " waits",
        " time-outs",
        "database",
        "pool",
    ];
    match rows.is_empty() {
        true => "No pool is named.\n".to_owned(),
        false => render(&titles, &rows),
    }
}

fn metrics(host: &Host) -> String {
    if host.metrics.is_empty() {
        return "The service has no numbers of its own.\n".to_owned();
    }
    let rows: Vec<Vec<String>> = host
        .metrics
        .iter()
        .map(|row| {
            let amount = Amount::of(row);
            let tell = |value| format::maybe(value, |value| amount.tell(value));
            let histogram = row.count.is_some();
            vec![
                row.kind.clone(),
                tell((!histogram).then_some(row.value)),
                format::maybe(row.per_second, |rate| match histogram {
                    true => format::rate(rate),
                    false => amount.tell_rate(rate),
                }),
                tell(row.p50),
                tell(row.p95),
                tell(row.max),
                row.count
                    .map_or_else(|| format::NOTHING.to_owned(), format::count),
                row.name.clone(),
            ]
        })
        .collect();
    let titles = [
        "kind", " value", " rate", " p50", " p95", " max", " count", "metric",
    ];
    let more = match host.more_metrics {
        0 => String::new(),
        more => format!("And {} that change less.\n", format::count(more)),
    };
    format!("{}{more}", render(&titles, &rows))
}

pub(super) fn redis(host: &Host) -> String {
    if host.redis.is_empty() {
        return "No command to Redis was seen: deck.redis(\"cache\", connection) shows them.\n"
            .to_owned();
    }
    let unit = TimeUnit::of(host.redis.iter().filter_map(|row| row.p95_seconds));
    let rows: Vec<Vec<String>> = host
        .redis
        .iter()
        .map(|row| {
            vec![
                format!("{}/s", format::seconds(row.wait_seconds_per_second)),
                format::rate(row.calls_per_second),
                format::maybe(row.p50_seconds, |seconds| unit.tell(seconds)),
                format::maybe(row.p95_seconds, |seconds| unit.tell(seconds)),
                format::share(row.error_ratio),
                format::count(row.calls),
                format::count(row.pipelined),
                format::count(row.errors),
                format::count(row.timeouts),
                format::count(row.given_up),
                row.connection.clone(),
                row.command.clone(),
            ]
        })
        .collect();
    let titles = [
        " wait",
        " rate",
        " p50",
        " p95",
        " errors",
        " calls",
        " piped",
        " failed",
        " time-outs",
        " given up",
        "connection",
        "command",
    ];
    let more = match host.more_redis {
        0 => String::new(),
        more => format!("And {} that take less.\n", format::count(more)),
    };
    format!("{}{more}", render(&titles, &rows))
}

pub(super) fn preview(preview: &Preview) -> String {
    let mut text = format!("Would {}:\n\n", printable(&preview.title, 200));
    for line in preview.statement.lines() {
        text.push_str(&format!("    {}\n", printable(line, 4_000)));
    }
    text.push('\n');
    for note in &preview.notes {
        text.push_str(&format!("{}\n", printable(note, 400)));
    }
    if let Some(expected) = &preview.expected {
        text.push_str(&format!("brings: {}\n", printable(expected, 400)));
    }
    let undo = match preview.undo.statement.as_str() {
        "" => "none".to_owned(),
        statement => printable(statement, 4_000),
    };
    text.push_str(&format!("undo:   {undo}\n"));
    text.push_str("\nNothing was changed. The same command with --apply does it.\n");
    text
}

pub(super) fn applied(row: &LedgerRow) -> String {
    let what = printable(&format!("{} {}", row.action, row.target), 300);
    let message = printable(&row.message, 400);
    let next = if row.undo.is_some() {
        format!("perfdeck undo {} takes it back.\n", row.id)
    } else {
        String::new()
    };
    format!(
        "{}: {what}: {message} (row {} of the ledger)\n{next}",
        outcome(row),
        row.id
    )
}

const fn outcome(row: &LedgerRow) -> &'static str {
    match (row.status, row.verdict) {
        (LedgerStatus::Running, _) => "running",
        (LedgerStatus::Failed, _) => "failed",
        (LedgerStatus::Refused, _) => "refused",
        (LedgerStatus::Undone, _) => "undone",
        (LedgerStatus::Done, Verdict::Measuring) => "done, measuring",
        (LedgerStatus::Done, Verdict::Helped) => "helped",
        // Nothing was to be measured.
        (LedgerStatus::Done, Verdict::NoChange) if row.realised.is_none() => "done",
        (LedgerStatus::Done, Verdict::NoChange) => "no change",
        (LedgerStatus::Done, Verdict::Worse) => "worse",
        (LedgerStatus::Done, Verdict::NotEnoughTraffic) => "not enough traffic",
    }
}

const fn sure(finding: &Finding) -> &'static str {
    match finding.confidence {
        Confidence::Verified => "verified",
        Confidence::Estimated => "estimated",
        Confidence::Heuristic => "heuristic",
    }
}

const fn word(status: FindingStatus) -> &'static str {
    match status {
        FindingStatus::Ready => "ready",
        FindingStatus::Code => "code",
        FindingStatus::Applied => "applied",
        FindingStatus::Dismissed => "dismissed",
    }
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

//! The first screen.

use perfdeck_bridge::protocol::{Level, Overview, TimeShare};

use crate::agent::Agent;
use crate::judge::alert::Rule;
use crate::judge::finding::is_open;

/// Routes that the overview names.
const ROUTES: usize = 8;

pub(super) fn overview(agent: &Agent) -> Overview {
    Overview {
        summary: agent.verdicts.summary.clone(),
        score: agent.verdicts.score.clone(),
        vitals: super::vitals::vitals(agent),
        time: time(agent),
        changes: agent.changes.iter().rev().cloned().collect(),
    }
}

/// What users waited for in the last minute, and beside it what nobody waited for.
fn time(agent: &Agent) -> Vec<TimeShare> {
    let window = &agent.window;
    let attributed: u64 = agent
        .store
        .requests
        .values()
        .map(|record| record.timeline.minute().1.query_nanos)
        .sum();
    let all = agent.store.all_queries.minute().0.sum_seconds();
    let background = (all - attributed as f64 / 1e9).max(0.0);
    let total = window.wait_seconds + background;
    let share = |seconds: f64| if total > 0.0 { seconds / total } else { 0.0 };
    let open = || {
        agent
            .verdicts
            .findings
            .iter()
            .filter(|finding| is_open(finding))
    };
    let limit = |route: &str| {
        let rule = Rule::ResponseTimeP95;
        agent.thresholds.limit_of_route(rule, route)
    };
    let mut time: Vec<_> = window
        .routes
        .iter()
        .take(ROUTES)
        .map(|route| TimeShare {
            route: route.name.to_string(),
            share: share(route.wait_seconds),
            p95_seconds: Some(route.p95_seconds),
            level: if route.p95_seconds > limit(&route.name) {
                Level::Over
            } else if open().any(|found| found.impact.route.as_deref() == Some(&*route.name)) {
                Level::Near
            } else {
                Level::Good
            },
        })
        .collect();
    if background > 0.0 {
        time.push(TimeShare {
            route: "background".into(),
            share: share(background),
            p95_seconds: None,
            level: Level::Good,
        });
    }
    time.sort_by(|a, b| b.share.total_cmp(&a.share));
    time
}

//! What is seen, and by what.

use perfdeck_bridge::protocol::Seen;

use super::{Advice, Facts, Statements};
use crate::observe::layer::Installed;

/// Says what is seen, and by what.
pub(crate) fn seen(facts: &Facts) -> Vec<Seen> {
    [
        requests(facts),
        statements(facts),
        pools(facts),
        redis(facts),
        functions(facts),
        caches(facts),
        facts.host.then(|| told("machine", "processor and memory")),
        advice(facts),
        recorder(facts),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn requests(facts: &Facts) -> Option<Seen> {
    (facts.requests > 0).then(|| {
        let routes = plural(facts.templates as u64, "route", "routes");
        told(
            "requests",
            format!("{} to {routes} with a template", count(facts.requests)),
        )
    })
}

fn statements(facts: &Facts) -> Option<Seen> {
    let layer = match facts.layer {
        Installed::All => Some("the layer"),
        Installed::Unproved => Some("the layer, which is not yet proved to hear any"),
        Installed::SlowOnly | Installed::No => None,
    };
    let pools = (!facts.pools.is_empty()).then_some("the deck's pools");
    let by = match (layer, pools) {
        (Some(layer), Some(pools)) => format!("{pools} and {layer}"),
        (Some(by), None) | (None, Some(by)) => by.to_owned(),
        (None, None) => return None,
    };
    let sum = |pick: fn(&Statements) -> u64| pick(&facts.heard) + pick(&facts.wrapped);
    let (calls, outside) = (sum(|seen| seen.calls), sum(|seen| seen.unattributed));
    let outside = if outside == 0 {
        String::new()
    } else {
        format!(", {} of them outside any request", count(outside))
    };
    Some(told(
        "statements",
        format!("{} through {by}{outside}", count(calls)),
    ))
}

fn pools(facts: &Facts) -> Option<Seen> {
    let pools = facts.pools.iter().map(|pool| match pool.database {
        "" => format!("`{}`", pool.name),
        database => format!("`{}` ({database})", pool.name),
    });
    listed("pools", pools)
}

fn redis(facts: &Facts) -> Option<Seen> {
    let names = facts.redis.iter().map(|name| format!("`{name}`"));
    let names: Vec<String> = names.collect();
    (!names.is_empty()).then(|| {
        let commands = plural(facts.commands, "command", "commands");
        told("redis", format!("{commands} through {}", names.join(", ")))
    })
}

fn functions(facts: &Facts) -> Option<Seen> {
    (facts.functions > 0).then(|| {
        let functions = count(facts.functions as u64);
        told(
            "functions",
            format!("{functions} under `#[perfdeck::monitor]`"),
        )
    })
}

fn caches(facts: &Facts) -> Option<Seen> {
    (facts.namespaces > 0).then(|| {
        told(
            "caches",
            plural(facts.namespaces as u64, "namespace", "namespaces"),
        )
    })
}

fn advice(facts: &Facts) -> Option<Seen> {
    let asked = facts.pools.iter().filter_map(|pool| match pool.advice {
        Advice::Planned => Some(format!("on the indexes of `{}`", pool.name)),
        Advice::Modelled => Some(format!("on the indexes of `{}`, estimated", pool.name)),
        Advice::None | Advice::Open | Advice::Failed(_) => None,
    });
    listed("advice", asked)
}

fn recorder(facts: &Facts) -> Option<Seen> {
    let recording = facts.recording.as_ref()?;
    let blocks = plural(recording.blocks, "tick", "ticks");
    let how = format!("{blocks} written to {}", recording.path);
    (recording.blocks > 0).then(|| told("flight recorder", how))
}

fn listed(what: &str, items: impl Iterator<Item = String>) -> Option<Seen> {
    let items: Vec<String> = items.collect();
    (!items.is_empty()).then(|| told(what, items.join("; ")))
}

fn told(what: &str, how: impl Into<String>) -> Seen {
    Seen {
        what: what.into(),
        how: how.into(),
    }
}

fn plural(number: u64, one: &str, more: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { more })
}

/// Writes a number in groups of three digits.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

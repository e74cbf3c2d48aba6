//! The service's own numbers: what is told of them is what was recorded.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use metrics::{Unit, with_local_recorder};
use metrics_exporter_prometheus::PrometheusBuilder;
use perfdeck_tests::folder::Folder;
use perfdeck_tests::host::{Host, perfdeck};
use perfdeck_tests::schema;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);

/// Returns a number's row.
fn row<'a>(host: &'a Value, kind: &str, name: &str) -> Option<&'a Value> {
    let mut rows = host["metrics"].as_array()?.iter();
    rows.find(|row| row["kind"] == kind && row["name"] == name)
}

/// Asks a deck of this process by the command line until the row is as wished, and returns all.
fn told(folder: &Folder, is: impl Fn(&Value) -> bool) -> Result<Value> {
    let socket = folder.path().join("deck.sock");
    let socket = socket.to_str().context("a path of plain text")?;
    perfdeck_tests::wait::within(SOON, "numbers", || {
        let output = perfdeck(folder.path(), &["host", "--json", "--socket", socket])?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {said}", output.status);
        let host: Value = serde_json::from_slice(&output.stdout)?;
        let problems = schema::problems("host", &host);
        ensure!(problems.is_empty(), "{problems:#?}");
        Ok(if is(&host) {
            perfdeck_tests::wait::Seen::Yes(host)
        } else {
            perfdeck_tests::wait::Seen::NotYet(format!("{host:#}"))
        })
    })
}

#[test]
fn numbers_are_told_by_the_command_line_as_they_were_recorded() -> Result<()> {
    const THREADS: u64 = 24;
    const EACH: u64 = 1_000;
    let folder = Folder::new()?;
    let builder = perfdeck::Builder::new("numbers").socket(folder.path().join("deck.sock"));
    let (guard, deck) = builder.start()?;
    let (jobs, sizes) = (deck.counter("jobs"), deck.histogram("job.bytes"));
    let busy = deck.gauge("workers.busy");
    for _ in 0..THREADS / 8 {
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for turn in 0..EACH {
                        jobs.add(3);
                        sizes.record(turn as f64);
                        sizes.record(-1.0);
                    }
                    busy.add(0.5);
                });
            }
        });
    }
    let host = told(&folder, |host| {
        row(host, "histogram", "job.bytes").is_some_and(|row| row["count"] == THREADS * EACH)
    })?;
    let sum = row(&host, "counter", "jobs").context("no counter")?;
    ensure!(
        sum["value"].as_f64() == Some((3 * THREADS * EACH) as f64),
        "{sum}"
    );
    ensure!(sum["per_second"].as_f64() > Some(0.0), "{sum}");
    let gauge = row(&host, "gauge", "workers.busy").context("no gauge")?;
    ensure!(
        gauge["value"] == 12.0 && gauge["per_second"].is_null(),
        "{gauge}"
    );
    let sizes = row(&host, "histogram", "job.bytes").context("no histogram")?;
    for (name, exact) in [("p50", 499.0), ("p95", 949.0), ("value", 499.5)] {
        let told = sizes[name]
            .as_f64()
            .with_context(|| format!("no {name}: {sizes}"))?;
        ensure!((told - exact).abs() <= exact * 0.0161, "{name}: {told}");
    }
    ensure!(sizes["max"] == 999.0, "{sizes}");
    let recent = sizes["recent"].as_array().context("no course")?;
    ensure!(
        recent.iter().any(Value::is_number) && recent.len() <= 60,
        "{sizes}"
    );

    let status = perfdeck(
        folder.path(),
        &["status", "--json", "--socket", &path(&folder)?],
    )?;
    let status: Value = serde_json::from_slice(&status.stdout)?;
    ensure!(
        status["deck"]["dropped"]["recordings"] == THREADS * EACH,
        "{status:#}"
    );
    guard.stop();
    Ok(())
}

#[test]
fn names_beyond_the_bound_are_told_as_dropped() -> Result<()> {
    let folder = Folder::new()?;
    let builder = perfdeck::Builder::new("names").socket(folder.path().join("deck.sock"));
    let (guard, deck) = builder.start()?;
    // Names of the greatest length, that no topic's frame may get too large.
    let name = |number: usize| format!("{}-{number:04}", "ü".repeat(97));
    for number in 0..1_200 {
        deck.histogram(&name(number)).record(1.0);
        if number < 10 {
            deck.counter(&name(number)).add(1);
        }
    }
    let host = told(&folder, |host| host["more_metrics"] == 800)?;
    ensure!(host["metrics"].as_array().map(Vec::len) == Some(200));
    let status = perfdeck(
        folder.path(),
        &["status", "--json", "--socket", &path(&folder)?],
    )?;
    let status: Value = serde_json::from_slice(&status.stdout)?;
    // 990 histograms stand beside 10 counters.
    ensure!(status["deck"]["dropped"]["overflowed"] == 210, "{status:#}");
    guard.stop();
    Ok(())
}

fn path(folder: &Folder) -> Result<String> {
    let path = folder.path().join("deck.sock");
    Ok(path.to_str().context("a path of plain text")?.to_owned())
}

#[test]
fn a_recorder_beside_prometheus_sees_the_same() -> Result<()> {
    let folder = Folder::new()?;
    let builder = perfdeck::Builder::new("beside").socket(folder.path().join("deck.sock"));
    let (guard, deck) = builder.start()?;
    let prometheus = PrometheusBuilder::new().build_recorder();
    let handle = prometheus.handle();
    let both = deck.metrics_recorder().beside(prometheus);
    for _ in 0..3 {
        thread::scope(|scope| {
            for number in 0..6_u32 {
                let both = &both;
                scope.spawn(move || with_local_recorder(both, || work(number)));
            }
        });
    }
    let host = told(&folder, |host| {
        row(host, "histogram", "job_seconds{queue=\"mail\"}")
            .is_some_and(|row| row["count"] == 9_000)
    })?;
    let rendered = handle.render();
    let theirs = |name: &str| -> Result<f64> {
        let mut lines = rendered.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = line.with_context(|| format!("no {name} in {rendered}"))?;
        Ok(value.parse()?)
    };
    for (kind, name) in [
        ("counter", "jobs{queue=\"mail\",state=\"done\"}"),
        ("counter", "jobs{queue=\"sms\",state=\"done\"}"),
        ("counter", "bytes_seen"),
        ("gauge", "workers"),
        ("gauge", "level"),
    ] {
        let ours = row(&host, kind, name).with_context(|| format!("no {name} in {host:#}"))?;
        ensure!(
            ours["value"].as_f64() == Some(theirs(name)?),
            "{ours}\n{rendered}"
        );
    }
    for queue in ["mail", "sms"] {
        let ours = row(
            &host,
            "histogram",
            &format!("job_seconds{{queue=\"{queue}\"}}"),
        );
        let ours = ours.context("no histogram")?;
        let count = theirs(&format!("job_seconds_count{{queue=\"{queue}\"}}"))?;
        ensure!(ours["count"].as_f64() == Some(count), "{ours}\n{rendered}");
        ensure!(ours["unit"] == "seconds", "{ours}");
        ensure!(
            ours["description"] == "from a job's start to its end",
            "{ours}"
        );
        let mean = theirs(&format!("job_seconds_sum{{queue=\"{queue}\"}}"))? / count;
        for (name, exact) in [("value", mean), ("p50", 0.499), ("p95", 0.949)] {
            let told = ours[name].as_f64().context("no number")?;
            ensure!(
                (told - exact).abs() <= exact * 0.0161,
                "{name}: {told} {exact}"
            );
        }
    }
    let odd = row(&host, "counter", "odd{text=\"a\\\\b\\\"c\\nd\"}");
    ensure!(odd.is_some(), "{host:#}");
    guard.stop();
    Ok(())
}

/// What one thread does, through the facade alone.
fn work(number: u32) {
    metrics::describe_histogram!(
        "job_seconds",
        Unit::Seconds,
        "from a job's start to its end"
    );
    let queue = if number.is_multiple_of(2) {
        "mail"
    } else {
        "sms"
    };
    for turn in 0..1_000 {
        // The order of labels does not matter.
        if turn % 2 == 0 {
            metrics::counter!("jobs", "queue" => queue, "state" => "done").increment(2);
        } else {
            metrics::counter!("jobs", "state" => "done", "queue" => queue).increment(1);
        }
        metrics::histogram!("job_seconds", "queue" => queue).record(f64::from(turn) / 1e3);
    }
    metrics::histogram!("batch").record_many(7.0, 5);
    metrics::counter!("bytes_seen").absolute(u64::from(number) * 1_000);
    metrics::counter!("odd", "text" => "a\\b\"c\nd").increment(1);
    let workers = metrics::gauge!("workers");
    workers.increment(3);
    workers.decrement(1);
    metrics::gauge!("level").set(17);
}

#[test]
fn the_demo_s_own_numbers_agree_with_its_answers() -> Result<()> {
    let mut host = Host::start(&["--healthy", "--rate", "150", "--requests", "600"])?;
    let sent = host.summary(Duration::from_secs(120))?;
    let routes = sent["routes"].as_array().context("routes are a list")?;
    let posted = routes.iter().find(|row| {
        row["route"]
            .as_str()
            .is_some_and(|route| route.ends_with("/messages"))
    });
    let posted = posted.context("no message was sent")?;
    let created = posted["statuses"]["201"]
        .as_u64()
        .context("none was created")?;
    let numbers = host.json_within(SOON, "numbers", &["host"], |host| {
        let sum = row(host, "counter", "chat.messages")?;
        let sizes = row(host, "histogram", "chat.message.bytes")?;
        (sum["value"].as_f64()? == created as f64 && sizes["count"] == created)
            .then(|| sizes.clone())
    })?;
    ensure!(numbers["p50"].as_f64() > Some(0.0), "{numbers}");
    ensure!(
        json!(numbers["unit"]).is_null(),
        "nobody said so: {numbers}"
    );
    Ok(())
}

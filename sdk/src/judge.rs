//! Floor 3: what it means.
//!
//! [`step`] does no I/O and reads no clock: the same windows and facts give the same verdicts, which is how the rules are
//! tested. What rules remember from one step to the next is the [`Judgement`].

pub(crate) mod alert;
pub(crate) mod doctor;
pub(crate) mod facts;
pub(crate) mod finding;
pub(crate) mod gain;
pub(crate) mod score;
pub(crate) mod summary;
pub(crate) mod window;

use perfdeck_bridge::protocol::{Alert, Finding, Score, Summary, Timestamp};

use self::alert::Thresholds;
use self::facts::Facts;
use self::window::Window;

/// What the rules remember.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    pub(crate) alerts: alert::Book,
    findings: finding::Book,
}

/// What one step says.
#[derive(Debug, Default, Clone)]
pub(crate) struct Verdicts {
    pub(crate) alerts: Vec<Alert>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) score: Score,
    pub(crate) summary: Summary,
}

/// Judges one window.
pub(crate) fn step(
    judgement: &mut Judgement,
    window: &Window,
    facts: &Facts,
    thresholds: &Thresholds,
    now: Timestamp,
) -> Verdicts {
    let alerts = judgement.alerts.step(window, thresholds, now);
    let mut findings = judgement.findings.step(window, facts, now);
    let score = score::score(&mut findings, &alerts);
    let summary = summary::summary(window, &findings, &alerts, &judgement.findings);
    Verdicts {
        alerts,
        findings,
        score,
        summary,
    }
}

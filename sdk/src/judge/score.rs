//! The score: 100, less what each open finding and each firing alert costs, so that the parts sum to what is missing.
//!
//! A finding weighs by the share of the users' wait that it would save, an alert by its severity. The weights `w` sum to
//! `W`, and `100 * (1 - exp(-W / 60))` points are missing, shared out in proportion: one bad thing costs nearly its
//! weight, and any number of them never takes more than 100.

use perfdeck_bridge::protocol::{Alert, AlertState, Finding, Score, ScorePart, Severity};

use super::finding::is_open;

/// What a finding that saves all of the users' wait weighs beside its severity.
const WAIT_WEIGHT: f64 = 60.0;
const SCALE: f64 = 60.0;

/// Scores, and tells each finding the points it would bring back.
pub(crate) fn score(findings: &mut [Finding], alerts: &[Alert]) -> Score {
    let of_finding = |finding: &Finding| {
        WAIT_WEIGHT.mul_add(finding.impact.wait_share, severity_weight(finding.severity))
    };
    let firing = || {
        alerts
            .iter()
            .filter(|alert| alert.state == AlertState::Firing)
    };
    let open = || findings.iter().filter(|finding| is_open(finding));
    let weights = open()
        .map(of_finding)
        .chain(firing().map(|alert| 2.0 * severity_weight(alert.severity)));
    let total: f64 = weights.sum();
    let missing = 100.0 * (1.0 - (-total / SCALE).exp());
    let points = |weight: f64| {
        if total > 0.0 {
            missing * weight / total
        } else {
            0.0
        }
    };
    let mut parts: Vec<_> = firing()
        .map(|alert| ScorePart {
            label: label(&alert.rule, &alert.subject),
            points: points(2.0 * severity_weight(alert.severity)),
            finding: None,
        })
        .collect();
    for finding in findings.iter_mut() {
        finding.score_points = if is_open(finding) {
            points(of_finding(finding))
        } else {
            0.0
        };
        if is_open(finding) {
            parts.push(ScorePart {
                label: super::summary::short(finding),
                points: finding.score_points,
                finding: Some(finding.id.clone()),
            });
        }
    }
    parts.sort_by(|a, b| b.points.total_cmp(&a.points));
    Score {
        value: 100.0 - missing,
        parts,
    }
}

const fn severity_weight(severity: Severity) -> f64 {
    match severity {
        Severity::Info => 1.0,
        Severity::Warning => 4.0,
        Severity::Critical => 8.0,
    }
}

fn label(rule: &str, subject: &str) -> String {
    if subject.is_empty() {
        rule.into()
    } else {
        format!("{rule} of {subject}")
    }
}

use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use perfdeck_bridge::Source;
use perfdeck_bridge::protocol::{
    ActReply, ActRequest, Intent, LedgerRow, LedgerStatus, PlanId, Preview, State, Topic,
};

use crate::format::printable;

/// How long an action may run before the command line leaves it to the ledger.
const PATIENCE: Duration = Duration::from_secs(900);

/// Asks what would happen.
pub(super) async fn preview(source: &dyn Source, intent: Intent) -> Result<Preview> {
    match source.act(ActRequest::Preview(intent)).await? {
        ActReply::Preview(preview) => Ok(preview),
        ActReply::Applied(_) => bail!("the host answered a preview with something else"),
    }
}

/// Applies a plan and waits until it no longer runs.
pub(super) async fn apply(source: &dyn Source, plan: PlanId, quiet: bool) -> Result<LedgerRow> {
    // Followed before it is applied, so that no state of the row is missed.
    let mut subscription = source.subscribe(&[Topic::Ledger]);
    let mut row = match source.act(ActRequest::Apply(plan)).await? {
        ActReply::Applied(row) => row,
        ActReply::Preview(_) => bail!("the host answered an apply with something else"),
    };
    let mut told = String::new();
    let id = row.id;
    let finish = async {
        while row.status == LedgerStatus::Running {
            if !quiet && row.message != told {
                told.clone_from(&row.message);
                let _ = writeln!(io::stderr(), "row {id} runs: {}", printable(&told, 200));
            }
            let Some(published) = subscription.next().await else {
                return Err(anyhow!(
                    "the connection to the host was closed while the action ran; row {id} of its \
                     ledger says how it ends"
                ));
            };
            if let State::Ledger(ledger) = &published.update.state
                && let Some(newer) = ledger.rows.iter().find(|newer| newer.id == id)
            {
                row = newer.clone();
            }
        }
        Ok(row)
    };
    tokio::time::timeout(PATIENCE, finish)
        .await
        .unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Err(anyhow!(
                "the action still runs after {seconds} s; row {id} of the ledger says how it ends"
            ))
        })
}

//! What was done.

use std::time::Duration;

use super::before;
use crate::protocol::{
    Gain, Ledger, LedgerId, LedgerRow, LedgerStatus, Timestamp, Undo, Verdict, Window,
};
use crate::testing::voice::Voice;

pub(super) fn ledger(voice: &Voice, now: Timestamp) -> Ledger {
    let seconds = |seconds| before(now, Duration::from_secs(seconds));
    let gain = |before: f64, after: f64, n_before, n_after, from: u64| Gain {
        subject: voice.say("GET /documents"),
        p95_seconds_before: before,
        p95_seconds_after: after,
        n_before,
        n_after,
        window_before: Window {
            from: seconds(from + 60),
            to: seconds(from),
        },
        window_after: (n_after > 0).then(|| Window {
            from: seconds(from - 4),
            to: seconds(from - 64),
        }),
    };
    let row = |id, age, action: &str, target: &str, message: &str| LedgerRow {
        id: LedgerId(id),
        at: seconds(age),
        actor: voice.say("uid 1000"),
        action: voice.say(action),
        target: voice.say(target),
        status: LedgerStatus::Done,
        message: voice.say(message),
        verdict: Verdict::Measuring,
        predicted: None,
        realised: None,
        interval: None,
        undo_of: None,
        undo: None,
    };
    let undo = |statement: &str, until| {
        Some(Undo {
            statement: voice.say(statement),
            until,
        })
    };
    let rows = vec![
        LedgerRow {
            verdict: Verdict::Measuring,
            undo: undo(
                "bring the entries back",
                Some(now.after(Duration::from_secs(41))),
            ),
            ..row(4, 19, "clear_cache", "analytics", "118 entries cleared")
        },
        LedgerRow {
            verdict: Verdict::Helped,
            predicted: Some(gain(0.412, 0.096, 3_660, 0, 900)),
            realised: Some(gain(0.412, 0.088, 3_660, 3_702, 900)),
            interval: Some([-0.81, -0.76]),
            undo: undo(
                "DROP INDEX CONCURRENTLY perfdeck_documents_workspace_id",
                None,
            ),
            ..row(
                3,
                893,
                "create_index",
                "perfdeck_documents_workspace_id_status_uploaded_at",
                "built in 4.1s without blocking writers",
            )
        },
        LedgerRow {
            status: LedgerStatus::Undone,
            verdict: Verdict::NoChange,
            realised: Some(gain(0.041, 0.042, 2_136, 2_101, 7_200)),
            interval: Some([-0.03, 0.06]),
            ..row(
                2,
                7_193,
                "create_index",
                "perfdeck_chat_messages_author",
                "built in 9.6s",
            )
        },
        LedgerRow {
            status: LedgerStatus::Failed,
            verdict: Verdict::NoChange,
            ..row(
                1,
                7_900,
                "create_index",
                "perfdeck_embed_codes_client_key",
                "lock_timeout after 2s; the invalid index was dropped",
            )
        },
    ];
    Ledger {
        rows,
        durable: false,
    }
}

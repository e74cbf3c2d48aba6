//! States that are too large for a frame: they go with fewer rows rather than not at all.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use crate::Result;
use crate::codec::encode;
use crate::protocol::{State, Update};

/// Encodes what `message` makes of a state; of one that is too large with as many rows as there is room for.
///
/// # Errors
///
/// As [`encode`], where not even a state without rows fits.
pub(crate) fn encode_fitting<T: Serialize>(
    update: &Arc<Update>,
    message: impl Fn(Arc<Update>) -> T,
) -> Result<Bytes> {
    let mut encoded = encode(&message(Arc::clone(update)));
    let mut shorter = None;
    while encoded.is_err() {
        let shorter = shorter.get_or_insert_with(|| Update::clone(update));
        let left_out = shorten(&mut shorter.state);
        if left_out == 0 {
            break;
        }
        shorter.left_out += left_out;
        encoded = encode(&message(Arc::new(shorter.clone())));
    }
    encoded
}

/// Leaves out the last quarter of each list, the least of what it tells; returns how many rows those were.
fn shorten(state: &mut State) -> u64 {
    match state {
        State::Status(status) => cut(&mut status.blind_spots) + cut(&mut status.seen),
        State::Overview(overview) => cut(&mut overview.changes) + cut(&mut overview.time),
        State::Requests(requests) => cut(&mut requests.routes) + cut(&mut requests.functions),
        State::Queries(queries) => cut(&mut queries.queries),
        State::Caches(caches) => cut(&mut caches.namespaces),
        State::Database(database) => {
            let rows = database.databases.iter_mut().map(|health| {
                cut(&mut health.indexes)
                    + cut(&mut health.tables)
                    + cut(&mut health.sequences)
                    + cut(&mut health.sessions)
                    + cut(&mut health.blocked)
            });
            let rows: u64 = rows.sum();
            // A database goes only once nothing of it is left.
            match rows {
                0 => cut(&mut database.databases) + cut(&mut database.pools),
                rows => rows,
            }
        }
        State::Alerts(alerts) => cut(&mut alerts.alerts) + cut(&mut alerts.limits),
        State::Advice(advice) => cut(&mut advice.findings),
        State::Ledger(ledger) => cut(&mut ledger.rows),
        State::Host(host) => cut(&mut host.metrics) + cut(&mut host.pools) + cut(&mut host.redis),
    }
}

fn cut<T>(rows: &mut Vec<T>) -> u64 {
    let left_out = rows.len().div_ceil(4);
    rows.truncate(rows.len() - left_out);
    left_out as u64
}

#[cfg(all(test, feature = "client"))]
mod tests {
    use super::*;
    use crate::codec::{LENGTH, MAX_FRAME};
    use crate::protocol::{FromHost, RequestRow, Requests, Timestamp};

    fn requests(bytes: usize) -> Arc<Update> {
        let row = |place: usize| RequestRow {
            route: format!("GET /{place}{}", "x".repeat(bytes)),
            ..RequestRow::default()
        };
        Arc::new(Update {
            at: Timestamp::from_micros(1),
            state: State::Requests(Requests {
                routes: (0..200).map(row).collect(),
                requests: 7,
                ..Requests::default()
            }),
            left_out: 0,
        })
    }

    #[test]
    fn a_state_that_fits_is_told_whole() {
        let update = requests(200);
        let frame = encode_fitting(&update, FromHost::Update).unwrap();
        assert_eq!(frame, encode(&FromHost::Update(update)).unwrap());
    }

    #[test]
    fn a_state_that_is_too_large_is_told_with_fewer_rows_and_says_how_many() {
        for (bytes, rows) in [(2_000, 50..150), (20_000, 5..20), (300_000, 0..1)] {
            let frame = encode_fitting(&requests(bytes), FromHost::Update).unwrap();
            assert!(frame.len() <= LENGTH + MAX_FRAME);
            let FromHost::Update(told) = crate::codec::decode(&frame[LENGTH..]).unwrap() else {
                panic!("no state")
            };
            let State::Requests(requests) = &told.state else {
                panic!("{told:?}")
            };
            assert!(rows.contains(&requests.routes.len()), "{bytes}");
            assert_eq!(requests.routes.len() as u64 + told.left_out, 200);
            assert_eq!(requests.requests, 7);
        }
    }
}

//! Plans: what was previewed, until it is applied or too old.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::time::Duration;

use perfdeck_bridge::protocol::{PlanId, Preview, Refusal, RefusalCode, Timestamp};
use perfdeck_bridge::server::ViewerId;

use super::Draft;
use crate::clock::Moment;

/// How long a plan is good.
pub(crate) const PLAN_LIFE: Duration = Duration::from_secs(60);
/// Plans kept; the oldest goes first.
const MAX_PLANS: usize = 256;

/// The plans that may still be applied.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    plans: HashMap<PlanId, Plan>,
    seed: std::hash::RandomState,
    made: u64,
}

/// A draft that somebody was shown.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) draft: Draft,
    viewer: ViewerId,
    made_at: Moment,
}

impl Plans {
    /// Makes a plan and the preview that names it.
    pub(crate) fn make(
        &mut self,
        draft: Draft,
        viewer: ViewerId,
        now: Moment,
        told: Timestamp,
    ) -> Preview {
        if self.plans.len() >= MAX_PLANS {
            let oldest = self.plans.iter().min_by_key(|(_, plan)| plan.made_at);
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                self.plans.remove(&oldest);
            }
        }
        self.made += 1;
        let about = (
            &draft.statement,
            draft.state,
            &draft.target,
            viewer,
            self.made,
        );
        let plan_id = PlanId(format!("{:016x}", self.seed.hash_one(about)));
        let preview = Preview {
            plan_id: plan_id.clone(),
            expires_at: told.after(PLAN_LIFE),
            kind: draft.kind.into(),
            title: draft.title.clone(),
            statement: draft.statement.clone(),
            risk: draft.risk,
            notes: draft.notes.clone(),
            expected: draft.expected.clone(),
            undo: draft.undo.clone(),
            confirm: draft.confirm.clone(),
        };
        self.plans.insert(
            plan_id,
            Plan {
                draft,
                viewer,
                made_at: now,
            },
        );
        preview
    }

    /// Takes a plan to apply it; it is gone afterwards, whatever comes of it.
    pub(crate) fn take(
        &mut self,
        id: &PlanId,
        viewer: ViewerId,
        now: Moment,
    ) -> Result<Plan, Refusal> {
        let own = self.plans.get(id).is_some_and(|plan| plan.viewer == viewer);
        let plan = if own { self.plans.remove(id) } else { None };
        let Some(plan) = plan else {
            return Err(Refusal::new(
                RefusalCode::Unknown,
                "no such plan on this connection, or it was applied already: preview again",
            ));
        };
        if now.since(plan.made_at) > PLAN_LIFE {
            return Err(Refusal::new(
                RefusalCode::Expired,
                format!(
                    "the plan is older than {} s: preview again",
                    PLAN_LIFE.as_secs()
                ),
            ));
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    /// Makes a plan at 0 s for viewer 1 and takes it as told.
    fn check(viewer: u64, at: u64, times: usize, expected: Result<(), RefusalCode>) {
        let mut plans = Plans::default();
        let preview = plans.make(
            Draft::sample("analytics"),
            ViewerId(1),
            Moment(0),
            Timestamp::default(),
        );
        let mut taken = Ok(());
        for _ in 0..times {
            taken = plans
                .take(
                    &preview.plan_id,
                    ViewerId(viewer),
                    Moment(at * 1_000_000_000),
                )
                .map(drop)
                .map_err(|refusal| refusal.code);
        }
        assert_eq!(taken, expected);
    }

    #[test]
    fn a_plan_is_good_once_in_time_and_on_its_own_connection() {
        check(1, 59, 1, Ok(()));
        check(1, 61, 1, Err(RefusalCode::Expired));
        check(2, 1, 1, Err(RefusalCode::Unknown));
        check(1, 1, 2, Err(RefusalCode::Unknown));
    }

    #[test]
    fn plans_are_bounded_and_never_the_same() {
        let mut plans = Plans::default();
        let ids: std::collections::HashSet<_> = (0..1_000)
            .map(|_| {
                plans
                    .make(
                        Draft::sample("analytics"),
                        ViewerId(1),
                        Moment(0),
                        Timestamp::default(),
                    )
                    .plan_id
            })
            .collect();
        assert_eq!(ids.len(), 1_000);
        assert!(plans.plans.len() <= MAX_PLANS);
    }
}

//! The rules' limits, as the service has set them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use perfdeck_bridge::protocol::AlertRule;

use super::rule::Rule;

/// Limits of routes that can be set.
const MAX_OF_ROUTES: usize = 200;
/// The longest name of a route that has a limit of its own, in bytes.
const MAX_ROUTE: usize = 200;

/// The limits that were set; every other is the rule's own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Thresholds {
    set: BTreeMap<Rule, f64>,
    routes: BTreeMap<(Rule, String), f64>,
}

/// Limits that the host sets while the agent reads them.
#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<Arc<Thresholds>>);

/// Why a limit can't be set.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("a limit of {0} is a number from 0 on, and not {1}")]
    Number(Rule, f64),
    #[error("a limit of {0} is at most 100 percent, and not {1}")]
    Percent(Rule, f64),
    #[error("a route has no {0}: set a limit of response_time_p95 or error_rate")]
    NotOfRoutes(Rule),
    #[error("a route's name has 1 to {MAX_ROUTE} bytes, and not {0}")]
    Name(usize),
    #[error("{MAX_OF_ROUTES} limits of routes are set already")]
    Full,
}

impl Thresholds {
    /// Sets a limit of the whole service.
    pub(crate) fn set(&mut self, rule: Rule, limit: f64) -> Result<(), Unfit> {
        fits(rule, limit)?;
        self.set.insert(rule, limit);
        Ok(())
    }

    /// Sets a limit of one route.
    pub(crate) fn set_route(&mut self, route: &str, rule: Rule, limit: f64) -> Result<(), Unfit> {
        fits(rule, limit)?;
        if !rule.is_of_routes() {
            return Err(Unfit::NotOfRoutes(rule));
        }
        if route.is_empty() || route.len() > MAX_ROUTE {
            return Err(Unfit::Name(route.len()));
        }
        let key = (rule, route.to_owned());
        if self.routes.len() >= MAX_OF_ROUTES && !self.routes.contains_key(&key) {
            return Err(Unfit::Full);
        }
        self.routes.insert(key, limit);
        Ok(())
    }

    /// Lets a route's own limit go.
    pub(crate) fn remove_route(&mut self, route: &str, rule: Rule) {
        self.routes.remove(&(rule, route.to_owned()));
    }

    /// Returns the service's limit.
    pub(crate) fn limit(&self, rule: Rule) -> f64 {
        let set = self.set.get(&rule).copied();
        set.unwrap_or_else(|| rule.terms().limit)
    }

    /// Returns the limit that a route is told by: its own, or the service's.
    pub(crate) fn limit_of_route(&self, rule: Rule, route: &str) -> f64 {
        let own = self.routes.get(&(rule, route.to_owned())).copied();
        own.unwrap_or_else(|| self.limit(rule))
    }

    /// The routes that have a limit of their own, each once.
    pub(crate) fn watched_routes(&self) -> BTreeSet<&str> {
        self.routes.keys().map(|(_, route)| &**route).collect()
    }

    /// The routes with a limit of their own by a rule.
    pub(super) fn of_routes(&self, rule: Rule) -> impl Iterator<Item = (&str, f64)> {
        let routes = self.routes.range((rule, String::new())..);
        routes
            .take_while(move |((of, _), _)| *of == rule)
            .map(|((_, route), limit)| (&**route, *limit))
    }

    /// The rules and their limits, those of routes right behind the service's.
    pub(crate) fn told(&self) -> Vec<AlertRule> {
        let mut told = Vec::new();
        for rule in Rule::ALL {
            let terms = rule.terms();
            let whole = self.limit(rule);
            let one = |route: Option<&str>, limit, default_limit| AlertRule {
                rule: terms.name.into(),
                route: route.map(str::to_owned),
                side: terms.side,
                limit,
                default_limit,
                unit: terms.unit.into(),
                hold_seconds: terms.hold.as_secs_f64(),
            };
            told.push(one(None, whole, terms.limit));
            let routes = self.of_routes(rule);
            told.extend(routes.map(|(route, limit)| one(Some(route), limit, whole)));
        }
        told
    }
}

impl Shared {
    pub(crate) fn new(thresholds: Thresholds) -> Self {
        Self(Mutex::new(Arc::new(thresholds)))
    }

    /// Returns the limits as they are now.
    pub(crate) fn get(&self) -> Arc<Thresholds> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the limits; whoever reads them gets the ones before, or these.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Thresholds) -> T) -> T {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut held))
    }
}

fn fits(rule: Rule, limit: f64) -> Result<(), Unfit> {
    if !limit.is_finite() || limit < 0.0 {
        return Err(Unfit::Number(rule, limit));
    }
    if rule.terms().unit == "percent" && limit > 100.0 {
        return Err(Unfit::Percent(rule, limit));
    }
    Ok(())
}

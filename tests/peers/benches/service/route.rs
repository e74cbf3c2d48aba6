//! What is asked of the service.

use anyhow::{Result, ensure};
use perfdeck_tests::load::Caller;

use crate::database::NOTES;

/// A route of the service, and how much is asked of it.
#[derive(Debug)]
pub(crate) struct Route {
    /// As the router has it.
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Whether its handler runs a statement.
    pub(crate) queries: bool,
    /// Requests of a measure, of all connections together.
    pub(crate) requests: u64,
}

/// A handler that does nothing.
pub(crate) const HELLO: Route = Route {
    name: "/hello",
    about: "a constant text",
    queries: false,
    requests: 48_000,
};

/// A handler that asks the database.
pub(crate) const NOTE: Route = Route {
    name: "/notes/{id}",
    about: "one row by its primary key",
    queries: true,
    requests: 16_000,
};

pub(crate) const ROUTES: [&Route; 2] = [&HELLO, &NOTE];

impl Route {
    /// Asks so often over one connection, which has this number.
    pub(crate) fn ask(&self, caller: &mut Caller<'_>, number: u64, times: u64) -> Result<()> {
        for time in 0..times {
            let id = (number + time * 7) % NOTES + 1;
            let uri = self.name.replace("{id}", &id.to_string());
            let status = caller.ask("GET", &uri, "")?;
            ensure!(status == 200, "{status} for {uri}");
        }
        Ok(())
    }
}

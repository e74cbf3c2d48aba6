use axum::http::Method;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::route::{analytics, document, embed, export, message, search, session, webhook};
use crate::seed::{SESSIONS, WORKSPACES, embed_key, session_workspace};
use crate::zipf::Zipf;

/// One request.
#[derive(Debug, Clone)]
pub struct Call {
    /// GET or POST.
    pub method: Method,
    /// The template that the service has for it.
    pub route: &'static str,
    /// The path and the query.
    pub uri: String,
    /// Empty or JSON.
    pub body: String,
}

/// Chooses what the next visitor wants.
#[derive(Debug)]
pub struct Mix {
    workspaces: Zipf,
}

impl Default for Mix {
    fn default() -> Self {
        Self::new()
    }
}

impl Mix {
    /// Makes the choice over all workspaces that are seeded.
    #[must_use]
    pub fn new() -> Self {
        Self {
            workspaces: Zipf::new(WORKSPACES as usize),
        }
    }

    /// Chooses one request; the same ones follow from the same seed.
    pub fn next(&mut self, rng: &mut StdRng) -> Call {
        let workspace = self.workspaces.sample(rng) + 1;
        let under = |rest: &str| format!("/workspaces/{workspace}{rest}");
        match rng.random_range(0..100) {
            0..40 => {
                let status = ["ready", "ready", "ready", "processing"][rng.random_range(0..4)];
                get(
                    document::PATH,
                    under(&format!("/documents?status={status}&limit=20")),
                )
            }
            40..55 => get(session::PATH, under("/sessions")),
            55..68 => get(analytics::PATH, under("/analytics")),
            68..80 => {
                let key = embed_key(rng.random());
                get(embed::PATH, format!("/embed/{key}"))
            }
            80..88 => post(
                webhook::PATH,
                under(&format!("/webhooks/{}", rng.random::<u32>())),
                String::new(),
            ),
            88..94 => {
                let session = rng.random_range(1..=SESSIONS);
                let workspace = session_workspace(session);
                post(
                    message::PATH,
                    format!("/workspaces/{workspace}/sessions/{session}/messages"),
                    r#"{"author":"visitor","body":"is anybody there?"}"#.to_owned(),
                )
            }
            94..98 => {
                let word = ["invoice", "refund", "warranty", "webhook"][rng.random_range(0..4)];
                get(search::PATH, under(&format!("/search?q={word}")))
            }
            _ => get(export::PATH, under("/export")),
        }
    }
}

const fn get(route: &'static str, uri: String) -> Call {
    Call {
        method: Method::GET,
        route,
        uri,
        body: String::new(),
    }
}

const fn post(route: &'static str, uri: String, body: String) -> Call {
    Call {
        method: Method::POST,
        route,
        uri,
        body,
    }
}

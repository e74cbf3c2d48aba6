//! The host's answers are the same with perfdeck and without.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use perfdeck_tests::host::Host;
use perfdeck_tests::http::{self, Response};

/// The request with this number; what it asks for hangs on the number alone.
struct Request {
    method: &'static str,
    path: String,
    body: &'static str,
}

fn request(number: u64) -> Request {
    let dice = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 17;
    let workspace = dice % 40 + 1;
    let get = |path: String| Request {
        method: "GET",
        path,
        body: "",
    };
    match number % 10 {
        0 | 1 => get(format!("/workspaces/{workspace}/documents?limit=7")),
        2 => get(format!("/workspaces/{workspace}/sessions")),
        3 | 4 => get(format!("/workspaces/{workspace}/analytics")),
        5 => get(format!("/workspaces/{workspace}/search?q=refund")),
        6 => get(format!("/workspaces/{}/export", workspace + 200)),
        7 => Request {
            method: "POST",
            path: format!("/workspaces/{workspace}/webhooks/{dice}"),
            body: "",
        },
        8 => Request {
            method: "POST",
            path: format!(
                "/workspaces/{workspace}/sessions/{}/messages",
                dice % 20_000
            ),
            body: r#"{"author":"agent","body":"we look into it"}"#,
        },
        // Nothing of the kind is there: the service's own 404, the router's 404 and 405.
        _ => match dice % 3 {
            0 => get(format!("/embed/{dice}")),
            1 => get(format!("/nowhere/{dice}")),
            _ => Request {
                method: "DELETE",
                path: format!("/workspaces/{workspace}/documents"),
                body: "",
            },
        },
    }
}

#[test]
fn a_thousand_answers_are_the_same_as_without_perfdeck() -> Result<()> {
    let with = answers(&[])?;
    let without = answers(&[("PERFDECK", "off")])?;
    let mut statuses = Vec::new();
    for (number, (with, without)) in (0..).zip(with.iter().zip(&without)) {
        let Request { method, path, .. } = request(number);
        ensure!(
            with == without,
            "{method} {path}:\n{with:?}\nwithout perfdeck:\n{without:?}"
        );
        statuses.push(with.status);
    }
    // All kinds of answers were among them.
    for status in [200, 201, 202, 404, 405, 502] {
        ensure!(statuses.contains(&status), "no answer was {status}");
    }
    Ok(())
}

fn answers(environment: &[(&str, &str)]) -> Result<Vec<Response>> {
    let host = Host::start_with(&["--no-load"], environment)?;
    ensure!(host.socket().is_some() == environment.is_empty());
    (0..1_000)
        .map(|number| answer(host.address(), &request(number)))
        .collect()
}

fn answer(to: SocketAddr, request: &Request) -> Result<Response> {
    let mut response = http::send(to, request.method, &request.path, request.body)?;
    response.headers.retain(|(name, _)| name != "date");
    Ok(response)
}

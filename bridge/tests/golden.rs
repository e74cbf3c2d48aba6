//! Frames as released versions sent them must keep their meaning.
//!
//! `golden/protocol-1.json` holds each kind of message with its frame. A new field leaves the stored frames as they are;
//! a test that fails here means that viewers and hosts in the field no longer understand each other. To add messages,
//! append them without a frame and run with `PERFDECK_GOLDEN=write`, which fills in what is missing.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use perfdeck_bridge::codec::{self, LENGTH};
use perfdeck_bridge::protocol::{FromHost, FromViewer};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Serialize, Deserialize)]
struct Golden {
    name: String,
    from: End,
    message: Value,
    /// The whole frame, in hexadecimal.
    frame: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    Viewer,
    Host,
}

fn stored() -> Vec<Golden> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/protocol-1.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut stored: Vec<Golden> = serde_json::from_str(&text).unwrap();
    if std::env::var_os("PERFDECK_GOLDEN").is_some_and(|value| value == "write") {
        for golden in stored.iter_mut().filter(|golden| golden.frame.is_empty()) {
            let body = codec::encode(&golden.message).unwrap();
            let frame = match golden.from {
                End::Viewer => again::<FromViewer>(&body[LENGTH..], &golden.name),
                End::Host => again::<FromHost>(&body[LENGTH..], &golden.name),
            };
            golden.message = codec::decode(&frame[LENGTH..]).unwrap();
            golden.frame = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        }
        std::fs::write(&path, serde_json::to_string_pretty(&stored).unwrap() + "\n").unwrap();
    }
    stored
}

/// Decodes a body and encodes what it meant.
fn again<T: DeserializeOwned + Serialize>(body: &[u8], name: &str) -> Vec<u8> {
    match codec::decode::<T>(body) {
        Ok(message) => codec::encode(&message).unwrap().to_vec(),
        Err(error) => panic!("{name}: {error}"),
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Says whether `now` has all that `then` had.
fn covers(now: &Value, then: &Value) -> bool {
    match (now, then) {
        (Value::Object(now), Value::Object(then)) => then
            .iter()
            .all(|(key, then)| now.get(key).is_some_and(|now| covers(now, then))),
        (Value::Array(now), Value::Array(then)) => {
            now.len() == then.len() && now.iter().zip(then).all(|(now, then)| covers(now, then))
        }
        _ => now == then,
    }
}

#[test]
fn stored_frames_of_protocol_1_keep_their_meaning() {
    let stored = stored();
    assert!(stored.len() >= 26);
    for Golden {
        name,
        from,
        message,
        frame,
    } in stored
    {
        let frame = bytes(&frame);
        let (length, body) = frame.split_first_chunk::<LENGTH>().unwrap();
        assert_eq!(u32::from_be_bytes(*length) as usize, body.len(), "{name}");
        assert_eq!(codec::decode::<Value>(body).unwrap(), message, "{name}");
        let now = match from {
            End::Viewer => again::<FromViewer>(body, &name),
            End::Host => again::<FromHost>(body, &name),
        };
        let now: Value = codec::decode(&now[LENGTH..]).unwrap();
        assert!(
            covers(&now, &message),
            "{name}:\n now {now}\nthen {message}"
        );
    }
}

#[test]
fn the_worked_example_of_the_protocol_is_true() {
    let text = include_str!("../PROTOCOL.md");
    let example = text.split("## A worked example").nth(1).unwrap();
    let example = example.split("\n## ").next().unwrap();
    let mut checked = 0;
    // Each block of hexadecimal is followed by the message that it stands for.
    let mut blocks = example.split("```").skip(1).step_by(2);
    while let (Some(frame), Some(message)) = (blocks.next(), blocks.next()) {
        let hex: String = frame
            .strip_prefix("hex")
            .unwrap()
            .split_whitespace()
            .collect();
        let frame = bytes(&hex);
        let (length, body) = frame.split_first_chunk::<LENGTH>().unwrap();
        assert_eq!(
            u32::from_be_bytes(*length) as usize,
            body.len(),
            "{message}"
        );
        let message: Value = serde_json::from_str(message.strip_prefix("json").unwrap()).unwrap();
        assert_eq!(codec::decode::<Value>(body).unwrap(), message);
        let known =
            codec::decode::<FromViewer>(body).is_ok() || codec::decode::<FromHost>(body).is_ok();
        assert!(known, "{message}");
        checked += 1;
    }
    assert_eq!(checked, 4);
}

//! The connections to Redis.

use std::fmt::{self, Write as _};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, FromRedisValue, RedisResult, ScriptInvocation};

use super::TIMEOUT;
use super::place::Place;

/// An address of Redis as the host gave it, which may hold a password.
#[derive(Clone)]
pub(crate) struct Url(String);

/// Where Redis is, and whose keys are meant.
#[derive(Clone)]
pub(crate) struct Address {
    client: Client,
    /// The service's name, as it stands in keys.
    app: String,
}

impl Url {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// Reads it, for a service's keys; connects to nothing.
    pub(crate) fn address(&self, service: &str) -> RedisResult<Address> {
        Ok(Address {
            client: Client::open(self.0.as_str())?,
            app: escaped(service),
        })
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Url(..)")
    }
}

impl Address {
    /// Connects; a lost connection is made again by itself.
    pub(super) async fn connect(&self) -> RedisResult<ConnectionManager> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT));
        self.client.get_connection_manager_with_config(config).await
    }

    pub(super) async fn subscribe(&self) -> RedisResult<redis::aio::PubSub> {
        let mut listening = self.client.get_async_pubsub().await?;
        listening.subscribe(self.channel()).await?;
        Ok(listening)
    }

    /// The journal; its counter and the generations are where one script reaches all of them.
    pub(super) fn journal(&self) -> String {
        format!("pd1:{{{}}}:j", self.app)
    }

    pub(super) fn journal_count(&self) -> String {
        format!("pd1:{{{}}}:jn", self.app)
    }

    pub(super) fn generation(&self, namespace: &str) -> String {
        format!("pd1:{{{}}}:g:{}", self.app, escaped(namespace))
    }

    /// A value; its lease is where one script reaches both.
    pub(super) fn value(&self, place: &Place) -> String {
        self.of_place('v', place)
    }

    pub(super) fn lease(&self, place: &Place) -> String {
        self.of_place('l', place)
    }

    fn of_place(&self, kind: char, place: &Place) -> String {
        let (namespace, fingerprint) = (escaped(&place.namespace), place.fingerprint);
        let mut key = format!("pd1:{}:{kind}:{namespace}:{fingerprint:016x}:{{", self.app);
        for byte in place.hash {
            let _ = write!(key, "{byte:02x}");
        }
        key.push('}');
        key
    }

    pub(super) fn channel(&self) -> String {
        format!("pd1:{}:i", self.app)
    }
}

/// Runs a script, once more if the connection turns out to have been lost since the last one; it is made anew by then.
pub(super) async fn invoked<T: FromRedisValue>(
    call: &ScriptInvocation<'_>,
    connection: &mut ConnectionManager,
) -> RedisResult<T> {
    match call.invoke_async(connection).await {
        Err(error) if error.is_connection_dropped() => call.invoke_async(connection).await,
        answer => answer,
    }
}

/// A field of a key: what separates fields, or would be taken for a hash tag, is written as `%` and two digits.
fn escaped(field: &str) -> String {
    let mut escaped = String::with_capacity(field.len());
    for char in field.chars() {
        match char {
            ':' | '%' | '{' | '}' => {
                let _ = write!(escaped, "%{:02x}", u32::from(char));
            }
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_keys_are_kept_apart() {
        let address = |service| {
            Url::new("redis://:secret@localhost")
                .address(service)
                .unwrap()
        };
        assert_eq!(address("a:b{c}%").journal(), "pd1:{a%3ab%7bc%7d%25}:j");
        let (one, other) = (address("a"), address("a}:g:b"));
        assert_ne!(one.generation("b"), other.generation(""));
        assert_eq!(one.generation("users"), "pd1:{a}:g:users");
        assert!(Url::new("http://localhost").address("a").is_err());
        assert_eq!(
            format!("{:?}", Url::new("redis://:secret@localhost")),
            "Url(..)"
        );
    }
}

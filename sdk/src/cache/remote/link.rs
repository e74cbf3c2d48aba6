//! The connections to Redis.

use std::fmt::{self, Write as _};

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::{
    Client, Cmd, ConnectionAddr, FromRedisValue, Pipeline, RedisFuture, RedisResult,
    ScriptInvocation, Value,
};

use super::place::Place;
use super::{CONNECTIONS, TIMEOUT};

/// An address of Redis as the host gave it, which may hold a password.
#[derive(Clone)]
pub(crate) enum Url {
    One(String),
    /// Some nodes of a cluster, which know the others.
    #[cfg(feature = "redis-cluster")]
    Cluster(Vec<String>),
}

/// Where Redis is, and whose keys are meant.
#[derive(Clone)]
pub(crate) struct Address {
    server: Server,
    /// The service's name, as it stands in keys.
    app: String,
}

#[derive(Clone)]
enum Server {
    One(Client),
    #[cfg(feature = "redis-cluster")]
    Cluster {
        client: Box<redis::cluster::ClusterClient>,
        /// Whichever of them answers tells of what is published at any.
        nodes: Vec<Client>,
    },
}

/// What commands go through; cheap to clone.
#[derive(Clone)]
pub(super) enum Connection {
    One(ConnectionManager),
    #[cfg(feature = "redis-cluster")]
    Cluster(redis::cluster_async::ClusterConnection),
}

impl Url {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self::One(url.into())
    }

    /// Reads it, for a service's keys; connects to nothing.
    pub(crate) fn address(&self, service: &str) -> RedisResult<Address> {
        Ok(Address {
            server: self.server()?,
            app: escaped(service),
        })
    }

    fn server(&self) -> RedisResult<Server> {
        match self {
            Self::One(url) => Ok(Server::One(Client::open(url.as_str())?)),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(urls) => {
                let nodes: RedisResult<Vec<_>> =
                    urls.iter().map(|url| Client::open(url.as_str())).collect();
                let client =
                    redis::cluster::ClusterClient::builder(urls.iter().map(String::as_str))
                        .retries(1)
                        .connection_timeout(TIMEOUT)
                        .response_timeout(TIMEOUT)
                        .build()?;
                Ok(Server::Cluster {
                    client: Box::new(client),
                    nodes: nodes?,
                })
            }
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Url(..)")
    }
}

impl Address {
    /// How many connections to a port it takes at most; of a cluster nobody knows how many nodes it has.
    pub(super) fn most_connections_to(&self, port: u16) -> usize {
        let is_there = |client: &Client| match client.get_connection_info().addr() {
            ConnectionAddr::Tcp(_, at) => *at == port,
            ConnectionAddr::TcpTls { port: at, .. } => *at == port,
            _ => false,
        };
        match &self.server {
            Server::One(client) => usize::from(is_there(client)) * CONNECTIONS,
            #[cfg(feature = "redis-cluster")]
            Server::Cluster { nodes, .. } if nodes.iter().any(is_there) => usize::MAX,
            #[cfg(feature = "redis-cluster")]
            Server::Cluster { .. } => 0,
        }
    }

    /// Connects; a lost connection is made again by itself.
    pub(super) async fn connect(&self) -> RedisResult<Connection> {
        match &self.server {
            Server::One(client) => {
                let config = ConnectionManagerConfig::new()
                    .set_number_of_retries(1)
                    .set_connection_timeout(Some(TIMEOUT))
                    .set_response_timeout(Some(TIMEOUT));
                let connection = client.get_connection_manager_with_config(config).await?;
                Ok(Connection::One(connection))
            }
            #[cfg(feature = "redis-cluster")]
            Server::Cluster { client, .. } => {
                Ok(Connection::Cluster(client.get_async_connection().await?))
            }
        }
    }

    /// Listens for nudges; in a cluster `turn` chooses the node, so that another is tried after one that fails.
    #[cfg_attr(
        not(feature = "redis-cluster"),
        expect(unused_variables, reason = "there is one to listen to")
    )]
    pub(super) async fn subscribe(&self, turn: usize) -> RedisResult<redis::aio::PubSub> {
        let client = match &self.server {
            Server::One(client) => client,
            #[cfg(feature = "redis-cluster")]
            Server::Cluster { nodes, .. } => {
                let node = nodes.get(turn % nodes.len().max(1));
                node.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound))?
            }
        };
        let mut listening = client.get_async_pubsub().await?;
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

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(cmd),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// Runs a script, once more if the connection turns out to have been lost since the last one; it is made anew by then.
pub(super) async fn invoked<T: FromRedisValue>(
    call: &ScriptInvocation<'_>,
    connection: &mut Connection,
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

    #[test]
    fn the_caches_connections_are_those_to_their_own_port() {
        let to = |url: Url| url.address("a").unwrap().most_connections_to(6379);
        assert_eq!(to(Url::new("redis://localhost")), CONNECTIONS);
        assert_eq!(to(Url::new("redis://localhost:6380")), 0);
        assert_eq!(to(Url::new("unix:///run/redis.sock")), 0);
        #[cfg(feature = "redis-cluster")]
        {
            let nodes = |port: u16| Url::Cluster(vec![format!("redis://localhost:{port}")]);
            assert_eq!((to(nodes(7000)), to(nodes(6379))), (0, usize::MAX));
        }
    }
}

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Pool, Postgres};

/// A schema of the service's own; dropped with it.
#[derive(Debug)]
pub(super) struct Schema {
    name: String,
    server: PgConnectOptions,
}

impl Schema {
    /// Drops the schema and all that is in it, whoever made it.
    pub(super) async fn remove(&self) -> anyhow::Result<()> {
        let mut connection = self.server.connect().await?;
        let statement = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name);
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await?;
        connection.close().await?;
        Ok(())
    }
}

pub(super) async fn open(url: &str) -> anyhow::Result<(Pool<Postgres>, Schema)> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
    let schema = Schema {
        name: format!("support_desk_{}_{now}", std::process::id()),
        server: url.parse().context("cannot read the URL of the server")?,
    };
    let options = schema
        .server
        .clone()
        .options([("search_path", schema.name.as_str())])
        .application_name("support-desk");
    let mut connection = schema
        .server
        .connect()
        .await
        .context("cannot reach the server")?;
    let statement = format!("CREATE SCHEMA {}", schema.name);
    sqlx::query(AssertSqlSafe(statement))
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    let pool = PgPoolOptions::new()
        .max_connections(super::CONNECTIONS)
        .connect_with(options)
        .await?;
    Ok((pool, schema))
}

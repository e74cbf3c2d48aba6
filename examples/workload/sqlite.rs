//! Calls on SQLite, which has no types of parameters: a value is bound as what it is.

use std::str::FromStr as _;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use perfdeck::Deck;
use serde_json::Value;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Arguments as _, AssertSqlSafe, Executor as _, SqlSafeStr as _};

use crate::item::Item;
use crate::run::{Callable, How};

const CONNECT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub(crate) struct Database {
    pool: perfdeck::Pool<Sqlite>,
}

impl Database {
    pub(crate) async fn open(deck: &Deck, url: &str) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::from_str(url)
            .context("the database's URL can't be read")?
            .create_if_missing(false)
            .busy_timeout(CONNECT);
        let pool = SqlitePoolOptions::new()
            .max_connections(u32::try_from(Self::AT_ONCE)?)
            .acquire_timeout(CONNECT)
            .connect_with(options)
            .await
            .context("could not open the database")?;
        Ok(Self {
            pool: deck.pool("primary", pool),
        })
    }
}

impl Callable for Database {
    type Arguments = SqliteArguments;

    const AT_ONCE: usize = 4;

    async fn arguments(&self, item: &Item, params: &[Value]) -> anyhow::Result<SqliteArguments> {
        let sql = AssertSqlSafe(item.sql.clone()).into_sql_str();
        // A statement that can't be read is told now and not at each call.
        self.pool.inner().prepare(sql).await?;
        let mut arguments = SqliteArguments::default();
        for value in params {
            let added = match value {
                Value::Null => arguments.add(None::<i64>),
                Value::Bool(value) => arguments.add(*value),
                Value::Number(number) => match number.as_i64() {
                    Some(number) => arguments.add(number),
                    None => arguments.add(number.as_f64()),
                },
                Value::String(text) => arguments.add(text.clone()),
                Value::Array(_) | Value::Object(_) => arguments.add(value.to_string()),
            };
            added.map_err(|error| anyhow!("{error}"))?;
        }
        Ok(arguments)
    }

    async fn call(&self, sql: &str, arguments: &SqliteArguments, how: How) -> anyhow::Result<()> {
        let query = sqlx::query_with(AssertSqlSafe(sql.to_owned()), arguments.clone());
        if how == How::Read {
            (&self.pool).fetch_all(query).await?;
            return Ok(());
        }
        let mut transaction = self.pool.begin().await?;
        let ran = (&mut *transaction).fetch_all(query).await;
        if how == How::Commit && ran.is_ok() {
            transaction.commit().await?;
        } else {
            transaction.rollback().await?;
        }
        ran?;
        Ok(())
    }
}

//! Calls on PostgreSQL. The server itself says of which type each parameter is, and makes the value of it.

use std::str::FromStr as _;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use perfdeck::Deck;
use serde_json::Value;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{
    PgArgumentBuffer, PgArguments, PgConnectOptions, PgPoolOptions, PgTypeInfo, Postgres,
};
use sqlx::{
    Arguments as _, AssertSqlSafe, Encode, Executor as _, Row as _, SqlSafeStr as _,
    Statement as _, Type, ValueRef as _,
};

use crate::item::Item;
use crate::run::{Callable, How};

const CONNECT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub(crate) struct Database {
    pool: perfdeck::Pool<Postgres>,
}

impl Database {
    pub(crate) async fn open(deck: &Deck, url: &str) -> anyhow::Result<Self> {
        let options = PgConnectOptions::from_str(url)
            .context("the database's URL can't be read")?
            .application_name("workload")
            // A function that writes is found out, and rolled back like all that does.
            .options([("default_transaction_read_only", "on")]);
        let pool = PgPoolOptions::new()
            .max_connections(u32::try_from(Self::AT_ONCE)?)
            .acquire_timeout(CONNECT)
            .connect_with(options)
            .await
            .context("could not connect to the database")?;
        Ok(Self {
            pool: deck.pool("primary", pool),
        })
    }

    /// Has the server make a value of a type from its text.
    async fn value(&self, info: &PgTypeInfo, value: &Value) -> anyhow::Result<Typed> {
        let Some(oid) = info.oid() else {
            bail!("the server does not say of which type it is");
        };
        let pool = self.pool.inner();
        // With -1 it is the type without any length, which `NULL` would not say of `char`.
        let name: String = sqlx::query_scalar("SELECT format_type($1, -1)")
            .bind(oid)
            .fetch_one(pool)
            .await?;
        let mut failed = None;
        for text in texts(value, &name) {
            let Some(text) = text else {
                return Ok(Typed {
                    info: info.clone(),
                    bytes: None,
                });
            };
            let sql = format!("SELECT CAST($1::text AS {name})");
            let row = sqlx::query(AssertSqlSafe(sql)).bind(&text);
            match row.fetch_one(pool).await {
                Ok(row) => {
                    let raw = row.try_get_raw(0)?;
                    let bytes = (!raw.is_null()).then(|| raw.as_bytes().map(<[u8]>::to_vec));
                    let bytes = match bytes {
                        Some(Ok(bytes)) => Some(bytes),
                        Some(Err(error)) => bail!("{error}"),
                        None => None,
                    };
                    return Ok(Typed {
                        info: info.clone(),
                        bytes,
                    });
                }
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        match failed {
            Some(error) => Err(error).with_context(|| format!("{value} is no {name}")),
            None => bail!("{value} is no {name}"),
        }
    }

    async fn in_transaction(
        &self,
        sql: &str,
        arguments: &PgArguments,
        commit: bool,
    ) -> anyhow::Result<()> {
        let mut transaction = self.pool.begin().await?;
        (&mut *transaction)
            .execute("SET TRANSACTION READ WRITE")
            .await?;
        let query = sqlx::query_with(AssertSqlSafe(sql.to_owned()), arguments.clone());
        let ran = (&mut *transaction).fetch_all(query).await;
        if commit && ran.is_ok() {
            transaction.commit().await?;
        } else {
            transaction.rollback().await?;
        }
        ran?;
        Ok(())
    }
}

impl Callable for Database {
    type Arguments = PgArguments;

    const AT_ONCE: usize = 8;

    async fn arguments(&self, item: &Item, params: &[Value]) -> anyhow::Result<PgArguments> {
        let sql = AssertSqlSafe(item.sql.clone()).into_sql_str();
        let prepared = self.pool.inner().prepare(sql).await?;
        let infos: Vec<PgTypeInfo> = match prepared.parameters() {
            Some(sqlx::Either::Left(infos)) => infos.to_vec(),
            _ => Vec::new(),
        };
        ensure!(
            infos.len() == params.len(),
            "it takes {} parameters, and is given {}",
            infos.len(),
            params.len()
        );
        let mut arguments = PgArguments::default();
        for (place, (info, param)) in infos.iter().zip(params).enumerate() {
            let typed = self.value(info, param).await;
            let typed = typed.with_context(|| format!("parameter {}", place + 1))?;
            arguments
                .add(typed)
                .map_err(|error| anyhow::anyhow!("{error}"))?;
        }
        Ok(arguments)
    }

    async fn call(&self, sql: &str, arguments: &PgArguments, how: How) -> anyhow::Result<()> {
        if how != How::Read {
            return self
                .in_transaction(sql, arguments, how == How::Commit)
                .await;
        }
        let query = sqlx::query_with(AssertSqlSafe(sql.to_owned()), arguments.clone());
        match (&self.pool).fetch_all(query).await {
            Ok(_) => Ok(()),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("25006") => {
                self.in_transaction(sql, arguments, false).await
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A value in the form that the server itself gave it.
#[derive(Debug, Clone)]
struct Typed {
    info: PgTypeInfo,
    bytes: Option<Vec<u8>>,
}

impl Type<Postgres> for Typed {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(25))
    }
}

impl Encode<'_, Postgres> for Typed {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        match &self.bytes {
            Some(bytes) => {
                buffer.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        }
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.info.clone())
    }
}

/// The texts that a value may be meant as, the likeliest first; `None` is null.
fn texts(value: &Value, kind: &str) -> Vec<Option<String>> {
    let document = matches!(kind, "json" | "jsonb");
    match value {
        Value::Null => vec![None],
        Value::Bool(value) => vec![Some(value.to_string()), Some(u8::from(*value).to_string())],
        Value::Number(number) => {
            let mut texts = vec![Some(number.to_string())];
            // 3.0 is an integer, too.
            let whole = number.as_f64().filter(|value| value.fract() == 0.0);
            texts.extend(whole.map(|value| Some(format!("{value:.0}"))));
            texts
        }
        // A document may stand in a text, or be one.
        Value::String(text) if document => vec![Some(text.clone()), Some(value.to_string())],
        Value::String(text) => vec![Some(text.clone())],
        Value::Array(items) if !document => vec![Some(array(items)), Some(value.to_string())],
        Value::Array(_) | Value::Object(_) => vec![Some(value.to_string())],
    }
}

/// An array as PostgreSQL writes it.
fn array(items: &[Value]) -> String {
    let items: Vec<String> = items
        .iter()
        .map(|item| match item {
            Value::Null => "NULL".to_owned(),
            Value::Array(items) => array(items),
            Value::String(text) => quoted(text),
            Value::Object(_) => quoted(&item.to_string()),
            Value::Bool(_) | Value::Number(_) => item.to_string(),
        })
        .collect();
    format!("{{{}}}", items.join(","))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_what_the_type_makes_of_it() {
        let first = |value, kind: &str| texts(&value, kind).remove(0);
        assert_eq!(
            first(json!([1, null, 2]), "bigint[]"),
            Some("{1,NULL,2}".into())
        );
        assert_eq!(
            first(json!(["a\"b", "c\\"]), "text[]"),
            Some("{\"a\\\"b\",\"c\\\\\"}".into())
        );
        assert_eq!(first(json!([1, 2]), "jsonb"), Some("[1,2]".into()));
        assert_eq!(first(json!({"a": 1}), "jsonb"), Some("{\"a\":1}".into()));
        assert_eq!(texts(&json!(3.0), "bigint").get(1), Some(&Some("3".into())));
        assert_eq!(first(json!(null), "text"), None);
    }
}

//! Indexes that only the planner of one connection believes in. The extension is used where it is, never installed.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};

use crate::database::ddl::IndexPlan;
use crate::database::identifier::quote;
use crate::database::postgres::command;

#[derive(Debug)]
pub(super) struct Hypopg {
    /// The schema that the extension lives in, quoted.
    schema: String,
}

#[derive(Debug)]
pub(super) struct Hypothetical {
    oid: i64,
    /// What the planner calls it: `<13543>btree_documents_status`.
    pub(super) name: String,
}

impl Hypopg {
    /// Looks for the extension, and clears what an earlier owner of the connection may have left.
    pub(super) async fn find(connection: &mut PgConnection) -> Result<Option<Self>, sqlx::Error> {
        let schema = sqlx::query_scalar::<_, String>(
            "SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace \
             WHERE e.extname = 'hypopg' AND has_schema_privilege(n.oid, 'USAGE')",
        );
        let schema = schema
            .persistent(false)
            .fetch_optional(&mut *connection)
            .await?;
        let Some(schema) = schema.and_then(|schema| quote(&schema).ok()) else {
            return Ok(None);
        };
        let found = Self { schema };
        found.reset(connection).await?;
        Ok(Some(found))
    }

    pub(super) async fn reset(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        command(connection, format!("SELECT {}.hypopg_reset()", self.schema)).await
    }

    pub(super) async fn add(
        &self,
        connection: &mut PgConnection,
        index: &IndexPlan,
    ) -> Result<Hypothetical, sqlx::Error> {
        let create = index
            .create
            .replacen("CREATE INDEX CONCURRENTLY", "CREATE INDEX", 1);
        let sql = format!(
            "SELECT indexrelid::int8, indexname::text FROM {}.hypopg_create_index($1)",
            self.schema
        );
        let row = sqlx::query(AssertSqlSafe(sql)).bind(create);
        let row = row.fetch_one(&mut *connection).await?;
        Ok(Hypothetical {
            oid: row.try_get(0)?,
            name: row.try_get(1)?,
        })
    }

    pub(super) async fn remove(
        &self,
        connection: &mut PgConnection,
        hypothetical: &Hypothetical,
    ) -> Result<(), sqlx::Error> {
        let sql = format!("SELECT {}.hypopg_drop_index($1::oid)", self.schema);
        let dropped = sqlx::query(AssertSqlSafe(sql)).bind(hypothetical.oid);
        dropped.execute(connection).await.map(|_| ())
    }
}

//! A copy of the schema in memory, with statistics and without rows: nothing that happens to it is felt by anybody.

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, SqlitePool};

use super::schema::{Measured, Schema};
use crate::database::Error;
use crate::database::advisor::Candidate;
use crate::database::ddl::{Key, On};
use crate::database::sqlite::{Side, explain};

#[derive(Debug)]
pub(super) struct Shadow {
    connection: SqliteConnection,
}

impl Shadow {
    pub(super) async fn build(pool: &SqlitePool, schema: &Schema) -> Result<Self, Error> {
        let mut connection = Side::shadow(pool).await?;
        for text in &schema.texts {
            // An object that needs a function or a module of the host's is left out, and with it what it would serve.
            let _ = connection
                .execute(sqlx::raw_sql(AssertSqlSafe(text.as_str())))
                .await;
        }
        let mut shadow = Self { connection };
        let filled = shadow.fill(schema).await;
        filled.map_err(|error| Error::failed("fill a shadow database with statistics", &error))?;
        Ok(shadow)
    }

    async fn fill(&mut self, schema: &Schema) -> Result<(), sqlx::Error> {
        // Makes the table of statistics, which can't be made by hand.
        self.reload().await?;
        for measured in &schema.tables {
            let table = &measured.table;
            self.note(
                &table.name,
                None,
                &format!("{}", table.rows.max(1.0) as u64),
            )
            .await?;
            for index in table
                .indexes
                .iter()
                .filter(|index| index.whole && !index.name.is_empty())
            {
                self.note(
                    &table.name,
                    Some(&index.name),
                    &statistics(measured, &index.keys, 1.0),
                )
                .await?;
            }
        }
        self.reload().await
    }

    /// Returns the planner's steps.
    pub(super) async fn explain(&mut self, text: &str) -> Result<Vec<String>, sqlx::Error> {
        explain(&mut self.connection, text).await
    }

    /// Makes the candidate's index, empty, with statistics as if it were full.
    pub(super) async fn add(
        &mut self,
        candidate: &Candidate,
        measured: &Measured,
    ) -> Result<(), sqlx::Error> {
        let index = &candidate.index;
        self.connection
            .execute(sqlx::raw_sql(AssertSqlSafe(index.create.as_str())))
            .await?;
        self.note(
            &index.table,
            Some(&index.name),
            &statistics(measured, &index.shape.keys, candidate.share),
        )
        .await?;
        self.reload().await
    }

    pub(super) async fn remove(&mut self, candidate: &Candidate) -> Result<(), sqlx::Error> {
        let index = &candidate.index;
        self.connection
            .execute(sqlx::raw_sql(AssertSqlSafe(index.drop.as_str())))
            .await?;
        let forget = sqlx::query("DELETE FROM sqlite_stat1 WHERE idx = ?").bind(&index.name);
        forget.execute(&mut self.connection).await?;
        self.reload().await
    }

    pub(super) async fn close(self) {
        let _ = self.connection.close().await;
    }

    async fn note(
        &mut self,
        table: &str,
        index: Option<&str>,
        statistics: &str,
    ) -> Result<(), sqlx::Error> {
        let note = sqlx::query("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)");
        note.bind(table)
            .bind(index)
            .bind(statistics)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn reload(&mut self) -> Result<(), sqlx::Error> {
        self.connection
            .execute(sqlx::raw_sql("ANALYZE sqlite_schema"))
            .await?;
        Ok(())
    }
}

/// Writes a row of `sqlite_stat1`: the rows, then the rows of one value of each prefix.
fn statistics(measured: &Measured, keys: &[Key], share: f64) -> String {
    let all = measured.table.rows.max(1.0);
    let rows = (all * share).max(1.0);
    let mut text = format!("{}", rows as u64);
    let mut names: Vec<&str> = Vec::new();
    for key in keys {
        match &key.on {
            On::Column(name) | On::Expression(name) => names.push(name),
        }
        let average = (all / measured.distinct(&names)).min(rows).ceil().max(1.0);
        text.push_str(&format!(" {}", average as u64));
    }
    text
}

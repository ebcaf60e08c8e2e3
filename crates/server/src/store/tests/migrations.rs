use sqlx::migrate::Migrator;

use crate::store::{postgres, sqlite};

fn names(migrations: &Migrator) -> Vec<(i64, String)> {
    migrations
        .iter()
        .map(|migration| (migration.version, migration.description.to_string()))
        .collect()
}

#[test]
fn both_databases_have_the_same_migrations() {
    assert_eq!(names(&sqlite::MIGRATIONS), names(&postgres::MIGRATIONS));
}

use crate::store::StoreError;
use crate::store::tests::{Fixture, on_both};

async fn a_database_of_an_older_shape_is_not_ready(fixture: Fixture) {
    fixture.store.check().await.unwrap();
    assert!(fixture.store.connections().open > 0);
    let newest = "(select max(version) from _sqlx_migrations)";
    fixture
        .texts(&format!(
            "delete from _sqlx_migrations where version = {newest} returning description"
        ))
        .await;
    let found = fixture.store.check().await;
    assert!(
        matches!(&found, Err(StoreError::ShapeOutdated { found, wanted }) if found < wanted),
        "{found:?}"
    );
}

async fn nothing_to_do_is_an_empty_backlog(fixture: Fixture) {
    assert_eq!(fixture.store.backlog().await.unwrap(), []);
}

async fn a_database_that_was_left_answers_no_more(fixture: Fixture) {
    fixture.store.leave().await;
    let found = fixture.store.check().await;
    assert!(matches!(found, Err(StoreError::Database(_))), "{found:?}");
}

on_both!(
    a_database_of_an_older_shape_is_not_ready,
    nothing_to_do_is_an_empty_backlog,
    a_database_that_was_left_answers_no_more,
);

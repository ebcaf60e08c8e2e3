use super::{Fixture, on_both, origin};

on_both!(a_denial_is_appended_and_changes_nothing_else);

async fn a_denial_is_appended_and_changes_nothing_else(fixture: Fixture) {
    for code in ["unauthenticated", "subscription_required"] {
        fixture.store.record_denial(code, &origin(7)).await.unwrap();
    }
    assert_eq!(
        fixture.audit().await,
        [
            "access.deny unauthenticated denied",
            "access.deny subscription_required denied",
        ]
    );
    let actors = fixture.texts("select distinct actor from audit").await;
    assert_eq!(actors, ["user_1"]);
    for table in ["user_profile", "subscriptions", "tenant"] {
        assert_eq!(fixture.count(table).await, 0, "{table}");
    }
}

use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::*;
use crate::token::MembershipError;

fn settings() -> AdminSettings {
    AdminSettings {
        organization: "org_1".to_owned(),
        role: "admin".to_owned(),
        client: Some("client_admin".to_owned()),
    }
}

fn accepted(kind: IssuerKind, changes: &Value) -> Accepted {
    let mut claims = json!({ "sub": "user_1", "sid": "s", "jti": "j", "exp": 1 });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    Accepted {
        claims: Arc::new(serde_json::from_value(claims).unwrap()),
        kind,
    }
}

#[test]
fn a_user_management_token_needs_the_organization_and_the_role() {
    use Denial as D;
    for (changes, expected) in [
        (
            json!({ "org_id": "org_1", "role": "admin" }),
            Verdict::Granted,
        ),
        (
            json!({ "org_id": "org_1", "role": "member", "roles": ["member", "admin"] }),
            Verdict::Granted,
        ),
        (json!({ "org_id": "org_1" }), Verdict::Denied(D::OtherRole)),
        (
            json!({ "org_id": "org_1", "role": "Admin" }),
            Verdict::Denied(D::OtherRole),
        ),
        (
            json!({ "org_id": "org_1", "role": "member", "permissions": ["admin"] }),
            Verdict::Denied(D::OtherRole),
        ),
        (
            json!({ "role": "admin" }),
            Verdict::Denied(D::OtherOrganization),
        ),
        (
            json!({ "org_id": "org_2", "role": "admin" }),
            Verdict::Denied(D::OtherOrganization),
        ),
        (
            json!({ "org_id": "org_1", "role": "admin", "act": { "sub": "support@example.org" } }),
            Verdict::Denied(D::Impersonation),
        ),
    ] {
        let accepted = accepted(IssuerKind::UserManagement, &changes);
        assert_eq!(decide(Some(&settings()), &accepted), expected, "{changes}");
        assert_eq!(
            decide(None, &accepted),
            Verdict::Denied(D::NotConfigured),
            "{changes}"
        );
    }
}

#[test]
fn a_connect_token_is_looked_up_if_it_is_for_the_administrators_client_alone() {
    use Denial as D;
    for (changes, expected) in [
        (json!({ "aud": "client_admin" }), Verdict::LookUp),
        (json!({ "aud": ["client_admin"] }), Verdict::LookUp),
        (
            json!({ "aud": "client_admin", "org_id": "org_1" }),
            Verdict::LookUp,
        ),
        (
            json!({ "aud": ["client_admin", "client_cli"] }),
            Verdict::Denied(D::OtherClient),
        ),
        (
            json!({ "aud": "client_cli" }),
            Verdict::Denied(D::OtherClient),
        ),
        (
            json!({ "aud": "client_cli", "org_id": "org_1", "role": "admin" }),
            Verdict::Denied(D::OtherClient),
        ),
        (
            json!({ "aud": "client_admin", "org_id": "org_2" }),
            Verdict::Denied(D::OtherOrganization),
        ),
        (
            json!({ "aud": "client_admin", "act": { "sub": "support@example.org" } }),
            Verdict::Denied(D::Impersonation),
        ),
    ] {
        let accepted = accepted(IssuerKind::Connect, &changes);
        assert_eq!(decide(Some(&settings()), &accepted), expected, "{changes}");
        let without_client = AdminSettings {
            client: None,
            ..settings()
        };
        assert_ne!(decide(Some(&without_client), &accepted), Verdict::LookUp);
    }
}

/// Answers once.
struct Directory(Mutex<Option<Result<Vec<String>, MembershipError>>>);

#[async_trait]
impl Memberships for Directory {
    async fn roles(&self, user: &str, organization: &str) -> Result<Vec<String>, MembershipError> {
        assert_eq!((user, organization), ("user_1", "org_1"));
        self.0.lock().unwrap().take().unwrap()
    }
}

async fn looked_up(answer: Result<Vec<String>, MembershipError>) -> Result<Verdict, ApiError> {
    let admins = Admins {
        settings: settings(),
        directory: Some(Arc::new(Directory(Mutex::new(Some(answer))))),
    };
    look_up(&admins, "user_1").await
}

#[tokio::test]
async fn the_directory_has_the_last_word_and_its_faults_let_nobody_in() {
    let roles = |names: &[&str]| Ok(names.iter().map(|&name| name.to_owned()).collect());
    let granted = looked_up(roles(&["member", "admin"])).await;
    assert!(matches!(granted, Ok(Verdict::Granted)));
    for names in [&[][..], &["member"]] {
        let denied = looked_up(roles(names)).await;
        assert!(matches!(denied, Ok(Verdict::Denied(Denial::OtherRole))));
    }
    let failed = looked_up(Err(MembershipError::Malformed))
        .await
        .unwrap_err();
    assert_eq!(
        (failed.status().as_u16(), failed.code()),
        (502, "upstream_failed")
    );
    let without = Admins {
        settings: settings(),
        directory: None,
    };
    assert!(matches!(
        look_up(&without, "user_1").await,
        Ok(Verdict::Denied(_))
    ));
}

//! The caller's workspaces: so far the one tenant.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::app::App;
use crate::principal::{Member, is_current};
use crate::routes::Routes;

/// Never changes: clients keep it in the names of what they set up.
const SLUG: &str = "notes";
const NAME: &str = "Notes";
const ROLE: &str = "owner";

/// A tenant as clients see it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct WorkspaceOut {
    tenant_id: String,
    /// `personal`: clients use rclone and a key to the bucket; `organization`: they use `WebDAV`.
    workspace_type: String,
    slug: String,
    name: String,
    role: String,
    is_default: bool,
    organization_id: Option<String>,
    has_active_subscription: bool,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct WorkspacesOut {
    workspaces: Vec<WorkspaceOut>,
    count: usize,
    default_workspace_id: Option<String>,
    current_workspace_id: Option<String>,
}

/// Needs no subscription, so that it can say that a workspace has none.
async fn list(member: Member, State(app): State<App>) -> Json<WorkspacesOut> {
    let current = is_current(member.subscription.as_ref(), app.now());
    let workspaces: Vec<WorkspaceOut> = member
        .tenant_id
        .iter()
        .map(|tenant_id| WorkspaceOut {
            tenant_id: tenant_id.clone(),
            workspace_type: app.workspace_kind.as_str().to_owned(),
            slug: SLUG.to_owned(),
            name: NAME.to_owned(),
            role: ROLE.to_owned(),
            is_default: true,
            organization_id: None,
            has_active_subscription: current,
        })
        .collect();
    Json(WorkspacesOut {
        count: workspaces.len(),
        workspaces,
        default_workspace_id: member.tenant_id.clone(),
        current_workspace_id: member.tenant_id,
    })
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/workspaces", list)
        .get("/workspaces/", list)
}

//! Moments of the bucket that one can go back to, where the store keeps and lists versions.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use wire::ChangeKind;

use crate::app::App;
use crate::buckets::{BucketError, History, ObjectError, Old, Standing};
use crate::clock::rfc3339;
use crate::error::{ApiError, chain};
use crate::events::{NewEvent, Teller};
use crate::extract::{IdValue, JsonBody, QueryValues};
use crate::principal::{ActiveMember, TenantScope};
use crate::routes::Routes;
use crate::store::{BucketSnapshot, SnapshotAdded};

/// Versions carry times in whole seconds, so a snapshot is taken where the next one begins.
const SECOND_MS: i64 = 1000;
const NOT_OFFERED: ApiError =
    ApiError::NotOffered("The object store of this server keeps no versions to go back to.");
const MOST: i64 = 100;
const LONGEST_DESCRIPTION: usize = 500;
const LONGEST_PATH: usize = 1024;
/// Notes brought back at once.
const AT_ONCE: usize = 8;
/// The change log takes as many changes in one go.
const ANNOUNCED_AT_ONCE: usize = 256;

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct NewSnapshotIn {
    #[serde(default)]
    description: Option<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SnapshotOut {
    #[schema(format = Uuid)]
    id: String,
    bucket_name: String,
    snapshot_version: String,
    name: String,
    description: Option<String>,
    /// Whether it was taken without being asked for.
    auto: bool,
    #[schema(format = DateTime)]
    created_at: Option<String>,
    #[schema(format = Uuid)]
    created_by: Option<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SnapshotsOut {
    snapshots: Vec<SnapshotOut>,
    total: usize,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SnapshotFileOut {
    key: String,
    size: u64,
    #[schema(format = DateTime)]
    last_modified: Option<String>,
    etag: Option<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SnapshotFilesOut {
    files: Vec<SnapshotFileOut>,
    prefix: String,
    snapshot_version: String,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct RestoreIn {
    /// A note, or a folder with everything in it; nothing at all means the whole bucket.
    path: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct RestoredOut {
    /// The notes that were brought back; those that are as they were are not among them.
    restored: Vec<String>,
    snapshot_version: String,
    #[schema(format = Uuid)]
    snapshot_id: String,
}

#[derive(Debug, Deserialize)]
struct BrowseQuery {
    #[serde(default)]
    prefix: String,
}

fn shown(snapshot: BucketSnapshot, tenant: &TenantScope) -> SnapshotOut {
    SnapshotOut {
        id: snapshot.id,
        bucket_name: tenant.bucket().to_owned(),
        snapshot_version: snapshot.taken_at.to_string(),
        name: snapshot.name,
        description: snapshot.description,
        auto: false,
        created_at: rfc3339(snapshot.taken_at),
        created_by: snapshot.created_by,
    }
}

/// Refuses where there is nothing to go back to.
fn offered(app: &App) -> Result<(), ApiError> {
    match app.objects.history() {
        History::Versions => Ok(()),
        History::Unlisted => Err(NOT_OFFERED),
    }
}

/// Takes a snapshot: everything written before this answer, and nothing written after it.
async fn create(
    member: ActiveMember,
    State(app): State<App>,
    JsonBody(asked): JsonBody<NewSnapshotIn>,
) -> Result<(StatusCode, Json<SnapshotOut>), ApiError> {
    let tenant = member.tenant()?;
    offered(&app)?;
    let description = described(asked.description)?;
    let now = app.now();
    let taken_at = now.saturating_sub(now.rem_euclid(SECOND_MS)) + SECOND_MS;
    let wait_ms = u64::try_from(taken_at - now).unwrap_or_default();
    tokio::time::sleep(std::time::Duration::from_millis(wait_ms)).await;
    let snapshot = BucketSnapshot {
        id: Uuid::now_v7().to_string(),
        name: format!("snapshot-{taken_at}"),
        description,
        taken_at,
        created_by: Some(member.profile.id.clone()),
    };
    let origin = member.origin(&app);
    let added = app
        .store
        .add_snapshot(&tenant, &snapshot, MOST, &origin)
        .await?;
    match added {
        SnapshotAdded::Added => Ok((StatusCode::CREATED, Json(shown(snapshot, &tenant)))),
        SnapshotAdded::TenantGone => Err(ApiError::NoTenant),
        SnapshotAdded::TooMany => Err(ApiError::Conflict(format!(
            "There are {MOST} snapshots already. Delete one that is not needed."
        ))),
    }
}

fn described(text: Option<String>) -> Result<Option<String>, ApiError> {
    let text = text.map(|text| text.trim().to_owned());
    match text.filter(|text| !text.is_empty()) {
        Some(text)
            if text.chars().count() > LONGEST_DESCRIPTION || text.chars().any(char::is_control) =>
        {
            let what =
                format!("A description has up to {LONGEST_DESCRIPTION} letters on one line.");
            Err(ApiError::InvalidRequest(what))
        }
        text => Ok(text),
    }
}

async fn list(
    member: ActiveMember,
    State(app): State<App>,
) -> Result<Json<SnapshotsOut>, ApiError> {
    let tenant = member.tenant()?;
    offered(&app)?;
    let snapshots = app.store.list_snapshots(&tenant).await?;
    Ok(Json(SnapshotsOut {
        total: snapshots.len(),
        snapshots: snapshots
            .into_iter()
            .map(|snapshot| shown(snapshot, &tenant))
            .collect(),
    }))
}

async fn found(app: &App, tenant: &TenantScope, id: &str) -> Result<BucketSnapshot, ApiError> {
    offered(app)?;
    let snapshot = app.store.find_snapshot(tenant, id).await?;
    snapshot.ok_or(ApiError::NotFound)
}

async fn show(
    member: ActiveMember,
    State(app): State<App>,
    IdValue(id): IdValue,
) -> Result<Json<SnapshotOut>, ApiError> {
    let tenant = member.tenant()?;
    let snapshot = found(&app, &tenant, &id).await?;
    Ok(Json(shown(snapshot, &tenant)))
}

/// Forgets the moment. Its versions stay as long as others of their age.
async fn forget(
    member: ActiveMember,
    State(app): State<App>,
    IdValue(id): IdValue,
) -> Result<StatusCode, ApiError> {
    let tenant = member.tenant()?;
    let origin = member.origin(&app);
    if app.store.forget_snapshot(&tenant, &id, &origin).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::NotFound)
    }
}

async fn browse(
    member: ActiveMember,
    State(app): State<App>,
    IdValue(id): IdValue,
    QueryValues(query): QueryValues<BrowseQuery>,
) -> Result<Json<SnapshotFilesOut>, ApiError> {
    let tenant = member.tenant()?;
    let snapshot = found(&app, &tenant, &id).await?;
    let prefix = checked_path(&query.prefix)?;
    let files = app
        .objects
        .list_as_of(tenant.bucket(), &prefix, snapshot.taken_at)
        .await?;
    let file = |old: Old| SnapshotFileOut {
        key: old.held.key,
        size: old.held.size,
        last_modified: rfc3339(old.held.modified_ms),
        etag: Some(old.held.etag).filter(|etag| !etag.is_empty()),
    };
    Ok(Json(SnapshotFilesOut {
        files: files.into_iter().map(file).collect(),
        prefix,
        snapshot_version: snapshot.taken_at.to_string(),
    }))
}

fn checked_path(path: &str) -> Result<String, ApiError> {
    let path = path.trim_start_matches('/');
    if path.len() > LONGEST_PATH || path.chars().any(char::is_control) {
        return Err(ApiError::InvalidRequest("The path is not one.".to_owned()));
    }
    Ok(path.to_owned())
}

/// Whether a note is the one asked for, or in the folder asked for.
fn is_asked_for(key: &str, path: &str) -> bool {
    match key.strip_prefix(path) {
        Some("") => true,
        Some(below) => path.is_empty() || path.ends_with('/') || below.starts_with('/'),
        None => false,
    }
}

/// Makes notes what they were. What they are now becomes a version, and notes that were not there
/// then stay. Cut short, it can be repeated: what is done already is passed over.
async fn restore(
    member: ActiveMember,
    State(app): State<App>,
    IdValue(id): IdValue,
    JsonBody(asked): JsonBody<RestoreIn>,
) -> Result<Json<RestoredOut>, ApiError> {
    let tenant = member.tenant()?;
    let snapshot = found(&app, &tenant, &id).await?;
    let path = checked_path(&asked.path)?;
    let then = app
        .objects
        .list_as_of(tenant.bucket(), &path, snapshot.taken_at)
        .await?;
    let wanted: Vec<Old> = then
        .into_iter()
        .filter(|old| is_asked_for(&old.held.key, &path) && old.standing == Standing::Replaced)
        .collect();
    let restored = to_its_end(&app, &tenant, wanted).await?;
    app.store
        .record_restore(&tenant, &snapshot.id, &member.origin(&app))
        .await?;
    Ok(Json(RestoredOut {
        restored: restored.into_iter().map(|old| old.held.key).collect(),
        snapshot_version: snapshot.taken_at.to_string(),
        snapshot_id: snapshot.id,
    }))
}

/// Brings back all, also when the caller does not stay to hear of it.
async fn to_its_end(
    app: &App,
    tenant: &TenantScope,
    wanted: Vec<Old>,
) -> Result<Vec<Old>, ObjectError> {
    let (app, tenant) = (app.clone(), tenant.clone());
    let work = tokio::spawn(async move { bring_back(&app, &tenant, wanted.into_iter()).await });
    work.await.map_err(BucketError::from)?
}

/// Brings back a few at once until one fails, and tells of those that are back either way: whoever
/// repeats it passes them over.
async fn bring_back(
    app: &App,
    tenant: &TenantScope,
    wanted: impl Iterator<Item = Old>,
) -> Result<Vec<Old>, ObjectError> {
    let has_failed = AtomicBool::new(false);
    let none_failed = |_: &Old| !has_failed.load(Ordering::Relaxed);
    let all = stream::iter(wanted.take_while(none_failed)).map(|old| async {
        let brought = app
            .objects
            .bring_back(tenant.bucket(), &old.held.key, &old.version)
            .await;
        if brought.is_err() {
            has_failed.store(true, Ordering::Relaxed);
        }
        brought.map(|()| old)
    });
    // Those under way are waited for: they may well be done.
    let brought: Vec<Result<Old, ObjectError>> = all.buffered(AT_ONCE).collect().await;
    let mut restored = Vec::new();
    let mut failure = Ok(());
    for one in brought {
        match one {
            Ok(old) => restored.push(old),
            Err(error) => failure = failure.and(Err(error)),
        }
    }
    announce(app, tenant, &restored).await;
    failure.map(|()| restored)
}

async fn announce(app: &App, tenant: &TenantScope, restored: &[Old]) {
    let now = app.now();
    let event = |old: &Old| NewEvent {
        kind: ChangeKind::Put,
        path: old.held.key.clone(),
        from: None,
        etag: Some(old.held.etag.clone()).filter(|etag| !etag.is_empty()),
        size: i64::try_from(old.held.size).ok(),
        at: now,
        teller: Teller::Device {
            name: None,
            told_at: Some(now),
        },
    };
    for part in restored.chunks(ANNOUNCED_AT_ONCE) {
        let events: Vec<NewEvent> = part.iter().map(event).collect();
        if let Err(error) = app.events.append(tenant.id(), &events).await {
            tracing::error!(error = %chain(&error), "changes were not announced");
        }
    }
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/api/bucket-snapshots", create)
        .get("/api/bucket-snapshots", list)
        .get("/api/bucket-snapshots/{id}", show)
        .delete("/api/bucket-snapshots/{id}", forget)
        .get("/api/bucket-snapshots/{id}/browse", browse)
        .post("/api/bucket-snapshots/{id}/restore", restore)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::http::Uri;
    use tokio::sync::Notify;

    use super::*;
    use crate::api::tests::Fixture;
    use crate::buckets::{AdminKey, Endpoint, Held, ObjectKeys, Objects};
    use crate::store::tests::origin;

    /// An app with this store, and a tenant in its database.
    async fn app_on(routes: Router) -> (Fixture, App, TenantScope) {
        let fixture = Fixture::new().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint {
            url: format!("http://{}", listener.local_addr().unwrap()),
            region: "auto".to_owned(),
        };
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let admin = AdminKey {
            access_key: "server".to_owned(),
            secret: "secret".into(),
        };
        let keys = ObjectKeys::Server(admin);
        let clock = fixture.app.clock.clone();
        let objects = Objects::new(endpoint, keys, History::Versions, clock).unwrap();
        let app = App {
            objects: Arc::new(objects),
            ..fixture.app.clone()
        };
        let at = origin(1);
        let profile = app.store.ensure_profile("ana", None, &at).await.unwrap();
        let claimed = app.store.claim_tenant(&profile, "t1", "bucket", &at);
        claimed.await.unwrap();
        (fixture, app, TenantScope::for_tests("t1", "bucket"))
    }

    fn old(number: usize) -> Old {
        Old {
            held: Held {
                key: format!("main/{number}.md"),
                size: 3,
                etag: "e1".to_owned(),
                modified_ms: 0,
            },
            version: "v1".to_owned(),
            standing: Standing::Replaced,
        }
    }

    async fn told(app: &App, tenant: &TenantScope) -> Vec<String> {
        let told = app.store.events_after(tenant, 0, 1_000).await.unwrap();
        told.events.into_iter().map(|event| event.path).collect()
    }

    #[tokio::test]
    async fn a_caller_who_does_not_stay_leaves_no_note_unannounced() {
        let (reached, slow) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (notes, gate) = (Arc::clone(&reached), Arc::clone(&slow));
        let (_fixture, app, tenant) = app_on(Router::new().fallback(async move |uri: Uri| {
            if uri.path().ends_with("/main/3.md") {
                notes.notify_one();
                gate.notified().await;
            }
        }))
        .await;
        let (held, scope) = (app.clone(), tenant.clone());
        let wanted = (0..20).map(old).collect();
        let caller = tokio::spawn(async move { to_its_end(&held, &scope, wanted).await });
        reached.notified().await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        slow.notify_one();
        testkit::wait_until(std::time::Duration::from_secs(60), async || {
            told(&app, &tenant).await.len() == 20
        })
        .await;
    }

    #[tokio::test]
    async fn what_was_brought_back_before_a_failure_is_announced() {
        let (_fixture, app, tenant) = app_on(Router::new().fallback(async move |uri: Uri| {
            match uri.path().ends_with("/main/20.md") {
                true => StatusCode::SERVICE_UNAVAILABLE,
                false => StatusCode::OK,
            }
        }))
        .await;
        let failed = bring_back(&app, &tenant, (0..1_000).map(old)).await;
        assert!(matches!(failed, Err(ObjectError::Bucket(_))), "{failed:?}");
        let told = told(&app, &tenant).await;
        let before: Vec<String> = (0..20).map(|number| old(number).held.key).collect();
        assert_eq!(told[..20], before);
        assert!(!told.contains(&old(20).held.key), "{told:?}");
        assert!(told.len() < 100, "it went on: {told:?}");
    }

    #[test]
    fn a_path_means_a_note_or_a_folder_and_no_neighbor() {
        for (path, key, expected) in [
            ("main/a.md", "main/a.md", true),
            ("main/a.md", "main/a.md2", false),
            ("main/notes", "main/notes/a.md", true),
            ("main/notes", "main/notes-2/a.md", false),
            ("main/notes/", "main/notes/a.md", true),
            ("", "main/a.md", true),
            ("other", "main/a.md", false),
        ] {
            assert_eq!(is_asked_for(key, path), expected, "{path} {key}");
        }
    }
}

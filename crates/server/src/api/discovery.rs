use axum::Json;
use axum::extract::State;
use wire::SignInConfig;

use crate::app::App;
use crate::principal::Public;
use crate::routes::Routes;

/// Tells clients where and how to sign in.
async fn sign_in_config(_: Public, State(app): State<App>) -> Json<SignInConfig> {
    Json(SignInConfig::clone(&app.sign_in))
}

pub(super) fn routes() -> Routes {
    Routes::default().get("/.well-known/basic-memory-cloud", sign_in_config)
}

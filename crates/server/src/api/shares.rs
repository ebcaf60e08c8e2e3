//! Public links to notes, which this server does not make. Clients hear so in words.

use crate::error::ApiError;
use crate::principal::ActiveMember;
use crate::routes::Routes;

const NOT_OFFERED: ApiError =
    ApiError::NotOffered("This server does not offer public links to notes.");

async fn refuse(_: ActiveMember) -> ApiError {
    NOT_OFFERED
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/api/shares", refuse)
        .post("/api/shares", refuse)
        .patch("/api/shares/{token}", refuse)
        .delete("/api/shares/{token}", refuse)
}

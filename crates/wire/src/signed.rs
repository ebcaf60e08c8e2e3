/// The header names of the proxy's signature on a forwarded request (version 2).
pub struct SignedHeaders;

impl SignedHeaders {
    pub const TENANT: &str = "x-bm-tenant";
    pub const TIMESTAMP: &str = "x-bm-timestamp";
    pub const BODY_SHA256: &str = "x-bm-body-sha256";
    pub const NONCE: &str = "x-bm-nonce";
    pub const USER: &str = "x-bm-user";
    pub const KEY_ID: &str = "x-bm-key-id";
    pub const SIGNATURE: &str = "x-bm-signature";
    /// Stands for the body's digest when the body is streamed.
    pub const UNSIGNED_BODY: &str = "UNSIGNED";
}

/// Builds the text that proxy and tenant instance sign: version, tenant, Unix seconds, method,
/// path with query as sent, body digest, nonce and user, a line each.
pub fn canonical_message(
    tenant: &str,
    timestamp: &str,
    method: &str,
    path_and_query: &str,
    body_sha256: &str,
    nonce: &str,
    user: &str,
) -> String {
    [
        "v2",
        tenant,
        timestamp,
        method,
        path_and_query,
        body_sha256,
        nonce,
        user,
    ]
    .join("\n")
}

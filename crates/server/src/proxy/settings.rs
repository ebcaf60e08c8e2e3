use std::time::Duration;

/// What bounds the requests that are passed on to instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxySettings {
    /// How long an instance may take to accept a connection.
    pub connect: Duration,
    /// How long an instance may take to begin its answer, once nothing more of the request comes.
    pub answer: Duration,
    /// How long a caller may be silent within a body.
    pub request_idle: Duration,
    /// How long an instance may be silent within an answer; event streams have heartbeats.
    pub answer_idle: Duration,
    pub max_request_bytes: u64,
    /// Bodies of known length up to this many bytes are signed; they are held in memory for it.
    pub signed_body_bytes: u64,
    /// Requests of one tenant that may be under way at once, on each replica.
    pub under_way_per_tenant: usize,
}

impl Default for ProxySettings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(60),
            request_idle: Duration::from_secs(30),
            answer_idle: Duration::from_secs(300),
            max_request_bytes: 1 << 30,
            signed_body_bytes: 64 * 1024,
            under_way_per_tenant: 256,
        }
    }
}

//! What the provider answers, as functions of what it knows.

use super::opaque::pkce_fits;
use super::{POLL_INTERVAL_MS, REUSE_WINDOW_MS};

/// RFC 8628, 3.5: every `slow_down` makes the interval this much longer.
const SLOW_DOWN_MS: i64 = 5_000;
/// A poll this much early is on time: the way to us is not always equally long.
const EARLY_MS: i64 = 250;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GrantStatus {
    Pending,
    Approved,
    Denied,
    Redeemed,
}

/// A device's request for consent, as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GrantView {
    pub(super) client_id: String,
    pub(super) code_challenge: Option<String>,
    pub(super) status: GrantStatus,
    pub(super) interval_ms: i64,
    pub(super) polled_at: Option<i64>,
    pub(super) expires_at: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Poll {
    /// The person consented: tokens are due.
    Redeem,
    Pending,
    SlowDown {
        interval_ms: i64,
    },
    Denied,
    Expired,
    /// Another client's code, a used one, or the wrong PKCE verifier.
    Invalid,
}

/// Decides a device's poll (RFC 8628, 3.5).
pub(super) fn decide_poll(
    grant: &GrantView,
    client_id: &str,
    verifier: Option<&str>,
    now: i64,
) -> Poll {
    if grant.client_id != client_id || !verifier_fits(grant.code_challenge.as_deref(), verifier) {
        return Poll::Invalid;
    }
    match grant.status {
        GrantStatus::Redeemed => Poll::Invalid,
        GrantStatus::Denied => Poll::Denied,
        GrantStatus::Pending | GrantStatus::Approved if now >= grant.expires_at => Poll::Expired,
        GrantStatus::Approved => Poll::Redeem,
        GrantStatus::Pending => {
            let due = grant.polled_at.map(|at| at + grant.interval_ms - EARLY_MS);
            match due {
                Some(due) if now < due => Poll::SlowDown {
                    interval_ms: grant.interval_ms + SLOW_DOWN_MS,
                },
                _ => Poll::Pending,
            }
        }
    }
}

fn verifier_fits(challenge: Option<&str>, verifier: Option<&str>) -> bool {
    match (challenge, verifier) {
        (Some(challenge), Some(verifier)) => pkce_fits(challenge, verifier),
        (Some(_), None) => false,
        // A verifier without a challenge: somebody took the challenge out on the way.
        (None, Some(_)) => false,
        (None, None) => true,
    }
}

/// The interval that a new grant starts with.
pub(super) fn first_interval_ms() -> i64 {
    POLL_INTERVAL_MS
}

/// A refresh token, as the ledger has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RefreshView {
    pub(super) expires_at: i64,
    pub(super) rotated_at: Option<i64>,
    pub(super) session: SessionState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionState {
    Live,
    Revoked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refresh {
    /// First use: a successor takes its place.
    Rotate,
    /// Used a moment ago: the successor made at that time is the answer again.
    Repeat {
        rotated_at: i64,
    },
    /// Used before: two hold it, so the whole session ends.
    Reused,
    Invalid,
}

/// Decides what a refresh token is worth (RFC 9700, 4.14).
pub(super) fn decide_refresh(token: &RefreshView, now: i64) -> Refresh {
    match (token.session, token.rotated_at) {
        (SessionState::Revoked, _) => Refresh::Invalid,
        (SessionState::Live, Some(rotated_at)) if now - rotated_at <= REUSE_WINDOW_MS => {
            Refresh::Repeat { rotated_at }
        }
        (SessionState::Live, Some(_)) => Refresh::Reused,
        (SessionState::Live, None) if now >= token.expires_at => Refresh::Invalid,
        (SessionState::Live, None) => Refresh::Rotate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn grant(status: GrantStatus) -> GrantView {
        GrantView {
            client_id: "us".to_owned(),
            code_challenge: Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned()),
            status,
            interval_ms: 1_000,
            polled_at: None,
            expires_at: 100_000,
        }
    }

    #[test]
    fn a_poll_is_decided_by_client_proof_state_and_pace() {
        use GrantStatus::{Approved, Denied, Pending, Redeemed};
        for (status, now, expected) in [
            (Pending, 0, Poll::Pending),
            (Pending, 100_000, Poll::Expired),
            (Approved, 99_999, Poll::Redeem),
            (Approved, 100_000, Poll::Expired),
            (Denied, 0, Poll::Denied),
            (Redeemed, 0, Poll::Invalid),
        ] {
            let grant = grant(status);
            assert_eq!(
                decide_poll(&grant, "us", Some(VERIFIER), now),
                expected,
                "{status:?}"
            );
            assert_eq!(
                decide_poll(&grant, "them", Some(VERIFIER), now),
                Poll::Invalid
            );
            assert_eq!(decide_poll(&grant, "us", Some("wrong"), now), Poll::Invalid);
            assert_eq!(decide_poll(&grant, "us", None, now), Poll::Invalid);
        }
        let plain = GrantView {
            code_challenge: None,
            ..grant(Approved)
        };
        assert_eq!(decide_poll(&plain, "us", None, 0), Poll::Redeem);
        assert_eq!(decide_poll(&plain, "us", Some(VERIFIER), 0), Poll::Invalid);
    }

    #[test]
    fn a_hasty_device_is_slowed_down_a_punctual_one_is_not() {
        let polled = |polled_at| GrantView {
            polled_at,
            ..grant(GrantStatus::Pending)
        };
        let decide = |grant: GrantView, now| decide_poll(&grant, "us", Some(VERIFIER), now);
        assert_eq!(decide(polled(None), 10), Poll::Pending);
        assert_eq!(
            decide(polled(Some(10)), 700),
            Poll::SlowDown { interval_ms: 6_000 }
        );
        assert_eq!(decide(polled(Some(10)), 800), Poll::Pending);
        assert_eq!(decide(polled(Some(10)), 1_010), Poll::Pending);
    }

    #[test]
    fn a_refresh_token_works_once_and_for_a_moment_again() {
        let token = |rotated_at, session| RefreshView {
            expires_at: 50_000,
            rotated_at,
            session,
        };
        use SessionState::{Live, Revoked};
        for (token, now, expected) in [
            (token(None, Live), 0, Refresh::Rotate),
            (token(None, Live), 50_000, Refresh::Invalid),
            (token(None, Revoked), 0, Refresh::Invalid),
            (
                token(Some(5), Live),
                10_005,
                Refresh::Repeat { rotated_at: 5 },
            ),
            (token(Some(5), Live), 10_006, Refresh::Reused),
            (token(Some(5), Revoked), 6, Refresh::Invalid),
        ] {
            assert_eq!(decide_refresh(&token, now), expected, "{token:?} at {now}");
        }
    }
}

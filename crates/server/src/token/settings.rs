//! Which issuers are trusted, as an operator says it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::fetch::FetchKeys;
use super::issuer::{Issuer, IssuerKeys, IssuerKind, Terms};
use super::key_cache::KeyCache;
use crate::clock::Clock;

/// One issuer whose tokens are accepted, and on which terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IssuerSettings {
    pub(crate) kind: IssuerKind,
    /// Every `iss` that its tokens carry, letter by letter.
    pub(crate) names: Vec<String>,
    /// Where its key set is published.
    pub(crate) keys_url: Url,
    /// What `aud` may be. Without any, tokens must have none, and the key set must be that of
    /// one client.
    pub(crate) audiences: Vec<String>,
    /// The issuer's clients, whose own tokens speak for nobody.
    pub(crate) client_ids: Vec<String>,
    /// No token may be valid for longer than this from now.
    pub(crate) max_life: Duration,
    /// How far the issuer's clock may be from ours.
    pub(crate) leeway: Duration,
}

/// Why a list of issuers cannot be used as it was set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IssuerProblem {
    #[error("has an empty name")]
    NameMissing,
    #[error("names {0} once more, so its tokens could be judged in two ways")]
    NameTaken(String),
    #[error("is empty, but the key set is not that of one of its client_ids")]
    KeysOfNoClient,
}

impl IssuerProblem {
    /// The field of the issuer that is to be changed.
    pub(crate) fn field(&self) -> &'static str {
        match self {
            Self::NameMissing | Self::NameTaken(_) => "names",
            Self::KeysOfNoClient => "audiences",
        }
    }

    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::NameMissing => "write each `iss` letter by letter",
            Self::NameTaken(_) => "give each name to one issuer",
            Self::KeysOfNoClient => {
                "name the audience, or fetch the keys of one client and name it in client_ids"
            }
        }
    }
}

impl IssuerSettings {
    /// Every problem of the list, with the place of the issuer it is about.
    pub(crate) fn problems(list: &[Self]) -> Vec<(usize, IssuerProblem)> {
        let mut problems = Vec::new();
        let mut names = BTreeSet::new();
        for (place, issuer) in list.iter().enumerate() {
            if issuer.names.iter().any(String::is_empty) {
                problems.push((place, IssuerProblem::NameMissing));
            }
            for name in &issuer.names {
                if !names.insert(name) {
                    problems.push((place, IssuerProblem::NameTaken(name.clone())));
                }
            }
            if issuer.kind == IssuerKind::UserManagement
                && issuer.audiences.is_empty()
                && !issuer.has_keys_of_a_client()
            {
                problems.push((place, IssuerProblem::KeysOfNoClient));
            }
        }
        problems
    }

    fn has_keys_of_a_client(&self) -> bool {
        let path = self.keys_url.path();
        self.client_ids
            .iter()
            .any(|id| !id.is_empty() && path.split('/').any(|part| part == id))
    }

    /// Makes the issuer, with its keys yet to be fetched.
    pub(super) fn issuer(&self, fetcher: &Arc<dyn FetchKeys>, clock: &Clock) -> Issuer {
        let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        Issuer {
            names: self.names.clone(),
            terms: Terms {
                kind: self.kind,
                audiences: self.audiences.clone(),
                client_ids: self.client_ids.clone(),
                max_life_s: seconds(self.max_life),
                leeway_s: seconds(self.leeway),
            },
            keys: IssuerKeys::Fetched(KeyCache::new(
                self.keys_url.clone(),
                Arc::clone(fetcher),
                Arc::clone(clock),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web() -> IssuerSettings {
        IssuerSettings {
            kind: IssuerKind::UserManagement,
            names: vec![
                "https://api.workos.com".to_owned(),
                "https://api.workos.com/user_management/client_web".to_owned(),
            ],
            keys_url: Url::parse("https://api.workos.com/sso/jwks/client_web").unwrap(),
            audiences: Vec::new(),
            client_ids: vec!["client_web".to_owned()],
            max_life: Duration::from_secs(3_600),
            leeway: Duration::from_secs(30),
        }
    }

    #[test]
    fn a_clients_own_keys_stand_for_an_audience() {
        assert_eq!(IssuerSettings::problems(&[web()]), []);
        let templated = IssuerSettings {
            keys_url: Url::parse("https://auth.example/keys").unwrap(),
            audiences: vec!["us".to_owned()],
            ..web()
        };
        assert_eq!(IssuerSettings::problems(&[templated]), []);
    }

    #[test]
    fn every_problem_is_named_at_once() {
        use IssuerProblem as P;
        let foreign = IssuerSettings {
            keys_url: Url::parse("https://api.workos.com/sso/jwks/client_other").unwrap(),
            names: vec![String::new(), "https://api.workos.com".to_owned()],
            ..web()
        };
        assert_eq!(
            IssuerSettings::problems(&[web(), foreign]),
            [
                (1, P::NameMissing),
                (1, P::NameTaken("https://api.workos.com".to_owned())),
                (1, P::KeysOfNoClient),
            ]
        );
    }
}

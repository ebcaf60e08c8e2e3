//! Remotes of ours and of the upstream command line in a person's rclone configuration.

use std::path::PathBuf;

use crate::rclone_config::{Remote, is_encrypted, remotes, with_value};

/// One configuration file as it is.
#[derive(Clone, Debug)]
pub(crate) struct ConfigSeen {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) open_to: OpenTo,
    /// The endpoint of the account's bucket, if it is known.
    pub(crate) endpoint: Option<String>,
}

/// Who else may read the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenTo {
    NobodyElse,
    #[cfg_attr(windows, expect(dead_code, reason = "modes are Unix's"))]
    Others {
        mode: u32,
    },
}

impl ConfigSeen {
    pub(crate) fn is_encrypted(&self) -> bool {
        is_encrypted(&self.text)
    }

    /// Remotes that carry the cloud's name, ours and upstream's.
    pub(crate) fn cloud_remotes(&self) -> Vec<Remote> {
        if self.is_encrypted() {
            return Vec::new();
        }
        let ours = |remote: &Remote| remote.name.starts_with("basic-memory-");
        remotes(&self.text).into_iter().filter(ours).collect()
    }

    /// Whether somebody else may read a secret of the cloud here.
    pub(crate) fn shows_secrets(&self) -> bool {
        let secret = |remote: &Remote| remote.option("secret_access_key").is_some();
        self.open_to != OpenTo::NobodyElse && self.cloud_remotes().iter().any(secret)
    }

    /// Remotes with a live key of this account that are sent to somewhere else.
    pub(crate) fn astray(&self, access_keys: &[(String, String)]) -> Vec<Remote> {
        let Some(endpoint) = self.endpoint.as_deref() else {
            return Vec::new();
        };
        let plain = |url: &str| url.trim_end_matches('/').to_ascii_lowercase();
        let is_ours = |remote: &Remote| {
            let key = remote.option("access_key_id");
            access_keys
                .iter()
                .any(|(_, access_key)| key == Some(access_key))
        };
        let elsewhere = |remote: &Remote| {
            let found = remote.option("endpoint").unwrap_or_default();
            plain(found) != plain(endpoint)
        };
        self.cloud_remotes()
            .into_iter()
            .filter(|remote| is_ours(remote) && elsewhere(remote))
            .collect()
    }
}

/// The text with the right endpoint in these remotes.
pub(crate) fn mended_endpoint(text: &str, astray: &[Remote], endpoint: &str) -> String {
    astray.iter().fold(text.to_owned(), |text, remote| {
        with_value(&text, &remote.name, "endpoint", endpoint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# upstream\n[basic-memory-t1]\ntype = s3\naccess_key_id = OURS\n\
                        secret_access_key = s\nendpoint = https://fly.storage.tigris.dev\n\n\
                        [basic-memory-t2]\naccess_key_id = THEIRS\nendpoint = https://x\n\n\
                        [mine]\naccess_key_id = OURS\n";

    fn seen(text: &str, open_to: OpenTo) -> ConfigSeen {
        ConfigSeen {
            path: "/c".into(),
            text: text.into(),
            open_to,
            endpoint: Some("http://127.0.0.1:9000/".into()),
        }
    }

    #[test]
    fn only_a_remote_with_a_key_of_ours_is_mended_and_only_its_endpoint() {
        let keys = [("c1".to_owned(), "OURS".to_owned())];
        let config = seen(TEXT, OpenTo::NobodyElse);
        let astray = config.astray(&keys);
        assert_eq!(astray.len(), 1);
        let mended = mended_endpoint(TEXT, &astray, "http://127.0.0.1:9000");
        let expected = TEXT.replace("https://fly.storage.tigris.dev", "http://127.0.0.1:9000");
        assert_eq!(mended, expected);
        assert!(seen(&mended, OpenTo::NobodyElse).astray(&keys).is_empty());
    }

    #[test]
    fn a_secret_that_others_may_read_is_seen() {
        let open = OpenTo::Others { mode: 0o644 };
        assert!(seen(TEXT, open).shows_secrets());
        assert!(!seen(TEXT, OpenTo::NobodyElse).shows_secrets());
        assert!(!seen("[mine]\nsecret_access_key = x\n", open).shows_secrets());
    }
}

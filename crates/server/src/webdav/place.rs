//! Which object an address means.

use percent_encoding::percent_decode_str;

use super::project::folder_of;
use crate::proxy::{PathFault, check_path};

/// Where notes are, at our address and at the one below the proxy's that older clients use.
const ROOTS: [&str; 2] = ["/webdav/", "/proxy/webdav/"];
/// S3's limit for a key, in bytes.
const MAX_KEY_BYTES: usize = 1024;

/// Why an address means nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlaceFault {
    #[error("The address cannot be a note's: {0}.")]
    Path(#[from] PathFault),
    #[error("The address is too long.")]
    TooLong,
    #[error("There is no project of that name.")]
    NoProject,
}

/// What an address means: a project or folder, or a note in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The project's folder in the bucket.
    pub(crate) folder: String,
    /// Below the project; empty for the project itself, without a slash at its end.
    pub(crate) path: String,
    /// How the caller wrote the project's own address, without a slash at its end.
    pub(crate) href: String,
}

impl Place {
    /// Reads the path of a request as it was sent.
    pub(crate) fn parse(raw: &str) -> Result<Self, PlaceFault> {
        let root = ROOTS.into_iter().find(|root| raw.starts_with(root));
        let root = root.ok_or(PlaceFault::NoProject)?;
        let below = &raw[root.len()..];
        check_path(&raw[root.len() - 1..])?;
        let (project, path) = below.split_once('/').unwrap_or((below, ""));
        let name = decoded(project)?;
        let path = decoded(path.trim_end_matches('/'))?;
        let folder = folder_of(&name).ok_or(PlaceFault::NoProject)?;
        if folder.len() + 1 + path.len() > MAX_KEY_BYTES {
            return Err(PlaceFault::TooLong);
        }
        Ok(Self {
            folder,
            path,
            href: format!("{root}{project}"),
        })
    }

    /// The object's key; for a project or folder, that of nothing.
    pub(crate) fn key(&self) -> String {
        match self.path.as_str() {
            "" => self.folder.clone(),
            path => format!("{}/{path}", self.folder),
        }
    }

    /// What the keys of everything below start with.
    pub(crate) fn prefix(&self) -> String {
        format!("{}/", self.key())
    }
}

fn decoded(text: &str) -> Result<String, PlaceFault> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| PlaceFault::Path(PathFault::NotText))?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(raw: &str) -> Result<String, PlaceFault> {
        Place::parse(raw).map(|place| place.key())
    }

    #[test]
    fn an_address_means_one_object_in_the_projects_folder() {
        for (raw, expected) in [
            ("/webdav/main/a.md", "main/a.md"),
            ("/proxy/webdav/main/notes/a.md", "main/notes/a.md"),
            ("/webdav/My%20Project/a%20b%23%3F.md", "my-project/a b#?.md"),
            ("/webdav/main/%C3%A4.md", "main/ä.md"),
            ("/webdav/main/100%25.md", "main/100%.md"),
            ("/webdav/main", "main"),
            ("/webdav/main/", "main"),
            ("/webdav/main/folder/", "main/folder"),
        ] {
            assert_eq!(key(raw).as_deref(), Ok(expected), "{raw}");
        }
        let project = Place::parse("/proxy/webdav/My%20Project/a/b.md").unwrap();
        assert_eq!(project.href, "/proxy/webdav/My%20Project");
        assert_eq!(project.prefix(), "my-project/a/b.md/");
    }

    #[test]
    fn no_address_leads_out_of_its_project() {
        for raw in [
            "/webdav/main/../other/a.md",
            "/webdav/main/%2e%2e/other/a.md",
            "/webdav/main/%252e%252e/other/a.md",
            "/webdav/main/a%2fb",
            "/webdav/main/a%5cb",
            "/webdav/main//a",
            "/webdav//a",
            "/webdav/%2e%2e/a",
            "/webdav/main/a%00",
            "/webdav/a%2fb/c",
        ] {
            assert!(matches!(key(raw), Err(PlaceFault::Path(_))), "{raw}");
        }
        assert_eq!(key("/webdav/%21/a"), Err(PlaceFault::NoProject));
        assert_eq!(key("/elsewhere/main/a"), Err(PlaceFault::NoProject));
        let long = format!("/webdav/main/{}", "a".repeat(1020));
        assert_eq!(key(&long), Err(PlaceFault::TooLong));
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_stays_below_its_folder(raw in "/webdav/[ -~]{0,24}") {
            if let Ok(place) = Place::parse(&raw) {
                prop_assert!(!place.folder.contains('/') && !place.folder.is_empty());
                let key = place.key();
                let below = format!("{}/", place.folder);
                prop_assert!(key == place.folder || key.starts_with(&below));
                for segment in key.split('/') {
                    prop_assert!(!matches!(segment, "" | "." | ".."), "{}", key);
                }
            }
        }
    }
}

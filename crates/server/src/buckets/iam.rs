//! The query protocol of AWS IAM, version 2010-05-08, as far as both dialects use it.

use http::Method;
use secrecy::SecretString;
use url::form_urlencoded;

use super::BucketError;
use super::client::{AdminKey, Call, Client, Endpoint, Repeat, Repeats};
use super::xml::Element;
use crate::clock::{Clock, parse_rfc3339};

const VERSION: &str = "2010-05-08";
/// A listing that does not end after this many pages has lost its place.
const MAX_PAGES: usize = 1000;

pub(super) struct Iam {
    client: Client,
}

/// A key pair as the service hands it out, this once.
pub(super) struct MadeKey {
    pub(super) access_key: String,
    pub(super) secret: SecretString,
}

/// An access key as listings show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListedKey {
    pub(super) access_key: String,
    /// Unix milliseconds.
    pub(super) created_at: Option<i64>,
}

impl Iam {
    pub(super) fn new(
        endpoint: Endpoint,
        key: AdminKey,
        clock: Clock,
        repeats: Repeats,
    ) -> Result<Self, reqwest::Error> {
        let client = Client::new(endpoint, "iam", key, clock, repeats)?;
        Ok(Self { client })
    }

    /// Calls an action that may be repeated, and gives its result.
    pub(super) async fn call(
        &self,
        action: &'static str,
        fields: &[(&str, &str)],
    ) -> Result<Element, BucketError> {
        self.call_once_or_more(action, fields, Repeat::Always).await
    }

    /// Calls an action on something that may be gone already, which is as good.
    pub(super) async fn call_on_what_may_be_gone(
        &self,
        action: &'static str,
        fields: &[(&str, &str)],
    ) -> Result<(), BucketError> {
        match self.call(action, fields).await {
            Ok(_) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes an access key for `user`, or for nobody where the service has no users.
    pub(super) async fn create_access_key(
        &self,
        user: Option<&str>,
    ) -> Result<MadeKey, BucketError> {
        const ACTION: &str = "CreateAccessKey";
        let fields: Vec<(&str, &str)> = user.map(|user| ("UserName", user)).into_iter().collect();
        let document = self
            .call_once_or_more(ACTION, &fields, Repeat::IfUnheard)
            .await?;
        let part = |name| {
            document
                .text(&["CreateAccessKeyResult", "AccessKey", name])
                .filter(|text| !text.is_empty())
                .ok_or(BucketError::Unreadable { operation: ACTION })
        };
        Ok(MadeKey {
            access_key: part("AccessKeyId")?.to_owned(),
            secret: SecretString::from(part("SecretAccessKey")?),
        })
    }

    pub(super) async fn list_access_keys(
        &self,
        user: Option<&str>,
    ) -> Result<Vec<ListedKey>, BucketError> {
        let fields: Vec<(&str, &str)> = user.map(|user| ("UserName", user)).into_iter().collect();
        self.list(
            "ListAccessKeys",
            &fields,
            &["ListAccessKeysResult", "AccessKeyMetadata"],
            |member| {
                Some(ListedKey {
                    access_key: member.text(&["AccessKeyId"])?.to_owned(),
                    created_at: member.text(&["CreateDate"]).and_then(parse_rfc3339),
                })
            },
        )
        .await
    }

    /// Reads all pages of a listing; `path` leads to the element that holds the members.
    pub(super) async fn list<T>(
        &self,
        action: &'static str,
        fields: &[(&str, &str)],
        path: &[&str; 2],
        read: impl Fn(&Element) -> Option<T>,
    ) -> Result<Vec<T>, BucketError> {
        let unreadable = || BucketError::Unreadable { operation: action };
        let [result, list] = path;
        let mut found = Vec::new();
        let mut marker: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut fields = fields.to_vec();
            fields.extend(marker.as_deref().map(|marker| ("Marker", marker)));
            let document = self.call(action, &fields).await?;
            let page = document.child(result).ok_or_else(unreadable)?;
            for member in page
                .child(list)
                .into_iter()
                .flat_map(|list| list.children("member"))
            {
                found.push(read(member).ok_or_else(unreadable)?);
            }
            if page.text(&["IsTruncated"]) != Some("true") {
                return Ok(found);
            }
            let next = page.text(&["Marker"]).filter(|next| !next.is_empty());
            marker = Some(next.ok_or_else(unreadable)?.to_owned());
        }
        Err(unreadable())
    }

    async fn call_once_or_more(
        &self,
        action: &'static str,
        fields: &[(&str, &str)],
        repeat: Repeat,
    ) -> Result<Element, BucketError> {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", action)
            .append_pair("Version", VERSION)
            .extend_pairs(fields)
            .finish();
        let form = "application/x-www-form-urlencoded; charset=utf-8".to_owned();
        let call = Call {
            operation: action,
            method: Method::POST,
            path_and_query: "/".to_owned(),
            headers: vec![("content-type", form)],
            body: body.into_bytes(),
            repeat,
        };
        let answer = self.client.send(&call).await?;
        Element::parse(&answer.body)
            .filter(|document| document.name().strip_suffix("Response") == Some(action))
            .ok_or(BucketError::Unreadable { operation: action })
    }
}

/// The service says that what the call was about is not there.
pub(super) fn is_absent(error: &BucketError) -> bool {
    has_code(error, &["NoSuchEntity"])
}

/// The service says that what the call was to make is there.
pub(super) fn is_present(error: &BucketError) -> bool {
    has_code(error, &["EntityAlreadyExists"])
}

pub(super) fn has_code(error: &BucketError, codes: &[&str]) -> bool {
    matches!(error, BucketError::Refused { code, .. } if codes.contains(&code.as_str()))
}

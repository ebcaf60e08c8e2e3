use http::Method;

use super::transport::{Outgoing, fault, text_of};
use super::{Bucket, RequestKind};
use crate::error::BucketError;
use crate::listing::{self, UpstreamPage};
use crate::object::Object;

const LARGEST_PAGE: usize = 64 * 1024 * 1024;
const EMPTY_PAGES: usize = 100;

impl Bucket {
    /// Lists the whole bucket, in key order. A listing that is cut short, repeated or out of order is an error, never a
    /// shorter list: what is missing here would be taken for deleted.
    ///
    /// # Errors
    /// [`BucketError::Malformed`] for a broken page chain, or what the transport reports.
    pub async fn sweep(&self) -> Result<Vec<Object>, BucketError> {
        let mut chain = PageChain::new(self.name());
        loop {
            let token = chain.token.clone();
            let mut query = vec![];
            if let Some(token) = &token {
                query.push(("continuation-token", token.as_str()));
            }
            query.extend([
                ("encoding-type", "url"),
                ("list-type", "2"),
                ("max-keys", "1000"),
            ]);
            let mut outgoing = Outgoing::new(RequestKind::List, Method::GET, None);
            outgoing.query = &query;
            let response = self.exchange(outgoing).await?;
            if !response.status().is_success() {
                return Err(fault(response, "", self.name()).await);
            }
            let text = text_of(response, LARGEST_PAGE).await?;
            if chain.add(listing::parse_page(&text)?)? == Chain::Complete {
                return Ok(chain.objects);
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Chain {
    Continues,
    Complete,
}

struct PageChain {
    bucket: String,
    objects: Vec<Object>,
    token: Option<String>,
    seen: std::collections::HashSet<String>,
    empty: usize,
}

impl PageChain {
    fn new(bucket: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            objects: Vec::new(),
            token: None,
            seen: std::collections::HashSet::new(),
            empty: 0,
        }
    }

    fn add(&mut self, page: UpstreamPage) -> Result<Chain, BucketError> {
        let broken = |reason: &str| BucketError::Malformed {
            reason: format!("the listing {reason}"),
        };
        if page.bucket != self.bucket {
            return Err(broken("is of another bucket"));
        }
        if page
            .key_count
            .is_some_and(|count| count != page.objects.len())
        {
            return Err(broken("does not have the number of keys it says"));
        }
        self.empty = if page.objects.is_empty() {
            self.empty + 1
        } else {
            0
        };
        for object in page.objects {
            if self
                .objects
                .last()
                .is_some_and(|last| last.key >= object.key)
            {
                return Err(broken("repeats keys or has them out of order"));
            }
            self.objects.push(object);
        }
        match (page.is_truncated, page.next_token) {
            (false, None) => Ok(Chain::Complete),
            (false, Some(_)) => Err(broken("ends but names a next page")),
            (true, None) => Err(broken("is cut short without naming a next page")),
            (true, Some(token)) => {
                if self.empty > EMPTY_PAGES || !self.seen.insert(token.clone()) {
                    return Err(broken("turns in circles"));
                }
                self.token = Some(token);
                Ok(Chain::Continues)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(keys: &[&str], next: Option<&str>) -> UpstreamPage {
        UpstreamPage {
            bucket: "b".into(),
            key_count: Some(keys.len()),
            is_truncated: next.is_some(),
            next_token: next.map(str::to_owned),
            objects: keys
                .iter()
                .map(|key| Object {
                    key: (*key).into(),
                    size: 1,
                    etag: "e".into(),
                    last_modified_ms: 0,
                    mtime_ms: None,
                })
                .collect(),
        }
    }

    fn verdict(pages: Vec<UpstreamPage>) -> Result<Vec<String>, String> {
        let mut chain = PageChain::new("b");
        for page in pages {
            let verdict = chain.add(page).map_err(|error| error.to_string())?;
            if verdict == Chain::Complete {
                return Ok(chain.objects.into_iter().map(|object| object.key).collect());
            }
        }
        Err("unfinished".into())
    }

    #[test]
    fn a_whole_chain_is_joined() {
        let pages = vec![
            page(&["a", "b"], Some("1")),
            page(&[], Some("2")),
            page(&["c"], None),
        ];
        assert_eq!(verdict(pages), Ok(vec!["a".into(), "b".into(), "c".into()]));
    }

    #[test]
    fn broken_chains_are_refused() {
        let cut = UpstreamPage {
            is_truncated: true,
            ..page(&["a"], None)
        };
        let overlong = UpstreamPage {
            is_truncated: false,
            ..page(&["a"], Some("1"))
        };
        let foreign = UpstreamPage {
            bucket: "c".into(),
            ..page(&["a"], None)
        };
        let short = UpstreamPage {
            key_count: Some(2),
            ..page(&["a"], None)
        };
        let cases = [
            vec![cut],
            vec![overlong],
            vec![foreign],
            vec![short],
            vec![page(&["a"], Some("1")), page(&["b"], Some("1"))],
            vec![page(&["a", "b"], Some("1")), page(&["b", "c"], None)],
            vec![page(&["b", "a"], None)],
        ];
        for pages in cases {
            let outcome = verdict(pages);
            let error = outcome.expect_err("a broken chain was accepted");
            assert!(error.contains("the listing"), "{error}");
        }
    }

    #[test]
    fn endless_empty_pages_are_refused() {
        let pages = (0..200).map(|n| page(&[], Some(&n.to_string()))).collect();
        assert!(verdict(pages).unwrap_err().contains("circles"));
    }
}

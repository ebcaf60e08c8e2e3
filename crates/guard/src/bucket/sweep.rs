use std::collections::{BTreeMap, BTreeSet, HashSet};

use http::Method;

use super::transport::{Outgoing, fault, text_of};
use super::{Bucket, RequestKind};
use crate::error::BucketError;
use crate::listing::{self, UpstreamPage};
use crate::object::Object;

const LARGEST_PAGE: usize = 64 * 1024 * 1024;
const EMPTY_PAGES: usize = 100;
/// More keys than this listed twice are no slip of the store.
const REPEATS: usize = 100;

impl Bucket {
    /// Lists the whole bucket, in key order. A listing that is cut short or turns in circles is an error,
    /// never a shorter list: what is missing here would be taken for deleted.
    ///
    /// Not every store lists in key order: `SeaweedFS` 4.48 without versions lists `a/x` before `a.md`. A
    /// key that is named twice is asked for by itself.
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
                return self.settle(chain).await;
            }
        }
    }

    /// Asks for the keys that were named more than once.
    async fn settle(&self, chain: PageChain) -> Result<Vec<Object>, BucketError> {
        let mut objects = chain.objects;
        for key in chain.repeated {
            match self.head(&key).await? {
                Some(object) => objects.insert(key, object),
                None => objects.remove(&key),
            };
        }
        Ok(objects.into_values().collect())
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Chain {
    Continues,
    Complete,
}

struct PageChain {
    bucket: String,
    objects: BTreeMap<String, Object>,
    repeated: BTreeSet<String>,
    token: Option<String>,
    seen: HashSet<String>,
    empty: usize,
}

impl PageChain {
    fn new(bucket: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            objects: BTreeMap::new(),
            repeated: BTreeSet::new(),
            token: None,
            seen: HashSet::new(),
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
            let key = object.key.clone();
            if self.objects.insert(key.clone(), object).is_some() {
                self.repeated.insert(key);
            }
        }
        if self.repeated.len() > REPEATS {
            return Err(broken("repeats its keys"));
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
            folders: Vec::new(),
        }
    }

    fn verdict(pages: Vec<UpstreamPage>) -> Result<Vec<String>, String> {
        let mut chain = PageChain::new("b");
        for page in pages {
            let verdict = chain.add(page).map_err(|error| error.to_string())?;
            if verdict == Chain::Complete {
                assert!(chain.repeated.is_empty(), "{:?}", chain.repeated);
                return Ok(chain.objects.into_keys().collect());
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
        ];
        for pages in cases {
            let outcome = verdict(pages);
            let error = outcome.expect_err("a broken chain was accepted");
            assert!(error.contains("the listing"), "{error}");
        }
    }

    #[test]
    fn a_listing_in_another_order_is_put_in_order() {
        let pages = vec![page(&["a/x", "a b"], Some("1")), page(&["a.md", "B"], None)];
        let keys = ["B", "a b", "a.md", "a/x"].map(str::to_owned);
        assert_eq!(verdict(pages), Ok(keys.to_vec()));
    }

    #[test]
    fn repeated_keys_are_remembered_and_refused_when_there_are_many() {
        let mut chain = PageChain::new("b");
        chain.add(page(&["a", "b"], Some("1"))).unwrap();
        let end = chain.add(page(&["b", "c"], None)).unwrap();
        assert_eq!(end, Chain::Complete);
        assert_eq!(chain.repeated, BTreeSet::from(["b".to_owned()]));
        assert_eq!(chain.objects.len(), 3);

        let keys: Vec<String> = (0..=REPEATS).map(|n| format!("{n}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let pages = vec![page(&keys, Some("1")), page(&keys, None)];
        assert!(verdict(pages).unwrap_err().contains("repeats its keys"));
    }

    #[test]
    fn endless_empty_pages_are_refused() {
        let pages = (0..200).map(|n| page(&[], Some(&n.to_string()))).collect();
        assert!(verdict(pages).unwrap_err().contains("circles"));
    }
}

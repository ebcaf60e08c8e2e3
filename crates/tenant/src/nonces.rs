use std::collections::{BTreeSet, HashSet};

/// More requests than this inside the window are refused: memory stays bounded.
const MAX_REMEMBERED: usize = 100_000;

/// The nonces of requests that were accepted and could still be replayed.
#[derive(Debug, Default)]
pub struct Nonces {
    seen: HashSet<String>,
    by_end: BTreeSet<(i64, String)>,
}

impl Nonces {
    /// Remembers the nonce of a request that is good until `end`; false if it cannot be new.
    pub(crate) fn remember(&mut self, nonce: &str, end: i64, now_s: i64) -> bool {
        self.forget_before(now_s);
        if self.seen.len() >= MAX_REMEMBERED || !self.seen.insert(nonce.to_owned()) {
            return false;
        }
        self.by_end.insert((end, nonce.to_owned()));
        true
    }

    fn forget_before(&mut self, now_s: i64) {
        while self.by_end.first().is_some_and(|(end, _)| *end < now_s) {
            if let Some((_, nonce)) = self.by_end.pop_first() {
                self.seen.remove(&nonce);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_remembered_for_as_long_as_its_signature_is_good() {
        let mut nonces = Nonces::default();
        assert!(nonces.remember("a", 160, 100));
        assert!(!nonces.remember("a", 160, 160));
        assert!(nonces.remember("a", 260, 161));
        assert_eq!(nonces.seen.len(), 1);
    }
}

//! People of the development provider: an e-mail address is a person.

use sha2::{Digest, Sha256};

/// Brings an address to its one form, or refuses what cannot be one.
pub(super) fn normalize_email(text: &str) -> Option<String> {
    let email = text.trim().to_lowercase();
    let (local, domain) = email.split_once('@')?;
    let plain = |part: &str| {
        !part.is_empty()
            && !part.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@')
    };
    (email.len() <= 254 && plain(local) && plain(domain)).then_some(email)
}

/// The subject of a normalized address; scripts compute it too.
pub(super) fn subject(email: &str) -> String {
    let digest = hex::encode(Sha256::digest(email.as_bytes()));
    format!("user_{}", &digest[..26])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_per_address_however_it_is_written() {
        assert_eq!(
            normalize_email(" Ana@Example.org "),
            Some("ana@example.org".to_owned())
        );
        assert_eq!(subject("ana@example.org").len(), "user_".len() + 26);
        for wrong in [
            "",
            "ana",
            "@example.org",
            "ana@",
            "a@b@c",
            "a na@b",
            "a@b\n.c",
        ] {
            assert_eq!(normalize_email(wrong), None, "{wrong:?}");
        }
    }
}

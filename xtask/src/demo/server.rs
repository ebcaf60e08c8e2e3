use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::child::{self, Companion, Input};
use crate::http;
use crate::repo::Repo;

const SOON: Duration = Duration::from_secs(60);

/// The embedded server, with sign-in provider, object store and state of its own.
pub(crate) struct Server {
    url: String,
    // Ends when this is dropped.
    _process: Companion,
}

/// Keys for the demo user's bucket, as any client gets them.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) bucket: String,
    pub(crate) endpoint: String,
    access_key: String,
    secret_key: String,
}

impl Server {
    /// Starts it with more flags on its command line.
    pub(crate) fn start(repo: &Repo, state: &Path, log: &Path, flags: &[&str]) -> Result<Self> {
        std::fs::create_dir_all(state)?;
        let mut command = child::tied(repo.binary("bm-server"));
        command
            .args(["dev", "--port", "0", "--s3-port", "0", "--state"])
            .arg(state)
            .args(flags);
        let process = Companion::start("bm-server", &mut command, Input::Nothing, log)?;
        let line = process.line(SOON)?;
        let ready: Value = serde_json::from_str(&line)
            .with_context(|| format!("bm-server should print one JSON line, not: {line}"))?;
        let url = text(&ready, "url")?;
        Ok(Self {
            url,
            _process: process,
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Confirms a sign-in code, as the person at the browser does.
    pub(crate) fn approve(&self, code: &str, email: &str) -> Result<()> {
        let body = json!({ "user_code": code, "email": email });
        http::post_json(&format!("{}/idp/dev/approve", self.url), &[], &body)?
            .accepted()
            .map(drop)
            .context("the sign-in was not approved")
    }

    /// Gives a person a subscription for the next 30 days.
    pub(crate) fn subscribe(&self, email: &str) -> Result<String> {
        let query = format!("{}/idp/dev/user?email={}", self.url, http::escape(email));
        let user = text(&http::get(&query)?.accepted()?, "id")?;
        let end = in_days(30)?;
        let body = json!({
            "workos_user_id": user, "status": "active", "current_period_end": end,
        });
        http::post_json(&format!("{}/dev/subscriptions", self.url), &[], &body)?.accepted()?;
        Ok(end)
    }

    /// Signs in on our own account and asks for keys to the bucket.
    pub(crate) fn credentials(&self, email: &str, work: &Path) -> Result<Credentials> {
        let bearer = format!("Bearer {}", self.token(email, work)?);
        let post = |path: &str| {
            let url = format!("{}{path}", self.url);
            http::post_json(&url, &[("authorization", &bearer)], &Value::Null)?.accepted()
        };
        child::wait_for("the bucket", SOON, || {
            Ok((post("/tenants/setup")?["status"] == "ready").then_some(()))
        })?;
        let keys = post("/tenant/mount/credentials")?;
        Ok(Credentials {
            bucket: text(&keys, "bucket_name")?,
            endpoint: text(&keys, "endpoint_url")?,
            access_key: text(&keys, "access_key")?,
            secret_key: text(&keys, "secret_key")?,
        })
    }

    /// Signs in as this person, on an account of the demonstration's own.
    pub(crate) fn token(&self, email: &str, work: &Path) -> Result<String> {
        let about = http::get(&format!("{}/.well-known/basic-memory-cloud", self.url))?;
        let about = about.accepted()?;
        let client = text(&about, "client_id")?;
        let verifier = "a-demo-verifier-is-long-enough-to-be-taken-0123456789";
        let challenge = base64url(&sha256(verifier.as_bytes(), work)?);
        let asked = http::post_form(
            &text(&about, "device_authorization_endpoint")?,
            &[
                ("client_id", &client),
                ("scope", "openid profile email offline_access"),
                ("code_challenge", &challenge),
                ("code_challenge_method", "S256"),
            ],
        )?
        .accepted()?;
        self.approve(&text(&asked, "user_code")?, email)?;
        let tokens = http::post_form(
            &text(&about, "token_endpoint")?,
            &[
                ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
                ("client_id", &client),
                ("device_code", &text(&asked, "device_code")?),
                ("code_verifier", verifier),
            ],
        )?;
        text(&tokens.accepted()?, "access_token")
    }
}

impl Credentials {
    /// An rclone configuration with these keys as the remote `cloud`, reached at `endpoint`.
    pub(crate) fn rclone_config(&self, endpoint: &str) -> String {
        [
            "[cloud]".to_owned(),
            "type = s3".to_owned(),
            "provider = Other".to_owned(),
            format!("endpoint = {endpoint}"),
            "region = us-east-1".to_owned(),
            "force_path_style = true".to_owned(),
            "no_check_bucket = true".to_owned(),
            format!("access_key_id = {}", self.access_key),
            format!("secret_access_key = {}", self.secret_key),
            String::new(),
        ]
        .join("\n")
    }
}

fn text(value: &Value, name: &str) -> Result<String> {
    value[name]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("no `{name}` in {value}"))
}

fn sha256(bytes: &[u8], work: &Path) -> Result<Vec<u8>> {
    let file = work.join("verifier");
    std::fs::write(&file, bytes)?;
    let output = Command::new("sha256sum").arg(&file).output()?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let digits = printed.get(..64).context("sha256sum printed no digest")?;
    (0..64)
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).context("sha256sum printed no hex"))
        .collect()
}

fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0u32, |sum, byte| (sum << 8) | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let index = (group >> (18 - 6 * place)) & 63;
            text.push(char::from(LETTERS[index as usize]));
        }
    }
    text
}

/// The moment so many days from now, as RFC 3339.
fn in_days(days: u64) -> Result<String> {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)?
        .as_secs();
    let day = i64::try_from(since / 86_400 + days)?;
    let (year, month, day) = civil(day);
    if !(1970..10_000).contains(&year) {
        bail!("the clock says it is the year {year}");
    }
    Ok(format!("{year:04}-{month:02}-{day:02}T00:00:00Z"))
}

/// Days since 1970 to a date of the Gregorian calendar, counted from March of year 0.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_dates_at_the_edges_of_years() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_453), (2025, 12, 31));
        assert_eq!(civil(20_454), (2026, 1, 1));
    }

    #[test]
    fn makes_the_challenge_of_rfc_7636() {
        let folder = std::env::temp_dir().join(format!("xtask-pkce-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let digest = sha256(b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", &folder).unwrap();
        assert_eq!(
            base64url(&digest),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

use std::io::Write;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::settings::{Database, DeploymentMode, Storage};
use super::*;
use crate::instances::LocalRun;
use crate::polar::Products;
use crate::proxy::ProxySettings;
use crate::retention::VersionRule;

const COMPLETE: &str = r#"
public_url = "https://cloud.example.org/"
[database]
kind = "postgres"
url = "postgres://bm:hunter2@db.example.org/bm"
[storage]
kind = "tigris"
endpoint_url = "https://t3.storage.dev"
iam_url = "https://iam.storage.dev"
access_key = "tid_1"
secret_key = "tsec_1"
[sign_in]
issuer = "https://example.authkit.app"
client_id = "client_1"
device_authorization_endpoint = "https://example.authkit.app/oauth2/device_authorization"
token_endpoint = "https://example.authkit.app/oauth2/token"
[[sign_in.issuers]]
kind = "connect"
names = ["https://example.authkit.app"]
keys_url = "https://example.authkit.app/oauth2/jwks"
audiences = ["client_1"]
[[sign_in.issuers]]
kind = "user_management"
names = ["https://api.workos.com"]
keys_url = "https://api.workos.com/sso/jwks/client_1"
client_ids = ["client_1"]
[polar]
webhook_secret = "polar_whs_1234567890abcdef"
[signing]
current = "k1"
[signing.keys]
k1 = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
"#;

fn layers(file: &str, environment: &[(&str, &str)]) -> Layers {
    let mut written = tempfile::NamedTempFile::new().unwrap();
    written.write_all(file.as_bytes()).unwrap();
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Layers::read(Some(written.path()), environment).unwrap()
}

fn keys_of_problems(layers: &Layers) -> Vec<String> {
    let problems = layers.settings().err().unwrap_or_default();
    assert!(problems.iter().all(|problem| !problem.remedy.is_empty()));
    problems.into_iter().map(|problem| problem.key).collect()
}

#[test]
fn a_complete_file_is_taken_with_the_defaults_beneath_it() {
    let settings = layers(COMPLETE, &[]).settings().unwrap();
    assert_eq!(settings.mode, DeploymentMode::Production);
    assert_eq!(settings.public_url, "https://cloud.example.org");
    assert_eq!(settings.listen.hosts, ["cloud.example.org"]);
    assert_eq!(settings.listen.bounds.max_connections, 8192);
    assert!(matches!(
        settings.database,
        Database::Postgres {
            max_connections: 16,
            ..
        }
    ));
    assert!(matches!(settings.storage, Storage::Tigris(..)));
    assert_eq!(settings.issuers.len(), 2);
    assert!(settings.signing_keys.is_some());
    assert_eq!(settings.metrics, None);
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn the_environment_lies_over_the_file() {
    let found = layers(
        COMPLETE,
        &[
            ("BM_SERVER__LISTEN__MAX_CONNECTIONS", "7"),
            ("BM_SERVER__LISTEN__HOSTS", "a.example, b.example"),
            ("BM_SERVER__LOG__FORMAT", ""),
            ("OTHER__LISTEN__ADDRESS", "nonsense"),
        ],
    );
    let listen = found.settings().unwrap().listen;
    assert_eq!(listen.bounds.max_connections, 7);
    assert_eq!(
        listen.hosts,
        ["a.example", "b.example", "cloud.example.org"]
    );
}

#[test]
fn old_versions_go_after_a_while_or_never() {
    let rule = |days: &str| {
        let days = [("BM_SERVER__STORAGE__OLD_VERSIONS_DAYS", days)];
        layers(COMPLETE, &days).settings().unwrap().old_versions
    };
    assert_eq!(rule(""), VersionRule::default());
    assert_eq!(rule("0").kept_for, None);
    assert_eq!(rule("1").kept_for, Some(Duration::from_secs(86_400)));
}

#[test]
fn nothing_set_names_everything_needed_at_once() {
    let nothing = Layers::read(None, []).unwrap();
    assert_eq!(
        keys_of_problems(&nothing),
        [
            "public_url",
            "storage.endpoint_url",
            "sign_in.issuer",
            "sign_in.device_authorization_endpoint",
            "sign_in.token_endpoint",
            "sign_in.client_id",
            "sign_in.issuers",
            "state.folder",
            "signing.current",
        ]
    );
}

#[test]
fn every_wrong_setting_is_named_with_the_way_out() {
    let found = layers(
        &COMPLETE.replace("current = \"k1\"", "current = \"k2\""),
        &[
            ("BM_SERVER__LISTEN__MAX_CONNECTIONS", "many"),
            ("BM_SERVER__LISTEN__MAX_STREAMS", "0"),
            ("BM_SERVER__LISTEN__TRUSTED_PROXIES", "10.0.0.0/8,everyone"),
            ("BM_SERVER__DATABASE__KIND", "oracle"),
            ("BM_SERVER__POLAR__WEBHOOK_SECRET_FILE", "/nowhere/secret"),
            ("BM_SERVER__LOG__LEVEL", "server=loud"),
            ("BM_SERVER__METRICS__ADRESS", "127.0.0.1:1"),
        ],
    );
    assert_eq!(
        keys_of_problems(&found),
        [
            "listen.max_connections",
            "listen.max_streams",
            "listen.trusted_proxies",
            "database.kind",
            "polar.webhook_secret",
            "signing",
            "log.level",
            "metrics.adress",
        ]
    );
}

#[test]
fn a_secret_is_read_from_its_file() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "postgres://other@db/bm").unwrap();
    let name = file.path().to_str().unwrap();
    let without = COMPLETE.replace("url = \"postgres:", "# url = \"postgres:");
    let found = layers(&without, &[("BM_SERVER__DATABASE__URL_FILE", name)]);
    let Database::Postgres { url, .. } = found.settings().unwrap().database else {
        panic!("PostgreSQL was asked for");
    };
    assert_eq!(url.expose_secret(), "postgres://other@db/bm");
}

#[test]
fn several_webhook_secrets_are_taken_while_one_is_changed() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "whsec_MTIzNDU2Nzg5MGFiY2RlZg==").unwrap();
    let name = file.path().to_str().unwrap();
    let next = ("BM_SERVER__POLAR__WEBHOOK_SECRETS__NEXT_FILE", name);
    let third = "BM_SERVER__POLAR__WEBHOOK_SECRETS__THIRD";
    let found = layers(COMPLETE, &[next, (third, "polar_whs_fedcba0987654321")]);
    let secrets = found.settings().unwrap().polar.webhook_secrets;
    let secrets: Vec<&str> = secrets.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(
        secrets,
        [
            "polar_whs_1234567890abcdef",
            "whsec_MTIzNDU2Nzg5MGFiY2RlZg==",
            "polar_whs_fedcba0987654321",
        ]
    );
    assert!(!print(&found).contains("fedcba"));
    let short = layers(COMPLETE, &[next, (third, "whsec_0123456789")]);
    assert_eq!(keys_of_problems(&short), ["polar.webhook_secrets.third"]);
    let short = COMPLETE.replace("polar_whs_1234567890abcdef", "polar_whs");
    assert_eq!(
        keys_of_problems(&layers(&short, &[])),
        ["polar.webhook_secret"]
    );
}

#[test]
fn products_are_named_by_their_ids_or_all_of_them_open() {
    const PAID: &str = "c3f9a1de-0a67-4a0e-9a52-2f3c4a5b6c7d";
    const TEAM: &str = "5b1f7c80-9d5e-4a0c-8a55-0d7e6f1a2b3c";
    let none = layers(COMPLETE, &[]);
    assert!(
        print(&none).contains("polar.products = []  # default: every product opens an account")
    );
    let doubts = none.settings().unwrap().doubts();
    assert_eq!(doubts.len(), 1);
    assert_eq!(doubts[0].key, "polar.products");
    let unused = COMPLETE.replace("webhook_secret = \"polar", "# webhook_secret = \"polar");
    assert_eq!(layers(&unused, &[]).settings().unwrap().doubts(), []);

    let of = |products: &str| layers(COMPLETE, &[("BM_SERVER__POLAR__PRODUCTS", products)]);
    let two = of(&format!("{PAID}, {TEAM}"));
    let settings = two.settings().unwrap();
    assert_eq!(settings.polar.products, Products::of([TEAM, PAID]).unwrap());
    assert_eq!(settings.doubts(), []);
    assert!(!print(&two).contains("every product"));
    for wrong in [" ", ",", "Basic Memory Cloud", "prod_1"] {
        assert_eq!(
            keys_of_problems(&of(wrong)),
            ["polar.products"],
            "{wrong:?}"
        );
    }
    let empty = COMPLETE.replace("[polar]", "[polar]\nproducts = [\"\"]");
    assert_eq!(keys_of_problems(&layers(&empty, &[])), ["polar.products"]);
}

#[test]
fn the_proxys_bounds_are_those_of_its_section() {
    let defaults = layers(COMPLETE, &[]).settings().unwrap().proxy;
    assert_eq!(defaults, ProxySettings::default());
    let changed = layers(
        COMPLETE,
        &[
            ("BM_SERVER__PROXY__ANSWER_S", "5"),
            ("BM_SERVER__PROXY__MAX_REQUEST_MIB", "2"),
        ],
    );
    let expected = ProxySettings {
        answer: std::time::Duration::from_secs(5),
        max_request_bytes: 2 << 20,
        ..ProxySettings::default()
    };
    assert_eq!(changed.settings().unwrap().proxy, expected);
    let wrong = layers(COMPLETE, &[("BM_SERVER__PROXY__CONNECT_S", "0")]);
    assert_eq!(keys_of_problems(&wrong), ["proxy.connect_s"]);
}

#[test]
fn the_built_in_sign_in_is_refused_next_to_a_configuration() {
    let dev = COMPLETE.replace(
        "\"client_1\"\ndevice",
        "\"client_basic_memory_dev\"\ndevice",
    );
    assert_eq!(keys_of_problems(&layers(&dev, &[])), ["sign_in.client_id"]);
}

#[test]
fn keys_come_over_tls_and_development_stays_on_its_machine() {
    let local = COMPLETE.replace(
        "https://example.authkit.app/oauth2/jwks",
        "http://127.0.0.1:1/jwks",
    );
    let key = "sign_in.issuers.0.keys_url";
    assert_eq!(keys_of_problems(&layers(&local, &[])), [key]);
    let development = [("BM_SERVER__MODE", "development")];
    assert!(layers(&local, &development).settings().is_ok());
    let open = [development[0], ("BM_SERVER__LISTEN__ADDRESS", "0.0.0.0:80")];
    assert_eq!(keys_of_problems(&layers(&local, &open)), ["listen.address"]);
    let far = local.replace("127.0.0.1", "10.0.0.1");
    assert_eq!(keys_of_problems(&layers(&far, &development)), [key]);
}

#[test]
fn the_print_shows_where_each_value_comes_from_and_no_secret() {
    let found = layers(COMPLETE, &[("BM_SERVER__LOG__LEVEL", "debug")]);
    let text = print(&found);
    for line in [
        "database.url = \"********\"  # file",
        "log.level = \"debug\"  # environment",
        "listen.max_streams = 100  # default",
        "signing.keys.k1 = \"********\"  # file",
        "sign_in.issuers.0.names = [\"https://example.authkit.app\"]  # file",
        "sign_in.token_endpoint = \"https://example.authkit.app/oauth2/token\"  # file",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line}\nin\n{text}"
        );
    }
    for secret in ["hunter2", "tsec_1", "polar_whs_1", "000102"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

/// Whoever uncomments a line of the defaults has a setting that is known.
#[test]
fn every_setting_named_in_the_defaults_is_known() {
    let named: String = DEFAULTS
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest)
                if rest.starts_with('[')
                    || rest.split_once(" = ").is_some_and(|(name, _)| {
                        name.chars()
                            .all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
                    }) =>
            {
                format!("{rest}\n")
            }
            Some(_) | None => format!("{line}\n"),
        })
        .collect();
    let found = layers(&named, &[]);
    assert!(
        found
            .0
            .keys()
            .any(|key| key == "sign_in.issuers.0.leeway_s")
    );
    let unknown: Vec<Problem> = found
        .settings()
        .err()
        .unwrap_or_default()
        .into_iter()
        .filter(|problem| problem.what == "there is no such setting")
        .collect();
    assert_eq!(unknown, []);
}

#[test]
fn instances_run_where_their_section_says() {
    let with = |more: &str| layers(&format!("{COMPLETE}{more}"), &[]);
    let source = |more: &str| with(more).settings().unwrap().instances.source;
    assert!(matches!(source(""), InstanceSource::None));
    let fixed = "[instances]\nkind = \"fixed\"\naddress = \"http://127.0.0.1:1\"\n";
    assert!(matches!(source(fixed), InstanceSource::Fixed(_)));

    let local = "[instances]\nkind = \"local\"\n[instances.local]\nidle_s = 0\n";
    assert_eq!(keys_of_problems(&with(local)), ["state.folder"]);
    let local = format!("[state]\nfolder = \"/tmp/x\"\n{local}");
    let InstanceSource::Local(local) = source(&local) else {
        panic!("local was asked for");
    };
    assert_eq!((local.run.idle, local.run.memory_bytes), (None, 2048 << 20));

    let fly = "[instances]\nkind = \"fly\"\n";
    let needed = [
        "instances.fly.organization",
        "instances.fly.image",
        "instances.fly.token",
        "instances.fly.regions",
    ];
    assert_eq!(keys_of_problems(&with(fly)), needed);
    let fly = format!(
        "{fly}[instances.fly]\norganization = \"acme\"\nimage = \"i:1\"\n\
         token = \"FlyV1 t0ps3cret\"\nregions = [\"iad\"]\n"
    );
    let found = with(&fly);
    let settings = found.settings().unwrap();
    assert!(matches!(settings.instances.source, InstanceSource::Fly(_)));
    assert!(!print(&found).contains("t0ps3cret"));
    assert!(!format!("{settings:?}").contains("t0ps3cret"));
    let prefix = fly.replace("organization", "app_prefix = \"BM_\"\norganization");
    let wrong = keys_of_problems(&with(&prefix));
    assert_eq!(wrong, ["instances.fly.app_prefix"]);
}

#[test]
fn under_systemd_the_server_has_the_time_to_end_its_instances_itself() {
    let unit = include_str!("../../../../deploy/bm-server.service");
    let set = |name: &str| {
        let name = format!("{name}=");
        unit.lines().find_map(|line| line.strip_prefix(&name))
    };
    assert_eq!(set("KillMode"), Some("mixed"));
    let patience: u64 = set("TimeoutStopSec").unwrap().parse().unwrap();
    let listen = layers(COMPLETE, &[]).settings().unwrap().listen;
    let longest = listen.drain_delay
        + listen.bounds.drain_deadline
        + LocalRun::new(std::ffi::OsString::new()).drain;
    assert!(longest < Duration::from_secs(patience), "{longest:?}");
}

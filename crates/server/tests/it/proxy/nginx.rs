//! What nginx passes on, and what we do: the same, but for the differences named here.

use super::instance::{Instance, Seen};
use super::{exchange, host, member_with_instance, status};

/// Names that nginx passes on and we do not, or that either adds for itself.
const NOT_COMPARED: &[&str] = &["authorization", "cookie", "host", "x-request-id"];
const NOT_COMPARED_PREFIXES: &[&str] = &["x-bm-", "x-forwarded-"];

const CONFIG: &str = "
    client_max_body_size 0;
    large_client_header_buffers 4 16k;
    # Dropped by default; we look at what such a name spells.
    underscores_in_headers on;
    server {
        listen 127.0.0.1:{port};
        location / {
            proxy_pass http://INSTANCE;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }
    }";

/// Who passes a request on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passed {
    Both,
    Nobody,
    /// We refuse what nginx passes on, for this reason.
    NginxAlone(&'static str),
}

#[derive(Clone, Debug)]
struct Case {
    method: &'static str,
    target: String,
    version: &'static str,
    headers: Vec<String>,
    body: &'static str,
}

impl Case {
    fn get(target: &str) -> Self {
        Self {
            method: "GET",
            target: target.to_owned(),
            version: "HTTP/1.1",
            headers: Vec::new(),
            body: "",
        }
    }

    fn with(mut self, header: &str) -> Self {
        self.headers.push(header.to_owned());
        self
    }

    fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    fn body(mut self, body: &'static str) -> Self {
        self.body = body;
        self
    }

    fn bytes(&self, token: &str) -> Vec<u8> {
        let headers: String = self
            .headers
            .iter()
            .map(|line| format!("{line}\r\n"))
            .collect();
        format!(
            "{} {} {}\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Connection: close\r\n{headers}\r\n{}",
            self.method, self.target, self.version, self.body
        )
        .into_bytes()
    }
}

fn table() -> Vec<(Case, Passed)> {
    use Passed::{Both, NginxAlone, Nobody};
    let get = Case::get;
    let post = || get("/proxy/a").method("POST");
    vec![
        (get("/proxy/a"), Both),
        (get("/proxy/a/?b=c%2f..&d="), Both),
        (get("/proxy/a?"), Both),
        (get("/proxy/%C3%A4%20b;c=d@:!$&'()*+,"), Both),
        (get("/proxy/...."), Both),
        (get("/proxy/a").method("HEAD"), Both),
        (get("/proxy/a").method("OPTIONS"), Both),
        (get("/proxy/a").method("DELETE"), Both),
        (
            get("/proxy/a")
                .method("PATCH")
                .with("Content-Length: 2")
                .body("{}"),
            Both,
        ),
        (post().with("Content-Length: 3").body("abc"), Both),
        (post().with("Content-Length: 0"), Both),
        (
            post()
                .with("Transfer-Encoding: chunked")
                .body("3\r\nabc\r\n0\r\n\r\n"),
            Both,
        ),
        (
            post()
                .with("Transfer-Encoding: chunked")
                .body("3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n"),
            Both,
        ),
        (
            get("/proxy/a")
                .with("Accept: a")
                .with("Accept: b")
                .with("X-A:  b  "),
            Both,
        ),
        (
            get("/proxy/a")
                .with("TE: trailers")
                .with("Upgrade: websocket"),
            Both,
        ),
        (get("http://localhost/proxy/a"), Both),
        (
            get("/proxy/a\\b"),
            NginxAlone("a backslash is a slash to some"),
        ),
        (get("/proxy/a%5cb"), NginxAlone("an encoded backslash")),
        (get("/proxy/a%2fb"), NginxAlone("an encoded slash")),
        (get("/proxy/a%252fb"), NginxAlone("a slash encoded twice")),
        (
            get("/proxy/a/../b"),
            NginxAlone("nginx passes the raw path on after routing by the other"),
        ),
        (get("/proxy/./b"), NginxAlone("a dot segment")),
        (
            get("/proxy/%2e%2e/proxy/b"),
            NginxAlone("an encoded dot segment"),
        ),
        (
            get("/proxy/%252e%252e/b"),
            NginxAlone("a dot segment encoded twice"),
        ),
        (get("/proxy/a//b"), NginxAlone("an empty segment")),
        (
            get("/proxy/a%0d%0aX:%20b"),
            NginxAlone("an encoded line end"),
        ),
        (get("/proxy/\u{e4}"), NginxAlone("not ASCII")),
        (get("/proxy/%ff"), NginxAlone("escapes that are no text")),
        (
            get("/proxy/a").method("PROPFIND"),
            NginxAlone("a method no client of ours uses"),
        ),
        (get("/proxy/a%00"), Nobody),
        (get("/proxy/a%zz"), Nobody),
        (get("/proxy/a%"), Nobody),
        (get("/proxy/a b"), Nobody),
        (get("/proxy/a").method("TRACE"), Nobody),
        (get("/proxy/a").with("Host: localhost"), Nobody),
        (get("/proxy/a").with("Host: evil"), Nobody),
        (
            post()
                .with("Content-Length: 3")
                .with("Transfer-Encoding: chunked")
                .body("0\r\n\r\n"),
            Nobody,
        ),
        (
            post()
                .with("Content-Length: 3")
                .with("Content-Length: 4")
                .body("abc"),
            Nobody,
        ),
        (post().with("Content-Length: +3").body("abc"), Nobody),
        (post().with("Content-Length: 3x").body("abc"), Nobody),
        (post().with("Transfer-Encoding: gzip").body("abc"), Nobody),
        (
            post()
                .with("Transfer-Encoding: chunked")
                .body("z\r\nabc\r\n0\r\n\r\n"),
            Nobody,
        ),
        (get("/proxy/a").with("X-A : b"), Nobody),
        (
            get("http://evil.example/proxy/a"),
            NginxAlone("another server's address"),
        ),
        (
            post().method("QUERY").with("Content-Length: 2").body("{}"),
            Both,
        ),
        (get("/proxy/a").with("X_Harmless: 1"), Both),
        (
            post().with("Transfer-Encoding: Chunked").body("0\r\n\r\n"),
            Both,
        ),
        (get("/proxy/a").with("X-Latin: \u{e9}"), Both),
        (get("/proxy/?a=\u{7f}"), Nobody),
    ]
}

/// One of each kind of server before instances of their own.
struct Rig {
    ours: (String, Instance),
    nginx: (String, Instance),
    token: String,
    _alive: (crate::support::Server, testkit::Nginx),
}

impl Rig {
    async fn start() -> Self {
        let (ours, theirs) = (Instance::always_ok(), Instance::always_ok());
        let (server, token) = member_with_instance(&ours.address.to_string()).await;
        let config = CONFIG.replace("INSTANCE", &theirs.address.to_string());
        let nginx = testkit::nginx(&config).await;
        Self {
            ours: (host(&server.url).to_owned(), ours),
            nginx: (host(&nginx.url).to_owned(), theirs),
            token,
            _alive: (server, nginx),
        }
    }

    fn ask(&self, case: &Case) -> (Option<Seen>, Option<Seen>, String) {
        let bytes = case.bytes(&self.token);
        let [(ours, mine), (theirs, other)] = [&self.ours, &self.nginx].map(|(host, instance)| {
            let before = instance.seen().len();
            let answer = exchange(host, &bytes);
            let seen = instance.seen();
            assert!(
                seen.len() <= before + 1,
                "{case:?} became two requests: {seen:?}"
            );
            let seen = seen.get(before).cloned();
            if seen.is_none() {
                assert!((400..=501).contains(&status(&answer)), "{case:?}: {answer}");
            }
            (seen, answer)
        });
        (ours, theirs, format!("{mine}\n{other}"))
    }
}

fn compared(seen: &Seen) -> Vec<(String, String)> {
    let mut headers: Vec<_> = seen.headers.clone();
    headers.retain(|(name, _)| {
        !NOT_COMPARED.contains(&name.as_str())
            && !NOT_COMPARED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            // nginx holds bodies and tells their length; we stream them as they come.
            && name != "content-length"
            && name != "transfer-encoding"
    });
    headers.sort();
    headers
}

fn assert_same(case: &Case, ours: &Seen, theirs: &Seen) {
    assert_eq!(
        ours.line.replacen(" /", " /proxy/", 1),
        theirs.line,
        "{case:?}"
    );
    assert_eq!(ours.body, theirs.body, "{case:?}");
    assert_eq!(compared(ours), compared(theirs), "{case:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn we_pass_on_what_nginx_does_but_for_the_differences_named_here() {
    let rig = Rig::start().await;
    tokio::task::block_in_place(|| {
        let mut wrong = Vec::new();
        for (case, expected) in table() {
            let (ours, theirs, answers) = rig.ask(&case);
            let passed = match (&ours, &theirs, expected) {
                (Some(_), Some(_), _) => Passed::Both,
                (None, None, _) => Passed::Nobody,
                (None, Some(_), Passed::NginxAlone(reason)) => Passed::NginxAlone(reason),
                (None, Some(_), _) => Passed::NginxAlone("?"),
                (Some(_), None, _) => panic!("nginx refuses {case:?}\n{answers}"),
            };
            if passed != expected {
                wrong.push(format!("{passed:?} not {expected:?}: {case:?}\n{answers}"));
            } else if let (Some(ours), Some(theirs)) = (&ours, &theirs) {
                assert_same(&case, ours, theirs);
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fragment_which_no_address_has_on_the_wire_is_dropped_where_nginx_passes_it_on() {
    let rig = Rig::start().await;
    let case = Case::get("/proxy/a#b");
    let (ours, theirs, _) = tokio::task::block_in_place(|| rig.ask(&case));
    assert_eq!(ours.unwrap().line, "GET /a HTTP/1.1");
    assert_eq!(theirs.unwrap().line, "GET /proxy/a#b HTTP/1.1");
}

/// A small generator with a fixed seed: the same requests in every run.
struct Dice(u64);

impl Dice {
    fn roll<T: Clone>(&mut self, faces: &[T]) -> T {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let at = usize::try_from(self.0 >> 33).unwrap() % faces.len();
        faces[at].clone()
    }

    fn case(&mut self) -> Case {
        const PIECES: &[&str] = &[
            "a", "b", "c.md", "main", "/", "/", "/", ".", "..", "%20", "%C3%A4", "%2e", "%2F",
            "%5C", "%25~", "%252e", "%00", "%0a", ";", "=", "@", "~", "\\", "+", "%ff",
        ];
        const QUERIES: &[&str] = &["", "", "?", "?a=b", "?a=%2f..%0a", "?a=b?c", "?/../"];
        const HEADERS: &[&str] = &[
            "Accept: */*",
            "Content-Type: text/plain",
            "X-A: b",
            "X-A: c",
            "Connection: X-A",
            "TE: trailers",
            "Keep-Alive: 5",
            "Cookie: a=b",
            "X-Forwarded-For: 1",
        ];
        let count = self.roll(&[0, 1, 2, 3, 4, 5, 6]);
        let path: String = (0..count).map(|_| self.roll(PIECES)).collect();
        let mut case = Case::get(&format!("/proxy/{path}{}", self.roll(QUERIES)));
        for _ in 0..self.roll(&[0, 1, 2, 3]) {
            case = case.with(self.roll(HEADERS));
        }
        match self.roll(&[0, 1, 2, 3]) {
            0 => case.method("POST").with("Content-Length: 5").body("hello"),
            1 => case
                .method("PUT")
                .with("Transfer-Encoding: chunked")
                .body("5\r\nhello\r\n0\r\n\r\n"),
            _ => case,
        }
    }
}

/// Why we refuse a generated request, as said of its address alone and by other means.
fn may_be_refused(target: &str) -> bool {
    let path = target.split('?').next().unwrap();
    let decode = |text: &str| {
        let text = text
            .replace("%2e", ".")
            .replace("%2F", "/")
            .replace("%5C", "\\");
        text.replace("%00", "\0")
            .replace("%0a", "\n")
            .replace("%25", "%")
    };
    let (once, twice) = (decode(path), decode(&decode(path)));
    path.contains("%ff")
        || path["/proxy/".len()..].starts_with('/')
        || [path, &once, &twice].iter().any(|text| {
            text.contains(['\\', '\0', '\n'])
                || text.contains("//")
                || text.matches('/').count() != path.matches('/').count()
                || text.split('/').any(|segment| {
                    let name = segment.split(';').next().unwrap();
                    name == "." || name == ".."
                })
        })
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_requests_arrive_as_nginx_would_send_them_or_not_at_all() {
    let rig = Rig::start().await;
    tokio::task::block_in_place(|| {
        let mut dice = Dice(20_261_122);
        let (mut both, mut refused) = (0, 0);
        for _ in 0..400 {
            let case = dice.case();
            let (ours, theirs, answers) = rig.ask(&case);
            match (ours, theirs) {
                (Some(ours), Some(theirs)) => {
                    both += 1;
                    // nginx keeps what Connection names; we do not.
                    if !case
                        .headers
                        .iter()
                        .any(|line| line.starts_with("Connection"))
                    {
                        assert_same(&case, &ours, &theirs);
                    }
                    assert!(!may_be_refused(&case.target), "{case:?} got through");
                }
                (None, _) => {
                    refused += 1;
                    assert!(may_be_refused(&case.target), "{case:?}\n{answers}");
                }
                (Some(_), None) => panic!("nginx refused {case:?}\n{answers}"),
            }
        }
        assert!(
            both > 100 && refused > 100,
            "{both} passed on, {refused} refused"
        );
    });
}

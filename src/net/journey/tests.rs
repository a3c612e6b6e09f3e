use super::super::proxy::Environment;
use super::*;

const VARIABLES: Environment = Environment(|name| {
    let value = match name {
        "http_proxy" => "http://plain:1",
        "https_proxy" => "https://user:word@secure:2",
        "no_proxy" => "127.0.0.0/8, 192.168.0.0/16, .internal.example",
        _ => return None,
    };
    Some(value.into())
});

fn options() -> ConnectOptions {
    ConnectOptions { environment: Some(VARIABLES), ..ConnectOptions::new() }
}

fn proxy(options: &ConnectOptions, url: &str) -> Option<String> {
    let hop = Journey::new(options, url).unwrap().hop().unwrap();
    hop.way.proxy.map(|(proxy, tls)| {
        assert_eq!(tls.is_some(), proxy.is_secure());
        proxy.to_string()
    })
}

/// With the data of Python's `websocket-client`.
#[test]
fn which_proxy() {
    let given = || options().proxy("http://given:3");
    for (options, url, want) in [
        (options(), "ws://h", Some("http://plain:1")),
        (options(), "wss://h", Some("https://secure:2")),
        (options(), "wss://a.internal.example", None),
        (options(), "ws://127.0.0.1", None),
        (options(), "ws://192.168.1.1", None),
        (options(), "ws://193.168.1.1", Some("http://plain:1")),
        (options().no_proxy(["h"]), "ws://h", None),
        // A list takes the place of that of the environment.
        (options().no_proxy(["h"]), "wss://a.internal.example", Some("https://secure:2")),
        (options().proxy_from_environment(false), "ws://h", None),
        (given(), "ws://h", Some("http://given:3")),
        (given(), "wss://h", Some("http://given:3")),
        (given(), "ws://a.internal.example", None),
        (given().no_proxy([""; 0]), "ws://a.internal.example", Some("http://given:3")),
        (given().proxy_from_environment(false), "ws://a.internal.example", Some("http://given:3")),
        // To a proxy that is given, this host may be another one.
        (given().no_proxy(["x"]), "ws://localhost", Some("http://given:3")),
        (given().no_proxy(["*"]), "ws://h", None),
    ] {
        assert_eq!(proxy(&options, url).as_deref(), want, "{url} {options:?}");
    }
    let bad = Environment(|name| (name == "all_proxy").then(|| "ftp://u:secret@h".into()));
    let bad = ConnectOptions { environment: Some(bad), ..options() };
    let error = Journey::new(&bad, "ws://h").unwrap().hop().map(drop).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no way through the proxy `all_proxy`: its scheme `ftp` is none of `http`, `https`, `socks4`, `socks4a`, `socks5`, `socks5h`"
    );
}

fn response(location: &str) -> Box<HttpResponse> {
    let headers = [("location".into(), location.as_bytes().to_vec())].into();
    HttpResponse { status: 302, headers, ..HttpResponse::default() }.into()
}

/// Attack 31.
#[test]
fn what_is_for_the_first_origin() {
    let options = ConnectOptions::new().server_name("front.example").host("back.example").header("X", "y");
    let name = |hop: &Hop| hop.way.tls.as_ref().map(|tls| tls.name.to_str().into_owned());
    let mut journey = Journey::new(&options, "wss://u:p@h.example/a").unwrap();
    for (location, tls, host, fields) in [
        ("/b", "front.example", "back.example", 2),
        ("https://other.example/", "other.example", "other.example", 0),
        ("https://h.example/a", "h.example", "h.example", 0),
    ] {
        journey.follow(response(location)).unwrap();
        let hop = journey.hop().unwrap();
        assert_eq!((name(&hop).as_deref(), hop.host.as_str(), hop.fields.len()), (Some(tls), host, fields));
    }
    // Another port is another origin.
    let mut journey = Journey::new(&options, "wss://h.example:444/").unwrap();
    journey.follow(response("https://h.example/")).unwrap();
    assert!(journey.hop().unwrap().fields.is_empty());
}

#[cfg(unix)]
#[test]
fn a_unix_domain_socket_is_the_only_way() {
    let options = options().unix_socket("/run/x");
    let mut journey = Journey::new(&options, "ws://h/").unwrap();
    let hop = journey.hop().unwrap();
    assert!(hop.way.proxy.is_none() && hop.way.unix.is_some());
    assert!(matches!(journey.follow(response("/b")), Err(Error::Status(_))));
}

#[test]
fn all_hops_share_their_time() {
    let options = ConnectOptions::new()
        .connect_timeout(Duration::from_secs(3))
        .handshake_timeout(Duration::from_secs(5));
    let begin = Instant::now();
    let hop = Journey::new(&options, "ws://h/").unwrap().hop().unwrap();
    let left = |timeout| hop.deadline(Duration::from_secs(timeout)).unwrap().duration_since(begin).as_secs();
    assert!(left(3) < 5 && (7..=9).contains(&left(100)));
    let forever = ConnectOptions::new().connect_timeout(Duration::MAX);
    let hop = Journey::new(&forever, "ws://h/").unwrap().hop().unwrap();
    assert_eq!(hop.deadline(Duration::MAX), None);
}

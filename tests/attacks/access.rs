//! Rows 32 and 33: whom a server lets in.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use sockling::{
    Config, HandshakeError, Role,
    handshake::{Field, RequestHead, Response},
};

use crate::support::{
    drive::{Got, wire},
    open::{accept, accept_at, request},
};

/// A server that lets in whom `is_welcome` says: whether this request is answered so, and what comes behind it is
/// received. By both drivers, however it is cut.
fn is_let_in(request: Vec<u8>, is_welcome: &dyn Fn(&RequestHead<'_>) -> bool) -> bool {
    let decide =
        |head: &RequestHead<'_>| if is_welcome(head) { Response::accept() } else { Response::reject(403) };
    let shown = String::from_utf8_lossy(&request).into_owned();
    let input = [request, wire(Role::Server, &[(0x81, b"early")])].concat();
    let opened = accept(&Config::DEFAULT, &input, 1000, &decide);
    match opened.status() {
        101 => {
            assert_eq!(opened.got, [Got::text("early")], "{shown}");
            true
        }
        status => {
            assert_eq!((status, opened.error()), (403, HandshakeError::Refused(403)), "{shown}");
            assert_eq!(opened.got, [], "{shown}");
            assert!(!opened.sent.windows(8).any(|part| part == b"Upgrade:"), "{shown}");
            false
        }
    }
}

/// A page of another site makes a browser connect, with the user's cookies. Beside it in src/handshake/server/tests.rs.
#[test]
fn row_32_cross_site_connections() {
    let from = |host: &str, origin: &str, secure: bool| {
        let fields = format!("Origin: {origin}\r\nCookie: session=1\r\n");
        let input = String::from_utf8(request(&fields)).unwrap();
        let input = input.replacen("Host: server.example", &format!("Host: {host}"), 1);
        is_let_in(input.into(), &|head| head.is_same_origin(secure))
    };
    for (host, origin, secure) in [
        ("server.example", "https://server.example", true),
        ("server.example:443", "https://server.example", true),
        ("SERVER.example", "https://server.EXAMPLE:443", true),
        ("server.example", "http://server.example", false),
        ("[2001:db8::1]:8080", "http://[2001:db8::1]:8080", false),
    ] {
        assert!(from(host, origin, secure), "{host}, {origin}");
    }
    for (host, origin, secure) in [
        ("server.example", "https://evil.example", true),
        ("server.example", "https://server.example.evil.example", true),
        ("server.example", "https://evil.example/server.example", true),
        ("server.example", "https://evil.example#server.example", true),
        ("server.example", "https://evil.example?https://server.example", true),
        ("server.example", "https://server.example@evil.example", true),
        ("server.example", "https://notserver.example", true),
        ("server.example", "https://sub.server.example", true),
        ("server.example", "https://example", true),
        ("server.example", "https://server.example.", true),
        ("server.example", "https://server.example https://evil.example", true),
        ("server.example", "https://evil.example, https://server.example", true),
        // Another scheme, another port.
        ("server.example", "http://server.example", true),
        ("server.example", "https://server.example", false),
        ("server.example", "http://server.example:443", true),
        ("server.example", "https://server.example:8443", true),
        ("server.example:8443", "https://server.example", true),
        ("server.example", "wss://server.example", true),
        ("server.example", "file://", true),
        ("server.example", "null", true),
        ("null", "null", true),
        ("server.example", "", true),
    ] {
        assert!(!from(host, origin, secure), "{host}, {origin}");
    }
    // No browser: whether that is welcome is another question, which `origin` answers.
    assert!(!is_let_in(request(""), &|head| head.is_same_origin(true)));
    assert!(is_let_in(request(""), &|head| head.origin().is_none()));
    // Two of them are refused before anyone is asked.
    let twice = request("Origin: https://server.example\r\nOrigin: https://evil.example\r\n");
    let opened = accept(&Config::DEFAULT, &twice, 1000, &|_| panic!("nobody decides"));
    assert_eq!((opened.status(), opened.error()), (400, HandshakeError::Duplicate(Field::Origin)));
}

#[test]
fn row_33_who_has_the_password() {
    let sent = |fields: &str, user: &str, password: &str| {
        is_let_in(request(fields), &|head| head.has_basic_auth(user, password))
    };
    // The examples of RFC 7617.
    let right = "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n";
    assert!(sent(right, "Aladdin", "open sesame"));
    assert!(sent("authorization: bASIC   dGVzdDoxMjPCow==\r\n", "test", "123£"));
    assert!(sent("Authorization: Basic Og==\r\n", "", ""));
    for (user, password) in [
        ("", ""),
        ("Aladdin", ""),
        ("", "open sesame"),
        ("Aladdin", "open sesam"),
        ("Aladdin", "open sesame "),
        ("Aladdin", "Open sesame"),
        ("aladdin", "open sesame"),
        ("Aladdin:open sesame", ""),
        ("Aladdin:open", "sesame"),
    ] {
        assert!(!sent(right, user, password), "{user}, {password}");
    }
    // A colon in a user name is none of it: another user's password would do.
    let colon = "Authorization: Basic YTpiOmM=\r\n";
    assert!(sent(colon, "a", "b:c") && !sent(colon, "a:b", "c"));
    for wrong in [
        "",
        "Authorization:\r\n",
        "Authorization: Basic\r\n",
        "Authorization: Basic \r\n",
        "Authorization: QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n",
        "Authorization: Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n",
        "Authorization: Basi QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n",
        "Authorization: Basic2 QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n",
        "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ\r\n",
        "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ===\r\n",
        "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==QQ==\r\n",
        "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ== x\r\n",
        "Authorization: Basic Q\r\n",
        "Authorization: Basic Aladdin:open sesame\r\n",
        "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n",
        &format!("{right}Authorization: Basic YTpiOmM=\r\n"),
        &format!("{right}{right}"),
    ] {
        assert!(!sent(wrong, "Aladdin", "open sesame"), "{wrong}");
    }
}

#[test]
fn row_33_who_has_the_token() {
    let sent = |fields: &str, token: &str| is_let_in(request(fields), &|head| head.has_bearer_token(token));
    let right = "Authorization: Bearer 6c2f9a1b~+/==\r\n";
    assert!(sent(right, "6c2f9a1b~+/=="));
    assert!(sent(&right.replace("Bearer", "bearer"), "6c2f9a1b~+/=="));
    for token in ["", "6", "6c2f9a1b~+/=", "6c2f9a1b~+/===", "6C2f9a1b~+/==", "7c2f9a1b~+/=="] {
        assert!(!sent(right, token), "{token}");
    }
    for wrong in ["", "Authorization: Bearer\r\n", "Authorization: Bearer \r\n", "Authorization: \r\n"] {
        assert!(!sent(wrong, "") && !sent(wrong, "6c2f9a1b~+/=="), "{wrong}");
    }
}

/// "constant-time compare": of a guess of very many bytes, the first wrong takes as long as the last wrong. Stopping at
/// the first would take next to nothing.
#[test]
fn row_33_the_time_does_not_tell_how_much_is_right() {
    let len = if cfg!(debug_assertions) { 1 << 16 } else { 1 << 20 };
    let right = "a".repeat(len);
    let mut config = Config::DEFAULT;
    config.limits.max_head = u32::MAX;
    let guess = |wrong_at: usize| {
        let mut guess = right.clone().into_bytes();
        guess[wrong_at] = b'b';
        let input = request(&format!("Authorization: Bearer {}\r\n", String::from_utf8(guess).unwrap()));
        let took = Cell::new(Duration::MAX);
        let decide = |head: &RequestHead<'_>| {
            // The least of many: what else the machine does only adds to it.
            for _ in 0..20 {
                let begun = Instant::now();
                assert!(!head.has_bearer_token(&right));
                took.set(took.get().min(begun.elapsed()));
            }
            Response::reject(403)
        };
        accept_at(&[1 << 20], &config, &input, len + 1000, &decide);
        took.get()
    };
    let (first, last) = (guess(0), guess(len - 1));
    // By far: what the machine does beside it must not decide.
    assert!(first > last / 10 && last > first / 10, "{first:?}, {last:?}");
}

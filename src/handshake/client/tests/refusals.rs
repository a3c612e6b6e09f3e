//! Answers before the one that counts, or instead of the one that is hoped for.

use super::*;

/// websocket-client: test_handshake_large_response, test_get_resp_headers_invalid_content_length.
#[test]
fn refusals_come_with_the_start_of_their_body() {
    let body = "0123456789".repeat(3000);
    let full = format!("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let outcome = run(&plain(), full.as_bytes(), (1000, MIN_TX, 17));
    assert_eq!(outcome.result, Err(HandshakeError::Status(503)));
    assert_eq!(outcome.lines, ["503 Busy", "Retry-After: 7", "Content-Length: 30000"]);
    assert_eq!(outcome.early, &body.as_bytes()[..1000]);

    for (head, body, most, want) in [
        ("404 Not Found\r\nContent-Length: 5", "small", 1, "small"),
        ("404 Not Found\r\nContent-Length: 5", "small and more", 4096, "small"),
        ("404 Not Found\r\nContent-Length: 5\r\nContent-Length: 5", "small", 1, "small"),
        ("500 Oh\r\nContent-Length: 50", "cut", 1, "cut"),
        ("403 No", "", 1, ""),
        ("403 No", "by chance", 4096, "by chance"),
        ("400 Bad\r\nContent-Length: 99999999999999999999", "x", 3, "x"),
        ("302 Found\r\nLocation: /else\r\nContent-Length: 0", "", 1, ""),
        (
            "426 Upgrade Required\r\nUpgrade: http\r\nSec-WebSocket-Accept: x\r\nSec-WebSocket-Extensions: y",
            "",
            1,
            "",
        ),
    ] {
        let outcome = run(&plain(), format!("HTTP/1.1 {head}\r\n\r\n{body}").as_bytes(), (512, 512, most));
        let status = head.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(outcome.result, Err(HandshakeError::Status(status)), "{head}");
        assert_eq!(outcome.early, want.as_bytes(), "{head}");
    }
    for length in ["abc", "", "-1", "5, 5", "0x5", "5\r\nContent-Length: 6"] {
        let response = format!("HTTP/1.1 400 Bad\r\nContent-Length: {length}\r\n\r\nhello");
        assert_eq!(answer(&plain(), &response), Err(HandshakeError::Malformed(HeadError::ContentLength)));
    }
}

/// RFC 9110 section 15.2: "A client MUST be able to parse one or more 1xx responses received prior to a final response,
/// even if the client does not expect one."
#[test]
fn interim_responses_come_before_the_final_one() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nUpgrade: h2c\r\n\
                   Content-Length: 9\r\nSec-WebSocket-Accept: x\r\n\r\n";
    for most in [1, 7, 4096] {
        let response = format!("{interim}{}\x01early", accepted("Server: x\r\n"));
        let outcome = run(&plain(), response.as_bytes(), (MIN_RX, MIN_TX, most));
        assert_eq!(outcome.result, Ok(None));
        assert_eq!(outcome.early, b"\x01early");
        assert!(outcome.lines.contains(&"101 Switching Protocols".to_string()), "{:?}", outcome.lines);

        let response = format!("{interim}HTTP/1.1 403 No\r\n\r\nwhy");
        let outcome = run(&plain(), response.as_bytes(), (MIN_RX, MIN_TX, most));
        assert_eq!(outcome.result, Err(HandshakeError::Status(403)));
    }
    // What they say counts for nothing, and the limits hold for all of them together.
    let response = format!("{interim}HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    assert_eq!(answer(&plain(), &response), Err(HandshakeError::Missing(Field::Accept)));
    assert_eq!(answer(&plain(), interim), Err(HandshakeError::UnexpectedEof));
    let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
    assert_eq!(answer(&plain(), &endless), Err(HandshakeError::HeadTooLong));
    let fields = "HTTP/1.1 100 Continue\r\na: b\r\n\r\n".repeat(101);
    assert_eq!(answer(&plain(), &fields), Err(HandshakeError::TooManyFields));
}

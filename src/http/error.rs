use core::fmt;

/// A rule of HTTP/1.1 that a head breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum HeadError {
    /// CR without LF, or LF without CR (RFC 9112 section 2.2).
    LineEnding,
    /// A line that begins with white space, to go on with the one before (RFC 9112 section 5.2).
    Folded,
    /// A field without a colon, or whose name is not a token, or with white space before the colon
    /// (RFC 9112 section 5.1).
    FieldName,
    /// A control character (RFC 9110 section 5.5).
    ControlCharacter,
    /// A first line that is no status line of HTTP/1.1 (RFC 9112 section 4).
    StatusLine,
    /// A first line that is no request line (RFC 9112 section 3).
    RequestLine,
    /// A request of another version than HTTP/1.1 (RFC 9112 section 2.3).
    Version,
    /// `Content-Length` that is no number, or several that differ (RFC 9112 section 6.3).
    ContentLength,
    /// More bytes than the limit.
    TooLong,
    /// A list that breaks its grammar (RFC 9110 section 5.6.1, RFC 6455 section 9.1).
    List,
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LineEnding => "a line of the head does not end with CR LF",
            Self::Folded => "a line of the head is folded",
            Self::FieldName => "a header field has no colon or an invalid name",
            Self::ControlCharacter => {
                "the head contains a control character: the peer may not speak HTTP, or speak TLS (`wss://`)"
            }
            Self::StatusLine => {
                "the answer does not begin with an HTTP/1.1 status line: this may be no HTTP server"
            }
            Self::RequestLine => "the request does not begin with an HTTP request line",
            Self::Version => "the HTTP version of the request is not 1.1",
            Self::ContentLength => "the content length is not a number",
            Self::TooLong => "the head is over the limit",
            Self::List => "a list in a header field is malformed",
        })
    }
}

impl core::error::Error for HeadError {}

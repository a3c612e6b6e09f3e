//! The checks a client runs against a server; the scripts in `peers` run the same ones under the same names.

use crate::{
    connection::{
        ABNORMAL, Close, Connection, Data, Deflate, Event, Kind, Library, NO_STATUS, Options, Outcome,
    },
    payload,
};
use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

const MIB: usize = 1 << 20;
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// Messages that are sent before an echo is awaited.
const BATCH: usize = 16;

/// What the server must report about the end of the connection.
pub enum Seen {
    /// Nothing: a server that only echoes does not report.
    Anything,
    Code(u16),
    Close(u16, String),
}

pub struct Subject {
    pub library: Arc<dyn Library>,
    pub url: String,
    pub deflate: bool,
}

type Run = Box<dyn FnOnce(&Context) -> Outcome<Seen> + Send>;

pub struct Check {
    pub name: String,
    /// What the server does: see `peers/README.md`.
    pub path: String,
    /// What the server is to insist on.
    pub query: String,
    run: Run,
}

struct Context {
    subject: Arc<Subject>,
    target: String,
}

impl Context {
    fn connect_offering(&self, subprotocols: &[&str]) -> Outcome<Box<dyn Connection>> {
        let options = Options {
            subprotocols: subprotocols.iter().map(ToString::to_string).collect(),
            deflate: self.subject.deflate.then(Deflate::default),
        };
        self.subject.library.connect(&format!("{}{}", self.subject.url, self.target), &options)
    }

    fn connect(&self) -> Outcome<Box<dyn Connection>> {
        self.connect_offering(&[])
    }

    fn connect_with(&self, deflate: Deflate) -> Outcome<Box<dyn Connection>> {
        let options = Options { subprotocols: Vec::new(), deflate: Some(deflate) };
        self.subject.library.connect(&format!("{}{}", self.subject.url, self.target), &options)
    }
}

impl Check {
    /// The request target: names the check, so that the harness finds what the server reports about it.
    pub fn target(&self) -> String {
        let and = if self.query.is_empty() { "" } else { "&" };
        format!("{}?check={}{and}{}", self.path, self.name, self.query)
    }

    /// Runs on a thread of its own; one that hangs is given up.
    pub fn run(self, subject: &Arc<Subject>) -> Outcome<Seen> {
        let context = Context { subject: Arc::clone(subject), target: self.target() };
        let (send, recv) = mpsc::channel();
        thread::spawn(move || send.send((self.run)(&context)));
        match recv.recv_timeout(TIME_LIMIT) {
            Ok(outcome) => outcome,
            Err(mpsc::RecvTimeoutError::Timeout) => Err(format!("no end after {} s", TIME_LIMIT.as_secs())),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err("panicked".into()),
        }
    }
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome<()> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// The next event that is no ping.
fn next(connection: &mut dyn Connection) -> Outcome<Event> {
    loop {
        match connection.recv()? {
            Event::Ping(_) => {}
            event => return Ok(event),
        }
    }
}

fn wants_data(connection: &mut dyn Connection, wanted: &Data) -> Outcome<()> {
    match next(connection)? {
        Event::Data(got) => payload::difference(wanted, &got).map_or(Ok(()), Err),
        event => Err(format!("got {event:?} for a message")),
    }
}

fn wants_pong(connection: &mut dyn Connection, payload: &[u8]) -> Outcome<()> {
    let event = next(connection)?;
    ensure(event == Event::Pong(payload.to_vec()), || format!("got {event:?} for a pong"))
}

fn finish(connection: Box<dyn Connection>) -> Outcome<Seen> {
    let answer = connection.close(Some((1000, "done")))?;
    ensure(answer.code == 1000, || format!("1000 was answered with {answer:?}"))?;
    Ok(Seen::Close(1000, "done".into()))
}

fn echo(context: &Context, data: &Data) -> Outcome<Seen> {
    let mut connection = context.connect()?;
    connection.send(data)?;
    wants_data(&mut *connection, data)?;
    finish(connection)
}

/// On `/fragmented` the server also pings in the midst of the message, waits for the pong, and says so.
fn fragmented_by_server(context: &Context, data: &Data) -> Outcome<Seen> {
    let mut connection = context.connect()?;
    connection.send(data)?;
    wants_data(&mut *connection, data)?;
    wants_data(&mut *connection, &Data::Text("pong".into()))?;
    finish(connection)
}

fn echo_fragmented(context: &Context, data: &Data) -> Outcome<Seen> {
    let mut connection = context.connect()?;
    send_fragmented(&mut *connection, data)?;
    wants_data(&mut *connection, data)?;
    finish(connection)
}

fn send_fragmented(connection: &mut dyn Connection, data: &Data) -> Outcome<()> {
    let (kind, bytes) = match data {
        Data::Text(text) => (Kind::Text, text.as_bytes()),
        Data::Binary(bytes) => (Kind::Binary, &bytes[..]),
    };
    connection.send_fragmented(kind, &payload::fragments(bytes), Some(b"in between"))?;
    wants_pong(connection, b"in between")
}

/// Batches of messages for one connection: what, and whether it is to be sent in fragments.
fn messages(name: &str) -> Vec<Vec<(Data, bool)>> {
    let text = |text: String| Data::Text(text);
    let binary = |text: String| Data::Binary(text.into_bytes());
    let telemetry = |first: usize| (first..first + BATCH).map(move |n| text(payload::telemetry(n)));
    if name.ends_with("mib") {
        return [
            text(payload::readings(MIB)),
            Data::Binary(payload::bytes(MIB)),
            text(payload::characters(MIB)),
            binary(payload::readings(MIB)),
        ]
        .map(|data| vec![(data, false)])
        .into();
    }
    let mut all: Vec<Vec<(Data, bool)>> =
        (0..12).map(|batch| telemetry(batch * BATCH).map(|data| (data, false)).collect()).collect();
    for len in [0, 1, 2, 3, 125, 126, 127, 1000, 4096, 65_536] {
        for data in [
            Data::Binary(payload::bytes(len)),
            binary(payload::readings(len)),
            Data::Binary(vec![0; len]),
            text(payload::characters(len)),
            text(payload::readings(len)),
        ] {
            all.push(vec![(data, false)]);
        }
    }
    for data in [
        text(String::new()),
        text(payload::telemetry(0)),
        text(payload::characters(1000)),
        Data::Binary(payload::bytes(4096)),
        text(payload::readings(65_536)),
        binary(String::new()),
        binary(payload::readings(20_000)),
    ] {
        all.push(vec![(data, true)]);
    }
    let mixed = (0..3)
        .map(|batch| telemetry(1000 + batch * BATCH).enumerate().map(|(n, data)| (data, n == 0)).collect());
    all.extend(mixed);
    all
}

fn conversation(context: &Context, offer: Deflate, name: &str) -> Outcome<Seen> {
    let mut connection = context.connect_with(offer)?;
    for (number, batch) in messages(name).iter().enumerate() {
        let in_batch = |error| format!("batch {number}: {error}");
        for (data, fragmented) in batch {
            if *fragmented {
                send_fragmented(&mut *connection, data).map_err(in_batch)?;
            } else {
                connection.send(data).map_err(in_batch)?;
            }
        }
        for (data, _) in batch {
            wants_data(&mut *connection, data).map_err(in_batch)?;
        }
    }
    finish(connection)
}

fn conversation_fragmented(context: &Context, offer: Deflate) -> Outcome<Seen> {
    let mut connection = context.connect_with(offer)?;
    for data in [
        Data::Text(payload::telemetry(1)),
        Data::Text(String::new()),
        Data::Text(payload::characters(1000)),
        Data::Binary(payload::bytes(65_536)),
        Data::Text(payload::readings(65_536)),
        Data::Binary(Vec::new()),
        Data::Binary(payload::readings(5000).into_bytes()),
    ] {
        connection.send(&data)?;
        wants_data(&mut *connection, &data)?;
        wants_data(&mut *connection, &Data::Text("pong".into()))?;
    }
    finish(connection)
}

fn pipelined(context: &Context) -> Outcome<Seen> {
    let messages: Vec<Data> = (0..1000)
        .map(|n| match n % 2 {
            0 => Data::Text(format!("message {n}")),
            _ => Data::Binary(payload::bytes(n % 140)),
        })
        .collect();
    let mut connection = context.connect()?;
    for message in &messages {
        connection.send(message)?;
    }
    for (n, message) in messages.iter().enumerate() {
        wants_data(&mut *connection, message).map_err(|error| format!("message {n}: {error}"))?;
    }
    finish(connection)
}

fn ping(context: &Context, payload: &[u8]) -> Outcome<Seen> {
    let mut connection = context.connect()?;
    connection.ping(payload)?;
    wants_pong(&mut *connection, payload)?;
    finish(connection)
}

/// On `/ping` the server pings with what it was sent, waits for the pong, and says so.
fn answers_ping(context: &Context, payload: &[u8]) -> Outcome<Seen> {
    let mut connection = context.connect()?;
    connection.send(&Data::Binary(payload.to_vec()))?;
    let event = connection.recv()?;
    ensure(event == Event::Ping(payload.to_vec()), || format!("got {event:?} for a ping"))?;
    wants_data(&mut *connection, &Data::Text("pong".into()))?;
    finish(connection)
}

fn close_by_client(context: &Context, close: Option<(u16, &str)>) -> Outcome<Seen> {
    let mut connection = context.connect()?;
    let data = Data::Text("last words".into());
    connection.send(&data)?;
    wants_data(&mut *connection, &data)?;
    let answer = connection.close(close)?;
    let (code, reason) = close.unwrap_or((NO_STATUS, ""));
    ensure(answer.code == code, || format!("{code} was answered with {answer:?}"))?;
    Ok(Seen::Close(code, reason.into()))
}

fn close_by_server(context: &Context, close: Option<(u16, &str)>) -> Outcome<Seen> {
    let mut connection = context.connect()?;
    let data = Data::Text("close".into());
    connection.send(&data)?;
    wants_data(&mut *connection, &data)?;
    let (code, reason) = close.unwrap_or((NO_STATUS, ""));
    let wanted = Event::Closed(Close { code, reason: reason.into() });
    let event = next(&mut *connection)?;
    ensure(event == wanted, || format!("got {event:?}, not {wanted:?}"))?;
    Ok(Seen::Code(code))
}

fn drop_by_server(context: &Context) -> Outcome<Seen> {
    let mut connection = context.connect()?;
    connection.send(&Data::Text("drop".into()))?;
    match next(&mut *connection) {
        Ok(event) => Err(format!("got {event:?}, not an error")),
        Err(_) => Ok(Seen::Anything),
    }
}

fn drop_by_client(context: &Context) -> Outcome<Seen> {
    let mut connection = context.connect()?;
    let data = Data::Text("drop".into());
    connection.send(&data)?;
    wants_data(&mut *connection, &data)?;
    Ok(Seen::Code(ABNORMAL))
}

fn subprotocol(context: &Context, offered: &[&str], chosen: Option<&str>) -> Outcome<Seen> {
    let connection = match context.connect_offering(offered) {
        Err(_) if chosen.is_none() && !context.subject.library.goes_on_without_subprotocol() => {
            return Ok(Seen::Anything);
        }
        outcome => outcome?,
    };
    let got = connection.subprotocol();
    ensure(got.as_deref() == chosen, || format!("the subprotocol is {got:?}, not {chosen:?}"))?;
    finish(connection)
}

/// What both sides close with: name, and code and reason if there is a body.
pub const CLOSES: [(&str, Option<(u16, &str)>); 9] = [
    ("1000", Some((1000, "bye"))),
    ("1000-without-reason", Some((1000, ""))),
    ("1001", Some((1001, "going away"))),
    ("1008", Some((1008, "policy"))),
    ("3000", Some((3000, "registered"))),
    ("4999", Some((4999, "private"))),
    ("non-ascii", Some((4000, "Tschüß, 再见 👋"))),
    // 123 bytes: the longest that fits in a control frame
    ("longest-reason", Some((1000, "ööööööööööööööööööööööööööööööööööööööööööööööööööööööööööööö."))),
    ("empty-body", None),
];

/// Those of permessage-deflate: NAME|OFFER|QUERY.
pub fn variants(all: &[String], echo_only: bool) -> Outcome<Vec<Check>> {
    let mut checks = Vec::new();
    for variant in all {
        let (name, rest) = variant.split_once('|').ok_or("a variant has three parts")?;
        let (offer, query) = rest.split_once('|').ok_or("a variant has three parts")?;
        let offer = Deflate::parse(offer, ';')?;
        let mut add = |name: String, path: &str, run: Run| {
            checks.push(Check { name, path: path.into(), query: query.into(), run });
        };
        let of = name.to_owned();
        add(format!("deflate-{name}"), "/", Box::new(move |context| conversation(context, offer, &of)));
        if !echo_only && !name.ends_with("mib") {
            let run: Run = Box::new(move |context| conversation_fragmented(context, offer));
            add(format!("deflate-{name}-fragmented"), "/fragmented", run);
        }
    }
    Ok(checks)
}

/// All checks, or those that a server which only echoes can be put to.
pub fn all(echo_only: bool) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut add = |name: String, path: &str, run: Run| {
        checks.push(Check { name, path: path.to_owned(), query: String::new(), run });
    };
    let text = |text: &str| Data::Text(text.to_owned());

    for (name, data) in [
        ("ascii", text("Hello, World")),
        ("utf-8", text("\u{feff}Grüße, 世界 \u{0} 😀 \u{10ffff}")),
        ("empty", text("")),
        ("16-mib", Data::Text(payload::characters(16 * MIB))),
    ] {
        add(format!("text-{name}"), "/", Box::new(move |context| echo(context, &data)));
    }
    for len in [0, 1, 125, 126, 127, 65_535, 65_536, MIB, 16 * MIB] {
        add(
            format!("binary-{len}"),
            "/",
            Box::new(move |context| echo(context, &Data::Binary(payload::bytes(len)))),
        );
    }
    for (name, data) in [
        ("text", Data::Text(payload::characters(1000))),
        ("empty-text", text("")),
        ("binary-65536", Data::Binary(payload::bytes(65_536))),
        ("binary-1-mib", Data::Binary(payload::bytes(MIB))),
    ] {
        let copy = data.clone();
        add(format!("fragments-sent-{name}"), "/", Box::new(move |context| echo_fragmented(context, &copy)));
        if !echo_only {
            add(
                format!("fragments-received-{name}"),
                "/fragmented",
                Box::new(move |context| fragmented_by_server(context, &data)),
            );
        }
    }
    add("pipelined-1000".into(), "/", Box::new(pipelined));
    for len in [0, 5, 125] {
        add(format!("ping-{len}"), "/", Box::new(move |context| ping(context, &payload::bytes(len))));
        if !echo_only {
            add(
                format!("ping-by-server-{len}"),
                "/ping",
                Box::new(move |context| answers_ping(context, &payload::bytes(len))),
            );
        }
    }
    for (name, close) in CLOSES {
        add(format!("close-by-client-{name}"), "/", Box::new(move |context| close_by_client(context, close)));
        if !echo_only {
            let path = close.map_or("/close".into(), |(code, reason)| {
                format!("/close/{code}/{}", payload::percent_encode(reason))
            });
            add(
                format!("close-by-server-{name}"),
                &path,
                Box::new(move |context| close_by_server(context, close)),
            );
        }
    }
    add("drop-by-client".into(), "/", Box::new(drop_by_client));
    if !echo_only {
        for how in ["fin", "inside", "reset"] {
            add(format!("drop-by-server-{how}"), &format!("/drop/{how}"), Box::new(drop_by_server));
        }
        add(
            "subprotocol-chosen".into(),
            "/",
            Box::new(|context| subprotocol(context, &["other", "superchat", "chat"], Some("superchat"))),
        );
        add(
            "subprotocol-none-in-common".into(),
            "/",
            Box::new(|context| subprotocol(context, &["other"], None)),
        );
    }
    add("subprotocol-not-offered".into(), "/", Box::new(|context| subprotocol(context, &[], None)));
    checks
}

//! A server that does, connection after connection, what a test wants.

use std::{
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use sockling::{App, app::Backoff};

use crate::peer::{ms, open};

/// Serves one connection after the other, each by the next of the scripts; returns the URL. Once they are used up,
/// connections are refused.
pub fn serve(scripts: Vec<Box<dyn FnOnce(TcpStream) + Send>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/path", listener.local_addr().unwrap());
    thread::spawn(move || {
        for script in scripts {
            let tcp = listener.accept().unwrap().0;
            tcp.set_read_timeout(Some(ms(10_000))).unwrap();
            script(tcp);
        }
    });
    url
}

/// A script that opens the connection first.
pub fn opened(script: impl FnOnce(TcpStream) + Send + 'static) -> Box<dyn FnOnce(TcpStream) + Send> {
    Box::new(move |mut tcp| {
        open(&mut tcp, &[]);
        script(tcp);
    })
}

/// Waits that suit a test.
pub fn quick() -> Backoff {
    Backoff::new(ms(5), ms(20))
}

pub fn app<'a>(url: impl Into<String>) -> App<'a> {
    App::new(url).reconnect(quick())
}

/// What happened, in order.
#[derive(Clone, Default)]
pub struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    pub fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }

    pub fn contains(&self, what: &str) -> bool {
        self.0.lock().unwrap().iter().any(|note| note.contains(what))
    }

    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// An app that writes it.
    pub fn app<'a>(&self, url: impl Into<String>) -> App<'a> {
        let [open, again, message, error, close] = [(); 5].map(|()| self.clone());
        app(url)
            .on_open(move |_| {
                open.note("open");
                Ok(())
            })
            .on_reconnect(move |_, reconnect| {
                again.note(format!("again {}: {}", reconnect.attempt, short(reconnect.error)));
                Ok(())
            })
            .on_message(move |_, received| {
                message.note(format!("message {received}"));
                Ok(())
            })
            .on_error(move |_, failed| error.note(format!("error {}", short(failed))))
            .on_close(move |_, closed| close.note(format!("close {} {:?}", closed.code(), closed.reason())))
    }
}

/// The name of the variant.
pub fn short(error: &sockling::net::Error) -> String {
    let text = format!("{error:?}");
    let end = text.find([' ', '{']).unwrap_or(text.len());
    match error {
        sockling::net::Error::Status(response) => format!("Status({})", response.status),
        sockling::net::Error::Io(error) => format!("Io({:?})", error.kind()),
        sockling::net::Error::Closed(close) => format!("Closed({})", close.code()),
        sockling::net::Error::Timeout(phase) => format!("Timeout({phase:?})"),
        sockling::net::Error::Other(error) => format!("Other({error})"),
        _ => text[..end].into(),
    }
}

/// Waits until something is so.
pub fn wait_until(what: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !what() {
        assert!(Instant::now() < end, "it never came to that");
        thread::sleep(ms(2));
    }
}

use std::{
    io,
    string::String,
    sync::{
        Arc,
        mpsc::{self, Receiver, TryRecvError},
    },
    thread,
};

use mio::Waker;

use super::{super::Cancel, ConnectOptions, Error, WebSocket};

/// An attempt to connect, in a thread of its own: resolving, TCP, TLS and the opening handshake wait, and the loop does
/// not. Dropped, it is given up.
pub(super) struct Attempt {
    result: Receiver<Result<WebSocket, Error>>,
    cancel: Cancel,
}

impl Attempt {
    /// Begins to connect. `waker` tells the loop of the result.
    pub(super) fn start(url: String, options: ConnectOptions, waker: Arc<Waker>) -> Result<Self, Error> {
        let (sender, result) = mpsc::channel();
        let cancel = Cancel::default();
        let cancelled = cancel.clone();
        thread::Builder::new()
            .name(String::from("sockling-connect"))
            .spawn(move || {
                // The loop also has to learn that there will be no result.
                let _wake = WakeAtEnd(waker);
                let sender = sender;
                let _ = sender.send(options.connect_cancellable(&url, &cancelled));
            })
            .map_err(Error::Io)?;
        Ok(Self { result, cancel })
    }

    /// The result, once there is one.
    pub(super) fn poll(&self) -> Option<Result<WebSocket, Error>> {
        match self.result.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                Some(Err(Error::Io(io::Error::other("the thread that connects panicked"))))
            }
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

struct WakeAtEnd(Arc<Waker>);

impl Drop for WakeAtEnd {
    fn drop(&mut self) {
        let _ = self.0.wake();
    }
}

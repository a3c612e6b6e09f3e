use core::task::Poll;
use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use ::tokio::{
    io::{Interest, unix::AsyncFd},
    task::yield_now,
    time::timeout,
};

use super::{App, CloseInfo, Error};

impl App<'_> {
    /// Like [`run_forever`](Self::run_forever), in a task of tokio (feature `tokio`, on Unix). Callbacks are called in the
    /// task, and should not keep its thread for long; what waits belongs in other tasks, with a clone of the
    /// [`Handle`](super::Handle).
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), sockling::net::Error> {
    /// let mut app = sockling::App::new("wss://stream.example/feed")
    ///     .on_open(|ws| ws.send("subscribe"))
    ///     .on_message(|_, message| { println!("{message:?}"); Ok(()) });
    /// let handle = app.handle();
    /// let running = tokio::spawn(async move { app.run_async().await });
    /// tokio::signal::ctrl_c().await.ok();
    /// handle.close();
    /// running.await.ok();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Likewise.
    ///
    /// # Cancel safety
    /// While it is dropped nothing is done, and nothing is lost: call it again, or
    /// [`run_forever`](Self::run_forever), and the run goes on.
    pub async fn run_async(&mut self) -> Result<CloseInfo, Error> {
        self.over = false;
        let fd = register(self.fd()?).map_err(Error::Io)?;
        loop {
            if let Poll::Ready(result) = self.turn(Instant::now()) {
                return result;
            }
            let readable = async {
                fd.readable().await.map_err(Error::Io)?.clear_ready();
                Ok::<(), Error>(())
            };
            match self.poll_timeout(Instant::now()) {
                // There is more to do, but other tasks have their turn as well.
                Some(Duration::ZERO) => yield_now().await,
                Some(left) => timeout(left, readable).await.unwrap_or(Ok(()))?,
                None => readable.await?,
            }
            self.wait(Some(Duration::ZERO))?;
        }
    }
}

#[allow(deprecated, reason = "for descriptors that may be closed meanwhile, which this one may not")]
fn register(fd: BorrowedFd<'_>) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd.try_clone_to_owned()?, Interest::READABLE)
}

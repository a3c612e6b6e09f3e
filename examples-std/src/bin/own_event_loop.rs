//! Two apps in one thread, inside of an event loop that is not theirs: here mio's, with a timer of its own.

#[cfg(unix)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    unix::main()
}

#[cfg(not(unix))]
fn main() {
    println!(
        "a descriptor that stands for a whole app is there on Unix only: call `run_forever` in a thread"
    );
}

#[cfg(unix)]
mod unix {
    use std::{
        error::Error,
        os::fd::AsRawFd,
        thread,
        time::{Duration, Instant},
    };

    use clap::Parser;
    use mio::{Events, Interest, Poll, Token, unix::SourceFd};
    use sockling::{App, Server};

    /// Keeps two connections up in one event loop, which has a timer as well. Without URLs it starts servers of its own.
    #[derive(Parser)]
    #[command(version)]
    struct Args {
        /// Where to connect.
        urls: Vec<String>,
        /// After how many seconds to close.
        #[arg(long, default_value_t = 1.0)]
        seconds: f32,
    }

    pub fn main() -> Result<(), Box<dyn Error>> {
        sockling_examples_std::init_log();
        let mut args = Args::parse();
        if args.urls.is_empty() {
            args.urls = vec![clock(Duration::from_millis(70))?, clock(Duration::from_millis(130))?];
        }
        let end = Instant::now() + Duration::from_secs_f32(args.seconds);
        let mut received = 0;

        let (sender, messages) = std::sync::mpsc::channel();
        let mut apps: Vec<App<'_>> = args
            .urls
            .iter()
            .enumerate()
            .map(|(which, url)| {
                let sender = sender.clone();
                App::new(url)
                    .keepalive(Duration::from_secs(30), Duration::from_secs(10))
                    .on_message(move |_, message| {
                        sender.send((which, message.to_string())).map_err(sockling::net::Error::other)
                    })
                    .on_error(|_, error| println!("error: {error}"))
                    .on_close(move |_, close| println!("app {which} closed: {close}"))
            })
            .collect();

        let mut poll = Poll::new()?;
        for (which, app) in apps.iter_mut().enumerate() {
            let fd = app.fd()?.as_raw_fd();
            poll.registry().register(&mut SourceFd(&fd), Token(which), Interest::READABLE)?;
        }
        let mut events = Events::with_capacity(16);
        let mut running = vec![true; apps.len()];
        loop {
            let now = Instant::now();
            for (app, running) in apps.iter_mut().zip(&mut running) {
                if now >= end {
                    app.handle().close();
                }
                if *running && let std::task::Poll::Ready(result) = app.poll(now) {
                    *running = false;
                    result?;
                }
            }
            for (which, text) in messages.try_iter() {
                received += 1;
                println!("app {which}: {text}");
            }
            if !running.contains(&true) {
                break;
            }
            // The shortest of all timeouts, this loop's own included.
            let timers = apps.iter_mut().filter_map(|app| app.poll_timeout(now));
            let own = end.checked_duration_since(now);
            poll.poll(&mut events, timers.chain(own).min())?;
        }
        println!("{received} messages, in one thread");
        Ok(())
    }

    /// A server that says the time every now and then; returns its URL.
    fn clock(every: Duration) -> Result<String, Box<dyn Error>> {
        let server = Server::bind("127.0.0.1:0")?;
        let url = format!("ws://{}/", server.local_addr()?);
        thread::spawn(move || {
            while let Ok(mut ws) = server.accept() {
                let begin = Instant::now();
                ws.set_read_timeout(Some(every))?;
                loop {
                    match ws.recv() {
                        Ok(_) => {}
                        Err(error) if error.is_timeout() => ws.send(&format!("{:?}", begin.elapsed()))?,
                        Err(_) => break,
                    }
                }
            }
            Ok::<(), sockling::net::Error>(())
        });
        Ok(url)
    }
}

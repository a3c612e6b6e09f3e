//! The handler of these tests, which notes what it is told, and an app that has it.

use std::{future::poll_fn, rc::Rc, task::Poll, time::Duration};

use embedded_io::ErrorKind;
use sockling::{
    Closed, Error, Message, Part, Request,
    app::{
        Next, Policy,
        embedded::{Again, App, Clock, Handler, Sender, Tcp, TcpError},
    },
};

use crate::{
    sim::{Fail, Keys, Net, SimClock, World},
    support::Counter,
};

/// Notes everything; subscribes at the opening; answers `close` by closing and `echo` with `echoed`.
pub struct Notes {
    pub world: Rc<World>,
    current: String,
    pub on_error: Next,
    pub on_close: Next,
    /// How long `on_message` takes.
    pub slow: Duration,
    pub quiet: bool,
}

impl Notes {
    pub fn new(world: &Rc<World>) -> Self {
        Self {
            world: world.clone(),
            current: String::new(),
            on_error: Next::Usual,
            on_close: Next::Usual,
            slow: Duration::ZERO,
            quiet: false,
        }
    }
}

impl Handler<TcpError<&'static str, ErrorKind>, ErrorKind> for Notes {
    async fn on_open(&mut self, ws: &mut impl Sender<ErrorKind>) -> Result<(), Error<ErrorKind>> {
        self.world.note("open");
        if self.quiet { Ok(()) } else { ws.send("subscribe").await }
    }

    async fn on_reconnect(
        &mut self,
        ws: &mut impl Sender<ErrorKind>,
        again: Again<'_, TcpError<&'static str, ErrorKind>, ErrorKind>,
    ) -> Result<(), Error<ErrorKind>> {
        let failure = again.failure.map_or("no failure".into(), |failure| failure.to_string());
        self.world.note(format!("reconnect {}: {failure}", again.attempt));
        ws.send("resubscribe").await
    }

    async fn on_message(
        &mut self,
        ws: &mut impl Sender<ErrorKind>,
        message: Message<'_>,
    ) -> Result<(), Error<ErrorKind>> {
        let text = message.as_text().unwrap();
        if !self.quiet {
            self.world.note(text);
        }
        SimClock(self.world.clone()).sleep(self.slow).await;
        match text {
            "close" => ws.close(sockling::CloseCode(4000), "enough").await,
            "misuse" => ws.close(sockling::CloseCode(1005), "no code").await,
            "echo" => ws.send("echoed").await,
            _ => Ok(()),
        }
    }

    async fn on_part(
        &mut self,
        ws: &mut impl Sender<ErrorKind>,
        part: Part<'_>,
    ) -> Result<(), Error<ErrorKind>> {
        ws.send_part(part.kind, part.data, part.fin).await?;
        if part.fin {
            self.world.note("whole");
        }
        Ok(())
    }

    async fn outgoing(&mut self) -> Message<'_> {
        self.world.gate().await;
        let world = &self.world;
        poll_fn(|_| match world.queue.borrow().front() {
            Some((at, text)) if *at <= world.now() => {
                self.current.clone_from(text);
                Poll::Ready(())
            }
            _ => Poll::Pending,
        })
        .await;
        Message::Text(&self.current)
    }

    fn on_sent(&mut self) {
        let (_, text) = self.world.queue.borrow_mut().pop_front().unwrap();
        assert_eq!(text, self.current);
    }

    fn on_error(&mut self, failure: &Fail) -> Next {
        self.world.note(format!("error: {failure}"));
        self.on_error
    }

    fn on_close(&mut self, closed: Closed, reason: &str) -> Next {
        assert!(self.world.wires.borrow().iter().all(|wire| wire.dropped), "told before it is dropped");
        self.world.note(format!("close: {closed}; {reason}"));
        self.on_close
    }
}

/// Runs an app in this world to its end; `None` if it goes on at `until`.
pub fn run(world: &Rc<World>, policy: Policy, until: Duration) -> Option<Result<(), Fail>> {
    run_with(world, policy, until, &mut Notes::new(world))
}

pub fn run_with(
    world: &Rc<World>,
    policy: Policy,
    until: Duration,
    notes: &mut Notes,
) -> Option<Result<(), Fail>> {
    run_until(world, policy, until, notes, std::future::pending())
}

pub fn run_until(
    world: &Rc<World>,
    policy: Policy,
    until: Duration,
    notes: &mut Notes,
    stop: impl Future<Output = ()>,
) -> Option<Result<(), Fail>> {
    let net = Net(world.clone());
    let (mut rx, mut tx) = ([0; 512], [0; 256]);
    let request = Request::new("server.example", "/chat");
    let mut app = App::new(&request, SimClock(world.clone()), Keys(Counter(16)), &mut rx, &mut tx)
        .policy(policy)
        .farewell(sockling::CloseCode::GOING_AWAY, "enough");
    world.drive(until, app.run_until(&mut Tcp::new(&net, &net), notes, stop))
}

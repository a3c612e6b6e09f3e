//! What keeps a connection up for long: keepalive, deadlines, back-off, reconnection. Pure: no I/O, no clock, no
//! allocator.
//!
//! [`Machine`] says what is to be done next, an [`Action`]; a driver does it and says what happened. The time is handed
//! in, as what has passed since any fixed moment, and so is the randomness of the back-off. So a thousand days pass in
//! a test in seconds, and firmware runs what a desktop runs.
//!
//! # Writing a driver
//! Four rules make one:
//!
//! 1. Ask for the next action with [`poll`](Machine::poll), and take it, before waiting for anything. Each is returned
//!    once, except [`Wait`](Action::Wait) and [`End`](Action::End).
//! 2. At `Wait`, wait for the transport and for the user, no longer than [`poll_timeout`](Machine::poll_timeout). Report
//!    what happened: [`opened`](Machine::opened), [`received`](Machine::received), [`close`](Machine::close). Read what
//!    is there *before* the next poll: a peer is not dead because this end was busy.
//! 3. When an attempt failed or a connection ended, and at [`Drop`](Action::Drop): drop the transport, tell the user
//!    about the error, then about the close if [`disconnected`](Machine::disconnected) says so, then give the verdict to
//!    [`decide`](Machine::decide). The user may call `close` at any of these moments.
//! 4. At `End` it is over: `close` was called, a verdict was to stop, or there are no attempts left.
//!
//! ```
//! use core::time::Duration;
//! use sockling::app::{Action, Machine, Policy, Verdict};
//! # use sockling::Random;
//! # struct Dice;
//! # impl Random for Dice { fn fill(&mut self, dest: &mut [u8]) { dest.fill(0xff) } }
//! # let random = &mut Dice;
//!
//! let mut machine = Machine::new(Policy::DEFAULT);
//! let start = Duration::ZERO;
//! assert_eq!(machine.poll(start), Action::Connect { attempt: 0 });
//! // The attempt is refused: the machine waits, half a second at most, before the next one.
//! assert!(!machine.disconnected(start), "no connection was open, so none was closed");
//! machine.decide(start, Verdict::Retry, None, random);
//! assert_eq!(machine.poll(start), Action::Wait);
//! assert_eq!(machine.poll_timeout(start), Some(Duration::from_millis(500)));
//! let later = start + Duration::from_millis(500);
//! assert_eq!(machine.poll(later), Action::Connect { attempt: 1 });
//! machine.opened(later);
//! // The user closes it, and the server answers.
//! machine.close(later);
//! assert_eq!(machine.poll(later), Action::Close);
//! assert!(machine.disconnected(later));
//! machine.decide(later, Verdict::Retry, None, random);
//! assert_eq!(machine.poll(later), Action::End);
//! ```

mod backoff;
mod classify;
pub mod embedded;
mod keepalive;
mod machine;
#[cfg(test)]
mod simulation;

pub use backoff::Backoff;
pub use classify::{Next, Verdict, retry_after};
pub use keepalive::Keepalive;
pub use machine::{Action, Dropped, Machine, Opened, Policy};

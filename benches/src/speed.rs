//! The speed of sockling and of other WebSocket libraries, in memory, on one core.
//!
//! ```text
//! cargo run --release --manifest-path benches/Cargo.toml            the table, in a minute or two
//! cargo run --release --manifest-path benches/Cargo.toml -- --quick a smoke run; its figures mean nothing
//! cargo run --release --manifest-path benches/Cargo.toml -- send    only the rows whose name contains this
//! ```
//!
//! # How to read the table
//! A row is a case. A cell is the time for one message in nanoseconds, and in parentheses how many times that is of
//! what sockling's blocking driver needs: above 1.00 sockling is faster. `limit` is a copy of the same payload from and
//! to the same memory, and nothing else.
//!
//! - `recv 1 KiB text`: a client receives messages of 1 KiB of (ASCII) text, not masked, not fragmented.
//! - `recv masked ...`: a server receives them, each masked with its own key.
//! - `send ...`: a client sends binary messages, each masked with a new key and flushed on its own.
//!
//! Compare only within a row: all its libraries take turns (A B C A B C ...), and each cell is the best of its
//! rounds, since what else runs on the machine can only slow a round down; the rounds of a row are spread over the
//! whole run. The last lines name the cells in which sockling is behind tungstenite or tokio-websockets by more than
//! 2%, which is as far as such a figure can be trusted.
//!
//! # The rules, the same for all
//! - Each library through its own public API, in its default configuration with its limits lifted where they are lower;
//!   sockling with the buffers of its `std` default, 64 KiB each, of which the receiving one grows.
//! - The message is handed to the caller as the library hands it out, checked, and its payload not touched.
//! - A read brings at most 64 KiB; a write takes all. Both copy page by page, as the kernel does. What is read comes
//!   from 1 MiB of frames, which are in the second or third cache.
//! - Masking keys are the library's real ones. sockling and tokio-websockets get theirs from ChaCha12 of rand 0.10,
//!   nexus-web from ChaCha8, tungstenite from the thread's generator of rand.
//! - The transports of async libraries are always ready; they are polled with a waker that does nothing.

mod peers;
mod wire;

use std::{
    env,
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use peers::{Peer, Run};
use wire::{Input, Kind, Output};

const SIZES: [(usize, &str); 4] =
    [(16, "16 B"), (1 << 10, "1 KiB"), (16 << 10, "16 KiB"), (1 << 20, "1 MiB")];

/// What a peer does over and over.
#[derive(Clone, Copy, Debug)]
enum Case {
    Recv { server: bool, kind: Kind },
    Send,
}

/// How long to measure.
struct Plan {
    /// Over the whole table.
    passes: u32,
    /// Of a row, in one pass.
    rounds: u32,
    /// Of one peer, in one round.
    turn: Duration,
}

const FULL: Plan = Plan { passes: 4, rounds: 8, turn: Duration::from_millis(8) };
const QUICK: Plan = Plan { passes: 1, rounds: 2, turn: Duration::from_micros(200) };

/// Within it two figures are the same.
const NOISE: f64 = 1.02;

fn main() -> ExitCode {
    let mut plan = FULL;
    let mut filter = String::new();
    for arg in env::args().skip(1) {
        match arg.as_str() {
            "--quick" => plan = QUICK,
            _ if arg.starts_with('-') => {
                eprintln!("usage: speed [--quick] [PART OF A ROW'S NAME]");
                return ExitCode::FAILURE;
            }
            _ => filter = arg,
        }
    }
    let mut rows: Vec<Row> = cases()
        .flat_map(|case| SIZES.map(|(len, size)| Row::new(case, len, size)))
        .filter(|row| row.name.contains(&filter))
        .collect();
    for pass in 1..=plan.passes {
        eprintln!("pass {pass} of {}", plan.passes);
        rows.iter_mut().for_each(|row| row.measure(&plan));
    }
    print(&plan, &rows);
    ExitCode::SUCCESS
}

fn cases() -> impl Iterator<Item = Case> {
    let recv = |server| [Kind::Binary, Kind::Text].map(|kind| Case::Recv { server, kind });
    recv(false).into_iter().chain(recv(true)).chain([Case::Send])
}

impl Case {
    fn name(self, size: &str) -> String {
        match self {
            Self::Recv { server, kind } => {
                let masked = if server { "masked " } else { "" };
                format!("recv {masked}{size} {}", if kind == Kind::Text { "text" } else { "binary" })
            }
            Self::Send => format!("send {size}"),
        }
    }

    fn run(self, peer: &Peer, len: usize) -> Run {
        match self {
            Self::Recv { server, kind } => (peer.recv)(server, Input::new(kind, len, server)),
            Self::Send => (peer.send)(Output::default(), wire::payload(Kind::Binary, len)),
        }
    }

    fn limit(self, len: usize) -> Run {
        match self {
            Self::Recv { kind, .. } => {
                let mut input = Input::new(kind, len, false);
                let mut to = vec![0; input.read_limit().max(len)];
                Box::new(move |n| {
                    for _ in 0..n {
                        input.copy_to(&mut to[..len]);
                        black_box(&mut to);
                    }
                })
            }
            Self::Send => {
                let (mut output, data) = (Output::default(), wire::payload(Kind::Binary, len));
                Box::new(move |n| {
                    for _ in 0..n {
                        output.take(black_box(&data));
                    }
                })
            }
        }
    }
}

struct Row {
    name: String,
    case: Case,
    len: usize,
    /// Nanoseconds a message: the limit, then the peers.
    best: [f64; 1 + peers::ALL.len()],
}

impl Row {
    fn new(case: Case, len: usize, size: &str) -> Self {
        Self { name: case.name(size), case, len, best: [f64::INFINITY; 1 + peers::ALL.len()] }
    }

    fn measure(&mut self, plan: &Plan) {
        let mut runs = vec![self.case.limit(self.len)];
        runs.extend(peers::ALL.iter().map(|peer| self.case.run(peer, self.len)));
        let counts: Vec<u64> = runs.iter_mut().map(|run| calibrate(plan, run)).collect();
        for _ in 0..plan.rounds {
            for ((run, n), best) in runs.iter_mut().zip(&counts).zip(&mut self.best) {
                *best = best.min(time(run, *n).as_nanos() as f64 / *n as f64);
            }
        }
    }
}

fn print(plan: &Plan, rows: &[Row]) {
    print!("{:<26}{:>12}", format!("ns, best of {} rounds", plan.passes * plan.rounds), "limit");
    peers::ALL.iter().for_each(|peer| print!("{:>20}", peer.name));
    println!();
    let mut behind = vec![];
    for Row { name, best: [limit, cells @ ..], .. } in rows {
        print!("{name:<26}{:>12}", nanos(*limit));
        for cell in cells {
            print!("{:>20}", format!("{} ({:.2})", nanos(*cell), cell / cells[0]));
        }
        println!();
        for (ours, own) in peers::ALL.iter().zip(cells).filter(|(peer, _)| peer.ours) {
            for (theirs, other) in peers::ALL.iter().zip(cells).filter(|(peer, _)| peer.to_beat) {
                if *own > other * NOISE {
                    behind.push(format!(
                        "{name}: {} {}, {} {}",
                        ours.name,
                        nanos(*own),
                        theirs.name,
                        nanos(*other)
                    ));
                }
            }
        }
    }
    if behind.is_empty() {
        println!("sockling is ahead of tungstenite and tokio-websockets in every cell");
    }
    for line in behind {
        println!("behind: {line}");
    }
}

/// How many messages take a turn's time.
fn calibrate(plan: &Plan, run: &mut Run) -> u64 {
    let mut n = 1;
    loop {
        let took = time(run, n);
        if took >= plan.turn {
            return n;
        }
        let factor = plan.turn.as_secs_f64() / took.as_secs_f64().max(1e-9);
        n = (n as f64 * factor.clamp(1.5, 10.0)).ceil() as u64;
    }
}

fn time(run: &mut Run, n: u64) -> Duration {
    let start = Instant::now();
    run(n);
    start.elapsed()
}

fn nanos(nanos: f64) -> String {
    if nanos < 100.0 { format!("{nanos:.1}") } else { format!("{nanos:.0}") }
}

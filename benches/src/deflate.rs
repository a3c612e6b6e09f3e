//! permessage-deflate: how much of telemetry it saves, and how fast, beside zlib.
//!
//! ```text
//! cargo run --release --manifest-path benches/Cargo.toml --bin deflate             the tables, in half a minute
//! cargo run --release --manifest-path benches/Cargo.toml --bin deflate -- --quick  a smoke run; its speeds mean nothing
//! ```
//!
//! # How to read the tables
//! The first: what is left of messages of JSON of that size, in percent, frame headers not counted. With context
//! takeover a message may refer to those before it; without, each is compressed on its own.
//!
//! The second: how many megabytes (10^6 bytes) of such messages are compressed / decompressed in a second, on one core:
//! the best of several rounds, in which all codecs take turns. Each inflates what zlib at level 6 makes with its window
//! (zlib and miniz_oxide: at their own level).
//!
//! The third: what a connection needs beside its buffers, in bytes, counted as it is allocated, or the state's size and
//! the memory that the caller hands in.
//!
//! # The rules
//! - The messages are generated, the same in each run: readings of five devices whose values drift, in one JSON object,
//!   or in an array of as many as fill the size.
//! - A codec is set up once, as for a connection; messages are compressed whole, into a buffer that holds them.
//! - zlib is flate2 with zlib-rs; its tail of four bytes is not counted, as it is not sent.

mod codecs;
mod telemetry;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    env,
    hint::black_box,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use codecs::{Codec, Miniz, Sockling, Zlib};

const SIZES: [(usize, &str); 6] = [
    (20, "20 B"),
    (120, "120 B"),
    (512, "512 B"),
    (4 << 10, "4 KiB"),
    (16 << 10, "16 KiB"),
    (64 << 10, "64 KiB"),
];

/// Of messages of one size.
const TOTAL: usize = 1 << 20;

/// Counts what is allocated.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is left to `System`.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

type Make = fn(takeover: bool) -> Box<dyn Codec>;

const CODECS: [(&str, Make); 8] = [
    ("sockling, 512 B window", |takeover| Box::new(Sockling::new(9, 256, takeover))),
    ("sockling, 1 KiB window", |takeover| Box::new(Sockling::new(10, 512, takeover))),
    ("sockling, 4 KiB window", |takeover| Box::new(Sockling::new(12, 1024, takeover))),
    ("sockling, 32 KiB window", |takeover| Box::new(Sockling::new(15, 4096, takeover))),
    ("zlib level 1", |takeover| Box::new(Zlib::new(1, 15, takeover))),
    ("zlib level 6", |takeover| Box::new(Zlib::new(6, 15, takeover))),
    ("miniz_oxide level 1", |takeover| Box::new(Miniz::new(1, takeover))),
    ("miniz_oxide level 6", |takeover| Box::new(Miniz::new(6, takeover))),
];

/// Messages of one size, and what a codec makes of them.
struct Cell {
    codec: usize,
    size: usize,
    takeover: bool,
    ratio: f64,
    compress: f64,
    inflate: f64,
}

fn main() -> ExitCode {
    let mut rounds = 7;
    for arg in env::args().skip(1) {
        match arg.as_str() {
            "--quick" => rounds = 1,
            _ => {
                eprintln!("usage: deflate [--quick]");
                return ExitCode::FAILURE;
            }
        }
    }
    let mut cells = Vec::new();
    for (size, (len, _)) in SIZES.iter().enumerate() {
        let messages = telemetry::messages(*len, (TOTAL / len).clamp(16, 8192));
        for takeover in [true, false] {
            cells.extend(measure(size, &messages, takeover, rounds));
        }
        eprintln!("{} of {}", size + 1, SIZES.len());
    }

    println!("Left of JSON telemetry, in percent, with / without context takeover:\n");
    table(|codec, size| {
        let [with, without] = both(&cells, codec, size).map(|cell| cell.ratio);
        format!("{with:.0} / {without:.0}")
    });
    println!("\nCompressed / decompressed with context takeover, in MB/s:\n");
    table(|codec, size| {
        let [cell, _] = both(&cells, codec, size);
        format!("{:.0} / {:.0}", cell.compress, cell.inflate)
    });
    println!("\nCompressed / decompressed without context takeover, in MB/s:\n");
    table(|codec, size| {
        let [_, cell] = both(&cells, codec, size);
        format!("{:.0} / {:.0}", cell.compress, cell.inflate)
    });
    println!("\n| memory in bytes | to compress | to decompress |\n|---|--:|--:|");
    for (name, make) in CODECS {
        let (compress, inflate) = make(true).memory();
        println!("| {name} | {compress} | {inflate} |");
    }
    ExitCode::SUCCESS
}

fn both(cells: &[Cell], codec: usize, size: usize) -> [&Cell; 2] {
    [true, false].map(|takeover| {
        let of = |cell: &&Cell| cell.codec == codec && cell.size == size && cell.takeover == takeover;
        cells.iter().find(of).expect("all are measured")
    })
}

fn table(cell: impl Fn(usize, usize) -> String) {
    println!("| |{}", SIZES.map(|(_, name)| format!(" {name} |")).concat());
    println!("|---|{}", "--:|".repeat(SIZES.len()));
    for (codec, (name, _)) in CODECS.iter().enumerate() {
        println!(
            "| {name} |{}",
            (0..SIZES.len()).map(|size| format!(" {} |", cell(codec, size))).collect::<String>()
        );
    }
}

fn measure(size: usize, messages: &[Vec<u8>], takeover: bool, rounds: u32) -> Vec<Cell> {
    let total: usize = messages.iter().map(Vec::len).sum();
    let longest = messages.iter().map(Vec::len).max().unwrap_or(0);
    let mut out = vec![0; 2 * longest + 64];
    let mut cells = Vec::new();
    let mut inputs = Vec::new();
    for (codec, (name, make)) in CODECS.iter().enumerate() {
        let mut it = make(takeover);
        let sent: usize = messages.iter().map(|message| it.compress(message, &mut out)).sum();
        // What it inflates, and what comes of it, has to be right.
        let (mut it, mut peer) = (make(takeover), make(takeover).peer(takeover));
        let compressed: Vec<Vec<u8>> = messages
            .iter()
            .map(|message| {
                let len = peer.compress(message, &mut out);
                out[..len].to_vec()
            })
            .collect();
        let mut back = vec![0; longest + 64];
        for (message, compressed) in messages.iter().zip(&compressed) {
            let len = it.inflate(compressed, &mut back);
            assert!(back[..len] == **message, "{name} does not inflate what was compressed");
        }
        inputs.push(compressed);
        let ratio = 100.0 * sent as f64 / total as f64;
        cells.push(Cell { codec, size, takeover, ratio, compress: 0.0, inflate: 0.0 });
    }
    for _ in 0..rounds {
        for (cell, compressed) in cells.iter_mut().zip(&inputs) {
            let (_, make) = CODECS[cell.codec];
            let speed = |spent: Duration| total as f64 / 1e6 / spent.as_secs_f64();
            let mut it = make(takeover);
            let begin = Instant::now();
            for message in messages {
                black_box(it.compress(black_box(message), &mut out));
            }
            cell.compress = cell.compress.max(speed(begin.elapsed()));
            let mut it = make(takeover);
            let begin = Instant::now();
            for message in compressed {
                black_box(it.inflate(black_box(message), &mut out));
            }
            cell.inflate = cell.inflate.max(speed(begin.elapsed()));
        }
    }
    cells
}

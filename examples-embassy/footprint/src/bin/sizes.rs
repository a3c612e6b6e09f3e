//! Prints what each state takes, in bytes: the types on the left are what a program keeps beside its buffers.
#![no_std]
#![no_main]

use core::mem::size_of_val;

use cortex_m as _; // the critical section of `hprintln`

use cortex_m_rt::entry;
use cortex_m_semihosting::hprintln;
use sockling::{
    Config, Request,
    app::{
        Machine,
        embedded::{App, Tcp},
    },
    asynch, blocking,
    handshake::{ClientHandshake, ServerHandshake},
    proto::Session,
};
use sockling_footprint::{
    Examples,
    feed::Feed,
    finish,
    network::{Impatient, Network},
    script::Script,
};

type Client<'b> = asynch::WebSocket<&'b mut Script, Examples, &'b mut [u8], &'b mut [u8]>;

fn futures(ws: &mut Client<'_>, request: &Request<'_>, rx: &mut [u8], tx: &mut [u8]) {
    let mut io = Script::echo();
    hprintln!("asynch::connect {}", size_of_val(&asynch::connect(&mut io, request, Examples, rx, tx)));
    hprintln!("WebSocket::send {}", size_of_val(&ws.send("")));
    hprintln!("WebSocket::recv {}", size_of_val(&ws.recv()));
    hprintln!("WebSocket::close {}", size_of_val(&ws.close(sockling::CloseCode::NORMAL, "")));
}

fn app(request: &Request<'_>, rx: &mut [u8], tx: &mut [u8]) {
    let network = Network::default();
    let mut app = App::new(request, Impatient::default(), Examples, rx, tx);
    hprintln!("App::run {}", size_of_val(&app.run(&mut Tcp::new(&network, &network), &mut Feed::default())));
}

#[entry]
fn main() -> ! {
    static mut RX: [u8; 256] = [0; 256];
    static mut TX: [u8; 256] = [0; 256];
    hprintln!("blocking::WebSocket {}", size_of::<blocking::WebSocket<(), (), (), ()>>());
    hprintln!("asynch::WebSocket {}", size_of::<asynch::WebSocket<(), (), (), ()>>());
    hprintln!("proto::Session {}", size_of::<Session>());
    hprintln!("embedded::App {}", size_of::<App<'_, (), ()>>());
    hprintln!("app::Machine {}", size_of::<Machine>());
    hprintln!("ClientHandshake {}", size_of::<ClientHandshake<'_>>());
    hprintln!("ServerHandshake {}", size_of::<ServerHandshake>());
    hprintln!("Request {}", size_of::<Request<'_>>());
    hprintln!("Config {}", size_of::<Config>());
    hprintln!("Error {}", size_of::<sockling::Error<core::convert::Infallible>>());
    let mut io = Script::echo();
    let session = Session::new(sockling::Role::Client, &Config::DEFAULT);
    let request = Request::new("server.example.com", "/chat");
    let (mut rx, mut tx) = ([0; 256], [0; 256]);
    let made = Client::from_parts(&mut io, session, Examples, &mut RX[..], &mut TX[..]);
    if let Ok(mut ws) = made {
        futures(&mut ws, &request, &mut rx, &mut tx);
    }
    app(&request, &mut rx, &mut tx);
    finish(true)
}

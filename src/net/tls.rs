//! TLS for two threads: one may wait in `read` while the other writes.
//!
//! The state of the connection is locked for moments only, never while a socket is waited for. Encrypted bytes that a
//! socket did not take wait in `output`, and received ones that the state did not take in `input`: so a read or write
//! that fails because it would block has lost nothing.

use core::fmt;
use std::{
    boxed::Box,
    io::{self, Read, Write},
    sync::{Mutex, MutexGuard, PoisonError},
    vec,
    vec::Vec,
};

use rustls::Connection;

use super::error::is_wait;

/// Room for the largest record: 2^14 + 2048 bytes and its header (RFC 5246 section 6.2.3).
const MAX_RECORD: usize = (1 << 14) + 2048 + 5;

/// Whoever needs `connection` too locks `input` or `output` first. `input` is held by the one who reads while it waits,
/// `output` by the one who writes.
pub(super) struct Tls {
    connection: Mutex<Connection>,
    input: Mutex<Input>,
    output: Mutex<Output>,
}

/// What was read and not decrypted.
struct Input {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

/// What was encrypted and not written.
struct Output {
    bytes: Vec<u8>,
    start: usize,
}

impl Tls {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection: Mutex::new(connection),
            input: Mutex::new(Input { bytes: vec![0; MAX_RECORD].into(), start: 0, end: 0 }),
            output: Mutex::new(Output { bytes: Vec::new(), start: 0 }),
        }
    }

    /// Performs the handshake of TLS.
    pub(super) fn handshake<T: Read + Write>(&self, raw: &mut T) -> io::Result<()> {
        let (mut input, mut output) = (lock(&self.input), lock(&self.output));
        loop {
            let (done, result) = {
                let mut connection = lock(&self.connection);
                let result = input.decrypt(&mut connection);
                output.take(&mut connection)?;
                (!connection.is_handshaking(), result)
            };
            // What is wrong is told to the peer in an alert, and that goes first.
            let written = output.drain(raw);
            result.and(written)?;
            if done {
                return raw.flush();
            }
            raw.flush()?;
            if input.fill(raw)? == 0 {
                let what = "the peer ended it during the handshake of TLS, and may not speak TLS";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
            }
        }
    }

    /// Reads decrypted bytes; writes nothing. The alert that an error makes due is left to [`close`](Self::close).
    ///
    /// RFC 8446 section 6.1 wants `close_notify` before the end of the stream, against truncation. A close frame says
    /// the same here, and so the end without it is an end.
    pub(super) fn read(&self, raw: &mut (impl Read + ?Sized), buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let mut input = lock(&self.input);
        loop {
            match self.read_decrypted(&mut input, buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                other => return other,
            }
            if input.fill(raw)? == 0 {
                return Ok(0);
            }
        }
    }

    /// `WouldBlock` if more has to be read first.
    fn read_decrypted(&self, input: &mut Input, buf: &mut [u8]) -> io::Result<usize> {
        let mut connection = lock(&self.connection);
        loop {
            match connection.reader().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !input.is_empty() => {
                    input.decrypt_some(&mut connection)?;
                }
                other => return other,
            }
        }
    }

    /// Encrypts some of `buf`, and writes what can be written. Bytes that were taken are gone from the caller's hands:
    /// if they cannot be written now, a later call does so.
    pub(super) fn write(&self, raw: &mut (impl Write + ?Sized), buf: &[u8]) -> io::Result<usize> {
        let mut output = lock(&self.output);
        output.drain(raw)?;
        let taken = {
            let mut connection = lock(&self.connection);
            let taken = connection.writer().write(buf)?;
            output.take(&mut connection)?;
            taken
        };
        match output.drain(raw) {
            Err(error) if !is_wait(&error) => Err(error),
            _ => Ok(taken),
        }
    }

    /// Writes all that was encrypted.
    pub(super) fn flush(&self, raw: &mut (impl Write + ?Sized)) -> io::Result<()> {
        let mut output = lock(&self.output);
        output.take(&mut lock(&self.connection))?;
        output.drain(raw)?;
        raw.flush()
    }

    /// Says that nothing more comes, if the peer listens.
    pub(super) fn close(&self, raw: &mut (impl Write + ?Sized)) {
        lock(&self.connection).send_close_notify();
        let _ = self.flush(raw);
    }
}

impl Input {
    const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Reads once; 0 at the end of the stream.
    fn fill(&mut self, raw: &mut (impl Read + ?Sized)) -> io::Result<usize> {
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
        let n = raw.read(self.bytes.get_mut(self.end..).unwrap_or_default())?;
        self.end = self.bytes.len().min(self.end.saturating_add(n));
        Ok(n)
    }

    /// Hands all that was read to the connection, as long as it is about the handshake.
    fn decrypt(&mut self, connection: &mut Connection) -> io::Result<()> {
        while !self.is_empty() && connection.is_handshaking() {
            self.decrypt_some(connection)?;
        }
        Ok(())
    }

    /// Hands some of what was read to the connection.
    fn decrypt_some(&mut self, connection: &mut Connection) -> io::Result<()> {
        let mut bytes = self.bytes.get(self.start..self.end).unwrap_or_default();
        let n = connection.read_tls(&mut bytes)?;
        if n == 0 {
            // It takes no more, ever: what follows `close_notify` is not ours.
            self.start = self.end;
        }
        self.start += n;
        connection
            .process_new_packets()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(())
    }
}

impl Output {
    /// Takes what the connection has encrypted.
    fn take(&mut self, connection: &mut Connection) -> io::Result<()> {
        while connection.wants_write() {
            connection.write_tls(&mut self.bytes)?;
        }
        Ok(())
    }

    fn drain(&mut self, raw: &mut (impl Write + ?Sized)) -> io::Result<()> {
        while let Some(pending @ [_, ..]) = self.bytes.get(self.start..) {
            match raw.write(pending)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                n => self.start += n,
            }
        }
        self.bytes.clear();
        self.start = 0;
        Ok(())
    }
}

/// A panic elsewhere leaves nothing half done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{ErrorKind, Read, Write},
        net::{TcpListener, TcpStream},
        string::String,
        sync::Arc,
        thread,
        time::{Duration, Instant},
        vec,
        vec::Vec,
    };

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::{
        ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
        pki_types::{PrivatePkcs8KeyDer, ServerName},
    };

    use super::super::{ReadHalf, Stream, WriteHalf, layers::Layer};

    /// Two ends of TLS over loopback, of either version.
    fn pair(version: &'static rustls::SupportedProtocolVersion) -> [Stream; 2] {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([String::from("h")]).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let accepting = thread::spawn(move || {
            let mut stream = Stream::tcp(listener.accept().unwrap().0);
            stream.start_tls(ServerConnection::new(Arc::new(server)).unwrap().into(), Layer::Server).unwrap();
            stream
        });
        let mut stream = Stream::tcp(tcp);
        let name = ServerName::try_from("h").unwrap();
        stream
            .start_tls(ClientConnection::new(Arc::new(client), name).unwrap().into(), Layer::Server)
            .unwrap();
        [stream, accepting.join().unwrap()]
    }

    fn versions() -> [&'static rustls::SupportedProtocolVersion; 2] {
        [&rustls::version::TLS13, &rustls::version::TLS12]
    }

    fn bytes(len: usize) -> Vec<u8> {
        (0..=250).cycle().take(len).collect()
    }

    fn send(mut half: WriteHalf, len: usize) {
        half.write_all(&bytes(len)).unwrap();
        half.flush().unwrap();
        half.shutdown();
    }

    fn recv(mut half: ReadHalf, len: usize) {
        let mut got = Vec::new();
        half.read_to_end(&mut got).unwrap();
        assert!(got == bytes(len));
    }

    /// All four halves at once, with more than the sockets hold.
    #[test]
    fn both_directions_in_two_threads() {
        const LEN: usize = 1_000_000;
        for version in versions() {
            let threads: Vec<_> = pair(version)
                .into_iter()
                .flat_map(|stream| {
                    let (reader, writer) = stream.split().unwrap();
                    [thread::spawn(|| recv(reader, LEN)), thread::spawn(|| send(writer, LEN))]
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
        }
    }

    /// One thread waits in `read` while the other writes: what it waits for is the answer.
    #[test]
    fn a_waiting_read_does_not_lock_out_a_write() {
        for version in versions() {
            let [client, server] = pair(version);
            let (mut reader, mut writer) = client.split().unwrap();
            let waiting = thread::spawn(move || {
                let mut answer = [0; 4];
                reader.read_exact(&mut answer).unwrap();
                answer
            });
            thread::sleep(Duration::from_millis(20));
            let (mut input, mut output) = server.split().unwrap();
            writer.write_all(b"ping").unwrap();
            let mut request = [0; 4];
            input.read_exact(&mut request).unwrap();
            assert_eq!(&request, b"ping");
            output.write_all(b"pong").unwrap();
            assert_eq!(&waiting.join().unwrap(), b"pong");
        }
    }

    /// Of what `write` takes nothing is lost when it cannot be written, and nothing is written twice.
    #[test]
    fn blocked_writes_go_on() {
        const LEN: usize = 8 << 20;
        let [mut client, server] = pair(&rustls::version::TLS13);
        client.set_nonblocking(true).unwrap();
        let (reader, _writer) = server.split().unwrap();
        let message = bytes(LEN);
        let (mut sent, mut blocked, mut receiving) = (0, 0, None);
        let mut reader = Some(reader);
        while sent < LEN {
            match client.write(&message[sent..]) {
                Ok(n) => sent += n,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    blocked += 1;
                    // Only now is there someone who reads.
                    if let Some(reader) = reader.take() {
                        receiving = Some(thread::spawn(|| recv(reader, LEN)));
                    }
                    thread::sleep(Duration::from_millis(1));
                }
            }
        }
        while let Err(error) = client.flush() {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
        }
        assert!(blocked > 0);
        client.shutdown();
        receiving.unwrap().join().unwrap();
    }

    /// The end of TCP without `close_notify` is an end; deadlines and time-outs hold.
    #[test]
    fn ends_and_time_outs() {
        let [mut client, mut server] = pair(&rustls::version::TLS13);
        client.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
        client.set_read_timeout(None).unwrap();
        let begin = Instant::now();
        client.set_deadline(begin.checked_add(Duration::from_millis(20)));
        assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
        // Taken, but not written.
        assert_eq!(client.write(&[0]).unwrap(), 1);
        assert_eq!(client.flush().unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(client.write(&[0]).unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(begin.elapsed() >= Duration::from_millis(20));
        client.set_deadline(None);
        server.write_all(b"ab").unwrap();
        server.tcp_stream().unwrap().shutdown(std::net::Shutdown::Both).unwrap();
        let mut got = Vec::new();
        client.read_to_end(&mut got).unwrap();
        assert_eq!(got, b"ab");
    }
}

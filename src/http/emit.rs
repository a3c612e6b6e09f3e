/// Writes a head from its beginning on every call, but only the bytes that follow the first `skip` of it reach the
/// buffer, as far as there is room: so a head longer than the buffer leaves through it piece by piece, and is stored
/// nowhere.
///
/// ```
/// use sockling::http::Emitter;
/// let (mut out, mut skip, mut head) = ([0; 7], 0, String::new());
/// loop {
///     let mut emitter = Emitter::new(skip, &mut out);
///     emitter.field("Connection", &["keep-alive", "Upgrade"]);
///     let written = emitter.written();
///     if written == 0 {
///         break;
///     }
///     head.push_str(core::str::from_utf8(&out[..written]).unwrap());
///     skip += written;
/// }
/// assert_eq!(head, "Connection: keep-alive, Upgrade\r\n");
/// ```
#[derive(Debug)]
pub struct Emitter<'b> {
    /// How many bytes of the head are still to be left out.
    skip: usize,
    out: &'b mut [u8],
    written: usize,
}

impl<'b> Emitter<'b> {
    /// Will leave out the first `skip` bytes and write into `out`.
    pub const fn new(skip: usize, out: &'b mut [u8]) -> Self {
        Self { skip, out, written: 0 }
    }

    /// The next string of the head.
    pub fn put(&mut self, piece: &str) {
        self.put_bytes(piece.as_bytes());
    }

    pub(crate) fn put_bytes(&mut self, piece: &[u8]) {
        for byte in piece {
            if self.skip > 0 {
                self.skip -= 1;
            } else if let Some(to) = self.out.get_mut(self.written) {
                *to = *byte;
                self.written += 1;
            }
        }
    }

    /// A field line whose value is the list of `values`. The caller has checked that they contain no CR, LF or NUL.
    pub fn field(&mut self, name: &str, values: &[&str]) {
        self.put(name);
        let mut separator = ": ";
        for value in values {
            self.put(separator);
            self.put(value);
            separator = ", ";
        }
        self.put("\r\n");
    }

    /// How many bytes were written: none when all of the head was skipped.
    #[must_use]
    pub const fn written(&self) -> usize {
        self.written
    }
}

format_by_name!("Emitter", [] Emitter<'_>);

use super::trace_field;

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
///     let (written, more) = (emitter.written(), emitter.has_more());
///     head.push_str(core::str::from_utf8(&out[..written]).unwrap());
///     skip += written;
///     if !more {
///         break;
///     }
/// }
/// assert_eq!(head, "Connection: keep-alive, Upgrade\r\n");
/// ```
#[derive(Debug)]
pub struct Emitter<'b> {
    skip: usize,
    out: &'b mut [u8],
    written: usize,
    more: bool,
    /// Whether this is the first piece, which shows the whole head at trace level.
    first: bool,
}

impl<'b> Emitter<'b> {
    /// Will leave out the first `skip` bytes and write into `out`.
    pub fn new(skip: usize, out: &'b mut [u8]) -> Self {
        Self { skip, out, written: 0, more: false, first: skip == 0 }
    }

    /// Whether nothing of the head was emitted before.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.first
    }

    /// The next string of the head.
    pub fn put(&mut self, piece: &str) {
        let Some(rest) = piece.as_bytes().get(self.skip..) else {
            self.skip -= piece.len();
            return;
        };
        self.skip = 0;
        let room = self.out.get_mut(self.written..).unwrap_or_default();
        self.more |= rest.len() > room.len();
        for (to, from) in room.iter_mut().zip(rest) {
            *to = *from;
            self.written += 1;
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
            if self.first {
                trace_field("sent", name, value.as_bytes());
            }
        }
        self.put("\r\n");
    }

    /// How many bytes were written.
    #[must_use]
    pub const fn written(&self) -> usize {
        self.written
    }

    /// Whether the buffer was too short for all of it.
    #[must_use]
    pub const fn has_more(&self) -> bool {
        self.more
    }
}

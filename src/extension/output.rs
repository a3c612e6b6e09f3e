use core::slice;

use super::inflate::Stop;

/// Where decompressed bytes go, and where matches are copied from: what was produced in this call, and before that, the
/// window, which stays as it is until the call ends.
pub(super) struct Output<'b> {
    pub(super) window: &'b [u8],
    pub(super) mask: usize,
    /// Where the output goes on from the window.
    pub(super) at: usize,
    pub(super) out: &'b mut [u8],
    /// How much of the output is produced.
    pub(super) len: usize,
}

impl Output<'_> {
    /// Copies `left` bytes of the input.
    pub(super) fn store(&mut self, left: &mut u16, input: &mut slice::Iter<'_, u8>) -> Result<(), Stop> {
        while *left > 0 {
            let to = self.out.get_mut(self.len).ok_or(Stop::Output)?;
            *to = *input.next().ok_or(Stop::Input)?;
            self.len += 1;
            *left -= 1;
        }
        Ok(())
    }

    /// Copies `left` bytes from `distance` back.
    pub(super) fn copy(&mut self, left: &mut u16, distance: usize) -> Result<(), Stop> {
        while *left > 0 {
            let (done, rest) = self.out.split_at_mut_checked(self.len).unwrap_or_default();
            if rest.is_empty() {
                return Err(Stop::Output);
            }
            let (from, most) = match self.len.checked_sub(distance) {
                Some(back) => (done.get(back..), distance),
                None => {
                    let back = (self.at + self.len).wrapping_sub(distance) & self.mask;
                    (self.window.get(back..), distance - self.len)
                }
            };
            let mut copied = 0;
            for (to, from) in rest.iter_mut().zip(from.unwrap_or_default()).take(most.min(usize::from(*left)))
            {
                *to = *from;
                copied += 1;
            }
            self.len += usize::from(copied);
            *left -= copied;
        }
        Ok(())
    }
}

//! Messages that are put together while a user's program compiles.

/// A text of at most `N` bytes; what does not fit is cut.
pub(crate) struct Text<const N: usize> {
    bytes: [u8; N],
    used: usize,
}

impl<const N: usize> Text<N> {
    /// No text.
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; N], used: 0 }
    }

    /// Appends.
    pub(crate) const fn push(&mut self, text: &str) -> &mut Self {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() && self.used < N {
            self.bytes[self.used] = bytes[at];
            self.used += 1;
            at += 1;
        }
        self
    }

    /// Whether nothing was appended.
    pub(crate) const fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Stops the compiler with this text.
    ///
    /// # Panics
    /// Always: that is how a constant says that a program is wrong. Never called while it runs.
    #[allow(clippy::panic)]
    #[track_caller]
    pub(crate) const fn panic(&self) -> ! {
        let mut used = self.used;
        // What was cut may have been cut inside a character.
        while used > 0 && core::str::from_utf8(self.bytes.split_at(used).0).is_err() {
            used -= 1;
        }
        match core::str::from_utf8(self.bytes.split_at(used).0) {
            Ok(text) => panic!("{}", text),
            Err(_) => panic!(),
        }
    }
}

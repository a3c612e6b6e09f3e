//! Logging through `log`, `defmt`, both or neither.

macro_rules! trace {
    ($text:literal $(, $arg:expr)* $(,)?) => {{
        #[cfg(feature = "log")]
        ::log::trace!($text $(, $arg)*);
        #[cfg(feature = "defmt")]
        ::defmt::trace!($text $(, $arg)*);
        #[cfg(not(any(feature = "log", feature = "defmt")))]
        let _ = ($(&$arg,)*);
    }};
}

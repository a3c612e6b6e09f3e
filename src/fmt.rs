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

/// Lets `defmt` show a type by its name: what it holds is the caller's, or not for a log.
macro_rules! format_by_name {
    ($name:literal, [$($generic:ident $(: $bound:path)?),*] $type:ty) => {
        #[cfg(feature = "defmt")]
        impl<$($generic $(: $bound)?),*> ::defmt::Format for $type {
            fn format(&self, f: ::defmt::Formatter<'_>) {
                ::defmt::write!(f, $name);
            }
        }
    };
}

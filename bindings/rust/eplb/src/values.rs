// SPDX-License-Identifier: MIT
//! What the enumerations of the header can be asked, and how they are made.

use crate::enums::{Backend, CheckFlags, Strategy};
use crate::raw::{call, load, static_text, text};
use crate::Result;
use std::ffi::CString;
use std::ops::BitOr;

/// Declares an enumeration to which later versions of the library may append values: constants of one type, which
/// holds unknown values as well.
macro_rules! open_enum {
    (
        $(#[$doc:meta])*
        pub struct $name:ident { $($(#[$constant_doc:meta])* $constant:ident = $raw:ident,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i32);

        impl $name {
            $($(#[$constant_doc])* pub const $constant: Self = $name(eplb_sys::$raw);)*

            /// The value in the header, or in the header of a later version.
            pub const fn from_value(value: i32) -> Self {
                $name(value)
            }

            /// The value in the header.
            pub const fn value(self) -> i32 {
                self.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match *self {
                    $(Self::$constant => f.write_str(concat!(stringify!($name), "::", stringify!($constant))),)*
                    Self(value) => write!(f, "{}({})", stringify!($name), value),
                }
            }
        }
    };
}
pub(crate) use open_enum;

impl CheckFlags {
    /// Nothing else.
    pub const NONE: Self = Self::from_value(0);
}

impl BitOr for CheckFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self::from_value(self.value() | other.value())
    }
}

impl Strategy {
    /// All strategies of the library, also ones that are newer than this crate.
    pub fn all() -> Result<impl Iterator<Item = Strategy>> {
        load()?;
        // SAFETY: the call has no requirements.
        Ok((0..unsafe { eplb_sys::eplb_strategy_count() }).map(Strategy::from_value))
    }

    /// The strategy of a name, if there is one.
    pub fn from_name(name: &str) -> Option<Strategy> {
        load().ok()?;
        let name = CString::new(name).ok()?;
        // SAFETY: the name ends in a 0.
        let value = unsafe { eplb_sys::eplb_strategy_from_name(name.as_ptr()) };
        (value >= 0).then(|| Strategy::from_value(value))
    }

    /// Its name, such as "lpt-swap-any". `None` for an unknown value, or if the library cannot be loaded.
    pub fn name(self) -> Option<&'static str> {
        load().ok()?;
        // SAFETY: every value is allowed, and the text is static.
        unsafe { static_text(eplb_sys::eplb_strategy_name(self.value())) }
    }

    /// One line about it. `None` for an unknown value, or if the library cannot be loaded.
    pub fn description(self) -> Option<&'static str> {
        load().ok()?;
        // SAFETY: every value is allowed, and the text is static.
        unsafe { static_text(eplb_sys::eplb_strategy_description(self.value())) }
    }
}

impl Backend {
    /// All backends of the library, also ones that are newer than this crate.
    pub fn all() -> Result<impl Iterator<Item = Backend>> {
        load()?;
        // SAFETY: the call has no requirements.
        Ok((0..unsafe { eplb_sys::eplb_backend_count() }).map(Backend::from_value))
    }

    /// Its name: "auto", "cpu", "cuda". `None` for an unknown value, or if the library cannot be loaded.
    pub fn name(self) -> Option<&'static str> {
        load().ok()?;
        // SAFETY: every value is allowed, and the text is static.
        unsafe { static_text(eplb_sys::eplb_backend_name(self.value())) }
    }

    /// Success if it can be used in this process now; otherwise the error says why not. Asking about CUDA initialises
    /// the driver, so do not ask before a fork.
    pub fn available(self) -> Result<()> {
        // SAFETY: every value is allowed.
        call(|error| unsafe { eplb_sys::eplb_backend_available(self.value(), error) })
    }

    /// Number of its devices, 0 if it is not available; the host is one device of the CPU backend. Asking about CUDA
    /// initialises the driver, as does the next call.
    pub fn device_count(self) -> Result<usize> {
        load()?;
        // SAFETY: every value is allowed.
        let count = unsafe { eplb_sys::eplb_device_count(self.value()) };
        Ok(count.try_into().unwrap_or(0))
    }

    /// One line about a device, of which there are [`device_count`](Self::device_count).
    pub fn device_describe(self, device: usize) -> Result<String> {
        let mut line = [0; 256];
        let device = crate::raw::int32(device);
        // SAFETY: the buffer is as long as is said.
        call(|error| unsafe {
            eplb_sys::eplb_device_describe(self.value(), device, line.as_mut_ptr(), line.len(), error)
        })?;
        // SAFETY: the line ends in a 0, cut to fit.
        Ok(unsafe { text(line.as_ptr()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_values_are_kept_and_shown() {
        assert_eq!(
            format!("{:?} {:?}", Strategy::LPT_SWAP_ANY, Strategy::from_value(99)),
            "Strategy::LPT_SWAP_ANY Strategy(99)"
        );
        assert_eq!(Strategy::from_value(99).value(), 99);
    }
}

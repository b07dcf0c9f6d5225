// SPDX-License-Identifier: MIT
use crate::raw::static_text;
use crate::Status;
use std::fmt;

impl Status {
    /// Its name in the header. `None` if the library cannot be loaded.
    pub fn name(self) -> Option<&'static str> {
        eplb_sys::load().ok()?;
        // SAFETY: every value is allowed, and the text is static.
        unsafe { static_text(eplb_sys::eplb_status_name(self.value())) }
    }

    /// One sentence about it. `None` if the library cannot be loaded.
    pub fn description(self) -> Option<&'static str> {
        eplb_sys::load().ok()?;
        // SAFETY: every value is allowed, and the text is static.
        unsafe { static_text(eplb_sys::eplb_status_string(self.value())) }
    }
}

/// Why a call failed. The call has written no output, and a plan from before it is still there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    status: Status,
    message: String,
}

/// What a call of this crate that may fail returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(status: Status, message: String) -> Self {
        Error { status, message }
    }

    /// What kind of error it is.
    pub fn status(&self) -> Status {
        self.status
    }

    /// One sentence that names the value and its place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

// SPDX-License-Identifier: MIT
use crate::raw::static_text;
use crate::values::open_enum;
use std::fmt;

open_enum! {
    /// What came of a call. The library appends new values; those that this crate does not name are errors too.
    pub struct Status {
        /// Done. An [`Error`] never has it.
        SUCCESS = EPLB_SUCCESS,
        /// Work on a stream has not finished. [`Context::poll`](crate::Context::poll) says so without an error.
        NOT_READY = EPLB_NOT_READY,
        /// An impossible shape, an unknown value, something missing.
        INVALID_ARGUMENT = EPLB_ERROR_INVALID_ARGUMENT,
        /// A load is NaN, infinite or negative, or, in planning, a layer's total overflows `f32`.
        INVALID_LOAD = EPLB_ERROR_INVALID_LOAD,
        /// A placement names no expert, leaves one out, or contradicts itself; a current one needs more changes than
        /// are allowed.
        INVALID_PLACEMENT = EPLB_ERROR_INVALID_PLACEMENT,
        /// No plan yet; the context was created before a fork, or does not work on streams.
        INVALID_STATE = EPLB_ERROR_INVALID_STATE,
        /// The library is of another version and does not know a field that is set.
        STRUCT_SIZE = EPLB_ERROR_STRUCT_SIZE,
        /// A buffer is shorter than its shape.
        BUFFER_TOO_SMALL = EPLB_ERROR_BUFFER_TOO_SMALL,
        /// Memory or a thread could not be had.
        OUT_OF_MEMORY = EPLB_ERROR_OUT_OF_MEMORY,
        /// Not in this build of the library, no driver or device on this machine, or no library that can be used.
        UNAVAILABLE = EPLB_ERROR_UNAVAILABLE,
        /// The progress callback asked to stop.
        CANCELLED = EPLB_ERROR_CANCELLED,
        /// A CUDA call failed.
        CUDA = EPLB_ERROR_CUDA,
        /// A bug in the library.
        INTERNAL = EPLB_ERROR_INTERNAL,
    }
}

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

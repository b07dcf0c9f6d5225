// SPDX-License-Identifier: MIT
//! What the other modules need to make calls.

use crate::{Error, Result, Status};
use std::ffi::CStr;
use std::os::raw::{c_char, c_void};

/// A struct of the header. The pointers in it come from references, whose lifetime and whose `Send` and `Sync` are
/// those of the `PhantomData` beside it; from pointers of the CUDA device, which the host does not follow; or from
/// `unsafe` calls that say what they ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw<T>(pub T);

// SAFETY: see above.
unsafe impl<T> Send for Raw<T> {}
// SAFETY: see above.
unsafe impl<T> Sync for Raw<T> {}

/// A struct of the header with its defaults. Without a library that can be used it is all zeros; no call is made with
/// it then, since `call` fails first.
macro_rules! with_defaults {
    ($struct:ident, $init:ident) => {{
        let mut raw = std::mem::MaybeUninit::<eplb_sys::$struct>::zeroed();
        if eplb_sys::load().is_ok() {
            // SAFETY: there is room for a struct of this size. The call can only fail for another size.
            unsafe { eplb_sys::$init(raw.as_mut_ptr(), std::mem::size_of::<eplb_sys::$struct>()) };
        }
        // SAFETY: zeros are a value of every struct of the header.
        crate::raw::Raw(unsafe { raw.assume_init() })
    }};
}
pub(crate) use with_defaults;

/// Makes a call that may fail, and fetches the sentence about it if it does.
#[inline]
pub(crate) fn call(make: impl FnOnce(*mut eplb_sys::eplb_error) -> eplb_sys::eplb_status) -> Result<()> {
    load()?;
    let mut error = with_defaults!(eplb_error, eplb_error_init).0;
    match make(&mut error) {
        eplb_sys::EPLB_SUCCESS => Ok(()),
        // SAFETY: the message ends in a 0.
        status => Err(Error::new(Status::from_value(status), unsafe { text(error.message.as_ptr()) })),
    }
}

/// Loads the library if it is to be loaded at run time, and checks that it is recent enough. Every call does so by
/// itself; this one is for an answer early on.
#[inline]
pub fn load() -> Result<()> {
    eplb_sys::load().map_err(|error| Error::new(Status::UNAVAILABLE, error.to_string()))
}

/// [`load`] for a library at a path of your own, such as one that comes with the program. To be called before anything
/// else; an error if the library is loaded already.
#[cfg(feature = "dlopen")]
pub fn load_from(file: impl AsRef<std::path::Path>) -> Result<()> {
    eplb_sys::load_from(file.as_ref()).map_err(|error| Error::new(Status::UNAVAILABLE, error.to_string()))
}

/// # Safety
/// `text` ends in a 0.
pub(crate) unsafe fn text(text: *const c_char) -> String {
    // SAFETY: what the caller promises.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// A text of the library's that lives as long as the process; `None` for NULL.
///
/// # Safety
/// That `text` is one.
pub(crate) unsafe fn static_text(text: *const c_char) -> Option<&'static str> {
    if text.is_null() {
        return None;
    }
    // SAFETY: what the caller promises.
    unsafe { CStr::from_ptr(text) }.to_str().ok()
}

/// A count or an extent for the library. One that is too large stays too large, so that the library names it in its
/// error.
pub(crate) fn int32(count: usize) -> i32 {
    count.try_into().unwrap_or(i32::MAX)
}

mod sealed {
    pub trait Element: Copy + Send + Sync + 'static {
        const TYPE: i32;
    }
}
pub(crate) use sealed::Element;

/// A type that loads may have: `f32`, `f64`, `i32` or `i64`. The library rounds each load once, to `f32`.
pub trait Load: Element {}
/// A type that maps may have: `i32` or `i64`.
pub trait Index: Element {}

macro_rules! elements {
    ($($type:ty: $value:ident, $($role:ident)*;)*) => {$(
        impl Element for $type {
            const TYPE: i32 = eplb_sys::$value;
        }
        $(impl $role for $type {})*
    )*};
}
elements! {
    f32: EPLB_TYPE_FLOAT32, Load;
    f64: EPLB_TYPE_FLOAT64, Load;
    i32: EPLB_TYPE_INT32, Load Index;
    i64: EPLB_TYPE_INT64, Load Index;
}

/// Marks buffers in host memory.
#[derive(Debug, Clone, Copy)]
pub enum Host {}
/// Marks buffers in memory that a CUDA device can address.
#[derive(Debug, Clone, Copy)]
pub enum Cuda {}

pub(crate) fn slice<T>(buffer: &[T]) -> (*const c_void, usize) {
    (buffer.as_ptr().cast(), buffer.len())
}

pub(crate) fn slice_mut<T>(buffer: &mut [T]) -> (*mut c_void, usize) {
    (buffer.as_mut_ptr().cast(), buffer.len())
}

// SPDX-License-Identifier: MIT
//! From closures to the header's callbacks and one pointer for all.

use crate::raw::call;
use crate::{LogLevel, Result};
use std::any::Any;
use std::ffi::CStr;
use std::ops::ControlFlow;
use std::os::raw::{c_char, c_void};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::ptr::{null_mut, NonNull};

/// Where host memory comes from.
///
/// # Safety
/// What [`allocate`](Self::allocate) gives is as large as was asked for, aligned as by `malloc`, and used by nobody
/// else until it is freed.
pub unsafe trait Allocator: Send {
    /// `size` bytes, or null when there are none.
    fn allocate(&mut self, size: usize) -> *mut c_void;

    /// Takes back what [`allocate`](Self::allocate) gave.
    ///
    /// # Safety
    /// `pointer` is from `allocate` of the same allocator, and is not used any more.
    unsafe fn free(&mut self, pointer: *mut c_void);
}

type Log = dyn FnMut(LogLevel, &str) + Send;
type Progress = dyn FnMut(i64, i64) -> ControlFlow<()> + Send;

#[derive(Default)]
pub(crate) struct Table {
    pub log: Option<Box<Log>>,
    pub progress: Option<Box<Progress>>,
    pub allocator: Option<Box<dyn Allocator>>,
    /// The first panic of a callback in the call that is running.
    panic: Option<Box<dyn Any + Send>>,
}

/// Owns a table at an address that the library may keep. (A `Box` must not be pointed to from elsewhere.)
pub(crate) struct Callbacks(NonNull<Table>);

// SAFETY: it owns the table, all of which is `Send`.
unsafe impl Send for Callbacks {}

impl Callbacks {
    pub fn new() -> Self {
        Callbacks(NonNull::from(Box::leak(Box::default())))
    }

    pub fn get_mut(&mut self) -> &mut Table {
        // SAFETY: the table lives as long as self. The library uses it only in calls, which borrow self.
        unsafe { self.0.as_mut() }
    }

    /// Sets those callbacks that there are.
    pub fn install(&self, options: &mut eplb_sys::eplb_options) {
        // SAFETY: as in get_mut.
        let table = unsafe { self.0.as_ref() };
        options.user = self.0.as_ptr().cast();
        options.log_fn = table.log.as_ref().map(|_| on_log as _);
        options.progress_fn = table.progress.as_ref().map(|_| on_progress as _);
        options.alloc_fn = table.allocator.as_ref().map(|_| on_alloc as _);
        options.free_fn = table.allocator.as_ref().map(|_| on_free as _);
    }

    /// A call that may call back.
    #[inline]
    pub fn call(&mut self, make: impl FnOnce(*mut eplb_sys::eplb_error) -> eplb_sys::eplb_status) -> Result<()> {
        let result = call(make);
        self.resume_panic();
        result
    }

    /// Goes on with the panic of a callback, if there was one.
    #[inline]
    pub fn resume_panic(&mut self) {
        if let Some(panic) = self.get_mut().panic.take() {
            resume_unwind(panic);
        }
    }
}

impl Drop for Callbacks {
    fn drop(&mut self) {
        // SAFETY: it was a box, and the library has no more use for it.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// Runs a callback that must not unwind; the answer of one that does is `otherwise`.
fn caught<T>(panic: &mut Option<Box<dyn Any + Send>>, otherwise: T, callback: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(callback)).unwrap_or_else(|payload| {
        match panic {
            None => *panic = Some(payload),
            Some(_) => std::mem::forget(payload), // dropping it could panic again
        }
        otherwise
    })
}

/// # Safety
/// `user` is what [`Callbacks::install`] has set, in a callback of a call that has borrowed the [`Callbacks`]. Nobody
/// else uses the table meanwhile: the library calls back on the thread that is inside a call of it.
unsafe fn table<'a>(user: *mut c_void) -> &'a mut Table {
    // SAFETY: see above.
    unsafe { &mut *user.cast() }
}

unsafe extern "C" fn on_log(user: *mut c_void, level: i32, message: *const c_char) {
    // SAFETY: the library hands over what install has set, and a line that ends in a 0.
    let (Table { log, panic, .. }, message) = unsafe { (table(user), CStr::from_ptr(message)) };
    if let (Some(log), None) = (log, &panic) {
        caught(panic, (), || log(LogLevel::from_value(level), &message.to_string_lossy()));
    }
}

unsafe extern "C" fn on_progress(user: *mut c_void, done: i64, total: i64) -> i32 {
    // SAFETY: the library hands over what install has set.
    let Table { progress, panic, .. } = unsafe { table(user) };
    match (progress, &panic) {
        (Some(progress), None) => caught(panic, ControlFlow::Break(()), || progress(done, total)).is_break().into(),
        _ => 1,
    }
}

unsafe extern "C" fn on_alloc(user: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: the library hands over what install has set.
    let Table { allocator, panic, .. } = unsafe { table(user) };
    match allocator {
        Some(allocator) => caught(panic, null_mut(), || allocator.allocate(size)),
        None => null_mut(),
    }
}

unsafe extern "C" fn on_free(user: *mut c_void, pointer: *mut c_void) {
    // SAFETY: the library hands over what install has set.
    let Table { allocator, panic, .. } = unsafe { table(user) };
    if let Some(allocator) = allocator {
        // SAFETY: the pointer is from on_alloc.
        caught(panic, (), || unsafe { allocator.free(pointer) });
    }
}

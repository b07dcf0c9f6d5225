// SPDX-License-Identifier: MIT
//! Finding the library, and whether it is recent enough.

use std::fmt;

/// Why the library cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError(String);

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LoadError {}

/// A patch level changes nothing in the interface, so it may be older than ours. That the library is not of a later,
/// incompatible ABI is what its SONAME says.
fn check_version(found: i32) -> Result<(), LoadError> {
    let minor = |version: i32| version / 100;
    if minor(found) >= minor(crate::EPLB_VERSION) {
        return Ok(());
    }
    let text = |version: i32| format!("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
    Err(LoadError(format!(
        "libeplb {} was found, but this program needs {} or later",
        text(found),
        text(minor(crate::EPLB_VERSION) * 100)
    )))
}

/// Checks that the library is recent enough. With the feature `dlopen` it also loads it, on the first call.
#[cfg(not(feature = "dlopen"))]
#[inline]
pub fn load() -> Result<(), LoadError> {
    // SAFETY: the call has no requirements.
    check_version(unsafe { crate::eplb_version() })
}

#[cfg(feature = "dlopen")]
mod loaded {
    use super::{check_version, LoadError};
    use crate::Functions;
    use std::ffi::{CStr, CString};
    use std::os::raw::{c_char, c_int, c_void};
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;
    use std::ptr;
    use std::sync::atomic::{AtomicPtr, Ordering};

    #[link(name = "dl")]
    extern "C" {
        fn dlopen(file: *const c_char, flags: c_int) -> *mut c_void;
        fn dlsym(library: *mut c_void, symbol: *const c_char) -> *mut c_void;
        fn dlerror() -> *const c_char;
    }
    /// As Linux has it on every architecture that libeplb is built for.
    const RTLD_NOW: c_int = 2;

    /// Set once, and never freed: functions may be in use until the process ends.
    static FUNCTIONS: AtomicPtr<Functions> = AtomicPtr::new(ptr::null_mut());

    /// Loads `libeplb.so.0`, as the dynamic linker finds it, and checks that it is recent enough. On later calls it
    /// only says that this has been done.
    #[inline]
    pub fn load() -> Result<(), LoadError> {
        if FUNCTIONS.load(Ordering::Acquire).is_null() {
            publish(open(Path::new("libeplb.so.0"))?);
        }
        Ok(())
    }

    /// [`load`] for a library at a path of your own. An error if one is loaded already.
    pub fn load_from(file: &Path) -> Result<(), LoadError> {
        if publish(open(file)?) {
            Ok(())
        } else {
            Err(LoadError(format!("{} is not used: libeplb is loaded already", file.display())))
        }
    }

    /// Whether these functions are now the ones in use; false if others came first.
    fn publish(functions: Functions) -> bool {
        let functions = Box::into_raw(Box::new(functions));
        let published =
            FUNCTIONS.compare_exchange(ptr::null_mut(), functions, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if !published {
            // SAFETY: nobody else has seen the pointer.
            drop(unsafe { Box::from_raw(functions) });
        }
        published
    }

    pub(crate) fn functions() -> &'static Functions {
        // SAFETY: what is published is complete and lives for ever.
        unsafe { FUNCTIONS.load(Ordering::Acquire).as_ref() }.expect("libeplb is not loaded; call load first")
    }

    /// The file stays open, also if it turns out not to be libeplb: it has run its initialisers, and cannot be closed
    /// without running others.
    fn open(file: &Path) -> Result<Functions, LoadError> {
        let name = CString::new(file.as_os_str().as_bytes())
            .map_err(|_| LoadError(format!("{:?} is not the name of a file", file)))?;
        // SAFETY: the name ends in a 0, and loading a library of the caller's choice is what the caller asked for.
        let library = unsafe { dlopen(name.as_ptr(), RTLD_NOW) };
        if library.is_null() {
            return Err(LoadError(format!("libeplb cannot be loaded: {}", last_error())));
        }
        let symbol = |name: &str| {
            let terminated = CString::new(name).expect("a function's name has no 0 in it");
            // SAFETY: the library is open and the name ends in a 0.
            let address = unsafe { dlsym(library, terminated.as_ptr()) };
            if address.is_null() {
                return Err(LoadError(format!(
                    "{} is not a libeplb that can be used: {}",
                    file.display(),
                    last_error()
                )));
            }
            Ok(address)
        };
        // SAFETY: this is the type of eplb_version, which no version of the library changes.
        let version =
            unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> i32>(symbol("eplb_version")?) };
        // SAFETY: the call has no requirements.
        check_version(unsafe { version() })?;
        // SAFETY: of a library of this version these are the functions that we declare.
        unsafe { Functions::find(symbol) }
    }

    fn last_error() -> String {
        // SAFETY: the text is this thread's, and valid until its next call of the dynamic linker.
        unsafe { dlerror().as_ref().map(|text| CStr::from_ptr(text).to_string_lossy().into_owned()) }
            .unwrap_or_else(|| "the dynamic linker does not say why".to_owned())
    }
}
#[cfg(feature = "dlopen")]
pub(crate) use loaded::functions;
#[cfg(feature = "dlopen")]
pub use loaded::{load, load_from};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_minor_version_is_refused() {
        let older = crate::EPLB_VERSION - 100;
        let error = check_version(older).unwrap_err().to_string();
        assert_eq!(error, "libeplb 0.0.0 was found, but this program needs 0.1.0 or later");
    }

    #[test]
    fn the_same_and_later_versions_are_taken() {
        for found in [crate::EPLB_VERSION, crate::EPLB_VERSION + 1, crate::EPLB_VERSION + 100, 10000] {
            assert_eq!(check_version(found), Ok(()));
        }
    }
}

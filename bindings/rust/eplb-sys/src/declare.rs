// SPDX-License-Identifier: MIT

/// Declares the items of the header. Functions are linked, or, with the feature `dlopen`, those that were loaded.
macro_rules! declare {
    (
        handles { $($handle:ident;)* }
        constants { $($constant:ident = $value:expr;)* }
        callbacks { $($callback:ident($($from:ident: $from_type:ty),*) $(-> $answer:ty)?;)* }
        structs { $($struct:ident { $($field:ident: $field_type:ty,)* })* }
        functions { $($function:ident($($parameter:ident: $type:ty),* $(,)?) $(-> $returns:ty)?;)* }
    ) => {
        $(
            /// An object of the library, known by its address only.
            #[repr(C)]
            pub struct $handle {
                opaque: [u8; 0],
                /// Not `Send`, not `Sync`, not `Unpin`: what it is, is the library's affair.
                marker: std::marker::PhantomData<(*mut u8, std::marker::PhantomPinned)>,
            }
        )*

        $(pub const $constant: i32 = $value;)*

        $(pub type $callback = Option<unsafe extern "C" fn($($from: $from_type),*) $(-> $answer)?>;)*

        $(
            #[repr(C)]
            #[derive(Debug, Clone, Copy)]
            pub struct $struct {
                $(pub $field: $field_type,)*
            }
        )*

        #[cfg(not(feature = "dlopen"))]
        extern "C" {
            $(pub fn $function($($parameter: $type),*) $(-> $returns)?;)*
        }

        $(
            #[cfg(feature = "dlopen")]
            /// # Safety
            /// What the header asks for.
            /// # Panics
            /// If the library is not loaded; see [`load`].
            #[inline]
            pub unsafe fn $function($($parameter: $type),*) $(-> $returns)? {
                (crate::library::functions().$function)($($parameter),*)
            }
        )*

        /// What [`crate::library`] finds in the library.
        #[cfg(feature = "dlopen")]
        pub(crate) struct Functions {
            $($function: unsafe extern "C" fn($($parameter: $type),*) $(-> $returns)?,)*
        }

        #[cfg(feature = "dlopen")]
        impl Functions {
            /// # Safety
            /// `symbol` gives the addresses of the functions of libeplb.
            pub(crate) unsafe fn find(
                symbol: impl Fn(&str) -> Result<*mut c_void, crate::LoadError>,
            ) -> Result<Self, crate::LoadError> {
                Ok(Functions {
                    $($function: std::mem::transmute::<
                        *mut c_void,
                        unsafe extern "C" fn($($parameter: $type),*) $(-> $returns)?,
                    >(symbol(stringify!($function))?),)*
                })
            }
        }
    };
}

/// Checks the size of a struct, and of each field its size, its offset, and what the library's function writes into it.
#[cfg(test)]
macro_rules! is_laid_out {
    (
        $struct:ident, $init:ident, $size:literal bytes,
        $($field:ident: $field_size:literal bytes at $offset:literal $(, by default $default:literal)?;)*
    ) => {
        assert_eq!(std::mem::size_of::<$struct>(), $size, stringify!($struct));
        let mut made = std::mem::MaybeUninit::<$struct>::zeroed();
        // SAFETY: there is room for a struct of this size.
        assert_eq!(unsafe { $init(made.as_mut_ptr(), $size) }, EPLB_SUCCESS);
        // SAFETY: zeros are a value of every struct of the header, and so is what the library makes of them.
        let made = unsafe { made.assume_init() };
        $({
            let name = stringify!($struct.$field);
            assert_eq!(std::mem::size_of_val(&made.$field), $field_size, "size of {}", name);
            let offset = std::ptr::addr_of!(made.$field) as usize - std::ptr::addr_of!(made) as usize;
            assert_eq!(offset, $offset, "offset of {}", name);
            $(assert_eq!(made.$field, $default, "default of {}", name);)?
        })*
    };
}

// SPDX-License-Identifier: MIT

/// Declares the header's items, and for the tests a table of what was declared, so that the two cannot differ.
macro_rules! declare {
    (
        constants { $($constant:ident = $value:expr;)* }
        callbacks { $($callback:ident($($from:ident: $from_type:ty),*) $(-> $answer:ty)?;)* }
        structs { $($struct:ident { $($field:ident: $field_type:ty,)* })* }
        functions { $($function:ident($($parameter:ident: $type:ty),* $(,)?) $(-> $returns:ty)?;)* }
    ) => {
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
                symbol: impl Fn(&str) -> Result<*mut c_void, LoadError>,
            ) -> Result<Self, LoadError> {
                Ok(Functions {
                    $($function: std::mem::transmute::<
                        *mut c_void,
                        unsafe extern "C" fn($($parameter: $type),*) $(-> $returns)?,
                    >(symbol(stringify!($function))?),)*
                })
            }
        }

        #[cfg(test)]
        mod declared {
            use super::*;
            use crate::layout_test::{field, Field, Function, Struct};

            pub const CONSTANTS: &[(&str, i32)] = &[$((stringify!($constant), $value)),*];

            pub const CALLBACKS: &[Function] = &[$(Function {
                name: stringify!($callback),
                parameters: &[$((stringify!($from), stringify!($from_type))),*],
                returns: concat!($(stringify!($answer))?),
            }),*];

            pub const FUNCTIONS: &[Function] = &[$(Function {
                name: stringify!($function),
                parameters: &[$((stringify!($parameter), stringify!($type))),*],
                returns: concat!($(stringify!($returns))?),
            }),*];

            pub fn structs() -> Vec<Struct> {
                vec![$(Struct {
                    name: stringify!($struct),
                    size: std::mem::size_of::<$struct>(),
                    fields: vec![$(Field {
                        name: stringify!($field),
                        r#type: stringify!($field_type),
                        offset: field!($struct, $field).0,
                        size: field!($struct, $field).1,
                    }),*],
                }),*]
            }
        }
    };
}

// SPDX-License-Identifier: MIT
//! The enumerations of the header.

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

            #[cfg(test)]
            pub(crate) const RAW: &'static [&'static str] = &[$(stringify!($raw)),*];

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

open_enum! {
    /// How a placement is found. Every value but [`AUTO`](Self::AUTO) and [`SEARCH`](Self::SEARCH) is a preset of the
    /// packing choices in [`Options`](crate::Options) and never changes its maps.
    pub struct Strategy {
        /// What the library recommends for the shape and the samples; may become better between minor versions.
        AUTO = EPLB_STRATEGY_AUTO,
        /// Heaviest first, to the lightest gpu with room (DeepSeek's EPLB).
        LPT = EPLB_STRATEGY_LPT,
        /// lpt, then 20 swaps between the heaviest and the lightest gpu.
        LPT_SWAP_MINMAX = EPLB_STRATEGY_LPT_SWAP_MINMAX,
        /// 4 perturbed lpt-swap-minmax, the one with the least spread.
        LPT_RESTART4 = EPLB_STRATEGY_LPT_RESTART4,
        /// lpt, then 50 swaps between the heaviest and any gpu.
        LPT_SWAP_ANY = EPLB_STRATEGY_LPT_SWAP_ANY,
        /// 64 perturbed lpt with 20 swaps heaviest to any, the lowest peak.
        LPT_RESTART64_ANY = EPLB_STRATEGY_LPT_RESTART64_ANY,
        /// lpt, then 50 swaps between any two gpus, on the sum of squares.
        LPT_SWAP_L2 = EPLB_STRATEGY_LPT_SWAP_L2,
        /// Dealt to and fro, then 20 swaps heaviest to lightest.
        ZIGZAG_SWAP_MINMAX = EPLB_STRATEGY_ZIGZAG_SWAP_MINMAX,
        /// 64 perturbed lpt-swap-minmax, the lowest peak.
        LPT_RESTART64_MINMAX = EPLB_STRATEGY_LPT_RESTART64_MINMAX,
        /// A tabu search over placements, under each sample by itself, on gpus as they are, without two replicas of an
        /// expert on one gpu. May change between minor versions.
        SEARCH = EPLB_STRATEGY_SEARCH,
    }
}

open_enum! {
    /// What counts as a locality boundary.
    pub struct Policy {
        /// Global if there is 1 group and 1 node, which is the same; else hierarchical if the groups can be shared out
        /// evenly to the nodes, global otherwise.
        AUTO = EPLB_POLICY_AUTO,
        /// Groups to nodes, replicas within their node, replicas to gpus.
        HIERARCHICAL = EPLB_POLICY_HIERARCHICAL,
        /// Groups and nodes are ignored.
        GLOBAL = EPLB_POLICY_GLOBAL,
    }
}

open_enum! {
    /// Where a plan is computed.
    pub struct Backend {
        /// Where the memory is: on the CPU for host memory, with CUDA for CUDA memory.
        AUTO = EPLB_BACKEND_AUTO,
        /// On the host; needs no driver and never makes a CUDA call.
        CPU = EPLB_BACKEND_CPU,
        /// On one CUDA device.
        CUDA = EPLB_BACKEND_CUDA,
    }
}

open_enum! {
    /// Where the buffers of a context are.
    pub struct Memory {
        /// In host memory, pageable or pinned.
        HOST = EPLB_MEMORY_HOST,
        /// In what the context's CUDA device can address: its own memory, managed, or pinned.
        CUDA = EPLB_MEMORY_CUDA,
    }
}

open_enum! {
    /// First packing of the items.
    pub struct Initial {
        /// As the strategy has it.
        PRESET = EPLB_INITIAL_PRESET,
        /// Heaviest first, each to the lightest pack that has room.
        LPT = EPLB_INITIAL_LPT,
        /// Heaviest first, to packs 0..m-1, m-1..0, 0..m-1, ...
        ZIGZAG = EPLB_INITIAL_ZIGZAG,
    }
}

open_enum! {
    /// How strongly candidate c of C is perturbed; candidate 0 never is.
    pub struct AmplitudeForm {
        /// As the strategy has it.
        PRESET = EPLB_AMPLITUDE_PRESET,
        /// All by the same amplitude.
        CONSTANT = EPLB_AMPLITUDE_CONSTANT,
        /// By amplitude * c / (C - 1).
        LINEAR = EPLB_AMPLITUDE_LINEAR,
    }
}

open_enum! {
    /// Which two items may change places after the first packing.
    pub struct SwapScope {
        /// As the strategy has it.
        PRESET = EPLB_SWAP_PRESET,
        /// None.
        NONE = EPLB_SWAP_NONE,
        /// One of the heaviest pack, one of the lightest; lowers the peak.
        HEAVIEST_LIGHTEST = EPLB_SWAP_HEAVIEST_LIGHTEST,
        /// One of the heaviest pack, one of any other; lowers the peak.
        HEAVIEST_ANY = EPLB_SWAP_HEAVIEST_ANY,
        /// Any two of different packs; lowers the sum of squared loads.
        ANY_ANY = EPLB_SWAP_ANY_ANY,
    }
}

open_enum! {
    /// Which candidate is the best.
    pub struct Selection {
        /// As the strategy has it.
        PRESET = EPLB_SELECTION_PRESET,
        /// The one whose heaviest pack is lightest.
        MAX_LOAD = EPLB_SELECTION_MAX_LOAD,
        /// The one with the least difference between heaviest and lightest pack.
        SPREAD = EPLB_SELECTION_SPREAD,
    }
}

open_enum! {
    /// What becomes of several samples of the loads.
    pub struct Samples {
        /// As the strategy has it: search keeps them apart, the others add them up.
        PRESET = EPLB_SAMPLES_PRESET,
        /// Each is scaled to one total, and the plan is to be good under each. Search only.
        EACH = EPLB_SAMPLES_EACH,
        /// They are added up, as if recorded in one piece.
        SUM = EPLB_SAMPLES_SUM,
    }
}

open_enum! {
    /// What a search makes small: the sum over gpus and samples of a power of what each has to bear.
    pub struct Objective {
        /// The 4th power for one sample, the 32nd for several.
        PRESET = EPLB_OBJECTIVE_PRESET,
        /// Gpus below the peak count as well. Faster.
        POWER4 = EPLB_OBJECTIVE_POWER4,
        /// Nearly the peak alone. Better under loads to come, if there are several samples.
        POWER32 = EPLB_OBJECTIVE_POWER32,
    }
}

open_enum! {
    /// Whether two replicas of an expert may be on one gpu, where they are of little use.
    pub struct Duplicates {
        /// As the strategy has it: search avoids them, the others do not look.
        PRESET = EPLB_DUPLICATES_PRESET,
        /// No expert twice on a gpu, wherever there are gpus enough. Search only.
        AVOID = EPLB_DUPLICATES_AVOID,
        /// It does not matter.
        ALLOW = EPLB_DUPLICATES_ALLOW,
    }
}

open_enum! {
    /// Severity of a log line; a greater one is less severe.
    pub struct LogLevel {
        /// Nothing is logged.
        NONE = EPLB_LOG_NONE,
        /// Something is not as it was probably meant.
        WARNING = EPLB_LOG_WARNING,
        /// What was chosen when a context is created.
        INFO = EPLB_LOG_INFO,
        /// A line for each plan.
        DEBUG = EPLB_LOG_DEBUG,
    }
}

open_enum! {
    /// What [`check_placement`](crate::check_placement) takes for an error beyond what always is one; put together
    /// with `|`.
    pub struct CheckFlags {
        /// Two replicas of an expert on one gpu.
        DUPLICATES = EPLB_CHECK_DUPLICATES,
    }
}

impl CheckFlags {
    /// Nothing else.
    pub const NONE: Self = CheckFlags(0);
}

impl BitOr for CheckFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        CheckFlags(self.0 | other.0)
    }
}

impl Strategy {
    /// All strategies of the library, also ones that are newer than this crate.
    pub fn all() -> Result<impl Iterator<Item = Strategy>> {
        load()?;
        // SAFETY: the call has no requirements.
        Ok((0..unsafe { eplb_sys::eplb_strategy_count() }).map(Strategy))
    }

    /// The strategy of a name, if there is one.
    pub fn from_name(name: &str) -> Option<Strategy> {
        load().ok()?;
        let name = CString::new(name).ok()?;
        // SAFETY: the name ends in a 0.
        let value = unsafe { eplb_sys::eplb_strategy_from_name(name.as_ptr()) };
        (value >= 0).then_some(Strategy(value))
    }

    /// Its name, such as "lpt-swap-any". `None` for an unknown value, or if the library cannot be loaded.
    pub fn name(self) -> Option<&'static str> {
        load().ok()?;
        // SAFETY: every value is allowed, and the text is static.
        unsafe { static_text(eplb_sys::eplb_strategy_name(self.0)) }
    }

    /// One line about it. `None` for an unknown value, or if the library cannot be loaded.
    pub fn description(self) -> Option<&'static str> {
        load().ok()?;
        // SAFETY: every value is allowed, and the text is static.
        unsafe { static_text(eplb_sys::eplb_strategy_description(self.0)) }
    }
}

impl Backend {
    /// All backends of the library, also ones that are newer than this crate.
    pub fn all() -> Result<impl Iterator<Item = Backend>> {
        load()?;
        // SAFETY: the call has no requirements.
        Ok((0..unsafe { eplb_sys::eplb_backend_count() }).map(Backend))
    }

    /// Its name: "auto", "cpu", "cuda". `None` for an unknown value, or if the library cannot be loaded.
    pub fn name(self) -> Option<&'static str> {
        load().ok()?;
        // SAFETY: every value is allowed, and the text is static.
        unsafe { static_text(eplb_sys::eplb_backend_name(self.0)) }
    }

    /// Success if it can be used in this process now; otherwise the error says why not. Asking about CUDA initialises
    /// the driver, so do not ask before a fork.
    pub fn available(self) -> Result<()> {
        // SAFETY: every value is allowed.
        call(|error| unsafe { eplb_sys::eplb_backend_available(self.0, error) })
    }

    /// Number of its devices, 0 if it is not available; the host is one device of the CPU backend. Asking about CUDA
    /// initialises the driver, as does the next call.
    pub fn device_count(self) -> Result<usize> {
        load()?;
        // SAFETY: every value is allowed.
        let count = unsafe { eplb_sys::eplb_device_count(self.0) };
        Ok(count.try_into().unwrap_or(0))
    }

    /// One line about a device, of which there are [`device_count`](Self::device_count).
    pub fn device_describe(self, device: usize) -> Result<String> {
        let mut line = [0; 256];
        let device = crate::raw::int32(device);
        // SAFETY: the buffer is as long as is said.
        call(|error| unsafe { eplb_sys::eplb_device_describe(self.0, device, line.as_mut_ptr(), line.len(), error) })?;
        // SAFETY: the line ends in a 0, cut to fit.
        Ok(unsafe { text(line.as_ptr()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status;
    use std::collections::BTreeSet;

    #[test]
    fn every_enumeration_of_the_header_is_complete() {
        let known: BTreeSet<&str> = [
            Status::RAW,
            Strategy::RAW,
            Policy::RAW,
            Backend::RAW,
            Memory::RAW,
            Initial::RAW,
            AmplitudeForm::RAW,
            SwapScope::RAW,
            Selection::RAW,
            Samples::RAW,
            Objective::RAW,
            Duplicates::RAW,
            LogLevel::RAW,
            CheckFlags::RAW,
        ]
        .concat()
        .into_iter()
        .collect();
        let layout = test_support::read_json("tests/abi/layout.json");
        let constants = layout.get("constants").object().iter().map(|(name, _)| name.as_str());
        // Versions are no enumeration, and types of elements are types of Rust.
        let missing: Vec<_> = constants
            .filter(|name| !name.starts_with("EPLB_VERSION") && !name.starts_with("EPLB_TYPE_"))
            .filter(|name| !known.contains(name))
            .collect();
        assert!(missing.is_empty(), "no constant for {:?}", missing);
    }

    #[test]
    fn unknown_values_are_kept_and_shown() {
        assert_eq!(
            format!("{:?} {:?}", Strategy::LPT_SWAP_ANY, Strategy::from_value(99)),
            "Strategy::LPT_SWAP_ANY Strategy(99)"
        );
        assert_eq!(Strategy::from_value(99).value(), 99);
    }
}

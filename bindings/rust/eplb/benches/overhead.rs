// SPDX-License-Identifier: MIT
//! What a plan costs from Rust more than from C: `cargo bench --bench overhead`. The C loop, `loop.c`, is compiled here
//! and called in the same process; rounds of both take turns, so that what else goes on meets both.

use eplb::{Context, Input, Maps, Options, Shape, Strategy};
use std::ffi::CString;
use std::mem::transmute;
use std::os::raw::{c_char, c_int, c_void};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

#[link(name = "dl")]
extern "C" {
    fn dlopen(file: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, symbol: *const c_char) -> *mut c_void;
}

/// The functions of loop.c.
struct CLoop {
    create: unsafe extern "C" fn(*const i32) -> *mut c_void,
    destroy: unsafe extern "C" fn(*mut c_void),
    plan: unsafe extern "C" fn(*mut c_void, *const f32, usize, *mut i32, usize, i32) -> i32,
}

impl CLoop {
    fn compile() -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/loop.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libloop.so");
        let flags = Command::new("pkg-config").args(["--cflags", "--libs", "eplb"]).output().expect("pkg-config runs");
        let flags = String::from_utf8(flags.stdout).expect("flags are UTF-8");
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source).args(flags.split_whitespace());
        assert!(compiler.status().expect("cc runs").success());

        let c_string = |text: &str| CString::new(text).expect("no 0 in it");
        let file = c_string(library.to_str().expect("the path is UTF-8"));
        const RTLD_NOW: c_int = 2;
        // SAFETY: the name ends in a 0.
        let library = unsafe { dlopen(file.as_ptr(), RTLD_NOW) };
        assert!(!library.is_null());
        let symbol = |name| {
            // SAFETY: the library is open and the name ends in a 0.
            let address = unsafe { dlsym(library, c_string(name).as_ptr()) };
            assert!(!address.is_null());
            address
        };
        // SAFETY: these are their types in loop.c.
        unsafe {
            CLoop {
                create: transmute::<*mut c_void, unsafe extern "C" fn(*const i32) -> *mut c_void>(symbol("c_create")),
                destroy: transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(symbol("c_destroy")),
                plan: transmute::<
                    *mut c_void,
                    unsafe extern "C" fn(*mut c_void, *const f32, usize, *mut i32, usize, i32) -> i32,
                >(symbol("c_plan")),
            }
        }
    }
}

/// Microseconds of a plan, of `plans` in a round.
fn per_plan(plans: i32, round: impl FnOnce()) -> f64 {
    let start = Instant::now();
    round();
    start.elapsed().as_secs_f64() * 1e6 / f64::from(plans)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn measure(c: &CLoop, [layers, experts, slots, gpus]: [usize; 4], plans: i32) {
    let loads: Vec<f32> = (0..layers * experts).map(|i| (i * 7919 % 1009 + 1) as f32).collect();
    let (mut by_c, mut by_rust) = (vec![-1i32; layers * slots], vec![-2i32; layers * slots]);

    let shape = Shape::new().num_layers(layers).num_logical_experts(experts).num_physical_experts(slots).num_gpus(gpus);
    let mut context = Context::new(&shape, Options::new().strategy(Strategy::LPT)).expect("a context");
    // SAFETY: the function reads four numbers.
    let c_context = unsafe { (c.create)([layers, experts, slots, gpus].map(|extent| extent as i32).as_ptr()) };
    assert!(!c_context.is_null());

    let mut rounds = Vec::new();
    for _ in 0..41 {
        let c_time = per_plan(plans, || {
            let (loads, slots) = ((loads.as_ptr(), loads.len()), (by_c.as_mut_ptr(), by_c.len()));
            // SAFETY: the context is valid, and the buffers are as long as is said.
            assert_eq!(unsafe { (c.plan)(c_context, loads.0, loads.1, slots.0, slots.1, plans) }, 0);
        });
        let rust_time = per_plan(plans, || {
            for _ in 0..plans {
                context.submit_weights(&Input::new(&loads)).expect("a plan");
                context.get_maps(Maps::new().physical_to_logical(&mut by_rust)).expect("maps");
            }
        });
        rounds.push((c_time, rust_time));
    }
    // SAFETY: the context is valid, and this is its last use.
    unsafe { (c.destroy)(c_context) };
    assert_eq!(by_c, by_rust);

    let of = |value: fn(&(f64, f64)) -> f64| median(rounds.iter().map(value).collect());
    println!(
        "{:>6} {:>7} {:>5} {:>4} {:>10.3} {:>10.3} {:>+10.3}",
        layers,
        experts,
        slots,
        gpus,
        of(|times| times.0),
        of(|times| times.1),
        of(|times| times.1 - times.0)
    );
}

fn main() {
    let c = CLoop::compile();
    println!("Microseconds of a submit and a get, median of rounds; the difference is the median of those of a round.");
    println!("layers experts slots gpus          C       Rust difference");
    measure(&c, [58, 256, 288, 32], 20);
    measure(&c, [1, 8, 8, 2], 20000);
}

// SPDX-License-Identifier: MIT
//! Closures that the library calls, and what becomes of their panics.

use eplb::*;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::os::raw::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

const LAYERS: usize = 6;
const SLOTS: usize = 24;

fn shape() -> Shape<'static> {
    Shape::new().num_layers(LAYERS).num_logical_experts(16).num_physical_experts(SLOTS).num_gpus(8)
}

fn loads(seed: u32) -> Vec<f32> {
    (0..LAYERS as u32 * 16).map(|i| (i * (37 + seed) % 101) as f32).collect()
}

fn maps_of(context: &mut Context) -> Vec<i32> {
    let mut out = vec![-7; LAYERS * SLOTS];
    context.get_maps(Maps::new().physical_to_logical(&mut out)).unwrap();
    out
}

/// The text of the panic that `body` ends in.
fn panic_of<T>(body: impl FnOnce() -> T) -> String {
    let payload = catch_unwind(AssertUnwindSafe(body)).err().expect("a panic");
    payload.downcast_ref::<&str>().expect("a text").to_string()
}

#[test]
fn log_lines_have_a_level() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let log = move |level, line: &str| sink.lock().unwrap().push((level, line.to_owned()));
    let mut context = Context::new(&shape(), Options::new().log_level(LogLevel::DEBUG).log(log)).unwrap();
    context.submit_weights(&Input::new(&loads(1))).unwrap();
    drop(context);
    let lines = Arc::try_unwrap(lines).expect("the closure is gone with its context").into_inner().unwrap();
    let levels: Vec<_> = lines.iter().map(|(level, _)| *level).collect();
    assert_eq!(levels, [LogLevel::INFO, LogLevel::DEBUG]);
    assert!(lines[0].1.contains("6 layers"), "{:?}", lines);
}

#[test]
fn progress_goes_to_the_end_and_may_cancel() {
    for threads in [1, 3] {
        let seen = Arc::new(Mutex::new((Vec::new(), usize::MAX)));
        let sink = Arc::clone(&seen);
        let options = Options::new().num_threads(threads).progress(move |done, total| {
            let mut seen = sink.lock().unwrap();
            seen.0.push((done, total));
            if seen.0.len() < seen.1 {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        let mut context = Context::new(&shape(), options).unwrap();
        context.submit_weights(&Input::new(&loads(1))).unwrap();
        assert_eq!(seen.lock().unwrap().0.last(), Some(&(6, 6)));
        let before = maps_of(&mut context);

        *seen.lock().unwrap() = (Vec::new(), 1);
        let error = context.submit_weights(&Input::new(&loads(2))).unwrap_err();
        assert_eq!(error.status(), Status::CANCELLED);
        assert_eq!(maps_of(&mut context), before);

        *seen.lock().unwrap() = (Vec::new(), usize::MAX);
        context.submit_weights(&Input::new(&loads(2))).unwrap();
        assert_ne!(maps_of(&mut context), before);
    }
}

#[test]
fn one_call_lends_its_closures() {
    let calls = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&calls);
    let mut options = Options::new().progress(move |_, _| {
        *counter.lock().unwrap() += 1;
        ControlFlow::Continue(())
    });
    for _ in 0..2 {
        let loads = loads(1);
        let mut packs = vec![0i32; loads.len()];
        let packing = Packing::new().num_rows(LAYERS).num_items(16).num_packs(4).pack_index(&mut packs);
        balanced_packing(&mut options, &Input::new(&loads), packing).unwrap();
    }
    assert!(*calls.lock().unwrap() >= 2);
}

#[test]
fn a_panic_in_progress_cancels_and_goes_on() {
    let armed = Arc::new(AtomicBool::new(false));
    let trigger = Arc::clone(&armed);
    let options = Options::new().progress(move |_, _| {
        if trigger.swap(false, Ordering::Relaxed) {
            panic!("out of progress");
        }
        ControlFlow::Continue(())
    });
    let mut context = Context::new(&shape(), options).unwrap();
    context.submit_weights(&Input::new(&loads(1))).unwrap();
    let before = maps_of(&mut context);
    armed.store(true, Ordering::Relaxed);
    assert_eq!(panic_of(|| context.submit_weights(&Input::new(&loads(2)))), "out of progress");
    assert_eq!(maps_of(&mut context), before);
    context.submit_weights(&Input::new(&loads(2))).unwrap();
    assert_ne!(maps_of(&mut context), before);
}

#[test]
fn a_panic_in_log_goes_on_after_the_call() {
    let options = || Options::new().log(|_, _| panic!("no log"));
    assert_eq!(panic_of(|| Context::new(&shape(), options())), "no log");
    let loads = loads(1);
    let mut expert_of_slot = vec![-7i32; LAYERS * SLOTS];
    let planned = panic_of(|| {
        let maps = Maps::new().physical_to_logical(&mut expert_of_slot);
        rebalance_experts(&shape(), &mut options(), &Input::new(&loads), maps, StatsBuffers::new())
    });
    assert_eq!(planned, "no log");
    assert!(expert_of_slot.iter().all(|&expert| expert >= 0), "the call has gone to its end");
}

/// Memory from Rust's own allocator, and what is left of it.
#[derive(Clone, Default)]
struct Counting {
    blocks: Arc<Mutex<HashMap<usize, Vec<u128>>>>,
    freed: Arc<Mutex<usize>>,
    fails: Fails,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Fails {
    #[default]
    Never,
    ByNull,
    ByPanic,
    ByPanicInFree,
}

// SAFETY: a block is a vector of elements of 16 bytes, kept until it is freed.
unsafe impl Allocator for Counting {
    fn allocate(&mut self, size: usize) -> *mut c_void {
        match self.fails {
            Fails::ByNull => return std::ptr::null_mut(),
            Fails::ByPanic => panic!("no memory"),
            Fails::Never | Fails::ByPanicInFree => {}
        }
        let mut block = vec![0u128; size / 16 + 1];
        let address = block.as_mut_ptr();
        self.blocks.lock().unwrap().insert(address as usize, block);
        address.cast()
    }

    unsafe fn free(&mut self, pointer: *mut c_void) {
        assert!(self.blocks.lock().unwrap().remove(&(pointer as usize)).is_some(), "freed once");
        *self.freed.lock().unwrap() += 1;
        if self.fails == Fails::ByPanicInFree {
            panic!("no more freeing");
        }
    }
}

#[test]
fn memory_is_given_back_once() {
    let memory = Counting::default();
    let mut context = Context::new(&shape(), Options::new().allocator(memory.clone())).unwrap();
    context.submit_weights(&Input::new(&loads(1))).unwrap();
    let taken: usize = memory.blocks.lock().unwrap().values().map(|block| block.len() * 16).sum();
    assert!(taken >= memory_needed(&shape(), &Options::new()).unwrap().host_bytes);
    drop(context);
    assert!(memory.blocks.lock().unwrap().is_empty());
    assert_eq!(*memory.freed.lock().unwrap(), 1);
}

#[test]
fn an_allocator_that_fails() {
    let of = |fails| Options::new().allocator(Counting { fails, ..Counting::default() });
    assert_eq!(Context::new(&shape(), of(Fails::ByNull)).unwrap_err().status(), Status::OUT_OF_MEMORY);
    assert_eq!(panic_of(|| Context::new(&shape(), of(Fails::ByPanic))), "no memory");
    let context = Context::new(&shape(), of(Fails::ByPanicInFree)).unwrap();
    assert_eq!(panic_of(|| drop(context)), "no more freeing");
}

// SPDX-License-Identifier: MIT
//! Each wrong use that compiles is an error with a sentence, and leaves buffers and plan as they were. What does not
//! compile is in the page docs/rust.md.

use eplb::*;

fn shape() -> Shape<'static> {
    Shape::new().num_layers(1).num_logical_experts(4).num_physical_experts(6).num_gpus(2)
}

const LOADS: [f32; 4] = [96.0, 30.0, 20.0, 10.0];

fn assert_error<T: std::fmt::Debug>(result: Result<T>, status: Status, words: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.status(), status, "{}", error);
    assert!(error.to_string().contains(words), "{} is not in: {}", words, error);
}

fn planned() -> Context {
    let mut context = Context::new(&shape(), Options::new()).unwrap();
    context.submit_weights(&Input::new(&LOADS)).unwrap();
    context
}

fn expert_of_slot(context: &mut Context) -> [i32; 6] {
    let mut out = [-7; 6];
    context.get_maps(Maps::new().physical_to_logical(&mut out)).unwrap();
    out
}

#[test]
fn impossible_shapes() {
    for (shape, words) in [
        (Shape::new(), "num_layers is 0"),
        (shape().num_physical_experts(3), "num_physical_experts is 3"),
        (shape().num_layers(usize::MAX), "num_layers is 2147483647"),
        (shape().num_groups(3), "num_groups"),
        (shape().slots_per_gpu(&[]), "slots_per_gpu has 0 elements"),
        (shape().slots_per_gpu(&[3, -3]), "slots_per_gpu of gpu 1 is -3"),
        (shape().speed_of_gpu(&[1.0, f32::NAN]), "speed_of_gpu of gpu 1 is nan"),
    ] {
        assert_error(Context::new(&shape, Options::new()), Status::INVALID_ARGUMENT, words);
        assert_error(memory_needed(&shape, &Options::new()), Status::INVALID_ARGUMENT, words);
    }
}

#[test]
fn impossible_options() {
    for (options, words) in [
        (Options::new().strategy(Strategy::from_value(99)), "strategy is 99"),
        (Options::new().num_threads(1025), "num_threads is 1025"),
        (Options::new().candidates(usize::MAX), "candidates is 2147483647"),
        (Options::new().strategy(Strategy::LPT_RESTART4).amplitude(f32::NAN), "amplitude is nan"),
    ] {
        assert_error(Context::new(&shape(), options), Status::INVALID_ARGUMENT, words);
    }
}

#[test]
fn bad_loads_leave_the_plan() {
    let mut context = planned();
    let before = expert_of_slot(&mut context);
    for (loads, words) in [
        ([1.0, 2.0, f64::NAN, 4.0], "expert 2 is nan"),
        ([1.0, -2.0, 3.0, 4.0], "expert 1 is -2"),
        ([1.0, 2.0, 3.0, f64::INFINITY], "expert 3 is inf"),
    ] {
        assert_error(context.submit_weights(&Input::new(&loads)), Status::INVALID_LOAD, words);
    }
    assert_error(context.submit_weights(&Input::new(&[-1i64, 2, 3, 4])), Status::INVALID_LOAD, "expert 0 is -1");
    assert_eq!(expert_of_slot(&mut context), before);
}

#[test]
fn short_buffers_are_not_written() {
    let mut context = planned();
    let none: [f32; 0] = [];
    assert_error(context.submit_weights(&Input::new(&none)), Status::BUFFER_TOO_SMALL, "0 elements; it must have 4");
    assert_error(context.submit_weights(&Input::new(&LOADS[..3])), Status::BUFFER_TOO_SMALL, "3 elements");
    let twice = Input::new(&LOADS).num_samples(2);
    assert_error(context.submit_weights(&twice), Status::INVALID_ARGUMENT, "num_samples is 2");

    let mut short = [-7i32; 5];
    let maps = Maps::new().physical_to_logical(&mut short);
    assert_error(context.get_maps(maps), Status::BUFFER_TOO_SMALL, "5 elements; it must have 6");
    assert_error(
        context.get_maps(Maps::new().physical_to_logical(&mut [0i64; 0])),
        Status::BUFFER_TOO_SMALL,
        "0 elements",
    );
    let mut slots = [-7i32; 4];
    let narrow = Maps::new().logical_to_physical(&mut slots, 1);
    assert_error(context.get_maps(narrow), Status::BUFFER_TOO_SMALL, "max_replicas");
    assert_eq!((short, slots), ([-7; 5], [-7; 4]));

    let mut gpu_load = [-7.0; 1];
    let buffers = StatsBuffers::new().gpu_load(&mut gpu_load);
    assert_error(context.get_stats(buffers), Status::BUFFER_TOO_SMALL, "1 element; it must have 2");
    assert_eq!(gpu_load, [-7.0]);

    let packing = Packing::new().num_rows(1).num_items(4).num_packs(2).pack_index(&mut short[..3]);
    let packed = balanced_packing(&mut Options::new(), &Input::new(&LOADS), packing);
    assert_error(packed, Status::BUFFER_TOO_SMALL, "3 elements; it must have 4");
}

#[test]
fn longer_buffers_are_written_at_their_front() {
    let mut long = [-7i32; 8];
    planned().get_maps(Maps::new().physical_to_logical(&mut long)).unwrap();
    assert!(long[..6].iter().all(|&expert| expert >= 0) && long[6..] == [-7, -7]);
}

#[test]
fn no_maps_at_all_are_fine() {
    planned().get_maps(Maps::<i32>::new()).unwrap();
}

#[test]
fn a_context_without_a_plan() {
    let mut context = Context::new(&shape(), Options::new()).unwrap();
    let mut out = [-7i32; 6];
    let maps = Maps::new().physical_to_logical(&mut out);
    assert_error(context.get_maps(maps), Status::INVALID_STATE, "no plan yet");
    assert_error(context.get_max_replica_count(), Status::INVALID_STATE, "no plan yet");
    assert_error(context.get_stats(StatsBuffers::new()), Status::INVALID_STATE, "no plan yet");
    assert_eq!(out, [-7; 6]);
}

#[test]
fn wrong_placements() {
    for (placement, words) in [
        ([0, 1, 2, 3, 0, 4], "slot 5 is 4"),
        ([0, 1, 2, 0, 1, 2], "expert 3 has no slot"),
        ([0, 1, 2, 3, -1, 0], "slot 4 is -1"),
    ] {
        let placement = Placement::new(&placement);
        assert_error(check_placement(&shape(), &placement, CheckFlags::NONE), Status::INVALID_PLACEMENT, words);
        let score = score_placement(&shape(), &Input::new(&LOADS), &placement, StatsBuffers::new());
        assert_error(score, Status::INVALID_PLACEMENT, words);
    }
    let twice = [0i64, 0, 1, 2, 3, 1];
    check_placement(&shape(), &Placement::new(&twice), CheckFlags::NONE).unwrap();
    let checked = check_placement(&shape(), &Placement::new(&twice), CheckFlags::DUPLICATES | CheckFlags::NONE);
    assert_error(checked, Status::INVALID_PLACEMENT, "gpu 0 has in an earlier slot");
    let unknown = check_placement(&shape(), &Placement::new(&twice), CheckFlags::from_value(-1));
    assert_error(unknown, Status::INVALID_ARGUMENT, "flags");
}

#[test]
fn a_budget_that_does_not_suffice() {
    let current = [0, 1, 2, -1, -1, -1];
    let input = Input::new(&LOADS).current(&current);
    let mut context = Context::new(&shape(), Options::new().strategy(Strategy::SEARCH)).unwrap();
    assert_error(context.submit_weights(&input.max_changes(2)), Status::INVALID_PLACEMENT, "takes 3 changes");
    context.submit_weights(&input.max_changes(3)).unwrap();
    let short = Input::new(&LOADS).current(&current[..5]);
    assert_error(context.submit_weights(&short), Status::BUFFER_TOO_SMALL, "5 elements");
}

#[test]
fn asynchronous_calls_of_a_context_on_the_cpu() {
    let mut context = planned();
    let mut out = [-7i32; 6];
    // SAFETY: a context on the CPU looks neither at streams nor at buffers of CUDA.
    unsafe {
        let input = Input::cuda(LOADS.as_ptr(), LOADS.len());
        let maps = Maps::cuda().physical_to_logical(out.as_mut_ptr(), out.len());
        let stream = std::ptr::null_mut();
        assert_error(context.submit_weights_async(&input, stream), Status::INVALID_STATE, "no streams");
        assert_error(context.get_maps_async(maps, stream), Status::INVALID_STATE, "no streams");
        assert_error(context.poll(), Status::INVALID_STATE, "no streams");
        assert_error(context.submit_weights(&input), Status::INVALID_ARGUMENT, "memory");
        let maps = Maps::cuda().physical_to_logical(out.as_mut_ptr(), out.len());
        assert_error(context.get_maps(maps), Status::INVALID_ARGUMENT, "memory");
    }
    assert_eq!(out, [-7; 6]);
}

#[test]
fn cuda_where_there_is_none() {
    if Backend::CUDA.available().is_ok() {
        return;
    }
    assert_eq!(Backend::CUDA.device_count(), Ok(0));
    for options in [Options::new().backend(Backend::CUDA), Options::new().memory(Memory::CUDA).device(0)] {
        assert_error(Context::new(&shape(), options), Status::UNAVAILABLE, "");
    }
}

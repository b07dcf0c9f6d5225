// SPDX-License-Identifier: MIT
//! What the calls and their options do.

use eplb::*;

const LAYERS: usize = 2;
const EXPERTS: usize = 8;
const SLOTS: usize = 12;
const GPUS: usize = 4;

const LOADS: [i32; LAYERS * EXPERTS] = [
    900, 120, 80, 300, 60, 110, 240, 90, //
    150, 140, 700, 650, 30, 20, 60, 250,
];

fn shape() -> Shape<'static> {
    Shape::new().num_layers(LAYERS).num_logical_experts(EXPERTS).num_physical_experts(SLOTS).num_gpus(GPUS)
}

fn plan(shape: &Shape, options: Options, input: &Input) -> (Vec<i32>, Stats) {
    let mut expert_of_slot = vec![-7; LAYERS * SLOTS];
    let maps = Maps::new().physical_to_logical(&mut expert_of_slot);
    let stats = rebalance_experts(shape, &mut { options }, input, maps, StatsBuffers::new()).unwrap();
    (expert_of_slot, stats)
}

#[test]
fn all_maps_and_statistics_of_a_context() {
    let mut context = Context::new(&shape(), Options::new().strategy(Strategy::LPT)).unwrap();
    assert_eq!(
        (context.strategy(), context.policy(), context.backend()),
        (Strategy::LPT, Policy::GLOBAL, Backend::CPU)
    );
    context.submit_weights(&Input::new(&LOADS)).unwrap();

    let most = SLOTS - EXPERTS + 1;
    let (mut expert, mut rank) = ([-7i64; LAYERS * SLOTS], [-7i64; LAYERS * SLOTS]);
    let (mut count, mut slots) = ([-7i64; LAYERS * EXPERTS], [-7i64; LAYERS * EXPERTS * (SLOTS - EXPERTS + 1)]);
    let maps = Maps::new()
        .physical_to_logical(&mut expert)
        .replica_rank(&mut rank)
        .replica_count(&mut count)
        .logical_to_physical(&mut slots, most);
    context.get_maps(maps).unwrap();

    let placement = Placement::new(&expert).replica_rank(&rank).replica_count(&count).logical_to_physical(&slots, most);
    check_placement(&shape(), &placement, CheckFlags::NONE).unwrap();
    assert_eq!(context.get_max_replica_count().unwrap() as i64, *count.iter().max().unwrap());

    let (mut layer_balancedness, mut layer_bound) = ([0.0; LAYERS], [0.0; LAYERS]);
    let mut gpu_load = [0.0; LAYERS * GPUS];
    let buffers = || StatsBuffers::new();
    let stats = context
        .get_stats(
            buffers().layer_balancedness(&mut layer_balancedness).gpu_load(&mut gpu_load).layer_bound(&mut layer_bound),
        )
        .unwrap();
    assert_eq!(stats.balancedness, layer_balancedness.iter().sum::<f64>() / LAYERS as f64);
    assert_eq!(stats.balancedness_min, layer_balancedness[0].min(layer_balancedness[1]));
    assert!(stats.balancedness <= stats.bound && layer_bound.iter().all(|bound| (0.5..=1.0).contains(bound)));
    let total: f64 = LOADS.iter().map(|&load| f64::from(load)).sum();
    assert!((gpu_load.iter().sum::<f64>() - total).abs() < 1e-6 * total);
    assert_eq!(score_placement(&shape(), &Input::new(&LOADS), &placement, buffers()).unwrap(), stats);
}

#[test]
fn a_plan_balances_what_was_not() {
    let contiguous: Vec<i32> = (0..LAYERS * SLOTS).map(|slot| (slot % SLOTS % EXPERTS) as i32).collect();
    let before =
        score_placement(&shape(), &Input::new(&LOADS), &Placement::new(&contiguous), StatsBuffers::new()).unwrap();
    let (_, after) = plan(&shape(), Options::new(), &Input::new(&LOADS));
    assert!(after.balancedness > before.balancedness + 0.1, "{:?} {:?}", before, after);
}

#[test]
fn the_seed_and_the_packing_choices_matter() {
    let mixed = || {
        Options::new()
            .strategy(Strategy::LPT)
            .initial(Initial::ZIGZAG)
            .candidates(8)
            .amplitude(0.5)
            .amplitude_form(AmplitudeForm::LINEAR)
            .swap_scope(SwapScope::HEAVIEST_ANY)
            .max_swaps(10)
            .selection(Selection::MAX_LOAD)
    };
    let input = Input::new(&LOADS);
    assert_eq!(plan(&shape(), mixed(), &input.seed(1)), plan(&shape(), mixed(), &input.seed(1)));
    let error = Context::new(&shape(), mixed().swap_scope(SwapScope::NONE)).unwrap_err();
    assert!(error.message().contains("max_swaps"), "{}", error);
    let plans: std::collections::HashSet<_> =
        (0..20).map(|seed| plan(&shape(), mixed().max_swaps(1), &input.seed(seed)).0).collect();
    assert!(plans.len() > 1);
}

#[test]
fn several_samples() {
    let mut samples = LOADS.to_vec();
    samples.extend(LOADS.iter().rev());
    let input = Input::new(&samples).num_samples(2);
    let options = || {
        Options::new()
            .strategy(Strategy::SEARCH)
            .samples(Samples::EACH)
            .objective(Objective::POWER32)
            .duplicates(Duplicates::AVOID)
            .search_steps(100)
            .max_samples(2)
    };
    let (expert_of_slot, stats) = plan(&shape(), options(), &input);
    assert_eq!(stats.duplicates, 0);
    check_placement(&shape(), &Placement::new(&expert_of_slot), CheckFlags::DUPLICATES).unwrap();

    let mut context = Context::new(&shape(), options()).unwrap();
    context.submit_weights(&input).unwrap();
    let mut again = vec![0i32; LAYERS * SLOTS];
    context.get_maps(Maps::new().physical_to_logical(&mut again)).unwrap();
    assert_eq!(again, expert_of_slot);

    let mut context = Context::new(&shape(), Options::new()).unwrap();
    let error = context.submit_weights(&input).unwrap_err();
    assert_eq!(error.status(), Status::INVALID_ARGUMENT);
}

#[test]
fn a_current_placement_and_a_budget_of_changes() {
    let (current, _) = plan(&shape(), Options::new().strategy(Strategy::SEARCH), &Input::new(&LOADS));
    let mut moved = LOADS;
    moved.reverse();
    let input = Input::new(&moved).current(&current);
    let changes = |input: &Input| plan(&shape(), Options::new(), input).1.changes;
    let free = changes(&input);
    assert!(free > 2);
    assert!(changes(&input.max_changes(2)) <= 2);
    assert!(changes(&input.max_changes_per_layer(1)) <= LAYERS as i64);
    assert_eq!(plan(&shape(), Options::new(), &input.max_changes(0)).0, current);
    assert_eq!(changes(&input.max_changes(usize::MAX).max_changes_per_layer(usize::MAX)), free);

    let wide: Vec<i64> = current.iter().map(|&expert| expert.into()).collect();
    assert_eq!(
        plan(&shape(), Options::new(), &Input::new(&moved).current(&wide)),
        plan(&shape(), Options::new(), &input)
    );
}

#[test]
fn gpus_that_are_not_alike() {
    let (slots, speeds, nodes) = ([4, 5, 0, 3], [1.0, 2.0, 1.0, 0.5], [0, 0, 1, 1]);
    let uneven = shape().slots_per_gpu(&slots).speed_of_gpu(&speeds);
    let (expert_of_slot, _) = plan(&uneven, Options::new(), &Input::new(&LOADS));
    let mut gpu_load = [0.0; LAYERS * GPUS];
    let placement = Placement::new(&expert_of_slot);
    score_placement(&uneven, &Input::new(&LOADS), &placement, StatsBuffers::new().gpu_load(&mut gpu_load)).unwrap();
    assert!(gpu_load[2] == 0.0 && gpu_load[1] > gpu_load[3], "{:?}", gpu_load);

    let context = Context::new(&shape().num_groups(4).num_nodes(2).node_of_gpu(&nodes), Options::new()).unwrap();
    assert_eq!((context.policy(), context.strategy()), (Policy::HIERARCHICAL, Strategy::SEARCH));
}

#[test]
fn the_parts_of_a_plan() {
    let one_layer = Shape::new().num_layers(1).num_logical_experts(3).num_physical_experts(5);
    let (mut expert, mut count) = ([-7i32; 5], [-7i32; 3]);
    let maps = Maps::new().physical_to_logical(&mut expert).replica_count(&mut count);
    replicate_experts(&one_layer, &mut Options::new(), &Input::new(&[10, 90, 50]), maps).unwrap();
    assert_eq!((expert, count), ([0, 1, 2, 1, 2], [1, 2, 2]));

    let (mut pack, mut seat) = ([-7i64; 4], [-7i64; 4]);
    let packing = Packing::new().num_rows(1).num_items(4).num_packs(2).pack_index(&mut pack).rank_in_pack(&mut seat);
    balanced_packing(&mut Options::new(), &Input::new(&[4.0f64, 3.0, 2.0, 1.0]), packing).unwrap();
    assert_eq!((pack, seat), ([0, 1, 1, 0], [0, 0, 1, 1]));
}

#[test]
fn memory_that_a_context_needs() {
    let small = memory_needed(&shape(), &Options::new()).unwrap();
    let large = memory_needed(&shape().num_layers(LAYERS * 100), &Options::new()).unwrap();
    assert!(0 < small.host_bytes && small.host_bytes < large.host_bytes);
    assert_eq!(small.cuda_bytes, 0);
}

#[test]
fn names_and_devices() {
    assert!(version().unwrap() >= 100 && build_info().unwrap().contains("eplb"));
    let strategies: Vec<_> = Strategy::all().unwrap().collect();
    assert!(strategies.contains(&Strategy::SEARCH));
    for strategy in strategies {
        assert_eq!(Strategy::from_name(strategy.name().unwrap()), Some(strategy));
        assert!(!strategy.description().unwrap().is_empty());
    }
    assert_eq!((Strategy::from_name("none"), Strategy::from_name("l\0pt")), (None, None));
    assert_eq!((Strategy::from_value(99).name(), Strategy::from_value(-1).description()), (None, None));

    let backends: Vec<_> = Backend::all().unwrap().map(|backend| backend.name().unwrap()).collect();
    assert_eq!(backends[..3], ["auto", "cpu", "cuda"]);
    assert_eq!(Backend::from_value(99).name(), None);
    assert_eq!((Backend::CPU.available(), Backend::CPU.device_count()), (Ok(()), Ok(1)));
    assert!(!Backend::CPU.device_describe(0).unwrap().is_empty());
    assert_eq!(Backend::CPU.device_describe(1).unwrap_err().status(), Status::INVALID_ARGUMENT);

    assert_eq!(Status::CANCELLED.name(), Some("EPLB_ERROR_CANCELLED"));
    assert!(!Status::from_value(99).description().unwrap().is_empty());
}

#[test]
fn a_context_is_shared_by_a_mutex_and_moved_to_a_thread() {
    let context = std::sync::Mutex::new(Context::new(&shape(), Options::new()).unwrap());
    let (expected, _) = plan(&shape(), Options::new(), &Input::new(&LOADS));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let mut expert_of_slot = [0i32; LAYERS * SLOTS];
                    let mut context = context.lock().unwrap();
                    context.submit_weights(&Input::new(&LOADS)).unwrap();
                    context.get_maps(Maps::new().physical_to_logical(&mut expert_of_slot)).unwrap();
                    assert_eq!(expert_of_slot[..], expected);
                }
            });
        }
    });
    std::thread::spawn(move || drop(context)).join().unwrap();
}

#[test]
fn what_may_be_sent_to_other_threads() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Sync>() {}
    is_send::<Context>();
    is_send::<Options>();
    is_send::<Maps<i32>>();
    is_send::<Error>();
    is_sync::<Error>();
    is_sync::<Shape>();
    is_sync::<Input>();
    is_sync::<Placement<i64>>();
}

// SPDX-License-Identifier: MIT
//! Every plan of the library's golden plans, in every combination of types and threads, in one call and by a context.

use eplb::{
    balanced_packing, rebalance_experts, Context, Index, Input, Load, Maps, Options, Packing, Shape, StatsBuffers,
    Strategy,
};
use test_support::{read_json, Json};

/// A number of the file as a load or an index.
trait Number: Copy + Default {
    fn from_int(value: i64) -> Self;
}
macro_rules! numbers {
    ($($type:ty)*) => {$(
        impl Number for $type {
            fn from_int(value: i64) -> Self {
                value as $type
            }
        }
    )*};
}
numbers!(f32 f64 i32 i64);

fn flatten<T: Number>(rows: &Json) -> Vec<T> {
    rows.array().iter().flat_map(Json::array).map(|value| T::from_int(value.int())).collect()
}

fn check_maps<I: Number + PartialEq + std::fmt::Debug>(what: &str, want: &Json, got: &[(&str, &[I])]) {
    for (name, rows) in want.object() {
        let (_, map) = got.iter().find(|(map, _)| map == name).unwrap_or_else(|| panic!("no map is named {}", name));
        assert_eq!(*map, flatten::<I>(rows), "{} of {}", name, what);
    }
}

fn check<T, I>(case: &Json, strategy: Strategy, want: &Json, threads: usize)
where
    T: Load + Number,
    I: Index + Number + PartialEq + std::fmt::Debug,
{
    let what = format!(
        "{}, {:?}, loads {}, maps {}, {} threads",
        case.get("name").str(),
        strategy,
        std::any::type_name::<T>(),
        std::any::type_name::<I>(),
        threads
    );
    let rows = case.get("loads").array();
    let (layers, experts) = (rows.len(), rows[0].array().len());
    let loads = flatten::<T>(case.get("loads"));
    let input = Input::new(&loads);
    let options = || Options::new().strategy(strategy).num_threads(threads);

    if case.get("kind").str() == "pack" {
        let (mut index, mut rank) = (vec![I::default(); loads.len()], vec![I::default(); loads.len()]);
        let packing = Packing::new()
            .num_rows(layers)
            .num_items(experts)
            .num_packs(case.get("packs").usize())
            .pack_index(&mut index)
            .rank_in_pack(&mut rank);
        balanced_packing(&mut options(), &input, packing).expect(&what);
        return check_maps(&what, want, &[("pack_index", &index), ("rank_in_pack", &rank)]);
    }

    let slots = case.get("slots").usize();
    let shape = Shape::new()
        .num_layers(layers)
        .num_logical_experts(experts)
        .num_physical_experts(slots)
        .num_groups(case.get("groups").usize())
        .num_nodes(case.get("nodes").usize())
        .num_gpus(case.get("gpus").usize());
    for by_context in [false, true] {
        let (mut expert, mut rank) = (vec![I::default(); layers * slots], vec![I::default(); layers * slots]);
        let mut count = vec![I::default(); loads.len()];
        let maps = Maps::new().physical_to_logical(&mut expert).replica_rank(&mut rank).replica_count(&mut count);
        if by_context {
            let mut context = Context::new(&shape, options()).expect(&what);
            context.submit_weights(&input).expect(&what);
            context.get_maps(maps).expect(&what);
        } else {
            rebalance_experts(&shape, &mut options(), &input, maps, StatsBuffers::new()).expect(&what);
        }
        check_maps(
            &what,
            want,
            &[("physical_to_logical", &expert), ("replica_rank", &rank), ("replica_count", &count)],
        );
    }
}

#[test]
fn every_plan() {
    let file = read_json("tests/conformance/golden_plans.json");
    let mut plans = 0;
    for case in file.get("cases").array() {
        for (name, want) in case.get("want").object() {
            let strategy = Strategy::from_name(name).unwrap_or_else(|| panic!("no strategy is named {}", name));
            for threads in [1, 2] {
                check::<f32, i32>(case, strategy, want, threads);
                check::<f32, i64>(case, strategy, want, threads);
                check::<f64, i32>(case, strategy, want, threads);
                check::<f64, i64>(case, strategy, want, threads);
                check::<i32, i32>(case, strategy, want, threads);
                check::<i32, i64>(case, strategy, want, threads);
                check::<i64, i32>(case, strategy, want, threads);
                check::<i64, i64>(case, strategy, want, threads);
            }
            plans += 1;
        }
    }
    assert!(plans > 100, "the file has been read");
}

// SPDX-License-Identifier: MIT
//! Plans a load that is made up here, and prints the balance before and after: `cargo run --example plan`.

use eplb::{score_placement, Context, Input, Maps, Options, Placement, Shape, StatsBuffers};

const LAYERS: usize = 58;
const EXPERTS: usize = 256;
const SLOTS: usize = 288;
const GPUS: usize = 32;

/// Tokens of each expert: a few are hot, most are not.
fn make_up_loads(mut seed: u64) -> Vec<f32> {
    let mut uniform = || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..LAYERS * EXPERTS).map(|_| (6.0 * uniform() * uniform()).exp().round()).collect()
}

fn main() -> eplb::Result<()> {
    let shape = Shape::new().num_layers(LAYERS).num_logical_experts(EXPERTS).num_physical_experts(SLOTS).num_gpus(GPUS);
    let loads = make_up_loads(1);
    let input = Input::new(&loads);

    // Without a plan: the experts in order, and then the first of them again.
    let in_order: Vec<i32> = (0..LAYERS * SLOTS).map(|slot| (slot % SLOTS % EXPERTS) as i32).collect();
    let before = score_placement(&shape, &input, &Placement::new(&in_order), StatsBuffers::new())?;

    let mut context = Context::new(&shape, Options::new())?;
    context.submit_weights(&input)?;
    let mut expert_of_slot = vec![0i32; LAYERS * SLOTS];
    context.get_maps(Maps::new().physical_to_logical(&mut expert_of_slot))?;
    let after = context.get_stats(StatsBuffers::new())?;

    println!("{}, strategy {}", eplb::build_info()?, context.strategy().name().unwrap_or("unknown"));
    println!("gpu 0 of layer 0 holds experts {:?}", &expert_of_slot[..SLOTS / GPUS]);
    println!("                              before   after");
    println!("balancedness, mean of layers  {:.4}  {:.4}", before.balancedness, after.balancedness);
    println!("balancedness, worst layer     {:.4}  {:.4}", before.balancedness_min, after.balancedness_min);
    Ok(())
}

use std::sync::Arc;
use std::time::Instant;
use cm_core::*;
use cm_core::engine::ladder::Rung;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let n: u32 = args[2].parse().unwrap();
    let params = fabric::Params::new().with_text("timing", args.get(4).map_or("line_rate", |s| s));
    let t = Instant::now();
    let f = Arc::new(fabric::presets::lookup("cm384").unwrap().build(&params).unwrap());
    println!("preset {:?}", t.elapsed());
    let t = Instant::now(); f.bundles(); println!("bundles {:?}", t.elapsed());
    let endpoints: Vec<u32> = (0..n).collect();
    let team = Arc::new(f.team(&endpoints).unwrap());
    let settings = simulate::Settings { routing: "spray", routing_options: Default::default(), sync: placement::Sync::None, engine: simulate::EngineKind::Fluid, rung: Rung::Pair, memory_limit_bytes: 1<<40, event_limit: 1<<40 };
    let q = question::Question { fabric: f.clone(), collective: collective::Collective::from_name(&args[1]).unwrap(), algorithm: question::Choice::from_name(&args[3]).unwrap(), endpoints, team, root: ids::RankId(0), payload: collective::Payload::Bytes(1<<28), split: Default::default(), options: Default::default(), starts_ps: vec![0], settings };
    for _ in 0..3 {
        let t = Instant::now();
        let s = q.answer(None).unwrap();
        println!("answer {:?}", t.elapsed());
        if args.len() > 5 { let t = Instant::now(); println!("{}", explain::explain(&s).unwrap()); println!("explain {:?}", t.elapsed()); let t = Instant::now(); let c = s.certificate().unwrap(); println!("certify {:?}", t.elapsed()); let t = Instant::now(); s.check(&c).unwrap(); println!("check {:?}", t.elapsed()); break }
        println!("{} ps bound {:?} route {} {} events {}", s.time_ps(), s.bound(), s.route_bound_ps(), s.n_events(), s.exactness());
    }
}

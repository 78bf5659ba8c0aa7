use cm_core::engine::ladder::Rung;
use cm_core::{
    algorithms, bounds, collective, engine, explain, fabric, ids, placement, question, schedule,
    simulate,
};
use std::sync::Arc;
use std::time::Instant;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let n: u32 = args[2].parse().unwrap();
    let params = fabric::Params::new().with_text("timing", args.get(4).map_or("line_rate", |s| s));
    let t = Instant::now();
    let f = Arc::new(
        fabric::presets::lookup("cm384")
            .unwrap()
            .build(&params)
            .unwrap(),
    );
    println!("preset {:?}", t.elapsed());
    let t = Instant::now();
    f.bundles();
    println!("bundles {:?}", t.elapsed());
    let endpoints: Vec<u32> = (0..n).collect();
    let team = Arc::new(f.team(&endpoints).unwrap());
    let settings = simulate::Settings {
        routing: "spray",
        routing_options: Default::default(),
        sync: placement::Sync::None,
        engine: simulate::EngineKind::Fluid,
        rung: Rung::Pair,
        memory_limit_bytes: 1 << 40,
        event_limit: 1 << 40,
    };
    let q = question::Question {
        fabric: f.clone(),
        collective: collective::Collective::from_name(&args[1]).unwrap(),
        algorithm: question::Choice::from_name(&args[3]).unwrap(),
        endpoints,
        team,
        root: ids::RankId(0),
        payload: collective::Payload::Bytes(1 << 28),
        split: Default::default(),
        options: Default::default(),
        starts_ps: vec![0],
        settings,
    };
    if std::env::var("PHASES").is_ok() {
        let prob = collective::Problem::new(q.collective, &q.team, q.payload.clone());
        let alg = algorithms::lookup(&args[3]).unwrap();
        let t = Instant::now();
        let sch = algorithms::schedule(alg, &prob).unwrap();
        println!("schedule {:?}", t.elapsed());
        let t = Instant::now();
        schedule::verify(&sch).unwrap();
        println!("  of which verify {:?}", t.elapsed());
        let nodes = f.rank_nodes(&q.endpoints).unwrap();
        let routing = fabric::routing::lookup("spray")
            .unwrap()
            .build(&Default::default())
            .unwrap();
        let net = fabric::routing::Network::of_bundles(&f);
        let t = Instant::now();
        for &a in &nodes {
            for &b in &nodes {
                if a != b && sch.collective().name() == "all_to_all" {
                    std::hint::black_box(routing.route(&net, a, b, 0).unwrap());
                }
            }
        }
        println!("routes {:?}", t.elapsed());
        let t = Instant::now();
        let p = placement::place(
            &f,
            &net,
            &*routing,
            placement::Sync::None,
            &[placement::Job {
                schedule: &sch,
                nodes: &nodes,
                starts_ps: &[0],
            }],
        )
        .unwrap();
        println!("place {:?}", t.elapsed());
        let t = Instant::now();
        bounds::route_bound_ps(&p.workload);
        println!("route bound {:?}", t.elapsed());
        let t = Instant::now();
        let r = engine::ladder::Run::climb(
            &p.workload,
            engine::fluid::Limits {
                events: 1 << 40,
                cancel: None,
            },
            Rung::Pair,
        )
        .unwrap();
        println!("engine {:?}", t.elapsed());
        let t = Instant::now();
        r.last_arrival_ps(&p.workload);
        println!("last {:?}", t.elapsed());
    }
    for _ in 0..3 {
        let t = Instant::now();
        let s = q.answer(None).unwrap();
        println!("answer {:?}", t.elapsed());
        if args.len() > 5 {
            let t = Instant::now();
            println!("{}", explain::explain(&s).unwrap());
            println!("explain {:?}", t.elapsed());
            let t = Instant::now();
            let c = s.certificate().unwrap();
            println!("certify {:?}", t.elapsed());
            let t = Instant::now();
            s.check(&c).unwrap();
            println!("check {:?}", t.elapsed());
            break;
        }
        println!(
            "{} ps bound {:?} route {} {} events {}",
            s.time_ps(),
            s.bound(),
            s.route_bound_ps(),
            s.n_events(),
            s.exactness()
        );
    }
}

use cm_core::engine::fluid::{Limits, run};
use cm_core::engine::number::Pair;
use cm_core::engine::observer::Unobserved;
use cm_core::engine::workload::WorkloadBuilder;
fn main() {
    let n: u32 = std::env::args().nth(2).unwrap().parse().unwrap();
    let kind = std::env::args().nth(1).unwrap();
    let nominal = std::env::args().nth(3).is_some();
    let mut b = WorkloadBuilder::default();
    let up: Vec<u32> = (0..n).map(|_| b.resource(196_000_000_000)).collect();
    let down: Vec<u32> = (0..n).map(|_| b.resource(196_000_000_000)).collect();
    let red: Vec<u32> = (0..n).map(|_| b.resource(533_333_333_333)).collect();
    let sio: Vec<u32> = (0..n).map(|_| b.resource(270_000_000_000)).collect();
    let nup: Vec<u32> = (0..n / 16 + 1)
        .map(|_| b.resource(3_136_000_000_000))
        .collect();
    let ndown: Vec<u32> = (0..n / 16 + 1)
        .map(|_| b.resource(3_136_000_000_000))
        .collect();
    let mut route = |s: u32, d: u32, b: &mut WorkloadBuilder, reduce: bool| {
        let mut v = vec![];
        let lat;
        if s / 2 == d / 2 {
            v.push((sio[s as usize], 1, 1));
            lat = 200_000;
        } else {
            v.push((up[s as usize], 1, 1));
            v.push((down[d as usize], 1, 1));
            lat = if s / 16 != d / 16 {
                v.push((nup[(s / 16) as usize], 1, 1));
                v.push((ndown[(d / 16) as usize], 1, 1));
                1_900_000
            } else {
                1_200_000
            }
        }
        if reduce {
            v.push((red[d as usize], 1, 1));
        }
        b.route(v, if nominal { lat } else { 0 }, 0)
    };
    let size = 268_435_456u128;
    if kind == "ring" {
        let routes: Vec<u32> = (0..2 * n)
            .map(|r| route(r % n, (r + 1) % n, &mut b, r < n && nominal))
            .collect();
        for s in 0..2 * (n - 1) {
            for r in 0..n {
                let deps = (s > 0).then(|| (s - 1) * n + (r + n - 1) % n);
                let follows = (s > 0).then(|| (s - 1) * n + r);
                let g = num_integer::gcd(size, n as u128);
                b.op(
                    routes[(r + if s < n - 1 { 0 } else { n }) as usize],
                    (size / g, (n as u128 / g) as u64),
                    0,
                    deps,
                    follows,
                );
            }
        }
    } else {
        for s in 0..n {
            for d in 1..n {
                let d = (s + d) % n;
                let r = route(s, d, &mut b, false);
                let g = num_integer::gcd(size, n as u128);
                b.op(r, (size / g, (n as u128 / g) as u64), 0, [], []);
            }
        }
    }
    let t = std::time::Instant::now();
    let w = b.build().unwrap();
    println!("built {:?}", t.elapsed());
    let t = std::time::Instant::now();
    let tl = run::<Pair>(
        &w,
        Limits {
            events: u64::MAX,
            cancel: None,
        },
        &mut Unobserved,
    )
    .unwrap();
    let el = t.elapsed();
    let last = tl
        .served
        .iter()
        .map(|p| cm_core::engine::number::Number::value(p))
        .fold(0.0, f64::max);
    println!(
        "{kind} {n}: {} ops {} events, {} ambiguous, {last} ps, {:?}",
        w.n_ops(),
        tl.n_events,
        tl.n_ambiguous,
        el
    );
}

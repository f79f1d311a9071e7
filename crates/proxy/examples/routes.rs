//! What the route table costs with 50,000 routes: one look-up, one added route.
#![expect(
    clippy::print_stdout,
    reason = "the figures are what this program is for"
)]

use std::hint::black_box;

use jansky_model::Timestamp;
use jansky_proxy::{Route, RouteError, Routes, Target};
use tokio::time::Instant;

const COUNT: u32 = 50_000;

fn main() -> Result<(), RouteError> {
    let route = |number: u32| {
        let target = Target::http("http://127.0.0.1:1")?;
        let spec = format!("/user/name{number}/");
        Route::new(&spec, target, Timestamp::from_seconds(0))
    };
    let routes = Routes::new();
    routes.replace_all((0..COUNT).map(route).collect::<Result<Vec<_>, _>>()?);

    let begin = Instant::now();
    for number in COUNT..COUNT + 1_000 {
        routes.add(route(number)?);
    }
    println!("add: {:?}", begin.elapsed() / 1_000);

    let paths: Vec<_> = (0..COUNT)
        .map(|number| format!("/user/name{number}/api/contents/a.ipynb"))
        .collect();
    let begin = Instant::now();
    for path in &paths {
        black_box(routes.find(Some("hub.test"), path)).ok();
    }
    println!("find: {:?}", begin.elapsed() / COUNT);
    Ok(())
}

//! The proxy alone with one route, for benchmarks: `proxy 127.0.0.1:8000 http://127.0.0.1:9000`.

use std::net::TcpListener;
use std::sync::Arc;

use jansky_model::{Clock as _, SystemClock};
use jansky_proxy::{Listener, Proxy, ProxySettings, Route, Routes, Target, serve};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(target)) = (arguments.next(), arguments.next()) else {
        return Err("usage: proxy ADDRESS TARGET-URL".into());
    };
    let routes = Routes::new();
    routes.add(Route::new("/", Target::http(&target)?, SystemClock.now())?);
    let listener = Listener {
        socket: TcpListener::bind(address)?,
        tls: None,
    };
    let proxy = Proxy::new(routes, ProxySettings::default(), Arc::new(SystemClock));
    serve(vec![listener], proxy, CancellationToken::new()).await?;
    Ok(())
}

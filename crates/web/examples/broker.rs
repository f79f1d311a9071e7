//! What handing out tokens costs at the hub: from the cache, and when a thousand people expire in the
//! same second while their provider is slow. Prints one line of JSON.
//!
//! The hub is whole but for the proxy in front of it: SQLite in a directory, the audit trail, HTTP over
//! loopback. Client and hub share this process; the proofs are made before the clock starts.
#![expect(
    clippy::print_stdout,
    reason = "the figures are what this program is for"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{self, Next};
use jansky_crypto::dpop::{self, ProofKey};
use jansky_crypto::{MacKey, SystemRandom};
use jansky_hub::{Hub, Source};
use jansky_model::{Clock, ManualClock, ServerName, Timestamp};
use jansky_spawn::fake::FakeSpawner;
use jansky_testing::hub::{World, audience, everybody};
use jansky_web::{Peer, Policies, Web};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

#[path = "../tests/it/support/upstream.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod upstream;

use upstream::Upstream;

/// People with a server each.
const PEOPLE: usize = 1000;

/// Tokens that are asked for from the cache.
const TOKENS: usize = 40_000;

/// Connections that ask at the same time.
const CONNECTIONS: usize = 64;

/// How long the provider takes for a refresh.
const SLOW: Duration = Duration::from_millis(500);

/// The characters of an access token of the provider, about those of a Keycloak without many roles.
const TOKEN_LENGTH: usize = 900;

const LIFETIME: Duration = Duration::from_mins(5);
const BROKER: &str = "http://127.0.0.1:8000/hub/broker/v1/";
const FORM: &str = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&audience=archive";

#[tokio::main]
async fn main() {
    let world = World::new().await;
    let provider = Upstream::new(&world.clock, LIFETIME);
    provider.be_slow(SLOW);
    provider.pad_tokens(TOKEN_LENGTH);
    let hub = hub(&world, &provider);
    let address = serve(&hub).await;
    let agents = come_in(&hub, &provider, &world.spawner, address).await;
    let agents = Arc::new(agents);

    // Once for each, so that everything is in the cache.
    ask(&agents, &hub, &world.clock, address, PEOPLE).await;
    let cpu = cpu_time();
    let (took, lost) = ask(&agents, &hub, &world.clock, address, TOKENS).await;
    let cpu = cpu_time().saturating_sub(cpu);

    world.clock.advance(LIFETIME);
    let (storm, lost_in_storm) = ask(&agents, &hub, &world.clock, address, PEOPLE * 3).await;
    let refreshes = provider.refreshes();
    let check = jansky_hub::check_audit(&world.store)
        .await
        .expect("the trail");
    let figures = json!({
        "tokens_per_second": per_second(TOKENS, took),
        "cpu_us_per_token": cpu.as_secs_f64() * 1e6 / number(TOKENS),
        "lost": lost,
        "storm_people": PEOPLE,
        "storm_requests": PEOPLE * 3,
        "storm_seconds": storm.as_secs_f64(),
        "storm_lost": lost_in_storm,
        "provider_calls": refreshes,
        "audit_entries": check.events,
        "audit_whole": check.broken.is_none(),
    });
    println!("{figures}");
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn per_second(count: usize, took: Duration) -> f64 {
    number(count) / took.as_secs_f64()
}

/// The processor time of this process so far: fields 14 and 15 of its `stat`, in ticks of 10 ms.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let rest = stat.rsplit_once(')').expect("a name in parentheses").1;
    let ticks: u64 = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().expect("a number"))
        .sum();
    Duration::from_millis(ticks * 10)
}

fn hub(world: &World, provider: &Arc<Upstream>) -> Arc<Hub> {
    let source = Source::Login {
        provider: None,
        audience: None,
    };
    let made = world.hub_with(|recipe| {
        recipe.has_local_accounts = false;
        recipe.providers = vec![provider.with_rules(everybody())];
        recipe.settings.concurrent_spawn_limit = PEOPLE;
        recipe.settings.broker.requests_per_minute = u32::MAX;
        recipe.settings.broker.audiences = vec![audience("archive", source)];
    });
    made.hub
}

/// Serves the hub on a port of its own.
async fn serve(hub: &Arc<Hub>) -> SocketAddr {
    let web = Arc::new(Web {
        key: MacKey::from_bytes(&[7; 32]),
        policies: Policies::new(hub.settings()),
        hub: Arc::clone(hub),
        renderer: jansky_web::render::Renderer::new(None).expect("the templates are fine"),
        site_name: "Bench".to_owned(),
        announcement: None,
        authenticate_metrics: true,
        more_metrics: None,
        told_of_base: AtomicBool::new(false),
        on_shutdown: None,
    });
    let with_peer = async |mut request: Request, next: Next| {
        request.extensions_mut().insert(Peer {
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            secure: false,
            connection: std::net::Ipv4Addr::LOCALHOST.into(),
        });
        next.run(request).await
    };
    let router = jansky_web::router(web).layer(middleware::from_fn(with_peer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

struct Agent {
    key: ProofKey,
    session: String,
}

impl Agent {
    /// A whole request, as it goes over the wire.
    fn request(&self, nonce: &str, at: Timestamp) -> Vec<u8> {
        let proof = self.key.prove(
            &SystemRandom,
            dpop::Request {
                method: "POST",
                url: &format!("{BROKER}token"),
                token: Some(&self.session),
                nonce: Some(nonce),
                at,
            },
        );
        format!(
            "POST /hub/broker/v1/token HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: DPoP {}\r\n\
             dpop: {proof}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n\r\n{FORM}",
            self.session,
            FORM.len(),
        )
        .into_bytes()
    }
}

/// Signs everybody in, starts their servers and lets their agents in.
async fn come_in(
    hub: &Arc<Hub>,
    provider: &Upstream,
    spawner: &FakeSpawner,
    address: SocketAddr,
) -> Vec<Agent> {
    let mut agents = Vec::with_capacity(PEOPLE);
    for number in 0..PEOPLE {
        let name = format!("user{number}");
        let user = hub
            .people
            .create_user(
                &hub.permit_of(jansky_hub::TheHub),
                &name.parse().expect("a name"),
                false,
            )
            .await;
        let user = user.expect("the name is free");
        let identity = provider.identity(&name);
        let session = hub
            .people
            .open_session(&user, provider.id(), Some(&identity), None)
            .await;
        session.expect("a session");
        let server = hub
            .servers
            .start_unasked(&user, &ServerName::default_server(), None)
            .await
            .expect("a start");
        hub.servers
            .settled(&server, Duration::from_mins(1))
            .await
            .expect("it answers");
        let starts = spawner.starts();
        let ticket = starts.last().and_then(|spec| spec.agent.clone());
        let ticket = ticket.expect("a ticket").ticket;
        let key = ProofKey::generate();
        let proof = key.prove(
            &SystemRandom,
            dpop::Request {
                method: "POST",
                url: &format!("{BROKER}enroll"),
                token: None,
                nonce: Some(&hub.broker.proof_nonce()),
                at: hub.clock().now(),
            },
        );
        let body = json!({ "ticket": ticket.expose() }).to_string();
        let request = format!(
            "POST /hub/broker/v1/enroll HTTP/1.1\r\nhost: 127.0.0.1\r\ndpop: {proof}\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let answer = exchange(&mut stream, request.as_bytes()).await;
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        agents.push(Agent {
            key,
            session: answer["session"].as_str().expect("a session").to_owned(),
        });
    }
    agents
}

/// Sends a request and returns the body of the answer, empty when it was refused.
async fn exchange(stream: &mut TcpStream, request: &[u8]) -> String {
    stream.write_all(request).await.expect("it takes requests");
    let mut answer = Vec::with_capacity(2048);
    loop {
        stream.read_buf(&mut answer).await.expect("it answers");
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .and_then(|length| length.parse::<usize>().ok());
        if length.is_some_and(|length| body.len() >= length) {
            let is_good = head.starts_with("HTTP/1.1 200");
            return if is_good {
                body.to_owned()
            } else {
                String::new()
            };
        }
    }
}

/// Asks for tokens, over all agents in turn; how long it took, and how many came to nothing.
async fn ask(
    agents: &Arc<Vec<Agent>>,
    hub: &Arc<Hub>,
    clock: &ManualClock,
    address: SocketAddr,
    count: usize,
) -> (Duration, usize) {
    // Nonces of this minute, and nothing of it is spent on making proofs.
    let (nonce, at) = (hub.broker.proof_nonce(), clock.now());
    let connections = if count > PEOPLE && count <= PEOPLE * 3 {
        // In a storm everybody asks at once.
        count
    } else {
        CONNECTIONS
    };
    let mut requests: Vec<Vec<Vec<u8>>> = vec![Vec::new(); connections];
    for number in 0..count {
        let agent = &agents[number % agents.len()];
        requests[number % connections].push(agent.request(&nonce, at));
    }
    let mut streams = Vec::with_capacity(connections);
    for _ in 0..connections {
        streams.push(TcpStream::connect(address).await.expect("it listens"));
    }
    let began = Instant::now();
    let tasks: Vec<_> = streams
        .into_iter()
        .zip(requests)
        .map(|(mut stream, requests)| {
            tokio::spawn(async move {
                let mut lost = 0;
                for request in requests {
                    let answer = exchange(&mut stream, &request).await;
                    lost += usize::from(!answer.contains("\"access_token\""));
                }
                lost
            })
        })
        .collect();
    let mut lost = 0;
    for task in tasks {
        lost += task.await.expect("no panic");
    }
    (began.elapsed(), lost)
}

//! A hub with everything around it: a database of the test's choice, a spawner without processes, a
//! clock that stands still until the test moves it, and providers that do as they are told.
//!
//! ```
//! # use jansky_testing::hub::{OpenId, World};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let world = World::new().await;
//! let home = OpenId::start("home", &world).await;
//! let hub = world.hub_with(|recipe| recipe.providers = vec![home.configured()]);
//! let (river, _session) = home.sign_in(&hub, "subject-1").await;
//! assert_eq!(river.name.as_str(), "river");
//! # }
//! ```

mod database;
mod openid;
mod routes;
mod rules;
mod test_hub;
mod world;

use std::time::Duration;

pub use database::Database;
pub use openid::OpenId;
pub use routes::RecordedRoutes;
pub use rules::{audience, everybody};
pub use test_hub::{PASSWORD, Recipe, TestHub};
pub use world::World;

/// How long a test waits for what should happen soon.
pub const SOON: Duration = Duration::from_secs(20);

/// Waits until something is so.
pub async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = tokio::time::timeout(SOON, waiting).await;
    assert!(in_time.is_ok(), "it never came to that: {what}");
}

use jansky_settings::{OfferedImage, Pull};
use jansky_spawn::{Severity, Spawner};
use jansky_spawn_docker::Agent;

use crate::bench::{Bench, SERVER};

#[tokio::test]
async fn the_doctor_says_what_the_engine_is_and_who_may_ask_it() {
    let bench = Bench::python(SERVER);

    let findings = bench.spawner().check().await;

    let of = |subject: &str| {
        let found = findings.iter().find(|one| one.subject == subject);
        let found = found.unwrap_or_else(|| panic!("{subject} is missing: {findings:#?}"));
        (found.severity, found.message.clone())
    };
    let (severity, message) = of("container engine");
    assert_eq!(severity, Severity::Good);
    assert!(message.starts_with("Docker Engine "), "{message}");
    assert_eq!(of("isolation").0, Severity::Warning);
    assert!(of("storage").1.contains("overlay2"), "{findings:#?}");
    assert_eq!(of("limits").0, Severity::Good);
    assert!(of("network").1.contains("reach this machine at"));
    assert_eq!(of("image").0, Severity::Good);
    // The engine of the tests has the group of root for its socket.
    assert_eq!(of("Docker rights").0, Severity::Good, "{findings:#?}");
    assert!(findings.iter().all(|one| one.severity != Severity::Error));
}

#[tokio::test]
async fn the_doctor_names_what_is_missing() {
    let mut bench = Bench::python(SERVER);
    bench.settings.agent = Agent::Mounted("/nowhere/jansky-agent".into());
    bench.settings.pull = Pull::Never;
    let none = "jansky-test/none:1".to_owned();
    bench
        .settings
        .images
        .insert("casa".to_owned(), OfferedImage::Name(none));

    let findings = bench.spawner().check().await;

    let errors = findings
        .iter()
        .filter(|one| one.severity == Severity::Error);
    let subjects: Vec<&str> = errors.map(|one| one.subject).collect();
    assert_eq!(subjects, ["image", "agent"], "{findings:#?}");

    bench.settings.host = "unix:///nowhere/docker.sock".to_owned();
    let findings = bench.spawner().check().await;
    assert_eq!(findings[0].severity, Severity::Error);
    assert!(
        findings[0].message.contains("is it running?"),
        "{findings:#?}"
    );
}

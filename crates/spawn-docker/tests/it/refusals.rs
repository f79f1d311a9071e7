use jansky_settings::{OfferedImage, Pull};
use jansky_spawn::{ProgressSink, SpawnError, Spawner};
use serde_json::json;

use crate::bench::{Bench, SERVER, get, spec, until};

#[tokio::test]
async fn people_choose_among_the_images_of_the_list_only() {
    let mut bench = Bench::python(SERVER);
    let base = bench.settings.images["default"].image().to_owned();
    let known = bench.engine("GET", &format!("/images/{base}/json"));
    let id = known["Id"].as_str().expect("an image").to_owned();
    bench
        .settings
        .images
        .insert("by-id".to_owned(), OfferedImage::Name(id.clone()));
    let spawner = bench.spawner();
    let mut spec = spec(1, 1);

    spec.options = json!({ "image": base });
    let refused = spawner.start(&spec, &ProgressSink::discard()).await;
    spec.options = json!({ "image": "by-id" });
    let started = spawner.start(&spec, &ProgressSink::discard()).await;

    let Err(SpawnError::Refused { reason }) = refused else {
        panic!("{refused:?}");
    };
    assert!(reason.contains("choose one of: by-id, default"), "{reason}");
    let started = started.expect("the id is one of the list");
    assert_eq!(bench.inspect(&started)["Image"], id);
    until("it answers", async || get(&started, "/")).await;
}

#[tokio::test]
async fn an_image_that_is_not_there_is_refused_clearly() {
    let mut bench = Bench::python(SERVER);
    bench.settings.images.insert(
        "default".to_owned(),
        OfferedImage::Name("jansky-test/none:1".to_owned()),
    );
    bench.settings.pull = Pull::Never;

    let refused = bench.try_start(&bench.spawner()).await;

    let Err(SpawnError::Refused { reason }) = refused else {
        panic!("{refused:?}");
    };
    assert!(reason.contains("`jansky-test/none:1`"), "{reason}");
    assert!(bench.containers().is_empty());
}

#[tokio::test]
async fn a_registry_that_does_not_answer_may_do_so_later() {
    let mut bench = Bench::python(SERVER);
    // Nobody listens on the port of that name.
    bench.settings.images.insert(
        "default".to_owned(),
        OfferedImage::Name("127.0.0.1:9/lab:1".to_owned()),
    );

    let failed = bench.try_start(&bench.spawner()).await;

    let Err(SpawnError::Unavailable { reason, .. }) = failed else {
        panic!("{failed:?}");
    };
    assert!(reason.contains("`127.0.0.1:9/lab:1`"), "{reason}");
}

#[tokio::test]
async fn an_image_that_is_there_is_used_when_its_registry_does_not_answer() {
    let mut bench = Bench::python(SERVER);
    let base = bench.settings.images["default"].image().to_owned();
    let tag = "/images/{}/tag?repo=127.0.0.1:9/base&tag=1";
    bench.engine_bytes("POST", &tag.replace("{}", &base));
    bench.settings.images.insert(
        "default".to_owned(),
        OfferedImage::Name("127.0.0.1:9/base:1".to_owned()),
    );
    bench.settings.pull = Pull::Always;

    let started = bench.start(&bench.spawner()).await;

    until("it answers", async || get(&started, "/")).await;
}

//! A hub below a path, and web servers in front of it.

use crate::support::{Client, TestWeb};

async fn below_jupyter() -> (TestWeb, Client) {
    let hub = TestWeb::with(|recipe| "/jupyter/".clone_into(&mut recipe.settings.base)).await;
    let browser = hub.anonymous();
    (hub, browser)
}

#[tokio::test]
async fn a_web_server_that_takes_the_base_path_off_is_noticed_instead_of_a_loop() {
    let (_hub, browser) = below_jupyter().await;
    for first in [
        "/",
        "/hub/home",
        "/hub/login?next=%2Fjupyter%2Fhub%2F",
        "/user/river/lab",
    ] {
        let mut path = first.to_owned();
        let mut redirects = 0;
        let told = loop {
            let answer = browser.get(&path).await;
            if answer.status != 302 {
                break answer;
            }
            redirects += 1;
            assert!(redirects < 4, "it goes on and on from {first}");
            // What such a web server makes of it.
            let stripped = answer.location().strip_prefix("/jupyter");
            path = stripped.expect("it leads below the base path").to_owned();
        };

        let text = told.must_be(421).text();
        assert!(text.contains("addresses of this hub begin with"), "{text}");
        assert!(
            text.contains("The web server in front takes it off"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn whoever_comes_outside_of_the_base_path_is_led_into_the_hub() {
    let (_hub, browser) = below_jupyter().await;

    let first = browser.get("/").await.must_be(302);
    let second = browser.get(first.location()).await.must_be(302);

    assert!(
        second.location().starts_with("/jupyter/hub/login"),
        "{}",
        second.location()
    );
}

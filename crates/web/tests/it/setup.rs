//! The one-time link for the first admin.

use std::time::Duration;

use crate::support::{PASSWORD, TestWeb};

#[tokio::test]
async fn the_link_makes_one_admin_and_signs_them_in() {
    let hub = TestWeb::new().await;
    let code = hub
        .hub
        .people
        .first_admin_code(hub.hub.operator())
        .await
        .expect("the database answers");
    let link = format!(
        "/hub/setup?code={}",
        code.expect("there is no admin").expose()
    );
    let browser = hub.anonymous();
    let page = browser.get(&link).await.must_be(200).html();
    let (_, form) = page.all("form").next().expect("a form");
    assert_eq!(form.get("action"), Some(link.as_str()));

    let short = [("username", "zoe"), ("password", "short")];
    let answer = browser.post(&link, &short).await.must_be(400);
    assert!(answer.text().contains("too short"), "{}", answer.text());
    let invalid = [("username", "a/b"), ("password", PASSWORD)];
    browser.post(&link, &invalid).await.must_be(400);
    hub.user("wash").await;
    let taken = [("username", "wash"), ("password", PASSWORD)];
    browser.post(&link, &taken).await.must_be(409);

    let fields = [("username", "zoe"), ("password", PASSWORD)];
    let answer = browser.post(&link, &fields).await.must_be(302);
    assert_eq!(answer.location(), "/hub/");
    assert!(
        browser
            .get("/hub/home")
            .await
            .must_be(200)
            .text()
            .contains("administrator")
    );

    let late = hub.anonymous();
    late.get(&link).await.must_be(404);
    let fields = [("username", "mallory"), ("password", PASSWORD)];
    late.post(&link, &fields).await.must_be(404);
    assert!(
        hub.hub
            .people
            .user("mallory")
            .await
            .expect("the database answers")
            .is_none()
    );
    assert!(
        hub.hub
            .people
            .first_admin_code(hub.hub.operator())
            .await
            .expect("the database answers")
            .is_none()
    );
}

#[tokio::test]
async fn two_people_with_the_link_make_one_admin() {
    let hub = TestWeb::new().await;
    let code = hub
        .hub
        .people
        .first_admin_code(hub.hub.operator())
        .await
        .expect("the database answers");
    let link = format!(
        "/hub/setup?code={}",
        code.expect("there is no admin").expose()
    );
    let (one, two) = (hub.anonymous(), hub.anonymous());
    let zoe = [("username", "zoe"), ("password", PASSWORD)];
    let mallory = [("username", "mallory"), ("password", PASSWORD)];

    let answers = tokio::join!(one.post(&link, &zoe), two.post(&link, &mallory));

    let mut statuses = [answers.0.status.as_u16(), answers.1.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [302, 404]);
}

#[tokio::test]
async fn a_wrong_or_old_link_is_refused() {
    let hub = TestWeb::new().await;
    let code = hub
        .hub
        .people
        .first_admin_code(hub.hub.operator())
        .await
        .expect("the database answers");
    let link = format!(
        "/hub/setup?code={}",
        code.expect("there is no admin").expose()
    );
    let browser = hub.anonymous();
    for path in ["/hub/setup", "/hub/setup?code=", "/hub/setup?code=wrong"] {
        browser.get(path).await.must_be(404);
    }
    browser
        .call("POST", &link)
        .form(&[("username", "zoe")])
        .send()
        .await
        .must_be(403);

    hub.clock.advance(Duration::from_hours(24));

    browser.get(&link).await.must_be(404);
}

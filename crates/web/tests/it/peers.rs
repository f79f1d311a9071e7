//! Where requests come from: whoever accepts connections says so, and nobody makes it up.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use jansky_web::Peer;
use tower::ServiceExt as _;

use crate::support::TestWeb;

#[tokio::test]
async fn a_request_that_comes_from_nowhere_is_a_defect_of_the_hub() {
    let hub = TestWeb::new().await;
    let local = Peer {
        address: [127, 0, 0, 1].into(),
        connection: [127, 0, 0, 1].into(),
        secure: false,
    };

    for (method, path) in [
        ("GET", "/hub/login"),
        ("POST", "/hub/login"),
        ("GET", "/hub/api"),
        ("GET", "/hub/api/user"),
        ("GET", "/hub/broker/v1/audiences"),
        ("POST", "/hub/broker/v1/enroll"),
        ("POST", "/hub/oidc/device_authorization"),
    ] {
        for (peer, is_defect) in [(None, true), (Some(local), false)] {
            let mut request = Request::new(Body::empty());
            *request.method_mut() = method.parse().expect("a method");
            *request.uri_mut() = path.parse().expect("a path");
            if let Some(peer) = peer {
                request.extensions_mut().insert(peer);
            }
            let router = jansky_web::router(Arc::clone(&hub.web));
            let Ok(answer) = router.oneshot(request).await;
            let status = answer.status();
            assert_eq!(
                status == StatusCode::INTERNAL_SERVER_ERROR,
                is_defect,
                "{method} {path} with {peer:?}: {status}"
            );
        }
    }
}

//! What `jansky serve` does when it cannot: a clear message, and nothing touched.

use std::net::TcpListener;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::house::{House, run, told};

#[tokio::test]
async fn a_port_in_use_is_said_and_nothing_is_touched() {
    let house = House::new();
    let occupant = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = occupant.local_addr().expect("it is bound");

    let output = house.refused(&[&format!("hub.bind={address}")]).await;

    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains(&format!("{address} is in use by another program")),
        "{told}"
    );
    assert!(!house.path().join("data").exists(), "it made its directory");
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_said_without_its_password() {
    let house = House::new();
    // Nobody listens there any more.
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("it is bound");
    drop(free);

    let unreachable = format!("database.url=postgres://jansky:Karl-1933@{address}/jansky");
    let unreachable = told(&house.refused(&[&unreachable]).await);
    let unknown = told(
        &house
            .refused(&["database.url=mysql://u:Karl-1933@h/d"])
            .await,
    );
    let nowhere = told(
        &house
            .refused(&["database.url=sqlite:///nowhere/at/all.db"])
            .await,
    );

    for (told, word) in [
        (
            &unreachable,
            "the database that `database.url` names cannot be used",
        ),
        (&unknown, "postgres://user@host"),
        (&nowhere, "the database `/nowhere/at/all.db` cannot be used"),
    ] {
        assert!(told.contains("exit status: 1"), "{told}");
        assert!(told.contains(word), "{told}");
        assert!(!told.contains("Karl-1933"), "{told}");
    }
}

#[tokio::test]
async fn the_doctor_says_what_is_wrong_with_a_database() {
    let house = House::new();
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("it is bound");
    drop(free);
    let file = house.path().join("text.sqlite");
    std::fs::write(&file, "this is no database. ".repeat(100)).expect("the directory is ours");
    let config = house.config().display().to_string();

    for (url, reason) in [
        (
            format!("postgres://jansky:Karl-1933@{address}/jansky"),
            "Connection refused",
        ),
        (format!("sqlite://{}", file.display()), "not a database"),
    ] {
        let setting = format!("database.url={url}");
        let output = run(&["doctor", "--config", &config, "--set", &setting]).await;

        let told = told(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        let line = told
            .lines()
            .find(|line| line.starts_with("[FAIL] database: "));
        assert!(line.is_some_and(|line| line.contains(reason)), "{told}");
        assert!(!told.contains("Karl-1933"), "{told}");
    }
}

#[tokio::test]
async fn a_second_hub_on_the_same_database_is_refused_and_the_first_goes_on() {
    let house = House::new();
    let first = house.start(&[]).await;
    let admin = first.make_admin().await;

    let output = house.refused(&[]).await;

    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("jansky.sqlite"), "{told}");
    assert!(told.contains("another"), "{told}");
    admin.get("hub/api/user").await.must_be(200);
}

#[tokio::test]
async fn a_configuration_with_mistakes_is_refused_with_all_of_them() {
    let house = House::new();

    let output = house
        .refused(&["hub.bind=nowhere", "session.lifetime=soon"])
        .await;

    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("hub.bind"), "{told}");
    assert!(told.contains("session.lifetime"), "{told}");
    assert!(!house.path().join("data").exists(), "it made its directory");
}

#[tokio::test]
async fn what_cannot_be_read_is_the_clients_fault_and_is_not_logged() {
    let house = House::new();
    let hub = house.start(&[]).await;
    let address = hub.url.trim_start_matches("http://").trim_end_matches('/');
    let many = "X-Field: 1\r\n".repeat(150);
    let long = "x".repeat(40_000);

    for (request, status) in [
        ("GET /hub/login HTTP/1.1\r\n\r\n".to_owned(), 400),
        (
            "GET /hub/login HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
            400,
        ),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        (
            "POST /hub/login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n"
                .to_owned(),
            400,
        ),
        (
            format!("GET /hub/login HTTP/1.1\r\nHost: a\r\n{many}\r\n"),
            431,
        ),
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
    ] {
        let mut wire = TcpStream::connect(address).await.expect("it listens");
        wire.write_all(request.as_bytes())
            .await
            .expect("it is taken");
        wire.shutdown().await.expect("it is open");
        let mut answer = String::new();
        wire.read_to_string(&mut answer)
            .await
            .expect("it is answered");
        let what = &request[..request.len().min(80)];
        let line = answer.lines().next().unwrap_or_default();
        assert!(
            line.starts_with(&format!("HTTP/1.1 {status} ")),
            "{what:?}: {line}"
        );
        assert!(answer.contains("</html>"), "{what:?}: {answer}");
    }
    let said = house.said("stderr");
    assert!(!said.contains("ERROR"), "{said}");
}

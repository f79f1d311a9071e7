//! The hub's broker, as the agent sees it: each request carries a proof of possession (RFC 9449).

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use jansky_crypto::Random;
use jansky_crypto::dpop::{ProofKey, Request as Proven};
use jansky_model::{Clock, Secret};
use serde::Deserialize;
use serde_json::json;
use url::Url;
use url::form_urlencoded::Serializer as Form;

use crate::answer::Answer;
use crate::connection::{Connections, NoResponse, Sent};
use crate::tokens::TokenKey;

/// How long the hub may take to answer; it may have to ask a slow provider.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest answer that is read.
const LONGEST_ANSWER: usize = 1 << 20;

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const NONCE: &str = "dpop-nonce";
const NEW_NONCE_WANTED: &str = "use_dpop_nonce";

/// Talks to the broker with the agent's key.
pub(crate) struct Broker {
    base: Url,
    connections: Connections,
    key: ProofKey,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// What the hub wants to see in the next proof.
    nonce: Mutex<Option<String>>,
    session: OnceLock<Secret>,
}

/// What is sent beside the proof.
struct Content {
    kind: &'static str,
    bytes: Bytes,
}

impl Broker {
    /// # Errors
    /// When the URL is no address of a hub.
    pub(crate) fn new(
        broker_url: &str,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, String> {
        let base = Url::parse(broker_url)
            .ok()
            .filter(|url| url.path().ends_with('/'))
            .ok_or_else(|| format!("the address of the hub `{broker_url}` is not complete"))?;
        Ok(Self {
            connections: Connections::new(&base)?,
            key: ProofKey::generate(),
            clock,
            random,
            base,
            nonce: Mutex::default(),
            session: OnceLock::new(),
        })
    }

    /// Proves with the ticket which server this is.
    ///
    /// # Errors
    /// [`NoResponse::not_sent`] tells whether the ticket may be used once more.
    pub(crate) async fn enroll(&self, ticket: &Secret) -> Result<Answer, NoResponse> {
        let content = Content {
            kind: "application/json",
            bytes: json!({ "ticket": ticket.expose() }).to_string().into(),
        };
        let answer = self.ask(Method::POST, "enroll", Some(content)).await?;
        if answer.status.is_success() {
            #[derive(Deserialize)]
            struct Enrolled {
                session: Secret,
            }
            let Ok(enrolled) = serde_json::from_slice::<Enrolled>(&answer.body) else {
                return Err(NoResponse {
                    reason: "the hub's answer has no session in it".to_owned(),
                    on_old_connection: false,
                    not_sent: false,
                });
            };
            let _ = self.session.set(enrolled.session);
        }
        Ok(answer)
    }

    /// Asks for an access token that is good for at least `min_ttl` seconds.
    pub(crate) async fn token(
        &self,
        wanted: &TokenKey,
        min_ttl: u64,
    ) -> Result<Answer, NoResponse> {
        let content = Content {
            kind: "application/x-www-form-urlencoded",
            bytes: token_form(wanted, min_ttl).into(),
        };
        self.ask(Method::POST, "token", Some(content)).await
    }

    /// What there is to be had, and how it stands.
    pub(crate) async fn audiences(&self) -> Result<Answer, NoResponse> {
        self.ask(Method::GET, "audiences", None).await
    }

    /// Opens the stream of events; an answer without success is read to its end.
    pub(crate) async fn events(&self) -> Result<Result<Incoming, Answer>, NoResponse> {
        let open = self.send(&Method::GET, "events", None, true);
        let Sent { response, sender } = in_time(open).await?;
        if response.status() == StatusCode::OK {
            return Ok(Ok(response.into_body()));
        }
        let answer = in_time(read(response)).await?;
        self.connections.give_back(sender);
        Ok(Err(answer))
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        content: Option<Content>,
    ) -> Result<Answer, NoResponse> {
        // An enrolment must not be sent twice, so it needs a connection that the hub has not closed: a
        // new one.
        let new_connection = self.session.get().is_none();
        in_time(async {
            let sent = self
                .send(&method, path, content.as_ref(), new_connection)
                .await?;
            let answer = read(sent.response).await?;
            self.connections.give_back(sent.sender);
            Ok(answer)
        })
        .await
    }

    /// Sends a request, once more if the hub wants another nonce or has closed an old connection.
    async fn send(
        &self,
        method: &Method,
        path: &str,
        content: Option<&Content>,
        mut new_connection: bool,
    ) -> Result<Sent, NoResponse> {
        let mut other_nonce = false;
        loop {
            let request = self.request(method, path, content)?;
            let sent = match self.connections.send(request, new_connection).await {
                Err(problem) if problem.on_old_connection => {
                    new_connection = true;
                    continue;
                }
                sent => sent?,
            };
            self.keep_nonce(sent.response.headers());
            let wanted = sent.response.status() == StatusCode::UNAUTHORIZED
                && wants_new_nonce(sent.response.headers());
            if !wanted || other_nonce {
                return Ok(sent);
            }
            other_nonce = true;
            read(sent.response).await?;
            self.connections.give_back(sent.sender);
            new_connection = false;
        }
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        content: Option<&Content>,
    ) -> Result<Request<Full<Bytes>>, NoResponse> {
        let url = self.base.join(path).map_err(|_| unusable())?;
        let session = self.session.get();
        let nonce = self.nonce().clone();
        let proven = Proven {
            method: method.as_str(),
            url: url.as_str(),
            token: session.map(Secret::expose),
            nonce: nonce.as_deref(),
            at: self.clock.now(),
        };
        let proof = self.key.prove(self.random.as_ref(), proven);
        let mut request = Request::builder()
            .method(method)
            .uri(url.path())
            .header("dpop", proof)
            .header(
                header::USER_AGENT,
                concat!("jansky-agent/", env!("CARGO_PKG_VERSION")),
            );
        if let Some(session) = session {
            // Exposed to the hub, which made it.
            request = request.header(header::AUTHORIZATION, format!("DPoP {}", session.expose()));
        }
        if let Some(content) = content {
            request = request.header(header::CONTENT_TYPE, content.kind);
        }
        let bytes = content.map(|content| content.bytes.clone());
        request
            .body(Full::new(bytes.unwrap_or_default()))
            .map_err(|_| unusable())
    }

    fn keep_nonce(&self, headers: &HeaderMap) {
        if let Some(new) = headers.get(NONCE).and_then(|value| value.to_str().ok()) {
            *self.nonce() = Some(new.to_owned());
        }
    }

    fn nonce(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.nonce.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn token_form(wanted: &TokenKey, min_ttl: u64) -> String {
    let mut form = Form::new(String::new());
    form.append_pair("grant_type", TOKEN_EXCHANGE)
        .append_pair("audience", &wanted.audience)
        .append_pair("min_ttl", &min_ttl.to_string());
    if let Some(scope) = &wanted.scope {
        form.append_pair("scope", scope);
    }
    form.finish()
}

fn unusable() -> NoResponse {
    NoResponse {
        reason: "the address of the hub cannot be used".to_owned(),
        on_old_connection: false,
        not_sent: true,
    }
}

fn wants_new_nonce(headers: &HeaderMap) -> bool {
    let mut challenges = headers.get_all(header::WWW_AUTHENTICATE).iter();
    challenges.any(|one| {
        one.to_str()
            .is_ok_and(|text| text.contains(NEW_NONCE_WANTED))
    })
}

async fn in_time<T>(asking: impl Future<Output = Result<T, NoResponse>>) -> Result<T, NoResponse> {
    let in_time = tokio::time::timeout(ANSWER_TIMEOUT, asking).await;
    in_time.unwrap_or_else(|_| {
        Err(NoResponse {
            reason: format!(
                "the hub did not answer within {} s",
                ANSWER_TIMEOUT.as_secs()
            ),
            on_old_connection: false,
            not_sent: false,
        })
    })
}

async fn read(response: Response<Incoming>) -> Result<Answer, NoResponse> {
    let status = response.status();
    let retry_after = response.headers().get(header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
    let body = Limited::new(response.into_body(), LONGEST_ANSWER)
        .collect()
        .await;
    let body = body.map_err(|error| NoResponse {
        reason: format!("the hub's answer broke off: {error}"),
        on_old_connection: false,
        not_sent: false,
    })?;
    Ok(Answer {
        status,
        retry_after,
        body: body.to_bytes(),
    })
}

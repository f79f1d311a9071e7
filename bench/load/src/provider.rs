//! An OpenID provider that knows everybody and asks nothing. It remembers nothing either: a code
//! says itself who signs in.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use url::form_urlencoded;

use crate::message::Message;

/// The name of the client.
const CLIENT: &str = "bench";

/// The group of everybody.
const GROUP: &str = "radio";

/// How long tokens are good for.
const LIFETIME: Duration = Duration::from_hours(1);

struct Provider {
    issuer: String,
    key: EcdsaKeyPair,
    random: SystemRandom,
}

pub(crate) async fn run(address: SocketAddr) -> anyhow::Result<()> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
        .map_err(|_| anyhow!("no key could be made"))?;
    let provider = Arc::new(Provider {
        issuer: format!("http://{address}"),
        key,
        random: SystemRandom::new(),
    });
    let listener = crate::listen(address)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let provider = Arc::clone(&provider);
        tokio::spawn(async move {
            // A client that leaves in the middle is not worth a word here.
            let _ = provider.serve(stream).await;
        });
    }
}

impl Provider {
    async fn serve(&self, mut stream: TcpStream) -> anyhow::Result<()> {
        let mut buffer = Vec::new();
        while let Some(request) = Message::read(&mut stream, &mut buffer).await? {
            let answer = self.answer(&request)?;
            stream.write_all(answer.as_bytes()).await?;
        }
        Ok(())
    }

    fn answer(&self, request: &Message) -> anyhow::Result<String> {
        let target = request.start.split(' ').nth(1).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Ok(match path {
            "/.well-known/openid-configuration" => json_answer(&self.metadata()),
            "/jwks" => json_answer(&json!({ "keys": [self.jwk()] })),
            "/authorize" => authorize(&pairs(query))?,
            "/token" => {
                let form = std::str::from_utf8(&request.body)?;
                json_answer(&self.tokens(&pairs(form))?)
            }
            "/userinfo" => {
                let bearer = request.header("authorization").unwrap_or_default();
                let person = bearer.rsplit(' ').next().unwrap_or_default();
                json_answer(
                    &json!({ "sub": person, "preferred_username": person, "groups": [GROUP] }),
                )
            }
            _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
        })
    }

    fn metadata(&self) -> Value {
        let issuer = &self.issuer;
        json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "jwks_uri": format!("{issuer}/jwks"),
        })
    }

    fn jwk(&self) -> Value {
        let point = self.key.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        json!({ "kty": "EC", "crv": "P-256", "kid": "1", "use": "sig", "x": encode(x), "y": encode(y) })
    }

    fn tokens(&self, form: &HashMap<String, String>) -> anyhow::Result<Value> {
        let code = BASE64_URL_SAFE_NO_PAD.decode(form.get("code").context("no `code`")?)?;
        let (person, nonce): (String, Option<String>) = serde_json::from_slice(&code)?;
        #[expect(
            clippy::disallowed_methods,
            reason = "only the program that measures uses it"
        )]
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let header = json!({ "alg": "ES256", "kid": "1", "typ": "JWT" });
        let mut claims = json!({
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": person,
            "iat": now.as_secs(),
            "exp": (now + LIFETIME).as_secs(),
            "preferred_username": person,
            "groups": [GROUP],
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        let message = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(claims.to_string())
        );
        let signature = self
            .key
            .sign(&self.random, message.as_bytes())
            .map_err(|_| anyhow!("the key does not sign"))?;
        Ok(json!({
            "access_token": person,
            "refresh_token": person,
            "id_token": format!("{message}.{}", encode(signature)),
            "token_type": "Bearer",
            "expires_in": LIFETIME.as_secs(),
            "scope": "openid",
        }))
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn pairs(text: &str) -> HashMap<String, String> {
    form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect()
}

fn json_answer(body: &Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends the browser back at once, as a provider does where somebody is signed in already.
fn authorize(query: &HashMap<String, String>) -> anyhow::Result<String> {
    let get = |name: &str| query.get(name).map(String::as_str);
    let person = get("login_hint").unwrap_or("person-0");
    let who = json!([person, get("nonce")]);
    let to = get("redirect_uri").context("no `redirect_uri`")?;
    let back = form_urlencoded::Serializer::new(String::new())
        .append_pair("code", &encode(who.to_string()))
        .append_pair("state", get("state").unwrap_or_default())
        .finish();
    Ok(format!(
        "HTTP/1.1 302 Found\r\nLocation: {to}?{back}\r\nContent-Length: 0\r\n\r\n"
    ))
}

//! The knobs of the scripted provider, and what it remembers.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::records::Records;
use crate::signing::Key;

/// Changes the header and the claims of an ID token before it is signed.
pub type Tweak = Box<dyn Fn(&mut Value, &mut Value) + Send>;

/// How an endpoint answers instead of doing its work.
#[derive(Clone)]
pub enum Instead {
    /// With this status and this body.
    Status(u16, String),
    /// With a redirect to this address.
    Redirect(String),
    /// Answers with the page whose number the query has, from 1.
    Pages(Vec<String>),
    /// Answers a form in the first way and a request without one in the second.
    ByForm(Box<Self>, Box<Self>),
    /// Answers only after the test has ended.
    Silence,
}

/// A call that the provider received.
#[derive(Clone, Debug)]
pub struct Call {
    /// The path that was asked for.
    pub path: String,
    /// The parameters in the address.
    pub query: HashMap<String, String>,
    /// The header `Authorization`.
    pub authorization: Option<String>,
    /// The parameters in the body.
    pub form: HashMap<String, String>,
}

/// Somebody who has an account at the provider.
#[derive(Clone, Debug)]
pub struct Person {
    /// What never changes about them.
    pub subject: String,
    /// What ID tokens and userinfo say about them, besides the subject.
    pub claims: Map<String, Value>,
}

impl Person {
    /// Somebody with a name.
    pub fn new(subject: &str, name: &str) -> Self {
        let person = Self {
            subject: subject.to_owned(),
            claims: Map::new(),
        };
        person.with("preferred_username", json!(name))
    }

    /// Adds a claim.
    #[must_use]
    pub fn with(mut self, claim: &str, value: Value) -> Self {
        self.claims.insert(claim.to_owned(), value);
        self
    }
}

/// How long things are good for, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Access tokens.
    pub access: i64,
    /// ID tokens.
    pub id_token: i64,
    /// Refresh tokens; for ever when not given.
    pub refresh: Option<i64>,
}

/// A service with tokens of its own, as Globus sends them along.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name (`resource_server`).
    pub name: String,
    /// How long its access tokens are good for, in seconds.
    pub lifetime: i64,
}

/// A service for which tokens can be had by exchange.
#[derive(Clone, Debug)]
pub struct Audience {
    /// The scopes that may be asked for.
    pub scopes: Vec<String>,
    /// How long its tokens are good for, in seconds.
    pub lifetime: i64,
}

/// The ways in which a brokered token is given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerMode {
    /// `GET …/broker/ALIAS/token` with the person's access token.
    V1,
    /// `POST …/broker/ALIAS/token` with client authentication and the access token as `token`.
    V2,
    /// Token exchange with `requested_issuer`.
    Legacy,
}

/// An identity provider behind this one, whose tokens it keeps.
#[derive(Clone, Debug)]
pub struct Brokered {
    /// In which ways its tokens are given out.
    pub modes: Vec<BrokerMode>,
    /// How long they are good for, in seconds.
    pub lifetime: i64,
    /// The status in place of 200.
    pub status: Option<u16>,
}

/// The knobs.
pub struct Script {
    /// The key that signs; the others are published only.
    pub keys: Vec<Key>,
    /// The keys that are published; all of `keys` if not given.
    pub published: Option<Value>,
    /// Changes ID tokens before they are signed.
    pub tweak: Option<Tweak>,
    /// What endpoints do instead of their work, by path.
    pub instead: BTreeMap<&'static str, Instead>,
    /// How long endpoints keep an answer back after they have done their work, by path.
    pub delay: BTreeMap<&'static str, Duration>,
    /// Entries that replace those of the discovery document; null removes one.
    pub metadata: BTreeMap<&'static str, Value>,
    /// Entries that replace those of the token endpoint's answer; null removes one.
    pub token_answer: BTreeMap<&'static str, Value>,
    /// Who has an account. The first is at the browser unless a test says who is.
    pub people: Vec<Person>,
    /// Since when browsers are signed in here, in seconds since 1970: nobody is asked who they are
    /// unless the client wants that. Whoever comes is asked if not given.
    pub signed_in_since: Option<i64>,
    /// What userinfo says about everybody, in place of their claims.
    pub userinfo: Option<Value>,
    /// What userinfo answers as `application/jwt`, in place of JSON.
    pub signed_userinfo: Option<String>,
    /// The secrets that our client may use; none for a public client.
    pub secrets: Vec<String>,
    /// Whether it announces and sends `iss` in the callback (RFC 9207).
    pub sends_issuer: bool,
    /// How long what it gives is good for.
    pub lifetimes: Lifetimes,
    /// Whether a refresh token is good for one refresh; a second use ends the whole session.
    pub rotates: bool,
    /// Whether access tokens are JWTs, and not just names.
    pub access_as_jwt: bool,
    /// Services whose tokens come along with every sign-in.
    pub services: Vec<Service>,
    /// Services for which a token can be exchanged (RFC 8693).
    pub audiences: BTreeMap<String, Audience>,
    /// Identity providers behind this one.
    pub brokered: BTreeMap<String, Brokered>,
    /// Every call, in order.
    pub calls: Vec<Call>,
    /// What it gave out, and what became of it.
    pub records: Records,
}

impl Script {
    pub(super) fn new(secret: &str) -> Self {
        Self {
            keys: vec![Key::rsa("key-1")],
            published: None,
            tweak: None,
            instead: BTreeMap::new(),
            delay: BTreeMap::new(),
            metadata: BTreeMap::new(),
            token_answer: BTreeMap::new(),
            people: vec![Person::new("subject-1", "river")],
            signed_in_since: None,
            userinfo: None,
            signed_userinfo: None,
            secrets: vec![secret.to_owned()],
            sends_issuer: true,
            lifetimes: Lifetimes {
                access: 300,
                id_token: 300,
                refresh: None,
            },
            rotates: false,
            access_as_jwt: false,
            services: Vec::new(),
            audiences: BTreeMap::new(),
            brokered: BTreeMap::new(),
            calls: Vec::new(),
            records: Records::new(),
        }
    }

    /// Somebody by their subject.
    pub fn person(&mut self, subject: &str) -> &mut Person {
        let person = self.people.iter_mut().find(|one| one.subject == subject);
        person.unwrap_or_else(|| panic!("`{subject}` has no account at the scripted provider"))
    }
}

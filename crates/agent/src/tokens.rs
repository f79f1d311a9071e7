//! The access tokens that the agent holds, each asked for once however many want it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use jansky_crypto::Random;
use jansky_model::{Clock, Secret, Timestamp};
use serde::{Deserialize, Serialize};

use crate::answer::Answer;

/// A token is renewed when less than this share of its lifetime is left, in percent.
const RENEWED_AT: u64 = 20;

/// By up to how much earlier than that an agent renews, so that not all do so at the same moment; in
/// percent of the lifetime.
const SPREAD: u64 = 5;

/// The largest share of a token's lifetime that `min_ttl` can ask for, in percent. Without it, asking for
/// more than tokens ever have would get a new token with every request.
const MOST: u64 = 90;

/// For how long a token is good at least when a request has no `min_ttl`, in seconds.
const USUAL_MIN_TTL: u64 = 60;

/// A token with less than this left is not handed out even when no newer one can be had, in seconds.
const LEAST_LEFT: u64 = 5;

/// How long the hub is not asked again after it could not give a token.
const PAUSE: Duration = Duration::from_secs(1);

/// How many different tokens are held, more than any notebook asks for. With one more, all are dropped.
const MOST_SLOTS: usize = 1000;

/// What a token is wanted for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TokenKey {
    pub(crate) audience: String,
    pub(crate) scope: Option<String>,
}

/// All tokens.
pub(crate) struct Tokens {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// How often everything was dropped. An answer to a request from before is not kept.
    round: u64,
    slots: HashMap<TokenKey, Arc<TokenSlot>>,
}

/// The token for one audience and scope. Whoever holds `turn` may renew it.
#[derive(Default)]
struct TokenSlot {
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// What the hub answered instead of a newer one, and until when it is not asked again.
    failure: Option<(Answer, Timestamp)>,
    /// How often the hub has answered, for those who waited for their turn.
    answers: u64,
}

struct Token {
    answer: TokenAnswer,
    expires_at: Timestamp,
    lifetime: u64,
    /// It is renewed when less than this is left, in seconds.
    floor: u64,
}

/// The answer of RFC 8693 2.2.1.
#[derive(Clone, Deserialize)]
struct TokenAnswer {
    access_token: Secret,
    issued_token_type: Option<String>,
    token_type: Option<String>,
    expires_in: u64,
    scope: Option<String>,
    audience: Option<String>,
}

impl Tokens {
    pub(crate) fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self {
            clock,
            random,
            held: Mutex::default(),
        }
    }

    /// Drops all tokens, and those that the hub is being asked for at this moment.
    pub(crate) fn clear(&self) {
        let mut held = self.held();
        held.round += 1;
        held.slots.clear();
    }

    /// Hands out a token, or what the hub says instead. `ask` asks the hub.
    ///
    /// With `min_ttl` the token is good for at least so many seconds, or for most of its lifetime if that
    /// is shorter. Without it, any token that has not expired will do while the hub cannot be asked.
    pub(crate) async fn get<Asking: Future<Output = Answer>>(
        &self,
        wanted: &TokenKey,
        min_ttl: Option<u64>,
        ask: impl Fn(u64) -> Asking,
    ) -> Answer {
        loop {
            let (round, slot) = self.slot(wanted);
            let answer = self.of_slot(&slot, min_ttl, &ask).await;
            // If all tokens were dropped meanwhile, this one was given by rules that no longer hold.
            if self.held().round == round {
                return answer;
            }
        }
    }

    async fn of_slot<Asking: Future<Output = Answer>>(
        &self,
        slot: &TokenSlot,
        min_ttl: Option<u64>,
        ask: impl Fn(u64) -> Asking,
    ) -> Answer {
        let least = min_ttl.unwrap_or(USUAL_MIN_TTL);
        if let Some(answer) = slot.state().good_for(least, self.clock.now()) {
            return answer;
        }
        let answers_before = slot.state().answers;
        let _turn = slot.turn.lock().await;
        {
            let state = slot.state();
            let now = self.clock.now();
            if let Some(answer) = state.good_for(least, now) {
                return answer;
            }
            if let Some((failure, until)) = &state.failure
                && (state.answers != answers_before || now < *until)
            {
                return state.without_hub(min_ttl, now, failure);
            }
        }
        // The usual minimum is more than some services ever give.
        let asked = min_ttl.unwrap_or_else(|| slot.state().usual());
        let answer = ask(asked).await;
        let now = self.clock.now();
        let mut state = slot.state();
        state.answers += 1;
        if answer.status != StatusCode::OK {
            state.failure = Some((answer.clone(), now.plus(PAUSE)));
            return state.without_hub(min_ttl, now, &answer);
        }
        state.failure = None;
        // An answer that does not say when the token expires cannot be read, and is not kept.
        state.token = serde_json::from_slice(&answer.body)
            .ok()
            .map(|fresh| Token::new(fresh, now, self.spread()));
        answer
    }

    /// The seconds that are left of the best token for an audience, if there is one.
    pub(crate) fn left(&self, audience: &str) -> Option<u64> {
        let now = self.clock.now();
        let held = self.held();
        let slots = held.slots.iter();
        slots
            .filter(|(wanted, _)| wanted.audience == audience)
            .filter_map(|(_, slot)| slot.state().left(now))
            .max()
    }

    fn spread(&self) -> u64 {
        let mut byte = [0];
        self.random.fill(&mut byte);
        u64::from(byte[0]) % (SPREAD + 1)
    }

    fn slot(&self, wanted: &TokenKey) -> (u64, Arc<TokenSlot>) {
        let mut held = self.held();
        if held.slots.len() >= MOST_SLOTS && !held.slots.contains_key(wanted) {
            held.slots.clear();
        }
        let round = held.round;
        if let Some(slot) = held.slots.get(wanted) {
            return (round, Arc::clone(slot));
        }
        let slot = Arc::<TokenSlot>::default();
        held.slots.insert(wanted.clone(), Arc::clone(&slot));
        (round, slot)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenSlot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn left(&self, now: Timestamp) -> Option<u64> {
        let left = self.token.as_ref()?.expires_at.since(now).as_secs();
        (left > 0).then_some(left)
    }

    /// The token, if it is good for at least `least` seconds and not due for renewal.
    fn good_for(&self, least: u64, now: Timestamp) -> Option<Answer> {
        let token = self.token.as_ref()?;
        let least = least.min(token.lifetime * MOST / 100).max(token.floor);
        token.answer_with(least, now)
    }

    /// The `min_ttl` to ask the hub for when the request has none: no more than the last token could
    /// meet, and nothing when there was none.
    fn usual(&self) -> u64 {
        let last = self.token.as_ref();
        last.map_or(0, |last| USUAL_MIN_TTL.min(last.lifetime * MOST / 100))
    }

    /// The answer when no newer token can be had: the present one if it is still good, or the failure.
    fn without_hub(&self, min_ttl: Option<u64>, now: Timestamp, failure: &Answer) -> Answer {
        let held = self.token.as_ref().filter(|_| failure.is_temporary());
        let held = held.and_then(|token| {
            let least = min_ttl.map_or(LEAST_LEFT, |least| least.min(token.lifetime * MOST / 100));
            token.answer_with(least, now)
        });
        held.unwrap_or_else(|| failure.clone())
    }
}

impl Token {
    fn new(answer: TokenAnswer, now: Timestamp, spread: u64) -> Self {
        let lifetime = answer.expires_in;
        Self {
            expires_at: now.plus(Duration::from_secs(lifetime)),
            lifetime,
            floor: (lifetime * (RENEWED_AT + spread) / 100).max(1),
            answer,
        }
    }

    /// The answer, if at least so many seconds are left.
    fn answer_with(&self, least: u64, now: Timestamp) -> Option<Answer> {
        let left = self.expires_at.since(now).as_secs();
        if left < least || left == 0 {
            return None;
        }
        let body = serde_json::to_vec(&TokenResponse {
            access_token: self.answer.access_token.expose(),
            issued_token_type: self.answer.issued_token_type.as_deref(),
            token_type: self.answer.token_type.as_deref(),
            expires_in: left,
            scope: self.answer.scope.as_deref(),
            audience: self.answer.audience.as_deref(),
        });
        Some(Answer {
            status: StatusCode::OK,
            retry_after: None,
            body: body.ok()?.into(),
        })
    }
}

/// The token as the code of the server gets it.
#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'a str>,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<&'a str>,
}

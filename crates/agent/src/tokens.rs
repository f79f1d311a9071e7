//! The access tokens that the agent holds, each asked for once however many want it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use jansky_crypto::Random;
use jansky_model::{Clock, Secret, Timestamp};
use serde::{Deserialize, Serialize};

use crate::answer::Answer;

/// A token that has less of its life left than this share is renewed, in percent.
const RENEWED_AT: u64 = 20;

/// Agents do not all renew at the same moment: some do so earlier by up to this share, in percent.
const SPREAD: u64 = 5;

/// How much of a token's life may be asked for: of tokens that never live long enough each request
/// would otherwise need a new one.
const MOST: u64 = 90;

/// How long a token lives for sure when nobody says how long it shall, in seconds.
const USUAL_MIN_TTL: u64 = 60;

/// What is left of a token that is handed out while there is no other, in seconds.
const LEAST_LEFT: u64 = 5;

/// How long the hub is not asked again after it could not give a token.
const PAUSE: Duration = Duration::from_secs(1);

/// More different wishes than any notebook has; then all begin anew.
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
    /// Counts how often everything was dropped: what was asked for before is not kept after.
    round: u64,
    slots: HashMap<TokenKey, Arc<TokenSlot>>,
}

/// The token for one wish, and the turn to renew it.
#[derive(Default)]
struct TokenSlot {
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// Why there is no newer one, until when it is not asked for again, and when that was.
    failure: Option<(Answer, Timestamp)>,
    /// Counts the answers of the hub.
    answers: u64,
}

struct Token {
    answer: TokenAnswer,
    expires_at: Timestamp,
    lifetime: u64,
    /// With less left than this it is renewed, in seconds.
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

    /// Forgets everything, also what is being asked for at this moment.
    pub(crate) fn clear(&self) {
        let mut held = self.held();
        held.round += 1;
        held.slots.clear();
    }

    /// Hands out a token, or what the hub says instead. `ask` asks the hub.
    ///
    /// With `min_ttl` it lives for so many seconds at least, as far as its whole life is longer.
    /// Without it, and while the hub cannot be asked, it is one that has not ended.
    pub(crate) async fn get<Asking: Future<Output = Answer>>(
        &self,
        wanted: &TokenKey,
        min_ttl: Option<u64>,
        ask: impl Fn(u64) -> Asking,
    ) -> Answer {
        loop {
            let (round, slot) = self.slot(wanted);
            let answer = self.of_slot(&slot, min_ttl, &ask).await;
            // Otherwise it was asked for by rules that hold no longer.
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
        // Of a service whose tokens live for less than usual that would be too much to ask for.
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
        // One of which nobody knows when it ends is not kept.
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

    /// The token, if it need not be renewed for somebody who wants `least` seconds.
    fn good_for(&self, least: u64, now: Timestamp) -> Option<Answer> {
        let token = self.token.as_ref()?;
        let least = least.min(token.lifetime * MOST / 100).max(token.floor);
        token.answer_with(least, now)
    }

    /// For how long a new token shall live at least when nobody says it: not longer than the last one
    /// did, and for any time when there was none.
    fn usual(&self) -> u64 {
        let last = self.token.as_ref();
        last.map_or(0, |last| USUAL_MIN_TTL.min(last.lifetime * MOST / 100))
    }

    /// The token while there is no newer one, or the failure.
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

/// What of a token goes to the code of the server.
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

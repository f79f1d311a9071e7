//! The agent itself: its session at the hub, the tokens it holds, and its answers to the code of the server.

mod files;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use jansky_crypto::Random;
use jansky_handover::StartDocument;
use jansky_model::{Clock, Secret};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::answer::Answer;
use crate::broker::Broker;
use crate::events::{Event, Reader};
use crate::local;
use crate::log::say;
use crate::socket::Socket;
use crate::token_files::TokenFiles;
use crate::tokens::{TokenKey, Tokens};

/// A ticket is good for a minute from the start of the server; a little longer for slow starts.
const ENROLMENT_TIMEOUT: Duration = Duration::from_secs(90);

/// How long a server waits for the enrolment of the agent that starts it.
const FIRST_ENROLMENT: Duration = Duration::from_secs(10);

/// How long somebody who wants a token waits for the enrolment.
const PATIENCE: Duration = Duration::from_secs(5);

/// The hub says something at least every 15 s; after this the connection is dead.
const SILENCE: Duration = Duration::from_secs(40);

/// How long to wait before the hub is tried again: after the first failure, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(3));

/// How long somebody who wants to know the status waits for the hub.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);

/// One agent, for one server.
pub(crate) struct Agent {
    broker: Broker,
    tokens: Tokens,
    files: Option<TokenFiles>,
    clock: Arc<dyn Clock>,
    session_state: watch::Sender<SessionState>,
    /// How many events the hub has sent. An answer to a question from before an event may be outdated.
    told: AtomicU64,
    hub_answers: AtomicBool,
    /// What the hub last said about audiences.
    known: Mutex<Option<Map<String, Value>>>,
    look: Notify,
    files_changed: Notify,
}

/// Whether there are tokens to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SessionState {
    /// The ticket has not been redeemed yet.
    Enrolling,
    /// The hub knows this agent.
    Active,
    /// The hub gives no tokens until it says otherwise.
    Frozen {
        /// In the hub's words: `signed_out`, `operator` and so on.
        reason: String,
    },
    /// The hub did not take the ticket, or its answer was lost.
    Refused {
        /// For a person.
        why: String,
    },
}

impl SessionState {
    /// What to say to somebody who wants a token; nothing when the hub can be asked.
    pub(crate) fn objection(&self) -> Option<Answer> {
        match self {
            Self::Active => None,
            Self::Enrolling => Some(Answer::unavailable(
                "the agent of this server is still being introduced to the hub",
            )),
            Self::Frozen { reason } => Some(frozen(reason)),
            Self::Refused { why } => Some(Answer::problem(
                StatusCode::UNAUTHORIZED,
                "invalid_token",
                &format!("this server gets no tokens: {why}; start it again"),
            )),
        }
    }

    /// The word for it in an answer about the status.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Enrolling => "enrolling",
            Self::Active => "active",
            Self::Frozen { .. } => "frozen",
            Self::Refused { .. } => "refused",
        }
    }
}

fn frozen(reason: &str) -> Answer {
    let what_to_do = match reason {
        "signed_out" => "its owner has signed out; sign in at the hub again",
        "operator" => "an operator has stopped it",
        _ => "start the server again",
    };
    let description = format!("this server gets no tokens at the moment ({reason}): {what_to_do}");
    Answer::frozen(reason, &description)
}

/// What the agent itself needs to know of the hub's answer about audiences.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Known {
    state: String,
    frozen_reason: Option<String>,
    audiences: Vec<KnownAudience>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct KnownAudience {
    id: String,
    state: String,
    token_file: bool,
}

impl Agent {
    /// # Errors
    /// In words for the log, when the document cannot be followed.
    pub(crate) fn new(
        document: &StartDocument,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, String> {
        let broker = Broker::new(
            document.broker_url.as_deref().unwrap_or_default(),
            Arc::clone(&clock),
            Arc::clone(&random),
        )?;
        let files = document.token_dir.as_deref().map(TokenFiles::new);
        let files = files.transpose().unwrap_or_else(|problem| {
            // Everything else works without token files.
            say(&problem);
            None
        });
        Ok(Self {
            broker,
            tokens: Tokens::new(Arc::clone(&clock), random),
            files,
            clock,
            session_state: watch::Sender::new(SessionState::Enrolling),
            told: AtomicU64::new(0),
            hub_answers: AtomicBool::new(false),
            known: Mutex::default(),
            look: Notify::new(),
            files_changed: Notify::new(),
        })
    }

    /// Serves until something makes that impossible, and says what.
    pub(crate) async fn serve(self: Arc<Self>, document: &StartDocument, ticket: Secret) -> String {
        let socket = match Socket::bind(&document.socket, document.uid) {
            Ok(socket) => socket,
            Err(problem) => return problem,
        };
        // The tasks end when this set is dropped, with the function.
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&self).keep_in_touch(ticket));
        tasks.spawn(Arc::clone(&self).keep_looking());
        tasks.spawn(Arc::clone(&self).keep_files());
        loop {
            tokio::select! {
                stream = socket.accept() => match stream {
                    Ok(stream) => {
                        tasks.spawn(local::serve(Arc::clone(&self), stream));
                    }
                    Err(problem) => return problem,
                },
                Some(_) = tasks.join_next() => {}
            }
        }
    }

    /// Waits until the ticket was redeemed or refused, but not for long.
    pub(crate) async fn first_enrolment(&self) {
        self.enrolment_within(FIRST_ENROLMENT).await;
    }

    /// Removes what lies in files.
    pub(crate) fn tidy_up(&self) {
        if let Some(files) = &self.files {
            files.remove_all();
        }
    }

    /// A token, or an error in the words of OAuth.
    pub(crate) async fn token(&self, wanted: &TokenKey, min_ttl: Option<u64>) -> Answer {
        if *self.session_state.borrow() == SessionState::Enrolling {
            self.enrolment_within(PATIENCE).await;
        }
        if let Some(objection) = self.objection() {
            return objection;
        }
        let ask = |least| self.ask(wanted, least);
        let answer = self.tokens.get(wanted, min_ttl, ask).await;
        // The session may have been frozen meanwhile.
        self.objection().unwrap_or(answer)
    }

    /// What the hub says about audiences, or what it said when it was last there.
    pub(crate) async fn status(&self) -> Answer {
        if matches!(
            *self.session_state.borrow(),
            SessionState::Active | SessionState::Frozen { .. }
        ) {
            let _ = tokio::time::timeout(STATUS_TIMEOUT, self.look()).await;
        }
        let mut status = self.known().clone().unwrap_or_default();
        let session_state = self.session_state.borrow().clone();
        status.insert("state".to_owned(), session_state.as_str().into());
        match session_state {
            SessionState::Frozen { reason } => {
                status.insert("frozen_reason".to_owned(), reason.into())
            }
            SessionState::Refused { why } => status.insert("problem".to_owned(), why.into()),
            SessionState::Active | SessionState::Enrolling => status.remove("frozen_reason"),
        };
        for list in ["identities", "audiences"] {
            status.entry(list).or_insert_with(|| json!([]));
        }
        if let Some(audiences) = status.get_mut("audiences").and_then(Value::as_array_mut) {
            for audience in audiences.iter_mut().filter_map(Value::as_object_mut) {
                let id = audience.get("id").and_then(Value::as_str);
                if let Some(left) = id.and_then(|id| self.tokens.left(id)) {
                    audience.insert("expires_in".to_owned(), left.into());
                }
            }
        }
        let connected = self.hub_answers.load(Ordering::Relaxed);
        let hub = if connected {
            "connected"
        } else {
            "unreachable"
        };
        status.insert("hub".to_owned(), hub.into());
        Answer {
            status: StatusCode::OK,
            retry_after: None,
            body: Value::Object(status).to_string().into(),
        }
    }

    fn objection(&self) -> Option<Answer> {
        self.session_state.borrow().objection()
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<Map<String, Value>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn enrolment_within(&self, patience: Duration) {
        let mut session_state = self.session_state.subscribe();
        let enrolled =
            session_state.wait_for(|session_state| *session_state != SessionState::Enrolling);
        let _ = tokio::time::timeout(patience, enrolled).await;
    }

    /// Asks the hub for a token.
    async fn ask(&self, wanted: &TokenKey, least: u64) -> Answer {
        if let Some(objection) = self.objection() {
            return objection;
        }
        match self.broker.token(wanted, least).await {
            Ok(answer) => {
                self.hub_answers.store(true, Ordering::Relaxed);
                self.notice_freeze(&answer);
                answer
            }
            Err(problem) => {
                self.hub_answers.store(false, Ordering::Relaxed);
                Answer::unavailable(&problem.reason)
            }
        }
    }

    /// Enrols, and listens to the hub from then on, connecting again and again.
    async fn keep_in_touch(self: Arc<Self>, ticket: Secret) {
        self.enrol(ticket).await;
        if *self.session_state.borrow() != SessionState::Active {
            return;
        }
        let mut pause = PAUSES.0;
        loop {
            match self.broker.events().await {
                Ok(Ok(stream)) => {
                    pause = PAUSES.0;
                    self.hub_answers.store(true, Ordering::Relaxed);
                    // Something may have happened while nobody listened.
                    self.look.notify_one();
                    self.follow(stream).await;
                }
                Ok(Err(answer)) => {
                    self.hub_answers.store(true, Ordering::Relaxed);
                    self.notice_freeze(&answer);
                    self.look.notify_one();
                }
                Err(_) => self.hub_answers.store(false, Ordering::Relaxed),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    async fn enrol(&self, ticket: Secret) {
        let began = self.clock.now();
        let mut pause = PAUSES.0;
        let why = loop {
            let problem = match self.broker.enroll(&ticket).await {
                Ok(answer) if answer.status.is_success() => {
                    self.hub_answers.store(true, Ordering::Relaxed);
                    self.session_state.send_replace(SessionState::Active);
                    return;
                }
                Ok(answer) if answer.is_temporary() => "the hub could not be asked".to_owned(),
                Ok(answer) => {
                    let error = answer.error().unwrap_or_default();
                    break format!("the hub did not accept the ticket of its agent ({error})");
                }
                // The hub takes a ticket that comes twice for a stolen one.
                Err(problem) if !problem.not_sent => break problem.reason,
                Err(problem) => problem.reason,
            };
            if self.clock.now().since(began) > ENROLMENT_TIMEOUT {
                break problem;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        };
        say(&format!("this server gets no tokens: {why}"));
        self.session_state
            .send_replace(SessionState::Refused { why });
    }

    /// Reads events until the stream ends.
    async fn follow(&self, mut stream: Incoming) {
        let mut reader = Reader::default();
        loop {
            let Ok(Some(Ok(frame))) = tokio::time::timeout(SILENCE, stream.frame()).await else {
                return;
            };
            let Ok(piece) = frame.into_data() else {
                continue;
            };
            for event in reader.read(&piece) {
                match event {
                    Event::Frozen { reason } => self.freeze(reason),
                    Event::Active => self.thaw(),
                    Event::Changed => {
                        self.told.fetch_add(1, Ordering::Relaxed);
                        self.tokens.clear();
                        self.look.notify_one();
                    }
                }
            }
        }
    }

    /// When this returns, no token is left in memory or in files.
    fn freeze(&self, reason: String) {
        self.told.fetch_add(1, Ordering::Relaxed);
        self.session_state
            .send_replace(SessionState::Frozen { reason });
        self.tokens.clear();
        self.tidy_up();
        self.files_changed.notify_one();
    }

    fn thaw(&self) {
        self.told.fetch_add(1, Ordering::Relaxed);
        self.session_state.send_replace(SessionState::Active);
        self.tokens.clear();
        self.look.notify_one();
    }

    /// The hub may say in any answer that it has frozen this session.
    fn notice_freeze(&self, answer: &Answer) {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Why {
            frozen_reason: String,
        }
        if answer.error().as_deref() == Some("session_frozen")
            && *self.session_state.borrow() == SessionState::Active
        {
            let why = serde_json::from_slice::<Why>(&answer.body).unwrap_or_default();
            self.freeze(why.frozen_reason);
            self.look.notify_one();
        }
    }

    async fn keep_looking(self: Arc<Self>) {
        loop {
            self.look.notified().await;
            self.look().await;
        }
    }

    /// Asks the hub for the state of session and audiences; once more if an event came meanwhile.
    async fn look(&self) {
        loop {
            let told = self.told.load(Ordering::Relaxed);
            let Ok(answer) = self.broker.audiences().await else {
                self.hub_answers.store(false, Ordering::Relaxed);
                return;
            };
            self.hub_answers.store(true, Ordering::Relaxed);
            if self.told.load(Ordering::Relaxed) != told {
                continue;
            }
            self.notice_freeze(&answer);
            if answer.status.is_success() {
                self.believe(&answer);
            }
            return;
        }
    }

    fn believe(&self, answer: &Answer) {
        let (Ok(whole), Ok(known)) = (
            serde_json::from_slice::<Map<String, Value>>(&answer.body),
            serde_json::from_slice::<Known>(&answer.body),
        ) else {
            return;
        };
        *self.known() = Some(whole);
        let now = self.session_state.borrow().clone();
        match (known.state.as_str(), now) {
            ("frozen", SessionState::Frozen { reason }) => {
                if let Some(known) = known.frozen_reason.filter(|known| *known != reason) {
                    self.session_state
                        .send_replace(SessionState::Frozen { reason: known });
                }
            }
            ("frozen", _) => self.freeze(known.frozen_reason.unwrap_or_default()),
            (_, SessionState::Frozen { .. }) => {
                self.session_state.send_replace(SessionState::Active);
                self.tokens.clear();
            }
            _ => {}
        }
        self.files_changed.notify_one();
    }
}

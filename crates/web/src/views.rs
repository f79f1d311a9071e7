//! What each page shows: one struct per template, and samples of every state a page can be in.
//!
//! The structs hold finished URLs and plain words. A handler fills them, the renderer turns them
//! into HTML, and nothing here knows where the values come from. Times are [`Timestamp`]s; the
//! templates write them in UTC and a script shows them in the reader's own time zone.
//!
//! Every form posts the hidden field `_xsrf` with the value of [`Frame::xsrf`].

mod samples;

use jansky_model::{Secret, Timestamp};
use serde::{Serialize, Serializer};

pub use samples::{Sample, sample_frame, samples};

/// A page: the values that its template needs.
pub trait Page: Serialize {
    /// File name of the template, for example `login.html`.
    const TEMPLATE: &'static str;
}

/// What surrounds every page.
#[derive(Clone, Debug, Serialize)]
pub struct Frame {
    /// Title of the page, shown in the browser's tab before the name of the site.
    pub title: String,
    /// Name of the site, chosen by the operator.
    pub site_name: String,
    /// URL prefix of the hub with both slashes, for example `/hub/`.
    pub base: String,
    /// Who is signed in.
    pub user: Option<FrameUser>,
    /// Token that every form sends back in the field `_xsrf`.
    pub xsrf: String,
    /// Version of the static files; see [`crate::static_files::version`].
    pub static_version: String,
    /// A message of the operator to everybody, plain text.
    pub announcement: Option<String>,
}

/// The signed-in person in the head of the page.
#[derive(Clone, Debug, Serialize)]
pub struct FrameUser {
    /// Name of the user.
    pub name: String,
    /// Whether the user is an administrator.
    pub admin: bool,
}

/// Sign in: every configured way on one page.
///
/// A form posts `provider`, `username`, `password` and `next`; one without `provider` is meant for
/// the first. Providers elsewhere are links, not forms, because a browser applies `form-action` also
/// to the redirects that follow a form.
#[derive(Clone, Debug, Serialize)]
pub struct LoginPage {
    /// Identity providers, in the order of the configuration.
    pub providers: Vec<ProviderButton>,
    /// The forms for names and passwords, one for each provider that takes them.
    pub forms: Vec<PasswordForm>,
    /// Where all of them are posted.
    pub action_url: String,
    /// Path to go to afterwards; empty for the default.
    pub next: String,
    /// Something good to know, such as that the session has ended.
    pub notice: Option<String>,
    /// What went wrong at a provider or with the attempt as a whole.
    pub error: Option<String>,
}

/// One identity provider on the sign-in page.
#[derive(Clone, Debug, Serialize)]
pub struct ProviderButton {
    /// Its id in the configuration.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// Where the sign-in begins; carries `next`.
    pub url: String,
    /// Whether it can be used now.
    pub available: bool,
    /// Why it cannot be used, in one sentence.
    pub reason: Option<String>,
}

/// The form for the accounts of one provider.
#[derive(Clone, Debug, Serialize)]
pub struct PasswordForm {
    /// The id of the provider.
    pub provider: String,
    /// Which accounts these are, for people.
    pub title: String,
    /// The name typed before, after a failed attempt.
    pub username: String,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// Home: my servers.
///
/// Start, stop and delete are posts without further fields; the form for a new server posts `name`.
#[derive(Clone, Debug, Serialize)]
pub struct HomePage {
    /// The default server first, then the named ones.
    pub servers: Vec<ServerCard>,
    /// Whether the user may add a named server now.
    pub can_add: bool,
    /// Where the form for a new server is posted.
    pub add_action: String,
    /// Why the last attempt to add a server failed.
    pub add_error: Option<String>,
    /// The name typed before, after a failed attempt.
    pub add_name: String,
    /// How many named servers the user may have, in words.
    pub named_limit_note: Option<String>,
}

/// What a server is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerPhase {
    /// It does not run.
    Stopped,
    /// It was asked for and does not answer yet.
    Starting,
    /// It answers.
    Ready,
    /// It was asked to stop.
    Stopping,
    /// The last start did not work.
    Failed,
}

/// One server on the home page.
#[derive(Clone, Debug, Serialize)]
pub struct ServerCard {
    /// Name of the server, empty for the default one.
    pub name: String,
    /// What people call it, for example `My server`.
    pub title: String,
    /// What it is doing.
    pub state: ServerPhase,
    /// Where it answers when it is ready.
    pub url: String,
    /// The page that shows how a start goes.
    pub pending_url: String,
    /// Where the form that starts it is posted.
    pub start_action: String,
    /// Where the form that stops it is posted.
    pub stop_action: String,
    /// Where the form that deletes it is posted, if it may be deleted now.
    pub delete_action: Option<String>,
    /// Since when it is in this state.
    pub since: Option<Timestamp>,
    /// When it was last used.
    pub last_activity: Option<Timestamp>,
    /// Why the last start failed, in one sentence.
    pub failure: Option<String>,
    /// Whether this is the default server.
    pub is_default: bool,
}

/// A server starts: progress, live with script and by reloading without.
#[derive(Clone, Debug, Serialize)]
pub struct PendingPage {
    /// What people call the server.
    pub title: String,
    /// The messages so far.
    pub events: Vec<PendingEvent>,
    /// How far the start has come, from 0 to 100.
    pub percent: u8,
    /// Server-sent events with [`jansky_model::ProgressEvent`]s; carries `_xsrf` in the query.
    pub events_url: String,
    /// How often the page reloads itself in a browser without script.
    pub refresh_seconds: Option<u32>,
    /// Where the form that gives up the start is posted.
    pub cancel_action: String,
    /// Where the server answers once it is ready.
    pub ready_url: String,
}

/// One message on the way to a running server.
#[derive(Clone, Debug, Serialize)]
pub struct PendingEvent {
    /// From 0 to 100.
    pub progress: u8,
    /// One sentence for a person.
    pub message: String,
}

/// A start failed.
#[derive(Clone, Debug, Serialize)]
pub struct FailedPage {
    /// What people call the server.
    pub title: String,
    /// Why, in a sentence or two that also say what to do.
    pub reason: String,
    /// The end of the server's log, possibly empty.
    pub log_tail: String,
    /// Where the form that tries again is posted.
    pub retry_action: String,
    /// The home page.
    pub home_url: String,
    /// When it failed.
    pub when: Option<Timestamp>,
}

/// Somebody opened a server that does not run (status 424).
#[derive(Clone, Debug, Serialize)]
pub struct NotRunningPage {
    /// What people call the server.
    pub title: String,
    /// Where the form that starts it is posted, with `next`.
    pub start_action: String,
    /// The home page.
    pub home_url: String,
    /// Path to go to once it runs; empty for the server itself.
    pub next: String,
}

/// Somebody opened a server that is stopping.
#[derive(Clone, Debug, Serialize)]
pub struct StoppingPage {
    /// What people call the server.
    pub title: String,
    /// How often the page reloads itself.
    pub refresh_seconds: u32,
    /// The home page.
    pub home_url: String,
}

/// Asks before signing out; the post does it.
#[derive(Clone, Debug, Serialize)]
pub struct SignOutPage {
    /// What happens to running servers.
    pub servers_note: Option<String>,
    /// Where the form is posted.
    pub action: String,
}

/// Signed out.
#[derive(Clone, Debug, Serialize)]
pub struct SignedOutPage {
    /// The sign-in page.
    pub login_url: String,
    /// That the session at the identity provider may go on.
    pub provider_note: Option<String>,
    /// Where the session at the identity provider ends, if it can be ended.
    pub farewell_url: Option<String>,
}

/// Asks whether an application may learn who the user is and act for them.
///
/// The form posts one hidden `scopes` per scope.
#[derive(Clone, Debug, Serialize)]
pub struct ConsentPage {
    /// What people call the application, for example `river's server`.
    pub client_title: String,
    /// Whose application it is.
    pub client_owner: Option<String>,
    /// Where the form is posted: this same URL with its query.
    pub action: String,
    /// What it asks for.
    pub scopes: Vec<ScopeLine>,
    /// Where "No" leads.
    pub deny_url: String,
}

/// One scope in words.
#[derive(Clone, Debug, Serialize)]
pub struct ScopeLine {
    /// The scope as text, with its filter.
    pub name: String,
    /// What it means; see [`crate::scope_words::scope_in_words`].
    pub description: String,
}

/// Makes the first administrator, reached by a link that works once.
///
/// The form posts `username` and `password`.
#[derive(Clone, Debug, Serialize)]
pub struct SetupPage {
    /// Where the form is posted; carries the one-time code.
    pub action: String,
    /// The name typed before.
    pub username: String,
    /// The least number of characters of a password.
    pub password_minimum: u32,
    /// What is wrong with the name.
    pub username_error: Option<String>,
    /// What is wrong with the password.
    pub password_error: Option<String>,
    /// What is wrong as a whole.
    pub error: Option<String>,
}

/// Tokens of the user.
///
/// The form for a new token posts `note` and `expires_in`; revoking posts nothing further.
#[derive(Clone, Debug, Serialize)]
pub struct TokensPage {
    /// Tokens, the newest first.
    pub tokens: Vec<TokenRow>,
    /// A token that was made just now: shown once.
    #[serde(serialize_with = "expose")]
    pub new_token: Option<Secret>,
    /// Where the form for a new token is posted.
    pub create_action: String,
    /// Why the last attempt to make a token failed.
    pub error: Option<String>,
    /// The note typed before, after a failed attempt.
    pub note: String,
    /// How long a new token can live.
    pub expires_options: Vec<ExpiryOption>,
}

/// One token in the list.
#[derive(Clone, Debug, Serialize)]
pub struct TokenRow {
    /// Its public id.
    pub id: String,
    /// What the user wrote about it.
    pub note: String,
    /// What it may do, in words.
    pub scopes_text: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last used.
    pub last_used: Option<Timestamp>,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// The application it was given to; none for a token the user made.
    pub client: Option<String>,
    /// Where the form that revokes it is posted.
    pub revoke_action: String,
}

/// One choice of how long a token lives.
#[derive(Clone, Debug, Serialize)]
pub struct ExpiryOption {
    /// Seconds, or empty for no end.
    pub value: String,
    /// The choice in words.
    pub title: String,
    /// Whether it is chosen.
    pub selected: bool,
}

/// What was done with tokens.
#[derive(Clone, Debug, Serialize)]
pub struct AuditPage {
    /// Events, the newest first.
    pub rows: Vec<AuditRow>,
    /// Whether it is the page for operators.
    pub of_everybody: bool,
    /// Where older ones are.
    pub older: Option<String>,
}

/// One event of the audit trail.
#[derive(Clone, Debug, Serialize)]
pub struct AuditRow {
    /// When it happened.
    pub at: Timestamp,
    /// What happened, in words.
    pub words: String,
    /// Whose tokens it was about.
    pub user: String,
    /// Which of their servers; empty for the default one.
    pub server: String,
    /// Who did it.
    pub actor: String,
    /// Whether it worked.
    pub worked: bool,
    /// How it ended, in one word.
    pub outcome: String,
    /// Where the token came from.
    pub source: Option<String>,
    /// Its scopes.
    pub scope: Option<String>,
    /// The network address of who asked.
    pub address: Option<String>,
    /// The beginning of the key's fingerprint.
    pub key: Option<String>,
}

/// Something did not work.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorPage {
    /// The HTTP status.
    pub status: u16,
    /// A few words.
    pub heading: String,
    /// What happened, in a sentence or two.
    pub message: String,
    /// What the reader can do.
    pub advice: Vec<String>,
    /// What an operator finds in the log.
    pub request_id: Option<String>,
    /// Where to go from here; the first is the most likely one.
    pub links: Vec<Link>,
}

/// A link with its words.
#[derive(Clone, Debug, Serialize)]
pub struct Link {
    /// The words.
    pub title: String,
    /// Where it leads.
    pub url: String,
}

macro_rules! pages {
    ($($page:ident => $template:literal;)*) => {
        $(impl Page for $page {
            const TEMPLATE: &'static str = $template;
        })*
    };
}

pages! {
    LoginPage => "login.html";
    HomePage => "home.html";
    PendingPage => "pending.html";
    FailedPage => "failed.html";
    NotRunningPage => "not_running.html";
    StoppingPage => "stopping.html";
    SignOutPage => "sign_out.html";
    SignedOutPage => "signed_out.html";
    ConsentPage => "consent.html";
    SetupPage => "setup.html";
    TokensPage => "tokens.html";
    AuditPage => "audit.html";
    ErrorPage => "error.html";
}

/// Writes the one secret that a page has to show.
#[expect(
    clippy::ref_option,
    reason = "serde hands over a reference to the field"
)]
fn expose<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => serializer.serialize_some(secret.expose()),
        None => serializer.serialize_none(),
    }
}

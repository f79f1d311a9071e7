//! What each page shows: one struct per template, and samples of every state a page can be in.
//!
//! The structs hold finished URLs and plain words. A handler fills them, the renderer turns them
//! into HTML, and nothing here knows where the values come from. Times are [`Timestamp`]s; the
//! templates write them in UTC and a script shows them in the reader's own time zone.
//!
//! Every form posts the hidden field `_xsrf` with the value of [`Frame::xsrf`].

mod local;
#[cfg(feature = "testing")]
mod samples;

use jansky_model::{Secret, Timestamp};
use serde::{Serialize, Serializer};

pub use local::{
    ApprovalRow, ApprovalsPage, FactorSetUp, FactorState, LocalRow, PasswordLinkPage, PasswordPage,
    Picture, RecoveryCodesPage, SecondFactorPage, SecondStepPage, SignUpPage, WaitingPage,
};
#[cfg(feature = "testing")]
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
    /// Whether the user may open the administration page.
    pub may_administer: bool,
    /// How many people wait for an account that this user can give them.
    pub waiting: u64,
}

/// Sign in: every configured way on one page.
///
/// A form posts `provider`, `username`, `password` and `next`; one without `provider` is meant for
/// the first. Providers elsewhere are links, not forms, because a browser applies `form-action` also
/// to the redirects that follow a form.
#[derive(Clone, Debug, Serialize)]
pub struct LoginPage {
    /// Identity providers, in the order of their ids.
    pub providers: Vec<ProviderButton>,
    /// The forms for names and passwords, one for each provider that takes them.
    pub forms: Vec<PasswordForm>,
    /// Where all of them are posted.
    pub action_url: String,
    /// Path to go to afterwards; empty for the default.
    pub next: String,
    /// Where people make an account themselves, if they may.
    pub sign_up_url: Option<String>,
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
    /// When the servers of somebody who may no longer come in are stopped.
    pub stops_at: Option<Timestamp>,
    /// Whether nothing new can be started, because the rules no longer let the user in.
    pub is_leaving: bool,
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
    /// Why it gets no tokens any more and what to do, in a few sentences.
    pub frozen: Option<String>,
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

/// Asks what to start a server with, where there is something to choose.
///
/// The form posts one value for each field, and `next`.
#[derive(Clone, Debug, Serialize)]
pub struct ChoosePage {
    /// What people call the server.
    pub title: String,
    /// Where the form that starts it is posted.
    pub start_action: String,
    /// The home page.
    pub home_url: String,
    /// Path to go to once it runs; empty for the server itself.
    pub next: String,
    /// What can be chosen.
    pub fields: Vec<ChoiceField>,
}

/// Something that can be chosen.
#[derive(Clone, Debug, Serialize)]
pub struct ChoiceField {
    /// The name of the field.
    pub key: String,
    /// What it is called.
    pub title: String,
    /// What is offered.
    pub offers: Vec<OfferRow>,
}

/// One thing that is offered.
#[derive(Clone, Debug, Serialize)]
pub struct OfferRow {
    /// The value that is posted.
    pub value: String,
    /// Its name for people.
    pub title: String,
    /// What it is good for.
    pub description: Option<String>,
    /// Whether it is chosen at first.
    pub is_chosen: bool,
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
    /// Whether something runs that can go on in the person's name: the form then offers the tick
    /// box `keep_working`.
    pub can_keep_working: bool,
}

/// Signed in, in a window of its own that closes by itself.
#[derive(Clone, Debug, Serialize)]
pub struct SignedInPage {
    /// The home page.
    pub home_url: String,
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

/// Somebody opens the link of a share code.
///
/// The form posts `code` and `next`.
#[derive(Clone, Debug, Serialize)]
pub struct AcceptSharePage {
    /// What people call the server, for example `river's server`.
    pub server_title: String,
    /// Whose server it is.
    pub owner: String,
    /// Whether it runs.
    pub is_ready: bool,
    /// What it is offered for.
    pub scopes: Vec<ScopeLine>,
    /// Where the form is posted.
    pub action: String,
    /// The code, which the person already has in the address.
    pub code: String,
    /// Where they want to go afterwards; empty for the server.
    pub next: String,
    /// Where "Not now" leads.
    pub home_url: String,
}

/// A program on a command line asks for a token: the code, the question, the end.
///
/// The forms post `user_code`, and `answer` with `allow` or `deny`.
#[derive(Clone, Debug, Serialize)]
pub struct DevicePage {
    /// Where the forms are posted.
    pub action: String,
    /// Where to go when it is done.
    pub home_url: String,
    /// How far it is.
    pub step: DeviceStep,
}

/// How far a person is with a program's request.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum DeviceStep {
    /// The code has to be typed.
    Code {
        /// What was typed before.
        user_code: String,
        /// What is wrong with it.
        error: Option<String>,
    },
    /// The person has to answer.
    Question {
        /// The code, in two halves.
        user_code: String,
        /// What the program calls itself.
        client: String,
        /// What the token is for.
        audience: String,
        /// What it allows.
        scopes: Vec<String>,
    },
    /// The person said yes.
    Allowed,
    /// The person said no.
    Denied,
}

/// One scope in words.
#[derive(Clone, Debug, Serialize)]
pub struct ScopeLine {
    /// The scope as text, with its filter.
    pub name: String,
    /// What it means; see [`crate::scope_descriptions::scope_in_words`].
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

/// What was done with accounts and tokens.
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
    /// Which of their servers, empty for the default one; `None` when it was about no server.
    pub server: Option<String>,
    /// Who did it.
    pub actor: String,
    /// Why it did not work, in words; `None` when it did.
    pub outcome: Option<String>,
    /// Where the token came from.
    pub source: Option<String>,
    /// Its scopes.
    pub scope: Option<String>,
    /// The network address of who asked.
    pub address: Option<String>,
    /// The browser, in words.
    pub browser: Option<String>,
    /// The beginning of the key's fingerprint.
    pub key: Option<String>,
}

/// One's own account.
///
/// Linking and signing in again are links, because the browser goes to another site; unlinking,
/// ending sessions and signing out everywhere are posts without further fields.
#[derive(Clone, Debug, Serialize)]
pub struct AccountPage {
    /// What was done just now.
    pub notice: Option<String>,
    /// The local account, if the person has a password here.
    pub local: Option<LocalRow>,
    /// What was done with the account and its tokens.
    pub audit_url: String,
    /// Who the person is at providers, the oldest first.
    pub identities: Vec<IdentityRow>,
    /// Providers at which another identity can be linked.
    pub linkable: Vec<ProviderButton>,
    /// Browsers in which the person is signed in, the newest first.
    pub browsers: Vec<BrowserRow>,
    /// Servers that may ask for tokens in the person's name.
    pub servers: Vec<ServerSessionRow>,
    /// Where the form that signs out everywhere is posted.
    pub everywhere_action: String,
}

/// An identity at a provider.
#[derive(Clone, Debug, Serialize)]
pub struct IdentityRow {
    /// What people call the provider.
    pub provider: String,
    /// The provider's lasting name for the person.
    pub subject: String,
    /// When it was linked.
    pub linked: Timestamp,
    /// When it was last used.
    pub last_used: Timestamp,
    /// Whether this very session began with it.
    pub is_current: bool,
    /// Where the form that unlinks it is posted, if it can be unlinked from here.
    pub unlink_action: Option<String>,
    /// What the provider gave with it.
    pub grant: Option<GrantRow>,
}

/// Whether a provider gives tokens for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrantPhase {
    /// It gives tokens.
    Ok,
    /// It does not answer.
    NoAnswer,
    /// The person has to sign in again.
    SignInAgain,
}

/// What a provider gave.
#[derive(Clone, Debug, Serialize)]
pub struct GrantRow {
    /// What people call the provider.
    pub provider: String,
    /// Whether it gives tokens.
    pub state: GrantPhase,
    /// Since when it does not answer.
    pub failing_since: Option<Timestamp>,
    /// When the present tokens came.
    pub refreshed: Timestamp,
    /// What came of the last refresh, in words that continue "The last time, …".
    pub outcome: Option<String>,
    /// When it is tried again.
    pub next_try: Option<Timestamp>,
    /// When the present token ends.
    pub ends: Option<Timestamp>,
    /// Where the person signs in again, if that is needed and they can.
    pub sign_in_url: Option<String>,
}

/// A browser in which somebody is signed in.
#[derive(Clone, Debug, Serialize)]
pub struct BrowserRow {
    /// The browser, in words.
    pub title: String,
    /// How the person signed in there.
    pub provider: String,
    /// When they signed in.
    pub since: Timestamp,
    /// When the session expires.
    pub ends: Timestamp,
    /// Whether it is the one that shows the page.
    pub is_this: bool,
    /// Where the form that ends it is posted; this one ends by signing out.
    pub end_action: Option<String>,
}

/// A server that may ask for tokens in somebody's name.
#[derive(Clone, Debug, Serialize)]
pub struct ServerSessionRow {
    /// What people call the server.
    pub title: String,
    /// When it began.
    pub since: Timestamp,
    /// Why it gets no tokens at the moment, as a sentence.
    pub frozen: Option<String>,
}

/// Everybody who is here, for administrators.
///
/// The form for the search is a get with `search`; the actions post `next`, to come back here.
#[derive(Clone, Debug, Serialize)]
pub struct AdminPage {
    /// The text searched for, empty for everybody.
    pub search: String,
    /// The page itself without a query.
    pub search_url: String,
    /// The page as it is.
    pub here: String,
    /// The number of the first user on it.
    pub first: u32,
    /// The number of the last one.
    pub last: u32,
    /// How many there are.
    pub total: u64,
    /// The page before.
    pub previous_url: Option<String>,
    /// The page after.
    pub next_url: Option<String>,
    /// Further pages for administrators.
    pub links: Vec<Link>,
    /// The users.
    pub rows: Vec<AdminRow>,
}

/// A user as administrators see them.
#[derive(Clone, Debug, Serialize)]
pub struct AdminRow {
    /// The name.
    pub name: String,
    /// Whether they are an administrator.
    pub admin: bool,
    /// When they were last seen.
    pub last_activity: Option<Timestamp>,
    /// Through which providers they are signed in, and in how many browsers.
    pub signed_in: Vec<String>,
    /// What providers gave them.
    pub grants: Vec<GrantRow>,
    /// Whether the rules no longer let them in.
    pub is_excluded: bool,
    /// Until when their servers go on, if they do.
    pub excluded_until: Option<Timestamp>,
    /// Their servers that are not at rest.
    pub servers: Vec<AdminServer>,
    /// Where the form that makes them sign in again is posted.
    pub reauthenticate_action: Option<String>,
    /// Where the form that signs them out everywhere is posted.
    pub sign_out_action: Option<String>,
    /// Where the form is posted that makes a link for a new password.
    pub password_link_action: Option<String>,
    /// Where the form is posted that takes their second factor away.
    pub reset_action: Option<String>,
}

/// A server as administrators see it.
#[derive(Clone, Debug, Serialize)]
pub struct AdminServer {
    /// What people call it.
    pub title: String,
    /// What it is doing.
    pub state: ServerPhase,
    /// Where the form that stops it is posted.
    pub stop_action: Option<String>,
    /// Why it gets no tokens any more and what to do, in a few sentences.
    pub frozen: Option<String>,
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
    ChoosePage => "choose.html";
    StoppingPage => "stopping.html";
    SignOutPage => "sign_out.html";
    SignedInPage => "signed_in.html";
    SignedOutPage => "signed_out.html";
    ConsentPage => "consent.html";
    AcceptSharePage => "accept_share.html";
    DevicePage => "device.html";
    SetupPage => "setup.html";
    TokensPage => "tokens.html";
    AuditPage => "audit.html";
    AccountPage => "account.html";
    AdminPage => "admin.html";
    PasswordPage => "password.html";
    PasswordLinkPage => "password_link.html";
    SecondFactorPage => "second_factor.html";
    SecondStepPage => "second_step.html";
    RecoveryCodesPage => "recovery_codes.html";
    SignUpPage => "sign_up.html";
    WaitingPage => "waiting.html";
    ApprovalsPage => "approvals.html";
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

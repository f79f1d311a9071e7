//! Pages about local accounts: passwords, second factors and sign-ups.

use jansky_model::{Secret, Timestamp};
use serde::{Serialize, Serializer};

/// A new password: for somebody who is signed in and knows the present one, or who has a link.
///
/// The form posts `current` (not with a link) and `password`.
#[derive(Clone, Debug, Serialize)]
pub struct PasswordPage {
    /// Where the form is posted.
    pub action: String,
    /// Whose password it is, when a link says so.
    pub name: Option<String>,
    /// The least number of characters of a password.
    pub password_minimum: u32,
    /// What is wrong with the present password.
    pub current_error: Option<String>,
    /// What is wrong with the new one.
    pub password_error: Option<String>,
    /// What is wrong as a whole.
    pub error: Option<String>,
}

/// A link with which somebody chooses a password: shown once, to an administrator.
#[derive(Clone, Debug, Serialize)]
pub struct PasswordLinkPage {
    /// For whom it is.
    pub name: String,
    /// The link.
    #[serde(serialize_with = "exposed")]
    pub link: Secret,
    /// Where the administrator came from.
    pub back_url: String,
}

/// A code as black squares on white.
#[derive(Clone, Debug, Serialize)]
pub struct Picture {
    /// How many squares it is wide and high.
    pub size: u32,
    /// The black ones, as the path of an SVG in which each square is one unit.
    #[serde(serialize_with = "exposed")]
    pub path: Secret,
}

/// The secret of a second factor, for an authenticator app.
#[derive(Clone, Debug, Serialize)]
pub struct FactorSetUp {
    /// To be scanned.
    pub picture: Picture,
    /// To be typed, in groups.
    #[serde(serialize_with = "exposed")]
    pub secret: Secret,
}

/// One's own second factor.
///
/// To set it up a form posts `current` and `otp`; with one there are forms that post `otp` for new
/// recovery codes, and `current` and `otp` to turn it off.
#[derive(Clone, Debug, Serialize)]
pub struct SecondFactorPage {
    /// Whether there is one.
    pub state: FactorState,
    /// The account page.
    pub account_url: String,
    /// The form to which the errors belong: `on`, `off` or `codes`.
    pub form: String,
    /// What is wrong with the password.
    pub current_error: Option<String>,
    /// What is wrong with the code.
    pub otp_error: Option<String>,
    /// What is wrong as a whole.
    pub error: Option<String>,
}

/// Whether somebody has a second factor.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum FactorState {
    /// It can be set up.
    None {
        /// What to bring into the app.
        set_up: FactorSetUp,
        /// Where the form is posted.
        action: String,
    },
    /// It is asked for.
    On {
        /// Since when.
        since: Timestamp,
        /// How many recovery codes are left.
        recovery_codes: u64,
        /// Whether codes of the app can be checked.
        is_readable: bool,
        /// Whether everybody has to have one, so that turning it off is to set up another one.
        is_required: bool,
        /// Where the form for new recovery codes is posted.
        codes_action: String,
        /// Where the form that turns it off is posted.
        off_action: String,
    },
}

/// The step between password and session: a code, or the second factor is set up.
///
/// The forms post `otp`.
#[derive(Clone, Debug, Serialize)]
pub struct SecondStepPage {
    /// Who it is.
    pub name: String,
    /// Where the forms are posted.
    pub action: String,
    /// The sign-in page, for somebody else.
    pub login_url: String,
    /// What to set up; `None` when a code is asked for.
    pub set_up: Option<FactorSetUp>,
    /// What is wrong with the code.
    pub otp_error: Option<String>,
    /// What is wrong as a whole.
    pub error: Option<String>,
}

/// Recovery codes: shown once.
#[derive(Clone, Debug, Serialize)]
pub struct RecoveryCodesPage {
    /// The codes.
    #[serde(serialize_with = "exposed_all")]
    pub codes: Vec<Secret>,
    /// Whether the second factor was set up just now.
    pub is_new: bool,
    /// Where to go on.
    pub next_url: String,
}

/// Somebody makes an account, or asks for one.
///
/// The form posts `username`, `password`, `email` and `reason`; the last two only if an
/// administrator has to say yes.
#[derive(Clone, Debug, Serialize)]
pub struct SignUpPage {
    /// Where the form is posted.
    pub action: String,
    /// The sign-in page.
    pub login_url: String,
    /// Whether an administrator has to say yes.
    pub needs_approval: bool,
    /// The name typed before.
    pub username: String,
    /// The address typed before.
    pub email: String,
    /// The reason typed before.
    pub reason: String,
    /// The least number of characters of a password.
    pub password_minimum: u32,
    /// The most characters of an address.
    pub email_maximum: u32,
    /// The most characters of a reason.
    pub reason_maximum: u32,
    /// What is wrong with the name.
    pub username_error: Option<String>,
    /// What is wrong with the password.
    pub password_error: Option<String>,
    /// What is wrong with the address.
    pub email_error: Option<String>,
    /// What is wrong with the reason.
    pub reason_error: Option<String>,
    /// What is wrong as a whole.
    pub error: Option<String>,
}

/// Somebody has signed up and no administrator has said yes yet.
#[derive(Clone, Debug, Serialize)]
pub struct WaitingPage {
    /// Whether they signed up just now.
    pub is_new: bool,
    /// The sign-in page.
    pub login_url: String,
}

/// Who waits for an administrator.
///
/// Approving and refusing are posts without further fields.
#[derive(Clone, Debug, Serialize)]
pub struct ApprovalsPage {
    /// What was done just now.
    pub notice: Option<String>,
    /// Why it was not done.
    pub error: Option<String>,
    /// Who waits, the one who has waited longest first.
    pub rows: Vec<ApprovalRow>,
    /// The administration page.
    pub admin_url: String,
}

/// Somebody who waits.
#[derive(Clone, Debug, Serialize)]
pub struct ApprovalRow {
    /// The name they want.
    pub name: String,
    /// How they can be reached; possibly empty.
    pub email: String,
    /// Why they want an account; possibly empty.
    pub reason: String,
    /// When they asked.
    pub requested: Timestamp,
    /// When the request is forgotten.
    pub ends: Timestamp,
    /// Whether the configuration gives rights to this name.
    pub is_in_rules: bool,
    /// Where the form that approves is posted.
    pub approve_action: String,
    /// Where the form that refuses is posted.
    pub refuse_action: String,
}

/// The local account on the account page.
#[derive(Clone, Debug, Serialize)]
pub struct LocalRow {
    /// What people call local accounts.
    pub title: String,
    /// When the password was changed.
    pub changed: Timestamp,
    /// Where it is changed.
    pub password_url: String,
    /// Whether there is a second factor; `None` when the hub asks nobody for one.
    pub has_second_factor: Option<bool>,
    /// Where the second factor is set up or taken away.
    pub second_factor_url: String,
}

/// Writes a secret that a page has to show.
fn exposed<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

/// Writes secrets that a page has to show.
fn exposed_all<S: Serializer>(secrets: &[Secret], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(secrets.iter().map(Secret::expose))
}

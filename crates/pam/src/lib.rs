//! Names and passwords of Unix accounts, checked by PAM.
//!
//! PAM calls modules of other people's C code that wait, fork and change signal handlers. So the
//! hub does not call it: it starts our own program in the role of [`helper::run`], hands it one
//! [`Request`] over standard input and reads one [`Outcome`]. A module that hangs or crashes takes
//! only that process with it.
//!
//! The library is opened when it is needed, so neither building nor running Jansky needs PAM. This
//! is the only crate with unsafe code, all of it in one module.
//!
//! May use none of our crates.
//!
//! What holds everywhere: a password goes over a pipe and through memory that is wiped, and is in no
//! argument, variable or message.

mod account;
mod code;
pub mod helper;
mod libpam;
mod secret;

use std::ffi::CString;
use std::path::Path;

use serde::{Deserialize, Serialize};

use code::Step;
use secret::Password;

/// What is to be checked.
#[derive(Serialize, Deserialize)]
pub struct Request {
    /// The PAM service: the name of a file in `/etc/pam.d`.
    pub service: String,
    /// The name that was typed.
    pub name: String,
    /// The password that was typed. Without one nobody signs in: it is asked whether the account is
    /// still there and may be used.
    pub password: Option<String>,
}

/// What PAM says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Name and password are right and the account may be used.
    Good(Account),
    /// The name or the password is wrong; which of them is not told.
    Wrong,
    /// Both are right, but the account or its password has expired, or PAM refuses the account now.
    /// When no password was given, also that there is no such account.
    Unusable(String),
    /// PAM could not tell.
    Trouble(String),
}

/// A Unix account, as far as a sign-in needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name, as the system writes it.
    pub name: String,
    /// The name of the person, if the system knows it.
    pub full_name: Option<String>,
    /// The names of its groups.
    pub groups: Vec<String>,
}

/// While one of these files exists, PAM refuses everybody (`pam_nologin`), so its answer tells nothing
/// about an account.
const CLOSED: [&str; 2] = ["/etc/nologin", "/run/nologin"];

/// Asks PAM, and the account database for the groups. Blocks, for seconds after a wrong password.
///
/// An empty password is wrong whatever PAM would say.
pub fn check(request: Request) -> Outcome {
    let Request {
        service,
        name,
        password,
    } = request;
    let steps = match password {
        Some(_) => &[Step::Authenticate, Step::Account] as &[_],
        None => &[Step::Again],
    };
    let is_asked = password.is_some();
    let password = Password::new(password.unwrap_or_default());
    // A text with NUL would be cut short on its way into C.
    let (Ok(service), Ok(name)) = (CString::new(service), CString::new(name)) else {
        return Outcome::Wrong;
    };
    let Some(password) = password.filter(|password| !(is_asked && password.is_empty())) else {
        return Outcome::Wrong;
    };
    if name.is_empty() {
        return Outcome::Wrong;
    }
    if !is_asked && let Some(file) = CLOSED.into_iter().find(|file| Path::new(file).exists()) {
        return Outcome::Trouble(format!("this machine takes no sign-ins: there is `{file}`"));
    }
    let mut conversation = match libpam::Conversation::begin(&service, &name, password) {
        Ok(conversation) => conversation,
        Err(trouble) => return Outcome::Trouble(trouble),
    };
    for &step in steps {
        let code = conversation.take(step);
        if let Some(outcome) = step.outcome(code, &conversation.meaning(code)) {
            return outcome;
        }
    }
    // A module may have replaced the name that was typed, for example by its canonical form.
    match conversation.name() {
        Some(name) => account::find(&name).map_or_else(Outcome::Trouble, Outcome::Good),
        None => Outcome::Trouble("PAM does not say who it was".to_owned()),
    }
}

//! Local accounts that people make themselves, at once or after an administrator has said yes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jansky_model::{Clock, Secret, UserName};
use jansky_store::{NewSignUp, SignUp, StoreError, User};
use serde_json::json;
use tracing::info;

use crate::people::People;
use crate::people::sessions::CompletedSignIn;
use crate::people::throttle::PerAddress;
use crate::shared::error::{FormError, HubError};
use crate::shared::record::Event;
use crate::shared::settings::SignUpRule;
use jansky_access::action::AnswerSignUps;
use jansky_access::{OnBehalfOf, Permit};

/// How long somebody waits before their request is forgotten.
const LONGEST_WAIT: std::time::Duration = std::time::Duration::from_hours(30 * 24);

/// How many may wait.
const MOST_WAITING: u32 = 500;

/// The longest name, in characters: short enough for every place where it is used.
const LONGEST_NAME: usize = 32;

/// The longest e-mail address, in characters (RFC 5321 section 4.5.3.1.3).
pub const LONGEST_EMAIL: usize = 254;

/// The longest text for the administrator, in characters.
pub const LONGEST_REASON: usize = 500;

/// What somebody types who wants an account.
#[derive(Debug)]
pub struct SignUpForm {
    /// The name.
    pub name: String,
    /// The password.
    pub password: Secret,
    /// How they can be reached; possibly empty.
    pub email: String,
    /// Why they want an account; possibly empty.
    pub reason: String,
}

/// What came of it.
pub enum SignedUp {
    /// An administrator has to say yes.
    Waits,
    /// There is an account.
    Account(Box<CompletedSignIn>),
}

/// Counts sign-ups.
pub(crate) struct SignUps {
    pub(crate) by_address: PerAddress,
    /// How many wait, as far as this process has looked.
    waiting: AtomicU64,
}

impl SignUps {
    pub(crate) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self {
            by_address: PerAddress::sign_ups(clock),
            waiting: AtomicU64::new(0),
        }
    }
}

impl People {
    /// Makes an account, or lets somebody wait for one. `address` is the client's, for the rate
    /// limit.
    ///
    /// # Errors
    /// At the field `username`, `password`, `email` or `reason`.
    pub async fn sign_up(&self, form: SignUpForm, address: &str) -> Result<SignedUp, FormError> {
        let rule = self.settings.sign_up;
        if rule == SignUpRule::Off || self.local_accounts().is_none() {
            return Err(HubError::not_found("People do not make accounts here themselves.").into());
        }
        self.sign_ups.by_address.check(address)?;
        let name = name_of(&form.name)
            .map_err(|reason| FormError::at("username", HubError::invalid(reason)))?;
        let email = short(&form.email, LONGEST_EMAIL, "email")?;
        let reason = short(&form.reason, LONGEST_REASON, "reason")?;
        if !email.is_empty() && !is_email(&email) {
            let wrong = HubError::invalid("This is not an e-mail address.");
            return Err(FormError::at("email", wrong));
        }
        self.check_new_password(&form.password)
            .map_err(|error| FormError::at("password", error))?;
        // Whether a user has it or somebody waits for it is not told.
        let taken = || {
            let text = format!("The name `{name}` is not free. Choose another one.");
            FormError::at("username", HubError::conflict(text))
        };
        // An account under such a name would come with rights that nobody gave to its owner.
        if rule == SignUpRule::Open && self.is_name_in_rules(&name, true) {
            return Err(taken());
        }
        if rule == SignUpRule::Open && !self.privileges.belongings(&name).await?.is_empty() {
            return Err(taken());
        }
        self.name_for_account(&name, OnBehalfOf::Operator(&self.authority), None)
            .await
            .map_err(|error| match error {
                HubError::Invalid(_) => taken(),
                other => other.into(),
            })?;
        let hash = self.hash_of(form.password).await?;
        let now = self.clock.now();
        if rule == SignUpRule::Open {
            let user = match self.store.create_account(&name, &hash, now).await {
                Err(StoreError::AlreadyExists { .. }) => return Err(taken()),
                other => other?,
            };
            info!(user.name = %user.name, "signed up");
            self.audit
                .record_by(
                    user.name.as_str(),
                    Event::SignUp,
                    Some(&user),
                    json!({ "address": address }),
                )
                .await?;
            let made = CompletedSignIn::local(user, self.local_provider());
            return Ok(SignedUp::Account(Box::new(made)));
        }
        let new = NewSignUp {
            name: name.clone(),
            hash,
            email,
            reason,
            requested_at: now,
            expires_at: now.plus(LONGEST_WAIT),
        };
        match self.store.create_sign_up(&new, MOST_WAITING).await {
            Ok(true) => {}
            Ok(false) => {
                return Err(HubError::Unavailable {
                    message: "Too many people wait for an account at the moment. Try again later."
                        .to_owned(),
                    source: None,
                }
                .into());
            }
            Err(StoreError::AlreadyExists { .. }) => return Err(taken()),
            Err(error) => return Err(error.into()),
        }
        info!(user.name = %name, "signed up and waits for an administrator");
        let detail = json!({ "name": name.as_str() });
        self.audit
            .record_by(name.as_str(), Event::SignUpAsked, None, detail)
            .await?;
        self.count_sign_ups().await?;
        Ok(SignedUp::Waits)
    }

    /// Whether the configuration says something about the user of this name; `coming_in` counts what
    /// only lets people of a provider in.
    pub fn is_name_in_rules(&self, name: &UserName, coming_in: bool) -> bool {
        let name = name.as_str();
        let settings = &self.settings;
        settings.admin_users.contains(name)
            || settings
                .roles
                .0
                .values()
                .any(|role| role.users.contains(name))
            || settings
                .broker
                .audiences
                .iter()
                .any(|audience| audience.rules.allowed_users.contains(name))
            || coming_in
                && self
                    .providers
                    .iter()
                    .any(|provider| provider.rules.allowed_users.contains(name))
    }

    /// Who waits for an administrator, the one who has waited longest first.
    pub async fn sign_ups(&self, _: &Permit<'_, AnswerSignUps>) -> Result<Vec<SignUp>, HubError> {
        let waiting = self.store.sign_ups(self.clock.now()).await?;
        let count = u64::try_from(waiting.len()).unwrap_or(u64::MAX);
        self.sign_ups.waiting.store(count, Ordering::Relaxed);
        Ok(waiting)
    }

    /// How many wait, as this process knew at the last look, which is not long ago.
    pub fn waiting_sign_ups(&self) -> u64 {
        self.sign_ups.waiting.load(Ordering::Relaxed)
    }

    /// Looks how many wait.
    pub(crate) async fn count_sign_ups(&self) -> Result<(), HubError> {
        if self.settings.sign_up == SignUpRule::Approval {
            let count = self.store.count_sign_ups(self.clock.now()).await?;
            self.sign_ups.waiting.store(count, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Makes a user of somebody who waits.
    ///
    /// # Errors
    /// [`HubError::NotFound`] when somebody else was faster; [`HubError::Conflict`] when the name
    /// was given away meanwhile.
    /// [`HubError::Forbidden`] for a name that comes with more than the caller holds.
    pub async fn approve_sign_up(
        &self,
        permit: &Permit<'_, AnswerSignUps>,
        id: i64,
    ) -> Result<User, HubError> {
        let by = permit.by();
        let waiting = self.store.sign_ups(self.clock.now()).await?;
        let waiting = waiting.into_iter().find(|sign_up| sign_up.id == id);
        let name = waiting.ok_or_else(no_longer)?.name;
        self.privileges.may_give_name(by, &name, None).await?;
        self.name_for_account(&name, by, None).await?;
        let user = match self.store.accept_sign_up(id, self.clock.now()).await {
            Err(StoreError::AlreadyExists { .. }) => {
                return Err(HubError::conflict(
                    "The name belongs to another user by now. Refuse the request, so that the \
                     person can choose another one.",
                ));
            }
            other => other?.ok_or_else(no_longer)?,
        };
        info!(user.name = %user.name, actor = by.name(), "a sign-up was approved");
        self.audit
            .record_by(by.name(), Event::SignUpApproved, Some(&user), json!({}))
            .await?;
        self.count_sign_ups().await?;
        Ok(user)
    }

    /// Sends somebody away who waits; they can ask again.
    ///
    /// # Errors
    /// [`HubError::NotFound`] when somebody else was faster.
    pub async fn refuse_sign_up(
        &self,
        permit: &Permit<'_, AnswerSignUps>,
        id: i64,
    ) -> Result<UserName, HubError> {
        let by = permit.by();
        let name = self.store.refuse_sign_up(id).await?.ok_or_else(no_longer)?;
        info!(user.name = %name, actor = by.name(), "a sign-up was refused");
        self.audit
            .record_by(
                by.name(),
                Event::SignUpRefused,
                None,
                json!({ "name": name.as_str() }),
            )
            .await?;
        self.count_sign_ups().await?;
        Ok(name)
    }
}

fn no_longer() -> HubError {
    HubError::not_found("This person does not wait any more: somebody else has answered.")
}

/// The name that somebody chooses: one that looks like no other one.
fn name_of(typed: &str) -> Result<UserName, String> {
    let name = UserName::normalize(typed).map_err(|error| error.to_string())?;
    let text = name.as_str();
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte));
    let begins_well = text.starts_with(|c: char| c.is_ascii_lowercase());
    if is_plain && begins_well && text.len() <= LONGEST_NAME {
        return Ok(name);
    }
    Err(format!(
        "A name has at most {LONGEST_NAME} letters (a-z), digits and the signs . _ - and begins \
         with a letter."
    ))
}

/// A text of one line that is not too long.
fn short(typed: &str, longest: usize, field: &'static str) -> Result<String, FormError> {
    let text = typed.split(|c: char| c.is_control() || c.is_whitespace());
    let text: Vec<&str> = text.filter(|word| !word.is_empty()).collect();
    let text = text.join(" ");
    if text.chars().count() > longest {
        let long = HubError::invalid(format!(
            "This is too long: {longest} characters are enough."
        ));
        return Err(FormError::at(field, long));
    }
    Ok(text)
}

/// Whether it may be an e-mail address; only a letter to it would tell.
fn is_email(text: &str) -> bool {
    let parts = text.rsplit_once('@');
    parts.is_some_and(|(local, domain)| {
        !local.is_empty() && domain.contains('.') && !text.contains(' ')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_name_looks_like_no_other_one() {
        for (typed, name) in [
            ("river", "river"),
            (" River.Song ", "river.song"),
            ("r2-d_2", "r2-d_2"),
        ] {
            assert_eq!(name_of(typed).expect("a good name").as_str(), name);
        }
        let long = "a".repeat(33);
        for typed in [
            "",
            "..",
            "river song",
            "ríver",
            "rіver",
            "2river",
            "-river",
            "a/b",
            "a%2fb",
            "a@b",
            "a\u{202e}b",
            "a\0b",
            &long,
        ] {
            assert!(name_of(typed).is_err(), "{typed:?}");
        }
    }

    #[test]
    fn texts_for_the_administrator_are_one_line_and_bounded() {
        assert_eq!(short(" a\r\n b\tc ", 5, "reason").expect("short"), "a b c");
        let long = short(&"x".repeat(6), 5, "reason").expect_err("long");
        assert_eq!(long.field, Some("reason"));
    }

    #[test]
    fn an_address_has_a_person_and_a_place() {
        for good in ["river@example.org", "a+b@c.d"] {
            assert!(is_email(good), "{good}");
        }
        for bad in ["river", "@example.org", "river@", "river@host", "a b@c.d"] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}

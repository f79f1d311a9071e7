//! Unix accounts of this machine, checked by PAM in a process of its own (see [`jansky_pam`]).

use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use jansky_model::{ProviderId, Secret};
use jansky_pam::{Account, Outcome, Request};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::Semaphore;

use crate::error::IdentityError;
use crate::identity::ExternalIdentity;
use crate::provider::{FormLogin, IdentityProvider, LoginMethod, PeopleLookup, ProviderStatus};
use crate::timeouts::in_time;

/// How many checks go on at the same time; each is a process.
const AT_ONCE: usize = 16;

/// How a PAM service is used: the section of the configuration, and what is not in it.
#[derive(Clone, Debug)]
pub struct PamSettings {
    /// The provider's id in the configuration.
    pub id: ProviderId,
    /// What the operator wrote.
    pub section: jansky_settings::PamProvider,
    /// The command line of the program that calls [`jansky_pam::helper::run`].
    pub helper: Vec<String>,
}

/// A PAM service of this machine.
pub struct PamProvider {
    settings: PamSettings,
    issuer: String,
    places: Semaphore,
}

impl PamProvider {
    /// Takes the settings; asks nobody.
    pub fn new(settings: PamSettings) -> Self {
        Self {
            issuer: format!("pam:{}", settings.id),
            places: Semaphore::new(AT_ONCE),
            settings,
        }
    }

    /// What PAM and the account database say about an account; without a password, whether it could
    /// be used with the right one.
    async fn account(
        &self,
        name: &str,
        password: Option<String>,
    ) -> Result<ExternalIdentity, IdentityError> {
        let request = Request {
            service: self.settings.section.service.clone(),
            name: name.to_owned(),
            password,
        };
        let asking = async {
            let _place = self.places.acquire().await;
            match self.ask(request).await {
                Ok(Outcome::Good(account)) => Ok(self.identity(&account)),
                Ok(Outcome::Wrong) => Err(IdentityError::InvalidCredentials),
                Ok(Outcome::Unusable(context)) => Err(IdentityError::AccountUnusable { context }),
                Ok(Outcome::Trouble(context)) => Err(unavailable(context)),
                Err(error) => Err(unavailable(format!("could not ask PAM: {error}"))),
            }
        };
        in_time(*self.settings.section.timeout, "PAM", asking).await
    }

    async fn ask(&self, request: Request) -> std::io::Result<Outcome> {
        let helper = &self.settings.helper;
        let (program, arguments) = helper
            .split_first()
            .ok_or_else(|| std::io::Error::other("the command line of the helper is empty"))?;
        let document = serde_json::to_string(&request).map(Secret::new)?;
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(mut input), Some(mut output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(std::io::Error::other("the helper has no pipes"));
        };
        // Over a pipe to our own program.
        input.write_all(document.expose().as_bytes()).await?;
        drop(input);
        let mut answer = Vec::new();
        output.read_to_end(&mut answer).await?;
        let status = child.wait().await?;
        serde_json::from_slice(&answer)
            .map_err(|_| std::io::Error::other(format!("the helper ended with {status}")))
    }

    fn identity(&self, account: &Account) -> ExternalIdentity {
        let Account {
            name,
            full_name,
            groups,
        } = account;
        let groups = Some(json!(groups));
        ExternalIdentity::named(&self.settings.id, &self.issuer, name, Some(name), groups)
            .with_text("name", full_name.as_deref())
    }
}

impl IdentityProvider for PamProvider {
    fn id(&self) -> &ProviderId {
        &self.settings.id
    }

    fn title(&self) -> &str {
        &self.settings.section.title
    }

    fn method(&self) -> LoginMethod<'_> {
        LoginMethod::Form(self)
    }

    fn status(&self) -> ProviderStatus {
        ProviderStatus::Ready
    }

    fn people(&self) -> Option<&dyn PeopleLookup> {
        Some(self)
    }
}

#[async_trait]
impl FormLogin for PamProvider {
    fn attempts_per_minute(&self) -> u32 {
        self.settings.section.attempts_per_minute
    }

    async fn verify(
        &self,
        name: &str,
        password: &Secret,
    ) -> Result<ExternalIdentity, IdentityError> {
        // To PAM, which has to read it.
        let password = password.expose().to_owned();
        self.account(name, Some(password)).await
    }
}

#[async_trait]
impl PeopleLookup for PamProvider {
    async fn look_up(&self, subject: &str) -> Result<ExternalIdentity, IdentityError> {
        self.account(subject, None).await
    }
}

fn unavailable(context: String) -> IdentityError {
    IdentityError::Unavailable {
        context,
        retry: Duration::from_secs(5),
        source: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(helper: &[&str]) -> PamProvider {
        let mut section = jansky_settings::PamProvider::default();
        section.timeout.0 = Duration::from_millis(500);
        PamProvider::new(PamSettings {
            id: "unix".parse().expect("a valid id"),
            section,
            helper: helper.iter().map(|word| (*word).to_owned()).collect(),
        })
    }

    async fn verify(helper: &[&str]) -> Result<ExternalIdentity, IdentityError> {
        let password = Secret::new("eleven stars");
        provider(helper).verify("river", &password).await
    }

    /// A helper that answers so after it has read everything.
    fn saying(answer: &str) -> Vec<String> {
        let script = format!("cat >/dev/null; printf '%s' '{answer}'");
        vec!["sh".to_owned(), "-c".to_owned(), script]
    }

    #[tokio::test]
    async fn the_outcome_of_the_helper_is_the_outcome_of_the_sign_in() {
        let ask = async |answer: &str| {
            let helper = saying(answer);
            let helper: Vec<&str> = helper.iter().map(String::as_str).collect();
            verify(&helper).await
        };

        let good = r#"{"good":{"name":"river","full_name":null,"groups":["radio"]}}"#;
        let river = ask(good).await.expect("it is good");
        assert_eq!(
            (river.issuer.as_str(), river.subject.as_str()),
            ("pam:unix", "river")
        );
        assert_eq!(river.claims["groups"], json!(["radio"]));
        let code = async |answer: &str| ask(answer).await.expect_err("it is not good").code();
        assert_eq!(code(r#""wrong""#).await, "invalid_credentials");
        assert_eq!(code(r#"{"unusable":"expired"}"#).await, "account_unusable");
        assert_eq!(code(r#"{"trouble":"no module"}"#).await, "unavailable");
        assert_eq!(code("").await, "unavailable");
        assert_eq!(code(r#"{"good":"#).await, "unavailable");
    }

    #[tokio::test]
    async fn a_helper_that_fails_lets_nobody_in_and_tells_no_password() {
        for helper in [&["/nonexistent"] as &[_], &["false"], &["true"], &[]] {
            let failed = verify(helper).await.expect_err("it cannot be good");
            assert_eq!(failed.code(), "unavailable", "{helper:?}");
            assert!(!failed.to_string().contains("eleven"), "{failed}");
        }
    }

    #[tokio::test]
    async fn somebody_is_looked_up_without_a_password() {
        // It answers with what it was asked.
        let script = r#"printf '{"trouble":"%s"}' "$(sed 's/"//g')""#;
        let trouble = provider(&["sh", "-c", script]).look_up("river").await;

        let asked = trouble.expect_err("the helper has trouble").to_string();
        assert!(
            asked.contains("{service:login,name:river,password:null}"),
            "{asked}"
        );
    }

    #[tokio::test]
    async fn a_module_that_hangs_is_given_up() {
        let failed = verify(&["sleep", "60"]).await.expect_err("it hangs");

        assert_eq!(failed.code(), "timeout");
    }
}

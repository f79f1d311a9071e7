//! Second factors of local accounts: a code from an app beside the password (TOTP, RFC 6238), or
//! one of the recovery codes that were shown when it was set up.
//!
//! The secret is sealed with the key ring. When its key is lost, recovery codes still work, because
//! only their digests are kept; an administrator can take the second factor away.

mod recovery;
mod set_up;
mod step;

use std::sync::Arc;
use std::time::Duration;

use jansky_crypto::sealed::{KeyRing, Place, RowId};
use jansky_crypto::{Random, totp};
use jansky_model::{Clock, Secret};
use jansky_store::{CodeAttempt, Sealed, SecondFactor, Store, User};
use serde_json::json;
use tracing::{info, warn};

use crate::people::People;
use crate::people::throttle::Throttle;
use crate::shared::error::HubError;
use crate::shared::record::{Event, SignInRefusal, reason_of};

pub use set_up::{SecondFactorSetUp, SecondFactorState, SetUpBrowser};
pub use step::{Finished, SecondStepUnderWay};

const TABLE: &str = "second_factors";
const COLUMN: &str = "secret";

/// Seals and opens the secrets, and counts attempts.
pub(crate) struct SecondFactors {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    keys: Arc<KeyRing>,
    /// Apart from that of passwords: whoever has just typed one may type a code at once.
    pub(crate) throttle: Throttle,
}

impl SecondFactors {
    pub(crate) fn new(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        keys: Arc<KeyRing>,
        attempts_per_minute: u32,
    ) -> Self {
        Self {
            throttle: Throttle::new(attempts_per_minute, &clock),
            store,
            clock,
            random,
            keys,
        }
    }

    fn seal(&self, row: i64, secret: &Secret) -> Sealed {
        Sealed(self.keys.seal(&*self.random, secret, &place(row)))
    }

    fn open(&self, factor: &SecondFactor) -> Option<Secret> {
        let opened = self.keys.open(&factor.secret.0, &place(factor.id));
        if let Err(error) = &opened {
            warn!(
                user.id = %factor.user_id, error = %error,
                "the secret of a second factor does not open; an administrator can reset it"
            );
        }
        opened.ok()
    }

    /// Seals again, with the active key, what another key sealed; returns how many.
    pub(crate) async fn seal_again(&self) -> Result<u64, HubError> {
        const PAGE: u32 = 100;
        let prefix = self.keys.active_prefix();
        let (mut after, mut count) = (0, 0);
        loop {
            let page = self
                .store
                .second_factors_not_sealed_with(&prefix, after, PAGE)
                .await?;
            let Some(last) = page.last() else {
                return Ok(count);
            };
            after = last.id;
            for factor in &page {
                // What does not open stays as it is: its key may come back.
                let Some(secret) = self.open(factor) else {
                    continue;
                };
                let sealed = self.seal(factor.id, &secret);
                let is_done = self
                    .store
                    .replace_second_factor_seal(factor.id, &factor.secret, &sealed)
                    .await?;
                count += u64::from(is_done);
            }
        }
    }

    fn wait(&self, until: jansky_model::Timestamp) -> HubError {
        let seconds = until.since(self.clock.now()).as_secs() + 1;
        HubError::Busy {
            message: format!("Too many codes were wrong. Try again in {seconds} seconds."),
            retry_after: Duration::from_secs(seconds),
        }
    }
}

fn place(row: i64) -> Place<'static> {
    Place {
        table: TABLE,
        column: COLUMN,
        row: RowId::Number(row),
    }
}

impl People {
    /// Takes the code of a user's second factor, or one of their recovery codes: each once, across
    /// all processes.
    ///
    /// # Errors
    /// [`HubError::Forbidden`] for a wrong or used one, [`HubError::Busy`] after many wrong ones.
    pub(crate) async fn show_code(
        &self,
        user: &User,
        code: &Secret,
        address: &str,
    ) -> Result<(), HubError> {
        let shown = self.look_at_code(user, code, address).await;
        if let Err(error) = &shown
            && let Some(reason) = reason_of(error, SignInRefusal::WrongCode)
        {
            let local = self.local_provider();
            self.audit
                .refuse_sign_in(Some(local.as_str()), reason, Some(user))
                .await;
        }
        shown
    }

    async fn look_at_code(
        &self,
        user: &User,
        code: &Secret,
        address: &str,
    ) -> Result<(), HubError> {
        let factors = &self.second_factors;
        factors.throttle.check(user.name.as_str(), address, None)?;
        let now = self.clock.now();
        let factor = match self.store.count_code_attempt(user.id, now).await? {
            CodeAttempt::Counted(factor) => factor,
            CodeAttempt::TooEarly(until) => return Err(factors.wait(until)),
            CodeAttempt::NoFactor => {
                return Err(HubError::conflict("There is no second factor any more."));
            }
        };
        if let Some(digest) = recovery::digest_of(code) {
            if !self.store.take_recovery_code(factor.id, &digest).await? {
                return Err(HubError::forbidden(
                    "This is none of the recovery codes that are left.",
                ));
            }
            info!(user.name = %user.name, "a recovery code was used");
            return self
                .audit
                .record_by(
                    user.name.as_str(),
                    Event::RecoveryCode,
                    Some(user),
                    json!({ "address": address }),
                )
                .await;
        }
        let secret = factors.open(&factor).ok_or_else(|| {
            HubError::forbidden(
                "The codes of your app cannot be checked any more: this hub has lost the key for \
                 them. Use a recovery code, or ask an administrator to reset your second factor.",
            )
        })?;
        let Some(step) = totp::check(&secret, code.expose(), now) else {
            return Err(HubError::forbidden(
                "The code is wrong. Check that the clock of your phone is right.",
            ));
        };
        if !self.store.take_code(factor.id, step).await? {
            return Err(HubError::forbidden(
                "This code was used already. Wait for the next one.",
            ));
        }
        Ok(())
    }
}

//! The ID token with which each browser session began.
//!
//! The grant of a person has the tokens of their last sign-in only. The session at the provider that
//! belongs to an earlier browser can be ended without a question only with that browser's own ID token.

use jansky_crypto::sealed::{Place, RowId};
use jansky_model::Secret;
use jansky_store::Sealed;
use tracing::warn;

use super::{Grants, ID};
use crate::shared::error::HubError;

const TABLE: &str = "sessions";

impl Grants {
    /// Seals the ID token of a session that begins.
    pub(crate) fn seal_for_session(&self, session_id: &str, token: &Secret) -> Sealed {
        Sealed(self.keys.seal(&*self.random, token, &place(session_id)))
    }

    /// The ID token with which a session began. One that does not open is as good as none: the
    /// provider may then ask whether to end its session.
    pub(crate) async fn id_token_of_session(
        &self,
        session_id: &str,
    ) -> Result<Option<Secret>, HubError> {
        let sealed = self.store.id_token_of_session(session_id).await?;
        Ok(sealed.and_then(|sealed| self.open_of_session(session_id, &sealed)))
    }

    fn open_of_session(&self, session_id: &str, sealed: &Sealed) -> Option<Secret> {
        let opened = self.keys.open(&sealed.0, &place(session_id));
        if let Err(error) = &opened {
            warn!(session.id = session_id, error = %error, "the ID token of a session does not open");
        }
        opened.ok()
    }

    /// Seals again, with the active key, what another key sealed; returns how many there were.
    pub(super) async fn seal_sessions_again(&self) -> Result<u64, HubError> {
        const PAGE: u32 = 100;
        let prefix = self.keys.active_prefix();
        let (mut after, mut count) = (String::new(), 0);
        loop {
            let page = self
                .store
                .session_tokens_not_sealed_with(&prefix, &after, PAGE)
                .await?;
            let Some((last, _)) = page.last() else {
                return Ok(count);
            };
            after.clone_from(last);
            for (session_id, sealed) in &page {
                let Some(token) = self.open_of_session(session_id, sealed) else {
                    continue;
                };
                let sealed = self.seal_for_session(session_id, &token);
                if self
                    .store
                    .replace_session_token_seal(session_id, &sealed)
                    .await?
                {
                    count += 1;
                }
            }
        }
    }
}

const fn place(session_id: &str) -> Place<'_> {
    Place {
        table: TABLE,
        column: ID,
        row: RowId::Text(session_id),
    }
}

//! Share codes: an owner hands a link to people instead of naming them.

use std::time::Duration;

use jansky_crypto::token::digest_text;
use jansky_model::{Secret, Timestamp};
use jansky_store::{NewShareCode, Server, ShareCode, ShareCodes};
use serde_json::json;
use tracing::info;

use crate::servers::Servers;
use crate::servers::shares::{held, shareable};
use crate::shared::error::HubError;
use crate::shared::record::{Event, some_of};
use jansky_access::action::{SeeShares, SeeSharesOfOwner, ShareServer};
use jansky_access::{Actor, Permit};

/// For how long a code is accepted unless its maker says otherwise.
pub const USUAL_CODE_LIFETIME: Duration = Duration::from_hours(24);

const SHORTEST: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// Which codes of a server are meant.
#[derive(Clone, Copy, Debug)]
pub enum WhichCodes<'a> {
    /// All of them.
    All,
    /// The one with this id.
    Id(i64),
    /// This one.
    Code(&'a str),
}

/// What a code offers to somebody who has it.
#[derive(Clone, Debug)]
pub struct ShareOffer {
    /// The server.
    pub server: Server,
    /// What the code lets people do with it: scopes with a filter for this server.
    pub scopes: Vec<String>,
    /// Until when it is accepted.
    pub expires_at: Timestamp,
}

impl Servers {
    /// Makes a code with which others may do `scopes` with a server, or use it when none are named.
    /// The code itself is never told again.
    ///
    /// # Errors
    /// [`HubError::Invalid`] for scopes that cannot be shared and for a lifetime that is too short or
    /// too long; [`HubError::Forbidden`] when the caller does not hold what is given away.
    pub async fn create_share_code(
        &self,
        permit: &Permit<'_, ShareServer>,
        scopes: Option<&[String]>,
        lifetime: Duration,
    ) -> Result<(ShareCode, Secret), HubError> {
        let (by, server) = permit.parts();
        if !(SHORTEST..=LONGEST).contains(&lifetime) {
            return Err(HubError::invalid(format!(
                "`expires_in` is {}; it must be between {} and {} seconds",
                lifetime.as_secs(),
                SHORTEST.as_secs(),
                LONGEST.as_secs()
            )));
        }
        let scopes = held(by, server, shareable(server, scopes)?)?;
        let code = self.random.secret("");
        let now = self.clock.now();
        let new = NewShareCode {
            digest: &jansky_crypto::digest(&code),
            server: server.id,
            scopes: &scopes,
            created_at: now,
            expires_at: now.plus(lifetime),
        };
        let made = self.store.create_share_code(new).await?;
        info!(server.id = %server.id, "share code {} was made", made.id);
        let detail = json!({ "id": made.id, "scopes": some_of(&scopes), "until": made.expires_at });
        self.audit
            .record_about(Event::ShareCodeMade, server, detail)
            .await?;
        Ok((made, code))
    }

    /// The codes of one server that are still accepted.
    pub async fn share_codes_of_server(
        &self,
        permit: &Permit<'_, SeeShares>,
    ) -> Result<Vec<ShareCode>, HubError> {
        let server = permit.on();
        let now = self.clock.now();
        Ok(self.store.share_codes_of_server(server.id, now).await?)
    }

    /// The codes of all servers of a user that are still accepted.
    pub async fn share_codes_of_owner(
        &self,
        permit: &Permit<'_, SeeSharesOfOwner>,
    ) -> Result<Vec<ShareCode>, HubError> {
        let owner = permit.on();
        let now = self.clock.now();
        Ok(self.store.share_codes_of_owner(owner.id, now).await?)
    }

    /// Ends codes of a server; who accepted one before keeps what they have.
    ///
    /// # Errors
    /// [`HubError::NotFound`] when the one that is meant is not there.
    pub async fn delete_share_codes(
        &self,
        permit: &Permit<'_, ShareServer>,
        which: WhichCodes<'_>,
    ) -> Result<(), HubError> {
        let server = permit.on();
        let digest;
        let stored = match which {
            WhichCodes::All => ShareCodes::All,
            WhichCodes::Id(id) => ShareCodes::Id(id),
            WhichCodes::Code(code) => {
                digest = digest_text(code);
                ShareCodes::Digest(&digest)
            }
        };
        let gone = self.store.delete_share_codes(server.id, stored).await?;
        if gone == 0 && !matches!(which, WhichCodes::All) {
            return Err(HubError::not_found("This server has no such share code."));
        }
        self.audit
            .record_about(Event::ShareCodesEnded, server, json!({ "count": gone }))
            .await
    }

    /// What a code offers.
    ///
    /// # Errors
    /// [`HubError::NotFound`] for a code that is not accepted (any more); [`HubError::Forbidden`] for
    /// the owner of the server.
    pub async fn share_offer(&self, actor: &Actor, code: &str) -> Result<ShareOffer, HubError> {
        let now = self.clock.now();
        let found = self.store.share_code(&digest_text(code), now).await?;
        let found = found.ok_or_else(not_accepted)?;
        let server = self.store.server(found.server_id).await?;
        let server = server.ok_or_else(not_accepted)?;
        if server.user_id == actor.user.id {
            return Err(HubError::forbidden(
                "This link shares your own server. Send it to the people whom you want to use it.",
            ));
        }
        Ok(ShareOffer {
            server,
            scopes: found.scopes,
            expires_at: found.expires_at,
        })
    }

    /// Accepts what a code offers, and returns the server.
    ///
    /// # Errors
    /// As `share_offer`.
    pub async fn accept_share_code(&self, actor: &Actor, code: &str) -> Result<Server, HubError> {
        let offer = self.share_offer(actor, code).await?;
        let user = &actor.user;
        let now = self.clock.now();
        let share = self
            .store
            .accept_share_code(&digest_text(code), &user.name, now)
            .await?
            .ok_or_else(not_accepted)?;
        self.forget_concerned(&share, &offer.server).await?;
        info!(server.id = %offer.server.id, user.name = %user.name, "a share code was accepted");
        let detail = json!({ "with": user.name });
        self.audit
            .record_about(Event::ShareAccepted, &offer.server, detail)
            .await?;
        Ok(offer.server)
    }
}

fn not_accepted() -> HubError {
    HubError::not_found(
        "This link does not share a server, or does so no longer. Ask whoever sent it for a new one.",
    )
}

//! Sharing servers: what an owner lets other users and groups do with one.

use std::collections::BTreeSet;

use jansky_model::scope::Target;
use jansky_model::{Scope, ServerId, ServerName, UserName};
use jansky_store::{Server, Share, ShareWith, StoreError};
use serde_json::json;
use tracing::info;

use crate::servers::Servers;
use crate::shared::error::HubError;
use crate::shared::record::{Event, some_of};
use jansky_access::action::{
    LeaveSharesOfGroup, LeaveSharesOfUser, SeeSharedWithGroup, SeeSharedWithUser, SeeShares,
    SeeSharesOfOwner, ShareServer,
};
use jansky_access::{OnBehalfOf, Permit, access_scope, missing};

/// What can be shared: what is about a server and nothing else.
const SHAREABLE: [Scope; 5] = [
    Scope::ACCESS_SERVERS,
    Scope::DELETE_SERVERS,
    Scope::READ_SERVERS,
    Scope::SERVERS,
    Scope::START_SERVERS,
];

/// With whom a server is to be shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SharePartner {
    /// One user.
    User(UserName),
    /// All members of a group.
    Group(String),
}

impl SharePartner {
    fn stored(&self) -> ShareWith<'_> {
        match self {
            Self::User(name) => ShareWith::User(name),
            Self::Group(name) => ShareWith::Group(name),
        }
    }
}

impl Servers {
    /// Lets somebody do more with a server: `scopes`, or use it when none are named.
    ///
    /// The caller must hold what is given away, and be allowed to see whom it is given to.
    ///
    /// # Errors
    /// [`HubError::Invalid`] for scopes that cannot be shared and for partners that do not exist;
    /// [`HubError::Forbidden`] when the caller does not hold what is needed.
    pub async fn share(
        &self,
        permit: &Permit<'_, ShareServer>,
        partner: &SharePartner,
        scopes: Option<&[String]>,
    ) -> Result<Share, HubError> {
        let (by, server) = permit.parts();
        let texts = held(by, server, shareable(server, scopes)?)?;
        let (sees, kind, name) = match partner {
            SharePartner::User(name) => (
                by.may(&[Scope::READ_USERS_NAME], Target::User(name.as_str())),
                "user",
                name.as_str(),
            ),
            SharePartner::Group(name) => (
                by.may(&[Scope::READ_GROUPS_NAME], Target::Group(name)),
                "group",
                name.as_str(),
            ),
        };
        if !sees {
            return Err(HubError::forbidden(format!(
                "You cannot share with the {kind} `{name}`: sharing needs the scope \
                 `read:{kind}s:name!{kind}={name}`."
            )));
        }
        let now = self.clock.now();
        let stored = partner.stored();
        match self.store.share(server.id, stored, &texts, now).await {
            Ok(share) => {
                self.forget_concerned(&share, server).await?;
                info!(server.id = %server.id, "shared with the {kind} `{name}`");
                let detail = json!({ "with": name, "kind": kind, "scopes": some_of(&texts) });
                self.audit
                    .record_about(Event::ShareGiven, server, detail)
                    .await?;
                Ok(share)
            }
            Err(StoreError::NotFound { .. }) => {
                Err(HubError::invalid(format!("There is no {kind} `{name}`.")))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Lets somebody do less with a server: without `scopes`, or nothing when none are named.
    /// Returns what is left.
    pub async fn unshare(
        &self,
        permit: &Permit<'_, ShareServer>,
        partner: &SharePartner,
        scopes: Option<&[String]>,
    ) -> Result<Option<Share>, HubError> {
        self.end_share(permit.on(), partner, scopes).await
    }

    async fn end_share(
        &self,
        server: &Server,
        partner: &SharePartner,
        scopes: Option<&[String]>,
    ) -> Result<Option<Share>, HubError> {
        let texts = match scopes {
            Some(scopes) => {
                let named = shareable(server, Some(scopes))?;
                Some(named.into_iter().map(|(_, text)| text).collect::<Vec<_>>())
            }
            None => None,
        };
        let stored = partner.stored();
        let Some(before) = self.store.share_with(server.id, stored).await? else {
            return Ok(None);
        };
        let now = self.clock.now();
        let left = self
            .store
            .unshare(server.id, stored, texts.as_deref(), now)
            .await?;
        self.forget_concerned(&before, server).await?;
        let detail = json!({ "with": before.user.as_ref().map(UserName::as_str).or(before.group.as_deref()) });
        self.audit
            .record_about(Event::ShareTaken, server, detail)
            .await?;
        Ok(left)
    }

    /// Ends all shares of a server.
    pub async fn unshare_all(&self, permit: &Permit<'_, ShareServer>) -> Result<(), HubError> {
        let server = permit.on();
        self.store.unshare_all(server.id, self.clock.now()).await?;
        self.access.forget_everyone();
        // The agent of the server gets tokens again.
        self.access.forget(server.user_id);
        self.audit
            .record_about(Event::SharesTaken, server, json!({}))
            .await
    }

    /// The shares of one server.
    pub async fn shares_of_server(
        &self,
        permit: &Permit<'_, SeeShares>,
    ) -> Result<Vec<Share>, HubError> {
        let server = permit.on();
        Ok(self.store.shares_of_server(server.id).await?)
    }

    /// The shares of all servers of a user.
    pub async fn shares_of_owner(
        &self,
        permit: &Permit<'_, SeeSharesOfOwner>,
    ) -> Result<Vec<Share>, HubError> {
        let owner = permit.on();
        Ok(self.store.shares_of_owner(owner.id).await?)
    }

    /// What is shared with a user, by name or through a group.
    pub async fn shares_with_user(
        &self,
        permit: &Permit<'_, SeeSharedWithUser>,
    ) -> Result<Vec<Share>, HubError> {
        let user = permit.on();
        Ok(self.store.shares_with_user(user.id).await?)
    }

    /// What is shared with a group.
    pub async fn shares_with_group(
        &self,
        permit: &Permit<'_, SeeSharedWithGroup>,
    ) -> Result<Vec<Share>, HubError> {
        let group = permit.on();
        Ok(self.store.shares_with_group(&group.name).await?)
    }

    /// The server of a share or of a share code that somebody was shown.
    pub async fn server_of_share(&self, server: ServerId) -> Result<Option<Server>, HubError> {
        Ok(self.store.server(server).await?)
    }

    /// The share of a server with a user by name; one through a group is not theirs.
    pub async fn share_with_user(
        &self,
        permit: &Permit<'_, SeeSharedWithUser>,
        server: (&str, &str),
    ) -> Result<(Server, Share), HubError> {
        let partner = SharePartner::User(permit.on().name.clone());
        self.share_of(server, &partner).await
    }

    /// The share of a server with a group.
    pub async fn share_with_group(
        &self,
        permit: &Permit<'_, SeeSharedWithGroup>,
        server: (&str, &str),
    ) -> Result<(Server, Share), HubError> {
        let partner = SharePartner::Group(permit.on().name.clone());
        self.share_of(server, &partner).await
    }

    /// Gives back what is shared with a user by name.
    pub async fn leave_share_of_user(
        &self,
        permit: &Permit<'_, LeaveSharesOfUser>,
        server: (&str, &str),
    ) -> Result<(), HubError> {
        let partner = SharePartner::User(permit.on().name.clone());
        self.leave_share(server, &partner).await
    }

    /// Gives back what is shared with a group.
    pub async fn leave_share_of_group(
        &self,
        permit: &Permit<'_, LeaveSharesOfGroup>,
        server: (&str, &str),
    ) -> Result<(), HubError> {
        let partner = SharePartner::Group(permit.on().name.clone());
        self.leave_share(server, &partner).await
    }

    async fn leave_share(
        &self,
        server: (&str, &str),
        partner: &SharePartner,
    ) -> Result<(), HubError> {
        let (server, _) = self.share_of(server, partner).await?;
        self.end_share(&server, partner, None).await?;
        Ok(())
    }

    async fn share_of(
        &self,
        (owner, name): (&str, &str),
        partner: &SharePartner,
    ) -> Result<(Server, Share), HubError> {
        let owner: UserName = owner.parse().map_err(|_| missing())?;
        let owner = self.store.user_by_name(&owner).await?.ok_or_else(missing)?;
        let name: ServerName = name.parse().map_err(|_| missing())?;
        let server = self.store.server_by_name(owner.id, &name).await?;
        let server = server.ok_or_else(missing)?;
        let share = self.store.share_with(server.id, partner.stored()).await?;
        Ok((server, share.ok_or_else(missing)?))
    }

    /// Forgets what is remembered about whoever a share is about.
    pub(crate) async fn forget_concerned(
        &self,
        share: &Share,
        server: &Server,
    ) -> Result<(), HubError> {
        self.access.forget(server.user_id);
        match &share.user {
            Some(name) => {
                if let Some(user) = self.store.user_by_name(name).await? {
                    self.access.forget(user.id);
                }
            }
            None => self.access.forget_everyone(),
        }
        Ok(())
    }
}

/// The scopes that are meant, each with its text as it is stored: limited to this server.
pub(crate) fn shareable(
    server: &Server,
    scopes: Option<&[String]>,
) -> Result<BTreeSet<(Scope, String)>, HubError> {
    let filter = format!("!server={}/{}", server.user, server.name);
    let Some(texts) = scopes else {
        return Ok(BTreeSet::from([(
            Scope::ACCESS_SERVERS,
            access_scope(server),
        )]));
    };
    if texts.is_empty() {
        return Err(HubError::invalid(
            "`scopes` is empty; leave it out to share the use of the server",
        ));
    }
    let mut found = BTreeSet::new();
    for text in texts {
        let name = text.strip_suffix(&filter).unwrap_or(text);
        let scope = Scope::find(name).filter(|scope| SHAREABLE.contains(scope));
        let scope = scope.ok_or_else(|| {
            let names: Vec<&str> = SHAREABLE.iter().map(|scope| scope.name()).collect();
            HubError::invalid(format!(
                "`{text}` cannot be shared; use {}, each alone or with `{filter}`",
                names.join(", ")
            ))
        })?;
        found.insert((scope, format!("{scope}{filter}")));
    }
    Ok(found)
}

/// The texts of scopes that the caller holds on a server and so may give away.
pub(crate) fn held(
    by: OnBehalfOf<'_>,
    server: &Server,
    scopes: BTreeSet<(Scope, String)>,
) -> Result<Vec<String>, HubError> {
    let texts = scopes.into_iter().map(|(scope, text)| {
        let target = Target::Server(server.user.as_str(), server.name.as_str());
        if by.may(&[scope], target) {
            return Ok(text);
        }
        Err(HubError::forbidden(format!(
            "You cannot share `{scope}` on this server: you do not hold it yourself."
        )))
    });
    texts.collect()
}

//! Nobody reaches more than they hold, whatever they may do to users, groups, tokens and names.
//!
//! A scope such as `admin:users` says which calls somebody may make. It does not say that they may
//! become somebody more powerful by making them: with a link for another person's password, a token in
//! another name, a name or a group to which the configuration gives a role. Every use case that could
//! lead there asks here, whoever calls it, and there are two questions:
//!
//! - Whoever *gets* something (a token, a link with which to be somebody, a name, a place in a group)
//!   must hold everything that comes with it, by the credential in use.
//! - Whoever *takes* something away (deletes somebody, ends sessions, revokes tokens) must not do it to
//!   somebody who holds rights over others that they do not hold.
//!
//! What somebody would come to hold is looked for among everything that is theirs, not only among what
//! the credential in use allows: they have the others, too.
//!
//! An administrator who comes with everything that administrators hold is bounded by nothing, and so is
//! the operator at the command line.

use std::collections::BTreeSet;
use std::sync::Arc;

use jansky_model::scope::{ADMIN_ROLE, Owner, Target};
use jansky_model::{Filter, Scope, ScopeSet, ServerName, UserName};
use jansky_spawn::{Offer, Spawner};
use jansky_store::{Server, Store, User};

use crate::shared::audience::AudienceRules;
use crate::shared::error::HubError;
use crate::shared::settings::Settings;
use jansky_access::{Access, Actor, OnBehalfOf, shared_scopes, without_entering_others};

/// What an account, a name or a group is worth.
#[derive(Debug, Default)]
struct Holdings {
    scopes: ScopeSet,
    is_admin: bool,
    /// What else the configuration gives, in words: tokens for services, and images.
    others: BTreeSet<String>,
}

impl Holdings {
    /// Leaves out what is about one user and nobody else.
    fn forget_about(&mut self, user: &str) {
        self.scopes
            .retain(|_, filter| !filter.is_some_and(|f| is_about(f, user)));
    }

    /// What of this is not in `mine`, in words; `None` when everything is.
    fn beyond(&self, mine: &Self, is_member: &dyn Fn(&str, &str) -> bool) -> Option<String> {
        const SHOWN: usize = 3;
        if mine.is_admin {
            return None;
        }
        if self.is_admin {
            return Some("the rights of an administrator".to_owned());
        }
        let mut more = self.scopes.beyond(&mine.scopes, is_member);
        more.extend(self.others.difference(&mine.others).cloned());
        if more.is_empty() {
            return None;
        }
        let rest = more.len().saturating_sub(SHOWN);
        more.truncate(SHOWN);
        let more = more.join("`, `");
        Some(match rest {
            0 => format!("`{more}`"),
            rest => format!("`{more}` and {rest} more"),
        })
    }
}

/// Whether a right is about groups themselves rather than about their members.
fn is_about_groups(scope: Scope) -> bool {
    let name = scope.name();
    name.contains("groups") && !name.starts_with("read:users")
}

/// Whether a filter means one user and nobody else.
fn is_about(filter: &Filter, name: &str) -> bool {
    match filter {
        Filter::User(user) | Filter::Server(user, _) => user == name,
        Filter::Group(_) | Filter::Service(_) => false,
    }
}

/// Knows what comes with accounts, names, groups and tokens.
pub struct Privileges {
    store: Arc<Store>,
    access: Arc<Access>,
    settings: Arc<Settings>,
    spawner: Arc<dyn Spawner>,
}

impl Privileges {
    pub(crate) const fn new(
        store: Arc<Store>,
        access: Arc<Access>,
        settings: Arc<Settings>,
        spawner: Arc<dyn Spawner>,
    ) -> Self {
        Self {
            store,
            access,
            settings,
            spawner,
        }
    }

    /// What the credential of a caller is worth. The admin flag counts only for whoever comes with all
    /// that administrators hold: a token of theirs for one thing is one for that thing.
    fn holdings_of_actor(&self, actor: &Actor) -> Holdings {
        let mut all = ScopeSet::expand(ADMIN_ROLE.iter().copied(), Owner::default(), None);
        if !actor.is_browser() && self.settings.broker.gives_tokens() {
            // No token holds this here, so nobody is less of an administrator for not coming with it.
            without_entering_others(&mut all, actor.user.name.as_str());
        }
        let is_admin = actor.user.admin
            && all.is_within(&actor.scopes, &|group, user| actor.is_member(group, user));
        Holdings {
            scopes: actor.scopes.clone(),
            is_admin,
            others: self.others_of(&actor.user, &actor.groups),
        }
    }

    /// What somebody is worth who becomes this user, today or at the next sign-in.
    async fn holdings_of_user(&self, user: &User) -> Result<Holdings, HubError> {
        let groups = self.store.groups_of(user.id).await?;
        let mut scopes = self.access.roles().scopes(user, &groups, false);
        let shares = self.store.shares_with_user(user.id).await?;
        scopes.merge(&shared_scopes(user, &shares));
        Ok(Holdings {
            scopes,
            is_admin: self.is_or_becomes_admin(user),
            others: self.others_of(user, &groups),
        })
    }

    fn is_or_becomes_admin(&self, user: &User) -> bool {
        user.admin || self.settings.admin_users.contains(user.name.as_str())
    }

    fn others_of(&self, user: &User, groups: &[String]) -> BTreeSet<String> {
        self.others(
            |rules| rules.allow(user, groups),
            |offer| offer.is_for(user.name.as_str(), groups),
        )
    }

    /// What is given beside scopes, to whom the audiences and the spawner's choices say yes.
    fn others(
        &self,
        has_audience: impl Fn(&AudienceRules) -> bool,
        has_offer: impl Fn(&Offer) -> bool,
    ) -> BTreeSet<String> {
        let audiences = self.settings.broker.audiences.iter();
        let audiences = audiences.filter(|audience| has_audience(&audience.rules));
        let mut others: BTreeSet<String> = audiences
            .map(|audience| format!("tokens for {}", audience.id))
            .collect();
        for choice in self.spawner.choices() {
            let offers = choice.offers.iter().filter(|offer| has_offer(offer));
            others.extend(offers.map(|offer| format!("{} {}", choice.key, offer.value)));
        }
        others
    }

    /// What the configuration gives to whoever has this name.
    fn holdings_of_name(&self, name: &UserName) -> Holdings {
        let text = name.as_str();
        Holdings {
            scopes: self.access.roles().scopes_by_name(text),
            is_admin: self.settings.admin_users.contains(text),
            others: self.others(
                |rules| rules.allowed_users.contains(text),
                |offer| offer.allowed_users.contains(text),
            ),
        }
    }

    /// What being in a group gives to the user of this name.
    async fn holdings_by_group(&self, group: &str, member: &str) -> Result<Holdings, HubError> {
        let mut scopes = self.access.roles().scopes_by_group(group, member);
        let owner = Owner {
            user: Some(member),
            server: None,
        };
        for share in self.store.shares_with_group(group).await? {
            let shared = share.scopes.iter().map(String::as_str);
            scopes.merge(&ScopeSet::expand(shared, owner, None));
        }
        Ok(Holdings {
            scopes,
            is_admin: false,
            others: self.others(
                |rules| rules.allowed_groups.contains(group),
                |offer| offer.allowed_groups.contains(group),
            ),
        })
    }

    /// Refuses somebody who would get a way to be `user` and so to do more than now.
    pub(crate) async fn may_become(&self, by: OnBehalfOf<'_>, user: &User) -> Result<(), HubError> {
        let OnBehalfOf::Actor(actor) = by else {
            return Ok(());
        };
        let mine = self.holdings_of_actor(actor);
        if mine.is_admin {
            return Ok(());
        }
        let theirs = self.holdings_of_user(user).await?;
        match theirs.beyond(&mine, &|group, name| actor.is_member(group, name)) {
            None => Ok(()),
            Some(more) => Err(HubError::forbidden(format!(
                "You may not do this for `{}`: it would give you {more}, which you do not hold.",
                user.name
            ))),
        }
    }

    /// Whether whoever reads what a provider gave to `user` holds as much as they do, by the credential
    /// in use: it speaks for them at the services that they may use. Their own servers and tokens
    /// do not count.
    pub(crate) async fn holds_as_much(
        &self,
        by: OnBehalfOf<'_>,
        user: &User,
    ) -> Result<bool, HubError> {
        let OnBehalfOf::Actor(actor) = by else {
            return Ok(true);
        };
        if actor.user.id == user.id {
            return Ok(true);
        }
        let mut theirs = self.holdings_of_user(user).await?;
        theirs.forget_about(user.name.as_str());
        let groups = self.store.groups_of(user.id).await?;
        theirs.others = self.others(|rules| rules.allow(user, &groups), |_| false);
        let mine = self.holdings_of_actor(actor);
        let is_member = |group: &str, name: &str| actor.is_member(group, name);
        Ok(theirs.beyond(&mine, &is_member).is_none())
    }

    /// Whether `may_become` lets the caller pass, for pages that offer it.
    pub async fn can_become(&self, actor: &Actor, user: &User) -> Result<bool, HubError> {
        match self.may_become(actor.into(), user).await {
            Ok(()) => Ok(true),
            Err(HubError::Forbidden(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Refuses somebody who would take something away from a user who holds rights over others that
    /// they do not hold. What people may do with their own things counts for neither.
    pub(crate) async fn may_act_against(
        &self,
        by: OnBehalfOf<'_>,
        user: &User,
    ) -> Result<(), HubError> {
        let OnBehalfOf::Actor(actor) = by else {
            return Ok(());
        };
        if actor.user.id == user.id || actor.user.admin {
            return Ok(());
        }
        let groups = self.store.groups_of(user.id).await?;
        let mut scopes = self.access.roles().scopes(user, &groups, false);
        scopes.retain(|_, filter| !filter.is_some_and(|f| is_about(f, user.name.as_str())));
        let theirs = Holdings {
            scopes,
            is_admin: self.is_or_becomes_admin(user),
            ..Holdings::default()
        };
        self.refuse_beyond(actor, &theirs, || {
            format!("You may not do this to `{}`: they hold", user.name)
        })
        .await
    }

    /// Compares with what the account of a caller holds, whatever the credential in use.
    async fn refuse_beyond(
        &self,
        actor: &Actor,
        theirs: &Holdings,
        words: impl FnOnce() -> String,
    ) -> Result<(), HubError> {
        let roles = self.access.roles();
        let mine = Holdings {
            scopes: roles.scopes(&actor.user, &actor.groups, false),
            is_admin: actor.user.admin,
            others: theirs.others.clone(),
        };
        let members = self.access.members([&mine.scopes]).await?;
        let is_member =
            |group: &str, name: &str| members.get(group).is_some_and(|m| m.contains(name));
        match theirs.beyond(&mine, &is_member) {
            None => Ok(()),
            Some(more) => Err(HubError::forbidden(format!(
                "{} {more}, which you do not hold.",
                words()
            ))),
        }
    }

    /// Refuses somebody who makes or unmakes administrators without being one.
    pub(crate) fn may_change_admins(&self, by: OnBehalfOf<'_>) -> Result<(), HubError> {
        match by {
            OnBehalfOf::Actor(actor) if !self.holdings_of_actor(actor).is_admin => Err(
                HubError::forbidden("Only admins can grant or take admin permissions."),
            ),
            _ => Ok(()),
        }
    }

    /// Refuses to give an account a name that comes with more than the caller holds, however it is
    /// spelled. `renamed` is the user who gets it; `None` for a new one.
    ///
    /// # Errors
    /// [`HubError::Forbidden`], and [`HubError::Invalid`] for a name that no account gets.
    pub(crate) async fn may_give_name(
        &self,
        by: OnBehalfOf<'_>,
        name: &UserName,
        renamed: Option<&User>,
    ) -> Result<(), HubError> {
        let OnBehalfOf::Actor(actor) = by else {
            return Ok(());
        };
        let mine = self.holdings_of_actor(actor);
        if mine.is_admin {
            return Ok(());
        }
        // In the form in which the account gets it, so that another spelling does not pass by the rules.
        let name = &name
            .for_account()
            .map_err(|error| HubError::invalid(error.to_string()))?;
        let belongings = self.belongings(name).await?;
        if !belongings.is_empty() {
            return Err(HubError::forbidden(format!(
                "You may not give the name `{name}`, to which {} belongs: only administrators may.",
                belongings.join(" and ")
            )));
        }
        let text = name.as_str();
        let is_own = renamed.is_some_and(|user| user.id == actor.user.id);
        let mut theirs = self.holdings_of_name(name);
        // Whoever gets the name has it about their own things; that is more only for the caller.
        theirs.scopes = theirs.scopes.renamed(text, actor.user.name.as_str());
        if !is_own {
            theirs.forget_about(actor.user.name.as_str());
        }
        let is_member = |group: &str, user: &str| actor.is_member(group, user);
        if let Some(more) = theirs.beyond(&mine, &is_member) {
            return Err(HubError::forbidden(format!(
                "You may not give the name `{name}`: the configuration of this hub gives it {more}, \
                 which you do not hold."
            )));
        }
        let Some(user) = renamed.filter(|_| !is_own) else {
            return Ok(());
        };
        // Rights of the caller over this name become rights over this user.
        let whole = self.access.whole(actor).await?;
        for (scope, filter) in whole.scopes.iter() {
            let was_held = match filter {
                Some(Filter::User(of)) if of == text => {
                    whole.may(scope, Target::User(user.name.as_str()))
                }
                Some(Filter::Server(of, server)) if of == text => {
                    whole.may(scope, Target::Server(user.name.as_str(), server))
                }
                _ => true,
            };
            if !was_held {
                return Err(HubError::forbidden(format!(
                    "You may not give `{}` the name `{name}`: you hold `{scope}` for that name and \
                     not for this user.",
                    user.name
                )));
            }
        }
        Ok(())
    }

    /// What belongs to whoever has a name, because of the machine or of somebody who had it.
    pub(crate) async fn belongings(&self, name: &UserName) -> Result<Vec<String>, HubError> {
        let found = self.spawner.belongings(name).await;
        found.map_err(|error| HubError::Unavailable {
            message: format!("the spawner could not say what belongs to `{name}`: {error}"),
            source: Some(Box::new(error)),
        })
    }

    /// Refuses to give a server a name for which the caller holds more than for the server.
    pub(crate) async fn may_name_server(
        &self,
        by: OnBehalfOf<'_>,
        server: &Server,
        name: &ServerName,
    ) -> Result<(), HubError> {
        let OnBehalfOf::Actor(actor) = by else {
            return Ok(());
        };
        let wanted = Filter::Server(server.user.to_string(), name.to_string());
        let whole = self.access.whole(actor).await?;
        for (scope, filter) in whole.scopes.iter() {
            if filter == Some(&wanted) && !whole.may_on_server(scope, &server.user, &server.name) {
                return Err(HubError::forbidden(format!(
                    "You may not give the server the name `{name}`: you hold `{scope}` for that name \
                     and not for this server."
                )));
            }
        }
        Ok(())
    }

    /// Refuses to put users into a group that gives more than the caller holds, or in which the caller
    /// would get rights over them.
    pub(crate) async fn may_add_members(
        &self,
        by: OnBehalfOf<'_>,
        group: &str,
        users: &[User],
    ) -> Result<(), HubError> {
        let OnBehalfOf::Actor(actor) = by else {
            return Ok(());
        };
        let mine = self.holdings_of_actor(actor);
        if mine.is_admin {
            return Ok(());
        }
        let own = actor.user.name.as_str();
        let joins = users.iter().any(|user| user.id == actor.user.id);
        let mut theirs = self.holdings_by_group(group, own).await?;
        if !joins {
            theirs.forget_about(own);
        }
        let is_member = |group: &str, user: &str| actor.is_member(group, user);
        if let Some(more) = theirs.beyond(&mine, &is_member) {
            return Err(HubError::forbidden(format!(
                "You may not put anybody into the group `{group}`: it gives {more}, which you do not \
                 hold."
            )));
        }
        let whole = self.access.whole(actor).await?;
        for (scope, filter) in whole.scopes.iter() {
            let is_theirs = filter == Some(&Filter::Group(group.to_owned()));
            if !is_theirs || is_about_groups(scope) {
                continue;
            }
            let stranger = users
                .iter()
                .find(|user| !whole.may(scope, Target::User(user.name.as_str())));
            if let Some(user) = stranger {
                return Err(HubError::forbidden(format!(
                    "You may not put `{}` into the group `{group}`: you hold `{scope}` for its \
                     members and not for this user.",
                    user.name
                )));
            }
        }
        Ok(())
    }

    /// Refuses to take members out of a group, or to delete it, if it gives rights over others that
    /// the caller does not hold.
    pub(crate) async fn may_remove_members(
        &self,
        by: OnBehalfOf<'_>,
        group: &str,
    ) -> Result<(), HubError> {
        let OnBehalfOf::Actor(actor) = by else {
            return Ok(());
        };
        let own = actor.user.name.as_str();
        let mut theirs = Holdings {
            scopes: self.access.roles().scopes_by_group(group, own),
            ..Holdings::default()
        };
        theirs.forget_about(own);
        self.refuse_beyond(actor, &theirs, || {
            format!("You may not take anybody out of the group `{group}`: it gives")
        })
        .await
    }

    /// Refuses to make a token for `owner` that allows more than the caller holds. `wanted` is what it
    /// would allow.
    pub(crate) fn may_make_token(
        &self,
        by: OnBehalfOf<'_>,
        owner: &User,
        wanted: &ScopeSet,
    ) -> Result<(), HubError> {
        let OnBehalfOf::Actor(actor) = by else {
            return Ok(());
        };
        let mine = self.holdings_of_actor(actor);
        let theirs = Holdings {
            scopes: wanted.clone(),
            // Some things ask for the flag of the user behind a token.
            is_admin: actor.user.id != owner.id && self.is_or_becomes_admin(owner),
            ..Holdings::default()
        };
        match theirs.beyond(&mine, &|group, user| actor.is_member(group, user)) {
            None => Ok(()),
            Some(more) => Err(HubError::forbidden(format!(
                "You may not make this token for `{}`: it would give you {more}, which you do not \
                 hold. Name `scopes` that you hold.",
                owner.name
            ))),
        }
    }
}

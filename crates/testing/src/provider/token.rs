//! The provider's token endpoint.

use std::collections::HashMap;

use aws_lc_rs::digest;
use serde_json::{Value, json};

use super::endpoint::Endpoint;
use super::records::{Access, Records, Refresh, STANDING_REFRESH};
use super::script::{BrokerMode, Brokered, Script};
use super::{CLIENT_ID, replace};
use crate::signing::{at_hash, encode};

/// The code of an error (RFC 6749 5.2).
pub(super) struct Refusal(pub(super) &'static str);

type Form = HashMap<String, String>;

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

impl Endpoint {
    pub(super) fn token(&self, script: &mut Script, form: &Form) -> Result<Value, Refusal> {
        match form.get("grant_type").map(String::as_str) {
            Some("authorization_code") => self.by_code(script, form),
            Some("refresh_token") => self.by_refresh(script, form),
            Some("client_credentials") => Ok(self.by_client(script, form)),
            Some("urn:ietf:params:oauth:grant-type:token-exchange") => self.exchange(script, form),
            _ => Err(Refusal("unsupported_grant_type")),
        }
    }

    fn by_code(&self, script: &mut Script, form: &Form) -> Result<Value, Refusal> {
        let code = form
            .get("code")
            .and_then(|code| script.records.codes.remove(code))
            .ok_or(Refusal("invalid_grant"))?;
        let verifier = form
            .get("code_verifier")
            .ok_or(Refusal("invalid_request"))?;
        // RFC 7636 4.6
        let challenge = encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
        let fits =
            challenge == code.challenge && form.get("redirect_uri") == Some(&code.redirect_uri);
        if !fits {
            return Err(Refusal("invalid_grant"));
        }
        let refresh = self.refresh_token(script, code.session, None);
        let mut answer = self.tokens(script, code.session, Some(&code.nonce), &refresh);
        let services = script.services.clone();
        if !services.is_empty() {
            let tokens: Vec<Value> = services
                .iter()
                .map(|service| {
                    let refresh = self.refresh_token(script, code.session, Some(&service.name));
                    self.service_tokens(script, code.session, &service.name, &refresh)
                })
                .collect();
            answer["other_tokens"] = json!(tokens);
        }
        replace(&mut answer, &script.token_answer);
        Ok(answer)
    }

    fn by_refresh(&self, script: &mut Script, form: &Form) -> Result<Value, Refusal> {
        let token = form
            .get("refresh_token")
            .ok_or(Refusal("invalid_request"))?
            .clone();
        if token == STANDING_REFRESH && !script.records.refresh.contains_key(&token) {
            let subject = script.people[0].subject.clone();
            let session = script.records.begin_session(&subject, self.now());
            let long_lived = Refresh {
                session,
                service: None,
                is_spent: false,
                expires_at: None,
            };
            script.records.refresh.insert(token.clone(), long_lived);
        }
        let now = self.now();
        let dead = Refusal("invalid_grant");
        let Some(known) = script.records.refresh.get(&token).cloned() else {
            return Err(dead);
        };
        if known.is_spent {
            script.records.reuses += 1;
            // RFC 9700 4.14.2: nobody can tell who is the thief.
            script.records.sessions[known.session].is_dead = true;
            return Err(dead);
        }
        let has_ended = known.expires_at.is_some_and(|at| at <= now);
        if has_ended
            || script.records.sessions[known.session].is_dead
            || script.records.is_revoked(&token)
        {
            return Err(dead);
        }
        script.records.refreshes += 1;
        let service = known.service.as_deref();
        let next = if script.rotates {
            if let Some(spent) = script.records.refresh.get_mut(&token) {
                spent.is_spent = true;
            }
            self.refresh_token(script, known.session, service)
        } else {
            token
        };
        let mut answer = match service {
            None => self.tokens(script, known.session, None, &next),
            Some(service) => self.service_tokens(script, known.session, service, &next),
        };
        replace(&mut answer, &script.token_answer);
        Ok(answer)
    }

    fn by_client(&self, script: &mut Script, form: &Form) -> Value {
        let access = Access {
            subject: format!("service-account-{CLIENT_ID}"),
            audience: vec![
                form.get("audience")
                    .cloned()
                    .unwrap_or_else(|| CLIENT_ID.to_owned()),
            ],
            scope: form.get("scope").cloned().unwrap_or_default(),
            expires_at: self.now() + script.lifetimes.access,
            session: None,
        };
        let scope = access.scope.clone();
        let token = self.access_token(script, "access", access);
        let mut answer = json!({
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": script.lifetimes.access,
            "scope": scope,
        });
        replace(&mut answer, &script.token_answer);
        answer
    }

    /// RFC 8693, and Keycloak's older way to the tokens of identity providers behind it.
    fn exchange(&self, script: &mut Script, form: &Form) -> Result<Value, Refusal> {
        let subject = form
            .get("subject_token")
            .and_then(|token| script.records.live(token, self.now()).cloned())
            .ok_or(Refusal("invalid_request"))?;
        if let Some(alias) = form.get("requested_issuer") {
            let brokered = script.brokered.get(alias).cloned();
            let brokered = brokered.filter(|one| one.modes.contains(&BrokerMode::Legacy));
            let brokered = brokered.ok_or(Refusal("invalid_request"))?;
            let mut answer = self.external(script, &subject, &brokered);
            answer["issued_token_type"] = json!(ACCESS_TOKEN);
            return Ok(answer);
        }
        let name = form.get("audience").ok_or(Refusal("invalid_request"))?;
        let audience = script
            .audiences
            .get(name)
            .cloned()
            .ok_or(Refusal("invalid_target"))?;
        let asked = form.get("scope").map(String::as_str).unwrap_or_default();
        let scopes: Vec<String> = if asked.is_empty() {
            audience.scopes.clone()
        } else {
            asked.split(' ').map(str::to_owned).collect()
        };
        if scopes.iter().any(|scope| !audience.scopes.contains(scope)) {
            return Err(Refusal("invalid_scope"));
        }
        let scope = scopes.join(" ");
        let access = Access {
            audience: vec![name.clone()],
            scope: scope.clone(),
            expires_at: self.now() + audience.lifetime,
            ..subject
        };
        let token = self.jwt(script, access);
        let mut answer = json!({
            "access_token": token,
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": audience.lifetime,
            "scope": scope,
        });
        replace(&mut answer, &script.token_answer);
        Ok(answer)
    }

    /// What an identity provider behind this one gave, as it is kept.
    pub(super) fn external(&self, script: &mut Script, of: &Access, brokered: &Brokered) -> Value {
        let token = script.records.name("external");
        script.records.issue("external", &token);
        let refresh = script.records.name("external-refresh");
        script.records.issue("external refresh", &refresh);
        let access = Access {
            audience: vec!["external".to_owned()],
            expires_at: self.now() + brokered.lifetime,
            ..of.clone()
        };
        script.records.access.insert(token.clone(), access);
        json!({
            "access_token": token,
            "refresh_token": refresh,
            "token_type": "Bearer",
            "expires_in": brokered.lifetime,
            "accessTokenExpiration": self.now() + brokered.lifetime,
            "scope": "external",
        })
    }

    fn refresh_token(&self, script: &mut Script, session: usize, service: Option<&str>) -> String {
        let token = script.records.name("refresh");
        script.records.issue("refresh", &token);
        let refresh = Refresh {
            session,
            service: service.map(str::to_owned),
            is_spent: false,
            expires_at: script.lifetimes.refresh.map(|life| self.now() + life),
        };
        script.records.refresh.insert(token.clone(), refresh);
        token
    }

    /// A whole answer for a person.
    fn tokens(
        &self,
        script: &mut Script,
        session: usize,
        nonce: Option<&str>,
        refresh: &str,
    ) -> Value {
        let now = self.now();
        let lifetimes = script.lifetimes;
        let subject = script.records.sessions[session].subject.clone();
        let sid = script.records.sessions[session].sid.clone();
        let proved_at = script.records.sessions[session].proved_at;
        let access = Access {
            subject: subject.clone(),
            audience: vec![CLIENT_ID.to_owned()],
            scope: "openid profile".to_owned(),
            expires_at: now + lifetimes.access,
            session: Some(session),
        };
        let access = if script.access_as_jwt {
            self.jwt(script, access)
        } else {
            self.access_token(script, "access", access)
        };
        let key = &script.keys[0];
        let mut header = json!({ "alg": key.algorithm(), "kid": key.kid, "typ": "JWT" });
        let person = script.people.iter().find(|one| one.subject == subject);
        let mut claims = json!(person.map(|one| one.claims.clone()).unwrap_or_default());
        let hash = at_hash(key.algorithm(), &access);
        for (name, value) in [
            ("iss", json!(self.issuer)),
            ("aud", json!(CLIENT_ID)),
            ("sub", json!(subject)),
            ("sid", json!(sid)),
            ("auth_time", json!(proved_at)),
            ("iat", json!(now)),
            ("exp", json!(now + lifetimes.id_token)),
            ("at_hash", json!(hash)),
        ] {
            claims[name] = value;
        }
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        if let Some(tweak) = &script.tweak {
            tweak(&mut header, &mut claims);
        }
        // An algorithm that a test has chosen brings its own hash, unless that is what is wrong.
        if claims["at_hash"] == json!(hash) {
            let algorithm = header["alg"].as_str().unwrap_or_default();
            claims["at_hash"] = json!(at_hash(algorithm, &access));
        }
        let id_token = key.sign(&header, &claims);
        script.records.issue("id", &id_token);
        script.records.hints.insert(id_token.clone(), session);
        let mut answer = json!({
            "access_token": access,
            "refresh_token": refresh,
            "id_token": id_token,
            "token_type": "Bearer",
            "expires_in": lifetimes.access,
            "scope": "openid profile",
        });
        if let Some(life) = lifetimes.refresh {
            answer["refresh_expires_in"] = json!(life);
        }
        answer
    }

    /// What is sent for a service that has tokens of its own.
    fn service_tokens(
        &self,
        script: &mut Script,
        session: usize,
        service: &str,
        refresh: &str,
    ) -> Value {
        let found = script.services.iter().find(|one| one.name == service);
        let lifetime = found.map_or(0, |one| one.lifetime);
        let scope = format!("urn:scripted:scope:{service}:all");
        let access = Access {
            subject: script.records.sessions[session].subject.clone(),
            audience: vec![service.to_owned()],
            scope: scope.clone(),
            expires_at: self.now() + lifetime,
            session: Some(session),
        };
        let token = self.access_token(script, "service", access);
        json!({
            "access_token": token,
            "refresh_token": refresh,
            "token_type": "Bearer",
            "expires_in": lifetime,
            "scope": scope,
            "resource_server": service,
        })
    }

    fn access_token(&self, script: &mut Script, kind: &'static str, access: Access) -> String {
        if script.access_as_jwt {
            return self.jwt(script, access);
        }
        let token = script.records.name(kind);
        script.records.issue(kind, &token);
        script.records.access.insert(token.clone(), access);
        token
    }

    /// An access token that services can read (RFC 9068).
    fn jwt(&self, script: &mut Script, access: Access) -> String {
        let id = script.records.name("jwt");
        let key = &script.keys[0];
        let header = json!({ "alg": key.algorithm(), "kid": key.kid, "typ": "at+jwt" });
        let audience = match &access.audience[..] {
            [one] => json!(one),
            several => json!(several),
        };
        let claims = json!({
            "iss": self.issuer,
            "sub": access.subject,
            "aud": audience,
            "exp": access.expires_at,
            "iat": self.now(),
            "jti": id,
            "client_id": CLIENT_ID,
            "scope": access.scope,
        });
        let token = key.sign(&header, &claims);
        script.records.issue("access", &token);
        script.records.access.insert(token.clone(), access);
        token
    }
}

impl Records {
    /// An access token that is good now.
    pub(super) fn live(&self, token: &str, now: i64) -> Option<&Access> {
        let access = self.access.get(token)?;
        let ended = access
            .session
            .is_some_and(|session| self.sessions[session].is_dead);
        let good = access.expires_at > now && !ended && !self.revoked.contains(token);
        good.then_some(access)
    }

    /// RFC 7009: with a refresh token goes all that came from it.
    pub fn revoke(&mut self, token: &str) {
        self.revoked.insert(token.to_owned());
        if let Some(refresh) = self.refresh.get(token)
            && refresh.service.is_none()
        {
            self.sessions[refresh.session].is_dead = true;
        }
    }

    pub(super) fn end_session_of_hint(&mut self, id_token: &str) {
        if let Some(session) = self.hints.get(id_token) {
            self.sessions[*session].is_dead = true;
        }
    }
}

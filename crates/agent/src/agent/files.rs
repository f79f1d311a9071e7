//! How the agent keeps fresh tokens in files, for the audiences whose operator chose that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jansky_model::{Secret, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::{Agent, Known};
use crate::log::say;
use crate::token_files::TokenFiles;
use crate::tokens::TokenKey;

/// How soon a token file is tried again that could not be renewed.
const RETRY: Duration = Duration::from_secs(2);

impl Agent {
    /// Keeps a fresh token in the file of each audience that has one.
    pub(super) async fn keep_files(self: Arc<Self>) {
        let Some(files) = &self.files else { return };
        // By audience: when its file is to be written next, and when the token in it expires.
        let mut plan = BTreeMap::new();
        let mut ends = BTreeMap::new();
        loop {
            let wanted = self.audiences_with_file();
            let _ = files.point_at(wanted.first().map(String::as_str));
            plan.retain(|audience, _| {
                let keep = wanted.contains(audience);
                if !keep {
                    let _ = files.remove(audience);
                }
                keep
            });
            for audience in wanted {
                plan.entry(audience).or_insert_with(|| self.clock.now());
            }
            for (audience, due) in &mut plan {
                let now = self.clock.now();
                if *due <= now {
                    let end = ends.entry(audience.clone()).or_insert(now);
                    *due = self.write_file(files, audience, end).await;
                }
            }
            let next = plan.values().min().copied();
            let pause = next.map(|next| next.since(self.clock.now()));
            tokio::select! {
                () = tokio::time::sleep(pause.unwrap_or(Duration::MAX)) => {}
                // All tokens were dropped, so all files are due now.
                () = self.files_changed.notified() => plan.values_mut().for_each(|due| *due = Timestamp::from_seconds(0)),
            }
        }
    }

    fn audiences_with_file(&self) -> Vec<String> {
        if self.objection().is_some() {
            return Vec::new();
        }
        let known = self.known();
        let known = known
            .as_ref()
            .and_then(|known| Known::deserialize(Value::Object(known.clone())).ok());
        let audiences = known.unwrap_or_default().audiences.into_iter();
        // The token of an unavailable one may still be good.
        audiences
            .filter(|one| one.token_file && matches!(one.state.as_str(), "ready" | "unavailable"))
            .map(|one| one.id)
            .collect()
    }

    /// Writes a file, or removes it when there is no token; returns when to do so again. If no newer
    /// token can be had for the moment, the one in the file stays until it expires, at `end`.
    async fn write_file(
        &self,
        files: &TokenFiles,
        audience: &str,
        end: &mut Timestamp,
    ) -> Timestamp {
        #[derive(Deserialize)]
        struct Token {
            access_token: Secret,
            expires_in: u64,
        }
        let wanted = TokenKey {
            audience: audience.to_owned(),
            scope: None,
        };
        let answer = self.token(&wanted, None).await;
        let token = answer
            .error()
            .is_none()
            .then(|| serde_json::from_slice::<Token>(&answer.body).ok())
            .flatten();
        // There is no await between this check and the writing, so no freeze can come in between.
        let Some(token) = token.filter(|_| self.objection().is_none()) else {
            let is_good = answer.is_temporary() && self.clock.now() < *end;
            if !is_good || self.objection().is_some() {
                let _ = files.remove(audience);
            }
            return self.clock.now().plus(RETRY);
        };
        if let Err(error) = files.write(audience, token.access_token.expose()) {
            say(&format!(
                "the token file of `{audience}` cannot be written: {error}"
            ));
            let _ = files.remove(audience);
            return self.clock.now().plus(RETRY);
        }
        let life = Duration::from_secs(token.expires_in);
        let now = self.clock.now();
        *end = now.plus(life);
        now.plus((life / 4).max(Duration::from_secs(1)))
    }
}

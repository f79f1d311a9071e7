//! When users and servers were last active.

use std::collections::BTreeMap;
use std::time::Duration;

use jansky_model::{ServerName, Timestamp};

use crate::servers::Servers;
use crate::shared::error::HubError;
use jansky_access::Permit;
use jansky_access::action::ReportActivity;

/// Reports from the future beyond this are refused, as JupyterHub does.
const FUTURE_TOLERANCE: Duration = Duration::from_mins(59);

/// What a single-user server reports about itself.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct ActivityReport {
    /// When the user was last active.
    pub last_activity: Option<String>,
    /// When their servers were, by name.
    #[serde(default)]
    pub servers: BTreeMap<String, ServerActivity>,
}

/// What a single-user server reports about one server.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct ServerActivity {
    /// When it was last active.
    pub last_activity: Option<String>,
}

impl Servers {
    /// Takes a report about a user. Times only ever move forward.
    pub async fn report_activity(
        &self,
        permit: &Permit<'_, ReportActivity>,
        report: &ActivityReport,
    ) -> Result<(), HubError> {
        let user = permit.on();
        if report.last_activity.is_none() && report.servers.is_empty() {
            return Err(HubError::invalid(
                "the body needs `last_activity` or `servers` or both",
            ));
        }
        let at = report
            .last_activity
            .as_deref()
            .map(|text| self.parse_time(text))
            .transpose()?;
        let mut servers = Vec::new();
        for (name, activity) in &report.servers {
            let unknown = || HubError::invalid(format!("no such server: `{name}`"));
            let parsed = name.parse::<ServerName>().map_err(|_| unknown())?;
            let server = self
                .store
                .server_by_name(user.id, &parsed)
                .await?
                .ok_or_else(unknown)?;
            if let Some(text) = &activity.last_activity {
                servers.push((server.id, self.parse_time(text)?));
            }
        }
        for (server, at) in servers {
            self.store.touch_server(server, at).await?;
        }
        if let Some(at) = at {
            self.store.touch_user(user.id, at).await?;
        }
        Ok(())
    }

    fn parse_time(&self, text: &str) -> Result<Timestamp, HubError> {
        let at = Timestamp::parse(text)
            .ok_or_else(|| HubError::invalid(format!("not an ISO 8601 time: `{text}`")))?;
        if at > self.clock.now().plus(FUTURE_TOLERANCE) {
            return Err(HubError::invalid(format!(
                "`{text}` is in the future; check the clock"
            )));
        }
        Ok(at)
    }

    /// Writes down what the proxy has seen of the servers since the last time.
    pub(crate) async fn write_activity(&self) -> Result<(), HubError> {
        for (server, at) in self.routes.activity() {
            self.store.touch_server(server, at).await?;
            if let Some(server) = self.store.server(server).await? {
                self.store.touch_user(server.user_id, at).await?;
            }
        }
        Ok(())
    }
}

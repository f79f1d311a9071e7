//! What the hub counts, and what it knows at the moment, for Prometheus.

use crate::Hub;
use crate::shared::error::HubError;

impl Hub {
    /// All metrics of the hub as Prometheus text, without the line that would end it.
    pub async fn metrics_text(&self) -> Result<String, HubError> {
        use std::fmt::Write as _;

        let mut text = self.metrics.encode()?;
        let gauges = [
            (
                "jupyterhub_running_servers",
                "Servers that are ready",
                self.servers.count_running().await?,
            ),
            (
                "jupyterhub_total_users",
                "Users in the database",
                self.people.count_users().await?,
            ),
        ];
        for (name, help, value) in gauges {
            let _ = writeln!(
                text,
                "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}"
            );
        }
        let name = "jansky_provider_left_alone";
        let _ = writeln!(
            text,
            "# HELP {name} Identity providers that did not answer and are spared for a while\n\
             # TYPE {name} gauge"
        );
        for issuer in self.people.grants().left_alone() {
            let issuer = issuer.replace(['"', '\\'], "");
            let _ = writeln!(text, "{name}{{issuer=\"{issuer}\"}} 1");
        }
        self.people.grants().counts.write(&mut text);
        Ok(text)
    }
}

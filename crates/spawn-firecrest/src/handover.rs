//! The one document that an agent begins with.

use jansky_batch::Marker;
use jansky_handover::{Listen, StartDocument};
use jansky_model::Secret;
use jansky_spawn::{ServerSpec, SpawnError};

use crate::place::Directory;
use crate::settings::FirecrestSettings;

/// Puts the document for a server together.
pub(crate) fn document(
    settings: &FirecrestSettings,
    spec: &ServerSpec,
    marker: Marker,
    directory: &Directory,
) -> Result<Secret, SpawnError> {
    let runtime = format!(
        "{}/jansky-{}",
        settings.runtime_dir.trim_end_matches('/'),
        marker.directory(&settings.instance)
    );
    let mut document = StartDocument::new(
        spec.agent.as_ref(),
        format!("{runtime}/agent.sock"),
        Some(format!("{runtime}-tokens").into()),
    );
    let environment = spec.environment_with(&settings.environment);
    let command = [&settings.command[..], &settings.arguments].concat();
    document.start(&command, environment);
    document.listen = Some(Listen::on_every_interface(
        &spec.prefix,
        directory.address(),
    ));
    Ok(document.write()?)
}

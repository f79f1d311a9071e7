//! Rules of `[issuer]` and `[client.<id>]`.

use std::time::Duration;

use super::Rules;
use jansky_settings::{AudienceSource, Config};

/// Shorter keys would change faster than services look.
const SHORTEST_KEY_LIFETIME: Duration = Duration::from_hours(1);

/// Keys are published so much longer than they sign.
const LONGEST_TOKEN_LIFETIME: Duration = Duration::from_hours(24);

pub(super) fn check(config: &Config, rules: &mut Rules<'_, '_>) {
    let lifetime = &config.issuer.key_lifetime;
    if **lifetime < SHORTEST_KEY_LIFETIME {
        rules.error(
            &["issuer", "key_lifetime"],
            "a lifetime of less than an hour",
            "services keep public keys for a while: write at least \"1h\"",
        );
    }
    let issued = config
        .audience
        .iter()
        .filter(|(_, audience)| audience.source == AudienceSource::Jansky);
    for (id, audience) in issued.clone() {
        if *audience.lifetime > LONGEST_TOKEN_LIFETIME {
            rules.error(
                &["audience", id.as_str(), "lifetime"],
                "a token that is valid for more than a day",
                "a token cannot be changed once it is out: write at most \"24h\", better minutes",
            );
        }
    }
    if config.hub.public_url.is_none() && issued.count() > 0 && !config.hub.bind.ip().is_loopback()
    {
        rules.warning(
            &["hub", "public_url"],
            "no public address, while Jansky issues tokens",
            "services find the issuer below it: set `hub.public_url`",
        );
    }
}

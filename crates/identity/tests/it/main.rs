//! Sign-in against a scripted provider, a real Keycloak and the npm `oidc-provider`.

mod availability;
mod callback;
mod claims;
mod client;
mod exchange;
mod external;
mod github;
mod id_token;
mod key_rotation;
mod keycloak;
mod keycloak_tokens;
mod ldap;
mod login;
mod logout;
mod presets;
mod real;
mod refresh;
mod rig;
mod security_events;
mod service_account;
mod service_tokens;

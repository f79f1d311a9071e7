//! Sign-in against a scripted provider, a real Keycloak and the npm `oidc-provider`.

mod availability;
mod browser;
mod callback;
mod claims;
mod client;
mod id_token;
mod key_rotation;
mod login;
mod provider;
mod real;
mod rig;
mod signing;

//! `[provider.<id>]` with `kind = "ldap"`.

use std::path::PathBuf;
use std::time::Duration;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::admission::{AdmissionKeys, say};
use super::written;
use crate::notation::{SecretSource, Written};

/// Accounts in an LDAP directory, such as `OpenLDAP`, `FreeIPA` or Active Directory.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = in_terms_of_ldap)]
#[schemars(transform = crate::order::declared::<Self>)]
pub struct LdapProvider {
    /// What people call these accounts on the sign-in page.
    #[serde(default = "title")]
    #[schemars(length(min = 1), example = &"Institute account")]
    pub title: String,

    /// Where the directory is: `ldaps://…`, or `ldap://…` with `start_tls`. Without encryption only
    /// on this machine.
    #[schemars(length(min = 1), example = &"ldaps://ldap.example.org")]
    pub url: String,

    /// Encrypts a connection by `ldap://` before anything else is sent.
    #[serde(default)]
    #[schemars(example = true)]
    pub start_tls: bool,

    /// A file with the certificates of those who may vouch for the directory, in PEM.
    #[serde(default)]
    #[schemars(extend("x-default" = "those that this machine believes"), example = &"/etc/ssl/institute-ca.pem")]
    pub ca_file: Option<Written<PathBuf>>,

    /// The name of a person's entry, in which `{username}` stands for what was typed. Either this or
    /// `search_base`.
    #[serde(default)]
    #[schemars(extend("x-default" = "found by a search"), length(min = 1), example = &"uid={username},ou=people,dc=example,dc=org")]
    pub user_dn: Option<String>,

    /// The entry below which people are searched.
    #[serde(default)]
    #[schemars(extend("x-default" = "`user_dn` says where people are"), length(min = 1), example = &"ou=people,dc=example,dc=org")]
    pub search_base: Option<String>,

    /// The filter that finds a person, in which `{username}` stands for what was typed.
    #[serde(default = "search_filter")]
    #[schemars(length(min = 1), example = &"(&(objectClass=person)(sAMAccountName={username}))")]
    pub search_filter: String,

    /// The entry that Jansky binds as to search.
    #[serde(default)]
    #[schemars(extend("x-default" = "anybody may search"), length(min = 1), example = &"cn=jansky,ou=services,dc=example,dc=org")]
    pub bind_dn: Option<String>,

    /// The password of `bind_dn`, from a file or variable.
    #[serde(default)]
    #[schemars(extend("x-default" = "none", "examples" = [{ "file": "/run/credentials/jansky.service/ldap" }]))]
    pub bind_password: Option<SecretSource>,

    /// The attribute with the user name.
    #[serde(default = "username_attribute")]
    #[schemars(length(min = 1), example = &"sAMAccountName")]
    pub username_attribute: String,

    /// The attribute that names a person for good and is never given to another; `dn` is the name of
    /// the entry. People are bound to it: do not change it later.
    #[serde(default = "subject_attribute")]
    #[schemars(length(min = 1), example = &"objectGUID")]
    pub subject_attribute: String,

    /// The attribute with the e-mail address.
    #[serde(default = "email_attribute")]
    #[schemars(length(min = 1), example = &"userPrincipalName")]
    pub email_attribute: String,

    /// The attribute with the name of the person.
    #[serde(default = "name_attribute")]
    #[schemars(length(min = 1), example = &"displayName")]
    pub name_attribute: String,

    /// The attribute of a person with their groups, which are then names of entries such as
    /// `cn=radio,ou=groups,dc=example,dc=org`.
    #[serde(default)]
    #[schemars(extend("x-default" = "none"), length(min = 1), example = &"memberOf")]
    pub groups_from: Option<String>,

    /// The entry below which groups are searched.
    #[serde(default)]
    #[schemars(extend("x-default" = "groups are not searched"), length(min = 1), example = &"ou=groups,dc=example,dc=org")]
    pub groups_base: Option<String>,

    /// The filter that finds the groups of a person: `{dn}` stands for the name of their entry and
    /// `{username}` for their user name.
    #[serde(default = "groups_filter")]
    #[schemars(length(min = 1), example = &"(&(objectClass=posixGroup)(memberUid={username}))")]
    pub groups_filter: String,

    /// The attribute with the name of a group that was found.
    #[serde(default = "name_attribute")]
    #[schemars(length(min = 1), example = &"ou")]
    pub groups_name: String,

    /// How long one sign-in may take.
    #[serde(default = "ten_seconds")]
    #[schemars(example = &"5s")]
    pub timeout: Written<Duration>,

    /// How many times a minute somebody may try to sign in with one name from one network (an IPv4
    /// address, or 64 bits of an IPv6 one).
    ///
    /// A network may try twenty times as often with different names. All networks together may try ten
    /// times as often with one name, and after that as often as one of them; a browser in which
    /// somebody has signed in with the name in the last 180 days is counted for itself and does not
    /// wait for that.
    #[serde(default = "ten")]
    #[schemars(range(min = 1), example = 5)]
    pub attempts_per_minute: u32,

    /// Who comes in.
    #[serde(flatten)]
    pub admission: AdmissionKeys,
}

fn in_terms_of_ldap(schema: &mut Schema) {
    say(
        schema,
        &json!({
            "allow_all": { "description": "Lets everybody in who has an account in the directory." },
        }),
    );
}

fn title() -> String {
    "Directory account".to_owned()
}

fn search_filter() -> String {
    "(uid={username})".to_owned()
}

fn username_attribute() -> String {
    "uid".to_owned()
}

fn subject_attribute() -> String {
    "entryUUID".to_owned()
}

fn email_attribute() -> String {
    "mail".to_owned()
}

fn name_attribute() -> String {
    "cn".to_owned()
}

fn groups_filter() -> String {
    "(member={dn})".to_owned()
}

fn ten_seconds() -> Written<Duration> {
    written("10s")
}

fn ten() -> u32 {
    10
}

//! `jansky doctor`: looks at the machine and the configuration and says what to do.

use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jansky_config::{Config, LdapProvider, LocalProvider, Provider, SignUp};
use jansky_model::{Clock, ProviderId, SystemClock, Timestamp};
use jansky_spawn::{Finding, Severity};
use jansky_store::{Store, StoreError};
use rustix::fs::Access;

use crate::cli::ConfigFile;
use crate::serve::{load, runtime};
use crate::telemetry::say;
use crate::{assemble, authorities, directory, tls};

/// The clocks of this machine and of a provider may differ by this much before it is a warning.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// How long a provider may take to answer.
const PROVIDER_PATIENCE: Duration = Duration::from_secs(10);

/// Looks at everything and says what was found; fails when something must be mended.
pub(crate) fn run(file: &ConfigFile) -> anyhow::Result<ExitCode> {
    let loaded = load(file)?;
    for warning in &loaded.warnings {
        say(&format!("[warn] {warning}"));
    }
    let unreadable = loaded.unreadable_secrets();
    for problem in &unreadable {
        say(&format!("[FAIL] {problem}"));
    }
    if unreadable.is_empty() {
        say(&format!(
            "[ ok ] configuration: `{}` has no mistakes",
            file.config.display()
        ));
    }
    let findings = runtime()?.block_on(examine(&loaded.config));
    let mut is_broken = !unreadable.is_empty();
    for finding in &findings {
        let mark = match finding.severity {
            Severity::Good => " ok ",
            Severity::Warning => "warn",
            Severity::Error => "FAIL",
        };
        is_broken |= matches!(finding.severity, Severity::Error);
        say(&format!(
            "[{mark}] {}: {}",
            finding.subject, finding.message
        ));
        if !finding.advice.is_empty() {
            say(&format!("       {}", finding.advice));
        }
    }
    Ok(if is_broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = vec![port(config)];
    findings.extend(encryption(config, SystemClock.now()));
    findings.extend(data_directory(&config.hub.data_dir));
    findings.push(database(config).await);
    findings.extend(origins(config));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    match assemble::providers(config, &clock) {
        Ok(_) => {
            for (id, provider) in &config.provider {
                if let Some(oidc) = provider.oidc() {
                    findings.extend(examine_provider(id, provider, oidc, &*clock).await);
                }
                if let Provider::Ldap(ldap) = provider {
                    findings.extend(examine_directory(id, provider, ldap).await);
                }
                if let Provider::Pam(pam) = provider {
                    findings.push(pam_service(id.as_str(), &pam.service));
                }
                if let Provider::Local(local) = provider {
                    findings.extend(local_accounts(id.as_str(), local));
                }
            }
        }
        Err(error) => findings.push(Finding::error(
            "providers",
            chain(&error),
            "mend the configuration of the provider",
        )),
    }
    let tokens = crate::spawners::tokens(config);
    match crate::spawners::spawner(config, "doctor", &tokens) {
        Ok(spawner) => findings.extend(spawner.check().await),
        Err(error) => findings.push(Finding::error(
            "spawner",
            chain(&error),
            "mend the section [spawner] of the configuration",
        )),
    }
    findings
}

fn chain(error: &anyhow::Error) -> String {
    error
        .chain()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

fn port(config: &Config) -> Finding {
    let address = *config.hub.bind.get();
    match TcpListener::bind(address) {
        Ok(_) => Finding::good("port", format!("{address} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Finding::warning(
            "port",
            format!("{address} is in use"),
            "fine when Jansky itself is running; otherwise end the other program or change hub.bind",
        ),
        Err(error) => Finding::error(
            "port",
            format!("cannot listen on {address}: {error}"),
            "choose an address of this machine and a port that this account may use in hub.bind",
        ),
    }
}

/// Whether people who may not know each other share one origin.
fn origins(config: &Config) -> Option<Finding> {
    let subject = "origins";
    if config.hub.subdomain_host.is_some() {
        return Some(Finding::good(
            subject,
            "each person's servers have a host of their own",
        ));
    }
    let lets_in_several = |provider: &Provider| match provider {
        Provider::Local(local) => local.sign_up != SignUp::Off,
        other => other.admission().is_some_and(|rules| {
            rules.allow_all || !rules.allowed_groups.is_empty() || rules.allowed_users.len() > 1
        }),
    };
    let open = config.provider.iter().find(|(_, it)| lets_in_several(it));
    open.map(|(id, _)| {
        Finding::warning(
            subject,
            format!(
                "`provider.{id}` lets several people in, and all servers are on the hub's origin: \
                 whoever opens a page of somebody's server lets its owner use their own server"
            ),
            "fine for people who trust each other; otherwise set hub.subdomain_host, see \
             docs/how-to/own-origins.md",
        )
    })
}

/// TLS, here or in front of the hub.
fn encryption(config: &Config, now: Timestamp) -> Vec<Finding> {
    let url = config.public_url();
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Some(tls) = &config.tls {
        let mut hosts = vec![host.to_owned()];
        let below = config.hub.subdomain_host.as_ref();
        if let Some(below) = below.and_then(|url| url.host_str()) {
            // Any of the hosts that people's servers get: only a wildcard is for all of them.
            hosts.push(format!("somebody.{below}"));
        }
        return tls::examine(tls, &hosts, now);
    }
    if url.scheme() == "https" || is_this_machine(host) {
        return Vec::new();
    }
    vec![Finding::warning(
        "tls",
        format!("passwords and cookies travel to {url} in clear text"),
        "write a section [tls], or put something that does TLS in front and give its address in hub.public_url",
    )]
}

fn is_this_machine(host: &str) -> bool {
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// What lets in more people than an operator may think of.
fn local_accounts(id: &str, local: &LocalProvider) -> Option<Finding> {
    (local.sign_up == SignUp::Open).then(|| {
        Finding::warning(
            "accounts",
            "everybody who reaches the hub can make an account and start servers",
            format!("fine for a course; otherwise write `provider.{id}.sign_up = \"approval\"`"),
        )
    })
}

fn pam_service(id: &str, service: &str) -> Finding {
    let subject = "pam";
    let places = ["/etc/pam.d", "/usr/lib/pam.d"].map(|place| format!("{place}/{service}"));
    if !places.iter().any(|place| Path::new(place).exists()) {
        return Finding::error(
            subject,
            format!("there is no service `{service}`"),
            format!("make the file, or name another one in `provider.{id}.service`"),
        );
    }
    if !rustix::process::geteuid().is_root() {
        return Finding::warning(
            subject,
            "Jansky does not run as root, and PAM usually lets nobody else check passwords",
            "run Jansky as root, or let PAM ask a directory that needs no rights",
        );
    }
    Finding::good(subject, format!("there is the service `{service}`"))
}

/// Says nothing when all is well: then the database is there, or can be made.
fn data_directory(path: &Path) -> Option<Finding> {
    let there = path.ancestors().find(|path| path.exists())?;
    let message = if !there.is_dir() {
        format!("`{}` is not a directory", there.display())
    } else if rustix::fs::access(there, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        format!("this account may not write to `{}`", there.display())
    } else {
        return None;
    };
    Some(Finding::error(
        "data directory",
        message,
        "name another one in hub.data_dir, or make it and give it to the account that runs Jansky",
    ))
}

async fn database(config: &Config) -> Finding {
    let url = match config.database_url() {
        Ok(url) => url,
        Err(error) => {
            return Finding::error("database", error.to_string(), "mend database.url");
        }
    };
    // Opening would make a new SQLite file; a doctor changes nothing.
    if let Some(path) = assemble::sqlite_file(&url)
        && !Path::new(path).exists()
    {
        return Finding::good(
            "database",
            format!("`{path}` will be made at the first start"),
        );
    }
    // Nothing is migrated while a hub uses it.
    match Store::open_alone(url.expose(), "jansky doctor").await {
        Ok((store, _hold)) => {
            let kind = store.kind();
            store.close().await;
            Finding::good(
                "database",
                format!("{kind} answers and its schema is current"),
            )
        }
        Err(error @ StoreError::InUse { .. }) => Finding::warning(
            "database",
            error.to_string(),
            "fine when it is the hub that this configuration is for",
        ),
        Err(error) => Finding::error(
            "database",
            chain(&error.into()),
            "mend database.url, or what it names",
        ),
    }
}

/// Asks a directory with the account that searches.
async fn examine_directory(
    id: &ProviderId,
    provider: &Provider,
    ldap: &LdapProvider,
) -> Option<Finding> {
    // What is wrong with the settings themselves was found already.
    let authorities = authorities::of(id, provider).ok()?;
    let settings = directory::settings(id, ldap, authorities).ok()?;
    let answer = jansky_identity::LdapProvider::new(settings).check().await;
    let url = &ldap.url;
    Some(match answer {
        Ok(()) => Finding::good("provider", format!("`{id}` answers at {url}")),
        Err(error) => Finding::error(
            "provider",
            format!("`{id}` at {url}: {error}"),
            format!(
                "look at url, ca_file, bind_dn, bind_password and search_base of `provider.{id}`"
            ),
        ),
    })
}

/// Reads the discovery document of a provider by itself, to say more than that it works or not.
async fn examine_provider(
    id: &ProviderId,
    provider: &Provider,
    oidc: &jansky_config::OidcProvider,
    clock: &dyn Clock,
) -> Vec<Finding> {
    let issuer = oidc.issuer.as_written();
    let address = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    let asked = match authorities::http_client(id, provider) {
        Ok(client) => ask(&client, &address).await,
        Err(error) => Err(chain(&error)),
    };
    let answer = match asked {
        Ok(answer) => answer,
        Err(message) => {
            return vec![Finding::error(
                "provider",
                format!("`{id}` cannot be reached at {address}: {message}"),
                format!(
                    "check provider.{id}.issuer, the network and the certificate of the provider \
                     (provider.{id}.ca_file names who may vouch for it)"
                ),
            )];
        }
    };
    let mut findings = Vec::new();
    if answer.issuer.as_deref() == Some(issuer) {
        findings.push(Finding::good(
            "provider",
            format!("`{id}` answers as {issuer}"),
        ));
    } else {
        findings.push(Finding::error(
            "provider",
            format!(
                "`{id}` calls itself {}, but the configuration says {issuer}",
                answer.issuer.as_deref().unwrap_or("nothing")
            ),
            format!(
                "write provider.{id}.issuer exactly as the provider does, with or without `/` at its end"
            ),
        ));
    }
    if let Some(theirs) = answer.date {
        let ours = clock.now();
        let apart = ours.since(theirs).max(theirs.since(ours));
        if apart > CLOCK_TOLERANCE {
            findings.push(Finding::warning(
                "clock",
                format!(
                    "this machine and `{id}` are {} seconds apart",
                    apart.as_secs()
                ),
                "synchronize the clock (for example with systemd-timesyncd or chrony)",
            ));
        } else {
            findings.push(Finding::good("clock", format!("agrees with `{id}`")));
        }
    }
    findings
}

struct Answer {
    issuer: Option<String>,
    date: Option<Timestamp>,
}

async fn ask(client: &jansky_identity::HttpClient, address: &str) -> Result<Answer, String> {
    let sent = client.get(address).timeout(PROVIDER_PATIENCE).send().await;
    let response = sent.map_err(|error| {
        let error = anyhow::Error::new(error.without_url());
        chain(&error)
    })?;
    if !response.status().is_success() {
        return Err(format!("it answered {}", response.status()));
    }
    let date = response
        .headers()
        .get("date")
        .and_then(|date| date.to_str().ok());
    let date = date.and_then(parse_http_date);
    let bytes = response
        .bytes()
        .await
        .map_err(|error| error.without_url().to_string())?;
    let document: serde_json::Value = serde_json::from_slice(&bytes)
        .map_err(|_| "its answer is not a discovery document".to_owned())?;
    let issuer = document
        .get("issuer")
        .and_then(|issuer| issuer.as_str())
        .map(str::to_owned);
    Ok(Answer { issuer, date })
}

/// Reads the header `Date` (RFC 9110 section 5.6.7).
fn parse_http_date(text: &str) -> Option<Timestamp> {
    let time = httpdate::parse_http_date(text).ok()?;
    let elapsed = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_seconds(
        i64::try_from(elapsed.as_secs()).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_an_answer_is_read() {
        let date = parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT");

        assert_eq!(date, Some(Timestamp::from_seconds(784_111_777)));
        assert_eq!(parse_http_date("soon"), None);
    }

    #[test]
    fn a_data_directory_that_cannot_be_made_is_said_with_what_is_in_the_way() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let file = folder.path().join("file");
        std::fs::write(&file, "").expect("the file is written");

        let finding = data_directory(&file.join("data")).expect("a finding");

        assert!(matches!(finding.severity, Severity::Error));
        assert!(
            finding.message.ends_with("file` is not a directory"),
            "{}",
            finding.message
        );
        assert!(data_directory(&folder.path().join("a/b")).is_none());
    }

    #[test]
    fn several_people_on_one_origin_are_worth_a_word() {
        let read = |text: &str| {
            let input = jansky_config::Input {
                file_name: "jansky.toml".to_owned(),
                text: text.to_owned(),
                environment: Vec::new(),
                settings: Vec::new(),
            };
            jansky_config::load(&input).expect("it is right").config
        };
        let one = "[provider.local]\nkind = \"local\"\n";
        let several = format!("{one}sign_up = \"approval\"\n");
        let directory = "[provider.site]\nkind = \"pam\"\nallowed_groups = [\"staff\"]\n";
        let apart = format!("[hub]\nsubdomain_host = \"http://hub.localhost:8000\"\n{several}");

        assert!(origins(&read(one)).is_none());
        for text in [several.as_str(), directory] {
            let finding = origins(&read(text)).expect("a finding");
            assert!(matches!(finding.severity, Severity::Warning));
            assert!(finding.advice.contains("hub.subdomain_host"));
        }
        let finding = origins(&read(&apart)).expect("a finding");
        assert!(matches!(finding.severity, Severity::Good));
    }

    #[test]
    fn an_open_sign_up_is_worth_a_word() {
        let found = |sign_up| {
            let local = LocalProvider {
                sign_up,
                ..LocalProvider::default()
            };
            local_accounts("guests", &local)
        };

        let finding = found(SignUp::Open).expect("a finding");
        assert!(matches!(finding.severity, Severity::Warning));
        assert!(finding.advice.contains("provider.guests.sign_up"));
        assert!(found(SignUp::Approval).is_none());
        assert!(found(SignUp::Off).is_none());
    }
}

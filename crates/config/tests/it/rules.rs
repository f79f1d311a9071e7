//! Rules over several keys.

use jansky_config::Spawner;

use crate::{DOCKER, FIRECREST, LOCAL, OIDC, message, messages, read};

#[test]
fn a_file_without_a_way_to_sign_in_is_refused() {
    assert_eq!(
        message(""),
        "jansky.toml: provider: found no way to sign in; add a section such as [provider.local] \
         with kind = \"local\""
    );
}

#[test]
fn a_provider_with_a_mistake_is_not_also_missing() {
    let found = message("[provider.local]\nkind = \"local\"\nattempts_per_minute = 0\n");

    assert!(
        found.starts_with("jansky.toml:3: provider.local.attempts_per_minute: "),
        "{found}"
    );
}

#[test]
fn nobody_gets_in_without_a_rule_and_the_check_says_so() {
    let text = OIDC.replace("allowed_users = [\"river\"]\n", "");

    let loaded = read(&text).expect("only a warning");

    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "jansky.toml:1: warning: provider.jive: found no rule that lets anybody in; set \
          `allowed_users`, `allowed_groups` or `admin_groups`, or `allow_all = true`"
        ]
    );
}

#[test]
fn a_rule_or_an_administrator_is_enough() {
    let without = OIDC.replace("allowed_users = [\"river\"]\n", "");
    for rule in [
        "allow_all = true",
        "allowed_users = [\"ada\"]",
        "allowed_groups = [\"/a\"]",
        "admin_groups = [\"/a\"]",
        "[hub]\nadmin_users = [\"ada\"]",
    ] {
        assert_eq!(
            messages(&format!("{without}{rule}\n")),
            Vec::<String>::new(),
            "{rule}"
        );
    }
}

#[test]
fn rules_that_contradict_each_other_are_warned_about() {
    let found = messages(&format!(
        "{OIDC}allow_all = true\nblocked_users = [\"RIVER\"]\n"
    ));

    assert_eq!(
        found,
        [
            "jansky.toml:7: warning: provider.jive.allow_all: found `true`, and rules that name \
             people or groups; remove `allow_all`, or the rules: they change nothing",
            "jansky.toml:8: warning: provider.jive.blocked_users: found `river`, who is also in \
             `allowed_users`; remove one of the two: blocked people stay out",
        ]
    );
}

#[test]
fn a_domain_that_fits_nobody_is_refused() {
    for domain in ["@example.org", "*.example.org", "https://example.org", ""] {
        let text = format!("{OIDC}hosted_domains = [\"good.org\", \"{domain}\"]\n");

        assert_eq!(
            message(&text),
            format!(
                "jansky.toml:7: provider.jive.hosted_domains: found `{domain}`, which is not a \
                 domain; write what follows the \"@\", such as \"example.org\""
            )
        );
    }
}

#[test]
fn a_map_of_names_makes_no_two_people_one() {
    for (keys, expected) in [
        (
            "username_map = { \"a@x.org\" = \"river\", \"b@x.org\" = \"river\" }\n",
            "found `river`, the name of `a@x.org`; give each person a name of their own",
        ),
        (
            "username_map = { \"River\" = \"a\", \"river\" = \"b\" }\n",
            "found a name that is the same as `River`; remove one of the two",
        ),
        (
            "username_domain = \"@example.org\"\n",
            "found `@example.org`, which is not a domain; write what follows the \"@\"",
        ),
    ] {
        let told = message(&format!("{OIDC}{keys}"));
        assert!(told.contains(expected), "{told}");
    }
    let kept =
        "username_case = \"keep\"\nusername_map = { \"River\" = \"a\", \"river\" = \"b\" }\n";
    assert!(read(&format!("{OIDC}{kept}")).is_ok());
}

#[test]
fn a_button_without_a_text_is_refused() {
    for text in [
        format!("{OIDC}title = \"\"\n"),
        "[provider.local]\nkind = \"local\"\ntitle = \"\"\n".to_owned(),
    ] {
        let found = message(&text);

        assert!(
            found.ends_with(".title: found the text ``; it cannot be empty"),
            "{found}"
        );
    }
}

#[test]
fn the_address_of_the_hub_pages_is_not_the_public_url() {
    let hub = |path: &str| {
        let url = format!("https://jupyter.example.org{path}");
        messages(&format!(
            "[hub]\npublic_url = \"{url}\"\ntrusted_proxies = [\"127.0.0.1\"]\n{LOCAL}"
        ))
    };

    for wrong in ["/hub/", "/hub", "/jupyter/hub/"] {
        let found = hub(wrong);

        assert!(
            found.len() == 1 && found[0].contains("found a URL that ends in \"/hub\""),
            "{wrong}: {found:?}"
        );
    }
    for right in ["/", "", "/jupyter/", "/github/"] {
        assert_eq!(hub(right), Vec::<String>::new(), "{right}");
    }
}

#[test]
fn two_providers_with_the_same_issuer_and_client_are_refused() {
    let second = OIDC.replace("provider.jive", "provider.other");

    assert_eq!(
        message(&format!("{OIDC}{second}")),
        "jansky.toml:10: provider.other.client_id: found the issuer and client of `provider.jive`; \
         give each provider its own client, or remove one of the two"
    );
}

#[test]
fn only_one_provider_is_automatic_and_only_one_is_local() {
    let one = format!("{OIDC}auto_login = true\n");
    let other = one
        .replace("provider.jive", "provider.other")
        .replace("realms/jive", "realms/other");
    let local = "[provider.local]\nkind = \"local\"\n[provider.more]\nkind = \"local\"\n";

    assert_eq!(
        messages(&format!("{one}{other}{local}")),
        [
            "jansky.toml:14: provider.other.auto_login: found a second automatic provider, after \
             `provider.jive`; only one provider can have `auto_login`",
            "jansky.toml:18: provider.more.kind: found a second provider of local accounts, after \
             `provider.local`; all local accounts are in one provider; remove one of the two",
        ]
    );
}

#[test]
fn an_issuer_without_tls_is_for_trials_only() {
    let insecure = OIDC.replace("https://sso", "http://sso");

    assert_eq!(
        message(&insecure),
        "jansky.toml:3: provider.jive.issuer: found a URL with http that is not of this machine; \
         use https, or for a trial set `allow_insecure_issuer = true`"
    );
    assert_eq!(
        message(&format!("{insecure}allow_insecure_issuer = true\n")),
        "jansky.toml:3: warning: provider.jive.issuer: found a URL with http that is not of this \
         machine; use https: everybody on the way can sign in as anybody"
    );
    let here = OIDC.replace("https://sso.example.org", "http://127.0.0.1:8080");
    assert_eq!(messages(&here), Vec::<String>::new());
}

#[test]
fn endpoints_by_hand_are_checked_like_the_issuer() {
    let endpoints = "[provider.jive.endpoints]\nauthorization = \"http://sso.example.org/a\"\n\
                     token = \"https://sso.example.org/t\"\njwks = \"https://sso.example.org/j\"\n";
    let text = format!("{OIDC}claims_source = \"userinfo\"\n{endpoints}");

    let found = messages(&text);

    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[0].starts_with("jansky.toml:7: provider.jive.claims_source: "),
        "{found:#?}"
    );
    assert!(
        found[1].starts_with("jansky.toml:9: provider.jive.endpoints.authorization: "),
        "{found:#?}"
    );
}

#[test]
fn parameters_of_the_protocol_cannot_be_set() {
    for (line, key) in [
        (
            "extra_authorize_parameters = { state = \"x\" }",
            "extra_authorize_parameters.state",
        ),
        ("hint_parameters = [\"nonce\"]", "hint_parameters"),
        ("scopes = [\"email\"]", "scopes"),
        ("scopes = [\"openid email\"]", "scopes"),
        (
            "idp_hint = \"google\"\nextra_authorize_parameters = { kc_idp_hint = \"x\" }",
            "idp_hint",
        ),
    ] {
        let found = &messages(&format!("{OIDC}{line}\n"))[0];
        assert!(
            found.starts_with(&format!("jansky.toml:7: provider.jive.{key}: ")),
            "{found}"
        );
    }
}

#[test]
fn an_issuer_has_no_query() {
    let found = message(&OIDC.replace("realms/jive", "realms/jive?x=1"));

    assert!(
        found.starts_with("jansky.toml:3: provider.jive.issuer: "),
        "{found}"
    );
}

#[test]
fn the_public_url_must_be_one_that_works() {
    for (lines, expected) in [
        (
            "[hub]\npublic_url = \"https://example.org/?x=1\"\ntrusted_proxies = [\"::1\"]",
            "jansky.toml:2: hub.public_url: found a URL with a query",
        ),
        (
            "[hub]\npublic_url = \"https://example.org/\"",
            "jansky.toml:2: warning: hub.public_url: found a URL with https, and neither",
        ),
        (
            "[hub]\npublic_url = \"http://example.org/\"\nrequire_fetch_metadata = false",
            "jansky.toml:2: warning: hub.public_url: found a URL with http that is not of this machine",
        ),
        (
            "[hub]\nbind = \"0.0.0.0:8000\"",
            "jansky.toml:2: warning: hub.bind: found an address that listens everywhere",
        ),
        (
            "[hub]\nbind = \"192.0.2.1:8000\"\nrequire_fetch_metadata = false",
            "jansky.toml:2: warning: hub.bind: found an address that others can reach, and no TLS",
        ),
        (
            "[hub]\npublic_url = \"http://example.org/\"\nrequire_fetch_metadata = false\n[tls]\ncertificate = \"/c\"\nkey = \"/k\"",
            "jansky.toml:2: hub.public_url: found a URL with http although there is a section `[tls]`",
        ),
    ] {
        let found = message(&format!("{lines}{LOCAL}"));
        assert!(found.starts_with(expected), "{found}");
    }
    let behind_a_proxy =
        "[hub]\npublic_url = \"https://example.org/\"\ntrusted_proxies = [\"127.0.0.1\"]";
    assert_eq!(
        messages(&format!("{behind_a_proxy}{LOCAL}")),
        Vec::<String>::new()
    );
}

#[test]
fn the_url_of_the_api_belongs_to_the_address() {
    for (url, expected) in [
        (
            "http://127.0.0.1:8000/hub",
            "hub.api_url: found the URL `http://127.0.0.1:8000/hub`; the URL of the API ends in \"/hub/api\"",
        ),
        (
            "http://127.0.0.1:8081/hub/api",
            "warning: hub.api_url: found a port of this machine on which Jansky does not listen; Jansky listens on port 8000",
        ),
    ] {
        let found = message(&format!("[hub]\napi_url = \"{url}\"{LOCAL}"));
        assert_eq!(found, format!("jansky.toml:2: {expected}"));
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    for (line, key) in [
        (
            "[hub]\ndefault_url = \"//evil.example.org\"",
            "hub.default_url",
        ),
        (
            "[hub]\nallow_named_servers = false\nnamed_server_limit_per_user = 3",
            "hub.named_server_limit_per_user",
        ),
        ("[session]\nlifetime = \"0s\"", "session.lifetime"),
        (
            "[proxy]\nmax_header_size = \"1 KiB\"",
            "proxy.max_header_size",
        ),
        ("[proxy]\nidle_timeout = \"0s\"", "proxy.idle_timeout"),
        (
            "[proxy]\nserver_idle_timeout = \"0s\"",
            "proxy.server_idle_timeout",
        ),
        ("[proxy]\nclient_timeout = \"0s\"", "proxy.client_timeout"),
        ("[proxy]\nsend_timeout = \"0s\"", "proxy.send_timeout"),
        ("[proxy]\nmax_header_fields = 0", "proxy.max_header_fields"),
        ("[proxy]\nmax_uri_size = \"64 KiB\"", "proxy.max_uri_size"),
        (
            "[proxy]\nmax_unfinished_size = \"1 MiB\"",
            "proxy.max_unfinished_size",
        ),
        (
            "[proxy]\nmax_connections_per_address = 0",
            "proxy.max_connections_per_address",
        ),
        ("[hub]\nmax_body_size = \"1 KiB\"", "hub.max_body_size"),
        ("[log]\nfilter = \"verbose\"", "log.filter"),
        ("[spawner]\ncommand = [\"\"]", "spawner.command"),
        ("[spawner]\nhome_dir = \"/home/shared\"", "spawner.home_dir"),
        ("[spawner]\nhome_dir = \"/home/{user}\"", "spawner.home_dir"),
        (
            "[spawner]\nhome_dir = \"homes/{username}\"",
            "spawner.home_dir",
        ),
        (
            "[spawner]\nhome_dir = \"/home/../{username}\"",
            "spawner.home_dir",
        ),
        (
            "[spawner]\nmemory_limit = \"1 MiB\"",
            "spawner.memory_limit",
        ),
        (
            "[spawner]\nmemory_limit = \"1 GiB\"\ncgroups = \"off\"",
            "spawner.memory_limit",
        ),
        ("[spawner]\npoll_interval = \"0s\"", "spawner.poll_interval"),
        ("[spawner]\ndefault_url = \"lab\"", "spawner.default_url"),
        (
            "[spawner]\nenvironment = { JUPYTERHUB_USER = \"x\" }",
            "spawner.environment.JUPYTERHUB_USER",
        ),
        (
            "[spawner]\nenvironment = { \"A=B\" = \"x\" }",
            "spawner.environment.\"A=B\"",
        ),
        (
            "[spawner]\nenvironment = { DB_PASSWORD = \"hunter2\" }",
            "spawner.environment.DB_PASSWORD",
        ),
    ] {
        let found = message(&format!("{line}{LOCAL}"));
        assert!(
            found.contains(&format!(": {key}: found ")),
            "{line}: {found}"
        );
        assert!(found.starts_with("jansky.toml:"), "{line}: {found}");
        assert!(!found.contains("hunter2"), "{found}");
    }
}

#[test]
fn events_of_another_issuer_need_its_keys() {
    let events = |more: &str| {
        format!("{OIDC}[provider.jive.security_events]\naudience = \"https://hub\"\n{more}")
    };
    let other = "issuer = \"https://events.example.org\"\n";

    assert_eq!(messages(&events("")), Vec::<String>::new());
    assert_eq!(
        message(&events(other)),
        "jansky.toml:7: provider.jive.security_events.jwks: found nothing, and another `issuer` than \
         that of the provider; add the address of the transmitter's keys, or remove `issuer`"
    );
    let keys = "jwks = \"https://events.example.org/jwks\"\n";
    assert_eq!(
        messages(&events(&format!("{other}{keys}"))),
        Vec::<String>::new()
    );
    assert!(message(&events("jwks = \"http://events.example.org/jwks\"\n")).contains("use https"));
}

#[test]
fn settings_of_containers_that_cannot_work_are_refused() {
    for (line, expected) in [
        ("images = {}", "spawner.images: found no image"),
        (
            "images = { lab = \"lab:1\" }",
            "spawner.images.lab: found `lab:1`, which names no digest",
        ),
        (
            "images = { a = \"a@sha256:1\", b = \"b@sha256:1\" }",
            "spawner.images: found several images and no default",
        ),
        (
            "images = { lab = { image = \"lab:1\", title = \"Lab\" } }",
            "spawner.images.lab: found `lab:1`, which names no digest",
        ),
        (
            "images = { lab = { image = \"lab@sha256:1\", titel = \"Lab\" } }",
            "spawner.images.lab.titel: found an unknown key",
        ),
        (
            "default_image = \"other\"",
            "spawner.default_image: found `other`",
        ),
        (
            "host = \"tcp://10.0.0.1:2375\"",
            "spawner.host: found `tcp://10.0.0.1:2375`",
        ),
        (
            "host = \"/run/docker.sock\"",
            "spawner.host: found `/run/docker.sock`",
        ),
        ("network = \"host\"", "spawner.network: found `host`"),
        (
            "subnet = \"172.30.0.0\"",
            "spawner.subnet: found `172.30.0.0`",
        ),
        (
            "volumes = [\"data:relative\"]",
            "spawner.volumes: found `data:relative`",
        ),
        (
            "volumes = [\"/var/run/docker.sock:/var/run/docker.sock\"]",
            "spawner.volumes: found `/var/run/docker.sock:/var/run/docker.sock`, a socket",
        ),
        (
            "volumes = [\"x-{username}-{servername}:/x\"]",
            "spawner.volumes: found `x-{username}-{servername}:/x`",
        ),
        (
            "volumes = [\"home-{username}:/x\", \"home-{username}-data:/y\"]",
            "spawner.volumes: found `home-{username}` beside `home-{username}-data`",
        ),
        (
            "volumes = [\"/data/shared:/y:ro\", \"/data/{username}:/x\"]",
            "spawner.volumes: found `/data/shared` beside `/data/{username}`",
        ),
        ("user = \"jovyan\"", "spawner.user: found `jovyan`"),
        (
            "extra_hosts = [\"archive\"]",
            "spawner.extra_hosts: found `archive`",
        ),
        (
            "agent = \"/a\"\nagent_in_image = \"/b\"",
            "spawner.agent_in_image: found two agents",
        ),
        (
            "memory_limit = \"1 MiB\"",
            "spawner.memory_limit: found less memory",
        ),
        (
            "home_dir = \"/home/{username}\"",
            "spawner.home_dir: found an unknown key",
        ),
    ] {
        let text = match line.strip_prefix("images = ") {
            Some(_) => DOCKER.replace("images = { lab = \"lab@sha256:12\" }", line),
            None => format!("{DOCKER}{line}\n"),
        };
        let found = match read(&text) {
            Ok(loaded) => loaded.warnings,
            Err(problems) => problems,
        };
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(
            found.len() == 1 && found[0].contains(expected),
            "{line}: {found:#?}"
        );
    }
}

#[test]
fn what_is_said_about_an_image_may_stand_beside_its_name() {
    let images = r#"images.lab = "lab@sha256:12"
        images.casa = { image = "casa@sha256:12", title = "CASA", allowed_groups = ["/radio"] }
        default_image = "lab""#;
    let text = DOCKER.replace("images = { lab = \"lab@sha256:12\" }", images);

    let loaded = read(&text).expect("it is right");

    assert_eq!(loaded.warnings, []);
    let Spawner::Docker(docker) = loaded.config.spawner else {
        panic!("it is about containers");
    };
    assert_eq!(docker.images["lab"].image(), "lab@sha256:12");
    assert_eq!(docker.images["lab"].described(), None);
    assert_eq!(docker.images["casa"].image(), "casa@sha256:12");
    let about = docker.images["casa"].described().expect("it is described");
    assert_eq!(about.title.as_deref(), Some("CASA"));
    assert_eq!(about.allowed_groups, ["/radio"]);
}

#[test]
fn an_audience_can_be_for_servers_with_certain_images_and_nothing_that_people_invent() {
    let audience = |options: &str| {
        format!(
            "[audience.archive]\nsource = \"jansky\"\nallow_all = true\n\
             server_options = {options}\n"
        )
    };
    let docker = |options: &str| messages(&format!("{DOCKER}{}", audience(options)));

    assert_eq!(docker("{ image = [\"lab\"] }"), Vec::<String>::new());
    let unknown = docker("{ image = [\"lab\", \"other\"] }").join("");
    assert!(
        unknown.contains("audience.archive.server_options: found `other`, which is no image"),
        "{unknown}"
    );
    let invented = docker("{ memory = [\"2G\"] }").join("");
    assert!(
        invented.contains("found `memory`, which people can set"),
        "{invented}"
    );
    let process = messages(&format!("{}{LOCAL}", audience("{ image = [\"lab\"] }"))).join("");
    assert!(
        process.contains("found `image`, which people can set"),
        "{process}"
    );
}

#[test]
fn containers_need_an_address_at_which_they_reach_the_hub() {
    assert!(read(DOCKER).is_ok_and(|loaded| loaded.warnings.is_empty()));

    let found = message(&DOCKER.replace("172.30.0.1", "127.0.0.1"));

    assert!(
        found.contains("hub.api_url: found `http://127.0.0.1:8000/hub/api`"),
        "{found}"
    );
}

#[test]
fn a_batch_job_needs_a_cluster_tokens_and_a_way_back() {
    assert_eq!(messages(FIRECREST), Vec::<String>::new());
    for (line, expected) in [
        (
            "url = \"http://firecrest.example.org/\"",
            "spawner.url: found `http://firecrest.example.org/`, which is not encrypted",
        ),
        ("system = \"a/b\"", "spawner.system: found `a/b`"),
        (
            "user_token = \"nobody\"",
            "spawner.user_token: found `nobody`, which is no audience",
        ),
        (
            "user_token = \"poller\"",
            "spawner.user_token: found `poller`, which gives tokens of a service account",
        ),
        (
            "service_account = \"firecrest\"",
            "spawner.service_account: found `firecrest`, which is no service account",
        ),
        (
            "service_account_may_cancel = true",
            "spawner.service_account_may_cancel: found `true` without",
        ),
        (
            "agent = \"jansky-agent\"",
            "spawner.agent: found `jansky-agent`",
        ),
        ("home_dir = \"/home\"", "spawner.home_dir: found `/home`"),
        (
            "node_address = \"http://{node}:80\"",
            "spawner.node_address: found `http://{node}:80`",
        ),
        ("options = [\"gpus=1\"]", "spawner.options: found `gpus=1`"),
        (
            "time_limit = \"5s\"",
            "spawner.time_limit: found less than a minute",
        ),
        (
            "look_interval = \"0s\"",
            "spawner.look_interval: found no time at all",
        ),
        (
            "memory_limit = \"1 GiB\"",
            "spawner.memory_limit: found an unknown key",
        ),
    ] {
        let key = line.split(' ').next().expect("a key");
        let lines = FIRECREST
            .lines()
            .filter(|old| !old.starts_with(&format!("{key} = ")) || key == "service_account");
        let text = format!("{}\n{line}\n", lines.collect::<Vec<_>>().join("\n"));
        let found = message(&text);
        assert!(found.contains(expected), "{line}: {found}");
    }
    let here = FIRECREST.replace(
        "[hub]\napi_url = \"https://jupyter.example.org/hub/api\"\n",
        "",
    );
    let found = message(&here);
    assert!(
        found.contains(
            "hub.api_url: found `http://127.0.0.1:8000/hub/api`, which on a compute node"
        ),
        "{found}"
    );
}

#[test]
fn rules_are_checked_although_another_key_has_a_mistake() {
    let found = messages(&format!(
        "[hub]\nbind = \"nowhere\"\n[session]\nlifetime = \"0s\"{LOCAL}"
    ));

    assert_eq!(found.len(), 2, "{found:#?}");
}

const HEADER: &str = "[provider.sso]\nkind = \"header\"\nuser_header = \"X-Remote-User\"\n\
     trusted_addresses = [\"10.1.2.3\"]\nallow_all = true\n";

#[test]
fn a_trusted_proxy_needs_an_address_and_on_this_machine_a_secret() {
    assert_eq!(messages(HEADER), Vec::<String>::new());
    for here in ["127.0.0.1", "127.0.0.0/8", "::1", "0.0.0.0/0", "::/0"] {
        let text = HEADER.replace("10.1.2.3", here);
        assert_eq!(
            message(&text),
            "jansky.toml:1: provider.sso.secret: found nothing, and this machine in \
             `trusted_addresses`; add a secret that the proxy sends along: people's servers run \
             on this machine, and each of them could sign in as anybody"
        );
        let secret = format!("{text}secret = {{ env = \"PROXY_SECRET\" }}\n");
        assert_eq!(messages(&secret), Vec::<String>::new(), "{here}");
    }
    let nowhere = HEADER.replace("[\"10.1.2.3\"]", "[]");
    assert!(message(&nowhere).contains("trusted_addresses"));
}

#[test]
fn names_of_headers_and_rules_by_group_are_checked() {
    assert_eq!(
        message(&HEADER.replace("X-Remote-User", "X Remote User")),
        "jansky.toml:3: provider.sso.user_header: found `X Remote User`, which is not the name of \
         a header; write letters, digits and \"-\", such as \"X-Remote-User\""
    );
    assert_eq!(
        message(&format!("{HEADER}admin_groups = [\"operators\"]\n")),
        "jansky.toml:1: provider.sso.groups_header: found nothing, and rules that name groups; \
         name the header in which the proxy sends groups"
    );
}

#[test]
fn accounts_are_made_only_where_servers_run_as_accounts() {
    let make = "[spawner]\nkind = \"process\"\ncreate_accounts = true\n";
    let trusted = "run_as = \"hub\"\nusers_are_trusted_with_everything = true\n";

    assert_eq!(
        messages(&format!("{LOCAL}{make}{trusted}"))[0],
        "jansky.toml:6: spawner.create_accounts: found `true`, and servers that do not run as Unix \
         accounts; add `run_as = \"unix-account\"`, or remove it"
    );
    let unix = format!("{LOCAL}{make}run_as = \"unix-account\"\n");
    assert_eq!(messages(&unix), Vec::<String>::new());
    let anybody = format!("{unix}create_command = [\"{{username}}\", \"-m\"]\n");
    assert!(message(&anybody).contains("a command without the name of the account"));
}

#[test]
fn the_service_of_pam_is_the_name_of_a_file() {
    let text = "[provider.unix]\nkind = \"pam\"\nallow_all = true\nservice = \"../shadow\"\n";

    assert_eq!(
        message(text),
        "jansky.toml:4: provider.unix.service: found `../shadow`; write the name of a file in \
         /etc/pam.d, such as \"login\""
    );
}

#[test]
fn a_role_has_a_name_of_its_own_scopes_that_exist_and_somebody_who_has_it() {
    let role = |name: &str, keys: &str| messages(&format!("{OIDC}[role.{name}]\n{keys}\n"));

    assert_eq!(
        role(
            "observers",
            "scopes = [\"list:users\", \"service-account\"]\ngroups = [\"/radio\"]"
        ),
        Vec::<String>::new()
    );
    assert_eq!(
        role("user", "scopes = [\"access:servers!user\"]"),
        Vec::<String>::new()
    );
    for (name, keys, expected) in [
        (
            "admin",
            "users = [\"river\"]",
            "the role `admin`, which every hub has",
        ),
        (
            "x",
            "users = [\"river\"]",
            "a name that is no name of a role",
        ),
        (
            "user",
            "users = [\"river\"]",
            "the role `user`, which everybody has",
        ),
        (
            "watch",
            "scopes = [\"list:users\"]",
            "a role that nobody has",
        ),
        (
            "watch",
            "scopes = [\"list:stars\"]\nusers = [\"river\"]",
            "found `list:stars`, which is no scope",
        ),
    ] {
        let found = role(name, keys);
        assert!(
            found.len() == 1 && found[0].contains(expected),
            "[role.{name}] {keys}: {found:?}"
        );
    }
}

const LDAP: &str = "[provider.ldap]\nkind = \"ldap\"\nallow_all = true\n\
     url = \"ldaps://ldap.example.org\"\nuser_dn = \"uid={username},dc=example\"\n";

#[test]
fn a_directory_is_encrypted_and_says_where_people_are() {
    assert_eq!(messages(LDAP), Vec::<String>::new());
    let plain = LDAP.replace("ldaps", "ldap");
    assert_eq!(
        message(&plain),
        "jansky.toml:4: provider.ldap.url: found a URL with ldap that is not of this machine; use \
         ldaps, or set `start_tls = true`: everybody on the way could read passwords"
    );
    assert_eq!(
        messages(&format!("{plain}start_tls = true\n")),
        Vec::<String>::new()
    );
    for (from, to, expected) in [
        ("ldaps://", "https://", "write where the directory is"),
        ("{username}", "river", "else all people would be one"),
        (
            "user_dn = \"uid={username},dc=example\"\n",
            "",
            "no `search_base`",
        ),
        (
            "allow_all = true",
            "allowed_groups = [\"a\"]",
            "say where groups are",
        ),
        (
            "allow_all = true",
            "allow_all = true\nbind_dn = \"a\"",
            "belong together",
        ),
        (
            "allow_all = true",
            "allow_all = true\ngroups_base = \"a\"\ngroups_filter = \"(cn=*)\"",
            "else everybody is in every group",
        ),
    ] {
        let found = message(&LDAP.replace(from, to));
        assert!(found.contains(expected), "{to}: {found}");
    }
}

#[test]
fn a_chosen_name_must_not_choose_a_unix_account() {
    let with = |sign_up: &str| {
        format!(
            "[provider.local]\nkind = \"local\"\nsign_up = \"{sign_up}\"\n\n\
             [spawner]\nkind = \"process\"\nrun_as = \"unix-account\"\n"
        )
    };

    assert!(read(&with("off")).expect("fine").warnings.is_empty());
    let approval = read(&with("approval")).expect("only a warning").warnings;
    assert_eq!(
        approval.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "jansky.toml:3: warning: provider.local.sign_up: found `approval`, and servers that \
             run as the Unix account with the name of the user; look at each name before you \
             approve it: who asks for `ada` gets ada's files"
        ]
    );
    assert_eq!(
        message(&with("open")),
        "jansky.toml:3: provider.local.sign_up: found `open`, and servers that run as the Unix \
         account with the name of the user; write \"approval\" or \"off\": whoever signed up as \
         `ada` would get ada's files"
    );
    let elsewhere = with("open").replace("unix-account\"\n", "hub\"\n");
    let elsewhere = format!("{elsewhere}users_are_trusted_with_everything = true\n");
    let warnings = read(&elsewhere).expect("fine").warnings;
    let of_account = |one: &jansky_config::Problem| one.to_string().contains("sign_up");
    assert!(!warnings.iter().any(of_account), "{warnings:?}");
}

#[test]
fn servers_share_the_account_of_the_hub_only_where_all_users_are_trusted_with_everything() {
    let hub = format!("{LOCAL}[spawner]\nkind = \"process\"\nrun_as = \"hub\"\n");
    let trusted = format!("{hub}users_are_trusted_with_everything = true\n");

    let refused = message(&hub);
    assert!(refused.contains("spawner.run_as: found `hub`"), "{refused}");
    assert!(refused.contains("the tokens of everybody"), "{refused}");
    assert!(
        refused.contains("`users_are_trusted_with_everything = true`"),
        "{refused}"
    );
    let warnings = read(&trusted).expect("it is said").warnings;
    assert!(
        matches!(&warnings[..], [one] if one.to_string().contains("trusted with everything")),
        "{warnings:?}"
    );
    assert!(
        read(LOCAL)
            .expect("accounts of their own")
            .warnings
            .is_empty()
    );
}

#[test]
fn trust_that_nothing_needs_is_refused() {
    for key in [
        "users_are_trusted_with_everything",
        "servers_may_run_as_root",
    ] {
        let text = format!("{LOCAL}[spawner]\nkind = \"process\"\n{key} = true\n");
        let found = message(&text);
        assert!(
            found.contains(&format!("spawner.{key}: found `true`")),
            "{found}"
        );
    }
}

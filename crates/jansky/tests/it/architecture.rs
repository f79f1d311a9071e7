//! Which crate may use which, and which module of the hub: the directions that ARCHITECTURE.md
//! promises.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Which of our crates each of them may use. The tests of a crate may use more.
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("guard", &[]),
    ("adql", &[]),
    ("batch", &["model"]),
    ("handover", &["model"]),
    ("crypto", &["model"]),
    ("settings", &["model"]),
    ("config", &["batch", "handover", "model", "settings"]),
    ("store", &["guard", "model"]),
    ("identity", &["model", "pam", "settings"]),
    ("pam", &[]),
    // Formats of files, which know nothing of ours.
    ("votable", &[]),
    ("fits", &[]),
    ("spawn", &["guard", "handover", "model", "settings"]),
    ("spawn-docker", &["handover", "model", "settings", "spawn"]),
    (
        "spawn-firecrest",
        &["batch", "handover", "model", "settings", "spawn"],
    ),
    ("agent", &["crypto", "guard", "handover", "model"]),
    ("proxy", &["model", "settings"]),
    // Nobody may use it but tests, so no other line names it.
    (
        "testing",
        &["crypto", "hub", "identity", "model", "spawn", "store"],
    ),
    ("access", &["crypto", "model", "store"]),
    (
        "hub",
        &[
            "access", "crypto", "identity", "model", "settings", "spawn", "store",
        ],
    ),
    ("web", &["crypto", "hub", "model"]),
    (
        "jansky",
        &[
            "agent",
            "config",
            "crypto",
            "guard",
            "handover",
            "hub",
            "identity",
            "model",
            "pam",
            "proxy",
            "spawn",
            "spawn-docker",
            "spawn-firecrest",
            "store",
            "web",
        ],
    ),
];

/// Which module of the hub may use which. Modules beside its `lib.rs` are what the hub as a whole does.
const HUB: &[(&str, &[&str])] = &[
    ("shared", &[]),
    ("privileges", &["shared"]),
    ("context", &["privileges", "shared"]),
    ("people", &["context", "privileges", "shared"]),
    ("broker", &["context", "people", "shared"]),
    (
        "servers",
        &["broker", "context", "people", "privileges", "shared"],
    ),
    ("changes", &["shared"]),
    ("deletion", &["shared"]),
    ("health", &["shared"]),
    ("housekeeping", &["shared"]),
    ("metrics_text", &["shared"]),
    ("testing", &["broker", "people", "shared"]),
    ("lib", &[]),
];

/// Heavy dependencies and the only crates that may name them.
const AT_HOME: [(&str, &[&str]); 8] = [
    ("sqlx", &["store"]),
    ("rusqlite", &["store"]),
    ("axum", &["jansky", "web"]),
    ("minijinja", &["web"]),
    ("toml", &["config"]),
    ("clap", &["jansky"]),
    ("bollard", &["spawn-docker"]),
    ("kube", &[]),
];

/// What must not even come in through somebody else: there is one TLS library and one source of
/// cryptography, and neither needs a library of the system.
const NOWHERE: [&str; 6] = [
    "native-tls",
    "openssl",
    "openssl-sys",
    "ring",
    "rsa",
    "libssh2-sys",
];

/// Texts that several programs have to agree on, and the only crate that spells them.
const SPELLED_ONCE: [(&str, &str); 4] = [
    ("\"JANSKY_AGENT_SOCKET\"", "handover"),
    ("\"BEARER_TOKEN_FILE\"", "handover"),
    ("\"JUPYTERHUB_SERVICE_URL\"", "handover"),
    ("\"broker_url\"", "handover"),
];

/// The crates of this workspace by their short names, with the names of what each needs to run.
fn needs(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let members: BTreeSet<&str> = list(metadata, "workspace_members")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let ours = list(metadata, "packages")
        .iter()
        .filter(|package| members.contains(text(package, "id")))
        // What only measures, below `bench`, is no part of the program.
        .filter(|package| text(package, "manifest_path").contains("/crates/"));
    let needs = ours.map(|package| {
        let names = list(package, "dependencies")
            .iter()
            .filter(|dependency| dependency["kind"] != "dev")
            .map(|dependency| text(dependency, "name").to_owned());
        (short(text(package, "name")).to_owned(), names.collect())
    });
    needs.collect()
}

fn metadata() -> Value {
    // Without dependencies, as those of other systems need not be on this machine.
    let output = cargo(&["metadata", "--format-version=1", "--no-deps"]);
    serde_json::from_slice(&output).expect("cargo writes JSON")
}

fn cargo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs this test");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    output.stdout
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn short(name: &str) -> &str {
    name.strip_prefix("jansky-").unwrap_or(name)
}

#[test]
fn our_crates_depend_on_each_other_in_one_direction() {
    let needs = needs(&metadata());

    let allowed = ALLOWED.iter().copied().collect::<BTreeMap<_, _>>();
    let expected: BTreeSet<&str> = allowed.keys().copied().collect();
    let found: BTreeSet<&str> = needs.keys().map(String::as_str).collect();
    assert_eq!(found, expected, "a new crate needs a place in the order");
    let wrong: Vec<String> = needs
        .iter()
        .flat_map(|(user, used)| used.iter().map(move |used| (user.as_str(), short(used))))
        .filter(|(user, used)| found.contains(used) && !allowed[user].contains(used))
        .map(|(user, used)| format!("`{user}` must not use `{used}`"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What stands in for others is not to be checked with our own code.
#[test]
fn only_the_hub_for_tests_is_made_of_what_is_tested() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testing/src");

    for file in rust_files(&sources) {
        let text = std::fs::read_to_string(&file).expect("a source is text");
        let mut used = text.split("jansky_").skip(1);
        let is_hub = file.starts_with(sources.join("hub"));
        let is_right = is_hub || used.all(|used| used.starts_with("model"));
        assert!(is_right, "{}", file.display());
    }
}

/// What is said about which crates another one may use: names without their quotes, or `all`.
fn said<'t>(crates: impl Iterator<Item = &'t str>) -> BTreeSet<&'t str> {
    let names = crates.map(|name| name.trim().trim_matches('`'));
    names.filter(|name| !matches!(*name, "" | "–")).collect()
}

#[test]
fn the_table_of_layers_says_what_is_held() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ARCHITECTURE.md");
    let text = std::fs::read_to_string(path).expect("it is there");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let mut found: BTreeMap<&str, BTreeSet<&str>> = rows
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            assert_eq!(cells.len(), 3, "{row}");
            (cells[0].trim_matches('`'), said(cells[2].split(',')))
        })
        .collect();

    // The binary uses everything that there is to use.
    assert_eq!(found.remove("jansky"), Some(BTreeSet::from(["all"])));
    let allowed = ALLOWED.iter().filter(|(name, _)| *name != "jansky");
    let allowed: BTreeMap<&str, BTreeSet<&str>> = allowed
        .map(|(name, used)| (*name, used.iter().copied().collect()))
        .collect();
    assert_eq!(found, allowed);
}

#[test]
fn the_front_page_of_each_crate_says_what_it_may_use() {
    for (name, used) in ALLOWED.iter().filter(|(name, _)| *name != "jansky") {
        let path = format!("{}/../{name}/src/lib.rs", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("it is there");
        let page = text.lines().map_while(|line| line.strip_prefix("//!"));
        let page = page.map(str::trim).collect::<Vec<_>>().join(" ");

        let sentence = page.split("ay use ").nth(1);
        let sentence = sentence.unwrap_or_else(|| panic!("`{name}` says nothing of it"));
        let end = sentence.find(['.', ':', ';']).unwrap_or(sentence.len());
        let found = said(sentence[..end].split('`').skip(1).step_by(2));
        assert_eq!(found, used.iter().copied().collect(), "`{name}`");
    }
}

/// A wrong direction in the sources of a crate: who uses whom, and where.
fn wrong_directions(sources: &Path, allowed: &BTreeMap<&str, &[&str]>) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in rust_files(sources) {
        let inside = file.strip_prefix(sources).expect("it was found there");
        let module = inside.iter().next().and_then(OsStr::to_str);
        let module = module.expect("names of modules are text");
        let module = module.strip_suffix(".rs").unwrap_or(module);
        let at = inside.display();
        let Some(uses) = allowed.get(module) else {
            wrong.push(format!("{at}: `{module}` needs a place in the order"));
            continue;
        };
        let text = std::fs::read_to_string(&file).expect("a source is text");
        // The root puts the modules together and shows them.
        if module == "lib" {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let line = line.split("//").next().unwrap_or_default();
            for used in line.split("crate::").skip(1) {
                let end = used.find(|c: char| !(c.is_alphanumeric() || c == '_'));
                let used = &used[..end.unwrap_or(used.len())];
                // Only what the hub as a whole does is a method of the whole hub.
                let is_whole =
                    used == "Hub" && !allowed.values().any(|uses| uses.contains(&module));
                if used != module && !is_whole && !uses.contains(&used) {
                    wrong.push(format!(
                        "{at}:{}: `{module}` must not use `{used}`",
                        number + 1
                    ));
                }
            }
            if line.contains("super::super::") {
                wrong.push(format!("{at}:{}: name the module from `crate`", number + 1));
            }
        }
    }
    wrong
}

/// All sources below a directory.
fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("it is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension() == Some(OsStr::new("rs")) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn the_modules_of_the_hub_use_each_other_in_one_direction() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hub/src");

    let wrong = wrong_directions(&sources, &HUB.iter().copied().collect());

    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_wrong_direction_of_modules_is_found() {
    let crate_of_two = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, text: &str| {
        let path = crate_of_two.path().join(name);
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("it can be made");
        std::fs::write(path, text).expect("it can be written");
    };
    write(
        "above/mod.rs",
        "use crate::below::Thing;\n// as crate::nowhere says\n",
    );
    write("below/deep/thing.rs", "fn f() { crate::above::g(); }\n");
    write("new.rs", "");
    let allowed = BTreeMap::from([("above", &["below"][..]), ("below", &[])]);

    let wrong = wrong_directions(crate_of_two.path(), &allowed);

    assert_eq!(
        wrong,
        [
            "below/deep/thing.rs:1: `below` must not use `above`",
            "new.rs: `new` needs a place in the order",
        ]
    );
}

/// The only sources of `web` that name scopes: the table of its calls, and what each is called for people.
const NAMES_SCOPES: [&str; 2] = ["api/routes.rs", "scope_descriptions.rs"];

#[test]
fn no_surface_decides_by_itself_what_somebody_may_do_or_see() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/src");

    let named = rust_files(&sources).into_iter().filter(|file| {
        let text = std::fs::read_to_string(file).expect("a source is text");
        text.lines().any(|line| {
            let line = line.split("//").next().unwrap_or_default();
            line.contains("Scope::") || line.contains("holds_unfiltered")
        })
    });
    let named: Vec<String> = named
        .map(|file| {
            let inside = file.strip_prefix(&sources).expect("it was found there");
            inside.display().to_string()
        })
        .collect();

    assert_eq!(
        named, NAMES_SCOPES,
        "`access` decides: see its actions and details"
    );
}

#[test]
fn heavy_dependencies_stay_where_they_belong() {
    let needs = needs(&metadata());

    let at_home = BTreeMap::from(AT_HOME);
    let wrong: Vec<String> = needs
        .iter()
        .flat_map(|(user, used)| used.iter().map(move |used| (user.as_str(), used.as_str())))
        .filter(|(user, used)| at_home.get(used).is_some_and(|home| !home.contains(user)))
        .map(|(user, used)| format!("`{user}` must not use `{used}`"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn there_is_one_tls_library_and_one_source_of_cryptography() {
    // Unlike the metadata, the tree has only what is really built.
    let tree = cargo(&["tree", "--workspace", "--prefix=none", "--format={p}"]);

    let tree = String::from_utf8(tree).expect("names are text");
    let names: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(names.contains("rustls"), "the tree was not understood");
    let unwanted: Vec<&str> = NOWHERE
        .into_iter()
        .filter(|name| names.contains(name))
        .collect();
    assert!(unwanted.is_empty(), "{unwanted:?} came in");
}

/// The sources of all crates, without their tests, by the short names of the crates.
fn sources() -> Vec<(String, String)> {
    let crates = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut directories = Vec::new();
    for entry in std::fs::read_dir(crates).expect("they are there") {
        let entry = entry.expect("readable");
        let name = entry.file_name().to_string_lossy().into_owned();
        directories.push((name, entry.path().join("src")));
    }
    let mut sources = Vec::new();
    while let Some((name, directory)) = directories.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten() {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                directories.push((name.clone(), path));
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(path).expect("text");
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                sources.push((name.clone(), code.to_owned()));
            }
        }
    }
    sources
}

#[test]
fn what_programs_have_to_agree_on_is_spelled_in_one_crate() {
    let sources = sources();

    for (text, home) in SPELLED_ONCE {
        let found = sources.iter().filter(|(_, code)| code.contains(text));
        let found: BTreeSet<&str> = found.map(|(name, _)| name.as_str()).collect();
        assert_eq!(found, BTreeSet::from([home]), "{text}");
    }
}

/// The settings of a crate get their defaults from the sections of the configuration, or have none.
#[test]
fn a_default_of_a_setting_stands_in_the_section_alone() {
    let mut wrong = Vec::new();
    for (name, code) in sources() {
        for (at, found) in code.match_indices("impl Default for ") {
            let rest = &code[at + found.len()..];
            let (owner, body) = rest.split_once(" {").expect("a type and its block");
            let body = body.split("\n}").next().unwrap_or_default();
            let is_section = name == "settings" || !owner.ends_with("Settings");
            if !is_section && !body.contains("Self::new(&") {
                wrong.push(format!("`{owner}` in `{name}` has defaults of its own"));
            }
        }
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The one crate that calls a C library says so itself, in one module.
#[test]
fn no_crate_of_ours_switches_the_common_lints_off() {
    let metadata = metadata();

    let members = list(&metadata, "workspace_members");
    for package in list(&metadata, "packages") {
        if !members.contains(&package["id"]) {
            continue;
        }
        let path = text(package, "manifest_path");
        let manifest = std::fs::read_to_string(path).expect("cargo has read it too");
        if short(text(package, "name")) == "pam" {
            assert!(manifest.contains("unsafe_code = \"deny\""), "{path}");
            continue;
        }
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{path} does not take the lints of the workspace"
        );
    }
}

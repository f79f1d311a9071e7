//! The files that pages refer to: stylesheet, scripts and pictures, inside the program.
//!
//! A page asks for them with the version in the query (`style.css?v=…`), so an answer can be kept
//! for ever when the version is ours and must be checked each time when it is not.

use std::hash::Hasher as _;
use std::sync::LazyLock;

use bytes::Bytes;
use fnv::FnvHasher;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

/// A static file, ready to be sent.
#[derive(Clone, Debug)]
pub struct StaticFile {
    /// Value of `Content-Type`.
    pub content_type: &'static str,
    /// Value of `ETag`, with its quotes.
    pub etag: String,
    /// The file itself.
    pub bytes: Bytes,
}

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut names: Vec<_> = Files::iter().collect();
    names.sort();
    // Over the digests: it only has to change when a file does.
    let mut hash = FnvHasher::default();
    for file in names.iter().filter_map(|name| Files::get(name)) {
        hash.write(&file.metadata.sha256_hash());
    }
    format!("{:016x}", hash.finish())
});

/// The version of all static files together; it changes when one of them does.
pub fn version() -> &'static str {
    &VERSION
}

/// Finds a file by its name, such as `style.css`.
pub fn serve(path: &str) -> Option<StaticFile> {
    let file = Files::get(path)?;
    let digest = file.metadata.sha256_hash();
    let etag = digest[..8].iter().fold(String::from("\""), |text, byte| {
        text + &format!("{byte:02x}")
    }) + "\"";
    Some(StaticFile {
        content_type: content_type(path),
        etag,
        bytes: match file.data {
            std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
        },
    })
}

/// Value of `Cache-Control` for a request that names the version `requested`.
pub fn cache_control(requested: Option<&str>) -> &'static str {
    if requested == Some(version()) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    }
}

/// The names of all files.
pub fn names() -> impl Iterator<Item = String> {
    Files::iter().map(std::borrow::Cow::into_owned)
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("ico") => "image/vnd.microsoft.icon",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_type_and_its_own_tag() {
        let mut tags = std::collections::BTreeSet::new();
        for name in names() {
            let file = serve(&name).expect("a listed file exists");
            assert_ne!(file.content_type, "application/octet-stream", "`{name}`");
            assert!(
                tags.insert(file.etag),
                "`{name}` has the tag of another file"
            );
        }
    }

    #[test]
    fn a_path_outside_finds_nothing() {
        for path in [
            "",
            "..",
            "../Cargo.toml",
            "/etc/passwd",
            "style.css/",
            "./style.css",
        ] {
            assert!(serve(path).is_none(), "`{path}`");
        }
    }

    #[test]
    fn only_our_version_may_be_kept() {
        assert!(cache_control(Some(version())).contains("immutable"));
        assert_eq!(cache_control(Some("0123")), "no-cache");
        assert_eq!(cache_control(None), "no-cache");
    }
}

//! FirecREST's operations on files, in the homes of accounts.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use super::Cluster;

/// The answer to an operation: a status and a body.
pub(super) type Done = (u16, Value);

/// A path in the home of an account; an answer for any other.
pub(super) fn path_of(cluster: &Cluster, account: &str, path: &str) -> Result<PathBuf, Done> {
    let path = PathBuf::from(path);
    let leaves = path.components().any(|part| part == Component::ParentDir);
    if leaves || !path.starts_with(cluster.home(account)) {
        return Err(failed(403, account, "Permission denied"));
    }
    Ok(path)
}

/// FirecREST's error.
pub(super) fn failed(status: u16, account: &str, message: &str) -> Done {
    let body = json!({
        "errorType": "error",
        "message": message,
        "causedBy": null,
        "data": null,
        "user": account,
    });
    (status, body)
}

fn of_error(account: &str, error: &io::Error) -> Done {
    let told =
        |text: &str| format!("Remote process failed with exit status:1 and error message:{text}");
    match error.kind() {
        io::ErrorKind::NotFound => failed(404, account, &told("No such file or directory")),
        io::ErrorKind::AlreadyExists => failed(400, account, &told("File exists")),
        io::ErrorKind::PermissionDenied => failed(403, account, &told("Permission denied")),
        _ => failed(500, account, &told(&error.to_string())),
    }
}

/// Answers with what was done, or with how it failed.
fn answer(account: &str, done: io::Result<Done>) -> Done {
    done.unwrap_or_else(|error| of_error(account, &error))
}

/// The mode of a file in octal digits; nothing when there is none.
pub(super) fn mode(path: &Path) -> String {
    fs::symlink_metadata(path).map_or_else(
        |_| String::new(),
        |found| format!("{:o}", found.mode() & 0o7777),
    )
}

fn file(account: &str, path: &Path) -> io::Result<Value> {
    let found = fs::symlink_metadata(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(json!({
        "name": name,
        "type": if found.is_dir() { "d" } else { "-" },
        "linkTarget": null,
        "user": account,
        "group": account,
        "permissions": mode(path),
        "lastModified": "2026-11-22T02:44:58",
        "size": found.len().to_string(),
    }))
}

pub(super) fn make_directory(account: &str, path: &Path, with_parents: bool) -> Done {
    let made = if with_parents {
        fs::create_dir_all(path)
    } else {
        fs::create_dir(path)
    };
    answer(
        account,
        made.and_then(|()| Ok((201, json!({ "output": file(account, path)? })))),
    )
}

pub(super) fn set_mode(account: &str, path: &Path, mode: &str) -> Done {
    let Ok(bits) = u32::from_str_radix(mode, 8) else {
        return failed(400, account, "invalid mode");
    };
    let set = fs::set_permissions(path, fs::Permissions::from_mode(bits));
    answer(
        account,
        set.and_then(|()| Ok((200, json!({ "output": file(account, path)? })))),
    )
}

pub(super) fn list(account: &str, path: &Path) -> Done {
    let listed = || {
        let mut files = Vec::new();
        for entry in fs::read_dir(path)? {
            files.push(file(account, &entry?.path())?);
        }
        Ok((200, json!({ "output": files })))
    };
    answer(account, listed())
}

/// The end of a file, by bytes.
pub(super) fn tail(account: &str, path: &Path, bytes: usize) -> Done {
    let read = fs::read(path).map(|content| {
        let end = &content[content.len().saturating_sub(bytes)..];
        let output = json!({
            "content": String::from_utf8_lossy(end),
            "contentType": "bytes",
            "startPosition": bytes,
            "endPosition": -1,
        });
        (200, json!({ "output": output }))
    });
    answer(account, read)
}

pub(super) fn remove(account: &str, path: &Path) -> Done {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    answer(account, removed.map(|()| (204, Value::Null)))
}

/// Writes what a form carries as a file into a directory.
pub(super) fn upload(account: &str, directory: &Path, kind: &str, body: &[u8]) -> Done {
    let Some((name, content)) = part(kind, body) else {
        return failed(422, account, "file: Field required");
    };
    if content.is_empty() {
        // The input of the command that would write it is never closed.
        return failed(408, account, "Remote process failed with exit status:124");
    }
    answer(
        account,
        fs::write(directory.join(name), content).map(|()| (204, Value::Null)),
    )
}

/// The name and the content of the part `file` of a form (RFC 7578), where it is the only one.
pub(super) fn part<'b>(kind: &str, body: &'b [u8]) -> Option<(String, &'b [u8])> {
    let boundary = kind
        .strip_prefix("multipart/form-data")?
        .split_once("boundary=")?
        .1
        .trim_matches('"');
    let at = |body: &[u8], what: &[u8]| body.windows(what.len()).position(|found| found == what);
    let begins = format!("--{boundary}\r\n");
    let rest = body.strip_prefix(begins.as_bytes())?;
    let gap = at(rest, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&rest[..gap]).ok()?;
    let content = &rest[gap + 4..];
    let content = &content[..at(content, format!("\r\n--{boundary}--").as_bytes())?];
    let name = head.split_once("filename=\"")?.1.split('"').next()?;
    (head.contains("name=\"file\"") && !name.is_empty() && !name.contains('/'))
        .then(|| (name.to_owned(), content))
}

//! A directory whose files cannot be redirected elsewhere.
//!
//! Programs with many rights work in directories that belong to accounts with fewer: root rotates keys
//! in the directory of the hub, the hub makes homes of people. An account that may write to such a
//! directory can put a symbolic link, a second name of another file (link(2)) or a pipe where a file is expected.
//! So a directory is opened once and held, and everything in it is reached from there by one name,
//! without following, and looked at by its descriptor before it is read, changed or given away.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;

/// How many links a path may lead through, as for the kernel itself (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

/// A directory that is held open.
#[derive(Debug)]
pub struct Place {
    directory: OwnedFd,
    /// For messages only.
    path: PathBuf,
}

impl Place {
    /// Opens a directory. Links on the way are followed only where root or this account alone can have
    /// put them.
    ///
    /// # Errors
    /// When there is no directory, or a link of somebody else's is on the way.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::walk(path, None)
    }

    /// Opens a directory, and makes it with those above it when they are missing.
    ///
    /// # Errors
    /// As [`Place::open`], and when it cannot be made.
    pub fn make(path: &Path, mode: u32) -> io::Result<Self> {
        Self::walk(path, Some(mode))
    }

    fn walk(path: &Path, make: Option<u32>) -> io::Result<Self> {
        let mut at = beginning(path)?;
        let mut ahead = steps(path);
        let mut links = 0;
        while let Some(step) = ahead.pop() {
            if let Some(mode) = make
                && step != ".."
            {
                make_directory(&at, &step, mode)?;
            }
            let next = open_at(&at, &step, OFlags::PATH, 0)?;
            let found = rustix::fs::fstat(&next)?;
            if kind(&found) != FileType::Symlink {
                at = next;
                continue;
            }
            links += 1;
            if links > MOST_LINKS {
                return Err(Errno::LOOP.into());
            }
            if !is_believed(&rustix::fs::fstat(&at)?, &found) {
                return Err(refused(
                    path,
                    &step,
                    "is a symbolic link of another account",
                ));
            }
            let target = rustix::fs::readlinkat(&next, "", Vec::new())?;
            let target = PathBuf::from(os_string(target.into_bytes()));
            if target.is_absolute() {
                at = beginning(&target)?;
            }
            ahead.extend(steps(&target));
        }
        let directory = open_at(&at, OsStr::new("."), OFlags::RDONLY | OFlags::DIRECTORY, 0)?;
        Ok(Self {
            directory,
            path: path.to_owned(),
        })
    }

    /// Opens a directory in this one, and makes it when it is missing; `owner` is who gets it then, or
    /// when it was made by this account and not yet given away.
    ///
    /// # Errors
    /// When it cannot be made, or is something else.
    pub fn directory(&self, name: &str, mode: u32, owner: Option<(u32, u32)>) -> io::Result<Self> {
        let name = single(name)?;
        make_directory(&self.directory, name, mode)?;
        let directory = open_at(&self.directory, name, OFlags::RDONLY | OFlags::DIRECTORY, 0)?;
        if let Some((uid, gid)) = owner
            && rustix::fs::fstat(&directory)?.st_uid == own()
        {
            rustix::fs::fchown(
                &directory,
                Some(Uid::from_raw(uid)),
                Some(Gid::from_raw(gid)),
            )?;
        }
        Ok(Self {
            directory,
            path: self.path.join(name),
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When there is none, or it is not a plain file, or one that was linked there.
    pub fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        self.open_file(name)?.read_to_end(&mut content)?;
        Ok(content)
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// As [`Place::read`].
    pub fn open_file(&self, name: &str) -> io::Result<File> {
        self.plain(name, OFlags::RDONLY, 0)
    }

    /// Opens a file to write at its end, and makes it when it is missing.
    ///
    /// # Errors
    /// As [`Place::read`], and when it cannot be made.
    pub fn append(&self, name: &str, mode: u32) -> io::Result<File> {
        self.plain(name, OFlags::APPEND | OFlags::RDWR | OFlags::CREATE, mode)
    }

    /// Makes a file that only its owner may read, in one step: readers see the one before it or all of
    /// it, and a link in its place is replaced and not followed.
    ///
    /// What root writes belongs to whom the file before it, or else the directory, belongs: an operator
    /// works as root, and the hub that reads it has an account of its own.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let owner = self.owner_of_new(name)?;
        let part = format!(".{name}.part");
        self.remove(&part)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mut file = File::from(open_at(&self.directory, single(&part)?, flags, 0o600)?);
        if let Some((uid, gid)) = owner {
            rustix::fs::fchown(&file, Some(uid), Some(gid))?;
        }
        file.write_all(content)?;
        file.sync_all()?;
        let name = single(name)?;
        rustix::fs::renameat(&self.directory, &part, &self.directory, name)?;
        rustix::fs::fsync(&self.directory)?;
        Ok(())
    }

    /// Makes a file unless there is something of its name.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when there is.
    pub fn write_new(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mut file = File::from(open_at(&self.directory, single(name)?, flags, 0o600)?);
        file.write_all(content)?;
        file.sync_all()
    }

    /// Removes a name that may be gone already, and not what it leads to.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.directory, single(name)?, AtFlags::empty()) {
            Err(Errno::NOENT) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Who owns the directory.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn owner(&self) -> io::Result<u32> {
        Ok(rustix::fs::fstat(&self.directory)?.st_uid)
    }

    /// Gives the directory to an account and closes it to all others.
    ///
    /// # Errors
    /// When this account may not.
    pub fn give_to(&self, uid: u32) -> io::Result<()> {
        rustix::fs::fchmod(&self.directory, Mode::from_raw_mode(0o700))?;
        rustix::fs::fchown(&self.directory, Some(Uid::from_raw(uid)), None)?;
        Ok(())
    }

    /// The owner that root gives to a new file.
    fn owner_of_new(&self, name: &str) -> io::Result<Option<(Uid, Gid)>> {
        if own() != 0 {
            return Ok(None);
        }
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let directory = rustix::fs::fstat(&self.directory)?;
        let before = match rustix::fs::statat(&self.directory, single(name)?, flags) {
            Ok(found) if is_plain(&found, &directory) => found,
            Ok(_) | Err(Errno::NOENT) => directory,
            Err(error) => return Err(error.into()),
        };
        let (uid, gid) = (before.st_uid, before.st_gid);
        Ok(Some((Uid::from_raw(uid), Gid::from_raw(gid))))
    }

    /// Opens a plain file and nothing else, without waiting.
    fn plain(&self, name: &str, flags: OFlags, mode: u32) -> io::Result<File> {
        let name = single(name)?;
        // A pipe would wait for somebody at its other end.
        let opened = open_at(&self.directory, name, flags | OFlags::NONBLOCK, mode);
        let file = match opened {
            Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                return Err(refused(&self.path, name, "is a symbolic link"));
            }
            opened => File::from(opened?),
        };
        let found = rustix::fs::fstat(&file)?;
        if kind(&found) != FileType::RegularFile {
            return Err(refused(&self.path, name, "is not a plain file"));
        }
        if !is_plain(&found, &rustix::fs::fstat(&self.directory)?) {
            let what = "is a second name (hard link) of another account's file";
            return Err(refused(&self.path, name, what));
        }
        Ok(file)
    }
}

/// Looks at a file that another library is going to open by its path.
///
/// # Errors
/// When there is something of this name that is not a plain file, or has been linked there.
pub fn must_be_plain(path: &Path) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default();
    let parent = path.parent().unwrap_or(Path::new(""));
    let directory = Place::open(parent)?.directory;
    let directory = rustix::fs::fstat(directory)?;
    match rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) if is_plain(&found, &directory) => Ok(()),
        Ok(_) => {
            let what = "is a link, or something else than a file";
            Err(refused(parent, name, what))
        }
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn beginning(path: &Path) -> io::Result<OwnedFd> {
    let from = if path.is_absolute() { "/" } else { "." };
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    open_at(CWD, OsStr::new(from), flags, 0)
}

/// The parts of a path, the last one first.
fn steps(path: &Path) -> Vec<OsString> {
    let mut steps: Vec<OsString> = path
        .components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_owned())
        .collect();
    steps.reverse();
    steps
}

fn open_at(directory: impl AsFd, name: &OsStr, flags: OFlags, mode: u32) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
    let opened = rustix::fs::openat(directory.as_fd(), name, flags, Mode::from_raw_mode(mode));
    Ok(opened?)
}

fn make_directory(directory: &OwnedFd, name: &OsStr, mode: u32) -> io::Result<()> {
    match rustix::fs::mkdirat(directory, name, Mode::from_raw_mode(mode)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A name without a way in it.
fn single(name: &str) -> io::Result<&OsStr> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(part)), None) if part == name => Ok(part),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn os_string(bytes: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}

fn kind(found: &Stat) -> FileType {
    FileType::from_raw_mode(found.st_mode)
}

/// Whether it is a file, and not a second name that the owner of the directory gave to one of somebody
/// else's.
fn is_plain(found: &Stat, directory: &Stat) -> bool {
    kind(found) == FileType::RegularFile
        && (found.st_nlink == 1 || found.st_uid == directory.st_uid)
}

fn own() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether nobody but root and this account can have put the link into its directory.
fn is_believed(directory: &Stat, link: &Stat) -> bool {
    let is_ours = |uid: u32| uid == 0 || uid == own();
    let is_shared = directory.st_mode & 0o022 != 0;
    let is_sticky = directory.st_mode & 0o1000 != 0;
    is_ours(directory.st_uid) && is_ours(link.st_uid) && (!is_shared || is_sticky)
}

fn refused(directory: &Path, name: &OsStr, what: &str) -> io::Error {
    let path = directory.join(name);
    io::Error::other(format!(
        "`{}` {what}, and is not used; look who put it there and remove it",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};

    use super::*;

    /// An account that is not root's.
    const HUB: u32 = 4321;

    /// A directory of the account, and a file that is not for it.
    fn planted() -> (tempfile::TempDir, Place, PathBuf) {
        let root = tempfile::tempdir().expect("a directory");
        let (theirs, secret) = (root.path().join("theirs"), root.path().join("secret"));
        std::fs::create_dir(&theirs).expect("ours");
        std::fs::write(&secret, "root's").expect("ours");
        let only_root = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&secret, only_root).expect("ours");
        if rustix::process::geteuid().is_root() {
            chown(&theirs, Some(HUB), Some(HUB)).expect("root may");
        }
        let place = Place::open(&theirs).expect("a directory");
        (root, place, secret)
    }

    fn untouched(secret: &Path) {
        let found = std::fs::metadata(secret).expect("it is there");
        assert_eq!(std::fs::read(secret).expect("ours"), b"root's");
        assert_eq!(found.uid(), own(), "it was given away");
        assert_eq!(found.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_planted_link_hard_link_or_pipe_is_neither_read_nor_appended_to() {
        let (root, place, secret) = planted();
        let theirs = root.path().join("theirs");
        symlink(&secret, theirs.join("link")).expect("planted");
        symlink(root.path().join("new"), theirs.join("dangling")).expect("planted");
        std::fs::hard_link(&secret, theirs.join("hard")).expect("planted");
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mkfifoat(CWD, theirs.join("pipe"), mode).expect("planted");
        symlink(root.path(), theirs.join("directory")).expect("planted");

        let is_root = own() == 0;
        for name in ["link", "dangling", "hard", "pipe", "directory"] {
            if name == "hard" && !is_root {
                // The file is ours, and so is the directory.
                continue;
            }
            let read = place.read(name).expect_err(name).to_string();
            assert!(read.contains("theirs/"), "{read}");
            assert!(place.append(name, 0o600).is_err(), "{name}");
        }
        for name in ["link", "dangling", "hard", "pipe"] {
            assert!(place.directory(name, 0o700, Some((HUB, HUB))).is_err());
        }
        assert!(!root.path().join("new").exists());
        std::fs::remove_file(theirs.join("hard")).expect("ours");
        untouched(&secret);
    }

    #[test]
    fn what_is_planted_at_the_name_of_a_file_or_of_its_part_is_replaced_and_not_followed() {
        let (root, place, secret) = planted();
        let theirs = root.path().join("theirs");
        for name in ["keys", ".keys.part"] {
            symlink(&secret, theirs.join(name)).expect("planted");
            place.write("keys", b"new").expect("written");

            assert_eq!(place.read("keys").expect("a plain file"), b"new");
            std::fs::remove_file(theirs.join("keys")).expect("ours");
            std::fs::hard_link(&secret, theirs.join(name)).expect("planted");
            place.write("keys", b"new").expect("written");
            std::fs::remove_file(theirs.join("keys")).expect("ours");
        }

        untouched(&secret);
    }

    #[test]
    fn a_link_of_another_account_on_the_way_is_not_followed_and_one_of_root_is() {
        let (root, _place, _) = planted();
        let theirs = root.path().join("theirs");
        std::fs::create_dir(root.path().join("ours")).expect("ours");
        symlink("ours", root.path().join("alias")).expect("ours");
        symlink(root.path().join("ours"), theirs.join("data")).expect("planted");

        Place::open(&root.path().join("alias")).expect("only we can have put it there");
        Place::make(&root.path().join("alias/deeper/still"), 0o700).expect("made");
        assert!(root.path().join("ours/deeper/still").is_dir());
        if rustix::process::geteuid().is_root() {
            let error = Place::open(&theirs.join("data")).expect_err("a trap");
            assert!(error.to_string().contains("another account"), "{error}");
            Place::make(&theirs.join("data/new"), 0o700).expect_err("a trap");
            assert!(!root.path().join("ours/new").exists());
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_no_names() {
        let (_root, place, _) = planted();

        for name in ["", ".", "..", "a/b", "/etc/passwd", "../secret", "a/"] {
            assert!(place.write_new(name, b"").is_err(), "{name}");
        }
    }

    #[test]
    fn what_root_writes_belongs_to_whom_the_directory_belongs() {
        let (root, place, _) = planted();
        if !rustix::process::geteuid().is_root() {
            return;
        }

        place.write("keys", b"new").expect("written");

        let found = std::fs::metadata(root.path().join("theirs/keys")).expect("there");
        assert_eq!((found.uid(), found.gid()), (HUB, HUB));
        assert_eq!(found.permissions().mode() & 0o777, 0o600);
    }
}

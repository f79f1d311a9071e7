//! What the hub keeps on disk about each server: a record of its main process, and its logs.
//!
//! The launcher writes the record itself, under a lock, before it becomes the server. So there is
//! no moment at which a server runs and cannot be found, and never a second one beside it.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jansky_guard::Place;
use jansky_model::{ServerId, StartId};
use serde::{Deserialize, Serialize};

use super::table::{ProcessId, ProcessTable};

/// How much of a log is shown.
const TAIL: u64 = 8 * 1024;
/// How long a log may be when somebody looks at it, in bytes.
const LOG_LIMIT: u64 = 16 << 20;
/// What is left then of one that is longer.
const LOG_KEPT: u64 = 1 << 20;
/// Of how many starts the logs are kept.
const KEPT_STARTS: usize = 3;

/// The main process of a start. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) process: ProcessId,
    /// The boot of the machine in which the process was started.
    pub(crate) boot: String,
    pub(crate) url: String,
}

impl Record {
    /// Reads the record at `path`; `None` when there is none.
    pub(crate) fn read(path: &Path) -> io::Result<Option<Self>> {
        let (directory, name) = place_of(path)?;
        match Place::open(directory).and_then(|place| place.read(name)) {
            // Written by renaming, so only a machine that lost power leaves half a record, and then
            // the process is gone as well.
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the record at `path`, wholly or not at all.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let (directory, name) = place_of(path)?;
        Place::open(directory)?.write(name, &serde_json::to_vec(self)?)
    }

    /// Whether its process runs.
    pub(crate) fn is_alive(&self, table: &ProcessTable) -> io::Result<bool> {
        Ok(self.boot == table.boot()? && table.is_alive(self.process)?)
    }
}

/// The directory with the records and logs of all servers.
#[derive(Clone, Debug)]
pub(crate) struct Records(PathBuf);

impl Records {
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self(state_dir.join("servers"))
    }

    pub(crate) fn directory(&self, server: ServerId) -> PathBuf {
        self.0.join(server.to_string())
    }

    pub(crate) fn record(&self, server: ServerId, start: StartId) -> PathBuf {
        self.directory(server).join(format!("{start}.json"))
    }

    pub(crate) fn log(&self, server: ServerId, start: StartId) -> PathBuf {
        self.directory(server).join(format!("{start}.log"))
    }

    pub(crate) fn lock(&self, server: ServerId) -> PathBuf {
        self.directory(server).join("lock")
    }

    /// Makes the directory of a server and removes the traces of its oldest starts.
    pub(crate) fn prepare(
        &self,
        server: ServerId,
        start: StartId,
        table: &ProcessTable,
    ) -> io::Result<()> {
        Place::make(&self.directory(server), 0o700)?;
        let mut others = self.starts(server)?;
        others.retain(|other| *other != start);
        let surplus = (others.len() + 1).saturating_sub(KEPT_STARTS);
        for old in others.into_iter().take(surplus) {
            let record = self.record(server, old);
            if Record::read(&record)?.is_some_and(|record| record.is_alive(table).unwrap_or(true)) {
                continue;
            }
            forget(&self.log(server, old))?;
            forget(&record)?;
        }
        Ok(())
    }

    /// The starts of a server that left a log or a record, the oldest first.
    fn starts(&self, server: ServerId) -> io::Result<Vec<StartId>> {
        let mut starts: Vec<StartId> = names(&self.directory(server))?
            .iter()
            .filter_map(|name| name.strip_suffix(".log").or(name.strip_suffix(".json")))
            .filter_map(|stem| stem.parse().ok().map(StartId))
            .collect();
        starts.sort_unstable();
        starts.dedup();
        Ok(starts)
    }

    /// All records, also of servers that have ended.
    pub(crate) fn all(&self) -> io::Result<Vec<(ServerId, StartId, Record)>> {
        let mut all = Vec::new();
        for name in names(&self.0)? {
            let Ok(server) = name.parse().map(ServerId) else {
                continue;
            };
            for start in self.starts(server)? {
                if let Some(record) = Record::read(&self.record(server, start))? {
                    all.push((server, start, record));
                }
            }
        }
        Ok(all)
    }

    /// Removes everything about a server.
    pub(crate) fn remove(&self, server: ServerId) -> io::Result<()> {
        match std::fs::remove_dir_all(self.directory(server)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Drops the older part of a log that has become long, and says so at its beginning.
///
/// The log lies beside the hub's database, and a server writes what it likes.
pub(crate) fn shorten(log: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(log) {
        Ok(found) if found.len() > LOG_LIMIT => {}
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => return Ok(()),
    }
    let (directory, name) = place_of(log)?;
    let mut log = Place::open(directory)?.append(name, 0o600)?;
    let dropped = log.metadata()?.len().saturating_sub(LOG_KEPT);
    log.seek(SeekFrom::Start(dropped))?;
    let mut kept = Vec::new();
    (&log).take(LOG_KEPT).read_to_end(&mut kept)?;
    log.set_len(0)?;
    let first = format!("[{dropped} bytes before this line were dropped: the log was too long]\n");
    log.write_all(&[first.as_bytes(), &kept].concat())
}

/// The directory of a file of ours, and its name there.
pub(crate) fn place_of(path: &Path) -> io::Result<(&Path, &str)> {
    let name = path.file_name().and_then(|name| name.to_str());
    let directory = path.parent();
    directory
        .zip(name)
        .ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// Removes a file that may be gone already.
pub(crate) fn forget(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The names in a directory; none when it does not exist.
fn names(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}

/// The last whole lines of a log, at most 8 KiB; a single longer line is cut.
pub(crate) fn tail(path: &Path) -> io::Result<String> {
    let (directory, name) = place_of(path)?;
    let mut file = Place::open(directory)?.open_file(name)?;
    let length = file.metadata()?.len();
    let from = length.saturating_sub(TAIL);
    // One byte more shows whether the part begins with a whole line.
    file.seek(SeekFrom::Start(from.saturating_sub(1)))?;
    let mut bytes = Vec::new();
    file.take(TAIL + 1).read_to_end(&mut bytes)?;
    let mut part = bytes.as_slice();
    if from > 0 {
        part = match part.iter().position(|byte| *byte == b'\n') {
            Some(end) if end + 1 < part.len() => &part[end + 1..],
            _ => &part[1..],
        };
    }
    let mut text = String::from_utf8_lossy(part).into_owned();
    // Replaced bytes may have made it longer.
    while text.len() > 8 * 1024 {
        let cut = text
            .find('\n')
            .map_or_else(|| text.ceil_char_boundary(1), |end| end + 1);
        text.drain(..cut);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail_of(bytes: &[u8]) -> String {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("written");
        tail(file.path()).expect("readable")
    }

    #[test]
    fn a_log_that_is_too_long_keeps_its_end_and_goes_on() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("1.log");
        shorten(&path).expect("it is not there yet");
        let mut log = Place::open(directory.path())
            .and_then(|place| place.append("1.log", 0o600))
            .expect("a file of ours");
        log.write_all(&vec![b'x'; 16 << 20]).expect("there is room");
        shorten(&path).expect("it is ours");
        assert_eq!(log.metadata().expect("it is open").len(), 16 << 20);
        log.write_all(b"the last line\n").expect("there is room");

        shorten(&path).expect("it is ours");
        log.write_all(b"after it\n").expect("it is still open");

        let text = std::fs::read_to_string(&path).expect("it is text");
        assert!(text.len() < 2 << 20, "{}", text.len());
        assert!(
            text.starts_with("[15728654 bytes before this line"),
            "{}",
            &text[..80]
        );
        assert!(text.ends_with("xthe last line\nafter it\n"));
    }

    #[test]
    fn a_short_log_is_shown_whole() {
        assert_eq!(tail_of(b"one\ntwo"), "one\ntwo");
        assert_eq!(tail_of(b""), "");
    }

    #[test]
    fn a_long_log_begins_with_a_whole_line() {
        let lines: Vec<String> = (0..2000).map(|n| format!("line {n}")).collect();
        let lines = lines.join("\n") + "\n";

        let shown = tail_of(lines.as_bytes());

        assert!(shown.len() <= 8 * 1024 && shown.len() > 8 * 1024 - 20);
        assert!(shown.starts_with("line ") && shown.ends_with("line 1999\n"));
    }

    #[test]
    fn a_line_that_fits_exactly_is_kept() {
        let exact = format!("{}\n", "x".repeat(8 * 1024 - 1));

        assert_eq!(tail_of(format!("first\n{exact}").as_bytes()), exact);
    }

    #[test]
    fn bytes_that_are_not_utf8_do_not_make_it_longer() {
        let shown = tail_of(&vec![0xff; 20_000]);

        assert!(!shown.is_empty() && shown.len() <= 8 * 1024);
    }

    #[test]
    fn only_the_last_three_starts_are_kept() {
        let root = tempfile::tempdir().expect("a directory");
        let records = Records::new(root.path());
        for start in 1..=5 {
            let start = StartId(start);
            records
                .prepare(ServerId(1), start, &ProcessTable::default())
                .expect("prepared");
            std::fs::write(records.log(ServerId(1), start), "x").expect("written");
        }

        let starts = records.starts(ServerId(1)).expect("readable");

        assert_eq!(starts, [StartId(3), StartId(4), StartId(5)]);
    }

    #[test]
    fn half_a_record_is_none() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "{\"process\"").expect("written");

        assert_eq!(Record::read(file.path()).expect("readable"), None);
    }
}

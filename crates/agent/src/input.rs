//! Standard input, over which a spawner hands the start document.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};

use jansky_handover::{ReadError, StartDocument};
use jansky_model::Secret;
use rustix::event::{PollFd, PollFlags, Timespec};

/// How long to wait for input. None ever comes when somebody restarts a container by hand.
const PATIENCE: Timespec = Timespec {
    tv_sec: 60,
    tv_nsec: 0,
};

/// Standard input, given up when nothing comes for too long.
struct Input;

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let input = rustix::stdio::stdin();
        let mut waiting = [PollFd::new(&input, PollFlags::IN)];
        if rustix::event::poll(&mut waiting, Some(&PATIENCE))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(rustix::io::read(input, buffer)?)
    }
}

/// Reads the document from standard input.
pub(crate) fn start_document() -> Result<StartDocument, ReadError> {
    StartDocument::read(BufReader::new(Input))
}

/// The environment of the command that a document names.
pub(crate) fn whole_environment(document: &StartDocument) -> BTreeMap<String, Secret> {
    let own = document.inherit_environment.then(std::env::vars);
    let own = own.into_iter().flatten();
    let mut whole: BTreeMap<String, Secret> = own
        .map(|(name, value)| (name, Secret::new(value)))
        .collect();
    let named = document.environment.iter();
    whole.extend(named.map(|(name, value)| (name.to_owned(), value.clone())));
    whole
}

/// Removes the socket and the directories of the agent. On a machine that other servers use as well,
/// nothing else would. A directory that is not empty is not the agent's alone and stays.
pub(crate) fn remove_places(document: &StartDocument) {
    let _ = std::fs::remove_file(&document.socket);
    for place in [document.socket.parent(), document.token_dir.as_deref()] {
        let _ = place.map(std::fs::remove_dir);
    }
}
